//! Claude Code: the program `claude`, driven over its lines of JSON.
//!
//! Every use of a tool, those of its subagents too, comes first as the callback of a `PreToolUse`
//! hook, which is answered at once with `ask`; that makes the program ask again as
//! `can_use_tool`, over any setting and mode of its own. There the gate and people decide, for as
//! long as it takes: that question has no time limit, and a denial's reason reaches the model word
//! for word. A hook that is not answered refuses; one that is answered with an error lets the tool
//! run, so nothing here ever answers with an error.
//!
//! INVARIANT (asked first): a tool that gives a result without having been cleared ends the run.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use gatepost_domain::Action;
use gatepost_domain::Outcome;
use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::AgentEvent;
use gatepost_domain::agent::Ending;
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
use crate::telling::Telling;
use crate::telling::ended;
use crate::telling::garbage;
use crate::telling::interrupted;
use crate::telling::message;
use crate::telling::text;

pub mod actions;
mod session;
mod start;

pub use crate::roster::Settings;
pub use session::Session;
pub use start::Claude;
pub use start::TESTED;

/// How long commands that it left running in the background are waited for once it is done: long
/// enough for a build it wants to hear of, and no server holds the task for ever.
const BACKGROUND: Duration = Duration::from_secs(10 * 60);

/// Messages that tell nothing a person needs.
const QUIET: [&str; 15] = [
    "api_metrics",
    // The model proxy knows better what its provider answered, and tells it.
    "api_retry",
    "compact_boundary",
    "files_persisted",
    "hook_progress",
    "hook_response",
    "hook_started",
    "post_turn_summary",
    "session_state_changed",
    "status",
    "task_progress",
    "task_started",
    "task_updated",
    "thinking_tokens",
    "turn_duration",
];

/// Claude Code at work.
pub struct Driver {
    program: Program,
    session: Session,
    /// Every use of a tool that is not over, by the id the model gave it.
    uses: BTreeMap<String, Use>,
    telling: Telling,
    /// Messages that it has not taken up yet, by their id.
    unheard: BTreeSet<String>,
    turn: Turn,
    signal: Signal,
    /// What it left running when it last told.
    background: Background,
    /// What it said of its last turn.
    end: Option<(Outcome, Reason)>,
    /// Its version, once it told it.
    version: Option<String>,
}

/// One use of a tool.
struct Use {
    tool: String,
    cwd: String,
    input: Value,
    stage: Stage,
}

/// Where a use of a tool stands.
enum Stage {
    /// The hook was called; the question follows.
    Announced,
    /// It is asked about.
    Asked { proposal: ProposalId, request: String },
    /// It may run, and does.
    Cleared {
        proposal: ProposalId,
        /// What was told of its end before its result: a subagent that it waits for tells both, and
        /// a command in the background may end before the result says that it is there.
        end: Option<ActionResult>,
    },
    /// It gave its result and runs on in the background.
    Left { proposal: ProposalId },
}

/// Whether it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// It works, or is about to.
    Running,
    /// It has nothing left to do by itself.
    Idle,
}

/// How it tells that it has nothing left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signal {
    /// By the result of each turn and no more.
    Results,
    /// By its state.
    States,
}

/// What still runs on its side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Background {
    Nothing,
    /// Commands only.
    Commands,
    /// Subagents too, which still propose.
    Agents,
}

impl Driver {
    /// Speaks to a program that was just started.
    pub(crate) fn new(program: Program, session: Session) -> Self {
        let mut driver = Self {
            program,
            session,
            uses: BTreeMap::new(),
            telling: Telling::default(),
            unheard: BTreeSet::new(),
            turn: Turn::Running,
            signal: Signal::Results,
            background: Background::Nothing,
            end: None,
            version: None,
        };
        driver.request(
            "init",
            json!({
                "subtype": "initialize",
                // The hook is answered within the same moment; the time limit is for a machine
                // that stands still. When it runs out, the program refuses.
                "hooks": {"PreToolUse": [
                    {"matcher": null, "hookCallbackIds": ["pre"], "timeout": 3600}
                ]},
            }),
        );
        for text in driver.session.first_words() {
            driver.say(&text);
        }
        if let Some(note) = driver.session.note() {
            driver.telling.report(AgentEvent::Text { text: note.to_owned() });
        }
        driver
    }

    fn send(&mut self, message: &Value) {
        self.program.say(&message.to_string());
    }

    fn request(&mut self, id: &str, request: Value) {
        self.send(&json!({"type": "control_request", "request_id": id, "request": request}));
    }

