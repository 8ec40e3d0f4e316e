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

/// How many things happen; `GATEPOST_SOAK` raises it to what shows more than a test run can afford.
const EVENTS: u64 = 60;

/// Other beginnings with `GATEPOST_SOAK_SEED`.
const SEED: u64 = 7;

/// Of so many events one is followed by a kill.
const A_KILL: u64 = 40;

/// More than this many tasks are not open at once: people do not write that fast.
const AT_ONCE: usize = 12;

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

struct Soak {
    dice: Dice,
    world: World,
    /// The marks of what was said and must count once.
    said: BTreeSet<String>,
    /// Presses that count: their number, the mark of what they answered, the button.
    presses: Vec<(u64, String, &'static str)>,
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
    let people = World::people() + "[hub]\nmax_queued = 10000\n[approvals]\ntimeout = \"8h\"\n";
    let mut soak = Soak {
        dice: Dice(seed),
        world: World::with(&people).await,
        said: BTreeSet::new(),
        presses: Vec::new(),
        events: 0,
        kills: 0,
        faults: 0,
    };
    let mut gatepost = soak.world.up().await;
    while soak.events < count {
        soak.happen();
        if soak.dice.roll(8) == 0 {
            soak.fault();
        }
        if soak.dice.roll(A_KILL) == 0 || soak.events == 20 {
            gatepost = soak.kill(gatepost).await;
        }
        soak.wait_for_room(&gatepost.api()).await;
    }
    soak.world.chat.order_nothing();
    let api = gatepost.api();
    let tasks = soak.finish(&api).await;
    soak.assert_once(&tasks);
    soak.assert_true(&api, &tasks).await;
    soak.world.check(&gatepost);
    eprintln!(
        "soak: seed {seed}: {} events, {} messages that must count once, {} presses, {} kills, {} \
         faults, {} sessions; told after {} s; {} messages sent",
        soak.events,
        soak.said.len(),
        soak.presses.len(),
        soak.kills,
        soak.faults,
        soak.world.chat.sessions(),
        begun.elapsed().as_secs(),
        soak.world.chat.messages().len(),
    );
}

impl Soak {
    /// Somebody does something.
    fn happen(&mut self) {
        self.events += 1;
        let chat = self.world.chat.clone();
        match self.dice.roll(100) {
            0..30 => self.task(),
            30..60 => self.press(),
            60..70 => drop(chat.says(EVE, BOUND, "$ echo let me in")),
            70..80 => drop(chat.says(ANN, CHANNEL, "$ echo not for the bot")),
            80..88 => drop(chat.commands(BOB, BOUND, "tasks", &[])),
            88..92 => chat.cut_off(),
            92..96 => chat.ask_to_reconnect(),
            _ => chat.invalidate(true),
        }
    }

    fn task(&mut self) {
        let mark = format!("soak-{:06}", self.events);
        let text = match self.dice.roll(3) {
            0 => format!("$ touch .git/hooks/{mark}"),
            _ => format!("$ echo {mark}"),
        };
        self.world.chat.says(ANN, BOUND, &text);
        self.said.insert(mark);
    }

    fn press(&mut self) {
        let chat = self.world.chat.clone();
        let open: Vec<_> =
            chat.messages().into_iter().filter(|message| message.has("Approve once")).collect();
        let Some(message) = self.dice.pick(&open).cloned() else { return };
        let label = *self.dice.pick(&["Approve once", "Approve for this task", "Deny"]).unwrap();
        let who = *self.dice.pick(&[ANN, ANN, ANN, BOB, EVE]).unwrap();
        let press = chat.press(who, &message, label);
        if self.dice.roll(4) == 0 {
            chat.repeats(press, &message, label);
        }
        if let (ANN, Some(mark)) = (who, mark_in(&message.text)) {
            self.presses.push((press, mark, label));
        }
    }

