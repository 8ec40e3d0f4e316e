//! Many tasks on one machine: some working at once, many idle, and how long a full one takes to kill.

use crate::{PROGRAM, inside, show};
use gatepost_sandbox::{Exec, Profile, Sandbox, deliver};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinSet;

/// Tasks that all run something.
const BUSY: usize = 50;
/// What each of them runs, one after the other.
const ACTIONS: usize = 20;
/// Tasks that only are there.
const IDLE: usize = 500;
/// Processes of a task that is killed.
const CROWD: usize = 300;

/// What the processes of the tasks, all of them this bench's program, have for themselves, in KiB:
/// shared pages count by their share.
fn memory() -> (usize, u64) {
    let (mut count, mut kilobytes) = (0, 0);
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
        if !line.starts_with(b"gatepost-sandbox-") {
            continue;
        }
        let text = std::fs::read_to_string(entry.path().join("smaps_rollup")).unwrap_or_default();
        let pss = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let pss = pss.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        count += 1;
        kilobytes += pss.unwrap_or(0);
    }
    (count, kilobytes)
}

async fn start(root: &Path, project: &Path, number: usize) -> Sandbox {
    let profile = Profile::new(project, root.join(format!("fleet-{number}")));
    Sandbox::start_with(profile, Path::new(PROGRAM)).await.unwrap()
}

pub(crate) async fn bench(root: &Path) {
    let project = root.join("project");
    let (mut tasks, mut starts) = (Vec::new(), Vec::new());
    for number in 0..BUSY {
        tasks.push(Arc::new(start(root, &project, number).await));
    }
    let begin = Instant::now();
    let mut actions = Vec::new();
    for _ in 0..ACTIONS {
        let mut all = JoinSet::new();
        for task in &tasks {
            let (task, project) = (Arc::clone(task), project.clone());
            all.spawn(async move { inside(&task, &project, &["/bin/true"]).await });
        }
        actions.extend(all.join_all().await);
    }
    let each = begin.elapsed().as_secs_f64() * 1e3 / (BUSY * ACTIONS) as f64;
    println!("{BUSY} tasks at once: {each:.3} ms an action over all");
    show("  one action of them", &mut actions);
    while tasks.len() < IDLE {
        let begin = Instant::now();
        tasks.push(Arc::new(start(root, &project, tasks.len()).await));
        starts.push(begin.elapsed());
    }
    show(&format!("start, up to {IDLE} tasks"), &mut starts);
    let (count, kilobytes) = memory();
    println!("{IDLE} idle tasks: {count} processes, {} KiB a task", kilobytes / IDLE as u64);
    let mut ends = Vec::new();
    while let Some(task) = tasks.pop() {
        let task = Arc::into_inner(task).unwrap();
        let begin = Instant::now();
        task.stop().await;
        ends.push(begin.elapsed());
        deliver::discard(&root.join(format!("fleet-{}", tasks.len()))).unwrap();
    }
    show("stop of an idle task", &mut ends);
    let task = start(root, &project, 0).await;
    let script = format!("for i in $(seq {CROWD}); do setsid sleep 1000 & done; echo all; wait");
    let argv = ["sh", "-c", &script].iter().map(Into::into).collect();
    let exec = Exec { argv, cwd: project, ..Exec::default() };
    let mut crowd = task.spawn(exec).await.unwrap();
    let mut word = [0_u8; 8];
    let out = crowd.stdout.as_mut().unwrap();
    let _said = tokio::io::AsyncReadExt::read(out, &mut word).await.unwrap();
    let begin = Instant::now();
    task.stop().await;
    println!("stop of a task of {CROWD} processes: {:.1} ms", begin.elapsed().as_secs_f64() * 1e3);
    deliver::discard(&root.join("fleet-0")).unwrap();
}
