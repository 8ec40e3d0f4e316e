//! The seam to a platform: what the desk wants done there, and what the platform is like.
//!
//! A surface carries out one call at a time and says truthfully what came of it. It decides nothing:
//! not what is said, not to whom, and not whether it is tried again, except where doing a thing twice
//! is doing it once and somebody waits for it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use gatepost_chat::outbox::Pace;
use gatepost_chat::rich::Rich;
use gatepost_domain::principal::Platform;
use jiff::SignedDuration;

use crate::inbound::PressId;
use crate::inbound::Waiting;
use crate::place::Chat;
use crate::place::MessageId;
use crate::place::ThreadId;

/// What became of a call.
pub type Done<T> = Result<T, Trouble>;

/// What becomes of a call, later. It borrows nothing: calls are carried out on the side.
pub type Doing<T> = Pin<Box<dyn Future<Output = Done<T>> + Send>>;

/// A platform, as the desk writes to it.
pub trait Surface: Send + Sync + 'static {
    /// Sends a message; which one it is.
    fn send(&self, to: To, text: Rich, under: Under) -> Doing<MessageId>;

    /// Changes a message. An edit with [`Under::Nothing`] takes the buttons away. A message that says
    /// this already is a success.
    fn edit(&self, chat: Chat, message: MessageId, text: Rich, under: Under) -> Doing<()>;

    /// Sends a file; which message it is.
    fn file(&self, to: To, file: File) -> Doing<MessageId>;

    /// The bytes of a file that waits at the platform. A file of more than `most` bytes is
    /// [`Trouble::TooLarge`], and no more than that is read of it.
    fn fetch(&self, file: Waiting, most: u64) -> Doing<Vec<u8>>;

    /// Answers a press, to whoever pressed and to nobody else. It is tried again for as long as they
    /// may still look at the button.
    fn answer(&self, press: PressId, answer: Answer) -> Doing<()>;

    /// Shows everybody what a command asked for, where the platform keeps a place for that
    /// ([`crate::inbound::Said::aside`]).
    fn echo(&self, press: PressId, text: String) -> Doing<()>;

    /// Says what fits into the field of a command.
    fn suggest(&self, press: PressId, fits: Vec<String>) -> Doing<()>;

    /// Opens a thread; which one it is. `asked` is the message that asked for what it is about, where
    /// that is in the chat itself.
    fn open_thread(&self, chat: Chat, name: String, asked: Option<MessageId>) -> Doing<ThreadId>;

    /// Gives a thread another name. One that has it is a success.
    fn rename_thread(&self, chat: Chat, thread: ThreadId, name: String) -> Doing<()>;

    /// Closes a thread, or opens it again. One that is so already is a success.
    fn close_thread(&self, chat: Chat, thread: ThreadId, closed: bool) -> Doing<()>;
}

/// What a platform is like, as data. Each surface's crate names the source of its numbers.
#[derive(Debug, Clone)]
pub struct Traits {
    /// Which platform it is.
    pub platform: Platform,
    /// What people call it.
    pub name: &'static str,
    /// What people there call a thread: a topic, a thread.
    pub thread: &'static str,
    /// How fast it lets one bot write.
    pub pace: Pace,
    /// The longest text of a message in UTF-16 units, which no platform counts fewer of than
    /// characters; with room for whatever marks the surface adds.
    pub text: usize,
    /// The largest file that a bot may fetch, in bytes.
    pub fetch: u64,
    /// How many characters of a task the name of its thread may show.
    pub thread_name: usize,
    /// Whether private chats have threads.
    pub private_threads: bool,
    /// How long it keeps what nobody takes; none where it is not lost.
    pub keeps: Option<SignedDuration>,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct To {
    /// The chat.
    pub chat: Chat,
    /// The thread of it.
    pub thread: Option<ThreadId>,
    /// What it answers; people delete messages, and what answers them still has to arrive.
    pub reply: Option<MessageId>,
    /// Whether it comes without a sound.
    pub silent: bool,
    /// A number of this message and of no other, for platforms that drop a second message with the
    /// same one: there a send whose answer was lost may be made again with it.
    pub nonce: u64,
}

/// A file to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What it is, said with it.
    pub about: String,
}

/// What is under a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Under {
    /// Nothing.
    Nothing,
    /// Buttons, row by row.
    Rows(Vec<Row>),
    /// The reader's keyboard opens for a reply to this message. Platforms without that leave it out:
    /// the text asks for a reply.
    Reply,
}

/// A row under a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// Buttons.
    Keys(Vec<Key>),
    /// One of several of a kind: a menu where the platform has them, else buttons.
    Pick {
        /// What is picked.
        hint: &'static str,
        /// What there is.
        keys: Vec<Key>,
    },
}

/// A button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// What it says.
    pub label: String,
    /// What it carries: at most 25 characters of ASCII.
    pub data: String,
    /// How it looks, where buttons can look differently.
    pub look: Look,
    /// What a press asks for first; its words come with the press. Platforms without forms leave it
    /// out, and a press without its words brings up a message to reply to.
    pub form: Option<Form>,
}

/// How a button looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Look {
    /// Like any other.
    #[default]
    Plain,
    /// It lets something happen.
    Good,
    /// It ends or refuses something.
    Bad,
}

impl Key {
    /// A button like any other.
    pub(crate) fn plain(label: &str, data: String) -> Self {
        Self { label: label.to_owned(), data, look: Look::Plain, form: None }
    }
}

/// One field that is filled in before a press counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// What it is about, in at most 45 characters.
    pub title: String,
    /// What the field is, in at most 45 characters.
    pub field: String,
    /// What stands in it at first.
    pub text: String,
}

/// The answer to a press.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The words.
    pub text: String,
    /// Whether they stay until they are closed.
    pub alert: bool,
}

impl Answer {
    /// Words that go by themselves.
    pub(crate) fn toast(text: &str) -> Self {
        Self { text: text.to_owned(), alert: false }
    }

    /// Words that stay until they are closed.
    pub(crate) fn alert(text: &str) -> Self {
        Self { text: text.to_owned(), alert: true }
    }
}

/// Why a call did not do what was wanted. No text in here holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The platform wants a pause; it had no effect.
    #[error("it asks for a pause of {} s", .0.as_secs())]
    Pause(Duration),
    /// The chat goes on under another id; it had no effect.
    #[error("the chat is now {0}")]
    Moved(Chat),
    /// It had no effect for certain, and may have one when it is tried again.
    #[error("it was not reached: {0}")]
    NotReached(String),
    /// It may have had its effect.
    #[error("the answer was lost: {0}")]
    Lost(String),
    /// The thread is not there.
    #[error("the thread is gone: {0}")]
    NoThread(String),
    /// The thread is closed, and must be opened first.
    #[error("the thread is closed: {0}")]
    ThreadClosed(String),
    /// A file is larger than is taken.
    #[error("{0}")]
    TooLarge(String),
    /// It was refused for good.
    #[error("it was refused: {0}")]
    Refused(String),
}

impl Trouble {
    /// Whether the call certainly did nothing and may well do something when it is made again.
    #[must_use]
    pub fn had_no_effect(&self) -> bool {
        match self {
            Self::Pause(_) | Self::Moved(_) | Self::NotReached(_) => true,
            Self::Lost(_)
            | Self::NoThread(_)
            | Self::ThreadClosed(_)
            | Self::TooLarge(_)
            | Self::Refused(_) => false,
        }
    }
}
