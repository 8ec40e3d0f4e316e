//! The gatepost command: reads the command line, puts the crates together, exits with a status.

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

mod cli;
mod client;
mod commands;
mod compose;
mod config;
mod data;
mod discord;
mod failure;
mod judge;
mod kept;
mod models;
mod out;
mod people;
mod port;
mod progress;
mod pulse;
mod qr;
mod roster;
mod sources;
mod telegram;
mod voice;

/// Usage or set-up: nothing was done.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    gatepost_sandbox::run_if_init();
    let cli = cli::Cli::parse();
    log();
    match commands::dispatch(cli) {
        Ok(code) => code,
        Err(error) => {
            out::note(&failure::render(&error));
            ExitCode::from(USAGE)
        }
    }
}

/// The log goes to standard error; `GATEPOST_LOG` says how much, in the form of `RUST_LOG`.
fn log() {
    let filter = EnvFilter::builder()
        .with_default_directive(tracing::Level::WARN.into())
        .with_env_var("GATEPOST_LOG")
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .init();
}
