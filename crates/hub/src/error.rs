//! Why the hub does not start, and why it refuses a report.

use std::path::PathBuf;

use gatepost_domain::TaskId;
use gatepost_domain::lifecycle::Refusal;
use gatepost_domain::request::RequestError;
use gatepost_domain::request::RequestErrorKind;
use gatepost_journal::JournalError;

/// Why the hub did not start. Nothing runs then.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The journal or its views cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A life in the journal does not go on as the life cycle has it.
    #[error("task `{task}` cannot be taken up again: {detail}; please report this")]
    Recovery {
        /// Which task.
        task: TaskId,
        /// What does not fit.
        detail: String,
    },
}

/// A configuration that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No project at all.
    #[error("no project is configured; add one as `[projects.NAME]` with its `path`")]
    NoProject,
    /// A path that a task could not be given.
    #[error("project `{name}` has the path `{}`; give it an absolute path in UTF-8", path.display())]
    ProjectPath {
        /// Which project.
        name: String,
        /// Its path.
        path: PathBuf,
    },
    /// The default project is none.
    #[error("the default project `{name}` is not configured; add it or name another")]
    DefaultProject {
        /// The name.
        name: String,
    },
    /// The default agent is none.
    #[error("the default agent `{name}` is not configured; add it or name another")]
    DefaultAgent {
        /// The name.
        name: String,
    },
    /// Nothing could ever run or wait.
    #[error("at least one task must be able to run and one to wait; raise the limit from 0")]
    NoRoom,
}

/// Why a worker's report was not recorded. The worker must not go on as if it had been: what it
/// was about to do stays undone, and the run is ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// There is no such task.
    #[error("there is no task `{task}`")]
    UnknownTask {
        /// The id.
        task: TaskId,
    },
    /// The life cycle does not allow it: the run is over, or the action does not fit.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It is larger than the journal takes.
    #[error("the report takes {bytes} bytes, more than the {limit} that are recorded at once")]
    TooLarge {
        /// How large its events are.
        bytes: usize,
        /// How large they may be.
        limit: usize,
    },
    /// It could not be recorded before Gatepost was told to end.
    #[error("it could not be recorded: {0}")]
    NotRecorded(String),
    /// The hub has ended.
    #[error("gatepost is stopping")]
    Stopping,
}

/// What a request hears when the hub ends or has ended.
pub(crate) fn stopping() -> RequestError {
    RequestError::new(
        RequestErrorKind::Unavailable,
        "gatepost is stopping",
        "start it again and repeat the request",
    )
}

/// What a request hears when its batch could not be recorded.
pub(crate) fn not_recorded(error: &JournalError) -> RequestError {
    let (message, hint) = match error {
        JournalError::NoRoom { .. } => (
            "the disk is full, so nothing was recorded and nothing was done".to_owned(),
            "free some space on the disk of the data directory and try again",
        ),
        JournalError::Poisoned { .. } => (
            "the journal cannot be written any more, so nothing was done".to_owned(),
            "check the disk, then start gatepost again",
        ),
        JournalError::Open { .. }
        | JournalError::Missing { .. }
        | JournalError::Locked { .. }
        | JournalError::Damaged { .. }
        | JournalError::UnknownVersion { .. }
        | JournalError::Illegal { .. }
        | JournalError::Write { .. }
        | JournalError::TooLong { .. }
        | JournalError::Encode(_)
        | JournalError::ViewsIo { .. }
        | JournalError::ViewsDamaged { .. }
        | JournalError::NotCommitted { .. }
        | JournalError::UnknownTask { .. }
        | JournalError::Output(_) => (
            format!("nothing was done: {error}"),
            "look at the log; `gatepost doctor` checks the disk",
        ),
    };
    RequestError::new(RequestErrorKind::Unavailable, message, hint)
}

/// What a request hears when the views cannot be read.
pub(crate) fn not_readable(error: &JournalError) -> RequestError {
    RequestError::new(
        RequestErrorKind::Unavailable,
        format!("what is recorded cannot be read now: {error}"),
        "start gatepost again; the journal is whole and the views are rebuilt from it",
    )
}
