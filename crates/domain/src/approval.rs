//! A pending question to people, and their answer.

use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use crate::action::Action;
use crate::action::ActionDigest;
use crate::action::BoundFile;
use crate::id::ActionId;
use crate::id::ApprovalId;
use crate::id::RunNumber;
use crate::principal::Principal;
use crate::verdict::Judgement;

/// A question to people, bound to one digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its id, which is also the token on its buttons.
    pub id: ApprovalId,
    /// The run that asks.
    pub run: RunNumber,
    /// The action it is about.
    pub action_id: ActionId,
    /// What exactly would run.
    pub digest: ActionDigest,
    /// The action, whole.
    pub action: Action,
    /// The files whose bytes the digest binds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bound: Vec<BoundFile>,
    /// What a proposed file would change, as a unified diff against the file as it was when this
    /// was asked; none where there is nothing to compare, or too much of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diff: Option<String>,
    /// Whether a person may answer with another form of the action.
    #[serde(default, skip_serializing_if = "Form::is_fixed")]
    pub form: Form,
    /// Why a person is asked.
    pub judgement: Judgement,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When it is denied by itself.
    pub expires_at: Timestamp,
    /// Where the agent takes up its work again if the run dies while it waits; opaque to all but
    /// the agent.
    pub resume: String,
}

/// Whether whoever proposed an action can be handed another form of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// No: it is carried out as it was proposed, or not at all.
    #[default]
    Fixed,
    /// Yes.
    Editable,
}

impl Form {
    fn is_fixed(&self) -> bool {
        *self == Self::Fixed
    }
}

/// A person's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Run this one action, once.
    Approve,
    /// Run it, and the very same action again in this task without asking.
    ApproveForTask,
    /// Do not run it.
    Deny,
}

/// How a question was settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "by")]
pub enum Settlement {
    /// A person answered.
    Person {
        /// Who.
        who: Principal,
        /// What.
        decision: Decision,
        /// Their words to the agent, with a denial.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A person changed the action and lets what they made of it run, once. The gate reviews that by
    /// itself, and what was asked about does not run.
    Edited {
        /// Who.
        who: Principal,
        /// What they made of it, whole.
        action: Box<Action>,
    },
    /// Nobody answered in time, so it was denied.
    Expired,
    /// The question went away: the task was stopped, or the agent gave up on it.
    Withdrawn,
}

impl Settlement {
    /// Whether the action may run as it was asked about.
    #[must_use]
    pub fn approves(&self) -> bool {
        match self {
            Self::Person { decision, .. } => match decision {
                Decision::Approve | Decision::ApproveForTask => true,
                Decision::Deny => false,
            },
            Self::Edited { .. } | Self::Expired | Self::Withdrawn => false,
        }
    }

    /// Whether a person let something run, in whichever form.
    #[must_use]
    pub fn consents(&self) -> bool {
        self.approves() || matches!(self, Self::Edited { .. })
    }

    /// In words, for a card that was answered before: `approved by console:owner`.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Person { who, decision, reason } => {
                let what = match decision {
                    Decision::Approve => "approved",
                    Decision::ApproveForTask => "approved for this task",
                    Decision::Deny => "denied",
                };
                match reason {
                    Some(reason) => format!("{what} by {who}: {reason}"),
                    None => format!("{what} by {who}"),
                }
            }
            Self::Edited { who, .. } => format!("approved, edited by {who}"),
            Self::Expired => "expired, not run".into(),
            Self::Withdrawn => "withdrawn, not run".into(),
        }
    }
}

impl Decision {
    /// The word in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::ApproveForTask => "approve-for-task",
            Self::Deny => "deny",
        }
    }
}
