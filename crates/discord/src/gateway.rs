//! The gateway: everything that happens, as it happens, over one connection that is made again and
//! again.
//!
//! A session that breaks off is resumed, and Discord then repeats what was missed. Where it cannot be
//! resumed a new one begins, [`News::Began`], and whoever listens fetches what was said meanwhile.
//! Heartbeats that are not answered mean that the connection leads nowhere, whatever it looks like
//! (<https://discord.com/developers/docs/events/gateway>).

use std::time::Duration;

use futures::SinkExt;
use futures::StreamExt;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::api::Fault;
use crate::api::Intents;
use crate::api::chain;
use crate::status::Health;
use crate::status::Teller;

mod session;

use session::End;
use session::Frame;
use session::Session;
use session::closed;

/// How long making a connection may take, and how long Discord may take to greet.
const CONNECT: Duration = Duration::from_secs(15);

/// The largest message; a large server's description has a few megabytes.
const LARGEST: usize = 16 << 20;

/// Between two sessions that are begun anew
/// (<https://discord.com/developers/docs/events/gateway#rate-limiting>: one in five seconds).
const IDENTIFY_PAUSE: Duration = Duration::from_millis(5200);

/// Pauses after a failure, doubled from the first to the longest. Short ceiling: people wait.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// After a refusal that only a person can mend; each try counts against the day's sessions.
const HOPELESS: Duration = Duration::from_secs(120);

/// What the gateway brings.
#[derive(Debug)]
pub(crate) enum News {
    /// A new session: what was said before it, since the last one, was not heard.
    Began,
    /// Something happened.
    Event {
        /// What, by Discord's name of it.
        name: String,
        /// The rest.
        data: Value,
    },
}

