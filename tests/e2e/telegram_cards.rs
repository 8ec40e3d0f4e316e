//! Cards on a phone: who is asked where, what a press really does, and what a card says at the end.

use std::path::Path;

use gatepost_e2e::Api;
use gatepost_e2e::FakeTelegram;
use gatepost_e2e::Gatepost;
use gatepost_e2e::Project;
use gatepost_e2e::Setup;
use gatepost_e2e::api::events_of;
use gatepost_e2e::telegram::Message;
use gatepost_e2e::telegram::TOKEN;
use gatepost_e2e::world::only_task;

/// Asks and approves.
const ANN: i64 = 1001;

/// Asks, and approves nothing.
const BOB: i64 = 1002;

/// Approves, and asks nothing.
const CAT: i64 = 1003;

/// A member of the group whom nobody named.
const EVE: i64 = 6666;

/// The named group.
const GROUP: i64 = -1_001_234;

const RISKY: &str = "$ touch .git/hooks/x";

struct World {
    root: tempfile::TempDir,
    setup: Setup,
    chat: FakeTelegram,
}

impl World {
    /// With projects of these names, the first the default one, and more lines for `[telegram]`.
    async fn new(projects: &[&str], telegram: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let chat = FakeTelegram::start().await;
        let mut config = format!("[defaults]\nproject = {:?}\n", projects[0]);
        for name in projects {
            let project = Project::git(&root.path().join(name));
            config.push_str(&format!("[projects.{name}]\npath = {:?}\n", project.path()));
        }
        config.push_str(&format!(
            "[telegram]\nrequesters = [{ANN}, {BOB}]\napprovers = [{ANN}, {CAT}]\n\
             admins = [{ANN}]\ngroups = [{GROUP}]\n{telegram}\n"
        ));
        let setup = Setup::new(root.path())
            .config(&config)
            .env("TELEGRAM_BOT_TOKEN", TOKEN)
            .env("TELEGRAM_API_URL", &chat.url());
        Self { root, setup, chat }
    }

    /// The end of every test: nothing against the rules, and no token anywhere.
    fn check(&self, gatepost: &Gatepost) {
        self.chat.assert_clean();
        let secret = TOKEN.split_once(':').unwrap().1;
        assert!(!gatepost.log().contains(secret), "the token is in the log");
    }

    /// The latest open question in a chat.
    async fn question(&self, chat: i64) -> Message {
        let fits = |message: &Message| message.chat == chat && has_key(message, "Approve once");
        self.chat.message("open question", fits).await
    }

    /// A message once it says something.
    async fn says(&self, message: &Message, what: &str) -> Message {
        let (chat, id) = (message.chat, message.id);
        let fits =
            |found: &Message| found.chat == chat && found.id == id && found.text.contains(what);
        self.chat.message(what, fits).await
    }

    /// The live card in a chat, once it says something.
    async fn card(&self, chat: i64, what: &str) -> Message {
        let fits = |found: &Message| {
            found.chat == chat && found.text.contains("project ") && found.text.contains(what)
        };
        self.chat.message(what, fits).await
    }

    fn hook(&self, project: &str) -> bool {
        let hook: &Path = ".git/hooks/x".as_ref();
        self.root.path().join(project).join("demo").join(hook).exists()
    }
}

fn has_key(message: &Message, label: &str) -> bool {
    message.keys.iter().any(|(name, _)| name == label)
}

