//! What programs do: a table read from `programs/*.toml`, and the few that need code.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::OnceLock;

use serde::Deserialize;

use crate::facts::Access;
use crate::facts::Kind;
use crate::paths;
use crate::paths::ATOM;
use crate::paths::PathClass;
use crate::paths::UNKNOWN;
use crate::walk::Stdin;
use crate::walk::Walker;
use crate::written::Content;
use crate::written::Language;

mod files;
mod git;
mod interpreters;
mod net;
mod runners;
mod services;
mod shells;
mod stores;

/// The tables, each a family of programs.
pub(crate) const TABLES: &[(&str, &str)] = &[
    ("core.toml", include_str!("../programs/core.toml")),
    ("develop.toml", include_str!("../programs/develop.toml")),
    ("network.toml", include_str!("../programs/network.toml")),
    ("system.toml", include_str!("../programs/system.toml")),
];

/// What a program does unless a flag or subcommand says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Class {
    /// Reads and prints.
    Read,
    /// Changes files; its paths decide.
    Edit,
    /// Runs code of the workspace, which the sandbox contains.
    Contained,
    /// Runs the command in its arguments.
    Wrapper,
    /// Runs the command in its arguments with more rights or elsewhere: asks whatever it is.
    AskWrapper,
    /// Asks a person.
    Ask,
    /// Destroys what cannot be brought back, whoever says so.
    Hard,
}

/// What the arguments that are not flags name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Args {
    /// Names and text; those that look like a path elsewhere are read.
    None,
    /// Text only, whatever it looks like.
    Text,
    /// Paths that are read.
    #[default]
    Read,
    /// Paths that are written.
    Write,
    /// Paths that are deleted.
    Delete,
    /// The first path is read, the second written.
    ReadThenWrite,
}

/// One row of the table: a program or a subcommand.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Row {
    pub(crate) names: Vec<String>,
    pub(crate) class: Class,
    pub(crate) reason: String,
    #[serde(default)]
    pub(crate) args: Args,
    /// How many arguments come before the paths (a pattern, a filter).
    #[serde(default)]
    skip: usize,
    /// Flags that carry what [`Self::skip`] skips, so that nothing is skipped.
    #[serde(default)]
    skip_unless: Vec<String>,
    /// How many arguments it takes at most.
    #[serde(default)]
    most: Option<usize>,
    /// Flags whose value stands in the next word and is no path.
    #[serde(default)]
    values: Vec<String>,
    /// Flags whose value is a path that is written.
    #[serde(default)]
    writes: Vec<String>,
    /// Flags that make it ask, and why.
    #[serde(default)]
    ask: HashMap<String, String>,
    /// Text inside an argument that makes it ask, and why.
    #[serde(default)]
    ask_within: HashMap<String, String>,
    /// Subcommands.
    #[serde(default)]
    sub: Vec<Row>,
    /// Commands that are allowed in `auto`; only tests read them.
    #[serde(default, rename = "match")]
    #[cfg_attr(not(test), expect(dead_code, reason = "the table's tests read them"))]
    matches: Vec<String>,
    /// Commands that are not.
    #[serde(default, rename = "not_match")]
    #[cfg_attr(not(test), expect(dead_code, reason = "the table's tests read them"))]
    not_match: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    program: Vec<Row>,
}

/// The table by program name, or why it cannot be read.
fn table() -> Result<&'static HashMap<String, Row>, &'static str> {
    static TABLE: OnceLock<Result<HashMap<String, Row>, String>> = OnceLock::new();
    TABLE
        .get_or_init(|| {
            let mut rows = HashMap::new();
            for (file, text) in TABLES {
                let table: Table =
                    toml::from_str(text).map_err(|error| format!("{file}: {error}"))?;
                for row in table.program {
                    for name in row.names.clone() {
                        rows.insert(name, row.clone());
                    }
                }
            }
            Ok(rows)
        })
        .as_ref()
        .map_err(String::as_str)
}

