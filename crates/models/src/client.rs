//! Asking a model: one request, bounded patience, one answer.

use std::fmt;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use reqwest::header::HeaderValue;
use reqwest::header::RETRY_AFTER;

use crate::endpoint::Endpoint;
use crate::error::ModelError;
use crate::secret::Secret;
use crate::sse::Events;
use crate::talk::Part;
use crate::talk::Reply;
use crate::talk::Request;
use crate::wire;
use crate::wire::Reader;

/// How long a client waits, and how often it tries again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the answer to begin; a long request to a busy model takes minutes.
    pub first: Duration,
    /// Between two pieces of the answer; every API here sends something while it thinks.
    pub idle: Duration,
    /// How often the same is asked, the first time included.
    pub tries: u32,
    /// The pause before the second try; each further one is twice as long, and each up to half as
    /// long again, so that many do not come back at once.
    pub pause: Duration,
    /// The longest pause that a provider may ask for; one that wants more is not asked again.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first: Duration::from_secs(180),
            idle: Duration::from_secs(90),
            tries: 4,
            pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(120),
        }
    }
}

/// The largest answer that is taken, in bytes.
const LARGEST: usize = 64 << 20;

/// The most of an error's body that is read, in bytes.
const ERROR_BODY: usize = 64 * 1024;

/// Asks one model. Cheap to clone; holds no key.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    endpoint: Endpoint,
    patience: Patience,
}

/// An answer as it comes.
pub struct Turn {
    bytes: BoxStream<'static, Result<Vec<u8>, ModelError>>,
    events: Events,
    reader: Reader,
    waiting: std::collections::VecDeque<Part>,
    idle: Duration,
    taken: usize,
    over: bool,
    key: Option<Secret>,
}

impl Client {
    /// A client of this model.
    ///
    /// # Errors
    /// [`ModelError::Unreachable`] when the system has no TLS to offer.
    pub fn new(endpoint: Endpoint, patience: Patience) -> Result<Self, ModelError> {
        let http = reqwest::Client::builder()
            .connect_timeout(patience.connect)
            // A redirect would take the key to wherever it points.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ModelError::Unreachable { detail: error.to_string() })?;
        Ok(Self { http, endpoint, patience })
    }

    /// The model it asks.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The model's next turn, piece by piece. Tries again only until the first piece is there:
    /// after that somebody may have acted on it, and the error is the caller's.
    ///
    /// # Errors
    /// [`ModelError`] says what can be done.
    pub async fn turn(&self, request: &Request) -> Result<Turn, ModelError> {
        let mut tried = 0;
        loop {
            match self.begun(request).await {
                Ok(turn) => return Ok(turn),
                Err(error) => self.wait_after(error, &mut tried).await?,
            }
        }
    }

    /// The model's whole next turn. Nobody has seen any of it before, so one that breaks off is
    /// asked for again.
    ///
    /// # Errors
    /// [`ModelError`] says what can be done.
    pub async fn reply(&self, request: &Request) -> Result<Reply, ModelError> {
        let mut tried = 0;
        loop {
            match self.whole(request).await {
                Ok(reply) => return Ok(reply),
                Err(error) => self.wait_after(error, &mut tried).await?,
            }
        }
    }

    async fn begun(&self, request: &Request) -> Result<Turn, ModelError> {
        let mut turn = self.send(request).await?;
        let first = turn.next().await?;
        turn.waiting.extend(first);
        Ok(turn)
    }

    async fn whole(&self, request: &Request) -> Result<Reply, ModelError> {
        let mut turn = self.send(request).await?;
        loop {
            match turn.next().await? {
                Some(Part::Text(_)) => {}
                Some(Part::End(reply)) => return Ok(reply),
                None => return Err(ModelError::Cut),
            }
        }
    }

