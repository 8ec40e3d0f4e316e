//! Sending: each message is made from what is true at that moment, noted before it goes out, and
//! noted again when it is there.

use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

use gatepost_chat::copies::Copied;
use gatepost_chat::outbox::Fate;
use gatepost_chat::outbox::Parcel;
use gatepost_chat::outbox::Urgency;
use gatepost_chat::rich::Rich;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::id::TaskId;
use gatepost_domain::request::RequestErrorKind;
use gatepost_domain::request::TaskDetail;

use super::Desk;
use super::Op;
use super::Told;
use super::draft::Draft;

use super::question_key;
use super::topics::Change;
use super::until_given_up;
use crate::place::Chat;
use crate::place::MessageId;
use crate::place::Place;
use crate::place::ThreadId;
use crate::surface::Done;
use crate::surface::File;
use crate::surface::To;
use crate::surface::Trouble;
use crate::surface::Under;

/// One call.
pub(super) enum Call {
    Post { to: To, text: Rich, under: Under },
    Edit { chat: Chat, message: MessageId, text: Rich, under: Under },
    File { to: To, file: File },
    OpenTopic { chat: Chat, name: String, asked: Option<MessageId> },
    RenameTopic { chat: Chat, thread: ThreadId, name: String },
    CloseTopic { chat: Chat, thread: ThreadId, closed: bool },
}

impl Desk {
    /// Makes a parcel's message and sends it on the side.
    pub(super) async fn tell(&mut self, parcel: Parcel<Op>) {
        let Parcel { chat: lane, content: op, .. } = parcel;
        // Only chats are written to, so each lane is one.
        let draft = match lane.parse::<Chat>() {
            Ok(chat) => self.draft(chat, &op).await.map(|draft| (chat, draft)),
            Err(_) => None,
        };
        let Some((chat, Draft { key, last, mut call })) = draft else {
            // There is nothing to say any more.
            self.outbox.settle(&lane, Fate::Over, self.now());
            return;
        };
        if let Call::Post { to, .. } | Call::File { to, .. } = &mut call {
            to.silent |= self.is_hushed(chat, &op);
        }
        // The message itself comes again when its topic is open.
        let key = match self.reopening(&call) {
            Some(opening) => {
                call = opening;
                None
            }
            None => key,
        };
        let print = print_of(&call);
        if let (Some((task, key)), Call::Post { .. } | Call::File { .. } | Call::OpenTopic { .. }) =
            (&key, &call)
        {
            let note = ChatNote::Sending { key: key.clone(), chat: lane.clone() };
            if let Err(error) = self.record(Some(task.clone()), note).await {
                // Sent unrecorded, it could be sent again after a crash.
                tracing::warn!(%error, "a message waits until it can be recorded");
                self.outbox.settle(&lane, Fate::Failed, self.now());
                return;
            }
            self.set_shown(task, key, chat, Copied::Sending);
        }
        if let (Op::Notice(notice), Call::Post { to, .. }) = (&op, &call)
            && let Err(error) = self.sending_notice(notice, to.chat).await
        {
            tracing::warn!(%error, "a notice waits until it can be recorded");
            self.outbox.settle(&lane, Fate::Failed, self.now());
            return;
        }
        if let (Some((task, key)), Call::Edit { .. }) = (&key, &call)
            && matches!(self.shown(task, key, chat),
                Some(Copied::There { print: Some(before), .. }) if *before == print)
        {
            self.outbox.settle(&lane, Fate::Over, self.now());
            return;
        }
        let part = key.as_ref().map_or(0, |(task, _)| self.part(task));
        let paid = match op.answers() {
            Some(_) => self.pay(chat).await,
            None => Ok(Vec::new()),
        };
        let paid = match paid {
            Ok(paid) => paid,
            Err(error) => {
                tracing::warn!(%error, "an answer waits until it can be recorded");
                self.outbox.settle(&lane, Fate::Failed, self.now());
                return;
            }
        };
        let (surface, told) = (Arc::clone(&self.surface), self.told.clone());
        // Doing it twice is doing it once.
        let edited =
            matches!(call, Call::Edit { .. } | Call::RenameTopic { .. } | Call::CloseTopic { .. });
        let change = match &call {
            Call::RenameTopic { thread, name, .. } => Some(Change::Named(*thread, name.clone())),
            Call::CloseTopic { thread, closed, .. } => Some(Change::Closed(*thread, *closed)),
            Call::Post { .. } | Call::Edit { .. } | Call::File { .. } | Call::OpenTopic { .. } => {
                None
            }
        };
        self.tracker.spawn(until_given_up(self.stop.clone(), async move {
            let done: Done<Option<MessageId>> = match call {
                Call::Post { to, text, under } => surface.send(to, text, under).await.map(Some),
                Call::Edit { chat, message, text, under } => {
                    surface.edit(chat, message, text, under).await.map(|()| None)
                }
                Call::File { to, file } => surface.file(to, file).await.map(Some),
                Call::OpenTopic { chat, name, asked } => {
                    let opened = surface.open_thread(chat, name, asked).await;
                    opened.map(|ThreadId(thread)| Some(MessageId::of(thread)))
                }
                Call::RenameTopic { chat, thread, name } => {
                    surface.rename_thread(chat, thread, name).await.map(|()| None)
                }
                Call::CloseTopic { chat, thread, closed } => {
                    surface.close_thread(chat, thread, closed).await.map(|()| None)
                }
            };
            // Without a desk nobody waits for this; the note that it was being sent stays.
            let result = Told { chat, key, part, print, op, edited, last, change, paid, done };
            let _the_desk_is_gone = told.send(result).await;
        }));
    }

