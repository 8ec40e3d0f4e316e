//! The main job on Discord: the real binary against a strict server.

use gatepost_e2e::FakeTelegram;
use gatepost_e2e::api::events_of;
use gatepost_e2e::discord::BOUND;
use gatepost_e2e::discord::CHANNEL;
use gatepost_e2e::discord::GUILD;
use gatepost_e2e::discord::Message;
use gatepost_e2e::discord::ROLE;
use gatepost_e2e::discord::TOKEN;
use gatepost_e2e::discord::world::ANN;
use gatepost_e2e::discord::world::BOB;
use gatepost_e2e::discord::world::CAT;
use gatepost_e2e::discord::world::EVE;
use gatepost_e2e::discord::world::World;
use gatepost_e2e::world;
use gatepost_e2e::world::RISKY;
use gatepost_e2e::world::has_key;
use gatepost_e2e::world::only_task;
use gatepost_e2e::world::tasks;
use serde_json::json;

#[tokio::test]
async fn a_command_becomes_a_thread_with_a_card_a_question_and_a_result() {
    let world = World::new().await;
    let gatepost = world.up().await;
    world.chat.called("put /applications/{}/guilds/{}/commands", 1).await;
    let offered = world.chat.offered();
    for name in ["run", "status", "approvals", "Hand to Gatepost"] {
        assert!(offered.iter().any(|it| it == name), "{offered:?}");
    }
    let fields = [("task", RISKY), ("project", "demo"), ("mode", "auto")];
    let run = world.chat.commands(ANN, CHANNEL, "run", &fields);
    let acked = world.chat.acked(run).await;
    assert_eq!(acked.acked.unwrap().0, 5, "a message follows");
    let thread = acked.follows.unwrap();

    let question = world.question().await;
    assert_eq!(question.channel, thread, "the thread hangs on the answer to the command");
    assert!(question.text.contains("touch .git/hooks/x"), "{}", question.text);
    assert!(!question.silent, "a question rings");
    let card = world.chat.message("card", |m| m.channel == thread && m.has("Stop")).await;
    assert!(card.silent && card.keys.len() == 1 || question.id == card.id, "{card:#?}");
    assert_eq!(world.project.text("a.txt"), None, "nothing is written before Apply");

    // Not theirs to answer, and only they are told.
    for (who, words) in [(EVE, "not yours to answer"), (BOB, "Only an approver")] {
        let press = world.chat.press(who, &question, "Approve once");
        let told = world.chat.told(press).await;
        assert!(told.contains(words), "{told}");
    }
    let press = world.chat.press(ANN, &question, "Approve once");
    assert_eq!(world.chat.told(press).await, "approved once, and the agent goes on");
    assert_eq!(world.chat.done(press).acked.unwrap().0, 6);
    let result = world.result("succeeded").await;
    assert!(!result.silent && result.text.contains(" changed (+2 −0)"), "{}", result.text);
    let settled = world.settled(&question).await;
    assert!(settled.text.contains("approved by discord:2001"), "{}", settled.text);
    let done = || world.chat.thread(thread).filter(|(_, archived)| *archived);
    let (name, _) = world.chat.wait("archived thread", done).await;
    assert!(name.starts_with('✅'), "{name}");

    let press = world.chat.press(ANN, &result, "Apply");
    let told = world.chat.told(press).await;
    assert!(told.starts_with("applied to the project"), "{told}");
    assert_eq!(world.project.text("b.txt").as_deref(), Some("two\n"));
    let again = world.chat.press(ANN, &result, "Apply");
    assert!(world.chat.told(again).await.starts_with("Already applied"));
    world.says(&result, "applied to the project").await;
    world.check(&gatepost);
}

