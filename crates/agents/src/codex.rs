//! Codex: the program `codex app-server`, driven over its lines of JSON.
//!
//! It is told to ask about everything (approval policy `untrusted`) and to leave confining to our
//! sandbox. Commands and changes of files come as requests, which wait for as long as a person
//! takes. Its answers have no room for a reason, so a denial's reason is said to the running turn
//! right before the answer, and the model reads both together.
//!
//! What it does without having asked is told as [`AgentEvent::Unasked`]: the sandbox held it, and
//! nothing reviewed it.
//!
//! INVARIANT (whole or not at all): a change of several files is let run when each of them was
//! cleared, and refused when one of them was refused.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use gatepost_domain::Action;
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
use crate::program::Ended;
use crate::program::Heard;
use crate::program::Program;
use crate::program::ProgramError;
use crate::program::Waiting;
use crate::program::shortened;
use crate::program::untested;
use crate::telling::NO_OTHER_FORM;
use crate::telling::NOT_AWAITED;
use crate::telling::Telling;
use crate::telling::garbage;
use crate::telling::message;
use crate::telling::text;
use crate::thread::ANEW;
use crate::thread::Said;
use crate::thread::Speaker;
use crate::thread::Thread;

pub mod actions;
mod patch;
mod start;

pub use crate::roster::Settings;
pub use patch::patch;
pub use start::Codex;
pub use start::TESTED;

/// How long commands that still run are waited for once it is done. Nothing tells the model of
/// their end, so they are only given the time to come to it.
const LEFT_RUNNING: Duration = Duration::from_secs(60);

/// How often a message that came too late for its turn is tried again as a turn of its own.
const MOST_LATE: u32 = 20;

/// Starts of messages that tell nothing a person needs.
const QUIET: [&str; 22] = [
    "account/",
    "configWarning",
    "deprecationNotice",
    "item/agentMessage/delta",
    "item/commandExecution/outputDelta",
    "item/fileChange/",
    "item/mcpToolCall/progress",
    "item/plan/delta",
    "item/reasoning/",
    "model/",
    "remoteControl/",
    "skills/changed",
    "thread/compacted",
    "thread/name/updated",
    "thread/queue/changed",
    "thread/readState/changed",
    "thread/settings/updated",
    "thread/started",
    "thread/status/changed",
    "turn/diff/updated",
    "turn/moderationMetadata",
    "warning",
];

/// Codex at work.
pub struct Driver {
    program: Program,
    thread: Thread,
    /// Requests of ours that are not answered, by their number.
    sent: BTreeMap<u64, Sent>,
    next_request: u64,
    /// Questions that are not answered, by the text of their number.
    questions: BTreeMap<String, Question>,
    /// Files of changes that it is about to ask about, by their item.
    drafts: BTreeMap<String, Option<Vec<Action>>>,
    /// What it was let do and has not told the end of, by its item.
    underway: BTreeMap<String, Vec<ProposalId>>,
    /// Items whose question was answered with no.
    declined: BTreeSet<String>,
    telling: Telling,
    /// What waits for the next turn.
    unsaid: VecDeque<Said>,
    turn: Turn,
    late: u32,
    /// What it has used, as it was last told.
    used: (u64, u64),
}

/// A request of ours.
enum Sent {
    Initialize,
    Start,
    Resume,
    Turn,
    Steer(Said),
    Interrupt,
}

/// A question of its own: one action, or the files of one change.
struct Question {
    /// Its number as it came.
    id: Value,
    item: String,
    /// Not answered yet.
    open: BTreeSet<ProposalId>,
    cleared: Vec<ProposalId>,
}

/// Where its turn stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Turn {
    /// It is not there yet.
    Before,
    /// One is begun and has no name yet.
    Asked,
    /// One runs.
    Running(String),
    /// The last one ended like this.
    Over(Outcome, Reason),
}

