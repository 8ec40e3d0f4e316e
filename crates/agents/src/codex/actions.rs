//! What Codex asks about, as actions.

use std::collections::BTreeMap;

use gatepost_domain::Action;
use gatepost_domain::action::Exec;
use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::Ending;
use serde_json::Value;

use crate::telling::ended;

/// The shells whose wrapper says nothing: an action's command is read as bash reads it anyway.
const SHELLS: [&str; 3] = ["/bin/bash", "/usr/bin/bash", "bash"];

/// A question about a command as an action. One that is about something else than a whole
/// command, and one of a form that is not known here, is a tool call, which the gate never lets run
/// by itself.
#[must_use]
pub fn command(params: &Value) -> Action {
    let text = |name: &str| params.get(name).and_then(Value::as_str);
    // Whether it may reach a host is asked in the same form, without a command of its own.
    let plain = params.get("networkApprovalContext").is_none_or(Value::is_null)
        && matches!(text("kind"), None | Some("command"));
    match (plain, text("command"), text("cwd")) {
        (true, Some(command), Some(cwd)) => Action::Exec(Exec {
            command: unwrapped(command),
            cwd: cwd.to_owned(),
            env: BTreeMap::new(),
        }),
        _ => Action::Tool {
            name: format!("codex/{}", text("kind").unwrap_or("command")),
            input: params.to_string(),
        },
    }
}

/// The command inside `bash -lc '…'`, where the text is exactly that and nothing more. Anything
/// else stays as it is: it is still a command, only longer to read.
#[must_use]
pub fn unwrapped(command: &str) -> String {
    let words = shlex::split(command).unwrap_or_default();
    // What comes out the same when it is quoted again was understood to the last character.
    let exact = shlex::try_join(words.iter().map(String::as_str)).is_ok_and(|text| text == command);
    match words.as_slice() {
        [shell, flag, script]
            if exact && SHELLS.contains(&shell.as_str()) && matches!(&**flag, "-lc" | "-c") =>
        {
            script.clone()
        }
        _ => command.to_owned(),
    }
}

/// The files of one change, each an action of its own; none where a file's part is not understood.
#[must_use]
pub fn changes(item: &Value) -> Option<Vec<Action>> {
    let changes = item.get("changes")?.as_array()?;
    let mut actions = Vec::new();
    for change in changes {
        let path = change.get("path")?.as_str()?.to_owned();
        let diff = change.get("diff")?.as_str()?.to_owned();
        match change.pointer("/kind/type")?.as_str()? {
            // The whole file.
            "add" => actions.push(Action::Write { path, content: diff }),
            "delete" => {
                actions.push(Action::Edit { path, content: marked('-', &diff), replaces: None })
            }
            "update" => {
                if let Some(to) = change.pointer("/kind/move_path").and_then(Value::as_str) {
                    let content = format!("moved here from {path}\n{diff}");
                    actions.push(Action::Edit { path: to.to_owned(), content, replaces: None });
                    let content = format!("moved from here to {to}\n{diff}");
                    actions.push(Action::Edit { path, content, replaces: None });
                } else {
                    actions.push(Action::Edit { path, content: diff, replaces: None });
                }
            }
            _ => return None,
        }
    }
    (!actions.is_empty()).then_some(actions)
}

fn marked(mark: char, text: &str) -> String {
    text.lines().map(|line| format!("{mark}{line}\n")).collect()
}

/// How an item of work ended, as the program tells it.
#[must_use]
pub fn result(item: &Value) -> ActionResult {
    let code = item.get("exitCode").and_then(Value::as_i64);
    let ending = match (code, item.get("status").and_then(Value::as_str)) {
        (Some(code), _) => Ending::Exited { code: i32::try_from(code).unwrap_or(i32::MAX) },
        (None, Some("completed")) => Ending::Exited { code: 0 },
        (None, status) => Ending::Broken {
            detail: format!("the agent says it `{}`", status.unwrap_or("did not say how it ended")),
        },
    };
    ended(ending, item.get("aggregatedOutput").and_then(Value::as_str).unwrap_or_default())
}

