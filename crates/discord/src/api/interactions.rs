//! Answers to what people do with buttons, menus, forms and commands.
//!
//! An interaction is acknowledged once, within three seconds; its token then lets whoever has it
//! write for fifteen minutes
//! (<https://discord.com/developers/docs/interactions/receiving-and-responding>).

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use serenity::builder::AutocompleteChoice;
use serenity::builder::CreateAutocompleteResponse;
use serenity::builder::CreateInteractionResponse;
use serenity::builder::CreateInteractionResponseFollowup;
use serenity::builder::CreateInteractionResponseMessage;
use serenity::builder::CreateModal;
use serenity::builder::EditInteractionResponse;
use tokio::time::Instant;

use super::Api;
use super::Call;
use super::Done;
use super::Fault;
use super::channels::nobody;
use super::code;
use crate::wire::Id;
use crate::wire::Interaction;

/// Within so long Discord must have the acknowledgement; then the token is void.
const DEADLINE: Duration = Duration::from_secs(3);

/// The first answer to an interaction
/// (<https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-response-object-interaction-callback-type>).
#[derive(Debug, Clone)]
pub(crate) enum Ack {
    /// A message follows.
    MessageFollows,
    /// A message that only they see.
    Aside(String),
    /// It was heard; the message with the button stays as it is for now.
    Heard,
    /// What fits into a field.
    Fits(Vec<String>),
    /// A form.
    Form(CreateModal),
}

/// What became of an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Acked {
    /// It is done; the number of the message that follows, where one does.
    Yes(Option<Id>),
    /// Somebody else has acknowledged it, who deals with it then.
    Elsewhere,
    /// It was too late, and whoever did it was told that it failed.
    TooLate(String),
}

/// What is needed to write to whoever did something.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Handle {
    pub(crate) interaction: Id,
    pub(crate) application: Id,
    pub(crate) token: String,
    /// Whether a message for everybody waits to be filled in.
    pub(crate) stands: bool,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("interaction", &self.interaction).finish_non_exhaustive()
    }
}

impl Handle {
    pub(crate) fn of(interaction: &Interaction) -> Self {
        Self {
            interaction: interaction.id,
            application: interaction.application_id,
            token: interaction.token.clone(),
            stands: false,
        }
    }

    /// As one text, for those who carry it and need not know what is in it.
    pub(crate) fn sealed(&self) -> String {
        let Self { interaction, application, token, stands } = self;
        format!("{interaction}/{application}/{stands}/{token}")
    }

    /// From that text.
    pub(crate) fn unsealed(text: &str) -> Option<Self> {
        let mut parts = text.splitn(4, '/');
        Some(Self {
            interaction: parts.next()?.parse().ok()?,
            application: parts.next()?.parse().ok()?,
            stands: parts.next()?.parse().ok()?,
            token: parts.next()?.to_owned(),
        })
    }
}

impl Ack {
    fn body(&self) -> CreateInteractionResponse {
        let message = || CreateInteractionResponseMessage::new().allowed_mentions(nobody());
        match self {
            Self::MessageFollows => CreateInteractionResponse::Defer(message()),
            Self::Aside(text) => {
                CreateInteractionResponse::Message(message().content(text).ephemeral(true))
            }
            Self::Heard => CreateInteractionResponse::Acknowledge,
            Self::Fits(names) => {
                let choices = names.iter().map(AutocompleteChoice::from).collect();
                let fits = CreateAutocompleteResponse::new().set_choices(choices);
                CreateInteractionResponse::Autocomplete(fits)
            }
            Self::Form(form) => CreateInteractionResponse::Modal(form.clone()),
        }
    }
}

