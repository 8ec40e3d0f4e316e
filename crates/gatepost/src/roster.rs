//! The agents that can be hired, as the configuration sets them up, and what each lacks.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;
use std::sync::PoisonError;

use gatepost_agents::AgentError;
use gatepost_agents::Brief;
use gatepost_agents::Hired;
use gatepost_agents::Native;
use gatepost_agents::Roster;
use gatepost_agents::Runbook;
use gatepost_agents::acp;
use gatepost_agents::acp::Acp;
use gatepost_agents::claude;
use gatepost_agents::claude::Claude;
use gatepost_agents::codex;
use gatepost_agents::codex::Codex;
use gatepost_agents::install::InstallError;
use gatepost_agents::install::Installed;
use gatepost_agents::install::Search;
use gatepost_agents::runbook::SplitError;
use gatepost_chat::agents::AgentLine;
use gatepost_chat::agents::Fitness;
use gatepost_domain::request::RequestError;
use gatepost_domain::request::RequestErrorKind;
use gatepost_models::Api;
use gatepost_models::Client;
use gatepost_models::Endpoint;
use gatepost_models::Patience;

use crate::config::agents::AgentKind;
use crate::config::agents::AgentSettings;
use crate::failure::Failure;

/// The agents of this installation.
#[derive(Debug)]
pub(crate) struct Agents {
    agents: BTreeMap<String, AgentSettings>,
    models: BTreeMap<String, Endpoint>,
    default: String,
    search: Search,
    /// What programs said their version is, so that not every task starts one to ask.
    versions: Mutex<BTreeMap<OsString, (Stamp, String)>>,
}

/// What tells one file at a place from the next: device, number, size, and when it was changed.
type Stamp = (u64, u64, u64, i64, i64);

impl Agents {
    /// As they are set up. Their programs are looked for whenever one is needed, so that what is
    /// installed or mended later is found without a restart.
    pub(crate) fn new(
        settings: &BTreeMap<String, AgentSettings>,
        models: &BTreeMap<String, Endpoint>,
        default: &str,
    ) -> Self {
        Self {
            agents: settings.clone(),
            models: models.clone(),
            default: default.to_owned(),
            search: Search::here(),
            versions: Mutex::default(),
        }
    }

    /// Their names.
    pub(crate) fn names(&self) -> Vec<String> {
        self.agents.keys().cloned().collect()
    }

    /// Whether there is such an agent.
    pub(crate) fn check(&self, name: &str) -> Result<(), Failure> {
        if self.agents.contains_key(name) {
            return Ok(());
        }
        let hint = match AgentKind::ALL.into_iter().find(|kind| kind.name() == Some(name)) {
            Some(_) => format!("set it up with `[agents.{name}]`"),
            None => format!("there are: {}", self.names().join(", ")),
        };
        Err(Failure::new(format!("there is no agent `{name}`")).hint(hint))
    }

    /// Every agent, and whether it can work; then those that could be set up.
    pub(crate) async fn lines(&self) -> Vec<AgentLine> {
        let mut lines = Vec::new();
        for (name, settings) in &self.agents {
            lines.push(AgentLine {
                name: name.clone(),
                about: settings.kind.words(),
                default: *name == self.default,
                fitness: self.fitness(name, settings).await,
            });
        }
        let missing = |kind: &AgentKind| !self.agents.values().any(|set| set.kind == *kind);
        lines.extend(AgentKind::ALL.into_iter().filter(missing).filter_map(|kind| {
            let name = kind.name()?.to_owned();
            let how = format!("set it up with `[agents.{name}]`");
            let fitness = Fitness::NotSetUp { how };
            Some(AgentLine { name, about: kind.words(), default: false, fitness })
        }));
        lines
    }

    /// Whether a task can be given to an agent, or to the default one. An agent that is not set up
    /// is left to the hub, which knows what was meant.
    ///
    /// # Errors
    /// Says what it lacks and what to do about it.
    pub(crate) async fn fit(&self, name: Option<&str>) -> Result<(), RequestError> {
        let name = name.unwrap_or(&self.default);
        let Some(settings) = self.agents.get(name) else { return Ok(()) };
        match self.fitness(name, settings).await {
            Fitness::Ready { .. } | Fitness::NotSetUp { .. } => Ok(()),
            Fitness::Lacking { what } => Err(RequestError::new(
                RequestErrorKind::Invalid,
                format!("the agent `{name}` cannot work: {}", what.join("; ")),
                "set that up, or choose another agent; `gatepost agents` and `/agents` list them",
            )),
        }
    }

