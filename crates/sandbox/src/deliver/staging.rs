//! The directory of our own at the top of the project, where a delivery is made ready and where
//! what it replaces is kept until it is complete.
//!
//! Its name is told from where the task's changes are kept. So a delivery that is asked for again
//! after a crash finds what the earlier one left, and clears it away when everything is delivered;
//! until then what an earlier one could not put back stays where it is.

use crate::deliver::content::hex;
use crate::deliver::discard::unlink_all;
use crate::deliver::tree::{Kind, Tree, node_at};
use rustix::fs::{AtFlags, Mode, mkdirat, unlinkat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How many directories of deliveries that were cut off may lie in a project.
const MAX_LEFT: usize = 64;

/// One such directory.
#[derive(Debug)]
pub(super) struct Staging {
    pub(super) dir: OwnedFd,
    pub(super) name: String,
}

pub(super) fn new_name(index: usize) -> String {
    format!("new-{index}")
}

pub(super) fn old_name(index: usize) -> String {
    format!("old-{index}")
}

fn is_helper(name: &OsStr) -> bool {
    let number = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    name.to_str()
        .and_then(|name| name.strip_prefix("new-").or_else(|| name.strip_prefix("old-")))
        .is_some_and(number)
}

/// The names such directories of one task have, in the order they are taken.
fn names(view: &Path) -> impl Iterator<Item = String> + use<> {
    let hash = hex(&Sha256::digest(view.as_os_str().as_bytes()));
    let stem = format!(".gatepost-{}", hash.get(..16).unwrap_or_default());
    (0..MAX_LEFT).map(move |number| match number {
        0 => stem.clone(),
        number => format!("{stem}-{number}"),
    })
}

impl Staging {
    /// Makes a new one beside those that were left.
    pub(super) fn new(root: &Tree, view: &Path) -> Result<Self, Errno> {
        for name in names(view) {
            match mkdirat(root.root(), &name, Mode::from_raw_mode(0o700)) {
                Ok(()) => return Ok(Self { dir: root.dir(Path::new(&name))?, name }),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Errno::EXIST)
    }

    /// Removes it with what is in it.
    pub(super) fn remove(&self, root: &Tree) {
        if let Err(error) = clear(root, &self.name) {
            tracing::warn!(%error, name = self.name, "a helper directory stays behind");
        }
    }
}

/// Removes what earlier deliveries of the same task left; asked for when all is delivered.
pub(super) fn remove_all(root: &Tree, view: &Path) {
    for name in names(view) {
        match node_at(root.root(), OsStr::new(&name)) {
            Ok(Some(node)) if node.kind == Kind::Directory => {}
            Ok(_) | Err(_) => continue,
        }
        if let Err(error) = clear(root, &name) {
            tracing::warn!(%error, name, "a helper directory stays behind");
        }
    }
}

/// Removes one: the files and links we name, and the directory when nothing else is in it.
fn clear(root: &Tree, name: &str) -> Result<(), Errno> {
    let place = Path::new(name);
    let dir = root.dir(place)?;
    let mut helpers = root.names(place, usize::MAX - 1)?;
    helpers.retain(|name| is_helper(name));
    // A directory is none of ours; it stays, and so does the one it is in.
    unlink_all(&dir, &helpers)?;
    unlinkat(root.root(), name, AtFlags::REMOVEDIR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_the_storage_and_helpers_from_their_names() {
        let of = |view: &str| names(Path::new(view)).collect::<Vec<_>>();
        assert_eq!(of("/a"), of("/a"));
        assert_ne!(of("/a").first(), of("/b").first());
        assert_eq!(of("/a").len(), MAX_LEFT);
        for name in ["new-0", "old-17", &new_name(3), &old_name(4)] {
            assert!(is_helper(OsStr::new(name)), "{name}");
        }
        for name in ["new-", "old-1a", "new1", "x", "old--1"] {
            assert!(!is_helper(OsStr::new(name)), "{name}");
        }
    }
}
