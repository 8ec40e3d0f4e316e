//! Who the bot is, how it is set up, and what it offers.

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use serenity::model::application::ApplicationFlags;

use super::Api;
use super::Call;
use super::Done;
use super::Fault;
use crate::wire::Id;
use crate::wire::Member;
use crate::wire::User;

/// The bot's application.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Application {
    pub(crate) id: Id,
    /// Where interactions are pushed to instead of coming over the gateway.
    #[serde(default)]
    pub(crate) interactions_endpoint_url: Option<String>,
    #[serde(default)]
    flags: u64,
    #[serde(default)]
    pub(crate) bot_public: Option<bool>,
}

/// Whether the bot may read what is written
/// (<https://discord.com/developers/docs/events/gateway#message-content-intent>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intents {
    /// It may.
    Content,
    /// It sees only what speaks to it, and what is said in private.
    NoContent,
}

impl Application {
    /// The intents that the application's page allows, by its flags
    /// (<https://discord.com/developers/docs/resources/application#application-object-application-flags>).
    pub(crate) fn intents(&self) -> Intents {
        let content = ApplicationFlags::GATEWAY_MESSAGE_CONTENT
            | ApplicationFlags::GATEWAY_MESSAGE_CONTENT_LIMITED;
        if ApplicationFlags::from_bits_truncate(self.flags).intersects(content) {
            Intents::Content
        } else {
            Intents::NoContent
        }
    }
}

/// Where the gateway is, and how often it may be entered anew.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Gateway {
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) session_start_limit: Option<StartLimit>,
}

/// How often the gateway may still be entered anew.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct StartLimit {
    pub(crate) remaining: u64,
    /// In milliseconds.
    pub(crate) reset_after: u64,
}

impl Api {
    /// The bot itself.
    pub(crate) async fn me(&self) -> Done<User> {
        self.typed(&Call::new(Method::GET, "GET me", "", "/users/@me".into())).await
    }

    /// Its application. The older of the two documented ways is for servers that know only that.
    pub(crate) async fn application(&self) -> Done<Application> {
        let ask = |path: &str| Call::new(Method::GET, "GET application", "", path.to_owned());
        match self.typed(&ask("/applications/@me")).await {
            Err(Fault::Refused { .. }) => self.typed(&ask("/oauth2/applications/@me")).await,
            other => other,
        }
    }

    /// Where the gateway is.
    pub(crate) async fn gateway(&self) -> Done<Gateway> {
        super::read_as(
            self.once(&Call::new(Method::GET, "GET gateway", "", "/gateway/bot".into())).await?,
        )
    }

    /// The servers that the bot is in.
    pub(crate) async fn guilds(&self) -> Done<Vec<Id>> {
        let call =
            Call::new(Method::GET, "GET my guilds", "", "/users/@me/guilds?limit=200".into());
        let found: Vec<Value> = self.typed(&call).await?;
        let id = |guild: Value| guild.get("id")?.as_str()?.parse().ok();
        Ok(found.into_iter().filter_map(id).collect())
    }

    /// Somebody in a server.
    pub(crate) async fn member(&self, guild: Id, person: Id) -> Done<Member> {
        let path = format!("/guilds/{guild}/members/{person}");
        self.typed(&Call::new(Method::GET, "GET member", guild, path)).await
    }

    /// Offers these commands in a server, and no others. They are there at once.
    pub(crate) async fn offer(&self, application: Id, guild: Id, commands: &Value) -> Done<()> {
        let path = format!("/applications/{application}/guilds/{guild}/commands");
        let call = Call::new(Method::PUT, "PUT commands", guild, path).json(commands);
        self.patiently(&call).await.map(drop)
    }
}
