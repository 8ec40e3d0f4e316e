//! Requests as they come over the wire, and answers as they go back.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::extract::Path;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::FakeTelegram;
use super::TOKEN;
use super::chats::migrated;
use super::faults::Fault;
use super::state::Answer;
use super::state::State;
use super::state::refused;

/// Above what Telegram takes, so that what is too large reaches the check that says so.
const ROOM: usize = 60 * 1024 * 1024;

/// What came in: fields, and the files of a form.
struct Given {
    fields: Map<String, Value>,
    parts: BTreeMap<String, (String, Vec<u8>)>,
}

pub(super) fn router(fake: FakeTelegram) -> Router {
    Router::new()
        .route("/{bot}/{method}", axum::routing::post(call))
        .route("/file/{bot}/{*path}", axum::routing::get(download))
        .layer(DefaultBodyLimit::max(ROOM))
        .with_state(fake)
}

async fn call(
    Shared(fake): Shared<FakeTelegram>,
    Path((bot, method)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if bot != format!("bot{TOKEN}") {
        return written(refused(401, "Unauthorized"));
    }
    let given = match read(&fake, &method, &headers, &body) {
        Ok(given) => given,
        Err(why) => {
            fake.state().violations.push(format!("{method}: {why}"));
            return written(refused(400, "Bad Request: can't parse the request"));
        }
    };
    let mut fields = given.fields;
    let fault = {
        let mut state = fake.state();
        state.keep_parts(&mut fields, given.parts);
        let faults = state.spec.faults(&method, &fields);
        state.violations.extend(faults);
        state.calls.push((method.clone(), fields.clone()));
        state.fault(&method, &fields)
    };
    match fault {
        Some(Fault::Down(code)) => {
            let status = StatusCode::from_u16(code).unwrap();
            (status, "<html><h1>Bad Gateway</h1></html>").into_response()
        }
        Some(Fault::DownJson(code, text) | Fault::Refuse(code, text)) => {
            written(refused(code, text))
        }
        Some(Fault::Pause(seconds)) => written(fake.state().begin_pause(&method, &fields, seconds)),
        Some(Fault::Migrated(to)) => written(migrated(to)),
        Some(Fault::Wedge) => std::future::pending().await,
        Some(Fault::Cut) => broken(),
        Some(Fault::LoseAnswer) => {
            let _lost = answer(&fake, &method, &fields).await;
            broken()
        }
        Some(Fault::Late(by)) => {
            let answer = answer(&fake, &method, &fields).await;
            tokio::time::sleep(by).await;
            written(answer)
        }
        None => written(answer(&fake, &method, &fields).await),
    }
}

async fn answer(fake: &FakeTelegram, method: &str, fields: &Map<String, Value>) -> Answer {
    if method.eq_ignore_ascii_case("getUpdates") {
        fake.state().check_pause(method);
        fake.updates(fields).await
    } else {
        fake.state().answer(method, fields)
    }
}

async fn download(
    Shared(fake): Shared<FakeTelegram>,
    Path((bot, path)): Path<(String, String)>,
) -> Response {
    let (fault, bytes) = {
        let mut state = fake.state();
        state
            .calls
            .push(("download".into(), Map::from_iter([("path".into(), path.clone().into())])));
        (state.fault("download", &Map::new()), state.files.at(&path).cloned())
    };
    match fault {
        Some(Fault::Down(code) | Fault::DownJson(code, _) | Fault::Refuse(code, _)) => {
            return StatusCode::from_u16(code).unwrap().into_response();
        }
        Some(Fault::Wedge) => std::future::pending().await,
        Some(Fault::Cut | Fault::LoseAnswer) => return broken(),
        Some(Fault::Late(by)) => tokio::time::sleep(by).await,
        Some(Fault::Pause(_) | Fault::Migrated(_)) | None => {}
    }
    match bytes {
        Some(bytes) if bot == format!("bot{TOKEN}") => bytes.into_response(),
        Some(_) | None => written(refused(404, "Not Found")),
    }
}

/// A connection that breaks in the middle of an answer.
fn broken() -> Response {
    let body = futures::stream::once(async {
        Err::<Bytes, _>(std::io::Error::other("the connection broke"))
    });
    Response::new(Body::from_stream(body))
}

fn written(answer: Answer) -> Response {
    let (status, body) = match answer {
        Answer::Done(result) => (200, json!({ "ok": true, "result": result })),
        Answer::Refused { code, text, parameters } => {
            let mut body = json!({ "ok": false, "error_code": code, "description": text });
            if let Some(parameters) = parameters {
                body["parameters"] = parameters;
            }
            (code, body)
        }
    };
    let status = StatusCode::from_u16(status).unwrap();
    let json = [("content-type", "application/json")];
    (status, json, body.to_string()).into_response()
}

fn read(
    fake: &FakeTelegram,
    method: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Given, &'static str> {
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if let Some((_, boundary)) = kind.split_once("boundary=") {
        let mut form = form(body, boundary.trim_matches('"'));
        for (name, value) in &mut form.fields {
            let text = value.as_str().unwrap_or_default();
            *value = fake.state().spec.typed(method, name, text);
        }
        return Ok(form);
    }
    let fields = if body.is_empty() {
        Map::new()
    } else {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => fields,
            Ok(_) | Err(_) => return Err("the body is no object"),
        }
    };
    Ok(Given { fields, parts: BTreeMap::new() })
}

/// The parts of a form: fields as text, files as they are.
fn form(body: &[u8], boundary: &str) -> Given {
    let mut given = Given { fields: Map::new(), parts: BTreeMap::new() };
    for part in crate::form::split(body, format!("--{boundary}").as_bytes()) {
        let Some(middle) = crate::form::find(part, b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&part[..middle]).into_owned();
        let content = &part[middle + 4..];
        let content = content.strip_suffix(b"\r\n").unwrap_or(content);
        let quoted = |key: &str| {
            let (_, rest) = head.split_once(&format!(" {key}=\""))?;
            rest.split('"').next().map(str::to_owned)
        };
        let Some(name) = quoted("name") else { continue };
        match quoted("filename") {
            Some(file) => drop(given.parts.insert(name, (file, content.to_vec()))),
            None => {
                let text = String::from_utf8_lossy(content).into_owned();
                given.fields.insert(name, text.into());
            }
        }
    }
    // A file may also be the field itself.
    for name in given.parts.keys() {
        let referred = format!("attach://{name}");
        if !given.fields.values().any(|value| value.as_str() == Some(&referred)) {
            given.fields.insert(name.clone(), referred.into());
        }
    }
    given
}

impl State {
    /// Keeps the files of a form until the call is dealt with, under names that are theirs alone.
    fn keep_parts(
        &mut self,
        fields: &mut Map<String, Value>,
        parts: BTreeMap<String, (String, Vec<u8>)>,
    ) {
        for (name, file) in parts {
            let own = format!("attach://{}-{name}", self.calls.len());
            let referred = format!("attach://{name}");
            for value in fields.values_mut().filter(|value| value.as_str() == Some(&referred)) {
                *value = own.clone().into();
            }
            self.parts.insert(own, file);
        }
    }
}
