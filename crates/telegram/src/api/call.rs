//! One call: the forms of what is asked and answered are teloxide's, the way is Gatepost's own.
//!
//! teloxide waits ten seconds by itself after every server error, which makes a press on a button
//! seem dead, and it logs and tells apart less than is needed here. What is tried again, and when,
//! is decided by whoever called.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::multipart::Form;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use teloxide::requests::Payload;
use teloxide::types::Message;

use super::Api;
use super::Done;
use super::Trouble;

/// A pause that is asked for without its length; Telegram's shortest are a few seconds.
const PAUSE: Duration = Duration::from_secs(5);

/// Why a call gave nothing that was expected.
pub(super) enum Failure {
    /// It went wrong.
    Trouble(Trouble),
    /// It was done, and the answer does not fit the types. This is the answer.
    Odd(String),
}

/// What every answer has.
#[derive(Deserialize)]
struct Head {
    ok: bool,
    #[serde(default)]
    error_code: u16,
    #[serde(default)]
    description: String,
    #[serde(default)]
    parameters: Parameters,
}

/// What goes with some refusals.
#[derive(Default, Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
    migrate_to_chat_id: Option<i64>,
}

/// The answer of a call that was done.
#[derive(Deserialize)]
struct Answer<T> {
    result: T,
}

impl Api {
    /// Makes a call.
    pub(super) async fn call<P>(&self, payload: &P) -> Done<P::Output>
    where
        P: Payload + Serialize,
        P::Output: DeserializeOwned,
    {
        Ok(self.call_or_raw(payload).await?)
    }

    /// Makes a call; an answer that does not fit the types is given back as it is.
    pub(super) async fn call_or_raw<P>(&self, payload: &P) -> Result<P::Output, Failure>
    where
        P: Payload + Serialize,
        P::Output: DeserializeOwned,
    {
        let body = json(payload)?;
        let request = self
            .client
            .post(self.url(P::NAME))
            .header(reqwest::header::CONTENT_TYPE, "application/json")
            .body(body);
        self.execute(request).await
    }

    /// Makes a call with a file in it.
    pub(super) async fn upload<T: DeserializeOwned>(
        &self,
        method: &str,
        form: Form,
    ) -> Result<T, Failure> {
        self.execute(self.client.post(self.url(method)).multipart(form)).await
    }

    pub(super) fn url(&self, method: &str) -> String {
        format!("{}/bot{}/{method}", self.address, self.token.reveal())
    }

    pub(super) fn file_url(&self, way: &str) -> String {
        format!("{}/file/bot{}/{way}", self.address, self.token.reveal())
    }

    pub(super) async fn execute<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<T, Failure> {
        let response = request.send().await.map_err(|error| self.network(error))?;
        let status = response.status();
        let text = response.text().await.map_err(|error| self.network(error))?;
        match serde_json::from_str::<Head>(&text) {
            Ok(head) if head.ok => match serde_json::from_str::<Answer<T>>(&text) {
                Ok(answer) => Ok(answer.result),
                Err(error) => {
                    tracing::debug!(kind = ?error.classify(), "an answer does not fit its types");
                    Err(Failure::Odd(text))
                }
            },
            Ok(head) => Err(Failure::Trouble(self.refusal(status, head))),
            Err(_) => Err(Failure::Trouble(self.page(status, &text))),
        }
    }

    /// The connection failed. The address holds the token, so it is taken out first.
    pub(super) fn network(&self, error: reqwest::Error) -> Failure {
        let error = error.without_url();
        let why = self.said(&chain(&error));
        let certain = error.is_connect() || error.is_builder();
        Failure::Trouble(if certain { Trouble::NotReached(why) } else { Trouble::Lost(why) })
    }

    /// Something else than the Bot API answered: a proxy, or a server that fails.
    fn page(&self, status: StatusCode, text: &str) -> Trouble {
        let why = self.said(&format!("status {status}: {}", one_line(text)));
        match status {
            StatusCode::UNAUTHORIZED => Trouble::BadToken,
            StatusCode::TOO_MANY_REQUESTS => Trouble::Pause(PAUSE),
            // Somebody passed it on and waited in vain, or the answer was cut off.
            StatusCode::GATEWAY_TIMEOUT | StatusCode::OK => Trouble::Lost(why),
            _ => Trouble::NotReached(why),
        }
    }

    fn refusal(&self, status: StatusCode, head: Head) -> Trouble {
        let Head { ok: _, error_code, description, parameters } = head;
        let text = self.said(&one_line(&description));
        let code = if error_code == 0 { status.as_u16() } else { error_code };
        if let Some(to) = parameters.migrate_to_chat_id {
            return Trouble::Moved(to);
        }
        match code {
            401 => Trouble::BadToken,
            // A path with no token in it that is one.
            404 if text == "Not Found" => Trouble::BadToken,
            409 if text.to_lowercase().contains("webhook") => Trouble::Hooked,
            409 => Trouble::Conflict,
            429 => Trouble::Pause(parameters.retry_after.map_or(PAUSE, Duration::from_secs)),
            504 => Trouble::Lost(text),
            500.. => Trouble::NotReached(text),
            _ => by_words(text),
        }
    }

