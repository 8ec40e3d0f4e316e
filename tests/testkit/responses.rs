//! A model on a script that speaks OpenAI's Responses API, as far as Codex uses it, and is strict
//! about it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::post;
use futures::StreamExt;
use serde_json::Value;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The key, which only the model may ever see.
pub const KEY: &str = "sk-the-real-key-of-this-test";

/// The model's own name.
pub const MODEL: &str = "gpt-5.5";

/// One thing the model says.
#[derive(Debug, Clone)]
pub enum Say {
    /// Text for the person.
    Text(&'static str),
    /// A call of a function tool.
    Call(&'static str, Value),
    /// A call of `apply_patch`.
    Patch(String),
    /// Nothing for so long, before the rest of the turn.
    Slow(Duration),
    /// Instead of a turn: this status, and this `retry-after` in seconds.
    Fail(u16, Option<u64>),
    /// Instead of a turn: its beginning, and then the end of the connection.
    Cut,
    /// Instead of a turn: its beginning, and then nothing more.
    Stall,
}

/// The model; it ends with the value.
#[derive(Debug)]
pub struct FakeResponses {
    at: String,
    inner: Arc<Inner>,
    _serving: JoinSet<()>,
}

#[derive(Debug)]
struct Inner {
    turns: Vec<Vec<Say>>,
    seen: Mutex<Vec<Value>>,
    wrong: Mutex<Vec<String>>,
}

impl FakeResponses {
    /// Serves a script on this machine: one turn a request, and then it is done.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start(turns: Vec<Vec<Say>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let inner = Arc::new(Inner { turns, seen: Mutex::default(), wrong: Mutex::default() });
        let app = Router::new().route("/v1/responses", post(answer)).with_state(Arc::clone(&inner));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { at, inner, _serving: serving }
    }

    /// Where it is.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.at)
    }

    /// Every request so far.
    ///
    /// # Panics
    /// When one was not as it must be.
    #[must_use]
    pub fn requests(&self) -> Vec<Value> {
        let wrong = self.inner.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(wrong.is_empty(), "{wrong:#?}");
        self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything that was ever told to it, as text.
    #[must_use]
    pub fn told(&self) -> String {
        self.requests().iter().map(Value::to_string).collect()
    }
}

async fn answer(State(inner): State<Arc<Inner>>, headers: HeaderMap, body: Bytes) -> Response {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let request: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let mut wrong = Vec::new();
    let mut check = |holds: bool, what: &str| {
        if !holds {
            wrong.push(format!("{what}: {request}"));
        }
    };
    let bearer = format!("Bearer {KEY}");
    check(header("authorization") == Some(bearer.as_str()), "another key than the real one");
    check(request["model"] == MODEL, "another model");
    check(request["stream"] == true, "it does not stream");
    check(request["store"] == false, "it is kept by the provider");
    let input = request["input"].as_array().cloned().unwrap_or_default();
    let ids = |kinds: [&str; 2]| -> Vec<String> {
        let of = input.iter().filter(|item| kinds.iter().any(|kind| item["type"] == *kind));
        of.map(|item| item["call_id"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let mut calls = ids(["function_call", "custom_tool_call"]);
    let mut outputs = ids(["function_call_output", "custom_tool_call_output"]);
    calls.sort();
    outputs.sort();
    check(calls == outputs, "calls and their outputs do not pair");
    let hosted = request["tools"].as_array().into_iter().flatten();
    let hosted = hosted.filter(|tool| tool["type"] != "function" && tool["type"] != "custom");
    check(hosted.count() == 0, "a tool that the provider would run by itself");
    if !wrong.is_empty() {
        inner.wrong.lock().unwrap_or_else(PoisonError::into_inner).append(&mut wrong);
        return (StatusCode::BAD_REQUEST, "the fake model refuses this").into_response();
    }
    let number = {
        let mut seen = inner.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.push(request);
        seen.len()
    };
    let done = [Say::Text("That is all.")];
    let says = inner.turns.get(number - 1).map_or(&done[..], Vec::as_slice);
    let begin = json!({"type": "response.created", "response": {"id": format!("resp_{number}")}});
    let headers = [(CONTENT_TYPE, "text/event-stream")];
    match says {
        [Say::Fail(status, retry_after)] => {
            let error = json!({"error": {"message": "it fails", "type": "server_error"}});
            let status = StatusCode::from_u16(*status).unwrap();
            let mut response = (status, axum::Json(error)).into_response();
            if let Some(seconds) = retry_after {
                response.headers_mut().insert("retry-after", (*seconds).into());
            }
            response
        }
        [Say::Cut] => (headers, event(&begin)).into_response(),
        [Say::Stall] => {
            let begin = futures::stream::once(async move { Ok::<_, Infallible>(event(&begin)) });
            (headers, Body::from_stream(begin.chain(futures::stream::pending()))).into_response()
        }
        [Say::Slow(span), rest @ ..] => {
            tokio::time::sleep(*span).await;
            (headers, stream(number, rest)).into_response()
        }
        says => (headers, stream(number, says)).into_response(),
    }
}

fn event(event: &Value) -> String {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())
}

fn stream(number: usize, says: &[Say]) -> String {
    let id = format!("resp_{number}");
    let mut events = vec![json!({"type": "response.created", "response": {"id": id}})];
    for (index, say) in says.iter().enumerate() {
        let (item, call) = (format!("item_{number}_{index}"), format!("call_{number}_{index}"));
        let item = match say {
            Say::Text(text) => json!({"type": "message", "role": "assistant", "id": item,
                "content": [{"type": "output_text", "text": text}]}),
            Say::Call(name, input) => json!({"type": "function_call", "id": item, "call_id": call,
                "name": name, "arguments": input.to_string()}),
            Say::Slow(_) | Say::Fail(..) | Say::Cut | Say::Stall => {
                panic!("not in the middle of a turn: {say:?}")
            }
            Say::Patch(patch) => json!({"type": "custom_tool_call", "id": item, "call_id": call,
                "name": "apply_patch", "input": patch}),
        };
        events.push(json!({"type": "response.output_item.done", "output_index": index,
            "item": item}));
    }
    events.push(json!({"type": "response.completed", "response": {"id": id, "usage": {
        "input_tokens": 100, "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 120}}}));
    events.iter().map(event).collect()
}
