//! What Discord sends, as far as it is read here. Everything that may be missing may be missing, so
//! that a server of another version, or a field of tomorrow, loses no message.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::Error as _;
use serde_json::Value;
use serenity::model::application::InteractionType;
use serenity::model::channel::ChannelType;
use serenity::model::channel::MessageReferenceKind;
use serenity::model::channel::MessageType;

/// Milliseconds from the first second of 2015, from which Discord's numbers count
/// (<https://discord.com/developers/docs/reference#snowflakes>).
const EPOCH: i64 = 1_420_070_400_000;

/// A number of Discord's; text on the wire.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id(pub(crate) u64);

impl Id {
    /// The smallest number that something of this moment has.
    pub(crate) fn at(time: Timestamp) -> Self {
        let since = time.as_millisecond().saturating_sub(EPOCH).max(0);
        Self(u64::try_from(since).unwrap_or_default() << 22)
    }

    /// As the library has the numbers of channels, messages and the rest. Nothing has the number 0,
    /// nor 1, which stands for it there.
    pub(crate) fn of<T: From<NonZeroU64>>(self) -> T {
        NonZeroU64::new(self.0).unwrap_or(NonZeroU64::MIN).into()
    }

    /// When what has this number was made.
    pub(crate) fn time(self) -> Timestamp {
        let since = i64::try_from(self.0 >> 22).unwrap_or_default();
        Timestamp::from_millisecond(EPOCH.saturating_add(since)).unwrap_or_default()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Id {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => text.parse().map_err(D::Error::custom),
            Value::Number(number) => {
                number.as_u64().map(Self).ok_or_else(|| D::Error::custom("no id"))
            }
            _ => Err(D::Error::custom("no id")),
        }
    }
}

/// Somebody.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct User {
    pub(crate) id: Id,
    #[serde(default)]
    pub(crate) username: String,
    #[serde(default)]
    pub(crate) global_name: Option<String>,
    #[serde(default)]
    pub(crate) bot: Option<bool>,
}

impl User {
    /// What they call themselves, which proves nothing.
    pub(crate) fn name(&self) -> String {
        match &self.global_name {
            Some(name) => format!("{name} @{}", self.username),
            None => self.username.clone(),
        }
    }

    pub(crate) fn is_bot(&self) -> bool {
        self.bot == Some(true)
    }
}

/// Somebody in a server.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Member {
    #[serde(default)]
    pub(crate) user: Option<User>,
    #[serde(default)]
    pub(crate) roles: Vec<Id>,
}

/// A file of a message.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Attachment {
    #[serde(default)]
    pub(crate) filename: String,
    #[serde(default)]
    pub(crate) size: Option<u64>,
    pub(crate) url: String,
    #[serde(default)]
    pub(crate) content_type: Option<String>,
    /// Set for voice messages, in seconds.
    #[serde(default)]
    pub(crate) duration_secs: Option<f64>,
}

/// What a message answers or passes on.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Reference {
    #[serde(default, rename = "type")]
    pub(crate) kind: MessageReferenceKind,
    #[serde(default)]
    pub(crate) message_id: Option<Id>,
    #[serde(default)]
    pub(crate) channel_id: Option<Id>,
}

/// A message.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Message {
    pub(crate) id: Id,
    pub(crate) channel_id: Id,
    #[serde(default)]
    pub(crate) guild_id: Option<Id>,
    #[serde(default)]
    pub(crate) author: Option<User>,
    #[serde(default)]
    pub(crate) member: Option<Member>,
    #[serde(default)]
    pub(crate) content: String,
    #[serde(default)]
    pub(crate) mentions: Vec<User>,
    #[serde(default)]
    pub(crate) attachments: Vec<Attachment>,
    #[serde(default)]
    pub(crate) message_reference: Option<Reference>,
    #[serde(default)]
    pub(crate) referenced_message: Option<Box<Message>>,
    #[serde(default)]
    pub(crate) webhook_id: Option<Id>,
    #[serde(default, rename = "type")]
    pub(crate) kind: MessageType,
    /// What can be pressed under it: rows, and buttons or a menu in them.
    #[serde(default)]
    pub(crate) components: Vec<Value>,
    #[serde(default)]
    pub(crate) sticker_items: Vec<Value>,
    #[serde(default)]
    pub(crate) poll: Option<Value>,
}

impl Message {
    /// Whether it is somebody else's, passed on.
    pub(crate) fn is_passed_on(&self) -> bool {
        let reference = self.message_reference.as_ref();
        reference.is_some_and(|it| it.kind == MessageReferenceKind::Forward)
    }

    /// Whether the bot said it or is spoken to in it.
    pub(crate) fn is_about(&self, bot: Id) -> bool {
        let answered = self.referenced_message.as_ref();
        let author = |message: &Message| message.author.as_ref().is_some_and(|it| it.id == bot);
        author(self)
            || self.mentions.iter().any(|user| user.id == bot)
            || answered.is_some_and(|message| author(message))
    }
}

