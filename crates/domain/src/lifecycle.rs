//! The whole life of a task, top to bottom, as pure functions.
//!
//! ```text
//! Received ▶ Queued ▶ Preparing ▶ Running ⇄ AwaitingApproval ▶ Finishing ▶ Finished(Outcome)
//!               ▲                    ⇅ AwaitingWords
//!               └── Suspended (Gatepost died while a question was open; answered ▶ Queued)
//! any live state ─cancel▶ Cancelling ▶ Finishing ▶ Finished(Cancelled)
//! Finished ─a message, or Resume▶ Queued (it goes on in its workspace and conversation)
//! ```
//!
//! - [`decide`]: state and [`Command`] to [`Event`]s, or a [`Refusal`] and nothing happened.
//! - [`Task::apply`]: an event to the next state; the only way state changes, live and in replay.
//! - [`effect`]: state and the event just applied to what a worker must be told.
//!
//! INVARIANT (once): an action id is started at most once, because `ActionStarted` is refused for
//! an id that was started before, and no function here emits `ActionStarted` by itself.
//! INVARIANT (one outcome): `TaskFinished` is emitted only on the edge out of a live state. After it
//! only deliveries are legal, and what a person does to have the task go on.

use jiff::Timestamp;

use crate::action::Action;
use crate::action::ActionDigest;
use crate::approval::Approval;
use crate::approval::Decision;
use crate::approval::Form;
use crate::approval::Settlement;
use crate::boundary;
use crate::boundary::Boundary;
use crate::budget::Raise;
use crate::changes::DeliveryKind;
use crate::changes::DeliveryResult;
use crate::chat::Origin;
use crate::dispatch::Assignment;
use crate::dispatch::Report;
use crate::dispatch::ToWorker;
use crate::event::Event;
use crate::id::ActionId;
use crate::id::ApprovalId;
use crate::id::RunNumber;
use crate::id::TaskId;
use crate::message::Message;
use crate::outcome::Outcome;
use crate::outcome::Reason;
use crate::principal::Principal;
use crate::task::TaskSpec;

mod task;

pub use task::Delivery;
pub use task::IllegalEdge;
pub use task::Phase;
pub use task::State;
pub use task::Task;

/// Something that may change a task's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The project is free: begin the next run.
    Start,
    /// A worker reports. `asking` is the fresh id and the expiry for a question, used by
    /// [`Report::Ask`] alone.
    Report {
        /// The run it speaks of.
        run: RunNumber,
        /// What it says.
        report: Report,
        /// Id and expiry for a question.
        asking: (ApprovalId, Timestamp),
    },
    /// A person sends another message.
    Message {
        /// What they sent.
        message: Message,
        /// Who.
        by: Principal,
        /// The chat message it came in, if it came in one.
        origin: Option<Origin>,
    },
    /// A question is settled.
    Settle {
        /// Which.
        approval: ApprovalId,
        /// How.
        settlement: Settlement,
    },
    /// A person wants the task to stop.
    Cancel {
        /// Who.
        by: Principal,
    },
    /// A person wants an interrupted task to go on where it was cut.
    Resume {
        /// Who.
        by: Principal,
    },
    /// Gatepost has started again and no worker has the task's run any more.
    Recover,
    /// A person wants the changes.
    Deliver {
        /// How.
        how: DeliveryKind,
        /// Who.
        by: Principal,
    },
}

