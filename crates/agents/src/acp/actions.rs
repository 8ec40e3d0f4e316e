//! What the tools of agents that speak the protocol do, as actions, and what came of them.

use gatepost_domain::Action;
use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::Ending;
use serde_json::Value;
use serde_json::json;

use crate::acp::Lock;
use crate::claude::actions as claude;

/// A use of a tool as an action. The tools' names and inputs are OpenCode's; a tool that is not
/// known here, and one whose input has another form, is a tool call by its name, which the gate
/// never lets run by itself.
pub(super) fn action(tool: &str, input: &Value, workspace: &str) -> Action {
    let part = |name: &str| input.get(name).cloned().unwrap_or(Value::Null);
    let known = match tool {
        "bash" => {
            let cwd = match input.get("workdir") {
                None => Some(workspace.to_owned()),
                Some(Value::String(dir)) if dir.starts_with('/') => Some(dir.clone()),
                Some(Value::String(dir)) => Some(format!("{workspace}/{dir}")),
                Some(_) => None,
            };
            cwd.map(|cwd| ("Bash", json!({"command": part("command")}), cwd))
        }
        "read" => Some(("Read", json!({"file_path": part("filePath")}), workspace.to_owned())),
        "glob" | "grep" => {
            let mut search = json!({"pattern": part("pattern")});
            if let (Some(path), Some(search)) = (input.get("path"), search.as_object_mut()) {
                search.insert("path".into(), path.clone());
            }
            let known = if tool == "glob" { "Glob" } else { "Grep" };
            Some((known, search, workspace.to_owned()))
        }
        "write" => {
            let write = json!({"file_path": part("filePath"), "content": part("content")});
            Some(("Write", write, workspace.to_owned()))
        }
        "edit" => {
            let edit = json!({
                "file_path": part("filePath"),
                "old_string": part("oldString"),
                "new_string": part("newString"),
            });
            Some(("Edit", edit, workspace.to_owned()))
        }
        "webfetch" => Some(("WebFetch", json!({"url": part("url")}), workspace.to_owned())),
        _ => None,
    };
    let unknown = || Action::Tool { name: tool.to_owned(), input: input.to_string() };
    match known {
        None => unknown(),
        Some((name, input, cwd)) => match claude::action(name, &input, &cwd) {
            // Told under the name it came with.
            Action::Tool { .. } => unknown(),
            action => action,
        },
    }
}

/// How a use of a tool that was let run ended, as the program tells it.
pub(super) fn result(lock: &Lock, update: &Value, failed: bool) -> ActionResult {
    let output = update.pointer("/rawOutput/output").and_then(Value::as_str);
    let error = update.pointer("/rawOutput/error").and_then(Value::as_str);
    let parts = update.get("content").and_then(Value::as_array).into_iter().flatten();
    let parts = parts.filter_map(|part| part.pointer("/content/text").and_then(Value::as_str));
    let words = match output.or(error) {
        Some(words) => words.to_owned(),
        None => parts.collect::<Vec<_>>().join("\n"),
    };
    let code = update.pointer("/rawOutput/metadata/exit").and_then(Value::as_i64);
    let code = code.and_then(|code| i32::try_from(code).ok());
    let ending = match (failed, code) {
        // Our yes crossed with the end of all it had asked in that turn.
        (true, _) if lock.given_up.is_some_and(|given_up| words.starts_with(given_up)) => {
            Ending::Broken { detail: "the agent gave it up before it began".into() }
        }
        (_, Some(code)) => Ending::Exited { code },
        (false, None) => Ending::Exited { code: 0 },
        (true, None) => Ending::Exited { code: 1 },
    };
    claude::ended(ending, &words)
}

#[cfg(test)]
mod tests {
    use gatepost_domain::action::Exec;

    use super::*;
    use crate::acp::OPENCODE;

    #[test]
    fn tools_are_the_actions_they_carry_out() {
        let exec = |cwd: &str| {
            Action::Exec(Exec { command: "ls".into(), cwd: cwd.into(), env: [].into() })
        };
        let read = |path: &str| Action::Read { path: path.into() };
        let other = |name: &str, input: &Value| Action::Tool {
            name: name.into(),
            input: input.to_string(),
        };
        let bad = json!({"command": "ls", "workdir": 7});
        let patch = json!({"patchText": "*** Begin Patch"});
        let cases = [
            ("bash", json!({"command": "ls", "cwd": "/srv/demo"}), exec("/srv/demo")),
            // Where it runs is the working directory it names, and no other.
            ("bash", json!({"command": "ls", "workdir": "/etc"}), exec("/etc")),
            ("bash", json!({"command": "ls", "workdir": "a"}), exec("/srv/demo/a")),
            ("bash", bad.clone(), other("bash", &bad)),
            ("bash", json!({}), other("bash", &json!({}))),
            ("read", json!({"filePath": "/etc/hosts"}), read("/etc/hosts")),
            ("glob", json!({"pattern": "*", "path": "/etc"}), read("/etc")),
            ("grep", json!({"pattern": "x"}), read("/srv/demo")),
            (
                "write",
                json!({"filePath": "/a", "content": "x"}),
                Action::Write { path: "/a".into(), content: "x".into() },
            ),
            (
                "edit",
                json!({"filePath": "/a", "oldString": "x", "newString": "y"}),
                Action::Edit { path: "/a".into(), content: "-x\n+y\n".into(), replaces: None },
            ),
            ("webfetch", json!({"url": "https://a/"}), Action::Fetch { url: "https://a/".into() }),
            ("apply_patch", patch.clone(), other("apply_patch", &patch)),
        ];
        for (tool, input, wanted) in cases {
            assert_eq!(action(tool, &input, "/srv/demo"), wanted, "{tool} {input}");
        }
    }

    #[test]
    fn results_have_their_code_and_what_never_began_says_so() {
        let end = |update: Value, failed| result(&OPENCODE, &update, failed).ending;
        let exited = |code| Ending::Exited { code };
        let bash = json!({"rawOutput": {"output": "x", "metadata": {"exit": 3}}});
        assert_eq!(end(bash, false), exited(3));
        assert_eq!(end(json!({"rawOutput": {"output": "x"}}), false), exited(0));
        assert_eq!(end(json!({"rawOutput": {"error": "no such file"}}), true), exited(1));
        let rejected = json!({"rawOutput": {"error": "The user rejected permission to use this"}});
        assert!(matches!(end(rejected, true), Ending::Broken { .. }));
    }
}
