//! The configuration file as it is written. The doc comments here are the comments of the default
//! file, so they speak to whoever edits it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use gatepost_chat::people::Asking;
use gatepost_chat::quiet::Quiet;
use gatepost_domain::Mode;
use gatepost_domain::agent::Gating;
use gatepost_models::Api;
use gatepost_models::CONTEXT;
use gatepost_models::Cost;
use gatepost_models::MAX_OUTPUT;
use gatepost_sandbox::Limits;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;

use super::auto_mode::AutoMode;

/// Gatepost's configuration. Every value here is optional; a commented line shows the default, or
/// an example where there is none. Relative paths start at this file's directory, `~/` at your
/// home. Flags win over environment variables, and those over this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct File {
    /// Where the console listens: a loopback address and a port; port 0 takes any free one.
    /// Also `--listen` and `GATEPOST_LISTEN`.
    pub(crate) listen: String,
    /// Where the journal and everything derived from it is kept, readable by you alone. The
    /// platform's data directory when left out. Also `--data` and `GATEPOST_DATA`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "~/gatepost")]
    pub(crate) data: Option<PathBuf>,
    /// The projects tasks may work on, by name. Without any, a scratch project is made in the
    /// data directory.
    pub(crate) projects: BTreeMap<String, Project>,
    /// The agents that can be given tasks besides `runbook`, which needs nothing. The name says
    /// which program it is: `claude` is Claude Code, `codex` is Codex, `opencode` is OpenCode,
    /// `gemini` is Gemini CLI, `claude-acp` is Claude Code's adapter. It runs whole inside the
    /// task's sandbox, asks before each of its tools, and never holds a key. Any other name is
    /// yours to give to a program that speaks the Agent Client Protocol; it needs `gating`.
    #[schemars(extend("x-key" = "claude"))]
    pub(crate) agents: BTreeMap<String, Agent>,
    /// What a task gets that names no other.
    pub(crate) defaults: Defaults,
    /// Questions to people.
    pub(crate) approvals: Approvals,
    /// How much work is taken at once.
    pub(crate) hub: Hub,
    /// What commands see of this machine. The workspace and a read-only system are always there;
    /// your home never is.
    pub(crate) sandbox: Sandbox,
    /// The hosts that commands may reach. Without any of them the sandbox has no network at all.
    pub(crate) egress: Egress,
    /// Your own rules, on top of the built-in ones.
    pub(crate) policy: Policy,
    pub(crate) auto_mode: AutoMode,
    /// Language models, by a name of your choice. Their keys stay on this side of the sandbox.
    pub(crate) models: BTreeMap<String, Model>,
    /// What may be spent on models that programs in the sandbox call.
    pub(crate) budget: Budget,
    /// The Telegram bot. It is served where a token is there: in the file that
    /// `gatepost setup telegram` writes, in `token_file`, or in `TELEGRAM_BOT_TOKEN`. People and
    /// groups are Telegram's numbers, never names, which anybody can take.
    pub(crate) telegram: Telegram,
    /// The Discord bot. It is served where a token is there: in the file that
    /// `gatepost setup discord` writes, in `token_file`, or in `DISCORD_BOT_TOKEN`. People, servers
    /// and channels are Discord's numbers, which its developer mode shows, never names.
    pub(crate) discord: Discord,
    /// People who are on Telegram and on Discord, by a name of your choice: what one of their numbers
    /// may do, the other may too.
    pub(crate) people: BTreeMap<String, Person>,
}

/// Somebody's numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Person {
    /// The number on Telegram.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 1001)]
    pub(crate) telegram: Option<u64>,
    /// The number on Discord.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 123_456_789_012_345_678_u64)]
    pub(crate) discord: Option<u64>,
}

/// One project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Project {
    /// Its directory. Tasks work on a copy; only Apply writes here.
    #[schemars(example = "/srv/demo")]
    pub(crate) path: PathBuf,
    /// Who can read what is pushed from it: `public`, `internal` or `private`. The classifier is
    /// told; it does not find that out by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"private")]
    pub(crate) visibility: Option<Visibility>,
    /// Branches that people protect, as `main` or `release/*`. The classifier is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = &["main"])]
    pub(crate) protected_branches: Vec<String>,
}

/// Who can read a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Visibility {
    /// Everybody.
    Public,
    /// Everybody of the organisation.
    Internal,
    /// Those who were let in.
    Private,
}

