//! Boundaries that a person sets in words: "don't push", "do not touch the migrations".
//!
//! A boundary holds for the task until the person lifts it. Its words are shown and given to the
//! classifier; where they plainly name an [`Effect`], an action that has it asks a person besides.
//! Words are recognised in English and, with an effect, in a dozen other languages (`tongues.rs`),
//! and only in plain forms: what is not recognised is still among the person's words, which a
//! classifier reads in any language, and what is recognised can restrict and nothing else. Lifting one only takes
//! that question away; every rule still has its say.
//!
//! Only [`crate::Message::text`] may be handed in: what is quoted sets and lifts nothing.

mod tongues;

use serde::Deserialize;
use serde::Serialize;

use crate::principal::Principal;

/// What a boundary may forbid in a way that Gatepost can see by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// Sending commits to another repository.
    Push,
    /// Recording commits.
    Commit,
    /// Talking to other machines.
    Network,
    /// Deleting files.
    Delete,
    /// Installing or adding packages.
    Install,
    /// Publishing a package or a release.
    Publish,
    /// Deploying.
    Deploy,
}

/// One boundary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boundary {
    /// The person's own sentence.
    pub words: String,
    /// What it plainly forbids; none where only a reader can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// Who set it.
    pub by: Principal,
}

/// What a message does to the boundaries of its task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spoken {
    /// Those it sets.
    pub set: Vec<Boundary>,
    /// Those in force that it lifts, each with the sentence that does it.
    pub lifted: Vec<(Boundary, String)>,
}

/// The longest sentence that is kept, in characters. A longer one is cut, and is whole in the
/// message.
const LONGEST: usize = 300;

/// The most boundaries that one message sets, and that a task keeps. A person does not remember
/// more; whoever pastes a page of them has them in their message.
pub const MOST: usize = 30;

/// Ways to begin a prohibition.
const NEVER: &[&[&str]] = &[
    &["don't"],
    &["dont"],
    &["do", "not"],
    &["never"],
    &["must", "not"],
    &["mustn't"],
    &["should", "not"],
    &["shouldn't"],
    &["may", "not"],
    &["can't"],
    &["cannot"],
    &["can", "not"],
];

/// Ways to begin one that holds only where an effect follows: taken alone they are too common.
const NEVER_EFFECT: &[&[&str]] = &[
    &["i", "don't", "want", "you", "to"],
    &["i", "do", "not", "want", "you", "to"],
    &["ask", "before"],
    &["ask", "before", "you"],
    &["ask", "me", "before"],
    &["ask", "me", "before", "you"],
    &["ask", "me", "first", "before", "you"],
    &["wait", "before"],
    &["wait", "for", "me", "before"],
    &["hold", "off", "on"],
    &["refrain", "from"],
    &["avoid"],
    &["no"],
];

/// Ways to begin one about a thing.
const HANDS_OFF: &[&[&str]] = &[
    &["hands", "off"],
    &["stay", "away", "from"],
    &["keep", "away", "from"],
    &["stay", "out", "of"],
];

/// What follows "don't" where it forbids nothing.
const HARMLESS: &[&str] =
    &["worry", "forget", "hesitate", "mind", "bother", "just", "only", "you", "be", "stop", "fail"];

/// Ways to begin a permission.
const MAY: &[&[&str]] = &[
    &["you", "may"],
    &["you", "can"],
    &["you", "may", "now"],
    &["you", "can", "now"],
    &["now", "you", "may"],
    &["now", "you", "can"],
    &["you", "are", "allowed", "to"],
    &["feel", "free", "to"],
    &["go", "ahead", "and"],
    &["it's", "ok", "to"],
    &["it's", "fine", "to"],
    &["it", "is", "ok", "to"],
    &["it", "is", "fine", "to"],
];

