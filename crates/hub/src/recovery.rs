//! The start: what the journal holds is taken up again before anybody is served.

use gatepost_domain::Event;
use gatepost_domain::Record;
use gatepost_domain::TaskId;
use gatepost_domain::lifecycle::Command;
use gatepost_domain::lifecycle::Delivery;
use gatepost_domain::lifecycle::Task;

use crate::board::Refused;
use crate::config::HubConfig;
use crate::desk::Desk;
use crate::error::HubError;
use crate::ledger::Ledger;
use crate::outbox::Outbox;

/// A task that lives on, with the numbers of the records that give it its places.
struct Alive {
    task: Task,
    /// When it was handed over.
    received: u64,
    /// When its delivery was asked for that is still to be made.
    asked: Option<u64>,
}

/// Takes up every live task, denies what ran out meanwhile, begins what can begin; all of it is
/// durable when this returns, as one batch.
///
/// A delivery that was under way is made again: whether it had been made is not recorded, and the
/// one who makes it finds out (the project no longer is what the run saw).
pub(crate) fn recover(
    config: &HubConfig,
    desk: &mut Desk,
    outbox: &mut Outbox,
    mut ledger: Ledger,
) -> Result<Ledger, HubError> {
    let mut alive = Vec::new();
    for task in ledger.tasks()? {
        desk.board.note_known(&task);
        let underway = matches!(task.delivery(), Delivery::Underway { .. });
        if !task.is_finished() || underway {
            alive.push(placed(task, &ledger)?);
        }
    }
    // Places are the numbers of records: they are unique, and later ones are higher.
    alive.sort_by_key(|alive| alive.received);
    let now = desk.now();
    desk.board.note(None, Event::HubStarted { version: config.version.clone() }, now);
    for Alive { task, received, asked } in alive {
        let id = task.id().clone();
        desk.board.restore(task, received, asked);
        desk.board.give(&id, Command::Recover, now).map_err(|refused| broken(id, &refused))?;
    }
    desk.expire();
    desk.schedule();
    let records = ledger.write(desk.board.take_staged())?;
    outbox.extend(desk.board.commit());
    tracing::info!(records = records.len(), "the hub has started");
    Ok(ledger)
}

fn placed(task: Task, ledger: &Ledger) -> Result<Alive, HubError> {
    let records = ledger.records_of(task.id())?;
    let queued = |record: &&Record| matches!(record.event, Event::TaskQueued {});
    let received = records.iter().rfind(queued).or(records.first()).map_or(0, |record| record.seq);
    let asked = match task.delivery() {
        Delivery::Underway { .. } => records
            .iter()
            .rev()
            .find(|record| matches!(record.event, Event::DeliveryRequested { .. }))
            .map(|record| record.seq),
        Delivery::NotAsked | Delivery::Done { .. } => None,
    };
    Ok(Alive { task, received, asked })
}

fn broken(task: TaskId, refused: &Refused) -> HubError {
    HubError::Recovery { task, detail: format!("{refused:?}") }
}