    fn respond(&mut self, request: &str, response: Value) {
        self.send(&json!({
            "type": "control_response",
            "response": {"subtype": "success", "request_id": request, "response": response},
        }));
    }

    fn say(&mut self, text: &str) {
        let id = self.session.next_message();
        self.send(&json!({
            "type": "user",
            "message": {"role": "user", "content": text},
            "parent_tool_use_id": null,
            "session_id": "",
            "uuid": id,
        }));
        self.unheard.insert(id);
        self.turn = Turn::Running;
    }

    /// Takes one line of it.
    fn take(&mut self, line: &str) -> Result<(), ProgramError> {
        let Some(message) = message(&self.program, line)? else { return Ok(()) };
        let Some(kind) = text(&message, "type") else { return Err(garbage(&self.program, line)) };
        match kind {
            "control_request" => self.asked(&message)?,
            "control_cancel_request" => self.given_up(text(&message, "request_id")),
            "control_response" => self.answered(&message)?,
            "system" => self.told(&message, line)?,
            "assistant" => self.said(&message),
            "user" => self.got(&message)?,
            "result" => self.turned(&message),
            "command_lifecycle" | "keep_alive" | "stream_event" | "tool_progress" => {}
            _ => self.telling.unknown(&self.program, line),
        }
        Ok(())
    }

    /// A question of the program.
    fn asked(&mut self, message: &Value) -> Result<(), ProgramError> {
        let missing = || ProgramError::Garbage("a question without its parts".into());
        let id = text(message, "request_id").ok_or_else(missing)?.to_owned();
        let request = message.get("request").ok_or_else(missing)?;
        match text(request, "subtype") {
            Some("hook_callback") => {
                let input = request.get("input").ok_or_else(missing)?;
                let name = text(input, "tool_use_id").ok_or_else(missing)?;
                let announced = Use {
                    tool: text(input, "tool_name").ok_or_else(missing)?.to_owned(),
                    cwd: text(input, "cwd").unwrap_or(self.session.workspace()).to_owned(),
                    input: input.get("tool_input").cloned().unwrap_or(Value::Null),
                    stage: Stage::Announced,
                };
                let decision = match self.uses.get(name).map(|known| &known.stage) {
                    None | Some(Stage::Announced) => {
                        self.uses.insert(name.to_owned(), announced);
                        "ask"
                    }
                    // One name, one use: a second one would borrow what the first was cleared for.
                    Some(Stage::Asked { .. } | Stage::Cleared { .. } | Stage::Left { .. }) => {
                        "deny"
                    }
                };
                self.respond(
                    &id,
                    json!({"hookSpecificOutput": {
                        "hookEventName": "PreToolUse",
                        "permissionDecision": decision,
                        "permissionDecisionReason": "Gatepost reviews it",
                    }}),
                );
            }
            Some("can_use_tool") => self.may_it(id, request)?,
            Some(_) | None => {
                self.respond(&id, deny("Gatepost knows no such question"));
                self.telling.unknown(&self.program, &message.to_string());
            }
        }
        Ok(())
    }

    fn may_it(&mut self, id: String, request: &Value) -> Result<(), ProgramError> {
        let missing = || ProgramError::Garbage("a question without its parts".into());
        let name = text(request, "tool_use_id").ok_or_else(missing)?;
        let tool = text(request, "tool_name").ok_or_else(missing)?;
        let input = request.get("input").cloned().unwrap_or(Value::Null);
        let Some(announced) = self.uses.get_mut(name) else {
            self.respond(&id, deny("it was not announced; call the tool again"));
            return Ok(());
        };
        let same = announced.tool == tool && announced.input == input;
        match announced.stage {
            Stage::Announced if same => {
                let action = actions::action(tool, &input, &announced.cwd);
                let proposal = self.telling.propose(action);
                announced.stage = Stage::Asked { proposal, request: id };
            }
            Stage::Announced | Stage::Asked { .. } | Stage::Cleared { .. } | Stage::Left { .. } => {
                self.respond(&id, deny("it is not what was announced; call the tool again"));
            }
        }
        Ok(())
    }

    /// The program no longer waits for an answer.
    fn given_up(&mut self, request: Option<&str>) {
        let gone = self.uses.iter().find_map(|(name, known)| match &known.stage {
            Stage::Asked { proposal, request: of } if Some(of.as_str()) == request => {
                Some((name.clone(), *proposal))
            }
            _ => None,
        });
        if let Some((name, id)) = gone {
            self.uses.remove(&name);
            self.telling.withdraw(id);
        }
    }

