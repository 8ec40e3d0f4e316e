//! Each use of a tool, from its announcement to its end.

use gatepost_domain::agent::Gating;
use serde_json::Value;
use serde_json::json;

use crate::acp::Driver;
use crate::acp::Turn;
use crate::acp::actions;
use crate::acp::locks::Asks;
use crate::acp::locks::Refusal;
use crate::agent::Answer;
use crate::agent::ProposalId;
use crate::program::ProgramError;
use crate::program::shortened;
use crate::telling::NO_OTHER_FORM;
use crate::telling::NOT_AWAITED;
use crate::telling::text;
use crate::thread::Said;
use crate::thread::Speaker;

/// The most uses of tools that may be open at once. A model makes some tens of calls in a turn.
const MOST_CALLS: usize = 1000;

/// The protocol's code for a request that whoever made it has cancelled.
const CANCELLED: i32 = -32800;

/// One use of a tool.
pub(super) struct Call {
    /// The tool's name, as its first message has it.
    tool: String,
    pub(super) kind: String,
    pub(super) title: String,
    input: Option<Value>,
    /// Whether it was told to be under way.
    begun: bool,
    pub(super) stage: Stage,
}

/// Where a use of a tool stands.
pub(super) enum Stage {
    /// It is announced.
    Announced,
    /// It is asked about, and its input is not known yet.
    Early(Question),
    /// The gate has it.
    Asked(ProposalId, Question),
    /// It may run, and does.
    Cleared(ProposalId),
    /// It was refused.
    Refused,
}

/// A question of its own.
pub(super) struct Question {
    /// Its number as it came.
    id: Value,
    /// The ids of its options, where it has them.
    allow: Option<String>,
    reject: Option<String>,
}

impl Driver {
    /// Answers a question with one of its options, or, without one, as no longer wanted.
    fn choose(&mut self, id: &Value, option: Option<&str>) {
        let outcome = match option {
            Some(option) => json!({"outcome": "selected", "optionId": option}),
            None => json!({"outcome": "cancelled"}),
        };
        self.send(&json!({"jsonrpc": "2.0", "id": id, "result": {"outcome": outcome}}));
    }

    /// The name of the use of a tool that a message is about, which is known from then on.
    fn call(&mut self, update: &Value) -> Result<String, ProgramError> {
        let missing = || ProgramError::Garbage("a use of a tool without its name".into());
        let name = text(update, "toolCallId").ok_or_else(missing)?.to_owned();
        if !self.calls.contains_key(&name) && self.calls.len() >= MOST_CALLS {
            let what = "more open uses of tools than any model makes";
            return Err(ProgramError::Garbage(what.into()));
        }
        self.calls.entry(name.clone()).or_insert_with(|| Call::new(update)).tell(update);
        Ok(name)
    }

    /// A question of the program.
    pub(super) fn asked(&mut self, id: &Value, params: &Value) -> Result<(), ProgramError> {
        let missing = || ProgramError::Garbage("a question without its parts".into());
        let update = params.get("toolCall").ok_or_else(missing)?;
        let options = params.get("options").and_then(Value::as_array).ok_or_else(missing)?;
        let option = |kind: &str| {
            let of = options.iter().find(|option| text(option, "kind") == Some(kind))?;
            text(of, "optionId").map(str::to_owned)
        };
        let question =
            Question { id: id.clone(), allow: option("allow_once"), reject: option("reject_once") };
        let ours = self.thread.id().is_some() && text(params, "sessionId") == self.thread.id();
        let running = self.turn == Turn::Running;
        let name = self.call(update)?;
        let Some(call) = self.calls.get_mut(&name) else { return Ok(()) };
        let fits = running && matches!(call.stage, Stage::Announced);
        if !ours || !fits || question.allow.is_none() {
            // One question for one use: a second would borrow what the first was cleared for.
            let reject = question.reject.clone();
            self.choose(id, reject.as_deref());
            return Ok(());
        }
        let workspace = self.thread.workspace();
        let action = match self.lock.asks {
            Asks::Early => {
                call.stage = Stage::Early(question);
                self.propose(&name);
                return Ok(());
            }
            Asks::Whole => {
                let input = update.get("rawInput").filter(|input| input.is_object());
                actions::claude(&call.tool, input.ok_or_else(missing)?, workspace)
            }
            Asks::Shown => actions::gemini(update, workspace),
            Asks::AsItLikes => actions::any(update, call.input.as_ref(), workspace),
        };
        call.stage = Stage::Asked(self.telling.propose(action), question);
        Ok(())
    }

