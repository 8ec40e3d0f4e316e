//! Updates as the desk takes them: what was said or pressed, by whom, where.

use gatepost_domain::Attachment;
use gatepost_domain::message::Quoted;
use gatepost_domain::message::QuotedKind;
use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;
use teloxide::types::Chat;
use teloxide::types::ChatKind;
use teloxide::types::Message;
use teloxide::types::MessageEntityKind;
use teloxide::types::PublicChatKind;
use teloxide::types::Update;
use teloxide::types::UpdateKind;
use teloxide::types::User;

use crate::poll::Gap;

mod lenient;
mod media;

pub(crate) use lenient::update;
pub(crate) use media::Waiting;

/// Something came in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are messages, and few wait")]
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
    /// Everything that waited has been taken.
    CaughtUp(Gap),
    /// Nothing for Gatepost.
    Other,
}

/// Where something was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) chat: i64,
    pub(crate) thread: Option<i32>,
    /// A private chat has its person's id.
    pub(crate) private: bool,
    /// Whether the group has topics. A press does not tell.
    #[serde(default)]
    pub(crate) forum: bool,
}

/// What somebody said. It can be kept, for when it is taken later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) place: Place,
    pub(crate) message: i32,
    pub(crate) from: u64,
    /// What they call themselves, which proves nothing.
    pub(crate) name: String,
    pub(crate) at: Timestamp,
    /// Whether it waited for somebody to listen; the poll says so.
    #[serde(skip)]
    pub(crate) late: bool,
    /// Text or caption.
    pub(crate) text: String,
    /// Whom the text speaks to, where it says so.
    #[serde(default)]
    pub(crate) called: Called,
    /// Files that wait to be fetched.
    #[serde(default)]
    pub(crate) files: Vec<Waiting>,
    /// Files that were fetched and are kept.
    #[serde(default)]
    pub(crate) attachments: Vec<Attachment>,
    /// What several messages with a file each have in common when they were sent as one.
    #[serde(default)]
    pub(crate) album: Option<String>,
    /// Whether it is a sticker, a place or the like, which nobody can work on.
    #[serde(default)]
    pub(crate) odd: bool,
    /// Whether the words are somebody else's.
    pub(crate) forwarded: bool,
    pub(crate) reply: Option<Reply>,
}

impl Said {
    /// Whether it is a voice note that was not listened to yet.
    pub(crate) fn is_spoken(&self) -> bool {
        self.files.iter().any(|file| file.voice.is_some())
    }
}

/// Whom a text speaks to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Called {
    /// Telegram marked nothing in the text, so the words themselves must say it.
    #[default]
    Unmarked,
    /// These names, without `@`, and these numbers are marked as called.
    Marked { names: Vec<String>, ids: Vec<u64> },
}

/// What it is a reply to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) message: i32,
    /// The author's id.
    pub(crate) author: Option<u64>,
    /// The words, as material for what is asked now.
    pub(crate) quoted: Option<Quoted>,
    /// Whether the passage was picked out, and is not just the message that is answered.
    #[serde(default)]
    pub(crate) picked: bool,
    /// The files of the message that is answered.
    #[serde(default)]
    pub(crate) files: Vec<Waiting>,
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

/// The topic that every forum has (<https://core.telegram.org/api/forum#forum-topics>).
const GENERAL: i32 = 1;

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
                let thread = thread.map(|thread| thread.0.0).filter(|thread| *thread != GENERAL);
                let (private, forum) = (chat.is_private(), is_forum(chat));
                let place = Place { chat: chat.id.0, thread, private, forum };
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
    let (files, odd) = (media::files(message), media::is_odd(message));
    if text.is_empty() && files.is_empty() && !odd {
        return Inbound::Other;
    }
    Inbound::Said(Said {
        place: place(message),
        message: message.id.0,
        from: from.id.0,
        name: name(from),
        late: false,
        at: Timestamp::from_second(message.date.timestamp()).unwrap_or_default(),
        text: text.to_owned(),
        called: called(message),
        files,
        attachments: Vec::new(),
        album: message.media_group_id().map(|group| group.0.clone()),
        odd,
        forwarded: message.forward_origin().is_some(),
        reply: reply(message),
    })
}

