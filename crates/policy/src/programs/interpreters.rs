//! Interpreters: code in their arguments, on their input, or in a file they are to run.

use crate::facts::Access;
use crate::facts::Kind;
use crate::inline;
use crate::paths::UNKNOWN;
use crate::programs::inspect_args;
use crate::walk::Stdin;
use crate::walk::Walker;
use crate::walk::shown;
use crate::written::Language;

pub(super) fn python(walker: &mut Walker<'_>, args: &[String], stdin: &Stdin, span: &str) {
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if let Some(flags) =
            arg.strip_prefix('-').filter(|flags| !flags.is_empty() && !flags.starts_with('-'))
        {
            if let Some((before, joined)) =
                flags.split_once('c').filter(|(before, _)| before.chars().all(char::is_alphabetic))
            {
                let _ = before;
                let code = if joined.is_empty() {
                    rest.next().cloned().unwrap_or_default()
                } else {
                    joined.to_owned()
                };
                let left: Vec<String> = rest.cloned().collect();
                inspect_args(walker, &left, span);
                inline::judge(walker, Language::Python, &code);
                return;
            }
            if flags.ends_with('m') || flags.starts_with('m') {
                let module = if flags.len() > 1 && flags.starts_with('m') {
                    flags.trim_start_matches('m').to_owned()
                } else {
                    rest.next().cloned().unwrap_or_default()
                };
                let left: Vec<String> = rest.cloned().collect();
                module_run(walker, &module, &left, stdin, span);
                return;
            }
            if ["W", "X"].contains(&flags) {
                rest.next();
            }
            if ["V", "VV"].contains(&flags) {
                walker.add(Kind::Read, "read", span, "prints a version");
                return;
            }
            continue;
        }
        if arg.starts_with("--") {
            walker.add(Kind::Read, "read", span, "prints a version");
            return;
        }
        if arg == "-" {
            break;
        }
        walker.touch(arg, Access::Read, span);
        walker.run_file(arg, Some(Language::Python), &[], span);
        let left: Vec<String> = rest.cloned().collect();
        inspect_args(walker, &left, span);
        return;
    }
    match stdin {
        Stdin::Text(text) if !text.contains(UNKNOWN) => {
            inline::judge(walker, Language::Python, text)
        }
        Stdin::Text(_) | Stdin::Pipe => {
            walker.not_understood(span, "runs Python that another program hands it")
        }
        Stdin::File(path) => walker.run_file(path, Some(Language::Python), &[], span),
        Stdin::Inherited => {
            walker.add(Kind::Open, "python", span, "starts an interpreter that waits for code")
        }
    }
}

/// A module run as a program: some are programs of the table, most of the rest are the project's.
fn module_run(walker: &mut Walker<'_>, module: &str, args: &[String], stdin: &Stdin, span: &str) {
    let program = match module {
        "pip" | "pytest" | "black" | "ruff" | "mypy" | "flake8" | "isort" | "pylint"
        | "coverage" | "tox" | "nox" | "poetry" | "uv" | "build" | "twine" | "virtualenv"
        | "jupyter" | "pre_commit" => Some(module),
        _ => None,
    };
    if let Some(program) = program {
        let mut argv = vec![program.to_owned()];
        argv.extend(args.iter().cloned());
        walker.invoke(&argv, stdin, span);
        return;
    }
    inspect_args(walker, args, span);
    walker.brings_in(module, span);
    walker.brings_in(&format!("{module}.__main__"), span);
    match module {
        "timeit" => {
            let mut code: Vec<String> = crate::programs::flag_values(args, "-s");
            code.extend(crate::programs::flag_values(args, "--setup"));
            let values = ["-n", "-r", "-s", "-u", "--setup", "--number"].map(str::to_owned);
            code.extend(crate::programs::positional(args, &values));
            inline::judge(walker, Language::Python, &code.join("\n"));
            return;
        }
        "json.tool" => {
            if let Some(out) = crate::programs::positional(args, &["--indent".to_owned()]).get(1) {
                walker.touch(out, Access::Write, span);
            }
        }
        _ => {}
    }
    match module {
        "http.server" | "SimpleHTTPServer" | "smtpd" | "pty" | "ensurepip" | "webbrowser"
        | "ftplib" | "smtplib" | "telnetlib" | "code" | "pdb" | "cProfile" | "profile"
        | "trace" | "runpy" | "pydoc" | "bdb" | "asyncio" | "zipapp" | "zipfile" | "tarfile"
        | "doctest" | "idlelib" | "site" | "IPython" => {
            walker.add(
                Kind::Ask,
                "python-module",
                span,
                &format!("runs the module `{module}`, which opens the machine or runs any code"),
            );
        }
        known if known.contains([UNKNOWN]) => {
            walker.not_understood(span, "runs a module that is not known before it runs")
        }
        known => walker.add(
            Kind::Contained,
            "contained",
            span,
            &format!("runs the module `{}`", shown(known)),
        ),
    }
}

