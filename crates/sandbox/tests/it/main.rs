//! The real sandbox, tried from inside and looked at from outside.
//!
//! Run as root the tests cover the way that becomes another user first, run as an ordinary user
//! the other one; `as_an_ordinary_user` runs all of them once more when root runs them.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test says so")]

mod backstop;
mod deliver;
mod doctor;
mod egress;
mod files;
mod groups;
mod kernel;
mod network;
mod processes;
mod programs;
mod resources;
mod support;

use crate::support::{World, is_root, skip};
use gatepost_sandbox::{ExitStatus, Tier};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

#[tokio::test]
async fn starts_runs_and_ends() {
    let world = World::new();
    let sandbox = world.start().await;
    assert_eq!(world.sh(&sandbox, "true").await.0, ExitStatus::Code(0));
    let report = sandbox.report();
    assert_eq!((report.tier.as_str(), report.workspace.as_str()), (world.tier(), "overlay"));
    let lacks = report.notes.iter().any(|note| note.contains("there is no control group"));
    assert_eq!(lacks, world.tier() == "reduced", "{:?}", report.notes);
    sandbox.stop().await;
}

/// A user nobody has named, as in a container started with a bare number.
const NOBODY: u32 = 61234;

#[test]
fn as_an_ordinary_user() {
    if !is_root() {
        return;
    }
    let program = std::env::current_exe().unwrap();
    // Copied, because where it was built may be closed to others.
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let tmp = dir.path().join("tmp");
    std::fs::create_dir(&tmp).unwrap();
    std::os::unix::fs::chown(&tmp, Some(NOBODY), Some(NOBODY)).unwrap();
    // A directory of their own: it is shown inside, and what is tested must not be in it.
    let bin = dir.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    let (tests, probe) = (bin.join("it"), bin.join("gatepost-sbx-probe"));
    std::fs::copy(program, &tests).unwrap();
    std::fs::copy(support::program(), &probe).unwrap();
    let output = Command::new(&tests)
        .args(["--skip", "as_an_ordinary_user", "--test-threads", "2"])
        .current_dir("/")
        .env("TMPDIR", &tmp)
        .env("GATEPOST_TEST_PROBE", &probe)
        .env("HOME", "/nonexistent")
        .uid(NOBODY)
        .gid(NOBODY)
        .output();
    match output {
        Ok(output) => assert!(
            output.status.success(),
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => skip(&format!("no other user can be taken on ({error})")),
    }
}

/// A worker that is told to take nothing less hears what is missing and what mends it.
#[tokio::test]
async fn less_than_the_least_tier_is_refused_with_what_mends_it() {
    let world = World::new();
    let sandbox = world.start().await;
    sandbox.is_at_least(Tier::Reduced).unwrap();
    match sandbox.is_at_least(Tier::Full) {
        Ok(()) => assert_eq!(world.tier(), "full"),
        Err(why) => {
            assert_eq!(world.tier(), "reduced");
            assert!(why.contains("`sandbox.minimum` is `full`") && why.contains("cgroup"), "{why}");
        }
    }
    sandbox.stop().await;
}
