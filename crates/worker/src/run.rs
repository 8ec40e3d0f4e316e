//! One run, top to bottom: workspace and sandbox, agent, every action past the gate, the changes.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use gatepost_agents::Brief;
use gatepost_agents::Hired;
use gatepost_agents::Resume;
use gatepost_domain::ActionDigest;
use gatepost_domain::ActionId;
use gatepost_domain::ChangeSet;
use gatepost_domain::Message;
use gatepost_domain::Mode;
use gatepost_domain::Outcome;
use gatepost_domain::RunNumber;
use gatepost_domain::TaskId;
use gatepost_domain::TaskSpec;
use gatepost_domain::approval::Settlement;
use gatepost_domain::boundary::Boundary;
use gatepost_domain::dispatch::Answer;
use gatepost_domain::dispatch::Assignment;
use gatepost_domain::dispatch::Left;
use gatepost_domain::dispatch::Report;
use gatepost_domain::dispatch::Sender;
use gatepost_domain::message::OutboxFile;
use gatepost_domain::outcome::Reason;
use gatepost_gate::Context;
use gatepost_gate::Gate;
use gatepost_sandbox::Profile;
use gatepost_sandbox::Sandbox;
use gatepost_sandbox::Tier;
use gatepost_sandbox::WorkspaceForm;
use gatepost_sandbox::deliver;
use gatepost_sandbox::egress;
use tokio::sync::mpsc;

use crate::ground::Ground;
use crate::inbox::Inbox;
use crate::link::HubLink;
use crate::link::LinkError;
use crate::model;
use crate::model::Model;
use crate::network::Network;
use crate::outbox;
use crate::program;
use crate::raising::Raising;
use crate::reading::Reading;
use crate::scanning::Screen;
use crate::spending::Counter;
use crate::storage::TaskStorage;
use crate::weighing;
use crate::worker::WorkerConfig;
use crate::worker::blocking;
use crate::working::Open;
use crate::working::Working;

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
    /// A person has cleared a denial of the gate.
    Cleared {
        /// Of which action.
        action_id: ActionId,
        /// What may run, once.
        digest: ActionDigest,
        /// How it was settled.
        settlement: Settlement,
    },
    /// A person sent another message.
    Message {
        /// What they sent.
        sent: Sent,
    },
    /// A person stopped the task.
    Cancel,
}

/// A message with what Gatepost knows of it.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) message: Message,
    /// Where it came from.
    pub(crate) sender: Option<Sender>,
    /// The boundaries in force with it.
    pub(crate) boundaries: Vec<Boundary>,
}

