//! The system call filter: one BPF program, compiled from a table with a reason for every line.
//!
//! The program is assembled here and not by a library because three things must hold together in
//! one filter: calls of another architecture kill, x32 numbers answer ENOSYS before any number is
//! compared (a number with the x32 bit slips past every rule that compares plain numbers), and
//! rules differ in their answer (EPERM for what is refused, ENOSYS for what has a fallback).

use crate::sys;
use rustix::io::Errno;

/// What a matched call answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// Refused: the program is told it may not.
    Refuse,
    /// Absent: the program falls back to an older call that is filtered better.
    Absent,
}

/// When a call matches.
#[derive(Debug, Clone, Copy)]
enum When {
    /// Always.
    Always,
    /// When argument `arg` has one of `bits` set.
    AnyBit { arg: u8, bits: u32 },
    /// When argument `arg`, looked at through `mask`, is one of the values.
    OneOf { arg: u8, mask: u32, values: &'static [u32] },
    /// When argument `arg` is none of the values.
    NoneOf { arg: u8, values: &'static [u32] },
}

struct Rule {
    call: libc::c_long,
    when: When,
    answer: Answer,
}

const fn refuse(call: libc::c_long) -> Rule {
    Rule { call, when: When::Always, answer: Answer::Refuse }
}

const fn absent(call: libc::c_long) -> Rule {
    Rule { call, when: When::Always, answer: Answer::Absent }
}

/// Every namespace flag of clone and unshare.
const NEW_NAMESPACE: u32 = 0x7E02_0080;
/// The same for clone, whose low byte is the exit signal and not a flag.
const CLONE_NEW_NAMESPACE: u32 = 0x7E02_0000;

/// The deny list. Numbers the libc crate does not name are the generic ones, the same on every
/// architecture since 5.1.
const RULES: &[Rule] = &[
    // Looking into or steering other processes.
    refuse(libc::SYS_ptrace), // debugger: memory and control of siblings
    refuse(libc::SYS_process_vm_readv), // memory of siblings
    refuse(libc::SYS_process_vm_writev), // memory of siblings
    refuse(libc::SYS_process_madvise), // steers memory of others
    refuse(libc::SYS_kcmp),   // compares kernel objects, leaks pointers' order
    refuse(libc::SYS_pidfd_getfd), // takes descriptors of others
    refuse(libc::SYS_migrate_pages), // moves memory of others
    refuse(libc::SYS_move_pages), // moves memory of others
    // Kernel keyring: outlives tasks, shared by user.
    refuse(libc::SYS_keyctl),
    refuse(libc::SYS_add_key),
    refuse(libc::SYS_request_key), // also starts a helper as root
    // Large, fast-moving kernel surface nothing ordinary needs.
    refuse(libc::SYS_bpf),
    refuse(libc::SYS_perf_event_open),
    refuse(libc::SYS_userfaultfd), // makes kernel races easy to win
    refuse(libc::SYS_fanotify_init),
    absent(libc::SYS_io_uring_setup), // programs fall back to epoll
    absent(libc::SYS_io_uring_enter),
    absent(libc::SYS_io_uring_register),
    // Namespaces and mounts: the way to more kernel surface.
    absent(libc::SYS_clone3), // flags are behind a pointer; libc falls back to clone
    Rule {
        call: libc::SYS_clone, // threads and forks yes, namespaces no
        when: When::AnyBit { arg: 0, bits: CLONE_NEW_NAMESPACE },
        answer: Answer::Refuse,
    },
    Rule {
        call: libc::SYS_unshare, // CLONE_FILES and CLONE_FS are harmless
        when: When::AnyBit { arg: 0, bits: NEW_NAMESPACE },
        answer: Answer::Refuse,
    },
    refuse(libc::SYS_setns),
    refuse(libc::SYS_mount),
    refuse(libc::SYS_umount2),
    refuse(libc::SYS_pivot_root),
    refuse(libc::SYS_chroot),
    refuse(libc::SYS_fsopen),
    refuse(libc::SYS_fsconfig),
    refuse(libc::SYS_fsmount),
    refuse(libc::SYS_fspick),
    refuse(libc::SYS_open_tree),
    refuse(libc::SYS_move_mount),
    refuse(libc::SYS_mount_setattr),
    refuse(457), // statmount: tells the host's layout
    refuse(458), // listmount: tells the host's layout
    refuse(467), // open_tree_attr
    // File handles reach files by number, past every path rule.
    refuse(libc::SYS_open_by_handle_at),
    refuse(libc::SYS_name_to_handle_at),
    // Device nodes: a 0/0 character device is an overlay whiteout and needs no capability.
    Rule {
        call: libc::SYS_mknodat,
        when: When::OneOf { arg: 2, mask: 0o170_000, values: &[0o020_000, 0o060_000] },
        answer: Answer::Refuse,
    },
    #[cfg(target_arch = "x86_64")]
    Rule {
        call: libc::SYS_mknod,
        when: When::OneOf { arg: 1, mask: 0o170_000, values: &[0o020_000, 0o060_000] },
        answer: Answer::Refuse,
    },
    // Sockets: the internet families only, of which the namespace has nothing but loopback.
    // AF_UNIX is out because a socket file in the workspace may belong to a daemon outside.
    Rule {
        call: libc::SYS_socket,
        when: When::NoneOf { arg: 0, values: &[2, 10] },
        answer: Answer::Refuse,
    },
    Rule {
        call: libc::SYS_socket, // default, TCP, UDP; SCTP, MPTCP and raw load modules
        when: When::NoneOf { arg: 2, values: &[0, 6, 17] },
        answer: Answer::Refuse,
    },
    Rule {
        call: libc::SYS_socketpair, // AF_UNIX pairs join only those who share them
        when: When::NoneOf { arg: 0, values: &[1] },
        answer: Answer::Refuse,
    },
    // Terminals: both push input into the terminal's other side.
    Rule {
        call: libc::SYS_ioctl, // TIOCSTI, TIOCLINUX
        when: When::OneOf { arg: 1, mask: u32::MAX, values: &[0x5412, 0x541C] },
        answer: Answer::Refuse,
    },
    // Execution domains: only asking, plain Linux, and switching randomisation off for debuggers.
    Rule {
        call: libc::SYS_personality,
        when: When::NoneOf { arg: 0, values: &[0, 0x0004_0000, 0xFFFF_FFFF] },
        answer: Answer::Refuse,
    },
    // The machine itself. All need capabilities too; said twice on purpose.
    refuse(libc::SYS_init_module),
    refuse(libc::SYS_finit_module),
    refuse(libc::SYS_delete_module),
    refuse(libc::SYS_kexec_load),
    #[cfg(target_arch = "x86_64")]
    refuse(libc::SYS_kexec_file_load),
    refuse(libc::SYS_reboot),
    refuse(libc::SYS_swapon),
    refuse(libc::SYS_swapoff),
    refuse(libc::SYS_acct),
    refuse(libc::SYS_quotactl),
    refuse(libc::SYS_quotactl_fd),
    refuse(libc::SYS_settimeofday),
    refuse(libc::SYS_clock_settime),
    refuse(libc::SYS_clock_adjtime),
    refuse(libc::SYS_adjtimex),
    refuse(libc::SYS_sethostname),
    refuse(libc::SYS_setdomainname),
    refuse(libc::SYS_syslog), // kernel messages
    refuse(libc::SYS_vhangup),
    refuse(libc::SYS_lookup_dcookie),
    refuse(libc::SYS_nfsservctl),
    #[cfg(target_arch = "x86_64")]
    refuse(libc::SYS_iopl),
    #[cfg(target_arch = "x86_64")]
    refuse(libc::SYS_ioperm),
    #[cfg(target_arch = "x86_64")]
    refuse(libc::SYS_modify_ldt), // 16-bit segments: old, large, never needed here
    #[cfg(target_arch = "x86_64")]
    refuse(libc::SYS_uselib),
    #[cfg(target_arch = "x86_64")]
    refuse(libc::SYS__sysctl),
];

#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xC000_00B7;

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const IF_EQUAL: u16 = 0x15;
const IF_AT_LEAST: u16 = 0x35;
const IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

const OFFSET_NR: u32 = 0;
const OFFSET_ARCH: u32 = 4;
const KILL: u32 = 0x8000_0000;
const ALLOW: u32 = 0x7FFF_0000;
const ERRNO: u32 = 0x0005_0000;
const X32_BIT: u32 = 0x4000_0000;

impl Answer {
    fn code(self) -> u32 {
        match self {
            Self::Refuse => ERRNO | Errno::PERM.raw_os_error().unsigned_abs(),
            Self::Absent => ERRNO | Errno::NOSYS.raw_os_error().unsigned_abs(),
        }
    }
}

fn op(code: u16, k: u32) -> libc::sock_filter {
    libc::sock_filter { code, jt: 0, jf: 0, k }
}

fn jump(code: u16, k: u32, jt: usize, jf: usize) -> Result<libc::sock_filter, Errno> {
    let short = |n: usize| u8::try_from(n).map_err(|_| Errno::INVAL);
    Ok(libc::sock_filter { code, jt: short(jt)?, jf: short(jf)?, k })
}

/// Where the low half of an argument lies (both supported architectures are little-endian).
/// Comparing the low half is right because every argument looked at is an `int` to the kernel.
fn argument(arg: u8) -> u32 {
    16 + 8 * u32::from(arg)
}

/// Compiles the table.
fn program() -> Result<Vec<libc::sock_filter>, Errno> {
    let mut out = vec![
        op(LOAD, OFFSET_ARCH),
        jump(IF_EQUAL, ARCH, 1, 0)?,
        op(RETURN, KILL),
        op(LOAD, OFFSET_NR),
        jump(IF_AT_LEAST, X32_BIT, 0, 1)?,
        op(RETURN, Answer::Absent.code()),
    ];
    for rule in RULES {
        let mut body = Vec::new();
        let answer = op(RETURN, rule.answer.code());
        match rule.when {
            When::Always => body.push(answer),
            When::AnyBit { arg, bits } => {
                body.push(op(LOAD, argument(arg)));
                body.push(jump(IF_ANY_BIT, bits, 0, 1)?);
                body.push(answer);
                body.push(op(LOAD, OFFSET_NR));
            }
            When::OneOf { arg, mask, values } => {
                body.push(op(LOAD, argument(arg)));
                body.push(op(AND, mask));
                for (index, value) in values.iter().enumerate() {
                    let last = index + 1 == values.len();
                    body.push(jump(IF_EQUAL, *value, values.len() - index - 1, usize::from(last))?);
                }
                body.push(answer);
                body.push(op(LOAD, OFFSET_NR));
            }
            When::NoneOf { arg, values } => {
                body.push(op(LOAD, argument(arg)));
                for (index, value) in values.iter().enumerate() {
                    body.push(jump(IF_EQUAL, *value, values.len() - index, 0)?);
                }
                body.push(answer);
                body.push(op(LOAD, OFFSET_NR));
            }
        }
        let number = u32::try_from(rule.call).map_err(|_| Errno::INVAL)?;
        out.push(jump(IF_EQUAL, number, 0, body.len())?);
        out.append(&mut body);
    }
    out.push(op(RETURN, ALLOW));
    Ok(out)
}

/// Installs the filter on this process and all it becomes.
pub(crate) fn install() -> Result<(), Errno> {
    sys::seccomp(&program()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would.
    fn verdict(arch: u32, nr: u32, args: [u64; 6]) -> u32 {
        let program = program().unwrap();
        let mut data = Vec::new();
        data.extend(nr.to_ne_bytes());
        data.extend(arch.to_ne_bytes());
        data.extend(0_u64.to_ne_bytes());
        for arg in args {
            data.extend(arg.to_ne_bytes());
        }
        let (mut at, mut acc) = (0, 0_u32);
        loop {
            let i = program[at];
            at += 1;
            let taken = match i.code {
                LOAD => {
                    let k = i.k as usize;
                    acc = u32::from_ne_bytes(data[k..k + 4].try_into().unwrap());
                    continue;
                }
                AND => {
                    acc &= i.k;
                    continue;
                }
                RETURN => return i.k,
                IF_EQUAL => acc == i.k,
                IF_AT_LEAST => acc >= i.k,
                IF_ANY_BIT => acc & i.k != 0,
                other => panic!("unknown instruction {other:#x}"),
            };
            at += usize::from(if taken { i.jt } else { i.jf });
        }
    }

    fn call(nr: libc::c_long, args: [u64; 6]) -> u32 {
        verdict(ARCH, u32::try_from(nr).unwrap(), args)
    }

    const REFUSED: u32 = ERRNO | 1;
    const MISSING: u32 = ERRNO | 38;

    #[test]
    fn foreign_architecture_is_killed_and_x32_is_absent() {
        assert_eq!(verdict(0x4000_0003, 20, [0; 6]), KILL);
        for rule in RULES {
            let nr = u32::try_from(rule.call).unwrap() | X32_BIT;
            assert_eq!(verdict(ARCH, nr, [0; 6]), MISSING);
        }
    }

    #[test]
    fn every_unconditional_rule_answers_as_its_line_says() {
        for rule in RULES {
            if matches!(rule.when, When::Always) {
                assert_eq!(call(rule.call, [u64::MAX; 6]), rule.answer.code(), "{}", rule.call);
            }
        }
    }

    #[test]
    fn ordinary_calls_pass() {
        for nr in [libc::SYS_read, libc::SYS_openat, libc::SYS_execve, libc::SYS_futex] {
            assert_eq!(call(nr, [7; 6]), ALLOW);
        }
    }

    #[test]
    fn arguments_decide_where_the_table_says_so() {
        let table = [
            (libc::SYS_clone, [17, 0, 0, 0, 0, 0], ALLOW),
            (libc::SYS_clone, [17 | 0x1000_0000, 0, 0, 0, 0, 0], REFUSED),
            (libc::SYS_unshare, [0x400, 0, 0, 0, 0, 0], ALLOW),
            (libc::SYS_unshare, [0x80, 0, 0, 0, 0, 0], REFUSED),
            (libc::SYS_socket, [2, 1, 0, 0, 0, 0], ALLOW),
            (libc::SYS_socket, [10, 2, 17, 0, 0, 0], ALLOW),
            (libc::SYS_socket, [2, 1, 262, 0, 0, 0], REFUSED),
            (libc::SYS_socket, [1, 1, 0, 0, 0, 0], REFUSED),
            (libc::SYS_socket, [16, 3, 0, 0, 0, 0], REFUSED),
            (libc::SYS_socket, [0x1_0000_0001, 1, 0, 0, 0, 0], REFUSED),
            (libc::SYS_socketpair, [1, 1, 0, 0, 0, 0], ALLOW),
            (libc::SYS_socketpair, [2, 1, 0, 0, 0, 0], REFUSED),
            (libc::SYS_ioctl, [0, 0x5401, 0, 0, 0, 0], ALLOW),
            (libc::SYS_ioctl, [0, 0x5412, 0, 0, 0, 0], REFUSED),
            (libc::SYS_ioctl, [0, 0xFFFF_FFFF_0000_541C, 0, 0, 0, 0], REFUSED),
            (libc::SYS_mknodat, [0, 0, 0o010_644, 0, 0, 0], ALLOW),
            (libc::SYS_mknodat, [0, 0, 0o020_644, 0, 0, 0], REFUSED),
            (libc::SYS_mknodat, [0, 0, 0o060_600, 0, 0, 0], REFUSED),
            (libc::SYS_personality, [0xFFFF_FFFF, 0, 0, 0, 0, 0], ALLOW),
            (libc::SYS_personality, [0x0040_0000, 0, 0, 0, 0, 0], REFUSED),
        ];
        for (nr, args, expected) in table {
            assert_eq!(call(nr, args), expected, "call {nr} with {args:x?}");
        }
    }
}
