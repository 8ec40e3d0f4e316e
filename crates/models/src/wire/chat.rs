//! OpenAI's chat completions (<https://platform.openai.com/docs/api-reference/chat-streaming>), in
//! the part of it that other servers speak too.

use std::collections::BTreeMap;

use gatepost_domain::Usage;
use serde_json::Value;
use serde_json::json;

use super::call;
use super::count_of;
use super::input_of;
use super::text_of;
use crate::endpoint::Api;
use crate::endpoint::Endpoint;
use crate::error::ModelError;
use crate::talk::Message;
use crate::talk::Reply;
use crate::talk::Request;
use crate::talk::Said;
use crate::talk::Stop;

/// The request. Providers of this API cache by themselves what begins the same.
pub(super) fn body(endpoint: &Endpoint, request: &Request) -> Value {
    let mut messages = Vec::new();
    if !request.system.is_empty() {
        messages.push(json!({ "role": "system", "content": request.system }));
    }
    for message in &request.messages {
        match message {
            Message::Person { text } => messages.push(json!({ "role": "user", "content": text })),
            Message::Results { results } => messages.extend(results.iter().map(|result| {
                // There is no field for it here, so the words say it.
                let mark = if result.is_error { "error: " } else { "" };
                let content = format!("{mark}{}", result.content);
                json!({ "role": "tool", "tool_call_id": result.id, "content": content })
            })),
            Message::Model { said } => messages.push(assistant(said)),
        }
    }
    // OpenAI's own newer models refuse the older name; everybody else knows that one alone.
    let limit = match endpoint.api {
        Api::OpenAi if endpoint.base_url.starts_with(Api::OpenAi.public_url()) => {
            "max_completion_tokens"
        }
        _ => "max_tokens",
    };
    let mut body = json!({
        "model": endpoint.model,
        "stream": true,
        "stream_options": { "include_usage": true },
        "messages": messages,
    });
    if let Some(fields) = body.as_object_mut() {
        fields.insert(limit.into(), request.max_output.unwrap_or(endpoint.max_output).into());
        if !request.tools.is_empty() {
            let tools = request.tools.iter().map(|tool| {
                json!({ "type": "function", "function": {
                    "name": tool.name, "description": tool.description, "parameters": tool.schema,
                }})
            });
            fields.insert("tools".into(), tools.collect());
        }
    }
    body
}

fn assistant(said: &[Said]) -> Value {
    let (mut text, mut calls) = (String::new(), Vec::new());
    for said in said {
        match said {
            Said::Text { text: more } => text.push_str(more),
            Said::Call(call) => calls.push(json!({
                "id": call.id,
                "type": "function",
                "function": { "name": call.name, "arguments": input_of(call).to_string() },
            })),
            // Of another API; it means nothing here.
            Said::Sealed { .. } => {}
        }
    }
    let mut message = json!({ "role": "assistant", "content": text });
    if let (false, Some(fields)) = (calls.is_empty(), message.as_object_mut()) {
        fields.insert("tool_calls".into(), calls.into());
    }
    message
}

/// Puts an answer together.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    text: String,
    calls: BTreeMap<u64, (String, String, String)>,
    usage: Usage,
    stop: Option<Stop>,
    /// Whether the counts came, which is the last thing that does.
    counted: bool,
    refused: bool,
}

impl Reader {
    pub(super) fn take(&mut self, event: &Value) -> Result<Option<String>, ModelError> {
        if let Some(error) = event.get("error").filter(|error| !error.is_null()) {
            let kind = [text_of(error, "/code"), text_of(error, "/type")];
            let kind = kind.into_iter().find(|kind| !kind.is_empty()).unwrap_or("error");
            return Err(ModelError::of_kind(kind, text_of(error, "/message")));
        }
        if let Some(usage) = event.get("usage").filter(|usage| usage.is_object()) {
            let cached = count_of(usage, "/prompt_tokens_details/cached_tokens");
            self.usage = Usage {
                input: count_of(usage, "/prompt_tokens").saturating_sub(cached),
                output: count_of(usage, "/completion_tokens"),
                cache_read: cached,
                cache_write: 0,
            };
            self.counted = true;
        }
        let Some(choice) = event.pointer("/choices/0") else { return Ok(None) };
        for part in
            choice.pointer("/delta/tool_calls").and_then(Value::as_array).into_iter().flatten()
        {
            let entry = self.calls.entry(count_of(part, "/index")).or_default();
            // Some servers say these once, and some with every piece.
            for (known, said) in [(&mut entry.0, "/id"), (&mut entry.1, "/function/name")] {
                if known.is_empty() {
                    text_of(part, said).clone_into(known);
                }
            }
            entry.2.push_str(text_of(part, "/function/arguments"));
        }
        self.refused |= !text_of(choice, "/delta/refusal").is_empty();
        match text_of(choice, "/finish_reason") {
            "" => {}
            "length" => self.stop = Some(Stop::Length),
            "content_filter" => self.stop = Some(Stop::Refused),
            _ => self.stop = Some(Stop::Done),
        }
        let more = text_of(choice, "/delta/content");
        self.text.push_str(more);
        Ok(Some(more.to_owned()).filter(|more| !more.is_empty()))
    }

    /// The counts come after the end of the answer itself; some servers send none, and then the
    /// end is that of the stream.
    pub(super) fn end(&mut self, closed: bool) -> Option<Reply> {
        let stop = self.stop.filter(|_| self.counted || closed)?;
        let mut said = Vec::new();
        let text = std::mem::take(&mut self.text);
        if !text.is_empty() {
            said.push(Said::Text { text });
        }
        let calls = std::mem::take(&mut self.calls);
        said.extend(calls.iter().map(|(index, (id, name, input))| {
            // Some servers at home give no ids, and take any.
            let id = if id.is_empty() { &format!("call_{index}") } else { id };
            Said::Call(call(id, name, input))
        }));
        let stop = if self.refused { Stop::Refused } else { stop };
        Some(Reply { said, usage: self.usage, stop })
    }
}
