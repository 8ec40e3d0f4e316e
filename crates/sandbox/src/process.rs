//! A program running inside, as the supervisor holds it.

use crate::capture::Over;
use crate::error::SandboxError;
use crate::supervisor::link::Link;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;

/// A program to run inside.
#[derive(Debug, Default)]
pub struct Exec {
    /// The program and its arguments. A name without a slash is looked for along `PATH`.
    pub argv: Vec<OsString>,
    /// The directory it starts in, as seen inside.
    pub cwd: PathBuf,
    /// Laid over [`crate::Sandbox::env`]; nothing of the supervisor's own is inherited.
    pub env: Vec<(OsString, OsString)>,
    /// What it reads.
    pub stdin: Stdin,
    /// Further descriptors, each at the number given.
    pub fds: Vec<(i32, OwnedFd)>,
}

/// What a program reads from its standard input.
#[derive(Debug, Default)]
pub enum Stdin {
    /// Nothing.
    #[default]
    Null,
    /// What is written to [`Process::stdin`].
    Pipe,
    /// These bytes, then the end.
    Bytes(Vec<u8>),
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitStatus {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl ExitStatus {
    /// Whether it ended by itself and said that all went well.
    #[must_use]
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }
}

/// What is told of an end.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) status: ExitStatus,
    pub(crate) over: Option<Over>,
}

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    /// Its standard input, when it was asked to be a pipe.
    pub stdin: Option<pipe::Sender>,
    /// Its standard output.
    pub stdout: Option<pipe::Receiver>,
    /// Its standard error.
    pub stderr: Option<pipe::Receiver>,
    pub(crate) handle: Handle,
}

/// The hold on a program's life.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(crate) id: u64,
    pub(crate) link: Arc<Link>,
    pub(crate) ended: Option<oneshot::Receiver<End>>,
    pub(crate) status: Option<ExitStatus>,
    pub(crate) over: Option<Over>,
}

impl Handle {
    pub(crate) async fn wait(&mut self) -> Result<ExitStatus, SandboxError> {
        if let Some(status) = self.status {
            return Ok(status);
        }
        let ended = self.ended.as_mut().ok_or(SandboxError::Gone)?;
        let End { status, over } = ended.await.map_err(|_| SandboxError::Gone)?;
        (self.status, self.over) = (Some(status), over);
        self.ended = None;
        Ok(status)
    }

    pub(crate) fn kill(&self) {
        if self.status.is_none() {
            self.link.kill_action(self.id);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    /// Waits for its end. What it left running was ended with it, unless another action still
    /// runs in the same sandbox.
    ///
    /// # Errors
    /// When the sandbox ended first.
    pub async fn wait(&mut self) -> Result<ExitStatus, SandboxError> {
        self.handle.wait().await
    }

    /// The cap for whose sake it was killed, once [`Process::wait`] has told its end.
    #[must_use]
    pub fn over(&self) -> Option<&Over> {
        self.handle.over.as_ref()
    }

    /// Kills it and what it started; [`Process::wait`] then says how it ended.
    pub fn kill(&self) {
        self.handle.kill();
    }
}
