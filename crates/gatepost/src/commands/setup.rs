//! `gatepost setup telegram` and `gatepost pair`: a chat in two minutes.

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
        let code = match data.telegram_code() {
            // Run twice, both pictures open the same door.
            Some(code) => code,
            None => {
                let code = Code::from_entropy(crate::sources::system().entropy.draw());
                data.keep_telegram_code(&code)?;
                code
            }
        };
        out::line(&format!(
            "{again}; whoever first sends the bot the code {} is its admin",
            code.reveal()
        ));
        telegram::show_link(&telegram::link(name, Some(&code)));
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

async fn ask() -> Result<Token> {
    out::note("The bot's token, from @BotFather (it is not shown): ");
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
    let Some(line) = line else {
        return Err(Failure::new("no token was given")
            .hint("set `TELEGRAM_BOT_TOKEN`, or run this in a terminal")
            .into());
    };
    Ok(Token::parse(&line).map_err(|error| Failure::new(error.to_string()))?)
}
