//! Who: a person on one platform, by the platform's own id and never by a display name.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

/// A person, or Gatepost itself, as one platform knows them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// Where they act.
    pub platform: Platform,
    /// The platform's id of them; display names change and can be forged.
    pub id: String,
}

/// Where a person acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Platform {
    /// The local web console; whoever holds its key.
    Console,
    /// A terminal on the machine.
    Terminal,
    /// Telegram.
    Telegram,
    /// Discord.
    Discord,
}

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// May hand over tasks.
    Requester,
    /// May answer approvals.
    Approver,
    /// May change who may do what.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Requester, Self::Approver, Self::Admin];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requester => "requester",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

impl Principal {
    /// Whoever holds the console's key.
    #[must_use]
    pub fn console() -> Self {
        Self { platform: Platform::Console, id: "owner".into() }
    }

    /// Whoever runs `gatepost run`.
    #[must_use]
    pub fn terminal() -> Self {
        Self { platform: Platform::Terminal, id: "owner".into() }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Console => "console",
            Self::Terminal => "terminal",
            Self::Telegram => "telegram",
            Self::Discord => "discord",
        })
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.platform, self.id)
    }
}
