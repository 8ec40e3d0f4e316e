//! A small project on disk.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// A directory with a `README`, a script and, if wanted, a git history.
#[derive(Debug)]
pub struct Project {
    path: PathBuf,
}

impl Project {
    /// Makes one under `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        let path = root.join("demo");
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("README"), "a demo\n").unwrap();
        Self { path: path.canonicalize().unwrap() }
    }

    /// Makes one with a first commit.
    #[must_use]
    pub fn git(root: &Path) -> Self {
        let project = Self::new(root);
        project.run_git(&["init", "--quiet", "--initial-branch=main"]);
        project.run_git(&["add", "."]);
        project.run_git(&["commit", "--quiet", "--message=first"]);
        project
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file's text, or nothing where there is no such file.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path.join(name)).ok()
    }

    /// Writes a file.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path.join(name), text).unwrap();
    }

    /// Runs git in it and gives what it printed.
    ///
    /// # Panics
    /// When git fails.
    pub fn run_git(&self, args: &[&str]) -> String {
        let out = Command::new("git")
            .args(["-c", "user.name=Test", "-c", "user.email=test@localhost"])
            .args(["-c", "safe.directory=*"])
            .args(args)
            .current_dir(&self.path)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// Every file below it with its bytes, but for git's own.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let meta = path.symlink_metadata().unwrap();
                if meta.is_dir() {
                    if path.file_name().is_none_or(|name| name != ".git") {
                        folders.push(path);
                    }
                } else if meta.is_file() {
                    files.push((path.clone(), std::fs::read(&path).unwrap()));
                } else {
                    files.push((path, vec![]));
                }
            }
        }
        files.sort();
        files
    }
}
