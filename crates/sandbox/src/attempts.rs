//! What must fail inside, tried there: by `doctor`, and by the tests through the probe program.

use crate::sys::attempts::{ABSENT, REFUSED, X32_CALLS};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, connect, socket};
use rustix::process::{Pid, Signal, kill_process};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;

/// One attempt, and how it must end.
#[derive(Debug)]
pub struct Attempt {
    /// What is tried, in words.
    pub name: &'static str,
    /// The error numbers that are right; anything else is a hole or a fault.
    pub expected: &'static [i32],
    how: How,
}

#[derive(Debug, Clone, Copy)]
enum How {
    Call(crate::sys::Call),
    Read(&'static str),
    Write(&'static str),
    Connect(Ipv4Addr, u16, SocketType),
    KillHost,
    KillInit,
    #[cfg(target_arch = "x86_64")]
    As32Bit,
}

/// Not there.
const MISSING: &[i32] = &[libc::ENOENT];
/// Three layers may answer first: the mount, Landlock, or the owner's rights.
const NO_WRITE: &[i32] = &[libc::EROFS, libc::EACCES, libc::EPERM];
/// No entry is there, or it is closed.
const CLOSED: &[i32] = &[libc::EACCES, libc::EPERM, libc::ENOENT];

/// An address nobody has (RFC 5737), so that a hole reaches nobody.
const NOWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

const FILES: &[(&str, How, &[i32])] = &[
    ("read /etc/shadow", How::Read("/etc/shadow"), MISSING),
    ("read root's home", How::Read("/root"), MISSING),
    ("read /sys", How::Read("/sys"), MISSING),
    ("read /boot", How::Read("/boot"), MISSING),
    ("open memory", How::Read("/dev/mem"), MISSING),
    ("open the kernel's messages", How::Read("/dev/kmsg"), MISSING),
    ("open the virtual machine device", How::Read("/dev/kvm"), MISSING),
    ("open the disk", How::Read("/dev/vda"), MISSING),
    ("open fuse", How::Read("/dev/fuse"), MISSING),
    ("read init's environment", How::Read("/proc/1/environ"), CLOSED),
    ("read init's memory", How::Read("/proc/1/mem"), CLOSED),
    ("reach the root through init", How::Read("/proc/1/root/etc"), CLOSED),
    ("write to /usr", How::Write("/usr/gatepost-probe"), NO_WRITE),
    ("write to /etc", How::Write("/etc/gatepost-probe"), NO_WRITE),
    ("write to /", How::Write("/gatepost-probe"), NO_WRITE),
    ("write to /bin", How::Write("/bin/gatepost-probe"), NO_WRITE),
    ("set the core pattern", How::Write("/proc/sys/kernel/core_pattern"), NO_WRITE),
    (
        "reach another network by tcp",
        How::Connect(NOWHERE, 80, SocketType::STREAM),
        &[libc::ENETUNREACH],
    ),
    (
        "reach another network by udp",
        How::Connect(NOWHERE, 53, SocketType::DGRAM),
        &[libc::ENETUNREACH],
    ),
    (
        "reach the machine's metadata",
        How::Connect(Ipv4Addr::new(169, 254, 169, 254), 80, SocketType::STREAM),
        &[libc::ENETUNREACH],
    ),
    (
        "reach the host's loopback",
        How::Connect(Ipv4Addr::LOCALHOST, 22, SocketType::STREAM),
        &[libc::ECONNREFUSED],
    ),
    ("signal a process outside", How::KillHost, &[libc::ESRCH]),
    ("kill init", How::KillInit, &[libc::EPERM]),
    // The number of the signal stands for the error; a kernel without the gate says SIGSEGV.
    #[cfg(target_arch = "x86_64")]
    ("make a call as a 32-bit program", How::As32Bit, &[libc::SIGSYS, libc::SIGSEGV]),
];

/// Every attempt there is.
#[must_use]
pub fn all() -> Vec<Attempt> {
    let calls = |list: &'static [(&'static str, crate::sys::Call)], expected: &'static [i32]| {
        list.iter().map(move |(name, call)| Attempt { name, expected, how: How::Call(*call) })
    };
    FILES
        .iter()
        .map(|(name, how, expected)| Attempt { name, expected, how: *how })
        .chain(calls(REFUSED, &[libc::EPERM]))
        .chain(calls(ABSENT, &[libc::ENOSYS]))
        .chain(calls(X32_CALLS, &[libc::ENOSYS]))
        .collect()
}

impl Attempt {
    /// Makes it; the error number, or 0 when nothing stopped it. Only to be made inside, or where
    /// a hole is no harm.
    #[must_use]
    pub fn make(&self, host_pid: i32) -> i32 {
        let result = match self.how {
            How::Call(call) => call.attempt(),
            How::Read(path) => open(path, OFlags::RDONLY | OFlags::NONBLOCK),
            How::Write(path) => open(path, OFlags::WRONLY | OFlags::CREATE),
            How::Connect(address, port, kind) => reach(address, port, kind),
            // Signal 0 would do, but Landlock answers for it before anybody is looked for.
            How::KillHost => kill(host_pid, Signal::CONT),
            How::KillInit => kill(1, Signal::KILL),
            #[cfg(target_arch = "x86_64")]
            How::As32Bit => crate::sys::call_as_32_bit(),
        };
        match result {
            Ok(()) => 0,
            Err(errno) => errno.raw_os_error(),
        }
    }

    /// Whether it changes nothing even where nothing stops it, so that it may be made outside to
    /// see that it is the sandbox that stops it.
    #[must_use]
    pub fn is_harmless(&self) -> bool {
        match self.how {
            How::Call(_) | How::Read(_) => true,
            #[cfg(target_arch = "x86_64")]
            How::As32Bit => true,
            How::Write(_) | How::Connect(..) | How::KillHost | How::KillInit => false,
        }
    }
}

fn open(path: &str, flags: OFlags) -> Result<(), Errno> {
    openat(CWD, path, flags | OFlags::CLOEXEC, Mode::from_raw_mode(0o600)).map(drop)
}

fn reach(address: Ipv4Addr, port: u16, kind: SocketType) -> Result<(), Errno> {
    let socket = socket(AddressFamily::INET, kind, None)?;
    connect(&socket, &SocketAddrV4::new(address, port))
}

fn kill(pid: i32, signal: Signal) -> Result<(), Errno> {
    kill_process(Pid::from_raw(pid).ok_or(Errno::SRCH)?, signal)
}

/// Makes every attempt and writes the answers, a line each.
pub(crate) fn report(fds: &[OwnedFd], host_pid: i32) -> Result<(), Errno> {
    let out = fds.first().ok_or(Errno::BADMSG)?;
    for (number, attempt) in all().iter().enumerate() {
        let line = format!("{number} {}\n", attempt.make(host_pid));
        // A line is shorter than what a pipe takes at once.
        rustix::io::write(out, line.as_bytes())?;
    }
    Ok(())
}

/// Reads the answers; a line that is none is passed over, and then misses.
pub(crate) fn parse(said: &str) -> Vec<(usize, i32)> {
    said.lines()
        .filter_map(|line| {
            let (number, errno) = line.split_once(' ')?;
            Some((number.parse().ok()?, errno.parse().ok()?))
        })
        .collect()
}
