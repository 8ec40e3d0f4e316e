//! One topic for each task, where the chat has topics.
//!
//! Opening one is noted like a message, before and after: a topic whose answer was lost is not
//! opened a second time, and its task lives in a chain of replies, as it does wherever a topic
//! cannot be had. A topic belongs to the task it was opened for and to those that go on from it,
//! and never to another.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use gatepost_chat::copies::Copied;
use gatepost_chat::outbox::Urgency;
use gatepost_chat::rich::Rich;
use gatepost_chat::rich::Style;
use gatepost_chat::visible::one_line;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::event::Event;
use gatepost_domain::id::TaskId;
use gatepost_domain::lifecycle::State;
use gatepost_domain::lifecycle::Task;
use gatepost_domain::outcome::Outcome;

use super::Desk;
use super::Op;
use super::tell::Call;
use crate::place::Chat;
use crate::place::Place;
use crate::place::ThreadId;

/// What a topic is among a task's messages.
pub(super) const TOPIC: &str = "topic";

/// A topic by its chat and number.
type Thread = (Chat, ThreadId);

/// What is known of topics.
#[derive(Debug, Default)]
pub(super) struct Topics {
    /// Whether tasks get topics at all.
    wanted: bool,
    /// Whether private chats have topics.
    private: bool,
    /// Chats that refused one; they are asked again after the next start.
    barred: BTreeSet<Chat>,
    made: BTreeMap<Thread, Made>,
    closed: BTreeSet<Thread>,
    /// Topics that people deleted; what would go there goes to the chat itself.
    gone: BTreeSet<Thread>,
}

/// A topic that was opened for a task.
#[derive(Debug)]
struct Made {
    /// What the task is called.
    title: String,
    /// The latest task that lives in it.
    latest: TaskId,
    /// Its name, as far as it is known.
    name: Option<String>,
}

/// What was done to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// It has this name.
    Named(ThreadId, String),
    /// It is closed, or not.
    Closed(ThreadId, bool),
}

impl Topics {
    pub(super) fn new(wanted: bool, private: bool) -> Self {
        Self { wanted, private, ..Self::default() }
    }

    /// Whether a task that was asked for here gets a topic. One that was asked for in a topic
    /// stays there.
    fn is_wanted(&self, place: Place) -> bool {
        let has_topics = if place.chat.is_private() { self.private } else { place.has_threads };
        self.wanted && has_topics && place.thread.is_none() && !self.barred.contains(&place.chat)
    }

    /// The topic to write in: none where it is gone.
    pub(super) fn living(&self, chat: Chat, thread: Option<ThreadId>) -> Option<ThreadId> {
        thread.filter(|thread| !self.gone.contains(&(chat, *thread)))
    }

    /// The task that a message without a reply speaks to, because it is in the task's own topic.
    pub(super) fn task(&self, place: Place) -> Option<&TaskId> {
        self.made.get(&(place.chat, place.thread?)).map(|made| &made.latest)
    }

    fn is_closed(&self, thread: Thread) -> bool {
        self.closed.contains(&thread)
    }
}

impl Desk {
    /// A task was asked for here: it gets its topic first, where one can be had.
    pub(super) fn want_topic(&mut self, task: &TaskId, place: Place) {
        if self.topics.is_wanted(place) && self.at_home(task, TOPIC).is_none() {
            self.push(task, TOPIC, Urgency::Loud, Op::Topic(task.clone()));
        }
    }

    /// A question overtakes what waits, and so does what a task came to, but not the topic that it
    /// belongs into, nor the card that it hangs on.
    pub(super) fn hurry_what_comes_first(&mut self, chat: Chat, task: &TaskId, urgency: Urgency) {
        if self.home_chat(task) != Some(chat) {
            return;
        }
        for (key, op) in [(TOPIC, Op::Topic(task.clone())), ("card", Op::Card(task.clone()))] {
            let waits = self.outbox.holds(&chat.to_string(), &format!("{task}/{key}"));
            if waits && self.at_home(task, key).is_none() {
                self.push(task, key, urgency, op);
            }
        }
    }

    /// A task that goes on in another's topic is the one that the topic shows now.
    pub(super) fn settle_in(&mut self, task: &TaskId) {
        let Some(thread) = self.thread_of(task) else { return };
        if let Some(made) = self.topics.made.get_mut(&thread) {
            made.latest = task.clone();
            self.retitle(task);
        }
    }

    /// Brings a topic's name up to date, and closes it when everything in it is said.
    pub(super) fn retitle(&mut self, task: &TaskId) {
        if self.thread_of(task).is_some_and(|thread| self.topics.made.contains_key(&thread)) {
            let op = Op::TopicState(task.clone());
            self.push(task, "topic-state", Urgency::Progress, op);
        }
    }

