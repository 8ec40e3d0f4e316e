//! One run, top to bottom: workspace and sandbox, agent, every action past the gate, the changes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use gatepost_agents::Agent;
use gatepost_agents::Answer;
use gatepost_agents::Brief;
use gatepost_agents::Next;
use gatepost_agents::ProposalId;
use gatepost_agents::Runbook;
use gatepost_agents::runbook::SplitError;
use gatepost_domain::Action;
use gatepost_domain::ActionDigest;
use gatepost_domain::ActionId;
use gatepost_domain::ChangeSet;
use gatepost_domain::Decision;
use gatepost_domain::Outcome;
use gatepost_domain::RunNumber;
use gatepost_domain::TaskId;
use gatepost_domain::TaskSpec;
use gatepost_domain::Verdict;
use gatepost_domain::agent::Ending;
use gatepost_domain::approval::Settlement;
use gatepost_domain::dispatch;
use gatepost_domain::dispatch::Assignment;
use gatepost_domain::dispatch::Report;
use gatepost_domain::outcome::Reason;
use gatepost_domain::verdict::Clearance;
use gatepost_gate::Cleared;
use gatepost_gate::Context;
use gatepost_gate::Gate;
use gatepost_gate::Review;
use gatepost_sandbox::Profile;
use gatepost_sandbox::Sandbox;
use gatepost_sandbox::WorkspaceForm;
use gatepost_sandbox::deliver;
use tokio::sync::mpsc;

use crate::bound;
use crate::exec;
use crate::link::HubLink;
use crate::link::LinkError;
use crate::storage::TaskStorage;
use crate::worker::WorkerConfig;
use crate::worker::blocking;

/// What the hub says to a run.
#[derive(Debug)]
pub(crate) enum Told {
    /// A question was settled.
    Settled {
        /// About which action.
        action_id: ActionId,
        /// How.
        settlement: Settlement,
    },
    /// A person sent another message.
    Message {
        /// Their words.
        text: String,
    },
    /// A person stopped the task.
    Cancel,
}

/// Why a run ends before its agent is done.
#[derive(Debug)]
enum Stop {
    /// A person stopped the task.
    Cancelled,
    /// The hub takes no more of it, as when the task is being stopped at this very moment.
    Refused(String),
    /// The agent or the sandbox broke.
    Broken(Reason),
    /// The hub is gone: whatever is not recorded must not go on.
    HubGone(String),
}

/// How a run comes to its end.
type End = (Outcome, Reason);

/// Runs an assignment to its last report.
pub(crate) async fn run(
    config: &WorkerConfig,
    link: Arc<dyn HubLink>,
    assignment: Assignment,
    told: mpsc::Receiver<Told>,
) {
    let (task, run, spec) = (assignment.task.clone(), assignment.run, assignment.spec.clone());
    let reporter = Reporter { link, task: task.clone(), run };
    let (outcome, reason) = match attempt(config, &reporter, assignment, told).await {
        Ok(end) => end,
        // The hub knows who stopped it and says so whatever is reported here.
        Err(Stop::Cancelled) => (Outcome::Cancelled, Reason::CancelledBy { by: String::new() }),
        Err(Stop::Refused(detail)) => (Outcome::Failed, Reason::AgentFailed { detail }),
        Err(Stop::Broken(reason)) => (Outcome::Failed, reason),
        Err(Stop::HubGone(detail)) => {
            tracing::error!(%task, %run, %detail, "the run is left as it is");
            return;
        }
    };
    // The sandbox is gone by now, so the changes hold still.
    if let Err(error) = reporter.send(Report::Ended { outcome, reason }).await {
        tracing::warn!(%task, %run, ?error, "the end of a run was not taken");
        return;
    }
    let changes = collect(config, &task, &spec).await;
    if let Err(error) = reporter.send(Report::Changes { changes }).await {
        tracing::warn!(%task, %run, ?error, "the changes of a run were not taken");
    }
}

