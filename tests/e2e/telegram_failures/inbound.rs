//! What goes wrong on the way in: polls, updates, identity.

use std::time::Duration;
use std::time::Instant;

use gatepost_e2e::api::events_of;
use gatepost_e2e::telegram::CONFLICT;
use gatepost_e2e::telegram::Fault;
use gatepost_e2e::world::ANN;
use gatepost_e2e::world::BOB;
use gatepost_e2e::world::GROUP;
use gatepost_e2e::world::World;
use gatepost_e2e::world::has_key;
use gatepost_e2e::world::only_task;
use gatepost_e2e::world::tasks;

/// Longer than the watchdog of the poll, on a machine that has other things to do.
const DEAF: Duration = Duration::from_secs(150);

#[tokio::test]
async fn failure_01_a_restart_during_an_open_poll_waits_out_every_conflict() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    world.chat.called("getUpdates", 1).await;
    gatepost.kill_9();
    // Telegram holds the dead poll open for a while. Programs that gave up at the eighth were deaf.
    let polls = world.chat.calls("getUpdates");
    world.chat.order("getUpdates", Fault::Refuse(409, CONFLICT), 9);
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, "$ echo heard > a.txt");
    world.chat.called("getUpdates", polls + 10).await;
    let api = gatepost.api();
    let task = only_task(&api).await;
    assert_eq!(api.finished(&task).await["outcome"], "succeeded");
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_02_another_program_with_the_token_is_named_and_outlasted() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    for round in 1..=3 {
        world.chat.called("getUpdates", 2 * round - 1).await;
        assert!(world.chat.poll_from_elsewhere().await.is_array());
        world.chat.called("getUpdates", 2 * round).await;
    }
    let _ = world.chat.say(ANN, "$ echo heard");
    only_task(&gatepost.api()).await;
    assert!(gatepost.log().contains("another program polls with the same token"));
    world.check(&gatepost);
}

/// A poll that never comes back, on a connection that looks alive.
#[tokio::test]
async fn failure_03_a_wedged_poll_is_noticed_and_made_anew() {
    let world = World::new().await;
    world.chat.order("getUpdates", Fault::Wedge, 1);
    let gatepost = world.setup.up();
    world.chat.called("getUpdates", 1).await;
    let _ = world.chat.say(ANN, "$ echo heard");
    let begun = Instant::now();
    while world.chat.calls("getUpdates") < 2 {
        assert!(begun.elapsed() < DEAF, "the poll is dead and nobody noticed");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    only_task(&gatepost.api()).await;
    assert!(gatepost.log().contains("a poll failed"), "it is said");
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_05_what_was_sent_while_down_runs_once_and_the_gap_is_said() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    world.chat.called("getUpdates", 1).await;
    assert_eq!(gatepost.terminate(), Some(0));
    let _ = world.chat.say(ANN, "$ echo while-down > w.txt");
    world.chat.grow_older(Duration::from_secs(20 * 60));
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let task = only_task(&api).await;
    assert_eq!(api.finished(&task).await["outcome"], "succeeded");
    world.chat.message("gap", |message| message.text.contains("was not running")).await;
    world.chat.all_taken().await;
    assert_eq!(only_task(&api).await, task);
    world.check(&gatepost);
}

/// The receipt of the update is lost, then the process dies, then everything comes again, twice.
#[tokio::test]
async fn failure_06_an_update_that_comes_again_after_a_crash_is_not_run_again() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    world.chat.called("getUpdates", 1).await;
    world.chat.order("getUpdates", Fault::LoseAnswer, 1);
    let id = world.chat.say(ANN, "$ echo once > w.txt");
    let task = only_task(&gatepost.api()).await;
    gatepost.kill_9();
    world.chat.deliver_again(ANN, ANN, id, "$ echo once > w.txt");
    world.chat.repeat_waiting();
    let gatepost = world.setup.up();
    world.chat.all_taken().await;
    let api = gatepost.api();
    assert_eq!(only_task(&api).await, task, "the same message is the same task");
    let over = api.finished(&task).await;
    assert!(events_of(&over, "action-started").len() <= 1, "{over:#}");
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_07_updates_may_be_numbered_anew_after_a_quiet_week() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, "$ echo before");
    let api = gatepost.api();
    only_task(&api).await;
    world.chat.all_taken().await;
    // A poll that found nothing lies between the two weeks.
    world.chat.called("getUpdates", world.chat.calls("getUpdates") + 1).await;
    world.chat.number_updates_from(1000);
    let _ = world.chat.say(ANN, "$ echo after");
    tasks(&api, 2).await;
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_09_a_message_while_the_agent_works_is_delivered_or_queued_and_says_so() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let asked = world.chat.say(ANN, "$ sleep 300");
    let card = world.card(asked).await;
    let card = world.says(&card, "running").await;
    let _ = world.chat.reply(ANN, &card, "$ echo more");
    world
        .chat
        .message("receipt", |message| message.text.contains("delivered to the running agent"))
        .await;
    let second = world.chat.say(ANN, "$ echo second");
    let receipt = world.card(second).await;
    assert!(receipt.text.contains("queued 2nd"), "{}", receipt.text);
    let api = gatepost.api();
    let both = tasks(&api, 2).await;
    let first = api.task(both[1]["id"].as_str().unwrap()).await;
    assert_eq!(events_of(&first, "message-received").len(), 1, "{first:#}");
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_10_a_full_queue_is_called_full() {
    let people = World::people();
    let world = World::with(&format!("[hub]\nmax_queued = 1\n{people}")).await;
    let gatepost = world.setup.up();
    let first = world.chat.say(ANN, "$ sleep 300");
    let card = world.card(first).await;
    world.says(&card, "running").await;
    let second = world.chat.say(ANN, "$ echo second");
    world.card(second).await;
    let third = world.chat.say(ANN, "$ echo third");
    let refusal = world.card(third).await;
    assert!(refusal.text.starts_with("Refused:"), "{}", refusal.text);
    assert!(refusal.text.contains("queue full"), "{}", refusal.text);
    tasks(&gatepost.api(), 2).await;
    world.check(&gatepost);
}

