//! Writing the changes into the project: first everything is checked and made ready in a
//! directory of our own, then moved into place step by step, each step with its way back.
//!
//! A crash in the middle leaves what was moved by then, and a directory `.gatepost-…` at the top of
//! the project holds what that replaced. Asked for again, the rest is written: a path that is as
//! the change wants it is done already. When all of it is, that directory goes.

use crate::deliver::content::hex;
use crate::deliver::rules;
use crate::deliver::staging::{self, Staging, new_name, old_name};
use crate::deliver::tree::{Kind, Node, Tree, is_opaque, node_at, set_mode};
use crate::deliver::undo::{Undo, Way};
use crate::workspace::WorkspaceForm;
use gatepost_domain::changes::{Base, Change, ChangeKind, ChangeSet, DeliveryResult};
use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, RenameFlags, Uid, fchmod, fchown, mkdirat, openat, renameat_with,
    symlinkat, unlinkat,
};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// Why nothing, or not all, was written.
#[derive(Debug)]
pub(super) enum Stop {
    /// The project has something else at this path.
    Conflict(String),
    /// Something could not be done.
    Failed(String),
}

pub(super) type Step<T = ()> = Result<T, Stop>;

/// What becomes an error of a path, in words.
pub(super) fn at<T>(result: Result<T, Errno>, path: &str, what: &str) -> Step<T> {
    result.map_err(|errno| match errno {
        // A link or file where the run saw a directory.
        Errno::LOOP | Errno::NOTDIR | Errno::XDEV => Stop::Conflict(path.to_owned()),
        errno => {
            let errno = std::io::Error::from(errno);
            Stop::Failed(format!("`{path}` could not be {what} ({errno})"))
        }
    })
}

fn view_path(form: &WorkspaceForm) -> &Path {
    match form {
        WorkspaceForm::Overlay { upper, .. } => upper,
        WorkspaceForm::Copy { copy, .. } => copy,
    }
}

/// The workspace's side: where content comes from.
pub(super) fn view(form: &WorkspaceForm) -> Step<Tree> {
    let path = view_path(form);
    at(Tree::open(path, true), &path.display().to_string(), "opened")
}

/// The changes that may be delivered, and those that may not. Nothing the list says is believed
/// that can be told from the list itself.
pub(super) fn deliverable<'c>(
    form: &WorkspaceForm,
    project: &Path,
    changes: &'c ChangeSet,
) -> Step<(Vec<&'c Change>, Vec<&'c Change>)> {
    let (WorkspaceForm::Overlay { lower, .. } | WorkspaceForm::Copy { lower, .. }) = form;
    if lower != project {
        return Err(Stop::Failed("the workspace belongs to another project".to_owned()));
    }
    if changes.truncated {
        return Err(Stop::Failed(
            "there are more changes than are listed, so they cannot be delivered; let the task \
             remove what it built and ask again"
                .to_owned(),
        ));
    }
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for change in &changes.changes {
        if rules::refusal(change, project).is_some() {
            refused.push(change);
        } else if rules::is_plain(&change.path) {
            taken.push(change);
        } else {
            return Err(Stop::Failed(format!("`{}` is no path of a change", change.path)));
        }
    }
    taken.sort_by(|a, b| a.path.cmp(&b.path));
    if taken.windows(2).any(|pair| matches!(pair, [a, b] if a.path == b.path)) {
        return Err(Stop::Failed("the list of changes names a path twice".to_owned()));
    }
    Ok((taken, refused))
}

/// Copies a file of the workspace, and holds it to the hash that was shown to people.
pub(super) fn pour(view: &Tree, change: &Change, to: &mut dyn Write) -> Step {
    let path = &change.path;
    let unlike = || {
        Stop::Failed(format!(
            "`{path}` in the workspace is no longer what was shown; collect again"
        ))
    };
    let file = view.file(Path::new(path)).map_err(|_| unlike())?;
    // One byte more than expected is enough to know.
    let mut file = file.take(change.size.saturating_add(1));
    let (mut hasher, mut size) = (Sha256::new(), 0_u64);
    let mut buffer = vec![0_u8; 64 * 1024];
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(Stop::Failed(format!("`{path}` could not be read ({error})")));
            }
        };
        let piece = buffer.get(..read).unwrap_or_default();
        size += read as u64;
        hasher.update(piece);
        to.write_all(piece)
            .map_err(|error| Stop::Failed(format!("`{path}` could not be written ({error})")))?;
    }
    if size != change.size || hex(&hasher.finalize()) != change.sha256 {
        return Err(unlike());
    }
    Ok(())
}

