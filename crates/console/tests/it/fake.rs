//! A hub in memory: the real life cycle, and no worker but what a test plays.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that plays a wrong life is to fail"
)]

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;

use futures::Stream;
use futures::StreamExt;
use gatepost_chat::agents::AgentLine;
use gatepost_chat::agents::Fitness;
use gatepost_chat::port::Hub;
use gatepost_chat::port::Reply;
use gatepost_domain::action::Action;
use gatepost_domain::action::Exec;
use gatepost_domain::approval::Decision;
use gatepost_domain::approval::Form;
use gatepost_domain::approval::Settlement;
use gatepost_domain::changes::DeliveryKind;
use gatepost_domain::changes::DeliveryResult;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::chat::Origin;
use gatepost_domain::dispatch::Report;
use gatepost_domain::event::Event;
use gatepost_domain::event::Record;
use gatepost_domain::id::ActionId;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::RunNumber;
use gatepost_domain::id::TaskId;
use gatepost_domain::lifecycle;
use gatepost_domain::lifecycle::Command;
use gatepost_domain::lifecycle::Refusal;
use gatepost_domain::lifecycle::Task;
use gatepost_domain::message::Message;
use gatepost_domain::principal::Platform;
use gatepost_domain::principal::Principal;
use gatepost_domain::request::Answered;
use gatepost_domain::request::Consequence;
use gatepost_domain::request::DeliveryReceipt;
use gatepost_domain::request::Heard;
use gatepost_domain::request::NewTask;
use gatepost_domain::request::OpenApproval;
use gatepost_domain::request::Receipt;
use gatepost_domain::request::RequestError;
use gatepost_domain::request::RequestErrorKind;
use gatepost_domain::request::TaskDetail;
use gatepost_domain::task::MAX_TASK_TEXT;
use gatepost_domain::task::TaskSpec;
use gatepost_domain::verdict::Clearance;
use gatepost_domain::verdict::Evidence;
use gatepost_domain::verdict::Judgement;
use gatepost_domain::verdict::Stage;
use gatepost_domain::verdict::Verdict;
use jiff::SignedDuration;
use jiff::Timestamp;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

/// How many records a watcher may fall behind.
pub(crate) const BACKLOG: usize = 64;

/// The hub.
pub(crate) struct FakeHub {
    inner: Mutex<Inner>,
    news: broadcast::Sender<Arc<Record>>,
}

#[derive(Default)]
struct Inner {
    tasks: BTreeMap<TaskId, Task>,
    order: Vec<TaskId>,
    records: Vec<Record>,
    diffs: BTreeMap<TaskId, String>,
    drawn: u128,
    full: bool,
    unavailable: bool,
    delivery: Option<DeliveryReceipt>,
}

