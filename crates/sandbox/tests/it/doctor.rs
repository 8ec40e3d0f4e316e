//! The examination says what is so.

use crate::support::{World, has_scopes, program};
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