pub(super) fn apply(form: &WorkspaceForm, project: &Path, changes: &ChangeSet) -> DeliveryResult {
    match try_apply(form, project, changes) {
        Ok((paths, refused)) => DeliveryResult::Applied { paths, refused },
        Err(Stop::Conflict(path)) => DeliveryResult::Conflict { path },
        Err(Stop::Failed(reason)) => DeliveryResult::Failed { reason },
    }
}

fn try_apply(form: &WorkspaceForm, project: &Path, changes: &ChangeSet) -> Step<(u64, u64)> {
    let (mut taken, refused) = deliverable(form, project, changes)?;
    let counts = (taken.len() as u64, refused.len() as u64);
    let root = at(Tree::open(project, false), "the project", "opened")?;
    let mut there = BTreeSet::new();
    for change in &taken {
        if is_there(&root, change)? {
            there.insert(change.path.clone());
        } else if !stands(&root, change)? {
            return Err(Stop::Conflict(change.path.clone()));
        }
    }
    taken.retain(|change| !there.contains(&change.path));
    if taken.is_empty() {
        staging::remove_all(&root, view_path(form));
        return Ok(counts);
    }
    let mut work = Work::new(view(form)?, root, form, &refused)?;
    let done = work.stage(&taken).and_then(|()| work.commit(&taken));
    match done {
        Ok(()) => {
            staging::remove_all(&work.root, view_path(form));
            Ok(counts)
        }
        Err(stop) => {
            let lost = work.undo.back(&work.root, &work.staging.dir);
            if lost.is_none() {
                work.staging.remove(&work.root);
            }
            Err(match (stop, lost) {
                (stop, None) => stop,
                (Stop::Conflict(path) | Stop::Failed(path), Some(lost)) => Stop::Failed(format!(
                    "stopped at `{path}`, and `{lost}` could not be put back; what it was is in \
                     `{}` of the project",
                    work.staging.name
                )),
            })
        }
    }
}

/// Whether the project still has at this path what it had when the change was listed.
fn stands(root: &Tree, change: &Change) -> Step<bool> {
    let path = Path::new(&change.path);
    let node = at(root.node(path), &change.path, "looked at")?;
    let is = |kind: Kind| node.is_some_and(|node| node.kind == kind);
    Ok(match &change.base {
        Base::Absent => node.is_none(),
        Base::Directory => is(Kind::Directory),
        // Never equal to anything: there is no telling what the run saw.
        Base::Special => false,
        Base::Symlink { target } => {
            is(Kind::Link) && root.link(path).is_ok_and(|found| found == target.as_str())
        }
        Base::File { sha256, mode } => is_file(root, change, node, *mode, sha256)?,
    })
}

/// Whether the project has at this path what the change wants, as after a delivery that was cut
/// off, or where somebody made the same change.
fn is_there(root: &Tree, change: &Change) -> Step<bool> {
    let path = Path::new(&change.path);
    // What stands in the way of looking is a conflict, and `stands` says so.
    let Ok(node) = root.node(path) else { return Ok(false) };
    let is = |kind: Kind| node.is_some_and(|node| node.kind == kind);
    Ok(match &change.kind {
        ChangeKind::Added | ChangeKind::Modified | ChangeKind::ModeChanged => {
            is_file(root, change, node, change.mode & 0o777, &change.sha256)?
        }
        ChangeKind::Deleted => node.is_none(),
        ChangeKind::Symlink { target } => {
            is(Kind::Link) && root.link(path).is_ok_and(|found| found == target.as_str())
        }
        ChangeKind::Directory => is(Kind::Directory),
        ChangeKind::Special => false,
    })
}

