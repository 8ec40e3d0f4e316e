//! A task's state, and how each event changes it.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use super::Refusal;
use crate::action::ActionDigest;
use crate::approval::Approval;
use crate::approval::Decision;
use crate::approval::Settlement;
use crate::boundary::Boundary;
use crate::changes::ChangeSet;
use crate::changes::DeliveryKind;
use crate::changes::DeliveryResult;
use crate::chat::Origin;
use crate::deed;
use crate::deed::Deed;
use crate::dispatch::Answer;
use crate::dispatch::Left;
use crate::dispatch::Sender;
use crate::event::Event;
use crate::id::ActionId;
use crate::id::ApprovalId;
use crate::id::RunNumber;
use crate::id::TaskId;
use crate::message::Message;
use crate::message::OutboxFile;
use crate::outcome::Outcome;
use crate::outcome::Reason;
use crate::task::TaskSpec;
use crate::verdict::Clearance;
use crate::verdict::Stage;
use crate::verdict::Verdict;

mod look;

/// A task as its events left it. Only [`Task::apply`] changes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    id: TaskId,
    spec: TaskSpec,
    received_at: Timestamp,
    phase: Phase,
    /// The latest run; 0 before the first.
    run: RunNumber,
    /// The number the next reviewed action gets.
    next_action: ActionId,
    /// Reviewed, not yet started: what the gate said, so that nothing starts unreviewed.
    reviewed: BTreeMap<ActionId, Reviewed>,
    /// Started, not yet ended, with the words a person knows them by.
    in_flight: BTreeMap<ActionId, String>,
    /// Whether any action started since the task was handed over, or since it goes on.
    ever_acted: bool,
    open: BTreeMap<ApprovalId, Approval>,
    settled: BTreeMap<ApprovalId, Settlement>,
    /// Answers that no action has followed yet.
    unacted: Vec<Answer>,
    /// Denials that the run was told of, since nothing has been asked or done after them: a run that
    /// takes up the work there meets the same question again, and nobody is asked twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    refused: Vec<Answer>,
    grants: Vec<ActionDigest>,
    /// The latest denials of the gate that a person may still clear.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    denials: Vec<Denial>,
    /// Those that a person has cleared and no action has followed yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    cleared: Vec<Answer>,
    /// The latest actions that have begun or were refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    deeds: Vec<(ActionId, Deed)>,
    /// Whether its agent has read what tried to steer it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    suspect: bool,
    messages: Vec<Message>,
    /// Where each of those came from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    senders: Vec<Sender>,
    /// What people forbade in words and have not lifted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    boundaries: Vec<Boundary>,
    /// The chat messages that those came in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    message_origins: Vec<Origin>,
    resume: Option<String>,
    /// How the run left off that said where to resume.
    #[serde(default)]
    left: Left,
    /// How often it went on after its end.
    #[serde(default)]
    went_on: usize,
    /// How it stands with what the agent has asked in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    words: Option<Words>,
    /// What the latest run changed, once it is collected.
    changes: Option<ChangeSet>,
    delivery: Delivery,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    outbox: Vec<OutboxFile>,
}

/// Where a task is in its life, with what belongs to that place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "phase")]
pub enum Phase {
    /// Handed over.
    Received,
    /// Waiting for its project.
    Queued,
    /// A run is making its workspace and sandbox.
    Preparing {
        /// Which.
        run: RunNumber,
    },
    /// The agent works, or waits for people.
    Running {
        /// Which run.
        run: RunNumber,
    },
    /// The run is gone; a question is still open or its answer not acted on.
    Suspended {
        /// The run that is gone.
        run: RunNumber,
    },
    /// A person stopped it; the run is being ended.
    Cancelling {
        /// Which run.
        run: RunNumber,
        /// Who.
        by: String,
    },
    /// The agent stopped; what it changed is being collected.
    Finishing {
        /// Which run.
        run: RunNumber,
        /// How the task will end.
        outcome: Outcome,
        /// Why.
        reason: Reason,
    },
    /// Over.
    Finished {
        /// How.
        outcome: Outcome,
        /// Why.
        reason: Reason,
        /// When.
        at: Timestamp,
    },
}

