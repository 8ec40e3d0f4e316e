//! A fake of OpenAI's chat completions (<https://platform.openai.com/docs/api-reference/chat>), and
//! with an empty key of the many servers that speak the same. Fields that are not documented are
//! refused, as OpenAI does.

use std::collections::BTreeSet;

use axum::http::HeaderMap;
use serde_json::Value;
use serde_json::json;

use super::script;
use super::script::Asked;
use super::script::CACHED;
use super::script::Fake;
use super::script::INPUT;
use super::script::OUTPUT;
use super::script::Protocol;
use super::script::event;
use super::script::morsels;

/// The running fake.
pub type FakeChat = Fake<Chat>;

/// The form of chat completions.
#[derive(Debug)]
pub enum Chat {}

/// The fields of a request that the reference documents.
const FIELDS: [&str; 34] = [
    "model",
    "messages",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "n",
    "stop",
    "seed",
    "user",
    "store",
    "metadata",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "modalities",
    "audio",
    "prediction",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "service_tier",
    "verbosity",
    "functions",
    "function_call",
];

impl Protocol for Chat {
    fn serves(path: &str) -> bool {
        path == "/v1/chat/completions"
    }

    fn key<'a>(asked: &Asked<'a>) -> Option<&'a str> {
        asked.headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
    }

    fn check(asked: &Asked<'_>) -> Result<(), String> {
        let request = asked.body;
        if let Some(field) = script::unknown(request, &FIELDS) {
            return Err(format!("Unrecognized request argument supplied: {field}"));
        }
        if request["model"].as_str().is_none_or(str::is_empty) {
            return Err("you must provide a model parameter".into());
        }
        check_limits(request)?;
        check_tools(request)?;
        check_messages(request["messages"].as_array().ok_or("messages: it is required")?)
    }

    fn streams(asked: &Asked<'_>) -> bool {
        asked.body["stream"] == true
    }

    fn whole(blocks: &[Value]) -> Value {
        let said = said(blocks);
        let calls: Vec<Value> = calls(blocks);
        let mut message = json!({
            "role": "assistant", "refusal": null,
            "content": if said.is_empty() { Value::Null } else { said.into() },
        });
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "fake",
            "choices": [{
                "index": 0, "message": message, "logprobs": null, "finish_reason": stop(blocks),
            }],
            "usage": usage(),
        })
    }

    fn pieces(asked: &Asked<'_>, blocks: &[Value]) -> Vec<String> {
        // Only those who ask for it hear what it used, in a piece of its own.
        let counts = asked.body["stream_options"]["include_usage"] == true;
        let chunk = |choices: Value, usage: Value| {
            let mut chunk = json!({
                "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
                "model": "fake", "choices": choices,
            });
            if counts {
                chunk["usage"] = usage;
            }
            event(&chunk)
        };
        let piece = |delta: Value, stop: Value| {
            chunk(json!([{ "index": 0, "delta": delta, "finish_reason": stop }]), Value::Null)
        };
        let mut pieces = vec![piece(json!({ "role": "assistant", "content": "" }), Value::Null)];
        for morsel in morsels(&said(blocks)) {
            pieces.push(piece(json!({ "content": morsel }), Value::Null));
        }
        for (index, mut call) in calls(blocks).into_iter().enumerate() {
            let arguments = call["function"]["arguments"].take();
            call["function"]["arguments"] = "".into();
            call["index"] = index.into();
            pieces.push(piece(json!({ "tool_calls": [call] }), Value::Null));
            for morsel in morsels(arguments.as_str().unwrap()) {
                let more = json!({ "index": index, "function": { "arguments": morsel } });
                pieces.push(piece(json!({ "tool_calls": [more] }), Value::Null));
            }
        }
        pieces.push(piece(json!({}), stop(blocks).into()));
        if counts {
            pieces.push(chunk(json!([]), usage()));
        }
        pieces.push("data: [DONE]\n\n".into());
        pieces
    }

    fn failure(status: u16, message: &str, retry_after: Option<u64>) -> (HeaderMap, Value) {
        let (kind, code) = match status {
            _ if message == Self::too_long().1 => {
                ("invalid_request_error", json!("context_length_exceeded"))
            }
            401 => ("invalid_request_error", json!("invalid_api_key")),
            429 => ("requests", json!("rate_limit_exceeded")),
            500.. => ("server_error", Value::Null),
            _ => ("invalid_request_error", Value::Null),
        };
        let error = json!({ "message": message, "type": kind, "param": null, "code": code });
        (script::retry_after(retry_after), json!({ "error": error }))
    }

    fn too_long() -> (u16, &'static str) {
        (400, "This model's maximum context length is 128000 tokens.")
    }
}

fn said(blocks: &[Value]) -> String {
    blocks.iter().filter_map(|block| block["text"].as_str()).collect()
}

fn calls(blocks: &[Value]) -> Vec<Value> {
    let calls = blocks.iter().filter(|block| block["type"] == "tool_use").map(|block| {
        let function = json!({ "name": block["name"], "arguments": block["input"].to_string() });
        json!({ "id": block["id"], "type": "function", "function": function })
    });
    calls.collect()
}

fn stop(blocks: &[Value]) -> &'static str {
    if calls(blocks).is_empty() { "stop" } else { "tool_calls" }
}

