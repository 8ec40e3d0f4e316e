//! A program that works as an agent: its lines in and out, and every way it can break off.
//!
//! It is as hostile as what it works on. What it prints is bounded by line, by run and by silence;
//! nothing of it is kept that was not asked for.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

/// The longest line that is taken. A picture that an agent reads travels in one line, at a third
/// more than its size; providers take pictures of at most 5 MiB.
pub const LONGEST_LINE: usize = 16 << 20;

/// The most a program may print in one run. A long session of a coding agent prints some tens of
/// megabytes.
pub const MOST_OUTPUT: u64 = 512 << 20;

/// How much of what it said of its errors is kept, from the end.
const KEPT_ERRORS: usize = 4 * 1024;

/// The most that waits to be written to it. It reads its input all the time, so a program that
/// lets this much lie is not the one it should be.
const MOST_WAITING: usize = 64 << 20;

/// How long its output is still read after its end, and its end waited for after its output's.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How a program agent is started in its sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The program, absolute, and its arguments.
    pub argv: Vec<OsString>,
    /// The directory it starts in.
    pub cwd: PathBuf,
    /// Its environment, on top of the sandbox's own.
    pub env: BTreeMap<String, String>,
}

/// The three pipes of a started program, and its end. Dropping it kills the program.
pub struct Pipes {
    /// What it reads.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// What it prints.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// What it says of its errors.
    pub stderr: Box<dyn AsyncRead + Send + Unpin>,
    /// How it ended, in words such as `exit 1`.
    pub ended: Pin<Box<dyn Future<Output = String> + Send>>,
}

/// What a program is held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// It may be silent for so long while nobody owes it an answer.
    pub silence: Duration,
    /// Words that are taken out of whatever is repeated of it.
    pub secrets: Vec<String>,
}

/// Whether silence counts against a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// It is to work or to say something.
    OnProgram,
    /// It waits for an answer of ours, which may take hours.
    OnUs,
}

/// What comes of a program next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A whole line, without its end.
    Line(String),
    /// It has ended, and every line of it was heard.
    Ended(Ended),
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// In words such as `exit 1`.
    pub how: String,
    /// The end of what it said of its errors, without secrets; empty when it said nothing.
    pub errors: String,
}

/// Why a program cannot be worked with any longer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// A line without an end.
    #[error("its program printed a line of more than {} MiB", LONGEST_LINE >> 20)]
    LongLine,
    /// Output without an end.
    #[error("its program printed more than {} MiB in one run", MOST_OUTPUT >> 20)]
    Flood,
    /// Bytes that are no text.
    #[error("its program printed what is not text")]
    NotText,
    /// A line that is not of its protocol.
    #[error("its program printed what it should not: {0}")]
    Garbage(String),
    /// It reads nothing.
    #[error("its program no longer reads what it is told")]
    Deaf,
    /// It says nothing.
    #[error(
        "its program said nothing for {} and was ended; `silence` in its configuration sets how \
         long it may",
        minutes(*.0)
    )]
    Hung(Duration),
    /// It ended before it was done.
    #[error("its program ended in the middle of its work ({0})")]
    Ended(Ended),
    /// It closed its output and went on.
    #[error("its program closed its output and did not end")]
    Mute,
    /// The pipe to it broke in some other way.
    #[error("the pipe to its program broke: {0}")]
    Pipe(String),
}

/// A running program, line by line.
pub struct Program {
    pipes: Pipes,
    bounds: Bounds,
    /// Lines on their way to it, and how much of the first is written.
    outgoing: VecDeque<Vec<u8>>,
    written: usize,
    waiting_bytes: usize,
    /// What came; the bytes before `taken` were given on as lines, and those from there to `seen`
    /// hold no line's end.
    incoming: Vec<u8>,
    taken: usize,
    seen: usize,
    total: u64,
    errors: VecDeque<u8>,
    stdout: Stream,
    stderr: Stream,
    /// How it ended, once it has.
    ended: Option<String>,
    /// Since when it has been silent, or closed, or ended.
    since: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Open,
    Closed,
}

/// What one wait brought.
enum Came {
    Wrote(std::io::Result<usize>),
    Read(std::io::Result<usize>),
    Complained(std::io::Result<usize>),
    Ended(String),
    TooLong,
}

