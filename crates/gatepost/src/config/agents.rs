//! The agents of the configuration, checked.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use gatepost_agents::acp::OPENCODE;

use super::Loaded;
use super::positive;
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
    /// OpenCode.
    OpenCode,
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
}

impl AgentKind {
    /// All of them, by their names.
    pub(crate) const ALL: [Self; 5] =
        [Self::Runbook, Self::Native, Self::Claude, Self::Codex, Self::OpenCode];

    /// The name in the configuration and in chats.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Runbook => "runbook",
            Self::Native => "native",
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::OpenCode => OPENCODE.name,
        }
    }

    /// What it is, for people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Runbook => {
                "runs the commands in a task's code block or behind `$ `, needs no model"
            }
            Self::Native => "Gatepost's own agent, for any model",
            Self::Claude => "Claude Code, whole inside the sandbox",
            Self::Codex => "Codex, whole inside the sandbox",
            Self::OpenCode => "OpenCode, whole inside the sandbox",
        }
    }

    /// The program it is, where it is one.
    fn program(self) -> Option<PathBuf> {
        match self {
            Self::Runbook | Self::Native => None,
            Self::Claude => Some("claude".into()),
            Self::Codex => Some("codex".into()),
            Self::OpenCode => Some("opencode".into()),
        }
    }
}

/// The agents that are set up; the runbook always is.
pub(super) fn settings(loaded: &Loaded) -> Result<BTreeMap<String, AgentSettings>, Failure> {
    let mut agents = BTreeMap::from([(
        AgentKind::Runbook.name().to_owned(),
        AgentSettings {
            kind: AgentKind::Runbook,
            program: None,
            model: None,
            silence: Duration::MAX,
        },
    )]);
    for (name, entry) in &loaded.file.agents {
        let settable = |kind: &AgentKind| *kind != AgentKind::Runbook;
        let kind = AgentKind::ALL.into_iter().filter(settable).find(|kind| kind.name() == name);
        let Some(kind) = kind else {
            let names: Vec<_> =
                AgentKind::ALL.into_iter().filter(settable).map(AgentKind::name).collect();
            return Err(Failure::new(format!("`[agents.{name}]` is no agent that can be set up"))
                .hint(format!("this version drives: {}", names.join(", "))));
        };
        let program = match &entry.program {
            // A name without a slash is looked for along `PATH`.
            Some(program) if program.components().count() == 1 && !program.is_absolute() => {
                Some(program.clone())
            }
            Some(program) => Some(loaded.resolve(program)),
            None => kind.program(),
        };
        let silence = positive(&format!("agents.{name}.silence"), entry.silence.0)?;
        let model = entry.model.clone();
        agents.insert(name.clone(), AgentSettings { kind, program, model, silence });
    }
    Ok(agents)
}
