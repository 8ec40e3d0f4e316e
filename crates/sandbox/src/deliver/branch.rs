//! The changes as a git branch, made from git's own building blocks.
//!
//! Git runs with the project's configuration, which no task can write, and even so with hooks,
//! monitors and filters off; it never sees the workspace, only the bytes piped into it.

use crate::deliver::apply::{Step, Stop, deliverable, pour, view};
use crate::deliver::content::hex;
use crate::workspace::WorkspaceForm;
use gatepost_domain::changes::{Change, ChangeKind, ChangeSet, DeliveryResult};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The value `update-ref` takes for a branch that must not exist yet, cut to the length in use.
const NONE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

pub(super) fn is_git(project: &Path) -> bool {
    project.join(".git").exists()
}

pub(super) fn branch(
    form: &WorkspaceForm,
    project: &Path,
    task: &str,
    message: &str,
    changes: &ChangeSet,
) -> DeliveryResult {
    match try_branch(form, project, task, message, changes) {
        Ok((branch, commit, refused)) => DeliveryResult::Branched { branch, commit, refused },
        Err(Stop::Conflict(path)) => DeliveryResult::Conflict { path },
        Err(Stop::Failed(reason)) => DeliveryResult::Failed { reason },
    }
}

fn failed<T>(reason: impl Into<String>) -> Step<T> {
    Err(Stop::Failed(reason.into()))
}

fn try_branch(
    form: &WorkspaceForm,
    project: &Path,
    task: &str,
    message: &str,
    changes: &ChangeSet,
) -> Step<(String, String, u64)> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if task.is_empty() || !task.bytes().all(plain) {
        return failed(format!("`{task}` cannot be part of the name of a branch"));
    }
    if !is_git(project) {
        return failed("the project is no git repository; run `git init` in it, or apply instead");
    }
    let (mut taken, mut refused) = deliverable(form, project, changes)?;
    let git = Git::new(project)?;
    let Ok(head) = git.line(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]) else {
        return failed("the repository has no commit yet; make a first one, or apply instead");
    };
    let name = format!("gatepost/{task}");
    let reference = format!("refs/heads/{name}");
    if git.run(&["show-ref", "--verify", "--quiet", &reference], b"").is_ok() {
        return failed(format!(
            "the branch `{name}` exists already; delete it with `git branch -D {name}` to make it \
             anew"
        ));
    }
    let ignored = git.ignored(&taken)?;
    let all = taken.len();
    taken.retain(|change| !ignored.contains(&change.path));
    refused += (all - taken.len()) as u64;
    // Git knows no directories.
    if !taken.iter().any(|change| !matches!(change.kind, ChangeKind::Directory)) {
        return failed("there is nothing among the changes that a branch can hold");
    }

    let view = view(form)?;
    // Removals first: a file may have to go before a directory can take its name.
    let (mut index, mut added) = (Vec::new(), Vec::new());
    let nothing = NONE.get(..head.len()).unwrap_or(NONE);
    for change in &taken {
        let (mode, object) = match &change.kind {
            ChangeKind::Deleted => ("0", nothing.to_owned()),
            ChangeKind::Added | ChangeKind::Modified | ChangeKind::ModeChanged => {
                let mode = if change.mode & 0o100 == 0 { "100644" } else { "100755" };
                (mode, git.object(|to| pour(&view, change, to))?)
            }
            ChangeKind::Symlink { target } => {
                let object = git.object(|to| {
                    to.write_all(target.as_bytes()).map_err(|error| {
                        Stop::Failed(format!("`{}` could not be written ({error})", change.path))
                    })
                })?;
                ("120000", object)
            }
            ChangeKind::Directory | ChangeKind::Special => continue,
        };
        let entry = format!("{mode} {object}\t{}\0", change.path);
        let list = if mode == "0" { &mut index } else { &mut added };
        list.extend(entry.into_bytes());
    }
    index.append(&mut added);
    let tree = git.tree(&head, &index)?;
    let message = if message.trim().is_empty() { "Changes of a task" } else { message };
    let commit = git.words(
        &["commit-tree", "--no-gpg-sign", "-p", &head, "-F", "-", &tree],
        message.as_bytes(),
    )?;
    git.run(&["update-ref", "-m", "gatepost", &reference, &commit, nothing], b"")?;
    Ok((name, commit, refused))
}

/// Runs git on one repository.
struct Git<'p> {
    project: &'p Path,
    /// The repository's owner, when we are root: what git writes must be theirs.
    user: Option<(u32, u32)>,
    index: PathBuf,
}

