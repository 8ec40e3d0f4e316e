//! What `gatepost audit` answers. It reads the journal alone, without a lock and without sled, so
//! it also works while Gatepost runs, and when its views are gone.

use std::io::Write;
use std::path::Path;

use gatepost_domain::Record;
use gatepost_domain::TaskId;

use crate::chain;
use crate::chain::Chain;
use crate::chain::Verified;
use crate::error::JournalError;
use crate::file::NAME;

mod words;

/// One record as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it says.
    pub record: Record,
    /// Its line in the journal, byte for byte, without the newline.
    pub json: String,
}

impl Entry {
    /// The record as one line for people; what others wrote is cut and made harmless to look at.
    #[must_use]
    pub fn words(&self) -> String {
        words::line(&self.record)
    }
}

/// Checks every line of the journal in a data directory.
///
/// # Errors
/// [`JournalError::line`] names the first damaged line.
pub fn verify(dir: &Path) -> Result<Verified, JournalError> {
    chain::verify(&dir.join(NAME))
}

/// Everything recorded about a task, in order.
///
/// # Errors
/// [`JournalError::UnknownTask`] when there is nothing, or damage anywhere in the journal: parts of
/// a damaged record prove nothing.
pub fn show(dir: &Path, task: &TaskId) -> Result<Vec<Entry>, JournalError> {
    let mut entries = Vec::new();
    for link in Chain::open(&dir.join(NAME))? {
        let link = link?;
        if link.record.task.as_ref() == Some(task) {
            let json = String::from_utf8_lossy(&link.line).into_owned();
            entries.push(Entry { record: link.record, json });
        }
    }
    if entries.is_empty() {
        return Err(JournalError::UnknownTask { task: task.clone() });
    }
    Ok(entries)
}

/// Writes the journal's lines as they are, each checked before it is written, and says how many.
///
/// # Errors
/// Damage, after the lines before it were written; or the output cannot be written.
pub fn export(dir: &Path, output: &mut impl Write) -> Result<u64, JournalError> {
    let mut chain = Chain::open(&dir.join(NAME))?;
    for link in &mut chain {
        let line = link?.line;
        output
            .write_all(&line)
            .and_then(|()| output.write_all(b"\n"))
            .map_err(JournalError::Output)?;
    }
    output.flush().map_err(JournalError::Output)?;
    Ok(chain.verified().records)
}
