//! What is derived from the journal, kept in sled so that a start does not replay everything.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::io::Seek;
use std::io::SeekFrom;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;

use gatepost_domain::Record;
use gatepost_domain::TaskId;
use gatepost_domain::lifecycle;
use gatepost_domain::lifecycle::Task;

use crate::chain::Chain;
use crate::chain::Link;
use crate::chain::Place;
use crate::error::JournalError;
use crate::file::Journal;
use crate::line;
use crate::line::LineHash;
use crate::line::MAX_LINE;

mod store;

use store::Applied;
use store::Index;
use store::Row;
use store::Store;
use store::Trouble;

pub(crate) const NAME: &str = "views";

/// Records folded into one batch while catching up; bounds the memory, not the meaning.
const CATCH_UP: usize = 512;

/// Tasks as their records left them, and where each task's records are.
///
/// sled writes in the background every few seconds and is never waited for: what a crash takes from
/// it is caught up from the journal at the next start. [`Views::flush`] is for a clean end.
#[derive(Debug)]
pub struct Views {
    dir: PathBuf,
    journal: PathBuf,
    file: File,
    state: State,
}

#[derive(Debug)]
enum State {
    Open(Store, Place),
    /// sled failed; the next [`Views::apply`] opens it again.
    Closed,
}

/// What opening the views took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViewsNote {
    /// They were as the journal has it.
    Current,
    /// They were older than the journal by so many records.
    CaughtUp {
        /// How many.
        records: u64,
    },
    /// They were made anew from the whole journal.
    Rebuilt {
        /// Why.
        why: Rebuild,
        /// From how many records.
        records: u64,
    },
}

/// Why the views were made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebuild {
    /// There were none.
    Missing,
    /// Another version of Gatepost made them.
    OtherForm,
    /// They were made from other lines than the journal has.
    OtherJournal,
    /// They could not be read.
    Damaged {
        /// Where they were moved.
        moved_to: PathBuf,
        /// How it showed.
        detail: String,
    },
}

/// Opened and checked, or why they must be made anew.
enum Found {
    Usable(Store, Place),
    Useless(Rebuild),
    Damaged(String),
}

impl Views {
    /// Opens the views in `dir` and brings them to where `journal` is, whatever state they are in.
    ///
    /// # Errors
    /// The disk, or a journal whose events do not follow from each other. Damaged views are no
    /// error: they are moved aside, the note says where, and made anew.
    pub fn open(dir: &Path, journal: &Journal) -> Result<(Self, ViewsNote), JournalError> {
        let path = journal.path();
        let file = File::open(path).map_err(|error| JournalError::open(path, error))?;
        let mut views =
            Self { dir: dir.join(NAME), journal: path.to_owned(), file, state: State::Closed };
        let note = views.reopen(journal.place().seq)?;
        Ok((views, note))
    }

    /// Folds committed records into the views, in one batch with the place reached.
    ///
    /// Records the views have already are skipped, and records missing before the first are read
    /// from the journal: after a failed call the next one catches up.
    ///
    /// # Errors
    /// The views could not be written. The journal is not touched by that; go on and try again with
    /// the next records.
    pub fn apply(&mut self, records: &[Record]) -> Result<(), JournalError> {
        let Some(last) = records.last() else { return Ok(()) };
        if matches!(self.state, State::Closed) {
            let note = self.reopen(last.seq)?;
            tracing::info!(%note, "the views are open again");
        }
        let result = self.advance(last.seq);
        if matches!(result, Err(JournalError::ViewsIo { .. } | JournalError::ViewsDamaged { .. })) {
            self.state = State::Closed;
        }
        result
    }

    /// All tasks.
    ///
    /// # Errors
    /// The views cannot be read.
    pub fn tasks(&self) -> Result<Vec<Task>, JournalError> {
        let (store, _) = self.store()?;
        let rows = store.rows().map_err(|trouble| self.trouble(trouble))?;
        Ok(rows.into_iter().map(|row| row.task).collect())
    }

    /// One task.
    ///
    /// # Errors
    /// The views cannot be read.
    pub fn task(&self, id: &TaskId) -> Result<Option<Task>, JournalError> {
        let (store, _) = self.store()?;
        let row = store.row(id).map_err(|trouble| self.trouble(trouble))?;
        Ok(row.map(|row| row.task))
    }

    /// Everything the journal holds about a task, in order; nothing when it knows no such task.
    ///
    /// # Errors
    /// The views or the journal cannot be read, or do not agree.
    pub fn records_of(&self, id: &TaskId) -> Result<Vec<Record>, JournalError> {
        let (store, _) = self.store()?;
        let index = store.records(id).map_err(|trouble| self.trouble(trouble))?;
        index.into_iter().map(|(seq, index)| self.record(Some(id), seq, index)).collect()
    }

