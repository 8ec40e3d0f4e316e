//! One conversation with a program that names its conversations itself, over as many runs as it
//! takes.

use gatepost_domain::dispatch::Left;
use serde::Deserialize;
use serde::Serialize;

use crate::agent::AgentError;
use crate::agent::Brief;
use crate::agent::Resume;
use crate::agent::Words;

/// What people are told when a conversation cannot be taken up.
pub(crate) const ANEW: &str = "the program had kept nothing of its session when it was cut off, so \
    it begins the task anew";

/// A thread and how far it has come.
#[derive(Debug)]
pub(crate) struct Thread {
    /// Its id, once the program has given it one.
    id: Option<String>,
    /// The one to be taken up, until that is done or has failed.
    resume: Option<String>,
    /// How it was left.
    left: Left,
    workspace: String,
    asked: String,
    messages: Vec<String>,
    /// Messages of people, after the first, that it has been told.
    heard: usize,
}

/// Something that is said to a program.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) by: Speaker,
}

/// Whose words they are; only those of people are counted as heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaker {
    Person,
    Gatepost,
}

/// What a later run needs to take it up.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Key {
    thread: String,
    heard: usize,
}

impl Thread {
    /// The thread of a run.
    ///
    /// # Errors
    /// [`AgentError::Resume`] when the resume key is none of this agent's.
    pub(crate) fn of(brief: &Brief) -> Result<Self, AgentError> {
        let (key, left) = match &brief.resume {
            // One that was cut off before it had a thread begins like a new one.
            None => (Key { thread: String::new(), heard: 0 }, Left::default()),
            Some(Resume { key, left }) => (
                serde_json::from_str(key).map_err(|error| AgentError::Resume(error.to_string()))?,
                *left,
            ),
        };
        Ok(Self {
            id: None,
            resume: (!key.thread.is_empty()).then_some(key.thread),
            left,
            workspace: brief.workspace.clone(),
            asked: brief.asked.whole(),
            messages: brief.messages.iter().map(Words::whole).collect(),
            heard: key.heard,
        })
    }

    /// The directory it works in.
    pub(crate) fn workspace(&self) -> &str {
        &self.workspace
    }

    /// Its id, if it has one.
    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The one to be taken up.
    pub(crate) fn resumes(&self) -> Option<&str> {
        self.resume.as_deref()
    }

    /// The program has it. What is said to it first.
    pub(crate) fn began(&mut self, id: &str) -> Vec<Said> {
        self.id = Some(id.to_owned());
        let (first, skip) = match self.resume.take() {
            Some(_) => (Resume::words(self.left).map(str::to_owned), self.heard),
            None => (Some(self.asked.clone()), 0),
        };
        let rest = self.messages.iter().skip(skip).cloned();
        // What is said here is counted here.
        let said = first.into_iter().chain(rest);
        let said = said.map(|text| Said { text, by: Speaker::Gatepost }).collect();
        self.heard = self.messages.len();
        said
    }

    /// The one that should have been taken up is lost.
    pub(crate) fn lost(&mut self) {
        self.resume = None;
        self.heard = 0;
    }

    /// Something more was told.
    pub(crate) fn told(&mut self, by: Speaker) {
        match by {
            Speaker::Person => self.heard += 1,
            Speaker::Gatepost => {}
        }
    }

    /// What a later run needs to take it up.
    pub(crate) fn key(&self) -> String {
        let thread = self.id.as_ref().or(self.resume.as_ref()).cloned().unwrap_or_default();
        // Text and a number always have a JSON form.
        serde_json::to_string(&Key { thread, heard: self.heard }).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brief(key: Option<String>, left: Left, messages: &[&str]) -> Brief {
        Brief {
            run: "k7m2qd/1".into(),
            asked: "do it".into(),
            messages: messages.iter().map(|text| Words::from(*text)).collect(),
            workspace: "/srv/demo".into(),
            resume: key.map(|key| Resume { key, left }),
        }
    }

    fn texts(said: Vec<Said>) -> Vec<String> {
        said.into_iter().map(|said| said.text).collect()
    }

    #[test]
    fn a_thread_is_taken_up_and_told_only_what_it_has_not_heard() {
        let mut first = Thread::of(&brief(None, Left::Waiting, &["one"])).unwrap();
        assert_eq!(texts(first.began("t1")), ["do it", "one"]);
        first.told(Speaker::Gatepost);
        first.told(Speaker::Person);
        for left in [Left::Waiting, Left::Ended, Left::Cut] {
            let messages = ["one", "two", "three"];
            let mut second = Thread::of(&brief(Some(first.key()), left, &messages)).unwrap();
            assert_eq!(second.resumes(), Some("t1"));
            let said: Vec<_> = Resume::words(left).into_iter().chain(["three"]).collect();
            assert_eq!(texts(second.began("t1")), said);
            assert_eq!(second.key(), r#"{"thread":"t1","heard":3}"#);
        }
    }

    #[test]
    fn a_lost_thread_begins_anew_with_everything() {
        let key = r#"{"thread":"t1","heard":1}"#.to_owned();
        let mut thread = Thread::of(&brief(Some(key), Left::Ended, &["one"])).unwrap();
        assert_eq!(thread.key(), r#"{"thread":"t1","heard":1}"#, "until it is known to be lost");
        thread.lost();
        assert_eq!(texts(thread.began("t2")), ["do it", "one"]);
        let left = Left::Waiting;
        let before = Thread::of(&brief(None, left, &[])).unwrap().key();
        assert!(Thread::of(&brief(Some(before), left, &[])).unwrap().resumes().is_none());
        let of_another = Thread::of(&brief(Some("x".into()), left, &[]));
        assert!(matches!(of_another, Err(AgentError::Resume(_))));
    }
}
