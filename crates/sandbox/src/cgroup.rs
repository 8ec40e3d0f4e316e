//! Control groups: one for each task, below a part of the tree that was given to this program.
//!
//! A group is used only where whoever runs the machine handed one over (`Delegate=yes` in the
//! service's unit), because the tree has one owner and elsewhere that is somebody else. systemd
//! says so in an extended attribute of the group, and so can a person by hand.

use crate::profile::Limits;
use rustix::io::Errno;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The group this program itself moves to: a group with controllers below it may hold no process.
const OWN: &str = "gatepost";
/// How the groups of tasks begin; the number of the process that made it and a count follow.
const TASK: &str = "task-";
/// What says that a group was delegated. The kernel shows `trusted.` names to root alone; systemd
/// sets both since version 251.
const MARKS: [&str; 2] = ["user.delegate", "trusted.delegate"];
/// Without these a group bounds nothing that the limits of a process do not.
const NEEDED: [&str; 2] = ["memory", "pids"];
/// The share of the processors a task has against this program itself, which has 100: the
/// supervisor and its proxies must come to their turn while every task is busy.
const WEIGHT: &str = "50";
/// Launcher and init are in the group too, and init must be able to fork at an action's cap.
const SPARE: u64 = 8;
/// How long the kernel may take to let go of a killed group.
const GONE: Duration = Duration::from_secs(5);

/// Why there is no group for a task.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoGroup {
    /// No version 2 of control groups.
    #[error("no cgroup v2 is mounted here")]
    NoTree,
    /// It belongs to somebody else.
    #[error("`{0}` was not delegated to this program")]
    NotDelegated(String),
    /// The tree is there without what is needed of it.
    #[error("the controller `{0}` is not to be had in cgroup v2 here")]
    NoController(&'static str),
    /// Something could not be read or written.
    #[error("`{0}`: {1}")]
    Failed(String, String),
}

impl NoGroup {
    /// What mends it.
    pub(crate) fn mend(&self) -> &'static str {
        match self {
            Self::NoTree | Self::NoController(_) => {
                "boot with `systemd.unified_cgroup_hierarchy=1 cgroup_no_v1=all`"
            }
            Self::NotDelegated(_) => {
                "run it as the service in `deploy/`, which has `Delegate=`, or by hand: \
                 `systemd-run --user --scope -p Delegate=yes gatepost up`"
            }
            Self::Failed(..) => "mend what it says and run `gatepost doctor` again",
        }
    }
}

fn failed(place: &Path, error: &io::Error) -> NoGroup {
    NoGroup::Failed(place.display().to_string(), error.to_string())
}

fn read(place: &Path) -> Result<String, NoGroup> {
    fs::read_to_string(place).map_err(|error| failed(place, &error))
}

fn write(place: &Path, text: &str) -> Result<(), NoGroup> {
    // Never made: a kernel without the file has no such limit.
    fs::OpenOptions::new()
        .write(true)
        .open(place)
        .and_then(|mut file| io::Write::write_all(&mut file, text.as_bytes()))
        .map_err(|error| failed(place, &error))
}

/// The directory of our own group.
fn own(groups: &str, mounts: &str) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        if kind.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = mount.split(' ').skip(3);
        let (root, at) = (fields.next()?, fields.next()?);
        let below = Path::new(path).strip_prefix(root).ok()?;
        Some(Path::new(at).join(below))
    })
}

fn is_marked(place: &Path) -> bool {
    MARKS.iter().any(|name| {
        let mut value = [0_u8; 8];
        rustix::fs::getxattr(place, *name, &mut value)
            .is_ok_and(|size| value.get(..size) == Some(b"1".as_slice()))
    })
}

/// The part of the tree that was given to this program.
#[derive(Debug, Clone)]
struct Delegated {
    place: PathBuf,
}

impl Delegated {
    /// Finds it, and on the first time moves out of the way of the controllers.
    fn find() -> Result<Self, NoGroup> {
        let groups = read(Path::new("/proc/self/cgroup"))?;
        let mounts = read(Path::new("/proc/self/mountinfo"))?;
        let own = own(&groups, &mounts).ok_or(NoGroup::NoTree)?;
        let place = match own.parent() {
            Some(above) if own.ends_with(OWN) && is_marked(above) => above.to_owned(),
            _ if is_marked(&own) => own.clone(),
            _ => {
                // What is not there at all is the greater lack.
                controllers(&own)?;
                return Err(NoGroup::NotDelegated(own.display().to_string()));
            }
        };
        let found = Self { place };
        let have = controllers(&found.place)?;
        if found.place == own {
            found.step_down()?;
        }
        let wanted = NEEDED.iter().copied().chain(have.contains("cpu").then_some("cpu"));
        let enable: Vec<String> = wanted.map(|name| format!("+{name}")).collect();
        write(&found.place.join("cgroup.subtree_control"), &enable.join(" "))?;
        found.clear();
        Ok(found)
    }

