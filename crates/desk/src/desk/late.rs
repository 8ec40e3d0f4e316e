//! What waited while nobody listened: the gap is told, and what is too old is not run blindly. What
//! is held for another reason is settled here as well.

use std::collections::BTreeMap;

use gatepost_chat::command::Target;
use gatepost_chat::held::Held;
use gatepost_chat::held::Key;
use gatepost_chat::rich::Rich;
use gatepost_chat::time::clock;
use gatepost_chat::time::span;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::chat::HeldEnd;
use gatepost_domain::chat::HeldWhy;
use gatepost_domain::principal::Principal;
use gatepost_domain::principal::Role;
use gatepost_domain::request::RequestError;
use jiff::SignedDuration;
use jiff::Timestamp;

use super::Desk;
use super::notice::Notice;
use crate::inbound::Gap;
use crate::inbound::Said;
use crate::intake::GAP;
use crate::place::Chat;
use crate::place::MessageId;
use crate::place::Place;

/// What was sent this long before somebody listened again was sent into the gap. A little more
/// than clocks differ.
const AWAY: SignedDuration = SignedDuration::from_secs(5);

/// What came in a chat while nobody listened.
#[derive(Debug, Clone, Copy)]
struct Missed {
    place: Place,
    first: Timestamp,
    taken: usize,
    held: usize,
}

/// What came while nobody listened.
#[derive(Debug, Default)]
pub(super) struct Late {
    missed: BTreeMap<Chat, Missed>,
}

/// A message as it was kept.
pub(super) fn read(content: &str) -> Option<Said> {
    serde_json::from_str(content).ok()
}

impl Desk {
    /// Whether a message is too old to be run without another word.
    pub(super) fn is_too_old(&self, who: &Principal, said: &Said) -> bool {
        let age = (self.sources.now)().duration_since(said.at);
        let limit = SignedDuration::try_from(self.hold_after).unwrap_or(SignedDuration::MAX);
        if !said.late || age <= limit || !self.people.is(who, Role::Requester) {
            return false;
        }
        let text = said.text.trim();
        // What only looks or stops does no harm late.
        if text.starts_with('/') && !text.starts_with("/run") {
            return false;
        }
        let at = |message: MessageId| self.messages.get(&(said.place.chat, message));
        // It is a task already, and only its receipt was lost.
        if at(said.message).is_some() {
            return false;
        }
        let reply = said.reply.as_ref().and_then(|reply| at(reply.message));
        !matches!(reply, Some(Target::Denial(..) | Target::Edit(..)))
    }

    /// Keeps a message and asks what becomes of it. The text is what the question shows.
    pub(super) async fn hold(
        &mut self,
        who: &Principal,
        said: &Said,
        why: HeldWhy,
        text: String,
    ) -> Result<(), RequestError> {
        let key = (said.place.chat.to_string(), said.message.to_string());
        let known = self.notices.kept.get(&key);
        let fetched = |held: &Held| held.why == HeldWhy::Unfetched && why == HeldWhy::Spoken;
        if known.is_none_or(fetched) {
            let content = serde_json::to_string(said).unwrap_or_default();
            let note = ChatNote::Held {
                chat: key.0.clone(),
                message: key.1.clone(),
                who: who.clone(),
                at: said.at,
                text,
                content,
                why,
            };
            self.record(None, note.clone()).await?;
            self.notices.kept.recall(&note);
            match why {
                HeldWhy::Late => self.missed(said).held += 1,
                HeldWhy::Spoken => self.count_if_late(said),
                // The button says what is to do; the gap has nothing to add.
                HeldWhy::Unfetched | HeldWhy::Apart => {}
            }
        }
        self.show_notice(&Notice::Held(key), said.place.chat);
        Ok(())
    }

    /// Somebody wants the files of a held message to be fetched once more: the words for who
    /// pressed, and whether they are in a box that must be closed.
    pub(super) async fn refetch_held(
        &mut self,
        by: &Principal,
        chat: &str,
        message: &str,
    ) -> Result<(String, bool), RequestError> {
        let key = (chat.to_owned(), message.to_owned());
        let waits = self
            .notices
            .kept
            .get(&key)
            .is_some_and(|held| held.end.is_some() || held.why == HeldWhy::Unfetched);
        if waits {
            return self.settle_held(by, chat, message, HeldEnd::Run).await;
        }
        Ok(("It is there now; the message shows its words.".into(), true))
    }

    /// Somebody said what becomes of a held message: the words for who pressed, and whether they
    /// are in a box that must be closed.
    pub(super) async fn settle_held(
        &mut self,
        by: &Principal,
        chat: &str,
        message: &str,
        how: HeldEnd,
    ) -> Result<(String, bool), RequestError> {
        let key = (chat.to_owned(), message.to_owned());
        let Some(held) = self.notices.kept.get(&key).cloned() else {
            return Ok(("That message is not held any more.".into(), true));
        };
        if let Some(end) = &held.end {
            return Ok((format!("Already {}.", gatepost_chat::held::words(end)), true));
        }
        if *by != held.who && !self.people.is(by, Role::Admin) {
            return Ok(("Only who wrote it, or an admin, may say that.".into(), true));
        }
        // Only who spoke knows whether these were the words.
        if *by != held.who && held.why == HeldWhy::Spoken && how == HeldEnd::Run {
            return Ok(("Only who spoke may say that these were the words.".into(), true));
        }
        // Whoever wrote it may have lost the right meanwhile.
        if how == HeldEnd::Run && !self.people.is(&held.who, Role::Requester) {
            let words = format!("{} may hand over tasks no longer, so it is not run.", held.who);
            return Ok((words, true));
        }
        let Some(said) = read(&held.content) else {
            return Ok(("It cannot be read any more; send it again.".into(), true));
        };
        match how {
            HeldEnd::Run if !said.files.is_empty() => {
                let words = if self.fetch_again(said, by) {
                    "trying again"
                } else {
                    "it is being fetched already"
                };
                Ok((words.into(), false))
            }
            HeldEnd::Run => Ok(match self.run_held(&key, said, by).await? {
                true => ("taken".into(), false),
                false => ("It was not taken; the chat says why. It is still held.".into(), true),
            }),
            HeldEnd::Dropped => {
                self.end_held(key, how, by).await?;
                Ok(("dropped; nothing was run".into(), false))
            }
        }
    }

