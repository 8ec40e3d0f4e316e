//! Removing a task's storage, whatever shape it was left in.

use crate::deliver::DeliverError;
use crate::deliver::tree::{Kind, Tree, node_at, set_mode};
use rustix::fs::{AtFlags, Dir, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

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

/// Threads that remove at once. Some disks take milliseconds to give back what a single file
/// held, and most of that is waiting.
const WORKERS: usize = 16;
/// Fewer than these are removed one after the other.
const FEW: usize = 32;

/// Does something for each item, in no order. The first error ends it.
fn each<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<(), Errno> + Sync) -> Result<(), Errno> {
    if items.len() < FEW {
        return items.iter().try_for_each(work);
    }
    let next = AtomicUsize::new(0);
    let run = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            work(item)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        // This thread works too, so that it goes on where no other can be made.
        let others: Vec<_> = (1..WORKERS)
            .filter_map(|_| std::thread::Builder::new().spawn_scoped(scope, run).ok())
            .collect();
        let mut result = run();
        for other in others {
            result = result.and(other.join().unwrap_or(Err(Errno::IO)));
        }
        result
    })
}

/// Removes files and links of one directory.
pub(super) fn unlink_all(dir: &OwnedFd, names: &[OsString]) -> Result<(), Errno> {
    each(names, |name| unlinkat(dir, name, AtFlags::empty()))
}

fn empty(tree: &Tree) -> Result<(), Errno> {
    let top = tree.readable_dir(Path::new(""))?;
    let next = AtomicU64::new(0);
    loop {
        let names = names(&top)?;
        if names.is_empty() {
            return Ok(());
        }
        each(&names, |name| match node_at(&top, name)? {
            Some(node) if node.kind == Kind::Directory => {
                flatten(&top, name, &next)?;
                unlinkat(&top, name, AtFlags::REMOVEDIR)
            }
            Some(_) => unlinkat(&top, name, AtFlags::empty()),
            None => Ok(()),
        })?;
    }
}

/// Empties one directory: files go, directories move to the top.
fn flatten(top: &OwnedFd, name: &OsStr, next: &AtomicU64) -> Result<(), Errno> {
    let dir = open_dir(top, name)?;
    let mut files = Vec::new();
    for child in names(&dir)? {
        match node_at(&dir, &child)? {
            Some(node) if node.kind == Kind::Directory => {
                if node.mode & 0o700 != 0o700 {
                    // Moving a directory rewrites its `..`, which needs the right to write it.
                    drop(open_dir(&dir, &child)?);
                }
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let free = OsString::from(format!("gone-{number}"));
                    if node_at(top, &free)?.is_none() {
                        renameat(&dir, &child, top, &free)?;
                        break;
                    }
                }
            }
            Some(_) => files.push(child),
            None => {}
        }
    }
    unlink_all(&dir, &files)
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