/// Why a command changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The command does not fit the state.
    #[error("the task is {state}; {wanted}")]
    WrongState {
        /// The state's word.
        state: State,
        /// What would have been needed.
        wanted: &'static str,
    },
    /// A report of a run that is over, or of an action that does not fit.
    #[error("run {run} no longer speaks for this task")]
    StaleRun {
        /// The run.
        run: RunNumber,
    },
    /// An action would start twice, start unasked, or end without having started.
    #[error("the action does not fit: {0}")]
    ActionOutOfOrder(&'static str),
    /// The task has no such question.
    #[error("there is no such approval")]
    UnknownApproval,
    /// The question was settled before.
    #[error("already settled: {}", .0.words())]
    AlreadySettled(Box<Settlement>),
    /// The action cannot be approved in the form that was given.
    #[error("{0}")]
    NotEditable(&'static str),
    /// The changes cannot be delivered.
    #[error("{0}")]
    NotDeliverable(&'static str),
}

/// A new task's first events.
#[must_use]
pub fn submit(spec: TaskSpec) -> Vec<Event> {
    let bounded = bounded(&spec.text, &spec.requester, &[]);
    let received = std::iter::once(Event::TaskReceived { spec });
    received.chain(bounded).chain([Event::TaskQueued {}]).collect()
}

/// What happens when `command` meets `task` at `now`. Nothing has happened when it is refused.
///
/// # Errors
/// [`Refusal`] says why the command does not fit the state.
pub fn decide(task: &Task, command: Command, now: Timestamp) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::Start => match task.phase() {
            Phase::Queued => Ok(vec![Event::RunStarted { run: task.run().next() }]),
            _ => Err(task.wrong("only a queued task starts")),
        },
        Command::Report { run, report, asking } => decide_report(task, run, report, asking, now),
        Command::Message { message, by, origin } => match task.phase() {
            Phase::Received
            | Phase::Queued
            | Phase::Suspended { .. }
            | Phase::Preparing { .. }
            | Phase::Running { .. }
            | Phase::Finished { .. } => {
                task.check_can_go_on()?;
                let Message { text, quoted, attachments } = message;
                // Before the message, so that whoever hears it knows what holds with it.
                let mut events = bounded(&text, &by, task.boundaries());
                events.push(Event::MessageReceived { text, by, origin, quoted, attachments });
                let waited = task.awaits_words().is_some() && task.open().is_empty();
                let goes_on = match task.phase() {
                    Phase::Suspended { .. } => waited,
                    Phase::Finished { .. } => true,
                    _ => false,
                };
                events.extend(goes_on.then_some(Event::TaskQueued {}));
                Ok(events)
            }
            Phase::Cancelling { .. } | Phase::Finishing { .. } => {
                Err(task.wrong("it is ending right now; send it again in a moment"))
            }
        },
        Command::Settle { approval, settlement } => decide_settle(task, &approval, settlement, now),
        Command::Cancel { by } => decide_cancel(task, &by),
        Command::Resume { by } => match task.phase() {
            Phase::Finished { outcome: Outcome::Interrupted, .. } => {
                task.check_can_go_on()?;
                Ok(vec![Event::ResumeRequested { by }, Event::TaskQueued {}])
            }
            _ => Err(task.wrong("only an interrupted task is resumed; send it a message instead")),
        },
        Command::Recover => Ok(decide_recover(task)),
        Command::Deliver { how, by } => {
            check_deliverable(task, how)?;
            Ok(vec![Event::DeliveryRequested { how, by }])
        }
    }
}

/// What a person's own words do to the boundaries of the task.
fn bounded(text: &str, by: &Principal, in_force: &[Boundary]) -> Vec<Event> {
    let boundary::Spoken { set, lifted } = boundary::spoken(text, by, in_force);
    let lifted = lifted.into_iter().map(|(boundary, words)| Event::BoundaryLifted {
        boundary,
        words,
        by: by.clone(),
    });
    lifted.chain(set.into_iter().map(|boundary| Event::BoundarySet { boundary })).collect()
}

