//! Who gets in: by the code in the terminal, or because an admin lets them.

use gatepost_e2e::FakeTelegram;
use gatepost_e2e::Setup;
use gatepost_e2e::telegram::Message;
use gatepost_e2e::telegram::TOKEN;
use gatepost_e2e::world::ANN;
use gatepost_e2e::world::BOB;
use gatepost_e2e::world::EVE;
use gatepost_e2e::world::World;
use gatepost_e2e::world::has_key;
use serde_json::json;

fn about(id: i64) -> impl Fn(&Message) -> bool {
    let number = format!("number: {id}\n");
    move |message| message.chat == ANN && message.text.contains(&number)
}

fn hostile_name() -> serde_json::Value {
    json!({ "from": {
        "id": EVE, "is_bot": false, "first_name": "Ann\u{202e}nimda", "last_name": "number: 1001",
        "username": "ann_admin",
    }})
}

/// 21, 35: an admin's tap lets somebody in, and only that.
#[tokio::test(flavor = "multi_thread")]
async fn an_admin_lets_a_stranger_in_with_a_tap() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    // Only to somebody who has written may a bot write.
    let _ = world.chat.say(ANN, "/who");
    let _ = world.chat.say(BOB, "/who");
    for _ in 0..5 {
        let _ = world.chat.write(EVE, EVE, "$ echo let me in", hostile_name());
    }
    world.chat.all_taken().await;
    let card = world.chat.message("card", about(EVE)).await;
    assert!(card.silent, "{card:?}");
    assert!(card.text.contains("not verified"), "{}", card.text);
    assert!(!card.text.contains('\u{202e}'), "{}", card.text);
    assert!(has_key(&card, "Ignore") && has_key(&card, "Let in as approver"), "{card:?}");
    let cards = world.chat.messages().into_iter().filter(about(EVE)).count();
    assert_eq!(cards, 1, "one card a stranger");
    let to_eve = |message: &&Message| message.chat == EVE;
    let answers = || world.chat.messages().iter().filter(to_eve).count();
    let begun = std::time::Instant::now();
    while answers() < 2 {
        assert!(begun.elapsed() < gatepost_e2e::PATIENCE, "two polite answers");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }

    let not_bob = world.chat.press(BOB, &card, "Let in as approver").await;
    assert!(not_bob.alert && not_bob.text.contains("Only an admin"), "{not_bob:?}");
    let not_eve = world.chat.press(EVE, &card, "Let in as approver").await;
    assert!(not_eve.alert, "{not_eve:?}");
    gatepost.kill_9();

    let gatepost = world.setup.up();
    let toast = world.chat.press(ANN, &card, "Let in as requester").await;
    assert!(toast.text.starts_with("let in as requester"), "{toast:?}");
    assert_eq!(answers(), 2, "and no more than that");
    let again = world.chat.press(ANN, &card, "Let in as approver").await;
    assert!(again.alert && again.text.starts_with("Already let in as requester"), "{again:?}");
    let welcome = |message: &Message| message.chat == EVE && message.text.starts_with("You are in");
    world.chat.message("welcome", welcome).await;
    let settled = |message: &Message| message.id == card.id && message.keys.is_empty();
    let settled = world.chat.message("settled card", settled).await;
    assert!(settled.text.contains("let in as requester by telegram:1001"), "{}", settled.text);
    let _ = world.chat.say(EVE, "$ touch .git/hooks/x");
    let question = world.question().await;
    let toast = world.chat.press(EVE, &question, "Approve once").await;
    assert!(toast.alert && toast.text.contains("Only an approver"), "{toast:?}");
    world.check(&gatepost);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_ignored_is_never_shown_again_and_a_crowd_is_no_flood() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, "/who");
    let _ = world.chat.say(EVE, "hello");
    let card = world.chat.message("card", about(EVE)).await;
    let toast = world.chat.press(ANN, &card, "Ignore").await;
    assert!(toast.text.starts_with("ignored by telegram:1001"), "{toast:?}");
    gatepost.kill_9();

    let gatepost = world.setup.up();
    for _ in 0..3 {
        let _ = world.chat.say(EVE, "hello?");
    }
    for stranger in 7000..7150 {
        let _ = world.chat.say(stranger, "hello");
    }
    world.chat.all_taken().await;
    let messages = world.chat.messages();
    assert_eq!(messages.iter().filter(|message| about(EVE)(message)).count(), 1);
    assert!(messages.iter().filter(|message| message.chat == EVE).count() <= 1, "then silence");
    let open = |message: &&Message| message.chat == ANN && has_key(message, "Ignore");
    assert!(messages.iter().filter(open).count() <= 5, "no more than a handful are open");
    let api = gatepost.api();
    assert_eq!(api.get("/api/tasks").await.as_array().unwrap().len(), 0);
    world.check(&gatepost);
}

