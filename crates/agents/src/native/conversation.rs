//! What was said so far, kept in the form that every API takes: each call answered exactly once,
//! right after it was made, and short enough for the model.

use std::collections::BTreeMap;

use gatepost_domain::dispatch::Left;
use gatepost_models::Message;
use gatepost_models::Said;
use gatepost_models::ToolCall;
use gatepost_models::ToolResult;
use serde::Deserialize;
use serde::Serialize;

use crate::agent::AgentError;
use crate::agent::ShellState;
use crate::agent::Words;

/// What asks the model to sum up.
pub(super) const CONDENSE: &str = "The conversation becomes too long and is replaced by your \
    summary. Write down everything that is needed to go on: what the person wants and forbids, what \
    was done and found, which files matter and why, what was refused and for which reason, and what \
    is left to do. Call no tool.";

/// What asks it to go on after its longest answer.
pub(super) const GO_ON: &str = "Your answer was cut off at its greatest length. Go on.";

/// What stands in place of an old output.
const LEFT_OUT: &str = "[this output was left out to make room; run it again if it is needed]";

/// So many of the latest results stay whole as long as that is possible.
const KEPT_RESULTS: usize = 4;

/// How full the room may be before it is made larger, in percent: the count is an estimate.
const FULL: u64 = 75;

/// Bytes in a token, for the estimate. English has about four, code and other languages fewer.
const BYTES: u64 = 3;

/// A conversation with its place in the work; also the resume key, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Conversation {
    messages: Vec<Message>,
    /// Everything the person said, whole: it outlives every summary.
    person: Vec<String>,
    /// How many further messages of the person are in it.
    taken: usize,
    cwd: String,
    env: BTreeMap<String, String>,
    turns: u32,
    /// How often each action was refused since one ran, by digest.
    refusals: BTreeMap<String, usize>,
}

impl Conversation {
    pub(super) fn begin(asked: &Words, workspace: &str) -> Self {
        let text = asked.whole();
        Self {
            messages: vec![Message::Person { text: text.clone() }],
            person: vec![text],
            taken: 0,
            cwd: workspace.to_owned(),
            env: BTreeMap::new(),
            turns: 0,
            refusals: BTreeMap::new(),
        }
    }

    pub(super) fn from_key(key: &str) -> Result<Self, AgentError> {
        serde_json::from_str(key).map_err(|error| AgentError::Resume(error.to_string()))
    }

    /// Takes up what an earlier run left: what is open there is proposed again only if that run
    /// was waiting for people.
    pub(super) fn take_up(&mut self, left: Left) {
        let why = match left {
            Left::Waiting => return,
            Left::Ended => "not carried out: the run ended before",
            Left::Cut => {
                "Gatepost ended while this was proposed or at work. What it has done is not known: \
                 look before you do it again."
            }
        };
        while let Some(call) = self.open_call() {
            self.answer(&call.id, why.to_owned(), true);
        }
        // The limit of turns is one of a run.
        self.turns = 0;
        self.forget_refusals();
    }

    /// The whole conversation. It is no longer than the model's context, so a question of a task
    /// takes a few hundred thousand bytes of the journal at most.
    pub(super) fn to_key(&self) -> String {
        // Texts, numbers and maps of texts always have a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn messages(&self) -> &[Message] {
        &self.messages
    }

    pub(super) fn messages_mut(&mut self) -> &mut Vec<Message> {
        &mut self.messages
    }

    pub(super) fn messages_taken(&self) -> usize {
        self.taken
    }

    pub(super) fn turns(&self) -> u32 {
        self.turns
    }

    pub(super) fn shell(&self) -> ShellState {
        ShellState { cwd: self.cwd.clone(), env: self.env.clone() }
    }

    pub(super) fn set_shell(&mut self, shell: ShellState) {
        self.cwd = shell.cwd;
        self.env = shell.env;
    }

    pub(super) fn hear(&mut self, words: &Words) {
        let text = words.whole();
        self.taken += 1;
        self.person.push(text.clone());
        add_words(&mut self.messages, &text);
    }

