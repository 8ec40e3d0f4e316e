//! The real clock and the real randomness, for the hub.

use std::sync::Arc;

use gatepost_hub::Clock;
use gatepost_hub::Entropy;
use gatepost_hub::Sources;
use jiff::Timestamp;
use jiff::tz::TimeZone;

struct SystemClock;

struct SystemEntropy;

/// This machine's clock and random numbers.
pub(crate) fn system() -> Sources {
    Sources { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
}

/// The same for a chat, with this machine's time zone.
pub(crate) fn chat() -> gatepost_desk::settings::Sources {
    let system = system();
    gatepost_desk::settings::Sources {
        now: Arc::new(Timestamp::now),
        offset: Arc::new(|at| TimeZone::system().to_offset(at)),
        draw: Arc::new(move || system.entropy.draw()),
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

impl Entropy for SystemEntropy {
    fn draw(&self) -> u128 {
        let mut bytes = [0; 16];
        if let Err(error) = getrandom::fill(&mut bytes) {
            // A button that can be guessed is worse than no service; the journal is whole.
            crate::out::note(&format!("gatepost: the system gives no random numbers: {error}\n"));
            std::process::abort();
        }
        u128::from_ne_bytes(bytes)
    }
}
