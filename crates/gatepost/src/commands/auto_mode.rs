//! `gatepost auto-mode`: the policy in words that the classifier judges by.

use std::process::ExitCode;

use anyhow::Result;
use gatepost_gate::classifier::DEFAULTS;
use gatepost_gate::classifier::Prose;

use crate::cli::AutoModeCommand;
use crate::cli::Place;
use crate::config;
use crate::config::Loaded;
use crate::failure::Failure;
use crate::out;

/// Runs the command.
pub(crate) fn auto_mode(place: &Place, command: AutoModeCommand) -> Result<ExitCode> {
    match command {
        AutoModeCommand::Defaults => out::print(DEFAULTS),
        AutoModeCommand::Config => {
            let loaded = config::load(&place.overrides())?;
            let auto = &loaded.file.auto_mode;
            let prose = prose(&loaded)?;
            match (&auto.model, &auto.second_model) {
                (None, _) => out::line(
                    "# No model is set, so people are asked: set `model` below `[auto_mode]`.",
                ),
                (Some(model), None) => out::line(&format!("# Judged by `{model}`.")),
                (Some(model), Some(second)) => {
                    out::line(&format!("# Judged by `{model}`, or `{second}` where it cannot."));
                }
            }
            out::print(&toml::to_string_pretty(&prose.written())?);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The policy in words that is in force.
///
/// # Errors
/// A list cannot be used.
pub(crate) fn prose(loaded: &Loaded) -> Result<Prose, Failure> {
    let users = loaded.file.auto_mode.prose().map_err(|error| {
        Failure::new(error.to_string()).hint("change that list below `[auto_mode]`")
    })?;
    users.managed(&loaded.managed.prose).map_err(|error| {
        Failure::new(format!("managed settings: {error}"))
            .hint("whoever runs this machine can change that list below `[auto_mode]` of theirs")
    })
}
