//! Codex itself in a real sandbox, behind the model proxy, with a model on a script: questions,
//! stops, restarts, and what its model's provider may do.

use std::path::Path;
use std::time::Duration;

use gatepost_e2e::Api;
use gatepost_e2e::FakeResponses;
use gatepost_e2e::Project;
use gatepost_e2e::Say;
use gatepost_e2e::Setup;
use gatepost_e2e::api::events_of;
use gatepost_e2e::programs::Real;
use gatepost_e2e::responses::KEY;
use gatepost_e2e::responses::MODEL;
use reqwest::StatusCode;
use serde_json::Value;
use serde_json::json;

/// The program.
pub(crate) const PROGRAM: Real = Real {
    variable: "GATEPOST_TEST_CODEX",
    title: "Codex 0.169.0",
    aarch64: "openai-codex-0.169.0/node_modules/@openai/codex-linux-arm64/vendor/\
              aarch64-unknown-linux-musl/bin/codex",
    other: "openai-codex-0.169.0/node_modules/@openai/codex-linux-x64/vendor/\
              x86_64-unknown-linux-musl/bin/codex",
};

pub(crate) struct World {
    _root: tempfile::TempDir,
    pub(crate) project: Project,
    pub(crate) model: FakeResponses,
    pub(crate) setup: Setup,
}

pub(crate) async fn world(
    test: &str,
    turns: Vec<Vec<Say>>,
    plant: impl FnOnce(&Path),
) -> Option<World> {
    world_with(test, turns, plant, "").await
}

/// The same with more about the agent in the configuration.
async fn world_with(
    test: &str,
    turns: Vec<Vec<Say>>,
    plant: impl FnOnce(&Path),
    more: &str,
) -> Option<World> {
    let program = PROGRAM.place(test)?;
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    plant(project.path());
    let model = FakeResponses::start(turns).await;
    let key = root.path().join("key");
    std::fs::write(&key, KEY).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let setup = Setup::new(root.path()).config(&format!(
        "[projects.demo]\npath = {:?}\n[agents.codex]\nprogram = {program:?}\nmodel = \"fake\"\n{more}\n\
         [models.fake]\napi = \"openai-responses\"\nbase_url = {:?}\nkey_file = {key:?}\n\
         model = {MODEL:?}\n",
        project.path(),
        model.base_url(),
    ));
    Some(World { _root: root, project, model, setup })
}

pub(crate) async fn submit(api: &Api) -> String {
    let answer = api.post("/api/tasks", json!({"text": "do it", "agent": "codex"})).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.body["id"].as_str().unwrap().to_owned()
}

pub(crate) async fn deny(api: &Api, approval: &Value, reason: &str) {
    let path = format!("/api/approvals/{}", approval["id"].as_str().unwrap());
    let answer = api.post(&path, json!({"decision": "deny", "reason": reason})).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

pub(crate) fn exec(command: &str) -> Say {
    Say::Call("exec_command", json!({"cmd": command}))
}

/// Nothing happened that was not asked about, and nothing of the key was recorded.
pub(crate) fn all_was_asked(task: &Value) {
    assert_eq!(task["summary"]["unasked"], Value::Null, "{task:#}");
    assert!(!task.to_string().contains(KEY), "{task:#}");
}

#[tokio::test]
async fn a_stop_during_a_question_of_codex_ends_it() {
    let test = "a_stop_during_a_question_of_codex_ends_it";
    let Some(world) = world(test, vec![vec![exec("git push")]], |_| {}).await else { return };
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let id = submit(&api).await;
    api.approval(&id).await;
    let path = format!("/api/tasks/{id}/cancel");
    assert!(api.post(&path, json!({})).await.status.is_success());
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "cancelled", "{task:#}");
    assert!(events_of(&task, "action-started").is_empty(), "{task:#}");
}

