//! A strict Bot API server: it does what the documents say, takes nothing that Telegram would
//! refuse, and fails the test for what Telegram would merely put up with.
//!
//! Documented behaviour: offsets confirm, one poller (409), text in UTF-16 units, 64-byte data,
//! entities in bounds, "not modified", "query is too old", flood control. On order: pauses, server
//! errors, and answers that are lost before or after their effect.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::time::Duration;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::PATIENCE;

mod spec;
mod state;

use state::Answer;
use state::BOT;
use state::State;
use state::chat_json;

/// The token of the fake's bot.
pub const TOKEN: &str = "700:AAF4ke-S3cretTokenThatNobodyMaySee_x";

/// A running fake; it ends with the test's runtime.
#[derive(Clone)]
pub struct FakeTelegram {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for FakeTelegram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeTelegram").field("address", &self.inner.address).finish_non_exhaustive()
    }
}

struct Inner {
    state: Mutex<State>,
    news: Notify,
    address: std::net::SocketAddr,
    /// Ends with the runtime.
    server: Mutex<JoinSet<()>>,
}

/// A message that the bot sent, as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The chat.
    pub chat: i64,
    /// Its number.
    pub id: i64,
    /// Its text or caption.
    pub text: String,
    /// Its buttons: label and data.
    pub keys: Vec<(String, String)>,
    /// Whether it came without a sound.
    pub silent: bool,
    /// What it answers.
    pub reply_to: Option<i64>,
    /// The text of its file.
    pub document: Option<String>,
    /// How often it was edited.
    pub edits: usize,
    /// Whether it opens the keyboard for a reply.
    pub wants_reply: bool,
    /// Its entities.
    pub entities: Value,
}

/// What somebody saw after pressing a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// The words.
    pub text: String,
    /// Whether they came in a box.
    pub alert: bool,
}

/// Something that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An error of the server, as the page of a proxy.
    Down(u16),
    /// A pause of so many seconds is asked for.
    Pause(u64),
    /// The call has its effect and the answer is lost.
    LoseAnswer,
    /// The group was made a supergroup with this id.
    Migrated(i64),
    /// A refusal with this code and text.
    Refuse(u16, &'static str),
}

