//! Many updates of every kind over kills and faults: each message is handled once, and every card
//! ends with the truth.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;
use std::time::Instant;

use gatepost_e2e::Api;
use gatepost_e2e::FakeTelegram;
use gatepost_e2e::Gatepost;
use gatepost_e2e::Project;
use gatepost_e2e::Setup;
use gatepost_e2e::telegram::Attachment;
use gatepost_e2e::telegram::CONFLICT;
use gatepost_e2e::telegram::Fault;
use gatepost_e2e::telegram::Message;
use gatepost_e2e::telegram::TOKEN;
use gatepost_e2e::world::has_key;
use serde_json::Value;
use serde_json::json;

/// How many updates; `GATEPOST_SOAK` raises it to what shows more than a test run can afford.
const UPDATES: usize = 300;

/// Other beginnings with `GATEPOST_SOAK_SEED`.
const SEED: u64 = 7;

/// Of so many updates one is followed by a kill.
const A_KILL: u64 = 150;

/// More than this many updates do not wait for the bot at once: people do not write that fast.
const AT_ONCE: usize = 40;

/// Projects, which run beside each other.
const PROJECTS: usize = 6;

/// A named group, and one that is not.
const GROUP: i64 = -1_001_234;
const ELSEWHERE: i64 = -1_009_999;

const SAME: &str = "Bad Request: message is not modified: specified new message content and reply \
                    markup are exactly the same";
const TOO_OLD: &str =
    "Bad Request: query is too old and response timeout expired or query ID is invalid";

/// Small numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> Option<&'t T> {
        let sides = u64::try_from(from.len()).unwrap();
        if sides == 0 { None } else { from.get(usize::try_from(self.roll(sides)).unwrap()) }
    }
}

/// Something that a person said and that must be handled once.
struct Said {
    chat: i64,
    id: i64,
    text: String,
    mark: String,
}

struct Soak {
    dice: Dice,
    chat: FakeTelegram,
    setup: Setup,
    people: Vec<i64>,
    said: Vec<Said>,
    /// Queries with the mark of what they answered and the button.
    presses: Vec<(String, String, String)>,
    /// Messages whose buttons were there once.
    old: Vec<Message>,
    updates: usize,
    kills: usize,
    faults: usize,
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|count| count.parse().ok()).unwrap_or(otherwise)
}

#[tokio::test]
async fn every_message_is_handled_once_and_every_card_tells_the_truth() {
    let count = number("GATEPOST_SOAK", UPDATES as u64);
    let seed = number("GATEPOST_SOAK_SEED", SEED);
    let begun = Instant::now();
    eprintln!("soak: {count} updates from seed {seed}");
    let root = tempfile::tempdir().unwrap();
    let mut soak = Soak::new(root.path(), count, seed).await;
    let mut gatepost = soak.setup.up();
    while soak.updates < usize::try_from(count).unwrap() {
        soak.update();
        if soak.dice.roll(16) == 0 {
            soak.fault();
        }
        if soak.dice.roll(A_KILL) == 0 || soak.updates == 30 {
            gatepost = soak.kill(gatepost).await;
        }
        soak.wait_for_room().await;
    }
    // From here on nothing fails any more; what is said must come true.
    soak.chat.order_nothing();
    let api = gatepost.api();
    let patience = Duration::from_secs(90 + count / 20);
    let tasks = soak.finish(&api, patience).await;
    let sent = begun.elapsed();
    soak.assert_handled_once(&tasks);
    soak.assert_toasts_true(&tasks);
    soak.assert_cards_true(&tasks, patience).await;
    soak.chat.assert_clean();
    eprintln!(
        "soak: seed {seed}: {} updates, {} messages that must count once, {} tasks, {} presses, {} \
         kills, {} faults; handled after {} s, told after {} s; {} messages sent",
        soak.updates,
        soak.said.len(),
        tasks.len(),
        soak.presses.len(),
        soak.kills,
        soak.faults,
        sent.as_secs(),
        begun.elapsed().as_secs(),
        soak.chat.messages().len(),
    );
}