/// What a worker must be told after `event`, which `task` has just applied.
#[must_use]
pub fn effect(task: &Task, event: &Event) -> Option<ToWorker> {
    let id = task.id().clone();
    match event {
        Event::RunStarted { run } => Some(ToWorker::Start {
            assignment: Box::new(Assignment {
                task: id,
                run: *run,
                spec: task.spec().clone(),
                messages: task.messages().to_vec(),
                senders: task.senders(),
                asked_at: Some(task.received_at()),
                boundaries: task.boundaries().to_vec(),
                next_action: task.next_action(),
                resume: task.resume().map(str::to_owned),
                left: task.left(),
                answers: task.answers(),
                grants: task.grants().to_vec(),
                cleared: task.cleared().to_vec(),
                deeds: task.deeds(),
                suspect: task.is_suspect(),
            }),
        }),
        // A suspended task has no worker; the next run is told through its assignment.
        Event::ApprovalDecided { action_id, settlement, .. } => {
            let run = task.live_run()?;
            Some(ToWorker::Settled {
                task: id,
                run,
                action_id: *action_id,
                settlement: settlement.clone(),
            })
        }
        // Whether a run has the task or not: all that run spend from the same purse.
        Event::BudgetRaised { raise, .. } => Some(ToWorker::Raise { task: id, raise: *raise }),
        Event::DenialCleared { action_id, digest, settlement, .. } => {
            let run = task.live_run()?;
            Some(ToWorker::Cleared {
                task: id,
                run,
                action_id: *action_id,
                digest: digest.clone(),
                settlement: settlement.clone(),
            })
        }
        Event::MessageReceived { text, quoted, attachments, .. } => {
            let run = task.live_run()?;
            let message = Message {
                text: text.clone(),
                quoted: quoted.clone(),
                attachments: attachments.clone(),
            };
            let sender = task.senders().pop().flatten();
            let boundaries = task.boundaries().to_vec();
            Some(ToWorker::Message { task: id, run, message, sender, boundaries })
        }
        Event::CancelRequested { .. } => match task.phase() {
            Phase::Cancelling { run, .. } => Some(ToWorker::Cancel { task: id, run: *run }),
            _ => None,
        },
        Event::DeliveryRequested { how, .. } => Some(ToWorker::Deliver {
            task: id,
            spec: Box::new(task.spec().clone()),
            changes: Box::new(task.changes().cloned().unwrap_or_default()),
            how: *how,
        }),
        Event::HubStarted { .. }
        | Event::TaskReceived { .. }
        | Event::TaskQueued {}
        | Event::RunReady { .. }
        | Event::AgentReported { .. }
        | Event::ModelUsed { .. }
        | Event::Egress { .. }
        | Event::BoundarySet { .. }
        | Event::BoundaryLifted { .. }
        | Event::Verdict { .. }
        | Event::ApprovalRequested { .. }
        | Event::ActionStarted { .. }
        | Event::ActionFinished { .. }
        | Event::ActionRefused { .. }
        | Event::ResultFlagged { .. }
        | Event::WordsAwaited { .. }
        | Event::RunSuspended { .. }
        | Event::RunEnded { .. }
        | Event::ChangesCollected { .. }
        | Event::TaskFinished { .. }
        | Event::ResumeRequested { .. }
        | Event::DeliveryFinished { .. }
        | Event::ChatNoted { .. } => None,
    }
}

/// What a worker must be told of a task whose run is gone, after [`Command::Recover`] or a cancel
/// of a suspended task: a dead run's changes are still collected, an asked delivery still made.
#[must_use]
pub fn unfinished_business(task: &Task) -> Option<ToWorker> {
    let id = task.id().clone();
    match (task.phase(), task.delivery()) {
        (Phase::Finishing { run, .. }, _) => {
            Some(ToWorker::Collect { task: id, run: *run, spec: Box::new(task.spec().clone()) })
        }
        (Phase::Finished { .. }, Delivery::Underway { how }) => Some(ToWorker::Deliver {
            task: id,
            spec: Box::new(task.spec().clone()),
            changes: Box::new(task.changes().cloned().unwrap_or_default()),
            how: *how,
        }),
        _ => None,
    }
}

