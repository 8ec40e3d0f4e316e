//! The checks at the door that need no state: what is refused here never reaches the loop.

use gatepost_domain::Attachment;
use gatepost_domain::Message;
use gatepost_domain::Principal;
use gatepost_domain::TaskSpec;
use gatepost_domain::message::MAX_ATTACHMENTS;
use gatepost_domain::message::MAX_QUOTED;
use gatepost_domain::request::NewTask;
use gatepost_domain::request::RequestError;
use gatepost_domain::request::RequestErrorKind;
use gatepost_domain::task::MAX_TASK_TEXT;

use crate::config::HubConfig;

/// The longest reason of an answer, in bytes. It is shown on every card of the question and given
/// to the agent; what is longer is a message.
pub const MAX_REASON: usize = 4 * 1024;

/// A name further than this from what was typed is no help as a suggestion.
const LIKE: f64 = 0.7;

/// What was asked, with everything left out taken from the configuration.
pub(crate) fn spec(
    config: &HubConfig,
    requester: Principal,
    task: NewTask,
) -> Result<TaskSpec, RequestError> {
    let NewTask { text, project, agent, mode, origin, quoted, attachments } = task;
    let message = check_message("task", Message { text, quoted, attachments })?;
    let (project, project_path) = self::project(config, project.as_deref())?;
    Ok(TaskSpec {
        text: message.text,
        project,
        project_path,
        agent: self::agent(config, agent)?,
        mode: mode.unwrap_or(config.default_mode),
        requester,
        retry_of: None,
        origin,
        quoted: message.quoted,
        attachments: message.attachments,
    })
}

/// The same again, as the configuration has its project and agent now: a project that was taken
/// out of it is not run in any more.
pub(crate) fn again(
    config: &HubConfig,
    requester: Principal,
    before: &TaskSpec,
    retry_of: gatepost_domain::TaskId,
) -> Result<TaskSpec, RequestError> {
    let task = NewTask {
        text: before.text.clone(),
        project: Some(before.project.clone()),
        agent: Some(before.agent.clone()),
        mode: Some(before.mode),
        origin: None,
        quoted: before.quoted.clone(),
        attachments: before.attachments.clone(),
    };
    Ok(TaskSpec { retry_of: Some(retry_of), ..spec(config, requester, task)? })
}

/// A message that says something and that every part of Gatepost can carry. `what` is its word.
pub(crate) fn check_message(what: &str, message: Message) -> Result<Message, RequestError> {
    // A file says something by itself.
    if message.text.trim().is_empty() && message.attachments.is_empty() {
        return Err(invalid(format!("the {what} is empty"), "say what should be done"));
    }
    check_text(what, &message.text)?;
    if message.quoted.len() > MAX_QUOTED {
        let message = format!("the {what} quotes {} passages", message.quoted.len());
        return Err(invalid(message, format!("at most {MAX_QUOTED} are taken at once")));
    }
    message.quoted.iter().try_for_each(|quoted| check_text("quotation", &quoted.text))?;
    check_attachments(what, &message.attachments)?;
    Ok(message)
}

fn check_attachments(what: &str, attachments: &[Attachment]) -> Result<(), RequestError> {
    if attachments.len() > MAX_ATTACHMENTS {
        let message = format!("the {what} comes with {} files", attachments.len());
        return Err(invalid(message, format!("at most {MAX_ATTACHMENTS} are taken at once")));
    }
    match attachments.iter().find(|attachment| !attachment.is_sound()) {
        // The name is not repeated: it may be anything.
        Some(_) => Err(invalid(format!("a file of the {what} has no safe name"), "rename it")),
        None => Ok(()),
    }
}

/// A text that every part of Gatepost can carry.
pub(crate) fn check_text(what: &str, text: &str) -> Result<(), RequestError> {
    if text.len() > MAX_TASK_TEXT {
        let message =
            format!("the {what} has {} bytes; at most {MAX_TASK_TEXT} are taken", text.len());
        let hint = "put the long part into a file of the project and name the file";
        return Err(invalid(message, hint));
    }
    if text.contains('\0') {
        // No argument, file name or shell text can hold one, so it would be cut off silently.
        return Err(invalid(
            format!("the {what} holds a NUL character"),
            "leave it out; make binary files with a command such as printf",
        ));
    }
    Ok(())
}

/// Words that go with an answer; nothing but blanks is no words.
pub(crate) fn reason(reason: Option<String>) -> Result<Option<String>, RequestError> {
    let Some(text) = reason else { return Ok(None) };
    let text = text.trim();
    if text.len() > MAX_REASON {
        return Err(invalid(
            format!("the reason has {} bytes; at most {MAX_REASON} are taken", text.len()),
            "say it shorter, or send the long part as a message to the task",
        ));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn project(config: &HubConfig, name: Option<&str>) -> Result<(String, String), RequestError> {
    let Some(name) = name.or_else(|| config.default_project()) else {
        return Err(invalid(
            "there are several projects and none of them is the default",
            format!("name one of {}", listed(config.projects.keys())),
        ));
    };
    match config.projects.get(name).and_then(|path| path.to_str()) {
        Some(path) => Ok((name.to_owned(), path.to_owned())),
        None => Err(unknown("project", name, config.projects.keys())),
    }
}

fn agent(config: &HubConfig, name: Option<String>) -> Result<String, RequestError> {
    let name = name.unwrap_or_else(|| config.default_agent.clone());
    if config.agents.contains(&name) {
        Ok(name)
    } else {
        Err(unknown("agent", &name, config.agents.iter()))
    }
}

/// `there is no project `dmeo``, with the names that exist and the one that was probably meant.
fn unknown<'a>(
    what: &str,
    given: &str,
    names: impl Iterator<Item = &'a String> + Clone,
) -> RequestError {
    // A hostile name must not fill a screen: the first characters say enough.
    let given: String = given.chars().take(60).collect();
    let likeness = |name: &str| strsim::jaro_winkler(&given.to_lowercase(), &name.to_lowercase());
    let nearest = names
        .clone()
        .map(|name| (likeness(name), name))
        .filter(|(likeness, _)| *likeness >= LIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    let exist = listed(names);
    let hint = match nearest {
        Some((_, name)) => format!("did you mean `{name}`? there are {exist}"),
        None => format!("there are {exist}"),
    };
    invalid(format!("there is no {what} `{given}`"), hint)
}

fn listed<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn invalid(message: impl Into<String>, hint: impl Into<String>) -> RequestError {
    RequestError::new(RequestErrorKind::Invalid, message, hint)
}

#[cfg(test)]
mod tests;
