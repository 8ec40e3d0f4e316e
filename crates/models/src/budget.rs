//! What may be spent on models, by one task and in one day, and what was.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use gatepost_domain::Cost;
use gatepost_domain::Metered;
use gatepost_domain::Price;
use gatepost_domain::TaskId;
use gatepost_domain::Usage;

/// Bytes of a request that make a token, at the least: text has about four, and too high an
/// estimate is settled a moment later, while too low a one would spend what is not there.
pub const BYTES_PER_TOKEN: u64 = 3;

/// The most that may be spent. Nothing set means no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limit {
    /// In money; models without a price are then not called at all.
    pub cost: Option<Cost>,
    /// In tokens of every kind.
    pub tokens: Option<u64>,
}

/// A text that is no budget.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no budget; write one such as `$5`, `2000000 tokens` or `$5, 2000000 tokens`")]
pub struct LimitError(String);

impl std::str::FromStr for Limit {
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

/// What may be spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// By one task, over all its runs.
    pub task: Limit,
    /// By all tasks in one day.
    pub day: Limit,
}

/// Which bound a call would go over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    /// That of the task.
    Task(String),
    /// That of the day.
    Day(String),
    /// Money is bounded, and what the model costs is not known.
    NoPrice,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(spent) => write!(
                f,
                "the budget of the task is spent ({spent}); raise `task` in `[budget]` and run it \
                 again"
            ),
            Self::Day(spent) => write!(
                f,
                "the budget of the day is spent ({spent}); raise `day` in `[budget]`, or go on \
                 tomorrow"
            ),
            Self::NoPrice => f.write_str(
                "there is a budget in money and the model has no `price`; give it one in \
                 `[models]`",
            ),
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    tokens: u64,
    cost: Cost,
}

/// Says which day it is, as a number that grows with each.
pub type Today = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Everything that was spent, kept for the whole of Gatepost.
#[derive(Clone)]
pub struct Ledger {
    budget: Budget,
    today: Today,
    inner: Arc<Mutex<Spent>>,
}

#[derive(Debug, Default)]
struct Spent {
    tasks: BTreeMap<TaskId, Sum>,
    day: i64,
    in_day: Sum,
}

/// What a call may use until it is known what it did use.
#[derive(Debug)]
pub struct Reservation {
    ledger: Ledger,
    task: TaskId,
    held: Sum,
    price: Option<Price>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("budget", &self.budget).finish_non_exhaustive()
    }
}

impl Ledger {
    /// An empty one.
    #[must_use]
    pub fn new(budget: Budget, today: Today) -> Self {
        Self { budget, today, inner: Arc::default() }
    }

    /// Takes in what was spent before this start, on this day.
    pub fn remember(&self, task: &TaskId, day: i64, metered: &Metered) {
        let sum = Sum { tokens: metered.usage.total(), cost: metered.cost.unwrap_or_default() };
        let mut spent = self.spent();
        add(spent.tasks.entry(task.clone()).or_default(), sum);
        if day == spent.day {
            add(&mut spent.in_day, sum);
        }
    }

    /// Takes in what a call has used just now that nothing was set aside for.
    pub fn count(&self, task: &TaskId, metered: &Metered) {
        let today = self.spent().day;
        self.remember(task, today, metered);
    }

    /// Whether a task may begin another call whose size nobody knows yet.
    ///
    /// # Errors
    /// [`Over`] says which budget is used up.
    pub fn room(&self, task: &TaskId) -> Result<(), Over> {
        let spent = self.spent();
        let by_task = spent.tasks.get(task).copied().unwrap_or_default();
        left(self.budget.task, by_task).map_err(Over::Task)?;
        left(self.budget.day, spent.in_day).map_err(Over::Day)
    }

