//! The walk: what the task's view has and the project has not, and the other way round.
//!
//! The upper layer holds only what was touched, so its walk is as long as the changes. A copy is
//! walked whole, as if it were one opaque layer over the project, and what is as it was when the
//! copy was made is passed over.

use crate::deliver::content::{self, Content, Diff, Lines};
use crate::deliver::ignored::Ignored;
use crate::deliver::tree::{Kind, Node, Tree, is_opaque};
use crate::deliver::{Collected, DeliverError, Options, rules};
use crate::manifest::Manifest;
use crate::workspace::WorkspaceForm;
use gatepost_domain::changes::{Base, Change, ChangeKind, ChangeSet, DeliveryRefusal};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Entries looked at, changed or not: a bound on time and memory, far above any project seen.
const MAX_SEEN: usize = 1_000_000;
/// Files of git that are named one by one; the rest is only counted.
const MAX_NAMED_INTERNALS: usize = 100;

/// Directories git ignores that are named in the diff.
const MAX_NAMED_IGNORED: usize = 50;

/// How a directory of the task's view relates to the project's.
#[derive(Debug, Clone, Copy)]
struct Layer {
    /// Nothing of the project shows through: what is not here is gone.
    opaque: bool,
    /// Inside git's own files, this many parts of the path lead to them.
    git: Option<usize>,
}

pub(super) struct Walk<'a> {
    options: &'a Options,
    project: &'a Path,
    new: Tree,
    old: Tree,
    /// What the copy was made from; `None` for a layer.
    manifest: Option<Manifest>,
    /// When the layer was made: what changed in the project later may not be what the task saw.
    since: Option<(i64, u64)>,
    /// Answers which directories git ignores; `None` where none are.
    ignored: Option<Ignored>,
    passed_over: Vec<String>,
    bytes_left: u64,
    seen: usize,
    named_internals: usize,
    changes: Vec<Change>,
    git_internals: u64,
    truncated: bool,
    diff: Diff,
}

/// The walk stops; the set is truncated.
#[derive(Debug)]
struct Full;

/// Either out of bounds, or an error.
#[derive(Debug)]
enum Halt {
    Full(Full),
    Error(DeliverError),
}

type Step<T = ()> = Result<T, Halt>;

const FULL: Halt = Halt::Full(Full);

fn unreadable<T>(result: Result<T, Errno>, path: &Path) -> Step<T> {
    result.map_err(|errno| {
        Halt::Error(DeliverError::Unreadable { path: path.to_owned(), source: errno.into() })
    })
}

pub(super) fn collect(form: &WorkspaceForm, options: &Options) -> Result<Collected, DeliverError> {
    let failed = |path: &Path, errno: Errno| DeliverError::Unreadable {
        path: path.to_owned(),
        source: errno.into(),
    };
    let (lower, view, manifest) = match form {
        WorkspaceForm::Overlay { lower, upper } => (lower, upper, None),
        WorkspaceForm::Copy { lower, copy } => {
            let manifest = Manifest::beside(copy)
                .map_err(|source| DeliverError::Unreadable { path: copy.clone(), source })?;
            (lower, copy, Some(manifest))
        }
    };
    let opaque = manifest.is_some();
    let mut walk = Walk {
        options,
        project: lower,
        new: Tree::open(view, true).map_err(|errno| failed(view, errno))?,
        old: Tree::open(lower, false).map_err(|errno| failed(lower, errno))?,
        manifest,
        since: None,
        ignored: if options.skip_ignored_dirs { Ignored::start(lower) } else { None },
        passed_over: Vec::new(),
        bytes_left: options.max_bytes,
        seen: 0,
        named_internals: 0,
        changes: Vec::new(),
        git_internals: 0,
        truncated: false,
        diff: Diff::new(options.max_diff_bytes),
    };
    walk.since = walk.new.born(Path::new(""));
    match walk.directory(Path::new(""), Layer { opaque, git: None }) {
        Ok(()) => {}
        Err(Halt::Full(Full)) => walk.truncated = true,
        Err(Halt::Error(error)) => return Err(error),
    }
    walk.changes.sort_by(|a, b| a.path.cmp(&b.path));
    rules::refuse_what_depends(&mut walk.changes);
    Ok(Collected {
        changes: ChangeSet {
            changes: walk.changes,
            git_internals: walk.git_internals,
            truncated: walk.truncated,
        },
        diff: walk.diff.finish(&walk.passed_over),
    })
}

