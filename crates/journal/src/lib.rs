//! The append-only, hash-chained record of every event, and the sled views rebuilt from it.
//!
//! - [`Journal`] appends: one JSON line an event, each with the SHA-256 of the line before it.
//!   [`Journal::commit`] makes everything appended durable with one write and one fdatasync.
//! - [`read`] and [`verify`] follow the chain from the first line without a lock, so they also work
//!   while another process appends.
//! - [`Views`] hold what is derived: tasks, and where each task's records are. They may be deleted
//!   at any time; the journal alone rebuilds them.
//! - [`audit`] is what `gatepost audit` prints.
//!
//! INVARIANT (truth): nothing is read from the views that the journal does not hold.

pub mod audit;
mod chain;
mod error;
mod file;
mod head;
mod line;
mod views;

pub use chain::Torn;
pub use chain::Verified;
pub use chain::read;
pub use chain::verify;
pub use error::Damage;
pub use error::JournalError;
pub use file::Journal;
pub use file::Opened;
pub use line::LineHash;
pub use views::Rebuild;
pub use views::Views;
pub use views::ViewsNote;
