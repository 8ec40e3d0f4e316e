//! Gemini CLI, over the protocol that it speaks by itself.

use gatepost_domain::agent::Gating;
use gatepost_models::Api;

use crate::acp::locks::Asks;
use crate::acp::locks::FailedBefore;
use crate::acp::locks::Lock;
use crate::acp::locks::Refusal;
use crate::roster::ModelAccess;

/// Its rules, above all that it brings along. It has four tools and no other: those whose questions
/// say all that they do. Without a pattern on its arguments, even one that fits all, a rule is passed
/// over for commands that it takes for safe by itself, such as `ls`.
const POLICY: &str = r#"[[rule]]
toolName = "*"
decision = "deny"
priority = 1

[[rule]]
toolName = ["run_shell_command", "read_file", "write_file", "replace"]
argsPattern = "."
decision = "ask_user"
priority = 999
"#;

/// Its settings, above those of people and of the repository.
const SETTINGS: &str = r#"{
  "general": {"enableAutoUpdate": false, "enableAutoUpdateNotification": false},
  "privacy": {"usageStatisticsEnabled": false},
  "telemetry": {"enabled": false},
  "security": {
    "auth": {"selectedType": "gemini-api-key"},
    "folderTrust": {"enabled": true}
  },
  "tools": {"disableLLMCorrection": true},
  "mcp": {"allowed": []},
  "hooksConfig": {"enabled": false},
  "skills": {"enabled": false},
  "experimental": {"enableAgents": false}
}
"#;

/// What keeps its sessions fit to be taken up. One that is taken up within the minute in which it
/// began would be written over by its own name, so it gets another. It holds what tools gave back
/// twice, with their calls and as messages of a user, and would send both, which its API refuses; so
/// those messages are left out.
const KEEP: &str = r#"for chat in .gemini/tmp/*/chats/session-2*; do
[ -e "$chat" ] || continue
kept=${chat%/*}/session-kept-${chat##*/session-}
if [ -e "$kept" ]; then rm -f -- "$chat"; else mv -- "$chat" "$kept"; fi
done
for kept in .gemini/tmp/*/chats/session-kept-*; do
[ -e "$kept" ] || continue
grep -v '"type":"user","content":\[{"functionResponse"' "$kept" >"$kept.new"
mv -- "$kept.new" "$kept"
done"#;

/// Gemini CLI. Its question does not hold the tool's input; it shows the command with its
/// directory, the file that is read, and the whole of a file before and after.
pub static GEMINI: Lock = Lock {
    name: "gemini",
    title: "Gemini CLI",
    program: "gemini",
    tested: &["0.61.0"],
    apis: &[Api::Gemini],
    gating: Gating::EveryAction,
    says_it_is: Some("gemini-cli"),
    arguments: &[
        "--acp",
        "--extensions",
        "none",
        "--admin-policy",
        "{home}/.gemini/gatepost/policy.toml",
    ],
    env: &[
        ("GEMINI_CLI_SYSTEM_SETTINGS_PATH", "{home}/.gemini/gatepost/settings.json"),
        // It starts itself anew otherwise, with more memory.
        ("GEMINI_CLI_NO_RELAUNCH", "true"),
        ("GEMINI_CLI_NO_BROWSER", "true"),
    ],
    // Its sessions are in `.gemini/tmp`.
    sweep: &[
        ".agents",
        ".env",
        ".gemini/.env",
        ".gemini/GEMINI.md",
        ".gemini/agents",
        ".gemini/commands",
        ".gemini/extensions",
        ".gemini/gatepost",
        ".gemini/gemini-credentials.json",
        ".gemini/google_accounts.json",
        ".gemini/hooks",
        ".gemini/mcp-oauth-tokens.json",
        ".gemini/oauth_creds.json",
        ".gemini/policies",
        ".gemini/settings.json",
        ".gemini/skills",
        ".gemini/trustedFolders.json",
    ],
    files: &[
        (".gemini/gatepost/policy.toml", POLICY),
        (".gemini/gatepost/settings.json", SETTINGS),
    ],
    before: KEEP,
    session: None,
    mode: Some("default"),
    told_again: Some("available_commands_update"),
    asks: Asks::Shown,
    // An error would be told to its model as `[object Object]`.
    refusal: Refusal::GoesOn,
    free: &[],
    failed_before: FailedBefore::NeverBegan,
    tries: &[],
    model,
};

fn model(model: &ModelAccess, _: Api) -> Vec<(String, String)> {
    let mut env = vec![
        ("GOOGLE_GEMINI_BASE_URL".to_owned(), model.base_url.clone()),
        ("GEMINI_API_KEY".to_owned(), model.token.clone()),
    ];
    env.extend(model.name.clone().map(|name| ("GEMINI_MODEL".to_owned(), name)));
    env
}
