//! What goes wrong on the way out: pace, form, noise, secrets.

use std::time::Duration;
use std::time::Instant;

use gatepost_e2e::api::events_of;
use gatepost_e2e::telegram::Fault;
use gatepost_e2e::telegram::Message;
use gatepost_e2e::telegram::TOKEN;
use gatepost_e2e::world::ANN;
use gatepost_e2e::world::RISKY;
use gatepost_e2e::world::World;
use gatepost_e2e::world::has_key;
use gatepost_e2e::world::only_task;

#[tokio::test]
async fn failure_40_a_pause_is_kept_and_the_final_arrives_after_it() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let asked = world.chat.say(ANN, "$ sleep 6\n$ echo one\n$ echo two\n$ echo three");
    let card = world.card(asked).await;
    world.chat.order("editMessageText", Fault::Pause(4), 1);
    world.chat.called("editMessageText", 1).await;
    // The final is told to wait as well, and is not lost by it.
    world.chat.order("sendMessage", Fault::Pause(3), 1);
    let result = world.result("succeeded").await;
    assert!(!result.silent, "the final rings");
    let api = gatepost.api();
    api.finished(&only_task(&api).await).await;
    let card = world.settled(&card).await;
    assert!(card.text.contains("succeeded"), "the last state, not one between: {}", card.text);
    assert!(card.edits <= 4, "stale states are left out: {card:#?}");
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_41_unchanged_is_success_and_what_cannot_be_parsed_goes_out_plain() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let unparsed = "Bad Request: can't parse entities: character '-' is reserved";
    world.chat.order("sendMessage", Fault::Refuse(400, unparsed), 1);
    let asked = world.chat.say(ANN, "$ sleep 3\n$ touch .git/hooks/x");
    let card = world.card(asked).await;
    assert_eq!(card.entities, serde_json::json!([]), "plain, and there: {card:#?}");
    let outside = "Bad Request: entity beginning at UTF-16 offset 3 ends after the end of the text";
    world.chat.order("sendMessage", Fault::Refuse(400, outside), 1);
    let question = world.question().await;
    assert_eq!(question.entities, serde_json::json!([]), "plain, and there: {question:#?}");
    assert!(question.text.contains("touch .git/hooks/x"));
    // A pause is no parse failure: the words come with their form once it is over.
    world.chat.order("sendMessage", Fault::Pause(2), 1);
    let toast = world.chat.press(ANN, &question, "Deny").await;
    assert_eq!(toast.text, "denied, and the agent was told");
    let result = world.result("denied").await;
    assert_ne!(result.entities, serde_json::json!([]), "{result:#?}");
    // A second press edits the question to what it says already.
    let late = world.chat.press(ANN, &question, "Deny").await;
    assert!(late.text.starts_with("already denied"), "{late:?}");
    let same = "Bad Request: message is not modified: specified new message content and reply \
                markup are exactly the same";
    world.chat.order("editMessageText", Fault::Refuse(400, same), 1);
    gatepost.kill_9();
    let edits = world.chat.calls("editMessageText");
    let gatepost = world.setup.up();
    world.chat.called("editMessageText", edits + 1).await;
    let _ = world.chat.say(ANN, "/tasks");
    world.chat.message("list", |message| message.text.contains("denied ·")).await;
    assert_eq!(world.questions(), 1, "nothing is sent again for being unchanged");
    assert!(!gatepost.log().contains("a message was refused"), "it counts as done");
    world.check(&gatepost);
}

/// What is longer than a message comes as a file, whole; counted in UTF-16 units, as Telegram does.
#[tokio::test]
async fn failure_42_what_does_not_fit_a_message_comes_whole_as_a_file() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let smileys = "😀".repeat(1500);
    let _ = world.chat.say(ANN, &format!("$ echo 'BEGIN {smileys} END' | tee a.txt"));
    world.result("succeeded").await;
    let _ = world.chat.say(ANN, "/log");
    let log = world.chat.message("log", |message| message.document.is_some()).await;
    let text = log.document.unwrap();
    assert!(text.contains("BEGIN") && text.contains(&format!("{smileys} END")), "{text}");
    let _ = world.chat.say(ANN, "/diff");
    let is_diff = |m: &Message| {
        m.file.as_ref().is_some_and(|file| file.name == "changes.diff") || m.text.contains("+BEGIN")
    };
    let diff = world.chat.message("diff", is_diff).await;
    assert!(diff.document.unwrap_or(diff.text).contains("END"));
    world.check(&gatepost);
}