    /// Runs a held message that lacks nothing any more. `false`: it was refused, its writer was
    /// told why, and it stays held.
    pub(super) async fn run_held(
        &mut self,
        key: &Key,
        said: Said,
        by: &Principal,
    ) -> Result<bool, RequestError> {
        let place = (said.place.chat, said.message);
        // First this and then the note: in between, the message is known by its number and pressed
        // again it is the same task.
        Box::pin(self.said(Said { late: false, ..said })).await?;
        if !self.messages.contains_key(&place) {
            return Ok(false);
        }
        self.end_held(key.clone(), HeldEnd::Run, by).await?;
        Ok(true)
    }

    async fn end_held(
        &mut self,
        key: Key,
        how: HeldEnd,
        by: &Principal,
    ) -> Result<(), RequestError> {
        let note = ChatNote::HeldSettled {
            chat: key.0.clone(),
            message: key.1.clone(),
            how,
            by: by.clone(),
        };
        self.record(None, note.clone()).await?;
        self.notices.kept.recall(&note);
        if let Ok(chat) = key.0.parse() {
            self.show_notice(&Notice::Held(key), chat);
        }
        Ok(())
    }

    /// A message that waited was taken.
    pub(super) fn count_if_late(&mut self, said: &Said) {
        if said.late && (self.sources.now)().duration_since(said.at) > AWAY {
            self.missed(said).taken += 1;
        }
    }

    fn missed(&mut self, said: &Said) -> &mut Missed {
        let fresh = Missed { place: said.place, first: said.at, taken: 0, held: 0 };
        let missed = self.late.missed.entry(said.place.chat).or_insert(fresh);
        missed.first = missed.first.min(said.at);
        missed
    }

    /// Everything that waited has been taken: whoever it concerns is told of the gap, once.
    pub(super) async fn caught_up(&mut self, gap: Gap) -> Result<(), RequestError> {
        self.albums.caught_up();
        let length = gap.from.map(|from| gap.to.duration_since(from));
        let tasks = self.hub.tasks().await?;
        let mut told = std::mem::take(&mut self.late.missed);
        if length.is_some_and(|length| length > GAP) {
            // Whose tasks stood still, and after so long everybody: what they sent may be lost.
            let live: std::collections::BTreeSet<_> =
                tasks.iter().filter(|task| !task.is_finished()).map(|task| task.id()).collect();
            let keeps = self.traits.keeps;
            let lost = keeps.is_some_and(|keeps| length.is_some_and(|length| length > keeps));
            let places: Vec<_> = self
                .homes
                .iter()
                .filter(|(id, home)| live.contains(id) || lost && home.place.chat.is_private())
                .map(|(_, home)| home.place)
                .collect();
            for place in places {
                let may = self.person_of(place.chat).is_none_or(|who| self.people.knows(&who));
                if may {
                    let none = Missed { place, first: gap.to, taken: 0, held: 0 };
                    told.entry(place.chat).or_insert(none);
                }
            }
        }
        for missed in told.into_values() {
            let words = self.gap_in_words(gap, &missed);
            let op = super::Op::Say {
                text: Rich::new().plain(&words),
                reply: None,
                thread: missed.place.thread,
                silent: true,
            };
            self.speak(missed.place, Some("away"), op);
        }
        Ok(())
    }

    fn gap_in_words(&self, gap: Gap, missed: &Missed) -> String {
        let reader = self.reader();
        let time = |at| clock(at, reader.now, reader.offset);
        let name = self.traits.name;
        let what =
            if gap.down { "I was not running".into() } else { format!("I could not reach {name}") };
        // Nothing written before it ended is in a gap; clocks differ, and the file is a moment old.
        let from = gap.from.filter(|from| *from <= missed.first);
        let mut words = match from {
            Some(from) => {
                let ms = gap.to.duration_since(from).as_millis();
                let length = span(u64::try_from(ms).unwrap_or(0) / 1000 * 1000);
                format!("{what} from {} to {} ({length}).", time(from), time(gap.to))
            }
            None => format!("{what} when you wrote at {}.", time(missed.first)),
        };
        match missed.taken {
            0 => {}
            1 => words.push_str(" 1 message came meanwhile; it is taken now."),
            n => words
                .push_str(&format!(" {n} messages came meanwhile; they are taken now, in order.")),
        }
        if missed.held > 0 {
            let what = if missed.held == 1 { "message is" } else { "messages are" };
            words.push_str(&format!(
                " {} {what} older than {} and held: buttons say what becomes of each.",
                missed.held,
                span(u64::try_from(self.hold_after.as_millis()).unwrap_or(u64::MAX)),
            ));
        }
        if let Some(keeps) = self.traits.keeps
            && from.is_some_and(|from| gap.to.duration_since(from) > keeps)
        {
            let since = gap.to.checked_sub(keeps).unwrap_or(gap.to);
            words.push_str(&format!(
                " {name} keeps messages for {} hours: what was sent before {} is lost.",
                keeps.as_hours(),
                time(since)
            ));
        }
        words
    }
}
