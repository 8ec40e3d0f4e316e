//! What each event makes of the board, and what is then owed to whom. Nothing here waits.
//!
//! No reply goes out from here, not even a refusal: what it rests on may be staged in the same
//! batch and not be on the disk yet. It is written down as owed and paid after the batch.

use std::sync::Arc;

use gatepost_domain::Action;
use gatepost_domain::ApprovalId;
use gatepost_domain::ChatNote;
use gatepost_domain::Event;
use gatepost_domain::Message;
use gatepost_domain::Origin;
use gatepost_domain::Principal;
use gatepost_domain::RunNumber;
use gatepost_domain::TaskId;
use gatepost_domain::TaskSpec;
use gatepost_domain::approval::Settlement;
use gatepost_domain::dispatch::Report;
use gatepost_domain::lifecycle::Command;
use gatepost_domain::lifecycle::Phase;
use gatepost_domain::lifecycle::Refusal;
use gatepost_domain::principal::Platform;
use gatepost_domain::request::Answered;
use gatepost_domain::request::Consequence;
use gatepost_domain::request::DeliveryReceipt;
use gatepost_domain::request::Heard;
use gatepost_domain::request::OpenApproval;
use gatepost_domain::request::Receipt;
use gatepost_domain::request::RequestError;
use gatepost_domain::request::RequestErrorKind;
use gatepost_journal::JournalError;
use jiff::SignedDuration;
use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::board::Board;
use crate::board::MAX_EVENT;
use crate::board::Refused;
use crate::config::HubConfig;
use crate::error::ReportError;
use crate::error::not_recorded;
use crate::event::HubEvent;
use crate::event::Reply;
use crate::event::Reported;
use crate::intake;
use crate::ledger::Needs;
use crate::ledger::Read;
use crate::queue;
use crate::queue::Step;
use crate::sources::Sources;

/// How often an id is drawn again that is taken. There are a thousand million; whoever runs out of
/// draws has a broken source of randomness.
const DRAWS: usize = 64;

/// The board with what decisions need besides it.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) board: Board,
    config: Arc<HubConfig>,
    sources: Sources,
}

/// What a batch came to, to be paid once it is written or has failed.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) owed: Vec<Owed>,
    pub(crate) deliveries: Vec<(TaskId, Reply<DeliveryReceipt>)>,
    pub(crate) reads: Vec<Read>,
    pub(crate) approvals: Vec<Reply<Vec<OpenApproval>>>,
    pub(crate) closing: Vec<oneshot::Sender<Result<(), JournalError>>>,
}

/// A reply that is told whether the batch was written.
pub(crate) type Owed = Box<dyn FnOnce(Result<(), &JournalError>) + Send>;

/// What holds for a whole batch.
pub(crate) struct Circumstances {
    /// Set when a task that is over could not be looked up.
    pub(crate) unreadable: Option<RequestError>,
    /// The worker is far behind.
    pub(crate) crowded: bool,
}

impl Desk {
    pub(crate) fn new(config: Arc<HubConfig>, sources: Sources) -> Self {
        Self { board: Board::default(), config, sources }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.sources.clock.now()
    }

