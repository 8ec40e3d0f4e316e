//! What code does to files, programs and hosts, as the walker's facts.

use std::collections::BTreeSet;

use super::follow::Follower;
use super::library::Class;
use super::library::Given;
use super::value::Value;
use crate::facts::Access;
use crate::facts::Kind;
use crate::paths;
use crate::paths::ATOM;
use crate::paths::PathClass;
use crate::paths::UNKNOWN;
use crate::walk::Stdin;
use crate::written::Language;

/// What lies below the root of a machine.
const ROOTS: &[&str] = &[
    "etc", "home", "root", "var", "proc", "sys", "boot", "mnt", "media", "srv", "run", "dev",
    "usr", "bin", "sbin", "lib", "opt", "private", "Users", "Library", "Volumes", "System",
];

impl Follower<'_, '_> {
    /// A use of a file that a value names.
    pub(super) fn touch(&mut self, value: &Value, access: Access, span: &str) {
        for one in value.choices() {
            match one {
                Value::Text(path) | Value::Path(path) => self.touch_path(path, access, span),
                Value::List(all) => {
                    for one in all {
                        self.touch(one, access, span);
                    }
                }
                Value::Many(one) => self.touch(one, access, span),
                Value::Hidden => {
                    self.walker.not_understood(span, "uses a file whose name it hides");
                }
                Value::Content(path) => self.touch_path(path, access, span),
                // A number is a file that is open already.
                Value::Number(_) | Value::Plain => {}
                Value::Unknown
                | Value::Map(_)
                | Value::Library(_)
                | Value::Unbound(_)
                | Value::Function(_)
                | Value::Choice(_) => self.touch_path(&UNKNOWN.to_string(), access, span),
            }
        }
    }

    fn touch_path(&mut self, path: &str, access: Access, span: &str) {
        let path = path.strip_prefix("file://").unwrap_or(path);
        let Some(rest) = path.strip_prefix(UNKNOWN) else {
            if path.is_empty() {
                return;
            }
            self.walker.touch(path, access, span);
            return;
        };
        // Where it lies is data; what its name ends in may still tell.
        let context = self.walker.context;
        let inner = format!("{}/{}", context.workspace, rest.trim_start_matches('/'));
        let full = paths::resolve(&inner, None, &context.home);
        let class = full.map_or(PathClass::Unknown, |full| paths::class(&full, context));
        let away = rest.split('/').any(|part| part == "..");
        match (access, class) {
            (_, PathClass::Secret) => {
                self.walker.touch(inner.as_str(), access, span);
                self.ask(span, "uses a file of a name that keys are kept under");
            }
            (Access::Delete, _) => self.ask(span, "deletes a file that it does not name"),
            (Access::Run, _) => {
                self.walker.not_understood(span, "runs a file that it does not name");
            }
            (Access::Write, PathClass::Protected) => {
                self.walker.touch(inner.as_str(), access, span);
            }
            (Access::Write, _) if away => {
                self.ask(span, "writes above a directory that it does not name");
            }
            (Access::Read | Access::Write, _) => self.walker.add(
                Kind::Contained,
                "contained",
                span,
                "uses a file that its data names; the sandbox contains it",
            ),
        }
    }

    pub(super) fn shell(&mut self, value: &Value, given: &Given, span: &str) {
        let before = self.surroundings(given, span);
        for one in value.choices() {
            match one {
                Value::Text(text) => self.walker.child(text, None),
                Value::List(all) => self.words(all, given, span),
                Value::Many(_) | Value::Unknown | Value::Content(_) => self
                    .walker
                    .not_understood(span, "gives a shell text that is not known before it runs"),
                _ => self.walker.not_understood(span, "gives a shell text that it hides"),
            }
        }
        self.walker.cwd = before;
    }

