//! Limits of speed: every answer tells them, and whoever does not keep to them is told to wait.

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;

/// Calls of one bucket, and the time after which it is full again. Shorter than Discord's, so that
/// tests do not wait for it; a bot that keeps to what it is told cannot tell.
const CALLS: u32 = 5;
const WINDOW: Duration = Duration::from_millis(600);

/// What is to be told with an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Told {
    pub(super) bucket: String,
    pub(super) remaining: u32,
    pub(super) reset_after: Duration,
}

/// A wait that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wait {
    pub(super) after: Duration,
    pub(super) scope: &'static str,
    pub(super) told: Option<Told>,
}

#[derive(Debug, Default)]
pub(super) struct Limits {
    buckets: BTreeMap<String, (u32, Instant)>,
    /// Until when nothing may be called, and until when a route may not.
    global: Option<Instant>,
    routes: BTreeMap<String, Instant>,
}

impl Limits {
    /// Takes a call of a route. An error is a bot that did not keep to what it was told.
    pub(super) fn take(&mut self, route: &str, counted: bool) -> Result<Told, (Wait, String)> {
        let now = Instant::now();
        if let Some(until) = self.global.filter(|until| counted && *until > now) {
            let wait = Wait { after: until - now, scope: "global", told: None };
            return Err((wait, format!("{route} was called in a pause for everything")));
        }
        if let Some(until) = self.routes.get(route).filter(|until| **until > now) {
            let wait = Wait { after: *until - now, scope: "user", told: None };
            return Err((wait, format!("{route} was called in its pause")));
        }
        let (left, reset) = self.buckets.entry(route.to_owned()).or_insert((CALLS, now + WINDOW));
        if *reset <= now {
            (*left, *reset) = (CALLS, now + WINDOW);
        }
        let reset_after = *reset - now;
        let mut told = Told { bucket: name(route), remaining: 0, reset_after };
        if *left == 0 {
            let wait = Wait { after: reset_after, scope: "user", told: Some(told) };
            return Err((wait, format!("{route} was called although nothing was left")));
        }
        *left -= 1;
        told.remaining = *left;
        Ok(told)
    }

    /// Asks for a wait, as ordered.
    pub(super) fn pause(&mut self, route: &str, scope: &'static str, after: Duration) -> Wait {
        let until = Instant::now() + after;
        match scope {
            "global" => self.global = Some(until),
            _ => drop(self.routes.insert(route.to_owned(), until)),
        }
        Wait { after, scope, told: None }
    }
}

/// Buckets have names that say nothing.
fn name(route: &str) -> String {
    let template = route.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for byte in template.bytes() {
        sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{sum:016x}")
}
