//! The open journal: appending, committing, and taking a failed commit back.

use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::fs::Permissions;
use std::fs::TryLockError;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use gatepost_domain::Event;
use gatepost_domain::Record;
use gatepost_domain::TaskId;
use jiff::Timestamp;

use crate::chain::Chain;
use crate::chain::Place;
use crate::chain::Torn;
use crate::error::JournalError;
use crate::head::Head;
use crate::head::HeadFile;
use crate::line;
use crate::line::LineHash;
use crate::line::MAX_LINE;

pub(crate) const NAME: &str = "journal.jsonl";

/// A process that was just killed may hold the lock a moment longer, until its children are gone.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// A buffer that grew for a large batch is given back.
const KEPT_BUFFER: usize = 256 << 10;

/// The journal of one data directory, open for appending by this process alone.
///
/// INVARIANT (durable): a record is believed once [`Journal::commit`] returned `Ok` after it was
/// appended, and never before.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    head: HeadFile,
    /// What is durable.
    committed: Place,
    /// What is durable and what is appended since.
    appended: Place,
    pending: Vec<u8>,
    health: Health,
}

/// What opening found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// How many records there are; also the number of the last one.
    pub records: u64,
    /// An unfinished last line that was cut off.
    pub torn: Option<Torn>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Sound,
    /// The end of the file is not known.
    Poisoned,
}

impl Journal {
    /// Opens the journal in `dir`, making both when they are missing, and checks every line.
    ///
    /// # Errors
    /// [`JournalError::Locked`] when another process has it, [`JournalError::Damaged`] with the
    /// first bad line, [`JournalError::Open`] when it cannot be read or written.
    pub fn open(dir: &Path) -> Result<(Self, Opened), JournalError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| JournalError::open(dir, error))?;
        let path = dir.join(NAME);
        let open_error = |error| JournalError::open(&path, error);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(open_error)?;
        lock(&file, &path)?;
        let meta = file.metadata().map_err(open_error)?;
        if meta.permissions().mode() & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(0o600)).map_err(open_error)?;
        }

        let head = Head::read(dir)?;
        let input = file.try_clone().map_err(open_error)?;
        let mut chain = Chain::over(&path, input, head);
        for link in &mut chain {
            link?;
        }
        let place = chain.place();
        let torn = chain.verified().torn;
        if torn.is_some() {
            let cut = file.set_len(place.end).and_then(|()| file.sync_data());
            cut.map_err(|error| JournalError::write(&path, error))?;
        }

        let head_file = HeadFile::open(dir)?;
        if meta.len() == 0 {
            // The names must survive a power cut as the lines do.
            File::open(dir)
                .and_then(|dir| dir.sync_all())
                .map_err(|error| JournalError::open(dir, error))?;
        }
        let journal = Self {
            path,
            file,
            head: head_file,
            committed: place,
            appended: place,
            pending: Vec::new(),
            health: Health::Sound,
        };
        if place.seq > 0 {
            journal.note_head();
        }
        Ok((journal, Opened { records: place.seq, torn }))
    }

    /// Numbers an event and puts it behind those appended before. It is lost unless
    /// [`Journal::commit`] follows.
    ///
    /// # Errors
    /// The event is larger than a line may be, or the journal is poisoned; what was appended before
    /// still waits for its commit.
    pub fn append(
        &mut self,
        at: Timestamp,
        task: Option<&TaskId>,
        event: Event,
    ) -> Result<Record, JournalError> {
        self.check_health()?;
        let seq = self.appended.seq.saturating_add(1);
        let record = Record { seq, at, task: task.cloned(), event };
        let line = line::encode(&record, self.appended.hash).map_err(JournalError::Encode)?;
        if line.len() > MAX_LINE {
            return Err(JournalError::TooLong { bytes: line.len() });
        }
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let end = self.appended.end.saturating_add(length).saturating_add(1);
        self.appended = Place { seq, end, hash: LineHash::of(&line) };
        self.pending.extend_from_slice(&line);
        self.pending.push(b'\n');
        Ok(record)
    }

    /// Makes everything appended durable, with one write and one fdatasync.
    ///
    /// # Errors
    /// Then nothing that was appended since the last commit is recorded, and all of it is
    /// forgotten: the caller must not act on it, and may append again.
    pub fn commit(&mut self) -> Result<(), JournalError> {
        self.check_health()?;
        if self.pending.is_empty() {
            return Ok(());
        }
        let written = self
            .file
            .write_all_at(&self.pending, self.committed.end)
            .and_then(|()| self.file.sync_data());
        self.pending.clear();
        self.pending.shrink_to(KEPT_BUFFER);
        match written {
            Ok(()) => {
                self.committed = self.appended;
                self.note_head();
                Ok(())
            }
            Err(error) => {
                self.take_back();
                Err(JournalError::write(&self.path, error))
            }
        }
    }

    /// Forgets everything appended since the last commit.
    pub fn discard(&mut self) {
        self.pending.clear();
        self.appended = self.committed;
    }

    /// The number of the last committed record; 0 when there is none.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.committed.seq
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn place(&self) -> Place {
        self.committed
    }

    /// The file goes back to its last whole line, durably: what was reported as not recorded must
    /// not be there after a power cut either.
    fn take_back(&mut self) {
        self.appended = self.committed;
        let back = self.file.set_len(self.committed.end).and_then(|()| self.file.sync_data());
        if let Err(error) = back {
            tracing::error!(%error, path = %self.path.display(), "the journal is unusable");
            self.health = Health::Poisoned;
        }
    }

    /// A head that cannot be written leaves an older one, which is no fault.
    fn note_head(&self) {
        let head = Head { seq: self.committed.seq, hash: self.committed.hash };
        if let Err(error) = self.head.write(head) {
            tracing::warn!(%error, "the journal's head could not be written");
        }
    }

    fn check_health(&self) -> Result<(), JournalError> {
        match self.health {
            Health::Sound => Ok(()),
            Health::Poisoned => Err(JournalError::Poisoned { path: self.path.clone() }),
        }
    }
}

fn lock(file: &File, path: &Path) -> Result<(), JournalError> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(TryLockError::Error(error)) => return Err(JournalError::open(path, error)),
        }
    }
    Err(JournalError::Locked { path: path.to_owned() })
}
