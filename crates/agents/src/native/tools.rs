//! The tools of the native agent, and what each call comes to as an action.

use gatepost_domain::Action;
use gatepost_domain::action::Exec;
use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::Ending;
use gatepost_models::Tool;
use gatepost_models::ToolCall;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::json;

use crate::agent::ShellState;

/// What a call comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// Something to be done.
    Act(Action),
    /// A question to the person.
    Ask(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    command: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    path: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    path: String,
    content: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    path: String,
    old: String,
    new: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    pattern: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    glob: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    question: String,
}

/// What the model may call.
pub(super) fn all() -> Vec<Tool> {
    let text = |description: &str| json!({ "type": "string", "description": description });
    let tool = |name, description, fields: Value, needed: &[&str]| Tool {
        name,
        description,
        schema: json!({
            "type": "object",
            "properties": fields,
            "required": needed,
            "additionalProperties": false,
        }),
    };
    let path = || text("relative to the workspace, or absolute");
    vec![
        tool(
            "exec",
            "Runs a bash command in the sandbox. The working directory and exported variables carry \
             over to the next one. Long output loses its middle.",
            json!({ "command": text("the command") }),
            &["command"],
        ),
        tool(
            "read",
            "Reads a text file. A long one loses its middle; read parts with exec and `sed -n`.",
            json!({ "path": path() }),
            &["path"],
        ),
        tool(
            "write",
            "Writes a whole file, new or in place of the old one.",
            json!({ "path": path(), "content": text("the whole new content") }),
            &["path", "content"],
        ),
        tool(
            "edit",
            "Replaces one piece of a file. The old piece must occur in it exactly once.",
            json!({
                "path": path(),
                "old": text("the piece as it stands in the file, with enough around it to be unique"),
                "new": text("what stands there afterwards"),
            }),
            &["path", "old", "new"],
        ),
        tool(
            "search",
            "Searches files below the workspace for an extended regular expression.",
            json!({
                "pattern": text("the expression"),
                "path": text("where to search; the workspace when left out"),
                "glob": text("only files with such a name, such as `*.rs`"),
            }),
            &["pattern"],
        ),
        tool(
            "fetch",
            "Fetches a web address. Only hosts that are allowed are reached.",
            json!({ "url": text("the address") }),
            &["url"],
        ),
        tool(
            "ask_person",
            "Asks the person something that you cannot find out or decide, and waits for the answer.",
            json!({ "question": text("the question") }),
            &["question"],
        ),
    ]
}

/// What the call comes to; why not, for the model, when it is no proper one.
pub(super) fn wish(call: &ToolCall, workspace: &str, shell: ShellState) -> Result<Wish, String> {
    let input =
        call.input.as_ref().ok_or("the input is no JSON object, or was cut off; send it whole")?;
    let at = |path: &str| place(workspace, path);
    Ok(Wish::Act(match call.name.as_str() {
        "exec" => exec(fields::<Command>(input)?.command, shell),
        "read" => Action::Read { path: at(&fields::<File>(input)?.path)? },
        "write" => {
            let Content { path, content } = fields(input)?;
            Action::Write { path: at(&path)?, content }
        }
        "edit" => {
            let Change { path, old, new } = fields(input)?;
            if old.is_empty() {
                return Err("`old` is empty; use `write` for a whole file".into());
            }
            Action::Edit { path: at(&path)?, content: new, replaces: Some(old) }
        }
        "search" => exec(search(fields(input)?, workspace), shell),
        "fetch" => Action::Fetch { url: fields::<Page>(input)?.url },
        "ask_person" => return Ok(Wish::Ask(fields::<Question>(input)?.question)),
        other => return Err(format!("there is no tool `{other}`")),
    }))
}

fn exec(command: String, shell: ShellState) -> Action {
    Action::Exec(Exec { command, cwd: shell.cwd, env: shell.env })
}

fn fields<T: DeserializeOwned>(input: &Value) -> Result<T, String> {
    T::deserialize(input).map_err(|error| format!("the input does not fit the tool: {error}"))
}

/// An absolute path. The gate and the executor look at where it leads.
fn place(workspace: &str, path: &str) -> Result<String, String> {
    if path.trim().is_empty() {
        return Err("`path` is empty".into());
    }
    let path = path.strip_prefix("./").unwrap_or(path);
    if path.starts_with('/') { Ok(path.to_owned()) } else { Ok(format!("{workspace}/{path}")) }
}

fn search(search: Search, workspace: &str) -> String {
    let name = search.glob.map_or_else(String::new, |glob| format!(" --include={}", quoted(&glob)));
    let place = quoted(search.path.as_deref().unwrap_or(workspace));
    let pattern = quoted(&search.pattern);
    format!("grep -rnIE --exclude-dir=.git{name} -e {pattern} -- {place} | head -n 200")
}

/// A word as the shell takes it, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// How an action ended, for the model.
pub(super) fn words(result: &ActionResult) -> String {
    let mut text = result.head.clone();
    if result.dropped > 0 {
        text.push_str(&format!("\n[{} bytes are left out here]\n", result.dropped));
    }
    text.push_str(&result.tail);
    match &result.ending {
        Ending::Exited { code: 0 } if text.is_empty() => "done, without output".into(),
        Ending::Exited { code: 0 } => text,
        other if text.is_empty() => other.words(),
        other => format!("{text}\n[{}]", other.words()),
    }
}
