//! What a chat adapter must remember: where a word came from, and what it told people.
//!
//! These facts are in the journal like everything else, so that a crash between a message and its
//! answer neither repeats nor loses either.

use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use crate::id::ApprovalId;
use crate::id::TaskId;
use crate::mode::Mode;
use crate::principal::Platform;
use crate::principal::Principal;
use crate::principal::Role;

/// The message that a task, or a word to one, came in. Two requests with one origin are one
/// request: platforms deliver a message again when its receipt was lost.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Which platform.
    pub platform: Platform,
    /// Its id of the chat.
    pub chat: String,
    /// Its id of the message, which holds within the chat.
    pub message: String,
}

/// Something an adapter must still know after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum ChatNote {
    /// A message is about to be sent. Without the [`ChatNote::Sent`] that follows nobody knows
    /// whether it arrived, and it is not sent a second time as if it had not.
    Sending {
        /// What the message is, among those of its task.
        key: String,
        /// The chat.
        chat: String,
    },
    /// It arrived.
    Sent {
        /// What the message is.
        key: String,
        /// The chat.
        chat: String,
        /// The platform's id of it.
        message: String,
    },
    /// A message of a task says what it will say for good: it need not be looked at after a restart.
    Final {
        /// Which message.
        key: String,
        /// Where.
        chat: String,
    },
    /// It was refused for good, so it did not arrive.
    NotSent {
        /// What the message is.
        key: String,
        /// The chat; empty in notes of earlier versions, which knew only the task's own.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        chat: String,
        /// Why.
        why: String,
    },
    /// Somebody who may do nothing here was told so.
    StrangerTold {
        /// Who.
        who: Principal,
    },
    /// Somebody may act from now on, beside those whom the configuration names.
    Joined {
        /// Who.
        who: Principal,
        /// What they may do.
        roles: Vec<Role>,
        /// Who let them in, in words.
        by: String,
    },
    /// Somebody who may do nothing here was given a code, so that whoever runs Gatepost can vouch for
    /// them.
    CodeGiven {
        /// Who.
        who: Principal,
        /// The code.
        code: String,
        /// It holds until then.
        until: Timestamp,
    },
    /// Whoever runs Gatepost vouches for the person who was given this code.
    CodeVouched {
        /// The code.
        code: String,
    },
    /// What tasks of a chat get that name nothing else. What is none is as configured.
    Preferred {
        /// The chat.
        chat: String,
        /// The project.
        project: Option<String>,
        /// The agent.
        agent: Option<String>,
        /// The mode.
        mode: Option<Mode>,
    },
    /// Somebody said when their chat does not ring, in minutes since midnight where they are; none
    /// when both are the same.
    Quiet {
        /// Who.
        who: Principal,
        /// When that begins.
        from: u16,
        /// When it ends.
        until: u16,
        /// Whether questions ring nevertheless.
        #[serde(default)]
        questions_ring: bool,
    },
    /// Open questions are about to be shown as one list, with one button that denies these and no
    /// others.
    Listed {
        /// The questions.
        approvals: Vec<ApprovalId>,
    },
    /// Where the latest list of open questions of a chat is. It lists nothing any more when all of
    /// them are settled and the message says so.
    ListShown {
        /// The chat.
        chat: String,
        /// The message.
        message: String,
        /// What it lists, in order.
        questions: Vec<(TaskId, ApprovalId)>,
        /// How many more there were.
        left_out: u64,
        /// Whether its button denies all of them.
        denies: bool,
    },
    /// A part of an album came, and its file is kept.
    AlbumPart {
        /// The chat.
        chat: String,
        /// What the platform calls the album.
        album: String,
        /// The part's message.
        message: String,
        /// The message in the adapter's own form, for when all parts are there.
        content: String,
    },
    /// An album was taken as one message, or refused as one.
    AlbumTaken {
        /// The chat.
        chat: String,
        /// What the platform calls the album.
        album: String,
        /// The message of its first part, by which it is known.
        message: String,
    },
    /// What answers a message in words waits to be sent. The message is taken again after a crash,
    /// which changes nothing, and answered by what is true then.
    AnswerOwed {
        /// The chat.
        chat: String,
        /// The message.
        message: String,
        /// The message in the adapter's own form.
        content: String,
    },
    /// The answer is about to go out, and is not owed any more.
    AnswerSent {
        /// The chat.
        chat: String,
        /// The message that it answers.
        message: String,
    },
    /// Somebody began to deny a question with a reason, which they have not said yet.
    DenialBegun {
        /// Who.
        who: Principal,
        /// In which chat.
        chat: String,
        /// Which question.
        approval: ApprovalId,
    },
    /// A chat goes on under another id.
    ChatMoved {
        /// Its old id.
        from: String,
        /// Its new one.
        to: String,
    },
    /// The admins are shown somebody who may do nothing here and wrote.
    Knocked {
        /// Who.
        who: Principal,
        /// What they call themselves; their own word, made harmless to show.
        name: String,
        /// When they wrote.
        at: Timestamp,
    },
    /// An admin wants to hear no more of somebody.
    Ignored {
        /// Of whom.
        who: Principal,
        /// Which admin.
        by: Principal,
    },
    /// A message is not run without another word from a person.
    Held {
        /// The chat.
        chat: String,
        /// The message.
        message: String,
        /// Who wrote it.
        who: Principal,
        /// When.
        at: Timestamp,
        /// Its words; or which files could not be fetched, and why.
        text: String,
        /// The message in the adapter's own form, for when it is run after all.
        content: String,
        /// Why it is held.
        #[serde(default)]
        why: HeldWhy,
    },
    /// What became of a held message.
    HeldSettled {
        /// The chat.
        chat: String,
        /// The message.
        message: String,
        /// What.
        how: HeldEnd,
        /// Who said so.
        by: Principal,
    },
}

