//! Files that come with messages: fetched before anything is confirmed, and an album gathered into
//! one message.
//!
//! A message with a file counts as taken when the file is kept and what it asks for is recorded. A
//! part of an album is taken when the part is recorded; when no further part has come for a moment,
//! all of them become one message. So a crash at any place neither loses a part nor makes two of
//! one album: the parts are in the journal, and the hub knows the message by that of the first one.
//!
//! After a start an album waits until everything is there that Telegram still held.
//!
//! A message with a file that Telegram does not give is held, with a button to try again.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gatepost_chat::command::Target;
use gatepost_chat::port::Hub;
use gatepost_chat::rich::Rich;
use gatepost_domain::Attachment;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::chat::HeldEnd;
use gatepost_domain::chat::HeldWhy;
use gatepost_domain::lifecycle::State;
use gatepost_domain::message::MAX_ATTACHMENTS;
use gatepost_domain::message::file_name;
use gatepost_domain::principal::Platform;
use gatepost_domain::principal::Principal;
use gatepost_domain::principal::Role;
use gatepost_domain::request::RequestError;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Desk;
use super::notice::Notice;
use super::person;
use super::until_given_up;
use crate::api::Api;
use crate::api::Trouble;
use crate::inbound::Reply;
use crate::inbound::Said;
use crate::inbound::Waiting;
use crate::transcribe::Transcriber;

/// The largest file that a bot may fetch, in bytes
/// (<https://core.telegram.org/bots/api#getfile>).
pub(crate) const MAY_FETCH: u64 = 20 * 1024 * 1024;

/// How long after its last part an album is taken for whole. Telegram delivers the parts of an
/// album at once; a part that comes later than this still reaches the task as a message.
const GATHER: Duration = Duration::from_millis(1200);

/// An album that could not be recorded is tried again after this.
const AGAIN: Duration = Duration::from_secs(2);

/// The pauses after which fetching a file is tried again.
const FETCH_AGAIN: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];

/// One try may take this long: 20 MB over a line of 2 Mbit/s.
const FETCH: Duration = Duration::from_secs(80);

/// How many albums that are over are still known, for parts that come late.
const KNOWN: usize = 200;

/// An album: its chat, and what Telegram calls it.
type Key = (i64, String);

/// What is known of albums.
#[derive(Debug, Default)]
pub(super) struct Albums {
    /// Those that are being gathered.
    open: BTreeMap<Key, Album>,
    /// The first message of those that are over, oldest first.
    over: Vec<(Key, i32)>,
}

/// Held messages whose files are being fetched once more.
#[derive(Debug, Default)]
pub(super) struct Again(BTreeSet<(i64, i32)>);

#[derive(Debug)]
struct Album {
    parts: BTreeMap<i32, Said>,
    /// How many parts are being fetched.
    fetching: usize,
    due: Instant,
    /// Whether more of it may wait at Telegram, because an earlier life began to gather it.
    cut: bool,
}

/// What came of fetching a message's files.
pub(super) struct Fetched {
    said: Said,
    result: Result<Got, NotFetched>,
    way: Way,
}

/// Why a message's files were fetched.
enum Way {
    /// It has just come; the poll waits to hear that it was dealt with.
    Fresh(oneshot::Sender<()>),
    /// It was held for want of a file, and this person said to try again.
    Again(Principal),
}

/// What a message's files came to.
enum Got {
    /// They are kept.
    Files(Vec<Attachment>),
    /// They were spoken words.
    Words(String),
}

/// Why files were not fetched.
enum NotFetched {
    /// They could not be kept; the message comes again.
    Unrecorded(RequestError),
    /// They will not be, for this reason.
    Never(String),
    /// Telegram did not give them, as this half a sentence says; it may another time.
    Missed(String),
}

/// What to do about a message's files.
enum Look {
    /// There is nothing to fetch.
    Ready(Said),
    /// They are fetched first.
    Fetch(Said),
    /// The message is dealt with.
    Over,
}

