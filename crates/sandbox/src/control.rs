//! The words between supervisor, launcher and init: one SEQPACKET message a frame, sizes capped.

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::io::{IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Frames up to this size travel in the message itself.
pub(crate) const INLINE: usize = 32 * 1024;
/// Larger ones travel in a memory file, up to this size: what execve would take, and no more.
pub(crate) const MAX_BODY: usize = 4 * 1024 * 1024;
/// What init says is small; more than this is hostile.
pub(crate) const MAX_EVENT: usize = 1024;
/// The most descriptors one frame may carry.
pub(crate) const MAX_FDS: usize = 32;
/// The most loopback ports a task may have handed out.
pub(crate) const MAX_PORTS: usize = 24;

/// What the launcher is to build, and then what init is to enforce.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The project's absolute path: its source outside and its place inside.
    pub(crate) project: Vec<u8>,
    /// Set when we are root: the user to become before any namespace is made.
    pub(crate) become_user: Option<Ids>,
    /// The user the actions have, inside and outside.
    pub(crate) ids: Ids,
    /// Who owns the project directory; mapped onto `ids` where they differ.
    pub(crate) owner: Ids,
    /// How the task gets its own writable view.
    pub(crate) workspace: PlannedWorkspace,
    /// Further directories shown read-only at their own path.
    pub(crate) read_only: Vec<Vec<u8>>,
    /// The directory shown as home, where it is kept.
    pub(crate) home: Option<Vec<u8>>,
    /// Size cap of each of `/tmp`, `/dev/shm` and the home directory.
    pub(crate) tmp_bytes: u64,
    /// Limits each action gets.
    pub(crate) rlimits: Rlimits,
    /// Loopback ports inside whose listening sockets are handed out.
    pub(crate) ports: Vec<u16>,
}

/// A user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ids {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Where the writable view comes from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum PlannedWorkspace {
    /// The project below, `upper` and `work` of this directory above.
    Overlay { layer: Vec<u8> },
    /// A directory that holds a copy.
    Copy { copy: Vec<u8> },
}

/// Limits by process, as the kernel counts them.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Rlimits {
    pub(crate) processes: u64,
    pub(crate) open_files: u64,
    pub(crate) file_size: u64,
    pub(crate) data: u64,
}

/// From the supervisor to init.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Run a program; the frame's descriptors go to `targets`, in order.
    Exec { id: u64, argv: Vec<Vec<u8>>, env: Vec<Vec<u8>>, cwd: Vec<u8>, targets: Vec<i32> },
    /// Copy a file into the frame's one descriptor.
    Read { id: u64, path: Vec<u8>, max: u64 },
    /// Fill a file from the frame's one descriptor.
    Write { id: u64, path: Vec<u8>, mode: Option<u32> },
    /// Attempt what must fail, and write what the kernel said into the frame's one descriptor.
    Probe { id: u64, host_pid: i32 },
    /// End an action and what it started.
    Kill { id: u64 },
}

/// From launcher and init to the supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    /// The launcher made init; its pid as the launcher sees it.
    Launched { pid: i32 },
    /// A layer could not be had.
    Refused { stage: Stage, errno: i32 },
    /// Everything is in place, init takes requests.
    Ready { landlock: u32 },
    /// The program runs.
    Started { id: u64 },
    /// The program could not be started.
    Failed { id: u64, step: Step, errno: i32 },
    /// The program ended by itself, with this code.
    Exited { id: u64, code: i32 },
    /// The program was ended by this signal.
    Signalled { id: u64, signal: i32 },
    /// The frame's descriptors are the listening sockets of the plan's ports, in order.
    Listening,
}

/// The layer being built when something failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Stage {
    /// Reading the plan.
    Plan,
    /// Finding the own program again.
    Program,
    /// Becoming the unprivileged user.
    Identity,
    /// User, mount, pid, network, ipc, uts and cgroup namespaces.
    Namespaces,
    /// Mapping the one user into the namespace.
    Maps,
    /// Taking hold of the system's directories.
    System,
    /// Taking hold of a directory asked for by the profile.
    ReadOnly,
    /// Taking hold of the project.
    Project,
    /// Showing a project of another owner as the task's.
    IdMap,
    /// The copy-on-write view.
    Overlay,
    /// The new root.
    Root,
    /// A fresh `/proc`.
    Proc,
    /// Devices.
    Dev,
    /// Leaving the old root.
    Pivot,
    /// The empty network.
    Network,
    /// Giving up capabilities.
    Capabilities,
    /// Starting init.
    Init,
    /// Landlock rules.
    Landlock,
    /// The system call filter.
    Seccomp,
}

/// The step at which an action failed to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Making the process.
    Fork,
    /// Placing descriptors, limits and its own confinement.
    Confine,
    /// Entering the working directory.
    Cwd,
    /// Starting the program.
    Exec,
}

/// A frame as received: its bytes and descriptors.
#[derive(Debug)]
pub(crate) struct Frame {
    bytes: Vec<u8>,
    /// Descriptors that came along.
    pub(crate) fds: Vec<OwnedFd>,
}

impl Frame {
    /// Reads the frame as a message; anything left over or missing is an error.
    pub(crate) fn decode<T: DeserializeOwned>(&mut self) -> Result<T, Errno> {
        let (kind, body) = self.bytes.split_first().ok_or(Errno::BADMSG)?;
        match kind {
            0 => whole(body),
            1 => {
                if self.fds.is_empty() {
                    return Err(Errno::BADMSG);
                }
                let mut file = std::fs::File::from(self.fds.remove(0));
                file.seek(SeekFrom::Start(0)).map_err(|_| Errno::BADMSG)?;
                let mut body = Vec::new();
                let cap = MAX_BODY as u64 + 1;
                file.take(cap).read_to_end(&mut body).map_err(|_| Errno::BADMSG)?;
                if body.len() > MAX_BODY {
                    return Err(Errno::TOOBIG);
                }
                whole(&body)
            }
            _ => Err(Errno::BADMSG),
        }
    }
}