impl Soak {
    async fn new(root: &std::path::Path, count: u64, seed: u64) -> Self {
        let people: Vec<i64> =
            (0..i64::try_from(count / 40 + 6).unwrap()).map(|n| 2000 + n).collect();
        let mut config = String::new();
        for number in 0..PROJECTS {
            let folder = root.join(format!("p{number}"));
            std::fs::create_dir(&folder).unwrap();
            let project = Project::git(&folder);
            config.push_str(&format!("[projects.p{number}]\npath = {:?}\n", project.path()));
        }
        config.push_str(&format!(
            "[defaults]\nproject = \"p0\"\n[hub]\nmax_queued = 10000\n[approvals]\ntimeout = \
             \"8h\"\n[telegram]\nrequesters = {people:?}\napprovers = {people:?}\ngroups = \
             [{GROUP}]\n"
        ));
        let chat = FakeTelegram::start().await;
        let setup = Setup::new(root)
            .config(&config)
            .env("TELEGRAM_BOT_TOKEN", TOKEN)
            .env("TELEGRAM_API_URL", &chat.url());
        Self {
            dice: Dice(seed),
            chat,
            setup,
            people,
            said: Vec::new(),
            presses: Vec::new(),
            old: Vec::new(),
            updates: 0,
            kills: 0,
            faults: 0,
        }
    }

    /// Somebody does something.
    fn update(&mut self) {
        self.updates += 1;
        let who = *self.dice.pick(&self.people).unwrap();
        let stranger = 90_000 + i64::try_from(self.dice.roll(9)).unwrap();
        match self.dice.roll(100) {
            0..8 => self.task(who),
            8..35 => self.tap(who, stranger),
            35..50 => self.again(),
            50..55 => self.reply(),
            55..72 => drop(self.chat.say(stranger, "$ echo let me in")),
            72..80 => drop(self.chat.say_in(ELSEWHERE, who, "@gate_test_bot $ echo no")),
            80..90 => drop(self.chat.say_in(GROUP, stranger, "@gate_test_bot $ echo no")),
            90..95 => {
                let command = *self.dice.pick(&["/tasks", "/who", "/grants", "/help"]).unwrap();
                let _ = self.chat.say(who, command);
            }
            _ => self.edit(),
        }
    }

    fn mark(&self) -> String {
        format!("soak-{:06}", self.updates)
    }

    fn keep(&mut self, chat: i64, id: i64, text: String, mark: String) {
        self.said.push(Said { chat, id, text, mark });
    }

    fn task(&mut self, who: i64) {
        let mark = self.mark();
        let project = self.dice.roll(PROJECTS as u64);
        let command = match self.dice.roll(3) {
            0 => format!("$ touch .git/hooks/{mark}"),
            _ => format!("$ echo {mark}"),
        };
        let text = format!("#p{project} {command}");
        let id = if self.dice.roll(12) == 0 {
            let file = Attachment::document("notes.txt", "text/plain", mark.as_bytes());
            self.chat.attach(who, who, &file, &text, json!({}))
        } else {
            self.chat.say(who, &text)
        };
        self.keep(who, id, text, mark);
    }

    /// A message to a task, which may be over by then and is a new one in that case.
    fn reply(&mut self) {
        let open = self.chat.messages_that(|m| has_key(m, "Stop") || has_key(m, "Continue"));
        let Some(message) = self.dice.pick(&open).cloned() else { return };
        let mark = self.mark();
        let text = format!("$ echo {mark}");
        let id = self.chat.reply(message.chat, &message, &text);
        self.keep(message.chat, id, text, mark);
    }

    /// Telegram delivers something again.
    fn again(&mut self) {
        let Some(said) = self.dice.pick(&self.said) else { return };
        self.chat.deliver_again(said.chat, said.chat, said.id, &said.text);
    }

    fn edit(&mut self) {
        let Some(said) = self.dice.pick(&self.said) else { return };
        self.chat.edit(said.chat, said.chat, said.id, "$ echo something else");
    }

