//! Messages that are not run blindly, because they came too late, were spoken or lack a file: they
//! are kept, and a person says what becomes of each.

use std::collections::BTreeMap;

use gatepost_domain::chat::ChatNote;
use gatepost_domain::chat::HeldEnd;
use gatepost_domain::chat::HeldWhy;
use gatepost_domain::principal::Principal;
use jiff::Timestamp;

use crate::report::Reader;
use crate::rich::Rich;
use crate::rich::Style;
use crate::time::clock;
use crate::visible::one_line;
use crate::visible::visible;

/// How much of a message its notice repeats, in characters; the notice also answers the message.
const EXCERPT: usize = 200;

/// How many settled ones are still told of when somebody presses an old button.
const SETTLED: usize = 200;

/// A message by chat and number, in the platform's own words.
pub type Key = (String, String);

/// A message that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Who wrote it.
    pub who: Principal,
    /// When.
    pub at: Timestamp,
    /// Its words; or which files could not be fetched, and why.
    pub text: String,
    /// The message as the adapter reads it.
    pub content: String,
    /// Why it is held.
    pub why: HeldWhy,
    /// What became of it, and who said so.
    pub end: Option<(HeldEnd, Principal)>,
}

/// All messages that are or were held.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    held: BTreeMap<Key, Held>,
}

/// The button for an end.
#[must_use]
pub fn label(why: HeldWhy, end: HeldEnd) -> &'static str {
    match (why, end) {
        (HeldWhy::Late, HeldEnd::Run) => "Run it now",
        (HeldWhy::Spoken | HeldWhy::Apart, HeldEnd::Run) => "Run it",
        (HeldWhy::Unfetched, HeldEnd::Run) => "Try again",
        (
            HeldWhy::Late | HeldWhy::Spoken | HeldWhy::Unfetched | HeldWhy::Apart,
            HeldEnd::Dropped,
        ) => "Drop it",
    }
}

