//! The Telegram bot's settings, put together from environment, file and data directory.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use gatepost_chat::pairing::Code;
use gatepost_chat::quiet::Quiet;
use gatepost_telegram::Service;
use gatepost_telegram::Settings;
use gatepost_telegram::StartError;
use gatepost_telegram::Token;
use gatepost_telegram::WebhookError;
use gatepost_telegram::WebhookSettings;

use crate::config;
use crate::config::Loaded;
use crate::data::Chat;
use crate::failure::Failure;
use crate::out;
use crate::people;
use crate::people::Roles;
use crate::qr;
use crate::voice;

mod doctor;

pub(crate) use doctor::check;

/// The token. It is in the environment and never on the command line, which others can read.
const TOKEN: &str = "TELEGRAM_BOT_TOKEN";

/// The Bot API server.
const ADDRESS: &str = "TELEGRAM_API_URL";

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
    let (Roles { requesters, approvers, admins, linked }, _) = people::roles(&loaded.file)?;
    Ok(Some(Settings {
        token,
        address: address(loaded),
        desk: gatepost_desk::settings::Settings {
            requesters,
            approvers,
            admins,
            linked,
            max_file: u64::from(file.max_file_mb) << 20,
            transcriber: voice::transcriber(loaded, Chat::Telegram)?,
            threads: file.topics,
            asking: file.approvals,
            quiet: quiet("telegram", &file.quiet)?,
            code: None,
            hold_after: config::positive("telegram.hold_after", file.hold_after.0)?,
        },
        groups: file.groups.clone(),
        silence: silence(file.silence.0)?,
        last: None,
        webhook: webhook(loaded)?,
    }))
}

/// Whose chat is quiet when, by the number of the person.
pub(crate) fn quiet(
    section: &str,
    quiet: &BTreeMap<String, Quiet>,
) -> Result<BTreeMap<u64, Quiet>, Failure> {
    let person = |(id, quiet): (&String, &Quiet)| match id.parse() {
        Ok(id) => Ok((id, *quiet)),
        Err(_) => {
            Err(Failure::new(format!("`{id}` in `[{section}.quiet]` is no number of a person"))
                .hint("people are named by the chat's number, such as \"1001\" = \"22:00-07:00\""))
        }
    };
    quiet.iter().map(person).collect()
}

/// A poll must have time for a connection and an answer.
fn silence(given: Duration) -> Result<Duration, Failure> {
    if (Duration::from_secs(2)..=Duration::from_secs(600)).contains(&given) {
        return Ok(given);
    }
    Err(Failure::new("`telegram.silence` must be between two seconds and ten minutes")
        .hint("leave it out for the usual 50 s"))
}

/// The file that the configuration names for the token.
pub(crate) fn token_file(loaded: &Loaded) -> Option<PathBuf> {
    loaded.file.telegram.token_file.as_ref().map(|path| loaded.resolve(path))
}

/// The file that the configuration names for the webhook's secret.
pub(crate) fn secret_file(loaded: &Loaded) -> Option<PathBuf> {
    loaded.file.telegram.webhook_secret_file.as_ref().map(|path| loaded.resolve(path))
}

/// The token from the environment, the named file, or the one that set-up wrote.
pub(crate) fn token(loaded: &Loaded, data: &Path) -> Result<Option<Token>, Failure> {
    if let Some(token) = from_environment()? {
        return Ok(Some(token));
    }
    let named = token_file(loaded);
    let is_named = named.is_some();
    let path = named.unwrap_or_else(|| data.join(Chat::Telegram.token()));
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

/// The link that opens a chat with the bot, with the code on board if there is one.
pub(crate) fn link(bot: &str, code: Option<&Code>) -> String {
    match code {
        Some(code) => format!("https://t.me/{bot}?start={}", code.reveal()),
        None => format!("https://t.me/{bot}"),
    }
}

/// Shows the way to the bot, for a finger and for a camera.
pub(crate) fn show_link(link: &str) {
    out::line(&format!("open the bot: {link}"));
    if let Some(picture) = qr::shown(link) {
        out::line(&picture);
    }
}

/// Once Telegram has said who the bot is: the link that makes whoever follows it the first admin.
pub(crate) async fn invite(service: &mut Service) {
    let Some(code) = &service.code else { return };
    let Ok(named) = service.identity.wait_for(Option::is_some).await else { return };
    let Some(name) = named.as_ref().map(|identity| identity.name.clone()) else { return };
    drop(named);
    show_link(&link(&name, Some(code)));
}

/// Why the bot cannot be served, with what to do.
pub(crate) fn unstartable(error: StartError) -> Failure {
    let hint = match &error {
        StartError::Address(_) => "correct `TELEGRAM_API_URL` or `telegram.api_url`",
        StartError::Webhook(WebhookError::Url(_)) => {
            "correct `telegram.webhook_url`, or leave it out to poll"
        }
        StartError::Webhook(WebhookError::Secret) => "correct `telegram.webhook_secret_file`",
        StartError::Webhook(WebhookError::Listen { .. }) => {
            "choose another address in `telegram.webhook_listen`"
        }
    };
    Failure::new(error.to_string()).hint(hint)
}

fn webhook(loaded: &Loaded) -> Result<Option<WebhookSettings>, Failure> {
    let file = &loaded.file.telegram;
    let Some(url) = file.webhook_url.clone() else { return Ok(None) };
    let listen = file.webhook_listen.parse().map_err(|_| {
        Failure::new(format!("`telegram.webhook_listen` is no address: `{}`", file.webhook_listen))
            .hint("write an address and a port such as `127.0.0.1:8443`")
    })?;
    let secret = match &file.webhook_secret_file {
        None => None,
        Some(path) => {
            let path = loaded.resolve(path);
            let text = std::fs::read_to_string(&path).map_err(|error| {
                let path = path.display();
                Failure::new(format!("cannot read the webhook's secret in `{path}`: {error}"))
                    .hint("correct `telegram.webhook_secret_file`, or leave it out")
            })?;
            Some(text.trim().to_owned())
        }
    };
    Ok(Some(WebhookSettings { url, listen, secret }))
}

fn parse(text: &str, from: &str) -> Result<Token, Failure> {
    Token::parse(text).map_err(|error| {
        Failure::new(format!("{from}: {error}")).hint(
            "take the token from @BotFather with `/mybots`, and run `gatepost setup telegram`",
        )
    })
}
