//! Files that the task wrote, and what running them comes to.
//!
//! A file of the project is the project's own code, and the sandbox contains it. One that the task
//! wrote is what the agent wants to run, put into two steps: it is judged by what it holds when it
//! is run, as if it stood in the command. Where only the change is known and not the content, it
//! counts as the project's until whoever calls knows the bytes ([`Written::tell`]).

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::facts::Access;
use crate::facts::ActionFacts;
use crate::facts::Kind;
use crate::inline;
use crate::paths;
use crate::paths::ATOM;
use crate::paths::PathClass;
use crate::paths::UNKNOWN;
use crate::walk::Walker;

/// How many files are remembered; the changes of a task rarely touch a hundred by hand.
const MOST_FILES: usize = 4096;

/// The longest content that is remembered; what is longer counts as changed and not known.
pub const LONGEST: usize = 256 * 1024;

/// How many targets of a makefile are followed in one run.
const MOST_TARGETS: usize = 1000;

/// What a file that the task wrote holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// This text.
    Text(Arc<str>),
    /// It was changed in a way that does not tell its content.
    Changed,
}

/// The files that a task wrote, by absolute path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    files: Arc<BTreeMap<String, Content>>,
}

impl Written {
    /// Remembers what an action wrote, once it ran.
    pub fn note(&mut self, facts: &ActionFacts) {
        for (path, content) in &facts.written {
            self.put(path, content.clone());
        }
    }

    /// Whoever calls read the bytes of a file. Only what the task wrote is remembered.
    pub fn tell(&mut self, path: &str, text: &str) {
        if self.files.contains_key(path) {
            self.put(path, Content::of(text));
        }
    }

    /// What a file holds, where the task wrote it.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<&Content> {
        self.files.get(path)
    }

    fn put(&mut self, path: &str, content: Content) {
        let files = Arc::make_mut(&mut self.files);
        if files.len() < MOST_FILES || files.contains_key(path) {
            files.insert(path.to_owned(), content);
        }
    }
}

impl Content {
    /// The content of a text, if it is not too long to look at.
    pub(crate) fn of(text: &str) -> Self {
        let told = text.len() <= LONGEST && !text.contains([UNKNOWN, ATOM, '\0']);
        if told { Self::Text(text.into()) } else { Self::Changed }
    }
}

/// A language that a file's content can be judged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Shell,
    Python,
    /// TypeScript, too.
    JavaScript,
    /// Judged by its words.
    Other(&'static str),
}

impl Language {
    /// Its name, for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Shell => "shell",
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
            Self::Other(name) => name,
        }
    }

    /// The language an interpreter reads.
    pub(crate) fn of_program(name: &str) -> Option<Self> {
        match crate::programs::versionless(name) {
            "sh" | "bash" | "dash" | "zsh" | "ksh" | "ash" => Some(Self::Shell),
            "python" | "pypy" => Some(Self::Python),
            "node" | "nodejs" | "bun" | "deno" | "tsx" | "ts-node" => Some(Self::JavaScript),
            "perl" => Some(Self::Other("perl")),
            "ruby" => Some(Self::Other("ruby")),
            "php" => Some(Self::Other("php")),
            "lua" | "luajit" => Some(Self::Other("lua")),
            _ => None,
        }
    }

    /// The language of a file: what its first line names, else its ending.
    fn of_file(path: &str, text: &str) -> Option<Self> {
        if let Some(line) = text.strip_prefix("#!").and_then(|rest| rest.lines().next()) {
            let named = line.split([' ', '/', '\t']).filter(|word| !word.is_empty());
            return named.filter_map(Self::of_program).next_back();
        }
        match path.rsplit_once('.').map(|(_, ending)| ending) {
            Some("sh" | "bash" | "zsh") => Some(Self::Shell),
            Some("py" | "pyw") => Some(Self::Python),
            Some("js" | "mjs" | "cjs" | "jsx" | "ts" | "mts" | "cts" | "tsx") => {
                Some(Self::JavaScript)
            }
            Some("pl") => Some(Self::Other("perl")),
            Some("rb") => Some(Self::Other("ruby")),
            Some("php") => Some(Self::Other("php")),
            Some("lua") => Some(Self::Other("lua")),
            _ => None,
        }
    }
}

