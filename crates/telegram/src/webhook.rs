//! The webhook: Telegram pushes updates instead of being polled for them.
//!
//! Each push is answered only after the hub has recorded what came of it, and with an error where
//! that failed, so Telegram pushes it again. A push that does not carry the secret is turned away
//! unread. Updates come one at a time, as with the poll.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::routing::post;
use gatepost_desk::inbound::Gap;
use gatepost_desk::inbound::Inbound;
use gatepost_desk::intake::Delivered;
use gatepost_desk::intake::Taken;
use gatepost_desk::intake::take;
use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::inbound;
use crate::status::Health;
use crate::status::Teller;

/// What a push carries (<https://core.telegram.org/bots/api#setwebhook>).
const SECRET: &str = "x-telegram-bot-api-secret-token";

/// No update is longer: a message has 4,096 characters, and what it answers as many.
const LONGEST: usize = 1024 * 1024;

/// How often it is looked whether the webhook is still the one that was set.
const LOOK: Duration = Duration::from_secs(60);

/// As [`LOOK`], while what waited is being pushed, and after a failure.
const LOOK_SOON: Duration = Duration::from_secs(3);

/// A webhook that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Its address is none that Telegram pushes to.
    #[error("`{0}` is no address that Telegram pushes to; it must begin with https://")]
    Url(String),
    /// The secret has characters that Telegram does not take.
    #[error("the webhook's secret must be 1 to 256 letters, digits, `_` or `-`")]
    Secret,
    /// Gatepost cannot listen there.
    #[error("cannot listen for pushes on `{at}`: {why}")]
    Listen {
        /// Where.
        at: SocketAddr,
        /// Why not.
        why: std::io::Error,
    },
}

/// A webhook that is ready to be served.
pub(crate) struct Hook {
    url: reqwest::Url,
    listener: TcpListener,
    secret: String,
}

/// What the serving part of a webhook needs.
pub(crate) struct Pushed {
    pub(crate) api: Api,
    pub(crate) desk: mpsc::Sender<Delivered>,
    pub(crate) teller: Teller,
    /// When an earlier life last listened.
    pub(crate) last: Option<Timestamp>,
    pub(crate) stop: CancellationToken,
}

struct Door {
    secret: String,
    desk: mpsc::Sender<Delivered>,
    teller: Teller,
    begun: Timestamp,
    stop: CancellationToken,
    /// One after another, whatever pushes at once.
    turn: Mutex<()>,
}

impl Hook {
    /// Checks everything and takes the address, before anything is asked of Telegram.
    pub(crate) fn open(
        url: &str,
        listen: SocketAddr,
        secret: String,
        local: bool,
    ) -> Result<Self, WebhookError> {
        let wrong = || WebhookError::Url(url.chars().take(200).collect());
        let parsed: reqwest::Url = url.parse().map_err(|_| wrong())?;
        // Only a Bot API server of one's own pushes in the clear.
        let scheme = parsed.scheme() == "https" || local && parsed.scheme() == "http";
        if !scheme || parsed.host_str().is_none() {
            return Err(wrong());
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if secret.is_empty() || secret.len() > 256 || !secret.bytes().all(fits) {
            return Err(WebhookError::Secret);
        }
        let listener = TcpListener::bind(listen)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .map_err(|why| WebhookError::Listen { at: listen, why })?;
        Ok(Self { url: parsed, listener, secret })
    }

    /// Serves until told to stop.
    pub(crate) async fn serve(self, pushed: Pushed) {
        let Self { url, listener, secret } = self;
        let Pushed { desk, teller, stop, .. } = &pushed;
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "the webhook cannot be served");
                teller.failing(Health::Failing(error.to_string()));
                return;
            }
        };
        let door = Arc::new(Door {
            secret: secret.clone(),
            desk: desk.clone(),
            teller: teller.clone(),
            begun: teller.now(),
            stop: stop.clone(),
            turn: Mutex::new(()),
        });
        let router = router(url.path(), door);
        let ended = stop.clone();
        let serving = axum::serve(listener, router)
            .with_graceful_shutdown(async move { ended.cancelled().await })
            .into_future();
        tokio::select! {
            served = serving => {
                if let Err(error) = served {
                    tracing::error!(%error, "the webhook ended by itself");
                    teller.failing(Health::Failing(error.to_string()));
                }
            }
            () = keep(&url, &secret, &pushed) => {}
        }
    }
}

