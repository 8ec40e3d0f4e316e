//! The desk: the one owner of what the adapter knows. Everything reaches it as a message.
//!
//! It decides nothing about tasks. It checks who somebody is, passes their wish to the hub, and
//! tells people what the hub's records say. What it shows is made at the moment it is sent, from
//! the task as it is then, so a card cannot say what is no longer true.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use gatepost_chat::command::Target;
use gatepost_chat::copies::Copies;
use gatepost_chat::outbox::Outbox;
use gatepost_chat::outbox::Pace;
use gatepost_chat::outbox::Parcel;
use gatepost_chat::outbox::Step;
use gatepost_chat::outbox::Urgency;
use gatepost_chat::pairing::Pairing;
use gatepost_chat::people::Asking;
use gatepost_chat::people::People;
use gatepost_chat::port::Hub;
use gatepost_chat::quiet::Hours;
use gatepost_chat::report::Reader;
use gatepost_chat::rich::Rich;
use gatepost_chat::token::Mint;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::event::Event;
use gatepost_domain::event::Record;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::TaskId;
use gatepost_domain::mode::Mode;
use gatepost_domain::principal::Platform;
use gatepost_domain::principal::Principal;
use gatepost_domain::request::RequestError;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::api::Api;
use crate::api::Done;
use crate::desk::files::Again;
use crate::desk::files::Albums;
use crate::desk::files::Fetched;
use crate::desk::topics::Change;
use crate::desk::topics::Topics;
use crate::entities::LIMIT;
use crate::inbound::Inbound;
use crate::inbound::Place;
use crate::inbound::Said;
use crate::poll::Delivered;
use crate::settings::Sources;
use crate::transcribe::Transcriber;

mod ask;
mod commands;
pub(crate) mod files;
mod keys;
mod late;
mod notice;
mod open;
mod recall;
mod said;
mod tap;
mod tell;
mod topics;

use late::Late;
use notice::Notice;
use notice::Notices;

/// Telegram's limits for one bot: about one message a second in a chat, 20 a minute in a group,
/// 30 a second over all (<https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this>).
/// A little slower, because clocks differ.
const PACE: Pace = Pace {
    person: Duration::from_millis(1050),
    group: Duration::from_millis(3050),
    all: Duration::from_millis(40),
};

/// How long what is being sent may still take when Gatepost ends.
const GRACE: Duration = Duration::from_secs(3);

/// After this the tasks are read again, when that failed.
const AGAIN: Duration = Duration::from_secs(2);

/// How many results of sending may wait for the desk; one a chat is under way at a time.
const TOLD: usize = 64;

/// What a message is about; rendered when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Op {
    /// A task's live card.
    Card(TaskId),
    /// A question, open or settled.
    Question(TaskId, ApprovalId),
    /// What a finished task came to.
    Result(TaskId),
    /// A file that a finished task left for the chat, by its number.
    Outbox(TaskId, usize),
    /// A task's topic is to be opened.
    Topic(TaskId),
    /// A task's topic is to look as the task stands.
    TopicState(TaskId),
    /// A message of a task may not have arrived; a button brings it.
    Nudge(TaskId, String),
    /// A message with buttons that belongs to no task.
    Notice(Notice),
    /// The prompt for the reason of a denial.
    Prompt(TaskId, ApprovalId),
    /// Every open question, in a new message for whoever asked for it.
    Open {
        /// What it answers.
        reply: i32,
        /// The topic, where the chat has topics.
        thread: Option<i32>,
        /// Whether whoever asked may deny them.
        approver: bool,
    },
    /// The chat's list of open questions, as they are now.
    Relist,
    /// Words, once.
    Say {
        /// The words.
        text: Rich,
        /// What they answer.
        reply: Option<i32>,
        /// The topic, where the chat has topics.
        thread: Option<i32>,
        /// Whether they ring.
        silent: bool,
    },
    /// A text file, once.
    File {
        /// Its name.
        name: &'static str,
        /// Its text.
        text: String,
        /// What it is.
        about: String,
        /// What it answers.
        reply: Option<i32>,
        /// The topic, where the chat has topics.
        thread: Option<i32>,
    },
}

impl Op {
    /// How much it matters where somebody waits for it.
    fn awaited(&self) -> Urgency {
        if matches!(self, Self::Question(..) | Self::Prompt(..)) {
            Urgency::Question
        } else {
            Urgency::Loud
        }
    }
}

/// Where a task's messages are.
#[derive(Debug, Clone)]
struct Home {
    place: Place,
    /// The message that asked for the task.
    asked: Option<i32>,
    /// How many tasks went before it when it was taken.
    ahead: usize,
}

