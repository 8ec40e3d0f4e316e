//! Agents that speak the Agent Client Protocol (version 1), driven over its lines of JSON-RPC.
//!
//! The protocol carries questions (`session/request_permission`); which tools are asked about is
//! each agent's own choice. So only agents with a [`Lock`] are driven: settings under which that
//! agent asks before every tool, tried with the real program. A question is put to the gate once
//! the whole input of its tool is known, and is answered with `allow_once` or `reject_once`, found
//! by their kind; an option that lasts is never chosen. The answer has no room for a reason, so a
//! denial's reason is what the agent is told next. Neither files nor terminals of ours are offered
//! to it: what it does, it does inside the sandbox.
//!
//! The messages are read as JSON and not through the protocol's own crate: its types pass over what
//! they cannot read, where a gate must stop, and they make `serde_json` keep the order of fields in
//! the whole program, on which digests rest.
//!
//! INVARIANT (asked first): a tool that was done without having been cleared ends the run.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;

use gatepost_domain::Outcome;
use gatepost_domain::agent::AgentEvent;
use gatepost_domain::agent::Ending;
use gatepost_domain::outcome::Reason;
use serde_json::Value;
use serde_json::json;

use crate::agent::Agent;
use crate::agent::AgentError;
use crate::agent::Answer;
use crate::agent::Executor;
use crate::agent::Next;
use crate::agent::ProposalId;
use crate::agent::Words;
use crate::claude::actions::ended as result_of;
use crate::codex::Thread;
use crate::program::Heard;
use crate::program::Program;
use crate::program::ProgramError;
use crate::program::Waiting;
use crate::program::shortened;

mod actions;
mod locks;
mod start;

pub use locks::Lock;
pub use locks::OPENCODE;
pub use start::Acp;
pub use start::Settings;

/// The version of the protocol that is spoken.
const PROTOCOL: u64 = 1;

/// So many messages that are not known here are kept of one run, and none after that.
const MOST_UNKNOWN: u32 = 200;

/// The most of one message that is kept, in bytes.
const KEPT_TEXT: usize = 16 * 1024;

/// The most uses of tools that may be open at once. A model makes some tens of calls in a turn.
const MOST_CALLS: usize = 1000;

/// Updates of a session that tell nothing a person needs.
const QUIET: [&str; 7] = [
    "agent_thought_chunk",
    "available_commands_update",
    "config_option_update",
    "current_mode_update",
    "session_info_update",
    "usage_update",
    "user_message_chunk",
];

/// An agent at work.
pub struct Driver {
    program: Program,
    lock: &'static Lock,
    /// The conversation and how far it has come.
    thread: Thread,
    /// Requests of ours that are not answered, by their number.
    sent: BTreeMap<u64, Sent>,
    next_request: u64,
    next_proposal: u64,
    /// Every use of a tool that is not over, by its id.
    calls: BTreeMap<String, Call>,
    /// What comes next, in order.
    queue: VecDeque<Next>,
    /// What it is told in its next turn.
    unsaid: VecDeque<Said>,
    /// What it has said and may go on saying.
    saying: String,
    turn: Turn,
    /// What it has used in all its turns.
    used: (u64, u64),
    unknown: u32,
}

/// A request of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sent {
    Initialize,
    New,
    TakeUp,
    Prompt,
}

/// Something that is said to it.
struct Said {
    text: String,
    by: Speaker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Person,
    Gatepost,
}

/// One use of a tool.
struct Call {
    /// The tool's name, as its first message has it.
    tool: String,
    kind: String,
    title: String,
    input: Option<Value>,
    stage: Stage,
}

/// Where a use of a tool stands.
enum Stage {
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
struct Question {
    /// Its number as it came.
    id: Value,
    /// The ids of its options, where it has them.
    allow: Option<String>,
    reject: Option<String>,
}

/// Where its turn stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Turn {
    /// There is no conversation yet.
    Before,
    Running,
    /// Something was refused, and so it ends by itself.
    Closing,
    Over(Outcome, Reason),
}