/// Judges one program with its words; says what it prints where that is known.
pub(crate) fn judge(
    walker: &mut Walker<'_>,
    argv: &[String],
    stdin: &Stdin,
    span: &str,
) -> Option<String> {
    let (first, args) = argv.split_first()?;
    let mut name = first.as_str();
    if first.contains('/') {
        let full = paths::resolve(first, walker.cwd.as_deref(), &walker.context.home);
        let class =
            full.as_deref().map_or(PathClass::Unknown, |full| paths::class(full, walker.context));
        let base = first.rsplit('/').next().unwrap_or_default();
        if class == PathClass::System {
            name = base;
        } else {
            walker.run_file(first, Language::of_program(base), args, span);
            publishing(walker, base, args, span);
            if shells::is_interpreter(base) {
                name = base;
            } else {
                inspect_args(walker, args, span);
                return None;
            }
        }
    }
    if let Some(output) = shells::judge(walker, name, args, stdin, span)
        .or_else(|| files::judge(walker, name, args, stdin, span))
        .or_else(|| net::judge(walker, name, args, span))
        .or_else(|| git::judge(walker, name, args, span))
        .or_else(|| runners::judge(walker, name, args, stdin, span))
        .or_else(|| services::judge(walker, name, args, stdin, span))
        .or_else(|| stores::judge(walker, name, args, stdin, span))
    {
        return output;
    }
    let rows = match table() {
        Ok(rows) => rows,
        Err(error) => {
            walker.not_understood(
                span,
                &format!("cannot be judged: the program table is damaged ({error})"),
            );
            return None;
        }
    };
    if !rows.contains_key(name) && is_version_or_help(args) {
        walker.add(Kind::Read, "read", span, &format!("prints what `{name}` says of itself"));
        return None;
    }
    let Some(row) = rows.get(name).or_else(|| rows.get(versionless(name))) else {
        if walker.in_project && !first.contains('/') {
            walker.add(
                Kind::Contained,
                "contained",
                span,
                &format!("runs `{name}`, which the project installed; the sandbox contains it"),
            );
            inspect_args(walker, args, span);
            return None;
        }
        walker.add(
            Kind::Open,
            "program-unknown",
            span,
            &format!("runs `{name}`, whose effect is not known"),
        );
        inspect_args(walker, args, span);
        return None;
    };
    apply(walker, row, name, args, stdin, span)
}

/// Applies one row of the table.
pub(crate) fn apply(
    walker: &mut Walker<'_>,
    row: &Row,
    name: &str,
    args: &[String],
    stdin: &Stdin,
    span: &str,
) -> Option<String> {
    if is_version_or_help(args) && !matches!(row.class, Class::Wrapper | Class::AskWrapper) {
        walker.add(Kind::Read, "read", span, &format!("prints what `{name}` says of itself"));
        return None;
    }
    for (flag, reason) in &row.ask {
        if args.iter().any(|arg| is_flag(arg, flag)) {
            walker.add(Kind::Ask, name, span, reason);
        }
    }
    for (part, reason) in &row.ask_within {
        if args.iter().any(|arg| arg.contains(part.as_str())) {
            walker.add(Kind::Ask, name, span, reason);
        }
    }
    if !row.sub.is_empty() {
        return subcommand(walker, row, name, args, stdin, span);
    }
    match row.class {
        Class::Read => {
            walker.add(Kind::Read, "read", span, &row.reason);
            use_args(walker, row, args, span);
        }
        Class::Edit => {
            walker.add(Kind::Edit, "workspace-edit", span, &row.reason);
            use_args(walker, row, args, span);
        }
        Class::Contained => {
            publishing(walker, name, args, span);
            task_files(walker, name, args, span);
            walker.add(Kind::Contained, "contained", span, &row.reason);
            use_args(walker, row, args, span);
        }
        Class::Ask => {
            walker.add(Kind::Ask, name, span, &row.reason);
            inspect_args(walker, args, span);
        }
        Class::Hard => walker.add(Kind::Hard, name, span, &row.reason),
        Class::Wrapper | Class::AskWrapper => {
            if row.class == Class::AskWrapper {
                walker.add(Kind::Ask, name, span, &row.reason);
            }
            let inner = inner_command(row, args);
            if !inner.is_empty() {
                return walker.invoke(&inner, stdin, span);
            }
            walker.add(Kind::Read, "read", span, &row.reason);
        }
    }
    prints(walker, name, args, stdin)
}

