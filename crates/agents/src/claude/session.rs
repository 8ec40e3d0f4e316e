//! One conversation with Claude Code, over as many runs as it takes.

use std::path::Path;

use serde::Deserialize;
use serde::Serialize;
use sha2::Digest;
use sha2::Sha256;

use crate::agent::AgentError;
use crate::agent::Brief;
use crate::agent::Resume;
use crate::agent::Words;
use crate::thread::ANEW;

/// A session and how far it has come.
#[derive(Debug, Clone)]
pub struct Session {
    id: String,
    run: String,
    form: Form,
    workspace: String,
    first: Vec<String>,
    /// Messages of people that it has been told.
    heard: usize,
    /// Messages that were said in this run.
    said: u64,
    /// How many of the first of them are the task's own words or ours, and no further message.
    uncounted: u64,
}

/// Whether the program knows the session already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// It begins.
    New,
    /// It is taken up.
    Resumed,
    /// It should have been taken up and begins anew.
    Lost,
}

/// What a later run needs to take it up.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    session: String,
    heard: usize,
}

impl Session {
    /// The session of a run. `kept` is the task's home as seen from outside, where the program
    /// keeps its sessions.
    ///
    /// # Errors
    /// [`AgentError::Resume`] when the resume key is none of this agent's.
    pub fn of(brief: &Brief, kept: &Path) -> Result<Self, AgentError> {
        let mut session = Self {
            id: uuid(&brief.run),
            run: brief.run.clone(),
            form: Form::New,
            workspace: brief.workspace.clone(),
            first: Vec::new(),
            heard: 0,
            said: 0,
            uncounted: 0,
        };
        let mut lead = Some(brief.asked.whole());
        if let Some(Resume { key, left }) = &brief.resume {
            let key: Key =
                serde_json::from_str(key).map_err(|error| AgentError::Resume(error.to_string()))?;
            if is_kept(kept, &key.session) {
                session.id = key.session;
                session.form = Form::Resumed;
                session.heard = key.heard;
                lead = Resume::words(*left).map(str::to_owned);
            } else {
                session.form = Form::Lost;
            }
        }
        session.uncounted = u64::from(lead.is_some());
        session.first.extend(lead);
        session.first.extend(brief.messages.iter().skip(session.heard).map(Words::whole));
        session.heard = session.heard.min(brief.messages.len());
        Ok(session)
    }

    /// Its id, a UUID.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether it begins or is taken up.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// The directory it works in.
    #[must_use]
    pub fn workspace(&self) -> &str {
        &self.workspace
    }

    /// What people should know about how it begins.
    #[must_use]
    pub fn note(&self) -> Option<&'static str> {
        match self.form {
            Form::New | Form::Resumed => None,
            Form::Lost => Some(ANEW),
        }
    }

    /// What is said to it first, once.
    pub(crate) fn first_words(&mut self) -> Vec<String> {
        std::mem::take(&mut self.first)
    }

    /// The id for the next message to it.
    pub(crate) fn next_message(&mut self) -> String {
        self.said += 1;
        if self.said > self.uncounted {
            self.heard += 1;
        }
        // The program skips a message whose id it knows from an earlier run of the session.
        uuid(&format!("{}/message/{}", self.run, self.said))
    }

    /// What a later run needs to take it up.
    pub(crate) fn key(&self) -> String {
        let key = Key { session: self.id.clone(), heard: self.heard };
        // Text and a number always have a JSON form.
        serde_json::to_string(&key).unwrap_or_default()
    }
}

/// A UUID that belongs to a name; the same name has the same one. The form is that of version 8 in
/// RFC 9562, which leaves the bits to whoever makes it.
fn uuid(name: &str) -> String {
    let digest = Sha256::digest(format!("gatepost session {name}").as_bytes());
    let mut hex: Vec<char> = format!("{digest:x}").chars().take(32).collect();
    for (at, mark) in [(12, '8'), (16, '8')] {
        if let Some(digit) = hex.get_mut(at) {
            *digit = mark;
        }
    }
    let mut uuid = String::with_capacity(36);
    for (at, digit) in hex.into_iter().enumerate() {
        if [8, 12, 16, 20].contains(&at) {
            uuid.push('-');
        }
        uuid.push(digit);
    }
    uuid
}

/// Whether the program has a file of the session. Only names are looked at: what is in the home is
/// the program's, and is believed by nobody else.
fn is_kept(kept: &Path, session: &str) -> bool {
    let plain = session.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let projects = std::fs::read_dir(kept.join(super::start::CONFIG).join("projects"));
    plain
        && projects.into_iter().flatten().flatten().any(|project| {
            let file = project.path().join(format!("{session}.jsonl"));
            file.symlink_metadata().is_ok_and(|meta| meta.is_file() && meta.len() > 0)
        })
}