#[tokio::test]
async fn tasks_come_by_name_in_bound_channels_and_from_menus_and_nowhere_else() {
    let world = World::new().await;
    let gatepost = world.up().await;
    let api = gatepost.api();
    // In a channel that is bound to nothing only what speaks to the bot is for it.
    world.chat.says(ANN, CHANNEL, "$ echo nobody asked you");
    world.chat.says(EVE, BOUND, "$ echo a stranger");
    world.chat.calls_bot(ANN, CHANNEL, "$ echo called");
    let with_file = json!({ "files": [["notes.txt", "remember the milk"]] });
    world.chat.says_with(ANN, BOUND, "$ cat .gatepost-inbox/notes.txt", with_file);
    let theirs = world.chat.says(EVE, CHANNEL, "please @everyone do [this](https://evil.example)");
    let own = world.chat.says(ANN, CHANNEL, "$ echo handed over");
    world.chat.hands_over(ANN, CHANNEL, own);
    world.chat.hands_over(ANN, CHANNEL, theirs);
    let all = tasks(&api, 4).await;
    let texts: Vec<_> = all.iter().map(|task| task["text"].as_str().unwrap_or_default()).collect();
    assert!(texts.contains(&"$ echo called") && texts.contains(&"$ echo handed over"), "{texts:?}");
    let quoting = all.iter().find(|task| task["text"].as_str().unwrap().starts_with("Do what"));
    let quoting = api.task(quoting.unwrap()["id"].as_str().unwrap()).await;
    let received = &events_of(&quoting, "task-received")[0];
    assert!(received.to_string().contains("please @everyone do"), "{received:#}");
    world.chat.called("download", 1).await;
    let result = world
        .chat
        .message("result of the file", |m| m.has("Continue") && m.text.contains("notes.txt"))
        .await;
    assert!(result.text.contains("succeeded"), "{}", result.text);

    // In its thread everything speaks to the task, and commands answer about it.
    let status = world.chat.commands(ANN, CHANNEL, "tasks", &[]);
    let follows = world.chat.acked(status).await.follows.unwrap();
    let listed = world.chat.message("list", |m| m.reply_to == Some(follows)).await;
    assert!(listed.text.contains("$ echo called"), "{}", listed.text);
    let begins = world.chat.begins(ANN, CHANNEL, "run", ("project", "de"));
    let fits = world.chat.acked(begins).await;
    assert_eq!(fits.data["choices"], json!([{"name": "demo", "value": "demo"}]));
    let nothing = world.chat.begins(EVE, CHANNEL, "run", ("project", "de"));
    assert_eq!(world.chat.acked(nothing).await.data["choices"], json!([]));
    world.check(&gatepost);
}

#[tokio::test]
async fn a_form_takes_the_reason_of_a_denial_and_no_text_ever_approves() {
    let world = World::new().await;
    let gatepost = world.up().await;
    let api = gatepost.api();
    world.chat.says(ANN, BOUND, "$ touch .git/hooks/x");
    let question = world.question().await;
    let task = only_task(&api).await;
    for text in ["yes", "ok", "approve", "do not allow"] {
        world.chat.says(ANN, question.channel, text);
    }
    let receipt = |m: &&Message| m.text.contains("its question still waits for a button");
    let heard = || world.chat.messages().iter().filter(receipt).count();
    world.chat.wait("receipts", || (heard() == 4).then_some(())).await;
    let open = api.task(&task).await;
    assert_eq!(open["state"], "awaiting-approval", "{open:#}");

    // Whoever has the role that may answer may, for as long as they have it.
    let nobody = world.chat.press(CAT, &question, "Deny");
    assert!(world.chat.told(nobody).await.contains("not yours to answer"));
    world.chat.gives_roles(CAT, &[ROLE]);
    world.chat.says_in_private(CAT, "/approvals");
    let channel = world.chat.private_channel(CAT);
    let list = world.chat.message("list", |m| m.channel == channel && m.has("Deny all")).await;
    world.chat.pick(CAT, &list, "Show it · 1");
    let copy = world.chat.message("copy", |m| m.channel == channel && m.has("Deny")).await;
    world.chat.gives_roles(CAT, &[]);
    let nobody = world.chat.press(CAT, &copy, "Deny");
    assert!(world.chat.told(nobody).await.contains("not yours to answer"));

    let press = world.chat.press(ANN, &question, "Deny with reason");
    let form = world.chat.acked(press).await;
    assert_eq!(form.acked.unwrap().0, 9, "a form: {form:#?}");
    let sent = world.chat.fill_in(ANN, &question, &form, "yes, but not like this");
    let told = world.chat.told(sent).await;
    assert!(told.contains("denied"), "{told}");
    let settled = world.settled(&question).await;
    assert!(settled.text.contains("yes, but not like this"), "{}", settled.text);
    // A form that is sent off late is a press like any other.
    let late = world.chat.fill_in(ANN, &question, &form, "again");
    assert!(world.chat.told(late).await.contains("denied"));
    world.check(&gatepost);
}