impl Driver {
    /// Speaks to a program that was just started.
    pub(crate) fn new(program: Program, lock: &'static Lock, thread: Thread) -> Self {
        let mut driver = Self {
            program,
            lock,
            thread,
            sent: BTreeMap::new(),
            next_request: 0,
            next_proposal: 0,
            calls: BTreeMap::new(),
            queue: VecDeque::new(),
            unsaid: VecDeque::new(),
            saying: String::new(),
            turn: Turn::Before,
            used: (0, 0),
            unknown: 0,
        };
        let params = json!({
            "protocolVersion": PROTOCOL,
            "clientCapabilities": {
                "fs": {"readTextFile": false, "writeTextFile": false},
                "terminal": false,
            },
            "clientInfo": {"name": "gatepost", "version": env!("CARGO_PKG_VERSION")},
        });
        driver.request("initialize", &params, Sent::Initialize);
        driver
    }

    fn send(&mut self, message: &Value) {
        self.program.say(&message.to_string());
    }

    fn request(&mut self, method: &str, params: &Value, sent: Sent) {
        let id = self.next_request;
        self.next_request += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        self.sent.insert(id, sent);
    }

    /// Answers a question with one of its options, or, without one, as no longer wanted.
    fn choose(&mut self, id: &Value, option: Option<&str>) {
        let outcome = match option {
            Some(option) => json!({"outcome": "selected", "optionId": option}),
            None => json!({"outcome": "cancelled"}),
        };
        self.send(&json!({"jsonrpc": "2.0", "id": id, "result": {"outcome": outcome}}));
    }

    fn report(&mut self, event: AgentEvent) {
        self.queue.push_back(Next::Report { event });
    }

    fn tell(&mut self, text: &str) {
        let text = shortened(&self.program.scrub(text), KEPT_TEXT);
        self.report(AgentEvent::Text { text });
    }

    fn unknown(&mut self, message: &Value) {
        self.unknown = self.unknown.saturating_add(1);
        if self.unknown <= MOST_UNKNOWN {
            let raw = shortened(&self.program.scrub(&message.to_string()), KEPT_TEXT);
            self.report(AgentEvent::Other { raw });
        }
    }

    /// What it said so far is whole.
    fn said(&mut self) {
        let text = std::mem::take(&mut self.saying);
        if !text.trim().is_empty() {
            self.tell(&text);
        }
    }

    /// Begins a turn with what waits for one.
    fn begin_turn(&mut self) {
        let ready = matches!(self.turn, Turn::Over(..));
        let Some(session) = self.thread.id().filter(|_| ready && !self.unsaid.is_empty()) else {
            return;
        };
        let parts: Vec<_> =
            self.unsaid.iter().map(|said| json!({"type": "text", "text": said.text})).collect();
        let params = json!({"sessionId": session, "prompt": parts});
        for said in std::mem::take(&mut self.unsaid) {
            match said.by {
                Speaker::Person => self.thread.told(),
                Speaker::Gatepost => {}
            }
        }
        self.turn = Turn::Running;
        self.request("session/prompt", &params, Sent::Prompt);
    }

    /// Takes one line of it.
    fn take(&mut self, line: &str) -> Result<(), ProgramError> {
        if line.trim().is_empty() {
            return Ok(());
        }
        let garbage = |program: &Program| {
            ProgramError::Garbage(format!("`{}`", shortened(&program.quote(line), 200)))
        };
        let message = match serde_json::from_str::<Value>(line) {
            Ok(message @ Value::Object(_)) => message,
            Ok(_) | Err(_) => return Err(garbage(&self.program)),
        };
        let params = message.get("params").unwrap_or(&Value::Null);
        match (text(&message, "method"), message.get("id")) {
            (Some("session/request_permission"), Some(id)) => self.asked(id, params),
            (Some(method), Some(id)) => {
                let error = json!({"code": -32601, "message": "Gatepost offers no such thing"});
                self.send(&json!({"jsonrpc": "2.0", "id": id, "error": error}));
                if !self.lock.tries.contains(&method) {
                    self.unknown(&message);
                }
                Ok(())
            }
            (Some("session/update"), None) => self.updated(params, &message),
            (Some(_), None) => {
                self.unknown(&message);
                Ok(())
            }
            (None, Some(id)) => self.answered(id.as_u64(), &message),
            (None, None) => Err(garbage(&self.program)),
        }
    }

