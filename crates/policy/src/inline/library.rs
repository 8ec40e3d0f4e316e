//! What the libraries of a language do: tables read from `programs/python.toml` and
//! `programs/javascript.toml`.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::OnceLock;

use serde::Deserialize;

use super::value::Value;

/// The arguments of a call, with their values.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    /// By place.
    pub(super) placed: Vec<Value>,
    /// By keyword.
    pub(super) named: Vec<(String, Value)>,
    /// Whether there are more that are not known.
    pub(super) more: bool,
}

impl Given {
    /// The argument of a keyword; in JavaScript, the entry of an object among the arguments.
    pub(super) fn name(&self, name: &str) -> Option<Value> {
        let named = self.named.iter().find(|(known, _)| known == name);
        named.map(|(_, value)| value.clone()).or_else(|| {
            let maps = self.placed.iter().rev().filter_map(|value| match value {
                Value::Map(entries) => Some(entries),
                _ => None,
            });
            maps.filter_map(|entries| entries.get(name)).next().cloned()
        })
    }

    /// The first of these that is there.
    pub(super) fn pick(&self, which: &[Which], object: Option<&Value>) -> Option<Value> {
        let found = which.iter().find_map(|which| match which {
            Which::Place(at) => self.placed.get(*at).cloned(),
            Which::Name(name) if name == "self" => object.cloned(),
            Which::Name(name) => self.name(name),
        });
        found.or_else(|| (!which.is_empty() && self.more).then_some(Value::Unknown))
    }
}

/// Which argument: by place, by keyword, or `self`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Which {
    Place(usize),
    Name(String),
}

/// How much care a call asks for whatever its arguments are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Class {
    /// What its arguments name decides.
    #[default]
    Plain,
    /// A person decides.
    Ask,
    /// It cannot be told what it does.
    NotUnderstood,
}

/// What a call gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Gives {
    /// Data.
    #[default]
    Unknown,
    /// A number or a truth value.
    Plain,
    /// Text that is hidden by what it is made from.
    Hidden,
    /// Its first argument, or the object it is called on.
    First,
    /// The same, last element first.
    Reversed,
    /// The same as a path object.
    Path,
    /// All its arguments as one path.
    Joined,
    /// The same as a path object.
    JoinedPath,
    /// The directory that holds its first argument.
    Parent,
    /// The last part of its first argument.
    Name,
    /// Names below its first argument.
    Below,
    /// The same, each as a path object.
    BelowPath,
    /// Bare names of what lies in its first argument.
    Names,
    /// Directories below its first argument, each with bare names.
    Walk,
    /// The content of its first argument.
    Content,
    /// A path in temporary space.
    Temporary,
    /// The home directory.
    Home,
    /// The working directory.
    Here,
    /// Its first argument, decoded.
    Base64,
    /// Its first argument, decoded.
    Hex,
    /// The character of a number.
    Character,
    /// The text of a list of numbers.
    Characters,
    /// A module by the name in its first argument.
    Module,
    /// An attribute by the name in its second argument.
    Attribute,
    /// Its first argument without a leading `~`.
    Expanded,
    /// Its first argument, decoded as its second one says.
    Encoded,
    /// An object of the type named in `type`.
    Object,
}

/// One function of a library.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Entry {
    pub(super) names: Vec<String>,
    pub(super) class: Class,
    pub(super) reason: String,
    /// Files it reads, writes, deletes or runs.
    pub(super) read: Vec<Which>,
    pub(super) write: Vec<Which>,
    pub(super) delete: Vec<Which>,
    pub(super) run: Vec<Which>,
    /// A file, then how it is opened.
    pub(super) open: Vec<Which>,
    pub(super) mode: Vec<Which>,
    /// A program; then its arguments where they are another list.
    pub(super) program: Vec<Which>,
    pub(super) arguments: Vec<Which>,
    /// Text for a shell.
    pub(super) shell: Vec<Which>,
    /// Code of the same language.
    pub(super) code: Vec<Which>,
    /// A place on the network, and what is sent there.
    pub(super) address: Vec<Which>,
    pub(super) sends: Vec<Which>,
    pub(super) always_sends: bool,
    pub(super) gives: Gives,
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default, rename = "match")]
    #[cfg_attr(not(test), expect(dead_code, reason = "the table's tests read them"))]
    pub(super) matches: Vec<String>,
    #[serde(default, rename = "not_match")]
    #[cfg_attr(not(test), expect(dead_code, reason = "the table's tests read them"))]
    pub(super) not_match: Vec<String>,
}

/// Modules whose functions ask unless they stand in the table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Module {
    pub(super) names: Vec<String>,
    pub(super) reason: String,
    #[serde(default, rename = "match")]
    #[cfg_attr(not(test), expect(dead_code, reason = "the table's tests read them"))]
    pub(super) matches: Vec<String>,
    #[serde(default, rename = "not_match")]
    #[cfg_attr(not(test), expect(dead_code, reason = "the table's tests read them"))]
    pub(super) not_match: Vec<String>,
}

