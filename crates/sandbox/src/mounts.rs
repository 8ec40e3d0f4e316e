//! The root a task sees: an allow-list on a small tmpfs, built from trees taken hold of before.

use crate::control::{Plan, PlannedWorkspace, Stage};
use crate::launch::{At, Refusal};
use crate::sys::{self, Fork, MountAttr};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, open, openat, readlinkat, statat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount,
    fsopen, mount_change, move_mount, open_tree, unmount,
};
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The home directory inside.
pub(crate) const HOME: &str = "/home/task";

/// What of the system is shown at its own place, read-only. A link is made again, a directory
/// is bound, what is missing is left out.
const SYSTEM: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32"];

/// What of `/etc` is shown: what programs need to find libraries, certificates, times and names
/// of services. Nothing that names users, hosts or secrets.
const ETC: &[&str] = &[
    "ld.so.cache", // the loader's index
    "ld.so.conf",  // and its source, read by some build tools
    "ld.so.conf.d",
    "alternatives", // cc, java, editor and the like are links through here
    "ssl/certs",    // roots of trust; ssl/private stays out
    "ssl/openssl.cnf",
    "ca-certificates",
    "ca-certificates.conf",
    "pki/tls/certs", // the same on other distributions
    "pki/ca-trust/extracted",
    "localtime",
    "timezone",
    "locale.alias",
    "mime.types",
    "services",
    "protocols",
    "os-release",
    "debian_version",
    "terminfo",
    "fonts",
    "perl",
    "python3",
    "python3.11",
    "python3.12",
    "python3.13",
    "maven",
    "java-11-openjdk",
    "java-17-openjdk",
    "java-21-openjdk",
    "java-25-openjdk",
];

/// The devices: none of them keeps state or reaches hardware.
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

/// Files of `/proc` covered by `/dev/null`.
const PROC_COVERED: &[&str] =
    &["kcore", "keys", "key-users", "kmsg", "sysrq-trigger", "timer_list", "sched_debug"];

/// Directories of `/proc` made read-only.
const PROC_READ_ONLY: &[&str] = &["sys", "bus", "fs", "irq"];

enum Piece {
    Tree(OwnedFd),
    Link(Vec<u8>),
}

