//! What comes in, as the desk takes it: what was said or pressed, by whom, where.

use std::fmt;

use gatepost_domain::Attachment;
use gatepost_domain::message::Quoted;
use gatepost_domain::mode::Mode;
use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use crate::place::Chat;
use crate::place::MessageId;
use crate::place::Place;
use crate::place::ThreadId;

/// Something came in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are messages, and few wait")]
pub enum Inbound {
    /// Somebody said something.
    Said(Said),
    /// Somebody changed what they had said.
    Edited {
        /// Where.
        place: Place,
        /// Which message.
        message: MessageId,
        /// Who.
        from: u64,
    },
    /// Somebody pressed a button.
    Pressed(Pressed),
    /// Somebody fills in a command and wants to know what fits.
    Suggest(Suggest),
    /// A group goes on under another id.
    Moved {
        /// Its old one.
        from: Chat,
        /// Its new one.
        to: Chat,
    },
    /// A thread is gone, with everything that was said in it.
    ThreadGone {
        /// The chat.
        chat: Chat,
        /// The thread.
        thread: ThreadId,
    },
    /// Somebody belongs to these groups of people now, by the platform's numbers, and to no others.
    Belongs {
        /// Who.
        who: u64,
        /// The groups.
        groups: Vec<u64>,
    },
    /// A person who had shut the bot out lets it write again.
    Reachable(Chat),
    /// Everything that waited has been taken.
    CaughtUp(Gap),
    /// Nothing for Gatepost.
    Other,
}

/// What somebody said. It can be kept, for when it is taken later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Where.
    pub place: Place,
    /// Which message it is.
    pub message: MessageId,
    /// Who, by the platform's number of them.
    pub from: u64,
    /// What they call themselves, which proves nothing.
    pub name: String,
    /// When.
    pub at: Timestamp,
    /// Whether it waited for somebody to listen; see [`crate::intake::Delivered`].
    #[serde(skip)]
    pub late: bool,
    /// Text or caption. A command that the platform reads itself is written out, as `/status ID`.
    pub text: String,
    /// What a command of the platform's own names beside its text.
    #[serde(default, skip_serializing_if = "Chosen::is_empty")]
    pub chosen: Chosen,
    /// Whom the text speaks to, where it says so.
    #[serde(default)]
    pub called: Called,
    /// Files that wait to be fetched.
    #[serde(default)]
    pub files: Vec<Waiting>,
    /// Files that were fetched and are kept.
    #[serde(default)]
    pub attachments: Vec<Attachment>,
    /// What several messages with a file each have in common when they were sent as one.
    #[serde(default)]
    pub album: Option<String>,
    /// Whether it is a sticker, a place or the like, which nobody can work on.
    #[serde(default)]
    pub odd: bool,
    /// Whether the words are somebody else's.
    pub forwarded: bool,
    /// What answers whoever said it and nobody else, where the platform waits for that.
    #[serde(skip)]
    pub aside: Option<PressId>,
    /// What it answers.
    pub reply: Option<Reply>,
}

/// What a command names in fields of its own; it outranks what its text names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chosen {
    /// The project.
    pub project: Option<String>,
    /// The agent.
    pub agent: Option<String>,
    /// The mode.
    pub mode: Option<Mode>,
}

/// Whom a text speaks to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Called {
    /// The platform marked nothing in the text, so the words themselves must say it.
    #[default]
    Unmarked,
    /// These names, without `@`, and these numbers are marked as called.
    Marked {
        /// Names.
        names: Vec<String>,
        /// Numbers.
        ids: Vec<u64>,
    },
    /// Everything that is said in this place is for the bot.
    Bound,
}

/// A file that waits at the platform. Everything but its id is the sender's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What it is asked for by.
    pub id: String,
    /// Its name, as it came.
    pub name: String,
    /// Its size in bytes, where it is known.
    pub size: Option<u64>,
    /// What kind of file it is said to be.
    pub media_type: Option<String>,
    /// How long it speaks, for a voice note, in seconds.
    pub voice: Option<u32>,
}

/// What something is a reply to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The message; 0 where it is none of this chat.
    pub message: MessageId,
    /// The author's number.
    pub author: Option<u64>,
    /// The words, as material for what is asked now.
    pub quoted: Option<Quoted>,
    /// Whether the passage was picked out, and is not just the message that is answered.
    #[serde(default)]
    pub picked: bool,
    /// The files of the message that is answered.
    #[serde(default)]
    pub files: Vec<Waiting>,
    /// What a button under the message that is answered carries, where it has one.
    #[serde(default)]
    pub button: Option<String>,
}

/// What a platform wants back with the answer to a press. It may be a secret for as long as the
/// press can be answered, so its debug form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct PressId(pub String);

/// A press on a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pressed {
    /// What answers it.
    pub id: PressId,
    /// Who.
    pub from: u64,
    /// What the button carries, [`crate::surface::Key::data`].
    pub data: String,
    /// The message with the button, where the platform says.
    pub message: Option<(Place, MessageId)>,
    /// What was written into the button's form, [`crate::surface::Key::form`].
    pub words: Option<String>,
}

/// Which field of a command is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// A project.
    Project,
    /// An agent.
    Agent,
    /// A task, by its id.
    Task,
}

/// Somebody fills in a command and wants to know what fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggest {
    /// What answers it.
    pub id: PressId,
    /// Who.
    pub from: u64,
    /// What is filled in.
    pub field: Field,
    /// What of it is written.
    pub begun: String,
}

/// A time in which nobody listened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// When somebody last did; none when that is not known.
    pub from: Option<Timestamp>,
    /// When somebody did again.
    pub to: Timestamp,
    /// Whether Gatepost was not running, or only did not reach the platform.
    pub down: bool,
}

impl Said {
    /// Whether it is a voice note that was not listened to yet.
    #[must_use]
    pub fn is_spoken(&self) -> bool {
        self.files.iter().any(|file| file.voice.is_some())
    }
}

impl Chosen {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Debug for PressId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PressId(…)")
    }
}