impl Walk<'_> {
    fn overlay(&self) -> bool {
        self.manifest.is_none()
    }

    fn step(&mut self) -> Step {
        self.seen += 1;
        if self.seen > MAX_SEEN { Err(FULL) } else { Ok(()) }
    }

    fn names(&self, tree: &Tree, path: &Path) -> Step<Vec<OsString>> {
        let names = unreadable(tree.names(path, MAX_SEEN), path)?;
        if names.len() > MAX_SEEN { Err(FULL) } else { Ok(names) }
    }

    /// Compares a directory of the task's view with the project's.
    fn directory(&mut self, path: &Path, mut layer: Layer) -> Step {
        self.step()?;
        if self.overlay() {
            self.attributes(path, &mut layer)?;
        }
        let old_is_dir = self.old_node(path)?.is_some_and(|node| node.kind == Kind::Directory);
        if layer.git.is_none() && self.is_git_dir(path)? {
            layer.git = Some(path.iter().count());
        }
        let here = self.names(&self.new, path)?;
        let mut names: BTreeSet<OsString> = here.iter().cloned().collect();
        if layer.opaque && old_is_dir {
            match self.old.names(path, MAX_SEEN) {
                Ok(old) => names.extend(old),
                // What could not be read outside was not shown inside either.
                Err(Errno::ACCESS) => {}
                Err(error) => return unreadable(Err(error), path),
            }
        }
        for name in names {
            self.entry(&path.join(name), layer)?;
        }
        Ok(())
    }

    /// Whether a directory is git's, by its name or by what is in it: a bare repository anywhere
    /// in the project is one too, and its configuration runs code when git is used in it.
    fn is_git_dir(&self, path: &Path) -> Step<bool> {
        if path.file_name().is_some_and(rules::is_git_name) {
            return Ok(true);
        }
        if path.as_os_str().is_empty() {
            return Ok(false);
        }
        for part in ["HEAD", "objects", "refs"] {
            let part = path.join(part);
            let new = unreadable(self.new.node(&part), &part)?;
            let here = match new {
                Some(node) => node.kind != Kind::Whiteout,
                None => self.old_node(&part)?.is_some(),
            };
            if !here {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Reads overlayfs's own marks of a directory.
    fn attributes(&mut self, path: &Path, layer: &mut Layer) -> Step {
        layer.opaque |= unreadable(is_opaque(&self.new, path), path)?;
        let dir = unreadable(self.new.readable_dir(path), path)?;
        // Our mounts neither make nor follow these, so one here came from elsewhere and the view
        // cannot be told from the layer any more. An attribute longer than the buffer counts too.
        for name in ["user.overlay.redirect", "user.overlay.metacopy"] {
            if !matches!(
                rustix::fs::fgetxattr(&dir, name, &mut [0_u8; 0][..]),
                Err(Errno::NODATA | Errno::OPNOTSUPP)
            ) {
                return Err(FULL);
            }
        }
        Ok(())
    }

    /// Whether a file is a whiteout kept as an attribute.
    fn is_marked_gone(&self, path: &Path, node: &Node) -> bool {
        node.kind == Kind::Whiteout
            || (node.kind == Kind::File
                && node.size == 0
                && self.new.file(path).is_ok_and(|file| {
                    rustix::fs::fgetxattr(&file, "user.overlay.whiteout", &mut [0_u8; 0][..])
                        .is_ok()
                }))
    }

    fn old_node(&self, path: &Path) -> Step<Option<Node>> {
        match self.old.node(path) {
            // Behind a link of the project, or closed to us: not what the task saw.
            Err(Errno::LOOP | Errno::ACCESS) => Ok(None),
            other => unreadable(other, path),
        }
    }

    /// Compares what lies at one path.
    fn entry(&mut self, path: &Path, layer: Layer) -> Step {
        self.step()?;
        if rules::in_mailbox(path) {
            return Ok(());
        }
        if rules::is_too_deep(path) {
            return self.too_deep(path, layer);
        }
        let found = unreadable(self.new.node(path), path)?;
        let gone = match &found {
            None => true,
            Some(node) => self.overlay() && self.is_marked_gone(path, node),
        };
        let old = self.old_node(path)?;
        if let Some(manifest) = &self.manifest {
            let untouched = match (&found, &old) {
                (Some(node), _) => manifest.is_untouched(path, node),
                // Not copied, or made in the project since.
                (None, _) => !manifest.knows(path),
            };
            if untouched && found.is_none_or(|node| node.kind != Kind::Directory) {
                return Ok(());
            }
        }
        let git = layer.git.or_else(|| {
            path.file_name().is_some_and(rules::is_git_name).then(|| path.iter().count())
        });
        let layer = Layer { git, ..layer };
        let new = if gone { None } else { found };
        match (new, old) {
            (None, None) => Ok(()),
            (None, Some(old)) if old.kind == Kind::Directory && self.passes_over(path, layer) => {
                Ok(())
            }
            (None, Some(old)) => self.deleted(path, &old, layer),
            (Some(new), _) if new.kind == Kind::Directory && self.passes_over(path, layer) => {
                Ok(())
            }
            (Some(new), old) if new.kind == Kind::Directory => {
                let under = old.is_some_and(|old| old.kind == Kind::Directory);
                let known = self.manifest.as_ref().is_some_and(|manifest| manifest.knows(path));
                if !under && !known {
                    let empty = self.names(&self.new, path)?.is_empty();
                    self.new_directory(path, old.as_ref(), empty, layer)?;
                }
                self.directory(path, layer)
            }
            (Some(new), old) => {
                if let Some(old) = &old
                    && old.kind == Kind::Directory
                {
                    self.children_deleted(path, layer)?;
                }
                self.changed(path, &new, old.as_ref(), layer)
            }
        }
    }

    /// Whether a directory is one that git ignores. Git's own files are not asked about: git
    /// says nothing of them.
    fn passes_over(&mut self, path: &Path, layer: Layer) -> bool {
        let Some(ignored) = &mut self.ignored else { return false };
        if layer.git.is_some() || !ignored.contains(path, Kind::Directory) {
            return false;
        }
        if self.passed_over.len() < MAX_NAMED_IGNORED {
            self.passed_over.push(escaped(&rules::shown(path.as_os_str()).0));
        }
        true
    }

    fn children_deleted(&mut self, path: &Path, layer: Layer) -> Step<usize> {
        let names = match self.old.names(path, MAX_SEEN) {
            Err(Errno::ACCESS) => Vec::new(),
            other => unreadable(other, path)?,
        };
        for name in &names {
            let child = path.join(name);
            self.step()?;
            if rules::is_too_deep(&child) {
                self.too_deep(&child, layer)?;
                continue;
            }
            if self.manifest.as_ref().is_some_and(|manifest| !manifest.knows(&child)) {
                continue;
            }
            if let Some(node) = self.old_node(&child)? {
                self.deleted(&child, &node, layer)?;
            }
        }
        Ok(names.len())
    }

    /// Names what lies too deep, without a look at it or at what is in it.
    fn too_deep(&mut self, path: &Path, layer: Layer) -> Step {
        if self.is_internal(path, layer) {
            return Ok(());
        }
        let refusal = Some(DeliveryRefusal::TooDeep);
        let (kind, lines) = (ChangeKind::Directory, Lines::default());
        self.push(path, kind, Base::Absent, 0, 0, String::new(), &lines, refusal, layer)
    }

    fn deleted(&mut self, path: &Path, old: &Node, layer: Layer) -> Step {
        if old.kind == Kind::Directory && self.children_deleted(path, layer)? > 0 {
            return Ok(());
        }
        if self.is_internal(path, layer) {
            return Ok(());
        }
        let (base, content) = self.base(path, Some(old))?;
        let lines = match (&content, old.kind) {
            (Some(content), _) => content::compare(Some(content), None),
            (None, _) => Lines::default(),
        };
        self.push(path, ChangeKind::Deleted, base, 0, 0, String::new(), &lines, None, layer)
    }

    fn new_directory(
        &mut self,
        path: &Path,
        old: Option<&Node>,
        empty: bool,
        layer: Layer,
    ) -> Step {
        if (old.is_none() && !empty) || self.is_internal(path, layer) {
            return Ok(());
        }
        let (base, _) = self.base(path, old)?;
        let mode = unreadable(self.new.node(path), path)?.map_or(0o755, |node| node.mode);
        // A file that became a directory with something in it is a deletion; the rest follows.
        let (kind, mode) =
            if empty { (ChangeKind::Directory, mode) } else { (ChangeKind::Deleted, 0) };
        self.push(path, kind, base, mode, 0, String::new(), &Lines::default(), None, layer)
    }

    /// A file, link or other node that is there.
    fn changed(&mut self, path: &Path, new: &Node, old: Option<&Node>, layer: Layer) -> Step {
        if self.is_internal(path, layer) {
            return Ok(());
        }
        match new.kind {
            Kind::Link => {
                let target = unreadable(self.new.link(path), path)?;
                if old.is_some_and(|old| old.kind == Kind::Link)
                    && self.old.link(path).is_ok_and(|old| old == target)
                {
                    return Ok(());
                }
                let (base, _) = self.base(path, old)?;
                let refusal = rules::link_refusal(path, &target, self.project);
                let (target, _) = rules::shown(&target);
                let kind = ChangeKind::Symlink { target };
                self.push(
                    path,
                    kind,
                    base,
                    0,
                    new.size,
                    String::new(),
                    &Lines::default(),
                    refusal,
                    layer,
                )
            }
            Kind::File => self.changed_file(path, new, old, layer),
            Kind::Special | Kind::Whiteout | Kind::Directory => {
                let (base, _) = self.base(path, old)?;
                let refusal = Some(DeliveryRefusal::SpecialFile);
                let lines = Lines { binary: true, ..Lines::default() };
                self.push(
                    path,
                    ChangeKind::Special,
                    base,
                    new.mode,
                    0,
                    String::new(),
                    &lines,
                    refusal,
                    layer,
                )
            }
        }
    }

    fn changed_file(&mut self, path: &Path, new: &Node, old: Option<&Node>, layer: Layer) -> Step {
        let (base, before) = self.base(path, old)?;
        let hollow = new.size > (16 << 20) && new.stored < new.size / 16;
        if new.size > self.options.max_file_bytes || hollow {
            let kind = if old.is_some() { ChangeKind::Modified } else { ChangeKind::Added };
            let lines = Lines { binary: true, ..Lines::default() };
            let refusal = Some(DeliveryRefusal::TooLarge);
            return self.push(
                path,
                kind,
                base,
                new.mode,
                new.size,
                String::new(),
                &lines,
                refusal,
                layer,
            );
        }
        let file = unreadable(self.new.file(path), path)?;
        let after = self.read(file, path)?;
        let same = matches!(&before, Some(before) if before.sha256 == after.sha256);
        let kind = match old.map(|old| old.kind) {
            Some(Kind::File) if same => {
                if old.is_some_and(|old| old.mode == new.mode) {
                    return Ok(());
                }
                ChangeKind::ModeChanged
            }
            Some(Kind::File | Kind::Link | Kind::Special | Kind::Whiteout) => ChangeKind::Modified,
            Some(Kind::Directory) | None => ChangeKind::Added,
        };
        let lines =
            if same { Lines::default() } else { content::compare(before.as_ref(), Some(&after)) };
        let refusal = rules::mode_refusal(new.mode);
        self.push(path, kind, base, new.mode, new.size, after.sha256, &lines, refusal, layer)
    }

    fn read(&mut self, file: std::fs::File, path: &Path) -> Step<Content> {
        match content::read(file, self.options, &mut self.bytes_left) {
            Ok(Some(content)) => Ok(content),
            Ok(None) => Err(FULL),
            Err(source) => {
                Err(Halt::Error(DeliverError::Unreadable { path: path.to_owned(), source }))
            }
        }
    }

    /// What the project has at a path. A file that changed while the task worked has no hash
    /// here, which no file can match: nobody can say what the task saw.
    fn base(&mut self, path: &Path, old: Option<&Node>) -> Step<(Base, Option<Content>)> {
        let Some(old) = old else { return Ok((Base::Absent, None)) };
        match old.kind {
            Kind::Directory => Ok((Base::Directory, None)),
            Kind::Special | Kind::Whiteout => Ok((Base::Special, None)),
            Kind::Link => {
                let target = unreadable(self.old.link(path), path)?;
                let base = match target.to_str() {
                    Some(target) => Base::Symlink { target: target.to_owned() },
                    None => Base::Special,
                };
                Ok((base, None))
            }
            Kind::File => {
                let content = match self.old.file(path) {
                    Ok(file) => Some(self.read(file, path)?),
                    Err(Errno::ACCESS) => None,
                    Err(error) => return unreadable(Err(error), path),
                };
                let changed = match &self.manifest {
                    Some(manifest) => manifest.project_changed(path, old),
                    None => self.since.is_some_and(|since| old.changed > since),
                };
                let sha256 = match &content {
                    Some(content) if !changed => content.sha256.clone(),
                    Some(_) | None => String::new(),
                };
                Ok((Base::File { sha256, mode: old.mode }, content))
            }
        }
    }

    /// Counts one of git's own files. True when that is all that is said of it; false when it
    /// should be named.
    fn is_internal(&mut self, path: &Path, layer: Layer) -> bool {
        let Some(depth) = layer.git else { return false };
        self.git_internals += 1;
        let inside: PathBuf = path.iter().skip(depth).collect();
        let named = rules::runs_code(&inside) && self.named_internals < MAX_NAMED_INTERNALS;
        self.named_internals += usize::from(named);
        !named
    }

    #[expect(clippy::too_many_arguments, reason = "one argument for each field of a change")]
    fn push(
        &mut self,
        path: &Path,
        kind: ChangeKind,
        base: Base,
        mode: u32,
        size: u64,
        sha256: String,
        lines: &Lines,
        refusal: Option<DeliveryRefusal>,
        layer: Layer,
    ) -> Step {
        if self.changes.len() >= self.options.max_entries {
            return Err(FULL);
        }
        let (shown, exact) = rules::shown(path.as_os_str());
        let refusal = if layer.git.is_some() {
            Some(DeliveryRefusal::GitInternals)
        } else if !exact {
            Some(DeliveryRefusal::NameNotUtf8)
        } else if refusal.is_none() && matches!(base, Base::Special) {
            // What the task replaced cannot be told from what may be there when it is delivered.
            Some(match self.old_node(path)? {
                Some(old) if old.kind == Kind::Link => DeliveryRefusal::NameNotUtf8,
                Some(_) | None => DeliveryRefusal::SpecialFile,
            })
        } else {
            refusal
        };
        let change = Change {
            path: shown,
            kind,
            base,
            mode,
            size,
            sha256,
            lines_added: lines.added,
            lines_removed: lines.removed,
            binary: lines.binary,
            refusal,
        };
        self.diff.add(&change.path, part(&change, &lines.hunks));
        self.changes.push(change);
        Ok(())
    }
}

/// A name for a line of the diff. It may hold line ends and marks that turn the direction of
/// text; escaped it stays in its line.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                text.extend(c.escape_unicode());
            }
            c if c.is_control() => text.extend(c.escape_unicode()),
            c => text.push(c),
        }
    }
    text
}

