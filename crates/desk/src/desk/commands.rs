//! Commands: looking at tasks, stopping one, and what a chat's tasks get.

use gatepost_chat::card::TaskCard;
use gatepost_chat::card::TaskLine;
use gatepost_chat::card::mode_in_words;
use gatepost_chat::command::Command;
use gatepost_chat::copies::Copied;
use gatepost_chat::render;
use gatepost_chat::render::Standing;
use gatepost_chat::rich::Rich;
use gatepost_chat::rich::Style;
use gatepost_chat::rich::units;
use gatepost_domain::chat::ChatNote;
use gatepost_domain::id::TaskId;
use gatepost_domain::principal::Principal;
use gatepost_domain::principal::Role;
use gatepost_domain::request::RequestError;
use gatepost_domain::request::TaskDetail;

use super::Desk;
use super::Home;
use super::Op;
use super::question_key;
use crate::inbound::Said;
use crate::place::Chat;

/// How many tasks a list shows.
const LISTED: usize = 15;

impl Desk {
    /// Deals with a command of somebody who has a role.
    pub(super) async fn command(
        &mut self,
        who: &Principal,
        said: &Said,
        command: Command,
    ) -> Result<(), RequestError> {
        if said.place.chat.is_private() {
            self.reachable_now(said.place.chat);
        }
        let answer = match command {
            Command::Run(words) => return self.submit(who, said, words).await,
            Command::Cancel(task) => return self.cancel(who, said, task).await,
            Command::Status(task) => return self.status(said, task).await,
            Command::Diff(task) => return self.long(said, task, Long::Diff).await,
            Command::Log(task) => return self.long(said, task, Long::Log).await,
            Command::Mode(_) | Command::Project(_) | Command::Agent(_) => {
                return self.prefer(who, said, command).await;
            }
            Command::Quiet(wish) => return self.quiet(who, said, wish).await,
            Command::Approvals => {
                self.list_open(who, said);
                return Ok(());
            }
            Command::Tasks => self.tasks(said.place.chat).await?,
            Command::Agents => gatepost_chat::agents::list(&self.hub.agents().await?),
            Command::Grants => self.grants().await?,
            Command::Who => self.who(who),
            Command::Help | Command::Start(_) => {
                let preference = self.preferences.get(&said.place.chat);
                let mode = preference.and_then(|preference| preference.mode);
                render::help(&self.hub.projects(), mode)
            }
        };
        self.say_quietly(said.place, Some(said.message), answer);
        Ok(())
    }

    async fn tasks(&self, chat: Chat) -> Result<Rich, RequestError> {
        let tasks = self.hub.tasks().await?;
        if tasks.is_empty() {
            return Ok(Rich::new().plain("There are no tasks yet. Send one as a message."));
        }
        let mut list = Rich::new();
        for task in tasks.iter().take(LISTED) {
            let line = TaskLine::of(task);
            let elsewhere = self.is_veiled(chat) && self.home_chat(task.id()) != Some(chat);
            let line = if elsewhere { line.untitled() } else { line };
            list = list.then(&render::task_line(&line)).line();
        }
        match tasks.len().saturating_sub(LISTED) {
            0 => Ok(list),
            more => Ok(list.plain(&format!("and {more} older ones, in the console"))),
        }
    }

    async fn grants(&self) -> Result<Rich, RequestError> {
        let mut list = Rich::new();
        for task in self.hub.tasks().await?.iter().filter(|task| !task.is_finished()) {
            let count = task.grants().len();
            if count > 0 {
                let what = if count == 1 { "action is" } else { "actions are" };
                list = list
                    .styled(Style::Code, task.id().as_str())
                    .plain(&format!(" {count} {what} approved for this task\n"));
            }
        }
        let none = "Nothing is approved for a whole task now. A grant ends with its task.";
        Ok(if list.text().is_empty() { Rich::new().plain(none) } else { list })
    }

    fn who(&self, asker: &Principal) -> Rich {
        let mut list = Rich::new().plain(&format!(
            "You: {} ({})\n",
            asker.id,
            render::roles(&self.people.roles(asker))
        ));
        for role in Role::ALL {
            let ids: Vec<_> = self.people.with(role).map(|who| who.id.as_str()).collect();
            let ids = if ids.is_empty() { "nobody".to_owned() } else { ids.join(", ") };
            list = list.plain(&format!("{}: {ids}\n", role.as_str()));
        }
        list
    }

    /// The task that is meant: the named one, or the newest of this chat.
    async fn meant(
        &mut self,
        said: &Said,
        task: Option<TaskId>,
    ) -> Result<Option<TaskDetail>, RequestError> {
        let here = |home: &Home| home.place.chat == said.place.chat;
        let id = match task {
            Some(id) => Some(id),
            None => {
                let tasks = self.hub.tasks().await?;
                let newest = tasks.iter().find(|task| self.homes.get(task.id()).is_some_and(here));
                newest.map(|task| task.id().clone())
            }
        };
        let Some(id) = id else {
            let words = "There is no task from this chat yet.";
            self.say_quietly(said.place, Some(said.message), Rich::new().plain(words));
            return Ok(None);
        };
        match self.hub.task(id).await {
            Ok(detail) => Ok(Some(detail)),
            Err(error) => self.refused(said, error).map(|()| None),
        }
    }

    async fn cancel(
        &mut self,
        who: &Principal,
        said: &Said,
        task: Option<TaskId>,
    ) -> Result<(), RequestError> {
        if !self.may(who, Role::Requester, said, "stop tasks") {
            return Ok(());
        }
        let Some(detail) = self.meant(said, task).await? else { return Ok(()) };
        let id = detail.task.id().clone();
        match self.hub.cancel(who.clone(), id.clone()).await {
            Ok(()) => {
                let words = format!("Task {id} is being stopped.");
                self.say_quietly(said.place, Some(said.message), Rich::new().plain(&words));
                Ok(())
            }
            Err(error) => self.refused(said, error),
        }
    }

