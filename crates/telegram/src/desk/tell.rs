//! Sending: each message is made from what is true at that moment, noted before it goes out, and
//! noted again when it is there.

use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::time::Duration;

use gatepost_chat::card::ApprovalCard;
use gatepost_chat::card::Entry;
use gatepost_chat::card::TaskCard;
use gatepost_chat::copies::Copied;
use gatepost_chat::outbox::Fate;
use gatepost_chat::outbox::Parcel;
use gatepost_chat::outbox::Urgency;
use gatepost_chat::render;
use gatepost_chat::render::Standing;
use gatepost_chat::rich::Rich;
use gatepost_chat::rich::Style;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::TaskId;
use gatepost_domain::principal::Platform;
use gatepost_domain::request::RequestErrorKind;
use gatepost_domain::request::TaskDetail;

use super::Desk;
use super::Op;
use super::Told;
use super::keys;
use super::notice;
use super::question_key;
use super::topics;
use super::topics::Change;
use super::until_given_up;
use crate::api::Done;
use crate::api::To;
use crate::api::Trouble;
use crate::api::Under;
use crate::entities::LIMIT;

/// One call.
pub(super) enum Call {
    Post { to: To, text: Rich, under: Under },
    Edit { chat: i64, message: i32, text: Rich, under: Under },
    File { to: To, name: String, bytes: Vec<u8>, about: String },
    OpenTopic { chat: i64, name: String },
    RenameTopic { chat: i64, thread: i32, name: String },
    CloseTopic { chat: i64, thread: i32, closed: bool },
}

/// A message as it should be now.
struct Draft {
    /// Which message of its task it is, if it is kept up to date.
    key: Option<(TaskId, String)>,
    /// Whether it says what it will say for good.
    last: bool,
    call: Call,
}

