//! Rules people write: `Tool(specifier)` with a verdict, a reason, and examples that must hold.

use gatepost_domain::action::Action;
use gatepost_domain::action::Exec;
use globset::GlobBuilder;
use globset::GlobMatcher;
use serde::Deserialize;

use crate::facts::Access;
use crate::facts::ActionFacts;
use crate::facts::Context;
use crate::facts::Kind;
use crate::paths;

/// Whose rules these are. Earlier tiers outrank later ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Of the people who run the machine.
    Managed,
    /// Of the user.
    User,
    /// Gatepost's own.
    BuiltIn,
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleVerdict {
    /// Nobody clears it.
    HardDeny,
    /// Refused; a person may clear it.
    Deny,
    /// A person is asked.
    Ask,
    /// It runs.
    Allow,
}

/// One file of rules, checked.
#[derive(Debug, Clone)]
pub struct RuleSet {
    /// Whose rules they are.
    pub tier: Tier,
    rules: Vec<Rule>,
}

/// A rule that matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// The rule as written.
    pub rule: String,
    /// Why it is there.
    pub reason: String,
    /// The words it matched.
    pub span: String,
}

/// Why rules were refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{origin}:{line}: {problem}")]
pub struct RuleError {
    /// The file.
    pub origin: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and how to mend it.
    pub problem: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<toml::Spanned<Raw>>,
}

/// The rules of a file that holds other things too.
#[derive(Debug, Deserialize)]
struct Part {
    #[serde(default)]
    rule: Vec<toml::Spanned<Raw>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    rule: String,
    verdict: RuleVerdict,
    reason: String,
    #[serde(default, rename = "match")]
    matches: Vec<String>,
    #[serde(default)]
    not_match: Vec<String>,
}

#[derive(Debug, Clone)]
struct Rule {
    text: String,
    verdict: RuleVerdict,
    reason: String,
    pattern: Pattern,
}

#[derive(Debug, Clone)]
enum Pattern {
    Bash(Option<GlobMatcher>, Option<String>),
    Path(&'static [Access], Option<PathPattern>),
    Fetch(Option<String>),
    Tool(String),
}

impl RuleSet {
    /// Reads and checks a file of rules; every example is tried.
    ///
    /// # Errors
    /// [`RuleError`] with the line of the first rule that is wrong.
    pub fn load(tier: Tier, text: &str, origin: &str) -> Result<Self, RuleError> {
        Self::checked(tier, text, origin, |text| Ok(toml::from_str::<File>(text)?.rule))
    }

    /// Reads and checks the rules of a file whose other parts are read elsewhere.
    ///
    /// # Errors
    /// As [`RuleSet::load`].
    pub fn part(tier: Tier, text: &str, origin: &str) -> Result<Self, RuleError> {
        Self::checked(tier, text, origin, |text| Ok(toml::from_str::<Part>(text)?.rule))
    }

