//! What a program printed, kept within bounds: the head and the tail, and how much lies between.

use crate::process::ExitStatus;
use std::collections::VecDeque;
use std::time::Duration;

/// How a run is watched.
#[derive(Debug, Clone, Copy)]
pub struct Capture {
    /// Bytes kept: half from the start, half from the end.
    pub max_bytes: usize,
    /// After this long the program is killed.
    pub wall: Option<Duration>,
}

/// A program that ran.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub exit: ExitStatus,
    /// What it printed on both streams, in the order it came.
    pub output: Output,
    /// How long it took.
    pub duration: Duration,
    /// Whether it was killed for taking too long.
    pub timed_out: bool,
}

/// Output kept within bounds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// The start.
    pub head: Vec<u8>,
    /// The end, when more was printed than the head holds.
    pub tail: Vec<u8>,
    /// Bytes between the two that were not kept.
    pub dropped: u64,
}

/// Keeps the bounds while output comes in.
#[derive(Debug)]
pub(crate) struct Keeper {
    head: Vec<u8>,
    head_cap: usize,
    tail: VecDeque<u8>,
    tail_cap: usize,
    dropped: u64,
}

impl Keeper {
    pub(crate) fn new(max: usize) -> Self {
        let head_cap = max.div_ceil(2);
        Self {
            head: Vec::new(),
            head_cap,
            tail: VecDeque::new(),
            tail_cap: max - head_cap,
            dropped: 0,
        }
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) {
        let room = self.head_cap - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(self.tail_cap);
        self.tail.drain(..over);
        self.dropped += over as u64;
    }

    pub(crate) fn finish(self) -> Output {
        Output { head: self.head, tail: self.tail.into(), dropped: self.dropped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn head_and_tail_are_the_ends_and_nothing_is_lost_uncounted(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..20),
            max in 0_usize..200,
        ) {
            let mut keeper = Keeper::new(max);
            for part in &parts {
                keeper.take(part);
            }
            let all = parts.concat();
            let output = keeper.finish();
            prop_assert!(all.starts_with(&output.head));
            prop_assert!(all.ends_with(&output.tail));
            let kept = output.head.len() + output.tail.len();
            prop_assert!(kept <= max);
            prop_assert_eq!(kept as u64 + output.dropped, all.len() as u64);
        }
    }
}
