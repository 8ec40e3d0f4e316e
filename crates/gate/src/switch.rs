//! Whether auto mode may be used at all, decided by whoever runs the machine.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

/// One switch for every gate of a process. While it is off, `auto` and `unattended` decide as much
/// by themselves as `accept-edits` does, and no classifier is asked. A gate looks at it each time it
/// judges, so that it holds for running tasks too.
#[derive(Debug, Clone, Default)]
pub struct AutoSwitch {
    off: Arc<AtomicBool>,
}

impl AutoSwitch {
    /// Turns auto mode off, or on again. Returns whether that changed anything.
    pub fn turn_off(&self, off: bool) -> bool {
        self.off.swap(off, Ordering::SeqCst) != off
    }

    /// Whether auto mode is off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.off.load(Ordering::SeqCst)
    }
}
