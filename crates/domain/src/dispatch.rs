//! What the hub and a worker say to each other about a run.

use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use crate::action::Action;
use crate::action::ActionDigest;
use crate::action::BoundFile;
use crate::agent::ActionResult;
use crate::agent::AgentEvent;
use crate::approval::Form;
use crate::approval::Settlement;
use crate::boundary::Boundary;
use crate::budget::Raise;
use crate::changes::ChangeSet;
use crate::changes::DeliveryKind;
use crate::changes::DeliveryResult;
use crate::deed::Deed;
use crate::egress::EgressEvent;
use crate::event::SandboxReport;
use crate::id::ActionId;
use crate::id::RunNumber;
use crate::id::TaskId;
use crate::injection::Injection;
use crate::message::Message;
use crate::message::OutboxFile;
use crate::outcome::Outcome;
use crate::outcome::Reason;
use crate::principal::Principal;
use crate::task::TaskSpec;
use crate::usage::Metered;
use crate::usage::VerdictCost;
use crate::verdict::Judgement;

/// Everything a worker needs to begin or take up a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The task.
    pub task: TaskId,
    /// The run; reports of any other run of the task are refused.
    pub run: RunNumber,
    /// What was asked.
    pub spec: TaskSpec,
    /// Every further message of people so far, in order; `resume` knows which were begun on.
    pub messages: Vec<Message>,
    /// Where each of those came from, as far as it is known; as many as there are messages.
    #[serde(default)]
    pub senders: Vec<Option<Sender>>,
    /// When the task was handed over.
    #[serde(default)]
    pub asked_at: Option<Timestamp>,
    /// The boundaries in force.
    #[serde(default)]
    pub boundaries: Vec<Boundary>,
    /// The number for the run's first action.
    pub next_action: ActionId,
    /// Where the agent takes up its work, if there was an earlier run of the task.
    pub resume: Option<String>,
    /// How that earlier run left off there.
    #[serde(default)]
    pub left: Left,
    /// Answers to questions of that earlier run; each holds for one action with that digest.
    pub answers: Vec<Answer>,
    /// Actions approved for the whole task.
    pub grants: Vec<ActionDigest>,
    /// Denials of the gate that a person has cleared and no action has followed yet; each holds
    /// for one action with that digest.
    #[serde(default)]
    pub cleared: Vec<Answer>,
    /// The latest actions of earlier runs, in order, with what became of them.
    #[serde(default)]
    pub deeds: Vec<Deed>,
    /// Whether an earlier run of the task has read what tried to steer its agent.
    #[serde(default)]
    pub suspect: bool,
}

/// How an earlier run of a task left off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Left {
    /// It was cut off while people were asked: what is open there is proposed again first.
    #[default]
    Waiting,
    /// It ended, and what is open there is over with it: the task goes on with what people have
    /// said since.
    Ended,
    /// Gatepost ended while it worked, and nobody knows what the last thing it did has done. A
    /// person wants it to go on.
    Cut,
}

/// Where a message came from. Gatepost sets it; no word of the message has a say in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// Who sent it.
    pub by: Principal,
    /// When it was recorded.
    pub at: Timestamp,
    /// The platform's id of the chat it came in, if it came in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<String>,
}

/// A person's answer for one digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The action it was asked about; two questions may be about the same digest. None in what an
    /// earlier version kept.
    #[serde(default)]
    pub action_id: Option<ActionId>,
    /// What was asked about.
    pub digest: ActionDigest,
    /// How it was settled.
    pub settlement: Settlement,
}

