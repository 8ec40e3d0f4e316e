//! Pairing by a code that is used once.
//!
//! ```text
//! nobody is admin:   terminal shows a code ▶ first person to send it is admin
//! afterwards:        stranger writes ▶ gets a code ▶ the owner vouches for it ▶ they are in
//! ```
//!
//! The owner vouches in the terminal or with a tap, never because a message asks for it. Wrong
//! guesses use the first code up, so that it cannot be tried out.

use std::collections::BTreeMap;

use gatepost_domain::chat::ChatNote;
use gatepost_domain::principal::Principal;
use jiff::SignedDuration;
use jiff::Timestamp;

/// How long a stranger's code holds.
const LIFE: SignedDuration = SignedDuration::from_hours(1);

/// How many strangers may wait at once; more would be guessing.
const WAITING: usize = 3;

/// How many wrong codes are taken before the first admin's code is void until the next start.
const GUESSES: u8 = 5;

/// How many characters a code has: 40 bits, with at most [`GUESSES`] tries.
const LENGTH: usize = 8;

/// Like [`gatepost_domain::id`]'s alphabet: no letters that are taken for others.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A code that is used once. Its debug form does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Code(String);

/// Pairing as it stands.
#[derive(Debug, Default)]
pub struct Pairing {
    first: Option<Code>,
    wrong: u8,
    waiting: BTreeMap<Principal, (Code, Timestamp)>,
}

/// What came of a code that somebody sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// It is the first admin's code.
    Admin,
    /// It is not.
    Wrong,
    /// No code is awaited.
    Closed,
}

impl Code {
    /// A code from random bits; the lowest 40 are used.
    #[must_use]
    pub fn from_entropy(mut bits: u128) -> Self {
        let mut text = String::new();
        for _ in 0..LENGTH {
            let index = usize::try_from(bits & 31).unwrap_or(0);
            text.push(char::from(ALPHABET.get(index).copied().unwrap_or(b'0')));
            bits >>= 5;
        }
        Self(text)
    }

    /// Reads a code that was kept.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = text.len() == LENGTH && text.bytes().all(|byte| ALPHABET.contains(&byte));
        fits.then(|| Self(text.to_owned()))
    }

    /// The code, for the one place that shows it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    fn is(&self, given: &str) -> bool {
        let given: String = given.chars().filter(char::is_ascii_alphanumeric).collect();
        // Every byte is looked at, so that the time taken says nothing about the first ones.
        given.len() == self.0.len()
            && given
                .bytes()
                .zip(self.0.bytes())
                .fold(0, |differs, (a, b)| differs | (a.to_ascii_uppercase() ^ b))
                == 0
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Code(…)")
    }
}

impl Pairing {
    /// Waits for the first admin, who has seen `code` in the terminal.
    pub fn open(&mut self, code: Code) {
        self.first = Some(code);
        self.wrong = 0;
    }

    /// Somebody sent a code.
    pub fn claim(&mut self, given: &str) -> Claim {
        let Some(code) = &self.first else { return Claim::Closed };
        if code.is(given) {
            self.first = None;
            return Claim::Admin;
        }
        self.wrong = self.wrong.saturating_add(1);
        if self.wrong >= GUESSES {
            self.first = None;
        }
        Claim::Wrong
    }

    /// The code that a stranger was given and that still holds.
    #[must_use]
    pub fn given(&self, who: &Principal, now: Timestamp) -> Option<&Code> {
        self.waiting.get(who).filter(|(_, until)| *until > now).map(|(code, _)| code)
    }

    /// The note that gives a stranger this code, or nothing when too many wait.
    #[must_use]
    pub fn give(&self, who: &Principal, code: &Code, now: Timestamp) -> Option<ChatNote> {
        let waiting = self.waiting.values().filter(|(_, until)| *until > now).count();
        let until = now.checked_add(LIFE).ok().filter(|_| waiting < WAITING)?;
        Some(ChatNote::CodeGiven { who: who.clone(), code: code.reveal().to_owned(), until })
    }

    /// Takes over what was noted: codes that were given, and those that were used.
    pub fn recall(&mut self, note: &ChatNote) {
        match note {
            ChatNote::CodeGiven { who, code, until } => {
                if let Some(code) = Code::parse(code) {
                    self.waiting.insert(who.clone(), (code, *until));
                }
            }
            ChatNote::Joined { who, .. } | ChatNote::Ignored { who, .. } => {
                self.waiting.remove(who);
            }
            _ => {}
        }
    }