/// Every task, once there are so many open questions.
async fn asked(api: &Api, count: usize) -> Vec<serde_json::Value> {
    let begun = std::time::Instant::now();
    loop {
        let open = api.get("/api/approvals").await;
        let open = open.as_array().unwrap().clone();
        if open.len() == count {
            return open;
        }
        assert!(begun.elapsed() < gatepost_e2e::PATIENCE, "not {count} questions: {open:#?}");
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
}

/// 32: several questions are all reachable, and one press denies what was listed and nothing else.
#[tokio::test]
async fn open_questions_are_listed_brought_anew_and_denied_with_one_press() {
    let world = World::new(&["a", "b", "c"], "").await;
    let gatepost = world.setup.up();
    let api = gatepost.api();
    for project in ["a", "b"] {
        let _ = world.chat.say(ANN, &format!("#{project} {RISKY}"));
    }
    asked(&api, 2).await;
    let _ = world.chat.say(ANN, "/approvals");
    let lists = |message: &Message| message.text.contains("questions are open");
    let list = world.chat.message("list", lists).await;
    assert!(list.text.starts_with("2 questions are open"), "{}", list.text);
    assert_eq!(list.text.matches("touch .git/hooks/x").count(), 2, "{}", list.text);
    let shows = list.keys.iter().filter(|(label, _)| label.starts_with("Show it")).count();
    assert_eq!((shows, list.keys.len()), (2, 3), "{list:#?}");

    // A card is brought anew, and the new one answers.
    let toast = world.chat.press(ANN, &list, "Show it · 1").await;
    assert_eq!(toast.text, "Here it comes.");
    let anew = |message: &Message| message.id > list.id && has_key(message, "Approve once");
    world.chat.message("card anew", anew).await;

    // What came after the list is not touched by its button.
    let _ = world.chat.say(ANN, &format!("#c {RISKY}"));
    let open = asked(&api, 3).await;
    let not_bob = world.chat.press(BOB, &list, "Deny all").await;
    assert!(not_bob.alert && not_bob.text.starts_with("Only an approver"), "{not_bob:?}");
    // One of the two is answered by somebody else first.
    assert_eq!(api.answer(&open[0], "deny").await.status, 200);
    gatepost.kill_9();

    // The button still means the same after a restart.
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let toast = world.chat.press(ANN, &list, "Deny all").await;
    assert_eq!(
        toast.text,
        "1 question denied, and its agent was told; 1 was settled before: already denied by \
         console:owner"
    );
    let left = asked(&api, 1).await;
    assert_eq!(left[0]["id"], open[2]["id"], "the one that came later stays open");
    let again = world.chat.press(ANN, &list, "Deny all").await;
    assert!(again.text.starts_with("nothing was left to deny; 2 were settled"), "{again:?}");
    asked(&api, 1).await;
    // The list from before the restart stays true, too.
    world.says(&list, "No question is open").await;
    assert!(!["a", "b", "c"].iter().any(|project| world.hook(project)));
    world.check(&gatepost);
}

/// A list stays true: what is settled says so, and its buttons go with the last question.
#[tokio::test]
async fn a_list_of_open_questions_says_how_each_was_settled() {
    let world = World::new(&["a", "b"], "").await;
    let gatepost = world.setup.up();
    let api = gatepost.api();
    for project in ["a", "b"] {
        let _ = world.chat.say(ANN, &format!("#{project} {RISKY}"));
    }
    asked(&api, 2).await;
    let _ = world.chat.say(ANN, "/approvals");
    let lists = |message: &Message| message.text.contains("questions are open");
    let list = world.chat.message("list", lists).await;
    let one = world.question(ANN).await;
    // What will happen, why, by which rule, who may answer and until when.
    for line in ["What happens: If it runs, it ", "Why you are asked: ", "Rule: "] {
        assert!(one.text.contains(line), "{}", one.text);
    }
    let who = format!("The approvers {ANN}, {CAT} may answer until ");
    assert!(one.text.contains(&who) && one.text.contains("(in "), "{}", one.text);
    let toast = world.chat.press(ANN, &one, "Deny").await;
    assert_eq!(toast.text, "denied, and the agent was told");
    let list = world.says(&list, "denied by telegram:1001").await;
    assert!(list.text.starts_with("1 question is open"), "{}", list.text);
    let toast = world.chat.press(ANN, &list, "Deny all").await;
    assert!(toast.text.starts_with("1 question denied"), "{toast:?}");
    let list = world.says(&list, "No question is open").await;
    assert!(list.keys.is_empty(), "{list:#?}");
    let _ = world.chat.say(ANN, "/approvals");
    let none = |message: &Message| message.text == "No question is open." && message.id > list.id;
    world.chat.message("empty list", none).await;
    world.check(&gatepost);
}

/// 35: in private, each approver has a copy, the first answer wins and every copy says so; the
/// group sees that somebody is waited for, and nothing of what.
#[tokio::test]
async fn questions_asked_in_private_have_one_answer_and_the_group_sees_no_action() {
    let world = World::new(&["demo"], "approvals = \"private\"").await;
    let gatepost = world.setup.up();
    // Cat has never opened a chat with the bot.
    let _ = world.chat.say(ANN, "/start");
    let _ = world.chat.say_in(GROUP, BOB, &format!("@gate_test_bot {RISKY}"));
    let to_ann = world.question(ANN).await;
    assert!(to_ann.text.contains("touch .git/hooks/x") && !to_ann.silent, "{to_ann:#?}");
    let card = world.card(GROUP, "could not be asked in private: 1003").await;
    assert!(card.text.contains("1 question waits for an approver"), "{}", card.text);
    assert!(card.text.contains("asked in private: 1001"), "{}", card.text);
    let _ = world.chat.say_in(GROUP, BOB, "/approvals@gate_test_bot");
    let lists = |message: &Message| message.chat == GROUP && message.text.contains("is open");
    let list = world.chat.message("list", lists).await;
    assert!(list.text.contains("waits for an approver") && list.keys.is_empty(), "{list:#?}");
    let asked_for = |message: &&Message| message.text.contains("Wants to");
    let in_group = |message: &&Message| message.chat == GROUP;
    let seen = world.chat.messages();
    assert_eq!(seen.iter().filter(in_group).filter(asked_for).count(), 0, "{seen:#?}");

    // Once Cat opens the chat, she is asked too.
    let _ = world.chat.say(CAT, "/start");
    let to_cat = world.question(CAT).await;
    // Both copies are known after a restart, and neither is sent again.
    gatepost.kill_9();
    let gatepost = world.setup.up();
    let api = gatepost.api();
    // Two answers at the same moment are one.
    let (ann, cat) = tokio::join!(
        world.chat.press(ANN, &to_ann, "Deny"),
        world.chat.press(CAT, &to_cat, "Approve once"),
    );
    let late = [&ann, &cat].into_iter().filter(|toast| toast.text.starts_with("already")).count();
    assert_eq!(late, 1, "{ann:?} {cat:?}");
    let who = if ann.text.starts_with("already") { "telegram:1003" } else { "telegram:1001" };
    let mut outcomes = Vec::new();
    for copy in [&to_ann, &to_cat] {
        let settled = world.says(copy, &format!("by {who}")).await;
        assert!(settled.keys.is_empty(), "{settled:#?}");
        outcomes.push(settled.text.lines().last().unwrap().to_owned());
    }
    assert_eq!(outcomes[0], outcomes[1], "every copy tells the same outcome");
    let seen = world.chat.messages();
    assert_eq!(seen.iter().filter(asked_for).count(), 2, "a copy for each: {seen:#?}");
    let tasks = api.get("/api/tasks").await;
    let task = api.finished(tasks[0]["id"].as_str().unwrap()).await;
    assert_eq!(events_of(&task, "approval-decided").len(), 1, "{task:#}");
    // What Ann asks for in private is no title for the group.
    let _ = world.chat.say(ANN, "$ echo of Ann's own");
    let theirs = |message: &Message| message.chat == ANN && message.text.contains("of Ann's own");
    world.chat.message("her card", theirs).await;
    let _ = world.chat.say_in(GROUP, BOB, "/tasks@gate_test_bot");
    let untitled = |message: &Message| message.text.contains("asked in another chat");
    assert_eq!(world.chat.message("list", untitled).await.chat, GROUP);
    // The group has read Bob's own words, and reads of what was done only that it was a command.
    let _ = world.chat.say_in(GROUP, BOB, "/log@gate_test_bot");
    let log = |message: &Message| message.text.contains("This group sees how tasks stand");
    world.chat.message("no log", log).await;
    for message in world.chat.messages().iter().filter(in_group) {
        let named = message.text.matches("touch .git/hooks/x").count();
        assert!(named <= 1, "once, as the title: {message:#?}");
        assert!(!message.text.contains("What ran"), "{message:#?}");
        assert!(!message.text.contains("Ann's own"), "{message:#?}");
    }
    let eve = world.chat.press(EVE, &to_ann, "Approve once").await;
    assert!(eve.alert && eve.text.contains("not yours"), "{eve:?}");
    world.check(&gatepost);
}

/// 21: whoever asks in private and is no approver does not wait for themselves.
#[tokio::test]
async fn a_requester_who_is_no_approver_is_answered_by_one() {
    let world = World::new(&["demo"], "").await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, "/start");
    let _ = world.chat.say(CAT, "/start");
    let _ = world.chat.say(BOB, RISKY);
    let to_bob = world.question(BOB).await;
    let to_cat = world.question(CAT).await;
    let toast = world.chat.press(BOB, &to_bob, "Approve once").await;
    assert!(toast.alert && toast.text.starts_with("Only an approver"), "{toast:?}");
    // The prompt and the reason are where the press was.
    let toast = world.chat.press(CAT, &to_cat, "Deny with reason").await;
    assert!(toast.text.starts_with("Reply"), "{toast:?}");
    let prompt = world.chat.message("prompt", |message| message.wants_reply).await;
    assert_eq!(prompt.chat, CAT);
    let _ = world.chat.reply(CAT, &prompt, "yes");
    for copy in [&to_bob, &to_cat] {
        world.says(copy, "denied by telegram:1003: yes").await;
    }
    let to_ann =
        |message: &Message| message.chat == ANN && message.text.contains("denied by telegram:1003");
    world.chat.message("the copy of the other approver", to_ann).await;
    assert!(!world.hook("demo"));
    world.check(&gatepost);
}

