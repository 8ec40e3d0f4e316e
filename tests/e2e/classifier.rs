//! The classifier: the real binary with a fake model that judges what the rules leave open.

use std::os::unix::fs::PermissionsExt;

use gatepost_e2e::Project;
use gatepost_e2e::Setup;
use gatepost_e2e::api::events_of;
use gatepost_e2e::models::FakeAnthropic;
use gatepost_e2e::models::Play;
use gatepost_e2e::models::anthropic::text;
use reqwest::StatusCode;
use serde_json::Value;
use serde_json::json;

const KEY: &str = "sk-ant-judge-0123456789abcdef";

/// Writes a file that makes something run later: the rules do not settle it.
const HOOK: &str = "touch .git/hooks/a && echo once >> log.txt";

struct World {
    // Dropped last: everything lies in it.
    _root: tempfile::TempDir,
    project: Project,
    setup: Setup,
    judge: FakeAnthropic,
}

async fn world(script: Vec<Play>, more: &str) -> World {
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let judge = FakeAnthropic::start(KEY, script).await;
    let key = root.path().join("judge.key");
    std::fs::write(&key, KEY).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let config = format!(
        "[projects.demo]\npath = {:?}\n[models.judge]\napi = \"anthropic\"\nbase_url = {:?}\n\
         key_file = {key:?}\nmodel = \"judge-1\"\n[auto_mode]\nmodel = \"judge\"\ntimeout = \"4s\"\n\
         {more}",
        project.path(),
        judge.url(),
    );
    let setup = Setup::new(root.path()).config(&config);
    World { _root: root, project, setup, judge }
}

fn asked() -> String {
    format!("$ {HOOK}")
}

fn says(words: &str) -> Play {
    Play::Turn(vec![text(words)])
}

fn ruling(verdict: &str, rule: &str, must_name: Value, authorisation: &str) -> Play {
    let answer = json!({
        "verdict": verdict, "rule": rule, "must_name": must_name, "risk": "medium",
        "reason": "it plants something that runs later", "authorisation": authorisation,
    });
    says(&format!("It writes a hook.\n{answer}"))
}

async fn until(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(gatepost_e2e::PATIENCE, waiting).await.unwrap();
}

fn judged(task: &Value) -> Value {
    events_of(task, "verdict")[0].clone()
}