impl Project {
    /// What the classifier is told of it, by name.
    pub(crate) fn facts(&self) -> Vec<(String, String)> {
        let unsaid = || "not said in the configuration".to_owned();
        let visibility = self.visibility.map_or_else(unsaid, |visibility| {
            match visibility {
                Visibility::Public => "public: everybody reads what is pushed",
                Visibility::Internal => "internal: everybody of the organisation reads it",
                Visibility::Private => "private",
            }
            .to_owned()
        });
        let protected = match self.protected_branches.as_slice() {
            [] => unsaid(),
            branches => branches.join(", "),
        };
        [("repository visibility", visibility), ("protected branches", protected)]
            .map(|(name, words)| (name.to_owned(), words))
            .to_vec()
    }
}

/// One agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Agent {
    /// Its program, by path, or by its name along `PATH`; the agent's own name when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/usr/local/bin/claude")]
    pub(crate) program: Option<PathBuf>,
    /// Its model: the name of an entry of `[models]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"opus")]
    pub(crate) model: Option<String>,
    /// How long its program may say nothing, while nobody owes it an answer, before it counts as
    /// hung and is ended.
    pub(crate) silence: Period,
    /// What holds it. Only a program that Gatepost does not know needs this, and can have it: it
    /// is `sandbox-only` then, as nobody knows what such a program asks about. Every card of its
    /// tasks says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"sandbox-only")]
    pub(crate) gating: Option<Gating>,
    /// The arguments with which such a program speaks the protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = example_arguments())]
    pub(crate) arguments: Option<Vec<String>>,
    /// The variables that lead such a program to its model: `{url}` is where the model API is,
    /// `{token}` what stands for the key, `{model}` the model's own name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = example_environment())]
    pub(crate) environment: Option<BTreeMap<String, String>>,
}

/// What a task gets that names no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Defaults {
    /// The project. With one project configured it is that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"demo")]
    pub(crate) project: Option<String>,
    /// The agent; `gatepost agents` lists them.
    pub(crate) agent: String,
    /// How much is decided without a person: `plan` looks and touches nothing, `manual` asks before
    /// everything but reads, `accept-edits` edits freely and asks before commands, `auto` runs what
    /// is contained and asks before what is risky, `unattended` is `auto` with a no for every
    /// question. `bypass` runs all that no boundary and no rule of people's keeps back; it needs the
    /// sandbox at its full tier and `allow_bypass` in the managed settings.
    #[schemars(with = "String")]
    pub(crate) mode: Mode,
}

/// Questions to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Approvals {
    /// How long a question waits before it is denied by itself, such as `90s`, `30m` or `8h`.
    pub(crate) timeout: Period,
}

/// How much work is taken at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Hub {
    /// How many tasks run at the same time. Tasks of one project always run one after another.
    #[schemars(range(min = 1, max = 64))]
    pub(crate) max_running: usize,
    /// How many tasks may wait; more are refused until there is room.
    #[schemars(range(min = 1, max = 10000))]
    pub(crate) max_queued: usize,
}

/// What commands see of this machine, and what they may use up of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Sandbox {
    /// Further directories shown read-only at their own path, such as a toolchain. Whatever lies
    /// in them can be read by every task.
    #[schemars(example = example_read_only())]
    pub(crate) read_only: Vec<PathBuf>,
    /// The least tier a task runs at. `full` needs a control group, which the service in `deploy/`
    /// has; at `reduced` the memory of a whole task is looked at and not held by the kernel.
    pub(crate) minimum: Minimum,
    /// Memory of all processes of a task together, in MiB; never more than three quarters of what
    /// the machine has.
    pub(crate) memory_mib: u64,
    /// Processes and threads of a task at once.
    pub(crate) processes: u64,
    /// Size of the files a task changed, together, in MiB.
    pub(crate) changes_mib: u64,
    /// Processor time of a task in hundredths of one processor; needs a control group. Without it a
    /// task may use all there is, at half of Gatepost's own share.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 150)]
    pub(crate) cpu_percent: Option<u32>,
}

/// A tier that tasks run at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Minimum {
    /// Everything but a control group.
    Reduced,
    /// Everything.
    Full,
}

/// What commands may reach over the network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Egress {
    /// Named sets of hosts. `registries` are the package registries of cargo, npm, pip, Go and
    /// Maven. Whatever can be reached can also be told what a task knows.
    #[schemars(example = example_presets())]
    pub(crate) presets: Vec<String>,
    /// Further hosts, at ports 80 and 443 unless one is given: `docs.rs`, `*.example.com` for
    /// everything below a name, `example.com:8443`.
    #[schemars(example = example_hosts())]
    pub(crate) allow: Vec<String>,
    /// Private addresses with their port. Everything that does not lie on the public internet,
    /// this machine included, is refused otherwise, whatever name leads there.
    #[schemars(example = example_private())]
    pub(crate) allow_private: Vec<String>,
}

