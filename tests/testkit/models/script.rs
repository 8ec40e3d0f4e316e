//! What the fakes of model APIs share: the script, the record of what was asked, and the ways in
//! which a provider fails. What a request and an answer look like is each [`Protocol`]'s own.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::Uri;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::response::Response;
use futures::StreamExt;
use serde_json::Value;
use serde_json::json;

/// What is answered to one request.
#[derive(Debug, Clone)]
pub enum Play {
    /// A turn with these content blocks; use [`text`] and [`call`].
    Turn(Vec<Value>),
    /// The same, of which nothing comes for so long.
    Slow(Duration, Vec<Value>),
    /// The beginning of a turn, and then nothing more, for ever.
    Stall,
    /// The beginning of a turn, and then the end of the connection.
    Cut,
    /// This status, and when to try again, in seconds, where this API says such a thing.
    Fail(u16, Option<u64>),
    /// The error by which this API says that a conversation does not fit.
    TooLong,
    /// A page that is no answer of any model.
    Garbage,
    /// The provider will not have it answered, where this API has a form for that.
    Refused,
}

/// A block of text.
#[must_use]
pub fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

/// A call of a tool; the fake gives it an id.
#[must_use]
pub fn call(name: &str, input: Value) -> Value {
    json!({ "type": "tool_use", "name": name, "input": input })
}

/// What every fake says that a turn used: tokens that were new, were written, and came out of the
/// provider's cache.
pub const INPUT: u64 = 100;
/// See [`INPUT`].
pub const OUTPUT: u64 = 10;
/// See [`INPUT`].
pub const CACHED: u64 = 50;

/// One request as it came.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Its address, with the query.
    pub uri: &'a Uri,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Its body; null where that is no JSON.
    pub body: &'a Value,
}

impl Asked<'_> {
    /// A header, where it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The key after `Bearer`.
    #[must_use]
    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }
}

