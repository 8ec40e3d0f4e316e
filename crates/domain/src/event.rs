//! What happened: the closed list of events, and the record that the journal keeps of each.
//!
//! The tags and field names are the audit format: scripts read them and old journals must open, so
//! a variant or a field is added, never renamed or removed.

use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use crate::action::Action;
use crate::action::ActionDigest;
use crate::agent::ActionResult;
use crate::agent::AgentEvent;
use crate::agent::Gating;
use crate::approval::Approval;
use crate::approval::Settlement;
use crate::boundary::Boundary;
use crate::budget::Raise;
use crate::changes::ChangeSet;
use crate::changes::DeliveryKind;
use crate::changes::DeliveryResult;
use crate::chat::ChatNote;
use crate::chat::Origin;
use crate::egress::EgressEvent;
use crate::id::ActionId;
use crate::id::ApprovalId;
use crate::id::RunNumber;
use crate::id::TaskId;
use crate::injection::Injection;
use crate::message::Attachment;
use crate::message::OutboxFile;
use crate::message::Quoted;
use crate::outcome::Outcome;
use crate::outcome::Reason;
use crate::principal::Platform;
use crate::principal::Principal;
use crate::task::TaskSpec;
use crate::usage::Metered;
use crate::usage::VerdictCost;
use crate::verdict::Judgement;

/// One event with its place and time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its number in the journal, from 1, without gaps.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// The task it is about; none for events of Gatepost itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    /// Gatepost started and took the journal.
    HubStarted {
        /// Its version.
        version: String,
    },
    /// A task was handed over.
    TaskReceived {
        /// What was asked.
        spec: TaskSpec,
    },
    /// The task waits for its project to be free, for the first time or again; also when it was
    /// over and a person has it go on.
    TaskQueued {},
    /// A run began; its workspace is being prepared.
    RunStarted {
        /// Which run.
        run: RunNumber,
    },
    /// The sandbox stands and the agent works.
    RunReady {
        /// Which run.
        run: RunNumber,
        /// What the boundary consists of and what it lacks.
        sandbox: SandboxReport,
    },
    /// The agent said something of its work.
    AgentReported {
        /// Which run.
        run: RunNumber,
        /// What it said.
        event: AgentEvent,
    },
    /// A model call was made, and Gatepost counted what it used.
    ModelUsed {
        /// Which run.
        run: RunNumber,
        /// The count.
        metered: Metered,
    },
    /// The egress proxy saw a connection of the run, or refused one.
    Egress {
        /// Which run.
        run: RunNumber,
        /// What it saw.
        event: EgressEvent,
    },
    /// A person sent the task another message.
    MessageReceived {
        /// Their words.
        text: String,
        /// Who.
        by: Principal,
        /// The chat message it came in, if it came in one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
        /// What they quote.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        quoted: Vec<Quoted>,
        /// The files that came with it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<Attachment>,
    },
    /// A person set a boundary in words. It holds until it is lifted.
    BoundarySet {
        /// The boundary.
        boundary: Boundary,
    },
    /// A person lifted one.
    BoundaryLifted {
        /// The boundary.
        boundary: Boundary,
        /// The words that lift it.
        words: String,
        /// Who.
        by: Principal,
    },
    /// The gate reviewed an action.
    Verdict {
        /// Which run.
        run: RunNumber,
        /// Which action.
        action_id: ActionId,
        /// The action, whole.
        action: Action,
        /// What names it.
        digest: ActionDigest,
        /// What the gate said and why.
        #[serde(flatten)]
        judgement: Judgement,
        /// What asking the classifier took, where it was asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        weighed: Option<VerdictCost>,
    },
    /// A person is asked.
    ApprovalRequested {
        /// The digest that is asked about, for scripts that look for it at the top.
        digest: ActionDigest,
        /// The question.
        approval: Box<Approval>,
    },
    /// A question was settled, once and for all.
    ApprovalDecided {
        /// Which question.
        approval: ApprovalId,
        /// Which action.
        action_id: ActionId,
        /// What was asked about.
        digest: ActionDigest,
        /// How.
        settlement: Settlement,
    },
    /// A person let more be spent on models. The answer to the question about it follows.
    BudgetRaised {
        /// What may be spent from now on.
        raise: Raise,
        /// Who.
        by: Principal,
    },
    /// A cleared action is about to start; it is never started again by itself.
    ActionStarted {
        /// Which run.
        run: RunNumber,
        /// Which action.
        action_id: ActionId,
        /// What runs.
        digest: ActionDigest,
    },
    /// It ended.
    ActionFinished {
        /// Which run.
        run: RunNumber,
        /// Which action.
        action_id: ActionId,
        /// What ran.
        digest: ActionDigest,
        /// How it ended.
        result: ActionResult,
    },
    /// The agent was told no, and why; whatever was answered about the action is dealt with.
    ActionRefused {
        /// Which run.
        run: RunNumber,
        /// Which action.
        action_id: ActionId,
        /// What did not run.
        digest: ActionDigest,
        /// What the agent was told.
        reason: String,
        /// The id under which a person may clear it after all; none where nobody may.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        denial: Option<ApprovalId>,
    },
    /// A result was looked through before the agent reads it, and may be there to steer it. The
    /// run's actions are reviewed more closely from here on.
    ResultFlagged {
        /// Which run.
        run: RunNumber,
        /// The action whose result it is, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        action_id: Option<ActionId>,
        /// What was found.
        found: Vec<Injection>,
        /// Whether the agent reads it in a fence; otherwise it has read it as it was.
        fenced: bool,
    },
    /// A person has cleared a denial of the gate after all: that very action, once.
    DenialCleared {
        /// The denial, by the id that its [`Event::ActionRefused`] has.
        denial: ApprovalId,
        /// The action that was denied.
        action_id: ActionId,
        /// What may run.
        digest: ActionDigest,
        /// How.
        settlement: Settlement,
    },
    /// A person asked for the task to stop.
    CancelRequested {
        /// Who.
        by: Principal,
    },
    /// The agent has asked the people something and does nothing before they write.
    WordsAwaited {
        /// Which run.
        run: RunNumber,
        /// What it asks, in its own words.
        question: String,
        /// Where the agent takes up its work again if the run dies while it waits; opaque to all
        /// but the agent.
        resume: String,
    },
    /// The run died while a question was open or answered but not acted on; the task goes on with
    /// a new run from where it stood.
    RunSuspended {
        /// Which run.
        run: RunNumber,
    },
    /// The agent has stopped; its changes are being collected.
    RunEnded {
        /// Which run.
        run: RunNumber,
        /// How the task will end.
        outcome: Outcome,
        /// Why.
        reason: Reason,
        /// Where the agent takes up its work if the task goes on after its end; opaque to all but
        /// the agent. None where no agent was there to say it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<String>,
    },
    /// What the run changed.
    ChangesCollected {
        /// Which run.
        run: RunNumber,
        /// The changes.
        changes: ChangeSet,
        /// What it left in its outbox for the chat, and had not left there before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        outbox: Vec<OutboxFile>,
    },
    /// The task is over, until a person has it go on.
    TaskFinished {
        /// How.
        outcome: Outcome,
        /// Why.
        reason: Reason,
    },
    /// A person wants an interrupted task to go on where it was cut.
    ResumeRequested {
        /// Who.
        by: Principal,
    },
    /// A person asked for the changes.
    DeliveryRequested {
        /// How.
        how: DeliveryKind,
        /// Who.
        by: Principal,
    },
    /// What became of that.
    DeliveryFinished {
        /// What became of it.
        result: DeliveryResult,
    },
    /// A chat adapter must still know something after a crash.
    ChatNoted {
        /// Whose.
        platform: Platform,
        /// What.
        note: ChatNote,
    },
}