/// 44: in quiet hours nothing rings, and all of it comes.
#[tokio::test]
async fn quiet_hours_are_each_person_s_own_and_survive_a_restart() {
    let always = "[telegram.quiet]\n\"1001\" = \"0:00-23:59 questions\"\n";
    let world = World::new(&["demo"], always).await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, "/quiet");
    let told = world.chat.message("hours", |message| message.text.contains("00:00-23:59")).await;
    assert!(told.text.contains("nothing but questions rings"), "{}", told.text);
    let _ = world.chat.say(ANN, "/quiet 0:00-23:59");
    world.chat.message("hours", |message| message.text.contains("questions neither")).await;
    let _ = world.chat.say(ANN, "/quiet tomorrow");
    world.chat.message("help", |message| message.text.contains("names no quiet hours")).await;
    gatepost.kill_9();

    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, RISKY);
    let question = world.question(ANN).await;
    assert!(question.silent, "{question:#?}");
    let toast = world.chat.press(ANN, &question, "Deny").await;
    assert_eq!(toast.text, "denied, and the agent was told");
    let over = |message: &Message| message.text.contains("denied") && has_key(message, "Continue");
    let result = world.chat.message("result", over).await;
    assert!(result.silent, "{result:#?}");
    let _ = world.chat.say(ANN, "/quiet off");
    world.chat.message("hours", |message| message.text.contains("no quiet hours")).await;
    let _ = world.chat.say(ANN, RISKY);
    let anew = |message: &Message| message.id > result.id && has_key(message, "Approve once");
    let question = world.chat.message("question", anew).await;
    assert!(!question.silent, "{question:#?}");
    world.check(&gatepost);
}

