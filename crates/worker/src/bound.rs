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

/// The longest text that is handed to the gate, which looks at no longer one.
const LONGEST_TEXT: usize = gatepost_gate::LONGEST_CONTENT;

/// What could be bound, and what could not.
#[derive(Debug, Default)]
pub(crate) struct Bound {
    /// The files with their digests.
    pub(crate) files: Vec<BoundFile>,
    /// Files whose bytes could change unseen: nobody may be asked about them.
    pub(crate) unbound: Vec<String>,
    /// Those of the files that are text and not too long to judge, with what they hold.
    pub(crate) texts: Vec<(String, String)>,
}

/// Reads the files inside the sandbox, so that no link leads out of it.
///
/// # Errors
/// The sandbox is gone.
pub(crate) async fn bind(sandbox: &Sandbox, paths: Vec<String>) -> Result<Bound, SandboxError> {
    let mut bound = Bound::default();
    for path in paths {
        let sha256 = match sandbox.read_file(Path::new(&path), LARGEST).await {
            Ok(bytes) => {
                let sha256 = format!("{:x}", Sha256::digest(&bytes));
                if bytes.len() <= LONGEST_TEXT
                    && let Ok(text) = String::from_utf8(bytes)
                {
                    bound.texts.push((path.clone(), text));
                }
                sha256
            }
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
