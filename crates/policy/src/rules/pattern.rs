//! What a rule speaks of: `Tool`, or `Tool(specifier)` in the form that each tool has.

use gatepost_domain::action::Action;
use gatepost_domain::action::Exec;
use globset::GlobBuilder;
use globset::GlobMatcher;

use super::wild;
use crate::facts::Access;
use crate::facts::Context;
use crate::paths;

/// The specifier of a rule, read.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    /// Commands.
    Bash(Words),
    /// Paths, by what is done with them; all of them where there is no pattern.
    Path(&'static [Access], Option<PathPattern>),
    /// Hosts; all of them where none is named.
    Fetch(Option<String>),
    /// Tools by name; `*` stands for any text.
    Tool(String),
}

/// Tools that are one thing whatever they are given, so that a rule can only name them.
const NAMED: [&str; 6] = ["WebSearch", "Agent", "Task", "Skill", "SlashCommand", "TodoWrite"];

impl Pattern {
    /// Reads a rule.
    ///
    /// # Errors
    /// What is wrong with it, and how to mend it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (tool, inner) = match text.split_once('(') {
            Some((tool, rest)) => {
                let inner = rest.strip_suffix(')').ok_or_else(|| {
                    format!("`{text}` lacks its closing bracket; write `Tool(what)`")
                })?;
                (tool, Some(inner.trim()))
            }
            None => (text, None),
        };
        let inner = inner.filter(|inner| !inner.is_empty() && *inner != "*");
        match (tool, inner) {
            ("Bash", inner) => Words::parse(inner.unwrap_or(":*"), text).map(Self::Bash),
            ("Read" | "Grep" | "Glob", inner) => {
                path_pattern(&[Access::Read, Access::Run], text, inner)
            }
            ("Write" | "Edit" | "MultiEdit" | "NotebookEdit", inner) => {
                path_pattern(&[Access::Write, Access::Delete], text, inner)
            }
            ("WebFetch" | "Fetch", None) => Ok(Self::Fetch(None)),
            ("WebFetch" | "Fetch", Some(inner)) => match inner.strip_prefix("domain:") {
                Some(domain) if !domain.is_empty() => Ok(Self::Fetch(Some(domain.to_lowercase()))),
                Some(_) | None => {
                    Err(format!("`{text}` needs a domain; write `{tool}(domain:docs.rs)`"))
                }
            },
            (name, None) if name.starts_with("mcp__") || NAMED.contains(&name) => {
                Ok(Self::Tool(name.to_owned()))
            }
            (name, Some(_)) if name.starts_with("mcp__") || NAMED.contains(&name) => {
                Err(format!("`{text}`: `{name}` takes nothing in brackets; write `{name}`"))
            }
            (other, _) => Err(format!(
                "`{other}` is not a tool; use Bash, Read, Write, Edit, WebFetch, WebSearch or \
                 mcp__server__tool"
            )),
        }
    }

    /// An example as the action it stands for.
    pub(super) fn example(&self, text: &str) -> Action {
        match self {
            Self::Bash(..) => Action::Exec(Exec {
                command: text.to_owned(),
                cwd: "/workspace".to_owned(),
                env: std::collections::BTreeMap::new(),
            }),
            Self::Path(accesses, _) if accesses.contains(&Access::Read) => {
                Action::Read { path: text.to_owned() }
            }
            Self::Path(..) => Action::Write { path: text.to_owned(), content: String::new() },
            Self::Fetch(_) => Action::Fetch { url: text.to_owned() },
            Self::Tool(_) => Action::Tool { name: text.to_owned(), input: String::new() },
        }
    }

    /// Whether an allow rule of this kind lets anything run at all: it says nothing of what that
    /// does.
    pub(super) fn is_broad(&self) -> bool {
        match self {
            Self::Bash(words) => words.is_broad(),
            Self::Path(..) | Self::Fetch(_) | Self::Tool(_) => false,
        }
    }
}

