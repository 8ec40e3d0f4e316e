//! Shells, builtins, wrappers that take a command, and interpreters.

use crate::facts::Access;
use crate::facts::Kind;
use crate::paths;
use crate::paths::ATOM;
use crate::paths::PathClass;
use crate::paths::UNKNOWN;
use crate::programs::has_flag;
use crate::programs::inspect_args;
use crate::programs::interpreters;
use crate::programs::versionless;
use crate::walk::Stdin;
use crate::walk::Walker;
use crate::written::Language;

/// Programs that run the code in their arguments, whatever directory they lie in.
pub(super) fn is_interpreter(name: &str) -> bool {
    [
        "sh", "bash", "dash", "zsh", "ksh", "ash", "python", "pip", "node", "perl", "ruby", "php",
        "lua",
    ]
    .contains(&versionless(name))
}

/// `None` when this module does not know the program.
pub(super) fn judge(
    walker: &mut Walker<'_>,
    name: &str,
    args: &[String],
    stdin: &Stdin,
    span: &str,
) -> Option<Option<String>> {
    match name {
        "sh" | "bash" | "dash" | "zsh" | "ksh" | "ash" | "rbash" => {
            shell(walker, args, stdin, span)
        }
        "eval" => {
            let text = args.join(" ");
            if text.contains([UNKNOWN, ATOM]) {
                walker.not_understood(span, "evaluates text that is not known before it runs");
            } else {
                walker.text(&text);
            }
        }
        "source" | "." => match args.first() {
            Some(file) => source(walker, file, span),
            None => walker.not_understood(span, "sources no file"),
        },
        "env" => {
            let before = walker.cwd.clone();
            let output = env(walker, args, stdin, span);
            walker.cwd = before;
            return Some(output);
        }
        "man" if has_flag(args, &["-P", "-H", "-C", "-X", "-T"]) => {
            walker.add(Kind::Ask, "man", span, "names a program to show the text with");
        }
        "compgen" | "complete" | "bind"
            if has_flag(args, &["-C", "-F", "-x", "-f"])
                || args.iter().any(|arg| arg.contains(['$', '`', UNKNOWN])) =>
        {
            walker.not_understood(span, "gives the shell code that completes words");
        }
        "command" | "builtin" | "exec" | "noglob" | "nocorrect" => {
            let mut rest: Vec<String> = args.to_vec();
            let mut asks_where = false;
            while let Some(flag) = rest.first().filter(|a| a.starts_with('-')).cloned() {
                asks_where |= name == "command" && flag.contains(['v', 'V']);
                rest.remove(0);
                if name == "exec" && flag == "-a" && !rest.is_empty() {
                    rest.remove(0);
                }
            }
            if asks_where || rest.is_empty() {
                walker.add(Kind::Read, "read", span, "looks a program up");
                return Some(Some(UNKNOWN.to_string()));
            }
            return Some(walker.invoke(&rest, stdin, span));
        }
        "export" | "declare" | "typeset" | "local" | "readonly" | "let" => {
            walker.add(Kind::Read, "read", span, "sets a variable of the shell");
            let command = name;
            let refers = args.iter().any(|a| a.starts_with('-') && a.contains('n'));
            if refers && matches!(command, "local" | "declare" | "typeset") {
                walker.not_understood(span, "gives a variable another name");
            }
            for arg in args.iter().filter(|arg| !arg.starts_with('-')) {
                let (name, value) =
                    arg.split_once('=').map_or((arg.as_str(), None), |(n, v)| (n, Some(v)));
                if name.contains(['[', UNKNOWN, '`', '$']) {
                    walker.not_understood(
                        span,
                        "sets a variable whose name is not known or hides a command",
                    );
                }
                if matches!(command, "local" | "declare" | "typeset")
                    && !args.iter().any(|a| a.starts_with('-') && a.contains('g'))
                {
                    walker.local(name.trim_end_matches('+'));
                }
                if let Some(value) = value {
                    walker.assigned(name, value, span);
                    walker.vars.insert(name.trim_end_matches('+').to_owned(), value.to_owned());
                } else if args.iter().any(|a| a == "-f") {
                    continue;
                } else if let Some(value) = walker.vars.get(name).cloned() {
                    walker.assigned(name, &value, span);
                }
            }
        }
        "cd" | "pushd" => {
            walker.add(Kind::Read, "read", span, "changes the working directory");
            let target = args.iter().find(|arg| !arg.starts_with('-') || *arg == "-");
            walker.cwd = match target.map(String::as_str) {
                None => Some(walker.context.home.clone()),
                Some("-") => None,
                Some(path) => paths::resolve(path, walker.cwd.as_deref(), &walker.context.home),
            };
        }
        "popd" => {
            walker.add(Kind::Read, "read", span, "changes the working directory");
            walker.cwd = None;
        }
        "trap" => match args.first() {
            Some(text) if args.len() > 1 && !text.starts_with('-') => {
                if args.iter().skip(1).any(|on| ["DEBUG", "RETURN", "ERR"].contains(&on.as_str())) {
                    walker.add(
                        Kind::Ask,
                        "trap",
                        span,
                        "makes the shell run something around every later command",
                    );
                }
                walker.add(Kind::Read, "read", span, "sets what the shell does at its end");
                walker.child(text, None);
            }
            Some(_) | None => walker.add(Kind::Read, "read", span, "lists or clears traps"),
        },
        "alias" => {
            for arg in args {
                if let Some((_, text)) = arg.split_once('=') {
                    walker.child(text, None);
                    walker.add(Kind::Ask, "alias", span, "gives a command another meaning");
                }
            }
            walker.add(Kind::Read, "read", span, "lists aliases");
        }
        "set" => {
            walker.add(Kind::Read, "read", span, "sets options of the shell");
            if let Some(at) = args.iter().position(|arg| arg == "--") {
                walker.positional = Some(args.iter().skip(at + 1).cloned().collect());
            } else {
                // The first word that is no option is the first argument.
                let mut rest = args.iter().peekable();
                while let Some(flag) = rest.next_if(|arg| arg.starts_with(['-', '+'])) {
                    if flag.ends_with('o') {
                        rest.next();
                    }
                }
                if rest.peek().is_some() {
                    walker.positional = Some(rest.cloned().collect());
                }
            }
            if args.windows(2).any(|pair| matches!(pair, [a, b] if a == "+o" && b == "history")) {
                walker.add(Kind::Ask, "history", span, "turns the shell's record of commands off");
            }
        }
        "shift" => {
            walker.add(Kind::Read, "read", span, "drops arguments");
            let count = args.first().map_or(Ok(1), |count| count.parse::<usize>());
            walker.positional = match (walker.positional.take(), count) {
                (Some(given), Ok(count)) if !given.iter().any(|arg| arg.contains(UNKNOWN)) => {
                    Some(given.into_iter().skip(count).collect())
                }
                (_, _) => None,
            };
        }
        "unset" => {
            walker.add(Kind::Read, "read", span, "clears variables");
            for arg in args {
                walker.assigned(arg, "", span);
                walker.vars.insert(arg.clone(), String::new());
            }
        }
        "read" | "mapfile" | "readarray" | "getopts" => {
            walker.add(Kind::Read, "read", span, "reads its input into variables");
            let value = match stdin {
                Stdin::Text(text) if text.starts_with("./") && text.contains(ATOM) => text.clone(),
                Stdin::Text(text)
                    if name == "read"
                        && args.iter().filter(|arg| !arg.starts_with('-')).count() == 1
                        && !text.trim_end().contains('\n') =>
                {
                    text.trim().to_owned()
                }
                Stdin::Text(_) | Stdin::Inherited | Stdin::Pipe | Stdin::File(_) => {
                    UNKNOWN.to_string()
                }
            };
            if name != "read" && args.iter().any(|arg| arg.starts_with("-C")) {
                walker.not_understood(span, "runs code for the lines that it reads");
            }
            for arg in args.iter().filter(|arg| !arg.starts_with('-')) {
                walker.assigned(arg, &value, span);
                walker.vars.insert(arg.clone(), value.clone());
            }
        }
        "history" => {
            let tampers = has_flag(args, &["-c", "-d", "-w", "-a", "-r", "-n", "-s"]);
            let kind = if tampers { Kind::Ask } else { Kind::Read };
            walker.add(kind, "history", span, "reads or changes the shell's record of commands");
        }
        "kill" => {
            let harmless = has_flag(args, &["-0", "-l"])
                || args
                    .iter()
                    .filter(|arg| !arg.starts_with('-') && !arg.chars().all(char::is_alphabetic))
                    .all(|pid| pid.starts_with('%') || pid.chars().all(|c| c == ATOM));
            let kind = if harmless { Kind::Contained } else { Kind::Ask };
            walker.add(kind, "kill", span, "ends a process");
        }
        "ghc" | "runghc" | "ghci" | "erl" | "elixir" | "iex" | "swift" | "R" | "ocaml"
        | "kotlin" | "scala" | "crystal" | "dart" | "nim" | "lean" | "mix" | "npx" | "bunx"
        | "pnpx" | "groovy" | "clojure" | "clj" | "raku" | "racket" | "guile" | "sbcl"
        | "cmake"
            if gives_code(name, args) =>
        {
            let fact = format!("gives `{name}` code in a language that is not looked at");
            walker.add(Kind::Ask, "inline-code", span, &fact);
        }
        "xargs" => xargs(walker, args, stdin, span),
        "parallel" => parallel(walker, args, stdin, span),
        "find" | "gfind" => return Some(find(walker, args, span)),
        "echo" | "printf" => return Some(echo(walker, name, args, span)),
        "node" | "nodejs" | "deno" | "bun" | "tsx" | "ts-node" => {
            return interpreters::javascript(walker, name, args, stdin, span).then_some(None);
        }
        other if versionless(other) == "python" || versionless(other) == "pypy" => {
            interpreters::python(walker, args, stdin, span)
        }
        other => {
            return interpreters::other(walker, versionless(other), args, stdin, span)
                .then_some(None);
        }
    }
    Some(None)
}

