//! What a sandbox is to be: the project, where its copy lives, what else is shown, the limits.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// The description a sandbox is started from.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The project: an absolute, canonical directory outside. It is never written.
    pub project: PathBuf,
    /// A directory of this task alone, where its changes are kept; made if missing. A second
    /// start on the same storage goes on with the same changes.
    pub storage: PathBuf,
    /// Further directories shown read-only at their own path, such as toolchains.
    pub read_only: Vec<PathBuf>,
    /// Added to the environment every action starts from.
    pub env: BTreeMap<String, String>,
    /// What becomes of the home directory.
    pub home: Home,
    /// Loopback TCP ports inside whose connections come out to whoever holds the sandbox; see
    /// [`crate::Sandbox::take_listener`]. They are the only way out of the empty network.
    pub ports: Vec<u16>,
    /// What the task may use up.
    pub limits: Limits,
}

/// The home directory inside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Home {
    /// Empty at every start, and gone with the sandbox.
    #[default]
    Fresh,
    /// Kept in the task's storage from one start to the next, and removed with it. What lies in it
    /// counts against [`Limits::upper_bytes`].
    Kept,
}

impl Profile {
    /// A profile with nothing but the project and its storage.
    pub fn new(project: impl Into<PathBuf>, storage: impl Into<PathBuf>) -> Self {
        Self {
            project: project.into(),
            storage: storage.into(),
            read_only: Vec::new(),
            env: BTreeMap::new(),
            home: Home::Fresh,
            ports: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// What a task may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Processes and threads at once.
    pub processes: u64,
    /// Open files of one process.
    pub open_files: u64,
    /// The largest file an action may write.
    pub file_size_bytes: u64,
    /// Memory one process may have for itself: what it maps privately and may write, used or not.
    /// What it only reserves without access does not count, so that runtimes with large heaps go
    /// on working; programs built with a sanitizer map terabytes and do not start.
    pub memory_bytes: u64,
    /// Memory of all its processes together, but never more than three quarters of what the
    /// machine has. Held by the kernel where there is a control group, and then the cached files
    /// and what lies in memory file systems count too; looked at ten times a second elsewhere.
    pub task_memory_bytes: u64,
    /// Processor time, in hundredths of one processor; as much as is there without it. Needs a
    /// control group.
    pub cpu_percent: Option<u32>,
    /// Size of each of `/tmp`, `/dev/shm` and a fresh home directory; they live in memory.
    pub tmp_bytes: u64,
    /// What the changed files of the workspace may take together. Looked at twice a second while
    /// actions run; at the cap every action is killed.
    pub upper_bytes: u64,
    /// How many files and directories these may be.
    pub upper_entries: u64,
    /// What the disk they lie on must have left in bytes; below that every action is killed.
    pub disk_left: u64,
}

impl Limits {
    /// The cap of the whole task's memory on this machine, in bytes.
    pub(crate) fn whole_memory(&self) -> u64 {
        let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
        let kilobytes = total.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse().ok());
        kilobytes.map_or(self.task_memory_bytes, |kilobytes: u64| {
            self.task_memory_bytes.min(kilobytes * 1024 / 4 * 3)
        })
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            processes: 512,
            open_files: 1024,
            file_size_bytes: 2 << 30,
            memory_bytes: 8 << 30,
            task_memory_bytes: 16 << 30,
            cpu_percent: None,
            tmp_bytes: 1 << 30,
            upper_bytes: 8 << 30,
            upper_entries: 1_000_000,
            disk_left: 256 << 20,
        }
    }
}

/// The environment every action starts from: nothing of the supervisor's own.
pub(crate) fn base_env(extra: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let fixed = [
        ("HOME", crate::mounts::HOME),
        ("USER", "task"),
        ("LOGNAME", "task"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"),
        ("LANG", "C.UTF-8"),
        ("TERM", "dumb"),
        ("TMPDIR", "/tmp"),
    ];
    let mut env: BTreeMap<String, String> =
        fixed.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    env.extend(extra.clone());
    env
}
