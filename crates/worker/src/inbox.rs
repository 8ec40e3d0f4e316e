//! Files that people sent, on their way into a task's workspace.

use std::io;
use std::path::PathBuf;

use gatepost_agents::Words;
use gatepost_domain::Attachment;
use gatepost_domain::Message;
use gatepost_domain::message::INBOX;
use gatepost_domain::message::Names;
use gatepost_sandbox::Sandbox;

use crate::files::Files;
use crate::worker::blocking;

/// Read and write for everybody in the sandbox, and nothing to run.
const MODE: u32 = 0o644;

/// The inbox of one run.
///
/// Names are given out in the order of the messages, so that a later run of the task finds each
/// file under the same one. The files are put there anew by each run.
pub(crate) struct Inbox {
    files: Files,
    place: PathBuf,
    names: Names,
    /// Named to the agent, and not in the workspace yet.
    expected: Vec<(String, Attachment)>,
}

impl Inbox {
    pub(crate) fn new(files: Files, workspace: &str) -> Self {
        let place = PathBuf::from(workspace).join(INBOX);
        Self { files, place, names: Names::default(), expected: Vec::new() }
    }

    /// A message as the agent gets it. Its files are there after the next [`Inbox::put`].
    pub(crate) fn expect(&mut self, message: Message) -> Words {
        let Message { text, quoted, attachments } = message;
        let mut files = Vec::new();
        for attachment in attachments {
            let name = self.names.give(&attachment.name);
            files.push(name.clone());
            self.expected.push((name, attachment));
        }
        Words { text, quoted, files }
    }

    /// Puts every file that is expected into the workspace.
    ///
    /// # Errors
    /// A sentence that names the first file which could not be put there; the rest is dropped.
    pub(crate) async fn put(&mut self, sandbox: &Sandbox) -> Result<(), String> {
        for (name, attachment) in std::mem::take(&mut self.expected) {
            self.put_one(sandbox, &name, &attachment).await.map_err(|why| {
                format!("`{name}`, which came along, could not be put into `{INBOX}`: {why}")
            })?;
        }
        Ok(())
    }

    async fn put_one(
        &self,
        sandbox: &Sandbox,
        name: &str,
        attachment: &Attachment,
    ) -> Result<(), String> {
        let (files, sha256) = (self.files.clone(), attachment.sha256.clone());
        let bytes =
            blocking(move || files.read(&sha256)).await?.map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => "it is no longer kept; send it again".to_owned(),
                io::ErrorKind::InvalidData => {
                    "what is kept is not what was sent; send it again".to_owned()
                }
                _ => error.to_string(),
            })?;
        let path = self.place.join(name);
        sandbox.write_file(&path, &bytes, Some(MODE)).await.map_err(|error| error.to_string())
    }
}
