//! A fake of Anthropic's Messages API
//! (<https://docs.anthropic.com/en/api/messages>): strict about what is documented, lenient about
//! fields beyond it.

use axum::http::HeaderMap;
use serde_json::Value;
use serde_json::json;

use super::script;
use super::script::Asked;
use super::script::CACHED;
use super::script::Fake;
use super::script::INPUT;
use super::script::OUTPUT;
pub use super::script::Play;
use super::script::Protocol;
pub use super::script::call;
use super::script::morsels;
pub use super::script::text;

/// The running fake.
pub type FakeAnthropic = Fake<Messages>;

/// The form of the Messages API.
#[derive(Debug)]
pub enum Messages {}

impl Protocol for Messages {
    fn serves(path: &str) -> bool {
        path == "/v1/messages"
    }

    fn key<'a>(asked: &Asked<'a>) -> Option<&'a str> {
        asked.headers.get("x-api-key")?.to_str().ok()
    }

    fn check(asked: &Asked<'_>) -> Result<(), String> {
        check(asked)
    }

    fn streams(asked: &Asked<'_>) -> bool {
        asked.body["stream"] == true
    }

    fn whole(blocks: &[Value]) -> Value {
        json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "fake",
            "content": blocks, "stop_reason": stop(blocks), "stop_sequence": null,
            "usage": usage(),
        })
    }

    fn pieces(_: &Asked<'_>, blocks: &[Value]) -> Vec<String> {
        events(blocks, stop(blocks)).iter().map(piece).collect()
    }

    /// <https://docs.anthropic.com/en/docs/test-and-evaluate/strengthen-guardrails/handle-streaming-refusals>
    fn refusal(_: &Asked<'_>) -> Vec<String> {
        events(&[], "refusal").iter().map(piece).collect()
    }

    fn failure(status: u16, message: &str, retry_after: Option<u64>) -> (HeaderMap, Value) {
        let kind = match status {
            400 => "invalid_request_error",
            401 => "authentication_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            529 => "overloaded_error",
            _ => "api_error",
        };
        let body = json!({ "type": "error", "error": { "type": kind, "message": message } });
        (script::retry_after(retry_after), body)
    }

    fn too_long() -> (u16, &'static str) {
        (400, "prompt is too long: 250000 tokens > 200000 maximum")
    }
}

fn stop(blocks: &[Value]) -> &'static str {
    let calls = blocks.iter().any(|block| block["type"] == "tool_use");
    if calls { "tool_use" } else { "end_turn" }
}

fn usage() -> Value {
    json!({
        "input_tokens": INPUT, "output_tokens": OUTPUT,
        "cache_read_input_tokens": CACHED, "cache_creation_input_tokens": 5,
    })
}

fn begin() -> Value {
    json!({ "type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "fake", "content": [],
        "stop_reason": null, "stop_sequence": null,
        "usage": { "input_tokens": 100, "output_tokens": 1 },
    }})
}

fn piece(event: &Value) -> String {
    format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())
}

fn events(blocks: &[Value], stop: &str) -> Vec<Value> {
    let mut events = vec![begin(), json!({ "type": "ping" })];
    for (index, block) in blocks.iter().enumerate() {
        let mut empty = block.clone();
        let deltas = if block["type"] == "text" {
            empty["text"] = "".into();
            morsels(block["text"].as_str().unwrap())
                .into_iter()
                .map(|text| json!({ "type": "text_delta", "text": text }))
                .collect::<Vec<_>>()
        } else {
            empty["input"] = json!({});
            morsels(&block["input"].to_string())
                .into_iter()
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
    events.push(json!({ "type": "message_delta", "delta": delta, "usage": usage() }));
    events.push(json!({ "type": "message_stop" }));
    events
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
fn check(asked: &Asked<'_>) -> Result<(), String> {
    let (version, request) = (asked.header("anthropic-version"), asked.body);
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
