//! A task that was over goes on: it gets a new card, and at its end a new result. What the old ones
//! say stays, without buttons.

use gatepost_chat::command::Target;
use gatepost_chat::copies::CARD;
use gatepost_chat::copies::Copies;
use gatepost_chat::copies::RESULT;
use gatepost_chat::outbox::Urgency;
use gatepost_domain::chat::Origin;
use gatepost_domain::event::Event;
use gatepost_domain::event::Record;
use gatepost_domain::id::TaskId;
use gatepost_domain::request::TaskDetail;

use super::Desk;
use super::Op;
use super::stray::Stray;
use crate::place::Chat;
use crate::place::MessageId;

/// The parts of a task's life, each from its beginning to an end, read off its records in order.
#[derive(Debug, Default)]
pub(super) struct Parts {
    over: bool,
    went_on: usize,
    /// The last record about the end.
    ended: u64,
    /// The message that came since the end.
    said: Option<Origin>,
    /// The one that began this part.
    begun_in: Option<Origin>,
}

impl Parts {
    /// Takes the next record. Where the task goes on with it, how often it has by then.
    pub(super) fn hear(&mut self, record: &Record) -> Option<usize> {
        match &record.event {
            Event::TaskFinished { .. } => {
                self.over = true;
                self.ended = record.seq;
                self.said = None;
            }
            Event::DeliveryFinished { .. } => self.ended = record.seq,
            Event::MessageReceived { origin, .. } if self.over => self.said.clone_from(origin),
            Event::TaskQueued {} if self.over => {
                self.over = false;
                self.went_on += 1;
                self.begun_in = self.said.take();
                return Some(self.went_on);
            }
            _ => {}
        }
        None
    }

    /// The number of the last record about the end before this part.
    pub(super) fn ended(&self) -> u64 {
        self.ended
    }

    /// The chat message that began the part, if one did.
    pub(super) fn begun_in(&self) -> Option<&Origin> {
        self.begun_in.as_ref()
    }
}

impl Desk {
    /// A message has a task go on: its new card is the receipt.
    pub(super) fn goes_on(&mut self, task: &TaskId, ahead: usize) {
        if let Some(home) = self.homes.get_mut(task) {
            home.ahead = ahead;
        }
        // Loud in order, silent in fact, as when it was handed over.
        self.push(task, CARD, Urgency::Loud, Op::Card(task.clone()));
    }

    /// Looks whether the task has gone on since its messages were sent.
    pub(super) fn turn_page(&mut self, detail: &TaskDetail) {
        let id = detail.task.id();
        let copies = self.copies.entry(id.clone()).or_default();
        let Some(old) = copies.turn(detail.task.went_on()) else { return };
        let mut parts = Parts::default();
        for record in &detail.records {
            let _part = parts.hear(record);
        }
        self.hang_on(id, parts.begun_in());
        let ended = ended_before(detail);
        for (key, chat, message) in old {
            self.last_word(chat, Stray::new(id, &key, message, Some(ended)));
        }
    }

    /// The part of its life that a task's card and result belong to now.
    pub(super) fn part(&self, task: &TaskId) -> usize {
        self.copies.get(task).map_or(0, Copies::part)
    }

    /// What was sent of a part of the task's life that was over when it arrived: it says its last
    /// word, and a reply to it speaks to the task.
    pub(super) async fn arrived_late(
        &mut self,
        task: &TaskId,
        key: &str,
        chat: Chat,
        message: MessageId,
    ) {
        self.messages.insert((chat, message), Target::Task(task.clone()));
        let Some(detail) = self.detail(task).await else { return };
        self.last_word(chat, Stray::new(task, key, message, Some(ended_before(&detail))));
    }

    /// Whether a message was sent about a part of its task's life that is over by now.
    pub(super) fn is_of_before(&self, task: &TaskId, key: &str, part: usize) -> bool {
        (key == CARD || key == RESULT) && part != self.part(task)
    }

    /// The task's card hangs on the message that began its part, where that is in its own chat.
    pub(super) fn hang_on(&mut self, task: &TaskId, begun_in: Option<&Origin>) {
        let Some(origin) = begun_in.filter(|origin| origin.platform == self.traits.platform) else {
            return;
        };
        let chat = origin.chat.split('/').next().and_then(|chat| chat.parse::<Chat>().ok());
        let (Some(home), Ok(message)) = (self.homes.get_mut(task), origin.message.parse()) else {
            return;
        };
        if chat == Some(home.place.chat) {
            home.asked = Some(message);
        }
    }
}

/// The number of the last record about the end before the part that a task is in.
fn ended_before(detail: &TaskDetail) -> u64 {
    let mut parts = Parts::default();
    let mut ended = 0;
    for record in &detail.records {
        if parts.hear(record).is_some() {
            ended = parts.ended();
        }
    }
    ended
}

/// The number of the last record about the end of the part in which this record was written, where
/// the task has gone on since.
pub(super) fn ended_after(detail: &TaskDetail, record: u64) -> Option<u64> {
    let mut parts = Parts::default();
    detail
        .records
        .iter()
        .find_map(|next| parts.hear(next).filter(|_| record < next.seq).map(|_| parts.ended()))
}
