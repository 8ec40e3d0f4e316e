//! Permission rules in a settings file of Claude Code. They have the form of Gatepost's own.

use std::path::Path;

use serde_json::Value;

use super::Import;
use super::Imported;

/// Lists of rules, with what they say here.
const LISTS: [(&str, &str); 3] = [("deny", "deny"), ("ask", "ask"), ("allow", "allow")];

/// What else decides in such a file, and where that is set here.
const ELSEWHERE: [(&str, &str); 3] = [
    ("autoMode", "policy in words is set in the lists of `[auto_mode]`"),
    ("hooks", "hooks do not run here"),
    ("sandbox", "what commands may reach is set in `[sandbox]` and `[egress]`"),
];

/// Reads the file.
///
/// # Errors
/// It is no settings file.
pub(super) fn read(text: &str, path: &Path) -> Result<Import, String> {
    let file: Value = serde_json::from_str(text)
        .map_err(|error| format!("it is no settings file of Claude Code: {error}"))?;
    let file = file.as_object().ok_or("it is no settings file of Claude Code")?;
    let mut import = Import::default();
    let of_user = path.parent().and_then(Path::parent).is_some_and(|above| {
        directories::BaseDirs::new().is_some_and(|dirs| dirs.home_dir() == above)
    });
    match file.get("permissions") {
        None => import.leave("the file", "it has no `permissions`"),
        Some(Value::Object(permissions)) => {
            for (name, value) in permissions {
                let what = format!("permissions.{name}");
                match LISTS.iter().find(|(list, _)| list == name) {
                    Some((_, verdict)) => list(&mut import, &what, verdict, value, of_user),
                    None => import.leave(&what, elsewhere(name)),
                }
            }
        }
        Some(_) => return Err("its `permissions` are no object".to_owned()),
    }
    for (name, why) in ELSEWHERE {
        if file.contains_key(name) {
            import.leave(name, why);
        }
    }
    Ok(import)
}

fn list(import: &mut Import, what: &str, verdict: &'static str, value: &Value, of_user: bool) {
    let Some(rules) = value.as_array() else {
        import.leave(what, "it is no list");
        return;
    };
    for rule in rules {
        let Some(rule) = rule.as_str() else {
            import.leave(&format!("{what}: {rule}"), "it is no text");
            continue;
        };
        let what = format!("{what}: `{rule}`");
        let from_settings = rule.contains("(/") && !rule.contains("(//");
        if of_user && from_settings {
            import.leave(&what, "its path starts where the settings lie; write `~/…` or `//…`");
            continue;
        }
        let reason = format!("taken over from Claude Code's `{verdict}` list");
        import.take(
            &what,
            Imported {
                rule: rule.to_owned(),
                verdict,
                reason,
                matches: Vec::new(),
                not_match: Vec::new(),
            },
        );
    }
}

fn elsewhere(name: &str) -> &'static str {
    match name {
        "defaultMode" => "the mode is set as `defaults.mode`, or for each task",
        "additionalDirectories" => "further directories are set as `sandbox.read_only`",
        "disableBypassPermissionsMode" => "`disable_bypass` is set in the managed settings",
        "disableAutoMode" => "`disable_auto` is set in the managed settings",
        "allowManagedPermissionRulesOnly" => "`only_managed_rules` is set in the managed settings",
        _ => "there is no such setting here",
    }
}
