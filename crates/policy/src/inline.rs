//! Code in other languages that stands in a command, judged conservatively by its words.
//!
//! Not a parser: what these words can do is bounded from above. Code that names none of them, calls
//! only what it defines or imports, and holds no path elsewhere runs in the sandbox on the workspace.

use std::collections::BTreeSet;

use crate::facts::Access;
use crate::facts::Kind;
use crate::paths;
use crate::paths::PathClass;
use crate::paths::UNKNOWN;
use crate::walk::Walker;

/// Python modules that start programs, talk to the network or reach round the language.
const PYTHON_MODULES: &[&str] = &[
    "subprocess",
    "socket",
    "urllib",
    "requests",
    "httpx",
    "aiohttp",
    "ftplib",
    "smtplib",
    "paramiko",
    "telnetlib",
    "pty",
    "ctypes",
    "psutil",
    "urllib3",
    "http",
    "imaplib",
    "poplib",
    "xmlrpc",
    "socketserver",
    "asyncssh",
    "fabric",
    "pexpect",
    "winreg",
    "importlib",
    "code",
    "codeop",
    "marshal",
    "multiprocessing",
    "signal",
    "cffi",
    "runpy",
    "webbrowser",
    "boto3",
    "websocket",
    "websockets",
    "scapy",
    "crypt",
    "spwd",
    "pwd",
    "keyring",
    "pynput",
    "pyautogui",
    "mss",
    "sh",
    "plumbum",
    "gc",
    "inspect",
    "commands",
    "smbclient",
    "dns",
    "nmap",
    "wget",
    "pycurl",
    "platform",
];

/// Functions of `os`, `shutil` and the language itself that do what a person decides. Reading and
/// setting the environment is not among them: the sandbox's holds nothing of the machine's, and a
/// program that would obey it has to be started first.
const PYTHON_CALLS: &[&str] = &[
    "os.system",
    "os.popen",
    "os.exec",
    "os.spawn",
    "os.fork",
    "os.kill",
    "os.setuid",
    "os.setgid",
    "os.chmod",
    "os.chown",
    "os.putenv",
    "os.symlink",
    "os.link",
    "os.dup",
    "os.chroot",
    "os.mknod",
    "os.posix_spawn",
    "os.removedirs",
    "shutil.rmtree",
    "shutil.move",
    "shutil.chown",
    "shutil.make_archive",
    "eval(",
    "exec(",
    "compile(",
    "__import__",
    "getattr(",
    "globals(",
    "locals(",
    "sys.modules",
    "__dict__",
    "__builtins__",
    "__subclasses__",
    "__globals__",
    "__class__",
    "breakpoint(",
    "setattr(",
    "vars(",
    "open_code",
    "os.open(",
    "expanduser",
    "Path.home",
    "fileinput",
    "os.unlink",
    "os.remove",
    "os.rmdir",
    ".unlink",
    ".rmdir",
    "os.rename",
    "os.replace",
    "os.truncate",
    "builtins",
];

const PYTHON_BUILTINS: &[&str] = &[
    "print",
    "open",
    "len",
    "range",
    "int",
    "str",
    "float",
    "list",
    "dict",
    "set",
    "tuple",
    "bool",
    "bytes",
    "bytearray",
    "sorted",
    "reversed",
    "enumerate",
    "zip",
    "map",
    "filter",
    "sum",
    "min",
    "max",
    "abs",
    "round",
    "any",
    "all",
    "isinstance",
    "issubclass",
    "type",
    "repr",
    "hasattr",
    "iter",
    "next",
    "ord",
    "chr",
    "hex",
    "oct",
    "bin",
    "format",
    "id",
    "hash",
    "callable",
    "super",
    "object",
    "property",
    "staticmethod",
    "classmethod",
    "slice",
    "complex",
    "divmod",
    "pow",
    "frozenset",
    "memoryview",
    "exit",
    "quit",
    "input",
    "help",
    "dir",
    "ascii",
    "delattr",
    "Exception",
    "ValueError",
    "KeyError",
    "TypeError",
    "RuntimeError",
    "FileNotFoundError",
    "SystemExit",
    "AssertionError",
    "IndexError",
    "AttributeError",
    "ImportError",
    "StopIteration",
    "NotImplementedError",
    "OSError",
    "IOError",
    "ZeroDivisionError",
    "KeyboardInterrupt",
    "ConnectionError",
    "TimeoutError",
    "UnicodeDecodeError",
    "PermissionError",
    "LookupError",
    "if",
    "for",
    "while",
    "and",
    "or",
    "not",
    "in",
    "is",
    "return",
    "elif",
    "assert",
    "lambda",
    "yield",
    "else",
    "except",
    "raise",
    "with",
    "from",
    "import",
    "def",
    "class",
    "await",
    "del",
    "print_function",
    "case",
    "match",
];