    fn answered(&mut self, message: &Value) -> Result<(), ProgramError> {
        let response = message.get("response").unwrap_or(&Value::Null);
        if text(response, "request_id") == Some("init")
            && text(response, "subtype") != Some("success")
        {
            // Without its hook it would not ask about everything.
            let why = self.program.quote(text(response, "error").unwrap_or("no reason given"));
            return Err(ProgramError::Garbage(format!("it did not take its hook: {why}")));
        }
        Ok(())
    }

    /// A message about itself.
    fn told(&mut self, message: &Value, line: &str) -> Result<(), ProgramError> {
        match text(message, "subtype").unwrap_or_default() {
            "init" => self.began(message)?,
            "session_state_changed" => {
                self.signal = Signal::States;
                self.turn = match text(message, "state") {
                    Some("idle") => Turn::Idle,
                    _ => Turn::Running,
                };
            }
            "background_tasks_changed" => {
                let tasks = message.get("tasks").and_then(Value::as_array);
                let kinds = tasks.into_iter().flatten().map(|task| text(task, "task_type"));
                self.background = kinds.fold(Background::Nothing, |so_far, kind| match kind {
                    Some("local_bash") if so_far != Background::Agents => Background::Commands,
                    _ => Background::Agents,
                });
            }
            "task_notification" => {
                self.over(message);
                // It hears of the end and goes on.
                self.turn = Turn::Running;
            }
            quiet if QUIET.contains(&quiet) => {}
            _ => self.telling.unknown(&self.program, line),
        }
        Ok(())
    }

    /// The program tells what it runs with: nothing of the repository's, or it does not run.
    fn began(&mut self, message: &Value) -> Result<(), ProgramError> {
        let wrong = |what: String| Err(ProgramError::Garbage(what));
        match text(message, "session_id") {
            Some(id) if id == self.session.id() => {}
            other => return wrong(format!("it works on another session ({other:?})")),
        }
        match text(message, "permissionMode") {
            Some("default") => {}
            other => return wrong(format!("it asks by the mode {other:?} and not by `default`")),
        }
        let servers = message.get("mcp_servers").and_then(Value::as_array);
        if let Some(server) = servers.and_then(|servers| servers.first()) {
            return wrong(format!("it loaded a tool server that nobody set up: {server}"));
        }
        // It tells all this with each turn.
        let version = text(message, "claude_code_version").map(str::to_owned);
        if self.version != version {
            let note = version
                .as_ref()
                .and_then(|version| untested("Claude Code", &self.program.quote(version), &TESTED));
            if let Some(text) = note {
                self.telling.report(AgentEvent::Text { text });
            }
            self.version = version;
        }
        let tools = message.get("tools").and_then(Value::as_array);
        for tool in tools.into_iter().flatten().filter_map(Value::as_str) {
            // `Agent` is the newer name of `Task`.
            if !actions::TOOLS.contains(&tool) && tool != "Agent" {
                return wrong(format!("it has a tool that it was not given: `{tool}`"));
            }
        }
        Ok(())
    }

    /// What the model said.
    fn said(&mut self, message: &Value) {
        self.end = None;
        let inner = message.get("message").unwrap_or(&Value::Null);
        let of_subagent = message.get("parent_tool_use_id").is_some_and(|id| !id.is_null());
        let blocks = inner.get("content").and_then(Value::as_array);
        for block in blocks.into_iter().flatten() {
            match (text(block, "type"), text(block, "text")) {
                (Some("text"), Some(words)) if !of_subagent && !words.trim().is_empty() => {
                    self.telling.text(&self.program, words);
                }
                (Some("tool_use"), _) if text(block, "name") == Some("TodoWrite") => {
                    let todos = block.pointer("/input/todos").and_then(Value::as_array);
                    let todos = todos.into_iter().flatten();
                    let entries = todos.filter_map(|todo| text(todo, "content"));
                    self.telling.plan(&self.program, entries);
                }
                _ => {}
            }
        }
    }

