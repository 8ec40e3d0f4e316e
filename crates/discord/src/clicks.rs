//! Presses, menus, forms and commands: each acknowledged before anything else is done with it.
//!
//! Discord waits three seconds and then tells whoever pressed that it failed. So nothing is looked
//! up and nobody's rights are asked for before the acknowledgement; and what could not be
//! acknowledged is not done, for a failure that worked all the same is a lie.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use gatepost_desk::inbound::Inbound;
use gatepost_desk::inbound::PressId;
use gatepost_desk::inbound::Pressed;
use gatepost_desk::inbound::Suggest;
use gatepost_desk::intake::Delivered;
use gatepost_desk::intake::Taken;
use gatepost_desk::intake::take;
use gatepost_desk::place::Chat;
use gatepost_desk::place::Place;
use gatepost_desk::place::ThreadId;
use serde_json::Value;
use serenity::model::application::InteractionType;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::Ack;
use crate::api::Acked;
use crate::api::Api;
use crate::api::Handle;
use crate::components;
use crate::components::Meant;
use crate::groups::Belonging;
use crate::inbound;
use crate::inbound::Me;
use crate::rooms::Where;
use crate::status::Teller;
use crate::surface::Discord;
use crate::surface::message as message_id;
use crate::wire::Id;
use crate::wire::Interaction;
use crate::wire::User;

/// What could not be recorded is taken again after this.
const REFUSED_PAUSE: Duration = Duration::from_secs(2);

/// How many interactions are remembered, so that none that Discord repeats is done twice.
const REMEMBERED: usize = 2000;

/// What is said in a server that is not listened to.
const NOT_HERE: &str = "This server is not one I listen to.";

/// What deals with interactions. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Clicks {
    pub(crate) api: Api,
    pub(crate) discord: Discord,
    pub(crate) me: Me,
    pub(crate) groups: Belonging,
    pub(crate) guilds: Arc<BTreeSet<Id>>,
    pub(crate) bound: Arc<BTreeMap<Id, String>>,
    pub(crate) desk: mpsc::Sender<Delivered>,
    pub(crate) teller: Teller,
    pub(crate) tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// Interactions that were seen.
#[derive(Debug, Default)]
struct Seen {
    ids: BTreeSet<Id>,
    order: VecDeque<Id>,
}

impl Seen {
    /// Whether this is the first time.
    fn first(&mut self, id: Id) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.order.push_back(id);
        while self.order.len() > REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.ids.remove(&oldest);
            }
        }
        true
    }
}

