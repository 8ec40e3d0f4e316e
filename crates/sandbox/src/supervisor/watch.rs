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
/// has less left than is kept free. What was over a cap before may stay so as long as it does not
/// grow: how else should an action clear it up? At twice a cap, or half of what is kept free,
/// nothing more is run.
pub(super) async fn size(link: Arc<Link>, grows: Vec<PathBuf>, limits: Limits) {
    let mut now = limits;
    // The first look is what the others are held against: a task that goes on may be over a cap from
    // before, and what was killed went on for a moment.
    let mut first = true;
    loop {
        let trees = grows.clone();
        let look = move || (measure(&trees, &limits), left(&trees));
        let Ok((size, left)) = tokio::task::spawn_blocking(look).await else { return };
        if let Some(over) = over(size, left, &hard(&limits)) {
            link.close(over);
            return;
        }
        let killed = match over(size, left, &now) {
            Some(over) if !first => link.kill_for(&over),
            Some(_) | None => Vec::new(),
        };
        first = !killed.is_empty();
        now.disk_left = limits.disk_left.min(left);
        now.upper_bytes = limits.upper_bytes.max(size.bytes);
        now.upper_entries = limits.upper_entries.max(size.entries);
        tokio::time::sleep(SIZE_EVERY).await;
        gone(&link, &killed).await;
        while !link.is_busy() {
            tokio::time::sleep(SIZE_EVERY).await;
        }
    }
}

fn over(size: Size, left: u64, caps: &Limits) -> Option<Over> {
    if left < caps.disk_left {
        Some(Over::Disk { left: caps.disk_left })
    } else if size.bytes > caps.upper_bytes {
        Some(Over::Room { cap: caps.upper_bytes })
    } else if size.entries > caps.upper_entries {
        Some(Over::Entries { cap: caps.upper_entries })
    } else {
        None
    }
}

/// Where it ends.
fn hard(limits: &Limits) -> Limits {
    Limits {
        disk_left: limits.disk_left / 2,
        upper_bytes: limits.upper_bytes.saturating_mul(2),
        upper_entries: limits.upper_entries.saturating_mul(2),
        ..*limits
    }
}

/// Waits until what was killed is gone: the next action is not to answer for it.
async fn gone(link: &Link, killed: &[u64]) {
    while link.runs_any(killed) {
        tokio::time::sleep(MEMORY_EVERY).await;
    }
}

/// What the disk has left for us, in bytes; all there can be where it cannot be asked.
fn left(trees: &[PathBuf]) -> u64 {
    let disk = trees.first().and_then(|tree| rustix::fs::statvfs(tree).ok());
    disk.map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// What the trees take up together, counted up to where it ends.
fn measure(trees: &[PathBuf], limits: &Limits) -> Size {
    let end = hard(limits);
    let mut sum = Size::default();
    for tree in trees {
        let size = workspace::size(tree, end.upper_bytes, end.upper_entries);
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
            gone(&link, &link.kill_for(&Over::Memory { cap })).await;
            // The kernel may have gone on ending processes until then.
            killed = group.as_ref().map_or(0, |group| group.killed_for_memory());
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