impl Driver {
    /// Speaks to a program that was just started.
    pub(crate) fn new(program: Program, thread: Thread) -> Self {
        let mut driver = Self {
            program,
            thread,
            sent: BTreeMap::new(),
            next_request: 0,
            questions: BTreeMap::new(),
            drafts: BTreeMap::new(),
            underway: BTreeMap::new(),
            declined: BTreeSet::new(),
            telling: Telling::default(),
            unsaid: VecDeque::new(),
            turn: Turn::Before,
            late: 0,
            used: (0, 0),
        };
        let version = env!("CARGO_PKG_VERSION");
        driver.request(
            "initialize",
            json!({"clientInfo": {"name": "gatepost", "version": version}}),
            Sent::Initialize,
        );
        driver.program.say(&json!({"method": "initialized"}).to_string());
        driver.open();
        driver
    }

    fn request(&mut self, method: &str, params: Value, sent: Sent) {
        let id = self.next_request;
        self.next_request += 1;
        self.program.say(&json!({"id": id, "method": method, "params": params}).to_string());
        self.sent.insert(id, sent);
    }

    fn respond(&mut self, id: &Value, result: &Value) {
        self.program.say(&json!({"id": id, "result": result}).to_string());
    }

    /// Takes the thread up, or begins one.
    fn open(&mut self) {
        let how = |thread: Option<&str>| {
            json!({
                "threadId": thread,
                // Its turns so far are the program's to know.
                "excludeTurns": thread.is_some(),
                "cwd": self.thread.workspace(),
                "approvalPolicy": "untrusted",
                "sandbox": "danger-full-access",
            })
        };
        match self.thread.resumes() {
            Some(id) => self.request("thread/resume", how(Some(id)), Sent::Resume),
            None => self.request("thread/start", how(None), Sent::Start),
        }
    }

    /// Says something: to the turn that runs, or else in one of its own.
    fn say(&mut self, said: Said) {
        match (&self.turn, self.thread.id()) {
            (Turn::Running(turn), Some(thread)) => {
                let params = json!({
                    "threadId": thread,
                    "expectedTurnId": turn,
                    "input": [{"type": "text", "text": said.text}],
                });
                self.request("turn/steer", params, Sent::Steer(said));
            }
            _ => {
                self.unsaid.push_back(said);
                self.begin_turn();
            }
        }
    }

    fn begin_turn(&mut self) {
        let ready = matches!(self.turn, Turn::Over(..));
        let Some(thread) = self.thread.id().filter(|_| ready && !self.unsaid.is_empty()) else {
            return;
        };
        let input: Vec<_> =
            self.unsaid.iter().map(|said| json!({"type": "text", "text": said.text})).collect();
        let params = json!({"threadId": thread, "input": input});
        for said in std::mem::take(&mut self.unsaid) {
            self.thread.told(said.by);
        }
        self.turn = Turn::Asked;
        self.request("turn/start", params, Sent::Turn);
    }

    /// A turn runs, and takes what came while it began.
    fn runs(&mut self, turn: &str) {
        self.turn = Turn::Running(turn.to_owned());
        for said in std::mem::take(&mut self.unsaid) {
            self.say(said);
        }
    }

    fn tell(&mut self, text: &str) {
        self.telling.text(&self.program, text);
    }

    /// Takes one line of it.
    fn take(&mut self, line: &str) -> Result<(), ProgramError> {
        let Some(message) = message(&self.program, line)? else { return Ok(()) };
        let params = message.get("params").unwrap_or(&Value::Null);
        match (text(&message, "method"), message.get("id")) {
            (Some(method), Some(id)) => self.asked(method, id, params, line)?,
            (Some(method), None) => self.told(method, params, line)?,
            (None, Some(id)) => self.answered(id.as_u64(), &message)?,
            (None, None) => return Err(garbage(&self.program, line)),
        }
        Ok(())
    }

