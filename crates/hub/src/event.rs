//! The closed list of what can happen to the hub.

use gatepost_domain::ApprovalId;
use gatepost_domain::ChatNote;
use gatepost_domain::Decision;
use gatepost_domain::Message;
use gatepost_domain::Origin;
use gatepost_domain::Principal;
use gatepost_domain::RunNumber;
use gatepost_domain::TaskId;
use gatepost_domain::TaskSpec;
use gatepost_domain::changes::DeliveryKind;
use gatepost_domain::dispatch::Report;
use gatepost_domain::lifecycle::Task;
use gatepost_domain::principal::Platform;
use gatepost_domain::request::Answered;
use gatepost_domain::request::DeliveryReceipt;
use gatepost_domain::request::Heard;
use gatepost_domain::request::OpenApproval;
use gatepost_domain::request::Receipt;
use gatepost_domain::request::RequestError;
use gatepost_domain::request::TaskDetail;
use gatepost_journal::JournalError;
use tokio::sync::oneshot;

use crate::error::ReportError;

/// Where an answer to a request goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, RequestError>>;

/// Something happened. Requests have passed the checks of `intake` that need no state.
pub(crate) enum HubEvent {
    /// A person hands over a task.
    Submit { spec: TaskSpec, reply: Reply<Receipt> },
    /// A person wants a finished task run again.
    Retry { by: Principal, task: TaskId, reply: Reply<Receipt> },
    /// A person sends a task another message.
    Message {
        by: Principal,
        task: TaskId,
        message: Message,
        origin: Option<Origin>,
        reply: Reply<Heard>,
    },
    /// A person stops a task.
    Cancel { by: Principal, task: TaskId, reply: Reply<()> },
    /// A person wants an interrupted task to go on.
    Resume { by: Principal, task: TaskId, reply: Reply<Heard> },
    /// A person answers a question.
    Answer {
        by: Principal,
        approval: ApprovalId,
        decision: Decision,
        reason: Option<String>,
        reply: Reply<Answered>,
    },
    /// A person answers a question with another form of the action.
    AnswerEdited { by: Principal, approval: ApprovalId, text: String, reply: Reply<Answered> },
    /// A person asks for a task's changes.
    Deliver { by: Principal, task: TaskId, how: DeliveryKind, reply: Reply<DeliveryReceipt> },
    /// Somebody wants the list of tasks.
    Tasks { reply: Reply<Vec<Task>> },
    /// Somebody wants one task with its records.
    Task { task: TaskId, reply: Reply<TaskDetail> },
    /// Somebody wants the open questions.
    Approvals { reply: Reply<Vec<OpenApproval>> },
    /// A chat adapter has something to remember.
    Note { platform: Platform, task: Option<TaskId>, note: ChatNote, reply: Reply<()> },
    /// A chat adapter wants what it noted about no task.
    Notes { platform: Platform, reply: Reply<Vec<ChatNote>> },
    /// A worker reports.
    Report { task: TaskId, run: RunNumber, report: Box<Report>, reply: oneshot::Sender<Reported> },
    /// A time has come: a question ran out, or a failed write is to be tried again.
    Due,
    /// Whoever started the hub ends it.
    Close { reply: oneshot::Sender<Result<(), JournalError>> },
}

/// What became of a report.
pub(crate) enum Reported {
    /// It is durable.
    Recorded,
    /// It will never be.
    Refused(ReportError),
    /// It was not written; nothing has happened, and it may be tried again.
    TryAgain(String),
}
