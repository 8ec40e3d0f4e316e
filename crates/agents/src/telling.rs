//! What every driver of a program hands on, in one order: reports, proposals and their ends.

use std::collections::VecDeque;

use gatepost_domain::Action;
use gatepost_domain::Outcome;
use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::AgentEvent;
use gatepost_domain::agent::Ending;
use gatepost_domain::agent::KEPT_OUTPUT;
use gatepost_domain::outcome::Reason;
use serde_json::Value;

use crate::agent::Executor;
use crate::agent::Next;
use crate::agent::ProposalId;
use crate::program::Program;
use crate::program::ProgramError;
use crate::program::shortened;

/// So many messages that are not known here are kept of one run, and none after that.
pub(crate) const MOST_UNKNOWN: u32 = 200;

/// The most of one message that is kept, in bytes.
pub(crate) const KEPT_TEXT: usize = 16 * 1024;

/// The most entries of a plan that are kept, and the most of each, in bytes.
const MOST_ENTRIES: usize = 100;
const KEPT_ENTRY: usize = 500;

/// How a cleared action ends whose question was over before our yes came.
pub(crate) const NOT_AWAITED: &str = "the agent no longer waited for the answer";

/// How one ends that should have run in another form than its program takes.
pub(crate) const NO_OTHER_FORM: &str = "it cannot run in another form; the agent was asked for it";

/// What a driver has to hand on.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    queue: VecDeque<Next>,
    proposals: u64,
    unknown: u32,
}

impl Telling {
    /// What comes next, if anything is to be told.
    pub(crate) fn next(&mut self) -> Option<Next> {
        self.queue.pop_front()
    }

    pub(crate) fn report(&mut self, event: AgentEvent) {
        self.queue.push_back(Next::Report { event });
    }

    /// Words for the person. What a program says in several pieces comes here in one, since a
    /// secret may lie across two of them.
    pub(crate) fn text(&mut self, program: &Program, text: &str) {
        let text = shortened(&program.scrub(text), KEPT_TEXT);
        self.report(AgentEvent::Text { text });
    }

    /// A message that is not known here.
    pub(crate) fn unknown(&mut self, program: &Program, raw: &str) {
        self.unknown = self.unknown.saturating_add(1);
        if self.unknown <= MOST_UNKNOWN {
            let raw = shortened(&program.scrub(raw), KEPT_TEXT);
            self.report(AgentEvent::Other { raw });
        }
    }

    /// Something that was done without asking.
    pub(crate) fn unasked(&mut self, program: &Program, what: &str) {
        let what = shortened(&program.quote(what), 1000);
        self.report(AgentEvent::Unasked { what });
    }

    pub(crate) fn plan<'a>(&mut self, program: &Program, entries: impl Iterator<Item = &'a str>) {
        let entries = entries.map(|entry| shortened(&program.scrub(entry), KEPT_ENTRY));
        let entries = entries.take(MOST_ENTRIES).collect();
        self.report(AgentEvent::Plan { entries });
    }

    /// Proposes what the program carries out by itself once it may.
    pub(crate) fn propose(&mut self, action: Action) -> ProposalId {
        let id = ProposalId(self.proposals);
        self.proposals += 1;
        self.queue.push_back(Next::Propose { id, action, by: Executor::Agent });
        id
    }

    pub(crate) fn finished(&mut self, id: ProposalId, result: ActionResult) {
        self.queue.push_back(Next::Finished { id, result });
    }

    /// The end of what was let run and did not.
    pub(crate) fn broken(&mut self, id: ProposalId, detail: &str) {
        self.finished(id, ended(Ending::Broken { detail: detail.to_owned() }, ""));
    }

    pub(crate) fn withdraw(&mut self, id: ProposalId) {
        self.queue.push_back(Next::Withdraw { id });
    }

    pub(crate) fn interrupted(&mut self) {
        self.queue.push_back(interrupted());
    }
}

/// How the run of an agent ends that was told to stop.
pub(crate) fn interrupted() -> Next {
    let detail = "it was interrupted".to_owned();
    Next::Done { outcome: Outcome::Cancelled, reason: Reason::AgentFailed { detail } }
}

/// One line of a program as the JSON object it must be; none for an empty one.
pub(crate) fn message(program: &Program, line: &str) -> Result<Option<Value>, ProgramError> {
    if line.trim().is_empty() {
        return Ok(None);
    }
    match serde_json::from_str::<Value>(line) {
        Ok(message @ Value::Object(_)) => Ok(Some(message)),
        Ok(_) | Err(_) => Err(garbage(program, line)),
    }
}

/// What a program printed and should not have.
pub(crate) fn garbage(program: &Program, line: &str) -> ProgramError {
    ProgramError::Garbage(format!("`{}`", shortened(&program.quote(line), 200)))
}

/// A field that is a string.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

/// A result with this output, kept within bounds.
pub(crate) fn ended(ending: Ending, text: &str) -> ActionResult {
    let (head, rest) = cut(text, KEPT_OUTPUT);
    let mut from = rest.len().saturating_sub(KEPT_OUTPUT);
    while !rest.is_char_boundary(from) {
        from += 1;
    }
    ActionResult {
        ending,
        duration_ms: 0,
        head: head.to_owned(),
        tail: rest.get(from..).unwrap_or_default().to_owned(),
        dropped: from as u64,
    }
}

fn cut(text: &str, most: usize) -> (&str, &str) {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.split_at(end)
}
