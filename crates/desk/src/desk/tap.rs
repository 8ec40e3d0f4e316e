//! Presses on buttons: a press is a claim, and its answer says what really came of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gatepost_chat::card::Press;
use gatepost_chat::card::delivery_words;
use gatepost_chat::card::denied_all;
use gatepost_chat::card::heard;
use gatepost_chat::card::queued;
use gatepost_chat::card::receipt;
use gatepost_chat::command::Target;
use gatepost_chat::copies::Copied;
use gatepost_chat::copies::RESULT;
use gatepost_chat::port::Hub;
use gatepost_chat::rich::Rich;
use gatepost_chat::token::Meaning;
use gatepost_domain::approval::Decision;
use gatepost_domain::changes::DeliveryKind;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::TaskId;
use gatepost_domain::lifecycle::Delivery;
use gatepost_domain::principal::Principal;
use gatepost_domain::principal::Role;
use gatepost_domain::request::Answered;
use gatepost_domain::request::Consequence;
use gatepost_domain::request::DeliveryReceipt;
use gatepost_domain::request::Heard;
use gatepost_domain::request::RequestError;
use gatepost_domain::request::RequestErrorKind;
use tokio::sync::oneshot;

use super::Desk;
use super::Op;
use super::going_on::ended_after;
use super::keys;
use super::question_key;
use super::stray::Stray;
use super::until_given_up;
use crate::inbound::PressId;
use crate::inbound::Pressed;
use crate::place::Chat;
use crate::place::MessageId;
use crate::surface::Answer;
use crate::surface::Surface;
use crate::surface::Trouble;

/// An answer that takes longer than this is given without its end, so that the button does not
/// seem dead: the reader's program waits only seconds
/// (<https://core.telegram.org/bots/api#answercallbackquery>).
const PROMPT: Duration = Duration::from_millis(700);

/// What somebody hears who presses an answer and may give none.
const NO_APPROVER: &str = "Only an approver may answer this, and you are none.";

impl Desk {
    /// Deals with a press. `taken` is sent when what it wants is recorded.
    pub(super) async fn pressed(&mut self, tap: Pressed, taken: oneshot::Sender<()>) {
        let who = self.person(tap.from);
        let meaning = self.mint.meaning(&tap.data).cloned();
        match self.claim(&who, &tap, meaning).await {
            Claim::Say(said) => {
                self.toast(tap.id, said);
                let _the_poll_has_ended = taken.send(());
            }
            Claim::Do(wish) => self.carry_out(who, tap.id, wish, taken),
            Claim::Later(error) => tracing::error!(%error, "a press could not be looked up"),
        }
    }

    /// Checks who presses, where, and whether what the button stands for is still so.
    async fn claim(&mut self, who: &Principal, tap: &Pressed, meaning: Option<Meaning>) -> Claim {
        if !self.people.knows(who) {
            return Claim::Say(Answer::alert("This is not yours to answer."));
        }
        let place = tap.message.map(|(place, _)| place);
        if place.is_some_and(|place| !place.chat.is_private() && !self.groups.contains(place.chat))
        {
            return Claim::Say(Answer::alert("This chat is not one I listen to."));
        }
        let Some(meaning) = meaning else {
            return Claim::Say(Answer::alert(
                "This button is out of date and does nothing. /status shows the task as it is.",
            ));
        };
        if let Some((place, message)) = tap.message {
            self.found(place.chat, message, &meaning).await;
        }
        let chat = place.map(|place| place.chat);
        match meaning {
            Meaning::Answer { task, approval, press } => {
                self.claim_answer(who, chat, task, approval, press, tap.words.as_deref()).await
            }
            Meaning::Task { task, press, state } => {
                self.claim_task(who, task, press, state, tap.words.clone()).await
            }
            Meaning::Edited { task, approval, text } => {
                if !self.people.is(who, Role::Approver) {
                    return Claim::Say(Answer::alert(NO_APPROVER));
                }
                self.ask(&task, &approval);
                Claim::Do(Wish::Edited { approval, text })
            }
            Meaning::Show { task, key } => self.claim_show(chat, task, &key),
            Meaning::DenyAll { questions } => {
                if !self.people.is(who, Role::Approver) {
                    return Claim::Say(Answer::alert(NO_APPROVER));
                }
                Claim::Do(Wish::DenyAll(questions))
            }
            Meaning::Door { who: stranger, admit } => told(self.admit(who, &stranger, admit).await),
            Meaning::Fetch { chat, message } => told(self.refetch_held(who, &chat, &message).await),
            Meaning::Held { chat, message, how } => {
                told(self.settle_held(who, &chat, &message, how).await)
            }
        }
    }

