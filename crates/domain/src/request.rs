//! What people and programs ask of the hub, and its answers, the same for every chat.

use serde::Deserialize;
use serde::Serialize;

use crate::approval::Approval;
use crate::approval::Settlement;
use crate::changes::DeliveryResult;
use crate::chat::Origin;
use crate::event::Record;
use crate::id::TaskId;
use crate::lifecycle::Task;
use crate::message::Attachment;
use crate::message::Quoted;
use crate::mode::Mode;

/// A task as it is handed over; what is left out comes from the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewTask {
    /// The person's words.
    pub text: String,
    /// The project's name; the default project when left out.
    pub project: Option<String>,
    /// The agent's name; the default agent when left out.
    pub agent: Option<String>,
    /// The mode; the default mode when left out.
    pub mode: Option<Mode>,
    /// The chat message it came in, if it came in one. A second task with the same origin is the
    /// first one again.
    pub origin: Option<Origin>,
    /// What the person quotes: material without any authority.
    pub quoted: Vec<Quoted>,
    /// The files that came with it; their bytes are kept already.
    pub attachments: Vec<Attachment>,
}

/// A task that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Its id.
    pub id: TaskId,
    /// How many tasks of its project go before it; 0 when it starts now.
    pub ahead: usize,
}

/// What became of a further message to a task, exactly as far as the hub knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum Heard {
    /// The running agent was told.
    Told {
        /// How many of its questions still wait for an answer.
        open: usize,
    },
    /// The run is being made ready, and its agent begins with it.
    Starting,
    /// No run has the task; the next one begins with it.
    Queued {
        /// How many tasks of the project go before it.
        ahead: usize,
    },
    /// The run is gone and a question is open; the next run begins with it once that is answered.
    Suspended,
    /// The task was over and goes on with it.
    TakenUp {
        /// How many tasks of the project go before it.
        ahead: usize,
    },
    /// The same message was taken before.
    Before,
}

/// A task with all its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDetail {
    /// Its state.
    pub task: Task,
    /// Its records, in order.
    pub records: Vec<Record>,
    /// The diff of its changes as text, once collected and while they are kept.
    pub diff: Option<String>,
}

/// An open question with the task that asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenApproval {
    /// The task.
    pub task: TaskId,
    /// The question.
    pub approval: Approval,
}

/// What came of answering a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The task that asked.
    pub task: TaskId,
    /// How the question is settled now.
    pub settlement: Settlement,
    /// What happens because of it.
    pub consequence: Consequence,
}

/// What happens because a question was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consequence {
    /// The worker was told and goes on.
    Told,
    /// The worker was gone; the task goes on from where it stood with a new run.
    Requeued,
    /// The task ends, since it cannot go on without what was asked for.
    Ends,
    /// This answer changed nothing: the question was settled before, or its time had run out.
    TooLate,
}

/// What came of asking for the changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryReceipt {
    /// It is done, or was tried.
    Done(DeliveryResult),
    /// It waits until the project is free.
    Queued,
}

/// Why a request was not granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RequestError {
    /// What kind of refusal.
    pub kind: RequestErrorKind,
    /// What is wrong, for people: lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// The kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestErrorKind {
    /// The request itself is wrong.
    Invalid,
    /// There is no such thing.
    NotFound,
    /// It does not fit the state any more.
    Conflict,
    /// There is no room; try again later.
    Full,
    /// Gatepost cannot do it now, for a reason on its side.
    Unavailable,
}

impl RequestError {
    /// A refusal with its hint.
    #[must_use]
    pub fn new(
        kind: RequestErrorKind,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self { kind, message: message.into(), hint: hint.into() }
    }
}
