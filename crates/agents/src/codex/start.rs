//! How Codex is started: asking about everything, and with nothing of the repository's settings.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::agent::Agent;
use crate::agent::AgentError;
use crate::agent::Brief;
use crate::codex::Driver;
use crate::program::Launch;
use crate::program::Pipes;
use crate::roster::Place;
use crate::roster::Prepared;
use crate::roster::Settings;
use crate::thread::Thread;

/// The versions this driver was tried with. Another one is said to be untested: what the program
/// asks about, and what it does without asking, has changed between versions.
pub const TESTED: [&str; 1] = ["0.169.0"];

/// Where the program keeps its sessions, below its home.
const CONFIG: &str = ".codex";

/// The variable that holds the model token.
const TOKEN: &str = "GATEPOST_MODEL_TOKEN";

/// Started before the program, in the sandbox: it makes the program's directory and takes out of
/// it whatever the program would obey. All settings are on the command line; a file of that kind
/// was written by a command of an earlier run.
const SWEEP: &str = r#"mkdir -p -- "$CODEX_HOME" && cd -- "$CODEX_HOME" && rm -rf -- config.toml \
    hooks.json rules skills plugins prompts agents AGENTS.md AGENTS.override.md && cd -- "$1" &&
    shift && exec "$@""#;

/// Features that are switched off, each because it acts without asking or reaches out by itself.
const OFF: [&str; 15] = [
    // Apps, plugins and what they bring are fetched and run unasked.
    "apps",
    "plugins",
    "remote_plugin",
    "skill_search",
    "tool_suggest",
    // A host process for scripts, memories over tasks, goals that start turns by themselves.
    "code_mode_host",
    "memories",
    "goals",
    // Commands of the repository's choosing.
    "hooks",
    // It runs the shell's start files to take a picture of their effect.
    "shell_snapshot",
    // Reads any picture, and makes some, unasked.
    "view_image",
    "image_generation",
    // Typing into a command that runs is not asked about; without a terminal there is none to
    // type into.
    "unified_exec_tty",
    // A model that cannot be reached is told, and not waited for without an end.
    "unbounded_connection_retries",
    "respect_system_proxy",
];

/// Codex on its way into a sandbox.
#[derive(Debug)]
pub struct Codex {
    settings: Settings,
    brief: Brief,
}

impl Codex {
    /// Codex for one run.
    #[must_use]
    pub fn new(settings: Settings, brief: Brief) -> Self {
        Self { settings, brief }
    }
}

impl Prepared for Codex {
    fn read_only(&self) -> Vec<PathBuf> {
        self.settings.installed.read_only.clone()
    }

    fn model(&self) -> Option<&str> {
        self.settings.model.as_deref()
    }

    fn launch(&self, place: &Place) -> Result<Launch, AgentError> {
        let Some(model) = &place.model else { return Err(AgentError::NoModel) };
        // A thread that cannot be taken up is told before anything starts.
        Thread::of(&self.brief)?;
        let workspace = &self.brief.workspace;
        let off: Vec<String> = OFF.iter().map(|name| format!("{name}=false")).collect();
        let mut config = vec![
            ("model_provider", quoted("gatepost")),
            (
                "model_providers.gatepost",
                format!(
                    "{{name=\"Gatepost\",base_url={},wire_api=\"responses\",env_key=\"{TOKEN}\",\
                     request_max_retries=4,stream_max_retries=5}}",
                    quoted(&format!("{}/v1", model.base_url)),
                ),
            ),
            // Ours confines; its own cannot be nested in it.
            ("sandbox_mode", quoted("danger-full-access")),
            // Otherwise it declares the project trusted by itself, and then obeys the settings,
            // rules, hooks and tool servers that lie in it.
            ("projects", format!("{{{}={{trust_level=\"untrusted\"}}}}", quoted(workspace))),
            // The repository's instructions are material, which it can read like any other file.
            ("project_doc_max_bytes", "0".to_owned()),
            // The provider would search by itself.
            ("web_search", quoted("disabled")),
            ("agents.enabled", "false".to_owned()),
            ("analytics.enabled", "false".to_owned()),
            ("check_for_update_on_startup", "false".to_owned()),
            ("shell_environment_policy.exclude", format!("[{}]", quoted(TOKEN))),
            ("features", format!("{{{}}}", off.join(","))),
        ];
        if let Some(name) = &model.name {
            config.push(("model", quoted(name)));
        }
        let mut argv: Vec<OsString> =
            ["/bin/sh", "-c", SWEEP, "codex", workspace].map(OsString::from).into();
        argv.extend(self.settings.installed.argv.iter().cloned());
        argv.push("app-server".into());
        for (name, value) in config {
            argv.push("-c".into());
            argv.push(format!("{name}={value}").into());
        }
        let env: BTreeMap<String, String> = [
            ("CODEX_HOME".to_owned(), format!("{}/{CONFIG}", place.home)),
            (TOKEN.to_owned(), model.token.clone()),
        ]
        .into();
        Ok(Launch { argv, cwd: PathBuf::from(workspace), env })
    }

    fn attach(self: Box<Self>, place: &Place, pipes: Pipes) -> Result<Box<dyn Agent>, AgentError> {
        let thread = Thread::of(&self.brief)?;
        Ok(Box::new(Driver::new(place.program(pipes, self.settings.silence), thread)))
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                out.push_str(&format!("\\u{:04X}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::install::Installed;
    use crate::roster::ModelAccess;

    #[test]
    fn it_starts_with_nothing_but_what_is_on_its_command_line() {
        let brief = Brief {
            run: "k7m2qd/1".into(),
            asked: "do it".into(),
            messages: vec![],
            workspace: "/srv/a \"b\"".into(),
            resume: None,
        };
        let installed = Installed { argv: vec!["/opt/codex/codex".into()], read_only: vec![] };
        let settings = Settings { installed, model: None, silence: Duration::from_secs(60) };
        let codex = Codex::new(settings, brief);
        let mut place = Place { home: "/home/task".into(), kept: "/x".into(), model: None };
        assert_eq!(codex.launch(&place), Err(AgentError::NoModel));
        place.model = Some(ModelAccess {
            base_url: "http://127.0.0.1:4000".into(),
            token: "t0ken".into(),
            name: Some("gpt-5.5".into()),
        });
        let launch = codex.launch(&place).unwrap();
        let argv: Vec<_> = launch.argv.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(argv[3..7], ["codex", "/srv/a \"b\"", "/opt/codex/codex", "app-server"]);
        for wanted in [
            r#"projects={"/srv/a \"b\""={trust_level="untrusted"}}"#,
            r#"sandbox_mode="danger-full-access""#,
            r#"web_search="disabled""#,
            r#"model="gpt-5.5""#,
        ] {
            assert!(argv.contains(&wanted), "{argv:?}");
        }
        assert!(argv.iter().any(|word| word.contains("http://127.0.0.1:4000/v1")));
        assert!(argv.iter().any(|word| word.contains("hooks=false")));
        // Everybody in the sandbox can read a command line.
        assert!(!argv.iter().any(|word| word.contains("t0ken")));
        assert_eq!(launch.env["CODEX_HOME"], "/home/task/.codex");
    }

    #[test]
    fn a_toml_string_stays_one() {
        assert_eq!(quoted("a\"b\\c\nd"), r#""a\"b\\c\u000Ad""#);
    }
}