    fn said(&self, text: &str) -> String {
        self.token.scrub(text).chars().take(300).collect()
    }
}

impl Failure {
    /// A number from an answer that says that it was done.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        match self {
            Self::Odd(raw) => number_of(raw, name),
            Self::Trouble(_) => None,
        }
    }

    /// A text from an answer that says that it was done.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self {
            Self::Odd(raw) => text_of(raw, name),
            Self::Trouble(_) => None,
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Trouble(trouble) => trouble,
            Failure::Odd(_) => Self::Lost("the answer cannot be read".into()),
        }
    }
}

/// The number of a message that was sent or changed. It was done, whatever the answer lacks.
pub(super) fn number_of_message(sent: Result<Message, Failure>) -> Done<i32> {
    match sent {
        Ok(message) => Ok(message.id.0),
        Err(failure) => match failure.number("message_id").map(i32::try_from) {
            Some(Ok(id)) => Ok(id),
            Some(Err(_)) | None => Err(failure.into()),
        },
    }
}

/// As JSON; it fails for nothing that is sent here.
pub(super) fn json(value: &impl Serialize) -> Done<String> {
    serde_json::to_string(value).map_err(|error| Trouble::Refused(error.to_string()))
}

/// Refusals that have no code of their own are told apart by Telegram's own words.
fn by_words(text: String) -> Trouble {
    let lower = text.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&["message is not modified"]) {
        Trouble::NotModified
    } else if has(&["can't parse", "entity_", "entity beg", "entities"]) {
        Trouble::NotParsed(text)
    } else if has(&["thread not found", "topic_deleted", "topic_id_invalid", "topic deleted"]) {
        Trouble::NoTopic(text)
    } else if has(&["topic_closed", "topic closed"]) {
        Trouble::TopicClosed(text)
    } else if has(&["file is too big"]) {
        Trouble::TooLarge(text)
    } else {
        Trouble::Refused(text)
    }
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

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::Token;

    fn refused(code: u16, text: &str) -> Trouble {
        let api = Api::new(Token::parse("1:SECRET").unwrap(), Some("http://127.0.0.1:1")).unwrap();
        let head = Head {
            ok: false,
            error_code: code,
            description: text.into(),
            parameters: Parameters::default(),
        };
        api.refusal(StatusCode::from_u16(code).unwrap(), head)
    }

    #[test]
    fn each_way_to_fail_has_its_own_answer() {
        let same = "Bad Request: message is not modified: specified new message content";
        assert_eq!(refused(400, same), Trouble::NotModified);
        assert!(matches!(refused(502, "Bad Gateway"), Trouble::NotReached(_)));
        assert!(matches!(refused(500, "Internal Server Error"), Trouble::NotReached(_)));
        assert!(matches!(refused(504, "Gateway Timeout"), Trouble::Lost(_)));
        let unparsed = "Bad Request: can't parse entities: x";
        let outside = "Bad Request: entity beginning at UTF-16 offset 9 ends after the end";
        assert!(matches!(refused(400, unparsed), Trouble::NotParsed(_)));
        assert!(matches!(refused(400, outside), Trouble::NotParsed(_)));
        assert!(matches!(refused(413, "Request Entity Too Large"), Trouble::Refused(_)));
        // A pause that speaks of entities is still a pause.
        let pause = "Too Many Requests: entities, retry later";
        assert_eq!(refused(429, pause), Trouble::Pause(PAUSE));
        assert!(matches!(refused(400, "Bad Request: chat not found"), Trouble::Refused(_)));
        let other = "Conflict: terminated by other getUpdates request";
        assert_eq!(refused(409, other), Trouble::Conflict);
        let hooked = "Conflict: can't use getUpdates method while webhook is active";
        assert_eq!(refused(409, hooked), Trouble::Hooked);
        assert_eq!(refused(401, "Unauthorized"), Trouble::BadToken);
        assert_eq!(refused(404, "Not Found"), Trouble::BadToken);
        for gone in ["Bad Request: message thread not found", "Bad Request: TOPIC_ID_INVALID"] {
            assert_eq!(refused(400, gone), Trouble::NoTopic(gone.into()));
        }
        let closed = "Bad Request: TOPIC_CLOSED";
        assert_eq!(refused(400, closed), Trouble::TopicClosed(closed.into()));
        let no_message = "Bad Request: message to edit not found";
        assert_eq!(refused(400, no_message), Trouble::Refused(no_message.into()));
        let big = "Bad Request: file is too big";
        assert_eq!(refused(400, big), Trouble::TooLarge(big.into()));
        let Trouble::Refused(text) = refused(400, "no /bot1:SECRET/ here") else { panic!() };
        assert!(!text.contains("SECRET"), "{text}");
    }

    #[test]
    fn numbers_are_found_in_answers_that_lack_fields() {
        let raw = r#"{"ok": true, "result": {"message_id": 42, "username" : "gate_bot"}}"#;
        assert_eq!(number_of(raw, "message_id"), Some(42));
        assert_eq!(text_of(raw, "username").as_deref(), Some("gate_bot"));
    }
}