    pub(super) fn program_call(
        &mut self,
        program: &Value,
        more: Option<&Value>,
        given: &Given,
        span: &str,
    ) {
        // `shell=True` hands the first word to a shell.
        let shell = given.name("shell");
        let shell = shell.is_some_and(|shell| {
            !matches!(shell, Value::Plain | Value::Number(0)) && shell.known() != Some("false")
        });
        if shell {
            let text = match (program, more) {
                (Value::List(all), _) => all.first().cloned().unwrap_or(Value::Unknown),
                (one, Some(Value::List(more))) => {
                    let mut parts = vec![one.clone()];
                    for word in more {
                        parts.extend([Value::Text(" ".to_owned()), word.clone()]);
                    }
                    Value::glued(&parts)
                }
                (one, _) => one.clone(),
            };
            self.shell(&text, given, span);
            return;
        }
        let before = self.surroundings(given, span);
        for program in program.choices() {
            match (program, more) {
                (Value::List(all), _) => self.words(all, given, span),
                (Value::Text(_) | Value::Path(_), Some(more)) => {
                    for more in more.choices() {
                        let mut words = vec![program.clone()];
                        match more {
                            Value::List(all) => words.extend(all.iter().cloned()),
                            Value::Map(_) | Value::Function(_) | Value::Plain => {}
                            _ => words.push(Value::Unknown),
                        }
                        self.words(&words, given, span);
                    }
                }
                (Value::Text(text), None) => self.walker.child(text, None),
                (Value::Path(text), None) => {
                    self.words(&[Value::Text(text.clone())], given, span);
                }
                _ => self.walker.not_understood(span, "runs a program that it does not name"),
            }
        }
        self.walker.cwd = before;
    }

    /// The directory and the environment that a program is started in.
    fn surroundings(&mut self, given: &Given, span: &str) -> Option<String> {
        let before = self.walker.cwd.clone();
        if let Some(place) = given.name("cwd").filter(|place| *place != Value::Plain) {
            self.touch(&place, Access::Read, span);
            let text = place.text();
            let home = &self.walker.context.home;
            // A directory that data names is one of the workspace, as for files.
            if !text.starts_with(UNKNOWN) {
                self.walker.cwd = paths::resolve(&text, self.walker.cwd.as_deref(), home);
            }
        }
        if let Some(Value::Map(entries)) = given.name("env") {
            for (name, value) in entries.iter().filter(|(name, _)| *name != "*") {
                let value = value.text();
                // What was there before and stays is no change.
                if !(value.starts_with(UNKNOWN) || name == "HOME") {
                    self.walker.assigned(name, &value, span);
                }
            }
        }
        before
    }

    fn words(&mut self, words: &[Value], given: &Given, span: &str) {
        if words.iter().any(Value::is_hidden) {
            self.walker.not_understood(span, "gives a program words that it hides");
            return;
        }
        let argv: Vec<String> = words.iter().map(Value::text).collect();
        let stdin = match given.name("input") {
            Some(Value::Text(text)) => Stdin::Text(text),
            Some(_) => Stdin::Pipe,
            None => Stdin::Inherited,
        };
        self.walker.invoke(&argv, &stdin, span);
    }

    pub(super) fn code(&mut self, value: &Value, span: &str) {
        for one in value.choices() {
            match one {
                Value::Text(code) if !code.contains([UNKNOWN, ATOM]) => {
                    let (language, code) = (self.language, code.clone());
                    self.walker.deeper(&code, |walker| super::judge(walker, language, &code));
                }
                Value::Content(path) => {
                    self.walker.run_file(path, Some(self.language), &[], span);
                }
                Value::Function(function) => {
                    self.enter(function, None);
                }
                _ => self.walker.not_understood(span, "runs code that is not known before it runs"),
            }
        }
    }

    pub(super) fn network(&mut self, value: &Value, sends: bool, span: &str) {
        for one in value.choices() {
            match one {
                Value::Text(address) => {
                    if let Some(path) = address.strip_prefix("file://") {
                        self.walker.touch(path, Access::Read, span);
                    } else {
                        self.walker.network(address, span, sends);
                    }
                }
                Value::List(pair) => {
                    let host = pair.first().cloned().unwrap_or(Value::Unknown);
                    self.network(&host, sends, span);
                }
                Value::Map(entries) => {
                    let host = entries.get("host").or_else(|| entries.get("hostname"));
                    let host = host.cloned().unwrap_or(Value::Unknown);
                    self.network(&host, sends, span);
                }
                Value::Hidden => {
                    self.walker.not_understood(span, "talks to an address that it hides");
                }
                _ => self.ask(span, "talks to an address that is not known before it runs"),
            }
        }
    }