/// Words that make code of any other language run programs, talk, or delete.
const OTHER_WORDS: &[&str] = &[
    "system",
    "exec",
    "spawn",
    "popen",
    "fork",
    "socket",
    "net.",
    "http",
    "fetch(",
    "unlink",
    "rmdir",
    "rm(",
    "rmsync",
    "child_process",
    "require('net",
    "eval",
    "`",
    "qx",
    "open(",
    "io.popen",
    "os.execute",
    "passthru",
    "shell_exec",
    "proc_open",
    "curl",
    "file_put",
    "fsockopen",
    "writefile",
    "appendfile",
    "chmod",
    "chown",
    "setuid",
    "kill",
    "process.env",
    "%env",
    "$env",
    "getenv",
    "dgram",
    "tls",
    "import(",
    "function(",
    "io.open",
    "file.open",
    "file.write",
    "delete",
    "rename",
    "symlink",
    "do shell script",
    "tell app",
    "syscall",
    "%x",
    "include",
    "readfile",
    "file_get_contents",
    "use io",
    "use socket",
];

/// Judges Python source text.
pub(crate) fn python(walker: &mut Walker<'_>, code: &str) {
    let span: String = code.chars().take(200).collect();
    if code.contains(UNKNOWN) {
        walker.not_understood(&span, "runs Python that is not known before it runs");
        return;
    }
    let source = Source::read(code);
    let mut plain = true;
    for module in &source.imports {
        let root = module.split('.').next().unwrap_or(module);
        // `import requests` by itself only asks whether it is there.
        if PYTHON_MODULES.contains(&root)
            && !source.only_named(root)
            && module != "urllib.parse"
            && root != "platform"
        {
            plain = false;
            walker.add(
                Kind::Ask,
                "python-code",
                &span,
                &format!("uses the Python module `{root}`, which reaches beyond the workspace"),
            );
        }
        if (root == "os" || root == "shutil") && source.imported_from_os {
            plain = false;
            walker.add(
                Kind::Ask,
                "python-code",
                &span,
                &format!("takes functions out of `{root}` under names of their own"),
            );
        }
    }
    let tight: String = source.text.chars().filter(|c| !c.is_whitespace()).collect();
    for call in PYTHON_CALLS {
        let found =
            if call.ends_with('(') { called_bare(&tight, call) } else { tight.contains(call) };
        if found {
            plain = false;
            walker.add(
                Kind::Ask,
                "python-code",
                &span,
                &format!(
                    "uses `{}` of Python, which acts beyond the code's own data",
                    call.trim_end_matches('(')
                ),
            );
        }
    }
    if source.os_alias {
        plain = false;
        walker.add(Kind::Ask, "python-code", &span, "gives `os` another name");
    }
    for name in &source.unknown_calls {
        plain = false;
        walker.add(
            Kind::Open,
            "python-call",
            &span,
            &format!("calls `{name}`, which the code neither defines nor imports"),
        );
    }
    literals(walker, &source.strings, &span);
    if plain {
        walker.add(
            Kind::Contained,
            "contained",
            &span,
            "runs Python that stays with the workspace",
        );
    }
}

