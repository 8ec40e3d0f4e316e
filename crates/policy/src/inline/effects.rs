//! What following code comes to: calls of libraries as facts about files, programs and hosts.

use std::collections::BTreeSet;

use super::follow::Follower;
use super::library::Class;
use super::library::Entry;
use super::library::Given;
use super::library::Gives;
use super::text;
use super::value::Value;
use crate::facts::Access;
use crate::facts::Kind;
use crate::paths;
use crate::paths::ATOM;
use crate::paths::PathClass;
use crate::paths::UNKNOWN;
use crate::walk::Stdin;
use crate::written::Language;

impl Follower<'_, '_> {
    /// What the language brings along under a name.
    pub(super) fn brought(&self, name: &str) -> Value {
        match name {
            "__name__" | "__doc__" => Value::Plain,
            "__file__" | "__filename" => Value::Text(format!("./{ATOM}")),
            "__dirname" => Value::Text(".".to_owned()),
            name if self.library.knows(name) => Value::Library(name.to_owned()),
            name => {
                let mut all = self.stars.iter().map(|module| format!("{module}.{name}"));
                let found = all.rfind(|full| self.library.knows(full));
                found.map_or_else(|| Value::Unbound(name.to_owned()), Value::Library)
            }
        }
    }

    /// A module that is brought in.
    pub(super) fn module(&mut self, name: &str) -> Value {
        let name = self.library.proper(name);
        let span = self.head();
        self.walker.brings_in(name.trim_end_matches(".*"), &span);
        if let Some(module) = name.strip_suffix(".*") {
            self.any_name = true;
            self.stars.push(module.to_owned());
            if let Some(asking) = self.library.asking(module) {
                let fact = format!("takes all of `{module}`, which {}", asking.reason);
                self.ask(&self.head(), &fact);
            }
            return Value::Unknown;
        }
        Value::Library(name)
    }

    fn ask(&mut self, span: &str, fact: &str) {
        let rule = format!("{}-code", self.language.to_lowercase());
        self.walker.add(Kind::Ask, &rule, span, fact);
    }

    /// An attribute that is read.
    pub(super) fn member(&mut self, object: &Value, name: &str) -> Value {
        if name.starts_with("__") && !self.library.describes.contains(name) {
            let fact = format!("uses `{name}`, which reaches round the language");
            self.ask(&self.head(), &fact);
        }
        match object {
            Value::Library(module) if module.ends_with('.') => {
                self.own_member(name).unwrap_or(Value::Unknown)
            }
            Value::Library(module) => {
                let full = self.library.proper(&format!("{module}.{name}"));
                match full.as_str() {
                    "os.sep" | "path.sep" => Value::Text("/".to_owned()),
                    "os.curdir" => Value::Text(".".to_owned()),
                    "os.pardir" => Value::Text("..".to_owned()),
                    "os.devnull" => Value::Text("/dev/null".to_owned()),
                    "sys.executable" => Value::Text("python3".to_owned()),
                    "process.execPath" => Value::Text("node".to_owned()),
                    "sys.argv" | "process.argv" => Value::Many(Box::new(Value::Unknown)),
                    "os.environ" | "process.env" => {
                        let home = Value::Text(self.walker.context.home.clone());
                        let all = [("HOME".to_owned(), home), ("*".to_owned(), Value::Unknown)];
                        Value::Map(all.into_iter().collect())
                    }
                    _ => Value::Library(full),
                }
            }
            Value::Path(path) => match name {
                "parent" => Value::Path(text::parent(path)),
                "name" | "stem" => Value::Text(text::last(path)),
                "parents" => Value::Many(Box::new(Value::Path(UNKNOWN.to_string()))),
                _ => Value::Unknown,
            },
            Value::Map(entries) => {
                entries.get(name).or_else(|| entries.get("*")).cloned().unwrap_or(Value::Unknown)
            }
            Value::Choice(all) => {
                let each: Vec<Value> = all.iter().map(|one| self.member(one, name)).collect();
                each.into_iter().reduce(Value::or).unwrap_or(Value::Unknown)
            }
            Value::List(_) | Value::Many(_) | Value::Text(_) if name == "length" => Value::Plain,
            Value::Function(_) if name == "constructor" => Value::Library("Function".to_owned()),
            Value::Hidden => Value::Hidden,
            _ => self.own_member(name).unwrap_or(Value::Unknown),
        }
    }

