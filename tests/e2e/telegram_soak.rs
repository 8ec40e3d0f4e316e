//! Many messages over kills and faults: each is one task, and every card ends with the truth.

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;

use gatepost_e2e::FakeTelegram;
use gatepost_e2e::Project;
use gatepost_e2e::Setup;
use gatepost_e2e::telegram::CONFLICT;
use gatepost_e2e::telegram::Fault;
use gatepost_e2e::telegram::TOKEN;

const ANN: i64 = 1001;

/// `GATEPOST_SOAK` raises it; every message is a task with a sandbox of its own, so this is what a
/// test run can afford.
const MESSAGES: usize = 24;

/// Small numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[tokio::test]
async fn every_message_is_handled_once_and_every_card_tells_the_truth() {
    let messages = std::env::var("GATEPOST_SOAK")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(MESSAGES);
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let chat = FakeTelegram::start().await;
    let config = format!(
        "[projects.demo]\npath = {:?}\n[hub]\nmax_queued = 10000\n\
         [telegram]\nrequesters = [{ANN}]\napprovers = [{ANN}]\n",
        project.path()
    );
    let setup = Setup::new(root.path())
        .config(&config)
        .env("TELEGRAM_BOT_TOKEN", TOKEN)
        .env("TELEGRAM_API_URL", &chat.url());
    let mut dice = Dice(7);
    let mut gatepost = Some(setup.up());
    let mut sent = Vec::new();
    for number in 0..messages {
        let text = format!("$ echo {number}");
        let id = chat.say(ANN, &text);
        sent.push((id, text));
        match dice.roll(8) {
            0 => chat.order("getUpdates", Fault::Refuse(409, CONFLICT), 1),
            1 => chat.order("sendMessage", Fault::LoseAnswer, 1),
            2 => chat.order("editMessageText", Fault::LoseAnswer, 1),
            3 => chat.order("getUpdates", Fault::LoseAnswer, 1),
            4 => {
                let (id, text) =
                    sent[usize::try_from(dice.roll(sent.len() as u64)).unwrap()].clone();
                chat.deliver_again(ANN, ANN, id, &text);
            }
            _ => {}
        }
        if dice.roll(8) == 0 {
            tokio::time::sleep(Duration::from_millis(dice.roll(600))).await;
            gatepost.take().unwrap().kill_9();
            gatepost = Some(setup.up());
        }
    }
    let gatepost = gatepost.unwrap();
    chat.all_taken().await;
    let api = gatepost.api();
    let patience = Duration::from_secs(60 + 5 * messages as u64);
    let begun = Instant::now();
    let tasks = loop {
        let tasks = api.get("/api/tasks").await;
        let tasks = tasks.as_array().unwrap().clone();
        if tasks.len() >= messages && tasks.iter().all(|task| task["state"] == "finished") {
            break tasks;
        }
        assert!(begun.elapsed() < patience, "{tasks:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(tasks.len(), messages, "each message is one task");
    let mut outcomes = BTreeMap::new();
    for task in &tasks {
        let id = task["id"].as_str().unwrap().to_owned();
        let text = api.task(&id).await["text"].as_str().unwrap().to_owned();
        assert!(sent.iter().any(|(_, said)| *said == text), "{text}");
        outcomes.insert(id, (task["outcome"].as_str().unwrap().to_owned(), text));
    }
    let texts: std::collections::BTreeSet<_> = outcomes.values().map(|(_, text)| text).collect();
    assert_eq!(texts.len(), messages, "and no message is two");

    // Every task has its result or a nudge towards it, and no message says what is no longer so.
    let begun = Instant::now();
    loop {
        let shown = chat.messages();
        let untold = |id: &str, outcome: &str| {
            let fits = |text: &str| {
                text.contains(id) && (text.contains(outcome) || text.contains("is over"))
            };
            !shown.iter().any(|message| fits(&message.text))
        };
        let missing: Vec<_> =
            outcomes.iter().filter(|(id, (outcome, _))| untold(id, outcome)).collect();
        let stale: Vec<_> = shown.iter().filter(|message| message.text.starts_with('⏳')).collect();
        if missing.is_empty() && stale.is_empty() {
            break;
        }
        assert!(begun.elapsed() < patience, "untold: {missing:#?}; stale: {stale:#?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    chat.assert_clean();
}
