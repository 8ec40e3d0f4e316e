//! The pipes between a program inside and whoever asked for it.

use crate::error::SandboxError;
use crate::process::{ExitStatus, Stdin};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;
use tokio::net::unix::pipe;

pub(super) fn far() -> tokio::time::Instant {
    tokio::time::Instant::now() + Duration::from_secs(3600)
}

pub(super) fn file_result(path: &Path, status: ExitStatus) -> Result<(), SandboxError> {
    let errno = match status {
        ExitStatus::Code(0) => return Ok(()),
        ExitStatus::Code(code) => std::io::Error::from_raw_os_error(code),
        ExitStatus::Signal(_) => std::io::ErrorKind::FileTooLarge.into(),
    };
    Err(SandboxError::File { path: path.to_owned(), errno })
}

pub(super) fn pipe_out() -> Result<(pipe::Receiver, OwnedFd), SandboxError> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((pipe::Receiver::from_owned_fd(read)?, write))
}

pub(super) fn pipe_in() -> Result<(pipe::Sender, OwnedFd), SandboxError> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((pipe::Sender::from_owned_fd(write)?, read))
}

pub(super) fn stdin(stdin: Stdin) -> Result<(OwnedFd, Option<pipe::Sender>), SandboxError> {
    use std::io::{Seek, Write};
    match stdin {
        Stdin::Null => {
            let file = std::fs::File::open("/dev/null")?;
            Ok((file.into(), None))
        }
        Stdin::Pipe => {
            let (ours, theirs) = pipe_in()?;
            Ok((theirs, Some(ours)))
        }
        Stdin::Bytes(bytes) => {
            let flags = rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::ALLOW_SEALING;
            let mut file = std::fs::File::from(rustix::fs::memfd_create("stdin", flags)?);
            file.write_all(&bytes)?;
            file.rewind()?;
            let seals = rustix::fs::SealFlags::SEAL
                | rustix::fs::SealFlags::SHRINK
                | rustix::fs::SealFlags::GROW
                | rustix::fs::SealFlags::WRITE;
            rustix::fs::fcntl_add_seals(&file, seals)?;
            Ok((file.into(), None))
        }
    }
}
