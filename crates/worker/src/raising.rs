//! A spent budget: whoever needs the model waits, and people are asked to let more be spent.
//!
//! There is one question at a time, however many calls wait. It goes away when nobody waits any
//! more, or when the budget is another by then: by the press of somebody who was asked by another
//! task, or because a new day began.

use std::collections::BTreeMap;

use gatepost_agents::ProposalId;
use gatepost_domain::Action;
use gatepost_domain::ActionId;
use gatepost_domain::Judgement;
use gatepost_domain::Outcome;
use gatepost_domain::Price;
use gatepost_domain::Usage;
use gatepost_domain::Verdict;
use gatepost_domain::approval::Form;
use gatepost_domain::approval::Settlement;
use gatepost_domain::budget::Raise;
use gatepost_domain::dispatch::Report;
use gatepost_domain::outcome::Reason;
use gatepost_domain::verdict::Clearance;
use gatepost_domain::verdict::Stage;
use gatepost_gate::Open;
use gatepost_models::budget::News;
use gatepost_models::budget::Over;
use gatepost_models::budget::Reservation;
use gatepost_models::budget::Short;

use crate::run::End;
use crate::run::Stop;
use crate::weighing::Waiting;
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
    turn: Turn,
    /// Calls that a program has made.
    calls: BTreeMap<u64, Short>,
    /// Proposals that the classifier could not be asked about.
    verdicts: BTreeMap<ProposalId, (Waiting, Open)>,
    /// When to look again whether it can be.
    for_verdicts: Option<News>,
    asked: Option<Asked>,
}

/// The turn of an agent that asks its model through Gatepost's own client.
#[derive(Default)]
enum Turn {
    /// It is at none, or somewhere between two.
    #[default]
    None,
    /// It is not heard before there is room for so much.
    Waits { most: Usage, price: Option<Price>, news: News },
    /// This is set aside for it until it is known what it used.
    Goes(Reservation),
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
        matches!(self.turn, Turn::Waits { .. })
    }

    /// When to look again whether there is room; never while nobody waits who does not look by
    /// himself.
    pub(crate) async fn news(&mut self) {
        let for_agent = match &mut self.turn {
            Turn::Waits { news, .. } => Some(news),
            Turn::None | Turn::Goes(_) => None,
        };
        tokio::select! {
            Some(()) = next(for_agent) => {}
            Some(()) = next(self.for_verdicts.as_mut()) => {}
            else => std::future::pending().await,
        }
    }

    /// The agent no longer wants it. Returns whether it waited.
    pub(crate) fn drop_verdict(&mut self, id: ProposalId) -> bool {
        self.verdicts.remove(&id).is_some()
    }

    /// What was set aside for the turn that has just been.
    pub(crate) fn reserved(&mut self) -> Option<Reservation> {
        match std::mem::take(&mut self.turn) {
            Turn::Goes(reservation) => Some(reservation),
            other @ (Turn::None | Turn::Waits { .. }) => {
                self.turn = other;
                None
            }
        }
    }
}

async fn next(news: Option<&mut News>) -> Option<()> {
    news?.next().await;
    Some(())
}

impl Working<'_> {
    /// The classifier was not asked for want of room: the verdict waits for it, and people are asked
    /// to make some.
    pub(crate) async fn verdict_waits(
        &mut self,
        waiting: Waiting,
        open: Open,
        short: Short,
    ) -> Result<(), Stop> {
        self.raising.for_verdicts = Some(self.ledger.news());
        self.raising.verdicts.insert(waiting.id, (waiting, open));
        self.ask_people(short).await
    }

    /// The agent is about to ask its model.
    pub(crate) async fn turn(
        &mut self,
        most: Usage,
        price: Option<Price>,
    ) -> Result<Option<End>, Stop> {
        // A turn before it that failed used nothing that was counted.
        self.raising.turn = Turn::None;
        // Before the look, so that nothing is missed after it.
        let news = self.ledger.news();
        match self.ledger.reserve(&self.task, most, price) {
            Ok(reservation) => {
                self.raising.turn = Turn::Goes(reservation);
                self.nobody_waits().await
            }
            Err(over @ Over::NoPrice) => {
                let limit = over.to_string();
                Ok(Some((Outcome::Failed, Reason::LimitReached { limit })))
            }
            Err(Over::Busy) => {
                self.raising.turn = Turn::Waits { most, price, news };
                Ok(None)
            }
            Err(Over::Spent(short)) => {
                self.raising.turn = Turn::Waits { most, price, news };
                self.ask_for(short).await
            }
        }
    }

    /// There may be room for whoever waits.
    pub(crate) async fn look_again(&mut self) -> Result<Option<End>, Stop> {
        // Where there still is none, they come back.
        self.raising.for_verdicts = None;
        for (waiting, open) in std::mem::take(&mut self.raising.verdicts).into_values() {
            self.open.weighing.begin(self.models.clone(), waiting, open);
        }
        match &self.raising.turn {
            Turn::Waits { most, price, .. } => self.turn(*most, *price).await,
            Turn::None | Turn::Goes(_) => Ok(None),
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
        self.look_again().await
    }

    async fn ask_for(&mut self, short: Short) -> Result<Option<End>, Stop> {
        if !self.gate.asks_people() {
            let limit = Over::Spent(short).to_string();
            return Ok(Some((Outcome::Failed, Reason::LimitReached { limit })));
        }
        self.ask_people(short).await?;
        Ok(None)
    }

    async fn ask_people(&mut self, short: Short) -> Result<(), Stop> {
        let raise = short.raise;
        if let Some(asked) = &self.raising.asked {
            if (asked.raise.of, asked.raise.from) == (raise.of, raise.from) {
                return Ok(());
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
        let (bound, diff, form) = (Vec::new(), None, Form::Fixed);
        let resume = self.agent.resume_key();
        self.reporter
            .send(Report::Ask { action_id, action, digest, bound, diff, form, judgement, resume })
            .await?;
        self.raising.asked = Some(Asked { action_id, raise, why });
        Ok(())
    }

    pub(crate) async fn nobody_waits(&mut self) -> Result<Option<End>, Stop> {
        if !self.raising.holds_agent()
            && self.raising.calls.is_empty()
            && self.raising.verdicts.is_empty()
        {
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