    /// Whether an event changes how a task's topic is to look.
    pub(super) fn hear_for_topic(&mut self, task: &TaskId, event: &Event) {
        match event {
            Event::TaskReceived { .. } => self.settle_in(task),
            Event::ApprovalRequested { .. }
            | Event::ApprovalDecided { .. }
            | Event::TaskQueued {}
            | Event::TaskFinished { .. } => self.retitle(task),
            _ => {}
        }
    }

    /// Takes up the topic of a task from its own notes.
    pub(super) fn recall_topic(&mut self, task: &Task) {
        let id = task.id();
        let Some(Copied::There { message, .. }) = self.at_home(id, TOPIC) else { return };
        let thread = ThreadId(message.number);
        let Some(chat) = self.home_chat(id) else { return };
        self.enter(id, chat, thread);
        let made = Made { title: self.title(task), latest: id.clone(), name: None };
        self.topics.made.entry((chat, thread)).or_insert(made);
        if task.is_finished() {
            // Opening one that is open changes nothing, writing into one that is closed fails.
            self.topics.closed.insert((chat, thread));
        }
    }

    /// After all tasks were taken up, newest first: each topic shows the newest that lives in it.
    pub(super) fn recall_latest(&mut self, tasks: &[Task]) {
        let mut seen = BTreeSet::new();
        for task in tasks {
            if let Some(thread) = self.thread_of(task.id())
                && seen.insert(thread)
                && let Some(made) = self.topics.made.get_mut(&thread)
            {
                made.latest = task.id().clone();
                if !task.is_finished() {
                    self.topics.closed.remove(&thread);
                }
            }
        }
    }

    /// The call that opens a task's topic; none when there is nothing to open.
    pub(super) async fn draft_topic(&mut self, task: &TaskId) -> Option<Call> {
        let place = self.homes.get(task)?.place;
        if self.at_home(task, TOPIC).is_some() || !self.topics.is_wanted(place) {
            return None;
        }
        let detail = self.detail(task).await?;
        let name = name(&self.title(&detail.task), &detail.task);
        let asked = self.homes.get(task).and_then(|home| home.asked);
        Some(Call::OpenTopic { chat: place.chat, name, asked })
    }

    /// The next call that makes a topic look as it should; none when it does.
    pub(super) async fn draft_topic_state(&mut self, task: &TaskId) -> Option<Call> {
        let thread = self.thread_of(task)?;
        let made = self.topics.made.get(&thread).filter(|made| made.latest == *task)?;
        let (title, shown) = (made.title.clone(), made.name.clone());
        let detail = self.detail(task).await?;
        let name = name(&title, &detail.task);
        let (chat, number) = thread;
        if shown.as_ref() != Some(&name) {
            return Some(Call::RenameTopic { chat, thread: number, name });
        }
        // Private topics cannot be closed; and what came of the task has to be in it first.
        let told = matches!(self.at_home(task, "result"), Some(Copied::There { .. }));
        let close = !chat.is_private() && detail.task.is_finished() && told;
        let files = |n| {
            let chat = self.outbox_chat(task);
            chat.is_some_and(|chat| self.shown(task, &super::outbox_key(n), chat).is_none())
        };
        let waits = (0..detail.task.outbox().len())
            .any(|n| detail.task.outbox().get(n).is_some_and(|f| f.refusal.is_none()) && files(n));
        (close && !waits && !self.topics.is_closed(thread)).then_some(Call::CloseTopic {
            chat,
            thread: number,
            closed: true,
        })
    }

    /// The call that must come before this one: a topic that is closed is opened first.
    pub(super) fn reopening(&self, call: &Call) -> Option<Call> {
        let (chat, thread) = match call {
            Call::Post { to, .. } | Call::File { to, .. } => (to.chat, to.thread?),
            Call::Edit { .. }
            | Call::OpenTopic { .. }
            | Call::RenameTopic { .. }
            | Call::CloseTopic { .. } => return None,
        };
        self.topics.is_closed((chat, thread)).then_some(Call::CloseTopic {
            chat,
            thread,
            closed: false,
        })
    }

    /// A topic was opened for a task: from now on the task lives in it.
    pub(super) async fn opened(&mut self, task: &TaskId, chat: Chat, thread: ThreadId) {
        let asked = self.homes.get(task).map(|home| (home.place, home.asked));
        let Some(detail) = self.detail(task).await else { return };
        let title = self.title(&detail.task);
        let shown = name(&title, &detail.task);
        self.enter(task, chat, thread);
        let made = Made { title: title.clone(), latest: task.clone(), name: Some(shown) };
        self.topics.made.insert((chat, thread), made);
        if let Some((place, asked)) = asked {
            let words = Rich::new()
                .plain("Task ")
                .styled(Style::Code, task.as_str())
                .plain(&format!(" has a {} of its own: {title}", self.traits.thread));
            self.say_quietly(place, asked, words);
        }
    }

