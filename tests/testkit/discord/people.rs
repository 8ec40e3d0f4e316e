//! What people do: they say things, press buttons, pick, fill in forms and write commands.

use std::time::Duration;
use std::time::Instant;

use jiff::Timestamp;
use serde_json::Value;
use serde_json::json;

use super::APPLICATION;
use super::BOT;
use super::FakeDiscord;
use super::GUILD;
use super::rest::Refusal;
use super::rest::said_by_bot;
use super::state::Message;
use super::state::State;

/// An acknowledgement later than this finds its token void.
const DEADLINE: Duration = Duration::from_secs(3);

/// For so long whoever has the token may write.
const LIFE: Duration = Duration::from_secs(900);

/// Something that somebody did with the bot.
#[derive(Debug, Clone)]
pub(super) struct Interaction {
    pub(super) token: String,
    pub(super) who: u64,
    pub(super) channel: u64,
    kind: u64,
    begun: Instant,
    /// What it was acknowledged with, and after how long.
    pub(super) acked: Option<(u64, Duration)>,
    /// The message that follows it.
    pub(super) follows: Option<u64>,
    /// What was said to whoever did it alone.
    pub(super) said: Vec<String>,
    /// The form that was opened, or what fits into a field.
    data: Value,
    over: bool,
    /// Whether the answer to its acknowledgement got lost.
    unheard: bool,
}

/// What came of something that somebody did.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// Its number.
    pub id: u64,
    /// What it was acknowledged with, and after how long; none when it was not.
    pub acked: Option<(u64, Duration)>,
    /// The message that follows it.
    pub follows: Option<u64>,
    /// What was said to whoever did it alone.
    pub said: Vec<String>,
    /// The form that was opened, or what fits into a field.
    pub data: Value,
}

impl Interaction {
    #[cfg(test)]
    pub(super) fn tire(&mut self, by: Duration) {
        self.begun = self.begun.checked_sub(by).unwrap();
    }

    pub(super) fn is_over(&self) -> bool {
        self.over || self.begun.elapsed() > LIFE
    }
}

impl FakeDiscord {
    /// Somebody writes into a channel or thread.
    pub fn says(&self, who: u64, channel: u64, text: &str) -> u64 {
        self.says_with(who, channel, text, json!({}))
    }

    /// Somebody calls the bot by its name.
    pub fn calls_bot(&self, who: u64, channel: u64, text: &str) -> u64 {
        let bot = State::user(BOT);
        self.says_with(who, channel, &format!("<@{BOT}> {text}"), json!({ "mentions": [bot] }))
    }

    /// Somebody writes with more than words: `more` has fields of the message, and in `files` those
    /// that go along, as name and text.
    pub fn says_with(&self, who: u64, channel: u64, text: &str, more: Value) -> u64 {
        self.written(who, channel, text, more, Timestamp::now(), true)
    }

    /// Somebody wrote a while ago, while nobody listened.
    pub fn said(&self, who: u64, channel: u64, text: &str, ago: Duration) -> u64 {
        let at = Timestamp::now() - jiff::SignedDuration::try_from(ago).unwrap();
        self.written(who, channel, text, json!({}), at, false)
    }

    fn written(
        &self,
        who: u64,
        channel: u64,
        text: &str,
        mut more: Value,
        at: Timestamp,
        told: bool,
    ) -> u64 {
        let mut state = self.state();
        let files = more.as_object_mut().unwrap().remove("files").unwrap_or_default();
        let files = files.as_array().into_iter().flatten().map(|file| {
            let text = |n: usize| file[n].as_str().unwrap().to_owned();
            (text(0), text(1).into_bytes())
        });
        let reply_to = more.as_object_mut().unwrap().remove("reply_to").and_then(|id| id.as_u64());
        let id = state.id_at(at);
        let message = Message {
            id,
            author: who,
            files: files.collect(),
            reply_to,
            more,
            ..said_by_bot(channel, &json!({ "content": text }))
        };
        if told {
            state.add(message);
        } else {
            state.messages.push(message);
        }
        drop(state);
        self.inner.news.notify_waiters();
        id
    }

