//! The hub as chats see it: the hub's own answers, and the diffs that the worker keeps.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use futures::StreamExt;
use gatepost_chat::agents::AgentLine;
use gatepost_chat::port::Hub;
use gatepost_chat::port::Reply;
use gatepost_domain::ChatNote;
use gatepost_domain::Decision;
use gatepost_domain::Message;
use gatepost_domain::Mode;
use gatepost_domain::Origin;
use gatepost_domain::Principal;
use gatepost_domain::Record;
use gatepost_domain::TaskId;
use gatepost_domain::changes::DeliveryKind;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::lifecycle::Task;
use gatepost_domain::principal::Platform;
use gatepost_domain::request::Answered;
use gatepost_domain::request::DeliveryReceipt;
use gatepost_domain::request::Heard;
use gatepost_domain::request::NewTask;
use gatepost_domain::request::OpenApproval;
use gatepost_domain::request::Receipt;
use gatepost_domain::request::RequestError;
use gatepost_domain::request::RequestErrorKind;
use gatepost_domain::request::TaskDetail;
use gatepost_gate::BypassSwitch;
use gatepost_hub::HubHandle;
use gatepost_worker::Files;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

use crate::config::managed;
use crate::roster::Agents;

/// So many alerts may wait for a chat.
const ALERTS: usize = 16;

/// The hub of this process.
pub(crate) struct Port {
    hub: HubHandle,
    runs: PathBuf,
    files: Files,
    agents: Arc<Agents>,
    bypass: BypassSwitch,
    alerts: broadcast::Sender<String>,
}

impl Port {
    /// With the directory the worker keeps diffs in, the kept files, who can work, and whether the
    /// mode `bypass` may be used.
    pub(crate) fn new(
        hub: HubHandle,
        runs: PathBuf,
        files: Files,
        agents: Arc<Agents>,
        bypass: BypassSwitch,
    ) -> Self {
        let alerts = broadcast::Sender::new(ALERTS);
        Self { hub, runs, files, agents, bypass, alerts }
    }

    /// Tells the admins, in every chat they are in.
    pub(crate) fn alert(&self, words: String) {
        // Where no chat is served there is the log.
        let _ = self.alerts.send(words);
    }
}

/// Whether a task may have this mode. Without one it gets the default, which was looked at when the
/// configuration was read.
fn permitted(bypass: &BypassSwitch, mode: Option<Mode>) -> Result<(), RequestError> {
    match mode {
        Some(Mode::Bypass) if !bypass.is_allowed() => {
            let (what, mend) = managed::NO_BYPASS;
            Err(RequestError::new(RequestErrorKind::Invalid, what, mend))
        }
        Some(_) | None => Ok(()),
    }
}

impl Hub for Port {
    fn submit(&self, by: Principal, task: NewTask) -> Reply<Receipt> {
        let (hub, agents) = (self.hub.clone(), Arc::clone(&self.agents));
        let may = permitted(&self.bypass, task.mode);
        Box::pin(async move {
            let fit = agents.fit(task.agent.as_deref()).await.and(may);
            if fit.is_err() && known(&hub, task.origin.as_ref()).await? {
                // It is in already, so the hub has its receipt whatever its agent lacks by now.
                return hub.submit(by, task).await;
            }
            fit?;
            hub.submit(by, task).await
        })
    }

    fn retry(&self, by: Principal, task: TaskId) -> Reply<Receipt> {
        let (hub, agents) = (self.hub.clone(), Arc::clone(&self.agents));
        let bypass = self.bypass.clone();
        Box::pin(async move {
            let before = hub.task(task.clone()).await?;
            permitted(&bypass, Some(before.task.spec().mode))?;
            agents.fit(Some(&before.task.spec().agent)).await?;
            hub.retry(by, task).await
        })
    }

    fn message(&self, by: Principal, task: TaskId, text: String) -> Reply<Heard> {
        let hub = self.hub.clone();
        Box::pin(async move { hub.message(by, task, text).await })
    }

    fn message_from(
        &self,
        by: Principal,
        task: TaskId,
        message: Message,
        origin: Origin,
    ) -> Reply<Heard> {
        let hub = self.hub.clone();
        Box::pin(async move { hub.message_from(by, task, message, origin).await })
    }