    async fn fitness(&self, name: &str, settings: &AgentSettings) -> Fitness {
        let (mut notes, mut what) = (Vec::new(), Vec::new());
        match settings.program.as_deref().map(|program| self.search.find(program)) {
            None => {}
            Some(Err(error)) => what.push(error.to_string()),
            // What its version says nobody knows.
            Some(Ok(_)) if settings.kind == AgentKind::Unlocked => {}
            Some(Ok(installed)) => match self.version(&installed).await {
                Ok(version) => match tried(tested(settings.kind), &version) {
                    Ok(note) => notes.push(note),
                    Err(wrong) => what.push(wrong),
                },
                Err(error) => what.push(error.to_string()),
            },
        }
        match (settings.kind, &settings.model) {
            (AgentKind::Runbook, _) | (AgentKind::Unlocked, None) => {}
            (kind, Some(model)) => match self.models.get(model) {
                Some(endpoint) => {
                    let at = format!("{} at {}", endpoint.model, endpoint.api);
                    notes.push(format!("model `{model}` ({at})"));
                    if let Err(error) = endpoint.key.read() {
                        what.push(error.to_string());
                    }
                    what.extend(unspoken(kind, name, endpoint));
                }
                None => what.push(no_model(name, model)),
            },
            (
                AgentKind::Native | AgentKind::Claude | AgentKind::Codex | AgentKind::Locked(_),
                None,
            ) => {
                what.push(format!("it has no model; set `agents.{name}.model`"));
            }
        }
        if what.is_empty() { Fitness::Ready { notes } } else { Fitness::Lacking { what } }
    }

    /// What a program says its version is; asked once for each file.
    async fn version(&self, installed: &Installed) -> Result<String, InstallError> {
        let program = installed.argv.last().cloned().unwrap_or_default();
        let stamp = std::fs::metadata(&program)
            .ok()
            .map(|meta| (meta.dev(), meta.ino(), meta.size(), meta.ctime(), meta.ctime_nsec()));
        let versions = || self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, version)) = versions().get(&program)
            && Some(known) == stamp.as_ref()
        {
            return Ok(version.clone());
        }
        let version = installed.version().await?;
        if let Some(stamp) = stamp {
            versions().insert(program, (stamp, version.clone()));
        }
        Ok(version)
    }
}

/// The versions that were tried, oldest first.
fn tested(kind: AgentKind) -> &'static [&'static str] {
    match kind {
        AgentKind::Runbook | AgentKind::Native | AgentKind::Unlocked => &[],
        AgentKind::Claude => &claude::TESTED,
        AgentKind::Codex => &codex::TESTED,
        AgentKind::Locked(lock) => lock.tested,
    }
}

/// A version in words. One older than every tried one may not know what the gate relies on, and so
/// it is none to work with; what a newer one changed is not known.
fn tried(tested: &[&str], version: &str) -> Result<String, String> {
    let list = tested.join(", ");
    if tested.contains(&version) {
        return Ok(format!("version {version}, tested"));
    }
    match tested.iter().map(|tested| numbers(tested)).min() {
        Some(oldest) if numbers(version) < oldest => Err(format!(
            "version {version} is older than any this Gatepost was tested with ({list}); update it"
        )),
        _ => Ok(format!(
            "version {version}, with which this Gatepost was not tested (it was with {list})"
        )),
    }
}

/// `1.20.3-beta` as 1, 20, 3.
fn numbers(version: &str) -> Vec<u64> {
    let number = |part: &str| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part.get(..digits).and_then(|digits| digits.parse().ok()).unwrap_or(0)
    };
    version.split('.').map(number).collect()
}

impl Roster for Agents {
    fn hire(&self, name: &str, brief: Brief) -> Result<Hired, AgentError> {
        let set = self.agents.get(name).ok_or_else(|| AgentError::Unknown(name.to_owned()))?;
        let installed = || {
            let program = set.program.as_deref();
            let program =
                program.ok_or_else(|| AgentError::Lacking("it has no program".to_owned()))?;
            self.search.find(program).map_err(|error| AgentError::Lacking(error.to_string()))
        };
        match set.kind {
            AgentKind::Runbook => Ok(Hired::Here(Box::new(Runbook::new(brief, split)?))),
            AgentKind::Native => {
                let model = set.model.as_ref().ok_or(AgentError::NoModel)?;
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
                    model: set.model.clone(),
                    silence: set.silence,
                };
                Ok(Hired::Program(Box::new(Claude::new(settings, brief))))
            }
            AgentKind::Codex => {
                let settings = codex::Settings {
                    installed: installed()?,
                    model: set.model.clone(),
                    silence: set.silence,
                };
                Ok(Hired::Program(Box::new(Codex::new(settings, brief))))
            }
            AgentKind::Locked(lock) => {
                let model = set.model.as_ref().ok_or(AgentError::NoModel)?;
                self.over_protocol(name, set, lock, installed()?, Some(model), brief)
            }
            AgentKind::Unlocked => {
                let model = set.model.as_ref();
                self.over_protocol(name, set, &acp::UNLOCKED, installed()?, model, brief)
            }
        }
    }
}

