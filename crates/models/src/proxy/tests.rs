//! The proxy between a client and a provider that writes down what it is sent.

use std::pin::pin;
use std::sync::Mutex;

use axum::http::HeaderMap;
use serde_json::Value;
use serde_json::json;
use tokio::task::JoinSet;

use super::*;
use crate::budget::Budget;
use crate::budget::Limit;
use crate::endpoint::Api;
use crate::endpoint::CONTEXT;
use crate::endpoint::MAX_OUTPUT;
use crate::secret::KeySource;

const KEY: &str = "sk-real-key-0123456789";

#[derive(Debug, Clone)]
struct Got {
    path: String,
    headers: HeaderMap,
    body: Value,
}

/// A provider that answers every call with the same thing.
struct Provider {
    url: String,
    got: Arc<Mutex<Vec<Got>>>,
    serving: JoinSet<()>,
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

impl Provider {
    async fn start(status: u16, headers: &[(&'static str, &str)], body: &str) -> Self {
        let (listener, url) = listen().await;
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let (kept, body) = (Arc::clone(&got), body.to_owned());
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let app = Router::new().fallback(move |request: Request| {
            let (kept, body, headers) = (Arc::clone(&kept), body.clone(), headers.clone());
            async move {
                let (parts, sent) = request.into_parts();
                let sent = axum::body::to_bytes(sent, usize::MAX).await.unwrap();
                kept.lock().unwrap().push(Got {
                    path: parts.uri.to_string(),
                    headers: parts.headers,
                    body: serde_json::from_slice(&sent).unwrap_or_default(),
                });
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                response.body(Body::from(body)).unwrap()
            }
        });
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, got, serving }
    }

    async fn stop(&mut self) {
        self.serving.shutdown().await;
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

struct World {
    provider: Provider,
    url: String,
    token: String,
    told: mpsc::Receiver<Told>,
    ledger: Ledger,
    _folder: tempfile::TempDir,
    _serving: JoinSet<()>,
}

impl World {
    async fn start(api: Api, provider: Provider, budget: Budget) -> Self {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, KEY).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let endpoint = Endpoint {
            name: "main".into(),
            api,
            base_url: provider.url.clone(),
            key: KeySource::File(file),
            model: "the-model".into(),
            price: None,
            context: CONTEXT,
            max_output: MAX_OUTPUT,
        };
        let (tell, told) = mpsc::channel(16);
        let (screen, mut asked) = mpsc::channel::<Screened>(1);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            while let Some(Screened { text, answer }) = asked.recv().await {
                if text == "break off right here" {
                    return;
                }
                let instead = text.contains("evil").then(|| format!("fenced: {text}"));
                answer.send(instead).unwrap();
            }
        });
        let ledger = Ledger::new(budget, Arc::new(|| 1));
        let proxy =
            Proxy::new(endpoint, TaskId::from_entropy(1), ledger.clone(), screen, tell).unwrap();
        let token = proxy.token().reveal().to_owned();
        let (listener, url) = listen().await;
        serving.spawn(async move { proxy.serve(listener).await });
        Self { provider, url, token, told, ledger, _folder: folder, _serving: serving }
    }

    async fn post(&self, path: &str, header: &str, value: &str, body: Value) -> (u16, String) {
        post(&self.url, path, header, value, body).await
    }
}

async fn post(url: &str, path: &str, header: &str, value: &str, body: Value) -> (u16, String) {
    let sent = reqwest::Client::new()
        .post(format!("{url}{path}"))
        .header(header, value)
        .header("content-type", "application/json")
        .header("cookie", "a=b")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    let status = sent.status().as_u16();
    for (_, value) in sent.headers() {
        assert!(!value.to_str().unwrap().contains(KEY));
    }
    let text = sent.text().await.unwrap();
    assert!(!text.contains(KEY), "the key came back: {text}");
    (status, text)
}

const STREAM: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":\
    {\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\n\nevent: message_delta\n\
    data: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":42}}\n\n\
    event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

