//! The journal and its views, as the loop uses them: write a batch, read what is over.
//!
//! Everything here blocks. The loop hands the ledger to a blocking thread for one job at a time
//! and gets it back with the result, so it needs no lock and the runtime never waits for a disk.

use std::collections::BTreeSet;

use gatepost_domain::ApprovalId;
use gatepost_domain::ChatNote;
use gatepost_domain::Event;
use gatepost_domain::Record;
use gatepost_domain::TaskId;
use gatepost_domain::lifecycle::Task;
use gatepost_domain::principal::Platform;
use gatepost_domain::request::RequestError;
use gatepost_domain::request::TaskDetail;
use gatepost_journal::Journal;
use gatepost_journal::JournalError;
use gatepost_journal::Views;

use crate::board::Staged;
use crate::desk::no_task;
use crate::error::not_readable;
use crate::event::Reply;

/// The journal and its views.
#[derive(Debug)]
pub(crate) struct Ledger {
    journal: Journal,
    views: Views,
    /// The last record the views could not take; with it they catch up.
    behind: Option<Record>,
}

/// What a batch needs to know of tasks that are not on the board.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    pub(crate) tasks: BTreeSet<TaskId>,
    /// Questions that no task on the board has asked.
    pub(crate) approvals: BTreeSet<ApprovalId>,
}

/// Something to be read after the batch is written.
pub(crate) enum Read {
    Tasks { reply: Reply<Vec<Task>> },
    Task { task: TaskId, reply: Reply<TaskDetail> },
    Notes { platform: Platform, reply: Reply<Vec<ChatNote>> },
}

impl Needs {
    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.approvals.is_empty()
    }
}

impl Ledger {
    pub(crate) fn new(journal: Journal, views: Views) -> Self {
        Self { journal, views, behind: None }
    }

    /// Writes a batch: all of it is durable, or nothing of it is recorded.
    pub(crate) fn write(&mut self, staged: Vec<Staged>) -> Result<Vec<Record>, JournalError> {
        let mut records = Vec::with_capacity(staged.len());
        for Staged { at, task, event } in staged {
            match self.journal.append(at, task.as_ref(), event) {
                Ok(record) => records.push(record),
                Err(error) => {
                    self.journal.discard();
                    return Err(error);
                }
            }
        }
        self.journal.commit()?;
        if !records.is_empty()
            && let Err(error) = self.views.apply(&records)
        {
            // The batch is recorded all the same: the journal is the truth.
            tracing::warn!(%error, "the views are behind the journal");
            self.behind = records.last().cloned();
        }
        Ok(records)
    }

    /// Reads and replies.
    pub(crate) fn read(&mut self, read: Read) {
        match read {
            Read::Tasks { reply } => {
                let _gone = reply.send(self.newest_first());
            }
            Read::Task { task, reply } => {
                let _gone = reply.send(self.detail(&task));
            }
            Read::Notes { platform, reply } => {
                let _gone = reply.send(self.notes(platform));
            }
        }
    }

    /// The tasks that are needed, as far as there are such.
    pub(crate) fn load(&mut self, needs: &Needs) -> Result<Vec<Task>, JournalError> {
        self.catch_up()?;
        let mut found = Vec::new();
        for id in &needs.tasks {
            found.extend(self.views.task(id)?);
        }
        if !needs.approvals.is_empty() {
            // Nobody but a late or a mistaken tap comes here, so there is no index for it.
            let asked = |task: &Task| {
                needs.approvals.iter().any(|approval| task.settlement(approval).is_some())
            };
            found.extend(self.views.tasks()?.into_iter().filter(asked));
        }
        Ok(found)
    }

    /// All tasks, in no order.
    pub(crate) fn tasks(&self) -> Result<Vec<Task>, JournalError> {
        self.views.tasks()
    }

    /// The records of a task.
    pub(crate) fn records_of(&self, id: &TaskId) -> Result<Vec<Record>, JournalError> {
        self.views.records_of(id)
    }

    /// Writes the views for a clean end.
    pub(crate) fn flush(&mut self) -> Result<(), JournalError> {
        self.catch_up()?;
        self.views.flush()
    }

    /// Views that are behind would tell of a state that is over, and a task that ended would be
    /// lent to the board as one that runs. So they are brought up, or nothing is read.
    fn catch_up(&mut self) -> Result<(), JournalError> {
        if let Some(last) = &self.behind {
            self.views.apply(std::slice::from_ref(last))?;
            self.behind = None;
        }
        Ok(())
    }

    fn newest_first(&mut self) -> Result<Vec<Task>, RequestError> {
        let read = self.catch_up().and_then(|()| self.views.tasks());
        let mut tasks = read.map_err(|error| not_readable(&error))?;
        tasks.sort_by(|one, other| {
            let newest = other.received_at().cmp(&one.received_at());
            newest.then_with(|| one.id().cmp(other.id()))
        });
        Ok(tasks)
    }

    fn notes(&mut self, of: Platform) -> Result<Vec<ChatNote>, RequestError> {
        let read = self.catch_up().and_then(|()| self.views.notes());
        let records = read.map_err(|error| not_readable(&error))?;
        let notes = records.into_iter().filter_map(|record| match record.event {
            Event::ChatNoted { platform, note } if platform == of => Some(note),
            _ => None,
        });
        Ok(notes.collect())
    }

    fn detail(&mut self, id: &TaskId) -> Result<TaskDetail, RequestError> {
        let mut read = || {
            self.catch_up()?;
            let Some(task) = self.views.task(id)? else { return Ok(None) };
            let records = self.views.records_of(id)?;
            Ok(Some(TaskDetail { task, records, diff: None }))
        };
        read().map_err(|error: JournalError| not_readable(&error))?.ok_or_else(|| no_task(id))
    }
}
