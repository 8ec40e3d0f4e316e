//! Where a worker keeps what belongs to one task: the workspace's changes and their diff.

use std::fs;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use gatepost_domain::TaskId;
use gatepost_sandbox::deliver;

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

    /// Notes where the agent stands.
    pub(crate) fn keep_place(&self, key: &str) -> io::Result<()> {
        let next = self.root.join("place.new");
        fs::write(&next, key)?;
        fs::rename(next, self.place_path())
    }

    /// Where the agent stood when it was last noted.
    pub(crate) fn place(&self) -> Option<String> {
        fs::read_to_string(self.place_path()).ok()
    }

    fn place_path(&self) -> PathBuf {
        self.root.join("place")
    }

    /// Removes the changes and their diff. What the agent needs to go on with the task stays.
    pub(crate) fn discard(&self) -> Result<(), String> {
        deliver::discard_changes(&self.workspace()).map_err(|error| error.to_string())?;
        match fs::remove_file(self.diff_path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.to_string()),
            Ok(()) | Err(_) => Ok(()),
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

/// Removes what an agent needed to go on with a task that is over: the home of its program with its
/// sessions, settings and whatever else it wrote down, and the note of where it stood. The task's
/// changes stay as they are. Whether there was a home.
///
/// # Errors
/// What the disk says; what could be removed is gone.
pub fn remove_home(runs: &Path, task: &TaskId) -> io::Result<bool> {
    let storage = TaskStorage::of(runs, task);
    match fs::remove_file(storage.place_path()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let home = storage.home();
    match home.symlink_metadata() {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    // What a program left may be closed to its owner; this opens what it removes, and follows no
    // link.
    deliver::discard(&home).map_err(io::Error::other)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_home_goes_whole_and_alone() {
        let root = tempfile::tempdir().unwrap();
        let runs = root.path().join("runs");
        let (task, other) = (TaskId::from_entropy(1), TaskId::from_entropy(2));
        assert!(!remove_home(&runs, &task).unwrap(), "there was none");
        let outside = root.path().join("outside");
        fs::write(&outside, "not the task's").unwrap();
        for task in [&task, &other] {
            let storage = TaskStorage::of(&runs, task);
            let sessions = storage.home().join(".claude/projects/x");
            fs::create_dir_all(&sessions).unwrap();
            fs::write(sessions.join("session.jsonl"), "what was said").unwrap();
            symlink(&outside, sessions.join("link")).unwrap();
            fs::create_dir_all(storage.workspace().join("copy")).unwrap();
            fs::write(storage.workspace().join("copy/made.txt"), "made").unwrap();
            // As a tool leaves its cache: nobody may write there.
            fs::set_permissions(&sessions, fs::Permissions::from_mode(0o500)).unwrap();
        }
        assert!(remove_home(&runs, &task).unwrap());
        let storage = TaskStorage::of(&runs, &task);
        assert!(!storage.home().exists());
        assert_eq!(fs::read_to_string(storage.workspace().join("copy/made.txt")).unwrap(), "made");
        assert_eq!(fs::read_to_string(&outside).unwrap(), "not the task's");
        assert!(TaskStorage::of(&runs, &other).home().exists());
        assert!(!remove_home(&runs, &task).unwrap());
    }
}
