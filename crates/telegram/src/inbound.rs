//! Updates as the desk takes them: what was said or pressed, by whom, where.

use jiff::Timestamp;
use teloxide::types::Message;
use teloxide::types::Update;
use teloxide::types::UpdateKind;

/// Something came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Inbound {
    /// Somebody said something.
    Said(Said),
    /// Somebody changed what they had said.
    Edited {
        /// Where.
        place: Place,
        /// Which message.
        message: i32,
        /// Who.
        from: u64,
    },
    /// Somebody pressed a button.
    Tap(Tap),
    /// A group goes on under another id.
    Moved {
        /// Its old id.
        from: i64,
        /// Its new one.
        to: i64,
    },
    /// Nothing for Gatepost.
    Other,
}

/// Where something was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) chat: i64,
    pub(crate) thread: Option<i32>,
    /// A private chat has its person's id.
    pub(crate) private: bool,
}

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) place: Place,
    pub(crate) message: i32,
    pub(crate) from: u64,
    pub(crate) at: Timestamp,
    /// Text or caption.
    pub(crate) text: String,
    /// Whether a photo, a file or the like came with it.
    pub(crate) attached: bool,
    /// Whether the words are somebody else's.
    pub(crate) forwarded: bool,
    pub(crate) reply: Option<Reply>,
}

/// What it is a reply to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) message: i32,
    /// The author's id.
    pub(crate) author: Option<u64>,
    /// The words, when they were forwarded: material for what is asked now.
    pub(crate) quoted: Option<String>,
}

/// A press on a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tap {
    pub(crate) query: String,
    pub(crate) from: u64,
    pub(crate) data: String,
    /// The message with the button; none when it is too old for Telegram to say.
    pub(crate) message: Option<(Place, i32)>,
}

/// What an update comes to.
pub(crate) fn read(update: &Update) -> Inbound {
    match &update.kind {
        UpdateKind::Message(message) => said(message),
        UpdateKind::EditedMessage(message) => match &message.from {
            Some(from) => {
                Inbound::Edited { place: place(message), message: message.id.0, from: from.id.0 }
            }
            None => Inbound::Other,
        },
        UpdateKind::CallbackQuery(query) => {
            let message = query.message.as_ref().map(|message| {
                let chat = message.chat();
                let thread = message
                    .regular_message()
                    .filter(|message| message.is_topic_message)
                    .and_then(|message| message.thread_id);
                let thread = thread.map(|thread| thread.0.0);
                let place = Place { chat: chat.id.0, thread, private: chat.is_private() };
                (place, message.id().0)
            });
            Inbound::Tap(Tap {
                query: query.id.0.clone(),
                from: query.from.id.0,
                data: query.data.clone().unwrap_or_default(),
                message,
            })
        }
        _ => Inbound::Other,
    }
}

fn said(message: &Message) -> Inbound {
    if let Some(to) = message.migrate_to_chat_id() {
        return Inbound::Moved { from: message.chat.id.0, to: to.0 };
    }
    // Without an author there is nobody whose rights could be asked for: channels, and admins who
    // write as their group.
    let Some(from) = message.from.as_ref().filter(|from| !from.is_bot) else {
        return Inbound::Other;
    };
    if message.sender_chat.is_some() {
        return Inbound::Other;
    }
    let text = message.text().or_else(|| message.caption()).unwrap_or_default();
    let attached = message.photo().is_some()
        || message.document().is_some()
        || message.video().is_some()
        || message.audio().is_some()
        || message.voice().is_some()
        || message.video_note().is_some()
        || message.sticker().is_some()
        || message.animation().is_some();
    if text.is_empty() && !attached {
        return Inbound::Other;
    }
    let reply = message.reply_to_message().map(|reply| Reply {
        message: reply.id.0,
        author: reply.from.as_ref().map(|from| from.id.0),
        quoted: reply
            .forward_origin()
            .and_then(|_| reply.text().or_else(|| reply.caption()))
            .map(str::to_owned),
    });
    Inbound::Said(Said {
        place: place(message),
        message: message.id.0,
        from: from.id.0,
        at: Timestamp::from_second(message.date.timestamp()).unwrap_or_default(),
        text: text.to_owned(),
        attached,
        forwarded: message.forward_origin().is_some(),
        reply,
    })
}

fn place(message: &Message) -> Place {
    // Replies in ordinary groups carry a thread as well; only topics may be named when sending.
    let thread = message.thread_id.filter(|_| message.is_topic_message).map(|thread| thread.0.0);
    Place { chat: message.chat.id.0, thread, private: message.chat.is_private() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(kind: serde_json::Value) -> Inbound {
        let mut json = kind;
        json["update_id"] = 1.into();
        // Through text, as updates come: the types read some fields differently from a value.
        read(&serde_json::from_str(&json.to_string()).unwrap())
    }

    fn message(more: serde_json::Value) -> serde_json::Value {
        let mut message = serde_json::json!({
            "message_id": 7, "date": 1_780_000_000, "text": "go",
            "from": {"id": 1001, "is_bot": false, "first_name": "A"},
            "chat": {"id": 1001, "type": "private", "first_name": "A"},
        });
        for (name, value) in more.as_object().unwrap() {
            message[name] = value.clone();
        }
        serde_json::json!({ "message": message })
    }

    #[test]
    fn a_message_is_read_with_its_author_and_place() {
        let Inbound::Said(said) = update(message(serde_json::json!({}))) else { panic!() };
        assert_eq!((said.from, said.text.as_str(), said.message), (1001, "go", 7));
        assert_eq!(said.place, Place { chat: 1001, thread: None, private: true });
        assert!(!said.forwarded && !said.attached);
    }

    #[test]
    fn what_has_no_person_behind_it_is_nothing() {
        let bot = serde_json::json!({"from": {"id": 5, "is_bot": true, "first_name": "B"}});
        assert_eq!(update(message(bot)), Inbound::Other);
        let anonymous = serde_json::json!({
            "sender_chat": {"id": -100, "type": "supergroup", "title": "G"},
            "chat": {"id": -100, "type": "supergroup", "title": "G"},
        });
        assert_eq!(update(message(anonymous)), Inbound::Other);
        assert_eq!(update(serde_json::json!({"new_thing": {"x": 1}})), Inbound::Other);
    }

    #[test]
    fn forwarded_words_are_marked_and_quoted_when_replied_to() {
        let origin = serde_json::json!({
            "type": "hidden_user", "sender_user_name": "X", "date": 1_780_000_000,
        });
        let forwarded = serde_json::json!({ "forward_origin": origin });
        let Inbound::Said(said) = update(message(forwarded.clone())) else { panic!() };
        assert!(said.forwarded);
        let mut original = message(forwarded)["message"].clone();
        original["text"] = "rm -rf".into();
        let reply = serde_json::json!({ "reply_to_message": original });
        let Inbound::Said(said) = update(message(reply)) else { panic!() };
        assert_eq!(said.reply.unwrap().quoted.as_deref(), Some("rm -rf"));
    }

    #[test]
    fn a_migrated_group_is_followed() {
        let moved = serde_json::json!({
            "chat": {"id": -5, "type": "group", "title": "G"}, "migrate_to_chat_id": -1005,
        });
        let mut json = message(moved);
        json["message"].as_object_mut().unwrap().remove("text");
        assert_eq!(update(json), Inbound::Moved { from: -5, to: -1005 });
    }
}
