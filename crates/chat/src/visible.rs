//! Text as people may safely read it: nothing hidden, nothing reordered, secrets masked.
//!
//! What a person approves must be what they saw. A direction mark can turn a command round, a
//! zero-width character can make two names look alike, an escape can repaint a terminal, and a
//! thousand spaces can push the dangerous half off the screen. All of these become plain marks in
//! angle quotes, such as `‹U+202E›`.

use std::fmt::Write as _;

use gatepost_domain::secrets;
use serde::Serialize;

/// Blank lines in a row that are still shown as they are.
const BLANK_LINES: usize = 8;

/// Spaces in a row that are still shown as they are; deep indentation has fewer.
const SPACES: usize = 80;

/// An action's text as it is shown to whoever decides on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The text; head, middle and tail, however long.
    pub text: String,
    /// What the reader must know about it, a sentence each.
    pub notes: Vec<String>,
    /// How many secrets were masked.
    pub masked: usize,
}

/// An action's text, whole: secrets masked, everything hidden made visible, long gaps named.
#[must_use]
pub fn shown(text: &str) -> Shown {
    let (text, masked) = secrets::mask(text);
    let mut notes = Vec::new();
    match masked {
        0 => {}
        1 => notes.push("1 secret is masked here; it runs as written".to_owned()),
        n => notes.push(format!("{n} secrets are masked here; they run as written")),
    }
    let hidden = text.chars().filter(|c| is_hidden(*c)).count();
    if hidden > 0 {
        let what = if hidden == 1 { "character is" } else { "characters are" };
        notes.push(format!("{hidden} hidden {what} shown as ‹U+…›"));
    }
    if let Some(word) = mixed_word(&text) {
        let word = visible(word);
        notes.push(format!("`{word}` mixes letters of several alphabets that look alike"));
    }
    Shown { text: name_gaps(&visible(&text)), notes, masked }
}

/// Text with its secrets masked; nothing else about it is changed.
#[must_use]
pub fn masked(text: &str) -> String {
    secrets::mask(text).0
}

/// A text with its secrets masked, and how many there were; for files, which stay as they are
/// otherwise.
#[must_use]
pub fn scrubbed(text: &str) -> (String, usize) {
    secrets::mask(text)
}

/// Text with everything hidden made visible; line breaks and tabs stay.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push_visible(&mut out, c);
    }
    out
}

/// As [`visible`], but for prose: the joiners inside emoji stay, so that these stay whole. Never
/// for actions.
#[must_use]
pub fn prose(text: &str) -> String {
    let (text, _) = secrets::mask(text);
    let mut out = String::with_capacity(text.len());
    let mut in_emoji = false;
    for c in text.chars() {
        let joiner = matches!(c, '\u{200d}' | '\u{fe0f}');
        if joiner && in_emoji {
            out.push(c);
            continue;
        }
        in_emoji = matches!(u32::from(c), 0x2100..=0x2bff | 0x1f000..=0x1faff);
        push_visible(&mut out, c);
    }
    out
}

/// What a program printed: colour codes go, secrets are masked, all else hidden is made visible.
#[must_use]
pub fn output(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\u{1b}[") {
        let (before, code) = rest.split_at(at);
        plain.push_str(before);
        let code = code.get(2..).unwrap_or_default();
        let parameters = code.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(code.len());
        // Only colours are harmless: other codes move the cursor and paint over what stands there.
        if let Some(after) = code.get(parameters..).and_then(|end| end.strip_prefix('m')) {
            rest = after;
        } else {
            plain.push('\u{1b}');
            rest = rest.get(at + 1..).unwrap_or_default();
        }
    }
    plain.push_str(rest);
    let (plain, _) = secrets::mask(&plain.replace("\r\n", "\n"));
    visible(&plain)
}

/// The first `limit` characters of a text on one line, for lists and titles; `…` says there is
/// more.
#[must_use]
pub fn one_line(text: &str, limit: usize) -> String {
    let (text, _) = secrets::mask(text);
    let mut out = String::new();
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.next() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&prose(word));
        let long = out.chars().count();
        if long > limit || (long == limit && words.peek().is_some()) {
            out = out.chars().take(limit.saturating_sub(1)).collect();
            out.push('…');
            break;
        }
    }
    out
}

/// Whether a character is invisible, moves others about, or passes for a plain space.
#[must_use]
pub fn is_hidden(c: char) -> bool {
    if matches!(c, '\n' | '\t') {
        return false;
    }
    c.is_control()
        || matches!(
            u32::from(c),
            0x00a0 | 0x00ad | 0x034f | 0x061c | 0x070f | 0x115f | 0x1160 | 0x1680
                | 0x17b4 | 0x17b5 | 0x180b..=0x180f | 0x2000..=0x200f | 0x2028..=0x202f
                | 0x205f..=0x206f | 0x2800 | 0x3000 | 0x3164 | 0xe000..=0xf8ff
                | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0xfffe | 0xffff
                | 0x13430..=0x1343f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a
                | 0xe0000..=0xe0fff | 0xf0000..=0x10ffff
        )
}

fn push_visible(out: &mut String, c: char) {
    if is_hidden(c) {
        // Writing to a string cannot fail.
        let _ = write!(out, "‹U+{:04X}›", u32::from(c));
    } else {
        out.push(c);
    }
}

/// Long runs of blank lines or spaces become their number, so that what follows them is seen.
fn name_gaps(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = String::new();
    for c in text.chars() {
        if matches!(c, ' ' | '\t' | '\n') {
            gap.push(c);
        } else {
            push_gap(&mut out, &gap);
            gap.clear();
            out.push(c);
        }
    }
    push_gap(&mut out, &gap);
    out
}

fn push_gap(out: &mut String, gap: &str) {
    let breaks = gap.matches('\n').count();
    if breaks > BLANK_LINES {
        let _ = write!(out, "\n‹{} blank lines›\n", breaks - 1);
        // The indentation of the line that follows says where it belongs.
        push_spaces(out, gap.rsplit('\n').next().unwrap_or_default());
    } else {
        let mut lines = gap.split('\n');
        push_spaces(out, lines.next().unwrap_or_default());
        for line in lines {
            out.push('\n');
            push_spaces(out, line);
        }
    }
}

fn push_spaces(out: &mut String, spaces: &str) {
    if spaces.len() > SPACES {
        let _ = write!(out, " ‹{} spaces› ", spaces.len());
    } else {
        out.push_str(spaces);
    }
}

/// The first word that mixes Latin letters with letters of other alphabets that look like them.
fn mixed_word(text: &str) -> Option<&str> {
    let lookalike = |c: char| {
        matches!(
            u32::from(c),
            0x0370..=0x03ff | 0x0400..=0x052f | 0x0530..=0x058f | 0x13a0..=0x13ff
                | 0x1d400..=0x1d7ff | 0xff01..=0xff5e | 0x2010..=0x2015 | 0x2044 | 0x2215 | 0x29f8
        )
    };
    text.split_whitespace()
        .find(|word| word.chars().any(|c| c.is_ascii_alphabetic()) && word.chars().any(lookalike))
}

#[cfg(test)]
mod tests;
