//! The local web console: the page for people and the same as JSON for scripts.
//!
//! Everything it shows comes from the hub through [`Hub`]; it decides nothing. INVARIANT (local):
//! it serves on a loopback address only, loads nothing from elsewhere and sends nothing there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use gatepost_chat::port::Hub;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

mod api;
mod assets;
mod guard;
mod key;
mod problem;

pub use key::ConsoleKey;
pub use key::KeyError;
pub use key::MIN_KEY;

use problem::Kind;
use problem::Problem;

/// How long open requests may take to end after the console is told to stop.
const GRACE: Duration = Duration::from_secs(3);

/// Why the console does not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Others on the network could reach it, and there is no encryption.
    #[error("the console serves on loopback only, not on `{0}`; use 127.0.0.1 and a tunnel")]
    NotLoopback(SocketAddr),
    /// The socket broke.
    #[error("the console's socket failed: {0}")]
    Socket(#[from] std::io::Error),
}

/// What every handler needs.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) hub: Arc<dyn Hub>,
    pub(crate) key: ConsoleKey,
    pub(crate) stop: CancellationToken,
    pub(crate) port: u16,
    /// Cookies are shared by all ports of a host, so two consoles need two names.
    pub(crate) cookie_name: Arc<str>,
}

/// Serves the console until `stop`.
///
/// # Errors
/// [`ServeError`] when the listener is not on loopback or breaks.
pub async fn serve(
    listener: TcpListener,
    hub: Arc<dyn Hub>,
    key: ConsoleKey,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let at = listener.local_addr()?;
    if !at.ip().is_loopback() {
        return Err(ServeError::NotLoopback(at));
    }
    let port = at.port();
    let cookie_name = format!("gatepost-{port}").into();
    let app = App { hub, key, stop: stop.clone(), port, cookie_name };
    let server =
        axum::serve(listener, router(app)).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        ended = server => ended?,
        // A client that never finishes its request must not hold up the end.
        () = async { stop.cancelled().await; tokio::time::sleep(GRACE).await } => {
            tracing::warn!("requests were still open at the end and were cut");
        }
    }
    Ok(())
}

fn router(app: App) -> Router {
    let (api, _) = api::routes().split_for_parts();
    api.merge(assets::routes())
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}

async fn no_such_path() -> Problem {
    Problem::new(Kind::NotFound, "there is nothing at this path", "see /api/openapi.json")
}

async fn no_such_method() -> Problem {
    Problem::new(
        Kind::Method,
        "this path does not take that method",
        "see /api/openapi.json for what it takes",
    )
}

impl App {
    /// Whether `host` is a loopback name with the console's own port.
    pub(crate) fn is_own_host(&self, host: &str) -> bool {
        let Some((name, port)) = host.rsplit_once(':') else { return false };
        let named = name.eq_ignore_ascii_case("localhost") || matches!(name, "127.0.0.1" | "[::1]");
        named && port.parse() == Ok(self.port)
    }
}