    /// An element that is read.
    pub(super) fn indexed(&mut self, whole: &Value, index: &Value) -> Value {
        let Value::Library(module) = whole else { return whole.element(index) };
        match (module.as_str(), index) {
            ("sys.modules", index) => match index.known() {
                Some(name) => Value::Library(self.library.proper(name)),
                None => Value::Hidden,
            },
            (_, Value::Text(_)) if index.known().is_some() => {
                let name = index.known().unwrap_or_default().to_owned();
                self.member(whole, &name)
            }
            (_, Value::Unknown | Value::Hidden | Value::Text(_) | Value::Choice(_)) => {
                let fact = format!("takes what it does not name out of `{module}`");
                self.walker.not_understood(&self.head(), &fact);
                Value::Hidden
            }
            (_, _) => Value::Unknown,
        }
    }

    /// An attribute that is set: one of a library changes what it does.
    pub(super) fn assigned_member(&mut self, object: &Value, name: &str, value: &Value) {
        for one in object.choices() {
            if let Value::Library(module) = one
                && !module.ends_with('.')
                && !(module == "sys" && name.starts_with("std"))
                && (self.library.entry(&format!("{module}.{name}")).is_some()
                    || matches!(value, Value::Function(_) | Value::Library(_)))
            {
                let fact = format!("puts something else in the place of `{module}.{name}`");
                self.ask(&self.head(), &fact);
            }
        }
    }

    /// A call of what an object has under a name.
    pub(super) fn method(
        &mut self,
        object: &Value,
        method: &str,
        given: &Given,
        span: &str,
    ) -> Value {
        if method.starts_with("__") && !self.library.describes.contains(method) {
            let fact = format!("uses `{method}`, which reaches round the language");
            self.ask(span, &fact);
        }
        match object {
            Value::Library(_) => {
                let callee = self.member(object, method);
                match callee {
                    Value::Unknown | Value::Function(_) => self.own_call(method, given, span),
                    callee => self.apply(&callee, Some(object), given, span),
                }
            }
            Value::Path(path) => {
                let object = Value::Text(path.clone());
                let full = format!("Path.{method}");
                match self.library.entry(&full) {
                    Some(_) => self.library_call(&full, Some(&object), given, span),
                    None => self.unlisted(given, method, span),
                }
            }
            Value::Text(_) | Value::List(_) | Value::Many(_) | Value::Map(_) => {
                self.callbacks(given, span);
                if object.is_hidden() || given.placed.iter().any(Value::is_hidden) {
                    return Value::Hidden;
                }
                text::method(object, method, given)
            }
            Value::Content(path) => match method {
                "read" | "decode" | "encode" | "strip" | "toString" | "read_text" => {
                    Value::Content(path.clone())
                }
                "close" | "write" | "flush" | "seek" => Value::Plain,
                method if self.library.entry(&format!("*.{method}")).is_some() => {
                    self.library_call(&format!("*.{method}"), Some(&Value::Unknown), given, span)
                }
                _ => {
                    self.callbacks(given, span);
                    Value::Unknown
                }
            },
            Value::Function(function) => match method {
                "call" | "apply" => {
                    let mut inner = given.clone();
                    if !inner.placed.is_empty() {
                        inner.placed.remove(0);
                    }
                    if method == "apply" {
                        inner = match inner.placed.first() {
                            Some(Value::List(all)) => {
                                Given { placed: all.clone(), ..Given::default() }
                            }
                            _ => Given { more: true, ..Given::default() },
                        };
                    }
                    self.enter(function, Some(&inner))
                }
                "bind" => object.clone(),
                _ => Value::Unknown,
            },
            Value::Hidden => {
                self.unlisted(given, method, span);
                Value::Hidden
            }
            Value::Unknown
            | Value::Plain
            | Value::Number(_)
            | Value::Unbound(_)
            | Value::Choice(_) => {
                if matches!(object, Value::Number(_) | Value::Plain) {
                    return Value::Plain;
                }
                self.own_call(method, given, span)
            }
        }
    }

    /// A method of an object that nobody knows: the code's own if it has one of that name.
    fn own_call(&mut self, method: &str, given: &Given, span: &str) -> Value {
        if let Some(own) = self.own_member(method) {
            let mut inner = given.clone();
            if self.language == "Python" {
                inner.placed.insert(0, Value::Unknown);
            }
            return self.apply(&own, None, &inner, span);
        }
        let full = format!("*.{method}");
        if self.library.entry(&full).is_some() {
            return self.library_call(&full, Some(&Value::Unknown), given, span);
        }
        self.unlisted(given, method, span)
    }

    /// A call of a library's function.
    pub(super) fn library_call(
        &mut self,
        name: &str,
        object: Option<&Value>,
        given: &Given,
        span: &str,
    ) -> Value {
        if let Some(entry) = self.library.entry(name) {
            return self.listed(name, entry, object, given, span);
        }
        if self.library.brings.contains(name) {
            self.callbacks(given, span);
            let hidden = given.placed.iter().any(Value::is_hidden);
            return if hidden { Value::Hidden } else { Value::Unknown };
        }
        if let Some(module) = self.library.asking(name) {
            let fact = format!("uses `{name}`, which {}", module.reason);
            self.ask(span, &fact);
        }
        self.unlisted(given, name.rsplit('.').next().unwrap_or(name), span)
    }

