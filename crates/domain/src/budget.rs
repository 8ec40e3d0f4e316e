//! What may be spent on models, and how a person lets it be more.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::Serialize;

use crate::approval::Settlement;
use crate::outcome::Reason;
use crate::usage::Cost;

/// The most that may be spent. Nothing set means no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// In money; models without a price are then not called at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// In tokens of every kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// A text that is no budget.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no budget; write one such as `$5`, `2000000 tokens` or `$5, 2000000 tokens`")]
pub struct LimitError(String);

/// Whose budget it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purse {
    /// That of one task, over all its runs.
    Task,
    /// That of all tasks in one day.
    Day(
        /// Which day, as a number of its own; no two days share one.
        i64,
    ),
}

/// A budget that is spent, and what it would be once a person has let it be more. It names the sum
/// that holds from then on, so that it makes no difference how often it is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raise {
    /// Whose.
    pub of: Purse,
    /// What may be spent now.
    pub from: Limit,
    /// What may be spent then.
    pub to: Limit,
}

/// A budget that has no room for what was wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Short {
    /// What a person would have to grant for it.
    pub raise: Raise,
    /// What was spent, in words.
    pub spent: String,
}

impl Short {
    /// One sentence: whose budget it is, and what was spent of it.
    #[must_use]
    pub fn words(&self) -> String {
        format!("{} is spent ({})", self.raise.of.words(), self.spent)
    }
}

impl FromStr for Limit {
    type Err = LimitError;

    /// Reads `$5`, `$0.50`, `2000000 tokens`, or both with a comma between them.
    fn from_str(text: &str) -> Result<Self, LimitError> {
        let wrong = || LimitError(text.to_owned());
        let mut limit = Self::default();
        for part in text.split(',').map(str::trim) {
            if let Some(dollars) = part.strip_prefix('$') {
                let cost = dollars.parse().ok().and_then(nanodollars).ok_or_else(wrong)?;
                if limit.cost.replace(cost).is_some() {
                    return Err(wrong());
                }
            } else {
                let count = part.strip_suffix("tokens").ok_or_else(wrong)?;
                let tokens = count.trim().replace('_', "").parse().map_err(|_| wrong())?;
                if tokens == 0 || limit.tokens.replace(tokens).is_some() {
                    return Err(wrong());
                }
            }
        }
        Ok(limit)
    }
}

/// Dollars as money; none for what no budget is.
fn nanodollars(dollars: f64) -> Option<Cost> {
    // A million tokens at a dollar are a thousand billionths each: a thousand times that is a
    // millionth of a dollar, and so on. Whole millionths are exact far above every budget.
    let millionths = Cost::per_token(dollars * 1_000.0)?.nanodollars();
    let cost = Cost::from_nanodollars(millionths.saturating_mul(1_000));
    (cost > Cost::default()).then_some(cost)
}

impl Limit {
    /// The greater of both, part by part; no bound stays none.
    #[must_use]
    pub fn raised_to(self, to: Self) -> Self {
        Self {
            cost: self.cost.map(|cost| cost.max(to.cost.unwrap_or_default())),
            tokens: self.tokens.map(|tokens| tokens.max(to.tokens.unwrap_or_default())),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.cost, self.tokens) {
            (Some(cost), Some(tokens)) => write!(f, "{cost} and {tokens} tokens"),
            (Some(cost), None) => write!(f, "{cost}"),
            (None, Some(tokens)) => write!(f, "{tokens} tokens"),
            (None, None) => f.write_str("no bound"),
        }
    }
}

impl Purse {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Task => "the budget of the task",
            Self::Day(_) => "the budget of the day",
        }
    }
}

impl Raise {
    /// Every part of it, for a digest.
    pub(crate) fn parts(&self) -> [String; 5] {
        let part = |number: Option<u64>| number.map_or("-".to_owned(), |n| n.to_string());
        let cost = |limit: Limit| part(limit.cost.map(Cost::nanodollars));
        let day = match self.of {
            Purse::Task => None,
            Purse::Day(day) => Some(day),
        };
        [
            format!("{day:?}"),
            cost(self.from),
            part(self.from.tokens),
            cost(self.to),
            part(self.to.tokens),
        ]
    }

    /// How a task ends that cannot go on without it. `why` says what was spent.
    #[must_use]
    pub fn refused(why: &str, settlement: &Settlement) -> Reason {
        let how = match settlement {
            Settlement::Person { who, reason: Some(reason), .. } => {
                format!("{who} did not raise it: {reason}")
            }
            Settlement::Person { who, reason: None, .. } => format!("{who} did not raise it"),
            Settlement::Expired => "nobody raised it in time".to_owned(),
            Settlement::Edited { .. } | Settlement::Withdrawn => "it was not raised".to_owned(),
        };
        Reason::LimitReached { limit: format!("{why}, and {how}") }
    }
}

impl fmt::Display for Raise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "raise {} from {} to {}", self.of.words(), self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_written_in_money_tokens_or_both() {
        let both: Limit = "$0.50, 2_000_000 tokens".parse().unwrap();
        assert_eq!(both.cost, Some(Cost::from_nanodollars(500_000_000)));
        assert_eq!(both.tokens, Some(2_000_000));
        assert_eq!(both.to_string(), "$0.50 and 2000000 tokens");
        let money: Limit = "$5".parse().unwrap();
        assert_eq!((money.to_string().as_str(), money.tokens), ("$5.00", None));
        for wrong in ["", "5", "$", "$0", "$-1", "$NaN", "$inf", "0 tokens", "5 euros", "$1, $2"] {
            assert!(wrong.parse::<Limit>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn raising_never_lowers_and_sets_no_bound_where_there_is_none() {
        let limit = |text: &str| text.parse::<Limit>().unwrap();
        assert_eq!(limit("$5").raised_to(limit("$10, 7 tokens")), limit("$10"));
        assert_eq!(limit("$5, 9 tokens").raised_to(limit("$2")), limit("$5, 9 tokens"));
        assert_eq!(Limit::default().raised_to(limit("$5")), Limit::default());
    }
}
