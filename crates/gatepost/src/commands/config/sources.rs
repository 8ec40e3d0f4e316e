//! Where each value in force comes from.

use toml::Table;
use toml::Value;

use crate::config::Loaded;
use crate::config::Overrides;

/// The text of a configuration with where each of its values comes from as a comment behind it.
pub(super) fn marked(text: &str, loaded: &Loaded, overrides: &Overrides) -> String {
    // It was read before, so it is a table.
    let file: Table = loaded.text.parse().unwrap_or_default();
    let origin = loaded.origin.as_ref().map(|path| path.display().to_string());
    let given = |name: &str| {
        let (set, variable, flag) = match name {
            "listen" => (overrides.listen.is_some(), "GATEPOST_LISTEN", "--listen"),
            "data" => (overrides.data.is_some(), "GATEPOST_DATA", "--data"),
            _ => (false, "", ""),
        };
        let value: Option<std::ffi::OsString> = match name {
            "listen" => overrides.listen.clone().map(Into::into),
            _ => overrides.data.clone().map(std::path::PathBuf::into_os_string),
        };
        // A flag that says what the variable says is the same to everybody.
        set.then(|| if std::env::var_os(variable) == value { variable } else { flag })
    };
    let api_url = "TELEGRAM_API_URL";
    let mut section: Vec<String> = Vec::new();
    let mut out = String::new();
    for line in text.lines() {
        out.push_str(line);
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = path_of(header);
        } else if let Some((key, _)) = line.split_once(" = ") {
            let mut path = section.clone();
            path.extend(path_of(key));
            let names: Vec<&str> = path.iter().map(String::as_str).collect();
            let from = match names.as_slice() {
                [name] if given(name).is_some() => given(name).unwrap_or_default().to_owned(),
                ["telegram", "api_url"] if std::env::var_os(api_url).is_some() => {
                    api_url.to_owned()
                }
                names if holds(&file, names) => origin.clone().unwrap_or_default(),
                _ => "default".to_owned(),
            };
            out.push_str(&format!("  # {from}"));
        }
        out.push('\n');
    }
    out
}

/// A dotted key as its parts; a quoted part is one.
fn path_of(key: &str) -> Vec<String> {
    let table: Option<Table> = format!("{key} = 0").parse().ok();
    let mut path = Vec::new();
    let mut at = table.map(Value::Table);
    while let Some(Value::Table(table)) = at {
        let Some((name, value)) = table.into_iter().next() else { break };
        path.push(name);
        at = Some(value);
    }
    path
}

fn holds(file: &Table, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    match (file.get(*first), rest) {
        (None, _) => false,
        (Some(_), []) => true,
        (Some(Value::Table(inner)), rest) => holds(inner, rest),
        (Some(_), _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn each_value_says_where_it_comes_from() {
        let text =
            "listen = \"127.0.0.1:1\"\n[projects.\"a.b\"]\npath = \"/x\"\n[hub]\nmax_running = 2\n";
        let loaded = Loaded {
            origin: Some("/etc/mine.toml".into()),
            file: config::parse(text, "x").unwrap(),
            text: text.to_owned(),
            managed: config::managed::Managed::default(),
        };
        let overrides = Overrides { data: Some("/elsewhere".into()), ..Overrides::default() };
        let effective = "listen = \"127.0.0.1:1\"\ndata = \"/elsewhere\"\n\n[projects.\"a.b\"]\n\
                         path = \"/x\"\n\n[hub]\nmax_running = 2\nmax_queued = 100\n";
        let marked = marked(effective, &loaded, &overrides);
        assert_eq!(
            marked,
            "listen = \"127.0.0.1:1\"  # /etc/mine.toml\ndata = \"/elsewhere\"  # --data\n\n\
             [projects.\"a.b\"]\npath = \"/x\"  # /etc/mine.toml\n\n[hub]\n\
             max_running = 2  # /etc/mine.toml\nmax_queued = 100  # default\n"
        );
        assert_eq!(marked.parse::<Table>().unwrap(), effective.parse::<Table>().unwrap());
    }
}