/// With one of these a sentence is no plain permission.
const CONDITIONS: &[&str] = &[
    "if", "when", "once", "after", "unless", "until", "till", "only", "but", "except", "before",
    "not", "never", "don't", "dont", "cannot", "can't", "provided", "later", "tomorrow", "without",
    "no", "nothing", "ask", "wait", "soon", "maybe", "perhaps", "whether", "as",
];

/// Words before a sentence that change nothing about it.
const OPENERS: &[&str] = &[
    "please", "and", "but", "so", "also", "ok", "okay", "then", "you", "however", "alright", "yes",
];

/// Words of a permission that say nothing about what is permitted.
const FILLERS: &[&str] =
    &["now", "again", "please", "it", "them", "this", "that", "everything", "too", "then", "the"];

/// Verbs that name an effect only by what follows: "don't use the network".
const LIGHT: &[&str] =
    &["use", "access", "do", "make", "run", "create", "perform", "go", "any", "more"];

impl Effect {
    /// What an action does that has it, as the end of a sentence that begins with "it".
    #[must_use]
    pub fn does(self) -> &'static str {
        match self {
            Self::Push => "pushes",
            Self::Commit => "records a commit",
            Self::Network => "uses the network",
            Self::Delete => "deletes something",
            Self::Install => "installs or adds packages",
            Self::Publish => "publishes something",
            Self::Deploy => "deploys something",
        }
    }

    /// The bare word for it.
    fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Commit => "commit",
            Self::Network => "network",
            Self::Delete => "delete",
            Self::Install => "install",
            Self::Publish => "publish",
            Self::Deploy => "deploy",
        }
    }

    fn named(word: &str) -> Option<Self> {
        Some(match word {
            "push" | "pushes" | "pushing" => Self::Push,
            "commit" | "commits" | "committing" => Self::Commit,
            "network" | "internet" | "online" | "download" | "downloading" | "downloads"
            | "fetch" | "fetching" => Self::Network,
            "delete" | "deletes" | "deleting" | "deletions" | "remove" | "removing" | "erase"
            | "erasing" | "wipe" | "wiping" => Self::Delete,
            "install" | "installs" | "installing" => Self::Install,
            "publish" | "publishes" | "publishing" => Self::Publish,
            "deploy" | "deploys" | "deploying" | "deployment" | "deployments" => Self::Deploy,
            _ => return None,
        })
    }
}

/// What a person's words do to the boundaries in force.
#[must_use]
pub fn spoken(text: &str, by: &Principal, in_force: &[Boundary]) -> Spoken {
    let mut spoken = Spoken::default();
    let parts = sentences(text, Cut::AtTurns);
    for sentence in &parts {
        let Some(Forbidden { effects, .. }) = forbidden(sentence) else { continue };
        let bounded = |effect| Boundary { words: sentence.words.clone(), effect, by: by.clone() };
        let new = match effects.as_slice() {
            [] => vec![bounded(None)],
            effects => effects.iter().map(|effect| bounded(Some(*effect))).collect(),
        };
        for boundary in new {
            let known = in_force
                .iter()
                .chain(&spoken.set)
                .any(|known| (&known.words, known.effect) == (&boundary.words, boundary.effect));
            // What is enforced is never left out for want of room.
            let enforced = boundary.effect.is_some()
                && in_force.iter().chain(&spoken.set).all(|known| known.effect != boundary.effect);
            if !known && (enforced || in_force.len() + spoken.set.len() < MOST) {
                spoken.set.push(boundary);
            }
        }
    }
    let forbids: Vec<Forbidden> = parts.iter().filter_map(forbidden).collect();
    for sentence in &sentences(text, Cut::Nowhere) {
        let Some(permitted) = permitted(sentence) else { continue };
        for boundary in in_force {
            // Of one message that says both, the careful half holds.
            let contradicted = forbids.iter().any(|forbidden| {
                forbidden.predicate == permitted
                    || boundary.effect.is_some_and(|effect| forbidden.effects.contains(&effect))
            });
            let taken = spoken.lifted.iter().any(|(lifted, _)| lifted == boundary);
            if !contradicted && !taken && lifts(&permitted, boundary) {
                spoken.lifted.push((boundary.clone(), sentence.words.clone()));
            }
        }
    }
    spoken
}

