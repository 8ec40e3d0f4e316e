//! The bytes an approval binds: what the files an action runs hold, as the task sees them.

use std::io;
use std::path::Path;

use gatepost_domain::action::BoundFile;
use gatepost_sandbox::Sandbox;
use gatepost_sandbox::SandboxError;
use sha2::Digest;
use sha2::Sha256;

/// The largest file that is hashed; what an agent runs as a script is far smaller.
const LARGEST: u64 = 64 << 20;

/// What could be bound, and what could not.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    /// The files with their digests.
    pub(crate) files: Vec<BoundFile>,
    /// Files whose bytes could change unseen: nobody may be asked about them.
    pub(crate) unbound: Vec<String>,
}

/// Reads the files inside the sandbox, so that no link leads out of it.
///
/// # Errors
/// The sandbox is gone.
pub(crate) async fn bind(sandbox: &Sandbox, paths: Vec<String>) -> Result<Bound, SandboxError> {
    let mut bound = Bound::default();
    for path in paths {
        let sha256 = match sandbox.read_file(Path::new(&path), LARGEST).await {
            Ok(bytes) => format!("{:x}", Sha256::digest(&bytes)),
            Err(SandboxError::File { errno, .. }) => match errno.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => String::new(),
                // Not bytes of the workspace: a directory, or a link into the read-only system.
                io::ErrorKind::IsADirectory | io::ErrorKind::CrossesDevices => continue,
                _ => {
                    bound.unbound.push(path);
                    continue;
                }
            },
            Err(error) => return Err(error),
        };
        bound.files.push(BoundFile { path, sha256 });
    }
    Ok(bound)
}
