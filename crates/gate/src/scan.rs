//! Looks through what a tool returns for words that speak to the agent, before the agent reads it.
//!
//! `words.rs` has the phrases in the languages that are known, `hidden.rs` what nobody sees and
//! what stands in an encoding, `fence.rs` puts a result that was found out into a fence. These are
//! rules and no understanding: they know the usual ways, at no cost and the same every time.
//! `reading.rs` asks a language model about what they found nothing in, where one is set up. What is
//! found accuses the result and never the person's project; what is missed still meets the gate with
//! its next action.

mod fence;
pub(crate) mod hidden;
mod reading;
mod words;

use gatepost_domain::injection::Injection;
use gatepost_domain::injection::Trick;

pub use fence::fenced;
pub use reading::has_words;
pub use reading::read;
pub use reading::unread;

/// So many places of one result are named; more say nothing new.
const MOST: usize = 8;

/// So many characters of a place are shown.
const SPAN: usize = 160;

/// What in this text may be an injected instruction; nothing in most texts.
#[must_use]
pub fn scanned(text: &str) -> Vec<Injection> {
    let mut found = Vec::new();
    let mut add = |trick, span: &str| {
        let injection = Injection { trick, span: shown(span) };
        if found.len() < MOST && !found.contains(&injection) {
            found.push(injection);
        }
    };
    for span in hidden::unseen(text) {
        add(Trick::Hidden, &span);
    }
    for span in words::turns(text) {
        add(Trick::Turn, span);
    }
    for span in words::orders(text, words::Wanted::Three) {
        add(Trick::Order, span);
    }
    for decoded in hidden::decoded(text) {
        // Whoever encodes a sentence does not want it read by people, so less is enough.
        for span in words::orders(&decoded, words::Wanted::One) {
            add(Trick::Encoded, span);
        }
    }
    found
}

/// One line of it, cut, with everything written out that is not seen.
fn shown(span: &str) -> String {
    let mut out = String::new();
    for c in span.chars().take(SPAN) {
        match c {
            c if c.is_whitespace() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            c if c.is_control() || hidden::is_unseen(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out.trim().to_owned()
}

#[cfg(test)]
mod tests;
