//! The command line.

use std::path::PathBuf;

use clap::Args;
use clap::Parser;
use clap::Subcommand;
use clap::ValueEnum;
use clap::builder::OsStringValueParser;
use clap::builder::TypedValueParser;
use gatepost_domain::Mode;
use gatepost_domain::TaskId;
use gatepost_domain::changes::DeliveryKind;

use crate::config::Overrides;

/// Hand tasks to coding agents and stay in charge of them.
///
/// Every task runs in a sandbox on a copy of its project. Routine actions run; risky ones wait for
/// your answer; nothing reaches the project until you apply it. Without a command it does `up`.
#[derive(Debug, Parser)]
#[command(name = "gatepost", version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What most commands share.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// The configuration file [default: `gatepost/config.toml` in the platform's configuration
    /// directory, if it is there]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "GATEPOST_CONFIG",
        hide_env_values = true,
        value_parser = path()
    )]
    config: Option<PathBuf>,
    /// The data directory [default: the platform's]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "GATEPOST_DATA",
        hide_env_values = true,
        value_parser = path()
    )]
    data: Option<PathBuf>,
    /// Where the console listens, on loopback [default: 127.0.0.1:8642]
    #[arg(
        long,
        global = true,
        value_name = "ADDRESS",
        env = "GATEPOST_LISTEN",
        hide_env_values = true
    )]
    listen: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve: take tasks, run them, and show the console at the printed address
    Up,
    /// Hand over a task here in the terminal and follow it to its end
    Run(RunArgs),
    /// Apply, branch or discard what a finished task changed
    Deliver(DeliverArgs),
    /// Judge actions: one JSON action a line in, one verdict a line out; runs nothing
    Review(ReviewArgs),
    /// Judge a tool of a coding agent in a terminal, as a `PreToolUse` hook of Claude Code or Codex
    Hook(HookArgs),
    /// Score the gate on a file of labelled actions
    Eval(EvalArgs),
    /// Say what the gate thinks of a command, and check rules
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Look at the policy in words that the classifier judges by
    #[command(subcommand)]
    AutoMode(AutoModeCommand),
    /// Run one command in the sandbox
    Sandbox(SandboxArgs),
    /// Read the journal
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Try out what this machine offers and say what to mend
    Doctor(DoctorArgs),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// List the agents
    Agents,
    /// Set up a chat
    #[command(subcommand)]
    Setup(SetupCommand),
    /// Let in the person to whom a chat's bot gave this code
    Pair {
        /// The code
        code: String,
    },
}

/// `gatepost auto-mode`.
#[derive(Debug, Subcommand)]
pub(crate) enum AutoModeCommand {
    /// Print Gatepost's own lists
    Defaults,
    /// Print the lists in force, and who judges by them
    Config,
    /// Ask the configured model for gaps, conflicts and dead rules in the lists in force
    Critique,
}

/// `gatepost setup`.
#[derive(Debug, Subcommand)]
pub(crate) enum SetupCommand {
    /// Try out a Telegram bot's token, from `TELEGRAM_BOT_TOKEN` or asked for, and keep it
    Telegram,
    /// Try out a Discord bot's token, from `DISCORD_BOT_TOKEN` or asked for, and keep it
    Discord,
}

/// `gatepost run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The task; `-` reads it from standard input
    pub(crate) text: String,
    /// The project's directory, or a configured project's name [default: the default project]
    #[arg(long, value_name = "DIR")]
    pub(crate) project: Option<PathBuf>,
    /// The agent [default: the configured one]
    #[arg(long, value_name = "NAME")]
    pub(crate) agent: Option<String>,
    /// plan, manual, accept-edits, auto, unattended or bypass [default: the configured one]
    #[arg(long, value_name = "MODE")]
    pub(crate) mode: Option<Mode>,
    /// How questions are answered; `ask` denies where nobody is at the terminal
    #[arg(long, value_enum, default_value_t = Answer::Ask)]
    pub(crate) answer: Answer,
    /// What becomes of the changes; `ask` keeps them where nobody is at the terminal
    #[arg(long, value_enum, default_value_t = Deliver::Ask)]
    pub(crate) deliver: Deliver,
    /// Print JSON lines: every record of the task, then its summary
    #[arg(long)]
    pub(crate) json: bool,
}

/// How questions are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Answer {
    /// By you, here
    Ask,
    /// All with yes, once each
    Approve,
    /// All with no
    Deny,
}

/// What becomes of the changes of a task that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Deliver {
    /// You say, here
    Ask,
    /// They are written into the project
    Apply,
    /// They become a git branch
    Branch,
    /// They are thrown away
    Discard,
    /// They are kept for later
    Keep,
}

/// `gatepost deliver`.
#[derive(Debug, Args)]
pub(crate) struct DeliverArgs {
    /// The task
    pub(crate) task: TaskId,
    /// What becomes of its changes
    #[arg(value_enum)]
    pub(crate) how: How,
}

/// What becomes of a task's changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum How {
    /// They are written into the project
    Apply,
    /// They become a git branch
    Branch,
    /// They are thrown away
    Discard,
}

/// `gatepost review`.
#[derive(Debug, Args)]
pub(crate) struct ReviewArgs {
    /// How much is decided without a person
    #[arg(long, value_name = "MODE", default_value_t = Mode::Auto)]
    pub(crate) mode: Mode,
    /// The workspace [default: each row's `cwd`]
    #[arg(long, value_name = "DIR")]
    pub(crate) workspace: Option<PathBuf>,
    /// The home directory that `~` means
    #[arg(long, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
}