    /// Who was given a code that still holds, if anybody was.
    #[must_use]
    pub fn whose(&self, given: &str, now: Timestamp) -> Option<&Principal> {
        let holds = |code: &Code, until: &Timestamp| *until > now && code.is(given);
        let mut waiting = self.waiting.iter();
        waiting.find(|(_, (code, until))| holds(code, until)).map(|(who, _)| who)
    }

    /// The owner vouches for a code: who has it, if anybody does.
    pub fn vouch(&mut self, given: &str, now: Timestamp) -> Option<Principal> {
        let who = self.whose(given, now)?.clone();
        self.waiting.remove(&who);
        Some(who)
    }
}

#[cfg(test)]
mod tests {
    use gatepost_domain::principal::Platform;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-23T14:30:00Z".parse().unwrap()
    }

    fn who(id: &str) -> Principal {
        Principal { platform: Platform::Telegram, id: id.into() }
    }

    #[test]
    fn the_first_code_is_used_once_and_by_whoever_has_it() {
        let code = Code::from_entropy(7);
        let mut pairing = Pairing::default();
        assert_eq!(pairing.claim(code.reveal()), Claim::Closed);
        pairing.open(code.clone());
        assert_eq!(pairing.claim("00000000"), Claim::Wrong);
        assert_eq!(pairing.claim(&code.reveal().to_lowercase()), Claim::Admin);
        assert_eq!(pairing.claim(code.reveal()), Claim::Closed, "once");
    }

    #[test]
    fn a_code_that_was_kept_is_read_and_nothing_else_is() {
        let code = Code::from_entropy(987_654_321);
        assert_eq!(Code::parse(&format!("{}\n", code.reveal())), Some(code));
        for other in ["", "short", "toolongcode", "lower000", "OOOOOOOO"] {
            assert_eq!(Code::parse(other), None, "{other}");
        }
    }

    #[test]
    fn guessing_voids_the_first_code() {
        let code = Code::from_entropy(7);
        let mut pairing = Pairing::default();
        pairing.open(code.clone());
        for _ in 0..GUESSES {
            assert_eq!(pairing.claim("WRONG000"), Claim::Wrong);
        }
        assert_eq!(pairing.claim(code.reveal()), Claim::Closed);
    }

    #[test]
    fn a_strangers_code_lasts_an_hour_and_names_them_alone() {
        let mut pairing = Pairing::default();
        let now = now();
        let (code, other) = (Code::from_entropy(1), Code::from_entropy(3));
        for (id, code) in [("7", &code), ("8", &other)] {
            let note = pairing.give(&who(id), code, now).unwrap();
            pairing.recall(&note);
            assert_eq!(pairing.given(&who(id), now), Some(code));
        }
        assert_eq!(pairing.whose("WRONG000", now), None);
        assert_eq!(pairing.vouch(code.reveal(), now), Some(who("7")));
        assert_eq!(pairing.vouch(code.reveal(), now), None, "once");
        let late = now + LIFE;
        assert_eq!(pairing.vouch(other.reveal(), late), None, "it ran out");
        let by = "the terminal".to_owned();
        pairing.recall(&ChatNote::Joined { who: who("8"), roles: Vec::new(), by });
        assert_eq!(pairing.whose(other.reveal(), now), None, "it was used in an earlier life");
    }

    #[test]
    fn few_strangers_wait_at_once() {
        let mut pairing = Pairing::default();
        for id in 0..WAITING {
            let bits = u128::try_from(id).unwrap();
            let note = pairing.give(&who(&id.to_string()), &Code::from_entropy(bits), now());
            pairing.recall(&note.unwrap());
        }
        assert_eq!(pairing.give(&who("late"), &Code::from_entropy(99), now()), None);
        let later = now() + LIFE;
        assert!(pairing.give(&who("late"), &Code::from_entropy(99), later).is_some());
    }

    #[test]
    fn the_debug_form_keeps_the_secret() {
        let code = Code::from_entropy(12345);
        assert!(!format!("{code:?}").contains(code.reveal()));
    }
}
