//! Programs whose arguments need more than a table to be read: copies, editors of streams, archives.

use crate::facts::Access;
use crate::facts::Kind;
use crate::paths;
use crate::paths::PathClass;
use crate::programs::flag_values;
use crate::programs::has_flag;
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
        "cp" | "mv" | "ln" | "install" | "link" => copy(walker, name, args, span),
        "sed" | "gsed" => sed(walker, args, span),
        "awk" | "gawk" | "mawk" | "nawk" => awk(walker, args, span),
        "tar" | "bsdtar" => tar(walker, args, span),
        "dd" => dd(walker, args, span),
        "chmod" => chmod(walker, args, span),
        "cat" => {
            walker.add(Kind::Read, "read", span, "prints files");
            let files = positional(args, &[]);
            for file in files.iter().filter(|file| *file != "-") {
                walker.touch(file, Access::Read, span);
            }
            return Some(match stdin {
                Stdin::Text(text) if files.is_empty() => Some(text.clone()),
                Stdin::Text(_) | Stdin::Pipe | Stdin::File(_) | Stdin::Inherited => None,
            });
        }
        "test" | "[" => walker.add(Kind::Read, "read", span, "tests a condition"),
        _ => return None,
    }
    Some(None)
}

fn copy(walker: &mut Walker<'_>, name: &str, args: &[String], span: &str) {
    let values = ["-t", "-S", "-m", "-o", "-g", "--mode", "--owner", "--group"].map(str::to_owned);
    let mut words = positional(args, &values);
    walker.add(Kind::Edit, "workspace-edit", span, "copies or moves files");
    if name == "install" && has_flag(args, &["-d"]) {
        for word in &words {
            walker.touch(word, Access::Write, span);
        }
        return;
    }
    if name == "install" && flag_values(args, "-m").iter().any(|mode| sets_id(mode)) {
        walker.add(Kind::Ask, "setuid", span, "makes a program run with its owner's rights");
    }
    let mut targets = flag_values(args, "-t");
    targets.extend(flag_values(args, "--target-directory"));
    if targets.is_empty() && words.len() > 1 {
        targets.extend(words.pop());
    }
    // One file under one new name holds what the old one held.
    let held = match words.as_slice() {
        [only] if name != "ln" => walker.content(only),
        _ => None,
    };
    for target in &targets {
        walker.touch(target, Access::Write, span);
        if let (Some(held), [only]) = (&held, words.as_slice()) {
            walker.wrote(target, held.clone());
            let base = only.rsplit('/').next().unwrap_or_default();
            walker.wrote(&format!("{}/{base}", target.trim_end_matches('/')), held.clone());
        }
        // A copy into a directory writes the copied name there.
        for word in &words {
            if let Some(base) =
                word.trim_end_matches('/').rsplit('/').next().filter(|base| base.starts_with('.'))
            {
                walker.touch(
                    &format!("{}/{base}", target.trim_end_matches('/')),
                    Access::Write,
                    span,
                );
            }
        }
    }
    for word in &words {
        match name {
            "mv" => {
                walker.touch(word, Access::Read, span);
                walker.touch(word, Access::Delete, span);
            }
            "ln" => {
                let full = paths::resolve(word, walker.cwd.as_deref(), &walker.context.home);
                let class =
                    full.map_or(PathClass::Unknown, |full| paths::class(&full, walker.context));
                if matches!(class, PathClass::Workspace | PathClass::Temp | PathClass::System) {
                    walker.add(Kind::Edit, "workspace-edit", span, "makes a link");
                } else {
                    walker.add(
                        Kind::Ask,
                        "link-outside",
                        span,
                        "makes a link to a place outside the workspace or to a protected file",
                    );
                }
            }
            _ => walker.touch(word, Access::Read, span),
        }
    }
}

fn sed(walker: &mut Walker<'_>, args: &[String], span: &str) {
    let mut scripts = flag_values(args, "-e");
    scripts.extend(flag_values(args, "--expression"));
    let script_files = [flag_values(args, "-f"), flag_values(args, "--file")].concat();
    let values = ["-e", "-f", "--expression", "--file", "-l"].map(str::to_owned);
    let mut words = positional(args, &values);
    if scripts.is_empty() && script_files.is_empty() && !words.is_empty() {
        scripts.push(words.remove(0));
    }
    let in_place = args.iter().any(|arg| {
        arg.starts_with("--in-place")
            || arg.starts_with("-i")
            || arg.starts_with('-')
                && !arg.starts_with("--")
                && arg.trim_start_matches('-').chars().take_while(|c| *c != 'e').any(|c| c == 'i')
    });
    walker.add(Kind::Read, "read", span, "prints text with changes");
    for file in script_files {
        walker.touch(&file, Access::Run, span);
    }
    for script in &scripts {
        if sed_runs_or_writes(script) {
            walker.not_understood(span, "holds a sed command that may run programs or write files");
        }
    }
    // BSD takes an empty suffix as a word of its own.
    for word in words.iter().filter(|word| !word.is_empty()) {
        walker.touch(word, if in_place { Access::Write } else { Access::Read }, span);
    }
}

