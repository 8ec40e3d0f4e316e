//! The outside: starts the launcher, checks what it built, sends requests, hears of ends.

use crate::capture::{Capture, Finished, Keeper};
use crate::control::{
    self, Event, Ids, MAX_EVENT, Packet, Plan, PlannedWorkspace, Request, Rlimits, Stage,
};
use crate::error::{SandboxError, mend};
use crate::launch::LAUNCHER;
use crate::process::{Exec, ExitStatus, Handle, Process, Stdin};
use crate::profile::{Profile, base_env};
use crate::workspace::{self, Notice, Owners, Storage, WorkspaceForm};
use gatepost_domain::event::SandboxReport;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// How much of the design is in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Nothing: a task is refused.
    None,
    /// Landlock and the call filter only.
    Basic,
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
            Self::Basic => "basic",
            Self::Reduced => "reduced",
            Self::Full => "full",
        }
    }
}

/// The user actions get when we are root and `gatepost-task` does not exist: below the range
/// distributions hand out to people's containers (100000 and up) and above that of ordinary and
/// dynamic users, so that no file of anyone is owned by it. Root itself is never used: a root
/// process seen through a bind mount owns the host's files.
const FALLBACK: Ids = Ids { uid: 65529, gid: 65529 };

/// How long set-up may take before it counts as failed.
const SETUP: Duration = Duration::from_secs(20);
/// How long a killed sandbox may take to be gone.
const GONE: Duration = Duration::from_secs(5);
/// How often the size of the changes is looked at.
const SIZE_EVERY: Duration = Duration::from_millis(500);

/// The wire to one init, shared by everything that talks over it.
#[derive(Debug)]
pub(crate) struct Link {
    socket: AsyncFd<OwnedFd>,
    init: OwnedFd,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    gone: bool,
    actions: HashMap<u64, Action>,
}

#[derive(Debug)]
struct Action {
    started: Option<oneshot::Sender<Result<(), (control::Step, Errno)>>>,
    ended: Option<oneshot::Sender<ExitStatus>>,
}

impl Link {
    async fn send(&self, packet: &Packet, fds: &[BorrowedFd<'_>]) -> Result<(), SandboxError> {
        loop {
            let mut ready = self.socket.writable().await?;
            match ready.try_io(|socket| {
                packet.send(socket.get_ref().as_fd(), fds).map_err(std::io::Error::from)
            }) {
                Ok(sent) => {
                    return sent
                        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO).into());
                }
                Err(_would_block) => {}
            }
        }
    }

    async fn next(&self) -> Result<Option<Event>, Errno> {
        loop {
            let mut ready = self.socket.readable().await.map_err(|_| Errno::IO)?;
            let got = ready.try_io(|socket| {
                control::receive(socket.get_ref().as_fd(), MAX_EVENT, false)
                    .map_err(std::io::Error::from)
            });
            match got {
                Ok(Ok(Some(mut frame))) => return frame.decode().map(Some),
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(error)) => return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
                Err(_would_block) => {}
            }
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks init to kill one action. Should even that small message not fit, the sandbox is
    /// stuck and all of it is killed.
    pub(crate) fn kill_action(&self, id: u64) {
        let sent = Packet::new(&Request::Kill { id })
            .and_then(|packet| packet.send(self.socket.get_ref().as_fd(), &[]));
        match sent {
            Ok(()) | Err(Errno::PIPE | Errno::CONNRESET) => {}
            Err(_) => self.kill_all(),
        }
    }

    fn kill_all(&self) {
        // Fails only when init is gone already, which is what was wanted.
        let _gone = pidfd_send_signal(&self.init, Signal::KILL);
    }

    /// Takes one event; false when init said what no honest init says.
    fn hear(&self, event: Event) -> bool {
        let mut waiting = self.waiting();
        match event {
            Event::Started { id } => match waiting.actions.get_mut(&id).map(|a| a.started.take()) {
                Some(Some(started)) => {
                    // A receiver that is gone no longer wants to know.
                    let _heard = started.send(Ok(()));
                    true
                }
                Some(None) | None => false,
            },
            Event::Failed { id, step, errno } => {
                match waiting.actions.remove(&id).map(|action| action.started) {
                    Some(Some(started)) => {
                        let errno = Errno::from_raw_os_error(errno.clamp(1, 4095));
                        // A receiver that is gone no longer wants to know.
                        let _heard = started.send(Err((step, errno)));
                        true
                    }
                    Some(None) | None => false,
                }
            }
            Event::Exited { id, code } => waiting.end(id, ExitStatus::Code(code)),
            Event::Signalled { id, signal } => waiting.end(id, ExitStatus::Signal(signal)),
            Event::Launched { .. } | Event::Refused { .. } | Event::Ready { .. } => false,
        }
    }
}

