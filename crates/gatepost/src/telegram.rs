//! The Telegram bot's settings, put together from environment, file and data directory.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;

use gatepost_chat::quiet::Quiet;
use gatepost_telegram::Settings;
use gatepost_telegram::Sources;
use gatepost_telegram::Token;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::cli::Place;
use crate::config;
use crate::config::Loaded;
use crate::data::TELEGRAM;
use crate::failure::Failure;

/// The token. It is in the environment and never on the command line, which others can read.
const TOKEN: &str = "TELEGRAM_BOT_TOKEN";

/// The Bot API server.
const ADDRESS: &str = "TELEGRAM_API_URL";

/// What the doctor found out about the bot.
#[derive(Debug, Serialize)]
pub(crate) struct Found {
    /// Whether the bot can be served.
    pub(crate) works: bool,
    /// In a sentence.
    pub(crate) says: String,
    /// What else there is to know.
    pub(crate) notes: Vec<String>,
}

/// The bot's settings; none when there is no token.
pub(crate) fn settings(
    loaded: &Loaded,
    settings: &config::Settings,
) -> Result<Option<Settings>, Failure> {
    let file = &loaded.file.telegram;
    let Some(token) = token(loaded, &settings.data)? else {
        let named = !file.requesters.is_empty() || !file.approvers.is_empty();
        if named {
            tracing::warn!("people are named in `[telegram]`, but there is no token");
        }
        return Ok(None);
    };
    Ok(Some(Settings {
        token,
        address: address(loaded),
        requesters: file.requesters.clone(),
        approvers: file.approvers.clone(),
        admins: file.admins.clone(),
        groups: file.groups.clone(),
        max_file: u64::from(file.max_file_mb) << 20,
        asking: file.approvals,
        quiet: quiet(file)?,
    }))
}

/// Whose chat is quiet when, by the number of the person.
fn quiet(file: &config::schema::Telegram) -> Result<BTreeMap<u64, Quiet>, Failure> {
    let person = |(id, quiet): (&String, &Quiet)| match id.parse() {
        Ok(id) => Ok((id, *quiet)),
        Err(_) => {
            Err(Failure::new(format!("`{id}` in `[telegram.quiet]` is no number of a person"))
                .hint("people are named by Telegram's number, such as \"1001\" = \"22:00-07:00\""))
        }
    };
    file.quiet.iter().map(person).collect()
}

/// The file that the configuration names for the token.
pub(crate) fn token_file(loaded: &Loaded) -> Option<PathBuf> {
    loaded.file.telegram.token_file.as_ref().map(|path| loaded.resolve(path))
}

/// The token from the environment, the named file, or the one that set-up wrote.
pub(crate) fn token(loaded: &Loaded, data: &Path) -> Result<Option<Token>, Failure> {
    if let Some(token) = from_environment()? {
        return Ok(Some(token));
    }
    let named = token_file(loaded);
    let is_named = named.is_some();
    let path = named.unwrap_or_else(|| data.join(TELEGRAM));
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text, &format!("`{}`", path.display())).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_named => Ok(None),
        Err(error) => {
            Err(Failure::new(format!("cannot read the token in `{}`: {error}", path.display()))
                .hint("run `gatepost setup telegram`, or name another file in `[telegram]`"))
        }
    }
}

/// The token from the environment. An empty variable is no variable.
pub(crate) fn from_environment() -> Result<Option<Token>, Failure> {
    let set = std::env::var(TOKEN).ok().filter(|text| !text.trim().is_empty());
    set.map(|text| parse(&text, &format!("`{TOKEN}`"))).transpose()
}

/// The Bot API server, where it is not Telegram's own.
pub(crate) fn address(loaded: &Loaded) -> Option<String> {
    let set = std::env::var(ADDRESS).ok().filter(|text| !text.trim().is_empty());
    set.or_else(|| loaded.file.telegram.api_url.clone())
}

/// The real clock, time zone and randomness, for the adapter.
pub(crate) fn sources() -> Sources {
    let system = crate::sources::system();
    Sources {
        now: Arc::new(Timestamp::now),
        offset: Arc::new(|at| TimeZone::system().to_offset(at)),
        draw: Arc::new(move || system.entropy.draw()),
    }
}

/// Asks Telegram about the bot; none when there is no token.
pub(crate) async fn check(place: &Place) -> Option<Found> {
    let overrides = place.overrides();
    let broken = |says: String| Some(Found { works: false, says, notes: Vec::new() });
    // A file that cannot be read is the business of `gatepost config check`.
    let loaded = config::load(&overrides).ok()?;
    let data = loaded.data(&overrides).ok()?;
    let token = match token(&loaded, &data) {
        Ok(found) => found?,
        Err(failure) => return broken(failure.to_string()),
    };
    let probed = match gatepost_telegram::probe(&token, address(&loaded).as_deref()).await {
        Ok(probed) => probed,
        Err(error) => return broken(error.to_string()),
    };
    let mut notes = Vec::new();
    match &probed.webhook {
        Some(webhook) => {
            notes.push(format!("{} updates wait", webhook.pending));
            if !webhook.url.is_empty() {
                notes
                    .push(format!("a webhook is set ({}); the next start removes it", webhook.url));
            }
        }
        None => notes.push("it could not be asked what waits".into()),
    }
    notes.push(if probed.identity.reads_groups {
        "in groups it sees every message, and takes those that speak to it".into()
    } else {
        "privacy mode is on: in groups it sees commands, mentions and replies only".into()
    });
    let file = &loaded.file.telegram;
    if !file.requesters.is_empty() && file.approvers.is_empty() {
        notes.push("nobody is named as an approver, so questions can be answered only here".into());
    }
    Some(Found { works: true, says: format!("@{} answers", probed.identity.name), notes })
}

fn parse(text: &str, from: &str) -> Result<Token, Failure> {
    Token::parse(text).map_err(|error| {
        Failure::new(format!("{from}: {error}")).hint(
            "take the token from @BotFather with `/mybots`, and run `gatepost setup telegram`",
        )
    })
}
