//! What the bot sends, changes and deletes.

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Message;
use super::Toast;
use super::files::Upload;
use super::state::Answer;
use super::state::State;
use super::state::chat_of;
use super::state::refused;

const NOT_MODIFIED: &str = "Bad Request: message is not modified: specified new message content \
                            and reply markup are exactly the same as a current content and reply \
                            markup of the message";

/// What Telegram says to an answer that nobody waits for any more.
const TOO_OLD: &str =
    "Bad Request: query is too old and response timeout expired or query ID is invalid";

impl State {
    pub(super) fn send(&mut self, given: &Map<String, Value>) -> Answer {
        match self.new_message(given) {
            Ok(message) => self.keep(message),
            Err(refusal) => refusal,
        }
    }

    pub(super) fn send_file(&mut self, given: &Map<String, Value>, field: &str) -> Answer {
        match self.new_file(given, field) {
            Ok(message) => self.keep(message),
            Err(refusal) => refusal,
        }
    }

    fn new_message(&mut self, given: &Map<String, Value>) -> Result<Message, Answer> {
        let text = given["text"].as_str().unwrap_or_default().to_owned();
        let (chat, thread, reply_to) = self.destination(given)?;
        self.check_text(&text, given)?;
        let keys = self.keys(given)?;
        Ok(Message {
            chat,
            id: self.message_id(chat),
            thread,
            text,
            keys,
            silent: is_true(given, "disable_notification"),
            reply_to,
            document: None,
            file: None,
            edits: 0,
            wants_reply: given.get("reply_markup").is_some_and(|m| m["force_reply"] == true),
            entities: given.get("entities").cloned().unwrap_or(json!([])),
        })
    }

    fn new_file(&mut self, given: &Map<String, Value>, field: &str) -> Result<Message, Answer> {
        let (chat, thread, reply_to) = self.destination(given)?;
        let part = given.get(field).and_then(Value::as_str).unwrap_or_default();
        let Some((name, bytes)) = self.parts.remove(part) else {
            return Err(refused(400, "Bad Request: there is no file in the request"));
        };
        let file = Upload { name, bytes, photo: field == "photo" };
        file.check().inspect_err(|_| {
            self.violations.push(format!("a file of {} bytes was sent", file.bytes.len()));
        })?;
        let text = given.get("caption").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.check_caption(&text, given)?;
        let keys = self.keys(given)?;
        Ok(Message {
            chat,
            id: self.message_id(chat),
            thread,
            text,
            keys,
            silent: is_true(given, "disable_notification"),
            reply_to,
            document: Some(String::from_utf8_lossy(&file.bytes).into_owned()),
            file: Some(file),
            edits: 0,
            wants_reply: false,
            entities: given.get("caption_entities").cloned().unwrap_or(json!([])),
        })
    }

    /// The chat, the topic, and the message that is answered.
    fn destination(
        &mut self,
        given: &Map<String, Value>,
    ) -> Result<(i64, Option<i64>, Option<i64>), Answer> {
        let chat = chat_of(given).unwrap_or_default();
        if let Some(pause) = self.pause(chat) {
            return Err(pause);
        }
        let reply = given.get("reply_parameters");
        let wanted = reply.and_then(|reply| reply["message_id"].as_i64());
        let found = wanted.and_then(|id| {
            let own = self.message(chat, id).map(|message| message.thread);
            own.or_else(|| self.said.get(&(chat, id)).copied()).map(|thread| (id, thread))
        });
        if wanted.is_some() && found.is_none() {
            let without = reply.is_some_and(|reply| reply["allow_sending_without_reply"] == true);
            if !without {
                return Err(refused(400, "Bad Request: message to be replied not found"));
            }
        }
        // An answer is where its question is, if that is a topic.
        let of_reply = found.and_then(|(_, thread)| thread).filter(|_| self.has_topics(chat));
        let thread = given.get("message_thread_id").and_then(Value::as_i64).or(of_reply);
        if let Some(thread) = thread {
            self.check_thread(chat, thread)?;
        }
        Ok((chat, thread, found.map(|(id, _)| id)))
    }

