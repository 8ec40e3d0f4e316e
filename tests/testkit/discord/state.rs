//! What Discord knows.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;
use serde_json::json;

use super::BOT;
use super::BOT_NAME;
use super::BOUND;
use super::CHANNEL;
use super::GUILD;
use super::faults::Order;
use super::gateway::Session;
use super::limits::Limits;
use super::people::Interaction;
use super::spec::Spec;

/// Milliseconds of the first second of 2015.
const EPOCH: i64 = 1_420_070_400_000;

/// The largest file of a bot where nobody pays for more, in bytes
/// (<https://discord.com/developers/docs/reference#uploading-files>).
const LARGEST_FILE: usize = 10 << 20;

/// A voice message
/// (<https://discord.com/developers/docs/resources/message#message-object-message-flags>).
const SPOKEN: u64 = 1 << 13;

/// A message as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its channel or thread.
    pub channel: u64,
    /// Its number.
    pub id: u64,
    /// Who wrote it.
    pub author: u64,
    /// Its text, with that of its embeds.
    pub text: String,
    /// Its content alone.
    pub content: String,
    /// What can be pressed: label and name.
    pub keys: Vec<(String, String)>,
    /// What can be picked in menus: label and value, each with its menu's name.
    pub picks: Vec<(String, String, String)>,
    /// Whether it came without a sound.
    pub silent: bool,
    /// What it answers.
    pub reply_to: Option<u64>,
    /// Its files: name and bytes.
    pub files: Vec<(String, Vec<u8>)>,
    /// How often it was edited.
    pub edits: usize,
    /// For whom alone it can be seen.
    pub only_for: Option<u64>,
    /// Whether it waits to be filled.
    pub loading: bool,
    /// What else people's messages have.
    pub(super) more: Value,
}

impl Message {
    /// Whether it has a button with this label.
    #[must_use]
    pub fn has(&self, label: &str) -> bool {
        self.keys.iter().any(|(name, _)| name == label)
    }
}

/// A channel or thread.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    pub(super) kind: u64,
    pub(super) name: String,
    pub(super) guild: Option<u64>,
    pub(super) parent: Option<u64>,
    pub(super) owner: u64,
    pub(super) archived: bool,
    /// The person of a private chat.
    pub(super) person: Option<u64>,
}

pub(super) struct State {
    pub(super) address: SocketAddr,
    pub(super) spec: Spec,
    pub(super) limits: Limits,
    pub(super) orders: Vec<Order>,
    pub(super) calls: Vec<(String, Value)>,
    pub(super) violations: Vec<String>,
    pub(super) channels: BTreeMap<u64, Channel>,
    pub(super) messages: Vec<Message>,
    /// Messages by their nonce: channel, nonce, message.
    pub(super) nonces: BTreeMap<(u64, String), u64>,
    pub(super) commands: Value,
    /// Who has which roles in the server.
    pub(super) roles: BTreeMap<u64, Vec<u64>>,
    pub(super) interactions: BTreeMap<u64, Interaction>,
    pub(super) sessions: BTreeMap<String, Session>,
    /// The threads that the bot has joined.
    pub(super) joined: BTreeSet<u64>,
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// Whether the application's page lets the bot read what is written.
    pub(super) reads: bool,
    /// How often a heartbeat is wanted, and whether it is answered.
    pub(super) interval: Duration,
    pub(super) answers_beats: bool,
    /// Whether anybody is let in.
    pub(super) open: bool,
    pub(super) endpoint: Option<String>,
    /// The largest file that the server takes, in bytes.
    pub(super) largest_file: usize,
    pub(super) identified: Option<Instant>,
    /// How long whoever was let in last has to wait before the next.
    pub(super) identify_pause: Duration,
    pub(super) starts: u64,
    last_id: u64,
}

impl State {
    pub(super) fn new(address: SocketAddr) -> Self {
        let channel = |name: &str| Channel {
            kind: 0,
            name: name.into(),
            guild: Some(GUILD),
            parent: None,
            owner: 0,
            archived: false,
            person: None,
        };
        Self {
            address,
            spec: Spec::load(),
            limits: Limits::default(),
            orders: Vec::new(),
            calls: Vec::new(),
            violations: Vec::new(),
            channels: [(CHANNEL, channel("general")), (BOUND, channel("demo"))].into(),
            messages: Vec::new(),
            nonces: BTreeMap::new(),
            commands: json!([]),
            roles: BTreeMap::new(),
            interactions: BTreeMap::new(),
            sessions: BTreeMap::new(),
            joined: BTreeSet::new(),
            files: BTreeMap::new(),
            reads: true,
            interval: Duration::from_millis(41_250),
            answers_beats: true,
            open: true,
            endpoint: None,
            largest_file: LARGEST_FILE,
            identified: None,
            identify_pause: Duration::from_secs(5),
            starts: 0,
            last_id: 0,
        }
    }

    /// A new number, of now.
    pub(super) fn id(&mut self) -> u64 {
        self.id_at(Timestamp::now())
    }

    /// A new number of another time.
    pub(super) fn id_at(&mut self, at: Timestamp) -> u64 {
        let since = u64::try_from(at.as_millisecond() - EPOCH).unwrap() << 22;
        let now = u64::try_from(Timestamp::now().as_millisecond() - EPOCH).unwrap() << 22;
        self.last_id += 1;
        // Of the past, unlike any other of that time; of now, larger than any before.
        if since + (1 << 22) < now {
            since + (self.last_id & 0xfff)
        } else {
            self.last_id = self.last_id.max(since);
            self.last_id
        }
    }

    pub(super) fn violate(&mut self, what: impl Into<String>) {
        self.violations.push(what.into());
    }