/// Drafts are not used: the fake refuses the method, and no test of the bot may call it.
#[tokio::test]
async fn failure_43_progress_is_an_edited_message_and_never_a_draft() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let asked = world.chat.say(ANN, "$ sleep 6\n$ echo done");
    let card = world.card(asked).await;
    let before = world.chat.messages().len();
    let card = world.says(&card, "running").await;
    assert!(card.edits > 0 && world.chat.messages().len() == before, "edited in place");
    world.result("succeeded").await;
    assert_eq!(world.chat.calls("sendMessageDraft"), 0);
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_44_only_questions_and_finals_ring() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, RISKY);
    let question = world.question().await;
    let _ = world.chat.reply(ANN, &question, "a word to the agent");
    world.chat.message("receipt", |message| message.text.contains("delivered")).await;
    world.chat.press(ANN, &question, "Approve once").await;
    world.result("succeeded").await;
    let (silent, loud): (Vec<_>, Vec<_>) =
        world.chat.messages().into_iter().partition(|message| message.silent);
    assert_eq!(loud.len(), 2, "the question and the result: {loud:#?}");
    assert!(silent.len() >= 2, "the card and the receipt: {silent:#?}");
    world.check(&gatepost);
}

/// The token is in the path of each call, so every error may hold it; the log is the most talkative
/// one that there is. What the agent prints is masked as well.
#[tokio::test]
async fn failure_45_no_token_in_a_log_or_a_message_whatever_fails() {
    let world = World::new().await;
    for method in ["getMe", "getUpdates", "sendMessage", "editMessageText", "answerCallbackQuery"] {
        world.chat.order(method, Fault::Cut, 1);
        world.chat.order(method, Fault::Refuse(404, "Not Found"), 1);
    }
    world.chat.order("setMyCommands", Fault::DownJson(400, "Bad Request: no"), 1);
    let gatepost = world.setup.clone().env("GATEPOST_LOG", "trace").up();
    let secret = "sk-ant-api03-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfGhIjKlMnOp";
    let _ =
        world.chat.say(ANN, &format!("$ echo {secret}\n$ touch .git/hooks/x # {secret} {TOKEN}"));
    let api = gatepost.api();
    let task = only_task(&api).await;
    let approval = api.approval(&task).await;
    api.answer(&approval, "deny").await;
    api.finished(&task).await;
    let _ = world.chat.say(ANN, "/log");
    let log = |message: &Message| message.text.contains("| ") || message.document.is_some();
    world.chat.message("log", log).await;
    for message in world.chat.messages() {
        let file = message.document.unwrap_or_default();
        let said = format!("{}{file}", message.text);
        assert!(!said.contains(secret) && !said.contains(TOKEN), "{said}");
    }
    // A wrong address is named without what would be called there.
    let ended = world.setup.clone().env("TELEGRAM_API_URL", "http://127.0.0.1:1");
    let other = ended.data(&world.root().join("other-data")).up();
    let begun = Instant::now();
    while !other.log().contains("is asked again") {
        assert!(begun.elapsed() < gatepost_e2e::PATIENCE, "{}", other.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.check(&other);
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_46_a_card_that_a_crash_left_at_work_says_interrupted_and_can_go_on() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let asked = world.chat.say(ANN, "$ sleep 300");
    let card = world.card(asked).await;
    world.says(&card, "running").await;
    gatepost.kill_9();
    let gatepost = world.setup.up();
    let card = world.says(&card, "interrupted").await;
    assert!(!has_key(&card, "Stop") && !card.text.starts_with('⏳'), "{card:#?}");
    let result = world.result("interrupted").await;
    let toast = world.chat.press(ANN, &result, "Run again").await;
    assert!(toast.text.starts_with("taken as task"), "{toast:?}");
    let api = gatepost.api();
    let first = api.get("/api/tasks").await[1]["id"].as_str().unwrap().to_owned();
    assert_eq!(events_of(&api.task(&first).await, "action-started").len(), 1);
    world.check(&gatepost);
}
