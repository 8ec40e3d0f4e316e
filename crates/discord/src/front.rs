//! The way from the gateway to the desk: what is said, in order, each once, and what was said while
//! nobody heard it.
//!
//! How far each channel was read is written down when the desk has dealt with a message, so a crash
//! in between brings it again, and the hub, which knows each message by channel and number, takes
//! none twice. A session that begins anew leaves a gap; it is filled over HTTP before anything newer
//! is taken.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::collections::hash_map::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use gatepost_desk::inbound::Gap;
use gatepost_desk::inbound::Inbound;
use gatepost_desk::intake::Begun;
use gatepost_desk::intake::Delivered;
use gatepost_desk::intake::Taken;
use gatepost_desk::intake::begin;
use gatepost_desk::intake::take;
use gatepost_desk::place::Chat;
use gatepost_desk::place::Place;
use gatepost_desk::place::ThreadId;
use jiff::SignedDuration;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::Api;
use crate::api::Fault;
use crate::gateway::News;
use crate::groups::Belonging;
use crate::inbound;
use crate::inbound::Me;
use crate::memory::Keeper;
use crate::rooms::Rooms;
use crate::rooms::Where;
use crate::status::Health;
use crate::status::Status;
use crate::status::Teller;
use crate::surface::Discord;
use crate::surface::message as message_id;
use crate::wire::Channel;
use crate::wire::Guild;
use crate::wire::Id;
use crate::wire::Message;

mod catch_up;

pub(crate) use catch_up::Missed;

/// What is older than this is not fetched: nobody waits for it any more.
pub(crate) const KEEPS: SignedDuration = SignedDuration::from_hours(24);

/// What could not be recorded is taken again after this.
const REFUSED_PAUSE: Duration = Duration::from_secs(2);

/// How often it is written down that somebody listens: a crash is dated this exactly.
const BEAT: Duration = Duration::from_secs(10);

/// After this a channel that could not be read is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// How many messages are remembered, against those that come twice and to tell edits from others.
const REMEMBERED: usize = 4000;

/// What the front is made of.
pub(crate) struct Front {
    pub(crate) api: Api,
    pub(crate) discord: Discord,
    pub(crate) me: Me,
    pub(crate) groups: Belonging,
    pub(crate) rooms: Rooms,
    pub(crate) keeper: Keeper,
    pub(crate) desk: mpsc::Sender<Delivered>,
    pub(crate) teller: Teller,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) recent: Recent,
    pub(crate) missed: Missed,
    pub(crate) under_way: UnderWay,
    pub(crate) archived: BTreeSet<Id>,
}

/// Messages that were handed over lately, each with a print of its words.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    prints: BTreeMap<Id, u64>,
    order: VecDeque<Id>,
}

/// Messages that the desk has begun on, by channel.
#[derive(Default)]
pub(crate) struct UnderWay {
    ends: FuturesUnordered<std::pin::Pin<Box<dyn Future<Output = Ended> + Send>>>,
    open: BTreeMap<Id, BTreeSet<Id>>,
    /// The newest message of a channel that is dealt with, while an older one is not.
    ahead: BTreeMap<Id, Id>,
}

/// What came of a message that took long.
struct Ended {
    channel: Id,
    message: Id,
    /// The message again, where it could not be recorded.
    again: Option<Inbound>,
}

/// There is no going on.
struct Stopped;

impl Recent {
    /// Remembers a message; whether it is new.
    fn first(&mut self, message: &Message) -> bool {
        if self.prints.contains_key(&message.id) {
            return false;
        }
        self.prints.insert(message.id, print(&message.content));
        self.order.push_back(message.id);
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.prints.remove(&oldest);
            }
        }
        true
    }

    /// Whether the words of a message that is remembered are others now. Discord also tells of
    /// messages whose links it has unfolded, and those are no edits.
    fn is_edited(&mut self, id: Id, content: &str) -> bool {
        let now = print(content);
        self.prints.get_mut(&id).is_some_and(|print| std::mem::replace(print, now) != now)
    }
}

impl UnderWay {
    fn begin(&mut self, channel: Id, message: Id) {
        self.open.entry(channel).or_default().insert(message);
    }

    fn is_open(&self, channel: Id) -> bool {
        self.open.contains_key(&channel)
    }

    /// A message is dealt with: up to where its channel is, with nothing left out.
    fn end(&mut self, channel: Id, message: Id) -> Option<Id> {
        let ahead = self.ahead.entry(channel).or_insert(message);
        *ahead = message.max(*ahead);
        let ahead = *ahead;
        let open = self.open.entry(channel).or_default();
        open.remove(&message);
        match open.first() {
            None => {
                self.open.remove(&channel);
                self.ahead.remove(&channel);
                Some(ahead)
            }
            Some(oldest) => (ahead < *oldest).then_some(ahead),
        }
    }
}

