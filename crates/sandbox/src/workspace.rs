//! The task's own view of the project: a copy-on-write layer, or a copy where that cannot be.

use crate::control::Ids;
use crate::deliver::tree::{Kind, node_of};
use crate::error::SandboxError;
use crate::manifest::Manifest;
use rustix::fs::{AtFlags, CWD, FileType, statat};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

/// Where a task's storage has the layer of its changes.
pub(crate) const LAYER: &str = "layer";
/// Where it has the copy, where a layer could not be used.
pub(crate) const COPY: &str = "copy";

/// Where the task's changes are, as seen from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "form")]
pub enum WorkspaceForm {
    /// `upper` holds only what differs from `lower`, the project.
    Overlay {
        /// The project.
        lower: PathBuf,
        /// The changes, as overlayfs keeps them.
        upper: PathBuf,
    },
    /// `copy` is a whole copy of `lower`, the project.
    Copy {
        /// The project.
        lower: PathBuf,
        /// The copy the task works on.
        copy: PathBuf,
    },
}

impl WorkspaceForm {
    /// What an earlier start on `storage` left, so that the changes of a run can be looked at
    /// after everything else of it is gone; `None` when it never came to a workspace.
    #[must_use]
    pub fn in_storage(project: &Path, storage: &Path) -> Option<Self> {
        let is_dir = |path: &Path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
        let (copy, upper) = (storage.join(COPY), storage.join(LAYER).join("upper"));
        let lower = project.to_owned();
        // A copy is only made where the layer could not be used, and then the layer is empty.
        if is_dir(&copy) {
            Some(Self::Copy { lower, copy })
        } else if is_dir(&upper) {
            Some(Self::Overlay { lower, upper })
        } else {
            None
        }
    }

    /// The word for the form.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Overlay { .. } => "overlay",
            Self::Copy { .. } => "copy",
        }
    }
}

/// Something a person should know about the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "notice")]
pub enum Notice {
    /// Copy-on-write could not be had, a copy was made.
    Copied {
        /// Why.
        why: String,
    },
    /// Not every file was looked at for further owners.
    ScanBounded {
        /// How many were.
        entries: usize,
    },
    /// The project's git repository lies outside of it, where the task sees nothing.
    GitElsewhere,
}

impl Notice {
    /// It in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Copied { why } => {
                format!("the task works on a copy of the project, because {why}")
            }
            Self::ScanBounded { entries } => format!(
                "only the first {entries} files were looked at for other owners; writing a file \
                 of another owner fails"
            ),
            Self::GitElsewhere => "git does not work inside the task's workspace, because the \
                                   project's repository lies elsewhere (it is a linked work tree \
                                   or a submodule)"
                .to_owned(),
        }
    }
}

/// The most of a `.git` file that is read.
const GIT_FILE: u64 = 8192;

/// Whether the project's `.git` leads out of it, as in a linked work tree or a submodule.
pub(crate) fn repository_is_elsewhere(project: &Path) -> bool {
    let git = project.join(".git");
    let Ok(meta) = fs::symlink_metadata(&git) else { return false };
    let target = if meta.is_symlink() {
        Some(git)
    } else if meta.is_file() {
        let mut text = Vec::new();
        fs::File::open(&git)
            .and_then(|file| file.take(GIT_FILE).read_to_end(&mut text))
            .ok()
            .and_then(|_| text.strip_prefix(b"gitdir:").map(<[u8]>::trim_ascii))
            .map(|target| project.join(OsStr::from_bytes(target)))
    } else {
        None
    };
    // One that leads nowhere does not work either.
    target.is_some_and(|target| {
        target.canonicalize().map_or(true, |target| !target.starts_with(project))
    })
}

/// How many entries are looked at for further owners before giving up: a bound on set-up time.
const SCAN_ENTRIES: usize = 5_000;

/// The directories a workspace lives in.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    /// Holds `upper` and `work`.
    pub(crate) layer: PathBuf,
    /// Holds the copy.
    pub(crate) copy: PathBuf,
    /// Holds the home directory, where it is kept.
    pub(crate) home: PathBuf,
}

fn make_dir(path: &Path, owner: Option<Ids>) -> Result<(), SandboxError> {
    let storage = |source| SandboxError::Storage { path: path.to_owned(), source };
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {
            if let Some(ids) = owner {
                lchown(path, Some(ids.uid), Some(ids.gid)).map_err(storage)?;
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(storage(error)),
    }
}

impl Storage {
    /// Makes the directories under `root`. With `owner` they are given to the task's user; the
    /// way to them stays closed for it, because `root` itself remains ours.
    pub(crate) fn prepare(
        root: &Path,
        project: &Path,
        owner: Option<Ids>,
    ) -> Result<Self, SandboxError> {
        let storage = |source| SandboxError::Storage { path: root.to_owned(), source };
        if !root.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(root).map_err(storage)?;
        }
        fs::set_permissions(root, fs::Permissions::from_mode(0o700)).map_err(storage)?;
        let root = root.canonicalize().map_err(storage)?;
        if root.starts_with(project) {
            return Err(SandboxError::Project {
                path: project.to_owned(),
                why: "the task's storage lies inside it; move the data directory elsewhere",
            });
        }
        let layer = root.join(LAYER);
        make_dir(&layer, owner)?;
        make_dir(&layer.join("upper"), owner)?;
        make_dir(&layer.join("work"), owner)?;
        // The root of the merged view has the rights of the upper directory.
        let mode = fs::metadata(project).map_err(storage)?.mode() & 0o777 | 0o700;
        fs::set_permissions(layer.join("upper"), fs::Permissions::from_mode(mode))
            .map_err(storage)?;
        Ok(Self { layer, copy: root.join(COPY), home: root.join("home") })
    }

    /// Makes the home directory, or takes the one that an earlier start left.
    pub(crate) fn keep_home(&self, owner: Option<Ids>) -> Result<&Path, SandboxError> {
        make_dir(&self.home, owner)?;
        Ok(&self.home)
    }

    /// Makes the copy, completely or not at all.
    pub(crate) fn make_copy(&self, project: &Path, owner: Option<Ids>) -> Result<(), SandboxError> {
        if self.copy.is_dir() {
            return Ok(());
        }
        let partial = self.copy.with_extension("partial");
        let failed = |source| SandboxError::Storage { path: partial.clone(), source };
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(failed)?;
        }
        let manifest = copy_tree(project, &partial, owner).map_err(failed)?;
        // Kept first: a copy without its record could not be told from the project later.
        manifest.keep(&self.copy).map_err(failed)?;
        fs::rename(&partial, &self.copy).map_err(failed)
    }
}

