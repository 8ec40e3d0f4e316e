//! Kill -9 at the worst moments, then start again: nothing is lost and nothing runs twice.

use std::time::Duration;

use gatepost_e2e::Project;
use gatepost_e2e::Setup;
use gatepost_e2e::api::events_of;
use reqwest::StatusCode;
use serde_json::json;

fn set_up() -> (tempfile::TempDir, Project, Setup) {
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let setup = Setup::new(root.path()).project(project.path());
    (root, project, setup)
}

#[tokio::test]
async fn a_card_survives_a_crash_and_the_task_goes_on_where_it_stood() {
    let (_root, project, setup) = set_up();
    let gatepost = setup.up();
    let api = gatepost.api();
    let text = "```\nmkdir -p work && cd work\nexport WORD=kept\necho one >> log.txt\ntouch ../.git/hooks/a\necho $WORD >> log.txt\n```";
    let id = api.submit(text).await;
    let before = api.approval(&id).await;
    gatepost.kill_9();

    let gatepost = setup.up();
    let api = gatepost.api();
    let after = api.approval(&id).await;
    assert_eq!(before["id"], after["id"], "the same question, with the same button");
    assert_eq!(before["digest"], after["digest"]);
    assert_eq!(api.answer(&after, "approve").await.status, StatusCode::OK);
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    assert_eq!(events_of(&task, "action-started").len(), 5, "earlier steps are not repeated");
    assert_eq!(api.deliver(&id, "apply").await.status, StatusCode::OK);
    assert_eq!(project.text("work/log.txt").as_deref(), Some("one\nkept\n"));
}

#[tokio::test]
async fn a_denial_after_a_crash_is_a_denial() {
    let (_root, _project, setup) = set_up();
    let gatepost = setup.up();
    let id = gatepost.api().submit("$ echo one > a\n$ touch .git/hooks/a\n$ echo two > b").await;
    gatepost.api().approval(&id).await;
    gatepost.kill_9();
    let gatepost = setup.up();
    let api = gatepost.api();
    let approval = api.approval(&id).await;
    assert_eq!(api.answer(&approval, "deny").await.status, StatusCode::OK);
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "denied", "{task:#}");
    assert_eq!(events_of(&task, "action-started").len(), 1);
}

#[tokio::test]
async fn a_run_that_died_is_interrupted_and_can_be_run_again() {
    let (_root, _project, setup) = set_up();
    let gatepost = setup.up();
    let api = gatepost.api();
    let id = api.submit("$ echo begun > begun.txt\n$ sleep 300").await;
    let queued = api.submit("$ echo later > later.txt").await;
    while events_of(&api.task(&id).await, "action-started").len() < 2 {
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    gatepost.kill_9();

    let gatepost = setup.up();
    let api = gatepost.api();
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "interrupted", "{task:#}");
    assert!(task["summary"]["reason"].as_str().unwrap().contains("sleep 300"), "{task:#}");
    assert_eq!(events_of(&task, "action-started").len(), 2, "nothing is started again by itself");
    assert_eq!(task["summary"]["files"][0]["path"], "begun.txt", "what it did is not lost");
    let later = api.finished(&queued).await;
    assert_eq!(later["outcome"], "succeeded", "a queued task runs after the restart: {later:#}");
    let again = api.post(&format!("/api/tasks/{id}/retry"), json!({})).await;
    assert!(again.status.is_success(), "{again:?}");
    let new_id = again.body["id"].as_str().unwrap().to_owned();
    assert_ne!(new_id, id, "running again is a task of its own");
    while events_of(&api.task(&new_id).await, "action-started").len() < 2 {
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let stop = api.post(&format!("/api/tasks/{new_id}/cancel"), json!({})).await;
    assert!(stop.status.is_success(), "{stop:?}");
    api.finished(&new_id).await;
}

#[tokio::test]
async fn a_question_that_ran_out_while_gatepost_was_down_is_denied_at_start() {
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let config =
        format!("[projects.demo]\npath = {:?}\n[approvals]\ntimeout = \"2s\"\n", project.path());
    let setup = Setup::new(root.path()).config(&config);
    let gatepost = setup.up();
    let id = gatepost.api().submit("$ touch .git/hooks/a").await;
    gatepost.api().approval(&id).await;
    gatepost.kill_9();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let gatepost = setup.up();
    let task = gatepost.api().finished(&id).await;
    assert_eq!(task["outcome"], "denied", "{task:#}");
    assert_eq!(events_of(&task, "action-started").len(), 0);
}

#[tokio::test]
async fn killed_at_random_moments_nothing_starts_twice() {
    let (_root, _project, setup) = set_up();
    let mut ids = Vec::new();
    for round in 0..6u64 {
        let gatepost = setup.up();
        let api = gatepost.api();
        ids.push(
            api.submit("$ echo a > a\n$ echo b > b\n$ touch .git/hooks/x\n$ echo c > c").await,
        );
        tokio::time::sleep(Duration::from_millis(37 * (round + 1))).await;
        if round % 2 == 0 {
            for open in api.get("/api/approvals").await.as_array().unwrap() {
                let _may_be_too_late = api.answer(open, "approve").await;
            }
        }
        gatepost.kill_9();
    }
    let gatepost = setup.up();
    let api = gatepost.api();
    for id in ids {
        let task = loop {
            let task = api.task(&id).await;
            if task["state"] == "finished" {
                break task;
            }
            for open in api.get("/api/approvals").await.as_array().unwrap() {
                let _may_be_too_late = api.answer(open, "approve").await;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        };
        let outcome = task["outcome"].as_str().unwrap();
        assert!(["succeeded", "interrupted"].contains(&outcome), "{task:#}");
        let mut seen = std::collections::BTreeSet::new();
        for event in events_of(&task, "action-started") {
            assert!(seen.insert(event["action_id"].as_u64().unwrap()), "started twice: {task:#}");
        }
        let mut subjects = std::collections::BTreeSet::new();
        for line in task["summary"]["ran"].as_array().unwrap() {
            let subject = line["subject"].as_str().unwrap().to_owned();
            assert!(subjects.insert(subject), "a step ran twice: {task:#}");
        }
    }
    assert_eq!(gatepost.terminate(), Some(0));
    let verified = setup.run(&["audit", "verify"]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

#[tokio::test]
async fn damaged_views_are_rebuilt_from_the_journal() {
    let (_root, _project, setup) = set_up();
    let gatepost = setup.up();
    let id = gatepost.api().submit("$ echo one > a").await;
    let before = gatepost.api().finished(&id).await;
    assert_eq!(gatepost.terminate(), Some(0));
    let views = setup.data_dir().join("views");
    assert!(views.is_dir(), "{}", views.display());
    for entry in std::fs::read_dir(&views).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::write(path, b"garbage, not a database").unwrap();
        }
    }
    let gatepost = setup.up();
    assert_eq!(gatepost.api().task(&id).await["events"], before["events"]);
    drop(gatepost);
    std::fs::remove_dir_all(&views).unwrap();
    let gatepost = setup.up();
    assert_eq!(gatepost.api().task(&id).await["events"], before["events"]);
}