/// A channel or a thread.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Channel {
    pub(crate) id: Id,
    #[serde(default, rename = "type")]
    pub(crate) kind: ChannelType,
    #[serde(default)]
    pub(crate) guild_id: Option<Id>,
    #[serde(default)]
    pub(crate) parent_id: Option<Id>,
    /// Who opened a thread.
    #[serde(default)]
    pub(crate) owner_id: Option<Id>,
    #[serde(default)]
    pub(crate) thread_metadata: Option<ThreadMetadata>,
    /// What the bot is in a thread; missing where it is not in it.
    #[serde(default)]
    pub(crate) member: Option<Value>,
}

impl Channel {
    /// Whether it is a thread of a channel.
    pub(crate) fn is_thread(&self) -> bool {
        matches!(
            self.kind,
            ChannelType::NewsThread | ChannelType::PublicThread | ChannelType::PrivateThread
        )
    }

    /// Whether threads can be opened in it from a message.
    pub(crate) fn has_threads(&self) -> bool {
        matches!(self.kind, ChannelType::Text | ChannelType::News)
    }

    pub(crate) fn is_archived(&self) -> bool {
        self.thread_metadata.as_ref().is_some_and(|meta| meta.archived)
    }
}

/// How a thread stands.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ThreadMetadata {
    #[serde(default)]
    pub(crate) archived: bool,
}

/// A server that the bot is in.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Guild {
    pub(crate) id: Id,
    #[serde(default)]
    pub(crate) channels: Vec<Channel>,
    #[serde(default)]
    pub(crate) threads: Vec<Channel>,
    #[serde(default)]
    pub(crate) roles: Vec<Role>,
}

/// A role of a server.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Role {
    pub(crate) id: Id,
}

/// Somebody did something with the bot.
#[derive(Clone, Deserialize)]
pub(crate) struct Interaction {
    pub(crate) id: Id,
    pub(crate) application_id: Id,
    #[serde(rename = "type")]
    pub(crate) kind: InteractionType,
    /// Lets whoever has it answer for fifteen minutes; it is in no log and no debug form.
    pub(crate) token: String,
    #[serde(default)]
    pub(crate) guild_id: Option<Id>,
    #[serde(default)]
    pub(crate) channel_id: Option<Id>,
    #[serde(default)]
    pub(crate) channel: Option<Channel>,
    #[serde(default)]
    pub(crate) member: Option<Member>,
    #[serde(default)]
    pub(crate) user: Option<User>,
    #[serde(default)]
    pub(crate) data: InteractionData,
    #[serde(default)]
    pub(crate) message: Option<Box<Message>>,
    /// How large a file may be where it happened, in bytes.
    #[serde(default)]
    pub(crate) attachment_size_limit: Option<u64>,
}

impl Interaction {
    /// Who did it.
    pub(crate) fn who(&self) -> Option<&User> {
        self.member.as_ref().and_then(|member| member.user.as_ref()).or(self.user.as_ref())
    }
}

impl fmt::Debug for Interaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interaction")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What was done.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct InteractionData {
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) options: Vec<CommandOption>,
    #[serde(default)]
    pub(crate) target_id: Option<Id>,
    #[serde(default)]
    pub(crate) resolved: Resolved,
    #[serde(default)]
    pub(crate) custom_id: String,
    #[serde(default)]
    pub(crate) values: Vec<String>,
    /// Of a form: rows, and fields in them.
    #[serde(default)]
    pub(crate) components: Vec<Value>,
}

/// A field of a command.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct CommandOption {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) value: Value,
    #[serde(default)]
    pub(crate) focused: bool,
}

/// What ids in an interaction stand for.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Resolved {
    #[serde(default)]
    pub(crate) messages: std::collections::BTreeMap<String, Message>,
    #[serde(default)]
    pub(crate) attachments: std::collections::BTreeMap<String, Attachment>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_text_and_tell_when_they_were_made() {
        // The example of the documents.
        let id: Id = serde_json::from_str("\"175928847299117063\"").unwrap();
        assert_eq!(id.time().to_string(), "2016-04-30T11:18:25.796Z");
        assert_eq!(Id::at(id.time()).0, id.0 >> 22 << 22);
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"175928847299117063\"");
        for text in ["\"general\"", "\"-5\"", "null", "1.5"] {
            assert!(serde_json::from_str::<Id>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_message_with_next_to_nothing_is_read_and_a_token_is_not_shown() {
        let message: Message =
            serde_json::from_str(r#"{"id": "5", "channel_id": "6", "poll": null, "new": {}}"#)
                .unwrap();
        assert!(message.content.is_empty() && message.author.is_none());
        let interaction: Interaction = serde_json::from_str(
            r#"{"id": "1", "application_id": "2", "type": 3, "token": "SECRET", "data": {}}"#,
        )
        .unwrap();
        assert!(!format!("{interaction:?}").contains("SECRET"));
    }
}
