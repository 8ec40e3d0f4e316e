//! Everything that can go wrong with the journal and its views, with what to do about it.

use std::io;
use std::path::Path;
use std::path::PathBuf;

use gatepost_domain::TaskId;
use gatepost_domain::lifecycle::IllegalEdge;

/// Why the journal or its views could not be used. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file or its directory cannot be opened, made or read.
    #[error(
        "cannot open `{}`: {source}; {}", path.display(), advice(source)
    )]
    Open {
        /// Which file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing to audit.
    #[error(
        "there is no journal at `{}`; name the data directory that gatepost ran with, by `--data` or \
         `GATEPOST_DATA`", path.display()
    )]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// Another process has the journal open.
    #[error(
        "`{}` is in use by another gatepost; stop that one, or give this one its own directory \
         with `--data`", path.display()
    )]
    Locked {
        /// Which journal.
        path: PathBuf,
    },
    /// A line is not what was once written.
    #[error(
        "line {line} of `{}` {damage}; nothing was changed: put the file back from a backup, or move \
         it and `journal.head` away to begin a new journal", path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// The first damaged line, from 1.
        line: u64,
        /// What is wrong with it.
        damage: Damage,
    },
    /// A line is of a form this version does not know.
    #[error(
        "line {line} of `{}` has the form `v` {version}, and this gatepost knows only `v` 1; start \
         the newer gatepost that wrote it", path.display()
    )]
    UnknownVersion {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// The form it claims.
        version: u64,
    },
    /// The chain holds, but the events of a task do not follow from each other.
    #[error(
        "line {line} of `{}` cannot follow from the lines before it: {source}; it was written by \
         another version or by hand: start the version that wrote it, or put the file back from a \
         backup", path.display()
    )]
    Illegal {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// The step that is none.
        source: IllegalEdge,
    },
    /// The disk is full. Nothing of the batch was recorded; the journal stays usable.
    #[error(
        "no room is left for `{}`; nothing was recorded: free some space on its disk and try again",
        path.display()
    )]
    NoRoom {
        /// Which file.
        path: PathBuf,
    },
    /// The batch could not be made durable. Nothing of it was recorded; the journal stays usable.
    #[error("cannot write `{}`: {source}; nothing was recorded: {}", path.display(), advice(source))]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A failed write could not be taken back, so nothing more is accepted.
    #[error(
        "`{}` could not be brought back to its last whole line after a failed write; check the disk, \
         then start gatepost again", path.display()
    )]
    Poisoned {
        /// Which file.
        path: PathBuf,
    },
    /// The event is larger than a line may be.
    #[error(
        "the event takes {bytes} bytes, more than the {limit} that one line of the journal may have; \
         hand over less at once", limit = crate::line::MAX_LINE
    )]
    TooLong {
        /// How large it is.
        bytes: usize,
    },
    /// The event could not be turned into a line.
    #[error("an event cannot be written as json: {0}; nothing was recorded, please report this")]
    Encode(#[source] serde_json::Error),
    /// The views cannot be read or written. The journal is not touched by this.
    #[error(
        "cannot use the views in `{}`: {source}; the journal is whole: {}, then start gatepost again",
        path.display(), advice(source)
    )]
    ViewsIo {
        /// Their directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The views hold what they cannot hold. The journal is not touched by this.
    #[error(
        "the views in `{}` are damaged: {detail}; the journal is whole: start gatepost again and they \
         are rebuilt from it", path.display()
    )]
    ViewsDamaged {
        /// Their directory.
        path: PathBuf,
        /// How it showed.
        detail: String,
    },
    /// The views were given records that the journal does not hold.
    #[error(
        "record {seq} was to be shown before the journal holds it; nothing was shown, please report \
         this"
    )]
    NotCommitted {
        /// Which record.
        seq: u64,
    },
    /// The journal has no record of the task.
    #[error("the journal has no task `{task}`; `gatepost audit export` shows everything it has")]
    UnknownTask {
        /// Which task.
        task: TaskId,
    },
    /// What was read could not be handed on.
    #[error("cannot write the output: {0}; check where it goes")]
    Output(#[source] io::Error),
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It cannot be read as a record.
    #[error("cannot be read ({detail})")]
    Unreadable {
        /// Where reading stopped.
        detail: String,
    },
    /// Lines are missing, doubled or out of order.
    #[error(
        "has the number {found} where {expected} belongs, so a line is missing or out of place"
    )]
    WrongNumber {
        /// The number that belongs there.
        expected: u64,
        /// The number that is there.
        found: u64,
    },
    /// The hash that the next line holds of it is another.
    #[error("was changed after it was written: the next line holds another hash of it")]
    Changed,
    /// The hash it holds of the line before is wrong.
    #[error("holds a wrong hash of the line before it")]
    WrongPrevious,
    /// It is not the line that was committed last.
    #[error("is not the line that was committed: `journal.head` holds another hash of it")]
    NotTheCommitted,
    /// The file ends before what was committed.
    #[error("and what follows are gone or cut, though {committed} lines were committed")]
    Gone {
        /// How many lines the file had.
        committed: u64,
    },
}

impl JournalError {
    /// The line of the journal that is at fault, when one is.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::Damaged { line, .. }
            | Self::UnknownVersion { line, .. }
            | Self::Illegal { line, .. } => Some(*line),
            Self::Open { .. }
            | Self::Missing { .. }
            | Self::Locked { .. }
            | Self::NoRoom { .. }
            | Self::Write { .. }
            | Self::Poisoned { .. }
            | Self::TooLong { .. }
            | Self::Encode(_)
            | Self::ViewsIo { .. }
            | Self::ViewsDamaged { .. }
            | Self::NotCommitted { .. }
            | Self::UnknownTask { .. }
            | Self::Output(_) => None,
        }
    }

    pub(crate) fn open(path: &Path, source: io::Error) -> Self {
        Self::Open { path: path.to_owned(), source }
    }

    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        if is_full(&source) {
            Self::NoRoom { path: path.to_owned() }
        } else {
            Self::Write { path: path.to_owned(), source }
        }
    }

    pub(crate) fn damaged(path: &Path, line: u64, damage: Damage) -> Self {
        Self::Damaged { path: path.to_owned(), line, damage }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "make the data directory writable for this user, or choose another with `--data`"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space on its disk",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "something else has that name: move it away, or choose another directory with `--data`"
        }
        _ => "check the disk and the data directory",
    }
}
