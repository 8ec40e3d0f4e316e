//! Albums: several messages with a file each that were sent as one, gathered into one message.
//!
//! A part of an album is taken when the part is recorded; when no further part has come for a moment,
//! all of them become one message. So a crash at any place neither loses a part nor makes two of
//! one album: the parts are in the journal, and the hub knows the message by that of the first one.
//!
//! After a start an album waits until everything is there that the platform still held.

use std::collections::BTreeMap;
use std::time::Duration;

use gatepost_chat::command::Target;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::chat::HeldEnd;
use gatepost_domain::chat::HeldWhy;
use gatepost_domain::lifecycle::State;
use gatepost_domain::message::MAX_ATTACHMENTS;
use gatepost_domain::request::RequestError;
use gatepost_domain::request::RequestErrorKind;
use tokio::time::Instant;

use super::Desk;
use super::fetch::unfetched;
use crate::inbound::Reply;
use crate::inbound::Said;
use crate::place::Chat;
use crate::place::MessageId;

/// How long after its last part an album is taken for whole. Platforms deliver the parts of an
/// album at once; a part that comes later than this still reaches the task as a message.
const GATHER: Duration = Duration::from_millis(1200);

/// An album that could not be recorded is tried again after this.
const AGAIN: Duration = Duration::from_secs(2);

/// How many albums that are over are still known, for parts that come late.
const KNOWN: usize = 200;

/// An album: its chat, and what the platform calls it.
type Key = (Chat, String);

/// What is known of albums.
#[derive(Debug, Default)]
pub(super) struct Albums {
    /// Those that are being gathered.
    pub(super) open: BTreeMap<Key, Album>,
    /// The first message of those that are over, oldest first.
    over: Vec<(Key, MessageId)>,
}

#[derive(Debug)]
pub(super) struct Album {
    pub(super) parts: BTreeMap<MessageId, Said>,
    /// How many parts are being fetched.
    pub(super) fetching: usize,
    due: Instant,
    /// Whether more of it may wait at the platform, because an earlier life began to gather it.
    cut: bool,
}

impl Desk {
    /// Whether a message was taken, or is held and was not dropped.
    pub(super) fn is_kept(&self, chat: Chat, message: MessageId) -> bool {
        let held = self.notices.kept.get(&(chat.to_string(), message.to_string()));
        self.messages.contains_key(&(chat, message))
            || held.is_some_and(|held| !matches!(held.end, Some((HeldEnd::Dropped, _))))
    }

    /// A part of an album that is over. A task that works gets it as a message; otherwise a person
    /// says what becomes of it, for alone it would be another task.
    pub(super) async fn left_over(
        &mut self,
        first: MessageId,
        mut said: Said,
    ) -> Result<(), RequestError> {
        let chat = said.place.chat;
        if !self.is_kept(chat, first) {
            // One of its parts could not be had meanwhile, and that was said.
            return Ok(());
        }
        let (author, quoted, files) = (Some(self.bot.id), None, Vec::new());
        said.album = None;
        said.reply =
            Some(Reply { message: first, author, quoted, picked: false, files, button: None });
        let who = self.person(said.from);
        if !said.files.is_empty() {
            let why = unfetched(&said.files, self.traits.name);
            return self.hold(&who, &said, HeldWhy::Unfetched, why).await;
        }
        let works = match self.messages.get(&(chat, first)) {
            Some(Target::Task(task)) => {
                let state = self.hub.task(task.clone()).await?.task.state();
                !matches!(state, State::Cancelling | State::Finishing | State::Finished)
            }
            Some(Target::Denial(..) | Target::Edit(..)) | None => false,
        };
        if works {
            self.said(said).await
        } else {
            let words = said.text.clone();
            self.hold(&who, &said, HeldWhy::Apart, words).await
        }
    }

