//! What git says of the project itself, before and beside what a task does in its own view.

use super::git::{Git, is_git};
use std::path::Path;
use std::time::Duration;
use std::time::Instant;

/// How long git may take; in a project that is larger the answer is not worth waiting for.
const LONGEST: Duration = Duration::from_secs(10);

/// How often it is looked whether git is done.
const LOOK: Duration = Duration::from_millis(20);

/// The paths of the project that are not committed, with git's two letters before each: the files of
/// the person, which no task has written.
///
/// # Errors
/// One sentence: there is no repository, or git does not say.
pub fn status(project: &Path) -> Result<Vec<String>, String> {
    if !is_git(project) {
        return Err("the project is no git repository".to_owned());
    }
    let unsaid = || "git does not say".to_owned();
    let args = [
        "status",
        "--porcelain",
        "-z",
        "--untracked-files=all",
        "--no-renames",
        "--ignore-submodules=all",
    ];
    let git = Git::on(project).map_err(|_| unsaid())?;
    let mut child = git
        .command(&args)
        .stdin(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .map_err(|_| unsaid())?;
    let stdout = child.stdout.take().ok_or_else(unsaid)?;
    // Read beside the clock: a child that says nothing is ended when its time is over.
    let reader = std::thread::spawn(move || {
        use std::io::Read as _;
        let mut said = Vec::new();
        let read = stdout.take(1 << 20).read_to_end(&mut said);
        read.map(|_| said)
    });
    let begun = Instant::now();
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if begun.elapsed() < LONGEST => std::thread::sleep(LOOK),
            Ok(None) | Err(_) => {
                let _killed = child.kill();
                let _reaped = child.wait();
                break false;
            }
        }
    };
    let said = reader.join().ok().and_then(Result::ok).filter(|_| ended).ok_or_else(unsaid)?;
    let entries = said.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
    Ok(entries.map(|entry| String::from_utf8_lossy(entry).into_owned()).collect())
}