fn decide_report(
    task: &Task,
    run: RunNumber,
    report: Report,
    asking: (ApprovalId, Timestamp),
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    if let Report::Delivered { result } = report {
        return match task.delivery() {
            Delivery::Underway { .. } => Ok(vec![Event::DeliveryFinished { result }]),
            Delivery::NotAsked | Delivery::Done { .. } => {
                Err(task.wrong("no delivery is under way"))
            }
        };
    }
    if task.reporting_run() != Some(run) {
        return Err(Refusal::StaleRun { run });
    }
    let cancelling = matches!(task.phase(), Phase::Cancelling { .. });
    let finishing = matches!(task.phase(), Phase::Finishing { .. });
    match report {
        Report::Changes { changes, mut outbox } if finishing => {
            // What lay there at an earlier end was handed over then.
            outbox.retain(|file| !task.outbox().contains(file));
            let (outcome, reason) = task.ending();
            Ok(vec![
                Event::ChangesCollected { run, changes, outbox },
                Event::TaskFinished { outcome, reason },
            ])
        }
        Report::Changes { .. } => Err(task.wrong("changes come after the run has ended")),
        _ if finishing => Err(task.wrong("a run that ended only reports its changes")),
        Report::Ready { sandbox } => match task.phase() {
            Phase::Preparing { .. } => Ok(vec![Event::RunReady { run, sandbox }]),
            _ => Err(task.wrong("a run becomes ready once")),
        },
        Report::AgentReported { event } => Ok(vec![Event::AgentReported { run, event }]),
        Report::Metered { metered } => Ok(vec![Event::ModelUsed { run, metered }]),
        Report::Egress { event } => Ok(vec![Event::Egress { run, event }]),
        Report::Verdict { action_id, action, digest, judgement, weighed } => {
            task.check_working()?;
            task.check_fresh(action_id)?;
            Ok(vec![Event::Verdict { run, action_id, action, digest, judgement, weighed }])
        }
        Report::Ask { action_id, action, digest, bound, diff, form, judgement, resume } => {
            task.check_working()?;
            match action.raise() {
                // No action of the agent, and so no business of the gate.
                Some(_) => task.check_fresh(action_id)?,
                None => task.check_reviewed(action_id, &digest)?,
            }
            if task.open_for(action_id).is_some() {
                return Err(Refusal::ActionOutOfOrder("it is asked about already"));
            }
            let (id, expires_at) = asking;
            Ok(vec![Event::ApprovalRequested {
                digest: digest.clone(),
                approval: Box::new(Approval {
                    id,
                    run,
                    action_id,
                    digest,
                    action,
                    bound,
                    diff,
                    form,
                    judgement,
                    asked_at: now,
                    expires_at,
                    resume,
                }),
            }])
        }
        Report::AwaitWords { question, resume } => {
            task.check_working()?;
            Ok(vec![Event::WordsAwaited { run, question, resume }])
        }
        Report::Withdraw { action_id } => {
            let open = task.open_for(action_id).ok_or(Refusal::UnknownApproval)?;
            Ok(vec![settled(open, Settlement::Withdrawn)])
        }
        Report::ActionStarted { action_id, digest } => {
            task.check_working()?;
            task.check_reviewed(action_id, &digest)?;
            task.check_startable(action_id, &digest)?;
            Ok(vec![Event::ActionStarted { run, action_id, digest }])
        }
        Report::ActionFinished { action_id, digest, result } => {
            if !task.is_in_flight(action_id) {
                return Err(Refusal::ActionOutOfOrder("it was not running"));
            }
            Ok(vec![Event::ActionFinished { run, action_id, digest, result }])
        }
        Report::ActionRefused { action_id, digest, reason } => {
            task.check_reviewed(action_id, &digest)?;
            if task.open_for(action_id).is_some() {
                return Err(Refusal::ActionOutOfOrder("its question is still open"));
            }
            // One that was soft may be cleared by a person afterwards.
            let denial = task.is_soft_denial(action_id).then_some(asking.0);
            Ok(vec![Event::ActionRefused { run, action_id, digest, reason, denial }])
        }
        Report::Flagged { action_id, found, fenced } => {
            Ok(vec![Event::ResultFlagged { run, action_id, found, fenced }])
        }
        Report::Ended { outcome, reason, resume } => {
            // What the run says of its end does not count against a person's stop.
            let (outcome, reason) = if cancelling { task.ending() } else { (outcome, reason) };
            let mut events = withdraw_open(task);
            events.push(Event::RunEnded { run, outcome, reason, resume });
            Ok(events)
        }
        Report::Delivered { .. } => Err(task.wrong("no delivery is under way")),
    }
}