    fn tap(&mut self, who: i64, stranger: i64) {
        let open = self.chat.messages_that(|message| has_key(message, "Approve once"));
        match self.dice.roll(10) {
            0 => {
                if let Some(message) = self.chat.messages_that(|m| !m.keys.is_empty()).first() {
                    let _ = self.chat.press_silently(who, message, "1forged00000000000000000");
                }
            }
            1 => {
                if let Some(message) = self.dice.pick(&open) {
                    let _ = self.chat.press_silently(stranger, message, &message.keys[0].1);
                }
            }
            2 | 3 => {
                if let Some(message) = self.dice.pick(&self.old).cloned() {
                    self.press(&message);
                }
            }
            _ => {
                if let Some(message) = self.dice.pick(&open).cloned() {
                    self.press(&message);
                    if self.dice.roll(4) == 0 {
                        self.press(&message);
                        self.updates += 1;
                    }
                    self.old.push(message);
                }
            }
        }
    }

    fn press(&mut self, message: &Message) {
        let labels = ["Approve once", "Approve for this task", "Deny"];
        let label = *self.dice.pick(&labels).unwrap();
        let Some((_, data)) = message.keys.iter().find(|(name, _)| name == label) else { return };
        let query = self.chat.press_silently(message.chat, message, data);
        if let Some(mark) = mark_in(&message.text) {
            self.presses.push((query, mark, label.to_owned()));
        }
    }

    fn fault(&mut self) {
        self.faults += 1;
        let polls = "getUpdates";
        let (method, fault) = match self.dice.roll(16) {
            0 => (polls, Fault::Refuse(409, CONFLICT)),
            1 | 2 => (polls, Fault::LoseAnswer),
            3 => (polls, Fault::Cut),
            4 => (polls, Fault::Down(502)),
            5 | 6 => ("sendMessage", Fault::LoseAnswer),
            7 => ("sendMessage", Fault::Cut),
            8 => ("sendMessage", Fault::Pause(1 + self.dice.roll(3))),
            9 => ("sendMessage", Fault::Down(502)),
            10 => ("editMessageText", Fault::LoseAnswer),
            11 => ("editMessageText", Fault::Pause(1 + self.dice.roll(3))),
            12 => ("editMessageText", Fault::DownJson(500, "Internal Server Error")),
            13 => ("editMessageText", Fault::Refuse(400, SAME)),
            14 => ("answerCallbackQuery", Fault::Refuse(400, TOO_OLD)),
            _ => ("answerCallbackQuery", Fault::Cut),
        };
        // An edit that is said to be unchanged and is not would be a lie of Telegram's.
        if fault != Fault::Refuse(400, SAME) {
            self.chat.order(method, fault, 1);
        }
    }

    async fn kill(&mut self, gatepost: Gatepost) -> Gatepost {
        tokio::time::sleep(Duration::from_millis(self.dice.roll(900))).await;
        gatepost.kill_9();
        self.chat.bot_died();
        self.kills += 1;
        self.setup.up()
    }

