//! A task, a hub that is nothing but the life cycle, and a worker.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use gatepost_agents::Roster;
use gatepost_domain::Approval;
use gatepost_domain::ApprovalId;
use gatepost_domain::Message;
use gatepost_domain::Mode;
use gatepost_domain::Outcome;
use gatepost_domain::RunNumber;
use gatepost_domain::TaskId;
use gatepost_domain::TaskSpec;
use gatepost_domain::approval::Settlement;
use gatepost_domain::dispatch::Report;
use gatepost_domain::dispatch::ToWorker;
use gatepost_domain::event::Event;
use gatepost_domain::lifecycle::Command;
use gatepost_domain::lifecycle::Task;
use gatepost_domain::lifecycle::decide;
use gatepost_domain::lifecycle::effect;
use gatepost_domain::lifecycle::unfinished_business;
use gatepost_domain::outcome::Reason;
use gatepost_domain::principal::Platform;
use gatepost_domain::principal::Principal;
use gatepost_gate::AutoSwitch;
use gatepost_gate::BypassSwitch;
use gatepost_gate::Policy;
use gatepost_models::Endpoint;
use gatepost_models::budget::Budget;
use gatepost_models::budget::Ledger;
use gatepost_sandbox::Limits;
use gatepost_sandbox::Tier;
use gatepost_worker::Classifier;
use gatepost_worker::HubLink;
use gatepost_worker::LinkError;
use gatepost_worker::Reader;
use gatepost_worker::Worker;
use gatepost_worker::WorkerConfig;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A ceiling that only a test that hangs comes to.
const CEILING: Duration = Duration::from_secs(60);

/// The hub's side: one task, its events, and the way to the worker.
pub(crate) struct Desk {
    state: Mutex<State>,
    to_worker: Mutex<mpsc::Sender<ToWorker>>,
    changed: Notify,
    life: Mutex<Life>,
}

/// How long the hub takes reports.
#[derive(Clone, Copy, PartialEq)]
enum Life {
    On,
    /// Until it has recorded an event of this kind.
    Until(&'static str),
    Gone,
}

struct State {
    task: Task,
    events: Vec<Event>,
    questions: u64,
}

/// What thinks in a worker besides its agent.
#[derive(Default)]
pub(crate) struct Minds {
    /// The models that agents may use, by name.
    pub(crate) models: BTreeMap<String, Endpoint>,
    /// Who weighs what the rules leave open.
    pub(crate) classifier: Option<Classifier>,
    /// Who reads results.
    pub(crate) reader: Option<Reader>,
    /// What may be spent on the models.
    pub(crate) budget: Budget,
    /// Whether auto mode may be used.
    pub(crate) auto: AutoSwitch,
    /// The rules, where they are others than Gatepost's own.
    pub(crate) policy: Option<watch::Receiver<Arc<Policy>>>,
}

/// A project with a worker on it.
pub(crate) struct World {
    pub(crate) desk: Arc<Desk>,
    pub(crate) project: PathBuf,
    pub(crate) runs: PathBuf,
    pub(crate) dir: tempfile::TempDir,
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// Runs a test on a runtime of its own.
pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(CEILING, test).await.unwrap() });
}

impl World {
    /// Starts a task for the agent `scripted` of this roster, without a classifier.
    pub(crate) async fn start(agents: impl FnOnce(&Path) -> Arc<dyn Roster>) -> Self {
        Self::start_with(None, agents).await
    }

    /// The same with a classifier.
    pub(crate) async fn start_with(
        classifier: Option<Classifier>,
        agents: impl FnOnce(&Path) -> Arc<dyn Roster>,
    ) -> Self {
        Self::start_whole(classifier, agents, |_| BTreeMap::new(), Budget::default()).await
    }

    /// The same with models and a budget for them.
    pub(crate) async fn start_whole(
        classifier: Option<Classifier>,
        agents: impl FnOnce(&Path) -> Arc<dyn Roster>,
        models: impl FnOnce(&Path) -> BTreeMap<String, Endpoint>,
        budget: Budget,
    ) -> Self {
        let minds =
            |root: &Path| Minds { models: models(root), classifier, budget, ..Minds::default() };
        Self::start_prepared(minds, agents, |_| {}).await
    }

    /// The same on a project that is prepared first.
    pub(crate) async fn start_prepared(
        minds: impl FnOnce(&Path) -> Minds,
        agents: impl FnOnce(&Path) -> Arc<dyn Roster>,
        prepare: impl FnOnce(&Path),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let (project, runs) = (root.join("project"), root.join("runs"));
        std::fs::create_dir(&project).unwrap();
        std::fs::write(project.join("deploy.sh"), "echo first\n").unwrap();
        prepare(&project);
        let spec = TaskSpec {
            text: "do it".into(),
            project: "demo".into(),
            project_path: project.to_str().unwrap().into(),
            agent: "scripted".into(),
            mode: Mode::Auto,
            requester: owner(),
            retry_of: None,
            origin: None,
            quoted: Vec::new(),
            attachments: Vec::new(),
        };
        let id = TaskId::from_entropy(7);
        let task = Task::received(id, spec, Timestamp::UNIX_EPOCH);
        let (to_worker, from_hub) = mpsc::channel(64);
        let desk = Arc::new(Desk {
            state: Mutex::new(State { task, events: Vec::new(), questions: 0 }),
            to_worker: Mutex::new(to_worker),
            changed: Notify::new(),
            life: Mutex::new(Life::On),
        });
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let world = Self { desk, project, runs, dir, tracker, stop };
        world.serve(from_hub, agents(&root), minds(&root));
        world.desk.apply(&[Event::TaskQueued {}]).await;
        world.desk.command(Command::Start).await.unwrap();
        world
    }