    /// Waits until the same may be asked again, or gives the error back.
    async fn wait_after(&self, error: ModelError, tried: &mut u32) -> Result<(), ModelError> {
        *tried += 1;
        if *tried >= self.patience.tries || !error.is_passing() {
            return Err(error);
        }
        let Some(pause) = self.pause(*tried, &error) else { return Err(error) };
        tracing::info!(model = %self.endpoint.name, %error, ?pause, "the model is asked again");
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// How long to wait after this error; none when the provider wants more than is waited for.
    fn pause(&self, tried: u32, error: &ModelError) -> Option<Duration> {
        let doubled = self.patience.pause.saturating_mul(1 << tried.saturating_sub(1).min(10));
        let mut byte = [0_u8; 1];
        // Without randomness it is the shortest pause, which is still one.
        let _as_zero = getrandom::fill(&mut byte);
        let [byte] = byte;
        let pause = doubled + doubled.mul_f64(f64::from(byte) / 512.0);
        match error {
            ModelError::RateLimited { retry_after: Some(wanted), .. }
            | ModelError::Overloaded { retry_after: Some(wanted), .. } => {
                (*wanted <= self.patience.longest_pause).then(|| pause.max(*wanted))
            }
            _ => Some(pause.min(self.patience.longest_pause)),
        }
    }

    async fn send(&self, request: &Request) -> Result<Turn, ModelError> {
        // Read each time: a key that was put there since then counts.
        let key = self.endpoint.key.read()?;
        let outgoing = wire::outgoing(&self.endpoint, request);
        let mut http = self.http.post(&outgoing.url).json(&outgoing.body);
        for (name, value) in outgoing.more {
            http = http.header(*name, *value);
        }
        if let Some(key) = &key {
            let (name, before) = outgoing.key;
            let mut value =
                HeaderValue::from_str(&format!("{before}{}", key.reveal())).map_err(|_| {
                    ModelError::Unauthorized { detail: "no header can carry it".into() }
                })?;
            value.set_sensitive(true);
            http = http.header(name, value);
        }
        let scrub =
            |text: &str| key.as_ref().map_or_else(|| text.to_owned(), |key| key.scrub(text));
        let patience = self.patience;
        let response = tokio::time::timeout(patience.first, http.send())
            .await
            .map_err(|_| ModelError::Timeout { what: "answer", after: patience.first })?
            .map_err(|error| unreachable(&error).scrubbed(scrub))?;
        let status = response.status().as_u16();
        let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = wait.and_then(|value| value.trim().parse().ok()).map(Duration::from_secs);
        let bytes = response.bytes_stream().map(|piece| {
            // What was promised and did not come is an answer that broke off.
            piece.map(|piece| piece.to_vec()).map_err(|_| ModelError::Cut)
        });
        let mut turn = Turn {
            bytes: bytes.boxed(),
            events: Events::default(),
            reader: Reader::new(self.endpoint.api),
            waiting: std::collections::VecDeque::new(),
            idle: patience.idle,
            taken: 0,
            over: false,
            key: key.clone(),
        };
        if status != 200 {
            let body = turn.body().await;
            return Err(ModelError::of_status(status, retry_after, &body).scrubbed(scrub));
        }
        Ok(turn)
    }
}

impl Turn {
    /// The next piece; none after the end.
    ///
    /// # Errors
    /// [`ModelError`]; the turn is over then.
    pub async fn next(&mut self) -> Result<Option<Part>, ModelError> {
        let next = self.advance().await;
        if next.is_err() {
            self.over = true;
        }
        let key = self.key.clone();
        next.map_err(|error| {
            error.scrubbed(|text| {
                key.as_ref().map_or_else(|| text.to_owned(), |key| key.scrub(text))
            })
        })
    }

    async fn advance(&mut self) -> Result<Option<Part>, ModelError> {
        loop {
            if let Some(part) = self.waiting.pop_front() {
                return Ok(Some(part));
            }
            if self.over {
                return Ok(None);
            }
            let Some(bytes) = self.piece().await? else {
                self.over = true;
                let reply = self.reader.end(true).ok_or(ModelError::Cut)?;
                return Ok(Some(Part::End(reply)));
            };
            self.taken += bytes.len();
            if self.taken > LARGEST {
                return Err(ModelError::Unparseable { detail: "it is longer than 64 MiB".into() });
            }
            for event in self.events.feed(&bytes)? {
                let closed = event.trim() == "[DONE]";
                self.waiting.extend(self.reader.take(&event)?.map(Part::Text));
                if let Some(reply) = self.reader.end(closed) {
                    self.waiting.push_back(Part::End(reply));
                    self.over = true;
                    break;
                }
            }
        }
    }

    async fn piece(&mut self) -> Result<Option<Vec<u8>>, ModelError> {
        tokio::time::timeout(self.idle, self.bytes.next())
            .await
            .map_err(|_| ModelError::Timeout { what: "go on", after: self.idle })?
            .transpose()
    }

    /// An error's body, as much of it as counts and comes.
    async fn body(&mut self) -> String {
        let mut body = Vec::new();
        while body.len() < ERROR_BODY {
            let Ok(Some(piece)) = self.piece().await else { break };
            body.extend(piece);
        }
        body.truncate(ERROR_BODY);
        String::from_utf8_lossy(&body).into_owned()
    }
}

/// What the library says about a connection, with its causes and without the address.
fn unreachable(error: &reqwest::Error) -> ModelError {
    if error.is_timeout() {
        return ModelError::Unreachable { detail: "no connection in time".into() };
    }
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    let detail = causes.last().cloned().unwrap_or_else(|| "the connection failed".into());
    ModelError::Unreachable { detail }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("over", &self.over).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::endpoint::Api;
    use crate::secret::KeySource;

    #[test]
    fn pauses_grow_differ_and_stay_bounded() {
        let endpoint = Endpoint {
            name: "x".into(),
            api: Api::OpenAi,
            base_url: "http://127.0.0.1:1".into(),
            key: KeySource::None,
            model: "x".into(),
            price: None,
            context: 1000,
            max_output: 100,
        };
        let (pause, longest_pause) = (Duration::from_millis(300), Duration::from_secs(2));
        let patience = Patience { pause, longest_pause, ..Patience::default() };
        let client = Client::new(endpoint, patience).unwrap();
        for (tried, least) in [(1, 300), (2, 600), (3, 1200)] {
            let pauses: BTreeSet<Duration> =
                (0..100).filter_map(|_| client.pause(tried, &ModelError::Cut)).collect();
            let (least, most) =
                (Duration::from_millis(least), Duration::from_millis(least * 3 / 2));
            assert!(pauses.iter().all(|pause| (least..=most).contains(pause)), "{pauses:?}");
            assert!(pauses.len() > 10, "they are spread: {pauses:?}");
        }
        assert_eq!(client.pause(30, &ModelError::Cut), Some(longest_pause));
    }
}
