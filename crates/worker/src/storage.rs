//! Where a worker keeps what belongs to one task: the workspace's changes and their diff.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use gatepost_domain::TaskId;

/// The directories of one task, below the worker's own.
#[derive(Debug, Clone)]
pub(crate) struct TaskStorage {
    root: PathBuf,
}

impl TaskStorage {
    /// Those of `task`. A task id has only letters and digits, so it names no other place.
    pub(crate) fn of(runs: &Path, task: &TaskId) -> Self {
        Self { root: runs.join(task.as_str()) }
    }

    /// What the sandbox keeps the task's changes in.
    pub(crate) fn workspace(&self) -> PathBuf {
        self.root.join("workspace")
    }

    /// What the sandbox keeps the home of an agent's program in.
    pub(crate) fn home(&self) -> PathBuf {
        self.workspace().join("home")
    }

    /// Makes the task's own directory.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        fs::create_dir_all(&self.root)
    }

    /// Keeps the diff for people to look at.
    pub(crate) fn keep_diff(&self, diff: &str) -> io::Result<()> {
        self.prepare()?;
        fs::write(self.diff_path(), diff)
    }

    /// Removes what is left once the changes are dealt with.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn diff_path(&self) -> PathBuf {
        self.root.join("changes.diff")
    }
}

/// The diff of a task's changes, as long as it is kept.
///
/// # Errors
/// What the disk says; a missing file is no error.
pub fn kept_diff(runs: &Path, task: &TaskId) -> io::Result<Option<String>> {
    match fs::read_to_string(TaskStorage::of(runs, task).diff_path()) {
        Ok(diff) => Ok(Some(diff)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