    /// Records a part of an album.
    pub(super) async fn gather(&mut self, key: Key, said: Said) -> Result<(), RequestError> {
        if let Some(first) = self.albums.first_of_over(&key) {
            return self.left_over(first, said).await;
        }
        let content = serde_json::to_string(&said).map_err(|error| {
            let what = format!("a message cannot be written down: {error}");
            let kind = RequestErrorKind::Unavailable;
            RequestError::new(kind, what, "please report this")
        })?;
        let note = ChatNote::AlbumPart {
            chat: key.0.to_string(),
            album: key.1.clone(),
            message: said.message.to_string(),
            content,
        };
        self.record(None, note).await?;
        self.albums.add(key, said);
        Ok(())
    }

    /// When the next album may be whole.
    pub(super) fn next_album(&self) -> Option<Instant> {
        let whole = self.albums.open.values().filter(|album| album.fetching == 0 && !album.cut);
        whole.map(|album| album.due).min()
    }

    /// Takes every album that is whole by now.
    pub(super) async fn take_albums(&mut self) {
        let now = Instant::now();
        let due = |album: &Album| album.fetching == 0 && !album.cut && album.due <= now;
        let keys: Vec<_> = self
            .albums
            .open
            .iter()
            .filter(|(_, album)| due(album))
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            let whole = self.albums.open.get(&key).and_then(Album::whole);
            let Some(said) = whole else {
                self.albums.open.remove(&key);
                continue;
            };
            let first = said.message;
            let dealt_with = if said.files.is_empty() {
                self.said(said).await
            } else {
                let why = unfetched(&said.files, self.traits.name);
                self.hold(&self.person(said.from), &said, HeldWhy::Unfetched, why).await
            };
            let taken = match dealt_with {
                Ok(()) => self.close_album(key.clone(), first).await,
                Err(error) => Err(error),
            };
            if let Err(error) = taken {
                tracing::error!(%error, "an album waits: it could not be recorded");
                if let Some(album) = self.albums.open.get_mut(&key) {
                    album.due = now + AGAIN;
                }
            }
        }
    }

    pub(super) async fn close_album(
        &mut self,
        key: Key,
        first: MessageId,
    ) -> Result<(), RequestError> {
        let note = ChatNote::AlbumTaken {
            chat: key.0.to_string(),
            album: key.1.clone(),
            message: first.to_string(),
        };
        self.record(None, note).await?;
        // A reply to any of its parts speaks to the task.
        if let Some(target @ Target::Task(_)) = self.messages.get(&(key.0, first)).cloned()
            && let Some(album) = self.albums.open.get(&key)
        {
            for message in album.parts.keys() {
                self.messages.insert((key.0, *message), target.clone());
            }
        }
        self.albums.close(key, first);
        Ok(())
    }
}

impl Albums {
    /// Takes over what an earlier life noted.
    pub(super) fn recall(&mut self, note: &ChatNote) {
        match note {
            ChatNote::AlbumPart { chat, album, content, .. } => {
                if let (Ok(chat), Ok(said)) = (chat.parse(), serde_json::from_str::<Said>(content))
                {
                    let key = (chat, album.clone());
                    if self.first_of_over(&key).is_none() {
                        self.add(key.clone(), said);
                        if let Some(album) = self.open.get_mut(&key) {
                            album.cut = true;
                        }
                    }
                }
            }
            ChatNote::AlbumTaken { chat, album, message } => {
                if let (Ok(chat), Ok(first)) = (chat.parse(), message.parse()) {
                    self.close((chat, album.clone()), first);
                }
            }
            _ => {}
        }
    }

    /// Everything that waited at the platform is here: so is the rest of every album that was cut.
    pub(super) fn caught_up(&mut self) {
        for album in self.open.values_mut().filter(|album| album.cut) {
            album.cut = false;
            album.due = Instant::now() + GATHER;
        }
    }

    /// By which message an album that is over is known.
    pub(super) fn first_of_over(&self, key: &Key) -> Option<MessageId> {
        self.over.iter().find(|(over, _)| over == key).map(|(_, first)| *first)
    }

