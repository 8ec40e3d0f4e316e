//! What never leaves a workspace, whatever was approved. Asked when changes are listed and again
//! when they are delivered, because the list comes back from elsewhere.

use gatepost_domain::changes::{Base, Change, ChangeKind, DeliveryRefusal};
use gatepost_domain::message::{INBOX, OUTBOX};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// Setuid and setgid.
const SET_ID: u32 = 0o6000;

/// Directories within directories. Deeper trees are made to break whoever walks them.
const MAX_DEPTH: usize = 128;
/// Bytes of a path, below the kernel's 4096.
const MAX_PATH: usize = 3900;

/// Whether a path is deeper or longer than is looked at.
pub(crate) fn is_too_deep(path: &Path) -> bool {
    path.as_os_str().len() > MAX_PATH || path.iter().count() > MAX_DEPTH
}

/// A name as people see it, and whether that is the name exactly.
pub(crate) fn shown(name: &OsStr) -> (String, bool) {
    if let Some(name) = name.to_str() {
        return (name.to_owned(), true);
    }
    let mut text = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string cannot fail.
            let _written = write!(text, "\\x{byte:02x}");
        }
    }
    (text, false)
}

/// Whether `name` is git's directory. Other spellings are the same name on some file systems.
pub(crate) fn is_git_name(name: &OsStr) -> bool {
    let name = name.as_bytes();
    name.eq_ignore_ascii_case(b".git") || name.eq_ignore_ascii_case(b"git~1")
}

/// Whether a path lies in a `.git`, or is one.
pub(crate) fn in_git(path: &Path) -> bool {
    path.iter().any(is_git_name)
}

/// Whether a path is the task's inbox or outbox, or lies in one: what people sent and what they
/// are sent is no change to the project.
pub(crate) fn in_mailbox(path: &Path) -> bool {
    path.iter().next().is_some_and(|first| first == INBOX || first == OUTBOX)
}

/// Whether a file of a git directory runs code or leads git elsewhere, so that a person should
/// see it named. `inside` is the path below that directory.
pub(crate) fn runs_code(inside: &Path) -> bool {
    let last = inside.file_name().unwrap_or_default();
    if last.as_bytes().ends_with(b".sample") {
        return false;
    }
    inside.as_os_str().is_empty()
        || inside.iter().any(|part| part == "hooks")
        || ["config", "config.worktree", "commondir", "gitdir", "attributes"]
            .iter()
            .any(|name| last == *name)
}

/// Whether a link leads out of the project, told from its words alone.
///
/// A `..` behind a name is refused too: the name may itself be a link, and then the words say
/// nothing of where the path ends.
pub(crate) fn link_leaves(path: &Path, target: &Path, project: &Path) -> bool {
    let inside = if target.is_absolute() {
        let Ok(inside) = target.strip_prefix(project) else { return true };
        inside
    } else {
        target
    };
    let mut depth = if target.is_absolute() { 0 } else { path.components().count() - 1 };
    let mut named = false;
    for part in inside.components() {
        match part {
            Component::ParentDir if named || depth == 0 => return true,
            Component::ParentDir => depth -= 1,
            Component::CurDir => {}
            Component::Normal(_) => named = true,
            Component::RootDir | Component::Prefix(_) => return true,
        }
    }
    false
}

/// Why a link may not be delivered.
pub(crate) fn link_refusal(path: &Path, target: &OsStr, project: &Path) -> Option<DeliveryRefusal> {
    let target = Path::new(target);
    if link_leaves(path, target, project) {
        Some(DeliveryRefusal::LinkLeavesTree)
    } else if in_git(target) {
        Some(DeliveryRefusal::GitInternals)
    } else if target.to_str().is_none() {
        Some(DeliveryRefusal::NameNotUtf8)
    } else {
        None
    }
}

/// Why permission bits may not be delivered.
pub(crate) fn mode_refusal(mode: u32) -> Option<DeliveryRefusal> {
    (mode & SET_ID != 0).then_some(DeliveryRefusal::SetuidBit)
}