    /// Somebody speaks, and the audio has these words.
    pub fn speaks(&self, who: u64, channel: u64, words: &str) -> u64 {
        let spoken = json!({ "files": [["voice-message.ogg", words]], "flags": 1 << 13 });
        self.says_with(who, channel, "", spoken)
    }

    /// Whoever runs the server pays, and it takes files of so many bytes.
    pub fn takes_files_of(&self, bytes: usize) {
        self.state().largest_file = bytes;
    }

    /// Gives somebody these roles in the server, and no others.
    pub fn gives_roles(&self, who: u64, roles: &[u64]) {
        self.state().roles.insert(who, roles.to_vec());
    }

    /// Somebody writes to the bot alone.
    pub fn says_in_private(&self, who: u64, text: &str) -> u64 {
        let channel = self.state().private(who);
        self.says(who, channel, text)
    }

    /// The channel of somebody's private chat.
    #[must_use]
    pub fn private_channel(&self, who: u64) -> u64 {
        self.state().private(who)
    }

    /// Somebody changes what they wrote.
    pub fn edits(&self, channel: u64, id: u64, text: &str) {
        let mut state = self.state();
        let message = state.message_mut(channel, id).unwrap();
        message.content = text.to_owned();
        let message = message.clone();
        let mut json = state.message_json(&message);
        json["edited_timestamp"] = Timestamp::now().to_string().into();
        if let Some(guild) = state.channels[&channel].guild {
            json["guild_id"] = guild.to_string().into();
        }
        drop(state);
        self.dispatch("MESSAGE_UPDATE", json);
    }

    /// Discord tells of a message once more, as sessions that are resumed do.
    pub fn tells_again(&self, channel: u64, id: u64) {
        let state = self.state();
        let Some(message) = state.message(channel, id).cloned() else { return };
        let mut json = state.message_json(&message);
        if let Some(guild) = state.channels[&channel].guild {
            json["guild_id"] = guild.to_string().into();
            json["member"] = state.member(message.author);
        }
        drop(state);
        self.dispatch("MESSAGE_CREATE", json);
    }

    /// Discord unfolds the links of a message.
    pub fn unfolds(&self, channel: u64, id: u64) {
        let state = self.state();
        let mut json = state.message_json(state.message(channel, id).unwrap());
        drop(state);
        json["embeds"] = json!([{ "type": "link", "url": "https://example.org" }]);
        json["guild_id"] = GUILD.to_string().into();
        self.dispatch("MESSAGE_UPDATE", json);
    }

    /// Somebody takes a thread out of the archive, or puts it there.
    pub fn archives(&self, thread: u64, archived: bool) {
        let mut state = self.state();
        if archived {
            state.joined.remove(&thread);
        }
        state.set_archived(thread, archived);
        drop(state);
        self.inner.news.notify_waiters();
    }

    /// Whether the bot has joined a thread.
    #[must_use]
    pub fn is_in(&self, thread: u64) -> bool {
        self.state().joined.contains(&thread)
    }

    /// Somebody deletes a thread.
    pub fn deletes_thread(&self, thread: u64) {
        let mut state = self.state();
        let json = state.channel_json(thread);
        state.channels.remove(&thread);
        state.messages.retain(|message| message.channel != thread);
        state.dispatch("THREAD_DELETE", json);
        drop(state);
        self.inner.news.notify_waiters();
    }

    /// Somebody presses a button, whatever it looks like now.
    pub fn press(&self, who: u64, message: &Message, label: &str) -> u64 {
        let (_, name) = message
            .keys
            .iter()
            .find(|(known, _)| known == label)
            .unwrap_or_else(|| panic!("no button `{label}` under {message:#?}"));
        let data = json!({ "custom_id": name, "component_type": 2 });
        self.acts(3, who, message.channel, data, Some(message))
    }

    /// Somebody picks from a menu.
    pub fn pick(&self, who: u64, message: &Message, label: &str) -> u64 {
        let (_, value, menu) = message
            .picks
            .iter()
            .find(|(known, ..)| known == label)
            .unwrap_or_else(|| panic!("no `{label}` to pick under {message:#?}"));
        let data = json!({ "custom_id": menu, "component_type": 3, "values": [value] });
        self.acts(3, who, message.channel, data, Some(message))
    }

