//! What passes towards the provider, and in which form.

use axum::http::HeaderName;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::header;
use axum::http::request::Parts;
use gatepost_domain::Usage;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Refused;
use crate::budget::BYTES_PER_TOKEN;
use crate::endpoint::Api;
use crate::endpoint::Endpoint;
use crate::secret::Secret;

/// Headers that say how a request is to be read. Every other one stays behind, and with it
/// whatever an agent knows of keys.
const HEADERS: [&str; 5] =
    ["accept", "anthropic-beta", "anthropic-version", "content-type", "openai-beta"];

/// A route of the model API that passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    /// Below the API's version, as [`Endpoint::url`] takes it; Ollama's own stand for themselves.
    pub(super) path: String,
    /// Whether a call of it costs anything.
    pub(super) costs: bool,
    /// Gemini streams as events when the query says so.
    pub(super) events: bool,
}

/// A request as it goes out.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) body: Option<Vec<u8>>,
    /// What it may use at most.
    pub(super) most: Usage,
    /// Whether the answer is to come as server-sent events.
    pub(super) events: bool,
}

/// The token a request carries, in whichever place its API has for keys.
pub(super) fn token(parts: &Parts) -> Option<String> {
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let query = parts.uri.query().unwrap_or_default();
    let in_query = query.split('&').find_map(|pair| pair.strip_prefix("key="));
    text("x-api-key").or(bearer).or(text("x-goog-api-key")).or(in_query).map(str::to_owned)
}

/// The route, if it is one of the API's own for talking to a model.
pub(super) fn route(api: Api, parts: &Parts) -> Option<Route> {
    let path = parts.uri.path();
    let route = |path: &str, costs| Some(Route { path: path.to_owned(), costs, events: false });
    match (api, &parts.method, path) {
        (Api::Anthropic, &Method::POST, "/v1/messages") => route("messages", true),
        (Api::Anthropic, &Method::POST, "/v1/messages/count_tokens") => {
            route("messages/count_tokens", false)
        }
        (Api::OpenAi | Api::Ollama, &Method::POST, "/v1/chat/completions") => {
            route("chat/completions", true)
        }
        (Api::Ollama, &Method::POST, "/api/chat") => route("/api/chat", true),
        (Api::OpenAiResponses, &Method::POST, "/v1/responses") => route("responses", true),
        (Api::Gemini, &Method::POST, path) => {
            let rest = path.strip_prefix("/v1beta/").or_else(|| path.strip_prefix("/v1/"))?;
            let (model, method) = rest.strip_prefix("models/")?.rsplit_once(':')?;
            if model.is_empty() || model.contains(['/', '%']) {
                return None;
            }
            let costs = match method {
                "generateContent" | "streamGenerateContent" => true,
                "countTokens" => false,
                _ => return None,
            };
            let query = parts.uri.query().unwrap_or_default();
            let events = query.split('&').any(|pair| pair == "alt=sse");
            Some(Route { path: method.to_owned(), costs, events })
        }
        (
            Api::Anthropic | Api::OpenAi | Api::OpenAiResponses | Api::Ollama,
            &Method::GET,
            "/v1/models",
        ) => route("models", false),
        _ => None,
    }
}

impl Wanted {
    /// A question that has no body and costs nothing.
    pub(super) fn bare() -> Self {
        Self { body: None, most: Usage::default(), events: false }
    }
}

fn wrong(why: &str) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, "invalid_request_error", format!("gatepost: {why}"))
}

/// The body of a request.
pub(super) fn parsed(bytes: &[u8]) -> Result<Map<String, Value>, Refused> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| wrong(&format!("no JSON: {error}")))?;
    match value {
        Value::Object(body) => Ok(body),
        _ => Err(wrong("the body is no JSON object")),
    }
}

/// The request for the configured model, without the tools that the provider would run itself.
pub(super) fn rewritten(
    endpoint: &Endpoint,
    route: &Route,
    mut body: Map<String, Value>,
) -> Result<Wanted, Refused> {
    if endpoint.api != Api::Gemini {
        body.insert("model".into(), endpoint.model.clone().into());
    }
    keep_own_tools(endpoint.api, &mut body);
    if endpoint.api == Api::OpenAi && body.get("stream") == Some(&Value::Bool(true)) {
        // Without this a stream does not say what it used.
        body.insert("stream_options".into(), json!({ "include_usage": true }));
    }
    let output = longest(endpoint, &body);
    let streams = body.get("stream") == Some(&Value::Bool(true));
    let body = serde_json::to_vec(&body).map_err(|error| wrong(&error.to_string()))?;
    let input = u64::try_from(body.len()).unwrap_or(u64::MAX) / BYTES_PER_TOKEN + 1;
    let most = Usage { input, output, ..Usage::default() };
    let events = match endpoint.api {
        Api::Gemini => route.events,
        // Its own routes stream lines of JSON.
        Api::Ollama if route.path.starts_with('/') => false,
        Api::Anthropic | Api::OpenAi | Api::OpenAiResponses | Api::Ollama => streams,
    };
    Ok(Wanted { body: Some(body), most, events })
}

