//! Files: what people send along, how the bot fetches it, and what it sends itself.

use std::collections::BTreeMap;

use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::state::Answer;
use super::state::State;
use super::state::refused;

/// What a bot may fetch (<https://core.telegram.org/bots/api#getfile>).
pub(super) const MAY_FETCH: u64 = 20 * 1024 * 1024;

/// What a bot may send, as a file and as a photo
/// (<https://core.telegram.org/bots/api#sending-files>).
const MAY_SEND: usize = 50 * 1024 * 1024;
const MAY_SEND_AS_PHOTO: usize = 10 * 1024 * 1024;

/// Something that a person sends along.
#[derive(Debug, Clone)]
pub struct Attachment {
    kind: Kind,
    name: String,
    mime: String,
    bytes: Vec<u8>,
    size: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Photo,
    Document,
    Voice,
    Video,
}

impl Attachment {
    /// A photo; Telegram keeps no name for it.
    #[must_use]
    pub fn photo(bytes: &[u8]) -> Self {
        Self::new(Kind::Photo, "", "image/jpeg", bytes)
    }

    /// A file with a name, which its sender chose.
    #[must_use]
    pub fn document(name: &str, mime: &str, bytes: &[u8]) -> Self {
        Self::new(Kind::Document, name, mime, bytes)
    }

    /// A voice note.
    #[must_use]
    pub fn voice(bytes: &[u8]) -> Self {
        Self::new(Kind::Voice, "", "audio/ogg", bytes)
    }

    /// A video.
    #[must_use]
    pub fn video(bytes: &[u8]) -> Self {
        Self::new(Kind::Video, "clip.mp4", "video/mp4", bytes)
    }

    /// The same, said to be of this size.
    #[must_use]
    pub fn of_size(mut self, size: u64) -> Self {
        self.size = size;
        self
    }

    fn new(kind: Kind, name: &str, mime: &str, bytes: &[u8]) -> Self {
        let size = u64::try_from(bytes.len()).unwrap();
        Self { kind, name: name.into(), mime: mime.into(), bytes: bytes.into(), size }
    }
}

/// A file that the bot sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
    /// Whether it was sent as a photo.
    pub photo: bool,
}

impl Upload {
    /// The field of a message that carries it.
    pub(super) fn field(&self) -> &'static str {
        if self.photo { "photo" } else { "document" }
    }

    /// What that field holds.
    pub(super) fn json(&self) -> Value {
        let size = self.bytes.len();
        if self.photo {
            json!([{"file_id": "OP", "file_unique_id": "OPU", "width": 90, "height": 90,
                    "file_size": size}])
        } else {
            json!({"file_id": "OD", "file_unique_id": "ODU", "file_name": self.name,
                   "file_size": size})
        }
    }

    /// Whether Telegram takes it.
    ///
    /// # Errors
    /// Telegram's answer.
    pub(super) fn check(&self) -> Result<(), Answer> {
        if self.bytes.is_empty() {
            return Err(refused(400, "Bad Request: file must be non-empty"));
        }
        if self.photo && self.bytes.len() > MAY_SEND_AS_PHOTO {
            return Err(refused(400, "Bad Request: PHOTO_SAVE_FILE_INVALID"));
        }
        if self.bytes.len() > MAY_SEND {
            return Err(refused(413, "Request Entity Too Large"));
        }
        Ok(())
    }
}

/// What people sent, by id and by path.
#[derive(Debug, Default)]
pub(super) struct Files {
    by_id: BTreeMap<String, (String, u64)>,
    by_path: BTreeMap<String, Vec<u8>>,
}

impl Files {
    /// Keeps what a person sent; the fields of their message.
    pub(super) fn add(&mut self, attachment: &Attachment) -> Value {
        let number = self.by_id.len() / 2 + 1;
        let (id, small) = (format!("AgAD{number}"), format!("AgAD{number}s"));
        let folder = match attachment.kind {
            Kind::Photo => "photos",
            Kind::Document => "documents",
            Kind::Voice => "voice",
            Kind::Video => "videos",
        };
        let ending = attachment.mime.rsplit('/').next().unwrap_or("bin");
        let path = format!("{folder}/file_{number}.{ending}");
        let thumb = format!("{folder}/thumb_{number}.jpg");
        self.by_id.insert(id.clone(), (path.clone(), attachment.size));
        self.by_id.insert(small.clone(), (thumb.clone(), 5));
        self.by_path.insert(path, attachment.bytes.clone());
        self.by_path.insert(thumb, b"small".to_vec());
        let unique = format!("Q{number}");
        let (name, mime, size) = (&attachment.name, &attachment.mime, attachment.size);
        match attachment.kind {
            Kind::Photo => json!({ "photo": [
                {"file_id": small, "file_unique_id": format!("{unique}s"), "width": 90,
                 "height": 60, "file_size": 5},
                {"file_id": id, "file_unique_id": unique, "width": 1280, "height": 853,
                 "file_size": size},
            ]}),
            Kind::Document => json!({ "document": {
                "file_id": id, "file_unique_id": unique, "file_name": name, "mime_type": mime,
                "file_size": size,
            }}),
            Kind::Voice => json!({ "voice": {
                "file_id": id, "file_unique_id": unique, "duration": 3, "mime_type": mime,
                "file_size": size,
            }}),
            Kind::Video => json!({ "video": {
                "file_id": id, "file_unique_id": unique, "width": 640, "height": 360,
                "duration": 3, "file_name": name, "mime_type": mime, "file_size": size,
            }}),
        }
    }

    /// What is at a path.
    pub(super) fn at(&self, path: &str) -> Option<&Vec<u8>> {
        self.by_path.get(path)
    }
}

impl State {
    pub(super) fn get_file(&self, given: &Map<String, Value>) -> Answer {
        let id = given["file_id"].as_str().unwrap_or_default();
        match self.files.by_id.get(id) {
            None => refused(400, "Bad Request: invalid file_id"),
            Some((_, size)) if *size > MAY_FETCH => refused(400, "Bad Request: file is too big"),
            Some((path, size)) => Answer::Done(json!({
                "file_id": id, "file_unique_id": format!("U{id}"), "file_size": size,
                "file_path": path,
            })),
        }
    }
}
