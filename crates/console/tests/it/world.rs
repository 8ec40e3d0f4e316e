//! A served console and a client without habits of its own.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of tests fails them where it stands"
)]

use std::sync::Arc;
use std::time::Duration;

use gatepost_console::ConsoleKey;
use reqwest::Method;
use reqwest::RequestBuilder;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::fake::FakeHub;

pub(crate) struct World {
    pub(crate) hub: Arc<FakeHub>,
    pub(crate) key: ConsoleKey,
    pub(crate) base: String,
    pub(crate) port: u16,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: JoinSet<()>,
    client: reqwest::Client,
}

pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (hub, stop) = (FakeHub::new(), CancellationToken::new());
        let key = ConsoleKey::from_entropy([42; 32]);
        let mut tasks = JoinSet::new();
        let served = gatepost_console::serve(listener, hub.clone(), key.clone(), stop.clone());
        tasks.spawn(async { served.await.unwrap() });
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(15))
            .build()
            .unwrap();
        Self { hub, key, base: format!("http://127.0.0.1:{port}"), port, stop, tasks, client }
    }

    /// A request without any proof.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    /// A request with the key.
    pub(crate) fn keyed(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(self.key.reveal())
    }

    /// The cookie that the link is exchanged for, as a browser sends it back.
    pub(crate) async fn cookie(&self) -> String {
        let path = format!("/?key={}", self.key.reveal());
        let got = send(self.bare(Method::GET, &path)).await;
        assert_eq!(got.status, StatusCode::SEE_OTHER);
        let cookie = got.headers["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let got = send(self.keyed(Method::GET, path)).await;
        assert_eq!(got.status, StatusCode::OK, "GET {path}: {}", got.text);
        got.json()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Got {
        send(self.keyed(Method::POST, path).json(&body)).await
    }
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {}", self.text))
    }

    /// Checks that it is a whole problem of that status and gives it.
    pub(crate) fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        for field in ["type", "title", "detail", "hint"] {
            assert!(problem[field].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
        }
        problem
    }
}

pub(crate) async fn send(request: RequestBuilder) -> Got {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Got { status, headers, text: response.text().await.unwrap() }
}