/// What an interpreter's short flags mean; they may be joined into one word.
struct Flags {
    /// Their value is code.
    code: &'static str,
    /// Their value names code that runs before.
    loads: &'static str,
    /// They take a value that is neither.
    values: &'static str,
    /// What follows in the same word is theirs, if anything does.
    joined: &'static str,
    /// They make it write the files it is given.
    in_place: &'static str,
    /// Its code is told by these long flags.
    long: &'static [&'static str],
}

/// `None` when the program is no interpreter known here.
fn flags(name: &str) -> Option<Flags> {
    let plain =
        Flags { code: "e", loads: "", values: "", joined: "", in_place: "", long: &["--eval"] };
    Some(match name {
        "perl" => {
            Flags { code: "eE", loads: "mMIdD", joined: "0lCFxTtuUWXw", in_place: "i", ..plain }
        }
        "ruby" => Flags { loads: "rIC", values: "EK", joined: "0FlxTW", in_place: "i", ..plain },
        "php" => Flags {
            code: "rBRE",
            loads: "dczSF",
            values: "t",
            long: &["--run", "--process-begin", "--process-code", "--process-end"],
            ..plain
        },
        "lua" | "luajit" => Flags { loads: "lj", joined: "O", ..plain },
        "Rscript" | "tclsh" | "jshell" => plain,
        "julia" => Flags {
            code: "eE",
            loads: "LJH",
            values: "Cpt",
            joined: "gO",
            long: &["--eval", "--print"],
            ..plain
        },
        _ => return None,
    })
}

/// Long flags that change nothing about what runs.
const QUIET: &[&str] = &[
    "--vanilla",
    "--no-save",
    "--no-restore",
    "--quiet",
    "--slave",
    "--verbose",
    "--project",
    "--threads",
    "--startup-file",
    "--color",
    "--yjit",
    "--jit",
    "--disable-gems",
    "--enable",
    "--encoding",
    "--no-php-ini",
    "--syntax-check",
    "--default-packages",
    "--banner",
    "--optimize",
    "--compile",
];

