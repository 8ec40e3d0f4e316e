//! What was sent while nobody listened: it runs once and in order, the gap is told from when to
//! when, and what is too old waits for a word.

use std::time::Duration;

use gatepost_e2e::telegram::Fault;
use gatepost_e2e::telegram::Message;
use gatepost_e2e::world::ANN;
use gatepost_e2e::world::BOB;
use gatepost_e2e::world::World;
use gatepost_e2e::world::has_key;
use gatepost_e2e::world::only_task;

const HOUR: Duration = Duration::from_secs(3600);

/// As if Gatepost had listened last so long ago.
fn listened_ago(world: &World, ago: Duration) {
    let path = world.setup.data_dir().join("telegram.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut pulse: serde_json::Value = serde_json::from_str(&text).unwrap();
    for field in ["at", "listened"] {
        let at: jiff::Timestamp = pulse[field].as_str().unwrap().parse().unwrap();
        pulse[field] = (at - ago).to_string().into();
    }
    std::fs::write(&path, pulse.to_string()).unwrap();
}

async fn has_listened(world: &World) {
    let path = world.setup.data_dir().join("telegram.json");
    let begun = std::time::Instant::now();
    loop {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if text.contains("\"good\":true") {
            return;
        }
        assert!(begun.elapsed() < gatepost_e2e::PATIENCE, "it does not listen: {text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn held(message: &Message) -> bool {
    has_key(message, "Run it now") && has_key(message, "Drop it")
}

/// 5, 8, and the gap from when to when.
#[tokio::test(flavor = "multi_thread")]
async fn the_gap_is_told_once_and_what_is_too_old_waits_for_a_word() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    has_listened(&world).await;
    assert_eq!(gatepost.terminate(), Some(0));
    listened_ago(&world, 3 * HOUR);
    let old = world.chat.say(ANN, "$ echo old > old.txt");
    let dropped = world.chat.say(ANN, "$ echo dropped > dropped.txt");
    let _ = world.chat.say(ANN, "/who");
    world.chat.grow_older(2 * HOUR);
    let _ = world.chat.say(ANN, "$ echo fresh > fresh.txt");
    world.chat.grow_older(Duration::from_secs(60));

    let gatepost = world.setup.up();
    let api = gatepost.api();
    let task = only_task(&api).await;
    assert!(api.finished(&task).await["text"].as_str().unwrap().contains("fresh"));
    let gap = world.chat.message("gap", |message| message.text.contains("was not running")).await;
    assert!(gap.silent, "it does not ring: {gap:?}");
    assert!(gap.text.contains(" from ") && gap.text.contains(" to "), "{}", gap.text);
    assert!(gap.text.contains("(3 h"), "{}", gap.text);
    assert!(gap.text.contains("1 message came meanwhile"), "{}", gap.text);
    assert!(gap.text.contains("2 messages are older than 1 h"), "{}", gap.text);
    let of = |id: i64| move |message: &Message| held(message) && message.reply_to == Some(id);
    let first = world.chat.message("the first held", of(old)).await;
    let second = world.chat.message("the second held", of(dropped)).await;
    let who = |message: &Message| message.text.starts_with("You: 1001");
    world.chat.message("what only looks is answered", who).await;
    world.check(&gatepost);
    gatepost.kill_9();

    // Over a restart the buttons mean the same, and nothing is held twice.
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let not_bob = world.chat.press(BOB, &first, "Run it now").await;
    assert!(not_bob.alert && not_bob.text.contains("Only who wrote it"), "{not_bob:?}");
    let toast = world.chat.press(ANN, &second, "Drop it").await;
    assert_eq!(toast.text, "dropped; nothing was run");
    let toast = world.chat.press(ANN, &second, "Run it now").await;
    assert!(toast.alert && toast.text.starts_with("Already dropped"), "{toast:?}");
    let toast = world.chat.press(ANN, &first, "Run it now").await;
    assert_eq!(toast.text, "taken");
    let toast = world.chat.press(ANN, &first, "Run it now").await;
    assert!(toast.alert && toast.text.starts_with("Already taken"), "{toast:?}");
    let begun = std::time::Instant::now();
    loop {
        let tasks = api.get("/api/tasks").await;
        let tasks = tasks.as_array().unwrap().clone();
        assert!(tasks.len() <= 2, "{tasks:#?}");
        if tasks.len() == 2 && tasks.iter().all(|task| task["state"] == "finished") {
            break;
        }
        assert!(begun.elapsed() < gatepost_e2e::PATIENCE, "{tasks:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let settled = |id: i64| {
        move |message: &Message| message.id == id && message.keys.is_empty() && message.edits > 0
    };
    let run = world.chat.message("settled", settled(first.id)).await;
    assert!(run.text.contains("taken after all, by telegram:1001"), "{}", run.text);
    world.chat.message("settled", settled(second.id)).await;
    let gaps = |message: &&Message| message.text.contains("was not running from");
    assert_eq!(world.chat.messages().iter().filter(gaps).count(), 1, "once");
    world.check(&gatepost);
}

/// 8: Telegram keeps a day.
#[tokio::test(flavor = "multi_thread")]
async fn after_more_than_a_day_it_is_said_that_something_may_be_lost() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, "$ echo before");
    world.result("succeeded").await;
    has_listened(&world).await;
    assert_eq!(gatepost.terminate(), Some(0));
    listened_ago(&world, 30 * HOUR);
    let gatepost = world.setup.up();
    let gap = world.chat.message("gap", |message| message.text.contains("was not running")).await;
    assert_eq!(gap.chat, ANN);
    assert!(gap.text.contains("(1 d 6 h)") && gap.text.contains("is lost"), "{}", gap.text);
    world.chat.all_taken().await;
    world.check(&gatepost);
}

/// 3, 4: a connection that leads nowhere is noticed, given up and made anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_goes_silent_is_noticed_and_made_anew() {
    let world = World::with(&format!("{}silence = \"4s\"\n", World::people())).await;
    let gatepost = world.setup.up();
    has_listened(&world).await;
    world.chat.order("getUpdates", Fault::Wedge, 2);
    let before = world.chat.calls("getUpdates");
    world.chat.called("getUpdates", before + 3).await;
    let _ = world.chat.say(ANN, "$ echo after > after.txt");
    let task = only_task(&gatepost.api()).await;
    assert_eq!(gatepost.api().finished(&task).await["outcome"], "succeeded");
    let log = gatepost.log();
    assert!(log.contains("connections to telegram are made anew"), "{log}");
    world.check(&gatepost);
}

/// 7: the numbers of updates start anew after a quiet week, perhaps lower.
#[tokio::test(flavor = "multi_thread")]
async fn numbers_of_updates_that_start_anew_hide_nothing() {
    let world = World::with(&format!("{}silence = \"4s\"\n", World::people())).await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, "/who");
    world.chat.message("answer", |message| message.text.starts_with("You: 1001")).await;
    // Once nothing waits any more, nothing is named that could confirm the unseen.
    let before = world.chat.calls("getUpdates");
    world.chat.called("getUpdates", before + 3).await;
    world.chat.number_updates_from(1000);
    let _ = world.chat.say(ANN, "$ echo low > low.txt");
    let task = only_task(&gatepost.api()).await;
    assert_eq!(gatepost.api().finished(&task).await["outcome"], "succeeded");
    world.check(&gatepost);
}