    /// A button that was touched says what its message is, should the place of that be unknown
    /// because the answer to its sending was lost.
    pub(super) async fn found(&mut self, chat: Chat, message: MessageId, meaning: &Meaning) {
        if self.messages.contains_key(&(chat, message)) {
            return;
        }
        let (task, key, state) = match meaning {
            Meaning::Answer { task, approval, press: _ } => {
                (task, Some(question_key(approval)), None)
            }
            // A stop is under the card and under questions. What a card says at first stays true.
            Meaning::Task { task, press: Press::Stop, state: _ } => (task, None, None),
            Meaning::Task { task, press: _, state } => {
                (task, Some(RESULT.to_owned()), Some(*state))
            }
            Meaning::Edited { .. }
            | Meaning::Show { .. }
            | Meaning::DenyAll { .. }
            | Meaning::Door { .. }
            | Meaning::Fetch { .. }
            | Meaning::Held { .. } => return,
        };
        self.messages.insert((chat, message), Target::Task(task.clone()));
        let Some(key) = key else { return };
        let Some(detail) = self.detail(task).await else { return };
        let ended = state.and_then(|state| ended_after(&detail, state));
        let known = self.shown(task, &key, chat);
        if ended.is_none() && matches!(known, Some(Copied::Unsure | Copied::Sending)) {
            self.set_there(task, &key, chat, message, None);
            let (chat, message) = (chat.to_string(), message.to_string());
            let note = ChatNote::Sent { key, chat, message };
            if let Err(error) = self.record(Some(task.clone()), note).await {
                tracing::warn!(%error, "where a message is could not be recorded");
            }
        } else {
            // It was sent again meanwhile, or is about a part that is over: one of them is enough.
            self.last_word(chat, Stray::new(task, &key, message, ended));
        }
    }

    async fn claim_answer(
        &mut self,
        who: &Principal,
        chat: Option<Chat>,
        task: TaskId,
        approval: ApprovalId,
        press: Press,
        words: Option<&str>,
    ) -> Claim {
        if !self.people.is(who, Role::Approver) {
            return Claim::Say(Answer::alert(NO_APPROVER));
        }
        // Whatever comes of it, the message then says what is true.
        self.ask(&task, &approval);
        let decision = match press {
            Press::ApproveOnce => Decision::Approve,
            Press::ApproveForTask => Decision::ApproveForTask,
            // A form has asked for the reason already.
            Press::DenyWithReason if words.is_some() => Decision::Deny,
            Press::DenyWithReason => {
                // Where it was pressed, so that the reply comes from whoever pressed.
                if let Some(chat) = chat.or(self.home_chat(&task)) {
                    let note = ChatNote::DenialBegun {
                        who: who.clone(),
                        chat: chat.to_string(),
                        approval: approval.clone(),
                    };
                    if let Err(error) = self.record(Some(task.clone()), note).await {
                        return Claim::Later(error);
                    }
                    self.begun_denials
                        .insert((chat, who.clone()), (task.clone(), approval.clone()));
                    let op = Op::Prompt(task.clone(), approval.clone());
                    self.again(chat, &task, &format!("prompt:{approval}"), op);
                }
                return Claim::Say(Answer::toast("Reply to the next message with your reason."));
            }
            Press::Edit => {
                if let Some(settled) = self.settled(&task, &approval).await {
                    return Claim::Say(Answer::alert(&settled));
                }
                let Some(chat) = chat.or(self.home_chat(&task)) else {
                    return Claim::Say(Answer::alert("Change it in the console."));
                };
                // A form has asked for it already. Either way it is shown before it is approved.
                if let Some(text) = words {
                    self.show_edited(chat, &task, approval, text.to_owned());
                    return Claim::Say(Answer::toast("Look at it, and then approve it."));
                }
                self.begun_edits.insert((chat, who.clone(), approval.clone()));
                let key = super::form_key(&approval);
                let op = Op::AskForm(task.clone(), approval);
                self.again(chat, &task, &key, op);
                return Claim::Say(Answer::toast("Reply to the next message with the new form."));
            }
            Press::Deny
            | Press::DenyAll
            | Press::Show
            | Press::Stop
            | Press::Apply
            | Press::Branch
            | Press::Discard
            | Press::Continue
            | Press::Resume
            | Press::RunAgain => Decision::Deny,
        };
        let reason = words.map(str::trim).filter(|words| !words.is_empty()).map(str::to_owned);
        Claim::Do(Wish::Answer { approval, decision, reason })
    }