/// The word for where a task is, in the API and on cards; derived, never stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Handed over.
    Received,
    /// Waiting for its project.
    Queued,
    /// Making workspace and sandbox.
    Preparing,
    /// The agent works.
    Running,
    /// At least one question is open.
    AwaitingApproval,
    /// The agent has asked something that buttons cannot answer, and waits for a message.
    AwaitingWords,
    /// Being stopped.
    Cancelling,
    /// Collecting changes.
    Finishing,
    /// Over.
    Finished,
}

/// What became of the changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "delivery")]
pub enum Delivery {
    /// Nobody has asked for them.
    #[default]
    NotAsked,
    /// Asked for, being done.
    Underway {
        /// How.
        how: DeliveryKind,
    },
    /// Done, or tried.
    Done {
        /// What became of it.
        result: DeliveryResult,
    },
}

impl Delivery {
    /// Whether nobody can ask for the changes any more: the project has them, or they are gone.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Done { result: DeliveryResult::Applied { .. } | DeliveryResult::Discarded }
        )
    }
}

/// An event that cannot follow from the state; the journal that holds it is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event `{event}` does not follow from state `{state}`")]
pub struct IllegalEdge {
    state: String,
    event: &'static str,
}

/// How it stands with what an agent has asked in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "words")]
enum Words {
    /// Nobody has written yet.
    Awaited {
        /// What it asks.
        question: String,
    },
    /// Somebody has, or has raised a budget, and nothing has run since.
    Come,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reviewed {
    digest: ActionDigest,
    subject: String,
    allowed: bool,
    /// The question whose answer this is: a person made this action of the one they were asked
    /// about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made_of: Option<ActionId>,
    /// The tool, for the account of what was done.
    #[serde(default)]
    tool: String,
    /// Which rule denied it, where a person may clear that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    denied: Option<String>,
}

/// A denial of the gate that a person may clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Denial {
    id: ApprovalId,
    action_id: ActionId,
    digest: ActionDigest,
}

/// So many denials can still be cleared; a person looks at the latest.
const DENIALS: usize = 20;

impl IllegalEdge {
    pub(super) fn unborn(event: &Event) -> Self {
        Self { state: "none".into(), event: event.kind() }
    }
}

impl Task {
    /// A task that was just handed over.
    #[must_use]
    pub fn received(id: TaskId, spec: TaskSpec, at: Timestamp) -> Self {
        Self {
            id,
            spec,
            received_at: at,
            phase: Phase::Received,
            run: RunNumber::default(),
            next_action: ActionId(1),
            reviewed: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            ever_acted: false,
            open: BTreeMap::new(),
            settled: BTreeMap::new(),
            unacted: Vec::new(),
            refused: Vec::new(),
            grants: Vec::new(),
            denials: Vec::new(),
            cleared: Vec::new(),
            deeds: Vec::new(),
            suspect: false,
            messages: Vec::new(),
            senders: Vec::new(),
            boundaries: Vec::new(),
            message_origins: Vec::new(),
            resume: None,
            left: Left::default(),
            went_on: 0,
            words: None,
            changes: None,
            delivery: Delivery::NotAsked,
            outbox: Vec::new(),
        }
    }

