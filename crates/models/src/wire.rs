//! What each API's requests and answers look like.

use reqwest::header::HeaderName;
use serde_json::Value;
use serde_json::json;

use crate::endpoint::Api;
use crate::endpoint::Endpoint;
use crate::error::ModelError;
use crate::talk::Reply;
use crate::talk::Request;
use crate::talk::ToolCall;

mod anthropic;
mod chat;
mod gemini;
mod responses;
#[cfg(test)]
mod tests;

/// A request ready to be sent, but for the key.
pub(crate) struct Outgoing {
    pub(crate) url: String,
    pub(crate) body: Value,
    /// The header that carries the key, and what goes before it.
    pub(crate) key: (HeaderName, &'static str),
    /// Further headers.
    pub(crate) more: &'static [(&'static str, &'static str)],
}

/// Puts an answer together, event by event.
#[derive(Debug)]
pub(crate) enum Reader {
    Anthropic(anthropic::Reader),
    Chat(chat::Reader),
    Gemini(gemini::Reader),
    Responses(responses::Reader),
}

/// The request in the endpoint's own form.
pub(crate) fn outgoing(endpoint: &Endpoint, request: &Request) -> Outgoing {
    let bearer = (reqwest::header::AUTHORIZATION, "Bearer ");
    match endpoint.api {
        Api::Anthropic => Outgoing {
            url: endpoint.url("messages"),
            body: anthropic::body(endpoint, request),
            key: (HeaderName::from_static("x-api-key"), ""),
            more: &[("anthropic-version", "2023-06-01")],
        },
        Api::OpenAi | Api::Ollama => Outgoing {
            url: endpoint.url("chat/completions"),
            body: chat::body(endpoint, request),
            key: bearer,
            more: &[],
        },
        Api::Gemini => Outgoing {
            url: gemini::url(endpoint),
            body: gemini::body(endpoint, request),
            key: (HeaderName::from_static("x-goog-api-key"), ""),
            more: &[],
        },
        Api::OpenAiResponses => Outgoing {
            url: endpoint.url("responses"),
            body: responses::body(endpoint, request),
            key: bearer,
            more: &[],
        },
    }
}

impl Reader {
    /// One for an answer of this API.
    pub(crate) fn new(api: Api) -> Self {
        match api {
            Api::Anthropic => Self::Anthropic(anthropic::Reader::default()),
            Api::OpenAi | Api::Ollama => Self::Chat(chat::Reader::default()),
            Api::Gemini => Self::Gemini(gemini::Reader::default()),
            Api::OpenAiResponses => Self::Responses(responses::Reader::default()),
        }
    }

    /// Takes one event, and gives the text that came with it.
    pub(crate) fn take(&mut self, data: &str) -> Result<Option<String>, ModelError> {
        if data.trim() == "[DONE]" {
            return Ok(None);
        }
        let event: Value = serde_json::from_str(data).map_err(|error| ModelError::Unparseable {
            detail: format!("an event is no JSON: {error}"),
        })?;
        match self {
            Self::Anthropic(reader) => reader.take(&event),
            Self::Chat(reader) => reader.take(&event),
            Self::Gemini(reader) => reader.take(&event),
            Self::Responses(reader) => reader.take(event),
        }
    }

    /// The whole answer, once its end was seen. `closed`: nothing more will come.
    pub(crate) fn end(&mut self, closed: bool) -> Option<Reply> {
        match self {
            Self::Anthropic(reader) => reader.end(),
            Self::Chat(reader) => reader.end(closed),
            Self::Gemini(reader) => reader.end(closed),
            Self::Responses(reader) => reader.end(),
        }
    }
}

fn text_of<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn count_of(value: &Value, pointer: &str) -> u64 {
    value.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
}

/// A call whose input came as text. An empty one has no input, which is an object without fields.
fn call(id: &str, name: &str, input: &str) -> ToolCall {
    let text = if input.trim().is_empty() { "{}" } else { input };
    let input = serde_json::from_str(text).ok().filter(Value::is_object);
    ToolCall { id: id.to_owned(), name: name.to_owned(), input }
}

/// The input of a call as it goes back to the provider, which wants an object in any case.
fn input_of(call: &ToolCall) -> Value {
    call.input.clone().unwrap_or_else(|| json!({}))
}