/// 9, 10: receipts say what became of a message: told, kept, queued or refused.
#[tokio::test]
async fn receipts_say_exactly_what_became_of_a_message() {
    let world = World::new(&["demo"], "[hub]\nmax_queued = 1").await;
    let gatepost = world.setup.up();
    let api = gatepost.api();
    // It runs until it is stopped.
    let _ = world.chat.say(ANN, "$ sleep 600");
    let running = world.card(ANN, "running").await;
    let _ = world.chat.say(ANN, "$ echo second");
    let second = world.card(ANN, "queued 2nd").await;
    let _ = world.chat.say(ANN, "$ echo third");
    let refused = |message: &Message| message.text.starts_with("Refused: queue full");
    world.chat.message("refusal", refused).await;

    let _ = world.chat.reply(ANN, &running, "and then this");
    let told = |message: &Message| message.text == "delivered to the running agent";
    world.chat.message("receipt", told).await;
    let _ = world.chat.reply(ANN, &second, "and that");
    let kept = |message: &Message| {
        message.text == "kept for when the task starts; it is queued 2nd" && message.silent
    };
    world.chat.message("receipt", kept).await;
    let tasks = api.get("/api/tasks").await;
    assert_eq!(tasks.as_array().unwrap().len(), 2, "{tasks:#}");
    for task in tasks.as_array().unwrap() {
        let detail = api.task(task["id"].as_str().unwrap()).await;
        assert_eq!(events_of(&detail, "message-received").len(), 1, "{detail:#}");
    }
    let toast = world.chat.press(ANN, &running, "Stop").await;
    assert!(toast.text.ends_with("is being stopped"), "{toast:?}");
    world.check(&gatepost);
}