impl FakeHub {
    pub(crate) fn new() -> Arc<Self> {
        let (news, _) = broadcast::channel(BACKLOG);
        Arc::new(Self { inner: Mutex::default(), news })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// From now on there is no room.
    pub(crate) fn fill(&self) {
        self.inner().full = true;
    }

    /// From now on nothing can be done.
    pub(crate) fn break_down(&self) {
        self.inner().unavailable = true;
    }

    /// What the next delivery comes to.
    pub(crate) fn will_deliver(&self, receipt: DeliveryReceipt) {
        self.inner().delivery = Some(receipt);
    }

    pub(crate) fn set_diff(&self, id: &TaskId, diff: &str) {
        self.inner().diffs.insert(id.clone(), diff.to_owned());
    }

    /// A task that is running.
    pub(crate) fn running(&self, text: &str) -> TaskId {
        let id = self.take(spec(text, None));
        self.play(&id, Command::Start);
        let sandbox = gatepost_domain::event::SandboxReport {
            tier: "full".into(),
            workspace: "overlay".into(),
            notes: Vec::new(),
            hosts: vec![],
            gating: gatepost_domain::agent::Gating::EveryAction,
        };
        self.report(&id, Report::Ready { sandbox });
        id
    }

    /// The agent wants a command that needs a person.
    pub(crate) fn ask(&self, id: &TaskId, command: &str) -> ApprovalId {
        let action = exec(command);
        let digest = action.digest(&[]);
        let judgement = judgement(Verdict::Escalate);
        let action_id = self.inner().tasks[id].next_action();
        self.report(
            id,
            Report::Verdict {
                action_id,
                action: action.clone(),
                digest: digest.clone(),
                judgement: judgement.clone(),
                weighed: None,
            },
        );
        self.report(
            id,
            Report::Ask {
                form: Form::Editable,
                action_id,
                action,
                digest,
                bound: vec![],
                diff: None,
                judgement,
                resume: "1".into(),
            },
        );
        self.inner().tasks[id].open().keys().next_back().unwrap().clone()
    }

    /// A command that the gate lets run, from start to end.
    pub(crate) fn step(&self, id: &TaskId, command: &str, code: i32, output: &str) {
        let action = exec(command);
        let digest = action.digest(&[]);
        let action_id = self.inner().tasks[id].next_action();
        let judgement = judgement(Verdict::Allow);
        self.report(
            id,
            Report::Verdict { action_id, action, digest: digest.clone(), judgement, weighed: None },
        );
        self.finish_action(id, action_id, command, code, output);
    }

    /// Starts and ends an action that was cleared before.
    pub(crate) fn finish_action(
        &self,
        id: &TaskId,
        action_id: ActionId,
        command: &str,
        code: i32,
        output: &str,
    ) {
        let digest = exec(command).digest(&[]);
        self.report(id, Report::ActionStarted { action_id, digest: digest.clone() });
        let result = gatepost_domain::agent::ActionResult {
            ending: gatepost_domain::agent::Ending::Exited { code },
            duration_ms: 42,
            head: output.into(),
            tail: String::new(),
            dropped: 0,
        };
        self.report(id, Report::ActionFinished { action_id, digest, result });
    }

    /// A worker's report of the task's run.
    pub(crate) fn report(&self, id: &TaskId, report: Report) {
        let run = self.inner().tasks[id].run();
        let asking = (self.draw_approval(), Timestamp::now() + SignedDuration::from_mins(30));
        self.play(id, Command::Report { run, report, asking });
    }

    pub(crate) fn play(&self, id: &TaskId, command: Command) {
        let events = lifecycle::decide(&self.inner().tasks[id], command, Timestamp::now()).unwrap();
        self.record(id, events);
    }

    /// A record that belongs to no task, as often as wanted.
    pub(crate) fn noise(&self, times: usize) {
        for _ in 0..times {
            let event = Event::HubStarted { version: "0".into() };
            self.push(None, event);
        }
    }

    fn draw(&self) -> u128 {
        let mut inner = self.inner();
        inner.drawn += 1;
        // Spread over all bits, so that ids look like ids.
        inner.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }

    fn draw_approval(&self) -> ApprovalId {
        ApprovalId::from_entropy(self.draw())
    }

    fn take(&self, spec: TaskSpec) -> TaskId {
        let id = TaskId::from_entropy(self.draw());
        let task = Task::received(id.clone(), spec.clone(), Timestamp::now());
        {
            let mut inner = self.inner();
            inner.tasks.insert(id.clone(), task);
            inner.order.insert(0, id.clone());
        }
        let mut events = lifecycle::submit(spec);
        self.push(Some(id.clone()), events.remove(0));
        self.record(&id, events);
        id
    }

    fn record(&self, id: &TaskId, events: Vec<Event>) {
        for event in events {
            self.inner().tasks.get_mut(id).unwrap().apply(&event, Timestamp::now()).unwrap();
            self.push(Some(id.clone()), event);
        }
    }

    fn push(&self, task: Option<TaskId>, event: Event) {
        let mut inner = self.inner();
        let seq = u64::try_from(inner.records.len()).unwrap() + 1;
        let record = Record { seq, at: Timestamp::now(), task, event };
        inner.records.push(record.clone());
        drop(inner);
        // Nobody may be watching.
        let _ = self.news.send(Arc::new(record));
    }

    fn check(&self, id: &TaskId) -> Result<(), RequestError> {
        if self.inner().tasks.contains_key(id) {
            return Ok(());
        }
        let kind = RequestErrorKind::NotFound;
        Err(RequestError::new(kind, format!("there is no task `{id}`"), "see the list of tasks"))
    }

    fn try_play(&self, id: &TaskId, command: Command) -> Result<(), RequestError> {
        self.check(id)?;
        let decided = lifecycle::decide(&self.inner().tasks[id], command, Timestamp::now());
        let events = decided.map_err(|refusal: Refusal| {
            RequestError::new(RequestErrorKind::Conflict, refusal.to_string(), "look at the task")
        })?;
        self.record(id, events);
        Ok(())
    }

    fn submit_now(&self, task: NewTask, retry_of: Option<TaskId>) -> Result<Receipt, RequestError> {
        let invalid = |message: &str| {
            Err(RequestError::new(RequestErrorKind::Invalid, message, "say what should be done"))
        };
        if self.inner().full {
            let kind = RequestErrorKind::Full;
            return Err(RequestError::new(kind, "the queue is full", "try again in a minute"));
        }
        if task.text.trim().is_empty() {
            return invalid("the task has no text");
        }
        if task.text.len() > MAX_TASK_TEXT {
            return invalid("the task is too long");
        }
        if task.project.as_deref().is_some_and(|project| project != "demo") {
            return invalid("there is no such project");
        }
        Ok(Receipt { id: self.take(spec(&task.text, retry_of)), ahead: 0 })
    }

    fn answer_now(
        &self,
        id: &ApprovalId,
        answer: impl FnOnce(&Action) -> Settlement,
    ) -> Result<Answered, RequestError> {
        let task = self.inner().tasks.values().find_map(|task| {
            let known = task.open().contains_key(id) || task.settlement(id).is_some();
            known.then(|| task.id().clone())
        });
        let Some(task) = task else {
            let kind = RequestErrorKind::NotFound;
            return Err(RequestError::new(kind, "there is no such approval", "see the open ones"));
        };
        let before = self.inner().tasks[&task].settlement(id).cloned();
        if let Some(settlement) = before {
            return Ok(Answered { task, settlement, consequence: Consequence::TooLate });
        }
        let settlement = answer(&self.inner().tasks[&task].open()[id].action.clone());
        self.try_play(&task, Command::Settle { approval: id.clone(), settlement })?;
        let settlement = self.inner().tasks[&task].settlement(id).cloned().unwrap();
        Ok(Answered { task, settlement, consequence: Consequence::Told })
    }

    fn deliver_now(
        &self,
        by: Principal,
        id: &TaskId,
        how: DeliveryKind,
    ) -> Result<DeliveryReceipt, RequestError> {
        self.try_play(id, Command::Deliver { how, by })?;
        let receipt = self.inner().delivery.take().unwrap_or(DeliveryReceipt::Queued);
        if let DeliveryReceipt::Done(result) = &receipt {
            let asking = (self.draw_approval(), Timestamp::now());
            let report = Report::Delivered { result: result.clone() };
            self.try_play(id, Command::Report { run: RunNumber(1), report, asking })?;
        }
        Ok(receipt)
    }
}

impl Hub for FakeHub {
    fn submit(&self, _: Principal, task: NewTask) -> Reply<Receipt> {
        ready(self.submit_now(task, None))
    }

