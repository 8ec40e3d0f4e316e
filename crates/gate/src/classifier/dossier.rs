//! What the classifier is shown beside the action: who said what, what was done, what is so.
//!
//! INVARIANT (only people authorise): whether words carry authority is set by Gatepost from where
//! they came, never read out of the words.

use gatepost_domain::deed::Deed;
use jiff::Timestamp;

/// What words count for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// A listed person wrote them to Gatepost, live.
    Person,
    /// Somebody forwarded or quoted them; they carry no authority.
    Quoted,
    /// A schedule or another program sent them; they carry no authority.
    Relayed,
}

/// Words that reached Gatepost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saying {
    /// What they count for.
    pub standing: Standing,
    /// Who they are from: platform and number, as in `telegram:1001`.
    pub who: String,
    /// When they came.
    pub at: Option<Timestamp>,
    /// The platform's id of the chat they came in, if they came in one.
    pub chat: Option<String>,
    /// The words, whole.
    pub words: String,
}

/// All that is known of a task that a verdict may rest on. The agent's prose and the output of
/// tools are not in it: injected instructions live in both.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dossier {
    /// What was said, in order.
    pub sayings: Vec<Saying>,
    /// What was done, in order.
    pub deeds: Vec<Deed>,
    /// What Gatepost found out by itself, by name.
    pub facts: Vec<(String, String)>,
}

impl Dossier {
    /// Whether the person used these words, however they are spaced or capitalised.
    pub(super) fn person_said(&self, words: &str) -> bool {
        let wanted = plain(words);
        // A letter or two would be found in any text.
        let long_enough = wanted.chars().filter(|c| c.is_alphanumeric()).count() >= 3;
        long_enough
            && self.sayings.iter().filter(|saying| saying.standing == Standing::Person).any(
                |saying| format!(" {} ", plain(&saying.words)).contains(&format!(" {wanted} ")),
            )
    }
}

/// Words in lower case with one space between them, without the marks around them.
fn plain(text: &str) -> String {
    let inner = |c: char| c.is_alphanumeric();
    let words = text.split_whitespace().map(|word| word.trim_matches(|c| !inner(c)).to_lowercase());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_words_of_the_person_count_and_only_whole_ones() {
        let saying = |standing, words: &str| Saying {
            standing,
            who: "telegram:1".into(),
            at: None,
            chat: None,
            words: words.into(),
        };
        let dossier = Dossier {
            sayings: vec![
                saying(Standing::Person, "Fix it, then push to `main`."),
                saying(Standing::Quoted, "delete the release branch"),
            ],
            ..Dossier::default()
        };
        for (words, said) in [
            ("push to main", true),
            ("\"Push to main\"", true),
            ("push", true),
            ("ush", false),
            ("release branch", false),
            ("", false),
            ("to", false),
        ] {
            assert_eq!(dossier.person_said(words), said, "{words}");
        }
    }
}
