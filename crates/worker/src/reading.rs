//! Results on their way to the agent: what a model has to look through first waits here, while all
//! else goes on.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use gatepost_agents::Answer;
use gatepost_agents::ProposalId;
use gatepost_agents::ShellState;
use gatepost_domain::Action;
use gatepost_domain::ActionId;
use gatepost_domain::agent::ActionResult;
use gatepost_domain::dispatch::Report;
use gatepost_domain::injection::Injection;

use crate::run::Stop;
use crate::scanning;
use crate::working::Started;
use crate::working::Working;

/// Results that are being read, and what was told of others.
#[derive(Default)]
pub(crate) struct Reading {
    looking: FuturesUnordered<BoxFuture<'static, Read>>,
    waiting: BTreeMap<ActionId, Ended>,
    /// What was found so far, so that it is told once.
    told: BTreeSet<Vec<Injection>>,
}

/// What was found in the result of an action.
pub(crate) struct Read {
    of: ActionId,
    found: Vec<Injection>,
}

/// What an action came to.
pub(crate) struct Ended {
    pub(crate) action_id: ActionId,
    /// As whoever proposed it is told of it.
    pub(crate) told: ActionResult,
    /// Whether it holds more than what Gatepost itself says of a write.
    pub(crate) outside: bool,
    pub(crate) to: To,
}

/// Whether what such an action returns comes from outside.
pub(crate) fn brings_in(action: &Action) -> bool {
    match action {
        Action::Exec(_)
        | Action::Python { .. }
        | Action::Read { .. }
        | Action::Fetch { .. }
        | Action::Tool { .. } => true,
        Action::Write { .. } | Action::Edit { .. } | Action::Raise(_) => false,
    }
}

/// Who waits for a result.
pub(crate) enum To {
    /// The agent, whose proposal it was.
    Agent(Box<Owed>),
    /// Nobody: a program has it already. Its model reads it in a fence where the model proxy passes
    /// it on, and where there is none, what follows is looked at more closely all the same.
    Nobody,
}

/// An answer that the agent has not had, and an end that is not on record.
pub(crate) struct Owed {
    pub(crate) id: ProposalId,
    pub(crate) shell: Option<ShellState>,
    pub(crate) started: Started,
    pub(crate) result: ActionResult,
}

impl Reading {
    /// The next one that was read; waits for ever while there is none.
    pub(crate) async fn next(&mut self) -> Read {
        match self.looking.next().await {
            Some(read) => read,
            None => std::future::pending().await,
        }
    }

    /// The agent waits for none of them any more; what is owed besides.
    pub(crate) fn drop_all(&mut self) -> Vec<Owed> {
        self.looking.clear();
        let waiting = std::mem::take(&mut self.waiting).into_values();
        let owed = waiting.filter_map(|ended| match ended.to {
            To::Agent(owed) => Some(*owed),
            To::Nobody => None,
        });
        owed.collect()
    }
}

impl Working<'_> {
    /// Has a result looked through, and handed over then.
    pub(crate) async fn hand_over(&mut self, ended: Ended) -> Result<(), Stop> {
        let found = scanning::found(&ended.told);
        let is_read = match &ended.to {
            To::Agent(_) => self.agent.reads(),
            // The proxy has it read otherwise.
            To::Nobody => self.flagged.is_none(),
        };
        let reading = self.screen.reading_result(&ended.told);
        match reading.filter(|_| ended.outside && is_read && found.is_empty()) {
            Some(reading) => {
                let of = ended.action_id;
                self.reading.waiting.insert(of, ended);
                let read = async move { Read { of, found: reading.await } };
                self.reading.looking.push(Box::pin(read));
                Ok(())
            }
            None => self.handed_over(ended, found).await,
        }
    }

    /// A result was looked through.
    pub(crate) async fn read(&mut self, read: Read) -> Result<(), Stop> {
        self.record_calls().await?;
        match self.reading.waiting.remove(&read.of) {
            Some(ended) => self.handed_over(ended, read.found).await,
            None => Ok(()),
        }
    }

    async fn handed_over(&mut self, ended: Ended, found: Vec<Injection>) -> Result<(), Stop> {
        let Ended { action_id, told, outside: _, to } = ended;
        let fenced = match to {
            To::Agent(owed) => {
                let Owed { id, shell, started, result } = *owed;
                let told = scanning::fenced(&told, &found);
                self.agent.answer(id, Answer::Ran { result: told, shell });
                // In this order, so that what is on record as ended is not begun again after a
                // crash.
                self.keep_place().await;
                self.record_end(started, result).await?;
                true
            }
            To::Nobody => self.flagged.is_some(),
        };
        self.flag(Some(action_id), &found, fenced).await
    }

    /// Records what was found in a result, once, and has what follows looked at more closely. That
    /// one was not read is recorded of each.
    pub(crate) async fn flag(
        &mut self,
        action_id: Option<ActionId>,
        found: &[Injection],
        fenced: bool,
    ) -> Result<(), Stop> {
        if found.is_empty() {
            return Ok(());
        }
        let suspect = found.iter().any(|injection| injection.trick.is_suspect());
        if suspect {
            self.gate.suspect();
        }
        let new = self.reading.told.insert(found.to_vec());
        if new || !suspect {
            let found = found.to_vec();
            self.reporter.send(Report::Flagged { action_id, found, fenced }).await?;
        }
        Ok(())
    }
}
