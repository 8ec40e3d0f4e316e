//! The way back: what each step of an application is undone by.

use crate::deliver::tree::{Tree, set_mode};
use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, RenameFlags, Uid, fchmod, fchown, mkdirat, openat, renameat_with,
    unlinkat,
};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// What undoes one step.
#[derive(Debug)]
pub(super) enum Way {
    /// What was moved aside goes back.
    Return { kept: String, path: PathBuf },
    /// The two change places again.
    Exchange { kept: String, path: PathBuf },
    /// What was made goes.
    Remove { path: PathBuf, dir: bool },
    /// The old mode.
    Mode { path: PathBuf, mode: u32 },
    /// A removed directory is made again.
    MakeDir { path: PathBuf, mode: u32, owner: Option<(u32, u32)> },
}

/// The steps done so far.
#[derive(Debug, Default)]
pub(super) struct Undo {
    steps: Vec<Way>,
}

impl Undo {
    pub(super) fn push(&mut self, step: Way) {
        self.steps.push(step);
    }

    /// Goes all the way back. One step that fails does not keep the others from being undone;
    /// the first path of such a step is the answer.
    pub(super) fn back(&mut self, root: &Tree, staging: &OwnedFd) -> Option<String> {
        let mut lost = None;
        for step in self.steps.drain(..).rev() {
            let (path, done) = undo(step, root, staging);
            if let Err(error) = done {
                tracing::error!(%error, path = %path.display(), "a step could not be undone");
                lost.get_or_insert_with(|| path.display().to_string());
            }
        }
        lost
    }
}

fn undo(step: Way, root: &Tree, staging: &OwnedFd) -> (PathBuf, Result<(), Errno>) {
    match step {
        Way::Return { kept, path } => {
            let done = root.parent(&path).and_then(|(dir, name)| {
                renameat_with(staging, &kept, &dir, name, RenameFlags::NOREPLACE)
            });
            (path, done)
        }
        Way::Exchange { kept, path } => {
            let done = root.parent(&path).and_then(|(dir, name)| {
                renameat_with(staging, &kept, &dir, name, RenameFlags::EXCHANGE)
            });
            (path, done)
        }
        Way::Remove { path, dir: is_dir } => {
            let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
            let done = root.parent(&path).and_then(|(dir, name)| unlinkat(&dir, name, flags));
            (path, done)
        }
        Way::Mode { path, mode } => {
            let done = root.parent(&path).and_then(|(dir, name)| {
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                set_mode(&openat(&dir, name, flags, Mode::empty())?, mode)
            });
            (path, done)
        }
        Way::MakeDir { path, mode, owner } => {
            let done = root.parent(&path).and_then(|(dir, name)| {
                mkdirat(&dir, name, Mode::from_raw_mode(0o700))?;
                let made = root.readable_dir(&path)?;
                if let Some((uid, gid)) = owner {
                    fchown(&made, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
                }
                fchmod(&made, Mode::from_raw_mode(mode))
            });
            (path, done)
        }
    }
}
