//! Telegram's numbers of chats, topics and messages, and what the desk calls them.

use gatepost_desk::place::Chat;
use gatepost_desk::place::MessageId;
use gatepost_desk::place::ThreadId;
use teloxide::types::ChatId;

use crate::api::Done;
use crate::api::Trouble;

/// A chat: private chats have their person's number, all others a negative one
/// (<https://core.telegram.org/bots/api#chat>).
pub(crate) fn chat(id: i64) -> Chat {
    if id < 0 { Chat::Group(id.unsigned_abs()) } else { Chat::Person(id.unsigned_abs()) }
}

/// A message; its number holds within its chat.
pub(crate) fn message(id: i32) -> MessageId {
    MessageId::of(u64::from(id.unsigned_abs()))
}

/// A topic.
pub(crate) fn thread(id: i32) -> ThreadId {
    ThreadId(u64::from(id.unsigned_abs()))
}

/// Telegram's number of a chat.
pub(super) fn chat_id(chat: Chat) -> Done<ChatId> {
    let id = match chat {
        Chat::Person(id) => i64::try_from(id).ok(),
        Chat::Group(id) => i64::try_from(id).ok().map(|id| -id),
    };
    id.map(ChatId).ok_or_else(|| Trouble::Refused(format!("{chat} is no chat of Telegram's")))
}

/// Telegram's number of a message.
pub(super) fn message_id(message: MessageId) -> Done<teloxide::types::MessageId> {
    let id = i32::try_from(message.number).ok().filter(|_| message.thread.is_none());
    id.map(teloxide::types::MessageId)
        .ok_or_else(|| Trouble::Refused(format!("{message} is no message of Telegram's")))
}

/// Telegram's number of a topic.
pub(super) fn thread_id(thread: ThreadId) -> Done<teloxide::types::ThreadId> {
    message_id(MessageId::of(thread.0)).map(teloxide::types::ThreadId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_as_they_were_and_others_are_refused() {
        for id in [1001, -1_001_234_567_890] {
            assert_eq!(chat_id(chat(id)), Ok(ChatId(id)));
            assert_eq!(chat(id).to_string(), id.to_string(), "as journals hold it");
        }
        assert_eq!(message_id(message(42)).map(|id| id.0), Ok(42));
        assert!(chat_id(Chat::Person(u64::MAX)).is_err());
        assert!(message_id(MessageId::of(1 << 40)).is_err());
        assert!(message_id(MessageId { thread: Some(ThreadId(7)), number: 42 }).is_err());
    }
}
