//! What the hub is told once, at its start.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use gatepost_domain::Mode;

use crate::error::ConfigError;

/// What the hub is told once, at its start.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// Projects by name, each with its absolute directory.
    pub projects: BTreeMap<String, PathBuf>,
    /// The project of a task that names none. With one project configured it is that one anyway.
    pub default_project: Option<String>,
    /// The names of the agents a task may ask for.
    pub agents: Vec<String>,
    /// The agent of a task that names none.
    pub default_agent: String,
    /// The mode of a task that names none.
    pub default_mode: Mode,
    /// How many runs may be under way at once, over all projects; at least 1.
    pub max_running: usize,
    /// How many tasks may wait; a further one is refused as full. At least 1.
    pub max_queued: usize,
    /// How long a question waits for people before it is denied by itself.
    pub approval_timeout: Duration,
    /// Gatepost's version, for the journal.
    pub version: String,
}

impl HubConfig {
    /// What could not work is said at the start and not at the first task.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.projects.is_empty() {
            return Err(ConfigError::NoProject);
        }
        for (name, path) in &self.projects {
            if !path.is_absolute() || path.to_str().is_none() {
                return Err(ConfigError::ProjectPath { name: name.clone(), path: path.clone() });
            }
        }
        if let Some(name) = &self.default_project
            && !self.projects.contains_key(name)
        {
            return Err(ConfigError::DefaultProject { name: name.clone() });
        }
        if !self.agents.contains(&self.default_agent) {
            return Err(ConfigError::DefaultAgent { name: self.default_agent.clone() });
        }
        if self.max_running == 0 || self.max_queued == 0 {
            return Err(ConfigError::NoRoom);
        }
        Ok(())
    }

    /// The default project, when there is one.
    pub(crate) fn default_project(&self) -> Option<&str> {
        match (&self.default_project, self.projects.len()) {
            (Some(name), _) => Some(name),
            (None, 1) => self.projects.keys().next().map(String::as_str),
            (None, _) => None,
        }
    }

    /// The projects' names, the default one first.
    pub(crate) fn project_names(&self) -> Vec<String> {
        let first = self.default_project();
        let rest = self.projects.keys().map(String::as_str).filter(|name| Some(*name) != first);
        first.into_iter().chain(rest).map(str::to_owned).collect()
    }
}
