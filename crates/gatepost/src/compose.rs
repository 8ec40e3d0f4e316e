//! The composition root: puts journal, hub, worker and console together, and takes them apart.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use anyhow::Result;
use gatepost_console::ConsoleKey;
use gatepost_domain::RunNumber;
use gatepost_domain::TaskId;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::dispatch::Report;
use gatepost_domain::principal::Platform;
use gatepost_gate::Policy;
use gatepost_hub::HubConfig;
use gatepost_hub::HubHandle;
use gatepost_hub::ReportError;
use gatepost_journal::Journal;
use gatepost_journal::Views;
use gatepost_journal::ViewsNote;
use gatepost_worker::Files;
use gatepost_worker::HubLink;
use gatepost_worker::LinkError;
use gatepost_worker::Worker;
use gatepost_worker::WorkerConfig;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::commands::policy;
use crate::config;
use crate::config::Loaded;
use crate::config::Overrides;
use crate::config::Settings;
use crate::config::managed;
use crate::data::Chat;
use crate::data::DataDir;
use crate::data::Serving;
use crate::failure::Failure;
use crate::port::Port;
use crate::pulse;
use crate::pulse::Pulse;
use crate::pulse::Receives;
use crate::roster::Agents;

/// How many words of the hub may wait for the worker.
const WORDS: usize = 64;

/// A gatepost that serves.
pub(crate) struct Running {
    data: DataDir,
    address: SocketAddr,
    key: ConsoleKey,
    projects: BTreeMap<String, PathBuf>,
    hub: HubHandle,
    port: Arc<Port>,
    parts: Parts,
    /// The rules in force, and the file of the user's.
    policy: watch::Sender<Arc<Policy>>,
    rules: Option<PathBuf>,
    /// What the start found that a person should know, one sentence each.
    notes: Vec<String>,
}

/// What ends in this order: first nobody asks any more, then nothing runs, then nothing is recorded.
struct Parts {
    telegram: Part,
    discord: Part,
    console: Part,
    worker: Part,
    hub: Part,
}

