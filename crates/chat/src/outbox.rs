//! What is to be told to people, when: pacing, coalescing and retries as a pure state machine.
//!
//! Times come in as the span since the process began. One lane a chat, one parcel of a lane under
//! way at a time, so that a chat sees things in order and a slow chat holds nobody else up.
//!
//! - A parcel takes the place of a waiting one for the same slot: of ten states of a card that
//!   nobody has seen, the last is enough.
//! - What rings goes before what does not, and is never dropped; what a task came to goes before the
//!   receipts that wait, and a question before all, for work stands still until it is answered.
//! - A wait that the platform asks for is kept to its end, and a message whose answer was lost is
//!   never sent again from here: nobody knows whether it arrived.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::time::Duration;

/// How fast a platform lets one bot write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between two messages to one person.
    pub person: Duration,
    /// Between two messages to one group.
    pub group: Duration,
    /// Between any two messages.
    pub all: Duration,
}

/// How much a message matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// The newest state of something; silent.
    Progress,
    /// An answer to a person.
    Loud,
    /// What a task came to.
    Final,
    /// A question to a person, open or settled, and what a press on it asks for.
    Question,
}

/// Something to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel<P> {
    /// The chat.
    pub chat: String,
    /// Whether the chat is a group, which is written to more slowly.
    pub group: bool,
    /// What the message is, within its chat.
    pub slot: String,
    /// How much it matters.
    pub urgency: Urgency,
    /// What to do.
    pub content: P,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<P> {
    /// Send this; [`Outbox::settle`] takes what came of it.
    Send(Parcel<P>),
    /// Nothing before this time.
    Wait(Duration),
    /// Nothing until something is pushed or settled.
    Idle,
}

/// What came of sending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is done, or was refused for good, or nobody knows: it is not sent again.
    Over,
    /// The platform wants a pause of this length; then again.
    Pause(Duration),
    /// It certainly had no effect; again after a while.
    Failed,
    /// The chat goes on under this id; again there.
    Moved(String),
}

/// A lane may hold this many parcels before progress is left out. Slots coalesce, so only a flood
/// of commands comes near it.
const ROOM: usize = 500;

/// The first pause after a failure, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Everything that waits to be told.
#[derive(Debug)]
pub struct Outbox<P> {
    pace: Pace,
    /// How long chats are left alone at first.
    rest: Pace,
    lanes: BTreeMap<String, Lane<P>>,
    /// The earliest time for the next message anywhere.
    free_at: Duration,
}

#[derive(Debug)]
struct Lane<P> {
    waiting: VecDeque<Parcel<P>>,
    under_way: Option<Parcel<P>>,
    group: bool,
    /// The earliest time for a loud message, and for progress.
    free_at: Duration,
    calm_at: Duration,
    failures: u32,
}

