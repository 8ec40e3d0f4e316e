//! What a person sends: their own words, what they only quote, and the files that came along.
//!
//! The parts stay apart from the chat to the agent. Whoever judges what was asked for reads
//! [`Message::text`] alone: a quotation is material, whoever wrote it, and asks for nothing.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::Serialize;

/// Where files that people send lie in a task's workspace, right below its root. Nothing in there
/// is ever a change to the project.
pub const INBOX: &str = ".gatepost-inbox";

/// Where a task puts files that are to be sent to its chat. Nothing in there is ever a change to
/// the project.
pub const OUTBOX: &str = ".gatepost-outbox";

/// How many files come with one message at most: twice what Telegram puts into an album
/// (<https://core.telegram.org/bots/api#sendmediagroup>).
pub const MAX_ATTACHMENTS: usize = 20;

/// How many passages one message quotes at most.
pub const MAX_QUOTED: usize = 20;

/// The longest name of a file, in bytes; file systems take 255, and a number is still added.
const LONGEST_NAME: usize = 120;

/// How much of that an ending such as `.jpeg` may take and be kept whole.
const LONGEST_ENDING: usize = 16;

/// What one message of a person holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// The person's own words.
    pub text: String,
    /// What they quote: words without any authority.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quoted: Vec<Quoted>,
    /// The files that came with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// A passage that is not the person's own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quoted {
    /// How it came into the message.
    pub kind: QuotedKind,
    /// The words.
    pub text: String,
}

/// How a quotation came into a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuotedKind {
    /// It was forwarded from somewhere.
    Forwarded,
    /// The message answers it.
    Answered,
}

/// A file that came with a message. Its bytes are kept beside the journal under their digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// Its name as [`file_name`] leaves it.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes, lower-case hex.
    pub sha256: String,
    /// What kind of file the sender says it is, such as `image/png`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
}

/// A file that a task left in its [`OUTBOX`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboxFile {
    /// Its name as [`file_name`] leaves it, and unlike that of every other file of the outbox.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// SHA-256 of its bytes, under which they are kept; empty for one that is refused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// Why it is not sent, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<OutboxRefusal>,
}

/// Why a file of a task's outbox is not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutboxRefusal {
    /// A directory, a link, a pipe or the like.
    NotAFile,
    /// Larger than is sent.
    TooLarge,
    /// There is nothing in it.
    Empty,
    /// There were more files than are sent.
    TooMany,
    /// It could not be read or kept.
    NotKept,
}

impl OutboxRefusal {
    /// One clause for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotAFile => "only plain files right in the outbox are sent",
            Self::TooLarge => "it is larger than is sent",
            Self::Empty => "it is empty",
            Self::TooMany => "there are more files than are sent",
            Self::NotKept => "it could not be read and kept",
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), ..Self::default() }
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self { text, ..Self::default() }
    }
}

impl Attachment {
    /// A file as it was sent: its name made safe, its kind left out where it is none.
    #[must_use]
    pub fn new(raw_name: &str, size: u64, sha256: String, media_type: Option<&str>) -> Self {
        let media_type = media_type.filter(|kind| is_media_type(kind)).map(str::to_owned);
        Self { name: file_name(raw_name), size, sha256, media_type }
    }

    /// Whether the digest is one, and the name one that [`file_name`] would leave as it is.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        is_sha256(&self.sha256) && file_name(&self.name) == self.name
    }
}

/// Whether a text is a SHA-256 in lower-case hex, and so can name a kept file and nothing else.
#[must_use]
pub fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// A name from a stranger as a plain file name: no path, nothing hidden or reordered, nothing a
/// shell reads as more than a word, no leading dot or dash, and not too long. Never empty.
#[must_use]
pub fn file_name(raw: &str) -> String {
    let last = raw.rsplit(['/', '\\']).find(|part| !part.trim().is_empty()).unwrap_or_default();
    let mut name = String::new();
    for c in last.chars() {
        let c = if is_plain(c) { c } else { '_' };
        if !(c == '_' && name.ends_with('_')) {
            name.push(c);
        }
    }
    let name = name.trim_start_matches(['.', '-', '_']).trim_end_matches(['.', '_']);
    let name = shortened(name);
    if name.is_empty() { "file".to_owned() } else { name }
}

/// Gives each of several files a name of its own. Names that differ in case only count as one:
/// they are one on some file systems.
#[derive(Debug, Clone, Default)]
pub struct Names {
    taken: BTreeSet<String>,
}

impl Names {
    /// The name, with a number before its ending where it was given out before.
    pub fn give(&mut self, name: &str) -> String {
        let mut given = name.to_owned();
        let mut number = 1_u64;
        while !self.taken.insert(given.to_lowercase()) {
            number += 1;
            let (stem, ending) = parts(name);
            given = format!("{stem}-{number}{ending}");
        }
        given
    }
}

/// Lines that name files, for an agent or a card; the names are safe to show.
#[must_use]
pub fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("- {INBOX}/{name}")).collect::<Vec<_>>().join("\n")
}

fn is_media_type(kind: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b".+-_".contains(&b))
    };
    kind.len() <= 100 && kind.split_once('/').is_some_and(|(kind, sub)| word(kind) && word(sub))
}

