//! What a task can use up: its own room, and not the host's.

use crate::support::World;
use gatepost_sandbox::{Capture, Exec, ExitStatus, Limits, Over};
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

/// Runs a script to its end and tells how, and for which cap.
async fn end_of(world: &World, limits: Limits, script: &str) -> (ExitStatus, Option<Over>, String) {
    let mut profile = world.profile();
    profile.limits = limits;
    let sandbox = world.start_with(profile).await;
    let argv = ["sh", "-c", script].iter().map(Into::into).collect();
    let exec = Exec { argv, cwd: world.project.clone(), ..Exec::default() };
    let capture = Capture { max_bytes: 1 << 16, wall: Some(crate::support::WALL) };
    let finished = sandbox.run(exec, capture, |_| {}).await.unwrap();
    assert!(!finished.timed_out, "{script} met no cap");
    // The task goes on, and nothing of the action is left.
    let (_, left) = world.sh(&sandbox, "cat /proc/[0-9]*/comm | grep -Ec 'perl|sleep'").await;
    assert_eq!(left, "0\n");
    sandbox.stop().await;
    let said = String::from_utf8_lossy(&finished.output.head).into_owned();
    (finished.exit, finished.over, said)
}

/// Eight processes that hold 40 MiB each, well below the cap of one process.
const TREE: &str = "for i in 1 2 3 4 5 6 7 8; do \
                    perl -e '$x = \"x\" x (40 << 20); sleep 30' & done; wait";

#[tokio::test]
async fn the_memory_of_a_whole_task_is_bounded() {
    let world = World::new();
    let limits = Limits { task_memory_bytes: 150 << 20, ..Limits::default() };
    let over = Some(Over::Memory { cap: 150 << 20 });
    let (exit, why, _) = end_of(&world, limits, TREE).await;
    assert_eq!((exit, &why), (ExitStatus::Signal(9), &over));
    assert_eq!(why.unwrap().to_string(), "the memory of the task went over 150 MiB");
    // One alone, which hides from whoever looks at its pages.
    let one = "exec /usr/bin/python3 -c \"\nimport ctypes, time\nctypes.CDLL(None).prctl(4, 0)\n\
               x = b'x' * (200 << 20)\ntime.sleep(30)\"";
    assert_eq!(end_of(&world, limits, one).await.1, over);
    // The control: with room it ends by itself.
    let limits = Limits { task_memory_bytes: 1 << 30, ..Limits::default() };
    let script = TREE.replace("sleep 30", "sleep 1");
    assert_eq!(end_of(&world, limits, &script).await.0, ExitStatus::Code(0));
}

#[tokio::test]
async fn memory_that_processes_share_counts_once() {
    let world = World::new();
    let limits = Limits { task_memory_bytes: 250 << 20, ..Limits::default() };
    let script = "perl -e '$x = \"x\" x (90 << 20); for (1..5) { if (!fork) { sleep 1; exit 0 } } \
                  1 while wait != -1; print \"whole\"'";
    let (exit, over, said) = end_of(&world, limits, script).await;
    assert_eq!((exit, over, said.as_str()), (ExitStatus::Code(0), None, "whole"));
}

#[tokio::test]
async fn files_without_number_and_a_full_disk_end_the_action() {
    let world = World::new();
    let many = "i=0; while :; do : >f$i; i=$((i+1)); [ $i -lt 3000 ] || sleep 60; done";
    let limits = Limits { upper_entries: 2000, ..Limits::default() };
    let (exit, over, _) = end_of(&world, limits, many).await;
    assert_eq!((exit, over), (ExitStatus::Signal(9), Some(Over::Entries { cap: 2000 })));
    // What is over the cap can be cleared up, in as long as it takes, and not made more of.
    let (exit, over, _) = end_of(&world, limits, "sleep 2; rm -f f*; sleep 2").await;
    assert_eq!((exit, over), (ExitStatus::Code(0), None));
    // Below half of what is to be left nothing is run, and why is said.
    let limits = Limits { disk_left: u64::MAX, ..Limits::default() };
    let mut profile = world.profile();
    profile.limits = limits;
    let sandbox = world.start_with(profile).await;
    let refused = loop {
        let argv = ["sleep", "60"].iter().map(Into::into).collect();
        let exec = Exec { argv, cwd: world.project.clone(), ..Exec::default() };
        let capture = Capture { max_bytes: 100, wall: Some(crate::support::WALL) };
        match sandbox.run(exec, capture, |_| {}).await {
            Ok(finished) => assert!(matches!(finished.over, Some(Over::Disk { .. }))),
            Err(error) => break error.to_string(),
        }
    };
    assert!(refused.contains("nothing more is run: the disk"), "{refused}");
    sandbox.stop().await;
}
