//! Much of everything over kills, gaps and faults: each message is handled once, and every card ends
//! with the truth.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;
use std::time::Instant;

use gatepost_e2e::Api;
use gatepost_e2e::Gatepost;
use gatepost_e2e::discord::BOUND;
use gatepost_e2e::discord::CHANNEL;
use gatepost_e2e::discord::Fault;
use gatepost_e2e::discord::Message;
use gatepost_e2e::discord::world::ANN;
use gatepost_e2e::discord::world::BOB;
use gatepost_e2e::discord::world::EVE;
use gatepost_e2e::discord::world::World;
use serde_json::Value;
use serde_json::json;

/// How many things happen; `GATEPOST_SOAK` raises it to what shows more than a test run can afford.
const EVENTS: u64 = 100;

/// Other beginnings with `GATEPOST_SOAK_SEED`.
const SEED: u64 = 7;

/// Of so many events one is followed by a kill.
const A_KILL: u64 = 150;

/// More than this many tasks are not open at once: people do not write that fast.
const AT_ONCE: usize = 12;

/// Nor do they do more than so much in a second.
const A_MOMENT: Duration = Duration::from_millis(20);

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
#[derive(Debug)]
struct Said {
    channel: u64,
    id: u64,
    mark: String,
}

struct Soak {
    dice: Dice,
    world: World,
    said: Vec<Said>,
    /// The marks of commands, which nobody takes who does not listen at that moment.
    commanded: BTreeSet<String>,
    /// Presses that count: their number, and the mark of what they answered.
    presses: Vec<(u64, String)>,
    events: u64,
    kills: usize,
    faults: usize,
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|count| count.parse().ok()).unwrap_or(otherwise)
}

#[tokio::test]
async fn every_message_on_discord_is_handled_once_and_every_card_tells_the_truth() {
    let count = number("GATEPOST_SOAK", EVENTS);
    let seed = number("GATEPOST_SOAK_SEED", SEED);
    let begun = Instant::now();
    eprintln!("soak: {count} events from seed {seed}");
    let people = World::people() + "[hub]\nmax_queued = 10000\n[approvals]\ntimeout = \"8h\"\n";
    let mut soak = Soak {
        dice: Dice(seed),
        world: World::with(&people).await,
        said: Vec::new(),
        commanded: BTreeSet::new(),
        presses: Vec::new(),
        events: 0,
        kills: 0,
        faults: 0,
    };
    let mut gatepost = soak.world.up().await;
    soak.meet().await;
    while soak.events < count {
        soak.happen();
        if soak.dice.roll(16) == 0 {
            soak.fault();
        }
        if soak.dice.roll(A_KILL) == 0 || soak.events == 30 {
            gatepost = soak.kill(gatepost).await;
        }
        if soak.events.is_multiple_of(10) {
            soak.wait_for_room(&gatepost.api()).await;
        }
        if soak.events.is_multiple_of(1000) {
            eprintln!("soak: {} events after {} s", soak.events, begun.elapsed().as_secs());
        }
        tokio::time::sleep(A_MOMENT).await;
    }
    soak.world.chat.order_nothing();
    let api = gatepost.api();
    let patience = Duration::from_secs(120 + count / 10);
    let tasks = soak.finish(&api, patience).await;
    let handled = begun.elapsed();
    soak.assert_told_true(&tasks);
    soak.assert_cards_true(&tasks, patience).await;
    soak.world.check(&gatepost);
    eprintln!(
        "soak: seed {seed}: {} events, {} messages that must count once, {} commands, {} tasks, {} \
         presses, {} kills, {} faults, {} sessions; handled after {} s, told after {} s; {} messages \
         sent",
        soak.events,
        soak.said.len(),
        soak.commanded.len(),
        tasks.len(),
        soak.presses.len(),
        soak.kills,
        soak.faults,
        soak.world.chat.sessions(),
        handled.as_secs(),
        begun.elapsed().as_secs(),
        soak.world.chat.messages().len(),
    );
}

impl Soak {
    /// The bot gets to know where it is spoken to: a private chat, and a channel that takes its name.
    async fn meet(&mut self) {
        let chat = self.world.chat.clone();
        chat.says_in_private(ANN, "/tasks");
        let private = chat.private_channel(ANN);
        chat.message("answer in private", |m| m.channel == private).await;
        let (mark, text) = self.words();
        let id = chat.calls_bot(ANN, CHANNEL, &text);
        self.said.push(Said { channel: CHANNEL, id, mark: mark.clone() });
        chat.message("answer by name", |m| m.text.contains(&mark)).await;
    }

