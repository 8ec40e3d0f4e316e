//! A strict Bot API server: it does what the documents say, takes nothing that Telegram would
//! refuse, and fails the test for what Telegram would merely put up with.
//!
//! Documented behaviour: offsets confirm, one poller (409), a webhook instead of polls, updates
//! kept for a day, text in UTF-16 units, 64-byte data, entities in bounds, files and their sizes,
//! topics, rights, privacy mode, "not modified", "query is too old", flood control. On order:
//! pauses, server errors, dead connections, and answers that are lost before or after their effect.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::PATIENCE;

mod chats;
mod faults;
mod files;
mod flood;
mod people;
mod send;
mod serve;
mod spec;
mod state;
mod text;
mod topics;
mod updates;
mod webhook;

#[cfg(test)]
mod tests;

pub use chats::Group;
pub use chats::Rights;
pub use faults::Fault;
pub use files::Attachment;
pub use files::Upload;
pub use people::forwarded;
pub use topics::Topic;
pub use updates::CONFLICT;
pub use updates::CONFLICT_WITH_WEBHOOK;
pub use webhook::Webhook;

use state::State;

/// The token of the fake's bot.
pub const TOKEN: &str = "700:AAF4ke-S3cretTokenThatNobodyMaySee_x";

/// The bot's name, without `@`.
pub const BOT_NAME: &str = "gate_test_bot";

/// A running fake; it ends with the test's runtime.
#[derive(Clone)]
pub struct FakeTelegram {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for FakeTelegram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeTelegram").field("address", &self.inner.address).finish_non_exhaustive()
    }
}

struct Inner {
    state: Mutex<State>,
    news: Notify,
    address: std::net::SocketAddr,
    /// Ends with the runtime.
    server: Mutex<JoinSet<()>>,
}

/// A message that the bot sent, as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The chat.
    pub chat: i64,
    /// Its number; numbers of different groups may be the same.
    pub id: i64,
    /// The topic it is in.
    pub thread: Option<i64>,
    /// Its text or caption.
    pub text: String,
    /// Its buttons: label and data.
    pub keys: Vec<(String, String)>,
    /// Whether it came without a sound.
    pub silent: bool,
    /// What it answers.
    pub reply_to: Option<i64>,
    /// The text of its file.
    pub document: Option<String>,
    /// Its file or photo.
    pub file: Option<Upload>,
    /// How often it was edited.
    pub edits: usize,
    /// Whether it opens the keyboard for a reply.
    pub wants_reply: bool,
    /// Its entities.
    pub entities: Value,
}

/// What somebody saw after pressing a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// The words.
    pub text: String,
    /// Whether they came in a box.
    pub alert: bool,
}

impl FakeTelegram {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner = Arc::new(Inner {
            state: Mutex::new(State::new()),
            news: Notify::new(),
            address: listener.local_addr().unwrap(),
            server: Mutex::new(JoinSet::new()),
        });
        let fake = Self { inner };
        let router = serve::router(fake.clone());
        let pusher = fake.clone();
        let mut server = fake.inner.server.lock().unwrap();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        server.spawn(async move { pusher.push_updates().await });
        drop(server);
        fake
    }

    /// Its address, for `TELEGRAM_API_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.inner.address)
    }

    /// Every message as it is now, in the order in which they were sent.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.state().messages().cloned().collect()
    }

    /// The messages that fit, as they are now.
    #[must_use]
    pub fn messages_that(&self, fits: impl Fn(&Message) -> bool) -> Vec<Message> {
        self.state().messages().filter(|message| fits(message)).cloned().collect()
    }

    /// A message as it is now; none when it was deleted.
    #[must_use]
    pub fn message_now(&self, chat: i64, id: i64) -> Option<Message> {
        self.state().message(chat, id).cloned()
    }

    /// How often a method was called.
    #[must_use]
    pub fn calls(&self, method: &str) -> usize {
        self.state().calls.iter().filter(|(name, _)| name.eq_ignore_ascii_case(method)).count()
    }

    /// What a method was called with, each time.
    #[must_use]
    pub fn requests(&self, method: &str) -> Vec<Value> {
        let state = self.state();
        let calls = state.calls.iter().filter(|(name, _)| name.eq_ignore_ascii_case(method));
        calls.map(|(_, given)| Value::Object(given.clone())).collect()
    }

    /// Waits for a message that fits.
    ///
    /// # Panics
    /// When none comes in time; what there is is in the message.
    pub async fn message(&self, what: &str, fits: impl Fn(&Message) -> bool) -> Message {
        let begun = Instant::now();
        loop {
            let found = self.state().messages().filter(|found| fits(found)).last().cloned();
            if let Some(found) = found {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "no {what} in {:#?}", self.messages());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until a method was called so often.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn called(&self, method: &str, times: usize) {
        let begun = Instant::now();
        while self.calls(method) < times {
            assert!(begun.elapsed() < PATIENCE, "{method} was called {}×", self.calls(method));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
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

    /// An update for the bot.
    fn push(&self, update: Value) {
        self.state().push(update);
        self.inner.news.notify_waiters();
    }
}
