//! A hub over a directory of its own, started and started again, and the worker a test plays.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gatepost_domain::Action;
use gatepost_domain::ActionDigest;
use gatepost_domain::ActionId;
use gatepost_domain::ApprovalId;
use gatepost_domain::ChangeSet;
use gatepost_domain::Event;
use gatepost_domain::Judgement;
use gatepost_domain::Mode;
use gatepost_domain::Outcome;
use gatepost_domain::Principal;
use gatepost_domain::Record;
use gatepost_domain::RunNumber;
use gatepost_domain::TaskId;
use gatepost_domain::Verdict;
use gatepost_domain::action::Exec;
use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::Ending;
use gatepost_domain::approval::Form;
use gatepost_domain::budget::Limit;
use gatepost_domain::budget::Purse;
use gatepost_domain::budget::Raise;
use gatepost_domain::changes::Base;
use gatepost_domain::changes::Change;
use gatepost_domain::changes::ChangeKind;
use gatepost_domain::dispatch::Assignment;
use gatepost_domain::dispatch::Report;
use gatepost_domain::dispatch::ToWorker;
use gatepost_domain::event::SandboxReport;
use gatepost_domain::lifecycle::State;
use gatepost_domain::outcome::Reason;
use gatepost_domain::request::NewTask;
use gatepost_domain::verdict::Clearance;
use gatepost_domain::verdict::Stage;
use gatepost_hub::Clock;
use gatepost_hub::Entropy;
use gatepost_hub::HubConfig;
use gatepost_hub::HubError;
use gatepost_hub::HubHandle;
use gatepost_hub::ReportError;
use gatepost_hub::Sources;
use gatepost_journal::Journal;
use gatepost_journal::Views;
use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) const TIMEOUT: Duration = Duration::from_mins(30);

/// How long a test waits for what must come, in the runtime's stopped time.
const PATIENCE: Duration = Duration::from_secs(20);

/// What outlives a restart: the directory, the configuration, the time and the draws.
pub(crate) struct World {
    _root: Option<tempfile::TempDir>,
    pub(crate) dir: PathBuf,
    pub(crate) config: HubConfig,
    /// Room in the channel to the worker.
    pub(crate) room: usize,
    base: Timestamp,
    draws: Arc<Draws>,
}

/// One start of the hub.
pub(crate) struct Up {
    pub(crate) hub: HubHandle,
    pub(crate) worker: Worker,
    pub(crate) token: CancellationToken,
    tracker: TaskTracker,
}

/// The worker's end.
pub(crate) struct Worker {
    pub(crate) told: mpsc::Receiver<ToWorker>,
    hub: HubHandle,
}

/// A run that the worker has in hand.
pub(crate) struct Run {
    pub(crate) hub: HubHandle,
    pub(crate) task: TaskId,
    pub(crate) run: RunNumber,
    pub(crate) next: ActionId,
}

/// The time of day follows the runtime's clock, which tests stop.
struct FollowingClock {
    base: Timestamp,
    since: Instant,
}

struct Draws(AtomicU64);

impl World {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().to_owned();
        Self { _root: Some(root), ..Self::at(&dir) }
    }

    pub(crate) fn at(dir: &Path) -> Self {
        let projects = ["demo", "other", "third"]
            .map(|name| (name.to_owned(), Path::new("/srv").join(name)))
            .into();
        Self {
            _root: None,
            dir: dir.to_owned(),
            config: HubConfig {
                projects,
                default_project: Some("demo".into()),
                agents: vec!["runbook".into(), "native".into()],
                default_agent: "runbook".into(),
                default_mode: Mode::Auto,
                max_running: 2,
                max_queued: 50,
                approval_timeout: TIMEOUT,
                version: "0.0.0-test".into(),
            },
            room: 2,
            base: Timestamp::from_second(1_800_000_000).unwrap(),
            draws: Arc::new(Draws(AtomicU64::new(1))),
        }
    }

    /// Time passes while Gatepost is down.
    pub(crate) fn sleep(&mut self, time: Duration) {
        self.base = self.base.checked_add(time).unwrap();
    }

    pub(crate) fn up(&self) -> Up {
        self.try_up().unwrap()
    }

    pub(crate) fn try_up(&self) -> Result<Up, HubError> {
        let (journal, _) = Journal::open(&self.dir).unwrap();
        let (views, _) = Views::open(&self.dir, &journal).unwrap();
        let (to_worker, told) = mpsc::channel(self.room);
        let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
        let clock = FollowingClock { base: self.base, since: Instant::now() };
        let draws: Arc<dyn Entropy> = Arc::clone(&self.draws) as _;
        let sources = Sources { clock: Arc::new(clock), entropy: draws };
        let hub = gatepost_hub::start(
            self.config.clone(),
            journal,
            views,
            sources,
            to_worker,
            &tracker,
            token.clone(),
        )?;
        Ok(Up { worker: Worker { told, hub: hub.clone() }, hub, token, tracker })
    }

    /// Everything the journal holds; it must be whole.
    pub(crate) fn records(&self) -> Vec<Record> {
        let path = self.dir.join("journal.jsonl");
        gatepost_journal::verify(&path).unwrap();
        gatepost_journal::read(&path).unwrap().collect::<Result<_, _>>().unwrap()
    }

    pub(crate) fn kinds(&self, id: &TaskId) -> Vec<&'static str> {
        let of_task =
            |record: Record| (record.task.as_ref() == Some(id)).then(|| record.event.kind());
        self.records().into_iter().filter_map(of_task).collect()
    }
}