impl Waiting {
    fn end(&mut self, id: u64, status: ExitStatus) -> bool {
        match self.actions.remove(&id) {
            Some(Action { started: None, ended: Some(ended) }) => {
                let _heard = ended.send(status);
                true
            }
            Some(_) | None => false,
        }
    }
}

/// A running sandbox. Dropping it kills everything inside.
#[derive(Debug)]
pub struct Sandbox {
    link: Arc<Link>,
    launcher: Child,
    _tasks: JoinSet<()>,
    next: AtomicU64,
    form: WorkspaceForm,
    notices: Vec<Notice>,
    env: BTreeMap<String, String>,
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
            match launch(&plan, program).await {
                Ok((link, launcher)) => {
                    return Ok(Self::assemble(&profile, &plan, &storage, notices, link, launcher));
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
        link: Arc<Link>,
        launcher: Child,
    ) -> Self {
        let lower = profile.project.clone();
        let form = match plan.workspace {
            PlannedWorkspace::Overlay { .. } => {
                WorkspaceForm::Overlay { lower, upper: storage.layer.join("upper") }
            }
            PlannedWorkspace::Copy { .. } => {
                WorkspaceForm::Copy { lower, copy: storage.copy.clone() }
            }
        };
        let changes = match &form {
            WorkspaceForm::Overlay { upper, .. } => upper.clone(),
            WorkspaceForm::Copy { copy, .. } => copy.clone(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(listen(Arc::clone(&link)));
        tasks.spawn(watch_size(Arc::clone(&link), changes, profile.limits.upper_bytes));
        Self {
            link,
            launcher,
            _tasks: tasks,
            next: AtomicU64::new(1),
            form,
            notices,
            env: base_env(&profile.env),
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

    /// How much of the design is in place. Without a control group it is never `Full`.
    #[must_use]
    pub fn tier(&self) -> Tier {
        Tier::Reduced
    }

    /// What the boundary consists of and what it lacks, for the record of the run.
    #[must_use]
    pub fn report(&self) -> SandboxReport {
        let mut notes: Vec<String> = self.notices.iter().map(Notice::sentence).collect();
        notes.push(
            "memory is bounded for each process and not for the whole task, because there is no \
             control group"
                .to_owned(),
        );
        SandboxReport {
            tier: self.tier().as_str().to_owned(),
            workspace: self.form.word().to_owned(),
            notes,
        }
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
            waiting.actions.insert(id, Action { started: Some(started), ended: Some(ended) });
        }
        // Made before anything is sent: a caller that stops waiting kills what it asked for.
        let handle =
            Handle { id, link: Arc::clone(&self.link), ended: Some(has_ended), status: None };
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
        Ok(Finished { exit, output: keeper.finish(), duration: begin.elapsed(), timed_out })
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

fn far() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(3600)
}

fn file_result(path: &Path, status: ExitStatus) -> Result<(), SandboxError> {
    let errno = match status {
        ExitStatus::Code(0) => return Ok(()),
        ExitStatus::Code(code) => std::io::Error::from_raw_os_error(code),
        ExitStatus::Signal(_) => std::io::ErrorKind::FileTooLarge.into(),
    };
    Err(SandboxError::File { path: path.to_owned(), errno })
}

fn pipe_out() -> Result<(pipe::Receiver, OwnedFd), SandboxError> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((pipe::Receiver::from_owned_fd(read)?, write))
}

fn pipe_in() -> Result<(pipe::Sender, OwnedFd), SandboxError> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((pipe::Sender::from_owned_fd(write)?, read))
}

fn stdin(stdin: Stdin) -> Result<(OwnedFd, Option<pipe::Sender>), SandboxError> {
    use std::io::{Seek, Write};
    match stdin {
        Stdin::Null => {
            let file = std::fs::File::open("/dev/null")?;
            Ok((file.into(), None))
        }
        Stdin::Pipe => {
            let (ours, theirs) = pipe_in()?;
            Ok((theirs, Some(ours)))
        }
        Stdin::Bytes(bytes) => {
            let flags = rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::ALLOW_SEALING;
            let mut file = std::fs::File::from(rustix::fs::memfd_create("stdin", flags)?);
            file.write_all(&bytes)?;
            file.rewind()?;
            let seals = rustix::fs::SealFlags::SEAL
                | rustix::fs::SealFlags::SHRINK
                | rustix::fs::SealFlags::GROW
                | rustix::fs::SealFlags::WRITE;
            rustix::fs::fcntl_add_seals(&file, seals)?;
            Ok((file.into(), None))
        }
    }
}

/// Hears init out until it is gone or says something it cannot mean; then everybody who waits
/// is told.
async fn listen(link: Arc<Link>) {
    loop {
        match link.next().await {
            Ok(Some(event)) if link.hear(event) => {}
            Ok(None) => break,
            Ok(Some(_)) | Err(_) => {
                tracing::error!("init said what no init says; the sandbox is killed");
                break;
            }
        }
    }
    link.kill_all();
    let mut waiting = link.waiting();
    waiting.gone = true;
    waiting.actions.clear();
}

/// Kills the actions when the changes outgrow their cap.
async fn watch_size(link: Arc<Link>, changes: PathBuf, cap: u64) {
    loop {
        tokio::time::sleep(SIZE_EVERY).await;
        let running: Vec<u64> = link.waiting().actions.keys().copied().collect();
        if running.is_empty() {
            continue;
        }
        let tree = changes.clone();
        let size = tokio::task::spawn_blocking(move || workspace::size(&tree, cap)).await;
        if size.is_ok_and(|size| size > cap) {
            tracing::warn!(cap, "the changes of a task outgrew their cap; its actions are killed");
            for id in running {
                link.kill_action(id);
            }
        }
    }
}

/// What is known before anything is launched.
struct Prepared {
    plan: Plan,
    storage: Storage,
    notices: Vec<Notice>,
    copy: Option<String>,
}

impl Prepared {
    fn new(profile: &Profile) -> Result<Self, SandboxError> {
        let project = &profile.project;
        let refuse = |why| SandboxError::Project { path: project.clone(), why };
        let canonical = project.canonicalize().map_err(|_| refuse("there is no such directory"))?;
        if canonical != *project {
            return Err(refuse("the path is not absolute, or goes through a link"));
        }
        let meta = project.metadata().map_err(|_| refuse("it cannot be looked at"))?;
        if !meta.is_dir() {
            return Err(refuse("it is not a directory"));
        }
        check_place(project).map_err(refuse)?;
        let root = rustix::process::geteuid().is_root();
        let owner = Ids { uid: meta.uid(), gid: meta.gid() };
        let ids = if root {
            task_user()
        } else {
            Ids {
                uid: rustix::process::geteuid().as_raw(),
                gid: rustix::process::getegid().as_raw(),
            }
        };
        let become_user = root.then_some(ids);
        let storage = Storage::prepare(&profile.storage, project, become_user)?;
        let (mut notices, mut copy) = (Vec::new(), None);
        if storage.copy.is_dir() {
            copy = Some("an earlier start of this task had to".to_owned());
        } else {
            let mapped = if root { owner } else { ids };
            match workspace::owners(project, mapped) {
                Ok(_) if mapped != owner => {
                    copy = Some("the project belongs to another user or group".to_owned());
                }
                Ok(Owners::One) => {}
                Ok(Owners::OneSoFar(entries)) => notices.push(Notice::ScanBounded { entries }),
                Ok(Owners::Further(path)) => {
                    copy = Some(format!("`{}` has another owner than the project", path.display()));
                }
                Err(source) => {
                    return Err(SandboxError::Storage { path: project.clone(), source });
                }
            }
        }
        let limits = profile.limits;
        let plan = Plan {
            project: project.as_os_str().as_bytes().to_vec(),
            become_user,
            ids,
            owner,
            workspace: PlannedWorkspace::Overlay {
                layer: storage.layer.as_os_str().as_bytes().to_vec(),
            },
            read_only: profile
                .read_only
                .iter()
                .map(|place| place.as_os_str().as_bytes().to_vec())
                .collect(),
            tmp_bytes: limits.tmp_bytes,
            rlimits: Rlimits {
                processes: limits.processes,
                open_files: limits.open_files,
                file_size: limits.file_size_bytes,
            },
        };
        Ok(Self { plan, storage, notices, copy })
    }
}

/// Places that are the system's own inside, or hold others' projects.
fn check_place(project: &Path) -> Result<(), &'static str> {
    const TAKEN: [&str; 9] =
        ["/bin", "/boot", "/dev", "/etc", "/lib", "/proc", "/sbin", "/sys", "/run"];
    const WHOLE: [&str; 9] =
        ["/", "/usr", "/tmp", "/home", "/var", "/home/task", "/dev/shm", "/opt", "/mnt"];
    if WHOLE.iter().any(|place| project == Path::new(place)) {
        return Err("it is a directory of the system; name one inside it");
    }
    if TAKEN.iter().any(|place| project.starts_with(place)) {
        return Err("it lies in a directory the sandbox makes itself");
    }
    Ok(())
}

/// The user actions get when we are root.
fn task_user() -> Ids {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd
        .lines()
        .find_map(|line| {
            let mut fields = line.strip_prefix("gatepost-task:")?.split(':').skip(1);
            let uid = fields.next()?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            (uid != 0 && gid != 0).then_some(Ids { uid, gid })
        })
        .unwrap_or(FALLBACK)
}

/// Starts the launcher, waits until init is ready, and checks it from outside.
async fn launch(plan: &Plan, program: &Path) -> Result<(Arc<Link>, Child), SandboxError> {
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    let launcher = Command::new(program)
        .arg0(LAUNCHER)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(SandboxError::Launcher)?;
    let packet = Packet::new(plan)?;
    let socket = crate::sys::watch(ours)?;
    // One copy for the launcher, one for init: each reads its own from the queue.
    for _ in 0..2 {
        packet.send(socket.get_ref().as_fd(), &[])?;
    }
    match tokio::time::timeout(SETUP, ready(plan, socket)).await {
        Ok(Ok(link)) => Ok((link, launcher)),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(SandboxError::NotTight("set-up did not end in time".to_owned())),
    }
}

async fn ready(plan: &Plan, socket: AsyncFd<OwnedFd>) -> Result<Arc<Link>, SandboxError> {
    // The null stands in until init's pid is known.
    let null: OwnedFd = std::fs::File::open("/dev/null")?.into();
    let mut link = Link { socket, init: null, waiting: Mutex::default() };
    let mut pid = None;
    loop {
        match link.next().await? {
            Some(Event::Launched { pid: told }) if pid.is_none() => {
                let found = Pid::from_raw(told).ok_or(SandboxError::Gone)?;
                link.init = pidfd_open(found, PidfdFlags::empty())?;
                pid = Some(told);
            }
            Some(Event::Refused { stage, errno }) => {
                let errno = Errno::from_raw_os_error(errno.clamp(1, 4095));
                let mend = mend(stage, errno, plan.become_user.is_some());
                return Err(SandboxError::Refused { stage, errno: errno.into(), mend });
            }
            Some(Event::Ready { .. }) => {
                let pid = pid.ok_or(SandboxError::Gone)?;
                if let Err(why) = check_init(pid, plan.ids) {
                    link.kill_all();
                    return Err(SandboxError::NotTight(why));
                }
                return Ok(Arc::new(link));
            }
            Some(_) => return Err(SandboxError::NotTight("init spoke out of turn".to_owned())),
            None => {
                return Err(SandboxError::NotTight("the launcher ended without a word".to_owned()));
            }
        }
    }
}

/// Looks at init from outside before its word is believed.
fn check_init(pid: i32, ids: Ids) -> Result<(), String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|error| format!("init cannot be looked at ({error})"))?;
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
            .unwrap_or_default()
    };
    let none = "0000000000000000".to_owned();
    let (uid, gid) = (ids.uid, ids.gid);
    let wanted = [
        ("CapInh", none.clone()),
        ("CapPrm", none.clone()),
        ("CapEff", none.clone()),
        ("CapBnd", none.clone()),
        ("CapAmb", none),
        ("NoNewPrivs", "1".to_owned()),
        ("Seccomp", "2".to_owned()),
        ("Uid", format!("{uid} {uid} {uid} {uid}")),
        ("Gid", format!("{gid} {gid} {gid} {gid}")),
    ];
    for (name, value) in wanted {
        let found = field(name);
        if found != value {
            return Err(format!("{name} of init is `{found}` and must be `{value}`"));
        }
    }
    let inner = field("NSpid");
    if inner.split(' ').next_back() != Some("1") {
        return Err(format!("init is not the first process of its namespace (`{inner}`)"));
    }
    Ok(())
}
