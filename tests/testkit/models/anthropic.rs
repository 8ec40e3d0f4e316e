//! A fake of Anthropic's Messages API
//! (<https://docs.anthropic.com/en/api/messages>): strict about what is documented, lenient about
//! fields beyond it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::post;
use futures::StreamExt;
use serde_json::Value;
use serde_json::json;

/// What is answered to one request.
#[derive(Debug, Clone)]
pub enum Play {
    /// A turn with these content blocks; use [`text`] and [`call`].
    Turn(Vec<Value>),
    /// The beginning of a turn, and then nothing more, for ever.
    Stall,
    /// The beginning of a turn, and then the end of the connection.
    Cut,
    /// This status, and this `retry-after` in seconds.
    Fail(u16, Option<u64>),
    /// A page that is no answer of any model.
    Garbage,
}

/// The running fake.
#[derive(Debug)]
pub struct FakeAnthropic {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    key: String,
    script: Mutex<VecDeque<Play>>,
    seen: Mutex<Vec<Value>>,
    wrong: Mutex<Vec<String>>,
    calls: Mutex<u64>,
}

/// A block of text.
#[must_use]
pub fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// A call of a tool; the fake gives it an id.
#[must_use]
pub fn call(name: &str, input: Value) -> Value {
    json!({ "type": "tool_use", "name": name, "input": input })
}

impl FakeAnthropic {
    /// Starts one that takes this key and plays this script.
    pub async fn start(key: &str, script: Vec<Play>) -> Self {
        let shared = Arc::new(Shared {
            key: key.into(),
            script: Mutex::new(script.into()),
            ..Shared::default()
        });
        let app =
            Router::new().route("/v1/messages", post(messages)).with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        let server = tokio::spawn(async move {
            axum::serve(listener, app).await.unwrap();
        });
        Self { address, shared, server }
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, in order.
    ///
    /// # Panics
    /// When one of them was not what the API takes.
    #[must_use]
    pub fn seen(&self) -> Vec<Value> {
        let wrong = self.shared.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "requests that the API refuses: {wrong:#?}");
        self.shared.seen.lock().unwrap().clone()
    }

    /// Plays these after what is left of the script.
    pub fn then(&self, more: Vec<Play>) {
        self.shared.script.lock().unwrap().extend(more);
    }
}

impl Drop for FakeAnthropic {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn messages(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    if headers.get("x-api-key").is_none_or(|key| key.as_bytes() != shared.key.as_bytes()) {
        return failure(401, "authentication_error", "invalid x-api-key");
    }
    if let Err(why) = check(&headers, &request) {
        shared.wrong.lock().unwrap().push(format!("{why}: {request:#}"));
        return failure(400, "invalid_request_error", &why);
    }
    let streams = request["stream"] == true;
    shared.seen.lock().unwrap().push(request);
    let play = shared.script.lock().unwrap().pop_front();
    match play {
        None => {
            let why = "a request more than the script has";
            shared.wrong.lock().unwrap().push(why.into());
            failure(400, "invalid_request_error", why)
        }
        Some(Play::Fail(status, retry_after)) => {
            let mut response = failure(status, "api_error", "it fails");
            if let Some(seconds) = retry_after {
                response.headers_mut().insert("retry-after", seconds.into());
            }
            response
        }
        Some(Play::Garbage) => {
            ([("content-type", "text/event-stream")], "data: <html>oops</html>\n\n").into_response()
        }
        Some(Play::Cut) => stream(vec![begin()], false),
        Some(Play::Stall) => stream(vec![begin()], true),
        Some(Play::Turn(mut blocks)) => {
            for block in &mut blocks {
                if block["type"] == "tool_use" {
                    let mut calls = shared.calls.lock().unwrap();
                    *calls += 1;
                    block["id"] = format!("toolu_{:06}", *calls).into();
                }
            }
            let calls = blocks.iter().any(|block| block["type"] == "tool_use");
            let stop = if calls { "tool_use" } else { "end_turn" };
            let usage = json!({
                "input_tokens": 100, "output_tokens": 10,
                "cache_read_input_tokens": 50, "cache_creation_input_tokens": 5,
            });
            if streams {
                stream(events(&blocks, stop, &usage), false)
            } else {
                axum::Json(json!({
                    "id": "msg_1", "type": "message", "role": "assistant", "model": "fake",
                    "content": blocks, "stop_reason": stop, "stop_sequence": null, "usage": usage,
                }))
                .into_response()
            }
        }
    }
}

fn begin() -> Value {
    json!({ "type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "fake", "content": [],
        "stop_reason": null, "stop_sequence": null,
        "usage": { "input_tokens": 100, "output_tokens": 1 },
    }})
}