/// What a message answers. A passage from another chat is answered by number 0, which no message
/// has.
fn reply(message: &Message) -> Option<Reply> {
    let picked = message
        .quote()
        .map(|quote| Quoted { kind: QuotedKind::Answered, text: quote.text.clone() });
    let Some(reply) = message.reply_to_message() else {
        let quoted = Some(picked?);
        return Some(Reply { message: 0, author: None, quoted, picked: true, files: Vec::new() });
    };
    // In a topic everything answers the message that opened it, and that means nothing.
    if message.is_topic_message && message.thread_id.is_some_and(|thread| thread.0 == reply.id) {
        return None;
    }
    let kind = match reply.forward_origin() {
        Some(_) => QuotedKind::Forwarded,
        None => QuotedKind::Answered,
    };
    let words = reply.text().or_else(|| reply.caption()).unwrap_or_default();
    let whole = (!words.trim().is_empty()).then(|| Quoted { kind, text: words.to_owned() });
    Some(Reply {
        message: reply.id.0,
        author: reply.from.as_ref().map(|from| from.id.0),
        picked: picked.is_some(),
        quoted: picked.map(|picked| Quoted { kind, ..picked }).or(whole),
        files: media::files(reply),
    })
}

fn called(message: &Message) -> Called {
    let entities = message.parse_entities().or_else(|| message.parse_caption_entities());
    let Some(entities) = entities.filter(|entities| !entities.is_empty()) else {
        return Called::Unmarked;
    };
    let (mut names, mut ids) = (Vec::new(), Vec::new());
    for entity in entities {
        match entity.kind() {
            MessageEntityKind::Mention => names.push(entity.text().replace('@', "")),
            MessageEntityKind::TextMention { user } => ids.push(user.id.0),
            MessageEntityKind::BotCommand => {
                names.extend(entity.text().split_once('@').map(|(_, name)| name.to_owned()));
            }
            _ => {}
        }
    }
    Called::Marked { names, ids }
}

fn is_forum(chat: &Chat) -> bool {
    match &chat.kind {
        ChatKind::Public(chat) => match &chat.kind {
            PublicChatKind::Supergroup(group) => group.is_forum,
            PublicChatKind::Channel(_) | PublicChatKind::Group => false,
        },
        ChatKind::Private(_) => false,
    }
}

/// What somebody calls themselves: name and handle.
fn name(user: &User) -> String {
    let mut name = user.full_name();
    if let Some(handle) = &user.username {
        name.push_str(&format!(" @{handle}"));
    }
    name
}