impl Desk {
    /// Deals with a message: first its files, then what it says.
    pub(super) async fn heard(&mut self, said: Said, taken: oneshot::Sender<()>) {
        let dealt_with = match self.look(said).await {
            Ok(Look::Ready(said)) => self.said(said).await,
            Ok(Look::Fetch(said)) => {
                if let Some(key) = album_of(&said)
                    && self.albums.first_of_over(&key).is_none()
                {
                    self.albums.open.entry(key).or_insert_with(Album::new).fetching += 1;
                }
                return self.fetch(said, Way::Fresh(taken));
            }
            Ok(Look::Over) => Ok(()),
            Err(error) => Err(error),
        };
        confirm(dealt_with, taken);
    }

    /// Whether a message's files are to be fetched, and which.
    async fn look(&mut self, mut said: Said) -> Result<Look, RequestError> {
        let chat = said.place.chat;
        let key = said.album.clone().map(|album| (chat, album));
        if let Some(key) = &key {
            if self
                .albums
                .open
                .get(key)
                .is_some_and(|album| album.parts.contains_key(&said.message))
            {
                return Ok(Look::Over);
            }
            if let Some((_, first)) = self.albums.over.iter().find(|(over, _)| over == key) {
                if said.message == *first || self.messages.contains_key(&(chat, said.message)) {
                    return Ok(Look::Over);
                }
                // It came late. Of an album that was refused as a whole it is not wanted either.
                if !self.is_kept(chat, *first) {
                    return Ok(Look::Over);
                }
            }
        }
        let who = person(said.from);
        // In a group the words that speak to the bot come with the first part.
        let of_a_known_album = key.is_some_and(|key| {
            self.albums.open.contains_key(&key) || self.albums.first_of_over(&key).is_some()
        });
        let for_us = said.place.private || of_a_known_album || self.is_for_us(&said);
        if said.forwarded || said.odd || !for_us || !self.people.is(&who, Role::Requester) {
            return Ok(Look::Ready(said));
        }
        if said.is_spoken() && self.transcriber.is_none() {
            // Taken for a file it would start a task without a word of what should be done.
            let sorry = "I cannot listen to voice notes, so nothing was started. Send the task as \
                         text.";
            self.say_once(&said, "voice", sorry);
            return Ok(Look::Over);
        }
        let known = (chat.to_string(), said.message.to_string());
        if self.notices.kept.get(&known).is_some_and(|held| held.why != HeldWhy::Late) {
            // It waits for a press already, or was dealt with.
            self.show_notice(&Notice::Held(known), chat);
            return Ok(Look::Over);
        }
        let answered = said.reply.as_ref().filter(|reply| {
            let known = self.messages.contains_key(&(chat, reply.message));
            !known && reply.author != Some(self.bot_id) && !said.text.trim().is_empty()
        });
        if let Some(reply) = answered {
            let files = reply.files.clone();
            said.files.extend(files);
        }
        if said.files.is_empty() {
            return Ok(Look::Ready(said));
        }
        let most = self.max_file;
        let large = said.files.iter().find(|file| file.size.is_some_and(|size| size > most));
        if let Some(file) = large {
            let words = too_large(file, most);
            self.not_fetched(&said, &words).await?;
            return Ok(Look::Over);
        }
        Ok(Look::Fetch(said))
    }

    /// Fetches the files of a held message once more; `false` while that is under way.
    pub(super) fn fetch_again(&mut self, said: Said, by: &Principal) -> bool {
        if !self.again.0.insert((said.place.chat, said.message)) {
            return false;
        }
        self.fetch(said, Way::Again(by.clone()));
        true
    }

    fn fetch(&self, said: Said, way: Way) {
        let (api, hub, most) = (self.api.clone(), Arc::clone(&self.hub), self.max_file);
        let fetched = self.fetched.clone();
        let transcriber = self.transcriber.clone();
        self.tracker.spawn(until_given_up(self.stop.clone(), async move {
            let result = match transcriber.filter(|_| said.is_spoken()) {
                Some(transcriber) => hear(&api, &transcriber, &said.files, most).await,
                None => fetch_all(&api, &*hub, &said.files, most).await.map(Got::Files),
            };
            // Without a desk nobody takes it, and the message comes again.
            let _the_desk_is_gone = fetched.send(Fetched { said, result, way }).await;
        }));
    }

    /// The files of a message are there, or will not be.
    pub(super) async fn take_fetched(&mut self, fetched: Fetched) {
        let Fetched { said, result, way } = fetched;
        match way {
            Way::Fresh(taken) => {
                let dealt_with = self.take_fresh(said, result).await;
                confirm(dealt_with, taken);
            }
            Way::Again(by) => {
                self.again.0.remove(&(said.place.chat, said.message));
                if let Err(error) = self.take_again(said, result, &by).await {
                    // It is still held, and its button still there.
                    tracing::error!(%error, "a held message could not be taken");
                }
            }
        }
    }

