//! Where in a request the results of tools stand, API by API.
//!
//! The shapes are those of the APIs' own descriptions: `tool_result` blocks of Anthropic's messages,
//! `tool` messages of chat completions, items that end in `_output` of responses, and
//! `functionResponse` parts of Gemini.

use serde_json::Map;
use serde_json::Value;

use crate::endpoint::Api;

/// A shorter text orders nobody to do anything.
const SHORTEST: usize = 12;

/// Fields of a result that name or classify something and are read by programs.
const NOT_READ: [&str; 9] =
    ["type", "id", "tool_use_id", "call_id", "status", "name", "image_url", "data", "media_type"];

/// Every text of every tool's result in the request.
pub(super) fn of(api: Api, body: &mut Map<String, Value>) -> Vec<&mut String> {
    let list = match api {
        Api::Anthropic | Api::OpenAi | Api::Ollama => "messages",
        Api::OpenAiResponses => "input",
        Api::Gemini => "contents",
    };
    let mut found = Vec::new();
    let Some(Value::Array(items)) = body.get_mut(list) else { return found };
    for item in items {
        match api {
            Api::Anthropic => {
                for block in parts(item, "content") {
                    let is_result = kind(block).is_some_and(|kind| kind.ends_with("tool_result"));
                    if let Some(content) = block.get_mut("content").filter(|_| is_result) {
                        texts(content, &mut found);
                    }
                }
            }
            Api::OpenAi | Api::Ollama => {
                let role = item.get("role").and_then(Value::as_str);
                let is_result = matches!(role, Some("tool" | "function"));
                if let Some(content) = item.get_mut("content").filter(|_| is_result) {
                    texts(content, &mut found);
                }
            }
            Api::OpenAiResponses => {
                let is_result = kind(item).is_some_and(|kind| kind.ends_with("_output"));
                if let Some(output) = item.get_mut("output").filter(|_| is_result) {
                    texts(output, &mut found);
                }
            }
            Api::Gemini => {
                for part in parts(item, "parts") {
                    let Some(part) = part.as_object_mut() else { continue };
                    // Both spellings are taken by the API.
                    let responses = part.iter_mut().filter(|(name, _)| {
                        matches!(name.as_str(), "functionResponse" | "function_response")
                    });
                    for (_, response) in responses {
                        if let Some(response) = response.get_mut("response") {
                            texts(response, &mut found);
                        }
                    }
                }
            }
        }
    }
    found
}

fn kind(value: &Value) -> Option<&str> {
    value.get("type").and_then(Value::as_str)
}

fn parts<'v>(item: &'v mut Value, name: &str) -> impl Iterator<Item = &'v mut Value> {
    item.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
}

fn texts<'v>(value: &'v mut Value, found: &mut Vec<&'v mut String>) {
    match value {
        Value::String(text) if text.len() >= SHORTEST => found.push(text),
        Value::Array(values) => values.iter_mut().for_each(|value| texts(value, found)),
        Value::Object(fields) => {
            let read = fields.iter_mut().filter(|(name, _)| !NOT_READ.contains(&name.as_str()));
            read.for_each(|(_, value)| texts(value, found));
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_result_is_found_and_nothing_else() {
        let result = "what the tool said";
        let cases = [
            (
                Api::Anthropic,
                json!({"system": "not this long text", "messages": [
                    {"role": "user", "content": "not this long text"},
                    {"role": "assistant", "content": [
                        {"type": "text", "text": "not this long text"},
                        {"type": "tool_use", "id": "1", "input": {"a": "not this long text"}}]},
                    {"role": "user", "content": [
                        {"type": "tool_result", "tool_use_id": "not this long text",
                         "content": result},
                        {"type": "tool_result", "tool_use_id": "x",
                         "content": [{"type": "text", "text": result}]},
                        {"type": "text", "text": "not this long text"}]}]}),
                2,
            ),
            (
                Api::OpenAi,
                json!({"messages": [
                    {"role": "user", "content": "not this long text"},
                    {"role": "tool", "tool_call_id": "not this long text", "content": result},
                    {"role": "tool", "content": [{"type": "text", "text": result}]}]}),
                2,
            ),
            (
                Api::OpenAiResponses,
                json!({"instructions": "not this long text", "input": [
                    {"type": "message", "role": "user",
                     "content": [{"type": "input_text", "text": "not this long text"}]},
                    {"type": "function_call", "arguments": "not this long text"},
                    {"type": "function_call_output", "call_id": "not this long text",
                     "output": result},
                    {"type": "custom_tool_call_output",
                     "output": [{"type": "input_text", "text": result}]}]}),
                2,
            ),
            (
                Api::Gemini,
                json!({"contents": [{"role": "user", "parts": [
                    {"text": "not this long text"},
                    {"functionResponse": {"name": "not this long text",
                                          "response": {"output": result}}}]}]}),
                1,
            ),
        ];
        for (api, mut body, count) in cases {
            let body = body.as_object_mut().unwrap();
            let found = of(api, body);
            assert_eq!(found.len(), count, "{api:?}: {found:?}");
            assert!(found.iter().all(|text| *text == result), "{api:?}: {found:?}");
        }
        assert!(
            of(Api::OpenAiResponses, json!({"input": "a text"}).as_object_mut().unwrap())
                .is_empty()
        );
    }
}
