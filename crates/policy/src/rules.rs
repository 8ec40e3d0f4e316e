//! Rules people write: `Tool(specifier)` with a verdict, a reason, and examples that must hold.

use gatepost_domain::action::Action;
use serde::Deserialize;

use crate::facts::ActionFacts;
use crate::facts::Context;
use crate::facts::Kind;

mod pattern;
mod wild;

use pattern::Pattern;
use pattern::Reach;
use pattern::host_matches;

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
    /// It does not count, because it allows too much for the mode; see [`RuleSet::narrow`].
    set_aside: bool,
}

impl RuleVerdict {
    /// The word in a file of rules.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HardDeny => "hard-deny",
            Self::Deny => "deny",
            Self::Ask => "ask",
            Self::Allow => "allow",
        }
    }
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
            let Raw { rule: text, verdict, reason, matches, not_match } = raw;
            let rule = Rule { text, verdict, reason, pattern, set_aside: false };
            let context = Context::new("/workspace", "/home/user", "/workspace");
            for (example, expect) in
                matches.iter().map(|e| (e, true)).chain(not_match.iter().map(|e| (e, false)))
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

    /// Each rule with its verdict, as people write it.
    pub fn said(&self) -> impl Iterator<Item = String> {
        self.rules.iter().map(|rule| format!("{} {}", rule.verdict.as_str(), rule.text))
    }

    /// The allow rules that let anything run, such as `Bash(*)`, `Bash(python:*)` or
    /// `Bash(npm run:*)`: what they would allow says nothing of what it does.
    pub fn broad(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter(|rule| rule.is_broad()).map(|rule| rule.text.as_str())
    }

    /// Sets those aside.
    pub fn narrow(&mut self) {
        for rule in &mut self.rules {
            rule.set_aside = rule.is_broad();
        }
    }

    /// A hit when allow rules cover every part of the action that is not harmless by itself.
    #[must_use]
    pub fn allows(&self, action: &Action, facts: &ActionFacts, context: &Context) -> Option<Hit> {
        self.allowed_by(action, facts, context, |rule| !rule.set_aside)
    }

    /// The rule that was set aside and would allow the action.
    #[must_use]
    pub fn would_allow(
        &self,
        action: &Action,
        facts: &ActionFacts,
        context: &Context,
    ) -> Option<Hit> {
        if !self.rules.iter().any(|rule| rule.set_aside) {
            return None;
        }
        self.allowed_by(action, facts, context, |rule| rule.set_aside)
    }

    fn allowed_by(
        &self,
        action: &Action,
        facts: &ActionFacts,
        context: &Context,
        counts: impl Fn(&Rule) -> bool,
    ) -> Option<Hit> {
        let rules: Vec<&Rule> = self
            .rules
            .iter()
            .filter(|rule| rule.verdict == RuleVerdict::Allow && counts(rule))
            .collect();
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

    fn reach(&self) -> Reach {
        match self.verdict {
            RuleVerdict::Allow => Reach::Near,
            RuleVerdict::HardDeny | RuleVerdict::Deny | RuleVerdict::Ask => Reach::Far,
        }
    }

    fn is_broad(&self) -> bool {
        self.verdict == RuleVerdict::Allow && self.pattern.is_broad()
    }

    fn covers(&self, argv: &[String]) -> bool {
        match &self.pattern {
            Pattern::Bash(words) => words.covers(argv),
            Pattern::Path(..) | Pattern::Fetch(_) | Pattern::Tool(_) => false,
        }
    }

    fn hit(&self, action: &Action, facts: &ActionFacts, context: &Context) -> Option<Hit> {
        match &self.pattern {
            Pattern::Bash(words) => {
                let Action::Exec(exec) = action else { return None };
                // Also as it is written: a rule may hold the quotes that a shell takes away.
                let program = facts.programs.iter().find(|program| {
                    words.covers(&program.argv) || words.matches(program.span.trim())
                });
                if let Some(program) = program {
                    return Some(self.as_hit(&program.span));
                }
                let line: Vec<String> =
                    exec.command.split_whitespace().map(str::to_owned).collect();
                words.covers(&line).then(|| self.as_hit(&exec.command))
            }
            Pattern::Path(accesses, glob) => facts
                .paths
                .iter()
                .filter(|used| accesses.contains(&used.access))
                .find(|used| {
                    let meant = |glob: &pattern::PathPattern| {
                        glob.matches(&used.path, context, self.reach())
                    };
                    glob.as_ref().is_none_or(meant)
                })
                .map(|used| self.as_hit(&used.path)),
            Pattern::Fetch(domain) => facts
                .hosts
                .iter()
                .find(|host| domain.as_ref().is_none_or(|domain| host_matches(host, domain)))
                .map(|host| self.as_hit(host)),
            Pattern::Tool(name) => match action {
                Action::Tool { name: called, .. }
                    if wild::matches(name, called) || called.starts_with(&format!("{name}__")) =>
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

    /// A rule that matches these and not those, tried as its examples.
    fn holds(rule: &str, verdict: &str, matches: &[&str], not: &[&str]) {
        let list = |examples: &[&str]| {
            examples.iter().map(|example| format!("{example:?}")).collect::<Vec<_>>().join(", ")
        };
        let text = format!(
            "[[rule]]\nrule = {rule:?}\nverdict = '{verdict}'\nreason = 'x'\nmatch = [{}]\n\
             not_match = [{}]\n",
            list(matches),
            list(not)
        );
        if let Err(error) = load(&text) {
            panic!("{error}");
        }
    }

    #[test]
    fn commands_are_matched_as_documented() {
        for rule in ["Bash(npm run test:*)", "Bash(npm run test *)"] {
            let not = ["npm run tests", "npm run", "npm run test && rm -rf src"];
            holds(rule, "allow", &["npm run test", "npm run test -- -u", "npm run test a b"], &not);
        }
        holds("Bash(git * main)", "deny", &["git push origin main"], &["git push main -f"]);
        holds(
            "Bash(git push * main:*)",
            "deny",
            &["git push a main", "git push a main -f"],
            &["git push"],
        );
        holds("Bash(git commit -m \"wip\":*)", "deny", &["git commit -m \"wip\""], &["git commit"]);
        holds("Bash(echo [x]{y})", "allow", &["echo '[x]{y}'"], &["echo axb", "echo x"]);
        // What forbids finds it wherever it hides; what allows covers every part.
        let hidden = ["env A=b rm x", "ls && rm x", "echo $(rm x)", "sh -c 'rm x'", "/bin/rm x"];
        holds("Bash(rm:*)", "deny", &hidden, &["rmdir x", "echo rm"]);
        holds(
            "Bash(npm test)",
            "allow",
            &["npm test"],
            &["'npm test'", "npm test > /etc/x", "A=b ./npm test"],
        );
        holds("Bash", "deny", &["anything at all"], &[]);
    }

    #[test]
    fn paths_are_matched_as_documented() {
        let secret =
            ["secrets/a", "./secrets/b/c", "/workspace/x/../secrets/a", "SECRETS/a", "secrets"];
        holds("Read(./secrets/**)", "deny", &secret, &["a/secrets/b", "secrets.txt", "/secrets/a"]);
        holds("Edit(//srv/out/**)", "allow", &["/srv/out/a"], &["srv/out/a", "/srv/output/a"]);
        holds("Read(~/notes)", "deny", &["~/notes", "~/notes/a", "/home/user/notes/a"], &["notes"]);
        holds("Read(~)", "deny", &["~/a/b"], &["a"]);
        // A bare name is meant anywhere where it is forbidden, and in the workspace where allowed.
        holds("Read(.env)", "deny", &[".env", "a/.env", "/srv/.env"], &[".env.example"]);
        holds("Read(.env)", "allow", &[".env", "a/.env"], &["/srv/.env"]);
        holds("Write(*.lock)", "deny", &["Cargo.lock", "a/b.lock"], &["lock"]);
    }

    #[test]
    fn what_a_command_reads_is_held_to_rules_of_paths() {
        let rules = "[[rule]]\nrule = 'Read(./secrets/**)'\nverdict = 'deny'\nreason = 'x'\n";
        let (set, context) = (load(rules).unwrap(), Context::new("/w", "/home/u", "/w"));
        for (command, expect) in [
            ("cat secrets/a", true),
            ("cat s*/a", true),
            ("cat [rs]ecrets/a", true),
            ("ls secrets", true),
            ("grep -r x secrets", true),
            ("cd secrets && cat a", true),
            ("cat t*/a", false),
            ("cat src/secrets.rs", false),
        ] {
            let action = Action::Exec(gatepost_domain::action::Exec {
                command: command.to_owned(),
                cwd: "/w".to_owned(),
                env: std::collections::BTreeMap::new(),
            });
            let facts = ActionFacts::of(&action, &context);
            let hit = set.hit(RuleVerdict::Deny, &action, &facts, &context);
            assert_eq!(hit.is_some(), expect, "{command}");
        }
    }

    #[test]
    fn hosts_and_tools_are_matched_as_documented() {
        holds(
            "WebFetch(domain:*.a.tld)",
            "deny",
            &["https://x.a.tld/"],
            &["https://a.tld/", "https://xa.tld/"],
        );
        holds("mcp__git", "allow", &["mcp__git__push"], &["mcp__github__push", "mcp__g"]);
        holds("mcp__git__*", "allow", &["mcp__git__push"], &["mcp__gitx__push"]);
        holds("mcp__git__log", "allow", &["mcp__git__log"], &["mcp__git__push"]);
        holds("WebSearch", "allow", &["WebSearch"], &["WebFetch"]);
    }

    #[test]
    fn a_form_that_would_mean_something_else_is_refused() {
        for (rule, why) in [
            ("mcp__git(push)", "takes nothing in brackets"),
            ("WebSearch(domain:a)", "takes nothing in brackets"),
            ("Bash(git:* push)", "before its end"),
            ("WebFetch(docs.rs)", "needs a domain"),
            ("Bash(a", "closing bracket"),
            ("Read([)", "cannot be read"),
        ] {
            let text = format!("[[rule]]\nrule = {rule:?}\nverdict = 'deny'\nreason = 'x'\n");
            let error = load(&text).unwrap_err().to_string();
            assert!(error.contains(why) && error.starts_with("policy.toml:1:"), "{error}");
        }
    }

    #[test]
    fn allow_rules_that_let_anything_run_are_told_apart() {
        for (rule, broad) in [
            ("Bash", true),
            ("Bash(*)", true),
            ("Bash(:*)", true),
            ("Bash(python:*)", true),
            ("Bash(python3.12 *)", true),
            ("Bash(python*)", true),
            ("Bash(/usr/bin/bash -c:*)", true),
            ("Bash(node --test:*)", true),
            ("Bash(npm run:*)", true),
            ("Bash(npm:*)", true),
            ("Bash(npx *)", true),
            ("Bash(uv run *)", true),
            ("Bash(sudo:*)", true),
            ("Bash(npm run test:*)", false),
            ("Bash(npx prettier:*)", false),
            ("Bash(npm test)", false),
            ("Bash(python -m pytest:*)", false),
            ("Bash(python manage.py:*)", false),
            ("Bash(git:*)", false),
            ("Read", false),
        ] {
            let text = format!("[[rule]]\nrule = {rule:?}\nverdict = 'allow'\nreason = 'x'\n");
            assert_eq!(load(&text).unwrap().broad().count(), usize::from(broad), "{rule}");
            let forbids = text.replace("allow", "deny");
            assert_eq!(load(&forbids).unwrap().broad().count(), 0, "{rule}");
        }
    }
}
