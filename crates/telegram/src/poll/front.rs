//! An update that takes long, such as one whose file is being fetched.
//!
//! Telegram confirms updates by number alone, so nothing behind the one that takes long can be
//! confirmed before it. Presses overtake it all the same: whoever presses a button waits for the
//! answer. Words do not, so that they are taken in the order in which they were said.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::oneshot;

/// How often it is looked whether somebody presses a button meanwhile. Telegram gives its answer at
/// once then, because the update that takes long is still there.
const MOMENT: Duration = Duration::from_millis(300);

/// What is not confirmed yet, out of order.
#[derive(Debug, Default)]
pub(super) struct Front {
    slow: Option<Slow>,
    /// Updates behind it that have been dealt with.
    overtook: BTreeSet<u32>,
}

#[derive(Debug)]
struct Slow {
    update: u32,
    /// The offset that confirms it.
    past: i32,
    done: oneshot::Receiver<()>,
}

/// What became of the update that takes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// There is none, or it still takes.
    Nothing,
    /// It has been dealt with; this offset confirms it.
    Done(i32),
    /// It could not be recorded, so it is taken anew when it comes again.
    Again,
}

/// What to do with an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is the first one that is not dealt with.
    Take,
    /// Something before it takes long; it is taken now if it is a press.
    Overtake,
    /// It is being dealt with.
    Waits,
    /// It has been dealt with, and so has everything before it.
    Behind,
}

impl Front {
    /// Waits a moment for the update that takes long, if there is one.
    pub(super) async fn settle(&mut self) -> Settled {
        let Some(slow) = self.slow.as_mut() else { return Settled::Nothing };
        let past = slow.past;
        let settled = match tokio::time::timeout(MOMENT, &mut slow.done).await {
            Ok(Ok(())) => Settled::Done(past),
            Ok(Err(_)) => Settled::Again,
            Err(_) => return Settled::Nothing,
        };
        self.slow = None;
        settled
    }

    /// Whether something takes long.
    pub(super) fn is_held(&self) -> bool {
        self.slow.is_some()
    }

    /// What to do with an update.
    pub(super) fn turn(&self, update: u32) -> Turn {
        let overtook = self.overtook.contains(&update);
        match &self.slow {
            Some(slow) if slow.update == update || overtook => Turn::Waits,
            Some(_) => Turn::Overtake,
            None if overtook => Turn::Behind,
            None => Turn::Take,
        }
    }

    /// This one takes long.
    pub(super) fn hold(&mut self, update: u32, past: i32, done: oneshot::Receiver<()>) {
        self.slow = Some(Slow { update, past, done });
    }

    /// This one was dealt with before its turn.
    pub(super) fn overtaken_by(&mut self, update: u32) {
        self.overtook.insert(update);
    }

    /// Nothing waits any more, and the numbers may start anew.
    pub(super) fn clear(&mut self) {
        self.overtook.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn presses_overtake_what_takes_long_and_are_confirmed_after_it() {
        let mut front = Front::default();
        assert_eq!(front.turn(7), Turn::Take);
        assert_eq!(front.settle().await, Settled::Nothing);
        let (done, wait) = oneshot::channel();
        front.hold(7, 8, wait);
        assert_eq!((front.turn(7), front.turn(8)), (Turn::Waits, Turn::Overtake));
        front.overtaken_by(9);
        assert_eq!((front.turn(8), front.turn(9)), (Turn::Overtake, Turn::Waits));
        assert_eq!(front.settle().await, Settled::Nothing);
        assert!(front.is_held());
        done.send(()).unwrap();
        assert_eq!(front.settle().await, Settled::Done(8));
        assert!(!front.is_held());
        assert_eq!((front.turn(8), front.turn(9)), (Turn::Take, Turn::Behind));
        front.clear();
        assert_eq!(front.turn(9), Turn::Take);
    }

    #[tokio::test]
    async fn what_could_not_be_recorded_is_taken_again() {
        let mut front = Front::default();
        let (done, wait) = oneshot::channel();
        front.hold(7, 8, wait);
        drop(done);
        assert_eq!(front.settle().await, Settled::Again);
        assert_eq!(front.turn(7), Turn::Take);
    }
}
