//! The desk: the one owner of what the adapter knows. Everything reaches it as a message.
//!
//! It decides nothing about tasks. It checks who somebody is, passes their wish to the hub, and
//! tells people what the hub's records say. What it shows is made at the moment it is sent, from
//! the task as it is then, so a card cannot say what is no longer true.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use gatepost_chat::command::Target;
use gatepost_chat::copies::Copies;
use gatepost_chat::outbox::Outbox;
use gatepost_chat::outbox::Parcel;
use gatepost_chat::outbox::Step;
use gatepost_chat::outbox::Urgency;
use gatepost_chat::pairing::Pairing;
use gatepost_chat::people::Asking;
use gatepost_chat::people::People;
use gatepost_chat::port::Hub;
use gatepost_chat::port::Reply;
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
use gatepost_domain::principal::Principal;
use gatepost_domain::request::RequestError;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::desk::albums::Albums;
use crate::desk::files::Again;
use crate::desk::files::Fetched;
use crate::desk::topics::Change;
use crate::desk::topics::Topics;
use crate::inbound::Inbound;
use crate::inbound::Said;
use crate::intake::Delivered;
use crate::place::Chat;
use crate::place::MessageId;
use crate::place::Place;
use crate::place::ThreadId;
use crate::settings::Beginning;
use crate::settings::Sources;
use crate::surface::Done;
use crate::surface::Surface;
use crate::surface::Traits;
use crate::transcribe::Transcriber;

mod albums;
mod ask;
mod commands;
mod draft;
mod fetch;
mod files;
mod going_on;
mod keys;
mod late;
mod notice;
mod open;
mod owed;
mod recall;
mod said;
mod stray;
mod suggest;
mod tap;
mod tell;
mod topics;

use late::Late;
use notice::Notice;
use notice::Notices;
use owed::Owed;
use stray::Stray;

/// How long what is being sent may still take when Gatepost ends.
const GRACE: Duration = Duration::from_secs(3);

/// After this the tasks are read again, when that failed.
const AGAIN: Duration = Duration::from_secs(2);

/// How many results of sending may wait for the desk; one a chat is under way at a time.
const TOLD: usize = 64;

/// Begins the key of the prompt for another form of an action.
const FORM_KEY: &str = "form:";

/// The key of the prompt for another form of an action.
fn form_key(approval: &ApprovalId) -> String {
    format!("{FORM_KEY}{approval}")
}

/// What a message is about; rendered when it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Op {
    /// A task's live card.
    Card(TaskId),
    /// A question, open or settled.
    Question(TaskId, ApprovalId),
    /// What a finished task came to.
    Result(TaskId),
    /// A message in which a task does not speak any more: its last word, without buttons.
    Stray(Stray),
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
    /// The prompt for another form of an action.
    AskForm(TaskId, ApprovalId),
    /// The form that somebody gave an action, with the button that approves it.
    Edited(TaskId, ApprovalId, String),
    /// Every open question, in a new message for whoever asked for it.
    Open {
        /// What it answers.
        reply: MessageId,
        /// The topic, where the chat has topics.
        thread: Option<ThreadId>,
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
        reply: Option<MessageId>,
        /// The topic, where the chat has topics.
        thread: Option<ThreadId>,
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
        reply: Option<MessageId>,
        /// The topic, where the chat has topics.
        thread: Option<ThreadId>,
    },
}

impl Op {
    /// How much it matters where somebody waits for it.
    fn awaited(&self) -> Urgency {
        match self {
            Self::Question(..) | Self::Prompt(..) | Self::AskForm(..) | Self::Edited(..) => {
                Urgency::Question
            }
            Self::Result(_) => Urgency::Final,
            _ => Urgency::Loud,
        }
    }
}

/// Where a task's messages are.
#[derive(Debug, Clone)]
struct Home {
    place: Place,
    /// The message that asked for the task.
    asked: Option<MessageId>,
    /// The private chat of whoever asked for it.
    asker: Option<Chat>,
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
    chat: Chat,
    /// The message of a task that it was, if it was one.
    key: Option<(TaskId, String)>,
    /// The part of the task's life in which it was sent.
    part: usize,
    /// A print of what was said.
    print: u64,
    /// The parcel, for when it must be tried again in another form.
    op: Op,
    edited: bool,
    /// Whether it says what it will say for good.
    last: bool,
    /// What was done to a topic, if that was it.
    change: Option<Change>,
    /// The messages that it answers, which were owed that.
    paid: Vec<Said>,
    done: Done<Option<MessageId>>,
}