    /// Takes what came of sending.
    pub(super) async fn settle(&mut self, told: Told) {
        let Told { chat, key, part, print, op, edited, last, change, paid, done } = told;
        let mut key = key;
        if let Some((task, name)) = key.take_if(|(task, name)| self.is_of_before(task, name, part))
            && let Ok(Some(message)) = &done
        {
            self.arrived_late(&task, &name, chat, *message).await;
        }
        let (now, lane) = (self.now(), chat.to_string());
        let fate = match &done {
            Ok(None) if change.is_some() => self.topic_changed(chat, change, &op),
            Ok(None) => {
                if let Op::Relist = &op {
                    self.relisted(chat).await;
                }
                if let Some((task, key)) = &key
                    && let Some(Copied::There { message, .. }) = self.shown(task, key, chat)
                {
                    let there = Copied::There { message: *message, print: Some(print) };
                    self.set_shown(task, key, chat, there);
                    if last {
                        self.note_last(task, key, chat).await;
                    }
                }
                Fate::Over
            }
            Ok(Some(message)) => {
                if let Some((task, key)) = &key {
                    self.set_there(task, key, chat, *message, Some(print));
                    let note = ChatNote::Sent {
                        key: key.clone(),
                        chat: lane.clone(),
                        message: message.to_string(),
                    };
                    self.note(task, note).await;
                    if last {
                        self.note_last(task, key, chat).await;
                    }
                }
                if let Op::Topic(task) = &op {
                    self.opened(task, chat, ThreadId(message.number)).await;
                }
                if let Op::Open { .. } = &op {
                    self.listed(chat, *message).await;
                }
                if let Op::Notice(notice) = &op {
                    self.sent_notice(notice, chat, *message).await;
                }
                self.arrived(&op, chat);
                Fate::Over
            }
            Err(
                refusal @ (Trouble::Refused(_) | Trouble::NoThread(_) | Trouble::ThreadClosed(_)),
            ) if change.is_some() => self.topic_refused(chat, change, &op, refusal).await,
            Err(refusal @ (Trouble::NoThread(_) | Trouble::ThreadClosed(_))) => {
                self.lost_topic(chat, key.as_ref(), &op, refusal).await
            }
            Err(trouble) => {
                if let Op::Notice(notice) = &op {
                    self.failed_notice(notice, chat, trouble);
                }
                self.failed(trouble, chat, key.as_ref(), &op, edited).await
            }
        };
        if let Err(Trouble::Moved(to)) = &done
            && let Err(error) = self.moved(chat, *to).await
        {
            tracing::warn!(%error, "a group moved and that could not be recorded");
        }
        if !matches!(fate, Fate::Over) {
            self.owe_again(paid).await;
        }
        self.outbox.settle(&lane, fate, now);
        self.take_early(chat).await;
    }

    /// A topic was changed. What had to wait for that comes again.
    fn topic_changed(&mut self, chat: Chat, change: Option<Change>, op: &Op) -> Fate {
        let task = match op {
            Op::TopicState(task) => Some(task),
            _ => None,
        };
        let opened_for = matches!(change, Some(Change::Closed(_, false)));
        if let Some(change) = change {
            self.changed_topic(chat, change, task);
        }
        if opened_for { Fate::Pause(Duration::ZERO) } else { Fate::Over }
    }

