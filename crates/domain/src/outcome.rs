//! How a task or a run ended, and why, as enums.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

/// How a task ended. Every task has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The agent finished its work.
    Succeeded,
    /// A step or the agent failed.
    Failed,
    /// The run stopped at something the gate or a person refused.
    Denied,
    /// A person stopped it.
    Cancelled,
    /// The run died with Gatepost; what its last action did is not known.
    Interrupted,
    /// The worker that had it never came back.
    Lost,
}

/// Why it ended so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum Reason {
    /// The agent said it was done.
    Completed,
    /// A step exited with a status other than 0.
    StepFailed {
        /// The step's command.
        command: String,
        /// How it ended, in words such as `exit 1` or `killed by signal 9`.
        how: String,
    },
    /// The gate refused and nobody may clear it, or the agent could not go on without it.
    RefusedByGate {
        /// The gate's reason.
        reason: String,
    },
    /// A person said no.
    DeniedByPerson {
        /// Who, as `platform:id`.
        by: String,
        /// Their words, if they gave any.
        reason: Option<String>,
    },
    /// Nobody answered in time.
    ApprovalExpired,
    /// A person stopped the task.
    CancelledBy {
        /// Who, as `platform:id`.
        by: String,
    },
    /// The message held nothing the agent could act on; the text is its answer.
    NothingToDo {
        /// What the agent answered.
        answer: String,
    },
    /// The agent itself broke.
    AgentFailed {
        /// What went wrong.
        detail: String,
    },
    /// The sandbox or the workspace could not be made, or broke; nothing ran bare.
    SandboxFailed {
        /// What went wrong and what mends it.
        detail: String,
    },
    /// Gatepost ended while the run was working.
    GatepostEnded {
        /// The command that was running, if one was.
        during: Option<String>,
    },
    /// A limit of the task was reached.
    LimitReached {
        /// Which one.
        limit: String,
    },
}

impl Outcome {
    /// The word in the API and on cards.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Denied => "denied",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Completed => f.write_str("the agent finished its work"),
            Self::StepFailed { command, how } => write!(f, "`{command}` ended with {how}"),
            Self::RefusedByGate { reason } => write!(f, "the gate refused: {reason}"),
            Self::DeniedByPerson { by, reason: Some(reason) } => {
                write!(f, "denied by {by}: {reason}")
            }
            Self::DeniedByPerson { by, reason: None } => write!(f, "denied by {by}"),
            Self::ApprovalExpired => f.write_str("nobody answered in time, so it was denied"),
            Self::CancelledBy { by } => write!(f, "stopped by {by}"),
            Self::NothingToDo { answer } => f.write_str(answer),
            Self::AgentFailed { detail } => write!(f, "the agent failed: {detail}"),
            Self::SandboxFailed { detail } => write!(f, "the sandbox failed: {detail}"),
            Self::GatepostEnded { during: Some(command) } => {
                write!(f, "gatepost ended while `{command}` was running; what it did is not known")
            }
            Self::GatepostEnded { during: None } => f.write_str("gatepost ended during the run"),
            Self::LimitReached { limit } => write!(f, "a limit was reached: {limit}"),
        }
    }
}