/// The desk.
struct Desk {
    hub: Arc<dyn Hub>,
    surface: Arc<dyn Surface>,
    traits: Traits,
    bot: Bot,
    groups: Groups,
    people: People,
    pairing: Pairing,
    mint: Mint,
    outbox: Outbox<Op>,
    homes: BTreeMap<TaskId, Home>,
    /// Who asked for tasks of other platforms on which people are linked.
    away: BTreeMap<TaskId, Principal>,
    /// Where the messages of tasks are, those of tasks that live elsewhere as well.
    copies: BTreeMap<TaskId, Copies<Chat, MessageId>>,
    /// The latest list of open questions of each chat.
    lists: BTreeMap<Chat, open::Listing>,
    asking: Asking,
    hours: Hours,
    /// The denial that somebody began in a chat, and whose reason is not said yet.
    begun_denials: BTreeMap<(Chat, Principal), (TaskId, ApprovalId)>,
    /// Who has begun to change what an open question is about, and where.
    begun_edits: BTreeSet<(Chat, Principal, ApprovalId)>,
    /// Which message belongs to what, for replies.
    messages: BTreeMap<(Chat, MessageId), Target>,
    preferences: BTreeMap<Chat, Preference>,
    /// Messages with buttons that belong to no task.
    notices: Notices,
    /// What came while nobody listened.
    late: Late,
    /// What waited longer is not run without another word.
    hold_after: Duration,
    /// Groups that moved, by their old id.
    moves: BTreeMap<Chat, Chat>,
    /// Answers that wait to be sent.
    owed: Owed,
    /// Messages that answer what is still under way.
    early: Vec<(Said, oneshot::Sender<()>)>,
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
pub struct Parts<S> {
    /// The hub.
    pub hub: Arc<dyn Hub>,
    /// The platform, as it is written to.
    pub surface: S,
    /// What the platform is like.
    pub traits: Traits,
    /// The bot.
    pub bot: Bot,
    /// Which groups are listened to.
    pub groups: Groups,
    /// Who may do what, and what holds for all chats.
    pub beginning: Beginning,
    /// What the secret of the buttons follows from: it outlives the process, and only the bot has
    /// it.
    pub seed: String,
    /// Where what runs on the side is known.
    pub tracker: TaskTracker,
    /// Cancelled when the desk is to end.
    pub stop: CancellationToken,
}

impl<S> fmt::Debug for Parts<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { traits, bot, groups, .. } = self;
        f.debug_struct("Parts")
            .field("traits", traits)
            .field("bot", bot)
            .field("groups", groups)
            .finish_non_exhaustive()
    }
}

/// Who the bot is on its platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bot {
    /// Its name, without `@`.
    pub name: String,
    /// Its number.
    pub id: u64,
}

/// Which groups are listened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Groups {
    /// These.
    Named(BTreeSet<Chat>),
    /// All that the platform's crate lets through.
    All,
}

impl Groups {
    fn contains(&self, chat: Chat) -> bool {
        match self {
            Self::Named(groups) => groups.contains(&chat),
            Self::All => !chat.is_private(),
        }
    }

    fn moved(&mut self, from: Chat, to: Chat) {
        if let Self::Named(groups) = self
            && groups.remove(&from)
        {
            groups.insert(to);
        }
    }
}

