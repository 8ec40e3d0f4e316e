//! Answers that are owed: what answers a message in words may wait for its turn, and a crash meanwhile
//! does not lose it.
//!
//! The message is noted before it is confirmed, and again before its answer goes out. What is still
//! owed at the next start is heard again, which changes nothing, and answered by what is true then.
//! An answer that was on its way when Gatepost died may have arrived, and is not sent a second time.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use gatepost_domain::chat::ChatNote;
use gatepost_domain::request::RequestError;

use super::Desk;
use super::Op;
use crate::inbound::Said;
use crate::place::Chat;
use crate::place::MessageId;

/// A message by chat and number.
type At = (Chat, MessageId);

/// Messages that are answered in words.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// Whose answer waits.
    waiting: BTreeMap<At, Said>,
    /// Every one that was dealt with as far as its answer; it may be delivered again.
    known: BTreeSet<At>,
}

impl Owed {
    /// Takes over what an earlier life noted.
    pub(super) fn recall(&mut self, note: &ChatNote) {
        match note {
            ChatNote::AnswerOwed { content, .. } => {
                if let Some(said) = super::late::read(content) {
                    let at = (said.place.chat, said.message);
                    self.known.insert(at);
                    self.waiting.insert(at, said);
                }
            }
            ChatNote::AnswerSent { chat, message } => {
                if let (Ok(chat), Ok(message)) = (chat.parse(), message.parse()) {
                    self.waiting.remove(&(chat, message));
                }
            }
            _ => {}
        }
    }

    /// Whether a message was dealt with already.
    pub(super) fn knows(&self, said: &Said) -> bool {
        self.known.contains(&(said.place.chat, said.message))
    }
}

impl Desk {
    /// Notes that a message's answer waits, if one does. To strangers nothing is owed: whoever writes
    /// to nobody's invitation must not fill a disk.
    pub(super) async fn owe(&mut self, said: Said) -> Result<(), RequestError> {
        let at = (said.place.chat, said.message);
        let known = self.people.knows(&self.person(said.from));
        if !known || self.owed.waiting.contains_key(&at) || !self.is_answer_waiting(at) {
            return Ok(());
        }
        self.note_owed(&said).await?;
        self.owed.known.insert(at);
        self.owed.waiting.insert(at, said);
        Ok(())
    }

    async fn note_owed(&self, said: &Said) -> Result<(), RequestError> {
        let (chat, message) = (said.place.chat.to_string(), said.message.to_string());
        let content = serde_json::to_string(said).unwrap_or_default();
        self.record(None, ChatNote::AnswerOwed { chat, message, content }).await
    }

    /// An answer is about to go out: notes that it is not owed any more, and neither is any of the
    /// chat that was left out because a later one says the same.
    pub(super) async fn pay(&mut self, chat: Chat) -> Result<Vec<Said>, RequestError> {
        let here = self.owed.waiting.keys().filter(|(of, _)| *of == chat).copied();
        let over: Vec<At> = here.filter(|at| !self.is_answer_waiting(*at)).collect();
        let mut paid = Vec::new();
        for at in over {
            let (chat, message) = (at.0.to_string(), at.1.to_string());
            self.record(None, ChatNote::AnswerSent { chat, message }).await?;
            paid.extend(self.owed.waiting.remove(&at));
        }
        Ok(paid)
    }

    /// An answer certainly did not go out, and waits again.
    pub(super) async fn owe_again(&mut self, unpaid: Vec<Said>) {
        for said in unpaid {
            if let Err(error) = self.note_owed(&said).await {
                tracing::warn!(%error, "an answer that waits could not be recorded");
            }
            self.owed.waiting.insert((said.place.chat, said.message), said);
        }
    }

    /// Answers what an earlier life left unanswered.
    pub(super) async fn answer_what_is_owed(&mut self) -> Result<(), RequestError> {
        let owed: Vec<Said> = self.owed.waiting.values().cloned().collect();
        for said in owed {
            self.hear_out(said).await?;
        }
        // What comes to no words now is answered.
        let chats: BTreeSet<Chat> = self.owed.waiting.keys().map(|(chat, _)| *chat).collect();
        for chat in chats {
            self.pay(chat).await?;
        }
        Ok(())
    }

    fn is_answer_waiting(&self, (chat, message): At) -> bool {
        self.outbox.waiting(&chat.to_string()).any(|op| op.answers() == Some(message))
    }
}

impl Op {
    /// Which message it answers in words.
    pub(super) fn answers(&self) -> Option<MessageId> {
        match self {
            Self::Say { reply, .. } | Self::File { reply, .. } => *reply,
            Self::Open { reply, .. } => Some(*reply),
            Self::Card(_)
            | Self::Question(..)
            | Self::Result(_)
            | Self::Stray(..)
            | Self::Outbox(..)
            | Self::Topic(_)
            | Self::TopicState(_)
            | Self::Nudge(..)
            | Self::Notice(_)
            | Self::Prompt(..)
            | Self::AskForm(..)
            | Self::Edited(..)
            | Self::Relist => None,
        }
    }
}
