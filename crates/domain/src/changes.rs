//! What a run changed in its workspace, and what became of those changes.

use serde::Deserialize;
use serde::Serialize;

/// Everything a run changed, in path order, as the host saw it when it walked the workspace copy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeSet {
    /// One entry a path, sorted by path.
    pub changes: Vec<Change>,
    /// How many of git's own files changed (objects, index, refs); they are never delivered.
    #[serde(default)]
    pub git_internals: u64,
    /// True when the walk stopped at its limit, so that there are more changes than listed.
    /// A truncated set is never delivered.
    #[serde(default)]
    pub truncated: bool,
}

impl ChangeSet {
    /// Whether nothing changed. A truncated set is never empty: what is not listed changed too.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && !self.truncated
    }

    /// Lines added over all text files.
    #[must_use]
    pub fn lines_added(&self) -> u64 {
        self.changes.iter().map(|change| change.lines_added).sum()
    }

    /// Lines removed over all text files.
    #[must_use]
    pub fn lines_removed(&self) -> u64 {
        self.changes.iter().map(|change| change.lines_removed).sum()
    }
}

/// One changed path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Relative to the project's root, with `/` between parts. Bytes that are not UTF-8 are shown
    /// as `\xNN`; such a path carries a refusal, because it cannot be named exactly here.
    pub path: String,
    /// What happened to it.
    pub kind: ChangeKind,
    /// What the project had at this path when the changes were collected; applying checks it.
    pub base: Base,
    /// Permission bits after the change (0 for a deletion or a symlink).
    pub mode: u32,
    /// Size after the change, in bytes.
    pub size: u64,
    /// SHA-256 of the new content, hex; empty for deletions, symlinks and directories.
    #[serde(default)]
    pub sha256: String,
    /// Lines added, for text files.
    #[serde(default)]
    pub lines_added: u64,
    /// Lines removed, for text files.
    #[serde(default)]
    pub lines_removed: u64,
    /// Content that is not text; it has no line counts and no text diff.
    #[serde(default)]
    pub binary: bool,
    /// Why this change is never delivered, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<DeliveryRefusal>,
}

/// The kinds of change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum ChangeKind {
    /// A file that was not there.
    Added,
    /// A file with other content (its mode may have changed too).
    Modified,
    /// A file, symlink or directory that is gone. A deleted directory is one entry per file in it.
    Deleted,
    /// The same content with other permission bits.
    ModeChanged,
    /// A symlink that is new or points elsewhere.
    Symlink {
        /// Where it points, as written.
        target: String,
    },
    /// A new directory (listed only when it is empty; others follow from their files).
    Directory,
    /// A node that is no file, directory or symlink; always refused.
    Special,
}

/// What stood at the path in the project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum Base {
    /// Nothing.
    Absent,
    /// A regular file.
    File {
        /// SHA-256 of its content, hex.
        sha256: String,
        /// Its permission bits.
        mode: u32,
    },
    /// A symlink.
    Symlink {
        /// Where it pointed.
        target: String,
    },
    /// A directory.
    Directory,
    /// Anything else.
    Special,
}

/// Why a change never leaves the workspace copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryRefusal {
    /// Inside `.git`: hooks and config run code on the host, and the rest is git's own business.
    GitInternals,
    /// A device node, fifo or socket.
    SpecialFile,
    /// A setuid or setgid bit.
    SetuidBit,
    /// A symlink whose target leaves the project.
    LinkLeavesTree,
    /// A name that is not UTF-8 and cannot be shown exactly.
    NameNotUtf8,
    /// Larger than may be delivered, or sparse beyond its real size.
    TooLarge,
    /// Nested deeper, or with a longer path, than is looked at.
    TooDeep,
    /// In the task's inbox or outbox.
    Mailbox,
}

impl DeliveryRefusal {
    /// One clause for people.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::GitInternals => "git's own files are never delivered",
            Self::SpecialFile => "a device node, pipe or socket is never delivered",
            Self::SetuidBit => "a setuid or setgid file is never delivered",
            Self::LinkLeavesTree => "a link that leaves the project is never delivered",
            Self::NameNotUtf8 => "a name that cannot be shown exactly is never delivered",
            Self::TooLarge => "the file is larger than may be delivered",
            Self::Mailbox => "the task's inbox and outbox are never delivered",
            Self::TooDeep => "what is nested this deep is not looked at and never delivered",
        }
    }
}

/// How a person asks for the changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryKind {
    /// Write them into the project.
    Apply,
    /// Make a git branch `gatepost/<task>` of them and leave the work tree alone.
    Branch,
    /// Throw them away.
    Discard,
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum DeliveryResult {
    /// The project now has the changes.
    Applied {
        /// How many paths were written or removed.
        paths: u64,
        /// How many were refused and left out.
        refused: u64,
    },
    /// A branch has them.
    Branched {
        /// Its name.
        branch: String,
        /// Its commit.
        commit: String,
        /// How many changes were refused and left out.
        refused: u64,
    },
    /// They are gone.
    Discarded,
    /// The project changed underneath; nothing was written.
    Conflict {
        /// The first path that differs from what the run saw.
        path: String,
    },
    /// It could not be done; what had been written was put back unless the text says otherwise.
    Failed {
        /// What went wrong and what to do.
        reason: String,
    },
}
