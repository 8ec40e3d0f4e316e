//! What an agent reports of its work, the same for every agent, and how an action ended.

use serde::Deserialize;
use serde::Serialize;

/// How much of a command's output the journal keeps at each end, in bytes.
pub const KEPT_OUTPUT: usize = 8 * 1024;

/// Something an agent said of its work. It is shown, never believed: no verdict and no summary
/// rests on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum AgentEvent {
    /// Text for the person.
    Text {
        /// The words.
        text: String,
    },
    /// What it means to do, as a list.
    Plan {
        /// The entries in order.
        entries: Vec<String>,
    },
    /// Where it is in its work.
    Progress {
        /// Steps done.
        done: u32,
        /// Steps in all, as far as known.
        total: u32,
    },
    /// What it has used so far.
    Usage {
        /// Tokens read.
        input_tokens: u64,
        /// Tokens written.
        output_tokens: u64,
    },
    /// It did something without having asked. The sandbox held it, and nothing reviewed it. This
    /// much is believed, as nobody says it to their own good.
    Unasked {
        /// What, in few words.
        what: String,
    },
    /// A protocol event that this version does not know, kept as it came.
    Other {
        /// The raw text.
        raw: String,
    },
}

/// What holds an agent to what the gate says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gating {
    /// It is known to ask before each of its actions, and waits for the answer.
    #[default]
    EveryAction,
    /// It may act without asking: the sandbox alone holds it.
    SandboxOnly,
}

impl Gating {
    /// What people must know of it, wherever its work is shown.
    #[must_use]
    pub fn warning(self) -> Option<&'static str> {
        match self {
            Self::EveryAction => None,
            Self::SandboxOnly => Some(
                "this agent may act without asking: not all it does is reviewed, and the sandbox \
                 alone holds it",
            ),
        }
    }

    /// Whether it is what nobody needs to be told of.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Self::EveryAction
    }
}

/// How a cleared action ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionResult {
    /// The way it ended.
    pub ending: Ending,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The first bytes of its output, as text; at most [`KEPT_OUTPUT`].
    #[serde(default)]
    pub head: String,
    /// The last bytes of its output, when it was longer.
    #[serde(default)]
    pub tail: String,
    /// How many bytes between head and tail were dropped.
    #[serde(default)]
    pub dropped: u64,
}

/// The ways an action ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum Ending {
    /// It exited by itself.
    Exited {
        /// Its status; 0 is success.
        code: i32,
    },
    /// A signal ended it.
    Killed {
        /// Which.
        signal: i32,
    },
    /// It ended, and its agent does not tell how.
    Untold,
    /// It ran out of its time and was killed.
    TimedOut,
    /// The task used up what it may have of something, and its actions were killed.
    OverLimit {
        /// What it was, with the limit.
        detail: String,
    },
    /// A person stopped the task and it was killed.
    Stopped,
    /// The agent or the run ended before anybody told how it went on.
    CutOff,
    /// It could not be started or the sandbox broke under it.
    Broken {
        /// What went wrong.
        detail: String,
    },
}

impl Ending {
    /// Whether it did what it set out to do.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Exited { code: 0 })
    }

    /// In words: `exit 1`, `killed by signal 9`.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Exited { code } => format!("exit {code}"),
            Self::Killed { signal } => format!("killed by signal {signal}"),
            Self::Untold => "ended; the agent does not tell how".into(),
            Self::TimedOut => "killed at its time limit".into(),
            Self::OverLimit { detail } => format!("killed: {detail}"),
            Self::Stopped => "stopped".into(),
            Self::CutOff => "cut off; what it did is not known".into(),
            Self::Broken { detail } => format!("could not run: {detail}"),
        }
    }
}
