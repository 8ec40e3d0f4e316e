//! The main job on Discord: the real binary against a strict server.

use gatepost_e2e::FakeTelegram;
use gatepost_e2e::api::events_of;
use gatepost_e2e::discord::BOT;
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
    // Telegram lets nobody be written to who has not written first.
    let _ = telegram.say(world::ANN, "/start");
    telegram.message("welcome", |_| true).await;
    world.chat.says(ANN, BOUND, "$ touch .git/hooks/x");
    let question = world.question().await;
    let task = only_task(&api).await;
    // Whoever asked is asked where else they are, without having to look.
    let copy = telegram.message("pushed copy", |message| has_key(message, "Approve once")).await;
    assert_eq!(copy.chat, world::ANN);
    assert!(copy.text.contains("touch .git/hooks/x"), "{}", copy.text);
    let _ = telegram.say(world::ANN, &format!("/status {task}"));
    telegram.message("card", |message| message.text.contains("1 question waits")).await;
    let toast = telegram.press(world::ANN, &copy, "Approve once").await;
    assert_eq!(toast.text, "approved once, and the agent goes on");
    let settled = world.settled(&question).await;
    assert!(settled.text.contains("approved by telegram:1001"), "{}", settled.text);
    let late = world.chat.press(ANN, &question, "Deny");
    let told = world.chat.told(late).await;
    assert!(told.contains("approved by telegram:1001"), "{told}");
    let ended = |m: &gatepost_e2e::telegram::Message| {
        m.id == copy.id && m.text.contains("approved by telegram:1001") && m.keys.is_empty()
    };
    telegram.message("copy that tells the same", ended).await;

    // The other way round, and over a kill in between: what is asked on one is pushed to the other.
    let _ = telegram.say(world::ANN, "$ touch .git/hooks/y");
    let asked = telegram.message("question", |m| has_key(m, "Approve once")).await;
    let private = world.chat.private_channel(ANN);
    let pushed = |m: &Message| m.channel == private && m.has("Approve once");
    let copy = world.chat.message("pushed copy", pushed).await;
    assert!(copy.text.contains("touch .git/hooks/y") && !copy.silent, "{copy:#?}");
    gatepost.kill_9();
    world.chat.new_life();
    let gatepost = world.setup.up();
    world.chat.session(2).await;
    let press = world.chat.press(ANN, &copy, "Deny");
    let told = world.chat.told(press).await;
    assert!(told.contains("denied"), "{told}");
    let settled = world.settled(&copy).await;
    assert!(settled.text.contains("denied by discord:2001"), "{}", settled.text);
    let copies = |m: &&Message| m.channel == private && m.only_for.is_none();
    let late = telegram.press(world::ANN, &asked, "Approve once").await;
    assert!(late.text.contains("denied by discord:2001"), "{late:?}");
    assert_eq!(world.chat.messages().iter().filter(copies).count(), 1);
    telegram.assert_clean();
    world.check(&gatepost);
}

