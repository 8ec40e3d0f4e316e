//! The main job over the API: hand over, run in the sandbox, ask, answer, sum up, apply.

use gatepost_e2e::Gatepost;
use gatepost_e2e::Project;
use gatepost_e2e::Setup;
use gatepost_e2e::api::events_of;
use reqwest::Method;
use reqwest::StatusCode;
use serde_json::json;

/// A task whose second step brings a card.
const RISKY: &str = "please\n\n```sh\necho one >> log.txt\nprintf '#!/bin/sh\\n' > .git/hooks/pre-commit\necho two >> log.txt\n```\n";

fn demo() -> (tempfile::TempDir, Project, Gatepost) {
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let gatepost = Setup::new(root.path()).project(project.path()).up();
    (root, project, gatepost)
}

#[tokio::test]
async fn routine_steps_run_alone_and_the_project_stays_untouched_until_apply() {
    let (_root, project, gatepost) = demo();
    let api = gatepost.api();
    let before = project.snapshot();
    let id = api.submit("$ echo hello > new.txt\n$ cat new.txt README\n$ sleep 0.1").await;
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    assert_eq!(project.snapshot(), before, "the project is never written by a run");
    assert!(task["diff"].as_str().unwrap().contains("+hello"), "{task:#}");
    assert_eq!(task["summary"]["files"][0]["path"], "new.txt", "{task:#}");
    assert_eq!(events_of(&task, "approval-requested").len(), 0);
    assert_eq!(events_of(&task, "action-finished").len(), 3);
    let answer = api.deliver(&id, "apply").await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(project.text("new.txt").as_deref(), Some("hello\n"));
    let again = api.deliver(&id, "apply").await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{again:?}");
}

#[tokio::test]
async fn a_risky_step_waits_for_a_person_and_runs_once_approved() {
    let (_root, project, gatepost) = demo();
    let api = gatepost.api();
    let id = api.submit(RISKY).await;
    let approval = api.approval(&id).await;
    let shown = approval["action"].to_string();
    assert!(shown.contains(".git/hooks/pre-commit"), "{approval:#}");
    for field in ["reason", "rule", "expires_at"] {
        assert!(approval[field].as_str().is_some_and(|text| !text.is_empty()), "{approval:#}");
    }
    let first = api.answer(&approval, "approve").await;
    assert_eq!(first.status, StatusCode::OK, "{first:?}");
    let second = api.answer(&approval, "deny").await;
    assert_eq!(second.status, StatusCode::CONFLICT, "{second:?}");
    assert!(second.body.to_string().contains("approved"), "it says what was decided: {second:?}");
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    assert_eq!(task["summary"]["approved"].as_array().unwrap().len(), 1, "{task:#}");
    assert_eq!(api.deliver(&id, "apply").await.status, StatusCode::OK);
    assert_eq!(project.text("log.txt").as_deref(), Some("one\ntwo\n"));
    assert!(
        !project.path().join(".git/hooks/pre-commit").exists(),
        "git's own files are never delivered, approved or not"
    );
}

#[tokio::test]
async fn a_denied_step_does_not_run_and_stops_the_run() {
    let (_root, _project, gatepost) = demo();
    let api = gatepost.api();
    let id = api.submit(RISKY).await;
    let approval = api.approval(&id).await;
    let path = format!("/api/approvals/{}", approval["id"].as_str().unwrap());
    let body = json!({ "decision": "deny", "reason": "no hooks please" });
    assert_eq!(api.post(&path, body).await.status, StatusCode::OK);
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "denied", "{task:#}");
    assert_eq!(events_of(&task, "action-started").len(), 1, "only the first step ran: {task:#}");
    let refused = &task["summary"]["refused"][0];
    assert!(refused.to_string().contains("no hooks please"), "{task:#}");
}

#[tokio::test]
async fn a_dash_lets_the_run_go_on_after_a_denial() {
    let (_root, _project, gatepost) = demo();
    let api = gatepost.api();
    let id = api.submit("$ -touch .git/hooks/post-merge\n$ -false\n$ echo done").await;
    let approval = api.approval(&id).await;
    assert_eq!(api.answer(&approval, "deny").await.status, StatusCode::OK);
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
}

