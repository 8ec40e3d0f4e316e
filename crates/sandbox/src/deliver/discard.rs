//! Removing a task's storage, whatever shape it was left in.

use crate::deliver::DeliverError;
use crate::deliver::tree::{Kind, Tree, node_at, set_mode};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Removes everything below `storage`, and it.
///
/// A directory found in another is first moved to the top, so that a tree of any depth needs
/// neither stack nor descriptors nor a path longer than the kernel takes.
pub(super) fn discard(storage: &Path) -> Result<(), DeliverError> {
    let failed =
        |errno: Errno| DeliverError::Remove { path: storage.to_owned(), source: errno.into() };
    let tree = match Tree::open(storage, true) {
        Ok(tree) => tree,
        Err(Errno::NOENT) => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    empty(&tree).map_err(failed)?;
    std::fs::remove_dir(storage)
        .map_err(|source| DeliverError::Remove { path: storage.to_owned(), source })
}

fn empty(tree: &Tree) -> Result<(), Errno> {
    let top = tree.readable_dir(Path::new(""))?;
    let mut next = 0_u64;
    loop {
        let names = names(&top)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            match node_at(&top, &name)? {
                Some(node) if node.kind == Kind::Directory => {
                    flatten(&top, &name, &mut next)?;
                    unlinkat(&top, &name, AtFlags::REMOVEDIR)?;
                }
                Some(_) => unlinkat(&top, &name, AtFlags::empty())?,
                None => {}
            }
        }
    }
}

/// Empties one directory: files go, directories move to the top.
fn flatten(top: &OwnedFd, name: &OsStr, next: &mut u64) -> Result<(), Errno> {
    let dir = open_dir(top, name)?;
    for child in names(&dir)? {
        match node_at(&dir, &child)? {
            Some(node) if node.kind == Kind::Directory => {
                if node.mode & 0o700 != 0o700 {
                    // Moving a directory rewrites its `..`, which needs the right to write it.
                    drop(open_dir(&dir, &child)?);
                }
                loop {
                    let free = OsString::from(format!("gone-{next}"));
                    *next += 1;
                    if node_at(top, &free)?.is_none() {
                        renameat(&dir, &child, top, &free)?;
                        break;
                    }
                }
            }
            Some(_) => unlinkat(&dir, &child, AtFlags::empty())?,
            None => {}
        }
    }
    Ok(())
}

/// Opens a directory, giving its owner back the rights to it first.
fn open_dir(at: &OwnedFd, name: &OsStr) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let path = openat(at, name, flags | OFlags::PATH, Mode::empty())?;
    set_mode(&path, 0o700)?;
    openat(at, name, flags | OFlags::RDONLY, Mode::empty())
}

fn names(dir: &OwnedFd) -> Result<Vec<OsString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            names.push(OsStr::from_bytes(name).to_owned());
        }
    }
    Ok(names)
}
