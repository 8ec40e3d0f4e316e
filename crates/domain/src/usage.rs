//! What language models used and what that cost, as counted by Gatepost itself.

use std::fmt;
use std::ops::Add;
use std::ops::AddAssign;

use serde::Deserialize;
use serde::Serialize;

/// Tokens of one or more model calls. The four kinds do not overlap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens read that came from no cache and went into none.
    pub input: u64,
    /// Tokens written, thinking included.
    pub output: u64,
    /// Tokens read from the provider's cache.
    pub cache_read: u64,
    /// Tokens that were put into it.
    pub cache_write: u64,
}

/// Money in billionths of a US dollar, so that the price of a single token is a whole number.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Cost(u64);

/// What a model's tokens cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// One token of [`Usage::input`].
    pub input: Cost,
    /// One token of [`Usage::output`].
    pub output: Cost,
    /// One token of [`Usage::cache_read`].
    pub cache_read: Cost,
    /// One token of [`Usage::cache_write`].
    pub cache_write: Cost,
}

/// What one model call used, as Gatepost counted it: read from the provider's own answer, on
/// Gatepost's side of the boundary. Budgets and summaries rest on this and never on what an agent
/// says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metered {
    /// The model, as the configuration names it.
    pub model: String,
    /// The tokens.
    #[serde(flatten)]
    pub usage: Usage,
    /// What they cost in billionths of a US dollar; none where the model has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// What it took to have one verdict of the classifier, over all of its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictCost {
    /// How many calls were answered.
    pub calls: u32,
    /// Their tokens.
    #[serde(flatten)]
    pub usage: Usage,
    /// What they cost; none where a model has no price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// How long the verdict took from question to answer, failed calls included, in milliseconds.
    pub took_ms: u64,
}

impl Default for VerdictCost {
    /// Nothing yet, which costs nothing.
    fn default() -> Self {
        Self { calls: 0, usage: Usage::default(), cost: Some(Cost::default()), took_ms: 0 }
    }
}

impl VerdictCost {
    /// Adds one call.
    pub fn add(&mut self, used: &Metered) {
        self.calls = self.calls.saturating_add(1);
        self.usage += used.usage;
        // A call without a price leaves the sum without one: a part is no whole.
        self.cost = self.cost.zip(used.cost).map(|(sum, more)| sum + more);
    }
}

impl AddAssign for VerdictCost {
    fn add_assign(&mut self, more: Self) {
        self.calls = self.calls.saturating_add(more.calls);
        self.usage += more.usage;
        self.cost = self.cost.zip(more.cost).map(|(sum, more)| sum + more);
        self.took_ms = self.took_ms.saturating_add(more.took_ms);
    }
}

impl Usage {
    /// Every token read, from wherever.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }

    /// Every token.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.read().saturating_add(self.output)
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write: self.cache_write.saturating_add(other.cache_write),
        }
    }
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Cost {
    /// So many billionths of a dollar.
    #[must_use]
    pub const fn from_nanodollars(nanodollars: u64) -> Self {
        Self(nanodollars)
    }

    /// In billionths of a dollar.
    #[must_use]
    pub const fn nanodollars(self) -> u64 {
        self.0
    }

    /// The price of one token where a million of them cost so many dollars. A million tokens at
    /// one dollar are a thousand billionths each.
    #[must_use]
    pub fn per_token(dollars_per_million: f64) -> Option<Self> {
        let nanodollars = dollars_per_million * 1_000.0;
        // Above this no price was meant, and below it every whole number is exact.
        let fits = (0.0..=1e12).contains(&nanodollars);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked above"
        )]
        fits.then(|| Self(nanodollars.round() as u64))
    }

    /// The same for a million tokens, in dollars.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "prices are small numbers")]
    pub fn dollars_per_million(self) -> f64 {
        self.0 as f64 / 1_000.0
    }

    fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl fmt::Display for Cost {
    /// In dollars, with cents where that is enough and four digits where it is not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded up: what is shown is never less than what was spent.
        let hundredths_of_cents = self.0.div_ceil(100_000);
        let (dollars, rest) = (hundredths_of_cents / 10_000, hundredths_of_cents % 10_000);
        if rest.is_multiple_of(100) {
            write!(f, "${dollars}.{:02}", rest / 100)
        } else {
            write!(f, "${dollars}.{rest:04}")
        }
    }
}

impl Price {
    /// What these tokens cost.
    #[must_use]
    pub fn of(&self, usage: Usage) -> Cost {
        self.input.times(usage.input)
            + self.output.times(usage.output)
            + self.cache_read.times(usage.cache_read)
            + self.cache_write.times(usage.cache_write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn price(input: f64, output: f64, cache_read: f64, cache_write: f64) -> Price {
        let cost = |dollars| Cost::per_token(dollars).unwrap();
        Price {
            input: cost(input),
            output: cost(output),
            cache_read: cost(cache_read),
            cache_write: cost(cache_write),
        }
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        let usage = Usage { input: 1_000_000, output: 100_000, cache_read: 10_000, cache_write: 1 };
        let cost = price(3.0, 15.0, 0.3, 3.75).of(usage);
        assert_eq!(cost.nanodollars(), 3_000_000_000 + 1_500_000_000 + 3_000_000 + 3_750);
        assert_eq!(cost.to_string(), "$4.5031", "never shown as less than it was");
        assert_eq!(usage.read(), 1_010_001);
        assert_eq!(usage.total(), 1_110_001);
    }

    #[test]
    fn no_price_is_negative_infinite_or_absurd() {
        for dollars in [-0.1, f64::NAN, f64::INFINITY, 1e12] {
            assert_eq!(Cost::per_token(dollars), None, "{dollars}");
        }
        assert_eq!(Cost::per_token(0.075).map(Cost::dollars_per_million), Some(0.075));
    }

    #[test]
    fn money_is_shown_in_dollars() {
        let shown = |nanodollars| Cost::from_nanodollars(nanodollars).to_string();
        assert_eq!(shown(0), "$0.00");
        assert_eq!(shown(1), "$0.0001");
        assert_eq!(shown(20_000_000), "$0.02");
        assert_eq!(shown(12_345_600_000), "$12.3456");
    }

    #[test]
    fn sums_do_not_overflow() {
        let most = Usage { input: u64::MAX, output: 1, cache_read: 0, cache_write: 0 };
        assert_eq!((most + most).input, u64::MAX);
        assert_eq!(price(1e9, 0.0, 0.0, 0.0).of(most).nanodollars(), u64::MAX);
    }
}