/// An interpreter whose language is judged by its words; false when the program is none.
pub(super) fn other(
    walker: &mut Walker<'_>,
    name: &str,
    args: &[String],
    stdin: &Stdin,
    span: &str,
) -> bool {
    let Some(flags) = flags(name) else { return false };
    let language = language_of(name);
    let mut codes: Vec<String> = Vec::new();
    let mut in_place = false;
    let mut files = false;
    let mut rest = args.iter();
    'words: while let Some(arg) = rest.next() {
        if ["--version", "-v", "-V", "--help", "-h"].contains(&arg.as_str()) {
            walker.add(Kind::Read, "read", span, "prints a version");
            return true;
        }
        if let Some(long) = arg.strip_prefix("--").filter(|long| !long.is_empty()) {
            let (long, value) = long.split_once('=').map_or((long, None), |(l, v)| (l, Some(v)));
            let long = format!("--{long}");
            if flags.long.contains(&long.as_str()) {
                codes.extend(value.map(str::to_owned).or_else(|| rest.next().cloned()));
            } else if !QUIET.contains(&long.as_str()) {
                let fact = format!("gives `{name}` a flag whose meaning is not known");
                walker.add(Kind::Open, "interpreter", span, &fact);
            }
            continue;
        }
        let letters = arg.strip_prefix('-').filter(|letters| !letters.is_empty());
        let Some(letters) = letters.filter(|_| arg != "--") else {
            if arg == "-" || arg == "--" {
                continue;
            }
            // With code in the arguments the rest is data for it.
            if !codes.is_empty() {
                walker.touch(arg, if in_place { Access::Write } else { Access::Read }, span);
                files = true;
                continue;
            }
            walker.touch(arg, Access::Read, span);
            walker.run_file(arg, Some(language), &[], span);
            let left: Vec<String> = rest.cloned().collect();
            inspect_args(walker, &left, span);
            return true;
        };
        for (at, letter) in letters.char_indices() {
            let after = letters.get(at + letter.len_utf8()..).unwrap_or_default();
            let mut value = || match after {
                "" => rest.next().cloned().unwrap_or_default(),
                joined => joined.to_owned(),
            };
            if flags.code.contains(letter) {
                codes.push(value());
                continue 'words;
            }
            if flags.loads.contains(letter) {
                // Libraries that come with the language do no more than the code that uses them.
                let library = value();
                if !plain_library(name, letter, &library) {
                    walker.add(Kind::Open, "interpreter", span, "loads code before its script");
                }
                continue 'words;
            }
            if flags.values.contains(letter) {
                value();
                continue 'words;
            }
            if flags.in_place.contains(letter) {
                in_place = true;
                continue 'words;
            }
            if flags.joined.contains(letter) && after.starts_with(|c: char| !c.is_alphabetic()) {
                continue 'words;
            }
        }
    }
    if !codes.is_empty() {
        inline::judge(walker, language, &codes.join("\n"));
        if in_place && !files {
            walker.add(Kind::Open, "interpreter", span, "changes files that it does not name");
        }
        return true;
    }
    input(walker, language, stdin, span);
    true
}

fn language_of(name: &str) -> Language {
    match name {
        "perl" => Language::Other("perl"),
        "ruby" => Language::Other("ruby"),
        "php" => Language::Other("php"),
        "lua" | "luajit" => Language::Other("lua"),
        "Rscript" => Language::Other("R"),
        "tclsh" => Language::Other("tcl"),
        "julia" => Language::Other("julia"),
        _ => Language::Other("java"),
    }
}

/// Libraries of a language that a flag may bring in: what they do, the code says.
fn plain_library(name: &str, letter: char, library: &str) -> bool {
    let known: &[&str] = match (name, letter) {
        ("perl", 'M') => &[
            "strict",
            "warnings",
            "utf8",
            "feature=say",
            "feature=:all",
            "5.010",
            "v5.10",
            "List::Util",
            "JSON::PP",
            "Data::Dumper",
            "POSIX",
            "Text::Wrap",
            "Time::HiRes",
            "Encode",
            "open=:std,:utf8",
        ],
        ("ruby", 'r') => {
            &["json", "yaml", "set", "time", "date", "csv", "bigdecimal", "digest", "pp"]
        }
        _ => &[],
    };
    let head = library.split('=').next().unwrap_or(library);
    known.contains(&library) || name == "perl" && known.contains(&head)
}

/// Code that an interpreter finds on its input.
fn input(walker: &mut Walker<'_>, language: Language, stdin: &Stdin, span: &str) {
    match stdin {
        Stdin::Text(text) if !text.contains(UNKNOWN) => inline::judge(walker, language, text),
        Stdin::Text(_) | Stdin::Pipe => {
            walker.not_understood(span, "runs code that another program hands it")
        }
        Stdin::File(path) => walker.run_file(path, Some(language), &[], span),
        Stdin::Inherited => {
            walker.add(Kind::Open, "interpreter", span, "starts an interpreter that waits for code")
        }
    }
}

/// Whether a word names a file of JavaScript or TypeScript.
fn is_script(word: &str) -> bool {
    let ending = word.rsplit_once('.').map_or("", |(_, ending)| ending);
    ["js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx"].contains(&ending)
        && !word.starts_with('-')
        && !word.contains("://")
}

