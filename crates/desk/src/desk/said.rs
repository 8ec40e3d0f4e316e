//! Messages: who says something, whether they may, and what becomes of it.

use std::time::Duration;

use gatepost_chat::command;
use gatepost_chat::command::Command;
use gatepost_chat::command::Intent;
use gatepost_chat::command::Target;
use gatepost_chat::command::Words;
use gatepost_chat::copies::Copied;
use gatepost_chat::pairing::Claim;
use gatepost_chat::pairing::Code;
use gatepost_chat::people::Politeness;
use gatepost_chat::render;
use gatepost_chat::rich::Rich;
use gatepost_chat::rich::Style;
use gatepost_domain::approval::Decision;
use gatepost_domain::approval::Settlement;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::chat::HeldWhy;
use gatepost_domain::chat::Origin;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::TaskId;
use gatepost_domain::lifecycle::Delivery;
use gatepost_domain::message::INBOX;
use gatepost_domain::message::Message;
use gatepost_domain::message::Names;
use gatepost_domain::message::Quoted;
use gatepost_domain::principal::Principal;
use gatepost_domain::principal::Role;
use gatepost_domain::request::Heard;
use gatepost_domain::request::NewTask;
use gatepost_domain::request::RequestError;
use gatepost_domain::request::RequestErrorKind;
use gatepost_domain::request::TaskDetail;

use super::Desk;
use super::Home;
use super::Preference;
use super::ask::chat_of;
use super::recall::origin_of;
use crate::inbound::Called;
use crate::inbound::Said;
use crate::place::Chat;
use crate::place::MessageId;
use crate::place::Place;
use crate::surface::Answer;

/// What somebody hears who gives a command and may do nothing here.
const NOT_LISTED: &str = "You are not on this bot's list, so nothing was done.";

/// So often a task that is ending is asked again whether it takes a message.
const ENDING: usize = 10;

/// And after this.
const MOMENT: Duration = Duration::from_millis(200);

impl Desk {
    /// Deals with a message, and notes the answer that waits to be sent.
    ///
    /// # Errors
    /// It could not be recorded, and must come again.
    pub(super) async fn said(&mut self, said: Said) -> Result<(), RequestError> {
        self.hear_out(said.clone()).await?;
        self.owe(said).await
    }

