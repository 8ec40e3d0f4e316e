//! `gatepost agents`: who can work on a task.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::Place;
use crate::config;
use crate::out;
use crate::roster::Agents;

/// Lists them: those that can be given a task, those that lack something, and those that are not
/// set up.
pub(crate) async fn agents(place: &Place) -> Result<ExitCode> {
    let overrides = place.overrides();
    let settings = config::load(&overrides)?.settings(&overrides)?;
    let agents = Agents::new(&settings.agents, &settings.models, &settings.agent);
    for line in agents.lines().await {
        out::line(&line.text());
    }
    Ok(ExitCode::SUCCESS)
}
