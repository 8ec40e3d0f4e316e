//! Following the chain of a journal from its first line, without changing anything.

use std::fs::File;
use std::io;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;

use gatepost_domain::Record;
use serde::Deserialize;
use serde::Serialize;

use crate::error::Damage;
use crate::error::JournalError;
use crate::head::Head;
use crate::line;
use crate::line::Claim;
use crate::line::LineHash;
use crate::line::MAX_LINE;
use crate::line::NoClaim;

/// A last line that is not whole. A crash leaves one that was never acknowledged to anyone; one that
/// was committed is cut off as well, and told apart so that somebody looks at the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torn {
    /// Which line, from 1.
    pub line: u64,
    /// How many bytes of it there are.
    pub bytes: u64,
    /// Whether it had been committed: then it was whole once, and something cut the file since.
    pub committed: bool,
}

/// What a whole journal holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many records; also the number of the last one.
    pub records: u64,
    /// The hash of the last line; 64 zeros when there is none.
    pub last_hash: LineHash,
    /// An unfinished last line, which the next start cuts off.
    pub torn: Option<Torn>,
}

/// One line that the chain holds.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) record: Record,
    /// The line without its newline.
    pub(crate) line: Vec<u8>,
}

/// Where the chain stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The number of the last line; lines are numbered as records are.
    pub(crate) seq: u64,
    /// Where the next line begins.
    pub(crate) end: u64,
    /// The hash of the last line.
    pub(crate) hash: LineHash,
}

/// Walks the lines in order and stops at the first that does not fit.
#[derive(Debug)]
pub(crate) struct Chain {
    path: PathBuf,
    input: BufReader<File>,
    head: Option<Head>,
    place: Place,
    torn: Option<Torn>,
    over: bool,
}

enum Raw {
    Line(Vec<u8>),
    Cut(Vec<u8>),
    End,
}

impl Place {
    pub(crate) const START: Self = Self { seq: 0, end: 0, hash: LineHash::NONE };
}

/// The records of a journal in order, each checked against the one before it; an unfinished last
/// line is left out.
///
/// # Errors
/// When the file cannot be opened. Damage comes as the last item.
pub fn read(
    path: &Path,
) -> Result<impl Iterator<Item = Result<Record, JournalError>> + use<>, JournalError> {
    Ok(Chain::open(path)?.map(|link| link.map(|link| link.record)))
}

/// Checks every line of a journal; changes nothing and takes no lock.
///
/// # Errors
/// [`JournalError::Damaged`] names the first line that is not what was written.
pub fn verify(path: &Path) -> Result<Verified, JournalError> {
    let mut chain = Chain::open(path)?;
    for link in &mut chain {
        link?;
    }
    Ok(chain.verified())
}