/// A permission lifts what it repeats word for word, and, with the bare name of an effect, every
/// boundary on that effect.
fn lifts(permitted: &[String], boundary: &Boundary) -> bool {
    let bare = match permitted {
        [word] => Effect::named(word),
        _ => None,
    };
    if bare.is_some() && bare == boundary.effect {
        return true;
    }
    sentences(&boundary.words, Cut::AtTurns)
        .iter()
        .filter_map(forbidden)
        .any(|forbidden| forbidden.predicate == permitted)
}

struct Sentence {
    words: String,
    /// In lower case, without the marks around them; a comma is a word of its own.
    tokens: Vec<String>,
    asks: bool,
}

struct Forbidden {
    effects: Vec<Effect>,
    /// What must not be done, without fillers.
    predicate: Vec<String>,
}

/// The sentences of a text, without lines that are commands, code or quotations.
fn sentences(text: &str, inside: Cut) -> Vec<Sentence> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if fenced || line.starts_with("$ ") || line.starts_with('>') {
            continue;
        }
        let line = line.trim_start_matches(['-', '*', '•', ' ']);
        for (words, asks) in split(line, inside) {
            found.push(Sentence { tokens: tokens(&words), words, asks });
        }
    }
    found
}

/// Whether a sentence is taken apart where it turns to something else. A prohibition counts wherever
/// it stands, a permission only with all that is said around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    AtTurns,
    Nowhere,
}

/// Cuts a line where a sentence ends, or a part of one.
fn split(line: &str, inside: Cut) -> Vec<(String, bool)> {
    let mut parts = Vec::new();
    let mut start = 0;
    let mut chars = line.char_indices().peekable();
    let mut cut = |from: usize, to: usize, asks: bool| {
        if let Some(part) = line.get(from..to).map(str::trim).filter(|part| !part.is_empty()) {
            parts.push((part.chars().take(LONGEST).collect(), asks));
        }
    };
    while let Some((at, c)) = chars.next() {
        let ends = chars.peek().is_none_or(|(_, next)| next.is_whitespace());
        let rest = line.get(at..).unwrap_or_default();
        let turn = [" but ", ", but ", ", and ", ", then ", ", please ", " without "]
            .iter()
            .find(|turn| inside == Cut::AtTurns && starts_with(rest, turn));
        match c {
            '.' | '!' | '?' | ';' | ':' if ends => {
                cut(start, at, c == '?');
                start = at + c.len_utf8();
            }
            _ if turn.is_some_and(|turn| *turn == " without ") => {
                cut(start, at, false);
                start = at + 1;
            }
            _ if turn.is_some() && start < at => {
                cut(start, at, false);
                start = at + turn.map_or(1, |turn| turn.len());
            }
            _ => {}
        }
    }
    cut(start, line.len(), false);
    parts
}

fn starts_with(text: &str, ascii: &str) -> bool {
    text.get(..ascii.len()).is_some_and(|start| start.eq_ignore_ascii_case(ascii))
}

fn tokens(words: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for word in words.replace(['’', '‘'], "'").split_whitespace() {
        let plain = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        if !plain.is_empty() {
            tokens.push(plain);
        }
        if word.ends_with(',') {
            tokens.push(",".to_owned());
        }
    }
    tokens
}

