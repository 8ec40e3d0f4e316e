//! A provider's key, which never appears in a log, an error or a debug form.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// A key of a model's provider. Only [`Secret::reveal`] shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Where a key is kept. It is read when it is used, so that a key that was put there later counts
/// without a restart, and a missing one harms nobody who does not need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file that holds the key and nothing else, readable by its owner alone.
    File(PathBuf),
    /// An environment variable of Gatepost's.
    Env(String),
    /// The model needs none, as one on the same machine.
    None,
}

/// Why there is no key. The sentences say what to set and never hold what was read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("the key file `{path}` cannot be read ({why}); put the key into it")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        why: String,
    },
    /// Others can read the file.
    #[error("the key file `{path}` can be read by others; run `chmod 600 {path}`")]
    Exposed {
        /// The file.
        path: String,
    },
    /// What is there is no key: empty, or more than one line.
    #[error("{place} holds no key; put the key there and nothing else")]
    NotAKey {
        /// The file or variable.
        place: String,
    },
    /// The variable is not set.
    #[error(
        "the environment variable `{name}` is not set; set it to the key and start gatepost again"
    )]
    Unset {
        /// The variable.
        name: String,
    },
}

/// The longest text that is taken for a key, in bytes. Those of today have about a hundred; an
/// access token of a cloud may have a few thousand.
const LONGEST: u64 = 16 * 1024;

/// The shortest key that is worth hiding. What is shorter is a word of a local server, such as
/// `none`, and would be found in ordinary text.
const SHORTEST: usize = 8;

impl Secret {
    /// Reads a key out of a text, around which spaces and line ends do not count. None where it is
    /// empty or has characters that no HTTP header may carry.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = !text.is_empty() && text.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
        fits.then(|| Self(text.to_owned()))
    }

    /// The key, for the header it is sent in.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A text without the key, for whatever a provider or library says.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        if self.0.len() < SHORTEST {
            return text.to_owned();
        }
        text.replace(&self.0, "‹key›")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl KeySource {
    /// The key; none where the model needs none.
    ///
    /// # Errors
    /// [`KeyError`] says what to set.
    pub fn read(&self) -> Result<Option<Secret>, KeyError> {
        match self {
            Self::None => Ok(None),
            Self::File(path) => {
                let shown = path.display().to_string();
                let unreadable = |error: io::Error| KeyError::Unreadable {
                    path: shown.clone(),
                    why: error.to_string(),
                };
                let meta = fs::metadata(path).map_err(unreadable)?;
                if meta.is_file() && meta.mode() & 0o077 != 0 {
                    return Err(KeyError::Exposed { path: shown });
                }
                let place = format!("`{shown}`");
                if !meta.is_file() || meta.len() > LONGEST {
                    return Err(KeyError::NotAKey { place });
                }
                let text = fs::read_to_string(path).map_err(unreadable)?;
                Secret::parse(&text).map(Some).ok_or(KeyError::NotAKey { place })
            }
            Self::Env(name) => {
                let text = std::env::var(name).unwrap_or_default();
                if text.trim().is_empty() {
                    return Err(KeyError::Unset { name: name.clone() });
                }
                let place = format!("the environment variable `{name}`");
                Secret::parse(&text).map(Some).ok_or(KeyError::NotAKey { place })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_shown_by_nothing_but_reveal() {
        let key = Secret::parse(" sk-abcdef0123456789\n").unwrap();
        assert_eq!(key.reveal(), "sk-abcdef0123456789");
        assert!(!format!("{key:?}").contains("abcdef"));
        assert_eq!(key.scrub("bad key sk-abcdef0123456789!"), "bad key ‹key›!");
        let word = Secret::parse("none").unwrap();
        assert_eq!(word.scrub("none of it"), "none of it");
    }

    #[test]
    fn what_no_header_carries_is_no_key() {
        for text in ["", " \n", "two lines\nof it", "with space", "schlüssel"] {
            assert_eq!(Secret::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_key_file_is_private_and_holds_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let source = KeySource::File(path.clone());
        let error = source.read().unwrap_err().to_string();
        assert!(error.contains("put the key into it"), "{error}");
        fs::write(&path, "sk-secret-0123456789\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let error = source.read().unwrap_err();
        assert!(matches!(error, KeyError::Exposed { .. }), "{error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(source.read().unwrap().unwrap().reveal(), "sk-secret-0123456789");
        fs::write(&path, "sk-secret and more").unwrap();
        let error = source.read().unwrap_err().to_string();
        assert!(!error.contains("sk-secret"), "{error}");
        let folder = KeySource::File(folder.path().to_owned());
        assert!(folder.read().is_err());
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let error = KeySource::Env("GATEPOST_NO_SUCH_KEY".into()).read().unwrap_err().to_string();
        assert!(error.contains("`GATEPOST_NO_SUCH_KEY` is not set"), "{error}");
        assert_eq!(KeySource::None.read(), Ok(None));
    }
}
