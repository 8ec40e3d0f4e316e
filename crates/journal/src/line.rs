//! One line of the journal: its form, and the hash that ties it to the next.

use std::borrow::Cow;
use std::fmt;

use gatepost_domain::Event;
use gatepost_domain::Record;
use gatepost_domain::TaskId;
use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;
use sha2::Digest;
use sha2::Sha256;

/// The form of lines that this version writes, and the only one it reads.
pub(crate) const VERSION: u64 = 1;

/// No line is longer, newline excluded; a damaged file must not fill the memory.
pub(crate) const MAX_LINE: usize = 64 << 20;

/// The SHA-256 of a line's bytes without its newline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LineHash([u8; 32]);

/// The parts of a line that are checked before the event is looked at.
///
/// All but `v` may be absent here, so that a form of the future is named as such.
#[derive(Deserialize)]
struct Envelope<'a> {
    v: u64,
    seq: Option<u64>,
    #[serde(borrow)]
    prev: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Written<'a> {
    v: u64,
    seq: u64,
    at: Timestamp,
    prev: LineHash,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'a TaskId>,
    #[serde(flatten)]
    event: &'a Event,
}

/// The place of a line in the chain, as the line itself claims.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) seq: u64,
    /// None when the text there is no hash at all.
    pub(crate) prev: Option<LineHash>,
}

/// Why a line has no claim.
#[derive(Debug)]
pub(crate) enum NoClaim {
    /// It is not a record at all. `cut` when it ends too early rather than being wrong.
    Unreadable { detail: String, cut: bool },
    /// Its form is not ours.
    Version(u64),
}

impl LineHash {
    /// What the first line holds, having no line before it.
    pub(crate) const NONE: Self = Self([0; 32]);

    pub(crate) fn of(line: &[u8]) -> Self {
        Self(Sha256::digest(line).into())
    }

    /// Lower case only: a hash has one spelling, so that no change of a line goes unseen.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut hash = [0_u8; 32];
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != hash.len() || !rest.is_empty() {
            return None;
        }
        for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(hash))
    }
}

/// The line for an event, without its newline.
pub(crate) fn encode(record: &Record, prev: LineHash) -> Result<Vec<u8>, serde_json::Error> {
    let Record { seq, at, task, event } = record;
    serde_json::to_vec(&Written {
        v: VERSION,
        seq: *seq,
        at: *at,
        prev,
        task: task.as_ref(),
        event,
    })
}

/// What a line says of its own place.
pub(crate) fn claim(line: &[u8]) -> Result<Claim, NoClaim> {
    let unreadable = |detail: &str| NoClaim::Unreadable { detail: detail.to_owned(), cut: false };
    let envelope: Envelope<'_> = serde_json::from_slice(line)
        .map_err(|error| NoClaim::Unreadable { detail: reason(&error), cut: error.is_eof() })?;
    if envelope.v != VERSION {
        return Err(NoClaim::Version(envelope.v));
    }
    let seq = envelope.seq.ok_or_else(|| unreadable("it has no `seq`"))?;
    let prev = envelope.prev.ok_or_else(|| unreadable("it has no `prev`"))?;
    Ok(Claim { seq, prev: LineHash::parse(&prev) })
}

/// The record in a line whose place was checked.
pub(crate) fn decode(line: &[u8]) -> Result<Record, String> {
    serde_json::from_slice(line).map_err(|error| reason(&error))
}

/// The parser's words without its line number, which is always 1 and would mislead.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line 1 column ") {
        Some((what, column)) => format!("{what}, at byte {column}"),
        None => text,
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for LineHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LineHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a line hash"))
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_one_spelling() {
        let hash = LineHash::of(b"a line");
        let text = hash.to_string();
        assert_eq!(LineHash::parse(&text), Some(hash));
        for wrong in [text.to_uppercase(), format!("{text}0"), text.replace('0', "g"), "".into()] {
            if wrong != text {
                assert_eq!(LineHash::parse(&wrong), None, "{wrong}");
            }
        }
        assert_eq!(LineHash::NONE.to_string(), "0".repeat(64));
    }

    #[test]
    fn a_form_of_the_future_is_named_even_when_all_else_is_different() {
        assert!(matches!(claim(br#"{"v":7,"what":[]}"#), Err(NoClaim::Version(7))));
        assert!(matches!(claim(br#"{"v":1,"seq":"#), Err(NoClaim::Unreadable { cut: true, .. })));
        assert!(matches!(claim(br#"{"v":1}"#), Err(NoClaim::Unreadable { cut: false, .. })));
        assert!(matches!(claim(b"\xff"), Err(NoClaim::Unreadable { cut: false, .. })));
    }
}