    /// What the events need to know of tasks that are not on the board.
    pub(crate) fn needs<'a>(&self, events: impl IntoIterator<Item = &'a HubEvent>) -> Needs {
        let mut needs = Needs::default();
        for event in events {
            match event {
                HubEvent::Retry { task, .. }
                | HubEvent::Message { task, .. }
                | HubEvent::Cancel { task, .. }
                | HubEvent::Resume { task, .. }
                | HubEvent::Deliver { task, .. }
                | HubEvent::Report { task, .. } => {
                    if self.board.is_known(task) && self.board.task(task).is_none() {
                        needs.tasks.insert(task.clone());
                    }
                }
                HubEvent::Answer { approval, .. } | HubEvent::AnswerEdited { approval, .. } => {
                    if self.board.asker(approval).is_none() {
                        needs.approvals.insert(approval.clone());
                    }
                }
                HubEvent::Submit { .. }
                | HubEvent::Tasks { .. }
                | HubEvent::Task { .. }
                | HubEvent::Approvals { .. }
                | HubEvent::Note { .. }
                | HubEvent::Notes { .. }
                | HubEvent::Due
                | HubEvent::Close { .. } => {}
            }
        }
        needs
    }

    /// Makes of the board what the event says.
    pub(crate) fn take(&mut self, event: HubEvent, around: &Circumstances, batch: &mut Batch) {
        match event {
            HubEvent::Submit { spec, reply } => batch.owed.push(owe(reply, self.submit(spec))),
            HubEvent::Retry { by, task, reply } => {
                let receipt = self.retry(by, &task, around);
                batch.owed.push(owe(reply, receipt));
            }
            HubEvent::Message { by, task, message, origin, reply } => {
                let sent = self.message(by, &task, message, origin, around);
                batch.owed.push(owe(reply, sent));
            }
            HubEvent::Cancel { by, task, reply } => {
                let hint = "look at the task to see how it ended";
                let done = self.give(&task, Command::Cancel { by }, hint, around);
                batch.owed.push(owe(reply, done));
            }
            HubEvent::Resume { by, task, reply } => {
                let resumed = self.resume(by, &task, around);
                batch.owed.push(owe(reply, resumed));
            }
            HubEvent::Answer { by, approval, decision, reason, reply } => {
                let answer = Settlement::Person { who: by, decision, reason };
                let answered = self.answer(&approval, |_| Ok(answer), around);
                batch.owed.push(owe(reply, answered));
            }
            HubEvent::AnswerEdited { by, approval, text, reply } => {
                let answered = self.answer(&approval, |asked| edited(by, asked, &text), around);
                batch.owed.push(owe(reply, answered));
            }
            HubEvent::Deliver { by, task, how, reply } => {
                let hint = "look at the task's changes and at what became of them";
                match self.give(&task, Command::Deliver { how, by }, hint, around) {
                    Ok(()) => batch.deliveries.push((task, reply)),
                    Err(error) => batch.owed.push(owe(reply, Err(error))),
                }
            }
            HubEvent::Tasks { reply } => batch.reads.push(Read::Tasks { reply }),
            HubEvent::Task { task, reply } => batch.reads.push(Read::Task { task, reply }),
            HubEvent::Approvals { reply } => batch.approvals.push(reply),
            HubEvent::Note { platform, task, note, reply } => {
                let noted = self.note(platform, task, note);
                batch.owed.push(owe(reply, noted));
            }
            HubEvent::Notes { platform, reply } => {
                batch.reads.push(Read::Notes { platform, reply });
            }
            HubEvent::Report { task, run, report, reply } => {
                let reported = self.report(task, run, *report, around);
                batch.owed.push(Box::new(move |written| {
                    let _gone = reply.send(match (written, reported) {
                        (Ok(()), Ok(())) => Reported::Recorded,
                        (Ok(()), Err(untaken)) => untaken,
                        (Err(error), _) => Reported::TryAgain(error.to_string()),
                    });
                }));
            }
            HubEvent::Due => {}
            HubEvent::Close { reply } => batch.closing.push(reply),
        }
    }

    /// Denies every question whose time has run out.
    pub(crate) fn expire(&mut self) {
        let now = self.now();
        let late = self.board.open().into_iter().filter(|open| open.approval.expires_at <= now);
        for OpenApproval { task, approval } in late.collect::<Vec<_>>() {
            let settle = Command::Settle { approval: approval.id, settlement: Settlement::Expired };
            if let Err(refused) = self.board.give(&task, settle, now) {
                tracing::error!(%task, ?refused, "a question that ran out could not be settled");
            }
        }
    }

    /// Begins what can begin.
    pub(crate) fn schedule(&mut self) {
        while let Some(step) = queue::next(&self.board, self.config.max_running) {
            match step {
                Step::Deliver(task) => self.board.send_delivery(&task),
                Step::Start(task) => {
                    if let Err(refused) = self.board.give(&task, Command::Start, self.now()) {
                        tracing::error!(%task, ?refused, "a queued task could not begin");
                        return;
                    }
                }
            }
        }
    }

    fn submit(&mut self, spec: TaskSpec) -> Result<Receipt, RequestError> {
        // A platform delivers a message again when its receipt was lost; it is one task.
        if let Some(id) = spec.origin.as_ref().and_then(|origin| self.board.of_origin(origin)) {
            let id = id.clone();
            let ahead = queue::ahead(&self.board, &id);
            return Ok(Receipt { id, ahead });
        }
        self.check_room(&spec.project_path)?;
        let now = self.now();
        let id = self.fresh_id()?;
        let origin = spec.origin.clone();
        self.board
            .receive(id.clone(), spec, now)
            .map_err(|refused| refusal(&id, refused, "hand over less at once"))?;
        if let Some(origin) = origin {
            self.board.note_origin(origin, id.clone());
        }
        let ahead = queue::ahead(&self.board, &id);
        Ok(Receipt { id, ahead })
    }

    /// Whether one more task may wait for the project.
    fn check_room(&self, project_path: &str) -> Result<(), RequestError> {
        let waiting = queue::waiting(&self.board);
        let free = queue::is_free(&self.board, project_path, self.config.max_running);
        if waiting >= self.config.max_queued && !free {
            return Err(RequestError::new(
                RequestErrorKind::Full,
                format!("queue full: {waiting} tasks wait already, and no more than that may"),
                "try again when one has finished, or stop one",
            ));
        }
        Ok(())
    }

    fn note(
        &mut self,
        platform: Platform,
        task: Option<TaskId>,
        note: ChatNote,
    ) -> Result<(), RequestError> {
        if let Some(task) = &task
            && !self.board.is_known(task)
        {
            return Err(no_task(task));
        }
        let now = self.now();
        self.board.note(task, Event::ChatNoted { platform, note }, now);
        Ok(())
    }

    fn retry(
        &mut self,
        by: Principal,
        id: &TaskId,
        around: &Circumstances,
    ) -> Result<Receipt, RequestError> {
        let task = self.board.task(id).ok_or_else(|| self.missing(id, around))?;
        if !task.is_finished() {
            return Err(RequestError::new(
                RequestErrorKind::Conflict,
                format!("the task is {}; only a finished one is run again", task.state()),
                "wait until it has finished, or stop it first",
            ));
        }
        let spec = intake::again(&self.config, by, task.spec(), id.clone())?;
        self.submit(spec)
    }

    fn message(
        &mut self,
        by: Principal,
        task: &TaskId,
        message: Message,
        origin: Option<Origin>,
        around: &Circumstances,
    ) -> Result<Heard, RequestError> {
        if origin.as_ref().is_some_and(|origin| self.board.of_origin(origin).is_some()) {
            return Ok(Heard::Before);
        }
        if around.crowded {
            return Err(RequestError::new(
                RequestErrorKind::Full,
                "queue full: the worker has not read the messages before this one",
                "try again in a minute",
            ));
        }
        let over = self.over(task)?;
        let hint = "look at the task to see how it stands";
        let command = Command::Message { message, by, origin: origin.clone() };
        self.give(task, command, hint, around)?;
        if let Some(origin) = origin {
            self.board.note_origin(origin, task.clone());
        }
        let after = self.board.task(task).ok_or_else(|| no_task(task))?;
        Ok(match after.phase() {
            _ if over => Heard::TakenUp { ahead: queue::ahead(&self.board, task) },
            Phase::Running { .. } => Heard::Told { open: after.open().len() },
            Phase::Preparing { .. } => Heard::Starting,
            Phase::Suspended { .. } if !after.open().is_empty() => Heard::Suspended,
            // In the last three no message is taken.
            Phase::Received
            | Phase::Queued
            | Phase::Suspended { .. }
            | Phase::Cancelling { .. }
            | Phase::Finishing { .. }
            | Phase::Finished { .. } => Heard::Queued { ahead: queue::ahead(&self.board, task) },
        })
    }

    fn resume(
        &mut self,
        by: Principal,
        task: &TaskId,
        around: &Circumstances,
    ) -> Result<Heard, RequestError> {
        self.over(task)?;
        let hint = "look at the task to see how it stands";
        self.give(task, Command::Resume { by }, hint, around)?;
        Ok(Heard::TakenUp { ahead: queue::ahead(&self.board, task) })
    }

    /// Whether a task is over. One that is takes a place among those that wait if it goes on.
    fn over(&self, task: &TaskId) -> Result<bool, RequestError> {
        match self.board.task(task) {
            Some(task) if task.is_finished() => {
                self.check_room(&task.spec().project_path)?;
                Ok(true)
            }
            Some(_) | None => Ok(false),
        }
    }

    fn answer(
        &mut self,
        id: &ApprovalId,
        answer: impl FnOnce(&Action) -> Result<Settlement, RequestError>,
        around: &Circumstances,
    ) -> Result<Answered, RequestError> {
        let task = match (self.board.asker(id), &around.unreadable) {
            (Some(task), _) => task.id().clone(),
            (None, Some(error)) => return Err(error.clone()),
            (None, None) => return Err(no_approval(id)),
        };
        let before = self.board.task(&task).and_then(|task| task.settlement(id));
        if let Some(settlement) = before {
            let settlement = settlement.clone();
            return Ok(Answered { task, settlement, consequence: Consequence::TooLate });
        }
        let asked = self.board.task(&task).and_then(|task| task.open().get(id));
        let asked = &asked.ok_or_else(|| no_approval(id))?.action;
        let needed = asked.raise().is_some();
        let answer = answer(asked)?;
        let settle = Command::Settle { approval: id.clone(), settlement: answer.clone() };
        self.give(&task, settle, "look at the task", around)?;
        let after = self.board.task(&task).ok_or_else(|| no_task(&task))?;
        let settlement = after.settlement(id).cloned().ok_or_else(|| no_approval(id))?;
        let consequence = match after.live_run() {
            // Its time had run out before the timer came to it.
            _ if settlement != answer => Consequence::TooLate,
            _ if needed && !answer.approves() => Consequence::Ends,
            Some(_) => Consequence::Told,
            None => Consequence::Requeued,
        };
        Ok(Answered { task, settlement, consequence })
    }

    fn report(
        &mut self,
        task: TaskId,
        run: RunNumber,
        report: Report,
        around: &Circumstances,
    ) -> Result<(), Reported> {
        let now = self.now();
        // Used by a question alone; drawing always is simpler than looking into the report.
        let asking = (
            ApprovalId::from_entropy(self.sources.entropy.draw()),
            after(now, self.config.approval_timeout),
        );
        let refused = match self.board.give(&task, Command::Report { run, report, asking }, now) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        Err(Reported::Refused(match (refused, &around.unreadable) {
            (Refused::Unknown, Some(error)) if self.board.is_known(&task) => {
                return Err(Reported::TryAgain(error.message.clone()));
            }
            (Refused::Unknown, _) => ReportError::UnknownTask { task },
            (Refused::LifeCycle(refusal), _) => ReportError::Refused(refusal),
            (Refused::TooLarge { bytes }, _) => ReportError::TooLarge { bytes, limit: MAX_EVENT },
            (Refused::Illegal(edge), _) => {
                tracing::error!(%task, %edge, "a report was allowed and could not be applied");
                ReportError::NotRecorded(edge.to_string())
            }
        }))
    }

    fn give(
        &mut self,
        task: &TaskId,
        command: Command,
        hint: &'static str,
        around: &Circumstances,
    ) -> Result<(), RequestError> {
        let now = self.now();
        match self.board.give(task, command, now) {
            Ok(()) => Ok(()),
            Err(Refused::Unknown) => Err(self.missing(task, around)),
            Err(refused) => Err(refusal(task, refused, hint)),
        }
    }

    /// Why a task is not on the board: there is none, or it could not be looked up.
    fn missing(&self, id: &TaskId, around: &Circumstances) -> RequestError {
        match &around.unreadable {
            Some(error) if self.board.is_known(id) => error.clone(),
            Some(_) | None => no_task(id),
        }
    }

    fn fresh_id(&self) -> Result<TaskId, RequestError> {
        (0..DRAWS)
            .map(|_| TaskId::from_entropy(self.sources.entropy.draw()))
            .find(|id| !self.board.is_known(id))
            .ok_or_else(|| {
                RequestError::new(
                    RequestErrorKind::Unavailable,
                    "no free task id could be drawn",
                    "look at the machine's source of randomness, then start gatepost again",
                )
            })
    }
}

