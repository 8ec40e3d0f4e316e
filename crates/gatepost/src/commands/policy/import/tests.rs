//! Rules of other programs, and what becomes of each here.

use super::*;

fn lines(import: &Import) -> Vec<String> {
    import.rules.iter().map(|rule| format!("{} {}", rule.verdict, rule.rule)).collect()
}

/// What was left, and that all of it stands in the file too, which loads.
fn left(import: &Import) -> Vec<String> {
    let text = import.toml("x").unwrap();
    let set = RuleSet::load(Tier::User, &text, "x").unwrap();
    assert_eq!(set.len(), import.rules.len(), "{text}");
    assert_eq!(text.matches("# not taken over: ").count(), import.left.len(), "{text}");
    import.left.iter().map(|left| format!("{}: {}", left.what, left.why)).collect()
}

#[test]
fn permissions_of_claude_code_are_taken_over_or_listed() {
    let text = r#"{
        "theme": "dark",
        "hooks": {},
        "permissions": {
            "deny": ["Read(./secrets/**)", "Bash(curl:*)"],
            "ask": ["Bash(git push *)"],
            "allow": ["Bash(npm run test:*)", "Edit(//srv/out/**)", "WebFetch(domain:docs.rs)",
                      "mcp__github__get_issue", "Telepathy(x)", "Bash(a", 7],
            "defaultMode": "acceptEdits"
        }
    }"#;
    let import = claude::read(text, Path::new("/srv/demo/.claude/settings.json")).unwrap();
    let mut rules = lines(&import);
    rules.sort();
    assert_eq!(
        rules,
        [
            "allow Bash(npm run test:*)",
            "allow Edit(//srv/out/**)",
            "allow WebFetch(domain:docs.rs)",
            "allow mcp__github__get_issue",
            "ask Bash(git push *)",
            "deny Bash(curl:*)",
            "deny Read(./secrets/**)",
        ]
    );
    let left = left(&import);
    for wanted in
        ["Telepathy", "`Bash(a` lacks", "7: it is no text", "defaultMode: the mode is", "hooks: "]
    {
        assert!(left.iter().any(|line| line.contains(wanted)), "{wanted}: {left:#?}");
    }
    assert_eq!(left.len(), 5, "{left:#?}");
    assert!(claude::read("[]", Path::new("x")).is_err());
    assert!(claude::read("{\"permissions\": 1}", Path::new("x")).is_err());
    assert_eq!(claude::read("{}", Path::new("x")).unwrap().left.len(), 1);
}

#[test]
fn a_path_from_the_settings_of_a_home_means_another_place() {
    let home = directories::BaseDirs::new().unwrap().home_dir().join(".claude/settings.json");
    let text = r#"{"permissions": {"deny": ["Read(/secrets/**)", "Read(~/.ssh/**)"]}}"#;
    let import = claude::read(text, &home).unwrap();
    assert_eq!(lines(&import), ["deny Read(~/.ssh/**)"]);
    assert_eq!(left(&import).len(), 1);
}

#[test]
fn prefix_rules_of_codex_are_taken_over_or_listed() {
    let text = r#"
# A comment with prefix_rule( in it
prefix_rule(
    pattern = ["git", ["push", "fetch"]],  # two of them
    decision = "prompt",
    justification = "it is seen by others",
    match = [["git", "push", "origin"], "git fetch"],
    not_match = ["git status"],
)
prefix_rule(pattern = ["ls"])
prefix_rule(pattern = ['rm', '-rf'], decision = "forbidden", match = ["echo no"])
prefix_rule(pattern = ["echo", "a b"])
prefix_rule(pattern = [], decision = "allow")
prefix_rule(pattern = ["x"], decision = "maybe")
prefix_rule(pattern = ["x"], shade = "dark")
host_executable(name = "git", paths = ["/usr/bin/git"])
words = ["a"]
for word in words:
    prefix_rule(pattern = [word])
prefix_rule(pattern = ["a" + "b"])
prefix_rule(pattern = ["open
"#;
    let import = codex::read(text).unwrap();
    assert_eq!(
        lines(&import),
        [
            "ask Bash(git push:*)",
            "ask Bash(git fetch:*)",
            "allow Bash(ls:*)",
            "deny Bash(rm -rf:*)"
        ]
    );
    let push = import.rules.first().unwrap();
    assert_eq!(push.reason, "it is seen by others");
    assert_eq!((push.matches.len(), push.not_match.len()), (1, 1));
    let left = left(&import);
    for wanted in [
        "the examples of line 11",
        "line 12: `prefix_rule`: the word `a b`",
        "line 13: `prefix_rule`: its `pattern` is empty",
        "line 14: `prefix_rule`: its decision `maybe`",
        "line 15: `prefix_rule`: its `shade`",
        "line 16: `host_executable`",
        "line 17: only calls",
        "line 18: only calls",
        "line 20: ",
        "line 22: a text is not closed",
    ] {
        assert!(left.iter().any(|line| line.starts_with(wanted)), "{wanted}: {left:#?}");
    }
}

#[test]
fn policies_of_gemini_cli_are_taken_over_or_listed() {
    let text = r#"
[[rule]]
toolName = "run_shell_command"
commandPrefix = ["git push", "git commit"]
decision = "ask_user"
priority = 10
[[rule]]
toolName = ["write_file", "replace"]
decision = "deny"
denyMessage = "nothing is written"
[[rule]]
mcpName = "jira"
toolName = "search"
decision = "allow"
priority = 200
[[rule]]
mcpName = "evil"
decision = "deny"
[[rule]]
toolName = "run_shell_command"
commandRegex = "git (a|b)"
decision = "allow"
[[rule]]
toolName = "read_file"
decision = "allow"
modes = ["plan"]
[[rule]]
toolName = "*"
decision = "allow"
[[rule]]
toolName = "read_file"
decision = "perhaps"
[[rule]]
toolName = "read_file"
decision = "allow"
shade = "dark"
[[safety_checker]]
name = "x"
"#;
    let import = gemini::read(text).unwrap();
    assert_eq!(
        lines(&import),
        [
            "ask Bash(git push:*)",
            "ask Bash(git commit:*)",
            "deny Edit",
            "allow mcp__jira__search",
            "deny mcp__evil",
        ]
    );
    assert_eq!(import.rules.get(2).unwrap().reason, "nothing is written");
    let left = left(&import);
    for wanted in [
        "rule 5: it has `commandRegex`",
        "rule 6: it has `modes`",
        "rule 7: the tool `*`",
        "rule 8: its `decision`",
        "rule 9: its `shade`",
        "safety_checker: ",
        "the priorities: ",
    ] {
        assert!(left.iter().any(|line| line.starts_with(wanted)), "{wanted}: {left:#?}");
    }
    assert!(gemini::read("[[rule").is_err());
}

#[test]
fn whose_rules_they_are_is_told_by_the_ending() {
    assert_eq!(by_name(Path::new("a/settings.json")), Some(RulesOf::Claude));
    assert_eq!(by_name(Path::new("default.rules")), Some(RulesOf::Codex));
    assert_eq!(by_name(Path::new("my.toml")), Some(RulesOf::Gemini));
    assert_eq!(by_name(Path::new("rules")), None);
}
