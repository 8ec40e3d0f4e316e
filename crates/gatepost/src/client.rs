//! A client of the console's HTTP interface: what a script would use, so that the terminal and the
//! browser see the same.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use futures::StreamExt;
use futures::stream::BoxStream;
use gatepost_chat::visible::prose;
use gatepost_console::ConsoleKey;
use gatepost_domain::ApprovalId;
use gatepost_domain::Decision;
use gatepost_domain::Mode;
use gatepost_domain::Record;
use gatepost_domain::TaskId;
use gatepost_domain::changes::DeliveryKind;
use gatepost_domain::changes::DeliveryResult;
use reqwest::Method;
use reqwest::StatusCode;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// How long the console may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// The longest line of the event stream; a record cannot be longer.
const MAX_LINE: usize = 64 * 1024 * 1024;

/// A client with the console's key.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    key: ConsoleKey,
}

/// A request that was not granted.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// What was said, and what to do.
    pub(crate) failure: Failure,
}

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum CallError {
    /// It was refused.
    Refused(Refused),
    /// Nobody is there, or what came back makes no sense.
    Gone(anyhow::Error),
}

/// A task to hand over.
#[derive(Debug, Serialize)]
pub(crate) struct NewTask<'a> {
    pub(crate) text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mode: Option<Mode>,
}

/// A task as the interface shows it; of its fields, those the terminal needs.
#[derive(Debug, Deserialize)]
pub(crate) struct TaskView {
    pub(crate) events: Vec<Record>,
    pub(crate) diff: Option<String>,
}

/// What became of a delivery.
#[derive(Debug, Deserialize)]
pub(crate) struct Delivered {
    /// None while it waits until the project is free.
    pub(crate) result: Option<DeliveryResult>,
}

/// Whom a pairing code let in.
#[derive(Debug, Deserialize)]
struct Paired {
    who: String,
}

/// The records of every task, as they happen.
pub(crate) struct Events {
    bytes: BoxStream<'static, reqwest::Result<Vec<u8>>>,
    lines: Lines,
}

#[derive(Debug, Deserialize)]
struct Problem {
    detail: String,
    hint: String,
}

#[derive(Debug, Deserialize)]
struct Taken {
    id: TaskId,
}

#[derive(Debug, Default)]
struct Lines {
    partial: Vec<u8>,
    data: VecDeque<String>,
}

impl Client {
    /// A client of the console at this address.
    pub(crate) fn new(address: SocketAddr, key: ConsoleKey) -> Result<Self> {
        // No proxy: the key goes to this machine and nowhere else.
        let http = reqwest::Client::builder().no_proxy().connect_timeout(CONNECT).build()?;
        Ok(Self { http, base: format!("http://{address}"), key })
    }

    /// Whether a gatepost with this key answers.
    pub(crate) async fn answers(&self) -> bool {
        let asked = self.call::<serde_json::Value>(Method::GET, "/api/health", None::<&()>);
        tokio::time::timeout(CONNECT, asked).await.is_ok_and(|answer| answer.is_ok())
    }

    /// Hands over a task.
    pub(crate) async fn submit(&self, task: &NewTask<'_>) -> Result<TaskId, CallError> {
        let taken: Taken = self.call(Method::POST, "/api/tasks", Some(task)).await?;
        Ok(taken.id)
    }

    /// A task as it is now.
    pub(crate) async fn task(&self, id: &TaskId) -> Result<TaskView, CallError> {
        self.call(Method::GET, &format!("/api/tasks/{id}"), None::<&()>).await
    }

    /// Stops a task.
    pub(crate) async fn cancel(&self, id: &TaskId) -> Result<(), CallError> {
        let path = format!("/api/tasks/{id}/cancel");
        let _: serde_json::Value = self.call(Method::POST, &path, None::<&()>).await?;
        Ok(())
    }

    /// Answers a question and gives the receipt in words.
    pub(crate) async fn answer(
        &self,
        id: &ApprovalId,
        decision: Decision,
        reason: Option<&str>,
    ) -> Result<String, CallError> {
        let path = format!("/api/approvals/{id}");
        let body = serde_json::json!({ "decision": decision, "reason": reason });
        let answer: serde_json::Value = self.call(Method::POST, &path, Some(&body)).await?;
        let receipt = answer.get("receipt").and_then(serde_json::Value::as_str);
        Ok(receipt.unwrap_or("answered").to_owned())
    }

