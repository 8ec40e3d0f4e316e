//! Events of both hosts and the answers to them, and that every failure is a refusal.

use clap::Parser;
use serde_json::json;

use super::*;
use crate::cli::Cli;
use crate::cli::Command;

/// The answer to an event, under these further arguments.
fn answer(more: &[&str], event: &Value) -> Value {
    let cli = Cli::parse_from(["gatepost", "hook"].iter().chain(more));
    let Some(Command::Hook(args)) = cli.command else { panic!("{more:?}") };
    judged(&cli.place, &args, &mut event.to_string().as_bytes())
}

/// The decision and its reason; an empty decision leaves it to the host.
fn decided(answer: &Value) -> (String, String) {
    if *answer == json!({}) {
        return (String::new(), String::new());
    }
    let said = &answer["hookSpecificOutput"];
    assert_eq!(said["hookEventName"], "PreToolUse", "{answer}");
    let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
    let (decision, reason) = (text("permissionDecision"), text("permissionDecisionReason"));
    assert!(["allow", "ask", "deny"].contains(&decision.as_str()), "{answer}");
    assert!(reason.starts_with("Gatepost"), "{answer}");
    (decision, reason)
}

/// As Claude Code 2.1.330 writes it.
fn claude(tool: &str, input: &Value, cwd: &str) -> Value {
    json!({
        "session_id": "s", "transcript_path": "/t", "cwd": cwd, "prompt_id": "p",
        "permission_mode": "default", "hook_event_name": "PreToolUse", "tool_name": tool,
        "tool_input": input, "tool_use_id": "toolu_1",
    })
}

/// As Codex 0.169.0 writes it.
fn codex(tool: &str, command: &str) -> Value {
    json!({
        "session_id": "s", "turn_id": "t", "transcript_path": null, "cwd": "/srv/demo",
        "hook_event_name": "PreToolUse", "model": "m", "permission_mode": "default",
        "tool_name": tool, "tool_input": { "command": command }, "tool_use_id": "call_1",
    })
}

fn bash(command: &str) -> Value {
    claude("Bash", &json!({ "command": command, "description": "x" }), "/srv/demo")
}

#[test]
fn claude_code_hears_allow_ask_deny_or_nothing() {
    for (event, wanted) in [
        (bash("git status && ls -la"), "allow"),
        (bash("git push"), "ask"),
        (bash("echo 'x"), "ask"),
        (bash("rm -rf ~"), "deny"),
        // Nothing holds it here, so the host's own rules decide.
        (bash("cargo test"), ""),
        (bash("mkdir made"), ""),
        (claude("Read", &json!({ "file_path": "/srv/demo/a" }), "/srv/demo"), "allow"),
        (claude("Read", &json!({ "file_path": "~/.ssh/id_rsa" }), "/srv/demo"), "deny"),
        (claude("Write", &json!({ "file_path": "a", "content": "" }), "/srv/demo"), "allow"),
        (
            claude("Write", &json!({ "file_path": ".git/hooks/x", "content": "" }), "/srv/demo"),
            "ask",
        ),
        (claude("WebFetch", &json!({ "url": "https://docs.rs/" }), "/srv/demo"), "allow"),
        (claude("WebFetch", &json!({ "url": "https://evil.tld/" }), "/srv/demo"), "ask"),
        (claude("mcp__a__b", &json!({}), "/srv/demo"), "ask"),
        (claude("TodoWrite", &json!({ "todos": [] }), "/srv/demo"), ""),
        (claude("Monitor", &json!({ "command": "x" }), "/srv/demo"), "ask"),
    ] {
        assert_eq!(decided(&answer(&[], &event)).0, wanted, "{event}");
    }
}

#[test]
fn codex_hears_nothing_but_refusals() {
    let patch =
        |line: &str| codex("apply_patch", &format!("*** Begin Patch\n{line}\n+x\n*** End Patch"));
    for (event, wanted) in [
        (codex("Bash", "ls"), ""),
        (codex("Bash", "cargo test"), ""),
        (codex("Bash", "git push"), "deny"),
        (codex("Bash", "rm -rf ~"), "deny"),
        (codex("mcp__a__b", "x"), "deny"),
        (patch("*** Add File: a"), ""),
        (patch("*** Add File: .git/hooks/pre-commit"), "deny"),
        (patch("*** Add File: ../../etc/cron.d/x"), "deny"),
        (patch("*** Rename File: a"), "deny"),
        (codex("apply_patch", "garbage"), "deny"),
    ] {
        let (decision, reason) = decided(&answer(&[], &event));
        assert_eq!(decision, wanted, "{event}");
        assert!(wanted.is_empty() || !reason.trim().is_empty(), "{event}");
    }
    let (_, reason) = decided(&answer(&[], &codex("Bash", "git push")));
    assert!(reason.contains("no way to ask"), "{reason}");
}

