//! Topics of forums and of private chats.

use std::collections::BTreeMap;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::FakeTelegram;
use super::chats::Rights;
use super::state::Answer;
use super::state::State;
use super::state::chat_of;
use super::state::refused;

/// What Telegram says of a topic that is not there.
const NO_THREAD: &str = "Bad Request: message thread not found";

/// A topic as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// The chat.
    pub chat: i64,
    /// Its number.
    pub thread: i64,
    /// Its name.
    pub name: String,
    /// Whether nothing more can be written there.
    pub closed: bool,
    /// How often it was renamed.
    pub renamed: usize,
}

/// Topics by chat and number.
#[derive(Debug, Default)]
pub(super) struct Topics(BTreeMap<(i64, i64), Topic>);

impl FakeTelegram {
    /// The topics of a chat that are there.
    #[must_use]
    pub fn topics(&self, chat: i64) -> Vec<Topic> {
        let state = self.state();
        state.topics.0.values().filter(|topic| topic.chat == chat).cloned().collect()
    }

    /// A person opens a topic; its number.
    #[must_use]
    pub fn open_topic(&self, chat: i64, from: i64, name: &str) -> i64 {
        let thread = {
            let mut state = self.state();
            assert!(state.has_topics(chat), "the chat has no topics");
            let thread = state.message_id(chat);
            state.topics.add(chat, thread, name);
            state.said.insert((chat, thread), Some(thread));
            thread
        };
        let created = json!({
            "message_id": thread, "message_thread_id": thread, "is_topic_message": true,
            "forum_topic_created": { "name": name, "icon_color": 7_322_096 },
        });
        let _same = self.write(chat, from, "", created);
        thread
    }

    /// A person writes in a topic; in a forum such a message is a reply to the topic's first one.
    #[must_use]
    pub fn say_in_topic(&self, chat: i64, from: i64, thread: i64, text: &str) -> i64 {
        let more = self.state().in_topic(chat, thread);
        self.write(chat, from, text, more)
    }

    /// A person closes a topic.
    pub fn close_topic(&self, chat: i64, from: i64, thread: i64) {
        self.state().topics.0.get_mut(&(chat, thread)).unwrap().closed = true;
        let mut more = self.state().in_topic(chat, thread);
        more["forum_topic_closed"] = json!({});
        let _told = self.write(chat, from, "", more);
    }

    /// A person deletes a topic with all its messages. Telegram tells the bot nothing of it.
    pub fn delete_topic(&self, chat: i64, thread: i64) {
        self.state().remove_topic(chat, thread);
    }
}

impl Topics {
    fn add(&mut self, chat: i64, thread: i64, name: &str) {
        let name = name.to_owned();
        let topic = Topic { chat, thread, name, closed: false, renamed: 0 };
        self.0.insert((chat, thread), topic);
    }
}

impl State {
    /// Whether something may be written in a topic.
    ///
    /// # Errors
    /// Telegram's answer to it.
    pub(super) fn check_thread(&self, chat: i64, thread: i64) -> Result<(), Answer> {
        // General is the absence of a topic; naming it is refused.
        match self.topics.0.get(&(chat, thread)) {
            None => Err(refused(400, NO_THREAD)),
            Some(topic) if topic.closed => Err(refused(400, "Bad Request: TOPIC_CLOSED")),
            Some(_) => Ok(()),
        }
    }

    /// The fields of a person's message in a topic.
    pub(super) fn in_topic(&self, chat: i64, thread: i64) -> Value {
        let topic = self.topics.0.get(&(chat, thread)).expect("there is such a topic");
        let mut more = json!({ "message_thread_id": thread, "is_topic_message": true });
        if self.is_forum(chat) {
            more["reply_to_message"] = json!({
                "message_id": thread, "message_thread_id": thread, "is_topic_message": true,
                "date": super::state::now(), "chat": self.chat_json(chat),
                "from": super::state::bot_json(),
                "forum_topic_created": { "name": topic.name, "icon_color": 7_322_096 },
            });
        }
        more
    }