    /// An answer to a request of ours.
    fn answered(&mut self, id: Option<u64>, message: &Value) -> Result<(), ProgramError> {
        let Some(sent) = id.and_then(|id| self.sent.remove(&id)) else { return Ok(()) };
        let result = message.get("result").unwrap_or(&Value::Null);
        let error = message.get("error").filter(|error| !error.is_null());
        let why = error.map(|error| {
            let said = text(error, "message").unwrap_or("no reason given");
            let details = error.pointer("/data/details").or(error.pointer("/data/message"));
            let said = details
                .and_then(Value::as_str)
                .map_or_else(|| said.to_owned(), |details| format!("{said}: {details}"));
            shortened(&self.program.quote(&said), 500)
        });
        let refused =
            |what: &str, why: &str| Err(ProgramError::Garbage(format!("it did not {what}: {why}")));
        match (sent, why) {
            (Sent::Initialize, Some(why)) => return refused("begin", &why),
            (Sent::New, Some(why)) => return refused("begin a conversation", &why),
            (Sent::Initialize, None) => self.greeted(result)?,
            (Sent::TakeUp, Some(_)) => self.lost(),
            (Sent::New, None) => {
                let Some(id) = text(result, "sessionId").map(str::to_owned) else {
                    return Err(ProgramError::Garbage("a conversation without a name".into()));
                };
                self.opened(&id);
            }
            (Sent::TakeUp, None) => {
                let id = self.thread.resumes().unwrap_or_default().to_owned();
                self.opened(&id);
            }
            (Sent::Prompt, Some(detail)) => {
                self.turned(Outcome::Failed, Reason::AgentFailed { detail });
            }
            (Sent::Prompt, None) => self.stopped(result),
        }
        Ok(())
    }

    /// It told who it is: the program that its settings are for, or it does not run.
    fn greeted(&mut self, result: &Value) -> Result<(), ProgramError> {
        let wrong = |what: String| Err(ProgramError::Garbage(what));
        match result.get("protocolVersion").and_then(Value::as_u64) {
            Some(PROTOCOL) => {}
            other => return wrong(format!("it speaks version {other:?} of the protocol, not 1")),
        }
        match result.pointer("/agentInfo/name").and_then(Value::as_str) {
            Some(name) if name == self.lock.says_it_is => {}
            other => {
                let other = self.program.quote(other.unwrap_or("nobody"));
                return wrong(format!("it says that it is `{other}`"));
            }
        }
        let offers = |pointer: &str| {
            result
                .pointer(pointer)
                .is_some_and(|offer| !offer.is_null() && offer.as_bool() != Some(false))
        };
        // What it tells of an earlier run is passed over. The newer `session/resume` would spare
        // that, but loading is what every version of the protocol knows, and what was tried.
        let how = offers("/agentCapabilities/loadSession").then_some("session/load");
        match (self.thread.resumes().map(str::to_owned), how) {
            (Some(id), Some(method)) => {
                let cwd = self.thread.workspace();
                let params = json!({"sessionId": id, "cwd": cwd, "mcpServers": []});
                self.request(method, &params, Sent::TakeUp);
            }
            (Some(_), None) => self.lost(),
            (None, _) => self.begin(),
        }
        Ok(())
    }

    fn begin(&mut self) {
        let params = json!({"cwd": self.thread.workspace(), "mcpServers": []});
        self.request("session/new", &params, Sent::New);
    }

    /// The conversation that should have been taken up is not there.
    fn lost(&mut self) {
        self.tell(
            "the program had kept nothing of its session when it was cut off, so it begins the \
             task anew",
        );
        self.thread.lost();
        self.begin();
    }

    fn opened(&mut self, id: &str) {
        let first = self.thread.began(id);
        let first = first.into_iter().map(|text| Said { text, by: Speaker::Gatepost });
        // What came meanwhile is a person's, and comes after it.
        let after = std::mem::take(&mut self.unsaid);
        self.unsaid = first.chain(after).collect();
        // What it repeated of an earlier run is on record.
        self.calls.clear();
        self.saying.clear();
        self.turn = Turn::Over(Outcome::Failed, Reason::AgentFailed { detail: String::new() });
        self.begin_turn();
    }