/// What tasks of a chat get that name nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Preference {
    project: Option<String>,
    agent: Option<String>,
    mode: Option<Mode>,
}

/// What came of sending a parcel.
struct Told {
    chat: String,
    /// The message of a task that it was, if it was one.
    key: Option<(TaskId, String)>,
    /// A print of what was said.
    print: u64,
    /// The parcel, for when it must be tried again in another form.
    op: Op,
    edited: bool,
    /// Whether it says what it will say for good.
    last: bool,
    /// What was done to a topic, if that was it.
    change: Option<Change>,
    done: Done<Option<i32>>,
}

/// The desk.
pub(crate) struct Desk {
    hub: Arc<dyn Hub>,
    api: Api,
    bot: String,
    bot_id: u64,
    groups: BTreeSet<i64>,
    people: People,
    pairing: Pairing,
    mint: Mint,
    outbox: Outbox<Op>,
    homes: BTreeMap<TaskId, Home>,
    /// Where the messages of tasks are, those of tasks that live elsewhere as well.
    copies: BTreeMap<TaskId, Copies<i64, i32>>,
    /// The latest list of open questions of each chat.
    lists: BTreeMap<i64, open::Listing>,
    asking: Asking,
    hours: Hours,
    /// The denial that somebody began in a chat, and whose reason is not said yet.
    begun_denials: BTreeMap<(i64, Principal), (TaskId, ApprovalId)>,
    /// Which message belongs to what, for replies.
    messages: BTreeMap<(i64, i32), Target>,
    preferences: BTreeMap<i64, Preference>,
    /// Messages with buttons that belong to no task.
    notices: Notices,
    /// What came while nobody listened.
    late: Late,
    /// What waited longer is not run without another word.
    hold_after: Duration,
    /// Groups that moved, by their old id.
    moves: BTreeMap<i64, i64>,
    sources: Sources,
    begun: Instant,
    said: u64,
    told: mpsc::Sender<Told>,
    albums: Albums,
    /// Held messages whose files are being fetched once more.
    again: Again,
    topics: Topics,
    /// Tasks whose files follow their result.
    leaving: BTreeSet<TaskId>,
    /// The largest file that is fetched, in bytes.
    max_file: u64,
    /// What turns voice notes into words.
    transcriber: Option<Transcriber>,
    fetched: mpsc::Sender<Fetched>,
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// What the desk is made of.
pub(crate) struct Parts {
    pub(crate) hub: Arc<dyn Hub>,
    pub(crate) api: Api,
    pub(crate) bot: String,
    pub(crate) bot_id: u64,
    pub(crate) groups: BTreeSet<i64>,
    pub(crate) people: People,
    pub(crate) pairing: Pairing,
    pub(crate) mint: Mint,
    pub(crate) asking: Asking,
    pub(crate) hours: Hours,
    pub(crate) max_file: u64,
    pub(crate) transcriber: Option<Transcriber>,
    pub(crate) hold_after: Duration,
    /// Whether tasks get topics, and whether private chats have them.
    pub(crate) topics: bool,
    pub(crate) private_topics: bool,
    pub(crate) sources: Sources,
    pub(crate) tracker: TaskTracker,
    pub(crate) stop: CancellationToken,
}

/// Serves until told to stop.
pub(crate) async fn serve(parts: Parts, mut inbox: mpsc::Receiver<Delivered>) {
    let (told, mut results) = mpsc::channel(TOLD);
    let (fetched, mut files) = mpsc::channel(TOLD);
    let Parts {
        hub,
        api,
        bot,
        bot_id,
        groups,
        people,
        pairing,
        mint,
        asking,
        hours,
        max_file,
        transcriber,
        hold_after,
        topics,
        private_topics,
        sources,
        tracker,
        stop,
    } = parts;
    let mut desk = Desk {
        hub,
        api,
        bot,
        bot_id,
        groups,
        people,
        pairing,
        mint,
        outbox: Outbox::resumed(PACE),
        homes: BTreeMap::new(),
        copies: BTreeMap::new(),
        lists: BTreeMap::new(),
        asking,
        hours,
        begun_denials: BTreeMap::new(),
        messages: BTreeMap::new(),
        preferences: BTreeMap::new(),
        notices: Notices::default(),
        late: Late::default(),
        hold_after,
        moves: BTreeMap::new(),
        sources,
        begun: Instant::now(),
        said: 0,
        told,
        albums: Albums::default(),
        again: Again::default(),
        topics: Topics::new(topics, private_topics),
        leaving: BTreeSet::new(),
        max_file,
        transcriber,
        fetched,
        tracker,
        stop: stop.clone(),
    };
    desk.work(&mut inbox, &mut results, &mut files, &stop).await;
    desk.wind_down(&mut results).await;
}

impl Desk {
    /// Serves until told to stop.
    async fn work(
        &mut self,
        inbox: &mut mpsc::Receiver<Delivered>,
        results: &mut mpsc::Receiver<Told>,
        files: &mut mpsc::Receiver<Fetched>,
        stop: &CancellationToken,
    ) {
        let mut first = true;
        while !stop.is_cancelled() {
            // Watching begins before reading, so that nothing falls between the two.
            let mut news = self.hub.watch();
            if let Err(error) = self.recall(first).await {
                tracing::error!(%error, "the tasks cannot be read; telegram tries again");
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(AGAIN) => continue,
                }
            }
            first = false;
            loop {
                self.take_albums().await;
                let wait = self.send_what_is_due().await;
                let wait = self.next_album().map_or(wait, |due| due.min(wait));
                tokio::select! {
                    // In this order: what was sent frees its chat, news come before new wishes.
                    biased;
                    () = stop.cancelled() => return,
                    Some(result) = results.recv() => self.settle(result).await,
                    record = news.next() => match record {
                        Some(record) => self.hear(&record).await,
                        None => break,
                    },
                    Some(fetched) = files.recv() => self.take_fetched(fetched).await,
                    Some(delivered) = inbox.recv() => self.take(delivered).await,
                    () = tokio::time::sleep_until(wait) => {}
                }
            }
            // A watcher that fell behind reads everything again.
        }
    }