/// Whether a sed script may hold the commands `e`, `w`, `W`, `r` from elsewhere, or their flags.
fn sed_runs_or_writes(script: &str) -> bool {
    let mut chars = script.chars().peekable();
    let mut at_command = true;
    while let Some(c) = chars.next() {
        match c {
            ';' | '\n' | '{' | '}' => at_command = true,
            ' ' | '\t' | '0'..='9' | ',' | '$' | '!' | '~' | '+' if at_command => {}
            '/' | '\\' if at_command => {
                let end = if c == '\\' { chars.next().unwrap_or('/') } else { '/' };
                skip_to(&mut chars, end);
                while matches!(chars.peek(), Some('I' | 'M')) {
                    chars.next();
                }
            }
            's' | 'y' if at_command => {
                let Some(end) = chars.next() else { return false };
                skip_to(&mut chars, end);
                skip_to(&mut chars, end);
                while let Some(flag) = chars.peek().copied() {
                    match flag {
                        'e' | 'w' => return true,
                        ';' | '\n' | '}' => break,
                        _ => {
                            chars.next();
                        }
                    }
                }
                at_command = false;
            }
            'e' | 'w' | 'W' | 'r' | 'R' if at_command => return true,
            'a' | 'i' | 'c' if at_command => {
                // The rest of the line is text, and so is the next where it ends in a backslash.
                while let Some(c) = chars.peek().copied().filter(|c| *c != '\n') {
                    chars.next();
                    if c == '\\' {
                        chars.next();
                    }
                }
                at_command = false;
            }
            _ => at_command = false,
        }
    }
    false
}

fn skip_to(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, end: char) {
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '[' if end != '[' => {
                in_class = true;
                if matches!(chars.peek(), Some('^')) {
                    chars.next();
                }
                if matches!(chars.peek(), Some(']')) {
                    chars.next();
                }
            }
            ']' => in_class = false,
            c if c == end && !in_class => return,
            c if c == end => return,
            _ => {}
        }
    }
}

fn awk(walker: &mut Walker<'_>, args: &[String], span: &str) {
    let values = ["-F", "-v", "-f", "--assign", "--field-separator", "--file"].map(str::to_owned);
    let mut words = positional(args, &values);
    for file in [flag_values(args, "-f"), flag_values(args, "--file")].concat() {
        walker.touch(&file, Access::Run, span);
    }
    if has_flag(args, &["--load", "-l", "--exec", "-E", "--include", "-i", "-e", "--source"]) {
        walker.not_understood(span, "gives awk code that is not looked at");
    }
    if flag_values(args, "-f").is_empty() && !words.is_empty() {
        let code = words.remove(0);
        let plain = without_strings(&code);
        let runs = plain.contains("system")
            || plain.contains("getline")
            || plain.contains('@')
            || code.contains("/inet/");
        let pipes = plain.replace("||", "").contains('|');
        let prints = plain.contains("print")
            && plain.split("print").skip(1).any(|rest| {
                rest.split(['}', ';', '\n'])
                    .next()
                    .is_some_and(|line| line.contains('>') && !line.contains('('))
            });
        if runs || pipes || prints {
            walker.not_understood(span, "holds awk code that may run programs or write files");
        }
    }
    walker.add(Kind::Read, "read", span, "prints text with changes");
    for word in words.iter().filter(|word| !word.contains('=')) {
        walker.touch(word, Access::Read, span);
    }
}

/// Code without the text in double quotes and between slashes at the start of a pattern.
fn without_strings(code: &str) -> String {
    let mut out = String::new();
    let mut chars = code.chars();
    let mut last = ' ';
    while let Some(c) = chars.next() {
        let regex =
            c == '/' && matches!(last, ' ' | '~' | '(' | '{' | ';' | '!' | ',' | '&' | '\n' | '|');
        if c == '"'
            || regex && out.trim_end().chars().next_back().is_none_or(|p| "~({;!,&|\n}".contains(p))
        {
            while let Some(inner) = chars.next() {
                if inner == '\\' {
                    chars.next();
                } else if inner == c {
                    break;
                }
            }
            out.push_str("\"\"");
            last = '"';
            continue;
        }
        out.push(c);
        last = c;
    }
    out
}

