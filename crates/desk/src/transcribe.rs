//! Voice notes to words: a program of the owner's listens, here on the host, and prints them.
//!
//! It gets the audio as a file whose path is its last argument. No shell reads its command line, it
//! sees nothing of Gatepost's environment but [`HANDED_ON`], and whatever it started ends with it.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Pid;
use rustix::process::Signal;
use rustix::process::kill_process_group;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// What the program may know of Gatepost's environment: where programs, their libraries and the
/// home are, and which language is spoken. Tokens and keys are in variables of other names.
const HANDED_ON: [&str; 8] =
    ["PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH"];

/// The program that turns voice notes into words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcriber {
    /// The program, by path or by name.
    pub program: PathBuf,
    /// What stands before the path of the audio.
    pub arguments: Vec<OsString>,
    /// How long it may take for one voice note.
    pub timeout: Duration,
}

/// Why there are no words.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TranscribeError {
    /// The audio could not be put where the program reads it.
    #[error("the audio could not be written down: {0}")]
    Audio(std::io::Error),
    /// The program could not be started.
    #[error("the transcriber cannot be started: {0}")]
    Start(std::io::Error),
    /// What it printed could not be read.
    #[error("the transcriber could not be read: {0}")]
    Read(std::io::Error),
    /// It took too long.
    #[error("the transcriber took longer than {} s and was ended", .0.as_secs())]
    TimedOut(Duration),
    /// It failed.
    #[error("the transcriber failed ({0})")]
    Failed(std::process::ExitStatus),
    /// It printed more than can be shown.
    #[error("its words are too many for one message")]
    TooLong,
    /// It printed nothing.
    #[error("the transcriber heard no words")]
    Nothing,
    /// It printed something that is no text.
    #[error("the transcriber printed something that is no text")]
    Garbage,
}

/// Ends a process group, unless that is over.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _it_is_gone = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Transcriber {
    /// The words of a voice note, which are at most `longest` UTF-16 units.
    pub(crate) async fn listen(
        &self,
        audio: &[u8],
        longest: usize,
    ) -> Result<String, TranscribeError> {
        // Readable by this user alone, and removed when this is left.
        let mut file = tempfile::Builder::new()
            .prefix("gatepost-voice-")
            .suffix(".ogg")
            .tempfile()
            .map_err(TranscribeError::Audio)?;
        file.write_all(audio).and_then(|()| file.flush()).map_err(TranscribeError::Audio)?;
        let known = HANDED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .arg(file.path())
            .env_clear()
            .envs(known)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(TranscribeError::Start)?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        // Dropped before the child, which is not waited for until then: its number is still its own.
        let mut group = Group(pid);
        let mut printed = Vec::new();
        // Four bytes for each unit, so that what is cut off is longer than is taken anyhow.
        let most = u64::try_from(longest).unwrap_or(u64::MAX).saturating_mul(4);
        let out = child.stdout.take();
        let heard = async {
            if let Some(out) = out {
                out.take(most.saturating_add(1)).read_to_end(&mut printed).await?;
            }
            Ok(printed.len() as u64 > most)
        };
        let end = tokio::time::Instant::now() + self.timeout;
        match tokio::time::timeout_at(end, heard).await {
            Err(_) => return Err(TranscribeError::TimedOut(self.timeout)),
            Ok(Err(error)) => return Err(TranscribeError::Read(error)),
            Ok(Ok(true)) => return Err(TranscribeError::TooLong),
            Ok(Ok(false)) => {}
        }
        let status = tokio::time::timeout_at(end, child.wait())
            .await
            .map_err(|_| TranscribeError::TimedOut(self.timeout))?
            .map_err(TranscribeError::Read)?;
        group.0 = None;
        if !status.success() {
            return Err(TranscribeError::Failed(status));
        }
        words(printed, longest)
    }
}

/// What was printed, as words that a person can read before they run.
fn words(printed: Vec<u8>, longest: usize) -> Result<String, TranscribeError> {
    let text = String::from_utf8(printed).map_err(|_| TranscribeError::Garbage)?;
    let text = text.replace("\r\n", "\n");
    let text = text.trim();
    if text.is_empty() {
        return Err(TranscribeError::Nothing);
    }
    let hidden = |c: char| gatepost_chat::visible::is_hidden(c) && c != '\u{a0}';
    let odd = |c: char| (c.is_control() && c != '\n' && c != '\t') || hidden(c);
    if text.chars().any(odd) || !text.chars().any(char::is_alphanumeric) {
        return Err(TranscribeError::Garbage);
    }
    if text.encode_utf16().count() > longest {
        return Err(TranscribeError::TooLong);
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A transcriber that is a line of shell; the audio's path is its `$1`.
    fn shell(line: &str, timeout: Duration) -> Transcriber {
        let arguments = ["-c", line, "sh"].map(OsString::from).to_vec();
        Transcriber { program: "sh".into(), arguments, timeout }
    }

    async fn heard(line: &str) -> String {
        match shell(line, Duration::from_secs(60)).listen(b"hello", 3000).await {
            Ok(words) => words,
            Err(error) => format!("! {error}"),
        }
    }

    #[tokio::test]
    async fn what_a_transcriber_prints_is_words_or_said_to_be_none() {
        assert_eq!(heard("cat \"$1\"; echo").await, "hello");
        assert_eq!(heard("true").await, "! the transcriber heard no words");
        assert!(heard("echo words; exit 3").await.contains("failed (exit status: 3)"));
        for garbage in ["printf '\\377\\376'", "printf 'a\\033[2Jb'", "echo '...'"] {
            assert!(heard(garbage).await.contains("is no text"), "{garbage}");
        }
        assert!(heard("yes").await.contains("too many"), "it is not read for ever");
        let missing = Transcriber {
            program: "/nowhere/to/be/found".into(),
            arguments: Vec::new(),
            timeout: Duration::from_secs(60),
        };
        let error = missing.listen(b"x", 3000).await.unwrap_err().to_string();
        assert!(error.starts_with("the transcriber cannot be started"), "{error}");
    }

    #[tokio::test]
    async fn a_transcriber_that_takes_too_long_ends_with_all_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid");
        let line = format!("sleep 600 & echo $! > '{}'; wait", path.display());
        let error = shell(&line, Duration::from_secs(3)).listen(b"x", 3000).await.unwrap_err();
        assert!(matches!(error, TranscribeError::TimedOut(_)), "{error}");
        let pid = std::fs::read_to_string(&path).unwrap();
        let stat = format!("/proc/{}/stat", pid.trim());
        // Nobody may be there to take its last word, so it may stay as a zombie.
        let gone = || std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        let begun = std::time::Instant::now();
        while !gone() {
            assert!(begun.elapsed() < Duration::from_secs(60), "its child lives on");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_transcriber_sees_nothing_of_the_environment_but_what_is_handed_on() {
        let names = heard("env | cut -d= -f1").await;
        let own = ["PWD", "OLDPWD", "SHLVL", "_"];
        for name in names.lines() {
            assert!(HANDED_ON.contains(&name) || own.contains(&name), "{name}");
        }
        // Cargo hands these to every test.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    }
}