    async fn topic_refused(
        &mut self,
        chat: Chat,
        change: Option<Change>,
        op: &Op,
        refusal: &Trouble,
    ) -> Fate {
        tracing::warn!(%refusal, "a topic could not be changed");
        match change {
            // Nothing can be written there, so it is written elsewhere.
            Some(Change::Closed(thread, false)) => {
                self.topic_gone(chat, thread).await;
                return Fate::Pause(Duration::ZERO);
            }
            Some(Change::Named(thread, _) | Change::Closed(thread, true))
                if matches!(refusal, Trouble::NoThread(_)) =>
            {
                self.topic_gone(chat, thread).await;
            }
            // It looks as it does; the next state is tried again.
            Some(Change::Named(thread, name)) => {
                self.changed_topic(chat, Change::Named(thread, name), None);
            }
            Some(Change::Closed(_, true)) | None => {}
        }
        tracing::debug!(?op, "a topic stays as it is");
        Fate::Over
    }

    /// A message did not get into its topic. It comes again, where it can be read.
    async fn lost_topic(
        &mut self,
        chat: Chat,
        key: Option<&(TaskId, String)>,
        op: &Op,
        refusal: &Trouble,
    ) -> Fate {
        let thread = match (key, op) {
            (_, Op::Say { thread, .. } | Op::File { thread, .. } | Op::Open { thread, .. }) => {
                *thread
            }
            (Some((task, _)), _) => self.homes.get(task).and_then(|home| home.place.thread),
            (None, Op::Nudge(task, _)) => self.homes.get(task).and_then(|home| home.place.thread),
            (None, _) => None,
        };
        let Some(thread) = thread else {
            tracing::warn!(%refusal, "a message was refused for its topic, and it had none");
            return Fate::Over;
        };
        if matches!(refusal, Trouble::ThreadClosed(_)) {
            self.found_closed(chat, thread).await;
        } else {
            self.topic_gone(chat, thread).await;
        }
        if let Some((task, key)) = key
            && let Some(copies) = self.copies.get_mut(task)
        {
            copies.forget(key, chat);
        }
        Fate::Pause(Duration::ZERO)
    }

    async fn failed(
        &mut self,
        trouble: &Trouble,
        chat: Chat,
        key: Option<&(TaskId, String)>,
        op: &Op,
        edited: bool,
    ) -> Fate {
        if trouble.had_no_effect()
            && !edited
            && let Some((task, key)) = key
            && let Some(copies) = self.copies.get_mut(task)
        {
            // It is not there for certain, so the next try is a first one.
            copies.forget(key, chat);
        }
        match trouble {
            Trouble::Pause(pause) => {
                tracing::info!(seconds = pause.as_secs(), "a chat asks for a pause");
                Fate::Pause(*pause)
            }
            Trouble::Moved(to) => Fate::Moved(to.to_string()),
            Trouble::NotReached(why) => {
                tracing::warn!(%why, "a message could not be sent; it is tried again");
                Fate::Failed
            }
            // Doing the same edit twice is doing it once.
            Trouble::Lost(_) if edited => Fate::Failed,
            Trouble::Lost(why) => {
                tracing::warn!(%why, "nobody knows whether a message arrived; it is not repeated");
                if let Some((task, key)) = key {
                    self.set_shown(task, key, chat, Copied::Unsure);
                    if let Ok(detail) = self.hub.task(task.clone()).await {
                        self.doubt(&detail, key, chat);
                    }
                    // The file was perhaps not seen, so the question goes on without its approval.
                    self.arrived(op, chat);
                }
                Fate::Over
            }
            Trouble::NoThread(why)
            | Trouble::ThreadClosed(why)
            | Trouble::TooLarge(why)
            | Trouble::Refused(why) => {
                tracing::warn!(%why, "a message was refused");
                if let Some((task, key)) = key {
                    if edited {
                        // The message is gone or too old; the next state gets a new one.
                        self.gone(task, key, chat, op);
                    } else {
                        self.set_shown(task, key, chat, Copied::Refused);
                        if let Op::Topic(_) = op {
                            self.bar_topics(chat);
                        }
                        let (key, why) = (key.clone(), why.clone());
                        let note = ChatNote::NotSent { key, chat: chat.to_string(), why };
                        self.note(task, note).await;
                        self.arrived(op, chat);
                        if let (Op::Outbox(..), Trouble::TooLarge(why)) = (op, trouble) {
                            let words = format!("A file of task {task} is not sent: {why}.");
                            let thread = self.home_thread(task, chat);
                            let text = Rich::new().plain(&words);
                            let place = Place { chat, thread, has_threads: false };
                            let op = Op::Say { text, reply: None, thread, silent: true };
                            self.speak(place, None, op);
                        } else if let (Op::Outbox(..), Some(home)) = (op, self.homes.get(task))
                            && home.place.chat != chat
                        {
                            let (place, asked) = (home.place, home.asked);
                            let words = format!(
                                "Task {task} left files for {chat}, to whom I cannot write. They \
                                 come after a /start in a private chat with me."
                            );
                            let text = Rich::new().plain(&words);
                            let (reply, thread) = (asked, place.thread);
                            let op = Op::Say { text, reply, thread, silent: true };
                            self.speak(place, Some(&format!("{task}/unreached")), op);
                        }
                        // The task's card says who cannot be asked.
                        if let Op::Question(..) = op {
                            self.push(task, "card", Urgency::Progress, Op::Card(task.clone()));
                        }
                    }
                }
                Fate::Over
            }
        }
    }