/// An item of work in few words, where it is one: something done and not only said.
#[must_use]
pub fn work(item: &Value) -> Option<String> {
    let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    Some(match text("type") {
        "commandExecution" => unwrapped(text("command")),
        "fileChange" => {
            let changes = item.get("changes").and_then(Value::as_array);
            let paths = changes.into_iter().flatten().filter_map(|change| change.get("path"));
            let paths: Vec<_> = paths.filter_map(Value::as_str).collect();
            format!("change of {}", paths.join(", "))
        }
        "imageView" => format!("look at {}", text("path")),
        "webSearch" => format!("web search for {}", text("query")),
        "mcpToolCall" => format!("tool {} of server {}", text("tool"), text("server")),
        "dynamicToolCall" => format!("tool {}", text("tool")),
        "collabAgentToolCall" => format!("subagent: {}", text("tool")),
        "imageGeneration" => "picture".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_an_exact_wrapper_is_taken_off() {
        for (command, wanted) in [
            ("/bin/bash -lc 'ls -la'", "ls -la"),
            ("/bin/bash -lc ls", "ls"),
            (
                "/bin/bash -lc \"touch made; echo 'it is' && exit 3\"",
                "touch made; echo 'it is' && exit 3",
            ),
            ("/usr/bin/bash -c 'a b'", "a b"),
            // Not bash, more words, other flags, or more than the wrapper.
            ("/usr/bin/sh -c ls", "/usr/bin/sh -c ls"),
            ("/bin/bash -lc 'ls' x", "/bin/bash -lc 'ls' x"),
            ("/bin/bash -ic 'ls -la'", "/bin/bash -ic 'ls -la'"),
            ("/tmp/bash -lc 'ls -la'", "/tmp/bash -lc 'ls -la'"),
            ("/bin/bash -lc 'ls -la'; rm x", "/bin/bash -lc 'ls -la'; rm x"),
            ("/bin/bash -lc 'ls -la' # x", "/bin/bash -lc 'ls -la' # x"),
            ("/bin/bash -lc $(x)", "/bin/bash -lc $(x)"),
            ("/bin/bash -lc 'ls", "/bin/bash -lc 'ls"),
            ("", ""),
        ] {
            assert_eq!(unwrapped(command), wanted, "{command}");
        }
    }

    #[test]
    fn any_script_comes_out_of_its_wrapper_whole() {
        proptest::proptest!(|(script in "[^\0]{0,60}")| {
            if let Ok(text) = shlex::try_join(["/bin/bash", "-lc", script.as_str()]) {
                proptest::prop_assert_eq!(unwrapped(&text), script);
            }
        });
    }

    #[test]
    fn what_is_no_plain_command_is_a_tool_call() {
        let plain = json!({"kind": "command", "command": "/bin/bash -lc ls", "cwd": "/srv"});
        assert!(matches!(command(&plain), Action::Exec(exec) if exec.command == "ls"));
        for odd in [
            json!({"kind": "stdin", "command": "rm x", "cwd": "/srv"}),
            json!({"kind": "command", "command": "ls"}),
            json!({"kind": "command", "cwd": "/srv"}),
            json!({"command": "ls", "cwd": "/srv", "networkApprovalContext": {"host": "a"}}),
        ] {
            assert!(matches!(command(&odd), Action::Tool { .. }), "{odd}");
        }
    }

    #[test]
    fn every_file_of_a_change_is_an_action() {
        let item = json!({"changes": [
            {"path": "/p/a", "kind": {"type": "add"}, "diff": "x\n"},
            {"path": "/p/b", "kind": {"type": "update", "move_path": null}, "diff": "@@\n-x\n+y\n"},
            {"path": "/p/c", "kind": {"type": "delete"}, "diff": "z\n"},
            {"path": "/p/d", "kind": {"type": "update", "move_path": "/p/e"}, "diff": "@@\n"},
        ]});
        let edit = |path: &str, content: &str| Action::Edit {
            path: path.into(),
            content: content.into(),
            replaces: None,
        };
        let wanted = vec![
            Action::Write { path: "/p/a".into(), content: "x\n".into() },
            edit("/p/b", "@@\n-x\n+y\n"),
            edit("/p/c", "-z\n"),
            edit("/p/e", "moved here from /p/d\n@@\n"),
            edit("/p/d", "moved from here to /p/e\n@@\n"),
        ];
        assert_eq!(changes(&item), Some(wanted));
        for bad in [
            json!({}),
            json!({"changes": []}),
            json!({"changes": [{"path": "/p/a", "kind": {"type": "chmod"}, "diff": ""}]}),
            json!({"changes": [{"path": "/p/a", "kind": {"type": "add"}, "diff": "x"}, {"path": 3}]}),
        ] {
            assert_eq!(changes(&bad), None, "{bad}");
        }
    }
}
