//! One thing an agent wants to do, and the digest that names it exactly.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;
use sha2::Digest;
use sha2::Sha256;

use crate::budget::Raise;

/// One thing the agent wants to do. The tags are the tool names of `gatepost review`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "tool", rename_all = "kebab-case")]
pub enum Action {
    /// Run a shell command.
    #[serde(rename = "bash")]
    Exec(Exec),
    /// Read a file.
    Read {
        /// Absolute, or relative to the workspace.
        path: String,
    },
    /// Write a whole file.
    Write {
        /// Absolute, or relative to the workspace.
        path: String,
        /// The new content.
        content: String,
    },
    /// Change part of a file.
    Edit {
        /// Absolute, or relative to the workspace.
        path: String,
        /// The change as text: what stands there afterwards, or a diff of it.
        content: String,
        /// The piece of the file, there exactly once, that `content` takes the place of. None where
        /// whoever proposes the edit carries it out by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaces: Option<String>,
    },
    /// Fetch a web address.
    Fetch {
        /// The address.
        url: String,
    },
    /// Run Python source text in the agent's interpreter.
    Python {
        /// The source.
        command: String,
    },
    /// Call a named tool of a tool server.
    Tool {
        /// Its full name, such as `mcp__server__tool`.
        name: String,
        /// Its input as JSON text.
        input: String,
    },
    /// Spend more on models than the budget has. No agent proposes it: Gatepost asks for it when a
    /// call would go over, and only a person grants it.
    #[serde(rename = "raise-budget")]
    Raise(Raise),
}

/// A shell command with all that decides what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exec {
    /// One complete shell command as bash reads it.
    pub command: String,
    /// Working directory, absolute.
    pub cwd: String,
    /// Variables that earlier steps exported; they come on top of the sandbox's own environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

/// A file whose bytes an action depends on: a script it runs, a file it sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundFile {
    /// Absolute path inside the workspace.
    pub path: String,
    /// SHA-256 of its bytes, hex; empty when it did not exist.
    pub sha256: String,
}

/// SHA-256 over an action and the bytes it names. An approval holds for one digest and no other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ActionDigest(String);

/// Text that is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an action digest is 64 hexadecimal digits")]
pub struct DigestError;

impl Action {
    /// The tool's name as users know it.
    #[must_use]
    pub fn tool(&self) -> &'static str {
        match self {
            Self::Exec(_) => "bash",
            Self::Read { .. } => "read",
            Self::Write { .. } => "write",
            Self::Edit { .. } => "edit",
            Self::Fetch { .. } => "fetch",
            Self::Python { .. } => "python",
            Self::Tool { .. } => "tool",
            Self::Raise(_) => "raise-budget",
        }
    }

    /// What it acts on, in one string: the command, the path, the address or the tool's name.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::Exec(exec) => &exec.command,
            Self::Read { path } | Self::Write { path, .. } | Self::Edit { path, .. } => path,
            Self::Fetch { url } => url,
            Self::Python { command } => command,
            Self::Tool { name, .. } => name,
            Self::Raise(raise) => raise.of.words(),
        }
    }

    /// The digest of this action together with the bytes of the files it depends on.
    #[must_use]
    pub fn digest(&self, bound: &[BoundFile]) -> ActionDigest {
        let mut hash = Sha256::new();
        hash.update(b"gatepost action 1\0");
        for part in self.parts() {
            // Length prefixes keep ("ab", "c") and ("a", "bc") apart.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        for file in bound {
            for part in [&file.path, &file.sha256] {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part.as_bytes());
            }
        }
        ActionDigest(format!("{:x}", hash.finalize()))
    }

    /// The budget it would raise, if that is what it is about.
    #[must_use]
    pub fn raise(&self) -> Option<&Raise> {
        match self {
            Self::Raise(raise) => Some(raise),
            Self::Exec(_)
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Edit { .. }
            | Self::Fetch { .. }
            | Self::Python { .. }
            | Self::Tool { .. } => None,
        }
    }

    /// The text that a person may change before they let it run; none where there is no such text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Exec(exec) => Some(&exec.command),
            Self::Write { content, .. } | Self::Edit { content, replaces: Some(_), .. } => {
                Some(content)
            }
            Self::Fetch { url } => Some(url),
            Self::Python { command } => Some(command),
            Self::Tool { input, .. } => Some(input),
            // Another file is another wish; and what stands in the other form of an edit is not what
            // is written.
            Self::Read { .. } | Self::Edit { replaces: None, .. } | Self::Raise(_) => None,
        }
    }

    /// The same action with another [`Action::text`].
    #[must_use]
    pub fn with_text(&self, text: &str) -> Option<Self> {
        let mut other = self.clone();
        let place = match &mut other {
            Self::Exec(exec) => &mut exec.command,
            Self::Write { content, .. } | Self::Edit { content, replaces: Some(_), .. } => content,
            Self::Fetch { url } => url,
            Self::Python { command } => command,
            Self::Tool { input, .. } => input,
            Self::Read { .. } | Self::Edit { replaces: None, .. } | Self::Raise(_) => return None,
        };
        text.clone_into(place);
        Some(other)
    }

    fn parts(&self) -> Vec<Cow<'_, str>> {
        let mut parts: Vec<Cow<'_, str>> = vec![self.tool().into(), self.subject().into()];
        match self {
            Self::Exec(exec) => {
                parts.push(exec.cwd.as_str().into());
                for (name, value) in &exec.env {
                    parts.push(name.as_str().into());
                    parts.push(value.as_str().into());
                }
            }
            Self::Write { content, .. } => parts.push(content.as_str().into()),
            Self::Edit { content, replaces, .. } => {
                parts.push(content.as_str().into());
                parts.extend(replaces.as_deref().map(Cow::from));
            }
            Self::Tool { input, .. } => parts.push(input.as_str().into()),
            Self::Raise(raise) => parts.extend(raise.parts().map(Cow::from)),
            Self::Read { .. } | Self::Fetch { .. } | Self::Python { .. } => {}
        }
        parts
    }
}

