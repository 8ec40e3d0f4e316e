//! `gatepost setup` and `gatepost pair`: a chat in two minutes.

use std::process::ExitCode;

use anyhow::Result;
use gatepost_chat::pairing::Code;
use gatepost_telegram::ProbeError;
use gatepost_telegram::Token;

use crate::cli::Place;
use crate::client::CallError;
use crate::client::Client;
use crate::commands::keyboard::Hidden;
use crate::commands::keyboard::Keyboard;
use crate::config;
use crate::data;
use crate::data::DataDir;
use crate::discord;
use crate::failure::Failure;
use crate::out;
use crate::telegram;

/// Tries a token out and keeps it.
pub(crate) async fn telegram(place: &Place) -> Result<ExitCode> {
    let overrides = place.overrides();
    let loaded = config::load(&overrides)?;
    let data = DataDir::open(&loaded.data(&overrides)?)?;
    let token = match telegram::from_environment()? {
        Some(token) => token,
        None => Token::parse(&ask("@BotFather", "TELEGRAM_BOT_TOKEN").await?)
            .map_err(|error| Failure::new(error.to_string()))?,
    };
    let address = telegram::address(&loaded);
    let probed = gatepost_telegram::probe(&token, address.as_deref()).await.map_err(|error| {
        let hint = match &error {
            ProbeError::BadToken => "take the token from @BotFather with `/mybots`",
            ProbeError::Address(_) => "correct `TELEGRAM_API_URL` or `telegram.api_url`",
            ProbeError::Other(_) => "check the network, then run this again",
        };
        Failure::new(error.to_string()).hint(hint)
    })?;
    let path = data.keep_token(data::Chat::Telegram, token.reveal())?;
    let name = &probed.identity.name;
    out::line(&format!("@{name} answers; its token is kept in `{}`", path.display()));
    match gatepost_telegram::register(&token, address.as_deref()).await {
        Ok(()) => out::line("its menu of commands is set"),
        Err(error) => out::line(&format!("its menu of commands is set at the start ({error})")),
    }
    let file = &loaded.file.telegram;
    if let Some(webhook) = probed.webhook.filter(|webhook| !webhook.url.is_empty())
        && file.webhook_url.is_none()
    {
        out::line(&format!("its webhook ({}) is removed at the start", webhook.url));
    }
    let again = if data::serving(data.path()).is_some() {
        "stop the `gatepost up` that runs and start it again"
    } else {
        "now run `gatepost up`"
    };
    let named = !file.requesters.is_empty() || !file.approvers.is_empty();
    if named || !file.admins.is_empty() {
        out::line(&format!("{again}; the people named in `[telegram]` may use the bot"));
        telegram::show_link(&telegram::link(name, None));
    } else {
        let code = code(&data, data::Chat::Telegram)?;
        out::line(&format!(
            "{again}; whoever first sends the bot the code {} is its admin",
            code.reveal()
        ));
        telegram::show_link(&telegram::link(name, Some(&code)));
    }
    Ok(ExitCode::SUCCESS)
}

