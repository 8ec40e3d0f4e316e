//! Programs that run a command in an environment of the project: what they run is judged.

use crate::facts::Access;
use crate::facts::Kind;
use crate::paths;
use crate::walk::Stdin;
use crate::walk::Walker;

/// Flags whose value stands in the next word.
const VALUES: &[&str] = &[
    "--with",
    "--with-requirements",
    "--with-editable",
    "--python",
    "-p",
    "-P",
    "-n",
    "--name",
    "--prefix",
    "--extra",
    "--group",
    "--only-group",
    "--no-group",
    "--env-file",
    "--package",
    "-e",
    "--env",
    "--scope",
    "--ignore",
    "--concurrency",
    "--resolver",
    "--stack-yaml",
    "--gemfile",
    "-E",
];

/// Flags whose value is the directory the command runs in, or its project lies in.
const DIRECTORIES: &[&str] = &["--directory", "--project", "-C", "--cwd", "--cd", "--root"];

/// Flags that take packages from elsewhere.
const SOURCES: &[&str] = &[
    "--index-url",
    "--extra-index-url",
    "--index",
    "--default-index",
    "--find-links",
    "-f",
    "-i",
    "--channel",
    "--git",
    "--system",
];

/// `None` when the program is no runner, or is not told to run anything.
pub(super) fn judge(
    walker: &mut Walker<'_>,
    name: &str,
    args: &[String],
    stdin: &Stdin,
    span: &str,
) -> Option<Option<String>> {
    if name == "uv"
        && let [tool, run, rest @ ..] = args
        && tool == "tool"
        && run == "run"
    {
        let inner: Vec<String> =
            std::iter::once("uvx".to_owned()).chain(rest.iter().cloned()).collect();
        return Some(walker.invoke(&inner, stdin, span));
    }
    let (verbs, skip): (&[&str], usize) = match name {
        "poetry" | "uv" | "pipenv" | "pdm" | "hatch" | "conda" | "mamba" | "micromamba" | "rye"
        | "pixi" => (&["run"], 0),
        "bundle" | "bundler" | "stack" | "cabal" | "lerna" | "nx" | "asdf" | "rbenv" | "pyenv"
        | "nodenv" | "goenv" | "composer" => (&["exec"], 0),
        "mise" | "rtx" => (&["exec", "x"], 0),
        "rustup" => (&["run"], 1),
        "nvm" => (&["exec", "run"], 1),
        _ => return None,
    };
    let mut rest = args.iter().peekable();
    let mut found = false;
    let mut places: Vec<String> = Vec::new();
    let mut module = false;
    let mut left = skip;
    while let Some(arg) = rest.peek().copied() {
        let (flag, joined) =
            arg.split_once('=').map_or((arg.as_str(), None), |(flag, value)| (flag, Some(value)));
        if !found && verbs.contains(&arg.as_str()) {
            found = true;
        } else if found && arg == "--" {
            rest.next();
            break;
        } else if found && ["-c", "--command", "--shell-command"].contains(&flag) {
            rest.next();
            let text = joined.map(str::to_owned).or_else(|| rest.next().cloned());
            walker.child(&text.unwrap_or_default(), None);
            return Some(None);
        } else if found && name == "uv" && ["-m", "--module"].contains(&flag) {
            module = true;
        } else if SOURCES.contains(&flag) {
            walker.add(Kind::Ask, name, span, "takes packages from another place");
            if joined.is_none() {
                rest.next();
            }
        } else if DIRECTORIES.contains(&flag) {
            rest.next();
            places.extend(joined.map(str::to_owned).or_else(|| rest.peek().copied().cloned()));
            if joined.is_some() {
                continue;
            }
        } else if VALUES.contains(&flag) {
            if joined.is_none() {
                rest.next();
            }
        } else if !(arg.starts_with('-') && arg.len() > 1) {
            if !found {
                return None;
            }
            // `mise` takes tools with their versions before the command.
            let tools = matches!(name, "mise" | "rtx") && args.iter().any(|arg| arg == "--");
            if left == 0 && !tools {
                break;
            }
            left = left.saturating_sub(1);
        }
        rest.next();
    }
    let mut inner: Vec<String> = rest.cloned().collect();
    let first = inner.first().filter(|_| found)?.clone();
    let before = (walker.cwd.clone(), walker.in_project);
    for place in &places {
        walker.touch(place, Access::Read, span);
        walker.cwd = paths::resolve(place, walker.cwd.as_deref(), &walker.context.home);
    }
    // A program nobody knows is one that the project installed there.
    walker.in_project = true;
    let output = if first.contains("://") {
        walker.network(&first, span, false);
        walker.not_understood(span, "runs code that it fetches");
        None
    } else if module {
        inner.splice(0..0, ["python".to_owned(), "-m".to_owned()]);
        walker.invoke(&inner, stdin, span)
    } else if name == "uv" && (first == "-" || first.ends_with(".py")) {
        inner.insert(0, "python".to_owned());
        walker.invoke(&inner, stdin, span)
    } else if inner.len() == 1 && first.contains(char::is_whitespace) {
        walker.child(&first, None);
        None
    } else {
        walker.invoke(&inner, stdin, span)
    };
    (walker.cwd, walker.in_project) = before;
    Some(output)
}