impl Api {
    /// Acknowledges an interaction, again and again for as long as that can still be in time.
    pub(crate) async fn acknowledge(&self, handle: &Handle, ack: &Ack) -> Acked {
        let begun = Instant::now();
        let Handle { interaction, token, .. } = handle;
        let path = format!("/interactions/{interaction}/{token}/callback?with_response=true");
        let call = Call::new(Method::POST, "POST callback", interaction, path);
        let call = call.json(&ack.body()).of_interaction();
        let mut unsure = false;
        loop {
            let left = DEADLINE.saturating_sub(begun.elapsed());
            let Ok(answer) = tokio::time::timeout(left, self.once(&call)).await else {
                return Acked::TooLate("it took longer than three seconds".into());
            };
            match answer {
                Ok(answer) => return Acked::Yes(follows(&answer)),
                // The first time this was done its answer was lost.
                Err(Fault::Refused { code: code::ALREADY_ANSWERED, .. }) if unsure => {
                    let known = matches!(ack, Ack::MessageFollows);
                    let original = if known { self.original(handle).await.ok() } else { None };
                    return Acked::Yes(original);
                }
                Err(Fault::Refused { code: code::ALREADY_ANSWERED, .. }) => {
                    return Acked::Elsewhere;
                }
                Err(fault @ (Fault::Refused { .. } | Fault::BadToken)) => {
                    return Acked::TooLate(fault.to_string());
                }
                Err(Fault::Lost(_)) => unsure = true,
                Err(Fault::NotReached(_)) => {}
                Err(Fault::Pause(pause)) => tokio::time::sleep(pause.min(left)).await,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The message that followed an acknowledgement.
    pub(crate) async fn original(&self, handle: &Handle) -> Done<Id> {
        let call = original(handle, Method::GET, "GET original");
        super::read_as(self.patiently(&call).await?.get("id").cloned().unwrap_or_default())
    }

    /// Fills the message that follows a command.
    pub(crate) async fn fill(&self, handle: &Handle, text: &str) -> Done<()> {
        let call = original(handle, Method::PATCH, "PATCH original");
        let filled = EditInteractionResponse::new().content(text).allowed_mentions(nobody());
        let call = call.json(&filled);
        self.patiently(&call).await.map(drop)
    }

    /// Says something to whoever did it, and to nobody else. What waits to be filled in for everybody
    /// is taken away first: it would take up the words otherwise.
    pub(crate) async fn say_aside(&self, handle: &Handle, text: &str) -> Done<()> {
        let Handle { application, token, stands, .. } = handle;
        if *stands {
            match self.patiently(&original(handle, Method::DELETE, "DELETE original")).await {
                Ok(_) | Err(Fault::Refused { code: code::UNKNOWN_MESSAGE, .. }) => {}
                Err(fault) => return Err(fault),
            }
        }
        let path = format!("/webhooks/{application}/{token}?wait=true");
        let aside = CreateInteractionResponseFollowup::new()
            .content(text)
            .allowed_mentions(nobody())
            .ephemeral(true);
        let call = Call::new(Method::POST, "POST followup", token, path);
        let call = call.json(&aside).of_interaction();
        self.patiently(&call).await.map(drop)
    }
}

fn original(handle: &Handle, method: Method, name: &'static str) -> Call {
    let Handle { application, token, .. } = handle;
    let path = format!("/webhooks/{application}/{token}/messages/@original");
    Call::new(method, name, token, path).of_interaction()
}

/// The number of the message that an acknowledgement made
/// (<https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-callback-interaction-callback-response-object>).
fn follows(answer: &Value) -> Option<Id> {
    let interaction = answer.get("interaction");
    let named = interaction.and_then(|it| it.get("response_message_id"));
    let whole = answer.pointer("/resource/message/id");
    named.or(whole)?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_survives_its_envelope_and_shows_no_token() {
        let handle = Handle {
            interaction: Id(1),
            application: Id(2),
            token: "aW50ZXJh/Y3Rpb24=".into(),
            stands: true,
        };
        assert_eq!(Handle::unsealed(&handle.sealed()), Some(handle.clone()));
        assert!(!format!("{handle:?}").contains("aW50"));
        assert_eq!(Handle::unsealed("nonsense"), None);
    }
}
