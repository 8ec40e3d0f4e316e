//! What is remembered over a restart: how far each channel was read, and since when nobody listened.
//!
//! The file can be deleted; then the next start fetches nothing that was said before it.

use std::collections::BTreeMap;
use std::io;
use std::io::Write as _;
use std::path::Path;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;

use crate::status::Health;
use crate::status::Status;

/// How many channels are remembered; those with the newest messages. Threads come and go.
const CHANNELS: usize = 1000;

/// How many channels are remembered in which the bot is spoken to by its name alone.
const SPOKEN: usize = 50;

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The process that wrote it.
    pub pid: u32,
    /// When it was written.
    pub at: Timestamp,
    /// How receiving went, in words.
    pub health: String,
    /// Whether it went well.
    pub good: bool,
    /// When everything that waited had last been taken.
    pub listened: Option<Timestamp>,
    /// When something last came in.
    pub inbound: Option<Timestamp>,
    /// The newest message of each channel that was dealt with, with all before it.
    pub channels: BTreeMap<u64, u64>,
    /// Channels of private chats, each with its person.
    #[serde(default)]
    pub private: BTreeMap<u64, u64>,
    /// Channels in which the bot was called or said something, each with the newest message of that
    /// kind: what is said to it there is fetched, though not everything there is for it.
    #[serde(default)]
    pub spoken: BTreeMap<u64, u64>,
}

impl Memory {
    /// The memory of an earlier life; an empty one where there is none that can be read.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        std::fs::read(path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// Until when somebody listened, if that is known.
    #[must_use]
    pub fn alive(&self) -> Option<Timestamp> {
        if self.good && self.listened.is_some() { Some(self.at) } else { self.listened }
    }
}

/// The file, with its one owner.
#[derive(Debug)]
pub(crate) struct Keeper {
    path: PathBuf,
    memory: Memory,
    last: Option<Timestamp>,
}

impl Keeper {
    /// Takes up what an earlier life remembered. The first one is remembered from its very beginning,
    /// so that what is said to it is fetched should it end before it has dealt with anything.
    pub(crate) fn open(path: PathBuf, now: Timestamp) -> Self {
        let memory = Memory::read(&path);
        let last = memory.alive().or(Some(now));
        let mut keeper =
            Self { path, memory: Memory { good: false, listened: last, ..memory }, last };
        keeper.write(&Status::default(), now);
        keeper
    }

    /// Until when an earlier life listened.
    pub(crate) fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// The newest message of a channel that was dealt with.
    pub(crate) fn read_to(&self, channel: u64) -> Option<u64> {
        self.memory.channels.get(&channel).copied()
    }

    /// Everything in a channel up to this message was dealt with.
    pub(crate) fn reached(&mut self, channel: u64, message: u64) {
        newest(&mut self.memory.channels, channel, message, CHANNELS);
    }

    /// The bot was spoken to, or said something, where not everything is for it.
    pub(crate) fn spoken(&mut self, channel: u64, message: u64) {
        newest(&mut self.memory.spoken, channel, message, SPOKEN);
    }

    /// Channels in which the bot was spoken to, though not everything there is for it.
    pub(crate) fn spoken_in(&self) -> impl Iterator<Item = u64> {
        self.memory.spoken.keys().copied()
    }

    /// A channel is the private chat with a person.
    pub(crate) fn met(&mut self, channel: u64, person: u64) {
        if self.memory.private.len() < CHANNELS {
            self.memory.private.insert(channel, person);
        }
    }

    /// Channels of private chats, each with its person.
    pub(crate) fn private(&self) -> impl Iterator<Item = (u64, u64)> {
        self.memory.private.iter().map(|(channel, person)| (*channel, *person))
    }

    /// Writes it down, with how receiving goes.
    pub(crate) fn write(&mut self, status: &Status, now: Timestamp) {
        self.memory.pid = std::process::id();
        self.memory.at = now;
        self.memory.health = match &status.health {
            Health::Starting => "it has not reached Discord yet".into(),
            Health::Good => "it listens".into(),
            Health::Deaf => "it listens, but cannot read messages".into(),
            Health::Failing(why) => why.clone(),
        };
        self.memory.listened = status.listened.or(self.memory.listened);
        self.memory.inbound = status.inbound.or(self.memory.inbound);
        self.memory.good =
            matches!(status.health, Health::Good | Health::Deaf) && status.listened.is_some();
        if let Err(error) = self.save() {
            // What was dealt with may be fetched once more after the next start; the hub knows it.
            tracing::warn!(%error, "how far discord was read could not be written down");
        }
    }

    fn save(&self) -> io::Result<()> {
        let dir = self.path.parent().unwrap_or_else(|| Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(&serde_json::to_vec(&self.memory)?)?;
        file.persist(&self.path).map(drop).map_err(|error| error.error)
    }
}

/// Keeps the newest message of each channel, and of the channels those with the newest.
fn newest(known: &mut BTreeMap<u64, u64>, channel: u64, message: u64, most: usize) {
    let before = known.entry(channel).or_default();
    *before = message.max(*before);
    while known.len() > most {
        let oldest = known.iter().min_by_key(|(_, newest)| **newest).map(|(channel, _)| *channel);
        let Some(oldest) = oldest else { break };
        known.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_knows_how_far_the_one_before_had_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("discord.json");
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut keeper = Keeper::open(path.clone(), at(90));
        assert_eq!((keeper.last(), keeper.read_to(4)), (Some(at(90)), None));
        assert_eq!(Memory::read(&path).alive(), Some(at(90)), "and it is known at once");
        for (channel, message) in [(4, 10), (4, 9), (5, 1)] {
            keeper.reached(channel, message);
        }
        let good = Status { health: Health::Good, listened: Some(at(100)), inbound: None };
        keeper.write(&good, at(120));
        let mut next = Keeper::open(path.clone(), at(800));
        assert_eq!(next.last(), Some(at(120)));
        assert_eq!((next.read_to(4), next.read_to(5)), (Some(10), Some(1)));
        // A life that never listened leaves the gap open.
        next.write(&Status { health: Health::Good, ..Status::default() }, at(900));
        assert_eq!(Memory::read(&path).alive(), Some(at(120)));
        std::fs::write(&path, "{").unwrap();
        assert_eq!(Keeper::open(path, at(950)).last(), Some(at(950)));
    }

    #[test]
    fn channels_come_and_go_and_the_newest_are_remembered() {
        let mut keeper = Keeper::open("/nowhere/discord.json".into(), Timestamp::UNIX_EPOCH);
        for channel in 0..2 * CHANNELS as u64 {
            keeper.reached(channel, channel + 1);
        }
        assert_eq!(keeper.memory.channels.len(), CHANNELS);
        assert_eq!(keeper.read_to(0), None);
    }
}
