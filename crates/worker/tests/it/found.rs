//! Where the real programs are that tests drive.

use std::path::PathBuf;

/// A program: the variable that names it, what it is, and its place in the cache of
/// `cargo xtask test`.
pub(crate) struct Real {
    pub(crate) variable: &'static str,
    pub(crate) title: &'static str,
    /// Below that cache, on each of the two machines.
    pub(crate) x64: &'static str,
    pub(crate) arm64: &'static str,
}

impl Real {
    /// Where it is; says so when it is nowhere, unless it must be there.
    pub(crate) fn place(&self) -> Option<PathBuf> {
        let given = std::env::var_os(self.variable).map(PathBuf::from);
        if let Some(place) = &given {
            assert!(place.is_file(), "{} names no file: `{}`", self.variable, place.display());
        }
        let cache = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
        let below = if cfg!(target_arch = "aarch64") { self.arm64 } else { self.x64 };
        let cached = cache.map(|cache| cache.join("gatepost/test-programs").join(below));
        let found = given.or(cached).filter(|place| place.is_file());
        if found.is_none() {
            let words = format!("{} is not there; `cargo xtask test` installs it", self.title);
            assert!(std::env::var_os("CI").is_none(), "{words}");
            say(&format!("skipped: {words}"));
        }
        found
    }
}

#[expect(clippy::print_stderr, reason = "whoever runs the tests must see what was not tested")]
fn say(text: &str) {
    eprintln!("{text}");
}