/// Judges code of another language.
pub(crate) fn other(walker: &mut Walker<'_>, name: &str, code: &str) {
    let span: String = code.chars().take(200).collect();
    if code.contains(UNKNOWN) {
        walker.not_understood(&span, "runs code that is not known before it runs");
        return;
    }
    let lower = code.to_lowercase();
    if let Some(word) = OTHER_WORDS.iter().find(|word| lower.contains(**word)) {
        walker.not_understood(
            &span,
            &format!("runs {name} code with `{word}` in it, which may act beyond the workspace"),
        );
        return;
    }
    let texts: Vec<String> = quoted(code).into_iter().filter(|text| !is_regex(text)).collect();
    literals(walker, &texts, &span);
    walker.add(
        Kind::Contained,
        "contained",
        &span,
        &format!("runs {name} code that stays with the workspace"),
    );
}

/// Text in code that is a path elsewhere or an address.
fn literals(walker: &mut Walker<'_>, strings: &[String], span: &str) {
    for text in strings {
        if text.len() > 300 || text.contains(['\n', ' ', '<']) {
            continue;
        }
        if text.contains("://") {
            if !text.starts_with("file:") {
                walker.network(text, span, false);
            }
            continue;
        }
        let path = text.starts_with("~/")
            || text.starts_with("../")
            || text.starts_with('/')
                && text.len() > 1
                && text.chars().nth(1).is_some_and(|c| c.is_alphanumeric() || c == '.');
        if path {
            walker.touch(text, Access::Read, span);
            let full = paths::resolve(text, walker.cwd.as_deref(), &walker.context.home);
            let class = full.map_or(PathClass::Unknown, |full| paths::class(&full, walker.context));
            if class == PathClass::System {
                walker.add(
                    Kind::Ask,
                    "python-code",
                    span,
                    "names a path of the system in code that may write it",
                );
            }
        }
    }
}

fn called_bare(tight: &str, call: &str) -> bool {
    tight.match_indices(call).any(|(at, _)| {
        tight
            .get(..at)
            .and_then(|before| before.chars().next_back())
            .is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '.')
    })
}

/// Python source with its strings and comments taken out, and the names it brings in.
struct Source {
    text: String,
    strings: Vec<String>,
    imports: Vec<String>,
    imported_from_os: bool,
    os_alias: bool,
    unknown_calls: BTreeSet<String>,
}