impl Chain {
    pub(crate) fn open(path: &Path) -> Result<Self, JournalError> {
        // The head first: it may only be older than what is read after it.
        let head = match path.parent() {
            Some(dir) => Head::read(dir)?,
            None => None,
        };
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => JournalError::Missing { path: path.to_owned() },
            _ => JournalError::open(path, error),
        })?;
        Ok(Self::over(path, file, head))
    }

    /// Over an open file, from its first byte.
    pub(crate) fn over(path: &Path, file: File, head: Option<Head>) -> Self {
        Self::resume(path, file, head, Place::START)
    }

    /// Over an open file that stands at `place`, whose line was verified before.
    pub(crate) fn resume(path: &Path, file: File, head: Option<Head>, place: Place) -> Self {
        Self {
            path: path.to_owned(),
            input: BufReader::with_capacity(64 << 10, file),
            head,
            place,
            torn: None,
            over: false,
        }
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    pub(crate) fn verified(&self) -> Verified {
        Verified { records: self.place.seq, last_hash: self.place.hash, torn: self.torn }
    }

    fn step(&mut self) -> Result<Option<Link>, JournalError> {
        let number = self.place.seq.saturating_add(1);
        let line = match self.raw(number)? {
            Raw::Line(line) => line,
            Raw::Cut(rest) => return self.cut(&rest),
            Raw::End => return self.end(None),
        };
        let claim = match line::claim(&line) {
            Ok(claim) => claim,
            Err(NoClaim::Version(version)) => {
                return Err(JournalError::UnknownVersion {
                    path: self.path.clone(),
                    line: number,
                    version,
                });
            }
            Err(NoClaim::Unreadable { cut: true, .. }) if self.at_end()? => {
                return self.end(Some(byte_count(&line).saturating_add(1)));
            }
            Err(NoClaim::Unreadable { detail, .. }) => {
                return Err(self.damage(number, Damage::Unreadable { detail }));
            }
        };
        if claim.seq != number {
            let damage = Damage::WrongNumber { expected: number, found: claim.seq };
            return Err(self.damage(number, damage));
        }
        let hash = LineHash::of(&line);
        if claim.prev != Some(self.place.hash) {
            return Err(self.blame(number, &claim, hash)?);
        }
        let record = line::decode(&line)
            .map_err(|detail| self.damage(number, Damage::Unreadable { detail }))?;
        if self.head.is_some_and(|head| head.seq == number && head.hash != hash) {
            return Err(self.damage(number, Damage::NotTheCommitted));
        }
        let end = self.place.end.saturating_add(byte_count(&line)).saturating_add(1);
        self.place = Place { seq: number, end, hash };
        Ok(Some(Link { record, line }))
    }

    /// The file ends within a line. It is torn, whoever tore it, even when it was committed: but
    /// not when all of it is there and only its newline was changed.
    fn cut(&mut self, rest: &[u8]) -> Result<Option<Link>, JournalError> {
        let next = self.place.seq.saturating_add(1);
        let all_but_one = rest.split_last().map(|(_, line)| LineHash::of(line));
        match self.head {
            Some(head) if head.seq == next && all_but_one != Some(head.hash) => {
                let bytes = byte_count(rest);
                self.torn = Some(Torn { line: next, bytes, committed: true });
                Ok(None)
            }
            Some(_) | None => self.end(Some(byte_count(rest))),
        }
    }

    fn end(&mut self, torn: Option<u64>) -> Result<Option<Link>, JournalError> {
        let next = self.place.seq.saturating_add(1);
        if let Some(head) = self.head
            && head.seq >= next
        {
            return Err(self.damage(next, Damage::Gone { committed: head.seq }));
        }
        self.torn = torn.map(|bytes| Torn { line: next, bytes, committed: false });
        Ok(None)
    }

    /// Two lines disagree; the line after them, or the head, says which of the two was changed.
    fn blame(
        &mut self,
        number: u64,
        claim: &Claim,
        hash: LineHash,
    ) -> Result<JournalError, JournalError> {
        let vouched = match self.raw(number.saturating_add(1))? {
            Raw::Line(next) => line::claim(&next).is_ok_and(|next| next.prev == Some(hash)),
            // Nothing vouches for a last line without a head; an event is far longer than the hash
            // beside it, so the line before is the likelier one.
            Raw::Cut(_) | Raw::End => {
                self.head.is_none_or(|head| head.seq != number || head.hash == hash)
            }
        };
        Ok(if number > 1 && vouched && claim.prev.is_some() {
            self.damage(number.saturating_sub(1), Damage::Changed)
        } else {
            self.damage(number, Damage::WrongPrevious)
        })
    }

    fn raw(&mut self, number: u64) -> Result<Raw, JournalError> {
        let mut line = Vec::new();
        let limit = u64::try_from(MAX_LINE).unwrap_or(u64::MAX).saturating_add(1);
        let read = (&mut self.input)
            .take(limit)
            .read_until(b'\n', &mut line)
            .map_err(|error| JournalError::open(&self.path, error))?;
        if read == 0 {
            Ok(Raw::End)
        } else if line.pop_if(|last| *last == b'\n').is_some() {
            Ok(Raw::Line(line))
        } else if read > MAX_LINE {
            let detail = format!("it is longer than {MAX_LINE} bytes");
            Err(self.damage(number, Damage::Unreadable { detail }))
        } else {
            Ok(Raw::Cut(line))
        }
    }

    fn at_end(&mut self) -> Result<bool, JournalError> {
        let rest = self.input.fill_buf().map_err(|error| JournalError::open(&self.path, error))?;
        Ok(rest.is_empty())
    }

    fn damage(&self, line: u64, damage: Damage) -> JournalError {
        JournalError::damaged(&self.path, line, damage)
    }
}

impl Iterator for Chain {
    type Item = Result<Link, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let step = self.step().transpose();
        self.over = !matches!(step, Some(Ok(_)));
        step
    }
}

fn byte_count(line: &[u8]) -> u64 {
    u64::try_from(line.len()).unwrap_or(u64::MAX)
}