#[tokio::test]
async fn an_action_is_changed_in_a_form_and_runs_only_after_another_press() {
    let world = World::new().await;
    let gatepost = world.up().await;
    let api = gatepost.api();
    world.chat.says(ANN, BOUND, "$ touch .git/hooks/x");
    let question = world.question().await;
    let task = only_task(&api).await;
    let press = world.chat.press(ANN, &question, "Approve with changes");
    let form = world.chat.acked(press).await;
    assert_eq!(form.acked.unwrap().0, 9, "a form: {form:#?}");
    let field = &form.data["components"][0]["components"][0];
    assert_eq!(field["value"], "touch .git/hooks/x", "it begins with what was asked");
    let sent = world.chat.fill_in(ANN, &question, &form, "echo yes > changed.txt");
    assert!(world.chat.told(sent).await.starts_with("Look at it"));
    let changed = |m: &Message| m.has("Approve this") && m.text.contains("echo yes > changed.txt");
    let shown = world.chat.message("changed form", changed).await;
    let open = api.task(&task).await;
    assert_eq!(open["state"], "awaiting-approval", "a form decides nothing: {open:#}");
    // Neither a form nor what came of it makes somebody an approver.
    for (who, words) in [(BOB, "Only an approver"), (EVE, "not yours to answer")] {
        let press = world.chat.press(who, &shown, "Approve this");
        assert!(world.chat.told(press).await.contains(words));
    }
    let press = world.chat.press(ANN, &shown, "Approve this");
    let told = world.chat.told(press).await;
    assert!(told.starts_with("approved as you changed it"), "{told}");
    let finished = api.finished(&task).await;
    let approved = &finished["summary"]["approved"][0];
    assert_eq!(approved["subject"], "echo yes > changed.txt");
    assert_eq!(approved["edited_from"], "touch .git/hooks/x");
    assert_eq!(finished["summary"]["ran"].as_array().unwrap().len(), 1, "{finished:#}");
    let settled = world.settled(&question).await;
    assert!(settled.text.contains("edited by discord:2001"), "{}", settled.text);
    let late = world.chat.fill_in(ANN, &question, &form, "echo later");
    assert!(world.chat.told(late).await.contains("edited by discord:2001"));
    world.check(&gatepost);
}

#[tokio::test]
async fn voice_messages_run_when_whoever_spoke_confirms_the_words_and_are_declined_without_a_listener()
 {
    let listens = "transcriber = [\"cat\"]\n";
    let world = World::with(&(World::people() + listens)).await;
    let gatepost = world.up().await;
    let api = gatepost.api();
    world.chat.speaks(ANN, BOUND, "$ echo spoken > spoken.txt");
    world.chat.speaks(EVE, BOUND, "$ echo a stranger");
    let heard = |m: &Message| m.has("Run it") && m.text.contains("echo spoken > spoken.txt");
    let asks = world.chat.message("transcript", heard).await;
    assert_eq!(api.get("/api/tasks").await, json!([]), "nothing runs before its words were read");
    let bob = world.chat.press(BOB, &asks, "Run it");
    assert!(world.chat.told(bob).await.contains("Only who"));
    let press = world.chat.press(ANN, &asks, "Run it");
    assert_eq!(world.chat.told(press).await, "taken");
    let task = api.finished(&only_task(&api).await).await;
    assert_eq!(task["text"], "$ echo spoken > spoken.txt");
    assert_eq!(world.chat.calls("download"), 1, "nobody listens to a stranger");
    world.check(&gatepost);

    let world = World::new().await;
    let gatepost = world.up().await;
    world.chat.speaks(ANN, BOUND, "$ echo unheard");
    let declined = world.chat.message("true word", |m| m.text.contains("voice")).await;
    assert!(declined.text.contains("othing was started"), "{}", declined.text);
    assert_eq!(gatepost.api().get("/api/tasks").await, json!([]));
    world.check(&gatepost);
}

#[tokio::test]
async fn a_stranger_is_told_so_alone_and_nothing_of_what_they_wrote_is_shown() {
    let world = World::new().await;
    let gatepost = world.up().await;
    let run = world.chat.commands(EVE, CHANNEL, "run", &[("task", "$ echo let me in")]);
    let told = world.chat.told(run).await;
    assert_eq!(told, "You are not on this bot's list, so nothing was done.");
    let theirs = world.chat.says(EVE, CHANNEL, "do this");
    let over = world.chat.hands_over(EVE, CHANNEL, theirs);
    assert!(world.chat.told(over).await.starts_with("You are not on"));
    let from_bot = |m: &&Message| m.author == BOT && m.only_for.is_none();
    assert_eq!(world.chat.messages().iter().filter(from_bot).count(), 0);
    assert_eq!(gatepost.api().get("/api/tasks").await, json!([]));
    // Somebody who is listed sees what they asked for stand there, for everybody.
    let tasks = world.chat.commands(BOB, CHANNEL, "tasks", &[]);
    let follows = world.chat.acked(tasks).await.follows.unwrap();
    let echo = |m: &Message| m.id == follows && m.text == "/tasks" && !m.loading;
    world.chat.message("command", echo).await;
    world.check(&gatepost);
}
