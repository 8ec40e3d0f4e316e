//! Cards: what a task, a question and a result look like in every chat. All words are here.
//!
//! A card is data without layout. Its text is safe to show as it is: secrets are masked and
//! nothing in it is hidden (see [`crate::visible`]).

use gatepost_domain::Attachment;
use gatepost_domain::agent::Gating;
use gatepost_domain::event::Event;
use gatepost_domain::id::TaskId;
use gatepost_domain::lifecycle::State;
use gatepost_domain::lifecycle::Task;
use gatepost_domain::mode::Mode;
use gatepost_domain::outcome::Outcome;
use gatepost_domain::request::TaskDetail;
use gatepost_domain::summary::Summary;
use gatepost_domain::task::TaskSpec;
use jiff::Timestamp;
use serde::Serialize;

mod approval;
mod network;
mod open;
mod receipt;
mod result;
#[cfg(test)]
mod tests;
mod timeline;
mod veil;

pub use approval::ApprovalCard;
pub use approval::Settled;
pub use approval::receipt;
pub use network::words as network_words;
pub use open::OpenLine;
pub use open::denied_all;
pub use receipt::heard;
pub use receipt::queued;
pub use result::DiffLine;
pub use result::DiffSign;
pub use result::ResultCard;
pub use result::Row;
pub use result::Section;
pub use result::delivery_words;
pub use timeline::Denial;
pub use timeline::Entry;
pub use timeline::Speaker;
pub use timeline::flagged as flagged_words;

use crate::visible::one_line;
use crate::visible::prose;

/// How a line feels; a chat shows it by colour and always also by words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// Nothing to look at twice.
    Quiet,
    /// Work goes on.
    Busy,
    /// Somebody is waited for.
    Ask,
    /// It went well.
    Good,
    /// It went badly.
    Bad,
}

/// What a button does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Press {
    /// Run this action, once.
    ApproveOnce,
    /// Run it, and the very same again in this task.
    ApproveForTask,
    /// Change it, and run what it then is.
    Edit,
    /// Do not run it.
    Deny,
    /// Do not run it, and tell the agent why.
    DenyWithReason,
    /// Run nothing of what is listed above the button.
    DenyAll,
    /// Bring a message anew.
    Show,
    /// Stop the task.
    Stop,
    /// Write the changes into the project.
    Apply,
    /// Make a branch of the changes.
    Branch,
    /// Throw the changes away.
    Discard,
    /// Have a task that is over go on, with other words.
    Continue,
    /// Have an interrupted task go on where it was cut.
    Resume,
    /// Run the task again.
    RunAgain,
}

/// A button with its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Button {
    /// What it does.
    pub press: Press,
    /// What it says.
    pub label: &'static str,
}

/// A name and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// The name.
    pub label: String,
    /// The value.
    pub text: String,
}

/// A task in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskLine {
    /// Its id.
    pub id: TaskId,
    /// The beginning of what was asked.
    pub title: String,
    /// Where it is.
    pub state: State,
    /// That in words, or how it ended.
    pub words: String,
    /// How that feels.
    pub tone: Tone,
    /// The project's name.
    pub project: String,
    /// When it was handed over.
    pub created_at: Timestamp,
}

/// A task, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskCard {
    /// What the list shows too.
    #[serde(flatten)]
    pub line: TaskLine,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The project's directory, the agent, the mode, who asked.
    pub facts: Vec<Fact>,
    /// What happened, in order.
    pub entries: Vec<Entry>,
    /// What it came to, once it is over.
    pub result: Option<ResultCard>,
    /// What it changed.
    pub diff: Vec<DiffLine>,
    /// What the agent has asked, while it waits for a message.
    pub asks: Option<String>,
    /// Whether another message can be sent.
    pub takes_messages: bool,
    /// What can be done with it.
    pub buttons: Vec<Button>,
}

impl Press {
    /// The label; every chat shows the same.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::ApproveOnce => "Approve once",
            Self::ApproveForTask => "Approve for this task",
            Self::Edit => "Approve with changes",
            Self::Deny => "Deny",
            Self::DenyWithReason => "Deny with reason",
            Self::DenyAll => "Deny all",
            Self::Show => "Show it",
            Self::Stop => "Stop",
            Self::Apply => "Apply",
            Self::Branch => "Branch",
            Self::Discard => "Discard",
            Self::Continue => "Continue",
            Self::Resume => "Resume",
            Self::RunAgain => "Run again",
        }
    }
}

impl From<Press> for Button {
    fn from(press: Press) -> Self {
        Self { press, label: press.label() }
    }
}

impl Fact {
    pub(crate) fn new(label: impl Into<String>, text: impl Into<String>) -> Self {
        Self { label: label.into(), text: text.into() }
    }
}

impl TaskLine {
    /// A task's line.
    #[must_use]
    pub fn of(task: &Task) -> Self {
        let (words, tone) = match task.outcome() {
            Some((outcome, _)) => (outcome.as_str(), outcome_tone(outcome)),
            None => state_words(task.state()),
        };
        Self {
            id: task.id().clone(),
            title: title(task.spec()),
            state: task.state(),
            words: words.to_owned(),
            tone,
            project: prose(&task.spec().project),
            created_at: task.received_at(),
        }
    }
}