    /// A question of the program.
    fn asked(
        &mut self,
        method: &str,
        id: &Value,
        params: &Value,
        line: &str,
    ) -> Result<(), ProgramError> {
        match method {
            "item/commandExecution/requestApproval" => {
                self.propose(id, params, vec![actions::command(params)])?;
            }
            "item/fileChange/requestApproval" => {
                let item = text(params, "itemId").unwrap_or_default();
                match self.drafts.get(item).cloned().flatten() {
                    Some(files) => self.propose(id, params, files)?,
                    // What it would write was not told in a form that is known.
                    None => {
                        let input = params.to_string();
                        let action = Action::Tool { name: "codex/file-change".into(), input };
                        self.propose(id, params, vec![action])?;
                    }
                }
            }
            "item/permissions/requestApproval" => {
                self.respond(id, &json!({"permissions": {}, "scope": "turn"}));
                self.tell("it asked for more rights of its own kind, and was given none");
            }
            "mcpServer/elicitation/request" => {
                self.respond(id, &json!({"action": "decline"}));
                self.tell("a tool server asked for something, and was refused");
            }
            "item/tool/requestUserInput" => self.ask_person(id, params),
            "item/tool/call" => {
                let words = "there is no such tool";
                let content = json!([{"type": "inputText", "text": words}]);
                self.respond(id, &json!({"contentItems": content, "success": false}));
            }
            _ => {
                // It takes an error for a no.
                let error = json!({"code": -32601, "message": "Gatepost knows no such question"});
                self.program.say(&json!({"id": id, "error": error}).to_string());
                self.telling.unknown(&self.program, line);
            }
        }
        Ok(())
    }

    /// It wants a word of the person in the middle of its turn.
    fn ask_person(&mut self, id: &Value, params: &Value) {
        let questions = params.get("questions").and_then(Value::as_array);
        let mut answers = serde_json::Map::new();
        for question in questions.into_iter().flatten() {
            let options = question.get("options").and_then(Value::as_array);
            let options = options.into_iter().flatten().filter_map(|option| text(option, "label"));
            let options = options.map(|label| format!("\n- {label}")).collect::<String>();
            self.tell(&format!("{}{options}", text(question, "question").unwrap_or_default()));
            if let Some(name) = text(question, "id") {
                let words = "the person was shown the question and answers by a message; if you \
                    cannot go on without it, end your turn";
                answers.insert(name.to_owned(), json!({"answers": [words]}));
            }
        }
        self.respond(id, &json!({"answers": answers}));
    }

    fn propose(
        &mut self,
        id: &Value,
        params: &Value,
        actions: Vec<Action>,
    ) -> Result<(), ProgramError> {
        let missing = || ProgramError::Garbage("a question without its parts".into());
        let item = text(params, "itemId").ok_or_else(missing)?.to_owned();
        let key = id.to_string();
        if self.questions.contains_key(&key) {
            return Err(ProgramError::Garbage("two questions of one number".into()));
        }
        let mut open = BTreeSet::new();
        for action in actions {
            open.insert(self.telling.propose(action));
        }
        let question = Question { id: id.clone(), item, open, cleared: Vec::new() };
        self.questions.insert(key, question);
        Ok(())
    }

    /// The program no longer waits for an answer.
    fn given_up(&mut self, key: &str) {
        if let Some(question) = self.questions.remove(key) {
            self.drop_question(question, NOT_AWAITED);
        }
    }

    /// Nothing of a question happens.
    fn drop_question(&mut self, question: Question, why: &str) {
        self.declined.insert(question.item);
        for id in question.open {
            self.telling.withdraw(id);
        }
        for id in question.cleared {
            self.telling.broken(id, why);
        }
    }

    /// Answers a question with no, and says why.
    fn decline(&mut self, key: &str, words: &str) {
        let Some(question) = self.questions.remove(key) else { return };
        // First the reason: the model then reads it together with the refusal.
        let text = format!("Gatepost did not let that run: {words}");
        self.say(Said { text, by: Speaker::Gatepost });
        self.respond(&question.id.clone(), &json!({"decision": "decline"}));
        self.drop_question(question, "the other files of the same change were not let through");
    }

