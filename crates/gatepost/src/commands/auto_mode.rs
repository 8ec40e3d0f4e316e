//! `gatepost auto-mode`: the policy in words that the classifier judges by.

use std::process::ExitCode;

use anyhow::Result;
use gatepost_gate::classifier::DEFAULTS;
use gatepost_gate::classifier::Prose;
use gatepost_models::Client;
use gatepost_models::Patience;

use crate::cli::AutoModeCommand;
use crate::cli::Place;
use crate::config;
use crate::config::Loaded;
use crate::failure::Failure;
use crate::models;
use crate::out;

mod critique;

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
        AutoModeCommand::Critique => {
            let loaded = config::load(&place.overrides())?;
            let prose = prose(&loaded)?;
            let client = client(&loaded)?;
            out::print(&super::wait(async { Ok(critique::of(&client, &prose).await?) })?);
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

/// The configured judge, with the patience of a person who waits for a longer answer.
fn client(loaded: &Loaded) -> Result<Client, Failure> {
    let auto = &loaded.file.auto_mode;
    let name = auto.model.as_ref().ok_or_else(|| {
        Failure::new("no model is set, so there is nobody to ask")
            .hint("name one of `[models]` as `model` below `[auto_mode]`")
    })?;
    let endpoint = models::endpoints(loaded)?.remove(name).ok_or_else(|| {
        Failure::new(format!("`auto_mode` names the model `{name}`, which there is not"))
            .hint(format!("add `[models.{name}]`, or name one that is there"))
    })?;
    Client::new(endpoint, Patience::default())
        .map_err(|error| Failure::new(format!("the model cannot be used: {error}")))
}