fn decide_settle(
    task: &Task,
    id: &ApprovalId,
    settlement: Settlement,
    now: Timestamp,
) -> Result<Vec<Event>, Refusal> {
    if let Some(before) = task.settlement(id) {
        return Err(Refusal::AlreadySettled(Box::new(before.clone())));
    }
    if let Some(denial) = task.denial(id) {
        return decide_clear(task, id, denial, settlement);
    }
    let open = task.open().get(id).ok_or(Refusal::UnknownApproval)?;
    // A tap that comes after its time counts as no tap, even when the timer has not fired yet.
    let in_time = |open: &Approval| match &settlement {
        Settlement::Person { .. } | Settlement::Edited { .. } if now >= open.expires_at => {
            Settlement::Expired
        }
        given @ (Settlement::Person { .. }
        | Settlement::Edited { .. }
        | Settlement::Expired
        | Settlement::Withdrawn) => given.clone(),
    };
    if let Settlement::Edited { action, .. } = &settlement {
        check_edited(open, action)?;
    }
    if let Some(raise) = open.action.raise() {
        return Ok(settle_raise(task, open, *raise, in_time(open)));
    }
    let mut events = vec![settled(open, in_time(open))];
    if is_about_all(&settlement) {
        let twins = task.open().values().filter(|twin| twin.digest == open.digest);
        events.extend(
            twins.filter(|twin| twin.id != open.id).map(|twin| settled(twin, in_time(twin))),
        );
    }
    let suspended = matches!(task.phase(), Phase::Suspended { .. });
    if suspended && task.open().len() == events.len() && task.awaits_words().is_none() {
        events.push(Event::TaskQueued {});
    }
    Ok(events)
}

/// What a person made of an action is that action with another text, and for somebody who can be
/// handed it.
fn check_edited(open: &Approval, edited: &Action) -> Result<(), Refusal> {
    if open.form == Form::Fixed {
        return Err(Refusal::NotEditable(
            "whoever proposed it cannot be handed another form; deny it with a reason instead",
        ));
    }
    let text = edited.text().unwrap_or_default();
    if text.trim().is_empty() {
        return Err(Refusal::NotEditable("there is nothing left of it; deny it instead"));
    }
    if *edited == open.action {
        return Err(Refusal::NotEditable("nothing was changed; approve it as it is"));
    }
    match open.action.with_text(text) {
        Some(same) if same == *edited => Ok(()),
        Some(_) | None => Err(Refusal::NotEditable("only the text of an action can be changed")),
    }
}

/// A task cannot go on without the budget it asks for: it goes on with it, or ends.
fn settle_raise(task: &Task, open: &Approval, raise: Raise, settlement: Settlement) -> Vec<Event> {
    let suspended = matches!(task.phase(), Phase::Suspended { .. });
    let answer = settled(open, settlement.clone());
    if let Settlement::Person { who, .. } = &settlement
        && settlement.approves()
    {
        // Before the answer, so that whoever hears that has the room.
        let mut events = vec![Event::BudgetRaised { raise, by: who.clone() }, answer];
        if suspended && task.open().len() == 1 && task.awaits_words().is_none() {
            events.push(Event::TaskQueued {});
        }
        return events;
    }
    if !suspended {
        // The run hears of it and ends.
        return vec![answer];
    }
    let others = task.open().values().filter(|other| other.id != open.id);
    let mut events = vec![answer];
    events.extend(others.map(|other| settled(other, Settlement::Withdrawn)));
    let reason = Raise::refused(&open.judgement.reason, &settlement);
    let (run, outcome) = (task.run(), Outcome::Failed);
    events.push(Event::RunEnded { run, outcome, reason, resume: None });
    events
}