    /// An answer to a request of ours.
    fn answered(&mut self, id: Option<u64>, message: &Value) -> Result<(), ProgramError> {
        let Some(sent) = id.and_then(|id| self.sent.remove(&id)) else { return Ok(()) };
        let error = message.get("error").filter(|error| !error.is_null());
        let why = |program: &Program| {
            let why = error.and_then(|error| text(error, "message")).unwrap_or("no reason given");
            shortened(&program.quote(why), 500)
        };
        let refused = |what: &str, program: &Program| {
            Err(ProgramError::Garbage(format!("it did not {what}: {}", why(program))))
        };
        let result = message.get("result").unwrap_or(&Value::Null);
        match (sent, error.is_some()) {
            (Sent::Initialize, true) => return refused("begin", &self.program),
            (Sent::Start, true) => return refused("begin a conversation", &self.program),
            (Sent::Turn, true) => return refused("take a message", &self.program),
            (Sent::Resume, true) => {
                self.tell(ANEW);
                self.thread.lost();
                self.open();
            }
            (Sent::Start | Sent::Resume, false) => self.opened(result)?,
            (Sent::Steer(said), true) => {
                // Its turn ended at this moment: the next one begins with it.
                self.late += 1;
                if self.late > MOST_LATE {
                    return refused("take a message", &self.program);
                }
                self.unsaid.push_back(said);
                self.begin_turn();
            }
            (Sent::Steer(said), false) => self.thread.told(said.by),
            (Sent::Turn, false) => {
                let id = result.pointer("/turn/id").and_then(Value::as_str);
                if let (Turn::Asked, Some(id)) = (&self.turn, id) {
                    self.runs(id);
                }
            }
            (Sent::Initialize, false) => {
                // As in `gatepost/0.169.0 (Debian 12; x86_64)`: the client's name, its own version.
                let agent = text(result, "userAgent").and_then(|agent| agent.split_once('/'));
                let version = agent.and_then(|(_, rest)| rest.split_whitespace().next());
                let words = version
                    .and_then(|version| untested("Codex", &self.program.quote(version), &TESTED));
                if let Some(words) = words {
                    self.tell(&words);
                }
            }
            (Sent::Interrupt, _) => {}
        }
        Ok(())
    }

    /// The program tells what it runs with: asking about everything, or it does not run.
    fn opened(&mut self, result: &Value) -> Result<(), ProgramError> {
        let wrong = |what: String| Err(ProgramError::Garbage(what));
        match text(result, "approvalPolicy") {
            Some("untrusted") => {}
            other => return wrong(format!("it asks by the policy {other:?} and not `untrusted`")),
        }
        match text(result, "cwd") {
            Some(cwd) if cwd == self.thread.workspace() => {}
            other => return wrong(format!("it works in another directory ({other:?})")),
        }
        let Some(id) = result.pointer("/thread/id").and_then(Value::as_str) else {
            return wrong("a conversation without a name".into());
        };
        // What came meanwhile is a person's, and comes after what it begins with.
        let after = std::mem::take(&mut self.unsaid);
        self.unsaid = self.thread.began(id).into_iter().chain(after).collect();
        self.turn = Turn::Over(Outcome::Failed, Reason::AgentFailed { detail: String::new() });
        self.begin_turn();
        Ok(())
    }

