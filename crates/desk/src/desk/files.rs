//! Files that come with messages: fetched before anything is confirmed.
//!
//! A message with a file counts as taken when the file is kept and what it asks for is recorded. One
//! with a file that the platform does not give is held, with a button to try again.

use std::collections::BTreeSet;
use std::sync::Arc;

use gatepost_chat::rich::Rich;
use gatepost_domain::chat::HeldWhy;
use gatepost_domain::message::MAX_ATTACHMENTS;
use gatepost_domain::principal::Principal;
use gatepost_domain::principal::Role;
use gatepost_domain::request::RequestError;
use tokio::sync::oneshot;

use super::Desk;
use super::albums::Album;
use super::albums::album_of;
use super::fetch::BESIDE;
use super::fetch::Got;
use super::fetch::NotFetched;
use super::fetch::Source;
use super::fetch::too_large;
use super::notice::Notice;
use super::until_given_up;
use crate::inbound::Said;
use crate::place::Chat;
use crate::place::MessageId;

/// Held messages whose files are being fetched once more.
#[derive(Debug, Default)]
pub(super) struct Again(BTreeSet<(Chat, MessageId)>);

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
        if self.owed.knows(&said) {
            // It was delivered again, and its answer is out or on its way.
            return confirm(Ok(()), taken);
        }
        if self.answers_what_is_under_way(&said) {
            self.early.push((said, taken));
            return;
        }
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

    /// Whether a message answers one of ours of which it is not known yet what it says: people can be
    /// faster than the platform's word of which message it has become.
    fn answers_what_is_under_way(&self, said: &Said) -> bool {
        let chat = said.place.chat;
        said.reply.as_ref().is_some_and(|reply| {
            reply.author == Some(self.bot.id)
                && !self.messages.contains_key(&(chat, reply.message))
                && self.outbox.is_sending_to(&chat.to_string())
        })
    }

    /// Takes the messages that waited for what was under way in a chat.
    pub(super) async fn take_early(&mut self, chat: Chat) {
        let early = std::mem::take(&mut self.early);
        let (now, later) = early.into_iter().partition(|(said, _)| said.place.chat == chat);
        self.early = later;
        let now: Vec<_> = now;
        for (said, taken) in now {
            self.heard(said, taken).await;
        }
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
            if let Some(first) = self.albums.first_of_over(key) {
                if said.message == first || self.messages.contains_key(&(chat, said.message)) {
                    return Ok(Look::Over);
                }
                // It came late. Of an album that was refused as a whole it is not wanted either.
                if !self.is_kept(chat, first) {
                    return Ok(Look::Over);
                }
            }
        }
        let who = self.person(said.from);
        // In a group the words that speak to the bot come with the first part.
        let of_a_known_album = key.is_some_and(|key| {
            self.albums.open.contains_key(&key) || self.albums.first_of_over(&key).is_some()
        });
        let for_us = said.place.chat.is_private() || of_a_known_album || self.is_for_us(&said);
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
            !known && reply.author != Some(self.bot.id) && !said.text.trim().is_empty()
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
            let words = too_large(file, most, self.traits.name);
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
        let (hub, surface) = (Arc::clone(&self.hub), Arc::clone(&self.surface));
        let source = Source { surface, name: self.traits.name, most: self.max_file };
        let longest = self.traits.text.saturating_sub(BESIDE);
        let fetched = self.fetched.clone();
        let transcriber = self.transcriber.clone();
        self.tracker.spawn(until_given_up(self.stop.clone(), async move {
            let result = match transcriber.filter(|_| said.is_spoken()) {
                Some(transcriber) => source.hear(&transcriber, &said.files, longest).await,
                None => source.fetch_all(&*hub, &said.files).await,
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
                self.hold(&self.person(said.from), &said, HeldWhy::Spoken, words).await
            }
            Ok(Got::Files(attachments)) => {
                said.attachments = attachments;
                said.files.clear();
                match key {
                    Some(key) => self.gather(key, said).await,
                    None => self.said(said).await,
                }
            }
            Err(NotFetched::Missed(why)) => match key {
                // The rest of the album is gathered all the same, and then all of it is held.
                Some(key) => self.gather(key, said).await,
                None => self.hold(&self.person(said.from), &said, HeldWhy::Unfetched, why).await,
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
            Ok(Got::Words(words)) => {
                // Whoever spoke reads them first, whoever had it fetched.
                said.text.clone_from(&words);
                said.files.clear();
                let who = self.person(said.from);
                self.hold(&who, &said, HeldWhy::Spoken, words).await
            }
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