    /// It has ended its turn.
    fn stopped(&mut self, result: &Value) {
        let used = |name: &str| {
            result.pointer(&format!("/usage/{name}")).and_then(Value::as_u64).unwrap_or(0)
        };
        let (input, output) = (used("inputTokens"), used("outputTokens"));
        if (input, output) != (0, 0) {
            self.used = (self.used.0.saturating_add(input), self.used.1.saturating_add(output));
            let (input_tokens, output_tokens) = self.used;
            self.report(AgentEvent::Usage { input_tokens, output_tokens });
        }
        match text(result, "stopReason") {
            Some("end_turn") => self.turned(Outcome::Succeeded, Reason::Completed),
            other => {
                let other = self.program.quote(other.unwrap_or("nothing"));
                let detail = format!("its turn ended with `{}`", shortened(&other, 100));
                self.turned(Outcome::Failed, Reason::AgentFailed { detail });
            }
        }
    }

    fn turned(&mut self, outcome: Outcome, reason: Reason) {
        self.said();
        // Whatever was open in that turn is void.
        let detail = "the agent ended its turn and did not say how it went on";
        for (_, call) in std::mem::take(&mut self.calls) {
            match call.stage {
                Stage::Asked(id, question) => {
                    self.choose(&question.id, None);
                    self.queue.push_back(Next::Withdraw { id });
                }
                Stage::Early(question) => self.choose(&question.id, None),
                Stage::Cleared(id) => {
                    let result = result_of(Ending::Broken { detail: detail.to_owned() }, "");
                    self.queue.push_back(Next::Finished { id, result });
                }
                Stage::Announced | Stage::Refused => {}
            }
        }
        self.turn = Turn::Over(outcome, reason);
        self.begin_turn();
    }

    /// A question of the program.
    fn asked(&mut self, id: &Value, params: &Value) -> Result<(), ProgramError> {
        let missing = || ProgramError::Garbage("a question without its parts".into());
        let update = params.get("toolCall").ok_or_else(missing)?;
        let name = text(update, "toolCallId").ok_or_else(missing)?.to_owned();
        let options = params.get("options").and_then(Value::as_array).ok_or_else(missing)?;
        let option = |kind: &str| {
            let of = options.iter().find(|option| text(option, "kind") == Some(kind))?;
            text(of, "optionId").map(str::to_owned)
        };
        let question =
            Question { id: id.clone(), allow: option("allow_once"), reject: option("reject_once") };
        let ours = self.thread.id().is_some() && text(params, "sessionId") == self.thread.id();
        let fits = self.turn == Turn::Running
            && matches!(
                self.calls.get(&name).map(|call| &call.stage),
                None | Some(Stage::Announced)
            );
        if !ours || !fits || question.allow.is_none() {
            // One question for one use: a second would borrow what the first was cleared for.
            let reject = question.reject.clone();
            self.choose(id, reject.as_deref());
            return Ok(());
        }
        if self.calls.len() >= MOST_CALLS {
            return Err(ProgramError::Garbage(
                "more open uses of tools than any model makes".into(),
            ));
        }
        let call = self.calls.entry(name.clone()).or_insert_with(|| Call::new(update));
        call.stage = Stage::Early(question);
        self.propose(&name);
        Ok(())
    }

    /// Puts a question to the gate, once all of it is known.
    fn propose(&mut self, name: &str) {
        let Some(call) = self.calls.get_mut(name) else { return };
        let Some(input) = call.input.clone() else { return };
        match std::mem::replace(&mut call.stage, Stage::Announced) {
            Stage::Early(question) => {
                let proposal = ProposalId(self.next_proposal);
                self.next_proposal += 1;
                let action = actions::action(&call.tool, &input, self.thread.workspace());
                call.stage = Stage::Asked(proposal, question);
                self.queue.push_back(Next::Propose { id: proposal, action, by: Executor::Agent });
            }
            other => call.stage = other,
        }
    }

