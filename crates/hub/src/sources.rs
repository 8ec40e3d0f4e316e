//! Where the hub gets the time and random bits from; both come in through [`crate::start`].

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// Tells the time of day, for records and expiries.
pub trait Clock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// Draws random bits, for ids.
pub trait Entropy: Send + Sync + 'static {
    /// 128 fresh bits that nobody can guess: an approval's id is also the token on its buttons.
    /// There is no failing: an implementation that cannot get any must end the process.
    fn draw(&self) -> u128;
}

/// The hub's clock and entropy.
#[derive(Clone)]
pub struct Sources {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Random bits.
    pub entropy: Arc<dyn Entropy>,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}
