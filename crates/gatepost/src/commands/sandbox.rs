//! `gatepost sandbox`: one command in the sandbox, on a copy of a directory.

use std::ffi::OsString;
use std::io::Read;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use anyhow::Context;
use anyhow::Result;
use gatepost_domain::changes::DeliveryResult;
use gatepost_domain::egress::EgressEvent;
use gatepost_sandbox::Exec;
use gatepost_sandbox::ExitStatus;
use gatepost_sandbox::Profile;
use gatepost_sandbox::Sandbox;
use gatepost_sandbox::SandboxError;
use gatepost_sandbox::Stdin;
use gatepost_sandbox::deliver;
use gatepost_sandbox::egress;
use gatepost_sandbox::egress::EgressLimits;
use gatepost_sandbox::egress::SystemResolver;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::cli::Place;
use crate::cli::SandboxArgs;
use crate::config;
use crate::failure::Failure;
use crate::out;

/// Shells say 127 for a program that is not there and 126 for one that cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_RUNNABLE: u8 = 126;

/// The numbers of SIGHUP, SIGINT and SIGTERM, the same on every Linux (signal(7)).
const HUNG_UP: i32 = 1;
const INTERRUPTED: i32 = 2;
const TERMINATED: i32 = 15;

/// How much of a stream is passed on at a time.
const PIECE: usize = 64 * 1024;

/// Runs the command.
pub(crate) async fn sandbox(place: &Place, args: SandboxArgs) -> Result<ExitCode> {
    let overrides = place.overrides();
    let settings = config::load(&overrides)?.settings(&overrides)?;
    let here = match args.workspace {
        Some(path) => path,
        None => std::env::current_dir().context("this directory is gone")?,
    };
    let project = config::directory(&here, "the workspace")?;
    let storage = tempfile::Builder::new()
        .prefix("gatepost-sandbox-")
        .tempdir()
        .context("no temporary directory could be made")?;
    let listen = |kind| signal(kind).context("cannot listen for signals");
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hangup = listen(SignalKind::hangup())?;
    let mut profile = Profile::new(&project, storage.path().join("workspace"));
    profile.read_only = settings.read_only;
    profile.limits = settings.limits;
    egress::prepare(&settings.egress, &mut profile);
    let mut sandbox = Sandbox::start(profile).await?;
    sandbox.is_at_least(settings.minimum).map_err(Failure::new)?;
    let (network, seen) = egress::Serving::start(
        &settings.egress,
        &mut sandbox,
        Arc::new(SystemResolver),
        EgressLimits::default(),
    )
    .unzip();
    let mut telling = JoinSet::new();
    if let Some(seen) = seen {
        telling.spawn(tell(seen));
    }
    let exec = Exec {
        argv: args.command.iter().map(OsString::from).collect(),
        cwd: project.clone(),
        stdin: Stdin::Pipe,
        ..Exec::default()
    };
    let ended = tokio::select! {
        ended = pass_through(&sandbox, exec) => ended,
        // The copy must not stay behind, so the end is ours to make.
        _ = terminate.recv() => Ok(ExitStatus::Signal(TERMINATED)),
        _ = interrupt.recv() => Ok(ExitStatus::Signal(INTERRUPTED)),
        _ = hangup.recv() => Ok(ExitStatus::Signal(HUNG_UP)),
    };
    let form = sandbox.workspace().clone();
    sandbox.stop().await;
    if let Some(network) = network {
        network.end().await;
    }
    while telling.join_next().await.is_some() {}
    let code = match ended {
        Ok(ExitStatus::Code(code)) => u8::try_from(code).unwrap_or(1),
        // As shells tell of signals.
        Ok(ExitStatus::Signal(signal)) => u8::try_from(128 + signal).unwrap_or(1),
        Err(SandboxError::Start { program, step, errno }) => {
            let code = match errno.kind() {
                std::io::ErrorKind::NotFound => NOT_FOUND,
                _ => NOT_RUNNABLE,
            };
            let error = SandboxError::Start { program, step, errno };
            out::note(&crate::failure::render(&error.into()));
            code
        }
        Err(error) => return Err(error.into()),
    };
    if args.keep && code == 0 {
        let collected = deliver::collect(&form, &deliver::Options::default())?;
        match deliver::apply(&form, &project, &collected.changes) {
            DeliveryResult::Applied { paths, refused } => {
                out::note(&format!("{paths} paths written, {refused} refused\n"));
            }
            DeliveryResult::Conflict { path } => {
                return Err(Failure::new(format!(
                    "`{path}` changed in the workspace meanwhile; nothing was written"
                ))
                .hint("run it again")
                .into());
            }
            DeliveryResult::Failed { reason } => return Err(Failure::new(reason).into()),
            DeliveryResult::Branched { .. } | DeliveryResult::Discarded => {}
        }
    }
    if let Err(error) = deliver::discard(&storage.path().join("workspace")) {
        tracing::warn!(%error, "the copy stays behind");
    }
    Ok(ExitCode::from(code))
}

/// Says what was refused, so that a program's own vague words are not all there is.
async fn tell(mut seen: mpsc::Receiver<EgressEvent>) {
    while let Some(event) = seen.recv().await {
        match event {
            EgressEvent::Refused { .. } | EgressEvent::Failed { .. } => {
                if let Some((text, _)) = gatepost_chat::card::network_words(&event) {
                    out::note(&format!("network: {text}\n"));
                }
            }
            EgressEvent::Connected { .. } | EgressEvent::Total { .. } => {}
        }
    }
}

/// Runs the program with this process's own input and output.
async fn pass_through(sandbox: &Sandbox, exec: Exec) -> Result<ExitStatus, SandboxError> {
    let mut process = sandbox.spawn(exec).await?;
    let (input, output, errors) =
        (process.stdin.take(), process.stdout.take(), process.stderr.take());
    let feed = async {
        let Some(mut input) = input else { return };
        let mut typed = standard_input();
        while let Some(piece) = typed.recv().await {
            // A program that reads no more is no failure of it.
            if input.write_all(&piece).await.is_err() {
                return;
            }
        }
    };
    let work = async {
        tokio::join!(copy(output, std::io::stdout()), copy(errors, std::io::stderr()));
        process.wait().await
    };
    tokio::pin!(feed);
    tokio::pin!(work);
    let mut fed = false;
    loop {
        tokio::select! {
            ended = &mut work => return ended,
            () = &mut feed, if !fed => fed = true,
        }
    }
}

/// Standard input in pieces. Its thread may wait for a keyboard for ever, and ends with the process.
fn standard_input() -> mpsc::Receiver<Vec<u8>> {
    let (typed, pieces) = mpsc::channel(1);
    let reader = thread::Builder::new().name("input".into()).spawn(move || {
        let mut buffer = vec![0; PIECE];
        loop {
            match std::io::stdin().lock().read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(count) => {
                    let piece = buffer.get(..count).unwrap_or_default().to_vec();
                    if typed.blocking_send(piece).is_err() {
                        return;
                    }
                }
            }
        }
    });
    if let Err(error) = reader {
        // The closed channel reads as the end of the input.
        tracing::warn!(%error, "standard input cannot be read");
    }
    pieces
}

async fn copy(from: Option<impl AsyncRead + Unpin>, mut to: impl Write) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; PIECE];
    while let Ok(count) = from.read(&mut buffer).await {
        let piece = buffer.get(..count).unwrap_or_default();
        // A reader that went away closes the pipe, and the program hears of it as in any shell.
        if count == 0 || to.write_all(piece).and_then(|()| to.flush()).is_err() {
            return;
        }
    }
}