fn subcommand(
    walker: &mut Walker<'_>,
    row: &Row,
    name: &str,
    args: &[String],
    stdin: &Stdin,
    span: &str,
) -> Option<String> {
    let words = positional(args, &row.values);
    let first = words.first().cloned().unwrap_or_default();
    let two = format!("{first} {}", words.get(1).cloned().unwrap_or_default());
    let found = row
        .sub
        .iter()
        .find(|sub| sub.names.contains(&two))
        .or_else(|| row.sub.iter().find(|sub| sub.names.contains(&first)))
        .or_else(|| row.sub.iter().find(|sub| sub.names.iter().any(|n| n == "*")));
    let Some(sub) = found else {
        let kind = if row.class == Class::Hard { Kind::Hard } else { Kind::Ask };
        if words.is_empty() && row.class == Class::Contained {
            walker.add(Kind::Contained, "contained", span, &row.reason);
        } else {
            walker.add(kind, name, span, &row.reason);
        }
        return None;
    };
    match name {
        "npm" | "pnpm" | "yarn" | "bun" => {
            let install = ["install", "i", "ci", "add", "rebuild", "pack", ""];
            match first.as_str() {
                "run" | "run-script" => {
                    let script = words.get(1).cloned().unwrap_or_default();
                    walker.package_script(&script, span);
                }
                "t" => walker.package_script("test", span),
                other if install.contains(&other) => {
                    // `x/y` is a repository of a forge.
                    let forge = |word: &String| {
                        word.contains('/')
                            && !word.starts_with(['@', '.', '/', '~'])
                            && !word.contains(':')
                    };
                    if words.iter().skip(1).any(forge) {
                        walker.add(Kind::Ask, name, span, "takes code from elsewhere");
                    }
                    for script in ["install", "prepare", "prepublish", "prepack"] {
                        walker.package_script(script, span);
                    }
                }
                other => walker.package_script(other, span),
            }
        }
        "pip" if first != "list" => walker.picks_up(|name| name == "setup.py", span),
        _ => {}
    }
    let depth =
        if sub.names.contains(&two) { 2 } else { usize::from(!sub.names.iter().any(|n| n == "*")) };
    let rest = after_words(args, &row.values, depth);
    let output = apply(walker, sub, name, &rest, stdin, span);
    if name == "git" && git::lists_files(&first, &rest) {
        return Some(format!("./{ATOM}"));
    }
    output
}