    fn serve(&self, from_hub: mpsc::Receiver<ToWorker>, agents: Arc<dyn Roster>, minds: Minds) {
        let config = WorkerConfig {
            egress: gatepost_sandbox::egress::AllowList::default(),
            runs: self.runs.clone(),
            files: gatepost_worker::Files::open(&self.runs.with_file_name("files")).unwrap(),
            models: minds.models,
            classifier: minds.classifier,
            reader: minds.reader,
            auto: minds.auto,
            ledger: Ledger::new(minds.budget, Arc::new(|| 1)),
            gate_paths: Vec::new(),
            read_only: Vec::new(),
            minimum: Tier::Reduced,
            limits: Limits::default(),
            policy: minds
                .policy
                .unwrap_or_else(|| watch::channel(Arc::new(Policy::built_in().unwrap())).1),
            bypass: BypassSwitch::default(),
            agents,
        };
        let link = Arc::new(Link(Arc::clone(&self.desk)));
        let worker = Worker::new(config, link, self.stop.clone());
        self.tracker.spawn(worker.serve(from_hub));
        self.tracker.close();
    }

    /// Kills the worker with all it runs, and begins another one that finds the same task.
    pub(crate) async fn crash(
        self,
        agents: impl FnOnce(&Path) -> Arc<dyn Roster>,
        minds: Minds,
    ) -> Self {
        self.stop.cancel();
        self.tracker.wait().await;
        let (to_worker, from_hub) = mpsc::channel(64);
        *self.desk.to_worker.lock().unwrap() = to_worker;
        *self.desk.life.lock().unwrap() = Life::On;
        let world = Self { tracker: TaskTracker::new(), stop: CancellationToken::new(), ..self };
        world.desk.command(Command::Recover).await.unwrap();
        let rest = unfinished_business(&world.desk.state.lock().unwrap().task);
        world.desk.tell(rest.into_iter().collect()).await;
        world.serve(from_hub, agents(world.dir.path()), minds);
        world
    }

    /// Nothing is recorded any more after the next event of this kind.
    pub(crate) fn ends_with(&self, kind: &'static str) {
        *self.desk.life.lock().unwrap() = Life::Until(kind);
    }

    /// Begins the next run, once the task waits for one.
    pub(crate) async fn start_again(&self) {
        self.desk.command(Command::Start).await.unwrap();
    }

    /// Says something to the running task.
    pub(crate) async fn message(&self, text: &str) {
        self.send(text.into()).await;
    }

    /// Sends the running task a whole message.
    pub(crate) async fn send(&self, message: Message) {
        let message = Command::Message { message, by: owner(), origin: None };
        self.desk.command(message).await.unwrap();
    }

    /// The task's changes as they lie outside.
    fn layer(&self) -> PathBuf {
        let task = std::fs::read_dir(&self.runs).unwrap().next().unwrap().unwrap().path();
        [task.join("workspace/layer/upper"), task.join("workspace/copy")]
            .into_iter()
            .rfind(|place| place.is_dir())
            .unwrap()
    }

    /// What a file of the workspace holds that the task wrote.
    pub(crate) fn in_workspace(&self, name: &str) -> String {
        std::fs::read_to_string(self.layer().join(name)).unwrap()
    }

    /// Whether the task made such a file.
    pub(crate) fn workspace_has(&self, name: &str) -> bool {
        self.layer().join(name).exists()
    }

    /// Waits for an event.
    pub(crate) async fn wait<T>(&self, mut wanted: impl FnMut(&[Event]) -> Option<T>) -> T {
        loop {
            let changed = self.desk.changed.notified();
            if let Some(found) = wanted(&self.events()) {
                return found;
            }
            changed.await;
        }
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.desk.state.lock().unwrap().events.clone()
    }

    /// Waits until the question about this command is open.
    pub(crate) async fn asked(&self, command: &str) -> ApprovalId {
        self.wait(|_| self.open(command)).await
    }

    pub(crate) fn open(&self, command: &str) -> Option<ApprovalId> {
        let state = self.desk.state.lock().unwrap();
        let mut open = state.task.open().values();
        let found = open.find(|approval| approval.action.subject() == command);
        found.map(|approval| approval.id.clone())
    }

    /// What people are asked about now.
    pub(crate) fn open_subjects(&self) -> Vec<String> {
        let state = self.desk.state.lock().unwrap();
        let open = state.task.open().values();
        open.map(|approval| approval.action.subject().to_owned()).collect()
    }