    fn checked(
        tier: Tier,
        text: &str,
        origin: &str,
        read: impl FnOnce(&str) -> Result<Vec<toml::Spanned<Raw>>, toml::de::Error>,
    ) -> Result<Self, RuleError> {
        let at =
            |offset: usize| text.get(..offset).map_or(0, |before| before.matches('\n').count()) + 1;
        let fail =
            |line: usize, problem: String| RuleError { origin: origin.to_owned(), line, problem };
        let read = read(text).map_err(|error| {
            fail(
                error.span().map_or(1, |span| at(span.start)),
                format!("{}; each rule needs `rule`, `verdict` and `reason`", error.message()),
            )
        })?;
        let mut rules = Vec::new();
        for spanned in read {
            let line = at(spanned.span().start);
            let raw = spanned.into_inner();
            let pattern = Pattern::parse(&raw.rule).map_err(|problem| fail(line, problem))?;
            if raw.reason.trim().is_empty() {
                return Err(fail(
                    line,
                    format!("`{}` gives no reason; say in one sentence why it is there", raw.rule),
                ));
            }
            let rule = Rule { text: raw.rule, verdict: raw.verdict, reason: raw.reason, pattern };
            let context = Context::new("/workspace", "/home/user", "/workspace");
            for (example, expect) in raw
                .matches
                .iter()
                .map(|e| (e, true))
                .chain(raw.not_match.iter().map(|e| (e, false)))
            {
                let action = rule.pattern.example(example);
                let facts = ActionFacts::of(&action, &context);
                let found = match rule.verdict {
                    RuleVerdict::Allow => rule.allows(&action, &facts, &context).is_some(),
                    RuleVerdict::HardDeny | RuleVerdict::Deny | RuleVerdict::Ask => {
                        rule.hit(&action, &facts, &context).is_some()
                    }
                };
                if found != expect {
                    let what = if expect {
                        "does not match its `match` example"
                    } else {
                        "matches its `not_match` example"
                    };
                    return Err(fail(
                        line,
                        format!("`{}` {what} `{example}`; mend the rule or the example", rule.text),
                    ));
                }
            }
            rules.push(rule);
        }
        Ok(Self { tier, rules })
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The first rule of this verdict that matches any part of the action.
    #[must_use]
    pub fn hit(
        &self,
        verdict: RuleVerdict,
        action: &Action,
        facts: &ActionFacts,
        context: &Context,
    ) -> Option<Hit> {
        self.rules
            .iter()
            .filter(|rule| rule.verdict == verdict)
            .find_map(|rule| rule.hit(action, facts, context))
    }

    /// A hit when allow rules cover every part of the action that is not harmless by itself.
    #[must_use]
    pub fn allows(&self, action: &Action, facts: &ActionFacts, context: &Context) -> Option<Hit> {
        let rules: Vec<&Rule> =
            self.rules.iter().filter(|rule| rule.verdict == RuleVerdict::Allow).collect();
        if let Some(hit) = rules.iter().find_map(|rule| rule.allows(action, facts, context)) {
            return Some(hit);
        }
        let Action::Exec(_) = action else { return None };
        let mut last = None;
        for finding in facts.findings.iter().filter(|finding| finding.kind > Kind::Contained) {
            let program = facts.programs.get(finding.program?)?;
            last = Some(
                rules
                    .iter()
                    .find(|rule| rule.covers(program.argv.as_slice()))
                    .map(|rule| rule.as_hit(&program.span))?,
            );
        }
        last
    }
}

impl Rule {
    fn as_hit(&self, span: &str) -> Hit {
        Hit { rule: self.text.clone(), reason: self.reason.clone(), span: span.to_owned() }
    }

    fn covers(&self, argv: &[String]) -> bool {
        match &self.pattern {
            Pattern::Bash(None, None) => true,
            Pattern::Bash(glob, prefix) => bash_matches(glob.as_ref(), prefix.as_deref(), argv),
            Pattern::Path(..) | Pattern::Fetch(_) | Pattern::Tool(_) => false,
        }
    }

    fn hit(&self, action: &Action, facts: &ActionFacts, context: &Context) -> Option<Hit> {
        match &self.pattern {
            Pattern::Bash(..) => {
                let Action::Exec(exec) = action else { return None };
                if let Some(program) =
                    facts.programs.iter().find(|program| self.covers(&program.argv))
                {
                    return Some(self.as_hit(&program.span));
                }
                let words: Vec<String> =
                    exec.command.split_whitespace().map(str::to_owned).collect();
                self.covers(&words).then(|| self.as_hit(&exec.command))
            }
            Pattern::Path(accesses, glob) => facts
                .paths
                .iter()
                .filter(|used| accesses.contains(&used.access))
                .find(|used| glob.as_ref().is_none_or(|glob| glob.matches(&used.path, context)))
                .map(|used| self.as_hit(&used.path)),
            Pattern::Fetch(domain) => facts
                .hosts
                .iter()
                .find(|host| domain.as_ref().is_none_or(|domain| host_matches(host, domain)))
                .map(|host| self.as_hit(host)),
            Pattern::Tool(name) => match action {
                Action::Tool { name: called, .. }
                    if called == name || called.starts_with(&format!("{name}__")) =>
                {
                    Some(self.as_hit(called))
                }
                Action::Tool { .. }
                | Action::Exec(_)
                | Action::Read { .. }
                | Action::Write { .. }
                | Action::Edit { .. }
                | Action::Fetch { .. }
                | Action::Python { .. }
                | Action::Raise(_) => None,
            },
        }
    }