    /// Deals with a message. Doing it again changes nothing, and says what is true then.
    pub(super) async fn hear_out(&mut self, said: Said) -> Result<(), RequestError> {
        let who = self.person(said.from);
        if !said.place.chat.is_private() && !self.is_for_us(&said) {
            return Ok(());
        }
        let knows = self.people.knows(&who);
        if let Some(aside) = &said.aside {
            // The platform waits for a word on it, which nobody else sees.
            if knows {
                self.echo(aside.clone(), said.text.clone());
            } else {
                self.toast(aside.clone(), Answer::alert(NOT_LISTED));
            }
        }
        if !knows {
            // In a group a stranger is one of many, and answers would be noise.
            return if said.place.chat.is_private() {
                self.stranger(&who, &said).await
            } else {
                Ok(())
            };
        }
        if self.is_too_old(&who, &said) {
            return self.hold(&who, &said, HeldWhy::Late, said.text.clone()).await;
        }
        let text = said.text.trim();
        if said.odd {
            let sorry = "I can do nothing with stickers, places, polls and the like, so nothing \
                         was started. Send the task as text, with files if you like.";
            self.say_once(&said, "odd", sorry);
            return Ok(());
        }
        if said.forwarded {
            let sorry = "A forwarded message is material and not a task. Reply to it with what \
                         should be done, and it goes along as a quotation, with its file.";
            self.say_once(&said, "forwarded", sorry);
            return Ok(());
        }
        if !said.files.is_empty() {
            // They were not fetched for somebody who may hand over no task.
            let _told = self.may(&who, Role::Requester, &said, "hand over tasks");
            return Ok(());
        }
        let reply = said.reply.as_ref();
        let ours = reply.filter(|reply| reply.author == Some(self.bot.id));
        let button = ours.and_then(|reply| Some((reply.message, reply.button.as_ref()?)));
        if let Some((message, button)) = button
            && let Some(meaning) = self.mint.meaning(button).cloned()
        {
            self.found(said.place.chat, message, &meaning).await;
        }
        let target =
            reply.and_then(|reply| self.messages.get(&(said.place.chat, reply.message)).cloned());
        let target = self.begun_denial(&who, &said).await.or(target);
        // In a task's own topic everything speaks to the task.
        let target = target.or_else(|| self.topics.task(said.place).cloned().map(Target::Task));
        let projects = self.hub.projects();
        let intent = if self.is_only_files(&said) {
            // A file says something by itself.
            let words = Words { text: String::new(), project: None, agent: None };
            match target.clone() {
                Some(Target::Task(task) | Target::Denial(task, _) | Target::Edit(task, _)) => {
                    Intent::Message { task, text: words.text }
                }
                None => Intent::Task(words),
            }
        } else {
            command::read(text, target.as_ref(), &self.bot.name, &projects)
        };
        match intent {
            Intent::Task(words) | Intent::Command(Command::Run(words)) => {
                self.submit(&who, &said, words).await
            }
            Intent::Message { task, text } => self.message(&who, &said, task, text).await,
            Intent::Deny { task, approval, reason } => {
                self.deny(&who, &said, &task, approval, reason).await
            }
            Intent::Edit { task, approval, text } => {
                self.form_came(&who, &said, &task, approval, text).await;
                Ok(())
            }
            Intent::Command(command) => self.command(&who, &said, command).await,
            Intent::Wrong(why) => {
                self.say(said.place, Some(said.message), Rich::new().plain(&why));
                Ok(())
            }
            Intent::Nothing => Ok(()),
        }
    }

    /// A reply to the question itself gives the reason as well, where whoever writes it has begun
    /// to deny it and it is still open, or was denied with these words: the reply came again.
    async fn begun_denial(&self, who: &Principal, said: &Said) -> Option<Target> {
        let chat = said.place.chat;
        let (task, approval) = self.begun_denials.get(&(chat, who.clone()))?;
        let question = self.shown(task, &super::question_key(approval), chat);
        let answered = said.reply.as_ref()?.message;
        if !matches!(question, Some(Copied::There { message, .. }) if *message == answered) {
            return None;
        }
        let detail = self.hub.task(task.clone()).await.ok()?;
        let counts = match detail.task.settlement(approval) {
            None => detail.task.open().contains_key(approval),
            Some(Settlement::Person { who: by, decision: Decision::Deny, reason }) => {
                by == who && reason.as_deref() == Some(said.text.trim())
            }
            Some(_) => false,
        };
        counts.then(|| Target::Denial(task.clone(), approval.clone()))
    }

    /// Says something about a message, once for several that come together, as an album does.
    pub(super) fn say_once(&mut self, said: &Said, slot: &str, words: &str) {
        let op = super::Op::Say {
            text: Rich::new().plain(words),
            reply: Some(said.message),
            thread: said.place.thread,
            silent: false,
        };
        self.speak(said.place, Some(slot), op);
    }

    /// Whether a message is files without a word but the bot's own name.
    fn is_only_files(&self, said: &Said) -> bool {
        let text = said.text.trim();
        let name = text.strip_prefix('@').unwrap_or(text);
        !said.attachments.is_empty()
            && (text.is_empty() || name.eq_ignore_ascii_case(&self.bot.name))
    }

    /// What a message quotes: a passage that was picked out; or all of what it answers, where that
    /// was forwarded, or is nobody's words to a task.
    fn quoted(&self, said: &Said) -> Vec<Quoted> {
        let Some(reply) = &said.reply else { return Vec::new() };
        let known = self.messages.contains_key(&(said.place.chat, reply.message));
        let ours = reply.author == Some(self.bot.id);
        let counts = reply.picked || !known && !ours;
        reply.quoted.clone().filter(|_| counts).into_iter().collect()
    }

