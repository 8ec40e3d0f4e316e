//! The gateway: sessions, what happens in them, and how they end.

use std::time::Duration;
use std::time::Instant;

use axum::extract::RawQuery;
use axum::extract::State as Shared;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::CloseFrame;
use axum::extract::ws::Message;
use axum::extract::ws::WebSocket;
use axum::response::Response;
use serde_json::Value;
use serde_json::json;

use super::APPLICATION;
use super::BOT;
use super::FakeDiscord;
use super::GUILD;
use super::ROLE;
use super::TOKEN;
use super::state::State;

const MESSAGE_CONTENT: u64 = 1 << 15;
const DIRECT_MESSAGES: u64 = 1 << 12;

/// What a session may miss and still be told; Discord keeps it for some minutes.
const KEPT: usize = 500;

/// A session of the bot.
#[derive(Debug)]
pub(super) struct Session {
    intents: u64,
    events: Vec<(u64, Value)>,
    seq: u64,
    /// Whether a connection serves it now, by its number.
    served: Option<u64>,
    /// What the connection is to do.
    order: Option<Order>,
    valid: bool,
}

/// What a connection is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Close(u16),
    Drop,
    Reconnect,
    Invalid { resumable: bool },
}

impl FakeDiscord {
    /// Closes the connection with a code.
    pub fn close(&self, code: u16) {
        self.give(Order::Close(code));
    }

    /// Cuts the connection off without a word.
    pub fn cut_off(&self) {
        self.give(Order::Drop);
    }

    /// Asks for another connection.
    pub fn ask_to_reconnect(&self) {
        self.give(Order::Reconnect);
    }

    /// Declares the session invalid.
    pub fn invalidate(&self, resumable: bool) {
        self.give(Order::Invalid { resumable });
    }

    /// Lets nobody resume: what is missed is not repeated.
    pub fn forget_sessions(&self) {
        for session in self.state().sessions.values_mut() {
            session.valid = false;
        }
    }

    /// Lets nobody in, or everybody again.
    pub fn let_in(&self, open: bool) {
        self.state().open = open;
        if !open {
            self.give(Order::Drop);
        }
    }

    /// How often a heartbeat is wanted, from the next connection on.
    pub fn beat_every(&self, interval: Duration) {
        self.state().interval = interval;
    }

    /// Leaves heartbeats unanswered, or answers them again.
    pub fn answer_beats(&self, answers: bool) {
        self.state().answers_beats = answers;
    }

    /// Takes the intent for what is written from the application.
    pub fn forbid_reading(&self) {
        self.state().reads = false;
    }

    /// Another process of the bot begins, which knows nothing of the one before.
    pub fn new_life(&self) {
        self.state().identified = None;
    }

    /// Sets an address that interactions are pushed to instead.
    pub fn set_endpoint(&self, url: &str) {
        self.state().endpoint = Some(url.to_owned());
    }

    /// How many sessions were begun anew.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.state().sessions.len()
    }

    /// Waits until so many sessions were begun, and the last one is served.
    pub async fn session(&self, count: usize) {
        let there = || (self.sessions() >= count && self.state().is_heard()).then_some(());
        self.wait("session", there).await;
    }

    fn give(&self, order: Order) {
        for session in self.state().sessions.values_mut() {
            if session.served.is_some() {
                session.order = Some(order);
            }
        }
        self.inner.news.notify_waiters();
    }
}

impl State {
    /// Whether a connection serves the bot.
    pub(super) fn is_heard(&self) -> bool {
        self.sessions.values().any(|session| session.served.is_some())
    }

    /// Something happens, for every session that is not over.
    pub(super) fn dispatch(&mut self, name: &str, data: Value) {
        let private = data["guild_id"].is_null() && name.starts_with("MESSAGE");
        let names: Vec<_> = self.sessions.keys().cloned().collect();
        for key in names {
            let (intents, valid) = {
                let session = &self.sessions[&key];
                (session.intents, session.valid)
            };
            if !valid || private && intents & DIRECT_MESSAGES == 0 {
                continue;
            }
            let data = match name {
                "MESSAGE_CREATE" | "MESSAGE_UPDATE" => {
                    self.veiled(data.clone(), intents & MESSAGE_CONTENT != 0)
                }
                _ => data.clone(),
            };
            let session = self.sessions.get_mut(&key).unwrap();
            session.say(name, data);
        }
    }

