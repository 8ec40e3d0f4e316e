//! The model proxy: a program agent's model calls, with the real key put in on this side.
//!
//! It serves one run on one listening socket of its sandbox. A call must carry the run's token,
//! ask for one of the model API's own routes, and fit the budget; it is then made anew towards the
//! configured model, whatever model it named: agents ask for smaller ones on the side, and one
//! configured model is what a person agreed to pay for. Tools that the provider itself would run
//! are taken out, since they would reach hosts that the sandbox may not. What tools returned is
//! looked through before the model reads it. What comes back is streamed, and what it says was used
//! is the count that budgets and summaries rest on.
//!
//! A call for which the budget has no room is held open until there is some.

mod answer;
mod held;
mod request;
mod results;

use std::convert::Infallible;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use gatepost_domain::Metered;
use gatepost_domain::TaskId;
use serde_json::Map;
use serde_json::Value;
use sha2::Digest;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use crate::budget::Ledger;
use crate::budget::Over;
use crate::budget::Reservation;
use crate::budget::Short;
use crate::endpoint::Endpoint;
use crate::error::ModelError;
use request::Route;
use request::Wanted;

/// The largest request that is taken, in bytes: a full context of a million tokens with images.
const LARGEST: usize = 64 << 20;

/// How long the provider may be silent. Models think for minutes before they say a word.
const SILENCE: Duration = Duration::from_secs(600);

/// How long a connection to the provider may take.
const CONNECT: Duration = Duration::from_secs(20);

/// What the proxy tells whoever runs the task. What was used is told after the fact; a call that
/// has no room in the budget has not been made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A call was made, and this is what it used.
    Used(Metered),
    /// A call waits for a larger budget. The same call may say so again, and about another budget.
    Waits {
        /// Its number in the run.
        call: u64,
        /// What it lacks.
        short: Short,
    },
    /// A call that waited does so no longer: it is made, or nobody wants it any more.
    WaitsNoMore {
        /// Its number in the run.
        call: u64,
    },
    /// A call was refused because of the budget and no raise would help; the sentence says what
    /// would.
    Unpriced(String),
    /// A call was made and not answered, or not to its end. The agent may make it again by itself.
    Failed(ModelError),
}

/// What stands in for the key in one run: random, and worthless elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Draws a new one.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn draw() -> std::io::Result<Self> {
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
        let mut text = String::from("gatepost-");
        for byte in bytes {
            // A string takes everything.
            let _written = write!(text, "{byte:02x}");
        }
        Ok(Self(text))
    }

    /// The token, for the program that is to carry it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether this is it. Digests are compared, so that the time it takes says nothing about how
    /// much of a guess is right.
    fn is(&self, other: &str) -> bool {
        Sha256::digest(&self.0) == Sha256::digest(other)
    }
}

/// The proxy of one run. It ends, and its token with it, when [`Proxy::serve`] is dropped.
#[derive(Debug, Clone)]
pub struct Proxy {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    endpoint: Endpoint,
    task: TaskId,
    token: Token,
    ledger: Ledger,
    client: reqwest::Client,
    screen: mpsc::Sender<Screened>,
    told: mpsc::Sender<Told>,
    /// How many calls have waited.
    waited: AtomicU64,
}

/// A call that may be made once there is room for it.
struct Call {
    parts: Parts,
    route: Route,
    wanted: Wanted,
}

impl Proxy {
    /// A proxy for one model and one task. Every tool's result goes by way of `screen`.
    ///
    /// # Errors
    /// When the system has no randomness, or TLS cannot be set up.
    pub fn new(
        endpoint: Endpoint,
        task: TaskId,
        ledger: Ledger,
        screen: mpsc::Sender<Screened>,
        told: mpsc::Sender<Told>,
    ) -> std::io::Result<Self> {
        let client = reqwest::Client::builder()
            // A redirect would carry the key to wherever it leads.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .build()
            .map_err(|error| std::io::Error::other(error.without_url().to_string()))?;
        let (token, waited) = (Token::draw()?, AtomicU64::new(0));
        let inner = Inner { endpoint, task, token, ledger, client, screen, told, waited };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// What stands in for the key.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.inner.token
    }

    /// Serves until it is dropped.
    pub async fn serve(&self, listener: TcpListener) {
        let inner = Arc::clone(&self.inner);
        let app = Router::new().fallback(move |request: Request| {
            let inner = Arc::clone(&inner);
            async move { Ok::<_, Infallible>(inner.call(request).await) }
        });
        if let Err(error) = axum::serve(listener, app).await {
            tracing::warn!(%error, "a model proxy ended");
        }
    }
}

/// A call that is not made, with the status and the words the agent gets.
#[derive(Debug)]
struct Refused {
    status: StatusCode,
    kind: &'static str,
    words: String,
}

impl Refused {
    fn new(status: StatusCode, kind: &'static str, words: impl Into<String>) -> Self {
        Self { status, kind, words: words.into() }
    }
}

