//! The agents that can be hired, as the configuration sets them up.

use gatepost_agents::AgentError;
use gatepost_agents::Brief;
use gatepost_agents::Hired;
use gatepost_agents::Roster;
use gatepost_agents::Runbook;
use gatepost_agents::runbook::SplitError;

/// The agents of this installation.
#[derive(Debug)]
pub(crate) struct Agents;

impl Roster for Agents {
    fn hire(&self, name: &str, brief: Brief) -> Result<Hired, AgentError> {
        match name {
            "runbook" => Ok(Hired::Here(Box::new(Runbook::new(brief, split)?))),
            other => Err(AgentError::Unknown(other.to_owned())),
        }
    }
}

fn split(script: &str) -> Result<Vec<String>, SplitError> {
    gatepost_gate::split_steps(script).map_err(|error| SplitError(error.to_string()))
}
