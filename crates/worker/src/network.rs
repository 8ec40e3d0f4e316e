//! The network of one run: nothing, or the egress proxy with everything it sees recorded.

use std::sync::Arc;
use std::time::Duration;

use gatepost_domain::dispatch::Report;
use gatepost_domain::egress::EgressEvent;
use gatepost_sandbox::Sandbox;
use gatepost_sandbox::egress::AllowList;
use gatepost_sandbox::egress::EgressLimits;
use gatepost_sandbox::egress::Serving;
use gatepost_sandbox::egress::SystemResolver;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::run::Reporter;

/// How long the end of a run waits for what was seen to be recorded.
const LAST_WORDS: Duration = Duration::from_secs(30);

/// What serves one run. Dropping it ends every connection.
pub(crate) struct Network {
    serving: Option<Serving>,
    recorder: JoinSet<()>,
    reporter: Reporter,
}

impl Network {
    /// Serves the ports of the sandbox, if it has any.
    pub(crate) fn start(allow: &AllowList, sandbox: &mut Sandbox, reporter: Reporter) -> Self {
        let resolver = Arc::new(SystemResolver);
        let started = Serving::start(allow, sandbox, resolver, EgressLimits::default());
        let mut recorder = JoinSet::new();
        let serving = started.map(|(serving, seen)| {
            recorder.spawn(record(seen, reporter.clone()));
            serving
        });
        Self { serving, recorder, reporter }
    }

    /// Ends every connection, and returns when what was seen is recorded.
    pub(crate) async fn end(mut self) {
        let Some(serving) = self.serving.take() else { return };
        let total = serving.end().await;
        // The proxy is gone, so the recorder ends once it has told what it was told.
        if tokio::time::timeout(LAST_WORDS, self.recorder.join_next()).await.is_err() {
            tracing::warn!("some of what a run did over the network is not recorded");
        }
        if let Some(event) = total {
            tell(&self.reporter, event).await;
        }
    }
}

async fn record(mut seen: mpsc::Receiver<EgressEvent>, reporter: Reporter) {
    while let Some(event) = seen.recv().await {
        tell(&reporter, event).await;
    }
}

/// A hub that takes no more of this run has its reasons; the log keeps what it was.
async fn tell(reporter: &Reporter, event: EgressEvent) {
    if let Err(error) = reporter.send(Report::Egress { event: event.clone() }).await {
        tracing::warn!(?event, ?error, "a connection is not recorded");
    }
}
