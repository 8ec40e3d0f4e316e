//! What the doctor finds out about the Discord bot, from Discord and from the file that a running
//! Gatepost keeps. It opens no session and disturbs none.

use gatepost_chat::time::relative;
use gatepost_discord::Memory;
use gatepost_discord::Probed;
use gatepost_discord::Token;
use jiff::Timestamp;
use serde::Serialize;

use crate::cli::Place;
use crate::client::Client;
use crate::config;
use crate::config::Loaded;
use crate::data;
use crate::data::MEMORY;

/// What the doctor found out about the bot. The token is in none of it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Found {
    /// Whether the bot can be served.
    pub(crate) works: bool,
    /// In a sentence.
    pub(crate) says: String,
    /// Its name.
    pub(crate) bot: Option<String>,
    /// Whether a Gatepost serves it from this data directory now.
    pub(crate) running: bool,
    /// When something last came in; none when nothing ever did, as far as is known.
    pub(crate) last_inbound: Option<Timestamp>,
    /// When everything that waited had last been taken.
    pub(crate) last_listened: Option<Timestamp>,
    /// Whether the application's page lets the bot read messages.
    pub(crate) reads_messages: Option<bool>,
    /// Where interactions are pushed to; while that is set no press arrives.
    pub(crate) interactions_endpoint: Option<String>,
    /// The link by which the bot is let into a server.
    pub(crate) invitation: Option<String>,
    /// The named servers that the bot is not in.
    pub(crate) missing_guilds: Vec<u64>,
    /// The bound channels that the bot does not see.
    pub(crate) unseen_channels: Vec<String>,
    /// What else there is to know, one sentence each.
    pub(crate) notes: Vec<String>,
}

/// Asks Discord about the bot; none when there is no token.
pub(crate) async fn check(place: &Place) -> Option<Found> {
    let overrides = place.overrides();
    // A file that cannot be read is the business of `gatepost config check`.
    let loaded = config::load(&overrides).ok()?;
    let dir = loaded.data(&overrides).ok()?;
    let token = match super::token(&loaded, &dir) {
        Ok(found) => found?,
        Err(failure) => {
            return Some(Found { says: failure.to_string(), ..Found::default() });
        }
    };
    let mut found = Found::default();
    let memory = Memory::read(&dir.join(MEMORY));
    found.running = match data::serving(&dir) {
        Some((serving, key)) => {
            let answers = match Client::new(serving.address, key).ok() {
                Some(client) => client.answers().await,
                None => false,
            };
            answers && memory.pid == serving.pid
        }
        None => false,
    };
    found.note_memory(&memory, Timestamp::now());
    let proxy = super::proxy(&loaded);
    match gatepost_discord::probe(&token, proxy.as_deref()).await {
        Ok(probed) => {
            found.works = probed.endpoint.is_none();
            found.says = format!("{} answers", probed.identity.name);
            found.note_bot(&loaded, &probed);
            found.note_channels(&loaded, &token, proxy.as_deref()).await;
        }
        Err(error) => found.says = error.to_string(),
    }
    let file = &loaded.file.discord;
    if file.guilds.is_empty() {
        let none = "no server is named in `discord.guilds`, so it can be spoken to in private only";
        found.notes.push(none.into());
    }
    if !file.requesters.is_empty() && file.approvers.is_empty() {
        let only = "nobody is named as an approver, so questions can be answered only here";
        found.notes.push(only.into());
    }
    Some(found)
}

impl Found {
    /// What the file says that a running Gatepost keeps.
    fn note_memory(&mut self, memory: &Memory, now: Timestamp) {
        if memory.pid == 0 {
            self.notes.push("it was never served from this data directory".into());
            return;
        }
        self.last_inbound = memory.inbound;
        self.last_listened = memory.alive();
        let heard = match memory.inbound {
            Some(at) => format!("something last came in {} ({at:.0})", relative(at, now)),
            None => "nothing has come in yet".into(),
        };
        if self.running {
            self.notes.push(format!("served now: {}; {heard}", memory.health));
            return;
        }
        let since = match memory.alive() {
            Some(at) => format!("it last listened {} ({at:.0})", relative(at, now)),
            None => "it never listened".into(),
        };
        self.notes.push(format!("not served now; {since}; {heard}"));
    }

    /// What Discord says of the bot itself.
    fn note_bot(&mut self, loaded: &Loaded, probed: &Probed) {
        let file = &loaded.file.discord;
        self.bot = Some(probed.identity.name.clone());
        self.invitation = Some(probed.identity.invitation());
        self.reads_messages = Some(probed.reads_messages);
        self.interactions_endpoint.clone_from(&probed.endpoint);
        if let Some(url) = &probed.endpoint {
            self.notes.push(format!(
                "an Interactions Endpoint URL is set ({url}), so no press and no command arrives: \
                 empty that field on the application's page `General Information`"
            ));
        }
        self.notes.push(if probed.reads_messages {
            "it may read messages".into()
        } else {
            "the message-content intent is off: in servers it takes tasks by `/run` and by its \
             name, and bound channels are not read. The application's page `Bot` turns it on"
                .into()
        });
        for guild in file.guilds.iter().filter(|guild| !probed.guilds.contains(guild)) {
            self.missing_guilds.push(*guild);
            self.notes.push(format!(
                "it is not in the server {guild}: open {} to let it in",
                probed.identity.invitation()
            ));
        }
    }

    async fn note_channels(&mut self, loaded: &Loaded, token: &Token, proxy: Option<&str>) {
        for (channel, project) in &loaded.file.discord.channels {
            let Ok(id) = channel.parse() else { continue };
            match gatepost_discord::sees(token, proxy, id).await {
                Ok(true) => {}
                Ok(false) => {
                    self.unseen_channels.push(channel.clone());
                    self.notes.push(format!(
                        "it does not see the channel {channel}, which is bound to {project}: let it \
                         view that channel"
                    ));
                }
                Err(error) => {
                    self.notes
                        .push(format!("the channel {channel} could not be asked for: {error}"));
                }
            }
        }
    }
}