    pub(super) fn edit(&mut self, given: &Map<String, Value>) -> Answer {
        let text = given["text"].as_str().unwrap_or_default().to_owned();
        self.change(
            given,
            |state| state.check_text(&text, given),
            |message, keys| {
                if message.file.is_some() {
                    return Err("Bad Request: there is no text in the message to edit");
                }
                let entities = given.get("entities").cloned().unwrap_or(json!([]));
                let same =
                    message.text == text && message.keys == keys && message.entities == entities;
                message.text.clone_from(&text);
                message.entities = entities;
                Ok(!same)
            },
        )
    }

    pub(super) fn edit_caption(&mut self, given: &Map<String, Value>) -> Answer {
        let text = given.get("caption").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.change(
            given,
            |state| state.check_caption(&text, given),
            |message, keys| {
                if message.file.is_none() {
                    return Err("Bad Request: there is no caption in the message to edit");
                }
                let same = message.text == text && message.keys == keys;
                message.text.clone_from(&text);
                message.entities = given.get("caption_entities").cloned().unwrap_or(json!([]));
                Ok(!same)
            },
        )
    }

    pub(super) fn edit_keys(&mut self, given: &Map<String, Value>) -> Answer {
        self.change(given, |_| Ok(()), |message, keys| Ok(message.keys != keys))
    }

    /// An edit; without keys it takes the keys away.
    fn change(
        &mut self,
        given: &Map<String, Value>,
        check: impl FnOnce(&mut Self) -> Result<(), Answer>,
        apply: impl FnOnce(&mut Message, &[(String, String)]) -> Result<bool, &'static str>,
    ) -> Answer {
        let chat = chat_of(given).unwrap_or_default();
        let id = given["message_id"].as_i64().unwrap_or_default();
        if let Some(pause) = self.pause(chat) {
            return pause;
        }
        if let Err(refusal) = check(self) {
            return refusal;
        }
        let keys = match self.keys(given) {
            Ok(keys) => keys,
            Err(refusal) => return refusal,
        };
        if self.said.contains_key(&(chat, id)) && self.message(chat, id).is_none() {
            self.violations.push("an edit of a message that is not the bot's".into());
            return refused(400, "Bad Request: message can't be edited");
        }
        let Some(message) = self.message_mut(chat, id) else {
            return refused(400, "Bad Request: message to edit not found");
        };
        match apply(message, &keys) {
            Ok(true) => {}
            Ok(false) => return refused(400, NOT_MODIFIED),
            Err(text) => return refused(400, text),
        }
        message.keys = keys;
        message.edits += 1;
        let message = message.clone();
        Answer::Done(self.json_of(&message))
    }

    pub(super) fn delete_message(&mut self, given: &Map<String, Value>) -> Answer {
        let chat = chat_of(given).unwrap_or_default();
        if self.delete(chat, given["message_id"].as_i64().unwrap_or_default()) {
            Answer::Done(Value::Bool(true))
        } else {
            refused(400, "Bad Request: message to delete not found")
        }
    }

    pub(super) fn toast(&mut self, given: &Map<String, Value>) -> Answer {
        let id = given["callback_query_id"].as_str().unwrap_or_default().to_owned();
        let text = given.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
        if text.chars().count() > 200 {
            self.violations.push("a toast is longer than 200".into());
            return refused(400, "Bad Request: MESSAGE_TOO_LONG");
        }
        let alert = is_true(given, "show_alert");
        match self.presses.get_mut(&id) {
            Some(answered @ None) => {
                *answered = Some(Toast { text, alert });
                Answer::Done(Value::Bool(true))
            }
            Some(Some(_)) | None => refused(400, TOO_OLD),
        }
    }
}

fn is_true(given: &Map<String, Value>, name: &str) -> bool {
    given.get(name) == Some(&Value::Bool(true))
}
