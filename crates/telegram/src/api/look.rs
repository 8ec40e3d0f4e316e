//! What set-up and the doctor ask. Answers are read by name, because servers differ in the fields
//! that they send with them.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::json;

use super::Api;
use super::Done;
use super::Trouble;

/// What Telegram says of a chat and of the bot in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Membership {
    pub(crate) title: String,
    pub(crate) forum: bool,
    pub(crate) status: String,
    pub(crate) may_write: bool,
    pub(crate) may_manage_topics: bool,
}

/// What is read of a chat.
#[derive(Deserialize)]
struct Chat {
    #[serde(default)]
    title: String,
    #[serde(default)]
    is_forum: bool,
    #[serde(default)]
    permissions: Permissions,
}

/// What everybody may do in a chat.
#[derive(Default, Deserialize)]
struct Permissions {
    can_send_messages: Option<bool>,
}

/// What is read of a member. Which fields there are depends on the status.
#[derive(Deserialize)]
struct Member {
    status: String,
    is_member: Option<bool>,
    can_send_messages: Option<bool>,
    can_manage_topics: Option<bool>,
}

impl Api {
    /// How the bot stands in a chat.
    pub(crate) async fn membership(&self, chat: i64, bot: i64) -> Done<Membership> {
        let found: Chat = self.ask("getChat", &json!({ "chat_id": chat })).await?;
        let about = json!({ "chat_id": chat, "user_id": bot });
        let member: Member = self.ask("getChatMember", &about).await?;
        let may_write = match member.status.as_str() {
            "creator" | "administrator" => true,
            "member" => found.permissions.can_send_messages.unwrap_or(true),
            "restricted" => {
                member.is_member.unwrap_or(true) && member.can_send_messages.unwrap_or(false)
            }
            _ => false,
        };
        let may_manage_topics = match member.status.as_str() {
            "creator" => true,
            "administrator" => member.can_manage_topics.unwrap_or(false),
            _ => false,
        };
        Ok(Membership {
            title: found.title,
            forum: found.is_forum,
            status: member.status,
            may_write,
            may_manage_topics,
        })
    }

    /// Whether another program polls: one look without confirming anything, held open for `hold`
    /// so that the other's next poll meets it.
    pub(crate) async fn is_polled(&self, hold: Duration) -> Done<bool> {
        // No offset, so nothing is confirmed, and no wanted kinds, so those of the bot stay.
        let about = json!({ "timeout": hold.as_secs(), "limit": 1 });
        match self.ask::<IgnoredAny>("getUpdates", &about).await {
            Ok(IgnoredAny) => Ok(false),
            Err(Trouble::Conflict) => Ok(true),
            Err(other) => Err(other),
        }
    }

    async fn ask<T: DeserializeOwned>(&self, method: &str, about: &Value) -> Done<T> {
        let request = self
            .client
            .post(self.url(method))
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(about.to_string());
        Ok(self.execute(request).await?)
    }
}
