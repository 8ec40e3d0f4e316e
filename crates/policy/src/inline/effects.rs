//! What following code comes to: calls of libraries as facts about files, programs and hosts.

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
use crate::paths::UNKNOWN;
use crate::written::Content;
use crate::written::Language;

impl Follower<'_, '_> {
    /// What the language brings along under a name.
    pub(super) fn brought(&self, name: &str) -> Value {
        match name {
            "__name__" | "__doc__" => Value::Plain,
            "__file__" => Value::Text(format!("./{ATOM}")),
            "__filename" => Value::Text(format!("{}/{ATOM}", self.beside())),
            "__dirname" => Value::Text(self.beside()),
            "globalThis" | "global" | "window" | "self" | "frames" | "top"
                if self.language == Language::JavaScript =>
            {
                Value::Library("globalThis".to_owned())
            }
            name if self.library.knows(name) => Value::Library(name.to_owned()),
            name => {
                let mut all = self.stars.iter().map(|module| format!("{module}.{name}"));
                let found = all.rfind(|full| self.library.knows(full));
                found.map_or_else(|| Value::Unbound(name.to_owned()), Value::Library)
            }
        }
    }

    /// The directory of the file whose code this is, else the working directory.
    fn beside(&self) -> String {
        let file = self.walker.running_files.last();
        file.and_then(|file| file.rsplit_once('/')).map_or(".", |(place, _)| place).to_owned()
    }

    /// A module of the project, or one that the task wrote: that runs now.
    fn own_module(&mut self, place: &str, span: &str) -> Value {
        if !self.own_modules.insert(place.to_owned()) {
            return Value::Unknown;
        }
        let place = place.strip_prefix("file://").unwrap_or(place);
        let whole = match place.starts_with('.') {
            true => format!("{}/{place}", self.beside()),
            false => place.to_owned(),
        };
        if whole.ends_with(".json") {
            self.walker.touch(&whole, Access::Read, span);
            return Value::Unknown;
        }
        let bare = whole.strip_suffix(".js").unwrap_or(&whole).to_owned();
        let endings = ["", ".js", ".mjs", ".cjs", ".ts", ".tsx", ".jsx", "/index.js", "/index.ts"];
        let paths = endings.iter().map(|ending| format!("{bare}{ending}"));
        let written = std::iter::once(whole.clone())
            .chain(paths)
            .find(|path| matches!(self.walker.content(path), Some(Content::Text(_))));
        match written {
            Some(path) => self.walker.run_file(&path, Some(Language::JavaScript), &[], span),
            None => self.walker.touch(&whole, Access::Run, span),
        }
        Value::Unknown
    }