/// A deleted message cannot be seen by a bot on Telegram; an edited one can.
#[tokio::test]
async fn failure_12_an_edited_message_is_answered_and_changes_no_task() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let blocking = world.chat.say(ANN, "$ sleep 2");
    world.card(blocking).await;
    let asked = world.chat.say(ANN, "$ echo as-sent > a.txt");
    world.card(asked).await;
    world.chat.edit(ANN, ANN, asked, "$ rm -rf /");
    world.chat.message("answer", |message| message.text.contains("as you first sent")).await;
    let api = gatepost.api();
    let newest = &tasks(&api, 2).await[0];
    let over = api.finished(newest["id"].as_str().unwrap()).await;
    assert_eq!(over["text"], "$ echo as-sent > a.txt");
    assert_eq!(over["outcome"], "succeeded");
    world.check(&gatepost);
}

#[tokio::test]
async fn failure_16_a_group_that_moves_is_followed() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let moved = -1_008_888;
    let _ = world.chat.say_in(GROUP, ANN, "@gate_test_bot $ sleep 4\n$ touch .git/hooks/x");
    world.chat.message("card", |message| message.chat == GROUP).await;
    // Only the refusal of a call says so: the notice of it comes last.
    world.chat.order("sendMessage", Fault::Migrated(moved), 1);
    let question = world.question().await;
    assert_eq!(question.chat, moved);
    world.chat.migrate(GROUP, moved, ANN);
    world.chat.all_taken().await;
    gatepost.kill_9();

    let gatepost = world.setup.up();
    let toast = world.chat.press(ANN, &question, "Deny").await;
    assert!(toast.text.starts_with("denied"), "{toast:?}");
    let result = world.result("denied").await;
    assert_eq!(result.chat, moved);
    let _ = world.chat.say_in(moved, ANN, "@gate_test_bot $ echo there");
    tasks(&gatepost.api(), 2).await;
    world.check(&gatepost);
}

/// Numbers of messages are the same in two groups; what is said in one stays there.
#[tokio::test]
async fn failure_19_the_same_number_in_another_chat_is_another_message() {
    let elsewhere = -1_007_777;
    let world = World::with(&format!(
        "[telegram]\nrequesters = [{ANN}, {BOB}]\napprovers = [{ANN}]\n\
         groups = [{GROUP}, {elsewhere}]\n"
    ))
    .await;
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let one = world.chat.say_in(GROUP, ANN, "@gate_test_bot $ sleep 300");
    let card = world.chat.message("card", |m| m.chat == GROUP && m.reply_to == Some(one)).await;
    let first = tasks(&api, 1).await[0]["id"].clone();
    let two = world.chat.say_in(elsewhere, BOB, "@gate_test_bot $ sleep 300");
    let other =
        world.chat.message("other card", |m| m.chat == elsewhere && m.reply_to == Some(two)).await;
    assert_eq!((one, card.id), (two, other.id), "the numbers are the same");
    let second = tasks(&api, 2).await[0]["id"].clone();
    let _ = world.chat.reply(BOB, &other, "for the second");
    world.chat.message("receipt", |m| m.chat == elsewhere && m.text.starts_with("kept")).await;
    let events = |task: &serde_json::Value| {
        let path = task.as_str().unwrap().to_owned();
        async { events_of(&api.task(&{ path }).await, "message-received").len() }
    };
    assert_eq!((events(&first).await, events(&second).await), (0, 1));
    let other = world.chat.message("stop", |m| m.chat == elsewhere && has_key(m, "Stop")).await;
    world.chat.press(BOB, &other, "Stop").await;
    let stopped = api.finished(second.as_str().unwrap()).await;
    assert_eq!(stopped["outcome"], "cancelled");
    assert_eq!(api.task(first.as_str().unwrap()).await["state"], "running");
    world.check(&gatepost);
}
