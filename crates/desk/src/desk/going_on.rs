//! A task that was over goes on: it gets a new card, and at its end a new result. What the old ones
//! say stays, without buttons.

use gatepost_chat::command::Target;
use gatepost_chat::copies::CARD;
use gatepost_chat::copies::Copies;
use gatepost_chat::copies::RESULT;
use gatepost_chat::outbox::Urgency;
use gatepost_chat::render;
use gatepost_domain::chat::Origin;
use gatepost_domain::event::Event;
use gatepost_domain::event::Record;
use gatepost_domain::id::TaskId;
use gatepost_domain::lifecycle;
use gatepost_domain::request::TaskDetail;

use super::Desk;
use super::Op;
use super::draft::Draft;
use super::tell::Call;
use crate::place::Chat;
use crate::place::MessageId;
use crate::surface::Under;

/// The parts of a task's life, each from its beginning to an end, read off its records in order.
#[derive(Debug, Default)]
pub(super) struct Parts {
    over: bool,
    went_on: usize,
    /// The message that came since the end.
    said: Option<Origin>,
    /// The one that began this part.
    begun_in: Option<Origin>,
}

impl Parts {
    /// Takes the next event. Where the task goes on with it, how often it has by then.
    pub(super) fn hear(&mut self, event: &Event) -> Option<usize> {
        match event {
            Event::TaskFinished { .. } => {
                self.over = true;
                self.said = None;
            }
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
        let ended = |record: &&Record| {
            matches!(record.event, Event::TaskFinished { .. } | Event::DeliveryFinished { .. })
        };
        let mut before: &[Record] = &[];
        for (at, record) in detail.records.iter().enumerate() {
            if parts.hear(&record.event).is_some() {
                before = detail.records.get(..at).unwrap_or_default();
            }
        }
        if let Some(last) = before.iter().rfind(ended) {
            for (chat, message) in old {
                let slot = format!("{id}/before:{message}");
                let op = Op::Before(id.clone(), message, last.seq);
                self.push_to(chat, &slot, Urgency::Progress, op);
            }
        }
        self.hang_on(id, parts.begun_in());
    }

    /// The part of its life that a task's card and result belong to now.
    pub(super) fn part(&self, task: &TaskId) -> usize {
        self.copies.get(task).map_or(0, Copies::part)
    }

    /// The name of a message that was on its way in that part. One that says how an earlier part went
    /// is no longer kept up to date; a reply to it speaks to the task all the same.
    pub(super) fn key_of_part(
        &mut self,
        key: Option<(TaskId, String)>,
        part: usize,
        arrived: Option<(Chat, MessageId)>,
    ) -> Option<(TaskId, String)> {
        let (task, key) = key?;
        if part == self.part(&task) || key != CARD && key != RESULT {
            return Some((task, key));
        }
        if let Some(arrived) = arrived {
            self.messages.insert(arrived, Target::Task(task));
        }
        None
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

    /// The result of an earlier part, as it was after the record of this number.
    pub(super) fn draft_before(
        &mut self,
        detail: &TaskDetail,
        chat: Chat,
        message: MessageId,
        last: u64,
    ) -> Option<Draft> {
        let records = detail.records.iter().take_while(|record| record.seq <= last).cloned();
        let records: Vec<Record> = records.collect();
        let events = records.iter().map(|record| (&record.event, record.at));
        let task = lifecycle::replay(detail.task.id(), events).ok().flatten()?;
        let old = TaskDetail { task, records, diff: None };
        let card = self.card_for(chat, &old);
        let text = render::result(&card, self.reader(), self.traits.text);
        let call = Call::Edit { chat, message, text, under: Under::Nothing };
        Some(Draft { key: None, last: false, call })
    }
}
