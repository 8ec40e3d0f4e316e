//! Requests as they come over the wire, and answers as they go back.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::extract::Path;
use axum::extract::RawQuery;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::http::Method;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Value;
use serde_json::json;

use super::FakeDiscord;
use super::TOKEN;
use super::faults::Fault;
use super::limits::Told;
use super::limits::Wait;
use super::rest::Call;
use super::rest::Refusal;

/// Above what Discord takes, so that what is too large reaches the check that says so.
const ROOM: usize = 60 * 1024 * 1024;

/// Calls as whoever has the token of an interaction.
const OF_INTERACTIONS: [&str; 2] = ["interactions", "webhooks"];

pub(super) fn router(fake: FakeDiscord) -> Router {
    Router::new()
        .route("/api/v10/{*path}", axum::routing::any(call))
        .route("/files/{message}/{number}/{name}", axum::routing::get(download))
        .route("/gateway/", axum::routing::any(super::gateway::enter))
        .layer(DefaultBodyLimit::max(ROOM))
        .with_state(fake)
}

async fn call(
    Shared(fake): Shared<FakeDiscord>,
    method: Method,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let method = method.as_str().to_lowercase();
    let path = format!("/{path}");
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let of_interaction = OF_INTERACTIONS.contains(&parts[0]);
    let by_bot = text("authorization") == Some(&format!("Bot {TOKEN}"));
    let route = named(&method, &parts);
    let (body, files) = match read(text("content-type").unwrap_or_default(), &body) {
        Ok(read) => read,
        Err(why) => {
            fake.state().violate(format!("{route}: {why}"));
            return refused(&Refusal::new(400, 50109, "The request body contains invalid JSON."));
        }
    };
    let query: Vec<_> = query
        .as_deref()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let fault = {
        let mut state = fake.state();
        let faults = state.spec.faults(&method, &path, &query, body.as_ref());
        state.violations.extend(faults);
        if !text("user-agent").unwrap_or_default().starts_with("DiscordBot (") {
            state.violate(format!("{route}: no user agent of a bot"));
        }
        if of_interaction && text("authorization").is_some() {
            state.violate(format!("{route}: the token of the bot goes along needlessly"));
        }
        state.calls.push((route.clone(), body.clone().unwrap_or_default()));
        state.fault(&route)
    };
    if !of_interaction && !by_bot {
        return refused(&Refusal::new(401, 0, "401: Unauthorized"));
    }
    // Each token of an interaction has limits of its own.
    let major = parts.get(if parts[0] == "webhooks" { 2 } else { 1 }).copied().unwrap_or_default();
    let limited = format!("{route} {major}");
    // Taken before it is looked at: what is looked at stays locked meanwhile.
    let taken = fake.state().limits.take(&limited, !of_interaction);
    let told = match taken {
        Ok(told) => told,
        Err((wait, violation)) => {
            if let Some(violation) = violation {
                fake.state().violate(violation);
            }
            return paused(&wait);
        }
    };
    match &fault {
        Some(Fault::Down(code)) => {
            let status = StatusCode::from_u16(*code).unwrap();
            return (status, "<html><h1>Bad Gateway</h1></html>").into_response();
        }
        Some(Fault::Pause(after, scope)) => {
            let after = Duration::from_millis(*after);
            return paused(&fake.state().limits.pause(&limited, scope, after));
        }
        Some(Fault::Refuse(status, code, text)) => {
            return refused(&Refusal::new(*status, *code, text));
        }
        Some(Fault::Cut) => return broken(),
        Some(Fault::Slow(after)) => tokio::time::sleep(Duration::from_millis(*after)).await,
        Some(Fault::LoseAnswer) | None => {}
    }
    let call = Call { method: &method, path: &path, parts: &parts, query: &query, body, files };
    let answer = fake.answer(call);
    if fault == Some(Fault::LoseAnswer) {
        if parts[0] == "interactions" {
            fake.state().unheard(parts[1]);
        }
        return broken();
    }
    match answer {
        Ok((status, body)) => {
            let faults = fake.state().spec.answer_faults(&method, &path, status, &body);
            fake.state().violations.extend(faults);
            with(told, (StatusCode::from_u16(status).unwrap(), written(&body)).into_response())
        }
        Err(refusal) => with(told, refused(&refusal)),
    }
}

