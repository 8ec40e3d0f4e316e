//! An action of a task that is over, as whoever judges the next one is told of it.

use serde::Deserialize;
use serde::Serialize;

/// So many characters of what it acted on are kept: what it was, not all that it held.
pub const SUBJECT: usize = 200;

/// So many of the latest actions of a task are kept for a run that takes it up.
pub const KEPT: usize = 40;

/// An action of the task so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// The tool.
    pub tool: String,
    /// What it acted on, cut.
    pub subject: String,
    /// What became of it, in Gatepost's words: `ran, exit 0`, `refused by the gate (push)`.
    pub outcome: String,
}

impl Deed {
    /// What became of an action.
    #[must_use]
    pub fn new(tool: &str, subject: &str, outcome: impl Into<String>) -> Self {
        let subject = subject.chars().take(SUBJECT).collect();
        Self { tool: tool.to_owned(), subject, outcome: outcome.into() }
    }
}
