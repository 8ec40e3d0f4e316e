//! Updates that are pushed instead of polled for.

use gatepost_e2e::telegram::Fault;
use gatepost_e2e::world::ANN;
use gatepost_e2e::world::World;
use gatepost_e2e::world::only_task;

/// A port that nobody has now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn with_webhook(port: u16) -> World {
    let people = World::people();
    World::with(&format!(
        "{people}webhook_url = \"http://127.0.0.1:{port}/hook\"\n\
         webhook_listen = \"127.0.0.1:{port}\"\n"
    ))
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn pushed_updates_are_taken_once_and_polling_takes_the_webhook_away() {
    let port = free_port();
    let world = with_webhook(port).await;
    // What waited from before is pushed first.
    let _ = world.chat.say(ANN, "$ touch .git/hooks/x");
    let gatepost = world.setup.up();
    let question = world.question().await;
    let webhook = world.chat.webhook().unwrap();
    assert_eq!(webhook.secret.as_ref().map(String::len), Some(64), "a fresh secret");
    assert_eq!(world.chat.calls("getUpdates"), 0, "nobody polls");
    // The answer to a push is lost: it comes again and is the same press.
    world.chat.order("push", Fault::LoseAnswer, 1);
    let toast = world.chat.press(ANN, &question, "Deny").await;
    assert!(toast.text.contains("denied"), "{toast:?}");
    world.result("denied").await;
    world.chat.all_taken().await;
    only_task(&gatepost.api()).await;
    gatepost.kill_9();

    // While nobody answers, updates wait; afterwards each is taken once.
    let id = world.chat.say(ANN, "/who");
    let gatepost = world.setup.up();
    let answer = |message: &gatepost_e2e::telegram::Message| message.reply_to == Some(id);
    world.chat.message("answer", answer).await;
    world.chat.all_taken().await;
    assert_ne!(world.chat.webhook().unwrap().secret, webhook.secret, "fresh at every start");
    world.check(&gatepost);
    assert_eq!(gatepost.terminate(), Some(0));

    let polling = world.setup.clone().config(&format!(
        "[projects.demo]\npath = {:?}\n{}",
        world.project.path(),
        World::people()
    ));
    let gatepost = polling.up();
    let id = world.chat.say(ANN, "/who");
    let answer = |message: &gatepost_e2e::telegram::Message| message.reply_to == Some(id);
    world.chat.message("answer to a poll", answer).await;
    assert!(world.chat.webhook().is_none());
    world.check(&gatepost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_without_the_secret_is_turned_away_unread() {
    let port = free_port();
    let world = with_webhook(port).await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, "/who");
    world.chat.message("answer", |message| message.text.starts_with("You: 1001")).await;
    let secret = world.chat.webhook().unwrap().secret.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://127.0.0.1:{port}/hook");
    let forged = serde_json::json!({ "update_id": 5, "message": {
        "message_id": 9, "date": 1_780_000_000, "text": "$ echo forged",
        "chat": {"id": ANN, "type": "private", "first_name": "A"},
        "from": {"id": ANN, "is_bot": false, "first_name": "A"},
    }});
    let name = "X-Telegram-Bot-Api-Secret-Token";
    let (shorter, _) = secret.split_at(63);
    let almost = format!("{shorter}x");
    for given in [None, Some(""), Some("x"), Some(almost.as_str()), Some(shorter)] {
        let mut request = http.post(&url).body(forged.to_string());
        if let Some(given) = given {
            request = request.header(name, given);
        }
        assert_eq!(request.send().await.unwrap().status(), 401, "{given:?}");
    }
    let whole = |request: reqwest::RequestBuilder| request.header(name, &secret);
    let get = whole(http.get(&url)).send().await.unwrap().status();
    assert_eq!(get, 405, "only POST");
    let elsewhere = format!("http://127.0.0.1:{port}/other");
    let other = whole(http.post(&elsewhere)).body(forged.to_string()).send().await.unwrap();
    assert_eq!(other.status(), 404, "only the one path");
    let long = "x".repeat(2 * 1024 * 1024);
    // It may be cut off while it is still being sent.
    if let Ok(long) = whole(http.post(&url)).body(long).send().await {
        assert_eq!(long.status(), 413, "nothing larger than an update");
    }
    assert_eq!(gatepost.api().get("/api/tasks").await.as_array().unwrap().len(), 0);
    let begun = std::time::Instant::now();
    loop {
        let doctor = world.setup.run(&["doctor", "--json"]);
        assert!(!doctor.stdout.contains(&secret), "{}", doctor.stdout);
        if doctor.stdout.contains("5 pushes without the webhook's secret were turned away") {
            break;
        }
        assert!(begun.elapsed() < gatepost_e2e::PATIENCE, "{}", doctor.stdout);
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert!(!gatepost.log().contains(&secret), "{}", gatepost.log());
    world.check(&gatepost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_cannot_be_served_says_what_to_do() {
    let people = World::people();
    for (settings, says) in [
        ("webhook_url = \"bot.example\"\n", "webhook_url"),
        ("webhook_url = \"https://bot.example\"\nwebhook_listen = \"here\"\n", "webhook_listen"),
        (
            "webhook_url = \"https://bot.example\"\nwebhook_secret_file = \"nowhere\"\n",
            "webhook_secret_file",
        ),
    ] {
        let world = World::with(&format!("{people}{settings}")).await;
        let ended = world.setup.run(&["up"]);
        assert_eq!(ended.code, Some(2), "{}", ended.stdout);
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
        assert_eq!(world.chat.calls("setWebhook"), 0);
    }
}