    /// The thread of a task in a chat, where that is its home.
    fn home_thread(&self, task: &TaskId, chat: Chat) -> Option<ThreadId> {
        let home = self.homes.get(task).filter(|home| home.place.chat == chat)?;
        home.place.thread
    }

    /// A message that could not be edited: what still matters is said in a new one.
    fn gone(&mut self, task: &TaskId, key: &str, chat: Chat, op: &Op) {
        if let Some(copies) = self.copies.get_mut(task) {
            copies.forget(key, chat);
        }
        match op {
            Op::Question(..) | Op::Result(_) => {
                self.push_to(chat, &format!("{task}/{key}"), op.awaited(), op.clone());
            }
            Op::Card(_)
            | Op::Outbox(..)
            | Op::Topic(_)
            | Op::TopicState(_)
            | Op::Nudge(..)
            | Op::Stray(..)
            | Op::Notice(_)
            | Op::Prompt(..)
            | Op::AskForm(..)
            | Op::Edited(..)
            | Op::Open { .. }
            | Op::Relist
            | Op::Say { .. }
            | Op::File { .. } => {}
        }
    }

    /// What follows on a message that is there, or that will not be.
    fn arrived(&mut self, op: &Op, chat: Chat) {
        match op {
            // The receipt is there; from now on it is kept up to date.
            Op::Card(task) => self.push(task, "card", Urgency::Progress, op.clone()),
            // The file of a question was sent first; now the question itself.
            Op::Question(task, approval)
                if self.shown(task, &question_key(approval), chat).is_none() =>
            {
                self.ask_in(chat, task, approval);
            }
            // One after the other, and when all is said the topic is closed.
            Op::Outbox(task, number) => {
                self.send_outbox(task, number + 1);
                self.retitle(task);
            }
            Op::Result(task) => self.retitle(task),
            Op::Question(..)
            | Op::Topic(_)
            | Op::TopicState(_)
            | Op::Nudge(..)
            | Op::Stray(..)
            | Op::Notice(_)
            | Op::Prompt(..)
            | Op::AskForm(..)
            | Op::Edited(..)
            | Op::Open { .. }
            | Op::Relist
            | Op::Say { .. }
            | Op::File { .. } => {}
        }
    }

    pub(super) async fn note(&self, task: &TaskId, note: ChatNote) {
        let noted = self.record(Some(task.clone()), note).await;
        if let Err(error) = noted {
            // After a crash the message counts as perhaps sent, which is true as well.
            tracing::warn!(%error, "what became of a message could not be recorded");
        }
    }

    /// Notes that a message needs no look after a restart.
    async fn note_last(&mut self, task: &TaskId, key: &str, chat: Chat) {
        if self.copies.entry(task.clone()).or_default().set_last(key, chat) {
            let note = ChatNote::Final { key: key.to_owned(), chat: chat.to_string() };
            self.note(task, note).await;
        }
    }

    pub(super) async fn detail(&self, task: &TaskId) -> Option<TaskDetail> {
        match self.hub.task(task.clone()).await {
            Ok(detail) => Some(detail),
            Err(error) => {
                if error.kind != RequestErrorKind::NotFound {
                    tracing::warn!(%error, %task, "a task cannot be read");
                }
                None
            }
        }
    }
}

/// Tells two states of a message apart. Only compared within one life of the process.
fn print_of(call: &Call) -> u64 {
    let mut hasher = DefaultHasher::new();
    match call {
        Call::Post { text, under, .. } | Call::Edit { text, under, .. } => {
            text.text().hash(&mut hasher);
            format!("{under:?}").hash(&mut hasher);
        }
        Call::File { file, .. } => file.bytes.hash(&mut hasher),
        Call::OpenTopic { name, .. } | Call::RenameTopic { name, .. } => name.hash(&mut hasher),
        Call::CloseTopic { closed, .. } => closed.hash(&mut hasher),
    }
    hasher.finish()
}
