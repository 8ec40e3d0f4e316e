//! What leaves the workspace copy, and what never does.

use gatepost_e2e::Gatepost;
use gatepost_e2e::Project;
use gatepost_e2e::Setup;
use reqwest::StatusCode;

fn demo() -> (tempfile::TempDir, Project, Gatepost) {
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let gatepost = Setup::new(root.path()).project(project.path()).up();
    (root, project, gatepost)
}

#[tokio::test]
async fn added_modified_deleted_moded_and_linked_files_are_delivered() {
    let (_root, project, gatepost) = demo();
    project.write("gone", "x\n");
    project.write("tool.sh", "#!/bin/sh\n");
    let api = gatepost.api();
    let text = "$ echo more >> README\n$ rm gone\n$ chmod +x tool.sh\n$ ln -s README link\n$ mkdir -p a/b && echo deep > a/b/c";
    let id = api.submit(text).await;
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    let kinds: std::collections::BTreeMap<String, String> = task["summary"]["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| (file["path"].as_str().unwrap().into(), file["kind"].as_str().unwrap().into()))
        .collect();
    let wanted = [
        ("README", "modified"),
        ("a/b/c", "added"),
        ("gone", "deleted"),
        ("link", "symlink"),
        ("tool.sh", "mode"),
    ];
    let wanted = wanted.into_iter().map(|(path, kind)| (path.into(), kind.into())).collect();
    assert_eq!(kinds, wanted);
    assert_eq!(api.deliver(&id, "apply").await.status, StatusCode::OK);
    assert_eq!(project.text("README").as_deref(), Some("a demo\nmore\n"));
    assert_eq!(project.text("gone"), None);
    assert_eq!(project.text("a/b/c").as_deref(), Some("deep\n"));
    assert_eq!(std::fs::read_link(project.path().join("link")).unwrap().to_str(), Some("README"));
    let mode = std::fs::metadata(project.path().join("tool.sh")).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o111, 0o111);
}

#[tokio::test]
async fn a_project_that_changed_underneath_stops_the_apply_and_says_which_file() {
    let (_root, project, gatepost) = demo();
    let api = gatepost.api();
    let id = api.submit("$ echo theirs >> README\n$ echo new > other").await;
    api.finished(&id).await;
    project.write("README", "mine\n");
    let before = project.snapshot();
    let answer = api.deliver(&id, "apply").await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
    assert!(answer.body.to_string().contains("README"), "{answer:?}");
    assert_eq!(project.snapshot(), before, "nothing is written at a conflict");
    assert_eq!(api.deliver(&id, "discard").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_branch_has_the_changes_and_the_work_tree_does_not() {
    let (_root, project, gatepost) = demo();
    let api = gatepost.api();
    let id = api.submit("$ echo more >> README\n$ echo new > other").await;
    api.finished(&id).await;
    let before = project.snapshot();
    let answer = api.deliver(&id, "branch").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(project.snapshot(), before);
    assert_eq!(project.run_git(&["status", "--porcelain"]), "");
    assert_eq!(project.run_git(&["show", &format!("gatepost/{id}:README")]), "a demo\nmore\n");
    assert_eq!(project.run_git(&["show", &format!("gatepost/{id}:other")]), "new\n");
}

#[tokio::test]
async fn what_would_act_outside_or_later_is_never_delivered() {
    let (root, project, gatepost) = demo();
    let outside = root.path().join("outside");
    std::fs::write(&outside, "untouched").unwrap();
    let api = gatepost.api();
    let text = format!(
        "$ ln -s {} way-out\n$ ln -s ../../.. up\n$ mkfifo pipe\n$ cp /bin/true suid && chmod u+s suid\n$ echo fine > fine",
        outside.display()
    );
    let id = api.submit(&text).await;
    loop {
        let task = api.task(&id).await;
        if task["state"] == "finished" {
            assert_eq!(task["outcome"], "succeeded", "{task:#}");
            break;
        }
        for open in api.get("/api/approvals").await.as_array().unwrap() {
            let _answered = api.answer(open, "approve").await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    let answer = api.deliver(&id, "apply").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(project.text("fine").as_deref(), Some("fine\n"));
    for name in ["way-out", "up", "pipe", "suid"] {
        let path = project.path().join(name);
        assert!(path.symlink_metadata().is_err(), "{name} was delivered: {answer:?}");
    }
    assert_eq!(std::fs::read_to_string(outside).unwrap(), "untouched");
}