/// The form of one API.
pub trait Protocol: Send + Sync + 'static {
    /// The media type of a streamed answer.
    const STREAM: &'static str = "text/event-stream";

    /// Whether this path asks for a turn; anything else is not found.
    fn serves(path: &str) -> bool;

    /// The key that the request carries.
    fn key<'a>(asked: &Asked<'a>) -> Option<&'a str>;

    /// What the API demands of a request, in its documentation's words where it has any.
    ///
    /// # Errors
    /// Why the API would refuse it.
    fn check(asked: &Asked<'_>) -> Result<(), String>;

    /// Whether the answer is to come piece by piece.
    fn streams(asked: &Asked<'_>) -> bool;

    /// A turn in one piece; each call has its `id`.
    fn whole(blocks: &[Value]) -> Value;

    /// A turn in the pieces of a stream, as they go over the wire.
    fn pieces(asked: &Asked<'_>, blocks: &[Value]) -> Vec<String>;

    /// An error's headers and body.
    fn failure(status: u16, message: &str, retry_after: Option<u64>) -> (HeaderMap, Value);

    /// The pieces of an answer that the provider refuses; none where no test needs them.
    fn refusal(_: &Asked<'_>) -> Vec<String> {
        Vec::new()
    }

    /// The status and the message of a conversation that does not fit.
    fn too_long() -> (u16, &'static str);
}

/// A running fake.
#[derive(Debug)]
pub struct Fake<P> {
    address: SocketAddr,
    script: Arc<Script>,
    server: tokio::task::JoinHandle<()>,
    _form: PhantomData<P>,
}

#[derive(Debug, Default)]
struct Script {
    key: String,
    plays: Mutex<VecDeque<Play>>,
    seen: Mutex<Vec<Value>>,
    wrong: Mutex<Vec<String>>,
    calls: Mutex<u64>,
}

impl<P: Protocol> Fake<P> {
    /// Starts one that takes this key and plays this script. An empty key is none, as a server at
    /// home has it.
    pub async fn start(key: &str, plays: Vec<Play>) -> Self {
        let script = Arc::new(Script {
            key: key.into(),
            plays: Mutex::new(plays.into()),
            ..Script::default()
        });
        let shared = Arc::clone(&script);
        let app = Router::new().fallback(
            move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
                let response = shared.answer::<P>(&method, &uri, &headers, &body);
                std::future::ready(response)
            },
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
        let server = tokio::spawn(async move {
            axum::serve(listener, app).await.unwrap();
        });
        Self { address, script, server, _form: PhantomData }
    }

    /// Its base URL, without the API's version.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, in order.
    ///
    /// # Panics
    /// When one of them was not what the API takes.
    #[must_use]
    pub fn seen(&self) -> Vec<Value> {
        let wrong = self.script.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "requests that the API refuses: {wrong:#?}");
        self.script.seen.lock().unwrap().clone()
    }

    /// Plays these after what is left of the script.
    pub fn then(&self, more: Vec<Play>) {
        self.script.plays.lock().unwrap().extend(more);
    }
}

impl<P> Drop for Fake<P> {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Script {
    fn answer<P: Protocol>(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Response {
        let body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        let asked = Asked { uri, headers, body: &body };
        if method != Method::POST || !P::serves(uri.path()) {
            return failed::<P>(404, &format!("{method} {} is not here", uri.path()), None);
        }
        if !self.key.is_empty() && P::key(&asked) != Some(&self.key) {
            return failed::<P>(401, "the API key is not valid", None);
        }
        if let Err(why) = check_all::<P>(&asked) {
            self.wrong.lock().unwrap().push(format!("{why}: {body:#}"));
            return failed::<P>(400, &why, None);
        }
        self.seen.lock().unwrap().push(body.clone());
        let play = self.plays.lock().unwrap().pop_front();
        let begin = || P::pieces(&asked, &[text("this is never said to its end")]).swap_remove(0);
        match play {
            None => {
                let why = "a request more than the script has";
                self.wrong.lock().unwrap().push(why.into());
                failed::<P>(400, why, None)
            }
            Some(Play::Fail(status, wait)) => failed::<P>(status, "it fails", wait),
            Some(Play::TooLong) => {
                let (status, message) = P::too_long();
                failed::<P>(status, message, None)
            }
            Some(Play::Garbage) => {
                ([(CONTENT_TYPE, P::STREAM)], "data: <html>oops</html>\n\n").into_response()
            }
            Some(Play::Refused) => {
                let pieces = P::refusal(&asked);
                assert!(!pieces.is_empty(), "this fake knows no refusal");
                stream::<P>(pieces, false)
            }
            Some(Play::Cut) => stream::<P>(vec![begin()], false),
            Some(Play::Stall) => stream::<P>(vec![begin()], true),
            Some(Play::Turn(blocks)) => self.turn::<P>(&asked, blocks),
            Some(Play::Slow(span, blocks)) => late(self.turn::<P>(&asked, blocks), span),
        }
    }

    fn turn<P: Protocol>(&self, asked: &Asked<'_>, mut blocks: Vec<Value>) -> Response {
        self.number(&mut blocks);
        if P::streams(asked) {
            stream::<P>(P::pieces(asked, &blocks), false)
        } else {
            axum::Json(P::whole(&blocks)).into_response()
        }
    }

    fn number(&self, blocks: &mut [Value]) {
        for block in blocks.iter_mut().filter(|block| block["type"] == "tool_use") {
            let mut calls = self.calls.lock().unwrap();
            *calls += 1;
            block["id"] = format!("call_{:06}", *calls).into();
        }
    }
}

fn check_all<P: Protocol>(asked: &Asked<'_>) -> Result<(), String> {
    if !asked.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return Err("content-type must be application/json".into());
    }
    if !asked.body.is_object() {
        return Err("the body is no JSON object".into());
    }
    P::check(asked)
}

/// A text in pieces of a few characters, as a model gives it.
pub(super) fn morsels(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(7).map(|piece| piece.iter().collect()).collect()
}

/// One server-sent event without a name.
pub(super) fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// What a name of a tool may be in every API here.
pub(super) fn is_name(name: &Value) -> bool {
    let name = name.as_str().unwrap_or_default();
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}

/// Fields of an object that are not among these.
pub(super) fn unknown<'v>(object: &'v Value, known: &[&str]) -> Option<&'v str> {
    let mut fields = object.as_object()?.keys().map(String::as_str);
    fields.find(|field| !known.contains(field))
}

fn stream<P: Protocol>(pieces: Vec<String>, stall: bool) -> Response {
    let pieces = pieces.into_iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
    let body = futures::stream::iter(pieces.collect::<Vec<_>>());
    let rest = futures::stream::once(async move {
        if stall {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        Ok(Bytes::new())
    });
    ([(CONTENT_TYPE, P::STREAM)], Body::from_stream(body.chain(rest))).into_response()
}

/// The same answer, whose body begins so much later.
fn late(answer: Response, span: Duration) -> Response {
    let (head, body) = answer.into_parts();
    let wait = futures::stream::once(async move {
        tokio::time::sleep(span).await;
        Ok(Bytes::new())
    });
    Response::from_parts(head, Body::from_stream(wait.chain(body.into_data_stream())))
}

fn failed<P: Protocol>(status: u16, message: &str, retry_after: Option<u64>) -> Response {
    let (headers, body) = P::failure(status, message, retry_after);
    (StatusCode::from_u16(status).unwrap(), headers, axum::Json(body)).into_response()
}

/// The header that most APIs say it with.
pub(super) fn retry_after(seconds: Option<u64>) -> HeaderMap {
    seconds.map(|seconds| ("retry-after".parse().unwrap(), seconds.into())).into_iter().collect()
}