impl Desk {
    /// Makes a parcel's message and sends it on the side.
    pub(super) async fn tell(&mut self, parcel: Parcel<Op>) {
        let Parcel { chat, content: op, .. } = parcel;
        let Some(draft) = self.draft(&chat, &op).await else {
            // There is nothing to say any more.
            self.outbox.settle(&chat, Fate::Over, self.now());
            return;
        };
        let Draft { key, last, mut call } = draft;
        let number = chat.parse::<i64>().unwrap_or_default();
        if let Call::Post { to, .. } | Call::File { to, .. } = &mut call {
            to.silent |= self.is_hushed(number, &op);
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
            let note = ChatNote::Sending { key: key.clone(), chat: chat.clone() };
            if let Err(error) = self.hub.note(Platform::Telegram, Some(task.clone()), note).await {
                // Sent unrecorded, it could be sent again after a crash.
                tracing::warn!(%error, "a message waits until it can be recorded");
                self.outbox.settle(&chat, Fate::Failed, self.now());
                return;
            }
            self.set_shown(task, key, number, Copied::Sending);
        }
        if let (Op::Notice(notice), Call::Post { to, .. }) = (&op, &call)
            && let Err(error) = self.sending_notice(notice, to.chat).await
        {
            tracing::warn!(%error, "a notice waits until it can be recorded");
            self.outbox.settle(&chat, Fate::Failed, self.now());
            return;
        }
        if let (Some((task, key)), Call::Edit { .. }) = (&key, &call)
            && matches!(self.shown(task, key, number),
                Some(Copied::There { print: Some(before), .. }) if *before == print)
        {
            self.outbox.settle(&chat, Fate::Over, self.now());
            return;
        }
        let (api, told) = (self.api.clone(), self.told.clone());
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
            let done: Done<Option<i32>> = match call {
                Call::Post { to, text, under } => api.send(to, &text, &under).await.map(Some),
                Call::Edit { chat, message, text, under } => {
                    api.edit(chat, message, &text, &under).await.map(|()| None)
                }
                Call::File { to, name, bytes, about } => {
                    api.file(to, name, bytes, &about).await.map(Some)
                }
                Call::OpenTopic { chat, name } => api.open_topic(chat, &name).await.map(Some),
                Call::RenameTopic { chat, thread, name } => {
                    api.rename_topic(chat, thread, &name).await.map(|()| None)
                }
                Call::CloseTopic { chat, thread, closed } => {
                    api.close_topic(chat, thread, closed).await.map(|()| None)
                }
            };
            // Without a desk nobody waits for this; the note that it was being sent stays.
            let result = Told { chat, key, print, op, edited, last, change, done };
            let _the_desk_is_gone = told.send(result).await;
        }));
    }

    /// Takes what came of sending.
    pub(super) async fn settle(&mut self, told: Told) {
        let Told { chat, key, print, op, edited, last, change, done } = told;
        let now = self.now();
        let number = chat.parse::<i64>().unwrap_or_default();
        let fate = match &done {
            Ok(None) if change.is_some() => self.topic_changed(number, change, &op),
            Ok(None) => {
                if let Op::Relist = &op {
                    self.relisted(number).await;
                }
                if let Some((task, key)) = &key
                    && let Some(Copied::There { message, .. }) = self.shown(task, key, number)
                {
                    let there = Copied::There { message: *message, print: Some(print) };
                    self.set_shown(task, key, number, there);
                    if last {
                        self.note_last(task, key, number).await;
                    }
                }
                Fate::Over
            }
            Ok(Some(message)) => {
                if let Some((task, key)) = &key {
                    self.set_there(task, key, number, *message, Some(print));
                    let note = ChatNote::Sent {
                        key: key.clone(),
                        chat: chat.clone(),
                        message: message.to_string(),
                    };
                    self.note(task, note).await;
                    if last {
                        self.note_last(task, key, number).await;
                    }
                }
                if let Op::Topic(task) = &op {
                    self.opened(task, number, *message).await;
                }
                if let Op::Open { .. } = &op {
                    self.listed(number, *message).await;
                }
                if let Op::Notice(notice) = &op {
                    self.sent_notice(notice, number, *message).await;
                }
                self.arrived(&op, number);
                Fate::Over
            }
            Err(Trouble::Refused(why)) if change.is_some() => {
                self.topic_refused(number, change, &op, why).await
            }
            Err(Trouble::Refused(why)) if topics::is_gone(why) || topics::is_closed(why) => {
                self.lost_topic(number, key.as_ref(), &op, why).await
            }
            Err(trouble) => {
                if let Op::Notice(notice) = &op {
                    self.failed_notice(notice, number, trouble);
                }
                self.failed(trouble, number, key.as_ref(), &op, edited).await
            }
        };
        if let Fate::Moved(to) = &fate
            && let Ok(to) = to.parse::<i64>()
            && let Err(error) = self.moved(number, to).await
        {
            tracing::warn!(%error, "a group moved and that could not be recorded");
        }
        self.outbox.settle(&chat, fate, now);
    }

    /// A topic was changed. What had to wait for that comes again.
    fn topic_changed(&mut self, chat: i64, change: Option<Change>, op: &Op) -> Fate {
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
        chat: i64,
        change: Option<Change>,
        op: &Op,
        why: &str,
    ) -> Fate {
        tracing::warn!(%why, "telegram refused to change a topic");
        match change {
            // Nothing can be written there, so it is written elsewhere.
            Some(Change::Closed(thread, false)) => {
                self.topic_gone(chat, thread).await;
                return Fate::Pause(Duration::ZERO);
            }
            Some(Change::Named(thread, _) | Change::Closed(thread, true))
                if topics::is_gone(why) =>
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
        chat: i64,
        key: Option<&(TaskId, String)>,
        op: &Op,
        why: &str,
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
            tracing::warn!(%why, "telegram refused a message for its topic, and it had none");
            return Fate::Over;
        };
        if topics::is_closed(why) {
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
        chat: i64,
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
                tracing::info!(seconds = pause.as_secs(), "telegram asks for a pause");
                Fate::Pause(*pause)
            }
            Trouble::Moved(to) => Fate::Moved(to.to_string()),
            Trouble::NotReached(why) => {
                tracing::warn!(%why, "a message could not be sent; it is tried again");
                Fate::Failed
            }
            Trouble::Conflict | Trouble::Hooked | Trouble::BadToken => Fate::Failed,
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
            Trouble::NotModified => Fate::Over,
            Trouble::NotParsed(why) | Trouble::Refused(why) => {
                tracing::warn!(%why, "telegram refused a message");
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

    /// A message that could not be edited: what still matters is said in a new one.
    fn gone(&mut self, task: &TaskId, key: &str, chat: i64, op: &Op) {
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
            | Op::Notice(_)
            | Op::Prompt(..)
            | Op::Open { .. }
            | Op::Relist
            | Op::Say { .. }
            | Op::File { .. } => {}
        }
    }

    /// What follows on a message that is there, or that will not be.
    fn arrived(&mut self, op: &Op, chat: i64) {
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
                let next = number + 1;
                let op = Op::Outbox(task.clone(), next);
                self.push(task, &super::outbox_key(next), Urgency::Loud, op);
                self.retitle(task);
            }
            Op::Result(task) => self.retitle(task),
            Op::Question(..)
            | Op::Topic(_)
            | Op::TopicState(_)
            | Op::Nudge(..)
            | Op::Notice(_)
            | Op::Prompt(..)
            | Op::Open { .. }
            | Op::Relist
            | Op::Say { .. }
            | Op::File { .. } => {}
        }
    }

    pub(super) async fn note(&self, task: &TaskId, note: ChatNote) {
        let noted = self.hub.note(Platform::Telegram, Some(task.clone()), note).await;
        if let Err(error) = noted {
            // After a crash the message counts as perhaps sent, which is true as well.
            tracing::warn!(%error, "what became of a message could not be recorded");
        }
    }

    /// What the parcel comes to now; none when there is nothing to say.
    async fn draft(&mut self, chat: &str, op: &Op) -> Option<Draft> {
        let chat: i64 = chat.parse().ok()?;
        match op {
            Op::Say { text, reply, thread, silent } => {
                let thread = self.topics.living(chat, *thread);
                let to = To { chat, thread, reply: *reply, silent: *silent };
                let call = Call::Post { to, text: text.cut(LIMIT), under: Under::Nothing };
                Some(Draft { key: None, last: false, call })
            }
            Op::File { name, text, about, reply, thread } => {
                let thread = self.topics.living(chat, *thread);
                // An answer to a command, so whoever asked is there.
                let to = To { chat, thread, reply: *reply, silent: true };
                let (bytes, about) = (text.clone().into_bytes(), about.clone());
                let name = (*name).to_owned();
                Some(Draft { key: None, last: false, call: Call::File { to, name, bytes, about } })
            }
            Op::Open { reply, thread, approver } => {
                let thread = self.topics.living(chat, *thread);
                let to = To { chat, thread, reply: Some(*reply), silent: true };
                let call = self.draft_open(to, *approver).await?;
                Some(Draft { key: None, last: false, call })
            }
            Op::Relist => {
                let call = self.draft_relist(chat).await?;
                Some(Draft { key: None, last: false, call })
            }
            Op::Notice(notice) => {
                let notice::Draft { to, message, text, under } = self.draft_notice(chat, notice)?;
                let call = match message {
                    Some(message) => Call::Edit { chat, message, text, under },
                    None => Call::Post { to, text, under },
                };
                Some(Draft { key: None, last: false, call })
            }
            Op::Card(task) => {
                let detail = self.detail(task).await?;
                let last = detail.task.is_finished();
                self.draft_card(&detail).map(|draft| Draft { last, ..draft })
            }
            Op::Result(task) => {
                let detail = self.detail(task).await?;
                let last = detail.task.delivery().is_final();
                self.draft_result(&detail, chat).map(|draft| Draft { last, ..draft })
            }
            Op::Question(task, approval) => {
                let detail = self.detail(task).await?;
                let last = !detail.task.open().contains_key(approval);
                self.draft_question(&detail, approval, chat).map(|draft| Draft { last, ..draft })
            }
            Op::Outbox(task, number) => self.draft_outbox(task, *number).await,
            Op::Topic(task) => {
                let call = self.draft_topic(task).await?;
                Some(Draft {
                    key: Some((task.clone(), topics::TOPIC.to_owned())),
                    last: false,
                    call,
                })
            }
            Op::TopicState(task) => {
                let call = self.draft_topic_state(task).await?;
                Some(Draft { key: None, last: false, call })
            }
            Op::Nudge(task, key) => {
                let detail = self.detail(task).await?;
                self.draft_nudge(&detail, key, chat)
            }
            Op::Prompt(task, approval) => {
                let detail = self.detail(task).await?;
                detail.task.open().get(approval)?;
                let text = Rich::new().plain(
                    "Reply to this message with your reason. It denies the action, whatever it \
                     says, and the agent is told.",
                );
                self.place(task, &format!("prompt:{approval}"), chat, false, text, Under::Reply)
            }
        }
    }

    /// Notes that a message needs no look after a restart.
    async fn note_last(&mut self, task: &TaskId, key: &str, chat: i64) {
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

    fn draft_card(&mut self, detail: &TaskDetail) -> Option<Draft> {
        let task = detail.task.id();
        let chat = self.home_chat(task)?;
        let card = self.card_for(chat, detail);
        let ahead = self.homes.get(task).map_or(0, |home| home.ahead);
        let text = if self.at_home(task, "card").is_none() && !detail.task.is_finished() {
            render::receipt(&card, ahead)
        } else {
            let asked = self.asked(&detail.task);
            render::task(&card, &Standing { ahead, asked }, LIMIT)
        };
        let under = keys::card(&mut self.mint, detail);
        self.place(task, "card", chat, true, text, under)
    }

    fn draft_result(&mut self, detail: &TaskDetail, chat: i64) -> Option<Draft> {
        let text = render::result(&self.card_for(chat, detail), self.reader(), LIMIT);
        let under = keys::result(&mut self.mint, detail);
        self.place(detail.task.id(), "result", chat, false, text, under)
    }

    fn draft_question(
        &mut self,
        detail: &TaskDetail,
        approval: &ApprovalId,
        chat: i64,
    ) -> Option<Draft> {
        let task = detail.task.id();
        let key = question_key(approval);
        let card = TaskCard::of(detail).entries.into_iter().find_map(|entry| match entry {
            Entry::Approval { card, .. } if card.id == *approval => Some(card),
            Entry::Approval { .. } | Entry::Note { .. } | Entry::Step { .. } => None,
        });
        let card: ApprovalCard = *card?;
        let known = self.shown(task, &key, chat);
        if card.settled.is_some() && !matches!(known, Some(Copied::There { .. })) {
            // Nobody has seen the question, so nobody needs to hear how it was settled.
            return None;
        }
        let question = render::question(&card, &self.approvers(), self.reader(), LIMIT);
        let Some(file) = question.file.clone().filter(|_| card.settled.is_none()) else {
            let under = keys::question(&mut self.mint, detail, approval, true);
            return self.place(task, &key, chat, false, question.text, under);
        };
        let file_key = format!("file:{approval}");
        match self.shown(task, &file_key, chat) {
            None => {
                let to = self.to(task, chat, true);
                let about = "The whole action, for the question that follows.".to_owned();
                let (name, bytes) = ("action.txt".to_owned(), file.into_bytes());
                let call = Call::File { to, name, bytes, about };
                Some(Draft { key: Some((task.clone(), file_key)), last: false, call })
            }
            Some(Copied::There { .. }) => {
                let under = keys::question(&mut self.mint, detail, approval, true);
                self.place(task, &key, chat, false, question.text, under)
            }
            Some(Copied::Sending | Copied::Unsure | Copied::Refused) => {
                let under = keys::question(&mut self.mint, detail, approval, false);
                let text = render::unshown(&question, LIMIT);
                self.place(task, &key, chat, false, text, under)
            }
        }
    }

    fn draft_nudge(&mut self, detail: &TaskDetail, key: &str, chat: i64) -> Option<Draft> {
        let task = detail.task.id();
        // It turned up meanwhile.
        if self.shown(task, key, chat) != Some(&Copied::Unsure) {
            return None;
        }
        let what = match key.strip_prefix("question:") {
            Some(open) if !detail.task.open().keys().any(|id| id.as_str() == open) => return None,
            Some(_) => "waits for an answer",
            None if key == "result" => "is over",
            None => "was taken",
        };
        let text = Rich::new()
            .plain("Task ")
            .styled(Style::Code, task.as_str())
            .plain(&format!(" {what}. The connection broke while that was sent."))
            .plain(" If you do not see it above:");
        let under = keys::show(&mut self.mint, task, key);
        let to = self.to(task, chat, false);
        Some(Draft { key: None, last: false, call: Call::Post { to, text, under } })
    }

    /// The first file from this number on that is to be sent and was not; what it says is scrubbed.
    async fn draft_outbox(&mut self, task: &TaskId, from: usize) -> Option<Draft> {
        let detail = self.detail(task).await?;
        let chat = self.home_chat(task)?;
        let all = detail.task.outbox().iter().enumerate().skip(from);
        let open = |number: usize| self.at_home(task, &super::outbox_key(number)).is_none();
        let (number, file) =
            all.into_iter().find(|(number, file)| file.refusal.is_none() && open(*number))?;
        let to = self.to(task, chat, true);
        let key = Some((task.clone(), super::outbox_key(number)));
        let bytes = match self.hub.kept(file.sha256.clone()).await {
            Ok(bytes) => bytes,
            Err(error) => {
                let words = format!("`{}` of task {task} is not sent: {error}.", file.name);
                let text = Rich::new().plain(&words);
                return Some(Draft {
                    key,
                    last: false,
                    call: Call::Post { to, text, under: Under::Nothing },
                });
            }
        };
        let (bytes, masked) = match String::from_utf8(bytes) {
            Ok(text) => {
                let (text, masked) = gatepost_chat::visible::scrubbed(&text);
                (text.into_bytes(), masked)
            }
            Err(binary) => (binary.into_bytes(), 0),
        };
        let about = match masked {
            0 => format!("From task {task}"),
            1 => format!("From task {task}; 1 secret in it is masked here"),
            n => format!("From task {task}; {n} secrets in it are masked here"),
        };
        Some(Draft {
            key,
            last: false,
            call: Call::File { to, name: file.name.clone(), bytes, about },
        })
    }

    /// A kept message: an edit where it is there, a new one where it never was.
    fn place(
        &self,
        task: &TaskId,
        key: &str,
        chat: i64,
        silent: bool,
        text: Rich,
        under: Under,
    ) -> Option<Draft> {
        let to = self.to(task, chat, silent);
        let call = match self.shown(task, key, chat) {
            None => Call::Post { to, text, under },
            Some(Copied::There { message, .. }) => {
                Call::Edit { chat, message: *message, text, under }
            }
            // It may be there already, or never will be.
            Some(Copied::Sending | Copied::Unsure | Copied::Refused) => return None,
        };
        Some(Draft { key: Some((task.clone(), key.to_owned())), last: false, call })
    }

    fn to(&self, task: &TaskId, chat: i64, silent: bool) -> To {
        let Some(home) = self.homes.get(task).filter(|home| home.place.chat == chat) else {
            return To { chat, thread: None, reply: None, silent };
        };
        // Everything of a task hangs on its card, and the card on the message that asked.
        let reply = match self.at_home(task, "card") {
            Some(Copied::There { message, .. }) => Some(*message),
            Some(Copied::Sending | Copied::Unsure | Copied::Refused) | None => home.asked,
        };
        To { chat, thread: home.place.thread, reply, silent }
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
        Call::File { bytes, .. } => bytes.hash(&mut hasher),
        Call::OpenTopic { name, .. } | Call::RenameTopic { name, .. } => name.hash(&mut hasher),
        Call::CloseTopic { closed, .. } => closed.hash(&mut hasher),
    }
    hasher.finish()
}
