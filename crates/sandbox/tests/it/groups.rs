//! The control group of a task: its limits, what is in it, and that it goes with the task.

use crate::support::{Lack, World};
use gatepost_sandbox::{Exec, ExitStatus, Limits};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The groups of tasks that this process made, where it may make any.
fn groups() -> Option<Vec<PathBuf>> {
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let above = Path::new("/sys/fs/cgroup").join(path.strip_prefix('/')?);
    let above = above.parent().filter(|_| above.ends_with("gatepost"))?;
    let mark = format!("task-{}-", std::process::id());
    let of_ours = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(&mark);
    Some(std::fs::read_dir(above).unwrap().map(|e| e.unwrap().path()).filter(of_ours).collect())
}

#[tokio::test]
async fn a_task_has_a_group_of_its_own_and_it_goes_with_it() {
    let world = World::new();
    let mut profile = world.profile();
    profile.limits =
        Limits { task_memory_bytes: 333 << 20, cpu_percent: Some(50), ..Limits::default() };
    let sandbox = world.start_with(profile).await;
    if world.tier() != "full" {
        return Lack::Group.pass_over("a_task_has_a_group_of_its_own_and_it_goes_with_it");
    }
    let read = |group: &Path, name: &str| std::fs::read_to_string(group.join(name)).unwrap();
    // Tests run beside each other, so it is told by its limit.
    let cap = (333_u64 << 20).to_string();
    let mut all = groups().unwrap().into_iter();
    let group = all.find(|group| read(group, "memory.max").trim() == cap).unwrap();
    assert_eq!(read(&group, "pids.max").trim(), (512 + 8).to_string());
    assert_eq!(read(&group, "cpu.max").trim(), "50000 100000");
    assert_eq!(read(&group, "cpu.weight").trim(), "50");
    // What an action starts is in it, whatever it does, and sees neither the tree nor where it is.
    let word = format!("5{}", std::process::id());
    let script = format!("setsid sleep {word} & cat /proc/self/cgroup; ls /sys/fs/cgroup; wait");
    let argv = ["sh", "-c", &script].iter().map(Into::into).collect();
    let exec = Exec { argv, cwd: world.project.clone(), ..Exec::default() };
    let mut process = sandbox.spawn(exec).await.unwrap();
    let mut said = [0_u8; 200];
    let out = process.stdout.as_mut().unwrap();
    let size = tokio::io::AsyncReadExt::read(out, &mut said).await.unwrap();
    let said = String::from_utf8_lossy(&said[..size]).into_owned();
    assert!(said.lines().any(|line| line == "0::/"), "{said}");
    let mut inside = read(&group, "cgroup.procs");
    for _ in 0..500 {
        if inside.lines().count() >= 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        inside = read(&group, "cgroup.procs");
    }
    // Launcher, init, the shell, and what left its session.
    assert!(inside.lines().count() >= 4, "{inside}");
    assert!(!inside.lines().any(|pid| pid == std::process::id().to_string()), "{inside}");
    sandbox.stop().await;
    assert!(process.wait().await.is_err() || process.over().is_none());
    for _ in 0..500 {
        if !group.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the group outlived its task: {}", read(&group, "cgroup.procs"));
}

/// Memory that no process has for itself counts too where the kernel holds the cap.
#[tokio::test]
async fn memory_without_a_name_is_held_by_the_group() {
    let world = World::new();
    if world.tier() != "full" {
        return Lack::Group.pass_over("memory_without_a_name_is_held_by_the_group");
    }
    let mut profile = world.profile();
    profile.limits = Limits { task_memory_bytes: 100 << 20, ..Limits::default() };
    let sandbox = world.start_with(profile).await;
    let script = "import os\nfds = []\nfor i in range(40):\n\
                  \x20   fds.append(os.memfd_create('x'))\n\
                  \x20   os.write(fds[-1], b'x' * (10 << 20))\nprint('all')";
    let (status, said) = world.run(&sandbox, &["/usr/bin/python3", "-c", script]).await;
    assert_eq!((status, said.as_str()), (ExitStatus::Signal(9), ""));
    assert!(world.sh(&sandbox, "true").await.0.success());
    sandbox.stop().await;
}
