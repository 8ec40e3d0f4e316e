//! The console's key: what lets somebody in, and the cookie made of it.

use std::fmt;
use std::net::SocketAddr;

use sha2::Digest;
use sha2::Sha256;

/// The fewest characters a key may have; 22 characters of base 64 hold 128 bits.
pub const MIN_KEY: usize = 22;

/// The secret in the console's link. It is never logged and never stored in a browser.
#[derive(Clone)]
pub struct ConsoleKey(String);

/// Text that cannot be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Too easy to guess.
    #[error("a console key needs at least {MIN_KEY} characters")]
    TooShort,
    /// It would have to be escaped in a link.
    #[error("a console key has only letters, digits, `-` and `_`")]
    NotPlain,
}

impl ConsoleKey {
    /// A key from text that was made before.
    ///
    /// # Errors
    /// [`KeyError`] when it is short enough to guess or would not survive in a link.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.len() < MIN_KEY {
            return Err(KeyError::TooShort);
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
            return Err(KeyError::NotPlain);
        }
        Ok(Self(text.to_owned()))
    }

    /// A fresh key from random bytes.
    #[must_use]
    pub fn from_entropy(bytes: [u8; 32]) -> Self {
        Self(hex(&bytes))
    }

    /// The key as text, for whoever stores it in a file only its owner can read.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The address that lets its reader in.
    #[must_use]
    pub fn link(&self, at: SocketAddr) -> String {
        format!("http://{at}/?key={}", self.0)
    }

    pub(crate) fn accepts(&self, given: &str) -> bool {
        same(given, &self.0)
    }

    /// What the cookie holds: made of the key, so that it outlives a restart, but one cannot be
    /// turned back into the other, so a leaked cookie is not a leaked key.
    pub(crate) fn cookie(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"gatepost console cookie 1\0");
        hash.update(self.0.as_bytes());
        hex(&hash.finalize())
    }

    pub(crate) fn accepts_cookie(&self, given: &str) -> bool {
        same(given, &self.cookie())
    }
}

impl fmt::Debug for ConsoleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConsoleKey(…)")
    }
}

/// Compares digests over all their bytes, so that the time taken says nothing about where two
/// texts differ, nor how long the right one is.
fn same(given: &str, right: &str) -> bool {
    let (given, right) = (Sha256::digest(given), Sha256::digest(right));
    let differing = given.iter().zip(right.iter()).fold(0_u8, |all, (a, b)| all | (a ^ b));
    std::hint::black_box(differing) == 0
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_can_be_guessed_or_breaks_a_link_is_refused() {
        assert_eq!(ConsoleKey::parse("").unwrap_err(), KeyError::TooShort);
        assert_eq!(ConsoleKey::parse("abc").unwrap_err(), KeyError::TooShort);
        let spaced = format!("{} &", "a".repeat(30));
        assert_eq!(ConsoleKey::parse(&spaced).unwrap_err(), KeyError::NotPlain);
    }

    #[test]
    fn the_cookie_is_not_the_key_and_neither_passes_for_the_other() {
        let key = ConsoleKey::from_entropy([7; 32]);
        let cookie = key.cookie();
        assert!(!cookie.contains(key.reveal()) && !key.reveal().contains(&cookie));
        assert!(key.accepts(key.reveal()) && key.accepts_cookie(&cookie));
        assert!(!key.accepts(&cookie) && !key.accepts_cookie(key.reveal()));
        assert!(!key.accepts("") && !key.accepts_cookie(""));
    }

    #[test]
    fn debug_output_does_not_hold_the_key() {
        let key = ConsoleKey::from_entropy([7; 32]);
        assert!(!format!("{key:?}").contains("07"));
    }
}
