//! Calls to Discord's HTTP API, with one answer to each way they can go wrong.
//!
//! What is said is made by serenity's builders; the way is Gatepost's own. The library's client drops
//! head and body of a refusal, and with them how long Discord asks to wait and whom that is about; its
//! own pacing cannot be pointed elsewhere, and neither knows an answer that was lost.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use reqwest::Method;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use reqwest::multipart::Form;
use reqwest::multipart::Part;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::json;
use tokio::time::Instant;

use crate::pace::Learnt;
use crate::pace::Pace;
use crate::pace::Route;
use crate::pace::Scope;
use crate::pace::Turn;
use crate::token::Token;

mod channels;
mod files;
mod interactions;
mod look;

pub(crate) use channels::Draft;
pub(crate) use channels::Sending;
pub(crate) use files::Unfetched;
pub(crate) use interactions::Ack;
pub(crate) use interactions::Acked;
pub(crate) use interactions::Handle;
pub(crate) use look::Application;
pub(crate) use look::Intents;

/// No call takes longer.
const CALL: Duration = Duration::from_secs(30);

/// A call with a file takes longer by a second for so many bytes of it.
const UPLOAD: usize = 100_000;

/// How long making a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A turn that comes sooner is waited for. Whoever would wait longer is told so instead, because what
/// they have to say may be another thing by then.
const SOON: Duration = Duration::from_secs(2);

/// The pauses after which a call that may be made twice is made again.
const AGAIN: [Duration; 4] = [
    Duration::from_millis(300),
    Duration::from_millis(1000),
    Duration::from_secs(3),
    Duration::from_secs(8),
];

/// The longest pause that a call that can wait waits for.
const PATIENT: Duration = Duration::from_secs(120);

/// The public server.
const PUBLIC: &str = "https://discord.com";

/// Who calls, as Discord asks to be told
/// (<https://discord.com/developers/docs/reference#user-agent>).
const AGENT: &str =
    concat!("DiscordBot (https://github.com/gatepost/gatepost, ", env!("CARGO_PKG_VERSION"), ")");

/// The codes of refusals that mean something here
/// (<https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>).
pub(crate) mod code {
    /// There is no such channel, or the bot may not see it.
    pub(crate) const UNKNOWN_CHANNEL: u64 = 10003;
    /// There is no such message.
    pub(crate) const UNKNOWN_MESSAGE: u64 = 10008;
    /// It was answered before.
    pub(crate) const ALREADY_ANSWERED: u64 = 40060;
    /// The file is too large.
    pub(crate) const TOO_LARGE: u64 = 40005;
    /// The thread is archived.
    pub(crate) const ARCHIVED: u64 = 50083;
    /// The message has its thread already.
    pub(crate) const THREAD_EXISTS: u64 = 160_004;
    /// The thread is locked.
    pub(crate) const LOCKED: u64 = 160_005;
}

/// Calls to Discord. Cheap to clone; clones keep to one pace.
#[derive(Clone)]
pub(crate) struct Api {
    client: reqwest::Client,
    base: Arc<str>,
    token: Arc<Token>,
    /// Locked for a look and never over a wait: a call must know the others' at the moment it goes.
    pace: Arc<Mutex<Pace>>,
    begun: Instant,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("base", &self.base).finish_non_exhaustive()
    }
}

/// Why a call did not do what was wanted. No text in here holds the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// Discord wants a pause; it had no effect.
    #[error("discord asks for a pause of {} s", .0.as_secs_f32().ceil())]
    Pause(Duration),
    /// The token is not valid.
    #[error("the token is not valid")]
    BadToken,
    /// It had no effect for certain.
    #[error("discord was not reached: {0}")]
    NotReached(String),
    /// It may have had its effect.
    #[error("the answer was lost: {0}")]
    Lost(String),
    /// It was refused.
    #[error("discord refused: {text}")]
    Refused {
        /// Discord's own number of the reason; 0 where it gave none.
        code: u64,
        /// Its words.
        text: String,
    },
}

/// What became of a call.
pub(crate) type Done<T> = Result<T, Fault>;

/// An address that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the address of a proxy for Discord")]
pub struct AddressError(String);

/// One call, which can be made again.
#[derive(Debug, Clone)]
struct Call {
    route: Route,
    method: Method,
    path: String,
    body: Body,
    who: Who,
}