    /// Moves every process of the group, all of them ours, into one below it.
    fn step_down(&self) -> Result<(), NoGroup> {
        let below = self.place.join(OWN);
        make(&below)?;
        for pid in read(&self.place.join("cgroup.procs"))?.lines() {
            match write(&below.join("cgroup.procs"), pid) {
                Ok(()) => {}
                // It ended meanwhile.
                Err(_) if !Path::new("/proc").join(pid).exists() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Removes what a supervisor that was killed left behind: empty groups of no living process.
    fn clear(&self) {
        for entry in fs::read_dir(&self.place).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let maker = name.to_str().and_then(|name| name.strip_prefix(TASK));
            let Some((maker, _)) = maker.and_then(|rest| rest.split_once('-')) else { continue };
            if !Path::new("/proc").join(maker).exists() {
                // One that still holds processes stays; init's own death empties it.
                let _removed = fs::remove_dir(entry.path());
            }
        }
    }
}

/// What can be controlled there; an error where that is not enough.
fn controllers(place: &Path) -> Result<String, NoGroup> {
    let have = read(&place.join("cgroup.controllers"))?;
    for name in NEEDED {
        if !have.split_whitespace().any(|one| one == name) {
            return Err(NoGroup::NoController(name));
        }
    }
    Ok(have)
}

fn make(place: &Path) -> Result<(), NoGroup> {
    match fs::create_dir(place) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(failed(place, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The group of one task. Dropping it kills what is in it and removes it.
#[derive(Debug)]
pub(crate) struct Group {
    place: PathBuf,
}

impl Group {
    /// Makes one with the limits of a task; nothing is in it yet.
    pub(crate) fn new(limits: &Limits) -> Result<Self, NoGroup> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let delegated = Delegated::find()?;
        let (pid, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let group = Self { place: delegated.place.join(format!("{TASK}{pid}-{count}")) };
        make(&group.place)?;
        group.put("memory.max", &limits.whole_memory().to_string())?;
        // A machine without swap has no such file.
        let _no_swap = group.put("memory.swap.max", "0");
        let processes = limits.processes.saturating_add(SPARE);
        group.put("pids.max", &processes.to_string())?;
        if group.place.join("cpu.weight").exists() {
            group.put("cpu.weight", WEIGHT)?;
        }
        if let Some(percent) = limits.cpu_percent {
            // Of a tenth of a second, the kernel's own default.
            group.put("cpu.max", &format!("{} 100000", u64::from(percent) * 1000))?;
        }
        Ok(group)
    }

    fn put(&self, name: &str, text: &str) -> Result<(), NoGroup> {
        write(&self.place.join(name), text)
    }

    /// Takes a process in, and with it whatever it will start.
    pub(crate) fn take(&self, pid: u32) -> Result<(), NoGroup> {
        self.put("cgroup.procs", &pid.to_string())
    }

    /// Whether a process is in it, as the kernel tells.
    pub(crate) fn holds(&self, pid: i32) -> bool {
        let group = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let path = group.lines().find_map(|line| line.strip_prefix("0::")).map(Path::new);
        path.is_some_and(|path| path.file_name() == self.place.file_name())
    }

    /// How often the kernel ended a process of it for want of memory.
    pub(crate) fn killed_for_memory(&self) -> u64 {
        let events = fs::read_to_string(self.place.join("memory.events")).unwrap_or_default();
        let kills = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        kills.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }

    /// Kills everything in it at once (a kernel of 5.14 or newer; the end of init does the same).
    pub(crate) fn kill(&self) {
        let _older = self.put("cgroup.kill", "1");
    }

    /// Removes it as soon as the kernel has let go of what was killed. Blocks until then.
    fn remove(place: &Path) {
        let begin = std::time::Instant::now();
        loop {
            match fs::remove_dir(place) {
                Err(error) if Errno::from_io_error(&error) == Some(Errno::BUSY) => {}
                Ok(()) | Err(_) => return,
            }
            if begin.elapsed() > GONE {
                tracing::error!(group = %place.display(), "a killed control group is not empty");
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        let place = std::mem::take(&mut self.place);
        // The kernel needs a moment, and whoever drops a sandbox must not wait for it.
        std::thread::spawn(move || Self::remove(&place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without these lines no task of the service would have a group.
    #[test]
    fn the_unit_that_is_shipped_delegates_what_is_needed() {
        let unit = include_str!("../../../deploy/gatepost.service");
        let given = unit.lines().find_map(|line| line.strip_prefix("Delegate=")).unwrap();
        assert!(NEEDED.iter().all(|name| given.split(' ').any(|one| one == *name)), "{given}");
        assert!(unit.lines().any(|line| line == "OOMPolicy=continue"));
    }

    #[test]
    fn the_own_group_is_found_through_every_kind_of_mount() {
        let hybrid = "25 1 0:22 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let unified = "24 1 0:21 / /sys rw - sysfs s rw\n\
                       30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
        let part = "30 24 0:26 /box /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        let table = [
            ("0::/\n", hybrid, Some("/sys/fs/cgroup/unified/")),
            ("4:memory:/x\n0::/a/b\n", unified, Some("/sys/fs/cgroup/a/b")),
            ("0::/box/c\n", part, Some("/sys/fs/cgroup/c")),
            ("0::/else\n", part, None),
            ("4:memory:/x\n", unified, None),
            ("0::/a\n", "24 1 0:21 / /sys rw - sysfs s rw\n", None),
        ];
        for (groups, mounts, expected) in table {
            assert_eq!(own(groups, mounts).as_deref(), expected.map(Path::new), "{groups}{mounts}");
        }
    }
}