/// What a run that is over has changed; also keeps the diff for people.
pub(crate) async fn collect(config: &WorkerConfig, task: &TaskId, spec: &TaskSpec) -> ChangeSet {
    let storage = TaskStorage::of(&config.runs, task);
    let project = PathBuf::from(&spec.project_path);
    let collected = blocking(move || {
        let Some(form) = WorkspaceForm::in_storage(&project, &storage.workspace()) else {
            // It ended before there was a workspace.
            return Ok(ChangeSet::default());
        };
        let collected = deliver::collect(&form, &deliver::Options::default())
            .map_err(|error| error.to_string())?;
        storage.keep_diff(&collected.diff).map_err(|error| error.to_string())?;
        Ok(collected.changes)
    });
    match collected.await.and_then(|collected| collected) {
        Ok(changes) => changes,
        Err(error) => {
            // A set that is not whole is never delivered, and discard still removes it.
            tracing::error!(%task, %error, "the changes of a task could not be collected");
            ChangeSet { truncated: true, ..ChangeSet::default() }
        }
    }
}

async fn attempt(
    config: &WorkerConfig,
    reporter: &Reporter,
    assignment: Assignment,
    mut told: mpsc::Receiver<Told>,
) -> Result<End, Stop> {
    let storage = TaskStorage::of(&config.runs, &assignment.task);
    let sandbox = {
        let start = start_sandbox(config, &assignment.spec, &storage);
        tokio::pin!(start);
        loop {
            tokio::select! {
                sandbox = &mut start => break sandbox?,
                // Messages so far are in the assignment; later ones come when the agent is there.
                Some(word) = told.recv() => if let Told::Cancel = word { return Err(Stop::Cancelled) },
            }
        }
    };
    reporter.send(Report::Ready { sandbox: sandbox.report() }).await?;
    let agent = start_agent(&assignment)?;
    let mut working = Working {
        gate: Gate::new(
            Arc::clone(&config.policy),
            assignment.spec.mode,
            context(config, &assignment.spec, &sandbox),
        ),
        sandbox,
        reporter,
        agent,
        told,
        next_action: assignment.next_action,
        grants: assignment.grants,
        answers: assignment.answers,
    };
    let end = working.work().await;
    working.sandbox.stop().await;
    end
}

async fn start_sandbox(
    config: &WorkerConfig,
    spec: &TaskSpec,
    storage: &TaskStorage,
) -> Result<Sandbox, Stop> {
    let failed = |detail: String| Stop::Broken(Reason::SandboxFailed { detail });
    storage.prepare().map_err(|error| {
        failed(format!("the task's directory cannot be made ({error}); check the data directory"))
    })?;
    let mut profile = Profile::new(&spec.project_path, storage.workspace());
    profile.read_only.clone_from(&config.read_only);
    Sandbox::start(profile).await.map_err(|error| failed(error.to_string()))
}

/// There is one agent so far; the hub has refused every other name.
fn start_agent(assignment: &Assignment) -> Result<Box<dyn Agent>, Stop> {
    let brief = Brief {
        text: assignment.spec.text.clone(),
        messages: assignment.messages.clone(),
        workspace: assignment.spec.project_path.clone(),
        resume: assignment.resume.clone(),
    };
    match Runbook::new(brief, split) {
        Ok(runbook) => Ok(Box::new(runbook)),
        Err(error) => Err(Stop::Broken(Reason::AgentFailed { detail: error.to_string() })),
    }
}

fn split(script: &str) -> Result<Vec<String>, SplitError> {
    gatepost_gate::split_steps(script).map_err(|error| SplitError(error.to_string()))
}

fn context(config: &WorkerConfig, spec: &TaskSpec, sandbox: &Sandbox) -> Context {
    let home = sandbox.env().get("HOME").map_or("/", String::as_str);
    let mut context = Context::new(&spec.project_path, home, &spec.project_path);
    context.gate_paths =
        config.gate_paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    context
}

/// Reports of one run.
struct Reporter {
    link: Arc<dyn HubLink>,
    task: TaskId,
    run: RunNumber,
}

impl Reporter {
    async fn send(&self, report: Report) -> Result<(), Stop> {
        self.link.report(self.task.clone(), self.run, report).await.map_err(|error| match error {
            LinkError::Refused(why) => Stop::Refused(why),
            LinkError::Gone(why) => Stop::HubGone(why),
        })
    }
}

