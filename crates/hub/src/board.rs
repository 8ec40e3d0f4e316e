//! The state of every task that is not over and done with, and what a batch wants to make of it.
//!
//! A batch is staged here first: each command is decided and applied at once, so that the next one
//! in the same batch meets its result, and what was before is kept until the disk has the events.
//! [`Board::commit`] then forgets what was before, [`Board::rollback`] goes back to it.
//!
//! Tasks that are over stay in the views: a list of thousands would otherwise sit in memory for
//! the few that are asked about again. One that is asked about is lent to the board for a batch.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;
use std::io;

use gatepost_domain::ApprovalId;
use gatepost_domain::Event;
use gatepost_domain::Origin;
use gatepost_domain::TaskId;
use gatepost_domain::TaskSpec;
use gatepost_domain::dispatch::ToWorker;
use gatepost_domain::lifecycle;
use gatepost_domain::lifecycle::Command;
use gatepost_domain::lifecycle::Delivery;
use gatepost_domain::lifecycle::IllegalEdge;
use gatepost_domain::lifecycle::Refusal;
use gatepost_domain::lifecycle::Task;
use gatepost_domain::request::OpenApproval;
use jiff::Timestamp;

/// The largest event, in bytes of JSON. The journal's own limit is a little higher; an event that
/// it would not take is refused here, alone, before it can spoil the batch it is in.
pub(crate) const MAX_EVENT: usize = 63 << 20;

/// Everything the hub holds in memory about tasks.
#[derive(Debug, Default)]
pub(crate) struct Board {
    seats: BTreeMap<TaskId, Seat>,
    /// Every id there is, so that a fresh one does not clash and an unknown one costs no look-up.
    known: HashSet<TaskId>,
    /// Which task each chat message belongs to, so that one delivered twice counts once.
    origins: HashMap<Origin, TaskId>,
    /// Those of them that the batch brought.
    new_origins: Vec<Origin>,
    places: u64,
    /// What was before the batch, of every seat it touched.
    before: BTreeMap<TaskId, Option<Seat>>,
    staged: Vec<Staged>,
    told: Vec<ToWorker>,
}

/// A task with its place among the others.
#[derive(Debug, Clone)]
pub(crate) struct Seat {
    pub(crate) task: Task,
    /// Where it stands among tasks: who was handed over first has the lower number.
    pub(crate) place: u64,
    pub(crate) delivery: Turn,
}

/// Whether a worker was told of a delivery. The life cycle knows that it is asked for; only the
/// hub knows whether its project was free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// None is asked for, or it is over.
    None,
    /// It is recorded and waits for the project. `place` orders it among deliveries.
    Waits { place: u64 },
    /// A worker has it.
    Sent,
}

/// An event that is applied in memory and not yet on the disk.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) at: Timestamp,
    pub(crate) task: Option<TaskId>,
    pub(crate) event: Event,
}

/// Why a command changed nothing.
#[derive(Debug)]
pub(crate) enum Refused {
    /// There is no such task on the board.
    Unknown,
    /// The life cycle does not allow it.
    LifeCycle(Refusal),
    /// Its event is larger than [`MAX_EVENT`].
    TooLarge { bytes: usize },
    /// The life cycle allowed what it then could not apply: a fault of ours.
    Illegal(IllegalEdge),
}

impl Board {
    /// Takes a task that lives on from an earlier start. `asked` is the place of its delivery, when
    /// one is asked for and not done.
    pub(crate) fn restore(&mut self, task: Task, place: u64, asked: Option<u64>) {
        self.places = self.places.max(place).max(asked.unwrap_or(0));
        let delivery = asked.map_or(Turn::None, |place| Turn::Waits { place });
        self.seats.insert(task.id().clone(), Seat { task, place, delivery });
    }

    /// Notes that a task's id and the messages it came in are taken.
    pub(crate) fn note_known(&mut self, task: &Task) {
        self.known.insert(task.id().clone());
        for origin in task.origins() {
            self.origins.insert(origin.clone(), task.id().clone());
        }
    }

