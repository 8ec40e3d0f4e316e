//! What the doctor finds out about the Telegram bot, from Telegram and from the file that a
//! running Gatepost keeps. It confirms nothing and disturbs no poll of a Gatepost that runs.

use gatepost_chat::time::relative;
use gatepost_telegram::Group;
use gatepost_telegram::Probed;
use gatepost_telegram::Token;
use jiff::Timestamp;
use serde::Serialize;

use crate::cli::Place;
use crate::client::Client;
use crate::config;
use crate::config::Loaded;
use crate::data;
use crate::pulse::Pulse;
use crate::pulse::Receives;

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
    /// How many updates wait at Telegram.
    pub(crate) pending: Option<u64>,
    /// The webhook that is set.
    pub(crate) webhook: Option<Hook>,
    /// Whether the bot sees every message of its groups.
    pub(crate) reads_groups: Option<bool>,
    /// Whether another program polls with the same token; none when that is not known.
    pub(crate) another_poller: Option<bool>,
    /// The named groups.
    pub(crate) groups: Vec<InGroup>,
    /// What else there is to know, one sentence each.
    pub(crate) notes: Vec<String>,
}

/// A webhook that is set.
#[derive(Debug, Serialize)]
pub(crate) struct Hook {
    url: String,
    last_error: Option<String>,
    last_error_at: Option<Timestamp>,
}

/// A named group.
#[derive(Debug, Serialize)]
pub(crate) struct InGroup {
    id: i64,
    title: String,
    missing: Vec<String>,
}

/// Asks Telegram about the bot; none when there is no token.
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
    let pulse = Pulse::read(&dir);
    found.running = match data::serving(&dir) {
        Some((serving, key)) => {
            let client = Client::new(serving.address, key).ok();
            let answers = match client {
                Some(client) => client.answers().await,
                None => false,
            };
            answers && pulse.as_ref().is_some_and(|pulse| pulse.pid == serving.pid)
        }
        None => false,
    };
    let now = Timestamp::now();
    if let Some(pulse) = &pulse {
        found.last_inbound = pulse.inbound;
        found.last_listened = pulse.alive();
        found.note_pulse(pulse, now);
    } else {
        found.notes.push("it was never served from this data directory".into());
    }
    let address = super::address(&loaded);
    match gatepost_telegram::probe(&token, address.as_deref()).await {
        Ok(probed) => {
            found.works = true;
            found.says = format!("@{} answers", probed.identity.name);
            found.note_bot(&loaded, &probed, now);
            found.note_groups(&loaded, &token, &probed).await;
            found.note_poller(&token, address.as_deref(), pulse.as_ref()).await;
        }
        Err(error) => found.says = error.to_string(),
    }
    let file = &loaded.file.telegram;
    if !file.requesters.is_empty() && file.approvers.is_empty() {
        let only = "nobody is named as an approver, so questions can be answered only here";
        found.notes.push(only.into());
    }
    Some(found)
}

impl Found {
    /// What the file says that a running Gatepost keeps.
    fn note_pulse(&mut self, pulse: &Pulse, now: Timestamp) {
        let heard = match pulse.inbound {
            Some(at) => format!("something last came in {} ({at:.0})", relative(at, now)),
            None => "nothing has come in yet".into(),
        };
        if self.running {
            let how = match pulse.receives {
                Receives::Poll => "by polling",
                Receives::Webhook => "by a webhook",
            };
            self.notes.push(format!("served now, {how}: {}; {heard}", pulse.health));
        } else {
            let since = match pulse.alive() {
                Some(at) => format!("it last listened {} ({at:.0})", relative(at, now)),
                None => "it never listened".into(),
            };
            self.notes.push(format!("not served now; {since}; {heard}"));
        }
        if pulse.refused > 0 {
            self.notes.push(format!(
                "{} pushes without the webhook's secret were turned away",
                pulse.refused
            ));
        }
    }

