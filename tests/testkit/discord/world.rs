//! A project, a Discord and a set-up that know each other: what a test of the chat begins with.

use crate::FakeDiscord;
use crate::Gatepost;
use crate::Project;
use crate::Setup;
use crate::discord::BOUND;
use crate::discord::GUILD;
use crate::discord::Message;
use crate::discord::ROLE;
use crate::discord::TOKEN;

/// Asks, approves and lets others in.
pub const ANN: u64 = 2001;

/// Asks, and approves nothing.
pub const BOB: u64 = 2002;

/// Approves for as long as they have the role of the server that may.
pub const CAT: u64 = 2003;

/// Nobody here.
pub const EVE: u64 = 6666;

/// A project, a Discord and a set-up.
#[derive(Debug)]
pub struct World {
    root: tempfile::TempDir,
    /// The project `demo`.
    pub project: Project,
    /// How gatepost is started.
    pub setup: Setup,
    /// The chat.
    pub chat: FakeDiscord,
}

impl World {
    /// With Ann, Bob, the server, and a channel that is bound to the project.
    pub async fn new() -> Self {
        Self::with(&Self::people()).await
    }

    /// The section of the configuration that names them.
    #[must_use]
    pub fn people() -> String {
        format!(
            "[discord]\nguilds = [{GUILD}]\nchannels = {{ \"{BOUND}\" = \"demo\" }}\n\
             requesters = [{ANN}, {BOB}]\napprovers = [{ANN}, {ROLE}]\nadmins = [{ANN}]\n"
        )
    }

    /// With these sections in the configuration after that of the project.
    pub async fn with(sections: &str) -> Self {
        let root = tempfile::tempdir().unwrap();
        let project = Project::git(root.path());
        let chat = FakeDiscord::start().await;
        let config = format!("[projects.demo]\npath = {:?}\n{sections}", project.path());
        let setup = Setup::new(root.path())
            .config(&config)
            .env("DISCORD_BOT_TOKEN", TOKEN)
            .env("DISCORD_API_PROXY", &chat.url())
            .env("GATEPOST_LOG", "info,gatepost_discord=debug,reqwest=debug,tungstenite=debug");
        Self { root, project, setup, chat }
    }

    /// The directory that everything of this world is in.
    #[must_use]
    pub fn root(&self) -> &std::path::Path {
        self.root.path()
    }

    /// Starts gatepost, and waits until it listens.
    pub async fn up(&self) -> Gatepost {
        let gatepost = self.setup.up();
        self.chat.listens().await;
        gatepost
    }

    /// The end of every test: nothing against the rules, and no token anywhere.
    ///
    /// # Panics
    /// When there was.
    pub fn check(&self, gatepost: &Gatepost) {
        self.chat.assert_clean();
        let secret = TOKEN.rsplit_once('.').unwrap().1;
        assert!(!gatepost.log().contains(secret), "the token is in the log");
        assert!(!gatepost.log().contains("S3cretToo"), "an interaction's token is in the log");
    }

    /// Waits for a question that can be answered.
    pub async fn question(&self) -> Message {
        self.chat.message("open question", |message| message.has("Approve once")).await
    }

    /// Waits for a result with this outcome.
    pub async fn result(&self, outcome: &str) -> Message {
        let fits = |message: &Message| message.text.contains(outcome) && message.has("Continue");
        self.chat.message("result", fits).await
    }

    /// Waits until a message says something.
    pub async fn says(&self, message: &Message, words: &str) -> Message {
        let id = message.id;
        self.chat.message(words, |m| m.id == id && m.text.contains(words)).await
    }

    /// Waits until a message has no buttons any more.
    pub async fn settled(&self, message: &Message) -> Message {
        let id = message.id;
        self.chat.message("settled message", |m| m.id == id && m.keys.is_empty()).await
    }
}
