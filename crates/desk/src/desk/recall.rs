//! Taking up what an earlier life left: everything is in the hub's records.

use gatepost_chat::command::Target;
use gatepost_chat::copies::Copied;
use gatepost_chat::outbox::Urgency;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::chat::Origin;
use gatepost_domain::event::Event;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::TaskId;
use gatepost_domain::lifecycle::Delivery;
use gatepost_domain::lifecycle::Task;
use gatepost_domain::principal::Platform;
use gatepost_domain::principal::Principal;
use gatepost_domain::request::RequestError;
use gatepost_domain::request::TaskDetail;
use gatepost_domain::task::TaskSpec;

use super::Desk;
use super::FORM_KEY;
use super::Home;
use super::Op;
use super::Preference;
use super::ask::chat_of;
use super::going_on::Parts;
use super::keys;
use super::question_key;
use super::stray::Stray;
use crate::place::Chat;
use crate::place::MessageId;
use crate::place::Place;
use crate::place::ThreadId;

/// How many finished tasks keep their buttons over a restart; the newest ones. Those before answer
/// a press with how to reach the task.
const KEPT: usize = 300;

/// What older tasks came to was told when that of so many in a row was: it is told one after another.
const TOLD: usize = 30;

impl Desk {
    /// Reads notes and tasks, and brings every message of a live task up to date.
    pub(super) async fn recall(&mut self, first: bool) -> Result<(), RequestError> {
        if first {
            let mut vouched = Vec::new();
            for elsewhere in [Platform::Telegram, Platform::Discord] {
                if elsewhere != self.traits.platform {
                    let notes = self.hub.notes(elsewhere).await?;
                    notes.iter().for_each(|note| self.people.recall(note));
                }
            }
            for note in self.hub.notes(self.traits.platform).await? {
                self.people.recall(&note);
                self.hours.recall(&note);
                self.pairing.recall(&note);
                self.recall_note(&note);
                self.recall_notice(&note);
                if let ChatNote::CodeVouched { .. } = note {
                    vouched.push(note);
                }
            }
            // Whoever was let in and died before saying so.
            for note in vouched {
                self.vouched(&note).await;
            }
            self.resume_notices();
        }
        let mut finished = 0;
        let mut told = 0;
        let mut begun = Vec::new();
        let tasks = self.hub.tasks().await?;
        // Oldest first, so that the home of a task that runs another again is known before it.
        for task in tasks.iter().rev() {
            self.adopt(task.id(), task.spec());
        }
        for task in &tasks {
            let concerns_us =
                self.homes.contains_key(task.id()) || self.away.contains_key(task.id());
            if task.is_finished() && !concerns_us {
                continue;
            }
            if task.is_finished() {
                finished += 1;
                let lives_here = self.homes.contains_key(task.id());
                if finished > KEPT && (told >= TOLD || !lives_here) {
                    self.homes.remove(task.id());
                    self.away.remove(task.id());
                    self.copies.remove(task.id());
                    continue;
                }
            }
            let detail = self.hub.task(task.id().clone()).await?;
            if first {
                self.recall_task(&detail);
                self.recall_topic(&detail.task);
                begun.extend(self.denials_begun(&detail));
            }
            if task.is_finished() && self.homes.contains_key(task.id()) {
                let is_told = self.at_home(task.id(), "result").is_some();
                told = if is_told { told + 1 } else { 0 };
            }
            keys::remember(&mut self.mint, &detail);
            self.refresh(task, &detail);
        }
        if first {
            self.recall_latest(&tasks);
            self.relist_all();
            self.recall_denials(begun);
            self.answer_what_is_owed().await?;
        }
        Ok(())
    }

    /// Gives a task a home, if it was asked for here; else it is known who asked for it where people
    /// are linked.
    pub(super) fn adopt(&mut self, id: &TaskId, spec: &TaskSpec) {
        if self.homes.contains_key(id) {
            return;
        }
        let platform = self.traits.platform;
        let is_ours = |who: &Principal| who.platform == platform;
        let here = spec.origin.as_ref().filter(|origin| origin.platform == self.traits.platform);
        let home = match here {
            Some(origin) => home_of(origin),
            // A task that runs another again lives where that one did.
            None => spec
                .retry_of
                .as_ref()
                .filter(|_| spec.requester.platform == self.traits.platform)
                .and_then(|before| self.homes.get(before))
                .map(|before| Home { ahead: 0, ..before.clone() }),
        };
        if let Some(mut home) = home {
            if let Some(to) = self.moved_to(home.place.chat) {
                home.place.chat = to;
            }
            if let Some(asked) = home.asked {
                self.messages.insert((home.place.chat, asked), Target::Task(id.clone()));
            }
            home.asker = chat_of(&spec.requester).filter(|_| is_ours(&spec.requester));
            self.homes.insert(id.clone(), home);
        } else if self.people.is_linked_to(spec.requester.platform) {
            self.away.insert(id.clone(), spec.requester.clone());
        }
    }

