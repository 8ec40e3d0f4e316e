//! What was said while nobody heard it, fetched per channel from where it was last read.

use std::collections::BTreeMap;

use super::*;

/// How many messages of one channel are fetched at most, in pages of a hundred.
const PAGES: usize = 10;

/// How far Discord's clock may be off from this machine's, where only a time says from where to read.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// Gaps that are still to be filled.
#[derive(Debug, Default)]
pub(crate) struct Missed {
    /// Whether it is still to be found out which channels there are.
    unlisted: bool,
    /// Channels that are still to be read, from behind these messages.
    behind: BTreeMap<Id, Id>,
    /// Whether the end of the gap is still to be told.
    untold: bool,
    /// Whether this life has listened before.
    began: bool,
    /// When somebody last listened.
    last: Option<Timestamp>,
    again: Option<Instant>,
}

impl Missed {
    /// With when an earlier life last listened.
    pub(crate) fn since(last: Option<Timestamp>) -> Self {
        Self { last, ..Self::default() }
    }

    pub(super) fn is_behind(&self, channel: Id) -> bool {
        self.unlisted || self.behind.contains_key(&channel)
    }

    pub(super) fn is_nothing(&self) -> bool {
        !self.unlisted && self.behind.is_empty() && !self.untold
    }

    pub(super) fn listened(&mut self, now: Timestamp) {
        self.last = Some(now);
    }

    /// When it is tried again.
    pub(super) fn again(&self) -> Instant {
        self.again.unwrap_or_else(|| Instant::now() + BEAT)
    }
}

impl Front {
    /// A new session: nothing is known of what happened before it.
    pub(super) async fn begun(&mut self) -> Result<(), Stopped> {
        self.missed.unlisted = true;
        self.missed.untold = true;
        self.catch_up().await
    }

    /// Fills the gaps, as far as that can be done now.
    pub(super) async fn catch_up(&mut self) -> Result<(), Stopped> {
        self.missed.again = None;
        if self.missed.is_nothing() {
            return Ok(());
        }
        if self.missed.unlisted {
            match self.list().await {
                Ok(()) => self.missed.unlisted = false,
                Err(fault) => {
                    tracing::warn!(%fault, "what was missed cannot be fetched yet");
                    self.missed.again = Some(Instant::now() + AGAIN);
                    return Ok(());
                }
            }
        }
        for (channel, after) in self.missed.behind.clone() {
            self.read_behind(channel, after).await?;
        }
        if !self.missed.behind.is_empty() {
            self.missed.again = Some(Instant::now() + AGAIN);
            return Ok(());
        }
        let now = self.teller.now();
        let gap = Gap { from: self.missed.last, to: now, down: !self.missed.began };
        self.hand_over(Inbound::CaughtUp(gap)).await?;
        self.missed.untold = false;
        self.missed.began = true;
        self.beat();
        Ok(())
    }

    /// Finds out which channels there are, and from where each is to be read.
    async fn list(&mut self) -> Result<(), Fault> {
        let guilds: Vec<_> = self.rooms.guilds().collect();
        let mut channels: BTreeSet<Id> = BTreeSet::new();
        for guild in guilds {
            let threads = match self.api.active_threads(guild).await {
                Ok(threads) => threads,
                Err(Fault::Refused { text, .. }) => {
                    tracing::warn!(%guild, %text, "the bot does not see a server that is named");
                    continue;
                }
                Err(fault) => return Err(fault),
            };
            for thread in threads {
                let room = self.rooms.hear(&thread, Some(guild));
                if room.own && thread.member.is_none() {
                    self.join(thread.id);
                }
                if self.rooms.place(thread.id).is_some_and(|place| place.bound) {
                    channels.insert(thread.id);
                }
            }
        }
        let bound: Vec<_> = self.rooms.bound().collect();
        // Where it takes the bot's name to speak to it, only what was used before is read: a server may
        // have hundreds of channels, and each costs a call.
        let spoken: Vec<_> = self.keeper.spoken_in().map(Id).collect();
        for channel in bound.into_iter().chain(spoken) {
            if self.rooms.get(channel).is_none() {
                match self.api.channel(channel).await {
                    Ok(found) => drop(self.rooms.hear(&found, None)),
                    Err(Fault::Refused { text, .. }) => {
                        tracing::warn!(%channel, %text, "the bot does not see a channel it should");
                        continue;
                    }
                    Err(fault) => return Err(fault),
                }
            }
            if self.rooms.place(channel).is_some() {
                channels.insert(channel);
            }
        }
        for (channel, person) in self.keeper.private() {
            self.discord.met(person, Id(channel));
            channels.insert(Id(channel));
        }
        for channel in channels {
            if let Some(after) = self.from(channel) {
                self.missed.behind.entry(channel).or_insert(after);
            }
        }
        Ok(())
    }

    /// From where a channel is read: from where it was read to, or from when somebody last listened;
    /// never from further back than anybody waits. Nothing is read where nobody listened before.
    fn from(&self, channel: Id) -> Option<Id> {
        let read_to = self.keeper.read_to(channel.0).map(Id);
        let listened =
            self.missed.last.map(|last| Id::at(last.saturating_sub(SKEW).unwrap_or(last)));
        let oldest = Id::at(self.teller.now().saturating_sub(KEEPS).unwrap_or_default());
        read_to.or(listened).map(|from| from.max(oldest))
    }

    /// Reads a channel from behind a message on.
    async fn read_behind(&mut self, channel: Id, mut after: Id) -> Result<(), Stopped> {
        let person = self.keeper.private().find(|(known, _)| *known == channel.0);
        for _ in 0..PAGES {
            let page = match self.api.messages_after(channel, after).await {
                Ok(page) => page,
                Err(Fault::Refused { text, .. }) => {
                    tracing::warn!(%channel, %text, "what was said in a channel cannot be read");
                    self.missed.behind.remove(&channel);
                    return Ok(());
                }
                Err(fault) => {
                    tracing::warn!(%channel, %fault, "what was said in a channel is read later");
                    return Ok(());
                }
            };
            let full = page.len() >= 100;
            for message in page {
                let Some(message) = read::<Message>("message", message) else { continue };
                after = message.id.max(after);
                if person.is_some() && message.author.as_ref().is_some_and(|it| it.is_bot()) {
                    continue;
                }
                self.heard(message, true).await?;
            }
            // From here on it is read, so what fails later begins here.
            self.missed.behind.insert(channel, after);
            if !full {
                break;
            }
        }
        self.missed.behind.remove(&channel);
        if !self.under_way.is_open(channel) {
            self.keeper.reached(channel.0, after.0);
        }
        Ok(())
    }
}
