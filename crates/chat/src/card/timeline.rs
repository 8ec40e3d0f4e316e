//! What happened in a task, from its records, one entry for each thing a person follows.

use std::collections::BTreeMap;

use gatepost_domain::Attachment;
use gatepost_domain::action::ActionDigest;
use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::AgentEvent;
use gatepost_domain::agent::Ending;
use gatepost_domain::event::Event;
use gatepost_domain::event::Record;
use gatepost_domain::id::ActionId;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::TaskId;
use gatepost_domain::injection::Injection;
use gatepost_domain::message::Quoted;
use gatepost_domain::verdict::Judgement;
use gatepost_domain::verdict::Verdict;
use jiff::Timestamp;
use serde::Serialize;

use super::ApprovalCard;
use super::Button;
use super::Fact;
use super::Press;
use super::Tone;
use super::approval::action_in_full;
use super::delivery_words;
use super::files;
use crate::time::span;
use crate::visible::Shown;
use crate::visible::one_line;
use crate::visible::output;
use crate::visible::prose;

/// One entry of a task's history. `key` stays the same while the entry changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Entry {
    /// Somebody said something, or something happened.
    Note {
        /// The entry's number.
        key: u64,
        /// When.
        at: Timestamp,
        /// Who.
        speaker: Speaker,
        /// How it feels.
        tone: Tone,
        /// The words.
        text: String,
    },
    /// An action, from review to end.
    Step {
        /// The entry's number.
        key: u64,
        /// When it was reviewed.
        at: Timestamp,
        /// The tool.
        tool: &'static str,
        /// The action, whole.
        action: Shown,
        /// What it acts on or in.
        facts: Vec<Fact>,
        /// What the gate said and by which rule.
        verdict: String,
        /// Where it is.
        words: String,
        /// How that feels.
        tone: Tone,
        /// What it printed; its middle may be left out, and says so.
        output: Option<String>,
        /// The button that lets what the gate refused run after all, once, and the id it answers to;
        /// none where nobody may.
        #[serde(skip_serializing_if = "Option::is_none")]
        denial: Option<Denial>,
    },
    /// A question to people.
    Approval {
        /// The entry's number.
        key: u64,
        /// When it was asked.
        at: Timestamp,
        /// The question.
        card: Box<ApprovalCard>,
    },
}

/// The way to let what the gate refused run after all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Denial {
    /// What it is answered under, as a question is.
    pub id: ApprovalId,
    /// The one answer that it takes.
    pub button: Button,
}

impl Denial {
    fn of(id: &ApprovalId) -> Self {
        let button = Button { press: Press::ApproveOnce, label: "Allow this one after all" };
        Self { id: id.clone(), button }
    }
}

/// Who an entry is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speaker {
    /// A person.
    Person,
    /// The agent; shown, never believed.
    Agent,
    /// Gatepost itself.
    Gatepost,
}

#[derive(Default)]
struct Timeline {
    entries: Vec<Entry>,
    steps: BTreeMap<ActionId, usize>,
    questions: BTreeMap<ApprovalId, usize>,
    /// What questions that are still open are about.
    open: BTreeMap<ApprovalId, ActionDigest>,
    /// Steps that people are asked about: the question shows the action, so the step follows only
    /// when it starts.
    asked: BTreeMap<ActionId, Entry>,
    /// Steps that started and have not ended.
    running: Vec<ActionId>,
}

/// What a person sent, each part for what it is.
fn said(text: &str, quoted: &[Quoted], attachments: &[Attachment]) -> String {
    let mut parts = Vec::new();
    if !text.trim().is_empty() {
        parts.push(prose(text));
    }
    for quoted in quoted {
        let text = prose(&quoted.text);
        let lines: Vec<_> = text.lines().map(|line| format!("> {line}")).collect();
        parts.push(lines.join("\n"));
    }
    if !attachments.is_empty() {
        parts.push(format!("with {}", files(attachments)));
    }
    parts.join("\n")
}

/// The entries of a task's records.
pub(super) fn entries(task: &TaskId, records: &[Record]) -> Vec<Entry> {
    let mut timeline = Timeline::default();
    for record in records {
        timeline.take(task, record);
    }
    timeline.name_twins();
    timeline.entries
}