    fn moved_to(&self, chat: Chat) -> Option<Chat> {
        self.moves.get(&chat).copied()
    }

    fn recall_note(&mut self, note: &ChatNote) {
        match note {
            ChatNote::Preferred { chat, project, agent, mode } => {
                if let Ok(chat) = chat.parse() {
                    let (project, agent, mode) = (project.clone(), agent.clone(), *mode);
                    self.preferences.insert(chat, Preference { project, agent, mode });
                }
            }
            ChatNote::ChatMoved { from, to } => {
                if let (Ok(from), Ok(to)) = (from.parse(), to.parse())
                    && self.groups.contains(from)
                {
                    self.follow(from, to);
                }
            }
            ChatNote::Listed { approvals } => self.recall_list(approvals),
            ChatNote::ListShown { chat, message, questions, left_out, denies } => {
                if let (Ok(chat), Ok(message)) = (chat.parse(), message.parse()) {
                    let questions = questions.clone();
                    self.recall_listing(chat, message, questions, *left_out, *denies);
                }
            }
            ChatNote::AlbumPart { .. } | ChatNote::AlbumTaken { .. } => self.albums.recall(note),
            ChatNote::AnswerOwed { .. } | ChatNote::AnswerSent { .. } => self.owed.recall(note),
            ChatNote::Sending { .. }
            | ChatNote::Sent { .. }
            | ChatNote::Final { .. }
            | ChatNote::NotSent { .. }
            | ChatNote::StrangerTold { .. }
            | ChatNote::Joined { .. }
            | ChatNote::Quiet { .. }
            | ChatNote::CodeGiven { .. }
            | ChatNote::CodeVouched { .. }
            | ChatNote::DenialBegun { .. }
            | ChatNote::Knocked { .. }
            | ChatNote::Ignored { .. }
            | ChatNote::Held { .. }
            | ChatNote::HeldSettled { .. } => {}
        }
    }

    /// Where the task's messages are, from its own records.
    fn recall_task(&mut self, detail: &TaskDetail) {
        let id = detail.task.id();
        let (mut parts, mut before) = (Parts::default(), Vec::new());
        for record in &detail.records {
            if let Some(part) = parts.hear(record) {
                let old = self.copies.entry(id.clone()).or_default().turn(part);
                before.extend(old.into_iter().flatten().map(|old| (old, parts.ended())));
                self.hang_on(id, parts.begun_in());
            }
            let Event::ChatNoted { platform, note } = &record.event else { continue };
            if *platform != self.traits.platform {
                continue;
            }
            let home = self.home_chat(id);
            if let ChatNote::Sent { key, chat, message } = note
                && let (Ok(chat), Ok(message)) = (chat.parse(), message.parse())
            {
                self.set_there(id, key, chat, message, None);
            } else {
                self.copies.entry(id.clone()).or_default().recall(note, home);
            }
        }
        for ((key, chat, message), ended) in before {
            self.last_word(chat, Stray::new(id, &key, message, Some(ended)));
        }
        // Messages stayed behind in groups that moved.
        let gone: Vec<_> = self.moves.keys().copied().collect();
        if let Some(copies) = self.copies.get_mut(id) {
            gone.into_iter().for_each(|chat| copies.forget_chat(chat));
        }
        // What was being sent when Gatepost died may have arrived or not.
        let unsure = self.copies.get_mut(id).map(|copies| copies.doubt()).unwrap_or_default();
        for (key, chat) in unsure {
            self.doubt(detail, &key, chat);
        }
    }

    /// The denials of a task's questions that somebody began, with when.
    fn denials_begun(&self, detail: &TaskDetail) -> Vec<Begun> {
        let begun = detail.records.iter().filter_map(|record| match &record.event {
            Event::ChatNoted { platform, note: ChatNote::DenialBegun { who, chat, approval } }
                if *platform == self.traits.platform =>
            {
                let (task, approval) = (detail.task.id().clone(), approval.clone());
                Some(Begun {
                    at: record.seq,
                    who: who.clone(),
                    chat: chat.parse().ok()?,
                    task,
                    approval,
                })
            }
            _ => None,
        });
        begun.collect()
    }

