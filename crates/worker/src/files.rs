//! Kept files: what people sent along and what tasks send back, each under the SHA-256 of its
//! bytes.
//!
//! A file is whole or not there: it is written under another name, synced and then renamed. Two
//! messages with one file share it, so receiving a message twice keeps nothing twice.

use std::collections::BTreeSet;
use std::fs;
use std::fs::DirBuilder;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::io::Read;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use gatepost_domain::message::is_sha256;
use sha2::Digest;
use sha2::Sha256;

/// The place of the kept files. Cheap to clone. Every call waits for the disk.
#[derive(Debug, Clone)]
pub struct Files {
    dir: PathBuf,
    /// Tells files apart that are being written.
    next: Arc<AtomicU64>,
}

impl Files {
    /// Opens the place, and makes it for this user alone if it is missing.
    ///
    /// # Errors
    /// What the disk says.
    pub fn open(dir: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        Ok(Self { dir: dir.to_owned(), next: Arc::default() })
    }

    /// Keeps bytes; they are durable when this returns their SHA-256.
    ///
    /// # Errors
    /// What the disk says; nothing half-written has the name then.
    pub fn keep(&self, bytes: &[u8]) -> io::Result<String> {
        let sha256 = format!("{:x}", Sha256::digest(bytes));
        let path = self.dir.join(&sha256);
        if !path.try_exists()? {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let new = self.dir.join(format!("new-{}-{number}", std::process::id()));
            let written = write_whole(&new, bytes).and_then(|()| fs::rename(&new, &path));
            if let Err(error) = written {
                // Best effort: the next sweep takes what stays behind.
                let _left_behind = fs::remove_file(&new);
                return Err(error);
            }
        }
        // The name lasts only when the directory does.
        File::open(&self.dir)?.sync_all()?;
        Ok(sha256)
    }

    /// The bytes kept under a SHA-256, if they are those still.
    ///
    /// # Errors
    /// `NotFound` when they are no longer kept; `InvalidData` when the file is not what it was.
    pub fn read(&self, sha256: &str) -> io::Result<Vec<u8>> {
        if !is_sha256(sha256) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut bytes = Vec::new();
        File::open(self.dir.join(sha256))?.read_to_end(&mut bytes)?;
        if format!("{:x}", Sha256::digest(&bytes)) != sha256 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(bytes)
    }

    /// Removes every file that nothing in `named` names, and what a crash left half-written; how
    /// many went. Only while nobody keeps files.
    ///
    /// # Errors
    /// What the disk says; what could be removed is gone.
    pub fn sweep(&self, named: &BTreeSet<String>) -> io::Result<usize> {
        let mut gone = 0;
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if entry.file_name().to_str().is_none_or(|name| !named.contains(name)) {
                fs::remove_file(entry.path())?;
                gone += 1;
            }
        }
        Ok(gone)
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn bytes_are_kept_once_for_their_owner_alone_and_come_back_as_they_were() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("files");
        let files = Files::open(&dir).unwrap();
        let one = files.keep(b"hello").unwrap();
        assert_eq!(files.keep(b"hello").unwrap(), one);
        assert_eq!(files.read(&one).unwrap(), b"hello");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&dir.join(&one))), (0o700, 0o600));
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "nothing half-written stays");
    }

    #[test]
    fn a_file_that_is_not_what_it_was_is_not_given_out() {
        let root = tempfile::tempdir().unwrap();
        let files = Files::open(root.path()).unwrap();
        let one = files.keep(b"hello").unwrap();
        fs::write(root.path().join(&one), "other").unwrap();
        assert_eq!(files.read(&one).unwrap_err().kind(), io::ErrorKind::InvalidData);
        for name in ["../secret", "", &"0".repeat(64)] {
            assert_eq!(files.read(name).unwrap_err().kind(), io::ErrorKind::NotFound);
        }
    }

    #[test]
    fn a_sweep_leaves_what_is_named() {
        let root = tempfile::tempdir().unwrap();
        let files = Files::open(root.path()).unwrap();
        let (one, two) = (files.keep(b"one").unwrap(), files.keep(b"two").unwrap());
        fs::write(root.path().join("new-1-0"), "half").unwrap();
        assert_eq!(files.sweep(&BTreeSet::from([one.clone()])).unwrap(), 2);
        assert!(files.read(&one).is_ok() && files.read(&two).is_err());
    }
}