impl Walker<'_> {
    fn full(&self, path: &str) -> Option<String> {
        paths::resolve(path, self.cwd.as_deref(), &self.context.home)
    }

    /// What a file holds after all that came before, where the task wrote it.
    pub(crate) fn content(&self, path: &str) -> Option<Content> {
        let full = self.full(path)?;
        let here = self.facts.written.get(&full);
        here.or_else(|| self.context.written.get(&full)).cloned()
    }

    /// A file holds this from now on.
    pub(crate) fn wrote(&mut self, path: &str, content: Content) {
        let Some(full) = self.full(path) else { return };
        let class = paths::class(&full, self.context);
        let kept = matches!(class, PathClass::Workspace | PathClass::Temp | PathClass::Protected);
        if kept && !full.contains([UNKNOWN, ATOM, '*', '?']) {
            self.facts.written.insert(full, content);
        }
    }

    /// Runs a file: by what it holds where the task wrote it, else by where it lies.
    pub(crate) fn run_file(
        &mut self,
        path: &str,
        language: Option<Language>,
        args: &[String],
        span: &str,
    ) {
        let full = self.full(path).unwrap_or_default();
        let text = match self.content(path) {
            Some(Content::Text(text)) => text,
            Some(Content::Changed) | None => {
                self.touch(path, Access::Run, span);
                return;
            }
        };
        let Some(language) = language.or_else(|| Language::of_file(&full, &text)) else {
            self.touch(path, Access::Run, span);
            return;
        };
        if self.running_files.contains(&full) {
            return;
        }
        self.runs_written(&full, span);
        self.running_files.push(full);
        self.deeper(span, |walker| match language {
            Language::Shell => walker.child(&text, Some(args.to_vec())),
            Language::Python | Language::JavaScript | Language::Other(_) => {
                inline::judge(walker, language, &text);
            }
        });
        self.running_files.pop();
    }

    /// Says that a file runs which is judged by its content.
    fn runs_written(&mut self, full: &str, span: &str) {
        let class = paths::class(full, self.context);
        self.used(full, Access::Run, class);
        let fact = format!("runs `{full}`, which the task wrote");
        self.add(Kind::Contained, "workspace-program", span, &fact);
    }

    /// A module that code brings in, where the task wrote it: beside the script that runs, or below
    /// the working directory. Of `a.b.c` each part may be a module.
    pub(crate) fn brings_in(&mut self, module: &str, span: &str) {
        let beside = self.running_files.last().and_then(|file| file.rsplit_once('/'));
        let mut roots = vec![String::new()];
        roots.extend(beside.map(|(place, _)| format!("{place}/")));
        let mut place = String::new();
        for part in module.split('.') {
            place = if place.is_empty() { part.to_owned() } else { format!("{place}/{part}") };
            for root in &roots {
                for path in [format!("{root}{place}.py"), format!("{root}{place}/__init__.py")] {
                    if matches!(self.content(&path), Some(Content::Text(_))) {
                        self.run_file(&path, Some(Language::Python), &[], span);
                    }
                }
            }
        }
    }

    /// What `make` runs of a makefile that the task wrote: the recipes of these targets and of what
    /// they need.
    pub(crate) fn makefile(&mut self, file: &str, targets: &[String], span: &str) {
        let Some(Content::Text(text)) = self.content(file) else { return };
        let full = self.full(file).unwrap_or_default();
        if self.running_files.contains(&full) {
            return;
        }
        self.runs_written(&full, span);
        self.running_files.push(full);
        match Makefile::read(&text).runs(targets) {
            Some(lines) => {
                for line in lines {
                    self.deeper(span, |walker| walker.child(&line, None));
                }
            }
            None => {
                let fact = format!("makes more than {MOST_TARGETS} targets one after another");
                self.not_understood(span, &fact);
            }
        }
        self.running_files.pop();
    }

    /// What a package manager runs by a script's name, where the task wrote `package.json`.
    pub(crate) fn package_script(&mut self, name: &str, span: &str) {
        let Some(Content::Text(text)) = self.content("package.json") else { return };
        let full = self.full("package.json").unwrap_or_default();
        let Ok(package) = serde_json::from_str::<serde_json::Value>(&text) else { return };
        let scripts = package.get("scripts").and_then(serde_json::Value::as_object);
        for name in [format!("pre{name}"), name.to_owned(), format!("post{name}")] {
            let script = scripts.and_then(|all| all.get(&name)).and_then(serde_json::Value::as_str);
            let Some(script) = script else { continue };
            let key = format!("{full}#{name}");
            if self.running_files.contains(&key) {
                continue;
            }
            self.runs_written(&full, span);
            self.running_files.push(key);
            self.deeper(span, |walker| walker.child(script, None));
            self.running_files.pop();
        }
    }

    /// Files below the working directory that a test runner or an installer picks up by name.
    pub(crate) fn picks_up(&mut self, picked: impl Fn(&str) -> bool, span: &str) {
        let Some(cwd) = self.cwd.clone() else { return };
        let all = self.context.written.files.keys().chain(self.facts.written.keys());
        let mut paths: Vec<String> = all
            .filter(|path| paths::below(path, &cwd))
            .filter(|path| picked(path.rsplit('/').next().unwrap_or_default()))
            .cloned()
            .collect();
        paths.sort();
        paths.dedup();
        for path in paths {
            if matches!(self.content(&path), Some(Content::Text(_))) {
                self.run_file(&path, None, &[], span);
            }
        }
    }

    /// Text that is written where something else will run it: what would be worst is told at once.
    /// The rest is told when it runs.
    pub(crate) fn will_run(&mut self, path: &str, text: &str) {
        let name = path.rsplit('/').next().unwrap_or_default().to_lowercase();
        let code = match name.as_str() {
            "makefile" | "gnumakefile" => Makefile::read(text).all().join("\n"),
            "package.json" => {
                let package: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
                let scripts = package.get("scripts").and_then(serde_json::Value::as_object);
                let scripts = scripts.into_iter().flatten().filter_map(|(_, text)| text.as_str());
                scripts.collect::<Vec<_>>().join("\n")
            }
            _ => text.to_owned(),
        };
        let language = match name.as_str() {
            "makefile" | "gnumakefile" | "package.json" => Some(Language::Shell),
            _ => Language::of_file(path, text),
        };
        let context = self.context;
        let mut inner = Walker::new(context);
        match language {
            Some(Language::Shell) => inner.text(&code),
            Some(language @ (Language::Python | Language::JavaScript)) => {
                inline::judge(&mut inner, language, &code);
            }
            Some(Language::Other(_)) | None => return,
        }
        crate::walk::leaking(&mut inner);
        let worst = ["leak", "disk", "delete-root", "delete-home", "gate-files", "write-secret"];
        for finding in inner.facts.findings {
            let kind = match finding.rule.as_str() {
                rule if worst.contains(&rule) => Kind::Ask,
                // A program may well talk to a server; whether this one should is not for rules.
                // Most of what JavaScript sends goes from a page to the server it came from.
                "network-send" if language != Some(Language::JavaScript) => Kind::Open,
                _ => continue,
            };
            let fact = format!("writes code which, when it runs, {}", finding.fact);
            self.add(kind, "written-code", &finding.span, &fact);
        }
    }
}