/// Your own rules.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Policy {
    /// A file of rules outside of every project; `gatepost policy check` reads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = "rules.toml")]
    pub(crate) rules: Option<PathBuf>,
}

/// The Telegram bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Telegram {
    /// Who may hand over tasks.
    #[schemars(example = example_people())]
    pub(crate) requesters: Vec<u64>,
    /// Who may answer questions and apply changes.
    #[schemars(example = example_people())]
    pub(crate) approvers: Vec<u64>,
    /// Who counts as an admin. An admin who hands over tasks or answers questions is named above
    /// as well.
    #[schemars(example = example_people())]
    pub(crate) admins: Vec<u64>,
    /// The groups that are listened to, one by one.
    #[schemars(example = example_groups())]
    pub(crate) groups: Vec<i64>,
    /// Where the questions of a group's tasks are asked: in the `chat` itself, or in each approver's
    /// `private` chat, where the group sees only that somebody is waited for. Approvers must have
    /// opened a chat with the bot once, or it cannot write to them.
    #[schemars(with = "String")]
    pub(crate) approvals: Asking,
    /// When somebody's private chat with the bot does not ring, in the time of this machine, such as
    /// `{ "1001" = "22:00-07:00" }`; with ` questions` behind the hours, questions still do.
    /// Everybody can say otherwise with `/quiet`.
    #[schemars(with = "BTreeMap<String, String>")]
    pub(crate) quiet: BTreeMap<String, Quiet>,
    /// A file that holds the token and nothing else, readable by you alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"~/telegram.token")]
    pub(crate) token_file: Option<PathBuf>,
    /// The largest file that is taken with a message, in MB; Telegram lets bots fetch 20 MB.
    pub(crate) max_file_mb: u32,
    /// A program of yours that turns voice notes into words: it gets the path of the audio, Ogg with
    /// Opus, as its last argument and prints the text. It runs on this machine, outside the sandbox,
    /// and without Gatepost's environment. What it heard runs only when whoever spoke presses a button.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = example_transcriber())]
    pub(crate) transcriber: Vec<String>,
    /// How long it may take for one voice note.
    pub(crate) transcriber_timeout: Period,
    /// Whether each task gets a topic of its own where the chat has topics: forums in which the bot
    /// may manage them, and private chats for which @BotFather turned them on.
    pub(crate) topics: bool,
    /// The Bot API server, where it is not Telegram's own. Also `TELEGRAM_API_URL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"http://127.0.0.1:8081")]
    pub(crate) api_url: Option<String>,
    /// A task that waited longer than this while nobody listened is not run by itself: it is shown
    /// with buttons that say what becomes of it. Telegram keeps messages for 24 hours.
    pub(crate) hold_after: Period,
    /// A poll that has not come back after this is given up and made anew. A shorter time suits
    /// networks that let idle connections die.
    pub(crate) silence: Period,
    /// Where Telegram pushes updates to, for whoever does not want to poll: an https address that
    /// something in front of Gatepost answers. Without it Gatepost polls, which needs no address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://bot.example.org/telegram")]
    pub(crate) webhook_url: Option<String>,
    /// Where Gatepost listens for what is pushed, in plain HTTP.
    pub(crate) webhook_listen: String,
    /// A file that holds what each push must carry to be believed: 1 to 256 letters, digits, `_` or
    /// `-`. Without it a secret is made at every start.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"~/telegram-webhook.secret")]
    pub(crate) webhook_secret_file: Option<PathBuf>,
}