impl Inner {
    /// Has every tool's result looked at before the model reads it. Nothing passes unseen: where
    /// nobody looks any more, the call is not made.
    async fn screen(&self, body: &mut Map<String, Value>) -> Result<(), Refused> {
        let gone = || {
            let words = "gatepost could not look through the results of tools; try again later";
            Refused::new(StatusCode::BAD_GATEWAY, "api_error", words)
        };
        for place in results::of(self.endpoint.api, body) {
            let (answer, answered) = oneshot::channel();
            let text = place.clone();
            self.screen.send(Screened { text, answer }).await.map_err(|_| gone())?;
            if let Some(instead) = answered.await.map_err(|_| gone())? {
                *place = instead;
            }
        }
        Ok(())
    }

    async fn call(self: &Arc<Self>, request: Request) -> Response {
        match self.try_call(request).await {
            Ok(response) => response,
            Err(refused) => answer::refusal(self.endpoint.api, &refused),
        }
    }

    async fn try_call(self: &Arc<Self>, request: Request) -> Result<Response, Refused> {
        let (parts, body) = request.into_parts();
        if !request::token(&parts).is_some_and(|token| self.token.is(&token)) {
            let words = "the token of this run is missing or wrong";
            return Err(Refused::new(StatusCode::UNAUTHORIZED, "authentication_error", words));
        }
        let route = request::route(self.endpoint.api, &parts).ok_or_else(|| {
            let words = format!(
                "{} {} is not a route of this model API that passes here",
                parts.method,
                parts.uri.path()
            );
            Refused::new(StatusCode::FORBIDDEN, "permission_error", words)
        })?;
        let bytes = axum::body::to_bytes(body, LARGEST).await.map_err(|_| {
            let words = format!("a request may have {} MiB", LARGEST >> 20);
            Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", words)
        })?;
        let wanted = if route.path == "models" {
            Wanted::bare()
        } else {
            let mut body = request::parsed(&bytes)?;
            self.screen(&mut body).await?;
            request::rewritten(&self.endpoint, &route, body)?
        };
        let call = Call { parts, route, wanted };
        if !call.route.costs {
            return self.make(call, None).await;
        }
        let reserved = self.ledger.reserve(&self.task, call.wanted.most, self.endpoint.price);
        let reservation = match reserved {
            Ok(reservation) => reservation,
            Err(Over::Spent(_) | Over::Busy) if call.wanted.events => {
                return Ok(held::streamed(Arc::clone(self), call));
            }
            Err(_) => self.room(call.wanted.most).await?,
        };
        self.make(call, Some(reservation)).await
    }

    /// Makes the call.
    async fn make(&self, call: Call, reserved: Option<Reservation>) -> Result<Response, Refused> {
        let Call { parts, route, wanted } = call;
        let reserved = reserved.map(|reservation| (reservation, wanted.most));
        let key = self.endpoint.key.read().map_err(|error| {
            // The sentence names the host's files; that is for the log and not for the sandbox.
            tracing::error!(%error, model = self.endpoint.name, "a model call has no key");
            let words = "gatepost has no key for this model; its log says why";
            Refused::new(StatusCode::BAD_GATEWAY, "api_error", words)
        })?;
        let sent =
            request::build(&self.client, &self.endpoint, &parts, &route, wanted, &key).send().await;
        let costs = route.costs;
        match sent {
            Ok(response) => {
                let bill = answer::Bill::new(
                    &self.endpoint,
                    reserved,
                    self.told.clone(),
                    response.status().is_success(),
                );
                let (answer, error) =
                    answer::passed_on(self.endpoint.api, response, bill, key).await;
                // What only looks, such as a list of models, may be refused and do no harm.
                if let Some(error) = error.filter(|_| costs) {
                    self.tell_failed(error).await;
                }
                Ok(answer)
            }
            Err(error) => {
                let timed_out = error.is_timeout() && !error.is_connect();
                // The address may hold what a person would not show.
                let detail = error.without_url().to_string();
                tracing::warn!(%detail, model = self.endpoint.name, "a model cannot be reached");
                if costs {
                    self.tell_failed(match timed_out {
                        true => ModelError::Timeout { what: "answer", after: SILENCE },
                        false => ModelError::Unreachable { detail },
                    })
                    .await;
                }
                let words = "gatepost cannot reach the model API; try again later";
                Err(Refused::new(StatusCode::BAD_GATEWAY, "api_error", words))
            }
        }
    }

    /// Before the agent hears of it, so that whatever it makes of that comes later.
    async fn tell_failed(&self, error: ModelError) {
        if self.told.send(Told::Failed(error)).await.is_err() {
            tracing::debug!("a run ends while a call of its model fails");
        }
    }
}

/// A tool's result on its way to the model, and where to say what the model is to read instead.
#[derive(Debug)]
pub struct Screened {
    /// What the tool returned, as the agent passes it on.
    pub text: String,
    /// What is put in its place; nothing where it may stay.
    pub answer: oneshot::Sender<Option<String>>,
}

/// A body that is whole.
fn whole(text: String) -> Body {
    Body::from(text)
}

#[cfg(test)]
mod tests;
