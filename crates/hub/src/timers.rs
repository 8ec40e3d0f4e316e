//! When the loop must wake up by itself.
//!
//! There is no timer for each question: the earliest expiry is read off the state before every
//! wait, so a timer cannot be forgotten, and none has to be set again after a restart.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::board::Board;

/// The time of day is looked at at least so often while a question is open: it jumps when a laptop
/// wakes up or its clock is set, and the runtime's own timers do not see that.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A write that failed is tried again after this, then twice as long, up to the ceiling.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Until when the loop does nothing by itself after a write that failed.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    until: Option<Instant>,
    pause: Duration,
}

impl Backoff {
    pub(crate) fn failed(&mut self) {
        let twice = self.pause.saturating_mul(2);
        self.pause = twice.clamp(FIRST_PAUSE, LONGEST_PAUSE);
        self.until = Some(Instant::now() + self.pause);
    }

    pub(crate) fn went_well(&mut self) {
        *self = Self::default();
    }
}

/// When to wake up: at the end of a backoff, or else when the first question runs out.
pub(crate) fn wake_at(board: &Board, backoff: &Backoff, now: Timestamp) -> Option<Instant> {
    backoff.until.or_else(|| {
        let left = Duration::try_from(first_expiry(board)?.duration_since(now));
        Some(Instant::now() + left.unwrap_or(Duration::ZERO).min(LOOK_AGAIN))
    })
}

/// When the first open question runs out.
fn first_expiry(board: &Board) -> Option<Timestamp> {
    board.seats().flat_map(|seat| seat.task.open().values()).map(|open| open.expires_at).min()
}