impl Clicks {
    /// Deals with interactions until told to stop; none waits for another.
    pub(crate) async fn serve(self, mut clicks: mpsc::Receiver<Value>) {
        let mut seen = Seen::default();
        loop {
            let click = tokio::select! {
                () = self.stop.cancelled() => return,
                click = clicks.recv() => click,
            };
            let Some(click) = click else { return };
            self.teller.inbound();
            let interaction: Interaction = match serde_json::from_value(click) {
                Ok(interaction) => interaction,
                Err(error) => {
                    tracing::warn!(%error, "an interaction cannot be read");
                    continue;
                }
            };
            if !seen.first(interaction.id) {
                continue;
            }
            let (clicks, stop) = (self.clone(), self.stop.clone());
            self.tracker.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = clicks.deal_with(interaction) => {}
                }
            });
        }
    }

    async fn deal_with(&self, interaction: Interaction) {
        let handle = Handle::of(&interaction);
        let Some(who) = interaction.who().cloned() else { return };
        if interaction.guild_id.is_some_and(|guild| !self.guilds.contains(&guild)) {
            if interaction.kind != InteractionType::Autocomplete {
                self.acked(&handle, &Ack::Aside(NOT_HERE.into())).await;
            }
            return;
        }
        self.hear_limit(&interaction);
        match interaction.kind {
            InteractionType::Command => self.command(&interaction, &handle, &who).await,
            InteractionType::Component => self.press(&interaction, &handle, &who).await,
            InteractionType::Autocomplete => self.complete(&interaction, &handle, &who).await,
            InteractionType::Modal => self.filled_in(&interaction, &handle, &who).await,
            kind => tracing::debug!(?kind, "an interaction of another kind"),
        }
    }

    async fn command(&self, interaction: &Interaction, handle: &Handle, who: &User) {
        let Some(follows) = self.acked(handle, &Ack::MessageFollows).await else { return };
        let message = match follows {
            Some(message) => Ok(message),
            None => self.api.original(handle).await,
        };
        let (Some(channel), Ok(message)) = (interaction.channel_id, message) else {
            tracing::warn!("discord does not say where a command is answered");
            self.fill(handle, "This could not be taken; please try again.").await;
            return;
        };
        let data = &interaction.data;
        let place = self.place(interaction, channel, who);
        let Some(written) = inbound::written(data, who, &self.me) else {
            self.fill(handle, "There is nothing in that message that could be handed over.").await;
            return;
        };
        let id = message_id(place.place.thread, message);
        let aside = PressId(Handle { stands: true, ..handle.clone() }.sealed());
        let said = inbound::commanded(written, who, &place, id, message, aside);
        self.tell_groups(interaction, who).await;
        self.hand_over(Inbound::Said(said)).await;
    }

    async fn press(&self, interaction: &Interaction, handle: &Handle, who: &User) {
        let data = &interaction.data;
        let data = match components::meant(&data.custom_id, &data.values) {
            Meant::Press(data) => data,
            Meant::Form(data) => {
                let form = self.discord.forms().form(&data);
                self.acked(handle, &Ack::Form(form)).await;
                return;
            }
            Meant::Nothing => String::new(),
        };
        if self.acked(handle, &Ack::Heard).await.is_some() {
            self.pressed(interaction, handle, who, data, None).await;
        }
    }

    async fn filled_in(&self, interaction: &Interaction, handle: &Handle, who: &User) {
        if self.acked(handle, &Ack::Heard).await.is_some() {
            let words = inbound_words(interaction);
            let data = interaction.data.custom_id.clone();
            self.pressed(interaction, handle, who, data, Some(words)).await;
        }
    }

    async fn pressed(
        &self,
        interaction: &Interaction,
        handle: &Handle,
        who: &User,
        data: String,
        words: Option<String>,
    ) {
        let message = interaction.message.as_ref().map(|message| {
            let place = self.place(interaction, message.channel_id, who).place;
            (place, message_id(place.thread, message.id))
        });
        self.tell_groups(interaction, who).await;
        let id = PressId(handle.sealed());
        let pressed = Pressed { id, from: who.id.0, data, message, words };
        self.hand_over(Inbound::Pressed(pressed)).await;
    }

    /// The desk answers, and that is the acknowledgement.
    async fn complete(&self, interaction: &Interaction, handle: &Handle, who: &User) {
        let Some((field, begun)) = inbound::filled_in(&interaction.data) else { return };
        self.tell_groups(interaction, who).await;
        let id = PressId(handle.sealed());
        let suggest = Suggest { id, from: who.id.0, field, begun };
        let _answered = take(&self.desk, Inbound::Suggest(suggest), false, &self.stop).await;
    }

    /// What somebody may do by their roles is known before what they did is.
    async fn tell_groups(&self, interaction: &Interaction, who: &User) {
        let (guild, member) = (interaction.guild_id, interaction.member.as_ref());
        if let Some(belongs) = self.groups.of(&self.api, who.id, guild, member).await {
            self.hand_over(belongs).await;
        }
    }

    /// Hands something over until it is on record.
    async fn hand_over(&self, inbound: Inbound) {
        loop {
            match take(&self.desk, inbound.clone(), false, &self.stop).await {
                Taken::Yes | Taken::Stopped => return,
                Taken::Later => tokio::time::sleep(REFUSED_PAUSE).await,
            }
        }
    }

    /// The acknowledgement; none where it did not come in time, and then nothing is done.
    async fn acked(&self, handle: &Handle, ack: &Ack) -> Option<Option<Id>> {
        match self.api.acknowledge(handle, ack).await {
            Acked::Yes(message) => Some(message),
            Acked::Elsewhere => {
                tracing::warn!(
                    "another program with this token has answered an interaction; it deals with it"
                );
                None
            }
            Acked::TooLate(why) => {
                tracing::warn!(%why, "an interaction could not be acknowledged; nothing is done");
                None
            }
        }
    }

    async fn fill(&self, handle: &Handle, text: &str) {
        if let Err(fault) = self.api.fill(handle, text).await {
            tracing::warn!(%fault, "the answer to a command could not be filled in");
        }
    }

    /// How large a file may be in a chat is only said with what people do there.
    fn hear_limit(&self, interaction: &Interaction) {
        let at = interaction.channel_id.zip(interaction.who());
        if let (Some((channel, who)), Some(limit)) = (at, interaction.attachment_size_limit) {
            let place = self.place(interaction, channel, who).place;
            self.discord.takes_files(place.chat, limit);
        }
    }

    fn place(&self, interaction: &Interaction, channel: Id, who: &User) -> Where {
        if interaction.guild_id.is_none() {
            self.discord.met(who.id.0, channel);
            return Where { place: Place::of_person(who.id.0), bound: true, project: None };
        }
        let about = interaction.channel.as_ref().filter(|about| about.id == channel);
        let parent = about.filter(|about| about.is_thread()).and_then(|about| about.parent_id);
        let (chat, thread) = match parent {
            Some(parent) => (parent, Some(ThreadId(channel.0))),
            None => (channel, None),
        };
        let has_threads = thread.is_some() || about.is_none_or(crate::wire::Channel::has_threads);
        Where {
            place: Place { chat: Chat::Group(chat.0), thread, has_threads },
            bound: true,
            project: self.bound.get(&chat).cloned(),
        }
    }
}

fn inbound_words(interaction: &Interaction) -> String {
    components::written(&interaction.data.components).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_discord_repeats_is_seen_once() {
        let mut seen = Seen::default();
        assert!(seen.first(Id(1)) && !seen.first(Id(1)));
        for id in 0..2 * REMEMBERED as u64 {
            seen.first(Id(id));
        }
        assert_eq!(seen.ids.len(), REMEMBERED);
    }
}
