//! Anthropic's Messages API (<https://docs.anthropic.com/en/api/messages-streaming>).

use std::collections::BTreeMap;

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

/// The request. The system prompt with the tools, and the conversation up to its last message, are
/// marked for the cache: the next turn begins with the very same.
pub(super) fn body(endpoint: &Endpoint, request: &Request) -> Value {
    let mut messages: Vec<Value> = Vec::new();
    for message in &request.messages {
        let (role, content) = content(message);
        // Roles take turns: words that follow results are one message with them.
        match messages.last_mut() {
            Some(last) if last.get("role").and_then(Value::as_str) == Some(role) => {
                if let Some(last) = last.get_mut("content").and_then(Value::as_array_mut) {
                    last.extend(content);
                }
            }
            _ => messages.push(json!({ "role": role, "content": content })),
        }
    }
    // The last block for the turn that follows, and the one before it for another question about
    // the same: a provider looks up the prefix that ends at a mark.
    let last = messages.last_mut().and_then(|last| last.get_mut("content")?.as_array_mut());
    for block in last.into_iter().flatten().rev().take(2).filter_map(Value::as_object_mut) {
        block.insert("cache_control".into(), json!({ "type": "ephemeral" }));
    }
    let mut body = json!({
        "model": endpoint.model,
        "max_tokens": request.max_output.unwrap_or(endpoint.max_output),
        "stream": true,
        "messages": messages,
    });
    if let Some(fields) = body.as_object_mut() {
        if !request.system.is_empty() {
            let mark = json!({ "type": "ephemeral" });
            let system = json!([{ "type": "text", "text": request.system, "cache_control": mark }]);
            fields.insert("system".into(), system);
        }
        if !request.tools.is_empty() {
            let tools = request.tools.iter().map(|tool| {
                json!({ "name": tool.name, "description": tool.description, "input_schema": tool.schema })
            });
            fields.insert("tools".into(), tools.collect());
        }
    }
    body
}

fn content(message: &Message) -> (&'static str, Vec<Value>) {
    match message {
        Message::Person { text } => ("user", vec![json!({ "type": "text", "text": text })]),
        Message::Results { results } => {
            let results = results.iter().map(|result| {
                json!({
                    "type": "tool_result",
                    "tool_use_id": result.id,
                    "content": result.content,
                    "is_error": result.is_error,
                })
            });
            ("user", results.collect())
        }
        Message::Model { said } => {
            let parts = said.iter().map(|said| match said {
                Said::Text { text } => json!({ "type": "text", "text": text }),
                Said::Call(call) => json!({
                    "type": "tool_use", "id": call.id, "name": call.name, "input": input_of(call),
                }),
                Said::Sealed { item } => item.clone(),
            });
            ("assistant", parts.collect())
        }
    }
}

/// Puts an answer together.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    blocks: BTreeMap<u64, Block>,
    usage: Usage,
    stop: Option<Stop>,
    ended: bool,
}

#[derive(Debug)]
enum Block {
    Text(String),
    Call { id: String, name: String, input: String },
    Sealed(Value),
}

impl Reader {
    pub(super) fn take(&mut self, event: &Value) -> Result<Option<String>, ModelError> {
        let index = count_of(event, "/index");
        match text_of(event, "/type") {
            "message_start" => self.count(event.pointer("/message/usage")),
            "content_block_start" => {
                let block = event.get("content_block").cloned().unwrap_or_default();
                let text = text_of(&block, "/text").to_owned();
                let block = match text_of(&block, "/type") {
                    "text" => Block::Text(text.clone()),
                    "tool_use" => Block::Call {
                        id: text_of(&block, "/id").to_owned(),
                        name: text_of(&block, "/name").to_owned(),
                        input: String::new(),
                    },
                    _ => Block::Sealed(block),
                };
                self.blocks.insert(index, block);
                return Ok(Some(text).filter(|text| !text.is_empty()));
            }
            "content_block_delta" => return Ok(self.add(index, event)),
            "message_delta" => {
                self.count(event.get("usage"));
                self.stop = match text_of(event, "/delta/stop_reason") {
                    "" => self.stop,
                    "max_tokens" | "model_context_window_exceeded" => Some(Stop::Length),
                    "refusal" => Some(Stop::Refused),
                    _ => Some(Stop::Done),
                };
            }
            "message_stop" => self.ended = true,
            "error" => {
                let (kind, message) =
                    (text_of(event, "/error/type"), text_of(event, "/error/message"));
                return Err(ModelError::of_kind(kind, message));
            }
            "ping" | "content_block_stop" => {}
            // The API says that kinds of events may be added.
            _ => {}
        }
        Ok(None)
    }

    fn add(&mut self, index: u64, event: &Value) -> Option<String> {
        match self.blocks.get_mut(&index)? {
            Block::Text(text) => {
                let more = text_of(event, "/delta/text");
                text.push_str(more);
                Some(more.to_owned()).filter(|more| !more.is_empty())
            }
            Block::Call { input, .. } => {
                input.push_str(text_of(event, "/delta/partial_json"));
                None
            }
            Block::Sealed(block) => {
                for name in ["thinking", "signature"] {
                    let more = event.get("delta").and_then(|delta| delta.get(name)?.as_str());
                    if let (Some(more), Some(fields)) = (more, block.as_object_mut()) {
                        let so_far = fields.get(name).and_then(Value::as_str).unwrap_or_default();
                        let whole = format!("{so_far}{more}");
                        fields.insert(name.to_owned(), whole.into());
                    }
                }
                None
            }
        }
    }

    /// Later counts replace earlier ones; a field that is left out stays as it was.
    fn count(&mut self, usage: Option<&Value>) {
        let Some(usage) = usage else { return };
        let set = |name: &str, field: &mut u64| {
            if let Some(count) = usage.get(name).and_then(Value::as_u64) {
                *field = count;
            }
        };
        set("input_tokens", &mut self.usage.input);
        set("output_tokens", &mut self.usage.output);
        set("cache_read_input_tokens", &mut self.usage.cache_read);
        set("cache_creation_input_tokens", &mut self.usage.cache_write);
    }

    pub(super) fn end(&mut self) -> Option<Reply> {
        if !std::mem::take(&mut self.ended) {
            return None;
        }
        let said = std::mem::take(&mut self.blocks).into_values().filter_map(|block| match block {
            Block::Text(text) => (!text.is_empty()).then_some(Said::Text { text }),
            Block::Call { id, name, input } => Some(Said::Call(call(&id, &name, &input))),
            Block::Sealed(item) => Some(Said::Sealed { item }),
        });
        Some(Reply {
            said: said.collect(),
            usage: self.usage,
            stop: self.stop.unwrap_or(Stop::Done),
        })
    }
}