/// A pattern of commands: `npm run test:*`, which is `npm run test *`, or with `*` anywhere.
#[derive(Debug, Clone)]
pub(super) struct Words {
    /// `*` stands for any text, blanks too.
    line: String,
    /// Whether more words may follow.
    open: bool,
}

/// Programs that run whatever they are given.
const INTERPRETERS: [&str; 27] = [
    "sh",
    "bash",
    "zsh",
    "dash",
    "ksh",
    "fish",
    "pwsh",
    "python",
    "pypy",
    "node",
    "deno",
    "bun",
    "ruby",
    "perl",
    "php",
    "lua",
    "tclsh",
    "Rscript",
    "osascript",
    "eval",
    "exec",
    "sudo",
    "doas",
    "su",
    "ssh",
    "env",
    "xargs",
];

/// Programs that run what a package or a project brings, by these of their subcommands; without
/// one, by themselves.
const RUNNERS: [(&str, &[&str]); 14] = [
    ("npx", &[]),
    ("bunx", &[]),
    ("uvx", &[]),
    ("pnpx", &[]),
    ("npm", &["run", "run-script", "exec", "x"]),
    ("pnpm", &["run", "exec", "dlx"]),
    ("yarn", &["run", "exec", "dlx"]),
    ("bun", &["run", "x"]),
    ("deno", &["run", "eval", "task"]),
    ("uv", &["run", "tool"]),
    ("pipx", &["run"]),
    ("poetry", &["run"]),
    ("go", &["run"]),
    ("cargo", &["run"]),
];

impl Words {
    fn parse(inner: &str, rule: &str) -> Result<Self, String> {
        let (line, open) = match inner.strip_suffix(":*").or_else(|| inner.strip_suffix(" *")) {
            Some(line) => (line, true),
            None => (inner, false),
        };
        if line.contains(":*") {
            return Err(format!("`{rule}` has `:*` before its end; write ` *` there"));
        }
        let line = if line.is_empty() { "*" } else { line };
        Ok(Self { line: line.to_owned(), open })
    }

    /// Whether a command is meant. A prefix matches whole words: `git push` is not `git pushy`.
    pub(super) fn matches(&self, line: &str) -> bool {
        wild::matches(&self.line, line)
            || self.open && wild::matches(&format!("{} *", self.line), line)
    }

    /// Whether a program with its arguments is meant; one of the system counts by its name.
    pub(super) fn covers(&self, argv: &[String]) -> bool {
        let Some((program, rest)) = argv.split_first() else { return self.line == "*" };
        // A file may well be called `npm test`.
        if program.contains(char::is_whitespace) {
            return false;
        }
        let system = ["/usr/", "/bin/", "/sbin/"].iter().any(|dir| program.starts_with(dir));
        let base = program.rsplit('/').next().filter(|_| system).unwrap_or(program);
        let words: Vec<&str> =
            std::iter::once(base).chain(rest.iter().map(String::as_str)).collect();
        self.matches(&words.join(" "))
    }

    fn is_broad(&self) -> bool {
        let mut words = self.line.split_whitespace();
        let Some(first) = words.next() else { return true };
        let program = first.rsplit('/').next().unwrap_or(first);
        if program.contains('*') {
            return true;
        }
        let rest: Vec<&str> = words.filter(|word| !word.starts_with('-')).collect();
        let anything = rest.is_empty() || rest.iter().all(|word| word.starts_with('*'));
        // `python3.12` is Python.
        let plain = program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        if INTERPRETERS.contains(&plain) && anything {
            return true;
        }
        let wide = self.open || self.line.contains('*');
        RUNNERS.iter().any(|(runner, commands)| {
            *runner == program
                && wide
                && match rest.as_slice() {
                    [] => true,
                    [command, rest @ ..] if commands.contains(command) => {
                        rest.iter().all(|word| word.starts_with('*'))
                    }
                    [first, ..] => first.starts_with('*'),
                }
        })
    }
}