/// Detached copies of everything that will be shown.
pub(crate) struct Trees {
    system: Vec<(PathBuf, Piece, bool)>,
    devices: Vec<(&'static str, OwnedFd)>,
    read_only: Vec<(PathBuf, OwnedFd)>,
    project: Option<OwnedFd>,
    layer: OwnedFd,
    home: Option<OwnedFd>,
}

impl Trees {
    /// Takes hold of all of it.
    pub(crate) fn collect(plan: &Plan) -> Result<Self, Refusal> {
        let sealed = sys::ATTR_RDONLY | sys::ATTR_NOSUID | sys::ATTR_NODEV;
        let mut system = Vec::new();
        for place in SYSTEM {
            system.extend(piece(Path::new(place), sealed).at(Stage::System)?);
        }
        for name in ETC {
            let place = Path::new("/etc").join(name);
            system.extend(piece(&place, sealed | sys::ATTR_NOEXEC).at(Stage::System)?);
        }
        let mut devices = Vec::new();
        for name in DEVICES {
            let tree = detach(&Path::new("/dev").join(name)).at(Stage::Dev)?;
            set(tree.as_fd(), sys::ATTR_NOSUID | sys::ATTR_NOEXEC, false).at(Stage::Dev)?;
            devices.push((*name, tree));
        }
        let mut read_only = Vec::new();
        for place in &plan.read_only {
            let place = path(place);
            let tree = detach(place).at(Stage::ReadOnly)?;
            set(tree.as_fd(), sealed, true).at(Stage::ReadOnly)?;
            read_only.push((place.to_owned(), tree));
        }
        let open_data = sys::ATTR_NOSUID | sys::ATTR_NODEV;
        let (project, layer) = match &plan.workspace {
            PlannedWorkspace::Overlay { layer } => {
                let project = detach(path(&plan.project)).at(Stage::Project)?;
                set(project.as_fd(), sealed, true).at(Stage::Project)?;
                if plan.become_user.is_some() && plan.owner != plan.ids {
                    show_as_own(project.as_fd(), plan).at(Stage::IdMap)?;
                }
                (Some(project), detach(path(layer)).at(Stage::Overlay)?)
            }
            PlannedWorkspace::Copy { copy } => (None, detach(path(copy)).at(Stage::Project)?),
        };
        set(layer.as_fd(), open_data, false).at(Stage::Project)?;
        let home = match &plan.home {
            Some(home) => {
                let tree = detach(path(home)).at(Stage::Project)?;
                set(tree.as_fd(), open_data, false).at(Stage::Project)?;
                Some(tree)
            }
            None => None,
        };
        Ok(Self { system, devices, read_only, project, layer, home })
    }
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

fn detach(place: &Path) -> Result<OwnedFd, Errno> {
    open_tree(
        CWD,
        place,
        OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_RECURSIVE
            | OpenTreeFlags::AT_SYMLINK_NOFOLLOW,
    )
}

fn set(mount: BorrowedFd<'_>, flags: u64, recursive: bool) -> Result<(), Errno> {
    sys::mount_setattr(mount, MountAttr { set: flags, ..MountAttr::default() }, recursive)
}

fn piece(place: &Path, flags: u64) -> Result<Option<(PathBuf, Piece, bool)>, Errno> {
    let stat = match statat(CWD, place, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(error) => return Err(error),
    };
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind == FileType::Symlink {
        let target = readlinkat(CWD, place, Vec::new())?.into_bytes();
        return Ok(Some((place.to_owned(), Piece::Link(target), false)));
    }
    let tree = detach(place)?;
    set(tree.as_fd(), flags, true)?;
    Ok(Some((place.to_owned(), Piece::Tree(tree), kind == FileType::Directory)))
}

/// Shows files of the project's owner as the task's own: an id-mapped view of a detached copy of
/// the mount. Files on disk keep their owner, and nobody inside ever holds that owner's id.
fn show_as_own(project: BorrowedFd<'_>, plan: &Plan) -> Result<(), Errno> {
    let (ready_read, ready_write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let pid = match sys::fork()? {
        Fork::Child => {
            drop(ready_read);
            let made = sys::unshare(libc::CLONE_NEWUSER)
                .and_then(|()| rustix::io::write(&ready_write, b"+").map(|_| ()));
            if made.is_ok() {
                // Stays until it is killed: a namespace lives as long as a process in it.
                loop {
                    std::thread::sleep(std::time::Duration::from_secs(1));
                }
            }
            sys::exit(1)
        }
        Fork::Parent(pid) => pid,
    };
    drop(ready_write);
    let namespace = map_namespace(pid, &ready_read, plan);
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        let _reaped = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
    }
    let namespace = namespace?;
    let userns_fd =
        u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&namespace)).map_err(|_| Errno::BADF)?;
    let attr = MountAttr { set: sys::ATTR_IDMAP, userns_fd, ..MountAttr::default() };
    sys::mount_setattr(project, attr, true)
}

