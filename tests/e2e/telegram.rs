//! The main job from a phone: the real binary against a strict Bot API server.
//!
//! Numbers in the names of cases are those of the failures that a bot must survive.

use std::time::Duration;
use std::time::Instant;

use gatepost_e2e::api::events_of;
use gatepost_e2e::telegram::CONFLICT;
use gatepost_e2e::telegram::Fault;
use gatepost_e2e::telegram::Message;
use gatepost_e2e::world::ANN;
use gatepost_e2e::world::BOB;
use gatepost_e2e::world::EVE;
use gatepost_e2e::world::GROUP;
use gatepost_e2e::world::RISKY;
use gatepost_e2e::world::World;
use gatepost_e2e::world::has_key;
use gatepost_e2e::world::only_task;
use serde_json::json;

#[tokio::test]
async fn a_message_becomes_a_task_a_question_a_result_and_a_changed_project() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let asked = world.chat.say(ANN, RISKY);
    let question = world.question().await;
    assert!(question.text.contains("touch .git/hooks/x"), "{}", question.text);
    assert!(!question.silent, "a question rings");
    let card = world.chat.message("card", |message| has_key(message, "Stop")).await;
    let card = world
        .chat
        .messages()
        .into_iter()
        .find(|message| message.reply_to == Some(asked))
        .unwrap_or(card);
    assert!(card.silent, "progress does not ring: {card:#?}");
    assert_eq!(world.project.text("a.txt"), None, "nothing is written before Apply");

    let toast = world.chat.press(ANN, &question, "Approve once").await;
    assert_eq!(toast.text, "approved once, and the agent goes on");
    let result = world.result("succeeded").await;
    assert!(!result.silent && result.text.contains(" changed (+2 −0)"), "{}", result.text);
    let settled = world
        .chat
        .message("settled question", |message| message.id == question.id && message.keys.is_empty())
        .await;
    assert!(settled.text.contains("approved by telegram:1001"), "{}", settled.text);

    let toast = world.chat.press(ANN, &result, "Apply").await;
    assert!(toast.text.starts_with("applied to the project"), "{toast:?}");
    assert_eq!(world.project.text("b.txt").as_deref(), Some("two\n"));
    let again = world.chat.press(ANN, &result, "Apply").await;
    assert!(again.alert && again.text.starts_with("Already applied"), "{again:?}");
    let cards = |message: &&Message| message.reply_to == Some(asked);
    assert_eq!(world.chat.messages().iter().filter(cards).count(), 1, "one card a task");
    world.check(&gatepost);
}

#[tokio::test]
async fn a_denial_with_a_reason_reaches_the_agent_and_no_text_ever_approves() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let _ = world.chat.say(ANN, "$ touch .git/hooks/x");
    let question = world.question().await;
    let task = only_task(&api).await;
    // 23: words that other programs took for consent.
    for text in ["yes", "ok", "approve", "do not allow", "/approve"] {
        let _ = world.chat.reply(ANN, &question, text);
    }
    world.chat.all_taken().await;
    let open = api.task(&task).await;
    assert_eq!(open["state"], "awaiting-approval", "{open:#}");
    assert_eq!(events_of(&open, "message-received").len(), 4, "they are messages to the task");

    let toast = world.chat.press(ANN, &question, "Deny with reason").await;
    assert!(toast.text.starts_with("Reply"), "{toast:?}");
    let prompt = world.chat.message("prompt", |message| message.wants_reply).await;
    let _ = world.chat.reply(ANN, &prompt, "yes, but not like this");
    let finished = api.finished(&task).await;
    assert_eq!(finished["outcome"], "denied", "{finished:#}");
    let decided = &events_of(&finished, "approval-decided")[0]["settlement"];
    assert_eq!(decided["reason"], "yes, but not like this");
    let late = world.chat.press(ANN, &question, "Approve once").await;
    assert!(late.text.starts_with("already denied by telegram:1001"), "{late:?}");
    assert_eq!(events_of(&api.task(&task).await, "action-started").len(), 0);
    world.check(&gatepost);
}

