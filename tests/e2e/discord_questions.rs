//! The rest of the failures by the numbers of `telegram_failures` that concern Discord: what people
//! write while something is open, what hides in a command, what rings and where.

use gatepost_e2e::api::events_of;
use gatepost_e2e::discord::BOT;
use gatepost_e2e::discord::BOUND;
use gatepost_e2e::discord::Message;
use gatepost_e2e::discord::world::ANN;
use gatepost_e2e::discord::world::World;
use gatepost_e2e::world::only_task;
use gatepost_e2e::world::tasks;

const ASKS: &str = "$ touch .git/hooks/x";

#[tokio::test]
async fn failures_9_10_19_34_words_meanwhile_reach_their_own_task_or_are_refused_aloud() {
    let world = World::with(&(World::people() + "[hub]\nmax_queued = 1\n")).await;
    let gatepost = world.up().await;
    let api = gatepost.api();
    world.chat.says(ANN, BOUND, ASKS);
    let question = world.question().await;
    // One can write while a question is open; it goes to the task of this thread and to no other.
    world.chat.says(ANN, question.channel, "and then look at b.txt");
    let receipt = |m: &Message| m.channel == question.channel && m.text.contains("still waits");
    world.chat.message("receipt", receipt).await;
    world.chat.says(ANN, BOUND, "$ echo second");
    let queued = world.chat.message("queued", |m| m.text.contains("echo second")).await;
    assert_ne!(queued.channel, question.channel, "each task has its own thread");
    world.chat.says(ANN, BOUND, "$ echo third");
    let full = world.chat.message("refusal", |m| m.text.contains("queue full")).await;
    assert_eq!(full.channel, BOUND, "{full:#?}");
    let all = tasks(&api, 2).await;
    let words = |id: &str| {
        let api = &api;
        let id = id.to_owned();
        async move { events_of(&api.task(&id).await, "message-received").len() }
    };
    let id = |text: &str| {
        let task = all.iter().find(|task| task["text"] == text).unwrap();
        task["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(words(&id(ASKS)).await, 1);
    assert_eq!(words(&id("$ echo second")).await, 0);

    // A denial with a reason redirects, and the other goes on.
    let press = world.chat.press(ANN, &question, "Deny with reason");
    let form = world.chat.acked(press).await;
    let sent = world.chat.fill_in(ANN, &question, &form, "write into docs instead");
    assert!(world.chat.told(sent).await.starts_with("denied"));
    let over = api.finished(&id(ASKS)).await;
    let decided = &events_of(&over, "approval-decided")[0]["settlement"];
    assert_eq!(decided["reason"], "write into docs instead");
    api.finished(&id("$ echo second")).await;
    world.check(&gatepost);
}

#[tokio::test]
async fn failures_23_27_29_no_words_decide_nothing_hides_and_what_was_stopped_is_not_approved() {
    let world = World::new().await;
    let gatepost = world.up().await;
    let api = gatepost.api();
    let trick = "touch .git/hooks/\u{202e}gpj.x\u{200b} \u{0440}aypal `echo *a* _b_ ||c|| <@1>`";
    world.chat.says(ANN, BOUND, &format!("$ {trick}"));
    let question = world.question().await;
    assert!(question.text.contains("‹U+202E›gpj.x‹U+200B›"), "{}", question.text);
    assert!(!question.text.contains(['\u{202e}', '\u{200b}']), "{}", question.text);
    assert!(question.text.contains("look alike"), "{}", question.text);
    for text in ["yes", "ok", "do not allow", "approve once", "👍"] {
        let reply = serde_json::json!({ "reply_to": question.id });
        world.chat.says_with(ANN, question.channel, text, reply);
    }
    let task = only_task(&api).await;
    let heard = async || events_of(&api.task(&task).await, "message-received").len();
    while heard().await < 5 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let open = api.task(&task).await;
    assert_eq!(open["state"], "awaiting-approval", "{open:#}");
    assert_eq!(events_of(&open, "approval-decided").len(), 0);

    let stop = world.chat.press(ANN, &question, "Stop");
    assert!(world.chat.told(stop).await.ends_with("is being stopped"));
    for label in ["Approve once", "Approve for this task"] {
        let late = world.chat.press(ANN, &question, label);
        let told = world.chat.told(late).await;
        assert!(told.contains("withdrawn, not run"), "{told}");
    }
    let settled = world.settled(&question).await;
    assert!(settled.text.contains("withdrawn, not run"), "{}", settled.text);
    let over = api.finished(&task).await;
    assert_eq!(events_of(&over, "action-started").len(), 0, "{over:#}");
    world.check(&gatepost);
}

#[tokio::test]
async fn failures_30_31_33_an_approval_is_for_these_bytes_and_this_command_alone() {
    let world = World::new().await;
    world.project.write("hook.sh", "echo from-the-script > .git/hooks/x\n");
    world.project.run_git(&["add", "."]);
    world.project.run_git(&["commit", "--quiet", "--message=script"]);
    let gatepost = world.up().await;
    let script = "$ sh hook.sh && touch .git/hooks/y";
    let steps = [script, script, ASKS, "$ env touch .git/hooks/x"].join("\n");
    world.chat.says(ANN, BOUND, &steps);
    let first = world.question().await;
    assert!(first.text.contains("hook.sh (sha256"), "{}", first.text);
    let press = world.chat.press(ANN, &first, "Approve for this task");
    assert!(world.chat.told(press).await.starts_with("approved for this task"));
    // The twin is not asked about again, and another command is.
    let next = |after: u64| move |m: &Message| m.id > after && m.has("Approve once");
    let second = world.chat.message("another command", next(first.id)).await;
    assert!(second.text.contains("touch .git/hooks/x"), "{}", second.text);
    let late = world.chat.press(ANN, &first, "Approve for this task");
    assert!(world.chat.told(late).await.starts_with("already approved for this task"));
    let press = world.chat.press(ANN, &second, "Approve for this task");
    world.chat.told(press).await;
    let wrapped = world.chat.message("a wrapper of it", next(second.id)).await;
    assert!(wrapped.text.contains("env touch"), "{}", wrapped.text);
    let press = world.chat.press(ANN, &wrapped, "Deny");
    world.chat.told(press).await;
    world.result("denied").await;
    world.check(&gatepost);
}

#[tokio::test]
async fn failures_35_44_the_terminal_rings_no_phone_and_only_questions_and_finals_do() {
    let world = World::new().await;
    let gatepost = world.up().await;
    let api = gatepost.api();
    let terminal = api.submit(ASKS).await;
    api.approval(&terminal).await;
    world.chat.says(ANN, BOUND, "$ touch .git/hooks/mine");
    let press = async |message: &Message| {
        let press = world.chat.press(ANN, message, "Deny");
        world.chat.told(press).await;
    };
    let approval = api.approval(&terminal).await;
    assert!(api.answer(&approval, "deny").await.status.is_success());
    let question = world.question().await;
    assert!(question.text.contains("hooks/mine"), "{}", question.text);
    press(&question).await;
    let result = world.result("denied").await;
    let from_bot = |m: &&Message| m.author == BOT && m.only_for.is_none();
    for message in world.chat.messages().iter().filter(from_bot) {
        let rings = [question.id, result.id].contains(&message.id);
        assert_eq!(message.silent, !rings, "{message:#?}");
        assert!(!message.text.contains(&terminal), "{message:#?}");
    }
    world.check(&gatepost);
}