    /// The task that came in this message, or was sent it.
    pub(crate) fn of_origin(&self, origin: &Origin) -> Option<&TaskId> {
        self.origins.get(origin)
    }

    /// Notes which task a message belongs to; taken back when the batch is not written.
    pub(crate) fn note_origin(&mut self, origin: Origin, id: TaskId) {
        self.new_origins.push(origin.clone());
        self.origins.insert(origin, id);
    }

    /// Takes a task that is over, from the views, until the end of the batch.
    pub(crate) fn lend(&mut self, task: Task) {
        if !task.is_finished() {
            // Every task that lives is here already, and as it is now.
            return;
        }
        self.seats.entry(task.id().clone()).or_insert(Seat {
            task,
            place: 0,
            delivery: Turn::None,
        });
    }

    pub(crate) fn is_known(&self, id: &TaskId) -> bool {
        self.known.contains(id)
    }

    pub(crate) fn task(&self, id: &TaskId) -> Option<&Task> {
        self.seats.get(id).map(|seat| &seat.task)
    }

    pub(crate) fn seat(&self, id: &TaskId) -> Option<&Seat> {
        self.seats.get(id)
    }

    pub(crate) fn seats(&self) -> impl Iterator<Item = &Seat> {
        self.seats.values()
    }

    /// The task on the board that asked a question, whether it is settled or not.
    pub(crate) fn asker(&self, approval: &ApprovalId) -> Option<&Task> {
        self.seats().map(|seat| &seat.task).find(|task| {
            task.open().contains_key(approval)
                || task.denial(approval).is_some()
                || task.settlement(approval).is_some()
        })
    }

    /// Open questions, oldest first.
    pub(crate) fn open(&self) -> Vec<OpenApproval> {
        let of_task = |task: &Task| {
            let of_question = |approval: &gatepost_domain::Approval| OpenApproval {
                task: task.id().clone(),
                approval: approval.clone(),
            };
            task.open().values().map(of_question).collect::<Vec<_>>()
        };
        let mut open: Vec<_> = self.seats().flat_map(|seat| of_task(&seat.task)).collect();
        open.sort_by(|one, other| {
            let key = |open: &OpenApproval| (open.approval.asked_at, open.approval.action_id);
            key(one).cmp(&key(other)).then_with(|| one.approval.id.cmp(&other.approval.id))
        });
        open
    }

    /// Stages an event that changes no task's state: of Gatepost itself, or a chat's note.
    pub(crate) fn note(&mut self, task: Option<TaskId>, event: Event, at: Timestamp) {
        self.staged.push(Staged { at, task, event });
    }

    /// Stages a new task.
    pub(crate) fn receive(
        &mut self,
        id: TaskId,
        spec: TaskSpec,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let events = lifecycle::submit(spec);
        weigh(&events)?;
        let born = lifecycle::replay(&id, events.iter().map(|event| (event, now)))
            .map_err(Refused::Illegal)?
            .ok_or(Refused::Unknown)?;
        let place = self.next_place();
        self.before.entry(id.clone()).or_insert(None);
        self.known.insert(id.clone());
        self.seats.insert(id.clone(), Seat { task: born, place, delivery: Turn::None });
        self.stage(&id, events, now);
        Ok(())
    }

    /// Decides a command, applies it, and stages its events and what the worker must be told.
    pub(crate) fn give(
        &mut self,
        id: &TaskId,
        command: Command,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let after = After::of(&command);
        let seat = self.seats.get(id).ok_or(Refused::Unknown)?;
        let events = lifecycle::decide(&seat.task, command, now).map_err(Refused::LifeCycle)?;
        weigh(&events)?;
        let was_over = seat.task.is_finished();
        let mut changed = seat.clone();
        let mut told = Vec::new();
        for event in &events {
            changed.task.apply(event, now).map_err(Refused::Illegal)?;
            if matches!(after, After::Told | After::ToldAndUnfinished) {
                told.extend(lifecycle::effect(&changed.task, event));
            }
        }
        match after {
            After::Told => {}
            After::ToldAndUnfinished | After::Unfinished => {
                // A delivery that is under way has its turn; here only dead runs are collected.
                if !changed.task.is_finished() {
                    told.extend(lifecycle::unfinished_business(&changed.task));
                }
            }
            After::InTurn => changed.delivery = Turn::Waits { place: self.next_place() },
        }
        if !matches!(changed.task.delivery(), Delivery::Underway { .. }) {
            changed.delivery = Turn::None;
        }
        if was_over && !changed.task.is_finished() {
            // It was only lent; it goes on and takes a place like any other.
            changed.place = self.next_place();
        }
        self.replace(id, changed);
        self.stage(id, events, now);
        self.told.extend(told);
        Ok(())
    }