    /// Every record of a chat adapter's notes that belongs to no task, in order.
    ///
    /// # Errors
    /// The views or the journal cannot be read, or do not agree.
    pub fn notes(&self) -> Result<Vec<Record>, JournalError> {
        let (store, _) = self.store()?;
        let index = store.notes().map_err(|trouble| self.trouble(trouble))?;
        index.into_iter().map(|(seq, index)| self.record(None, seq, index)).collect()
    }

    /// The number of the last record the views hold.
    #[must_use]
    pub fn seq(&self) -> u64 {
        match &self.state {
            State::Open(_, place) => place.seq,
            State::Closed => 0,
        }
    }

    /// Writes everything to the disk, for a clean end; it would be caught up otherwise.
    ///
    /// # Errors
    /// The views cannot be written.
    pub fn flush(&self) -> Result<(), JournalError> {
        let (store, _) = self.store()?;
        store.flush().map_err(|trouble| self.trouble(trouble))
    }

    fn close(&mut self) {
        if let State::Open(store, _) = std::mem::replace(&mut self.state, State::Closed) {
            store.close();
        }
    }

    /// Opens what is there, or makes it anew, and folds everything up to record `target`.
    fn reopen(&mut self, target: u64) -> Result<ViewsNote, JournalError> {
        let found = self.find(target)?;
        let (store, place, why) = match found {
            Found::Usable(store, place) => (store, place, None),
            Found::Useless(why) => {
                if let Err(error) = std::fs::remove_dir_all(&self.dir)
                    && error.kind() != io::ErrorKind::NotFound
                {
                    return Err(self.io_error(error));
                }
                (self.create()?, Place::START, Some(why))
            }
            Found::Damaged(detail) => {
                let moved_to = self.move_aside(target)?;
                let why = Rebuild::Damaged { moved_to, detail };
                (self.create()?, Place::START, Some(why))
            }
        };
        self.state = State::Open(store, place);
        let records = target.saturating_sub(place.seq);
        if let Err(error) = self.advance(target) {
            self.close();
            return Err(error);
        }
        Ok(match why {
            Some(why) => ViewsNote::Rebuilt { why, records },
            None if records == 0 => ViewsNote::Current,
            None => ViewsNote::CaughtUp { records },
        })
    }

