//! Programs of services and tools whose arguments need more than a table to be read.

use crate::facts::Access;
use crate::facts::Kind;
use crate::paths::ATOM;
use crate::paths::UNKNOWN;
use crate::programs::flag_values;
use crate::programs::has_flag;
use crate::programs::inspect_args;
use crate::programs::positional;
use crate::walk::Stdin;
use crate::walk::Walker;

/// `None` when this module does not know the program.
pub(super) fn judge(
    walker: &mut Walker<'_>,
    name: &str,
    args: &[String],
    stdin: &Stdin,
    span: &str,
) -> Option<Option<String>> {
    match name {
        "rsync" => rsync(walker, args, span),
        "sqlite3" | "duckdb" => return database(walker, name, args, stdin, span).then_some(None),
        "ssh-keygen" => keys(walker, args, span),
        "dpkg" | "rpm" => packages(walker, name, args, span),
        "crontab" => {
            let lists = matches!(args, [only] if only == "-l");
            let (kind, fact) = match lists {
                true => (Kind::Read, "lists what runs at set times"),
                false => (Kind::Ask, "changes what runs at set times"),
            };
            walker.add(kind, "crontab", span, fact);
        }
        "watch" => watch(walker, args, span),
        "npx" | "bunx" | "pnpx" | "uvx" | "pipx" => {
            return fetched(walker, name, args, stdin, span);
        }
        _ => return None,
    }
    Some(None)
}

/// A copy between places of this machine; with another machine it sends or fetches.
fn rsync(walker: &mut Walker<'_>, args: &[String], span: &str) {
    let values = [
        "-e",
        "-f",
        "-T",
        "-B",
        "-M",
        "--rsh",
        "--rsync-path",
        "--exclude",
        "--include",
        "--filter",
        "--exclude-from",
        "--include-from",
        "--files-from",
        "--log-file",
        "--backup-dir",
        "--suffix",
        "--compare-dest",
        "--copy-dest",
        "--link-dest",
        "--max-size",
        "--min-size",
        "--bwlimit",
        "--timeout",
        "--chmod",
        "--chown",
        "--temp-dir",
        "--partial-dir",
        "--password-file",
    ]
    .map(str::to_owned);
    let mut words = positional(args, &values);
    let away = |word: &String| {
        let head = word.split('/').next().unwrap_or_default();
        head.contains(':') || word.starts_with(UNKNOWN)
    };
    let runs = has_flag(args, &["-e", "--rsh", "--rsync-path", "--daemon", "--config", "-M"]);
    if runs || words.iter().any(away) || words.is_empty() {
        walker.add(
            Kind::Ask,
            "rsync",
            span,
            "copies to or from another machine, or runs a program",
        );
        inspect_args(walker, args, span);
        return;
    }
    walker.add(Kind::Edit, "workspace-edit", span, "copies files");
    for flag in ["--log-file", "--backup-dir", "--temp-dir", "--partial-dir", "-T"] {
        for path in flag_values(args, flag) {
            walker.touch(&path, Access::Write, span);
        }
    }
    let lists = ["--files-from", "--exclude-from", "--include-from", "--password-file"];
    for path in lists.iter().flat_map(|flag| flag_values(args, flag)) {
        walker.touch(&path, Access::Read, span);
    }
    let target = if words.len() > 1 { words.pop() } else { None };
    for word in &words {
        walker.touch(word, Access::Read, span);
        if args.iter().any(|arg| arg == "--remove-source-files") {
            walker.touch(word, Access::Delete, span);
        }
    }
    if let Some(target) = target {
        walker.touch(&target, Access::Write, span);
        if args.iter().any(|arg| arg.starts_with("--del")) {
            walker.touch(&target, Access::Delete, span);
        }
    }
}