    async fn take_fresh(
        &mut self,
        mut said: Said,
        result: Result<Got, NotFetched>,
    ) -> Result<(), RequestError> {
        let key = album_of(&said);
        if let Some(album) = key.as_ref().and_then(|key| self.albums.open.get_mut(key)) {
            album.fetching = album.fetching.saturating_sub(1);
        }
        match result {
            Ok(Got::Words(words)) => {
                said.text = words;
                said.files.clear();
                let words = said.text.clone();
                self.hold(&person(said.from), &said, HeldWhy::Spoken, words).await
            }
            Ok(Got::Files(attachments)) => {
                said.attachments = attachments;
                said.files.clear();
                match key {
                    Some(key) => self.gather(key, said).await,
                    None => self.said(said).await,
                }
            }
            Err(NotFetched::Missed(why)) if said.is_spoken() => {
                let words = format!("{why}, so nothing was started. Send it again.");
                self.not_fetched(&said, &words).await
            }
            Err(NotFetched::Missed(why)) => match key {
                // The rest of the album is gathered all the same, and then all of it is held.
                Some(key) => self.gather(key, said).await,
                None => self.hold(&person(said.from), &said, HeldWhy::Unfetched, why).await,
            },
            Err(NotFetched::Never(words)) => self.not_fetched(&said, &words).await,
            Err(NotFetched::Unrecorded(error)) => Err(error),
        }
    }

    /// The files of a held message are there, or still are not.
    async fn take_again(
        &mut self,
        mut said: Said,
        result: Result<Got, NotFetched>,
        by: &Principal,
    ) -> Result<(), RequestError> {
        let key = (said.place.chat.to_string(), said.message.to_string());
        if self.notices.kept.get(&key).is_none_or(|held| held.end.is_some()) {
            // It was dropped meanwhile.
            return Ok(());
        }
        match result {
            Ok(Got::Files(attachments)) => {
                said.attachments.extend(attachments);
                said.attachments.truncate(MAX_ATTACHMENTS);
                said.files.clear();
                self.run_held(&key, said, by).await.map(drop)
            }
            Err(NotFetched::Missed(why)) => {
                let words = format!("{why}. The message is still held.");
                self.say(said.place, Some(said.message), Rich::new().plain(&words));
                Ok(())
            }
            Err(NotFetched::Never(words)) => {
                self.say(said.place, Some(said.message), Rich::new().plain(&words));
                Ok(())
            }
            Err(NotFetched::Unrecorded(error)) => Err(error),
            // Voice notes are not held for want of a file.
            Ok(Got::Words(_)) => Ok(()),
        }
    }

    /// Says that a message is not taken because of its files. An album is not taken without one of
    /// its parts.
    async fn not_fetched(&mut self, said: &Said, words: &str) -> Result<(), RequestError> {
        if let Some(key) = album_of(said)
            && self.albums.first_of_over(&key).is_none()
        {
            let first = self.albums.open.get(&key).and_then(Album::first).unwrap_or(said.message);
            self.close_album(key, first).await?;
        }
        self.say(said.place, Some(said.message), Rich::new().plain(words));
        Ok(())
    }

    /// Whether a message was taken, or is held and was not dropped.
    fn is_kept(&self, chat: i64, message: i32) -> bool {
        let held = self.notices.kept.get(&(chat.to_string(), message.to_string()));
        self.messages.contains_key(&(chat, message))
            || held.is_some_and(|held| !matches!(held.end, Some((HeldEnd::Dropped, _))))
    }