    /// Somebody does something.
    fn happen(&mut self) {
        self.events += 1;
        let chat = self.world.chat.clone();
        match self.dice.roll(1000) {
            0..80 => self.task(),
            80..300 => self.press(),
            300..340 => self.go_on(),
            340..480 => self.again(),
            480..510 => self.edit(),
            510..640 => drop(chat.says(EVE, BOUND, "$ echo let me in")),
            640..800 => drop(chat.says(ANN, CHANNEL, "$ echo not for the bot")),
            800..840 => drop(chat.commands(EVE, CHANNEL, "run", &[("task", "$ echo let me in")])),
            840..870 => drop(chat.commands(BOB, BOUND, "tasks", &[])),
            870..900 => drop(chat.begins(ANN, CHANNEL, "run", ("project", "de"))),
            900..965 => drop(chat.says(BOB, CHANNEL, "nor is this")),
            965..980 => chat.cut_off(),
            980..995 => chat.ask_to_reconnect(),
            _ => chat.invalidate(self.dice.roll(2) == 0),
        }
    }

    fn words(&mut self) -> (String, String) {
        let mark = format!("soak-{:06}", self.events);
        let text = match self.dice.roll(3) {
            0 => format!("$ touch .git/hooks/{mark}"),
            _ => format!("$ echo {mark}"),
        };
        (mark, text)
    }

    fn task(&mut self) {
        let chat = self.world.chat.clone();
        let (mark, text) = self.words();
        let who = *self.dice.pick(&[ANN, BOB]).unwrap();
        let (channel, id) = match self.dice.roll(6) {
            0 => {
                chat.commands(ANN, CHANNEL, "run", &[("task", &text)]);
                self.commanded.insert(mark);
                return;
            }
            1 | 2 => (chat.private_channel(ANN), chat.says_in_private(ANN, &text)),
            3 => (CHANNEL, chat.calls_bot(who, CHANNEL, &text)),
            4 => {
                let with = json!({ "files": [["notes.txt", mark]] });
                (BOUND, chat.says_with(who, BOUND, &text, with))
            }
            _ => (BOUND, chat.says(who, BOUND, &text)),
        };
        self.said.push(Said { channel, id, mark });
    }

    /// Words to a task that is over, which goes on with them.
    fn go_on(&mut self) {
        let chat = self.world.chat.clone();
        let over: Vec<_> = chat.messages().into_iter().filter(|m| m.has("Continue")).collect();
        let Some(message) = self.dice.pick(&over) else { return };
        let (mark, text) = self.words();
        let reply = json!({ "reply_to": message.id });
        let id = chat.says_with(ANN, message.channel, &text, reply);
        self.said.push(Said { channel: message.channel, id, mark });
    }

    /// Discord tells of something again.
    fn again(&mut self) {
        let Some(said) = self.dice.pick(&self.said) else { return };
        self.world.chat.tells_again(said.channel, said.id);
    }

    fn edit(&mut self) {
        let Some(said) = self.dice.pick(&self.said) else { return };
        // What is read only later is read as it stands then, so the mark stays in it.
        let text = format!("$ echo {} otherwise", said.mark);
        self.world.chat.edits(said.channel, said.id, &text);
    }

    fn press(&mut self) {
        let chat = self.world.chat.clone();
        let open: Vec<_> =
            chat.messages().into_iter().filter(|message| message.has("Approve once")).collect();
        let Some(message) = self.dice.pick(&open).cloned() else { return };
        let label = *self.dice.pick(&["Approve once", "Approve for this task", "Deny"]).unwrap();
        let private = message.channel == chat.private_channel(ANN);
        let who = if private { ANN } else { *self.dice.pick(&[ANN, ANN, ANN, BOB, EVE]).unwrap() };
        let press = chat.press(who, &message, label);
        if self.dice.roll(4) == 0 {
            chat.repeats(press, &message, label);
        }
        if let (ANN, Some(mark)) = (who, mark_in(&message.text)) {
            self.presses.push((press, mark));
        }
    }

