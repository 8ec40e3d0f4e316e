//! What a task changed is seen as it is, and reaches the project whole, or not at all.

use crate::support::{World, change, is_root, skip};
use gatepost_domain::changes::{Base, ChangeKind, ChangeSet, DeliveryRefusal, DeliveryResult};
use gatepost_sandbox::deliver::{self, Options};
use gatepost_sandbox::{ExitStatus, Profile, WorkspaceForm};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

#[tokio::test]
async fn nothing_touched_is_no_change() {
    let world = World::new();
    let (_, collected) =
        world.task("cat README >/dev/null; touch README; echo x >t; rm t; chmod 600 README; chmod 644 README").await;
    assert_eq!(collected.changes, ChangeSet::default());
    assert_eq!(collected.diff, "");
}

#[tokio::test]
async fn what_people_send_and_are_sent_is_no_change_to_the_project() {
    let world = World::new();
    world.file(".gatepost-outbox/old.txt", "the project's own\n");
    let (form, collected) = world
        .task(
            "mkdir .gatepost-inbox; echo sent >.gatepost-inbox/photo.jpg; \
             echo back >.gatepost-outbox/report.txt; rm .gatepost-outbox/old.txt; \
             cp .gatepost-inbox/photo.jpg taken.jpg",
        )
        .await;
    let paths: Vec<_> = collected.changes.changes.iter().map(|change| &change.path).collect();
    assert_eq!(paths, ["taken.jpg"]);
    assert!(!collected.diff.contains("gatepost-"), "{}", collected.diff);
    // A list comes back from elsewhere, and is not believed.
    let mut changes = collected.changes.clone();
    let mut forged = changes.changes[0].clone();
    forged.path = ".gatepost-inbox/photo.jpg".into();
    changes.changes.insert(0, forged);
    let applied = deliver::apply(&form, &world.project, &changes);
    assert!(
        !world.project.join(".gatepost-inbox").exists(),
        "the inbox was delivered: {applied:?}"
    );
    let left = deliver::outbox(&form, 10).unwrap();
    let names: Vec<_> = left.iter().map(|left| left.name.to_str().unwrap()).collect();
    assert_eq!(names, ["report.txt"], "only what the task left");
}

#[tokio::test]
async fn every_kind_of_change_is_listed_and_applied() {
    let world = World::new();
    world.file("gone.txt", "bye\n");
    world.file("dir/a", "a\n");
    world.file("dir/sub/b", "b\n");
    world.file("tool.sh", "#!/bin/sh\n");
    world.file("was-file", "file\n");
    world.file("was-dir/inner", "inner\n");
    let before = world.snapshot();
    let (form, collected) = world
        .task(
            "printf 'one\\n2\\nthree\\n' >README; echo new >new.txt; rm gone.txt; rm -r dir; \
             chmod 755 tool.sh; ln -s README link; mkdir empty; mkdir -p deep/er; echo x >deep/er/x; \
             mv src source; rm was-file; mkdir was-file; echo y >was-file/y; rm -r was-dir; \
             echo now >was-dir; head -c 100 /dev/zero >zero.bin",
        )
        .await;
    assert_eq!(world.snapshot(), before, "the project was written while the task ran");
    let changes = &collected.changes;
    let paths: Vec<_> = changes.changes.iter().map(|change| change.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "README",
            "deep/er/x",
            "dir/a",
            "dir/sub/b",
            "empty",
            "gone.txt",
            "link",
            "new.txt",
            "source/main.c",
            "src/main.c",
            "tool.sh",
            "was-dir",
            "was-dir/inner",
            "was-file",
            "was-file/y",
            "zero.bin"
        ]
    );
    let readme = change(changes, "README");
    assert_eq!(readme.kind, ChangeKind::Modified);
    assert_eq!((readme.lines_added, readme.lines_removed, readme.size), (1, 1, 12));
    assert_eq!(change(changes, "new.txt").kind, ChangeKind::Added);
    assert_eq!(change(changes, "gone.txt").kind, ChangeKind::Deleted);
    assert_eq!(change(changes, "gone.txt").lines_removed, 1);
    assert_eq!(change(changes, "tool.sh").kind, ChangeKind::ModeChanged);
    assert_eq!(change(changes, "tool.sh").mode, 0o755);
    assert_eq!(change(changes, "empty").kind, ChangeKind::Directory);
    assert_eq!(change(changes, "link").kind, ChangeKind::Symlink { target: "README".into() });
    assert_eq!(change(changes, "was-dir").base, Base::Directory);
    assert!(change(changes, "zero.bin").binary);
    assert!(changes.changes.iter().all(|change| change.refusal.is_none()));
    for line in ["-two", "+2", "--- a/README", "+++ b/README", "deleted file mode 100644"] {
        assert!(collected.diff.lines().any(|found| found == line), "{line}\n{}", collected.diff);
    }

    assert_eq!(world.apply(&form, changes), DeliveryResult::Applied { paths: 16, refused: 0 });
    assert_eq!(world.read("README"), "one\n2\nthree\n");
    assert_eq!(world.read("new.txt"), "new\n");
    assert_eq!(world.read("deep/er/x"), "x\n");
    assert_eq!(world.read("source/main.c"), "int main(void) { return 0; }\n");
    assert_eq!(world.read("was-file/y"), "y\n");
    assert_eq!(world.read("was-dir"), "now\n");
    for gone in ["gone.txt", "dir", "src"] {
        assert!(!world.project.join(gone).exists(), "{gone}");
    }
    assert!(world.project.join("empty").is_dir());
    assert_eq!(world.project.join("link").read_link().unwrap().to_str(), Some("README"));
    let tool = world.project.join("tool.sh").metadata().unwrap();
    assert_eq!(tool.mode() & 0o777, 0o755);
    let owner = world.project.metadata().unwrap().uid();
    for made in ["new.txt", "deep", "empty", "link"] {
        let meta = world.project.join(made).symlink_metadata().unwrap();
        assert_eq!(meta.uid(), owner, "{made}");
    }
    // Nothing is left to be delivered.
    let (_, again) = world.collect();
    assert_eq!(again.changes.changes, []);
}