    fn ready(&mut self, intents: u64, connection: u64) -> String {
        let key = format!("session-{}", self.sessions.len());
        // One bot has one session here; the one before is over.
        for old in self.sessions.values_mut() {
            old.valid = false;
            old.served = None;
        }
        let mut session = Session {
            intents,
            events: Vec::new(),
            seq: 0,
            served: Some(connection),
            order: None,
            valid: true,
        };
        let flags = if self.reads { 1 << 19 } else { 0 };
        session.say(
            "READY",
            json!({
                "v": 10, "user": Self::user(BOT), "session_id": key, "shard": [0, 1],
                "guilds": [{ "id": GUILD.to_string(), "unavailable": true }],
                "resume_gateway_url": format!("ws://{}/gateway", self.address),
                "application": { "id": APPLICATION.to_string(), "flags": flags },
            }),
        );
        let (channels, threads): (Vec<_>, Vec<_>) = self
            .channels
            .iter()
            .filter(|(_, channel)| channel.guild.is_some() && !channel.archived)
            .map(|(id, channel)| (channel.parent.is_some(), self.channel_json(*id)))
            .partition(|(thread, _)| !thread);
        let only = |all: Vec<(bool, Value)>| all.into_iter().map(|(_, it)| it).collect::<Vec<_>>();
        session.say(
            "GUILD_CREATE",
            json!({
                "id": GUILD.to_string(), "name": "Server", "large": false, "member_count": 3,
                "joined_at": "2026-01-01T00:00:00.000000+00:00", "unavailable": false,
                "channels": only(channels), "threads": only(threads), "members": [],
                "roles": [{ "id": ROLE.to_string(), "name": "Approvers" }],
                "voice_states": [], "presences": [], "emojis": [], "stickers": [], "features": [],
            }),
        );
        self.sessions.insert(key.clone(), session);
        key
    }

    /// Lets a connection in; none with the code it is closed with.
    fn enter(&mut self, said: &Value, connection: u64) -> Result<Entered, u16> {
        let data = &said["d"];
        let token = data["token"].as_str().unwrap_or_default();
        match said["op"].as_u64() {
            Some(2) => {
                let intents = data["intents"].as_u64().ok_or(4013_u16)?;
                for part in ["os", "browser", "device"] {
                    if !data["properties"][part].is_string() {
                        self.violate(format!("the properties of an identify lack `{part}`"));
                        return Err(4002);
                    }
                }
                if token != TOKEN {
                    return Err(4004);
                }
                self.starts += 1;
                let pause = self.identify_pause;
                if self.identified.is_some_and(|at| at.elapsed() < pause) {
                    self.violate("two sessions are begun within five seconds");
                    return Ok(Entered::Invalid);
                }
                self.identified = Some(Instant::now());
                if intents & MESSAGE_CONTENT != 0 && !self.reads {
                    return Err(4014);
                }
                Ok(Entered::Session(self.ready(intents, connection), 0))
            }
            Some(6) => {
                if token != TOKEN {
                    return Err(4004);
                }
                let key = data["session_id"].as_str().unwrap_or_default().to_owned();
                let seq = data["seq"].as_u64().unwrap_or_default();
                match self.sessions.get_mut(&key) {
                    Some(session) if session.valid && session.knows(seq) => {
                        session.served = Some(connection);
                        session.order = None;
                        session.say("RESUMED", json!({}));
                        Ok(Entered::Session(key, seq))
                    }
                    _ => Ok(Entered::Invalid),
                }
            }
            _ => Err(4003),
        }
    }
}

enum Entered {
    /// A session, with what of it was heard.
    Session(String, u64),
    Invalid,
}

impl Session {
    fn say(&mut self, name: &str, data: Value) {
        self.seq += 1;
        self.events.push((self.seq, json!({ "op": 0, "s": self.seq, "t": name, "d": data })));
        if self.events.len() > KEPT {
            self.events.remove(0);
        }
    }

