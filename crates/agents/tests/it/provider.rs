//! A provider of each kind on a script, and the native agent with a model of it.

use std::collections::VecDeque;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use gatepost_agents::Agent;
use gatepost_agents::Answer;
use gatepost_agents::Brief;
use gatepost_agents::Native;
use gatepost_agents::Next;
use gatepost_agents::Resume;
use gatepost_agents::Words;
use gatepost_domain::Action;
use gatepost_domain::Metered;
use gatepost_domain::Outcome;
use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::Ending;
use gatepost_domain::dispatch::Left;
use gatepost_domain::outcome::Reason;
use gatepost_e2e::models::FakeAnthropic;
use gatepost_e2e::models::FakeChat;
use gatepost_e2e::models::FakeGemini;
use gatepost_e2e::models::Play;
use gatepost_e2e::models::responses::FakeResponses;
use gatepost_e2e::models::script::Fake;
use gatepost_e2e::models::script::Protocol;
use gatepost_models::Api;
use gatepost_models::Client;
use gatepost_models::Endpoint;
use gatepost_models::KeySource;
use gatepost_models::Patience;
use serde_json::Value;

/// Every API that the native agent speaks.
pub(crate) const APIS: [Api; 5] =
    [Api::Anthropic, Api::OpenAi, Api::OpenAiResponses, Api::Gemini, Api::Ollama];

/// The key, which only the provider may ever see.
pub(crate) const KEY: &str = "sk-the-real-key-of-this-test";

/// A provider with its script.
pub(crate) struct Provider {
    api: Api,
    url: String,
    requests: Box<dyn Fn() -> Vec<Value>>,
    keys: tempfile::TempDir,
}

/// What an agent did up to its end.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) proposed: Vec<String>,
    pub(crate) metered: Vec<Metered>,
    /// How it ended; none when the test's answers were at their end before.
    pub(crate) end: Option<(Outcome, Reason)>,
}

impl Provider {
    pub(crate) async fn start(api: Api, plays: Vec<Play>) -> Self {
        match api {
            Api::Anthropic => Self::of(api, FakeAnthropic::start(KEY, plays).await),
            Api::OpenAi => Self::of(api, FakeChat::start(KEY, plays).await),
            Api::OpenAiResponses => Self::of(api, FakeResponses::start(KEY, plays).await),
            Api::Gemini => Self::of(api, FakeGemini::start(KEY, plays).await),
            Api::Ollama => Self::of(api, FakeChat::start("", plays).await),
        }
    }

    fn of<P: Protocol>(api: Api, fake: Fake<P>) -> Self {
        let keys = tempfile::tempdir().unwrap();
        let file = keys.path().join("key");
        std::fs::write(&file, KEY).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        Self { api, url: fake.url(), requests: Box::new(move || fake.seen()), keys }
    }

    /// The requests so far; each was what the API takes.
    pub(crate) fn seen(&self) -> Vec<Value> {
        (self.requests)()
    }

    /// The conversation in a request.
    pub(crate) fn conversation<'v>(&self, request: &'v Value) -> &'v [Value] {
        let name = match self.api {
            Api::Anthropic | Api::OpenAi | Api::Ollama => "messages",
            Api::OpenAiResponses => "input",
            Api::Gemini => "contents",
        };
        request[name].as_array().unwrap()
    }

    /// An agent at the beginning of a task, or where an earlier one stopped.
    pub(crate) fn agent(&self, patience: Patience, resume: Option<String>) -> Native {
        let key = match self.api {
            Api::Ollama => KeySource::None,
            _ => KeySource::File(self.keys.path().join("key")),
        };
        let endpoint = Endpoint {
            name: "main".into(),
            api: self.api,
            base_url: self.url.clone(),
            key,
            model: "fake-1".into(),
            price: None,
            context: 1_000_000,
            max_output: 1_000,
        };
        let brief = Brief {
            run: "t/1".into(),
            asked: Words::from("paint it blue"),
            messages: Vec::new(),
            workspace: "/w".into(),
            resume: resume.map(|key| Resume { key, left: Left::Waiting }),
        };
        Native::new(Client::new(endpoint, patience).unwrap(), brief).unwrap()
    }
}

/// As many tries as usual, without the waiting in between.
pub(crate) fn hasty() -> Patience {
    Patience {
        pause: Duration::from_millis(1),
        longest_pause: Duration::from_secs(2),
        ..Patience::default()
    }
}

/// Runs an agent with these answers to its proposals, in order, until it is done or there is none
/// left for a proposal. Only one proposal is open at a time.
pub(crate) async fn drive(agent: &mut Native, answers: Vec<Answer>) -> Told {
    let mut told = Told::default();
    let mut answers = VecDeque::from(answers);
    loop {
        match agent.next().await.unwrap() {
            Next::Propose { id, action, .. } => {
                told.proposed.push(subject(&action));
                let Some(answer) = answers.pop_front() else { return told };
                agent.answer(id, answer);
            }
            Next::Metered { metered } => told.metered.push(metered),
            Next::Done { outcome, reason } => {
                told.end = Some((outcome, reason));
                assert!(answers.is_empty(), "not proposed: {answers:?}");
                return told;
            }
            Next::Turn { .. } | Next::Report { .. } => {}
            other @ (Next::Finished { .. } | Next::Withdraw { .. } | Next::Ask { .. }) => {
                panic!("{other:?}")
            }
        }
    }
}

fn subject(action: &Action) -> String {
    action.subject().to_string()
}

/// It ran, and said this.
pub(crate) fn ran(output: &str) -> Answer {
    let result = ActionResult {
        ending: Ending::Exited { code: 0 },
        duration_ms: 1,
        head: output.into(),
        tail: String::new(),
        dropped: 0,
    };
    Answer::Ran { result, shell: None }
}

/// A person said no, and why.
pub(crate) fn refused(words: &str) -> Answer {
    let reason = Reason::RefusedByGate { reason: words.into() };
    Answer::Refused { words: words.into(), reason }
}
