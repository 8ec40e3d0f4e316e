//! What Claude Code's tools do, as actions, and what came of them, as results.

use std::collections::BTreeMap;

use gatepost_domain::Action;
use gatepost_domain::action::Exec;
use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::Ending;
use serde_json::Value;

use crate::telling::ended;

/// The built-in tools that Claude Code is given. What is not here it does not have: tools that
/// schedule work for later, switch work trees or run commands by another name add nothing that a
/// task needs and would each want rules of their own.
pub const TOOLS: [&str; 13] = [
    "Bash",
    "Read",
    "Edit",
    "MultiEdit",
    "Write",
    "NotebookEdit",
    "Glob",
    "Grep",
    "WebFetch",
    "WebSearch",
    "Task",
    "TaskStop",
    "TodoWrite",
];

/// A use of a tool as an action. One whose input has not the form of its tool, and every tool that
/// is not known here, is a tool call by its name, which the gate never lets run by itself.
#[must_use]
pub fn action(tool: &str, input: &Value, cwd: &str) -> Action {
    known(tool, input, cwd)
        .unwrap_or_else(|| Action::Tool { name: tool.to_owned(), input: input.to_string() })
}

fn known(tool: &str, input: &Value, cwd: &str) -> Option<Action> {
    let text = |name: &str| input.get(name).and_then(Value::as_str);
    let path = |name: &str| text(name).map(|path| absolute(path, cwd));
    Some(match tool {
        "Bash" => Action::Exec(Exec {
            command: text("command")?.to_owned(),
            cwd: cwd.to_owned(),
            env: BTreeMap::new(),
        }),
        "Read" => Action::Read { path: path("file_path")? },
        // They search below a directory, so that is what they read.
        "Glob" => {
            let pattern = text("pattern")?;
            let below = path("path").unwrap_or_else(|| cwd.to_owned());
            // A pattern may lead anywhere by itself.
            Action::Read { path: root_of(&absolute(pattern, &below)) }
        }
        "Grep" => {
            text("pattern")?;
            Action::Read { path: path("path").unwrap_or_else(|| cwd.to_owned()) }
        }
        "Write" => Action::Write { path: path("file_path")?, content: text("content")?.to_owned() },
        "Edit" => {
            Action::Edit { path: path("file_path")?, content: change(input)?, replaces: None }
        }
        "MultiEdit" => {
            let edits = input.get("edits")?.as_array()?;
            let changes: Option<Vec<String>> = edits.iter().map(change).collect();
            Action::Edit { path: path("file_path")?, content: changes?.join("\n"), replaces: None }
        }
        "NotebookEdit" => Action::Edit {
            path: path("notebook_path")?,
            content: text("new_source").unwrap_or_default().to_owned(),
            replaces: None,
        },
        "WebFetch" => Action::Fetch { url: text("url")?.to_owned() },
        _ => return None,
    })
}

/// The input with which a use of a tool does this action in the place of its own; none where the two
/// are not of one kind, or a tool's action does not say all that its input does.
#[must_use]
pub fn input_for(tool: &str, input: &Value, action: &Action) -> Option<Value> {
    let field = match (tool, action) {
        ("Bash", Action::Exec(_)) => "command",
        ("Write", Action::Write { .. }) => "content",
        ("WebFetch", Action::Fetch { .. }) => "url",
        (_, Action::Tool { name, input }) if name == tool => {
            return serde_json::from_str(input).ok();
        }
        _ => return None,
    };
    let mut input = input.clone();
    *input.get_mut(field)? = action.text()?.into();
    Some(input)
}

/// One replacement as a person reads it.
fn change(edit: &Value) -> Option<String> {
    let old = edit.get("old_string")?.as_str()?;
    let new = edit.get("new_string")?.as_str()?;
    let marked = |mark: &str, text: &str| {
        text.lines().map(|line| format!("{mark}{line}\n")).collect::<String>()
    };
    Some(marked("-", old) + &marked("+", new))
}

fn absolute(path: &str, cwd: &str) -> String {
    if path.starts_with(['/', '~']) { path.to_owned() } else { format!("{cwd}/{path}") }
}

/// The part of a path pattern before its first wildcard.
fn root_of(pattern: &str) -> String {
    let end = pattern.find(['*', '?', '[', '{']).unwrap_or(pattern.len());
    let plain = pattern.get(..end).unwrap_or_default();
    match plain.rfind('/') {
        _ if end == pattern.len() => pattern.to_owned(),
        Some(0) | None => "/".to_owned(),
        Some(slash) => plain.get(..slash).unwrap_or_default().to_owned(),
    }
}

/// What a tool gave back, as the program tells it.
#[must_use]
pub fn result(tool: &str, block: &Value) -> ActionResult {
    let text = content(block.get("content").unwrap_or(&Value::Null));
    let failed = block.get("is_error").and_then(Value::as_bool).unwrap_or(false);
    // A command that failed begins its result with `Exit code N`; the other tools have no code.
    let code = exit_code(&text).filter(|_| tool == "Bash");
    let code = code.and_then(|code| i32::try_from(code).ok());
    let ending = match (failed, code) {
        (false, _) => Ending::Exited { code: 0 },
        (true, code) => Ending::Exited { code: code.unwrap_or(1) },
    };
    ended(ending, &text)
}

/// The code that the result of a command that failed begins with.
pub(crate) fn exit_code(text: &str) -> Option<i64> {
    text.strip_prefix("Exit code ")?.split_whitespace().next()?.parse().ok()
}

