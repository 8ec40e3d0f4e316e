//! The Discord bot's settings, put together from environment, file and data directory.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;

use gatepost_discord::AddressError;
use gatepost_discord::Settings;
use gatepost_discord::Token;

use crate::config;
use crate::config::Loaded;
use crate::data::Chat;
use crate::data::MEMORY;
use crate::failure::Failure;
use crate::people;
use crate::people::Roles;
use crate::telegram::quiet;
use crate::voice;

mod doctor;

pub(crate) use doctor::check;

/// The token. It is in the environment and never on the command line, which others can read.
const TOKEN: &str = "DISCORD_BOT_TOKEN";

/// What takes the place of `https://discord.com`.
const PROXY: &str = "DISCORD_API_PROXY";

/// The bot's settings; none when there is no token.
pub(crate) fn settings(
    loaded: &Loaded,
    settings: &config::Settings,
) -> Result<Option<Settings>, Failure> {
    let file = &loaded.file.discord;
    let channels = channels(file)?;
    let Some(token) = token(loaded, &settings.data)? else {
        let named = !file.requesters.is_empty() || !file.approvers.is_empty();
        if named {
            tracing::warn!("people are named in `[discord]`, but there is no token");
        }
        return Ok(None);
    };
    let (_, Roles { requesters, approvers, admins, linked }) = people::roles(&loaded.file)?;
    Ok(Some(Settings {
        token,
        proxy: proxy(loaded),
        guilds: file.guilds.iter().copied().collect(),
        channels,
        memory: settings.data.join(MEMORY),
        desk: gatepost_desk::settings::Settings {
            requesters,
            approvers,
            admins,
            linked,
            max_file: u64::from(file.max_file_mb) << 20,
            transcriber: voice::transcriber(loaded, Chat::Discord)?,
            threads: file.threads,
            asking: file.approvals,
            quiet: quiet("discord", &file.quiet)?,
            code: None,
            hold_after: config::positive("discord.hold_after", file.hold_after.0)?,
        },
    }))
}

/// The project of each bound channel.
fn channels(file: &config::schema::Discord) -> Result<BTreeMap<u64, String>, Failure> {
    let channel = |(id, project): (&String, &String)| match id.parse() {
        Ok(id) => Ok((id, project.clone())),
        Err(_) => Err(Failure::new(format!("`{id}` in `discord.channels` is no channel's number"))
            .hint("turn on Discord's developer mode, and copy the channel's id from its menu")),
    };
    file.channels.iter().map(channel).collect()
}

/// A channel is bound to a project that is not configured.
pub(crate) fn no_project(project: &str) -> Failure {
    Failure::new(format!("`discord.channels` names the project `{project}`, and there is none"))
        .hint(format!("correct the name, or add `[projects.{project}]`"))
}

/// The file that the configuration names for the token.
pub(crate) fn token_file(loaded: &Loaded) -> Option<PathBuf> {
    loaded.file.discord.token_file.as_ref().map(|path| loaded.resolve(path))
}

/// The token from the environment, the named file, or the one that set-up wrote.
pub(crate) fn token(loaded: &Loaded, data: &Path) -> Result<Option<Token>, Failure> {
    if let Some(token) = from_environment()? {
        return Ok(Some(token));
    }
    let named = token_file(loaded);
    let is_named = named.is_some();
    let path = named.unwrap_or_else(|| data.join(Chat::Discord.token()));
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text, &format!("`{}`", path.display())).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !is_named => Ok(None),
        Err(error) => {
            Err(Failure::new(format!("cannot read the token in `{}`: {error}", path.display()))
                .hint("run `gatepost setup discord`, or name another file in `[discord]`"))
        }
    }
}

/// The token from the environment. An empty variable is no variable.
pub(crate) fn from_environment() -> Result<Option<Token>, Failure> {
    let set = std::env::var(TOKEN).ok().filter(|text| !text.trim().is_empty());
    set.map(|text| parse(&text, &format!("`{TOKEN}`"))).transpose()
}

/// What takes the place of `https://discord.com`, if anything does.
pub(crate) fn proxy(loaded: &Loaded) -> Option<String> {
    let set = std::env::var(PROXY).ok().filter(|text| !text.trim().is_empty());
    set.or_else(|| loaded.file.discord.proxy.clone())
}

/// Why the bot cannot be served, with what to do.
pub(crate) fn unstartable(error: AddressError) -> Failure {
    Failure::new(error.to_string()).hint("correct `DISCORD_API_PROXY` or `discord.proxy`")
}

fn parse(text: &str, from: &str) -> Result<Token, Failure> {
    Token::parse(text).map_err(|error| {
        Failure::new(format!("{from}: {error}")).hint(
            "reset the token on the application's page `Bot`, and run `gatepost setup discord`",
        )
    })
}
