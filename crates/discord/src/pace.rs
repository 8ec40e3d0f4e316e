//! How fast Discord may be called: its own rules, learnt from its answers; a pure state machine.
//!
//! Nothing about a limit is hard-coded but the global one: each route's bucket, its size and its
//! reset come with the answers (<https://discord.com/developers/docs/topics/rate-limits>). A wait
//! that Discord asks for is kept to its end. Times are spans since the process began.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;

/// Calls a second over all routes but those of interactions; Discord's limit is 50
/// (<https://discord.com/developers/docs/topics/rate-limits#global-rate-limit>), less what the
/// clock may be off.
const GLOBAL: usize = 45;
const SECOND: Duration = Duration::from_secs(1);

/// Answers of 401, 403 and 429 that Discord puts up with in ten minutes, before it shuts out the
/// address: 10,000 (<https://discord.com/developers/docs/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans>).
/// Others may call from the same address, so a tenth of that is enough.
const INVALID: usize = 1_000;
const INVALID_WINDOW: Duration = Duration::from_secs(600);

/// A pause that is asked for without its length.
const PAUSE: Duration = Duration::from_secs(5);

/// Two answers that say the same end of a window, by way and rounding, may differ by this.
const SKEW: Duration = Duration::from_millis(100);

/// Buckets that nothing was heard of for so long hold nothing worth knowing.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// What calls are counted together until Discord says which bucket they belong to: method and path
/// with the ids left out, and the one id that always has limits of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    /// Method and path, without ids.
    pub(crate) name: &'static str,
    /// The channel, guild or webhook.
    pub(crate) major: String,
}

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Now; [`Pace::done`] takes what came of it.
    Go,
    /// Not before this long.
    Wait(Duration),
}

/// What an answer says about limits.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Learnt {
    /// The status; 0 when there was no answer.
    pub(crate) status: u16,
    /// The bucket's name.
    pub(crate) bucket: Option<String>,
    /// How many calls are left in it.
    pub(crate) remaining: Option<u32>,
    /// When it is full again.
    pub(crate) reset_after: Option<Duration>,
    /// How long a 429 asks to wait.
    pub(crate) retry_after: Option<Duration>,
    /// Whom a 429 is about.
    pub(crate) scope: Scope,
}

/// Whom a 429 is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    /// This bot, on this route.
    #[default]
    User,
    /// This bot, everywhere.
    Global,
    /// Everybody who uses this resource; it does not count as invalid.
    Shared,
}

/// The limits as they are known now.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Which bucket a route turned out to belong to.
    known: BTreeMap<Route, String>,
    buckets: BTreeMap<(String, String), Bucket>,
    /// Nothing goes out before this.
    held_until: Duration,
    /// Kinds of calls that were told to wait though their bucket had calls left: they have a limit
    /// of their own that no head tells of, as giving a thread a name has.
    held: BTreeMap<Route, Duration>,
    recent: VecDeque<Duration>,
    invalid: VecDeque<Duration>,
}

#[derive(Debug)]
struct Bucket {
    /// What is left, if that is known; before the first answer one call at a time finds out.
    remaining: Option<u32>,
    under_way: u32,
    reset_at: Duration,
    heard_at: Duration,
}

impl Pace {
    /// Whether a call may be made at `now`. `counted` is false for interactions, which are outside
    /// the global limit.
    pub(crate) fn turn(&mut self, route: &Route, counted: bool, now: Duration) -> Turn {
        if now < self.held_until && counted {
            return Turn::Wait(self.held_until.saturating_sub(now));
        }
        forget_before(&mut self.invalid, now.checked_sub(INVALID_WINDOW));
        if let Some(first) = self.invalid.front().filter(|_| self.invalid.len() >= INVALID) {
            return Turn::Wait(first.saturating_add(INVALID_WINDOW).saturating_sub(now));
        }
        if counted {
            forget_before(&mut self.recent, now.checked_sub(SECOND));
            if let Some(first) = self.recent.front().filter(|_| self.recent.len() >= GLOBAL) {
                return Turn::Wait(first.saturating_add(SECOND).saturating_sub(now));
            }
        }
        if let Some(until) = self.held.get(route).filter(|until| **until > now) {
            return Turn::Wait(until.saturating_sub(now));
        }
        let key = self.key(route);
        let bucket = self.buckets.entry(key).or_insert_with(|| Bucket::new(now));
        if now >= bucket.reset_at && bucket.remaining == Some(0) {
            // Full again, and by how much only the next answer says.
            bucket.remaining = None;
        }
        match bucket.remaining {
            Some(left) if left > bucket.under_way => {}
            Some(0) => return Turn::Wait(bucket.reset_at.saturating_sub(now)),
            // The next answer says more.
            Some(_) => return Turn::Wait(LOOK_AGAIN),
            None if bucket.under_way == 0 => {}
            None => return Turn::Wait(LOOK_AGAIN),
        }
        bucket.under_way += 1;
        if counted {
            self.recent.push_back(now);
        }
        Turn::Go
    }