/// A pattern of paths as people write them, gitignore-like.
#[derive(Debug, Clone)]
pub(super) struct PathPattern {
    anchor: Anchor,
    glob: String,
    globs: Vec<GlobMatcher>,
}

/// What a pattern of paths starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anchor {
    /// `//abs`: the root of the file system.
    Root,
    /// `~/x`: the home directory.
    Home,
    /// `./x`, `/x`, `a/x`: the workspace.
    Workspace,
    /// `x`: any directory.
    Any,
}

/// How far a pattern reaches where there is doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// As far as it may: for what is forbidden.
    Far,
    /// No further than it surely does: for what is allowed.
    Near,
}

impl PathPattern {
    fn parse(text: &str) -> Result<Self, globset::Error> {
        let (anchor, rest) = if let Some(rest) = text.strip_prefix("//") {
            (Anchor::Root, rest)
        } else if text == "~" {
            (Anchor::Home, "**")
        } else if let Some(rest) = text.strip_prefix("~/") {
            (Anchor::Home, rest)
        } else if let Some(rest) = text.strip_prefix("./").or_else(|| text.strip_prefix('/')) {
            (Anchor::Workspace, rest)
        } else if text.contains('/') {
            (Anchor::Workspace, text)
        } else {
            (Anchor::Any, text)
        };
        let rest = if anchor == Anchor::Any { format!("**/{rest}") } else { rest.to_owned() };
        let rest = rest.trim_end_matches('/').to_owned();
        let build = |glob: &str| {
            let glob =
                GlobBuilder::new(glob).literal_separator(true).case_insensitive(true).build();
            glob.map(|glob| glob.compile_matcher())
        };
        // A pattern that names a directory speaks for what lies in it, and the other way round: to
        // list or search a directory is to read what is in it.
        let mut globs = vec![build(&rest)?, build(&format!("{rest}/**"))?];
        if let Some(directory) = rest.strip_suffix("/**") {
            globs.push(build(directory)?);
        }
        Ok(Self { anchor, glob: rest, globs })
    }

    /// Whether a path is meant.
    pub(super) fn matches(&self, path: &str, context: &Context, reach: Reach) -> bool {
        let resolved = paths::resolve(path, Some(&context.cwd), &context.home);
        let path = resolved.as_deref().unwrap_or(path);
        let below = |root: &str| {
            let root = root.trim_end_matches('/');
            path.strip_prefix(root).and_then(|rest| rest.strip_prefix('/'))
        };
        let relative = match (self.anchor, reach) {
            (Anchor::Root, _) | (Anchor::Any, Reach::Far) => Some(path.trim_start_matches('/')),
            (Anchor::Home, _) => below(&context.home),
            (Anchor::Workspace, _) | (Anchor::Any, Reach::Near) => below(&context.workspace),
        };
        let Some(relative) = relative else { return false };
        self.globs.iter().any(|glob| glob.is_match(relative))
            || reach == Reach::Far
                && relative.contains(['*', '?', '['])
                && (wild::overlap(&self.glob, relative)
                    || wild::overlap(&format!("{}/**", self.glob), relative))
    }
}

fn path_pattern(
    accesses: &'static [Access],
    text: &str,
    inner: Option<&str>,
) -> Result<Pattern, String> {
    let pattern = inner.map(PathPattern::parse).transpose();
    let pattern = pattern
        .map_err(|error| format!("`{text}` holds a pattern that cannot be read: {error}"))?;
    Ok(Pattern::Path(accesses, pattern))
}

/// Whether a host is the named one, or lies below it where that is `*.example.com`.
pub(super) fn host_matches(host: &str, domain: &str) -> bool {
    match domain.strip_prefix("*.") {
        Some(parent) => host.strip_suffix(parent).is_some_and(|before| before.ends_with('.')),
        None => host == domain,
    }
}
