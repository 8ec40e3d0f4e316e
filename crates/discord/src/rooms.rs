//! Which channel is which: its server, the channel that a thread is in, the project it is bound to.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use gatepost_desk::place::Chat;
use gatepost_desk::place::Place;
use gatepost_desk::place::ThreadId;

use crate::wire::Channel;
use crate::wire::Guild;
use crate::wire::Id;

/// What is known of channels.
#[derive(Debug, Clone)]
pub(crate) struct Rooms {
    bot: Id,
    guilds: BTreeSet<Id>,
    bound: BTreeMap<Id, String>,
    known: BTreeMap<Id, Room>,
}

/// A channel or a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) guild: Option<Id>,
    /// The channel that a thread is in.
    pub(crate) parent: Option<Id>,
    /// Whether the bot opened this thread, and so it is a task's.
    pub(crate) own: bool,
    has_threads: bool,
}

/// Where something was said, and whether everything there is for the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Where {
    pub(crate) place: Place,
    /// Whether nobody needs to be called by name.
    pub(crate) bound: bool,
    /// The project that the channel is bound to.
    pub(crate) project: Option<String>,
}

impl Rooms {
    pub(crate) fn new(bot: Id, guilds: BTreeSet<Id>, bound: BTreeMap<Id, String>) -> Self {
        Self { bot, guilds, bound, known: BTreeMap::new() }
    }

    /// Whether a server is listened to.
    pub(crate) fn listens_in(&self, guild: Id) -> bool {
        self.guilds.contains(&guild)
    }

    pub(crate) fn guilds(&self) -> impl Iterator<Item = Id> {
        self.guilds.iter().copied()
    }

    /// The channels in which everything is for the bot.
    pub(crate) fn bound(&self) -> impl Iterator<Item = Id> {
        self.bound.keys().copied()
    }

    /// Takes what Discord says of a server.
    pub(crate) fn hear_guild(&mut self, guild: &Guild) {
        for channel in guild.channels.iter().chain(&guild.threads) {
            self.hear(channel, Some(guild.id));
        }
    }

    /// Takes what Discord says of a channel.
    pub(crate) fn hear(&mut self, channel: &Channel, guild: Option<Id>) -> Room {
        let before = self.known.get(&channel.id);
        let room = Room {
            guild: channel.guild_id.or(guild).or_else(|| before.and_then(|room| room.guild)),
            parent: channel.parent_id.filter(|_| channel.is_thread()),
            own: channel.is_thread()
                && (channel.owner_id == Some(self.bot) || before.is_some_and(|room| room.own)),
            has_threads: channel.has_threads(),
        };
        self.known.insert(channel.id, room);
        room
    }

    /// A channel is gone; where it was.
    pub(crate) fn forget(&mut self, channel: Id) -> Option<Room> {
        self.known.remove(&channel)
    }

    pub(crate) fn get(&self, channel: Id) -> Option<Room> {
        self.known.get(&channel).copied()
    }

    /// Where a channel is; none where it is not known, or not listened to.
    pub(crate) fn place(&self, channel: Id) -> Option<Where> {
        let room = self.known.get(&channel)?;
        room.guild.filter(|guild| self.listens_in(*guild))?;
        let (chat, thread) = match room.parent {
            Some(parent) => (parent, Some(ThreadId(channel.0))),
            None => (channel, None),
        };
        let project = self.bound.get(&chat).cloned();
        Some(Where {
            place: Place {
                chat: Chat::Group(chat.0),
                thread,
                has_threads: room.has_threads || thread.is_some(),
            },
            bound: project.is_some() || room.own,
            project,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channel(json: &str) -> Channel {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_thread_is_in_its_channel_and_in_its_project() {
        let bound = BTreeMap::from([(Id(4002), "demo".to_owned())]);
        let mut rooms = Rooms::new(Id(700), BTreeSet::from([Id(3001)]), bound);
        assert_eq!(rooms.place(Id(4002)), None, "nothing is known yet");
        let guild = Some(Id(3001));
        rooms.hear(&channel(r#"{"id": "4002", "type": 0}"#), guild);
        rooms.hear(&channel(r#"{"id": "4003", "type": 0}"#), guild);
        rooms.hear(
            &channel(r#"{"id": "5", "type": 11, "parent_id": "4003", "owner_id": "700"}"#),
            guild,
        );
        rooms.hear(
            &channel(r#"{"id": "6", "type": 11, "parent_id": "4002", "owner_id": "1"}"#),
            guild,
        );
        rooms.hear(&channel(r#"{"id": "9", "type": 0}"#), Some(Id(666)));
        let of = |id| rooms.place(Id(id)).unwrap();
        assert_eq!((of(4002).bound, of(4002).project.as_deref()), (true, Some("demo")));
        assert_eq!((of(4003).bound, of(4003).project), (false, None));
        let own = of(5);
        assert_eq!((own.place.chat, own.place.thread), (Chat::Group(4003), Some(ThreadId(5))));
        assert!(own.bound, "the bot's own thread is a task's");
        assert_eq!((of(6).bound, of(6).project.as_deref()), (true, Some("demo")));
        assert_eq!(rooms.place(Id(9)), None, "another server");
    }

    #[test]
    fn an_update_that_says_less_takes_nothing_away() {
        let mut rooms = Rooms::new(Id(700), BTreeSet::from([Id(3001)]), BTreeMap::new());
        let whole = r#"{"id": "5", "type": 11, "parent_id": "4", "owner_id": "700"}"#;
        rooms.hear(&channel(whole), Some(Id(3001)));
        let less = r#"{"id": "5", "type": 11, "parent_id": "4"}"#;
        let room = rooms.hear(&channel(less), None);
        assert!(room.own && room.guild == Some(Id(3001)));
    }
}
