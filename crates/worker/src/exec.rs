//! Making a cleared action run, in the sandbox and nowhere else.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::time::Duration;

use gatepost_agents::ShellState;
use gatepost_domain::Action;
use gatepost_domain::action;
use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::Ending;
use gatepost_domain::agent::KEPT_OUTPUT;
use gatepost_gate::Cleared;
use gatepost_sandbox::Capture;
use gatepost_sandbox::Exec;
use gatepost_sandbox::ExitStatus;
use gatepost_sandbox::Finished;
use gatepost_sandbox::Sandbox;
use gatepost_sandbox::Stdin;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

use crate::tools;

/// The longest a single action may take. A build of a large project stays below it; a program that
/// waits for input that never comes does not hold the task for ever.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Where a shell says at its end what it leaves to the next command. Far above what scripts use.
const STATE_FD: i32 = 198;

/// The most of that which is read; beyond it, nothing is carried over.
const STATE_BYTES: u64 = 256 * 1024;

/// How long that is waited for once the command has ended.
const STATE_WAIT: Duration = Duration::from_secs(1);

/// Variables that a shell sets anew by itself.
const NOT_CARRIED: [&str; 4] = ["_", "SHLVL", "PWD", "OLDPWD"];

/// Runs a cleared action to its end. Dropping the future kills what runs.
pub(crate) async fn execute(
    sandbox: &Sandbox,
    workspace: String,
    cleared: Cleared<Action>,
) -> (ActionResult, Option<ShellState>) {
    match cleared.into_inner() {
        Action::Exec(exec) => shell(sandbox, exec).await,
        Action::Fetch { url } => (tools::fetch(sandbox, &workspace, &url).await, None),
        Action::Read { path } => (tools::read(sandbox, &workspace, &path).await, None),
        Action::Write { path, content } => {
            (tools::write(sandbox, &workspace, &path, &content).await, None)
        }
        Action::Edit { path, content, replaces: Some(old) } => {
            (tools::edit(sandbox, &workspace, &path, &old, &content).await, None)
        }
        other @ (Action::Edit { replaces: None, .. }
        | Action::Python { .. }
        | Action::Tool { .. }
        | Action::Raise(_)) => {
            let detail = format!("this worker has no way to do `{}`", other.tool());
            (broken(detail), None)
        }
    }
}

async fn shell(sandbox: &Sandbox, exec: action::Exec) -> (ActionResult, Option<ShellState>) {
    let (reader, writer) = match state_pipe() {
        Ok(pipe) => pipe,
        Err(error) => return (broken(format!("no pipe could be made ({error})")), None),
    };
    let run = Exec {
        argv: ["bash", "--noprofile", "--norc", "-c", &with_state(&exec.command)]
            .into_iter()
            .map(OsString::from)
            .collect(),
        cwd: exec.cwd.into(),
        env: exec.env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        stdin: Stdin::Null,
        fds: vec![(STATE_FD, writer)],
    };
    let capture = Capture { max_bytes: 2 * KEPT_OUTPUT, wall: Some(LONGEST) };
    let state = async {
        let mut bytes = Vec::new();
        // What cannot be read is not carried over; the command itself is not touched by that.
        let read = reader.take(STATE_BYTES).read_to_end(&mut bytes).await;
        read.map(|_| bytes).unwrap_or_default()
    };
    tokio::pin!(state);
    let mut said = None;
    let finished = {
        let run = sandbox.run(run, capture, |_| {});
        tokio::pin!(run);
        loop {
            tokio::select! {
                finished = &mut run => break finished,
                bytes = &mut state, if said.is_none() => said = Some(bytes),
            }
        }
    };
    match finished {
        Ok(finished) => {
            let said = match said {
                Some(bytes) => bytes,
                None => tokio::time::timeout(STATE_WAIT, state).await.unwrap_or_default(),
            };
            (result(finished), shell_state(&said, sandbox.env()))
        }
        Err(error) => (broken(error.to_string()), None),
    }
}

