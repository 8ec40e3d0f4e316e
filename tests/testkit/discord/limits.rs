//! Limits of speed: every answer tells them, and whoever does not keep to them is told to wait.

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;

/// Calls of one bucket, and the time after which it is full again. Shorter than Discord's, so that
/// tests do not wait for it; a bot that keeps to what it is told cannot tell.
const CALLS: u32 = 5;
const WINDOW: Duration = Duration::from_millis(600);

/// What was under way when a pause was asked for is no offence.
const UNDER_WAY: Duration = Duration::from_millis(200);

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
    /// Since and until when nothing may be called, and when a route may not.
    global: Option<(Instant, Instant)>,
    routes: BTreeMap<String, (Instant, Instant)>,
}

impl Limits {
    /// Takes a call of a route. An error has to wait, and where the bot did not keep to what it was
    /// told, says so.
    pub(super) fn take(
        &mut self,
        route: &str,
        counted: bool,
    ) -> Result<Told, (Wait, Option<String>)> {
        let now = Instant::now();
        let knew = |since: Instant| now.duration_since(since) > UNDER_WAY;
        if let Some((since, until)) = self.global.filter(|(_, until)| counted && *until > now) {
            let wait = Wait { after: until - now, scope: "global", told: None };
            let offence = || format!("{route} was called in a pause for everything");
            return Err((wait, knew(since).then(offence)));
        }
        if let Some((since, until)) = self.routes.get(route).filter(|(_, until)| *until > now) {
            let wait = Wait { after: *until - now, scope: "user", told: None };
            let offence = || format!("{route} was called in its pause");
            return Err((wait, knew(*since).then(offence)));
        }
        let (left, reset) = self.buckets.entry(route.to_owned()).or_insert((CALLS, now + WINDOW));
        if *reset <= now {
            (*left, *reset) = (CALLS, now + WINDOW);
        }
        let reset_after = *reset - now;
        let mut told = Told { bucket: name(route), remaining: 0, reset_after };
        if *left == 0 {
            let wait = Wait { after: reset_after, scope: "user", told: Some(told) };
            return Err((wait, Some(format!("{route} was called although nothing was left"))));
        }
        *left -= 1;
        told.remaining = *left;
        Ok(told)
    }

    /// Asks for a wait, as ordered.
    pub(super) fn pause(&mut self, route: &str, scope: &'static str, after: Duration) -> Wait {
        let now = Instant::now();
        match scope {
            "global" => self.global = Some((now, now + after)),
            _ => drop(self.routes.insert(route.to_owned(), (now, now + after))),
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
