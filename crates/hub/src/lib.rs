//! Owns tasks: one closed event enum and one loop for intake, queue, approvals and timers.
//!
//! [`start`] replays what the journal holds, recovers every live task and begins the loop;
//! [`HubHandle`] is how everybody else speaks to it. The loop takes what is waiting as one batch:
//! decide and apply in memory, append to the journal, one fdatasync, update the views; only then
//! are replies, words to the worker and watchers served.
//!
//! INVARIANT (durable first): nobody is told of an event that the disk does not hold, and a batch
//! that could not be written has not happened for anyone.
//! INVARIANT (one owner): the loop alone holds the tasks' state; there is no lock around it.

mod board;
mod config;
mod desk;
mod error;
mod event;
mod handle;
mod hub;
mod intake;
mod ledger;
mod outbox;
mod queue;
mod recovery;
mod sources;
mod timers;
mod watch;

pub use config::HubConfig;
pub use error::ConfigError;
pub use error::HubError;
pub use error::ReportError;
pub use handle::HubHandle;
pub use intake::MAX_REASON;
pub use sources::Clock;
pub use sources::Entropy;
pub use sources::Sources;
pub use watch::Watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use gatepost_domain::dispatch::ToWorker;
use gatepost_journal::Journal;
use gatepost_journal::Views;
use tokio::sync::broadcast;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use desk::Desk;
use hub::Hub;
use ledger::Ledger;
use outbox::Outbox;
use timers::Backoff;

/// How many events may wait for the loop. Whoever comes when it is full waits to put theirs in:
/// a worker then runs slower and a person's request takes longer, and nothing is dropped.
const INBOX: usize = 1024;

/// Replays what the journal holds, recovers every live task and begins the loop on `tracker`.
///
/// It writes and syncs the journal before it returns, on the calling thread, and must be called
/// inside a tokio runtime. When `token` is cancelled no request is taken and no run begins any
/// more; [`HubHandle::close`] then ends the hub.
///
/// # Errors
/// A configuration that cannot work, or a journal or views that cannot be read or written.
pub fn start(
    config: HubConfig,
    journal: Journal,
    views: Views,
    sources: Sources,
    to_worker: mpsc::Sender<ToWorker>,
    tracker: &TaskTracker,
    token: CancellationToken,
) -> Result<HubHandle, HubError> {
    config.check()?;
    let (inbox, events) = mpsc::channel(INBOX);
    let (news, _) = broadcast::channel(watch::BACKLOG);
    let config = Arc::new(config);
    let mut desk = Desk::new(Arc::clone(&config), sources);
    let mut outbox = Outbox::new(to_worker);
    let ledger = recovery::recover(&config, &mut desk, &mut outbox, Ledger::new(journal, views))?;
    let handle = HubHandle::new(config, inbox, news.downgrade(), token.clone());
    let hub = Hub {
        desk,
        ledger: Some(ledger),
        outbox,
        inbox: events,
        news,
        tracker: tracker.clone(),
        token,
        backoff: Backoff::default(),
        deliveries: BTreeMap::new(),
        closing: Vec::new(),
    };
    tracker.spawn(hub.run());
    Ok(handle)
}
