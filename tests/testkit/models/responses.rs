//! A fake of OpenAI's Responses API (<https://platform.openai.com/docs/api-reference/responses>) for
//! clients that keep nothing at the provider. Its reasoning is sealed and wanted back.

use std::collections::BTreeSet;

use axum::http::HeaderMap;
use serde_json::Value;
use serde_json::json;

use super::chat::Chat;
use super::script;
use super::script::Asked;
use super::script::CACHED;
use super::script::Fake;
use super::script::INPUT;
use super::script::OUTPUT;
use super::script::Protocol;
use super::script::morsels;

/// The running fake.
pub type FakeResponses = Fake<Responses>;

/// The form of the Responses API.
#[derive(Debug)]
pub enum Responses {}

impl Protocol for Responses {
    fn serves(path: &str) -> bool {
        path == "/v1/responses"
    }

    fn key<'a>(asked: &Asked<'a>) -> Option<&'a str> {
        Chat::key(asked)
    }

    fn check(asked: &Asked<'_>) -> Result<(), String> {
        let request = asked.body;
        if request["model"].as_str().is_none_or(str::is_empty) {
            return Err("missing required parameter: 'model'".into());
        }
        if request["store"] != false {
            return Err("store: it would be kept by the provider".into());
        }
        if request.get("max_output_tokens").is_some_and(|most| most.as_u64() < Some(16)) {
            return Err("max_output_tokens: integer below minimum value".into());
        }
        for tool in request["tools"].as_array().into_iter().flatten() {
            if tool["type"] != "function" && tool["type"] != "custom" {
                return Err(format!("tools: {} would run at the provider", tool["type"]));
            }
            if !script::is_name(&tool["name"]) {
                return Err("tools: name does not match ^[a-zA-Z0-9_-]+$".into());
            }
        }
        check_input(request["input"].as_array().ok_or("missing required parameter: 'input'")?)
    }

    fn streams(asked: &Asked<'_>) -> bool {
        asked.body["stream"] == true
    }

    fn whole(blocks: &[Value]) -> Value {
        response("completed", items(blocks), &usage())
    }

    fn pieces(_: &Asked<'_>, blocks: &[Value]) -> Vec<String> {
        let begun = response("in_progress", Vec::new(), &Value::Null);
        let mut events = vec![json!({ "type": "response.created", "response": begun })];
        for (at, item) in items(blocks).into_iter().enumerate() {
            events.push(json!({
                "type": "response.output_item.added", "output_index": at, "item": item,
            }));
            let text = item.pointer("/content/0/text").and_then(Value::as_str);
            events.extend(text.into_iter().flat_map(morsels).map(|morsel| {
                json!({
                    "type": "response.output_text.delta", "output_index": at, "content_index": 0,
                    "item_id": item["id"], "delta": morsel,
                })
            }));
            events.push(json!({
                "type": "response.output_item.done", "output_index": at, "item": item,
            }));
        }
        events.push(json!({ "type": "response.completed", "response": Self::whole(blocks) }));
        let number = |(at, event): (usize, &Value)| {
            let mut event = event.clone();
            event["sequence_number"] = at.into();
            format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap())
        };
        events.iter().enumerate().map(number).collect()
    }

    fn failure(status: u16, message: &str, retry_after: Option<u64>) -> (HeaderMap, Value) {
        Chat::failure(status, message, retry_after)
    }

    fn too_long() -> (u16, &'static str) {
        (400, "Your input exceeds the context window of this model.")
    }
}

fn response(status: &str, output: Vec<Value>, usage: &Value) -> Value {
    json!({
        "id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "fake",
        "error": null, "incomplete_details": null, "output": output, "usage": usage,
    })
}

fn usage() -> Value {
    json!({
        "input_tokens": INPUT + CACHED, "input_tokens_details": { "cached_tokens": CACHED },
        "output_tokens": OUTPUT, "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": INPUT + CACHED + OUTPUT,
    })
}

/// A turn's items; where there are calls, the thought that led to them comes first.
fn items(blocks: &[Value]) -> Vec<Value> {
    let first = blocks.iter().find(|block| block["type"] == "tool_use");
    let thought = first.map(|call| {
        let sealed = format!("sealed-{}", call["id"].as_str().unwrap());
        json!({ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sealed })
    });
    let item = |block: &Value| match block["type"].as_str() {
        Some("text") => json!({
            "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
            "content": [{ "type": "output_text", "text": block["text"], "annotations": [] }],
        }),
        _ => json!({
            "type": "function_call", "id": "fc_1", "call_id": block["id"], "name": block["name"],
            "arguments": block["input"].to_string(), "status": "completed",
        }),
    };
    thought.into_iter().chain(blocks.iter().map(item)).collect()
}

/// That every call has one output after it, and every output its call; and that the first call of
/// a turn still has its thought before it.
fn check_input(input: &[Value]) -> Result<(), String> {
    let mut owed: BTreeSet<String> = BTreeSet::new();
    let mut thought: Option<String> = None;
    let mut calling = false;
    for (at, item) in input.iter().enumerate() {
        let kind = item["type"].as_str().unwrap_or("message");
        let id = item["call_id"].as_str().unwrap_or_default().to_owned();
        match kind {
            "function_call" => {
                let arguments = item["arguments"].as_str();
                let object = arguments.and_then(|text| serde_json::from_str::<Value>(text).ok());
                if !object.is_some_and(|object| object.is_object())
                    || !script::is_name(&item["name"])
                {
                    return Err(format!("input[{at}]: name and arguments are required"));
                }
                if !calling && thought.take() != Some(format!("sealed-{id}")) {
                    return Err(format!("input[{at}]: {id} came without its reasoning item"));
                }
                calling = true;
                owed.insert(id);
            }
            "function_call_output" => {
                calling = false;
                if !owed.remove(&id) || !item["output"].is_string() {
                    return Err(format!("input[{at}]: no tool call found for output {id}"));
                }
            }
            "reasoning" => {
                calling = false;
                thought = item["encrypted_content"].as_str().map(str::to_owned);
                if thought.is_none() {
                    return Err(format!("input[{at}]: a reasoning item that is not kept there"));
                }
            }
            "message" => {
                let role = item["role"].as_str().unwrap_or_default();
                if !["user", "assistant", "system", "developer"].contains(&role) {
                    return Err(format!("input[{at}].role: {role:?}"));
                }
                if role != "assistant" && !owed.is_empty() {
                    return Err(format!("input[{at}]: no tool output found for {owed:?}"));
                }
                if !item["content"].is_string() && !item["content"].is_array() {
                    return Err(format!("input[{at}].content: it is required"));
                }
            }
            other => return Err(format!("input[{at}].type: {other:?}")),
        }
    }
    if !owed.is_empty() {
        return Err(format!("no tool output found for function call {owed:?}"));
    }
    Ok(())
}