    /// How a question was settled, to whoever comes too late; none where it is open.
    pub(super) async fn settled(&self, task: &TaskId, approval: &ApprovalId) -> Option<String> {
        let settlement = self.detail(task).await?.task.settlement(approval)?.clone();
        let (task, consequence) = (task.clone(), Consequence::TooLate);
        Some(receipt(&Answered { task, settlement, consequence }))
    }

    async fn claim_task(
        &mut self,
        who: &Principal,
        task: TaskId,
        press: Press,
        state: u64,
        words: Option<String>,
    ) -> Claim {
        let writes = matches!(press, Press::Apply | Press::Branch);
        let allowed = if writes {
            self.people.is(who, Role::Approver)
        } else {
            self.people.is(who, Role::Requester) || self.people.is(who, Role::Approver)
        };
        if !allowed {
            let needed = if writes { "an approver" } else { "a requester" };
            let mut words = format!("Only {needed} may do that, and you are none.");
            if writes {
                words.push_str(&format!(" /status {task} brings it to a chat of theirs."));
            }
            return Claim::Say(Answer::alert(&words));
        }
        let detail = match self.hub.task(task.clone()).await {
            Ok(detail) => detail,
            Err(error) if error.kind == RequestErrorKind::Unavailable => {
                return Claim::Later(error);
            }
            Err(error) => return Claim::Say(Answer::alert(&error.message)),
        };
        if press != Press::Stop && keys::state(&detail) != state {
            self.tell_result(&task);
            let words = match detail.task.delivery() {
                Delivery::NotAsked => "That is out of date.".to_owned(),
                Delivery::Underway { .. } => "Already under way.".to_owned(),
                Delivery::Done { result } => format!("Already {}", delivery_words(result).0),
            };
            return Claim::Say(Answer::alert(&words));
        }
        match press {
            Press::Stop => Claim::Do(Wish::Stop(task)),
            Press::Apply => Claim::Do(Wish::Deliver(task, DeliveryKind::Apply)),
            Press::Branch => Claim::Do(Wish::Deliver(task, DeliveryKind::Branch)),
            Press::Discard => Claim::Do(Wish::Deliver(task, DeliveryKind::Discard)),
            Press::RunAgain => self.claim_again(task).await,
            Press::Resume => Claim::Do(Wish::Resume(task)),
            Press::Continue => {
                if let Some(words) = words {
                    return Claim::Do(Wish::Say(task, words));
                }
                if let Some(home) = self.homes.get(&task) {
                    let place = home.place;
                    let words = Rich::new().plain(&format!(
                        "Reply to any message of task {task} with what should happen next."
                    ));
                    self.say_quietly(place, None, words);
                }
                Claim::Say(Answer::toast("Reply with what should happen next."))
            }
            Press::ApproveOnce
            | Press::ApproveForTask
            | Press::Edit
            | Press::Deny
            | Press::DenyWithReason
            | Press::DenyAll
            | Press::Show => Claim::Say(Answer::alert("This button does nothing.")),
        }
    }