/// Copies a tree without following a link. Pipes, sockets and devices are left out: they name
/// something that runs outside.
fn copy_tree(from: &Path, to: &Path, owner: Option<Ids>) -> io::Result<Manifest> {
    let mut pending = vec![PathBuf::new()];
    let (mut dirs, mut manifest) = (Vec::new(), Manifest::default());
    while let Some(path) = pending.pop() {
        let (source, target) = (from.join(&path), to.join(&path));
        let node = node_of(&source)?;
        let meta = fs::symlink_metadata(&source)?;
        match node.kind {
            Kind::Directory => {
                fs::DirBuilder::new().mode(0o700).create(&target)?;
                for entry in fs::read_dir(&source)? {
                    pending.push(path.join(entry?.file_name()));
                }
            }
            Kind::Link => symlink(fs::read_link(&source)?, &target)?,
            Kind::File => copy_file(&source, &target, &meta)?,
            Kind::Whiteout | Kind::Special => continue,
        }
        if let Some(ids) = owner {
            lchown(&target, Some(ids.uid), Some(ids.gid))?;
        }
        if node.kind == Kind::Directory {
            dirs.push((path, node));
        } else {
            manifest.record(&path, &node, &target)?;
        }
    }
    for (path, node) in dirs {
        let target = to.join(&path);
        let mode = node.mode & 0o777 | 0o700;
        fs::set_permissions(&target, fs::Permissions::from_mode(mode))?;
        manifest.record(&path, &node, &target)?;
    }
    Ok(manifest)
}

/// Shares the blocks where the file system can, and copies them where it cannot.
fn copy_file(from: &Path, to: &Path, meta: &fs::Metadata) -> io::Result<()> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut source = fs::File::from(open(from, flags, Mode::empty())?);
    let mut target = fs::OpenOptions::new().write(true).create_new(true).open(to)?;
    if rustix::fs::ioctl_ficlone(&target, &source).is_err() {
        io::copy(&mut source, &mut target)?;
    }
    target.set_permissions(fs::Permissions::from_mode(meta.mode() & 0o777))?;
    target.set_modified(meta.modified()?)
}

/// What a look at the project's owners found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owners {
    /// One owner, everywhere looked.
    One,
    /// The same, but not everything was looked at.
    OneSoFar(usize),
    /// A file of somebody else, whom the task's namespace does not know.
    Further(PathBuf),
}

/// Looks for files of a further owner: writing them through the copy-on-write view would fail
/// midway with EOVERFLOW.
pub(crate) fn owners(project: &Path, owner: Ids) -> io::Result<Owners> {
    let mut pending = vec![project.to_owned()];
    let mut seen = 0;
    while let Some(dir) = pending.pop() {
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            // What cannot be read outside cannot be read inside either.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => continue,
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            let stat = match statat(CWD, &path, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                // Gone since the directory was listed.
                Err(rustix::io::Errno::NOENT) => continue,
                Err(error) => return Err(error.into()),
            };
            if (stat.st_uid, stat.st_gid) != (owner.uid, owner.gid) {
                return Ok(Owners::Further(path));
            }
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                pending.push(path);
            }
            seen += 1;
            if seen >= SCAN_ENTRIES {
                return Ok(Owners::OneSoFar(seen));
            }
        }
    }
    Ok(Owners::One)
}

/// What a tree takes up.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    /// On the disk.
    pub(crate) bytes: u64,
    /// Files and directories.
    pub(crate) entries: u64,
}

/// Measures a tree without following links; stops counting past either cap.
pub(crate) fn size(tree: &Path, bytes: u64, entries: u64) -> Size {
    let mut pending = vec![tree.to_owned()];
    let mut size = Size::default();
    while let Some(dir) = pending.pop() {
        // Entries come and go while an action runs; one that is gone weighs nothing.
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let Ok(meta) = entry.metadata() else { continue };
            size.entries += 1;
            size.bytes = size.bytes.saturating_add(meta.blocks().saturating_mul(512));
            if meta.is_dir() {
                pending.push(entry.path());
            }
            if size.bytes > bytes || size.entries > entries {
                return size;
            }
        }
    }
    size
}
