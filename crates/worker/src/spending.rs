//! Gatepost's own questions to models against the budget: what a call may use is set aside before
//! it is made.
//!
//! INVARIANT (asked first): no question goes to a model for which there is no room in the budget of
//! the task and of the day; it ends in no verdict.

use std::sync::Arc;

use gatepost_domain::Metered;
use gatepost_domain::Price;
use gatepost_domain::TaskId;
use gatepost_domain::Usage;
use gatepost_gate::classifier::Answering;
use gatepost_gate::classifier::Model;
use gatepost_gate::classifier::NoVerdict;
use gatepost_gate::classifier::Prompt;
use gatepost_gate::classifier::Step;
use gatepost_models::budget::BYTES_PER_TOKEN;
use gatepost_models::budget::Ledger;
use gatepost_models::budget::Over;
use gatepost_models::budget::Reservation;
use tokio::sync::mpsc;

/// What the calls of one task are counted with.
#[derive(Clone)]
pub(crate) struct Counter {
    pub(crate) ledger: Ledger,
    pub(crate) task: TaskId,
    /// Where every answered call is told of, whatever becomes of what it was made for.
    pub(crate) calls: mpsc::UnboundedSender<Metered>,
}

/// A model whose calls are counted for one task.
struct Counted {
    inner: Arc<dyn Model>,
    by: Counter,
}

impl Counter {
    /// The same model, each of its calls counted.
    pub(crate) fn of(&self, inner: &Arc<dyn Model>) -> Arc<dyn Model> {
        Arc::new(Counted { inner: Arc::clone(inner), by: self.clone() })
    }
}

impl Model for Counted {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn ask(&self, prompt: Arc<Prompt>, step: Step) -> Answering {
        let usage = most(&prompt, step);
        let price = self.inner.price();
        let by = self.by.clone();
        // Before the look, so that nothing is missed after it.
        let mut news = by.ledger.news();
        let mut reserved = by.ledger.reserve(&by.task, usage, price);
        let cost = price.map(|price| price.of(usage));
        let most = Metered { model: self.inner.name().to_owned(), usage, cost };
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            // Calls that are on their way end, and mostly use less than they might.
            while matches!(reserved, Err(Over::Busy)) {
                news.next().await;
                reserved = by.ledger.reserve(&by.task, usage, price);
            }
            let reservation = reserved.map_err(spent)?;
            let calls = by.calls;
            let mut unanswered = Unanswered { reservation: Some(reservation), most, calls };
            let said = inner.ask(prompt, step).await;
            match &said {
                Ok(said) => unanswered.settle(said.used.clone()),
                // It may have been thought about and paid for, and nobody says how much.
                Err(NoVerdict::TimedOut | NoVerdict::Unparseable(_) | NoVerdict::Refused(_)) => {}
                Err(NoVerdict::Down(_) | NoVerdict::Spent { .. } | NoVerdict::TooLong) => {
                    unanswered.reservation = None;
                }
            }
            said
        })
    }

    fn room(&self) -> usize {
        self.inner.room()
    }

    fn price(&self) -> Option<Price> {
        self.inner.price()
    }
}

/// A call on its way. One that is given up, or ends without saying what it used, may have been paid
/// for, and counts as the most it may have used.
struct Unanswered {
    reservation: Option<Reservation>,
    most: Metered,
    calls: mpsc::UnboundedSender<Metered>,
}

impl Unanswered {
    fn settle(&mut self, used: Metered) {
        if let Some(reservation) = self.reservation.take() {
            reservation.settle(used.usage);
            // Nobody hears it where the run is over; it is counted all the same.
            let _over = self.calls.send(used);
        }
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.settle(self.most.clone());
    }
}

fn spent(over: Over) -> NoVerdict {
    let why = over.to_string();
    let short = match over {
        Over::Spent(short) => Some(Box::new(short)),
        Over::Busy | Over::NoPrice => None,
    };
    NoVerdict::Spent { why, short }
}