    /// Takes what came of a call that had its turn.
    pub(crate) fn done(&mut self, route: &Route, learnt: &Learnt, now: Duration) {
        let before = self.key(route);
        if let Some(bucket) = self.buckets.get_mut(&before) {
            bucket.under_way = bucket.under_way.saturating_sub(1);
        }
        if let Some(name) = &learnt.bucket
            && self.known.get(route) != Some(name)
        {
            self.known.insert(route.clone(), name.clone());
        }
        let key = self.key(route);
        let under_way = match self.buckets.get(&before) {
            Some(old) if before != key => old.under_way,
            Some(_) | None => 0,
        };
        let bucket = self.buckets.entry(key).or_insert_with(|| Bucket::new(now));
        // Calls that went out before the bucket had a name are on their way in it too.
        bucket.under_way = bucket.under_way.max(under_way);
        bucket.heard_at = now;
        if let (Some(remaining), Some(after)) = (learnt.remaining, learnt.reset_after) {
            let reset_at = now.saturating_add(after);
            // Answers of one window may overtake each other, and the one with the fewest is the newest.
            bucket.remaining = match bucket.remaining {
                Some(known) if reset_at <= bucket.reset_at.saturating_add(SKEW) => {
                    Some(remaining.min(known))
                }
                Some(_) | None => Some(remaining),
            };
            bucket.reset_at = reset_at.max(bucket.reset_at);
        }
        if learnt.status == 429 {
            let until = now.saturating_add(learnt.retry_after.unwrap_or(PAUSE));
            match learnt.scope {
                Scope::Global => self.held_until = self.held_until.max(until),
                Scope::User if learnt.remaining == Some(0) => {
                    bucket.reset_at = bucket.reset_at.max(until);
                }
                Scope::User | Scope::Shared => {
                    let held = self.held.entry(route.clone()).or_default();
                    *held = until.max(*held);
                }
            }
        }
        let counts = matches!(learnt.status, 401 | 403)
            || learnt.status == 429 && learnt.scope != Scope::Shared;
        if counts {
            self.invalid.push_back(now);
        }
        self.forget(now);
    }

    /// How many invalid calls of the last ten minutes are known.
    pub(crate) fn invalid(&self) -> usize {
        self.invalid.len()
    }

    fn key(&self, route: &Route) -> (String, String) {
        let name = self.known.get(route).cloned().unwrap_or_else(|| route.name.to_owned());
        (name, route.major.clone())
    }

    fn forget(&mut self, now: Duration) {
        self.held.retain(|_, until| *until > now);
        let old = |bucket: &Bucket| {
            bucket.under_way == 0 && bucket.heard_at.saturating_add(FORGOTTEN) < now
        };
        if self.buckets.values().any(old) {
            self.buckets.retain(|_, bucket| !old(bucket));
            let Self { known, buckets, .. } = self;
            known.retain(|route, name| buckets.contains_key(&(name.clone(), route.major.clone())));
        }
    }
}

/// While the next answer will say more.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl Bucket {
    fn new(now: Duration) -> Self {
        Self { remaining: None, under_way: 0, reset_at: Duration::ZERO, heard_at: now }
    }
}