    /// A call of something nobody knows: what it is handed may be used in any way.
    pub(super) fn unlisted(&mut self, given: &Given, name: &str, span: &str) -> Value {
        self.callbacks(given, span);
        let name = name.to_lowercase();
        let writes = ["save", "write", "dump", "to_", "export", "store", "mkdir", "touch", "copy"]
            .iter()
            .any(|word| name.contains(word));
        for value in given.placed.iter().chain(given.named.iter().map(|(_, value)| value)) {
            self.handed(value, writes, span);
        }
        Value::Unknown
    }

    fn handed(&mut self, value: &Value, writes: bool, span: &str) {
        match value {
            Value::Text(text) => self.handed_text(text, writes, span),
            Value::Path(path) => {
                self.touch_path(path, if writes { Access::Write } else { Access::Read }, span);
            }
            Value::List(all) | Value::Choice(all) => {
                for one in all {
                    self.handed(one, writes, span);
                }
            }
            Value::Many(one) => self.handed(one, writes, span),
            Value::Map(all) => {
                for one in all.values() {
                    self.handed(one, writes, span);
                }
            }
            _ => {}
        }
    }

    /// Handing on a function that does something is one step short of calling it.
    pub(super) fn handed_function(&mut self, name: &str, span: &str) {
        if let Some(entry) = self.library.entry(name)
            && (entry.class != Class::Plain
                || !(entry.shell.is_empty()
                    && entry.program.is_empty()
                    && entry.code.is_empty()
                    && entry.delete.is_empty()))
        {
            let fact = format!("hands on `{name}`, which {}", entry.reason);
            self.ask(span, &fact);
        }
    }

    fn handed_text(&mut self, text: &str, writes: bool, span: &str) {
        if text.len() > 300 || text.contains([' ', '\n', '<', UNKNOWN]) {
            return;
        }
        if text.contains("://") {
            self.walker.network(text, span, false);
            return;
        }
        let access = if writes { Access::Write } else { Access::Read };
        let rooted = match self.language {
            // Much JavaScript is about addresses below a server's root.
            Language::JavaScript => self.of_a_machine(text),
            _ => text.chars().nth(1).is_some_and(|c| c.is_alphanumeric() || c == '.'),
        };
        let elsewhere = text.starts_with("~/")
            || text.starts_with("../") && self.language != Language::JavaScript
            || text.starts_with('/') && rooted;
        if elsewhere {
            self.walker.touch(text, access, span);
            return;
        }
        let home = &self.walker.context.home;
        let Some(full) = paths::resolve(text, self.walker.cwd.as_deref(), home) else { return };
        match paths::class(&full, self.walker.context) {
            PathClass::Secret => self.walker.touch(text, Access::Read, span),
            PathClass::Protected if writes => self.walker.touch(text, access, span),
            _ => {}
        }
    }

    /// Whether a path that begins at the root begins as those of a machine do.
    fn of_a_machine(&self, text: &str) -> bool {
        let first = text.trim_start_matches('/').split('/').next().unwrap_or_default();
        ROOTS.contains(&first) || paths::below(text, &self.walker.context.home)
    }

    /// Texts of the code that name a place that is not the workspace's: they are there for
    /// something, whether or not it could be followed.
    pub(super) fn literals(&mut self, texts: &BTreeSet<String>) {
        for text in texts {
            if text.len() > 300
                || text.contains([' ', '\n', '<'])
                || text.contains("://")
                || self.accounted.contains(text)
            {
                continue;
            }
            let home = &self.walker.context.home;
            let Some(full) = paths::resolve(text, self.walker.cwd.as_deref(), home) else {
                continue;
            };
            let rooted = match self.language {
                Language::JavaScript => text.starts_with("~/") || self.of_a_machine(text),
                _ => text.starts_with(['/', '~']),
            };
            match paths::class(&full, self.walker.context) {
                PathClass::Secret => self.walker.touch(text, Access::Read, text),
                PathClass::Outside | PathClass::Gate | PathClass::Device
                    if rooted
                        && text.chars().nth(1).is_some_and(|c| c.is_alphanumeric() || c == '/')
                        && text.matches('/').count() > 1 =>
                {
                    self.walker.touch(text, Access::Read, text);
                }
                _ => {}
            }
        }
    }
}