/// 46: a card that was cut off says so, and offers to go on.
#[tokio::test]
async fn a_card_that_kill_9_cut_off_says_interrupted_and_offers_to_go_on() {
    let world = World::new(&["demo"], "").await;
    let gatepost = world.setup.up();
    let text = "$ echo one > a.txt\n$ test -e cut.txt || { touch cut.txt; sleep 600; }";
    let _ = world.chat.say(ANN, text);
    let step = |message: &Message| message.text.contains("sleep 600") && has_key(message, "Stop");
    let card = world.chat.message("card of the running step", |message| {
        step(message) && message.text.contains("running")
    });
    let card = card.await;
    // Until the step sleeps: what it did before that is there when it goes on.
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    gatepost.kill_9();

    let gatepost = world.setup.up();
    let cut_off = world.says(&card, "interrupted").await;
    assert!(cut_off.keys.is_empty() && !cut_off.text.contains(" · running"), "{cut_off:#?}");
    let over =
        |message: &Message| message.text.contains("interrupted") && has_key(message, "Continue");
    let result = world.chat.message("result", over).await;
    assert!(has_key(&result, "Run again") && !result.silent, "{result:#?}");

    // It goes on where it was cut: a card and a result of their own, and the old one is done with.
    let toast = world.chat.press(ANN, &result, "Resume").await;
    assert_eq!(toast.text, "it goes on where it was cut");
    let before = world.says(&result, "interrupted").await;
    let next = |what: &'static str, since: i64| {
        move |message: &Message| {
            message.id > since && message.text.contains(what) && has_key(message, "Continue")
        }
    };
    let done = world.chat.message("result of the rest", next("succeeded", result.id)).await;
    assert!(!done.silent && !has_key(&done, "Resume"), "{done:#?}");
    world
        .chat
        .message("the old one without buttons", |message| {
            message.id == before.id && message.keys.is_empty()
        })
        .await;

    // A reply goes on in the same workspace, as the same task.
    let reply = world.chat.reply(ANN, &done, "$ cat a.txt > b.txt");
    let card = world
        .chat
        .message("a card of its own", |message| {
            // The result may overtake it.
            let result = has_key(message, "Continue");
            message.id > done.id && message.reply_to == Some(reply) && !result
        })
        .await;
    assert!(card.silent, "{card:#?}");
    let result = world.chat.message("result of the reply", next("succeeded", done.id)).await;
    let api = gatepost.api();
    let task = api.task(&only_task(&api).await).await;
    assert_eq!(events_of(&task, "run-started").len(), 3, "{task:#}");
    assert_eq!(task["summary"]["files"].as_array().unwrap().len(), 3, "{task:#}");
    let toast = world.chat.press(ANN, &result, "Run again").await;
    assert!(toast.text.starts_with("taken as task"), "{toast:?}");
    let again = world.chat.press(ANN, &result, "Run again").await;
    assert!(again.alert && again.text.starts_with("It was run again already"), "{again:?}");
    world.check(&gatepost);
}