    /// A task is run again once from each result; the new one has a button of its own.
    async fn claim_again(&mut self, task: TaskId) -> Claim {
        match self.hub.tasks().await {
            Ok(tasks) => {
                let again =
                    tasks.iter().find(|other| other.spec().retry_of.as_ref() == Some(&task));
                match again {
                    Some(again) => {
                        let words = format!("It was run again already, as {}.", again.id());
                        Claim::Say(Answer::alert(&words))
                    }
                    None => Claim::Do(Wish::RunAgain(task)),
                }
            }
            Err(error) => Claim::Later(error),
        }
    }

    /// Brings a message anew: a question where it was asked for, everything else where its task
    /// lives.
    fn claim_show(&mut self, chat: Option<Chat>, task: TaskId, key: &str) -> Claim {
        let home = self.home_chat(&task);
        let op = match key.strip_prefix("question:").map(str::parse) {
            Some(Ok(approval)) => {
                let Some(chat) = chat.or(home).filter(|chat| self.may_see(*chat, &task)) else {
                    return Claim::Say(Answer::alert("What is asked is not shown here."));
                };
                self.again(chat, &task, key, Op::Question(task.clone(), approval));
                return Claim::Say(Answer::toast("Here it comes."));
            }
            Some(Err(_)) => return Claim::Say(Answer::alert("That question is not known.")),
            None if key == "result" => Op::Result(task.clone()),
            None => Op::Card(task.clone()),
        };
        if let Some(home) = home {
            self.again(home, &task, key, op);
        }
        Claim::Say(Answer::toast("Here it comes."))
    }

    /// Does it on the side, so that a slow disk holds up no other press.
    fn carry_out(&self, who: Principal, press: PressId, wish: Wish, taken: oneshot::Sender<()>) {
        let (hub, surface) = (Arc::clone(&self.hub), Arc::clone(&self.surface));
        // Applying many files takes long, and other messages should not wait for its end. The wish
        // is recorded at once, and made at the next start if this one ends first.
        let long = matches!(wish, Wish::Deliver(..));
        let mut taken = Some(taken);
        self.tracker.spawn(until_given_up(self.stop.clone(), async move {
            let work = do_it(hub, who, wish);
            tokio::pin!(work);
            let in_time = tokio::time::timeout(PROMPT, &mut work).await;
            let late = in_time.is_err();
            if late {
                let words = "Taken. The message will say what came of it.";
                answer(&*surface, press.clone(), Answer::toast(words)).await;
                if let Some(taken) = taken.take_if(|_| long) {
                    let _the_poll_has_ended = taken.send(());
                }
            }
            let done = match in_time {
                Ok(done) => done,
                Err(_) => work.await,
            };
            match done {
                Done::Said(said) => {
                    if let Some(taken) = taken {
                        let _the_poll_has_ended = taken.send(());
                    }
                    if !late {
                        answer(&*surface, press.clone(), said).await;
                    }
                }
                // Not recorded, so not confirmed: the press comes again.
                Done::Unrecorded(error) => {
                    tracing::error!(%error, "a press could not be recorded");
                    if !late {
                        let words = "It could not be recorded yet; I try again.";
                        answer(&*surface, press.clone(), Answer::alert(words)).await;
                    }
                    drop(taken);
                }
            }
        }));
    }

    pub(super) fn toast(&self, press: PressId, said: Answer) {
        let surface = Arc::clone(&self.surface);
        let toast = async move { answer(&*surface, press, said).await };
        self.tracker.spawn(until_given_up(self.stop.clone(), toast));
    }

