//! The wire to one init, and what is heard over it.

use crate::capture::Over;
use crate::control::{self, Event, MAX_EVENT, Packet, Request};
use crate::error::SandboxError;
use crate::process::{End, ExitStatus};
use rustix::io::Errno;
use rustix::process::{Signal, pidfd_send_signal};
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

/// The wire to one init, shared by everything that talks over it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(super) socket: AsyncFd<OwnedFd>,
    pub(super) init: OwnedFd,
    pub(super) waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) gone: bool,
    /// Why nothing more may begin, where a cap was passed by far.
    pub(super) closed: Option<Over>,
    pub(super) actions: HashMap<u64, Action>,
}

#[derive(Debug)]
pub(super) struct Action {
    pub(super) started: Option<oneshot::Sender<Result<(), (control::Step, Errno)>>>,
    pub(super) ended: Option<oneshot::Sender<End>>,
    /// Why it was killed, where a cap was passed.
    pub(super) over: Option<Over>,
}

impl Link {
    pub(super) async fn send(
        &self,
        packet: &Packet,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), SandboxError> {
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

    pub(super) async fn next(&self) -> Result<Option<Event>, Errno> {
        Ok(self.next_frame(false).await?.map(|(event, _)| event))
    }

    /// The same with the descriptors that came along; only the set-up takes any.
    pub(super) async fn next_frame(
        &self,
        want_fds: bool,
    ) -> Result<Option<(Event, Vec<OwnedFd>)>, Errno> {
        loop {
            let mut ready = self.socket.readable().await.map_err(|_| Errno::IO)?;
            let got = ready.try_io(|socket| {
                control::receive(socket.get_ref().as_fd(), MAX_EVENT, want_fds)
                    .map_err(std::io::Error::from)
            });
            match got {
                Ok(Ok(Some(mut frame))) => {
                    let event = frame.decode()?;
                    return Ok(Some((event, frame.fds)));
                }
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(error)) => return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
                Err(_would_block) => {}
            }
        }
    }

    pub(super) fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
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

    /// Whether an action runs.
    pub(super) fn is_busy(&self) -> bool {
        !self.waiting().actions.is_empty()
    }

    /// Kills every action, and lets no further one begin.
    pub(super) fn close(&self, over: Over) {
        self.waiting().closed = Some(over.clone());
        self.kill_for(&over);
    }

    /// Whether one of these actions is not gone yet.
    pub(super) fn runs_any(&self, ids: &[u64]) -> bool {
        let waiting = self.waiting();
        ids.iter().any(|id| waiting.actions.contains_key(id))
    }

    /// Kills every action because of a cap that all of them share, and says which these were.
    pub(super) fn kill_for(&self, over: &Over) -> Vec<u64> {
        tracing::warn!("the actions of a task are killed: {over}");
        let running: Vec<u64> = {
            let mut waiting = self.waiting();
            for action in waiting.actions.values_mut() {
                action.over.get_or_insert_with(|| over.clone());
            }
            waiting.actions.keys().copied().collect()
        };
        for id in &running {
            self.kill_action(*id);
        }
        running
    }

    pub(super) fn kill_all(&self) {
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
            Event::Launched { .. }
            | Event::Refused { .. }
            | Event::Ready { .. }
            | Event::Listening => false,
        }
    }
}

impl Waiting {
    fn end(&mut self, id: u64, status: ExitStatus) -> bool {
        match self.actions.remove(&id) {
            Some(Action { started: None, ended: Some(ended), over }) => {
                let _heard = ended.send(End { status, over });
                true
            }
            Some(_) | None => false,
        }
    }
}

/// Hears init out until it is gone or says something it cannot mean; then everybody who waits
/// is told.
pub(super) async fn listen(link: Arc<Link>) {
    loop {
        match link.next().await {
            Ok(Some(event)) if link.hear(event) => {}
            // The kernel says it so when the end comes with something unread, such as the word to
            // kill an action that never began.
            Ok(None) | Err(Errno::CONNRESET | Errno::PIPE) => break,
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