#[tokio::test]
async fn a_project_that_changed_underneath_is_a_conflict_and_nothing_is_written() {
    let world = World::new();
    let (form, collected) = world.task("echo a >aaa; echo task >README").await;
    world.file("README", "person\n");
    let before = world.snapshot();
    let conflict = DeliveryResult::Conflict { path: "README".to_owned() };
    assert_eq!(world.apply(&form, &collected.changes), conflict);
    assert_eq!(world.snapshot(), before);
    // Changed before it was collected counts as well: the task never saw it.
    let (form, collected) = world.collect();
    assert_eq!(world.apply(&form, &collected.changes), conflict);
    assert_eq!(world.snapshot(), before);
}

#[tokio::test]
async fn a_file_that_appeared_meanwhile_is_not_overwritten() {
    let world = World::new();
    let (form, collected) = world.task("echo task >new").await;
    world.file("new", "person\n");
    let conflict = DeliveryResult::Conflict { path: "new".to_owned() };
    assert_eq!(world.apply(&form, &collected.changes), conflict);
    assert_eq!(world.read("new"), "person\n");
}

#[tokio::test]
async fn a_delivery_that_was_cut_off_is_completed_when_asked_for_again() {
    let world = World::new();
    world.file("gone.txt", "bye\n");
    let (form, collected) =
        world.task("echo task >README; rm gone.txt; echo new >new; ln -s README link").await;
    // What a crash in the middle leaves behind: some of it is written already.
    world.file("README", "task\n");
    std::fs::remove_file(world.project.join("gone.txt")).unwrap();
    let applied = DeliveryResult::Applied { paths: 4, refused: 0 };
    assert_eq!(world.apply(&form, &collected.changes), applied);
    assert_eq!((world.read("README"), world.read("new")), ("task\n".into(), "new\n".into()));
    assert_eq!(world.apply(&form, &collected.changes), applied, "a third time changes nothing");
    assert!(world.project.join("link").is_symlink());
}

