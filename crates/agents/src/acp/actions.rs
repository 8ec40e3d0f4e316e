//! What the tools of agents that speak the protocol do, as actions, and what came of them.

use std::collections::BTreeMap;

use gatepost_domain::Action;
use gatepost_domain::action::Exec;
use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::Ending;
use serde_json::Value;
use serde_json::json;

use crate::acp::Lock;
use crate::acp::locks::Asks;
use crate::acp::locks::Refusal;
use crate::claude::actions;
use crate::telling::ended;
use crate::telling::text;

/// A use of a tool of OpenCode as an action. A tool that is not known here, and one whose input has
/// another form, is a tool call by its name, which the gate never lets run by itself.
pub(super) fn opencode(tool: &str, input: &Value, workspace: &str) -> Action {
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
        Some((name, input, cwd)) => match actions::action(name, &input, &cwd) {
            // Told under the name it came with.
            Action::Tool { .. } => unknown(),
            action => action,
        },
    }
}

/// A use of a tool of Claude Code, all of which run in the project's directory.
pub(super) fn claude(tool: &str, input: &Value, workspace: &str) -> Action {
    actions::action(tool, input, workspace)
}

/// A use of a tool as Gemini CLI shows it: a command is the title and its directory stands in the
/// content; a file that is read is the place; one that is changed is there whole, before and after.
/// Whatever shows itself otherwise is a tool call.
pub(super) fn gemini(update: &Value, workspace: &str) -> Action {
    shown(update, workspace).unwrap_or_else(|| unknown(update))
}

/// A use of a tool of an agent that nothing is known of, as it tells it.
pub(super) fn any(update: &Value, input: Option<&Value>, workspace: &str) -> Action {
    let input = update.get("rawInput").or(input);
    let command = input.and_then(|input| text(input, "command"));
    match (text(update, "kind"), command) {
        (Some("execute"), Some(command)) => exec(command, workspace.to_owned()),
        (Some("execute"), None) => unknown(update),
        _ => gemini(update, workspace),
    }
}

fn shown(update: &Value, workspace: &str) -> Option<Action> {
    let content = update.get("content").and_then(Value::as_array);
    let only = || content.and_then(|parts| parts.first().filter(|_| parts.len() == 1));
    match text(update, "kind")? {
        "execute" => {
            let place = only()?.pointer("/content/text")?.as_str()?;
            Some(exec(text(update, "title")?, directory(place, workspace)?))
        }
        "read" => {
            let places = update.get("locations")?.as_array()?;
            let path = text(places.first().filter(|_| places.len() == 1)?, "path")?;
            Some(Action::Read { path: path.to_owned() })
        }
        "edit" => {
            let diff = only().filter(|part| text(part, "type") == Some("diff"))?;
            let (path, content) = (text(diff, "path")?, text(diff, "newText")?);
            Some(Action::Write { path: path.to_owned(), content: content.to_owned() })
        }
        _ => None,
    }
}

/// Where a command runs: `[current working directory /srv/demo] (why)`, or `[in below] (why)`
/// where its call names a directory. The words after it are the model's, and so is that name: where
/// it could end in more than one place it is not known.
fn directory(shown: &str, workspace: &str) -> Option<String> {
    if let Some(rest) = shown.strip_prefix("[current working directory ") {
        let rest = rest.strip_prefix(workspace)?.strip_prefix(']')?;
        return (rest.is_empty() || rest.starts_with(' ')).then(|| workspace.to_owned());
    }
    let (named, rest) = shown.strip_prefix("[in ")?.split_once(']')?;
    let clear = !rest.contains(']') && (rest.is_empty() || rest.starts_with(" ("));
    clear.then(|| match named.starts_with('/') {
        true => named.to_owned(),
        false => format!("{workspace}/{named}"),
    })
}

fn exec(command: &str, cwd: String) -> Action {
    Action::Exec(Exec { command: command.to_owned(), cwd, env: BTreeMap::new() })
}

/// Everything that is told of a use, for a person to make sense of.
fn unknown(update: &Value) -> Action {
    let part = |name: &'static str| Some((name, update.get(name)?.clone()));
    let parts = ["title", "kind", "rawInput", "content", "locations"].into_iter().filter_map(part);
    let input: BTreeMap<_, _> = parts.collect();
    let name = text(update, "name").or(text(update, "kind")).unwrap_or("tool");
    Action::Tool { name: format!("acp/{name}"), input: json!(input).to_string() }
}

