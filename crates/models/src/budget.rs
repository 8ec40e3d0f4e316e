//! What may be spent on models, by one task and in one day, and what was.
//!
//! What a call may use is set aside before it is made. Where a call would go over, whoever makes it
//! waits: for calls on their way that turn out smaller, for the next day, or for a person who
//! raises the budget. [`Ledger::news`] tells when to look again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use gatepost_domain::Cost;
use gatepost_domain::Metered;
use gatepost_domain::Price;
use gatepost_domain::TaskId;
use gatepost_domain::Usage;
pub use gatepost_domain::budget::Limit;
pub use gatepost_domain::budget::LimitError;
use gatepost_domain::budget::Purse;
use gatepost_domain::budget::Raise;
pub use gatepost_domain::budget::Short;
use tokio::sync::watch;

/// Bytes of a request that make a token, at the least: text has about four, and too high an
/// estimate is settled a moment later, while too low a one would spend what is not there.
pub const BYTES_PER_TOKEN: u64 = 3;

/// So often whoever waits looks at the ledger without any news: a new day brings none.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// What may be spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// By one task, over all its runs.
    pub task: Limit,
    /// By all tasks in one day.
    pub day: Limit,
}

/// Why a call may not be made now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Over {
    /// A budget is spent.
    Spent(Short),
    /// Calls on their way may use up what is left. It shows when they end.
    Busy,
    /// Money is bounded, and what the model costs is not known.
    NoPrice,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spent(short) => match short.raise.of {
                Purse::Task => {
                    write!(f, "{}; raise `task` in `[budget]` and run it again", short.words())
                }
                Purse::Day(_) => {
                    write!(f, "{}; raise `day` in `[budget]`, or go on tomorrow", short.words())
                }
            },
            Self::Busy => f.write_str(
                "calls that are on their way may use up what is left of the budget; wait for them",
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
    news: Arc<watch::Sender<()>>,
}

#[derive(Debug, Default)]
struct Spent {
    tasks: BTreeMap<TaskId, Account>,
    day: i64,
    in_day: Account,
}

/// One purse.
#[derive(Debug, Clone, Copy, Default)]
struct Account {
    used: Sum,
    /// What calls on their way may use at most.
    aside: Sum,
    /// What a person let it be.
    raised: Limit,
}

/// What a call may use until it is known what it did use.
#[derive(Debug)]
pub struct Reservation {
    ledger: Ledger,
    task: TaskId,
    held: Sum,
    price: Option<Price>,
}

/// Tells when there may be room that was not there before.
#[derive(Debug)]
pub struct News(watch::Receiver<()>);

