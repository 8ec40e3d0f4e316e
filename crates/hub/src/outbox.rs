//! What the worker has yet to be told.
//!
//! The channel to the worker is bounded, and a worker that is waiting for the answer to a report
//! may not be reading it. So the loop never waits for room in it while reports wait for the loop:
//! words go here first and move on when there is room. What keeps this queue short is not a limit
//! of its own but of what fills it: a few words a task, and tasks are limited; only messages are
//! not, and [`Outbox::is_crowded`] is why a person's message is refused as full.

use std::collections::VecDeque;

use gatepost_domain::dispatch::ToWorker;
use tokio::sync::mpsc;

/// A worker that is this far behind gets no further messages of people.
const CROWDED: usize = 1024;

/// What the worker has yet to be told, in order, and the way to it.
#[derive(Debug)]
pub(crate) struct Outbox {
    waiting: VecDeque<ToWorker>,
    /// None when the worker is gone.
    worker: Option<mpsc::Sender<ToWorker>>,
}

/// The worker reads no more. After the next start recovery tells it all that still matters, so the
/// words that waited are dropped.
#[derive(Debug)]
pub(crate) struct WorkerGone {
    /// How many words.
    pub(crate) words: usize,
}

impl Outbox {
    pub(crate) fn new(worker: mpsc::Sender<ToWorker>) -> Self {
        Self { waiting: VecDeque::new(), worker: Some(worker) }
    }

    pub(crate) fn extend(&mut self, told: Vec<ToWorker>) {
        if self.worker.is_some() {
            self.waiting.extend(told);
        }
    }

    pub(crate) fn is_crowded(&self) -> bool {
        self.waiting.len() >= CROWDED
    }

    /// Moves one word on when there is one and there is room for it; waits until then. Dropping
    /// the future loses nothing: a word leaves the queue only into room that is already had.
    pub(crate) async fn forward(&mut self) -> Result<(), WorkerGone> {
        let worker = match &self.worker {
            Some(worker) if !self.waiting.is_empty() => worker,
            Some(_) | None => return std::future::pending().await,
        };
        if let Ok(permit) = worker.reserve().await {
            if let Some(told) = self.waiting.pop_front() {
                permit.send(told);
            }
            return Ok(());
        }
        let words = self.waiting.len();
        self.waiting.clear();
        self.worker = None;
        Err(WorkerGone { words })
    }
}
