//! Where something is said: chats, their threads, and the messages in them.
//!
//! All of them are numbers, as every platform has them, and their text form is what journals hold.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::Error as _;

/// A chat. In text a private one is its person's number, and any other its own number with a minus
/// before it, which is also how Telegram numbers both
/// (<https://core.telegram.org/bots/api#chat>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chat {
    /// The private chat with a person, by the person's number. Where a platform has another number
    /// for that chat, its surface finds it out.
    Person(u64),
    /// A group or a channel, by its number.
    Group(u64),
}

/// A thread of a chat: a topic, a thread of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ThreadId(pub u64);

/// A message within its chat. In text it is `number`, or `thread/number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// The thread it is in, where the platform finds a message only with that.
    pub thread: Option<ThreadId>,
    /// Its number. Of two messages of a thread the later one has the larger number.
    pub number: u64,
}

/// Where something was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The chat.
    pub chat: Chat,
    /// The thread of it.
    pub thread: Option<ThreadId>,
    /// Whether a group can have threads. What comes with a press need not tell.
    #[serde(default, rename = "forum")]
    pub has_threads: bool,
}

/// Text that names no chat or no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("that names no chat and no message")]
pub struct PlaceError;

impl Chat {
    /// Whether only one person reads it.
    #[must_use]
    pub fn is_private(self) -> bool {
        matches!(self, Self::Person(_))
    }
}

impl Place {
    /// A private chat, outside of any thread.
    #[must_use]
    pub fn of_person(id: u64) -> Self {
        Self { chat: Chat::Person(id), thread: None, has_threads: false }
    }
}

impl MessageId {
    /// A message of a platform that needs no thread to find it.
    #[must_use]
    pub fn of(number: u64) -> Self {
        Self { thread: None, number }
    }
}

impl fmt::Display for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(id) => write!(f, "{id}"),
            Self::Group(id) => write!(f, "-{id}"),
        }
    }
}

impl FromStr for Chat {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        match text.strip_prefix('-') {
            Some(id) => number(id).map(Self::Group),
            None => number(text).map(Self::Person),
        }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.thread {
            Some(ThreadId(thread)) => write!(f, "{thread}/{}", self.number),
            None => write!(f, "{}", self.number),
        }
    }
}

impl FromStr for MessageId {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        match text.split_once('/') {
            Some((thread, id)) => {
                Ok(Self { thread: Some(ThreadId(number(thread)?)), number: number(id)? })
            }
            None => number(text).map(Self::of),
        }
    }
}

/// Digits alone: a number's own reader would take a sign.
fn number(text: &str) -> Result<u64, PlaceError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(PlaceError)
}

/// What journals hold of a place: earlier versions wrote numbers, and texts say as much.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(i64),
    Text(String),
}

impl<'de> Deserialize<'de> for Chat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl<'de> Deserialize<'de> for MessageId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read(deserializer)
    }
}

impl Serialize for Chat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for MessageId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn read<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err = PlaceError>,
    D: Deserializer<'de>,
{
    let text = match Written::deserialize(deserializer)? {
        Written::Number(number) => number.to_string(),
        Written::Text(text) => text,
    };
    text.parse().map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written_and_as_earlier_versions_wrote_them() {
        for chat in [Chat::Person(1001), Chat::Group(100_123), Chat::Group(u64::MAX)] {
            assert_eq!(chat.to_string().parse(), Ok(chat));
            let json = serde_json::to_string(&chat).unwrap();
            assert_eq!(serde_json::from_str::<Chat>(&json).unwrap(), chat);
        }
        let inside = MessageId { thread: Some(ThreadId(7)), number: 42 };
        for message in [MessageId::of(42), inside] {
            assert_eq!(message.to_string().parse(), Ok(message));
            let json = serde_json::to_string(&message).unwrap();
            assert_eq!(serde_json::from_str::<MessageId>(&json).unwrap(), message);
        }
        let old = r#"{"chat": -100123, "thread": 7, "private": false, "forum": true}"#;
        let place: Place = serde_json::from_str(old).unwrap();
        let now =
            Place { chat: Chat::Group(100_123), thread: Some(ThreadId(7)), has_threads: true };
        assert_eq!(place, now);
        assert_eq!(serde_json::from_str::<MessageId>("42").unwrap(), MessageId::of(42));
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for text in ["", "-", "+5", "--5", "general", "5/", "/5", "1/2/3", " 5"] {
            assert_eq!(text.parse::<MessageId>(), Err(PlaceError), "{text}");
        }
        for text in ["", "-", "+5", "--5", "general", "-5/7"] {
            assert_eq!(text.parse::<Chat>(), Err(PlaceError), "{text}");
        }
    }
}