    /// What Telegram says of the bot itself.
    fn note_bot(&mut self, loaded: &Loaded, probed: &Probed, now: Timestamp) {
        let file = &loaded.file.telegram;
        self.bot = Some(probed.identity.name.clone());
        self.reads_groups = Some(probed.identity.reads_groups);
        match &probed.webhook {
            Some(webhook) => {
                self.pending = Some(webhook.pending);
                self.notes.push(format!("{} updates wait", webhook.pending));
                if !webhook.url.is_empty() {
                    self.note_webhook(webhook, file.webhook_url.as_deref(), now);
                } else if file.webhook_url.is_some() {
                    let unset = "`telegram.webhook_url` is configured and no webhook is set; \
                                 `gatepost up` sets it";
                    self.notes.push(unset.into());
                }
            }
            None => self.notes.push("it could not be asked what waits".into()),
        }
        self.notes.push(match (probed.identity.reads_groups, file.groups.is_empty()) {
            (true, _) => "in groups it sees every message, and takes those that speak to it".into(),
            (false, true) => {
                "privacy mode is on: in groups it sees commands, mentions and replies only".into()
            }
            (false, false) => {
                "privacy mode is on: in its groups the bot sees commands, mentions and replies \
                 only, which is enough. For more send /setprivacy to @BotFather, choose the bot \
                 and Disable, then take the bot out of the group and add it again"
                    .into()
            }
        });
    }

    fn note_webhook(
        &mut self,
        webhook: &gatepost_telegram::Webhook,
        wanted: Option<&str>,
        now: Timestamp,
    ) {
        let ours = wanted == Some(webhook.url.as_str());
        let what = match (ours, wanted) {
            (true, _) => "a webhook is set, as configured",
            (false, Some(_)) => {
                "another webhook is set than the configured one; the next start \
                                 sets that"
            }
            (false, None) => {
                "a webhook is left over and keeps every poll out; `gatepost up` \
                              removes it"
            }
        };
        self.notes.push(format!("{what} ({})", webhook.url));
        if let Some((why, at)) = &webhook.last_error {
            self.notes.push(format!("Telegram could not push {}: {why}", relative(*at, now)));
        }
        self.webhook = Some(Hook {
            url: webhook.url.clone(),
            last_error: webhook.last_error.as_ref().map(|(why, _)| why.clone()),
            last_error_at: webhook.last_error.as_ref().map(|(_, at)| *at),
        });
    }

    async fn note_groups(&mut self, loaded: &Loaded, token: &Token, probed: &Probed) {
        let named = &loaded.file.telegram.groups;
        let address = super::address(loaded);
        let asked =
            gatepost_telegram::groups(token, address.as_deref(), probed.identity.id, named).await;
        for Group { id, title, missing } in asked.unwrap_or_default() {
            let name = if title.is_empty() { String::new() } else { format!(" ({title})") };
            if missing.is_empty() {
                self.notes.push(format!("group {id}{name}: nothing is missing"));
            }
            for sentence in &missing {
                self.notes.push(format!("group {id}{name}: {sentence}"));
            }
            self.groups.push(InGroup { id, title, missing });
        }
    }

    /// A running Gatepost knows whether it is alone. Otherwise it is tried out.
    async fn note_poller(&mut self, token: &Token, address: Option<&str>, pulse: Option<&Pulse>) {
        if self.running {
            self.another_poller = pulse.map(|pulse| pulse.conflict);
        } else if self.webhook.is_none() {
            match gatepost_telegram::is_polled(token, address).await {
                Ok(polled) => self.another_poller = Some(polled),
                Err(error) => {
                    self.notes.push(format!("whether another program polls is not known: {error}"));
                }
            }
        }
        if self.another_poller == Some(true) {
            let other = "another program polls with the same token, and takes messages that are \
                         meant for this one: stop it, or make a new token with /revoke at \
                         @BotFather";
            self.notes.push(other.into());
        }
    }
}