impl Source {
    /// Whether a module is brought in under its own name and never used.
    fn only_named(&self, module: &str) -> bool {
        let imports = |line: &str| line.trim_start().starts_with("import ");
        self.text.split(['\n', ';']).all(|line| {
            let named =
                line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == module);
            !named || imports(line) && !line.contains(" as ") && !line.contains('.')
        }) && !["builtins", "sh", "gc"].contains(&module)
    }

    fn read(code: &str) -> Self {
        let (text, strings) = without_strings(code);
        let mut imports = Vec::new();
        let mut known: BTreeSet<String> =
            PYTHON_BUILTINS.iter().map(|name| (*name).to_owned()).collect();
        let mut imported_from_os = false;
        let mut os_alias = false;
        for statement in text.split(['\n', ';']) {
            let statement = statement.trim();
            let words: Vec<&str> = statement
                .split(|c: char| !c.is_alphanumeric() && c != '_' && c != '.')
                .filter(|w| !w.is_empty())
                .collect();
            match words.as_slice() {
                ["import", rest @ ..] => {
                    for pair in statement.trim_start_matches("import").split(',') {
                        let mut names = pair.split_whitespace();
                        if let Some(module) = names.next() {
                            imports.push(module.to_owned());
                            os_alias |= names.next().is_some()
                                && ["os", "shutil", "builtins", "sys"].contains(&module);
                        }
                    }
                    known.extend(rest.iter().map(|w| w.split('.').next().unwrap_or(w).to_owned()));
                }
                ["from", module, "import", names @ ..] => {
                    imports.push((*module).to_owned());
                    imported_from_os |= ["os", "shutil"].contains(module)
                        && names.iter().any(|n| {
                            !["path", "getcwd", "listdir", "makedirs", "walk", "copy", "copyfile"]
                                .contains(n)
                        });
                    known.extend(names.iter().map(|w| (*w).to_owned()));
                }
                _ => {}
            }
            // `x = os` renames it as well as an import does.
            if let Some((_, right)) = statement.split_once('=') {
                os_alias |= [
                    "os",
                    "shutil",
                    "builtins",
                    "__builtins__",
                    "eval",
                    "exec",
                    "open",
                    "getattr",
                    "__import__",
                ]
                .contains(&right.trim());
            }
        }
        let tokens = tokens(&text);
        for window in tokens.windows(2) {
            if let [a, b] = window
                && (a == "def" || a == "class" || a == "as" || a == "for")
            {
                known.insert(b.clone());
            }
        }
        // Names that are bound anywhere: assignment targets and parameters.
        for (i, token) in tokens.iter().enumerate() {
            let next = tokens.get(i + 1).map(String::as_str);
            if is_name(token) && matches!(next, Some("=" | "," | ":" | ")")) {
                known.insert(token.clone());
            }
        }
        let mut unknown_calls = BTreeSet::new();
        let star = text.contains("import *");
        for (i, token) in tokens.iter().enumerate() {
            let before = i.checked_sub(1).and_then(|j| tokens.get(j)).map(String::as_str);
            if is_name(token)
                && tokens.get(i + 1).is_some_and(|n| n == "(")
                && before != Some(".")
                && !known.contains(token)
                && !star
            {
                unknown_calls.insert(token.clone());
            }
        }
        Self { text, strings, imports, imported_from_os, os_alias, unknown_calls }
    }
}

fn is_name(token: &str) -> bool {
    token.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
}

fn tokens(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            out.push(std::mem::take(&mut word));
        }
        if !c.is_whitespace() {
            out.push(c.to_string());
        }
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

/// Takes strings and comments out; the expressions in f-strings stay, since they run.
fn without_strings(code: &str) -> (String, Vec<String>) {
    let chars: Vec<char> = code.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut text = String::new();
    let mut strings = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let c = at(i);
        if c == '#' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
            continue;
        }
        if c != '"' && c != '\'' {
            text.push(c);
            i += 1;
            continue;
        }
        let formatted =
            text.chars().rev().take_while(|p| p.is_alphabetic()).any(|p| p == 'f' || p == 'F');
        let triple = at(i + 1) == c && at(i + 2) == c;
        i += if triple { 3 } else { 1 };
        let mut inside = String::new();
        while i < chars.len() {
            if at(i) == '\\' {
                inside.push(at(i));
                inside.push(at(i + 1));
                i += 2;
                continue;
            }
            if at(i) == c && (!triple || at(i + 1) == c && at(i + 2) == c) {
                break;
            }
            inside.push(at(i));
            i += 1;
        }
        i += if triple { 3 } else { 1 };
        text.push_str("\"\"");
        if formatted {
            for part in inside.split('{').skip(1) {
                text.push_str(" + ");
                text.push_str(
                    &part
                        .split('}')
                        .next()
                        .unwrap_or_default()
                        .replace(['"', '\'', '\n', '#'], " "),
                );
            }
            text.push(' ');
        }
        strings.push(unescaped(&inside));
    }
    (text, strings)
}

fn unescaped(text: &str) -> String {
    text.replace("\\\\", "\\").replace("\\'", "'").replace("\\\"", "\"").replace("\\/", "/")
}

/// `/x/` with its flags, as perl, ruby and JavaScript write patterns.
fn is_regex(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    matches!(parts.as_slice(), ["", pattern, flags] if !pattern.is_empty()
        && flags.len() <= 4
        && flags.trim_end_matches(';').chars().all(|c| "gimsxuyo".contains(c)))
}

fn quoted(code: &str) -> Vec<String> {
    code.split(['"', '\'', '`', ' ', '(', ')', ',', '<', '>']).map(str::to_owned).collect()
}
