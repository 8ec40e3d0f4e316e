//! What the gate says about an action, and on what grounds.

use std::fmt;

use serde::Deserialize;
use serde::Serialize;

/// What the gate says. The order is the order of care: of several verdicts the greatest holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Run it.
    Allow,
    /// Ask a person.
    Escalate,
    /// A judge could not answer; a person is asked and told so. Never counted as a denial.
    NoVerdict,
    /// Refuse it and tell the agent why.
    Deny,
}

/// Who can clear what is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clearance {
    /// It is allowed; nobody needs to.
    NotNeeded,
    /// An approver.
    Person,
    /// Nobody: a hard boundary, or a mode in which nobody is asked.
    Nobody,
}

/// Where in the gate's order the verdict fell; first match wins, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// A boundary that no rule, mode, grant or person clears.
    HardBoundary,
    /// The action could not be understood, so nothing else about it can be trusted.
    NotUnderstood,
    /// The mode alone settles this kind of action.
    Mode,
    /// A `deny` rule.
    DenyRule,
    /// An `ask` rule.
    AskRule,
    /// A lasting permission from a person.
    Grant,
    /// An `allow` rule.
    AllowRule,
    /// A file that makes something run later.
    ProtectedPath,
    /// It only reads.
    ReadOnly,
    /// It edits ordinary files of the workspace.
    WorkspaceEdit,
    /// The sandbox contains it and it goes away with the workspace.
    Contained,
    /// A language-model classifier.
    Classifier,
    /// The agent was refused so often that a person is asked instead of the next refusal.
    Breaker,
    /// No stage had an answer.
    Open,
    /// No stage of the gate: what may be spent on models is spent.
    Budget,
}

/// One fact a verdict rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The very words of the action it speaks of, or the agent's name.
    pub span: String,
    /// What Gatepost found out about them.
    pub fact: String,
}

/// A verdict with its grounds; all of it reaches the agent, the person and the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// What the gate says.
    pub verdict: Verdict,
    /// Who can clear it.
    pub clearance: Clearance,
    /// Where it fell.
    pub stage: Stage,
    /// The rule's name.
    pub rule: String,
    /// One sentence: why.
    pub reason: String,
    /// One sentence for a person who is asked: what will happen, to what.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub effect: String,
    /// The facts it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

/// Who or what settled an action, for the counts of the summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A rule, a mode, a boundary or a grant.
    Rule,
    /// The sandbox contains it.
    Sandbox,
    /// A classifier.
    Classifier,
    /// A person.
    Person,
    /// Nobody answered in time.
    Timeout,
}

impl Verdict {
    /// The word in the journal and in `gatepost review`'s own extended form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Escalate => "escalate",
            Self::NoVerdict => "no-verdict",
            Self::Deny => "deny",
        }
    }
}

impl Stage {
    /// The name in the journal and in `gatepost review`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HardBoundary => "hard-boundary",
            Self::NotUnderstood => "not-understood",
            Self::Mode => "mode",
            Self::DenyRule => "deny-rule",
            Self::AskRule => "ask-rule",
            Self::Grant => "grant",
            Self::AllowRule => "allow-rule",
            Self::ProtectedPath => "protected-path",
            Self::ReadOnly => "read-only",
            Self::WorkspaceEdit => "workspace-edit",
            Self::Contained => "contained",
            Self::Classifier => "classifier",
            Self::Breaker => "breaker",
            Self::Open => "open",
            Self::Budget => "budget",
        }
    }

    /// Which column of the summary a verdict of this stage counts in.
    #[must_use]
    pub fn source(self) -> Source {
        match self {
            Self::HardBoundary
            | Self::NotUnderstood
            | Self::Mode
            | Self::DenyRule
            | Self::AskRule
            | Self::Grant
            | Self::AllowRule
            | Self::ProtectedPath
            | Self::ReadOnly
            | Self::WorkspaceEdit
            | Self::Breaker
            | Self::Open
            | Self::Budget => Source::Rule,
            Self::Contained => Source::Sandbox,
            Self::Classifier => Source::Classifier,
        }
    }
}

impl Source {
    /// The column's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Sandbox => "sandbox",
            Self::Classifier => "classifier",
            Self::Person => "person",
            Self::Timeout => "timeout",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_verdicts_the_most_careful_holds() {
        assert_eq!([Verdict::Allow, Verdict::Escalate].into_iter().max(), Some(Verdict::Escalate));
        assert_eq!([Verdict::Deny, Verdict::NoVerdict].into_iter().max(), Some(Verdict::Deny));
    }

    #[test]
    fn names_on_the_wire_are_the_names_in_code() {
        for verdict in [Verdict::Allow, Verdict::Escalate, Verdict::NoVerdict, Verdict::Deny] {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.as_str());
        }
    }
}