impl Up {
    /// The runs are left where they are, as a crash leaves them. What was told is on the disk in
    /// both cases, so for the next start it is the same; `random` also kills without warning.
    pub(crate) async fn down(self) {
        self.hub.close().await.unwrap();
        self.tracker.close();
        self.tracker.wait().await;
    }

    pub(crate) async fn submit(&self, text: &str) -> TaskId {
        self.submit_to("demo", text).await
    }

    pub(crate) async fn submit_to(&self, project: &str, text: &str) -> TaskId {
        let task = NewTask { project: Some(project.into()), ..new_task(text) };
        self.hub.submit(Principal::console(), task).await.unwrap().id
    }

    /// A task whose sandbox stands.
    pub(crate) async fn running(&mut self, text: &str) -> Run {
        let id = self.submit(text).await;
        let run = self.worker.started().await;
        assert_eq!(run.task, id);
        run.ready().await;
        run
    }

    /// A task that waits for an answer.
    pub(crate) async fn asking(&mut self, command: &str) -> (Run, ApprovalId) {
        let mut run = self.running(command).await;
        let id = run.ask(command).await;
        (run, id)
    }

    /// A task that is over and has changes.
    pub(crate) async fn finished(&mut self, text: &str) -> TaskId {
        let run = self.running(text).await;
        run.end().await;
        run.task
    }

    pub(crate) async fn state(&self, id: &TaskId) -> State {
        self.hub.task(id.clone()).await.unwrap().task.state()
    }

    pub(crate) async fn outcome(&self, id: &TaskId) -> Outcome {
        self.hub.task(id.clone()).await.unwrap().task.outcome().expect("it is over").0
    }
}

impl Worker {
    pub(crate) async fn next(&mut self) -> ToWorker {
        let told = tokio::time::timeout(PATIENCE, self.told.recv()).await;
        told.expect("the worker is told nothing").expect("the hub lives")
    }

    /// Nothing is told, after all that goes on has gone on.
    pub(crate) async fn nothing(&mut self) {
        // An answer shows that every batch before it is served.
        self.hub.approvals().await.unwrap();
        self.hub.approvals().await.unwrap();
        let told = self.told.try_recv();
        assert!(told.is_err(), "{told:?}");
    }

    pub(crate) async fn assignment(&mut self) -> Assignment {
        match self.next().await {
            ToWorker::Start { assignment } => *assignment,
            other => panic!("not a start: {other:?}"),
        }
    }

    pub(crate) async fn started(&mut self) -> Run {
        let Assignment { task, run, next_action, .. } = self.assignment().await;
        Run { hub: self.hub.clone(), task, run, next: next_action }
    }
}

impl Run {
    pub(crate) async fn report(&self, report: Report) -> Result<(), ReportError> {
        self.hub.report(self.task.clone(), self.run, report).await
    }

    pub(crate) async fn ready(&self) {
        let sandbox = SandboxReport {
            tier: "full".into(),
            workspace: "overlay".into(),
            notes: vec![],
            hosts: vec![],
            gating: gatepost_domain::agent::Gating::EveryAction,
        };
        self.report(Report::Ready { sandbox }).await.unwrap();
    }

    pub(crate) async fn review(&mut self, command: &str, verdict: Verdict) -> ActionId {
        let action_id = self.next;
        let (action, judgement) = (exec(command), judgement(verdict));
        let digest = digest(command);
        self.report(Report::Verdict { action_id, action, digest, judgement, weighed: None })
            .await
            .unwrap();
        self.next = action_id.next();
        action_id
    }

