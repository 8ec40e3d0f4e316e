//! What `gatepost doctor` finds out about the bot, while it is served and while it is not.

use std::time::Duration;

use gatepost_e2e::Setup;
use gatepost_e2e::telegram::CONFLICT;
use gatepost_e2e::telegram::Fault;
use gatepost_e2e::telegram::Group;
use gatepost_e2e::telegram::Rights;
use gatepost_e2e::telegram::TOKEN;
use gatepost_e2e::world::ANN;
use gatepost_e2e::world::GROUP;
use gatepost_e2e::world::World;
use serde_json::Value;

fn doctor(setup: &Setup) -> Value {
    let ended = setup.run(&["doctor", "--json"]);
    let secret = TOKEN.split_once(':').unwrap().1;
    assert!(!format!("{}{}", ended.stdout, ended.stderr).contains(secret), "the token is shown");
    let json: Value = serde_json::from_str(&ended.stdout).unwrap();
    json["telegram"].clone()
}

fn notes(found: &Value) -> String {
    let notes = found["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap());
    notes.collect::<Vec<_>>().join("\n")
}

/// Asks the doctor until the answer fits: what it reads is written every few seconds.
async fn until(setup: &Setup, fits: impl Fn(&Value) -> bool) -> Value {
    let begun = std::time::Instant::now();
    loop {
        let found = doctor(setup);
        if fits(&found) {
            return found;
        }
        assert!(begun.elapsed() < gatepost_e2e::PATIENCE, "{found:#}");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// 4, 20: the same questions have an answer while it runs and while it does not.
#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_tells_how_the_bot_goes_running_or_not() {
    let world = World::new().await;
    let before = doctor(&world.setup);
    assert_eq!(before["works"], true, "{before:#}");
    assert_eq!(before["running"], false, "{before:#}");
    assert!(before["last_inbound"].is_null(), "{before:#}");
    assert!(notes(&before).contains("never served"), "{before:#}");
    assert_eq!(before["another_poller"], false, "{before:#}");

    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, "/who");
    world.chat.all_taken().await;
    let during = until(&world.setup, |found| !found["last_inbound"].is_null()).await;
    assert_eq!(during["running"], true, "{during:#}");
    assert_eq!(during["another_poller"], false, "{during:#}");
    assert_eq!(during["pending"], 0, "{during:#}");
    assert!(notes(&during).contains("served now, by polling: it listens"), "{during:#}");
    assert!(notes(&during).contains("/setprivacy"), "what to do about privacy mode: {during:#}");
    assert_eq!(gatepost.terminate(), Some(0));

    let _ = world.chat.say(ANN, "/who");
    let waiting = world.chat.unconfirmed();
    let after = doctor(&world.setup);
    assert_eq!(after["running"], false, "{after:#}");
    assert_eq!(after["last_inbound"], during["last_inbound"], "{after:#}");
    assert!(notes(&after).contains("not served now; it last listened"), "{after:#}");
    assert_eq!(after["pending"], waiting, "{after:#}");
    assert_eq!(world.chat.unconfirmed(), waiting, "the doctor takes nothing away");
    let text = world.setup.run(&["doctor"]).stdout;
    assert!(text.contains("telegram: @gate_test_bot answers"), "{text}");
    world.chat.assert_clean();
}

/// 2: a second poller is seen by the one that runs, and found by the doctor when none does.
#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_finds_another_poller() {
    let world = World::new().await;
    world.chat.order("getUpdates", Fault::Refuse(409, CONFLICT), 1000);
    let gatepost = world.setup.up();
    let found = until(&world.setup, |found| found["another_poller"] == true).await;
    assert_eq!(found["running"], true, "{found:#}");
    assert!(notes(&found).contains("another program polls with the same token"), "{found:#}");
    world.chat.order_nothing();
    let found = until(&world.setup, |found| found["another_poller"] == false).await;
    assert!(notes(&found).contains("it listens"), "it never gave up: {found:#}");
    assert_eq!(gatepost.terminate(), Some(0));

    let elsewhere = world.chat.clone();
    let other = async move {
        loop {
            let _ = elsewhere.poll_from_elsewhere().await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    };
    let setup = world.setup.clone();
    let asked = tokio::task::spawn_blocking(move || doctor(&setup));
    let found = tokio::select! {
        found = asked => found.unwrap(),
        () = other => unreachable!("it polls for ever"),
    };
    assert_eq!(found["another_poller"], true, "{found:#}");
}

/// 20, and what is missing in groups.
#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_what_is_missing_in_each_group() {
    let world = World::new().await;
    let forum = |rights| Group { title: "Forum".into(), forum: true, rights };
    for (group, says) in [
        (Group::default(), "nothing is missing"),
        (Group { rights: Rights::Left, ..Group::default() }, "add the bot to the group"),
        (forum(Rights::Member), "may not manage"),
        (forum(Rights::Admin { topics: false }), "may not manage"),
        (forum(Rights::Admin { topics: true }), "nothing is missing"),
    ] {
        world.chat.group(GROUP, group.clone());
        let found = doctor(&world.setup);
        assert!(notes(&found).contains(says), "{group:?}: {found:#}");
        assert_eq!(found["groups"][0]["id"], GROUP, "{found:#}");
    }
    world.chat.privacy(false);
    let found = doctor(&world.setup);
    assert_eq!(found["reads_groups"], true, "{found:#}");
    assert!(notes(&found).contains("sees every message"), "{found:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_what_is_wrong_with_webhook_token_and_server() {
    let world = World::new().await;
    world.chat.leave_webhook("http://127.0.0.1:1/left");
    let _ = world.chat.say(ANN, "waits");
    let found = until(&world.setup, |found| !found["webhook"]["last_error"].is_null()).await;
    assert!(notes(&found).contains("keeps every poll out; `gatepost up` removes it"), "{found:#}");
    assert!(notes(&found).contains("could not push"), "{found:#}");

    let wrong = world.setup.clone().env("TELEGRAM_BOT_TOKEN", "700:AAFwrongSecretOfSomeLength");
    let found = doctor(&wrong);
    assert_eq!(found["works"], false, "{found:#}");
    assert!(found["says"].as_str().unwrap().contains("does not know this token"), "{found:#}");
    assert!(!found.to_string().contains("wrongSecret"), "{found:#}");
    let nowhere = world.setup.clone().env("TELEGRAM_API_URL", "http://127.0.0.1:1");
    let found = doctor(&nowhere);
    assert_eq!(found["works"], false, "{found:#}");
    assert!(found["says"].as_str().unwrap().contains("not reached"), "{found:#}");
}