#[tokio::test]
async fn what_a_cut_off_delivery_left_behind_goes_when_all_is_delivered() {
    let world = World::new();
    let (form, collected) = world.task("echo task >README; echo new >new; mkdir d").await;
    let changes = &collected.changes;
    // The directory of our own, found out from a delivery that cannot put everything back.
    let staged = || {
        std::fs::read_dir(&world.project)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(".gatepost-"))
            .collect::<Vec<_>>()
    };
    let name = format!(".gatepost-{}", view_hash(&form));
    let left = world.project.join(&name);
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("old-0"), "one\ntwo\nthree\n").unwrap();
    std::fs::write(left.join("new-1"), "new\n").unwrap();
    let outside = world.outside("outside");
    std::fs::write(&outside, "outside\n").unwrap();
    symlink(&outside, left.join("old-2")).unwrap();
    // A delivery that fails loses nothing of it.
    world.file("new", "person\n");
    let result = deliver::apply(&form, &world.project, changes);
    assert_eq!(result, DeliveryResult::Conflict { path: "new".to_owned() });
    assert_eq!(std::fs::read_to_string(left.join("old-0")).unwrap(), "one\ntwo\nthree\n");
    assert_eq!(staged(), [left.as_path()]);
    // One that is complete clears it away, and follows no link.
    std::fs::remove_file(world.project.join("new")).unwrap();
    let applied = DeliveryResult::Applied { paths: 3, refused: 0 };
    assert_eq!(world.apply(&form, changes), applied);
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "outside\n");
    // The same where everything was written before the crash.
    std::fs::create_dir(&left).unwrap();
    std::fs::write(left.join("old-0"), "x").unwrap();
    assert_eq!(world.apply(&form, changes), applied);
    // What is none of ours stays.
    std::fs::create_dir_all(left.join("old-1")).unwrap();
    assert_eq!(deliver::apply(&form, &world.project, changes), applied);
    assert!(left.join("old-1").is_dir());
    std::fs::remove_dir_all(&left).unwrap();
    symlink(world.outside("."), &left).unwrap();
    assert_eq!(deliver::apply(&form, &world.project, changes), applied);
    assert!(left.is_symlink());
}

