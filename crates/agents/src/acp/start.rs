//! How an agent that speaks the protocol is started: locked down.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use gatepost_domain::agent::Gating;
use gatepost_models::Api;

use crate::acp::Driver;
use crate::acp::Lock;
use crate::agent::Agent;
use crate::agent::AgentError;
use crate::agent::Brief;
use crate::install::Installed;
use crate::program::Launch;
use crate::program::Pipes;
use crate::roster::Place;
use crate::roster::Prepared;
use crate::thread::Thread;

/// Started before the program, in the sandbox: it takes out of the home whatever the program would
/// obey, and puts there what it is to obey. The first arguments are the directory to work in and
/// what is done last; then come the places below the home up to a `--`, the files with what they
/// hold up to another, and the program.
const SWEEP: &str = r#"cd -- "$HOME" || exit 1
work=$1 before=$2; shift 2
while [ "$1" != -- ]; do rm -rf -- "$1" || exit 1; shift; done
shift
while [ "$1" != -- ]; do
mkdir -p -- "${1%/*}" && printf %s "$2" >"$1" || exit 1; shift 2; done
shift
eval "$before" && cd -- "$work" && exec "$@""#;

/// How such an agent is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What it is locked down with.
    pub lock: &'static Lock,
    /// The program.
    pub installed: Installed,
    /// Its arguments, besides those of its lock.
    pub arguments: Vec<String>,
    /// Variables of its environment, besides those of its lock. `{url}`, `{token}` and `{model}`
    /// stand for the way to its model.
    pub environment: BTreeMap<String, String>,
    /// Its model: its name in the configuration and how it is spoken to. Only an agent that the
    /// sandbox alone holds does without.
    pub model: Option<(String, Api)>,
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

    fn environment(&self, place: &Place) -> Result<BTreeMap<String, String>, AgentError> {
        let Settings { lock, environment, model, .. } = &self.settings;
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), at_home(value, place));
        let mut env: BTreeMap<String, String> = lock.env.iter().map(own).collect();
        match (&place.model, model) {
            (Some(access), Some((_, api))) => env.extend((lock.model)(access, *api)),
            (None, None) if lock.gating == Gating::SandboxOnly => {}
            _ => return Err(AgentError::NoModel),
        }
        for (name, value) in environment {
            let mut value = value.clone();
            if let Some(access) = &place.model {
                for (part, stands_for) in [
                    ("{url}", access.base_url.as_str()),
                    ("{token}", &access.token),
                    ("{model}", access.name.as_deref().unwrap_or_default()),
                ] {
                    value = value.replace(part, stands_for);
                }
            }
            env.insert(name.clone(), value);
        }
        Ok(env)
    }
}

fn at_home(text: &str, place: &Place) -> String {
    text.replace("{home}", &place.home)
}

impl Prepared for Acp {
    fn read_only(&self) -> Vec<PathBuf> {
        self.settings.installed.read_only.clone()
    }

    fn model(&self) -> Option<&str> {
        self.settings.model.as_ref().map(|(name, _)| name.as_str())
    }

    fn gating(&self) -> Gating {
        self.settings.lock.gating
    }

    fn launch(&self, place: &Place) -> Result<Launch, AgentError> {
        let env = self.environment(place)?;
        // A session that cannot be taken up is told before anything starts.
        Thread::of(&self.brief)?;
        let lock = self.settings.lock;
        let workspace = &self.brief.workspace;
        let mut argv: Vec<OsString> =
            ["/bin/sh", "-c", SWEEP, "sweep", workspace].map(OsString::from).into();
        argv.push(if lock.before.is_empty() { ":" } else { lock.before }.into());
        argv.extend(lock.sweep.iter().map(OsString::from));
        argv.push("--".into());
        argv.extend(lock.files.iter().flat_map(|(path, text)| [path, text]).map(OsString::from));
        argv.push("--".into());
        argv.extend(self.settings.installed.argv.iter().cloned());
        argv.extend(lock.arguments.iter().map(|text| OsString::from(at_home(text, place))));
        argv.extend(self.settings.arguments.iter().map(OsString::from));
        Ok(Launch { argv, cwd: PathBuf::from(workspace), env })
    }

