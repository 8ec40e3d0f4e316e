//! A model API on a script: Anthropic's Messages as far as Claude Code uses them, and Gemini's
//! `streamGenerateContent` as far as Gemini CLI does; strict about both.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path as UrlPath;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::post;
use gatepost_models::Api;
use gatepost_models::CONTEXT;
use gatepost_models::Endpoint;
use gatepost_models::KeySource;
use gatepost_models::MAX_OUTPUT;
use serde_json::Value;
use serde_json::json;
use tokio_util::task::TaskTracker;

/// The key, which stays outside.
pub(crate) const KEY: &str = "sk-the-real-key-of-this-test";

/// The name it was set up with.
pub(crate) const MODEL: &str = "test-model-1";

/// What the model says to one request.
pub(crate) enum Say {
    Text(&'static str),
    Tool(&'static str, Value),
}

/// A request, as the script sees it.
pub(crate) struct Seen(pub(crate) Value);

type Script = dyn Fn(&Seen) -> Vec<Say> + Send + Sync;

/// The model with its script.
pub(crate) struct Fake {
    script: Box<Script>,
    seen: Mutex<Vec<Value>>,
    /// What was wrong with requests; a test that ends with any fails.
    wrong: Mutex<Vec<String>>,
    count: Mutex<u64>,
}

impl Fake {
    pub(crate) fn new(script: impl Fn(&Seen) -> Vec<Say> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            script: Box::new(script),
            seen: Mutex::default(),
            wrong: Mutex::default(),
            count: Mutex::default(),
        })
    }

    /// Every request so far; fails where one was not as it must be.
    pub(crate) fn requests(&self) -> Vec<Value> {
        let wrong = self.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "{wrong:#?}");
        self.seen.lock().unwrap().clone()
    }

    fn answer(&self, headers: &HeaderMap, body: &[u8]) -> Response {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let mut wrong = Vec::new();
        let mut check = |holds: bool, what: String| {
            if !holds {
                wrong.push(what);
            }
        };
        check(header("x-api-key") == Some(KEY), "another key than the real one".into());
        check(header("authorization").is_none(), "a second credential".into());
        check(header("anthropic-version") == Some("2023-06-01"), "another API version".into());
        let request: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        check(request["model"] == MODEL, format!("model {}", request["model"]));
        check(request["stream"] == true, "it does not stream".into());
        check(request["max_tokens"].is_u64(), "no max_tokens".into());
        for problem in unpaired(&request) {
            check(false, problem);
        }
        if !wrong.is_empty() {
            let words = format!("the fake model refuses this: {wrong:?}");
            self.wrong.lock().unwrap().append(&mut wrong);
            return (StatusCode::BAD_REQUEST, words).into_response();
        }
        let says = (self.script)(&Seen(request.clone()));
        self.seen.lock().unwrap().push(request);
        let number = {
            let mut count = self.count.lock().unwrap();
            *count += 1;
            *count
        };
        ([(CONTENT_TYPE, "text/event-stream")], stream(number, &says)).into_response()
    }
}

impl Seen {
    /// The text of the last message, results of tools included.
    pub(crate) fn last(&self) -> String {
        let messages = self.0["messages"].as_array();
        let last = messages.and_then(|messages| messages.last()).cloned().unwrap_or(Value::Null);
        last["content"].to_string()
    }

    /// How often the model has spoken in this conversation.
    pub(crate) fn turns(&self) -> usize {
        let messages = self.0["messages"].as_array().or(self.0["contents"].as_array());
        let spoke = |message: &&Value| message["role"] == "assistant" || message["role"] == "model";
        messages.into_iter().flatten().filter(spoke).count()
    }

    /// Whether it is the conversation of a subagent with this prompt.
    pub(crate) fn begins_with(&self, prompt: &str) -> bool {
        self.0["messages"][0]["content"].to_string().contains(prompt)
    }
}

/// The same in Gemini's form.
fn unanswered(request: &Value) -> Vec<String> {
    let named = |content: &Value, part: &str| -> Vec<String> {
        let parts = content["parts"].as_array().into_iter().flatten();
        let names = parts.filter_map(|of| of[part]["name"].as_str());
        names.map(str::to_owned).collect()
    };
    let contents = request["contents"].as_array().cloned().unwrap_or_default();
    let mut problems = Vec::new();
    for (at, content) in contents.iter().enumerate() {
        if content["role"] != "user" && content["role"] != "model" {
            problems.push(format!("a role `{}`", content["role"]));
        }
        let calls = named(content, "functionCall");
        let answers = named(contents.get(at + 1).unwrap_or(&Value::Null), "functionResponse");
        if calls != answers && !calls.is_empty() {
            problems.push(format!("{calls:?} was answered by {answers:?}"));
        }
    }
    problems
}