/// Whether a change may be delivered, asked of the change alone.
pub(crate) fn refusal(change: &Change, project: &Path) -> Option<DeliveryRefusal> {
    let path = Path::new(&change.path);
    if change.refusal.is_some() {
        return change.refusal;
    }
    if in_git(path) {
        return Some(DeliveryRefusal::GitInternals);
    }
    if in_mailbox(path) {
        return Some(DeliveryRefusal::Mailbox);
    }
    if is_too_deep(path) {
        return Some(DeliveryRefusal::TooDeep);
    }
    if matches!(change.base, Base::Special) {
        return Some(DeliveryRefusal::SpecialFile);
    }
    match &change.kind {
        ChangeKind::Special => Some(DeliveryRefusal::SpecialFile),
        ChangeKind::Symlink { target } => link_refusal(path, OsStr::new(target), project),
        ChangeKind::Added | ChangeKind::Modified | ChangeKind::ModeChanged => {
            mode_refusal(change.mode)
        }
        ChangeKind::Deleted | ChangeKind::Directory => None,
    }
}

/// Refuses what cannot be delivered without something that is refused: a file in the place of a
/// directory of which a part stays, and what lies in a directory whose place is not made free.
/// So one refusal never makes the rest of a delivery fail.
pub(crate) fn refuse_what_depends(changes: &mut [Change]) {
    let mut why = BTreeMap::new();
    let refused: Vec<(&str, DeliveryRefusal)> =
        changes.iter().filter_map(|change| Some((change.path.as_str(), change.refusal?))).collect();
    let places: BTreeMap<&str, &Change> =
        changes.iter().map(|change| (change.path.as_str(), change)).collect();
    let above = |path: &str| {
        let path = Path::new(path).ancestors().skip(1);
        path.filter_map(Path::to_str).map(str::to_owned).collect::<Vec<_>>()
    };
    for (path, refusal) in refused {
        for parent in above(path) {
            let blocked = places.get(parent.as_str()).is_some_and(|change| {
                matches!(change.base, Base::Directory) && change.refusal.is_none()
            });
            if blocked {
                why.insert(parent, refusal);
            }
        }
    }
    for change in changes.iter().filter(|change| change.refusal.is_none()) {
        let in_the_way = above(&change.path).into_iter().find_map(|parent| {
            let parent = places.get(parent.as_str())?;
            let stays = parent.kind == ChangeKind::Deleted
                && !matches!(parent.base, Base::Directory | Base::Absent);
            if stays { parent.refusal } else { None }
        });
        if let Some(refusal) = in_the_way {
            why.insert(change.path.clone(), refusal);
        }
    }
    for change in changes {
        if let Some(refusal) = why.get(&change.path) {
            change.refusal = Some(*refusal);
        }
    }
}

/// Whether a path of a list names something below the project, and nothing else.
pub(crate) fn is_plain(path: &str) -> bool {
    !path.is_empty()
        && !path.contains('\0')
        && !path.ends_with('/')
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn a_link_is_judged_by_where_it_may_end() {
        let table = [
            ("l", "file", false),
            ("l", "./a/b", false),
            ("l", "../x", true),
            ("a/l", "../x", false),
            ("a/l", "../../x", true),
            ("a/b/l", "../../x", false),
            ("l", "/etc/passwd", true),
            ("l", "/p/q/file", false),
            ("l", "/p/q/../x", true),
            ("l", "/p/qq", true),
            ("a/b/c/l", "d/../x", true),
        ];
        for (path, target, leaves) in table {
            let found = link_leaves(Path::new(path), Path::new(target), Path::new("/p/q"));
            assert_eq!(found, leaves, "{path} -> {target}");
        }
    }

    #[test]
    fn only_plain_paths_are_taken_from_a_list() {
        for path in ["a", "a/b", "a b", "…", "a\nb", "..a"] {
            assert!(is_plain(path), "{path}");
        }
        for path in ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a\0b"] {
            assert!(!is_plain(path), "{path:?}");
        }
    }

    #[test]
    fn names_that_are_not_text_are_shown_and_said_to_be_inexact() {
        assert_eq!(shown(OsStr::new("å")), ("å".to_owned(), true));
        assert_eq!(shown(OsStr::from_bytes(b"a\xffb")), ("a\\xffb".to_owned(), false));
    }

    #[test]
    fn every_spelling_of_git_is_git() {
        for path in [".git", ".git/hooks/x", "a/.GIT/config", "sub/.git"] {
            assert!(in_git(Path::new(path)), "{path}");
        }
        for path in [".gitignore", "git", ".github/x"] {
            assert!(!in_git(Path::new(path)), "{path}");
        }
    }
}
