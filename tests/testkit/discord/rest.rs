//! What calls do.

use serde_json::Value;
use serde_json::json;

use super::APPLICATION;
use super::BOT;
use super::FakeDiscord;
use super::GUILD;
use super::state::Channel;
use super::state::Message;
use super::state::State;

/// The longest text of a message
/// (<https://discord.com/developers/docs/resources/message#create-message>).
const CONTENT: usize = 2000;

const SILENT: u64 = 1 << 12;
const EPHEMERAL: u64 = 1 << 6;
const NO_PREVIEW: u64 = 1 << 2;

/// A call.
pub(super) struct Call<'c> {
    pub(super) method: &'c str,
    /// Without the version.
    pub(super) path: &'c str,
    pub(super) parts: &'c [&'c str],
    pub(super) query: &'c [(String, String)],
    pub(super) body: Option<Value>,
    pub(super) files: Vec<(String, Vec<u8>)>,
}

/// A call that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: u64,
    pub(super) text: String,
}

/// Status and body.
pub(super) type Answer = Result<(u16, Value), Refusal>;

impl Refusal {
    pub(super) fn new(status: u16, code: u64, text: &str) -> Self {
        Self { status, code, text: text.to_owned() }
    }
}

impl FakeDiscord {
    /// Carries a call out, and tells the gateway what came of it.
    pub(super) fn answer(&self, call: Call<'_>) -> Answer {
        let answer = self.state().answer(call);
        self.inner.news.notify_waiters();
        answer
    }
}

impl State {
    fn answer(&mut self, call: Call<'_>) -> Answer {
        let Call { method, path, parts, query, body, files } = call;
        let body = body.unwrap_or_default();
        let id = |n: usize| parts[n].parse::<u64>().unwrap_or_default();
        match (method, parts) {
            ("get", ["users", "@me"]) => {
                let mut me = Self::user(BOT);
                for (name, value) in [("mfa_enabled", true.into()), ("locale", "en-US".into())] {
                    me[name] = value;
                }
                Ok((200, me))
            }
            ("get", ["applications", "@me"]) => Ok((200, self.application())),
            ("get", ["users", "@me", "guilds"]) => Ok((
                200,
                json!([{
                    "id": GUILD.to_string(), "name": "Server", "icon": null, "banner": null,
                    "owner": false, "permissions": "0", "features": [],
                }]),
            )),
            ("get", ["gateway", "bot"]) => Ok((200, self.gateway())),
            ("put", ["applications", _, "guilds", _, "commands"]) => {
                if (id(1), id(3)) != (APPLICATION, GUILD) {
                    return Err(Refusal::new(403, 50001, "Missing Access"));
                }
                self.check_commands(&body);
                self.commands = body;
                Ok((200, json!([])))
            }
            ("post", ["users", "@me", "channels"]) => {
                let person = body["recipient_id"].as_str().unwrap().parse().unwrap();
                let channel = self.private(person);
                Ok((200, self.channel_json(channel)))
            }
            ("get", ["channels", _]) => {
                self.seen(id(1))?;
                Ok((200, self.channel_json(id(1))))
            }
            ("patch", ["channels", _]) => self.change_thread(id(1), &body),
            ("get", ["channels", _, "messages"]) => self.history(id(1), query),
            ("post", ["channels", _, "messages"]) => self.post(id(1), &body, files),
            ("patch", ["channels", _, "messages", _]) => self.edit(id(1), id(3), &body),
            ("post", ["channels", _, "messages", _, "threads"]) => {
                self.thread_at(id(1), id(3), &body)
            }
            ("post", ["channels", _, "threads"]) => {
                let thread = self.id();
                self.open_thread(id(1), thread, &body)
            }
            ("put", ["channels", _, "thread-members", "@me"]) => {
                self.seen(id(1))?;
                self.joined.insert(id(1));
                Ok((204, Value::Null))
            }
            ("get", ["guilds", _, "members", _]) => {
                if id(1) != GUILD {
                    return Err(Refusal::new(404, 10007, "Unknown Member"));
                }
                let mut member = self.member(id(3));
                member["user"] = Self::user(id(3));
                Ok((200, member))
            }
            ("get", ["guilds", _, "threads", "active"]) => {
                if id(1) != GUILD {
                    return Err(Refusal::new(403, 50001, "Missing Access"));
                }
                let open = |(id, channel): (&u64, &Channel)| {
                    (channel.parent.is_some() && !channel.archived).then_some(*id)
                };
                let open: Vec<_> = self.channels.iter().filter_map(open).collect();
                let threads: Vec<_> = open.iter().map(|id| self.channel_json(*id)).collect();
                Ok((200, json!({ "threads": threads, "members": [], "has_more": false })))
            }
            ("post", ["interactions", _, token, "callback"]) => {
                self.acknowledge(id(1), token, &body)
            }
            ("post", ["webhooks", _, token]) => self.followup(token, &body),
            (_, ["webhooks", _, token, "messages", "@original"]) => {
                self.original(method, token, &body)
            }
            _ => {
                self.violate(format!("this fake does not know {method} {path}"));
                Err(Refusal::new(404, 0, "404: Not Found"))
            }
        }
    }