    pub(super) fn create_topic(&mut self, given: &Map<String, Value>) -> Answer {
        let chat = chat_of(given).unwrap_or_default();
        if let Err(refusal) = self.may_change_topics(chat) {
            return refusal;
        }
        let name = given["name"].as_str().unwrap_or_default();
        if !(1..=128).contains(&name.chars().count()) {
            return refused(400, "Bad Request: TOPIC_TITLE_EMPTY");
        }
        let thread = self.message_id(chat);
        self.topics.add(chat, thread, name);
        self.said.insert((chat, thread), Some(thread));
        Answer::Done(json!({
            "message_thread_id": thread, "name": name, "icon_color": 7_322_096,
        }))
    }

    pub(super) fn edit_topic(&mut self, given: &Map<String, Value>) -> Answer {
        let name = given.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if name.chars().count() > 128 {
            self.violations.push("a topic's name is longer than 128".into());
        }
        self.change_topic(given, |topic| {
            let changed = topic.name != name;
            topic.name = name;
            topic.renamed += usize::from(changed);
            changed
        })
    }

    pub(super) fn close_topic(&mut self, given: &Map<String, Value>) -> Answer {
        self.set_closed(given, true)
    }

    pub(super) fn reopen_topic(&mut self, given: &Map<String, Value>) -> Answer {
        self.set_closed(given, false)
    }

    fn set_closed(&mut self, given: &Map<String, Value>, closed: bool) -> Answer {
        if !self.is_forum(chat_of(given).unwrap_or_default()) {
            return refused(400, "Bad Request: method is available only for supergroups");
        }
        self.change_topic(given, |topic| std::mem::replace(&mut topic.closed, closed) != closed)
    }

    pub(super) fn delete_topic(&mut self, given: &Map<String, Value>) -> Answer {
        let chat = chat_of(given).unwrap_or_default();
        if let Err(refusal) = self.may_change_topics(chat) {
            return refusal;
        }
        if self.remove_topic(chat, given["message_thread_id"].as_i64().unwrap_or_default()) {
            Answer::Done(Value::Bool(true))
        } else {
            refused(400, "Bad Request: TOPIC_ID_INVALID")
        }
    }

    fn change_topic(
        &mut self,
        given: &Map<String, Value>,
        change: impl FnOnce(&mut Topic) -> bool,
    ) -> Answer {
        let chat = chat_of(given).unwrap_or_default();
        if let Err(refusal) = self.may_change_topics(chat) {
            return refusal;
        }
        let thread = given["message_thread_id"].as_i64().unwrap_or_default();
        match self.topics.0.get_mut(&(chat, thread)) {
            None => refused(400, "Bad Request: TOPIC_ID_INVALID"),
            Some(topic) => {
                if change(topic) {
                    Answer::Done(Value::Bool(true))
                } else {
                    refused(400, "Bad Request: TOPIC_NOT_MODIFIED")
                }
            }
        }
    }

    fn may_change_topics(&self, chat: i64) -> Result<(), Answer> {
        if !self.has_topics(chat) {
            return Err(refused(400, "Bad Request: the chat is not a forum"));
        }
        let may = chat > 0 || self.group_of(chat).rights == Rights::Admin { topics: true };
        if may { Ok(()) } else { Err(refused(400, "Bad Request: not enough rights")) }
    }

    fn remove_topic(&mut self, chat: i64, thread: i64) -> bool {
        let inside: Vec<i64> = self
            .messages()
            .filter(|message| message.chat == chat && message.thread == Some(thread))
            .map(|message| message.id)
            .collect();
        for id in inside {
            self.delete(chat, id);
        }
        self.said.retain(|(of, _), of_thread| *of != chat || *of_thread != Some(thread));
        self.topics.0.remove(&(chat, thread)).is_some()
    }
}
