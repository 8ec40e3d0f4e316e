//! Claude Code itself behind the real binary, with a fake model that is strict about every request.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use gatepost_e2e::Project;
use gatepost_e2e::Setup;
use gatepost_e2e::api::events_of;
use gatepost_e2e::models::FakeAnthropic;
use gatepost_e2e::models::Play;
use gatepost_e2e::models::anthropic::call;
use gatepost_e2e::models::anthropic::text;
use gatepost_e2e::programs::Real;
use reqwest::StatusCode;
use serde_json::Value;
use serde_json::json;

const KEY: &str = "sk-ant-e2e-claude-0123456789abcdef";

/// The program.
pub(crate) const PROGRAM: Real = Real {
    variable: "GATEPOST_TEST_CLAUDE",
    title: "Claude Code 2.1.330",
    aarch64: "anthropic-ai-claude-code-2.1.330/node_modules/@anthropic-ai/\
              claude-code-linux-arm64/claude",
    other: "anthropic-ai-claude-code-2.1.330/node_modules/@anthropic-ai/\
              claude-code-linux-x64/claude",
};

struct World {
    _root: tempfile::TempDir,
    project: Project,
    setup: Setup,
    fake: FakeAnthropic,
}

async fn world(test: &str, script: Vec<Play>) -> Option<World> {
    world_with(test, script, "").await
}

/// The same with more about the agent in the configuration.
async fn world_with(test: &str, script: Vec<Play>, more: &str) -> Option<World> {
    let program = PROGRAM.place(test)?;
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let fake = FakeAnthropic::start(KEY, script).await;
    let key = root.path().join("model.key");
    std::fs::write(&key, KEY).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let setup = Setup::new(root.path()).config(&format!(
        "[projects.demo]\npath = {:?}\n[defaults]\nagent = \"claude\"\n[agents.claude]\n\
         program = {program:?}\nmodel = \"fake\"\n{more}\n[models.fake]\napi = \"anthropic\"\n\
         base_url = {:?}\nkey_file = {key:?}\nmodel = \"fake-1\"\n\
         price = {{ input = 3, output = 15, cache_read = 0.3, cache_write = 3.75 }}\n",
        project.path(),
        fake.url(),
    ));
    Some(World { _root: root, project, setup, fake })
}

fn bash(command: &str) -> Value {
    call("Bash", json!({ "command": command, "description": "a step" }))
}

fn done() -> Play {
    Play::Turn(vec![text("done")])
}

/// Everything the model was told with one request.
fn told(request: &Value) -> String {
    request["messages"].to_string()
}

#[tokio::test]
async fn claude_works_an_approval_runs_once_and_the_key_stays_outside() {
    let test = "claude_works_an_approval_runs_once_and_the_key_stays_outside";
    let push = "echo ran >>ran.txt; git push";
    let script = vec![
        Play::Turn(vec![call("Read", json!({ "file_path": "README" }))]),
        Play::Turn(vec![call(
            "Edit",
            json!({ "file_path": "README", "old_string": "a demo", "new_string": "changed" }),
        )]),
        Play::Turn(vec![bash("env | sort")]),
        Play::Turn(vec![bash(push)]),
        done(),
    ];
    let Some(world) = world(test, script).await else { return };
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let id = api.submit("change the README").await;
    let open = api.approval(&id).await;
    // Longer than the program waits for an answer to anything but a question.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(api.approval(&id).await["id"], open["id"], "the question still waits");
    assert_eq!(api.answer(&open, "approve").await.status, StatusCode::OK);
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    let started = events_of(&task, "action-started");
    assert_eq!(started.len(), 4, "each call once: {task:#}");
    let seen = world.fake.seen();
    assert_eq!(seen.len(), 5);

    // Gatepost's own meter: 5 × (100 × $3 + 10 × $15 + 50 × $0.3 + 5 × $3.75), by the million.
    let total = &task["summary"]["models"][0];
    assert_eq!((&total["model"], &total["input"]), (&json!("fake"), &json!(500)), "{total}");
    assert_eq!(total["cost"], 5 * (300_000 + 150_000 + 15_000 + 18_750), "{total}");

    // The key is nowhere but at the provider, which takes no other.
    let env = told(&seen[3]);
    assert!(env.contains("ANTHROPIC_API_KEY="), "{env}");
    assert!(!env.contains(KEY), "the sandbox's environment");
    assert!(!task.to_string().contains(KEY));
    assert!(!gatepost.log().contains(KEY));
    let journal = std::fs::read(world.setup.data_dir().join("journal.jsonl")).unwrap();
    assert!(!String::from_utf8_lossy(&journal).contains(KEY));

    assert_eq!(api.deliver(&id, "apply").await.status, StatusCode::OK);
    assert_eq!(world.project.text("README").as_deref(), Some("changed\n"));
    assert_eq!(world.project.text("ran.txt").as_deref(), Some("ran\n"));
}

#[tokio::test]
async fn claude_hears_a_denials_reason_and_a_message() {
    let test = "claude_hears_a_denials_reason_and_a_message";
    let Some(world) = world(test, vec![Play::Turn(vec![bash("git push")]), done(), done()]).await
    else {
        return;
    };
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let id = api.submit("ship it").await;
    let open = api.approval(&id).await;
    let said = api.post(&format!("/api/tasks/{id}/message"), json!({"text": "make it blue"})).await;
    assert!(said.status.is_success(), "{said:?}");
    let answer = json!({ "decision": "deny", "reason": "not before Friday" });
    let path = format!("/api/approvals/{}", open["id"].as_str().unwrap());
    assert_eq!(api.post(&path, answer).await.status, StatusCode::OK);
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    assert!(events_of(&task, "action-started").is_empty(), "{task:#}");
    let seen = world.fake.seen();
    assert!(told(&seen[1]).contains("not before Friday"), "{}", told(&seen[1]));
    assert!(seen.iter().any(|request| told(request).contains("make it blue")), "{seen:#?}");
}

