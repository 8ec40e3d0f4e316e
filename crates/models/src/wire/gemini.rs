//! Google's `streamGenerateContent` (<https://ai.google.dev/api/generate-content>).
//!
//! Its own form and not the OpenAI-like one that Google serves too: Gemini seals its thinking into
//! the parts of its answer and refuses a conversation whose calls come back without the seal
//! (<https://ai.google.dev/gemini-api/docs/thought-signatures>).

use gatepost_domain::Usage;
use serde_json::Value;
use serde_json::json;

use super::input_of;
use super::text_of;
use crate::endpoint::Api;
use crate::endpoint::Endpoint;
use crate::error::ModelError;
use crate::meter;
use crate::talk::Message;
use crate::talk::Reply;
use crate::talk::Request;
use crate::talk::Said;
use crate::talk::Stop;
use crate::talk::ToolCall;

/// What a seal is called; the part that it belongs to follows right after it.
const SEAL: &str = "thoughtSignature";

/// How a call is named that came without a name, as those of older models do.
const UNNAMED: &str = "unnamed-";

/// Where the model is.
pub(super) fn url(endpoint: &Endpoint) -> String {
    let model = endpoint.model.trim_start_matches("models/");
    endpoint.url(&format!("models/{model}:streamGenerateContent?alt=sse"))
}

/// The request. Gemini caches by itself what begins the same.
pub(super) fn body(endpoint: &Endpoint, request: &Request) -> Value {
    let mut contents: Vec<Value> = Vec::new();
    let mut calls: Vec<&ToolCall> = Vec::new();
    for message in &request.messages {
        let (role, parts) = match message {
            Message::Person { text } => ("user", vec![json!({ "text": text })]),
            Message::Results { results } => {
                let parts = results.iter().zip(calls.drain(..)).map(|(result, call)| {
                    let kind = if result.is_error { "error" } else { "output" };
                    let response =
                        json!({ "name": call.name, "response": { kind: result.content } });
                    json!({ "functionResponse": named(response, &result.id) })
                });
                ("user", parts.collect())
            }
            Message::Model { said } => {
                calls = said
                    .iter()
                    .filter_map(|said| match said {
                        Said::Call(call) => Some(call),
                        Said::Text { .. } | Said::Sealed { .. } => None,
                    })
                    .collect();
                ("model", of_model(said))
            }
        };
        // Roles take turns: words that follow results are one content with them.
        match contents.last_mut() {
            Some(last) if text_of(last, "/role") == role => {
                if let Some(last) = last.get_mut("parts").and_then(Value::as_array_mut) {
                    last.extend(parts);
                }
            }
            _ => contents.push(json!({ "role": role, "parts": parts })),
        }
    }
    let most = request.max_output.unwrap_or(endpoint.max_output);
    let mut body = json!({ "contents": contents, "generationConfig": { "maxOutputTokens": most } });
    if let Some(fields) = body.as_object_mut() {
        if !request.system.is_empty() {
            let system = json!({ "parts": [{ "text": request.system }] });
            fields.insert("systemInstruction".into(), system);
        }
        if !request.tools.is_empty() {
            let tools = request.tools.iter().map(|tool| {
                json!({
                    "name": tool.name, "description": tool.description,
                    "parametersJsonSchema": tool.schema,
                })
            });
            let tools: Vec<Value> = tools.collect();
            fields.insert("tools".into(), json!([{ "functionDeclarations": tools }]));
        }
    }
    body
}

/// Adds the provider's own name of a call, where it gave one.
fn named(mut part: Value, id: &str) -> Value {
    if let (false, Some(fields)) = (id.starts_with(UNNAMED), part.as_object_mut()) {
        fields.insert("id".into(), id.into());
    }
    part
}

