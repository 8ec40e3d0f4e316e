//! Whose turn it is: one writer at a time in a project, and so many runs at once over all of them.
//!
//! A project is known by its directory, so two names for the same one do not make two writers.
//! Its line, first to last:
//!
//! 1. A task that is taken up again after a restart: its half-done workspace should not find the
//!    project changed under it.
//! 2. Deliveries, in the order they were asked for. A person waits for them, they are short, and
//!    the tasks behind them then begin on what was delivered.
//! 3. New tasks, and those that go on after their end, in the order they were handed over.
//!
//! The first in line blocks the others of its project, also while it waits for one of the places
//! to run. Discarding touches nothing but the task's own workspace and waits for nobody.

use std::collections::BTreeMap;

use gatepost_domain::RunNumber;
use gatepost_domain::TaskId;
use gatepost_domain::changes::DeliveryKind;
use gatepost_domain::lifecycle::Delivery;
use gatepost_domain::lifecycle::Phase;

use crate::board::Board;
use crate::board::Seat;
use crate::board::Turn;

/// What can be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Begin the task's next run.
    Start(TaskId),
    /// Let the task's delivery be made.
    Deliver(TaskId),
}

/// How a seat stands to its project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Holds,
    Waits(Rank, u64),
    /// It has a delivery that needs no project.
    Free,
    Apart,
}

/// The parts of a line, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    TakenUp,
    Delivery,
    New,
}

#[derive(Debug, Default)]
struct Project<'a> {
    held: bool,
    first: Option<(Rank, u64, &'a TaskId)>,
}

/// The next thing that can be done, if anything can.
pub(crate) fn next(board: &Board, max_running: usize) -> Option<Step> {
    let mut projects: BTreeMap<&str, Project<'_>> = BTreeMap::new();
    for seat in board.seats() {
        let project = projects.entry(project_of(seat)).or_default();
        match standing(seat) {
            Standing::Free => return Some(Step::Deliver(seat.task.id().clone())),
            Standing::Holds => project.held = true,
            Standing::Waits(rank, place) => {
                let own = (rank, place, seat.task.id());
                project.first = Some(project.first.map_or(own, |first| first.min(own)));
            }
            Standing::Apart => {}
        }
    }
    let room = running(board) < max_running;
    projects
        .into_values()
        .filter(|project| !project.held)
        .filter_map(|project| project.first)
        .filter(|(rank, _, _)| match rank {
            Rank::Delivery => true,
            Rank::TakenUp | Rank::New => room,
        })
        .min()
        .map(|(rank, _, id)| match rank {
            Rank::Delivery => Step::Deliver(id.clone()),
            Rank::TakenUp | Rank::New => Step::Start(id.clone()),
        })
}

/// How many tasks wait for their turn.
pub(crate) fn waiting(board: &Board) -> usize {
    board
        .seats()
        .filter(|seat| matches!(seat.task.phase(), Phase::Received | Phase::Queued))
        .count()
}

/// Whether a new task of the project would begin at once.
pub(crate) fn is_free(board: &Board, project_path: &str, max_running: usize) -> bool {
    let apart = |seat: &Seat| matches!(standing(seat), Standing::Apart | Standing::Free);
    running(board) < max_running
        && board.seats().filter(|seat| project_of(seat) == project_path).all(apart)
}

/// How many tasks of its project go before a task.
pub(crate) fn ahead(board: &Board, id: &TaskId) -> usize {
    let Some(own) = board.seat(id) else { return 0 };
    let mine = standing(own);
    board
        .seats()
        .filter(|seat| !seat.task.is_finished() && seat.task.id() != id)
        .filter(|seat| project_of(seat) == project_of(own))
        .filter(|seat| match (standing(seat), mine) {
            (Standing::Holds, _) => true,
            (Standing::Waits(rank, place), Standing::Waits(my_rank, my_place)) => {
                (rank, place) < (my_rank, my_place)
            }
            (Standing::Waits(..) | Standing::Free | Standing::Apart, _) => false,
        })
        .count()
}

/// How many runs are under way. A task whose run is gone and whose question is open needs none of
/// the machine, so it does not count; one that is collecting still does.
fn running(board: &Board) -> usize {
    let runs = |seat: &&Seat| {
        seat.task.live_run().is_some() || matches!(seat.task.phase(), Phase::Finishing { .. })
    };
    board.seats().filter(runs).count()
}

fn standing(seat: &Seat) -> Standing {
    if matches!(seat.task.phase(), Phase::Queued) {
        // What an earlier run changed is collected once it has ended; one that was cut off has not.
        let cut = seat.task.run() != RunNumber::default() && seat.task.changes().is_none();
        return Standing::Waits(if cut { Rank::TakenUp } else { Rank::New }, seat.place);
    }
    match (seat.task.delivery(), seat.delivery) {
        (Delivery::Underway { how: DeliveryKind::Discard }, Turn::Waits { .. }) => Standing::Free,
        (Delivery::Underway { how: DeliveryKind::Discard }, _) => Standing::Apart,
        (Delivery::Underway { .. }, Turn::Waits { place }) => {
            Standing::Waits(Rank::Delivery, place)
        }
        _ if seat.task.holds_project() => Standing::Holds,
        _ => Standing::Apart,
    }
}

fn project_of(seat: &Seat) -> &str {
    &seat.task.spec().project_path
}

#[cfg(test)]
mod tests;
