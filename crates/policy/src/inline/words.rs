//! Code of languages that are not parsed, judged conservatively by its words.
//!
//! Not a parser. Two lists bound what such code can do from above: no word of the one may stand in it
//! anywhere, in texts neither; and each name that stands outside its texts and patterns must be known
//! to do nothing beyond the code's own data (`known`), be one of its own, or be a variable. Where texts
//! and patterns begin is told roughly; what is told wrongly comes out as a name that nobody knows.

use crate::facts::Access;
use crate::facts::Kind;
use crate::paths;
use crate::paths::PathClass;
use crate::paths::UNKNOWN;
use crate::walk::Walker;

mod known;

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
    "public_send",
    "instance_variable",
    "define_method",
    "method(",
    "method_missing",
    "objectspace",
    "to_proc",
    "\\u00",
    "\\x",
];

/// Judges code of another language.
pub(super) fn judge(walker: &mut Walker<'_>, name: &str, code: &str) {
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
    if name == "php" && calls_variable(&lower) {
        walker.not_understood(&span, &format!("runs {name} code that calls what it does not name"));
        return;
    }
    match known::stranger(name, code, !walker.running_files.is_empty()) {
        Ok(None) => {}
        Ok(Some(word)) => {
            let fact = format!("runs {name} code with `{word}` in it, whose effect is not known");
            walker.not_understood(&span, &fact);
            return;
        }
        Err(why) => {
            walker.not_understood(&span, &format!("runs {name} code that {why}"));
            return;
        }
    }
    let texts: Vec<String> = quoted(code).into_iter().filter(|text| !is_regex(text)).collect();
    literals(walker, &texts, &span);
    kept(walker, &texts, lower.contains("write") || lower.contains('>'), &span);
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
fn kept(walker: &mut Walker<'_>, texts: &[String], writes: bool, span: &str) {
    for text in texts.iter().filter(|text| text.len() < 300 && !text.contains(['\n', '<'])) {
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

/// `$f(…)` calls whatever the variable names.
fn calls_variable(lower: &str) -> bool {
    lower.split('$').skip(1).any(|rest| {
        rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_')
            .trim_start()
            .starts_with('(')
    })
}

/// `/x/` with its flags, as perl and ruby write patterns.
fn is_regex(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    matches!(parts.as_slice(), ["", pattern, flags] if !pattern.is_empty()
        && flags.len() <= 4
        && flags.trim_end_matches(';').chars().all(|c| "gimsxuyo".contains(c)))
}

fn quoted(code: &str) -> Vec<String> {
    code.split(['"', '\'', '`', ' ', '(', ')', ',', '<', '>']).map(str::to_owned).collect()
}
