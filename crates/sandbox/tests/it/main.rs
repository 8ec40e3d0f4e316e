//! The real sandbox, tried from inside and looked at from outside.

use gatepost_sandbox::{Exec, ExitStatus, Profile, Sandbox};
use std::path::Path;

#[tokio::test]
async fn starts_runs_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let project = dir.path().canonicalize().unwrap().join("project");
    std::fs::create_dir(&project).unwrap();
    let profile = Profile::new(&project, dir.path().join("storage"));
    let sandbox = Sandbox::start_with(profile, Path::new(env!("CARGO_BIN_EXE_gatepost-sbx-probe")))
        .await
        .unwrap();
    let exec = Exec { argv: vec!["true".into()], cwd: project, ..Exec::default() };
    let mut process = sandbox.spawn(exec).await.unwrap();
    assert_eq!(process.wait().await.unwrap(), ExitStatus::Code(0));
    sandbox.stop().await;
}
