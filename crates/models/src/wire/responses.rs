//! OpenAI's Responses API (<https://platform.openai.com/docs/api-reference/responses-streaming>).

use gatepost_domain::Usage;
use serde_json::Value;
use serde_json::json;

use super::call;
use super::count_of;
use super::input_of;
use super::text_of;
use crate::endpoint::Endpoint;
use crate::error::ModelError;
use crate::talk::Message;
use crate::talk::Reply;
use crate::talk::Request;
use crate::talk::Said;
use crate::talk::Stop;

/// The request. Nothing is kept at the provider, so its sealed thinking travels with us.
pub(super) fn body(endpoint: &Endpoint, request: &Request) -> Value {
    let mut input: Vec<Value> = Vec::new();
    for message in &request.messages {
        match message {
            Message::Person { text } => input.push(json!({ "role": "user", "content": text })),
            Message::Results { results } => input.extend(results.iter().map(|result| {
                let mark = if result.is_error { "error: " } else { "" };
                let output = format!("{mark}{}", result.content);
                json!({ "type": "function_call_output", "call_id": result.id, "output": output })
            })),
            Message::Model { said } => input.extend(said.iter().map(|said| match said {
                Said::Text { text } => json!({ "role": "assistant", "content": text }),
                Said::Call(call) => json!({
                    "type": "function_call",
                    "call_id": call.id,
                    "name": call.name,
                    "arguments": input_of(call).to_string(),
                }),
                Said::Sealed { item } => item.clone(),
            })),
        }
    }
    let mut body = json!({
        "model": endpoint.model,
        "stream": true,
        "store": false,
        "include": ["reasoning.encrypted_content"],
        "max_output_tokens": request.max_output.unwrap_or(endpoint.max_output),
        "input": input,
    });
    if let Some(fields) = body.as_object_mut() {
        if !request.system.is_empty() {
            fields.insert("instructions".into(), request.system.clone().into());
        }
        if !request.tools.is_empty() {
            let tools = request.tools.iter().map(|tool| {
                json!({
                    "type": "function", "name": tool.name, "description": tool.description,
                    "parameters": tool.schema, "strict": false,
                })
            });
            fields.insert("tools".into(), tools.collect());
        }
    }
    body
}

/// Puts an answer together.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    items: Vec<Value>,
    ended: Option<Reply>,
}

impl Reader {
    pub(super) fn take(&mut self, mut event: Value) -> Result<Option<String>, ModelError> {
        let kind = text_of(&event, "/type").to_owned();
        match kind.as_str() {
            "response.output_text.delta" => {
                let more = text_of(&event, "/delta").to_owned();
                return Ok(Some(more).filter(|more| !more.is_empty()));
            }
            "response.output_item.done" => {
                self.items.extend(event.get_mut("item").map(Value::take));
            }
            "response.completed" | "response.incomplete" => {
                self.ended = Some(self.reply(event.get("response").unwrap_or(&Value::Null)));
            }
            "response.failed" => return Err(failed(&event, "/response/error")),
            "error" => {
                let place = if event.get("error").is_some() { "/error" } else { "" };
                return Err(failed(&event, place));
            }
            _ => {}
        }
        Ok(None)
    }

    fn reply(&mut self, response: &Value) -> Reply {
        let mut refused = text_of(response, "/incomplete_details/reason") == "content_filter";
        let mut said = Vec::new();
        for item in std::mem::take(&mut self.items) {
            match text_of(&item, "/type") {
                "message" => {
                    let parts = item.get("content").and_then(Value::as_array);
                    for part in parts.into_iter().flatten() {
                        refused |= text_of(part, "/type") == "refusal";
                        let text = text_of(part, "/text").to_owned();
                        if !text.is_empty() {
                            said.push(Said::Text { text });
                        }
                    }
                }
                "function_call" => said.push(Said::Call(call(
                    text_of(&item, "/call_id"),
                    text_of(&item, "/name"),
                    text_of(&item, "/arguments"),
                ))),
                _ => said.push(Said::Sealed { item }),
            }
        }
        let cached = count_of(response, "/usage/input_tokens_details/cached_tokens");
        let usage = Usage {
            input: count_of(response, "/usage/input_tokens").saturating_sub(cached),
            output: count_of(response, "/usage/output_tokens"),
            cache_read: cached,
            cache_write: 0,
        };
        let stop = match text_of(response, "/status") {
            _ if refused => Stop::Refused,
            "incomplete" => Stop::Length,
            _ => Stop::Done,
        };
        Reply { said, usage, stop }
    }

    pub(super) fn end(&mut self) -> Option<Reply> {
        self.ended.take()
    }
}

fn failed(event: &Value, place: &str) -> ModelError {
    let kind = text_of(event, &format!("{place}/code"));
    let kind = if kind.is_empty() { "error" } else { kind };
    ModelError::of_kind(kind, text_of(event, &format!("{place}/message")))
}
