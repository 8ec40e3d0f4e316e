//! How an agent that speaks the protocol is started: locked down.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use gatepost_models::Api;

use crate::acp::Driver;
use crate::acp::Lock;
use crate::agent::Agent;
use crate::agent::AgentError;
use crate::agent::Brief;
use crate::codex::Thread;
use crate::install::Installed;
use crate::program::Bounds;
use crate::program::Launch;
use crate::program::Pipes;
use crate::program::Program;
use crate::roster::Place;
use crate::roster::Prepared;

/// Started before the program, in the sandbox: it takes out of the home whatever the program would
/// obey. The first argument is the directory to work in, then come the places below the home up to
/// a `--`, then the program.
const SWEEP: &str = r#"cd -- "$HOME" || exit 1
work=$1; shift
while [ "$1" != -- ]; do rm -rf -- "$1" || exit 1; shift; done
shift; cd -- "$work" && exec "$@""#;

/// How such an agent is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What it is locked down with.
    pub lock: &'static Lock,
    /// The program.
    pub installed: Installed,
    /// Its model, by its name in the configuration.
    pub model: Option<String>,
    /// How that model is spoken to.
    pub api: Api,
    /// How long it may be silent while nobody owes it an answer.
    pub silence: Duration,
}

/// Such an agent on its way into a sandbox.
#[derive(Debug)]
pub struct Acp {
    settings: Settings,
    brief: Brief,
}

impl Acp {
    /// The agent for one run.
    #[must_use]
    pub fn new(settings: Settings, brief: Brief) -> Self {
        Self { settings, brief }
    }
}

impl Prepared for Acp {
    fn read_only(&self) -> Vec<PathBuf> {
        self.settings.installed.read_only.clone()
    }

    fn model(&self) -> Option<&str> {
        self.settings.model.as_deref()
    }

    fn launch(&self, place: &Place) -> Result<Launch, AgentError> {
        let Some(model) = &place.model else { return Err(AgentError::NoModel) };
        // A session that cannot be taken up is told before anything starts.
        Thread::of(&self.brief)?;
        let lock = self.settings.lock;
        let mut argv: Vec<OsString> =
            ["/bin/sh", "-c", SWEEP, lock.name, &self.brief.workspace].map(OsString::from).into();
        argv.extend(lock.sweep.iter().map(OsString::from));
        argv.push("--".into());
        argv.extend(self.settings.installed.argv.iter().cloned());
        argv.extend(lock.arguments.iter().map(OsString::from));
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let env: BTreeMap<String, String> =
            lock.env.iter().map(own).chain((lock.model)(model, self.settings.api)).collect();
        Ok(Launch { argv, cwd: PathBuf::from(&self.brief.workspace), env })
    }

    fn attach(self: Box<Self>, place: &Place, pipes: Pipes) -> Result<Box<dyn Agent>, AgentError> {
        let thread = Thread::of(&self.brief)?;
        let secrets = place.model.iter().map(|model| model.token.clone()).collect();
        let bounds = Bounds { silence: self.settings.silence, secrets };
        Ok(Box::new(Driver::new(Program::new(pipes, bounds), self.settings.lock, thread)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acp::OPENCODE;
    use crate::roster::ModelAccess;

    #[test]
    fn it_starts_locked_down() {
        let brief = Brief {
            run: "k7m2qd/1".into(),
            asked: "do it".into(),
            messages: vec![],
            workspace: "/srv/a b".into(),
            resume: None,
        };
        let installed = Installed { argv: vec!["/opt/opencode".into()], read_only: vec![] };
        let settings = Settings {
            lock: &OPENCODE,
            installed,
            model: None,
            api: Api::OpenAi,
            silence: Duration::from_secs(60),
        };
        let acp = Acp::new(settings, brief);
        let mut place = Place { home: "/home/task".into(), kept: "/x".into(), model: None };
        assert_eq!(acp.launch(&place), Err(AgentError::NoModel));
        place.model = Some(ModelAccess {
            base_url: "http://127.0.0.1:4000".into(),
            token: "t0ken".into(),
            name: Some("m".into()),
        });
        let launch = acp.launch(&place).unwrap();
        let argv: Vec<_> = launch.argv.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(argv[3..6], ["opencode", "/srv/a b", ".config/opencode"]);
        assert_eq!(argv[argv.len() - 3..], ["--", "/opt/opencode", "acp"]);
        assert!(!argv.iter().any(|word| word.contains("t0ken")));
        let config: serde_json::Value =
            serde_json::from_str(&launch.env["OPENCODE_CONFIG_CONTENT"]).unwrap();
        assert_eq!(config["permission"]["*"], "ask");
        let provider = &config["provider"]["gatepost"];
        assert_eq!(provider["npm"], "@ai-sdk/openai-compatible");
        assert_eq!(provider["options"]["baseURL"], "http://127.0.0.1:4000/v1");
        assert_eq!(provider["options"]["apiKey"], "{env:GATEPOST_MODEL_TOKEN}");
        assert_eq!(launch.env["OPENCODE_DISABLE_PROJECT_CONFIG"], "1");
    }
}
