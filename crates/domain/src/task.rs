//! What a person asked for.

use serde::Deserialize;
use serde::Serialize;

use crate::chat::Origin;
use crate::id::TaskId;
use crate::message::Attachment;
use crate::message::Message;
use crate::message::Quoted;
use crate::mode::Mode;
use crate::principal::Principal;

/// The longest task text, in bytes. A longer one is refused at the door: no chat sends more, and
/// every copy of it would go through the journal.
pub const MAX_TASK_TEXT: usize = 64 * 1024;

/// What a person asked for, as it was handed over; it never changes afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSpec {
    /// The person's own words.
    pub text: String,
    /// Which project, by its configured name.
    pub project: String,
    /// The project's directory at that time, absolute.
    pub project_path: String,
    /// Which agent works on it, by its configured name.
    pub agent: String,
    /// How much is decided without a person.
    pub mode: Mode,
    /// Who asked.
    pub requester: Principal,
    /// The task this one runs again, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_of: Option<TaskId>,
    /// The chat message it came in, if it came in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What the person quotes: material without any authority.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quoted: Vec<Quoted>,
    /// The files that came with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

impl TaskSpec {
    /// What was asked, as one message like those that follow it.
    #[must_use]
    pub fn message(&self) -> Message {
        Message {
            text: self.text.clone(),
            quoted: self.quoted.clone(),
            attachments: self.attachments.clone(),
        }
    }
}