    /// In a named group, what speaks to the bot or answers it; anywhere else in groups, nothing.
    pub(super) fn is_for_us(&self, said: &Said) -> bool {
        if !self.groups.contains(said.place.chat) {
            tracing::debug!(chat = %said.place.chat, "a group that is not named is not listened to");
            return false;
        }
        let replies_to_us =
            said.reply.as_ref().is_some_and(|reply| reply.author == Some(self.bot.id));
        // A command without a name is for every bot; one with the name of another is not for us.
        let first = said.text.split_whitespace().next().unwrap_or_default();
        let is_command = first.starts_with('/') && !first.contains('@');
        let called = match &said.called {
            Called::Unmarked => command::addresses(&said.text, &self.bot.name),
            Called::Marked { names, ids } => {
                ids.contains(&self.bot.id)
                    || names.iter().any(|name| name.eq_ignore_ascii_case(&self.bot.name))
            }
            Called::Bound => true,
        };
        replies_to_us || is_command || called
    }

    /// Somebody without any role.
    async fn stranger(&mut self, who: &Principal, said: &Said) -> Result<(), RequestError> {
        let text = said.text.trim();
        let code = match command::read(text, None, &self.bot.name, &[]) {
            Intent::Command(Command::Start(code)) => code,
            _ => Some(text.to_owned()).filter(|text| !text.contains(char::is_whitespace)),
        };
        if let Some(code) = code
            && self.pairing.claim(&code) == Claim::Admin
        {
            let by = "the code in the terminal".to_owned();
            self.join(who, Role::ALL.to_vec(), by).await?;
            let welcome = Rich::new()
                .styled(Style::Bold, "You are this Gatepost's admin now.")
                .plain(" Send a task as a message; /help says more.");
            self.say(said.place, Some(said.message), welcome);
            return Ok(());
        }
        self.knock(who, &said.name).await?;
        match self.people.politeness(who) {
            Politeness::Silence => Ok(()),
            Politeness::Answer => {
                let note = ChatNote::StrangerTold { who: who.clone() };
                self.record(None, note).await?;
                self.people.told(who);
                let mut answer =
                    format!("This is a private bot, and you ({}) are not on its list.", said.from);
                // Before there is an admin, only the code in the terminal opens anything.
                if self.people.has_admin()
                    && let Some(code) = self.code_for(who).await?
                {
                    answer.push_str(&format!(
                        " Whoever runs it can let you in with `gatepost pair {}` within the \
                             hour.",
                        code.reveal()
                    ));
                }
                self.say(said.place, None, Rich::new().plain(&answer));
                Ok(())
            }
        }
    }

    /// The code with which whoever runs Gatepost can vouch for a stranger; none when too many wait.
    async fn code_for(&mut self, who: &Principal) -> Result<Option<Code>, RequestError> {
        let now = (self.sources.now)();
        if let Some(code) = self.pairing.given(who, now) {
            return Ok(Some(code.clone()));
        }
        let code = Code::from_entropy((self.sources.draw)());
        let Some(note) = self.pairing.give(who, &code, now) else { return Ok(None) };
        self.record(None, note.clone()).await?;
        self.pairing.recall(&note);
        Ok(Some(code))
    }

    async fn join(
        &mut self,
        who: &Principal,
        roles: Vec<Role>,
        by: String,
    ) -> Result<(), RequestError> {
        let note = ChatNote::Joined { who: who.clone(), roles, by };
        self.record(None, note.clone()).await?;
        self.people.recall(&note);
        self.notices.door.recall(&note);
        self.show_door(who);
        Ok(())
    }

    /// Whoever runs Gatepost vouched for a code.
    pub(super) async fn vouched(&mut self, note: &ChatNote) {
        let ChatNote::CodeVouched { code } = note else { return };
        let Some(who) = self.pairing.vouch(code, (self.sources.now)()) else { return };
        let roles = vec![Role::Requester, Role::Approver];
        let words = format!("You are in, as {}. /help says what I do.", render::roles(&roles));
        if let Err(error) = self.join(&who, roles, "the terminal".into()).await {
            tracing::error!(%error, "somebody was vouched for and that could not be recorded");
            return;
        }
        if let Some(chat) = chat_of(&who) {
            let place = Place { chat, thread: None, has_threads: false };
            self.say(place, None, Rich::new().plain(&words));
        }
    }

