//! What people write, read once and the same way for every platform.
//!
//! INVARIANT (free text never decides): [`Intent`] has no way to say yes. Approving takes a press
//! on a button; a text can at most give the reason of a denial that a press has begun.

use std::str::FromStr;

use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::TaskId;
use gatepost_domain::mode::Mode;

use crate::quiet::Quiet;

/// Words for a new task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// The person's words, without the shortcuts.
    pub text: String,
    /// The project, by `#name` at the start.
    pub project: Option<String>,
    /// The agent, by `@name` at the start.
    pub agent: Option<String>,
}

/// What somebody wants to know or set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `/run TEXT`.
    Run(Words),
    /// `/tasks`.
    Tasks,
    /// `/status [TASK]`.
    Status(Option<TaskId>),
    /// `/approvals`: every open question.
    Approvals,
    /// `/cancel [TASK]`.
    Cancel(Option<TaskId>),
    /// `/mode [MODE]`.
    Mode(Option<Mode>),
    /// `/project [NAME]`.
    Project(Option<String>),
    /// `/agent [NAME]`.
    Agent(Option<String>),
    /// `/agents`: which there are, and what each lacks.
    Agents,
    /// `/diff [TASK]`.
    Diff(Option<TaskId>),
    /// `/log [TASK]`.
    Log(Option<TaskId>),
    /// `/grants`.
    Grants,
    /// `/quiet [HOURS]`: when the person's chat does not ring; none asks, and `off` ends it.
    Quiet(Option<Option<Quiet>>),
    /// `/who`.
    Who,
    /// `/help`.
    Help,
    /// `/start [CODE]`, which a link to the bot sends, and `/pair CODE`.
    Start(Option<String>),
}

/// A command for the platform's menu: its name and what it does.
pub const MENU: [(&str, &str); 14] = [
    ("run", "hand over a task"),
    ("tasks", "the latest tasks"),
    ("status", "how a task stands, with its open questions"),
    ("approvals", "every open question, and one button that denies them all"),
    ("cancel", "stop a task"),
    ("mode", "how much is decided without you, in this chat"),
    ("project", "the project of this chat's tasks"),
    ("agent", "the agent of this chat's tasks"),
    ("agents", "which agents there are, and what each lacks"),
    ("diff", "what a task changed"),
    ("log", "what a task did"),
    ("grants", "what holds for the rest of running tasks"),
    ("quiet", "when this chat does not ring: 22-7, 22-7 questions, off"),
    ("who", "who may do what here"),
];

/// What a message is a reply to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Any message of a task.
    Task(TaskId),
    /// The prompt that a press on `Deny with reason` brought up.
    Denial(TaskId, ApprovalId),
    /// The prompt that a press on [`crate::card::Press::Edit`] brought up.
    Edit(TaskId, ApprovalId),
}

/// What a message comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Intent {
    /// A new task.
    Task(Words),
    /// Another message to a task.
    Message {
        /// The task.
        task: TaskId,
        /// The words.
        text: String,
    },
    /// The reason of a denial that a press has begun.
    Deny {
        /// The task.
        task: TaskId,
        /// The question.
        approval: ApprovalId,
        /// The reason.
        reason: String,
    },
    /// Another form of an action, from somebody who has begun to change it. It decides nothing: it is
    /// shown to them, with a button.
    Edit {
        /// The task.
        task: TaskId,
        /// The question.
        approval: ApprovalId,
        /// The form.
        text: String,
    },
    /// A command.
    Command(Command),
    /// A command that cannot be read, with the sentence that says why.
    Wrong(String),
    /// Nothing for this bot.
    Nothing,
}

/// What a message comes to. `bot` is this bot's own name, without `@`; `projects` are the names
/// that `#name` may mean.
#[must_use]
pub fn read(text: &str, target: Option<&Target>, bot: &str, projects: &[String]) -> Intent {
    let text = without_mention(text.trim(), bot);
    if text.is_empty() {
        return Intent::Nothing;
    }
    if let Some(rest) = text.strip_prefix('/')
        && rest.starts_with(|c: char| c.is_ascii_alphabetic())
        && !is_path(rest)
    {
        return command(rest, target, bot, projects);
    }
    match target {
        Some(Target::Denial(task, approval)) => {
            Intent::Deny { task: task.clone(), approval: approval.clone(), reason: text.to_owned() }
        }
        Some(Target::Edit(task, approval)) => {
            Intent::Edit { task: task.clone(), approval: approval.clone(), text: text.to_owned() }
        }
        Some(Target::Task(task)) => Intent::Message { task: task.clone(), text: text.to_owned() },
        None => Intent::Task(words(text, projects)),
    }
}