fn map_namespace(pid: i32, ready: &OwnedFd, plan: &Plan) -> Result<OwnedFd, Errno> {
    let mut byte = [0_u8];
    if rustix::io::read(ready, &mut byte)? != 1 {
        return Err(Errno::PERM);
    }
    let put = |name: &str, from: u32, to: u32| {
        std::fs::write(format!("/proc/{pid}/{name}"), format!("{from} {to} 1"))
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
    };
    put("uid_map", plan.owner.uid, plan.ids.uid)?;
    put("gid_map", plan.owner.gid, plan.ids.gid)?;
    open(format!("/proc/{pid}/ns/user"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// Builds the root from the trees, enters it, and lets go of everything else.
pub(crate) fn build(plan: &Plan, trees: Trees) -> Result<(), Refusal> {
    // Nothing done here may travel out, and pivot_root takes no shared mount.
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .at(Stage::Root)?;
    let root = tmpfs(8 << 20, 0o755, 4096).at(Stage::Root)?;
    // `/usr` exists everywhere; what lay there stays reachable through the detached trees.
    attach(root.as_fd(), CWD, Path::new("/usr")).at(Stage::Root)?;
    rustix::process::fchdir(&root).at(Stage::Root)?;
    // From here on relative names are names in the new root.
    home_and_tmp(plan, trees.home.as_ref()).at(Stage::Root)?;
    for (place, piece, directory) in trees.system {
        show(&place, &piece, directory).at(Stage::System)?;
    }
    generated(plan).at(Stage::System)?;
    dev(&trees.devices).at(Stage::Dev)?;
    proc_fs().at(Stage::Proc)?;
    for (place, tree) in &trees.read_only {
        let inside = inside(place);
        make_dirs(&inside).at(Stage::ReadOnly)?;
        attach(tree.as_fd(), CWD, &inside).at(Stage::ReadOnly)?;
    }
    let workspace = workspace(trees.project.as_ref(), trees.layer)?;
    let project = inside(path(&plan.project));
    make_dirs(&project).at(Stage::Project)?;
    attach(workspace.as_fd(), CWD, &project).at(Stage::Project)?;
    set(root.as_fd(), sys::ATTR_RDONLY, false).at(Stage::Root)?;
    rustix::process::pivot_root(".", ".").at(Stage::Pivot)?;
    unmount(".", UnmountFlags::DETACH).at(Stage::Pivot)?;
    rustix::process::chdir("/").at(Stage::Pivot)
}

/// The task's own view of the project, not yet attached.
fn workspace(project: Option<&OwnedFd>, layer: OwnedFd) -> Result<OwnedFd, Refusal> {
    let Some(project) = project else { return Ok(layer) };
    let (lower, upper) = (Path::new("stage/lower"), Path::new("stage/layer"));
    make_dirs(lower).at(Stage::Overlay)?;
    make_dirs(upper).at(Stage::Overlay)?;
    attach(project.as_fd(), CWD, lower).at(Stage::Overlay)?;
    attach(layer.as_fd(), CWD, upper).at(Stage::Overlay)?;
    let mounted = overlay().at(Stage::Overlay)?;
    // The overlay holds its own references; the ways to its parts are taken down.
    for place in [lower, upper] {
        unmount(place, UnmountFlags::DETACH).at(Stage::Overlay)?;
        rustix::fs::unlinkat(CWD, place, AtFlags::REMOVEDIR).at(Stage::Overlay)?;
    }
    rustix::fs::unlinkat(CWD, "stage", AtFlags::REMOVEDIR).at(Stage::Overlay)?;
    Ok(mounted)
}

fn overlay() -> Result<OwnedFd, Errno> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "source", "workspace")?;
    fsconfig_set_string(&context, "lowerdir", "stage/lower")?;
    fsconfig_set_string(&context, "upperdir", "stage/layer/upper")?;
    fsconfig_set_string(&context, "workdir", "stage/layer/work")?;
    fsconfig_set_flag(&context, "userxattr")?;
    fsconfig_create(&context)?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)
}

fn tmpfs(bytes: u64, mode: u32, inodes: u64) -> Result<OwnedFd, Errno> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "source", "tmpfs")?;
    fsconfig_set_string(&context, "size", bytes.to_string())?;
    fsconfig_set_string(&context, "mode", format!("{mode:o}"))?;
    fsconfig_set_string(&context, "nr_inodes", inodes.to_string())?;
    fsconfig_create(&context)?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)
}