/// Uses the arguments of a row as the paths they are.
fn use_args(walker: &mut Walker<'_>, row: &Row, args: &[String], span: &str) {
    for flag in &row.writes {
        for value in flag_values(args, flag) {
            walker.touch(&value, Access::Write, span);
        }
    }
    let flags_with_values: Vec<String> = row.values.iter().chain(&row.writes).cloned().collect();
    let mut words = positional(args, &flags_with_values);
    let skip = if row.skip_unless.iter().any(|flag| args.iter().any(|arg| is_flag(arg, flag))) {
        0
    } else {
        row.skip
    };
    if row.class == Class::Read && row.args == Args::Read && skip == 0 {
        // A flag takes a value in one program of the row and none in the next (`cut -f`,
        // `tail -f`): a value that is no number may be a path, and reading is all it can do.
        words = positional(args, &row.writes);
        words.retain(|word| !word.chars().all(|c| c.is_ascii_digit() || c == ATOM));
    }
    if row.class == Class::Edit && row.args == Args::Write {
        // The same holds of what is written.
        words = positional(args, &row.writes);
    }
    if row.args != Args::Text {
        // Flags and their values too: many programs share a row, and `-f` of one is not that of
        // another, so whatever looks like a path elsewhere counts as one.
        let used: HashSet<&String> = words.iter().collect();
        for arg in args.iter().filter(|arg| row.args == Args::None || !used.contains(arg)) {
            inspect(walker, arg, span);
        }
    }
    if row.most.is_some_and(|most| words.len() > most) {
        walker.add(
            Kind::Open,
            "program-unknown",
            span,
            "gives a program more arguments than it takes, so it may be another of that name",
        );
    }
    if row.args == Args::Delete && words.is_empty() {
        walker.add(
            Kind::Open,
            "delete-nothing",
            span,
            "deletes without saying what, so what was meant is not told",
        );
    }
    for (i, word) in words.iter().skip(skip).enumerate() {
        match row.args {
            Args::None | Args::Text => {}
            Args::Read => walker.touch(word, Access::Read, span),
            Args::Write => walker.touch(word, Access::Write, span),
            Args::Delete => walker.touch(word, Access::Delete, span),
            Args::ReadThenWrite => {
                walker.touch(word, if i == 0 { Access::Read } else { Access::Write }, span)
            }
        }
    }
}

/// Of arguments whose meaning is not known, those that look like a path elsewhere are read.
pub(crate) fn inspect_args(walker: &mut Walker<'_>, args: &[String], span: &str) {
    for arg in args {
        inspect(walker, arg, span);
    }
}

fn inspect(walker: &mut Walker<'_>, arg: &str, span: &str) {
    let mut value = arg;
    if let Some((_, after)) = arg.split_once('=') {
        value = after;
    } else if arg.starts_with('-')
        && let Some(slash) =
            arg.find(['/', '~']).or_else(|| arg.ends_with("..").then(|| arg.len() - 2))
    {
        value = arg.get(slash..).unwrap_or(arg);
    }
    if let Some(address) = ["http://", "https://", "ftp://", "git://", "ssh://", "git+", "rtmp://"]
        .iter()
        .find_map(|scheme| arg.find(scheme))
        .and_then(|at| arg.get(at..))
    {
        walker.network(address, span, false);
        return;
    }
    let value = value.strip_prefix('@').unwrap_or(value);
    if value.starts_with(['/', '~'])
        || value.starts_with("../")
        || value.contains("/../")
        || value == ".."
        || value.ends_with("/..")
    {
        walker.touch(value, Access::Read, span);
    }
}

/// Task runners whose targets are named by what they do; one that publishes reaches other people.
fn publishing(walker: &mut Walker<'_>, name: &str, args: &[String], span: &str) {
    let runners = [
        "gradle",
        "gradlew",
        "mvn",
        "mvnw",
        "sbt",
        "make",
        "gmake",
        "just",
        "task",
        "rake",
        "ant",
        "gulp",
        "grunt",
        "nx",
        "lerna",
        "run",
        "run-script",
        "npm",
        "pnpm",
        "yarn",
        "bun",
        "mix",
    ];
    let publishes = |target: &&String| {
        !target.starts_with('-')
            && !target.contains(['/', '.', '='])
            && target
                .split([':', '-', '_'])
                .any(|word| ["publish", "deploy", "upload"].contains(&word))
    };
    if runners.contains(&name)
        && let Some(target) = args.iter().find(publishes)
    {
        let fact =
            format!("runs the target `{target}`, which by its name sends something to others");
        walker.add(Kind::Ask, "publish", span, &fact);
    }
}

