//! The worker with real sandboxes, scripted agents and the real life cycle of a task.
//!
//! This program is launcher and init of its own sandboxes, so it says so before anything else; the
//! tests are in a list instead of behind an attribute.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests may fail as tests do; JSON is indexed by name and null where absent"
)]

mod adapter;
mod agents;
mod bounded;
mod broken;
mod classified;
mod claude;
mod claude_tries;
mod cut;
mod found;
mod gemini;
mod model;
mod models;
mod open;
mod opencode;
mod programs;
mod read;
mod ruled;
mod unlocked;
mod world;

use libtest_mimic::Arguments;
use libtest_mimic::Trial;

/// A test by its name.
type Test = (&'static str, fn());

fn main() {
    gatepost_sandbox::run_if_init();
    let arguments = Arguments::from_args();
    let trials = open::TESTS
        .iter()
        .chain(programs::TESTS)
        .chain(ruled::TESTS)
        .chain(classified::TESTS)
        .chain(read::TESTS)
        .chain(bounded::TESTS)
        .chain(cut::TESTS)
        .chain(models::TESTS)
        .chain(claude::TESTS)
        .chain(broken::TESTS)
        .chain(claude_tries::TESTS)
        .chain(opencode::TESTS)
        .chain(gemini::TESTS)
        .chain(adapter::TESTS)
        .chain(unlocked::TESTS)
        .map(|(name, test)| {
            Trial::test(*name, move || {
                test();
                Ok(())
            })
        });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}