/// Whether a program of another language finds code among its arguments.
fn gives_code(name: &str, args: &[String]) -> bool {
    if name == "cmake" {
        return args.iter().any(|arg| arg == "-E" || arg == "-P");
    }
    let runner = matches!(name, "npx" | "bunx" | "pnpx");
    if runner && !args.iter().any(|arg| arg == "ts-node" || arg == "tsx") {
        return false;
    }
    args.iter().any(|arg| {
        ["-p", "-pe", "--print", "--execute", "--rpc-eval"].contains(&arg.as_str())
            || arg.starts_with("--eval")
            || arg.starts_with("-e") && !arg.starts_with("-enable")
            || name != "dart" && arg == "eval"
    })
}

fn source(walker: &mut Walker<'_>, file: &str, span: &str) {
    walker.touch(file, Access::Read, span);
    let full = paths::resolve(file, walker.cwd.as_deref(), &walker.context.home);
    let class =
        full.as_deref().map_or(PathClass::Unknown, |full| paths::class(full, walker.context));
    if class == PathClass::System {
        // The system is read-only to the sandbox: what lies there was not put there by the agent.
        walker.add(Kind::Contained, "contained", span, "reads shell settings of the system");
    } else {
        walker.run_file(file, Some(Language::Shell), &[], span);
    }
    walker.activated |=
        file.ends_with("bin/activate") && matches!(class, PathClass::Workspace | PathClass::System);
}

