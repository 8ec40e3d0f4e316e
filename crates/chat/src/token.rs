//! What a button carries: a short opaque token that means one press on one thing in one state.
//!
//! A token is derived from a secret and from what it stands for, so that it needs no storage and
//! an old button still means the same after a restart. Whoever does not have the secret can make
//! none. It is good once because what it stands for includes the state: after the press the state
//! is another, and the token of that state is another too.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use gatepost_domain::chat::HeldEnd;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::TaskId;
use gatepost_domain::principal::Principal;
use sha2::Digest;
use sha2::Sha256;

use crate::card::Press;
use crate::door::Admit;

/// The form of tokens; raised when what goes into them changes.
const FORM: char = '1';

/// How many characters follow: 120 bits. With the form it is 25 bytes, and fits the 64 of
/// Telegram's `callback_data` (<https://core.telegram.org/bots/api#inlinekeyboardbutton>) and the
/// 100 of Discord's `custom_id`.
const LENGTH: usize = 24;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// What a button stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    /// An answer to a question.
    Answer {
        /// The task.
        task: TaskId,
        /// The question.
        approval: ApprovalId,
        /// The answer.
        press: Press,
    },
    /// This form of an action is to run in the place of what was asked about.
    Edited {
        /// The task.
        task: TaskId,
        /// The question.
        approval: ApprovalId,
        /// The form, as it stands above the button.
        text: String,
    },
    /// Something done with a task.
    Task {
        /// The task.
        task: TaskId,
        /// What.
        press: Press,
        /// The number of the record that brought the state about; it makes the token good once.
        state: u64,
    },
    /// The question is to be shown again.
    Show {
        /// The task.
        task: TaskId,
        /// Which message of it.
        key: String,
    },
    /// These questions are to be denied, and no others. It is good once because a question is
    /// settled once.
    DenyAll {
        /// The questions that were listed above the button.
        questions: BTreeSet<ApprovalId>,
    },
    /// An admin's word about a stranger.
    Door {
        /// The stranger.
        who: Principal,
        /// The word.
        admit: Admit,
    },
    /// The files of a message that was held are to be fetched once more. Not the same as running it:
    /// when they are there, the words of a voice note must be read first.
    Fetch {
        /// The chat.
        chat: String,
        /// The message.
        message: String,
    },
    /// What becomes of a message that was held.
    Held {
        /// The chat.
        chat: String,
        /// The message.
        message: String,
        /// What.
        how: HeldEnd,
    },
}

/// What a button carries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(String);

/// Makes tokens, and knows those it made.
pub struct Mint {
    secret: [u8; 32],
    made: BTreeMap<Token, Meaning>,
}

impl Token {
    /// What the platform gets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Mint {
    /// A mint whose secret follows from `seed`, which outlives the process and is known to nobody
    /// else, such as the bot's own token.
    #[must_use]
    pub fn new(seed: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"gatepost button secret\0");
        hash.update(seed.as_bytes());
        Self { secret: hash.finalize().into(), made: BTreeMap::new() }
    }

    /// The token for a meaning.
    pub fn token(&mut self, meaning: Meaning) -> Token {
        let mut hash = Sha256::new();
        hash.update(self.secret);
        // The debug form names every part and quotes every text, so that no two meanings meet.
        hash.update(format!("{meaning:?}").as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let mut text = String::from(FORM);
        for byte in digest.iter().take(LENGTH) {
            let index = usize::from(byte & 31);
            text.push(char::from(ALPHABET.get(index).copied().unwrap_or(b'0')));
        }
        let token = Token(text);
        self.made.insert(token.clone(), meaning);
        token
    }

    /// What a token stands for; nothing for one that was never made, or made with another secret.
    #[must_use]
    pub fn meaning(&self, given: &str) -> Option<&Meaning> {
        self.made.get(&Token(given.to_owned()))
    }

    /// Forgets every token of a task, once its buttons are settled.
    pub fn forget(&mut self, gone: &TaskId) {
        self.made.retain(|_, meaning| match meaning {
            Meaning::Answer { task, .. }
            | Meaning::Edited { task, .. }
            | Meaning::Task { task, .. }
            | Meaning::Show { task, .. } => task != gone,
            // It stands for several tasks; of one that is gone it can deny nothing.
            Meaning::DenyAll { .. } => true,
            Meaning::Door { .. } | Meaning::Fetch { .. } | Meaning::Held { .. } => true,
        });
    }
}

impl std::fmt::Debug for Mint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mint").field("made", &self.made.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn meaning(press: Press, state: u64) -> Meaning {
        Meaning::Task { task: TaskId::from_entropy(7), press, state }
    }

    #[test]
    fn a_token_means_the_same_after_a_restart_and_nothing_elsewhere() {
        let mut mint = Mint::new("secret");
        let token = mint.token(meaning(Press::Apply, 9));
        assert_eq!(mint.meaning(token.as_str()), Some(&meaning(Press::Apply, 9)));
        assert_eq!(Mint::new("secret").token(meaning(Press::Apply, 9)), token);
        assert_ne!(Mint::new("other").token(meaning(Press::Apply, 9)), token);
        assert_eq!(Mint::new("secret").meaning(token.as_str()), None, "only what was made");
        mint.forget(&TaskId::from_entropy(7));
        assert_eq!(mint.meaning(token.as_str()), None);
    }

    #[test]
    fn denying_all_means_the_listed_questions_in_any_order_and_no_others() {
        let mut mint = Mint::new("secret");
        let mut all = |ids: &[u128]| {
            let questions = ids.iter().copied().map(ApprovalId::from_entropy).collect();
            mint.token(Meaning::DenyAll { questions })
        };
        assert_eq!(all(&[1, 2]), all(&[2, 1]));
        assert_ne!(all(&[1, 2]), all(&[1, 2, 3]), "one that came later is another list");
        assert_ne!(all(&[1]), all(&[2]));
    }

    #[test]
    fn every_press_and_state_has_its_own_and_all_fit_the_platforms() {
        let mut mint = Mint::new("secret");
        let mut seen = BTreeSet::new();
        for state in 0..50 {
            for press in [Press::Apply, Press::Branch, Press::Discard, Press::Stop] {
                let token = mint.token(meaning(press, state));
                assert!(token.as_str().len() <= 64 && token.as_str().is_ascii());
                assert!(seen.insert(token));
            }
        }
    }
}
