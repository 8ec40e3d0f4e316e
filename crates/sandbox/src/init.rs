//! Pid 1 of a task: takes requests from the supervisor, starts actions, sweeps up behind them.
//!
//! It reads nothing that comes from inside. What it is told comes over one socket from outside;
//! what it learns from inside is which pid ended and how.

use crate::child::{self, Action};
use crate::control::{self, Event, Frame, Packet, Plan, Request, Stage, Step};
use crate::launch::{At, INIT_CONTROL, Refusal};
use crate::lockdown::{landlock, seccomp};
use crate::mounts::HOME;
use crate::sys::{self, Fork};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus, set_dumpable_behavior,
    set_parent_process_death_signal, wait, waitpid,
};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

struct Init {
    control: OwnedFd,
    plan: Plan,
    landlock: u32,
    running: BTreeMap<i32, u64>,
}

/// Runs init to its end; the value is the exit code.
pub(crate) fn main() -> i32 {
    let Ok(control) = start() else { return 2 };
    let (plan, signals, landlock) = match confine(&control) {
        Ok(parts) => parts,
        Err(Refusal { stage, errno }) => {
            let event = Event::Refused { stage, errno: errno.raw_os_error() };
            let told = Packet::new(&event).and_then(|packet| packet.send(control.as_fd(), &[]));
            return if told.is_ok() { 1 } else { 2 };
        }
    };
    let mut init = Init { control, plan, landlock, running: BTreeMap::new() };
    match init.say(Event::Ready { landlock }).and_then(|()| init.serve(&signals)) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

/// Keeps the control socket, and nothing else of what was inherited.
fn start() -> Result<OwnedFd, Errno> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    sys::close_from(INIT_CONTROL.unsigned_abs() + 1)?;
    let control = sys::inherited(INIT_CONTROL)?;
    rustix::io::fcntl_setfd(&control, rustix::io::FdFlags::CLOEXEC)?;
    let null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    for number in 0..3 {
        sys::place(null.as_fd(), number)?;
    }
    rustix::process::umask(Mode::from_raw_mode(0o022));
    Ok(control)
}

fn confine(control: &OwnedFd) -> Result<(Plan, OwnedFd, u32), Refusal> {
    let mut frame = control::receive(control.as_fd(), control::INLINE, true)
        .and_then(|frame| frame.ok_or(Errno::PIPE))
        .at(Stage::Plan)?;
    let plan: Plan = frame.decode().at(Stage::Plan)?;
    let signals = sys::child_signals().at(Stage::Init)?;
    let abi = crate::lockdown::landlock::abi();
    let project = Path::new(OsStr::from_bytes(&plan.project));
    landlock::confine(&[project, Path::new("/tmp"), Path::new("/dev/shm"), Path::new(HOME)])
        .at(Stage::Landlock)?;
    seccomp::install().at(Stage::Seccomp)?;
    Ok((plan, signals, abi))
}

impl Init {
    fn say(&self, event: Event) -> Result<(), Errno> {
        Packet::new(&event)?.send(self.control.as_fd(), &[])
    }

    /// Serves until the supervisor is gone or says something that cannot be understood; either
    /// way init ends, and with it everything inside.
    fn serve(&mut self, signals: &OwnedFd) -> Result<(), Errno> {
        loop {
            let (asked, ended) = {
                let mut ready = [
                    PollFd::new(&self.control, PollFlags::IN),
                    PollFd::new(signals, PollFlags::IN),
                ];
                match poll(&mut ready, None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error),
                }
                let [control, signals] = &ready;
                (!control.revents().is_empty(), !signals.revents().is_empty())
            };
            if ended {
                // The content does not matter: several ends may be one signal.
                let mut skip = [0_u8; 512];
                match rustix::io::read(signals, &mut skip) {
                    Ok(_) | Err(Errno::AGAIN | Errno::INTR) => {}
                    Err(error) => return Err(error),
                }
                self.reap()?;
            }
            if asked {
                let frame = control::receive(self.control.as_fd(), control::INLINE, true)?;
                match frame {
                    Some(frame) => self.obey(frame)?,
                    None => return Ok(()),
                }
            }
        }
    }

    fn obey(&mut self, mut frame: Frame) -> Result<(), Errno> {
        let request: Request = frame.decode()?;
        let fds = frame.fds;
        match request {
            Request::Exec { id, argv, env, cwd, targets } => {
                self.begin(id, Action::Run { argv, env, cwd, targets }, fds)
            }
            Request::Read { id, path, max } => self.begin(id, Action::Read { path, max }, fds),
            Request::Write { id, path, mode } => self.begin(id, Action::Write { path, mode }, fds),
            Request::Probe { id, host_pid } => self.begin(id, Action::Probe { host_pid }, fds),
            Request::Kill { id } => {
                self.kill(id);
                Ok(())
            }
        }
    }

    fn begin(&mut self, id: u64, action: Action, fds: Vec<OwnedFd>) -> Result<(), Errno> {
        let (status, report) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let pid = match sys::fork() {
            Ok(Fork::Child) => {
                drop(status);
                child::run(&action, fds, report, &self.plan, self.landlock)
            }
            Ok(Fork::Parent(pid)) => pid,
            Err(errno) => {
                let errno = errno.raw_os_error();
                return self.say(Event::Failed { id, step: Step::Fork, errno });
            }
        };
        drop((report, fds, action));
        match child::read_report(&status) {
            None => {
                self.running.insert(pid, id);
                self.say(Event::Started { id })
            }
            Some((step, errno)) => {
                let _reaped = waitpid(Pid::from_raw(pid), WaitOptions::empty());
                self.say(Event::Failed { id, step, errno })
            }
        }
    }

    fn kill(&mut self, id: u64) {
        let Some(pid) = self.running.iter().find(|(_, of)| **of == id).map(|(pid, _)| *pid) else {
            return;
        };
        if self.running.len() == 1 {
            sys::kill_all();
        } else {
            // What left the group is swept when the last action ends.
            sys::kill_group(pid);
        }
    }

    fn reap(&mut self) -> Result<(), Errno> {
        let mut ends = Vec::new();
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    let pid = pid.as_raw_nonzero().get();
                    if let Some(id) = self.running.remove(&pid) {
                        // Its group goes with it, so that no pipe of it stays open.
                        sys::kill_group(pid);
                        ends.push(end(id, status));
                    }
                }
                Ok(None) => {
                    if self.running.is_empty() && !ends.is_empty() {
                        sweep()?;
                    }
                    break;
                }
                Err(Errno::CHILD) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        for event in ends {
            self.say(event)?;
        }
        Ok(())
    }
}

/// Ends whatever an action left behind and waits until it is gone.
fn sweep() -> Result<(), Errno> {
    sys::kill_all();
    loop {
        match wait(WaitOptions::empty()) {
            Ok(_) => {
                // One may have forked between our signal and its end.
                sys::kill_all();
            }
            Err(Errno::CHILD) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

fn end(id: u64, status: WaitStatus) -> Event {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Event::Exited { id, code },
        (None, signal) => Event::Signalled { id, signal: signal.unwrap_or(0) },
    }
}