/// How long the answer may be, times how many answers there may be.
fn longest(endpoint: &Endpoint, body: &Map<String, Value>) -> u64 {
    let said = ["max_tokens", "max_completion_tokens", "max_output_tokens"]
        .iter()
        .find_map(|name| body.get(*name)?.as_u64());
    let config = body.get("generationConfig");
    let config = |name: &str| config.and_then(|config| config.get(name)).and_then(Value::as_u64);
    let length = said.or(config("maxOutputTokens")).unwrap_or(endpoint.max_output);
    let count = body.get("n").and_then(Value::as_u64).or(config("candidateCount")).unwrap_or(1);
    length.saturating_mul(count.max(1))
}

/// Takes out every tool that runs at the provider's, such as its web search, its code execution
/// and servers it would connect to: they reach what the sandbox may not. An allow-list, so that
/// what comes tomorrow is out until somebody looked at it.
fn keep_own_tools(api: Api, body: &mut Map<String, Value>) {
    for name in ["mcp_servers", "web_search_options", "container"] {
        body.remove(name);
    }
    let Some(Value::Array(tools)) = body.get_mut("tools") else { return };
    if api == Api::Gemini {
        for tool in tools.iter_mut() {
            if let Value::Object(tool) = tool {
                tool.retain(|name, _| {
                    name == "functionDeclarations" || name == "function_declarations"
                });
            }
        }
        tools.retain(|tool| tool.as_object().is_some_and(|tool| !tool.is_empty()));
    } else {
        tools.retain(|tool| {
            let kind = tool.get("type").and_then(Value::as_str);
            match api {
                // Those with a date in their name are run by the agent, like its own.
                Api::Anthropic => kind.is_none_or(|kind| {
                    kind == "custom"
                        || ["bash_", "text_editor_", "memory_"]
                            .iter()
                            .any(|own| kind.starts_with(own))
                }),
                Api::OpenAiResponses => kind.is_some_and(|kind| {
                    ["function", "custom", "local_shell", "apply_patch"].contains(&kind)
                }),
                Api::OpenAi | Api::Ollama | Api::Gemini => {
                    kind.is_some_and(|kind| ["function", "custom"].contains(&kind))
                }
            }
        });
    }
    if tools.is_empty() {
        body.remove("tools");
        // Chosen among none is an error to most providers.
        body.remove("tool_choice");
    }
}

/// The request to the provider.
pub(super) fn build(
    client: &reqwest::Client,
    endpoint: &Endpoint,
    parts: &Parts,
    route: &Route,
    wanted: Wanted,
    key: &Option<Secret>,
) -> reqwest::RequestBuilder {
    let url = match endpoint.api {
        Api::Gemini => {
            let events = if route.events { "?alt=sse" } else { "" };
            endpoint.url(&format!("models/{}:{}{events}", endpoint.model, route.path))
        }
        Api::Ollama if route.path.starts_with('/') => {
            let base = endpoint.base_url.trim_end_matches('/');
            format!("{}{}", base.strip_suffix("/v1").unwrap_or(base), route.path)
        }
        _ => endpoint.url(&route.path),
    };
    let mut request = match wanted.body {
        Some(body) => client.post(url).body(body),
        None => client.get(url),
    };
    for name in HEADERS {
        let name = HeaderName::from_static(name);
        for value in parts.headers.get_all(&name) {
            // The header types are those of one crate, in the same version.
            request = request.header(name.clone(), value.clone());
        }
    }
    match (endpoint.api, key) {
        (_, None) => request,
        (Api::Anthropic, Some(key)) => request.header("x-api-key", key.reveal()),
        (Api::Gemini, Some(key)) => request.header("x-goog-api-key", key.reveal()),
        (Api::OpenAi | Api::OpenAiResponses | Api::Ollama, Some(key)) => {
            request.header(header::AUTHORIZATION, format!("Bearer {}", key.reveal()))
        }
    }
}
