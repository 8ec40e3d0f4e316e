//! The tools that are no commands: a file read, written or changed, an address fetched. They run in
//! the sandbox too, by its own helper or a fixed command, and see what a command would see.

use std::ffi::OsString;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::Ending;
use gatepost_domain::agent::KEPT_OUTPUT;
use gatepost_sandbox::Capture;
use gatepost_sandbox::Exec;
use gatepost_sandbox::Sandbox;
use gatepost_sandbox::SandboxError;
use gatepost_sandbox::Stdin;

use crate::exec;

/// The largest file that is read or changed.
const LARGEST: u64 = 8 << 20;

/// The longest that an address is waited for, and the most of it that is taken, in bytes.
const FETCH: Duration = Duration::from_secs(120);
const FETCHED: &str = "16777216";

/// A file's content.
pub(crate) async fn read(sandbox: &Sandbox, workspace: &str, path: &str) -> ActionResult {
    let begun = Instant::now();
    match content(sandbox, workspace, path).await {
        Ok(bytes) => told(begun, 0, &bytes),
        Err(why) => why.result(begun),
    }
}

/// Writes a whole file.
pub(crate) async fn write(
    sandbox: &Sandbox,
    workspace: &str,
    path: &str,
    content: &str,
) -> ActionResult {
    let begun = Instant::now();
    match sandbox.write_file(&at(workspace, path), content.as_bytes(), None).await {
        Ok(()) => told(begun, 0, b""),
        Err(error) => Failed::from(error).result(begun),
    }
}

/// Puts `new` in the place of `old`, which must be in the file exactly once.
pub(crate) async fn edit(
    sandbox: &Sandbox,
    workspace: &str,
    path: &str,
    old: &str,
    new: &str,
) -> ActionResult {
    let begun = Instant::now();
    let changed = match content(sandbox, workspace, path).await {
        Ok(bytes) => replaced(&bytes, old, new),
        Err(why) => return why.result(begun),
    };
    let done = match changed {
        Ok(text) => {
            let file = at(workspace, path);
            sandbox.write_file(&file, text.as_bytes(), None).await.map_err(Failed::from)
        }
        Err(why) => Err(Failed::Plainly(why)),
    };
    match done {
        Ok(()) => told(begun, 0, b""),
        Err(why) => why.result(begun),
    }
}

/// Fetches an address as a command would: over the sandbox's own way out, or not at all.
pub(crate) async fn fetch(sandbox: &Sandbox, workspace: &str, url: &str) -> ActionResult {
    let argv = [
        "curl",
        "--silent",
        "--show-error",
        "--fail-with-body",
        "--location",
        "--max-redirs",
        "5",
        "--proto",
        "=http,https",
        "--proto-redir",
        "=http,https",
        "--globoff",
        "--max-filesize",
        FETCHED,
        "--",
        url,
    ];
    let run = Exec {
        argv: argv.into_iter().map(OsString::from).collect(),
        cwd: workspace.into(),
        env: Vec::new(),
        stdin: Stdin::Null,
        fds: Vec::new(),
    };
    let capture = Capture { max_bytes: 2 * KEPT_OUTPUT, wall: Some(FETCH) };
    match sandbox.run(run, capture, |_| {}).await {
        Ok(finished) => advised(exec::result(finished)),
        Err(error) => exec::broken(error.to_string()),
    }
}

/// What an agent is told where the way out of the sandbox is closed. A plain request brings the
/// proxy's own words along; a tunnel that was refused and a missing network do not.
fn advised(mut result: ActionResult) -> ActionResult {
    let said = [result.head.as_str(), result.tail.as_str()].concat();
    let closed = match result.ending {
        // curl's "failure in receiving", which a refused tunnel is.
        Ending::Exited { code: 56 } if said.contains("CONNECT") && said.contains("403") => {
            "This host is not open to the task."
        }
        // curl's "could not resolve host": with a proxy it resolves none.
        Ending::Exited { code: 6 } => "No host of that name is open to the task.",
        _ => return result,
    };
    let advice = format!(
        "\nGatepost: {closed} Other tools reach it no better. If it is needed, ask the person to add \
         it to `allow` in the `[egress]` section of the configuration.\n"
    );
    if said.len() + advice.len() <= KEPT_OUTPUT {
        result.head = said + &advice;
        result.tail.clear();
    }
    result
}

