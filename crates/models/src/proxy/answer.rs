//! What passes back to the agent, and the bill for it.

use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::body::Bytes;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::http::header::RETRY_AFTER;
use axum::response::Response;
use futures::Stream;
use futures::StreamExt;
use gatepost_domain::Usage;
use serde_json::json;
use tokio::sync::mpsc;

use super::Refused;
use super::SILENCE;
use super::Told;
use super::whole;
use crate::budget::Reservation;
use crate::endpoint::Api;
use crate::endpoint::Endpoint;
use crate::error::ModelError;
use crate::meter::Meter;
use crate::secret::Secret;

/// Headers that an agent's client acts on.
const HEADERS: [&str; 6] = [
    "content-type",
    "request-id",
    "retry-after",
    "retry-after-ms",
    "x-request-id",
    "x-should-retry",
];

/// How much of an error's text is passed on.
const ERROR: usize = 256 * 1024;

/// A call's bill: what was set aside, until what was used takes its place.
#[derive(Debug)]
pub(super) struct Bill {
    endpoint: Endpoint,
    reserved: Option<(Reservation, Usage)>,
    told: mpsc::Sender<Told>,
    succeeded: bool,
    meter: Option<Meter>,
}

impl Bill {
    pub(super) fn new(
        endpoint: &Endpoint,
        reserved: Option<(Reservation, Usage)>,
        told: mpsc::Sender<Told>,
        succeeded: bool,
    ) -> Self {
        Self { endpoint: endpoint.clone(), reserved, told, succeeded, meter: None }
    }

    /// The answer broke off.
    fn failed(&self, error: ModelError) {
        if self.told.try_send(Told::Failed(error)).is_err() {
            tracing::debug!("a run ends while an answer of its model breaks off");
        }
    }
}

/// Whether the answer was heard to its end or not, what it said was used is charged. One that
/// succeeded and did not say is charged as it was estimated: nothing is free because it was cut.
impl Drop for Bill {
    fn drop(&mut self) {
        let Some((reservation, estimate)) = self.reserved.take() else { return };
        if !self.succeeded {
            return;
        }
        let said = self.meter.take().and_then(Meter::finish);
        let used = said.unwrap_or(estimate);
        reservation.settle(used);
        let metered = self.endpoint.metered(used);
        if self.told.try_send(Told::Used(metered)).is_err() {
            tracing::error!(model = self.endpoint.name, ?used, "a model call is not recorded");
        }
    }
}

/// The provider's answer for the agent: a success as it streams, an error with the key taken out
/// should the provider have repeated it, and what that error means.
pub(super) async fn passed_on(
    api: Api,
    response: reqwest::Response,
    mut bill: Bill,
    key: Option<Secret>,
) -> (Response, Option<ModelError>) {
    let status = response.status();
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = status;
    for name in HEADERS {
        if let Some(value) = response.headers().get(name) {
            let clean = value.to_str().ok().map(|text| scrub(key.as_ref(), text));
            if let Some(value) = clean.and_then(|text| HeaderValue::from_str(&text).ok()) {
                answer.headers_mut().insert(name, value);
            }
        }
    }
    if status.is_success() {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        bill.meter = Some(Meter::new(api, kind.unwrap_or_default()));
        let pieces = Metering { pieces: Box::pin(response.bytes_stream()), bill };
        *answer.body_mut() = Body::from_stream(pieces);
        return (answer, None);
    }
    let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let wait = wait.and_then(|value| value.trim().parse().ok()).map(Duration::from_secs);
    let mut text = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(Ok(piece)) = pieces.next().await {
        text.extend_from_slice(&piece);
        if text.len() > ERROR {
            break;
        }
    }
    let text = scrub(key.as_ref(), &String::from_utf8_lossy(&text));
    let error = ModelError::of_status(status.as_u16(), wait, &text);
    *answer.body_mut() = whole(text);
    (answer, Some(error))
}

fn scrub(key: Option<&Secret>, text: &str) -> String {
    key.map_or_else(|| text.to_owned(), |key| key.scrub(text))
}

struct Metering {
    pieces: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    bill: Bill,
}

impl Stream for Metering {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.pieces.as_mut().poll_next(cx);
        if let Poll::Ready(None) = next
            && self.bill.meter.as_mut().is_some_and(Meter::is_cut)
        {
            self.bill.failed(ModelError::Cut);
        }
        next.map(|next| {
            next.map(|piece| match piece {
                Ok(piece) => {
                    if let Some(meter) = &mut self.bill.meter {
                        meter.take(&piece);
                    }
                    Ok(piece)
                }
                Err(error) => {
                    let failed = match error.is_timeout() {
                        true => ModelError::Timeout { what: "go on", after: SILENCE },
                        false => ModelError::Cut,
                    };
                    self.bill.failed(failed);
                    Err(std::io::Error::other(error.without_url().to_string()))
                }
            })
        })
    }
}

/// A refusal in the API's own form, so that the agent's client shows the words.
pub(super) fn refusal(api: Api, refused: &Refused) -> Response {
    let Refused { status, kind, words } = refused;
    let body = match api {
        Api::Anthropic => {
            json!({ "type": "error", "error": { "type": kind, "message": words } })
        }
        Api::OpenAi | Api::OpenAiResponses | Api::Ollama => {
            json!({ "error": { "message": words, "type": kind, "code": kind, "param": null } })
        }
        Api::Gemini => json!({
            "error": { "code": status.as_u16(), "message": words, "status": kind.to_uppercase() }
        }),
    };
    let mut response = Response::new(whole(body.to_string()));
    *response.status_mut() = *status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    // A client that tries again would only be refused again.
    response.headers_mut().insert("x-should-retry", HeaderValue::from_static("false"));
    response
}
