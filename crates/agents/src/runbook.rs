//! The agent that needs no model: it runs the commands a message holds, one after another.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;

use gatepost_domain::Action;
use gatepost_domain::Outcome;
use gatepost_domain::action::Exec;
use gatepost_domain::agent::AgentEvent;
use gatepost_domain::dispatch::Left;
use gatepost_domain::outcome::Reason;
use serde::Deserialize;
use serde::Serialize;

use crate::agent::Agent;
use crate::agent::AgentError;
use crate::agent::Answer;
use crate::agent::Brief;
use crate::agent::Executor;
use crate::agent::Next;
use crate::agent::ProposalId;
use crate::agent::Resume;
use crate::agent::ShellState;
use crate::agent::Words;

mod steps;

pub use steps::SplitError;
pub use steps::Splitter;
pub use steps::Step;
pub use steps::StepsError;
pub use steps::steps_of;

/// The answer to a message that holds no command.
const FORM: &str = "there is no command in this message, and the runbook agent has no model to \
    understand plain words. Write each command on a line that starts with `$ `, such as\n\n    \
    $ ls -l\n\nor put a script into a code block:\n\n    ```\n    cd docs\n    -grep -rn TODO \
    .\n    ```\n\nA step that fails stops the run unless it starts with `-`. Agents that understand \
    plain words need a model; `gatepost agents` says what to set.";

/// The runbook: the steps of a task's messages, in order.
pub struct Runbook {
    splitter: Splitter,
    workspace: String,
    steps: Vec<Step>,
    /// The step that is proposed, or the next one.
    at: usize,
    /// How many further messages it was told.
    heard: usize,
    shell: ShellState,
    /// Whether step `at` is proposed and not yet answered.
    proposed: bool,
    /// What it has to say before it goes on.
    reports: VecDeque<AgentEvent>,
    /// How it ends, once it is known to.
    end: Option<(Outcome, Reason)>,
}

/// Where a runbook stands, as its resume key holds it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    step: usize,
    cwd: String,
    env: BTreeMap<String, String>,
    /// How many steps it knew of.
    #[serde(default)]
    steps: usize,
    /// How many further messages it had been told.
    #[serde(default)]
    heard: usize,
    /// Whether a step had ended it: what was to follow is over then.
    #[serde(default)]
    over: bool,
}

impl Runbook {
    /// The runbook of a brief. Every step is read before the first one is proposed, so that a
    /// message that breaks off in the middle runs nothing.
    ///
    /// # Errors
    /// [`AgentError::Resume`] when the resume key is none of this agent's.
    pub fn new(brief: Brief, splitter: Splitter) -> Result<Self, AgentError> {
        let mut runbook = Self {
            splitter,
            steps: Vec::new(),
            at: 0,
            heard: 0,
            shell: ShellState { cwd: brief.workspace.clone(), env: BTreeMap::new() },
            workspace: brief.workspace,
            proposed: false,
            reports: VecDeque::new(),
            end: None,
        };
        let left = brief.resume.as_ref().map(|resume| resume.left);
        match steps_of(&brief.asked.text, splitter) {
            Ok(steps) => runbook.steps.extend(steps),
            // Said when it came; what goes on is what people have said since.
            Err(_) if left == Some(Left::Ended) => {}
            Err(error) => runbook.end = Some(broken(&error)),
        }
        let mut heard = 0;
        if let Some(Resume { key, left }) = &brief.resume {
            let place: Place =
                serde_json::from_str(key).map_err(|error| AgentError::Resume(error.to_string()))?;
            heard = place.heard.min(brief.messages.len());
            runbook.at = match left {
                Left::Waiting | Left::Cut if !place.over => place.step,
                Left::Waiting | Left::Cut | Left::Ended => place.steps.max(place.step),
            };
            runbook.shell = ShellState { cwd: place.cwd, env: place.env };
        }
        let mut new = brief.messages;
        let old = new.drain(..heard).collect::<Vec<_>>();
        for words in old {
            runbook.message(words);
        }
        // What was not understood of those was said then.
        runbook.reports.clear();
        for words in new {
            runbook.message(words);
        }
        let nothing = runbook.steps.is_empty()
            || left == Some(Left::Ended) && runbook.at >= runbook.steps.len();
        if nothing && runbook.end.is_none() {
            runbook.end = Some((Outcome::Failed, Reason::NothingToDo { answer: FORM.into() }));
        }
        Ok(runbook)
    }