fn usage() -> Value {
    json!({
        "prompt_tokens": INPUT + CACHED, "completion_tokens": OUTPUT,
        "total_tokens": INPUT + CACHED + OUTPUT,
        "prompt_tokens_details": { "cached_tokens": CACHED },
    })
}

fn check_limits(request: &Value) -> Result<(), String> {
    let limits = ["max_tokens", "max_completion_tokens"];
    let given = limits.iter().filter_map(|name| request.get(name)).collect::<Vec<_>>();
    if given.len() > 1 {
        return Err("setting max_tokens and max_completion_tokens at once is not supported".into());
    }
    if given.iter().any(|limit| limit.as_u64().is_none_or(|limit| limit == 0)) {
        return Err("max_tokens is too small or no number".into());
    }
    if request.get("stream_options").is_some() && request["stream"] != true {
        return Err("the stream_options parameter is only allowed when stream is enabled".into());
    }
    Ok(())
}

fn check_tools(request: &Value) -> Result<(), String> {
    let tools = request.get("tools").map_or(Some(&Vec::new()), Value::as_array).cloned();
    let tools = tools.ok_or("tools is no array")?;
    for (at, tool) in tools.iter().enumerate() {
        if tool["type"] != "function" {
            return Err(format!("tools[{at}].type: {} would run at the provider", tool["type"]));
        }
        if !script::is_name(&tool["function"]["name"]) {
            return Err(format!("tools[{at}].function.name does not match ^[a-zA-Z0-9_-]+$"));
        }
        let schema = tool["function"].get("parameters");
        if schema.is_some_and(|schema| schema["type"] != "object") {
            return Err(format!("tools[{at}].function.parameters: schema must be an object"));
        }
    }
    for name in ["tool_choice", "parallel_tool_calls"] {
        if tools.is_empty() && request.get(name).is_some() {
            return Err(format!("{name} is only allowed when tools are specified"));
        }
    }
    if request.get("tools").is_some() && tools.is_empty() {
        return Err("tools: [] is too short".into());
    }
    Ok(())
}

/// The roles, and that every call is answered once, right after it.
fn check_messages(messages: &[Value]) -> Result<(), String> {
    let mut owed: BTreeSet<String> = BTreeSet::new();
    let mut ever: BTreeSet<String> = BTreeSet::new();
    if messages.is_empty() {
        return Err("messages: [] is too short".into());
    }
    for (at, message) in messages.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if role != "tool" && !owed.is_empty() {
            return Err(format!(
                "messages[{at}]: an assistant message with 'tool_calls' must be followed by tool \
                 messages responding to each 'tool_call_id'; {owed:?} did not have one"
            ));
        }
        match role {
            "system" | "developer" | "user" if is_content(&message["content"]) => {}
            "tool" => {
                let id = message["tool_call_id"].as_str().unwrap_or_default();
                if !owed.remove(id) {
                    return Err(format!(
                        "messages[{at}]: a message with role 'tool' must be a response to a \
                         preceding message with 'tool_calls'; nothing waits for `{id}`"
                    ));
                }
                if !is_content(&message["content"]) && message["content"] != "" {
                    return Err(format!("messages[{at}].content: it is required"));
                }
            }
            "assistant" => {
                let calls = message.get("tool_calls").map(|calls| calls.as_array());
                match calls {
                    None if message["content"].is_string() => {}
                    None if is_content(&message["content"]) => {}
                    Some(Some(calls)) if !calls.is_empty() => {
                        for call in calls {
                            let id = check_call(at, call)?;
                            if !ever.insert(id.clone()) {
                                return Err(format!("messages[{at}]: `{id}` is there twice"));
                            }
                            owed.insert(id);
                        }
                    }
                    _ => return Err(format!("messages[{at}]: no content and no tool_calls")),
                }
            }
            _ => return Err(format!("messages[{at}]: role {role:?} without its content")),
        }
    }
    if !owed.is_empty() {
        return Err(format!("messages: {owed:?} have no response"));
    }
    Ok(())
}

fn check_call(at: usize, call: &Value) -> Result<String, String> {
    let arguments = call["function"]["arguments"].as_str();
    let input = arguments.and_then(|text| serde_json::from_str::<Value>(text).ok());
    if call["type"] != "function" || !script::is_name(&call["function"]["name"]) {
        return Err(format!("messages[{at}].tool_calls: type and function.name are required"));
    }
    if !input.is_some_and(|input| input.is_object()) {
        return Err(format!("messages[{at}].tool_calls: arguments is no JSON object in a string"));
    }
    let id = call["id"].as_str().filter(|id| !id.is_empty());
    id.map(str::to_owned).ok_or_else(|| format!("messages[{at}].tool_calls: id is required"))
}

/// A text, or parts of which each says what it is.
fn is_content(content: &Value) -> bool {
    match content {
        Value::String(text) => !text.is_empty(),
        Value::Array(parts) => {
            !parts.is_empty()
                && parts.iter().all(|part| match part["type"].as_str() {
                    Some("text") => part["text"].is_string(),
                    Some("image_url") => part["image_url"]["url"].is_string(),
                    Some("input_audio" | "file" | "refusal") => true,
                    _ => false,
                })
        }
        _ => false,
    }
}
