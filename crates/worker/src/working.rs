//! A run whose agent works: every proposal past the gate, every answer back to the agent.
//!
//! One loop hears the agent, the hub and what runs. Nothing in it waits for a person: a question is
//! kept by its action's number until the hub says how it was settled, and everything else goes on.
//!
//! INVARIANT (checked last): whatever waited between its review and its start, for a person or
//! behind another action, has the bytes it names looked at again right before it starts, and is
//! reviewed anew when they changed.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use gatepost_agents::Agent;
use gatepost_agents::Answer;
use gatepost_agents::Executor;
use gatepost_agents::Next;
use gatepost_agents::ProposalId;
use gatepost_agents::ShellState;
use gatepost_agents::Words;
use gatepost_domain::Action;
use gatepost_domain::ActionDigest;
use gatepost_domain::ActionId;
use gatepost_domain::Decision;
use gatepost_domain::Metered;
use gatepost_domain::TaskId;
use gatepost_domain::Verdict;
use gatepost_domain::VerdictCost;
use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::AgentEvent;
use gatepost_domain::agent::Ending;
use gatepost_domain::agent::Gating;
use gatepost_domain::approval::Form;
use gatepost_domain::approval::Settlement;
use gatepost_domain::deed::SUBJECT;
use gatepost_domain::dispatch;
use gatepost_domain::dispatch::Report;
use gatepost_domain::injection::Injection;
use gatepost_domain::outcome::Reason;
use gatepost_domain::verdict::Clearance;
use gatepost_domain::verdict::Evidence;
use gatepost_domain::verdict::Stage;
use gatepost_gate::Cleared;
use gatepost_gate::Gate;
use gatepost_gate::Looked;
use gatepost_gate::Policy;
use gatepost_gate::Restrictions;
use gatepost_gate::Review;
use gatepost_gate::classifier::Model;
use gatepost_gate::classifier::NoVerdict;
use gatepost_models::budget::Ledger;
use gatepost_sandbox::Sandbox;
use tokio::sync::mpsc;
use tokio::sync::watch;

use crate::bound;
use crate::exec;
use crate::ground::Ground;
use crate::inbox::Inbox;
use crate::preview;
use crate::raising::Call;
use crate::raising::Raising;
use crate::reading::Ended;
use crate::reading::Owed;
use crate::reading::Read;
use crate::reading::Reading;
use crate::reading::To;
use crate::reading::brings_in;
use crate::run::End;
use crate::run::Reporter;
use crate::run::Sent;
use crate::run::Stop;
use crate::run::Told;
use crate::scanning::Screen;
use crate::storage::TaskStorage;
use crate::weighing;
use crate::weighing::Waiting;
use crate::weighing::Weighed;
use crate::weighing::Weighing;
use crate::worker::blocking;

/// So many proposals may be open at once; an agent with more of them is told no. People are not
/// asked more than they can look through, and models call far fewer tools at a time.
const MOST_OPEN: usize = 64;

/// Why what was cleared does not start.
const CHANGED: &str = "a file it runs changed after it was reviewed";
const RESTRICTED: &str = "what may run by itself changed after it was reviewed";

/// What the worker does now, to its end.
type Work<'a> = Pin<Box<dyn Future<Output = (ActionResult, Option<ShellState>)> + Send + 'a>>;

/// So many denials are remembered by their words.
const DENIED: usize = 20;

/// A run whose agent works.
pub(crate) struct Working<'a> {
    pub(crate) gate: Gate,
    /// The rules it judges by, as they change.
    pub(crate) policy: watch::Receiver<Arc<Policy>>,
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) inbox: Inbox,
    /// Where the task sees its workspace.
    pub(crate) workspace: String,
    pub(crate) reporter: &'a Reporter,
    pub(crate) agent: Box<dyn Agent>,
    pub(crate) storage: TaskStorage,
    pub(crate) told: mpsc::Receiver<Told>,
    pub(crate) next_action: ActionId,
    /// Actions approved for the whole task.
    pub(crate) grants: Vec<ActionDigest>,
    /// Answers to questions of an earlier run, each good for one action.
    pub(crate) answers: Vec<dispatch::Answer>,
    /// Denials that a person has cleared, each good for one action with that digest.
    pub(crate) cleared: Vec<dispatch::Answer>,
    /// The latest denials, with the words to know them by.
    pub(crate) denied: VecDeque<(ActionId, String)>,
    /// What Gatepost finds out by itself.
    pub(crate) ground: Ground,
    /// What is found in results on their way to a program's model.
    pub(crate) flagged: Option<mpsc::Receiver<Vec<Injection>>>,
    /// What looks through results, and those that it is at.
    pub(crate) screen: Screen,
    pub(crate) reading: Reading,
    /// Calls of Gatepost's own that are to be recorded.
    pub(crate) counted: mpsc::UnboundedReceiver<Metered>,
    pub(crate) open: Open<'a>,
    /// What holds the agent, and its name.
    pub(crate) gating: Gating,
    pub(crate) agent_name: String,
    /// Who is asked about what the rules leave open; nobody where no classifier is set up.
    pub(crate) models: Vec<Arc<dyn Model>>,
    pub(crate) task: TaskId,
    /// What was spent on models, and what may be.
    pub(crate) ledger: Ledger,
    pub(crate) raising: Raising,
    /// What the model proxy says of calls that lack room.
    pub(crate) calls: mpsc::Receiver<Call>,
}