/// Serves until told to stop.
pub async fn serve(parts: Parts<impl Surface>, mut inbox: mpsc::Receiver<Delivered>) {
    let (told, mut results) = mpsc::channel(TOLD);
    let (fetched, mut files) = mpsc::channel(TOLD);
    let Parts { hub, surface, traits, bot, groups, beginning, seed, tracker, stop } = parts;
    let Beginning {
        people,
        hours,
        pairing,
        asking,
        hold_after,
        max_file,
        transcriber,
        threads,
        sources,
    } = beginning;
    let mut desk = Desk {
        hub,
        surface: Arc::new(surface),
        bot,
        groups,
        people,
        pairing,
        mint: Mint::new(&seed),
        outbox: Outbox::resumed(traits.pace),
        homes: BTreeMap::new(),
        away: BTreeMap::new(),
        copies: BTreeMap::new(),
        lists: BTreeMap::new(),
        asking,
        hours,
        begun_denials: BTreeMap::new(),
        begun_edits: BTreeSet::new(),
        messages: BTreeMap::new(),
        preferences: BTreeMap::new(),
        notices: Notices::default(),
        late: Late::default(),
        hold_after,
        moves: BTreeMap::new(),
        owed: Owed::default(),
        early: Vec::new(),
        sources,
        begun: Instant::now(),
        said: 0,
        told,
        albums: Albums::default(),
        again: Again::default(),
        topics: Topics::new(threads, traits.private_threads),
        leaving: BTreeSet::new(),
        max_file: max_file.min(traits.fetch),
        transcriber,
        fetched,
        traits,
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
        let mut alerts = self.hub.alerts();
        while !stop.is_cancelled() {
            // Watching begins before reading, so that nothing falls between the two.
            let mut news = self.hub.watch();
            if let Err(error) = self.recall(first).await {
                tracing::error!(%error, "the tasks cannot be read; the desk tries again");
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
                    Some(words) = alerts.next() => self.alert(&words),
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
            Inbound::Pressed(pressed) => {
                self.pressed(pressed, taken).await;
                return;
            }
            Inbound::Suggest(suggest) => self.suggest(suggest).await,
            Inbound::ThreadGone { chat, thread } => {
                self.topic_gone(chat, thread).await;
                Ok(())
            }
            Inbound::Belongs { who, groups } => {
                let who = self.person(who);
                self.people.belongs(&who, groups.iter().map(u64::to_string));
                Ok(())
            }
            Inbound::Reachable(chat) => {
                self.reachable_now(chat);
                Ok(())
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
        if let Event::ChatNoted { platform, note } = &record.event {
            if *platform == self.traits.platform {
                self.vouched(note).await;
            } else {
                self.people.recall(note);
            }
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
                    self.send_outbox(task, 0);
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
            | Event::BudgetRaised { .. }
            | Event::ActionStarted { .. }
            | Event::ActionFinished { .. }
            | Event::ActionRefused { .. }
            | Event::ResultFlagged { .. }
            | Event::DenialCleared { .. }
            | Event::CancelRequested { .. }
            | Event::WordsAwaited { .. }
            | Event::RunSuspended { .. }
            | Event::ResumeRequested { .. }
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
    fn push_to(&mut self, chat: Chat, slot: &str, urgency: Urgency, content: Op) {
        let (group, slot) = (!chat.is_private(), slot.to_owned());
        self.outbox.push(Parcel { chat: chat.to_string(), group, slot, urgency, content });
    }

    fn home_chat(&self, task: &TaskId) -> Option<Chat> {
        self.homes.get(task).map(|home| home.place.chat)
    }

    /// Queues words for a chat.
    fn say(&mut self, place: Place, reply: Option<MessageId>, text: Rich) {
        self.say_in_pieces(place, reply, &text, false);
    }

    fn say_quietly(&mut self, place: Place, reply: Option<MessageId>, text: Rich) {
        self.say_in_pieces(place, reply, &text, true);
    }

    fn say_in_pieces(&mut self, place: Place, reply: Option<MessageId>, text: &Rich, silent: bool) {
        for text in text.split(self.traits.text) {
            self.speak(place, None, Op::Say { text, reply, thread: place.thread, silent });
        }
    }

    /// Queues something for a chat, in a slot of its own or in a named one.
    fn speak(&mut self, place: Place, slot: Option<&str>, content: Op) {
        self.said += 1;
        let slot = slot.map_or_else(|| format!("said/{}", self.said), str::to_owned);
        self.outbox.push(Parcel {
            chat: place.chat.to_string(),
            group: !place.chat.is_private(),
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
    async fn moved(&mut self, from: Chat, to: Chat) -> Result<(), RequestError> {
        if from == to || !self.groups.contains(from) {
            return Ok(());
        }
        let note = ChatNote::ChatMoved { from: from.to_string(), to: to.to_string() };
        self.record(None, note).await?;
        self.follow(from, to);
        Ok(())
    }

    fn follow(&mut self, from: Chat, to: Chat) {
        self.groups.moved(from, to);
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

    /// Records something; it is durable when this is ready.
    fn record(&self, task: Option<TaskId>, note: ChatNote) -> Reply<()> {
        self.hub.note(self.traits.platform, task, note)
    }

    fn person(&self, id: u64) -> Principal {
        Principal { platform: self.traits.platform, id: id.to_string() }
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