#[derive(Debug, Clone)]
enum Body {
    None,
    Json(Value),
    /// A file beside the fields.
    File {
        fields: Value,
        name: String,
        bytes: Vec<u8>,
    },
}

/// As whom a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// As the bot.
    Bot,
    /// As whoever has the token of an interaction, which is in the path. Outside the global limit
    /// (<https://discord.com/developers/docs/interactions/receiving-and-responding#endpoints>).
    Interaction,
}

impl Call {
    fn new(method: Method, name: &'static str, major: impl ToString, path: String) -> Self {
        let route = Route { name, major: major.to_string() };
        Self { route, method, path, body: Body::None, who: Who::Bot }
    }

    /// With what a builder of the library made.
    fn json(mut self, body: &impl Serialize) -> Self {
        self.body = Body::Json(written(body));
        self
    }

    /// With a file beside it, which it names. The library writes the file's number as one, and the
    /// description has it as text.
    fn file(mut self, message: &impl Serialize, name: String, bytes: Vec<u8>) -> Self {
        let mut fields = written(message);
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("attachments".into(), json!([{ "id": "0", "filename": name }]));
        }
        self.body = Body::File { fields, name, bytes };
        self
    }

    fn of_interaction(mut self) -> Self {
        self.who = Who::Interaction;
        self
    }
}