fn is_plain(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || "._-+@=,".contains(c);
    }
    !(c.is_control() || c.is_whitespace() || is_unseen(c))
}

/// Characters that are not seen, or that move others about, and private ones: Unicode 16, the
/// default ignorable code points and those of bidirectional control.
fn is_unseen(c: char) -> bool {
    matches!(
        u32::from(c),
        0xad | 0x34f
            | 0x61c
            | 0x115f..=0x1160
            | 0x17b4..=0x17b5
            | 0x180b..=0x180f
            | 0x200b..=0x200f
            | 0x2028..=0x202e
            | 0x2060..=0x206f
            | 0x2800
            | 0x3164
            | 0xe000..=0xf8ff
            | 0xfe00..=0xfe0f
            | 0xfeff
            | 0xffa0
            | 0xfff0..=0xfffd
            | 0x1bca0..=0x1bca3
            | 0x1d173..=0x1d17a
            | 0xe0000..
    )
}

/// The stem and the ending with its dot; the ending is empty when there is none worth the name.
fn parts(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= LONGEST_ENDING => name.split_at(at),
        Some(_) | None => (name, ""),
    }
}

fn shortened(name: &str) -> String {
    if name.len() <= LONGEST_NAME {
        return name.to_owned();
    }
    let (stem, ending) = parts(name);
    let mut end = LONGEST_NAME - ending.len();
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    let stem = stem.get(..end).unwrap_or_default().trim_end_matches(['.', '_']);
    format!("{stem}{ending}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_names_become_plain_ones() {
        let table = [
            ("report.pdf", "report.pdf"),
            ("my report (final).pdf", "my_report_final_.pdf"),
            ("../../etc/passwd", "passwd"),
            ("/etc/passwd", "passwd"),
            ("..\\..\\boot.ini", "boot.ini"),
            ("..", "file"),
            ("", "file"),
            ("   ", "file"),
            (".bashrc", "bashrc"),
            ("--rf", "rf"),
            ("-", "file"),
            ("a\u{202e}fdp.exe", "a_fdp.exe"),
            ("a\u{200b}b", "a_b"),
            ("line\nbreak\0.txt", "line_break_.txt"),
            ("$(rm -rf ~);`x`|y.txt", "rm_-rf_x_y.txt"),
            ("naïve-Größe-日本.txt", "naïve-Größe-日本.txt"),
            ("dir/", "dir"),
            ("x.txt.", "x.txt"),
        ];
        for (raw, expect) in table {
            assert_eq!(file_name(raw), expect, "{raw:?}");
        }
        let long = format!("{}.jpeg", "ü".repeat(300));
        let name = file_name(&long);
        assert!(name.len() <= LONGEST_NAME && name.ends_with("ü.jpeg"), "{name}");
    }

    #[test]
    fn files_of_one_name_are_numbered_before_their_ending() {
        let mut names = Names::default();
        let given = ["a.jpg", "A.JPG", "a.jpg", "a-2.jpg", "b", "b"].map(|name| names.give(name));
        assert_eq!(given, ["a.jpg", "A-2.JPG", "a-3.jpg", "a-2-2.jpg", "b", "b-2"]);
    }

    #[test]
    fn a_kind_that_is_none_is_left_out_and_a_digest_must_be_one() {
        let sound = Attachment::new("a", 1, "0f".repeat(32), Some("image/png"));
        assert!(sound.is_sound() && sound.media_type.is_some());
        for kind in ["", "png", "image/", "image/p ng", "image/png\n", "a/b/c"] {
            assert_eq!(
                Attachment::new("a", 1, String::new(), Some(kind)).media_type,
                None,
                "{kind}"
            );
        }
        for digest in ["", "../x", &"0F".repeat(32), &"0f".repeat(31)] {
            assert!(!Attachment { sha256: digest.to_owned(), ..sound.clone() }.is_sound());
        }
        assert!(!Attachment { name: "../a".into(), ..sound }.is_sound());
    }

    proptest! {
        /// Whatever a name was: one plain part of a path, and made safe once is made safe for good.
        #[test]
        fn any_name_is_made_safe(raw in "[\\PC\u{0}\u{202e}\u{2066}\u{feff}/\\\\. \n\r\t~$`'\"-]{0,300}") {
            let name = file_name(&raw);
            prop_assert!(!name.is_empty() && name.len() <= LONGEST_NAME, "{:?}", name);
            prop_assert!(!name.starts_with(['.', '-']) && !name.contains(['/', '\\', '\0']));
            prop_assert!(name.chars().all(is_plain), "{:?}", name);
            prop_assert_eq!(file_name(&name), name);
        }

        /// However many files come with one name, each gets another, within what a disk takes.
        #[test]
        fn names_given_out_are_all_different(names in prop::collection::vec("[aAb]{1,2}(-2)?(\\.txt)?", 0..40)) {
            let mut book = Names::default();
            let given: Vec<_> = names.iter().map(|name| book.give(name)).collect();
            let different: BTreeSet<_> = given.iter().map(|name| name.to_lowercase()).collect();
            prop_assert_eq!(different.len(), given.len());
        }
    }
}