/// A person who has read why the gate denied something lets exactly that run once. It is no open
/// question: nothing waits for it, and it cannot be denied again or run out.
fn decide_clear(
    task: &Task,
    id: &ApprovalId,
    (action_id, digest): (ActionId, &ActionDigest),
    settlement: Settlement,
) -> Result<Vec<Event>, Refusal> {
    match &settlement {
        Settlement::Person { decision: Decision::Approve, .. } => {}
        Settlement::Person { .. }
        | Settlement::Edited { .. }
        | Settlement::Expired
        | Settlement::Withdrawn => {
            return Err(task.wrong("what the gate denied can be allowed once, and nothing else"));
        }
    }
    match task.phase() {
        Phase::Preparing { .. } | Phase::Running { .. } => Ok(vec![Event::DenialCleared {
            denial: id.clone(),
            action_id,
            digest: digest.clone(),
            settlement,
        }]),
        Phase::Received
        | Phase::Queued
        | Phase::Suspended { .. }
        | Phase::Cancelling { .. }
        | Phase::Finishing { .. }
        | Phase::Finished { .. } => {
            Err(task.wrong("what was denied is allowed only while the agent works"))
        }
    }
}

/// Whether an answer is about every open question with the same digest. What is denied is denied
/// however often it is asked, and what holds for the task is not asked again; but what is approved
/// once runs once.
fn is_about_all(settlement: &Settlement) -> bool {
    match settlement {
        Settlement::Person { decision, .. } => match decision {
            Decision::Approve => false,
            Decision::ApproveForTask | Decision::Deny => true,
        },
        Settlement::Edited { .. } | Settlement::Expired | Settlement::Withdrawn => false,
    }
}

fn decide_cancel(task: &Task, by: &Principal) -> Result<Vec<Event>, Refusal> {
    let cancelled = (Outcome::Cancelled, Reason::CancelledBy { by: by.to_string() });
    let mut events = vec![Event::CancelRequested { by: by.clone() }];
    match task.phase() {
        // Nothing has run, or nothing since its changes were collected.
        Phase::Received | Phase::Queued
            if task.run() == RunNumber::default() || task.changes().is_some() =>
        {
            events.push(Event::TaskFinished { outcome: cancelled.0, reason: cancelled.1 });
        }
        // An earlier run was cut off: what it changed is still collected.
        Phase::Received | Phase::Queued | Phase::Suspended { .. } => {
            events.extend(withdraw_open(task));
            events.push(Event::RunEnded {
                run: task.run(),
                outcome: cancelled.0,
                reason: cancelled.1,
                resume: None,
            });
        }
        Phase::Preparing { .. } | Phase::Running { .. } => events.extend(withdraw_open(task)),
        Phase::Cancelling { .. } => return Err(task.wrong("it is being stopped already")),
        Phase::Finishing { .. } | Phase::Finished { .. } => {
            return Err(task.wrong("there is nothing left to stop"));
        }
    }
    Ok(events)
}

