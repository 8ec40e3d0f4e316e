//! Gemini CLI, Claude Code's adapter and OpenCode themselves, over the Agent Client Protocol and
//! behind the real binary, with fake models that are strict about every request.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use gatepost_e2e::Gatepost;
use gatepost_e2e::Project;
use gatepost_e2e::Setup;
use gatepost_e2e::api::events_of;
use gatepost_e2e::models::FakeAnthropic;
use gatepost_e2e::models::FakeGemini;
use gatepost_e2e::models::Play;
use gatepost_e2e::models::anthropic::call;
use gatepost_e2e::models::anthropic::text;
use gatepost_e2e::programs::Real;
use reqwest::StatusCode;
use serde_json::Value;
use serde_json::json;

const KEY: &str = "sk-e2e-over-protocol-0123456789abcdef";

const GEMINI: Real = Real {
    variable: "GATEPOST_TEST_GEMINI",
    title: "Gemini CLI 0.61.0",
    aarch64: "google-gemini-cli-0.61.0/node_modules/@google/gemini-cli/bundle/gemini.js",
    other: "google-gemini-cli-0.61.0/node_modules/@google/gemini-cli/bundle/gemini.js",
};

const ADAPTER: Real = Real {
    variable: "GATEPOST_TEST_CLAUDE_ACP",
    title: "Claude Code's adapter 0.101.0",
    aarch64: "agentclientprotocol-claude-agent-acp-0.101.0/node_modules/@agentclientprotocol/\
              claude-agent-acp/dist/index.js",
    other: "agentclientprotocol-claude-agent-acp-0.101.0/node_modules/@agentclientprotocol/\
            claude-agent-acp/dist/index.js",
};

const OPENCODE: Real = Real {
    variable: "GATEPOST_TEST_OPENCODE",
    title: "OpenCode 1.18.33",
    aarch64: "opencode-ai-1.18.33/node_modules/opencode-linux-arm64/bin/opencode",
    other: "opencode-ai-1.18.33/node_modules/opencode-linux-x64/bin/opencode",
};

/// One of the three.
#[derive(Debug, Clone, Copy)]
enum Which {
    Gemini,
    Adapter,
    OpenCode,
}

enum Model {
    Gemini(FakeGemini),
    Anthropic(FakeAnthropic),
}

struct World {
    _root: tempfile::TempDir,
    project: Project,
    setup: Setup,
    model: Model,
}

impl Which {
    fn shell(self, command: &str) -> Value {
        match self {
            Self::Gemini => call("run_shell_command", json!({ "command": command })),
            Self::Adapter => call("Bash", json!({ "command": command, "description": "a step" })),
            Self::OpenCode => call("bash", json!({ "command": command, "description": "a step" })),
        }
    }

    async fn world(self, test: &str, script: Vec<Play>, more: &str) -> Option<World> {
        let (program, agent, api) = match self {
            Self::Gemini => (GEMINI.place(test)?, "gemini", "gemini"),
            Self::Adapter => (ADAPTER.place(test)?, "claude-acp", "anthropic"),
            Self::OpenCode => (OPENCODE.place(test)?, "opencode", "anthropic"),
        };
        let root = tempfile::tempdir().unwrap();
        let project = Project::git(root.path());
        let (model, url) = match self {
            Self::Gemini => {
                let fake = FakeGemini::start(KEY, script).await;
                let url = fake.url();
                (Model::Gemini(fake), url)
            }
            Self::Adapter | Self::OpenCode => {
                let fake = FakeAnthropic::start(KEY, script).await;
                let url = fake.url();
                (Model::Anthropic(fake), url)
            }
        };
        let key = root.path().join("model.key");
        std::fs::write(&key, KEY).unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        let setup = Setup::new(root.path()).config(&format!(
            "[projects.demo]\npath = {:?}\n[defaults]\nagent = {agent:?}\n[agents.{agent}]\n\
             program = {program:?}\nmodel = \"fake\"\n{more}\n[models.fake]\napi = {api:?}\n\
             base_url = {url:?}\nkey_file = {key:?}\nmodel = \"fake-1\"\n",
            project.path(),
        ));
        Some(World { _root: root, project, setup, model })
    }
}

impl World {
    fn seen(&self) -> Vec<Value> {
        match &self.model {
            Model::Gemini(fake) => fake.seen(),
            Model::Anthropic(fake) => fake.seen(),
        }
    }

    /// The key went nowhere but to the provider, which takes no other.
    fn assert_key_outside(&self, gatepost: &Gatepost, task: &Value) {
        assert!(!task.to_string().contains(KEY) && !gatepost.log().contains(KEY));
        let journal = std::fs::read(self.setup.data_dir().join("journal.jsonl")).unwrap();
        assert!(!String::from_utf8_lossy(&journal).contains(KEY));
        assert!(self.seen().iter().all(|request| !request.to_string().contains(KEY)));
    }
}

fn done() -> Play {
    Play::Turn(vec![text("done")])
}

/// What the agent and its model said to people.
fn said(task: &Value) -> String {
    events_of(task, "agent-reported").iter().map(|event| format!("{}\n", event["event"])).collect()
}