/// What git's modes of files begin with.
const FILE: u32 = 0o100_000;

/// The diff's part about one change.
fn part(change: &Change, hunks: &str) -> String {
    let name = escaped(&change.path);
    let mut text = format!("diff --git a/{name} b/{name}\n");
    let old_mode = match &change.base {
        Base::File { mode, .. } => Some(*mode),
        Base::Absent | Base::Symlink { .. } | Base::Directory | Base::Special => None,
    };
    let mut line = |words: std::fmt::Arguments<'_>| {
        // Writing to a string cannot fail.
        let _written = writeln!(text, "{words}");
    };
    match &change.kind {
        _ if change.refusal == Some(DeliveryRefusal::TooDeep) => {}
        ChangeKind::Added => line(format_args!("new file mode {:06o}", FILE | change.mode)),
        ChangeKind::Deleted => match old_mode {
            Some(mode) => line(format_args!("deleted file mode {:06o}", FILE | mode)),
            None => line(format_args!("deleted")),
        },
        ChangeKind::Modified | ChangeKind::ModeChanged => {
            if let Some(mode) = old_mode.filter(|mode| *mode != change.mode) {
                line(format_args!("old mode {:06o}", FILE | mode));
                line(format_args!("new mode {:06o}", FILE | change.mode));
            }
        }
        ChangeKind::Symlink { target } => line(format_args!("link to {target:?}")),
        ChangeKind::Directory => line(format_args!("new empty directory")),
        ChangeKind::Special => line(format_args!("device node, pipe or socket")),
    }
    if let Some(refusal) = change.refusal {
        line(format_args!("not delivered: {}", refusal.sentence()));
    }
    if change.binary && !matches!(change.kind, ChangeKind::Special) {
        line(format_args!("content is not shown ({} bytes)", change.size));
    }
    if !hunks.is_empty() {
        let old = if matches!(change.base, Base::Absent) { "/dev/null" } else { "a/" };
        let new = if matches!(change.kind, ChangeKind::Deleted) { "/dev/null" } else { "b/" };
        let side = |side: &str| match side {
            "/dev/null" => side.to_owned(),
            prefix => format!("{prefix}{name}"),
        };
        line(format_args!("--- {}\n+++ {}", side(old), side(new)));
        text.push_str(hunks);
        if !hunks.ends_with('\n') {
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_written_as_git_writes_it() {
        for (mode, expected) in [(0o644, "100644"), (0o4755, "104755"), (0, "100000")] {
            let base = Base::File { sha256: String::new(), mode: 0o600 };
            let change = Change { mode, base, ..a_change("a", ChangeKind::ModeChanged) };
            let text = part(&change, "");
            assert!(text.contains(&format!("old mode 100600\nnew mode {expected}\n")), "{text}");
            let text = part(&Change { mode, ..a_change("a", ChangeKind::Added) }, "");
            assert!(text.contains(&format!("new file mode {expected}\n")), "{text}");
        }
    }

    fn a_change(path: &str, kind: ChangeKind) -> Change {
        Change {
            path: path.to_owned(),
            kind,
            base: Base::Absent,
            mode: 0o644,
            size: 0,
            sha256: String::new(),
            lines_added: 0,
            lines_removed: 0,
            binary: false,
            refusal: None,
        }
    }

    #[test]
    fn a_name_cannot_make_lines_of_its_own_in_the_diff() {
        let change = a_change("a\n+++ b/x\u{202e}", ChangeKind::Added);
        let text = part(&change, "");
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(!text.contains('\u{202e}'));
    }
}
