//! Updates that the types cannot read whole: newer fields, and fields that are left out.
//!
//! What cannot be read would be lost without a word, so it is read once more with no more than is
//! needed here.

use serde_json::Map;
use serde_json::Value;
use teloxide::types::MessageKind;
use teloxide::types::Update;
use teloxide::types::UpdateKind;

/// The fields of a message that are needed here.
const NEEDED: [&str; 28] = [
    "message_id",
    "message_thread_id",
    "is_topic_message",
    "date",
    "edit_date",
    "chat",
    "from",
    "sender_chat",
    "forward_origin",
    "quote",
    "media_group_id",
    "text",
    "entities",
    "caption",
    "caption_entities",
    "photo",
    "document",
    "animation",
    "video",
    "video_note",
    "audio",
    "voice",
    "sticker",
    "location",
    "contact",
    "poll",
    "dice",
    "migrate_to_chat_id",
];

/// Reads an update; none when it has no number.
pub(crate) fn update(raw: &Value) -> Option<Update> {
    let read = parse(raw);
    if read.as_ref().is_some_and(is_whole) {
        return read;
    }
    let mut less = raw.clone();
    for kind in ["message", "edited_message"] {
        if let Some(message) = less.get_mut(kind).and_then(Value::as_object_mut) {
            reduce(message);
        }
    }
    if let Some(query) = less.get_mut("callback_query").and_then(Value::as_object_mut)
        && let Some(message) = query.get_mut("message").and_then(Value::as_object_mut)
    {
        reduce(message);
    }
    let again = parse(&less).or(read);
    if !again.as_ref().is_some_and(is_whole) {
        let kinds: Vec<_> = raw.as_object().into_iter().flat_map(Map::keys).collect();
        tracing::debug!(?kinds, "an update says nothing that is known");
    }
    again
}

/// Whether the types found something in an update. A message that fits none of their kinds is an
/// empty one for them.
fn is_whole(update: &Update) -> bool {
    match &update.kind {
        UpdateKind::Error(_) => false,
        UpdateKind::Message(message) | UpdateKind::EditedMessage(message) => {
            !matches!(message.kind, MessageKind::Empty { .. })
        }
        _ => true,
    }
}

/// Through text, as updates come: the types read some fields differently from a value.
fn parse(raw: &Value) -> Option<Update> {
    serde_json::from_str(&raw.to_string()).ok()
}

fn reduce(message: &mut Map<String, Value>) {
    if let Some(Value::Object(mut reply)) = message.remove("reply_to_message") {
        // Telegram does not nest these either.
        reply.remove("reply_to_message");
        keep_needed(&mut reply);
        keep_needed(message);
        message.insert("reply_to_message".into(), Value::Object(reply));
    } else {
        keep_needed(message);
    }
}

fn keep_needed(message: &mut Map<String, Value>) {
    message.retain(|name, value| NEEDED.contains(&name.as_str()) && !value.is_null());
    for name in ["document", "animation", "video", "audio", "voice"] {
        if let Some(file) = message.get_mut(name).and_then(Value::as_object_mut) {
            file.entry("mime_type").or_insert_with(|| "application/octet-stream".into());
        }
    }
}
