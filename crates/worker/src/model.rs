//! The way of a program agent to its model: the model proxy behind a port of the sandbox.

use std::sync::Arc;
use std::sync::OnceLock;
use std::time::Duration;

use gatepost_agents::Hired;
use gatepost_agents::ModelAccess;
use gatepost_domain::Outcome;
use gatepost_domain::TaskId;
use gatepost_domain::agent::AgentEvent;
use gatepost_domain::dispatch::Report;
use gatepost_domain::injection::Injection;
use gatepost_domain::outcome::Reason;
use gatepost_models::ModelError;
use gatepost_models::proxy::Proxy;
use gatepost_models::proxy::Told;
use gatepost_sandbox::Profile;
use gatepost_sandbox::Sandbox;
use gatepost_sandbox::egress::MODEL_PORT;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::raising::Call;
use crate::run::End;
use crate::run::Reporter;
use crate::run::Stop;
use crate::scanning;
use crate::scanning::Screen;
use crate::worker::WorkerConfig;

/// How many counts may wait to be recorded.
const WAITING: usize = 256;

/// So many failures of a run's model are told, and none after that.
const FAILURES: u32 = 100;

/// How long the end of a run waits for them.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// The model proxy of one run. Dropping it ends it, and its token is worth nothing then.
pub(crate) struct Model {
    access: Option<ModelAccess>,
    serving: JoinSet<()>,
    recorder: JoinSet<()>,
    /// Cancelled when no call can be made any more, for the reason beside it.
    stuck: CancellationToken,
    reason: Arc<OnceLock<Reason>>,
    calls: Option<mpsc::Receiver<Call>>,
    /// Where there is no proxy it says nothing, which is not the same as being gone.
    _calls: mpsc::Sender<Call>,
    /// What was found in results on their way to the model.
    flagged: Option<mpsc::Receiver<Vec<Injection>>>,
}

/// Gives the sandbox the port for it, where the agent has a model.
pub(crate) fn prepare(profile: &mut Profile, hired: &Hired) {
    if named(hired).is_some() {
        profile.ports.push(MODEL_PORT);
    }
}

fn named(hired: &Hired) -> Option<&str> {
    match hired {
        // Our own code speaks to its model by itself, on this side.
        Hired::Here(_) => None,
        Hired::Program(prepared) => prepared.model(),
    }
}

impl Model {
    /// Serves the port that [`prepare`] asked for.
    pub(crate) fn start(
        config: &WorkerConfig,
        hired: &Hired,
        task: &TaskId,
        sandbox: &mut Sandbox,
        reporter: Reporter,
        screen: Screen,
    ) -> Result<Self, Stop> {
        let (held, calls) = mpsc::channel(WAITING);
        let mut model = Self {
            access: None,
            serving: JoinSet::new(),
            recorder: JoinSet::new(),
            stuck: CancellationToken::new(),
            reason: Arc::default(),
            calls: Some(calls),
            _calls: held.clone(),
            flagged: None,
        };
        let Some(name) = named(hired) else { return Ok(model) };
        let failed = |detail: String| Stop::Broken(Reason::AgentFailed { detail });
        let endpoint = config.models.get(name).cloned().ok_or_else(|| {
            failed(format!("its model `{name}` is not set up; add `[models.{name}]`"))
        })?;
        let listener = sandbox
            .take_listener(MODEL_PORT)
            .ok_or_else(|| failed("the sandbox has no port for its model".to_owned()))?;
        let (told, heard) = mpsc::channel(WAITING);
        let upstream = endpoint.model.clone();
        let (screen, flagged, screening) = scanning::screen(screen);
        let proxy = Proxy::new(endpoint, task.clone(), config.ledger.clone(), screen, told)
            .map_err(|error| failed(format!("the model proxy cannot be set up ({error})")))?;
        model.access = Some(ModelAccess {
            base_url: format!("http://127.0.0.1:{MODEL_PORT}"),
            token: proxy.token().reveal().to_owned(),
            name: Some(upstream),
        });
        model.flagged = Some(flagged);
        model.serving.spawn(async move { proxy.serve(listener).await });
        model.serving.spawn(screening);
        let (stuck, reason) = (model.stuck.clone(), Arc::clone(&model.reason));
        model.recorder.spawn(record(heard, reporter, stuck, reason, held));
        Ok(model)
    }

    /// What the agent needs to know of it.
    pub(crate) fn access(&self) -> Option<ModelAccess> {
        self.access.clone()
    }

    /// What is found in results on their way to the model, to be heard by the run.
    pub(crate) fn flagged(&mut self) -> Option<mpsc::Receiver<Vec<Injection>>> {
        self.flagged.take()
    }

    /// Where its calls that lack room are heard of; once.
    pub(crate) fn calls(&mut self) -> mpsc::Receiver<Call> {
        self.calls.take().unwrap_or_else(|| mpsc::channel(1).1)
    }

    /// Returns when a call was refused because of the budget and no raise would help, or because
    /// of the key.
    pub(crate) async fn stuck(&self) {
        self.stuck.cancelled().await;
    }

    /// Ends it, and returns when every count is recorded: how the run ends where it got stuck,
    /// whatever the agent made of that.
    pub(crate) async fn end(mut self) -> Option<End> {
        self.serving.shutdown().await;
        let recorded = async { while self.recorder.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_WORDS, recorded).await.is_err() {
            tracing::warn!("some of what a run used of its model is not recorded");
        }
        Some((Outcome::Failed, self.reason.get()?.clone()))
    }
}

async fn record(
    mut heard: mpsc::Receiver<Told>,
    reporter: Reporter,
    stuck: CancellationToken,
    reason: Arc<OnceLock<Reason>>,
    held: mpsc::Sender<Call>,
) {
    // What failed last; the same again is not told again, however often it is tried.
    let mut failing: Option<ModelError> = None;
    let mut failures = 0;
    // The first one says it; later ones say the same.
    let stop = |why: Reason| {
        let _first = reason.set(why);
        stuck.cancel();
    };
    while let Some(told) = heard.recv().await {
        match told {
            Told::Used(metered) => {
                failing = None;
                let report = Report::Metered { metered: metered.clone() };
                if let Err(error) = reporter.send(report).await {
                    tracing::warn!(?metered, ?error, "a model call is not recorded");
                }
            }
            Told::Waits { call, short } => pass_on(&held, Call::Waits { call, short }).await,
            Told::WaitsNoMore { call } => pass_on(&held, Call::WaitsNoMore { call }).await,
            Told::Unpriced(limit) => stop(Reason::LimitReached { limit }),
            // It would be asked about for minutes, and the answer stays the same.
            Told::Failed(error @ ModelError::Unauthorized { .. }) => {
                stop(Reason::AgentFailed { detail: error.to_string() });
            }
            Told::Failed(error) => {
                if failing.as_ref() == Some(&error) || failures == FAILURES {
                    continue;
                }
                failures += 1;
                let text = match error.is_passing() {
                    true => format!("{error}. The agent may ask it again by itself."),
                    false => format!("{error}."),
                };
                failing = Some(error);
                let event = AgentEvent::Text { text };
                if let Err(error) = reporter.send(Report::AgentReported { event }).await {
                    tracing::warn!(?error, "a failed model call is not recorded");
                }
            }
        }
    }
}

/// A run that is ending does not listen any more, and needs not.
async fn pass_on(held: &mpsc::Sender<Call>, call: Call) {
    if held.send(call).await.is_err() {
        tracing::debug!("a run ends while a call waits for its budget");
    }
}