#[tokio::test]
async fn an_action_is_changed_by_a_reply_and_runs_only_after_another_press() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let _ = world.chat.say(ANN, "$ touch .git/hooks/x");
    let question = world.question().await;
    let task = only_task(&api).await;
    let toast = world.chat.press(ANN, &question, "Approve with changes").await;
    assert!(toast.text.starts_with("Reply"), "{toast:?}");
    let prompt = world.chat.message("prompt", |message| message.wants_reply).await;
    let _ = world.chat.reply(ANN, &prompt, "echo yes > changed.txt");
    let shown =
        world.chat.message("form", |message| message.text.contains("echo yes > changed.txt")).await;
    let open = api.task(&task).await;
    assert_eq!(open["state"], "awaiting-approval", "a reply decides nothing: {open:#}");
    let toast = world.chat.press(ANN, &shown, "Approve this").await;
    assert!(toast.text.starts_with("approved as you changed it"), "{toast:?}");
    let finished = api.finished(&task).await;
    assert_eq!(finished["outcome"], "succeeded", "{finished:#}");
    let approved = &finished["summary"]["approved"][0];
    assert_eq!(approved["subject"], "echo yes > changed.txt");
    assert_eq!(approved["edited_from"], "touch .git/hooks/x");
    assert_eq!(finished["summary"]["ran"].as_array().unwrap().len(), 1, "{finished:#}");
    let late = world.chat.press(ANN, &question, "Approve once").await;
    assert!(late.text.starts_with("already approved, edited by telegram:1001"), "{late:?}");
    world.check(&gatepost);
}

/// 24, 26, 27, 46: killed between the question and the press.
#[tokio::test]
async fn a_question_survives_kill_9_and_two_presses_are_one() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, RISKY);
    let question = world.question().await;
    gatepost.kill_9();

    let gatepost = world.setup.up();
    let api = gatepost.api();
    let (one, two) = tokio::join!(
        world.chat.press(ANN, &question, "Approve once"),
        world.chat.press(ANN, &question, "Approve for this task"),
    );
    let mut words = [one.text, two.text];
    words.sort();
    assert!(words[0].starts_with("already approved by telegram:1001"), "{words:?}");
    assert!(words[1].starts_with("approved"), "{words:?}");
    let task = only_task(&api).await;
    let finished = api.finished(&task).await;
    assert_eq!(finished["outcome"], "succeeded", "{finished:#}");
    assert_eq!(events_of(&finished, "action-started").len(), 3, "each step once");
    world.result("succeeded").await;
    assert_eq!(world.questions(), 1, "the question is not sent again");
    world.check(&gatepost);
}

/// 21: whoever may not, hears so, and nobody else does.
#[tokio::test]
async fn only_approvers_approve_and_strangers_are_answered_twice() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    for _ in 0..4 {
        let _ = world.chat.say(EVE, "$ echo hello");
    }
    world.chat.all_taken().await;
    let _ = world.chat.say(BOB, "$ touch .git/hooks/x");
    let question = world.question().await;
    let not_bob = world.chat.press(BOB, &question, "Approve once").await;
    assert!(not_bob.alert && not_bob.text.contains("Only an approver"), "{not_bob:?}");
    let not_eve = world.chat.press(EVE, &question, "Approve once").await;
    assert!(not_eve.alert && not_eve.text.contains("not yours"), "{not_eve:?}");
    let forged = world.chat.press_data(ANN, &question, "1forged00000000000000000").await;
    assert!(forged.alert && forged.text.contains("out of date"), "{forged:?}");
    let api = gatepost.api();
    let task = only_task(&api).await;
    assert_eq!(api.task(&task).await["state"], "awaiting-approval");
    let to_eve = world.chat.messages().into_iter().filter(|message| message.chat == EVE);
    let to_eve: Vec<_> = to_eve.collect();
    assert_eq!(to_eve.len(), 2, "{to_eve:#?}");
    assert!(to_eve[0].text.contains("gatepost pair"), "{to_eve:#?}");

    // The owner vouches in the terminal for the code that Eve was given.
    let (_, code) = to_eve[0].text.split_once("gatepost pair ").unwrap();
    let code = code.split('`').next().unwrap();
    let wrong = world.setup.run(&["pair", "0000WRNG"]);
    assert_ne!(wrong.code, Some(0), "{}", wrong.stdout);
    assert!(wrong.stderr.contains("nobody has this code"), "{}", wrong.stderr);
    gatepost.kill_9();
    let gatepost = world.setup.up();
    let paired = world.setup.run(&["pair", code]);
    assert!(paired.stdout.contains("telegram:6666 is let in"), "{}", paired.stdout);
    assert_eq!(paired.code, Some(0), "{}", paired.stderr);
    world.chat.message("welcome", |m| m.chat == EVE && m.text.starts_with("You are in")).await;
    world.check(&gatepost);
}