#[tokio::test]
async fn of_two_answers_at_once_one_wins_and_both_hear_the_truth() {
    let (_root, _project, gatepost) = demo();
    let api = gatepost.api();
    for round in 0..8 {
        let id = api.submit("$ touch .git/hooks/post-merge").await;
        let approval = api.approval(&id).await;
        let (yes, no) =
            tokio::join!(api.answer(&approval, "approve"), api.answer(&approval, "deny"));
        let statuses = [yes.status, no.status];
        assert!(
            statuses == [StatusCode::OK, StatusCode::CONFLICT]
                || statuses == [StatusCode::CONFLICT, StatusCode::OK],
            "round {round}: {yes:?} {no:?}"
        );
        let task = api.finished(&id).await;
        let started = events_of(&task, "action-started").len();
        let wanted = if yes.status == StatusCode::OK { ("succeeded", 1) } else { ("denied", 0) };
        assert_eq!((task["outcome"].as_str().unwrap(), started), wanted, "{task:#}");
    }
}

#[tokio::test]
async fn directory_and_variables_carry_over_between_steps() {
    let (_root, _project, gatepost) = demo();
    let api = gatepost.api();
    let text = "```\nmkdir sub && cd sub\nexport GREETING='hello there'\ncat > out.txt <<EOF\n$GREETING from ${PWD##*/}\nEOF\ncat out.txt\n```";
    let id = api.submit(text).await;
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    assert!(task["diff"].as_str().unwrap().contains("+hello there from sub"), "{task:#}");
    assert_eq!(events_of(&task, "action-started").len(), 4, "a here-document is one step");
}

#[tokio::test]
async fn an_approval_for_the_task_is_not_asked_again() {
    let (_root, _project, gatepost) = demo();
    let api = gatepost.api();
    let id = api.submit("$ touch .git/hooks/a\n$ touch .git/hooks/a\n$ touch .git/hooks/b").await;
    let first = api.approval(&id).await;
    assert_eq!(api.answer(&first, "approve-for-task").await.status, StatusCode::OK);
    let second = loop {
        let next = api.approval(&id).await;
        if next["id"] != first["id"] {
            break next;
        }
    };
    assert!(second["action"].to_string().contains(".git/hooks/b"), "{second:#}");
    assert_eq!(api.answer(&second, "approve").await.status, StatusCode::OK);
    assert_eq!(api.finished(&id).await["outcome"], "succeeded");
}

#[tokio::test]
async fn nobody_answers_and_the_action_is_denied() {
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let config =
        format!("[projects.demo]\npath = {:?}\n[approvals]\ntimeout = \"1s\"\n", project.path());
    let gatepost = Setup::new(root.path()).config(&config).up();
    let api = gatepost.api();
    let id = api.submit("$ touch .git/hooks/a").await;
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "denied", "{task:#}");
    assert_eq!(task["summary"]["settled_by"]["timeout"]["refused"], 1, "{task:#}");
    assert_eq!(events_of(&task, "action-started").len(), 0);
}

