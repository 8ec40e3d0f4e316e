//! What a run changed, looked at from outside, and its way into the project.
//!
//! Everything under the workspace was written by what ran inside and is hostile: nothing here
//! follows a link in it, waits on a pipe in it, or runs a program with its configuration.

mod apply;
mod branch;
mod collect;
mod content;
mod discard;
mod git;
mod ignored;
mod outbox;
mod rules;
mod staging;
mod status;
pub(crate) mod tree;
mod undo;
mod written;

use crate::workspace::WorkspaceForm;
use gatepost_domain::changes::{ChangeSet, DeliveryResult};
use std::io;
use std::path::{Path, PathBuf};

pub use outbox::Left;
pub use status::status;
pub use written::Written;
pub use written::written;

/// What a look at the changes may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Changed paths listed. Beyond it the set is marked as truncated.
    pub max_entries: usize,
    /// Bytes read for hashes, over both sides of all files.
    pub max_bytes: u64,
    /// The largest file that may be delivered.
    pub max_file_bytes: u64,
    /// The largest text file whose lines are compared.
    pub max_text_bytes: u64,
    /// The size of the diff text.
    pub max_diff_bytes: usize,
    /// Passes over directories the project's git ignores and tracks nothing in, such as `target`
    /// and `node_modules`: what builds leave there is not delivered. The diff names them.
    pub skip_ignored_dirs: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_entries: 20_000,
            max_bytes: 4 << 30,
            max_file_bytes: 256 << 20,
            max_text_bytes: 1 << 20,
            max_diff_bytes: 1 << 20,
            skip_ignored_dirs: true,
        }
    }
}

/// What a run changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// The changes, as they are delivered.
    pub changes: ChangeSet,
    /// The same as a unified diff for people, within [`Options::max_diff_bytes`].
    pub diff: String,
}

/// Why the changes could not be looked at or removed.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// A part of the workspace, or of the project, cannot be read.
    #[error("`{path}` of the workspace cannot be read: {source}", path = path.display())]
    Unreadable {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The storage could not be removed.
    #[error("`{path}` cannot be removed: {source}", path = path.display())]
    Remove {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Lists what differs between the task's view and the project.
///
/// # Errors
/// When a directory or file cannot be read.
pub fn collect(form: &WorkspaceForm, options: &Options) -> Result<Collected, DeliverError> {
    collect::collect(form, options)
}

/// Writes the changes into the project: all that may be delivered, or nothing.
#[must_use]
pub fn apply(form: &WorkspaceForm, project: &Path, changes: &ChangeSet) -> DeliveryResult {
    apply::apply(form, project, changes)
}

/// Makes the branch `gatepost/<task>` of the changes, on top of the commit `HEAD` names. Work
/// tree, index and the branch that is checked out stay as they are.
///
/// Each path gets what the task's view has there, also where the project had changes of its own
/// that were not committed: those are then part of the branch at the paths the task changed.
/// Paths that git ignores are left out, as `git add` would, and counted with the refused ones.
#[must_use]
pub fn branch(
    form: &WorkspaceForm,
    project: &Path,
    task_id: &str,
    message: &str,
    changes: &ChangeSet,
) -> DeliveryResult {
    branch::branch(form, project, task_id, message, changes)
}

/// What the task left in its outbox, by name: at most `most` entries, and nothing that was the
/// project's already.
///
/// # Errors
/// When the outbox cannot be read.
pub fn outbox(form: &WorkspaceForm, most: usize) -> Result<Vec<Left>, DeliverError> {
    outbox::outbox(form, most)
}

/// Removes a task's storage with everything in it.
///
/// # Errors
/// When something cannot be removed; what could be is gone.
pub fn discard(storage: &Path) -> Result<(), DeliverError> {
    discard::discard(storage)
}

/// Removes the workspace's changes from `storage` and keeps what the agent's program has in its
/// home there, for a task that goes on later.
///
/// # Errors
/// As [`discard`].
pub fn discard_changes(storage: &Path) -> Result<(), DeliverError> {
    // The forms of a workspace; a layer holds what was changed, a copy everything.
    for name in [crate::workspace::LAYER, crate::workspace::COPY] {
        discard::discard(&storage.join(name))?;
    }
    Ok(())
}

/// Whether the project is a git repository of its own.
#[must_use]
pub fn is_git(project: &Path) -> bool {
    git::is_git(project)
}
