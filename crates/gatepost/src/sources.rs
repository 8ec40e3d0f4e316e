//! The real clock and the real randomness, for the hub.

use std::sync::Arc;

use gatepost_hub::Clock;
use gatepost_hub::Entropy;
use gatepost_hub::Sources;
use jiff::Timestamp;

struct SystemClock;

struct SystemEntropy;

/// This machine's clock and random numbers.
pub(crate) fn system() -> Sources {
    Sources { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy) }
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
