//! What the adapter is told once, at its start.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;

use crate::token::Token;

/// What the adapter is told once, at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bot's token.
    pub token: Token,
    /// The Bot API server; the public one when left out.
    pub address: Option<String>,
    /// What every desk is told; its numbers of people are Telegram's.
    pub desk: gatepost_desk::settings::Settings,
    /// The groups that are listened to.
    pub groups: Vec<i64>,
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
