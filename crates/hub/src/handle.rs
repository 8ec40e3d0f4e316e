//! How everybody else speaks to the hub.

use std::sync::Arc;
use std::time::Duration;

use gatepost_domain::ApprovalId;
use gatepost_domain::ChatNote;
use gatepost_domain::Decision;
use gatepost_domain::Message;
use gatepost_domain::Origin;
use gatepost_domain::Principal;
use gatepost_domain::Record;
use gatepost_domain::RunNumber;
use gatepost_domain::TaskId;
use gatepost_domain::changes::DeliveryKind;
use gatepost_domain::dispatch::Report;
use gatepost_domain::lifecycle::Task;
use gatepost_domain::principal::Platform;
use gatepost_domain::request::Answered;
use gatepost_domain::request::DeliveryReceipt;
use gatepost_domain::request::Heard;
use gatepost_domain::request::NewTask;
use gatepost_domain::request::OpenApproval;
use gatepost_domain::request::Receipt;
use gatepost_domain::request::RequestError;
use gatepost_domain::request::TaskDetail;
use gatepost_journal::JournalError;
use tokio::sync::broadcast;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::config::HubConfig;
use crate::error;
use crate::error::ReportError;
use crate::event::HubEvent;
use crate::event::Reply;
use crate::event::Reported;
use crate::intake;
use crate::watch::Watch;

/// A report that could not be written is tried again after this, then twice as long, up to the
/// ceiling: a disk that is full is freed by a person, and they should not wait long after it.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How everybody else speaks to the hub. Cheap to clone; every future it returns is `Send`, owns
/// what it needs, and may be dropped at any time: the request may then still be carried out.
#[derive(Debug, Clone)]
pub struct HubHandle {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Arc<HubConfig>,
    inbox: mpsc::Sender<HubEvent>,
    /// Weak, so that watches end with the hub even while handles live.
    news: broadcast::WeakSender<Arc<Record>>,
    token: CancellationToken,
}

impl HubHandle {
    pub(crate) fn new(
        config: Arc<HubConfig>,
        inbox: mpsc::Sender<HubEvent>,
        news: broadcast::WeakSender<Arc<Record>>,
        token: CancellationToken,
    ) -> Self {
        Self { inner: Arc::new(Inner { config, inbox, news, token }) }
    }

    /// Takes a task: it is durable when this returns.
    ///
    /// # Errors
    /// `Invalid` for a text that is empty, too long or holds a NUL, and for a project or an agent
    /// that is not configured; `Full`; `Unavailable` when it cannot be recorded.
    pub fn submit(
        &self,
        by: Principal,
        task: NewTask,
    ) -> impl Future<Output = Result<Receipt, RequestError>> + Send + use<> {
        let this = self.clone();
        async move {
            let spec = intake::spec(&this.inner.config, by, task)?;
            this.ask(|reply| HubEvent::Submit { spec, reply }).await
        }
    }

    /// Runs a finished task again, as a new task of its own with the same words, project, agent and
    /// mode.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` while the task lives; otherwise as [`HubHandle::submit`].
    pub fn retry(
        &self,
        by: Principal,
        task: TaskId,
    ) -> impl Future<Output = Result<Receipt, RequestError>> + Send + use<> {
        let this = self.clone();
        async move { this.ask(|reply| HubEvent::Retry { by, task, reply }).await }
    }

    /// Has an interrupted task go on where it was cut.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` unless it was interrupted and nothing is being delivered; `Full`.
    pub fn resume(
        &self,
        by: Principal,
        task: TaskId,
    ) -> impl Future<Output = Result<Heard, RequestError>> + Send + use<> {
        let this = self.clone();
        async move { this.ask(|reply| HubEvent::Resume { by, task, reply }).await }
    }

    /// Sends a task another message. One that is over goes on with it, in its own workspace and
    /// conversation.
    ///
    /// # Errors
    /// `Invalid` as for a task's text; `NotFound`; `Conflict` while the task is ending or its
    /// changes are being delivered; `Full`.
    pub fn message(
        &self,
        by: Principal,
        task: TaskId,
        text: String,
    ) -> impl Future<Output = Result<Heard, RequestError>> + Send + use<> {
        let this = self.clone();
        async move {
            let message = intake::check_message("message", text.into())?;
            let origin = None;
            this.ask(|reply| HubEvent::Message { by, task, message, origin, reply }).await
        }
    }

