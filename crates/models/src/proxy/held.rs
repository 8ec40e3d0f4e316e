//! Calls that wait for room in the budget, for as long as it takes people to make some.
//!
//! Agents' clients give up on an answer that does not begin: most after ten minutes, and then they
//! ask a few times more. But none gives up on a stream that is alive. So where a stream was asked
//! for it begins at once, with what its API sends to keep one alive, and goes on with the
//! provider's own once the call is made. Any other call is held as it is: its client may ask again
//! meanwhile, and that call waits in its place.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::body::BodyDataStream;
use axum::body::Bytes;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use futures::StreamExt;
use futures::stream;
use gatepost_domain::Usage;

use super::Call;
use super::Inner;
use super::Refused;
use super::Told;
use crate::budget::Over;
use crate::budget::Reservation;
use crate::endpoint::Api;

/// How often a stream that waits shows that it is alive. Clients and the middle boxes that they are
/// made for give up after half a minute of silence at the earliest.
const ALIVE: Duration = Duration::from_secs(15);

const EVENTS: &str = "text/event-stream";

/// A call that is known to wait, until it does not.
struct Waits<'a> {
    inner: &'a Inner,
    call: u64,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        // Where it is not heard the question stays until somebody answers it.
        let _heard = self.inner.told.try_send(Told::WaitsNoMore { call: self.call });
    }
}

impl Inner {
    /// Waits until there is room for so much.
    pub(super) async fn room(&self, most: Usage) -> Result<Reservation, Refused> {
        let mut waits: Option<Waits<'_>> = None;
        let short = |short| {
            let known = waits.get_or_insert_with(|| Waits {
                inner: self,
                call: self.waited.fetch_add(1, Ordering::Relaxed),
            });
            // Where the channel is full it is told with the next look.
            let _heard = self.told.try_send(Told::Waits { call: known.call, short });
        };
        let room = self.ledger.wait(&self.task, most, self.endpoint.price, short).await;
        room.map_err(|over: Over| {
            let words = over.to_string();
            let _heard = self.told.try_send(Told::Unpriced(words.clone()));
            let words = format!("gatepost: {words}");
            Refused::new(StatusCode::PAYMENT_REQUIRED, "billing_error", words)
        })
    }
}

/// What keeps a stream of this API alive and says nothing.
fn alive(api: Api) -> &'static str {
    match api {
        Api::Anthropic => "event: ping\ndata: {\"type\": \"ping\"}\n\n",
        // Clients of this one count events, and a comment is none.
        Api::OpenAiResponses => "event: keepalive\ndata: {\"type\": \"keepalive\"}\n\n",
        Api::OpenAi | Api::Ollama | Api::Gemini => ": waiting for a person\n\n",
    }
}

/// Where a stream that began before its call stands.
enum Stage {
    Waits(Pin<Box<dyn Future<Output = Result<Response, Refused>> + Send>>),
    Passes(BodyDataStream),
    Over,
}

/// An answer that begins now and goes on with the provider's when the call has been made.
pub(super) fn streamed(inner: Arc<Inner>, call: Call) -> Response {
    let api = inner.endpoint.api;
    let answer = async move {
        let reservation = inner.room(call.wanted.most).await?;
        inner.make(call, Some(reservation)).await
    };
    let first = stream::once(std::future::ready(Ok(Bytes::from_static(alive(api).as_bytes()))));
    let rest = stream::unfold(Stage::Waits(Box::pin(answer)), move |stage| next(api, stage));
    let body = first.chain(rest);
    let mut response = Response::new(Body::from_stream(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(EVENTS));
    response
}

async fn next(api: Api, stage: Stage) -> Option<(Result<Bytes, axum::Error>, Stage)> {
    match stage {
        Stage::Waits(mut answer) => tokio::select! {
            answer = answer.as_mut() => match answer {
                Ok(response) if is_stream(&response) => {
                    pass(response.into_body().into_data_stream()).await
                }
                // What it says has no place in a stream that has begun. Clients ask again after one
                // that was cut, and hear it then.
                Ok(_) | Err(_) => {
                    let cut = axum::Error::new("the provider refused the call");
                    Some((Err(cut), Stage::Over))
                }
            },
            () = tokio::time::sleep(ALIVE) => {
                Some((Ok(Bytes::from_static(alive(api).as_bytes())), Stage::Waits(answer)))
            }
        },
        Stage::Passes(pieces) => pass(pieces).await,
        Stage::Over => None,
    }
}

async fn pass(mut pieces: BodyDataStream) -> Option<(Result<Bytes, axum::Error>, Stage)> {
    let piece = pieces.next().await?;
    Some((piece, Stage::Passes(pieces)))
}

fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    response.status().is_success() && kind.is_some_and(|kind| kind.starts_with(EVENTS))
}
