//! Reading content: hashes, line counts and the diff for people.

use crate::deliver::Options;
use sha2::{Digest, Sha256};
use similar::{ChangeTag, TextDiff};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

/// How long one file's lines are compared before the rest of it counts as replaced. Comparing is
/// quadratic in the worst case, and the content is written by whoever wants it to be.
const DIFF_TIME: Duration = Duration::from_millis(500);
/// Where a zero byte makes a file binary, as git has it.
const SNIFF: usize = 8000;

/// A file as read.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) sha256: String,
    /// Its bytes, when there are few enough to be compared.
    pub(crate) bytes: Option<Vec<u8>>,
}

/// Lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _written = write!(text, "{byte:02x}");
    }
    text
}

/// Reads a file to its end or to `left` bytes, which it takes from; `None` when that ran out.
pub(crate) fn read(file: File, options: &Options, left: &mut u64) -> io::Result<Option<Content>> {
    let mut file = file.take(left.saturating_add(1));
    let (mut hasher, mut bytes) = (Sha256::new(), Some(Vec::new()));
    let mut buffer = vec![0_u8; 64 * 1024];
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let piece = buffer.get(..read).unwrap_or_default();
        let Some(rest) = left.checked_sub(read as u64) else { return Ok(None) };
        *left = rest;
        hasher.update(piece);
        if let Some(kept) = &mut bytes {
            kept.extend_from_slice(piece);
            if kept.len() as u64 > options.max_text_bytes {
                bytes = None;
            }
        }
    }
    Ok(Some(Content { sha256: hex(&hasher.finalize()), bytes }))
}

/// The text of a file; `None` when it is none, or too long to be compared.
fn text(bytes: Option<&[u8]>) -> Option<&str> {
    let bytes = bytes?;
    if bytes.iter().take(SNIFF).any(|byte| *byte == 0) {
        return None;
    }
    std::str::from_utf8(bytes).ok()
}

/// What became of the lines of a file.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) added: u64,
    pub(crate) removed: u64,
    /// Not text on one of the sides, or too long to be compared.
    pub(crate) binary: bool,
    /// The hunks.
    pub(crate) hunks: String,
}

/// Compares two sides; an absent one is empty.
pub(crate) fn compare(old: Option<&Content>, new: Option<&Content>) -> Lines {
    let side = |content: Option<&Content>| match content {
        None => Some(String::new()),
        Some(content) => text(content.bytes.as_deref()).map(str::to_owned),
    };
    let (Some(old), Some(new)) = (side(old), side(new)) else {
        return Lines { binary: true, ..Lines::default() };
    };
    let diff = TextDiff::configure().timeout(DIFF_TIME).diff_lines(old.as_str(), new.as_str());
    let mut lines = Lines::default();
    for change in diff.iter_all_changes() {
        match change.tag() {
            ChangeTag::Insert => lines.added += 1,
            ChangeTag::Delete => lines.removed += 1,
            ChangeTag::Equal => {}
        }
    }
    lines.hunks = diff.unified_diff().context_radius(3).to_string();
    lines
}

/// The diff text as it grows, within its bound.
#[derive(Debug)]
pub(crate) struct Diff {
    parts: Vec<(String, String)>,
    size: usize,
    max: usize,
    left_out: u64,
}

impl Diff {
    pub(crate) fn new(max: usize) -> Self {
        Self { parts: Vec::new(), size: 0, max, left_out: 0 }
    }

    /// Adds the part about one path, or as much of it as still fits.
    pub(crate) fn add(&mut self, path: &str, mut part: String) {
        let room = self.max.saturating_sub(self.size);
        if room == 0 {
            self.left_out += 1;
            return;
        }
        if part.len() > room {
            let mut end = room;
            while !part.is_char_boundary(end) {
                end -= 1;
            }
            part.truncate(end);
            part.push_str("\n[cut here: the diff is longer than is kept]\n");
            self.size = self.max;
        } else {
            self.size += part.len();
        }
        self.parts.push((path.to_owned(), part));
    }

    /// The whole in path order, and what was passed over.
    pub(crate) fn finish(mut self, passed_over: &[String]) -> String {
        self.parts.sort_by(|a, b| a.0.cmp(&b.0));
        let mut text: String = self.parts.into_iter().map(|(_, part)| part).collect();
        if self.left_out > 0 {
            let _written = writeln!(text, "[{} more changed paths are not shown]", self.left_out);
        }
        if !passed_over.is_empty() {
            let names = passed_over.join("/, ");
            let _written = writeln!(text, "[not looked at, because git ignores it: {names}/]");
        }
        text
    }
}