    /// The state after `event`.
    ///
    /// # Errors
    /// [`IllegalEdge`] when the event cannot follow; the state is then as it was.
    pub fn apply(&mut self, event: &Event, at: Timestamp) -> Result<(), IllegalEdge> {
        let state = self.state();
        let illegal = || IllegalEdge { state: state.to_string(), event: event.kind() };
        match event {
            Event::HubStarted { .. } | Event::TaskReceived { .. } => return Err(illegal()),
            Event::TaskQueued {} => match self.phase {
                Phase::Received => self.phase = Phase::Queued,
                Phase::Suspended { .. } if self.open.is_empty() => self.phase = Phase::Queued,
                Phase::Finished { .. } if self.check_can_go_on().is_ok() => {
                    self.phase = Phase::Queued;
                    self.went_on = self.went_on.saturating_add(1);
                    self.ever_acted = false;
                }
                _ => return Err(illegal()),
            },
            Event::RunStarted { run } => match self.phase {
                Phase::Queued if *run == self.run.next() => {
                    self.run = *run;
                    self.phase = Phase::Preparing { run: *run };
                    // What it changes is collected, and asked for, anew.
                    self.changes = None;
                    self.delivery = Delivery::NotAsked;
                }
                _ => return Err(illegal()),
            },
            Event::RunReady { run, .. } => match self.phase {
                Phase::Preparing { run: now } if now == *run => {
                    self.phase = Phase::Running { run: *run };
                }
                _ => return Err(illegal()),
            },
            Event::AgentReported { .. } | Event::Egress { .. } | Event::ModelUsed { .. } => {
                if self.reporting_run().is_none() {
                    return Err(illegal());
                }
                // An agent that waits neither speaks nor thinks.
                if !matches!(event, Event::Egress { .. }) {
                    self.words_came();
                }
            }
            Event::WordsAwaited { run, question, resume } => {
                if !matches!(self.phase, Phase::Running { run: now } if now == *run) {
                    return Err(illegal());
                }
                self.refused.clear();
                self.resume = Some(resume.clone());
                self.left = Left::Waiting;
                self.words = Some(Words::Awaited { question: question.clone() });
            }
            Event::BoundarySet { boundary } => {
                self.check_takes_words().map_err(|()| illegal())?;
                // What was let run for the whole task was let run before this was said.
                if boundary.effect.is_some() {
                    self.grants.clear();
                    self.cleared.clear();
                }
                self.boundaries.push(boundary.clone());
            }
            Event::BoundaryLifted { boundary, .. } => {
                self.check_takes_words().map_err(|()| illegal())?;
                self.boundaries.retain(|known| known != boundary);
            }
            Event::MessageReceived { text, by, origin, quoted, attachments } => {
                self.check_takes_words().map_err(|()| illegal())?;
                self.messages.push(Message {
                    text: text.clone(),
                    quoted: quoted.clone(),
                    attachments: attachments.clone(),
                });
                self.senders.push(Sender {
                    by: by.clone(),
                    at,
                    chat: origin.as_ref().map(|origin| origin.chat.clone()),
                });
                self.message_origins.extend(origin.clone());
                self.words_came();
            }
            Event::Verdict { run, action_id, action, digest, judgement, weighed: _ } => {
                if self.live_run() != Some(*run) || *action_id < self.next_action {
                    return Err(illegal());
                }
                self.next_action = action_id.next();
                self.words_came();
                let made_of = self.unacted.iter().find(|answer| {
                    matches!(&answer.settlement, Settlement::Edited { action: edited, .. }
                        if **edited == *action)
                });
                let made_of = made_of.and_then(|answer| answer.action_id);
                if judgement.stage == Stage::Grant && !self.grants.contains(digest) {
                    // What a person cleared after a denial is used up with this.
                    let used = self.cleared.iter().position(|answer| answer.digest == *digest);
                    used.map(|at| self.cleared.remove(at));
                }
                self.reviewed.insert(
                    *action_id,
                    Reviewed {
                        digest: digest.clone(),
                        subject: action.subject().chars().take(200).collect(),
                        allowed: judgement.verdict == Verdict::Allow,
                        made_of,
                        tool: action.tool().to_owned(),
                        denied: (judgement.verdict == Verdict::Deny
                            && judgement.clearance == Clearance::Person)
                            .then(|| judgement.rule.clone()),
                    },
                );
            }
            Event::ApprovalRequested { approval, .. } => {
                if self.live_run() != Some(approval.run)
                    || self.open.contains_key(&approval.id)
                    || self.settled.contains_key(&approval.id)
                {
                    return Err(illegal());
                }
                if approval.action.raise().is_some() {
                    if approval.action_id < self.next_action {
                        return Err(illegal());
                    }
                    // Nothing reviewed it, so nothing has taken its number yet.
                    self.next_action = approval.action_id.next();
                }
                self.refused.clear();
                self.resume = Some(approval.resume.clone());
                self.left = Left::Waiting;
                self.open.insert(approval.id.clone(), (**approval).clone());
            }
            Event::ApprovalDecided { approval, action_id, digest, settlement } => {
                let Some(asked) = self.open.remove(approval) else { return Err(illegal()) };
                match asked.action.raise() {
                    Some(_) => self.room_came(settlement),
                    None => self.answered(*action_id, digest, settlement),
                }
                self.settled.insert(approval.clone(), settlement.clone());
            }
            Event::BudgetRaised { .. } => {
                if self.open.values().all(|open| open.action.raise().is_none()) {
                    return Err(illegal());
                }
            }
            Event::ActionStarted { run, action_id, digest } => {
                let reviewed =
                    self.reviewed.get(action_id).filter(|reviewed| reviewed.digest == *digest);
                match (self.live_run(), reviewed) {
                    (Some(now), Some(reviewed)) if now == *run => {
                        let outcome = "was started; how it ended is not known";
                        let deed = Deed::new(&reviewed.tool, &reviewed.subject, outcome);
                        self.in_flight.insert(*action_id, reviewed.subject.clone());
                        self.remember(*action_id, deed);
                    }
                    _ => return Err(illegal()),
                }
                let made_of = self.reviewed.remove(action_id).and_then(|reviewed| reviewed.made_of);
                self.act_on(*action_id, digest, made_of);
                self.refused.clear();
                self.words = None;
                self.ever_acted = true;
            }
            Event::ActionFinished { action_id, result, .. } => {
                if self.in_flight.remove(action_id).is_none() {
                    return Err(illegal());
                }
                if let Some((_, deed)) = self.deeds.iter_mut().find(|(id, _)| id == action_id) {
                    deed.outcome = format!("ran, {}", result.ending.words());
                }
            }
            Event::ActionRefused { action_id, digest, denial, .. } => {
                let Some(reviewed) = self.reviewed.remove(action_id) else {
                    return Err(illegal());
                };
                let followed = self.act_on(*action_id, digest, reviewed.made_of);
                let outcome = match (&followed, &reviewed.denied) {
                    (Some(answer), _) => answer.settlement.words(),
                    (None, Some(rule)) => format!("refused by the gate ({rule})"),
                    (None, None) => "not carried out".to_owned(),
                };
                let deed = Deed::new(&reviewed.tool, &reviewed.subject, outcome);
                self.remember(*action_id, deed);
                if let Some(id) = denial {
                    let (action_id, digest) = (*action_id, digest.clone());
                    self.denials.push(Denial { id: id.clone(), action_id, digest });
                    let over = self.denials.len().saturating_sub(DENIALS);
                    self.denials.drain(..over);
                }
                self.refused.extend(followed.filter(|answer| !answer.settlement.approves()));
            }
            Event::ResultFlagged { run, found, .. } => {
                if self.reporting_run() != Some(*run) {
                    return Err(illegal());
                }
                self.suspect |= found.iter().any(|injection| injection.trick.is_suspect());
            }
            Event::DenialCleared { denial, action_id, digest, settlement } => {
                let Some(at) = self.denials.iter().position(|known| known.id == *denial) else {
                    return Err(illegal());
                };
                self.denials.remove(at);
                self.cleared.push(Answer {
                    action_id: Some(*action_id),
                    digest: digest.clone(),
                    settlement: settlement.clone(),
                });
                self.settled.insert(denial.clone(), settlement.clone());
            }
            Event::CancelRequested { by } => match self.phase {
                Phase::Preparing { run } | Phase::Running { run } => {
                    self.phase = Phase::Cancelling { run, by: by.to_string() };
                }
                Phase::Received | Phase::Queued | Phase::Suspended { .. } => {}
                Phase::Cancelling { .. } | Phase::Finishing { .. } | Phase::Finished { .. } => {
                    return Err(illegal());
                }
            },
            Event::RunSuspended { run } => match self.phase {
                Phase::Preparing { run: now } | Phase::Running { run: now } if now == *run => {
                    self.phase = Phase::Suspended { run: *run };
                }
                _ => return Err(illegal()),
            },
            Event::RunEnded { run, outcome, reason, resume } => {
                let fits = *run == self.run
                    && self.open.is_empty()
                    && !matches!(
                        self.phase,
                        Phase::Received | Phase::Finishing { .. } | Phase::Finished { .. }
                    );
                if !fits {
                    return Err(illegal());
                }
                self.in_flight.clear();
                self.reviewed.clear();
                self.unacted.clear();
                self.refused.clear();
                self.words = None;
                self.left = match (resume, outcome) {
                    (None, Outcome::Interrupted) => Left::Cut,
                    (None, _) if self.left == Left::Cut => Left::Cut,
                    _ => Left::Ended,
                };
                if resume.is_some() {
                    self.resume.clone_from(resume);
                }
                self.phase =
                    Phase::Finishing { run: *run, outcome: *outcome, reason: reason.clone() };
            }
            Event::ChangesCollected { run, changes, outbox } => match self.phase {
                Phase::Finishing { run: now, .. } if now == *run => {
                    self.changes = Some(changes.clone());
                    self.outbox.extend(outbox.iter().cloned());
                }
                _ => return Err(illegal()),
            },
            Event::TaskFinished { outcome, reason } => match self.phase {
                Phase::Finishing { .. } | Phase::Queued | Phase::Received => {
                    self.phase = Phase::Finished { outcome: *outcome, reason: reason.clone(), at };
                }
                _ => return Err(illegal()),
            },
            Event::ResumeRequested { .. } => match self.phase {
                Phase::Finished { outcome: Outcome::Interrupted, .. } => {}
                _ => return Err(illegal()),
            },
            Event::DeliveryRequested { how, .. } => match (&self.phase, &self.delivery) {
                (Phase::Finished { .. }, Delivery::NotAsked | Delivery::Done { .. }) => {
                    self.delivery = Delivery::Underway { how: *how };
                }
                _ => return Err(illegal()),
            },
            Event::DeliveryFinished { result } => match self.delivery {
                Delivery::Underway { .. } => {
                    self.delivery = Delivery::Done { result: result.clone() };
                }
                Delivery::NotAsked | Delivery::Done { .. } => return Err(illegal()),
            },
            // What a chat told people changes nothing about the task.
            Event::ChatNoted { .. } => {}
        }
        Ok(())
    }

