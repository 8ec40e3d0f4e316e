//! `journal.head`: which line was committed last, so that a journal cut or changed at its end shows.
//!
//! It is written after the journal's fdatasync and never synced itself, so it costs one small write
//! a commit. After a power cut it may be older than the journal, which is no fault; it can never be
//! newer, because what it names was durable before it was written.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sha2::Digest;
use sha2::Sha256;

use crate::error::JournalError;
use crate::line::LineHash;

pub(crate) const NAME: &str = "journal.head";

/// The line that was committed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) seq: u64,
    pub(crate) hash: LineHash,
}

/// The open file that keeps it.
#[derive(Debug)]
pub(crate) struct HeadFile(File);

impl Head {
    /// Reads it. None when there is none, or when a power cut left it unreadable: the journal is
    /// then held to its chain alone.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, JournalError> {
        let path = dir.join(NAME);
        match std::fs::read(&path) {
            Ok(bytes) => {
                let head = std::str::from_utf8(&bytes).ok().and_then(Self::parse);
                if head.is_none() && !bytes.is_empty() {
                    tracing::warn!(path = %path.display(), "the journal's head is unreadable");
                }
                Ok(head)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(JournalError::open(&path, error)),
        }
    }

    /// One fixed width, so that each write covers the one before it; the sum tells a torn one.
    fn text(self) -> String {
        let body = format!("1 {:020} {}", self.seq, self.hash);
        let sum = sum(&body);
        format!("{body} {sum}\n")
    }

    fn parse(text: &str) -> Option<Self> {
        let (body, given) = text.strip_suffix('\n')?.rsplit_once(' ')?;
        if given != sum(body) {
            return None;
        }
        let mut parts = body.strip_prefix("1 ")?.split(' ');
        let head = Self { seq: parts.next()?.parse().ok()?, hash: LineHash::parse(parts.next()?)? };
        parts.next().is_none().then_some(head)
    }
}

impl HeadFile {
    pub(crate) fn open(dir: &Path) -> Result<Self, JournalError> {
        let path = dir.join(NAME);
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map(Self)
            .map_err(|error| JournalError::open(&path, error))
    }

    pub(crate) fn write(&self, head: Head) -> io::Result<()> {
        self.0.write_all_at(head.text().as_bytes(), 0)
    }
}

fn sum(body: &str) -> String {
    format!("{:x}", Sha256::digest(body)).chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_reads_back_and_a_torn_one_is_none() {
        let old = Head { seq: 9, hash: LineHash::of(b"9") };
        let new = Head { seq: u64::MAX, hash: LineHash::of(b"10") };
        assert_eq!(Head::parse(&new.text()), Some(new));
        assert_eq!(old.text().len(), new.text().len());
        for at in 1..new.text().len() - 1 {
            let torn: String =
                new.text().chars().take(at).chain(old.text().chars().skip(at)).collect();
            let read = Head::parse(&torn);
            assert!(read.is_none() || torn == old.text() || torn == new.text(), "{torn}");
        }
    }
}