    /// Vouches for the person to whom a chat's bot gave this code; who that is.
    pub(crate) async fn pair(&self, code: &str) -> Result<String, CallError> {
        let body = serde_json::json!({ "code": code });
        let paired: Paired = self.call(Method::POST, "/api/pairing", Some(&body)).await?;
        Ok(paired.who)
    }

    /// Asks for a task's changes.
    pub(crate) async fn deliver(
        &self,
        id: &TaskId,
        how: DeliveryKind,
    ) -> Result<Delivered, CallError> {
        let path = format!("/api/tasks/{id}/deliver");
        self.call(Method::POST, &path, Some(&serde_json::json!({ "how": how }))).await
    }

    /// Follows every record from now on; returns once the console has begun to send.
    pub(crate) async fn events(&self) -> Result<Events, CallError> {
        let response = self
            .http
            .get(format!("{}/api/events", self.base))
            .bearer_auth(self.key.reveal())
            .send()
            .await
            .map_err(|error| CallError::Gone(error.into()))?;
        let response = accepted(response).await?;
        let bytes = response.bytes_stream().map(|chunk| chunk.map(|bytes| bytes.to_vec())).boxed();
        let mut events = Events { bytes, lines: Lines::default() };
        // The first event is the greeting; whatever is recorded after it comes through.
        match events.data().await.map_err(CallError::Gone)? {
            Some(_) => Ok(events),
            None => Err(CallError::Gone(anyhow::anyhow!("the console ended the event stream"))),
        }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + ?Sized)>,
    ) -> Result<T, CallError> {
        let mut request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(self.key.reveal());
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| CallError::Gone(error.into()))?;
        accepted(response).await?.json().await.map_err(|error| CallError::Gone(error.into()))
    }
}

impl Events {
    /// The next record; none when the console ended the stream.
    pub(crate) async fn next(&mut self) -> Result<Option<Record>> {
        match self.data().await? {
            Some(data) => Ok(Some(serde_json::from_str(&data)?)),
            None => Ok(None),
        }
    }

    // Safe to drop while it waits: what has arrived stays in `lines`.
    async fn data(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(data) = self.lines.data.pop_front() {
                return Ok(Some(data));
            }
            match self.bytes.next().await {
                Some(chunk) => self.lines.take(&chunk?)?,
                None => return Ok(None),
            }
        }
    }
}

impl Lines {
    /// Takes what arrived. Every event of this server has one `data` line; the rest is of no use.
    fn take(&mut self, chunk: &[u8]) -> Result<()> {
        self.partial.extend_from_slice(chunk);
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            if let Some(data) = line.trim_end().strip_prefix("data:") {
                self.data.push_back(data.trim_start().to_owned());
            }
        }
        anyhow::ensure!(self.partial.len() < MAX_LINE, "the event stream has no end of line");
        Ok(())
    }
}

impl From<CallError> for anyhow::Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(refused) => refused.failure.into(),
            CallError::Gone(cause) => {
                tracing::debug!(%cause, "no answer");
                Failure::new("the gatepost that was asked does not answer")
                    .hint("look at its log; `gatepost up` starts it again, and nothing is lost")
                    .into()
            }
        }
    }
}

async fn accepted(response: reqwest::Response) -> Result<reqwest::Response, CallError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let text = response.text().await.map_err(|error| CallError::Gone(error.into()))?;
    let failure = match serde_json::from_str::<Problem>(&text) {
        Ok(problem) => Failure::new(prose(&problem.detail)).hint(prose(&problem.hint)),
        Err(_) => Failure::new(format!("the console answered {status}"))
            .hint("make sure that it is gatepost of the same version"),
    };
    Err(CallError::Refused(Refused { status, failure }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let stream =
            "event: hello\nretry: 1000\ndata: {}\n\nevent: x\nid: 7\ndata: {\"ä\":1}\n\n:\n\n";
        for size in 1..stream.len() {
            let mut lines = Lines::default();
            for chunk in stream.as_bytes().chunks(size) {
                lines.take(chunk).unwrap();
            }
            assert_eq!(Vec::from(lines.data), ["{}", "{\"ä\":1}"], "cut at {size}");
        }
    }
}
