//! `gatepost agents`: who can work on a task.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::Place;
use crate::config;
use crate::failure::Failure;
use crate::out;

/// The agents of this version.
pub(crate) const NAMES: [&str; 1] = ["runbook"];

/// Lists them.
pub(crate) fn agents(place: &Place) -> Result<ExitCode> {
    let overrides = place.overrides();
    let default = config::load(&overrides)?.settings(&overrides)?.agent;
    for name in NAMES {
        let mark = if name == default { " (default)" } else { "" };
        out::line(&format!(
            "{name}{mark}: ready; runs the commands in a task's code block or behind `$ `, needs no \
             model"
        ));
    }
    out::line("agents with a model are not part of this version");
    Ok(ExitCode::SUCCESS)
}

/// Whether there is such an agent.
pub(crate) fn check(name: &str) -> Result<(), Failure> {
    if NAMES.contains(&name) {
        return Ok(());
    }
    Err(Failure::new(format!("there is no agent `{name}`"))
        .hint(format!("this version has: {}", NAMES.join(", "))))
}
