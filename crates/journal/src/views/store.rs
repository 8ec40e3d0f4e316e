//! The one place that names sled: rows, index and place in one tree, written in one batch.
//!
//! One tree, because a sled batch is atomic only within a tree. Keys:
//!
//! | key | value |
//! |---|---|
//! | `m` | form, place reached and where its last line is (json) |
//! | `t` task | the task and how many records it has (json) |
//! | `r` task seq | offset and length of the record's line in the journal |
//! | `n` seq | the same for a chat adapter's note that belongs to no task |

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use gatepost_domain::Event;
use gatepost_domain::Record;
use gatepost_domain::TaskId;
use gatepost_domain::lifecycle::Task;
use serde::Deserialize;
use serde::Serialize;

use crate::chain::Place;

/// Raised when a row or the index changes its form; older views are then made anew.
const FORM: u32 = 3;

/// Everything of a small installation fits; sled's own default is a gigabyte.
const CACHE_BYTES: u64 = 4 << 20;

/// How far the views may lag on the disk. The journal makes up for the rest, so this is only about
/// not replaying much after a crash, and not waking an idle machine often.
const FLUSH_EVERY_MS: u64 = 5_000;

/// sled gives its lock back from a thread of its own a moment after it was closed.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

const META: &[u8] = b"m";
const TASK: u8 = b't';
const RECORD: u8 = b'r';
const NOTE: u8 = b'n';

/// Open views.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) path: PathBuf,
    db: sled::Db,
}

/// A task and how many records the index has of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) records: u64,
    pub(super) task: Task,
}

/// Where a record's line is, without its newline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Index {
    pub(super) offset: u64,
    pub(super) length: u32,
}

/// How far the views came.
#[derive(Debug)]
pub(super) enum Applied {
    Nothing,
    OtherForm,
    /// The place, and where its last line is.
    Through(Place, Index),
}

/// Why the views cannot be used.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The disk or the rights on it; making them anew would not help.
    Io(io::Error),
    /// Their content; making them anew helps.
    Damaged(String),
}

#[derive(Serialize, Deserialize)]
struct Meta {
    form: u32,
    #[serde(default)]
    place: Option<Place>,
    #[serde(default)]
    last: Option<Index>,
}

impl Index {
    /// No line at all.
    pub(super) const NONE: Self = Self { offset: 0, length: 0 };

    fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        let (offset, length) = bytes.split_at_mut(8);
        offset.copy_from_slice(&self.offset.to_be_bytes());
        length.copy_from_slice(&self.length.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (offset, length) = bytes.split_first_chunk::<8>()?;
        Some(Self {
            offset: u64::from_be_bytes(*offset),
            length: u32::from_be_bytes(length.try_into().ok()?),
        })
    }
}

impl Store {
    pub(super) fn open(path: &Path) -> Result<Self, Trouble> {
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(CACHE_BYTES)
            .mode(sled::Mode::LowSpace)
            .flush_every_ms(Some(FLUSH_EVERY_MS));
        let mut tries = 0;
        let db = loop {
            match guarded(|| config.open()) {
                Err(Trouble::Io(error)) if is_lock(&error) && tries < LOCK_TRIES => {
                    tries += 1;
                    std::thread::sleep(LOCK_PAUSE);
                }
                opened => break opened?,
            }
        };
        Ok(Self { path: path.to_owned(), db })
    }

    /// Reads everything once: every row must decode, every index entry must lie in the journal, and
    /// each task must have as many entries as its row says.
    pub(super) fn check(&self) -> Result<Applied, Trouble> {
        let Some(meta) = guarded(|| self.db.get(META))? else {
            return if guarded(|| self.db.iter().next().transpose())?.is_none() {
                Ok(Applied::Nothing)
            } else {
                Err(damaged("they do not say how far they came"))
            };
        };
        let meta: Meta = decode(&meta)?;
        if meta.form != FORM {
            return Ok(Applied::OtherForm);
        }
        let (Some(place), Some(last)) = (meta.place, meta.last) else {
            return Err(damaged("they do not say how far they came"));
        };
        let mut missing: BTreeMap<TaskId, u64> =
            self.rows()?.into_iter().map(|row| (row.task.id().clone(), row.records)).collect();
        guarded(|| {
            for entry in self.db.scan_prefix([RECORD]) {
                let (key, value) = entry?;
                let known = Index::from_bytes(&value)
                    .filter(|index| {
                        index.offset.saturating_add(u64::from(index.length)) < place.end
                    })
                    .and_then(|_| record_of_key(&key))
                    .filter(|(_, seq)| *seq <= place.seq)
                    .and_then(|(id, _)| missing.get_mut(&id))
                    .and_then(|count| count.checked_sub(1).map(|less| *count = less));
                if known.is_none() {
                    return Ok(false);
                }
            }
            Ok(missing.values().all(|count| *count == 0))
        })?
        .then_some(Applied::Through(place, last))
        .ok_or_else(|| damaged("a task and the index of its records disagree"))
    }