    /// An allow rule speaks for the whole action only where the action is one thing.
    fn allows(&self, action: &Action, facts: &ActionFacts, context: &Context) -> Option<Hit> {
        match (&self.pattern, action) {
            (
                Pattern::Path(..),
                Action::Read { .. } | Action::Write { .. } | Action::Edit { .. },
            )
            | (Pattern::Fetch(_), Action::Fetch { .. })
            | (Pattern::Tool(_), Action::Tool { .. }) => self.hit(action, facts, context),
            (Pattern::Bash(..), Action::Exec(_)) => {
                let all = !facts.programs.is_empty()
                    && facts.programs.iter().all(|program| self.covers(&program.argv));
                let accounted = facts
                    .findings
                    .iter()
                    .all(|finding| finding.kind <= Kind::Contained || finding.program.is_some());
                (all && accounted).then(|| self.as_hit(action.subject()))
            }
            (Pattern::Bash(..) | Pattern::Path(..) | Pattern::Fetch(_) | Pattern::Tool(_), _) => {
                None
            }
        }
    }
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, String> {
        let (tool, inner) = match text.split_once('(') {
            Some((tool, rest)) => {
                let inner = rest.strip_suffix(')').ok_or_else(|| {
                    format!("`{text}` lacks its closing bracket; write `Tool(what)`")
                })?;
                (tool, Some(inner.trim().to_owned()))
            }
            None => (text, None),
        };
        let inner = inner.filter(|inner| !inner.is_empty() && inner != "*");
        match tool {
            "Bash" => {
                let Some(inner) = inner else { return Ok(Self::Bash(None, None)) };
                if let Some(prefix) = inner.strip_suffix(":*").or_else(|| inner.strip_suffix(" *"))
                    && !prefix.contains('*')
                {
                    return Ok(Self::Bash(None, Some(prefix.to_owned())));
                }
                let glob = GlobBuilder::new(
                    &inner.replace(":*", " *").replace(['[', ']', '{', '}', '?'], "?"),
                )
                .literal_separator(false)
                .build()
                .map_err(|error| {
                    format!("`{text}` holds a pattern that cannot be read: {error}")
                })?;
                Ok(Self::Bash(Some(glob.compile_matcher()), None))
            }
            "Read" | "Grep" | "Glob" => path_pattern(&[Access::Read, Access::Run], text, inner),
            "Write" | "Edit" | "MultiEdit" | "NotebookEdit" => {
                path_pattern(&[Access::Write, Access::Delete], text, inner)
            }
            "WebFetch" | "Fetch" | "WebSearch" => match inner {
                None => Ok(Self::Fetch(None)),
                Some(inner) => match inner.strip_prefix("domain:") {
                    Some(domain) if !domain.is_empty() => {
                        Ok(Self::Fetch(Some(domain.to_lowercase())))
                    }
                    Some(_) | None => {
                        Err(format!("`{text}` needs a domain; write `{tool}(domain:docs.rs)`"))
                    }
                },
            },
            name if name.starts_with("mcp__") => Ok(Self::Tool(name.to_owned())),
            other => Err(format!(
                "`{other}` is not a tool; use Bash, Read, Write, Edit, WebFetch or mcp__server__tool"
            )),
        }
    }

