//! The checks at the door that need no state: what is refused here never reaches the loop.

use gatepost_domain::Principal;
use gatepost_domain::TaskSpec;
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
    let NewTask { text, project, agent, mode, origin } = task;
    check_text("task", &text)?;
    let (project, project_path) = self::project(config, project.as_deref())?;
    Ok(TaskSpec {
        text,
        project,
        project_path,
        agent: self::agent(config, agent)?,
        mode: mode.unwrap_or(config.default_mode),
        requester,
        retry_of: None,
        origin,
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
    };
    Ok(TaskSpec { retry_of: Some(retry_of), ..spec(config, requester, task)? })
}

/// A text that says something and that every part of Gatepost can carry. `what` is its word.
pub(crate) fn check_text(what: &str, text: &str) -> Result<(), RequestError> {
    if text.trim().is_empty() {
        return Err(invalid(format!("the {what} is empty"), "say what should be done"));
    }
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