    /// Somebody fills in the form that came of a press and sends it off.
    pub fn fill_in(&self, who: u64, message: &Message, form: &Done, words: &str) -> u64 {
        let field = &form.data["components"][0]["components"][0]["custom_id"];
        let data = json!({
            "custom_id": form.data["custom_id"],
            "components": [{ "type": 1, "components": [
                { "type": 4, "custom_id": field, "value": words },
            ]}],
        });
        self.acts(5, who, message.channel, data, Some(message))
    }

    /// Somebody writes a command; fields are names and values.
    pub fn commands(&self, who: u64, channel: u64, name: &str, fields: &[(&str, &str)]) -> u64 {
        let options = options(fields, None);
        let data = json!({ "id": "9", "name": name, "type": 1, "options": options });
        self.acts(2, who, channel, data, None)
    }

    /// Somebody hands a message over from its menu.
    pub fn hands_over(&self, who: u64, channel: u64, message: u64) -> u64 {
        let state = self.state();
        let target = state.message_json(state.message(channel, message).unwrap());
        drop(state);
        let id = message.to_string();
        let data = json!({
            "id": "9", "name": "Hand to Gatepost", "type": 3, "target_id": id,
            "resolved": { "messages": { id.clone(): target } },
        });
        self.acts(2, who, channel, data, None)
    }

    /// Somebody is filling in a field of a command.
    pub fn begins(&self, who: u64, channel: u64, name: &str, field: (&str, &str)) -> u64 {
        let options = options(&[field], Some(field.0));
        let data = json!({ "id": "9", "name": name, "type": 1, "options": options });
        self.acts(4, who, channel, data, None)
    }

    /// What came of something that somebody did.
    #[must_use]
    pub fn done(&self, id: u64) -> Done {
        let state = self.state();
        let it = &state.interactions[&id];
        Done {
            id,
            acked: it.acked,
            follows: it.follows,
            said: it.said.clone(),
            data: it.data.clone(),
        }
    }

    /// Waits until something that somebody did is acknowledged.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn acked(&self, id: u64) -> Done {
        self.wait("acknowledgement", || Some(self.done(id)).filter(|done| done.acked.is_some()))
            .await
    }

    /// Waits until whoever did something is told about it.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn told(&self, id: u64) -> String {
        self.wait("word aside", || self.done(id).said.last().cloned()).await
    }

    /// The fifteen minutes of every token are over.
    pub fn tokens_run_out(&self) {
        for interaction in self.state().interactions.values_mut() {
            interaction.over = true;
        }
    }

    /// The three seconds are over before the bot hears of what is done next.
    pub fn press_long_ago(&self, who: u64, message: &Message, label: &str) -> u64 {
        let name = message.keys.iter().find(|(known, _)| known == label).unwrap().1.clone();
        let data = json!({ "custom_id": name, "component_type": 2 });
        let begun = Instant::now().checked_sub(DEADLINE).unwrap();
        self.acts_at(3, who, message.channel, data, Some(message), begun)
    }

    /// Discord tells of something that somebody did once more.
    pub fn repeats(&self, id: u64, message: &Message, label: &str) {
        let name = message.keys.iter().find(|(known, _)| known == label).unwrap().1.clone();
        let data = json!({ "custom_id": name, "component_type": 2 });
        let state = self.state();
        let it = state.interactions[&id].clone();
        let json = interaction_json(&state, id, &it, data, Some(message));
        drop(state);
        self.dispatch("INTERACTION_CREATE", json);
    }

    fn acts(
        &self,
        kind: u64,
        who: u64,
        channel: u64,
        data: Value,
        message: Option<&Message>,
    ) -> u64 {
        self.acts_at(kind, who, channel, data, message, Instant::now())
    }

    fn acts_at(
        &self,
        kind: u64,
        who: u64,
        channel: u64,
        data: Value,
        message: Option<&Message>,
        begun: Instant,
    ) -> u64 {
        let mut state = self.state();
        let id = state.id();
        let interaction = Interaction {
            token: format!("aW50ZXJhY3Rpb24tdG9rZW4-{id}-S3cretToo"),
            who,
            channel,
            kind,
            begun,
            acked: None,
            follows: None,
            said: Vec::new(),
            data: Value::Null,
            over: false,
            unheard: false,
        };
        let json = interaction_json(&state, id, &interaction, data, message);
        state.interactions.insert(id, interaction);
        drop(state);
        self.dispatch("INTERACTION_CREATE", json);
        id
    }
}