/// The Discord bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Discord {
    /// The servers that are listened to, one by one. In private the bot can be spoken to without any.
    #[schemars(example = example_guilds())]
    pub(crate) guilds: Vec<u64>,
    /// Channels in which every message is a task for a project, such as `{ "4002" = "demo" }`. That
    /// takes the message-content intent; elsewhere tasks come by `/run` and by the bot's name.
    pub(crate) channels: BTreeMap<String, String>,
    /// Who may hand over tasks: people, or roles of the servers.
    #[schemars(example = example_members())]
    pub(crate) requesters: Vec<u64>,
    /// Who may answer questions and apply changes.
    #[schemars(example = example_members())]
    pub(crate) approvers: Vec<u64>,
    /// Who counts as an admin. An admin who hands over tasks or answers questions is named above
    /// as well.
    #[schemars(example = example_members())]
    pub(crate) admins: Vec<u64>,
    /// Where the questions of a server's tasks are asked: in the task's own thread, `chat`, or in each
    /// approver's `private` chat, where the server sees only that somebody is waited for.
    #[schemars(with = "String")]
    pub(crate) approvals: Asking,
    /// When somebody's private chat with the bot does not ring, as in `[telegram]`.
    #[schemars(with = "BTreeMap<String, String>")]
    pub(crate) quiet: BTreeMap<String, Quiet>,
    /// A file that holds the token and nothing else, readable by you alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"~/discord.token")]
    pub(crate) token_file: Option<PathBuf>,
    /// The largest file that is taken with a message, in MB, up to 100.
    pub(crate) max_file_mb: u32,
    /// A program of yours that turns voice messages into words, as in `[telegram]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = example_transcriber())]
    pub(crate) transcriber: Vec<String>,
    /// How long it may take for one voice message.
    pub(crate) transcriber_timeout: Period,
    /// Whether each task gets a thread of its own where the channel has threads.
    pub(crate) threads: bool,
    /// What takes the place of `https://discord.com`, for whoever reaches it by another way. Also
    /// `DISCORD_API_PROXY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"http://127.0.0.1:8082")]
    pub(crate) proxy: Option<String>,
    /// A task that waited longer than this while nobody listened is not run by itself: it is shown
    /// with buttons that say what becomes of it. What is older than 24 hours is not fetched.
    pub(crate) hold_after: Period,
}

/// What may be spent on models.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Budget {
    /// By one task: `$5`, `2000000 tokens`, or both with a comma between them. A call that could go
    /// over it waits until a person raises the budget. Money needs a `price` for the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"$5")]
    pub(crate) task: Option<String>,
    /// By all tasks in one day of this machine's time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"$20, 20000000 tokens")]
    pub(crate) day: Option<String>,
}

/// One language model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Model {
    /// How it is spoken to: `anthropic`, `openai` (chat completions, which many servers speak),
    /// `openai-responses`, `gemini` or `ollama`.
    #[schemars(with = "String", example = &"anthropic")]
    pub(crate) api: Api,
    /// Where it is served; the provider's own address when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://api.anthropic.com")]
    pub(crate) base_url: Option<String>,
    /// A file that holds the key and nothing else, readable by you alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"~/anthropic.key")]
    pub(crate) key_file: Option<PathBuf>,
    /// An environment variable of Gatepost's that holds the key, instead of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"ANTHROPIC_API_KEY")]
    pub(crate) key_env: Option<String>,
    /// The model's name at the provider.
    #[schemars(example = &"claude-sonnet-4-5")]
    pub(crate) model: String,
    /// How many tokens a request and its answer may have together.
    #[serde(default = "context", skip_serializing_if = "is_context")]
    #[schemars(range(min = 8000, max = 10_000_000), example = &CONTEXT)]
    pub(crate) context: u64,
    /// How many tokens an answer may have.
    #[serde(default = "max_output", skip_serializing_if = "is_max_output")]
    #[schemars(range(min = 256, max = 1_000_000), example = &MAX_OUTPUT)]
    pub(crate) max_output: u64,
    /// What a million tokens cost, in US dollars. Without it the cost is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = example_price())]
    pub(crate) price: Option<Prices>,
}

/// What a million tokens cost, in US dollars.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prices {
    /// Tokens read.
    pub(crate) input: Dollars,
    /// Tokens written.
    pub(crate) output: Dollars,
    /// Tokens read from the cache; as `input` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cache_read: Option<Dollars>,
    /// Tokens put into the cache; as `input` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cache_write: Option<Dollars>,
}

/// The price of one token, written as what a million of them cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub(crate) struct Dollars(pub(crate) Cost);

/// A length of time, written like `90s`, `30m` or `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Period(pub(crate) Duration);

impl Default for File {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8642".into(),
            data: None,
            projects: BTreeMap::new(),
            agents: BTreeMap::new(),
            defaults: Defaults::default(),
            approvals: Approvals::default(),
            hub: Hub::default(),
            sandbox: Sandbox::default(),
            egress: Egress::default(),
            policy: Policy::default(),
            auto_mode: AutoMode::default(),
            models: BTreeMap::new(),
            budget: Budget::default(),
            telegram: Telegram::default(),
            discord: Discord::default(),
            people: BTreeMap::new(),
        }
    }
}

impl Default for Telegram {
    fn default() -> Self {
        Self {
            requesters: Vec::new(),
            approvers: Vec::new(),
            admins: Vec::new(),
            groups: Vec::new(),
            approvals: Asking::default(),
            quiet: BTreeMap::new(),
            max_file_mb: 20,
            transcriber: Vec::new(),
            transcriber_timeout: Period(Duration::from_secs(60)),
            topics: true,
            token_file: None,
            api_url: None,
            hold_after: Period(Duration::from_secs(3600)),
            // Twice what Telegram holds an idle poll open.
            silence: Period(Duration::from_secs(50)),
            webhook_url: None,
            webhook_listen: "127.0.0.1:8443".into(),
            webhook_secret_file: None,
        }
    }
}

