//! What a task uses up, looked at while its actions run: where a cap is passed, they are killed.

use crate::capture::Over;
use crate::cgroup::Group;
use crate::profile::Limits;
use crate::supervisor::link::Link;
use crate::workspace::{self, Size};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often the size of the changes is looked at.
const SIZE_EVERY: Duration = Duration::from_millis(500);
/// How often the memory is: a program can fill some hundred megabytes meanwhile.
const MEMORY_EVERY: Duration = Duration::from_millis(100);

/// Kills the actions when the changes, with a home that is kept, outgrow their caps, or the disk
/// has less left than is kept free. What was over a cap before may stay so, as long as it does not
/// grow and is not twice of it: how else should an action clear it up?
pub(super) async fn size(link: Arc<Link>, grows: Vec<PathBuf>, limits: Limits) {
    let mut now = limits;
    // A task that goes on may be over a cap from before.
    let mut seen = false;
    loop {
        let trees = grows.clone();
        let look = move || (measure(&trees, &limits), left(&trees));
        let Ok((size, left)) = tokio::task::spawn_blocking(look).await else { return };
        if std::mem::replace(&mut seen, true) {
            if left < now.disk_left {
                link.kill_for(&Over::Disk { left: limits.disk_left });
            } else if size.bytes > now.upper_bytes {
                link.kill_for(&Over::Room { cap: limits.upper_bytes });
            } else if size.entries > now.upper_entries {
                link.kill_for(&Over::Entries { cap: limits.upper_entries });
            }
            now.disk_left = limits.disk_left.min(left);
        }
        now.upper_bytes = limits.upper_bytes.max(size.bytes.min(twice(limits.upper_bytes)));
        now.upper_entries = limits.upper_entries.max(size.entries.min(twice(limits.upper_entries)));
        tokio::time::sleep(SIZE_EVERY).await;
        while !link.is_busy() {
            tokio::time::sleep(SIZE_EVERY).await;
        }
    }
}

/// What the disk has left for us, in bytes; all there can be where it cannot be asked.
fn left(trees: &[PathBuf]) -> u64 {
    let disk = trees.first().and_then(|tree| rustix::fs::statvfs(tree).ok());
    disk.map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn twice(cap: u64) -> u64 {
    cap.saturating_mul(2)
}

/// What the trees take up together. Beyond twice a cap it is not counted on, and nothing may run
/// there: nothing grows so far between two looks unless it means to.
fn measure(trees: &[PathBuf], caps: &Limits) -> Size {
    let mut sum = Size::default();
    for tree in trees {
        let size = workspace::size(tree, twice(caps.upper_bytes), twice(caps.upper_entries));
        sum.bytes = sum.bytes.saturating_add(size.bytes);
        sum.entries = sum.entries.saturating_add(size.entries);
    }
    sum
}

/// Kills the actions when the memory of the whole task passes its cap. With a control group the
/// kernel holds the cap and has killed one process by then; half of a process tree is of no use.
pub(super) async fn memory(link: Arc<Link>, init: i32, group: Option<Arc<Group>>, cap: u64) {
    let mut killed = 0;
    loop {
        tokio::time::sleep(MEMORY_EVERY).await;
        if !link.is_busy() {
            continue;
        }
        let over = match &group {
            Some(group) => {
                let now = group.killed_for_memory();
                now > std::mem::replace(&mut killed, now)
            }
            None => {
                let look = move || private(init) > cap && proportional(init) > cap;
                tokio::task::spawn_blocking(look).await.unwrap_or(false)
            }
        };
        if over {
            link.kill_for(&Over::Memory { cap });
        }
    }
}

/// Every process below one, itself included. Orphans inside go to init, so that none is missed
/// but those made while this looks.
fn tree(root: i32) -> Vec<i32> {
    let (mut all, mut at) = (vec![root], 0);
    while let Some(pid) = all.get(at) {
        for thread in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
        }
        at += 1;
    }
    all
}

/// The sum of some lines of a file of `/proc`, in bytes; the kernel tells them in kilobytes.
fn lines(pid: i32, file: &str, names: &[&str]) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    let value = |line: &str| {
        let (name, rest) = line.split_once(':')?;
        let kilobytes: u64 = rest.trim().strip_suffix("kB")?.trim().parse().ok()?;
        names.contains(&name).then_some(kilobytes * 1024)
    };
    Some(text.lines().filter_map(value).sum())
}

/// What the processes have for themselves, cheap to ask; pages that parent and child still share
/// count for each.
fn private(init: i32) -> u64 {
    let of = |pid| lines(pid, "status", &["RssAnon", "RssShmem", "VmSwap"]).unwrap_or(0);
    tree(init).into_iter().map(of).sum()
}

/// The same with shared pages counted once, which costs the kernel a walk of all of them.
fn proportional(init: i32) -> u64 {
    let of = |pid| {
        // Older kernels do not tell apart what kind of memory it is.
        lines(pid, "smaps_rollup", &["Pss_Anon", "Pss_Shmem", "SwapPss"])
            .filter(|bytes| *bytes > 0)
            .or_else(|| lines(pid, "status", &["RssAnon", "RssShmem", "VmSwap"]))
            .unwrap_or(0)
    };
    tree(init).into_iter().map(of).sum()
}