    /// The delivery's turn has come: the worker is told.
    pub(crate) fn send_delivery(&mut self, id: &TaskId) {
        let Some(seat) = self.seats.get(id) else { return };
        self.told.extend(lifecycle::unfinished_business(&seat.task));
        let changed = Seat { delivery: Turn::Sent, ..seat.clone() };
        self.replace(id, changed);
    }

    /// Hands out what the batch wants written.
    pub(crate) fn take_staged(&mut self) -> Vec<Staged> {
        std::mem::take(&mut self.staged)
    }

    /// What was staged is on the disk. Gives what the worker must be told, in order.
    pub(crate) fn commit(&mut self) -> Vec<ToWorker> {
        self.before.clear();
        self.new_origins.clear();
        self.seats.retain(|_, seat| {
            !seat.task.is_finished() || matches!(seat.task.delivery(), Delivery::Underway { .. })
        });
        std::mem::take(&mut self.told)
    }

    /// What was staged is not on the disk: it has not happened.
    pub(crate) fn rollback(&mut self) {
        for (id, before) in std::mem::take(&mut self.before) {
            match before {
                Some(seat) => {
                    self.seats.insert(id, seat);
                }
                None => {
                    self.seats.remove(&id);
                    self.known.remove(&id);
                }
            }
        }
        for origin in std::mem::take(&mut self.new_origins) {
            self.origins.remove(&origin);
        }
        self.staged.clear();
        self.told.clear();
        // What was lent goes back as after any batch; there is nothing left to tell.
        self.commit();
    }

    fn next_place(&mut self) -> u64 {
        self.places = self.places.saturating_add(1);
        self.places
    }

    fn replace(&mut self, id: &TaskId, seat: Seat) {
        let before = self.seats.insert(id.clone(), seat);
        self.before.entry(id.clone()).or_insert(before);
    }

    fn stage(&mut self, id: &TaskId, events: Vec<Event>, at: Timestamp) {
        let staged = events.into_iter().map(|event| Staged { at, task: Some(id.clone()), event });
        self.staged.extend(staged);
    }
}

/// What follows from a command besides its events.
#[derive(Debug, Clone, Copy)]
enum After {
    /// The worker is told what the life cycle says.
    Told,
    /// The same; and where a stop or a no that ends the task found no run, the dead one's changes
    /// are collected.
    ToldAndUnfinished,
    /// No worker has the run any more, so only its changes are left to collect.
    Unfinished,
    /// The worker is told when the project is free.
    InTurn,
}

impl After {
    fn of(command: &Command) -> Self {
        match command {
            Command::Start
            | Command::Report { .. }
            | Command::Message { .. }
            | Command::Resume { .. } => Self::Told,
            Command::Cancel { .. } | Command::Settle { .. } => Self::ToldAndUnfinished,
            Command::Recover => Self::Unfinished,
            Command::Deliver { .. } => Self::InTurn,
        }
    }
}

/// Refuses what the journal would not take. Writing it twice costs little beside the fdatasync.
fn weigh(events: &[Event]) -> Result<(), Refused> {
    for event in events {
        let mut scale = Scale(0);
        // A scale does not fail, and an event always has a form as JSON; if ever it had none, the
        // journal says so.
        let _ = serde_json::to_writer(&mut scale, event);
        if scale.0 > MAX_EVENT {
            return Err(Refused::TooLarge { bytes: scale.0 });
        }
    }
    Ok(())
}

struct Scale(usize);

impl io::Write for Scale {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