    pub(super) fn message(&self, channel: u64, id: u64) -> Option<&Message> {
        self.messages.iter().find(|message| (message.channel, message.id) == (channel, id))
    }

    pub(super) fn message_mut(&mut self, channel: u64, id: u64) -> Option<&mut Message> {
        self.messages.iter_mut().find(|message| (message.channel, message.id) == (channel, id))
    }

    /// A user, as Discord shows them.
    pub(super) fn user(id: u64) -> Value {
        let name = if id == BOT { BOT_NAME.to_owned() } else { format!("person{id}") };
        json!({
            "id": id.to_string(), "username": name, "discriminator": "0", "avatar": null,
            "global_name": null, "bot": id == BOT, "public_flags": 0, "flags": 0,
            "primary_guild": null, "collectibles": null, "avatar_decoration_data": null,
            "banner": null, "accent_color": null, "clan": null, "display_name_styles": null,
        })
    }

    /// Somebody in the server, as Discord shows them.
    pub(super) fn member(&self, id: u64) -> Value {
        let roles: Vec<_> = self.roles.get(&id).into_iter().flatten().map(u64::to_string).collect();
        json!({
            "roles": roles, "flags": 0, "deaf": false, "mute": false, "pending": false,
            "nick": null, "avatar": null, "banner": null, "premium_since": null,
            "communication_disabled_until": null, "joined_at": "2026-01-01T00:00:00.000000+00:00",
        })
    }

    /// A channel, as Discord shows it.
    pub(super) fn channel_json(&self, id: u64) -> Value {
        let channel = &self.channels[&id];
        let mut json = json!({ "id": id.to_string(), "type": channel.kind, "flags": 0,
            "last_message_id": null });
        if let Some(guild) = channel.guild {
            json["guild_id"] = guild.to_string().into();
            json["name"] = channel.name.clone().into();
            json["position"] = 0.into();
            json["permission_overwrites"] = json!([]);
        }
        if let Some(parent) = channel.parent {
            json["parent_id"] = parent.to_string().into();
            json["owner_id"] = channel.owner.to_string().into();
            json["message_count"] = 0.into();
            json["member_count"] = 1.into();
            json["total_message_sent"] = 0.into();
            json["thread_metadata"] = json!({
                "archived": channel.archived, "auto_archive_duration": 1440, "locked": false,
                "archive_timestamp": "2026-01-01T00:00:00.000000+00:00",
            });
            if self.joined.contains(&id) {
                json["member"] = json!({"id": id.to_string(), "user_id": BOT.to_string(),
                    "join_timestamp": "2026-01-01T00:00:00.000000+00:00", "flags": 0});
            }
        }
        if let Some(person) = channel.person {
            json["recipients"] = json!([Self::user(person)]);
        }
        json
    }

    /// A message, as Discord shows it.
    pub(super) fn message_json(&self, message: &Message) -> Value {
        let attachments: Vec<_> = message
            .files
            .iter()
            .enumerate()
            .map(|(n, (name, bytes))| {
                let url = format!("http://{}/files/{}/{n}/{name}", self.address, message.id);
                json!({
                    "id": (message.id + n as u64).to_string(), "filename": name,
                    "size": bytes.len(), "url": url, "proxy_url": url,
                })
            })
            .collect();
        let button = |(label, name): &(String, String)| json!({ "type": 2, "id": 2, "style": 2, "label": label, "custom_id": name });
        let row = |keys: &[(String, String)]| {
            let buttons: Vec<_> = keys.iter().map(button).collect();
            json!({ "type": 1, "id": 1, "components": buttons })
        };
        let rows: Vec<_> = message.keys.chunks(5).map(row).collect();
        let at = Timestamp::from_millisecond(EPOCH + i64::try_from(message.id >> 22).unwrap());
        let mut json = json!({
            "id": message.id.to_string(), "channel_id": message.channel.to_string(),
            "author": Self::user(message.author), "content": message.content,
            "timestamp": at.unwrap().to_string(), "edited_timestamp": null, "tts": false,
            "mention_everyone": false, "mentions": [], "mention_roles": [],
            "attachments": attachments, "embeds": [], "pinned": false, "type": 0, "flags": 0,
            "components": rows,
        });
        if let Some(reply) = message.reply_to {
            json["type"] = 19.into();
            json["message_reference"] = json!({
                "type": 0, "message_id": reply.to_string(),
                "channel_id": message.channel.to_string(),
            });
            json["referenced_message"] = match self.message(message.channel, reply) {
                Some(answered) => self.message_json(answered),
                None => Value::Null,
            };
        }
        for (name, value) in message.more.as_object().into_iter().flatten() {
            json[name] = value.clone();
        }
        if json["flags"] == SPOKEN {
            json["attachments"][0]["duration_secs"] = json!(1.5);
            json["attachments"][0]["waveform"] = "AAAA".into();
            json["attachments"][0]["content_type"] = "audio/ogg".into();
        }
        json
    }

    /// What a bot that may not read sees of a message that does not speak to it
    /// (<https://discord.com/developers/docs/events/gateway#message-content-intent>).
    pub(super) fn veiled(&self, mut message: Value, reads: bool) -> Value {
        let bot = BOT.to_string();
        let calls = message["mentions"]
            .as_array()
            .is_some_and(|all| all.iter().any(|user| user["id"] == bot.as_str()));
        let own = message["author"]["id"] == bot.as_str();
        let channel: u64 = message["channel_id"].as_str().unwrap().parse().unwrap();
        let private = self.channels[&channel].person.is_some();
        if !(reads || calls || own || private) {
            message["content"] = "".into();
            message["attachments"] = json!([]);
        }
        message
    }
}
