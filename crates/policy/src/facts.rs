//! What an action does, as facts: the programs, paths, hosts and later triggers it names.

use std::collections::BTreeMap;

use gatepost_domain::action::Action;

use crate::paths;
use crate::paths::PathClass;
use crate::written::Content;
use crate::written::Written;

/// Where an action is judged from. Gatepost establishes it; the agent has no say in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    /// The root of the task's workspace, absolute.
    pub workspace: String,
    /// The home directory the agent would see, absolute.
    pub home: String,
    /// The working directory of actions that carry none of their own.
    pub cwd: String,
    /// Gatepost's own data directory and settings, absolute.
    pub gate_paths: Vec<String>,
    /// The hosts the sandbox lets actions reach, as they are configured: `docs.rs`,
    /// `*.example.com`, `example.com:8443`, `127.0.0.1:9000`. Everything else is out of reach
    /// whatever is decided here.
    pub hosts: Vec<String>,
    /// The files that the task wrote so far.
    pub written: Written,
}

/// How much care one fact asks for. The order is the order of care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// It only reads what may be read.
    Read,
    /// It writes ordinary files of the workspace.
    Edit,
    /// It runs code that the sandbox contains.
    Contained,
    /// Nothing is known about it.
    Open,
    /// It does what a person decides.
    Ask,
    /// It touches a file that makes something run later.
    Protected,
    /// Its effect cannot be told from its text.
    NotUnderstood,
    /// Nobody clears it.
    Hard,
}

/// One fact with the rule it falls under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Finding {
    /// How much care it asks for.
    pub kind: Kind,
    /// The rule's name.
    pub rule: String,
    /// The words it speaks of.
    pub span: String,
    /// What they do, as the end of a sentence that begins with "it".
    pub fact: String,
    /// Which program of [`ActionFacts::programs`] it belongs to.
    pub program: Option<usize>,
}

/// What is done with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Its content is read.
    Read,
    /// It is written or made.
    Write,
    /// It is deleted.
    Delete,
    /// It is run.
    Run,
}

/// A path and what is done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathUse {
    /// Absolute where that is known, else as written.
    pub path: String,
    /// What is done with it.
    pub access: Access,
    /// Where it lies.
    pub class: PathClass,
}

/// One program that runs, with its words after expansion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The words; what is not known before it runs stands as `?`.
    pub argv: Vec<String>,
    /// The words as they stand in the action.
    pub span: String,
}

/// Everything found out about one action.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActionFacts {
    /// Every program that runs, wherever it hides.
    pub programs: Vec<Program>,
    /// Every path it touches.
    pub paths: Vec<PathUse>,
    /// Every host it talks to.
    pub hosts: Vec<String>,
    /// The files it writes, by absolute path, with what they hold afterwards where that is told.
    pub written: BTreeMap<String, Content>,
    /// What all that means, one fact each.
    pub findings: Vec<Finding>,
}

impl Context {
    /// A context in which Gatepost has no files of its own near the workspace.
    #[must_use]
    pub fn new(workspace: &str, home: &str, cwd: &str) -> Self {
        Self {
            workspace: trimmed(workspace),
            home: trimmed(home),
            cwd: trimmed(cwd),
            gate_paths: Vec::new(),
            hosts: Vec::new(),
            written: Written::default(),
        }
    }
}

impl ActionFacts {
    /// Finds out what an action does.
    #[must_use]
    pub fn of(action: &Action, context: &Context) -> Self {
        crate::walk::facts_of(action, context)
    }

    /// The most careful kind of all facts; reading when there are none.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.findings.iter().map(|finding| finding.kind).max().unwrap_or(Kind::Read)
    }
}

/// The files in the workspace that an action runs, and those it may send to another machine; an
/// approval binds their bytes.
#[must_use]
pub fn bound_paths(facts: &ActionFacts, context: &Context) -> Vec<String> {
    let remote = facts.findings.iter().any(|finding| finding.rule.starts_with("network"));
    let mut paths: Vec<String> = facts
        .paths
        .iter()
        .filter(|used| match used.access {
            Access::Run => true,
            Access::Read => remote,
            Access::Write | Access::Delete => false,
        })
        .filter(|used| {
            used.class == PathClass::Temp
                || paths::below(&used.path, &context.workspace) && used.path != context.workspace
        })
        // A name that is not known before it runs cannot be bound.
        .filter(|used| !used.path.contains(['?', '*']))
        .map(|used| used.path.clone())
        .collect();
    paths.sort();
    paths.dedup();
    paths
}

fn trimmed(path: &str) -> String {
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { "/".to_owned() } else { trimmed.to_owned() }
}
