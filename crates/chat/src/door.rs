//! The door: a stranger who writes is shown to the admins once, and an admin says what becomes of
//! them. Nobody is let in by anything that they write themselves.

use std::collections::BTreeMap;

use gatepost_domain::chat::ChatNote;
use gatepost_domain::principal::Principal;
use gatepost_domain::principal::Role;
use jiff::Timestamp;

use crate::report::Reader;
use crate::rich::Rich;
use crate::rich::Style;
use crate::time::clock;
use crate::visible::one_line;

/// How many strangers may wait at the door at once; a crowd is no request.
const OPEN: usize = 5;

/// How many strangers are ever shown. Each is a line in the journal and a card for every admin, and
/// strangers must not fill either.
const EVER: usize = 200;

/// The longest name that is kept and shown, in characters.
const NAME: usize = 60;

/// What an admin may say about a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admit {
    /// They may hand over tasks.
    AsRequester,
    /// They may hand over tasks and answer questions.
    AsApprover,
    /// They are never shown again.
    Ignore,
}

/// How it went on with a stranger.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Settled {
    In { roles: Vec<Role>, by: String },
    Ignored { by: Principal },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Knock {
    name: String,
    at: Timestamp,
    settled: Option<Settled>,
}

/// Everybody who was ever shown to the admins.
#[derive(Debug, Clone, Default)]
pub struct Door {
    knocks: BTreeMap<Principal, Knock>,
}

impl Admit {
    /// Every answer, as the card offers them.
    pub const ALL: [Self; 3] = [Self::AsRequester, Self::AsApprover, Self::Ignore];

    /// The button.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::AsRequester => "Let in as requester",
            Self::AsApprover => "Let in as approver",
            Self::Ignore => "Ignore",
        }
    }

    /// What the stranger may do then.
    #[must_use]
    pub fn roles(self) -> Vec<Role> {
        match self {
            Self::AsRequester => vec![Role::Requester],
            Self::AsApprover => vec![Role::Requester, Role::Approver],
            Self::Ignore => Vec::new(),
        }
    }
}

impl Door {
    /// The note that shows a stranger, if they may be shown. Their name is their own word: it is
    /// made harmless here and decides nothing.
    #[must_use]
    pub fn knock(&self, who: &Principal, name: &str, at: Timestamp) -> Option<ChatNote> {
        let open = self.open().count();
        if self.knocks.contains_key(who) || open >= OPEN || self.knocks.len() >= EVER {
            return None;
        }
        Some(ChatNote::Knocked { who: who.clone(), name: one_line(name, NAME), at })
    }

    /// Takes over what was noted.
    pub fn recall(&mut self, note: &ChatNote) {
        match note {
            ChatNote::Knocked { who, name, at } => {
                let knock = Knock { name: name.clone(), at: *at, settled: None };
                self.knocks.entry(who.clone()).or_insert(knock);
            }
            ChatNote::Joined { who, roles, by } => {
                self.settle(who, Settled::In { roles: roles.clone(), by: by.clone() });
            }
            ChatNote::Ignored { who, by } => self.settle(who, Settled::Ignored { by: by.clone() }),
            ChatNote::Sending { .. }
            | ChatNote::Sent { .. }
            | ChatNote::NotSent { .. }
            | ChatNote::StrangerTold { .. }
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
            | ChatNote::ChatMoved { .. }
            | ChatNote::Held { .. }
            | ChatNote::HeldSettled { .. } => {}
        }
    }

    /// Whoever waits for an answer.
    pub fn open(&self) -> impl Iterator<Item = &Principal> {
        self.knocks.iter().filter(|(_, knock)| knock.settled.is_none()).map(|(who, _)| who)
    }

    /// Everybody who was ever shown.
    pub fn all(&self) -> impl Iterator<Item = &Principal> {
        self.knocks.keys()
    }

    /// Whether a stranger was shown and nobody has answered yet.
    #[must_use]
    pub fn waits(&self, who: &Principal) -> bool {
        self.knocks.get(who).is_some_and(|knock| knock.settled.is_none())
    }

