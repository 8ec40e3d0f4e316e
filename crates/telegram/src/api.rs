//! Calls to the Bot API, with one answer to each way they can go wrong.

use std::sync::Arc;
use std::time::Duration;

use gatepost_chat::rich::Rich;
use teloxide::ApiError;
use teloxide::Bot;
use teloxide::RequestError;
use teloxide::payloads::AnswerCallbackQuerySetters;
use teloxide::payloads::EditMessageTextSetters;
use teloxide::payloads::GetUpdatesSetters;
use teloxide::payloads::SendDocumentSetters;
use teloxide::payloads::SendMessageSetters;
use teloxide::requests::Requester;
use teloxide::types::AllowedUpdate;
use teloxide::types::BotCommand;
use teloxide::types::CallbackQueryId;
use teloxide::types::ChatId;
use teloxide::types::ForceReply;
use teloxide::types::InlineKeyboardButton;
use teloxide::types::InlineKeyboardMarkup;
use teloxide::types::InputFile;
use teloxide::types::LinkPreviewOptions;
use teloxide::types::MessageId;
use teloxide::types::ReplyParameters;
use teloxide::types::ThreadId;
use teloxide::types::Update;

use crate::entities::rendered;
use crate::token::Token;

/// How long Telegram holds a poll open when there is nothing to say.
pub(crate) const POLL: Duration = Duration::from_secs(25);

/// No call takes longer. Above [`POLL`], so that an idle poll ends by itself.
const CALL: Duration = Duration::from_secs(45);

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A toast may have this many characters
/// (<https://core.telegram.org/bots/api#answercallbackquery>).
const TOAST: usize = 200;

/// The public server.
pub(crate) const PUBLIC: &str = "https://api.telegram.org";

/// Calls to the Bot API. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    bot: Bot,
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
}

