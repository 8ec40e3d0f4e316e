//! How the Telegram bot goes, in a file: the doctor reads it while Gatepost runs and after, and the
//! next start learns from it since when nobody has listened.

use std::path::Path;
use std::time::Duration;

use gatepost_telegram::Health;
use gatepost_telegram::Status;
use jiff::Timestamp;
use serde::Deserialize;
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::data::DataDir;
use crate::data::PULSE;

/// How often the file is written although nothing changed: a crash is dated this exactly.
const BEAT: Duration = Duration::from_secs(10);

/// How often it is written at most.
const AT_MOST: Duration = Duration::from_secs(1);

/// How the bot went when the file was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pulse {
    /// The process.
    pub(crate) pid: u32,
    /// When the file was written.
    pub(crate) at: Timestamp,
    /// How updates come.
    pub(crate) receives: Receives,
    /// How receiving went.
    pub(crate) health: String,
    /// Whether it went well.
    pub(crate) good: bool,
    /// Whether another program polled with the same token.
    pub(crate) conflict: bool,
    /// When everything that waited had last been taken.
    pub(crate) listened: Option<Timestamp>,
    /// When something last came in.
    pub(crate) inbound: Option<Timestamp>,
    /// Pushes without the secret.
    pub(crate) refused: u64,
}

/// How updates come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Receives {
    /// Gatepost asks for them.
    Poll,
    /// Telegram pushes them.
    Webhook,
}

impl Pulse {
    /// The file of a data directory; none when there is none that can be read.
    pub(crate) fn read(data: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(data.join(PULSE)).ok()?).ok()
    }

    /// Until when somebody listened.
    pub(crate) fn alive(&self) -> Option<Timestamp> {
        // While a poll is held open the last answer is older than the listening is.
        if self.good && self.listened.is_some() { Some(self.at) } else { self.listened }
    }

    fn of(status: &Status, before: Option<&Self>, receives: Receives, at: Timestamp) -> Self {
        Self {
            pid: std::process::id(),
            at,
            receives,
            health: match &status.health {
                Health::Starting => "it has not reached Telegram yet".into(),
                Health::Good => "it listens".into(),
                Health::Conflict => "another program polls with the same token".into(),
                Health::Failing(why) => why.clone(),
            },
            // Nothing that waited is left behind only once it has listened in this life.
            good: status.health == Health::Good && status.listened.is_some(),
            conflict: status.health == Health::Conflict,
            listened: status.listened.or_else(|| before.and_then(Self::alive)),
            inbound: status.inbound.or_else(|| before.and_then(|before| before.inbound)),
            refused: status.refused,
        }
    }
}

/// Writes the file until told to stop, and once more then.
pub(crate) async fn beat(
    data: DataDir,
    before: Option<Pulse>,
    receives: Receives,
    mut status: watch::Receiver<Status>,
    stop: CancellationToken,
) {
    loop {
        let now = status.borrow_and_update().clone();
        let pulse = Pulse::of(&now, before.as_ref(), receives, Timestamp::now());
        let written = serde_json::to_vec(&pulse)
            .map_err(std::io::Error::other)
            .and_then(|text| data.write(PULSE, &text));
        if let Err(error) = written {
            // The gap that the next start tells of is then told longer than it was.
            tracing::warn!(%error, "how telegram goes could not be written down");
        }
        if stop.is_cancelled() {
            return;
        }
        tokio::select! {
            () = stop.cancelled() => continue,
            () = tokio::time::sleep(AT_MOST) => {}
        }
        tokio::select! {
            () = stop.cancelled() => {}
            changed = status.changed() => {
                if changed.is_err() {
                    // The adapter is gone; nothing changes any more until the end.
                    stop.cancelled().await;
                }
            }
            () = tokio::time::sleep(BEAT) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn listening_ends_with_the_last_beat_that_was_good() {
        let good = Status { health: Health::Good, listened: Some(at(100)), ..Status::default() };
        let pulse = Pulse::of(&good, None, Receives::Poll, at(120));
        assert_eq!(pulse.alive(), Some(at(120)));
        let failing = Status { health: Health::Conflict, ..good };
        let pulse = Pulse::of(&failing, None, Receives::Poll, at(500));
        assert_eq!(pulse.alive(), Some(at(100)));
        assert!(pulse.conflict);
    }

    #[test]
    fn a_life_that_never_listened_leaves_the_gap_open() {
        let good = Status { health: Health::Good, listened: Some(at(100)), ..Status::default() };
        let first = Pulse::of(&good, None, Receives::Poll, at(110));
        let second = Pulse::of(
            &Status { health: Health::Good, ..Status::default() },
            Some(&first),
            Receives::Poll,
            at(900),
        );
        assert_eq!(second.alive(), Some(at(110)), "what waited is not all taken yet");
    }
}