#[tokio::test]
async fn a_task_can_be_stopped_at_every_stage() {
    let (_root, _project, gatepost) = demo();
    let api = gatepost.api();
    let running = api.submit("$ echo kept > kept.txt\n$ sleep 300").await;
    let queued = api.submit("$ echo never").await;
    while events_of(&api.task(&running).await, "action-started").len() < 2 {
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    assert_eq!(api.task(&queued).await["state"], "queued", "one writer at a time");
    let stop = |id: String| {
        let api = api.clone();
        async move { api.post(&format!("/api/tasks/{id}/cancel"), json!({})).await.status }
    };
    assert!(stop(queued.clone()).await.is_success());
    assert_eq!(api.finished(&queued).await["outcome"], "cancelled");
    let begun = std::time::Instant::now();
    assert!(stop(running.clone()).await.is_success());
    let task = api.finished(&running).await;
    assert_eq!(task["outcome"], "cancelled", "{task:#}");
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(task["summary"]["files"][0]["path"], "kept.txt", "what it did is not lost");
    let waiting = api.submit("$ touch .git/hooks/a").await;
    let approval = api.approval(&waiting).await;
    assert!(stop(waiting.clone()).await.is_success());
    assert_eq!(api.finished(&waiting).await["outcome"], "cancelled");
    assert_eq!(api.answer(&approval, "approve").await.status, StatusCode::CONFLICT);
    assert_eq!(stop(waiting).await, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_message_without_a_step_gets_a_friendly_answer() {
    let (_root, _project, gatepost) = demo();
    let api = gatepost.api();
    let id = api.submit("please fix the bug in the parser").await;
    let task = api.finished(&id).await;
    let answer = task["summary"]["reason"].as_str().unwrap();
    assert!(answer.contains("```") || answer.contains("$ "), "it shows the form: {answer}");
    assert_eq!(events_of(&task, "action-started").len(), 0);
}

#[tokio::test]
async fn a_failed_step_stops_the_run_and_says_which() {
    let (_root, _project, gatepost) = demo();
    let api = gatepost.api();
    let id = api.submit("$ sh -c 'echo broken >&2; exit 3'\n$ echo never").await;
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "failed", "{task:#}");
    assert_eq!(task["summary"]["ran"][0]["exit"], 3, "{task:#}");
    assert_eq!(events_of(&task, "action-started").len(), 1);
    assert!(task["summary"]["reason"].as_str().unwrap().contains("exit 3"), "{task:#}");
}

#[tokio::test]
async fn a_push_asks_a_person() {
    let (_root, _project, gatepost) = demo();
    let api = gatepost.api();
    let id = api.submit("$ git push origin main").await;
    let approval = api.approval(&id).await;
    assert!(approval["digest"].as_str().is_some_and(|digest| digest.len() == 64));
    assert_eq!(api.answer(&approval, "deny").await.status, StatusCode::OK);
    assert_eq!(api.finished(&id).await["outcome"], "denied");
}

#[tokio::test]
async fn the_audit_tells_the_same_story() {
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let setup = Setup::new(root.path()).project(project.path());
    let gatepost = setup.up();
    let api = gatepost.api();
    let id = api.submit(RISKY).await;
    let approval = api.approval(&id).await;
    assert_eq!(api.answer(&approval, "approve").await.status, StatusCode::OK);
    api.finished(&id).await;
    let shown = setup.run(&["audit", "show", &id, "--json"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let lines: Vec<serde_json::Value> =
        shown.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    for kind in ["verdict", "approval-requested", "approval-decided", "action-started"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    let asked = lines.iter().position(|line| line["kind"] == "approval-requested").unwrap();
    let digest = &lines[asked]["digest"];
    let decided = lines.iter().position(|line| line["kind"] == "approval-decided").unwrap();
    let started = lines
        .iter()
        .position(|line| line["kind"] == "action-started" && line["digest"] == *digest)
        .unwrap();
    assert!(asked < decided && decided < started, "{kinds:?}");
    assert_eq!(gatepost.terminate(), Some(0), "a clean end");
    let verified = setup.run(&["audit", "verify"]);
    assert_eq!(verified.code, Some(0), "{}{}", verified.stdout, verified.stderr);
}

#[tokio::test]
async fn the_api_describes_itself_and_refuses_strangers() {
    let (_root, _project, gatepost) = demo();
    let api = gatepost.api();
    let openapi = api.get("/api/openapi.json").await;
    for path in ["/api/tasks", "/api/tasks/{id}", "/api/approvals/{id}", "/api/events"] {
        assert!(openapi["paths"][path].is_object(), "{path} is not described");
    }
    let stranger = gatepost_e2e::Api::new(gatepost.link().split("/?key=").next().unwrap(), "wrong");
    let answer = stranger.call(Method::GET, "/api/tasks", None).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert!(answer.body["hint"].is_string(), "{answer:?}");
}
