//! The gatepost that a terminal command talks to: one that runs already, or one of its own.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use gatepost_journal::JournalError;

use crate::cli::Place;
use crate::client::Client;
use crate::compose;
use crate::compose::Running;
use crate::config;
use crate::config::Settings;
use crate::data;
use crate::data::Serving;
use crate::failure::Failure;
use crate::out;

/// How long a gatepost that holds the journal may take until it serves, before that is said.
const STARTING: Duration = Duration::from_secs(5);

/// The project that is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// The default one.
    Default,
    /// The one at this directory, or of this name.
    Project(&'a Path),
}

/// A gatepost to talk to.
pub(crate) struct Host {
    client: Client,
    own: Option<Running>,
}

impl Host {
    /// Finds the gatepost that serves the data directory, or starts one in this process. Also gives
    /// the project's name, where one was wanted.
    pub(crate) async fn find_or_start(
        place: &Place,
        wanted: Wanted<'_>,
    ) -> Result<(Self, Option<String>)> {
        let overrides = place.overrides();
        let loaded = config::load(&overrides)?;
        let dir = loaded.data(&overrides)?;
        let begun = tokio::time::Instant::now();
        let mut said = false;
        loop {
            if let Some((serving, key)) = data::serving(&dir) {
                let client = Client::new(serving.address, key)?;
                if client.answers().await {
                    let project = of_running(&serving, wanted)?;
                    return Ok((Self { client, own: None }, project));
                }
            }
            let mut settings = loaded.settings(&overrides)?;
            let project = of_own(&mut settings, wanted)?;
            // The link of an ephemeral console is for this process alone.
            settings.listen.set_port(0);
            match compose::start(&loaded, &settings).await {
                Ok(running) => {
                    let client = Client::new(running.address(), running.key().clone())?;
                    return Ok((Self { client, own: Some(running) }, project));
                }
                // One that serves nobody else is a command like this one, and ends with its task.
                Err(error) if is_locked(&error) => {
                    if begun.elapsed() > STARTING && !said {
                        said = true;
                        out::note(&format!("{error}\nwaiting until it is free\n"));
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The way to talk to it.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Whether it lives in this process.
    pub(crate) fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Ends it, if it is this process's own.
    pub(crate) async fn end(self) {
        if let Some(running) = self.own {
            running.end().await;
        }
    }
}

fn is_locked(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(JournalError::Locked { .. }))
}

/// An existing directory wins over a name: it is what `--project` says it takes.
fn of_own(settings: &mut Settings, wanted: Wanted<'_>) -> Result<Option<String>, Failure> {
    let Wanted::Project(given) = wanted else { return Ok(None) };
    let name = given.to_string_lossy();
    if !given.is_dir() && settings.projects.contains_key(&*name) {
        return Ok(Some(name.into_owned()));
    }
    settings.adopt(given).map(Some)
}

fn of_running(serving: &Serving, wanted: Wanted<'_>) -> Result<Option<String>, Failure> {
    let Wanted::Project(given) = wanted else { return Ok(None) };
    let name = given.to_string_lossy();
    if !given.is_dir() && serving.projects.contains_key(&*name) {
        return Ok(Some(name.into_owned()));
    }
    let path = config::directory(given, "the project")?;
    let found = serving.projects.iter().find(|(_, project)| **project == path);
    found.map(|(name, _)| Some(name.clone())).ok_or_else(|| {
        Failure::new(format!(
            "the gatepost that runs as process {} has no project at `{}`",
            serving.pid,
            path.display()
        ))
        .hint(
            "add `[projects.NAME]` with this `path` to its configuration and start it again, or \
             stop it, or use another `--data`",
        )
    })
}
