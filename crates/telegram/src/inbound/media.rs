//! Files of a message, as far as Telegram tells of them before they are fetched.

use gatepost_desk::inbound::Waiting;
use teloxide::types::FileMeta;
use teloxide::types::Message;

/// The files of a message; Telegram puts at most one into each.
pub(super) fn files(message: &Message) -> Vec<Waiting> {
    one(message).into_iter().collect()
}

/// Whether it holds something that is no file for anybody to work on.
pub(super) fn is_odd(message: &Message) -> bool {
    message.sticker().is_some()
        || message.location().is_some()
        || message.contact().is_some()
        || message.poll().is_some()
        || message.dice().is_some()
}

fn one(message: &Message) -> Option<Waiting> {
    // A message with an animation carries it as a document too, for old programs.
    if let Some(animation) = message.animation() {
        let name = animation.file_name.as_deref().unwrap_or("animation.mp4");
        return Some(waiting(&animation.file, name, animation.mime_type.as_ref()));
    }
    if let Some(document) = message.document() {
        let name = document.file_name.as_deref().unwrap_or("file");
        return Some(waiting(&document.file, name, document.mime_type.as_ref()));
    }
    if let Some(sizes) = message.photo() {
        // Telegram sends several sizes of one photo and keeps no name.
        let largest =
            sizes.iter().max_by_key(|size| u64::from(size.width) * u64::from(size.height));
        return largest.map(|size| waiting(&size.file, "photo.jpg", Some(&"image/jpeg")));
    }
    if let Some(video) = message.video() {
        let name = video.file_name.as_deref().unwrap_or("video.mp4");
        return Some(waiting(&video.file, name, video.mime_type.as_ref()));
    }
    if let Some(audio) = message.audio() {
        let name = audio.file_name.as_deref().unwrap_or("audio.mp3");
        return Some(waiting(&audio.file, name, audio.mime_type.as_ref()));
    }
    if let Some(note) = message.video_note() {
        return Some(waiting(&note.file, "video-note.mp4", Some(&"video/mp4")));
    }
    message.voice().map(|voice| Waiting {
        voice: Some(voice.duration.seconds()),
        ..waiting(&voice.file, "voice.ogg", voice.mime_type.as_ref())
    })
}

fn waiting(file: &FileMeta, name: &str, media_type: Option<&impl ToString>) -> Waiting {
    Waiting {
        id: file.id.0.clone(),
        name: name.to_owned(),
        // What the types say where the server says nothing.
        size: (file.size != u32::MAX).then(|| u64::from(file.size)),
        media_type: media_type.map(ToString::to_string),
        voice: None,
    }
}
