//! Facts, rules and a mode to a judgement, in the gate's order: first match wins.

use std::sync::Arc;

use gatepost_domain::action::Action;
use gatepost_domain::mode::Mode;
use gatepost_domain::verdict::Clearance;
use gatepost_domain::verdict::Evidence;
use gatepost_domain::verdict::Judgement;
use gatepost_domain::verdict::Stage;
use gatepost_domain::verdict::Verdict;

use crate::facts::ActionFacts;
use crate::facts::Context;
use crate::facts::Finding;
use crate::facts::Kind;
use crate::rules::Hit;
use crate::rules::RuleError;
use crate::rules::RuleSet;
use crate::rules::RuleVerdict;
use crate::rules::Tier;

/// Facts that are shown with a judgement.
const MAX_EVIDENCE: usize = 6;

/// Gatepost's own rules.
const BUILT_IN: &str = include_str!("../rules/builtin.toml");

/// All that decides beside the action itself.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// Rules, the tier that outranks the others first; see [`Policy::new`].
    rules: Vec<RuleSet>,
}

impl Policy {
    /// These rules, and Gatepost's own after them.
    ///
    /// # Errors
    /// [`RuleError`] when Gatepost's own rules are wrong, which a test rules out.
    pub fn new(mut rules: Vec<RuleSet>) -> Result<Self, RuleError> {
        rules.push(RuleSet::load(Tier::BuiltIn, BUILT_IN, "builtin.toml")?);
        rules.sort_by_key(|set| set.tier);
        Ok(Self { rules })
    }

    /// Gatepost's own rules and nobody else's.
    ///
    /// # Errors
    /// As [`Policy::new`].
    pub fn built_in() -> Result<Self, RuleError> {
        Self::new(Vec::new())
    }

    /// The same without the allow rules that let anything run, for modes that decide without a
    /// person. What they would have allowed is said with the judgement.
    #[must_use]
    pub fn narrowed(self: &Arc<Self>) -> Arc<Self> {
        if self.rules.iter().all(|set| set.broad().next().is_none()) {
            return Arc::clone(self);
        }
        let mut narrowed = Self::clone(self);
        for set in &mut narrowed.rules {
            set.narrow();
        }
        Arc::new(narrowed)
    }

    /// The allow rules that [`Policy::narrowed`] sets aside.
    pub fn broad(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().flat_map(RuleSet::broad)
    }

    /// How many rules there are in all tiers.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.iter().map(RuleSet::len).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tiers that people wrote, and Gatepost's own.
    fn tiers(&self) -> (Vec<&RuleSet>, Vec<&RuleSet>) {
        self.rules.iter().partition(|set| match set.tier {
            Tier::Managed | Tier::User => true,
            Tier::BuiltIn => false,
        })
    }
}

/// Judges one action: finds its facts and evaluates them.
#[must_use]
pub fn evaluate(action: &Action, context: &Context, policy: &Policy, mode: Mode) -> Judgement {
    evaluate_facts(action, &ActionFacts::of(action, context), context, policy, mode)
}

/// Judges facts that were found before. Grants are the gate's business: they name a digest, which
/// is more than the policy knows.
#[must_use]
pub fn evaluate_facts(
    action: &Action,
    facts: &ActionFacts,
    context: &Context,
    policy: &Policy,
    mode: Mode,
) -> Judgement {
    let mut judgement = in_order(action, facts, context, policy, mode);
    if judgement.verdict != Verdict::Allow {
        let aside = policy.rules.iter().find_map(|set| set.would_allow(action, facts, context));
        judgement.evidence.extend(aside.map(|hit| Evidence {
            span: hit.span,
            fact: format!(
                "the rule `{}` would allow it; it allows too much for the mode `{mode}` and is set \
                 aside",
                hit.rule
            ),
        }));
    }
    match mode {
        Mode::Unattended => unattended(judgement),
        Mode::Plan | Mode::Manual | Mode::AcceptEdits | Mode::Auto | Mode::Bypass => judgement,
    }
}

