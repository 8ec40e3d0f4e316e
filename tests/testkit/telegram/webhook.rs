//! Updates pushed to the bot instead of being fetched.

use std::time::Duration;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::FakeTelegram;
use super::faults::Fault;
use super::state::Answer;
use super::state::State;
use super::state::now;
use super::state::refused;

/// How long Telegram is taken to wait for an answer to a push.
const ANSWER: Duration = Duration::from_secs(10);

/// How long until a push that failed is made again. Telegram waits longer, and that shows nothing.
const AGAIN: Duration = Duration::from_millis(200);

/// Ports that Telegram pushes to (<https://core.telegram.org/bots/api#setwebhook>).
const PORTS: [u16; 4] = [443, 80, 88, 8443];

/// Where updates are pushed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The address.
    pub url: String,
    /// What each push carries in `X-Telegram-Bot-Api-Secret-Token`.
    pub secret: Option<String>,
    error: Option<(u64, String)>,
}

impl FakeTelegram {
    /// Where updates are pushed to now.
    #[must_use]
    pub fn webhook(&self) -> Option<Webhook> {
        self.state().webhook.clone()
    }

    /// A webhook that somebody set earlier and forgot.
    pub fn leave_webhook(&self, url: &str) {
        self.state().webhook = Some(Webhook { url: url.into(), secret: None, error: None });
    }

    /// Pushes what waits, one update after the other, and again what was not taken.
    pub(super) async fn push_updates(&self) {
        let http = reqwest::Client::builder().no_proxy().timeout(ANSWER).build().unwrap();
        loop {
            let changed = self.inner.news.notified();
            let next = {
                let state = self.state();
                state.webhook.clone().zip(state.queue.first().cloned())
            };
            let Some((webhook, update)) = next else {
                let _woken = tokio::time::timeout(Duration::from_millis(50), changed).await;
                continue;
            };
            let mut request = http
                .post(&webhook.url)
                .header("content-type", "application/json")
                .body(update.to_string());
            if let Some(secret) = &webhook.secret {
                request = request.header("X-Telegram-Bot-Api-Secret-Token", secret);
            }
            let answer = request.send().await;
            let lost = self.state().fault("push", &Map::new()) == Some(Fault::LoseAnswer);
            let error = match answer {
                Ok(_) if lost => Some("Connection reset by peer".into()),
                Ok(answer) if answer.status().is_success() => None,
                Ok(answer) => Some(format!("Wrong response from the webhook: {}", answer.status())),
                Err(error) => Some(format!("Connection failed: {}", error.without_url())),
            };
            let failed = error.is_some();
            {
                let mut state = self.state();
                match error {
                    None => state.queue.confirm(update["update_id"].as_i64().unwrap()),
                    Some(text) => {
                        if let Some(webhook) = &mut state.webhook {
                            webhook.error = Some((now(), text));
                        }
                    }
                }
            }
            if failed {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

impl State {
    pub(super) fn set_webhook(&mut self, given: &Map<String, Value>) -> Answer {
        self.check_drop(given);
        let url = given["url"].as_str().unwrap_or_default();
        if url.is_empty() {
            self.webhook = None;
            return Answer::Done(Value::Bool(true));
        }
        let Ok(parsed) = url.parse::<reqwest::Url>() else {
            return refused(400, "Bad Request: bad webhook: invalid URL");
        };
        // As a Bot API server of one's own allows it.
        let is_local = matches!(parsed.host_str(), Some("127.0.0.1" | "localhost"));
        if parsed.scheme() != "https" && !is_local {
            return refused(
                400,
                "Bad Request: bad webhook: An HTTPS URL must be provided for webhook",
            );
        }
        if !is_local && !parsed.port_or_known_default().is_some_and(|port| PORTS.contains(&port)) {
            return refused(
                400,
                "Bad Request: bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443",
            );
        }
        let secret = given.get("secret_token").and_then(Value::as_str).map(str::to_owned);
        let fits = |secret: &String| {
            (1..=256).contains(&secret.len())
                && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        };
        if !secret.as_ref().is_none_or(fits) {
            return refused(400, "Bad Request: secret token contains unallowed characters");
        }
        self.queue.allow(given);
        self.webhook = Some(Webhook { url: url.to_owned(), secret, error: None });
        Answer::Done(Value::Bool(true))
    }

    pub(super) fn delete_webhook(&mut self, given: &Map<String, Value>) -> Answer {
        self.check_drop(given);
        self.webhook = None;
        Answer::Done(Value::Bool(true))
    }

    pub(super) fn webhook_info(&self) -> Answer {
        let url = self.webhook.as_ref().map_or("", |webhook| webhook.url.as_str());
        let mut info = json!({
            "url": url, "has_custom_certificate": false, "pending_update_count": self.queue.len(),
        });
        if let Some((at, text)) = self.webhook.as_ref().and_then(|webhook| webhook.error.clone()) {
            info["last_error_date"] = at.into();
            info["last_error_message"] = text.into();
        }
        Answer::Done(info)
    }

    fn check_drop(&mut self, given: &Map<String, Value>) {
        if given.get("drop_pending_updates") == Some(&Value::Bool(true)) {
            self.violations.push("what people sent was thrown away with the webhook".into());
        }
    }
}
