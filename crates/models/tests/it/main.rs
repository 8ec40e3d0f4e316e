//! A client against a server that fails in every way a provider does.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail as tests do"
)]

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

use gatepost_models::Api;
use gatepost_models::Client;
use gatepost_models::Endpoint;
use gatepost_models::KeySource;
use gatepost_models::Message;
use gatepost_models::ModelError;
use gatepost_models::Part;
use gatepost_models::Patience;
use gatepost_models::Request;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

const KEY: &str = "sk-test-0123456789abcdef";

/// What the server does with one request.
#[derive(Clone)]
enum Play {
    /// This status, these further headers, this body.
    Say(u16, &'static str, String),
    /// Takes the request and says nothing.
    Hang,
    /// Begins to answer, then says nothing.
    Stall,
}

fn whole() -> Play {
    Play::Say(200, "", events(true))
}

fn cut() -> Play {
    Play::Say(200, "", events(false))
}

fn fails(status: u16) -> Play {
    let body = format!("{{\"error\":{{\"message\":\"wrong key {KEY}\"}}}}");
    Play::Say(status, "", body)
}

fn events(end: bool) -> String {
    let mut lines = vec![
        r#"{"type":"message_start","message":{"usage":{"input_tokens":3,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hello"}}"#,
    ];
    if end {
        lines.push(r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}"#);
        lines.push(r#"{"type":"message_stop"}"#);
    }
    lines.iter().map(|line| format!("data: {line}\n\n")).collect()
}

/// Plays a script, one entry a request, and gives the requests it saw.
async fn play(script: Vec<Play>, ask: impl AsyncFnOnce(Client)) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let client = client(folder.path(), listener.local_addr().unwrap().port());
    let seen = std::sync::Mutex::new(Vec::new());
    let serve = async {
        let mut open = Vec::new();
        for play in script {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            loop {
                let mut piece = [0; 4096];
                let read = socket.read(&mut piece).await.unwrap();
                request.extend_from_slice(&piece[..read]);
                let text = String::from_utf8_lossy(&request);
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if length.is_some_and(|length| body.len() >= length.parse().unwrap()) {
                    break;
                }
            }
            seen.lock().unwrap().push(String::from_utf8(request).unwrap());
            let answer = match &play {
                Play::Say(status, headers, body) => {
                    format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{headers}\r\n{body}")
                }
                Play::Hang => String::new(),
                Play::Stall => "HTTP/1.1 200 OK\r\n\r\ndata: {\"type\":\"ping\"}\n\n".into(),
            };
            socket.write_all(answer.as_bytes()).await.unwrap();
            if matches!(play, Play::Hang | Play::Stall) {
                open.push(socket);
            }
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = serve => {}
        () = ask(client) => {}
    }
    seen.into_inner().unwrap()
}

fn client(folder: &Path, port: u16) -> Client {
    let path = folder.join("key");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.create(true).write(true).truncate(true).mode(0o600).open(&path).unwrap();
    file.write_all(KEY.as_bytes()).unwrap();
    let endpoint = Endpoint {
        name: "x".into(),
        api: Api::Anthropic,
        base_url: format!("http://127.0.0.1:{port}"),
        key: KeySource::File(path),
        model: "m".into(),
        price: None,
        context: 8_000,
        max_output: 500,
    };
    let patience = Patience {
        first: Duration::from_millis(500),
        idle: Duration::from_millis(500),
        pause: Duration::from_millis(1),
        tries: 3,
        ..Patience::default()
    };
    Client::new(endpoint, patience).unwrap()
}

fn request() -> Request {
    Request { messages: vec![Message::Person { text: "hi".into() }], ..Request::default() }
}

/// The error after this script, and how many requests it took.
async fn error(script: Vec<Play>) -> (ModelError, usize) {
    let mut found = None;
    let seen = play(script, async |client| {
        found = Some(client.reply(&request()).await.unwrap_err());
    });
    let seen = seen.await;
    let error = found.unwrap();
    assert!(!format!("{error} {error:?}").contains(KEY), "{error:?}");
    (error, seen.len())
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_does_not_is_not() {
    for passing in [fails(500), fails(529), fails(503), fails(429), cut(), Play::Hang, Play::Stall]
    {
        let seen = play(vec![passing, whole()], async |client| {
            assert_eq!(client.reply(&request()).await.unwrap().text(), "hello");
        });
        assert_eq!(seen.await.len(), 2);
    }
    for lasting in [fails(401), fails(403), fails(404), fails(400)] {
        assert_eq!(error(vec![lasting, whole()]).await.1, 1);
    }
    let garbage = Play::Say(200, "", "data: <html>\n\n".into());
    let (garbage, asked) = error(vec![garbage, whole()]).await;
    assert!(matches!(garbage, ModelError::Unparseable { .. }) && asked == 1, "{garbage:?}");
}

#[tokio::test]
async fn after_so_many_tries_the_last_error_is_the_answer() {
    assert!(matches!(error(vec![fails(500); 3]).await, (ModelError::Server { .. }, 3)));
    assert!(matches!(error(vec![cut(); 3]).await, (ModelError::Cut, 3)));
    assert!(matches!(error(vec![Play::Hang; 3]).await, (ModelError::Timeout { .. }, 3)));
    assert!(matches!(error(vec![Play::Stall; 3]).await, (ModelError::Timeout { .. }, 3)));
}

#[tokio::test]
async fn a_provider_is_left_alone_for_as_long_as_it_asks() {
    let wait = Play::Say(429, "retry-after: 1\r\n", "{}".into());
    let begun = Instant::now();
    play(vec![wait, whole()], async |client| {
        client.reply(&request()).await.unwrap();
    })
    .await;
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let forever = Play::Say(429, "retry-after: 100000\r\n", "{}".into());
    let (error, asked) = error(vec![forever, whole()]).await;
    let wanted = Some(Duration::from_secs(100_000));
    assert!(
        matches!(&error, ModelError::RateLimited { retry_after, .. } if *retry_after == wanted),
        "{error:?}"
    );
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn what_was_shown_already_is_not_asked_for_again() {
    let seen = play(vec![cut(), whole()], async |client| {
        let mut turn = client.turn(&request()).await.unwrap();
        assert_eq!(turn.next().await.unwrap(), Some(Part::Text("hello".into())));
        assert_eq!(turn.next().await, Err(ModelError::Cut));
        assert_eq!(turn.next().await, Ok(None));
    });
    assert_eq!(seen.await.len(), 1);
}

#[tokio::test]
async fn the_key_travels_in_its_header_alone() {
    let seen = play(vec![whole()], async |client| {
        client.reply(&request()).await.unwrap();
        assert!(!format!("{client:?}").contains(KEY));
    })
    .await;
    assert!(seen[0].contains(&format!("x-api-key: {KEY}\r\n")), "{}", seen[0]);
    assert!(seen[0].contains("anthropic-version: 2023-06-01\r\n"));
    assert_eq!(seen[0].matches(KEY).count(), 1);
}

#[tokio::test]
async fn a_redirect_does_not_take_the_key_along() {
    let away = Play::Say(307, "location: http://127.0.0.1:9/\r\n", String::new());
    assert!(matches!(error(vec![away]).await, (ModelError::Refused { .. }, 1)));
}

#[tokio::test]
async fn without_a_key_nothing_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let client = client(folder.path(), 9);
    std::fs::remove_file(folder.path().join("key")).unwrap();
    let error = client.reply(&request()).await.unwrap_err();
    assert!(matches!(&error, ModelError::NoKey(_)), "{error:?}");
    assert!(error.to_string().contains("put the key into it"), "{error}");
}
