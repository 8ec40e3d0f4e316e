//! The long poll: updates in, in order, each confirmed only after the hub has what came of it.
//!
//! The next `getUpdates` names an offset only past what was taken, so a crash in between brings the
//! same updates again and the hub, which knows each message by chat and number, takes none twice.
//! No offset is kept on disk: `update_id` may start anywhere after a quiet week
//! (<https://core.telegram.org/bots/api#update>), and Telegram keeps what was not confirmed.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::api::POLL;
use crate::api::Trouble;
use crate::inbound;
use crate::inbound::Inbound;
use crate::token::Token;

/// A poll that has not come back by then is dead, whatever the connection says: a laptop slept, or
/// a proxy holds a socket that leads nowhere.
const SILENCE: Duration = Duration::from_secs(POLL.as_secs() + 25);

/// Pauses after a failure, doubled from the first to the longest. Short ceiling: people wait.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// After so many failures in a row the connections are made anew.
const REBUILD: u32 = 3;

/// An update for the desk, with the word that it has been dealt with.
pub(crate) struct Delivered {
    pub(crate) inbound: Inbound,
    pub(crate) taken: oneshot::Sender<()>,
}

/// How the poll goes; what is healthy is an answered poll, not a running process.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Health {
    /// No poll was answered yet.
    #[default]
    Starting,
    /// The last poll was answered.
    Good,
    /// Polls fail, for this reason.
    Failing(String),
}

/// Polls until told to stop, and never gives up before.
pub(crate) async fn poll(
    token: Token,
    address: Option<String>,
    desk: mpsc::Sender<Delivered>,
    health: watch::Sender<Health>,
    stop: CancellationToken,
) {
    let Ok(mut api) = Api::new(token.clone(), address.as_deref()) else { return };
    let mut offset = None;
    let mut failures = 0u32;
    loop {
        let answer = tokio::select! {
            () = stop.cancelled() => return,
            answer = tokio::time::timeout(SILENCE, api.updates(offset)) => answer,
        };
        let trouble = match answer {
            Ok(Ok(updates)) => {
                failures = 0;
                say(&health, Health::Good);
                let mut behind = false;
                for update in updates {
                    match take(&desk, inbound::read(&update), &stop).await {
                        Taken::Yes => offset = Some(update.id.as_offset()),
                        Taken::Later => {
                            behind = true;
                            break;
                        }
                        Taken::Stopped => return,
                    }
                }
                if behind && rest(&stop, LONGEST_PAUSE.min(FIRST_PAUSE.saturating_mul(4))).await {
                    return;
                }
                continue;
            }
            Ok(Err(trouble)) => trouble,
            Err(_) => Trouble::Lost("the poll went silent".into()),
        };
        failures = failures.saturating_add(1);
        say(&health, Health::Failing(trouble.to_string()));
        let pause = match &trouble {
            Trouble::Pause(pause) => *pause,
            Trouble::Conflict => {
                tracing::warn!(
                    "another program polls with the same token; this one keeps trying, and \
                     messages may go to the other"
                );
                pause_after(failures)
            }
            Trouble::Hooked => {
                unhook(&api).await;
                pause_after(failures)
            }
            Trouble::BadToken => {
                tracing::error!("telegram does not know the token; set a valid one and restart");
                LONGEST_PAUSE
            }
            Trouble::NotReached(_)
            | Trouble::Lost(_)
            | Trouble::Refused(_)
            | Trouble::NotParsed(_)
            | Trouble::NotModified
            | Trouble::Moved(_) => {
                tracing::warn!(%trouble, failures, "a poll failed");
                pause_after(failures)
            }
        };
        if failures.is_multiple_of(REBUILD)
            && let Ok(new) = Api::new(token.clone(), address.as_deref())
        {
            api = new;
        }
        if rest(&stop, pause).await {
            return;
        }
    }
}

/// Takes the bot's updates back from a webhook. Nothing that waits is dropped with it.
async fn unhook(api: &Api) {
    tracing::warn!("a webhook was set for this bot; it is taken away, so that it can be polled");
    if let Err(trouble) = api.drop_webhook().await {
        tracing::warn!(%trouble, "the webhook stays");
    }
}

/// What became of an update.
enum Taken {
    /// It is dealt with.
    Yes,
    /// It could not be recorded; it comes again.
    Later,
    /// There is no going on.
    Stopped,
}

/// Hands an update to the desk and waits until it is dealt with.
async fn take(desk: &mpsc::Sender<Delivered>, inbound: Inbound, stop: &CancellationToken) -> Taken {
    let (taken, done) = oneshot::channel();
    tokio::select! {
        () = stop.cancelled() => return Taken::Stopped,
        sent = desk.send(Delivered { inbound, taken }) => {
            if sent.is_err() {
                return Taken::Stopped;
            }
        }
    }
    tokio::select! {
        () = stop.cancelled() => Taken::Stopped,
        // A desk that drops the word could not record the update.
        done = done => if done.is_ok() { Taken::Yes } else { Taken::Later },
    }
}

/// Waits; true when told to stop meanwhile.
async fn rest(stop: &CancellationToken, pause: Duration) -> bool {
    tokio::select! {
        () = stop.cancelled() => true,
        () = tokio::time::sleep(pause) => false,
    }
}

fn say(health: &watch::Sender<Health>, now: Health) {
    health.send_if_modified(|before| {
        let changed = *before != now;
        if changed {
            *before = now;
        }
        changed
    });
}

fn pause_after(failures: u32) -> Duration {
    let doubled = 1u32.checked_shl(failures.saturating_sub(1).min(16)).unwrap_or(u32::MAX);
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_ceiling() {
        let pauses: Vec<_> = [1, 2, 3, 6, 7, 400].map(pause_after).into();
        let expect = [500, 1000, 2000, 16_000, 20_000, 20_000].map(Duration::from_millis);
        assert_eq!(pauses, expect);
    }
}