#[tokio::test]
async fn what_it_lets_pass_runs_without_a_person_and_is_counted() {
    let world = world(vec![says("allow")], "").await;
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let id = api.submit(&asked()).await;
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    assert_eq!(judged(&task)["stage"], "classifier", "{task:#}");
    assert!(events_of(&task, "approval-requested").is_empty());
    assert_eq!(events_of(&task, "model-used").len(), 1);
    assert_eq!(task["summary"]["settled_by"]["classifier"]["allowed"], 1, "{task:#}");

    let seen = world.judge.seen();
    let blocks = seen[0]["messages"][0]["content"].as_array().unwrap();
    let case: Value = serde_json::from_str(blocks[0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(case["said_by_the_person"][0]["words"], asked());
    assert_eq!(case["action"]["command"], HOOK);
    assert!(!seen[0].to_string().contains(KEY));
    let journal = std::fs::read(world.setup.data_dir().join("journal.jsonl")).unwrap();
    assert!(!String::from_utf8_lossy(&journal).contains(KEY));
}

#[tokio::test]
async fn what_it_refuses_ends_with_its_reason_and_runs_nothing() {
    let world =
        world(vec![says("flag"), ruling("deny", "later-trigger", Value::Null, "none")], "").await;
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let id = api.submit(&asked()).await;
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "denied", "{task:#}");
    assert_eq!(judged(&task)["rule"], "later-trigger");
    assert!(events_of(&task, "action-started").is_empty());
    assert!(task["summary"].to_string().contains("it plants something that runs later"));
    let seen = world.judge.seen();
    let prefix = |request: &Value| {
        (request["system"].clone(), request["messages"][0]["content"][0]["text"].clone())
    };
    assert_eq!(prefix(&seen[0]), prefix(&seen[1]), "both steps share all but the last instruction");
    assert_eq!(world.project.text("log.txt"), None);
}

#[tokio::test]
async fn a_permission_that_the_person_did_not_give_asks_them() {
    let claimed = json!("hooks are fine");
    let world =
        world(vec![says("flag"), ruling("allow", "later-trigger", claimed, "explicit")], "").await;
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let id = api.submit(&asked()).await;
    let open = api.approval(&id).await;
    let reason = open["reason"].as_str().unwrap();
    assert!(reason.contains("has not named the file or the trigger"), "{open:#}");
    assert_eq!(api.answer(&open, "deny").await.status, StatusCode::OK);
    assert_eq!(api.finished(&id).await["outcome"], "denied");
}

#[tokio::test]
async fn no_verdict_asks_a_person_and_says_why() {
    for (script, why) in [
        (vec![Play::Fail(529, None); 3], "cannot be reached"),
        (vec![Play::Fail(401, None)], "cannot be reached"),
        (vec![Play::Stall, Play::Stall, Play::Stall], "did not answer in time"),
        (vec![Play::Garbage], "no verdict"),
        (vec![says("flag"), says("I would rather not say.")], "no verdict"),
        (vec![says("flag"), ruling("allow", "no-such-rule", Value::Null, "none")], "no verdict"),
    ] {
        let world = world(script, "").await;
        let gatepost = world.setup.up();
        let api = gatepost.api();
        let id = api.submit(&asked()).await;
        let open = api.approval(&id).await;
        let reason = open["reason"].as_str().unwrap();
        assert!(reason.contains(why), "{why}: {open:#}");
        assert_eq!(api.answer(&open, "approve").await.status, StatusCode::OK);
        let task = api.finished(&id).await;
        assert_eq!(task["outcome"], "succeeded", "{task:#}");
        assert_eq!(judged(&task)["verdict"], "no-verdict", "{task:#}");
        assert!(!gatepost.log().contains(KEY));
    }
}

#[tokio::test]
async fn a_second_model_is_asked_where_the_first_has_no_verdict() {
    let second = FakeAnthropic::start(KEY, vec![says("allow")]).await;
    let more = format!(
        "second_model = \"second\"\n[models.second]\napi = \"anthropic\"\nbase_url = {:?}\n\
         key_env = \"SECOND_KEY\"\nmodel = \"judge-2\"\n",
        second.url()
    );
    let mut world = world(vec![Play::Fail(401, None)], &more).await;
    world.setup = world.setup.env("SECOND_KEY", KEY);
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let id = api.submit(&asked()).await;
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    assert_eq!(second.seen().len(), 1);
    assert_eq!(world.judge.seen().len(), 1);
}

#[tokio::test]
async fn what_the_rules_settle_is_never_sent_to_a_model() {
    let world = world(Vec::new(), "").await;
    let gatepost = world.setup.up();
    let api = gatepost.api();
    for text in ["$ echo fine > a.txt", "$ rm -rf / --no-preserve-root"] {
        let id = api.submit(text).await;
        api.finished(&id).await;
    }
    assert!(world.judge.seen().is_empty());
}

#[test]
fn the_policy_in_words_is_shown_and_checked() {
    let root = tempfile::tempdir().unwrap();
    let setup = Setup::new(root.path());
    let own = setup.run(&["auto-mode", "defaults"]);
    assert!(own.code == Some(0) && own.stdout.contains("later-trigger:"), "{}", own.stdout);
    let config = "[auto_mode]\nsoft_deny = [\"fridays: no deploys on Fridays\"]\n";
    let setup = Setup::new(root.path()).config(config);
    let shown = setup.run(&["auto-mode", "config"]);
    assert!(shown.stdout.contains("fridays: no deploys on Fridays"), "{}", shown.stdout);
    assert!(!shown.stdout.contains("later-trigger"), "a list takes the place of the own one");
    for (config, why) in [
        ("[auto_mode]\nmodel = \"nobody\"\n", "names the model `nobody`"),
        ("[auto_mode]\nhard_deny = [\"\"]\n", "entry 1 of `hard_deny`"),
        ("[auto_mode]\nsecond_model = \"x\"\n", "`auto_mode.model` is not"),
    ] {
        let checked = Setup::new(root.path()).config(config).run(&["config", "check"]);
        assert!(checked.code == Some(2) && checked.stderr.contains(why), "{}", checked.stderr);
    }
}

#[tokio::test]
async fn a_spent_budget_asks_a_person_instead_of_the_classifier() {
    let world = world(vec![says("allow")], "[budget]\ntask = \"1 tokens\"\n").await;
    let gatepost = world.setup.up();
    let api = gatepost.api();
    let id =
        api.submit(&format!("{}\n$ touch .git/hooks/b && echo twice >> log.txt", asked())).await;
    let open = api.approval(&id).await;
    let reason = open["reason"].as_str().unwrap();
    assert!(reason.contains("the budget of the task is spent"), "{open:#}");
    assert_eq!(api.answer(&open, "approve").await.status, StatusCode::OK);
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    assert_eq!(world.judge.seen().len(), 1, "only the first action was sent to a model");
}

#[tokio::test]
async fn whoever_runs_the_machine_turns_auto_mode_off_at_once() {
    let world = world(vec![says("allow"), Play::Stall], "").await;
    let managed = tempfile::tempdir().unwrap();
    let chmod = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    chmod(managed.path(), 0o755);
    let file = managed.path().join("managed.toml");
    let write = |text: &str, mode| {
        std::fs::write(&file, text).unwrap();
        chmod(&file, mode);
    };
    let rule = "[[rule]]\nrule = 'Bash(forbidden:*)'\nverdict = 'hard-deny'\nreason = 'theirs'\n\
                [auto_mode]\nhard_deny = [\"machine-rule: never that\"]\n";
    write(rule, 0o666);
    let setup = world.setup.clone().managed(managed.path());
    let refused = setup.run(&["config", "check"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("chmod go-w"), "{}", refused.stderr);
    write(rule, 0o644);
    let shown = setup.run(&["auto-mode", "config"]);
    assert!(shown.stdout.contains("machine-rule: never that"), "{}", shown.stdout);

    let gatepost = setup.up();
    let api = gatepost.api();
    assert_eq!(api.finished(&api.submit("$ forbidden").await).await["outcome"], "denied");
    let id = api.submit(&asked()).await;
    assert_eq!(judged(&api.finished(&id).await)["stage"], "classifier");
    // The next verdict is under way for as long as the model stalls.
    let id = api.submit("$ touch .git/hooks/b && echo twice >> log.txt").await;
    until(|| world.judge.seen().len() == 2).await;
    write(&format!("disable_auto = true\n{rule}"), 0o644);
    let open = api.approval(&id).await;
    assert_eq!(api.answer(&open, "deny").await.status, StatusCode::OK);
    let task = api.finished(&id).await;
    assert_ne!(judged(&task)["stage"], "classifier", "{task:#}");
    let id = api.submit("$ echo contained > a.txt && sh a.txt").await;
    let open = api.approval(&id).await;
    assert!(open["reason"].as_str().unwrap().contains("turned off by whoever runs"), "{open:#}");
    assert_eq!(api.answer(&open, "deny").await.status, StatusCode::OK);
    assert_eq!(api.finished(&id).await["outcome"], "denied");
    assert_eq!(world.judge.seen().len(), 2, "no model is asked any more");
}
