//! How the adapter goes, for the doctor and for whoever watches.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

/// How receiving goes; what is healthy is a gateway that answers, not a running process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Health {
    /// Nothing was answered yet.
    #[default]
    Starting,
    /// The gateway answers, and messages are read.
    Good,
    /// The gateway answers, and messages cannot be read: the intent for their content is off.
    Deaf,
    /// The gateway does not answer, for this reason. It does not hold the token.
    Failing(String),
}

/// How the adapter goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// How receiving goes.
    pub health: Health,
    /// When the gateway last answered with nothing left that waited.
    pub listened: Option<Timestamp>,
    /// When something last came in.
    pub inbound: Option<Timestamp>,
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

    /// How receiving goes now.
    pub(crate) fn is(&self, health: Health) {
        self.status.send_if_modified(|status| {
            let changed = status.health != health;
            status.health = health;
            changed
        });
    }

    /// The gateway answered, and everything that waited has been taken.
    pub(crate) fn listened(&self) {
        let now = self.now();
        self.status.send_modify(|status| status.listened = Some(now));
    }

    /// Something came in.
    pub(crate) fn inbound(&self) {
        let now = self.now();
        self.status.send_modify(|status| status.inbound = Some(now));
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.now)()
    }
}