fn tar(walker: &mut Walker<'_>, args: &[String], span: &str) {
    let runs = [
        "--to-command",
        "--checkpoint-action",
        "--use-compress-program",
        "-I",
        "--info-script",
        "--new-volume-script",
        "-F",
        "--rsh-command",
        "--rmt-command",
    ];
    for arg in args {
        let bare = arg.split('=').next().unwrap_or(arg);
        if runs.contains(&bare)
            || bare.starts_with("--")
                && bare.len() > 5
                && runs.iter().any(|run| run.starts_with(bare))
        {
            walker.add(Kind::Ask, "tar", span, "lets tar run a program");
        }
    }
    let mut absolute = args.iter().any(|arg| arg == "--absolute-names");
    let mut words: Vec<String> = args.to_vec();
    let mut creates = false;
    let mut reads_only = false;
    let mut rest = Vec::new();
    let mut archive = None;
    let mut directories: Vec<String> = Vec::new();
    let mut first = true;
    words.reverse();
    while let Some(word) = words.pop() {
        let letters = if word.starts_with("--") {
            None
        } else {
            word.strip_prefix('-').or(first.then_some(word.as_str()))
        };
        let dashed = word.starts_with('-');
        first = false;
        match letters.map(str::to_owned) {
            Some(letters) => {
                for (at, letter) in letters.char_indices() {
                    match letter {
                        'c' | 'r' | 'u' => creates = true,
                        't' => reads_only = true,
                        'P' => absolute = true,
                        'I' | 'F' => {
                            walker.add(Kind::Ask, "tar", span, "lets tar run a program");
                        }
                        _ => {}
                    }
                    if !"fCTXbLNKVgHIF".contains(letter) {
                        continue;
                    }
                    // With a dash the rest is the value, without one the next word is.
                    let joined = letters.get(at + 1..).filter(|rest| dashed && !rest.is_empty());
                    let value = joined.map(str::to_owned).or_else(|| words.pop());
                    match letter {
                        'f' => archive = value,
                        'C' => directories.extend(value),
                        'T' | 'X' => {
                            if let Some(list) = value {
                                walker.touch(&list, Access::Read, span);
                            }
                        }
                        _ => {}
                    }
                    if dashed {
                        break;
                    }
                }
            }
            None if word == "--create" => creates = true,
            None if word == "--list" => reads_only = true,
            None if word == "--file" => archive = words.pop(),
            None if word == "--directory" || word == "--cd" => directories.extend(words.pop()),
            None if word.starts_with("--file=") => {
                archive = word.split_once('=').map(|(_, v)| v.to_owned())
            }
            None if word.starts_with("--directory=") => {
                directories.extend(word.split_once('=').map(|(_, v)| v.to_owned()))
            }
            None if word.starts_with("--") => {}
            None => rest.push(word),
        }
    }
    if absolute && !reads_only {
        walker.add(Kind::Ask, "tar", span, "unpacks to any place");
    }
    if let Some(archive) = archive.filter(|archive| archive != "-") {
        if archive.contains(':') {
            walker.add(Kind::Ask, "tar", span, "talks to another machine");
        }
        walker.touch(&archive, if creates { Access::Write } else { Access::Read }, span);
    }
    for directory in directories {
        walker.touch(
            &directory,
            if creates || reads_only { Access::Read } else { Access::Write },
            span,
        );
    }
    if creates {
        for word in &rest {
            walker.touch(word, Access::Read, span);
        }
    } else {
        walker.add(Kind::Edit, "workspace-edit", span, "unpacks an archive");
    }
}

fn dd(walker: &mut Walker<'_>, args: &[String], span: &str) {
    walker.add(Kind::Edit, "workspace-edit", span, "copies bytes");
    for arg in args {
        if let Some(path) = arg.strip_prefix("if=") {
            walker.touch(path, Access::Read, span);
        } else if let Some(path) = arg.strip_prefix("of=") {
            walker.touch(path, Access::Write, span);
        }
    }
}

fn chmod(walker: &mut Walker<'_>, args: &[String], span: &str) {
    let words: Vec<&String> = args
        .iter()
        .filter(|arg| {
            let flags = arg.strip_prefix('-');
            !flags.is_some_and(|flags| {
                flags.starts_with('-') || flags.chars().all(|c| "RvfcHLP".contains(c))
            })
        })
        .collect();
    let Some((mode, files)) = words.split_first() else { return };
    if sets_id(mode) {
        walker.add(Kind::Ask, "setuid", span, "makes a program run with its owner's rights");
    } else if mode.ends_with("777")
        || mode.ends_with("666")
        || mode.contains("o+w")
        || mode.contains("a+w")
        || mode.contains("a+rw")
    {
        walker.add(Kind::Ask, "chmod", span, "lets everyone on the machine write a file");
    }
    walker.add(Kind::Edit, "workspace-edit", span, "changes who may use a file");
    for file in files {
        let held = walker.content(file);
        walker.touch(file, Access::Write, span);
        // What it holds stays.
        if let Some(held) = held {
            walker.wrote(file, held);
        }
    }
}

fn sets_id(mode: &str) -> bool {
    let octal = mode.chars().all(|c| c.is_digit(8));
    octal && mode.len() == 4 && mode.starts_with(['2', '4', '6', '7'])
        || !octal && mode.contains('s') && mode.contains(['+', '='])
}
