//! The outside: a sandbox as its owner holds it. It starts, runs actions, and ends.

pub(crate) mod link;
mod pipes;
mod prepare;
mod start;
mod watch;

use crate::capture::{Capture, Finished, Keeper};
use crate::cgroup::{Group, NoGroup};
use crate::control::{Packet, Plan, PlannedWorkspace, Request, Stage};
use crate::error::SandboxError;
use crate::process::{Exec, Handle, Process};
use crate::profile::{Home, Profile, base_env};
use crate::supervisor::link::{Action, Link, listen};
use crate::supervisor::pipes::{far, file_result, pipe_in, pipe_out, stdin};
use crate::supervisor::prepare::Prepared;
pub use crate::supervisor::prepare::check_project;
use crate::supervisor::start::{Started, launch};
use crate::workspace::{Notice, Storage, WorkspaceForm};
use gatepost_domain::event::SandboxReport;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How much of the design is in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Nothing: a task is refused.
    None,
    /// All but a control group: memory is bounded by process and not for the whole task.
    Reduced,
    /// Everything.
    Full,
}

impl Tier {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Reduced => "reduced",
            Self::Full => "full",
        }
    }
}

/// How long a killed sandbox may take to be gone.
const GONE: Duration = Duration::from_secs(5);
/// A running sandbox. Dropping it kills everything inside.
#[derive(Debug)]
pub struct Sandbox {
    link: Arc<Link>,
    launcher: Child,
    landlock: u32,
    group: Result<Arc<Group>, NoGroup>,
    _tasks: JoinSet<()>,
    next: AtomicU64,
    form: WorkspaceForm,
    notices: Vec<Notice>,
    env: BTreeMap<String, String>,
    listeners: Vec<(u16, TcpListener)>,
}

impl Sandbox {
    /// Starts a sandbox with the running program as launcher and init.
    ///
    /// # Errors
    /// When a layer cannot be had; nothing was run then.
    pub async fn start(profile: Profile) -> Result<Self, SandboxError> {
        Self::start_with(profile, Path::new("/proc/self/exe")).await
    }