async fn anthropic(budget: Budget) -> World {
    let events = [("content-type", "text/event-stream")];
    let provider = Provider::start(200, &events, STREAM).await;
    World::start(Api::Anthropic, provider, budget).await
}

#[tokio::test]
async fn the_token_goes_in_the_key_goes_out_and_the_use_is_counted() {
    let mut world = anthropic(Budget::default()).await;
    let body = json!({
        "model": "a-small-one", "max_tokens": 10, "stream": true, "messages": [],
        "mcp_servers": [{ "url": "https://evil.example" }],
        "tools": [{ "name": "Bash", "input_schema": {} }, { "type": "web_fetch_20250910" }],
    });
    let (status, text) =
        world.post("/v1/messages?beta=true", "x-api-key", &world.token, body).await;
    assert_eq!((status, text.as_str()), (200, STREAM), "the answer passes as it came");
    let got = world.provider.got();
    assert_eq!(got[0].path, "/v1/messages");
    assert_eq!(got[0].headers["x-api-key"], KEY);
    assert!(!format!("{:?}", got[0].headers).contains(&world.token));
    assert!(!got[0].headers.contains_key("cookie"));
    assert_eq!(got[0].body["model"], "the-model", "one model, whatever was asked for");
    assert_eq!(got[0].body["tools"].as_array().unwrap().len(), 1, "{:?}", got[0].body);
    assert!(got[0].body.get("mcp_servers").is_none());
    let Some(Told::Used(metered)) = world.told.recv().await else { panic!() };
    assert_eq!((metered.usage.input, metered.usage.output), (7, 42));
    assert_eq!((metered.model.as_str(), metered.cost), ("main", None), "unknown, and not zero");
}

#[tokio::test]
async fn without_the_token_or_off_the_routes_nothing_goes_out() {
    let world = anthropic(Budget::default()).await;
    for wrong in ["", "gatepost-", KEY] {
        let (status, text) = world.post("/v1/messages", "x-api-key", wrong, json!({})).await;
        assert_eq!(status, 401, "{text}");
        assert!(text.contains("authentication_error"), "{text}");
    }
    for path in
        ["/v1/files", "/v1/messages/batches", "/v1/messages/", "//v1/messages", "/v1/../v1/x", "/"]
    {
        let (status, _) = world.post(path, "x-api-key", &world.token, json!({})).await;
        assert_eq!(status, 403, "{path}");
    }
    let (status, _) = world.post("/v1/messages", "x-api-key", &world.token, json!([])).await;
    assert_eq!(status, 400);
    assert_eq!(world.provider.got().len(), 0);
}

#[tokio::test]
async fn a_tools_result_is_looked_at_before_the_model_reads_it() {
    let world = anthropic(Budget::default()).await;
    let with = |text: &str| {
        let result = json!({ "type": "tool_result", "tool_use_id": "1", "content": text });
        json!({ "messages": [{ "role": "user", "content": [result] }] })
    };
    for (said, read) in
        [("all is well here", "all is well here"), ("an evil text", "fenced: an evil text")]
    {
        let (status, _) = world.post("/v1/messages", "x-api-key", &world.token, with(said)).await;
        assert_eq!(status, 200);
        let got = world.provider.got().pop().unwrap();
        assert_eq!(got.body.pointer("/messages/0/content/0/content").unwrap(), read);
    }
    // Where nobody looks, nothing is read.
    let sent = |text: &str| world.post("/v1/messages", "x-api-key", &world.token, with(text));
    assert_eq!(sent("break off now").await.0, 200);
    for text in ["break off right here", "all is well here"] {
        let (status, words) = sent(text).await;
        assert_eq!(status, 502, "{words}");
    }
    assert_eq!(world.provider.got().len(), 3);
}