    /// It told something of its work.
    fn updated(&mut self, params: &Value, message: &Value) -> Result<(), ProgramError> {
        let update = params.get("update").unwrap_or(&Value::Null);
        let kind = text(update, "sessionUpdate").unwrap_or_default();
        if matches!(self.turn, Turn::Before) {
            // A conversation that is taken up is told again from its start.
            return Ok(());
        }
        let ours = text(params, "sessionId") == self.thread.id();
        if kind == "agent_message_chunk" && ours {
            if let Some(words) = update.pointer("/content/text").and_then(Value::as_str) {
                // A word in several pieces may hold a secret, so it is looked at as a whole.
                if self.saying.len() < KEPT_TEXT * 2 {
                    self.saying.push_str(words);
                }
            }
            return Ok(());
        }
        match kind {
            "tool_call" | "tool_call_update" => {
                self.said();
                self.called(update, ours)?;
            }
            "plan" => {
                let entries = update.get("entries").and_then(Value::as_array);
                self.plan(entries.into_iter().flatten());
            }
            quiet if QUIET.contains(&quiet) => {}
            _ => self.unknown(message),
        }
        Ok(())
    }

    fn plan<'a>(&mut self, entries: impl Iterator<Item = &'a Value>) {
        let entries = entries.filter_map(|entry| text(entry, "content"));
        let entries: Vec<_> =
            entries.map(|entry| shortened(&self.program.scrub(entry), 500)).take(100).collect();
        self.report(AgentEvent::Plan { entries });
    }

    /// It told how a use of a tool goes on.
    fn called(&mut self, update: &Value, ours: bool) -> Result<(), ProgramError> {
        let missing = || ProgramError::Garbage("a use of a tool without its name".into());
        let name = text(update, "toolCallId").ok_or_else(missing)?.to_owned();
        if !self.calls.contains_key(&name) && self.calls.len() >= MOST_CALLS {
            return Err(ProgramError::Garbage(
                "more open uses of tools than any model makes".into(),
            ));
        }
        let call = self.calls.entry(name.clone()).or_insert_with(|| Call::new(update));
        let status = text(update, "status").unwrap_or_default().to_owned();
        if let Some(kind) = text(update, "kind") {
            call.kind = kind.to_owned();
        }
        if let Some(title) = text(update, "title").filter(|_| status != "completed") {
            call.title = title.to_owned();
        }
        // Before that, only the beginning of its input may have come.
        if status == "in_progress"
            && let Some(input) = update.get("rawInput").filter(|input| input.is_object())
        {
            let known = call.input.replace(input.clone());
            let changed = known.is_some_and(|known| known != *input);
            if changed && !matches!(call.stage, Stage::Announced | Stage::Refused) {
                return Err(ProgramError::Garbage(format!(
                    "it changed a use of a tool that it had asked about (`{}`)",
                    shortened(&self.program.quote(&name), 100)
                )));
            }
            if let Some(todos) = input.get("todos").and_then(Value::as_array)
                && self.lock.is_free(call)
            {
                let todos = todos.clone();
                self.plan(todos.iter());
            }
            self.propose(&name);
        }
        if status == "completed" || status == "failed" {
            self.ended(&name, update, &status, ours)?;
        }
        Ok(())
    }

    /// A use of a tool is over.
    fn ended(
        &mut self,
        name: &str,
        update: &Value,
        status: &str,
        ours: bool,
    ) -> Result<(), ProgramError> {
        let Some(call) = self.calls.remove(name) else { return Ok(()) };
        let update = self.program.scrub_json(update);
        let failed = status == "failed";
        let free = ours && self.lock.is_free(&call);
        match call.stage {
            Stage::Cleared(id) => {
                let result = actions::result(self.lock, &update, failed);
                self.queue.push_back(Next::Finished { id, result });
            }
            Stage::Asked(id, _) if failed => self.queue.push_back(Next::Withdraw { id }),
            Stage::Early(_) | Stage::Refused if failed => {}
            // What cannot be done at all fails before it is asked about; a command would have run.
            Stage::Announced if free || (failed && call.kind != "execute") => {}
            Stage::Announced | Stage::Early(_) | Stage::Asked(..) | Stage::Refused => {
                return Err(ProgramError::Garbage(format!(
                    "it used a tool without having been told that it may (`{}`)",
                    shortened(&self.program.quote(&call.title), 200)
                )));
            }
        }
        Ok(())
    }

    /// Answers a question with no, and has the reason said next.
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
        let text = format!(
            "Gatepost did not let `{what}` run: {words}\nOther calls of the same turn may have \
             been given up with it. Go on with the task; make a call again only if it still makes \
             sense."
        );
        self.unsaid.push_back(Said { text, by: Speaker::Gatepost });
        let reject = question.reject.clone();
        self.choose(&question.id, reject.as_deref());
        if self.lock.refusal_ends_turn {
            // It gives up what else it asked, and asks nothing more.
            self.turn = Turn::Closing;
            let mut gone = Vec::new();
            for call in self.calls.values_mut() {
                match std::mem::replace(&mut call.stage, Stage::Refused) {
                    Stage::Asked(id, question) => {
                        self.queue.push_back(Next::Withdraw { id });
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

    async fn advance(&mut self) -> Result<Next, AgentError> {
        loop {
            if let Some(next) = self.queue.pop_front() {
                return Ok(next);
            }
            if let Turn::Over(outcome, reason) = &self.turn
                && self.thread.id().is_some()
            {
                return Ok(Next::Done { outcome: *outcome, reason: reason.clone() });
            }
            let asks = self.calls.values().any(|call| matches!(call.stage, Stage::Asked(..)));
            let waiting = if asks { Waiting::OnUs } else { Waiting::OnProgram };
            match self.program.next(waiting).await? {
                Heard::Line(line) => self.take(&line)?,
                Heard::Ended(ended) => return Err(ProgramError::Ended(ended).into()),
            }
        }
    }
}

impl Call {
    fn new(update: &Value) -> Self {
        let part = |name: &str| text(update, name).unwrap_or_default().to_owned();
        Self {
            tool: part("title"),
            kind: part("kind"),
            title: part("title"),
            input: None,
            stage: Stage::Announced,
        }
    }
}

impl Agent for Driver {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Next, AgentError>> + Send + '_>> {
        Box::pin(self.advance())
    }

    fn answer(&mut self, proposal: ProposalId, answer: Answer) {
        let found = self.calls.iter().find_map(|(name, call)| match &call.stage {
            Stage::Asked(of, _) if *of == proposal => Some(name.clone()),
            _ => None,
        });
        let Some(name) = found else {
            if let Answer::Cleared { .. } = answer {
                // The answer crossed with the end of the question.
                let detail = "the agent no longer waited for the answer".to_owned();
                let result = result_of(Ending::Broken { detail }, "");
                self.queue.push_back(Next::Finished { id: proposal, result });
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
                let detail = "it cannot run in another form; the agent was asked for it".to_owned();
                let result = result_of(Ending::Broken { detail }, "");
                self.queue.push_back(Next::Finished { id: proposal, result });
                self.decline(&name, &words);
            }
            Answer::Refused { words, .. } => self.decline(&name, &words),
            // Nothing here is proposed for the worker to run.
            Answer::Ran { .. } => self.decline(&name, "it is not yours to run"),
        }
    }

    fn message(&mut self, words: Words) {
        if !matches!(self.turn, Turn::Over(..)) {
            self.tell("a message came while it worked; it is told when its turn is over");
        }
        self.unsaid.push_back(Said { text: words.whole(), by: Speaker::Person });
        self.begin_turn();
    }

    fn interrupt(&mut self) {
        if let Some(session) = self.thread.id() {
            let params = json!({"sessionId": session});
            self.send(&json!({"jsonrpc": "2.0", "method": "session/cancel", "params": params}));
        }
        let detail = "it was interrupted".to_owned();
        let reason = Reason::AgentFailed { detail };
        self.queue.push_back(Next::Done { outcome: Outcome::Cancelled, reason });
    }

    fn resume_key(&self) -> String {
        self.thread.key()
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("thread", &self.thread).finish_non_exhaustive()
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
