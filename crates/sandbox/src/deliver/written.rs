//! Which files a task has written so far, for whoever judges its next action: names alone, and only
//! as many as are worth reading. What is delivered is looked at anew and whole.

use super::tree::{Kind, Tree};
use crate::workspace::WorkspaceForm;
use std::path::{Path, PathBuf};

/// So many entries are looked at; a build leaves more than anybody wants to read.
const LOOKED_AT: usize = 2_000;

/// What a task has written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// Files that it wrote or changed, below the workspace, as far as they were looked at.
    pub files: Vec<String>,
    /// Names of the project that are gone.
    pub deleted: Vec<String>,
    /// Whether there is more that was not looked at.
    pub more: bool,
}

/// What a task has written so far; none where its workspace is a whole copy, in which what is its
/// own does not stand apart.
#[must_use]
pub fn written(form: &WorkspaceForm) -> Option<Written> {
    let WorkspaceForm::Overlay { upper, .. } = form else { return None };
    let tree = Tree::open(upper, false).ok()?;
    let mut written = Written::default();
    let (mut open, mut left) = (vec![PathBuf::new()], LOOKED_AT);
    while let Some(dir) = open.pop() {
        // A directory that the task closed to others keeps its names to itself.
        let Ok(names) = tree.names(&dir, left) else {
            written.more = true;
            continue;
        };
        for name in names {
            if left == 0 {
                written.more = true;
                return Some(written);
            }
            left -= 1;
            let path = dir.join(name);
            match tree.node(&path).ok().flatten().map(|node| node.kind) {
                Some(Kind::Directory) => open.push(path),
                Some(Kind::Whiteout) => written.deleted.push(shown(&path)),
                Some(Kind::File | Kind::Link | Kind::Special) => written.files.push(shown(&path)),
                None => {}
            }
        }
    }
    Some(written)
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn names_are_told_and_no_link_is_followed() {
        let root = tempfile::tempdir().unwrap();
        let (upper, outside) = (root.path().join("upper"), root.path().join("outside"));
        fs::create_dir_all(upper.join("src")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), "").unwrap();
        fs::write(upper.join("src/main.rs"), "").unwrap();
        symlink(&outside, upper.join("link")).unwrap();
        let form = WorkspaceForm::Overlay { lower: root.path().into(), upper: upper.clone() };
        let found = written(&form).unwrap();
        assert_eq!(found.files, ["link", "src/main.rs"]);
        assert!(!found.more);
        for i in 0..=LOOKED_AT {
            fs::write(upper.join(format!("{i}")), "").unwrap();
        }
        assert!(written(&form).unwrap().more);
        let copy = WorkspaceForm::Copy { lower: root.path().into(), copy: upper };
        assert_eq!(written(&copy), None);
    }
}
