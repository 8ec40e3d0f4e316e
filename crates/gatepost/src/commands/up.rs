//! `gatepost up`: serve until told to end.

use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use crate::cli::Place;
use crate::compose;
use crate::config;
use crate::discord;
use crate::failure;
use crate::failure::Failure;
use crate::out;
use crate::telegram;

/// What is said where rules are wrong that are read again.
const NOT_RELOADED: &str = "The rules were not read again, and those from before hold:";

/// Runs the command.
pub(crate) async fn up(place: &Place) -> Result<ExitCode> {
    let overrides = place.overrides();
    let loaded = config::load(&overrides)?;
    let settings = loaded.settings(&overrides)?;
    // Before anything is started, so that no signal in between ends it halfway.
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let running = compose::start(&loaded, &settings).await?;
    running.announce()?;
    for note in running.notes() {
        out::note(&format!("note: {note}\n"));
    }
    let mut service = None;
    if let Some(telegram) = telegram::settings(&loaded, &settings)? {
        let served = running.telegram(telegram).await?;
        match &served.code {
            Some(code) => out::line(&format!(
                "telegram: served; nobody may use it yet. Send it the code {} to become its admin",
                code.reveal()
            )),
            None => out::line("telegram: served"),
        }
        service = Some(served);
    }
    if let Some(discord) = discord::settings(&loaded, &settings)? {
        let served = running.discord(discord).await?;
        match &served.code {
            Some(code) => out::line(&format!(
                "discord: served; nobody may use it yet. Send it the code {} in private to become \
                 its admin",
                code.reveal()
            )),
            None => out::line("discord: served"),
        }
    }
    if settings.agents.len() == 1 {
        out::line(
            "agent: runbook, which runs commands; for one with a model set `[models.NAME]` and \
             `[agents.native]`",
        );
    }
    out::line(&format!("console: {}", running.key().link(running.address())));
    let invite = async {
        if let Some(served) = &mut service {
            telegram::invite(served).await;
        }
        std::future::pending::<()>().await
    };
    let reloads = async {
        while hangup.recv().await.is_some() {
            match running.reload(&overrides) {
                Ok(count) => out::note(&format!("note: the rules were read again; {count} hold\n")),
                Err(error) => {
                    let why = failure::render(&error);
                    out::note(&format!("{NOT_RELOADED}\n{why}"));
                    running.alert(format!("{NOT_RELOADED}\n{}", why.trim()));
                }
            }
        }
        std::future::pending::<()>().await
    };
    let failed = tokio::select! {
        () = reloads => false,
        () = invite => false,
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
        () = running.console_ended() => true,
    };
    running.end().await;
    if failed {
        return Err(Failure::new("the console ended by itself")
            .hint("the log says why; nothing is lost, start it again")
            .into());
    }
    Ok(ExitCode::SUCCESS)
}
