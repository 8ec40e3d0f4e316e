//! Mounts for tests that run as root, taken away again when dropped.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// A mount at a directory.
#[derive(Debug)]
pub struct Mount {
    at: PathBuf,
}

impl Mount {
    /// A file system in memory.
    #[must_use]
    pub fn tmpfs(at: &Path, options: &str) -> Self {
        Self::make(at, &["-t", "tmpfs", "-o", options, "tmpfs"])
    }

    /// The same files at a second place.
    #[must_use]
    pub fn bind(from: &str, at: &Path) -> Self {
        Self::make(at, &["--bind", from])
    }

    fn make(at: &Path, args: &[&str]) -> Self {
        let status = Command::new("mount").args(args).arg(at).status().unwrap();
        assert!(status.success(), "mount {args:?} {}", at.display());
        Self { at: at.to_owned() }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _already_gone = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}