fn shell(walker: &mut Walker<'_>, args: &[String], stdin: &Stdin, span: &str) {
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        if arg == "--" || arg == "-" {
            continue;
        }
        if arg.starts_with(UNKNOWN) {
            walker
                .not_understood(span, "gives a shell an argument that is not known before it runs");
            return;
        }
        if let Some(long) = arg.strip_prefix("--") {
            if ["init-file", "rcfile"].iter().any(|l| long.starts_with(l)) {
                walker.add(Kind::Ask, "shell", span, "gives a shell a start file");
                rest.next();
            }
            continue;
        }
        if let Some(flags) = arg.strip_prefix(['-', '+']) {
            if arg.starts_with('-') && flags.contains('c') {
                let mut after: Vec<String> = rest.cloned().collect();
                while after.first().is_some_and(|a| a.starts_with(['-', '+'])) {
                    after.remove(0);
                }
                if after.is_empty() {
                    walker.not_understood(span, "gives a shell no command");
                    return;
                }
                let text = after.remove(0);
                let positional = if after.is_empty() { Vec::new() } else { after.split_off(1) };
                walker.child(&text, Some(positional));
                return;
            }
            if flags.contains('s') || flags.contains('i') {
                break;
            }
            if flags.ends_with(['o', 'O']) {
                rest.next();
            }
            continue;
        }
        walker.touch(arg, Access::Read, span);
        let left: Vec<String> = rest.cloned().collect();
        walker.run_file(arg, Some(Language::Shell), &left, span);
        inspect_args(walker, &left, span);
        return;
    }
    match stdin {
        Stdin::Text(text) if !text.contains([UNKNOWN, ATOM]) => walker.child(text, None),
        Stdin::Text(_) | Stdin::Pipe => walker.add(
            Kind::NotUnderstood,
            "shell-input",
            span,
            "runs text that another program hands it",
        ),
        Stdin::File(path) => walker.run_file(path, Some(Language::Shell), &[], span),
        Stdin::Inherited => {
            if !has_flag(args, &["--version", "--help", "-n"]) {
                walker.add(Kind::Open, "shell", span, "starts a shell that waits for commands");
            }
        }
    }
}

