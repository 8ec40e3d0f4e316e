//! Topics: one thread of a chat for each task.

use gatepost_desk::place::Chat;
use gatepost_desk::place::ThreadId;
use serde::Serialize;
use serde_json::Value;
use teloxide::payloads::CloseForumTopic;
use teloxide::payloads::CreateForumTopic;
use teloxide::payloads::EditForumTopic;
use teloxide::payloads::EditForumTopicSetters;
use teloxide::payloads::ReopenForumTopic;
use teloxide::requests::Payload;

use super::Api;
use super::Done;
use super::Trouble;
use super::call::Failure;
use crate::numbers::chat_id;
use crate::numbers::thread_id;

/// `getMe`, with the fields that the types do not know.
#[derive(Serialize)]
struct WhoAmI {}

impl Payload for WhoAmI {
    type Output = Value;

    const NAME: &'static str = "getMe";
}

impl Api {
    /// Whether the bot's private chats have topics (Bot API 9.3, `has_topics_enabled`).
    pub(crate) async fn has_private_topics(&self) -> Done<bool> {
        let me = self.call(&WhoAmI {}).await?;
        Ok(me.get("has_topics_enabled").and_then(Value::as_bool).unwrap_or(false))
    }

    /// Opens a topic; its number.
    pub(crate) async fn open_topic(&self, chat: Chat, name: &str) -> Done<i32> {
        match self.call_or_raw(&CreateForumTopic::new(chat_id(chat)?, name)).await {
            Ok(topic) => Ok(topic.thread_id.0.0),
            Err(failure) => match failure.number("message_thread_id").map(i32::try_from) {
                Some(Ok(thread)) => Ok(thread),
                Some(Err(_)) | None => Err(failure.into()),
            },
        }
    }

    /// Gives a topic another name.
    pub(crate) async fn rename_topic(&self, chat: Chat, thread: ThreadId, name: &str) -> Done<()> {
        let request = EditForumTopic::new(chat_id(chat)?, thread_id(thread)?).name(name);
        unless_so_already(self.call_or_raw(&request).await.map(drop))
    }

    /// Closes a topic of a forum, or opens it again.
    pub(crate) async fn close_topic(&self, chat: Chat, thread: ThreadId, closed: bool) -> Done<()> {
        let (chat, thread) = (chat_id(chat)?, thread_id(thread)?);
        unless_so_already(if closed {
            self.call_or_raw(&CloseForumTopic::new(chat, thread)).await.map(drop)
        } else {
            self.call_or_raw(&ReopenForumTopic::new(chat, thread)).await.map(drop)
        })
    }
}

/// What is as it should be already is a success, as it is with messages.
fn unless_so_already(done: Result<(), Failure>) -> Done<()> {
    match done.map_err(Trouble::from) {
        Err(Trouble::Refused(why)) if why.to_uppercase().contains("NOT_MODIFIED") => Ok(()),
        other => other,
    }
}
