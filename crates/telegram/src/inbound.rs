//! Updates as the desk takes them: what was said or pressed, by whom, where.

use gatepost_desk::inbound::Called;
use gatepost_desk::inbound::Chosen;
use gatepost_desk::inbound::Inbound;
use gatepost_desk::inbound::PressId;
use gatepost_desk::inbound::Pressed;
use gatepost_desk::inbound::Reply;
use gatepost_desk::inbound::Said;
use gatepost_desk::place::MessageId;
use gatepost_desk::place::Place;
use gatepost_domain::message::Quoted;
use gatepost_domain::message::QuotedKind;
use jiff::Timestamp;
use teloxide::types::Chat;
use teloxide::types::ChatKind;
use teloxide::types::InlineKeyboardButtonKind;
use teloxide::types::InlineKeyboardMarkup;
use teloxide::types::Message;
use teloxide::types::MessageEntityKind;
use teloxide::types::PublicChatKind;
use teloxide::types::ThreadId;
use teloxide::types::Update;
use teloxide::types::UpdateKind;
use teloxide::types::User;

use crate::numbers;

mod lenient;
mod media;

pub(crate) use lenient::update;

/// The topic that every forum has (<https://core.telegram.org/api/forum#forum-topics>).
const GENERAL: i32 = 1;

/// What an update comes to.
pub(crate) fn read(update: &Update) -> Inbound {
    match &update.kind {
        UpdateKind::Message(message) => said(message),
        UpdateKind::EditedMessage(message) => match &message.from {
            Some(from) => Inbound::Edited {
                place: place(message),
                message: numbers::message(message.id.0),
                from: from.id.0,
            },
            None => Inbound::Other,
        },
        UpdateKind::CallbackQuery(query) => {
            let message = query.message.as_ref().map(|message| {
                let chat = message.chat();
                let thread = message
                    .regular_message()
                    .filter(|message| message.is_topic_message)
                    .and_then(|message| message.thread_id);
                (here(chat, thread), numbers::message(message.id().0))
            });
            Inbound::Pressed(Pressed {
                id: PressId(query.id.0.clone()),
                from: query.from.id.0,
                data: query.data.clone().unwrap_or_default(),
                message,
                words: None,
            })
        }
        // Whoever blocks the bot bans it from their chat, and lets it back in later.
        UpdateKind::MyChatMember(change)
            if change.chat.is_private()
                && !change.old_chat_member.is_present()
                && change.new_chat_member.is_present() =>
        {
            Inbound::Reachable(numbers::chat(change.chat.id.0))
        }
        _ => Inbound::Other,
    }
}

fn said(message: &Message) -> Inbound {
    if let Some(to) = message.migrate_to_chat_id() {
        return Inbound::Moved { from: numbers::chat(message.chat.id.0), to: numbers::chat(to.0) };
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
        message: numbers::message(message.id.0),
        from: from.id.0,
        name: name(from),
        late: false,
        at: Timestamp::from_second(message.date.timestamp()).unwrap_or_default(),
        text: text.to_owned(),
        chosen: Chosen::default(),
        called: called(message),
        files,
        attachments: Vec::new(),
        album: message.media_group_id().map(|group| group.0.clone()),
        odd,
        forwarded: message.forward_origin().is_some(),
        aside: None,
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
        let none = MessageId::of(0);
        return Some(Reply {
            message: none,
            author: None,
            quoted,
            picked: true,
            files: Vec::new(),
            button: None,
        });
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
        message: numbers::message(reply.id.0),
        author: reply.from.as_ref().map(|from| from.id.0),
        picked: picked.is_some(),
        quoted: picked.map(|picked| Quoted { kind, ..picked }).or(whole),
        files: media::files(reply),
        button: reply.reply_markup().and_then(button),
    })
}

/// What the first button under a message carries.
fn button(keyboard: &InlineKeyboardMarkup) -> Option<String> {
    keyboard.inline_keyboard.iter().flatten().find_map(|button| match &button.kind {
        InlineKeyboardButtonKind::CallbackData(data) => Some(data.clone()),
        _ => None,
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
    here(&message.chat, message.thread_id.filter(|_| message.is_topic_message))
}

fn here(chat: &Chat, thread: Option<ThreadId>) -> Place {
    // General is the absence of a topic: naming it is refused.
    let thread = thread.map(|thread| thread.0.0).filter(|thread| *thread != GENERAL);
    Place {
        chat: numbers::chat(chat.id.0),
        thread: thread.map(numbers::thread),
        has_threads: is_forum(chat),
    }
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
        assert_eq!((said.from, said.text.as_str(), said.message), (1001, "go", MessageId::of(7)));
        let place = Place::of_person(1001);
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
        assert!(reply.picked && reply.message == MessageId::of(7));
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
        assert_eq!(
            (said.place.thread, said.place.has_threads, said.reply),
            (Some(numbers::thread(40)), true, None)
        );
        let general = serde_json::json!({
            "chat": forum, "message_thread_id": 1, "is_topic_message": true,
        });
        let Inbound::Said(said) = update(message(general)) else { panic!() };
        assert_eq!(said.place.thread, None);
    }

    #[test]
    fn somebody_who_lets_the_bot_write_again_is_reachable_and_nobody_else_is() {
        let bot = serde_json::json!({"id": 700, "is_bot": true, "first_name": "Gate"});
        let change = |chat: i64, kind: &str, from: &str, to: &str| {
            let member = |status: &str| match status {
                "kicked" => serde_json::json!({"status": status, "user": bot, "until_date": 0}),
                _ => serde_json::json!({"status": status, "user": bot}),
            };
            update(serde_json::json!({"my_chat_member": {
                "chat": {"id": chat, "type": kind, "first_name": "A", "title": "G"},
                "from": {"id": 1001, "is_bot": false, "first_name": "A"}, "date": 1_780_000_000,
                "old_chat_member": member(from), "new_chat_member": member(to),
            }}))
        };
        let reachable = Inbound::Reachable(numbers::chat(1001));
        assert_eq!(change(1001, "private", "kicked", "member"), reachable);
        assert_eq!(change(1001, "private", "member", "kicked"), Inbound::Other);
        assert_eq!(change(-1001, "supergroup", "left", "member"), Inbound::Other);
    }

    #[test]
    fn a_migrated_group_is_followed() {
        let moved = serde_json::json!({
            "chat": {"id": -5, "type": "group", "title": "G"}, "migrate_to_chat_id": -1005,
        });
        let mut json = message(moved);
        json["message"].as_object_mut().unwrap().remove("text");
        assert_eq!(
            update(json),
            Inbound::Moved { from: numbers::chat(-5), to: numbers::chat(-1005) }
        );
    }
}