/// Every proposal that is not answered, or not carried out, by where it stands.
#[derive(Default)]
pub(crate) struct Open<'a> {
    /// The classifier is thinking about it.
    pub(crate) weighing: Weighing,
    /// A person is asked.
    asked: BTreeMap<ActionId, Asked>,
    /// Cleared, behind what the worker runs now.
    queued: VecDeque<Queued>,
    /// What the worker runs now: one at a time, as they share a workspace.
    running: Option<Running<'a>>,
    /// What the agent carries out by itself and has not told the end of.
    underway: BTreeMap<ProposalId, Started>,
}

/// A proposal as the loop knows it.
#[derive(Debug, Clone, Copy)]
struct Proposal {
    id: ProposalId,
    by: Executor,
    action_id: ActionId,
    made: Made,
}

/// Who made an action what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    /// The agent, as it proposed it.
    ByAgent,
    /// A person, of what the agent proposed.
    ByPerson,
}

struct Asked {
    proposal: Proposal,
    review: Review,
}

struct Queued {
    proposal: Proposal,
    cleared: Cleared<Action>,
    by: ClearedBy,
}

/// Who let an action run.
#[derive(Debug, Clone, Copy)]
enum ClearedBy {
    /// A person, who decided on exactly this.
    Person,
    /// The gate, under these restrictions.
    Gate(Restrictions),
}

pub(crate) struct Started {
    action: Action,
    action_id: ActionId,
    digest: ActionDigest,
    begun: Instant,
}

struct Running<'a> {
    proposal: Proposal,
    started: Started,
    work: Work<'a>,
}

/// What the loop hears next.
enum Heard {
    Agent(Next),
    Hub(Option<Told>),
    Ran(ActionResult, Option<ShellState>),
    Weighed(Box<Weighed>),
    Call(Call),
    /// There may be room for the agent's next turn.
    Room,
    /// A call of Gatepost's own was answered, or given up.
    Counted(Metered),
    /// A model has looked through a result.
    Read(Box<Read>),
    /// A result on its way to a program's model was found out.
    Flagged(Vec<Injection>),
}

/// What becomes of a proposal after one look at it.
enum Seen {
    /// It was answered, or somebody else's word is awaited.
    Done,
    /// What it would run is not what was reviewed any more.
    Changed(Action),
}

