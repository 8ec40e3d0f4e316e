//! `gatepost doctor`: what works on this machine, found out by doing it.

use std::process::ExitCode;

use anyhow::Result;
use gatepost_sandbox::doctor;
use gatepost_sandbox::doctor::Level;

use crate::cli::DoctorArgs;
use crate::cli::Place;
use crate::config;
use crate::discord;
use crate::out;
use crate::telegram;

/// Runs the command; the exit status is 1 where no task could run.
pub(crate) async fn doctor(place: &Place, args: DoctorArgs) -> Result<ExitCode> {
    let report = doctor::run().await;
    let telegram = telegram::check(place).await;
    let discord = discord::check(place).await;
    let egress = egress(place);
    if args.json {
        let mut json = serde_json::to_value(&report)?;
        if let (Some(json), Some(found)) = (json.as_object_mut(), &telegram) {
            json.insert("telegram".into(), serde_json::to_value(found)?);
        }
        if let (Some(json), Some(found)) = (json.as_object_mut(), &discord) {
            json.insert("discord".into(), serde_json::to_value(found)?);
        }
        if let (Some(json), Some(hosts)) = (json.as_object_mut(), &egress) {
            json.insert("egress".into(), serde_json::to_value(hosts)?);
        }
        out::line(&serde_json::to_string_pretty(&json)?);
    } else {
        out::line(&format!("sandbox: {}", report.tier.as_str()));
        for probe in &report.probes {
            let level = match probe.level {
                Level::Full => "full",
                Level::Reduced => "reduced",
                Level::Missing => "missing",
            };
            out::line(&format!("{level:8} {}: {}", probe.name, probe.detail));
            if let Some(mend) = &probe.mend {
                out::line(&format!("         to mend it: {mend}"));
            }
        }
        match egress.as_deref() {
            Some([]) => out::line("egress: nothing; tasks have no network"),
            Some(hosts) => out::line(&format!("egress: {}", hosts.join(", "))),
            None => out::line("egress: `[egress]` cannot be read; see `gatepost config check`"),
        }
        if let Some(found) = &telegram {
            out::line(&format!("telegram: {}", found.says));
            for note in &found.notes {
                out::line(&format!("         {note}"));
            }
        }
        if let Some(found) = &discord {
            out::line(&format!("discord: {}", found.says));
            for note in &found.notes {
                out::line(&format!("         {note}"));
            }
        }
    }
    Ok(if report.can_run() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What tasks may reach; none when the configuration cannot be read.
fn egress(place: &Place) -> Option<Vec<String>> {
    let loaded = config::load(&place.overrides()).ok()?;
    Some(config::hosts(&loaded.file.egress).ok()?.words())
}
