//! Asking Telegram about a bot, for set-up and for the doctor. Nothing that waits is touched.

use std::time::Duration;

use gatepost_chat::command::MENU;

use crate::api::AddressError;
use crate::api::Api;
use crate::api::Identity;
use crate::api::Trouble;
use crate::api::Webhook;
use crate::token::Token;

/// How long it is looked for another poller. Longer than the pauses between the polls of programs
/// that work, and short enough to wait for.
const LOOK: Duration = Duration::from_secs(4);

/// What Telegram says of a bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Who it is.
    pub identity: Identity,
    /// Where its updates wait; none when that could not be asked.
    pub webhook: Option<Webhook>,
}

/// How the bot stands in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The group's number.
    pub id: i64,
    /// Its title; empty when it cannot be seen.
    pub title: String,
    /// What is missing there, one sentence each with what to do.
    pub missing: Vec<String>,
}

/// Why nothing could be found out. No text in here holds the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The server does not know the token.
    #[error("telegram does not know this token")]
    BadToken,
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

/// Asks who a bot is and where its updates wait.
///
/// # Errors
/// [`ProbeError`] says why that could not be found out.
pub async fn probe(token: &Token, address: Option<&str>) -> Result<Probed, ProbeError> {
    let api = Api::new(token.clone(), address)?;
    let identity = api.me().await.map_err(probe_error)?;
    Ok(Probed { identity, webhook: api.webhook().await.ok() })
}

/// Sets the menu of commands that Telegram shows beside the text field.
///
/// # Errors
/// [`ProbeError`] says why that failed; nothing depends on it.
pub async fn register(token: &Token, address: Option<&str>) -> Result<(), ProbeError> {
    Api::new(token.clone(), address)?.menu(&MENU).await.map_err(probe_error)
}

/// How the bot stands in each of its groups.
///
/// # Errors
/// The address is none; what is wrong with a group is in its entry.
pub async fn groups(
    token: &Token,
    address: Option<&str>,
    bot: i64,
    groups: &[i64],
) -> Result<Vec<Group>, ProbeError> {
    let api = Api::new(token.clone(), address)?;
    let mut found = Vec::new();
    for id in groups {
        found.push(group(&api, bot, *id).await);
    }
    Ok(found)
}

/// Whether another program polls for this bot's updates. Only to be asked while no Gatepost of
/// one's own does: it would be disturbed.
///
/// # Errors
/// [`ProbeError`] says why that could not be found out.
pub async fn is_polled(token: &Token, address: Option<&str>) -> Result<bool, ProbeError> {
    let api = Api::new(token.clone(), address)?;
    let begun = tokio::time::Instant::now();
    // Where something waits the look comes back at once, and the other's next poll may be later.
    loop {
        if api.is_polled(LOOK).await.map_err(probe_error)? {
            return Ok(true);
        }
        if begun.elapsed() >= LOOK {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn group(api: &Api, bot: i64, id: i64) -> Group {
    let mut missing = Vec::new();
    let found = match api.membership(id, bot).await {
        Ok(found) => found,
        Err(Trouble::Moved(to)) => {
            let moved = format!("it is {to} now; name that number in `[telegram] groups`");
            return Group { id, title: String::new(), missing: vec![moved] };
        }
        Err(trouble) => {
            let unseen = format!("the bot cannot see it ({trouble}); add the bot to the group");
            return Group { id, title: String::new(), missing: vec![unseen] };
        }
    };
    match found.status.as_str() {
        "left" => missing.push("the bot is no member; add it to the group".into()),
        "kicked" => missing.push("the bot was removed and banned; let it in again".into()),
        _ if !found.may_write => {
            missing
                .push("the bot may not send messages there; allow it, or make it an admin".into());
        }
        _ => {}
    }
    if found.forum && !found.may_manage_topics && missing.is_empty() {
        missing.push(
            "it has topics and the bot may not manage them; make it an admin with that right, or \
             tasks become reply chains"
                .into(),
        );
    }
    Group { id, title: found.title, missing }
}

fn probe_error(trouble: Trouble) -> ProbeError {
    match trouble {
        Trouble::BadToken => ProbeError::BadToken,
        other => ProbeError::Other(other.to_string()),
    }
}