fn env(walker: &mut Walker<'_>, args: &[String], stdin: &Stdin, span: &str) -> Option<String> {
    let mut rest = args.iter();
    let mut inner: Vec<String> = Vec::new();
    while let Some(arg) = rest.next() {
        let (flag, joined) =
            arg.split_once('=').map_or((arg.as_str(), None), |(flag, value)| (flag, Some(value)));
        let moves = flag == "-C" || flag.len() > 2 && "--chdir".starts_with(flag);
        if let Some(place) = arg.strip_prefix("-C").filter(|place| !place.is_empty()) {
            walker.touch(place, Access::Read, span);
            walker.cwd = paths::resolve(place, walker.cwd.as_deref(), &walker.context.home);
        } else if moves {
            let value = joined.map(str::to_owned).or_else(|| rest.next().cloned());
            let value = value.unwrap_or_default();
            walker.touch(&value, Access::Read, span);
            walker.cwd = paths::resolve(&value, walker.cwd.as_deref(), &walker.context.home);
        } else if arg == "-u" || arg == "--unset" {
            rest.next();
        } else if let Some(text) =
            arg.strip_prefix("-S").or_else(|| arg.strip_prefix("--split-string="))
        {
            let mut text = text.to_owned();
            if text.is_empty() {
                text = rest.next().cloned().unwrap_or_default();
            }
            let tail: Vec<String> = rest.cloned().collect();
            walker.child(&format!("{text} {}", tail.join(" ")), None);
            return None;
        } else if arg.starts_with("--sp") || arg.starts_with('-') && arg.contains('S') {
            walker.not_understood(span, "splits a string into a command");
            return None;
        } else if arg.starts_with('-') {
            continue;
        } else if let Some((name, value)) = arg.split_once('=') {
            walker.assigned(name, value, span);
        } else {
            inner.push(arg.clone());
            inner.extend(rest.cloned());
            break;
        }
    }
    if inner.is_empty() {
        walker.add(Kind::Read, "read", span, "prints the environment");
        return None;
    }
    walker.invoke(&inner, stdin, span)
}