    /// Shows everybody what a command asked for.
    pub(super) fn echo(&self, press: PressId, text: String) {
        let surface = Arc::clone(&self.surface);
        let echo = async move {
            if let Err(trouble) = surface.echo(press, text).await {
                tracing::warn!(%trouble, "what a command asked for is not shown");
            }
        };
        self.tracker.spawn(until_given_up(self.stop.clone(), echo));
    }
}

/// What was done at the desk itself, in words.
fn told(done: Result<(String, bool), RequestError>) -> Claim {
    match done {
        Ok((text, alert)) => Claim::Say(Answer { text, alert }),
        Err(error) => Claim::Later(error),
    }
}

/// What a press comes to.
enum Claim {
    /// Only words.
    Say(Answer),
    /// Something to do.
    Do(Wish),
    /// It could not be looked up; the press comes again.
    Later(RequestError),
}

/// What somebody wants.
enum Wish {
    Answer { approval: ApprovalId, decision: Decision, reason: Option<String> },
    Edited { approval: ApprovalId, text: String },
    DenyAll(BTreeSet<ApprovalId>),
    Stop(TaskId),
    Deliver(TaskId, DeliveryKind),
    RunAgain(TaskId),
    Resume(TaskId),
    Say(TaskId, String),
}

/// What came of it.
enum Done {
    Said(Answer),
    Unrecorded(RequestError),
}

async fn do_it(hub: Arc<dyn Hub>, who: Principal, wish: Wish) -> Done {
    let done = match wish {
        Wish::Answer { approval, decision, reason } => {
            hub.answer(who, approval, decision, reason).await.map(|answered| receipt(&answered))
        }
        Wish::Edited { approval, text } => {
            hub.answer_edited(who, approval, text).await.map(|answered| receipt(&answered))
        }
        Wish::DenyAll(questions) => {
            let answers = questions
                .into_iter()
                .map(|question| hub.answer(who.clone(), question, Decision::Deny, None));
            // All at once, so that they are written in one go. Of a question that is gone with its
            // task there is nothing to say.
            let answers = futures::future::join_all(answers).await;
            let known = answers.into_iter().filter(
                |answer| !matches!(answer, Err(error) if error.kind == RequestErrorKind::NotFound),
            );
            known.collect::<Result<Vec<_>, _>>().map(|answers| denied_all(&answers))
        }
        Wish::Stop(task) => {
            hub.cancel(who, task.clone()).await.map(|()| format!("task {task} is being stopped"))
        }
        Wish::RunAgain(task) => hub.retry(who, task).await.map(|receipt| match receipt.ahead {
            0 => format!("taken as task {}", receipt.id),
            ahead => format!("taken as task {}; {ahead} before it", receipt.id),
        }),
        Wish::Resume(task) => hub.resume(who, task).await.map(|heard| match heard {
            Heard::TakenUp { ahead } if ahead > 0 => {
                format!("it goes on where it was cut; {}", queued(ahead))
            }
            _ => "it goes on where it was cut".into(),
        }),
        Wish::Say(task, words) => hub.message(who, task, words).await.map(heard),
        Wish::Deliver(task, how) => {
            hub.deliver(who, task, how).await.map(|receipt| match receipt {
                DeliveryReceipt::Done(result) => delivery_words(&result).0,
                DeliveryReceipt::Queued => "taken; it is done once the project is free".into(),
            })
        }
    };
    match done {
        Ok(text) => Done::Said(Answer { text, alert: false }),
        Err(error) if error.kind == RequestErrorKind::Unavailable => Done::Unrecorded(error),
        Err(error) => Done::Said(Answer { text: error.message, alert: true }),
    }
}

async fn answer(surface: &dyn Surface, press: PressId, said: Answer) {
    match surface.answer(press, said).await {
        Ok(()) => {}
        // The reader's program gave up on it long ago; the message says what is true.
        Err(Trouble::Refused(why)) => tracing::debug!(%why, "a press was too old to answer"),
        Err(trouble) => tracing::warn!(%trouble, "a press could not be answered"),
    }
}
