//! The program of the owner's that turns voice notes into words, for each chat that takes them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use gatepost_desk::Transcriber;

use crate::config;
use crate::config::Loaded;
use crate::data::Chat;
use crate::failure::Failure;

/// What turns a chat's voice notes into words, if that is configured. Whether its program is there is
/// another question: the bot serves without, and says so to whoever speaks.
pub(crate) fn transcriber(loaded: &Loaded, chat: Chat) -> Result<Option<Transcriber>, Failure> {
    let (section, command, timeout) = match chat {
        Chat::Telegram => {
            let file = &loaded.file.telegram;
            ("telegram", &file.transcriber, file.transcriber_timeout.0)
        }
        Chat::Discord => {
            let file = &loaded.file.discord;
            ("discord", &file.transcriber, file.transcriber_timeout.0)
        }
    };
    let Some((program, arguments)) = command.split_first() else { return Ok(None) };
    if program.is_empty() {
        return Err(Failure::new(format!("`{section}.transcriber` names no program"))
            .hint("write it as a list: the program, then its arguments"));
    }
    let program = Path::new(program);
    // A bare name is looked for along PATH when it is started.
    let bare = program.components().count() == 1 && !program.is_absolute();
    Ok(Some(Transcriber {
        program: if bare { program.to_owned() } else { loaded.resolve(program) },
        arguments: arguments.iter().map(Into::into).collect(),
        timeout: config::positive(&format!("{section}.transcriber_timeout"), timeout)?,
    }))
}

/// Whether the programs that turn voice notes into words are there, where any are configured.
pub(crate) fn check(loaded: &Loaded) -> Result<(), Failure> {
    for chat in [Chat::Telegram, Chat::Discord] {
        let Some(Transcriber { program, .. }) = transcriber(loaded, chat)? else { continue };
        if !is_there(&program) {
            return Err(Failure::new(format!(
                "the transcriber `{}` is no program that is there",
                program.display()
            ))
            .hint("correct `transcriber`, or leave it out: voice notes are declined then"));
        }
    }
    Ok(())
}

fn is_there(program: &Path) -> bool {
    let is_program = |path: &Path| {
        let found = path.metadata();
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if program.components().count() > 1 {
        return is_program(program);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| is_program(&dir.join(program)))
}