    fn attach(self: Box<Self>, place: &Place, pipes: Pipes) -> Result<Box<dyn Agent>, AgentError> {
        let thread = Thread::of(&self.brief)?;
        let program = place.program(pipes, self.settings.silence);
        Ok(Box::new(Driver::new(program, self.settings.lock, thread)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::acp::GEMINI;
    use crate::acp::OPENCODE;
    use crate::acp::UNLOCKED;
    use crate::roster::ModelAccess;

    fn acp(lock: &'static Lock, api: Api) -> Acp {
        let brief = Brief {
            run: "k7m2qd/1".into(),
            asked: "do it".into(),
            messages: vec![],
            workspace: "/srv/a b".into(),
            resume: None,
        };
        let settings = Settings {
            lock,
            installed: Installed { argv: vec!["/opt/agent".into()], read_only: vec![] },
            arguments: vec![],
            environment: [].into(),
            model: Some(("m".into(), api)),
            silence: Duration::from_secs(60),
        };
        Acp::new(settings, brief)
    }

    fn place() -> Place {
        let model = ModelAccess {
            base_url: "http://127.0.0.1:4000".into(),
            token: "t0ken".into(),
            name: Some("m-1".into()),
        };
        Place { home: "/home/task".into(), kept: "/x".into(), model: Some(model) }
    }

    fn words(launch: &Launch) -> Vec<&str> {
        launch.argv.iter().map(|word| word.to_str().unwrap()).collect()
    }

    #[test]
    fn opencode_starts_locked_down() {
        let acp = acp(&OPENCODE, Api::OpenAi);
        let lacking = Place { model: None, ..place() };
        assert_eq!(acp.launch(&lacking), Err(AgentError::NoModel));
        let launch = acp.launch(&place()).unwrap();
        let argv = words(&launch);
        assert_eq!(argv[3..7], ["sweep", "/srv/a b", ":", ".config/opencode"]);
        assert_eq!(argv[argv.len() - 4..], ["--", "--", "/opt/agent", "acp"]);
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

    #[test]
    fn what_a_lock_says_of_the_home_is_at_its_place() {
        let launch = acp(&GEMINI, Api::Gemini).launch(&place()).unwrap();
        let argv = words(&launch);
        let policy = argv.iter().position(|word| *word == "--admin-policy").unwrap();
        assert_eq!(argv[policy + 1], "/home/task/.gemini/gatepost/policy.toml");
        let settings = launch.env.get("GEMINI_CLI_SYSTEM_SETTINGS_PATH").unwrap();
        assert_eq!(settings, "/home/task/.gemini/gatepost/settings.json");
        let file = argv.iter().position(|word| *word == ".gemini/gatepost/settings.json").unwrap();
        let written: serde_json::Value = serde_json::from_str(argv[file + 1]).unwrap();
        assert_eq!(written["security"]["folderTrust"]["enabled"], true);
        assert_eq!(launch.env["GEMINI_API_KEY"], "t0ken");
        assert!(!argv.iter().any(|word| word.contains("t0ken") || word.contains("{home}")));
    }

    #[test]
    fn an_agent_that_nothing_is_known_of_is_told_its_model_as_it_is_set_up() {
        let mut acp = acp(&UNLOCKED, Api::OpenAi);
        acp.settings.arguments = vec!["--stdio".into()];
        acp.settings.environment = [
            ("KEY".to_owned(), "{token}".to_owned()),
            ("URL".to_owned(), "{url}/v1".to_owned()),
            ("MODEL".to_owned(), "x/{model}".to_owned()),
        ]
        .into();
        let launch = acp.launch(&place()).unwrap();
        assert_eq!(launch.env["KEY"], "t0ken");
        assert_eq!(launch.env["URL"], "http://127.0.0.1:4000/v1");
        assert_eq!(launch.env["MODEL"], "x/m-1");
        assert_eq!(words(&launch).last(), Some(&"--stdio"));
        assert_eq!(acp.gating(), Gating::SandboxOnly);
        // It may have one of its own, or none.
        acp.settings.model = None;
        assert!(acp.launch(&Place { model: None, ..place() }).is_ok());
    }
}
