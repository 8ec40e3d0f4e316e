//! What the fake holds, and which method does what with it.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Message;
use super::Toast;
use super::Webhook;
use super::chats::Chats;
use super::faults::Order;
use super::files::Files;
use super::flood::Flood;
use super::spec::Spec;
use super::topics::Topics;
use super::updates::Queue;

/// The bot's own number.
pub(super) const BOT: i64 = 700;

pub(super) struct State {
    pub(super) spec: Spec,
    pub(super) queue: Queue,
    pub(super) webhook: Option<Webhook>,
    pub(super) chats: Chats,
    pub(super) topics: Topics,
    pub(super) files: Files,
    pub(super) flood: Flood,
    pub(super) presses: BTreeMap<String, Option<Toast>>,
    pub(super) orders: Vec<Order>,
    pub(super) calls: Vec<(String, Map<String, Value>)>,
    pub(super) violations: Vec<String>,
    /// The files of forms that are being dealt with.
    pub(super) parts: BTreeMap<String, (String, Vec<u8>)>,
    sent: Vec<Message>,
    /// Where each message is in the list.
    places: BTreeMap<(i64, i64), usize>,
    deleted: BTreeSet<usize>,
    /// Messages of people: they can be replied to, and are in a topic or not.
    pub(super) said: BTreeMap<(i64, i64), Option<i64>>,
    /// The last number by group; private chats share one.
    numbers: BTreeMap<i64, i64>,
}

/// How a call is answered.
#[derive(Debug)]
pub(super) enum Answer {
    Done(Value),
    Refused { code: u16, text: String, parameters: Option<Value> },
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            spec: Spec::load(),
            queue: Queue::default(),
            webhook: None,
            chats: Chats::default(),
            topics: Topics::default(),
            files: Files::default(),
            flood: Flood::default(),
            presses: BTreeMap::new(),
            orders: Vec::new(),
            calls: Vec::new(),
            violations: Vec::new(),
            parts: BTreeMap::new(),
            sent: Vec::new(),
            places: BTreeMap::new(),
            deleted: BTreeSet::new(),
            said: BTreeMap::new(),
            numbers: BTreeMap::new(),
        }
    }

    /// The next message number of a chat. Groups count on their own, so numbers of two groups are
    /// the same; private chats of one bot count together.
    pub(super) fn message_id(&mut self, chat: i64) -> i64 {
        let last = self.numbers.entry(chat.min(0)).or_insert(100);
        *last += 1;
        *last
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = &Message> {
        let there = self.sent.iter().enumerate();
        there.filter(|(at, _)| !self.deleted.contains(at)).map(|(_, message)| message)
    }

    pub(super) fn message(&self, chat: i64, id: i64) -> Option<&Message> {
        let at = self.places.get(&(chat, id)).filter(|at| !self.deleted.contains(at))?;
        self.sent.get(*at)
    }

    pub(super) fn message_mut(&mut self, chat: i64, id: i64) -> Option<&mut Message> {
        let at = self.places.get(&(chat, id)).filter(|at| !self.deleted.contains(at))?;
        self.sent.get_mut(*at)
    }

    pub(super) fn keep(&mut self, message: Message) -> Answer {
        self.places.insert((message.chat, message.id), self.sent.len());
        let json = self.json_of(&message);
        self.sent.push(message);
        Answer::Done(json)
    }

    /// Whether there was such a message of the bot.
    pub(super) fn delete(&mut self, chat: i64, id: i64) -> bool {
        match self.places.remove(&(chat, id)) {
            Some(at) => self.deleted.insert(at),
            None => false,
        }
    }

    pub(super) fn answer(&mut self, method: &str, given: &Map<String, Value>) -> Answer {
        self.check_pause(method);
        let answer = self.answer_unchecked(method, given);
        if let Answer::Done(result) = &answer {
            let faults = self.spec.result_faults(method, result);
            assert!(faults.is_empty(), "Telegram answers {method} otherwise: {faults:#?}");
        }
        answer
    }

    fn answer_unchecked(&mut self, method: &str, given: &Map<String, Value>) -> Answer {
        if let Some(chat) = chat_of(given)
            && let Some(refusal) = self.unreachable(chat)
        {
            return refusal;
        }
        match method.to_ascii_lowercase().as_str() {
            "getme" => Answer::Done(self.me()),
            "getwebhookinfo" => self.webhook_info(),
            "setwebhook" => self.set_webhook(given),
            "deletewebhook" => self.delete_webhook(given),
            "setmycommands"
            | "deletemycommands"
            | "setmydescription"
            | "setmyshortdescription"
            | "sendchataction" => Answer::Done(Value::Bool(true)),
            "sendmessage" => self.send(given),
            "senddocument" => self.send_file(given, "document"),
            "sendphoto" => self.send_file(given, "photo"),
            "editmessagetext" => self.edit(given),
            "editmessagecaption" => self.edit_caption(given),
            "editmessagereplymarkup" => self.edit_keys(given),
            "deletemessage" => self.delete_message(given),
            "answercallbackquery" => self.toast(given),
            "getfile" => self.get_file(given),
            "getchat" => self.get_chat(given),
            "getchatmember" => self.get_chat_member(given),
            "createforumtopic" => self.create_topic(given),
            "editforumtopic" => self.edit_topic(given),
            "closeforumtopic" => self.close_topic(given),
            "reopenforumtopic" => self.reopen_topic(given),
            "deleteforumtopic" => self.delete_topic(given),
            other => {
                self.violations.push(format!("{other} is not expected of this bot"));
                refused(404, "Not Found: method not found")
            }
        }
    }

    /// A message of the bot as updates and answers carry it.
    pub(super) fn json_of(&self, message: &Message) -> Value {
        let mut value = json!({
            "message_id": message.id, "date": now(), "chat": self.chat_json(message.chat),
            "from": bot_json(),
        });
        if let Some(thread) = message.thread {
            value["message_thread_id"] = thread.into();
            value["is_topic_message"] = true.into();
        }
        let rows: Vec<Value> = message
            .keys
            .iter()
            .map(|(label, data)| json!([{ "text": label, "callback_data": data }]))
            .collect();
        if !rows.is_empty() {
            value["reply_markup"] = json!({ "inline_keyboard": rows });
        }
        match &message.file {
            None => {
                value["text"] = message.text.clone().into();
                value["entities"] = message.entities.clone();
            }
            Some(file) => {
                value["caption"] = message.text.clone().into();
                value["caption_entities"] = message.entities.clone();
                value[file.field()] = file.json();
            }
        }
        value
    }
}

pub(super) fn refused(code: u16, text: &str) -> Answer {
    Answer::Refused { code, text: text.into(), parameters: None }
}

pub(super) fn too_many(seconds: u64) -> Answer {
    Answer::Refused {
        code: 429,
        text: format!("Too Many Requests: retry after {seconds}"),
        parameters: Some(json!({ "retry_after": seconds })),
    }
}

/// The chat that a call is about.
pub(super) fn chat_of(given: &Map<String, Value>) -> Option<i64> {
    given.get("chat_id").and_then(Value::as_i64)
}

pub(super) fn bot_json() -> Value {
    json!({"id": BOT, "is_bot": true, "first_name": "Gate", "username": super::BOT_NAME})
}

pub(super) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}
