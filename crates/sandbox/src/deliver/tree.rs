//! Looking at and touching what lies under one directory, without ever leaving it.
//!
//! Every name is resolved by the kernel beneath the root and through no link, so that a link put
//! in the way, before or meanwhile, ends in an error and never in somebody else's file.

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, StatxFlags, fstat, open, openat2,
    readlinkat, statat, statx,
};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// A directory everything else is named from.
#[derive(Debug)]
pub(crate) struct Tree {
    root: OwnedFd,
    /// Whether what its owner has closed may be opened again: our own copies, never the project.
    ours: bool,
}

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Link,
    /// A 0/0 character device: how overlayfs says that a name is gone.
    Whiteout,
    Special,
}

/// Its facts, links not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Permission bits, setuid, setgid and sticky included.
    pub(crate) mode: u32,
    pub(crate) size: u64,
    /// Bytes it really takes.
    pub(crate) stored: u64,
    pub(crate) ino: u64,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// When its content or attributes last changed; nobody can set it back.
    pub(crate) changed: (i64, u64),
}

const RESOLVE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

fn relative(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

impl Tree {
    pub(crate) fn open(root: &Path, ours: bool) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: open(root, flags, Mode::empty())?, ours })
    }

    /// The root itself, to name something right under it.
    pub(crate) fn root(&self) -> &OwnedFd {
        &self.root
    }

    fn open_at(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        openat2(&self.root, relative(path), flags | OFlags::CLOEXEC, Mode::empty(), RESOLVE)
    }

    /// The directory at `path`, to name something in it.
    pub(crate) fn dir(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.open_at(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW)
    }

    /// The directory `path` lies in, and its name there.
    pub(crate) fn parent<'p>(&self, path: &'p Path) -> Result<(OwnedFd, &'p OsStr), Errno> {
        let name = path.file_name().ok_or(Errno::INVAL)?;
        Ok((self.dir(path.parent().unwrap_or(Path::new("")))?, name))
    }

    /// What lies at `path`; `None` when there is nothing.
    pub(crate) fn node(&self, path: &Path) -> Result<Option<Node>, Errno> {
        if path.as_os_str().is_empty() {
            return Ok(Some(Node::of(&fstat(&self.root)?)));
        }
        let (dir, name) = match self.parent(path) {
            Ok(found) => found,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(error) => return Err(error),
        };
        node_at(&dir, name)
    }

    /// The target of the link at `path`, as written.
    pub(crate) fn link(&self, path: &Path) -> Result<OsString, Errno> {
        let (dir, name) = self.parent(path)?;
        let target = readlinkat(&dir, name, Vec::new())?;
        Ok(OsString::from_vec(target.into_bytes()))
    }

    /// Opens the regular file at `path` for reading; never waits on a pipe.
    pub(crate) fn file(&self, path: &Path) -> Result<File, Errno> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
        let fd = match self.open_at(path, flags) {
            Err(Errno::ACCESS) if self.ours => {
                let before = self.reopen_rights(path, 0o400)?;
                let fd = self.open_at(path, flags)?;
                rustix::fs::fchmod(&fd, Mode::from_raw_mode(before))?;
                fd
            }
            other => other?,
        };
        if FileType::from_raw_mode(fstat(&fd)?.st_mode) != FileType::RegularFile {
            return Err(Errno::OPNOTSUPP);
        }
        Ok(fd.into())
    }

    /// The directory at `path`, opened so that it can be listed and asked for attributes.
    pub(crate) fn readable_dir(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        if self.ours
            && let Some(node) = self.node(path)?
            && node.mode & 0o700 != 0o700
        {
            // A directory the task closed to itself; it stays open, nothing depends on it.
            self.reopen_rights(path, 0o700)?;
        }
        self.open_at(path, flags)
    }

    /// The names in the directory at `path`, sorted, at most `max` of them and one more.
    pub(crate) fn names(&self, path: &Path, max: usize) -> Result<Vec<OsString>, Errno> {
        let mut names = Vec::new();
        for entry in Dir::new(self.readable_dir(path)?)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
            if names.len() > max {
                break;
            }
        }
        names.sort();
        Ok(names)
    }

    /// When what lies at `path` came to be there, where the file system keeps that.
    pub(crate) fn born(&self, path: &Path) -> Option<(i64, u64)> {
        let fd = self.open_at(path, OFlags::PATH | OFlags::NOFOLLOW).ok()?;
        let found = statx(&fd, c"", AtFlags::EMPTY_PATH, StatxFlags::BTIME).ok()?;
        (found.stx_mask & StatxFlags::BTIME.bits() != 0)
            .then_some((found.stx_btime.tv_sec, u64::from(found.stx_btime.tv_nsec)))
    }

    /// Adds permission bits; gives those it had before.
    fn reopen_rights(&self, path: &Path, bits: u32) -> Result<u32, Errno> {
        let fd = self.open_at(path, OFlags::PATH | OFlags::NOFOLLOW)?;
        let node = Node::of(&fstat(&fd)?);
        if node.kind == Kind::Link {
            return Err(Errno::LOOP);
        }
        set_mode(&fd, node.mode | bits)?;
        Ok(node.mode)
    }
}

/// Whether overlayfs lets nothing of the lower directory show through this one.
pub(crate) fn is_opaque(tree: &Tree, dir: &Path) -> Result<bool, Errno> {
    let dir = tree.readable_dir(dir)?;
    let mut value = [0_u8; 4];
    for name in ["user.overlay.opaque", "trusted.overlay.opaque"] {
        // `x` only says that there are whiteouts kept as attributes; whatever cannot be read
        // is none of ours.
        if rustix::fs::fgetxattr(&dir, name, value.as_mut_slice()) == Ok(1)
            && value.first() == Some(&b'y')
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Sets the permission bits of what a path-only descriptor names.
pub(crate) fn set_mode(fd: &OwnedFd, mode: u32) -> Result<(), Errno> {
    let place = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::chmod(place, Mode::from_raw_mode(mode & 0o7777))
}

/// What lies under `name` in an open directory.
pub(crate) fn node_at(dir: &OwnedFd, name: &OsStr) -> Result<Option<Node>, Errno> {
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(Node::of(&stat))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The facts of a path outside any tree.
pub(crate) fn node_of(path: &Path) -> Result<Node, Errno> {
    Ok(Node::of(&statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?))
}

impl Node {
    pub(crate) fn of(stat: &rustix::fs::Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Link,
            FileType::CharacterDevice if stat.st_rdev == 0 => Kind::Whiteout,
            _ => Kind::Special,
        };
        Self {
            kind,
            mode: stat.st_mode & 0o7777,
            size: u64::try_from(stat.st_size).unwrap_or(u64::MAX),
            stored: u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512),
            ino: stat.st_ino,
            uid: stat.st_uid,
            gid: stat.st_gid,
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}
