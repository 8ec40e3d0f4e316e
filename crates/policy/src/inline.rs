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
    "cProfile",
    "profile",
    "timeit",
    "pdb",
    "bdb",
    "trace",
    "pydoc",
    "doctest",
    "posix",
    "nt",
    "imp",
    "zipimport",
    "pip",
    "distutils",
    "ensurepip",
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
    "create_subprocess_",
    "subprocess_exec",
    "subprocess_shell",
    "open_connection",
    "open_unix_connection",
    "create_connection",
    "create_datagram_endpoint",
    "start_server",
    "create_server",
    "attrgetter",
    "methodcaller",
    "pickle.loads",
    "fchdir",
];

/// Attributes with two underscores that only name or describe.
const PYTHON_DUNDERS: &[&str] = &[
    "__name__",
    "__file__",
    "__version__",
    "__doc__",
    "__init__",
    "__path__",
    "__len__",
    "__str__",
    "__repr__",
    "__module__",
    "__qualname__",
    "__all__",
    "__annotations__",
    "__enter__",
    "__exit__",
    "__iter__",
    "__next__",
    "__post_init__",
    "__new__",
    "__eq__",
    "__hash__",
];

/// What makes Python code change files.
const PYTHON_WRITES: &[&str] = &[
    ".write",
    "shutil.",
    "copy",
    "makedirs",
    "mkdir",
    ".touch(",
    "extract",
    "unpack_archive",
    "dump(",
    ".save",
    ".to_",
    "print(file=",
    "file=open",
];