    fn fault(&mut self) {
        self.faults += 1;
        let (send, edit) = ("post /channels/{}/messages", "patch /channels/{}/messages/{}");
        let callback = "post /interactions/{}/{}/callback";
        let thread = "post /channels/{}/messages/{}/threads";
        let (route, fault) = match self.dice.roll(13) {
            0 | 1 => (send, Fault::LoseAnswer),
            2 => (send, Fault::Cut),
            3 => (send, Fault::Pause(300, "user")),
            4 => (send, Fault::Down(502)),
            5 => (edit, Fault::LoseAnswer),
            6 => (edit, Fault::Pause(300, "shared")),
            7 => (edit, Fault::Down(503)),
            8 => (callback, Fault::Cut),
            9 => (callback, Fault::LoseAnswer),
            10 => (thread, Fault::LoseAnswer),
            11 => (send, Fault::Pause(300, "global")),
            _ => ("get /channels/{}/messages", Fault::Down(502)),
        };
        self.world.chat.order(route, fault, 1);
    }

    async fn kill(&mut self, gatepost: Gatepost) -> Gatepost {
        tokio::time::sleep(Duration::from_millis(self.dice.roll(900))).await;
        gatepost.kill_9();
        self.world.chat.new_life();
        self.kills += 1;
        // What is said while nobody runs counts as well.
        self.events += 1;
        self.task();
        self.world.up().await
    }