    /// The same with another program, which must call [`crate::run_if_init`].
    ///
    /// # Errors
    /// As [`Sandbox::start`].
    pub async fn start_with(profile: Profile, program: &Path) -> Result<Self, SandboxError> {
        let prepared = {
            let profile = profile.clone();
            tokio::task::spawn_blocking(move || Prepared::new(&profile))
                .await
                .map_err(|error| SandboxError::Io(error.into()))??
        };
        let Prepared { mut plan, storage, mut notices, copy } = prepared;
        let limits = profile.limits;
        let group = tokio::task::spawn_blocking(move || Group::new(&limits))
            .await
            .map_err(|error| SandboxError::Io(error.into()))?
            .map(Arc::new);
        let mut why = copy;
        loop {
            if let Some(why) = why.take() {
                let (place, project) = (storage.clone(), profile.project.clone());
                let owner = plan.become_user;
                tokio::task::spawn_blocking(move || place.make_copy(&project, owner))
                    .await
                    .map_err(|error| SandboxError::Io(error.into()))??;
                notices.retain(|notice| !matches!(notice, Notice::ScanBounded { .. }));
                notices.push(Notice::Copied { why });
                plan.workspace =
                    PlannedWorkspace::Copy { copy: storage.copy.as_os_str().as_bytes().to_vec() };
            }
            match launch(&plan, program, group.as_deref().ok()).await {
                Ok(started) => {
                    return Ok(Self::assemble(&profile, &plan, &storage, notices, started, group));
                }
                Err(SandboxError::Refused {
                    stage: stage @ (Stage::Overlay | Stage::IdMap),
                    errno,
                    ..
                }) if matches!(plan.workspace, PlannedWorkspace::Overlay { .. }) => {
                    why = Some(format!("{} failed ({errno})", crate::error::stage_name(stage)));
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn assemble(
        profile: &Profile,
        plan: &Plan,
        storage: &Storage,
        notices: Vec<Notice>,
        started: Started,
        group: Result<Arc<Group>, NoGroup>,
    ) -> Self {
        let Started { link, launcher, init, landlock, listeners } = started;
        let lower = profile.project.clone();
        let form = match plan.workspace {
            PlannedWorkspace::Overlay { .. } => {
                WorkspaceForm::Overlay { lower, upper: storage.layer.join("upper") }
            }
            PlannedWorkspace::Copy { .. } => {
                WorkspaceForm::Copy { lower, copy: storage.copy.clone() }
            }
        };
        let mut grows = vec![match &form {
            WorkspaceForm::Overlay { upper, .. } => upper.clone(),
            WorkspaceForm::Copy { copy, .. } => copy.clone(),
        }];
        match profile.home {
            Home::Fresh => {}
            Home::Kept => grows.push(storage.home.clone()),
        }
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(Arc::clone(&link)));
        tasks.spawn(watch::size(Arc::clone(&link), grows, profile.limits));
        let held = group.as_ref().ok().map(Arc::clone);
        let cap = profile.limits.whole_memory();
        tasks.spawn(watch::memory(Arc::clone(&link), init, held, cap));
        Self {
            link,
            launcher,
            landlock,
            group,
            _tasks: tasks,
            next: AtomicU64::new(1),
            form,
            notices,
            env: base_env(&profile.env),
            listeners,
        }
    }

    /// Where the changes are kept.
    #[must_use]
    pub fn workspace(&self) -> &WorkspaceForm {
        &self.form
    }

    /// What a person should know about the workspace.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The environment every action starts from.
    #[must_use]
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// The listening socket of one of [`Profile::ports`], which can be taken once. What connects to
    /// `127.0.0.1:PORT` inside is accepted here. It ends with the sandbox: nothing is left inside
    /// then that could connect.
    pub fn take_listener(&mut self, port: u16) -> Option<TcpListener> {
        let at = self.listeners.iter().position(|(of, _)| *of == port)?;
        Some(self.listeners.swap_remove(at).1)
    }

    /// How much of the design is in place.
    #[must_use]
    pub fn tier(&self) -> Tier {
        match self.group {
            Ok(_) => Tier::Full,
            Err(_) => Tier::Reduced,
        }
    }

    /// Whether so much is in place.
    ///
    /// # Errors
    /// What is missing and what mends it, where it is not; no task may run then.
    pub fn is_at_least(&self, minimum: Tier) -> Result<(), String> {
        match &self.group {
            Err(why) if self.tier() < minimum => Err(format!(
                "the sandbox is `{}` here and `sandbox.minimum` is `{}`, because there is no \
                 control group: {why}; {}",
                self.tier().as_str(),
                minimum.as_str(),
                why.mend()
            )),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Why there is no control group, where there is none.
    pub(crate) fn no_group(&self) -> Option<&NoGroup> {
        self.group.as_ref().err()
    }

    /// What the boundary consists of and what it lacks, for the record of the run.
    #[must_use]
    pub fn report(&self) -> SandboxReport {
        let mut notes: Vec<String> = self.notices.iter().map(Notice::sentence).collect();
        if let Err(why) = &self.group {
            notes.push(format!(
                "the memory of the whole task is looked at ten times a second and not held by the \
                 kernel, because there is no control group: {why}"
            ));
        }
        if self.landlock < crate::lockdown::landlock::SCOPES {
            notes.push(format!(
                "an action can signal another of the same task, because Landlock is of version {} \
                 here",
                self.landlock
            ));
        }
        SandboxReport {
            tier: self.tier().as_str().to_owned(),
            workspace: self.form.word().to_owned(),
            notes,
            // Whoever serves the ports knows what they lead to.
            hosts: Vec::new(),
            gating: gatepost_domain::agent::Gating::EveryAction,
        }
    }

    /// The version of Landlock that holds the actions.
    pub(crate) fn landlock(&self) -> u32 {
        self.landlock
    }

    /// Attempts inside what must fail there; each with its number and what the kernel said, 0
    /// where it let it happen.
    pub(crate) async fn attempt(&self) -> Result<Vec<(usize, i32)>, SandboxError> {
        let (mut ours, theirs) = pipe_out()?;
        let host_pid = i32::try_from(std::process::id()).unwrap_or(i32::MAX);
        let mut handle =
            self.ask("probe", &[theirs.as_fd()], |id| Request::Probe { id, host_pid }).await?;
        drop(theirs);
        let mut said = String::new();
        (&mut ours).take(64 * 1024).read_to_string(&mut said).await?;
        handle.wait().await?;
        Ok(crate::attempts::parse(&said))
    }

    async fn ask(
        &self,
        program: &str,
        fds: &[BorrowedFd<'_>],
        request: impl FnOnce(u64) -> Request,
    ) -> Result<Handle, SandboxError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let packet = Packet::new(&request(id))?;
        let (started, has_started) = oneshot::channel();
        let (ended, has_ended) = oneshot::channel();
        {
            let mut waiting = self.link.waiting();
            if waiting.gone {
                return Err(SandboxError::Gone);
            }
            if let Some(over) = &waiting.closed {
                return Err(SandboxError::Over(over.clone()));
            }
            let action = Action { started: Some(started), ended: Some(ended), over: None };
            waiting.actions.insert(id, action);
        }
        // Made before anything is sent: a caller that stops waiting kills what it asked for.
        let link = Arc::clone(&self.link);
        let handle = Handle { id, link, ended: Some(has_ended), status: None, over: None };
        if let Err(error) = self.link.send(&packet, fds).await {
            self.link.waiting().actions.remove(&id);
            return Err(error);
        }
        match has_started.await {
            Ok(Ok(())) => Ok(handle),
            Ok(Err((step, errno))) => {
                Err(SandboxError::Start { program: program.to_owned(), step, errno: errno.into() })
            }
            Err(_) => Err(SandboxError::Gone),
        }
    }

    async fn exec(&self, exec: &Exec, stdio: [BorrowedFd<'_>; 3]) -> Result<Handle, SandboxError> {
        let mut env: BTreeMap<&OsStr, &OsStr> =
            self.env.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
        env.extend(exec.env.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str())));
        let mut fds = stdio.to_vec();
        let mut targets = vec![0, 1, 2];
        for (number, fd) in &exec.fds {
            if !(3..1000).contains(number) || targets.contains(number) {
                return Err(SandboxError::Io(std::io::ErrorKind::InvalidInput.into()));
            }
            targets.push(*number);
            fds.push(fd.as_fd());
        }
        let program = exec.argv.first().map(|name| name.to_string_lossy().into_owned());
        self.ask(&program.unwrap_or_default(), &fds, |id| Request::Exec {
            id,
            argv: exec.argv.iter().map(|arg| arg.as_bytes().to_vec()).collect(),
            env: env
                .iter()
                .map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat())
                .collect(),
            cwd: exec.cwd.as_os_str().as_bytes().to_vec(),
            targets,
        })
        .await
    }

    /// Starts a program with pipes to its output.
    ///
    /// # Errors
    /// When it cannot be started, or the sandbox is gone.
    pub async fn spawn(&self, mut exec: Exec) -> Result<Process, SandboxError> {
        let (out_ours, out_theirs) = pipe_out()?;
        let (err_ours, err_theirs) = pipe_out()?;
        let (input, ours) = stdin(std::mem::take(&mut exec.stdin))?;
        let handle =
            self.exec(&exec, [input.as_fd(), out_theirs.as_fd(), err_theirs.as_fd()]).await?;
        Ok(Process { stdin: ours, stdout: Some(out_ours), stderr: Some(err_ours), handle })
    }

    /// Runs a program to its end, keeping what it prints within bounds. Every piece of output is
    /// also given to `on_output` as it comes.
    ///
    /// Dropping the future kills the program.
    ///
    /// # Errors
    /// When it cannot be started, or the sandbox ended first.
    pub async fn run(
        &self,
        mut exec: Exec,
        capture: Capture,
        mut on_output: impl FnMut(&[u8]),
    ) -> Result<Finished, SandboxError> {
        let begin = Instant::now();
        let (mut output, theirs) = pipe_out()?;
        let (input, ours) = stdin(std::mem::take(&mut exec.stdin))?;
        // Nobody can write to a pipe asked for here; its end is the end of the input.
        drop(ours);
        let mut handle = self.exec(&exec, [input.as_fd(), theirs.as_fd(), theirs.as_fd()]).await?;
        drop((theirs, input, exec));

        let mut keeper = Keeper::new(capture.max_bytes);
        let mut buffer = vec![0_u8; 64 * 1024];
        let deadline = capture.wall.map(|wall| tokio::time::Instant::now() + wall);
        let (mut timed_out, mut open, mut exit) = (false, true, None);
        // Output may stay open past the end when another action holds what this one left behind;
        // it is then read for a moment more and no longer.
        let mut last_call = None;
        while open || exit.is_none() {
            let until = last_call.or(if timed_out { None } else { deadline });
            tokio::select! {
                read = output.read(&mut buffer), if open => match read? {
                    0 => open = false,
                    n => {
                        let piece = buffer.get(..n).unwrap_or_default();
                        keeper.take(piece);
                        on_output(piece);
                    }
                },
                status = handle.wait(), if exit.is_none() => {
                    exit = Some(status?);
                    last_call = Some(tokio::time::Instant::now() + Duration::from_millis(200));
                },
                () = tokio::time::sleep_until(until.unwrap_or_else(far)), if until.is_some() => {
                    if exit.is_some() {
                        open = false;
                    } else if last_call.is_some() {
                        // It did not even die: all of it goes.
                        self.link.kill_all();
                        return Err(SandboxError::Gone);
                    } else {
                        timed_out = true;
                        handle.kill();
                        last_call = Some(tokio::time::Instant::now() + GONE);
                    }
                }
            }
        }
        let exit = exit.ok_or(SandboxError::Gone)?;
        let (duration, over) = (begin.elapsed(), handle.over.take());
        Ok(Finished { exit, output: keeper.finish(), duration, timed_out, over })
    }

    /// Reads a regular file as seen inside, of at most `max` bytes.
    ///
    /// # Errors
    /// When there is no such file, it is too large, or a link on the way leads elsewhere.
    pub async fn read_file(&self, path: &Path, max: u64) -> Result<Vec<u8>, SandboxError> {
        let (mut ours, theirs) = pipe_out()?;
        let mut handle = self
            .ask("read", &[theirs.as_fd()], |id| Request::Read {
                id,
                path: path.as_os_str().as_bytes().to_vec(),
                max,
            })
            .await?;
        drop(theirs);
        let mut bytes = Vec::new();
        (&mut ours).take(max.saturating_add(1)).read_to_end(&mut bytes).await?;
        drop(ours);
        file_result(path, handle.wait().await?)?;
        Ok(bytes)
    }

    /// Writes a regular file as seen inside, making its parent directories.
    ///
    /// # Errors
    /// When it cannot be written, or a link on the way leads elsewhere.
    pub async fn write_file(
        &self,
        path: &Path,
        bytes: &[u8],
        mode: Option<u32>,
    ) -> Result<(), SandboxError> {
        let (mut ours, theirs) = pipe_in()?;
        let mut handle = self
            .ask("write", &[theirs.as_fd()], |id| Request::Write {
                id,
                path: path.as_os_str().as_bytes().to_vec(),
                mode,
            })
            .await?;
        drop(theirs);
        // A refusal closes the pipe early; the exit code then says why.
        let sent = ours.write_all(bytes).await;
        drop(ours);
        file_result(path, handle.wait().await?)?;
        sent.map_err(SandboxError::Io)
    }

    /// Kills everything inside and waits until it is gone.
    pub async fn stop(mut self) {
        self.link.kill_all();
        // The launcher ends when init is reaped, and the kernel reaps it last of all.
        if tokio::time::timeout(GONE, self.launcher.wait()).await.is_err() {
            tracing::error!("a killed sandbox is still not gone");
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.link.kill_all();
    }
}
