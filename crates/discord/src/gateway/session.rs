//! What is known of a session, and what each thing that Discord says means for it; pure.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use serenity::model::gateway::GatewayIntents;

use crate::api::Intents;

/// After a session was declared invalid, before a new one
/// (<https://discord.com/developers/docs/events/gateway#resuming>: one to five seconds).
const INVALID_PAUSE: Duration = Duration::from_secs(2);

/// After too many sends (<https://discord.com/developers/docs/events/gateway#rate-limiting>: 120 in
/// a minute).
const TOO_MANY: Duration = Duration::from_secs(60);

/// A session with Discord.
#[derive(Debug, Default)]
pub(super) struct Session {
    id: Option<String>,
    resume_url: Option<String>,
    seq: Option<u64>,
    /// Whether it got as far as being let in since this was last asked.
    settled: bool,
}

/// What something that Discord said means.
#[derive(Debug, PartialEq)]
pub(super) enum Frame {
    /// A heartbeat was answered.
    Answered,
    /// One is wanted now.
    Beat,
    /// A new session began.
    Began,
    /// The old one goes on.
    Resumed,
    /// Something happened.
    Event { name: String, data: Value },
    /// The connection is to be made anew.
    End(End),
    /// Nothing.
    Other,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// The session can go on over another.
    Resume(String),
    /// A new session is needed.
    Anew(String),
    /// After this long.
    Wait(Duration, String),
    /// The bot may not read what is written.
    NoContent,
    /// Only a person can mend it.
    Hopeless(String),
}

impl End {
    pub(super) fn why(&self) -> Option<&str> {
        match self {
            Self::Resume(why) | Self::Anew(why) | Self::Wait(_, why) | Self::Hopeless(why) => {
                Some(why)
            }
            Self::NoContent => None,
        }
    }
}

impl Session {
    /// Where to go on; none where there is nothing to go on with, or no address for it.
    pub(super) fn resume_url(&self) -> Option<&str> {
        self.id.as_ref().and(self.resume_url.as_deref())
    }

    /// The address is no good.
    pub(super) fn forget_url(&mut self) {
        self.resume_url = None;
    }

    /// There is nothing to go on with.
    pub(super) fn forget(&mut self) {
        *self = Self { settled: self.settled, ..Self::default() };
    }

    /// Whether Discord let it in since this was last asked.
    pub(super) fn take_settled(&mut self) -> bool {
        std::mem::take(&mut self.settled)
    }

    /// What goes on with the session, if there is one.
    pub(super) fn resuming(&self, token: &str) -> Option<Value> {
        let id = self.id.as_ref()?;
        Some(json!({ "op": 6, "d": { "token": token, "session_id": id, "seq": self.seq } }))
    }

    /// A heartbeat.
    pub(super) fn heartbeat(&self) -> Value {
        json!({ "op": 1, "d": self.seq })
    }

    /// What something that Discord said means.
    pub(super) fn read(&mut self, text: &str) -> Frame {
        let Ok(mut said) = serde_json::from_str::<Value>(text) else {
            return Frame::End(End::Resume("discord said something that cannot be read".into()));
        };
        let data = said.get_mut("d").map(Value::take).unwrap_or_default();
        match said.get("op").and_then(Value::as_u64) {
            Some(0) => {
                if let Some(seq) = said.get("s").and_then(Value::as_u64) {
                    self.seq = Some(seq);
                }
                let name = said.get("t").and_then(Value::as_str).unwrap_or_default().to_owned();
                self.happened(name, data)
            }
            Some(1) => Frame::Beat,
            Some(7) => Frame::End(End::Resume("discord asks for another connection".into())),
            Some(9) if data == Value::Bool(true) => {
                Frame::End(End::Resume("the session was interrupted".into()))
            }
            Some(9) => {
                self.forget();
                Frame::End(End::Wait(INVALID_PAUSE, "the session is no longer valid".into()))
            }
            Some(11) => Frame::Answered,
            Some(_) | None => Frame::Other,
        }
    }

    fn happened(&mut self, name: String, data: Value) -> Frame {
        match name.as_str() {
            "READY" => {
                let text = |name: &str| data.get(name).and_then(Value::as_str).map(str::to_owned);
                self.id = text("session_id");
                self.resume_url = text("resume_gateway_url");
                self.settled = true;
                Frame::Began
            }
            "RESUMED" => {
                self.settled = true;
                Frame::Resumed
            }
            _ => Frame::Event { name, data },
        }
    }
}

