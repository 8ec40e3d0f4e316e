//! Calls to the Bot API, with one answer to each way they can go wrong.

use std::sync::Arc;
use std::time::Duration;

use gatepost_chat::rich::Rich;
use jiff::Timestamp;
use reqwest::multipart::Form;
use reqwest::multipart::Part;
use teloxide::payloads::AnswerCallbackQuery;
use teloxide::payloads::AnswerCallbackQuerySetters;
use teloxide::payloads::DeleteWebhook;
use teloxide::payloads::EditMessageText;
use teloxide::payloads::EditMessageTextSetters;
use teloxide::payloads::GetMe;
use teloxide::payloads::GetUpdates;
use teloxide::payloads::GetUpdatesSetters;
use teloxide::payloads::GetWebhookInfo;
use teloxide::payloads::SendMessage;
use teloxide::payloads::SendMessageSetters;
use teloxide::payloads::SetMyCommands;
use teloxide::payloads::SetWebhook;
use teloxide::payloads::SetWebhookSetters;
use teloxide::requests::Payload;
use teloxide::types::AllowedUpdate;
use teloxide::types::BotCommand;
use teloxide::types::CallbackQueryId;
use teloxide::types::ChatId;
use teloxide::types::ForceReply;
use teloxide::types::InlineKeyboardButton;
use teloxide::types::InlineKeyboardMarkup;
use teloxide::types::LinkPreviewOptions;
use teloxide::types::Message;
use teloxide::types::MessageId;
use teloxide::types::ReplyParameters;
use teloxide::types::ThreadId;
use teloxide::types::Update;

use crate::entities::rendered;
use crate::inbound;
use crate::token::Token;

mod call;
mod files;
mod look;
mod topics;

/// No call takes longer. Above the longest poll, so that an idle one ends by itself.
const CALL: Duration = Duration::from_secs(45);

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A toast may have this many characters
/// (<https://core.telegram.org/bots/api#answercallbackquery>).
const TOAST: usize = 200;

/// The pauses after which an answer to a press is tried again; the reader's program waits for about
/// ten seconds.
const TOAST_AGAIN: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_millis(500), Duration::from_millis(1500)];

/// The updates that are asked for.
const WANTED: [AllowedUpdate; 3] =
    [AllowedUpdate::Message, AllowedUpdate::EditedMessage, AllowedUpdate::CallbackQuery];

/// The largest file that a bot may send, in bytes
/// (<https://core.telegram.org/bots/api#sending-files>).
const LARGEST_FILE: usize = 50 * 1024 * 1024;

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

/// A button under a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) label: String,
    pub(crate) data: String,
}

/// What is under a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Under {
    Nothing,
    Keys(Vec<Vec<Key>>),
    /// The reader's keyboard opens for a reply to this message.
    Reply,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct To {
    pub(crate) chat: i64,
    pub(crate) thread: Option<i32>,
    pub(crate) reply: Option<i32>,
    pub(crate) silent: bool,
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
    #[error("telegram refused: {0}")]
    Refused(String),
}

impl Trouble {
    /// Whether the call certainly did nothing and may well do something when it is made again.
    pub(crate) fn had_no_effect(&self) -> bool {
        match self {
            Self::Pause(_)
            | Self::Moved(_)
            | Self::Conflict
            | Self::Hooked
            | Self::BadToken
            | Self::NotReached(_) => true,
            Self::NotModified | Self::NotParsed(_) | Self::Lost(_) | Self::Refused(_) => false,
        }
    }
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

    /// Sends a message; its number.
    pub(crate) async fn send(&self, to: To, rich: &Rich, under: &Under) -> Done<i32> {
        let (text, entities) = rendered(rich);
        let mut request = SendMessage::new(ChatId(to.chat), self.token.cover(text))
            .link_preview_options(no_preview())
            .disable_notification(to.silent);
        if !entities.is_empty() {
            request = request.entities(entities);
        }
        if let Some(thread) = to.thread {
            request = request.message_thread_id(ThreadId(MessageId(thread)));
        }
        if let Some(reply) = to.reply {
            request = request.reply_parameters(reply_to(reply));
        }
        match under {
            Under::Nothing => {}
            Under::Keys(rows) => request = request.reply_markup(keyboard(rows)),
            Under::Reply => request = request.reply_markup(ForceReply::new().selective()),
        }
        match self.message(&request).await {
            // The words matter more than how they look.
            Err(Trouble::NotParsed(why)) if !rich.spans().is_empty() => {
                tracing::warn!(%why, "telegram could not parse a message; it goes out plain");
                Box::pin(self.send(to, &Rich::new().plain(rich.text()), under)).await
            }
            other => other,
        }
    }