/// node, bun, deno and what runs TypeScript on node; false when the table of programs knows more of
/// what this one is told.
pub(super) fn javascript(
    walker: &mut Walker<'_>,
    name: &str,
    args: &[String],
    stdin: &Stdin,
    span: &str,
) -> bool {
    let node = matches!(name, "node" | "nodejs");
    let code_flags = ["-e", "--eval", "-p", "--print", "-pe", "-ep"];
    let given = |arg: &String| {
        code_flags.contains(&arg.as_str())
            || arg.starts_with("--eval=")
            || arg.starts_with("--print=")
    };
    let mut rest = args.iter();
    if !node {
        let verbs: &[&str] = match name {
            "deno" => &["run", "eval", "serve"],
            "bun" => &["run"],
            _ => &["watch"],
        };
        let first = args.first().map_or("", String::as_str);
        let told = args.iter().any(|arg| given(arg) && name != "deno" || is_script(arg))
            || name == "deno" && first == "eval";
        let other_verb = !(verbs.contains(&first) || first.starts_with('-') || is_script(first));
        if !told || other_verb {
            return false;
        }
        if verbs.contains(&first) {
            rest.next();
        }
        if first == "eval" {
            let values = ["--ext", "-c", "--config", "--import-map", "--lock", "--cert"];
            let values = values.map(str::to_owned);
            let left: Vec<String> = rest.cloned().collect();
            for code in crate::programs::positional(&left, &values).iter().take(1) {
                inline::judge(walker, Language::JavaScript, code);
            }
            return true;
        }
    }
    let mut tests = false;
    let mut checks = false;
    while let Some(arg) = rest.next() {
        let (flag, joined) = match arg.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_owned())),
            Some(_) | None => (arg.as_str(), None),
        };
        match flag {
            _ if given(arg) => {
                let code = joined.or_else(|| rest.next().cloned()).unwrap_or_default();
                let left: Vec<String> = rest.cloned().collect();
                inspect_args(walker, &left, span);
                inline::judge(walker, Language::JavaScript, &code);
                return true;
            }
            "-r"
            | "--require"
            | "--import"
            | "--loader"
            | "--experimental-loader"
            | "--preload" => {
                let module = joined.or_else(|| rest.next().cloned()).unwrap_or_default();
                preloaded(walker, &module, span);
            }
            "--run" => {
                let script = joined.or_else(|| rest.next().cloned()).unwrap_or_default();
                walker.package_script(&script, span);
                walker.add(Kind::Contained, "contained", span, "runs a script of the package");
                return true;
            }
            "--env-file" | "--env-file-if-exists" | "--tsconfig" | "--config" => {
                let file = joined.or_else(|| rest.next().cloned()).unwrap_or_default();
                walker.touch(&file, Access::Read, span);
            }
            "-C" | "--conditions" | "--title" | "--stack-trace-limit" => {
                if joined.is_none() {
                    rest.next();
                }
            }
            "-c" | "--check" => checks = true,
            "--test" => tests = true,
            "--version" | "-v" | "-V" | "--help" | "-h" => {
                walker.add(Kind::Read, "read", span, "prints a version");
                return true;
            }
            "-i" | "--interactive" => {
                walker.add(Kind::Open, "interpreter", span, "waits for code");
            }
            "-" => break,
            flag if flag.starts_with('-') => {}
            _ if checks => {
                walker.touch(arg, Access::Read, span);
                return true;
            }
            _ if arg.contains("://") => {
                walker.network(arg, span, false);
                walker.not_understood(span, "runs code that it fetches");
                return true;
            }
            _ => {
                walker.touch(arg, Access::Read, span);
                walker.run_file(arg, Some(Language::JavaScript), &[], span);
                if tests {
                    continue;
                }
                let left: Vec<String> = rest.cloned().collect();
                inspect_args(walker, &left, span);
                return true;
            }
        }
    }
    if tests {
        let is_test = |name: &str| is_script(name) && name.contains("test");
        walker.picks_up(is_test, span);
        walker.add(Kind::Contained, "contained", span, "runs the workspace's tests");
        return true;
    }
    input(walker, Language::JavaScript, stdin, span);
    true
}

/// A module that runs before the script.
fn preloaded(walker: &mut Walker<'_>, module: &str, span: &str) {
    if module.starts_with(['.', '/']) {
        walker.run_file(module, Some(Language::JavaScript), &[], span);
    } else if module.contains([':', UNKNOWN]) {
        walker.not_understood(span, "loads code that is not known before it runs");
    } else {
        let fact = format!("loads the module `{}` of the project", shown(module));
        walker.add(Kind::Contained, "contained", span, &fact);
    }
}
