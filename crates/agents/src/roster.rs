//! Who can work, and how each comes to its place.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use gatepost_domain::agent::Gating;

use crate::agent::Agent;
use crate::agent::AgentError;
use crate::agent::Brief;
use crate::install::Installed;
use crate::program::Bounds;
use crate::program::Launch;
use crate::program::Pipes;
use crate::program::Program;

/// Every agent that is set up, by name.
pub trait Roster: fmt::Debug + Send + Sync {
    /// The agent of that name for one run.
    ///
    /// # Errors
    /// When there is none, or it cannot take up the work.
    fn hire(&self, name: &str, brief: Brief) -> Result<Hired, AgentError>;
}

/// An agent on its way to work.
pub enum Hired {
    /// Our own code: it works in the worker and leaves every execution to it.
    Here(Box<dyn Agent>),
    /// A whole program, which lives in the task's sandbox.
    Program(Box<dyn Prepared>),
}

/// How a program agent is set up that has a driver of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The program.
    pub installed: Installed,
    /// Its model, by its name in the configuration.
    pub model: Option<String>,
    /// How long it may be silent while nobody owes it an answer.
    pub silence: Duration,
}

/// A program agent that is not started yet.
pub trait Prepared: Send {
    /// Directories its program is made of, shown read-only at their own place.
    fn read_only(&self) -> Vec<PathBuf>;

    /// The model it is set up with, by its name in the configuration.
    fn model(&self) -> Option<&str>;

    /// What holds it to the gate.
    fn gating(&self) -> Gating {
        Gating::EveryAction
    }

    /// How its program is started.
    ///
    /// # Errors
    /// When the place lacks what it needs, or it cannot take up the work.
    fn launch(&self, place: &Place) -> Result<Launch, AgentError>;

    /// The agent, once its program runs.
    ///
    /// # Errors
    /// As [`Prepared::launch`].
    fn attach(self: Box<Self>, place: &Place, pipes: Pipes) -> Result<Box<dyn Agent>, AgentError>;
}

/// What a program agent finds in its sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its home: private, kept for as long as the task is.
    pub home: String,
    /// The same directory as it is seen from outside. What lies in it is the program's doing.
    pub kept: PathBuf,
    /// The way to its model; none when it is set up without one.
    pub model: Option<ModelAccess>,
}

impl Place {
    /// Takes hold of the program that was just started here; `silence` is how long it may say
    /// nothing while nobody owes it an answer.
    pub(crate) fn program(&self, pipes: Pipes, silence: Duration) -> Program {
        let secrets = self.model.iter().map(|model| model.token.clone()).collect();
        Program::new(pipes, Bounds { silence, secrets })
    }
}

/// The way to a language model from inside a sandbox.
#[derive(Clone, PartialEq, Eq)]
pub struct ModelAccess {
    /// Where the model proxy is reached, without a slash at the end.
    pub base_url: String,
    /// What stands in for the key; good for this run alone, and of no use elsewhere.
    pub token: String,
    /// The model's own name, where one is set up.
    pub name: Option<String>,
}

impl fmt::Debug for ModelAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelAccess").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl fmt::Debug for Hired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(_) => f.write_str("Here"),
            Self::Program(_) => f.write_str("Program"),
        }
    }
}
