//! Where the real programs of other people are that tests drive: `cargo xtask test` installs them.

use std::path::PathBuf;

use crate::skip;

/// A program: the variable that may name it, what it is, and its place below the cache.
#[derive(Debug, Clone, Copy)]
pub struct Real {
    /// Such as `GATEPOST_TEST_CLAUDE`.
    pub variable: &'static str,
    /// Its name and version.
    pub title: &'static str,
    /// Its place on a machine with this kind of processor, and on any other.
    pub aarch64: &'static str,
    /// See [`Real::aarch64`].
    pub other: &'static str,
}

impl Real {
    /// Where it is; the test says so and ends when it is nowhere.
    #[must_use]
    pub fn place(&self, test: &str) -> Option<PathBuf> {
        let given = std::env::var_os(self.variable).map(PathBuf::from);
        let cache = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
        let below = if cfg!(target_arch = "aarch64") { self.aarch64 } else { self.other };
        let cached = cache.map(|cache| cache.join("gatepost/test-programs").join(below));
        let found = given.or(cached).filter(|place| place.is_file());
        if found.is_none() {
            let words =
                format!("{} is not there, and {} does not name it", self.title, self.variable);
            skip(test, &words);
        }
        found
    }
}