    /// A topic looks as was wanted.
    pub(super) fn changed_topic(&mut self, chat: Chat, change: Change, task: Option<&TaskId>) {
        match change {
            Change::Named(thread, name) => {
                if let Some(made) = self.topics.made.get_mut(&(chat, thread)) {
                    made.name = Some(name);
                }
                if let Some(task) = task {
                    self.retitle(task);
                }
            }
            Change::Closed(thread, true) => {
                self.topics.closed.insert((chat, thread));
            }
            Change::Closed(thread, false) => {
                self.topics.closed.remove(&(chat, thread));
            }
        }
    }

    /// A chat will have no topics of ours.
    pub(super) fn bar_topics(&mut self, chat: Chat) {
        self.topics.barred.insert(chat);
    }

    /// Somebody closed a topic. One of a task is opened again for what has to be said in it; any
    /// other is left to whoever closed it.
    pub(super) async fn found_closed(&mut self, chat: Chat, thread: ThreadId) {
        if self.topics.made.contains_key(&(chat, thread)) {
            self.topics.closed.insert((chat, thread));
        } else {
            self.topic_gone(chat, thread).await;
        }
    }

    /// A topic is gone: everything that lives in it goes on in the chat itself.
    pub(super) async fn topic_gone(&mut self, chat: Chat, thread: ThreadId) {
        if !self.topics.gone.insert((chat, thread)) {
            return;
        }
        tracing::info!(%chat, thread = thread.0, "a topic is gone; its tasks go on in the chat itself");
        self.topics.made.remove(&(chat, thread));
        self.topics.closed.remove(&(chat, thread));
        let there = |place: Place| place.chat == chat && place.thread == Some(thread);
        let lost: Vec<_> = self
            .homes
            .iter_mut()
            .filter(|(_, home)| there(home.place))
            .map(|(task, home)| {
                home.place.thread = None;
                home.asked = None;
                task.clone()
            })
            .collect();
        for task in lost {
            let own = matches!(self.at_home(&task, TOPIC),
                Some(Copied::There { message, .. }) if message.number == thread.0);
            if own {
                self.set_shown(&task, TOPIC, chat, Copied::Refused);
                let why = "the topic is gone".to_owned();
                let note = ChatNote::NotSent { key: TOPIC.into(), chat: chat.to_string(), why };
                self.note(&task, note).await;
            }
        }
    }

    fn enter(&mut self, task: &TaskId, chat: Chat, thread: ThreadId) {
        if let Some(home) = self.homes.get_mut(task)
            && home.place.chat == chat
            && home.place.thread.is_none()
        {
            home.place.thread = Some(thread);
            // It stayed behind where it was said, and answers do not reach over topics.
            home.asked = None;
        }
    }

    fn title(&self, task: &Task) -> String {
        let (spec, most) = (task.spec(), self.traits.thread_name);
        let words = one_line(&spec.text, most);
        let files = || spec.attachments.iter().map(|file| file.name.as_str()).collect::<Vec<_>>();
        let words = if words.is_empty() { one_line(&files().join(", "), most) } else { words };
        format!("{} · {words}", task.id())
    }

    fn thread_of(&self, task: &TaskId) -> Option<Thread> {
        let place = self.homes.get(task)?.place;
        Some((place.chat, place.thread?))
    }
}

/// What a topic is called: how its task stands, and what the topic was opened for.
fn name(title: &str, task: &Task) -> String {
    let mark = match (task.state(), task.outcome()) {
        (_, Some((Outcome::Succeeded, _))) => "✅",
        (_, Some((Outcome::Cancelled, _))) => "⏹",
        (_, Some(_)) => "❌",
        (State::AwaitingApproval | State::AwaitingWords, None) => "❓",
        (_, None) => "⏳",
    };
    format!("{mark} {title}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_wanted_only_where_there_are_topics_and_none_was_chosen() {
        let (group, person) = (Chat::Group(5), Chat::Person(5));
        let place = |chat, thread: Option<u64>, has_threads| Place {
            chat,
            thread: thread.map(ThreadId),
            has_threads,
        };
        let topics = Topics::new(true, false);
        assert!(topics.is_wanted(place(group, None, true)));
        assert!(!topics.is_wanted(place(group, Some(7), true)), "it stays where it was asked");
        assert!(
            !topics.is_wanted(place(group, None, false))
                && !topics.is_wanted(place(person, None, false))
        );
        assert!(Topics::new(true, true).is_wanted(place(person, None, false)));
        assert!(!Topics::new(false, true).is_wanted(place(group, None, true)));
    }
}
