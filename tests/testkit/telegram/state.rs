//! What the fake holds: updates that wait, messages that were sent, presses that want an answer.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;
use std::time::Instant;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Fault;
use super::Message;
use super::Toast;
use super::spec::Spec;

/// The bot's own number.
pub(super) const BOT: i64 = 700;

/// More than this in a second to one chat is answered as Telegram does, with a pause. The documents
/// say about one a second and that short bursts pass.
const BURST: usize = 2;

pub(super) struct State {
    pub(super) spec: Spec,
    pub(super) updates: VecDeque<Value>,
    pub(super) next_update: i64,
    /// Counts polls; an older one that still waits is told that it was replaced.
    pub(super) poll: u64,
    pub(super) messages: Vec<Message>,
    next_message: i64,
    pub(super) presses: BTreeMap<String, Option<Toast>>,
    pub(super) faults: Vec<(String, Fault, usize)>,
    pub(super) calls: Vec<(String, Map<String, Value>)>,
    pub(super) violations: Vec<String>,
    sends: BTreeMap<i64, VecDeque<Instant>>,
    paused: BTreeMap<i64, Instant>,
}

/// How a call is answered.
pub(super) enum Answer {
    Done(Value),
    Refused { code: u16, text: String, retry_after: Option<u64> },
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            spec: Spec::load(),
            updates: VecDeque::new(),
            // Telegram starts anywhere.
            next_update: 874_203_011,
            poll: 0,
            messages: Vec::new(),
            next_message: 100,
            presses: BTreeMap::new(),
            faults: Vec::new(),
            calls: Vec::new(),
            violations: Vec::new(),
            sends: BTreeMap::new(),
            paused: BTreeMap::new(),
        }
    }

    pub(super) fn message_id(&mut self) -> i64 {
        self.next_message += 1;
        self.next_message
    }

    pub(super) fn push(&mut self, mut update: Value) {
        update["update_id"] = self.next_update.into();
        self.next_update += 1;
        self.updates.push_back(update);
    }

    /// The next fault for a method, if one was ordered.
    pub(super) fn fault(&mut self, method: &str) -> Option<Fault> {
        let at = self
            .faults
            .iter()
            .position(|(name, _, left)| name.eq_ignore_ascii_case(method) && *left > 0)?;
        self.faults[at].2 -= 1;
        Some(self.faults[at].1.clone())
    }

    pub(super) fn answer(&mut self, method: &str, given: &Map<String, Value>) -> Answer {
        match method.to_ascii_lowercase().as_str() {
            "getme" => Answer::Done(json!({
                "id": BOT, "is_bot": true, "first_name": "Gate", "username": "gate_test_bot",
                "can_join_groups": true, "can_read_all_group_messages": false,
                "supports_inline_queries": false, "can_connect_to_business": false,
                "has_main_web_app": false,
            })),
            "getwebhookinfo" => Answer::Done(json!({
                "url": "", "has_custom_certificate": false,
                "pending_update_count": self.updates.len(),
            })),
            "setmycommands" | "deletewebhook" => Answer::Done(Value::Bool(true)),
            "sendmessage" => self.send(given),
            "senddocument" => self.document(given),
            "editmessagetext" => self.edit(given),
            "answercallbackquery" => self.toast(given),
            other => {
                self.violations.push(format!("{other} is not expected of this bot"));
                refused(404, "Not Found: method not found")
            }
        }
    }

    fn send(&mut self, given: &Map<String, Value>) -> Answer {
        let chat = given["chat_id"].as_i64().unwrap_or_default();
        if let Some(pause) = self.pause(chat) {
            return pause;
        }
        let text = given["text"].as_str().unwrap_or_default().to_owned();
        if let Err(refusal) = self.check_text(&text, given, "entities", 4096) {
            return refusal;
        }
        let reply_to = given
            .get("reply_parameters")
            .and_then(|reply| reply["message_id"].as_i64().filter(|_| reply["chat_id"].is_null()));
        let message = Message {
            chat,
            id: self.message_id(),
            text,
            keys: self.keys(given),
            silent: given.get("disable_notification") == Some(&Value::Bool(true)),
            reply_to,
            document: None,
            edits: 0,
            wants_reply: given.get("reply_markup").is_some_and(|m| m["force_reply"] == true),
            entities: given.get("entities").cloned().unwrap_or(json!([])),
        };
        self.keep(message)
    }

    fn document(&mut self, given: &Map<String, Value>) -> Answer {
        let chat = given["chat_id"].as_str().and_then(|id| id.parse().ok()).unwrap_or_default();
        if let Some(pause) = self.pause(chat) {
            return pause;
        }
        let attached = given["document"].as_str().unwrap_or_default();
        let name = attached.strip_prefix("attach://").unwrap_or("document");
        let content = given.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        if content.is_empty() {
            return refused(400, "Bad Request: file must be non-empty");
        }
        let text = given.get("caption").and_then(Value::as_str).unwrap_or_default().to_owned();
        if text.encode_utf16().count() > 1024 {
            self.violations.push("a caption is longer than 1024".into());
        }
        let message = Message {
            chat,
            id: self.message_id(),
            text,
            keys: Vec::new(),
            silent: false,
            reply_to: None,
            document: Some(content),
            edits: 0,
            wants_reply: false,
            entities: json!([]),
        };
        self.keep(message)
    }

    fn edit(&mut self, given: &Map<String, Value>) -> Answer {
        let chat = given["chat_id"].as_i64().unwrap_or_default();
        let id = given["message_id"].as_i64().unwrap_or_default();
        if let Some(pause) = self.pause(chat) {
            return pause;
        }
        let text = given["text"].as_str().unwrap_or_default().to_owned();
        if let Err(refusal) = self.check_text(&text, given, "entities", 4096) {
            return refusal;
        }
        let keys = self.keys(given);
        let found =
            self.messages.iter_mut().find(|message| message.chat == chat && message.id == id);
        let Some(message) = found else {
            return refused(400, "Bad Request: message to edit not found");
        };
        if message.text == text && message.keys == keys {
            return refused(
                400,
                "Bad Request: message is not modified: specified new message content and reply \
                 markup are exactly the same as a current content and reply markup of the message",
            );
        }
        message.text = text;
        message.keys = keys;
        message.entities = given.get("entities").cloned().unwrap_or(json!([]));
        message.edits += 1;
        let message = message.clone();
        Answer::Done(as_json(&message))
    }

    fn toast(&mut self, given: &Map<String, Value>) -> Answer {
        let id = given["callback_query_id"].as_str().unwrap_or_default().to_owned();
        let text = given.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
        if text.chars().count() > 200 {
            self.violations.push("a toast is longer than 200".into());
        }
        let alert = given.get("show_alert") == Some(&Value::Bool(true));
        match self.presses.get_mut(&id) {
            Some(answered @ None) => {
                *answered = Some(Toast { text, alert });
                Answer::Done(Value::Bool(true))
            }
            Some(Some(_)) | None => refused(
                400,
                "Bad Request: query is too old and response timeout expired or query ID is invalid",
            ),
        }
    }

    fn keep(&mut self, message: Message) -> Answer {
        self.messages.push(message.clone());
        Answer::Done(as_json(&message))
    }

    /// The keys of a message; data must be 1 to 64 bytes.
    fn keys(&mut self, given: &Map<String, Value>) -> Vec<(String, String)> {
        let none = Vec::new();
        let rows = given
            .get("reply_markup")
            .and_then(|markup| markup["inline_keyboard"].as_array())
            .unwrap_or(&none);
        let mut keys = Vec::new();
        for key in rows.iter().flat_map(|row| row.as_array().into_iter().flatten()) {
            let (label, data) = (key["text"].as_str(), key["callback_data"].as_str());
            let (label, data) = (label.unwrap_or_default(), data.unwrap_or_default());
            if !(1..=64).contains(&data.len()) || label.is_empty() {
                self.violations.push(format!("a button carries {} bytes: {label}", data.len()));
            }
            keys.push((label.to_owned(), data.to_owned()));
        }
        keys
    }

    fn check_text(
        &mut self,
        text: &str,
        given: &Map<String, Value>,
        entities: &str,
        limit: usize,
    ) -> Result<(), Answer> {
        let units: Vec<u16> = text.encode_utf16().collect();
        if text.trim().is_empty() {
            return Err(refused(400, "Bad Request: message text is empty"));
        }
        if units.len() > limit {
            self.violations.push(format!("a text has {} units", units.len()));
            return Err(refused(400, "Bad Request: message is too long"));
        }
        if text.trim() != text {
            self.violations
                .push("blanks at an end are cut off, and entities then lie elsewhere".into());
        }
        if given.contains_key("parse_mode") {
            self.violations.push("entities are sent, not a parse mode".into());
        }
        let none = Vec::new();
        let mut last = 0;
        for entity in given.get(entities).and_then(Value::as_array).unwrap_or(&none) {
            let number = |name: &str| usize::try_from(entity[name].as_u64().unwrap_or(0)).unwrap();
            let (from, length) = (number("offset"), number("length"));
            let end = from + length;
            let torn =
                |at: usize| units.get(at).is_some_and(|unit| (0xdc00..0xe000).contains(unit));
            if length == 0 || end > units.len() || from < last || torn(from) || torn(end) {
                self.violations.push(format!("an entity lies wrong: {entity}"));
            }
            last = end;
        }
        Ok(())
    }

    /// Telegram's flood control.
    fn pause(&mut self, chat: i64) -> Option<Answer> {
        let now = Instant::now();
        if let Some(until) = self.paused.get(&chat)
            && *until > now
        {
            self.violations.push("written to a chat within the pause that was asked for".into());
        }
        let sends = self.sends.entry(chat).or_default();
        sends.retain(|at| now.duration_since(*at) < Duration::from_secs(1));
        sends.push_back(now);
        if sends.len() > BURST {
            self.violations.push(format!("{} messages to a chat within a second", sends.len()));
            return Some(too_many(1));
        }
        None
    }

    /// A pause was ordered as a fault; breaking it is a violation.
    pub(super) fn begin_pause(&mut self, given: &Map<String, Value>, seconds: u64) -> Answer {
        let chat = given.get("chat_id").and_then(Value::as_i64).unwrap_or_default();
        // A little less, because the answer takes a moment to arrive.
        let until = Instant::now() + Duration::from_millis((seconds * 1000).saturating_sub(50));
        self.paused.insert(chat, until);
        too_many(seconds)
    }
}

pub(super) fn refused(code: u16, text: &str) -> Answer {
    Answer::Refused { code, text: text.into(), retry_after: None }
}

fn too_many(seconds: u64) -> Answer {
    Answer::Refused {
        code: 429,
        text: format!("Too Many Requests: retry after {seconds}"),
        retry_after: Some(seconds),
    }
}

/// A chat as messages carry it.
pub(super) fn chat_json(chat: i64) -> Value {
    if chat > 0 {
        json!({"id": chat, "type": "private", "first_name": format!("User {chat}")})
    } else {
        json!({"id": chat, "type": "supergroup", "title": "Group"})
    }
}

pub(super) fn as_json(message: &Message) -> Value {
    let mut value = json!({
        "message_id": message.id,
        "date": now(),
        "chat": chat_json(message.chat),
        "from": {"id": BOT, "is_bot": true, "first_name": "Gate", "username": "gate_test_bot"},
    });
    match &message.document {
        None => {
            value["text"] = message.text.clone().into();
            value["entities"] = message.entities.clone();
        }
        Some(_) => {
            value["caption"] = message.text.clone().into();
            value["document"] =
                json!({"file_id": "F", "file_unique_id": "U", "file_name": "action.txt"});
        }
    }
    value
}

pub(super) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}