/// Whether a text speaks to this bot, for groups: a command for it, or its name.
#[must_use]
pub fn addresses(text: &str, bot: &str) -> bool {
    let lower = text.to_lowercase();
    let name = format!("@{}", bot.to_lowercase());
    lower.match_indices(&name).any(|(at, _)| {
        let inside = |c: char| c.is_alphanumeric() || c == '_';
        let before = lower.get(..at).unwrap_or_default();
        let after = lower.get(at + name.len()..).unwrap_or_default();
        // Otherwise it is a part of another name, or of an address; a command may carry it.
        let own_word = !before.ends_with(inside)
            || before.rsplit(' ').next().is_some_and(|word| word.starts_with('/'));
        own_word && !after.starts_with(inside)
    })
}

/// `/usr/bin/env` begins like a command and is none.
fn is_path(rest: &str) -> bool {
    rest.split_whitespace().next().is_some_and(|word| word.contains('/'))
}

fn command(rest: &str, target: Option<&Target>, bot: &str, projects: &[String]) -> Intent {
    let (name, argument) = match rest.split_once(char::is_whitespace) {
        Some((name, argument)) => (name, argument.trim()),
        None => (rest, ""),
    };
    let name = match name.split_once('@') {
        Some((_, whose)) if !whose.eq_ignore_ascii_case(bot) => return Intent::Nothing,
        Some((name, _)) => name,
        None => name,
    };
    let given = (!argument.is_empty()).then(|| argument.to_owned());
    let task = || match (&given, target) {
        (Some(given), _) => parse(given).map(Some),
        (None, Some(Target::Task(task) | Target::Denial(task, _) | Target::Edit(task, _))) => {
            Ok(Some(task.clone()))
        }
        (None, None) => Ok(None),
    };
    let command = match name.to_ascii_lowercase().as_str() {
        "run" => match &given {
            Some(text) => Ok(Command::Run(words(text, projects))),
            None => Err("say what should be done: `/run` and then the task".into()),
        },
        "tasks" => Ok(Command::Tasks),
        "status" => task().map(Command::Status),
        "approvals" => Ok(Command::Approvals),
        "cancel" | "stop" => task().map(Command::Cancel),
        "mode" => given.as_deref().map(parse).transpose().map(Command::Mode),
        "project" => Ok(Command::Project(given)),
        "agent" => Ok(Command::Agent(given)),
        "agents" => Ok(Command::Agents),
        "diff" => task().map(Command::Diff),
        "log" => task().map(Command::Log),
        "grants" => Ok(Command::Grants),
        "quiet" => match given.as_deref() {
            None => Ok(Command::Quiet(None)),
            Some("off") => Ok(Command::Quiet(Some(None))),
            Some(hours) => parse(hours).map(|quiet| Command::Quiet(Some(Some(quiet)))),
        },
        "who" => Ok(Command::Who),
        "help" => Ok(Command::Help),
        "start" | "pair" => Ok(Command::Start(given)),
        _ => Err(format!("there is no `/{}`; `/help` lists what there is", short(name))),
    };
    match command {
        Ok(command) => Intent::Command(command),
        Err(wrong) => Intent::Wrong(wrong),
    }
}

fn parse<T>(text: &str) -> Result<T, String>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    text.trim_start_matches('#').parse().map_err(|error: T::Err| error.to_string())
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// In a group people write `@bot do this`; the name is how they call it, not part of the task.
fn without_mention<'t>(text: &'t str, bot: &str) -> &'t str {
    let Some(first) = text.split_whitespace().next() else { return text };
    match first.strip_prefix('@') {
        Some(name) if name.trim_end_matches([',', ':']).eq_ignore_ascii_case(bot) => {
            text.strip_prefix(first).unwrap_or(text).trim_start()
        }
        Some(_) | None => text,
    }
}

/// Takes `#project` and `@agent` off the start. Elsewhere they are words like any other, and
/// `#word` that names no project is one too.
fn words(text: &str, projects: &[String]) -> Words {
    let mut words = Words { text: text.trim().to_owned(), project: None, agent: None };
    loop {
        let first = words.text.split_whitespace().next().unwrap_or_default().to_owned();
        if words.project.is_none()
            && let Some(name) = first.strip_prefix('#')
            && projects.iter().any(|project| project == name)
        {
            words.project = Some(name.to_owned());
        } else if words.agent.is_none()
            && let Some(name) = first.strip_prefix('@')
            && !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        {
            words.agent = Some(name.to_owned());
        } else {
            return words;
        }
        let rest = words.text.strip_prefix(&first).unwrap_or_default().trim_start();
        words.text = rest.to_owned();
    }
}

#[cfg(test)]
mod tests;
