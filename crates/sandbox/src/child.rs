//! One action: the narrow layer around it, then its program.

use crate::attempts;
use crate::control::{Plan, Step};
use crate::files;
use crate::lockdown::{landlock, limits};
use crate::sys;
use rustix::io::Errno;
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What init was asked to do in a process of its own.
#[derive(Debug)]
pub(crate) enum Action {
    /// Run a program.
    Run { argv: Vec<Vec<u8>>, env: Vec<Vec<u8>>, cwd: Vec<u8>, targets: Vec<i32> },
    /// Copy a file out.
    Read { path: Vec<u8>, max: u64 },
    /// Copy a file in.
    Write { path: Vec<u8>, mode: Option<u32> },
    /// Attempt what must fail.
    Probe { host_pid: i32 },
}

/// Becomes the action. Never returns: it execs, or exits after saying on `report` why not.
pub(crate) fn run(
    action: &Action,
    fds: Vec<OwnedFd>,
    report: OwnedFd,
    plan: &Plan,
    landlock_abi: u32,
) -> ! {
    let (step, errno) = match action {
        Action::Run { argv, env, cwd, targets } => {
            match confine(plan, landlock_abi)
                .and_then(|()| place(fds, targets, &report).map_err(|e| (Step::Confine, e)))
            {
                Ok(report_at) => {
                    // The report has moved out of the way of the targets.
                    std::mem::forget(report);
                    let failure = exec(argv, env, cwd);
                    tell(report_at.as_fd(), failure);
                    sys::exit(127)
                }
                Err(failure) => failure,
            }
        }
        Action::Read { path, max } => match confine(plan, landlock_abi) {
            Ok(()) => {
                drop(report);
                sys::exit(files::exit_code(files::copy_out(path, *max, &fds, plan)))
            }
            Err(failure) => failure,
        },
        Action::Write { path, mode } => match confine(plan, landlock_abi) {
            Ok(()) => {
                drop(report);
                sys::exit(files::exit_code(files::copy_in(path, *mode, &fds, plan)))
            }
            Err(failure) => failure,
        },
        Action::Probe { host_pid } => match confine(plan, landlock_abi) {
            Ok(()) => {
                drop(report);
                sys::exit(files::exit_code(attempts::report(&fds, *host_pid)))
            }
            Err(failure) => failure,
        },
    };
    tell(report.as_fd(), (step, errno));
    sys::exit(127)
}

fn confine(plan: &Plan, landlock_abi: u32) -> Result<(), (Step, Errno)> {
    let inner = || {
        rustix::process::setsid()?;
        landlock::own_scope(landlock_abi)?;
        limits::apply(plan.rlimits)?;
        sys::default_signals();
        Ok(())
    };
    inner().map_err(|errno| (Step::Confine, errno))
}

/// Puts the descriptors where they belong and marks every other to be closed by exec. The
/// sources are first moved above all targets, so that none overwrites another.
fn place(fds: Vec<OwnedFd>, targets: &[i32], report: &OwnedFd) -> Result<OwnedFd, Errno> {
    if fds.len() != targets.len() {
        return Err(Errno::BADMSG);
    }
    let top = targets.iter().copied().max().unwrap_or(2).max(2) + 1;
    let report = rustix::io::fcntl_dupfd_cloexec(report, top)?;
    let mut moved = Vec::new();
    for fd in &fds {
        moved.push(rustix::io::fcntl_dupfd_cloexec(fd, top)?);
    }
    sys::cloexec_from(3)?;
    for (fd, number) in moved.iter().zip(targets) {
        sys::place(fd.as_fd(), *number)?;
    }
    // The old numbers may now belong to targets; exec closes them or keeps them, not we.
    std::mem::forget(fds);
    Ok(report)
}

fn exec(argv: &[Vec<u8>], env: &[Vec<u8>], cwd: &[u8]) -> (Step, Errno) {
    if let Err(errno) = rustix::process::chdir(Path::new(OsStr::from_bytes(cwd))) {
        return (Step::Cwd, errno);
    }
    match exec_found(argv, env) {
        Ok(never) => match never {},
        Err(errno) => (Step::Exec, errno),
    }
}

fn exec_found(argv: &[Vec<u8>], env: &[Vec<u8>]) -> Result<std::convert::Infallible, Errno> {
    let strings = |list: &[Vec<u8>]| {
        list.iter()
            .map(|bytes| CString::new(bytes.as_slice()).map_err(|_| Errno::INVAL))
            .collect::<Result<Vec<_>, _>>()
    };
    let (arguments, environment) = (strings(argv)?, strings(env)?);
    let name = argv.first().filter(|name| !name.is_empty()).ok_or(Errno::NOENT)?;
    if name.contains(&b'/') {
        let path = CString::new(name.as_slice()).map_err(|_| Errno::INVAL)?;
        return Err(sys::exec_path(&path, &arguments, &environment));
    }
    let search = env.iter().find_map(|pair| pair.strip_prefix(b"PATH=")).unwrap_or(b"/usr/bin");
    let mut answer = Errno::NOENT;
    for dir in search.split(|byte| *byte == b':').filter(|dir| !dir.is_empty()) {
        let mut path = dir.to_vec();
        path.push(b'/');
        path.extend_from_slice(name);
        let path = CString::new(path).map_err(|_| Errno::INVAL)?;
        match sys::exec_path(&path, &arguments, &environment) {
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::ACCESS => answer = Errno::ACCESS,
            other => return Err(other),
        }
    }
    Err(answer)
}

fn tell(report: std::os::fd::BorrowedFd<'_>, (step, errno): (Step, Errno)) {
    let step = match step {
        Step::Fork => 0_u8,
        Step::Confine => 1,
        Step::Cwd => 2,
        Step::Exec => 3,
    };
    let mut bytes = vec![step];
    bytes.extend(errno.raw_os_error().to_ne_bytes());
    // Nobody is left to tell should this fail; the exit code says it too.
    let _told = rustix::io::write(report, &bytes);
}

/// What the child said before its program took over; `None` when it did.
pub(crate) fn read_report(status: &OwnedFd) -> Option<(Step, i32)> {
    let mut bytes = [0_u8; 5];
    let read = loop {
        match rustix::io::read(status, &mut bytes) {
            Err(Errno::INTR) => {}
            other => break other.unwrap_or(0),
        }
    };
    if read == 0 {
        return None;
    }
    let [step, errno @ ..] = bytes;
    let step = match step {
        0 => Step::Fork,
        2 => Step::Cwd,
        3 => Step::Exec,
        _ => Step::Confine,
    };
    Some((step, i32::from_ne_bytes(errno)))
}
