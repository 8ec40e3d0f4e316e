//! The launcher: a fresh, single-threaded program that makes the namespaces and starts init.
//!
//! It is the same executable as the supervisor under another name, started with an empty
//! environment and the control socket as its standard input. A fork of the supervisor itself
//! would carry its heap, its arguments and its locks along.

use crate::control::{self, Event, Ids, Packet, Plan, Stage};
use crate::lockdown::caps;
use crate::mounts::{self, Trees};
use crate::sys::{self, Fork};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with};
use rustix::process::{DumpableBehavior, Pid, WaitOptions, set_dumpable_behavior, waitpid};
use std::ffi::CString;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The name under which the program is the launcher.
pub(crate) const LAUNCHER: &str = "gatepost-sandbox-launch";
/// The name under which the program is init.
pub(crate) const INIT: &str = "gatepost-sandbox-init";
/// Where init finds its control socket.
pub(crate) const INIT_CONTROL: i32 = 3;

/// How many connections may wait to be accepted on one handed-out port.
const BACKLOG: i32 = 128;

/// A layer that could not be built.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal {
    pub(crate) stage: Stage,
    pub(crate) errno: Errno,
}

/// Names the layer an error belongs to.
pub(crate) trait At<T> {
    /// Turns the error into a refusal at `stage`.
    fn at(self, stage: Stage) -> Result<T, Refusal>;
}

impl<T> At<T> for Result<T, Errno> {
    fn at(self, stage: Stage) -> Result<T, Refusal> {
        self.map_err(|errno| Refusal { stage, errno })
    }
}

/// Runs the launcher to its end; the value is the exit code.
pub(crate) fn main() -> i32 {
    let Ok(control) = take_control() else { return 2 };
    let Err(refusal) = launch(&control) else { return 0 };
    let Refusal { stage, errno } = refusal;
    let event = Event::Refused { stage, errno: errno.raw_os_error() };
    match Packet::new(&event).and_then(|packet| packet.send(control.as_fd(), &[])) {
        Ok(()) => 1,
        Err(_) => 2,
    }
}

/// Moves the control socket off the standard input and closes whatever else was inherited.
fn take_control() -> Result<OwnedFd, Errno> {
    sys::close_from(3)?;
    let inherited = sys::inherited(0)?;
    let control = rustix::io::fcntl_dupfd_cloexec(&inherited, 10)?;
    let null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    sys::place(null.as_fd(), 0)?;
    std::mem::forget(inherited);
    Ok(control)
}

