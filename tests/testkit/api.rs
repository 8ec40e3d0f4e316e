//! The HTTP API as a script uses it.

use std::time::Duration;
use std::time::Instant;

use reqwest::Method;
use reqwest::StatusCode;
use serde_json::Value;
use serde_json::json;

use crate::PATIENCE;

/// A client with the console's key.
#[derive(Debug, Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    key: String,
}

/// An answer: its status and its JSON.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body, or null where there was none.
    pub body: Value,
}

impl Api {
    /// A client of the gatepost at `base`.
    #[must_use]
    pub fn new(base: &str, key: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { http, base: base.into(), key: key.into() }
    }

    /// One request.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request =
            self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON ({status}): {text}"))
        };
        Answer { status, body }
    }

    /// A GET that must succeed.
    pub async fn get(&self, path: &str) -> Value {
        let answer = self.call(Method::GET, path, None).await;
        assert!(answer.status.is_success(), "GET {path}: {answer:?}");
        answer.body
    }

    /// A POST, whatever comes of it.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, Some(body)).await
    }

    /// Hands over a task to the default project and gives its id.
    pub async fn submit(&self, text: &str) -> String {
        let answer = self.post("/api/tasks", json!({ "text": text })).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.body["id"].as_str().unwrap().to_owned()
    }

    /// A task as it is now.
    pub async fn task(&self, id: &str) -> Value {
        self.get(&format!("/api/tasks/{id}")).await
    }

    /// Waits until the task is in `state`.
    ///
    /// # Panics
    /// When it takes too long, or the task finishes in another state.
    pub async fn wait_for(&self, id: &str, state: &str) -> Value {
        let begun = Instant::now();
        loop {
            let task = self.task(id).await;
            if task["state"] == state {
                return task;
            }
            assert!(
                task["state"] != "finished" && begun.elapsed() < PATIENCE,
                "waiting for `{state}`: {task:#}"
            );
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Waits until the task is over.
    pub async fn finished(&self, id: &str) -> Value {
        self.wait_for(id, "finished").await
    }

    /// Waits for the task's open approval and gives it.
    pub async fn approval(&self, id: &str) -> Value {
        self.wait_for(id, "awaiting-approval").await;
        let open = self.get("/api/approvals").await;
        let of_task = open.as_array().unwrap().iter().find(|approval| approval["task"] == id);
        of_task.unwrap_or_else(|| panic!("no approval of {id} in {open:#}")).clone()
    }

    /// Answers an approval.
    pub async fn answer(&self, approval: &Value, decision: &str) -> Answer {
        let id = approval["id"].as_str().unwrap();
        self.post(&format!("/api/approvals/{id}"), json!({ "decision": decision })).await
    }

    /// Asks for a task's changes.
    pub async fn deliver(&self, id: &str, how: &str) -> Answer {
        self.post(&format!("/api/tasks/{id}/deliver"), json!({ "how": how })).await
    }
}

/// The events of one kind, in order.
#[must_use]
pub fn events_of<'a>(task: &'a Value, kind: &str) -> Vec<&'a Value> {
    task["events"].as_array().unwrap().iter().filter(|event| event["kind"] == kind).collect()
}