    /// What is in the directory, checked against itself and against the journal.
    fn find(&self, target: u64) -> Result<Found, JournalError> {
        match std::fs::symlink_metadata(&self.dir) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Ok(Found::Damaged("there is no directory".into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Found::Useless(Rebuild::Missing));
            }
            Err(error) => return Err(self.io_error(error)),
        }
        let opened = Store::open(&self.dir).and_then(|store| {
            let applied = store.check()?;
            Ok((store, applied))
        });
        match opened {
            Ok((_, Applied::Nothing)) => Ok(Found::Useless(Rebuild::Missing)),
            Ok((_, Applied::OtherForm)) => Ok(Found::Useless(Rebuild::OtherForm)),
            Ok((store, Applied::Through(place, last))) => {
                // The hash of one line stands for all lines before it.
                if place.seq <= target && self.hash_at(last)? == Some(place.hash) {
                    Ok(Found::Usable(store, place))
                } else {
                    Ok(Found::Useless(Rebuild::OtherJournal))
                }
            }
            Err(Trouble::Io(error)) => Err(self.io_error(error)),
            Err(Trouble::Damaged(detail)) => Ok(Found::Damaged(detail)),
        }
    }

    fn create(&self) -> Result<Store, JournalError> {
        Store::open(&self.dir).map_err(|trouble| self.trouble(trouble))
    }

    fn move_aside(&self, target: u64) -> Result<PathBuf, JournalError> {
        let mut free = self.dir.with_file_name(format!("{NAME}.damaged-{target}"));
        let mut count = 2_u32;
        while free.exists() {
            free = self.dir.with_file_name(format!("{NAME}.damaged-{target}-{count}"));
            count = count.saturating_add(1);
        }
        std::fs::rename(&self.dir, &free).map_err(|error| self.io_error(error))?;
        Ok(free)
    }

    /// Folds the journal's records from where the views are up to record `target`.
    fn advance(&mut self, target: u64) -> Result<(), JournalError> {
        let State::Open(store, place) = &mut self.state else {
            return Ok(());
        };
        if place.seq >= target {
            return Ok(());
        }
        let open_error = |error| JournalError::open(&self.journal, error);
        let mut file = self.file.try_clone().map_err(open_error)?;
        file.seek(SeekFrom::Start(place.end)).map_err(open_error)?;
        let mut chain = Chain::resume(&self.journal, file, None, *place);
        let trouble = |trouble| views_error(&self.dir, trouble);
        while place.seq < target {
            let mut fold = Fold { store, journal: &self.journal, rows: BTreeMap::new() };
            let mut index = Vec::new();
            let mut last = Index::NONE;
            while index.len() < CATCH_UP && chain.place().seq < target {
                let offset = chain.place().end;
                let seq = chain.place().seq.saturating_add(1);
                let Link { record, line } =
                    chain.next().ok_or(JournalError::NotCommitted { seq })??;
                let length = u32::try_from(line.len()).unwrap_or(u32::MAX);
                last = Index { offset, length };
                fold.record(&record)?;
                index.push((record, last));
            }
            let rows = fold.rows;
            store.write(&rows, &index, chain.place(), last).map_err(trouble)?;
            *place = chain.place();
        }
        Ok(())
    }

    fn hash_at(&self, index: Index) -> Result<Option<LineHash>, JournalError> {
        if index == Index::NONE {
            return Ok(Some(LineHash::NONE));
        }
        Ok(self.line(index)?.map(|line| LineHash::of(&line)))
    }

    /// The bytes of one line; none when the file has no line of that length there.
    fn line(&self, index: Index) -> Result<Option<Vec<u8>>, JournalError> {
        let length = usize::try_from(index.length).unwrap_or(usize::MAX);
        if length > MAX_LINE {
            return Ok(None);
        }
        let mut line = vec![0; length];
        match self.file.read_exact_at(&mut line, index.offset) {
            Ok(()) => Ok(Some(line)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(JournalError::open(&self.journal, error)),
        }
    }

    fn record(&self, id: Option<&TaskId>, seq: u64, index: Index) -> Result<Record, JournalError> {
        let line = self.line(index)?.unwrap_or_default();
        match line::decode(&line) {
            Ok(record) if record.seq == seq && record.task.as_ref() == id => Ok(record),
            Ok(_) | Err(_) => Err(JournalError::ViewsDamaged {
                path: self.dir.clone(),
                detail: format!("record {seq} is not where they say"),
            }),
        }
    }

    fn store(&self) -> Result<(&Store, Place), JournalError> {
        match &self.state {
            State::Open(store, place) => Ok((store, *place)),
            State::Closed => Err(JournalError::ViewsDamaged {
                path: self.dir.clone(),
                detail: "they failed before".into(),
            }),
        }
    }

    fn trouble(&self, trouble: Trouble) -> JournalError {
        views_error(&self.dir, trouble)
    }

    fn io_error(&self, source: io::Error) -> JournalError {
        JournalError::ViewsIo { path: self.dir.clone(), source }
    }
}

/// The tasks a batch touches, as far as it is folded.
struct Fold<'a> {
    store: &'a Store,
    journal: &'a Path,
    rows: BTreeMap<TaskId, Row>,
}

impl Fold<'_> {
    fn record(&mut self, record: &Record) -> Result<(), JournalError> {
        let Some(id) = &record.task else { return Ok(()) };
        let illegal = |source| JournalError::Illegal {
            path: self.journal.to_owned(),
            line: record.seq,
            source,
        };
        if !self.rows.contains_key(id) {
            let row =
                self.store.row(id).map_err(|trouble| views_error(&self.store.path, trouble))?;
            if let Some(row) = row {
                self.rows.insert(id.clone(), row);
            }
        }
        match self.rows.get_mut(id) {
            Some(row) => {
                row.task.apply(&record.event, record.at).map_err(illegal)?;
                row.records = row.records.saturating_add(1);
            }
            None => {
                let born = lifecycle::replay(id, [(&record.event, record.at)]).map_err(illegal)?;
                if let Some(task) = born {
                    self.rows.insert(id.clone(), Row { records: 1, task });
                }
            }
        }
        Ok(())
    }
}

fn views_error(dir: &Path, trouble: Trouble) -> JournalError {
    match trouble {
        Trouble::Io(source) => JournalError::ViewsIo { path: dir.to_owned(), source },
        Trouble::Damaged(detail) => JournalError::ViewsDamaged { path: dir.to_owned(), detail },
    }
}

impl fmt::Display for ViewsNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current => f.write_str("the views are current"),
            Self::CaughtUp { records } => {
                write!(f, "the views were caught up by {records} records of the journal")
            }
            Self::Rebuilt { why, records } => {
                write!(f, "the views were made anew from {records} records of the journal: {why}")
            }
        }
    }
}

impl fmt::Display for Rebuild {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there were none"),
            Self::OtherForm => f.write_str("another version made the old ones"),
            Self::OtherJournal => f.write_str("the old ones belong to another journal"),
            Self::Damaged { moved_to, detail } => {
                write!(
                    f,
                    "the old ones were damaged ({detail}) and are kept in `{}`; delete that at will",
                    moved_to.display()
                )
            }
        }
    }
}
