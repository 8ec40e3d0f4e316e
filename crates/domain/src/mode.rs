//! How much is decided without a person.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;

/// How much is decided without a person. Hard boundaries hold in every mode.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Look, do not touch: reads run, everything else is refused with that reason.
    Plan,
    /// Reads run, everything else asks.
    Manual,
    /// Reads and edits of ordinary workspace files run, everything else asks.
    AcceptEdits,
    /// What is read-only, inside the workspace or contained by the sandbox runs; the rest asks.
    #[default]
    Auto,
    /// As `auto`, but nobody is there: what would ask is denied.
    Unattended,
    /// All that is understood runs, unless a boundary or a rule that people wrote keeps it back.
    /// For whole sandboxes only, and where whoever runs the machine allows it.
    Bypass,
}

/// Text that names no mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a mode; use one of plan, manual, accept-edits, auto, unattended, bypass")]
pub struct ModeError(String);

impl Mode {
    /// All modes, most careful first.
    pub const ALL: [Self; 6] =
        [Self::Plan, Self::Manual, Self::AcceptEdits, Self::Auto, Self::Unattended, Self::Bypass];

    /// The name in config files and commands.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Manual => "manual",
            Self::AcceptEdits => "accept-edits",
            Self::Auto => "auto",
            Self::Unattended => "unattended",
            Self::Bypass => "bypass",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, ModeError> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| ModeError(text.chars().take(40).collect()))
    }
}
