//! What a parcel comes to: each message as it should be at the moment it is sent.

use gatepost_chat::card::ApprovalCard;
use gatepost_chat::card::Entry;
use gatepost_chat::card::TaskCard;
use gatepost_chat::copies::Copied;
use gatepost_chat::render;
use gatepost_chat::render::Standing;
use gatepost_chat::rich::Rich;
use gatepost_chat::rich::Style;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::TaskId;
use gatepost_domain::request::TaskDetail;

use super::Desk;
use super::Op;
use super::form_key;
use super::keys;
use super::notice;
use super::question_key;
use super::tell::Call;
use super::topics;
use crate::place::Chat;
use crate::place::MessageId;
use crate::place::ThreadId;
use crate::surface::File;
use crate::surface::To;
use crate::surface::Under;

/// A message as it should be now.
pub(super) struct Draft {
    /// Which message of its task it is, if it is kept up to date.
    pub(super) key: Option<(TaskId, String)>,
    /// Whether it says what it will say for good.
    pub(super) last: bool,
    pub(super) call: Call,
}

impl Desk {
    /// What the parcel comes to now; none when there is nothing to say.
    pub(super) async fn draft(&mut self, chat: Chat, op: &Op) -> Option<Draft> {
        match op {
            Op::Say { text, reply, thread, silent } => {
                let thread = self.topics.living(chat, *thread);
                let to = self.to_place(chat, thread, *reply, *silent);
                let call =
                    Call::Post { to, text: text.cut(self.traits.text), under: Under::Nothing };
                Some(Draft { key: None, last: false, call })
            }
            Op::File { name, text, about, reply, thread } => {
                let thread = self.topics.living(chat, *thread);
                // An answer to a command, so whoever asked is there.
                let to = self.to_place(chat, thread, *reply, true);
                let (name, bytes) = ((*name).to_owned(), text.clone().into_bytes());
                let file = File { name, bytes, about: about.clone() };
                Some(Draft { key: None, last: false, call: Call::File { to, file } })
            }
            Op::Open { reply, thread, approver } => {
                let thread = self.topics.living(chat, *thread);
                let to = self.to_place(chat, thread, Some(*reply), true);
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
                self.turn_page(&detail);
                let last = detail.task.is_finished();
                self.draft_card(&detail).map(|draft| Draft { last, ..draft })
            }
            Op::Result(task) => {
                let detail = self.detail(task).await?;
                self.turn_page(&detail);
                if !detail.task.is_finished() {
                    // It goes on; what it comes to is said at its end.
                    return None;
                }
                let last = detail.task.delivery().is_final();
                self.draft_result(&detail, chat).map(|draft| Draft { last, ..draft })
            }
            Op::Stray(stray) => {
                let detail = self.detail(stray.task()).await?;
                self.draft_stray(&detail, chat, stray)
            }
            Op::Question(task, approval) => {
                let detail = self.detail(task).await?;
                let last = !detail.task.open().contains_key(approval);
                self.draft_question(&detail, approval, chat).map(|draft| Draft { last, ..draft })
            }
            Op::Outbox(task, number) => self.draft_outbox(task, *number, chat).await,
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
            Op::AskForm(task, approval) => {
                let detail = self.detail(task).await?;
                detail.task.open().get(approval)?;
                let text = Rich::new().plain(
                    "Reply to this message with what should run instead, whole. Nothing runs by \
                     your reply: you see it again with a button.",
                );
                self.place(task, &form_key(approval), chat, false, text, Under::Reply)
            }
            Op::Edited(task, approval, text) => {
                let detail = self.detail(task).await?;
                self.draft_edited(&detail, approval, text, chat)
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
            render::task(&card, &Standing { ahead, asked }, self.traits.text)
        };
        let under = keys::card(&mut self.mint, detail, &card);
        self.place(task, "card", chat, true, text, under)
    }

    fn draft_result(&mut self, detail: &TaskDetail, chat: Chat) -> Option<Draft> {
        let text = render::result(&self.card_for(chat, detail), self.reader(), self.traits.text);
        let under = keys::result(&mut self.mint, detail);
        self.place(detail.task.id(), "result", chat, false, text, under)
    }

    fn draft_question(
        &mut self,
        detail: &TaskDetail,
        approval: &ApprovalId,
        chat: Chat,
    ) -> Option<Draft> {
        let task = detail.task.id();
        let key = question_key(approval);
        let card = question_card(detail, approval)?;
        let known = self.shown(task, &key, chat);
        if card.settled.is_some() && !matches!(known, Some(Copied::There { .. })) {
            // Nobody has seen the question, so nobody needs to hear how it was settled.
            return None;
        }
        let question = render::question(&card, &self.approvers(), self.reader(), self.traits.text);
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
                let call = Call::File { to, file: File { name, bytes, about } };
                Some(Draft { key: Some((task.clone(), file_key)), last: false, call })
            }
            Some(Copied::There { .. }) => {
                let under = keys::question(&mut self.mint, detail, approval, true);
                self.place(task, &key, chat, false, question.text, under)
            }
            Some(Copied::Sending | Copied::Unsure | Copied::Refused) => {
                let under = keys::question(&mut self.mint, detail, approval, false);
                let text = render::unshown(&question, self.traits.text);
                self.place(task, &key, chat, false, text, under)
            }
        }
    }

    /// What somebody would have run instead, shown before it is approved.
    fn draft_edited(
        &mut self,
        detail: &TaskDetail,
        approval: &ApprovalId,
        text: &str,
        chat: Chat,
    ) -> Option<Draft> {
        let task = detail.task.id();
        let open = detail.task.open().get(approval)?;
        let card = ApprovalCard::edited(task, open, text);
        let question = card.map(|card| {
            render::question(&card, &self.approvers(), self.reader(), self.traits.text)
        });
        let (text, under) = match question {
            Some(question) if question.file.is_none() => {
                (question.text, keys::edited(&mut self.mint, task, approval, text))
            }
            Some(_) => {
                let words = "That is too long to be shown whole here. The console has room for it.";
                (Rich::new().plain(words), Under::Nothing)
            }
            None => {
                let words = "That cannot run instead: it is empty or what was asked, or it holds a \
                             secret or a hidden character, which nobody could look at first.";
                (Rich::new().plain(words), Under::Nothing)
            }
        };
        self.place(task, &format!("edited:{approval}"), chat, false, text, under)
    }

    fn draft_nudge(&mut self, detail: &TaskDetail, key: &str, chat: Chat) -> Option<Draft> {
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
    async fn draft_outbox(&mut self, task: &TaskId, from: usize, chat: Chat) -> Option<Draft> {
        let detail = self.detail(task).await?;
        let all = detail.task.outbox().iter().enumerate().skip(from);
        let open = |number: usize| self.shown(task, &super::outbox_key(number), chat).is_none();
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
            call: Call::File { to, file: File { name: file.name.clone(), bytes, about } },
        })
    }

    /// A kept message: an edit where it is there, a new one where it never was.
    fn place(
        &self,
        task: &TaskId,
        key: &str,
        chat: Chat,
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

    fn to(&self, task: &TaskId, chat: Chat, silent: bool) -> To {
        let Some(home) = self.homes.get(task).filter(|home| home.place.chat == chat) else {
            return self.to_place(chat, None, None, silent);
        };
        // Everything of a task hangs on its card, and the card on the message that asked.
        let reply = match self.at_home(task, "card") {
            Some(Copied::There { message, .. }) => Some(*message),
            Some(Copied::Sending | Copied::Unsure | Copied::Refused) | None => home.asked,
        };
        self.to_place(chat, home.place.thread, reply, silent)
    }

    /// The way to a place, for a message of its own.
    pub(super) fn to_place(
        &self,
        chat: Chat,
        thread: Option<ThreadId>,
        reply: Option<MessageId>,
        silent: bool,
    ) -> To {
        // Half of fresh bits are fresh bits.
        let nonce = u64::try_from((self.sources.draw)() & u128::from(u64::MAX)).unwrap_or(0);
        To { chat, thread, reply, silent, nonce }
    }
}

/// A question of a task, open or settled.
pub(super) fn question_card(detail: &TaskDetail, id: &ApprovalId) -> Option<ApprovalCard> {
    TaskCard::of(detail).entries.into_iter().find_map(|entry| match entry {
        Entry::Approval { card, .. } if card.id == *id => Some(*card),
        Entry::Approval { .. } | Entry::Note { .. } | Entry::Step { .. } => None,
    })
}
