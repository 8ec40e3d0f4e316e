//! `gatepost config`: what is configured, and whether it can be used.

use std::process::ExitCode;

use anyhow::Result;

use crate::cli::ConfigCommand;
use crate::cli::Place;
use crate::config;
use crate::config::Loaded;
use crate::config::Settings;
use crate::config::schema;
use crate::config::schema::File;
use crate::out;
use crate::roster::Agents;

mod sources;

/// Runs the command.
pub(crate) fn config(place: &Place, command: ConfigCommand) -> Result<ExitCode> {
    let overrides = place.overrides();
    match command {
        ConfigCommand::Check => {
            let loaded = config::load(&overrides)?;
            let settings = loaded.settings(&overrides)?;
            super::policy::rules(&loaded)?;
            Agents::new(&settings.agents, &settings.models, &settings.agent)
                .check(&settings.agent)?;
            crate::judge::classifier(&loaded, &settings.models)?;
            crate::judge::reader(&loaded, &settings.models)?;
            crate::voice::check(&loaded)?;
            crate::people::roles(&loaded.file)?;
            out::line(&format!("{} can be used", origin(&loaded)));
            if let Some(managed) = loaded.managed.words() {
                out::line(&managed);
            }
            out::line(&format!("data: {}", settings.data.display()));
            for (name, path) in &settings.projects {
                let default = settings.default_project.as_ref() == Some(name);
                let word = if default { " (default)" } else { "" };
                out::line(&format!("project {name}: {}{word}", path.display()));
            }
        }
        ConfigCommand::Show { effective: false } => {
            let loaded = config::load(&overrides)?;
            out::line(&format!("# {}", origin(&loaded)));
            out::print(&loaded.text);
        }
        ConfigCommand::Show { effective: true } => {
            let loaded = config::load(&overrides)?;
            let settings = loaded.settings(&overrides)?;
            out::line(&format!("# {}, with environment, flags and defaults", origin(&loaded)));
            for (what, path) in &loaded.managed.decided {
                out::line(&format!("# managed: {what}  # {}", path.display()));
            }
            let rules = super::policy::rules(&loaded)?;
            out::print(
                &super::policy::set_aside(&rules)
                    .map(|s| format!("# rules {s}\n"))
                    .unwrap_or_default(),
            );
            let text = toml::to_string(&effective(&loaded, &settings))?;
            out::print(&sources::marked(&text, &loaded, &overrides));
        }
        ConfigCommand::Default => out::print(&config::defaults::text()?),
    }
    Ok(ExitCode::SUCCESS)
}

fn origin(loaded: &Loaded) -> String {
    match &loaded.origin {
        Some(path) => path.display().to_string(),
        None => "the built-in configuration (there is no file)".into(),
    }
}

/// The file that would say what is in force.
fn effective(loaded: &Loaded, settings: &Settings) -> File {
    let project = |path: &std::path::PathBuf| schema::Project {
        path: path.clone(),
        visibility: None,
        protected_branches: Vec::new(),
    };
    File {
        listen: settings.listen.to_string(),
        data: Some(settings.data.clone()),
        projects: settings
            .projects
            .iter()
            .map(|(name, path)| (name.clone(), project(path)))
            .collect(),
        agents: loaded.file.agents.clone(),
        defaults: schema::Defaults {
            project: settings.default_project.clone(),
            agent: settings.agent.clone(),
            mode: settings.mode,
        },
        approvals: loaded.file.approvals.clone(),
        hub: loaded.file.hub.clone(),
        sandbox: schema::Sandbox {
            read_only: settings.read_only.clone(),
            ..loaded.file.sandbox.clone()
        },
        egress: loaded.file.egress.clone(),
        auto_mode: loaded.file.auto_mode.clone(),
        policy: schema::Policy { rules: settings.rules.clone() },
        models: loaded.file.models.clone(),
        budget: loaded.file.budget.clone(),
        telegram: schema::Telegram {
            api_url: crate::telegram::address(loaded),
            ..loaded.file.telegram.clone()
        },
        discord: schema::Discord {
            proxy: crate::discord::proxy(loaded),
            ..loaded.file.discord.clone()
        },
        people: loaded.file.people.clone(),
    }
}