/// There is no such task.
pub(crate) fn no_task(id: &TaskId) -> RequestError {
    RequestError::new(
        RequestErrorKind::NotFound,
        format!("there is no task `{id}`"),
        "look for its id in the list of tasks",
    )
}

/// The answer that makes another action of what was asked about.
fn edited(who: Principal, asked: &Action, text: &str) -> Result<Settlement, RequestError> {
    match asked.with_text(text) {
        Some(action) => Ok(Settlement::Edited { who, action: Box::new(action) }),
        None => Err(RequestError::new(
            RequestErrorKind::Conflict,
            "this action has no text that could be changed",
            "approve it or deny it",
        )),
    }
}

fn no_approval(id: &ApprovalId) -> RequestError {
    RequestError::new(
        RequestErrorKind::NotFound,
        format!("there is no question `{id}`"),
        "look at the open questions",
    )
}

fn refusal(task: &TaskId, refused: Refused, hint: &'static str) -> RequestError {
    match refused {
        Refused::Unknown => no_task(task),
        Refused::LifeCycle(refusal) => {
            let kind = match refusal {
                Refusal::UnknownApproval => RequestErrorKind::NotFound,
                Refusal::WrongState { .. }
                | Refusal::StaleRun { .. }
                | Refusal::ActionOutOfOrder(_)
                | Refusal::AlreadySettled(_)
                | Refusal::NotEditable(_)
                | Refusal::NotDeliverable(_) => RequestErrorKind::Conflict,
            };
            RequestError::new(kind, refusal.to_string(), hint)
        }
        Refused::TooLarge { bytes } => RequestError::new(
            RequestErrorKind::Invalid,
            format!("it takes {bytes} bytes; at most {MAX_EVENT} are recorded at once"),
            hint,
        ),
        Refused::Illegal(edge) => {
            tracing::error!(%task, %edge, "a request was allowed and could not be applied");
            let message = format!("nothing was done: {edge}");
            RequestError::new(RequestErrorKind::Unavailable, message, "please report this")
        }
    }
}

fn owe<T: Send + 'static>(reply: Reply<T>, answer: Result<T, RequestError>) -> Owed {
    Box::new(move |written| {
        let answer = match written {
            Ok(()) => answer,
            Err(error) => Err(not_recorded(error)),
        };
        // Whoever asked may have gone; what was done stays done.
        let _gone = reply.send(answer);
    })
}

fn after(now: Timestamp, wait: std::time::Duration) -> Timestamp {
    SignedDuration::try_from(wait)
        .ok()
        .and_then(|wait| now.checked_add(wait).ok())
        .unwrap_or(Timestamp::MAX)
}