    /// Takes up what somebody began to deny: in each chat the latest, as it was.
    fn recall_denials(&mut self, mut begun: Vec<Begun>) {
        begun.sort_by_key(|begun| begun.at);
        for Begun { at: _, who, chat, task, approval } in begun {
            // Its prompt may not have gone out; it says nothing when the question is settled.
            let key = format!("prompt:{approval}");
            if self.shown(&task, &key, chat).is_none() {
                let op = Op::Prompt(task.clone(), approval.clone());
                self.push_to(chat, &format!("{task}/{key}"), op.awaited(), op);
            }
            self.begun_denials.insert((chat, who), (task, approval));
        }
    }

    /// Brings a task's messages to what is true now.
    fn refresh(&mut self, task: &Task, detail: &TaskDetail) {
        let id = task.id();
        let is_last =
            |desk: &Self, key: &str| desk.copies.get(id).is_none_or(|copies| copies.is_last(key));
        if !task.is_finished() || !is_last(self, "card") {
            self.push(id, "card", Urgency::Progress, Op::Card(id.clone()));
        }
        for open in task.open().keys() {
            self.ask(id, open);
        }
        for record in &detail.records {
            if let Event::ApprovalRequested { approval, .. } = &record.event
                && !is_last(self, &question_key(&approval.id))
            {
                self.ask(id, &approval.id);
            }
        }
        if task.is_finished() {
            let told = matches!(self.at_home(id, "result"), Some(Copied::There { .. }));
            let chosen = !matches!(task.delivery(), Delivery::NotAsked);
            if !told || chosen && !is_last(self, "result") {
                self.tell_result(id);
            }
            if task.outbox().iter().any(|file| file.refusal.is_none()) {
                self.send_outbox(id, 0);
            }
        }
    }

    /// A message of a task may not have arrived. What still matters gets a nudge; what does not,
    /// nothing.
    pub(super) fn doubt(&mut self, detail: &TaskDetail, key: &str, chat: Chat) {
        let matters = match key.strip_prefix("question:") {
            Some(question) => detail.task.open().keys().any(|open| open.as_str() == question),
            None => key == "card" && !detail.task.is_finished() || key == "result",
        };
        if matters {
            let id = detail.task.id();
            let op = Op::Nudge(id.clone(), key.to_owned());
            self.push_to(chat, &format!("{id}/nudge:{key}"), Urgency::Loud, op);
        }
    }

    /// What is known of a message of a task in a chat.
    pub(super) fn shown(&self, id: &TaskId, key: &str, chat: Chat) -> Option<&Copied<MessageId>> {
        self.copies.get(id)?.get(key, chat)
    }

    /// The same in the task's own chat.
    pub(super) fn at_home(&self, id: &TaskId, key: &str) -> Option<&Copied<MessageId>> {
        self.shown(id, key, self.home_chat(id)?)
    }

    pub(super) fn set_shown(
        &mut self,
        id: &TaskId,
        key: &str,
        chat: Chat,
        copied: Copied<MessageId>,
    ) {
        self.copies.entry(id.clone()).or_default().set(key, chat, copied);
    }

    /// A message of a task is there: it can be edited, and replies to it speak to the task.
    pub(super) fn set_there(
        &mut self,
        id: &TaskId,
        key: &str,
        chat: Chat,
        message: MessageId,
        print: Option<u64>,
    ) {
        if self.moves.contains_key(&chat) {
            // It stayed behind in a group that moved.
            return;
        }
        let of = |form: &str| key.strip_prefix(form).and_then(|approval| approval.parse().ok());
        let target = match (of("prompt:"), of(FORM_KEY)) {
            (Some(approval), _) => Target::Denial(id.clone(), approval),
            (None, Some(approval)) => Target::Edit(id.clone(), approval),
            (None, None) => Target::Task(id.clone()),
        };
        self.messages.insert((chat, message), target);
        self.set_shown(id, key, chat, Copied::There { message, print });
    }
}

/// A denial that somebody began in an earlier life.
struct Begun {
    /// The number of the record that says so.
    at: u64,
    who: Principal,
    chat: Chat,
    task: TaskId,
    approval: ApprovalId,
}

/// The chat of an origin, with the topic that its form may name: `chat` or `chat/topic`.
fn home_of(origin: &Origin) -> Option<Home> {
    let (chat, thread) = match origin.chat.split_once('/') {
        Some((chat, thread)) => (chat, thread.parse().ok().map(ThreadId)),
        None => (origin.chat.as_str(), None),
    };
    let chat = chat.parse().ok()?;
    let asked = origin.message.parse().ok();
    let place = Place { chat, thread, has_threads: false };
    Some(Home { place, asked, asker: None, ahead: 0 })
}

/// A message's origin.
pub(super) fn origin_of(platform: Platform, place: Place, message: MessageId) -> Origin {
    let chat = match place.thread {
        Some(ThreadId(thread)) => format!("{}/{thread}", place.chat),
        None => place.chat.to_string(),
    };
    Origin { platform, chat, message: message.to_string() }
}
