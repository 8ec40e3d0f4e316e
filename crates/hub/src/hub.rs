//! The loop: what is waiting becomes a batch, the batch becomes durable, then everybody is served.
//!
//! The loop is a task of the runtime and not a thread of its own, because it waits for four things
//! at once (events, room at the worker, a time, the disk) and because tests can then stop the
//! clock. The disk is waited for on a blocking thread, which is handed the ledger and gives it
//! back; meanwhile events gather in the inbox and make the next batch. That is the group commit:
//! the slower the disk, the larger the batch.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatepost_domain::Event;
use gatepost_domain::Record;
use gatepost_domain::TaskId;
use gatepost_domain::request::DeliveryReceipt;
use gatepost_journal::JournalError;
use tokio::sync::broadcast;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::board::Turn;
use crate::desk::Batch;
use crate::desk::Circumstances;
use crate::desk::Desk;
use crate::error::not_readable;
use crate::error::not_recorded;
use crate::event::HubEvent;
use crate::event::Reply;
use crate::ledger::Ledger;
use crate::outbox::Outbox;
use crate::outbox::WorkerGone;
use crate::timers;
use crate::timers::Backoff;

/// How many events make a batch at most. More would make the first of them wait for the last;
/// fewer would make a burst pay for more syncs than it must.
const MAX_BATCH: usize = 256;

/// The loop with all that it owns.
pub(crate) struct Hub {
    pub(crate) desk: Desk,
    /// Away while a job has it.
    pub(crate) ledger: Option<Ledger>,
    pub(crate) outbox: Outbox,
    pub(crate) inbox: mpsc::Receiver<HubEvent>,
    pub(crate) news: broadcast::Sender<Arc<Record>>,
    pub(crate) tracker: TaskTracker,
    pub(crate) token: CancellationToken,
    pub(crate) backoff: Backoff,
    /// Who waits for a delivery that is being made.
    pub(crate) deliveries: BTreeMap<TaskId, Vec<Reply<DeliveryReceipt>>>,
    pub(crate) closing: Vec<oneshot::Sender<Result<(), JournalError>>>,
}

/// The ledger is lost: a job panicked, or the runtime is ending.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("the journal is in use by a job that never came back")]
    Away,
    #[error(transparent)]
    Job(#[from] JoinError),
}

impl Hub {
    /// Runs until it is closed, or nobody holds a handle any more.
    pub(crate) async fn run(mut self) {
        while let Some(first) = self.next().await {
            let mut events = vec![first];
            while events.len() < MAX_BATCH
                && let Ok(event) = self.inbox.try_recv()
            {
                events.push(event);
            }
            if let Err(lost) = self.batch(events).await {
                // Every reply that was owed is dropped, which tells whoever waits that it ended.
                tracing::error!(error = %lost, "the hub ends: its journal is lost");
                return;
            }
        }
        self.end().await;
    }