fn is_file(
    root: &Tree,
    change: &Change,
    node: Option<Node>,
    mode: u32,
    sha256: &str,
) -> Step<bool> {
    if !node.is_some_and(|node| node.kind == Kind::File && node.mode == mode) {
        return Ok(false);
    }
    let mut file = at(root.file(Path::new(&change.path)), &change.path, "read")?;
    let mut hasher = Sha256::new();
    std::io::copy(&mut file, &mut hasher)
        .map_err(|error| Stop::Failed(format!("`{}` could not be read ({error})", change.path)))?;
    Ok(hex(&hasher.finalize()) == sha256)
}

/// Names looked at in a directory that could not be removed.
const MAX_LEFT_IN: usize = 1_000_000;

struct Work {
    view: Tree,
    view_is_copy: bool,
    root: Tree,
    staging: Staging,
    /// Set when we are root: what is written belongs to the project's owner.
    owner: Option<(Uid, Gid)>,
    /// The project as it was checked, by number of the change.
    before: Vec<Option<Node>>,
    /// What stays because it is refused, and the directories on the way to it.
    kept: BTreeSet<PathBuf>,
    undo: Undo,
}

impl Work {
    fn new(view: Tree, root: Tree, form: &WorkspaceForm, refused: &[&Change]) -> Step<Self> {
        let top = at(root.node(Path::new("")), "the project", "looked at")?;
        let owner = match top {
            Some(node) if rustix::process::geteuid().is_root() => {
                Some((Uid::from_raw(node.uid), Gid::from_raw(node.gid)))
            }
            Some(_) | None => None,
        };
        let view_is_copy = matches!(form, WorkspaceForm::Copy { .. });
        let staging = at(Staging::new(&root, view_path(form)), "the project", "written to")?;
        let kept = refused
            .iter()
            .flat_map(|change| Path::new(&change.path).ancestors())
            .filter(|path| !path.as_os_str().is_empty())
            .map(Path::to_owned)
            .collect();
        let (before, undo) = (Vec::new(), Undo::default());
        Ok(Self { view, view_is_copy, root, staging, owner, before, kept, undo })
    }

    fn own(&self, fd: &OwnedFd) -> Result<(), Errno> {
        match self.owner {
            Some((uid, gid)) => fchown(fd, Some(uid), Some(gid)),
            None => Ok(()),
        }
    }

    fn sync(&self) -> Step {
        let top = at(self.root.readable_dir(Path::new("")), "the project", "opened")?;
        at(rustix::fs::syncfs(&top), "the project", "synced")
    }

    /// Makes every new file and link ready. Nothing of the project is touched yet.
    fn stage(&mut self, taken: &[&Change]) -> Step {
        for (index, change) in taken.iter().enumerate() {
            let path = Path::new(&change.path);
            self.before.push(at(self.root.node(path), &change.path, "looked at")?);
            match &change.kind {
                ChangeKind::Added | ChangeKind::Modified => {
                    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                    let private = Mode::from_raw_mode(0o600);
                    let made = openat(&self.staging.dir, new_name(index), flags, private);
                    let mut file = File::from(at(made, &change.path, "written")?);
                    pour(&self.view, change, &mut file)?;
                    let fd = OwnedFd::from(file);
                    at(self.own(&fd), &change.path, "given to the project's owner")?;
                    let mode = Mode::from_raw_mode(change.mode & 0o777);
                    at(fchmod(&fd, mode), &change.path, "given its mode")?;
                }
                ChangeKind::ModeChanged => pour(&self.view, change, &mut std::io::sink())?,
                ChangeKind::Symlink { target } => {
                    let name = new_name(index);
                    at(symlinkat(target.as_str(), &self.staging.dir, &name), &change.path, "made")?;
                    if let Some((uid, gid)) = self.owner {
                        let flags = AtFlags::SYMLINK_NOFOLLOW;
                        let given = rustix::fs::chownat(
                            &self.staging.dir,
                            &name,
                            Some(uid),
                            Some(gid),
                            flags,
                        );
                        at(given, &change.path, "given to the project's owner")?;
                    }
                }
                ChangeKind::Deleted | ChangeKind::Directory | ChangeKind::Special => {}
            }
        }
        // The content is on disk before the first old file moves away.
        self.sync()
    }

