//! Keys that no setting has, with the one that was probably meant.

use schemars::Schema;
use serde_json::Value;
use toml::de::DeTable;
use toml::de::DeValue;

/// A key that no setting has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// Where it stands, in bytes.
    pub(crate) offset: usize,
    /// The key with the tables around it.
    pub(crate) path: String,
    /// What to do about it.
    pub(crate) advice: String,
}

/// Every unknown key of a parsed file, in the order of the file.
pub(crate) fn find(table: &DeTable<'_>, schema: &Schema) -> Vec<Unknown> {
    let mut found = Vec::new();
    let root = schema.as_value();
    walk(table, root, root, "", &mut found);
    found.sort_by_key(|unknown| unknown.offset);
    found
}

/// The settings of a table in the schema, by name.
pub(crate) fn properties<'s>(
    root: &'s Value,
    node: &'s Value,
) -> Option<&'s serde_json::Map<String, Value>> {
    resolve(root, node).get("properties")?.as_object()
}

/// The schema of the values of a table whose keys are free.
pub(crate) fn entries<'s>(root: &'s Value, node: &'s Value) -> Option<&'s Value> {
    resolve(root, node).get("additionalProperties").filter(|node| node.is_object())
}

/// The node that a reference leads to, or the node itself. One that may be left out is a choice
/// between a reference and null.
pub(crate) fn resolve<'s>(root: &'s Value, node: &'s Value) -> &'s Value {
    let mut choices = node.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    let chosen = choices.rfind(|choice| choice.get("$ref").is_some());
    chosen
        .unwrap_or(node)
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| root.pointer(reference.strip_prefix('#')?))
        .unwrap_or(node)
}

fn walk(table: &DeTable<'_>, root: &Value, node: &Value, at: &str, found: &mut Vec<Unknown>) {
    for (key, value) in table {
        let name: &str = key.get_ref();
        let path = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
        let known = properties(root, node).and_then(|known| known.get(name));
        let next = match known {
            Some(next) => Some(next),
            None => entries(root, node),
        };
        match (next, value.get_ref()) {
            (Some(next), DeValue::Table(inner)) => walk(inner, root, next, &path, found),
            (Some(_), _) => {}
            (None, _) => {
                let advice = advice(name, root, node);
                found.push(Unknown { offset: key.span().start, path, advice });
            }
        }
    }
}

fn advice(name: &str, root: &Value, node: &Value) -> String {
    let here: Vec<&str> = properties(root, node)
        .map(|known| known.keys().map(String::as_str).collect())
        .unwrap_or_default();
    if let Some(near) = nearest(name, here.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    if let Some(section) = elsewhere(name, root) {
        return if section.is_empty() {
            format!("`{name}` belongs at the top of the file, before the first section")
        } else {
            format!("`{name}` belongs in `[{section}]`")
        };
    }
    if here.is_empty() {
        return "take it out".into();
    }
    let here: Vec<String> = here.iter().map(|name| format!("`{name}`")).collect();
    format!("what is known here: {}", here.join(", "))
}

fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    known
        .map(|known| (strsim::damerau_levenshtein(&name.to_lowercase(), known), known))
        .filter(|(distance, known)| *distance <= 1 + known.len() / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known)
}

/// The section that has a setting of this very name; empty for the top of the file.
fn elsewhere(name: &str, root: &Value) -> Option<String> {
    let top = properties(root, root)?;
    if top.contains_key(name) {
        return Some(String::new());
    }
    top.iter().find_map(|(section, node)| {
        if properties(root, node)?.contains_key(name) {
            return Some(section.clone());
        }
        None
    })
}
