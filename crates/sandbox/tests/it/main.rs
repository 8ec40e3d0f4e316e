//! The real sandbox, tried from inside and looked at from outside.

mod deliver;
mod support;

use crate::support::World;
use gatepost_sandbox::ExitStatus;

#[tokio::test]
async fn starts_runs_and_ends() {
    let world = World::new();
    let sandbox = world.start().await;
    assert_eq!(world.sh(&sandbox, "true").await.0, ExitStatus::Code(0));
    sandbox.stop().await;
}
