//! System calls the filter must refuse, with arguments that make them harmless where it does not.

use super::Call;

const fn call(number: libc::c_long, args: [i64; 4]) -> Call {
    Call { number, args }
}

/// No descriptor.
const NO_FD: i64 = -1;
/// A new user namespace.
const NEW_USER: i64 = 0x1000_0000;

/// Refused with EPERM.
pub(crate) const REFUSED: &[(&str, Call)] = &[
    // PTRACE_ATTACH of nobody.
    ("ptrace another process", call(libc::SYS_ptrace, [16, i32::MAX as i64, 0, 0])),
    ("let a parent trace it", call(libc::SYS_ptrace, [0, 0, 0, 0])),
    ("read another's memory", call(libc::SYS_process_vm_readv, [i32::MAX as i64, 0, 0, 0])),
    ("write another's memory", call(libc::SYS_process_vm_writev, [i32::MAX as i64, 0, 0, 0])),
    ("take another's descriptor", call(libc::SYS_pidfd_getfd, [NO_FD, 0, 0, 0])),
    ("compare kernel objects", call(libc::SYS_kcmp, [0, 0, 0, 0])),
    ("use the kernel's keyring", call(libc::SYS_keyctl, [0, -3, 0, 0])),
    ("add a key", call(libc::SYS_add_key, [0, 0, 0, 0])),
    ("request a key", call(libc::SYS_request_key, [0, 0, 0, 0])),
    ("load a bpf program", call(libc::SYS_bpf, [-1, 0, 0, 0])),
    ("open performance counters", call(libc::SYS_perf_event_open, [0, 0, 0, NO_FD])),
    ("make a userfaultfd", call(libc::SYS_userfaultfd, [-1, 0, 0, 0])),
    ("make a user namespace", call(libc::SYS_unshare, [NEW_USER, 0, 0, 0])),
    ("fork into a user namespace", call(libc::SYS_clone, [NEW_USER | 17, 0, 0, 0])),
    ("enter a namespace", call(libc::SYS_setns, [NO_FD, 0, 0, 0])),
    ("mount", call(libc::SYS_mount, [0, 0, 0, 0])),
    ("unmount", call(libc::SYS_umount2, [0, 0, 0, 0])),
    ("open a file system", call(libc::SYS_fsopen, [0, 0, 0, 0])),
    ("pick a mount", call(libc::SYS_fspick, [NO_FD, 0, 0, 0])),
    ("copy a mount", call(libc::SYS_open_tree, [NO_FD, 0, 0, 0])),
    ("move a mount", call(libc::SYS_move_mount, [NO_FD, 0, NO_FD, 0])),
    ("change a mount", call(libc::SYS_mount_setattr, [NO_FD, 0, 0, 0])),
    ("change the root", call(libc::SYS_pivot_root, [0, 0, 0, 0])),
    ("chroot", call(libc::SYS_chroot, [0, 0, 0, 0])),
    ("open by handle", call(libc::SYS_open_by_handle_at, [NO_FD, 0, 0, 0])),
    ("name a handle", call(libc::SYS_name_to_handle_at, [NO_FD, 0, 0, 0])),
    ("load a module", call(libc::SYS_init_module, [0, 0, 0, 0])),
    ("load a module from a file", call(libc::SYS_finit_module, [NO_FD, 0, 0, 0])),
    ("load another kernel", call(libc::SYS_kexec_load, [0, 1 << 20, 0, 0])),
    ("restart the machine", call(libc::SYS_reboot, [0, 0, 0, 0])),
    ("set the clock", call(libc::SYS_clock_settime, [0, 0, 0, 0])),
    ("read the kernel's messages", call(libc::SYS_syslog, [-1, 0, 0, 0])),
    ("push into a terminal", call(libc::SYS_ioctl, [NO_FD, 0x5412, 0, 0])),
    ("speak to the console", call(libc::SYS_ioctl, [NO_FD, 0x541C, 0, 0])),
    // Old: READ_IMPLIES_EXEC.
    ("change how memory is mapped", call(libc::SYS_personality, [0x0040_0000, 0, 0, 0])),
    // A whiteout: no capability is needed for 0/0.
    ("make a whiteout", call(libc::SYS_mknodat, [NO_FD, 0, 0o020_000, 0])),
    ("make a block device", call(libc::SYS_mknodat, [NO_FD, 0, 0o060_000, 0x0801])),
    ("unix socket", call(libc::SYS_socket, [1, 1, 0, 0])),
    ("netlink socket", call(libc::SYS_socket, [16, 3, 0, 0])),
    ("packet socket", call(libc::SYS_socket, [17, 3, 0, 0])),
    ("raw socket", call(libc::SYS_socket, [2, 3, 1, 0])),
    ("vsock", call(libc::SYS_socket, [40, 1, 0, 0])),
    ("kernel crypto socket", call(libc::SYS_socket, [38, 5, 0, 0])),
    ("bluetooth socket", call(libc::SYS_socket, [31, 3, 0, 0])),
];

/// Marks a number as one of the x32 ABI, which has numbers of its own for some calls.
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;

/// Calls of the x32 ABI. A kernel without it has none of them; one with it would pass them by
/// every rule about plain numbers.
#[cfg(target_arch = "x86_64")]
pub(crate) const X32_CALLS: &[(&str, Call)] = &[
    ("x32: ask for the own number", call(X32 | libc::SYS_getpid, [0, 0, 0, 0])),
    ("x32: trace another process", call(X32 | 521, [16, i32::MAX as i64, 0, 0])),
    ("x32: read another's memory", call(X32 | 539, [i32::MAX as i64, 0, 0, 0])),
    ("x32: use the kernel's keyring", call(X32 | libc::SYS_keyctl, [0, -3, 0, 0])),
    ("x32: make a user namespace", call(X32 | libc::SYS_unshare, [NEW_USER, 0, 0, 0])),
    ("x32: mount", call(X32 | libc::SYS_mount, [0, 0, 0, 0])),
    ("x32: unix socket", call(X32 | libc::SYS_socket, [1, 1, 0, 0])),
    ("x32: load a bpf program", call(X32 | libc::SYS_bpf, [-1, 0, 0, 0])),
    ("x32: io_uring_setup", call(X32 | libc::SYS_io_uring_setup, [0, 0, 0, 0])),
];
/// There is no such ABI.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) const X32_CALLS: &[(&str, Call)] = &[];

/// Said not to exist, so that programs fall back to what is filtered better.
pub(crate) const ABSENT: &[(&str, Call)] = &[
    ("io_uring_setup", call(libc::SYS_io_uring_setup, [0, 0, 0, 0])),
    ("io_uring_enter", call(libc::SYS_io_uring_enter, [NO_FD, 0, 0, 0])),
    ("io_uring_register", call(libc::SYS_io_uring_register, [NO_FD, 0, 0, 0])),
    ("clone3", call(libc::SYS_clone3, [0, 0, 0, 0])),
];
