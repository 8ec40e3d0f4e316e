//! The system calls no safe wrapper offers: the only file of the workspace with `unsafe` in it.
#![expect(unsafe_code, reason = "raw system calls, each with its SAFETY line")]

pub(crate) mod attempts;

use rustix::io::Errno;
use std::ffi::CString;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Which side of a fork we are on.
pub(crate) enum Fork {
    /// In the new process.
    Child,
    /// In the old one, with the pid of the new.
    Parent(i32),
}

/// Attributes for `mount_setattr`, as the kernel lays them out.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct MountAttr {
    pub(crate) set: u64,
    pub(crate) clear: u64,
    pub(crate) propagation: u64,
    pub(crate) userns_fd: u64,
}

pub(crate) const ATTR_RDONLY: u64 = 0x1;
pub(crate) const ATTR_NOSUID: u64 = 0x2;
pub(crate) const ATTR_NODEV: u64 = 0x4;
pub(crate) const ATTR_NOEXEC: u64 = 0x8;
pub(crate) const ATTR_IDMAP: u64 = 0x0010_0000;

fn check(result: i64) -> Result<i64, Errno> {
    if result < 0 {
        let code = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
        Err(Errno::from_raw_os_error(code))
    } else {
        Ok(result)
    }
}

/// Forks. Only the launcher and init call it, and both have a single thread.
pub(crate) fn fork() -> Result<Fork, Errno> {
    // SAFETY: callers are single-threaded, so no lock can be held by a thread that vanishes.
    match check(i64::from(unsafe { libc::fork() }))? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(i32::try_from(pid).unwrap_or(-1))),
    }
}

/// Leaves at once, running no exit handler of the parent's copy.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: _exit never returns and touches no memory of ours.
    unsafe { libc::_exit(code) }
}

/// Takes over a descriptor this process was started with.
pub(crate) fn inherited(fd: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: fcntl with F_GETFD only looks at the descriptor table.
    check(i64::from(unsafe { libc::fcntl(fd, libc::F_GETFD) }))?;
    // SAFETY: the descriptor is open (checked above) and nobody else in this process owns it:
    // only the start of launcher and init call this, once for each number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Puts a copy of `fd` at `number`, surviving exec; whatever was there is closed.
pub(crate) fn place(fd: BorrowedFd<'_>, number: RawFd) -> Result<(), Errno> {
    if fd.as_raw_fd() == number {
        // SAFETY: changes one flag of a descriptor we hold.
        check(i64::from(unsafe { libc::fcntl(number, libc::F_SETFD, 0) }))?;
    } else {
        // SAFETY: dup2 replaces `number`; callers know no live owner of that number exists.
        check(i64::from(unsafe { libc::dup2(fd.as_raw_fd(), number) }))?;
    }
    Ok(())
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: u32) -> Result<(), Errno> {
    // SAFETY: called before any OwnedFd for these numbers exists in the process.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) })?;
    Ok(())
}

/// Marks every descriptor from `first` on to be closed by exec.
pub(crate) fn cloexec_from(first: u32) -> Result<(), Errno> {
    const CLOSE_RANGE_CLOEXEC: u32 = 4;
    // SAFETY: only sets a flag on descriptors, none is closed now.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, CLOSE_RANGE_CLOEXEC) })?;
    Ok(())
}

/// Sets attributes of a mount (of the whole tree when `recursive`).
pub(crate) fn mount_setattr(
    mount: BorrowedFd<'_>,
    attr: MountAttr,
    recursive: bool,
) -> Result<(), Errno> {
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is an empty C string, `attr` lives through the call and its true size
    // is passed.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    })?;
    Ok(())
}

/// Enters fresh namespaces.
pub(crate) fn unshare(flags: libc::c_int) -> Result<(), Errno> {
    // SAFETY: callers are single-threaded and never pass CLONE_FILES or CLONE_VM.
    check(i64::from(unsafe { libc::unshare(flags) }))?;
    Ok(())
}

/// Drops the groups and takes on another user for good.
pub(crate) fn become_user(uid: u32, gid: u32) -> Result<(), Errno> {
    // SAFETY: an empty list: the pointer is not read.
    check(i64::from(unsafe { libc::setgroups(0, std::ptr::null()) }))?;
    // SAFETY: plain integers.
    check(i64::from(unsafe { libc::setresgid(gid, gid, gid) }))?;
    // SAFETY: plain integers.
    check(i64::from(unsafe { libc::setresuid(uid, uid, uid) }))?;
    Ok(())
}

/// Replaces the program by the one behind `program`.
pub(crate) fn exec_fd(program: BorrowedFd<'_>, argv: &[CString], env: &[CString]) -> Errno {
    let argv = pointers(argv);
    let env = pointers(env);
    // SAFETY: both arrays are null-terminated and their strings outlive the call.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            program.as_raw_fd(),
            c"".as_ptr(),
            argv.as_ptr(),
            env.as_ptr(),
            libc::AT_EMPTY_PATH,
        );
    }
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