    fn commit(&mut self, taken: &[&Change]) -> Step {
        let gone = self.emptied(taken)?;
        let numbered: Vec<(usize, &Change)> = taken.iter().copied().enumerate().collect();
        // Deepest first: what is in a directory goes before it.
        for (index, change) in numbered.iter().rev() {
            let file = !matches!(change.base, Base::Absent | Base::Directory);
            let cleared = match change.kind {
                ChangeKind::Deleted => true,
                ChangeKind::Directory => file,
                ChangeKind::Added
                | ChangeKind::Modified
                | ChangeKind::ModeChanged
                | ChangeKind::Symlink { .. }
                | ChangeKind::Special => false,
            };
            if cleared && !matches!(change.base, Base::Directory) {
                self.aside(*index, change)?;
            }
        }
        for path in gone.iter().rev() {
            self.remove_dir(path)?;
        }
        for (index, change) in numbered {
            match &change.kind {
                ChangeKind::Added | ChangeKind::Modified | ChangeKind::Symlink { .. } => {
                    self.parents(Path::new(&change.path))?;
                    self.put(index, change)?;
                }
                ChangeKind::Directory => {
                    self.parents(Path::new(&change.path))?;
                    self.make_dir(Path::new(&change.path), change.mode & 0o777)?;
                }
                ChangeKind::ModeChanged => self.mode(index, change)?,
                ChangeKind::Deleted | ChangeKind::Special => {}
            }
        }
        self.sync()
    }