    fn example(&self, text: &str) -> Action {
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
}

/// A pattern of paths as people write them, gitignore-like.
#[derive(Debug, Clone)]
struct PathPattern {
    anchor: Anchor,
    globs: [GlobMatcher; 2],
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

impl PathPattern {
    fn parse(text: &str) -> Result<Self, globset::Error> {
        let (anchor, rest) = if let Some(rest) = text.strip_prefix("//") {
            (Anchor::Root, rest)
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
        // A pattern that names a directory speaks for what lies in it; a slash at its end, too.
        let rest = rest.trim_end_matches('/');
        let build = |glob: &str| {
            let glob =
                GlobBuilder::new(glob).literal_separator(true).case_insensitive(true).build();
            glob.map(|glob| glob.compile_matcher())
        };
        Ok(Self { anchor, globs: [build(rest)?, build(&format!("{rest}/**"))?] })
    }

    fn matches(&self, path: &str, context: &Context) -> bool {
        let resolved = paths::resolve(path, Some(&context.cwd), &context.home);
        let path = resolved.as_deref().unwrap_or(path);
        let below = |root: &str| {
            let root = root.trim_end_matches('/');
            path.strip_prefix(root).and_then(|rest| rest.strip_prefix('/'))
        };
        let relative = match self.anchor {
            Anchor::Root | Anchor::Any => Some(path.trim_start_matches('/')),
            Anchor::Home => below(&context.home),
            Anchor::Workspace => below(&context.workspace),
        };
        relative.is_some_and(|path| self.globs.iter().any(|glob| glob.is_match(path)))
    }
}

fn path_pattern(
    accesses: &'static [Access],
    text: &str,
    inner: Option<String>,
) -> Result<Pattern, String> {
    let pattern = inner.map(|inner| PathPattern::parse(&inner)).transpose();
    let pattern = pattern
        .map_err(|error| format!("`{text}` holds a pattern that cannot be read: {error}"))?;
    Ok(Pattern::Path(accesses, pattern))
}

/// A prefix matches whole words: `git push` does not match `git pushy`.
fn bash_matches(glob: Option<&GlobMatcher>, prefix: Option<&str>, argv: &[String]) -> bool {
    let base = argv.first().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
    let mut line = argv.join(" ");
    if argv
        .first()
        .is_some_and(|name| ["/usr/", "/bin/", "/sbin/"].iter().any(|dir| name.starts_with(dir)))
    {
        line = std::iter::once(base)
            .chain(argv.iter().skip(1).map(String::as_str))
            .collect::<Vec<_>>()
            .join(" ");
    }
    match (glob, prefix) {
        (_, Some(prefix)) => {
            line == prefix || line.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(' '))
        }
        (Some(glob), None) => glob.is_match(&line),
        (None, None) => true,
    }
}

fn host_matches(host: &str, domain: &str) -> bool {
    match domain.strip_prefix("*.") {
        Some(parent) => host.strip_suffix(parent).is_some_and(|before| before.ends_with('.')),
        None => host == domain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<RuleSet, RuleError> {
        RuleSet::load(Tier::User, text, "policy.toml")
    }

    #[test]
    fn examples_are_held_to() {
        assert!(load("[[rule]]\nrule = 'Bash(git push:*)'\nverdict = 'deny'\nreason = 'x'\nmatch = ['git push', 'ls && git push -f']\nnot_match = ['git pushy', 'echo git push']\n").is_ok());
        assert!(load("[[rule]]\nrule = 'Read(./.env)'\nverdict = 'deny'\nreason = 'x'\nmatch = ['.env', '/workspace/./.env']\nnot_match = ['a/.env']\n").is_ok());
        assert!(load("[[rule]]\nrule = 'WebFetch(domain:docs.rs)'\nverdict = 'allow'\nreason = 'x'\nmatch = ['https://docs.rs/x']\nnot_match = ['https://docs.rs.evil.tld/']\n").is_ok());
        assert!(load("[[rule]]\nrule = 'Bash(cargo publish:*)'\nverdict = 'allow'\nreason = 'x'\nmatch = ['cargo publish']\nnot_match = ['cargo publish; sudo ls']\n").is_ok());
        let error =
            load("\n[[rule]]\nrule = 'Bash(a)'\nverdict = 'deny'\nreason = 'x'\nmatch = ['b']\n")
                .unwrap_err();
        assert_eq!(error.line, 2);
        assert!(error.to_string().contains("does not match"), "{error}");
        assert!(
            load("[[rule]]\nrule = 'Bsh(a)'\nverdict = 'deny'\nreason = 'x'\n")
                .unwrap_err()
                .to_string()
                .contains("not a tool")
        );
        assert!(load("[[rule]]\nrule = 'Bash(a)'\nverdict = 'dney'\nreason = 'x'\n").is_err());
    }
}