    /// What goes back to the model: results of tools, and messages it has taken up.
    fn got(&mut self, message: &Value) -> Result<(), ProgramError> {
        if message.get("isReplay").and_then(Value::as_bool) == Some(true) {
            if let Some(id) = text(message, "uuid") {
                self.unheard.remove(id);
            }
            return Ok(());
        }
        let blocks = message.pointer("/message/content").and_then(Value::as_array);
        let background = message.pointer("/tool_use_result/backgroundTaskId").is_some();
        for block in blocks.into_iter().flatten() {
            if text(block, "type") != Some("tool_result") {
                continue;
            }
            let name = text(block, "tool_use_id").unwrap_or_default();
            let failed = block.get("is_error").and_then(Value::as_bool) == Some(true);
            match self.uses.remove(name) {
                Some(Use { stage: Stage::Cleared { proposal, end: None }, tool, cwd, input })
                    if background =>
                {
                    // It has only begun; its end is told later.
                    let stage = Stage::Left { proposal };
                    self.uses.insert(name.to_owned(), Use { stage, tool, cwd, input });
                }
                Some(Use { stage: Stage::Cleared { proposal, end: Some(result) }, .. })
                    if background =>
                {
                    self.telling.finished(proposal, result);
                }
                Some(Use { stage: Stage::Cleared { proposal, .. }, tool, .. }) => {
                    // A command may well print the environment.
                    let block = self.program.scrub_json(block);
                    let result = actions::result(&tool, &block);
                    self.telling.finished(proposal, result);
                }
                Some(Use { stage: Stage::Asked { proposal, .. }, .. }) if failed => {
                    self.telling.withdraw(proposal);
                }
                // It was refused, or never came to be asked about.
                Some(Use { stage: Stage::Announced, .. }) | None if failed => {}
                Some(_) | None => {
                    return Err(ProgramError::Garbage(format!(
                        "it used a tool without having been told that it may (`{}`)",
                        shortened(&self.program.quote(name), 100)
                    )));
                }
            }
        }
        Ok(())
    }

    /// Something that ran in the background has ended.
    fn over(&mut self, message: &Value) {
        let name = text(message, "tool_use_id").unwrap_or_default();
        let words = text(message, "summary").unwrap_or_default();
        let code = words
            .rsplit_once("exit code ")
            .and_then(|(_, rest)| rest.trim_end_matches(')').parse().ok());
        let ending = match (text(message, "status"), code) {
            (Some("completed"), code) => Ending::Exited { code: code.unwrap_or(0) },
            (Some("failed"), code) => Ending::Exited { code: code.unwrap_or(1) },
            _ => Ending::Stopped,
        };
        let result = ended(ending, &self.program.scrub(words));
        match self.uses.get_mut(name).map(|known| &mut known.stage) {
            Some(Stage::Cleared { end, .. }) => *end = Some(result),
            Some(Stage::Left { proposal }) => {
                let id = *proposal;
                self.uses.remove(name);
                self.telling.finished(id, result);
            }
            Some(Stage::Announced | Stage::Asked { .. }) | None => {}
        }
    }

    /// A turn is over.
    fn turned(&mut self, message: &Value) {
        if let Some(models) = message.get("modelUsage").and_then(Value::as_object) {
            // `usage` beside it leaves the subagents out.
            let sum = |names: &[&str]| {
                let counts = models.values().flat_map(|model| {
                    names.iter().filter_map(|name| model.get(*name).and_then(Value::as_u64))
                });
                counts.fold(0, u64::saturating_add)
            };
            let input_tokens =
                sum(&["inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens"]);
            let output_tokens = sum(&["outputTokens"]);
            self.telling.report(AgentEvent::Usage { input_tokens, output_tokens });
        }
        let failed = message.get("is_error").and_then(Value::as_bool).unwrap_or(true);
        let subtype = text(message, "subtype").unwrap_or("unknown");
        self.end = Some(if !failed && subtype == "success" {
            (Outcome::Succeeded, Reason::Completed)
        } else {
            let errors = message.get("errors").and_then(Value::as_array);
            let said = errors.into_iter().flatten().filter_map(Value::as_str);
            let said = text(message, "result").into_iter().chain(said).collect::<Vec<_>>();
            let words = shortened(&self.program.quote(&said.join("; ")), 1000);
            let detail = match (subtype, words.is_empty()) {
                ("success", false) => words,
                (subtype, true) => format!("its turn ended with `{subtype}`"),
                (subtype, false) => format!("its turn ended with `{subtype}`: {words}"),
            };
            (Outcome::Failed, Reason::AgentFailed { detail })
        });
        // Where it tells its state, that follows when its subagents are through as well.
        if self.signal == Signal::Results {
            self.turn = Turn::Idle;
        }
    }

    /// Whether it owes nobody anything any more.
    fn rest(&self) -> Rest {
        let asked = self.uses.values().any(|known| matches!(known.stage, Stage::Asked { .. }));
        if self.end.is_none()
            || self.turn == Turn::Running
            || asked
            || !self.unheard.is_empty()
            || self.background == Background::Agents
        {
            return if asked { Rest::Asks } else { Rest::Works };
        }
        match self.background {
            Background::Nothing => Rest::Done,
            Background::Commands | Background::Agents => Rest::Waits,
        }
    }

