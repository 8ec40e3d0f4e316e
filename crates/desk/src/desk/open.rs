//! Every open question in one list, and a person's quiet hours.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use gatepost_chat::card::OpenLine;
use gatepost_chat::outbox::Urgency;
use gatepost_chat::quiet;
use gatepost_chat::quiet::Quiet;
use gatepost_chat::render;
use gatepost_chat::rich::Rich;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::TaskId;
use gatepost_domain::principal::Principal;
use gatepost_domain::principal::Role;
use gatepost_domain::request::RequestError;

use super::Desk;
use super::Op;
use super::keys;
use super::tell::Call;
use crate::inbound::Said;
use crate::place::Chat;
use crate::place::MessageId;
use crate::surface::To;
use crate::surface::Under;

/// How many questions a list shows; each line stays short, so that all of them fit a message.
const LISTED: usize = 12;

/// The latest list of a chat: kept up to date until nothing of it is open.
#[derive(Debug, Clone)]
pub(super) struct Listing {
    /// Its message, once it is there.
    message: Option<MessageId>,
    /// What it lists, in order.
    questions: Vec<(TaskId, ApprovalId)>,
    /// How many there were that it does not list.
    left_out: u64,
    /// Whether whoever asked for it may deny them.
    approver: bool,
    /// Whether its message is about to say that none of them is open.
    over: bool,
}

impl Desk {
    /// Shows every open question to whoever asks.
    pub(super) fn list_open(&mut self, who: &Principal, said: &Said) {
        let approver = self.people.is(who, Role::Approver);
        let op = Op::Open { reply: said.message, thread: said.place.thread, approver };
        self.speak(said.place, Some("approvals"), op);
    }

    /// The list as a new message. What its one button denies is what stands above it.
    pub(super) async fn draft_open(&mut self, to: To, approver: bool) -> Option<Call> {
        let open = match self.hub.approvals().await {
            Ok(open) => open,
            Err(error) => {
                tracing::warn!(%error, "the open questions cannot be read");
                return None;
            }
        };
        let left_out = u64::try_from(open.len().saturating_sub(LISTED)).unwrap_or(u64::MAX);
        let mut lines = Vec::new();
        for one in open.iter().take(LISTED) {
            lines.push(self.seen(to.chat, OpenLine::of(&one.task, &one.approval, None)));
        }
        let questions: Vec<_> =
            lines.iter().map(|line| (line.task.clone(), line.id.clone())).collect();
        // Noted, so that the button still means these after a restart.
        let approvals: Vec<_> = questions.iter().map(|(_, id)| id.clone()).collect();
        let note = ChatNote::Listed { approvals };
        let noted = match questions.is_empty() || !approver {
            true => Ok(()),
            false => self.record(None, note).await,
        };
        if let Err(error) = noted {
            tracing::warn!(%error, "a list of questions could not be recorded; it denies nothing");
        }
        let listing = Listing { message: None, questions, left_out, approver, over: false };
        let (text, under) = self.list(to.chat, &lines, &listing);
        self.lists.insert(to.chat, listing);
        Some(Call::Post { to, text, under })
    }

    /// The list as it is now, in the message that it has.
    pub(super) async fn draft_relist(&mut self, chat: Chat) -> Option<Call> {
        let listing = self.lists.get(&chat)?.clone();
        let message = listing.message?;
        let mut tasks = BTreeMap::new();
        let mut lines = Vec::new();
        for (id, question) in &listing.questions {
            if !tasks.contains_key(id) {
                tasks.insert(id.clone(), self.detail(id).await?);
            }
            let detail = tasks.get(id)?;
            let approval = keys::asked(detail, question)?;
            let settled = detail.task.settlement(question);
            lines.push(self.seen(chat, OpenLine::of(id, approval, settled)));
        }
        let (text, under) = self.list(chat, &lines, &listing);
        if let Some(listing) = self.lists.get_mut(&chat) {
            listing.over = under == Under::Nothing;
        }
        Some(Call::Edit { chat, message, text, under })
    }