/// Why a run ends before its agent is done.
#[derive(Debug)]
pub(crate) enum Stop {
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
pub(crate) type End = (Outcome, Reason);

/// Runs an assignment to its last report.
pub(crate) async fn run(
    config: &WorkerConfig,
    link: Arc<dyn HubLink>,
    assignment: Assignment,
    told: mpsc::Receiver<Told>,
) {
    let (task, run, spec) = (assignment.task.clone(), assignment.run, assignment.spec.clone());
    let reporter = Reporter { link, task: task.clone(), run };
    let mut resume = None;
    let end = attempt(config, &reporter, assignment, told, &mut resume).await;
    let (outcome, reason) = match end {
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
    if let Err(error) = reporter.send(Report::Ended { outcome, reason, resume }).await {
        tracing::warn!(%task, %run, ?error, "the end of a run was not taken");
        return;
    }
    let (changes, outbox) = collect(config, &task, &spec).await;
    if let Err(error) = reporter.send(Report::Changes { changes, outbox }).await {
        tracing::warn!(%task, %run, ?error, "the changes of a run were not taken");
    }
}

/// What a run that is over has changed, and what it left in its outbox; also keeps the diff for
/// people.
pub(crate) async fn collect(
    config: &WorkerConfig,
    task: &TaskId,
    spec: &TaskSpec,
) -> (ChangeSet, Vec<OutboxFile>) {
    let storage = TaskStorage::of(&config.runs, task);
    let project = PathBuf::from(&spec.project_path);
    let files = config.files.clone();
    let collected = blocking(move || {
        let Some(form) = WorkspaceForm::in_storage(&project, &storage.workspace()) else {
            // It ended before there was a workspace.
            return Ok((ChangeSet::default(), Vec::new()));
        };
        let outbox = outbox::collect(&form, &files);
        let collected = deliver::collect(&form, &deliver::Options::default())
            .map_err(|error| error.to_string())?;
        storage.keep_diff(&collected.diff).map_err(|error| error.to_string())?;
        Ok((collected.changes, outbox))
    });
    match collected.await.and_then(|collected| collected) {
        Ok(collected) => collected,
        Err(error) => {
            // A set that is not whole is never delivered, and discard still removes it.
            tracing::error!(%task, %error, "the changes of a task could not be collected");
            (ChangeSet { truncated: true, ..ChangeSet::default() }, Vec::new())
        }
    }
}

/// Does the work of a run. `resume` gets where the agent takes it up if the task goes on.
async fn attempt(
    config: &WorkerConfig,
    reporter: &Reporter,
    assignment: Assignment,
    mut told: mpsc::Receiver<Told>,
    resume: &mut Option<String>,
) -> Result<End, Stop> {
    let storage = TaskStorage::of(&config.runs, &assignment.task);
    let mut inbox = Inbox::new(config.files.clone(), &assignment.spec.project_path);
    let hired = hire(config, &storage, &mut inbox, &assignment)?;
    // What is said while the sandbox starts; the assignment has everything before.
    let mut early = Vec::new();
    let mut cleared = assignment.cleared.clone();
    let mut sandbox = {
        let start = Sandbox::start(profile(config, &assignment.spec, &storage, &hired)?);
        tokio::pin!(start);
        loop {
            tokio::select! {
                sandbox = &mut start => {
                    break sandbox.map_err(|error| sandbox_failed(error.to_string()))?;
                }
                Some(word) = told.recv() => match word {
                    Told::Cancel => return Err(Stop::Cancelled),
                    Told::Message { sent } => early.push(sent),
                    Told::Cleared { action_id, digest, settlement } => {
                        cleared.push(Answer { action_id: Some(action_id), digest, settlement });
                    }
                    // Nothing of this run was asked yet.
                    Told::Settled { .. } => {}
                },
            }
        }
    };
    let gating = program::gating(&hired);
    let (calls, counted) = mpsc::unbounded_channel();
    let (ledger, task) = (config.ledger.clone(), assignment.task.clone());
    let counter = Counter { ledger, task, calls };
    let screen = Screen::new(config.reader.as_ref(), &counter);
    let mut model = Model::start(
        config,
        &hired,
        &assignment.task,
        &mut sandbox,
        reporter.clone(),
        screen.clone(),
    )?;
    let network = Network::start(&config.egress, &mut sandbox, reporter.clone());
    sandbox.is_at_least(config.minimum).map_err(sandbox_failed)?;
    if assignment.spec.mode == Mode::Bypass {
        whole(sandbox.tier()).map_err(sandbox_failed)?;
    }
    let mut report = sandbox.report();
    report.hosts = config.egress.words();
    report.gating = gating;
    reporter.send(Report::Ready { sandbox: report.clone() }).await?;
    inbox.put(&sandbox).await.map_err(sandbox_failed)?;
    let agent = program::begin(hired, &sandbox, &storage.home(), model.access()).await?;
    let mut policy = config.policy.clone();
    let mut gate = Gate::new(
        Arc::clone(&policy.borrow_and_update()),
        assignment.spec.mode,
        context(config, &assignment.spec, &sandbox),
    )
    .with_switch(config.auto.clone())
    .with_bypass(config.bypass.clone());
    gate.bind(assignment.boundaries.clone());
    if assignment.suspect {
        gate.suspect();
    }
    let ground = Ground::new(config, &assignment.spec, &storage, &report);
    let mut models = Vec::new();
    if let Some(classifier) = &config.classifier {
        gate = weighing::with_classifier(gate, classifier, &assignment);
        models = classifier.models.iter().map(|model| counter.of(model)).collect();
    }
    let mut working = Working {
        gate,
        policy,
        models,
        task: assignment.task.clone(),
        ledger: config.ledger.clone(),
        raising: Raising::default(),
        calls: model.calls(),
        sandbox: &sandbox,
        inbox,
        workspace: assignment.spec.project_path.clone(),
        reporter,
        agent,
        storage: storage.clone(),
        told,
        next_action: assignment.next_action,
        grants: assignment.grants,
        answers: assignment.answers,
        cleared,
        denied: VecDeque::new(),
        ground,
        flagged: model.flagged(),
        screen,
        reading: Reading::default(),
        counted,
        open: Open::default(),
        gating,
        agent_name: assignment.spec.agent.clone(),
    };
    let work = async {
        working.begin(early).await?;
        working.work().await
    };
    let end = tokio::select! {
        end = work => end,
        // Whatever it was at, it cannot think any further; the end says why.
        () = model.stuck() => Err(Stop::Broken(Reason::LimitReached { limit: String::new() })),
    };
    *resume = Some(working.agent.resume_key());
    drop(working);
    sandbox.stop().await;
    network.end().await;
    match (model.end().await, end) {
        (_, Err(stop @ (Stop::Cancelled | Stop::HubGone(_)))) => Err(stop),
        (Some(spent), _) => Ok(spent),
        (None, end) => end,
    }
}

fn profile(
    config: &WorkerConfig,
    spec: &TaskSpec,
    storage: &TaskStorage,
    hired: &Hired,
) -> Result<Profile, Stop> {
    storage.prepare().map_err(|error| {
        let what = "the task's directory cannot be made";
        sandbox_failed(format!("{what} ({error}); check the data directory"))
    })?;
    let mut profile = Profile::new(&spec.project_path, storage.workspace());
    profile.read_only.clone_from(&config.read_only);
    profile.limits = config.limits;
    program::prepare(&mut profile, hired);
    model::prepare(&mut profile, hired);
    egress::prepare(&config.egress, &mut profile);
    Ok(profile)
}

/// Where next to nobody is asked, nothing but the sandbox is left, so all of it must be there.
fn whole(tier: Tier) -> Result<(), String> {
    match tier {
        Tier::Full => Ok(()),
        Tier::Reduced | Tier::None => Err(format!(
            "the mode `bypass` needs the sandbox at its full tier, and here it is `{}`; \
             `gatepost doctor` says what to mend, or use another mode",
            tier.as_str()
        )),
    }
}

fn sandbox_failed(detail: String) -> Stop {
    Stop::Broken(Reason::SandboxFailed { detail })
}

fn hire(
    config: &WorkerConfig,
    storage: &TaskStorage,
    inbox: &mut Inbox,
    assignment: &Assignment,
) -> Result<Hired, Stop> {
    // What is journaled is exact; of a run that was cut, the worker has seen more.
    let seen = (assignment.left == Left::Cut).then(|| storage.place()).flatten();
    let key = seen.or_else(|| assignment.resume.clone());
    let brief = Brief {
        run: format!("{}/{}", assignment.task, assignment.run),
        asked: inbox.expect(assignment.spec.message()),
        messages: assignment.messages.iter().map(|sent| inbox.expect(sent.clone())).collect(),
        workspace: assignment.spec.project_path.clone(),
        resume: key.map(|key| Resume { key, left: assignment.left }),
    };
    config
        .agents
        .hire(&assignment.spec.agent, brief)
        .map_err(|error| Stop::Broken(Reason::AgentFailed { detail: error.to_string() }))
}

fn context(config: &WorkerConfig, spec: &TaskSpec, sandbox: &Sandbox) -> Context {
    let home = sandbox.env().get("HOME").map_or("/", String::as_str);
    let mut context = Context::new(&spec.project_path, home, &spec.project_path);
    context.gate_paths =
        config.gate_paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    context.hosts = config.egress.words();
    context
}

/// Reports of one run.
#[derive(Clone)]
pub(crate) struct Reporter {
    link: Arc<dyn HubLink>,
    task: TaskId,
    run: RunNumber,
}

impl Reporter {
    /// Reports, and returns once it is recorded.
    pub(crate) async fn send(&self, report: Report) -> Result<(), Stop> {
        self.link.report(self.task.clone(), self.run, report).await.map_err(|error| match error {
            LinkError::Refused(why) => Stop::Refused(why),
            LinkError::Gone(why) => Stop::HubGone(why),
        })
    }
}