impl<P: Clone> Outbox<P> {
    /// Nothing waits.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        let none = Pace { person: Duration::ZERO, group: Duration::ZERO, all: Duration::ZERO };
        Self { pace, rest: none, lanes: BTreeMap::new(), free_at: Duration::ZERO }
    }

    /// Nothing waits, but an earlier life may have written to any chat just before it ended: every
    /// chat begins with a pause.
    #[must_use]
    pub fn resumed(pace: Pace) -> Self {
        Self { pace, rest: pace, lanes: BTreeMap::new(), free_at: Duration::ZERO }
    }

    /// Takes something to be told.
    pub fn push(&mut self, parcel: Parcel<P>) {
        let lane = self.lane(&parcel.chat, parcel.group);
        if let Some(old) = lane.waiting.iter_mut().find(|old| old.slot == parcel.slot) {
            let urgency = old.urgency.max(parcel.urgency);
            *old = Parcel { urgency, ..parcel };
        } else if parcel.urgency > Urgency::Progress || lane.waiting.len() < ROOM {
            lane.waiting.push_back(parcel);
        }
    }

    /// Takes a waiting parcel back, when what it says is no longer true.
    pub fn withdraw(&mut self, chat: &str, slot: &str) {
        if let Some(lane) = self.lanes.get_mut(chat) {
            lane.waiting.retain(|parcel| parcel.slot != slot);
        }
    }

    /// Whether a parcel of this slot waits or is under way.
    #[must_use]
    pub fn holds(&self, chat: &str, slot: &str) -> bool {
        self.lanes.get(chat).is_some_and(|lane| {
            lane.waiting.iter().chain(&lane.under_way).any(|parcel| parcel.slot == slot)
        })
    }

    /// What waits for a chat, in the order in which it was pushed.
    pub fn waiting(&self, chat: &str) -> impl Iterator<Item = &P> {
        self.lanes.get(chat).into_iter().flat_map(|lane| &lane.waiting).map(|one| &one.content)
    }

    /// Whether anything is under way to a chat.
    #[must_use]
    pub fn is_sending_to(&self, chat: &str) -> bool {
        self.lanes.get(chat).is_some_and(|lane| lane.under_way.is_some())
    }

    /// Whether anything is under way.
    #[must_use]
    pub fn is_sending(&self) -> bool {
        self.lanes.values().any(|lane| lane.under_way.is_some())
    }

    /// Whether nothing waits and nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes.values().all(|lane| lane.waiting.is_empty() && lane.under_way.is_none())
    }

    /// What to do at `now`.
    pub fn next(&mut self, now: Duration) -> Step<P> {
        let mut soonest: Option<(Urgency, Duration, String)> = None;
        for (chat, lane) in &self.lanes {
            let Some((urgency, at)) = lane.soonest() else { continue };
            let better = soonest.as_ref().is_none_or(|(best, best_at, _)| {
                // Of what could go now, the loud first; of what must wait, the first.
                let (ready, best_ready) = (at <= now, *best_at <= now);
                (ready, ready.then_some(urgency), std::cmp::Reverse(at))
                    > (best_ready, best_ready.then_some(*best), std::cmp::Reverse(*best_at))
            });
            if better {
                soonest = Some((urgency, at, chat.clone()));
            }
        }
        let Some((urgency, at, chat)) = soonest else { return Step::Idle };
        let at = at.max(self.free_at);
        if at > now {
            return Step::Wait(at);
        }
        let Some(parcel) = self.lanes.get_mut(&chat).and_then(|lane| lane.take(urgency)) else {
            return Step::Idle;
        };
        self.free_at = now.saturating_add(self.pace.all);
        Step::Send(parcel)
    }

    /// Takes what came of the chat's parcel under way.
    pub fn settle(&mut self, chat: &str, fate: Fate, now: Duration) {
        let pace = self.pace;
        let Some(lane) = self.lanes.get_mut(chat) else { return };
        let Some(parcel) = lane.under_way.take() else { return };
        let gap = if lane.group { pace.group } else { pace.person };
        lane.free_at = now.saturating_add(gap);
        lane.calm_at = now.saturating_add(gap.saturating_mul(2));
        match fate {
            Fate::Over => lane.failures = 0,
            Fate::Pause(pause) => {
                lane.failures = 0;
                lane.hold(now.saturating_add(pause));
                lane.put_back(parcel);
            }
            Fate::Failed => {
                let factor = 1u32.checked_shl(lane.failures.min(16)).unwrap_or(u32::MAX);
                let pause = FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE);
                lane.failures = lane.failures.saturating_add(1);
                lane.hold(now.saturating_add(pause));
                lane.put_back(parcel);
            }
            Fate::Moved(to) => {
                lane.put_back(parcel);
                let waiting = std::mem::take(&mut lane.waiting);
                self.lanes.remove(chat);
                for parcel in waiting {
                    self.push(Parcel { chat: to.clone(), ..parcel });
                }
            }
        }
    }

    fn lane(&mut self, chat: &str, group: bool) -> &mut Lane<P> {
        let rest = if group { self.rest.group } else { self.rest.person };
        self.lanes.entry(chat.to_owned()).or_insert_with(|| Lane {
            waiting: VecDeque::new(),
            under_way: None,
            group,
            free_at: rest,
            calm_at: rest,
            failures: 0,
        })
    }
}

impl<P> Lane<P> {
    /// The most urgent waiting parcel's urgency and the earliest time for it.
    fn soonest(&self) -> Option<(Urgency, Duration)> {
        if self.under_way.is_some() {
            return None;
        }
        let urgency = self.waiting.iter().map(|parcel| parcel.urgency).max()?;
        let at = match urgency {
            Urgency::Loud | Urgency::Final | Urgency::Question => self.free_at,
            Urgency::Progress => self.calm_at,
        };
        Some((urgency, at))
    }

    fn take(&mut self, urgency: Urgency) -> Option<Parcel<P>>
    where
        P: Clone,
    {
        let at = self.waiting.iter().position(|parcel| parcel.urgency == urgency)?;
        let parcel = self.waiting.remove(at)?;
        self.under_way = Some(parcel.clone());
        Some(parcel)
    }

    /// Back to the front, unless something newer for its slot has come meanwhile.
    fn put_back(&mut self, parcel: Parcel<P>) {
        match self.waiting.iter_mut().find(|newer| newer.slot == parcel.slot) {
            Some(newer) => newer.urgency = newer.urgency.max(parcel.urgency),
            None => self.waiting.push_front(parcel),
        }
    }

    fn hold(&mut self, until: Duration) {
        self.free_at = self.free_at.max(until);
        self.calm_at = self.calm_at.max(until);
    }
}

#[cfg(test)]
mod tests;
