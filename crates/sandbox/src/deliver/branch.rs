//! The changes as a git branch, made from git's own building blocks.
//!
//! Work tree, index and branch of the project are not touched, and git sees the workspace only as
//! bytes piped into it.

use crate::deliver::apply::{Step, Stop, deliverable, pour, view};
use crate::deliver::git::{Git, is_git};
use crate::deliver::ignored::Ignored;
use crate::deliver::tree::Kind;
use crate::workspace::WorkspaceForm;
use gatepost_domain::changes::{ChangeKind, ChangeSet, DeliveryResult};
use std::path::Path;

/// The value `update-ref` takes for a branch that must not exist yet, cut to the length in use.
const NONE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

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

/// So many more branches a task may have; each time it goes on it can leave one.
const MOST_BRANCHES: u32 = 98;

/// The first name for a branch of the task that is not taken, with its reference.
fn free_name(git: &Git, task: &str) -> Option<(String, String)> {
    let first = format!("gatepost/{task}");
    let more = (2..MOST_BRANCHES + 2).map(|n| format!("{first}-{n}"));
    std::iter::once(first.clone()).chain(more).find_map(|name| {
        let reference = format!("refs/heads/{name}");
        let taken = git.run(&["show-ref", "--verify", "--quiet", &reference], b"").is_ok();
        (!taken).then_some((name, reference))
    })
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
    let (mut taken, refused) = deliverable(form, project, changes)?;
    let mut refused = refused.len() as u64;
    let git = Git::on(project)?.with_own_index()?;
    let Ok(head) = git.line(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]) else {
        return failed("the repository has no commit yet; make a first one, or apply instead");
    };
    let Some((name, reference)) = free_name(&git, task) else {
        return failed(format!(
            "`gatepost/{task}` and {MOST_BRANCHES} more branches of the task exist already; delete \
             those that you do not need with `git branch -D`"
        ));
    };
    let mut ignored = Ignored::start(project);
    let all = taken.len();
    taken.retain(|change| {
        let path = Path::new(&change.path);
        !ignored.as_mut().is_some_and(|ignored| ignored.contains(path, Kind::File))
    });
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
