//! Messages in which a task does not speak any more: those of a part that is over, and those that
//! were sent again because nobody knew that they had arrived. They say their last word and have no
//! buttons.

use gatepost_chat::copies::Copied;
use gatepost_chat::copies::RESULT;
use gatepost_chat::outbox::Urgency;
use gatepost_chat::render;
use gatepost_chat::render::Standing;
use gatepost_chat::rich::Rich;
use gatepost_domain::event::Record;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::TaskId;
use gatepost_domain::lifecycle;
use gatepost_domain::request::TaskDetail;

use super::Desk;
use super::Op;
use super::draft::Draft;
use super::draft::question_card;
use super::tell::Call;
use crate::place::Chat;
use crate::place::MessageId;
use crate::surface::Under;

/// What is said of an open question in the message of it that nobody knew of.
const TWICE: &str = "This question was sent twice. The other message of it in this chat goes on.";

/// Such a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stray {
    task: TaskId,
    message: MessageId,
    shows: Shows,
    /// What it tells is what was true after the record of this number; or what is true now.
    ended: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shows {
    Card,
    Result,
    Question(ApprovalId),
}

impl Stray {
    /// About a message that was sent under this key.
    pub(super) fn new(task: &TaskId, key: &str, message: MessageId, ended: Option<u64>) -> Self {
        let question = key.strip_prefix("question:").and_then(|id| id.parse().ok());
        let shows = match question {
            Some(id) => Shows::Question(id),
            None if key == RESULT => Shows::Result,
            None => Shows::Card,
        };
        Self { task: task.clone(), message, shows, ended }
    }

    /// The task.
    pub(super) fn task(&self) -> &TaskId {
        &self.task
    }

    fn key(&self) -> String {
        format!("before:{}", self.message)
    }
}

impl Desk {
    /// Has such a message say its last word, if it has not.
    pub(super) fn last_word(&mut self, chat: Chat, stray: Stray) {
        let (task, key) = (stray.task.clone(), stray.key());
        let there = Copied::There { message: stray.message, print: None };
        self.set_shown(&task, &key, chat, there);
        if self.copies.get(&task).is_some_and(|copies| !copies.is_last(&key)) {
            self.push_to(chat, &format!("{task}/{key}"), Urgency::Progress, Op::Stray(stray));
        }
    }

    /// Its last word.
    pub(super) fn draft_stray(
        &mut self,
        detail: &TaskDetail,
        chat: Chat,
        stray: &Stray,
    ) -> Option<Draft> {
        let records = detail.records.iter();
        let records = records.take_while(|record| stray.ended.is_none_or(|end| record.seq <= end));
        let records: Vec<Record> = records.cloned().collect();
        let events = records.iter().map(|record| (&record.event, record.at));
        let task = lifecycle::replay(&stray.task, events).ok().flatten()?;
        let old = TaskDetail { task, records, diff: None };
        let text = match &stray.shows {
            Shows::Card => {
                let standing = Standing { ahead: 0, asked: None };
                render::task(&self.card_for(chat, &old), &standing, self.traits.text)
            }
            Shows::Result => {
                render::result(&self.card_for(chat, &old), self.reader(), self.traits.text)
            }
            Shows::Question(id) => {
                let card = question_card(&old, id)?;
                match card.settled {
                    None => Rich::new().plain(TWICE),
                    Some(_) => {
                        let (approvers, reader) = (self.approvers(), self.reader());
                        render::question(&card, &approvers, reader, self.traits.text).text
                    }
                }
            }
        };
        let call = Call::Edit { chat, message: stray.message, text, under: Under::Nothing };
        Some(Draft { key: Some((stray.task.clone(), stray.key())), last: true, call })
    }
}
