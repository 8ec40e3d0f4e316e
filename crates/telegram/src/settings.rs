//! What the adapter is told once, at its start.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gatepost_chat::pairing::Code;
use gatepost_chat::people::Asking;
use gatepost_chat::quiet::Quiet;
use jiff::Timestamp;
use jiff::tz::Offset;

use crate::token::Token;
use crate::transcribe::Transcriber;

/// What the adapter is told once, at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bot's token.
    pub token: Token,
    /// The Bot API server; the public one when left out.
    pub address: Option<String>,
    /// Who may hand over tasks, by Telegram's number of them.
    pub requesters: Vec<u64>,
    /// Who may answer questions and apply changes.
    pub approvers: Vec<u64>,
    /// Who may let others in.
    pub admins: Vec<u64>,
    /// The groups that are listened to.
    pub groups: Vec<i64>,
    /// The largest file that is taken, in bytes; never more than Telegram lets a bot fetch.
    pub max_file: u64,
    /// What turns voice notes into words; without it they are declined.
    pub transcriber: Option<Transcriber>,
    /// Whether each task gets a topic where the chat has topics.
    pub topics: bool,
    /// Where questions of groups are asked.
    pub asking: Asking,
    /// Whose private chat does not ring when, until they say otherwise.
    pub quiet: BTreeMap<u64, Quiet>,
    /// What makes whoever sends it the first admin; a fresh one when left out.
    pub code: Option<Code>,
    /// How long a message may have waited and still be run without another word.
    pub hold_after: Duration,
    /// A poll that has not come back after this is given up and made anew.
    pub silence: Duration,
    /// When an earlier life last listened, if that is known.
    pub last: Option<Timestamp>,
    /// How updates are pushed instead of polled for.
    pub webhook: Option<WebhookSettings>,
}

/// How updates are pushed.
#[derive(Clone)]
pub struct WebhookSettings {
    /// Where Telegram pushes to; something in front of Gatepost ends its TLS.
    pub url: String,
    /// Where Gatepost listens for that.
    pub listen: SocketAddr,
    /// What a push must carry to be believed; a fresh one when left out.
    pub secret: Option<String>,
}

impl fmt::Debug for WebhookSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSettings")
            .field("url", &self.url)
            .field("listen", &self.listen)
            .finish_non_exhaustive()
    }
}

/// Where the adapter gets the time and random bits from.
#[derive(Clone)]
pub struct Sources {
    /// The time of day.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// How far readers are from UTC at a time. Telegram does not say where its readers are, so it
    /// is taken for where Gatepost runs.
    pub offset: Arc<dyn Fn(Timestamp) -> Offset + Send + Sync>,
    /// 128 fresh bits that nobody can guess.
    pub draw: Arc<dyn Fn() -> u128 + Send + Sync>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}