/// One part with what belongs to it.
#[derive(Default)]
struct Part {
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// Starts everything. Nobody else finds it until [`Running::announce`].
pub(crate) async fn start(loaded: &Loaded, settings: &Settings) -> Result<Running> {
    let agents = Arc::new(Agents::new(&settings.agents, &settings.models, &settings.agent));
    agents.check(&settings.agent)?;
    let policy = policy::rules(loaded)?;
    let broad = policy::set_aside(&policy);
    let (policy, rules) = watch::channel(Arc::new(policy));
    let classifier = crate::judge::classifier(loaded, &settings.models)?;
    let reader = crate::judge::reader(loaded, &settings.models)?;
    for path in settings.projects.values() {
        gatepost_sandbox::check_project(path)?;
    }
    let data = DataDir::open(&settings.data)?;
    let key = data.key()?;
    // The lock comes before the port: of two on one data directory, the second says why.
    let (journal, opened) = Journal::open(data.path())?;
    let listener = listen(settings.listen).await?;
    let address = listener.local_addr().context("the console has no address")?;
    let ledger = crate::models::ledger(settings.budget, journal.path())?;
    let (views, note) = Views::open(data.path(), &journal)?;
    let mut notes: Vec<String> = loaded.managed.words().into_iter().chain(broad).collect();
    if let Some(torn) = opened.torn {
        let why = if torn.committed {
            "it had been whole, so something cut the file; look at its disk"
        } else {
            "a crash had interrupted it, and nothing depended on it"
        };
        notes.push(format!(
            "line {} of the journal was not finished ({} bytes) and was cut off: {why}",
            torn.line, torn.bytes
        ));
    }
    match &note {
        ViewsNote::Current | ViewsNote::CaughtUp { .. } | ViewsNote::Rebuilt { records: 0, .. } => {
        }
        ViewsNote::Rebuilt { .. } => notes.push(note.to_string()),
    }
    let mut settings = settings.clone();
    if settings.projects.is_empty() {
        settings.projects.insert("scratch".into(), data.scratch()?);
        settings.default_project = Some("scratch".into());
    }

    let parts = Parts {
        telegram: Part::default(),
        discord: Part::default(),
        console: Part::default(),
        worker: Part::default(),
        hub: Part::default(),
    };
    let (to_worker, from_hub) = mpsc::channel(WORDS);
    let hub = gatepost_hub::start(
        hub_config(&settings, agents.names()),
        journal,
        views,
        crate::sources::system(),
        to_worker,
        &parts.hub.tracker,
        parts.hub.stop.clone(),
    )?;
    let runs = data.runs();
    let files = Files::open(&data.files()).context("the place for kept files cannot be made")?;
    crate::kept::sweep(&hub, &files).await;
    let (auto, bypass) = (policy::switch(loaded), policy::bypass(loaded));
    let worker = Worker::new(
        WorkerConfig {
            runs: runs.clone(),
            files: files.clone(),
            gate_paths: gate_paths(loaded, &data),
            read_only: settings.read_only.clone(),
            minimum: settings.minimum,
            limits: settings.limits,
            egress: settings.egress.clone(),
            models: settings.models.clone(),
            ledger,
            policy: rules,
            classifier,
            reader,
            auto: auto.clone(),
            bypass: bypass.clone(),
            agents: Arc::<Agents>::clone(&agents),
        },
        Arc::new(Link(hub.clone())),
        parts.worker.stop.clone(),
    );
    parts.worker.tracker.spawn(worker.serve(from_hub));
    let (homes, stop) =
        (crate::kept::sweep_homes(hub.clone(), runs.clone()), parts.worker.stop.clone());
    parts.worker.tracker.spawn(async move {
        tokio::select! {
            () = homes => {}
            () = stop.cancelled() => {}
        }
    });
    let stop = parts.worker.stop.clone();
    let watched = (auto, bypass.clone());
    parts.worker.tracker.spawn(async move {
        tokio::select! {
            () = managed::watch(watched.0, watched.1) => {}
            () = stop.cancelled() => {}
        }
    });
    let port = Arc::new(Port::new(hub.clone(), runs, files, agents, bypass));
    let console = gatepost_console::serve(
        listener,
        Arc::<Port>::clone(&port),
        key.clone(),
        parts.console.stop.clone(),
    );
    let stop = parts.console.stop.clone();
    parts.console.tracker.spawn(async move {
        if let Err(error) = console.await {
            tracing::error!(%error, "the console ended");
        }
        // Nobody can reach it any more, so it should not go on as if they could.
        stop.cancel();
    });
    let projects = settings.projects;
    let rules = loaded.rules();
    Ok(Running { data, address, key, projects, hub, port, parts, policy, rules, notes })
}

impl Running {
    /// Lets other commands of this user find it, for as long as it serves.
    pub(crate) fn announce(&self) -> Result<(), Failure> {
        self.data.announce(&Serving {
            address: self.address,
            pid: std::process::id(),
            projects: self.projects.clone(),
        })
    }

    /// Where the console listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The console's key.
    pub(crate) fn key(&self) -> &ConsoleKey {
        &self.key
    }

    /// What the start found that a person should know.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Reads the rules again, for running tasks too. Returns how many there are; where something is
    /// wrong with them, those from before hold.
    pub(crate) fn reload(&self, overrides: &Overrides) -> Result<usize> {
        let loaded = config::load(overrides)?;
        if loaded.rules() != self.rules {
            return Err(Failure::new("`policy.rules` names another file than at the start")
                .hint("start gatepost again, so that no task sees that file")
                .into());
        }
        let policy = policy::rules(&loaded)?;
        let count = policy.len();
        self.policy.send_replace(Arc::new(policy));
        Ok(count)
    }

    /// Tells the admins in their chats.
    pub(crate) fn alert(&self, words: String) {
        self.port.alert(words);
    }

    /// What was noted in the chats: whoever was let in on one may act on the other where both are
    /// linked.
    async fn chat_notes(&self) -> Result<Vec<ChatNote>> {
        let mut notes = self.hub.notes(Platform::Telegram).await?;
        notes.extend(self.hub.notes(Platform::Discord).await?);
        Ok(notes)
    }

