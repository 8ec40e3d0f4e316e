//! The policy in words: Gatepost's own lists, and the configuration's in their place.

use serde::Deserialize;
use serde::Serialize;

/// The entry that stands for Gatepost's own list.
const DEFAULTS_HERE: &str = "$defaults";

/// Gatepost's own lists as they are written.
pub const DEFAULTS: &str = include_str!("../../rules/prose.toml");

/// So many entries a list may have. More than a model follows are worse than none.
const MAX_ENTRIES: usize = 200;

/// So many characters an entry may have.
const MAX_ENTRY: usize = 2000;

/// The lists as somebody wrote them. `"$defaults"` in one stands for Gatepost's own list; a list
/// without it takes that one's place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lists {
    /// What the classifier should know of where it judges.
    pub environment: Vec<String>,
    /// What is fine though a rule may seem to forbid it.
    pub allow: Vec<String>,
    /// What needs the person's own word.
    pub soft_deny: Vec<String>,
    /// What nobody's word clears.
    pub hard_deny: Vec<String>,
}

/// One rule in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name, which a verdict must use.
    pub name: String,
    /// What it says.
    pub text: String,
    /// What the person must have named before it lets something pass.
    pub must_name: Option<String>,
    /// Whether it is of whoever runs the machine, and outranks what users write.
    pub managed: bool,
}

/// The lists as the classifier is given them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prose {
    /// See [`Lists::environment`].
    pub environment: Vec<Rule>,
    /// See [`Lists::allow`].
    pub allow: Vec<Rule>,
    /// See [`Lists::soft_deny`].
    pub soft_deny: Vec<Rule>,
    /// See [`Lists::hard_deny`].
    pub hard_deny: Vec<Rule>,
}

/// Lists that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProseError {
    /// Too many entries.
    #[error("`{list}` has more than {MAX_ENTRIES} entries; a model follows fewer")]
    TooMany {
        /// Which list.
        list: &'static str,
    },
    /// An entry is empty or too long.
    #[error("entry {number} of `{list}` must have 1 to {MAX_ENTRY} characters")]
    Length {
        /// Which list.
        list: &'static str,
        /// Which entry, from 1.
        number: usize,
    },
    /// Two rules have the same name.
    #[error("two rules are named `{name}`; a verdict must tell them apart")]
    Twice {
        /// The name.
        name: String,
    },
    /// Gatepost's own lists are wrong, which a test rules out.
    #[error("gatepost's own lists cannot be read: {0}")]
    Own(String),
}

impl Default for Lists {
    fn default() -> Self {
        let whole = || vec![DEFAULTS_HERE.to_owned()];
        Self { environment: whole(), allow: whole(), soft_deny: whole(), hard_deny: whole() }
    }
}

impl Prose {
    /// The lists with Gatepost's own in the places that stand for them.
    ///
    /// # Errors
    /// [`ProseError`] says which list and what to change.
    pub fn new(lists: &Lists) -> Result<Self, ProseError> {
        let own: Lists = toml::from_str(DEFAULTS).map_err(|e| ProseError::Own(e.to_string()))?;
        let prose = Self {
            environment: spliced("environment", &lists.environment, &own.environment)?,
            allow: spliced("allow", &lists.allow, &own.allow)?,
            soft_deny: spliced("soft_deny", &lists.soft_deny, &own.soft_deny)?,
            hard_deny: spliced("hard_deny", &lists.hard_deny, &own.hard_deny)?,
        };
        prose.told_apart()
    }

    /// The same with the lists of whoever runs the machine before the user's. A rule of theirs takes
    /// the place of any other of its name, in whichever list that stands.
    ///
    /// # Errors
    /// As [`Prose::new`].
    pub fn managed(self, lists: &Lists) -> Result<Self, ProseError> {
        let read = |list: &'static str, written: &[String]| {
            let rules = spliced(list, written, &[])?.into_iter();
            Ok(rules.map(|rule| Rule { managed: true, ..rule }).collect::<Vec<_>>())
        };
        let mut merged = Self {
            environment: read("environment", &lists.environment)?,
            allow: read("allow", &lists.allow)?,
            soft_deny: read("soft_deny", &lists.soft_deny)?,
            hard_deny: read("hard_deny", &lists.hard_deny)?,
        };
        let taken: Vec<String> = merged.rules().map(|rule| rule.name.clone()).collect();
        let free = |rule: &Rule| !taken.contains(&rule.name);
        merged.environment.extend(self.environment);
        merged.allow.extend(self.allow.into_iter().filter(free));
        merged.soft_deny.extend(self.soft_deny.into_iter().filter(free));
        merged.hard_deny.extend(self.hard_deny.into_iter().filter(free));
        merged.told_apart()
    }

    fn told_apart(self) -> Result<Self, ProseError> {
        let mut names: Vec<&str> = self.rules().map(|rule| rule.name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair.first() == pair.last()) {
            Some([name, _]) => Err(ProseError::Twice { name: name.chars().take(80).collect() }),
            Some(_) | None => Ok(self),
        }
    }

    /// Every rule that a verdict may name.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.hard_deny.iter().chain(&self.soft_deny).chain(&self.allow)
    }

    /// The lists as they would be written without `$defaults`.
    #[must_use]
    pub fn written(&self) -> Lists {
        let written = |rules: &[Rule]| rules.iter().map(Rule::written).collect();
        Lists {
            environment: written(&self.environment),
            allow: written(&self.allow),
            soft_deny: written(&self.soft_deny),
            hard_deny: written(&self.hard_deny),
        }
    }
}