    /// An open question, whole.
    pub(crate) fn approval(&self, id: &ApprovalId) -> Approval {
        self.desk.state.lock().unwrap().task.open()[id].clone()
    }

    pub(crate) async fn settle(&self, approval: ApprovalId, settlement: Settlement) {
        self.desk.command(Command::Settle { approval, settlement }).await.unwrap();
    }

    pub(crate) async fn cancel(&self) {
        self.desk.command(Command::Cancel { by: owner() }).await.unwrap();
    }

    /// How the task ended.
    pub(crate) async fn end(&self) -> (Outcome, Reason) {
        self.wait(|events| {
            events.iter().find_map(|event| match event {
                Event::TaskFinished { outcome, reason } => Some((*outcome, reason.clone())),
                _ => None,
            })
        })
        .await
    }

    /// How a run ended.
    pub(crate) async fn end_of_run(&self, number: u32) -> Outcome {
        self.wait(|events| {
            events.iter().find_map(|event| match event {
                Event::RunEnded { run, outcome, .. } if *run == RunNumber(number) => Some(*outcome),
                _ => None,
            })
        })
        .await
    }

    /// The events of one command, shortly: `verdict`, `asked`, `started`, `refused: why`, …
    pub(crate) fn story(&self, command: &str) -> Vec<String> {
        let events = self.events();
        let mut ids = Vec::new();
        let mut story = Vec::new();
        for event in &events {
            match event {
                Event::Verdict { action_id, action, .. } if action.subject() == command => {
                    ids.push(*action_id);
                    story.push("verdict".into());
                }
                Event::ApprovalRequested { approval, .. } if ids.contains(&approval.action_id) => {
                    story.push("asked".into());
                }
                Event::ApprovalDecided { action_id, settlement, .. } if ids.contains(action_id) => {
                    story.push(settlement.words());
                }
                Event::ActionStarted { action_id, .. } if ids.contains(action_id) => {
                    story.push("started".into());
                }
                Event::ActionFinished { action_id, result, .. } if ids.contains(action_id) => {
                    story.push(result.ending.words());
                }
                Event::ActionRefused { action_id, reason, .. } if ids.contains(action_id) => {
                    story.push(format!("refused: {reason}"));
                }
                _ => {}
            }
        }
        story
    }

    /// The same, once there are so many of them: the agent has its answer before the end of an
    /// action is on record.
    pub(crate) async fn story_of(&self, command: &str, length: usize) -> Vec<String> {
        self.wait(|_| Some(self.story(command)).filter(|story| story.len() >= length)).await
    }

    /// Ends the worker and whatever it runs.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tracker.wait().await;
    }
}

impl Desk {
    async fn command(&self, command: Command) -> Result<(), String> {
        let effects = {
            let mut state = self.state.lock().unwrap();
            let events = decide(&state.task, command, Timestamp::UNIX_EPOCH)
                .map_err(|refusal| refusal.to_string())?;
            state.apply(&events)
        };
        self.tell(effects).await;
        Ok(())
    }

    async fn apply(&self, events: &[Event]) {
        let effects = self.state.lock().unwrap().apply(events);
        self.tell(effects).await;
    }

    async fn tell(&self, effects: Vec<ToWorker>) {
        for effect in effects {
            let to_worker = self.to_worker.lock().unwrap().clone();
            to_worker.send(effect).await.unwrap();
        }
        self.changed.notify_waiters();
    }
}

impl State {
    /// All events of one decision at once, as the hub does: what they say to the worker comes
    /// after the last of them.
    fn apply(&mut self, events: &[Event]) -> Vec<ToWorker> {
        let mut effects = Vec::new();
        for event in events {
            self.task.apply(event, Timestamp::UNIX_EPOCH).unwrap();
            self.events.push(event.clone());
            effects.extend(effect(&self.task, event));
        }
        effects
    }
}

struct Link(Arc<Desk>);

impl HubLink for Link {
    fn report(
        &self,
        _: TaskId,
        run: RunNumber,
        report: Report,
    ) -> Pin<Box<dyn Future<Output = Result<(), LinkError>> + Send>> {
        let desk = Arc::clone(&self.0);
        let gone = || Err(LinkError::Gone("it died".into()));
        Box::pin(async move {
            if *desk.life.lock().unwrap() == Life::Gone {
                return gone();
            }
            let number = {
                let mut state = desk.state.lock().unwrap();
                state.questions += 1;
                state.questions
            };
            let asking =
                (ApprovalId::from_entropy(number.into()), Timestamp::from_second(3600).unwrap());
            let report = Command::Report { run, report, asking };
            desk.command(report).await.map_err(LinkError::Refused)?;
            let recorded = desk.state.lock().unwrap().events.last().map(Event::kind);
            let mut life = desk.life.lock().unwrap();
            if recorded.is_some_and(|kind| *life == Life::Until(kind)) {
                *life = Life::Gone;
                return gone();
            }
            Ok(())
        })
    }
}

/// The person of these tests.
pub(crate) fn owner() -> Principal {
    Principal { platform: Platform::Console, id: "owner".into() }
}