    /// The list of a chat is there.
    pub(super) async fn listed(&mut self, chat: Chat, message: MessageId) {
        let Some(listing) = self.lists.get_mut(&chat) else { return };
        listing.message = Some(message);
        let Listing { questions, left_out, approver, .. } = listing.clone();
        self.note_list(chat, message, questions, left_out, approver).await;
    }

    /// The list of a chat says what is true now; after its last word nobody keeps it.
    pub(super) async fn relisted(&mut self, chat: Chat) {
        if let Some(Listing { message: Some(message), over: true, .. }) = self.lists.get(&chat) {
            let message = *message;
            self.lists.remove(&chat);
            self.note_list(chat, message, Vec::new(), 0, false).await;
        }
    }

    async fn note_list(
        &self,
        chat: Chat,
        message: MessageId,
        questions: Vec<(TaskId, ApprovalId)>,
        left_out: u64,
        denies: bool,
    ) {
        let (chat, message) = (chat.to_string(), message.to_string());
        let note = ChatNote::ListShown { chat, message, questions, left_out, denies };
        if let Err(error) = self.record(None, note).await {
            tracing::warn!(%error, "where a list is could not be recorded");
        }
    }

    /// Brings every list to what is true now.
    pub(super) fn relist_all(&mut self) {
        for chat in self.lists.keys().copied().collect::<Vec<_>>() {
            self.push_to(chat, "approvals/now", Urgency::Progress, Op::Relist);
        }
    }

    /// A list of an earlier life is kept up to date by this one.
    pub(super) fn recall_listing(
        &mut self,
        chat: Chat,
        message: MessageId,
        questions: Vec<(TaskId, ApprovalId)>,
        left_out: u64,
        approver: bool,
    ) {
        if questions.is_empty() {
            self.lists.remove(&chat);
        } else {
            let message = Some(message);
            let listing = Listing { message, questions, left_out, approver, over: false };
            self.lists.insert(chat, listing);
        }
    }

    /// A question was settled: lists that name it say so.
    pub(super) fn relist(&mut self, approval: &ApprovalId) {
        let names = |listing: &Listing| listing.questions.iter().any(|(_, id)| id == approval);
        let chats: Vec<_> =
            self.lists.iter().filter(|(_, listing)| names(listing)).map(|(c, _)| *c).collect();
        for chat in chats {
            self.push_to(chat, "approvals/now", Urgency::Progress, Op::Relist);
        }
    }

    /// What an earlier life listed can still be denied by the button under it.
    pub(super) fn recall_list(&mut self, approvals: &[ApprovalId]) {
        let _made = keys::deny_all(&mut self.mint, approvals.iter().cloned().collect());
    }

    fn seen(&self, chat: Chat, line: OpenLine) -> OpenLine {
        if self.may_see(chat, &line.task) { line } else { line.without_action() }
    }

    fn list(&mut self, chat: Chat, lines: &[OpenLine], listing: &Listing) -> (Rich, Under) {
        let text = render::open_questions(lines, listing.left_out, self.reader(), self.traits.text);
        let all: BTreeSet<_> = listing.questions.iter().map(|(_, id)| id.clone()).collect();
        let seen: Vec<_> = lines
            .iter()
            .filter(|line| line.settled.is_none() && self.may_see(chat, &line.task))
            .map(|line| line.id.clone())
            .collect();
        let open = lines.iter().any(|line| line.settled.is_none());
        let deny = (open && listing.approver).then_some(all);
        let under = keys::open(&mut self.mint, lines, &seen, deny);
        (text, under)
    }

    /// When a person's chat does not ring.
    pub(super) async fn quiet(
        &mut self,
        who: &Principal,
        said: &Said,
        wish: Option<Option<Quiet>>,
    ) -> Result<(), RequestError> {
        if let Some(chosen) = wish {
            let note = quiet::note(who.clone(), chosen);
            self.record(None, note.clone()).await?;
            self.hours.recall(&note);
        }
        let words = render::quiet(self.hours.of(who), self.reader());
        self.say_quietly(said.place, Some(said.message), Rich::new().plain(&words));
        Ok(())
    }
}
