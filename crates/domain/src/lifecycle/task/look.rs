//! What a task says of itself to whoever looks at it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Delivery;
use super::Phase;
use super::State;
use super::Task;
use crate::action::ActionDigest;
use crate::approval::Approval;
use crate::approval::Settlement;
use crate::boundary::Boundary;
use crate::changes::ChangeSet;
use crate::deed::Deed;
use crate::dispatch::Answer;
use crate::dispatch::Sender;
use crate::id::ActionId;
use crate::id::ApprovalId;
use crate::id::RunNumber;
use crate::id::TaskId;
use crate::message::OutboxFile;
use crate::outcome::Outcome;
use crate::outcome::Reason;
use crate::task::TaskSpec;

impl Task {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// What was asked.
    #[must_use]
    pub fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    /// When it was handed over.
    #[must_use]
    pub fn received_at(&self) -> Timestamp {
        self.received_at
    }

    /// Where it is, with what belongs to that place.
    #[must_use]
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// The word for where it is.
    #[must_use]
    pub fn state(&self) -> State {
        match &self.phase {
            Phase::Received => State::Received,
            Phase::Queued => State::Queued,
            Phase::Preparing { .. } => State::Preparing,
            Phase::Running { .. } | Phase::Suspended { .. } if !self.open.is_empty() => {
                State::AwaitingApproval
            }
            Phase::Running { .. } | Phase::Suspended { .. } if self.awaits_words().is_some() => {
                State::AwaitingWords
            }
            Phase::Running { .. } => State::Running,
            Phase::Suspended { .. } => State::Queued,
            Phase::Cancelling { .. } => State::Cancelling,
            Phase::Finishing { .. } => State::Finishing,
            Phase::Finished { .. } => State::Finished,
        }
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn outcome(&self) -> Option<(Outcome, &Reason)> {
        match &self.phase {
            Phase::Finished { outcome, reason, .. } => Some((*outcome, reason)),
            _ => None,
        }
    }

    /// What it left in its outbox, over all its runs.
    #[must_use]
    pub fn outbox(&self) -> &[OutboxFile] {
        &self.outbox
    }

    /// The digest of every kept file that it names.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        let messages = self.messages.iter().flat_map(|message| &message.attachments);
        let sent = self.spec.attachments.iter().chain(messages).map(|file| file.sha256.as_str());
        let left = self.outbox.iter().map(|file| file.sha256.as_str());
        sent.chain(left).filter(|sha256| !sha256.is_empty())
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, Phase::Finished { .. })
    }

    /// Whether its project must not be written or run in by another task now.
    #[must_use]
    pub fn holds_project(&self) -> bool {
        match &self.phase {
            Phase::Received | Phase::Queued => false,
            Phase::Preparing { .. }
            | Phase::Running { .. }
            | Phase::Suspended { .. }
            | Phase::Cancelling { .. }
            | Phase::Finishing { .. } => true,
            Phase::Finished { .. } => matches!(self.delivery, Delivery::Underway { .. }),
        }
    }

    /// The latest run; 0 before the first.
    #[must_use]
    pub fn run(&self) -> RunNumber {
        self.run
    }

    /// The number the next reviewed action gets.
    #[must_use]
    pub fn next_action(&self) -> ActionId {
        self.next_action
    }

    /// Open questions by id.
    #[must_use]
    pub fn open(&self) -> &BTreeMap<ApprovalId, Approval> {
        &self.open
    }

    /// How a question was settled, if it was.
    #[must_use]
    pub fn settlement(&self, id: &ApprovalId) -> Option<&Settlement> {
        self.settled.get(id)
    }

    /// What the run changed, once it is collected.
    #[must_use]
    pub fn changes(&self) -> Option<&ChangeSet> {
        self.changes.as_ref()
    }

    /// What became of the changes.
    #[must_use]
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// Actions approved for the whole task.
    #[must_use]
    pub fn grants(&self) -> &[ActionDigest] {
        &self.grants
    }

    /// A denial of the gate that a person may still clear: the action it was about.
    #[must_use]
    pub fn denial(&self, id: &ApprovalId) -> Option<(ActionId, &ActionDigest)> {
        let denial = self.denials.iter().find(|denial| denial.id == *id)?;
        Some((denial.action_id, &denial.digest))
    }

    /// Denials that a person has cleared and no action has followed yet.
    #[must_use]
    pub fn cleared(&self) -> &[Answer] {
        &self.cleared
    }

    /// The latest actions that have begun or were refused, in order.
    #[must_use]
    pub fn deeds(&self) -> Vec<Deed> {
        self.deeds.iter().map(|(_, deed)| deed.clone()).collect()
    }

    /// Whether its agent has read what tried to steer it.
    #[must_use]
    pub fn is_suspect(&self) -> bool {
        self.suspect
    }

    /// Whether the gate has denied it in a way that a person may clear.
    pub(in crate::lifecycle) fn is_soft_denial(&self, id: ActionId) -> bool {
        self.reviewed.get(&id).is_some_and(|reviewed| reviewed.denied.is_some())
    }

    /// What people forbade in words and have not lifted.
    #[must_use]
    pub fn boundaries(&self) -> &[Boundary] {
        &self.boundaries
    }

    /// Where each further message came from. What an earlier version kept does not say so of all.
    #[must_use]
    pub fn senders(&self) -> Vec<Option<Sender>> {
        let unknown = self.messages.len().saturating_sub(self.senders.len());
        let known = self.senders.iter().cloned().map(Some);
        std::iter::repeat_n(None, unknown).chain(known).collect()
    }
}