    /// Serves the Telegram bot too.
    pub(crate) async fn telegram(
        &self,
        mut settings: gatepost_telegram::Settings,
    ) -> Result<gatepost_telegram::Service> {
        let known = self.chat_notes().await?;
        let before = Pulse::read(self.data.path());
        settings.last = before.as_ref().and_then(Pulse::alive);
        settings.desk.code = self.data.code(Chat::Telegram);
        let receives = settings.webhook.is_some();
        let service = gatepost_telegram::start(
            settings,
            &known,
            Arc::<Port>::clone(&self.port),
            crate::sources::chat(),
            &self.parts.telegram.tracker,
            self.parts.telegram.stop.clone(),
        )
        .map_err(crate::telegram::unstartable)?;
        if service.code.is_none() {
            self.data.forget_code(Chat::Telegram);
        }
        self.parts.telegram.tracker.spawn(pulse::beat(
            self.data.clone(),
            before,
            if receives { Receives::Webhook } else { Receives::Poll },
            service.status.clone(),
            self.parts.telegram.stop.clone(),
        ));
        Ok(service)
    }

    /// Serves the Discord bot too.
    pub(crate) async fn discord(
        &self,
        mut settings: gatepost_discord::Settings,
    ) -> Result<gatepost_discord::Service> {
        for project in settings.channels.values() {
            if !self.projects.contains_key(project) {
                return Err(crate::discord::no_project(project).into());
            }
        }
        let known = self.chat_notes().await?;
        settings.desk.code = self.data.code(Chat::Discord);
        let service = gatepost_discord::start(
            settings,
            &known,
            Arc::<Port>::clone(&self.port),
            crate::sources::chat(),
            &self.parts.discord.tracker,
            self.parts.discord.stop.clone(),
        )
        .map_err(crate::discord::unstartable)?;
        if service.code.is_none() {
            self.data.forget_code(Chat::Discord);
        }
        Ok(service)
    }

    /// Returns when the console has ended by itself.
    pub(crate) async fn console_ended(&self) {
        self.parts.console.stop.cancelled().await;
    }

    /// Ends everything. Runs are left as they are; the next start takes them up.
    pub(crate) async fn end(self) {
        tokio::join!(self.parts.telegram.end(), self.parts.discord.end());
        self.parts.console.end().await;
        // Nothing new begins, and no report waits for a full disk any more.
        self.parts.hub.stop.cancel();
        self.parts.worker.end().await;
        if let Err(error) = self.hub.close().await {
            tracing::warn!(%error, "the views are behind; the next start catches them up");
        }
        self.parts.hub.end().await;
        self.data.withdraw();
    }
}

impl Part {
    async fn end(&self) {
        self.stop.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let failure = Failure::new(format!("cannot listen on `{address}`: {error}"));
        if error.kind() == io::ErrorKind::AddrInUse {
            failure.hint("another program has that port; `--listen 127.0.0.1:0` takes any free one")
        } else {
            failure.hint("choose another address with `--listen 127.0.0.1:PORT`")
        }
    })
}

fn hub_config(settings: &Settings, agents: Vec<String>) -> HubConfig {
    HubConfig {
        projects: settings.projects.clone(),
        default_project: settings.default_project.clone(),
        agents,
        default_agent: settings.agent.clone(),
        default_mode: settings.mode,
        max_running: settings.max_running,
        max_queued: settings.max_queued,
        approval_timeout: settings.approval_timeout,
        version: env!("CARGO_PKG_VERSION").into(),
    }
}

/// What no action may touch: the journal with everything beside it, and what decides.
fn gate_paths(loaded: &Loaded, data: &DataDir) -> Vec<PathBuf> {
    let deciding = [
        loaded.origin.clone(),
        loaded.rules(),
        crate::telegram::token_file(loaded),
        crate::telegram::secret_file(loaded),
        crate::discord::token_file(loaded),
        Some(PathBuf::from(managed::PLACE)),
    ];
    let deciding = deciding.into_iter().flatten().chain(loaded.key_files());
    data.own().chain(deciding).map(|path| crate::config::settled(&path)).collect()
}

/// The worker's way to a hub in the same process.
struct Link(HubHandle);

impl HubLink for Link {
    fn report(
        &self,
        task: TaskId,
        run: RunNumber,
        report: Report,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), LinkError>> + Send>> {
        let hub = self.0.clone();
        Box::pin(async move {
            hub.report(task, run, report).await.map_err(|error| match error {
                ReportError::Refused(refusal) => LinkError::Refused(refusal.to_string()),
                other => LinkError::Gone(other.to_string()),
            })
        })
    }
}