#[test]
fn what_a_container_holds_runs_where_there_is_one() {
    assert_eq!(decided(&answer(&["--contained"], &bash("cargo test"))).0, "allow");
    assert_eq!(decided(&answer(&["--contained"], &bash("mkdir made"))).0, "allow");
    assert_eq!(decided(&answer(&["--contained"], &bash("git push"))).0, "ask");
    assert_eq!(
        decided(&answer(&["--contained", "--mode", "manual"], &bash("cargo test"))).0,
        "ask"
    );
    assert_eq!(decided(&answer(&["--mode", "unattended"], &bash("git push"))).0, "deny");
    assert_eq!(decided(&answer(&["--mode", "plan"], &bash("mkdir made"))).0, "deny");
}

#[test]
fn the_settings_that_ask_this_hook_are_the_gates_own() {
    for path in ["~/.claude/settings.json", "~/.codex/hooks.json"] {
        let event = claude("Write", &json!({ "file_path": path, "content": "{}" }), "/srv/demo");
        assert_eq!(decided(&answer(&[], &event)).0, "deny", "{path}");
    }
    assert_eq!(decided(&answer(&[], &bash("echo '{}' > ~/.claude/settings.json"))).0, "deny");
}

#[test]
fn a_place_that_is_no_project_is_refused() {
    for place in ["/", "/root", "/home"] {
        let cli = Cli::parse_from(["gatepost", "hook"]);
        let Some(Command::Hook(args)) = cli.command else { panic!("no hook") };
        let home = directories::BaseDirs::new().unwrap().home_dir().to_owned();
        if !home.starts_with(place) {
            continue;
        }
        let event = claude("Bash", &json!({ "command": "ls" }), place).to_string();
        let (decision, reason) = decided(&judged(&cli.place, &args, &mut event.as_bytes()));
        assert_eq!(decision, "deny", "{place}");
        assert!(reason.contains("--workspace"), "{reason}");
    }
}

#[test]
fn a_link_is_judged_by_where_it_leads_too() {
    let root = tempfile::tempdir().unwrap();
    let project = root.path().join("project");
    std::fs::create_dir(&project).unwrap();
    std::os::unix::fs::symlink("/etc", project.join("out")).unwrap();
    std::os::unix::fs::symlink(&project, root.path().join("link")).unwrap();
    let write = |from: &str, file: &str| {
        let cwd = root.path().join(from).display().to_string();
        let event = claude("Write", &json!({ "file_path": file, "content": "" }), &cwd);
        decided(&answer(&[], &event)).0
    };
    assert_eq!(write("project", "a"), "allow");
    assert_eq!(write("link", "a"), "allow", "the project itself may lie behind a link");
    assert_eq!(write("project", "out/hosts"), "ask");
}

#[test]
fn what_cannot_be_read_is_refused() {
    let cli = Cli::parse_from(["gatepost", "hook"]);
    let Some(Command::Hook(args)) = cli.command else { panic!("no hook") };
    for text in [
        "",
        "{",
        "[]",
        "7",
        "{}",
        r#"{"tool_name":7}"#,
        r#"{"hook_event_name":"PreToolUse","cwd":"x","tool_name":"Bash","tool_input":{}}"#,
        r#"{"hook_event_name":"Stop","cwd":"/srv","tool_name":"Bash","tool_input":{}}"#,
        r#"{"hook_event_name":"PreToolUse","cwd":"/srv","tool_name":"Bash"}"#,
        r#"{"hook_event_name":"PreToolUse","cwd":"/srv","tool_name":"Bash","tool_input":{"command":7}}"#,
        r#"{"hook_event_name":"PreToolUse","cwd":"/srv","tool_name":"Edit","tool_input":{"file_path":"a"}}"#,
    ] {
        let (decision, reason) = decided(&judged(&cli.place, &args, &mut text.as_bytes()));
        assert_eq!(decision, "deny", "{text}");
        assert!(reason.contains("could not judge"), "{reason}");
    }
    let mut broken = std::io::Error::other("gone").to_string();
    broken.push('\u{0}');
    assert_eq!(decided(&judged(&cli.place, &args, &mut broken.as_bytes())).0, "deny");
    let unread = Cli::parse_from(["gatepost", "--config", "/no/such/file", "hook"]);
    let (decision, reason) =
        decided(&judged(&unread.place, &args, &mut bash("ls").to_string().as_bytes()));
    assert_eq!(decision, "deny");
    assert!(reason.contains("/no/such/file") && !reason.contains('\n'), "{reason}");
}