/// How a use of a tool that was let run ended, as the program tells it.
pub(super) fn result(lock: &Lock, kind: &str, update: &Value, failed: bool) -> ActionResult {
    let output = update.get("rawOutput").unwrap_or(&Value::Null);
    let words = output.as_str().or(text(output, "output")).or(text(output, "error"));
    let parts = update.get("content").and_then(Value::as_array).into_iter().flatten();
    let parts = parts.filter_map(|part| part.pointer("/content/text").and_then(Value::as_str));
    let words = match words {
        Some(words) => words.to_owned(),
        None => parts.collect::<Vec<_>>().join("\n"),
    };
    let given_up = match lock.refusal {
        Refusal::EndsTurn { given_up } => Some(given_up),
        Refusal::Told | Refusal::GoesOn => None,
    };
    if failed && given_up.is_some_and(|given_up| words.starts_with(given_up)) {
        // Our yes crossed with the end of all it had asked in that turn.
        let detail = "the agent gave it up before it began".to_owned();
        return ended(Ending::Broken { detail }, &words);
    }
    let code = match lock.asks {
        Asks::Early => output.pointer("/metadata/exit").and_then(Value::as_i64),
        Asks::Whole => actions::exit_code(&words).filter(|_| failed && kind == "execute"),
        Asks::Shown | Asks::AsItLikes => None,
    };
    let ending = match (failed, code.and_then(|code| i32::try_from(code).ok()), lock.asks) {
        (_, Some(code), _) => Ending::Exited { code },
        (true, None, _) => Ending::Exited { code: 1 },
        // Its commands are told to be done, whatever their code was.
        (false, None, Asks::Shown | Asks::AsItLikes) if kind == "execute" => Ending::Untold,
        (false, None, _) => Ending::Exited { code: 0 },
    };
    ended(ending, &words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acp::CLAUDE;
    use crate::acp::GEMINI;
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
            assert_eq!(opencode(tool, &input, "/srv/demo"), wanted, "{tool} {input}");
        }
    }

    #[test]
    fn results_have_their_code_and_what_never_began_says_so() {
        let of = |lock, kind, update: Value, failed| result(lock, kind, &update, failed).ending;
        let end = |update: Value, failed| of(&OPENCODE, "execute", update, failed);
        let exited = |code| Ending::Exited { code };
        let bash = json!({"rawOutput": {"output": "x", "metadata": {"exit": 3}}});
        assert_eq!(end(bash, false), exited(3));
        assert_eq!(end(json!({"rawOutput": {"output": "x"}}), false), exited(0));
        assert_eq!(end(json!({"rawOutput": {"error": "no such file"}}), true), exited(1));
        let rejected = json!({"rawOutput": {"error": "The user rejected permission to use this"}});
        assert!(matches!(end(rejected, true), Ending::Broken { .. }));
        let claude = json!({"rawOutput": "Exit code 3\nx"});
        assert_eq!(of(&CLAUDE, "execute", claude.clone(), true), exited(3));
        assert_eq!(of(&CLAUDE, "read", claude, true), exited(1));
        // One tells of no code, and so no code is made up.
        assert_eq!(of(&GEMINI, "execute", json!({"content": []}), false), Ending::Untold);
        assert_eq!(of(&GEMINI, "edit", json!({"content": []}), false), exited(0));
    }

    #[test]
    fn what_is_shown_is_an_action_only_where_it_can_mean_nothing_else() {
        let exec = |cwd: &str| {
            Action::Exec(Exec { command: "ls".into(), cwd: cwd.into(), env: [].into() })
        };
        let command = |place: &str| {
            let text = json!({"type": "content", "content": {"type": "text", "text": place}});
            gemini(&json!({"kind": "execute", "title": "ls", "content": [text]}), "/srv/demo")
        };
        for (place, cwd) in [
            ("[current working directory /srv/demo]", "/srv/demo"),
            ("[current working directory /srv/demo] (look) [background]", "/srv/demo"),
            ("[in below] (look)", "/srv/demo/below"),
            ("[in /etc]", "/etc"),
        ] {
            assert_eq!(command(place), exec(cwd), "{place}");
        }
        // A directory by the name `a] (b`, or one that its words make up.
        for place in [
            "[in a] (b] (look)",
            "[in a] [background]",
            "[current working directory /srv/demo2]",
            "[current working directory /srv/demo/x]",
            "ls",
        ] {
            let action = command(place);
            assert!(
                matches!(&action, Action::Tool { input, .. } if input.contains("ls")),
                "{place}"
            );
        }
        let diff = json!({"type": "diff", "path": "/srv/demo/a", "oldText": "x", "newText": "y"});
        let edit = |content: Value| gemini(&json!({"kind": "edit", "content": content}), "/srv");
        let write = Action::Write { path: "/srv/demo/a".into(), content: "y".into() };
        assert_eq!(edit(json!([diff])), write);
        assert!(matches!(edit(json!([diff, diff])), Action::Tool { .. }));
        let read = json!({"kind": "read", "title": "a", "locations": [{"path": "/srv/demo/a"}]});
        assert_eq!(gemini(&read, "/srv"), Action::Read { path: "/srv/demo/a".into() });
        // An agent that nothing is known of has its command in the input.
        let asks = json!({"kind": "execute", "title": "Shell", "rawInput": {"command": "ls"}});
        assert_eq!(any(&asks, None, "/srv/demo"), exec("/srv/demo"));
        let asks = json!({"kind": "execute", "title": "ls"});
        assert!(matches!(any(&asks, None, "/srv/demo"), Action::Tool { .. }));
    }
}