/// 9, 20, 35: groups are named, spoken to by name, and members are no approvers.
#[tokio::test]
async fn a_named_group_speaks_by_mention_and_an_unnamed_one_not_at_all() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let elsewhere = -1_009_999;
    // Telegram would hide most of this from the bot, which must not need that.
    world.chat.privacy(false);
    let _ = world.chat.say_in(elsewhere, ANN, "@gate_test_bot $ echo no");
    let _ = world.chat.say_in(GROUP, ANN, "just talking");
    let _ = world.chat.say_in(GROUP, EVE, "@gate_test_bot $ echo no");
    let _ = world.chat.say_in(GROUP, ANN, "@gate_test_bot $ touch .git/hooks/x");
    let question = world.question().await;
    assert_eq!(question.chat, GROUP);
    let toast = world.chat.press(EVE, &question, "Approve once").await;
    assert!(toast.alert, "{toast:?}");
    let toast = world.chat.press(ANN, &question, "Deny").await;
    assert_eq!(toast.text, "denied, and the agent was told");
    world.result("denied").await;
    only_task(&gatepost.api()).await;
    let chats: std::collections::BTreeSet<_> =
        world.chat.messages().iter().map(|message| message.chat).collect();
    assert_eq!(chats, [GROUP].into(), "nobody else is written to");
    world.check(&gatepost);
}

/// 5, 6, 7: what was sent meanwhile runs once, whatever is delivered twice.
#[tokio::test]
async fn messages_sent_while_down_run_once_and_the_gap_is_said() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    assert_eq!(gatepost.terminate(), Some(0));
    let sent = Instant::now();
    let id = world.chat.say(ANN, "$ echo while-down > w.txt");
    // The gap is said for what is clearly older than the start.
    while sent.elapsed() < Duration::from_secs(7) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let task = only_task(&api).await;
    assert_eq!(api.finished(&task).await["outcome"], "succeeded");
    world.chat.message("gap", |message| message.text.contains("was not running")).await;
    gatepost.kill_9();

    let gatepost = world.setup.up();
    let api = gatepost.api();
    world.chat.deliver_again(ANN, ANN, id, "$ echo while-down > w.txt");
    world.chat.all_taken().await;
    assert_eq!(only_task(&api).await, task, "the same message is the same task");
    world.check(&gatepost);
}

/// 1, 2, 3, 40: another poller, a pause and a failing server are waited out.
#[tokio::test]
async fn conflicts_pauses_and_a_failing_server_lose_nothing() {
    let world = World::new().await;
    world.chat.order("getUpdates", Fault::Refuse(409, CONFLICT), 4);
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, "$ touch .git/hooks/x");
    world.chat.order("sendMessage", Fault::Pause(3), 1);
    let begun = Instant::now();
    let question = world.question().await;
    assert!(begun.elapsed() >= Duration::from_secs(3), "the pause is kept");
    assert!(gatepost.log().contains("another program polls"), "it is said");
    world.chat.order("editMessageText", Fault::Down(502), 1);
    world.chat.order("answerCallbackQuery", Fault::Down(502), 1);
    let toast = world.chat.press(ANN, &question, "Deny").await;
    assert_eq!(toast.text, "denied, and the agent was told");
    world.result("denied").await;
    let stripped = |message: &Message| message.id == question.id && message.keys.is_empty();
    world.chat.message("settled question", stripped).await;
    assert_eq!(world.questions(), 1);
    world.check(&gatepost);
}

/// A lost answer: nobody knows whether the message arrived, so it is not sent again.
#[tokio::test]
async fn a_question_whose_answer_was_lost_is_not_repeated_and_can_be_answered() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    // The first is the card, the second the question.
    let _ = world.chat.say(ANN, "$ sleep 3\n$ touch .git/hooks/x");
    world.chat.message("card", |message| has_key(message, "Stop")).await;
    world.chat.order("sendMessage", Fault::LoseAnswer, 1);
    let question = world.question().await;
    let nudge = world.chat.message("nudge", |message| has_key(message, "Show it")).await;
    assert!(nudge.text.contains("waits for an answer"), "{}", nudge.text);
    assert_eq!(world.questions(), 1, "it is not repeated");
    let toast = world.chat.press(ANN, &question, "Approve once").await;
    assert_eq!(toast.text, "approved once, and the agent goes on");
    world.result("succeeded").await;
    let stripped = |message: &Message| message.id == question.id && message.keys.is_empty();
    world.chat.message("the press told where the question is", stripped).await;
    assert_eq!(world.questions(), 1);
    world.check(&gatepost);
}