/// Replaces the program by the one at `path`.
pub(crate) fn exec_path(path: &CString, argv: &[CString], env: &[CString]) -> Errno {
    let argv = pointers(argv);
    let env = pointers(env);
    // SAFETY: both arrays are null-terminated and their strings outlive the call.
    unsafe { libc::execve(path.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

fn pointers(strings: &[CString]) -> Vec<*const libc::c_char> {
    strings.iter().map(|s| s.as_ptr()).chain(std::iter::once(std::ptr::null())).collect()
}

/// Signals every process of the pid namespace but init itself.
pub(crate) fn kill_all() {
    // SAFETY: only init calls this, where -1 means the processes of its own namespace. As pid 1
    // of a namespace it cannot reach further; the check keeps it so should that ever change.
    unsafe {
        if libc::getpid() == 1 {
            libc::kill(-1, libc::SIGKILL);
        }
    }
}

/// Signals a process group.
pub(crate) fn kill_group(pgid: i32) {
    if pgid > 1 {
        // SAFETY: a plain signal to a group of our own namespace.
        unsafe { libc::kill(-pgid, libc::SIGKILL) };
    }
}

/// A descriptor that becomes readable when a child ends; the signal itself is blocked.
pub(crate) fn child_signals() -> Result<OwnedFd, Errno> {
    // SAFETY: the set is initialised by sigemptyset before use; the returned descriptor is new
    // and ours alone.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        check(i64::from(libc::sigemptyset(&raw mut set)))?;
        check(i64::from(libc::sigaddset(&raw mut set, libc::SIGCHLD)))?;
        check(i64::from(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut())))?;
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        let fd = check(i64::from(libc::signalfd(-1, &raw const set, flags)))?;
        Ok(OwnedFd::from_raw_fd(i32::try_from(fd).map_err(|_| Errno::BADF)?))
    }
}

/// Unblocks all signals and gives each its default meaning, as a fresh program expects.
pub(crate) fn default_signals() {
    // SAFETY: the set is initialised before use; SIG_DFL runs no code of ours. Errors for the
    // two signals that cannot be changed are expected and harmless.
    unsafe {
        let mut set = std::mem::zeroed::<libc::sigset_t>();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut());
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}

/// Brings the loopback device of this network namespace up.
pub(crate) fn loopback_up() -> Result<(), Errno> {
    // SAFETY: an ifreq of zeroes is valid; the name fits with its terminator; the ioctls read
    // and write this struct only.
    unsafe {
        let raw = check(i64::from(libc::socket(
            libc::AF_INET,
            libc::SOCK_DGRAM | libc::SOCK_CLOEXEC,
            0,
        )))?;
        let socket = OwnedFd::from_raw_fd(i32::try_from(raw).map_err(|_| Errno::BADF)?);
        let mut request = std::mem::zeroed::<libc::ifreq>();
        for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
            *to = libc::c_char::try_from(*from).unwrap_or(0);
        }
        check(i64::from(libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFFLAGS, &raw mut request)))?;
        let up = libc::c_short::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or(1);
        request.ifr_ifru.ifru_flags |= up;
        check(i64::from(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request)))?;
    }
    Ok(())
}