impl Program {
    /// Takes hold of a program that was just started.
    #[must_use]
    pub fn new(pipes: Pipes, bounds: Bounds) -> Self {
        Self {
            pipes,
            bounds,
            outgoing: VecDeque::new(),
            written: 0,
            waiting_bytes: 0,
            incoming: Vec::new(),
            taken: 0,
            seen: 0,
            total: 0,
            errors: VecDeque::new(),
            stdout: Stream::Open,
            stderr: Stream::Open,
            ended: None,
            since: Instant::now(),
        }
    }

    /// Says a line to it, in the order of the calls; it is written by [`Program::next`].
    pub fn say(&mut self, line: &str) {
        let mut line = line.as_bytes().to_vec();
        line.push(b'\n');
        self.waiting_bytes = self.waiting_bytes.saturating_add(line.len());
        self.outgoing.push_back(line);
        // It is its turn now, however long it was silent before.
        self.since = Instant::now();
    }

    /// Its next line, or its end. Cancel-safe.
    ///
    /// # Errors
    /// When it can no longer be worked with. It should be dropped then.
    pub async fn next(&mut self, waiting: Waiting) -> Result<Heard, ProgramError> {
        loop {
            if let Some(line) = self.line()? {
                return Ok(Heard::Line(line));
            }
            if let Some(ended) = self.over()? {
                return Ok(Heard::Ended(ended));
            }
            self.step(waiting).await?;
        }
    }

    /// Text of it without the secrets it knows, and short enough to be repeated.
    #[must_use]
    pub fn quote(&self, text: &str) -> String {
        shortened(&self.scrub(text), KEPT_ERRORS)
    }

