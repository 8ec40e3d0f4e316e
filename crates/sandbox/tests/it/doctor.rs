//! The examination says what is so.

use crate::support::{Lack, World, has_scopes, program};
use gatepost_sandbox::Tier;
use gatepost_sandbox::doctor::{self, Level};
use std::path::Path;

#[tokio::test]
async fn a_machine_that_can_is_told_so_with_every_denial() {
    let report = doctor::run_with(&program()).await;
    let wrong: Vec<_> =
        report.probes.iter().filter(|probe| probe.level == Level::Missing).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(report.can_run());
    assert_eq!(report.tier.as_str(), World::new().tier());
    let denied = report.probes.iter().filter(|probe| probe.name.starts_with("denied: "));
    assert!(denied.clone().count() > 60);
    assert!(
        denied.clone().all(|probe| probe.level == Level::Full
            || (!has_scopes() && probe.name == "denied: kill init")),
        "{:?}",
        denied.collect::<Vec<_>>()
    );
    for name in ["sandbox", "workspace", "landlock", "environment", "one command", "control group"]
    {
        assert!(report.probes.iter().any(|probe| probe.name == name), "{name}");
    }
}

#[tokio::test]
async fn where_no_sandbox_starts_the_tier_is_none_and_nothing_is_run() {
    let report = doctor::run_with(Path::new("/bin/true")).await;
    assert_eq!(report.tier, Tier::None);
    assert!(!report.can_run());
    let probe = report.probes.iter().find(|probe| probe.name == "sandbox").unwrap();
    assert_eq!(probe.level, Level::Missing);
    assert!(probe.mend.is_some());
    let left = std::fs::read_dir(std::env::temp_dir()).unwrap();
    assert!(!left.flatten().any(|entry| {
        entry.file_name().to_string_lossy().starts_with("gatepost-doctor-")
            && entry.metadata().is_ok_and(|meta| {
                meta.modified().is_ok_and(|t| t.elapsed().is_ok_and(|e| e.as_secs() > 600))
            })
    }));
}

/// The profile that `doctor` tells people to load is one that AppArmor takes.
#[test]
fn the_apparmor_profile_that_is_shipped_is_taken() {
    let test = "the_apparmor_profile_that_is_shipped_is_taken";
    let parse = |text: &str| {
        let mut parser = std::process::Command::new("apparmor_parser")
            // Read and compiled, and neither loaded nor kept.
            .args(["--skip-kernel-load", "--skip-cache", "--skip-read-cache", "--abort-on-error"])
            .stdin(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .ok()?;
        std::io::Write::write_all(&mut parser.stdin.take()?, text.as_bytes()).ok()?;
        Some(parser.wait().unwrap().success())
    };
    let knows = "abi <abi/4.0>,\nprofile x /x flags=(unconfined) { userns, }\n";
    if parse(knows) != Some(true) {
        return Lack::AppArmor.pass_over(test);
    }
    let profile = include_str!("../../../../deploy/apparmor/gatepost");
    assert_eq!(parse(profile), Some(true));
    assert_eq!(parse(&profile.replace("userns,", "usernames,")), Some(false));
}