fn events(blocks: &[Value], stop: &str, usage: &Value) -> Vec<Value> {
    let mut events = vec![begin(), json!({ "type": "ping" })];
    for (index, block) in blocks.iter().enumerate() {
        let mut empty = block.clone();
        let deltas = if block["type"] == "text" {
            empty["text"] = "".into();
            pieces(block["text"].as_str().unwrap())
                .map(|text| json!({ "type": "text_delta", "text": text }))
                .collect::<Vec<_>>()
        } else {
            empty["input"] = json!({});
            pieces(&block["input"].to_string())
                .map(|json| json!({ "type": "input_json_delta", "partial_json": json }))
                .collect()
        };
        events
            .push(json!({ "type": "content_block_start", "index": index, "content_block": empty }));
        events.extend(
            deltas.into_iter().map(
                |delta| json!({ "type": "content_block_delta", "index": index, "delta": delta }),
            ),
        );
        events.push(json!({ "type": "content_block_stop", "index": index }));
    }
    let delta = json!({ "stop_reason": stop, "stop_sequence": null });
    events.push(json!({ "type": "message_delta", "delta": delta, "usage": usage }));
    events.push(json!({ "type": "message_stop" }));
    events
}

/// A text in pieces of a few characters, as a model gives it.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(7).map(|piece| piece.iter().collect()).collect::<Vec<String>>().into_iter()
}

fn stream(events: Vec<Value>, stall: bool) -> Response {
    let pieces = events.into_iter().map(|event| {
        let kind = event["type"].as_str().unwrap();
        Ok::<_, std::io::Error>(Bytes::from(format!("event: {kind}\ndata: {event}\n\n")))
    });
    let body = futures::stream::iter(pieces.collect::<Vec<_>>());
    let rest = futures::stream::once(async move {
        if stall {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        Ok(Bytes::new())
    });
    ([("content-type", "text/event-stream")], Body::from_stream(body.chain(rest))).into_response()
}

fn failure(status: u16, kind: &str, message: &str) -> Response {
    let body = json!({ "type": "error", "error": { "type": kind, "message": message } });
    (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
}

/// The turns of a conversation: messages of the same side after one another are one turn, and
/// instructions of the `system` role, which may come after a turn of the user, are none.
fn turns(messages: &[Value]) -> Result<Vec<Value>, String> {
    let mut turns: Vec<Value> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let before = turns.last_mut();
        let role_before = before.as_ref().map(|turn| turn["role"].clone());
        if message["role"] == "system" {
            if role_before != Some("user".into()) {
                return Err(format!("messages.{at}: `system` comes after a turn of the user only"));
            }
            continue;
        }
        let mut message = message.clone();
        if let Value::String(text) = &message["content"] {
            message["content"] = json!([{ "type": "text", "text": text }]);
        }
        match (before, message["content"].as_array()) {
            (Some(before), Some(more)) if role_before.as_ref() == Some(&message["role"]) => {
                before["content"].as_array_mut().unwrap().extend(more.clone());
            }
            (_, Some(_)) => turns.push(message),
            (_, None) => return Err(format!("messages.{at}.content: field required")),
        }
    }
    Ok(turns)
}

/// What the API demands of a request.
fn check(headers: &HeaderMap, request: &Value) -> Result<(), String> {
    let version = headers.get("anthropic-version").and_then(|value| value.to_str().ok());
    if version != Some("2023-06-01") {
        return Err(format!("anthropic-version is {version:?}"));
    }
    if request["model"].as_str().is_none_or(str::is_empty) {
        return Err("model: field required".into());
    }
    if request["max_tokens"].as_u64().is_none_or(|tokens| tokens == 0) {
        return Err("max_tokens: field required".into());
    }
    let messages = turns(request["messages"].as_array().ok_or("messages: field required")?)?;
    let mut owed: Vec<String> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        let wanted = if at % 2 == 0 { "user" } else { "assistant" };
        if role != wanted {
            return Err(format!("messages.{at}: roles must alternate, found `{role}`"));
        }
        let blocks = message["content"].as_array().cloned().unwrap_or_default();
        if blocks.is_empty() {
            return Err(format!("messages.{at}: content must not be empty"));
        }
        let mut results = Vec::new();
        for block in &blocks {
            match block["type"].as_str() {
                Some("text") if block["text"].as_str().is_none_or(str::is_empty) => {
                    return Err(format!("messages.{at}: text content blocks must be non-empty"));
                }
                Some("tool_result") if role == "user" => {
                    results.push(block["tool_use_id"].as_str().unwrap_or_default().to_owned());
                }
                Some("tool_use") if role == "assistant" && block["input"].is_object() => {}
                Some("text" | "thinking" | "redacted_thinking") => {}
                other => return Err(format!("messages.{at}: unexpected block {other:?}")),
            }
        }
        if role == "user" {
            results.sort();
            owed.sort();
            if results != std::mem::take(&mut owed) {
                return Err(format!(
                    "messages.{at}: each `tool_use` block must have a corresponding `tool_result` \
                     block in the next message"
                ));
            }
        } else {
            let calls = blocks.iter().filter(|block| block["type"] == "tool_use");
            owed = calls.map(|block| block["id"].as_str().unwrap_or_default().to_owned()).collect();
        }
    }
    if messages.len() % 2 == 0 {
        return Err("the conversation must end with a user message".into());
    }
    let marks = request.to_string().matches("\"cache_control\"").count();
    if marks > 4 {
        return Err(format!(
            "a maximum of 4 blocks with cache_control may be provided, found {marks}"
        ));
    }
    for tool in request["tools"].as_array().into_iter().flatten() {
        if tool["name"].as_str().is_none() || !tool["input_schema"].is_object() {
            return Err("tools: name and input_schema are required".into());
        }
    }
    Ok(())
}