    /// The directories that go because the task's view has none there: those it deleted, and
    /// those on the way to a deleted file.
    fn emptied(&self, taken: &[&Change]) -> Step<BTreeSet<PathBuf>> {
        let mut gone = BTreeSet::new();
        for change in taken {
            let path = Path::new(&change.path);
            if matches!(change.base, Base::Directory)
                && !matches!(change.kind, ChangeKind::Directory)
            {
                gone.insert(path.to_owned());
            }
            if change.kind != ChangeKind::Deleted {
                continue;
            }
            for parent in path.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()) {
                if gone.contains(parent) {
                    continue;
                }
                if self.is_gone_in_view(parent)? {
                    gone.insert(parent.to_owned());
                }
            }
        }
        Ok(gone)
    }

    fn is_gone_in_view(&self, dir: &Path) -> Step<bool> {
        let (mut so_far, mut opaque) = (PathBuf::new(), self.view_is_copy);
        for part in dir {
            so_far.push(part);
            let name = so_far.display().to_string();
            match at(self.view.node(&so_far), &name, "looked at")? {
                Some(node) if node.kind == Kind::Directory => {
                    opaque |= at(is_opaque(&self.view, &so_far), &name, "looked at")?;
                }
                Some(_) => return Ok(true),
                // In a layer what is not there is as in the project, unless something above is
                // opaque; a copy is opaque from the top.
                None => return Ok(opaque),
            }
        }
        Ok(false)
    }

    /// Moves what is at a path out of the way, and sees that it is what was checked.
    fn aside(&mut self, index: usize, change: &Change) -> Step {
        let path = Path::new(&change.path);
        let (dir, name) = at(self.root.parent(path), &change.path, "removed")?;
        let kept = old_name(index);
        let moved = renameat_with(&dir, name, &self.staging.dir, &kept, RenameFlags::NOREPLACE);
        at(moved, &change.path, "removed")?;
        self.undo.push(Way::Return { kept: kept.clone(), path: path.to_owned() });
        self.is_as_checked(index, change, &kept)
    }

    fn is_as_checked(&self, index: usize, change: &Change, kept: &str) -> Step {
        let now = at(node_at(&self.staging.dir, kept.as_ref()), &change.path, "looked at")?;
        let before = self.before.get(index).copied().flatten();
        // A rename counts as a change of the attributes, so their time says nothing here.
        let facts = |node: Node| (node.kind, node.ino, node.size, node.mode);
        if now.map(facts) == before.map(facts) {
            Ok(())
        } else {
            Err(Stop::Conflict(change.path.clone()))
        }
    }

    /// Moves a new file or link into place.
    fn put(&mut self, index: usize, change: &Change) -> Step {
        let path = Path::new(&change.path);
        let (dir, name) = at(self.root.parent(path), &change.path, "written")?;
        let new = new_name(index);
        let replaces = matches!(change.base, Base::File { .. } | Base::Symlink { .. });
        if replaces {
            // One step, so that nobody ever finds nothing there.
            match renameat_with(&self.staging.dir, &new, &dir, name, RenameFlags::EXCHANGE) {
                Ok(()) => {
                    self.undo.push(Way::Exchange { kept: new.clone(), path: path.to_owned() });
                    return self.is_as_checked(index, change, &new);
                }
                // Some file systems cannot.
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.aside(index, change)?,
                Err(error) => return at(Err(error), &change.path, "written"),
            }
        }
        match renameat_with(&self.staging.dir, &new, &dir, name, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(Stop::Conflict(change.path.clone())),
            Err(error) => return at(Err(error), &change.path, "written"),
        }
        self.undo.push(Way::Remove { path: path.to_owned(), dir: false });
        Ok(())
    }

    fn mode(&mut self, index: usize, change: &Change) -> Step {
        let path = Path::new(&change.path);
        let (dir, name) = at(self.root.parent(path), &change.path, "given its mode")?;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = at(openat(&dir, name, flags, Mode::empty()), &change.path, "given its mode")?;
        let now = Node::of(&at(rustix::fs::fstat(&fd), &change.path, "looked at")?);
        if self.before.get(index).copied().flatten() != Some(now) {
            return Err(Stop::Conflict(change.path.clone()));
        }
        at(set_mode(&fd, change.mode & 0o777), &change.path, "given its mode")?;
        self.undo.push(Way::Mode { path: path.to_owned(), mode: now.mode });
        Ok(())
    }

    fn remove_dir(&mut self, path: &Path) -> Step {
        let name = path.display().to_string();
        let Some(node) = at(self.root.node(path), &name, "looked at")? else { return Ok(()) };
        let (dir, last) = at(self.root.parent(path), &name, "removed")?;
        match unlinkat(&dir, last, AtFlags::REMOVEDIR) {
            Ok(()) => {
                self.undo.push(Way::MakeDir {
                    path: path.to_owned(),
                    mode: node.mode,
                    owner: self.owner.map(|_| (node.uid, node.gid)),
                });
                Ok(())
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) if self.holds_only_kept(path)? => {
                self.kept.insert(path.to_owned());
                Ok(())
            }
            // It holds something the task never saw.
            Err(Errno::NOTEMPTY | Errno::EXIST) => Err(Stop::Conflict(name)),
            Err(error) => at(Err(error), &name, "removed"),
        }
    }

    /// Whether all that is left in a directory stays because it is refused.
    fn holds_only_kept(&self, path: &Path) -> Step<bool> {
        let name = path.display().to_string();
        let left = at(self.root.names(path, MAX_LEFT_IN), &name, "looked at")?;
        Ok(left.len() <= MAX_LEFT_IN
            && left
                .iter()
                .all(|part| rules::is_git_name(part) || self.kept.contains(&path.join(part))))
    }

    /// Makes the directories on the way to a new file, with the modes of the task's view.
    fn parents(&mut self, path: &Path) -> Step {
        let Some(parent) = path.parent() else { return Ok(()) };
        let mut so_far = PathBuf::new();
        for part in parent {
            so_far.push(part);
            let name = so_far.display().to_string();
            match at(self.root.node(&so_far), &name, "looked at")? {
                Some(node) if node.kind == Kind::Directory => {}
                Some(_) => return Err(Stop::Conflict(name)),
                None => {
                    let seen = at(self.view.node(&so_far), &name, "looked at")?;
                    let mode = seen.map_or(0o755, |node| node.mode & 0o777 | 0o700);
                    self.make_dir(&so_far.clone(), mode)?;
                }
            }
        }
        Ok(())
    }

    fn make_dir(&mut self, path: &Path, mode: u32) -> Step {
        let name = path.display().to_string();
        let (dir, last) = at(self.root.parent(path), &name, "made")?;
        match mkdirat(&dir, last, Mode::from_raw_mode(0o700)) {
            Ok(()) => {}
            Err(Errno::EXIST) => return Err(Stop::Conflict(name)),
            Err(error) => return at(Err(error), &name, "made"),
        }
        self.undo.push(Way::Remove { path: path.to_owned(), dir: true });
        let made = at(self.root.readable_dir(path), &name, "opened")?;
        at(self.own(&made), &name, "given to the project's owner")?;
        at(fchmod(&made, Mode::from_raw_mode(mode)), &name, "given its mode")
    }
}