impl News {
    /// Waits for news. Cancel-safe.
    pub async fn next(&mut self) {
        // The sender lives in the ledger; whoever waits for one that is gone waits in vain, and
        // looks again all the same.
        let changed = async {
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = changed => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
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
        let news = Arc::new(watch::Sender::new(()));
        Self { budget, today, inner: Arc::default(), news }
    }

    /// Takes in what was spent before this start, on this day.
    pub fn remember(&self, task: &TaskId, day: i64, metered: &Metered) {
        let sum = Sum { tokens: metered.usage.total(), cost: metered.cost.unwrap_or_default() };
        let mut spent = self.spent();
        add(&mut spent.tasks.entry(task.clone()).or_default().used, sum);
        if day == spent.day {
            add(&mut spent.in_day.used, sum);
        }
    }

    /// Takes in what a call has used just now that nothing was set aside for.
    pub fn count(&self, task: &TaskId, metered: &Metered) {
        let today = self.spent().day;
        self.remember(task, today, metered);
    }

    /// Lets a task, or all of them on that day, spend what a person granted. Doing it twice is
    /// doing it once, and a day that is over has nothing left to raise.
    pub fn raise(&self, task: &TaskId, raise: &Raise) {
        let mut spent = self.spent();
        let account = match raise.of {
            Purse::Task => spent.tasks.entry(task.clone()).or_default(),
            Purse::Day(day) if day == spent.day => &mut spent.in_day,
            Purse::Day(_) => return,
        };
        let more = |had: Option<u64>, to: Option<u64>| had.max(to);
        let cost =
            more(account.raised.cost.map(Cost::nanodollars), raise.to.cost.map(Cost::nanodollars));
        account.raised = Limit {
            cost: cost.map(Cost::from_nanodollars),
            tokens: more(account.raised.tokens, raise.to.tokens),
        };
        drop(spent);
        self.news.send_replace(());
    }

    /// From now on, when to look again after an [`Over`]. Ask for it before the first look.
    #[must_use]
    pub fn news(&self) -> News {
        News(self.news.subscribe())
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
        self.fits(&spent, task, held)?;
        add(&mut spent.tasks.entry(task.clone()).or_default().aside, held);
        add(&mut spent.in_day.aside, held);
        drop(spent);
        Ok(Reservation { ledger: self.clone(), task: task.clone(), held, price })
    }

    /// Waits until there is room for a call, and sets aside what it may use. `short` is called each
    /// time a budget turns out to be spent. Cancel-safe.
    ///
    /// # Errors
    /// [`Over::NoPrice`], which no waiting mends.
    pub async fn wait(
        &self,
        task: &TaskId,
        most: Usage,
        price: Option<Price>,
        mut short: impl FnMut(Short) + Send,
    ) -> Result<Reservation, Over> {
        let mut news = self.news();
        loop {
            match self.reserve(task, most, price) {
                Ok(reservation) => return Ok(reservation),
                Err(Over::NoPrice) => return Err(Over::NoPrice),
                Err(Over::Spent(found)) => short(found),
                Err(Over::Busy) => {}
            }
            news.next().await;
        }
    }

    fn fits(&self, spent: &Spent, task: &TaskId, more: Sum) -> Result<(), Over> {
        let by_task = spent.tasks.get(task).copied().unwrap_or_default();
        let purses = [
            (Purse::Task, self.budget.task, by_task),
            (Purse::Day(spent.day), self.budget.day, spent.in_day),
        ];
        let mut busy = false;
        for (of, set, account) in purses {
            let limit = set.raised_to(account.raised);
            let mut needed = account.used;
            add(&mut needed, more);
            if over(limit, needed) {
                let to = enough(limit, set, needed);
                let raise = Raise { of, from: limit, to };
                return Err(Over::Spent(Short { raise, spent: words(limit, account.used, more) }));
            }
            add(&mut needed, account.aside);
            busy |= over(limit, needed);
        }
        if busy { Err(Over::Busy) } else { Ok(()) }
    }

    fn spent(&self) -> MutexGuard<'_, Spent> {
        let mut spent = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let today = (self.today)();
        if spent.day != today {
            spent.day = today;
            spent.in_day = Account::default();
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
        let account = spent.tasks.entry(self.task.clone()).or_default();
        take(&mut account.aside, held);
        add(&mut account.used, by);
        // A day that began meanwhile has nothing set aside, and what is used now counts for it.
        take(&mut spent.in_day.aside, held);
        add(&mut spent.in_day.used, by);
        drop(spent);
        self.ledger.news.send_replace(());
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.held.tokens > 0 || self.held.cost > Cost::default() {
            self.replace(Sum::default());
        }
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

fn over(limit: Limit, sum: Sum) -> bool {
    limit.cost.is_some_and(|most| sum.cost > most)
        || limit.tokens.is_some_and(|most| sum.tokens > most)
}

/// What the limit must become for so much: the configured sum again, as often as it takes. What is
/// not short stays as it is.
fn enough(limit: Limit, step: Limit, needed: Sum) -> Limit {
    let rise = |limit: u64, step: u64, needed: u64| {
        let missing = needed.saturating_sub(limit);
        limit.saturating_add(missing.div_ceil(step.max(1)).saturating_mul(step))
    };
    let cost = limit.cost.zip(step.cost).map(|(limit, step)| {
        let needed = needed.cost.nanodollars();
        Cost::from_nanodollars(rise(limit.nanodollars(), step.nanodollars(), needed))
    });
    let tokens = limit.tokens.zip(step.tokens);
    Limit { cost, tokens: tokens.map(|(limit, step)| rise(limit, step, needed.tokens)) }
}

fn words(limit: Limit, used: Sum, more: Sum) -> String {
    let mut parts = Vec::new();
    if let Some(most) = limit.cost
        && used.cost + more.cost > most
    {
        let (cost, next) = (used.cost, more.cost);
        parts.push(format!("{cost} of {most} used, and the next call may cost {next}"));
    }
    if let Some(most) = limit.tokens
        && used.tokens.saturating_add(more.tokens) > most
    {
        let (tokens, next) = (used.tokens, more.tokens);
        parts.push(format!("{tokens} of {most} tokens used, and the next call may use {next}"));
    }
    parts.join("; ")
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

    fn of(over: &Over) -> Option<Purse> {
        match over {
            Over::Spent(short) => Some(short.raise.of),
            Over::Busy | Over::NoPrice => None,
        }
    }

    fn task(n: u128) -> TaskId {
        TaskId::from_entropy(n)
    }

    #[test]
    fn a_call_is_refused_before_it_could_go_over() {
        let (ledger, _) = ledger(Some(100), None);
        let first = ledger.reserve(&task(1), tokens(60), None).unwrap();
        // What runs at the same time counts as if it used all it may.
        let over = ledger.reserve(&task(1), tokens(60), None).unwrap_err();
        assert_eq!(over, Over::Busy, "the one on its way may turn out smaller");
        assert!(ledger.reserve(&task(2), tokens(60), None).is_ok(), "another task has its own");
        first.settle(tokens(10));
        let second = ledger.reserve(&task(1), tokens(90), None).unwrap();
        drop(second);
        assert!(ledger.reserve(&task(1), tokens(90), None).is_ok(), "what was not used is free");
        let over = ledger.reserve(&task(1), tokens(91), None).unwrap_err();
        assert!(of(&over) == Some(Purse::Task) && over.to_string().contains("[budget]"), "{over}");
    }

    #[test]
    fn a_raise_makes_room_for_the_call_that_asked_for_it() {
        let (ledger, clock) = ledger(Some(100), Some(300));
        ledger.reserve(&task(1), tokens(90), None).unwrap().settle(tokens(90));
        let Err(Over::Spent(short)) = ledger.reserve(&task(1), tokens(120), None) else { panic!() };
        assert_eq!(short.raise.to.tokens, Some(300), "210 need the sum three times: {short:?}");
        assert!(short.spent.contains("90 of 100 tokens used"), "{short:?}");
        // Carried out twice, as after a restart, it is the same.
        ledger.raise(&task(1), &short.raise);
        ledger.raise(&task(1), &short.raise);
        let first = ledger.reserve(&task(1), tokens(120), None).unwrap();
        assert!(ledger.reserve(&task(2), tokens(101), None).is_err(), "another task has its own");
        first.settle(tokens(120));
        let Err(Over::Spent(short)) = ledger.reserve(&task(2), tokens(91), None) else { panic!() };
        assert_eq!(short.raise.of, Purse::Day(1), "the task has room for it and the day has not");
        ledger.raise(&task(2), &short.raise);
        assert!(ledger.reserve(&task(3), tokens(91), None).is_ok(), "it is everybody's day");
        clock.store(2, Ordering::Relaxed);
        ledger.raise(&task(1), &short.raise);
        ledger.reserve(&task(3), tokens(100), None).unwrap().settle(tokens(100));
        ledger.reserve(&task(4), tokens(100), None).unwrap().settle(tokens(100));
        ledger.reserve(&task(5), tokens(100), None).unwrap().settle(tokens(100));
        let over = ledger.reserve(&task(6), tokens(1), None).unwrap_err();
        assert_eq!(of(&over), Some(Purse::Day(2)), "what was raised was that one day");
    }

    #[tokio::test]
    async fn whoever_waits_goes_on_once_there_is_room() {
        let (ledger, _) = ledger(Some(100), None);
        let first = ledger.reserve(&task(1), tokens(60), None).unwrap();
        let mut told = Vec::new();
        let id = task(1);
        {
            let mut waiting =
                std::pin::pin!(ledger.wait(&id, tokens(60), None, |short| told.push(short)));
            assert!(futures::poll!(waiting.as_mut()).is_pending());
            first.settle(tokens(30));
            drop(waiting.await.unwrap());
        }
        assert_eq!(told, [], "nobody is asked for what comes by itself");
        {
            let mut waiting =
                std::pin::pin!(ledger.wait(&id, tokens(80), None, |short| told.push(short)));
            assert!(futures::poll!(waiting.as_mut()).is_pending());
            let to = Limit { cost: None, tokens: Some(110) };
            ledger.raise(&id, &Raise { of: Purse::Task, from: Limit::default(), to });
            drop(waiting.await.unwrap());
        }
        assert_eq!(told.len(), 1, "{told:?}");
    }

    #[test]
    fn a_day_has_its_own_budget_and_begins_anew() {
        let (ledger, clock) = ledger(None, Some(100));
        ledger.reserve(&task(1), tokens(80), None).unwrap().settle(tokens(80));
        let over = ledger.reserve(&task(2), tokens(30), None).unwrap_err();
        assert_eq!(of(&over), Some(Purse::Day(1)));
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
        let over = ledger.reserve(&task(2), tokens(40), None).unwrap_err();
        assert_eq!(of(&over), Some(Purse::Day(1)));
    }

    #[test]
    fn what_is_counted_afterwards_leaves_less_room_at_once() {
        let (ledger, clock) = ledger(Some(100), Some(150));
        let metered = Metered { model: "m".into(), usage: tokens(70), cost: None };
        ledger.count(&task(1), &metered);
        assert!(ledger.reserve(&task(1), tokens(30), None).is_ok());
        assert!(ledger.reserve(&task(1), tokens(31), None).is_err());
        ledger.count(&task(1), &metered);
        let over = ledger.reserve(&task(1), tokens(1), None).unwrap_err();
        assert!(over.to_string().contains("140 of 100 tokens used"), "{over}");
        assert!(ledger.reserve(&task(2), tokens(10), None).is_ok());
        assert_eq!(
            of(&ledger.reserve(&task(2), tokens(11), None).unwrap_err()),
            Some(Purse::Day(1))
        );
        clock.store(2, Ordering::Relaxed);
        assert!(ledger.reserve(&task(2), tokens(11), None).is_ok());
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
