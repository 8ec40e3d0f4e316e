//! The fake is asked as a bot would ask, and must refuse what Telegram refuses.

use std::sync::Arc;
use std::sync::Mutex;

use axum::http::HeaderMap;
use axum::http::StatusCode;
use serde_json::json;

use super::*;

const ANN: i64 = 1001;
const FORUM: i64 = -1_005_678;

struct Caller(FakeTelegram, reqwest::Client);

impl Caller {
    async fn new() -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self(FakeTelegram::start().await, http)
    }

    async fn call(&self, method: &str, fields: Value) -> Value {
        let url = format!("{}/bot{TOKEN}/{method}", self.0.url());
        let answer = self.1.post(url).json(&fields).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    async fn refused(&self, method: &str, fields: Value) -> String {
        let answer = self.call(method, fields).await;
        assert_eq!(answer["ok"], false, "{method}: {answer:#}");
        answer["description"].as_str().unwrap().to_owned()
    }

    async fn done(&self, method: &str, fields: Value) -> Value {
        let answer = self.call(method, fields).await;
        assert_eq!(answer["ok"], true, "{method}: {answer:#}");
        answer["result"].clone()
    }
}

/// Flood control lets two through in a second.
async fn calm() {
    tokio::time::sleep(Duration::from_millis(1010)).await;
}

#[tokio::test]
async fn files_are_fetched_up_to_their_limit() {
    let bot = Caller::new().await;
    let photo = Attachment::photo(b"jpeg bytes");
    let large = Attachment::document("a.iso", "application/x-iso", b"").of_size(21 * 1024 * 1024);
    let _ids = bot.0.album(ANN, ANN, &[photo, large], "two of them");
    let updates = bot.done("getUpdates", json!({})).await;
    let (first, second) = (&updates[0]["message"], &updates[1]["message"]);
    assert_eq!(first["media_group_id"], second["media_group_id"]);
    assert_eq!(first["caption"], "two of them");
    let id = first["photo"][1]["file_id"].clone();
    let file = bot.done("getFile", json!({ "file_id": id })).await;
    let path = file["file_path"].as_str().unwrap().replace('/', "%2F");
    let url = format!("{}/file/bot{TOKEN}/{path}", bot.0.url());
    let bytes = bot.1.get(url).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(bytes.as_ref(), b"jpeg bytes");
    let id = second["document"]["file_id"].clone();
    let why = bot.refused("getFile", json!({ "file_id": id })).await;
    assert_eq!(why, "Bad Request: file is too big");
    assert_eq!(bot.refused("getFile", json!({ "file_id": "x" })).await.find("invalid"), Some(13));
}

#[tokio::test]
async fn topics_are_made_with_the_right_to_it_and_written_in_while_they_are_open() {
    let bot = Caller::new().await;
    let name = json!({ "chat_id": FORUM, "name": "a task" });
    assert!(bot.refused("createForumTopic", name.clone()).await.contains("not a forum"));
    let forum = |rights| Group { forum: true, rights, ..Group::default() };
    bot.0.group(FORUM, forum(Rights::Member));
    assert!(bot.refused("createForumTopic", name.clone()).await.contains("not enough rights"));
    bot.0.group(FORUM, forum(Rights::Admin { topics: true }));
    let thread = bot.done("createForumTopic", name).await["message_thread_id"].as_i64().unwrap();
    let write = json!({ "chat_id": FORUM, "message_thread_id": thread, "text": "hello" });
    bot.done("sendMessage", write.clone()).await;
    let general = json!({ "chat_id": FORUM, "message_thread_id": 1, "text": "hello" });
    assert!(bot.refused("sendMessage", general).await.ends_with("message thread not found"));

    calm().await;
    let _id = bot.0.say_in_topic(FORUM, ANN, thread, "in the topic");
    bot.0.close_topic(FORUM, ANN, thread);
    let updates = bot.done("getUpdates", json!({})).await;
    assert_eq!(updates[0]["message"]["reply_to_message"]["message_id"], thread);
    assert!(updates[1]["message"].get("forum_topic_closed").is_some());
    assert!(bot.refused("sendMessage", write.clone()).await.ends_with("TOPIC_CLOSED"));
    let topic = json!({ "chat_id": FORUM, "message_thread_id": thread });
    bot.done("reopenForumTopic", topic.clone()).await;
    bot.0.delete_topic(FORUM, thread);
    assert!(bot.refused("sendMessage", write).await.ends_with("message thread not found"));
    assert!(bot.refused("closeForumTopic", topic).await.ends_with("TOPIC_ID_INVALID"));
    assert_eq!((bot.0.messages().len(), bot.0.topics(FORUM).len()), (0, 0));

    let mine = json!({ "chat_id": ANN, "name": "a task" });
    let _id = bot.0.say(ANN, "hello");
    assert!(bot.refused("createForumTopic", mine.clone()).await.contains("not a forum"));
    bot.0.private_topics(true);
    assert_eq!(bot.done("getMe", json!({})).await["has_topics_enabled"], true);
    bot.done("createForumTopic", mine).await;
}