impl Kept {
    /// Takes over what was noted.
    pub fn recall(&mut self, note: &ChatNote) {
        match note {
            ChatNote::Held { chat, message, who, at, text, content, why } => {
                let held = Held {
                    who: who.clone(),
                    at: *at,
                    text: text.clone(),
                    content: content.clone(),
                    why: *why,
                    end: None,
                };
                let known =
                    self.held.entry((chat.clone(), message.clone())).or_insert(held.clone());
                // Its voice note could be fetched after all, and now its words are to be read.
                let waits = known.end.is_none() && known.why == HeldWhy::Unfetched;
                if waits && held.why == HeldWhy::Spoken {
                    *known = held;
                }
            }
            ChatNote::HeldSettled { chat, message, how, by } => {
                if let Some(held) = self.held.get_mut(&(chat.clone(), message.clone())) {
                    held.end.get_or_insert((*how, by.clone()));
                }
                self.forget_old();
            }
            ChatNote::Sending { .. }
            | ChatNote::Sent { .. }
            | ChatNote::NotSent { .. }
            | ChatNote::StrangerTold { .. }
            | ChatNote::Joined { .. }
            | ChatNote::Knocked { .. }
            | ChatNote::Ignored { .. }
            | ChatNote::CodeVouched { .. }
            | ChatNote::Preferred { .. }
            | ChatNote::Quiet { .. }
            | ChatNote::Final { .. }
            | ChatNote::Listed { .. }
            | ChatNote::ListShown { .. }
            | ChatNote::AlbumPart { .. }
            | ChatNote::AlbumTaken { .. }
            | ChatNote::CodeGiven { .. }
            | ChatNote::AnswerOwed { .. }
            | ChatNote::AnswerSent { .. }
            | ChatNote::DenialBegun { .. }
            | ChatNote::ChatMoved { .. } => {}
        }
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Held> {
        self.held.get(key)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (&Key, &Held)> {
        self.held.iter()
    }

    /// The notice about one, as it stands.
    #[must_use]
    pub fn card(&self, key: &Key, reader: Reader) -> Option<Rich> {
        let held = self.held.get(key)?;
        let card = match held.why {
            HeldWhy::Late => Rich::new()
                .styled(Style::Bold, "Held")
                .plain(&format!(
                    ": you wrote this at {}, and it reached me late.\n",
                    clock(held.at, reader.now, reader.offset)
                ))
                .styled(Style::Code, &one_line(&held.text, EXCERPT)),
            // Whole: only what was read can be confirmed.
            HeldWhy::Spoken => Rich::new()
                .styled(Style::Bold, "Heard")
                .plain(", in your voice note:\n")
                .styled(Style::Pre, &visible(&held.text)),
            HeldWhy::Unfetched => Rich::new()
                .styled(Style::Bold, "Held")
                .plain(&format!(": {}.", visible(&held.text))),
            HeldWhy::Apart => {
                let card = Rich::new()
                    .styled(Style::Bold, "Held")
                    .plain(": this came after the album that it belongs to.");
                match one_line(&held.text, EXCERPT) {
                    words if words.is_empty() => card,
                    words => card.plain("\n").styled(Style::Code, &words),
                }
            }
        };
        Some(match &held.end {
            None if held.why == HeldWhy::Unfetched => card.plain(" Nothing was started."),
            None => card.plain("\nIt is not run unless you say so."),
            Some(end) => card.plain(&format!("\n{}", words(end))),
        })
    }

    fn forget_old(&mut self) {
        let settled: Vec<_> = self
            .held
            .iter()
            .filter(|(_, held)| held.end.is_some())
            .map(|(key, held)| (held.at, key.clone()))
            .collect();
        if settled.len() > SETTLED
            && let Some((_, oldest)) = settled.into_iter().min()
        {
            self.held.remove(&oldest);
        }
    }
}

/// What became of a held message.
#[must_use]
pub fn words((how, by): &(HeldEnd, Principal)) -> String {
    match how {
        HeldEnd::Run => format!("taken after all, by {by}"),
        HeldEnd::Dropped => format!("dropped by {by}; nothing was run"),
    }
}

#[cfg(test)]
mod tests {
    use gatepost_domain::principal::Platform;
    use jiff::tz::Offset;

    use super::*;

    fn who() -> Principal {
        Principal { platform: Platform::Telegram, id: "1001".into() }
    }

    fn held(message: usize) -> ChatNote {
        ChatNote::Held {
            chat: "1001".into(),
            message: message.to_string(),
            who: who(),
            at: "2026-11-23T14:30:00Z".parse().unwrap(),
            text: "$ make deploy".into(),
            content: "{}".into(),
            why: HeldWhy::Late,
        }
    }

    fn settled(message: usize, how: HeldEnd) -> ChatNote {
        ChatNote::HeldSettled { chat: "1001".into(), message: message.to_string(), how, by: who() }
    }

    #[test]
    fn a_held_message_ends_once_and_its_notice_says_how() {
        let mut kept = Kept::default();
        kept.recall(&held(7));
        let key = ("1001".to_owned(), "7".to_owned());
        let reader = Reader { now: "2026-11-23T18:00:00Z".parse().unwrap(), offset: Offset::UTC };
        let card = kept.card(&key, reader).unwrap();
        assert!(card.text().contains("14:30") && card.text().contains("not run unless"));
        kept.recall(&settled(7, HeldEnd::Dropped));
        kept.recall(&settled(7, HeldEnd::Run));
        kept.recall(&held(7));
        let card = kept.card(&key, reader).unwrap();
        assert!(card.text().ends_with("dropped by telegram:1001; nothing was run"));
    }

    #[test]
    fn the_words_of_a_voice_note_are_shown_whole() {
        let mut kept = Kept::default();
        let mut note = held(7);
        let words = format!("{}\nand the end", "first ".repeat(200));
        if let ChatNote::Held { text, why, .. } = &mut note {
            *text = words.clone();
            *why = HeldWhy::Spoken;
        }
        kept.recall(&note);
        let key = ("1001".to_owned(), "7".to_owned());
        let reader = Reader { now: "2026-11-23T14:31:00Z".parse().unwrap(), offset: Offset::UTC };
        let card = kept.card(&key, reader).unwrap();
        assert!(card.text().contains(words.trim()), "{}", card.text());
    }

    #[test]
    fn a_voice_note_that_was_fetched_after_all_is_held_for_its_words_and_ends_once() {
        let of = |why: HeldWhy, text: &str| {
            let mut note = held(7);
            if let ChatNote::Held { text: shown, why: given, .. } = &mut note {
                (*shown, *given) = (text.into(), why);
            }
            note
        };
        let mut kept = Kept::default();
        let key = ("1001".to_owned(), "7".to_owned());
        let why = |kept: &Kept| kept.get(&key).map(|held| held.why);
        kept.recall(&of(HeldWhy::Unfetched, "I could not fetch it"));
        kept.recall(&of(HeldWhy::Spoken, "make it so"));
        assert_eq!(why(&kept), Some(HeldWhy::Spoken));
        kept.recall(&of(HeldWhy::Unfetched, "I could not fetch it"));
        assert_eq!(why(&kept), Some(HeldWhy::Spoken), "the words are known");
        kept.recall(&settled(7, HeldEnd::Dropped));
        kept.recall(&of(HeldWhy::Spoken, "something else"));
        assert_eq!(kept.get(&key).unwrap().text, "make it so");
    }

    #[test]
    fn only_the_newest_settled_ones_are_kept() {
        let mut kept = Kept::default();
        for message in 0..SETTLED + 50 {
            kept.recall(&held(message));
            kept.recall(&settled(message, HeldEnd::Run));
        }
        kept.recall(&held(9999));
        assert_eq!(kept.all().count(), SETTLED + 1);
    }
}