/// Uses of tools without a result right after them, and results without a use.
fn unpaired(request: &Value) -> Vec<String> {
    let blocks = |message: &Value, kind: &str, name: &str| -> Vec<String> {
        let content = message["content"].as_array().into_iter().flatten();
        let of_kind = content.filter(|block| block["type"] == kind);
        of_kind.map(|block| block[name].as_str().unwrap_or_default().to_owned()).collect()
    };
    let messages = request["messages"].as_array().cloned().unwrap_or_default();
    let mut problems = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let next = messages.get(at + 1).unwrap_or(&Value::Null);
        let results = blocks(next, "tool_result", "tool_use_id");
        for id in blocks(message, "tool_use", "id") {
            if !results.contains(&id) {
                problems.push(format!("`{id}` has no result"));
            }
        }
    }
    problems
}

fn stream(number: u64, says: &[Say]) -> String {
    let mut events = vec![json!({"type": "message_start", "message": {
        "id": format!("msg_{number}"), "type": "message", "role": "assistant", "model": MODEL,
        "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 100, "output_tokens": 1, "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0},
    }})];
    let mut stop = "end_turn";
    for (index, say) in says.iter().enumerate() {
        let (block, delta) = match say {
            Say::Text(text) => {
                (json!({"type": "text", "text": ""}), json!({"type": "text_delta", "text": text}))
            }
            Say::Tool(name, input) => {
                stop = "tool_use";
                let id = format!("toolu_{number}_{index}");
                (
                    json!({"type": "tool_use", "id": id, "name": name, "input": {}}),
                    json!({"type": "input_json_delta", "partial_json": input.to_string()}),
                )
            }
        };
        events.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
        events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    events.push(json!({"type": "message_delta", "usage": {"output_tokens": 20},
        "delta": {"stop_reason": stop, "stop_sequence": null}}));
    events.push(json!({"type": "message_stop"}));
    let line =
        |event: Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
    events.into_iter().map(line).collect()
}

fn gemini_stream(says: &[Say]) -> String {
    let part = |say: &Say| match say {
        Say::Text(text) => json!({"text": text}),
        Say::Tool(name, input) => json!({"functionCall": {"name": name, "args": input}}),
    };
    let parts: Vec<_> = says.iter().map(part).collect();
    let chunk = json!({
        "candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP",
            "index": 0}],
        "usageMetadata": {"promptTokenCount": 100, "candidatesTokenCount": 20,
            "totalTokenCount": 120},
        "modelVersion": MODEL,
    });
    format!("data: {chunk}\r\n\r\n")
}

impl Fake {
    fn answer_gemini(&self, method: &str, headers: &HeaderMap, body: &[u8]) -> Response {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let request: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let mut wrong = unanswered(&request);
        let mut check = |holds: bool, what: &str| {
            if !holds {
                wrong.push(what.to_owned());
            }
        };
        check(header("x-goog-api-key") == Some(KEY), "another key than the real one");
        check(header("authorization").is_none(), "a second credential");
        check(method == format!("{MODEL}:streamGenerateContent"), method);
        check(request["contents"].is_array(), "no contents");
        check(request["tools"][0]["functionDeclarations"].is_array(), "no tools");
        if !wrong.is_empty() {
            let words = format!("the fake model refuses this: {wrong:?}");
            self.wrong.lock().unwrap().append(&mut wrong);
            return (StatusCode::BAD_REQUEST, words).into_response();
        }
        let says = (self.script)(&Seen(request.clone()));
        self.seen.lock().unwrap().push(request);
        ([(CONTENT_TYPE, "text/event-stream")], gemini_stream(&says)).into_response()
    }

    /// Serves it on this machine; the configuration that leads there.
    pub(crate) async fn serve(self: &Arc<Self>) -> BTreeMap<String, Endpoint> {
        self.serve_as(Api::Anthropic).await
    }

    /// The same by the name of one of the APIs it speaks.
    pub(crate) async fn serve_as(self: &Arc<Self>, api: Api) -> BTreeMap<String, Endpoint> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let messages = |State(fake): State<Arc<Fake>>, headers: HeaderMap, body: Bytes| async move {
            fake.answer(&headers, &body)
        };
        let generate =
            |State(fake): State<Arc<Fake>>,
             UrlPath(method): UrlPath<String>,
             headers: HeaderMap,
             body: Bytes| async move { fake.answer_gemini(&method, &headers, &body) };
        let app = Router::new()
            .route("/v1/messages", post(messages))
            .route("/v1beta/models/{method}", post(generate))
            .with_state(Arc::clone(self));
        let tracker = TaskTracker::new();
        tracker.spawn(async move { axum::serve(listener, app).await });
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), KEY).unwrap();
        let (_, key) = file.keep().unwrap();
        let endpoint = Endpoint {
            name: "fake".into(),
            api,
            base_url: format!("http://{address}"),
            key: KeySource::File(key),
            model: MODEL.into(),
            price: None,
            context: CONTEXT,
            max_output: MAX_OUTPUT,
        };
        BTreeMap::from([("fake".to_owned(), endpoint)])
    }
}
