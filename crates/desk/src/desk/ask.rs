//! Where questions are shown: the copies of a card, who is asked in private, and what does not ring.

use std::collections::BTreeSet;

use gatepost_chat::card::TaskCard;
use gatepost_chat::copies::Copied;
use gatepost_chat::outbox::Urgency;
use gatepost_chat::people::Asking;
use gatepost_chat::people::Audience;
use gatepost_chat::quiet::Matter;
use gatepost_chat::render::Asked;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::TaskId;
use gatepost_domain::lifecycle::Task;
use gatepost_domain::principal::Principal;
use gatepost_domain::principal::Role;
use gatepost_domain::request::TaskDetail;

use super::Desk;
use super::Op;
use super::outbox_key;
use super::question_key;
use crate::place::Chat;

impl Desk {
    /// Brings every copy of a question to what is true now, and makes those that are missing.
    pub(super) fn ask(&mut self, task: &TaskId, approval: &ApprovalId) {
        let key = question_key(approval);
        let mut chats: BTreeSet<Chat> = BTreeSet::new();
        if let Some((home, audience)) = self.audience(task) {
            chats.extend(audience.own.then_some(home));
            chats.extend(audience.private.iter().filter_map(chat_of));
        } else if let Some(requester) = self.away.get(task) {
            // It is asked where it lives; whoever is linked may be looking here.
            chats.extend(self.people.audience_of(requester).iter().filter_map(chat_of));
        }
        // A copy that somebody asked for stands where nobody would be asked by itself.
        chats.extend(self.copies.get(task).into_iter().flat_map(|copies| copies.chats(&key)));
        for chat in chats {
            self.ask_in(chat, task, approval);
        }
    }

    /// Shows a question in one chat as it is now.
    pub(super) fn ask_in(&mut self, chat: Chat, task: &TaskId, approval: &ApprovalId) {
        let op = Op::Question(task.clone(), approval.clone());
        let slot = format!("{task}/{}", question_key(approval));
        self.hurry_what_comes_first(chat, task, op.awaited());
        self.push_to(chat, &slot, op.awaited(), op);
    }

    /// Brings what a task came to into its own chat, and every copy of it up to date.
    pub(super) fn tell_result(&mut self, task: &TaskId) {
        let copies = self.copies.get(task).into_iter().flat_map(|copies| copies.chats("result"));
        let chats: BTreeSet<Chat> = copies.chain(self.home_chat(task)).collect();
        for chat in chats {
            self.tell_result_in(chat, task);
        }
    }

    fn tell_result_in(&mut self, chat: Chat, task: &TaskId) {
        let op = Op::Result(task.clone());
        self.hurry_what_comes_first(chat, task, op.awaited());
        self.push_to(chat, &format!("{task}/result"), op.awaited(), op);
    }

    /// Where the files that a task leaves are sent: its own chat, or where others would read along
    /// the private chat of whoever asked for it.
    pub(super) fn outbox_chat(&self, task: &TaskId) -> Option<Chat> {
        let home = self.homes.get(task)?;
        if self.is_veiled(home.place.chat) { home.asker } else { Some(home.place.chat) }
    }

    /// Sends the files that a task leaves, from this number on.
    pub(super) fn send_outbox(&mut self, task: &TaskId, from: usize) {
        if let Some(chat) = self.outbox_chat(task) {
            let slot = format!("{task}/{}", outbox_key(from));
            self.push_to(chat, &slot, Urgency::Loud, Op::Outbox(task.clone(), from));
        }
    }

    /// A task's own chat, and who is asked where; nothing for a task that lives elsewhere.
    fn audience(&self, task: &TaskId) -> Option<(Chat, Audience)> {
        let place = self.homes.get(task)?.place;
        let person = self.person_of(place.chat);
        Some((place.chat, self.people.audience(self.asking, person.as_ref())))
    }

    /// Who is asked elsewhere what a task wants to know now, and who could not be reached; nothing
    /// where the task's own chat shows it.
    pub(super) fn asked(&self, task: &Task) -> Option<Asked> {
        let (_, audience) = self.audience(task.id())?;
        if audience.own && audience.private.is_empty() {
            return None;
        }
        let refused = |who: &Principal| {
            let chat = chat_of(who)?;
            let refused = |open: &ApprovalId| {
                self.shown(task.id(), &question_key(open), chat) == Some(&Copied::Refused)
            };
            task.open().keys().any(refused).then_some(())
        };
        let mut asked = Asked::default();
        for who in &audience.private {
            if refused(who).is_some() {
                asked.unreached.push(who.id.clone());
            } else {
                asked.reached.push(who.id.clone());
            }
        }
        Some(asked)
    }