#[tokio::test]
async fn every_api_gets_its_key_in_its_own_place() {
    for (api, path, upstream, header) in [
        (Api::OpenAi, "/v1/chat/completions", "/v1/chat/completions", "authorization"),
        (Api::OpenAiResponses, "/v1/responses", "/v1/responses", "authorization"),
        (Api::Ollama, "/api/chat", "/api/chat", "authorization"),
        (
            Api::Gemini,
            "/v1beta/models/small:streamGenerateContent?alt=sse",
            "/v1beta/models/the-model:streamGenerateContent?alt=sse",
            "x-goog-api-key",
        ),
    ] {
        let provider = Provider::start(200, &[], "{}").await;
        let world = World::start(api, provider, Budget::default()).await;
        let bearer = format!("Bearer {}", world.token);
        let mine = if header == "authorization" { bearer.as_str() } else { &world.token };
        let tools = json!([{ "type": "web_search" }, { "googleSearch": {} }]);
        let body = json!({ "stream": true, "tools": tools });
        let (status, text) = world.post(path, header, mine, body).await;
        assert_eq!(status, 200, "{api}: {text}");
        let got = world.provider.got();
        assert_eq!(got[0].path, upstream);
        assert!(got[0].headers[header].to_str().unwrap().ends_with(KEY), "{api}");
        assert!(got[0].body.get("tools").is_none(), "{api}: {:?}", got[0].body);
        let asks = got[0].body["stream_options"]["include_usage"] == true;
        assert_eq!(asks, api == Api::OpenAi, "{api}: a stream is asked to say what it used");
    }
}

#[tokio::test]
async fn a_spent_budget_stops_the_call_before_it_is_made() {
    let tokens = Limit { cost: None, tokens: Some(200) };
    let mut world = anthropic(Budget { task: tokens, day: Limit::default() }).await;
    let body = |max: u64| json!({ "max_tokens": max });
    let (status, _) = world.post("/v1/messages", "x-api-key", &world.token, body(150)).await;
    assert_eq!(status, 200);
    assert!(matches!(world.told.recv().await, Some(Told::Used(_))));
    // 49 were used; what may be written together with that is too much.
    let token = world.token.clone();
    {
        let mut post = pin!(world.post("/v1/messages", "x-api-key", &token, body(160)));
        let waits = async { tokio::time::sleep(Duration::from_millis(200)).await };
        tokio::select! {
            (status, text) = &mut post => panic!("{status} {text}"),
            () = waits => {}
        }
    }
    let Some(Told::Waits { call, short }) = world.told.recv().await else { panic!() };
    assert!(short.spent.contains("49 of 200 tokens"), "{short:?}");
    assert_eq!(world.provider.got().len(), 1);
    // Its client has gone.
    assert_eq!(world.told.recv().await, Some(Told::WaitsNoMore { call }));
    let (status, _) = world.post("/v1/messages", "x-api-key", &world.token, body(100)).await;
    assert_eq!(status, 200, "what was set aside for the other call is free");
}

#[tokio::test]
async fn a_call_that_waited_is_made_once_the_budget_is_raised() {
    for (api, path, header, alive) in [
        (Api::Anthropic, "/v1/messages", "x-api-key", "event: ping\n"),
        (Api::OpenAiResponses, "/v1/responses", "x-goog-api-key", "event: keepalive\n"),
        (Api::OpenAi, "/v1/chat/completions", "x-api-key", ": waiting"),
    ] {
        for stream in [false, true] {
            let budget =
                Budget { task: Limit { cost: None, tokens: Some(9) }, day: Limit::default() };
            let kind = [("content-type", "text/event-stream")];
            let mut world =
                World::start(api, Provider::start(200, &kind, STREAM).await, budget).await;
            let body = json!({ "max_tokens": 100, "max_output_tokens": 100, "stream": stream });
            let (url, token) = (world.url.clone(), world.token.clone());
            let mut asked = JoinSet::new();
            asked.spawn(async move { post(&url, path, header, &token, body).await });
            let Some(Told::Waits { short, .. }) = world.told.recv().await else { panic!() };
            assert_eq!(world.provider.got().len(), 0, "{api}");
            world.ledger.raise(&TaskId::from_entropy(1), &short.raise);
            let (status, text) = asked.join_next().await.unwrap().unwrap();
            assert_eq!(status, 200, "{api}: {text}");
            assert_eq!(text.starts_with(alive), stream, "{api}: {text}");
            assert!(text.ends_with(STREAM), "{api}: {text}");
            assert_eq!(world.provider.got().len(), 1, "{api}: made once");
            assert!(matches!(world.told.recv().await, Some(Told::WaitsNoMore { .. })), "{api}");
        }
    }
}

