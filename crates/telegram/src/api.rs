//! Calls to the Bot API, with one answer to each way they can go wrong.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use teloxide::payloads::DeleteWebhook;
use teloxide::payloads::GetMe;
use teloxide::payloads::GetUpdates;
use teloxide::payloads::GetUpdatesSetters;
use teloxide::payloads::GetWebhookInfo;
use teloxide::payloads::SetMyCommands;
use teloxide::payloads::SetWebhook;
use teloxide::payloads::SetWebhookSetters;
use teloxide::requests::Payload;
use teloxide::types::AllowedUpdate;
use teloxide::types::BotCommand;
use teloxide::types::Update;

use crate::inbound;
use crate::token::Token;

mod call;
mod files;
mod look;
mod messages;
mod topics;

/// No call takes longer. Above the longest poll, so that an idle one ends by itself.
const CALL: Duration = Duration::from_secs(45);

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// The updates that are asked for.
const WANTED: [AllowedUpdate; 4] = [
    AllowedUpdate::Message,
    AllowedUpdate::EditedMessage,
    AllowedUpdate::CallbackQuery,
    AllowedUpdate::MyChatMember,
];

/// The public server.
pub(crate) const PUBLIC: &str = "https://api.telegram.org";

/// Calls to the Bot API. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    client: reqwest::Client,
    address: Arc<str>,
    token: Arc<Token>,
}

/// Who the bot is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its number.
    pub id: i64,
    /// Its name, without `@`.
    pub name: String,
    /// Whether it sees every message of its groups.
    pub reads_groups: bool,
}

/// Where updates wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where they are pushed to; empty for a bot that polls.
    pub url: String,
    /// How many wait.
    pub pending: u64,
    /// What last went wrong with a push, and when.
    pub last_error: Option<(String, Timestamp)>,
}

/// Why a call did not do what was wanted. No text in here holds the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("telegram asks for a pause of {} s", .0.as_secs())]
    Pause(Duration),
    #[error("the chat is now {0}")]
    Moved(i64),
    #[error("another program polls with the same token")]
    Conflict,
    #[error("a webhook is set for this bot, and keeps every poll out")]
    Hooked,
    #[error("the token is not valid")]
    BadToken,
    #[error("the message is as it should be already")]
    NotModified,
    #[error("telegram cannot parse the message: {0}")]
    NotParsed(String),
    /// It had no effect for certain.
    #[error("telegram was not reached: {0}")]
    NotReached(String),
    /// It may have had its effect.
    #[error("the answer was lost: {0}")]
    Lost(String),
    #[error("the topic is gone: {0}")]
    NoTopic(String),
    #[error("the topic is closed: {0}")]
    TopicClosed(String),
    #[error("{0}")]
    TooLarge(String),
    #[error("telegram refused: {0}")]
    Refused(String),
}

/// What became of a call.
pub(crate) type Done<T> = Result<T, Trouble>;

/// An API address that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the address of a Bot API server")]
pub struct AddressError(String);

impl Api {
    /// With connections of its own; made anew when they are suspected dead.
    pub(crate) fn new(token: Token, address: Option<&str>) -> Result<Self, AddressError> {
        let address = address.unwrap_or(PUBLIC);
        let wrong = || AddressError(address.chars().take(200).collect());
        let url: reqwest::Url = address.trim_end_matches('/').parse().map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(wrong());
        }
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .timeout(CALL)
            .tcp_nodelay(true)
            // A kept connection that a sleeping laptop has lost shows only when it is used.
            .pool_idle_timeout(Duration::from_secs(60))
            .build()
            .map_err(|_| wrong())?;
        let address = url.as_str().trim_end_matches('/').into();
        Ok(Self { client, address, token: Arc::new(token) })
    }

    pub(crate) async fn me(&self) -> Done<Identity> {
        match self.call_or_raw(&GetMe::new()).await {
            Ok(me) => Ok(Identity {
                id: i64::try_from(me.user.id.0).unwrap_or_default(),
                name: me.user.username.clone().unwrap_or_default(),
                reads_groups: me.can_read_all_group_messages,
            }),
            // A server of another version may leave out fields that the types ask for.
            Err(failure) => match (failure.number("id"), failure.text("username")) {
                (Some(id), Some(name)) => Ok(Identity { id, name, reads_groups: false }),
                _ => Err(failure.into()),
            },
        }
    }

    pub(crate) async fn webhook(&self) -> Done<Webhook> {
        let info = self.call(&GetWebhookInfo::new()).await?;
        Ok(Webhook {
            url: info.url.map(|url| self.token.scrub(url.as_str())).unwrap_or_default(),
            pending: u64::from(info.pending_update_count),
            last_error: info.last_error_message.map(|why| {
                let at = info.last_error_date.map(|at| at.timestamp()).unwrap_or_default();
                (self.token.scrub(&why), Timestamp::from_second(at).unwrap_or_default())
            }),
        })
    }

    /// Has updates pushed to `url`, one after another, each with `secret`. Nothing that waits is
    /// dropped.
    pub(crate) async fn set_webhook(&self, url: reqwest::Url, secret: &str) -> Done<()> {
        let request = SetWebhook::new(url)
            .secret_token(secret.to_owned())
            .max_connections(1)
            .allowed_updates(WANTED);
        self.call(&request).await.map(drop)
    }

    pub(crate) async fn drop_webhook(&self) -> Done<()> {
        self.call(&DeleteWebhook::new()).await.map(drop)
    }

    pub(crate) async fn menu(&self, commands: &[(&str, &str)]) -> Done<()> {
        let commands = commands.iter().map(|(name, what)| BotCommand::new(*name, *what));
        self.call(&SetMyCommands::new(commands)).await.map(drop)
    }

    /// The updates from `offset` on; naming it confirms everything before it. Telegram holds the
    /// call open for `hold` when there is nothing to say.
    pub(crate) async fn updates(&self, offset: Option<i32>, hold: Duration) -> Done<Vec<Update>> {
        let mut request = GetUpdates::new()
            .timeout(u32::try_from(hold.as_secs()).unwrap_or(u32::MAX).max(1))
            .limit(100)
            .allowed_updates(WANTED);
        if let Some(offset) = offset {
            request = request.offset(offset);
        }
        let raw = self.call(&Raw(request)).await?;
        Ok(raw.iter().filter_map(inbound::update).collect())
    }
}

/// A poll whose answer is read update by update, so that one which does not fit the types does not
/// spoil the rest.
#[derive(serde::Serialize)]
struct Raw(GetUpdates);

impl Payload for Raw {
    type Output = Vec<serde_json::Value>;

    const NAME: &'static str = GetUpdates::NAME;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> Api {
        Api::new(Token::parse("1:SECRET").unwrap(), Some("http://127.0.0.1:1")).unwrap()
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_was_not_reached_and_no_error_holds_the_token() {
        let trouble = api().me().await.unwrap_err();
        assert!(matches!(trouble, Trouble::NotReached(_)), "{trouble:?}");
        assert!(!format!("{trouble} {trouble:?}").contains("SECRET"), "{trouble:?}");
    }

    #[test]
    fn an_address_without_a_host_is_refused() {
        for address in ["nonsense", "ftp://x", "file:///etc"] {
            assert!(Api::new(Token::parse("1:A").unwrap(), Some(address)).is_err(), "{address}");
        }
    }
}