    fn add(&mut self, key: Key, said: Said) {
        let album = self.open.entry(key).or_insert_with(Album::new);
        album.parts.insert(said.message, said);
        album.due = Instant::now() + GATHER;
    }

    fn close(&mut self, key: Key, first: MessageId) {
        self.open.remove(&key);
        if !self.over.iter().any(|(over, _)| *over == key) {
            self.over.push((key, first));
        }
        if self.over.len() > KNOWN {
            self.over.remove(0);
        }
    }
}

impl Album {
    pub(super) fn new() -> Self {
        Self { parts: BTreeMap::new(), fetching: 0, due: Instant::now() + GATHER, cut: false }
    }

    pub(super) fn first(&self) -> Option<MessageId> {
        self.parts.keys().next().copied()
    }

    /// All parts as one message: that of the first, with every part's words and files in order.
    fn whole(&self) -> Option<Said> {
        let mut whole = self.parts.values().next()?.clone();
        let words = self.parts.values().map(|part| part.text.trim());
        let words: Vec<_> = words.filter(|text| !text.is_empty()).collect();
        whole.text = words.join("\n");
        whole.attachments = self.parts.values().flat_map(|part| part.attachments.clone()).collect();
        whole.attachments.truncate(MAX_ATTACHMENTS);
        whole.files = self.parts.values().flat_map(|part| part.files.clone()).collect();
        whole.late = self.parts.values().any(|part| part.late);
        whole.album = None;
        // Whom it speaks to was looked at part by part.
        if let Some(part) = self.parts.values().find(|part| !part.text.trim().is_empty()) {
            whole.called.clone_from(&part.called);
        }
        if whole.reply.is_none() {
            whole.reply = self.parts.values().find_map(|part| part.reply.clone());
        }
        Some(whole)
    }
}

pub(super) fn album_of(said: &Said) -> Option<Key> {
    said.album.clone().map(|album| (said.place.chat, album))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_domain::Attachment;

    use crate::inbound::Called;
    use crate::inbound::Chosen;
    use crate::place::Place;

    fn part(message: u64, text: &str, file: &str) -> Said {
        Said {
            name: String::new(),
            late: false,
            place: Place::of_person(1001),
            message: MessageId::of(message),
            from: 1001,
            at: jiff::Timestamp::UNIX_EPOCH,
            text: text.into(),
            chosen: Chosen::default(),
            called: Called::Unmarked,
            files: Vec::new(),
            attachments: vec![Attachment::new(file, 1, "ab".repeat(32), None)],
            album: Some("13".into()),
            odd: false,
            forwarded: false,
            aside: None,
            reply: None,
        }
    }

    #[tokio::test]
    async fn an_album_is_one_message_in_the_order_of_its_parts_and_over_a_crash_too() {
        let mut albums = Albums::default();
        for said in [part(8, "", "b.jpg"), part(7, "look at these", "a.jpg")] {
            let note = ChatNote::AlbumPart {
                chat: "1001".into(),
                album: "13".into(),
                message: said.message.to_string(),
                content: serde_json::to_string(&said).unwrap(),
            };
            albums.recall(&note);
            albums.recall(&note);
        }
        let key = (Chat::Person(1001), "13".to_owned());
        assert!(albums.open[&key].cut, "the rest may still wait");
        albums.caught_up();
        assert!(!albums.open[&key].cut);
        let whole = albums.open[&key].whole().unwrap();
        assert_eq!((whole.message, whole.text.as_str()), (MessageId::of(7), "look at these"));
        let names: Vec<_> = whole.attachments.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a.jpg", "b.jpg"]);
        albums.recall(&ChatNote::AlbumTaken {
            chat: "1001".into(),
            album: "13".into(),
            message: "7".into(),
        });
        assert!(albums.open.is_empty() && albums.over == [(key, MessageId::of(7))]);
    }
}
