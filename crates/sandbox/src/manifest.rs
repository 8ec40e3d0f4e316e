//! What a copy was made from, so that later the task's changes can be told from the project's.

use crate::deliver::tree::{Kind, Node, node_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The facts of one entry on both sides, right after it was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    directory: bool,
    copy: Facts,
    project: Facts,
}

/// What changes whenever a file does. The time is the kernel's own: no program can set it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Facts {
    ino: u64,
    size: u64,
    changed: (i64, u64),
}

impl Facts {
    fn of(node: &Node) -> Self {
        Self { ino: node.ino, size: node.size, changed: node.changed }
    }
}

/// One entry for each path that was copied.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Manifest {
    entries: BTreeMap<Vec<u8>, Entry>,
}

fn place(copy: &Path) -> PathBuf {
    copy.with_extension("base")
}

impl Manifest {
    /// Records one entry, once its copy has its final attributes. `project` are the facts from
    /// before it was read: a change while it was copied then shows as one.
    pub(crate) fn record(&mut self, path: &Path, project: &Node, copy: &Path) -> io::Result<()> {
        let node = node_of(copy)?;
        let entry = Entry {
            directory: node.kind == Kind::Directory,
            copy: Facts::of(&node),
            project: Facts::of(project),
        };
        self.entries.insert(path.as_os_str().as_bytes().to_vec(), entry);
        Ok(())
    }

    /// Keeps it beside the copy, where the task cannot reach it.
    pub(crate) fn keep(&self, copy: &Path) -> io::Result<()> {
        let bytes = postcard::to_stdvec(self).map_err(io::Error::other)?;
        std::fs::write(place(copy), bytes)
    }

    /// The one kept beside the copy.
    pub(crate) fn beside(copy: &Path) -> io::Result<Self> {
        postcard::from_bytes(&std::fs::read(place(copy))?).map_err(io::Error::other)
    }

    fn entry(&self, path: &Path) -> Option<&Entry> {
        self.entries.get(OsStr::as_bytes(path.as_os_str()))
    }

    /// Whether the path was copied at all.
    pub(crate) fn knows(&self, path: &Path) -> bool {
        self.entry(path).is_some()
    }

    /// Whether the copy is as it was made.
    pub(crate) fn is_untouched(&self, path: &Path, copy: &Node) -> bool {
        self.entry(path).is_some_and(|entry| entry.copy == Facts::of(copy))
    }

    /// Whether the project's file is another than the one that was copied.
    pub(crate) fn project_changed(&self, path: &Path, project: &Node) -> bool {
        self.entry(path).is_none_or(|entry| entry.project != Facts::of(project))
    }
}