impl FakeTelegram {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner = Arc::new(Inner {
            state: Mutex::new(State::new()),
            news: Notify::new(),
            address: listener.local_addr().unwrap(),
            server: Mutex::new(JoinSet::new()),
        });
        let fake = Self { inner };
        let router = Router::new()
            .route("/{bot}/{method}", axum::routing::post(call))
            .with_state(fake.clone());
        fake.inner.server.lock().unwrap().spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        fake
    }

    /// Its address, for `TELEGRAM_API_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.inner.address)
    }

    /// A person writes to the bot; the message's number.
    #[must_use]
    pub fn say(&self, from: i64, text: &str) -> i64 {
        self.write(from, from, text, json!({}))
    }

    /// A person writes in a group.
    #[must_use]
    pub fn say_in(&self, chat: i64, from: i64, text: &str) -> i64 {
        self.write(chat, from, text, json!({}))
    }

    /// A person replies to a message of the bot.
    #[must_use]
    pub fn reply(&self, from: i64, to: &Message, text: &str) -> i64 {
        let original = state::as_json(to);
        self.write(to.chat, from, text, json!({ "reply_to_message": original }))
    }

    /// A person writes a message with further fields, such as a date.
    #[must_use]
    pub fn write(&self, chat: i64, from: i64, text: &str, more: Value) -> i64 {
        let mut state = self.state();
        let id = state.message_id();
        let mut message = json!({
            "message_id": id, "date": state::now(), "chat": chat_json(chat),
            "from": person(from),
        });
        if !text.is_empty() {
            message["text"] = text.into();
        }
        for (name, value) in more.as_object().unwrap() {
            message[name] = value.clone();
        }
        state.push(json!({ "message": message }));
        drop(state);
        self.inner.news.notify_waiters();
        id
    }

    /// Telegram delivers a message again, as after a receipt that was lost.
    pub fn deliver_again(&self, chat: i64, from: i64, id: i64, text: &str) {
        let message = json!({
            "message_id": id, "date": state::now(), "chat": chat_json(chat),
            "from": person(from), "text": text,
        });
        self.state().push(json!({ "message": message }));
        self.inner.news.notify_waiters();
    }

    /// A person presses the button whose label begins so; what they see, within a second as people
    /// expect.
    ///
    /// # Panics
    /// When there is no such button, or no answer in time.
    pub async fn press(&self, from: i64, message: &Message, label: &str) -> Toast {
        let key = message.keys.iter().find(|(name, _)| name.starts_with(label));
        let (_, data) = key.unwrap_or_else(|| panic!("no `{label}` in {message:#?}"));
        self.press_data(from, message, data).await
    }

    /// A press whose data a hostile program chose.
    ///
    /// # Panics
    /// When there is no answer in time.
    pub async fn press_data(&self, from: i64, message: &Message, data: &str) -> Toast {
        let query = self.press_silently(from, message, data);
        let begun = Instant::now();
        loop {
            if let Some(Some(toast)) = self.state().presses.get(&query) {
                return toast.clone();
            }
            assert!(begun.elapsed() < PATIENCE, "nobody answered a press on {message:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A press whose answer nobody waits for.
    #[must_use]
    pub fn press_silently(&self, from: i64, message: &Message, data: &str) -> String {
        let mut state = self.state();
        let query = format!("{}", 4_000_000 + state.presses.len());
        state.presses.insert(query.clone(), None);
        state.push(json!({ "callback_query": {
            "id": query, "from": person(from), "chat_instance": "1", "data": data,
            "message": state::as_json(message),
        }}));
        drop(state);
        self.inner.news.notify_waiters();
        query
    }

    /// Orders a fault for the next calls of a method.
    pub fn order(&self, method: &str, fault: Fault, times: usize) {
        self.state().faults.push((method.into(), fault, times));
    }

    /// Every message as it is now.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.state().messages.clone()
    }

    /// How often a method was called.
    #[must_use]
    pub fn calls(&self, method: &str) -> usize {
        self.state().calls.iter().filter(|(name, _)| name.eq_ignore_ascii_case(method)).count()
    }

    /// How many updates are not confirmed.
    #[must_use]
    pub fn unconfirmed(&self) -> usize {
        self.state().updates.len()
    }

    /// Waits for a message that fits.
    ///
    /// # Panics
    /// When none comes in time; what there is is in the message.
    pub async fn message(&self, what: &str, fits: impl Fn(&Message) -> bool) -> Message {
        let begun = Instant::now();
        loop {
            if let Some(found) = self.messages().into_iter().rev().find(|found| fits(found)) {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "no {what} in {:#?}", self.messages());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until everything that was sent to the bot is confirmed.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn all_taken(&self) {
        let begun = Instant::now();
        while self.unconfirmed() > 0 {
            assert!(begun.elapsed() < PATIENCE, "updates stay unconfirmed");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Fails on everything the bot did that it must not do.
    ///
    /// # Panics
    /// With what that was.
    pub fn assert_clean(&self) {
        let violations = self.state().violations.clone();
        assert!(violations.is_empty(), "the bot broke the rules: {violations:#?}");
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap()
    }

    /// The updates from an offset on, as the documents say: naming it forgets those before it, and
    /// a second poll ends the first.
    async fn updates(&self, given: &Map<String, Value>) -> Answer {
        let offset = given.get("offset").and_then(Value::as_i64);
        let wait = given.get("timeout").and_then(Value::as_u64).unwrap_or(0);
        let end = Instant::now() + Duration::from_secs(wait);
        let mine = {
            let mut state = self.state();
            state.poll += 1;
            if offset.is_some_and(|offset| offset < 0) {
                state.violations.push("a negative offset throws updates away".into());
            }
            if let Some(offset) = offset {
                state.updates.retain(|update| update["update_id"].as_i64().unwrap() >= offset);
            }
            state.poll
        };
        self.inner.news.notify_waiters();
        loop {
            let changed = self.inner.news.notified();
            {
                let state = self.state();
                if state.poll != mine {
                    return state::refused(409, CONFLICT);
                }
                if !state.updates.is_empty() {
                    return Answer::Done(state.updates.iter().take(100).cloned().collect());
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Answer::Done(json!([]));
            }
            // Short, because a word may come between the look and the wait.
            let _woken = tokio::time::timeout(left.min(Duration::from_millis(50)), changed).await;
        }
    }
}

/// What Telegram says to the earlier of two pollers.
pub const CONFLICT: &str = "Conflict: terminated by other getUpdates request; make sure that only \
                            one bot instance is running";

async fn call(
    Shared(fake): Shared<FakeTelegram>,
    Path((bot, method)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if bot != format!("bot{TOKEN}") {
        return written(Answer::Refused {
            code: 401,
            text: "Unauthorized".into(),
            retry_after: None,
        });
    }
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let boundary = kind.split_once("boundary=").map(|(_, boundary)| boundary.to_owned());
    let given = match &boundary {
        Some(boundary) => multipart(&body, boundary),
        None if body.is_empty() => Map::new(),
        None => match serde_json::from_slice(&body) {
            Ok(Value::Object(given)) => given,
            _ => {
                fake.state().violations.push(format!("{method}: the body is no object"));
                Map::new()
            }
        },
    };
    let fault = {
        let mut state = fake.state();
        let attached = |name: &String| boundary.is_some() && !state_fields(&given, name);
        let named: Map<String, Value> = given
            .iter()
            .filter(|(name, _)| !attached(name))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect();
        let faults = state.spec.faults(&method, &named, boundary.is_some());
        state.violations.extend(faults);
        state.calls.push((method.clone(), given.clone()));
        state.fault(&method)
    };
    match fault {
        Some(Fault::Down(code)) => {
            let status = StatusCode::from_u16(code).unwrap();
            return (status, "<html><h1>Bad Gateway</h1></html>").into_response();
        }
        Some(Fault::Pause(seconds)) => {
            return written(fake.state().begin_pause(&given, seconds));
        }
        Some(Fault::Migrated(to)) => {
            let body = json!({
                "ok": false, "error_code": 400,
                "description": "Bad Request: group chat was upgraded to a supergroup chat",
                "parameters": { "migrate_to_chat_id": to },
            });
            return (StatusCode::BAD_REQUEST, body.to_string()).into_response();
        }
        Some(Fault::Refuse(code, text)) => return written(state::refused(code, text)),
        Some(Fault::LoseAnswer) => {
            if method.eq_ignore_ascii_case("getUpdates") {
                let _lost = fake.updates(&given).await;
            } else {
                let _lost = fake.state().answer(&method, &given);
            }
            let broken = futures::stream::once(async {
                Err::<Bytes, _>(std::io::Error::other("the connection broke"))
            });
            return Response::new(Body::from_stream(broken));
        }
        None => {}
    }
    if method.eq_ignore_ascii_case("getUpdates") {
        return written(fake.updates(&given).await);
    }
    let answer = fake.state().answer(&method, &given);
    written(answer)
}

/// Whether a part of a form is a field of the method, and not a file that a field refers to.
fn state_fields(given: &Map<String, Value>, name: &str) -> bool {
    let reference = format!("attach://{name}");
    !given.values().any(|value| value.as_str() == Some(&reference))
}

fn written(answer: Answer) -> Response {
    let (status, body) = match answer {
        Answer::Done(result) => (200, json!({ "ok": true, "result": result })),
        Answer::Refused { code, text, retry_after } => {
            let mut body = json!({ "ok": false, "error_code": code, "description": text });
            if let Some(seconds) = retry_after {
                body["parameters"] = json!({ "retry_after": seconds });
            }
            (code, body)
        }
    };
    let status = StatusCode::from_u16(status).unwrap();
    let json = [("content-type", "application/json")];
    (status, json, body.to_string()).into_response()
}

/// The parts of a form, each as text.
fn multipart(body: &[u8], boundary: &str) -> Map<String, Value> {
    let text = String::from_utf8_lossy(body);
    let mut parts = Map::new();
    for part in text.split(&format!("--{}", boundary.trim_matches('"'))) {
        let Some((head, content)) = part.split_once("\r\n\r\n") else { continue };
        let Some((_, name)) = head.split_once("name=\"") else { continue };
        let name = name.split('"').next().unwrap_or_default();
        let content = content.strip_suffix("\r\n").unwrap_or(content);
        parts.insert(name.to_owned(), content.into());
    }
    parts
}

fn person(id: i64) -> Value {
    assert_ne!(id, BOT);
    json!({"id": id, "is_bot": false, "first_name": format!("User {id}")})
}