impl Api {
    /// With connections of its own, to Discord itself or by `proxy`: the address that takes the
    /// place of `https://discord.com`.
    pub(crate) fn new(token: Token, proxy: Option<&str>) -> Result<Self, AddressError> {
        let address = proxy.unwrap_or(PUBLIC);
        let wrong = || AddressError(address.chars().take(200).collect());
        let url: reqwest::Url = address.trim_end_matches('/').parse().map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(wrong());
        }
        let client = reqwest::Client::builder()
            .user_agent(AGENT)
            .connect_timeout(CONNECT)
            .timeout(CALL)
            .tcp_nodelay(true)
            // Where it leads is what was asked for, and the token goes nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .pool_idle_timeout(Duration::from_secs(60))
            .build()
            .map_err(|_| wrong())?;
        Ok(Self {
            client,
            base: url.as_str().trim_end_matches('/').into(),
            token: Arc::new(token),
            pace: Arc::default(),
            begun: Instant::now(),
        })
    }

    pub(crate) fn token(&self) -> &Token {
        &self.token
    }

    /// Makes a call that may be made twice, patiently: it is made again after what passes.
    async fn patiently(&self, call: &Call) -> Done<Value> {
        let mut tries = AGAIN.into_iter();
        loop {
            let fault = match self.once(call).await {
                Ok(value) => return Ok(value),
                Err(fault) => fault,
            };
            let pause = match &fault {
                Fault::Pause(pause) if *pause <= PATIENT => *pause,
                Fault::NotReached(_) | Fault::Lost(_) => match tries.next() {
                    Some(pause) => pause,
                    None => return Err(fault),
                },
                Fault::Pause(_) | Fault::BadToken | Fault::Refused { .. } => return Err(fault),
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Makes a call once, when its turn comes soon.
    async fn once(&self, call: &Call) -> Done<Value> {
        let counted = call.who == Who::Bot;
        let begun = Instant::now();
        loop {
            let turn = self.pace().turn(&call.route, counted, self.begun.elapsed());
            match turn {
                Turn::Go => break,
                Turn::Wait(wait) if begun.elapsed() + wait <= SOON => {
                    tokio::time::sleep(wait).await;
                }
                Turn::Wait(wait) => return Err(Fault::Pause(wait)),
            }
        }
        // Should this be given up on its way, the turn is given back all the same.
        let mut under_way = UnderWay { api: self, route: &call.route, learnt: Learnt::default() };
        let response = match self.request(call).send().await {
            Ok(response) => response,
            Err(error) => return Err(self.network(error)),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        under_way.learnt = learnt(status, &headers);
        let text = match response.text().await {
            Ok(text) => text,
            Err(error) => return Err(self.network(error)),
        };
        if status == StatusCode::TOO_MANY_REQUESTS {
            hit(&mut under_way.learnt, &text);
            let (scope, route) = (under_way.learnt.scope, call.route.name);
            let pause = under_way.learnt.retry_after.unwrap_or(SOON);
            tracing::info!(
                ?scope,
                route,
                seconds = pause.as_secs_f32(),
                "discord asks for a pause"
            );
            return Err(Fault::Pause(pause));
        }
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            let invalid = self.pace().invalid() + 1;
            tracing::warn!(status = status.as_u16(), route = call.route.name, invalid, "refused");
        }
        self.read(call.who, status, &text)
    }

    /// As [`Api::once`], read as what is expected.
    async fn typed<T: DeserializeOwned>(&self, call: &Call) -> Done<T> {
        read_as(self.patiently(call).await?)
    }

    fn request(&self, call: &Call) -> reqwest::RequestBuilder {
        let url = format!("{}/api/v10{}", self.base, call.path);
        let mut request = self.client.request(call.method.clone(), url);
        if call.who == Who::Bot {
            let header = format!("Bot {}", self.token.reveal());
            request = request.header(reqwest::header::AUTHORIZATION, header);
        }
        match &call.body {
            Body::None => request,
            Body::Json(body) => request.json(body),
            Body::File { fields, name, bytes } => {
                let part = Part::bytes(bytes.clone()).file_name(name.clone());
                let form = Form::new().text("payload_json", fields.to_string());
                let longer = Duration::from_secs((bytes.len() / UPLOAD) as u64);
                request.timeout(CALL + longer).multipart(form.part("files[0]", part))
            }
        }
    }

    fn read(&self, who: Who, status: StatusCode, text: &str) -> Done<Value> {
        if status.is_success() {
            return Ok(serde_json::from_str(text).unwrap_or(Value::Null));
        }
        if status == StatusCode::UNAUTHORIZED && who == Who::Bot {
            return Err(Fault::BadToken);
        }
        if status.is_server_error() {
            return Err(Fault::Lost(format!("status {}", status.as_u16())));
        }
        let refusal: Refusal = serde_json::from_str(text).unwrap_or_default();
        let mut words = match refusal.message.as_str() {
            "" => format!("status {}", status.as_u16()),
            message => message.to_owned(),
        };
        if let Some(why) = first_error(&refusal.errors, "") {
            words.push_str(&format!(" ({why})"));
        }
        Err(Fault::Refused { code: refusal.code, text: self.said(&words) })
    }

    fn network(&self, error: reqwest::Error) -> Fault {
        let error = error.without_url();
        let why = self.said(&chain(&error));
        let certain = error.is_connect() || error.is_builder();
        if certain { Fault::NotReached(why) } else { Fault::Lost(why) }
    }

    fn said(&self, text: &str) -> String {
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        self.token.scrub(&line).chars().take(300).collect()
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that had its turn.
struct UnderWay<'a> {
    api: &'a Api,
    route: &'a Route,
    learnt: Learnt,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.api.pace().done(self.route, &self.learnt, self.api.begun.elapsed());
    }
}

/// What refusals have (<https://discord.com/developers/docs/reference#error-messages>).
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    code: u64,
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Value,
}

/// What a 429 says in its body.
#[derive(Default, Deserialize)]
struct Hit {
    #[serde(default)]
    retry_after: Option<f64>,
    #[serde(default)]
    global: bool,
}

/// Builders hold texts, numbers and flags, and those can be written.
fn written(body: &impl Serialize) -> Value {
    serde_json::to_value(body).unwrap_or_default()
}

fn read_as<T: DeserializeOwned>(value: Value) -> Done<T> {
    serde_json::from_value(value)
        .map_err(|error| Fault::Lost(format!("the answer cannot be read: {error}")))
}

fn learnt(status: StatusCode, headers: &HeaderMap) -> Learnt {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let seconds = |name: &str| text(name).and_then(|text| text.parse().ok()).and_then(span);
    let scope = match text("x-ratelimit-scope") {
        Some("global") => Scope::Global,
        Some("shared") => Scope::Shared,
        _ if text("x-ratelimit-global") == Some("true") => Scope::Global,
        _ => Scope::User,
    };
    Learnt {
        status: status.as_u16(),
        bucket: text("x-ratelimit-bucket").map(str::to_owned),
        remaining: text("x-ratelimit-remaining").and_then(|text| text.parse().ok()),
        reset_after: seconds("x-ratelimit-reset-after"),
        retry_after: seconds("retry-after"),
        scope,
    }
}

/// A 429 says in its body how long, more exactly than in its head; whichever is longer holds.
fn hit(learnt: &mut Learnt, body: &str) {
    let hit: Hit = serde_json::from_str(body).unwrap_or_default();
    learnt.retry_after = learnt.retry_after.max(hit.retry_after.and_then(span));
    if hit.global {
        learnt.scope = Scope::Global;
    }
}

fn span(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok()
}

/// The first reason in a tree of them, with the way to it.
fn first_error(errors: &Value, way: &str) -> Option<String> {
    let fields = errors.as_object()?;
    if let Some(first) = fields.get("_errors").and_then(|all| all.get(0)) {
        let message = first.get("message").and_then(Value::as_str).unwrap_or_default();
        return Some(format!("{way}: {message}"));
    }
    fields.iter().find_map(|(name, inner)| {
        let way = if way.is_empty() { name.clone() } else { format!("{way}.{name}") };
        first_error(inner, &way)
    })
}

/// The error with its causes.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> Api {
        Api::new(Token::parse("700.abc.SECRETSECRET").unwrap(), Some("http://127.0.0.1:1")).unwrap()
    }

    #[test]
    fn each_way_to_fail_has_its_own_answer() {
        let read = |who, status: u16, text: &str| {
            api().read(who, StatusCode::from_u16(status).unwrap(), text).unwrap_err()
        };
        assert_eq!(read(Who::Bot, 401, "{}"), Fault::BadToken);
        let refused = read(Who::Interaction, 401, r#"{"message": "Unauthorized"}"#);
        assert!(matches!(refused, Fault::Refused { code: 0, .. }), "that is no word on the token");
        assert!(matches!(read(Who::Bot, 502, "<html>"), Fault::Lost(_)));
        let form = json!({"code": 50035, "message": "Invalid Form Body", "errors": {
            "embeds": {"0": {"description": {"_errors": [{"code": "X", "message": "too long"}]}}},
        }});
        let Fault::Refused { code, text } = read(Who::Bot, 400, &form.to_string()) else {
            panic!()
        };
        assert_eq!(
            (code, text.as_str()),
            (50035, "Invalid Form Body (embeds.0.description: too long)")
        );
        let page = read(Who::Bot, 403, "<html>SECRETSECRET</html>");
        assert_eq!(page, Fault::Refused { code: 0, text: "status 403".into() });
        let said = r#"{"code": 1, "message": "no SECRETSECRET here"}"#;
        assert!(!read(Who::Bot, 404, said).to_string().contains("SECRETSECRET"));
    }

    #[test]
    fn limits_are_learnt_from_head_and_body() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-ratelimit-bucket", "abc"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset-after", "1.5"),
            ("retry-after", "2"),
            ("x-ratelimit-scope", "shared"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        let mut learnt = learnt(StatusCode::TOO_MANY_REQUESTS, &headers);
        assert_eq!(learnt.remaining, Some(0));
        assert_eq!(learnt.reset_after, Some(Duration::from_millis(1500)));
        assert_eq!(learnt.scope, Scope::Shared);
        hit(&mut learnt, r#"{"retry_after": 2.25, "global": false, "message": "x"}"#);
        assert_eq!(learnt.retry_after, Some(Duration::from_millis(2250)));
        hit(&mut learnt, r#"{"retry_after": 0.5, "global": true}"#);
        assert_eq!(learnt.retry_after, Some(Duration::from_millis(2250)));
        assert_eq!(learnt.scope, Scope::Global);
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_was_not_reached_and_no_error_holds_the_token() {
        let call = Call::new(Method::GET, "GET me", "", "/users/@me".into());
        let fault = api().once(&call).await.unwrap_err();
        assert!(matches!(fault, Fault::NotReached(_)), "{fault:?}");
        assert!(!format!("{fault} {fault:?}").contains("SECRETSECRET"));
    }

    #[test]
    fn an_address_without_a_host_is_refused() {
        for address in ["nonsense", "ftp://x", "file:///etc"] {
            let token = Token::parse("700.abc.SECRETSECRET").unwrap();
            assert!(Api::new(token, Some(address)).is_err(), "{address}");
        }
    }
}
