//! What a task does, as lines for the terminal, made from its records.

use std::collections::BTreeMap;

use gatepost_chat::time::span;
use gatepost_chat::visible::output;
use gatepost_chat::visible::prose;
use gatepost_chat::visible::shown;
use gatepost_domain::Action;
use gatepost_domain::ActionId;
use gatepost_domain::Record;
use gatepost_domain::Verdict;
use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::AgentEvent;
use gatepost_domain::approval::Settlement;
use gatepost_domain::event::Event;

/// Remembers what the lines of later records refer to.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    actions: BTreeMap<ActionId, String>,
}

impl Progress {
    /// The lines for a record; empty where there is nothing to say.
    pub(crate) fn lines(&mut self, record: &Record) -> String {
        match &record.event {
            Event::TaskReceived { spec } => {
                let task = record.task.as_ref().map(ToString::to_string).unwrap_or_default();
                let (project, path) = (prose(&spec.project), prose(&spec.project_path));
                let agent = prose(&spec.agent);
                format!("task {task} in {project} ({path}), by {agent}, mode {}\n", spec.mode)
            }
            Event::RunReady { sandbox, .. } => {
                let mut text = format!(
                    "sandbox ready: {}, workspace by {}\n",
                    sandbox.tier, sandbox.workspace
                );
                for note in &sandbox.notes {
                    text.push_str(&format!("  note: {}\n", prose(note)));
                }
                text
            }
            Event::AgentReported { event, .. } => said(event),
            Event::Egress { event, .. } => gatepost_chat::card::network_words(event)
                .map(|(text, _)| format!("  network: {text}\n"))
                .unwrap_or_default(),
            Event::Verdict { action_id, action, judgement, .. } => {
                self.actions.insert(*action_id, in_short(action));
                match judgement.verdict {
                    // The start or the question follows and says the action.
                    Verdict::Allow | Verdict::Escalate | Verdict::NoVerdict => String::new(),
                    Verdict::Deny => format!("{}\n", self.action(*action_id)),
                }
            }
            Event::ActionStarted { action_id, .. } => format!("{}\n", self.action(*action_id)),
            Event::ActionFinished { result, .. } => finished(result),
            Event::ActionRefused { reason, .. } => format!("  refused: {}\n", prose(reason)),
            Event::ApprovalDecided { action_id, settlement, .. } => match settlement {
                Settlement::Person { .. } | Settlement::Edited { .. } | Settlement::Expired => {
                    let words = prose(&settlement.words());
                    format!("{}\n  {words}\n", self.action(*action_id))
                }
                Settlement::Withdrawn => String::new(),
            },
            Event::BudgetRaised { raise, by } => {
                format!("{by} let {} be {}\n", raise.of.words(), raise.to)
            }
            Event::MessageReceived { text, by, .. } => format!("{by}: {}\n", prose(text)),
            Event::BoundarySet { boundary } => {
                format!("holds until you lift it: {}\n", prose(&boundary.words))
            }
            Event::BoundaryLifted { boundary, .. } => {
                format!("lifted: {}\n", prose(&boundary.words))
            }
            Event::ResultFlagged { found, fenced, .. } => {
                format!("  {}\n", gatepost_chat::card::flagged_words(found, *fenced))
            }
            Event::DenialCleared { action_id, settlement, .. } => {
                let words = prose(&settlement.words());
                format!("{}\n  {words} after all, once\n", self.action(*action_id))
            }
            Event::CancelRequested { by } => format!("stopped by {by}\n"),
            Event::ResumeRequested { by } => format!("resumed by {by}\n"),
            Event::WordsAwaited { question, .. } => {
                format!("asks: {}\n  answer with a message to the task\n", prose(question))
            }
            Event::RunSuspended { .. } => "the run was cut off; the task goes on later\n".into(),
            // The question itself is shown in full, and the summary says the rest.
            Event::HubStarted { .. }
            | Event::TaskQueued {}
            | Event::RunStarted { .. }
            | Event::ApprovalRequested { .. }
            | Event::RunEnded { .. }
            | Event::ChangesCollected { .. }
            | Event::TaskFinished { .. }
            | Event::DeliveryRequested { .. }
            | Event::DeliveryFinished { .. }
            | Event::ModelUsed { .. }
            | Event::ChatNoted { .. } => String::new(),
        }
    }

    fn action(&self, id: ActionId) -> &str {
        self.actions.get(&id).map_or("an action", String::as_str)
    }
}

fn in_short(action: &Action) -> String {
    let subject = shown(action.subject()).text;
    match action {
        Action::Exec(_) => {
            let mut lines = subject.lines();
            let first = format!("$ {}", lines.next().unwrap_or_default());
            lines.fold(first, |text, line| format!("{text}\n> {line}"))
        }
        Action::Read { .. }
        | Action::Write { .. }
        | Action::Edit { .. }
        | Action::Fetch { .. }
        | Action::Python { .. }
        | Action::Tool { .. }
        | Action::Raise(_) => format!("{} {subject}", action.tool()),
    }
}

fn finished(result: &ActionResult) -> String {
    let mut text = indented(&output(&result.head));
    if result.dropped > 0 {
        text.push_str(&format!("  ‹{} bytes left out›\n", result.dropped));
    }
    text.push_str(&indented(&output(&result.tail)));
    if !result.ending.is_success() {
        let words = prose(&result.ending.words());
        text.push_str(&format!("  {words} after {}\n", span(result.duration_ms)));
    }
    text
}

fn said(event: &AgentEvent) -> String {
    match event {
        AgentEvent::Text { text } => format!("agent: {}\n", prose(text)),
        AgentEvent::Plan { entries } => {
            entries.iter().map(|entry| format!("  plan: {}\n", prose(entry))).collect()
        }
        AgentEvent::Unasked { what } => {
            format!("done without asking; the sandbox contained it: {}\n", prose(what))
        }
        // The steps themselves are seen; counts of tokens are in the summary.
        AgentEvent::Progress { .. } | AgentEvent::Usage { .. } | AgentEvent::Other { .. } => {
            String::new()
        }
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