    fn retry(&self, _: Principal, task: TaskId) -> Reply<Receipt> {
        let text = self.check(&task).map(|()| self.inner().tasks[&task].spec().text.clone());
        ready(text.and_then(|text| {
            let new = NewTask { text, ..NewTask::default() };
            self.submit_now(new, Some(task))
        }))
    }

    fn resume(&self, by: Principal, task: TaskId) -> Reply<Heard> {
        let told = self.try_play(&task, Command::Resume { by });
        ready(told.map(|()| Heard::TakenUp { ahead: 0 }))
    }

    fn message(&self, by: Principal, task: TaskId, text: String) -> Reply<Heard> {
        let told = Command::Message { message: text.into(), by, origin: None };
        ready(self.try_play(&task, told).map(|()| Heard::Told { open: 0 }))
    }

    fn message_from(
        &self,
        by: Principal,
        task: TaskId,
        message: Message,
        _: Origin,
    ) -> Reply<Heard> {
        self.message(by, task, message.text)
    }

    fn keep(&self, _: Vec<u8>) -> Reply<String> {
        ready(Err(no_files()))
    }

    fn kept(&self, _: String) -> Reply<Vec<u8>> {
        ready(Err(no_files()))
    }

    fn note(&self, _: Platform, _: Option<TaskId>, _: ChatNote) -> Reply<()> {
        ready(Ok(()))
    }

    fn notes(&self, _: Platform) -> Reply<Vec<ChatNote>> {
        ready(Ok(Vec::new()))
    }

    fn cancel(&self, by: Principal, task: TaskId) -> Reply<()> {
        ready(self.try_play(&task, Command::Cancel { by }))
    }

    fn answer(
        &self,
        by: Principal,
        approval: ApprovalId,
        decision: Decision,
        reason: Option<String>,
    ) -> Reply<Answered> {
        ready(self.answer_now(&approval, |_| Settlement::Person { who: by, decision, reason }))
    }

