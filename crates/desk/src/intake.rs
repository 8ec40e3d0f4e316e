//! The way in: one update after another, each confirmed only when it is dealt with.

use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::inbound::Inbound;

/// An update that is dealt with sooner holds nobody up.
pub const PATIENCE: Duration = Duration::from_millis(400);

/// Nobody misses an answer for this long; a longer silence is told.
pub const GAP: SignedDuration = SignedDuration::from_secs(60);

/// An update for the desk, with the word that it has been dealt with.
#[derive(Debug)]
pub struct Delivered {
    /// The update.
    pub inbound: Inbound,
    /// Whether it waited for somebody to listen.
    pub late: bool,
    /// Sent when what came of it is on record; dropped where that failed.
    pub taken: oneshot::Sender<()>,
}

/// What became of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is dealt with.
    Yes,
    /// It could not be recorded; it must be handed over again.
    Later,
    /// There is no going on.
    Stopped,
}

/// An update that the desk has begun on.
#[derive(Debug)]
pub enum Begun {
    /// It is over.
    Settled(Taken),
    /// It takes long; the word comes here.
    Long(oneshot::Receiver<()>),
}

/// Hands an update to the desk and waits until it is dealt with.
pub async fn take(
    desk: &mpsc::Sender<Delivered>,
    inbound: Inbound,
    late: bool,
    stop: &CancellationToken,
) -> Taken {
    match begin(desk, inbound, late, stop).await {
        Begun::Settled(taken) => taken,
        Begun::Long(done) => tokio::select! {
            () = stop.cancelled() => Taken::Stopped,
            done = done => taken_if(done.is_ok()),
        },
    }
}

/// Hands an update to the desk and waits for [`PATIENCE`], so that what takes long, such as
/// fetching a file, need not hold up what comes behind it.
pub async fn begin(
    desk: &mpsc::Sender<Delivered>,
    inbound: Inbound,
    late: bool,
    stop: &CancellationToken,
) -> Begun {
    let (taken, mut done) = oneshot::channel();
    tokio::select! {
        () = stop.cancelled() => return Begun::Settled(Taken::Stopped),
        sent = desk.send(Delivered { inbound, late, taken }) => {
            if sent.is_err() {
                return Begun::Settled(Taken::Stopped);
            }
        }
    }
    tokio::select! {
        () = stop.cancelled() => Begun::Settled(Taken::Stopped),
        in_time = tokio::time::timeout(PATIENCE, &mut done) => match in_time {
            Ok(done) => Begun::Settled(taken_if(done.is_ok())),
            Err(_) => Begun::Long(done),
        },
    }
}

/// A desk that drops the word could not record the update.
fn taken_if(said: bool) -> Taken {
    if said { Taken::Yes } else { Taken::Later }
}