fn attach(mount: BorrowedFd<'_>, at: BorrowedFd<'_>, place: &Path) -> Result<(), Errno> {
    move_mount(mount, "", at, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}

/// The same place without its leading slash: below the new root, which is the current directory.
fn inside(place: &Path) -> PathBuf {
    place.strip_prefix("/").unwrap_or(place).to_owned()
}

fn make_dirs(place: &Path) -> Result<(), Errno> {
    let mut so_far = PathBuf::new();
    for part in place {
        so_far.push(part);
        match rustix::fs::mkdir(&so_far, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            // A place in a read-only tree that is already there is as good as made.
            Err(Errno::ROFS | Errno::ACCESS) if statat(CWD, &so_far, AtFlags::empty()).is_ok() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn make_file(place: &Path, content: &[u8]) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    let file = openat(CWD, place, flags, Mode::from_raw_mode(0o644))?;
    let mut rest = content;
    while !rest.is_empty() {
        let written = rustix::io::write(&file, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    Ok(())
}

fn show(place: &Path, piece: &Piece, directory: bool) -> Result<(), Errno> {
    let inside = inside(place);
    if let Some(parent) = inside.parent() {
        make_dirs(parent)?;
    }
    match piece {
        Piece::Link(target) => rustix::fs::symlink(path(target), &inside),
        Piece::Tree(tree) => {
            if directory {
                make_dirs(&inside)?;
            } else {
                make_file(&inside, b"")?;
            }
            attach(tree.as_fd(), CWD, &inside)
        }
    }
}

fn home_and_tmp(plan: &Plan, kept: Option<&OwnedFd>) -> Result<(), Errno> {
    let inodes = (plan.tmp_bytes / 4096).clamp(1024, 200_000);
    for (place, mode) in [("tmp", 0o1777), ("dev/shm", 0o1777)] {
        let place = Path::new(place);
        make_dirs(place)?;
        attach(tmpfs(plan.tmp_bytes, mode, inodes)?.as_fd(), CWD, place)?;
    }
    let home = inside(Path::new(HOME));
    make_dirs(&home)?;
    match kept {
        Some(kept) => attach(kept.as_fd(), CWD, &home)?,
        None => attach(tmpfs(plan.tmp_bytes, 0o700, inodes)?.as_fd(), CWD, &home)?,
    }
    // Programs look for these by their old names.
    make_dirs(Path::new("var"))?;
    rustix::fs::symlink("../tmp", "var/tmp")?;
    rustix::fs::mkdir("run", Mode::from_raw_mode(0o755))
}

fn generated(plan: &Plan) -> Result<(), Errno> {
    let (uid, gid) = (plan.ids.uid, plan.ids.gid);
    let passwd = format!(
        "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\ntask:x:{uid}:{gid}:task:{HOME}:/bin/bash\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    );
    let group = format!("root:x:0:\ntask:x:{gid}:\nnogroup:x:65534:\n");
    make_dirs(Path::new("etc"))?;
    make_file(Path::new("etc/passwd"), passwd.as_bytes())?;
    make_file(Path::new("etc/group"), group.as_bytes())?;
    make_file(Path::new("etc/hosts"), b"127.0.0.1 localhost gatepost\n::1 localhost gatepost\n")?;
    make_file(Path::new("etc/hostname"), b"gatepost\n")?;
    make_file(Path::new("etc/resolv.conf"), b"nameserver 127.0.0.1\n")?;
    make_file(
        Path::new("etc/nsswitch.conf"),
        b"passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    )
}

fn dev(devices: &[(&'static str, OwnedFd)]) -> Result<(), Errno> {
    for (name, tree) in devices {
        let place = Path::new("dev").join(name);
        make_file(&place, b"")?;
        attach(tree.as_fd(), CWD, &place)?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
        ("ptmx", "pts/ptmx"),
    ] {
        rustix::fs::symlink(target, Path::new("dev").join(name))?;
    }
    let context = fsopen("devpts", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "mode", "0620")?;
    fsconfig_set_string(&context, "ptmxmode", "0666")?;
    fsconfig_create(&context)?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let pts = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)?;
    make_dirs(Path::new("dev/pts"))?;
    attach(pts.as_fd(), CWD, Path::new("dev/pts"))
}

fn proc_fs() -> Result<(), Errno> {
    let context = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let flags = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let mount = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)?;
    make_dirs(Path::new("proc"))?;
    attach(mount.as_fd(), CWD, Path::new("proc"))?;
    for name in PROC_COVERED {
        let place = Path::new("proc").join(name);
        if statat(CWD, &place, AtFlags::empty()).is_ok() {
            attach(detach(Path::new("dev/null"))?.as_fd(), CWD, &place)?;
        }
    }
    for name in PROC_READ_ONLY {
        let place = Path::new("proc").join(name);
        if statat(CWD, &place, AtFlags::empty()).is_ok() {
            let tree = detach(&place)?;
            set(tree.as_fd(), sys::ATTR_RDONLY, true)?;
            attach(tree.as_fd(), CWD, &place)?;
        }
    }
    Ok(())
}