/// The command as it was reviewed, after one line that makes the shell say at its end where it is
/// and what it exports. On the same line, so that the shell's own messages count lines rightly.
fn with_state(command: &str) -> String {
    format!(
        "trap '{{ printf \"%s\\0\" \"$PWD\"; /usr/bin/env -0; }} >&{STATE_FD} 2>/dev/null' EXIT; {command}"
    )
}

fn state_pipe() -> std::io::Result<(pipe::Receiver, OwnedFd)> {
    let (reader, writer) = std::io::pipe()?;
    Ok((pipe::Receiver::from_owned_fd(reader.into())?, writer.into()))
}

/// What the shell said; none when it ended without a word, as after `exec`.
fn shell_state(said: &[u8], base: &BTreeMap<String, String>) -> Option<ShellState> {
    // A last entry without its end was cut off.
    let whole = said.get(..said.iter().rposition(|byte| *byte == 0)?)?;
    let mut entries = whole.split(|byte| *byte == 0).map(|entry| std::str::from_utf8(entry).ok());
    let cwd = entries.next()??.to_owned();
    if !cwd.starts_with('/') {
        return None;
    }
    let env = entries
        .flatten()
        .filter_map(|entry| entry.split_once('='))
        // Functions travel as variables; they would change what reviewed words mean.
        .filter(|(name, _)| is_name(name) && !NOT_CARRIED.contains(name))
        .filter(|(name, value)| base.get(*name).is_none_or(|base| base != value))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Some(ShellState { cwd, env })
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

pub(crate) fn result(finished: Finished) -> ActionResult {
    let ending = match (finished.over, finished.exit) {
        (Some(over), _) => Ending::OverLimit { detail: over.to_string() },
        (None, _) if finished.timed_out => Ending::TimedOut,
        (None, ExitStatus::Code(code)) => Ending::Exited { code },
        (None, ExitStatus::Signal(signal)) => Ending::Killed { signal },
    };
    ActionResult {
        ending,
        duration_ms: milliseconds(finished.duration),
        head: String::from_utf8_lossy(&finished.output.head).into_owned(),
        tail: String::from_utf8_lossy(&finished.output.tail).into_owned(),
        dropped: finished.output.dropped,
    }
}

/// How an action ended that could not run.
pub(crate) fn broken(detail: String) -> ActionResult {
    ended(Ending::Broken { detail }, Duration::ZERO)
}

/// The end of an action that nobody tells more of, after so long.
pub(crate) fn ended(ending: Ending, after: Duration) -> ActionResult {
    let duration_ms = milliseconds(after);
    ActionResult { ending, duration_ms, head: String::new(), tail: String::new(), dropped: 0 }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_sandbox::Output;
    use gatepost_sandbox::Over;

    fn state(said: &str) -> Option<ShellState> {
        let base = BTreeMap::from([("HOME".to_owned(), "/home/task".to_owned())]);
        shell_state(said.as_bytes(), &base)
    }

    #[test]
    fn what_differs_is_carried_over_and_functions_are_not() {
        let said = "/srv/demo\0HOME=/home/task\0A=1=2\0_=/usr/bin/env\0BASH_FUNC_ls%%=() { rm; }\0";
        let env = BTreeMap::from([("A".to_owned(), "1=2".to_owned())]);
        assert_eq!(state(said), Some(ShellState { cwd: "/srv/demo".into(), env }));
        let moved = state("/srv\0HOME=/tmp\0B=cut").unwrap();
        assert_eq!(moved.env.len(), 1, "an entry that was cut off is left out: {moved:?}");
    }

    #[test]
    fn what_a_cap_ended_is_told_with_the_cap() {
        let finished = Finished {
            exit: ExitStatus::Signal(9),
            output: Output::default(),
            duration: Duration::ZERO,
            timed_out: false,
            over: Some(Over::Memory { cap: 3 << 29 }),
        };
        let words = result(finished).ending.words();
        assert_eq!(words, "killed: the memory of the task went over 1.5 GiB");
    }

    #[test]
    fn a_shell_that_said_nothing_changes_nothing() {
        for said in ["", "/srv/demo", "not absolute\0A=1\0"] {
            assert_eq!(state(said), None, "{said:?}");
        }
    }
}