    /// Sets aside what a call may use at most, if there is room for it.
    ///
    /// # Errors
    /// [`Over`] says which bound it would go over; nothing is set aside then.
    pub fn reserve(
        &self,
        task: &TaskId,
        most: Usage,
        price: Option<Price>,
    ) -> Result<Reservation, Over> {
        let money = self.budget.task.cost.is_some() || self.budget.day.cost.is_some();
        if money && price.is_none() {
            return Err(Over::NoPrice);
        }
        let held = Sum {
            tokens: most.total(),
            cost: price.map(|price| price.of(most)).unwrap_or_default(),
        };
        let mut spent = self.spent();
        let by_task = spent.tasks.get(task).copied().unwrap_or_default();
        fits(self.budget.task, by_task, held).map_err(Over::Task)?;
        fits(self.budget.day, spent.in_day, held).map_err(Over::Day)?;
        add(spent.tasks.entry(task.clone()).or_default(), held);
        add(&mut spent.in_day, held);
        drop(spent);
        Ok(Reservation { ledger: self.clone(), task: task.clone(), held, price })
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        let mut spent = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let today = (self.today)();
        if spent.day != today {
            spent.day = today;
            spent.in_day = Sum::default();
        }
        spent
    }
}

impl Reservation {
    /// Puts what was really used in the place of what was set aside.
    pub fn settle(mut self, used: Usage) {
        let cost = self.price.map(|price| price.of(used)).unwrap_or_default();
        self.replace(Sum { tokens: used.total(), cost });
    }

    fn replace(&mut self, by: Sum) {
        let held = std::mem::take(&mut self.held);
        let mut spent = self.ledger.spent();
        let sum = spent.tasks.entry(self.task.clone()).or_default();
        take(sum, held);
        add(sum, by);
        // A day that began meanwhile has nothing set aside, and what is used now counts for it.
        take(&mut spent.in_day, held);
        add(&mut spent.in_day, by);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.replace(Sum::default());
    }
}

fn add(to: &mut Sum, more: Sum) {
    to.tokens = to.tokens.saturating_add(more.tokens);
    to.cost += more.cost;
}

fn take(from: &mut Sum, less: Sum) {
    from.tokens = from.tokens.saturating_sub(less.tokens);
    let left = from.cost.nanodollars().saturating_sub(less.cost.nanodollars());
    from.cost = Cost::from_nanodollars(left);
}

fn fits(limit: Limit, spent: Sum, more: Sum) -> Result<(), String> {
    if let Some(most) = limit.cost
        && spent.cost + more.cost > most
    {
        let (used, next) = (spent.cost, more.cost);
        return Err(format!("{used} of {most} used, and the next call may cost {next}"));
    }
    if let Some(most) = limit.tokens
        && spent.tokens.saturating_add(more.tokens) > most
    {
        let (used, next) = (spent.tokens, more.tokens);
        return Err(format!("{used} of {most} tokens used, and the next call may use {next}"));
    }
    Ok(())
}