    async fn wait_for_room(&self) {
        let begun = Instant::now();
        while self.chat.unconfirmed() > AT_ONCE {
            assert!(begun.elapsed() < 3 * gatepost_e2e::PATIENCE, "updates stay unconfirmed");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Answers what is still open and waits until every task is over; all of them with their events.
    async fn finish(&mut self, api: &Api, patience: Duration) -> Vec<Value> {
        let begun = Instant::now();
        let mut pressed = BTreeSet::new();
        let tasks = loop {
            let tasks = api.get("/api/tasks").await.as_array().unwrap().clone();
            let over = tasks.iter().all(|task| task["state"] == "finished");
            if over && self.chat.unconfirmed() == 0 {
                break tasks;
            }
            let asks = |m: &Message| has_key(m, "Approve once") || has_key(m, "Show it");
            for message in self.chat.messages_that(asks) {
                // Once a second: a press may get lost with the process, and is made again.
                if pressed.insert((message.chat, message.id, begun.elapsed().as_secs() / 10)) {
                    let shows = has_key(&message, "Show it");
                    let label = if shows { "Show it" } else { "Approve once" };
                    // A nudge that was answered stays where it is.
                    if shows && !pressed.insert((message.chat, message.id, u64::MAX)) {
                        continue;
                    }
                    let (_, data) = message.keys.iter().find(|(name, _)| name == label).unwrap();
                    let _ = self.chat.press_silently(message.chat, &message, data);
                }
            }
            let left: Vec<_> = tasks.iter().filter(|task| task["state"] != "finished").collect();
            assert!(begun.elapsed() < patience, "after {patience:?} not over: {left:#?}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        };
        let mut whole = Vec::with_capacity(tasks.len());
        for task in tasks {
            whole.push(api.task(task["id"].as_str().unwrap()).await);
        }
        whole
    }

    /// Each thing that was said is one task or one message to a task, and nothing ran twice.
    fn assert_handled_once(&self, tasks: &[Value]) {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for task in tasks {
            let events = task["events"].as_array().unwrap();
            let received = events.iter().filter(|event| event["kind"] == "message-received");
            let words = received.map(ToString::to_string);
            for words in words.chain([task["text"].as_str().unwrap().to_owned()]) {
                let mark = mark_in(&words);
                assert!(mark.is_some(), "nobody said {words}");
                *seen.entry(mark.unwrap()).or_default() += 1;
            }
            let mut started = BTreeSet::new();
            for event in events.iter().filter(|event| event["kind"] == "action-started") {
                let action = event["action_id"].to_string();
                assert!(started.insert(action), "started twice: {event:#} of {task:#}");
            }
        }
        let wrong: Vec<_> = self
            .said
            .iter()
            .filter(|said| seen.remove(&said.mark) != Some(1))
            .map(|said| (&said.mark, &said.text, said.chat, said.id))
            .collect();
        assert!(wrong.is_empty(), "not handled once: {wrong:#?}");
        assert!(seen.is_empty(), "nobody said {seen:#?}");
    }

    /// Who was told that they decided did decide so, and nobody was asked again about what had
    /// ended. What was under way in a crash may be asked about again.
    fn assert_toasts_true(&self, tasks: &[Value]) {
        let mut settled: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for task in tasks {
            let (mut marks, mut over) = (BTreeMap::new(), BTreeSet::new());
            for event in task["events"].as_array().unwrap() {
                match event["kind"].as_str() {
                    Some("approval-requested") => {
                        let mark = mark_in(&event["approval"]["action"].to_string()).unwrap();
                        assert!(!over.contains(&mark), "asked again about {mark}: {task:#}");
                        marks.insert(event["approval"]["action_id"].to_string(), mark);
                    }
                    Some("approval-decided") => {
                        let mark = marks[&event["action_id"].to_string()].clone();
                        let decision = event["settlement"]["decision"].as_str().unwrap_or("none");
                        settled.entry(mark).or_default().insert(decision);
                    }
                    Some("action-finished" | "action-refused") => {
                        over.extend(marks.get(&event["action_id"].to_string()).cloned());
                    }
                    _ => {}
                }
            }
        }
        for (query, mark, label) in &self.presses {
            let Some(toast) = self.chat.toast_of(query) else { continue };
            let words = toast.text.trim_start_matches("already ");
            // The words for a run that is gone leave out for how long.
            let wanted: &[&str] = if words.starts_with("approved for this task") {
                &["approve-for-task"]
            } else if words.starts_with("approved") {
                &["approve", "approve-for-task"]
            } else if words.starts_with("denied") {
                &["deny"]
            } else {
                continue;
            };
            let decided = settled.get(mark);
            let so = decided.is_some_and(|decided| wanted.iter().any(|how| decided.contains(how)));
            assert!(so, "{label} on {mark}: {toast:?}, and not {decided:?}");
        }
    }

    /// Every task has its result or a nudge towards it, and no message says what is no longer so.
    async fn assert_cards_true(&self, tasks: &[Value], patience: Duration) {
        let begun = Instant::now();
        let (lost, mut pressed) = (lost(tasks), BTreeSet::new());
        loop {
            let shown = self.chat.messages();
            let mut told = BTreeSet::new();
            for message in &shown {
                for task in tasks_in(&message.text) {
                    told.insert((message.chat, task, outcome_in(&message.text)));
                }
            }
            let untold: Vec<_> = tasks
                .iter()
                .filter(|task| {
                    let id = task["id"].as_str().unwrap().to_owned();
                    let outcome = task["outcome"].as_str().unwrap();
                    let is_told = told.iter().any(|(_, of, said)| {
                        *of == id
                            && said.as_deref().is_some_and(|said| said == outcome || said == "over")
                    });
                    !is_told
                })
                .map(|task| (&task["id"], &task["outcome"], &task["text"]))
                .collect();
            let stale: Vec<_> = shown
                .iter()
                .filter(|message| is_live_card(message) || has_key(message, "Approve once"))
                .collect();
            if untold.is_empty() && stale.is_empty() {
                break;
            }
            // A question that was sent again because the answer to its sending was lost.
            for message in &stale {
                let task = message.text.split("task ").nth(1).and_then(|rest| rest.get(..6));
                if task.is_some_and(|task| lost.contains(task))
                    && pressed.insert((message.chat, message.id))
                    && let Some((_, data)) = message.keys.first()
                {
                    let _ = self.chat.press_silently(message.chat, message, data);
                }
            }
            assert!(begun.elapsed() < patience, "untold: {untold:#?}; stale: {stale:#?}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        // Where the answer to a send was lost, nobody can know the message before it is touched.
        for message in self.unknown(tasks) {
            let (_, data) = message.keys.iter().find(|(label, _)| label == "Continue").unwrap();
            let _ = self.chat.press_silently(message.chat, &message, data);
        }
        let begun = Instant::now();
        loop {
            let untrue = self.unknown(tasks);
            if untrue.is_empty() {
                break;
            }
            assert!(begun.elapsed() < patience, "pressed, and still untrue: {untrue:#?}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Results that are told twice, or no more as the journal has it, after a send whose answer
    /// was lost. No others are.
    fn unknown(&self, tasks: &[Value]) -> Vec<Message> {
        let mut results: BTreeMap<String, Vec<Message>> = BTreeMap::new();
        for message in self.chat.messages_that(|message| has_key(message, "Continue")) {
            let id = tasks_in(&message.text).next().unwrap();
            results.entry(id).or_default().push(message);
        }
        results.retain(|id, shown| {
            let task = tasks.iter().find(|task| task["id"] == id.as_str()).unwrap();
            let outcome = task["outcome"].as_str();
            let is_old = |message: &Message| outcome_in(&message.text).as_deref() != outcome;
            shown.len() > 1 || shown.iter().any(is_old)
        });
        let lost = lost(tasks);
        let wrong: Vec<_> = results.iter().filter(|(id, _)| !lost.contains(*id)).collect();
        assert!(wrong.is_empty(), "told twice, or not so: {wrong:#?}");
        results.into_values().flatten().collect()
    }
}

/// The tasks with a message that was sent and never known to have arrived or not.
fn lost(tasks: &[Value]) -> BTreeSet<String> {
    let mut lost = BTreeSet::new();
    for task in tasks {
        let mut open = BTreeSet::new();
        for event in task["events"].as_array().unwrap() {
            let note = &event["note"];
            let message = (note["key"].as_str(), note["chat"].as_str());
            let known = match note["type"].as_str() {
                Some("sending") => open.insert(message),
                Some("sent" | "not-sent") => open.remove(&message),
                _ => true,
            };
            // Sent again, it may stand there twice.
            if !known {
                lost.insert(task["id"].as_str().unwrap().to_owned());
            }
        }
        if !open.is_empty() {
            lost.insert(task["id"].as_str().unwrap().to_owned());
        }
    }
    lost
}

/// The first mark in a text.
fn mark_in(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("soak-")?;
    let digits = rest.get(..6).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    Some(format!("soak-{digits}"))
}

/// The task that a message is about: its id is the first word that looks like one.
fn tasks_in(text: &str) -> impl Iterator<Item = String> {
    let head = text.lines().next().unwrap_or_default();
    let is_id = |word: &&str| {
        word.len() == 6 && word.bytes().all(|b| b"0123456789abcdefghjkmnpqrstvwxyz".contains(&b))
    };
    head.split_whitespace().find(is_id).map(str::to_owned).into_iter()
}

/// A card of a task at work; a list of tasks says only how they stood when it was asked for.
fn is_live_card(message: &Message) -> bool {
    message.text.starts_with(['⏳', '▫', '❓']) && message.text.contains("\nproject ")
}

/// The outcome that a message's first line names.
fn outcome_in(text: &str) -> Option<String> {
    let head = text.lines().next().unwrap_or_default();
    let outcomes = ["succeeded", "failed", "denied", "cancelled", "interrupted", "lost"];
    if head.contains("is over") {
        return Some("over".into());
    }
    outcomes.iter().find(|outcome| head.contains(*outcome)).map(|outcome| (*outcome).to_owned())
}
