//! What a task left for its chat: files right in its outbox, looked at as everything else here,
//! without following a link and without waiting on a pipe.

use crate::deliver::DeliverError;
use crate::deliver::tree::{Kind, Tree};
use crate::manifest::Manifest;
use crate::workspace::WorkspaceForm;
use gatepost_domain::message::OUTBOX;
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::File;
use std::path::Path;

/// Something in the outbox.
#[derive(Debug)]
pub struct Left {
    /// Its name, as the task chose it.
    pub name: OsString,
    /// Its size in bytes; 0 for what is no file.
    pub size: u64,
    /// The file, open for reading; none for what is no regular file or cannot be opened.
    pub file: Option<File>,
}

pub(super) fn outbox(form: &WorkspaceForm, most: usize) -> Result<Vec<Left>, DeliverError> {
    let unreadable = |source| DeliverError::Unreadable { path: OUTBOX.into(), source };
    let failed = |errno: Errno| unreadable(errno.into());
    let place = Path::new(OUTBOX);
    let (view, manifest) = match form {
        WorkspaceForm::Overlay { upper, .. } => (upper, None),
        WorkspaceForm::Copy { copy, .. } => {
            (copy, Some(Manifest::beside(copy).map_err(unreadable)?))
        }
    };
    let tree = Tree::open(view, true).map_err(failed)?;
    match tree.node(place).map_err(failed)? {
        Some(node) if node.kind == Kind::Directory => {}
        // None was made, or something else has its name.
        Some(_) | None => return Ok(Vec::new()),
    }
    let mut left = Vec::new();
    for name in tree.names(place, most).map_err(failed)? {
        if left.len() >= most {
            break;
        }
        let path = place.join(&name);
        let Some(node) = tree.node(&path).map_err(failed)? else { continue };
        let of_the_project =
            manifest.as_ref().is_some_and(|manifest| manifest.is_untouched(&path, &node));
        if node.kind == Kind::Whiteout || of_the_project {
            continue;
        }
        let (size, file) = match node.kind {
            Kind::File => (node.size, tree.file(&path).ok()),
            Kind::Directory | Kind::Link | Kind::Special | Kind::Whiteout => (0, None),
        };
        left.push(Left { name, size, file });
    }
    Ok(left)
}
