//! The commands that a server's people are offered; what they do is read by `gatepost-chat`, as
//! everywhere.

use gatepost_chat::command::MENU;
use gatepost_domain::mode::Mode;
use serde_json::Value;
use serde_json::json;
use serenity::model::application::CommandOptionType;
use serenity::model::application::CommandType;

/// The command in the menu of a message.
pub(crate) const HAND_OVER: &str = "Hand to Gatepost";

/// Characters of a description
/// (<https://discord.com/developers/docs/interactions/application-commands#application-command-object-application-command-structure>).
const DESCRIPTION: usize = 100;

/// Every command, as Discord takes them. The library's builder writes fields that no command has by
/// Discord's own description, so these are written here.
pub(crate) fn all() -> Value {
    let mut all: Vec<_> = MENU.iter().map(|(name, what)| command(name, what)).collect();
    all.push(command("help", "what can be done here"));
    all.push(json!({ "name": HAND_OVER, "type": CommandType::Message }));
    all.into()
}

fn command(name: &str, what: &str) -> Value {
    let what: String = what.chars().take(DESCRIPTION).collect();
    let options = match name {
        "run" => vec![
            option("task", "what should be done", true),
            completed("project", "the project"),
            completed("agent", "the agent"),
            modes(),
            json!({ "name": "file", "description": "a file for the task", "type": CommandOptionType::Attachment }),
        ],
        "status" | "cancel" | "diff" | "log" => vec![completed("task", "the task")],
        "mode" => vec![modes()],
        "project" => vec![completed("project", "the project")],
        "agent" => vec![completed("agent", "the agent")],
        "quiet" => vec![option("hours", "such as 22-7, 22-7 questions, or off", false)],
        _ => Vec::new(),
    };
    json!({ "name": name, "description": what, "type": CommandType::ChatInput, "options": options })
}

fn option(name: &str, what: &str, required: bool) -> Value {
    json!({ "name": name, "description": what, "type": CommandOptionType::String, "required": required })
}

fn completed(name: &str, what: &str) -> Value {
    json!({ "name": name, "description": what, "type": CommandOptionType::String, "autocomplete": true })
}

fn modes() -> Value {
    let choices: Vec<_> = Mode::ALL
        .iter()
        .map(|mode| json!({ "name": mode.to_string(), "value": mode.to_string() }))
        .collect();
    json!({
        "name": "mode", "description": "how much is decided without you", "type": CommandOptionType::String,
        "choices": choices,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_the_chat_is_offered_in_a_form_that_discord_takes() {
        let all = all();
        let all = all.as_array().unwrap();
        for (name, _) in MENU {
            assert!(all.iter().any(|command| command["name"] == name), "{name}");
        }
        for command in all {
            let name = command["name"].as_str().unwrap();
            assert!(name.len() <= 32);
            if command["type"] == 1 {
                let fits = name.chars().all(|c| c.is_ascii_lowercase());
                assert!(fits && !command["description"].as_str().unwrap().is_empty(), "{name}");
            }
            let optional_comes_last = command["options"].as_array().is_none_or(|options| {
                options.is_sorted_by_key(|option| option["required"] != true)
            });
            assert!(optional_comes_last, "{name}");
        }
    }
}