    pub(super) fn rows(&self) -> Result<Vec<Row>, Trouble> {
        let values: Vec<_> = guarded(|| self.db.scan_prefix([TASK]).collect())?;
        values
            .iter()
            .map(|(key, value): &(sled::IVec, sled::IVec)| {
                let row: Row = decode(value)?;
                if task_key(row.task.id()) == **key {
                    Ok(row)
                } else {
                    Err(damaged("a task has another's place"))
                }
            })
            .collect()
    }

    pub(super) fn row(&self, id: &TaskId) -> Result<Option<Row>, Trouble> {
        guarded(|| self.db.get(task_key(id)))?.map(|value| decode(&value)).transpose()
    }

    pub(super) fn records(&self, id: &TaskId) -> Result<Vec<(u64, Index)>, Trouble> {
        let entries: Vec<_> = guarded(|| self.db.scan_prefix(record_prefix(id)).collect())?;
        entries
            .iter()
            .map(|(key, value): &(sled::IVec, sled::IVec)| {
                let (_, seq) = record_of_key(key)?;
                Some((seq, Index::from_bytes(value)?))
            })
            .map(|entry| entry.ok_or_else(|| damaged("the index of records cannot be read")))
            .collect()
    }

    pub(super) fn notes(&self) -> Result<Vec<(u64, Index)>, Trouble> {
        let entries: Vec<_> = guarded(|| self.db.scan_prefix([NOTE]).collect())?;
        entries
            .iter()
            .map(|(key, value): &(sled::IVec, sled::IVec)| {
                let (_, seq) = key.split_last_chunk::<8>()?;
                Some((u64::from_be_bytes(*seq), Index::from_bytes(value)?))
            })
            .map(|entry| entry.ok_or_else(|| damaged("the index of notes cannot be read")))
            .collect()
    }

    /// Everything in one batch: after a crash all of it is there, or none.
    pub(super) fn write(
        &self,
        rows: &BTreeMap<TaskId, Row>,
        index: &[(Record, Index)],
        place: Place,
        last: Index,
    ) -> Result<(), Trouble> {
        let mut batch = sled::Batch::default();
        for (id, row) in rows {
            batch.insert(task_key(id), encode(row)?);
        }
        for (record, at) in index {
            let seq = record.seq.to_be_bytes();
            match (&record.task, &record.event) {
                (Some(id), _) => {
                    let key = [record_prefix(id).as_slice(), &seq].concat();
                    batch.insert(key, &at.to_bytes());
                }
                (None, Event::ChatNoted { .. }) => {
                    batch.insert([&[NOTE], seq.as_slice()].concat(), &at.to_bytes());
                }
                (None, _) => {}
            }
        }
        let meta = Meta { form: FORM, place: Some(place), last: Some(last) };
        batch.insert(META, encode(&meta)?);
        guarded(|| self.db.apply_batch(batch))
    }

    /// Closes views that failed; sled may panic even then, when it cannot reach the disk.
    pub(super) fn close(self) {
        if let Err(trouble) = guarded(|| {
            drop(self.db);
            Ok(())
        }) {
            tracing::warn!(?trouble, "the views did not close in order");
        }
    }

    pub(super) fn flush(&self) -> Result<(), Trouble> {
        guarded(|| self.db.flush()).map(|_bytes| ())
    }
}

/// Runs a call into sled, which panics on some kinds of damage where it should return an error.
fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, Trouble> {
    // Nothing of ours is left half-changed by a panic inside; after one the database is not used.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(sort(error)),
        Err(panic) => Err(Trouble::Damaged(words(&*panic))),
    }
}

fn sort(error: sled::Error) -> Trouble {
    match error {
        sled::Error::Io(error) => match error.kind() {
            // Damage makes sled read where nothing is.
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::NotFound => Trouble::Damaged(error.to_string()),
            io::ErrorKind::Other if !is_lock(&error) => Trouble::Damaged(error.to_string()),
            _ => Trouble::Io(error),
        },
        sled::Error::Corruption { .. }
        | sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_) => Trouble::Damaged(error.to_string()),
    }
}

fn is_lock(error: &io::Error) -> bool {
    // sled gives no kind of its own to this.
    error.to_string().contains("could not acquire lock")
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("sled gave up");
    text.chars().take(200).collect()
}

fn damaged(detail: &str) -> Trouble {
    Trouble::Damaged(detail.to_owned())
}

fn decode<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Result<T, Trouble> {
    serde_json::from_slice(value).map_err(|error| Trouble::Damaged(error.to_string()))
}

fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Trouble> {
    serde_json::to_vec(value).map_err(|error| Trouble::Damaged(error.to_string()))
}

fn task_key(id: &TaskId) -> Vec<u8> {
    [&[TASK], id.as_str().as_bytes()].concat()
}

/// Ids have one length, so no prefix is the beginning of another.
fn record_prefix(id: &TaskId) -> Vec<u8> {
    [&[RECORD], id.as_str().as_bytes()].concat()
}

fn record_of_key(key: &[u8]) -> Option<(TaskId, u64)> {
    let (prefix, seq) = key.split_last_chunk::<8>()?;
    let id = std::str::from_utf8(prefix.strip_prefix(&[RECORD])?).ok()?;
    Some((id.parse().ok()?, u64::from_be_bytes(*seq)))
}