fn place(message: &Message) -> Place {
    // Replies in ordinary groups carry a thread as well; only topics may be named when sending.
    let thread = message.thread_id.filter(|_| message.is_topic_message).map(|thread| thread.0.0);
    // General is the absence of a topic: naming it is refused.
    let thread = thread.filter(|thread| *thread != GENERAL);
    let (private, forum) = (message.chat.is_private(), is_forum(&message.chat));
    Place { chat: message.chat.id.0, thread, private, forum }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(kind: serde_json::Value) -> Inbound {
        let mut json = kind;
        json["update_id"] = 1.into();
        read(&super::update(&json).unwrap())
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
        if ["photo", "document", "voice"].iter().any(|kind| message.get(kind).is_some()) {
            message.as_object_mut().unwrap().remove("text");
        }
        serde_json::json!({ "message": message })
    }

    #[test]
    fn a_message_is_read_with_its_author_and_place() {
        let Inbound::Said(said) = update(message(serde_json::json!({}))) else { panic!() };
        assert_eq!((said.from, said.text.as_str(), said.message), (1001, "go", 7));
        let place = Place { chat: 1001, thread: None, private: true, forum: false };
        assert_eq!(said.place, place);
        assert!(!said.forwarded && said.files.is_empty());
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
        let quoted = Quoted { kind: QuotedKind::Forwarded, text: "rm -rf".into() };
        assert_eq!(said.reply.unwrap().quoted, Some(quoted));
    }

    #[test]
    fn a_picked_passage_is_quoted_from_here_and_from_elsewhere() {
        let quote = serde_json::json!({"text": "this part", "position": 3});
        let original = message(serde_json::json!({"text": "of this part"}))["message"].clone();
        let here = serde_json::json!({"quote": quote, "reply_to_message": original});
        let Inbound::Said(said) = update(message(here)) else { panic!() };
        let reply = said.reply.unwrap();
        assert!(reply.picked && reply.message == 7);
        assert_eq!(reply.quoted.unwrap().text, "this part");
        let elsewhere = serde_json::json!({"quote": quote, "external_reply": {
            "origin": {"type": "hidden_user", "sender_user_name": "X", "date": 1_780_000_000},
        }});
        let read = update(message(elsewhere));
        let Inbound::Said(said) = read else { panic!("{read:?}") };
        assert_eq!(said.reply.unwrap().quoted.unwrap().text, "this part");
    }

    #[test]
    fn files_are_read_with_what_is_known_of_them() {
        let photo = serde_json::json!({
            "media_group_id": "13",
            "photo": [
                {"file_id": "S", "file_unique_id": "s", "width": 90, "height": 60, "file_size": 5},
                {"file_id": "L", "file_unique_id": "l", "width": 1280, "height": 853},
            ],
        });
        let Inbound::Said(said) = update(message(photo)) else { panic!() };
        let [file] = said.files.as_slice() else { panic!("{said:?}") };
        assert_eq!((file.id.as_str(), file.name.as_str(), file.size), ("L", "photo.jpg", None));
        assert_eq!((said.album.as_deref(), said.text.as_str()), (Some("13"), ""));
        let document = serde_json::json!({"caption": "look", "document": {
            "file_id": "D", "file_unique_id": "d", "file_name": "../a.pdf", "file_size": 9,
            "mime_type": "application/pdf",
        }});
        let Inbound::Said(said) = update(message(document)) else { panic!() };
        let file = &said.files[0];
        assert_eq!((file.name.as_str(), file.size), ("../a.pdf", Some(9)), "as it came");
        assert_eq!((said.text.as_str(), said.album), ("look", None));
        let voice = serde_json::json!({"voice": {
            "file_id": "V", "file_unique_id": "v", "duration": 4, "file_size": 9,
        }});
        let Inbound::Said(said) = update(message(voice)) else { panic!() };
        assert_eq!(said.files[0].voice, Some(4));
    }

    #[test]
    fn whoever_is_marked_as_called_is_called_and_words_alone_call_nobody_then() {
        let text = "/run@gate_bot @other x@gate_bot Gate";
        let entities = serde_json::json!({"text": text, "entities": [
            {"type": "bot_command", "offset": 0, "length": 13},
            {"type": "mention", "offset": 14, "length": 6},
            {"type": "text_mention", "offset": 32, "length": 4,
             "user": {"id": 700, "is_bot": true, "first_name": "Gate"}},
        ]});
        let Inbound::Said(said) = update(message(entities)) else { panic!() };
        let names = vec!["gate_bot".to_owned(), "other".to_owned()];
        assert_eq!(said.called, Called::Marked { names, ids: vec![700] });
    }

    #[test]
    fn in_a_topic_the_message_that_opened_it_is_no_reply_and_general_is_no_topic() {
        let forum =
            serde_json::json!({"id": -1005, "type": "supergroup", "title": "G", "is_forum": true});
        let mut opening =
            message(serde_json::json!({"chat": forum, "message_id": 40}))["message"].clone();
        opening["message_thread_id"] = 40.into();
        let inside = serde_json::json!({
            "chat": forum, "message_thread_id": 40, "is_topic_message": true,
            "reply_to_message": opening,
        });
        let Inbound::Said(said) = update(message(inside)) else { panic!() };
        assert_eq!((said.place.thread, said.place.forum, said.reply), (Some(40), true, None));
        let general = serde_json::json!({
            "chat": forum, "message_thread_id": 1, "is_topic_message": true,
        });
        let Inbound::Said(said) = update(message(general)) else { panic!() };
        assert_eq!(said.place.thread, None);
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