    /// As [`HubHandle::message`], for a chat that may deliver a message twice: a second one with
    /// the same origin is the first one again.
    ///
    /// # Errors
    /// As [`HubHandle::message`].
    pub fn message_from(
        &self,
        by: Principal,
        task: TaskId,
        message: Message,
        origin: Origin,
    ) -> impl Future<Output = Result<Heard, RequestError>> + Send + use<> {
        let this = self.clone();
        async move {
            let message = intake::check_message("message", message)?;
            let origin = Some(origin);
            this.ask(|reply| HubEvent::Message { by, task, message, origin, reply }).await
        }
    }

    /// Records what a chat adapter must still know after a crash; it is durable when this returns.
    ///
    /// # Errors
    /// `NotFound` for a task that never was; `Unavailable` when it cannot be recorded.
    pub fn note(
        &self,
        platform: Platform,
        task: Option<TaskId>,
        note: ChatNote,
    ) -> impl Future<Output = Result<(), RequestError>> + Send + use<> {
        let this = self.clone();
        async move { this.ask(|reply| HubEvent::Note { platform, task, note, reply }).await }
    }

    /// Every note of a platform that belongs to no task, oldest first.
    ///
    /// # Errors
    /// `Unavailable` when they cannot be read.
    pub fn notes(
        &self,
        platform: Platform,
    ) -> impl Future<Output = Result<Vec<ChatNote>, RequestError>> + Send + use<> {
        let this = self.clone();
        async move { this.ask(|reply| HubEvent::Notes { platform, reply }).await }
    }

    /// Stops a task, wherever it is. When this returns the stop is recorded; the run is still being
    /// ended.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it is being stopped already or over.
    pub fn cancel(
        &self,
        by: Principal,
        task: TaskId,
    ) -> impl Future<Output = Result<(), RequestError>> + Send + use<> {
        let this = self.clone();
        async move { this.ask(|reply| HubEvent::Cancel { by, task, reply }).await }
    }

    /// Answers a question, once and for all. An answer that comes too late is no error: what
    /// returns then says how the question was settled.
    ///
    /// # Errors
    /// `NotFound` for a question that never was; `Invalid` for a reason over
    /// [`crate::MAX_REASON`]; `Unavailable`.
    pub fn answer(
        &self,
        by: Principal,
        approval: ApprovalId,
        decision: Decision,
        reason: Option<String>,
    ) -> impl Future<Output = Result<Answered, RequestError>> + Send + use<> {
        let this = self.clone();
        async move {
            let reason = intake::reason(reason)?;
            this.ask(|reply| HubEvent::Answer { by, approval, decision, reason, reply }).await
        }
    }

    /// Answers a question with another text of the action, which runs once in the place of what was
    /// asked about, if the gate does not forbid it. As [`HubHandle::answer`] otherwise.
    ///
    /// # Errors
    /// As [`HubHandle::answer`]; `Invalid` for a text that is too long or holds a NUL; `Conflict`
    /// where the action has no other form, or this is none.
    pub fn answer_edited(
        &self,
        by: Principal,
        approval: ApprovalId,
        text: String,
    ) -> impl Future<Output = Result<Answered, RequestError>> + Send + use<> {
        let this = self.clone();
        async move {
            intake::check_text("changed action", &text)?;
            this.ask(|reply| HubEvent::AnswerEdited { by, approval, text, reply }).await
        }
    }

    /// Asks for the changes of a finished task. Where the project is free this returns with the
    /// result; otherwise the wish is recorded and carried out in its turn, over a restart too.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when there is nothing to deliver, or it was delivered before;
    /// `Unavailable` when Gatepost ends before the result is there (it is made at the next start).
    pub fn deliver(
        &self,
        by: Principal,
        task: TaskId,
        how: DeliveryKind,
    ) -> impl Future<Output = Result<DeliveryReceipt, RequestError>> + Send + use<> {
        let this = self.clone();
        async move { this.ask(|reply| HubEvent::Deliver { by, task, how, reply }).await }
    }

