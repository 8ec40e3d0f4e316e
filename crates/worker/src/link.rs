//! How a worker reports to the hub, so that it need not name it.

use std::future::Future;
use std::pin::Pin;

use gatepost_domain::RunNumber;
use gatepost_domain::TaskId;
use gatepost_domain::dispatch::Report;

/// The way to the hub.
pub trait HubLink: Send + Sync + 'static {
    /// Reports, and returns once the report is recorded durably.
    fn report(
        &self,
        task: TaskId,
        run: RunNumber,
        report: Report,
    ) -> Pin<Box<dyn Future<Output = Result<(), LinkError>> + Send>>;
}

/// Why a report was not recorded. What it spoke of must not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It does not fit the task any more, usually because the task is being stopped.
    #[error("the hub refused the report: {0}")]
    Refused(String),
    /// The hub is gone or cannot write.
    #[error("the hub cannot record: {0}")]
    Gone(String),
}