/// Why a file was not read or written.
enum Failed {
    /// As a program would say it.
    Plainly(String),
    /// The sandbox broke.
    Sandbox(String),
}

impl From<SandboxError> for Failed {
    fn from(error: SandboxError) -> Self {
        match error {
            SandboxError::File { .. } => Self::Plainly(error.to_string()),
            other => Self::Sandbox(other.to_string()),
        }
    }
}

impl Failed {
    fn result(self, begun: Instant) -> ActionResult {
        match self {
            Self::Plainly(why) => told(begun, 1, why.as_bytes()),
            Self::Sandbox(detail) => exec::broken(detail),
        }
    }
}

async fn content(sandbox: &Sandbox, workspace: &str, path: &str) -> Result<Vec<u8>, Failed> {
    Ok(sandbox.read_file(&at(workspace, path), LARGEST).await?)
}

/// A relative path is joined, an absolute one stays as it is.
fn at(workspace: &str, path: &str) -> PathBuf {
    Path::new(workspace).join(path)
}

fn replaced(bytes: &[u8], old: &str, new: &str) -> Result<String, String> {
    let text =
        std::str::from_utf8(bytes).map_err(|_| "the file is no text, nothing was changed")?;
    match text.matches(old).count() {
        1 => Ok(text.replacen(old, new, 1)),
        0 => Err("the piece is not in the file, nothing was changed; read the file again".into()),
        count => Err(format!(
            "the piece is in the file {count} times, nothing was changed; give more of what is \
             around it"
        )),
    }
}

/// An end with this exit status and output, of which the middle is dropped where it is long.
fn told(begun: Instant, code: i32, output: &[u8]) -> ActionResult {
    let (head, rest) = output.split_at(output.len().min(KEPT_OUTPUT));
    let (dropped, tail) = rest.split_at(rest.len().saturating_sub(KEPT_OUTPUT));
    ActionResult {
        ending: Ending::Exited { code },
        duration_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        head: String::from_utf8_lossy(head).into_owned(),
        tail: String::from_utf8_lossy(tail).into_owned(),
        dropped: u64::try_from(dropped.len()).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_that_is_not_there_exactly_once_changes_nothing() {
        assert_eq!(replaced(b"one two", "two", "2").as_deref(), Ok("one 2"));
        assert!(replaced(b"one two", "three", "3").unwrap_err().contains("not in the file"));
        assert!(replaced(b"a a", "a", "b").unwrap_err().contains("2 times"));
        assert!(replaced(b"\xff\xfe", "a", "b").unwrap_err().contains("no text"));
    }

    #[test]
    fn a_closed_way_out_comes_with_what_to_ask_for() {
        let after = |code, said: &[u8]| advised(told(Instant::now(), code, said)).head;
        let tunnel = after(56, b"curl: (56) CONNECT tunnel failed, response 403\n");
        assert!(tunnel.starts_with("curl: (56)") && tunnel.contains("ask the person"), "{tunnel}");
        let nowhere = after(6, b"curl: (6) Could not resolve host: x.example\n");
        assert!(nowhere.contains("`[egress]`"), "{nowhere}");
        for (code, said) in [(0, "CONNECT 403"), (56, "reset by peer"), (22, "CONNECT 403")] {
            assert_eq!(after(code, said.as_bytes()), said);
        }
    }

    #[test]
    fn long_output_loses_its_middle_and_says_so() {
        let long = [vec![b'a'; KEPT_OUTPUT], vec![b'-'; 10], vec![b'z'; KEPT_OUTPUT]].concat();
        let result = told(Instant::now(), 0, &long);
        assert_eq!(
            (result.dropped, result.head.len(), result.tail.len()),
            (10, KEPT_OUTPUT, KEPT_OUTPUT)
        );
        assert!(result.head.ends_with('a') && result.tail.starts_with('z'));
        let short = told(Instant::now(), 1, b"no");
        assert_eq!((short.head.as_str(), short.tail.as_str(), short.dropped), ("no", "", 0));
    }
}
