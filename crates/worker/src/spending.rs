//! The classifier's calls against the budget: what a call may use is set aside before it is made.
//!
//! INVARIANT (asked first): no question goes to a model for which there is no room in the budget of
//! the task and of the day; it ends in no verdict, and a person is asked.

use std::sync::Arc;

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

/// A model whose calls are counted for one task.
struct Counted {
    inner: Arc<dyn Model>,
    ledger: Ledger,
    task: TaskId,
}

/// These models, each call of theirs counted for this task.
pub(crate) fn counted(
    models: &[Arc<dyn Model>],
    ledger: &Ledger,
    task: &TaskId,
) -> Vec<Arc<dyn Model>> {
    let counted = models.iter().map(|inner| {
        let (inner, ledger, task) = (Arc::clone(inner), ledger.clone(), task.clone());
        Arc::new(Counted { inner, ledger, task }) as Arc<dyn Model>
    });
    counted.collect()
}

impl Model for Counted {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn ask(&self, prompt: Arc<Prompt>, step: Step) -> Answering {
        let most = most(&prompt, step);
        let reserved = self.ledger.reserve(&self.task, most, self.inner.price());
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            let reservation = reserved.map_err(|over| NoVerdict::Spent(over.to_string()))?;
            let said = inner.ask(prompt, step).await;
            match &said {
                Ok(said) => reservation.settle(said.used.usage),
                // It may have been thought about and paid for, and nobody says how much.
                Err(NoVerdict::TimedOut | NoVerdict::Unparseable(_) | NoVerdict::Refused(_)) => {
                    reservation.settle(most);
                }
                Err(NoVerdict::Down(_) | NoVerdict::Spent(_) | NoVerdict::TooLong) => {}
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

    use gatepost_domain::Metered;
    use gatepost_gate::classifier::Said;
    use gatepost_models::budget::Budget;
    use gatepost_models::budget::Limit;

    use super::*;

    /// A model that answers from a list, last one first.
    struct Scripted(Mutex<Vec<Result<u64, NoVerdict>>>);

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
            let models = counted(&[model], &ledger, &task);
            let model = models.first().unwrap();
            let on_its_way = model.ask(Arc::clone(&prompt), Step::Filter);
            // While the first is on its way there is no room for a second.
            let second = model.ask(Arc::clone(&prompt), Step::Filter).await;
            assert!(matches!(second, Err(NoVerdict::Spent(_))), "{second:?}");
            assert_eq!(on_its_way.await.map(|said| said.used.usage.total()), answer);
            let tokens = |input| Usage { input, ..Usage::default() };
            assert!(ledger.reserve(&task, tokens(left), None).is_ok(), "{answer:?}");
            let over = ledger.reserve(&task, tokens(left + 1), None).map(|_| ());
            // What was set aside just now is free again.
            assert!(over.is_err(), "{answer:?}");
        }
    }
}
