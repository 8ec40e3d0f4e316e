//! Reading and writing a file inside, for tools that do so without a program of their own.
//!
//! Runs in a confined process inside, never on paths outside. A name is resolved beneath the
//! place it starts in, so that a link cannot lead the reviewed path elsewhere; only regular
//! files are touched, and a pipe or device is never waited on.

use crate::control::Plan;
use crate::mounts::HOME;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// The exit code that says how it went: 0, or the error's number.
pub(crate) fn exit_code(result: Result<(), Errno>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(errno) => errno.raw_os_error().clamp(1, 255),
    }
}

/// The open place `path` lies in, and the rest of it.
fn anchor<'p>(path: &'p [u8], plan: &Plan, write: bool) -> Result<(OwnedFd, &'p Path), Errno> {
    let path = Path::new(OsStr::from_bytes(path));
    if path.components().any(|part| matches!(part, Component::ParentDir)) {
        return Err(Errno::XDEV);
    }
    let project = Path::new(OsStr::from_bytes(&plan.project));
    let mut places = vec![project, Path::new("/tmp"), Path::new(HOME)];
    if !write {
        places.push(Path::new("/"));
    }
    for place in places {
        if let Ok(rest) = path.strip_prefix(place) {
            if rest.as_os_str().is_empty() {
                return Err(Errno::ISDIR);
            }
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            return Ok((open(place, flags, Mode::empty())?, rest));
        }
    }
    Err(Errno::ACCESS)
}

fn resolve() -> ResolveFlags {
    ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS
}

fn regular(file: BorrowedFd<'_>) -> Result<rustix::fs::Stat, Errno> {
    let stat = fstat(file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(stat),
        FileType::Directory => Err(Errno::ISDIR),
        _ => Err(Errno::OPNOTSUPP),
    }
}

/// Copies a file into the first descriptor; `FBIG` when it is longer than `max`.
pub(crate) fn copy_out(path: &[u8], max: u64, fds: &[OwnedFd], plan: &Plan) -> Result<(), Errno> {
    let out = fds.first().ok_or(Errno::BADMSG)?;
    let (place, rest) = anchor(path, plan, false)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = openat2(&place, rest, flags, Mode::empty(), resolve())?;
    let stat = regular(std::os::fd::AsFd::as_fd(&file))?;
    if u64::try_from(stat.st_size).unwrap_or(u64::MAX) > max {
        return Err(Errno::FBIG);
    }
    pump(&file, out, max)
}

/// Fills a file from the first descriptor, making its parent directories.
pub(crate) fn copy_in(
    path: &[u8],
    mode: Option<u32>,
    fds: &[OwnedFd],
    plan: &Plan,
) -> Result<(), Errno> {
    let from = fds.first().ok_or(Errno::BADMSG)?;
    let (place, rest) = anchor(path, plan, true)?;
    make_parents(&place, rest)?;
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let bits = Mode::from_raw_mode(mode.unwrap_or(0o644) & 0o777);
    let file = openat2(&place, rest, flags, bits, resolve())?;
    regular(std::os::fd::AsFd::as_fd(&file))?;
    rustix::fs::ftruncate(&file, 0)?;
    pump(from, &file, u64::MAX)?;
    if mode.is_some() {
        rustix::fs::fchmod(&file, bits)?;
    }
    Ok(())
}

fn make_parents(place: &OwnedFd, rest: &Path) -> Result<(), Errno> {
    let Some(parent) = rest.parent() else { return Ok(()) };
    let mut at = rustix::io::fcntl_dupfd_cloexec(place, 3)?;
    let mut so_far = std::path::PathBuf::new();
    for part in parent {
        so_far.push(part);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let next = match openat2(place, &so_far, flags, Mode::empty(), resolve()) {
            Err(Errno::NOENT) => {
                rustix::fs::mkdirat(&at, part, Mode::from_raw_mode(0o755))?;
                openat2(place, &so_far, flags, Mode::empty(), resolve())?
            }
            other => other?,
        };
        at = next;
    }
    Ok(())
}

fn pump(from: &OwnedFd, to: &OwnedFd, max: u64) -> Result<(), Errno> {
    let mut buffer = vec![0_u8; 64 * 1024];
    let mut left = max;
    loop {
        let read = match rustix::io::read(from, &mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error),
        };
        // The file may have grown since its size was looked at.
        left = left.checked_sub(read as u64).ok_or(Errno::FBIG)?;
        let mut rest = buffer.get(..read).unwrap_or_default();
        while !rest.is_empty() {
            match rustix::io::write(to, rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