    async fn hear(&mut self) -> Result<Heard, ProgramError> {
        let waiting = match self.rest() {
            Rest::Asks => Waiting::OnUs,
            Rest::Works | Rest::Waits | Rest::Done => Waiting::OnProgram,
        };
        self.program.next(waiting).await
    }

    fn ended(&self, ended: Ended) -> Result<Next, AgentError> {
        // One that was done and went by itself.
        match (&self.end, self.rest()) {
            (Some(end), Rest::Done | Rest::Waits) => Ok(done(end)),
            (Some(end @ (Outcome::Failed, _)), _) => Ok(done(end)),
            _ => Err(ProgramError::Ended(ended).into()),
        }
    }

    async fn advance(&mut self) -> Result<Next, AgentError> {
        loop {
            if let Some(next) = self.telling.next() {
                return Ok(next);
            }
            let heard = match (self.rest(), &self.end) {
                (Rest::Done, Some(end)) => return Ok(done(end)),
                (Rest::Waits, Some(end)) => {
                    let end = done(end);
                    match tokio::time::timeout(BACKGROUND, self.hear()).await {
                        Ok(heard) => heard,
                        Err(_) => return Ok(end),
                    }
                }
                _ => self.hear().await,
            };
            match heard {
                Ok(Heard::Line(line)) => self.take(&line)?,
                Ok(Heard::Ended(ended)) => return self.ended(ended),
                // It had said that it was done; what it waited for in silence never came.
                Err(ProgramError::Hung(_)) if self.end.is_some() => {
                    return Ok(self.end.as_ref().map_or_else(interrupted, done));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// What is left to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// It works.
    Works,
    /// It waits for an answer of ours, whatever else it does.
    Asks,
    /// It is done, and commands it left in the background are not.
    Waits,
    /// Nothing.
    Done,
}

impl Agent for Driver {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Next, AgentError>> + Send + '_>> {
        Box::pin(self.advance())
    }

    fn answer(&mut self, proposal: ProposalId, answer: Answer) {
        let found = self.uses.iter().find_map(|(name, known)| match &known.stage {
            Stage::Asked { proposal: of, request } if *of == proposal => {
                Some((name.clone(), request.clone()))
            }
            _ => None,
        });
        let Some((name, request)) = found else { return };
        let response = match answer {
            Answer::Cleared { input } => {
                let Some(known) = self.uses.get_mut(&name) else { return };
                known.stage = Stage::Cleared { proposal, end: None };
                // An edited form is JSON that was read before; should it not be, nothing runs.
                match input.as_deref().map(serde_json::from_str::<Value>) {
                    None => json!({"behavior": "allow", "updatedInput": known.input}),
                    Some(Ok(edited)) => json!({"behavior": "allow", "updatedInput": edited}),
                    Some(Err(_)) => deny("its edited form could not be read; nothing ran"),
                }
            }
            Answer::Refused { words, .. } => {
                self.uses.remove(&name);
                deny(&words)
            }
            // Nothing here is proposed for the worker to run.
            Answer::Ran { .. } => {
                self.uses.remove(&name);
                deny("it is not yours to run")
            }
        };
        self.respond(&request, response);
    }

    fn input_for(&self, proposal: ProposalId, action: &Action) -> Option<String> {
        let known = self.uses.values().find(
            |known| matches!(&known.stage, Stage::Asked { proposal: of, .. } if *of == proposal),
        )?;
        let input = actions::input_for(&known.tool, &known.input, action)?;
        // What the program would do with it is what was reviewed, or it does not get it.
        let same = actions::action(&known.tool, &input, &known.cwd) == *action;
        same.then(|| input.to_string())
    }

    fn message(&mut self, words: Words) {
        self.say(&words.whole());
    }

    fn interrupt(&mut self) {
        self.request("interrupt", json!({"subtype": "interrupt"}));
        self.telling.interrupted();
    }

    fn resume_key(&self) -> String {
        self.session.key()
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("session", &self.session).finish_non_exhaustive()
    }
}

fn done((outcome, reason): &(Outcome, Reason)) -> Next {
    Next::Done { outcome: *outcome, reason: reason.clone() }
}

fn deny(words: &str) -> Value {
    json!({"behavior": "deny", "message": words, "interrupt": false})
}

#[cfg(test)]
mod tests;