fn options(fields: &[(&str, &str)], focused: Option<&str>) -> Value {
    let option = |(name, value): &(&str, &str)| {
        let mut option = json!({ "name": name, "type": 3, "value": value });
        if focused == Some(name) {
            option["focused"] = true.into();
        }
        option
    };
    fields.iter().map(option).collect::<Vec<_>>().into()
}

fn interaction_json(
    state: &State,
    id: u64,
    interaction: &Interaction,
    data: Value,
    message: Option<&Message>,
) -> Value {
    let Interaction { token, who, channel, kind, .. } = interaction;
    let mut json = json!({
        "id": id.to_string(), "application_id": APPLICATION.to_string(), "type": kind,
        "token": token, "version": 1, "data": data, "channel_id": channel.to_string(),
        "channel": state.channel_json(*channel), "locale": "en-US", "entitlements": [],
        "attachment_size_limit": state.largest_file, "authorizing_integration_owners": {},
        "context": 0,
    });
    if state.channels[channel].guild.is_some() {
        json["guild_id"] = GUILD.to_string().into();
        json["member"] = state.member(*who);
        json["member"]["user"] = State::user(*who);
        json["member"]["permissions"] = "0".into();
    } else {
        json["user"] = State::user(*who);
    }
    if let Some(message) = message {
        json["message"] = state.message_json(message);
    }
    json
}

impl State {
    /// The answer to an acknowledgement got lost, so it may come again.
    pub(super) fn unheard(&mut self, id: &str) {
        if let Some(interaction) = self.interactions.get_mut(&id.parse().unwrap_or_default()) {
            interaction.unheard = true;
        }
    }

    /// An acknowledgement: one, in time, of a kind that fits.
    pub(super) fn acknowledge(
        &mut self,
        id: u64,
        token: &str,
        body: &Value,
    ) -> Result<(u16, Value), Refusal> {
        let unknown = || Refusal::new(404, 10062, "Unknown interaction");
        let interaction = self.interactions.get_mut(&id).ok_or_else(unknown)?;
        if interaction.token != token || interaction.over {
            return Err(unknown());
        }
        if interaction.acked.is_some() {
            let text = "Interaction has already been acknowledged.";
            if !interaction.unheard {
                self.violations.push("an interaction is acknowledged twice".into());
            }
            return Err(Refusal::new(400, 40060, text));
        }
        let after = interaction.begun.elapsed();
        if after > DEADLINE {
            return Err(unknown());
        }
        let with = body["type"].as_u64().unwrap_or_default();
        let fits = match interaction.kind {
            2 => matches!(with, 4 | 5 | 9),
            3 | 5 => matches!(with, 4..=7) || with == 9 && interaction.kind == 3,
            4 => with == 8,
            _ => false,
        };
        if !fits {
            self.violations.push(format!("an acknowledgement of kind {with} that does not fit"));
            return Err(Refusal::new(400, 50035, "Invalid Form Body"));
        }
        interaction.acked = Some((with, after));
        interaction.data = body["data"].clone();
        let (channel, who) = (interaction.channel, interaction.who);
        if !matches!(with, 4 | 5) {
            return Ok((200, response(id, with, None)));
        }
        let aside = body["data"]["flags"].as_u64().unwrap_or_default() & (1 << 6) != 0;
        let mut message = said_by_bot(channel, &body["data"]);
        message.loading = with == 5;
        message.only_for = aside.then_some(who);
        message.id = self.id();
        let (follows, text) = (message.id, message.text.clone());
        self.add(message);
        let interaction = self.interactions.get_mut(&id).unwrap();
        interaction.follows = Some(follows);
        if aside {
            interaction.said.push(text);
        }
        Ok((200, response(id, with, Some(follows))))
    }
}

fn response(id: u64, with: u64, message: Option<u64>) -> Value {
    let mut interaction = json!({
        "id": id.to_string(), "type": 2, "response_message_loading": with == 5,
        "response_message_ephemeral": false,
    });
    if let Some(message) = message {
        interaction["response_message_id"] = message.to_string().into();
    }
    json!({ "interaction": interaction })
}
