//! The worker: takes what the hub says, and owns the runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use gatepost_agents::Roster;
use gatepost_domain::RunNumber;
use gatepost_domain::TaskId;
use gatepost_domain::TaskSpec;
use gatepost_domain::changes::ChangeSet;
use gatepost_domain::changes::DeliveryKind;
use gatepost_domain::changes::DeliveryResult;
use gatepost_domain::dispatch::Report;
use gatepost_domain::dispatch::ToWorker;
use gatepost_gate::AutoSwitch;
use gatepost_gate::BypassSwitch;
use gatepost_gate::Policy;
use gatepost_models::Endpoint;
use gatepost_models::budget::Ledger;
use gatepost_sandbox::Limits;
use gatepost_sandbox::Tier;
use gatepost_sandbox::WorkspaceForm;
use gatepost_sandbox::deliver;
use gatepost_sandbox::egress::AllowList;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::files::Files;
use crate::link::HubLink;
use crate::run;
use crate::run::Sent;
use crate::run::Told;
use crate::scanning::Reader;
use crate::storage::TaskStorage;
use crate::weighing::Classifier;

/// How many words to a run may wait for it. The hub says few: one for each answer, message or stop
/// of a person.
const MAILBOX: usize = 256;

/// What every run of a worker shares.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Where the tasks' workspaces and diffs are kept; made when missing.
    pub runs: PathBuf,
    /// What people sent along and tasks send back.
    pub files: Files,
    /// Gatepost's own files: the data directory and the configuration. No action touches them.
    pub gate_paths: Vec<PathBuf>,
    /// Directories every sandbox shows read-only.
    pub read_only: Vec<PathBuf>,
    /// The least tier a task runs at.
    pub minimum: Tier,
    /// What a task may use up.
    pub limits: Limits,
    /// The hosts tasks may reach; nothing at all when it is empty.
    pub egress: AllowList,
    /// Language models by name.
    pub models: BTreeMap<String, Endpoint>,
    /// What was spent on them, and what may be.
    pub ledger: Ledger,
    /// The rules; they may change while tasks run.
    pub policy: watch::Receiver<Arc<Policy>>,
    /// Who weighs what the rules leave open; people do where there is none.
    pub classifier: Option<Classifier>,
    /// Who reads results that the rules find nothing in; nobody where it is not set up.
    pub reader: Option<Reader>,
    /// Whether auto mode may be used.
    pub auto: AutoSwitch,
    /// Whether the mode `bypass` may be used.
    pub bypass: BypassSwitch,
    /// Who can work.
    pub agents: Arc<dyn Roster>,
}

/// A worker of this machine.
pub struct Worker {
    config: Arc<WorkerConfig>,
    link: Arc<dyn HubLink>,
    runs: TaskTracker,
    stop: CancellationToken,
    /// The way to each run that lives.
    mailboxes: BTreeMap<TaskId, (RunNumber, mpsc::Sender<Told>)>,
}

impl Worker {
    /// A worker that reports over `link`. When `stop` is cancelled it drops its runs as they are,
    /// as a crash would: the next start takes them up from the journal.
    pub fn new(config: WorkerConfig, link: Arc<dyn HubLink>, stop: CancellationToken) -> Self {
        Self {
            config: Arc::new(config),
            link,
            runs: TaskTracker::new(),
            stop,
            mailboxes: BTreeMap::new(),
        }
    }

    /// Serves until the hub is gone or the worker is stopped, and returns when every run is over.
    pub async fn serve(mut self, mut from_hub: mpsc::Receiver<ToWorker>) {
        loop {
            let word = tokio::select! {
                () = self.stop.cancelled() => break,
                word = from_hub.recv() => word,
            };
            let Some(word) = word else { break };
            self.take(word);
        }
        self.stop.cancel();
        self.runs.close();
        self.runs.wait().await;
    }