    /// A message of the program that wants no answer.
    fn told(&mut self, method: &str, params: &Value, line: &str) -> Result<(), ProgramError> {
        let ours = text(params, "threadId").is_none_or(|id| Some(id) == self.thread.id());
        match method {
            "turn/started" if ours => {
                if let Some(id) = params.pointer("/turn/id").and_then(Value::as_str) {
                    self.runs(id);
                }
            }
            "turn/completed" if ours => {
                let turn = params.get("turn").unwrap_or(&Value::Null);
                self.turned(turn);
            }
            "turn/started" | "turn/completed" => {}
            "item/started" => self.began(params.get("item").unwrap_or(&Value::Null)),
            "item/completed" => self.completed(params.get("item").unwrap_or(&Value::Null), ours),
            "item/commandExecution/terminalInteraction" => {
                let typed = text(params, "stdin").unwrap_or_default();
                if !typed.is_empty() {
                    self.telling
                        .unasked(&self.program, &format!("typed into a running command: {typed}"));
                }
            }
            "serverRequest/resolved" => {
                let key = params.get("requestId").map(Value::to_string).unwrap_or_default();
                self.given_up(&key);
            }
            "thread/tokenUsage/updated" if ours => self.usage(params),
            "thread/tokenUsage/updated" => {}
            "turn/plan/updated" => {
                let steps = params.get("plan").and_then(Value::as_array).into_iter().flatten();
                let entries = steps.filter_map(|step| text(step, "step"));
                self.telling.plan(&self.program, entries);
            }
            // That its model is asked again is told by the model proxy, which knows why; otherwise
            // the turn ends with it, and tells it.
            "error" => {}
            "mcpServer/startupStatus/updated" => {
                let name = self.program.quote(text(params, "name").unwrap_or_default());
                let what = format!("it loaded a tool server that nobody set up: `{name}`");
                return Err(ProgramError::Garbage(what));
            }
            "hook/started" => {
                return Err(ProgramError::Garbage("it ran a hook that nobody set up".into()));
            }
            quiet if QUIET.iter().any(|start| quiet.starts_with(start)) => {}
            _ => self.telling.unknown(&self.program, line),
        }
        Ok(())
    }

    fn usage(&mut self, params: &Value) {
        let total = |name: &str| {
            let pointer = format!("/tokenUsage/total/{name}");
            params.pointer(&pointer).and_then(Value::as_u64).unwrap_or(0)
        };
        let used = (total("inputTokens"), total("outputTokens"));
        if used != self.used {
            self.used = used;
            let (input_tokens, output_tokens) = used;
            self.telling.report(AgentEvent::Usage { input_tokens, output_tokens });
        }
    }

    fn began(&mut self, item: &Value) {
        let Some(id) = text(item, "id") else { return };
        if text(item, "type") == Some("fileChange") {
            self.drafts.insert(id.to_owned(), actions::changes(item));
        }
    }

    /// An item is over: something said, or something done.
    fn completed(&mut self, item: &Value, ours: bool) {
        let id = text(item, "id").unwrap_or_default();
        let status = text(item, "status").unwrap_or_default();
        self.drafts.remove(id);
        if let (Some("agentMessage" | "plan"), Some(words)) =
            (text(item, "type"), text(item, "text"))
        {
            if ours && !words.trim().is_empty() {
                self.tell(words);
            }
            return;
        }
        let Some(work) = actions::work(item) else { return };
        // It gave up on its own question.
        let mut waiting = Vec::new();
        for (key, question) in &self.questions {
            if question.item == id {
                waiting.push(key.clone());
            }
        }
        let asks = !waiting.is_empty();
        for key in waiting {
            self.given_up(&key);
        }
        if let Some(proposals) = self.underway.remove(id) {
            for id in proposals {
                self.telling.finished(id, actions::result(item));
            }
            return;
        }
        let refused = self.declined.remove(id) || asks;
        // What was refused, and what failed before it began, did nothing.
        let nothing = status == "declined" || (status == "failed" && !began_to_run(item));
        if !nothing {
            // It was refused and ran all the same, or was never asked about.
            let how = if refused { "although it was refused: " } else { "" };
            self.telling.unasked(&self.program, &format!("{how}{work}"));
        }
    }