    fn keep(&self, bytes: Vec<u8>) -> Reply<String> {
        let files = self.files.clone();
        Box::pin(async move {
            let kept = tokio::task::spawn_blocking(move || files.keep(&bytes)).await;
            kept.map_err(std::io::Error::other).flatten().map_err(|error| {
                let message = format!("a file cannot be kept: {error}");
                let hint = "free some space on the data directory's disk";
                RequestError::new(RequestErrorKind::Unavailable, message, hint)
            })
        })
    }

    fn kept(&self, sha256: String) -> Reply<Vec<u8>> {
        let files = self.files.clone();
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || files.read(&sha256)).await;
            read.map_err(std::io::Error::other).flatten().map_err(|error| {
                let kind = match error.kind() {
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::InvalidData => {
                        RequestErrorKind::NotFound
                    }
                    _ => RequestErrorKind::Unavailable,
                };
                let message = format!("the file cannot be read: {error}");
                RequestError::new(kind, message, "look into the task's workspace")
            })
        })
    }

    fn note(&self, platform: Platform, task: Option<TaskId>, note: ChatNote) -> Reply<()> {
        let hub = self.hub.clone();
        Box::pin(async move { hub.note(platform, task, note).await })
    }

    fn notes(&self, platform: Platform) -> Reply<Vec<ChatNote>> {
        let hub = self.hub.clone();
        Box::pin(async move { hub.notes(platform).await })
    }

    fn resume(&self, by: Principal, task: TaskId) -> Reply<Heard> {
        let hub = self.hub.clone();
        Box::pin(async move { hub.resume(by, task).await })
    }

    fn cancel(&self, by: Principal, task: TaskId) -> Reply<()> {
        let hub = self.hub.clone();
        Box::pin(async move { hub.cancel(by, task).await })
    }

    fn answer(
        &self,
        by: Principal,
        approval: ApprovalId,
        decision: Decision,
        reason: Option<String>,
    ) -> Reply<Answered> {
        let hub = self.hub.clone();
        Box::pin(async move { hub.answer(by, approval, decision, reason).await })
    }

    fn answer_edited(&self, by: Principal, approval: ApprovalId, text: String) -> Reply<Answered> {
        let hub = self.hub.clone();
        Box::pin(async move { hub.answer_edited(by, approval, text).await })
    }

    fn deliver(&self, by: Principal, task: TaskId, how: DeliveryKind) -> Reply<DeliveryReceipt> {
        let hub = self.hub.clone();
        Box::pin(async move { hub.deliver(by, task, how).await })
    }

    fn tasks(&self) -> Reply<Vec<Task>> {
        let hub = self.hub.clone();
        Box::pin(async move { hub.tasks().await })
    }

    fn task(&self, task: TaskId) -> Reply<TaskDetail> {
        let (hub, runs) = (self.hub.clone(), self.runs.clone());
        Box::pin(async move {
            let mut detail = hub.task(task.clone()).await?;
            let kept =
                tokio::task::spawn_blocking(move || gatepost_worker::kept_diff(&runs, &task));
            detail.diff = match kept.await.map_err(std::io::Error::other).flatten() {
                Ok(diff) => diff,
                Err(error) => Some(format!("the diff cannot be read: {error}\n")),
            };
            Ok(detail)
        })
    }

    fn approvals(&self) -> Reply<Vec<OpenApproval>> {
        let hub = self.hub.clone();
        Box::pin(async move { hub.approvals().await })
    }

    fn agents(&self) -> Reply<Vec<AgentLine>> {
        let agents = Arc::clone(&self.agents);
        Box::pin(async move { Ok(agents.lines().await) })
    }

    fn projects(&self) -> Vec<String> {
        self.hub.projects()
    }

    fn alerts(&self) -> Pin<Box<dyn Stream<Item = String> + Send>> {
        // One that fell behind goes on with what is newest; the log has all of it.
        let alerts = BroadcastStream::new(self.alerts.subscribe());
        Box::pin(alerts.filter_map(|alert| std::future::ready(alert.ok())))
    }

    fn watch(&self) -> Pin<Box<dyn Stream<Item = Arc<Record>> + Send>> {
        Box::pin(self.hub.watch())
    }
}

/// Whether a message has become a task before.
async fn known(hub: &HubHandle, origin: Option<&Origin>) -> Result<bool, RequestError> {
    let Some(origin) = origin else { return Ok(false) };
    let tasks = hub.tasks().await?;
    Ok(tasks.iter().any(|task| task.spec().origin.as_ref() == Some(origin)))
}