    fn take(&mut self, word: ToWorker) {
        self.mailboxes.retain(|_, (_, mailbox)| !mailbox.is_closed());
        match word {
            ToWorker::Start { assignment } => {
                let (mailbox, told) = mpsc::channel(MAILBOX);
                self.mailboxes.insert(assignment.task.clone(), (assignment.run, mailbox));
                let (config, link) = (Arc::clone(&self.config), Arc::clone(&self.link));
                self.spawn(async move { run::run(&config, link, *assignment, told).await });
            }
            ToWorker::Settled { task, run, action_id, settlement } => {
                self.tell(&task, run, Told::Settled { action_id, settlement });
            }
            ToWorker::Raise { task, raise } => self.config.ledger.raise(&task, &raise),
            ToWorker::Cleared { task, run, action_id, digest, settlement } => {
                self.tell(&task, run, Told::Cleared { action_id, digest, settlement });
            }
            ToWorker::Message { task, run, message, sender, boundaries } => {
                let sent = Sent { message, sender, boundaries };
                self.tell(&task, run, Told::Message { sent });
            }
            ToWorker::Cancel { task, run } => self.tell(&task, run, Told::Cancel),
            ToWorker::Collect { task, run, spec } => {
                let (config, link) = (Arc::clone(&self.config), Arc::clone(&self.link));
                self.spawn(async move {
                    let (changes, outbox) = run::collect(&config, &task, &spec).await;
                    send(&*link, &task, run, Report::Changes { changes, outbox }).await;
                });
            }
            ToWorker::Deliver { task, spec, changes, how } => {
                let (config, link) = (Arc::clone(&self.config), Arc::clone(&self.link));
                self.spawn(async move {
                    let storage = TaskStorage::of(&config.runs, &task);
                    let id = task.clone();
                    let result = blocking(move || hand_out(&storage, &id, &spec, &changes, how))
                        .await
                        .unwrap_or_else(|reason| DeliveryResult::Failed { reason });
                    send(&*link, &task, RunNumber::default(), Report::Delivered { result }).await;
                });
            }
        }
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.runs.spawn(async move {
            tokio::select! {
                () = work => {}
                // Dropping a run kills its sandbox.
                () = stop.cancelled() => {}
            }
        });
    }

    /// A run that is over, or another run of the task, is not told: the hub learns from its reports.
    fn tell(&self, task: &TaskId, run: RunNumber, told: Told) {
        let Some((now, mailbox)) = self.mailboxes.get(task) else { return };
        if *now != run {
            return;
        }
        if let Err(error) = mailbox.try_send(told) {
            tracing::warn!(%task, %run, %error, "a run does not hear what it is told");
        }
    }
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Worker").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Reports where nobody is left to act on a refusal.
async fn send(link: &dyn HubLink, task: &TaskId, run: RunNumber, report: Report) {
    if let Err(error) = link.report(task.clone(), run, report).await {
        tracing::warn!(%task, %run, %error, "a report was not taken");
    }
}

/// Runs what reads or writes many files away from the threads that serve.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work).await.map_err(|error| format!("the work broke off ({error})"))
}

fn hand_out(
    storage: &TaskStorage,
    task: &TaskId,
    spec: &TaskSpec,
    changes: &ChangeSet,
    how: DeliveryKind,
) -> DeliveryResult {
    let project = PathBuf::from(&spec.project_path);
    if how == DeliveryKind::Discard {
        let removed = storage.discard();
        return match removed {
            Ok(()) => DeliveryResult::Discarded,
            Err(error) => DeliveryResult::Failed {
                reason: format!("the workspace could not be removed ({error}); try again"),
            },
        };
    }
    let Some(form) = WorkspaceForm::in_storage(&project, &storage.workspace()) else {
        let reason = "the task's workspace is gone; run the task again".to_owned();
        return DeliveryResult::Failed { reason };
    };
    let result = match how {
        DeliveryKind::Branch => {
            deliver::branch(&form, &project, task.as_str(), &spec.text, changes)
        }
        DeliveryKind::Apply | DeliveryKind::Discard => deliver::apply(&form, &project, changes),
    };
    if matches!(result, DeliveryResult::Applied { .. }) {
        // The project has them now; the diff stays to be read, and the agent's home for when the
        // task goes on.
        if let Err(error) = deliver::discard_changes(&storage.workspace()) {
            tracing::warn!(%task, %error, "an applied workspace stays behind");
        }
    }
    result
}