fn xargs(walker: &mut Walker<'_>, args: &[String], stdin: &Stdin, span: &str) {
    let values = [
        "-n",
        "-P",
        "-L",
        "-d",
        "-s",
        "-E",
        "-a",
        "--max-args",
        "--max-procs",
        "--delimiter",
        "--arg-file",
        "-j",
    ];
    let mut rest = args.iter();
    let mut mark: Option<String> = None;
    let mut inner: Vec<String> = Vec::new();
    let mut split_otherwise = false;
    while let Some(arg) = rest.next() {
        split_otherwise |= arg.starts_with("-d")
            || arg.starts_with("--del")
            || arg.starts_with("-a")
            || arg.starts_with("--arg-file");
        if arg == "-I" || arg == "-J" {
            mark = rest.next().cloned();
        } else if let Some(own) = arg.strip_prefix("-I") {
            mark = Some(own.to_owned());
        } else if arg == "-i" || arg == "--replace" {
            mark = Some("{}".to_owned());
        } else if values.contains(&arg.as_str()) {
            let value = rest.next();
            if let Some(file) = value.filter(|_| ["-a", "--arg-file"].contains(&arg.as_str())) {
                walker.touch(file, Access::Read, span);
            }
        } else if arg.starts_with('-') {
            if let Some(file) = arg.strip_prefix("-a").or_else(|| arg.strip_prefix("--arg-file=")) {
                walker.touch(file, Access::Read, span);
            }
        } else {
            inner.push(arg.clone());
            inner.extend(rest.cloned());
            break;
        }
    }
    if inner.is_empty() {
        walker.add(Kind::Read, "read", span, "prints its input");
        return;
    }
    let mark = mark.filter(|mark| !mark.is_empty());
    let by_line = mark.is_some();
    // It takes quotes and backslashes out, and may be told to split elsewhere.
    let given = match stdin {
        Stdin::Text(text) if !split_otherwise && !text.contains([UNKNOWN, '"', '\'', '\\']) => {
            if by_line {
                text.lines().map(|line| line.trim_start().to_owned()).collect::<Vec<_>>()
            } else {
                text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
            }
        }
        Stdin::Text(text) if text.starts_with("./") && text.contains(ATOM) => vec![text.clone()],
        Stdin::Text(_) | Stdin::Pipe | Stdin::File(_) | Stdin::Inherited => {
            vec![UNKNOWN.to_string()]
        }
    };
    let Some(mark) = mark else {
        inner.extend(given);
        walker.invoke(&inner, &Stdin::Pipe, span);
        return;
    };
    let given = if given.len() > MOST_VALUES { vec![UNKNOWN.to_string()] } else { given };
    for value in given {
        // A word that holds the mark inside text given to a shell can become any command.
        let words: Vec<String> = inner.iter().map(|word| word.replace(&mark, &value)).collect();
        walker.invoke(&words, &Stdin::Pipe, span);
    }
}

/// How many values are put into a command one by one.
const MOST_VALUES: usize = 24;

