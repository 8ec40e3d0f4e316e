//! What people do: write, reply, forward, send files, edit, delete, press.

use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use super::FakeTelegram;
use super::Message;
use super::Toast;
use super::chats::a_while_ago;
use super::chats::inaccessible;
use super::files::Attachment;
use super::state::BOT;
use super::state::now;
use crate::PATIENCE;

impl FakeTelegram {
    /// A person writes to the bot; the message's number.
    #[must_use]
    pub fn say(&self, from: i64, text: &str) -> i64 {
        self.write(from, from, text, json!({}))
    }

    /// A person writes in a group.
    #[must_use]
    pub fn say_in(&self, chat: i64, from: i64, text: &str) -> i64 {
        self.write(chat, from, text, json!({}))
    }

    /// A person replies to a message of the bot.
    #[must_use]
    pub fn reply(&self, from: i64, to: &Message, text: &str) -> i64 {
        let more = self.reply_fields(to);
        self.write(to.chat, from, text, more)
    }

    /// A person replies to a message of the bot with a file.
    #[must_use]
    pub fn reply_with(&self, from: i64, to: &Message, file: &Attachment, caption: &str) -> i64 {
        let more = self.reply_fields(to);
        self.attach(to.chat, from, file, caption, more)
    }

    fn reply_fields(&self, to: &Message) -> Value {
        let state = self.state();
        let mut more = json!({ "reply_to_message": state.json_of(to) });
        match to.thread {
            Some(thread) => {
                more["message_thread_id"] = thread.into();
                more["is_topic_message"] = true.into();
            }
            // Replies in groups without topics carry a thread as well, which is none.
            None if to.chat < 0 => more["message_thread_id"] = to.id.into(),
            None => {}
        }
        more
    }

    /// A person writes a message with further fields, such as a date.
    #[must_use]
    pub fn write(&self, chat: i64, from: i64, text: &str, more: Value) -> i64 {
        let mut state = self.state();
        state.chats.started.insert(from);
        let id = more["message_id"].as_i64().unwrap_or_else(|| state.message_id(chat));
        let mut message = json!({
            "message_id": id, "date": now(), "chat": state.chat_json(chat), "from": person(from),
        });
        if !text.is_empty() {
            message["text"] = text.into();
        }
        for (name, value) in more.as_object().unwrap() {
            message[name] = value.clone();
        }
        state.said.insert((chat, id), message["message_thread_id"].as_i64());
        state.push(json!({ "message": message }));
        drop(state);
        self.inner.news.notify_waiters();
        id
    }

    /// A person sends a file, with a caption or without one.
    #[must_use]
    pub fn attach(
        &self,
        chat: i64,
        from: i64,
        file: &Attachment,
        caption: &str,
        more: Value,
    ) -> i64 {
        let mut fields = self.state().files.add(file);
        if !caption.is_empty() {
            fields["caption"] = caption.into();
        }
        for (name, value) in more.as_object().unwrap() {
            fields[name] = value.clone();
        }
        self.write(chat, from, "", fields)
    }

    /// A person sends several photos or files as one; each comes as a message of its own, the
    /// caption with the first.
    #[must_use]
    pub fn album(&self, chat: i64, from: i64, files: &[Attachment], caption: &str) -> Vec<i64> {
        let group = format!("{}", 13_000_000_000_000_000 + self.state().calls.len() + files.len());
        let group = format!("{group}{}", self.unconfirmed());
        let captions = std::iter::once(caption).chain(std::iter::repeat(""));
        files
            .iter()
            .zip(captions)
            .map(|(file, caption)| {
                self.attach(chat, from, file, caption, json!({ "media_group_id": group }))
            })
            .collect()
    }

    /// A person passes on somebody else's words.
    #[must_use]
    pub fn forward(&self, chat: i64, from: i64, author: i64, text: &str) -> i64 {
        self.write(chat, from, text, forwarded(author))
    }

    /// A person changes what they wrote.
    pub fn edit(&self, chat: i64, from: i64, id: i64, text: &str) {
        let state = self.state();
        let message = json!({
            "message_id": id, "date": now(), "edit_date": now(), "chat": state.chat_json(chat),
            "from": person(from), "text": text,
        });
        drop(state);
        self.push(json!({ "edited_message": message }));
    }

    /// A person deletes a message of the bot. Telegram tells the bot nothing of it.
    pub fn delete(&self, message: &Message) {
        assert!(self.state().delete(message.chat, message.id), "it is not there: {message:#?}");
    }

    /// A person deletes a message of theirs.
    pub fn unsay(&self, chat: i64, id: i64) {
        assert!(self.state().said.remove(&(chat, id)).is_some(), "nobody said {id}");
    }

    /// Telegram delivers a message again, as after a receipt that was lost.
    pub fn deliver_again(&self, chat: i64, from: i64, id: i64, text: &str) {
        let state = self.state();
        let message = json!({
            "message_id": id, "date": now(), "chat": state.chat_json(chat), "from": person(from),
            "text": text,
        });
        drop(state);
        self.push(json!({ "message": message }));
    }

    /// A person presses the button whose label begins so; what they see, within a second as people
    /// expect.
    ///
    /// # Panics
    /// When there is no such button, or no answer in time.
    pub async fn press(&self, from: i64, message: &Message, label: &str) -> Toast {
        let key = message.keys.iter().find(|(name, _)| name.starts_with(label));
        let (_, data) = key.unwrap_or_else(|| panic!("no `{label}` in {message:#?}"));
        self.press_data(from, message, data).await
    }

    /// A press whose data a hostile program chose.
    ///
    /// # Panics
    /// When there is no answer in time.
    pub async fn press_data(&self, from: i64, message: &Message, data: &str) -> Toast {
        let query = self.press_silently(from, message, data);
        let begun = Instant::now();
        loop {
            if let Some(toast) = self.toast_of(&query) {
                return toast;
            }
            assert!(begun.elapsed() < PATIENCE, "nobody answered a press on {message:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A press whose answer nobody waits for; the number of the query.
    #[must_use]
    pub fn press_silently(&self, from: i64, message: &Message, data: &str) -> String {
        let mut shown = self.state().json_of(message);
        // Telegram leaves this out here, as programs found out that relied on it.
        shown["chat"].as_object_mut().unwrap().remove("is_forum");
        self.query(from, shown, data)
    }

    /// A press under a message that Telegram no longer shows the bot.
    #[must_use]
    pub fn press_unseen(&self, from: i64, message: &Message, data: &str) -> String {
        let chat = self.state().chat_json(message.chat);
        self.query(from, inaccessible(&chat, message.id), data)
    }

    fn query(&self, from: i64, message: Value, data: &str) -> String {
        let mut state = self.state();
        state.chats.started.insert(from);
        let query = format!("{}", 4_000_000 + state.presses.len());
        state.presses.insert(query.clone(), None);
        drop(state);
        self.push(json!({ "callback_query": {
            "id": query, "from": person(from), "chat_instance": "1", "data": data,
            "message": message,
        }}));
        query
    }

    /// What somebody saw after a press, if they saw something yet.
    #[must_use]
    pub fn toast_of(&self, query: &str) -> Option<Toast> {
        self.state().presses.get(query).cloned().flatten()
    }
}

/// The fields of a forwarded message.
#[must_use]
pub fn forwarded(author: i64) -> Value {
    json!({ "forward_origin": {
        "type": "user", "date": a_while_ago(), "sender_user": person(author),
    }})
}

pub(super) fn person(id: i64) -> Value {
    assert_ne!(id, BOT);
    json!({"id": id, "is_bot": false, "first_name": format!("User {id}")})
}
