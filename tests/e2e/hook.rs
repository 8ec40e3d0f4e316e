//! `gatepost hook` inside the real Claude Code and the real Codex, in a terminal of their own: no hub,
//! no sandbox. Both have rules that allow everything, so that whatever the hook leaves open runs.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use gatepost_e2e::FakeResponses;
use gatepost_e2e::Project;
use gatepost_e2e::Say;
use gatepost_e2e::gatepost_binary;
use gatepost_e2e::models::FakeAnthropic;
use gatepost_e2e::models::Play;
use gatepost_e2e::models::anthropic::call;
use gatepost_e2e::models::anthropic::text;
use gatepost_e2e::responses;
use serde_json::Value;
use serde_json::json;

const KEY: &str = "sk-ant-e2e-hook-0123456789abcdef";

/// Longer than any of these short sessions takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// The hook's entry, as the documentation gives it.
fn entry() -> Value {
    let command = format!("{} hook", gatepost_binary().display());
    json!({ "PreToolUse": [{
        "matcher": "*",
        "hooks": [{ "type": "command", "command": command, "timeout": 30 }],
    }] })
}

async fn ends(program: &Path, args: &[&str], project: &Project, env: &[(&str, &str)]) -> String {
    let child = tokio::process::Command::new(program)
        .args(args)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .envs(env.iter().copied())
        .current_dir(project.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let out = tokio::time::timeout(PATIENCE, child).await.unwrap().unwrap();
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// A session of Claude Code in which its model makes these calls of Bash, one a turn; gives what
/// the model was told.
async fn claude(
    program: &Path,
    root: &Path,
    project: &Project,
    calls: &[&str],
    more: &[(&str, &str)],
) -> String {
    let mut plays: Vec<Play> = calls
        .iter()
        .map(|command| {
            Play::Turn(vec![call("Bash", json!({ "command": command, "description": "x" }))])
        })
        .collect();
    plays.push(Play::Turn(vec![text("done")]));
    let fake = FakeAnthropic::start(KEY, plays).await;
    let home = root.join("home");
    std::fs::create_dir_all(home.join(".claude")).unwrap();
    let settings = json!({
        "permissions": { "allow": ["Bash(*)"], "defaultMode": "bypassPermissions" },
        "hooks": entry(),
    });
    std::fs::write(home.join(".claude/settings.json"), settings.to_string()).unwrap();
    let (home, url) = (home.display().to_string(), fake.url());
    let mut env = vec![
        ("HOME", home.as_str()),
        ("ANTHROPIC_BASE_URL", url.as_str()),
        ("ANTHROPIC_API_KEY", KEY),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("DISABLE_AUTOUPDATER", "1"),
        // It refuses to bypass its questions as root otherwise.
        ("IS_SANDBOX", "1"),
    ];
    env.extend(more);
    let args = ["-p", "do it", "--model", "fake-1", "--permission-mode", "bypassPermissions"];
    let said = ends(program, &args, project, &env).await;
    let seen = fake.seen();
    assert_eq!(seen.len(), calls.len() + 1, "{said}");
    seen.last().unwrap()["messages"].to_string()
}

#[tokio::test]
async fn claude_code_in_a_terminal_obeys_the_hook() {
    let test = "claude_code_in_a_terminal_obeys_the_hook";
    let Some(program) = crate::claude::PROGRAM.place(test) else { return };
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let calls = [
        "touch passed",
        "touch asked && git push",
        "touch denied && cat ~/.ssh/id_rsa",
        "touch hidden; echo '{}' > ~/.claude/settings.json",
    ];
    let told = claude(&program, root.path(), &project, &calls, &[]).await;
    assert!(project.text("passed").is_some(), "what nothing speaks against runs: {told}");
    for (file, why) in [
        // Nobody is there to be asked.
        ("asked", "sends commits"),
        ("denied", "keys of this machine"),
        ("hidden", "Gatepost"),
    ] {
        assert!(project.text(file).is_none(), "{file}: {told}");
        assert!(told.contains(why), "{file}: {told}");
    }

    // A gate that cannot judge lets nothing run, whatever the host would do without it.
    let broken = root.path().join("broken.toml");
    std::fs::write(&broken, "[policy]\nruels = 1\n").unwrap();
    let config = broken.display().to_string();
    let told = claude(
        &program,
        root.path(),
        &project,
        &["touch broken"],
        &[("GATEPOST_CONFIG", config.as_str())],
    )
    .await;
    assert!(project.text("broken").is_none(), "{told}");
    assert!(told.contains("broken.toml:2"), "{told}");
}

#[tokio::test]
async fn codex_in_a_terminal_obeys_the_hook() {
    let test = "codex_in_a_terminal_obeys_the_hook";
    let Some(program) = crate::codex::PROGRAM.place(test) else { return };
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let patch = |file: &str| {
        Say::Patch(format!("*** Begin Patch\n*** Add File: {file}\n+x\n*** End Patch"))
    };
    let turns = vec![
        vec![crate::codex::exec("touch passed")],
        vec![crate::codex::exec("touch asked && git push")],
        vec![patch("patched")],
        vec![patch(".git/hooks/pre-commit")],
    ];
    let model = FakeResponses::start(turns).await;
    let home = root.path().join("home/.codex");
    std::fs::create_dir_all(&home).unwrap();
    std::fs::write(home.join("hooks.json"), json!({ "hooks": entry() }).to_string()).unwrap();
    let config = format!(
        "model_provider = \"fake\"\nmodel = {:?}\nweb_search = \"disabled\"\n[model_providers.fake]\nname = \"fake\"\n\
         base_url = {:?}\nwire_api = \"responses\"\nenv_key = \"FAKE_KEY\"\n\
         [agents]\nenabled = false\n\
         [features]\napps = false\nplugins = false\nskill_search = false\ntool_suggest = false\n",
        responses::MODEL,
        model.base_url(),
    );
    std::fs::write(home.join("config.toml"), config).unwrap();
    let (user, home) = (root.path().join("home").display().to_string(), home.display().to_string());
    let env =
        [("HOME", user.as_str()), ("CODEX_HOME", home.as_str()), ("FAKE_KEY", responses::KEY)];
    let args = [
        "exec",
        "--json",
        "--dangerously-bypass-approvals-and-sandbox",
        "--dangerously-bypass-hook-trust",
        "do it",
    ];
    let said = ends(&program, &args, &project, &env).await;
    let told = model.told();
    assert!(project.text("passed").is_some(), "{said}\n{told}");
    assert!(project.text("asked").is_none(), "{said}\n{told}");
    assert!(told.contains("no way to ask from a hook"), "{said}\n{told}");
    assert!(project.text("patched").is_some(), "{said}\n{told}");
    assert!(project.text(".git/hooks/pre-commit").is_none(), "{said}\n{told}");
}

/// What a shell does in which `$0` is Gatepost; its exit status and what it printed.
fn shell(home: &Path, script: &str) -> (Option<i32>, String) {
    let out = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(gatepost_binary())
        .env("HOME", home)
        .current_dir(home)
        .output()
        .unwrap();
    (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned())
}

#[test]
fn the_hook_refuses_whatever_becomes_of_its_judge() {
    let root = tempfile::tempdir().unwrap();
    for (script, why) in [
        ("\"$0\" hook </dev/null", "not one JSON object"),
        ("\"$0\" hook <&-", "could not judge"),
        // A host that never ends its sentence.
        ("(echo '{'; exec sleep 20) | \"$0\" hook", "no verdict after"),
        // A judge that is killed over it.
        (
            "mkfifo in; \"$0\" hook <in >out & hook=$!; exec 3>in; \
             until judge=$(pgrep -P $hook); do sleep 0.05; done; kill -9 $judge; \
             wait $hook; code=$?; cat out; exit $code",
            "without a verdict",
        ),
    ] {
        let (code, said) = shell(root.path(), script);
        let answer: Value = serde_json::from_str(&said).unwrap_or_default();
        let answer = &answer["hookSpecificOutput"];
        assert_eq!(
            (code, &answer["permissionDecision"]),
            (Some(0), &json!("deny")),
            "{script}: {said}"
        );
        let reason = answer["permissionDecisionReason"].as_str().unwrap();
        assert!(reason.contains(why), "{script}: {reason}");
    }
    // Who cannot say it says it by the one status that refuses.
    for script in ["\"$0\" hook </dev/null >/dev/full", "\"$0\" hook --mode telepathy"] {
        assert_eq!(shell(root.path(), script).0, Some(2), "{script}");
    }
}
