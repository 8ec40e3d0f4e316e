//! The commented default file, written from the doc comments and default values of the schema.

use serde_json::Value;

use super::schema::File;
use super::unknown::entries;
use super::unknown::properties;
use super::unknown::resolve;

/// How wide a comment may be.
const WIDTH: usize = 92;

enum Shown {
    Default,
    Example,
}

/// The default file: every setting with its comment, its default or an example, commented out.
pub(crate) fn text() -> Result<String, serde_json::Error> {
    let schema = schemars::schema_for!(File);
    let root = schema.as_value();
    let defaults = serde_json::to_value(File::default())?;
    let mut text = String::new();
    comment(&mut text, root);
    let settings = properties(root, root).into_iter().flatten();
    let (sections, values): (Vec<_>, Vec<_>) = settings
        .partition(|(_, node)| properties(root, node).is_some() || entries(root, node).is_some());
    for (name, node) in values {
        text.push('\n');
        comment(&mut text, node);
        setting(&mut text, name, node, defaults.get(name));
    }
    for (name, node) in sections {
        text.push('\n');
        comment(&mut text, node);
        match entries(root, node) {
            // The keys are free, so the section itself is an example.
            Some(entry) => {
                let key = node.get("x-key").and_then(Value::as_str).unwrap_or("demo");
                text.push_str(&format!("# [{name}.{key}]\n"));
                section(&mut text, root, entry, None);
            }
            None => {
                text.push_str(&format!("[{name}]\n"));
                section(&mut text, root, node, defaults.get(name));
            }
        }
    }
    Ok(text)
}

fn section(text: &mut String, root: &Value, node: &Value, defaults: Option<&Value>) {
    for (name, node) in properties(root, resolve(root, node)).into_iter().flatten() {
        comment(text, node);
        setting(text, name, node, defaults.and_then(|defaults| defaults.get(name)));
    }
}

fn setting(text: &mut String, name: &str, node: &Value, default: Option<&Value>) {
    let example = node.get("examples").and_then(|examples| examples.get(0));
    let empty = |value: &&Value| value.as_array().is_some_and(Vec::is_empty);
    // Where the section's keys are free, only the schema knows what is in force without a word.
    let default = default.or_else(|| node.get("default"));
    let shown = match default.filter(|value| !value.is_null() && !empty(value)) {
        Some(default) => Some((Shown::Default, default)),
        None => example.map(|example| (Shown::Example, example)),
    };
    match shown {
        Some((Shown::Default, value)) => text.push_str(&format!("# {name} = {}\n", toml(value))),
        Some((Shown::Example, value)) => {
            text.push_str(&format!(
                "# {name} = {}  # an example; there is no default\n",
                toml(value)
            ));
        }
        None => {}
    }
}

/// A value in one line. What JSON writes for text, numbers and lists of text is TOML as well; a
/// table is written in another way.
fn toml(value: &Value) -> String {
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            let entries: Vec<_> =
                entries.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            format!("{{ {} }}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

fn comment(text: &mut String, node: &Value) {
    let Some(description) = node.get("description").and_then(Value::as_str) else { return };
    for paragraph in description.split("\n\n") {
        let mut line = String::from("#");
        for word in paragraph.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > WIDTH {
                text.push_str(&line);
                text.push('\n');
                line = String::from("#");
            }
            line.push(' ');
            line.push_str(word);
        }
        text.push_str(&line);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// With `GATEPOST_UPDATE=1` the file is written instead of compared.
    #[test]
    fn the_default_file_in_config_is_what_the_schema_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/gatepost.toml");
        let wanted = text().unwrap();
        if std::env::var_os("GATEPOST_UPDATE").is_some() {
            std::fs::write(&path, &wanted).unwrap();
        }
        let kept = std::fs::read_to_string(&path).unwrap();
        assert_eq!(kept, wanted, "run `GATEPOST_UPDATE=1 cargo test -p gatepost` to rewrite it");
    }

    #[test]
    fn the_default_file_changes_nothing() {
        let parsed: File = toml::from_str(&text().unwrap()).unwrap();
        assert_eq!(parsed, File::default());
    }

    #[test]
    fn every_commented_setting_is_one() {
        let text = text().unwrap();
        let uncommented: String = text
            .lines()
            .map(|line| {
                let bare = line.strip_prefix("# ").unwrap_or(line);
                let is_setting = bare.starts_with('[')
                    || bare.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
                if is_setting { format!("{bare}\n") } else { format!("{line}\n") }
            })
            .collect();
        let parsed: File = toml::from_str(&uncommented).unwrap();
        assert!(parsed.projects.contains_key("demo"), "{uncommented}");
        assert!(parsed.data.is_some() && parsed.policy.rules.is_some(), "{uncommented}");
    }
}