/// What makes text that the code does not show, such as the name of a file.
const PYTHON_MAKES_TEXT: &[&str] = &[
    "chr(",
    "b64decode",
    "b32decode",
    "b16decode",
    "a85decode",
    "fromhex",
    "unhexlify",
    "codecs",
    "[::-1]",
    "bytes(",
    "bytearray(",
    "unquote(",
    "translate(",
    "reversed(",
    "zlib.decompress",
    "to_bytes(",
    "itemgetter",
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
    "globalthis",
    "constructor",
    "process.binding",
    "mainmodule",
    "deno.",
    "bun.",
    "createwritestream",
    "copyfile",
    "cpsync",
    "cp(",
    "truncate",
    "opensync",
    "writesync",
    "linksync",
    "worker",
    "require('vm",
    "require(\"vm",
    "node:vm",
    "](",
    "fileutils",
    "binwrite",
    "io.write",
    "io.binwrite",
    ".send",
    "__send__",
    "const_get",
    "call_user",
    "create_function",
    "fopen",
    "&{",
    "&$",
    "->$",
    "open my",
    "open f",
    "loadstring",
    "dofile",
    "load(",
    "file.remove",
    "file.copy",
    "os.remove",
    "writelines(",
    "write.",
    "saverds",
    "\\u00",
    "\\x",
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
        if (PYTHON_MODULES.contains(&root) || root.starts_with('_') && !root.starts_with("__"))
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
        if ["os", "shutil", "sys"].contains(&root) && source.imported_from_os {
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
    for dunder in source.dunders.iter().filter(|name| !PYTHON_DUNDERS.contains(&name.as_str())) {
        plain = false;
        let fact = format!("uses `{dunder}` of Python, which reaches round the language");
        walker.add(Kind::Ask, "python-code", &span, &fact);
    }
    let opens = source.strings.iter().any(|text| is_write_mode(text)) && tight.contains("open(");
    let writes = opens || PYTHON_WRITES.iter().any(|word| tight.contains(word));
    if let Some(made) = PYTHON_MAKES_TEXT.iter().find(|made| tight.contains(**made))
        && writes
    {
        plain = false;
        let made = made.trim_end_matches('(');
        let fact = format!("writes files and makes text with `{made}`, so which ones is not known");
        walker.add(Kind::Ask, "python-code", &span, &fact);
    }
    let built = ["open(\"\".", "open(\"\"[", "Path(\"\".", "Path(\"\"["];
    if writes && built.iter().any(|call| tight.contains(call)) {
        plain = false;
        let fact = "writes files and builds the name of one, so which ones is not known";
        walker.add(Kind::Ask, "python-code", &span, fact);
    }
    plain &= places(walker, code, &span);
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
    kept(walker, source.strings.iter().chain(&source.joined), writes, &span);
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
    if indirect_require(&lower) || name == "php" && calls_variable(&lower) {
        walker.not_understood(&span, &format!("runs {name} code that calls what it does not name"));
        return;
    }
    let texts: Vec<String> = quoted(code).into_iter().filter(|text| !is_regex(text)).collect();
    literals(walker, &texts, &span);
    kept(walker, texts.iter(), lower.contains("write") || lower.contains('>'), &span);
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

/// Relative names of files that are kept: those that make something run later, and keys.
fn kept<'a>(
    walker: &mut Walker<'_>,
    strings: impl Iterator<Item = &'a String>,
    writes: bool,
    span: &str,
) {
    for text in strings.filter(|text| text.len() < 300 && !text.contains(['\n', '<'])) {
        let Some(full) = paths::resolve(text, walker.cwd.as_deref(), &walker.context.home) else {
            continue;
        };
        match paths::class(&full, walker.context) {
            PathClass::Secret => walker.touch(text, Access::Read, span),
            PathClass::Protected if writes => walker.touch(text, Access::Write, span),
            _ => {}
        }
    }
}

/// Whether every directory that Python code goes to or unpacks into is told by its text and the
/// workspace's own.
fn places(walker: &mut Walker<'_>, code: &str, span: &str) -> bool {
    let mut plain = true;
    for call in ["chdir(", "extractall(", "extract(", "unpack_archive("] {
        for (at, _) in code.match_indices(call) {
            let rest = code.get(at + call.len()..).unwrap_or_default().trim_start();
            let quote = rest.chars().next().filter(|c| *c == '"' || *c == '\'');
            let literal = quote.and_then(|quote| rest.get(1..)?.split_once(quote));
            let own = match literal {
                Some((place, after)) if after.trim_start().starts_with([')', ',']) => {
                    let full = paths::resolve(place, walker.cwd.as_deref(), &walker.context.home);
                    full.is_some_and(|full| {
                        let class = paths::class(&full, walker.context);
                        matches!(class, PathClass::Workspace | PathClass::Temp)
                    })
                }
                Some(_) => false,
                None => rest.starts_with(')') && call != "chdir(",
            };
            if !own {
                plain = false;
                walker.add(
                    Kind::Ask,
                    "python-code",
                    span,
                    "works in a directory that is not told or lies outside the workspace",
                );
            }
        }
    }
    plain
}

/// A second argument of `open` that lets it write.
fn is_write_mode(text: &str) -> bool {
    text.len() <= 3
        && text.contains(['w', 'a', 'x', '+'])
        && text.chars().all(|c| "rwax+bt".contains(c))
}

/// `require` given another name, or something that is no literal.
fn indirect_require(lower: &str) -> bool {
    lower.split("require").skip(1).any(|rest| {
        let rest = rest.trim_start();
        let literal = rest.strip_prefix('(').map(str::trim_start).and_then(|argument| {
            let quote = argument.chars().next().filter(|c| *c == '"' || *c == '\'')?;
            let (_, after) = argument.get(1..)?.split_once(quote)?;
            Some(after.trim_start().starts_with(')'))
        });
        // Ruby and Perl name what they require without parentheses.
        literal != Some(true) && rest.starts_with(['(', ';', ',', ')', '.', '[']) || rest.is_empty()
    })
}

/// `$f(…)` calls whatever the variable names.
fn calls_variable(lower: &str) -> bool {
    lower.split('$').skip(1).any(|rest| {
        rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_')
            .trim_start()
            .starts_with('(')
    })
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
    /// Texts that stand next to each other, put together.
    joined: Vec<String>,
    /// Attributes with two underscores.
    dunders: BTreeSet<String>,
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
        let (text, strings, joined) = without_strings(code);
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
                    let harmless: &[&str] = match *module {
                        "os" | "shutil" => {
                            &["path", "getcwd", "listdir", "makedirs", "walk", "copy", "copyfile"]
                        }
                        _ => &["argv", "exit", "stdin", "stdout", "stderr", "path", "version_info"],
                    };
                    imported_from_os |= ["os", "shutil", "sys"].contains(module)
                        && (names.is_empty() || names.iter().any(|name| !harmless.contains(name)));
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
        let dunders = tokens
            .windows(2)
            .filter_map(|pair| match pair {
                [dot, name] if dot == "." && name.starts_with("__") => Some(name.clone()),
                _ => None,
            })
            .collect();
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
        Self { text, strings, joined, dunders, imports, imported_from_os, os_alias, unknown_calls }
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
fn without_strings(code: &str) -> (String, Vec<String>, Vec<String>) {
    let chars: Vec<char> = code.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut text = String::new();
    let mut strings: Vec<String> = Vec::new();
    let mut joined: Vec<String> = Vec::new();
    let mut run: Option<(String, usize)> = None;
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
        let inside_text = unescaped(&inside);
        // Neighbours make one text, or one path: `'a' 'b'`, `'a' + 'b'`, `join('a', 'b')`.
        let between = run.take().and_then(|(before, end)| Some((before, text.get(end..)?)));
        let whole = match between {
            Some((before, between)) if between.len() < 40 => {
                let marks: String = between.chars().filter(|c| !c.is_whitespace()).collect();
                match marks.as_str() {
                    "" | "+" => Some(format!("{before}{inside_text}")),
                    "," | "/" | ")/" | ")/(" => Some(format!("{before}/{inside_text}")),
                    _ => None,
                }
            }
            Some(_) | None => None,
        };
        joined.extend(whole.clone());
        text.push_str("\"\"");
        run = Some((whole.unwrap_or_else(|| inside_text.clone()), text.len()));
        if formatted {
            strings.extend(inside.split(['"', '\'']).skip(1).step_by(2).map(unescaped));
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
        strings.push(inside_text);
    }
    (text, strings, joined)
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let (radix, most, first) = match chars.next() {
            Some('x') => (16, 2, 0),
            Some('u') => (16, 4, 0),
            Some('U') => (16, 8, 0),
            Some(digit @ '0'..='7') => (8, 2, digit.to_digit(8).unwrap_or(0)),
            Some('n') => {
                out.push('\n');
                continue;
            }
            Some('\n') | None => continue,
            Some(other @ ('\\' | '\'' | '"' | '/')) => {
                out.push(other);
                continue;
            }
            Some(other) => {
                out.extend(['\\', other]);
                continue;
            }
        };
        let mut number = first;
        let mut left = most;
        while left > 0
            && let Some(digit) = chars.peek().and_then(|c| c.to_digit(radix))
        {
            number = number * radix + digit;
            chars.next();
            left -= 1;
        }
        out.push(char::from_u32(number).unwrap_or(UNKNOWN));
    }
    out
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