/// Tries a Discord bot's token out and keeps it; says what is still to be done on Discord's pages.
pub(crate) async fn discord(place: &Place) -> Result<ExitCode> {
    let overrides = place.overrides();
    let loaded = config::load(&overrides)?;
    let data = DataDir::open(&loaded.data(&overrides)?)?;
    let token = match discord::from_environment()? {
        Some(token) => token,
        None => gatepost_discord::Token::parse(
            &ask("the application's page `Bot`", "DISCORD_BOT_TOKEN").await?,
        )
        .map_err(|error| Failure::new(error.to_string()))?,
    };
    let proxy = discord::proxy(&loaded);
    let probed = gatepost_discord::probe(&token, proxy.as_deref()).await.map_err(|error| {
        use gatepost_discord::ProbeError;
        let hint = match &error {
            ProbeError::BadToken => "reset the token on the application's page `Bot`",
            ProbeError::Address(_) => "correct `DISCORD_API_PROXY` or `discord.proxy`",
            ProbeError::Other(_) => "check the network, then run this again",
        };
        Failure::new(error.to_string()).hint(hint)
    })?;
    if let Some(url) = &probed.endpoint {
        return Err(Failure::new(format!(
            "an Interactions Endpoint URL is set ({url}), so no press and no command would arrive"
        ))
        .hint(
            "empty that field on the application's page `General Information`, then run this again",
        )
        .into());
    }
    let path = data.keep_token(data::Chat::Discord, token.reveal())?;
    let identity = &probed.identity;
    out::line(&format!("{} answers; its token is kept in `{}`", identity.name, path.display()));
    if !probed.reads_messages {
        out::line(
            "the message-content intent is off: tasks come by `/run` and by the bot's name. To bind \
             channels, turn it on at the application's page `Bot`",
        );
    }
    out::line(&format!("let it into a server: {}", identity.invitation()));
    let file = &loaded.file.discord;
    // What it is in already can be named without looking for the number.
    for guild in probed.guilds.iter().filter(|guild| !file.guilds.contains(guild)) {
        out::line(&format!("it is in the server {guild}, which `discord.guilds` does not name"));
    }
    for guild in file.guilds.iter().filter(|guild| probed.guilds.contains(guild)) {
        let offered =
            gatepost_discord::offer(&token, proxy.as_deref(), identity.application, *guild).await;
        match offered {
            Ok(()) => out::line(&format!("its commands are offered in {guild}")),
            Err(error) => {
                out::line(&format!("its commands are offered in {guild} at the start ({error})"));
            }
        }
    }
    let again = if data::serving(data.path()).is_some() {
        "stop the `gatepost up` that runs and start it again"
    } else {
        "now run `gatepost up`"
    };
    let named = !file.requesters.is_empty() || !file.approvers.is_empty();
    if named || !file.admins.is_empty() {
        out::line(&format!("{again}; the people named in `[discord]` may use the bot"));
    } else {
        let code = code(&data, data::Chat::Discord)?;
        out::line(&format!(
            "{again}; whoever first sends the bot the code {} in private is its admin",
            code.reveal()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Vouches for the person to whom the bot gave a code.
pub(crate) async fn pair(place: &Place, code: &str) -> Result<ExitCode> {
    let overrides = place.overrides();
    let dir = config::load(&overrides)?.data(&overrides)?;
    let nobody = || {
        Failure::new("no gatepost is running here that could let anybody in")
            .hint("start `gatepost up`, then run this again")
    };
    let (serving, key) = data::serving(&dir).ok_or_else(nobody)?;
    match Client::new(serving.address, key)?.pair(code).await {
        Ok(who) => {
            out::line(&format!("{who} is let in; the bot writes to them"));
            Ok(ExitCode::SUCCESS)
        }
        Err(CallError::Refused(refused)) => Err(refused.failure.into()),
        Err(CallError::Gone(error)) => Err(error.context(nobody())),
    }
}

/// The code that makes whoever sends it the first admin. Run twice, both open the same door.
fn code(data: &DataDir, chat: data::Chat) -> Result<Code, Failure> {
    if let Some(code) = data.code(chat) {
        return Ok(code);
    }
    let code = Code::from_entropy(crate::sources::system().entropy.draw());
    data.keep_code(chat, &code)?;
    Ok(code)
}

/// A token, typed without being shown.
async fn ask(from: &str, variable: &str) -> Result<String> {
    out::note(&format!("The bot's token, from {from} (it is not shown): "));
    let mut keyboard = Keyboard::new();
    let line = {
        let hidden = Hidden::new();
        keyboard.listen();
        let line = tokio::select! {
            line = keyboard.line() => line,
            // The terminal shows what is typed again, before this ends.
            _ = tokio::signal::ctrl_c() => None,
        };
        if hidden.is_some() {
            out::note("\n");
        }
        line
    };
    let none = || {
        Failure::new("no token was given")
            .hint(format!("set `{variable}`, or run this in a terminal"))
    };
    Ok(line.ok_or_else(none)?)
}