    fn application(&self) -> Value {
        json!({
            "id": APPLICATION.to_string(), "name": "Gate", "icon": null, "description": "",
            "type": null, "verify_key": "0".repeat(64), "bot_public": false,
            "interactions_endpoint_url": self.endpoint,
            "flags": if self.reads { 1 << 19 } else { 0 }, "flags_new": "0", "redirect_uris": [],
            "role_connections_verification_url": null, "owner": Self::user(1),
            "approximate_guild_count": 1, "approximate_user_install_count": 0,
            "approximate_user_authorization_count": 0, "explicit_content_filter": 0,
            "team": null, "eligible_oauth2_scopes": [],
        })
    }

    fn gateway(&self) -> Value {
        json!({
            "url": format!("ws://{}/gateway", self.address), "shards": 1,
            "session_start_limit": {
                "total": 1000, "remaining": 1000_u64.saturating_sub(self.starts),
                "reset_after": 3_600_000, "max_concurrency": 1,
            },
        })
    }

    /// What a private chat with a person is.
    pub(super) fn private(&mut self, person: u64) -> u64 {
        let known = self.channels.iter().find(|(_, channel)| channel.person == Some(person));
        if let Some((id, _)) = known {
            return *id;
        }
        let id = self.id();
        let channel = Channel {
            kind: 1,
            name: String::new(),
            guild: None,
            parent: None,
            owner: 0,
            archived: false,
            person: Some(person),
        };
        self.channels.insert(id, channel);
        id
    }

    fn seen(&self, channel: u64) -> Result<&Channel, Refusal> {
        self.channels.get(&channel).ok_or(Refusal::new(404, 10003, "Unknown Channel"))
    }

