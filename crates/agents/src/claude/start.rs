//! How Claude Code is started: locked down, and with nothing of the repository's settings.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::agent::Agent;
use crate::agent::AgentError;
use crate::agent::Brief;
use crate::claude::Driver;
use crate::claude::Session;
use crate::claude::actions::TOOLS;
use crate::claude::session::Form;
use crate::program::Launch;
use crate::program::Pipes;
use crate::roster::Place;
use crate::roster::Prepared;
use crate::roster::Settings;

/// The versions this driver was tried with, by its own tests. Another one is said to be untested:
/// what the program asks about, and what it does without asking, has changed between versions.
pub const TESTED: [&str; 1] = ["2.1.330"];

/// Where the program keeps its settings and sessions, below its home.
pub(super) const CONFIG: &str = ".claude";

/// Claude Code on its way into a sandbox.
#[derive(Debug)]
pub struct Claude {
    settings: Settings,
    brief: Brief,
    /// The session; it is known once the task's home is.
    session: OnceCell<Session>,
}

impl Claude {
    /// Claude Code for one run.
    #[must_use]
    pub fn new(settings: Settings, brief: Brief) -> Self {
        Self { settings, brief, session: OnceCell::new() }
    }

    fn session(&self, place: &Place) -> Result<Session, AgentError> {
        if let Some(session) = self.session.get() {
            return Ok(session.clone());
        }
        let session = Session::of(&self.brief, &place.kept)?;
        Ok(self.session.get_or_init(|| session).clone())
    }
}

/// In milliseconds, as the program takes it.
const A_DAY: &str = "86400000";

impl Prepared for Claude {
    fn read_only(&self) -> Vec<PathBuf> {
        self.settings.installed.read_only.clone()
    }

    fn model(&self) -> Option<&str> {
        self.settings.model.as_deref()
    }

    fn launch(&self, place: &Place) -> Result<Launch, AgentError> {
        let Some(model) = &place.model else { return Err(AgentError::NoModel) };
        let session = self.session(place)?;
        let mut argv = self.settings.installed.argv.clone();
        let tools = TOOLS.join(",");
        let mut arguments = vec![
            "-p",
            "--input-format",
            "stream-json",
            "--output-format",
            "stream-json",
            "--verbose",
            // People's messages come back once they are taken up.
            "--replay-user-messages",
            "--permission-prompt-tool",
            "stdio",
            "--permission-mode",
            "default",
            // Without these two the repository's own hooks and tool servers run unasked.
            "--setting-sources",
            "",
            "--strict-mcp-config",
            "--disable-slash-commands",
            "--tools",
            &tools,
        ];
        arguments.push(match session.form() {
            Form::New | Form::Lost => "--session-id",
            Form::Resumed => "--resume",
        });
        arguments.push(session.id());
        if let Some(name) = &model.name {
            arguments.extend(["--model", name]);
        }
        argv.extend(arguments.into_iter().map(OsString::from));
        let mut env: BTreeMap<String, String> = [
            ("ANTHROPIC_BASE_URL", model.base_url.as_str()),
            ("ANTHROPIC_API_KEY", model.token.as_str()),
            ("CLAUDE_CONFIG_DIR", &format!("{}/{CONFIG}", place.home)),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
            ("DISABLE_AUTOUPDATER", "1"),
            // A call may wait for a person who raises the budget. Left alone it gives up on a stream
            // that says nothing but that it is alive after twelve minutes and a half.
            ("CLAUDE_STREAM_IDLE_TIMEOUT_MS", A_DAY),
            ("API_TIMEOUT_MS", A_DAY),
            // It says when it has nothing left to do, subagents and all.
            ("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "1"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        if let Some(name) = &model.name {
            // Its side errands go to the same model: the one that is set up and paid for.
            for variable in [
                "ANTHROPIC_DEFAULT_OPUS_MODEL",
                "ANTHROPIC_DEFAULT_SONNET_MODEL",
                "ANTHROPIC_DEFAULT_HAIKU_MODEL",
                "ANTHROPIC_SMALL_FAST_MODEL",
                "CLAUDE_CODE_SUBAGENT_MODEL",
            ] {
                env.insert(variable.to_owned(), name.clone());
            }
        }
        Ok(Launch { argv, cwd: PathBuf::from(&self.brief.workspace), env })
    }

    fn attach(self: Box<Self>, place: &Place, pipes: Pipes) -> Result<Box<dyn Agent>, AgentError> {
        let session = self.session(place)?;
        Ok(Box::new(Driver::new(place.program(pipes, self.settings.silence), session)))
    }
}