#[tokio::test]
async fn without_the_intent_for_messages_commands_names_and_private_words_still_work() {
    let world = World::new().await;
    world.chat.forbid_reading();
    let gatepost = world.up().await;
    let api = gatepost.api();
    world.chat.says(ANN, BOUND, "$ echo cannot be read");
    world.chat.calls_bot(ANN, CHANNEL, "$ echo by name");
    world.chat.says_in_private(ANN, "$ touch .git/hooks/private");
    world.chat.commands(ANN, BOUND, "run", &[("task", "$ echo by command")]);
    tasks(&api, 3).await;
    let question = world.question().await;
    assert_eq!(question.channel, world.chat.private_channel(ANN));
    let press = world.chat.press(ANN, &question, "Approve once");
    assert_eq!(world.chat.told(press).await, "approved once, and the agent goes on");
    world.check(&gatepost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn set_up_says_what_is_missing_and_a_code_makes_the_first_admin() {
    let world = World::with(&format!("[discord]\nguilds = [{GUILD}]\n")).await;
    let setup = world.setup.run(&["setup", "discord"]);
    assert_eq!(setup.code, Some(0), "{}{}", setup.stdout, setup.stderr);
    let invitation =
        "https://discord.com/oauth2/authorize?client_id=701&scope=bot+applications.commands";
    assert!(setup.stdout.contains(invitation), "{}", setup.stdout);
    assert!(!world.chat.offered().is_empty(), "the commands are there at once");
    let code = setup.stdout.split("the code ").nth(1).unwrap().split(' ').next().unwrap();
    let gatepost = world.up().await;
    world.chat.says_in_private(EVE, "hello");
    let answer = world.chat.message("answer", |m| m.text.contains("private bot")).await;
    assert!(answer.text.contains("6666"), "{}", answer.text);
    world.chat.says_in_private(ANN, code);
    world.chat.message("welcome", |m| m.text.contains("admin now")).await;
    world.chat.says_in_private(ANN, "$ echo mine");
    world.result("succeeded").await;

    let doctor = world.setup.run(&["doctor", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&doctor.stdout).unwrap();
    let found = &found["discord"];
    assert_eq!((&found["works"], &found["running"]), (&json!(true), &json!(true)), "{found:#}");
    assert!(found["last_inbound"].is_string() && found["reads_messages"] == true, "{found:#}");
    assert!(!doctor.stdout.contains(TOKEN), "the token is shown");
    world.check(&gatepost);
}

#[tokio::test]
async fn a_task_of_one_chat_is_watched_and_answered_on_the_other_and_the_first_answer_wins() {
    let telegram = FakeTelegram::start().await;
    // Ann is an approver by her name on Discord alone; her other name holds as much by the link.
    let linked = format!("[people.ann]\ntelegram = {}\ndiscord = {ANN}\n", world::ANN);
    let sections = format!("{}{linked}", World::people());
    let mut world = World::with(&sections).await;
    world.setup = world
        .setup
        .env("TELEGRAM_BOT_TOKEN", gatepost_e2e::telegram::TOKEN)
        .env("TELEGRAM_API_URL", &telegram.url());
    let gatepost = world.up().await;
    let api = gatepost.api();
    world.chat.says(ANN, BOUND, "$ touch .git/hooks/x");
    let question = world.question().await;
    let task = only_task(&api).await;
    let _ = telegram.say(world::ANN, &format!("/status {task}"));
    telegram.message("card", |message| message.text.contains("1 question waits")).await;
    let _ = telegram.say(world::ANN, "/approvals");
    let list = telegram.message("list", |message| has_key(message, "Show it · 1")).await;
    let _ = telegram.press(world::ANN, &list, "Show it · 1").await;
    let copy = telegram.message("copy", |message| has_key(message, "Approve once")).await;
    let toast = telegram.press(world::ANN, &copy, "Approve once").await;
    assert_eq!(toast.text, "approved once, and the agent goes on");
    let settled = world.settled(&question).await;
    assert!(settled.text.contains("approved by telegram:1001"), "{}", settled.text);
    let late = world.chat.press(ANN, &question, "Deny");
    let told = world.chat.told(late).await;
    assert!(told.contains("approved by telegram:1001"), "{told}");
    telegram.assert_clean();
    world.check(&gatepost);
}