impl ActionDigest {
    /// The digest as 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ActionDigest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        if text.len() == 64
            && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(DigestError)
        }
    }
}

impl TryFrom<String> for ActionDigest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<ActionDigest> for String {
    fn from(digest: ActionDigest) -> String {
        digest.0
    }
}

impl fmt::Debug for ActionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.get(..12).unwrap_or(&self.0))
    }
}

impl fmt::Display for ActionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Limit;
    use crate::budget::Purse;

    fn exec(command: &str, cwd: &str) -> Action {
        Action::Exec(Exec { command: command.into(), cwd: cwd.into(), env: BTreeMap::new() })
    }

    fn raise(of: Purse, from: u64, to: u64) -> Action {
        let limit = |tokens| Limit { cost: None, tokens: Some(tokens) };
        Action::Raise(Raise { of, from: limit(from), to: limit(to) })
    }

    #[test]
    fn the_digest_tells_every_part_apart() {
        let plain = exec("ls", "/a");
        let mut with_env = exec("ls", "/a");
        if let Action::Exec(exec) = &mut with_env {
            exec.env.insert("PATH".into(), "/evil".into());
        }
        let bound = [BoundFile { path: "/a/x".into(), sha256: "00".into() }];
        let digests = [
            plain.digest(&[]),
            exec("ls ", "/a").digest(&[]),
            exec("ls", "/a/").digest(&[]),
            with_env.digest(&[]),
            plain.digest(&bound),
            Action::Read { path: "ls".into() }.digest(&[]),
            raise(Purse::Task, 5, 10).digest(&[]),
            raise(Purse::Task, 5, 11).digest(&[]),
            raise(Purse::Task, 6, 10).digest(&[]),
            raise(Purse::Day(7), 5, 10).digest(&[]),
            raise(Purse::Day(8), 5, 10).digest(&[]),
        ];
        for (i, a) in digests.iter().enumerate() {
            for (j, b) in digests.iter().enumerate() {
                assert_eq!(i == j, a == b, "{i} and {j}");
            }
        }
        assert_eq!(plain.digest(&[]), exec("ls", "/a").digest(&[]));
    }

    #[test]
    fn another_text_is_another_action_of_the_same_kind() {
        let edit = Action::Edit { path: "a".into(), content: "x".into(), replaces: None };
        let actions = [
            exec("ls", "/a"),
            Action::Write { path: "a".into(), content: "x".into() },
            Action::Edit { path: "a".into(), content: "x".into(), replaces: Some("y".into()) },
            Action::Fetch { url: "https://a/".into() },
            Action::Python { command: "x".into() },
            Action::Tool { name: "x".into(), input: "{}".into() },
        ];
        for action in actions {
            let other = action.with_text("other").unwrap();
            assert_eq!((other.tool(), other.text()), (action.tool(), Some("other")));
            assert_ne!(other.digest(&[]), action.digest(&[]));
            assert_eq!(other.with_text(action.text().unwrap()), Some(action));
        }
        for action in [edit, Action::Read { path: "a".into() }, raise(Purse::Task, 1, 2)] {
            assert_eq!((action.text(), action.with_text("other")), (None, None));
        }
    }

    #[test]
    fn actions_have_the_field_names_scripts_use() {
        let json = serde_json::to_value(exec("ls", "/a")).unwrap();
        assert_eq!(json, serde_json::json!({"tool": "bash", "command": "ls", "cwd": "/a"}));
        let raise = raise(Purse::Day(2026001), 5, 10);
        let json = serde_json::to_value(&raise).unwrap();
        let (from, to) = (serde_json::json!({"tokens": 5}), serde_json::json!({"tokens": 10}));
        let of = serde_json::json!({"day": 2026001});
        let expect = serde_json::json!({"tool": "raise-budget", "of": of, "from": from, "to": to});
        assert_eq!(json, expect);
        assert_eq!(serde_json::from_value::<Action>(json).unwrap(), raise);
    }
}