/// Only this path, only POST, and nothing larger than an update.
fn router(path: &str, door: Arc<Door>) -> Router {
    let path = if path.is_empty() { "/" } else { path };
    Router::new().route(path, post(push)).layer(DefaultBodyLimit::max(LONGEST)).with_state(door)
}

/// Sets the webhook, and again when somebody took it away, until told to stop.
async fn keep(url: &reqwest::Url, secret: &str, pushed: &Pushed) {
    let Pushed { api, desk, teller, last, stop } = pushed;
    let mut set = false;
    let mut behind = true;
    loop {
        let looked = look(api, url, secret, &mut set).await;
        let mut pause = if behind { LOOK_SOON } else { LOOK };
        match looked {
            Ok(pending) => {
                teller.answered();
                if behind && pending == 0 {
                    let gap = Gap { from: *last, to: teller.now(), down: true };
                    match take(desk, Inbound::CaughtUp(gap), true, stop).await {
                        Taken::Yes => behind = false,
                        Taken::Later => {}
                        Taken::Stopped => return,
                    }
                }
                if !behind {
                    teller.listened();
                }
            }
            Err(trouble) => {
                tracing::warn!(%trouble, "the webhook could not be set; it is tried again");
                teller.failing(Health::Failing(trouble.to_string()));
                set = false;
                pause = LOOK_SOON;
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// How many updates wait to be pushed; the webhook is set first where it is not.
async fn look(
    api: &Api,
    url: &reqwest::Url,
    secret: &str,
    set: &mut bool,
) -> crate::api::Done<u64> {
    if !*set {
        api.set_webhook(url.clone(), secret).await?;
        *set = true;
    }
    let found = api.webhook().await?;
    if found.url.is_empty() {
        tracing::warn!("somebody took the webhook away; it is set again");
        api.set_webhook(url.clone(), secret).await?;
    }
    if let Some((why, _)) = &found.last_error {
        tracing::debug!(%why, "telegram could not push");
    }
    Ok(found.pending)
}

async fn push(State(door): State<Arc<Door>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let given = headers.get(SECRET).map(|value| value.as_bytes()).unwrap_or_default();
    if !same(given, door.secret.as_bytes()) {
        door.teller.refused();
        return StatusCode::UNAUTHORIZED;
    }
    let raw = serde_json::from_slice::<serde_json::Value>(&body).ok();
    let Some(update) = raw.as_ref().and_then(inbound::update) else {
        // Pushed again for ever it would hold up everything behind it.
        tracing::warn!("a push holds no update; it is left out");
        return StatusCode::OK;
    };
    let inbound = inbound::read(&update);
    let late = matches!(&inbound, Inbound::Said(said) if said.at < door.begun);
    let _turn = door.turn.lock().await;
    match take(&door.desk, inbound, late, &door.stop).await {
        Taken::Yes => {
            door.teller.inbound();
            StatusCode::OK
        }
        // It is pushed again.
        Taken::Later | Taken::Stopped => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// Whether two secrets are the same, in a time that says nothing of where they differ.
fn same(given: &[u8], right: &[u8]) -> bool {
    let differing = given.iter().zip(right).fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == right.len() && differing == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_the_same_only_whole() {
        assert!(same(b"abc", b"abc"));
        for other in [&b""[..], b"ab", b"abd", b"abcd"] {
            assert!(!same(other, b"abc"), "{other:?}");
        }
    }

    #[test]
    fn what_telegram_would_not_take_is_refused_before_it_is_asked() {
        let any = "127.0.0.1:0".parse().unwrap();
        for url in ["", "bot.example", "http://bot.example/x", "ftp://bot.example"] {
            let opened = Hook::open(url, any, "s".into(), false);
            assert!(matches!(opened, Err(WebhookError::Url(_))), "{url}");
        }
        let url = "https://bot.example/x";
        for secret in ["", "with space", "ü"] {
            let opened = Hook::open(url, any, secret.into(), false);
            assert!(matches!(opened, Err(WebhookError::Secret)), "{secret}");
        }
        assert!(Hook::open("http://127.0.0.1/x", any, "s_-9".into(), true).is_ok());
        let taken = Hook::open(url, any, "s".into(), false).unwrap();
        let at = taken.listener.local_addr().unwrap();
        let again = Hook::open(url, at, "s".into(), false);
        assert!(matches!(again, Err(WebhookError::Listen { .. })));
    }
}