/// An approval runs once, and a denial's reason and a message reach the model.
async fn works(which: Which, test: &str) {
    let once = "echo ran >>ran.txt; env; git push";
    let mut script = vec![
        Play::Turn(vec![which.shell("ls")]),
        Play::Turn(vec![which.shell(once)]),
        Play::Turn(vec![which.shell("git push --tags")]),
    ];
    // What each makes of a message while it works is its own affair.
    script.extend(std::iter::repeat_with(done).take(8));
    let Some(world) = which.world(test, script, "").await else { return };
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let id = api.submit("ship it").await;
    let open = api.approval(&id).await;
    let path = format!("/api/tasks/{id}/message");
    let said = api.post(&path, json!({ "text": "make it blue" })).await;
    assert!(said.status.is_success(), "{said:?}");
    assert_eq!(api.answer(&open, "approve").await.status, StatusCode::OK);
    let tags = loop {
        let next = api.approval(&id).await;
        if next["id"] != open["id"] {
            break next;
        }
    };
    let answer = json!({ "decision": "deny", "reason": "not before Friday" });
    let settle = format!("/api/approvals/{}", tags["id"].as_str().unwrap());
    assert_eq!(api.post(&settle, answer).await.status, StatusCode::OK);
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    assert_eq!(events_of(&task, "action-started").len(), 2, "{task:#}");
    let told = world.seen().iter().map(Value::to_string).collect::<String>();
    for words in ["not before Friday", "make it blue"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    world.assert_key_outside(&gatepost, &task);
    assert_eq!(api.deliver(&id, "apply").await.status, StatusCode::OK);
    assert_eq!(world.project.text("ran.txt").as_deref(), Some("ran\n"));
}

/// What passes at its model's provider is waited out, told to people, and nothing runs twice.
async fn waits_it_out(which: Which, test: &str) {
    let script = vec![
        Play::Turn(vec![which.shell("echo once >>once.txt")]),
        Play::Fail(503, None),
        Play::Fail(500, None),
        Play::Fail(429, Some(1)),
        Play::Cut,
        Play::Slow(Duration::from_secs(2), vec![text("done")]),
    ];
    let Some(world) = which.world(test, script, "").await else { return };
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let id = api.submit("go").await;
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    // Gemini CLI takes what broke off for the end of its answer; people are told that it did.
    let asked = match which {
        Which::Gemini => 5,
        Which::Adapter | Which::OpenCode => 6,
    };
    assert_eq!(world.seen().len(), asked);
    let said = said(&task);
    for words in ["(503: it fails)", "(500: it fails)", "(429: it fails)", "broke off"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(events_of(&task, "action-started").len(), 1, "{task:#}");
    assert_eq!(api.deliver(&id, "apply").await.status, StatusCode::OK);
    assert_eq!(world.project.text("once.txt").as_deref(), Some("once\n"));
}

/// A key that is refused ends the task at once, and a model that falls silent after a while.
async fn ends_in_words(which: Which, test: &str) {
    for (script, more, words) in [
        (vec![Play::Fail(401, None); 9], "", ["401", "check the key"]),
        (vec![Play::Stall; 9], "silence = \"9s\"", ["said nothing", "9 seconds"]),
    ] {
        let Some(world) = which.world(test, script, more).await else { return };
        let gatepost = world.setup.up();
        let api = gatepost.api();
        let id = api.submit("go").await;
        let task = api.finished(&id).await;
        assert_eq!(task["outcome"], "failed", "{task:#}");
        let reason = task["summary"]["reason"].as_str().unwrap();
        assert!(words.iter().all(|words| reason.contains(words)), "{reason}");
        assert!(events_of(&task, "action-started").is_empty(), "{task:#}");
    }
}

#[tokio::test]
async fn gemini_works_and_hears_what_people_say() {
    works(Which::Gemini, "gemini_works_and_hears_what_people_say").await;
}

#[tokio::test]
async fn the_adapter_works_and_hears_what_people_say() {
    works(Which::Adapter, "the_adapter_works_and_hears_what_people_say").await;
}

#[tokio::test]
async fn opencode_works_and_hears_what_people_say() {
    works(Which::OpenCode, "opencode_works_and_hears_what_people_say").await;
}

#[tokio::test]
async fn opencode_waits_out_what_passes_at_its_model() {
    waits_it_out(Which::OpenCode, "opencode_waits_out_what_passes_at_its_model").await;
}

#[tokio::test]
async fn what_does_not_pass_ends_the_task_of_opencode_in_words() {
    ends_in_words(Which::OpenCode, "what_does_not_pass_ends_the_task_of_opencode_in_words").await;
}

#[tokio::test]
async fn gemini_waits_out_what_passes_at_its_model() {
    waits_it_out(Which::Gemini, "gemini_waits_out_what_passes_at_its_model").await;
}

#[tokio::test]
async fn the_adapter_waits_out_what_passes_at_its_model() {
    waits_it_out(Which::Adapter, "the_adapter_waits_out_what_passes_at_its_model").await;
}

#[tokio::test]
async fn what_does_not_pass_ends_the_task_of_gemini_in_words() {
    ends_in_words(Which::Gemini, "what_does_not_pass_ends_the_task_of_gemini_in_words").await;
}

#[tokio::test]
async fn what_does_not_pass_ends_the_task_of_the_adapter_in_words() {
    ends_in_words(Which::Adapter, "what_does_not_pass_ends_the_task_of_the_adapter_in_words").await;
}