    /// Text of it without the secrets it knows.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.bounds.secrets.iter().filter(|secret| !secret.is_empty()) {
            text = text.replace(secret.as_str(), "[taken out]");
        }
        text
    }

    /// A message of it without the secrets it knows.
    #[must_use]
    pub fn scrub_json(&self, message: &Value) -> Value {
        match message {
            Value::String(text) => Value::String(self.scrub(text)),
            Value::Array(parts) => parts.iter().map(|part| self.scrub_json(part)).collect(),
            Value::Object(fields) => fields
                .iter()
                .map(|(name, field)| (self.scrub(name), self.scrub_json(field)))
                .collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) => message.clone(),
        }
    }

    fn line(&mut self) -> Result<Option<String>, ProgramError> {
        let fresh = self.incoming.get(self.seen..).unwrap_or_default();
        let Some(end) = fresh.iter().position(|byte| *byte == b'\n') else {
            // Once for all the lines of one read, so that many short ones are not moved each time.
            self.incoming.drain(..self.taken);
            self.taken = 0;
            self.seen = self.incoming.len();
            return if self.seen > LONGEST_LINE { Err(ProgramError::LongLine) } else { Ok(None) };
        };
        let end = self.seen + end;
        let line = self.incoming.get(self.taken..end).unwrap_or_default();
        if line.len() > LONGEST_LINE {
            return Err(ProgramError::LongLine);
        }
        let line = line.to_vec();
        self.taken = end + 1;
        self.seen = self.taken;
        String::from_utf8(line).map(Some).map_err(|_| ProgramError::NotText)
    }

    /// Its end, once all of it was heard.
    fn over(&self) -> Result<Option<Ended>, ProgramError> {
        let all = self.stdout == Stream::Closed && self.stderr == Stream::Closed;
        let late = self.since.elapsed() >= LAST_WORDS;
        match &self.ended {
            Some(how) if all || late => {
                let half = String::from_utf8_lossy(&self.incoming);
                let errors: Vec<u8> = self.errors.iter().copied().collect();
                let mut errors = self.quote(String::from_utf8_lossy(&errors).trim());
                if !half.trim().is_empty() {
                    errors.push_str("; its last line was cut off: ");
                    errors.push_str(&shortened(&self.quote(half.trim()), 200));
                }
                Ok(Some(Ended { how: how.clone(), errors }))
            }
            Some(_) => Ok(None),
            None if self.stdout == Stream::Closed && late => Err(ProgramError::Mute),
            None => Ok(None),
        }
    }

    async fn step(&mut self, waiting: Waiting) -> Result<(), ProgramError> {
        let mut printed = vec![0_u8; 64 * 1024];
        let mut complained = vec![0_u8; 4 * 1024];
        let closing = self.ended.is_some() || self.stdout == Stream::Closed;
        let patience = match waiting {
            _ if closing => Some(LAST_WORDS),
            Waiting::OnProgram => Some(self.bounds.silence),
            Waiting::OnUs => None,
        };
        let until = patience.and_then(|patience| self.since.checked_add(patience));
        let came = {
            let Pipes { stdin, stdout, stderr, ended } = &mut self.pipes;
            let next = self.outgoing.front().and_then(|line| line.get(self.written..));
            tokio::select! {
                wrote = stdin.write(next.unwrap_or_default()),
                    if next.is_some() && self.ended.is_none() => Came::Wrote(wrote),
                read = stdout.read(&mut printed), if self.stdout == Stream::Open => {
                    Came::Read(read)
                }
                read = stderr.read(&mut complained), if self.stderr == Stream::Open => {
                    Came::Complained(read)
                }
                how = ended, if self.ended.is_none() => Came::Ended(how),
                () = at(until) => Came::TooLong,
            }
        };
        let broke = |error: std::io::Error| ProgramError::Pipe(error.to_string());
        match came {
            Came::Wrote(Ok(bytes)) => self.wrote(bytes),
            // Its end says more than the pipe that broke with it.
            Came::Wrote(Err(_)) => self.outgoing.clear(),
            Came::Read(read) => match read.map_err(broke)? {
                0 => {
                    self.stdout = Stream::Closed;
                    self.since = Instant::now();
                }
                bytes => {
                    self.total = self.total.saturating_add(bytes as u64);
                    self.incoming.extend_from_slice(printed.get(..bytes).unwrap_or_default());
                    self.since = Instant::now();
                    if self.total > MOST_OUTPUT {
                        return Err(ProgramError::Flood);
                    }
                }
            },
            Came::Complained(read) => match read.map_err(broke)? {
                0 => self.stderr = Stream::Closed,
                bytes => {
                    self.errors.extend(complained.get(..bytes).unwrap_or_default());
                    let over = self.errors.len().saturating_sub(KEPT_ERRORS);
                    self.errors.drain(..over);
                }
            },
            Came::Ended(how) => {
                self.ended = Some(how);
                self.since = Instant::now();
            }
            // Its end and its output's are looked at by the caller.
            Came::TooLong if closing => {}
            Came::TooLong => return Err(ProgramError::Hung(self.bounds.silence)),
        }
        if self.waiting_bytes > MOST_WAITING { Err(ProgramError::Deaf) } else { Ok(()) }
    }

    fn wrote(&mut self, bytes: usize) {
        self.written = self.written.saturating_add(bytes);
        let whole = self.outgoing.front().is_none_or(|line| self.written >= line.len());
        if whole {
            let line = self.outgoing.pop_front().unwrap_or_default();
            self.waiting_bytes = self.waiting_bytes.saturating_sub(line.len());
            self.written = 0;
        }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl fmt::Debug for Pipes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipes").finish_non_exhaustive()
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.how)?;
        if self.errors.is_empty() { Ok(()) } else { write!(f, ": {}", self.errors) }
    }
}

async fn at(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

fn minutes(span: Duration) -> String {
    match span.as_secs() {
        seconds if seconds < 120 => format!("{seconds} seconds"),
        seconds => format!("{} minutes", seconds / 60),
    }
}

/// What people are told about a program of this version, where it was not tried; `name` is its own.
#[must_use]
pub fn untested(name: &str, version: &str, tested: &[&str]) -> Option<String> {
    (!tested.contains(&version)).then(|| {
        format!(
            "this is {name} {}, with which this Gatepost was not tested (it was with {}): it may ask \
             about less than it should, and then the sandbox alone holds it",
            shortened(version, 40),
            tested.join(", ")
        )
    })
}

/// The text's start, cut at a character, with a mark where something is missing.
#[must_use]
pub fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests;