/// 27, 46: a task that goes on by itself is not called interrupted, and an approval whose run was
/// gone does not say that it started.
#[tokio::test]
async fn an_approval_after_kill_9_says_that_the_run_was_gone_and_the_task_goes_on() {
    let world = World::new(&["demo"], "").await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, &format!("$ echo one > a.txt\n{RISKY}\n$ echo two > b.txt"));
    let question = world.question(ANN).await;
    gatepost.kill_9();

    let gatepost = world.setup.up();
    let toast = world.chat.press(ANN, &question, "Approve once").await;
    assert_eq!(
        toast.text,
        "approved, but the run was gone; the task goes on from there with a new one"
    );
    let over =
        |message: &Message| message.text.contains("succeeded") && has_key(message, "Continue");
    world.chat.message("result", over).await;
    world.says(&question, "approved by telegram:1001").await;
    let said = world.chat.messages();
    let wrong = said.iter().filter(|message| message.text.contains("interrupted")).count();
    assert_eq!(wrong, 0, "{said:#?}");
    world.check(&gatepost);
}

/// 24, 26: a press that meets kill -9 counts once or not at all, and the card says which.
#[tokio::test]
async fn a_press_that_meets_kill_9_counts_once() {
    let world = World::new(&["demo"], "").await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, RISKY);
    let question = world.question(ANN).await;
    let (_, data) = question.keys.iter().find(|(label, _)| label == "Approve once").unwrap();
    let _ = world.chat.press_silently(ANN, &question, data);
    gatepost.kill_9();

    let gatepost = world.setup.up();
    let api = gatepost.api();
    // What was not confirmed is delivered again, so the press is not lost.
    world.chat.all_taken().await;
    let tasks = api.get("/api/tasks").await;
    let task = api.finished(tasks[0]["id"].as_str().unwrap()).await;
    let decided = events_of(&task, "approval-decided");
    assert_eq!(decided.len(), 1, "{task:#}");
    match task["outcome"].as_str().unwrap() {
        "succeeded" => assert_eq!(events_of(&task, "action-started").len(), 1, "{task:#}"),
        // It had started when Gatepost died, and nobody knows how far it came.
        other => assert_eq!(other, "interrupted", "{task:#}"),
    }
    world.says(&question, "approved by telegram:1001").await;
    world.check(&gatepost);
}

/// 25: what ran out did not run, and every way to answer it says so.
#[tokio::test]
async fn a_question_that_ran_out_says_so_on_its_card_in_the_list_and_to_a_late_press() {
    let world = World::new(&["demo"], "[approvals]\ntimeout = \"4s\"").await;
    let gatepost = world.setup.up();
    let _ = world.chat.say(ANN, RISKY);
    let question = world.question(ANN).await;
    let _ = world.chat.say(ANN, "/approvals");
    let lists = |message: &Message| message.text.contains("1 question is open");
    let list = world.chat.message("list", lists).await;
    let card = world.says(&question, "expired, not run").await;
    assert!(card.keys.is_empty(), "{card:#?}");
    let list_now = world.says(&list, "expired, not run").await;
    assert!(list_now.keys.is_empty(), "{list_now:#?}");
    let toast = world.chat.press(ANN, &question, "Approve once").await;
    assert_eq!(toast.text, "expired, not run");
    let toast = world.chat.press(ANN, &list, "Deny all").await;
    assert_eq!(toast.text, "nothing was left to deny; 1 was settled before: expired, not run");
    assert!(!world.hook("demo"));
    world.check(&gatepost);
}

