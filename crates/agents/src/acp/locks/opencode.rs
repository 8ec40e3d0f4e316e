//! OpenCode, over the protocol that it speaks by itself.

use gatepost_domain::agent::Gating;
use gatepost_models::Api;
use serde_json::json;

use crate::acp::locks::Asks;
use crate::acp::locks::FailedBefore;
use crate::acp::locks::Lock;
use crate::acp::locks::Refusal;
use crate::acp::locks::TOKEN;
use crate::roster::ModelAccess;

/// OpenCode. With `"*": "ask"` it asks about every tool, read-only ones too; left to itself it asks
/// about none.
pub static OPENCODE: Lock = Lock {
    name: "opencode",
    title: "OpenCode",
    program: "opencode",
    tested: &["1.18.33"],
    apis: &[Api::Anthropic, Api::OpenAi, Api::OpenAiResponses, Api::Gemini, Api::Ollama],
    gating: Gating::EveryAction,
    says_it_is: Some("OpenCode"),
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
    files: &[],
    before: "",
    session: None,
    mode: None,
    told_again: None,
    // With the beginning of its input, such as a command without its directory.
    asks: Asks::Early,
    refusal: Refusal::EndsTurn { given_up: "The user rejected permission" },
    // Its list of things to do, and what it makes of a call of a tool that it does not have.
    free: &["todowrite", "invalid"],
    failed_before: FailedBefore::Never,
    // It tells an editor of a file that it has written.
    tries: &["fs/write_text_file"],
    model,
};

fn model(model: &ModelAccess, api: Api) -> Vec<(String, String)> {
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