impl TaskCard {
    /// A task's card.
    #[must_use]
    pub fn of(detail: &TaskDetail) -> Self {
        let task = &detail.task;
        let spec = task.spec();
        let mut facts = vec![
            Fact::new(
                "Project",
                format!("{} ({})", prose(&spec.project), prose(&spec.project_path)),
            ),
            Fact::new("Agent", prose(&spec.agent)),
            Fact::new("Mode", format!("{}: {}", spec.mode, mode_in_words(spec.mode))),
            Fact::new("Asked by", spec.requester.to_string()),
        ];
        let gating = detail.records.iter().rev().find_map(|record| match &record.event {
            Event::RunReady { sandbox, .. } => Some(sandbox.gating),
            _ => None,
        });
        if let Some(warning) = gating.and_then(Gating::warning) {
            facts.push(Fact::new("Held by", warning));
        }
        if !spec.attachments.is_empty() {
            facts.push(Fact::new("Files", files(&spec.attachments)));
        }
        let mut bounds: Vec<&str> =
            task.boundaries().iter().map(|boundary| boundary.words.as_str()).collect();
        bounds.dedup();
        for words in bounds {
            facts.push(Fact::new("You said", format!("“{}”, which holds", one_line(words, 300))));
        }
        if let Some(before) = &spec.retry_of {
            facts.push(Fact::new("Runs again", before.to_string()));
        }
        let result = task
            .is_finished()
            .then(|| ResultCard::of(&Summary::of(&detail.records), task.delivery()));
        Self {
            line: TaskLine::of(task),
            outcome: task.outcome().map(|(outcome, _)| outcome),
            facts,
            entries: timeline::entries(task.id(), &detail.records),
            result,
            diff: detail.diff.as_deref().map(result::diff_lines).unwrap_or_default(),
            asks: task.awaits_words().map(prose),
            takes_messages: match task.state() {
                State::Received
                | State::Queued
                | State::Preparing
                | State::Running
                | State::AwaitingApproval
                | State::AwaitingWords
                | State::Finished => true,
                State::Cancelling | State::Finishing => false,
            },
            buttons: buttons(task).into_iter().map(Button::from).collect(),
        }
    }
}

/// What a task is called: its words, or its files where it has none.
fn title(spec: &TaskSpec) -> String {
    let words = one_line(&spec.text, 120);
    if !words.is_empty() {
        return words;
    }
    let names: Vec<_> = spec.attachments.iter().map(|file| file.name.as_str()).collect();
    one_line(&names.join(", "), 120)
}

/// What a mode means, for whoever chooses one.
#[must_use]
pub fn mode_in_words(mode: Mode) -> &'static str {
    match mode {
        Mode::Plan => "look only, change nothing",
        Mode::Manual => "ask before everything but reads",
        Mode::AcceptEdits => "edit files freely, ask before commands",
        Mode::Auto => "run what is contained, ask before what is risky",
        Mode::Unattended => "as auto, but refuse instead of asking",
        Mode::Bypass => "run everything that is not forbidden",
    }
}

fn state_words(state: State) -> (&'static str, Tone) {
    match state {
        State::Received | State::Queued => ("queued", Tone::Quiet),
        State::Preparing => ("preparing", Tone::Busy),
        State::Running => ("running", Tone::Busy),
        State::AwaitingApproval => ("waits for you", Tone::Ask),
        State::AwaitingWords => ("waits for your words", Tone::Ask),
        State::Cancelling => ("stopping", Tone::Busy),
        State::Finishing => ("collecting changes", Tone::Busy),
        State::Finished => ("finished", Tone::Quiet),
    }
}

/// Files that came along, by name and size.
fn files(attachments: &[Attachment]) -> String {
    let files: Vec<_> =
        attachments.iter().map(|file| format!("{} ({})", file.name, weight(file.size))).collect();
    files.join(", ")
}

/// A size in the unit people know it by.
pub(crate) fn weight(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..0x10_0000 => format!("{} KB", bytes.div_ceil(1024)),
        _ => format!("{} MB", bytes.div_ceil(0x10_0000)),
    }
}

/// How an outcome feels.
#[must_use]
pub fn outcome_tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Succeeded => Tone::Good,
        Outcome::Cancelled => Tone::Quiet,
        Outcome::Failed | Outcome::Denied | Outcome::Interrupted | Outcome::Lost => Tone::Bad,
    }
}

fn buttons(task: &Task) -> Vec<Press> {
    match task.state() {
        State::Received
        | State::Queued
        | State::Preparing
        | State::Running
        | State::AwaitingApproval
        | State::AwaitingWords => vec![Press::Stop],
        State::Cancelling | State::Finishing => Vec::new(),
        State::Finished => {
            let mut buttons = result::delivery_buttons(task.changes(), task.delivery());
            if let Some((Outcome::Interrupted, _)) = task.outcome() {
                buttons.push(Press::Resume);
            }
            buttons.push(Press::RunAgain);
            buttons
        }
    }
}