#[tokio::test]
async fn after_a_crash_the_thread_of_codex_goes_on_and_nothing_runs_twice() {
    let once = "echo once >>once.txt; git push";
    let turns = vec![
        vec![exec("echo first >>first.txt")],
        vec![exec(once)],
        // Taken up again, it makes the same call as it is told to.
        vec![exec(once)],
        vec![Say::Text("done")],
        vec![exec("cat first.txt >second.txt")],
    ];
    let test = "after_a_crash_the_thread_of_codex_goes_on_and_nothing_runs_twice";
    let Some(world) = world(test, turns, |_| {}).await else { return };
    let gatepost = world.setup.up();
    let id = submit(&gatepost.api()).await;
    let before = gatepost.api().approval(&id).await;
    gatepost.kill_9();

    let gatepost = world.setup.up();
    let api = gatepost.api();
    let after = api.approval(&id).await;
    assert_eq!(before["id"], after["id"], "the same question");
    assert_eq!(api.answer(&after, "approve").await.status, StatusCode::OK);
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    all_was_asked(&task);
    let asked = events_of(&task, "approval-requested");
    assert_eq!(asked.len(), 1, "the answer holds for the call that is made again: {task:#}");
    assert_eq!(events_of(&task, "action-started").len(), 2, "{task:#}");
    let resumed = world.model.requests().iter().any(|request| {
        let told = request["input"].to_string();
        told.contains("first.txt") && told.contains("did not run")
    });
    assert!(resumed, "the earlier conversation is part of the later one");
    assert_eq!(api.deliver(&id, "apply").await.status, StatusCode::OK);
    assert_eq!(world.project.text("first.txt").as_deref(), Some("first\n"));
    assert_eq!(world.project.text("once.txt").as_deref(), Some("once\n"));

    // What is applied is the project's, and the conversation goes on with the next message.
    let path = format!("/api/tasks/{id}/message");
    let said = api.post(&path, json!({"text": "now the second"})).await;
    assert_eq!(said.status, StatusCode::OK, "{said:?}");
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    all_was_asked(&task);
    let last = world.model.requests().last().unwrap()["input"].to_string();
    assert!(last.contains("first.txt") && last.contains("now the second"), "{last}");
    assert_eq!(api.deliver(&id, "apply").await.status, StatusCode::OK);
    assert_eq!(world.project.text("second.txt").as_deref(), Some("first\n"));
}

#[tokio::test]
async fn codex_waits_out_what_passes_at_its_model() {
    let turns = vec![
        vec![exec("echo once >>once.txt")],
        vec![Say::Fail(529, None)],
        vec![Say::Fail(500, None)],
        vec![Say::Fail(429, Some(1))],
        vec![Say::Cut],
        vec![Say::Slow(Duration::from_secs(2)), exec("echo twice >>once.txt")],
    ];
    let test = "codex_waits_out_what_passes_at_its_model";
    let Some(world) = world(test, turns, |_| {}).await else { return };
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let id = submit(&api).await;
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    all_was_asked(&task);
    assert_eq!(world.model.requests().len(), 7);
    let said = format!("{:?}", events_of(&task, "agent-reported"));
    for words in ["(529", "(500", "(429", "broke off"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(events_of(&task, "action-started").len(), 2, "{task:#}");
    assert_eq!(api.deliver(&id, "apply").await.status, StatusCode::OK);
    assert_eq!(world.project.text("once.txt").as_deref(), Some("once\ntwice\n"));
}

#[tokio::test]
async fn a_key_that_is_refused_ends_the_task_of_codex_and_says_so() {
    let test = "a_key_that_is_refused_ends_the_task_of_codex_and_says_so";
    let Some(world) = world(test, vec![vec![Say::Fail(401, None)]; 20], |_| {}).await else {
        return;
    };
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let id = submit(&api).await;
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "failed", "{task:#}");
    let reason = task["summary"]["reason"].as_str().unwrap();
    assert!(reason.contains("401") && reason.contains("check the key"), "{reason}");
    assert!(events_of(&task, "action-started").is_empty(), "{task:#}");
    let tries = world.model.requests().len();
    assert!(tries <= 6, "asking {tries} times does not change it");
}

#[tokio::test]
async fn a_model_that_falls_silent_ends_the_task_of_codex() {
    let test = "a_model_that_falls_silent_ends_the_task_of_codex";
    let turns = vec![vec![exec("echo once >>once.txt")], vec![Say::Stall]];
    let Some(world) = world_with(test, turns, |_| {}, "silence = \"8s\"").await else { return };
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let id = submit(&api).await;
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "failed", "{task:#}");
    let reason = task["summary"]["reason"].as_str().unwrap();
    assert!(reason.contains("said nothing for 8 seconds"), "{reason}");
    assert_eq!(events_of(&task, "action-started").len(), 1, "{task:#}");
}