/// A turn's parts, each with its seal.
fn of_model(said: &[Said]) -> Vec<Value> {
    let mut parts = Vec::new();
    let mut seal: Option<&Value> = None;
    let mut add = |mut part: Value, seal: Option<&Value>| {
        if let (Some(seal), Some(fields)) = (seal, part.as_object_mut()) {
            fields.insert(SEAL.into(), seal.clone());
        }
        parts.push(part);
    };
    for said in said {
        match said {
            Said::Text { text } => add(json!({ "text": text }), seal.take()),
            Said::Call(call) => {
                let made = json!({ "name": call.name, "args": input_of(call) });
                add(json!({ "functionCall": named(made, &call.id) }), seal.take());
            }
            // One that nothing followed belongs to an empty text.
            Said::Sealed { item } => {
                if let Some(before) = seal.take() {
                    add(json!({ "text": "" }), Some(before));
                }
                seal = item.get(SEAL);
            }
        }
    }
    if seal.is_some() {
        add(json!({ "text": "" }), seal);
    }
    parts
}

/// Puts an answer together.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    said: Vec<Said>,
    /// Whether the last text has a seal: then what follows is another part.
    sealed: bool,
    calls: usize,
    usage: Usage,
    stop: Option<Stop>,
}

impl Reader {
    pub(super) fn take(&mut self, event: &Value) -> Result<Option<String>, ModelError> {
        if let Some(error) = event.get("error") {
            let code = error.get("code").and_then(Value::as_u64).and_then(|c| c.try_into().ok());
            return Err(ModelError::of_status(code.unwrap_or(500), None, &event.to_string()));
        }
        if let Some(usage) = meter::usage(Api::Gemini, event) {
            self.usage = usage;
        }
        if !text_of(event, "/promptFeedback/blockReason").is_empty() {
            self.stop = Some(Stop::Refused);
        }
        let Some(candidate) = event.pointer("/candidates/0") else { return Ok(None) };
        let mut more = String::new();
        for part in
            candidate.pointer("/content/parts").and_then(Value::as_array).into_iter().flatten()
        {
            self.part(part, &mut more);
        }
        match text_of(candidate, "/finishReason") {
            "" => {}
            "STOP" => self.stop = Some(Stop::Done),
            "MAX_TOKENS" => self.stop = Some(Stop::Length),
            // The model's slip, which it does not make again as a rule.
            kind @ ("MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" | "OTHER") => {
                return Err(ModelError::of_kind(kind, text_of(candidate, "/finishMessage")));
            }
            _ => self.stop = Some(Stop::Refused),
        }
        Ok(Some(more).filter(|more| !more.is_empty()))
    }

    fn part(&mut self, part: &Value, more: &mut String) {
        if let Some(seal) = part.get(SEAL).filter(|seal| seal.is_string()) {
            self.said.push(Said::Sealed { item: json!({ SEAL: seal }) });
            self.sealed = true;
        }
        if let Some(call) = part.get("functionCall") {
            self.calls += 1;
            let id = match text_of(call, "/id") {
                "" => format!("{UNNAMED}{}", self.calls),
                id => id.to_owned(),
            };
            let input = call.get("args").cloned().unwrap_or_else(|| json!({}));
            let input = Some(input).filter(Value::is_object);
            self.said.push(Said::Call(ToolCall {
                id,
                name: text_of(call, "/name").to_owned(),
                input,
            }));
            self.sealed = false;
        }
        let text = text_of(part, "/text");
        // What it thought aloud is no part of what it says.
        if text.is_empty() || part.get("thought") == Some(&Value::Bool(true)) {
            return;
        }
        more.push_str(text);
        match self.said.last_mut() {
            Some(Said::Text { text: before }) if !self.sealed => before.push_str(text),
            _ => self.said.push(Said::Text { text: text.to_owned() }),
        }
        self.sealed = part.get(SEAL).is_some();
    }

    /// The stream says nothing after its last event, so its end is that of the connection.
    pub(super) fn end(&mut self, closed: bool) -> Option<Reply> {
        let stop = self.stop.filter(|_| closed)?;
        Some(Reply { said: std::mem::take(&mut self.said), usage: self.usage, stop })
    }
}