    /// Shows a task's card anew, here, with every open question.
    async fn status(&mut self, said: &Said, task: Option<TaskId>) -> Result<(), RequestError> {
        let Some(detail) = self.meant(said, task).await? else { return Ok(()) };
        let id = detail.task.id().clone();
        let here = self.homes.get(&id).is_some_and(|home| home.place.chat == said.place.chat);
        if !here {
            // A task of another chat is only looked at; its buttons stay where it was asked. But
            // whoever asked may be unable to press those under its result, and an approver can.
            let card = render::task(
                &self.card_for(said.place.chat, &detail),
                &Standing::default(),
                self.traits.text,
            );
            self.say_quietly(said.place, Some(said.message), card);
            let approver = self.people.is(&self.person(said.from), Role::Approver);
            if detail.task.is_finished() && said.place.chat.is_private() && approver {
                self.again(said.place.chat, &id, "result", Op::Result(id.clone()));
            }
            return Ok(());
        }
        let chat = said.place.chat;
        self.again(chat, &id, "card", Op::Card(id.clone()));
        if self.may_see(chat, &id) {
            for open in detail.task.open().keys() {
                self.again(chat, &id, &question_key(open), Op::Question(id.clone(), open.clone()));
            }
        }
        if detail.task.is_finished() {
            self.again(chat, &id, "result", Op::Result(id.clone()));
        }
        Ok(())
    }

    /// Sends a message of a task as a new one; the old one is no longer kept up to date.
    pub(super) fn again(&mut self, chat: Chat, task: &TaskId, key: &str, op: Op) {
        if let Some(copies) = self.copies.get_mut(task)
            && copies.get(key, chat) != Some(&Copied::Sending)
        {
            copies.forget(key, chat);
        }
        self.push_to(chat, &format!("{task}/{key}"), op.awaited(), op);
    }

    async fn long(
        &mut self,
        said: &Said,
        task: Option<TaskId>,
        what: Long,
    ) -> Result<(), RequestError> {
        let Some(detail) = self.meant(said, task).await? else { return Ok(()) };
        let id = detail.task.id();
        if self.is_veiled(said.place.chat) {
            let words = format!(
                "This group sees how tasks stand, and no more. Ask me in a private chat about \
                 task {id}."
            );
            self.say_quietly(said.place, Some(said.message), Rich::new().plain(&words));
            return Ok(());
        }
        let card = TaskCard::of(&detail);
        let (name, text) = match what {
            Long::Diff => ("changes.diff", render::diff(&card.diff)),
            Long::Log => ("log.txt", Some(render::log(&card, self.reader()))),
        };
        let Some(text) = text else {
            let words = format!("Task {id} has no changes to show.");
            self.say_quietly(said.place, Some(said.message), Rich::new().plain(&words));
            return Ok(());
        };
        if units(&text) <= self.traits.text - 100 {
            let words = Rich::new().styled(Style::Pre, text.trim_end());
            self.say_quietly(said.place, Some(said.message), words);
        } else {
            let about = format!("Task {id}");
            let (reply, thread) = (Some(said.message), said.place.thread);
            self.speak(said.place, None, Op::File { name, text, about, reply, thread });
        }
        Ok(())
    }

    /// What a chat's tasks get that name nothing else.
    async fn prefer(
        &mut self,
        who: &Principal,
        said: &Said,
        command: Command,
    ) -> Result<(), RequestError> {
        let chat = said.place.chat;
        let mut preference = self.preferences.get(&chat).cloned().unwrap_or_default();
        let before = preference.clone();
        match command {
            Command::Mode(Some(mode)) => preference.mode = Some(mode),
            Command::Project(Some(name)) => {
                let projects = self.hub.projects();
                if !projects.contains(&name) {
                    let words =
                        format!("There is no such project; there are {}.", projects.join(", "));
                    self.say_quietly(said.place, Some(said.message), Rich::new().plain(&words));
                    return Ok(());
                }
                preference.project = Some(name);
            }
            Command::Agent(Some(name)) => {
                let agents = self.hub.agents().await?;
                if let Err(why) = gatepost_chat::agents::choose(&agents, &name) {
                    self.say_quietly(said.place, Some(said.message), Rich::new().plain(&why));
                    return Ok(());
                }
                preference.agent = Some(name);
            }
            _ => {}
        }
        if preference != before {
            if !self.may(who, Role::Requester, said, "choose what tasks get") {
                return Ok(());
            }
            let note = ChatNote::Preferred {
                chat: chat.to_string(),
                project: preference.project.clone(),
                agent: preference.agent.clone(),
                mode: preference.mode,
            };
            self.record(None, note).await?;
            self.preferences.insert(chat, preference.clone());
        }
        let or = |given: Option<&str>| given.unwrap_or("as configured").to_owned();
        let mode = preference
            .mode
            .map_or_else(|| or(None), |mode| format!("{mode} ({})", mode_in_words(mode)));
        let words = format!(
            "Tasks of this chat: project {}, agent {}, mode {mode}. Projects: {}.",
            or(preference.project.as_deref()),
            or(preference.agent.as_deref()),
            self.hub.projects().join(", ")
        );
        self.say_quietly(said.place, Some(said.message), Rich::new().plain(&words));
        Ok(())
    }
}

/// What may be long.
enum Long {
    Diff,
    Log,
}