/// A run whose agent works.
struct Working<'a> {
    gate: Gate,
    sandbox: Sandbox,
    reporter: &'a Reporter,
    agent: Box<dyn Agent>,
    told: mpsc::Receiver<Told>,
    next_action: ActionId,
    /// Actions approved for the whole task.
    grants: Vec<ActionDigest>,
    /// Answers to questions of an earlier run, each good for one action.
    answers: Vec<dispatch::Answer>,
}

/// What the gate and people say to an action.
enum Clearing {
    /// It may run.
    Cleared(Cleared<Action>),
    /// It may not.
    Refused {
        /// What the agent is told.
        words: String,
        /// How the task ends if the agent cannot go on without it.
        reason: Reason,
    },
    /// What it would run is not what was asked about any more.
    Changed,
}

impl Working<'_> {
    async fn work(&mut self) -> Result<End, Stop> {
        loop {
            let next = tokio::select! {
                next = self.agent.next() => next,
                word = self.told.recv() => {
                    self.hear(word)?;
                    continue;
                }
            };
            let next = next
                .map_err(|error| Stop::Broken(Reason::AgentFailed { detail: error.to_string() }))?;
            match next {
                Next::Propose { id, action } => self.act(id, action).await?,
                // Proposals are answered one after another, so none is open here.
                Next::Withdraw { .. } => {}
                Next::Report { event } => {
                    self.reporter.send(Report::AgentReported { event }).await?;
                }
                Next::Done { outcome, reason } => return Ok((outcome, reason)),
            }
        }
    }

    /// One action: reviewed, cleared or refused, run, answered.
    async fn act(&mut self, proposal: ProposalId, action: Action) -> Result<(), Stop> {
        loop {
            let id = self.next_action;
            self.next_action = id.next();
            let bound = self.bind(&action).await?;
            let review = self.gate.review(action.clone(), bound.files, &self.grants);
            let digest = review.digest().clone();
            self.reporter
                .send(Report::Verdict {
                    action_id: id,
                    action: review.action().clone(),
                    digest: digest.clone(),
                    judgement: review.judgement().clone(),
                })
                .await?;
            match self.clear(id, review, bound.unbound).await? {
                Clearing::Cleared(cleared) => {
                    let answer = self.execute(id, digest, cleared).await?;
                    self.agent.answer(proposal, answer);
                    return Ok(());
                }
                Clearing::Refused { words, reason } => {
                    self.refuse(id, digest, &words).await?;
                    self.agent.answer(proposal, Answer::Refused { words, reason });
                    return Ok(());
                }
                Clearing::Changed => {
                    let words = "a file it runs changed after it was asked about; it is \
                                 reviewed anew";
                    self.refuse(id, digest, words).await?;
                }
            }
        }
    }

    async fn bind(&mut self, action: &Action) -> Result<bound::Bound, Stop> {
        bound::bind(&self.sandbox, self.gate.bound_paths(action))
            .await
            .map_err(|error| Stop::Broken(Reason::SandboxFailed { detail: error.to_string() }))
    }

    async fn clear(
        &mut self,
        id: ActionId,
        review: Review,
        unbound: Vec<String>,
    ) -> Result<Clearing, Stop> {
        let judgement = review.judgement().clone();
        match judgement.verdict {
            Verdict::Allow => return Ok(cleared(review.clear())),
            Verdict::Deny => {
                let words = judgement.reason;
                let reason = Reason::RefusedByGate { reason: words.clone() };
                return Ok(Clearing::Refused { words, reason });
            }
            Verdict::Escalate | Verdict::NoVerdict => {}
        }
        if judgement.clearance != Clearance::Person {
            let reason = Reason::RefusedByGate { reason: judgement.reason.clone() };
            return Ok(Clearing::Refused { words: judgement.reason, reason });
        }
        if let Some(path) = unbound.first() {
            let words = format!(
                "an approval holds for exact bytes, and `{path}` cannot be read whole; make it a \
                 regular file of at most 64 MiB"
            );
            let reason = Reason::RefusedByGate { reason: words.clone() };
            return Ok(Clearing::Refused { words, reason });
        }
        let before = self.answers.iter().position(|answer| answer.digest == *review.digest());
        let settlement = match before {
            Some(at) => self.answers.remove(at).settlement,
            None => self.ask(id, &review).await?,
        };
        if !settlement.approves() {
            return Ok(refused_by(&settlement));
        }
        if let Settlement::Person { decision: Decision::ApproveForTask, .. } = settlement {
            self.grants.push(review.digest().clone());
        }
        // The wait may have been hours: what was approved must still be what would run.
        let now = self.bind(review.action()).await?;
        if review.action().digest(&now.files) != *review.digest() {
            return Ok(Clearing::Changed);
        }
        let digest = review.digest().clone();
        Ok(cleared(review.clear_by(&digest, &settlement)))
    }

    /// Asks people and waits, however long it takes.
    async fn ask(&mut self, id: ActionId, review: &Review) -> Result<Settlement, Stop> {
        self.reporter
            .send(Report::Ask {
                action_id: id,
                action: review.action().clone(),
                digest: review.digest().clone(),
                bound: review.bound().to_vec(),
                judgement: review.judgement().clone(),
                resume: self.agent.resume_key(),
            })
            .await?;
        loop {
            match self.told.recv().await {
                Some(Told::Settled { action_id, settlement }) if action_id == id => {
                    return Ok(settlement);
                }
                other => self.hear(other)?,
            }
        }
    }

    async fn execute(
        &mut self,
        id: ActionId,
        digest: ActionDigest,
        cleared: Cleared<Action>,
    ) -> Result<Answer, Stop> {
        self.reporter.send(Report::ActionStarted { action_id: id, digest: digest.clone() }).await?;
        let begun = Instant::now();
        let mut messages = Vec::new();
        let (result, shell) = {
            let running = exec::execute(&self.sandbox, cleared);
            tokio::pin!(running);
            loop {
                tokio::select! {
                    ended = &mut running => break ended,
                    word = self.told.recv() => match word {
                        Some(Told::Cancel) => break (exec::stopped(begun.elapsed()), None),
                        Some(Told::Message { text }) => messages.push(text),
                        // Nothing is asked while something runs.
                        Some(Told::Settled { .. }) => {}
                        None => return Err(hub_gone()),
                    },
                }
            }
        };
        let stopped = matches!(result.ending, Ending::Stopped);
        let finished = Report::ActionFinished { action_id: id, digest, result: result.clone() };
        self.reporter.send(finished).await?;
        if stopped {
            return Err(Stop::Cancelled);
        }
        for text in messages {
            self.agent.message(text);
        }
        Ok(Answer::Ran { result, shell })
    }

    async fn refuse(
        &mut self,
        id: ActionId,
        digest: ActionDigest,
        words: &str,
    ) -> Result<(), Stop> {
        let reason = words.to_owned();
        self.reporter.send(Report::ActionRefused { action_id: id, digest, reason }).await
    }

    fn hear(&mut self, word: Option<Told>) -> Result<(), Stop> {
        match word {
            Some(Told::Message { text }) => self.agent.message(text),
            // An answer to a question that is over; the life cycle has seen to it.
            Some(Told::Settled { .. }) => {}
            Some(Told::Cancel) => {
                self.agent.interrupt();
                return Err(Stop::Cancelled);
            }
            None => return Err(hub_gone()),
        }
        Ok(())
    }
}

fn hub_gone() -> Stop {
    Stop::HubGone("nobody speaks to the run any more".into())
}

/// The gate makes the proof or keeps it; there is no third way.
fn cleared(proof: Result<Cleared<Action>, Box<Review>>) -> Clearing {
    match proof {
        Ok(cleared) => Clearing::Cleared(cleared),
        Err(review) => {
            let words = review.judgement().reason.clone();
            let reason = Reason::RefusedByGate { reason: words.clone() };
            Clearing::Refused { words, reason }
        }
    }
}

fn refused_by(settlement: &Settlement) -> Clearing {
    let reason = match settlement {
        Settlement::Person { who, reason, .. } => {
            Reason::DeniedByPerson { by: who.to_string(), reason: reason.clone() }
        }
        Settlement::Expired | Settlement::Withdrawn => Reason::ApprovalExpired,
    };
    Clearing::Refused { words: reason.to_string(), reason }
}