    /// The next event. Meanwhile the worker is told what it has room for.
    async fn next(&mut self) -> Option<HubEvent> {
        loop {
            let wake = match self.token.is_cancelled() {
                false => timers::wake_at(&self.desk.board, &self.backoff, self.desk.now()),
                true => None,
            };
            let alarm = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                moved = self.outbox.forward() => match moved {
                    Ok(()) => {}
                    Err(WorkerGone { words }) if self.token.is_cancelled() => {
                        tracing::debug!(words, "the worker ended first");
                    }
                    Err(WorkerGone { words }) => {
                        tracing::error!(words, "the worker is gone; the next start recovers its runs");
                    }
                },
                event = self.inbox.recv() => return event,
                () = alarm => return Some(HubEvent::Due),
            }
        }
    }

    async fn batch(&mut self, events: Vec<HubEvent>) -> Result<(), Lost> {
        let needs = self.desk.needs(&events);
        let unreadable = if needs.is_empty() {
            None
        } else {
            match self.job(move |ledger| ledger.load(&needs)).await? {
                Ok(tasks) => {
                    tasks.into_iter().for_each(|task| self.desk.board.lend(task));
                    None
                }
                Err(error) => Some(not_readable(&error)),
            }
        };
        let around = Circumstances { unreadable, crowded: self.outbox.is_crowded() };
        let mut batch = Batch::default();
        let stopping = self.token.is_cancelled();
        if !stopping {
            self.desk.expire();
        }
        for event in events {
            self.desk.take(event, &around, &mut batch);
            // After each event, so that the next one finds the queue as it then is.
            if !stopping {
                self.desk.schedule();
            }
        }
        let written = self.write(&mut batch).await?;
        self.serve(written, batch);
        Ok(())
    }

    /// Makes the batch durable and reads what was asked for.
    async fn write(
        &mut self,
        batch: &mut Batch,
    ) -> Result<Result<Vec<Record>, JournalError>, Lost> {
        let staged = self.desk.board.take_staged();
        let reads = std::mem::take(&mut batch.reads);
        if staged.is_empty() && reads.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        self.job(move |ledger| {
            let written = ledger.write(staged);
            reads.into_iter().for_each(|read| ledger.read(read));
            written
        })
        .await
    }

    fn serve(&mut self, written: Result<Vec<Record>, JournalError>, batch: Batch) {
        let Batch { owed, deliveries, reads: _, approvals, closing } = batch;
        match &written {
            Ok(_) => {
                self.backoff.went_well();
                for (task, reply) in deliveries {
                    self.await_delivery(task, reply);
                }
                self.outbox.extend(self.desk.board.commit());
            }
            Err(error) => {
                tracing::error!(%error, "a batch was not recorded, so nothing of it happened");
                self.backoff.failed();
                self.desk.board.rollback();
                for (_, reply) in deliveries {
                    let _gone = reply.send(Err(not_recorded(error)));
                }
            }
        }
        for pay in owed {
            pay(written.as_ref().map(|_| ()));
        }
        for reply in approvals {
            let _gone = reply.send(Ok(self.desk.board.open()));
        }
        for record in written.into_iter().flatten() {
            self.publish(record);
        }
        if !closing.is_empty() {
            // From now on nobody can send; what was sent before is still taken.
            self.inbox.close();
            self.closing.extend(closing);
        }
    }

    /// The wish is durable. Whoever asked waits for the result where it is being made.
    fn await_delivery(&mut self, task: TaskId, reply: Reply<DeliveryReceipt>) {
        match self.desk.board.seat(&task).map(|seat| seat.delivery) {
            Some(Turn::Sent) => self.deliveries.entry(task).or_default().push(reply),
            Some(Turn::Waits { .. } | Turn::None) | None => {
                let _gone = reply.send(Ok(DeliveryReceipt::Queued));
            }
        }
    }

    fn publish(&mut self, record: Record) {
        if let (Event::DeliveryFinished { result }, Some(task)) = (&record.event, &record.task) {
            for reply in self.deliveries.remove(task).unwrap_or_default() {
                let _gone = reply.send(Ok(DeliveryReceipt::Done(result.clone())));
            }
        }
        // Nobody may be watching.
        let _nobody = self.news.send(Arc::new(record));
    }

    /// Runs `work` with the ledger on a blocking thread.
    async fn job<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Ledger) -> T + Send + 'static,
    ) -> Result<T, Lost> {
        let mut ledger = self.ledger.take().ok_or(Lost::Away)?;
        let job = self.tracker.spawn_blocking(move || {
            let done = work(&mut ledger);
            (ledger, done)
        });
        let (ledger, done) = job.await?;
        self.ledger = Some(ledger);
        Ok(done)
    }

    /// Writes the views and gives the journal back before it says so.
    async fn end(mut self) {
        let flushed = match self.ledger.take() {
            Some(mut ledger) => {
                self.tracker.spawn_blocking(move || ledger.flush()).await.unwrap_or(Ok(()))
            }
            None => Ok(()),
        };
        if let Err(error) = &flushed {
            tracing::warn!(%error, "the views could not be written at the end");
        }
        let mut flushed = Some(flushed);
        for reply in self.closing {
            let _gone = reply.send(flushed.take().unwrap_or(Ok(())));
        }
    }
}