/// What the name of a task's own directory in the project is made of.
fn view_hash(form: &WorkspaceForm) -> String {
    use sha2::{Digest, Sha256};
    use std::os::unix::ffi::OsStrExt;
    let (WorkspaceForm::Overlay { upper: view, .. } | WorkspaceForm::Copy { copy: view, .. }) =
        form;
    let digest = Sha256::digest(view.as_os_str().as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn what_lies_too_deep_is_refused_and_hides_nothing_else() {
    let world = World::new();
    let deep = |name: &str, depth: usize| format!("{name}/{}", vec!["d"; depth].join("/"));
    let old = deep("old", 140);
    std::fs::create_dir_all(world.project.join(&old)).unwrap();
    world.file(&format!("{old}/x"), "x\n");
    world.file("old/near", "near\n");
    let new = deep("a", 140);
    let script = format!("mkdir -p {new}; echo x >{new}/x; echo evil >z; rm -r old");
    let (form, collected) = world.task(&script).await;
    let changes = &collected.changes;
    assert!(!changes.truncated);
    let refused: Vec<_> =
        changes.changes.iter().filter(|change| change.refusal.is_some()).collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(refused.iter().all(|change| change.refusal == Some(DeliveryRefusal::TooDeep)));
    assert_eq!(change(changes, "z").kind, ChangeKind::Added);
    assert_eq!(change(changes, "old/near").kind, ChangeKind::Deleted);
    assert!(collected.diff.contains("not looked at and never delivered"), "{}", collected.diff);
    assert_eq!(
        world.apply(&form, changes),
        DeliveryResult::Applied { paths: 2, refused: 2 },
        "what stays does not make the rest fail"
    );
    assert_eq!(world.read("z"), "evil\n");
    assert!(!world.project.join("old/near").exists());
    assert!(world.project.join(old).join("x").exists());
    assert!(!world.project.join("a").exists());
}

#[tokio::test]
async fn a_pipe_of_the_project_is_refused_alone() {
    let world = World::new();
    let pipe = |name: &str| {
        let path = world.project.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    let names = ["pipe", "gone", "dir-now", "dir/pipe", "file-now/pipe", "empty-now"];
    names.iter().for_each(|name| pipe(name));
    world.file("dir/file", "file\n");
    world.file("file-now/file", "file\n");
    let (form, collected) = world
        .task(
            "rm pipe; echo x >pipe; rm gone; rm dir-now; mkdir dir-now; echo x >dir-now/x; \
             rm -r dir; rm -r file-now; echo x >file-now; rm empty-now; mkdir empty-now; echo ok >ok",
        )
        .await;
    let changes = &collected.changes;
    for path in names.iter().chain(&["dir-now/x", "file-now"]) {
        assert_eq!(change(changes, path).refusal, Some(DeliveryRefusal::SpecialFile), "{path}");
    }
    let applied = DeliveryResult::Applied { paths: 3, refused: 8 };
    assert_eq!(world.apply(&form, changes), applied);
    assert_eq!(world.read("ok"), "ok\n");
    assert!(!world.project.join("dir/file").exists());
    for name in names {
        use std::os::unix::fs::FileTypeExt;
        assert!(world.project.join(name).metadata().unwrap().file_type().is_fifo(), "{name}");
    }
}

#[tokio::test]
async fn a_deleted_directory_with_a_repository_in_it_keeps_only_that() {
    let world = World::new();
    world.file("sub/nested/file", "x\n");
    let nested = world.project.join("sub/nested");
    let made = Command::new("git").args(["init", "-q"]).arg(&nested).status().unwrap();
    assert!(made.success());
    let (form, collected) = world.task("rm -rf sub; echo ok >ok").await;
    let result = world.apply(&form, &collected.changes);
    assert!(matches!(result, DeliveryResult::Applied { paths: 2, .. }), "{result:?}");
    assert!(!nested.join("file").exists());
    assert!(nested.join(".git/HEAD").exists());
}

#[tokio::test]
async fn a_link_in_the_project_is_never_followed_out() {
    let world = World::new();
    let outside = world.outside("outside");
    std::fs::create_dir(&outside).unwrap();
    let (form, collected) = world.task("mkdir d; echo evil >d/file; echo x >src/new").await;
    // Put there between review and delivery.
    symlink(&outside, world.project.join("d")).unwrap();
    let result = world.apply(&form, &collected.changes);
    assert!(matches!(result, DeliveryResult::Conflict { .. }), "{result:?}");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    assert!(!world.project.join("src/new").exists());
}

#[tokio::test]
async fn what_may_not_leave_is_refused_by_name_and_the_rest_is_delivered() {
    let world = World::new();
    git(&world, &["init", "-q", "-b", "main"]);
    let (form, collected) = world
        .task(
            "echo 'exit 1' >.git/hooks/pre-commit; chmod +x .git/hooks/pre-commit; \
             git config core.fsmonitor 'touch /tmp/pwned'; git init -q nested; \
             git init -q --bare bare; \
             cp /bin/true suid; chmod 4755 suid; chmod 2755 src/main.c; mkfifo pipe; \
             ln -s /etc/passwd abs; ln -s ../../x up; mkdir k; ln -s ../README k/fine; \
             ln -s .git/config gitlink; \
             printf x >\"$(printf 'bad\\377name')\"; truncate -s 1G sparse; echo ok >ok",
        )
        .await;
    let changes = &collected.changes;
    let refusal = |path: &str| change(changes, path).refusal;
    assert_eq!(refusal(".git/hooks/pre-commit"), Some(DeliveryRefusal::GitInternals));
    assert_eq!(refusal(".git/config"), Some(DeliveryRefusal::GitInternals));
    assert_eq!(refusal("nested/.git/config"), Some(DeliveryRefusal::GitInternals));
    assert_eq!(refusal("bare/config"), Some(DeliveryRefusal::GitInternals));
    assert_eq!(refusal("suid"), Some(DeliveryRefusal::SetuidBit));
    assert_eq!(refusal("src/main.c"), Some(DeliveryRefusal::SetuidBit));
    assert_eq!(refusal("pipe"), Some(DeliveryRefusal::SpecialFile));
    assert_eq!(refusal("abs"), Some(DeliveryRefusal::LinkLeavesTree));
    assert_eq!(refusal("up"), Some(DeliveryRefusal::LinkLeavesTree));
    assert_eq!(refusal("gitlink"), Some(DeliveryRefusal::GitInternals));
    assert_eq!(refusal("bad\\xffname"), Some(DeliveryRefusal::NameNotUtf8));
    assert_eq!(refusal("sparse"), Some(DeliveryRefusal::TooLarge));
    assert_eq!(refusal("k/fine"), None);
    assert!(changes.git_internals > 4, "{}", changes.git_internals);
    let refused = changes.changes.iter().filter(|change| change.refusal.is_some()).count();
    assert_eq!(
        world.apply(&form, changes),
        DeliveryResult::Applied { paths: 2, refused: refused as u64 }
    );
    assert_eq!(world.read("ok"), "ok\n");
    for name in ["suid", "pipe", "abs", "up", "sparse", "nested", "bare", "gitlink"] {
        assert!(world.project.join(name).symlink_metadata().is_err(), "{name}");
    }
    assert!(collected.diff.contains("new file mode 104755\n"), "{}", collected.diff);
    assert!(!world.project.join(".git/hooks/pre-commit").exists());
    assert!(!world.read(".git/config").contains("fsmonitor"));
}

#[tokio::test]
async fn a_forged_list_is_not_believed() {
    let world = World::new();
    git(&world, &["init", "-q"]);
    let (form, collected) =
        world.task("echo x >x; mkdir -p .git/hooks; echo x >.git/hooks/post-merge").await;
    let before = world.snapshot();
    let forge = |with: &dyn Fn(&mut gatepost_domain::changes::Change)| {
        let mut changes = collected.changes.clone();
        changes.changes.iter_mut().for_each(|change| {
            change.refusal = None;
            if change.path == "x" {
                with(change);
            }
        });
        changes
    };
    // Hooks stay refused although the list no longer says so.
    let result = world.apply(&form, &forge(&|change| change.sha256 = "0".repeat(64)));
    assert!(
        matches!(&result, DeliveryResult::Failed { reason } if reason.contains("collect again")),
        "{result:?}"
    );
    for path in ["../x", "/etc/x", "a/../x", ""] {
        let result = world.apply(&form, &forge(&|change| change.path = path.to_owned()));
        assert!(matches!(result, DeliveryResult::Failed { .. }), "{path}: {result:?}");
    }
    let result = world.apply(&form, &forge(&|change| change.mode = 0o4755));
    assert_eq!(result, DeliveryResult::Applied { paths: 0, refused: 2 });
    assert_eq!(world.snapshot(), before);
    let mut truncated = collected.changes.clone();
    truncated.truncated = true;
    assert!(matches!(world.apply(&form, &truncated), DeliveryResult::Failed { .. }));
    assert_eq!(world.snapshot(), before);
}

#[tokio::test]
async fn content_changed_after_review_is_not_delivered() {
    let world = World::new();
    let sandbox = world.start().await;
    world.sh(&sandbox, "echo reviewed >a; echo reviewed >b").await;
    let (form, collected) = world.collect();
    // The same size: only the hash tells.
    world.sh(&sandbox, "echo replaced >b").await;
    sandbox.stop().await;
    let before = world.snapshot();
    let result = world.apply(&form, &collected.changes);
    assert!(matches!(result, DeliveryResult::Failed { .. }), "{result:?}");
    assert_eq!(world.snapshot(), before);
}

#[tokio::test]
async fn a_failure_midway_is_undone() {
    let world = World::new();
    world.file("z/keep", "keep\n");
    let (form, collected) =
        world.task("rm README; echo a >a; mkdir m; echo b >m/b; rm -r z; echo dir >z").await;
    // Nobody's business of the list: it keeps `z` from being removed.
    world.file("z/untracked", "person\n");
    let before = world.snapshot();
    let result = world.apply(&form, &collected.changes);
    assert_eq!(result, DeliveryResult::Conflict { path: "z".to_owned() });
    assert_eq!(world.snapshot(), before);
}

#[tokio::test]
async fn bounds_make_a_set_truncated_and_never_hang() {
    let world = World::new();
    let (form, _) = world.task("for i in 1 2 3 4 5 6; do echo $i >f$i; done").await;
    let options = Options { max_entries: 3, ..Options::default() };
    let collected = deliver::collect(&form, &options).unwrap();
    assert!(collected.changes.truncated);
    assert_eq!(collected.changes.changes.len(), 3);
    let options = Options { max_bytes: 5, ..Options::default() };
    assert!(deliver::collect(&form, &options).unwrap().changes.truncated);
    let options = Options { max_diff_bytes: 60, ..Options::default() };
    let collected = deliver::collect(&form, &options).unwrap();
    assert!(!collected.changes.truncated);
    assert!(collected.diff.contains("cut here"), "{}", collected.diff);
    assert!(collected.diff.contains("more changed paths"), "{}", collected.diff);
}

#[tokio::test]
async fn trees_of_any_depth_closed_directories_and_long_names_are_survived() {
    let world = World::new();
    let (_, collected) = world
        .task(
            "mkdir -p deep; cd deep; perl -e 'for (1..2500) { mkdir \"dddd\"; chdir \"dddd\" or die }'",
        )
        .await;
    assert!(!collected.changes.truncated);
    let [only] = collected.changes.changes.as_slice() else { panic!("{:?}", collected.changes) };
    assert_eq!(only.refusal, Some(DeliveryRefusal::TooDeep));
    deliver::discard(&world.storage).unwrap();
    assert!(!world.storage.exists());

    let long = "n".repeat(255);
    let (form, collected) = world
        .task(&format!("mkdir closed; echo x >closed/x; chmod 000 closed/x closed; echo y >{long}"))
        .await;
    assert_eq!(change(&collected.changes, "closed/x").mode, 0);
    assert_eq!(
        world.apply(&form, &collected.changes),
        DeliveryResult::Applied { paths: 2, refused: 0 }
    );
    std::fs::set_permissions(world.project.join("closed"), PermissionsExt::from_mode(0o755))
        .unwrap();
    assert_eq!(world.project.join("closed/x").metadata().unwrap().mode() & 0o777, 0);
}

#[tokio::test]
async fn a_directory_deleted_and_made_again_shows_only_what_is_in_it() {
    let world = World::new();
    world.file("d/a", "a\n");
    world.file("d/e/b", "b\n");
    world.file("d/same", "same\n");
    let (form, collected) =
        world.task("rm -r d; mkdir d d/e; echo same >d/same; echo c >d/e/c").await;
    let paths: Vec<_> = collected.changes.changes.iter().map(|c| c.path.as_str()).collect();
    assert_eq!(paths, ["d/a", "d/e/b", "d/e/c"]);
    let result = world.apply(&form, &collected.changes);
    assert_eq!(result, DeliveryResult::Applied { paths: 3, refused: 0 });
    assert_eq!(world.read("d/e/c"), "c\n");
    assert!(!world.project.join("d/a").exists() && !world.project.join("d/e/b").exists());
}

#[tokio::test]
async fn a_copy_is_told_from_the_project_it_was_made_of() {
    let world = World::new();
    world.file("stays", "stays\n");
    world.file("gone/x", "x\n");
    world.file("both", "both\n");
    world.file("theirs", "theirs\n");
    world.file("dropped", "dropped\n");
    if !is_root() {
        // Nobody else can make a file of a further owner; a project of root's serves instead.
        let project = PathBuf::from("/usr/share/perl/5.36.0/unicore");
        let Some(project) = project.is_dir().then_some(project) else {
            return skip("no directory of root's is known here");
        };
        let profile = Profile::new(&project, &world.storage);
        let sandbox = world.start_with(profile).await;
        assert!(matches!(sandbox.workspace(), WorkspaceForm::Copy { .. }));
        assert!(sandbox.report().notes.iter().any(|note| note.contains("another user")));
        let script = format!("cd {} && echo x >new && rm -f version", project.display());
        assert_eq!(world.sh_at(&sandbox, Path::new("/"), &script).await.0, ExitStatus::Code(0));
        sandbox.stop().await;
        let form = WorkspaceForm::in_storage(&project, &world.storage).unwrap();
        let collected = deliver::collect(&form, &Options::default()).unwrap();
        let paths: Vec<_> = collected.changes.changes.iter().map(|c| c.path.as_str()).collect();
        assert_eq!(paths, ["new", "version"]);
        return;
    }
    let other = world.file("other", "another owner\n");
    std::os::unix::fs::chown(&other, Some(4321), Some(4321)).unwrap();
    let sandbox = world.start().await;
    assert!(matches!(sandbox.workspace(), WorkspaceForm::Copy { .. }));
    assert_eq!(sandbox.report().workspace, "copy");
    assert!(sandbox.report().notes.iter().any(|note| note.contains("has another owner")));
    let (status, said) = world
        .sh(
            &sandbox,
            "echo task >both; echo task >stays; rm -r gone; touch README; echo n >new; mkdir e; \
             rm dropped; chmod 755 src/main.c",
        )
        .await;
    assert_eq!(status, ExitStatus::Code(0), "{said}");
    // A second start goes on with the same copy.
    sandbox.stop().await;
    let sandbox = world.start().await;
    assert_eq!(world.sh(&sandbox, "cat stays").await.1, "task\n");
    sandbox.stop().await;
    // What the person did meanwhile is no change of the task's.
    world.file("theirs", "edited\n");
    world.file("added", "by the person\n");
    let (form, collected) = world.collect();
    let paths: Vec<_> = collected.changes.changes.iter().map(|c| c.path.as_str()).collect();
    assert_eq!(paths, ["both", "dropped", "e", "gone/x", "new", "src/main.c", "stays"]);
    let result = world.apply(&form, &collected.changes);
    assert_eq!(result, DeliveryResult::Applied { paths: 7, refused: 0 });
    assert_eq!(world.read("stays"), "task\n");
    assert_eq!(world.read("theirs"), "edited\n");
    assert!(!world.project.join("gone").exists());
    assert_eq!(world.project.join("new").metadata().unwrap().uid(), 0);
}

#[tokio::test]
async fn a_copy_and_a_project_changed_at_the_same_path_are_a_conflict() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let other = world.file("other", "another owner\n");
    std::os::unix::fs::chown(&other, Some(4321), Some(4321)).unwrap();
    let sandbox = world.start().await;
    world.sh(&sandbox, "echo task >README").await;
    sandbox.stop().await;
    world.file("README", "person\n");
    let (form, collected) = world.collect();
    assert_eq!(
        world.apply(&form, &collected.changes),
        DeliveryResult::Conflict { path: "README".to_owned() }
    );
    assert_eq!(world.read("README"), "person\n");
}

fn git(world: &World, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@localhost"])
        .args(args)
        .current_dir(&world.project)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", "/nonexistent")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn a_branch_holds_the_changes_and_nothing_else_moves() {
    let world = World::new();
    world.file(".gitignore", "out/\n*.o\n");
    git(&world, &["init", "-q", "-b", "main"]);
    git(&world, &["add", "-A"]);
    git(&world, &["commit", "-qm", "first"]);
    world.file("dirty", "not committed\n");
    // Every one of these would leave a trace should git run it.
    let marker = world.outside("ran");
    let trap = format!("#!/bin/sh\ntouch {}\n", marker.display());
    for hook in ["reference-transaction", "pre-commit", "post-index-change"] {
        let path = world.file(&format!(".git/hooks/{hook}"), &trap);
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    git(&world, &["config", "filter.x.clean", &format!("touch {}", marker.display())]);
    std::fs::remove_file(&marker).ok();
    let (form, collected) = world
        .task(
            "echo '* filter=x' >.gitattributes; echo more >>README; rm src/main.c; \
             echo '#!/bin/sh' >run; chmod +x run; ln -s README l; mkdir out; echo o >out/o; echo o >x.o; \
             echo '* filter=x' >.git/info/attributes; git config core.fsmonitor 'touch /tmp/x'; \
             echo changed >dirty",
        )
        .await;
    let (index, head) = (
        std::fs::read(world.project.join(".git/index")).unwrap(),
        git(&world, &["rev-parse", "HEAD"]),
    );
    std::fs::remove_file(&marker).ok();
    let before: Vec<_> =
        world.snapshot().lines().filter(|l| !l.contains("/.git/")).map(str::to_owned).collect();
    let result =
        deliver::branch(&form, &world.project, "t-1", "do it\n\nplease", &collected.changes);
    assert!(!marker.exists(), "git ran a hook or a filter");
    let DeliveryResult::Branched { branch, commit, refused } = &result else {
        panic!("{result:?}")
    };
    assert_eq!(branch, "gatepost/t-1");
    // The two files of git, and the one that it ignores.
    assert_eq!(*refused, 3);
    let after: Vec<_> =
        world.snapshot().lines().filter(|l| !l.contains("/.git/")).map(str::to_owned).collect();
    assert_eq!(before, after);
    assert_eq!(std::fs::read(world.project.join(".git/index")).unwrap(), index);
    std::fs::remove_dir_all(world.project.join(".git/hooks")).unwrap();
    assert_eq!(git(&world, &["rev-parse", "HEAD"]), head);
    assert_eq!(git(&world, &["rev-parse", "--abbrev-ref", "HEAD"]), "main");
    assert_eq!(git(&world, &["rev-parse", "refs/heads/gatepost/t-1"]), *commit);
    assert_eq!(git(&world, &["rev-parse", &format!("{commit}^")]), head);
    assert_eq!(
        git(&world, &["ls-tree", "-r", "--format=%(objectmode) %(path)", commit]),
        "100644 .gitattributes\n100644 .gitignore\n100644 README\n100644 dirty\n120000 l\n100755 run"
    );
    assert_eq!(git(&world, &["show", &format!("{commit}:README")]), "one\ntwo\nthree\nmore");
    assert_eq!(git(&world, &["show", &format!("{commit}:dirty")]), "changed");
    assert_eq!(git(&world, &["log", "-1", "--format=%B", commit]), "do it\n\nplease");
    git(&world, &["fsck", "--strict"]);
    let owner = world.project.join(".git").metadata().unwrap().uid();
    for entry in std::fs::read_dir(world.project.join(".git/objects")).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().uid(), owner);
    }
    assert!(!std::fs::read_dir(world.project.join(".git")).unwrap().any(|entry| {
        entry.unwrap().file_name().to_string_lossy().starts_with("gatepost-index")
    }));
    // A second one has a name of its own, and the first stays as it is.
    let again = deliver::branch(&form, &world.project, "t-1", "again", &collected.changes);
    assert!(
        matches!(&again, DeliveryResult::Branched { branch, .. } if branch == "gatepost/t-1-2"),
        "{again:?}"
    );
    assert_eq!(git(&world, &["rev-parse", "gatepost/t-1"]), *commit);
}

#[tokio::test]
async fn directories_that_git_ignores_are_passed_over_and_said_to_be() {
    let world = World::new();
    world.file(".gitignore", "/target/\nnode_modules/\n!keep/node_modules/\n");
    world.file("target/old", "old\n");
    world.file("sub/node_modules/tracked", "tracked\n");
    git(&world, &["init", "-q"]);
    git(&world, &["add", "-A"]);
    git(&world, &["add", "-f", "sub/node_modules/tracked"]);
    git(&world, &["commit", "-qm", "first"]);
    let (form, collected) = world
        .task(
            "echo 'new' >.gitignore; echo x >target/new; rm target/old; mkdir -p node_modules/a b/target \
             keep/node_modules; echo x >node_modules/a/x; echo x >b/target/x; \
             echo x >keep/node_modules/x; echo more >>sub/node_modules/tracked",
        )
        .await;
    let paths: Vec<_> = collected.changes.changes.iter().map(|c| c.path.as_str()).collect();
    assert_eq!(
        paths,
        [".gitignore", "b/target/x", "keep/node_modules/x", "sub/node_modules/tracked"]
    );
    let said = collected.diff.lines().last().unwrap();
    assert_eq!(said, "[not looked at, because git ignores it: node_modules/, target/]");
    let options = Options { skip_ignored_dirs: false, ..Options::default() };
    let all = deliver::collect(&form, &options).unwrap();
    assert!(all.changes.changes.iter().any(|change| change.path == "target/new"));
}

/// While the project's directories are exchanged with links to the outside as fast as can be,
/// changes are applied over and over: whatever comes of it, nothing lands outside.
#[tokio::test]
async fn a_project_exchanged_with_links_meanwhile_is_not_followed() {
    let world = World::new();
    let outside = world.outside("outside");
    std::fs::create_dir(&outside).unwrap();
    world.file("d/old", "old\n");
    let (form, collected) =
        world.task("echo new >d/new; echo x >>d/old; mkdir d/e; echo y >d/e/y").await;
    let (at, link) = (world.project.join("d"), world.project.join("link"));
    symlink(&outside, &link).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                use rustix::fs::{CWD, RenameFlags, renameat_with};
                // In one step: where nothing stood between, a delivery would make it anew.
                renameat_with(CWD, &at, CWD, &link, RenameFlags::EXCHANGE).unwrap();
            }
        });
        for _ in 0..100 {
            // The race decides what comes of it.
            let _result = deliver::apply(&form, &world.project, &collected.changes);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[tokio::test]
async fn a_branch_needs_a_repository_with_a_commit() {
    let world = World::new();
    let (form, collected) = world.task("echo x >x").await;
    let branch = || deliver::branch(&form, &world.project, "t", "m", &collected.changes);
    assert!(!deliver::is_git(&world.project));
    assert!(matches!(branch(), DeliveryResult::Failed { reason } if reason.contains("git init")));
    git(&world, &["init", "-q"]);
    assert!(deliver::is_git(&world.project));
    assert!(matches!(branch(), DeliveryResult::Failed { reason } if reason.contains("no commit")));
}

#[tokio::test]
async fn nothing_of_a_task_is_left_after_discard() {
    let world = World::new();
    let sandbox = world.start().await;
    let (status, _) = world.sh(&sandbox, "mkdir -p a/b; chmod 000 a; rm README").await;
    assert_eq!(status, ExitStatus::Code(0));
    sandbox.stop().await;
    deliver::discard(&world.storage).unwrap();
    assert!(!world.storage.exists());
    assert_eq!(WorkspaceForm::in_storage(&world.project, &world.storage), None);
    deliver::discard(&world.storage).unwrap();
}