    fn history(&self, channel: u64, query: &[(String, String)]) -> Answer {
        self.seen(channel)?;
        let of = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, v)| v);
        let after: u64 = of("after").and_then(|id| id.parse().ok()).unwrap_or_default();
        let limit: usize = of("limit").and_then(|n| n.parse().ok()).unwrap_or(50);
        let mut found: Vec<_> = self
            .messages
            .iter()
            .filter(|it| it.channel == channel && it.id > after && it.only_for.is_none())
            .collect();
        found.sort_by_key(|message| message.id);
        found.truncate(limit);
        // The newest first, as Discord has it.
        found.reverse();
        let reads = self.reads;
        let all: Vec<_> =
            found.into_iter().map(|it| self.veiled(self.message_json(it), reads)).collect();
        Ok((200, all.into()))
    }

    fn post(&mut self, channel: u64, body: &Value, files: Vec<(String, Vec<u8>)>) -> Answer {
        let about = self.seen(channel)?.clone();
        if let Some(size) = files.iter().map(|(_, bytes)| bytes.len()).max()
            && size > self.largest_file
        {
            self.violate(format!("a file of {size} bytes is sent, which is known to be too large"));
            return Err(Refusal::new(413, 40005, "Request entity too large"));
        }
        let mut message = self.read(channel, body, files)?;
        let nonce = body["nonce"].as_str().map(str::to_owned);
        match (&nonce, body["enforce_nonce"] == true) {
            (Some(nonce), true) => {
                if let Some(there) = self.nonces.get(&(channel, nonce.clone())) {
                    let there = self.message(channel, *there).unwrap().clone();
                    return Ok((200, self.message_json(&there)));
                }
            }
            _ => self.violate("a message is sent that a lost answer could double"),
        }
        if let Some(reply) = message.reply_to
            && self.message(channel, reply).is_none()
        {
            if body["message_reference"]["fail_if_not_exists"] != false {
                return Err(Refusal::new(400, 50035, "Invalid Form Body"));
            }
            message.reply_to = None;
        }
        // Writing into a thread takes it out of the archive.
        if about.archived {
            self.set_archived(channel, false);
        }
        message.id = self.id();
        if let Some(nonce) = nonce {
            self.nonces.insert((channel, nonce), message.id);
        }
        Ok((200, self.add(message)))
    }

    /// A message is there.
    pub(super) fn add(&mut self, message: Message) -> Value {
        for (n, (name, bytes)) in message.files.iter().enumerate() {
            self.files.insert(format!("{}/{n}/{name}", message.id), bytes.clone());
        }
        let mut json = self.message_json(&message);
        self.messages.push(message.clone());
        if message.only_for.is_none() {
            if let Some(guild) = self.channels[&message.channel].guild {
                json["guild_id"] = guild.to_string().into();
                json["member"] = self.member(message.author);
            }
            self.dispatch("MESSAGE_CREATE", json.clone());
            json.as_object_mut().unwrap().remove("guild_id");
            json.as_object_mut().unwrap().remove("member");
        }
        json
    }

    fn edit(&mut self, channel: u64, id: u64, body: &Value) -> Answer {
        let archived = self.seen(channel)?.archived;
        let unknown = || Refusal::new(404, 10008, "Unknown Message");
        let before = self.message(channel, id).ok_or_else(unknown)?.clone();
        if before.author != BOT {
            return Err(Refusal::new(403, 50005, "Cannot edit a message by another user"));
        }
        if archived {
            return Err(Refusal::new(400, 50083, "Thread is archived"));
        }
        let now = self.read(channel, body, before.files.clone())?;
        let message = self.message_mut(channel, id).unwrap();
        let (silent, edits) = (message.silent, message.edits + 1);
        *message = Message { id, edits, silent, reply_to: message.reply_to, ..now };
        let message = message.clone();
        let json = self.message_json(&message);
        self.dispatch("MESSAGE_UPDATE", json.clone());
        Ok((200, json))
    }

    /// Reads a message of the bot, with everything that Discord would say against it.
    fn read(
        &mut self,
        channel: u64,
        body: &Value,
        files: Vec<(String, Vec<u8>)>,
    ) -> Result<Message, Refusal> {
        let wrong = |what: &str| Refusal::new(400, 50035, &format!("Invalid Form Body: {what}"));
        let content = body["content"].as_str().unwrap_or_default();
        let none = Vec::new();
        let embeds = body["embeds"].as_array().unwrap_or(&none);
        let texts: Vec<_> =
            embeds.iter().map(|it| it["description"].as_str().unwrap_or_default()).collect();
        let length = content.chars().count();
        if length > CONTENT {
            self.violate(format!("a text of {length} characters"));
            return Err(wrong("content"));
        }
        if texts.iter().map(|text| text.chars().count()).sum::<usize>() > 6000 {
            self.violate("embeds of more than 6000 characters");
            return Err(wrong("embeds"));
        }
        if content.trim().is_empty() && embeds.is_empty() && files.is_empty() {
            self.violate("an empty message");
            return Err(Refusal::new(400, 50006, "Cannot send an empty message"));
        }
        if body["allowed_mentions"]["parse"] != json!([]) {
            self.violate(format!("this could call people: {content}"));
        }
        let flags = body["flags"].as_u64().unwrap_or_default();
        if flags & NO_PREVIEW != 0 && !embeds.is_empty() {
            self.violate("an embed that nobody sees");
        }
        if flags & NO_PREVIEW == 0 && embeds.is_empty() {
            self.violate("links in a message would be unfolded");
        }
        let (keys, picks) = self.components(body)?;
        let mut text = content.to_owned();
        for embed in texts {
            text.push('\n');
            text.push_str(embed);
        }
        Ok(Message {
            channel,
            id: 0,
            author: BOT,
            text: shown(&text),
            content: content.to_owned(),
            keys,
            picks,
            silent: flags & SILENT != 0,
            reply_to: body["message_reference"]["message_id"]
                .as_str()
                .map(|id| id.parse().unwrap()),
            files,
            edits: 0,
            only_for: None,
            loading: false,
            more: Value::Null,
        })
    }

    #[expect(clippy::type_complexity, reason = "the two lists of a message")]
    fn components(
        &mut self,
        body: &Value,
    ) -> Result<(Vec<(String, String)>, Vec<(String, String, String)>), Refusal> {
        let (mut keys, mut picks, mut names) = (Vec::new(), Vec::new(), Vec::new());
        let rows = body["components"].as_array().cloned().unwrap_or_default();
        let wrong = || Refusal::new(400, 50035, "Invalid Form Body: components");
        if rows.len() > 5 {
            self.violate(format!("{} rows under a message", rows.len()));
            return Err(wrong());
        }
        for part in rows.iter().flat_map(|row| row["components"].as_array().into_iter().flatten()) {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let name = text(&part["custom_id"]);
            names.push(name.clone());
            if part["type"] == 2 {
                keys.push((text(&part["label"]), name));
                continue;
            }
            for option in part["options"].as_array().into_iter().flatten() {
                picks.push((text(&option["label"]), text(&option["value"]), name.clone()));
            }
        }
        let count = names.len();
        names.sort();
        names.dedup();
        if names.len() < count {
            self.violate("two buttons of a message have one name");
            return Err(wrong());
        }
        Ok((keys, picks))
    }

    fn thread_at(&mut self, channel: u64, message: u64, body: &Value) -> Answer {
        if self.message(channel, message).is_none() {
            return Err(Refusal::new(404, 10008, "Unknown Message"));
        }
        if self.channels.contains_key(&message) {
            let text = "A thread has already been created for this message";
            return Err(Refusal::new(400, 160_004, text));
        }
        self.open_thread(channel, message, body)
    }

    fn open_thread(&mut self, parent: u64, id: u64, body: &Value) -> Answer {
        let about = self.seen(parent)?;
        if about.kind != 0 {
            return Err(Refusal::new(400, 50024, "Cannot execute action on this channel type"));
        }
        let thread = Channel {
            kind: 11,
            name: body["name"].as_str().unwrap().to_owned(),
            guild: about.guild,
            parent: Some(parent),
            owner: BOT,
            archived: false,
            person: None,
        };
        self.channels.insert(id, thread);
        self.joined.insert(id);
        let json = self.channel_json(id);
        self.dispatch("THREAD_CREATE", json.clone());
        Ok((201, json))
    }

    fn change_thread(&mut self, id: u64, body: &Value) -> Answer {
        let channel = self.seen(id)?;
        if channel.parent.is_none() {
            self.violate("a channel is changed that is no thread");
            return Err(Refusal::new(403, 50013, "Missing Permissions"));
        }
        if channel.archived && body["archived"] != false {
            return Err(Refusal::new(400, 50083, "Thread is archived"));
        }
        if let Some(name) = body["name"].as_str() {
            self.channels.get_mut(&id).unwrap().name = name.to_owned();
        }
        if let Some(archived) = body["archived"].as_bool() {
            self.set_archived(id, archived);
        }
        Ok((200, self.channel_json(id)))
    }

    /// Puts a thread into the archive, or takes it out.
    pub(super) fn set_archived(&mut self, id: u64, archived: bool) {
        self.channels.get_mut(&id).unwrap().archived = archived;
        let mut json = self.channel_json(id);
        json.as_object_mut().unwrap().remove("member");
        self.dispatch("THREAD_UPDATE", json);
    }

    fn check_commands(&mut self, all: &Value) {
        for command in all.as_array().into_iter().flatten() {
            let name = command["name"].as_str().unwrap_or_default();
            let lower = name.chars().all(|c| c.is_lowercase() || c == '-' || c == '_');
            if command["type"] != 3 && !lower {
                self.violate(format!("`{name}` is no name of a command"));
            }
        }
    }

    /// An answer to a call with a token that has run out.
    fn token_over() -> Refusal {
        Refusal::new(401, 50027, "Invalid Webhook Token")
    }

    fn followup(&mut self, token: &str, body: &Value) -> Answer {
        let Some((id, interaction)) =
            self.interactions.iter().find(|(_, it)| it.token == token && !it.is_over())
        else {
            return Err(Self::token_over());
        };
        let (id, who, channel) = (*id, interaction.who, interaction.channel);
        if interaction.acked.is_none() {
            self.violate("something is said before the interaction is acknowledged");
            return Err(Refusal::new(404, 10015, "Unknown Webhook"));
        }
        if body["allowed_mentions"]["parse"] != json!([]) {
            self.violate("a word aside could call people");
        }
        let follows = self.interactions[&id].follows;
        let waits = follows.and_then(|follows| self.message(channel, follows));
        if waits.is_some_and(|message| message.loading) {
            self.violate("a word aside takes the place that is kept for everybody");
        }
        let mut message = said_by_bot(channel, body);
        message.only_for =
            (body["flags"].as_u64().unwrap_or_default() & EPHEMERAL != 0).then_some(who);
        message.id = self.id();
        let json = self.add(message.clone());
        self.interactions.get_mut(&id).unwrap().said.push(message.text);
        Ok((200, json))
    }

    fn original(&mut self, method: &str, token: &str, body: &Value) -> Answer {
        let over = Self::token_over();
        let found = self.interactions.values().find(|it| it.token == token && !it.is_over());
        let interaction = found.ok_or(over)?;
        let unknown = || Refusal::new(404, 10015, "Unknown Webhook");
        let (channel, id) = (interaction.channel, interaction.follows.ok_or_else(unknown)?);
        if method == "delete" {
            self.messages.retain(|message| (message.channel, message.id) != (channel, id));
            return Ok((204, Value::Null));
        }
        if method == "patch" {
            let now = said_by_bot(channel, body);
            let gone = Refusal::new(404, 10008, "Unknown Message");
            let message = self.message_mut(channel, id).ok_or(gone)?;
            message.text = now.text;
            message.content = now.content;
            message.loading = false;
        }
        let message = self.message(channel, id).unwrap().clone();
        Ok((200, self.message_json(&message)))
    }
}