    /// Takes a turn of the model.
    pub(super) fn said(&mut self, said: Vec<Said>) {
        self.turns += 1;
        if !said.is_empty() {
            self.messages.push(Message::Model { said });
        }
    }

    /// The first call that has no answer yet.
    pub(super) fn open_call(&self) -> Option<ToolCall> {
        let mut latest = self.messages.iter().rev();
        let (said, answered) = match latest.next()? {
            Message::Model { said } => (said, [].as_slice()),
            Message::Results { results } => match latest.next()? {
                Message::Model { said } => (said, results.as_slice()),
                Message::Person { .. } | Message::Results { .. } => return None,
            },
            Message::Person { .. } => return None,
        };
        let mut calls = said.iter().filter_map(|said| match said {
            Said::Call(call) => Some(call),
            Said::Text { .. } | Said::Sealed { .. } => None,
        });
        // Answers come in the order of the calls; by number, as a model may use a name twice.
        calls.nth(answered.len()).cloned()
    }

    /// Answers the open call.
    pub(super) fn answer(&mut self, id: &str, content: String, is_error: bool) {
        let result = ToolResult { id: id.to_owned(), content, is_error };
        match self.messages.last_mut() {
            Some(Message::Results { results }) => results.push(result),
            _ => self.messages.push(Message::Results { results: vec![result] }),
        }
    }

    /// Counts a refusal, and says how often the same was refused.
    pub(super) fn refused(&mut self, digest: &str) -> usize {
        let count = self.refusals.entry(digest.to_owned()).or_default();
        *count += 1;
        *count
    }

    pub(super) fn forget_refusals(&mut self) {
        self.refusals.clear();
    }

    /// Leaves old outputs out until it fits into so many tokens; false when that is not enough.
    pub(super) fn shorten(&mut self, room: u64) -> bool {
        let limit = room.saturating_mul(FULL) / 100;
        if self.tokens() <= limit {
            return true;
        }
        self.leave_out(KEPT_RESULTS);
        // What cannot be made shorter by a summary goes out as it is.
        self.tokens() <= limit || self.messages.len() <= 2
    }

    /// Leaves out every output, the latest too.
    pub(super) fn leave_out_results(&mut self) {
        self.leave_out(0);
    }

    fn leave_out(&mut self, kept: usize) {
        let results = self.messages.iter_mut().rev().filter_map(|message| match message {
            Message::Results { results } => Some(results),
            Message::Person { .. } | Message::Model { .. } => None,
        });
        for result in results.skip(kept).flatten() {
            if result.content.len() > LEFT_OUT.len() {
                LEFT_OUT.clone_into(&mut result.content);
            }
        }
    }

    /// Replaces everything by the person's own words and a summary.
    pub(super) fn condense(&mut self, summary: &str) {
        let mut text = self.person.join("\n\n");
        let summary = summary.trim();
        if summary.is_empty() {
            text.push_str("\n\nYou have worked on this already; look at what the workspace holds.");
        } else {
            text.push_str("\n\nYou have worked on this already. Your own summary of it:\n\n");
            text.push_str(summary);
        }
        self.messages = vec![Message::Person { text }];
    }

    /// About how many tokens it has.
    pub(super) fn tokens(&self) -> u64 {
        let bytes: usize = self
            .messages
            .iter()
            .map(|message| match message {
                Message::Person { text } => text.len(),
                Message::Results { results } => {
                    results.iter().map(|result| result.content.len() + 40).sum()
                }
                Message::Model { said } => said
                    .iter()
                    .map(|said| match said {
                        Said::Text { text } => text.len(),
                        Said::Call(call) => {
                            call.input.as_ref().map_or(0, |input| input.to_string().len()) + 60
                        }
                        Said::Sealed { item } => item.to_string().len(),
                    })
                    .sum(),
            })
            .sum();
        u64::try_from(bytes).unwrap_or(u64::MAX) / BYTES
    }
}

/// Adds words to the model; two messages of a person in a row are one.
pub(super) fn add_words(messages: &mut Vec<Message>, words: &str) {
    match messages.last_mut() {
        Some(Message::Person { text }) => {
            text.push_str("\n\n");
            text.push_str(words);
        }
        _ => messages.push(Message::Person { text: words.to_owned() }),
    }
}