/// Installs a seccomp program for this thread and all it becomes.
pub(crate) fn seccomp(program: &[libc::sock_filter]) -> Result<(), Errno> {
    let len = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let fprog = libc::sock_fprog { len, filter: program.as_ptr().cast_mut() };
    // SAFETY: `fprog` points at `len` instructions that live through the call; the kernel
    // copies and verifies them and does not write.
    check(unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const fprog)
    })?;
    Ok(())
}

/// Drops one capability from the bounding set; false when the kernel knows no such number.
pub(crate) fn drop_bounding(capability: u32) -> Result<bool, Errno> {
    // SAFETY: plain integers.
    match check(i64::from(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) })) {
        Ok(_) => Ok(true),
        Err(Errno::INVAL) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Empties the permitted, effective and inheritable sets.
pub(crate) fn drop_capabilities() -> Result<(), Errno> {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    let header = Header { version: 0x2008_0522, pid: 0 };
    let none = [0_u32; 6];
    // SAFETY: version 3 takes a header and two data records of three u32; both live through
    // the call.
    check(unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) })?;
    Ok(())
}

/// A system call made only to see it refused. Those of [`attempts`] are the only ones there are:
/// each is one that does nothing even where it is let through.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    number: libc::c_long,
    args: [i64; 4],
}

impl Call {
    /// Makes it.
    pub(crate) fn attempt(self) -> Result<(), Errno> {
        let [a, b, c, d] = self.args;
        // SAFETY: every value of this type is written down in `attempts`, with null pointers or
        // invalid descriptors where the call takes any, so that no memory is read or written.
        check(unsafe { libc::syscall(self.number, a, b, c, d, 0_i64, 0_i64) })?;
        Ok(())
    }
}

/// Makes a system call the 32-bit way, in a process of its own because it may be killed for it.
/// The number of the signal that ended it is the error; none where the call was answered.
#[cfg(target_arch = "x86_64")]
pub(crate) fn call_as_32_bit() -> Result<(), Errno> {
    /// `getpid` of the 32-bit table.
    const GETPID: u64 = 20;
    match fork()? {
        Fork::Child => {
            // SAFETY: the gate takes the number in eax and gives the answer there; this call
            // has no arguments and touches no memory, and every register it may change is named.
            unsafe {
                std::arch::asm!(
                    "int 0x80",
                    inlateout("rax") GETPID => _,
                    lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _,
                );
            }
            exit(0)
        }
        Fork::Parent(pid) => {
            let pid = rustix::process::Pid::from_raw(pid);
            let options = rustix::process::WaitOptions::empty();
            let ended = rustix::process::waitpid(pid, options)?.ok_or(Errno::CHILD)?.1;
            ended.terminating_signal().map_or(Ok(()), |by| Err(Errno::from_raw_os_error(by)))
        }
    }
}

/// The version of Landlock this kernel speaks; 0 when it has none.
pub(crate) fn landlock_abi() -> u32 {
    const VERSION: u32 = 1;
    // SAFETY: with this flag the kernel takes a null pointer and size 0, and only answers.
    let answer = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0, VERSION)
    };
    u32::try_from(answer).unwrap_or(0)
}

/// Hands a descriptor to the reactor.
pub(crate) fn watch(fd: OwnedFd) -> std::io::Result<tokio::io::unix::AsyncFd<OwnedFd>> {
    // SAFETY: an OwnedFd is open, stays so while it is owned by the AsyncFd, and always answers
    // with the same number.
    unsafe { tokio::io::unix::AsyncFd::register(fd) }.map_err(std::io::Error::from)
}