    /// All tasks, newest first.
    ///
    /// # Errors
    /// `Unavailable` when they cannot be read.
    pub fn tasks(&self) -> impl Future<Output = Result<Vec<Task>, RequestError>> + Send + use<> {
        let this = self.clone();
        async move { this.ask(|reply| HubEvent::Tasks { reply }).await }
    }

    /// One task with its records. The diff is left out: the hub has no files.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` when it cannot be read.
    pub fn task(
        &self,
        task: TaskId,
    ) -> impl Future<Output = Result<TaskDetail, RequestError>> + Send + use<> {
        let this = self.clone();
        async move { this.ask(|reply| HubEvent::Task { task, reply }).await }
    }

    /// Open questions, oldest first.
    ///
    /// # Errors
    /// `Unavailable` when the hub is ending.
    pub fn approvals(
        &self,
    ) -> impl Future<Output = Result<Vec<OpenApproval>, RequestError>> + Send + use<> {
        let this = self.clone();
        async move { this.ask(|reply| HubEvent::Approvals { reply }).await }
    }

    /// The names of the projects, the default one first.
    #[must_use]
    pub fn projects(&self) -> Vec<String> {
        self.inner.config.project_names()
    }

    /// Every record from now on.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch::new(self.inner.news.upgrade().map(|news| news.subscribe()))
    }

    /// Records what a worker reports. It is durable when this returns `Ok`, so an action whose
    /// start was reported may begin then and not before.
    ///
    /// While the disk is full this waits and tries again; whoever wants to stop waiting drops the
    /// future and ends the run without doing what was reported.
    ///
    /// # Errors
    /// [`ReportError`] says why it was not recorded; the worker ends the run.
    pub fn report(
        &self,
        task: TaskId,
        run: RunNumber,
        report: Report,
    ) -> impl Future<Output = Result<(), ReportError>> + Send + use<> {
        let this = self.clone();
        async move { this.report_until_durable(task, run, report).await }
    }

    /// Ends the hub, after the worker has: takes what still waits, writes the views and gives the
    /// journal back. Reports and requests are refused from then on.
    ///
    /// The start's token does not end the hub by itself, because the runs that wind down after it
    /// still report. Without this call the loop goes on until the last handle is dropped.
    ///
    /// # Errors
    /// The views could not be written; the next start catches them up from the journal.
    pub fn close(&self) -> impl Future<Output = Result<(), JournalError>> + Send + use<> {
        let this = self.clone();
        async move {
            let (reply, done) = oneshot::channel();
            if this.inner.inbox.send(HubEvent::Close { reply }).await.is_err() {
                return Ok(());
            }
            done.await.unwrap_or(Ok(()))
        }
    }

    async fn ask<T>(&self, event: impl FnOnce(Reply<T>) -> HubEvent) -> Result<T, RequestError> {
        if self.inner.token.is_cancelled() {
            return Err(error::stopping());
        }
        let (reply, answer) = oneshot::channel();
        self.inner.inbox.send(event(reply)).await.map_err(|_| error::stopping())?;
        answer.await.map_err(|_| error::stopping())?
    }

    async fn report_until_durable(
        &self,
        task: TaskId,
        run: RunNumber,
        report: Report,
    ) -> Result<(), ReportError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let (reply, answer) = oneshot::channel();
            // A copy for the next try; small beside the fdatasync that is waited for.
            let (task, report) = (task.clone(), Box::new(report.clone()));
            let event = HubEvent::Report { task, run, report, reply };
            self.inner.inbox.send(event).await.map_err(|_| ReportError::Stopping)?;
            match answer.await.map_err(|_| ReportError::Stopping)? {
                Reported::Recorded => return Ok(()),
                Reported::Refused(error) => return Err(error),
                Reported::TryAgain(why) => {
                    tokio::select! {
                        () = self.inner.token.cancelled() => {
                            return Err(ReportError::NotRecorded(why));
                        }
                        () = tokio::time::sleep(pause) => {}
                    }
                    pause = LONGEST_PAUSE.min(pause.saturating_mul(2));
                }
            }
        }
    }
}