impl Rule {
    /// One line of it, as it is written in a configuration.
    #[must_use]
    pub fn written(&self) -> String {
        match &self.must_name {
            Some(what) => format!("{}: {} [must name: {what}]", self.name, self.text),
            None => format!("{}: {}", self.name, self.text),
        }
    }

    /// Reads `name: text [must name: what]`; an entry without a name gets one from its place.
    fn read(list: &'static str, number: usize, entry: &str) -> Self {
        let is_name = |name: &&str| {
            (2..=40).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let (name, text) = match entry.split_once(':').filter(|(name, _)| is_name(name)) {
            Some((name, text)) => (name.to_owned(), text.trim()),
            None => (format!("{}-{number}", list.replace('_', "-")), entry),
        };
        let (text, must_name) =
            match text.strip_suffix(']').and_then(|t| t.split_once("[must name:")) {
                Some((text, what)) => (text.trim(), Some(what.trim().to_owned())),
                None => (text, None),
            };
        let must_name = must_name.filter(|what| !what.is_empty());
        Self { name, text: text.to_owned(), must_name, managed: false }
    }
}

fn spliced(
    list: &'static str,
    written: &[String],
    own: &[String],
) -> Result<Vec<Rule>, ProseError> {
    let mut rules = Vec::new();
    for (i, entry) in written.iter().enumerate() {
        let entry = entry.trim();
        if entry == DEFAULTS_HERE {
            rules.extend(own.iter().enumerate().map(|(i, entry)| Rule::read(list, i + 1, entry)));
            continue;
        }
        if entry.is_empty() || entry.chars().count() > MAX_ENTRY {
            return Err(ProseError::Length { list, number: i + 1 });
        }
        rules.push(Rule::read(list, i + 1, entry));
    }
    if rules.len() > MAX_ENTRIES {
        return Err(ProseError::TooMany { list });
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managed_lists_come_first_and_yield_to_no_name_of_the_users() {
        let none = || Lists {
            environment: Vec::new(),
            allow: Vec::new(),
            soft_deny: Vec::new(),
            hard_deny: Vec::new(),
        };
        let users = Lists { allow: vec!["deploys: they are fine".into()], ..none() };
        let theirs = Lists { hard_deny: vec!["deploys: nobody deploys".into()], ..none() };
        let prose = Prose::new(&users).unwrap().managed(&theirs).unwrap();
        assert!(prose.allow.is_empty(), "{:?}", prose.allow);
        assert!(prose.hard_deny.iter().all(|rule| rule.managed && rule.name == "deploys"));
        // Gatepost's own list can be left out by the user, and theirs cannot.
        let prose = Prose::new(&none()).unwrap().managed(&theirs).unwrap();
        assert_eq!(prose.rules().count(), 1);
        let splices = Lists { allow: vec!["$defaults".into()], ..none() };
        assert!(Prose::new(&none()).unwrap().managed(&splices).unwrap().allow.is_empty());
    }

    #[test]
    fn gateposts_own_lists_name_every_rule_and_every_soft_rules_item() {
        let prose = Prose::new(&Lists::default()).unwrap();
        for rule in prose.rules() {
            assert!(!rule.name.contains("deny-"), "{rule:?} has no name of its own");
        }
        assert!(prose.soft_deny.iter().all(|rule| rule.must_name.is_some()));
        assert!(prose.hard_deny.iter().all(|rule| rule.must_name.is_none()));
        assert!(prose.soft_deny.len() > 20, "{}", prose.soft_deny.len());
    }

    #[test]
    fn defaults_are_spliced_where_they_stand_and_replaced_where_they_do_not() {
        let lists = Lists {
            allow: vec!["ours: first".into(), "$defaults".into()],
            soft_deny: vec!["no deploys on Fridays".into()],
            ..Lists::default()
        };
        let own = Prose::new(&Lists::default()).unwrap();
        let prose = Prose::new(&lists).unwrap();
        assert_eq!(prose.allow.len(), own.allow.len() + 1);
        assert_eq!(prose.allow.first().unwrap().name, "ours");
        let written = prose.soft_deny.iter().map(Rule::written).collect::<Vec<_>>();
        assert_eq!(written, ["soft-deny-1: no deploys on Fridays"]);
        assert_eq!(
            Prose::new(&prose.written()).unwrap(),
            prose,
            "written lists read back the same"
        );
    }

    #[test]
    fn lists_that_cannot_be_used_are_refused_with_the_place() {
        let with = |hard_deny: Vec<String>| {
            Prose::new(&Lists { hard_deny, ..Lists::default() }).unwrap_err().to_string()
        };
        assert!(with(vec!["$defaults".into(), "  ".into()]).contains("entry 2 of `hard_deny`"));
        assert!(with(vec!["x".repeat(MAX_ENTRY + 1)]).contains("entry 1"));
        assert!(with(vec!["push: never".into()]).contains("`push"));
        assert!(
            with((0..=MAX_ENTRIES).map(|i| format!("r-{i}: x")).collect()).contains("more than")
        );
    }
}