/// What another chat asked for can be answered here by whoever brings its card.
#[tokio::test]
async fn a_question_of_the_console_is_brought_to_the_phone_and_settled_there() {
    let world = World::new(&["demo"], "").await;
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let task = api.submit(RISKY).await;
    asked(&api, 1).await;
    assert!(world.chat.messages().is_empty(), "it does not ring a phone that nobody asked");
    let _ = world.chat.say(ANN, "/approvals");
    let lists = |message: &Message| message.text.contains("1 question is open");
    let list = world.chat.message("list", lists).await;
    assert!(list.silent, "an answer to a command does not ring");
    let toast = world.chat.press(ANN, &list, "Show it").await;
    assert_eq!(toast.text, "Here it comes.");
    let question = world.question(ANN).await;
    let toast = world.chat.press(ANN, &question, "Approve once").await;
    assert_eq!(toast.text, "approved once, and the agent goes on");
    let card = world.says(&question, "approved by telegram:1001").await;
    assert!(card.keys.is_empty(), "{card:#?}");
    world.says(&list, "No question is open").await;
    assert_eq!(api.finished(&task).await["outcome"], "succeeded");
    world.check(&gatepost);
}

/// 23: whatever is written, wherever it is written, decides nothing; after `Deny with reason` it is
/// the reason of a denial, and only from an approver.
#[tokio::test]
async fn no_words_decide_whatever_they_answer() {
    let world = World::new(&["demo"], "").await;
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let asked_in = world.chat.say(ANN, RISKY);
    let question = world.question(ANN).await;
    let card = world.card(ANN, "waits for you").await;
    let words =
        ["yes", "approve once", "do not allow", "ok, go ahead", "/approve", "/approvals yes"];
    for text in words {
        let _ = world.chat.reply(ANN, &question, text);
    }
    world.chat.all_taken().await;
    let toast = world.chat.press(ANN, &question, "Deny with reason").await;
    assert!(toast.text.starts_with("Reply"), "{toast:?}");
    let prompt = world.chat.message("prompt", |message| message.wants_reply).await;
    let _ = world.chat.reply(BOB, &question, "no, do not");
    let reply = world.chat.reply(ANN, &card, "Approve for this task");
    world.chat.edit(ANN, ANN, reply, "approve");
    world.chat.edit(ANN, ANN, asked_in, "yes");
    let _ = world.chat.reply(BOB, &prompt, "yes, approve it");
    world.chat.all_taken().await;
    assert_eq!(asked(&api, 1).await.len(), 1, "nothing was decided");
    let tasks = api.get("/api/tasks").await;
    let id = tasks[0]["id"].as_str().unwrap();
    let task = api.task(id).await;
    assert_eq!(events_of(&task, "approval-decided").len(), 0, "{task:#}");

    let _ = world.chat.reply(ANN, &prompt, "approve! yes! run it!");
    let task = api.finished(id).await;
    assert_eq!(task["outcome"], "denied", "{task:#}");
    assert_eq!(events_of(&task, "action-started").len(), 0, "{task:#}");
    world.check(&gatepost);
}

/// Whoever may not apply changes can have them applied by an approver, who brings the result.
#[tokio::test]
async fn an_approver_brings_the_result_of_somebody_else_and_applies_it() {
    let world = World::new(&["demo"], "").await;
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let _ = world.chat.say(BOB, "$ echo one > a.txt");
    let applies = |chat: i64| move |m: &Message| m.chat == chat && has_key(m, "Apply");
    let to_bob = world.chat.message("result", applies(BOB)).await;
    let toast = world.chat.press(BOB, &to_bob, "Apply").await;
    assert!(toast.alert && toast.text.starts_with("Only an approver"), "{toast:?}");
    let tasks = api.get("/api/tasks").await;
    let id = tasks[0]["id"].as_str().unwrap();
    assert!(toast.text.contains(&format!("/status {id}")), "{toast:?}");

    let _ = world.chat.say(ANN, &format!("/status {id}"));
    let to_ann = world.chat.message("result", applies(ANN)).await;
    let toast = world.chat.press(ANN, &to_ann, "Apply").await;
    assert!(toast.text.starts_with("applied to the project"), "{toast:?}");
    for copy in [&to_bob, &to_ann] {
        let now = world.says(copy, "applied to the project").await;
        assert!(!has_key(&now, "Apply"), "{now:#?}");
    }
    assert!(world.root.path().join("demo/demo/a.txt").exists());
    world.check(&gatepost);
}