/// What a runner takes up by itself, where the task wrote it.
fn task_files(walker: &mut Walker<'_>, name: &str, args: &[String], span: &str) {
    match name {
        "make" | "gmake" => {
            makefile_text(walker, args, span);
            let given = [flag_values(args, "-f"), flag_values(args, "--file")].concat();
            let values = ["-C", "-f", "-j", "-I", "-o", "-W"].map(str::to_owned);
            let mut targets = positional(args, &values);
            targets.retain(|target| !target.contains('='));
            let before = walker.cwd.clone();
            if let Some(place) = flag_values(args, "-C").first() {
                walker.cwd = paths::resolve(place, walker.cwd.as_deref(), &walker.context.home);
            }
            let known = ["GNUmakefile", "makefile", "Makefile"].map(str::to_owned).to_vec();
            for file in if given.is_empty() { known } else { given } {
                walker.makefile(&file, &targets, span);
            }
            walker.cwd = before;
        }
        "pytest" | "py.test" | "tox" | "nox" | "coverage" => {
            let named = |name: &str| {
                name == "conftest.py"
                    || name.ends_with(".py")
                        && (name.starts_with("test_")
                            || name.trim_end_matches(".py").ends_with("_test"))
                    || name == "noxfile.py"
            };
            walker.picks_up(named, span);
        }
        _ => {}
    }
}

/// Arguments of make that are makefile text: they run what the workspace does not hold.
fn makefile_text(walker: &mut Walker<'_>, args: &[String], span: &str) {
    let expands =
        args.iter().any(|arg| arg.contains("$(") || arg.contains("${") || arg.contains('`'));
    let assigns = args.iter().any(|arg| {
        let named = arg.split(['=', ':', '?', '+']).next().unwrap_or_default();
        arg.contains("!=")
            || arg.contains('=') && ["SHELL", ".SHELLFLAGS", "MAKEFLAGS"].contains(&named)
    });
    let input =
        [flag_values(args, "-f"), flag_values(args, "--file"), flag_values(args, "--makefile")];
    let piped = input.concat().iter().any(|file| file == "-" || file.starts_with("/dev/"));
    if expands || assigns || piped {
        walker.add(Kind::Ask, "make", span, "gives the build code of its own");
    }
}

/// The command a wrapper runs: what is left after its flags, assignments and own arguments.
fn inner_command(row: &Row, args: &[String]) -> Vec<String> {
    let mut rest = args.iter();
    let mut own = row.skip;
    let mut inner = Vec::new();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            inner.extend(rest.cloned());
            break;
        }
        if arg.starts_with('-') && arg.len() > 1 {
            if row.values.iter().any(|flag| flag == arg) {
                rest.next();
            }
        } else if own > 0 {
            own -= 1;
        } else {
            inner.push(arg.clone());
            inner.extend(rest.cloned());
            break;
        }
    }
    inner
}

/// The arguments that are not flags nor flags' values.
pub(crate) fn positional(args: &[String], values: &[String]) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            words.extend(rest.cloned());
            break;
        }
        if arg.starts_with('-') && arg.len() > 1 {
            if values.iter().any(|flag| flag == arg) {
                rest.next();
            }
            continue;
        }
        words.push(arg.clone());
    }
    words
}

/// What follows the first `count` words that are not flags, with the flags before them.
fn after_words(args: &[String], values: &[String], count: usize) -> Vec<String> {
    let mut out = Vec::new();
    let mut left = count;
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if left > 0 && !(arg.starts_with('-') && arg.len() > 1) {
            left -= 1;
            continue;
        }
        out.push(arg.clone());
        if values.iter().any(|flag| flag == arg) {
            out.extend(rest.next().cloned());
        }
    }
    out
}

/// The values of a flag in every spelling: `-o x`, `-ox`, `--out x`, `--out=x`.
pub(crate) fn flag_values(args: &[String], flag: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == flag {
            out.extend(rest.next().cloned());
        } else if let Some(value) = arg.strip_prefix(flag) {
            if flag.starts_with("--") {
                out.extend(value.strip_prefix('=').map(str::to_owned));
            } else if flag.len() == 2 {
                out.push(value.strip_prefix('=').unwrap_or(value).to_owned());
            }
        }
    }
    out
}

