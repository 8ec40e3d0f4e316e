//! `gatepost audit`: what the journal holds, and whether it is whole. It works while a gatepost runs.

use std::process::ExitCode;

use anyhow::Result;
use gatepost_journal::JournalError;
use gatepost_journal::audit;

use crate::cli::AuditCommand;
use crate::cli::Place;
use crate::config;
use crate::out;

/// Runs the command.
pub(crate) fn audit(place: &Place, command: AuditCommand) -> Result<ExitCode> {
    let overrides = place.overrides();
    let dir = config::load(&overrides)?.data(&overrides)?;
    match command {
        AuditCommand::Verify => match audit::verify(&dir) {
            Ok(verified) => {
                out::line(&format!(
                    "whole: {} records, the last one's hash is {}",
                    verified.records, verified.last_hash
                ));
                if let Some(torn) = verified.torn.filter(|torn| torn.committed) {
                    out::note(&format!(
                        "gatepost: line {} was recorded whole and is cut off now ({} bytes are \
                         left)\n  try: look at the disk; the next start removes the rest of it\n",
                        torn.line, torn.bytes
                    ));
                    return Ok(ExitCode::FAILURE);
                }
                if let Some(torn) = verified.torn {
                    out::line(&format!(
                        "line {} is not finished ({} bytes): it is being written, or a crash cut it \
                         off; the next start removes it",
                        torn.line, torn.bytes
                    ));
                }
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => damaged(error),
        },
        AuditCommand::Show { task, json } => match audit::show(&dir, &task) {
            Ok(entries) => {
                for entry in entries {
                    out::line(&if json { entry.json } else { entry.words() });
                }
                Ok(ExitCode::SUCCESS)
            }
            Err(error) => damaged(error),
        },
        AuditCommand::Export => {
            let mut output = std::io::BufWriter::new(std::io::stdout().lock());
            match audit::export(&dir, &mut output) {
                Ok(_) => Ok(ExitCode::SUCCESS),
                // The reader has seen enough.
                Err(JournalError::Output(error))
                    if error.kind() == std::io::ErrorKind::BrokenPipe =>
                {
                    Ok(ExitCode::SUCCESS)
                }
                Err(error) => damaged(error),
            }
        }
    }
}

/// Damage is a finding, with status 1; everything else is a fault of set-up.
fn damaged(error: JournalError) -> Result<ExitCode> {
    if error.line().is_none() {
        return Err(error.into());
    }
    out::note(&format!("gatepost: {error}\n"));
    Ok(ExitCode::FAILURE)
}