fn in_order(
    action: &Action,
    facts: &ActionFacts,
    context: &Context,
    policy: &Policy,
    mode: Mode,
) -> Judgement {
    let kind = facts.kind();
    let top: Vec<&Finding> = facts.findings.iter().filter(|finding| finding.kind == kind).collect();

    // 1. Boundaries nobody clears.
    if kind == Kind::Hard {
        return judgement(Verdict::Deny, Clearance::Nobody, Stage::HardBoundary, &top);
    }
    let hit = |sets: &[&RuleSet], verdict| {
        sets.iter().find_map(|set| set.hit(verdict, action, facts, context))
    };
    let (people, own) = policy.tiers();
    if let Some(hit) =
        hit(&people, RuleVerdict::HardDeny).or_else(|| hit(&own, RuleVerdict::HardDeny))
    {
        return ruled(Verdict::Deny, Clearance::Nobody, Stage::HardBoundary, &hit, &top);
    }
    // 2. Rules that forbid, over every part of the action.
    if let Some(hit) = hit(&people, RuleVerdict::Deny) {
        return ruled(Verdict::Deny, Clearance::Person, Stage::DenyRule, &hit, &top);
    }
    // A mode that only looks refuses before anyone is asked.
    if mode == Mode::Plan && kind != Kind::Read {
        let mut judged = judgement(Verdict::Deny, Clearance::Nobody, Stage::Mode, &top);
        judged.rule = "plan".to_owned();
        judged.reason =
            format!("the mode is `plan`, in which nothing is changed or run: {}", judged.reason);
        return judged;
    }
    // What was not understood may hold more than the rules saw of it, so none of them allows it.
    if kind == Kind::NotUnderstood {
        return judgement(Verdict::Escalate, Clearance::Person, Stage::NotUnderstood, &top);
    }
    if let Some(hit) = hit(&people, RuleVerdict::Ask) {
        return ruled(Verdict::Escalate, Clearance::Person, Stage::AskRule, &hit, &top);
    }
    let allows = |sets: &[&RuleSet]| {
        let set = sets.iter().filter(|_| kind != Kind::Protected);
        set.filter_map(|set| set.allows(action, facts, context)).next()
    };
    if let Some(hit) = allows(&people) {
        return ruled(Verdict::Allow, Clearance::NotNeeded, Stage::AllowRule, &hit, &top);
    }
    if mode == Mode::Bypass {
        return by_kind(kind, mode, &top);
    }
    // Gatepost's own rules come last of all rules, so that people's outrank them.
    if let Some(hit) = hit(&own, RuleVerdict::Deny) {
        return ruled(Verdict::Deny, Clearance::Person, Stage::DenyRule, &hit, &top);
    }
    if let Some(hit) = hit(&own, RuleVerdict::Ask) {
        return ruled(Verdict::Escalate, Clearance::Person, Stage::AskRule, &hit, &top);
    }
    if let Some(hit) = allows(&own) {
        return ruled(Verdict::Allow, Clearance::NotNeeded, Stage::AllowRule, &hit, &top);
    }
    by_kind(kind, mode, &top)
}

/// Stages 3 to 5: what the facts alone decide in a mode.
fn by_kind(kind: Kind, mode: Mode, top: &[&Finding]) -> Judgement {
    let allow = |stage| judgement(Verdict::Allow, Clearance::NotNeeded, stage, top);
    let ask = |stage| judgement(Verdict::Escalate, Clearance::Person, stage, top);
    let by_mode = || {
        let mut judged = ask(Stage::Mode);
        judged.rule = mode.as_str().to_owned();
        judged.reason = format!("the mode is `{mode}`, in which this asks: {}", judged.reason);
        judged
    };
    match (kind, mode) {
        (Kind::Hard, _) => judgement(Verdict::Deny, Clearance::Nobody, Stage::HardBoundary, top),
        (Kind::NotUnderstood, _) => ask(Stage::NotUnderstood),
        (Kind::Read, _) => allow(Stage::ReadOnly),
        (_, Mode::Bypass) => {
            let mut judged = allow(Stage::Mode);
            judged.rule = mode.as_str().to_owned();
            judged.reason = format!("the mode is `{mode}`, in which this runs: {}", judged.reason);
            judged
        }
        (Kind::Edit, Mode::AcceptEdits | Mode::Auto | Mode::Unattended) => {
            allow(Stage::WorkspaceEdit)
        }
        (Kind::Contained, Mode::Auto | Mode::Unattended) => allow(Stage::Contained),
        (Kind::Edit | Kind::Contained, Mode::Plan | Mode::Manual | Mode::AcceptEdits) => by_mode(),
        (Kind::Protected, _) => ask(Stage::ProtectedPath),
        (Kind::Ask, _) => ask(Stage::AskRule),
        (Kind::Open, _) => ask(Stage::Open),
    }
}