/// A makefile, as far as its recipes are told.
struct Makefile {
    variables: BTreeMap<String, String>,
    /// Targets with what they need and their recipes, in order.
    rules: Vec<(Vec<String>, Vec<String>, Vec<String>)>,
}

impl Makefile {
    fn read(text: &str) -> Self {
        let mut makefile = Self { variables: BTreeMap::new(), rules: Vec::new() };
        let joined = text.replace("\\\n", " ");
        for line in joined.lines() {
            if let Some(recipe) = line.strip_prefix('\t') {
                if let Some((_, _, recipes)) = makefile.rules.last_mut() {
                    let recipe = recipe.trim().trim_start_matches(['@', '-', '+']);
                    recipes.push(recipe.to_owned());
                }
                continue;
            }
            let line = line.split('#').next().unwrap_or_default();
            let assigned = ["::=", ":=", "?=", "+=", "!="]
                .iter()
                .find_map(|mark| line.split_once(mark))
                .or_else(|| line.split_once('=').filter(|(name, _)| !name.contains(':')));
            if let Some((name, value)) = assigned {
                let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
                makefile.variables.insert(name, value);
            } else if let Some((targets, needs)) = line.split_once(':') {
                let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
                let (needs, recipe) = needs.split_once(';').unwrap_or((needs, ""));
                let recipes = [recipe.trim().to_owned()].into_iter().filter(|r| !r.is_empty());
                makefile.rules.push((words(targets), words(needs), recipes.collect()));
            }
        }
        makefile
    }