fn whole<T: DeserializeOwned>(body: &[u8]) -> Result<T, Errno> {
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        Ok(_) | Err(_) => Err(Errno::BADMSG),
    }
}

/// A message made ready to be sent, possibly more than once on a full socket.
#[derive(Debug)]
pub(crate) struct Packet {
    bytes: Vec<u8>,
    memory: Option<OwnedFd>,
}

impl Packet {
    /// Lays a message out.
    pub(crate) fn new<T: Serialize>(message: &T) -> Result<Self, Errno> {
        let body = postcard::to_stdvec(message).map_err(|_| Errno::BADMSG)?;
        if body.len() > MAX_BODY {
            return Err(Errno::TOOBIG);
        }
        if body.len() < INLINE {
            let mut bytes = Vec::with_capacity(body.len() + 1);
            bytes.push(0);
            bytes.extend_from_slice(&body);
            return Ok(Self { bytes, memory: None });
        }
        let memory = rustix::fs::memfd_create("frame", rustix::fs::MemfdFlags::CLOEXEC)?;
        let mut file = std::fs::File::from(memory);
        file.write_all(&body).map_err(|_| Errno::NOSPC)?;
        Ok(Self { bytes: vec![1], memory: Some(file.into()) })
    }

    /// Sends it with `fds`.
    pub(crate) fn send(&self, socket: BorrowedFd<'_>, fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
        if fds.len() >= MAX_FDS {
            return Err(Errno::TOOBIG);
        }
        let all: Vec<BorrowedFd<'_>> =
            self.memory.iter().map(AsFd::as_fd).chain(fds.iter().copied()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !all.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&all)) {
            return Err(Errno::TOOBIG);
        }
        sendmsg(socket, &[IoSlice::new(&self.bytes)], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

/// Receives one frame of at most `cap` bytes; `None` when the other end is gone.
pub(crate) fn receive(
    socket: BorrowedFd<'_>,
    cap: usize,
    want_fds: bool,
) -> Result<Option<Frame>, Errno> {
    let mut bytes = vec![0_u8; cap + 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut none: [MaybeUninit<u8>; 0] = [];
    let mut control = if want_fds {
        RecvAncillaryBuffer::new(&mut space)
    } else {
        RecvAncillaryBuffer::new(&mut none)
    };
    let message =
        recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = part {
            fds.extend(rights);
        }
    }
    if message.bytes == 0 {
        return Ok(None);
    }
    if message.bytes > cap || message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(Errno::MSGSIZE);
    }
    bytes.truncate(message.bytes);
    Ok(Some(Frame { bytes, fds }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    fn pair() -> (OwnedFd, OwnedFd) {
        let flags = SocketFlags::CLOEXEC;
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
    }

    #[test]
    fn a_message_arrives_as_it_was_whatever_its_size() {
        let (ours, theirs) = pair();
        for size in [0, 100, INLINE, 1 << 20] {
            let argv = vec![vec![7; size]];
            let (env, cwd) = (Vec::new(), b"/".to_vec());
            let request = Request::Exec { id: 9, argv, env, cwd, targets: Vec::new() };
            Packet::new(&request).unwrap().send(ours.as_fd(), &[]).unwrap();
            let mut frame = receive(theirs.as_fd(), INLINE, true).unwrap().unwrap();
            let Request::Exec { argv, .. } = frame.decode().unwrap() else { panic!() };
            assert_eq!(argv, [vec![7; size]]);
        }
    }

    #[test]
    fn a_frame_longer_than_agreed_or_too_large_is_an_error() {
        let (ours, theirs) = pair();
        rustix::net::send(&ours, &[0; MAX_EVENT + 1], SendFlags::empty()).unwrap();
        assert_eq!(receive(theirs.as_fd(), MAX_EVENT, false).unwrap_err(), Errno::MSGSIZE);
        let huge = Request::Read { id: 1, path: vec![0; MAX_BODY], max: 0 };
        assert_eq!(Packet::new(&huge).unwrap_err(), Errno::TOOBIG);
    }

    #[test]
    fn descriptors_nobody_asked_for_are_not_taken() {
        let (ours, theirs) = pair();
        let packet = Packet::new(&Event::Started { id: 1 }).unwrap();
        packet.send(ours.as_fd(), &[ours.as_fd()]).unwrap();
        assert_eq!(receive(theirs.as_fd(), MAX_EVENT, false).unwrap_err(), Errno::MSGSIZE);
    }

    proptest! {
        #[test]
        fn bytes_that_are_no_message_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut frame = Frame { bytes: bytes.clone(), fds: Vec::new() };
            if let Ok(event) = frame.decode::<Event>() {
                let again = postcard::to_stdvec(&event).unwrap();
                prop_assert!(bytes.len() > again.len() / 2);
            }
            let mut frame = Frame { bytes, fds: Vec::new() };
            let _decoded = frame.decode::<Request>();
        }

        #[test]
        fn anything_behind_a_message_is_an_error(id in any::<u64>(), more in 1_usize..10) {
            let mut bytes = vec![0];
            bytes.extend(postcard::to_stdvec(&Event::Started { id }).unwrap());
            bytes.extend(vec![0; more]);
            let mut frame = Frame { bytes, fds: Vec::new() };
            prop_assert_eq!(frame.decode::<Event>().unwrap_err(), Errno::BADMSG);
        }
    }
}
