//! What is told of the traffic: each thing once, the rest as numbers.

use super::refusal::{Failure, Refusal};
use super::target::Target;
use gatepost_domain::egress::EgressEvent;
use std::collections::HashSet;
use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;

/// How many different things are told in one run; what comes after is only counted. A task that
/// asks for more hosts than this is not doing what anybody reads line by line.
const MOST: usize = 200;

/// How much of a name that is no host is told.
const SHOWN: usize = 100;

/// Counts everything, tells each thing once.
#[derive(Debug)]
pub(super) struct Seen {
    events: mpsc::Sender<EgressEvent>,
    told: Mutex<HashSet<String>>,
    connections: AtomicU64,
    refused: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) received: AtomicU64,
}

impl Seen {
    pub(super) fn new(events: mpsc::Sender<EgressEvent>) -> Self {
        Self {
            events,
            told: Mutex::default(),
            connections: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
        }
    }

    pub(super) fn connected(&self, target: &Target) {
        self.connections.fetch_add(1, Ordering::Relaxed);
        let (host, port) = (target.host.to_string(), target.port);
        self.tell(EgressEvent::Connected { host, port });
    }

    pub(super) fn refused(&self, target: &Target, refusal: &Refusal) {
        self.refuse(target.host.to_string(), target.port, refusal);
    }

    /// A refusal of something that is no host and port.
    pub(super) fn unreadable(&self, text: &str, refusal: &Refusal) {
        let shown = text.chars().take(SHOWN).flat_map(char::escape_default).collect();
        self.refuse(shown, 0, refusal);
    }

    fn refuse(&self, host: String, port: u16, refusal: &Refusal) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let reason = refusal.to_string();
        tracing::info!(host, port, reason, "a connection of a task was refused");
        self.tell(EgressEvent::Refused { host, port, reason });
    }

    pub(super) fn failed(&self, target: &Target, failure: &Failure) {
        let (host, port) = (target.host.to_string(), target.port);
        self.tell(EgressEvent::Failed { host, port, reason: failure.to_string() });
    }

    pub(super) fn total(&self) -> Option<EgressEvent> {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let (connections, refused) = (read(&self.connections), read(&self.refused));
        let (sent_bytes, received_bytes) = (read(&self.sent), read(&self.received));
        (connections + refused > 0).then_some(EgressEvent::Total {
            connections,
            refused,
            sent_bytes,
            received_bytes,
        })
    }

    fn tell(&self, event: EgressEvent) {
        let key = match &event {
            EgressEvent::Connected { host, port } => key(host, *port, ""),
            EgressEvent::Refused { host, port, reason }
            | EgressEvent::Failed { host, port, reason } => key(host, *port, reason),
            EgressEvent::Total { .. } => return,
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MOST || told.contains(&key) {
            return;
        }
        // A full channel means that nothing is being recorded; what is not told now is told when
        // it happens again.
        if self.events.try_send(event).is_ok() {
            told.insert(key);
        }
    }
}

fn key(host: &str, port: u16, reason: impl Display) -> String {
    format!("{host} {port} {reason}")
}
