//! What the end-to-end tests share: a running gatepost, its HTTP client, a project, a browser.
//!
//! Everything is real: the binary, its sandbox, its journal and sled, and a headless Chromium.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a failed set-up is a failed test, with the line where it failed"
)]

pub mod api;
pub mod browser;
pub mod discord;
mod form;
pub mod models;
pub mod mount;
pub mod process;
pub mod programs;
pub mod project;
pub mod responses;
pub mod telegram;
pub mod world;

pub use api::Api;
pub use browser::Browser;
pub use discord::FakeDiscord;
pub use mount::Mount;
pub use process::Gatepost;
pub use process::Setup;
pub use project::Project;
pub use responses::FakeResponses;
pub use responses::Say;
pub use telegram::FakeTelegram;
pub use world::World;

use std::path::PathBuf;
use std::time::Duration;

/// How long anything may take before a test gives up on it. Generous, because two cores are shared
/// with everything else; nothing waits this long when it works.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The binary under test.
///
/// # Panics
/// When it was not built; `cargo xtask test` builds it.
#[must_use]
pub fn gatepost_binary() -> PathBuf {
    let path = std::env::var_os("GATEPOST_BIN").map_or_else(
        || {
            let target = std::env::current_exe().unwrap();
            // target/<profile>/deps/<test>: the binary lies two folders up.
            target.ancestors().nth(2).unwrap().join("gatepost")
        },
        PathBuf::from,
    );
    assert!(
        path.exists(),
        "{} is missing: run `cargo xtask test`, or `cargo build -p gatepost` first",
        path.display()
    );
    path
}

/// Whether this process may change its user, which some tests need.
#[must_use]
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self")
        .is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}

/// Says that a test cannot run here. Under CI that is a failure: nothing is skipped in silence.
///
/// # Panics
/// When `CI` is set.
pub fn skip(test: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{test} cannot be skipped under CI: {why}");
    eprintln!("skipped {test}: {why}");
}
