//! `gatepost setup telegram` and `gatepost pair`: a chat in two minutes.

use std::process::ExitCode;

use anyhow::Result;
use gatepost_telegram::ProbeError;
use gatepost_telegram::Token;

use crate::cli::Place;
use crate::client::CallError;
use crate::client::Client;
use crate::commands::keyboard::Keyboard;
use crate::config;
use crate::data;
use crate::data::DataDir;
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
        None => ask().await?,
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
    let path = data.keep_telegram_token(&token)?;
    let name = &probed.identity.name;
    out::line(&format!("@{name} answers; its token is kept in `{}`", path.display()));
    if let Some(webhook) = probed.webhook.filter(|webhook| !webhook.url.is_empty()) {
        out::line(&format!("its webhook ({}) is removed at the start", webhook.url));
    }
    let file = &loaded.file.telegram;
    if file.requesters.is_empty() && file.approvers.is_empty() {
        out::line("now run `gatepost up`: it shows a code, and who sends the code is the admin");
    } else {
        out::line("now run `gatepost up`; the people named in `[telegram]` may use the bot");
    }
    out::line(&format!("open the bot: https://t.me/{name}"));
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
        Ok(()) => {
            out::line(
                "passed on; the bot writes to the person if the code is theirs and still holds",
            );
            Ok(ExitCode::SUCCESS)
        }
        Err(CallError::Refused(refused)) => Err(refused.failure.into()),
        Err(CallError::Gone(error)) => Err(error.context(nobody())),
    }
}

async fn ask() -> Result<Token> {
    out::note("The bot's token, from @BotFather (it is not shown again): ");
    let mut keyboard = Keyboard::new();
    keyboard.listen();
    let Some(line) = keyboard.line().await else {
        return Err(Failure::new("no token was given")
            .hint("set `TELEGRAM_BOT_TOKEN`, or run this in a terminal")
            .into());
    };
    Ok(Token::parse(&line).map_err(|error| Failure::new(error.to_string()))?)
}
