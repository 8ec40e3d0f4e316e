//! Owns tasks: one closed event enum and one loop for intake, queue, approvals and timers.
