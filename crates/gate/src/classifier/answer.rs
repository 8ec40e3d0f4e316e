//! Reading an answer, and holding it to what Gatepost can check by itself.
//!
//! A model may be talked into an answer, so none is taken at its word where there is a way to
//! check: a hard rule cannot be lifted, and the words that are said to lift a soft one must be the
//! person's.

use serde::Deserialize;

use super::NoVerdict;
use super::prompt::Question;

/// An answer may be so long, in bytes; a verdict takes a few hundred.
const MAX_ANSWER: usize = 64 * 1024;

/// A reason may have so many characters; it is one sentence.
const MAX_REASON: usize = 500;

/// What the classifier says of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// The verdict.
    pub ruling: Ruling,
    /// The rule that decides it; `none` where none does.
    pub rule: String,
    /// One sentence.
    pub reason: String,
    /// How bad it would be.
    pub risk: Risk,
    /// How far the person asked for it.
    pub authorisation: Authorisation,
}

/// A classifier's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// Let it run.
    Allow,
    /// Ask a person.
    Escalate,
    /// Refuse it; a person may still let it run.
    Deny,
    /// Refuse it; nobody lets it run.
    HardDeny,
}

/// How bad an action would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Risk {
    /// Nothing that matters.
    Low,
    /// Work to put right.
    Medium,
    /// Hard to put right.
    High,
    /// Not to be put right.
    Critical,
}

/// How far the person asked for an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Authorisation {
    /// Not at all.
    None,
    /// It follows from what they asked.
    Implied,
    /// They named it.
    Explicit,
}

impl Risk {
    /// The word in an answer.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl Authorisation {
    /// The word in an answer.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Implied => "implied",
            Self::Explicit => "explicit",
        }
    }
}

/// An answer as it is written.
#[derive(Debug, Deserialize)]
struct Written {
    verdict: Word,
    rule: String,
    #[serde(default)]
    must_name: Option<String>,
    reason: String,
    risk: Risk,
    authorisation: Authorisation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Allow,
    Escalate,
    Deny,
}

impl Opinion {
    /// The first step saw nothing to think about.
    pub(super) fn passed() -> Self {
        Self {
            ruling: Ruling::Allow,
            rule: "none".into(),
            reason: "the classifier saw nothing in it that a rule names".into(),
            risk: Risk::Low,
            authorisation: Authorisation::Implied,
        }
    }
}

impl Opinion {
    /// The same of an action of which so many characters were not shown: what nobody has seen is
    /// not let run by it.
    pub(super) fn seen(mut self, left_out: usize) -> Self {
        if left_out > 0 && self.ruling == Ruling::Allow {
            self.ruling = Ruling::Escalate;
            self.reason = format!(
                "it is too long for the classifier, which did not see {left_out} characters of \
                 it; of the rest it says: {}",
                self.reason
            );
        }
        self
    }
}

/// Whether the one word of the first step lets it pass. Everything but that word flags.
pub(super) fn passes(text: &str) -> bool {
    let word = text.trim().trim_matches(['`', '"', '\'', '.', '*']);
    word.eq_ignore_ascii_case("allow")
}

/// Reads the second step's answer.
pub(super) fn read(text: &str, question: &Question) -> Result<Opinion, NoVerdict> {
    let wrong = |why: &str| NoVerdict::Unparseable(why.to_owned());
    if text.len() > MAX_ANSWER {
        return Err(wrong("it is too long"));
    }
    let written: Written =
        serde_json::from_str(object(text).ok_or_else(|| wrong("it holds no JSON object"))?)
            .map_err(|error| NoVerdict::Unparseable(error.to_string()))?;
    let reason: String = written.reason.trim().chars().take(MAX_REASON).collect();
    if reason.is_empty() {
        return Err(wrong("it gives no reason"));
    }
    let prose = &question.prose;
    let names = |rules: &[super::Rule]| rules.iter().find(|r| r.name == written.rule).cloned();
    let (hard, soft) = (names(&prose.hard_deny), names(&prose.soft_deny));
    let known = hard.is_some() || soft.is_some() || names(&prose.allow).is_some();
    if !known && written.rule != "none" {
        return Err(wrong("it names a rule that there is not"));
    }
    let named = written
        .must_name
        .as_deref()
        .is_some_and(|words| question.dossier.person_said(words) && speaks_of(words, question));
    let (ruling, reason) = match (written.verdict, &hard, &soft) {
        // A hard rule that applies is a no, whatever the model makes of it.
        (Word::Allow, Some(_), _) => return Err(wrong("it allows what it says nobody may allow")),
        (Word::Escalate | Word::Deny, Some(_), _) => (Ruling::HardDeny, reason),
        (Word::Allow, None, Some(rule)) => {
            if named && written.authorisation == Authorisation::Explicit {
                (Ruling::Allow, reason)
            } else {
                let wanted = rule.must_name.as_deref().unwrap_or("it");
                let why = format!("the person has not named {wanted} in their own words");
                (Ruling::Escalate, format!("{why}; the classifier would let it run: {reason}"))
            }
        }
        (Word::Allow, None, None) => match written.risk {
            Risk::Low | Risk::Medium => (Ruling::Allow, reason),
            Risk::High | Risk::Critical => {
                let why = "the classifier would let it run and calls it a high risk";
                (Ruling::Escalate, format!("{why}: {reason}"))
            }
        },
        (Word::Escalate, None, _) => (Ruling::Escalate, reason),
        (Word::Deny, None, Some(_)) => (Ruling::Deny, reason),
        // A refusal that rests on no rule is a doubt.
        (Word::Deny, None, None) => (Ruling::Escalate, reason),
    };
    Ok(Opinion {
        ruling,
        rule: written.rule,
        reason,
        risk: written.risk,
        authorisation: written.authorisation,
    })
}

/// Words that speak of nothing by themselves.
const BARE: [&str; 24] = [
    "the", "and", "for", "with", "that", "this", "then", "all", "any", "to", "of", "it", "in",
    "on", "is", "do", "if", "or", "not", "you", "can", "may", "now", "please",
];

/// Whether words speak of the action: one of them stands in it. Naming the task is not naming the
/// step, whatever the model makes of it.
fn speaks_of(words: &str, question: &Question) -> bool {
    let split = |text: &str| -> Vec<String> {
        let parts = text.split(|c: char| !c.is_alphanumeric());
        parts.filter(|part| part.chars().count() > 1).map(str::to_lowercase).collect()
    };
    let action = serde_json::json!(question.action).to_string();
    let action: Vec<String> = split(&action)
        .into_iter()
        .chain(question.facts.hosts.iter().map(|h| h.to_lowercase()))
        .collect();
    split(words).iter().filter(|word| !BARE.contains(&word.as_str())).any(|word| {
        action.iter().any(|part| {
            let long = |text: &str| text.chars().count() > 3;
            // Some languages put no spaces between words.
            part == word
                || long(word) && part.contains(word.as_str())
                || !word.is_ascii() && long(part) && word.contains(part.as_str())
        })
    })
}

/// The one JSON object of an answer: models put it into a fence, or think aloud before it.
pub(crate) fn object(text: &str) -> Option<&str> {
    let end = text.rfind('}')?;
    let whole = text.get(..=end)?;
    let starts = whole.match_indices('{').map(|(at, _)| at);
    starts.filter_map(|at| whole.get(at..)).find(|rest| {
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(rest).is_ok()
    })
}

#[cfg(test)]
mod tests;