    /// Whether a chat may see what a question of a task is about.
    pub(super) fn may_see(&self, chat: Chat, task: &TaskId) -> bool {
        match (self.person_of(chat), self.asking) {
            (Some(who), Asking::Chat) => self.people.knows(&who),
            (Some(who), Asking::Private) => self.people.is(&who, Role::Approver),
            // A group sees what its own tasks want, and nothing of others.
            (None, Asking::Chat) => self.home_chat(task) == Some(chat),
            (None, Asking::Private) => false,
        }
    }

    /// A task's card as a chat may see it: in a group whose questions are asked in private, how the
    /// task stands and not what it acts on.
    pub(super) fn card_for(&self, chat: Chat, detail: &TaskDetail) -> TaskCard {
        let card = TaskCard::of(detail);
        let asked_here = self.home_chat(detail.task.id()) == Some(chat);
        if self.is_veiled(chat) { card.veiled(asked_here) } else { card }
    }

    /// Whether a chat sees how tasks stand and not what they act on.
    pub(super) fn is_veiled(&self, chat: Chat) -> bool {
        !chat.is_private() && self.asking == Asking::Private
    }

    /// Somebody who could not be written to can be written to now: what is open is asked there again,
    /// and what came of their tasks is told.
    pub(super) fn reachable_now(&mut self, chat: Chat) {
        let mut again = Vec::new();
        let mut results = Vec::new();
        let mut files = BTreeSet::new();
        for (task, copies) in &mut self.copies {
            let refused: Vec<_> = copies.refused(chat).map(str::to_owned).collect();
            for key in refused {
                if let Some(Ok(approval)) = key.strip_prefix("question:").map(str::parse) {
                    again.push((task.clone(), approval));
                } else if key == "result" {
                    results.push(task.clone());
                } else if key.starts_with("outbox:") {
                    files.insert(task.clone());
                }
                copies.forget(&key, chat);
            }
        }
        for (task, approval) in again {
            self.ask_in(chat, &task, &approval);
            self.push(&task, "card", Urgency::Progress, Op::Card(task.clone()));
        }
        for task in results {
            self.tell_result_in(chat, &task);
        }
        for task in files {
            self.send_outbox(&task, 0);
        }
    }

    /// Whether a message to a chat comes without a sound. A group rings for all or for nobody, and
    /// whoever is in it mutes it for themselves.
    pub(super) fn is_hushed(&self, chat: Chat, op: &Op) -> bool {
        let matter = match op {
            Op::Question(..) | Op::Prompt(..) | Op::AskForm(..) | Op::Edited(..) => {
                Matter::Question
            }
            Op::Nudge(_, key) if key.starts_with("question:") => Matter::Question,
            Op::Card(_)
            | Op::Result(_)
            | Op::Stray(..)
            | Op::Outbox(..)
            | Op::Topic(_)
            | Op::TopicState(_)
            | Op::Nudge(..)
            | Op::Open { .. }
            | Op::Relist
            | Op::Notice(_)
            | Op::Say { .. }
            | Op::File { .. } => Matter::Other,
        };
        let Some(who) = self.person_of(chat) else { return false };
        let reader = self.reader();
        self.hours.of(&who).is_some_and(|quiet| quiet.hushes(matter, reader.now, reader.offset))
    }

    /// Whose private chat a chat is.
    pub(super) fn person_of(&self, chat: Chat) -> Option<Principal> {
        match chat {
            Chat::Person(id) => Some(self.person(id)),
            Chat::Group(_) => None,
        }
    }

    /// The ids of those who may answer, as a card names them.
    pub(super) fn approvers(&self) -> Vec<String> {
        self.people.with(Role::Approver).map(|who| who.id.clone()).collect()
    }
}

/// A person's private chat has their number.
pub(super) fn chat_of(who: &Principal) -> Option<Chat> {
    who.id.parse().ok().map(Chat::Person)
}