fn left(limit: Limit, spent: Sum) -> Result<(), String> {
    match (limit.cost, limit.tokens) {
        (Some(most), _) if spent.cost >= most => Err(format!("{} of {most} used", spent.cost)),
        (_, Some(most)) if spent.tokens >= most => {
            Err(format!("{} of {most} tokens used", spent.tokens))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;
    use std::sync::atomic::Ordering;

    use super::*;

    fn tokens(input: u64) -> Usage {
        Usage { input, ..Usage::default() }
    }

    fn ledger(task: Option<u64>, day: Option<u64>) -> (Ledger, Arc<AtomicI64>) {
        let clock = Arc::new(AtomicI64::new(1));
        let limit = |tokens| Limit { cost: None, tokens };
        let read = Arc::clone(&clock);
        let today: Today = Arc::new(move || read.load(Ordering::Relaxed));
        (Ledger::new(Budget { task: limit(task), day: limit(day) }, today), clock)
    }

    fn task(n: u128) -> TaskId {
        TaskId::from_entropy(n)
    }

    #[test]
    fn a_budget_is_written_in_money_tokens_or_both() {
        let both: Limit = "$0.50, 2_000_000 tokens".parse().unwrap();
        assert_eq!(both.cost, Some(Cost::from_nanodollars(500_000_000)));
        assert_eq!(both.tokens, Some(2_000_000));
        let money: Limit = "$5".parse().unwrap();
        assert_eq!((money.cost.unwrap().to_string().as_str(), money.tokens), ("$5.00", None));
        for wrong in ["", "5", "$", "$0", "$-1", "$NaN", "$inf", "0 tokens", "5 euros", "$1, $2"] {
            assert!(wrong.parse::<Limit>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_call_is_refused_before_it_could_go_over() {
        let (ledger, _) = ledger(Some(100), None);
        let first = ledger.reserve(&task(1), tokens(60), None).unwrap();
        // What runs at the same time counts as if it used all it may.
        let over = ledger.reserve(&task(1), tokens(60), None).unwrap_err();
        assert!(matches!(over, Over::Task(_)) && over.to_string().contains("[budget]"), "{over}");
        assert!(ledger.reserve(&task(2), tokens(60), None).is_ok(), "another task has its own");
        first.settle(tokens(10));
        let second = ledger.reserve(&task(1), tokens(90), None).unwrap();
        drop(second);
        assert!(ledger.reserve(&task(1), tokens(90), None).is_ok(), "what was not used is free");
        assert!(ledger.reserve(&task(1), tokens(91), None).is_err());
    }

    #[test]
    fn a_day_has_its_own_budget_and_begins_anew() {
        let (ledger, clock) = ledger(None, Some(100));
        ledger.reserve(&task(1), tokens(80), None).unwrap().settle(tokens(80));
        assert!(matches!(ledger.reserve(&task(2), tokens(30), None), Err(Over::Day(_))));
        clock.store(2, Ordering::Relaxed);
        assert!(ledger.reserve(&task(2), tokens(30), None).is_ok());
    }

    #[test]
    fn what_was_spent_before_a_restart_counts() {
        let (ledger, _) = ledger(Some(100), Some(100));
        let metered = Metered { model: "m".into(), usage: tokens(70), cost: None };
        ledger.remember(&task(1), 0, &metered);
        assert!(ledger.reserve(&task(2), tokens(40), None).is_ok(), "yesterday is over");
        assert!(ledger.reserve(&task(1), tokens(40), None).is_err(), "the task is not");
        ledger.remember(&task(3), 1, &metered);
        assert!(matches!(ledger.reserve(&task(2), tokens(40), None), Err(Over::Day(_))));
    }

    #[test]
    fn what_is_counted_afterwards_leaves_less_room_at_once() {
        let (ledger, clock) = ledger(Some(100), Some(150));
        let metered = Metered { model: "m".into(), usage: tokens(70), cost: None };
        ledger.count(&task(1), &metered);
        assert_eq!(ledger.room(&task(1)), Ok(()));
        assert!(ledger.reserve(&task(1), tokens(40), None).is_err(), "the proxy sees it too");
        ledger.count(&task(1), &metered);
        let over = ledger.room(&task(1)).unwrap_err();
        assert!(over.to_string().contains("140 of 100 tokens used"), "{over}");
        assert_eq!(ledger.room(&task(2)), Ok(()));
        ledger.count(&task(2), &metered);
        assert!(matches!(ledger.room(&task(3)), Err(Over::Day(_))));
        clock.store(2, Ordering::Relaxed);
        assert_eq!(ledger.room(&task(3)), Ok(()));
    }

    #[test]
    fn money_without_a_price_is_refused() {
        let cost = Some(Cost::from_nanodollars(1_000));
        let budget = Budget { task: Limit { cost, tokens: None }, day: Limit::default() };
        let ledger = Ledger::new(budget, Arc::new(|| 1));
        let refused = ledger.reserve(&task(1), tokens(1), None).unwrap_err();
        assert_eq!(refused, Over::NoPrice);
        let one = Cost::from_nanodollars(100);
        let price = Price { input: one, output: one, cache_read: one, cache_write: one };
        assert!(ledger.reserve(&task(1), tokens(10), Some(price)).is_ok());
        assert!(ledger.reserve(&task(1), tokens(11), Some(price)).is_err());
    }
}