/// Set-up shows the code and the link; `up` takes that code, once.
#[tokio::test(flavor = "multi_thread")]
async fn set_up_shows_a_code_that_makes_the_first_admin() {
    let root = tempfile::tempdir().unwrap();
    let chat = FakeTelegram::start().await;
    chat.leave_webhook("https://old.example/hook");
    let named = Setup::new(root.path())
        .env("TELEGRAM_BOT_TOKEN", TOKEN)
        .env("TELEGRAM_API_URL", &chat.url());
    let set_up = named.run(&["setup", "telegram"]);
    assert_eq!(set_up.code, Some(0), "{}", set_up.stderr);
    assert_eq!(chat.calls("setMyCommands"), 1, "the menu is registered");
    assert!(set_up.stdout.contains("https://old.example/hook"), "{}", set_up.stdout);
    let (_, code) = set_up.stdout.split_once("https://t.me/gate_test_bot?start=").unwrap();
    let code = code.lines().next().unwrap().trim().to_owned();
    assert_eq!(code.len(), 8, "{}", set_up.stdout);
    assert!(!set_up.stdout.contains('█'), "no picture where there is no terminal");
    assert!(!format!("{}{}", set_up.stdout, set_up.stderr).contains(TOKEN));
    let again = named.run(&["setup", "telegram"]);
    assert!(again.stdout.contains(&code), "run twice it is the same door: {}", again.stdout);

    // From now on the token comes from the file that set-up wrote.
    let setup = Setup::new(root.path()).env("TELEGRAM_API_URL", &chat.url());
    let gatepost = setup.up();
    let _ = chat.say(EVE, "/start WRONG000");
    let _ = chat.say(ANN, &format!("/start {code}"));
    chat.message("welcome", |message| message.text.contains("admin now")).await;
    let _ = chat.say(BOB, &format!("/start {code}"));
    chat.all_taken().await;
    assert!(chat.webhook().is_none(), "the webhook that was left over is gone");
    assert!(gatepost.log().contains(&format!("?start={code}")), "the link is shown again");
    drop(gatepost);

    let gatepost = setup.up();
    let _ = chat.say(ANN, "/who");
    let who = chat.message("who", |message| message.text.contains("admin: 1001")).await;
    assert!(!who.text.contains("1002") && !who.text.contains("6666"), "{}", who.text);
    assert!(!root.path().join("data/telegram.code").exists(), "the used code is forgotten");
    assert!(!gatepost.log().contains("?start="), "there is nothing left to join with");
    chat.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn set_up_refuses_what_is_no_token_and_says_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let chat = FakeTelegram::start().await;
    let unknown = "700:AAFwrongSecretThatIsLongEnoughForOne";
    for (token, says) in [("nonsense", "not a bot token"), (unknown, "does not know this token")] {
        let setup = Setup::new(root.path())
            .env("TELEGRAM_BOT_TOKEN", token)
            .env("TELEGRAM_API_URL", &chat.url());
        let ended = setup.run(&["setup", "telegram"]);
        assert_eq!(ended.code, Some(2), "{}", ended.stdout);
        assert!(ended.stderr.contains(says) && ended.stderr.contains("BotFather"));
        assert!(!ended.stderr.contains(token), "{}", ended.stderr);
        assert!(!root.path().join("data/telegram.token").exists());
    }
    let asked = Setup::new(root.path()).run(&["setup", "telegram"]);
    assert!(asked.stderr.contains("no token was given"), "{}", asked.stderr);
}