/// GNU parallel hands its words, joined, to a shell, once for each value.
fn parallel(walker: &mut Walker<'_>, args: &[String], stdin: &Stdin, span: &str) {
    let quiet =
        ["-k", "--keep-order", "--bar", "--progress", "--eta", "-0", "--null", "-v", "--will-cite"];
    let valued = ["-j", "--jobs", "-P", "-n", "-N", "--halt", "--delay", "--timeout", "--retries"];
    let mut rest = args.iter().peekable();
    while let Some(flag) = rest.next_if(|arg| arg.starts_with('-')) {
        let joined = flag.strip_prefix("-j").or_else(|| flag.strip_prefix("-P"));
        if valued.contains(&flag.as_str()) {
            rest.next();
        } else if !quiet.contains(&flag.as_str())
            && !joined.is_some_and(|jobs| jobs.chars().all(|c| c.is_ascii_digit() || c == '%'))
        {
            walker.not_understood(span, "runs commands in a way that is not followed");
            return;
        }
    }
    let words: Vec<String> =
        rest.by_ref().take_while(|word| !word.starts_with(":::")).cloned().collect();
    let mut text = words.join(" ");
    if text.is_empty() {
        walker.not_understood(span, "runs commands that another program hands it");
        return;
    }
    let marks = ["{}", "{.}", "{/}", "{//}", "{/.}", "{1}", "{2}", "{3}"];
    if !marks.iter().any(|mark| text.contains(mark)) {
        text.push_str(" {}");
    }
    if text.contains(['\'', '\\']) || text.contains([UNKNOWN, ATOM]) {
        walker.not_understood(span, "runs commands whose quoting is not followed");
        return;
    }
    for mark in marks {
        text = text.replace(mark, "$gatepost_value");
    }
    if text.contains('{') {
        walker.not_understood(span, "runs commands whose marks are not followed");
        return;
    }
    let listed = args.iter().any(|arg| arg == ":::");
    let values: Vec<String> = rest.cloned().collect();
    let followed =
        listed && values.len() <= MOST_VALUES && !values.iter().any(|v| v.starts_with(":::"));
    let values = match stdin {
        _ if followed => values,
        Stdin::Text(text) if values.is_empty() && *text == format!("./{ATOM}") => {
            vec![text.clone()]
        }
        Stdin::Text(_) | Stdin::Pipe | Stdin::File(_) | Stdin::Inherited => {
            vec![UNKNOWN.to_string()]
        }
    };
    for value in values {
        let cut = words.iter().any(|word| word.contains("{.}") || word.contains("{/"));
        let value = if cut { UNKNOWN.to_string() } else { value };
        walker.vars.insert("gatepost_value".to_owned(), value);
        walker.child(&text, None);
    }
    walker.vars.remove("gatepost_value");
}

fn find(walker: &mut Walker<'_>, args: &[String], span: &str) -> Option<String> {
    walker.add(Kind::Read, "read", span, "looks for files");
    let mut starts: Vec<String> = args
        .iter()
        .skip_while(|arg| ["-L", "-H", "-P", "-O1", "-O2", "-O3"].contains(&arg.as_str()))
        .take_while(|arg| !arg.starts_with(['-', '(', '!']))
        .cloned()
        .collect();
    if starts.is_empty() {
        starts.push(".".to_owned());
    }
    for start in &starts {
        walker.touch(start, Access::Read, span);
    }
    let narrowed = args.iter().any(|arg| {
        [
            "-name",
            "-iname",
            "-path",
            "-wholename",
            "-regex",
            "-mtime",
            "-empty",
            "-size",
            "-newer",
            "-ipath",
        ]
        .contains(&arg.as_str())
    });
    let found: Vec<String> =
        starts
            .iter()
            .map(|start| {
                if start.contains(UNKNOWN) {
                    UNKNOWN.to_string()
                } else {
                    format!("{start}/{ATOM}")
                }
            })
            .collect();
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "-delete" => {
                for path in if narrowed { &found } else { &starts } {
                    walker.touch(path, Access::Delete, span);
                }
            }
            "-exec" | "-execdir" | "-ok" | "-okdir" => {
                let inner: Vec<String> = rest
                    .by_ref()
                    .take_while(|word| *word != ";" && *word != "+")
                    .cloned()
                    .collect();
                for path in
                    if narrowed || !inner.iter().any(|w| w == "rm") { &found } else { &starts }
                {
                    let words: Vec<String> =
                        inner.iter().map(|word| word.replace("{}", path)).collect();
                    walker.invoke(&words, &Stdin::Inherited, span);
                }
            }
            "-fprint" | "-fprintf" | "-fls" | "-fprint0" => {
                if let Some(path) = rest.next() {
                    walker.touch(path, Access::Write, span);
                }
            }
            "-perm" => {
                let bits = rest.next().map_or("", String::as_str).trim_start_matches(['-', '/']);
                let sets = bits.len() == 4 && bits.starts_with(['2', '4', '6', '7'])
                    || bits.contains("+s")
                    || bits.contains("=s");
                if sets {
                    walker.add(
                        Kind::Ask,
                        "find-setuid",
                        span,
                        "looks for programs that run with the rights of another user",
                    );
                }
            }
            "-files0-from" | "-newer" => {
                if let Some(path) = rest.next() {
                    walker.touch(path, Access::Read, span);
                }
            }
            _ => {}
        }
    }
    Some(found.join(" "))
}

