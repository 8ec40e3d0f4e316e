//! The commands, one module each.

use std::process::ExitCode;

use anyhow::Context;
use anyhow::Result;
use gatepost_chat::report::Reader;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cli::Cli;
use crate::cli::Command;
use crate::cli::SetupCommand;

pub(crate) mod agents;
mod audit;
pub(crate) mod auto_mode;
mod config;
mod doctor;
mod eval;
mod hook;
mod host;
mod keyboard;
pub(crate) mod policy;
mod review;
mod run;
mod sandbox;
mod setup;
mod up;

/// Does what the command line says.
pub(crate) fn dispatch(cli: Cli) -> Result<ExitCode> {
    let place = cli.place;
    match cli.command.unwrap_or(Command::Up) {
        Command::Up => wait(up::up(&place)),
        Command::Run(args) => wait(run::run(&place, args)),
        Command::Deliver(args) => wait(run::deliver(&place, args)),
        Command::Review(args) => review::review(&place, &args),
        Command::Hook(args) => Ok(hook::hook(&place, &args)),
        Command::Eval(args) => eval::eval(&place, &args),
        Command::Policy(command) => policy::policy(&place, command),
        Command::AutoMode(command) => auto_mode::auto_mode(&place, command),
        Command::Sandbox(args) => wait(sandbox::sandbox(&place, args)),
        Command::Audit(command) => audit::audit(&place, command),
        Command::Doctor(args) => wait(doctor::doctor(&place, args)),
        Command::Config(command) => config::config(&place, command),
        Command::Agents => wait(agents::agents(&place)),
        Command::Setup(SetupCommand::Telegram) => wait(setup::telegram(&place)),
        Command::Setup(SetupCommand::Discord) => wait(setup::discord(&place)),
        Command::Pair { code } => wait(setup::pair(&place, &code)),
    }
}

fn wait<T>(command: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    let ended = runtime.block_on(command);
    // A thread may still wait for the keyboard; nothing else is left by now.
    runtime.shutdown_background();
    ended
}

/// Where and when the person at this terminal is.
fn reader() -> Reader {
    let now = Timestamp::now();
    Reader { now, offset: TimeZone::system().to_offset(now) }
}
