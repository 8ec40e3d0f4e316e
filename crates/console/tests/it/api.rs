//! Every endpoint, what it answers and how it refuses.

use gatepost_domain::changes::ChangeSet;
use gatepost_domain::changes::DeliveryResult;
use gatepost_domain::dispatch::Report;
use gatepost_domain::id::TaskId;
use gatepost_domain::outcome::Outcome;
use gatepost_domain::outcome::Reason;
use gatepost_domain::request::DeliveryReceipt;
use reqwest::Method;
use reqwest::StatusCode;
use serde_json::Value;
use serde_json::json;

use crate::fake::applied;
use crate::world::World;
use crate::world::send;

#[expect(clippy::unwrap_used, reason = "a helper of tests fails them where it stands")]
fn finish(world: &World, id: &TaskId) {
    let (outcome, reason) = (Outcome::Succeeded, Reason::Completed);
    world.hub.report(id, Report::Ended { outcome, reason, resume: None });
    let changes: ChangeSet = serde_json::from_value(json!({"changes": [{
        "path": "a.txt", "kind": {"type": "added"}, "base": {"type": "absent"},
        "mode": 0o644, "size": 2, "lines_added": 1
    }]}))
    .unwrap();
    world.hub.report(id, Report::Changes { changes, outbox: Vec::new() });
    world.hub.set_diff(id, "--- /dev/null\n+++ b/a.txt\n@@ -0,0 +1 @@\n+a\n");
}

#[tokio::test]
async fn a_task_is_handed_over_listed_and_shown() {
    let world = World::new().await;
    let body = json!({"text": "$ ls", "project": "demo", "agent": "runbook", "mode": "auto"});
    let got = world.post("/api/tasks", body).await;
    assert_eq!(got.status, StatusCode::CREATED);
    let id = got.json()["id"].as_str().unwrap().to_owned();
    let list = world.get("/api/tasks").await;
    assert_eq!(list[0]["id"], *id);
    assert_eq!(list[0]["state"], "queued");
    assert_eq!(list[0]["outcome"], Value::Null);
    assert_eq!((&list[0]["text"], &list[0]["project"]), (&json!("$ ls"), &json!("demo")));
    assert_eq!((&list[0]["agent"], &list[0]["mode"]), (&json!("runbook"), &json!("auto")));
    assert!(list[0]["created_at"].is_string());
    let task = world.get(&format!("/api/tasks/{id}")).await;
    let kinds: Vec<_> = task["events"].as_array().unwrap().iter().map(|e| &e["kind"]).collect();
    assert_eq!(kinds, ["task-received", "task-queued"]);
    assert_eq!(task["events"][0]["seq"], 1);
    assert_eq!(task["diff"], Value::Null);
    world.post("/api/tasks", json!({"text": "next"})).await;
    let latest = world.get("/api/tasks?limit=1").await;
    assert_eq!((latest.as_array().unwrap().len(), &latest[0]["text"]), (1, &json!("next")));
}

#[tokio::test]
async fn a_finished_task_has_outcome_diff_and_summary() {
    let world = World::new().await;
    let id = world.hub.running("x");
    world.hub.step(&id, "cat a", 0, "a\n");
    finish(&world, &id);
    let task = world.get(&format!("/api/tasks/{id}")).await;
    assert_eq!((&task["state"], &task["outcome"]), (&json!("finished"), &json!("succeeded")));
    assert_eq!(task["reason"], "the agent finished its work");
    assert!(task["diff"].as_str().unwrap().contains("+a"));
    assert_eq!(task["summary"]["ran"][0]["subject"], "cat a");
    assert_eq!(task["summary"]["settled_by"]["sandbox"]["allowed"], 1);
    assert_eq!(task["delivery"]["delivery"], "not-asked");
    let card = world.get(&format!("/api/tasks/{id}/card")).await;
    assert_eq!(card["words"], "succeeded");
    let labels: Vec<_> = card["buttons"].as_array().unwrap().iter().map(|b| &b["label"]).collect();
    assert_eq!(labels, ["Apply", "Branch", "Discard", "Run again"]);
    assert_eq!(card["diff"][3], json!({"sign": "added", "text": "a"}));
}