/// `gatepost hook`.
#[derive(Debug, Args)]
pub(crate) struct HookArgs {
    /// How much is decided without a person [default: the configured mode]
    #[arg(long, value_name = "MODE")]
    pub(crate) mode: Option<Mode>,
    /// The project's directory [default: where the agent was started]
    #[arg(long, value_name = "DIR")]
    pub(crate) workspace: Option<PathBuf>,
    /// The agent runs in a sandbox or container that holds what it does, so commands that need
    /// nothing more than that may run by themselves
    #[arg(long)]
    pub(crate) contained: bool,
    /// Judge in this very process, with nobody to answer if that breaks down
    #[arg(long, hide = true)]
    pub(crate) unguarded: bool,
}

/// `gatepost eval`.
#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// The labelled actions, one JSON object a line
    pub(crate) file: PathBuf,
    /// Print the scores as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write one verdict a line to this file
    #[arg(long, value_name = "OUT")]
    pub(crate) predictions: Option<PathBuf>,
    /// Also score by this field
    #[arg(long, value_enum)]
    pub(crate) by: Option<By>,
    /// Have the configured classifier judge what the rules leave open, and compare
    #[arg(long)]
    pub(crate) classifier: bool,
    /// Take its answers from this file, which `--record` wrote, and ask no model
    #[arg(long, value_name = "ANSWERS", requires = "classifier", conflicts_with = "record")]
    pub(crate) answers: Option<PathBuf>,
    /// Keep its answers in this file; what is in it already is not asked again
    #[arg(long, value_name = "ANSWERS", requires = "classifier")]
    pub(crate) record: Option<PathBuf>,
    /// Show it each row's `task` as the person's own words [default: nobody has said anything]
    #[arg(long, requires = "classifier")]
    pub(crate) task_words: bool,
    /// So many questions may be on their way at once
    #[arg(long, value_name = "N", default_value_t = 4, requires = "classifier",
        value_parser = clap::value_parser!(u8).range(1..=32))]
    pub(crate) at_once: u8,
}

/// A field of the corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// What the action is about
    Category,
    /// Where the row is from
    Source,
    /// The tool
    Tool,
}

/// `gatepost policy`.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Say what the gate thinks of a shell command, and why
    Explain {
        /// The command, as one argument
        command: String,
        /// How much is decided without a person [default: the configured mode]
        #[arg(long, value_name = "MODE")]
        mode: Option<Mode>,
        /// The workspace [default: this directory]
        #[arg(long, value_name = "DIR")]
        workspace: Option<PathBuf>,
    },
    /// Read rule files and try every example in them
    Check {
        /// The files [default: the configured rules]
        files: Vec<PathBuf>,
    },
    /// Turn the rules of another agent into a file of rules: permissions in Claude Code's
    /// `settings.json`, Codex's `prefix_rule`, Gemini CLI's policy. What has no form here is listed
    Import {
        /// The file
        file: PathBuf,
        /// Whose rules they are [default: by the file's ending: `.json`, `.rules`, `.toml`]
        #[arg(long, value_enum, value_name = "AGENT")]
        from: Option<RulesOf>,
    },
    /// Have the gatepost that serves read its rules again, for running tasks too; where they are
    /// wrong, those from before hold
    Reload,
    /// Try commands against the rules: `allow|escalate|deny COMMAND` a line
    Test {
        /// The file of commands; `-` is standard input
        file: PathBuf,
        /// How much is decided without a person [default: the configured mode]
        #[arg(long, value_name = "MODE")]
        mode: Option<Mode>,
        /// The workspace [default: this directory]
        #[arg(long, value_name = "DIR")]
        workspace: Option<PathBuf>,
    },
}

/// Whose rules a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RulesOf {
    /// Claude Code
    Claude,
    /// Codex
    Codex,
    /// Gemini CLI
    Gemini,
}

/// `gatepost sandbox`.
#[derive(Debug, Args)]
pub(crate) struct SandboxArgs {
    /// The directory whose copy the command works in [default: this directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) workspace: Option<PathBuf>,
    /// Write the changes into the workspace at the end, when the command succeeded
    #[arg(long)]
    pub(crate) keep: bool,
    /// The command
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "CMD"
    )]
    pub(crate) command: Vec<String>,
}

/// `gatepost audit`.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check every line of the journal; exit status 1 names the first damaged line
    Verify,
    /// Show what happened in a task
    Show {
        /// The task
        task: TaskId,
        /// Print the journal's own lines
        #[arg(long)]
        json: bool,
    },
    /// Print the whole journal, each line checked
    Export,
}

/// `gatepost doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `gatepost config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Check the configuration and say what is wrong with it
    Check,
    /// Show the configuration file
    Show {
        /// Show every value in force, with defaults, environment and flags
        #[arg(long)]
        effective: bool,
    },
    /// Print the commented default configuration
    Default,
}

/// A path that may be empty, as an empty environment variable makes it.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

impl Place {
    /// What outranks the configuration file. An empty variable is no variable.
    pub(crate) fn overrides(&self) -> Overrides {
        let set = |path: &PathBuf| !path.as_os_str().is_empty();
        Overrides {
            config: self.config.clone().filter(set),
            data: self.data.clone().filter(set),
            listen: self.listen.clone().filter(|listen| !listen.is_empty()),
        }
    }
}

impl From<How> for DeliveryKind {
    fn from(how: How) -> Self {
        match how {
            How::Apply => Self::Apply,
            How::Branch => Self::Branch,
            How::Discard => Self::Discard,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_empty_place_is_none() {
        let cli = Cli::parse_from(["gatepost", "--data", "", "--config", "", "--listen", "", "up"]);
        let overrides = cli.place.overrides();
        assert!(overrides.data.is_none() && overrides.config.is_none());
        assert!(overrides.listen.is_none());
    }
}