/// A message of the bot by way of an interaction.
pub(super) fn said_by_bot(channel: u64, body: &Value) -> Message {
    let content = body["content"].as_str().unwrap_or_default();
    Message {
        channel,
        id: 0,
        author: BOT,
        text: shown(content),
        content: content.to_owned(),
        keys: Vec::new(),
        picks: Vec::new(),
        silent: false,
        reply_to: None,
        files: Vec::new(),
        edits: 0,
        only_for: None,
        loading: false,
        more: Value::Null,
    }
}

/// What a reader sees of Markdown: marks are gone, what was escaped is there.
fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    let mut fenced = false;
    let mut line_start = true;
    while let Some(c) = chars.next() {
        match c {
            '`' => {
                let mut marks = 1;
                while chars.next_if_eq(&'`').is_some() {
                    marks += 1;
                }
                if marks == 3 {
                    fenced = !fenced;
                    // The line of the fence itself is not there.
                    if fenced {
                        chars.next_if_eq(&'\n');
                    } else if out.ends_with('\n') {
                        out.pop();
                    }
                }
            }
            '\\' if !fenced && chars.peek().is_some_and(char::is_ascii_punctuation) => {
                out.extend(chars.next());
            }
            '*' if !fenced => {}
            '>' if !fenced && line_start => {
                chars.next_if_eq(&' ');
            }
            c => out.push(c),
        }
        line_start = c == '\n';
    }
    out
}