/// A question that was brought again stands twice, and the one that nobody knew of is known when it
/// is touched.
#[tokio::test]
async fn a_question_that_was_brought_again_is_settled_in_both_messages() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, "$ sleep 3\n$ touch .git/hooks/x");
    world.chat.message("card", |message| has_key(message, "Stop")).await;
    world.chat.order("sendMessage", Fault::LoseAnswer, 1);
    let lost = world.question().await;
    let nudge = world.chat.message("nudge", |message| has_key(message, "Show it")).await;
    world.chat.press(ANN, &nudge, "Show it").await;
    let again = |message: &Message| message.id > nudge.id && has_key(message, "Deny");
    let shown = world.chat.message("question", again).await;
    world.chat.press(ANN, &shown, "Deny").await;
    world.result("denied").await;
    let toast = world.chat.press(ANN, &lost, "Approve once").await;
    assert!(toast.text.contains("denied"), "{toast:?}");
    for id in [lost.id, shown.id] {
        let settled = |message: &Message| {
            message.id == id && message.keys.is_empty() && message.text.contains("enied by")
        };
        world.chat.message("settled", settled).await;
    }
    world.check(&gatepost);
}

/// A result whose place nobody knows, because the answer was lost: touched, it is known again.
#[tokio::test]
async fn a_result_whose_answer_was_lost_is_known_when_it_is_touched() {
    let world = World::new().await;
    let gatepost = world.setup.up();
    let after = async |id: i64, key: &str| {
        world.chat.message(key, |message| message.id > id && has_key(message, key)).await
    };
    let asked = world.chat.say(ANN, "$ sleep 2 && echo one > a.txt");
    let card = after(asked, "Stop").await;
    world.chat.order("sendMessage", Fault::LoseAnswer, 1);
    let lost = after(card.id, "Continue").await;
    let nudge = after(card.id, "Show it").await;
    assert_eq!(world.chat.press(ANN, &nudge, "Show it").await.text, "Here it comes.");
    let shown = after(nudge.id, "Continue").await;
    let reply = world.chat.reply(ANN, &shown, "$ sleep 2 && cat a.txt > b.txt");
    let card = after(reply, "Stop").await;

    // The one that is lost again is answered as it stands, and its task goes on.
    world.chat.order("sendMessage", Fault::LoseAnswer, 1);
    let again = after(card.id, "Continue").await;
    let reply = world.chat.reply(ANN, &again, "$ cat b.txt");
    let last = after(reply, "Continue").await;
    only_task(&gatepost.api()).await;
    let done = |old: &Message| {
        let id = old.id;
        move |message: &Message| message.id == id && message.keys.is_empty()
    };
    world.chat.message("the second result's last word", done(&again)).await;

    // The first is known to nobody until somebody presses it, over a restart as well.
    assert!(world.chat.messages().iter().any(|m| m.id == lost.id && has_key(m, "Continue")));
    gatepost.kill_9();
    let gatepost = world.setup.up();
    assert_eq!(world.chat.press(ANN, &lost, "Continue").await.text, "That is out of date.");
    world.chat.message("the first result's last word", done(&lost)).await;
    assert!(world.chat.messages().iter().any(|m| m.id == last.id && has_key(m, "Continue")));
    world.check(&gatepost);
}

/// The first admin, by the code in the terminal.
#[tokio::test]
async fn whoever_sends_the_code_first_is_admin_and_it_lasts() {
    let world = World::with("").await;
    let gatepost = world.setup.up();
    let log = gatepost.log();
    let (_, code) = log.split_once("Send it the code ").unwrap_or_else(|| panic!("{log}"));
    let code = code.split_whitespace().next().unwrap().to_owned();
    let _ = world.chat.say(EVE, "/start WRONG123");
    let _ = world.chat.say(ANN, &format!("/start {code}"));
    world.chat.message("welcome", |m| m.chat == ANN && m.text.contains("admin now")).await;
    let _ = world.chat.say(EVE, &format!("/start {code}"));
    world.chat.all_taken().await;
    gatepost.kill_9();
    let gatepost = world.setup.up();
    assert!(!gatepost.log().contains("Send it the code"), "there is an admin");
    let _ = world.chat.say(EVE, "$ echo no");
    let _ = world.chat.say(ANN, "$ echo yes > y.txt");
    world.result("succeeded").await;
    only_task(&gatepost.api()).await;
    world.check(&gatepost);
}