#[tokio::test]
async fn a_stream_that_began_and_is_refused_then_is_cut() {
    let budget = Budget { task: Limit { cost: None, tokens: Some(9) }, day: Limit::default() };
    let provider = Provider::start(529, &[], "{}").await;
    let mut world = World::start(Api::Anthropic, provider, budget).await;
    let body = json!({ "max_tokens": 100, "stream": true });
    let request = reqwest::Client::new()
        .post(format!("{}/v1/messages", world.url))
        .header("x-api-key", &world.token)
        .body(body.to_string());
    let answer = request.send().await.unwrap();
    let Some(Told::Waits { short, .. }) = world.told.recv().await else { panic!() };
    world.ledger.raise(&TaskId::from_entropy(1), &short.raise);
    assert!(answer.text().await.is_err(), "its client asks again and hears the status");
}

#[tokio::test]
async fn errors_pass_as_they_are_without_the_key_and_redirects_are_not_followed() {
    let said = format!("{{\"error\":\"key {KEY} is overloaded\"}}");
    for (status, header) in [
        (401, ("retry-after", "0")),
        (429, ("retry-after", "7")),
        (529, ("retry-after", "1")),
        (302, ("location", "http://127.0.0.1:1/steal")),
    ] {
        let provider = Provider::start(status, &[header], &said).await;
        let mut world = World::start(Api::Anthropic, provider, Budget::default()).await;
        let sent = world.post("/v1/messages", "x-api-key", &world.token, json!({})).await;
        assert_eq!(sent.0, status);
        assert!(sent.1.contains("is overloaded"), "{}", sent.1);
        assert_eq!(world.provider.got().len(), 1);
        let Some(Told::Failed(error)) = world.told.recv().await else { panic!("{status}") };
        let words = error.to_string();
        assert!(words.contains(&status.to_string()) && !words.contains(KEY), "{words}");
        assert_eq!(error.is_passing(), matches!(status, 429 | 529), "{words}");
        // What only looks may be refused, and nobody needs to hear of it.
        world.post("/v1/messages/count_tokens", "x-api-key", &world.token, json!({})).await;
        assert_eq!(world.provider.got().len(), 2);
        assert!(world.told.try_recv().is_err());
    }
}

#[tokio::test]
async fn a_provider_that_is_away_or_breaks_off_is_told_of() {
    let kind = [("content-type", "text/event-stream")];
    let begun = "event: message_start\ndata: {\"type\":\"message_start\"}\n\n";
    let provider = Provider::start(200, &kind, begun).await;
    let mut world = World::start(Api::Anthropic, provider, Budget::default()).await;
    let body = json!({ "stream": true });
    world.post("/v1/messages", "x-api-key", &world.token, body.clone()).await;
    assert_eq!(world.told.recv().await, Some(Told::Failed(ModelError::Cut)));
    assert!(matches!(world.told.recv().await, Some(Told::Used(_))), "nothing is free");
    world.provider.stop().await;
    let (status, _) = world.post("/v1/messages", "x-api-key", &world.token, body).await;
    assert_eq!(status, 502);
    let told = world.told.recv().await;
    assert!(matches!(told, Some(Told::Failed(ModelError::Unreachable { .. }))), "{told:?}");
}

#[tokio::test]
async fn an_answer_that_does_not_say_what_it_used_is_charged_as_estimated() {
    let provider = Provider::start(200, &[], "{}").await;
    let mut world = World::start(Api::Anthropic, provider, Budget::default()).await;
    let body = json!({ "max_tokens": 1000 });
    world.post("/v1/messages", "x-api-key", &world.token, body).await;
    let Some(Told::Used(metered)) = world.told.recv().await else { panic!() };
    assert_eq!(metered.usage.output, 1000);
}
