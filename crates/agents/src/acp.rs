//! Agents that speak the Agent Client Protocol (version 1), driven over its lines of JSON-RPC.
//!
//! The protocol carries questions (`session/request_permission`); which tools are asked about is
//! each agent's own choice. So only agents with a [`Lock`] are driven: settings under which that
//! agent asks before every tool, tried with the real program. A question is put to the gate once
//! the whole input of its tool is known, and is answered with `allow_once` or `reject_once`, found
//! by their kind; an option that lasts is never chosen. The answer has no room for a reason, so a
//! denial's reason is told by an error where its model reads that, and is what the agent is told
//! next where not. Neither files nor terminals of ours are offered to it: what it does, it does
//! inside the sandbox.
//!
//! An agent without such settings is driven too, where whoever set it up has said that the sandbox
//! alone holds it. Its questions are put to the gate like all others, and what it does without one
//! is told as [`AgentEvent::Unasked`].
//!
//! The messages are read as JSON and not through the protocol's own crate: its types pass over what
//! they cannot read, where a gate must stop, and they make `serde_json` keep the order of fields in
//! the whole program, on which digests rest.
//!
//! INVARIANT (asked first): where a lock holds an agent to asking, a tool that was done without
//! having been cleared ends the run.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;

use gatepost_domain::Outcome;
use gatepost_domain::agent::AgentEvent;
use gatepost_domain::outcome::Reason;
use serde_json::Value;
use serde_json::json;

use crate::agent::Agent;
use crate::agent::AgentError;
use crate::agent::Answer;
use crate::agent::Next;
use crate::agent::ProposalId;
use crate::agent::Words;
use crate::program::Heard;
use crate::program::Program;
use crate::program::ProgramError;
use crate::program::Waiting;
use crate::program::shortened;
use crate::program::untested;
use crate::telling::Telling;
use crate::telling::garbage;
use crate::telling::message;
use crate::telling::text;
use crate::thread::ANEW;
use crate::thread::Said;
use crate::thread::Speaker;
use crate::thread::Thread;

mod actions;
mod calls;
mod locks;
mod start;

use calls::Call;
use calls::Stage;
pub use locks::CLAUDE;
pub use locks::GEMINI;
pub use locks::Lock;
pub use locks::OPENCODE;
pub use locks::UNLOCKED;
pub use start::Acp;
pub use start::Settings;

/// The version of the protocol that is spoken.
const PROTOCOL: u64 = 1;

/// How much of what it is saying is kept until it is whole, in bytes.
const MOST_SAYING: usize = 2 * crate::telling::KEPT_TEXT;

/// Updates of a session that tell nothing a person needs.
const QUIET: [&str; 6] = [
    "agent_thought_chunk",
    "available_commands_update",
    "config_option_update",
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
    /// Every use of a tool that is not over, by its id.
    calls: BTreeMap<String, Call>,
    telling: Telling,
    /// What it is told in its next turn.
    unsaid: VecDeque<Said>,
    /// What it has said and may go on saying.
    saying: String,
    turn: Turn,
    /// What it has used in all its turns.
    used: (u64, u64),
}

/// A request of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sent {
    Initialize,
    New,
    TakeUp,
    /// To ask by the mode of its lock in this conversation.
    Mode(String),
    Prompt,
}