    /// A part of an album that is over. A task that works gets it as a message; otherwise a person
    /// says what becomes of it, for alone it would be another task.
    async fn left_over(&mut self, first: i32, mut said: Said) -> Result<(), RequestError> {
        let chat = said.place.chat;
        if !self.is_kept(chat, first) {
            // One of its parts could not be had meanwhile, and that was said.
            return Ok(());
        }
        let (author, quoted, files) = (Some(self.bot_id), None, Vec::new());
        said.album = None;
        said.reply = Some(Reply { message: first, author, quoted, picked: false, files });
        let who = person(said.from);
        if !said.files.is_empty() {
            let why = unfetched(&said.files);
            return self.hold(&who, &said, HeldWhy::Unfetched, why).await;
        }
        let works = match self.messages.get(&(chat, first)) {
            Some(Target::Task(task)) => {
                let state = self.hub.task(task.clone()).await?.task.state();
                !matches!(state, State::Cancelling | State::Finishing | State::Finished)
            }
            Some(Target::Denial(..)) | None => false,
        };
        if works {
            self.said(said).await
        } else {
            let words = said.text.clone();
            self.hold(&who, &said, HeldWhy::Apart, words).await
        }
    }

    /// Records a part of an album.
    async fn gather(&mut self, key: Key, said: Said) -> Result<(), RequestError> {
        if let Some(first) = self.albums.first_of_over(&key) {
            return self.left_over(first, said).await;
        }
        let content = serde_json::to_string(&said).map_err(|error| {
            let what = format!("a message cannot be written down: {error}");
            let kind = gatepost_domain::request::RequestErrorKind::Unavailable;
            RequestError::new(kind, what, "please report this")
        })?;
        let note = ChatNote::AlbumPart {
            chat: key.0.to_string(),
            album: key.1.clone(),
            message: said.message.to_string(),
            content,
        };
        self.hub.note(Platform::Telegram, None, note).await?;
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
                let why = unfetched(&said.files);
                self.hold(&person(said.from), &said, HeldWhy::Unfetched, why).await
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

    async fn close_album(&mut self, key: Key, first: i32) -> Result<(), RequestError> {
        let note = ChatNote::AlbumTaken {
            chat: key.0.to_string(),
            album: key.1.clone(),
            message: first.to_string(),
        };
        self.hub.note(Platform::Telegram, None, note).await?;
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

    /// Everything that waited at Telegram is here: so is the rest of every album that was cut.
    pub(super) fn caught_up(&mut self) {
        for album in self.open.values_mut().filter(|album| album.cut) {
            album.cut = false;
            album.due = Instant::now() + GATHER;
        }
    }

    /// By which message an album that is over is known.
    fn first_of_over(&self, key: &Key) -> Option<i32> {
        self.over.iter().find(|(over, _)| over == key).map(|(_, first)| *first)
    }

    fn add(&mut self, key: Key, said: Said) {
        let album = self.open.entry(key).or_insert_with(Album::new);
        album.parts.insert(said.message, said);
        album.due = Instant::now() + GATHER;
    }

    fn close(&mut self, key: Key, first: i32) {
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
    fn new() -> Self {
        Self { parts: BTreeMap::new(), fetching: 0, due: Instant::now() + GATHER, cut: false }
    }

    fn first(&self) -> Option<i32> {
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

fn album_of(said: &Said) -> Option<Key> {
    said.album.clone().map(|album| (said.place.chat, album))
}

/// Tells the poll how a message was dealt with.
fn confirm(dealt_with: Result<(), RequestError>, taken: oneshot::Sender<()>) {
    match dealt_with {
        Ok(()) => {
            let _the_poll_has_ended = taken.send(());
        }
        Err(error) => tracing::error!(%error, "an update waits: it could not be recorded"),
    }
}

/// What a voice note says. The words are nobody's yet.
async fn hear(
    api: &Api,
    transcriber: &Transcriber,
    files: &[Waiting],
    most: u64,
) -> Result<Got, NotFetched> {
    let mut words = Vec::new();
    for file in files {
        let audio = fetch_one(api, file, most).await?;
        let heard = transcriber.listen(&audio).await.map_err(|error| {
            tracing::warn!(%error, "a voice note could not be turned into words");
            NotFetched::Never(format!(
                "I could not turn this voice note into words: {error}. Nothing was started; send \
                 the task as text."
            ))
        })?;
        words.push(heard);
    }
    Ok(Got::Words(words.join("\n")))
}

async fn fetch_all(
    api: &Api,
    hub: &dyn Hub,
    files: &[Waiting],
    most: u64,
) -> Result<Vec<Attachment>, NotFetched> {
    let mut attachments = Vec::new();
    for file in files.iter().take(MAX_ATTACHMENTS) {
        let bytes = fetch_one(api, file, most).await?;
        let size = bytes.len() as u64;
        let sha256 = hub.keep(bytes).await.map_err(NotFetched::Unrecorded)?;
        attachments.push(Attachment::new(&file.name, size, sha256, file.media_type.as_deref()));
    }
    Ok(attachments)
}

async fn fetch_one(api: &Api, file: &Waiting, most: u64) -> Result<Vec<u8>, NotFetched> {
    let mut pauses = FETCH_AGAIN.iter();
    loop {
        let trouble = match tokio::time::timeout(FETCH, api.fetch(&file.id, most)).await {
            Ok(Ok(bytes)) => return Ok(bytes),
            Ok(Err(trouble)) => trouble,
            Err(_) => Trouble::Lost("it took too long".into()),
        };
        let pause = match &trouble {
            Trouble::Refused(why) if why.contains("too big") || why.contains("more than") => {
                return Err(NotFetched::Never(too_large(file, most)));
            }
            Trouble::Refused(_) | Trouble::NotParsed(_) | Trouble::Moved(_) => None,
            Trouble::Pause(pause) => pauses.next().map(|least| (*pause).max(*least)),
            Trouble::NotReached(_)
            | Trouble::Lost(_)
            | Trouble::Conflict
            | Trouble::Hooked
            | Trouble::BadToken
            | Trouble::NotModified => pauses.next().copied(),
        };
        tracing::warn!(%trouble, "a file could not be fetched");
        let Some(pause) = pause else {
            return Err(NotFetched::Missed(format!(
                "I could not fetch `{}` from Telegram ({trouble})",
                file_name(&file.name)
            )));
        };
        tokio::time::sleep(pause).await;
    }
}

/// What is said of parts of an album that could not be had.
fn unfetched(files: &[Waiting]) -> String {
    let names: Vec<_> = files.iter().map(|file| format!("`{}`", file_name(&file.name))).collect();
    format!("I could not fetch {} from Telegram", names.join(", "))
}

/// The sentence for a file that is too large. Megabytes are rounded up, so that it never says that
/// what is allowed is too large.
fn too_large(file: &Waiting, most: u64) -> String {
    let mb = |bytes: u64| bytes.div_ceil(1024 * 1024);
    let name = file_name(&file.name);
    let size = match file.size {
        Some(size) => format!("has {} MB", mb(size)),
        None => "is too large".to_owned(),
    };
    format!(
        "`{name}` {size}; I take files of up to {} MB from Telegram, so nothing was started. Put it \
         where the project has it, or send a smaller one.",
        mb(most)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbound::Called;
    use crate::inbound::Place;

    fn part(message: i32, text: &str, file: &str) -> Said {
        Said {
            name: String::new(),
            late: false,
            place: Place { chat: 1001, thread: None, private: true, forum: false },
            message,
            from: 1001,
            at: jiff::Timestamp::UNIX_EPOCH,
            text: text.into(),
            called: Called::Unmarked,
            files: Vec::new(),
            attachments: vec![Attachment::new(file, 1, "ab".repeat(32), None)],
            album: Some("13".into()),
            odd: false,
            forwarded: false,
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
        let key = (1001, "13".to_owned());
        assert!(albums.open[&key].cut, "the rest may still wait at Telegram");
        albums.caught_up();
        assert!(!albums.open[&key].cut);
        let whole = albums.open[&key].whole().unwrap();
        assert_eq!((whole.message, whole.text.as_str()), (7, "look at these"));
        let names: Vec<_> = whole.attachments.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a.jpg", "b.jpg"]);
        albums.recall(&ChatNote::AlbumTaken {
            chat: "1001".into(),
            album: "13".into(),
            message: "7".into(),
        });
        assert!(albums.open.is_empty() && albums.over == [(key, 7)]);
    }

    #[test]
    fn a_refusal_names_the_file_harmlessly_and_never_calls_what_is_allowed_too_large() {
        let file = |size| Waiting {
            id: "F".into(),
            name: "../big\u{202e}.iso".into(),
            size,
            media_type: None,
            voice: None,
        };
        let words = too_large(&file(Some(MAY_FETCH + 1)), MAY_FETCH);
        assert!(words.starts_with("`big_.iso` has 21 MB; I take files of up to 20 MB"), "{words}");
        assert!(too_large(&file(None), MAY_FETCH).contains("is too large"));
    }
}
