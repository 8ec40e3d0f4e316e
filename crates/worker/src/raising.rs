//! A spent budget: whoever needs the model waits, and people are asked to let more be spent.
//!
//! There is one question at a time, however many calls wait. It goes away when nobody waits any
//! more, or when the budget is another by then: by the press of somebody who was asked by another
//! task, or because a new day began.

use std::collections::BTreeMap;

use gatepost_domain::Action;
use gatepost_domain::ActionId;
use gatepost_domain::Judgement;
use gatepost_domain::Outcome;
use gatepost_domain::Verdict;
use gatepost_domain::approval::Settlement;
use gatepost_domain::budget::Raise;
use gatepost_domain::dispatch::Report;
use gatepost_domain::outcome::Reason;
use gatepost_domain::verdict::Clearance;
use gatepost_domain::verdict::Stage;
use gatepost_models::budget::News;
use gatepost_models::budget::Over;
use gatepost_models::budget::Short;

use crate::run::End;
use crate::run::Stop;
use crate::working::Working;

/// A call of the model proxy that lacks room in a budget.
#[derive(Debug)]
pub(crate) enum Call {
    /// It waits.
    Waits { call: u64, short: Short },
    /// It does so no longer.
    WaitsNoMore { call: u64 },
}

/// Who waits for room, and what people are asked.
#[derive(Default)]
pub(crate) struct Raising {
    /// The agent, before it asks its model: it is told nothing and not heard until there is room.
    turn: Option<News>,
    /// Calls that a program has made.
    calls: BTreeMap<u64, Short>,
    asked: Option<Asked>,
}

struct Asked {
    action_id: ActionId,
    raise: Raise,
    /// What was spent, in a sentence.
    why: String,
}

impl Raising {
    /// Whether the agent waits and must not be heard.
    pub(crate) fn holds_agent(&self) -> bool {
        self.turn.is_some()
    }

    /// When to look again whether there is room for the agent; never while it does not wait.
    pub(crate) async fn news(&mut self) {
        match &mut self.turn {
            Some(news) => news.next().await,
            None => std::future::pending().await,
        }
    }
}

impl Working<'_> {
    /// The agent is about to ask its model.
    pub(crate) async fn turn(&mut self) -> Result<Option<End>, Stop> {
        // Before the look, so that nothing is missed after it.
        let news = self.ledger.news();
        let looked = self.ledger.room(&self.task);
        self.raising.turn = looked.is_err().then_some(news);
        match looked {
            Err(Over::Spent(short)) => self.ask_for(short).await,
            Err(Over::Busy | Over::NoPrice) | Ok(()) => self.nobody_waits().await,
        }
    }

    /// The model proxy holds a call, or no longer does.
    pub(crate) async fn call(&mut self, call: Call) -> Result<Option<End>, Stop> {
        match call {
            Call::Waits { call, short } => {
                self.raising.calls.insert(call, short.clone());
                self.ask_for(short).await
            }
            Call::WaitsNoMore { call } => {
                self.raising.calls.remove(&call);
                self.nobody_waits().await
            }
        }
    }

    /// People have answered. With their yes the ledger has room, and whoever waits finds it.
    pub(crate) async fn raised(
        &mut self,
        action_id: ActionId,
        settlement: &Settlement,
    ) -> Result<Option<End>, Stop> {
        let Some(asked) = self.raising.asked.take_if(|asked| asked.action_id == action_id) else {
            return Ok(None);
        };
        if !settlement.approves() {
            return Ok(Some((Outcome::Failed, Raise::refused(&asked.why, settlement))));
        }
        if self.raising.holds_agent() {
            return self.turn().await;
        }
        Ok(None)
    }

    async fn ask_for(&mut self, short: Short) -> Result<Option<End>, Stop> {
        if !self.gate.asks_people() {
            let limit = Over::Spent(short).to_string();
            return Ok(Some((Outcome::Failed, Reason::LimitReached { limit })));
        }
        let raise = short.raise;
        if let Some(asked) = &self.raising.asked {
            if (asked.raise.of, asked.raise.from) == (raise.of, raise.from) {
                return Ok(None);
            }
            self.take_back().await?;
        }
        let action_id = self.next_action;
        self.next_action = action_id.next();
        let (action, why) = (Action::Raise(raise), short.words());
        let judgement = Judgement {
            verdict: Verdict::Escalate,
            clearance: Clearance::Person,
            stage: Stage::Budget,
            rule: "budget".to_owned(),
            reason: why.clone(),
            effect: format!(
                "With a yes the task goes on, and {} is {}. With a no, or without an answer, it \
                 ends here, and what it changed is kept.",
                raise.of.words(),
                raise.to
            ),
            evidence: Vec::new(),
        };
        let digest = action.digest(&[]);
        let (bound, diff, resume) = (Vec::new(), None, self.agent.resume_key());
        self.reporter
            .send(Report::Ask { action_id, action, digest, bound, diff, judgement, resume })
            .await?;
        self.raising.asked = Some(Asked { action_id, raise, why });
        Ok(None)
    }

    async fn nobody_waits(&mut self) -> Result<Option<End>, Stop> {
        if !self.raising.holds_agent() && self.raising.calls.is_empty() {
            self.take_back().await?;
        }
        Ok(None)
    }

    async fn take_back(&mut self) -> Result<(), Stop> {
        let Some(Asked { action_id, .. }) = self.raising.asked.take() else { return Ok(()) };
        match self.reporter.send(Report::Withdraw { action_id }).await {
            // A person was faster; what they granted is in the ledger.
            Ok(()) | Err(Stop::Refused(_)) => Ok(()),
            Err(stop) => Err(stop),
        }
    }
}
