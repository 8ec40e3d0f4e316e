//! The agents that can be hired, as the configuration sets them up, and what each lacks.

use std::collections::BTreeMap;

use gatepost_agents::AgentError;
use gatepost_agents::Brief;
use gatepost_agents::Hired;
use gatepost_agents::Native;
use gatepost_agents::Roster;
use gatepost_agents::Runbook;
use gatepost_agents::claude;
use gatepost_agents::claude::Claude;
use gatepost_agents::codex;
use gatepost_agents::codex::Codex;
use gatepost_agents::install::Installed;
use gatepost_agents::install::Search;
use gatepost_agents::runbook::SplitError;
use gatepost_models::Client;
use gatepost_models::Endpoint;
use gatepost_models::Patience;

use crate::config::agents::AgentKind;
use crate::config::agents::AgentSettings;
use crate::failure::Failure;

/// The agents of this installation.
#[derive(Debug)]
pub(crate) struct Agents {
    agents: BTreeMap<String, Set>,
    models: BTreeMap<String, Endpoint>,
}

/// One that is set up, with its program as it was found.
#[derive(Debug)]
struct Set {
    settings: AgentSettings,
    /// What is wrong where it was not found; none for one that needs no program.
    program: Option<Result<Installed, String>>,
}

/// Whether an agent can be given a task, in words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Availability {
    /// It can.
    Ready {
        /// Its version and what should be known about it, if it has any.
        notes: Vec<String>,
    },
    /// It cannot, because this is missing.
    Lacking {
        /// What, with what to do about it.
        what: Vec<String>,
    },
}

impl Agents {
    /// Looks for the program of each agent.
    pub(crate) fn find(
        settings: &BTreeMap<String, AgentSettings>,
        models: &BTreeMap<String, Endpoint>,
    ) -> Self {
        let search = Search::here();
        let set = |settings: &AgentSettings| Set {
            settings: settings.clone(),
            program: settings
                .program
                .as_ref()
                .map(|program| search.find(program).map_err(|error| error.to_string())),
        };
        let agents = settings.iter().map(|(name, settings)| (name.clone(), set(settings)));
        Self { agents: agents.collect(), models: models.clone() }
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.agents.keys().cloned().collect()
    }

    /// Which one of that name it is.
    pub(crate) fn kind(&self, name: &str) -> Option<AgentKind> {
        self.agents.get(name).map(|set| set.settings.kind)
    }

    /// Whether there is such an agent.
    pub(crate) fn check(&self, name: &str) -> Result<(), Failure> {
        if self.agents.contains_key(name) {
            return Ok(());
        }
        let hint = match AgentKind::ALL.into_iter().find(|kind| kind.name() == name) {
            Some(_) => format!("set it up with `[agents.{name}]`"),
            None => format!("there are: {}", self.names().join(", ")),
        };
        Err(Failure::new(format!("there is no agent `{name}`")).hint(hint))
    }

    /// Whether it can be given a task; asks its program for its version.
    pub(crate) async fn availability(&self, name: &str) -> Option<Availability> {
        let set = self.agents.get(name)?;
        let (mut notes, mut what) = (Vec::new(), Vec::new());
        match &set.program {
            None => {}
            Some(Err(error)) => what.push(error.clone()),
            Some(Ok(installed)) => match installed.version().await {
                Ok(version) => notes.push(tested(set.settings.kind, &version)),
                Err(error) => what.push(error.to_string()),
            },
        }
        match (set.settings.kind, &set.settings.model) {
            (AgentKind::Runbook, _) => {}
            (AgentKind::Native, Some(model)) => match self.models.get(model) {
                Some(endpoint) => {
                    notes.push(format!("model `{model}` ({} at {})", endpoint.model, endpoint.api));
                    if let Err(error) = endpoint.key.read() {
                        what.push(error.to_string());
                    }
                }
                None => what.push(no_model(name, model)),
            },
            (AgentKind::Native, None) => {
                what.push(format!("it has no model; set `agents.{name}.model`"));
            }
            (AgentKind::Claude | AgentKind::Codex, Some(model)) => {
                notes.push(format!("model `{model}`"))
            }
            (AgentKind::Claude | AgentKind::Codex, None) => {
                what.push(format!("it has no model; set `agents.{name}.model`"));
            }
        }
        Some(if what.is_empty() {
            Availability::Ready { notes }
        } else {
            Availability::Lacking { what }
        })
    }
}

/// A version, and whether it was ever tried.
fn tested(kind: AgentKind, version: &str) -> String {
    let tested: &[&str] = match kind {
        AgentKind::Runbook | AgentKind::Native => &[],
        AgentKind::Claude => &claude::TESTED,
        AgentKind::Codex => &codex::TESTED,
    };
    if tested.contains(&version) {
        format!("version {version}")
    } else {
        format!(
            "version {version}, with which this Gatepost was not tested (it was with {})",
            tested.join(", ")
        )
    }
}

impl Roster for Agents {
    fn hire(&self, name: &str, brief: Brief) -> Result<Hired, AgentError> {
        let set = self.agents.get(name).ok_or_else(|| AgentError::Unknown(name.to_owned()))?;
        let installed = || match &set.program {
            Some(Ok(installed)) => Ok(installed.clone()),
            Some(Err(error)) => Err(AgentError::Lacking(error.clone())),
            None => Err(AgentError::Lacking("it has no program".to_owned())),
        };
        match set.settings.kind {
            AgentKind::Runbook => Ok(Hired::Here(Box::new(Runbook::new(brief, split)?))),
            AgentKind::Native => {
                let model = set.settings.model.as_ref().ok_or(AgentError::NoModel)?;
                let endpoint = self.models.get(model);
                let endpoint =
                    endpoint.ok_or_else(|| AgentError::Lacking(no_model(name, model)))?;
                // Before anything runs, so that a missing key is told at once and not at its use.
                endpoint.key.read().map_err(|error| AgentError::Lacking(error.to_string()))?;
                let client = Client::new(endpoint.clone(), Patience::default())
                    .map_err(|error| AgentError::Lacking(error.to_string()))?;
                Ok(Hired::Here(Box::new(Native::new(client, brief)?)))
            }
            AgentKind::Claude => {
                let settings = claude::Settings {
                    installed: installed()?,
                    model: set.settings.model.clone(),
                    silence: set.settings.silence,
                };
                Ok(Hired::Program(Box::new(Claude::new(settings, brief))))
            }
            AgentKind::Codex => {
                let settings = codex::Settings {
                    installed: installed()?,
                    model: set.settings.model.clone(),
                    silence: set.settings.silence,
                };
                Ok(Hired::Program(Box::new(Codex::new(settings, brief))))
            }
        }
    }
}

fn no_model(agent: &str, model: &str) -> String {
    format!("`agents.{agent}.model` names `{model}`, which is not set up; add `[models.{model}]`")
}

fn split(script: &str) -> Result<Vec<String>, SplitError> {
    gatepost_gate::split_steps(script).map_err(|error| SplitError(error.to_string()))
}
