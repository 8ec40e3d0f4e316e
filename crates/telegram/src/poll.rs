//! The long poll: updates in, in order, each confirmed only after the hub has what came of it.
//!
//! The next `getUpdates` names an offset only past what was taken, so a crash in between brings the
//! same updates again and the hub, which knows each message by chat and number, takes none twice.
//! No offset is kept longer than it takes to confirm: `update_id` may start anywhere after a quiet
//! week (<https://core.telegram.org/bots/api#update>), and Telegram keeps what was not confirmed.

use std::time::Duration;

use gatepost_desk::inbound::Gap;
use gatepost_desk::inbound::Inbound;
use gatepost_desk::intake::Begun;
use gatepost_desk::intake::Delivered;
use gatepost_desk::intake::GAP;
use gatepost_desk::intake::Taken;
use gatepost_desk::intake::begin;
use gatepost_desk::intake::take;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::api::Trouble;
use crate::inbound;
use crate::status::Health;
use crate::status::Teller;
use crate::token::Token;

mod front;

use front::Front;
use front::Settled;
use front::Turn;

/// How long Telegram holds a poll open when there is nothing to say.
const POLL: Duration = Duration::from_secs(25);

/// As [`POLL`], while it is not known whether anything still waits. Telegram wants it positive
/// (<https://core.telegram.org/bots/api#getupdates>).
const LOOK: Duration = Duration::from_secs(1);

/// Pauses after a failure, doubled from the first to the longest. Short ceiling: people wait.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// A conflict lasts as long as a poll that an earlier life of this program left open, which is under
/// a minute; whoever waits for an answer should not wait for much more.
const CONFLICT_PAUSE: Duration = Duration::from_secs(5);

/// An update that could not be recorded is taken again after this.
const REFUSED_PAUSE: Duration = Duration::from_secs(2);

/// After so many failures in a row the connections are made anew.
const REBUILD: u32 = 3;

/// What a poll is made of.
pub(crate) struct Polling {
    pub(crate) token: Token,
    pub(crate) address: Option<String>,
    /// A poll that has not come back by then is dead, whatever the connection says: a laptop
    /// slept, or a proxy holds a socket that leads nowhere.
    pub(crate) silence: Duration,
    /// When an earlier life last listened.
    pub(crate) last: Option<Timestamp>,
    pub(crate) desk: mpsc::Sender<Delivered>,
    pub(crate) teller: Teller,
    pub(crate) stop: CancellationToken,
}

/// Polls until told to stop, and never gives up before.
pub(crate) async fn poll(polling: Polling) {
    let Polling { token, address, silence, last, desk, teller, stop } = polling;
    let Ok(mut api) = Api::new(token.clone(), address.as_deref()) else { return };
    let mut offset = None;
    let mut failures = 0u32;
    let mut last = last;
    // What waits is taken first, and then it is said how long nobody listened.
    let mut behind = Some(true);
    let mut front = Front::default();
    loop {
        match front.settle().await {
            Settled::Done(past) => offset = Some(past),
            Settled::Again => {
                if rest(&stop, REFUSED_PAUSE).await {
                    return;
                }
            }
            Settled::Nothing => {}
        }
        let hold = if behind.is_some() { LOOK } else { POLL.min(silence / 2) };
        let answer = tokio::select! {
            () = stop.cancelled() => return,
            answer = tokio::time::timeout(silence, api.updates(offset, hold)) => answer,
        };
        let trouble = match answer {
            Ok(Ok(updates)) => {
                failures = 0;
                teller.answered();
                if !updates.is_empty() && !front.is_held() {
                    teller.inbound();
                }
                let caught_up = updates.is_empty();
                if caught_up {
                    front.clear();
                    // The offset was named and is done with. Held on to, it would confirm what
                    // nobody saw, should the numbers start anew below it.
                    offset = None;
                }
                let mut refused = false;
                for update in updates {
                    let (id, inbound) = (update.id.0, inbound::read(&update));
                    let (past, late) = (update.id.as_offset(), behind.is_some());
                    let turn = front.turn(id);
                    let taken = match (turn, &inbound) {
                        (Turn::Behind, _) => Taken::Yes,
                        (Turn::Waits, _) => continue,
                        (Turn::Take, _) => match begin(&desk, inbound, late, &stop).await {
                            Begun::Settled(taken) => taken,
                            Begun::Long(done) => {
                                front.hold(id, past, done);
                                continue;
                            }
                        },
                        (Turn::Overtake, Inbound::Pressed(_)) => {
                            take(&desk, inbound, late, &stop).await
                        }
                        (Turn::Overtake, _) => continue,
                    };
                    match taken {
                        Taken::Yes if turn == Turn::Overtake => front.overtaken_by(id),
                        Taken::Yes => offset = Some(past),
                        Taken::Later => {
                            refused = true;
                            break;
                        }
                        Taken::Stopped => return,
                    }
                }
                if refused {
                    if rest(&stop, REFUSED_PAUSE).await {
                        return;
                    }
                    continue;
                }
                if let Some(down) = behind.filter(|_| caught_up) {
                    let gap = Inbound::CaughtUp(Gap { from: last, to: teller.now(), down });
                    match take(&desk, gap, true, &stop).await {
                        Taken::Yes => behind = None,
                        Taken::Later => {}
                        Taken::Stopped => return,
                    }
                }
                if behind.is_none() {
                    teller.listened();
                    last = Some(teller.now());
                }
                continue;
            }
            Ok(Err(trouble)) => trouble,
            Err(_) => Trouble::Lost("the poll went silent".into()),
        };
        failures = failures.saturating_add(1);
        if last.is_some_and(|last| teller.now().duration_since(last) > GAP) {
            behind = behind.or(Some(false));
        }
        teller.failing(match &trouble {
            Trouble::Conflict => Health::Conflict,
            other => Health::Failing(other.to_string()),
        });
        let pause = match &trouble {
            Trouble::Pause(pause) => *pause,
            Trouble::Conflict => {
                tracing::warn!(
                    "another program polls with the same token; this one keeps trying, and \
                     messages may go to the other"
                );
                pause_after(failures).min(CONFLICT_PAUSE)
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
            | Trouble::NoTopic(_)
            | Trouble::TopicClosed(_)
            | Trouble::TooLarge(_)
            | Trouble::Moved(_) => {
                tracing::warn!(%trouble, failures, "a poll failed");
                pause_after(failures)
            }
        };
        // A connection that leads nowhere may be one of many that died together.
        if (matches!(trouble, Trouble::Lost(_)) || failures.is_multiple_of(REBUILD))
            && let Ok(new) = Api::new(token.clone(), address.as_deref())
        {
            tracing::info!(failures, "the connections to telegram are made anew");
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

/// Waits; true when told to stop meanwhile.
async fn rest(stop: &CancellationToken, pause: Duration) -> bool {
    tokio::select! {
        () = stop.cancelled() => true,
        () = tokio::time::sleep(pause) => false,
    }
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
