//! Git, run on the project's repository with everything off that runs something else.
//!
//! The configuration is the project's own, which no task can write; what git is told is bytes
//! through pipes, never a path of the workspace.

use crate::deliver::apply::{Step, Stop};
use crate::deliver::content::hex;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(super) fn is_git(project: &Path) -> bool {
    project.join(".git").exists()
}

fn failed<T>(reason: impl Into<String>) -> Step<T> {
    Err(Stop::Failed(reason.into()))
}

/// Runs git on one repository.
pub(super) struct Git<'p> {
    project: &'p Path,
    /// The repository's owner, when we are root: what git writes must be theirs.
    user: Option<(u32, u32)>,
    index: PathBuf,
}

impl<'p> Git<'p> {
    /// Nothing is run yet.
    pub(super) fn on(project: &'p Path) -> Step<Self> {
        let meta = std::fs::metadata(project.join(".git"))
            .map_err(|error| Stop::Failed(format!("`.git` cannot be looked at ({error})")))?;
        let user = rustix::process::geteuid().is_root().then(|| (meta.uid(), meta.gid()));
        Ok(Self { project, user, index: PathBuf::new() })
    }

    /// Works on an index of its own from here on.
    pub(super) fn with_own_index(mut self) -> Step<Self> {
        let dir = self.line(&["rev-parse", "--absolute-git-dir"])?;
        let mut random = [0_u8; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
            .map_err(|error| Stop::Failed(format!("no random name could be made ({error})")))?;
        self.index = Path::new(&dir).join(format!("gatepost-index-{}", hex(&random)));
        Ok(self)
    }

    /// Git with everything off that runs something else, and with pipes to it.
    pub(super) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("git");
        let mut safe = b"safe.directory=".to_vec();
        safe.extend_from_slice(self.project.as_os_str().as_bytes());
        command.arg("--no-pager");
        for setting in [
            "core.hooksPath=/dev/null",
            "core.fsmonitor=false",
            "gc.auto=0",
            "maintenance.auto=false",
        ] {
            command.arg("-c").arg(setting);
        }
        command.arg("-c").arg(OsStr::from_bytes(&safe)).args(args);
        command.current_dir(self.project).env_clear();
        // Not searched for from here upwards: the project's own repository or none.
        command.env("GIT_DIR", self.project.join(".git")).env("GIT_WORK_TREE", self.project);
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
            .env("HOME", "/nonexistent")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // The commit is the task's, not the person's; merging it is theirs.
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "Gatepost");
            command.env(format!("GIT_{who}_EMAIL"), "gatepost@localhost");
        }
        if !self.index.as_os_str().is_empty() {
            command.env("GIT_INDEX_FILE", &self.index);
        }
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Runs git, feeding it with `feed`; its output when it said that all went well, or when it
    /// ended with one of the other codes taken as well.
    fn fed(
        &self,
        args: &[&str],
        also: &[i32],
        feed: impl FnOnce(&mut dyn Write) -> Step,
    ) -> Step<Vec<u8>> {
        let what = args.first().copied().unwrap_or_default();
        let broken = |error: std::io::Error| {
            Stop::Failed(format!("`git {what}` could not be run ({error}); is git installed?"))
        };
        let mut child = self.command(args).spawn().map_err(broken)?;
        let fed = match child.stdin.take() {
            Some(mut input) => feed(&mut input),
            None => Ok(()),
        };
        if fed.is_err() {
            // Its end matters no more; what it wrote is an object nothing refers to.
            let _killed = child.kill();
        }
        let output = child.wait_with_output().map_err(broken)?;
        let code = output.status.code();
        if output.status.success() || code.is_some_and(|code| also.contains(&code)) {
            fed?;
            return Ok(output.stdout);
        }
        // What git says tells more than that its input broke off.
        let said: String =
            String::from_utf8_lossy(&output.stderr).trim().chars().take(300).collect();
        if said.is_empty() {
            fed?;
        }
        failed(format!("`git {what}` failed: {said}"))
    }

    pub(super) fn run(&self, args: &[&str], input: &[u8]) -> Step<Vec<u8>> {
        self.fed(args, &[], |to| match to.write_all(input) {
            Ok(()) => Ok(()),
            Err(error) => failed(format!("git took no input ({error})")),
        })
    }

    pub(super) fn words(&self, args: &[&str], input: &[u8]) -> Step<String> {
        let said = self.run(args, input)?;
        Ok(String::from_utf8_lossy(&said).trim().to_owned())
    }

    pub(super) fn line(&self, args: &[&str]) -> Step<String> {
        self.words(args, b"")
    }

    /// Stores one file's content as it is.
    pub(super) fn object(&self, feed: impl FnOnce(&mut dyn Write) -> Step) -> Step<String> {
        let said = self.fed(&["hash-object", "-w", "--no-filters", "--stdin"], &[], feed)?;
        Ok(String::from_utf8_lossy(&said).trim().to_owned())
    }

    /// The tree of `head` with `entries` changed, made in an index of its own.
    pub(super) fn tree(&self, head: &str, entries: &[u8]) -> Step<String> {
        let made = self
            .run(&["read-tree", head], b"")
            .and_then(|_| self.run(&["update-index", "-z", "--index-info"], entries))
            .and_then(|_| self.line(&["write-tree"]));
        match std::fs::remove_file(&self.index) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "a temporary index stays behind"),
        }
        made
    }
}