    /// Reviewed and asked about.
    pub(crate) async fn ask(&mut self, command: &str) -> ApprovalId {
        let action_id = self.review(command, Verdict::Escalate).await;
        self.report(question(action_id, command)).await.unwrap();
        let open = self.hub.approvals().await.unwrap();
        let own = |open: &&gatepost_domain::request::OpenApproval| {
            open.task == self.task && open.approval.action_id == action_id
        };
        open.iter().find(own).expect("the question is open").approval.id.clone()
    }

    /// A spent budget, asked about.
    pub(crate) async fn ask_for_more(&mut self) -> ApprovalId {
        let action_id = self.next;
        self.next = action_id.next();
        let limit = |tokens| Limit { cost: None, tokens: Some(tokens) };
        let raise = Raise { of: Purse::Day(7), from: limit(5), to: limit(10) };
        let action = Action::Raise(raise);
        let mut report = question(action_id, "more");
        if let Report::Ask { action: of, digest, .. } = &mut report {
            *digest = action.digest(&[]);
            *of = action;
        }
        self.report(report).await.unwrap();
        self.hub.approvals().await.unwrap().pop().expect("it is open").approval.id
    }

    pub(crate) async fn start_action(
        &self,
        id: ActionId,
        command: &str,
    ) -> Result<(), ReportError> {
        self.report(Report::ActionStarted { action_id: id, digest: digest(command) }).await
    }

    pub(crate) async fn finish_action(&self, id: ActionId, command: &str) {
        let result = exited(0);
        let digest = digest(command);
        self.report(Report::ActionFinished { action_id: id, digest, result }).await.unwrap();
    }

    /// A whole step that the gate lets through.
    pub(crate) async fn step(&mut self, command: &str) {
        let id = self.review(command, Verdict::Allow).await;
        self.start_action(id, command).await.unwrap();
        self.finish_action(id, command).await;
    }

    pub(crate) async fn ended(&self) {
        let ended =
            Report::Ended { outcome: Outcome::Succeeded, reason: Reason::Completed, resume: None };
        self.report(ended).await.unwrap();
    }

    pub(crate) async fn changed(&self) {
        self.report(Report::Changes { changes: one_change(), outbox: Vec::new() }).await.unwrap();
    }

    pub(crate) async fn end(&self) {
        self.ended().await;
        self.changed().await;
    }
}

impl Clock for FollowingClock {
    fn now(&self) -> Timestamp {
        self.base.checked_add(self.since.elapsed()).unwrap()
    }
}

impl Entropy for Draws {
    fn draw(&self) -> u128 {
        let drawn = u128::from(self.0.fetch_add(1, Ordering::Relaxed));
        // Spread over all bits, so that ids look like ids.
        drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }
}

pub(crate) fn new_task(text: &str) -> NewTask {
    NewTask { text: text.into(), ..NewTask::default() }
}

pub(crate) fn exec(command: &str) -> Action {
    Action::Exec(Exec { command: command.into(), cwd: "/srv/demo".into(), env: BTreeMap::new() })
}

pub(crate) fn digest(command: &str) -> ActionDigest {
    exec(command).digest(&[])
}

pub(crate) fn exited(code: i32) -> ActionResult {
    ActionResult {
        ending: Ending::Exited { code },
        duration_ms: 1,
        head: String::new(),
        tail: String::new(),
        dropped: 0,
    }
}

pub(crate) fn question(action_id: ActionId, command: &str) -> Report {
    Report::Ask {
        form: Form::Editable,
        action_id,
        action: exec(command),
        digest: digest(command),
        bound: vec![],
        judgement: judgement(Verdict::Escalate),
        diff: None,
        resume: format!("at {action_id}"),
    }
}

pub(crate) fn judgement(verdict: Verdict) -> Judgement {
    Judgement {
        verdict,
        clearance: Clearance::Person,
        stage: Stage::AskRule,
        rule: "test".into(),
        reason: "because".into(),
        effect: String::new(),
        evidence: vec![],
    }
}

pub(crate) fn one_change() -> ChangeSet {
    ChangeSet {
        changes: vec![Change {
            path: "a".into(),
            kind: ChangeKind::Added,
            base: Base::Absent,
            mode: 0o644,
            size: 1,
            sha256: "0".repeat(64),
            lines_added: 1,
            lines_removed: 0,
            binary: false,
            refusal: None,
        }],
        ..ChangeSet::default()
    }
}

pub(crate) fn started_actions(records: &[Record]) -> Vec<(TaskId, ActionId)> {
    let started = |record: &Record| match (&record.task, &record.event) {
        (Some(task), Event::ActionStarted { action_id, .. }) => Some((task.clone(), *action_id)),
        _ => None,
    };
    records.iter().filter_map(started).collect()
}