fn forget_before(times: &mut VecDeque<Duration>, limit: Option<Duration>) {
    while times.front().is_some_and(|time| Some(*time) <= limit) {
        times.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn route(name: &'static str, major: &str) -> Route {
        Route { name, major: major.into() }
    }

    fn ok(bucket: &str, remaining: u32, reset_ms: u64) -> Learnt {
        Learnt {
            status: 200,
            bucket: Some(bucket.into()),
            remaining: Some(remaining),
            reset_after: Some(ms(reset_ms)),
            ..Learnt::default()
        }
    }

    #[test]
    fn a_bucket_that_is_empty_waits_for_its_reset_and_no_other_route_does() {
        let mut pace = Pace::default();
        let (send, other) = (route("POST messages", "1"), route("POST messages", "2"));
        assert_eq!(pace.turn(&send, true, ms(0)), Turn::Go);
        assert_eq!(pace.turn(&send, true, ms(1)), Turn::Wait(LOOK_AGAIN), "one finds out");
        pace.done(&send, &ok("abc", 1, 5000), ms(100));
        assert_eq!(pace.turn(&send, true, ms(101)), Turn::Go);
        assert_eq!(pace.turn(&send, true, ms(102)), Turn::Wait(LOOK_AGAIN));
        pace.done(&send, &ok("abc", 0, 4900), ms(200));
        assert_eq!(pace.turn(&send, true, ms(1100)), Turn::Wait(ms(4000)));
        assert_eq!(pace.turn(&other, true, ms(1100)), Turn::Go, "another channel");
        assert_eq!(pace.turn(&send, true, ms(5100)), Turn::Go);
    }

    #[test]
    fn routes_of_one_bucket_share_it_within_a_channel() {
        let mut pace = Pace::default();
        let (edit, delete) = (route("PATCH message", "1"), route("DELETE message", "1"));
        for route in [&edit, &delete] {
            assert_eq!(pace.turn(route, true, ms(0)), Turn::Go);
            pace.done(route, &ok("shared", 1, 1000), ms(10));
        }
        assert_eq!(pace.turn(&edit, true, ms(20)), Turn::Go);
        pace.done(&edit, &ok("shared", 0, 980), ms(30));
        assert_eq!(pace.turn(&delete, true, ms(30)), Turn::Wait(ms(980)));
    }

    #[test]
    fn an_answer_that_is_overtaken_by_a_later_one_gives_no_call_back() {
        let mut pace = Pace::default();
        let look = route("GET member", "1");
        assert_eq!(pace.turn(&look, true, ms(0)), Turn::Go);
        pace.done(&look, &ok("abc", 2, 1000), ms(0));
        assert_eq!(pace.turn(&look, true, ms(1)), Turn::Go);
        assert_eq!(pace.turn(&look, true, ms(1)), Turn::Go);
        pace.done(&look, &ok("abc", 0, 990), ms(10));
        pace.done(&look, &ok("abc", 1, 995), ms(12));
        assert_eq!(pace.turn(&look, true, ms(12)), Turn::Wait(ms(995)));
        assert_eq!(pace.turn(&look, true, ms(1007)), Turn::Go);
        pace.done(&look, &ok("abc", 4, 1000), ms(1010));
        assert_eq!(pace.turn(&look, true, ms(1011)), Turn::Go, "another window");
    }

    #[test]
    fn each_kind_of_429_is_obeyed_to_its_end_by_whom_it_is_about() {
        let hit = |scope, after| Learnt {
            status: 429,
            retry_after: Some(ms(after)),
            scope,
            ..Learnt::default()
        };
        let (one, two) = (route("POST messages", "1"), route("GET channel", "2"));
        for (scope, other_waits, counted) in
            [(Scope::User, false, 1), (Scope::Shared, false, 0), (Scope::Global, true, 1)]
        {
            let mut pace = Pace::default();
            assert_eq!(pace.turn(&one, true, ms(0)), Turn::Go);
            pace.done(&one, &hit(scope, 7500), ms(0));
            assert_eq!(pace.turn(&one, true, ms(500)), Turn::Wait(ms(7000)), "{scope:?}");
            let other = pace.turn(&two, true, ms(500));
            assert_eq!(other != Turn::Go, other_waits, "{scope:?}");
            assert_eq!(pace.turn(&one, true, ms(7500)), Turn::Go, "{scope:?}");
            assert_eq!(pace.invalid(), counted, "{scope:?}");
        }
        // An answer to a press is outside the global limit.
        let mut pace = Pace::default();
        assert_eq!(pace.turn(&one, true, ms(0)), Turn::Go);
        pace.done(&one, &hit(Scope::Global, 7500), ms(0));
        assert_eq!(pace.turn(&route("POST callback", "9"), false, ms(1)), Turn::Go);
    }

    #[test]
    fn a_limit_that_no_head_tells_of_holds_one_kind_of_call_and_not_its_bucket() {
        let mut pace = Pace::default();
        let (name, archive) = (route("PATCH thread name", "1"), route("PATCH thread", "1"));
        for route in [&name, &archive] {
            assert_eq!(pace.turn(route, true, ms(0)), Turn::Go);
            pace.done(route, &ok("channel", 4, 5000), ms(10));
        }
        assert_eq!(pace.turn(&name, true, ms(20)), Turn::Go);
        let hit = Learnt { status: 429, retry_after: Some(ms(600_000)), ..ok("channel", 3, 5000) };
        pace.done(&name, &hit, ms(30));
        assert_eq!(pace.turn(&name, true, ms(30)), Turn::Wait(ms(600_000)));
        assert_eq!(pace.turn(&archive, true, ms(30)), Turn::Go);
    }

    #[test]
    fn no_second_has_more_calls_than_the_global_limit() {
        let mut pace = Pace::default();
        let mut made = Vec::new();
        for call in 0..200_u64 {
            let (major, mut now) = (call.to_string(), ms(call));
            let route = Route { name: "GET channel", major };
            while let Turn::Wait(wait) = pace.turn(&route, true, now) {
                now += wait;
            }
            made.push(now);
        }
        for from in &made {
            let within = made.iter().filter(|at| *at >= from && **at < *from + SECOND).count();
            assert!(within <= GLOBAL, "{within} in a second");
        }
    }

    #[test]
    fn too_many_refusals_stop_every_call_for_a_while() {
        let mut pace = Pace::default();
        let route = route("GET channel", "1");
        let refused = Learnt { status: 403, ..Learnt::default() };
        for _ in 0..INVALID {
            pace.done(&route, &refused, ms(1000));
        }
        let Turn::Wait(wait) = pace.turn(&route, false, ms(2000)) else { panic!() };
        assert_eq!(wait, INVALID_WINDOW - SECOND);
        assert_eq!(pace.turn(&route, false, ms(2000) + wait), Turn::Go);
    }
}
