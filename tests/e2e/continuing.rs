//! A task that is over goes on: in its own workspace, where its agent stood.

use std::time::Duration;

use gatepost_e2e::Project;
use gatepost_e2e::Setup;
use gatepost_e2e::api::events_of;
use reqwest::StatusCode;
use serde_json::Value;
use serde_json::json;

fn paths(task: &Value) -> Vec<&str> {
    let files = task["summary"]["files"].as_array().unwrap();
    files.iter().map(|file| file["path"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_message_to_a_finished_task_goes_on_in_its_workspace() {
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let setup = Setup::new(root.path()).project(project.path());
    let gatepost = setup.up();
    let api = gatepost.api();
    let id =
        api.submit("```\nmkdir -p part && cd part\nexport WORD=kept\necho one > a.txt\n```").await;
    assert_eq!(api.finished(&id).await["outcome"], "succeeded");
    let say = async |text: &str| {
        api.post(&format!("/api/tasks/{id}/message"), json!({ "text": text })).await
    };
    assert_eq!(say("$ cat a.txt > b.txt && echo $WORD >> b.txt").await.status, StatusCode::OK);
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    assert_eq!(paths(&task), ["part/a.txt", "part/b.txt"]);
    assert_eq!(events_of(&task, "run-started").len(), 2);
    assert_eq!(events_of(&task, "action-started").len(), 4, "nothing of before is done again");
    assert_eq!(api.deliver(&id, "apply").await.status, StatusCode::OK);
    assert_eq!(project.text("part/b.txt").as_deref(), Some("one\nkept\n"));

    // What is applied is the project's; the task goes on from there, also over a restart.
    gatepost.kill_9();
    let gatepost = setup.up();
    let api = gatepost.api();
    let path = format!("/api/tasks/{id}/message");
    let text = "$ test -e b.txt && echo two > c.txt";
    assert_eq!(api.post(&path, json!({ "text": text })).await.status, StatusCode::OK);
    let task = api.finished(&id).await;
    assert_eq!(paths(&task), ["part/c.txt"], "{task:#}");
    assert_eq!(api.deliver(&id, "apply").await.status, StatusCode::OK);
    assert_eq!(project.text("part/c.txt").as_deref(), Some("two\n"));
}

#[tokio::test]
async fn an_interrupted_task_is_resumed_where_it_was_cut() {
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let setup = Setup::new(root.path()).project(project.path());
    let gatepost = setup.up();
    let api = gatepost.api();
    let text = "$ echo one >> log.txt\n\
                $ test -e cut.txt || { touch cut.txt; sleep 300; }\n\
                $ echo two >> log.txt";
    let id = api.submit(text).await;
    while events_of(&api.task(&id).await, "action-started").len() < 2 {
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    gatepost.kill_9();

    let gatepost = setup.up();
    let api = gatepost.api();
    assert_eq!(api.finished(&id).await["outcome"], "interrupted");
    let resume = format!("/api/tasks/{id}/resume");
    assert_eq!(api.post(&resume, json!({})).await.status, StatusCode::OK);
    assert_eq!(api.post(&resume, json!({})).await.status, StatusCode::CONFLICT, "once");
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    assert_eq!(api.deliver(&id, "apply").await.status, StatusCode::OK);
    assert_eq!(project.text("log.txt").as_deref(), Some("one\ntwo\n"), "each step once");
}