    async fn wait_for_room(&self, api: &Api) {
        let begun = Instant::now();
        loop {
            let tasks = api.get("/api/tasks").await;
            let live = |task: &&Value| task["state"] != "finished";
            if tasks.as_array().unwrap().iter().filter(live).count() < AT_ONCE {
                return;
            }
            // Work stands still until somebody answers.
            self.answer_what_waits();
            assert!(begun.elapsed() < 3 * gatepost_e2e::PATIENCE, "tasks stay open: {tasks:#}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// Denies what is asked, and brings up what may not have arrived.
    fn answer_what_waits(&self) {
        let asks = |m: &Message| m.has("Approve once") || m.has("Show it");
        for message in self.world.chat.messages().into_iter().filter(asks) {
            let label = if message.has("Show it") { "Show it" } else { "Deny" };
            self.world.chat.press(ANN, &message, label);
        }
    }

    /// Answers what is still open and waits until everything that was said is handled and every task
    /// is over; all of them with their events.
    async fn finish(&self, api: &Api, patience: Duration) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let tasks = api.get("/api/tasks").await.as_array().unwrap().clone();
            if tasks.iter().all(|task| task["state"] == "finished") {
                let mut whole = Vec::with_capacity(tasks.len());
                for task in &tasks {
                    whole.push(api.task(task["id"].as_str().unwrap()).await);
                }
                let missing = self.handled_once(&whole);
                if missing.is_empty() {
                    return whole;
                }
                let late = begun.elapsed() > patience;
                assert!(!late, "nobody took {missing:#?}: {:#?}", self.answers_to(&missing));
            }
            self.answer_what_waits();
            assert!(begun.elapsed() < patience, "not over: {tasks:#?}");
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }

    /// What the bot said where these were said.
    fn answers_to(&self, missing: &[&Said]) -> Vec<(u64, Option<u64>, String)> {
        let there = |m: &Message| missing.iter().any(|said| said.channel == m.channel);
        let all = self.world.chat.messages().into_iter().filter(there);
        all.map(|m| (m.id, m.reply_to, m.text)).collect()
    }

    /// What was said and is nowhere yet. Nothing is a task, or a word to one, twice; and nothing ran
    /// twice.
    fn handled_once(&self, tasks: &[Value]) -> Vec<&Said> {
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
        let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "handled more than once: {twice:#?}");
        let known = |mark: &&String| {
            self.commanded.contains(*mark) || self.said.iter().any(|said| said.mark == **mark)
        };
        let unknown: Vec<_> = seen.keys().filter(|mark| !known(mark)).collect();
        assert!(unknown.is_empty(), "nobody said {unknown:#?}");
        self.said.iter().filter(|said| !seen.contains_key(&said.mark)).collect()
    }

    /// Who was told that they decided did decide so.
    fn assert_told_true(&self, tasks: &[Value]) {
        let mut settled = BTreeMap::new();
        for task in tasks {
            let mut marks = BTreeMap::new();
            for event in task["events"].as_array().unwrap() {
                match event["kind"].as_str() {
                    Some("approval-requested") => {
                        let mark = mark_in(&event["approval"]["action"].to_string()).unwrap();
                        marks.insert(event["approval"]["id"].to_string(), mark);
                    }
                    Some("approval-decided") => {
                        let mark = marks[&event["approval"].to_string()].clone();
                        let decision = event["settlement"]["decision"].as_str().unwrap_or("none");
                        let before = settled.insert(mark, decision.to_owned());
                        assert_eq!(before, None, "decided twice: {task:#}");
                    }
                    _ => {}
                }
            }
        }
        for (press, mark) in &self.presses {
            let done = self.world.chat.done(*press);
            let Some(told) = done.said.last() else { continue };
            let words = told.trim_start_matches("already ");
            let decision = settled.get(mark).map_or("none", String::as_str);
            let said = match words {
                _ if words.starts_with("approved for this task") => "approve-for-task",
                // The words for a run that is gone leave out for how long.
                _ if words.starts_with("approved") && decision == "approve-for-task" => decision,
                _ if words.starts_with("approved") => "approve",
                _ if words.starts_with("denied") => "deny",
                _ => continue,
            };
            assert_eq!(said, decision, "{mark}: {told}");
            assert!(done.acked.is_some(), "done and not acknowledged: {done:?}");
        }
    }

    /// Every task has one result, with the outcome that the records have, and nothing says what is no
    /// longer so.
    async fn assert_cards_true(&self, tasks: &[Value], patience: Duration) {
        let chat = &self.world.chat;
        let begun = Instant::now();
        let mut brought = BTreeSet::new();
        let mut touched = BTreeSet::new();
        loop {
            let shown = chat.messages();
            // What may not have arrived comes when somebody asks for it.
            for message in shown.iter().filter(|m| m.has("Show it") && brought.insert(m.id)) {
                chat.press(ANN, message, "Show it");
            }
            let results: Vec<_> = shown.iter().filter(|m| m.has("Continue")).collect();
            let of = |id: &str| results.iter().filter(|m| head(m).contains(id)).count();
            let true_one = |task: &&Value| {
                let (id, outcome) =
                    (task["id"].as_str().unwrap(), task["outcome"].as_str().unwrap());
                let tells = |m: &&&Message| head(m).contains(id) && head(m).contains(outcome);
                results.iter().any(|m| tells(&m))
            };
            let untold: Vec<_> = tasks
                .iter()
                .filter(|task| !true_one(task))
                .map(|task| (&task["id"], &task["outcome"], &task["text"]))
                .collect();
            let is_live = |m: &&Message| {
                m.has("Approve once") || m.has("Stop") || m.loading || m.text.contains("thinking")
            };
            let stale: Vec<_> = shown.iter().filter(is_live).collect();
            // Where the answer to a send was lost in a kill, nobody can know the message before it is
            // touched; the bot said so then, with a button to see it.
            let doubled = |task: &&Value| of(task["id"].as_str().unwrap()) > 1;
            let mut unknown: Vec<&Message> = Vec::new();
            for id in tasks.iter().filter(doubled).map(|task| task["id"].as_str().unwrap()) {
                let newest = results.iter().filter(|m| head(m).contains(id)).map(|m| m.id).max();
                let old = |m: &&&Message| head(m).contains(id) && Some(m.id) != newest;
                unknown.extend(results.iter().filter(old).copied());
            }
            if !unknown.is_empty() {
                assert!(self.kills > 0, "told twice: {unknown:#?}");
            }
            for message in unknown.iter().filter(|m| touched.insert(m.id)) {
                chat.press(ANN, message, "Run again");
            }
            if untold.is_empty() && stale.is_empty() && unknown.is_empty() {
                return;
            }
            assert!(
                begun.elapsed() < patience,
                "untold: {untold:#?}; stale: {stale:#?}; twice: {unknown:#?}"
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// The first line of a message.
fn head(message: &Message) -> &str {
    message.text.lines().next().unwrap_or_default()
}

/// The mark in a text.
fn mark_in(text: &str) -> Option<String> {
    let at = text.find("soak-")?;
    text.get(at..at + 11).map(str::to_owned)
}