/// Commands, and what a chat's tasks get, over a restart.
#[tokio::test]
async fn commands_look_stop_and_choose() {
    let claude = "[agents.claude]\nprogram = \"/nonexistent/claude\"\n";
    let world = World::with(&format!("{}{claude}", World::people())).await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, "/mode plan");
    world.chat.message("mode", |message| message.text.contains("mode plan")).await;
    gatepost.kill_9();
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let _ = world.chat.say(ANN, "$ echo plan > p.txt");
    let task = only_task(&api).await;
    assert_eq!(events_of(&api.task(&task).await, "task-received")[0]["spec"]["mode"], "plan");
    api.finished(&task).await;
    let _ = world.chat.say(ANN, "/tasks");
    world.chat.message("list", |message| message.text.contains("echo plan")).await;
    let _ = world.chat.say(ANN, "/who");
    world.chat.message("people", |message| message.text.contains("approver: 1001")).await;
    let _ = world.chat.say(ANN, "/agent nobody");
    world.chat.message("no such agent", |m| m.text.contains("There is no such agent")).await;
    let _ = world.chat.say(ANN, "/agents");
    let agents =
        world.chat.message("agents", |m| m.text.contains("runbook (default): ready")).await;
    assert!(agents.text.contains("claude: cannot work; there is no program"), "{}", agents.text);
    assert!(agents.text.contains("native: not set up"), "{}", agents.text);
    let _ = world.chat.say(ANN, "@claude hello");
    let refused = world.chat.message("door", |m| m.text.contains("Refused: the agent")).await;
    assert!(refused.text.contains("install it"), "{}", refused.text);
    only_task(&api).await;
    let _ = world.chat.say(ANN, &format!("/log {task}"));
    world.chat.message("log", |m| m.text.contains("Mode: plan")).await;
    let _ = world.chat.write(
        ANN,
        ANN,
        "",
        json!({
            "photo": [{"file_id": "f", "file_unique_id": "u", "width": 1, "height": 1}],
        }),
    );
    world.chat.message("refusal", |m| m.text.contains("could not fetch `photo.jpg`")).await;
    world.check(&gatepost);
}

/// 24, 25: after its time a press says so; Stop stops; a result is run again once.
#[tokio::test]
async fn late_presses_stops_and_second_runs_are_told_as_they_are() {
    let world = World::with(&format!(
        "[approvals]\ntimeout = \"3s\"\n[telegram]\nrequesters = [{ANN}]\napprovers = [{ANN}]\n"
    ))
    .await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, "$ touch .git/hooks/x");
    let question = world.question().await;
    world.result("denied").await;
    let late = world.chat.press(ANN, &question, "Approve once").await;
    assert_eq!(late.text, "expired, not run");
    let settled = |message: &Message| message.id == question.id && message.keys.is_empty();
    let settled = world.chat.message("expired question", settled).await;
    assert!(settled.text.contains("expired, not run"), "{}", settled.text);

    let asked = world.chat.say(ANN, "$ sleep 300");
    let card = world
        .chat
        .message("card", |m| m.reply_to == Some(asked) && m.text.contains("running"))
        .await;
    let stop = world.chat.press(ANN, &card, "Stop").await;
    assert!(stop.text.ends_with("is being stopped"), "{stop:?}");
    let result = world.result("cancelled").await;
    let again = world.chat.press(ANN, &result, "Run again").await;
    assert!(again.text.starts_with("taken as task"), "{again:?}");
    let twice = world.chat.press(ANN, &result, "Run again").await;
    assert!(twice.alert && twice.text.starts_with("It was run again already"), "{twice:?}");
    let tasks = gatepost.api().get("/api/tasks").await;
    assert_eq!(tasks.as_array().unwrap().len(), 3, "{tasks:#}");
    let _ = world.chat.say(ANN, "/cancel");
    world.chat.message("stop", |m| m.text.contains("is being stopped")).await;
    world.check(&gatepost);
}