impl Front {
    /// Takes what the gateway brings until told to stop.
    pub(crate) async fn serve(mut self, mut news: mpsc::Receiver<News>) {
        let stop = self.stop.clone();
        let mut beat = Instant::now() + BEAT;
        loop {
            let again = self.missed.again();
            let served = tokio::select! {
                () = stop.cancelled() => Err(Stopped),
                Some(ended) = self.under_way.ends.next() => self.ended(ended).await,
                heard = news.recv() => match heard {
                    Some(News::Began) => self.begun().await,
                    Some(News::Event { name, data }) => self.hear(&name, data).await,
                    None => Err(Stopped),
                },
                () = tokio::time::sleep_until(again) => self.catch_up().await,
                () = tokio::time::sleep_until(beat) => {
                    beat = Instant::now() + BEAT;
                    self.beat();
                    Ok(())
                }
            };
            if served.is_err() {
                self.write();
                return;
            }
        }
    }

    async fn hear(&mut self, name: &str, data: Value) -> Result<(), Stopped> {
        match name {
            "MESSAGE_CREATE" => {
                self.teller.inbound();
                if let Some(message) = read::<Message>(name, data) {
                    return self.heard(message, false).await;
                }
            }
            "MESSAGE_UPDATE" => {
                if let Some(message) = read::<Message>(name, data) {
                    return self.edited(&message).await;
                }
            }
            "GUILD_CREATE" => {
                if let Some(guild) = read::<Guild>(name, data) {
                    self.groups.hear(&guild.roles);
                    self.rooms.hear_guild(&guild);
                }
            }
            "CHANNEL_CREATE" | "CHANNEL_UPDATE" | "THREAD_CREATE" | "THREAD_UPDATE" => {
                if let Some(channel) = read::<Channel>(name, data) {
                    self.changed(&channel);
                }
            }
            "THREAD_LIST_SYNC" => {
                let guild = data.get("guild_id").and_then(Value::as_str);
                let guild = guild.and_then(|id| id.parse().ok());
                let threads = data.get("threads").and_then(Value::as_array);
                for thread in threads.into_iter().flatten() {
                    if let Some(thread) = read::<Channel>(name, thread.clone()) {
                        self.rooms.hear(&thread, guild);
                    }
                }
            }
            "CHANNEL_DELETE" | "THREAD_DELETE" => {
                if let Some(channel) = read::<Channel>(name, data) {
                    return self.gone(&channel).await;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A channel is new or another. A thread of a task that comes out of the archive is joined
    /// again, or the bot would be deaf in it.
    fn changed(&mut self, channel: &Channel) {
        let room = self.rooms.hear(channel, None);
        if channel.is_archived() {
            self.archived.insert(channel.id);
        } else if self.archived.remove(&channel.id) && room.own {
            self.join(channel.id);
        }
    }

    fn join(&self, thread: Id) {
        let (api, stop) = (self.api.clone(), self.stop.clone());
        self.tracker.spawn(async move {
            let joined = tokio::select! {
                () = stop.cancelled() => return,
                joined = api.join_thread(thread) => joined,
            };
            match joined {
                Ok(()) => tracing::info!(%thread, "a thread is listened to again"),
                Err(fault) => tracing::warn!(%thread, %fault, "a thread cannot be joined"),
            }
        });
    }

    async fn gone(&mut self, channel: &Channel) -> Result<(), Stopped> {
        let room = self.rooms.forget(channel.id);
        let parent = room.and_then(|room| room.parent).or(channel.parent_id);
        match parent.filter(|_| channel.is_thread()) {
            Some(parent) => {
                let (chat, thread) = (Chat::Group(parent.0), ThreadId(channel.id.0));
                self.hand_over(Inbound::ThreadGone { chat, thread }).await
            }
            None => Ok(()),
        }
    }

    /// Deals with a message, once.
    async fn heard(&mut self, message: Message, late: bool) -> Result<(), Stopped> {
        if !self.recent.first(&message) {
            return Ok(());
        }
        let (channel, id) = (message.channel_id, message.id);
        let Some(place) = self.place(&message).await else { return Ok(()) };
        if !place.bound && message.is_about(self.me.id) {
            self.keeper.spoken(channel.0, id.0);
        }
        let said = inbound::said(&message, &place, &self.me);
        self.under_way.begin(channel, id);
        match said {
            Some(said) => {
                let (guild, member) = (message.guild_id, message.member.as_ref());
                let who = Id(said.from);
                if let Some(belongs) = self.groups.of(&self.api, who, guild, member).await {
                    self.hand_over(belongs).await?;
                }
                self.pass_on(channel, id, Inbound::Said(said), late).await
            }
            None => {
                self.reached(channel, id);
                Ok(())
            }
        }
    }

    /// Hands a message to the desk. One that takes long holds up none that come after it.
    async fn pass_on(
        &mut self,
        channel: Id,
        message: Id,
        inbound: Inbound,
        late: bool,
    ) -> Result<(), Stopped> {
        loop {
            match begin(&self.desk, inbound.clone(), late, &self.stop).await {
                Begun::Settled(Taken::Yes) => {
                    self.reached(channel, message);
                    return Ok(());
                }
                Begun::Settled(Taken::Later) => self.rest(REFUSED_PAUSE).await?,
                Begun::Settled(Taken::Stopped) => return Err(Stopped),
                Begun::Long(done) => {
                    self.under_way.ends.push(Box::pin(async move {
                        let again = done.await.is_err().then_some(inbound);
                        Ended { channel, message, again }
                    }));
                    return Ok(());
                }
            }
        }
    }

    async fn ended(&mut self, ended: Ended) -> Result<(), Stopped> {
        let Ended { channel, message, again } = ended;
        match again {
            None => {
                self.reached(channel, message);
                Ok(())
            }
            Some(inbound) => {
                self.rest(REFUSED_PAUSE).await?;
                // It waited for the hub and not for somebody to listen.
                self.pass_on(channel, message, inbound, false).await
            }
        }
    }

    /// A message is dealt with. A channel with a gap before it stays where the gap begins.
    fn reached(&mut self, channel: Id, message: Id) {
        if let Some(to) = self.under_way.end(channel, message)
            && !self.missed.is_behind(channel)
        {
            self.keeper.reached(channel.0, to.0);
            self.write();
        }
    }

    async fn edited(&mut self, message: &Message) -> Result<(), Stopped> {
        let person = message.author.as_ref().filter(|author| !author.is_bot());
        let Some(from) = person.map(|author| author.id.0) else { return Ok(()) };
        if !self.recent.is_edited(message.id, &message.content) {
            return Ok(());
        }
        let Some(place) = self.place(message).await else { return Ok(()) };
        let place = place.place;
        let message = message_id(place.thread, message.id);
        self.hand_over(Inbound::Edited { place, message, from }).await
    }

    /// Where a message is; none where that is not listened to.
    async fn place(&mut self, message: &Message) -> Option<Where> {
        let channel = message.channel_id;
        if self.rooms.get(channel).is_none() {
            let Some(guild) = message.guild_id else {
                // Only private messages come from no server.
                let person = message.author.as_ref().filter(|author| !author.is_bot())?.id.0;
                self.discord.met(person, channel);
                self.keeper.met(channel.0, person);
                let place = Place::of_person(person);
                return Some(Where { place, bound: true, project: None });
            };
            if !self.rooms.listens_in(guild) {
                return None;
            }
            match self.api.channel(channel).await {
                Ok(found) => drop(self.rooms.hear(&found, Some(guild))),
                Err(fault) => {
                    tracing::warn!(%channel, %fault, "nobody knows what channel this is");
                    return None;
                }
            }
        }
        self.rooms.place(channel)
    }

    async fn hand_over(&mut self, inbound: Inbound) -> Result<(), Stopped> {
        loop {
            match take(&self.desk, inbound.clone(), false, &self.stop).await {
                Taken::Yes => return Ok(()),
                Taken::Later => self.rest(REFUSED_PAUSE).await?,
                Taken::Stopped => return Err(Stopped),
            }
        }
    }

    async fn rest(&mut self, pause: Duration) -> Result<(), Stopped> {
        tokio::select! {
            () = self.stop.cancelled() => Err(Stopped),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }

    fn beat(&mut self) {
        let listens = matches!(self.status.borrow().health, Health::Good | Health::Deaf);
        if listens && self.missed.is_nothing() {
            self.teller.listened();
            self.missed.listened(self.teller.now());
        }
        self.write();
    }

    fn write(&mut self) {
        let status = self.status.borrow().clone();
        self.keeper.write(&status, self.teller.now());
    }
}

/// Reads what came; what cannot be read is said and left.
fn read<T: DeserializeOwned>(name: &str, data: Value) -> Option<T> {
    serde_json::from_value(data)
        .inspect_err(|error| tracing::warn!(name, %error, "an event cannot be read"))
        .ok()
}

fn print(content: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_read_only_up_to_what_still_takes_long() {
        let mut way = UnderWay::default();
        let channel = Id(4);
        for id in [10, 11, 12] {
            way.begin(channel, Id(id));
        }
        assert_eq!(way.end(channel, Id(11)), None, "10 is not dealt with");
        assert_eq!(way.end(channel, Id(12)), None);
        assert_eq!(way.end(channel, Id(10)), Some(Id(12)));
        assert!(way.open.is_empty() && way.ahead.is_empty());
        way.begin(channel, Id(13));
        way.begin(channel, Id(14));
        assert_eq!(way.end(channel, Id(13)), Some(Id(13)));
    }

    #[test]
    fn links_that_are_unfolded_are_no_edit() {
        let message: Message =
            serde_json::from_str(r#"{"id": "5", "channel_id": "4", "content": "see x"}"#).unwrap();
        let mut recent = Recent::default();
        assert!(recent.first(&message) && !recent.first(&message));
        assert!(!recent.is_edited(Id(5), "see x"));
        assert!(recent.is_edited(Id(5), "see y") && !recent.is_edited(Id(5), "see y"));
        assert!(!recent.is_edited(Id(6), "unknown"));
    }
}
