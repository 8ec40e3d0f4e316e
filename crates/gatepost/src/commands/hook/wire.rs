//! What Claude Code and Codex write to a `PreToolUse` hook, and what they understand as its answer.

use gatepost_agents::claude;
use gatepost_agents::codex;
use gatepost_domain::action::Action;
use serde_json::Value;
use serde_json::json;

use crate::commands::policy;

/// The event this hook is for.
const EVENT: &str = "PreToolUse";

/// The tool by which Codex changes files.
const PATCH: &str = "apply_patch";

/// Tools whose input says what they do.
const KNOWN: [&str; 9] =
    ["Bash", "Read", "Edit", "MultiEdit", "Write", "NotebookEdit", "Glob", "Grep", "WebFetch"];

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    /// Claude Code: allow, ask, deny, or nothing, which leaves it to its own rules.
    Claude,
    /// Codex: deny, or nothing. It reads `allow` and `ask` as a broken hook, and then runs the tool.
    Codex,
}

/// What to say of a use of a tool, from the least to the most careful.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    /// It may run, for this reason.
    Allow(String),
    /// Nothing speaks against it, and nothing holds what it does: the host decides.
    Pass,
    /// A person is asked, for this reason.
    Ask(String),
    /// It is refused, for this reason.
    Deny(String),
}

/// One use of a tool.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Event {
    /// Who asks.
    pub(super) host: Host,
    /// Where the agent is, absolute.
    pub(super) cwd: String,
    tool: String,
    input: Value,
}

impl Event {
    /// Reads what a host wrote.
    ///
    /// # Errors
    /// Why it is none of its events, in words.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let fields: Value = serde_json::from_slice(text)
            .map_err(|error| format!("the event is not one JSON object: {error}"))?;
        let text = |name: &str| match fields.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
            None => Ok(None),
            Some(_) => Err(format!("the event's `{name}` is no text")),
        };
        if let Some(event) = text("hook_event_name")?.filter(|event| event != EVENT) {
            return Err(format!(
                "this is the hook of `{EVENT}` and was asked about `{event}`; take it out of there"
            ));
        }
        let cwd = match text("cwd")? {
            Some(cwd) => cwd,
            // A hook is started where the agent is.
            None => std::env::current_dir()
                .map(|dir| policy::text_of(&dir))
                .map_err(|error| format!("where the agent is cannot be told: {error}"))?,
        };
        if !cwd.starts_with('/') {
            return Err("the event's `cwd` is not an absolute path".to_owned());
        }
        let tool = text("tool_name")?.ok_or_else(|| "the event has no `tool_name`".to_owned())?;
        // Both fields are required in Codex's schema and not there in Claude Code's. Were that to
        // change, questions of Claude Code would become refusals, and nothing would run for it.
        let codex = ["turn_id", "model"].iter().any(|name| fields.get(name).is_some());
        Ok(Self {
            host: if codex { Host::Codex } else { Host::Claude },
            cwd,
            tool,
            input: fields.get("tool_input").cloned().unwrap_or(Value::Null),
        })
    }

    /// What the tool does. A tool that is not known is a tool call by its name, which no fact
    /// allows.
    ///
    /// # Errors
    /// The input has not the form of its tool.
    pub(super) fn actions(&self) -> Result<Vec<Action>, String> {
        let Self { host, cwd, tool, input } = self;
        let wrong = || format!("the input of `{tool}` has not the form that is known of it");
        if *host == Host::Codex && tool == PATCH {
            let text = input.get("command").and_then(Value::as_str);
            return text.and_then(|text| codex::patch(text, cwd)).ok_or_else(wrong);
        }
        match claude::actions::action(tool, input, cwd) {
            Action::Tool { .. } if KNOWN.contains(&tool.as_str()) => Err(wrong()),
            action => Ok(vec![action]),
        }
    }
}

impl Host {
    /// The answer in the host's form.
    pub(super) fn answer(self, word: &Word) -> Value {
        match (self, word) {
            (Self::Claude, Word::Allow(why)) => decision("allow", why),
            (Self::Claude, Word::Ask(why)) => decision("ask", why),
            (Self::Codex, Word::Ask(why)) => denied(&format!(
                "Gatepost: {why} A person would be asked, and Codex has no way to ask from a hook. \
                 The person can run it, or allow it with a rule of their own."
            )),
            (Self::Claude | Self::Codex, Word::Deny(why)) => denied(&format!("Gatepost: {why}")),
            (Self::Claude, Word::Pass) | (Self::Codex, Word::Allow(_) | Word::Pass) => json!({}),
        }
    }
}

/// A refusal in the form that both hosts understand.
pub(super) fn denied(why: &str) -> Value {
    decision("deny", why)
}

fn decision(word: &str, why: &str) -> Value {
    let why = if word == "deny" { why.to_owned() } else { format!("Gatepost: {why}") };
    json!({
        "hookSpecificOutput": {
            "hookEventName": EVENT,
            "permissionDecision": word,
            "permissionDecisionReason": why,
        }
    })
}