#[tokio::test]
async fn after_a_crash_the_session_of_claude_goes_on_and_nothing_runs_twice() {
    let test = "after_a_crash_the_session_of_claude_goes_on_and_nothing_runs_twice";
    let once = "echo once >>once.txt; git push";
    let script = vec![
        Play::Turn(vec![bash("echo first >>first.txt")]),
        Play::Turn(vec![bash(once)]),
        // Taken up again, it makes the same call as it is told to.
        Play::Turn(vec![bash(once)]),
        done(),
        Play::Turn(vec![bash("cat first.txt >second.txt")]),
        done(),
    ];
    let Some(world) = world(test, script).await else { return };
    let gatepost = world.setup.up();
    let id = gatepost.api().submit("go").await;
    let before = gatepost.api().approval(&id).await;
    gatepost.kill_9();

    let gatepost = world.setup.up();
    let api = gatepost.api();
    let after = api.approval(&id).await;
    assert_eq!((&before["id"], &before["digest"]), (&after["id"], &after["digest"]));
    assert_eq!(api.answer(&after, "approve").await.status, StatusCode::OK);
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    assert_eq!(events_of(&task, "approval-requested").len(), 1, "{task:#}");
    assert_eq!(events_of(&task, "action-started").len(), 2, "{task:#}");
    let seen = world.fake.seen();
    let resumed = told(&seen[2]);
    assert!(resumed.contains("first.txt") && resumed.contains("did not run"), "{resumed}");
    assert_eq!(api.deliver(&id, "apply").await.status, StatusCode::OK);
    assert_eq!(world.project.text("first.txt").as_deref(), Some("first\n"));
    assert_eq!(world.project.text("once.txt").as_deref(), Some("once\n"));

    // What is applied is the project's, and the conversation goes on with the next message.
    let path = format!("/api/tasks/{id}/message");
    let said = api.post(&path, json!({"text": "now the second"})).await;
    assert_eq!(said.status, StatusCode::OK, "{said:?}");
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    let seen = world.fake.seen();
    let last = told(seen.last().unwrap());
    assert!(last.contains("first.txt") && last.contains("now the second"), "{last}");
    assert_eq!(last.matches("did not run").count(), 1, "only the first cut was one: {last}");
    assert_eq!(api.deliver(&id, "apply").await.status, StatusCode::OK);
    assert_eq!(world.project.text("second.txt").as_deref(), Some("first\n"));
}

#[tokio::test]
async fn a_stop_during_a_question_of_claude_ends_it() {
    let test = "a_stop_during_a_question_of_claude_ends_it";
    let Some(world) = world(test, vec![Play::Turn(vec![bash("git push")])]).await else { return };
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let id = api.submit("go").await;
    api.approval(&id).await;
    let path = format!("/api/tasks/{id}/cancel");
    assert!(api.post(&path, json!({})).await.status.is_success());
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "cancelled", "{task:#}");
    assert!(events_of(&task, "action-started").is_empty(), "{task:#}");
}

#[tokio::test]
async fn claude_waits_out_what_passes_at_its_model() {
    let test = "claude_waits_out_what_passes_at_its_model";
    let script = vec![
        Play::Turn(vec![bash("echo once >>once.txt")]),
        Play::Fail(529, None),
        Play::Fail(500, None),
        Play::Fail(429, Some(1)),
        Play::Cut,
        Play::Slow(Duration::from_secs(2), vec![text("done")]),
    ];
    let Some(world) = world(test, script).await else { return };
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let id = api.submit("go").await;
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    assert_eq!(world.fake.seen().len(), 6);
    let said = format!("{:?}", events_of(&task, "agent-reported"));
    for words in ["(529: it fails)", "(500: it fails)", "(429: it fails)", "broke off"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(events_of(&task, "action-started").len(), 1, "{task:#}");
    assert_eq!(api.deliver(&id, "apply").await.status, StatusCode::OK);
    assert_eq!(world.project.text("once.txt").as_deref(), Some("once\n"));
}

#[tokio::test]
async fn a_key_that_is_refused_ends_claudes_task_and_says_so() {
    let test = "a_key_that_is_refused_ends_claudes_task_and_says_so";
    let Some(world) = world(test, vec![Play::Fail(401, None); 3]).await else { return };
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let id = api.submit("go").await;
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "failed", "{task:#}");
    let reason = task["summary"]["reason"].as_str().unwrap();
    assert!(reason.contains("401") && reason.contains("check the key"), "{reason}");
    assert!(events_of(&task, "action-started").is_empty(), "{task:#}");
}

#[tokio::test]
async fn a_model_that_falls_silent_ends_the_task_of_claude() {
    let test = "a_model_that_falls_silent_ends_the_task_of_claude";
    let script = vec![Play::Turn(vec![bash("echo once >>once.txt")]), Play::Stall];
    let Some(world) = world_with(test, script, "silence = \"8s\"").await else { return };
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let id = api.submit("go").await;
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "failed", "{task:#}");
    let reason = task["summary"]["reason"].as_str().unwrap();
    assert!(reason.contains("said nothing for 8 seconds"), "{reason}");
    assert_eq!(events_of(&task, "action-started").len(), 1, "{task:#}");
}