    /// Takes a task. Its live card is the receipt.
    pub(super) async fn submit(
        &mut self,
        who: &Principal,
        said: &Said,
        words: Words,
    ) -> Result<(), RequestError> {
        if !self.may(who, Role::Requester, said, "hand over tasks") {
            return Ok(());
        }
        let preference =
            self.preferences.get(&said.place.chat).cloned().unwrap_or(Preference::default());
        let chosen = said.chosen.clone();
        let task = NewTask {
            text: words.text,
            project: chosen.project.or(words.project).or(preference.project),
            agent: chosen.agent.or(words.agent).or(preference.agent),
            mode: chosen.mode.or(preference.mode),
            origin: Some(origin_of(self.traits.platform, said.place, said.message)),
            quoted: self.quoted(said),
            attachments: said.attachments.clone(),
        };
        match self.hub.submit(who.clone(), task).await {
            Ok(receipt) => {
                let id = receipt.id;
                let home = self.homes.entry(id.clone()).or_insert_with(|| Home {
                    place: said.place,
                    asked: Some(said.message),
                    asker: chat_of(who),
                    ahead: 0,
                });
                home.ahead = receipt.ahead;
                self.messages.insert((said.place.chat, said.message), Target::Task(id.clone()));
                self.want_topic(&id, said.place);
                // Loud in order, silent in fact: a receipt should not wait for the pace of progress.
                let op = super::Op::Card(id.clone());
                self.push(&id, "card", gatepost_chat::outbox::Urgency::Loud, op);
                self.count_if_late(said);
                Ok(())
            }
            Err(error) => self.refused(said, error),
        }
    }

    async fn message(
        &mut self,
        who: &Principal,
        said: &Said,
        task: TaskId,
        text: String,
    ) -> Result<(), RequestError> {
        if !self.may(who, Role::Requester, said, "speak to tasks") {
            return Ok(());
        }
        let detail = match self.hub.task(task.clone()).await {
            Ok(detail) => detail,
            Err(error) => return self.refused(said, error),
        };
        let origin = origin_of(self.traits.platform, said.place, said.message);
        let message =
            Message { text, quoted: self.quoted(said), attachments: said.attachments.clone() };
        let files = files_of(&detail, &message, &origin);
        match self.tell_task(who, &task, message, origin).await {
            Ok(heard) => {
                // A reply to it speaks to the same task.
                self.messages.insert((said.place.chat, said.message), Target::Task(task.clone()));
                if let Heard::TakenUp { ahead } = heard {
                    self.goes_on(&task, ahead);
                }
                let words = format!("{}{files}", gatepost_chat::card::heard(heard));
                self.say_quietly(said.place, Some(said.message), Rich::new().plain(&words));
                self.count_if_late(said);
                Ok(())
            }
            Err(error) => self.refused(said, error),
        }
    }

    /// Sends a task a message. One that is ending right now takes it a moment later, when it is over
    /// and goes on with it; that is waited for, within bounds.
    async fn tell_task(
        &self,
        who: &Principal,
        task: &TaskId,
        message: Message,
        origin: Origin,
    ) -> Result<Heard, RequestError> {
        for _ in 0..ENDING {
            let sent =
                self.hub.message_from(who.clone(), task.clone(), message.clone(), origin.clone());
            match sent.await {
                Err(error) if error.kind == RequestErrorKind::Conflict => {
                    let detail = self.hub.task(task.clone()).await?;
                    if matches!(detail.task.delivery(), Delivery::Underway { .. }) {
                        return Err(error);
                    }
                    tokio::time::sleep(MOMENT).await;
                }
                other => return other,
            }
        }
        self.hub.message_from(who.clone(), task.clone(), message, origin).await
    }