/// Whether a classifier may weigh what this judgement asks: nobody's rule asks, and Gatepost's own
/// facts only say that they do not settle it. What was not understood is not left open: a model
/// that reads it may be fooled just as a person who skims it.
#[must_use]
pub fn left_open(
    judged: &Judgement,
    action: &Action,
    facts: &ActionFacts,
    context: &Context,
    policy: &Policy,
) -> bool {
    if judged.verdict != Verdict::Escalate || judged.clearance != Clearance::Person {
        return false;
    }
    match judged.stage {
        Stage::Open | Stage::ProtectedPath => true,
        // People who write a rule that asks want to be asked.
        Stage::AskRule => {
            let (people, _) = policy.tiers();
            !people.iter().any(|set| set.hit(RuleVerdict::Ask, action, facts, context).is_some())
        }
        Stage::HardBoundary
        | Stage::NotUnderstood
        | Stage::Mode
        | Stage::DenyRule
        | Stage::Grant
        | Stage::AllowRule
        | Stage::ReadOnly
        | Stage::WorkspaceEdit
        | Stage::Contained
        | Stage::Breaker
        | Stage::Classifier
        | Stage::Budget => false,
    }
}

/// Nobody is there to ask, so what would ask is refused.
#[must_use]
pub fn unattended(mut judged: Judgement) -> Judgement {
    match judged.verdict {
        Verdict::Allow | Verdict::Deny => {}
        Verdict::Escalate | Verdict::NoVerdict => {
            judged.verdict = Verdict::Deny;
            judged.reason =
                format!("it would need a person and the mode is `unattended`: {}", judged.reason);
        }
    }
    if judged.verdict == Verdict::Deny {
        judged.clearance = Clearance::Nobody;
    }
    judged
}

fn judgement(
    verdict: Verdict,
    clearance: Clearance,
    stage: Stage,
    findings: &[&Finding],
) -> Judgement {
    // Of mere reading, what is read says more than where it is done or how.
    let named = |finding: &&&Finding| finding.kind == Kind::Read && finding.program.is_some();
    let first = findings
        .iter()
        .filter(named)
        .find(|finding| finding.fact.starts_with("reads `"))
        .or_else(|| findings.iter().find(named))
        .or(findings.first());
    let fact = first.map_or("does nothing that is known", |finding| finding.fact.as_str());
    Judgement {
        verdict,
        clearance,
        stage,
        rule: first.map_or("nothing", |finding| finding.rule.as_str()).to_owned(),
        reason: format!("it {fact}"),
        effect: if verdict == Verdict::Allow { String::new() } else { effect(findings) },
        evidence: findings
            .iter()
            .take(MAX_EVIDENCE)
            .map(|finding| Evidence { span: finding.span.clone(), fact: finding.fact.clone() })
            .collect(),
    }
}

fn ruled(
    verdict: Verdict,
    clearance: Clearance,
    stage: Stage,
    hit: &Hit,
    findings: &[&Finding],
) -> Judgement {
    let matched =
        Evidence { span: hit.span.clone(), fact: format!("the rule `{}` matches", hit.rule) };
    let known = findings.iter().filter(|finding| finding.kind > Kind::Read);
    let facts = known
        .take(MAX_EVIDENCE - 1)
        .map(|finding| Evidence { span: finding.span.clone(), fact: finding.fact.clone() });
    Judgement {
        verdict,
        clearance,
        stage,
        rule: hit.rule.clone(),
        reason: hit.reason.clone(),
        effect: if verdict == Verdict::Allow { String::new() } else { effect(findings) },
        evidence: std::iter::once(matched).chain(facts).collect(),
    }
}

/// One sentence for a person: what will happen.
fn effect(findings: &[&Finding]) -> String {
    let mut facts: Vec<&str> = Vec::new();
    for finding in findings {
        if !facts.contains(&finding.fact.as_str()) {
            facts.push(&finding.fact);
        }
    }
    let shown: Vec<&str> = facts.iter().take(3).copied().collect();
    let more = if facts.len() > 3 {
        format!(", and {} more things", facts.len() - 3)
    } else {
        String::new()
    };
    format!("If it runs, it {}{more}.", shown.join(", it "))
}