/// Why a message is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeldWhy {
    /// It came too late; all that earlier versions held did.
    #[default]
    Late,
    /// It was spoken, and its words are those of a transcriber until whoever spoke says so.
    Spoken,
    /// A file of it could not be fetched from the platform.
    Unfetched,
    /// It belongs to an album that was taken, or held, before it came.
    Apart,
}

/// What becomes of a message that was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeldEnd {
    /// It is taken after all.
    Run,
    /// It is not.
    Dropped,
}

impl ChatNote {
    /// In a few words, for whoever reads the journal.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Sending { key, chat } => format!("sending {key} to {chat}"),
            Self::Sent { key, chat, message } => format!("sent {key} to {chat} as {message}"),
            Self::NotSent { key, chat, why } => match chat.as_str() {
                "" => format!("{key} was not sent: {why}"),
                chat => format!("{key} was not sent to {chat}: {why}"),
            },
            Self::Final { key, chat } => format!("{key} in {chat} says how it ended"),
            Self::StrangerTold { who } => format!("told {who} that they may do nothing here"),
            Self::Joined { who, roles, by } => {
                let roles: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
                format!("{who} joined as {}, let in by {by}", roles.join(", "))
            }
            // The code itself is a secret for an hour, and worth nothing afterwards.
            Self::CodeGiven { who, code: _, until } => {
                format!("{who} was given a pairing code that holds until {until}")
            }
            Self::CodeVouched { code: _ } => "a pairing code was vouched for".into(),
            Self::Preferred { chat, project, agent, mode } => {
                let or = |given: &Option<String>| given.clone().unwrap_or("as configured".into());
                let mode = mode.map(|mode| mode.to_string());
                format!(
                    "chat {chat} uses project {}, agent {}, mode {}",
                    or(project),
                    or(agent),
                    or(&mode)
                )
            }
            Self::Quiet { who, from, until, .. } if from == until => {
                format!("{who} has no quiet hours")
            }
            Self::Quiet { who, from, until, questions_ring } => {
                let but = if *questions_ring { ", but questions ring" } else { "" };
                let clock = |minutes: &u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
                format!("{who} is not rung from {} to {}{but}", clock(from), clock(until))
            }
            Self::Listed { approvals } => format!("a list of {} open questions", approvals.len()),
            Self::ListShown { chat, message, questions, .. } => {
                format!("message {message} of chat {chat} lists {} open questions", questions.len())
            }
            Self::AlbumPart { chat, album, message, content: _ } => {
                format!("message {message} of chat {chat} is a part of album {album}")
            }
            Self::AlbumTaken { chat, album, message } => {
                format!("album {album} of chat {chat} was taken as message {message}")
            }
            Self::AnswerOwed { chat, message, content: _ } => {
                format!("an answer to message {message} of chat {chat} waits to be sent")
            }
            Self::AnswerSent { chat, message } => {
                format!("message {message} of chat {chat} is being answered")
            }
            Self::DenialBegun { who, chat, approval } => {
                format!("{who} began to deny question {approval} in chat {chat}")
            }
            Self::ChatMoved { from, to } => format!("chat {from} is now {to}"),
            Self::Knocked { who, name, at: _ } => {
                format!("the admins are asked about {who}, who calls itself `{name}`")
            }
            Self::Ignored { who, by } => format!("{by} wants to hear no more of {who}"),
            Self::Held { chat, message, who, at, text: _, content: _, why } => {
                let why = match why {
                    HeldWhy::Late => "",
                    HeldWhy::Spoken => ", for it was spoken",
                    HeldWhy::Unfetched => ", for a file of it could not be fetched",
                    HeldWhy::Apart => ", for its album was taken without it",
                };
                format!("message {message} of chat {chat} by {who} from {at} is held{why}")
            }
            Self::HeldSettled { chat, message, how, by } => {
                let how = match how {
                    HeldEnd::Run => "taken after all",
                    HeldEnd::Dropped => "dropped",
                };
                format!("message {message} of chat {chat} was {how} by {by}")
            }
        }
    }
}