    /// How it went on with somebody, in words; none while that is open.
    #[must_use]
    pub fn settled(&self, who: &Principal) -> Option<String> {
        Some(match self.knocks.get(who)?.settled.as_ref()? {
            Settled::In { roles, by } => {
                format!("let in as {} by {by}", crate::render::roles(roles))
            }
            Settled::Ignored { by } => format!("ignored by {by}, and not shown again"),
        })
    }

    /// The card about a stranger.
    #[must_use]
    pub fn card(&self, who: &Principal, reader: Reader) -> Option<Rich> {
        let knock = self.knocks.get(who)?;
        let name = if knock.name.is_empty() { "no name" } else { &knock.name };
        let card = Rich::new()
            .styled(Style::Bold, "Somebody who is not on the list wrote to me")
            .plain("\nnumber: ")
            .styled(Style::Code, &who.id)
            .plain("\ncalls itself: ")
            .styled(Style::Code, name)
            .plain(" (chosen by them, and not verified)\nwhen: ")
            .plain(&clock(knock.at, reader.now, reader.offset));
        Some(match self.settled(who) {
            Some(how) => card.plain(&format!("\n\n{how}")),
            None => card.plain(
                "\n\nA requester hands over tasks; an approver also answers questions and applies \
                 changes. If you do not expect them, ignore them.",
            ),
        })
    }

    fn settle(&mut self, who: &Principal, how: Settled) {
        if let Some(knock) = self.knocks.get_mut(who) {
            knock.settled.get_or_insert(how);
        }
    }
}

#[cfg(test)]
mod tests {
    use gatepost_domain::principal::Platform;
    use jiff::tz::Offset;

    use super::*;

    fn who(id: usize) -> Principal {
        Principal { platform: Platform::Telegram, id: id.to_string() }
    }

    fn at() -> Timestamp {
        "2026-11-23T14:30:00Z".parse().unwrap()
    }

    #[test]
    fn a_stranger_is_shown_once_and_a_crowd_is_not() {
        let mut door = Door::default();
        for id in 0..OPEN {
            let note = door.knock(&who(id), "A", at()).unwrap();
            door.recall(&note);
            assert_eq!(door.knock(&who(id), "A", at()), None, "once");
        }
        assert_eq!(door.knock(&who(99), "late", at()), None, "no more than a handful");
        door.recall(&ChatNote::Ignored { who: who(0), by: who(1) });
        assert_eq!(door.knock(&who(0), "A", at()), None, "never again");
        assert!(door.knock(&who(99), "late", at()).is_some(), "there is room now");
    }

    #[test]
    fn no_flood_outgrows_the_door() {
        let mut door = Door::default();
        for id in 0..10 * EVER {
            if let Some(note) = door.knock(&who(id), "A", at()) {
                door.recall(&note);
                door.recall(&ChatNote::Ignored { who: who(id), by: who(1) });
            }
        }
        assert_eq!(door.all().count(), EVER);
    }

    #[test]
    fn a_name_is_shown_as_what_it_is() {
        let mut door = Door::default();
        let name = "Ann\u{202e}nimda\nnumber: 1001 (verified)";
        door.recall(&door.knock(&who(7), name, at()).unwrap());
        let reader = Reader { now: at(), offset: Offset::UTC };
        let card = door.card(&who(7), reader).unwrap();
        assert!(!card.text().contains('\u{202e}'), "{}", card.text());
        assert_eq!(card.text().lines().filter(|line| line.starts_with("number:")).count(), 1);
        assert!(card.text().contains("not verified"), "{}", card.text());
    }

    #[test]
    fn the_first_answer_stays() {
        let mut door = Door::default();
        door.recall(&door.knock(&who(7), "A", at()).unwrap());
        let roles = Admit::AsApprover.roles();
        door.recall(&ChatNote::Joined { who: who(7), roles, by: "telegram:1".into() });
        door.recall(&ChatNote::Ignored { who: who(7), by: who(2) });
        let how = door.settled(&who(7)).unwrap();
        assert!(how.starts_with("let in as") && how.ends_with("by telegram:1"), "{how}");
    }
}
