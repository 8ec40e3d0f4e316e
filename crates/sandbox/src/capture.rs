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
    /// The cap for whose sake it was killed, if one was.
    pub over: Option<Over>,
}

/// A cap of the whole task that was passed, so that its actions were killed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Over {
    /// The memory of all its processes.
    #[error("the memory of the task went over {}", size(*cap))]
    Memory {
        /// In bytes.
        cap: u64,
    },
    /// The size of its changed files.
    #[error("the changed files of the task went over {} together", size(*cap))]
    Room {
        /// In bytes.
        cap: u64,
    },
    /// The number of its changed files.
    #[error("the task changed or made more than {cap} files")]
    Entries {
        /// Files and directories.
        cap: u64,
    },
    /// What the disk has left for everybody.
    #[error("the disk of the data directory has less than {} left; make room on it", size(*left))]
    Disk {
        /// What is kept free, in bytes.
        left: u64,
    },
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{bytes} bytes"),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        _ => format!("{:.1} GiB", (bytes >> 20) as f64 / 1024.0),
    }
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