    /// Changes a message. An edit without keys takes the keys away.
    pub(crate) async fn edit(&self, chat: i64, id: i32, rich: &Rich, under: &Under) -> Done<()> {
        let (text, entities) = rendered(rich);
        let text = self.token.cover(text);
        let mut request = EditMessageText::new(ChatId(chat), MessageId(id), text)
            .link_preview_options(no_preview());
        if !entities.is_empty() {
            request = request.entities(entities);
        }
        if let Under::Keys(rows) = under {
            request = request.reply_markup(keyboard(rows));
        }
        match self.message(&request).await {
            Ok(_) | Err(Trouble::NotModified) => Ok(()),
            Err(Trouble::NotParsed(why)) if !rich.spans().is_empty() => {
                tracing::warn!(%why, "telegram could not parse an edit; it goes out plain");
                Box::pin(self.edit(chat, id, &Rich::new().plain(rich.text()), under)).await
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Sends a file.
    pub(crate) async fn file(
        &self,
        to: To,
        name: String,
        bytes: Vec<u8>,
        about: &str,
    ) -> Done<i32> {
        let content = match String::from_utf8(bytes) {
            Ok(text) => self.token.cover(text).into_bytes(),
            Err(binary) => binary.into_bytes(),
        };
        if content.len() > LARGEST_FILE {
            // Known before it is sent, and said in words that help.
            let megabytes = content.len() / (1024 * 1024);
            return Err(Trouble::Refused(format!(
                "the file has {megabytes} MB, and Telegram takes no more than 50 from a bot"
            )));
        }
        let mut form = Form::new()
            .text("chat_id", to.chat.to_string())
            .text("caption", about.to_owned())
            .text("disable_notification", to.silent.to_string())
            .text("disable_content_type_detection", "true")
            .part("document", Part::bytes(content).file_name(name));
        if let Some(thread) = to.thread {
            form = form.text("message_thread_id", thread.to_string());
        }
        if let Some(reply) = to.reply {
            form = form.text("reply_parameters", call::json(&reply_to(reply))?);
        }
        call::number_of_message(self.upload::<Message>("sendDocument", form).await)
    }

    /// Answers a tap. `alert` shows it in a box that must be closed.
    pub(crate) async fn toast(&self, query: &str, text: &str, alert: bool) -> Done<()> {
        let text: String = text.chars().take(TOAST).collect();
        let request = AnswerCallbackQuery::new(CallbackQueryId(query.to_owned()))
            .text(text)
            .show_alert(alert);
        // Somebody looks at the button and waits; doing it twice is doing it once.
        for pause in TOAST_AGAIN {
            match self.call(&request).await {
                Err(Trouble::NotReached(_) | Trouble::Lost(_)) => tokio::time::sleep(pause).await,
                other => return other.map(drop),
            }
        }
        self.call(&request).await.map(drop)
    }

    /// A call that sends or changes a message; the message's number.
    async fn message<P>(&self, request: &P) -> Done<i32>
    where
        P: Payload<Output = Message> + serde::Serialize,
    {
        call::number_of_message(self.call_or_raw(request).await)
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

fn keyboard(rows: &[Vec<Key>]) -> InlineKeyboardMarkup {
    InlineKeyboardMarkup::new(
        rows.iter()
            .map(|row| row.iter().map(|key| InlineKeyboardButton::callback(&key.label, &key.data))),
    )
}

fn reply_to(message: i32) -> ReplyParameters {
    // People delete messages; what answers them still has to arrive.
    ReplyParameters::new(MessageId(message)).allow_sending_without_reply()
}

fn no_preview() -> LinkPreviewOptions {
    LinkPreviewOptions {
        is_disabled: true,
        url: None,
        prefer_small_media: false,
        prefer_large_media: false,
        show_above_text: false,
    }
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
