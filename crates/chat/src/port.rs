//! What every chat needs of the hub, so that no chat names it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use gatepost_domain::approval::Decision;
use gatepost_domain::changes::DeliveryKind;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::chat::Origin;
use gatepost_domain::event::Record;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::TaskId;
use gatepost_domain::lifecycle::Task;
use gatepost_domain::message::Message;
use gatepost_domain::principal::Platform;
use gatepost_domain::principal::Principal;
use gatepost_domain::request::Answered;
use gatepost_domain::request::DeliveryReceipt;
use gatepost_domain::request::Heard;
use gatepost_domain::request::NewTask;
use gatepost_domain::request::OpenApproval;
use gatepost_domain::request::Receipt;
use gatepost_domain::request::RequestError;
use gatepost_domain::request::TaskDetail;

use crate::agents::AgentLine;

/// The answer to a request, later.
pub type Reply<T> = Pin<Box<dyn Future<Output = Result<T, RequestError>> + Send>>;

/// The hub as a chat sees it. Whoever calls has already established who `by` is.
pub trait Hub: Send + Sync + 'static {
    /// Takes a task. One for an agent that cannot work is refused, and the refusal says what to
    /// set.
    fn submit(&self, by: Principal, task: NewTask) -> Reply<Receipt>;
    /// Runs a finished task again, as a new task.
    fn retry(&self, by: Principal, task: TaskId) -> Reply<Receipt>;
    /// Has an interrupted task go on where it was cut.
    fn resume(&self, by: Principal, task: TaskId) -> Reply<Heard>;
    /// Sends a task another message. One that is over goes on with it.
    fn message(&self, by: Principal, task: TaskId, text: String) -> Reply<Heard>;
    /// As [`Hub::message`], for a chat that may deliver a message twice: a second message with the
    /// same origin is the first one again, and changes nothing.
    fn message_from(
        &self,
        by: Principal,
        task: TaskId,
        message: Message,
        origin: Origin,
    ) -> Reply<Heard>;
    /// Keeps the bytes of a file that came with a message; they are durable when this is ready.
    /// The reply is their SHA-256, under which [`Hub::submit`] and [`Hub::message_from`] name them.
    /// Bytes that no task comes to name are gone after the next start.
    fn keep(&self, bytes: Vec<u8>) -> Reply<String>;
    /// The bytes of a kept file.
    fn kept(&self, sha256: String) -> Reply<Vec<u8>>;
    /// Stops a task.
    fn cancel(&self, by: Principal, task: TaskId) -> Reply<()>;
    /// Answers a question. An answer that comes too late is not an error: the reply says how the
    /// question was settled.
    fn answer(
        &self,
        by: Principal,
        approval: ApprovalId,
        decision: Decision,
        reason: Option<String>,
    ) -> Reply<Answered>;
    /// Answers a question with another text of the action, which runs once in the place of what was
    /// asked about, if the gate does not forbid it. Otherwise as [`Hub::answer`].
    fn answer_edited(&self, by: Principal, approval: ApprovalId, text: String) -> Reply<Answered>;
    /// Asks for the changes of a finished task.
    fn deliver(&self, by: Principal, task: TaskId, how: DeliveryKind) -> Reply<DeliveryReceipt>;
    /// All tasks, newest first.
    fn tasks(&self) -> Reply<Vec<Task>>;
    /// One task with its records.
    fn task(&self, task: TaskId) -> Reply<TaskDetail>;
    /// Open questions, oldest first.
    fn approvals(&self) -> Reply<Vec<OpenApproval>>;
    /// Records what an adapter must still know after a crash; it is durable when this is ready.
    fn note(&self, platform: Platform, task: Option<TaskId>, note: ChatNote) -> Reply<()>;
    /// Every note of a platform that belongs to no task, oldest first. Those of a task are among
    /// its records.
    fn notes(&self, platform: Platform) -> Reply<Vec<ChatNote>>;
    /// The agents, with whether each can work now; those that could be set up come last.
    fn agents(&self) -> Reply<Vec<AgentLine>>;
    /// The names of the projects, the default one first.
    fn projects(&self) -> Vec<String>;
    /// Every record from now on. A watcher that falls behind is cut off and starts anew.
    fn watch(&self) -> Pin<Box<dyn Stream<Item = Arc<Record>> + Send>>;
    /// What the admins must hear of this installation from now on, each once. It is of no task and
    /// in no record; who is not there to hear it finds it in the log.
    fn alerts(&self) -> Pin<Box<dyn Stream<Item = String> + Send>> {
        Box::pin(futures::stream::pending())
    }
}