/// Commands for a database file; false when it would wait for them.
fn database(
    walker: &mut Walker<'_>,
    name: &str,
    args: &[String],
    stdin: &Stdin,
    span: &str,
) -> bool {
    let flags =
        ["-cmd", "-init", "-separator", "-newline", "-nullvalue", "-maxsize", "-mmap", "-vfs"];
    let mut words = Vec::new();
    let mut texts = Vec::new();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        let flag = arg
            .strip_prefix('-')
            .map_or(String::new(), |flag| format!("-{}", flag.trim_start_matches('-')));
        match flag.as_str() {
            "" => words.push(arg.clone()),
            "-cmd" | "-c" | "-s" | "-f" if flag == "-cmd" || name == "duckdb" => {
                texts.extend(rest.next().cloned());
            }
            "-init" | "-A" | "-append" | "-archive" | "-vfs" | "-zip" | "-unsigned" => {
                walker.add(Kind::Ask, name, span, "loads commands or code from elsewhere");
            }
            flag if flags.contains(&flag) => {
                rest.next();
            }
            _ => {}
        }
    }
    if words.is_empty() && texts.is_empty() && *stdin == Stdin::Inherited {
        return false;
    }
    let file = if words.is_empty() { None } else { Some(words.remove(0)) };
    if let Some(file) = file.filter(|file| !file.is_empty() && file != ":memory:") {
        walker.touch(&file, Access::Read, span);
        walker.touch(&file, Access::Write, span);
    }
    texts.extend(words);
    match stdin {
        _ if !texts.is_empty() => {}
        Stdin::Text(text) => texts.push(text.clone()),
        Stdin::File(file) => walker.touch(file, Access::Run, span),
        Stdin::Pipe | Stdin::Inherited => {
            walker.add(Kind::Open, name, span, "runs database commands that are not known");
        }
    }
    for text in &texts {
        statements(walker, name, text, span);
    }
    walker.add(Kind::Edit, "workspace-edit", span, "works on a database of the workspace");
    true
}

/// Dot commands that only show or set how things are shown.
const SHOWS: &[&str] = &[
    ".tables",
    ".schema",
    ".headers",
    ".header",
    ".mode",
    ".indexes",
    ".indices",
    ".databases",
    ".dump",
    ".width",
    ".quit",
    ".exit",
    ".help",
    ".separator",
    ".nullvalue",
    ".timer",
    ".stats",
    ".show",
    ".fullschema",
    ".print",
    ".changes",
    ".bail",
    ".echo",
    ".dbinfo",
    ".lint",
];

/// Functions and statements that reach beyond the database.
const REACHES: &[&str] = &[
    "load_extension",
    "writefile",
    "readfile",
    "edit(",
    "attach",
    "vacuum into",
    "fts3_tokenizer",
    "copy ",
    "install ",
    "load ",
    "read_csv",
    "read_text",
    "read_blob",
    "read_parquet",
    "read_json",
    "httpfs",
    "shell",
    "glob(",
];

fn statements(walker: &mut Walker<'_>, name: &str, text: &str, span: &str) {
    if text.contains(UNKNOWN) {
        walker.add(Kind::Open, name, span, "runs database commands that are not known");
        return;
    }
    for line in text.lines().map(str::trim_start).filter(|line| line.starts_with('.')) {
        let command = line.split_whitespace().next().unwrap_or_default();
        // A command may be shortened to what tells it from the others; only whole ones are known.
        if !SHOWS.contains(&command) || line.contains('|') {
            let fact = "runs a database command that may run programs or write files";
            walker.add(Kind::Ask, name, span, fact);
        }
    }
    let lower = text.to_lowercase();
    let skipped =
        if name == "sqlite3" { &["copy ", "install ", "load ", "glob("][..] } else { &[] };
    if REACHES.iter().any(|word| lower.contains(word) && !skipped.contains(word)) {
        walker.add(Kind::Ask, name, span, "reaches files or code beyond its database");
    }
}

fn keys(walker: &mut Walker<'_>, args: &[String], span: &str) {
    let files = flag_values(args, "-f");
    if has_flag(args, &["-D", "-w", "-K", "-R", "-s", "-I", "-M", "-A", "-O", "-Y"])
        || files.is_empty()
    {
        walker.add(Kind::Ask, "ssh-keygen", span, "makes or changes keys of the machine");
        return;
    }
    let reads = has_flag(args, &["-l", "-y", "-B", "-e"]);
    for file in files {
        if reads {
            walker.touch(&file, Access::Read, span);
        } else {
            walker.touch(&file, Access::Write, span);
            walker.touch(&format!("{file}.pub"), Access::Write, span);
        }
    }
}