    fn advance(&mut self) -> Option<Next> {
        if let Some(event) = self.reports.pop_front() {
            return Some(Next::Report { event });
        }
        if let Some((outcome, reason)) = &self.end {
            return Some(Next::Done { outcome: *outcome, reason: reason.clone() });
        }
        if self.proposed {
            return None;
        }
        let Some(step) = self.steps.get(self.at) else {
            return Some(Next::Done { outcome: Outcome::Succeeded, reason: Reason::Completed });
        };
        self.proposed = true;
        let action = Action::Exec(Exec {
            command: step.command.clone(),
            cwd: self.shell.cwd.clone(),
            env: self.shell.env.clone(),
        });
        Some(Next::Propose { id: self.proposal(), action, by: Executor::Worker })
    }

    /// A step is proposed once in a run, so its number names the proposal.
    fn proposal(&self) -> ProposalId {
        ProposalId(u64::try_from(self.at).unwrap_or(u64::MAX))
    }

    fn go_on(&mut self) {
        self.at = self.at.saturating_add(1);
        self.proposed = false;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let (done, total) = (count(self.at), count(self.steps.len()));
        self.reports.push_back(AgentEvent::Progress { done, total });
    }
}

impl Agent for Runbook {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Next, AgentError>> + Send + '_>> {
        Box::pin(async move {
            match self.advance() {
                Some(next) => Ok(next),
                // Only an answer moves it on, and the caller asks again after that.
                None => std::future::pending().await,
            }
        })
    }

    fn answer(&mut self, proposal: ProposalId, answer: Answer) {
        if !self.proposed || proposal != self.proposal() {
            return;
        }
        let Some(step) = self.steps.get(self.at) else { return };
        let (fine, end) = match answer {
            Answer::Ran { result, shell } => {
                if let Some(shell) = shell {
                    self.shell = shell;
                }
                let failed = Reason::StepFailed {
                    command: step.command.clone(),
                    how: result.ending.words(),
                };
                (result.ending.is_success(), (Outcome::Failed, failed))
            }
            Answer::Refused { reason, .. } => (false, (Outcome::Denied, reason)),
            // Nothing here is proposed for the agent to carry out.
            Answer::Cleared { .. } => return,
        };
        if fine || step.may_fail {
            self.go_on();
        } else {
            self.end = Some(end);
        }
    }

    /// Only the person's own words are steps: whoever is quoted runs nothing here.
    fn note(&mut self, note: &str) {
        // Its steps are fixed, so there is nothing for it to do about it.
        self.reports.push_back(AgentEvent::Text { text: note.to_owned() });
    }

    fn message(&mut self, words: Words) {
        self.heard = self.heard.saturating_add(1);
        if words.text.trim().is_empty() && !words.files.is_empty() {
            // Files alone ask for nothing; they are there for the steps that follow.
            return;
        }
        match steps_of(&words.text, self.splitter) {
            Ok(steps) if steps.is_empty() => {
                self.reports.push_back(AgentEvent::Text { text: FORM.into() });
            }
            Ok(steps) => self.steps.extend(steps),
            // What was begun goes on; only this message is not understood.
            Err(error) => self.reports.push_back(AgentEvent::Text { text: error.to_string() }),
        }
    }

    fn reads(&self) -> bool {
        false
    }

    fn interrupt(&mut self) {
        self.proposed = false;
        self.end.get_or_insert((
            Outcome::Cancelled,
            Reason::AgentFailed { detail: "it was interrupted".into() },
        ));
    }

    fn resume_key(&self) -> String {
        let place = Place {
            step: self.at,
            cwd: self.shell.cwd.clone(),
            env: self.shell.env.clone(),
            steps: self.steps.len(),
            heard: self.heard,
            over: self.end.is_some(),
        };
        // Text, numbers and a map of texts always have a JSON form.
        serde_json::to_string(&place).unwrap_or_default()
    }
}

impl std::fmt::Debug for Runbook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runbook")
            .field("workspace", &self.workspace)
            .field("at", &self.at)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

fn broken(error: &StepsError) -> (Outcome, Reason) {
    (Outcome::Failed, Reason::NothingToDo { answer: format!("{error}; nothing was run") })
}

#[cfg(test)]
mod tests;