/// What the hub tells a worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum ToWorker {
    /// Begin a run.
    Start {
        /// The run.
        assignment: Box<Assignment>,
    },
    /// A question of the run was settled.
    Settled {
        /// The task.
        task: TaskId,
        /// The run.
        run: RunNumber,
        /// The action that was asked about.
        action_id: ActionId,
        /// How.
        settlement: Settlement,
    },
    /// A person let more be spent on models, by the task or by all in one day.
    Raise {
        /// The task that asked for it.
        task: TaskId,
        /// What may be spent from now on.
        raise: Raise,
    },
    /// A person has cleared a denial of the gate: exactly that action may run once.
    Cleared {
        /// The task.
        task: TaskId,
        /// The run.
        run: RunNumber,
        /// The action that was denied.
        action_id: ActionId,
        /// What may run.
        digest: ActionDigest,
        /// How it was settled.
        settlement: Settlement,
    },
    /// A person sent the running task another message.
    Message {
        /// The task.
        task: TaskId,
        /// The run.
        run: RunNumber,
        /// What they sent.
        message: Message,
        /// Where it came from.
        #[serde(default)]
        sender: Option<Sender>,
        /// The boundaries in force with it.
        #[serde(default)]
        boundaries: Vec<Boundary>,
    },
    /// Stop the run: kill what runs, collect what it changed, report.
    Cancel {
        /// The task.
        task: TaskId,
        /// The run.
        run: RunNumber,
    },
    /// Collect what a run changed that died before it could report so.
    Collect {
        /// The task.
        task: TaskId,
        /// The run.
        run: RunNumber,
        /// What was asked, for the project's path.
        spec: Box<TaskSpec>,
    },
    /// Deliver the changes of a finished task.
    Deliver {
        /// The task.
        task: TaskId,
        /// What was asked, for the project's path and the branch's message.
        spec: Box<TaskSpec>,
        /// The changes as they were collected and shown.
        changes: Box<ChangeSet>,
        /// How.
        how: DeliveryKind,
    },
}

/// What a worker reports of a run; the hub checks each against the life cycle and records it
/// before the worker goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum Report {
    /// The sandbox stands.
    Ready {
        /// What it consists of.
        sandbox: SandboxReport,
    },
    /// The agent said something.
    AgentReported {
        /// What.
        event: AgentEvent,
    },
    /// A model call was made, and Gatepost counted what it used.
    Metered {
        /// The count.
        metered: Metered,
    },
    /// The egress proxy saw or refused a connection.
    Egress {
        /// What it saw.
        event: EgressEvent,
    },
    /// The gate reviewed an action.
    Verdict {
        /// Which action.
        action_id: ActionId,
        /// The action.
        action: Action,
        /// What names it.
        digest: ActionDigest,
        /// What the gate said.
        judgement: Judgement,
        /// What asking the classifier took, where it was asked.
        #[serde(default)]
        weighed: Option<VerdictCost>,
    },
    /// A person must be asked: about an action that was reviewed, or, without a review, about a
    /// spent budget.
    Ask {
        /// Which action.
        action_id: ActionId,
        /// The action.
        action: Action,
        /// What names it.
        digest: ActionDigest,
        /// The files whose bytes the digest binds.
        bound: Vec<BoundFile>,
        /// What a proposed file would change, as a unified diff.
        #[serde(default)]
        diff: Option<String>,
        /// Whether a person may answer with another form of it.
        #[serde(default)]
        form: Form,
        /// Why.
        judgement: Judgement,
        /// Where the agent takes up its work if the run dies while it waits.
        resume: String,
    },
    /// The agent has asked the people something and waits for their words.
    AwaitWords {
        /// What it asks.
        question: String,
        /// Where the agent takes up its work if the run dies while it waits.
        resume: String,
    },
    /// The agent gave up on its question.
    Withdraw {
        /// Which action.
        action_id: ActionId,
    },
    /// A cleared action is about to start.
    ActionStarted {
        /// Which.
        action_id: ActionId,
        /// What.
        digest: ActionDigest,
    },
    /// It ended.
    ActionFinished {
        /// Which.
        action_id: ActionId,
        /// What.
        digest: ActionDigest,
        /// How.
        result: ActionResult,
    },
    /// The agent is told no.
    ActionRefused {
        /// Which.
        action_id: ActionId,
        /// What.
        digest: ActionDigest,
        /// Why.
        reason: String,
    },
    /// A result was looked through before the agent reads it, and may be there to steer it.
    Flagged {
        /// The action whose result it is, where that is known.
        action_id: Option<ActionId>,
        /// What was found.
        found: Vec<Injection>,
        /// Whether the agent reads it in a fence.
        fenced: bool,
    },
    /// The agent stopped.
    Ended {
        /// How the task ends.
        outcome: Outcome,
        /// Why.
        reason: Reason,
        /// Where the agent takes up its work if the task goes on; none where no agent was there.
        #[serde(default)]
        resume: Option<String>,
    },
    /// What the run changed; the last report of a run.
    Changes {
        /// The changes.
        changes: ChangeSet,
        /// What it left in its outbox.
        #[serde(default)]
        outbox: Vec<OutboxFile>,
    },
    /// What became of a delivery.
    Delivered {
        /// What.
        result: DeliveryResult,
    },
}