/// A call by its method and path, with `{}` for each id and token.
fn named(method: &str, parts: &[&str]) -> String {
    let secret = |n: usize| n == 2 && OF_INTERACTIONS.contains(&parts[0]);
    let path: Vec<_> = parts
        .iter()
        .enumerate()
        .map(|(n, part)| {
            let id = part.bytes().all(|byte| byte.is_ascii_digit());
            if id || secret(n) { "{}" } else { part }
        })
        .collect();
    format!("{method} /{}", path.join("/"))
}

async fn download(
    Shared(fake): Shared<FakeDiscord>,
    Path((message, number, name)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let mut state = fake.state();
    if headers.contains_key("authorization") {
        state.violate("the token goes to where files are kept");
    }
    state.calls.push(("download".into(), name.clone().into()));
    if state.fault("download").is_some() {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    match state.files.get(&format!("{message}/{number}/{name}")) {
        Some(bytes) => bytes.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A connection that breaks in the middle of an answer.
fn broken() -> Response {
    let body = futures::stream::once(async {
        Err::<Bytes, _>(std::io::Error::other("the connection broke"))
    });
    Response::new(Body::from_stream(body))
}

fn with(told: Told, mut response: Response) -> Response {
    let head = response.headers_mut();
    let mut tell = |name: &'static str, value: String| {
        head.insert(name, value.parse().unwrap());
    };
    tell("x-ratelimit-bucket", told.bucket);
    tell("x-ratelimit-limit", "5".into());
    tell("x-ratelimit-remaining", told.remaining.to_string());
    tell("x-ratelimit-reset-after", format!("{:.3}", told.reset_after.as_secs_f64() + 0.001));
    response
}

fn paused(wait: &Wait) -> Response {
    let seconds = wait.after.as_secs_f64() + 0.001;
    let body = json!({
        "message": "You are being rate limited.", "retry_after": seconds,
        "global": wait.scope == "global",
    });
    let mut response = (StatusCode::TOO_MANY_REQUESTS, written(&body)).into_response();
    let head = response.headers_mut();
    head.insert("retry-after", format!("{:.0}", seconds.ceil()).parse().unwrap());
    head.insert("x-ratelimit-scope", wait.scope.parse().unwrap());
    if wait.scope == "global" {
        head.insert("x-ratelimit-global", "true".parse().unwrap());
    }
    match &wait.told {
        Some(told) => with(told.clone(), response),
        None => response,
    }
}

fn refused(refusal: &Refusal) -> Response {
    let body = json!({ "code": refusal.code, "message": refusal.text });
    (StatusCode::from_u16(refusal.status).unwrap(), written(&body)).into_response()
}

fn written(body: &Value) -> Response {
    if body.is_null() {
        return Response::new(Body::empty());
    }
    ([("content-type", "application/json")], body.to_string()).into_response()
}

type Files = Vec<(String, Vec<u8>)>;

fn read(kind: &str, body: &[u8]) -> Result<(Option<Value>, Files), &'static str> {
    if let Some((_, boundary)) = kind.split_once("boundary=") {
        return form(body, boundary.trim_matches('"'));
    }
    if body.is_empty() {
        return Ok((None, Vec::new()));
    }
    if !kind.starts_with("application/json") {
        return Err("the body is no JSON by its kind");
    }
    serde_json::from_slice(body).map(|body| (Some(body), Vec::new())).map_err(|_| "no JSON")
}

/// The parts of a form: the fields as JSON, and files.
fn form(body: &[u8], boundary: &str) -> Result<(Option<Value>, Files), &'static str> {
    let (mut fields, mut files) = (None, Vec::new());
    for part in crate::form::split(body, format!("--{boundary}").as_bytes()) {
        let Some(middle) = crate::form::find(part, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&part[..middle]).into_owned();
        let content = &part[middle + 4..];
        let content = content.strip_suffix(b"\r\n").unwrap_or(content);
        let quoted = |key: &str| {
            let (_, rest) = head.split_once(&format!(" {key}=\""))?;
            rest.split('"').next().map(str::to_owned)
        };
        match (quoted("name").as_deref(), quoted("filename")) {
            (Some("payload_json"), _) => {
                fields = Some(serde_json::from_slice(content).map_err(|_| "no JSON")?);
            }
            (Some(name), Some(file)) if name == format!("files[{}]", files.len()) => {
                files.push((file, content.to_vec()));
            }
            _ => return Err("a part of the form that Discord does not know"),
        }
    }
    Ok((fields, files))
}