    /// Puts a question to the gate, once all of it is known.
    fn propose(&mut self, name: &str) {
        let Some(call) = self.calls.get_mut(name) else { return };
        let Some(input) = call.input.clone() else { return };
        match std::mem::replace(&mut call.stage, Stage::Announced) {
            Stage::Early(question) => {
                let action = actions::opencode(&call.tool, &input, self.thread.workspace());
                call.stage = Stage::Asked(self.telling.propose(action), question);
            }
            other => call.stage = other,
        }
    }

    /// It told how a use of a tool goes on.
    pub(super) fn called(&mut self, update: &Value, ours: bool) -> Result<(), ProgramError> {
        let name = self.call(update)?;
        let Some(call) = self.calls.get_mut(&name) else { return Ok(()) };
        let status = text(update, "status").unwrap_or_default();
        call.begun |= status == "in_progress";
        // Of an agent that asks early, only the beginning of the input may have come before.
        let whole = status == "in_progress" || self.lock.asks != Asks::Early;
        if let Some(input) = update.get("rawInput").filter(|input| whole && input.is_object()) {
            let known = call.input.replace(input.clone());
            let early = self.lock.asks == Asks::Early;
            let changed = early && known.is_some_and(|known| known != *input);
            if changed && !matches!(call.stage, Stage::Announced | Stage::Refused) {
                return Err(ProgramError::Garbage(format!(
                    "it changed a use of a tool that it had asked about (`{}`)",
                    shortened(&self.program.quote(&name), 100)
                )));
            }
            if self.lock.is_free(call)
                && let Some(todos) = input.get("todos").and_then(Value::as_array)
            {
                let entries = todos.iter().filter_map(|entry| text(entry, "content"));
                self.telling.plan(&self.program, entries);
            }
            self.propose(&name);
        }
        if status == "completed" || status == "failed" {
            self.ended(&name, update, status == "failed", ours)?;
        }
        Ok(())
    }

    /// A use of a tool is over.
    fn ended(
        &mut self,
        name: &str,
        update: &Value,
        failed: bool,
        ours: bool,
    ) -> Result<(), ProgramError> {
        let Some(call) = self.calls.remove(name) else { return Ok(()) };
        let update = self.program.scrub_json(update);
        let free = ours && self.lock.is_free(&call);
        match call.stage {
            Stage::Cleared(id) => {
                let result = actions::result(self.lock, &call.kind, &update, failed);
                self.telling.finished(id, result);
            }
            Stage::Asked(id, _) if failed => self.telling.withdraw(id),
            Stage::Early(_) | Stage::Refused if failed => {}
            Stage::Announced if free || (failed && self.lock.did_nothing(&call, &update)) => {}
            Stage::Announced | Stage::Early(_) | Stage::Asked(..) | Stage::Refused => {
                return self.unasked(&call);
            }
        }
        Ok(())
    }

    /// A tool was done that nobody had let run.
    fn unasked(&mut self, call: &Call) -> Result<(), ProgramError> {
        match self.lock.gating {
            Gating::SandboxOnly => {
                if let Stage::Asked(id, _) = call.stage {
                    self.telling.withdraw(id);
                }
                self.telling.unasked(&self.program, &call.title);
                Ok(())
            }
            Gating::EveryAction => Err(ProgramError::Garbage(format!(
                "it used a tool without having been told that it may (`{}`)",
                shortened(&self.program.quote(&call.title), 200)
            ))),
        }
    }

    /// The program no longer waits for the answer to a question of its own.
    pub(super) fn given_up(&mut self, request: &Value) {
        let gone = self.calls.values_mut().find(|call| match &call.stage {
            Stage::Early(question) | Stage::Asked(_, question) => question.id == *request,
            Stage::Announced | Stage::Cleared(_) | Stage::Refused => false,
        });
        let Some(call) = gone else { return };
        if let Stage::Asked(id, _) = std::mem::replace(&mut call.stage, Stage::Refused) {
            self.telling.withdraw(id);
        }
        self.fail(request, CANCELLED, "the question was given up");
    }

