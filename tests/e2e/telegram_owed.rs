//! What is owed to people: an answer that waits, a final that met a closed door, a file for one.

use gatepost_e2e::telegram::Fault;
use gatepost_e2e::telegram::Message;
use gatepost_e2e::world::ANN;
use gatepost_e2e::world::BOB;
use gatepost_e2e::world::GROUP;
use gatepost_e2e::world::World;

/// Telegram's words for a bot that somebody blocked.
const BLOCKED: &str = "Forbidden: bot was blocked by the user";

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_waits_to_be_sent_outlives_kill_9_and_comes_once() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    // The first answer is on its way and the others wait behind it.
    world.chat.order("sendMessage", Fault::Wedge, 1);
    let tasks = world.chat.say(ANN, "/tasks");
    world.chat.called("sendMessage", 1).await;
    let who = world.chat.say(ANN, "/who");
    let grants = world.chat.say(ANN, "/grants");
    world.chat.all_taken().await;
    gatepost.kill_9();
    assert_eq!(world.chat.messages().len(), 0, "{:#?}", world.chat.messages());

    let gatepost = world.setup.up();
    let to = |asked: i64| move |message: &Message| message.reply_to == Some(asked);
    let people = world.chat.message("people", to(who)).await;
    assert!(people.text.contains("You: 1001"), "{}", people.text);
    let held = world.chat.message("grants", to(grants)).await;
    assert!(held.text.contains("Nothing is approved"), "{}", held.text);
    gatepost.kill_9();

    // What was answered is not answered again, nor what may have been.
    let gatepost = world.setup.up();
    let help = world.chat.say(ANN, "/help");
    world.chat.message("help", to(help)).await;
    assert_eq!(world.chat.messages_that(to(who)).len(), 1);
    assert_eq!(world.chat.messages_that(to(grants)).len(), 1);
    assert_eq!(world.chat.messages_that(to(tasks)).len(), 0);
    world.check(&gatepost);
}

/// Whoever answers a message may be faster than Telegram's word to the bot of which one it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_to_a_message_that_is_still_under_way_speaks_to_its_task() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    world.chat.order("sendMessage", Fault::Late(std::time::Duration::from_secs(3)), 1);
    let asked = world.chat.say(ANN, "$ sleep 8");
    let card = world.card(asked).await;
    let word = world.chat.reply(ANN, &card, "a word");
    let receipt = world.chat.message("receipt", |message| message.reply_to == Some(word)).await;
    assert!(!receipt.text.contains("taken"), "{}", receipt.text);
    let api = gatepost.api();
    let task = gatepost_e2e::world::only_task(&api).await;
    let over = api.finished(&task).await;
    assert_eq!(gatepost_e2e::api::events_of(&over, "message-received").len(), 1, "{over:#}");
    world.check(&gatepost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_that_met_a_block_comes_when_the_bot_is_let_back_in() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let asked = world.chat.say(ANN, "$ sleep 3\n$ echo done");
    world.card(asked).await;
    world.chat.forbid(ANN, BLOCKED);
    let api = gatepost.api();
    let task = gatepost_e2e::world::only_task(&api).await;
    let over = api.finished(&task).await;
    assert_eq!(over["outcome"], "succeeded", "{over:#}");
    let refused = || async {
        let task = api.task(&task).await;
        let noted = gatepost_e2e::api::events_of(&task, "chat-noted");
        noted
            .iter()
            .any(|event| event["note"]["type"] == "not-sent" && event["note"]["key"] == "result")
    };
    let begun = std::time::Instant::now();
    while !refused().await {
        assert!(begun.elapsed() < gatepost_e2e::PATIENCE, "the final was not refused");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    gatepost.kill_9();

    let gatepost = world.setup.up();
    world.chat.allow(ANN);
    let result = world.result("succeeded").await;
    assert_eq!(result.chat, ANN);
    world.check(&gatepost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_sees_no_secrets_sees_no_file_and_whoever_asked_gets_it() {
    let section = format!("{}approvals = \"private\"\n", World::people());
    let world = World::with(&section).await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(BOB, "/start");
    let words =
        "@gate_test_bot $ mkdir .gatepost-outbox && echo 'for Bob' > .gatepost-outbox/report.txt";
    let _ = world.chat.say_in(GROUP, BOB, words);
    let file = world.chat.message("file", |message| message.document.is_some()).await;
    assert_eq!((file.chat, file.document.as_deref()), (BOB, Some("for Bob\n")));
    let result = world.result("succeeded").await;
    assert_eq!(result.chat, GROUP);
    let in_group = |message: &Message| message.chat == GROUP && message.document.is_some();
    assert_eq!(world.chat.messages_that(in_group).len(), 0);
    world.check(&gatepost);
}
