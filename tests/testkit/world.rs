//! A project, a chat server and a set-up that know each other: what a test of the chat begins with.

use std::time::Duration;
use std::time::Instant;

use serde_json::Value;

use crate::Api;
use crate::FakeTelegram;
use crate::Gatepost;
use crate::PATIENCE;
use crate::Project;
use crate::Setup;
use crate::telegram::Message;
use crate::telegram::TOKEN;

/// Asks, approves and lets others in.
pub const ANN: i64 = 1001;

/// Asks, and approves nothing.
pub const BOB: i64 = 1002;

/// Nobody here.
pub const EVE: i64 = 6666;

/// The named group.
pub const GROUP: i64 = -1_001_234;

/// A task whose second step asks a person.
pub const RISKY: &str = "$ echo one > a.txt\n$ touch .git/hooks/x\n$ echo two > b.txt";

/// A project, a chat server and a set-up.
#[derive(Debug)]
pub struct World {
    root: tempfile::TempDir,
    /// The project `demo`.
    pub project: Project,
    /// How gatepost is started.
    pub setup: Setup,
    /// The chat server.
    pub chat: FakeTelegram,
}

impl World {
    /// With Ann, Bob and the group.
    pub async fn new() -> Self {
        Self::with(&Self::people()).await
    }

    /// The section of the configuration that names Ann, Bob and the group.
    #[must_use]
    pub fn people() -> String {
        format!(
            "[telegram]\nrequesters = [{ANN}, {BOB}]\napprovers = [{ANN}]\nadmins = [{ANN}]\n\
             groups = [{GROUP}]\n"
        )
    }

    /// With Ann, Bob and the group, and a second project, `other`: its tasks wait for none of the
    /// first.
    pub async fn with_two_projects() -> Self {
        let root = tempfile::tempdir().unwrap();
        let other = root.path().join("other");
        std::fs::create_dir(&other).unwrap();
        let people = Self::people();
        let sections =
            format!("[projects.other]\npath = {other:?}\n[defaults]\nproject = \"demo\"\n{people}");
        Self::made(root, &sections).await
    }

    /// With these sections in the configuration after that of the project.
    pub async fn with(sections: &str) -> Self {
        Self::made(tempfile::tempdir().unwrap(), sections).await
    }

    async fn made(root: tempfile::TempDir, sections: &str) -> Self {
        let project = Project::git(root.path());
        let chat = FakeTelegram::start().await;
        let config = format!("[projects.demo]\npath = {:?}\n{sections}", project.path());
        let setup = Setup::new(root.path())
            .config(&config)
            .env("TELEGRAM_BOT_TOKEN", TOKEN)
            .env("TELEGRAM_API_URL", &chat.url())
            .env(
                "GATEPOST_LOG",
                "info,gatepost_desk=debug,gatepost_telegram=debug,reqwest=debug,hyper_util=debug",
            );
        Self { root, project, setup, chat }
    }

    /// The directory that everything of this world is in.
    #[must_use]
    pub fn root(&self) -> &std::path::Path {
        self.root.path()
    }

    /// The end of every test: nothing against the rules, and no token anywhere.
    ///
    /// # Panics
    /// When there was.
    pub fn check(&self, gatepost: &Gatepost) {
        self.chat.assert_clean();
        let secret = TOKEN.split_once(':').unwrap().1;
        assert!(!gatepost.log().contains(secret), "the token is in the log");
    }

    /// Waits for a question that can be answered.
    pub async fn question(&self) -> Message {
        self.chat.message("open question", |message| has_key(message, "Approve once")).await
    }

    /// Waits for a result with this outcome.
    pub async fn result(&self, outcome: &str) -> Message {
        let fits =
            |message: &Message| message.text.contains(outcome) && has_key(message, "Continue");
        self.chat.message("result", fits).await
    }

    /// Waits for the card that answers a message.
    pub async fn card(&self, asked: i64) -> Message {
        self.chat.message("card", |message| message.reply_to == Some(asked)).await
    }

    /// Waits until a message says something.
    pub async fn says(&self, message: &Message, words: &str) -> Message {
        let (chat, id) = (message.chat, message.id);
        self.chat.message(words, |m| (m.chat, m.id) == (chat, id) && m.text.contains(words)).await
    }

    /// Waits until a message has no buttons any more.
    pub async fn settled(&self, message: &Message) -> Message {
        let (chat, id) = (message.chat, message.id);
        let fits = |m: &Message| (m.chat, m.id) == (chat, id) && m.keys.is_empty();
        self.chat.message("settled message", fits).await
    }

    /// How many questions there are, open and settled.
    #[must_use]
    pub fn questions(&self) -> usize {
        let asks = |message: &&Message| message.text.contains("Wants to run a command");
        self.chat.messages().iter().filter(asks).count()
    }
}

/// Whether a message has a button with this label.
#[must_use]
pub fn has_key(message: &Message, label: &str) -> bool {
    message.keys.iter().any(|(name, _)| name == label)
}

/// Waits until there are so many tasks, and gives them, the newest first.
///
/// # Panics
/// When that takes too long.
pub async fn tasks(api: &Api, count: usize) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let tasks = api.get("/api/tasks").await;
        let tasks = tasks.as_array().unwrap();
        if tasks.len() == count {
            return tasks.clone();
        }
        assert!(begun.elapsed() < PATIENCE, "not {count} tasks: {tasks:#?}");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}

/// Waits for a task and gives its id.
///
/// # Panics
/// When there are two, or none in time.
pub async fn only_task(api: &Api) -> String {
    let begun = Instant::now();
    loop {
        let tasks = api.get("/api/tasks").await;
        let tasks = tasks.as_array().unwrap();
        assert!(tasks.len() <= 1, "one message is one task: {tasks:#?}");
        if let Some(task) = tasks.first() {
            return task["id"].as_str().unwrap().to_owned();
        }
        assert!(begun.elapsed() < PATIENCE, "the message became no task");
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
}
