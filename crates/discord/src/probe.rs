//! Asking Discord about a bot, for set-up and for the doctor. Nothing is changed but what is asked
//! for.

use serenity::model::permissions::Permissions;

use crate::api::AddressError;
use crate::api::Api;
use crate::api::Application;
use crate::api::Fault;
use crate::api::Intents;
use crate::commands;
use crate::inbound::Me;
use crate::token::Token;
use crate::wire::Id;

/// What the bot must be allowed in a server, and nothing more: see channels, send messages, send in
/// threads, open threads, manage the threads it opened, attach files, embed, read what was said
/// before (<https://discord.com/developers/docs/topics/permissions#permissions-bitwise-permission-flags>).
const PERMISSIONS: Permissions = Permissions::VIEW_CHANNEL
    .union(Permissions::SEND_MESSAGES)
    .union(Permissions::SEND_MESSAGES_IN_THREADS)
    .union(Permissions::CREATE_PUBLIC_THREADS)
    .union(Permissions::MANAGE_THREADS)
    .union(Permissions::ATTACH_FILES)
    .union(Permissions::EMBED_LINKS)
    .union(Permissions::READ_MESSAGE_HISTORY);

/// Who the bot is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its application's number, which invitations name.
    pub application: u64,
}

/// What Discord says of a bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Who it is.
    pub identity: Identity,
    /// Whether its application's page lets it read what is written.
    pub reads_messages: bool,
    /// Where interactions are pushed to; while that is set no press arrives.
    pub endpoint: Option<String>,
    /// Whether anybody may add it to a server.
    pub is_public: Option<bool>,
    /// The servers that it is in.
    pub guilds: Vec<u64>,
}

/// Why nothing could be found out. No text in here holds the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// The address is none.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The server does not know the token.
    #[error("discord does not know this token")]
    BadToken,
    /// Anything else, in words.
    #[error("{0}")]
    Other(String),
}

impl Identity {
    pub(crate) fn of(me: &Me, application: &Application) -> Self {
        Self { id: me.id.0, name: me.name.clone(), application: application.id.0 }
    }

    /// The link by which whoever runs a server lets the bot in, with the least it needs.
    #[must_use]
    pub fn invitation(&self) -> String {
        format!(
            "https://discord.com/oauth2/authorize?client_id={}&scope=bot+applications.commands\
             &permissions={}",
            self.application,
            PERMISSIONS.bits()
        )
    }
}

/// Asks who a bot is and how it is set up.
///
/// # Errors
/// [`ProbeError`] says why that could not be found out.
pub async fn probe(token: &Token, proxy: Option<&str>) -> Result<Probed, ProbeError> {
    let api = Api::new(token.clone(), proxy)?;
    let user = api.me().await.map_err(probe_error)?;
    let application = api.application().await.map_err(probe_error)?;
    let guilds = api.guilds().await.map_err(probe_error)?;
    let me = Me { id: user.id, name: user.username };
    Ok(Probed {
        identity: Identity::of(&me, &application),
        reads_messages: application.intents() == Intents::Content,
        endpoint: application.interactions_endpoint_url.filter(|url| !url.is_empty()),
        is_public: application.bot_public,
        guilds: guilds.into_iter().map(|guild| guild.0).collect(),
    })
}

/// Offers the commands in a server; they are there at once.
///
/// # Errors
/// [`ProbeError`] says why that failed.
pub async fn offer(
    token: &Token,
    proxy: Option<&str>,
    application: u64,
    guild: u64,
) -> Result<(), ProbeError> {
    let api = Api::new(token.clone(), proxy)?;
    api.offer(Id(application), Id(guild), &commands::all()).await.map_err(probe_error)
}

/// What a channel is called; none where the bot does not see it.
///
/// # Errors
/// [`ProbeError`] says why that could not be found out.
pub async fn sees(token: &Token, proxy: Option<&str>, channel: u64) -> Result<bool, ProbeError> {
    match Api::new(token.clone(), proxy)?.channel(Id(channel)).await {
        Ok(_) => Ok(true),
        Err(Fault::Refused { .. }) => Ok(false),
        Err(fault) => Err(probe_error(fault)),
    }
}

fn probe_error(fault: Fault) -> ProbeError {
    match fault {
        Fault::BadToken => ProbeError::BadToken,
        other => ProbeError::Other(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_asks_for_no_more_than_is_needed() {
        let identity = Identity { id: 700, name: "gate".into(), application: 701 };
        assert_eq!(
            identity.invitation(),
            "https://discord.com/oauth2/authorize?client_id=701&scope=bot+applications.commands\
             &permissions=326417632256"
        );
        assert!(!PERMISSIONS.contains(Permissions::ADMINISTRATOR));
    }
}