    /// Its turn is over, and with it whatever was open.
    pub(super) fn void(&mut self) {
        for (_, call) in std::mem::take(&mut self.calls) {
            match call.stage {
                Stage::Asked(id, question) => {
                    self.choose(&question.id, None);
                    self.telling.withdraw(id);
                }
                Stage::Early(question) => self.choose(&question.id, None),
                Stage::Cleared(id) => {
                    let detail = "the agent ended its turn and did not say how it went on";
                    self.telling.broken(id, detail);
                }
                Stage::Announced | Stage::Refused => {}
            }
        }
    }

    /// What became of a proposal.
    pub(super) fn settle(&mut self, proposal: ProposalId, answer: Answer) {
        let found = self.calls.iter().find_map(|(name, call)| match &call.stage {
            Stage::Asked(of, _) if *of == proposal => Some(name.clone()),
            _ => None,
        });
        let Some(name) = found else {
            if let Answer::Cleared { .. } = answer {
                // The answer crossed with the end of the question.
                self.telling.broken(proposal, NOT_AWAITED);
            }
            return;
        };
        match answer {
            Answer::Cleared { input: None } => {
                let Some(call) = self.calls.get_mut(&name) else { return };
                let stage = std::mem::replace(&mut call.stage, Stage::Cleared(proposal));
                if let Stage::Asked(_, question) = stage {
                    self.choose(&question.id, question.allow.as_deref());
                }
            }
            Answer::Cleared { input: Some(edited) } => {
                let words = format!(
                    "the person wants it in another form; make that call instead: {edited}"
                );
                self.telling.broken(proposal, NO_OTHER_FORM);
                self.decline(&name, &words);
            }
            Answer::Refused { words, .. } => self.decline(&name, &words),
            // Nothing here is proposed for the worker to run.
            Answer::Ran { .. } => self.decline(&name, "it is not yours to run"),
        }
    }

    /// Answers a question with no, and sees to it that its model hears the reason.
    fn decline(&mut self, name: &str, words: &str) {
        let Some(call) = self.calls.get_mut(name) else { return };
        let question = match std::mem::replace(&mut call.stage, Stage::Refused) {
            Stage::Asked(_, question) | Stage::Early(question) => question,
            other => {
                call.stage = other;
                return;
            }
        };
        let what = shortened(&call.title, 200);
        let mut text = format!("Gatepost did not let `{what}` run: {words}");
        match self.lock.refusal {
            Refusal::Told => {
                self.fail(&question.id, -32000, &text);
                return;
            }
            Refusal::GoesOn => {
                text.push_str(
                    "\nYou were refused it earlier without the reason. Go on with the task; make \
                     the call again only if it still makes sense.",
                );
            }
            Refusal::EndsTurn { .. } => {
                text.push_str(
                    "\nOther calls of the same turn may have been given up with it. Go on with \
                     the task; make a call again only if it still makes sense.",
                );
            }
        }
        self.unsaid.push_back(Said { text, by: Speaker::Gatepost });
        let reject = question.reject.clone();
        self.choose(&question.id, reject.as_deref());
        if let Refusal::EndsTurn { .. } = self.lock.refusal {
            self.close();
        }
    }

    /// It gives up what else it asked, and asks nothing more in this turn.
    fn close(&mut self) {
        self.turn = Turn::Closing;
        let mut gone = Vec::new();
        for call in self.calls.values_mut() {
            match std::mem::replace(&mut call.stage, Stage::Refused) {
                Stage::Asked(id, question) => {
                    self.telling.withdraw(id);
                    gone.push(question);
                }
                Stage::Early(question) => gone.push(question),
                other => call.stage = other,
            }
        }
        for question in gone {
            self.choose(&question.id, question.reject.as_deref());
        }
    }
}

impl Call {
    fn new(update: &Value) -> Self {
        let part = |name: &str| text(update, name).unwrap_or_default().to_owned();
        Self {
            // OpenCode has no name beside its first title.
            tool: text(update, "name").map_or_else(|| part("title"), str::to_owned),
            kind: part("kind"),
            title: part("title"),
            input: None,
            begun: false,
            stage: Stage::Announced,
        }
    }

    /// What a message says of it.
    fn tell(&mut self, update: &Value) {
        if let Some(kind) = text(update, "kind") {
            kind.clone_into(&mut self.kind);
        }
        let over = text(update, "status") == Some("completed");
        if let Some(title) = text(update, "title").filter(|_| !over) {
            title.clone_into(&mut self.title);
        }
    }

    /// Whether it was told to be under way.
    pub(super) fn begun(&self) -> bool {
        self.begun
    }
}
