//! Bad input and bad weather: each a clear sentence, and nothing lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use gatepost_e2e::Gatepost;
use gatepost_e2e::Mount;
use gatepost_e2e::Project;
use gatepost_e2e::Setup;
use gatepost_e2e::is_root;
use gatepost_e2e::skip;
use reqwest::StatusCode;
use serde_json::json;

fn demo() -> (tempfile::TempDir, Project, Setup, Gatepost) {
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let setup = Setup::new(root.path()).project(project.path());
    let gatepost = setup.up();
    (root, project, setup, gatepost)
}

/// A refusal must say what is wrong and what to do, and must not have made a task.
async fn refused(gatepost: &Gatepost, body: serde_json::Value, wanted: &str) {
    let api = gatepost.api();
    let before = api.get("/api/tasks").await.as_array().unwrap().len();
    let answer = api.post("/api/tasks", body).await;
    assert!(answer.status.is_client_error(), "{answer:?}");
    let detail = answer.body["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(wanted), "`{wanted}` is not in {answer:?}");
    assert!(answer.body["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{answer:?}");
    assert_eq!(api.get("/api/tasks").await.as_array().unwrap().len(), before);
}

#[tokio::test]
async fn a_task_that_cannot_be_taken_is_refused_with_a_hint() {
    let (_root, _project, _setup, gatepost) = demo();
    refused(&gatepost, json!({ "text": "" }), "empty").await;
    refused(&gatepost, json!({ "text": " \n\t " }), "empty").await;
    refused(&gatepost, json!({ "text": "$ true", "project": "dmeo" }), "dmeo").await;
    refused(&gatepost, json!({ "text": "$ true", "agent": "nobody" }), "nobody").await;
    refused(&gatepost, json!({ "text": "$ echo \u{0}" }), "").await;
    refused(&gatepost, json!({ "text": "$ true", "colour": "red" }), "colour").await;
}

#[tokio::test]
async fn a_task_of_a_megabyte_is_refused() {
    let (_root, _project, _setup, gatepost) = demo();
    let api = gatepost.api();
    for size in [100_000, 1_000_000, 3_000_000] {
        let answer = api.post("/api/tasks", json!({ "text": "x".repeat(size) })).await;
        assert!(answer.status.is_client_error(), "{size}: {}", answer.status);
        assert!(answer.body["hint"].is_string(), "{size}: {answer:?}");
    }
    assert_eq!(api.get("/api/tasks").await, json!([]));
}

#[tokio::test]
async fn a_step_that_cannot_be_parsed_runs_nothing_and_says_where() {
    let (_root, _project, _setup, gatepost) = demo();
    let api = gatepost.api();
    for text in ["$ echo one\n$ echo 'never closed", "```\nif true; then\n```", "$ echo $((1 +"] {
        let id = api.submit(text).await;
        let task = loop {
            let task = api.task(&id).await;
            if task["state"] == "finished" {
                break task;
            }
            // A parser that cannot follow may also ask; it must never run the step by itself.
            for open in api.get("/api/approvals").await.as_array().unwrap() {
                let _denied = api.answer(open, "deny").await;
            }
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        };
        assert_ne!(task["outcome"], "succeeded", "{text}: {task:#}");
        assert!(!task["summary"]["reason"].as_str().unwrap().is_empty(), "{task:#}");
    }
}

#[tokio::test]
async fn binary_in_a_here_document_is_an_answer_and_not_a_crash() {
    let (_root, _project, _setup, gatepost) = demo();
    let api = gatepost.api();
    let text = "```\ncat > out.bin <<'EOF'\n\u{1}\u{2}\u{fffd}\u{7f}\nEOF\n```";
    let answer = api.post("/api/tasks", json!({ "text": text })).await;
    if answer.status == StatusCode::CREATED {
        let id = answer.body["id"].as_str().unwrap().to_owned();
        let approval = api.approval(&id).await;
        assert!(approval["reason"].as_str().unwrap().contains("control"), "{approval:#}");
        assert_eq!(api.answer(&approval, "approve").await.status, StatusCode::OK);
        let task = api.finished(&id).await;
        assert_eq!(task["outcome"], "succeeded", "{task:#}");
        assert!(task["diff"].is_string(), "{task:#}");
    } else {
        assert!(answer.status.is_client_error(), "{answer:?}");
        assert!(answer.body["hint"].is_string(), "{answer:?}");
    }
    assert!(api.get("/api/health").await.is_object(), "it still serves");
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let (root, _project, _setup, gatepost) = demo();
    let address = gatepost.link().split("/?").next().unwrap().trim_start_matches("http://");
    let other = Setup::new(&root.path().join("other")).listen(address);
    let ended = other.run(&["up"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let port = address.rsplit(':').next().unwrap();
    assert!(ended.stderr.contains(port) && ended.stderr.contains("--listen"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_second_gatepost_on_the_same_data_is_refused() {
    let (_root, _project, setup, gatepost) = demo();
    let ended = setup.run(&["up"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let data = setup.data_dir().to_string_lossy().into_owned();
    assert!(ended.stderr.contains(&data), "{}", ended.stderr);
    assert!(gatepost.api().get("/api/tasks").await.is_array(), "the first is unharmed");
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_written_is_named() {
    if !is_root() {
        return skip("read-only data directory", "a mount needs root");
    }
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    fs::create_dir(&data).unwrap();
    let mount = Mount::tmpfs(&data, "size=1m,ro");
    let ended = Setup::new(root.path()).data(&data).run(&["up"]);
    drop(mount);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains(&*data.to_string_lossy()), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_full_disk_refuses_new_work_and_loses_nothing() {
    if !is_root() {
        return skip("full disk", "a mount needs root");
    }
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let data = root.path().join("data");
    fs::create_dir(&data).unwrap();
    // Below 256 MiB of it no action runs.
    let mount = Mount::tmpfs(&data, "size=400m,mode=0700");
    let setup = Setup::new(root.path()).project(project.path()).data(&data);
    let gatepost = setup.up();
    let api = gatepost.api();
    let first = api.submit("$ echo one > a").await;
    api.finished(&first).await;
    let ballast = data.join("ballast");
    let _fills_the_disk = Command::new("dd")
        .args(["if=/dev/zero", "bs=64k", &format!("of={}", ballast.display())])
        .output();
    let mut refusal = None;
    for _ in 0..40 {
        let text = format!("$ echo {}", "y".repeat(20_000));
        let answer = api.post("/api/tasks", json!({ "text": text })).await;
        if !answer.status.is_success() {
            refusal = Some(answer);
            break;
        }
    }
    let refusal = refusal.unwrap_or_else(|| panic!("the disk never filled up"));
    assert_eq!(refusal.status, StatusCode::SERVICE_UNAVAILABLE, "{refusal:?}");
    assert!(refusal.body["hint"].is_string(), "{refusal:?}");
    fs::remove_file(&ballast).unwrap();
    drop(gatepost);
    let gatepost = setup.up();
    let api = gatepost.api();
    let task = api.task(&first).await;
    assert_eq!(task["outcome"], "succeeded", "what was recorded is still there: {task:#}");
    let later = api.submit("$ echo two > b").await;
    assert_eq!(api.finished(&later).await["outcome"], "succeeded", "it works again with room");
    drop(gatepost);
    drop(mount);
}

#[tokio::test]
async fn a_damaged_journal_is_refused_with_its_line() {
    let (_root, _project, setup, gatepost) = demo();
    let api = gatepost.api();
    let id = api.submit("$ echo one > a").await;
    api.finished(&id).await;
    assert_eq!(gatepost.terminate(), Some(0));
    let journal = setup.data_dir().join("journal.jsonl");
    let whole = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, whole.replacen("echo one", "echo two", 1)).unwrap();
    let ended = setup.run(&["up"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("line "), "{}", ended.stderr);
    let verified = setup.run(&["audit", "verify"]);
    assert_eq!(verified.code, Some(1), "{}", verified.stderr);
    assert!(format!("{}{}", verified.stdout, verified.stderr).contains("line "));
    // A torn last line is what a crash leaves behind; it is cut off and said.
    fs::write(&journal, format!("{whole}{{\"v\":1,\"seq\":99")).unwrap();
    let gatepost = setup.up();
    assert_eq!(gatepost.api().task(&id).await["outcome"], "succeeded");
}

#[tokio::test]
async fn secrets_stay_out_of_the_sandbox_the_log_and_the_journal() {
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let setup = Setup::new(root.path()).project(project.path());
    let gatepost = setup.up();
    let api = gatepost.api();
    let key = gatepost.link().split("key=").nth(1).unwrap().to_owned();
    let id = api.submit("$ env\n$ -ls -la ~ / /root /home\n$ -cat /proc/1/environ").await;
    let task = loop {
        let task = api.task(&id).await;
        if task["state"] == "finished" {
            break task;
        }
        for open in api.get("/api/approvals").await.as_array().unwrap() {
            let _answered = api.answer(open, "approve").await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    };
    assert!(!task.to_string().contains(&key), "the key is in the task: {task:#}");
    let journal = fs::read_to_string(setup.data_dir().join("journal.jsonl")).unwrap();
    assert!(!journal.contains(&key));
    let beside_the_link = gatepost.log().replacen(gatepost.link(), "", 1);
    assert!(!beside_the_link.contains(&key), "the key is in the log");
    let mode = fs::metadata(setup.data_dir()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