/// Whether an argument is a flag in one of its spellings: whole, with a value, abbreviated, or
/// among joined short flags.
pub(crate) fn is_flag(arg: &str, flag: &str) -> bool {
    let bare = arg.split('=').next().unwrap_or(arg);
    if bare == flag {
        return true;
    }
    if flag.starts_with("--") {
        return bare.starts_with("--") && bare.len() > 4 && flag.starts_with(bare);
    }
    let mut letters = flag.chars().skip(1);
    match (letters.next(), letters.next()) {
        (Some(letter), None) => {
            bare.starts_with('-') && !bare.starts_with("--") && bare.contains(letter)
        }
        (_, _) => false,
    }
}

pub(crate) fn has_flag(args: &[String], flags: &[&str]) -> bool {
    args.iter()
        .take_while(|arg| *arg != "--")
        .any(|arg| flags.iter().any(|flag| is_flag(arg, flag)))
}

pub(crate) fn is_version_or_help(args: &[String]) -> bool {
    matches!(args, [only] if ["--version", "--help", "-V", "-version"].contains(&only.as_str()))
}

/// `python3.11`, `gcc-12`, `pip3` without the version.
pub(crate) fn versionless(name: &str) -> &str {
    name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-')
}

/// What some readers print, where later words depend on it.
fn prints(walker: &mut Walker<'_>, name: &str, args: &[String], stdin: &Stdin) -> Option<String> {
    match (name, stdin) {
        // What only picks or orders lines of found names leaves names.
        ("grep" | "rg" | "egrep" | "fgrep", Stdin::Text(text))
            if names(text)
                && positional(args, &[]).len() <= 1
                && !has_flag(args, &["-o", "-n", "-c", "-b"]) =>
        {
            return Some(text.clone());
        }
        ("head" | "tail" | "sort" | "uniq" | "tac" | "shuf", Stdin::Text(text))
            if names(text)
                && positional(args, &["-n".to_owned(), "-k".to_owned(), "-t".to_owned()])
                    .is_empty() =>
        {
            return Some(text.clone());
        }
        (_, _) => {}
    }
    match name {
        "tee" => {
            let Stdin::Text(text) = stdin else { return None };
            if !has_flag(args, &["-a", "--append"]) {
                for file in positional(args, &[]) {
                    walker.wrote(&file, Content::of(text));
                }
            }
            Some(text.clone())
        }
        "pwd" => walker.cwd.clone(),
        "mktemp" => Some(format!("/tmp/{ATOM}")),
        "date" | "wc" | "nproc" | "seq" | "expr" | "id" | "uname" | "whoami" | "hostname"
        | "basename" | "bc" | "stat" | "du" | "md5sum" | "sha256sum" | "arch" => {
            Some(ATOM.to_string())
        }
        "ls" if positional(args, &[])
            .iter()
            .all(|path| !path.starts_with(['/', '~']) && !path.contains("..")) =>
        {
            Some(format!("./{ATOM}"))
        }
        "dirname" | "realpath" | "readlink" => {
            let path = positional(args, &[]).first().cloned()?;
            if path.contains(UNKNOWN) {
                return None;
            }
            if name == "dirname" {
                return Some(path.rsplit_once('/').map_or(".", |(head, _)| head).to_owned());
            }
            Some(path)
        }
        "grep" | "rg" | "egrep" if has_flag(args, &["-l", "--files-with-matches", "--files"]) => {
            let outside =
                args.iter().any(|path| path.starts_with(['/', '~']) || path.contains(".."));
            (!outside).then(|| format!("./{ATOM}"))
        }
        "fd" => Some(format!("./{ATOM}")),
        _ => None,
    }
}

/// Whether a text is names as finders print them, with nothing unknown about where they lie.
fn names(text: &str) -> bool {
    !text.contains(UNKNOWN)
        && text.split_whitespace().all(|name| name.ends_with(&format!("/{ATOM}")))
}

#[cfg(test)]
mod tests;