impl Timeline {
    fn take(&mut self, task: &TaskId, record: &Record) {
        match &record.event {
            Event::TaskReceived { spec } => {
                let words = said(&spec.text, &spec.quoted, &spec.attachments);
                self.note(record, Speaker::Person, Tone::Quiet, words);
            }
            Event::MessageReceived { text, quoted, attachments, .. } => {
                let words = said(text, quoted, attachments);
                self.note(record, Speaker::Person, Tone::Quiet, words);
            }
            Event::BoundarySet { boundary } => {
                let words =
                    format!("holds until you lift it: “{}”", one_line(&boundary.words, 300));
                self.boundary(record, words);
            }
            Event::BoundaryLifted { boundary, .. } => {
                let words = format!("lifted: “{}”", one_line(&boundary.words, 300));
                self.boundary(record, words);
            }
            Event::TaskQueued {} => self.gatepost(record, Tone::Quiet, "queued".into()),
            Event::RunStarted { run } => {
                self.gatepost(record, Tone::Quiet, format!("run {run} begins"));
            }
            Event::RunReady { sandbox, .. } => {
                let mut text =
                    format!("sandbox ready: {}, workspace by {}", sandbox.tier, sandbox.workspace);
                for note in &sandbox.notes {
                    text.push('\n');
                    text.push_str(&prose(note));
                }
                self.gatepost(record, Tone::Quiet, text);
            }
            Event::AgentReported { event, .. } => self.agent(record, event),
            Event::Egress { event, .. } => {
                if let Some((text, tone)) = super::network::words(event) {
                    self.gatepost(record, tone, text);
                }
            }
            Event::Verdict { action_id, action, judgement, .. } => {
                let (action_text, facts) = action_in_full(action);
                let (words, tone) = reviewed(judgement);
                let step = Entry::Step {
                    key: record.seq,
                    at: record.at,
                    tool: action.tool(),
                    action: action_text,
                    facts,
                    verdict: verdict_words(judgement),
                    words: words.into(),
                    tone,
                    output: None,
                    denial: None,
                };
                self.steps.insert(*action_id, self.entries.len());
                self.entries.push(step);
            }
            Event::ApprovalRequested { approval, .. } => {
                self.put_off(approval.action_id);
                self.open.insert(approval.id.clone(), approval.digest.clone());
                self.questions.insert(approval.id.clone(), self.entries.len());
                let card = Box::new(ApprovalCard::open(task, approval));
                self.entries.push(Entry::Approval { key: record.seq, at: record.at, card });
            }
            Event::ApprovalDecided { approval, settlement, .. } => {
                self.open.remove(approval);
                let at = self.questions.get(approval).and_then(|at| self.entries.get_mut(*at));
                if let Some(Entry::Approval { card, .. }) = at {
                    card.settle(settlement, record.at);
                }
            }
            Event::BudgetRaised { raise, by } => {
                let words = format!("{by} let {} be {}", raise.of.words(), raise.to);
                self.gatepost(record, Tone::Good, words);
            }
            Event::ActionStarted { action_id, .. } => {
                self.running.push(*action_id);
                if let Some(step) = self.asked.remove(action_id) {
                    self.steps.insert(*action_id, self.entries.len());
                    self.entries.push(step);
                }
                self.step(*action_id, "running".into(), Tone::Busy, None);
            }
            Event::ActionFinished { action_id, result, .. } => {
                self.running.retain(|running| running != action_id);
                let tone = match &result.ending {
                    Ending::Untold => Tone::Quiet,
                    ending if ending.is_success() => Tone::Good,
                    _ => Tone::Bad,
                };
                let words =
                    format!("{} · {}", prose(&result.ending.words()), span(result.duration_ms));
                self.step(*action_id, words, tone, printed(result));
            }
            Event::ActionRefused { action_id, reason, denial, .. } => {
                let words = format!("refused: {}", prose(reason));
                self.step(*action_id, words, Tone::Bad, None);
                self.offer(*action_id, denial.as_ref().map(Denial::of));
            }
            Event::ResultFlagged { found, fenced, .. } => {
                let tone = if accuses(found) { Tone::Bad } else { Tone::Quiet };
                self.gatepost(record, tone, flagged(found, *fenced));
            }
            Event::DenialCleared { action_id, settlement, .. } => {
                let words = format!("refused; {} after all, once", prose(&settlement.words()));
                self.step(*action_id, words, Tone::Good, None);
                self.offer(*action_id, None);
            }
            Event::ResumeRequested { by } => {
                self.gatepost(record, Tone::Busy, format!("resumed by {by}"));
            }
            Event::CancelRequested { by } => {
                self.gatepost(record, Tone::Busy, format!("stopped by {by}"));
            }
            Event::WordsAwaited { question, .. } => {
                self.note(record, Speaker::Agent, Tone::Ask, format!("asks: {}", prose(question)));
            }
            Event::RunSuspended { run } => {
                self.lose_running();
                let text = format!(
                    "run {run} ended with gatepost; the task goes on from here once its question \
                     is answered"
                );
                self.gatepost(record, Tone::Ask, text);
            }
            Event::RunEnded { .. } => {
                self.lose_running();
                // Nobody is left who could do it.
                for entry in &mut self.entries {
                    if let Entry::Step { denial, .. } = entry {
                        *denial = None;
                    }
                }
            }
            // The result says these, with everything else that the task came to.
            Event::ChangesCollected { .. } | Event::TaskFinished { .. } => {}
            Event::DeliveryRequested { .. }
            | Event::HubStarted { .. }
            | Event::ModelUsed { .. }
            | Event::ChatNoted { .. } => {}
            Event::DeliveryFinished { result } => {
                let (text, tone) = delivery_words(result);
                self.gatepost(record, tone, text);
            }
        }
    }