    fn listed(
        &mut self,
        name: &str,
        entry: &Entry,
        object: Option<&Value>,
        given: &Given,
        span: &str,
    ) -> Value {
        match entry.class {
            Class::Plain => {}
            Class::Ask => {
                let fact =
                    format!("uses `{}`, which {}", name.trim_start_matches("*."), entry.reason);
                self.ask(span, &fact);
            }
            Class::NotUnderstood => {
                let fact =
                    format!("uses `{}`, which {}", name.trim_start_matches("*."), entry.reason);
                self.walker.not_understood(span, &fact);
            }
        }
        self.callbacks(given, span);
        self.accounted.extend(given.placed.iter().filter_map(Value::known).map(str::to_owned));
        let accesses = [
            (&entry.read, Access::Read),
            (&entry.write, Access::Write),
            (&entry.delete, Access::Delete),
            (&entry.run, Access::Run),
        ];
        for (which, access) in accesses {
            if let Some(value) = given.pick(which, object) {
                self.touch(&value, access, span);
            }
        }
        if let Some(value) = given.pick(&entry.open, object) {
            let mode = given.pick(&entry.mode, object);
            let writes = match mode.as_ref().map(|mode| mode.known()) {
                None => false,
                Some(Some(mode)) => mode.contains(['w', 'a', 'x', '+']),
                Some(None) => true,
            };
            self.touch(&value, if writes { Access::Write } else { Access::Read }, span);
        }
        if let Some(value) = given.pick(&entry.shell, object) {
            self.shell(&value, given, span);
        }
        if let Some(value) = given.pick(&entry.program, object) {
            let more = given.pick(&entry.arguments, object);
            self.program_call(&value, more.as_ref(), given, span);
        }
        if let Some(value) = given.pick(&entry.code, object) {
            self.code(&value, span);
        }
        if let Some(value) = given.pick(&entry.address, object) {
            let sends = entry.always_sends || given.pick(&entry.sends, object).is_some();
            self.network(&value, sends, span);
        }
        if name == "os.chdir" || name == "process.chdir" {
            let place = given.placed.first().map_or(UNKNOWN.to_string(), Value::text);
            let home = &self.walker.context.home;
            self.walker.cwd = paths::resolve(&place, self.walker.cwd.as_deref(), home);
        }
        self.given_back(name, entry, object, given, span)
    }