    /// A turn is over.
    fn turned(&mut self, turn: &Value) {
        let failed = |detail: String| (Outcome::Failed, Reason::AgentFailed { detail });
        let (outcome, reason) = match text(turn, "status") {
            Some("completed") => (Outcome::Succeeded, Reason::Completed),
            status => {
                let said = turn.pointer("/error/message").and_then(Value::as_str);
                let more = turn.pointer("/error/additionalDetails").and_then(Value::as_str);
                let said: Vec<_> = said.into_iter().chain(more).collect();
                let status = status.unwrap_or("nothing");
                failed(if said.is_empty() {
                    format!("its turn ended with `{status}`")
                } else {
                    shortened(&self.program.quote(&said.join("; ")), 1000)
                })
            }
        };
        self.turn = Turn::Over(outcome, reason);
        // Whatever it asked in that turn, it asks no more.
        for (_, question) in std::mem::take(&mut self.questions) {
            self.drop_question(question, NOT_AWAITED);
        }
        self.begin_turn();
    }

    /// How it ends, if it owes nobody anything any more.
    fn end(&self) -> Option<Next> {
        let steering = self.sent.values().any(|sent| matches!(sent, Sent::Steer(_)));
        match &self.turn {
            Turn::Over(outcome, reason) if self.thread.id().is_some() && !steering => {
                Some(Next::Done { outcome: *outcome, reason: reason.clone() })
            }
            _ => None,
        }
    }

    fn over(&self, ended: Ended) -> Result<Next, AgentError> {
        // One that was done and went by itself.
        self.end().ok_or_else(|| ProgramError::Ended(ended).into())
    }

    async fn advance(&mut self) -> Result<Next, AgentError> {
        loop {
            if let Some(next) = self.telling.next() {
                return Ok(next);
            }
            let waiting =
                if self.questions.is_empty() { Waiting::OnProgram } else { Waiting::OnUs };
            let heard = match self.end() {
                Some(end) if self.underway.is_empty() => return Ok(end),
                Some(end) => {
                    match tokio::time::timeout(LEFT_RUNNING, self.program.next(waiting)).await {
                        Ok(heard) => heard,
                        Err(_) => return Ok(end),
                    }
                }
                None => self.program.next(waiting).await,
            };
            match heard? {
                Heard::Line(line) => self.take(&line)?,
                Heard::Ended(ended) => return self.over(ended),
            }
        }
    }
}

impl Agent for Driver {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Next, AgentError>> + Send + '_>> {
        Box::pin(self.advance())
    }

    fn answer(&mut self, proposal: ProposalId, answer: Answer) {
        let of = |(_, question): &(&String, &mut Question)| question.open.contains(&proposal);
        let Some((key, question)) = self.questions.iter_mut().find(of) else {
            if let Answer::Cleared { .. } = answer {
                // The answer crossed with the end of the question.
                self.telling.broken(proposal, NOT_AWAITED);
            }
            return;
        };
        let key = key.clone();
        question.open.remove(&proposal);
        match answer {
            Answer::Cleared { input: None } => {
                question.cleared.push(proposal);
                if question.open.is_empty()
                    && let Some(question) = self.questions.remove(&key)
                {
                    self.respond(&question.id, &json!({"decision": "accept"}));
                    self.underway.entry(question.item).or_default().extend(question.cleared);
                }
            }
            Answer::Cleared { input: Some(edited) } => {
                self.telling.broken(proposal, NO_OTHER_FORM);
                self.decline(
                    &key,
                    &format!(
                        "the person wants it in another form; make that call instead: {edited}"
                    ),
                );
            }
            Answer::Refused { words, .. } => self.decline(&key, &words),
            // Nothing here is proposed for the worker to run.
            Answer::Ran { .. } => self.decline(&key, "it is not yours to run"),
        }
    }

    fn message(&mut self, words: Words) {
        self.say(Said { text: words.whole(), by: Speaker::Person });
    }

    fn interrupt(&mut self) {
        if let (Turn::Running(turn), Some(thread)) = (&self.turn, self.thread.id()) {
            let params = json!({"threadId": thread, "turnId": turn});
            self.request("turn/interrupt", params, Sent::Interrupt);
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

/// Whether an item that failed had begun.
fn began_to_run(item: &Value) -> bool {
    ["exitCode", "processId", "aggregatedOutput", "result"]
        .iter()
        .any(|name| item.get(*name).is_some_and(|value| !value.is_null()))
}

#[cfg(test)]
mod tests;