fn launch(control: &OwnedFd) -> Result<(), Refusal> {
    let mut frame = control::receive(control.as_fd(), control::INLINE, true)
        .and_then(|frame| frame.ok_or(Errno::PIPE))
        .at(Stage::Plan)?;
    let plan: Plan = frame.decode().at(Stage::Plan)?;
    // Where memory runs out the kernel ends tasks before anything else of the machine's. Inherited
    // by all of the task, and it cannot be lowered again without a right that is given up.
    std::fs::write("/proc/self/oom_score_adj", "1000")
        .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
        .at(Stage::Init)?;
    // Kept above the number init finds its control socket at.
    let program = open("/proc/self/exe", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
        .and_then(|program| rustix::io::fcntl_dupfd_cloexec(program, 10))
        .at(Stage::Program)?;

    // As root everything is taken hold of before the rights to reach it are given away; the
    // detached trees keep it reachable, and nothing but it.
    let early = match plan.become_user {
        Some(ids) => {
            let trees = Trees::collect(&plan)?;
            sys::become_user(ids.uid, ids.gid).at(Stage::Identity)?;
            // Changing the user made our own /proc entries root's; the maps are written there.
            set_dumpable_behavior(DumpableBehavior::Dumpable).at(Stage::Identity)?;
            Some(trees)
        }
        None => None,
    };
    sys::unshare(
        libc::CLONE_NEWUSER
            | libc::CLONE_NEWNS
            | libc::CLONE_NEWPID
            | libc::CLONE_NEWNET
            | libc::CLONE_NEWIPC
            | libc::CLONE_NEWUTS
            | libc::CLONE_NEWCGROUP,
    )
    .at(Stage::Namespaces)?;
    write_maps(plan.ids).at(Stage::Maps)?;
    let trees = match early {
        Some(trees) => trees,
        None => Trees::collect(&plan)?,
    };

    match sys::fork().at(Stage::Namespaces)? {
        Fork::Child => {
            let Refusal { stage, errno } = become_init(control, &plan, trees, &program);
            let event = Event::Refused { stage, errno: errno.raw_os_error() };
            let told = Packet::new(&event).and_then(|packet| packet.send(control.as_fd(), &[]));
            sys::exit(if told.is_ok() { 1 } else { 2 })
        }
        Fork::Parent(pid) => {
            drop((trees, program));
            Packet::new(&Event::Launched { pid })
                .and_then(|packet| packet.send(control.as_fd(), &[]))
                .at(Stage::Init)?;
            wait_for_init(pid)
        }
    }
}

/// Waits until init is gone. The kernel lets that happen only after every process of its
/// namespace is gone, so the launcher's own end means that nothing is left.
fn wait_for_init(pid: i32) -> Result<(), Refusal> {
    // Only this copy of the socket is ours to close; init holds its own, and the supervisor must
    // see the end of the stream when init ends.
    sys::close_from(3).at(Stage::Init)?;
    loop {
        match waitpid(Pid::from_raw(pid), WaitOptions::empty()) {
            Ok(_) => sys::exit(0),
            Err(Errno::INTR) => {}
            Err(_) => sys::exit(3),
        }
    }
}

/// Maps the one user onto itself. Root is never mapped: files of root seen through a bind mount
/// would be writable.
fn write_maps(ids: Ids) -> Result<(), Errno> {
    let put = |path: &str, text: String| {
        std::fs::write(path, text)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    };
    put("/proc/self/setgroups", "deny".to_owned())?;
    put("/proc/self/uid_map", format!("{0} {0} 1", ids.uid))?;
    put("/proc/self/gid_map", format!("{0} {0} 1", ids.gid))
}

/// Builds the inside and becomes init; returns only when that failed.
fn become_init(control: &OwnedFd, plan: &Plan, trees: Trees, program: &OwnedFd) -> Refusal {
    match prepare(control.as_fd(), plan, trees) {
        Ok(()) => {
            let name = CString::new(INIT).unwrap_or_default();
            let errno = sys::exec_fd(program.as_fd(), &[name], &[]);
            Refusal { stage: Stage::Init, errno }
        }
        Err(refusal) => refusal,
    }
}

/// Opens the listening sockets and gives them away. They stay in this network namespace, so a
/// program inside connects to them; whoever holds them outside accepts. Nothing inside has to
/// forward a byte, and no socket of the host is seen inside.
///
/// Done here because ports below 1024 need a right that is given up right afterwards.
fn hand_out_listeners(control: BorrowedFd<'_>, ports: &[u16]) -> Result<(), Errno> {
    if ports.is_empty() {
        return Ok(());
    }
    let mut listeners = Vec::new();
    for port in ports {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, *port))?;
        listen(&socket, BACKLOG)?;
        listeners.push(socket);
    }
    let fds: Vec<BorrowedFd<'_>> = listeners.iter().map(AsFd::as_fd).collect();
    Packet::new(&Event::Listening)?.send(control, &fds)
}

fn prepare(control: BorrowedFd<'_>, plan: &Plan, trees: Trees) -> Result<(), Refusal> {
    // Should the launcher die first, so does everything inside.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .at(Stage::Init)?;
    mounts::build(plan, trees)?;
    sys::loopback_up().at(Stage::Network)?;
    hand_out_listeners(control, &plan.ports).at(Stage::Network)?;
    rustix::system::sethostname(b"gatepost").at(Stage::Namespaces)?;
    caps::drop_all().at(Stage::Capabilities)?;
    sys::place(control, INIT_CONTROL).at(Stage::Init)?;
    sys::cloexec_from(INIT_CONTROL.unsigned_abs() + 1).at(Stage::Init)
}
