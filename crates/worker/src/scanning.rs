//! What tools return, looked through before an agent reads it.
//!
//! Results of what the worker runs come past here by themselves. Those of a program, which carries
//! out its own tools, are met on their way to its model: the model proxy hands every one over
//! before the call is made. A result that is found out is given on in a fence, the same each time,
//! so that a provider's cache still serves the conversation around it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use futures::FutureExt;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::future::Shared;
use futures::stream::FuturesUnordered;
use gatepost_domain::agent::ActionResult;
use gatepost_domain::injection::Injection;
use gatepost_gate::classifier::Model;
use gatepost_gate::classifier::NoVerdict;
use gatepost_gate::scan;
use gatepost_models::proxy::Screened;
use sha2::Digest;
use sha2::Sha256;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::spending::Counter;

/// So many results are remembered, so that a conversation that is sent again with each turn is
/// looked through once. A digest takes little room.
const KEPT: usize = 100_000;

/// So many results of one run are read at once: what a provider takes without complaint.
const AT_ONCE: usize = 4;

/// So often running the reader fails, and it is left alone for a while: each try takes its whole
/// time, and the agent waits for it.
const FAILURES: u32 = 3;

/// How long it is left alone.
const REST: Duration = Duration::from_secs(30);

/// How many findings may wait for the run to hear of them.
const WAITING: usize = 64;

/// The same result in a fence, where something was found in it.
pub(crate) fn fenced(result: &ActionResult, found: &[Injection]) -> ActionResult {
    if found.is_empty() {
        return result.clone();
    }
    let head = scan::fenced(&whole(result), found);
    ActionResult { head, tail: String::new(), dropped: 0, ..result.clone() }
}

/// All that an agent reads of a result.
fn whole(result: &ActionResult) -> String {
    let left_out = match result.dropped {
        0 => String::new(),
        dropped => format!("\n[{dropped} bytes are left out here]\n"),
    };
    format!("{}{left_out}{}", result.head, result.tail)
}

/// What a result holds that may be there to steer an agent.
pub(crate) fn found(result: &ActionResult) -> Vec<Injection> {
    if result.dropped == 0 {
        // One that is just longer than its head was cut in the middle of a word.
        return scan::scanned(&format!("{}{}", result.head, result.tail));
    }
    let mut found = scan::scanned(&result.head);
    found.extend(scan::scanned(&result.tail));
    found
}

/// A language model that reads what the rules found nothing in. One for all runs of a worker, so
/// that what was read once is known to each.
#[derive(Clone)]
pub struct Reader {
    model: Arc<dyn Model>,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    /// What was found in texts, by their digests.
    known: BTreeMap<[u8; 32], Vec<Injection>>,
    /// How often running it could not be reached.
    failed: u32,
    rests_until: Option<Instant>,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("model", &self.model.name()).finish_non_exhaustive()
    }
}

impl Reader {
    /// A reader that asks this model.
    #[must_use]
    pub fn new(model: Arc<dyn Model>) -> Self {
        Self { model, memory: Arc::default() }
    }

    async fn read(&self, text: &str) -> Vec<Injection> {
        let digest = Sha256::digest(text).into();
        {
            let memory = self.memory();
            if let Some(found) = memory.known.get(&digest) {
                return found.clone();
            }
            if memory.rests_until.is_some_and(|until| Instant::now() < until) {
                return vec![scan::unread(&NoVerdict::Down("it was not a moment ago".into()))];
            }
        }
        let read = scan::read(self.model.as_ref(), text).await;
        let mut memory = self.memory();
        match read {
            Ok(found) => {
                (memory.failed, memory.rests_until) = (0, None);
                if memory.known.len() < KEPT {
                    memory.known.insert(digest, found.clone());
                }
                found
            }
            Err(none) => {
                if matches!(none, NoVerdict::Down(_) | NoVerdict::TimedOut) {
                    memory.failed += 1;
                    let rests = memory.failed >= FAILURES;
                    memory.rests_until = rests.then(|| Instant::now() + REST);
                }
                vec![scan::unread(&none)]
            }
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What looks through the texts of one run: the rules, and then the reader where there is one.
#[derive(Clone)]
pub(crate) struct Screen {
    reader: Option<Reader>,
    at_once: Arc<Semaphore>,
}

impl Screen {
    /// Its reader's calls are counted for the run's task.
    pub(crate) fn new(reader: Option<&Reader>, counter: &Counter) -> Self {
        let reader = reader.map(|reader| Reader {
            model: counter.of(&reader.model),
            memory: Arc::clone(&reader.memory),
        });
        Self { reader, at_once: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The way of a text to the reader, which the rules found nothing in; none where nobody reads
    /// it.
    pub(crate) fn reading(
        &self,
        text: &str,
    ) -> Option<impl Future<Output = Vec<Injection>> + Send + use<>> {
        let reader = self.reader.clone().filter(|_| scan::has_words(text))?;
        let (text, at_once) = (text.to_owned(), Arc::clone(&self.at_once));
        Some(async move {
            // It is never closed.
            let _turn = at_once.acquire_owned().await;
            reader.read(&text).await
        })
    }

    /// The same for a result.
    pub(crate) fn reading_result(
        &self,
        result: &ActionResult,
    ) -> Option<impl Future<Output = Vec<Injection>> + Send + use<>> {
        self.reading(&whole(result))
    }

    async fn look(self, text: String) -> Vec<Injection> {
        let found = scan::scanned(&text);
        match self.reading(&text).filter(|_| found.is_empty()) {
            Some(reading) => reading.await,
            None => found,
        }
    }
}

/// Looks through what the model proxy hands over, until the proxy is gone.
///
/// # Returns
/// What the proxy is given, what the run hears, and the work itself.
pub(crate) fn screen(
    screen: Screen,
) -> (mpsc::Sender<Screened>, mpsc::Receiver<Vec<Injection>>, impl Future<Output = ()>) {
    let (to_screen, mut asked) = mpsc::channel::<Screened>(1);
    let (tell, told) = mpsc::channel(WAITING);
    let work = async move {
        // A conversation comes again with each turn: a text is looked through and told of once, and
        // given on in the same form each time.
        let mut known: BTreeMap<[u8; 32], Looking> = BTreeMap::new();
        let mut answering = FuturesUnordered::new();
        loop {
            let Screened { text, answer } = tokio::select! {
                asked = asked.recv() => match asked {
                    Some(screened) => screened,
                    None => break,
                },
                Some(()) = answering.next() => continue,
            };
            let digest: [u8; 32] = Sha256::digest(&text).into();
            let looking = known.get(&digest).cloned().unwrap_or_else(|| {
                first_look(screen.clone(), text.clone(), tell.clone()).boxed().shared()
            });
            if known.len() < KEPT {
                known.insert(digest, looking.clone());
            }
            answering.push(async move {
                // Where nobody is left to be told, nothing is to go on either.
                if let Some(found) = looking.await {
                    let instead = (!found.is_empty()).then(|| scan::fenced(&text, &found));
                    // A call that was given up is not waited for.
                    let _gone = answer.send(instead);
                }
            });
        }
    };
    (to_screen, told, work)
}

/// What was found in a text, once it is known; none where nobody could be told.
type Looking = Shared<BoxFuture<'static, Option<Vec<Injection>>>>;

async fn first_look(
    screen: Screen,
    text: String,
    tell: mpsc::Sender<Vec<Injection>>,
) -> Option<Vec<Injection>> {
    let found = screen.look(text).await;
    if !found.is_empty() {
        tell.send(found.clone()).await.ok()?;
    }
    Some(found)
}

#[cfg(test)]
mod tests;