/// A sentence for every row of the table: what becomes of a task whose worker is gone.
fn decide_recover(task: &Task) -> Vec<Event> {
    match task.phase() {
        // It never came to be queued.
        Phase::Received => vec![Event::TaskQueued {}],
        // It waits as it did; or it only has its changes left to collect; or it is over.
        Phase::Queued | Phase::Finishing { .. } | Phase::Finished { .. } => vec![],
        // A question still waits for its answer, or was answered since.
        Phase::Suspended { .. } if task.open().is_empty() && task.awaits_words().is_none() => {
            vec![Event::TaskQueued {}]
        }
        Phase::Suspended { .. } => vec![],
        // A person had stopped it.
        Phase::Cancelling { run, .. } => {
            let (outcome, reason) = task.ending();
            vec![Event::RunEnded { run: *run, outcome, reason, resume: None }]
        }
        Phase::Preparing { run } | Phase::Running { run } => {
            let run = *run;
            if let Some(during) = task.running_command() {
                // It may have done half of its work; only a person can say whether to do it again.
                let mut events = withdraw_open(task);
                events.push(interrupted(run, Some(during.to_owned())));
                events
            } else if !task.open().is_empty() || task.awaits_words().is_some() {
                vec![Event::RunSuspended { run }]
            } else if !task.unacted().is_empty() || task.has_words() || !task.ever_acted() {
                // Nothing has run since the last answer, or nothing at all: going on repeats nothing.
                vec![Event::RunSuspended { run }, Event::TaskQueued {}]
            } else {
                vec![interrupted(run, None)]
            }
        }
    }
}

fn check_deliverable(task: &Task, how: DeliveryKind) -> Result<(), Refusal> {
    if !matches!(task.phase(), Phase::Finished { .. }) {
        return Err(task.wrong("changes are delivered when it has finished"));
    }
    let Some(changes) = task.changes().filter(|changes| !changes.is_empty()) else {
        return Err(Refusal::NotDeliverable("the task changed nothing"));
    };
    match task.delivery() {
        Delivery::Underway { .. } => {
            return Err(Refusal::NotDeliverable("a delivery is under way"));
        }
        Delivery::NotAsked => {}
        Delivery::Done { result } => match result {
            DeliveryResult::Applied { .. } => {
                return Err(Refusal::NotDeliverable("the changes were applied already"));
            }
            DeliveryResult::Discarded => {
                return Err(Refusal::NotDeliverable("the changes were discarded"));
            }
            DeliveryResult::Branched { .. }
            | DeliveryResult::Conflict { .. }
            | DeliveryResult::Failed { .. } => {}
        },
    }
    match how {
        DeliveryKind::Apply | DeliveryKind::Branch if changes.truncated => {
            Err(Refusal::NotDeliverable(
                "there are more changes than can be shown; only discard is left",
            ))
        }
        DeliveryKind::Apply | DeliveryKind::Branch | DeliveryKind::Discard => Ok(()),
    }
}

fn settled(open: &Approval, settlement: Settlement) -> Event {
    Event::ApprovalDecided {
        approval: open.id.clone(),
        action_id: open.action_id,
        digest: open.digest.clone(),
        settlement,
    }
}

fn withdraw_open(task: &Task) -> Vec<Event> {
    task.open().values().map(|open| settled(open, Settlement::Withdrawn)).collect()
}

fn interrupted(run: RunNumber, during: Option<String>) -> Event {
    let reason = Reason::GatepostEnded { during };
    Event::RunEnded { run, outcome: Outcome::Interrupted, reason, resume: None }
}

/// Replays a task from its own records, in order.
///
/// # Errors
/// [`IllegalEdge`] names the first record that does not follow from those before it.
pub fn replay<'a>(
    id: &TaskId,
    records: impl IntoIterator<Item = (&'a Event, Timestamp)>,
) -> Result<Option<Task>, IllegalEdge> {
    let mut task: Option<Task> = None;
    for (event, at) in records {
        match (&mut task, event) {
            (None, Event::TaskReceived { spec }) => {
                task = Some(Task::received(id.clone(), spec.clone(), at));
            }
            (None, _) => return Err(IllegalEdge::unborn(event)),
            (Some(task), _) => task.apply(event, at)?,
        }
    }
    Ok(task)
}

#[cfg(test)]
mod tests;