/// What the boundary of a run consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxReport {
    /// The tier: `full` or `reduced`.
    pub tier: String,
    /// The form of the workspace: `overlay` or `copy`.
    pub workspace: String,
    /// What is missing or weaker than it should be, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What can be reached over the network; nothing when it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// What holds the agent in it.
    #[serde(default, skip_serializing_if = "Gating::is_whole")]
    pub gating: Gating,
}

impl Event {
    /// The event's tag, as the journal has it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::HubStarted { .. } => "hub-started",
            Self::TaskReceived { .. } => "task-received",
            Self::TaskQueued {} => "task-queued",
            Self::RunStarted { .. } => "run-started",
            Self::RunReady { .. } => "run-ready",
            Self::AgentReported { .. } => "agent-reported",
            Self::ModelUsed { .. } => "model-used",
            Self::Egress { .. } => "egress",
            Self::MessageReceived { .. } => "message-received",
            Self::BoundarySet { .. } => "boundary-set",
            Self::BoundaryLifted { .. } => "boundary-lifted",
            Self::Verdict { .. } => "verdict",
            Self::ApprovalRequested { .. } => "approval-requested",
            Self::ApprovalDecided { .. } => "approval-decided",
            Self::BudgetRaised { .. } => "budget-raised",
            Self::ActionStarted { .. } => "action-started",
            Self::ActionFinished { .. } => "action-finished",
            Self::ActionRefused { .. } => "action-refused",
            Self::ResultFlagged { .. } => "result-flagged",
            Self::DenialCleared { .. } => "denial-cleared",
            Self::CancelRequested { .. } => "cancel-requested",
            Self::WordsAwaited { .. } => "words-awaited",
            Self::RunSuspended { .. } => "run-suspended",
            Self::RunEnded { .. } => "run-ended",
            Self::ChangesCollected { .. } => "changes-collected",
            Self::TaskFinished { .. } => "task-finished",
            Self::ResumeRequested { .. } => "resume-requested",
            Self::DeliveryRequested { .. } => "delivery-requested",
            Self::DeliveryFinished { .. } => "delivery-finished",
            Self::ChatNoted { .. } => "chat-noted",
        }
    }
}