    fn answer_edited(&self, by: Principal, approval: ApprovalId, text: String) -> Reply<Answered> {
        let edited = |action: &Action| {
            let action = Box::new(action.with_text(&text).unwrap());
            Settlement::Edited { who: by, action }
        };
        ready(self.answer_now(&approval, edited))
    }

    fn deliver(&self, by: Principal, task: TaskId, how: DeliveryKind) -> Reply<DeliveryReceipt> {
        ready(self.deliver_now(by, &task, how))
    }

    fn tasks(&self) -> Reply<Vec<Task>> {
        let inner = self.inner();
        ready(Ok(inner.order.iter().map(|id| inner.tasks[id].clone()).collect()))
    }

    fn task(&self, task: TaskId) -> Reply<TaskDetail> {
        ready(self.check(&task).map(|()| {
            let inner = self.inner();
            let of_task = |record: &&Record| record.task.as_ref() == Some(&task);
            TaskDetail {
                task: inner.tasks[&task].clone(),
                records: inner.records.iter().filter(of_task).cloned().collect(),
                diff: inner.diffs.get(&task).cloned(),
            }
        }))
    }

    fn approvals(&self) -> Reply<Vec<OpenApproval>> {
        let inner = self.inner();
        if inner.unavailable {
            let kind = RequestErrorKind::Unavailable;
            return ready(Err(RequestError::new(kind, "the hub is gone", "start it again")));
        }
        let open = inner.tasks.values().flat_map(|task| {
            let of_task = |approval: &gatepost_domain::approval::Approval| OpenApproval {
                task: task.id().clone(),
                approval: approval.clone(),
            };
            task.open().values().map(of_task).collect::<Vec<_>>()
        });
        ready(Ok(open.collect()))
    }

    fn agents(&self) -> Reply<Vec<AgentLine>> {
        let line = |name: &str, default, fitness| AgentLine {
            name: name.into(),
            about: "an agent".into(),
            default,
            fitness,
        };
        ready(Ok(vec![
            line("runbook", true, Fitness::Ready { notes: Vec::new() }),
            line("native", false, Fitness::Lacking { what: vec!["set a key".into()] }),
        ]))
    }

    fn projects(&self) -> Vec<String> {
        vec!["demo".into()]
    }

    fn watch(&self) -> Pin<Box<dyn Stream<Item = Arc<Record>> + Send>> {
        let news = BroadcastStream::new(self.news.subscribe());
        // Whoever falls behind gets no more, not a gap.
        Box::pin(
            news.take_while(|news| futures::future::ready(news.is_ok()))
                .filter_map(|news| futures::future::ready(news.ok())),
        )
    }
}

pub(crate) fn exec(command: &str) -> Action {
    Action::Exec(Exec { command: command.into(), cwd: "/srv/demo".into(), env: BTreeMap::new() })
}

pub(crate) fn applied() -> DeliveryReceipt {
    DeliveryReceipt::Done(DeliveryResult::Applied { paths: 1, refused: 0 })
}

fn spec(text: &str, retry_of: Option<TaskId>) -> TaskSpec {
    TaskSpec {
        text: text.into(),
        project: "demo".into(),
        project_path: "/srv/demo".into(),
        agent: "runbook".into(),
        mode: gatepost_domain::mode::Mode::Auto,
        requester: Principal::console(),
        retry_of,
        origin: None,
        quoted: Vec::new(),
        attachments: Vec::new(),
    }
}

fn judgement(verdict: Verdict) -> Judgement {
    match verdict {
        Verdict::Allow => Judgement {
            verdict,
            clearance: Clearance::NotNeeded,
            stage: Stage::Contained,
            rule: "sandbox".into(),
            reason: "the sandbox contains it".into(),
            effect: String::new(),
            evidence: vec![],
        },
        Verdict::Escalate | Verdict::NoVerdict | Verdict::Deny => Judgement {
            verdict,
            clearance: Clearance::Person,
            stage: Stage::ProtectedPath,
            rule: "git-hooks".into(),
            reason: "a git hook runs by itself at the next commit".into(),
            effect: "the file becomes a program that git starts".into(),
            evidence: vec![Evidence {
                span: ".git/hooks/pre-commit".into(),
                fact: "is a git hook of this project".into(),
            }],
        },
    }
}

fn ready<T: Send + 'static>(result: Result<T, RequestError>) -> Reply<T> {
    Box::pin(std::future::ready(result))
}

/// The console sends and shows no files.
fn no_files() -> RequestError {
    RequestError::new(RequestErrorKind::NotFound, "there are no files here", "")
}
