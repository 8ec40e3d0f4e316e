//! A strict Discord: its HTTP API and its gateway. It does what the documents say, takes nothing
//! that Discord would refuse, and fails the test for what Discord would merely put up with.
//!
//! Documented behaviour: identify and resume with replay, invalid sessions, heartbeats and their
//! answers, the privileged intent, three seconds for an acknowledgement and fifteen minutes for a
//! token, one acknowledgement each, nonces, buckets told in heads, threads and their archive, files.
//! On order: pauses of every scope, server errors, dead connections, lost answers.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::PATIENCE;

mod faults;
mod gateway;
mod limits;
mod people;
mod rest;
mod serve;
mod spec;
mod state;
#[cfg(test)]
mod tests;
pub mod world;

pub use faults::Fault;
pub use people::Done;
pub use state::Message;

use state::State;

/// The token of the fake's bot.
pub const TOKEN: &str = "NzAw.GateTs.S3cretTokenThatNobodyMaySee_x";

/// The bot, its application, the server, a channel that is bound to nothing and one for `demo`.
pub const BOT: u64 = 700;
/// The bot's application.
pub const APPLICATION: u64 = 701;
/// The bot's name.
pub const BOT_NAME: &str = "gate_test_bot";
/// The server.
pub const GUILD: u64 = 3001;
/// A role of the server.
pub const ROLE: u64 = 5001;
/// A channel that is bound to nothing.
pub const CHANNEL: u64 = 4001;
/// The channel that tests bind to the project `demo`.
pub const BOUND: u64 = 4002;

/// A running fake; it ends with the test's runtime.
#[derive(Clone)]
pub struct FakeDiscord {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for FakeDiscord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeDiscord").field("address", &self.inner.address).finish_non_exhaustive()
    }
}

struct Inner {
    state: Mutex<State>,
    /// Something for the gateway to say.
    news: Notify,
    address: std::net::SocketAddr,
    /// Ends with the runtime.
    server: Mutex<JoinSet<()>>,
}

impl FakeDiscord {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            state: Mutex::new(State::new(address)),
            news: Notify::new(),
            address,
            server: Mutex::new(JoinSet::new()),
        });
        let fake = Self { inner };
        let router = serve::router(fake.clone());
        let mut server = fake.inner.server.lock().unwrap();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        drop(server);
        fake
    }

    /// Its address, for `DISCORD_API_PROXY`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.inner.address)
    }

    /// Every message of the bot as it is now, in the order in which they were sent.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.state().messages.iter().filter(|message| message.author == BOT).cloned().collect()
    }

    /// How often a route was called, which is written with `{}` for each id.
    #[must_use]
    pub fn calls(&self, route: &str) -> usize {
        self.state().calls.iter().filter(|(name, _)| name == route).count()
    }

    /// What a route was called with, each time.
    #[must_use]
    pub fn requests(&self, route: &str) -> Vec<Value> {
        let state = self.state();
        let calls = state.calls.iter().filter(|(name, _)| name == route);
        calls.map(|(_, body)| body.clone()).collect()
    }

    /// Waits for a message of the bot that fits.
    ///
    /// # Panics
    /// When none comes in time; what there is is in the message.
    pub async fn message(&self, what: &str, fits: impl Fn(&Message) -> bool) -> Message {
        self.wait(what, || self.messages().into_iter().rfind(|found| fits(found))).await
    }

    /// Waits until something is there.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn wait<T>(&self, what: &str, found: impl Fn() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = found() {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "no {what} in {:#?}", self.messages());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a route was called so often.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn called(&self, route: &str, times: usize) {
        self.wait(route, || (self.calls(route) >= times).then_some(())).await;
    }

    /// Waits until the bot listens.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn listens(&self) {
        self.wait("bot that listens", || self.state().is_heard().then_some(())).await;
    }

    /// A thread as it is now: its name, and whether it is archived.
    #[must_use]
    pub fn thread(&self, id: u64) -> Option<(String, bool)> {
        let state = self.state();
        let thread = state.channels.get(&id).filter(|channel| channel.parent.is_some())?;
        Some((thread.name.clone(), thread.archived))
    }

    /// The names of the commands that are offered in the server.
    #[must_use]
    pub fn offered(&self) -> Vec<String> {
        let state = self.state();
        let all = state.commands.as_array().cloned().unwrap_or_default();
        all.iter().map(|command| command["name"].as_str().unwrap().to_owned()).collect()
    }

    /// Fails on everything the bot did that it must not do.
    ///
    /// # Panics
    /// With what that was.
    pub fn assert_clean(&self) {
        let violations = self.state().violations.clone();
        assert!(violations.is_empty(), "the bot broke the rules: {violations:#?}");
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap()
    }

    /// Something happens.
    fn dispatch(&self, name: &str, data: Value) {
        self.state().dispatch(name, data);
        self.inner.news.notify_waiters();
    }
}
