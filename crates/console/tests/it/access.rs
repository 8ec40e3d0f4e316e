//! Who gets in, from where, and what every answer tells the browser.

use gatepost_console::ServeError;
use reqwest::Method;
use reqwest::StatusCode;
use serde_json::json;

use crate::world::World;
use crate::world::send;

const READS: [&str; 7] = [
    "/api/tasks",
    "/api/tasks/t7k2qd",
    "/api/approvals",
    "/api/events",
    "/api/openapi.json",
    "/api/health",
    "/api/no-such-path",
];

#[tokio::test]
async fn nothing_answers_without_the_key() {
    let world = World::new().await;
    for path in READS {
        send(world.bare(Method::GET, path)).await.problem(401);
        let wrong = world.bare(Method::GET, path).bearer_auth("0".repeat(64));
        let got = send(wrong).await;
        got.problem(401);
        assert_eq!(got.headers["www-authenticate"], "Bearer");
        send(world.bare(Method::GET, path).header("cookie", format!("gatepost-{}=x", world.port)))
            .await
            .problem(401);
    }
    for (name, value) in [("authorization", "Basic eDp5"), ("authorization", "Bearer")] {
        send(world.bare(Method::GET, "/api/tasks").header(name, value)).await.problem(401);
    }
    let write = world.bare(Method::POST, "/api/tasks").json(&json!({"text": "x"}));
    send(write).await.problem(401);
    assert_eq!(world.get("/api/tasks").await, json!([]));
}

#[tokio::test]
async fn a_right_cookie_does_not_heal_a_wrong_key() {
    let world = World::new().await;
    let request = world.bare(Method::GET, "/api/tasks").header("cookie", world.cookie().await);
    send(request.bearer_auth("wrong")).await.problem(401);
}

#[tokio::test]
async fn the_link_is_exchanged_for_a_cookie_that_is_not_the_key() {
    let world = World::new().await;
    let path = format!("/?key={}", world.key.reveal());
    let got = send(world.bare(Method::GET, &path)).await;
    assert_eq!(got.status, StatusCode::SEE_OTHER);
    assert_eq!(got.headers["location"], "/");
    let cookie = got.headers["set-cookie"].to_str().unwrap();
    for part in ["; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(world.key.reveal()));
    let cookie = cookie.split(';').next().unwrap();
    let page = send(world.bare(Method::GET, "/").header("cookie", cookie)).await;
    assert_eq!(page.status, StatusCode::OK);
    let secret = cookie.split_once('=').unwrap().1;
    send(world.bare(Method::GET, "/api/tasks").bearer_auth(secret)).await.problem(401);
}

#[tokio::test]
async fn a_browser_without_the_key_is_told_where_to_find_it() {
    let world = World::new().await;
    for path in ["/", "/?key=", "/?key=wrong"] {
        let got = send(world.bare(Method::GET, path)).await;
        assert_eq!(got.status, StatusCode::UNAUTHORIZED);
        assert!(got.text.contains("gatepost up"), "{}", got.text);
        assert!(!got.headers.contains_key("set-cookie"));
        assert!(!got.headers.contains_key("refresh"));
    }
    // The redirect of a link that was followed from another page comes without the new cookie.
    let followed = world.bare(Method::GET, "/").header("sec-fetch-site", "cross-site");
    assert_eq!(send(followed).await.headers["refresh"], "0; url=/");
}

#[tokio::test]
async fn only_loopback_names_with_the_right_port_are_answered() {
    let world = World::new().await;
    let port = world.port;
    for host in [format!("127.0.0.1:{port}"), format!("LOCALHOST:{port}"), format!("[::1]:{port}")]
    {
        let got = send(world.keyed(Method::GET, "/api/tasks").header("host", &host)).await;
        assert_eq!(got.status, StatusCode::OK, "{host}");
    }
    for host in [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        format!("127.0.0.1.evil.example:{port}"),
        format!("localhost:{}", port ^ 1),
        "localhost".to_owned(),
        format!("user@127.0.0.1:{port}"),
    ] {
        for path in ["/", "/api/tasks", "/app.js"] {
            send(world.keyed(Method::GET, path).header("host", &host)).await.problem(421);
        }
    }
}

#[tokio::test]
async fn a_write_from_another_site_is_refused_whatever_it_shows() {
    let world = World::new().await;
    let cookie = world.cookie().await;
    let body = json!({"text": "x"});
    let port = world.port;
    for (name, value) in [
        ("origin", "https://evil.example".to_owned()),
        ("origin", "null".to_owned()),
        ("origin", format!("http://127.0.0.1:{}", port ^ 1)),
        ("origin", format!("https://127.0.0.1:{port}")),
        // Ours too, but not the page that was asked.
        ("origin", format!("http://localhost:{port}")),
        ("sec-fetch-site", "cross-site".to_owned()),
        ("sec-fetch-site", "same-site".to_owned()),
    ] {
        for request in [
            world.keyed(Method::POST, "/api/tasks"),
            world.bare(Method::POST, "/api/tasks").header("cookie", &cookie),
        ] {
            send(request.header(name, &value).json(&body)).await.problem(403);
        }
    }
    let silent = world.bare(Method::POST, "/api/tasks").header("cookie", &cookie);
    send(silent.json(&body)).await.problem(403);
    assert_eq!(world.get("/api/tasks").await, json!([]));
}

#[tokio::test]
async fn the_own_page_writes_json_with_its_cookie() {
    let world = World::new().await;
    let cookie = world.cookie().await;
    let origin = format!("http://127.0.0.1:{}", world.port);
    let own = || {
        world
            .bare(Method::POST, "/api/tasks")
            .header("cookie", &cookie)
            .header("origin", &origin)
            .header("sec-fetch-site", "same-origin")
    };
    let got = send(own().json(&json!({"text": "x"}))).await;
    assert_eq!(got.status, StatusCode::CREATED, "{}", got.text);
    // What a form or a simple request of another site could send.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        send(own().header("content-type", kind).body(r#"{"text": "x"}"#)).await.problem(415);
    }
    send(own().body(r#"{"text": "x"}"#)).await.problem(415);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let world = World::new().await;
    let cookie = world.cookie().await;
    for (path, proof) in
        [("/", true), ("/app.js", true), ("/api/tasks", true), ("/nope", true), ("/", false)]
    {
        let mut request = world.bare(Method::GET, path);
        if proof {
            request = request.header("cookie", &cookie);
        }
        let headers = send(request).await.headers;
        assert_eq!(
            headers["content-security-policy"],
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
             img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["cache-control"], "no-store");
        assert!(!headers.contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn an_address_that_others_can_reach_is_refused() {
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let hub = crate::fake::FakeHub::new();
    let key = gatepost_console::ConsoleKey::from_entropy([1; 32]);
    let stop = tokio_util::sync::CancellationToken::new();
    let served = gatepost_console::serve(listener, hub, key, stop).await;
    assert!(matches!(served, Err(ServeError::NotLoopback(_))));
}
