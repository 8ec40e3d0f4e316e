//! Flood control, and the pauses that a bot was asked for.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;
use std::time::Instant;

use serde_json::Map;
use serde_json::Value;

use super::FakeTelegram;
use super::state::Answer;
use super::state::State;
use super::state::chat_of;
use super::state::too_many;

/// More than this in a second to one chat is answered as Telegram does, with a pause. The documents
/// say about one a second and that short bursts pass.
const BURST: usize = 2;

/// Messages a minute to one group, and a second to everybody
/// (<https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this>).
const A_GROUP_A_MINUTE: usize = 20;
const ALL_A_SECOND: usize = 30;

/// When what was sent, and who asked for a pause.
#[derive(Debug, Default)]
pub(super) struct Flood {
    sends: BTreeMap<i64, VecDeque<Instant>>,
    all: VecDeque<Instant>,
    paused: BTreeMap<i64, Pause>,
    paused_methods: BTreeMap<String, Instant>,
}

/// A pause that was asked for.
#[derive(Debug)]
struct Pause {
    until: Instant,
    /// Whether the bot that runs now heard of it.
    known: bool,
}

impl FakeTelegram {
    /// The bot died: the next one knows of no pause that this one was asked for, and Telegram keeps
    /// to it all the same.
    pub fn bot_died(&self) {
        let mut state = self.state();
        for pause in state.flood.paused.values_mut() {
            pause.known = false;
        }
        state.flood.paused_methods.clear();
    }
}

impl State {
    /// Counts a message to a chat; a pause where that is one too many.
    pub(super) fn pause(&mut self, chat: i64) -> Option<Answer> {
        let now = Instant::now();
        if let Some(pause) = self.flood.paused.get_mut(&chat).filter(|pause| pause.until > now) {
            if std::mem::replace(&mut pause.known, true) {
                let words = "written to a chat within the pause that was asked for";
                self.violations.push(words.into());
            }
            return Some(too_many(pause.until.duration_since(now).as_secs() + 1));
        }
        let second = Duration::from_secs(1);
        let flood = &mut self.flood;
        let sends = flood.sends.entry(chat).or_default();
        sends.retain(|at| now.duration_since(*at) < Duration::from_secs(60));
        sends.push_back(now);
        let just_now = sends.iter().filter(|at| now.duration_since(**at) < second).count();
        let a_minute = sends.len();
        flood.all.retain(|at| now.duration_since(*at) < second);
        flood.all.push_back(now);
        let all = flood.all.len();
        if just_now > BURST {
            self.violations.push(format!("{just_now} messages to a chat within a second"));
        } else if chat < 0 && a_minute > A_GROUP_A_MINUTE {
            self.violations.push(format!("{a_minute} messages to a group within a minute"));
        } else if all > ALL_A_SECOND {
            self.violations.push(format!("{all} messages within a second"));
        } else {
            return None;
        }
        Some(too_many(1))
    }

    /// A pause was ordered as a fault; breaking it is a violation.
    pub(super) fn begin_pause(
        &mut self,
        method: &str,
        given: &Map<String, Value>,
        seconds: u64,
    ) -> Answer {
        // A little less, because the answer takes a moment to arrive.
        let until = Instant::now() + Duration::from_millis((seconds * 1000).saturating_sub(50));
        match chat_of(given) {
            Some(chat) => drop(self.flood.paused.insert(chat, Pause { until, known: true })),
            None => {
                self.flood.paused_methods.insert(method.to_ascii_lowercase(), until);
            }
        }
        too_many(seconds)
    }

    /// A call that is about no chat and comes within its pause.
    pub(super) fn check_pause(&mut self, method: &str) {
        let until = self.flood.paused_methods.get(&method.to_ascii_lowercase());
        // Presses are different ones each time, and a pause for one is none for the next.
        if until.is_some_and(|until| *until > Instant::now())
            && !method.eq_ignore_ascii_case("answerCallbackQuery")
        {
            self.violations.push(format!("{method} within the pause that was asked for"));
        }
    }
}
