//! Which modes may be used at all, decided by whoever runs the machine.

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

/// The same for the mode `bypass`, which nobody has unless it is given to them. Where it is not, or
/// no longer, `bypass` decides as `auto` does.
#[derive(Debug, Clone, Default)]
pub struct BypassSwitch {
    on: Arc<AtomicBool>,
}

impl BypassSwitch {
    /// Allows the mode, or no longer. Returns whether that changed anything.
    pub fn allow(&self, on: bool) -> bool {
        self.on.swap(on, Ordering::SeqCst) != on
    }

    /// Whether the mode may be used.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.on.load(Ordering::SeqCst)
    }
}