fn echo(walker: &mut Walker<'_>, name: &str, args: &[String], span: &str) -> Option<String> {
    walker.add(Kind::Read, "read", span, "prints text");
    if name == "printf" {
        if let Some(joined) = args.first().and_then(|flag| flag.strip_prefix("-v")) {
            let joined = (!joined.is_empty()).then(|| joined.to_owned());
            if let Some(variable) = joined.or_else(|| args.get(1).cloned()) {
                if variable.contains('[') {
                    walker.not_understood(span, "hides a command in an array index");
                }
                walker.assigned(&variable, &UNKNOWN.to_string(), span);
                walker.vars.insert(variable.clone(), UNKNOWN.to_string());
            }
            return None;
        }
        let (format, rest) = args.split_first()?;
        return printed(format, rest);
    }
    let mut rest = args;
    let mut escapes = false;
    while let Some((flag, tail)) = rest.split_first() {
        if !(flag.len() > 1
            && flag.starts_with('-')
            && flag.chars().skip(1).all(|c| "neE".contains(c)))
        {
            break;
        }
        escapes |= flag.contains('e');
        rest = tail;
    }
    let text = rest.join(" ");
    if escapes { unescaped(&text) } else { Some(text) }
}

/// What `printf` prints, where its format is one that is followed.
fn printed(format: &str, args: &[String]) -> Option<String> {
    let mut out = String::new();
    let mut left = args.iter();
    loop {
        let before = left.len();
        let mut rest = format;
        while let Some((text, after)) = rest.split_once('%') {
            out.push_str(&unescaped(text)?);
            match after.chars().next()? {
                's' => out.push_str(left.next().map_or("", String::as_str)),
                '%' => out.push('%'),
                _ => return None,
            }
            rest = after.get(1..).unwrap_or_default();
        }
        out.push_str(&unescaped(rest)?);
        // The format begins anew as long as it takes arguments and there are more.
        if left.len() == 0 || left.len() == before || out.len() > MOST_PRINTED {
            return (out.len() <= MOST_PRINTED).then_some(out);
        }
    }
}

/// The longest text of `printf` that is followed, in bytes.
const MOST_PRINTED: usize = 64 * 1024;

/// A text with its escapes as `printf` and `echo -e` read them; `None` for one that is not followed.
fn unescaped(text: &str) -> Option<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let letter = after.chars().next()?;
        rest = after.get(letter.len_utf8()..).unwrap_or_default();
        let digits = |base: u32, most: usize, from: &str| {
            from.chars().take(most).take_while(|c| c.is_digit(base)).count()
        };
        let (base, count) = match letter {
            'n' | 't' | 'r' | '\\' | '"' | '\'' => {
                out.push(match letter {
                    'n' => '\n',
                    't' => '\t',
                    'r' => '\r',
                    other => other,
                });
                continue;
            }
            'x' => (16, digits(16, 2, rest)),
            '0'..='7' => {
                rest = after;
                (8, digits(8, if letter == '0' { 4 } else { 3 }, after))
            }
            _ => return None,
        };
        let code = u32::from_str_radix(rest.get(..count)?, base).ok()?;
        // Bytes above are parts of characters, and those below would change how a shell reads on.
        out.push(char::from_u32(code).filter(|c| c.is_ascii_graphic() || " \n\t".contains(*c))?);
        rest = rest.get(count..).unwrap_or_default();
    }
    out.push_str(rest);
    Some(out)
}
