//! Where the messages of a task are: one message may stand in several chats, each copy on its own.
//!
//! A copy is noted before it is sent and again when it is there, so that a crash between the two
//! leaves it [`Copied::Unsure`] and never sends it a second time as if it had not arrived.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::str::FromStr;

use gatepost_domain::chat::ChatNote;

/// What is known of one copy of a message. `M` is the platform's id of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Copied<M> {
    /// It is being sent.
    Sending,
    /// It is there; and a print of what it says, to leave out empty edits.
    There {
        /// The platform's id of it.
        message: M,
        /// What it says, as a number; none when that is not known any more.
        print: Option<u64>,
    },
    /// Nobody knows whether it arrived.
    Unsure,
    /// It was refused for good.
    Refused,
}

/// The copies of one task's messages, by what they are and where. `C` is the platform's id of a
/// chat.
#[derive(Debug, Clone)]
pub struct Copies<C, M> {
    copies: BTreeMap<(String, C), Copied<M>>,
    /// Which of them say what they will say for good.
    last: BTreeSet<(String, C)>,
    /// How often the task had gone on after its end when its card and result were sent.
    part: usize,
}

/// The message that shows a task as it is.
pub const CARD: &str = "card";
/// The message that says what it came to.
pub const RESULT: &str = "result";

impl<C, M> Default for Copies<C, M> {
    fn default() -> Self {
        Self { copies: BTreeMap::new(), last: BTreeSet::new(), part: 0 }
    }
}