/// A button under a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) label: &'static str,
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
        let bot = Bot::with_client(token.reveal(), client).set_api_url(url);
        Ok(Self { bot, token: Arc::new(token) })
    }

    pub(crate) async fn me(&self) -> Done<Identity> {
        match self.bot.get_me().await {
            Ok(me) => Ok(Identity {
                id: i64::try_from(me.user.id.0).unwrap_or_default(),
                name: me.user.username.clone().unwrap_or_default(),
                reads_groups: me.can_read_all_group_messages,
            }),
            // A server of another version may leave out fields that the types ask for.
            Err(error) => {
                let id = self.number(&error, &["id"]);
                let name = raw(&error).and_then(|raw| text_of(raw, "username"));
                match (id, name) {
                    (Some(id), Some(name)) => Ok(Identity { id, name, reads_groups: false }),
                    _ => Err(self.trouble(&error)),
                }
            }
        }
    }

    pub(crate) async fn webhook(&self) -> Done<Webhook> {
        let info = self.bot.get_webhook_info().await.map_err(|error| self.trouble(&error))?;
        Ok(Webhook {
            url: info.url.map(|url| self.token.scrub(url.as_str())).unwrap_or_default(),
            pending: u64::from(info.pending_update_count),
        })
    }

    pub(crate) async fn drop_webhook(&self) -> Done<()> {
        self.bot.delete_webhook().await.map(drop).map_err(|error| self.trouble(&error))
    }

    pub(crate) async fn menu(&self, commands: &[(&str, &str)]) -> Done<()> {
        let commands = commands.iter().map(|(name, what)| BotCommand::new(*name, *what));
        self.bot.set_my_commands(commands).await.map(drop).map_err(|error| self.trouble(&error))
    }

    /// The updates from `offset` on; naming it confirms everything before it.
    pub(crate) async fn updates(&self, offset: Option<i32>) -> Done<Vec<Update>> {
        let mut request = self
            .bot
            .get_updates()
            .timeout(u32::try_from(POLL.as_secs()).unwrap_or(25))
            .limit(100)
            .allowed_updates([
                AllowedUpdate::Message,
                AllowedUpdate::EditedMessage,
                AllowedUpdate::CallbackQuery,
            ]);
        if let Some(offset) = offset {
            request = request.offset(offset);
        }
        request.await.map_err(|error| self.trouble(&error))
    }

    /// Sends a message; its number.
    pub(crate) async fn send(&self, to: To, rich: &Rich, under: &Under) -> Done<i32> {
        let (text, entities) = rendered(rich);
        let mut request = self
            .bot
            .send_message(ChatId(to.chat), text.clone())
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
        match self.message(request.await) {
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
        let mut request = self
            .bot
            .edit_message_text(ChatId(chat), MessageId(id), text)
            .link_preview_options(no_preview());
        if !entities.is_empty() {
            request = request.entities(entities);
        }
        if let Under::Keys(rows) = under {
            request = request.reply_markup(keyboard(rows));
        }
        match self.message(request.await) {
            Ok(_) | Err(Trouble::NotModified) => Ok(()),
            Err(Trouble::NotParsed(why)) if !rich.spans().is_empty() => {
                tracing::warn!(%why, "telegram could not parse an edit; it goes out plain");
                Box::pin(self.edit(chat, id, &Rich::new().plain(rich.text()), under)).await
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Sends a text file.
    pub(crate) async fn file(&self, to: To, name: &str, text: String, about: &str) -> Done<i32> {
        let file = InputFile::memory(text.into_bytes()).file_name(name.to_owned());
        let mut request = self
            .bot
            .send_document(ChatId(to.chat), file)
            .caption(about)
            .disable_notification(to.silent)
            .disable_content_type_detection(true);
        if let Some(thread) = to.thread {
            request = request.message_thread_id(ThreadId(MessageId(thread)));
        }
        if let Some(reply) = to.reply {
            request = request.reply_parameters(reply_to(reply));
        }
        self.message(request.await)
    }

    /// Answers a tap. `alert` shows it in a box that must be closed.
    pub(crate) async fn toast(&self, query: &str, text: &str, alert: bool) -> Done<()> {
        let text: String = text.chars().take(TOAST).collect();
        self.bot
            .answer_callback_query(CallbackQueryId(query.to_owned()))
            .text(text)
            .show_alert(alert)
            .await
            .map(drop)
            .map_err(|error| self.trouble(&error))
    }

    fn message(&self, result: Result<teloxide::types::Message, RequestError>) -> Done<i32> {
        match result {
            Ok(message) => Ok(message.id.0),
            // It was done, whatever the answer lacks; the number of the message is what matters.
            Err(error) => match self.number(&error, &["message_id"]) {
                Some(id) => i32::try_from(id).map_err(|_| self.trouble(&error)),
                None => Err(self.trouble(&error)),
            },
        }
    }

    /// A number from an answer that says `ok` but does not fit the types.
    fn number(&self, error: &RequestError, path: &[&str]) -> Option<i64> {
        let found = number_of(raw(error)?, path.first()?);
        if found.is_some() {
            tracing::debug!("an answer of telegram lacks fields that its types have");
        }
        found
    }

    fn trouble(&self, error: &RequestError) -> Trouble {
        let said = |text: &str| self.token.scrub(text).chars().take(300).collect::<String>();
        match error {
            RequestError::RetryAfter(seconds) => {
                Trouble::Pause(Duration::from_secs(u64::from(seconds.seconds())))
            }
            RequestError::MigrateToChatId(chat) => Trouble::Moved(chat.0),
            RequestError::Api(api) => self.refusal(api),
            RequestError::Network(network) if network.is_connect() || network.is_builder() => {
                Trouble::NotReached(said(&chain(network.as_ref())))
            }
            RequestError::Network(network) => Trouble::Lost(said(&chain(network.as_ref()))),
            // A page of a proxy or a failing server says that nothing was done; an answer that
            // says `ok` says that something was.
            RequestError::InvalidJson { raw, .. } if is_ok(raw) => {
                Trouble::Lost("the answer cannot be read".into())
            }
            RequestError::InvalidJson { raw, .. } => Trouble::NotReached(said(raw)),
            RequestError::Io(error) => Trouble::NotReached(said(&error.to_string())),
        }
    }

    fn refusal(&self, api: &ApiError) -> Trouble {
        let text = self.token.scrub(&api.to_string());
        match api {
            ApiError::InvalidToken => Trouble::BadToken,
            ApiError::MessageNotModified => Trouble::NotModified,
            ApiError::TerminatedByOtherGetUpdates | ApiError::CantGetUpdates => Trouble::Conflict,
            ApiError::CantParseEntities(_) => Trouble::NotParsed(text),
            _ => by_words(text),
        }
    }
}

/// Errors that the types do not know are told apart by Telegram's own words.
fn by_words(text: String) -> Trouble {
    let lower = text.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&["message is not modified"]) {
        Trouble::NotModified
    } else if has(&["conflict:", "terminated by other getupdates"]) {
        Trouble::Conflict
    } else if has(&["can't parse", "entity_", "entities"]) {
        Trouble::NotParsed(text)
    } else if has(&[
        "internal server error",
        "bad gateway",
        "service unavailable",
        "gateway timeout",
        "gateway time-out",
        "restart",
    ]) {
        Trouble::NotReached(text)
    } else if has(&["too many requests"]) {
        // Without its `parameters` the pause is not known; Telegram's shortest are a few seconds.
        Trouble::Pause(Duration::from_secs(5))
    } else {
        Trouble::Refused(text)
    }
}

fn raw(error: &RequestError) -> Option<&str> {
    match error {
        RequestError::InvalidJson { raw, .. } if is_ok(raw) => Some(raw),
        _ => None,
    }
}

fn is_ok(raw: &str) -> bool {
    let solid: String = raw.chars().filter(|c| !c.is_whitespace()).take(4096).collect();
    solid.contains("\"ok\":true")
}

/// The number after the first `"name":`, in an answer whose whole form is not known.
fn number_of(raw: &str, name: &str) -> Option<i64> {
    let rest = after(raw, name)?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

fn text_of(raw: &str, name: &str) -> Option<String> {
    let rest = after(raw, name)?.strip_prefix('"')?;
    Some(rest.split_once('"')?.0.to_owned())
}

fn after<'r>(raw: &'r str, name: &str) -> Option<&'r str> {
    let (_, rest) = raw.split_once(&format!("\"{name}\""))?;
    Some(rest.trim_start().strip_prefix(':')?.trim_start())
}

/// The error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

fn keyboard(rows: &[Vec<Key>]) -> InlineKeyboardMarkup {
    InlineKeyboardMarkup::new(rows.iter().map(|row| {
        row.iter().map(|key| InlineKeyboardButton::callback(key.label, key.data.clone()))
    }))
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

    #[test]
    fn each_way_to_fail_has_its_own_answer() {
        let unknown = |text: &str| api().refusal(&ApiError::Unknown(text.into()));
        assert_eq!(
            unknown("Bad Request: message is not modified: specified new message content"),
            Trouble::NotModified
        );
        assert!(matches!(unknown("Bad Gateway"), Trouble::NotReached(_)));
        assert!(matches!(unknown("Internal Server Error"), Trouble::NotReached(_)));
        assert!(matches!(unknown("Bad Request: can't parse entities: x"), Trouble::NotParsed(_)));
        assert!(matches!(unknown("Too Many Requests: retry after 5"), Trouble::Pause(_)));
        assert!(matches!(unknown("Bad Request: chat not found"), Trouble::Refused(_)));
        assert_eq!(api().refusal(&ApiError::TerminatedByOtherGetUpdates), Trouble::Conflict);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_was_not_reached_and_no_error_holds_the_token() {
        let trouble = api().me().await.unwrap_err();
        assert!(matches!(trouble, Trouble::NotReached(_)), "{trouble:?}");
        assert!(!format!("{trouble} {trouble:?}").contains("SECRET"), "{trouble:?}");
    }

    #[test]
    fn numbers_are_found_in_answers_that_lack_fields() {
        let raw = r#"{"ok": true, "result": {"message_id": 42, "username" : "gate_bot"}}"#;
        assert!(is_ok(raw));
        assert_eq!(number_of(raw, "message_id"), Some(42));
        assert_eq!(text_of(raw, "username").as_deref(), Some("gate_bot"));
        assert!(!is_ok("<html>502</html>"));
    }

    #[test]
    fn an_address_without_a_host_is_refused() {
        for address in ["nonsense", "ftp://x", "file:///etc"] {
            assert!(Api::new(Token::parse("1:A").unwrap(), Some(address)).is_err(), "{address}");
        }
    }
}
