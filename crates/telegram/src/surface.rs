//! Telegram as the desk writes to it: its limits, and each of the desk's wishes as one call.

use std::time::Duration;

use gatepost_chat::outbox::Pace;
use gatepost_chat::rich::Rich;
use gatepost_desk::inbound::PressId;
use gatepost_desk::inbound::Waiting;
use gatepost_desk::place::Chat;
use gatepost_desk::place::MessageId;
use gatepost_desk::place::ThreadId;
use gatepost_desk::surface;
use gatepost_desk::surface::Answer;
use gatepost_desk::surface::Doing;
use gatepost_desk::surface::File;
use gatepost_desk::surface::Surface;
use gatepost_desk::surface::To;
use gatepost_desk::surface::Traits;
use gatepost_desk::surface::Under;
use gatepost_domain::principal::Platform;
use jiff::SignedDuration;

use crate::api::Api;
use crate::api::Done;
use crate::api::Trouble;
use crate::entities::LIMIT;
use crate::numbers;

/// Telegram's limits for one bot: about one message a second in a chat, 20 a minute in a group,
/// 30 a second over all (<https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this>).
/// A little slower, because clocks differ.
const PACE: Pace = Pace {
    person: Duration::from_millis(1050),
    group: Duration::from_millis(3050),
    all: Duration::from_millis(40),
};

/// The largest file that a bot may fetch, in bytes
/// (<https://core.telegram.org/bots/api#getfile>).
const FETCH: u64 = 20 * 1024 * 1024;

/// How long Telegram keeps what nobody takes
/// (<https://core.telegram.org/bots/api#getting-updates>).
const KEEPS: SignedDuration = SignedDuration::from_hours(24);

/// How many characters of a task a topic's name shows; Telegram takes 128 in all
/// (<https://core.telegram.org/bots/api#createforumtopic>).
const TOPIC_NAME: usize = 60;

/// What Telegram is like. Only the bot itself can ask whether its private chats have topics.
pub(crate) fn traits(private_topics: bool) -> Traits {
    Traits {
        platform: Platform::Telegram,
        name: "Telegram",
        thread: "topic",
        pace: PACE,
        text: LIMIT,
        fetch: FETCH,
        thread_name: TOPIC_NAME,
        private_threads: private_topics,
        keeps: Some(KEEPS),
    }
}

impl Surface for Api {
    fn send(&self, to: To, text: Rich, under: Under) -> Doing<MessageId> {
        let api = self.clone();
        later(async move { api.send(to, &text, &under).await.map(numbers::message) })
    }

    fn edit(&self, chat: Chat, message: MessageId, text: Rich, under: Under) -> Doing<()> {
        let api = self.clone();
        later(async move { api.edit(chat, message, &text, &under).await })
    }

    fn file(&self, to: To, file: File) -> Doing<MessageId> {
        let api = self.clone();
        later(async move { api.file(to, file).await.map(numbers::message) })
    }

    fn fetch(&self, file: Waiting, most: u64) -> Doing<Vec<u8>> {
        let api = self.clone();
        later(async move { api.fetch(&file.id, most).await })
    }

    fn answer(&self, press: PressId, answer: Answer) -> Doing<()> {
        let api = self.clone();
        later(async move { api.toast(&press.0, &answer.text, answer.alert).await })
    }

    fn echo(&self, _: PressId, _: String) -> Doing<()> {
        // A command stands in the chat as it was written.
        Box::pin(async { Ok(()) })
    }

    fn suggest(&self, _: PressId, _: Vec<String>) -> Doing<()> {
        let why = "commands are written out in Telegram, and nothing is filled in";
        later(async move { Err(Trouble::Refused(why.into())) })
    }

    fn open_thread(&self, chat: Chat, name: String, _: Option<MessageId>) -> Doing<ThreadId> {
        let api = self.clone();
        later(async move { api.open_topic(chat, &name).await.map(numbers::thread) })
    }

    fn rename_thread(&self, chat: Chat, thread: ThreadId, name: String) -> Doing<()> {
        let api = self.clone();
        later(async move { api.rename_topic(chat, thread, &name).await })
    }

    fn close_thread(&self, chat: Chat, thread: ThreadId, closed: bool) -> Doing<()> {
        let api = self.clone();
        later(async move { api.close_topic(chat, thread, closed).await })
    }
}

fn later<T>(call: impl Future<Output = Done<T>> + Send + 'static) -> Doing<T> {
    Box::pin(async move { call.await.map_err(surface::Trouble::from) })
}

impl From<Trouble> for surface::Trouble {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Pause(pause) => Self::Pause(pause),
            Trouble::Moved(to) => Self::Moved(numbers::chat(to)),
            Trouble::NotReached(why) => Self::NotReached(why),
            Trouble::Lost(why) => Self::Lost(why),
            Trouble::NoTopic(why) => Self::NoThread(why),
            Trouble::TopicClosed(why) => Self::ThreadClosed(why),
            Trouble::TooLarge(why) => Self::TooLarge(why),
            Trouble::NotParsed(why) | Trouble::Refused(why) => Self::Refused(why),
            // The poll deals with these, and says what to do; until then nothing is sent.
            trouble @ (Trouble::Conflict | Trouble::Hooked | Trouble::BadToken) => {
                Self::NotReached(trouble.to_string())
            }
            // No call but an edit says so, and there it is a success.
            trouble @ Trouble::NotModified => Self::Refused(trouble.to_string()),
        }
    }
}
