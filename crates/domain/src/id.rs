//! Identifiers. Parsing and fresh entropy are the only ways to make one.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;

/// Crockford's base 32 in lower case: no `i`, `l`, `o`, `u`, so an id survives being read aloud and
/// typed with a thumb (<https://www.crockford.com/base32.html>).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a {kind}; one looks like `{example}`")]
pub struct IdError {
    kind: &'static str,
    given: String,
    example: &'static str,
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $len:literal, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// How many characters one has.
            pub const LEN: usize = $len;

            /// Makes an id from random bits; the lowest `5 × LEN` bits are used.
            #[must_use]
            pub fn from_entropy(mut bits: u128) -> Self {
                let mut text = String::with_capacity($len);
                for _ in 0..$len {
                    // The mask keeps the index below 32, the length of the alphabet.
                    let index = usize::try_from(bits & 31).unwrap_or(0);
                    text.push(char::from(ALPHABET.get(index).copied().unwrap_or(b'0')));
                    bits >>= 5;
                }
                Self(text)
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let lower = text.to_ascii_lowercase();
                if lower.len() == $len && lower.bytes().all(|byte| ALPHABET.contains(&byte)) {
                    return Ok(Self(lower));
                }
                // A hostile id must not fill a log: the first characters say enough.
                Err(IdError { kind: $kind, given: text.chars().take(40).collect(), example: $example })
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id_type!(
    /// Names a task; 30 bits, short enough to type with a thumb. The hub draws again on a clash.
    TaskId, "task id", 6, "t7k2qd"
);
id_type!(
    /// Names a pending question; 80 random bits, so that it can be the token on a button.
    ApprovalId, "approval id", 16, "3f9k2m7qd0xw5tzr"
);

/// Counts the runs of one task, from 1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct RunNumber(pub u32);

impl RunNumber {
    /// The run after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for RunNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts the actions of one task over all its runs, from 1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ActionId(pub u32);

impl ActionId {
    /// The action after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_parses_back_to_itself() {
        for bits in [0, 1, 0x1234_5678_9abc, u128::MAX] {
            let id = TaskId::from_entropy(bits);
            assert_eq!(id.as_str().parse::<TaskId>(), Ok(id.clone()));
            assert_eq!(id.as_str().to_uppercase().parse::<TaskId>(), Ok(id));
        }
    }

    #[test]
    fn what_is_not_an_id_is_refused_and_quoted_short() {
        assert!("".parse::<TaskId>().is_err());
        assert!("../../x".parse::<TaskId>().is_err());
        assert!("t7k2qi".parse::<TaskId>().is_err(), "`i` is not in the alphabet");
        let long = "x".repeat(5000).parse::<TaskId>().unwrap_err().to_string();
        assert!(long.len() < 120, "{long}");
    }
}