    /// A module that is brought in.
    pub(super) fn module(&mut self, name: &str) -> Value {
        if self.language == Language::JavaScript {
            let name = name.split('?').next().unwrap_or(name);
            if name.starts_with(['.', '/']) || name.starts_with("file:") {
                return self.own_module(name, &self.head());
            }
            if name.contains("://") || name.starts_with("data:") || name.starts_with("blob:") {
                self.walker.not_understood(&self.head(), "runs code that is not a file");
                return Value::Unknown;
            }
            return Value::Library(self.library.proper(name));
        }
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

    pub(super) fn ask(&mut self, span: &str, fact: &str) {
        let rule = format!("{}-code", self.language.name().to_lowercase());
        self.walker.add(Kind::Ask, &rule, span, fact);
    }

    /// An attribute that is read.
    pub(super) fn member(&mut self, object: &Value, name: &str) -> Value {
        if name.starts_with("__") && !self.library.describes.contains(name) {
            let fact = format!("uses `{name}`, which reaches round the language");
            self.ask(&self.head(), &fact);
        }
        if self.language == Language::JavaScript && name == "constructor" {
            // Of whatever it is, its constructor's is the one that makes functions of text.
            return Value::Library("Function".to_owned());
        }
        match object {
            Value::Library(module) if module.ends_with('.') => {
                self.own_member(name).unwrap_or(Value::Unknown)
            }
            Value::Library(module) if module == "globalThis" => {
                self.lookup(name).unwrap_or_else(|| self.brought(name))
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
                    "import.meta.url" => Value::Text(format!("file://{}/{ATOM}", self.beside())),
                    "import.meta.filename" => self.brought("__filename"),
                    "import.meta.dirname" | "import.meta.dir" => self.brought("__dirname"),
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
                let entry = entries.get(name).or_else(|| entries.get("*")).cloned();
                // It may have been set since.
                let own = self.own_member(name).filter(|_| self.language == Language::JavaScript);
                match (entry, own) {
                    (Some(entry), Some(own)) => entry.or(own),
                    (entry, own) => entry.or(own).unwrap_or(Value::Unknown),
                }
            }
            Value::Choice(all) => {
                let each: Vec<Value> = all.iter().map(|one| self.member(one, name)).collect();
                each.into_iter().reduce(Value::or).unwrap_or(Value::Unknown)
            }
            Value::List(_) | Value::Many(_) | Value::Text(_) if name == "length" => Value::Plain,
            Value::Hidden => Value::Hidden,
            _ => self.own_member(name).unwrap_or(Value::Unknown),
        }
    }

    /// An element that is read.
    pub(super) fn indexed(&mut self, whole: &Value, index: &Value) -> Value {
        let Value::Library(module) = whole else { return self.element(whole, index) };
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

    /// An element of the code's own data. In JavaScript attributes are elements, and one whose name
    /// is put together from pieces may be any.
    fn element(&mut self, whole: &Value, index: &Value) -> Value {
        if self.language == Language::JavaScript {
            if let Some(name) = index.known() {
                let name = name.to_owned();
                return self.member(whole, &name);
            }
            let told = matches!(whole, Value::Map(_) | Value::Content(_));
            if !told && matches!(index, Value::Text(_) | Value::Hidden) {
                return Value::Hidden;
            }
        }
        whole.element(index)
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
        if self.language == Language::JavaScript && method == "constructor" {
            let made = Value::Library("Function".to_owned());
            return self.apply(&made, None, given, span);
        }
        match object {
            Value::Library(_) => {
                if let Some(value) = self.handed_on(object, method, given, span) {
                    return value;
                }
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
            Value::List(_) | Value::Many(_) if self.goes_through(method, given) => {
                self.through(object, method, given, span)
            }
            Value::Map(entries)
                if self.language == Language::JavaScript
                    && matches!(entries.get(method), Some(Value::Function(_))) =>
            {
                let own = entries.get(method).cloned().unwrap_or(Value::Unknown);
                self.apply(&own, None, given, span)
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

    /// `f.call(a)`, `f.apply(a, [b])` and `f.bind(a)` of a function of a library.
    fn handed_on(
        &mut self,
        object: &Value,
        method: &str,
        given: &Given,
        span: &str,
    ) -> Option<Value> {
        let Value::Library(name) = object else { return None };
        if self.language != Language::JavaScript || self.library.entry(name).is_none() {
            return None;
        }
        let mut inner = given.clone();
        inner.placed = given.placed.iter().skip(1).cloned().collect();
        match method {
            "call" => Some(self.apply(object, None, &inner, span)),
            "apply" => {
                let listed = match inner.placed.first() {
                    Some(Value::List(all)) => Given { placed: all.clone(), ..Given::default() },
                    _ => Given { more: true, ..Given::default() },
                };
                Some(self.apply(object, None, &listed, span))
            }
            "bind" if inner.placed.is_empty() && !given.more => Some(object.clone()),
            "bind" => {
                self.walker
                    .not_understood(span, "gives a function arguments that are not followed");
                Some(Value::Unknown)
            }
            _ => None,
        }
    }

    /// Whether a method of a list calls a function of the code for each element.
    fn goes_through(&self, method: &str, given: &Given) -> bool {
        self.language == Language::JavaScript
            && matches!(given.placed.first(), Some(Value::Function(_)))
            && ["map", "forEach", "filter", "find", "some", "every", "flatMap"].contains(&method)
    }

    fn through(&mut self, object: &Value, method: &str, given: &Given, span: &str) -> Value {
        let Some(function) = given.placed.first().cloned() else { return Value::Unknown };
        let (values, exact) = match self.values_of(object) {
            Ok(values) => (values, true),
            Err(one) => (vec![one], false),
        };
        let mut results = Vec::new();
        for value in &values {
            let inner = Given {
                placed: vec![value.clone(), Value::Plain, object.clone()],
                ..Given::default()
            };
            results.push(self.apply(&function, None, &inner, span));
        }
        let any = |all: Vec<Value>| all.into_iter().reduce(Value::or).unwrap_or(Value::Unknown);
        match method {
            "map" if exact => Value::List(results),
            "map" => Value::Many(Box::new(any(results))),
            "flatMap" => Value::Many(Box::new(Value::Unknown.or(any(results)))),
            "filter" => object.clone(),
            "find" => any(values),
            _ => Value::Plain,
        }
    }

    /// A method of an object that nobody knows: the code's own if it has one of that name.
    fn own_call(&mut self, method: &str, given: &Given, span: &str) -> Value {
        if let Some(own) = self.own_member(method) {
            let mut inner = given.clone();
            if self.language == Language::Python {
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
        if name != "util.promisify" {
            self.callbacks(given, span);
        }
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
            Gives::Encoded => match given.placed.get(1).map(Value::known) {
                None | Some(Some("utf8" | "utf-8" | "ascii")) => first(),
                Some(Some("base64" | "base64url")) => text::decoded(&first(), text::base64),
                Some(Some("hex")) => text::decoded(&first(), text::hex),
                Some(_) => Value::Hidden,
            },
            Gives::Hex => text::decoded(&first(), text::hex),
            Gives::Character => match first() {
                Value::Number(number) => text::characters(&[Value::Number(number)]),
                Value::Plain | Value::Unknown => Value::Unknown,
                _ => Value::Hidden,
            },
            Gives::Characters if self.language == Language::JavaScript => {
                match given.placed.as_slice() {
                    [Value::Unknown] => Value::Unknown,
                    all => text::characters(all),
                }
            }
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
                Some(module) if self.language == Language::JavaScript => {
                    let module = module.to_owned();
                    self.module(&module)
                }
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
                        None => other.strip_prefix("file://").unwrap_or(other).to_owned(),
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
}