    fn given_back(
        &mut self,
        name: &str,
        entry: &Entry,
        object: Option<&Value>,
        given: &Given,
        span: &str,
    ) -> Value {
        let on = object.filter(|object| !matches!(object, Value::Library(_)));
        let first = || on.or(given.placed.first()).cloned().unwrap_or(Value::List(Vec::new()));
        let place = || on.or(given.placed.first()).cloned().unwrap_or(Value::Text(".".to_owned()));
        // What a path object gives is one.
        let alike =
            |value: Value| if name.starts_with("Path.") { value.into_path() } else { value };
        let all = || {
            let mut parts: Vec<Value> = on.cloned().into_iter().collect();
            parts.extend(given.placed.iter().cloned());
            if given.more {
                parts.push(Value::Unknown);
            }
            parts
        };
        let below = |value: &Value| match value {
            Value::Hidden => Value::Hidden,
            Value::Text(place) | Value::Path(place) => {
                let place = place.trim_end_matches('/');
                Value::Text(format!("{place}/{ATOM}"))
            }
            _ => Value::Text(format!("{UNKNOWN}/{ATOM}")),
        };
        match entry.gives {
            Gives::Unknown => Value::Unknown,
            Gives::Plain => Value::Plain,
            Gives::Hidden => match first() {
                // What is data stays data, whatever it is decoded from.
                Value::Unknown | Value::Content(_) => Value::Unknown,
                _ => Value::Hidden,
            },
            Gives::First => alike(first()),
            Gives::Reversed => first().reversed(),
            Gives::Path => first().into_path(),
            Gives::Joined => Value::joined(&all()),
            Gives::JoinedPath => Value::joined(&all()).into_path(),
            Gives::Parent => Value::Text(text::parent(&first().text())),
            Gives::Name => Value::Text(text::last(&first().text())),
            Gives::Below => {
                // A pattern names what it finds.
                let found = place();
                let pattern = found.known().is_some_and(|text| text.contains(['*', '?', '[']));
                Value::Many(Box::new(if pattern { found } else { below(&found) }))
            }
            Gives::BelowPath => Value::Many(Box::new(below(&place()).into_path())),
            Gives::Names => Value::Many(Box::new(Value::Plain)),
            Gives::Walk => {
                let place = place();
                let names = || Value::Many(Box::new(Value::Plain));
                let here = place.clone().or(below(&place));
                Value::Many(Box::new(Value::List(vec![here, names(), names()])))
            }
            Gives::Content => match first() {
                Value::Text(path) | Value::Path(path) => Value::Content(path),
                Value::Hidden => Value::Hidden,
                _ => Value::Unknown,
            },
            Gives::Temporary => Value::Text(format!("/tmp/{ATOM}")),
            Gives::Home => Value::Path(self.walker.context.home.clone()),
            Gives::Here => Value::Path(self.walker.cwd.clone().unwrap_or(UNKNOWN.to_string())),
            Gives::Base64 => text::decoded(&first(), text::base64),
            Gives::Hex => text::decoded(&first(), text::hex),
            Gives::Character => match first() {
                Value::Number(number) => text::characters(&[Value::Number(number)]),
                Value::Plain | Value::Unknown => Value::Unknown,
                _ => Value::Hidden,
            },
            Gives::Characters => match given.placed.as_slice() {
                [Value::List(all)] => text::characters(all),
                [Value::Number(_) | Value::Plain] | [] => Value::Plain,
                [Value::Text(text)] => Value::Text(text.clone()),
                [Value::Content(path)] => Value::Content(path.clone()),
                [Value::Unknown] => Value::Unknown,
                all if all.iter().all(|one| matches!(one, Value::Number(_))) => {
                    text::characters(all)
                }
                _ => Value::Hidden,
            },
            Gives::Module => match given.placed.first().and_then(Value::known) {
                Some(place) if place.starts_with(['.', '/']) => {
                    let place = Value::Text(place.to_owned());
                    self.touch(&place, Access::Run, span);
                    Value::Unknown
                }
                Some(module) => Value::Library(self.library.proper(module)),
                None => {
                    self.walker.not_understood(span, "brings in a module that it does not name");
                    Value::Hidden
                }
            },
            Gives::Attribute => match given.placed.as_slice() {
                [object, attribute, ..] => match (object, attribute.known()) {
                    (object, Some(attribute)) => {
                        let attribute = attribute.to_owned();
                        self.member(object, &attribute)
                    }
                    (Value::Library(_) | Value::Hidden, None) => {
                        let fact = format!("takes what it does not name with `{name}`");
                        self.walker.not_understood(span, &fact);
                        Value::Hidden
                    }
                    (_, None) => Value::Unknown,
                },
                _ => Value::Unknown,
            },
            Gives::Expanded => {
                let home = self.walker.context.home.clone();
                let expand = |text: &str| match text {
                    "~" | "$HOME" => home.clone(),
                    other => match other.strip_prefix("~/").or(other.strip_prefix("$HOME/")) {
                        Some(rest) => format!("{home}/{rest}"),
                        None => other.to_owned(),
                    },
                };
                match alike(first()) {
                    Value::Text(text) => Value::Text(expand(&text)),
                    Value::Path(text) => Value::Path(expand(&text)),
                    Value::Hidden => Value::Hidden,
                    _ => Value::Unknown,
                }
            }
            Gives::Object => Value::Library(entry.kind.clone()),
        }
    }

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

    fn shell(&mut self, value: &Value, given: &Given, span: &str) {
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

    fn program_call(&mut self, program: &Value, more: Option<&Value>, given: &Given, span: &str) {
        // `shell=True` hands the first word to a shell.
        let shell = given.name("shell");
        let shell = shell.is_some_and(|shell| !matches!(shell, Value::Plain | Value::Number(0)));
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

    fn code(&mut self, value: &Value, span: &str) {
        for one in value.choices() {
            match one {
                Value::Text(code) if !code.contains([UNKNOWN, ATOM]) => {
                    super::nested(self.walker, code);
                }
                Value::Content(path) => {
                    self.walker.run_file(path, Some(Language::Python), &[], span);
                }
                Value::Function(function) => {
                    self.enter(function, None);
                }
                _ => self.walker.not_understood(span, "runs code that is not known before it runs"),
            }
        }
    }

    fn network(&mut self, value: &Value, sends: bool, span: &str) {
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
        let elsewhere = text.starts_with("~/")
            || text.starts_with("../")
            || text.starts_with('/')
                && text.chars().nth(1).is_some_and(|c| c.is_alphanumeric() || c == '.');
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
            let rooted = text.starts_with(['/', '~']);
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