    async fn deny(
        &mut self,
        who: &Principal,
        said: &Said,
        task: &TaskId,
        approval: ApprovalId,
        reason: String,
    ) -> Result<(), RequestError> {
        if !self.may(who, Role::Approver, said, "answer questions") {
            return Ok(());
        }
        let answer = self.hub.answer(who.clone(), approval.clone(), Decision::Deny, Some(reason));
        match answer.await {
            Ok(answered) => {
                let receipt = gatepost_chat::card::receipt(&answered);
                self.say_quietly(said.place, Some(said.message), Rich::new().plain(&receipt));
                self.ask(task, &approval);
                Ok(())
            }
            Err(error) => self.refused(said, error),
        }
    }

    /// Another form of an action, shown back to whoever began to change it. It decides nothing.
    async fn form_came(
        &mut self,
        who: &Principal,
        said: &Said,
        task: &TaskId,
        approval: ApprovalId,
        text: String,
    ) {
        if !self.may(who, Role::Approver, said, "answer questions") {
            return;
        }
        let chat = said.place.chat;
        if !self.begun_edits.contains(&(chat, who.clone(), approval.clone())) {
            let words = "Press the button under the question first; it is whoever pressed that \
                         may change it.";
            self.say_quietly(said.place, Some(said.message), Rich::new().plain(words));
            return;
        }
        if let Some(settled) = self.settled(task, &approval).await {
            self.say(said.place, Some(said.message), Rich::new().plain(&settled));
            return;
        }
        self.show_edited(chat, task, approval, text);
    }

    pub(super) fn show_edited(
        &mut self,
        chat: Chat,
        task: &TaskId,
        approval: ApprovalId,
        text: String,
    ) {
        let key = format!("edited:{approval}");
        let op = super::Op::Edited(task.clone(), approval, text);
        self.again(chat, task, &key, op);
    }

    /// Words are taken as they were first sent.
    pub(super) fn edited(&mut self, place: Place, message: MessageId, from: u64) {
        let known = self.people.knows(&self.person(from));
        if known && self.messages.contains_key(&(place.chat, message)) {
            let words = "I go by the words as you first sent them. Reply to the task with what \
                         should be different.";
            self.say_quietly(place, Some(message), Rich::new().plain(words));
        }
    }

    /// Whether somebody has a role; who has not is told so.
    pub(super) fn may(&mut self, who: &Principal, role: Role, said: &Said, what: &str) -> bool {
        if self.people.is(who, role) {
            return true;
        }
        let words = format!("You may not {what} here; that takes the role {}.", role.as_str());
        self.say(said.place, Some(said.message), Rich::new().plain(&words));
        false
    }

    /// A refusal is said aloud; what could not be recorded comes again instead.
    pub(super) fn refused(&mut self, said: &Said, error: RequestError) -> Result<(), RequestError> {
        match error.kind {
            RequestErrorKind::Unavailable => Err(error),
            RequestErrorKind::Invalid
            | RequestErrorKind::NotFound
            | RequestErrorKind::Conflict
            | RequestErrorKind::Full => {
                let mut words = format!("Refused: {}.", error.message);
                if !error.hint.is_empty() {
                    words.push_str(&format!(" {}.", error.hint));
                }
                self.say(said.place, Some(said.message), Rich::new().plain(&words));
                Ok(())
            }
        }
    }
}

/// Where the files of a message to a task will lie, by the names that the worker gives them.
fn files_of(detail: &TaskDetail, message: &Message, origin: &Origin) -> String {
    // One that came before has its names already, and they were said.
    if message.attachments.is_empty() || detail.task.origins().any(|known| known == origin) {
        return String::new();
    }
    let mut names = Names::default();
    let asked = &detail.task.spec().attachments;
    let later = detail.task.messages().iter().flat_map(|message| &message.attachments);
    for attachment in asked.iter().chain(later) {
        let _given = names.give(&attachment.name);
    }
    let given: Vec<_> = message.attachments.iter().map(|file| names.give(&file.name)).collect();
    format!("; with {} for {INBOX}", given.join(", "))
}
