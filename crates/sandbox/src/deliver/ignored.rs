//! Which directories git ignores: what builds leave there is nobody's change.

use crate::deliver::git::{Git, is_git};
use crate::deliver::tree::Kind;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout};

/// A git that answers one question after the other.
#[derive(Debug)]
pub(super) struct Ignored {
    child: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
}

/// Fields of an answer: source, line, pattern, path.
const FIELDS: usize = 4;

impl Ignored {
    /// Starts it where the project is a repository and git is there; without it nothing is
    /// ignored, and everything is shown.
    pub(super) fn start(project: &Path) -> Option<Self> {
        if !is_git(project) {
            return None;
        }
        let git = Git::on(project).ok()?;
        let args = ["check-ignore", "-z", "--stdin", "--verbose", "--non-matching"];
        let mut command = git.command(&args);
        command.stderr(std::process::Stdio::null());
        let mut child = command.spawn().ok()?;
        let (ask, answer) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        Some(Self { child, ask, answer })
    }

    /// Whether git ignores `path` by the rules of the project as it stands, and tracks nothing
    /// in it. What git does not say is not ignored.
    pub(super) fn contains(&mut self, path: &Path, kind: Kind) -> bool {
        self.answer(path, kind).unwrap_or(false)
    }

    fn answer(&mut self, path: &Path, kind: Kind) -> Option<bool> {
        // A name that is not text could not be told from another; `./` keeps a leading `:` from
        // being a pattern of git's own, and the slash says that it is a directory.
        let slash = if kind == Kind::Directory { "/" } else { "" };
        let question = format!("./{}{slash}\0", path.to_str()?);
        self.ask.write_all(question.as_bytes()).ok()?;
        self.ask.flush().ok()?;
        let mut pattern = Vec::new();
        for field in 0..FIELDS {
            let mut text = Vec::new();
            self.answer.read_until(0, &mut text).ok()?;
            if text.pop() != Some(0) {
                return None;
            }
            if field == 2 {
                pattern = text;
            }
        }
        // The last rule that matches decides, and one with `!` takes the path back in.
        Some(!pattern.is_empty() && !pattern.starts_with(b"!"))
    }
}

impl Drop for Ignored {
    fn drop(&mut self) {
        // It would end by itself when its input does; this way nobody waits for it.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}