/// Text of a message's content: a string, or blocks of which only text is kept.
#[must_use]
pub fn content(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks.iter().map(|block| {
                let kind = block.get("type").and_then(Value::as_str).unwrap_or_default();
                match block.get("text").and_then(Value::as_str) {
                    Some(text) => text.to_owned(),
                    None => format!("[{kind}]"),
                }
            });
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use gatepost_domain::agent::KEPT_OUTPUT;
    use serde_json::json;

    use super::*;

    #[test]
    fn tools_are_the_actions_they_carry_out() {
        let cwd = "/srv/demo";
        let read = |path: &str| Action::Read { path: path.into() };
        let cases = [
            (
                "Bash",
                json!({"command": "ls", "description": "looks"}),
                Action::Exec(Exec { command: "ls".into(), cwd: cwd.into(), env: [].into() }),
            ),
            ("Read", json!({"file_path": "/etc/hosts"}), read("/etc/hosts")),
            ("Read", json!({"file_path": "a/b"}), read("/srv/demo/a/b")),
            ("Read", json!({"file_path": "~/.ssh/id"}), read("~/.ssh/id")),
            ("Grep", json!({"pattern": "x"}), read("/srv/demo")),
            ("Grep", json!({"pattern": "x", "path": "/etc"}), read("/etc")),
            ("Glob", json!({"pattern": "**/*.rs"}), read("/srv/demo")),
            ("Glob", json!({"pattern": "/home/*/.ssh/*"}), read("/home")),
            ("Glob", json!({"pattern": "*/x", "path": "/etc"}), read("/etc")),
            (
                "Write",
                json!({"file_path": "/a", "content": "x"}),
                Action::Write { path: "/a".into(), content: "x".into() },
            ),
            (
                "Edit",
                json!({"file_path": "/a", "old_string": "x\ny", "new_string": "z"}),
                Action::Edit { path: "/a".into(), content: "-x\n-y\n+z\n".into(), replaces: None },
            ),
            (
                "MultiEdit",
                json!({"file_path": "/a", "edits": [{"old_string": "x", "new_string": "y"}]}),
                Action::Edit { path: "/a".into(), content: "-x\n+y\n".into(), replaces: None },
            ),
            ("WebFetch", json!({"url": "https://a/"}), Action::Fetch { url: "https://a/".into() }),
        ];
        for (tool, input, wanted) in cases {
            assert_eq!(action(tool, &input, cwd), wanted, "{tool} {input}");
        }
    }

    #[test]
    fn what_a_person_makes_of_an_action_is_what_the_tool_is_handed() {
        let cwd = "/srv/demo";
        let cases = [
            (
                "Bash",
                json!({"command": "rm -rf /", "description": "cleans"}),
                "rm -rf out",
                json!({"command": "rm -rf out", "description": "cleans"}),
            ),
            (
                "Write",
                json!({"file_path": "a", "content": "x"}),
                "y",
                json!({"file_path": "a", "content": "y"}),
            ),
            (
                "WebFetch",
                json!({"url": "https://a/", "prompt": "sum up"}),
                "https://b/",
                json!({"url": "https://b/", "prompt": "sum up"}),
            ),
            ("mcp__a__b", json!({"x": 1}), r#"{"x":2}"#, json!({"x": 2})),
        ];
        for (tool, input, text, wanted) in cases {
            let edited = action(tool, &input, cwd).with_text(text).unwrap();
            let got = input_for(tool, &input, &edited).unwrap();
            assert_eq!(got, wanted);
            assert_eq!(action(tool, &got, cwd), edited, "{tool}");
        }
        let bash = json!({"command": "ls"});
        let other = Action::Fetch { url: "https://a/".into() };
        assert_eq!(input_for("Bash", &bash, &other), None);
        let no_json = Action::Tool { name: "mcp__a__b".into(), input: "no".into() };
        assert_eq!(input_for("mcp__a__b", &json!({}), &no_json), None);
        let edit = json!({"file_path": "/a", "old_string": "x", "new_string": "y"});
        assert_eq!(input_for("Edit", &edit, &action("Edit", &edit, cwd)), None);
    }

    #[test]
    fn what_is_not_known_stays_a_tool_call() {
        let cases = [
            ("Bash", json!({"cmd": "ls"})),
            ("Read", json!({"file_path": 7})),
            ("Edit", json!({"file_path": "/a"})),
            ("MultiEdit", json!({"file_path": "/a", "edits": [{"old_string": "x"}]})),
            ("Agent", json!({"prompt": "x"})),
            ("WebSearch", json!({"query": "x"})),
            ("mcp__a__b", json!({})),
            ("Unheard", json!(null)),
        ];
        for (tool, input) in cases {
            let wanted = Action::Tool { name: tool.into(), input: input.to_string() };
            assert_eq!(action(tool, &input, "/srv/demo"), wanted);
        }
    }

    #[test]
    fn results_have_their_code_and_are_bounded() {
        let code = |tool, block| match result(tool, &block).ending {
            Ending::Exited { code } => code,
            other => panic!("{other:?}"),
        };
        assert_eq!(code("Bash", json!({"content": "Exit code 3\nno", "is_error": true})), 3);
        assert_eq!(code("Bash", json!({"content": "Exit code 3"})), 0, "only its text says so");
        assert_eq!(code("Read", json!({"content": "Exit code 3", "is_error": true})), 1);
        assert_eq!(code("Read", json!({"content": [{"type": "text", "text": "a"}]})), 0);
        let long = "ä".repeat(KEPT_OUTPUT * 2);
        let kept = ended(Ending::CutOff, &long);
        let all = kept.head.len() as u64 + kept.dropped + kept.tail.len() as u64;
        assert_eq!(all, long.len() as u64);
        assert!(kept.head.len() <= KEPT_OUTPUT && kept.tail.len() <= KEPT_OUTPUT);
    }
}