    fn check_takes_words(&self) -> Result<(), ()> {
        match self.phase {
            Phase::Finishing { .. } | Phase::Cancelling { .. } => Err(()),
            Phase::Received
            | Phase::Queued
            | Phase::Suspended { .. }
            | Phase::Preparing { .. }
            | Phase::Running { .. }
            | Phase::Finished { .. } => Ok(()),
        }
    }

    /// A task that is over goes on unless its changes are on their way out of the workspace.
    pub(super) fn check_can_go_on(&self) -> Result<(), Refusal> {
        match (&self.phase, &self.delivery) {
            (Phase::Finished { .. }, Delivery::Underway { .. }) => {
                Err(self.wrong("its changes are being delivered; send it again when that is done"))
            }
            _ => Ok(()),
        }
    }

    /// Further messages of people, in order.
    #[must_use]
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The chat messages that the task and every further message came in.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.spec.origin.iter().chain(&self.message_origins)
    }

    /// Where the agent takes up its work.
    #[must_use]
    pub fn resume(&self) -> Option<&str> {
        self.resume.as_deref()
    }

    /// How often it went on after its end.
    #[must_use]
    pub fn went_on(&self) -> usize {
        self.went_on
    }

    /// How the run left off that said so.
    #[must_use]
    pub fn left(&self) -> Left {
        self.left
    }

    /// What the agent has asked, while it waits for somebody to write.
    #[must_use]
    pub fn awaits_words(&self) -> Option<&str> {
        match &self.words {
            Some(Words::Awaited { question }) => Some(question),
            Some(Words::Come) | None => None,
        }
    }

    /// Answers that no action has followed yet.
    #[must_use]
    pub fn unacted(&self) -> &[Answer] {
        &self.unacted
    }

    /// The run a worker has in hand, if one has.
    #[must_use]
    pub fn live_run(&self) -> Option<RunNumber> {
        match &self.phase {
            Phase::Preparing { run } | Phase::Running { run } | Phase::Cancelling { run, .. } => {
                Some(*run)
            }
            Phase::Received
            | Phase::Queued
            | Phase::Suspended { .. }
            | Phase::Finishing { .. }
            | Phase::Finished { .. } => None,
        }
    }

    pub(super) fn reporting_run(&self) -> Option<RunNumber> {
        match &self.phase {
            Phase::Finishing { run, .. } => Some(*run),
            _ => self.live_run(),
        }
    }

    fn remember(&mut self, id: ActionId, deed: Deed) {
        self.deeds.push((id, deed));
        let over = self.deeds.len().saturating_sub(deed::KEPT);
        self.deeds.drain(..over);
    }

    fn words_came(&mut self) {
        if self.words.is_some() {
            self.words = Some(Words::Come);
        }
    }

    /// A question about an action was settled.
    fn answered(&mut self, id: ActionId, digest: &ActionDigest, settlement: &Settlement) {
        match settlement {
            Settlement::Person { decision: Decision::ApproveForTask, .. }
                if !self.grants.contains(digest) =>
            {
                self.grants.push(digest.clone());
            }
            Settlement::Person { .. }
            | Settlement::Edited { .. }
            | Settlement::Expired
            | Settlement::Withdrawn => {}
        }
        if *settlement != Settlement::Withdrawn {
            self.unacted.push(Answer {
                action_id: Some(id),
                digest: digest.clone(),
                settlement: settlement.clone(),
            });
        }
    }

    /// A question about a budget was settled. Where there is room now, going on repeats nothing
    /// until something has run.
    fn room_came(&mut self, settlement: &Settlement) {
        if settlement.approves() && self.words.is_none() {
            self.words = Some(Words::Come);
        }
    }

    /// Whether the agent has what it had asked for, words or room in a budget, and nothing has run
    /// since.
    pub(super) fn has_words(&self) -> bool {
        self.words == Some(Words::Come)
    }

    pub(super) fn ever_acted(&self) -> bool {
        self.ever_acted
    }

    pub(super) fn is_in_flight(&self, id: ActionId) -> bool {
        self.in_flight.contains_key(&id)
    }

    pub(super) fn running_command(&self) -> Option<&str> {
        self.in_flight.values().next().map(String::as_str)
    }

    /// Takes away the answer that this action followed: the one that made it, its own, or else one
    /// about the same digest that an earlier run asked for. An answer that made another action of
    /// what was asked about is followed by that one alone.
    fn act_on(
        &mut self,
        id: ActionId,
        digest: &ActionDigest,
        made_of: Option<ActionId>,
    ) -> Option<Answer> {
        let at = |wanted: &dyn Fn(&Answer) -> bool| self.unacted.iter().position(wanted);
        let edits = |answer: &Answer| matches!(answer.settlement, Settlement::Edited { .. });
        let at = match made_of {
            Some(asked) => at(&|answer| edits(answer) && answer.action_id == Some(asked)),
            None => at(&|answer| !edits(answer) && answer.action_id == Some(id))
                .or_else(|| at(&|answer| !edits(answer) && answer.digest == *digest)),
        };
        at.map(|at| self.unacted.remove(at))
    }

    /// The answers that a run which takes up the work is given.
    pub(super) fn answers(&self) -> Vec<Answer> {
        self.unacted.iter().chain(&self.refused).cloned().collect()
    }

    pub(super) fn open_for(&self, id: ActionId) -> Option<&Approval> {
        self.open.values().find(|approval| approval.action_id == id)
    }

    /// How the task ends once its run has: as the run said, or as the person's stop says.
    pub(super) fn ending(&self) -> (Outcome, Reason) {
        match &self.phase {
            Phase::Finishing { outcome, reason, .. } | Phase::Finished { outcome, reason, .. } => {
                (*outcome, reason.clone())
            }
            Phase::Cancelling { by, .. } => {
                (Outcome::Cancelled, Reason::CancelledBy { by: by.clone() })
            }
            Phase::Received
            | Phase::Queued
            | Phase::Preparing { .. }
            | Phase::Running { .. }
            | Phase::Suspended { .. } => {
                (Outcome::Interrupted, Reason::GatepostEnded { during: None })
            }
        }
    }

    pub(super) fn wrong(&self, wanted: &'static str) -> Refusal {
        Refusal::WrongState { state: self.state(), wanted }
    }

    /// Only a running task reviews, asks and starts; one that is being stopped does not.
    pub(super) fn check_working(&self) -> Result<(), Refusal> {
        match self.phase {
            Phase::Running { .. } => Ok(()),
            _ => Err(self.wrong("only a running task acts")),
        }
    }

    /// Every number names one action or one question.
    pub(super) fn check_fresh(&self, id: ActionId) -> Result<(), Refusal> {
        if id < self.next_action {
            return Err(Refusal::ActionOutOfOrder("its number was used before"));
        }
        Ok(())
    }

    pub(super) fn check_reviewed(
        &self,
        id: ActionId,
        digest: &ActionDigest,
    ) -> Result<(), Refusal> {
        match self.reviewed.get(&id) {
            Some(reviewed) if reviewed.digest == *digest => Ok(()),
            Some(_) => Err(Refusal::ActionOutOfOrder("it is not what the gate reviewed")),
            None => Err(Refusal::ActionOutOfOrder("the gate has not reviewed it, or it started")),
        }
    }

    /// What the gate allowed may start; everything else needs an answer or a grant for its digest.
    pub(super) fn check_startable(
        &self,
        id: ActionId,
        digest: &ActionDigest,
    ) -> Result<(), Refusal> {
        let reviewed = self.reviewed.get(&id);
        let allowed = reviewed.is_some_and(|reviewed| reviewed.allowed);
        let made_of = reviewed.and_then(|reviewed| reviewed.made_of);
        // Still there, so nothing has followed it yet.
        let made = self.unacted.iter().any(|answer| {
            made_of.is_some()
                && answer.action_id == made_of
                && matches!(answer.settlement, Settlement::Edited { .. })
        });
        let answered = self
            .unacted
            .iter()
            .any(|answer| answer.digest == *digest && answer.settlement.approves());
        if allowed || answered || made || self.grants.contains(digest) {
            Ok(())
        } else {
            Err(Refusal::ActionOutOfOrder("neither the gate nor a person allowed it"))
        }
    }
}

impl State {
    /// The word in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Queued => "queued",
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::AwaitingApproval => "awaiting-approval",
            Self::AwaitingWords => "awaiting-words",
            Self::Cancelling => "cancelling",
            Self::Finishing => "finishing",
            Self::Finished => "finished",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