/// What a sentence forbids, if it does.
fn forbidden(sentence: &Sentence) -> Option<Forbidden> {
    if sentence.asks {
        return None;
    }
    let tokens = sentence.tokens.as_slice();
    // "without pushing" stands at the end of a sentence that asks for something else.
    if let Some(rest) = after(tokens, &[&["without"]]) {
        let effects = effects(rest);
        return (!effects.is_empty()).then(|| Forbidden { effects, predicate: plain(rest) });
    }
    let tokens = opened(tokens);
    if let Some(rest) = after(tokens, NEVER_EFFECT) {
        let effects = effects(rest);
        if !effects.is_empty() {
            return Some(Forbidden { effects, predicate: plain(rest) });
        }
    }
    if let Some(rest) = after(tokens, HANDS_OFF) {
        return (!rest.is_empty())
            .then(|| Forbidden { effects: Vec::new(), predicate: plain(rest) });
    }
    if tokens.first().is_some_and(|word| word == "leave")
        && tokens.iter().any(|word| matches!(word.as_str(), "alone" | "untouched"))
    {
        return Some(Forbidden { effects: Vec::new(), predicate: plain(tokens) });
    }
    let elsewhere = || {
        let effects = tongues::forbidden(&sentence.words, &sentence.tokens);
        (!effects.is_empty()).then(|| Forbidden { effects, predicate: plain(&sentence.tokens) })
    };
    let Some(rest) = after(tokens, NEVER) else { return elsewhere() };
    let first = rest.first()?;
    if HARMLESS.contains(&first.as_str()) {
        return None;
    }
    Some(Forbidden { effects: effects(rest), predicate: plain(rest) })
}

/// What a sentence plainly permits, in words without fillers.
fn permitted(sentence: &Sentence) -> Option<Vec<String>> {
    if let Some(effect) =
        tongues::permitted(&sentence.words, &sentence.tokens).filter(|_| !sentence.asks)
    {
        return Some(vec![effect.name().to_owned()]);
    }
    let conditional = sentence.tokens.iter().any(|word| CONDITIONS.contains(&word.as_str()));
    if sentence.asks || conditional {
        return None;
    }
    let tokens = sentence.tokens.as_slice();
    let rest = after(tokens, MAY).or_else(|| {
        let opened = tokens
            .iter()
            .position(|word| word == "," || word == "you" || !OPENERS.contains(&word.as_str()))?;
        let tokens = tokens.get(opened..)?;
        after(tokens.strip_prefix([",".to_owned()].as_slice()).unwrap_or(tokens), MAY)
    })?;
    let plain = plain(rest);
    (!plain.is_empty()).then_some(plain)
}

/// The effects that are named right here, or in a list that begins here.
fn effects(tokens: &[String]) -> Vec<Effect> {
    let mut found = Vec::new();
    let skipped = tokens
        .iter()
        .take_while(|word| {
            LIGHT.contains(&word.as_str())
                || matches!(word.as_str(), "the" | "a" | "an" | "to" | "git" | "on" | "you" | "new")
        })
        .count();
    let mut expected = true;
    for word in tokens.iter().skip(skipped) {
        match word.as_str() {
            "," | "or" | "and" | "nor" => expected = true,
            word if expected => match Effect::named(word) {
                Some(effect) => {
                    if !found.contains(&effect) {
                        found.push(effect);
                    }
                    expected = false;
                }
                None if found.is_empty() => return found,
                None => expected = false,
            },
            _ => {}
        }
    }
    found
}

fn opened(tokens: &[String]) -> &[String] {
    let mut rest = tokens;
    loop {
        rest = match rest {
            [no, comma, after @ ..] if no == "no" && comma == "," => after,
            [word, after @ ..] if word == "," || OPENERS.contains(&word.as_str()) => after,
            _ => return rest,
        };
    }
}

/// What stands behind the longest of these beginnings.
fn after<'t>(tokens: &'t [String], beginnings: &[&[&str]]) -> Option<&'t [String]> {
    let rests = beginnings.iter().filter_map(|beginning| {
        let (start, rest) = tokens.split_at_checked(beginning.len())?;
        start.iter().zip(*beginning).all(|(word, wanted)| word == wanted).then_some(rest)
    });
    rests.min_by_key(|rest| rest.len())
}

fn plain(tokens: &[String]) -> Vec<String> {
    let said = |word: &&String| !FILLERS.contains(&word.as_str()) && word.as_str() != ",";
    tokens.iter().filter(said).cloned().collect()
}

#[cfg(test)]
mod tests;