fn packages(walker: &mut Walker<'_>, name: &str, args: &[String], span: &str) {
    let reads = match args.first().map(String::as_str) {
        Some(first) if name == "dpkg" => {
            let long = ["--list", "--listfiles", "--status", "--search", "--print-architecture"];
            long.contains(&first) || ["-l", "-L", "-s", "-S", "-p"].contains(&first)
        }
        Some(first) => {
            first.starts_with("-q") && !args.iter().any(|arg| arg == "--pipe" || arg == "--eval")
        }
        None => false,
    };
    if reads {
        walker.add(Kind::Read, "read", span, "names programs of the machine");
        inspect_args(walker, args, span);
    } else {
        walker.add(Kind::Ask, name, span, "installs or removes programs of the machine");
    }
}

/// It hands its words, joined, to a shell, again and again.
fn watch(walker: &mut Walker<'_>, args: &[String], span: &str) {
    let mut rest = args.iter().peekable();
    while let Some(flag) = rest.next_if(|arg| arg.starts_with('-')) {
        if ["-n", "--interval", "-q", "--equexit"].contains(&flag.as_str()) {
            rest.next();
        }
    }
    let words: Vec<String> = rest.cloned().collect();
    if words.is_empty() {
        walker.add(Kind::Read, "read", span, "says how it is used");
    } else if words.iter().any(|word| word.contains([UNKNOWN, ATOM])) {
        walker.not_understood(span, "runs a command that is not known before it runs");
    } else {
        walker.child(&words.join(" "), None);
    }
}

/// A tool of a package that is fetched where the project has none: known ones are judged as such.
fn fetched(
    walker: &mut Walker<'_>,
    name: &str,
    args: &[String],
    stdin: &Stdin,
    span: &str,
) -> Option<Option<String>> {
    let mut rest = args.iter();
    let mut tool = None;
    let ask = |walker: &mut Walker<'_>, what: &str| {
        let fact = format!("fetches and runs `{what}`, which is not on the list of known tools");
        walker.add(Kind::Ask, name, span, &fact);
    };
    while let Some(arg) = rest.next() {
        let (flag, joined) =
            arg.split_once('=').map_or((arg.as_str(), None), |(flag, value)| (flag, Some(value)));
        match flag {
            "-c" | "--call" if name == "npx" || name == "pnpx" => {
                let text = joined.map(str::to_owned).or_else(|| rest.next().cloned());
                walker.child(&text.unwrap_or_default(), None);
                return Some(None);
            }
            "-p" | "--package" | "--from" | "--with" | "--spec" => {
                let package = joined.map(str::to_owned).or_else(|| rest.next().cloned());
                let package = package.unwrap_or_default();
                if !is_known(name, plain(&package)) {
                    ask(walker, &package);
                }
            }
            "--python" | "--index" | "--index-url" | "--registry" | "--workspace" => {
                if joined.is_none() {
                    rest.next();
                }
                if flag.starts_with("--index") || flag == "--registry" {
                    walker.add(Kind::Ask, name, span, "takes packages from another registry");
                }
            }
            "run" if name == "pipx" => {}
            flag if flag.starts_with('-') => {}
            _ => {
                tool = Some(arg.clone());
                break;
            }
        }
    }
    let tool = tool?;
    if !is_known(name, plain(&tool)) {
        return None;
    }
    let mut words = vec![plain(&tool).to_owned()];
    words.extend(rest.cloned());
    let before = std::mem::replace(&mut walker.in_project, true);
    let output = walker.invoke(&words, stdin, span);
    walker.in_project = before;
    Some(output)
}

/// A package's name without the version that is asked for.
fn plain(package: &str) -> &str {
    let from = usize::from(package.starts_with('@'));
    let at = package.get(from..).and_then(|rest| rest.find(['@', '=', '[']));
    at.and_then(|at| package.get(..at + from)).unwrap_or(package)
}

/// Whether the table lists a tool under its runner.
fn is_known(runner: &str, tool: &str) -> bool {
    let row = super::table().ok().and_then(|rows| rows.get(runner));
    row.is_some_and(|row| row.sub.iter().any(|sub| sub.names.iter().any(|name| name == tool)))
}
