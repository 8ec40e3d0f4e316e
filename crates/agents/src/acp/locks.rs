//! What each agent is started with so that it asks before every tool, loads nothing of the
//! repository's settings and reaches nothing but its model.
//!
//! An agent without an entry is not driven: the protocol leaves to it what it asks about. Left
//! out on purpose, each as it was found: the adapter of Claude Code (`claude-agent-acp` 0.101.0)
//! begins in a mode that asks about nothing and asks about no reads in any, so Claude Code is driven
//! by [`crate::claude`]; Gemini CLI 0.61.0 asks about no reads and no listing of directories; the
//! adapter of Codex asks about nothing that its own sandbox holds, so Codex is driven by
//! [`crate::codex`].

use gatepost_models::Api;
use serde_json::json;

use crate::acp::Call;
use crate::roster::ModelAccess;

/// What one agent is locked down with.
#[derive(Debug)]
pub struct Lock {
    /// Its name in the configuration.
    pub name: &'static str,
    /// The versions this was tried with, by the worker's own tests.
    pub tested: &'static [&'static str],
    /// What it calls itself.
    pub(super) says_it_is: &'static str,
    /// How its program is told to speak the protocol.
    pub(super) arguments: &'static [&'static str],
    /// Its environment, besides its model.
    pub(super) env: &'static [(&'static str, &'static str)],
    /// What is taken out of its home before it starts, below that: settings that a command of an
    /// earlier run could have written.
    pub(super) sweep: &'static [&'static str],
    /// Tools it may use without asking, as they touch nothing outside of it: by their name, and
    /// only where they are of the kind `other`.
    pub(super) free: &'static [&'static str],
    /// What it asks of us although it is not offered, and does without.
    pub(super) tries: &'static [&'static str],
    /// Whether one refusal ends its turn, and every other question with it.
    pub(super) refusal_ends_turn: bool,
    /// How the end of a use begins that was given up with another's refusal.
    pub(super) given_up: Option<&'static str>,
    /// The variables that set up its model.
    pub(super) model: fn(&ModelAccess, Api) -> Vec<(String, String)>,
}

impl Lock {
    /// Whether it may use a tool without asking.
    pub(super) fn is_free(&self, call: &Call) -> bool {
        call.kind == "other" && self.free.contains(&call.title.as_str())
    }
}

/// OpenCode. With `"*": "ask"` it asks about every tool, read-only ones too; left to itself it asks
/// about none.
pub static OPENCODE: Lock = Lock {
    name: "opencode",
    tested: &["1.18.33"],
    says_it_is: "OpenCode",
    arguments: &["acp"],
    env: &[
        // Nothing of the repository: settings, plugins, commands, instructions, skills.
        ("OPENCODE_DISABLE_PROJECT_CONFIG", "1"),
        ("OPENCODE_DISABLE_CLAUDE_CODE", "1"),
        ("OPENCODE_DISABLE_EXTERNAL_SKILLS", "1"),
        ("OPENCODE_PURE", "1"),
        // Nothing that it fetches by itself.
        ("OPENCODE_DISABLE_AUTOUPDATE", "1"),
        ("OPENCODE_DISABLE_DEFAULT_PLUGINS", "1"),
        ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
        ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
        ("OPENCODE_DISABLE_SHARE", "1"),
    ],
    sweep: &[".config/opencode", ".opencode", ".local/share/opencode/auth.json", ".claude"],
    // Its list of things to do, and what it makes of a call of a tool that it does not have.
    free: &["todowrite", "invalid"],
    // It tells an editor of a file that it has written.
    tries: &["fs/write_text_file"],
    refusal_ends_turn: true,
    given_up: Some("The user rejected permission"),
    model: opencode_model,
};

/// The variable that holds the model token; the settings name it.
const TOKEN: &str = "GATEPOST_MODEL_TOKEN";

fn opencode_model(model: &ModelAccess, api: Api) -> Vec<(String, String)> {
    // Each of these is part of the program.
    let (package, path) = match api {
        Api::Anthropic => ("@ai-sdk/anthropic", "/v1"),
        Api::OpenAi | Api::Ollama => ("@ai-sdk/openai-compatible", "/v1"),
        Api::OpenAiResponses => ("@ai-sdk/openai", "/v1"),
        Api::Gemini => ("@ai-sdk/google", "/v1beta"),
    };
    let name = model.name.as_deref().unwrap_or("default");
    let both = format!("gatepost/{name}");
    let config = json!({
        "$schema": "https://opencode.ai/config.json",
        "autoupdate": false,
        "share": "disabled",
        "snapshot": false,
        "lsp": false,
        "formatter": false,
        // The last that fits holds. Paths are looked at by the gate, with the tool that names them.
        "permission": {
            "*": "ask",
            "todowrite": "allow",
            "external_directory": "allow",
            "doom_loop": "allow",
            "task": "deny",
            "skill": "deny",
            "websearch": "deny",
            "codesearch": "deny",
            "question": "deny",
            "lsp": "deny",
        },
        "agent": {"title": {"disable": true}},
        "model": both,
        "small_model": both,
        "enabled_providers": ["gatepost"],
        "provider": {"gatepost": {
            "npm": package,
            "options": {
                "baseURL": format!("{}{path}", model.base_url),
                "apiKey": format!("{{env:{TOKEN}}}"),
            },
            "models": {name: {}},
        }},
    });
    vec![
        ("OPENCODE_CONFIG_CONTENT".to_owned(), config.to_string()),
        (TOKEN.to_owned(), model.token.clone()),
    ]
}