/// What begins a new session.
pub(super) fn identify(token: &str, intents: Intents) -> Value {
    // A bot that is spoken to by everybody: servers, their messages, private messages, and what is in
    // messages (<https://discord.com/developers/docs/events/gateway#list-of-intents>).
    let content = match intents {
        Intents::Content => GatewayIntents::MESSAGE_CONTENT,
        Intents::NoContent => GatewayIntents::empty(),
    };
    let intents = GatewayIntents::GUILDS
        | GatewayIntents::GUILD_MESSAGES
        | GatewayIntents::DIRECT_MESSAGES
        | content;
    json!({ "op": 2, "d": {
        "token": token,
        "intents": intents.bits(),
        "properties": { "os": std::env::consts::OS, "browser": "gatepost", "device": "gatepost" },
        "compress": false,
        "large_threshold": 50,
    }})
}

/// How often a heartbeat is wanted, if this is a greeting.
pub(super) fn hello(text: &str) -> Option<Duration> {
    let said: Value = serde_json::from_str(text).ok()?;
    let interval = said.pointer("/d/heartbeat_interval")?.as_u64()?;
    (said.get("op")?.as_u64()? == 10 && interval > 0).then(|| Duration::from_millis(interval))
}

/// What a close means
/// (<https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes>).
pub(super) fn closed(code: Option<u16>, intents: Intents) -> End {
    match code {
        Some(4004) => {
            End::Hopeless("discord does not know the token; set a valid one and restart".into())
        }
        Some(4010..=4012) => {
            End::Hopeless("discord wants another way of connecting; update gatepost".into())
        }
        Some(4013 | 4014) if intents == Intents::Content => End::NoContent,
        Some(4013 | 4014) => End::Hopeless("discord allows the bot none of its intents".into()),
        Some(4007 | 4009) => End::Anew("the session ran out".into()),
        Some(4008) => End::Wait(TOO_MANY, "too much was sent to discord".into()),
        Some(code) => End::Resume(format!("discord closed the connection with {code}")),
        None => End::Resume("discord closed the connection".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> String {
        json!({"op": 0, "s": 1, "t": "READY", "d": {
            "session_id": "abc", "resume_gateway_url": "wss://resume.example",
        }})
        .to_string()
    }

    #[test]
    fn a_session_goes_on_where_it_broke_off_and_at_the_address_that_was_named_for_it() {
        let mut session = Session::default();
        assert_eq!((session.resuming("T"), session.resume_url()), (None, None));
        assert_eq!(session.heartbeat(), json!({"op": 1, "d": null}));
        assert_eq!(session.read(&ready()), Frame::Began);
        let event = json!({"op": 0, "s": 7, "t": "MESSAGE_CREATE", "d": {"id": "1"}}).to_string();
        assert!(
            matches!(session.read(&event), Frame::Event { name, .. } if name == "MESSAGE_CREATE")
        );
        assert_eq!(session.heartbeat(), json!({"op": 1, "d": 7}));
        assert_eq!(session.resume_url(), Some("wss://resume.example"));
        let resume = session.resuming("T").unwrap();
        assert_eq!(resume["d"], json!({"token": "T", "session_id": "abc", "seq": 7}));
        assert!(session.take_settled() && !session.take_settled());
        // Without its address the session is still the one to go on with.
        session.forget_url();
        assert!(session.resume_url().is_none() && session.resuming("T").is_some());
    }

    #[test]
    fn what_is_no_longer_valid_is_begun_anew_and_what_was_interrupted_goes_on() {
        let mut session = Session::default();
        session.read(&ready());
        let reconnect = json!({"op": 7, "d": null}).to_string();
        assert!(matches!(session.read(&reconnect), Frame::End(End::Resume(_))));
        let interrupted = json!({"op": 9, "d": true}).to_string();
        assert!(matches!(session.read(&interrupted), Frame::End(End::Resume(_))));
        assert!(session.resuming("T").is_some());
        let invalid = json!({"op": 9, "d": false}).to_string();
        assert!(matches!(session.read(&invalid), Frame::End(End::Wait(..))));
        assert_eq!(session.resuming("T"), None);
    }

    #[test]
    fn each_close_has_its_meaning() {
        let closed = |code| closed(code, Intents::Content);
        assert!(matches!(closed(Some(4004)), End::Hopeless(_)));
        assert_eq!(closed(Some(4014)), End::NoContent);
        assert!(matches!(super::closed(Some(4014), Intents::NoContent), End::Hopeless(_)));
        for code in [4007, 4009] {
            assert!(matches!(closed(Some(code)), End::Anew(_)));
        }
        for code in [None, Some(1000), Some(1006), Some(4000), Some(4999)] {
            assert!(matches!(closed(code), End::Resume(_)), "{code:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_ends_a_connection_and_no_program() {
        let mut session = Session::default();
        assert!(matches!(session.read("{"), Frame::End(End::Resume(_))));
        assert_eq!(session.read("[]"), Frame::Other);
        assert_eq!(session.read(r#"{"op": 99}"#), Frame::Other);
        assert_eq!(hello(r#"{"op": 10, "d": {"heartbeat_interval": 0}}"#), None);
    }
}
