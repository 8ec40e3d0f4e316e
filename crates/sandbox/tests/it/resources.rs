//! What a task can use up: its own room, and not the host's.

use crate::support::World;
use gatepost_sandbox::{Capture, Exec, ExitStatus, Limits};
use std::time::Duration;

#[tokio::test]
async fn a_fork_bomb_is_held_and_swept() {
    let world = World::new();
    let mut profile = world.profile();
    profile.limits = Limits { processes: 40, ..Limits::default() };
    let sandbox = world.start_with(profile).await;
    let word = format!("6{}", std::process::id());
    let script = format!("i=0; while [ $i -lt 200 ]; do sleep {word} & i=$((i+1)); done");
    let (_, said) = world.sh(&sandbox, &script).await;
    assert!(said.contains("fork") || said.contains("Resource"), "{said}");
    // The host can go on, and nothing is left of it.
    assert!(std::process::Command::new("true").status().unwrap().success());
    assert!(world.sh(&sandbox, "true").await.0.success());
    let (_, said) = world.sh(&sandbox, "cat /proc/[0-9]*/comm | grep -c sleep").await;
    assert_eq!(said, "0\n");
    sandbox.stop().await;
}

#[tokio::test]
async fn room_in_memory_and_files_is_bounded() {
    let world = World::new();
    let mut profile = world.profile();
    profile.limits = Limits { tmp_bytes: 4 << 20, file_size_bytes: 8 << 20, ..Limits::default() };
    let sandbox = world.start_with(profile).await;
    for place in ["/tmp/x", "/dev/shm/x", "$HOME/x"] {
        let (status, said) =
            world.sh(&sandbox, &format!("head -c 16M /dev/zero >{place}; rm -f {place}")).await;
        assert!(said.contains("No space left"), "{place}: {status:?} {said}");
    }
    let (status, said) = world.sh(&sandbox, "head -c 16M /dev/zero >big; stat -c %s big").await;
    assert!(said.contains("8388608"), "{status:?} {said}");
    let (_, said) = world
        .sh(&sandbox, "i=0; while [ $i -lt 5000 ] && : >/tmp/f$i; do i=$((i+1)); done; echo $i")
        .await;
    assert!(said.contains("No space left"), "{said}");
    sandbox.stop().await;
}

#[tokio::test]
async fn the_memory_of_a_process_is_bounded() {
    let world = World::new();
    let mut profile = world.profile();
    profile.limits = Limits { memory_bytes: 64 << 20, ..Limits::default() };
    let sandbox = world.start_with(profile).await;
    let take = |mib: u32| format!("perl -e '$x = \"x\" x ({mib} << 20); print length($x) >> 20'");
    let (status, said) = world.sh(&sandbox, &take(16)).await;
    assert_eq!((status, said.as_str()), (ExitStatus::Code(0), "16"));
    let (status, said) = world.sh(&sandbox, &take(128)).await;
    assert!(!status.success() && said.contains("Out of memory"), "{status:?} {said}");
    // It cannot be raised from inside.
    let (status, said) = world.sh(&sandbox, "ulimit -d; ulimit -d unlimited").await;
    assert!(!status.success() && said.starts_with("65536\n"), "{status:?} {said}");
    sandbox.stop().await;
    let sandbox = world.start().await;
    assert_eq!(world.sh(&sandbox, "ulimit -d").await.1, format!("{}\n", 8 << 20));
    let (_, said) = world.sh(&sandbox, &format!("{} || :", take(9000))).await;
    assert!(said.contains("Out of memory"), "{said}");
    sandbox.stop().await;
}

#[tokio::test]
async fn changes_that_outgrow_their_room_end_the_action() {
    let world = World::new();
    let mut profile = world.profile();
    profile.limits = Limits { upper_bytes: 4 << 20, ..Limits::default() };
    let sandbox = world.start_with(profile).await;
    let script =
        "i=0; while :; do head -c 1M /dev/zero >f$i; i=$((i+1)); [ $i -lt 200 ] || sleep 60; done";
    assert_eq!(world.sh(&sandbox, script).await.0, ExitStatus::Signal(9));
    sandbox.stop().await;
}

#[tokio::test]
async fn endless_output_is_kept_within_bounds() {
    let world = World::new();
    let sandbox = world.start().await;
    let argv = ["sh", "-c", "echo first; head -c 200M /dev/zero; echo last"];
    let exec = Exec {
        argv: argv.iter().map(Into::into).collect(),
        cwd: world.project.clone(),
        ..Exec::default()
    };
    let capture = Capture { max_bytes: 4000, wall: Some(Duration::from_secs(60)) };
    let mut seen = 0;
    let finished = sandbox.run(exec, capture, |piece| seen += piece.len()).await.unwrap();
    assert!(finished.output.head.starts_with(b"first\n"));
    assert!(finished.output.tail.ends_with(b"last\n"));
    assert_eq!(finished.output.head.len() + finished.output.tail.len(), 4000);
    assert_eq!(finished.output.dropped, (200 << 20) + 11 - 4000);
    assert_eq!(seen, (200 << 20) + 11);
    sandbox.stop().await;
}

#[tokio::test]
async fn open_files_and_cores_are_bounded() {
    let world = World::new();
    let sandbox = world.start().await;
    let (_, said) =
        world.sh(&sandbox, "ulimit -n; ulimit -c; ulimit -n 5000 || echo refused").await;
    assert!(said.starts_with("1024\n0\n") && said.contains("refused"), "{said}");
    sandbox.stop().await;
}
