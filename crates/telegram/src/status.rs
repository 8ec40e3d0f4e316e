//! How the adapter goes, for the doctor and for whoever watches.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

/// How receiving goes; what is healthy is an answered poll, not a running process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Health {
    /// Nothing was answered yet.
    #[default]
    Starting,
    /// The last poll was answered, or the webhook is set.
    Good,
    /// Another program polls with the same token.
    Conflict,
    /// Polls fail, for this reason. It does not hold the token.
    Failing(String),
}

/// How the adapter goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// How receiving goes.
    pub health: Health,
    /// When Telegram last answered a poll, or was last asked whether the webhook is set, with
    /// nothing left that waited.
    pub listened: Option<Timestamp>,
    /// When something last came in.
    pub inbound: Option<Timestamp>,
    /// How many pushes without the secret were turned away.
    pub refused: u64,
}

/// Where the parts of the adapter say how they go.
#[derive(Clone)]
pub(crate) struct Teller {
    status: watch::Sender<Status>,
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Teller {
    pub(crate) fn new(
        status: watch::Sender<Status>,
        now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ) -> Self {
        Self { status, now }
    }

    /// Telegram was reached.
    pub(crate) fn answered(&self) {
        self.failing(Health::Good);
    }

    /// Telegram was reached, and everything that waited has been taken.
    pub(crate) fn listened(&self) {
        let now = self.now();
        self.status.send_modify(|status| {
            status.health = Health::Good;
            status.listened = Some(now);
        });
    }

    /// Something came in.
    pub(crate) fn inbound(&self) {
        let now = self.now();
        self.status.send_modify(|status| status.inbound = Some(now));
    }

    /// How receiving goes now.
    pub(crate) fn failing(&self, health: Health) {
        self.status.send_if_modified(|status| {
            let changed = status.health != health;
            status.health = health;
            changed
        });
    }

    /// A push without the secret was turned away.
    pub(crate) fn refused(&self) {
        self.status.send_modify(|status| status.refused = status.refused.saturating_add(1));
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.now)()
    }
}