impl Default for Discord {
    fn default() -> Self {
        Self {
            guilds: Vec::new(),
            channels: BTreeMap::new(),
            requesters: Vec::new(),
            approvers: Vec::new(),
            admins: Vec::new(),
            approvals: Asking::default(),
            quiet: BTreeMap::new(),
            token_file: None,
            max_file_mb: 20,
            transcriber: Vec::new(),
            transcriber_timeout: Period(Duration::from_secs(60)),
            threads: true,
            proxy: None,
            hold_after: Period(Duration::from_secs(3600)),
        }
    }
}

impl Default for Agent {
    fn default() -> Self {
        // A tool of the agent may run for ten minutes by its own limits, and a model may think.
        Self {
            program: None,
            model: None,
            silence: Period(Duration::from_secs(20 * 60)),
            gating: None,
            arguments: None,
            environment: None,
        }
    }
}

impl Default for Defaults {
    fn default() -> Self {
        Self { project: None, agent: "runbook".into(), mode: Mode::default() }
    }
}

impl Default for Approvals {
    fn default() -> Self {
        Self { timeout: Period(Duration::from_secs(30 * 60)) }
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            read_only: Vec::new(),
            minimum: Minimum::Reduced,
            memory_mib: limits.task_memory_bytes >> 20,
            processes: limits.processes,
            changes_mib: limits.upper_bytes >> 20,
            cpu_percent: limits.cpu_percent,
        }
    }
}

impl Default for Hub {
    fn default() -> Self {
        // Every running task holds a sandbox and perhaps a build; four of them fill a laptop.
        Self { max_running: 4, max_queued: 100 }
    }
}

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a length of time; write one like `90s` or `30m`");
        let parsed: jiff::SignedDuration = text.trim().parse().map_err(|_| wrong())?;
        Duration::try_from(parsed).map(Self).map_err(|_| wrong())
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::SignedDuration::try_from(self.0) {
            Ok(duration) => write!(f, "{duration:#}"),
            Err(_) => write!(f, "{}s", self.0.as_secs()),
        }
    }
}

impl TryFrom<f64> for Dollars {
    type Error = String;

    fn try_from(dollars: f64) -> Result<Self, String> {
        Cost::per_token(dollars).map(Self).ok_or_else(|| {
            format!("`{dollars}` is no price; write what a million tokens cost in US dollars")
        })
    }
}

impl From<Dollars> for f64 {
    fn from(dollars: Dollars) -> f64 {
        dollars.0.dollars_per_million()
    }
}

impl JsonSchema for Dollars {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Dollars".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number" })
    }

    fn inline_schema() -> bool {
        true
    }
}

impl JsonSchema for Period {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string" })
    }

    fn inline_schema() -> bool {
        true
    }
}

fn example_people() -> Vec<u64> {
    vec![1001]
}

fn example_guilds() -> Vec<u64> {
    vec![1_098_765_432_109_876_543]
}

fn example_members() -> Vec<u64> {
    vec![123_456_789_012_345_678]
}

fn example_transcriber() -> Vec<String> {
    vec!["~/bin/transcribe".into(), "--short".into()]
}

fn example_groups() -> Vec<i64> {
    vec![-1_001_234_567_890]
}

fn example_presets() -> Vec<&'static str> {
    vec!["registries"]
}

fn example_arguments() -> Vec<&'static str> {
    vec!["acp"]
}

fn example_environment() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([("API_KEY", "{token}"), ("API_URL", "{url}/v1")])
}

fn example_hosts() -> Vec<&'static str> {
    vec!["docs.rs"]
}

fn example_private() -> Vec<&'static str> {
    vec!["127.0.0.1:9000"]
}

fn example_read_only() -> Vec<&'static str> {
    vec!["/opt/toolchain"]
}

fn context() -> u64 {
    CONTEXT
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde calls it in")]
fn is_context(context: &u64) -> bool {
    *context == CONTEXT
}

fn max_output() -> u64 {
    MAX_OUTPUT
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde calls it in")]
fn is_max_output(max_output: &u64) -> bool {
    *max_output == MAX_OUTPUT
}

fn example_price() -> serde_json::Value {
    serde_json::json!({ "input": 3.0, "output": 15.0, "cache_read": 0.3, "cache_write": 3.75 })
}