    /// Whether what came after a number can still be told.
    fn knows(&self, seq: u64) -> bool {
        seq <= self.seq && self.events.first().is_none_or(|(first, _)| *first <= seq + 1)
    }
}

pub(super) async fn enter(
    Shared(fake): Shared<FakeDiscord>,
    RawQuery(query): RawQuery,
    upgrade: WebSocketUpgrade,
) -> Response {
    let query = query.unwrap_or_default();
    if !query.contains("v=10") || !query.contains("encoding=json") {
        fake.state().violate(format!("the gateway is entered with `{query}`"));
    }
    upgrade.on_upgrade(move |socket| async move {
        let _gone = serve(fake, socket).await;
    })
}

async fn serve(fake: FakeDiscord, mut socket: WebSocket) -> Option<()> {
    let (interval, connection, open) = {
        let mut state = fake.state();
        (state.interval, state.id(), state.open)
    };
    if !open {
        return None;
    }
    let interval_ms = u64::try_from(interval.as_millis()).unwrap();
    let hello = json!({ "op": 10, "d": { "heartbeat_interval": interval_ms } });
    say(&mut socket, &hello).await?;
    let said = hear(&mut socket).await?;
    let entered = fake.state().enter(&said, connection);
    let (key, mut told) = match entered {
        Ok(Entered::Session(key, seq)) => (key, seq),
        Ok(Entered::Invalid) => {
            say(&mut socket, &json!({ "op": 9, "d": false })).await?;
            return None;
        }
        Err(code) => return close(&mut socket, code).await,
    };
    let mut beat = Instant::now();
    loop {
        let news = fake.inner.news.notified();
        let (events, order) = {
            let mut state = fake.state();
            let session = state.sessions.get_mut(&key)?;
            if session.served != Some(connection) {
                return None;
            }
            let events: Vec<_> =
                session.events.iter().filter(|(seq, _)| *seq > told).cloned().collect();
            (events, session.order.take())
        };
        for (seq, event) in events {
            say(&mut socket, &event).await?;
            told = seq;
        }
        if let Some(order) = order {
            fake.state().sessions.get_mut(&key)?.served = None;
            match order {
                Order::Close(code) => return close(&mut socket, code).await,
                Order::Drop => return None,
                Order::Reconnect => say(&mut socket, &json!({ "op": 7, "d": null })).await?,
                Order::Invalid { resumable } => {
                    fake.state().sessions.get_mut(&key)?.valid = resumable;
                    say(&mut socket, &json!({ "op": 9, "d": resumable })).await?;
                }
            }
            let _closed = tokio::time::timeout(Duration::from_secs(5), socket.recv()).await;
            return None;
        }
        tokio::select! {
            () = news => {}
            // Somebody may have been told between the look and the wait.
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                if beat.elapsed() > interval * 2 {
                    fake.state().violate("no heartbeat came in time");
                    return close(&mut socket, 4009).await;
                }
            }
            said = socket.recv() => {
                let Some(Ok(Message::Text(text))) = said else {
                    if let Some(session) = fake.state().sessions.get_mut(&key)
                        && session.served == Some(connection)
                    {
                        session.served = None;
                    }
                    return None;
                };
                let said: Value = serde_json::from_str(&text).ok()?;
                if said["op"] == 1 {
                    beat = Instant::now();
                    let answers = fake.state().answers_beats;
                    if answers {
                        say(&mut socket, &json!({ "op": 11 })).await?;
                    }
                } else {
                    fake.state().violate(format!("the gateway was told {said}"));
                    return close(&mut socket, 4001).await;
                }
            }
        }
    }
}

async fn say(socket: &mut WebSocket, what: &Value) -> Option<()> {
    socket.send(Message::Text(what.to_string().into())).await.ok()
}

async fn hear(socket: &mut WebSocket) -> Option<Value> {
    match tokio::time::timeout(Duration::from_secs(10), socket.recv()).await.ok()?? {
        Ok(Message::Text(text)) => serde_json::from_str(&text).ok(),
        _ => None,
    }
}

async fn close(socket: &mut WebSocket, code: u16) -> Option<()> {
    let frame = CloseFrame { code, reason: "".into() };
    socket.send(Message::Close(Some(frame))).await.ok();
    None
}