impl Agents {
    /// An agent that speaks the Agent Client Protocol.
    fn over_protocol(
        &self,
        name: &str,
        set: &AgentSettings,
        lock: &'static acp::Lock,
        installed: Installed,
        model: Option<&String>,
        brief: Brief,
    ) -> Result<Hired, AgentError> {
        let model = match model {
            None => None,
            Some(model) => {
                let endpoint = self.models.get(model);
                let endpoint =
                    endpoint.ok_or_else(|| AgentError::Lacking(no_model(name, model)))?;
                if let Some(wrong) = unspoken(set.kind, name, endpoint) {
                    return Err(AgentError::Lacking(wrong));
                }
                Some((model.clone(), endpoint.api))
            }
        };
        let settings = acp::Settings {
            lock,
            installed,
            arguments: set.arguments.clone(),
            environment: set.environment.clone(),
            model,
            silence: set.silence,
        };
        Ok(Hired::Program(Box::new(Acp::new(settings, brief))))
    }
}

/// What is wrong where an agent does not speak the API of its model.
fn unspoken(kind: AgentKind, agent: &str, endpoint: &Endpoint) -> Option<String> {
    let spoken: &[Api] = match kind {
        AgentKind::Claude => &[Api::Anthropic],
        AgentKind::Codex => &[Api::OpenAiResponses],
        AgentKind::Locked(lock) => lock.apis,
        AgentKind::Runbook | AgentKind::Native | AgentKind::Unlocked => return None,
    };
    (!spoken.contains(&endpoint.api)).then(|| {
        let spoken: Vec<_> = spoken.iter().map(|api| format!("`{api}`")).collect();
        format!(
            "it does not speak `{}`; let `agents.{agent}.model` name a model with `api` of {}",
            endpoint.api,
            spoken.join(" or ")
        )
    })
}

fn no_model(agent: &str, model: &str) -> String {
    format!("`agents.{agent}.model` names `{model}`, which is not set up; add `[models.{model}]`")
}

fn split(script: &str) -> Result<Vec<String>, SplitError> {
    gatepost_gate::split_steps(script).map_err(|error| SplitError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_version_older_than_any_that_was_tried_is_none_to_work_with() {
        let tested = ["2.1.330", "2.10.0"];
        for (version, expect) in [
            ("2.1.330", Ok("tested")),
            ("2.9.0", Ok("not tested")),
            ("3.0.0-rc.1", Ok("not tested")),
            ("2.1.99", Err("update it")),
            ("1.200.1", Err("update it")),
        ] {
            match (tried(&tested, version), expect) {
                (Ok(said), Ok(words)) | (Err(said), Err(words)) => {
                    assert!(said.contains(words), "{said}");
                }
                (said, expect) => panic!("{version}: {said:?}, not {expect:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_task_for_an_agent_that_cannot_work_is_refused_until_it_is_mended() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let program = root.join("tool/codex");
        let settings = AgentSettings {
            kind: AgentKind::Codex,
            program: Some(program.clone()),
            model: Some("absent".into()),
            silence: Duration::MAX,
            arguments: vec![],
            environment: BTreeMap::new(),
        };
        let agents = BTreeMap::from([("codex".to_owned(), settings)]);
        let agents = Agents::new(&agents, &BTreeMap::new(), "codex");
        let refused = |named: Option<&'static str>| {
            let agents = &agents;
            async move { agents.fit(named).await.unwrap_err().to_string() }
        };
        assert!(refused(None).await.contains("install it"));
        // It is there now, and too old: nothing was started anew for that to be seen.
        std::fs::create_dir(root.join("tool")).unwrap();
        std::fs::write(&program, "#!/bin/sh\necho 0.1.0\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let said = refused(Some("codex")).await;
        assert!(said.contains("version 0.1.0 is older"), "{said}");
        std::fs::write(&program, format!("#!/bin/sh\necho {}\n", codex::TESTED[0])).unwrap();
        let said = refused(Some("codex")).await;
        assert!(!said.contains("version") && said.contains("[models.absent]"), "{said}");
        assert_eq!(agents.fit(Some("nobody")).await, Ok(()), "the hub says what there is");
        let lines = agents.lines().await;
        let states: Vec<_> =
            lines.iter().map(|line| (line.name.as_str(), line.words().0)).collect();
        assert_eq!(states[0], ("codex", "cannot work"));
        assert!(states.contains(&("native", "not set up")), "{states:?}");
    }
}
