//! Claude Code behind its adapter for the protocol. Its own driver ([`crate::claude`]) sees more:
//! subagents, commands in the background, and a message in the middle of a turn.

use gatepost_domain::agent::Gating;
use gatepost_models::Api;
use serde_json::Value;
use serde_json::json;

use crate::acp::locks::Asks;
use crate::acp::locks::FailedBefore;
use crate::acp::locks::Lock;
use crate::acp::locks::Refusal;
use crate::roster::ModelAccess;

/// The tools it is given. There are no subagents among them, whose ends the protocol does not tell
/// apart from their beginning.
const TOOLS: [&str; 8] =
    ["Bash", "Read", "Edit", "Write", "NotebookEdit", "Glob", "Grep", "WebFetch"];

/// The adapter of Claude Code. Left to itself it begins in the mode `auto`, which asks about
/// nothing; in the mode `default`, and with a rule for each tool that asks, it asks about all.
pub static CLAUDE: Lock = Lock {
    name: "claude-acp",
    title: "Claude Code's adapter",
    program: "claude-agent-acp",
    tested: &["0.101.0"],
    apis: &[Api::Anthropic],
    gating: Gating::EveryAction,
    says_it_is: Some("@agentclientprotocol/claude-agent-acp"),
    arguments: &[],
    env: &[
        ("CLAUDE_CONFIG_DIR", "{home}/.claude"),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        ("DISABLE_AUTOUPDATER", "1"),
        // Left to itself it asks the model again for minutes.
        ("CLAUDE_CODE_MAX_RETRIES", "4"),
        // The protocol tells of a command in the background only that it began.
        ("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1"),
        // Where a command runs is not told, so all of them run in the project's directory.
        ("CLAUDE_BASH_MAINTAIN_PROJECT_WORKING_DIR", "1"),
    ],
    // Its sessions are in `.claude/projects`.
    sweep: &[
        ".claude/settings.json",
        ".claude/settings.local.json",
        ".claude/.credentials.json",
        ".claude/.claude.json",
        ".claude/CLAUDE.md",
        ".claude/agents",
        ".claude/commands",
        ".claude/hooks",
        ".claude/plugins",
        ".claude/skills",
        ".claude.json",
    ],
    files: &[],
    before: "",
    session: Some(session),
    mode: Some("default"),
    told_again: None,
    asks: Asks::Whole,
    refusal: Refusal::Told,
    free: &[],
    failed_before: FailedBefore::Says("<tool_use_error>"),
    // It tells how it is logged in.
    tries: &["_auth/status_update"],
    model,
};

fn session() -> Value {
    json!({"claudeCode": {"options": {
        // Nothing of the repository: settings, hooks, tool servers, instructions.
        "settingSources": [],
        "strictMcpConfig": true,
        "tools": TOOLS,
        "promptSuggestions": false,
        "allowDangerouslySkipPermissions": false,
        "settings": {"permissions": {"ask": TOOLS}},
    }}})
}

fn model(model: &ModelAccess, _: Api) -> Vec<(String, String)> {
    let mut env = vec![
        ("ANTHROPIC_BASE_URL".to_owned(), model.base_url.clone()),
        ("ANTHROPIC_API_KEY".to_owned(), model.token.clone()),
    ];
    if let Some(name) = &model.name {
        // Its side errands go to the same model: the one that is set up and paid for.
        for variable in [
            "ANTHROPIC_MODEL",
            "ANTHROPIC_DEFAULT_OPUS_MODEL",
            "ANTHROPIC_DEFAULT_SONNET_MODEL",
            "ANTHROPIC_DEFAULT_HAIKU_MODEL",
            "ANTHROPIC_SMALL_FAST_MODEL",
            "CLAUDE_CODE_SUBAGENT_MODEL",
        ] {
            env.push((variable.to_owned(), name.clone()));
        }
    }
    env
}