impl<'p> Git<'p> {
    fn new(project: &'p Path) -> Step<Self> {
        let meta = std::fs::metadata(project.join(".git"))
            .map_err(|error| Stop::Failed(format!("`.git` cannot be looked at ({error})")))?;
        let user = rustix::process::geteuid().is_root().then(|| (meta.uid(), meta.gid()));
        let mut git = Self { project, user, index: PathBuf::new() };
        let dir = git.line(&["rev-parse", "--absolute-git-dir"])?;
        let mut random = [0_u8; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
            .map_err(|error| Stop::Failed(format!("no random name could be made ({error})")))?;
        git.index = Path::new(&dir).join(format!("gatepost-index-{}", hex(&random)));
        Ok(git)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        let mut safe = b"safe.directory=".to_vec();
        safe.extend_from_slice(self.project.as_os_str().as_bytes());
        command.arg("--no-pager");
        for setting in [
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
            "gc.auto=0",
            "maintenance.auto=false",
        ] {
            command.arg("-c").arg(setting);
        }
        command.arg("-c").arg(OsStr::from_bytes(&safe)).args(args);
        command.current_dir(self.project).env_clear();
        // Not searched for from here upwards: the project's own repository or none.
        command.env("GIT_DIR", self.project.join(".git")).env("GIT_WORK_TREE", self.project);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
            .env("HOME", "/nonexistent")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // The commit is the task's, not the person's; merging it is theirs.
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Gatepost");
            command.env(format!("GIT_{who}_EMAIL"), "gatepost@localhost");
        }
        if !self.index.as_os_str().is_empty() {
            command.env("GIT_INDEX_FILE", &self.index);
        }
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Runs git, feeding it with `feed`; its output when it said that all went well, or when it
    /// ended with one of the other codes taken as well.
    fn fed(
        &self,
        args: &[&str],
        also: &[i32],
        feed: impl FnOnce(&mut dyn Write) -> Step,
    ) -> Step<Vec<u8>> {
        let what = args.first().copied().unwrap_or_default();
        let broken = |error: std::io::Error| {
            Stop::Failed(format!("`git {what}` could not be run ({error}); is git installed?"))
        };
        let mut child = self.command(args).spawn().map_err(broken)?;
        let fed = match child.stdin.take() {
            Some(mut input) => feed(&mut input),
            None => Ok(()),
        };
        if fed.is_err() {
            // Its end matters no more; what it wrote is an object nothing refers to.
            let _killed = child.kill();
        }
        let output = child.wait_with_output().map_err(broken)?;
        let code = output.status.code();
        if output.status.success() || code.is_some_and(|code| also.contains(&code)) {
            fed?;
            return Ok(output.stdout);
        }
        // What git says tells more than that its input broke off.
        let said: String =
            String::from_utf8_lossy(&output.stderr).trim().chars().take(300).collect();
        if said.is_empty() {
            fed?;
        }
        failed(format!("`git {what}` failed: {said}"))
    }

    fn run(&self, args: &[&str], input: &[u8]) -> Step<Vec<u8>> {
        self.fed(args, &[], |to| match to.write_all(input) {
            Ok(()) => Ok(()),
            Err(error) => failed(format!("git took no input ({error})")),
        })
    }

    fn words(&self, args: &[&str], input: &[u8]) -> Step<String> {
        let said = self.run(args, input)?;
        Ok(String::from_utf8_lossy(&said).trim().to_owned())
    }

    fn line(&self, args: &[&str]) -> Step<String> {
        self.words(args, b"")
    }

    /// Stores one file's content as it is.
    fn object(&self, feed: impl FnOnce(&mut dyn Write) -> Step) -> Step<String> {
        let said = self.fed(&["hash-object", "-w", "--no-filters", "--stdin"], &[], feed)?;
        Ok(String::from_utf8_lossy(&said).trim().to_owned())
    }

    /// The tree of `head` with `entries` changed, made in an index of its own.
    fn tree(&self, head: &str, entries: &[u8]) -> Step<String> {
        let made = self
            .run(&["read-tree", head], b"")
            .and_then(|_| self.run(&["update-index", "-z", "--index-info"], entries))
            .and_then(|_| self.line(&["write-tree"]));
        match std::fs::remove_file(&self.index) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "a temporary index stays behind"),
        }
        made
    }

    /// Which of the paths git ignores by the rules of the project as it stands, and does not
    /// track.
    fn ignored(&self, changes: &[&Change]) -> Step<HashSet<String>> {
        let mut input = Vec::new();
        for change in changes {
            // A leading `:` would be a pattern of git's own.
            input.extend_from_slice(b"./");
            input.extend_from_slice(change.path.as_bytes());
            input.push(0);
        }
        // With the project's own index, so that a tracked path is never ignored. Both ends of
        // the pipe are worked at once: a long list would fill them.
        let mut command = self.command(&["check-ignore", "-z", "--stdin"]);
        command.env_remove("GIT_INDEX_FILE");
        let broken = |error| Stop::Failed(format!("`git check-ignore` could not be run ({error})"));
        let mut child = command.spawn().map_err(broken)?;
        let stdin = child.stdin.take();
        let output = std::thread::scope(|scope| {
            scope.spawn(move || stdin.map(|mut to| to.write_all(&input)));
            child.wait_with_output()
        })
        .map_err(broken)?;
        // 1 says that none is.
        match output.status.code() {
            Some(0 | 1) => Ok(output
                .stdout
                .split(|byte| *byte == 0)
                .filter_map(|path| path.strip_prefix(b"./"))
                .map(|path| String::from_utf8_lossy(path).into_owned())
                .collect()),
            Some(_) | None => failed(format!(
                "`git check-ignore` failed: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            )),
        }
    }
}