impl Working<'_> {
    /// Hands over what came while the agent was not there yet.
    pub(crate) async fn begin(&mut self, early: Vec<Sent>) -> Result<(), Stop> {
        for sent in early {
            self.receive(sent).await?;
        }
        Ok(())
    }

    /// Works until the agent is done or something ends the run.
    pub(crate) async fn work(&mut self) -> Result<End, Stop> {
        let end = self.serve().await;
        let ending = match &end {
            Err(Stop::Cancelled) => Ending::Stopped,
            // Nobody could record it.
            Err(Stop::HubGone(_)) => return end,
            Ok(_) | Err(Stop::Refused(_) | Stop::Broken(_)) => Ending::CutOff,
        };
        match self.close(&ending).await {
            Err(stop @ Stop::HubGone(_)) => Err(stop),
            Err(stop) => {
                tracing::warn!(?stop, "the end of an action was not taken");
                end
            }
            Ok(()) => end,
        }
    }

    async fn serve(&mut self) -> Result<End, Stop> {
        loop {
            let mut end = None;
            match self.hear_next().await? {
                Heard::Agent(Next::Propose { id, action, by }) => {
                    self.keep_place().await;
                    self.act(id, by, action).await?;
                }
                Heard::Agent(Next::Finished { id, result }) => self.finished(id, result).await?,
                Heard::Agent(Next::Withdraw { id }) => self.withdraw(id).await?,
                Heard::Agent(Next::Report { event }) => {
                    self.reporter.send(Report::AgentReported { event }).await?;
                }
                Heard::Agent(Next::Ask { question }) => {
                    let resume = self.agent.resume_key();
                    self.reporter.send(Report::AwaitWords { question, resume }).await?;
                }
                Heard::Agent(Next::Turn { most, price }) => end = self.turn(most, price).await?,
                Heard::Room => end = self.look_again().await?,
                Heard::Agent(Next::Metered { metered }) => {
                    self.metered(metered).await?;
                }
                Heard::Agent(Next::Done { outcome, reason }) => end = Some((outcome, reason)),
                Heard::Hub(word) => end = self.hear(word).await?,
                Heard::Ran(result, shell) => self.ran(result, shell).await?,
                Heard::Weighed(weighed) => self.weighed(*weighed).await?,
                Heard::Call(call) => end = self.call(call).await?,
                Heard::Counted(metered) => {
                    self.reporter.send(Report::Metered { metered }).await?;
                }
                Heard::Flagged(found) => self.flag(None, &found, true).await?,
                Heard::Read(read) => self.read(*read).await?,
            }
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    /// Notes where the agent stands, for a task that is resumed after it was cut. It is not
    /// journaled, as it may be long and is asked for again seldom; without it the agent takes up
    /// an earlier place.
    pub(crate) async fn keep_place(&mut self) {
        let (storage, key) = (self.storage.clone(), self.agent.resume_key());
        let kept = blocking(move || storage.keep_place(&key).map_err(|error| error.to_string()));
        if let Err(error) = kept.await.and_then(|kept| kept) {
            tracing::warn!(task = %self.task, %error, "where the agent stands is not noted");
        }
    }

    async fn hear_next(&mut self) -> Result<Heard, Stop> {
        let Open { running, weighing, .. } = &mut self.open;
        let held = self.raising.holds_agent();
        let flagged = &mut self.flagged;
        tokio::select! {
            // What people say counts before the agent's next proposal, which comes last.
            biased;
            word = self.told.recv() => Ok(Heard::Hub(word)),
            // And so does what its model is about to read.
            Some(found) = async {
                match flagged {
                    Some(flagged) => flagged.recv().await,
                    None => None,
                }
            } => Ok(Heard::Flagged(found)),
            Some(metered) = self.counted.recv() => Ok(Heard::Counted(metered)),
            (result, shell) = async {
                match running {
                    Some(running) => running.work.as_mut().await,
                    None => std::future::pending().await,
                }
            } => Ok(Heard::Ran(result, shell)),
            read = self.reading.next() => Ok(Heard::Read(Box::new(read))),
            weighed = weighing.next() => Ok(Heard::Weighed(Box::new(weighed))),
            Some(call) = self.calls.recv() => Ok(Heard::Call(call)),
            () = self.raising.news() => Ok(Heard::Room),
            next = self.agent.next(), if !held => next.map(Heard::Agent).map_err(|error| {
                Stop::Broken(Reason::AgentFailed { detail: error.to_string() })
            }),
        }
    }

    async fn hear(&mut self, word: Option<Told>) -> Result<Option<End>, Stop> {
        match word {
            Some(Told::Message { sent }) => self.receive(sent).await?,
            Some(Told::Settled { action_id, settlement }) => {
                // Otherwise it is about a budget, or an answer to a question that is over; the life
                // cycle has seen to that.
                let Some(asked) = self.open.asked.remove(&action_id) else {
                    return self.raised(action_id, &settlement).await;
                };
                let proposal = asked.proposal;
                match self.settle(asked, &settlement).await? {
                    Seen::Done => {}
                    Seen::Changed(action) => self.act(proposal.id, proposal.by, action).await?,
                }
            }
            Some(Told::Cleared { action_id, digest, settlement }) => {
                let denied = self.denied.iter().find(|(id, _)| *id == action_id);
                let what = denied.map_or("what was refused", |(_, subject)| subject.as_str());
                let words = format!(
                    "Gatepost: {}: `{what}`. It was refused before. If it is still needed, do exactly \
                     that again; this holds once, and for nothing else.",
                    settlement.words()
                );
                self.cleared.push(dispatch::Answer {
                    action_id: Some(action_id),
                    digest,
                    settlement,
                });
                self.agent.note(&words);
            }
            Some(Told::Cancel) => {
                self.agent.interrupt();
                return Err(Stop::Cancelled);
            }
            None => return Err(Stop::HubGone("nobody speaks to the run any more".into())),
        }
        Ok(None)
    }

    /// Gives the agent a message; its files go into the workspace first.
    async fn receive(&mut self, sent: Sent) -> Result<(), Stop> {
        let Sent { message, sender, boundaries } = sent;
        // Before the agent hears of it, and before anything else is looked at.
        if boundaries.iter().any(|new| new.effect.is_some() && !self.gate.is_bound_by(new)) {
            self.grants.clear();
            self.cleared.clear();
        }
        self.gate.bind(boundaries);
        weighing::heard(&mut self.gate, &message, sender.as_ref());
        let words = self.inbox.expect(message);
        let words = match self.inbox.put(self.sandbox).await {
            Ok(()) => words,
            Err(why) => {
                // The words still count, and the person hears what did not arrive.
                let event = AgentEvent::Text { text: format!("Gatepost: {why}") };
                self.reporter.send(Report::AgentReported { event }).await?;
                Words { files: Vec::new(), ..words }
            }
        };
        self.agent.message(words);
        Ok(())
    }

    /// One proposal: reviewed, and then cleared, refused or asked about.
    async fn act(&mut self, id: ProposalId, by: Executor, action: Action) -> Result<(), Stop> {
        let mut action = action;
        loop {
            match self.review(id, by, action).await? {
                Seen::Done => return Ok(()),
                Seen::Changed(again) => action = again,
            }
        }
    }

    /// Takes up rules that changed since the last look.
    fn renew(&mut self) {
        // Whoever kept them up to date is gone at the very end, and then they stay what they are.
        if self.policy.has_changed().unwrap_or(false) {
            self.gate.rule_by(Arc::clone(&self.policy.borrow_and_update()));
        }
    }

    async fn review(&mut self, id: ProposalId, by: Executor, action: Action) -> Result<Seen, Stop> {
        self.renew();
        let bound = self.bind(&action).await?;
        let waiting = Waiting { id, by, weighed: None };
        if self.gate.weighs()
            && let Some(facts) = self.ground.look(self.sandbox).await
        {
            self.gate.learn(facts);
        }
        let looked = self.gate.look(action, bound.files, &self.permitted());
        self.looked(waiting, looked, &bound.unbound).await
    }

    /// What the gate judged is dealt with, what it leaves open is for the classifier.
    async fn looked(
        &mut self,
        waiting: Waiting,
        looked: Looked,
        unbound: &[String],
    ) -> Result<Seen, Stop> {
        match looked {
            Looked::Judged(review) => self.reviewed(waiting, *review, unbound).await,
            Looked::Open(open) => {
                self.open.weighing.begin(self.models.clone(), waiting, *open);
                Ok(Seen::Done)
            }
        }
    }

    /// Records what a model used, and counts it against the budgets at once.
    async fn metered(&mut self, metered: Metered) -> Result<(), Stop> {
        match self.raising.reserved() {
            Some(reservation) => reservation.settle(metered.usage),
            None => self.ledger.count(&self.task, &metered),
        }
        self.reporter.send(Report::Metered { metered }).await
    }

    /// Records what Gatepost's own calls so far have used, before what they came to.
    pub(crate) async fn record_calls(&mut self) -> Result<(), Stop> {
        while let Ok(metered) = self.counted.try_recv() {
            self.reporter.send(Report::Metered { metered }).await?;
        }
        Ok(())
    }

    /// The classifier has thought. Meanwhile the agent may have changed its mind, or the bytes.
    async fn weighed(&mut self, weighed: Weighed) -> Result<(), Stop> {
        let Weighed { waiting, open, opinion, calls } = weighed;
        self.record_calls().await?;
        for call in calls {
            let (step, took) = (call.step.as_str(), call.took);
            tracing::debug!(step, ?took, model = %call.used.model, "the classifier was asked");
        }
        if !self.open.weighing.take(waiting.id) {
            return Ok(());
        }
        if let Err(NoVerdict::Spent { short: Some(short), .. }) = &opinion
            && self.gate.asks_people()
        {
            let short = (**short).clone();
            return self.verdict_waits(waiting, open, short).await;
        }
        self.nobody_waits().await?;
        let action = open.question().action.clone();
        let now = self.bind(&action).await?;
        if action.digest(&now.files) != *open.digest() {
            return self.act(waiting.id, waiting.by, action).await;
        }
        self.renew();
        let looked = self.gate.settle(open, opinion, &self.permitted());
        match self.looked(waiting, looked, &now.unbound).await? {
            Seen::Done => Ok(()),
            Seen::Changed(action) => self.act(waiting.id, waiting.by, action).await,
        }
    }

    /// A judged proposal: recorded, and then cleared, refused or asked about.
    async fn reviewed(
        &mut self,
        waiting: Waiting,
        review: Review,
        unbound: &[String],
    ) -> Result<Seen, Stop> {
        let Waiting { id, by, weighed } = waiting;
        let proposal = Proposal { id, by, action_id: self.next_action, made: Made::ByAgent };
        self.record_verdict(&review, weighed).await?;
        let judgement = review.judgement();
        if judgement.stage == Stage::Grant && !self.grants.contains(review.digest()) {
            // What a person cleared after a denial is used up with this.
            let used = self.cleared.iter().position(|answer| answer.digest == *review.digest());
            used.map(|at| self.cleared.remove(at));
        }
        let words = match judgement.verdict {
            Verdict::Allow => {
                let by = ClearedBy::Gate(self.gate.restrictions());
                return self.clear(proposal, review.clear(), by).await;
            }
            Verdict::Deny => judgement.reason.clone(),
            Verdict::Escalate | Verdict::NoVerdict => {
                match (judgement.clearance, unbound.first()) {
                    (Clearance::Person, None) if self.open.len() < MOST_OPEN => {
                        return self.ask(proposal, review).await;
                    }
                    (Clearance::Person, None) => format!(
                        "{MOST_OPEN} proposals are open already; wait for answers before you \
                         propose more"
                    ),
                    (Clearance::Person, Some(path)) => unreadable(path),
                    (Clearance::Nobody | Clearance::NotNeeded, _) => judgement.reason.clone(),
                }
            }
        };
        let reason = Reason::RefusedByGate { reason: words.clone() };
        let outcome = format!("refused by the gate ({})", judgement.rule);
        self.gate.refused(review.action(), &outcome);
        self.denied.push_back((proposal.action_id, deed_words(review.action())));
        if self.denied.len() > DENIED {
            self.denied.pop_front();
        }
        self.refuse(proposal, review.digest().clone(), words, reason).await?;
        Ok(Seen::Done)
    }

    /// Digests that a person has let run: for the whole task, or once after a denial.
    fn permitted(&self) -> Vec<ActionDigest> {
        let cleared = self.cleared.iter().filter(|answer| answer.settlement.approves());
        self.grants.iter().chain(cleared.map(|answer| &answer.digest)).cloned().collect()
    }

    /// Takes the answer of an earlier run, or asks people; what they say comes to [`Self::hear`].
    async fn ask(&mut self, proposal: Proposal, review: Review) -> Result<Seen, Stop> {
        let before = self.answers.iter().position(|answer| answer.digest == *review.digest());
        if let Some(at) = before {
            let settlement = self.answers.remove(at).settlement;
            return self.settle(Asked { proposal, review }, &settlement).await;
        }
        let diff = preview::diff(self.sandbox, &self.workspace, review.action())
            .await
            .map_err(|error| Stop::Broken(Reason::SandboxFailed { detail: error.to_string() }))?;
        let mut judgement = review.judgement().clone();
        if let Some(warning) = self.gating.warning() {
            // Whoever answers should not take this for all that the agent does.
            let (span, fact) = (self.agent_name.clone(), warning.to_owned());
            judgement.evidence.push(Evidence { span, fact });
        }
        self.reporter
            .send(Report::Ask {
                action_id: proposal.action_id,
                action: review.action().clone(),
                digest: review.digest().clone(),
                bound: review.bound().to_vec(),
                diff,
                judgement,
                form: self.form(proposal, review.action()),
                resume: self.agent.resume_key(),
            })
            .await?;
        self.open.asked.insert(proposal.action_id, Asked { proposal, review });
        Ok(Seen::Done)
    }

    async fn settle(&mut self, asked: Asked, settlement: &Settlement) -> Result<Seen, Stop> {
        let Asked { proposal, review } = asked;
        let digest = review.digest().clone();
        if let Settlement::Edited { who, action } = settlement {
            let reason = format!("{who} made another action of it, which is reviewed by itself");
            let action_id = proposal.action_id;
            self.reporter.send(Report::ActionRefused { action_id, digest, reason }).await?;
            return self.edited(proposal, (**action).clone(), settlement).await;
        }
        if !settlement.approves() {
            let reason = refusal(settlement);
            self.gate.refused(review.action(), &settlement.words());
            let mut words = reason.to_string();
            if review.judgement().stage == Stage::Breaker {
                words.push_str("; try no other way to it, and ask the person what to do");
            }
            self.refuse(proposal, digest, words, reason).await?;
            return Ok(Seen::Done);
        }
        if let Settlement::Person { decision: Decision::ApproveForTask, .. } = settlement {
            self.grants.push(digest.clone());
        }
        // The wait may have been hours: what was approved must still be what would run.
        let now = self.bind(review.action()).await?;
        if review.action().digest(&now.files) != digest {
            let action = review.action().clone();
            return self.changed(proposal.action_id, digest, action, CHANGED).await;
        }
        self.clear(proposal, review.clear_by(&digest, settlement), ClearedBy::Person).await
    }

    /// What a person made of a proposal and let run, once, if nothing forbids it to everybody. The
    /// classifier is not asked: a person has been.
    async fn edited(
        &mut self,
        proposal: Proposal,
        action: Action,
        settlement: &Settlement,
    ) -> Result<Seen, Stop> {
        let bound = self.bind(&action).await?;
        let review = self.gate.review(action, bound.files, &self.grants);
        let made = Made::ByPerson;
        let proposal = Proposal { action_id: self.next_action, made, ..proposal };
        self.record_verdict(&review, None).await?;
        let allowed = review.judgement().verdict == Verdict::Allow;
        if let Some(path) = bound.unbound.first().filter(|_| !allowed) {
            let words = unreadable(path);
            let reason = Reason::RefusedByGate { reason: words.clone() };
            self.refuse(proposal, review.digest().clone(), words, reason).await?;
            return Ok(Seen::Done);
        }
        let proof = if allowed { review.clear() } else { review.clear_edited(settlement) };
        self.clear(proposal, proof, ClearedBy::Person).await
    }

    /// Whether a person may answer with another form of it.
    fn form(&self, proposal: Proposal, action: &Action) -> Form {
        let editable = action.text().is_some()
            && match proposal.by {
                Executor::Worker => true,
                Executor::Agent => self.agent.input_for(proposal.id, action).is_some(),
            };
        if editable { Form::Editable } else { Form::Fixed }
    }

    /// Records what the gate said; the next action has the next number.
    async fn record_verdict(
        &mut self,
        review: &Review,
        weighed: Option<VerdictCost>,
    ) -> Result<(), Stop> {
        let action_id = self.next_action;
        self.next_action = action_id.next();
        self.reporter
            .send(Report::Verdict {
                action_id,
                action: review.action().clone(),
                digest: review.digest().clone(),
                judgement: review.judgement().clone(),
                weighed,
            })
            .await
    }

    /// The gate makes the proof or keeps it; there is no third way.
    async fn clear(
        &mut self,
        proposal: Proposal,
        proof: Result<Cleared<Action>, Box<Review>>,
        by: ClearedBy,
    ) -> Result<Seen, Stop> {
        match proof {
            Ok(cleared) => match proposal.by {
                Executor::Agent => self.let_agent(proposal, cleared).await?,
                Executor::Worker if self.open.running.is_some() => {
                    self.open.queued.push_back(Queued { proposal, cleared, by });
                }
                Executor::Worker => self.start(proposal, cleared).await?,
            },
            Err(review) => {
                let words = review.judgement().reason.clone();
                let reason = Reason::RefusedByGate { reason: words.clone() };
                self.refuse(proposal, review.digest().clone(), words, reason).await?;
            }
        }
        Ok(Seen::Done)
    }

    /// Lets the agent carry out what was cleared, once the start is on record.
    async fn let_agent(
        &mut self,
        proposal: Proposal,
        cleared: Cleared<Action>,
    ) -> Result<(), Stop> {
        let input = match proposal.made {
            Made::ByAgent => None,
            Made::ByPerson => match self.agent.input_for(proposal.id, cleared.get()) {
                Some(input) => Some(input),
                // It runs as a person wrote it or not at all.
                None => {
                    let words = "the agent cannot be handed the form that a person gave it";
                    let (words, detail) = (words.to_owned(), words.to_owned());
                    let reason = Reason::AgentFailed { detail };
                    return self.refuse(proposal, cleared.digest().clone(), words, reason).await;
                }
            },
        };
        let started = self.record_start(proposal, &cleared).await?;
        self.open.underway.insert(proposal.id, started);
        self.agent.answer(proposal.id, Answer::Cleared { input });
        Ok(())
    }

    async fn start(&mut self, proposal: Proposal, cleared: Cleared<Action>) -> Result<(), Stop> {
        let started = self.record_start(proposal, &cleared).await?;
        let work = Box::pin(exec::execute(self.sandbox, self.workspace.clone(), cleared));
        self.open.running = Some(Running { proposal, started, work });
        Ok(())
    }

    async fn record_start(
        &mut self,
        proposal: Proposal,
        cleared: &Cleared<Action>,
    ) -> Result<Started, Stop> {
        let (action_id, digest) = (proposal.action_id, cleared.digest().clone());
        self.reporter.send(Report::ActionStarted { action_id, digest: digest.clone() }).await?;
        Ok(Started { action: cleared.get().clone(), action_id, digest, begun: Instant::now() })
    }

    /// What the worker ran has ended; the next one that waits for it begins.
    async fn ran(&mut self, result: ActionResult, shell: Option<ShellState>) -> Result<(), Stop> {
        let Some(Running { proposal, started, .. }) = self.open.running.take() else {
            return Ok(());
        };
        let (action_id, outside) = (started.action_id, brings_in(&started.action));
        let told = match proposal.made {
            Made::ByAgent => result.clone(),
            Made::ByPerson => with_note(&started.action, &result),
        };
        let to = To::Agent(Box::new(Owed { id: proposal.id, shell, started, result }));
        self.hand_over(Ended { action_id, told, outside, to }).await?;
        while self.open.running.is_none() {
            let Some(Queued { proposal, cleared, by }) = self.open.queued.pop_front() else {
                break;
            };
            let now = self.bind(cleared.get()).await?;
            self.renew();
            let restricted = match by {
                ClearedBy::Person => false,
                ClearedBy::Gate(before) => before != self.gate.restrictions(),
            };
            let changed = cleared.get().digest(&now.files) != *cleared.digest();
            let why = match (changed, restricted) {
                (false, false) => {
                    self.start(proposal, cleared).await?;
                    continue;
                }
                (true, _) => CHANGED,
                (false, true) => RESTRICTED,
            };
            let digest = cleared.digest().clone();
            let action = cleared.into_inner();
            match self.changed(proposal.action_id, digest, action, why).await? {
                Seen::Changed(action) => self.act(proposal.id, proposal.by, action).await?,
                Seen::Done => {}
            }
        }
        Ok(())
    }

    /// The agent tells the end of what it carried out. One that it was never let do is ignored:
    /// what it says starts and ends nothing.
    async fn finished(&mut self, id: ProposalId, result: ActionResult) -> Result<(), Stop> {
        let Some(started) = self.open.underway.remove(&id) else {
            tracing::warn!(?id, "an agent tells the end of what did not begin");
            return Ok(());
        };
        let took = started.begun.elapsed();
        let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let (action_id, outside) = (started.action_id, brings_in(&started.action));
        // When it began and ended is the worker's own knowledge.
        let result = ActionResult { duration_ms, ..result };
        self.record_end(started, result.clone()).await?;
        self.hand_over(Ended { action_id, told: result, outside, to: To::Nobody }).await
    }

    pub(crate) async fn record_end(
        &mut self,
        started: Started,
        result: ActionResult,
    ) -> Result<(), Stop> {
        let Started { action, action_id, digest, begun: _ } = started;
        self.ground.changed();
        // Voids the classifier's earlier opinions where something new was read.
        self.gate.done(&action, &format!("ran, {}", result.ending.words()));
        self.reporter.send(Report::ActionFinished { action_id, digest, result }).await
    }

    /// The agent no longer wants it. What has begun goes on: nobody can take that back.
    async fn withdraw(&mut self, id: ProposalId) -> Result<(), Stop> {
        if self.open.weighing.take(id) || self.raising.drop_verdict(id) {
            // It was not judged yet, so there is nothing to take back but what it waited for.
            self.nobody_waits().await?;
            return Ok(());
        }
        let asked = self.open.asked.values().find(|asked| asked.proposal.id == id);
        if let Some(action_id) = asked.map(|asked| asked.proposal.action_id) {
            let Some(asked) = self.open.asked.remove(&action_id) else { return Ok(()) };
            match self.reporter.send(Report::Withdraw { action_id }).await {
                // A person was faster; the answer has nothing left to act on.
                Ok(()) | Err(Stop::Refused(_)) => {}
                Err(stop) => return Err(stop),
            }
            return self.drop_proposal(action_id, asked.review.digest().clone()).await;
        }
        if let Some(at) = self.open.queued.iter().position(|queued| queued.proposal.id == id)
            && let Some(Queued { proposal, cleared, by: _ }) = self.open.queued.remove(at)
        {
            return self.drop_proposal(proposal.action_id, cleared.digest().clone()).await;
        }
        Ok(())
    }

    async fn drop_proposal(
        &mut self,
        action_id: ActionId,
        digest: ActionDigest,
    ) -> Result<(), Stop> {
        let reason = "the agent no longer wants it".to_owned();
        self.reporter.send(Report::ActionRefused { action_id, digest, reason }).await
    }

    async fn changed(
        &mut self,
        action_id: ActionId,
        digest: ActionDigest,
        action: Action,
        why: &str,
    ) -> Result<Seen, Stop> {
        let reason = format!("{why}; it is reviewed anew");
        self.reporter.send(Report::ActionRefused { action_id, digest, reason }).await?;
        Ok(Seen::Changed(action))
    }

    async fn refuse(
        &mut self,
        proposal: Proposal,
        digest: ActionDigest,
        words: String,
        reason: Reason,
    ) -> Result<(), Stop> {
        let (action_id, told) = (proposal.action_id, words.clone());
        self.reporter.send(Report::ActionRefused { action_id, digest, reason: told }).await?;
        self.agent.answer(proposal.id, Answer::Refused { words, reason });
        Ok(())
    }

    /// The bytes of what an action runs. The gate hears them: it judges what the task wrote by what
    /// it holds, and what that runs is bound as well.
    async fn bind(&mut self, action: &Action) -> Result<bound::Bound, Stop> {
        let mut paths = self.gate.bound_paths(action);
        loop {
            let bound = bound::bind(self.sandbox, paths.clone()).await.map_err(|error| {
                Stop::Broken(Reason::SandboxFailed { detail: error.to_string() })
            })?;
            for (path, text) in &bound.texts {
                self.gate.read_back(path, text);
            }
            let now = self.gate.bound_paths(action);
            // A script that runs a script names it once it is read itself.
            if now.iter().all(|path| paths.contains(path)) {
                return Ok(bound);
            }
            paths.extend(now);
            paths.sort();
            paths.dedup();
        }
    }

    /// Records the end of whatever has begun and will not be heard of any more.
    async fn close(&mut self, ending: &Ending) -> Result<(), Stop> {
        // What is thought about no longer matters, and what that has cost still does.
        self.open.weighing = Weighing::default();
        let owed = self.reading.drop_all();
        self.record_calls().await?;
        for Owed { started, result, .. } in owed {
            self.record_end(started, result).await?;
        }
        let running = self.open.running.take().map(|running| running.started);
        let underway = std::mem::take(&mut self.open.underway).into_values();
        for started in running.into_iter().chain(underway) {
            let result = exec::ended(ending.clone(), started.begun.elapsed());
            self.record_end(started, result).await?;
        }
        Ok(())
    }
}

impl Open<'_> {
    fn len(&self) -> usize {
        self.weighing.len() + self.asked.len() + self.queued.len() + self.underway.len()
    }
}

fn unreadable(path: &str) -> String {
    format!(
        "an approval holds for exact bytes, and `{path}` cannot be read whole; make it a regular \
         file of at most 64 MiB"
    )
}

/// A result for the agent, which learns from it what ran in the place of what it proposed.
fn with_note(action: &Action, result: &ActionResult) -> ActionResult {
    let text = action.text().unwrap_or_default();
    let head = format!(
        "Gatepost: a person changed this before it ran. It ran as:\n{text}\n\n{}",
        result.head
    );
    ActionResult { head, ..result.clone() }
}

/// An action in few words, for whoever proposed it.
fn deed_words(action: &Action) -> String {
    action.subject().chars().take(SUBJECT).collect()
}

/// Why the action was not allowed, after people had it.
fn refusal(settlement: &Settlement) -> Reason {
    match settlement {
        Settlement::Person { who, reason, .. } => {
            Reason::DeniedByPerson { by: who.to_string(), reason: reason.clone() }
        }
        Settlement::Edited { .. } | Settlement::Expired | Settlement::Withdrawn => {
            Reason::ApprovalExpired
        }
    }
}