    /// Every recipe and every command that is run while it is read.
    fn all(&self) -> Vec<String> {
        let recipes = self.rules.iter().flat_map(|(_, _, recipes)| recipes);
        let mut lines: Vec<String> = recipes.map(|recipe| self.expanded(recipe, 0)).collect();
        lines.extend(self.variables.values().filter_map(|value| shell_call(value)));
        lines
    }

    /// The recipes of these targets, or of the first one, and of what they need; `None` when they
    /// are too many to follow.
    fn runs(&self, targets: &[String]) -> Option<Vec<String>> {
        let mut left: Vec<String> = targets.to_vec();
        if left.is_empty() {
            let first = self.rules.iter().flat_map(|(targets, _, _)| targets);
            left.extend(first.filter(|target| !target.starts_with('.')).take(1).cloned());
        }
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut done: BTreeSet<usize> = BTreeSet::new();
        let mut lines: Vec<String> =
            self.variables.values().filter_map(|v| shell_call(v)).collect();
        let mut made: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut patterns = Vec::new();
        for (at, (names, _, _)) in self.rules.iter().enumerate() {
            for name in names {
                made.entry(name).or_default().push(at);
            }
            // A pattern may be what makes any of them.
            if names.iter().any(|name| name.contains('%')) {
                patterns.push(at);
            }
        }
        while let Some(target) = left.pop() {
            if seen.contains(&target) {
                continue;
            }
            if seen.len() >= MOST_TARGETS {
                return None;
            }
            let own = made.get(target.as_str()).into_iter().flatten();
            for at in own.chain(&patterns) {
                if let Some((_, needs, recipes)) = self.rules.get(*at).filter(|_| done.insert(*at))
                {
                    left.extend(needs.iter().cloned());
                    lines.extend(recipes.iter().map(|recipe| self.expanded(recipe, 0)));
                }
            }
            seen.insert(target);
        }
        Some(lines)
    }

    /// A recipe with the makefile's own variables in it; what they do not tell stays the shell's.
    fn expanded(&self, text: &str, depth: usize) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            if let Some(shell) = after.strip_prefix('$') {
                out.push('$');
                rest = shell;
                continue;
            }
            let named = match after.chars().next() {
                Some('(') => after.get(1..).and_then(|inner| inner.split_once(')')),
                Some('{') => after.get(1..).and_then(|inner| inner.split_once('}')),
                Some('@' | '<' | '^' | '*' | '?') => {
                    // The name of a file of the project.
                    out.push_str("./target");
                    rest = after.get(1..).unwrap_or_default();
                    continue;
                }
                _ => None,
            };
            let Some((name, tail)) = named else {
                rest = after;
                continue;
            };
            match (self.variables.get(name), name) {
                (Some(value), _) if depth < 8 => out.push_str(&self.expanded(value, depth + 1)),
                (_, "MAKE") => out.push_str("make"),
                (_, "CURDIR" | "PWD") => out.push('.'),
                (_, "HOME") => out.push('~'),
                (_, "CC" | "CXX" | "CFLAGS" | "CXXFLAGS" | "LDFLAGS" | "LDLIBS" | "CPPFLAGS") => {}
                (_, name) if name.starts_with("shell ") => {
                    out.push_str("$(");
                    out.push_str(name.trim_start_matches("shell "));
                    out.push(')');
                }
                (_, _) => out.push_str("${gatepost_make_variable}"),
            }
            rest = tail;
        }
        out.push_str(rest);
        out
    }
}

/// The command in `$(shell …)`.
fn shell_call(value: &str) -> Option<String> {
    let (_, after) = value.split_once("$(shell ")?;
    Some(after.rsplit_once(')').map_or(after, |(inner, _)| inner).to_owned())
}
