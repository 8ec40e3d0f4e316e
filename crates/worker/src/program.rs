//! Bringing an agent to its place: into the worker, or as a program into the task's sandbox.

use std::path::Path;

use gatepost_agents::Agent;
use gatepost_agents::AgentError;
use gatepost_agents::Hired;
use gatepost_agents::ModelAccess;
use gatepost_agents::Place;
use gatepost_agents::program::Pipes;
use gatepost_domain::agent::Gating;
use gatepost_domain::outcome::Reason;
use gatepost_sandbox::Exec;
use gatepost_sandbox::ExitStatus;
use gatepost_sandbox::Home;
use gatepost_sandbox::Process;
use gatepost_sandbox::Profile;
use gatepost_sandbox::Sandbox;
use gatepost_sandbox::SandboxError;
use gatepost_sandbox::Stdin;

use crate::run::Stop;

/// Adds to a profile what the agent needs.
pub(crate) fn prepare(profile: &mut Profile, hired: &Hired) {
    match hired {
        Hired::Here(_) => {}
        Hired::Program(prepared) => {
            profile.home = Home::Kept;
            for place in prepared.read_only() {
                // What is shown twice cannot be mounted twice.
                if !profile.read_only.contains(&place) {
                    profile.read_only.push(place);
                }
            }
        }
    }
}

/// What holds the agent.
pub(crate) fn gating(hired: &Hired) -> Gating {
    match hired {
        // Our own code does nothing by itself.
        Hired::Here(_) => Gating::EveryAction,
        Hired::Program(prepared) => prepared.gating(),
    }
}

/// The agent at its place, ready to be polled. A program is the sandbox's first and lives as long
/// as the sandbox, so whatever else runs there is never the last one and nothing sweeps it away.
/// `kept` is where its home lies outside.
pub(crate) async fn begin(
    hired: Hired,
    sandbox: &Sandbox,
    kept: &Path,
    model: Option<ModelAccess>,
) -> Result<Box<dyn Agent>, Stop> {
    let prepared = match hired {
        Hired::Here(agent) => return Ok(agent),
        Hired::Program(prepared) => prepared,
    };
    let home = sandbox.env().get("HOME").cloned().unwrap_or_default();
    let place = Place { home, kept: kept.to_owned(), model };
    let launch = prepared.launch(&place).map_err(unfit)?;
    let exec = Exec {
        argv: launch.argv,
        cwd: launch.cwd,
        env: launch.env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        stdin: Stdin::Pipe,
        fds: Vec::new(),
    };
    let process = sandbox.spawn(exec).await.map_err(|error| Stop::Broken(failed(error)))?;
    let pipes = pipes(process).ok_or_else(|| Stop::Broken(failed(SandboxError::Gone)))?;
    prepared.attach(&place, pipes).map_err(unfit)
}

fn unfit(error: AgentError) -> Stop {
    Stop::Broken(Reason::AgentFailed { detail: error.to_string() })
}

fn failed(error: SandboxError) -> Reason {
    match error {
        SandboxError::Start { .. } | SandboxError::TooLarge => {
            Reason::AgentFailed { detail: error.to_string() }
        }
        other => Reason::SandboxFailed { detail: other.to_string() },
    }
}

fn pipes(mut process: Process) -> Option<Pipes> {
    Some(Pipes {
        stdin: Box::new(process.stdin.take()?),
        stdout: Box::new(process.stdout.take()?),
        stderr: Box::new(process.stderr.take()?),
        // Whoever drops this drops the process, and that kills it.
        ended: Box::pin(async move {
            match process.wait().await {
                Ok(ExitStatus::Code(code)) => format!("exit {code}"),
                Ok(ExitStatus::Signal(signal)) => format!("killed by signal {signal}"),
                Err(error) => error.to_string(),
            }
        }),
    })
}