impl<C, M> Copies<C, M>
where
    C: Copy + Ord + FromStr,
    M: FromStr,
{
    /// What is known of a message in a chat; nothing when it was never sent there.
    #[must_use]
    pub fn get(&self, key: &str, chat: C) -> Option<&Copied<M>> {
        self.copies.get(&(key.to_owned(), chat))
    }

    /// Notes what became of a message in a chat.
    pub fn set(&mut self, key: &str, chat: C, copied: Copied<M>) {
        self.copies.insert((key.to_owned(), chat), copied);
    }

    /// Notes that a message says what it will say for good; `false` when that was known.
    pub fn set_last(&mut self, key: &str, chat: C) -> bool {
        self.last.insert((key.to_owned(), chat))
    }

    /// Whether every copy of a message, if there is any, says what it will say for good.
    #[must_use]
    pub fn is_last(&self, key: &str) -> bool {
        self.chats(key).all(|chat| self.last.contains(&(key.to_owned(), chat)))
    }

    /// Forgets a copy, so that the next one is a new message.
    pub fn forget(&mut self, key: &str, chat: C) {
        let copy = (key.to_owned(), chat);
        self.copies.remove(&copy);
        self.last.remove(&copy);
    }

    /// The task has gone on after its end for the `part`th time: from then on its card and its
    /// result are new messages. Gives the old ones, by what they are; nothing when that was known.
    pub fn turn(&mut self, part: usize) -> Option<Vec<(String, C, M)>> {
        if part <= self.part {
            return None;
        }
        self.part = part;
        self.last.retain(|(key, _)| key != CARD && key != RESULT);
        let (old, rest): (BTreeMap<_, _>, _) = std::mem::take(&mut self.copies)
            .into_iter()
            .partition(|((key, _), _)| key == CARD || key == RESULT);
        self.copies = rest;
        let there = |((key, chat), copied)| match copied {
            Copied::There { message, .. } => Some((key, chat, message)),
            Copied::Sending | Copied::Unsure | Copied::Refused => None,
        };
        Some(old.into_iter().filter_map(there).collect())
    }

    /// How often the task had gone on when its card and result were sent.
    #[must_use]
    pub fn part(&self) -> usize {
        self.part
    }

    /// Forgets everything in a chat that is gone.
    pub fn forget_chat(&mut self, gone: C) {
        self.copies.retain(|(_, chat), _| *chat != gone);
    }

    /// Every chat in which a message stands or may stand.
    pub fn chats<'a>(&'a self, key: &'a str) -> impl Iterator<Item = C> + 'a {
        self.copies
            .iter()
            .filter(move |((of, _), copied)| of == key && !matches!(copied, Copied::Refused))
            .map(|((_, chat), _)| *chat)
    }

    /// Which messages a chat refused.
    pub fn refused(&self, chat: C) -> impl Iterator<Item = &str> {
        let here =
            move |of: &C, copied: &Copied<M>| *of == chat && matches!(copied, Copied::Refused);
        self.copies
            .iter()
            .filter(move |((_, of), copied)| here(of, copied))
            .map(|((key, _), _)| key.as_str())
    }

    /// Whether nothing was ever sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.copies.is_empty()
    }

    /// Takes over what an earlier life noted, in the order of the notes. `home` is the task's own
    /// chat: an old note of a refusal names none.
    pub fn recall(&mut self, note: &ChatNote, home: Option<C>) {
        match note {
            ChatNote::Sending { key, chat } => {
                if let Ok(chat) = chat.parse() {
                    // A new message instead of an old one.
                    self.forget(key, chat);
                    self.set(key, chat, Copied::Sending);
                }
            }
            ChatNote::Sent { key, chat, message } => {
                if let (Ok(chat), Ok(message)) = (chat.parse(), message.parse()) {
                    self.set(key, chat, Copied::There { message, print: None });
                }
            }
            ChatNote::NotSent { key, chat, why: _ } => {
                if let Some(chat) = chat.parse().ok().or(home) {
                    self.set(key, chat, Copied::Refused);
                }
            }
            ChatNote::Final { key, chat } => {
                if let Ok(chat) = chat.parse() {
                    self.set_last(key, chat);
                }
            }
            ChatNote::StrangerTold { .. }
            | ChatNote::Joined { .. }
            | ChatNote::CodeVouched { .. }
            | ChatNote::Preferred { .. }
            | ChatNote::Quiet { .. }
            | ChatNote::Listed { .. }
            | ChatNote::ListShown { .. }
            | ChatNote::AlbumPart { .. }
            | ChatNote::AlbumTaken { .. }
            | ChatNote::CodeGiven { .. }
            | ChatNote::AnswerOwed { .. }
            | ChatNote::AnswerSent { .. }
            | ChatNote::DenialBegun { .. }
            | ChatNote::ChatMoved { .. }
            | ChatNote::Knocked { .. }
            | ChatNote::Ignored { .. }
            | ChatNote::Held { .. }
            | ChatNote::HeldSettled { .. } => {}
        }
    }

    /// What was being sent when an earlier life ended may have arrived or not; its keys and chats.
    pub fn doubt(&mut self) -> Vec<(String, C)> {
        let mut unsure = Vec::new();
        for ((key, chat), copied) in &mut self.copies {
            if matches!(copied, Copied::Sending) {
                *copied = Copied::Unsure;
                unsure.push((key.clone(), *chat));
            }
        }
        unsure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Numbers = Copies<i64, i32>;

    fn sending(key: &str, chat: &str) -> ChatNote {
        ChatNote::Sending { key: key.into(), chat: chat.into() }
    }

    fn sent(key: &str, chat: &str, message: &str) -> ChatNote {
        ChatNote::Sent { key: key.into(), chat: chat.into(), message: message.into() }
    }

    #[test]
    fn a_task_that_goes_on_gets_a_new_card_and_a_new_result() {
        let mut copies = Numbers::default();
        for note in [sent(CARD, "1", "10"), sent(RESULT, "1", "11"), sent("question:a", "1", "12")]
        {
            copies.recall(&note, None);
        }
        copies.set_last(CARD, 1);
        assert_eq!(copies.turn(0), None);
        let old = vec![(CARD.to_owned(), 1, 10), (RESULT.to_owned(), 1, 11)];
        assert_eq!(copies.turn(1), Some(old));
        assert_eq!(copies.turn(1), None, "once");
        assert!(copies.get(CARD, 1).is_none() && copies.get(RESULT, 1).is_none());
        assert!(copies.get("question:a", 1).is_some());
        assert!(copies.set_last(CARD, 1), "the new one has not said its last word");
    }

    #[test]
    fn one_message_stands_in_several_chats_each_on_its_own() {
        let mut copies = Numbers::default();
        for note in [sending("q", "1"), sent("q", "1", "10"), sending("q", "2")] {
            copies.recall(&note, None);
        }
        assert_eq!(copies.get("q", 1), Some(&Copied::There { message: 10, print: None }));
        assert_eq!(copies.doubt(), [("q".to_owned(), 2)]);
        assert_eq!(copies.get("q", 2), Some(&Copied::Unsure));
        assert_eq!(copies.chats("q").collect::<Vec<_>>(), [1, 2]);
        assert_eq!(copies.get("q", 3), None);
        copies.forget_chat(1);
        assert_eq!(copies.chats("q").collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_refusal_counts_for_its_chat_and_an_old_one_for_the_task_s_own() {
        let refused = |chat: &str| ChatNote::NotSent {
            key: "q".into(),
            chat: chat.into(),
            why: "blocked".into(),
        };
        let mut copies = Numbers::default();
        copies.recall(&refused("2"), Some(1));
        assert_eq!(copies.get("q", 1), None);
        copies.recall(&refused(""), Some(1));
        assert_eq!(copies.get("q", 1), Some(&Copied::Refused));
        assert_eq!(copies.chats("q").count(), 0, "nothing stands there");
    }

    #[test]
    fn ids_of_another_form_are_left_alone() {
        let mut copies = Numbers::default();
        copies.recall(&sent("q", "general", "x"), Some(1));
        assert!(copies.is_empty());
    }

    #[test]
    fn what_is_said_for_good_is_known_copy_by_copy() {
        let mut copies = Numbers::default();
        let last = |chat: &str| ChatNote::Final { key: "card".into(), chat: chat.into() };
        for note in [sent("card", "1", "10"), sent("card", "2", "20"), last("1")] {
            copies.recall(&note, None);
        }
        assert!(!copies.is_last("card"), "one copy may be out of date");
        copies.recall(&last("2"), None);
        assert!(copies.is_last("card") && !copies.set_last("card", 2));
        // Shown anew, it is a new message.
        copies.recall(&sending("card", "2"), None);
        copies.recall(&sent("card", "2", "21"), None);
        assert!(!copies.is_last("card"));
    }
}