/// A table as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Table {
    /// What the language brings along and what does nothing outside the code's own data.
    brings: Vec<String>,
    /// Attributes that name or describe; others with two underscores reach round the language.
    #[serde(default)]
    describes: Vec<String>,
    /// Other names of modules.
    #[serde(default)]
    aliases: BTreeMap<String, String>,
    #[serde(default)]
    module: Vec<Module>,
    #[serde(default)]
    call: Vec<Entry>,
}

/// A language's libraries.
#[derive(Debug)]
pub(super) struct Library {
    pub(super) brings: BTreeSet<String>,
    pub(super) describes: BTreeSet<String>,
    aliases: BTreeMap<String, String>,
    modules: HashMap<String, Module>,
    calls: HashMap<String, Entry>,
}

/// Python's table.
pub(super) const PYTHON: &str = include_str!("../../programs/python.toml");

/// JavaScript's table.
pub(super) const JAVASCRIPT: &str = include_str!("../../programs/javascript.toml");

/// Python's libraries, or why the table cannot be read.
pub(super) fn python() -> Result<&'static Library, &'static str> {
    static TABLE: OnceLock<Result<Library, String>> = OnceLock::new();
    TABLE.get_or_init(|| Library::load("python.toml", PYTHON)).as_ref().map_err(String::as_str)
}

/// JavaScript's libraries, or why the table cannot be read.
pub(super) fn javascript() -> Result<&'static Library, &'static str> {
    static TABLE: OnceLock<Result<Library, String>> = OnceLock::new();
    let table = TABLE.get_or_init(|| Library::load("javascript.toml", JAVASCRIPT));
    table.as_ref().map_err(String::as_str)
}

impl Library {
    fn load(file: &str, text: &str) -> Result<Self, String> {
        let table: Table = toml::from_str(text).map_err(|error| format!("{file}: {error}"))?;
        let mut modules = HashMap::new();
        for module in table.module {
            for name in &module.names {
                modules.insert(name.clone(), module.clone());
            }
        }
        let mut calls = HashMap::new();
        for entry in table.call {
            for name in &entry.names {
                if calls.insert(name.clone(), entry.clone()).is_some() {
                    return Err(format!("{file}: `{name}` stands there twice"));
                }
            }
        }
        Ok(Self {
            brings: table.brings.into_iter().collect(),
            describes: table.describes.into_iter().collect(),
            aliases: table.aliases,
            modules,
            calls,
        })
    }

    /// A module's one name.
    pub(super) fn proper(&self, name: &str) -> String {
        let name = name.strip_prefix("node:").unwrap_or(name);
        let (head, rest) = match name.split_once('.') {
            Some((head, rest)) => (head, Some(rest)),
            None => (name, None),
        };
        let head = self.aliases.get(head).map_or(head, String::as_str);
        let name = rest.map_or(head.to_owned(), |rest| format!("{head}.{rest}"));
        self.aliases.get(&name).cloned().unwrap_or(name)
    }

    /// What stands in the table of a function.
    pub(super) fn entry(&self, name: &str) -> Option<&Entry> {
        self.calls.get(name)
    }

    /// Whether the language brings a name along.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.brings.contains(name)
            || self.calls.contains_key(name)
            || self.modules.contains_key(name)
    }

    /// The module that a function belongs to, where that is one that asks.
    pub(super) fn asking(&self, name: &str) -> Option<&Module> {
        let mut part = name;
        loop {
            if let Some(module) = self.modules.get(part) {
                return Some(module);
            }
            // `a.b` and `a/b` belong to `a`.
            part = part.rsplit_once(['.', '/'])?.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::ActionFacts;
    use crate::facts::Context;
    use crate::facts::Kind;
    use gatepost_domain::action::Action;
    use gatepost_domain::action::Exec;

    fn allowed(action: &Action) -> bool {
        let context = Context::new("/workspace", "/home/user", "/workspace");
        ActionFacts::of(action, &context).kind() <= Kind::Contained
    }

    fn python(code: &str) -> Action {
        Action::Python { command: code.to_owned() }
    }

    fn javascript(code: &str) -> Action {
        let command = format!("node <<'GATEPOST_END'\n{code}\nGATEPOST_END\n");
        Action::Exec(Exec { command, cwd: "/workspace".to_owned(), env: BTreeMap::new() })
    }

    fn check(table: &str, action: fn(&str) -> Action) {
        let table: Table = toml::from_str(table).unwrap();
        let mut wrong = Vec::new();
        let allowed = |code: &String| allowed(&action(code));
        let calls = table.call.iter().map(|c| (&c.names, &c.reason, &c.matches, &c.not_match));
        let modules = table.module.iter().map(|m| (&m.names, &m.reason, &m.matches, &m.not_match));
        for (names, reason, matches, not_match) in calls.chain(modules) {
            assert!(
                !(reason.is_empty() || matches.is_empty() && not_match.is_empty()),
                "{names:?} lacks a reason or an example"
            );
            wrong.extend(matches.iter().filter(|c| !allowed(c)).map(|c| format!("refused: {c}")));
            wrong.extend(not_match.iter().filter(|c| allowed(c)).map(|c| format!("allowed: {c}")));
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn every_example_of_the_tables_holds() {
        check(PYTHON, python);
    }

    #[test]
    fn every_example_of_javascript_holds() {
        check(JAVASCRIPT, javascript);
    }
}