/// What a call may use at most.
fn most(prompt: &Prompt, step: Step) -> Usage {
    let bytes = prompt.system.len() + prompt.case.len() + step.instruction().len();
    let input = u64::try_from(bytes).unwrap_or(u64::MAX) / BYTES_PER_TOKEN + 1;
    Usage { input, output: u64::from(step.most_tokens()), ..Usage::default() }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use gatepost_gate::classifier::Said;
    use gatepost_models::budget::Budget;
    use gatepost_models::budget::Limit;

    use super::*;

    /// A model that answers from a list, last one first.
    struct Scripted(Mutex<Vec<Result<u64, NoVerdict>>>);

    /// A model that does not answer.
    struct Never;

    impl Model for Never {
        fn name(&self) -> &str {
            "never"
        }

        fn ask(&self, _: Arc<Prompt>, _: Step) -> Answering {
            Box::pin(std::future::pending())
        }

        fn room(&self) -> usize {
            1000
        }

        fn price(&self) -> Option<Price> {
            None
        }
    }

    impl Model for Scripted {
        fn name(&self) -> &str {
            "scripted"
        }

        fn ask(&self, _: Arc<Prompt>, _: Step) -> Answering {
            let next = self.0.lock().unwrap().pop().expect("asked more often than scripted");
            Box::pin(async move {
                let usage = Usage { input: next?, ..Usage::default() };
                let used = Metered { model: "scripted".into(), usage, cost: None };
                Ok(Said { text: "flag".into(), used, took: Duration::ZERO })
            })
        }

        fn room(&self) -> usize {
            1000
        }

        fn price(&self) -> Option<Price> {
            None
        }
    }

    #[tokio::test]
    async fn a_call_that_is_given_up_counts_as_the_most_it_may_have_used() {
        let prompt = Arc::new(Prompt { system: "s".repeat(300), case: String::new(), left_out: 0 });
        let one = most(&prompt, Step::Filter).total();
        let budget =
            Budget { task: Limit { cost: None, tokens: Some(one) }, day: Limit::default() };
        let (ledger, task) = (Ledger::new(budget, Arc::new(|| 1)), TaskId::from_entropy(1));
        let (calls, mut told) = mpsc::unbounded_channel();
        let never: Arc<dyn Model> = Arc::new(Never);
        let counter = Counter { ledger: ledger.clone(), task: task.clone(), calls };
        let on_its_way = counter.of(&never).ask(prompt, Step::Filter);
        assert!(futures::future::poll_immediate(on_its_way).await.is_none());
        assert_eq!(told.try_recv().unwrap().usage.total(), one);
        assert!(ledger.reserve(&task, Usage { input: 1, ..Usage::default() }, None).is_err());
    }

    #[tokio::test]
    async fn no_call_is_made_that_the_budget_has_no_room_for() {
        let prompt = Arc::new(Prompt { system: "s".repeat(300), case: String::new(), left_out: 0 });
        let one = most(&prompt, Step::Filter).total();
        let limit = |tokens| Limit { cost: None, tokens: Some(tokens) };
        let task = TaskId::from_entropy(1);
        for (answer, left) in [
            (Ok(7), one - 7),
            (Err(NoVerdict::TimedOut), 0),
            (Err(NoVerdict::Unparseable("x".into())), 0),
            (Err(NoVerdict::Down("503".into())), one),
        ] {
            let budget = Budget { task: limit(one), day: Limit::default() };
            let ledger = Ledger::new(budget, Arc::new(|| 1));
            let model: Arc<dyn Model> = Arc::new(Scripted(Mutex::new(vec![answer.clone()])));
            let (calls, mut told) = mpsc::unbounded_channel();
            let counter = Counter { ledger: ledger.clone(), task: task.clone(), calls };
            let model = counter.of(&model);
            let on_its_way = model.ask(Arc::clone(&prompt), Step::Filter);
            // While the first is on its way there is no room for a second, which waits for it.
            let mut second = model.ask(Arc::clone(&prompt), Step::Filter);
            assert!(futures::future::poll_immediate(&mut second).await.is_none());
            assert_eq!(on_its_way.await.map(|said| said.used.usage.total()), answer);
            if left < one {
                let over = second.await;
                assert!(matches!(over, Err(NoVerdict::Spent { short: Some(_), .. })), "{over:?}");
            }
            let counted = told.try_recv().map_or(0, |used: Metered| used.usage.total());
            assert_eq!(counted, one - left, "what counts is told of at once, for the journal");
            let tokens = |input| Usage { input, ..Usage::default() };
            assert!(ledger.reserve(&task, tokens(left), None).is_ok(), "{answer:?}");
            let over = ledger.reserve(&task, tokens(left + 1), None).map(|_| ());
            // What was set aside just now is free again.
            assert!(over.is_err(), "{answer:?}");
        }
    }
}
