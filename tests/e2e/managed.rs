//! What whoever runs the machine decides, and rules that are read again, with the real binary.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gatepost_e2e::Project;
use gatepost_e2e::Setup;
use gatepost_e2e::is_root;
use gatepost_e2e::skip;
use gatepost_e2e::telegram::Message;
use gatepost_e2e::world::ANN;
use gatepost_e2e::world::World;
use reqwest::StatusCode;
use serde_json::json;

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

#[tokio::test]
async fn bypass_is_for_whole_sandboxes_where_the_machine_allows_it() {
    if !is_root() {
        skip(
            "bypass_is_for_whole_sandboxes_where_the_machine_allows_it",
            "it takes root to manage",
        );
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let managed = tempfile::tempdir().unwrap();
    std::fs::set_permissions(managed.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let file = managed.path().join("managed.toml");
    let setup = Setup::new(root.path()).project(project.path()).managed(managed.path());
    let wanted = |text: &str| json!({ "text": text, "mode": "bypass" });
    let push = "$ touch .git/hooks/pre-push";

    // Nobody has it by themselves, and one file takes away what another gives.
    write(&managed.path().join("managed.toml"), "allow_bypass = true\ndisable_bypass = true\n");
    let gatepost = setup.up();
    let api = gatepost.api();
    let refused = api.post("/api/tasks", wanted(push)).await;
    assert!(refused.status.is_client_error(), "{refused:?}");
    assert!(refused.body["hint"].as_str().unwrap().contains("allow_bypass"), "{refused:?}");

    // Allowed while it runs; the sandbox decides the rest.
    write(&file, "allow_bypass = true\n");
    let accepted = loop {
        let answer = api.post("/api/tasks", wanted(push)).await;
        if answer.status == StatusCode::CREATED {
            break answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    let task = api.finished(accepted.body["id"].as_str().unwrap()).await;
    let doctor = setup.run(&["doctor"]);
    if doctor.stdout.starts_with("sandbox: full") {
        assert_eq!(task["outcome"], "succeeded", "{task:#}");
        let id = api.post("/api/tasks", wanted("$ rm -rf /")).await.body["id"].clone();
        assert_eq!(api.finished(id.as_str().unwrap()).await["outcome"], "denied");
    } else {
        assert_eq!(task["outcome"], "failed", "{task:#}");
        let reason = task["summary"]["reason"].to_string();
        assert!(reason.contains("full tier"), "{task:#}");
    }
    let shown = setup.run(&["config", "show", "--effective"]).stdout;
    assert!(
        shown.contains("# managed: allow_bypass = true  # /etc/gatepost/managed.toml"),
        "{shown}"
    );
    assert!(shown.contains("timeout = \"30m\"  # default"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_read_again_and_broken_ones_change_nothing() {
    let root = tempfile::tempdir().unwrap();
    let rules = root.path().join("rules.toml");
    write(&rules, "");
    let world = World::with(&format!("{}[policy]\nrules = {rules:?}\n", World::people())).await;
    let setup = &world.setup;
    let nobody = setup.run(&["policy", "reload"]);
    assert!(nobody.code == Some(2) && nobody.stderr.contains("no gatepost serves"), "{nobody:?}");
    let gatepost = setup.up();
    let api = gatepost.api();
    // Only to somebody who has written may a bot write.
    let _ = world.chat.say(ANN, "/who");
    world.chat.all_taken().await;
    assert_eq!(api.finished(&api.submit("$ echo one").await).await["outcome"], "succeeded");
    let until_said = |words: &'static str| {
        let gatepost = &gatepost;
        async move {
            while !gatepost.log().contains(words) {
                tokio::time::sleep(std::time::Duration::from_millis(30)).await;
            }
        }
    };

    let rule = "[[rule]]\nrule = 'Bash(echo:*)'\nverdict = 'deny'\nreason = 'be silent'\n";
    write(&rules, rule);
    let told = setup.run(&["policy", "reload"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    until_said("the rules were read again").await;
    assert_eq!(api.finished(&api.submit("$ echo two").await).await["outcome"], "denied");

    write(&rules, &rule.replace("deny", "dney"));
    let told = setup.run(&["policy", "reload"]);
    assert!(told.code == Some(2) && told.stderr.contains("rules.toml:3"), "{told:?}");
    until_said("those from before hold").await;
    assert!(gatepost.log().contains("rules.toml:3"), "{}", gatepost.log());
    let alert = |message: &Message| message.text.contains("those from before hold");
    let told = world.chat.message("the alert", alert).await;
    assert!(told.chat == ANN && told.text.contains("rules.toml:3"), "{told:?}");
    assert_eq!(api.finished(&api.submit("$ echo three").await).await["outcome"], "denied");
}
