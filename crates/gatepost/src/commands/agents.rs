//! `gatepost agents`: who can work on a task.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::Place;
use crate::config;
use crate::config::agents::AgentKind;
use crate::out;
use crate::roster::Agents;
use crate::roster::Availability;

/// Lists them: those that can be given a task, those that lack something, and those that are not
/// set up.
pub(crate) async fn agents(place: &Place) -> Result<ExitCode> {
    let overrides = place.overrides();
    let settings = config::load(&overrides)?.settings(&overrides)?;
    let agents = Agents::find(&settings.agents, &settings.models);
    for name in agents.names() {
        let (Some(kind), Some(availability)) =
            (agents.kind(&name), agents.availability(&name).await)
        else {
            continue;
        };
        let mark = if name == settings.agent { " (default)" } else { "" };
        let words = kind.words();
        out::line(&match availability {
            Availability::Ready { notes } if notes.is_empty() => {
                format!("{name}{mark}: ready; {words}")
            }
            Availability::Ready { notes } => {
                format!("{name}{mark}: ready; {words}; {}", notes.join("; "))
            }
            Availability::Lacking { what } => {
                format!("{name}{mark}: cannot work; {}", what.join("; "))
            }
        });
    }
    let missing = |kind: &AgentKind| agents.kind(kind.name()).is_none();
    for kind in AgentKind::ALL.into_iter().filter(missing) {
        let (name, words) = (kind.name(), kind.words());
        out::line(&format!("{name}: not set up; {words}; set it up with `[agents.{name}]`"));
    }
    Ok(ExitCode::SUCCESS)
}
