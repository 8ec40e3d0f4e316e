//! What set-up and the doctor ask. Answers are read by name, because servers differ in the fields
//! that they send with them.

use std::time::Duration;

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

impl Api {
    /// How the bot stands in a chat.
    pub(crate) async fn membership(&self, chat: i64, bot: i64) -> Done<Membership> {
        let found = self.ask("getChat", &json!({ "chat_id": chat })).await?;
        let about = json!({ "chat_id": chat, "user_id": bot });
        let member = self.ask("getChatMember", &about).await?;
        let status = member["status"].as_str().unwrap_or_default().to_owned();
        let everybody = found["permissions"]["can_send_messages"].as_bool().unwrap_or(true);
        let may_write = match status.as_str() {
            "creator" | "administrator" => true,
            "member" => everybody,
            "restricted" => {
                member["is_member"].as_bool().unwrap_or(true)
                    && member["can_send_messages"].as_bool().unwrap_or(false)
            }
            _ => false,
        };
        Ok(Membership {
            title: found["title"].as_str().unwrap_or_default().to_owned(),
            forum: found["is_forum"].as_bool().unwrap_or(false),
            may_manage_topics: status == "creator"
                || status == "administrator" && member["can_manage_topics"] == true,
            status,
            may_write,
        })
    }

    /// Whether another program polls: one look without confirming anything, held open for `hold`
    /// so that the other's next poll meets it.
    pub(crate) async fn is_polled(&self, hold: Duration) -> Done<bool> {
        // No offset, so nothing is confirmed, and no wanted kinds, so those of the bot stay.
        let about = json!({ "timeout": hold.as_secs(), "limit": 1 });
        match self.ask("getUpdates", &about).await {
            Ok(_) => Ok(false),
            Err(Trouble::Conflict) => Ok(true),
            Err(other) => Err(other),
        }
    }

    async fn ask(&self, method: &str, about: &Value) -> Done<Value> {
        let request = self
            .client
            .post(self.url(method))
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(about.to_string());
        Ok(self.execute(request).await?)
    }
}