    /// Waits a moment for what is being sent, so that the next start knows where it is.
    async fn wind_down(&mut self, results: &mut mpsc::Receiver<Told>) {
        let end = Instant::now() + GRACE;
        while self.outbox.is_sending() {
            match tokio::time::timeout_at(end, results.recv()).await {
                Ok(Some(result)) => self.settle(result).await,
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Deals with an update. Where the hub could not record it, the word is dropped and the update
    /// comes again.
    async fn take(&mut self, delivered: Delivered) {
        let Delivered { inbound, late, taken } = delivered;
        let dealt_with = match inbound {
            Inbound::Said(said) => return self.heard(Said { late, ..said }, taken).await,
            Inbound::CaughtUp(gap) => self.caught_up(gap).await,
            Inbound::Edited { place, message, from } => {
                self.edited(place, message, from);
                Ok(())
            }
            Inbound::Tap(tap) => {
                self.tap(tap, taken).await;
                return;
            }
            Inbound::Moved { from, to } => self.moved(from, to).await,
            Inbound::Other => Ok(()),
        };
        match dealt_with {
            Ok(()) => {
                let _the_poll_has_ended = taken.send(());
            }
            Err(error) => tracing::error!(%error, "an update waits: it could not be recorded"),
        }
    }

    /// Takes news of the hub.
    async fn hear(&mut self, record: &Record) {
        if let Event::ChatNoted { platform: Platform::Telegram, note } = &record.event {
            self.vouched(note).await;
            return;
        }
        let Some(task) = &record.task else { return };
        if let Event::TaskReceived { spec } = &record.event {
            self.adopt(task, spec);
        }
        self.push(task, "card", Urgency::Progress, Op::Card(task.clone()));
        self.hear_for_topic(task, &record.event);
        match &record.event {
            Event::ApprovalRequested { approval, .. } => self.ask(task, &approval.id),
            Event::ApprovalDecided { approval, .. } => {
                self.ask(task, approval);
                self.relist(approval);
            }
            Event::TaskFinished { .. } => {
                self.tell_result(task);
                if self.leaving.remove(task) {
                    self.push(task, &outbox_key(0), Urgency::Loud, Op::Outbox(task.clone(), 0));
                }
            }
            Event::DeliveryRequested { .. } | Event::DeliveryFinished { .. } => {
                self.tell_result(task);
            }
            Event::ChangesCollected { outbox, .. }
                if outbox.iter().any(|file| file.refusal.is_none()) =>
            {
                // They follow the result, which comes next.
                self.leaving.insert(task.clone());
            }
            Event::HubStarted { .. }
            | Event::TaskReceived { .. }
            | Event::TaskQueued {}
            | Event::RunStarted { .. }
            | Event::RunReady { .. }
            | Event::ModelUsed { .. }
            | Event::AgentReported { .. }
            | Event::Egress { .. }
            | Event::MessageReceived { .. }
            | Event::BoundarySet { .. }
            | Event::BoundaryLifted { .. }
            | Event::Verdict { .. }
            | Event::ActionStarted { .. }
            | Event::ActionFinished { .. }
            | Event::ActionRefused { .. }
            | Event::CancelRequested { .. }
            | Event::WordsAwaited { .. }
            | Event::RunSuspended { .. }
            | Event::RunEnded { .. }
            | Event::ChangesCollected { .. }
            | Event::ChatNoted { .. } => {}
        }
    }

    /// Queues a message of a task in the task's chat.
    fn push(&mut self, task: &TaskId, key: &str, urgency: Urgency, content: Op) {
        if let Some(chat) = self.home_chat(task) {
            self.push_to(chat, &format!("{task}/{key}"), urgency, content);
        }
    }

    /// Queues something for a chat, in a slot of the chat.
    fn push_to(&mut self, chat: i64, slot: &str, urgency: Urgency, content: Op) {
        // Private chats have their person's number, groups a negative one
        // (<https://core.telegram.org/bots/api#chat>).
        let (group, slot) = (chat < 0, slot.to_owned());
        self.outbox.push(Parcel { chat: chat.to_string(), group, slot, urgency, content });
    }

    fn home_chat(&self, task: &TaskId) -> Option<i64> {
        self.homes.get(task).map(|home| home.place.chat)
    }

    /// Queues words for a chat.
    fn say(&mut self, place: Place, reply: Option<i32>, text: Rich) {
        self.say_in_pieces(place, reply, &text, false);
    }

    fn say_quietly(&mut self, place: Place, reply: Option<i32>, text: Rich) {
        self.say_in_pieces(place, reply, &text, true);
    }

    fn say_in_pieces(&mut self, place: Place, reply: Option<i32>, text: &Rich, silent: bool) {
        for text in text.split(LIMIT) {
            self.speak(place, None, Op::Say { text, reply, thread: place.thread, silent });
        }
    }

    /// Queues something for a chat, in a slot of its own or in a named one.
    fn speak(&mut self, place: Place, slot: Option<&str>, content: Op) {
        self.said += 1;
        let slot = slot.map_or_else(|| format!("said/{}", self.said), str::to_owned);
        self.outbox.push(Parcel {
            chat: place.chat.to_string(),
            group: !place.private,
            slot,
            urgency: Urgency::Loud,
            content,
        });
    }

    /// Sends everything that is due, and says when to look again.
    async fn send_what_is_due(&mut self) -> Instant {
        loop {
            match self.outbox.next(self.now()) {
                Step::Send(parcel) => self.tell(parcel).await,
                Step::Wait(at) => return self.begun + at,
                // Anything that changes this wakes the loop by itself.
                Step::Idle => return Instant::now() + Duration::from_secs(3600),
            }
        }
    }

    /// A group that moved is still the group that was named.
    async fn moved(&mut self, from: i64, to: i64) -> Result<(), RequestError> {
        if from == to || !self.groups.remove(&from) {
            return Ok(());
        }
        let note = ChatNote::ChatMoved { from: from.to_string(), to: to.to_string() };
        self.hub.note(Platform::Telegram, None, note).await?;
        self.follow(from, to);
        Ok(())
    }

    fn follow(&mut self, from: i64, to: i64) {
        self.groups.remove(&from);
        self.groups.insert(to);
        self.moves.insert(from, to);
        for home in self.homes.values_mut().filter(|home| home.place.chat == from) {
            home.place.chat = to;
        }
        // The messages stayed behind in the old group and cannot be edited from the new one.
        for copies in self.copies.values_mut() {
            copies.forget_chat(from);
        }
        self.lists.remove(&from);
        if let Some(preference) = self.preferences.remove(&from) {
            self.preferences.insert(to, preference);
        }
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn reader(&self) -> Reader {
        let now = (self.sources.now)();
        Reader { now, offset: (self.sources.offset)(now) }
    }
}

fn outbox_key(number: usize) -> String {
    format!("outbox:{number}")
}

fn question_key(approval: &ApprovalId) -> String {
    format!("question:{approval}")
}

fn person(id: u64) -> Principal {
    Principal { platform: Platform::Telegram, id: id.to_string() }
}

/// Runs work of the side until it is done, or a moment after Gatepost was told to stop: what hangs
/// on a dead connection must not hold up its end.
async fn until_given_up(stop: CancellationToken, work: impl Future<Output = ()>) {
    let given_up = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = work => {}
        () = given_up => {}
    }
}