    fn fault(&mut self) {
        self.faults += 1;
        let (send, edit) = ("post /channels/{}/messages", "patch /channels/{}/messages/{}");
        let callback = "post /interactions/{}/{}/callback";
        let (route, fault) = match self.dice.roll(10) {
            0 | 1 => (send, Fault::LoseAnswer),
            2 => (send, Fault::Cut),
            3 => (send, Fault::Pause(300, "user")),
            4 => (send, Fault::Down(502)),
            5 => (edit, Fault::LoseAnswer),
            6 => (edit, Fault::Pause(300, "shared")),
            7 => (edit, Fault::Down(503)),
            8 => (callback, Fault::Cut),
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
            let live = tasks.as_array().unwrap().iter().filter(live).count();
            let waiting = self.said.len().saturating_sub(tasks.as_array().unwrap().len());
            if live + waiting < AT_ONCE {
                return;
            }
            // Work stands still until somebody answers.
            let asked = self.world.chat.messages().into_iter().find(|m| m.has("Approve once"));
            if let Some(question) = asked {
                self.world.chat.press(ANN, &question, "Deny");
            }
            assert!(begun.elapsed() < 3 * gatepost_e2e::PATIENCE, "tasks stay open: {tasks:#}");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Answers what is still open and waits until every task is over.
    async fn finish(&self, api: &Api) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let tasks = api.get("/api/tasks").await.as_array().unwrap().clone();
            let over = tasks.iter().all(|task| task["state"] == "finished");
            if over && tasks.len() >= self.said.len() {
                return tasks;
            }
            let asks = |m: &Message| m.has("Approve once") || m.has("Show it");
            for message in self.world.chat.messages().into_iter().filter(asks) {
                let label = if message.has("Show it") { "Show it" } else { "Deny" };
                self.world.chat.press(ANN, &message, label);
            }
            assert!(begun.elapsed() < 3 * gatepost_e2e::PATIENCE, "not over: {tasks:#?}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    fn assert_once(&self, tasks: &[Value]) {
        let mut counts = BTreeMap::<String, usize>::new();
        for task in tasks {
            let mark = mark_in(task["text"].as_str().unwrap());
            *counts.entry(mark.unwrap_or_else(|| task.to_string())).or_default() += 1;
        }
        let once: BTreeMap<_, _> = self.said.iter().map(|mark| (mark.clone(), 1)).collect();
        assert_eq!(counts, once, "each message is one task");
    }

    /// What people were told is what the records say, and every card ends with it.
    async fn assert_true(&self, api: &Api, tasks: &[Value]) {
        let chat = &self.world.chat;
        // Everything is said in one channel, which takes two messages a second.
        let patience = gatepost_e2e::PATIENCE + Duration::from_secs(2 * self.events);
        let begun = Instant::now();
        let told = || chat.messages().iter().filter(|m| m.has("Continue")).count();
        while told() < tasks.len() {
            assert!(begun.elapsed() < patience, "{} of {} results came", told(), tasks.len());
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        for task in tasks {
            let id = task["id"].as_str().unwrap();
            let outcome = task["outcome"].as_str().unwrap();
            let ends = |m: &Message| m.has("Continue") && m.text.contains(id);
            let result = chat.message(&format!("result of {id}"), ends).await;
            assert!(result.text.contains(outcome), "{outcome}: {}", result.text);
        }
        let open = || chat.messages().into_iter().find(|m| m.has("Approve once"));
        let closed = || open().is_none().then_some(());
        chat.wait("end of every question", closed).await;
        for (press, mark, label) in &self.presses {
            let Some(told) = chat.done(*press).said.last().cloned() else { continue };
            if !told.starts_with("approved") {
                continue;
            }
            let task = tasks.iter().find(|task| task["text"].as_str().unwrap().contains(mark));
            let task = api.task(task.unwrap()["id"].as_str().unwrap()).await;
            let decided = gatepost_e2e::api::events_of(&task, "approval-decided");
            let approved = decided.iter().any(|event| event.to_string().contains("approve"));
            assert!(approved, "{label} on {mark} was told `{told}`: {decided:#?}");
        }
    }
}

/// The mark in a text.
fn mark_in(text: &str) -> Option<String> {
    let at = text.find("soak-")?;
    text.get(at..at + 11).map(str::to_owned)
}