/// What the gateway is made of.
pub(crate) struct Listening {
    pub(crate) api: Api,
    pub(crate) intents: Intents,
    pub(crate) news: mpsc::Sender<News>,
    /// What people do with buttons and commands. It waits for nothing else.
    pub(crate) clicks: mpsc::Sender<Value>,
    pub(crate) teller: Teller,
    pub(crate) stop: CancellationToken,
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Listens until told to stop, and never gives up before.
pub(crate) async fn listen(mut listening: Listening) {
    let stop = listening.stop.clone();
    let mut session = Session::default();
    let mut began = None::<Instant>;
    let mut failures = 0u32;
    loop {
        let end = tokio::select! {
            () = stop.cancelled() => return,
            end = listening.connection(&mut session, &mut began) => end,
        };
        if session.take_settled() {
            failures = 0;
        }
        failures = failures.saturating_add(1);
        let pause = match &end {
            End::Resume(_) => pause_after(failures),
            End::Anew(_) => {
                session.forget();
                pause_after(failures)
            }
            End::Wait(pause, _) => *pause,
            End::NoContent => {
                tracing::warn!(
                    "the message-content intent is off for this bot; it listens without, and takes \
                     tasks by `/run` and by its name"
                );
                listening.intents = Intents::NoContent;
                session.forget();
                FIRST_PAUSE
            }
            End::Hopeless(why) => {
                tracing::error!(%why, "discord does not let the bot in");
                session.forget();
                HOPELESS
            }
        };
        if let Some(why) = end.why() {
            tracing::warn!(%why, failures, "the connection to discord ended; it is made anew");
            listening.teller.is(Health::Failing(why.to_owned()));
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl Listening {
    /// One connection, from its making to its end.
    async fn connection(&self, session: &mut Session, began: &mut Option<Instant>) -> End {
        let url = match session.resume_url() {
            Some(url) => url.to_owned(),
            None => {
                if let Some(at) = *began {
                    tokio::time::sleep_until(at + IDENTIFY_PAUSE).await;
                }
                match self.gateway().await {
                    Ok(url) => url,
                    Err(end) => return end,
                }
            }
        };
        let mut socket = match connect(&url).await {
            Ok(socket) => socket,
            Err(why) => {
                // The address for resuming may be gone for good; the next try asks for another.
                session.forget_url();
                return End::Resume(self.api.token().scrub(&why));
            }
        };
        let interval = match tokio::time::timeout(CONNECT, hello(&mut socket)).await {
            Ok(Some(interval)) => interval,
            Ok(None) | Err(_) => return End::Resume("discord did not greet".into()),
        };
        let opening = match session.resuming(self.api.token().reveal()) {
            Some(resume) => resume,
            None => {
                *began = Some(Instant::now());
                session::identify(self.api.token().reveal(), self.intents)
            }
        };
        if let Err(why) = send(&mut socket, &opening).await {
            return End::Resume(why);
        }
        let end = self.converse(&mut socket, session, interval).await;
        // Any other code than these two lets the session be resumed.
        let code = CloseCode::from(4000);
        let _it_may_be_gone = tokio::time::timeout(FIRST_PAUSE, close(&mut socket, code)).await;
        end
    }

    async fn converse(
        &self,
        socket: &mut Socket,
        session: &mut Session,
        interval: Duration,
    ) -> End {
        // The first is early, so that a crowd that was cut off together does not come back together.
        let mut beat = Instant::now() + interval / 3;
        let mut answered = true;
        loop {
            let message = tokio::select! {
                () = tokio::time::sleep_until(beat) => {
                    if !answered {
                        return End::Resume("a heartbeat was not answered".into());
                    }
                    answered = false;
                    beat = Instant::now() + interval;
                    if let Err(why) = send(socket, &session.heartbeat()).await {
                        return End::Resume(why);
                    }
                    continue;
                }
                message = socket.next() => message,
            };
            let text = match message {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.as_ref().map(|frame| u16::from(frame.code));
                    return closed(code, self.intents);
                }
                Some(Ok(_)) => continue,
                Some(Err(error)) => {
                    return End::Resume(self.api.token().scrub(&chain(&error)));
                }
                None => return End::Resume("discord closed the connection".into()),
            };
            match session.read(&text) {
                Frame::Answered => {
                    answered = true;
                    self.heard();
                }
                Frame::Beat => {
                    if let Err(why) = send(socket, &session.heartbeat()).await {
                        return End::Resume(why);
                    }
                }
                Frame::Began => {
                    self.heard();
                    if let Some(end) = self.pass_on(News::Began) {
                        return end;
                    }
                }
                Frame::Resumed => {
                    tracing::info!("the session with discord goes on where it broke off");
                    self.heard();
                }
                Frame::Event { name, data } if name == "INTERACTION_CREATE" => {
                    if self.clicks.try_send(data).is_err() {
                        tracing::warn!("an interaction is left out: too many wait");
                    }
                }
                Frame::Event { name, data } => {
                    if let Some(end) = self.pass_on(News::Event { name, data }) {
                        return end;
                    }
                }
                Frame::End(end) => return end,
                Frame::Other => {}
            }
        }
    }

    /// Hands something on without waiting: a heartbeat must not. Where too much waits the session is
    /// begun anew, and what was not passed on is fetched.
    fn pass_on(&self, news: News) -> Option<End> {
        match self.news.try_send(news) {
            Ok(()) => None,
            Err(mpsc::error::TrySendError::Full(_)) => {
                Some(End::Anew("more happens than can be dealt with".into()))
            }
            Err(mpsc::error::TrySendError::Closed(_)) => {
                Some(End::Wait(LONGEST_PAUSE, "nobody listens any more".into()))
            }
        }
    }

    fn heard(&self) {
        self.teller.is(match self.intents {
            Intents::Content => Health::Good,
            Intents::NoContent => Health::Deaf,
        });
    }

    /// Where to connect to, when a new session may be begun.
    async fn gateway(&self) -> Result<String, End> {
        let gateway = match self.api.gateway().await {
            Ok(gateway) => gateway,
            Err(Fault::BadToken) => {
                return Err(End::Hopeless(
                    "discord does not know the token; set a valid one and restart".into(),
                ));
            }
            Err(Fault::Pause(pause)) => {
                return Err(End::Wait(pause, "discord asks for a pause".into()));
            }
            Err(fault) => return Err(End::Anew(fault.to_string())),
        };
        match gateway.session_start_limit {
            Some(limit) if limit.remaining == 0 => {
                let pause = Duration::from_millis(limit.reset_after);
                let why = format!(
                    "the day's sessions are used up; the next can begin in {} s",
                    pause.as_secs()
                );
                Err(End::Wait(pause, why))
            }
            Some(_) | None => Ok(gateway.url),
        }
    }
}

async fn connect(url: &str) -> Result<Socket, String> {
    let url = format!("{}/?v=10&encoding=json", url.trim_end_matches('/'));
    let config =
        WebSocketConfig::default().max_message_size(Some(LARGEST)).max_frame_size(Some(LARGEST));
    let connecting = tokio_tungstenite::connect_async_with_config(&url, Some(config), true);
    match tokio::time::timeout(CONNECT, connecting).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(error)) => Err(format!("the gateway cannot be reached: {}", chain(&error))),
        Err(_) => Err("the gateway cannot be reached: it takes too long".into()),
    }
}

/// The first thing that Discord says: how often a heartbeat is wanted.
async fn hello(socket: &mut Socket) -> Option<Duration> {
    loop {
        match socket.next().await? {
            Ok(Message::Text(text)) => return session::hello(&text),
            Ok(Message::Close(_)) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

async fn send(socket: &mut Socket, what: &Value) -> Result<(), String> {
    socket
        .send(Message::text(what.to_string()))
        .await
        .map_err(|error| format!("nothing can be sent: {}", chain(&error)))
}

async fn close(socket: &mut Socket, code: CloseCode) {
    let frame = CloseFrame { code, reason: "".into() };
    let _it_may_be_gone = socket.close(Some(frame)).await;
}

fn pause_after(failures: u32) -> Duration {
    let doubled = 1u32.checked_shl(failures.saturating_sub(1).min(16)).unwrap_or(u32::MAX);
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}
