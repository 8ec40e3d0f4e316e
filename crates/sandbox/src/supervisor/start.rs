//! Starting the launcher, hearing what it built, and looking at that from outside.

use crate::cgroup::Group;
use crate::control::{Event, Ids, Packet, Plan};
use crate::error::{SandboxError, mend};
use crate::launch::LAUNCHER;
use crate::supervisor::link::Link;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// How long set-up may take before it counts as failed.
const SETUP: Duration = Duration::from_secs(20);
/// What was started.
pub(super) struct Started {
    /// The wire to init.
    pub(super) link: Arc<Link>,
    /// The process that waits for init's end.
    pub(super) launcher: Child,
    /// The pid of init as seen from here.
    pub(super) init: i32,
    /// The version of Landlock init speaks.
    pub(super) landlock: u32,
    /// The listening sockets of the plan's ports.
    pub(super) listeners: Vec<(u16, TcpListener)>,
}

/// Starts the launcher, waits until init is ready, and checks it from outside.
pub(super) async fn launch(
    plan: &Plan,
    program: &Path,
    group: Option<&Group>,
) -> Result<Started, SandboxError> {
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
    // It does nothing before it hears the plan, so nothing is ever outside of the group.
    if let (Some(group), Some(pid)) = (group, launcher.id()) {
        group.take(pid).map_err(|error| SandboxError::NotTight(error.to_string()))?;
    }
    let packet = Packet::new(plan)?;
    let socket = crate::sys::watch(ours)?;
    // One copy for the launcher, one for init: each reads its own from the queue.
    for _ in 0..2 {
        match packet.send(socket.get_ref().as_fd(), &[]) {
            // It ended early; what it said before that is still to be heard.
            Err(Errno::PIPE | Errno::CONNRESET) => break,
            other => other?,
        }
    }
    match tokio::time::timeout(SETUP, ready(plan, socket, group)).await {
        Ok(Ok(Ready { link, init, landlock, listeners })) => {
            Ok(Started { link, launcher, init, landlock, listeners })
        }
        Ok(Err(error)) => Err(error),
        Err(_) => Err(SandboxError::NotTight("set-up did not end in time".to_owned())),
    }
}

fn no_word() -> SandboxError {
    SandboxError::NotTight("the launcher ended without a word".to_owned())
}

struct Ready {
    link: Arc<Link>,
    init: i32,
    landlock: u32,
    listeners: Vec<(u16, TcpListener)>,
}

async fn ready(
    plan: &Plan,
    socket: AsyncFd<OwnedFd>,
    group: Option<&Group>,
) -> Result<Ready, SandboxError> {
    // The null stands in until init's pid is known.
    let null: OwnedFd = std::fs::File::open("/dev/null")?.into();
    let mut link = Link { socket, init: null, waiting: Mutex::default() };
    // The launcher and init speak over the same socket, and on a busy machine init may be first.
    let (mut pid, mut landlock, mut listeners) = (None, None, None);
    if plan.ports.is_empty() {
        listeners = Some(Vec::new());
    }
    let mut reset = false;
    loop {
        let next = match link.next_frame(listeners.is_none()).await {
            // A launcher that refuses leaves the second copy unread, and the kernel tells of that
            // once before it hands over the refusal.
            Err(Errno::PIPE | Errno::CONNRESET) if !reset => {
                reset = true;
                continue;
            }
            Err(Errno::PIPE | Errno::CONNRESET) => None,
            other => other?,
        };
        let (next, fds) = next.map_or((None, Vec::new()), |(event, fds)| (Some(event), fds));
        match next {
            Some(Event::Listening) if listeners.is_none() => {
                listeners = Some(take_listeners(&plan.ports, fds)?);
            }
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
            Some(Event::Ready { landlock: told }) if landlock.is_none() => landlock = Some(told),
            Some(_) => return Err(SandboxError::NotTight("init spoke out of turn".to_owned())),
            None => return Err(no_word()),
        }
        if let (Some(pid), Some(landlock), true) = (pid, landlock, listeners.is_some()) {
            if let Err(why) = check_init(pid, plan.ids, group) {
                link.kill_all();
                return Err(SandboxError::NotTight(why));
            }
            let listeners = listeners.unwrap_or_default();
            return Ok(Ready { link: Arc::new(link), init: pid, landlock, listeners });
        }
    }
}

/// Takes the listening sockets, once each is seen to be what was asked for.
fn take_listeners(
    ports: &[u16],
    fds: Vec<OwnedFd>,
) -> Result<Vec<(u16, TcpListener)>, SandboxError> {
    if fds.len() != ports.len() {
        return Err(SandboxError::NotTight("the ports handed out are not those asked for".into()));
    }
    let mut listeners = Vec::new();
    for (port, fd) in ports.iter().zip(fds) {
        let wanted = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
        let accepts = rustix::net::sockopt::socket_acceptconn(&fd)?;
        let listener = std::net::TcpListener::from(fd);
        if !accepts || listener.local_addr()? != wanted {
            return Err(SandboxError::NotTight(format!("port {port} is not what was asked for")));
        }
        listener.set_nonblocking(true)?;
        listeners.push((*port, TcpListener::from_std(listener)?));
    }
    Ok(listeners)
}

/// Looks at init from outside before its word is believed.
fn check_init(pid: i32, ids: Ids, group: Option<&Group>) -> Result<(), String> {
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
    if group.is_some_and(|group| !group.holds(pid)) {
        return Err("init is not in the control group of its task".to_owned());
    }
    Ok(())
}