#[tokio::test]
async fn a_webhook_gets_each_update_with_its_secret_until_it_takes_it() {
    let bot = Caller::new().await;
    let pushed = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&pushed);
    let hook = axum::routing::post(move |headers: HeaderMap, body: String| {
        let mut seen = seen.lock().unwrap();
        let secret = headers["X-Telegram-Bot-Api-Secret-Token"].to_str().unwrap().to_owned();
        seen.push((secret, body));
        let first = seen.len() == 1;
        async move { if first { StatusCode::BAD_GATEWAY } else { StatusCode::OK } }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    let app = axum::Router::new().route("/hook", hook);
    server.spawn(async move { axum::serve(listener, app).await.unwrap() });

    let wrong = bot.refused("setWebhook", json!({ "url": "http://example.com/x" })).await;
    assert!(wrong.contains("HTTPS"), "{wrong}");
    bot.done("setWebhook", json!({ "url": url, "secret_token": "s3cret" })).await;
    assert_eq!(bot.refused("getUpdates", json!({})).await, CONFLICT_WITH_WEBHOOK);
    let _id = bot.0.say(ANN, "pushed");
    bot.0.all_taken().await;
    let info = bot.done("getWebhookInfo", json!({})).await;
    assert_eq!(info["pending_update_count"], 0);
    assert!(info["last_error_message"].as_str().unwrap().contains("502"), "{info:#}");
    let pushed = pushed.lock().unwrap().clone();
    assert_eq!(pushed.len(), 2, "{pushed:#?}");
    assert_eq!(pushed[0], pushed[1], "the same again");
    assert_eq!(pushed[0].0, "s3cret");
    bot.done("deleteWebhook", json!({})).await;
    bot.done("getUpdates", json!({})).await;
}

#[tokio::test]
async fn updates_wait_a_day_and_a_second_poll_ends_the_first() {
    let bot = Caller::new().await;
    let _id = bot.0.say(ANN, "old");
    assert_eq!(bot.0.grow_older(Duration::from_secs(20 * 3600)), 0);
    let _id = bot.0.say(ANN, "young");
    assert_eq!(bot.0.grow_older(Duration::from_secs(5 * 3600)), 1, "one is older than a day");
    let updates = bot.done("getUpdates", json!({})).await;
    assert_eq!(updates[0]["message"]["text"], "young");
    let next = updates[0]["update_id"].as_i64().unwrap() + 1;
    let poll = bot.refused("getUpdates", json!({ "offset": next, "timeout": 20 }));
    let other = async {
        while bot.0.unconfirmed() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bot.0.poll_from_elsewhere().await
    };
    assert_eq!(tokio::join!(poll, other), (CONFLICT.to_owned(), json!([])));
}

#[tokio::test]
async fn what_telegram_would_refuse_is_refused() {
    let bot = Caller::new().await;
    let to_ann = json!({ "chat_id": ANN, "text": "hello" });
    let first = bot.refused("sendMessage", to_ann.clone()).await;
    assert!(first.contains("can't initiate"), "{first}");
    let _id = bot.0.say(ANN, "/start");
    bot.0.forbid(ANN, "Forbidden: bot was blocked by the user");
    assert!(bot.refused("sendMessage", to_ann.clone()).await.contains("blocked"));
    bot.0.allow(ANN);
    let id = bot.done("sendMessage", to_ann).await["message_id"].clone();
    let same = json!({ "chat_id": ANN, "message_id": id, "text": "hello" });
    assert!(bot.refused("editMessageText", same).await.contains("is not modified"));
    bot.0.assert_clean();
    calm().await;
    let over = json!({ "chat_id": ANN, "text": "hi",
                       "entities": [{ "type": "bold", "offset": 1, "length": 2 }] });
    assert!(bot.refused("sendMessage", over).await.contains("ends after the end of the text"));
    assert_eq!(bot.0.state().violations.len(), 1);

    // Privacy mode hides what is not for the bot.
    let _hidden = bot.0.say_in(FORUM, ANN, "among us");
    let _shown = bot.0.say_in(FORUM, ANN, "@gate_test_bot hello");
    let updates = bot.done("getUpdates", json!({})).await;
    let said = updates.as_array().unwrap().iter().filter(|update| update["message"].is_object());
    assert_eq!(said.count(), 2, "{updates:#}");

    bot.0.migrate(FORUM, -1_009_876, ANN);
    let there = bot.call("sendMessage", json!({ "chat_id": FORUM, "text": "hello" })).await;
    assert_eq!(there["parameters"]["migrate_to_chat_id"], -1_009_876);
}