#[tokio::test]
async fn bad_bodies_are_refused_with_a_hint() {
    let world = World::new().await;
    for (body, status) in [
        ("{", 400),
        ("not json", 400),
        ("[]", 422),
        ("{}", 422),
        ("", 422),
        (r#"{"text": 5}"#, 422),
        (r#"{"text": "x", "nonsense": 1}"#, 422),
        (r#"{"text": "x", "mode": "yolo"}"#, 422),
        (r#"{"text": "x", "project": "nope"}"#, 422),
        (r#"{"text": "   "}"#, 422),
        (r#"{"text": "x", "text": "y"}"#, 422),
    ] {
        send(world.keyed(Method::POST, "/api/tasks").body(body)).await.problem(status);
    }
    let not_utf8 = world.keyed(Method::POST, "/api/tasks").body(&b"{\"text\": \"\xff\"}"[..]);
    send(not_utf8).await.problem(400);
    let problem = send(world.keyed(Method::POST, "/api/tasks").body(r#"{"text": "x", "b": 1}"#));
    let detail = problem.await.problem(422)["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("`b`"), "{detail}");
    assert_eq!(world.get("/api/tasks").await, json!([]));
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_one_below_reaches_the_hub() {
    let world = World::new().await;
    for size in [1024 * 1024 + 1, 3 * 1024 * 1024] {
        let body = json!({"text": "x".repeat(size)});
        world.post("/api/tasks", body).await.problem(413);
    }
    let problem = world.post("/api/tasks", json!({"text": "x".repeat(1_000_000)})).await;
    assert_eq!(problem.problem(422)["detail"], "the task is too long");
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let world = World::new().await;
    for path in ["/api/tasks/t7k2qd", "/api/tasks/nonsense", "/api/tasks/%ff", "/api/tasks/%2e%2e"]
    {
        send(world.keyed(Method::GET, path)).await.problem(404);
    }
    for path in ["cancel", "retry", "message", "deliver"] {
        let body = match path {
            "message" => json!({"text": "x"}),
            "deliver" => json!({"how": "apply"}),
            _ => json!({}),
        };
        world.post(&format!("/api/tasks/t7k2qd/{path}"), body).await.problem(404);
    }
    for id in ["3f9k2m7qd0xw5tzr", "short"] {
        let path = format!("/api/approvals/{id}");
        world.post(&path, json!({"decision": "approve"})).await.problem(404);
    }
    send(world.keyed(Method::GET, "/api/nope")).await.problem(404);
    send(world.keyed(Method::GET, "/nope.js")).await.problem(404);
    send(world.keyed(Method::DELETE, "/api/tasks")).await.problem(405);
    send(world.keyed(Method::GET, "/api/tasks/t7k2qd/cancel")).await.problem(405);
    send(world.keyed(Method::GET, "/api/tasks?limit=x")).await.problem(422);
    send(world.keyed(Method::GET, "/api/tasks?nonsense=1")).await.problem(422);
}

#[tokio::test]
async fn a_task_is_talked_to_stopped_and_run_again() {
    let world = World::new().await;
    let id = world.hub.running("x");
    let path = |what: &str| format!("/api/tasks/{id}/{what}");
    world.post(&path("retry"), json!({"nonsense": 1})).await.problem(422);
    let got = world.post(&path("message"), json!({"text": "and faster"})).await;
    assert_eq!(got.status, StatusCode::OK);
    world.post(&path("message"), json!({})).await.problem(422);
    assert_eq!(send(world.keyed(Method::POST, &path("cancel"))).await.status, StatusCode::OK);
    assert_eq!(world.get(&format!("/api/tasks/{id}")).await["state"], "cancelling");
    world.post(&path("cancel"), json!({})).await.problem(409);
    world.post(&path("message"), json!({"text": "x"})).await.problem(409);
    let again = world.post(&path("retry"), json!({})).await;
    assert_eq!(again.status, StatusCode::CREATED);
    let again = again.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(world.get(&format!("/api/tasks/{again}")).await["retry_of"], id.as_str());
}

#[tokio::test]
async fn a_question_is_listed_whole_and_answered_once() {
    let world = World::new().await;
    let task = world.hub.running("x");
    let ask = world.hub.ask(&task, "touch .git/hooks/a");
    let open = world.get("/api/approvals").await;
    let approval = &open[0];
    assert_eq!((&approval["id"], &approval["task"]), (&json!(ask), &json!(task)));
    assert_eq!(approval["action"]["tool"], "bash");
    assert_eq!(approval["action"]["command"], "touch .git/hooks/a");
    assert_eq!(
        (&approval["rule"], &approval["stage"]),
        (&json!("git-hooks"), &json!("protected-path"))
    );
    for field in ["reason", "effect", "asked_at", "expires_at", "digest"] {
        assert!(approval[field].is_string(), "{field}: {approval}");
    }
    assert_eq!(approval["evidence"][0]["span"], ".git/hooks/pre-commit");
    assert_eq!(world.get(&format!("/api/tasks/{task}")).await["approvals"][0], *approval);
    let path = format!("/api/approvals/{ask}");
    for body in [json!({}), json!({"decision": "yes"}), json!({"decision": "approve", "x": 1})] {
        world.post(&path, body).await.problem(422);
    }
    let got = world.post(&path, json!({"decision": "deny", "reason": "not my hooks"})).await;
    assert_eq!(got.status, StatusCode::OK, "{}", got.text);
    let decided = got.json();
    assert_eq!(decided["decided"], "denied by console:owner: not my hooks");
    assert_eq!(decided["receipt"], "denied, and the agent was told");
    assert_eq!(decided["consequence"], "told");
    let late = world.post(&path, json!({"decision": "approve"})).await.problem(409);
    assert_eq!(late["detail"], "already denied by console:owner: not my hooks");
    assert_eq!(late["decided"], "denied by console:owner: not my hooks");
    assert_eq!(late["settlement"]["decision"], "deny");
    assert_eq!(late["task"], task.as_str());
    assert_eq!(world.get("/api/approvals").await, json!([]));
}

#[tokio::test]
async fn of_two_answers_at_once_one_wins_and_the_other_hears_so() {
    let world = World::new().await;
    for decision in ["approve", "approve-for-task"] {
        let task = world.hub.running("x");
        let path = format!("/api/approvals/{}", world.hub.ask(&task, "touch .git/hooks/a"));
        let (one, two) = tokio::join!(
            world.post(&path, json!({"decision": decision})),
            world.post(&path, json!({"decision": "deny"})),
        );
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{} {}", one.text, two.text);
        let (winner, loser) = if one.status == StatusCode::OK { (one, two) } else { (two, one) };
        assert_eq!(loser.problem(409)["decided"], winner.json()["decided"]);
    }
}

#[tokio::test]
async fn changes_are_delivered_or_the_answer_says_why_not() {
    let world = World::new().await;
    let id = world.hub.running("x");
    let path = format!("/api/tasks/{id}/deliver");
    world.post(&path, json!({"how": "apply"})).await.problem(409);
    finish(&world, &id);
    world.post(&path, json!({"how": "burn"})).await.problem(422);
    let conflict = DeliveryResult::Conflict { path: "a.txt".into() };
    world.hub.will_deliver(DeliveryReceipt::Done(conflict));
    let problem = world.post(&path, json!({"how": "apply"})).await.problem(409);
    assert_eq!((&problem["path"], &problem["task"]), (&json!("a.txt"), &json!(id)));
    let failed = DeliveryResult::Failed { reason: "the disk is full; make room".into() };
    world.hub.will_deliver(DeliveryReceipt::Done(failed));
    let problem = world.post(&path, json!({"how": "branch"})).await.problem(409);
    assert_eq!(problem["detail"], "the disk is full; make room");
    world.hub.will_deliver(applied());
    let got = world.post(&path, json!({"how": "apply"})).await;
    assert_eq!(got.status, StatusCode::OK);
    assert_eq!(got.json()["result"], json!({"type": "applied", "paths": 1, "refused": 0}));
    world.post(&path, json!({"how": "discard"})).await.problem(409);
    let other = world.hub.running("y");
    finish(&world, &other);
    let path = format!("/api/tasks/{other}/deliver");
    let queued = world.post(&path, json!({"how": "discard"})).await;
    assert_eq!((queued.status, &queued.json()["queued"]), (StatusCode::ACCEPTED, &json!(true)));
}

#[tokio::test]
async fn no_room_and_no_hub_say_when_to_come_back() {
    let world = World::new().await;
    assert_eq!(world.get("/api/health").await["status"], "ok");
    world.hub.fill();
    let got = world.post("/api/tasks", json!({"text": "x"})).await;
    got.problem(503);
    assert_eq!(got.headers["retry-after"], "5");
    world.hub.break_down();
    send(world.keyed(Method::GET, "/api/health")).await.problem(503);
    let got = send(world.keyed(Method::GET, "/api/approvals")).await;
    got.problem(503);
    assert!(got.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn only_what_is_shaped_like_a_pairing_code_is_passed_on() {
    let world = World::new().await;
    for code in ["", "  ", "two words", "x!", &"x".repeat(33)] {
        let got = world.post("/api/pairing", json!({ "code": code })).await;
        assert!(got.status.is_client_error(), "{code:?}");
    }
    // This one is looked for, and nobody has it.
    let nobody = world.post("/api/pairing", json!({ "code": "7KQ2MX0D" })).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND, "{}", nobody.text);
}

#[tokio::test]
async fn the_description_has_every_route_and_every_route_is_there() {
    let world = World::new().await;
    let api = world.get("/api/openapi.json").await;
    assert!(api["openapi"].as_str().unwrap().starts_with("3."));
    let mut routes = Vec::new();
    for (path, methods) in api["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            routes.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    routes.sort();
    assert_eq!(
        routes,
        [
            "GET /api/agents",
            "GET /api/approvals",
            "GET /api/cards",
            "GET /api/choices",
            "GET /api/events",
            "GET /api/health",
            "GET /api/openapi.json",
            "GET /api/tasks",
            "GET /api/tasks/{id}",
            "GET /api/tasks/{id}/card",
            "POST /api/approvals/{id}",
            "POST /api/pairing",
            "POST /api/tasks",
            "POST /api/tasks/{id}/cancel",
            "POST /api/tasks/{id}/deliver",
            "POST /api/tasks/{id}/message",
            "POST /api/tasks/{id}/resume",
            "POST /api/tasks/{id}/retry",
        ]
    );
    for route in routes {
        let (method, path) = route.split_once(' ').unwrap();
        let path = path.replace("{id}", "t7k2qd");
        let response = world.keyed(method.parse().unwrap(), &path).send().await.unwrap();
        assert_ne!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{route}");
        if response.status() == StatusCode::NOT_FOUND {
            let problem: Value = response.json().await.unwrap();
            assert_ne!(problem["detail"], "there is nothing at this path", "{route}");
        }
    }
    let agents = world.get("/api/agents").await;
    assert_eq!(agents[0]["state"], "ready", "{agents}");
    assert_eq!(agents[1]["state"], "cannot work", "{agents}");
    assert_eq!(agents[1]["about"], "set a key", "{agents}");
    let schemas = api["components"]["schemas"].as_object().unwrap();
    for name in ["Problem", "TaskRequest", "TaskFull", "ApprovalView", "DecisionRequest"] {
        assert!(schemas.contains_key(name), "{name}");
    }
    assert_eq!(api["components"]["securitySchemes"]["key"]["scheme"], "bearer");
}
