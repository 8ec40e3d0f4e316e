//! The fake itself: what it refuses, and what it holds against a bot.

use std::time::Duration;

use serde_json::json;

use super::*;

async fn call(fake: &FakeDiscord, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let url = format!("{}/api/v10{path}", fake.url());
    let client = reqwest::Client::new();
    let mut request = client
        .request(method.parse().unwrap(), url)
        .header("user-agent", "DiscordBot (https://example.org, 1)");
    if !path.starts_with("/interactions") {
        request = request.header("authorization", format!("Bot {TOKEN}"));
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_default())
}

fn good(nonce: &str) -> Value {
    json!({
        "content": "hello", "flags": 4, "allowed_mentions": {"parse": []}, "nonce": nonce,
        "enforce_nonce": true,
    })
}

#[tokio::test]
async fn a_nonce_is_taken_once_and_what_discord_refuses_is_refused() {
    let fake = FakeDiscord::start().await;
    let messages = format!("/channels/{CHANNEL}/messages");
    let (status, first) = call(&fake, "POST", &messages, Some(good("1"))).await;
    let (_, again) = call(&fake, "POST", &messages, Some(good("1"))).await;
    assert_eq!((status, &first["id"]), (200, &again["id"]));
    assert_eq!(fake.messages().len(), 1);
    fake.assert_clean();
    let mut loud = good("2");
    loud["allowed_mentions"] = json!({"parse": ["everyone"]});
    let mut long = good("3");
    long["content"] = "x".repeat(2001).into();
    for bad in [loud, long] {
        call(&fake, "POST", &messages, Some(bad)).await;
    }
    assert_eq!(fake.state().violations.len(), 2, "{:#?}", fake.state().violations);
}

#[tokio::test]
async fn whoever_does_not_keep_to_a_bucket_is_told_to_wait_and_found_out() {
    let fake = FakeDiscord::start().await;
    let path = format!("/channels/{CHANNEL}");
    for _ in 0..5 {
        assert_eq!(call(&fake, "GET", &path, None).await.0, 200);
    }
    let (status, body) = call(&fake, "GET", &path, None).await;
    assert_eq!((status, &body["global"]), (429, &json!(false)));
    assert_eq!(fake.state().violations.len(), 1);
}

#[tokio::test]
async fn an_interaction_is_acknowledged_once_and_in_time() {
    let fake = FakeDiscord::start().await;
    let id = fake.commands(2001, CHANNEL, "who", &[]);
    let token = fake.state().interactions[&id].token.clone();
    let path = format!("/interactions/{id}/{token}/callback");
    let ack = || Some(json!({"type": 5}));
    assert_eq!(call(&fake, "POST", &path, ack()).await.0, 200);
    assert_eq!(call(&fake, "POST", &path, ack()).await.1["code"], 40060);
    assert_eq!(fake.state().violations.len(), 1);
    let late = fake.commands(2001, CHANNEL, "who", &[]);
    let token = {
        let mut state = fake.state();
        let it = state.interactions.get_mut(&late).unwrap();
        it.tire(Duration::from_secs(4));
        it.token.clone()
    };
    let path = format!("/interactions/{late}/{token}/callback");
    assert_eq!(call(&fake, "POST", &path, ack()).await.1["code"], 10062);
}
