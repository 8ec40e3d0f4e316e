//! The agents of the configuration, checked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use gatepost_agents::acp::CLAUDE;
use gatepost_agents::acp::GEMINI;
use gatepost_agents::acp::Lock;
use gatepost_agents::acp::OPENCODE;
use gatepost_domain::agent::Gating;

use super::Loaded;
use super::positive;
use super::schema::Agent;
use crate::failure::Failure;

/// The agents this version can drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AgentKind {
    /// Commands out of the message; needs nothing.
    Runbook,
    /// Gatepost's own.
    Native,
    /// Claude Code.
    Claude,
    /// Codex.
    Codex,
    /// One that speaks the Agent Client Protocol and is held to asking.
    Locked(&'static Lock),
    /// Any other that speaks it: the sandbox alone holds it.
    Unlocked,
}

/// One agent that is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentSettings {
    /// Which it is.
    pub(crate) kind: AgentKind,
    /// Its program, by path or by name; none for one that needs no program.
    pub(crate) program: Option<PathBuf>,
    /// Its model, as `[models]` names it.
    pub(crate) model: Option<String>,
    /// How long its program may say nothing.
    pub(crate) silence: Duration,
    /// Its arguments, where nobody knows them.
    pub(crate) arguments: Vec<String>,
    /// Its variables, where nobody knows them.
    pub(crate) environment: BTreeMap<String, String>,
}

impl AgentKind {
    /// All that are known by their names.
    pub(crate) const ALL: [Self; 7] = [
        Self::Runbook,
        Self::Native,
        Self::Claude,
        Self::Codex,
        Self::Locked(&OPENCODE),
        Self::Locked(&GEMINI),
        Self::Locked(&CLAUDE),
    ];

    /// The name in the configuration and in chats; none for one that is named there.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Runbook => Some("runbook"),
            Self::Native => Some("native"),
            Self::Claude => Some("claude"),
            Self::Codex => Some("codex"),
            Self::Locked(lock) => Some(lock.name),
            Self::Unlocked => None,
        }
    }

    /// What it is, for people.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Runbook => {
                "runs the commands in a task's code block or behind `$ `, needs no model".to_owned()
            }
            Self::Native => "Gatepost's own agent, for any model".to_owned(),
            Self::Claude => "Claude Code, whole inside the sandbox".to_owned(),
            Self::Codex => "Codex, whole inside the sandbox".to_owned(),
            Self::Locked(lock) => format!("{}, whole inside the sandbox", lock.title),
            Self::Unlocked => {
                "a program that Gatepost does not know; it may act without asking, and the \
                 sandbox alone holds it"
                    .to_owned()
            }
        }
    }

    /// The program it is, where it is one that is known.
    fn program(self) -> Option<PathBuf> {
        match self {
            Self::Runbook | Self::Native | Self::Unlocked => None,
            Self::Claude => Some("claude".into()),
            Self::Codex => Some("codex".into()),
            Self::Locked(lock) => Some(lock.program.into()),
        }
    }
}

/// The agents that are set up; the runbook always is.
pub(super) fn settings(loaded: &Loaded) -> Result<BTreeMap<String, AgentSettings>, Failure> {
    let runbook = AgentSettings {
        kind: AgentKind::Runbook,
        program: None,
        model: None,
        silence: Duration::MAX,
        arguments: Vec::new(),
        environment: BTreeMap::new(),
    };
    let mut agents = BTreeMap::new();
    agents.extend(AgentKind::Runbook.name().map(|name| (name.to_owned(), runbook)));
    for (name, entry) in &loaded.file.agents {
        let kind = kind(name, entry)?;
        let program = match &entry.program {
            // A name without a slash is looked for along `PATH`.
            Some(program) if program.components().count() == 1 && !program.is_absolute() => {
                Some(program.clone())
            }
            Some(program) => Some(loaded.resolve(program)),
            None => kind.program(),
        };
        let silence = positive(&format!("agents.{name}.silence"), entry.silence.0)?;
        let settings = AgentSettings {
            kind,
            program,
            model: entry.model.clone(),
            silence,
            arguments: entry.arguments.clone().unwrap_or_default(),
            environment: entry.environment.clone().unwrap_or_default(),
        };
        agents.insert(name.clone(), settings);
    }
    Ok(agents)
}

/// Which agent an entry sets up.
fn kind(name: &str, entry: &Agent) -> Result<AgentKind, Failure> {
    let settable = |kind: &AgentKind| *kind != AgentKind::Runbook;
    let known = AgentKind::ALL.into_iter().find(|kind| kind.name() == Some(name));
    match (known.filter(settable), entry.gating) {
        (Some(kind), None | Some(Gating::EveryAction)) => {
            if entry.arguments.is_some() || entry.environment.is_some() {
                let what = format!("`[agents.{name}]` has its own arguments and environment");
                return Err(Failure::new(what).hint("take `arguments` and `environment` out"));
            }
            Ok(kind)
        }
        (Some(_), Some(Gating::SandboxOnly)) => {
            Err(Failure::new(format!("`[agents.{name}]` is held to asking"))
                .hint("take `gating` out, or set it up by another name"))
        }
        (None, Some(Gating::SandboxOnly)) if known.is_none() => {
            if entry.program.is_none() {
                return Err(Failure::new(format!("`[agents.{name}]` names no program"))
                    .hint("set `program` to one that speaks the Agent Client Protocol"));
            }
            Ok(AgentKind::Unlocked)
        }
        (None, _) => {
            let names = AgentKind::ALL.into_iter().filter(settable).filter_map(AgentKind::name);
            let names = names.collect::<Vec<_>>().join(", ");
            Err(Failure::new(format!("`[agents.{name}]` is no agent that can be set up")).hint(
                format!(
                    "this version knows: {names}; any other program that speaks the Agent Client \
                     Protocol may act without asking, and is set up with `gating = \
                     \"sandbox-only\"`"
                ),
            ))
        }
    }
}