    fn agent(&mut self, record: &Record, event: &AgentEvent) {
        let text = match event {
            AgentEvent::Text { text } => prose(text),
            AgentEvent::Plan { entries } => {
                let lines: Vec<_> =
                    entries.iter().map(|entry| format!("• {}", prose(entry))).collect();
                format!("plan\n{}", lines.join("\n"))
            }
            AgentEvent::Progress { done, total } => format!("step {done} of {total}"),
            AgentEvent::Usage { input_tokens, output_tokens } => {
                format!("{input_tokens} tokens read, {output_tokens} written")
            }
            AgentEvent::Unasked { what } => {
                let text =
                    format!("done without asking; the sandbox contained it: {}", prose(what));
                self.gatepost(record, Tone::Bad, text);
                return;
            }
            // Kept in the journal; there are no words for it here.
            AgentEvent::Other { .. } => return,
        };
        self.note(record, Speaker::Agent, Tone::Quiet, text);
    }

    /// Says of questions that look the same what an answer to one of them does.
    fn name_twins(&mut self) {
        for (id, digest) in &self.open {
            let count = self.open.values().filter(|other| *other == digest).count();
            let at = self.questions.get(id).and_then(|at| self.entries.get_mut(*at));
            if let Some(Entry::Approval { card, .. }) = at
                && count > 1
            {
                let text = format!(
                    "{count} times at once, word for word; {} lets one of them run, every other \
                     answer is for all",
                    Press::ApproveOnce.label()
                );
                card.facts.push(Fact::new("Asked", text));
            }
        }
    }

    fn gatepost(&mut self, record: &Record, tone: Tone, text: String) {
        self.note(record, Speaker::Gatepost, tone, text);
    }

    /// A sentence that forbids several things is shown once.
    fn boundary(&mut self, record: &Record, words: String) {
        let shown = matches!(self.entries.last(), Some(Entry::Note { text, .. }) if *text == words);
        if !shown {
            self.gatepost(record, Tone::Quiet, words);
        }
    }

    fn note(&mut self, record: &Record, speaker: Speaker, tone: Tone, text: String) {
        self.entries.push(Entry::Note { key: record.seq, at: record.at, speaker, tone, text });
    }

    /// Takes back the step that was just reviewed, because a question takes its place for now.
    fn put_off(&mut self, id: ActionId) {
        let last = self.entries.len().checked_sub(1);
        if last.is_some()
            && self.steps.get(&id).copied() == last
            && let Some(step) = self.entries.pop()
        {
            self.steps.remove(&id);
            self.asked.insert(id, step);
        }
    }

    fn step(&mut self, id: ActionId, now: String, feels: Tone, out: Option<String>) {
        let at = self.steps.get(&id).and_then(|at| self.entries.get_mut(*at));
        if let Some(Entry::Step { words, tone, output, .. }) = at {
            *words = now;
            *tone = feels;
            *output = out;
        }
    }

    fn offer(&mut self, id: ActionId, offered: Option<Denial>) {
        let at = self.steps.get(&id).and_then(|at| self.entries.get_mut(*at));
        if let Some(Entry::Step { denial, .. }) = at {
            *denial = offered;
        }
    }

    /// What ran when its run ended has no end of its own, and nobody may say it had.
    fn lose_running(&mut self) {
        for id in std::mem::take(&mut self.running) {
            self.step(id, "cut off; what it did is not known".into(), Tone::Bad, None);
        }
    }
}

/// What was found in a result, in words for people.
#[must_use]
pub fn flagged(found: &[Injection], fenced: bool) -> String {
    let words: Vec<String> = found.iter().map(|found| prose(&found.words())).collect();
    let words = words.join("; ");
    let read = if fenced { "reads it with a warning, in a fence" } else { "has read it" };
    if accuses(found) {
        format!(
            "a result may be there to steer the agent: {words}. The agent {read}; what it does from \
             now on is looked at more closely"
        )
    } else {
        format!("nobody vouches for a result: {words}. The agent {read}")
    }
}

fn accuses(found: &[Injection]) -> bool {
    found.iter().any(|found| found.trick.is_suspect())
}

fn reviewed(judgement: &Judgement) -> (&'static str, Tone) {
    match judgement.verdict {
        Verdict::Allow => ("cleared", Tone::Quiet),
        Verdict::Escalate | Verdict::NoVerdict => ("waits for an answer", Tone::Ask),
        Verdict::Deny => ("refused", Tone::Bad),
    }
}

fn verdict_words(judgement: &Judgement) -> String {
    let said = match judgement.verdict {
        Verdict::Allow => "allowed",
        Verdict::Escalate => "asked a person",
        Verdict::NoVerdict => "asked a person, for want of a verdict",
        Verdict::Deny => "refused",
    };
    let (rule, reason) = (prose(&judgement.rule), prose(&judgement.reason));
    format!("{said} by {rule} ({}): {reason}", judgement.stage)
}

fn printed(result: &ActionResult) -> Option<String> {
    let mut text = output(&result.head);
    if result.dropped > 0 {
        text.push_str(&format!("\n‹{} bytes left out›\n", result.dropped));
    }
    text.push_str(&output(&result.tail));
    let text = text.trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}
