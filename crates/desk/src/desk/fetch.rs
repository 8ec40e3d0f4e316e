//! Fetching what people sent: bytes of files, and words of voice notes.

use std::sync::Arc;
use std::time::Duration;

use gatepost_chat::port::Hub;
use gatepost_domain::Attachment;
use gatepost_domain::message::MAX_ATTACHMENTS;
use gatepost_domain::message::file_name;
use gatepost_domain::request::RequestError;

use crate::inbound::Waiting;
use crate::surface::Surface;
use crate::surface::Trouble;
use crate::transcribe::Transcriber;

/// The pauses after which fetching a file is tried again.
const FETCH_AGAIN: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(5)];

/// One try may take this long: 20 MB over a line of 2 Mbit/s.
const FETCH: Duration = Duration::from_secs(80);

/// How much room a message leaves beside a transcript, in UTF-16 units: all of it must be seen
/// before it runs.
pub(super) const BESIDE: usize = 1000;

/// Where files are fetched from.
pub(super) struct Source {
    pub(super) surface: Arc<dyn Surface>,
    /// What people call the platform.
    pub(super) name: &'static str,
    /// The largest file that is taken, in bytes.
    pub(super) most: u64,
}

/// What a message's files came to.
pub(super) enum Got {
    /// They are kept.
    Files(Vec<Attachment>),
    /// They were spoken words.
    Words(String),
}

/// Why files were not fetched.
pub(super) enum NotFetched {
    /// They could not be kept; the message comes again.
    Unrecorded(RequestError),
    /// They will not be, for this reason.
    Never(String),
    /// The platform did not give them, as this half a sentence says; it may another time.
    Missed(String),
}

impl Source {
    /// What a voice note says in at most `longest` UTF-16 units. The words are nobody's yet.
    pub(super) async fn hear(
        &self,
        transcriber: &Transcriber,
        files: &[Waiting],
        longest: usize,
    ) -> Result<Got, NotFetched> {
        let mut words = Vec::new();
        for file in files {
            let audio = self.fetch(file).await?;
            let heard = transcriber.listen(&audio, longest).await.map_err(|error| {
            tracing::warn!(%error, "a voice note could not be turned into words");
            NotFetched::Never(format!(
                "I could not turn this voice note into words: {error}. Nothing was started; send \
                 the task as text."
            ))
        })?;
            words.push(heard);
        }
        Ok(Got::Words(words.join("\n")))
    }

    /// Fetches files and keeps them.
    pub(super) async fn fetch_all(
        &self,
        hub: &dyn Hub,
        files: &[Waiting],
    ) -> Result<Got, NotFetched> {
        let mut attachments = Vec::new();
        for file in files.iter().take(MAX_ATTACHMENTS) {
            let bytes = self.fetch(file).await?;
            let size = bytes.len() as u64;
            let sha256 = hub.keep(bytes).await.map_err(NotFetched::Unrecorded)?;
            attachments.push(Attachment::new(&file.name, size, sha256, file.media_type.as_deref()));
        }
        Ok(Got::Files(attachments))
    }

    async fn fetch(&self, file: &Waiting) -> Result<Vec<u8>, NotFetched> {
        let mut pauses = FETCH_AGAIN.iter();
        loop {
            let trouble = match tokio::time::timeout(
                FETCH,
                self.surface.fetch(file.clone(), self.most),
            )
            .await
            {
                Ok(Ok(bytes)) => return Ok(bytes),
                Ok(Err(trouble)) => trouble,
                Err(_) => Trouble::Lost("it took too long".into()),
            };
            let pause = match &trouble {
                Trouble::TooLarge(_) => {
                    return Err(NotFetched::Never(too_large(file, self.most, self.name)));
                }
                Trouble::Refused(_)
                | Trouble::NoThread(_)
                | Trouble::ThreadClosed(_)
                | Trouble::Moved(_) => None,
                Trouble::Pause(pause) => pauses.next().map(|least| (*pause).max(*least)),
                Trouble::NotReached(_) | Trouble::Lost(_) => pauses.next().copied(),
            };
            tracing::warn!(%trouble, "a file could not be fetched");
            let Some(pause) = pause else {
                return Err(NotFetched::Missed(format!(
                    "I could not fetch `{}` from {} ({trouble})",
                    file_name(&file.name),
                    self.name
                )));
            };
            tokio::time::sleep(pause).await;
        }
    }
}

/// What is said of files of a platform that could not be had.
pub(super) fn unfetched(files: &[Waiting], name: &str) -> String {
    let names: Vec<_> = files.iter().map(|file| format!("`{}`", file_name(&file.name))).collect();
    format!("I could not fetch {} from {name}", names.join(", "))
}

/// The sentence for a file that is too large. Megabytes are rounded up, so that it never says that
/// what is allowed is too large.
pub(super) fn too_large(file: &Waiting, most: u64, from: &str) -> String {
    let mb = |bytes: u64| bytes.div_ceil(1024 * 1024);
    let name = file_name(&file.name);
    let size = match file.size {
        Some(size) => format!("has {} MB", mb(size)),
        None => "is too large".to_owned(),
    };
    format!(
        "`{name}` {size}; I take files of up to {} MB from {from}, so nothing was started. Put it \
         where the project has it, or send a smaller one.",
        mb(most)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_file_harmlessly_and_never_calls_what_is_allowed_too_large() {
        const MOST: u64 = 20 * 1024 * 1024;
        let file = |size| Waiting {
            id: "F".into(),
            name: "../big\u{202e}.iso".into(),
            size,
            media_type: None,
            voice: None,
        };
        let words = too_large(&file(Some(MOST + 1)), MOST, "Telegram");
        assert!(words.starts_with("`big_.iso` has 21 MB; I take files of up to 20 MB"), "{words}");
        assert!(too_large(&file(None), MOST, "Telegram").contains("is too large"));
    }
}