/// Where its turn stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Turn {
    /// There is no conversation yet.
    Before,
    /// This conversation is taken up, and is still being told again.
    ToldAgain(String),
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
            calls: BTreeMap::new(),
            telling: Telling::default(),
            unsaid: VecDeque::new(),
            saying: String::new(),
            turn: Turn::Before,
            used: (0, 0),
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

    fn fail(&mut self, id: &Value, code: i32, words: &str) {
        let error = json!({"code": code, "message": words});
        self.send(&json!({"jsonrpc": "2.0", "id": id, "error": error}));
    }

    /// What it said so far is whole.
    fn said(&mut self) {
        let words = std::mem::take(&mut self.saying);
        if !words.trim().is_empty() {
            self.telling.text(&self.program, &words);
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
            self.thread.told(said.by);
        }
        self.turn = Turn::Running;
        self.request("session/prompt", &params, Sent::Prompt);
    }

    /// Takes one line of it.
    fn take(&mut self, line: &str) -> Result<(), ProgramError> {
        let Some(message) = message(&self.program, line)? else { return Ok(()) };
        let params = message.get("params").unwrap_or(&Value::Null);
        match (text(&message, "method"), message.get("id")) {
            (Some("session/request_permission"), Some(id)) => self.asked(id, params),
            (Some(method), Some(id)) => {
                self.fail(id, -32601, "Gatepost offers no such thing");
                if !self.lock.tries.contains(&method) {
                    self.telling.unknown(&self.program, &message.to_string());
                }
                Ok(())
            }
            (Some("session/update"), None) => self.updated(params, &message),
            (Some("$/cancel_request"), None) => {
                self.given_up(params.get("requestId").unwrap_or(&Value::Null));
                Ok(())
            }
            (Some(method), None) => {
                if !self.lock.tries.contains(&method) {
                    self.telling.unknown(&self.program, &message.to_string());
                }
                Ok(())
            }
            (None, Some(id)) => self.answered(id.as_u64(), &message),
            (None, None) => Err(garbage(&self.program, line)),
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
            (Sent::Mode(_), Some(why)) => return refused("take the mode it is to ask by", &why),
            (Sent::Initialize, None) => self.greeted(result)?,
            (Sent::TakeUp, Some(_)) => self.lost(),
            (Sent::New, None) => {
                let Some(id) = text(result, "sessionId").map(str::to_owned) else {
                    return Err(ProgramError::Garbage("a conversation without a name".into()));
                };
                self.set_mode(id, result);
            }
            (Sent::TakeUp, None) => {
                let id = self.thread.resumes().unwrap_or_default().to_owned();
                self.set_mode(id, result);
            }
            (Sent::Mode(id), None) => self.open(id),
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
        let info = result.get("agentInfo").unwrap_or(&Value::Null);
        let name = text(info, "name");
        if let Some(wanted) = self.lock.says_it_is
            && name != Some(wanted)
        {
            let other = self.program.quote(name.unwrap_or("nobody"));
            return wrong(format!("it says that it is `{other}`"));
        }
        let version = text(info, "version").filter(|_| !self.lock.tested.is_empty());
        let words = version.and_then(|version| {
            untested(self.lock.title, &self.program.quote(version), self.lock.tested)
        });
        if let Some(words) = words {
            self.telling.text(&self.program, &words);
        }
        let offers = |pointer: &str| {
            result
                .pointer(pointer)
                .is_some_and(|offer| !offer.is_null() && offer.as_bool() != Some(false))
        };
        // What it tells of an earlier run is passed over. The newer `session/resume` would spare
        // that, but loading is what every version of the protocol knows, and what was tried.
        let loads = offers("/agentCapabilities/loadSession");
        match self.thread.resumes().map(str::to_owned) {
            Some(id) if loads => {
                let mut params = self.conversation();
                if let Some(params) = params.as_object_mut() {
                    params.insert("sessionId".to_owned(), id.into());
                }
                self.request("session/load", &params, Sent::TakeUp);
            }
            Some(_) => self.lost(),
            None => self.begin(),
        }
        Ok(())
    }

    /// What a conversation is begun or taken up with.
    fn conversation(&self) -> Value {
        let mut params = json!({"cwd": self.thread.workspace(), "mcpServers": []});
        if let (Some(session), Some(params)) = (self.lock.session, params.as_object_mut()) {
            params.insert("_meta".to_owned(), session());
        }
        params
    }

    fn begin(&mut self) {
        let params = self.conversation();
        self.request("session/new", &params, Sent::New);
    }

    /// The conversation that should have been taken up is not there.
    fn lost(&mut self) {
        self.telling.text(&self.program, ANEW);
        self.thread.lost();
        self.begin();
    }

    /// Sees to it that the conversation asks by the mode of its lock.
    fn set_mode(&mut self, id: String, result: &Value) {
        let now = result.pointer("/modes/currentModeId").and_then(Value::as_str);
        match self.lock.mode {
            Some(mode) if now != Some(mode) => {
                let params = json!({"sessionId": id, "modeId": mode});
                self.request("session/set_mode", &params, Sent::Mode(id));
            }
            Some(_) | None => self.open(id),
        }
    }

    /// The conversation is there, unless it is still being told again.
    fn open(&mut self, id: String) {
        let again = self.thread.resumes().is_some() && self.lock.told_again.is_some();
        if again {
            self.turn = Turn::ToldAgain(id);
        } else {
            self.opened(&id);
        }
    }

    fn opened(&mut self, id: &str) {
        // What came meanwhile is a person's, and comes after what it begins with.
        let after = std::mem::take(&mut self.unsaid);
        self.unsaid = self.thread.began(id).into_iter().chain(after).collect();
        // What it repeated of an earlier run is on record.
        self.calls.clear();
        self.saying.clear();
        self.turn = Turn::Over(Outcome::Failed, Reason::AgentFailed { detail: String::new() });
        self.begin_turn();
    }

    /// It has ended its turn.
    fn stopped(&mut self, result: &Value) {
        let (input, output) = used(result);
        if (input, output) != (0, 0) {
            self.used = (self.used.0.saturating_add(input), self.used.1.saturating_add(output));
            let (input_tokens, output_tokens) = self.used;
            self.telling.report(AgentEvent::Usage { input_tokens, output_tokens });
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
        self.void();
        self.turn = Turn::Over(outcome, reason);
        self.begin_turn();
    }

    /// It told something of its work.
    fn updated(&mut self, params: &Value, message: &Value) -> Result<(), ProgramError> {
        let update = params.get("update").unwrap_or(&Value::Null);
        let kind = text(update, "sessionUpdate").unwrap_or_default();
        match &self.turn {
            // A conversation that is taken up is told again from its start.
            Turn::Before => return Ok(()),
            Turn::ToldAgain(id) => {
                if Some(kind) == self.lock.told_again {
                    let id = id.clone();
                    self.opened(&id);
                }
                return Ok(());
            }
            Turn::Running | Turn::Closing | Turn::Over(..) => {}
        }
        let ours = text(params, "sessionId") == self.thread.id();
        match kind {
            "agent_message_chunk" => {
                let words = update.pointer("/content/text").and_then(Value::as_str);
                if ours && self.saying.len() < MOST_SAYING {
                    self.saying.push_str(words.unwrap_or_default());
                }
            }
            "tool_call" | "tool_call_update" => {
                self.said();
                self.called(update, ours)?;
            }
            "plan" => {
                let entries = update.get("entries").and_then(Value::as_array);
                let entries = entries.into_iter().flatten();
                let entries = entries.filter_map(|entry| text(entry, "content"));
                self.telling.plan(&self.program, entries);
            }
            "current_mode_update" => {
                let mode = text(update, "currentModeId").unwrap_or_default();
                if self.lock.mode.is_some_and(|wanted| wanted != mode) {
                    let mode = shortened(&self.program.quote(mode), 100);
                    return Err(ProgramError::Garbage(format!(
                        "it went over to asking by another mode, `{mode}`"
                    )));
                }
            }
            quiet if QUIET.contains(&quiet) => {}
            _ => self.telling.unknown(&self.program, &message.to_string()),
        }
        Ok(())
    }

    async fn advance(&mut self) -> Result<Next, AgentError> {
        loop {
            if let Some(next) = self.telling.next() {
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

impl Agent for Driver {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Next, AgentError>> + Send + '_>> {
        Box::pin(self.advance())
    }

    fn answer(&mut self, proposal: ProposalId, answer: Answer) {
        self.settle(proposal, answer);
    }

    fn message(&mut self, words: Words) {
        if !matches!(self.turn, Turn::Over(..)) {
            let words = "a message came while it worked; it is told when its turn is over";
            self.telling.text(&self.program, words);
        }
        self.unsaid.push_back(Said { text: words.whole(), by: Speaker::Person });
        self.begin_turn();
    }

    fn interrupt(&mut self) {
        if let Some(session) = self.thread.id() {
            let params = json!({"sessionId": session});
            self.send(&json!({"jsonrpc": "2.0", "method": "session/cancel", "params": params}));
        }
        self.telling.interrupted();
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

/// What a turn used: by the protocol's own field, or by that of Gemini CLI.
fn used(result: &Value) -> (u64, u64) {
    let count = |pointer: &str| result.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    if result.get("usage").is_some() {
        let read = ["/usage/inputTokens", "/usage/cachedReadTokens", "/usage/cachedWriteTokens"];
        let read = read.into_iter().map(count).fold(0, u64::saturating_add);
        return (read, count("/usage/outputTokens"));
    }
    let quota = "/_meta/quota/token_count";
    (count(&format!("{quota}/input_tokens")), count(&format!("{quota}/output_tokens")))
}

#[cfg(test)]
mod tests;
