//! Agents that do what a test says.

use std::collections::BTreeMap;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use gatepost_agents::Agent;
use gatepost_agents::AgentError;
use gatepost_agents::Answer;
use gatepost_agents::Brief;
use gatepost_agents::Executor;
use gatepost_agents::Hired;
use gatepost_agents::Next;
use gatepost_agents::ProposalId;
use gatepost_agents::Roster;
use gatepost_agents::Runbook;
use gatepost_agents::acp;
use gatepost_agents::acp::Acp;
use gatepost_agents::claude::Claude;
use gatepost_agents::claude::Settings;
use gatepost_agents::codex;
use gatepost_agents::install::Search;
use gatepost_domain::Action;
use gatepost_domain::Outcome;
use gatepost_domain::action::Exec;
use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::Ending;
use gatepost_domain::outcome::Reason;
use gatepost_models::Api;
use tokio::sync::mpsc;

/// The test's hold on its agent: it sends what comes next and hears the answers.
pub(crate) struct Strings {
    next: mpsc::Sender<Next>,
    answers: mpsc::UnboundedReceiver<(ProposalId, Answer)>,
    messages: mpsc::UnboundedReceiver<()>,
    cwd: String,
}

/// An agent on strings. It can be handed another form of what it proposed itself to do.
struct Puppet {
    next: mpsc::Receiver<Next>,
    answers: mpsc::UnboundedSender<(ProposalId, Answer)>,
    messages: mpsc::UnboundedSender<()>,
}

/// Hires one agent, once.
struct One(Mutex<Option<Hired>>);

/// The roster of one agent.
pub(crate) fn roster(hired: Hired) -> Arc<dyn Roster> {
    Arc::new(One(Mutex::new(Some(hired))))
}

/// A roster with an agent on strings, for a project below `root`.
pub(crate) fn puppet(root: &Path) -> (Arc<dyn Roster>, Strings) {
    let (next, from_test) = mpsc::channel(16);
    let (to_test, answers) = mpsc::unbounded_channel();
    let (heard, messages) = mpsc::unbounded_channel();
    let puppet = Puppet { next: from_test, answers: to_test, messages: heard };
    let cwd = root.join("project").to_str().unwrap().to_owned();
    (roster(Hired::Here(Box::new(puppet))), Strings { next, answers, messages, cwd })
}

impl Strings {
    pub(crate) async fn propose(&self, id: u64, by: Executor, command: &str) {
        let exec = Exec { command: command.into(), cwd: self.cwd.clone(), env: [].into() };
        let action = Action::Exec(exec);
        self.then(Next::Propose { id: ProposalId(id), action, by }).await;
    }

    pub(crate) async fn then(&self, next: Next) {
        self.next.send(next).await.unwrap();
    }

    pub(crate) async fn finish(&self, id: u64, code: i32) {
        self.then(Next::Finished { id: ProposalId(id), result: exited(code) }).await;
    }

    pub(crate) async fn done(&self) {
        self.then(Next::Done { outcome: Outcome::Succeeded, reason: Reason::Completed }).await;
    }

    pub(crate) async fn answer(&mut self) -> (u64, Answer) {
        let (id, answer) = self.answers.recv().await.unwrap();
        (id.0, answer)
    }

    /// Waits until the agent has got a message.
    pub(crate) async fn messaged(&mut self) {
        self.messages.recv().await.unwrap();
    }

    /// No answer has come so far.
    pub(crate) fn unanswered(&mut self) -> bool {
        self.answers.try_recv().is_err()
    }
}

impl Agent for Puppet {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Result<Next, AgentError>> + Send + '_>> {
        Box::pin(async {
            match self.next.recv().await {
                Some(next) => Ok(next),
                None => Err(AgentError::Resume("its strings were cut".into())),
            }
        })
    }

    fn answer(&mut self, proposal: ProposalId, answer: Answer) {
        self.answers.send((proposal, answer)).unwrap();
    }

    fn input_for(&self, _: ProposalId, action: &Action) -> Option<String> {
        action.text().map(|text| format!("input: {text}"))
    }

    fn message(&mut self, _: gatepost_agents::Words) {
        // A test that does not wait for it lets go of nothing.
        let _nobody_waits = self.messages.send(());
    }

    fn interrupt(&mut self) {}

    fn resume_key(&self) -> String {
        "here".into()
    }
}

impl Roster for One {
    fn hire(&self, name: &str, _: Brief) -> Result<Hired, AgentError> {
        let unknown = || AgentError::Unknown(name.to_owned());
        self.0.lock().unwrap().take().ok_or_else(unknown)
    }
}

impl std::fmt::Debug for One {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("One")
    }
}

/// A roster of runbooks with this task.
pub(crate) fn runbook(text: &'static str) -> Arc<dyn Roster> {
    Arc::new(Runbooks(text))
}

#[derive(Debug)]
struct Runbooks(&'static str);

impl Roster for Runbooks {
    fn hire(&self, _: &str, brief: Brief) -> Result<Hired, AgentError> {
        let split = |text: &str| Ok(text.lines().map(str::to_owned).collect());
        let brief = Brief { asked: self.0.into(), ..brief };
        Ok(Hired::Here(Box::new(Runbook::new(brief, split)?)))
    }
}

/// A result of this exit code.
pub(crate) fn exited(code: i32) -> ActionResult {
    let ending = Ending::Exited { code };
    ActionResult { ending, duration_ms: 0, head: String::new(), tail: String::new(), dropped: 0 }
}

/// A roster with Claude Code, or what stands in for it, as its only agent; each run hires it anew.
pub(crate) fn claude(settings: Settings) -> Arc<dyn Roster> {
    Arc::new(ClaudeCode(settings))
}

#[derive(Debug)]
struct ClaudeCode(Settings);

/// The same with Codex.
pub(crate) fn codex(settings: codex::Settings) -> Arc<dyn Roster> {
    Arc::new(CodexCli(settings))
}

#[derive(Debug)]
struct CodexCli(codex::Settings);

impl Roster for CodexCli {
    fn hire(&self, _: &str, brief: Brief) -> Result<Hired, AgentError> {
        Ok(Hired::Program(Box::new(codex::Codex::new(self.0.clone(), brief))))
    }
}

impl Roster for ClaudeCode {
    fn hire(&self, _: &str, brief: Brief) -> Result<Hired, AgentError> {
        Ok(Hired::Program(Box::new(Claude::new(self.0.clone(), brief))))
    }
}

/// The same for an agent that speaks the Agent Client Protocol.
pub(crate) fn acp(settings: acp::Settings) -> Arc<dyn Roster> {
    Arc::new(Protocol(settings))
}

/// How one of them is set up that has a model.
pub(crate) fn over_protocol(
    lock: &'static acp::Lock,
    program: &Path,
    api: Api,
    silence: u64,
) -> acp::Settings {
    acp::Settings {
        lock,
        installed: Search::here().find(program).unwrap(),
        arguments: Vec::new(),
        environment: BTreeMap::new(),
        model: Some(("fake".into(), api)),
        silence: Duration::from_secs(silence),
    }
}

#[derive(Debug)]
struct Protocol(acp::Settings);

impl Roster for Protocol {
    fn hire(&self, _: &str, brief: Brief) -> Result<Hired, AgentError> {
        Ok(Hired::Program(Box::new(Acp::new(self.0.clone(), brief))))
    }
}
