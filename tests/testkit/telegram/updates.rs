//! What waits for the bot, and the long poll that fetches it.

use std::collections::VecDeque;
use std::time::Duration;
use std::time::Instant;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::FakeTelegram;
use super::state::Answer;
use super::state::State;
use super::state::now;
use super::state::refused;
use crate::PATIENCE;

/// What Telegram says to the earlier of two pollers.
pub const CONFLICT: &str = "Conflict: terminated by other getUpdates request; make sure that only \
                            one bot instance is running";

/// What Telegram says to a poll while updates are pushed.
pub const CONFLICT_WITH_WEBHOOK: &str = "Conflict: can't use getUpdates method while webhook is \
                                         active; use deleteWebhook to delete the webhook first";

/// How long Telegram keeps an update (<https://core.telegram.org/bots/api#getting-updates>).
const KEPT: u64 = 24 * 3600;

/// Kinds that a bot gets only when it names them
/// (<https://core.telegram.org/bots/api#getupdates>).
const ON_REQUEST: [&str; 3] = ["chat_member", "message_reaction", "message_reaction_count"];

/// Updates that wait.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<(u64, Value)>,
    next: i64,
    /// Counts polls; an older one that still waits is told that it was replaced.
    poll: u64,
    allowed: Option<Vec<String>>,
}

impl Default for Queue {
    fn default() -> Self {
        // Telegram starts anywhere.
        Self { waiting: VecDeque::new(), next: 874_203_011, poll: 0, allowed: None }
    }
}

impl Queue {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn first(&self) -> Option<&Value> {
        self.waiting.front().map(|(_, update)| update)
    }

    pub(super) fn confirm(&mut self, id: i64) {
        self.waiting.retain(|(_, update)| update["update_id"] != id);
    }

    /// Which kinds the bot wants from now on.
    pub(super) fn allow(&mut self, given: &Map<String, Value>) {
        if let Some(kinds) = given.get("allowed_updates").and_then(Value::as_array) {
            self.allowed = Some(kinds.iter().filter_map(Value::as_str).map(String::from).collect());
        }
    }

    fn wants(&self, update: &Value) -> bool {
        let kind = update.as_object().unwrap().keys().find(|name| *name != "update_id").unwrap();
        match &self.allowed {
            Some(allowed) if !allowed.is_empty() => allowed.contains(kind),
            Some(_) | None => !ON_REQUEST.contains(&kind.as_str()),
        }
    }
}

impl State {
    /// An update waits for the bot.
    pub(super) fn push(&mut self, mut update: Value) {
        if self.hidden_by_privacy(&update) || !self.queue.wants(&update) {
            return;
        }
        update["update_id"] = self.queue.next.into();
        self.queue.next += 1;
        let faults = self.spec.type_faults("Update", &update);
        assert!(faults.is_empty(), "Telegram sends no such update: {faults:#?} in {update:#}");
        self.queue.waiting.push_back((now(), update));
    }
}

impl FakeTelegram {
    /// How many updates are not confirmed.
    #[must_use]
    pub fn unconfirmed(&self) -> usize {
        self.state().queue.len()
    }

    /// Waits until everything that was sent to the bot is confirmed.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn all_taken(&self) {
        let begun = Instant::now();
        while self.unconfirmed() > 0 {
            assert!(begun.elapsed() < PATIENCE, "updates stay unconfirmed");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Everything that waits is older by this long. Telegram forgets what is older than a day; how
    /// many updates it forgot.
    pub fn grow_older(&self, by: Duration) -> usize {
        let mut state = self.state();
        let before = state.queue.waiting.len();
        for (since, update) in &mut state.queue.waiting {
            *since -= by.as_secs();
            if let Some(date) = update["message"]["date"].as_u64() {
                update["message"]["date"] = (date - by.as_secs()).into();
            }
        }
        let now = now();
        state.queue.waiting.retain(|(since, _)| now - since <= KEPT);
        before - state.queue.waiting.len()
    }

    /// Updates go on with another number, as they do after a week without any.
    pub fn number_updates_from(&self, number: i64) {
        self.state().queue.next = number;
    }

    /// Everything that waits comes twice, as updates do whose receipt was lost on the way.
    pub fn repeat_waiting(&self) {
        let mut state = self.state();
        let again = state.queue.waiting.clone();
        state.queue.waiting.extend(again);
    }

    /// Another program polls once with the same token, which ends a poll under way.
    pub async fn poll_from_elsewhere(&self) -> Value {
        let given = json!({ "timeout": 0, "limit": 1 });
        match self.updates(given.as_object().unwrap()).await {
            Answer::Done(updates) => updates,
            Answer::Refused { text, .. } => text.into(),
        }
    }

    /// The updates from an offset on, as the documents say: naming it forgets those before it, and
    /// a second poll ends the first.
    pub(super) async fn updates(&self, given: &Map<String, Value>) -> Answer {
        let offset = given.get("offset").and_then(Value::as_i64);
        let wait = given.get("timeout").and_then(Value::as_u64).unwrap_or(0);
        let limit = given.get("limit").and_then(Value::as_u64).unwrap_or(100);
        let end = Instant::now() + Duration::from_secs(wait);
        let mine = {
            let mut state = self.state();
            if state.webhook.is_some() {
                return refused(409, CONFLICT_WITH_WEBHOOK);
            }
            if !(1..=100).contains(&limit) {
                state.violations.push(format!("a poll for {limit} updates"));
            }
            state.queue.poll += 1;
            state.queue.allow(given);
            if offset.is_some_and(|offset| offset < 0) {
                state.violations.push("a negative offset throws updates away".into());
            }
            if let Some(offset) = offset {
                let after = |update: &Value| update["update_id"].as_i64().unwrap() >= offset;
                state.queue.waiting.retain(|(_, update)| after(update));
            }
            state.queue.poll
        };
        self.inner.news.notify_waiters();
        loop {
            let changed = self.inner.news.notified();
            {
                let mut state = self.state();
                if state.queue.poll != mine || state.webhook.is_some() {
                    return refused(409, CONFLICT);
                }
                let after = |update: &Value| {
                    offset.is_none_or(|offset| update["update_id"].as_i64().unwrap() >= offset)
                };
                // A number below the offset counts as confirmed before anybody saw it.
                state.queue.waiting.retain(|(_, update)| after(update));
                if state.queue.len() > 0 {
                    let limit = usize::try_from(limit).unwrap();
                    let waiting = state.queue.waiting.iter().take(limit);
                    return Answer::Done(waiting.map(|(_, update)| update.clone()).collect());
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Answer::Done(json!([]));
            }
            // Short, because a word may come between the look and the wait.
            let _woken = tokio::time::timeout(left.min(Duration::from_millis(50)), changed).await;
        }
    }
}
