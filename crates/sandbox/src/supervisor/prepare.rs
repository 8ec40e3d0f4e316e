//! What is decided before anything is launched: whether this may be a project, who the task is,
//! and which form its workspace can have.

use crate::control::{Ids, MAX_PORTS, Plan, PlannedWorkspace, Rlimits};
use crate::error::SandboxError;
use crate::profile::{Home, Profile};
use crate::workspace::{self, Notice, Owners, Storage};
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The user actions get when we are root and `gatepost-task` does not exist: below the range
/// distributions hand out to people's containers (100000 and up) and above that of ordinary and
/// dynamic users, so that no file of anyone is owned by it. Root itself is never used: a root
/// process seen through a bind mount owns the host's files.
const FALLBACK: Ids = Ids { uid: 65529, gid: 65529 };

/// What is known before anything is launched.
pub(super) struct Prepared {
    pub(super) plan: Plan,
    pub(super) storage: Storage,
    pub(super) notices: Vec<Notice>,
    pub(super) copy: Option<String>,
}

impl Prepared {
    pub(super) fn new(profile: &Profile) -> Result<Self, SandboxError> {
        if profile.ports.len() > MAX_PORTS {
            return Err(SandboxError::Ports { most: MAX_PORTS });
        }
        let project = &profile.project;
        let meta = check(project)?;
        let root = rustix::process::geteuid().is_root();
        let owner = Ids { uid: meta.uid(), gid: meta.gid() };
        let ids = if root {
            task_user()
        } else {
            Ids {
                uid: rustix::process::geteuid().as_raw(),
                gid: rustix::process::getegid().as_raw(),
            }
        };
        let become_user = root.then_some(ids);
        let storage = Storage::prepare(&profile.storage, project, become_user)?;
        let (mut notices, mut copy) = (Vec::new(), None);
        if workspace::repository_is_elsewhere(project) {
            notices.push(Notice::GitElsewhere);
        }
        if storage.copy.is_dir() {
            copy = Some("an earlier start of this task had to".to_owned());
        } else {
            let mapped = if root { owner } else { ids };
            match workspace::owners(project, mapped) {
                Ok(_) if mapped != owner => {
                    copy = Some("the project belongs to another user or group".to_owned());
                }
                Ok(Owners::One) => {}
                Ok(Owners::OneSoFar(entries)) => notices.push(Notice::ScanBounded { entries }),
                Ok(Owners::Further(path)) => {
                    copy = Some(format!("`{}` has another owner than the project", path.display()));
                }
                Err(source) => {
                    return Err(SandboxError::Storage { path: project.clone(), source });
                }
            }
        }
        let home = match profile.home {
            Home::Fresh => None,
            Home::Kept => Some(storage.keep_home(become_user)?),
        };
        let limits = profile.limits;
        let plan = Plan {
            project: project.as_os_str().as_bytes().to_vec(),
            become_user,
            ids,
            owner,
            workspace: PlannedWorkspace::Overlay {
                layer: storage.layer.as_os_str().as_bytes().to_vec(),
            },
            read_only: profile
                .read_only
                .iter()
                .map(|place| place.as_os_str().as_bytes().to_vec())
                .collect(),
            home: home.map(|place| place.as_os_str().as_bytes().to_vec()),
            tmp_bytes: limits.tmp_bytes,
            rlimits: Rlimits {
                processes: limits.processes,
                open_files: limits.open_files,
                file_size: limits.file_size_bytes,
                data: limits.memory_bytes,
            },
            ports: profile.ports.clone(),
        };
        Ok(Self { plan, storage, notices, copy })
    }
}

/// Whether a directory can be the project of a task, found out without starting anything.
///
/// # Errors
/// [`SandboxError::Project`] with what is wrong, as [`crate::Sandbox::start`] would have it.
pub fn check_project(project: &Path) -> Result<(), SandboxError> {
    check(project).map(|_| ())
}

fn check(project: &Path) -> Result<Metadata, SandboxError> {
    let refuse = |why| SandboxError::Project { path: project.to_owned(), why };
    if !project.is_absolute() {
        return Err(refuse("the path is not absolute"));
    }
    // Asked before any link is followed: `/proc/self` is another directory for whoever looks.
    check_place(project).map_err(refuse)?;
    let canonical = project.canonicalize().map_err(|error| {
        refuse(match error.kind() {
            ErrorKind::PermissionDenied => "the way to it is closed for this user",
            _ => "there is no such directory",
        })
    })?;
    check_place(&canonical).map_err(refuse)?;
    // Compared as text, because a path with `.` or a `/` at its end equals one without.
    if canonical.as_os_str() != project.as_os_str() {
        return Err(refuse("the path goes through a link, or is not written plainly"));
    }
    let meta = project.metadata().map_err(|_| refuse("it cannot be looked at"))?;
    if !meta.is_dir() {
        return Err(refuse("it is not a directory"));
    }
    Ok(meta)
}

/// Places that are the system's own inside, or hold others' projects.
fn check_place(project: &Path) -> Result<(), &'static str> {
    const TAKEN: [&str; 18] = [
        "/bin",
        "/boot",
        "/dev",
        "/etc",
        "/lib",
        "/lib32",
        "/lib64",
        "/libx32",
        "/proc",
        "/run",
        "/sbin",
        "/sys",
        "/usr/bin",
        "/usr/lib",
        "/usr/lib32",
        "/usr/lib64",
        "/usr/libexec",
        "/usr/sbin",
    ];
    const WHOLE: [&str; 13] = [
        "/",
        "/home",
        "/home/task",
        "/media",
        "/mnt",
        "/opt",
        "/root",
        "/srv",
        "/tmp",
        "/usr",
        "/usr/local",
        "/usr/share",
        "/var",
    ];
    if TAKEN.iter().any(|place| project.starts_with(place)) {
        return Err("it is a directory of the system, or lies in one; a project is kept elsewhere");
    }
    if WHOLE.iter().any(|place| project == Path::new(place)) {
        return Err("it is a directory of the system; name a directory inside it");
    }
    Ok(())
}

/// The user actions get when we are root.
fn task_user() -> Ids {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    passwd
        .lines()
        .find_map(|line| {
            let mut fields = line.strip_prefix("gatepost-task:")?.split(':').skip(1);
            let uid = fields.next()?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            (uid != 0 && gid != 0).then_some(Ids { uid, gid })
        })
        .unwrap_or(FALLBACK)
}
