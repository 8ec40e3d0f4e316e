//! One run's gate: policy, then grants, then the classifier, then the circuit breaker.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;

use gatepost_domain::action::Action;
use gatepost_domain::action::ActionDigest;
use gatepost_domain::action::BoundFile;
use gatepost_domain::boundary::Boundary;
use gatepost_domain::boundary::Effect;
use gatepost_domain::deed::Deed;
use gatepost_domain::mode::Mode;
use gatepost_domain::verdict::Clearance;
use gatepost_domain::verdict::Evidence;
use gatepost_domain::verdict::Judgement;
use gatepost_domain::verdict::Stage;
use gatepost_domain::verdict::Verdict;
use gatepost_policy::ActionFacts;
use gatepost_policy::Context;
use gatepost_policy::Policy;
use gatepost_policy::bound_paths;
use gatepost_policy::evaluate_facts;
use gatepost_policy::left_open;
use gatepost_policy::unattended;

use crate::bounds;
use crate::breaker::Breaker;
use crate::classifier::Dossier;
use crate::classifier::NoVerdict;
use crate::classifier::Opinion;
use crate::classifier::Prose;
use crate::classifier::Question;
use crate::classifier::Ruling;
use crate::classifier::Saying;
use crate::review::Review;
use crate::suspicion;
use crate::suspicion::Suspicion;
use crate::switch::AutoSwitch;
use crate::switch::BypassSwitch;

/// The rule of a judgement that the switch made one.
const AUTO_OFF: &str = "disable-auto";

/// The rule of a judgement that a person's own words made one.
const BOUNDARY: &str = "boundary";

/// One run's gate.
#[derive(Debug, Clone)]
pub struct Gate {
    policy: Arc<Policy>,
    mode: Mode,
    context: Context,
    breaker: Breaker,
    classifier: Option<Weighing>,
    switch: AutoSwitch,
    bypass: BypassSwitch,
    /// What people forbade in words and have not lifted.
    boundaries: Vec<Boundary>,
    suspicion: Suspicion,
    /// Counts their changes.
    bound: u64,
    /// Counts what makes earlier opinions worthless.
    told: u64,
}

/// What kept actions back when one was cleared. Under other restrictions it is looked at anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restrictions {
    bound: u64,
    suspect: bool,
    auto_off: bool,
    bypass_off: bool,
}

/// What an opinion was formed under. Another one, and the opinion is worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Basis {
    told: u64,
    auto_off: bool,
}

/// What is kept for the classifier.
#[derive(Debug, Clone)]
struct Weighing {
    prose: Arc<Prose>,
    dossier: Arc<Dossier>,
    nobody_there: NobodyThere,
    /// Opinions on exact actions, until somebody says something or something new is read. The
    /// policy is the same for as long as the gate lives.
    known: BTreeMap<ActionDigest, Known>,
}

/// An opinion with the facts it was formed on; with others it is none.
#[derive(Debug, Clone)]
struct Known {
    opinion: Opinion,
    facts: Vec<(String, String)>,
}

/// What becomes of a question in a task that runs unattended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NobodyThere {
    /// It is refused.
    #[default]
    Deny,
    /// It waits for a person after all.
    Ask,
}

/// What came of a look at an action.
#[derive(Debug)]
pub enum Looked {
    /// It is judged.
    Judged(Box<Review>),
    /// The rules leave it open; [`Gate::settle`] takes the classifier's word.
    Open(Box<Open>),
}

/// An action that the rules leave open.
#[derive(Debug)]
pub struct Open {
    review: Review,
    question: Question,
    basis: Basis,
}

impl Open {
    /// What the classifier is asked.
    #[must_use]
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// The name of exactly this action with exactly these bytes.
    #[must_use]
    pub fn digest(&self) -> &ActionDigest {
        self.review.digest()
    }
}

impl Gate {
    /// A gate whose breaker has counted nothing yet.
    #[must_use]
    pub fn new(policy: Arc<Policy>, mode: Mode, context: Context) -> Self {
        let (breaker, switch) = (Breaker::default(), AutoSwitch::default());
        let (policy, bypass) = (in_mode(policy, mode), BypassSwitch::default());
        Self {
            policy,
            mode,
            context,
            breaker,
            classifier: None,
            switch,
            bypass,
            boundaries: Vec::new(),
            suspicion: Suspicion::default(),
            bound: 0,
            told: 0,
        }
    }

    /// The same gate under the switch of whoever runs the machine.
    #[must_use]
    pub fn with_switch(self, switch: AutoSwitch) -> Self {
        Self { switch, ..self }
    }

    /// The same gate, which may bypass where and as long as that is allowed.
    #[must_use]
    pub fn with_bypass(self, bypass: BypassSwitch) -> Self {
        Self { bypass, ..self }
    }

    /// Judges by these rules from now on. What was cleared or thought under others is void.
    pub fn rule_by(&mut self, policy: Arc<Policy>) {
        self.policy = in_mode(policy, self.mode);
        self.bound += 1;
        self.told += 1;
        if let Some(weighing) = &mut self.classifier {
            weighing.known.clear();
        }
    }

    /// The same gate with a classifier for what the rules leave open. It is used in the modes that
    /// decide without a person, `auto` and `unattended`.
    #[must_use]
    pub fn with_classifier(
        mut self,
        prose: Arc<Prose>,
        dossier: Dossier,
        nobody_there: NobodyThere,
    ) -> Self {
        if matches!(self.mode, Mode::Auto | Mode::Unattended) {
            let (dossier, known) = (Arc::new(dossier), BTreeMap::new());
            self.classifier = Some(Weighing { prose, dossier, nobody_there, known });
        }
        self
    }

    /// What keeps actions back now, beside rules and mode.
    #[must_use]
    pub fn restrictions(&self) -> Restrictions {
        Restrictions {
            bound: self.bound,
            suspect: self.suspicion.is_raised(),
            auto_off: self.switch.is_off(),
            bypass_off: !self.bypass.is_allowed(),
        }
    }

    /// Whether this boundary holds already.
    #[must_use]
    pub fn is_bound_by(&self, boundary: &Boundary) -> bool {
        self.boundaries.contains(boundary)
    }

    /// Holds to these boundaries from now on. Opinions that were formed under others are void.
    pub fn bind(&mut self, boundaries: Vec<Boundary>) {
        if self.boundaries != boundaries {
            self.boundaries = boundaries;
            self.bound += 1;
            self.told += 1;
            if let Some(weighing) = &mut self.classifier {
                weighing.known.clear();
            }
        }
    }

    /// Files in the workspace whose bytes the digest must bind (absolute paths).
    #[must_use]
    pub fn bound_paths(&self, action: &Action) -> Vec<String> {
        bound_paths(&ActionFacts::of(action, &self.context), &self.context)
    }

    /// Somebody said something: the classifier hears it, and every earlier opinion is void, since
    /// it was formed without it.
    pub fn heard(&mut self, saying: Saying) {
        self.told += 1;
        if let Some(weighing) = &mut self.classifier {
            Arc::make_mut(&mut weighing.dossier).sayings.push(saying);
            weighing.known.clear();
        }
    }

    /// The agent has read, or is about to read, what may be there to steer it: what it does from now
    /// on is looked at more closely, and every earlier opinion is void.
    pub fn suspect(&mut self) {
        self.suspicion.raise();
        self.told += 1;
        if let Some(weighing) = &mut self.classifier {
            weighing.known.clear();
        }
    }

    /// Whether a classifier is asked about what the rules leave open.
    #[must_use]
    pub fn weighs(&self) -> bool {
        self.classifier.is_some() && !self.switch.is_off()
    }

    /// What Gatepost has found out by itself, by name, in the place of what it knew before.
    pub fn learn(&mut self, facts: Vec<(String, String)>) {
        if let Some(weighing) = &mut self.classifier
            && weighing.dossier.facts != facts
        {
            Arc::make_mut(&mut weighing.dossier).facts = facts;
        }
    }

    /// An action was not carried out, and why, in Gatepost's words.
    pub fn refused(&mut self, action: &Action, outcome: &str) {
        if let Some(weighing) = &mut self.classifier {
            let deed = Deed::new(action.tool(), action.subject(), outcome);
            Arc::make_mut(&mut weighing.dossier).deeds.push(deed);
        }
    }

    /// What a file holds now, which an action is about to run. Of files that the task wrote it is
    /// remembered, so that they are judged by their very bytes.
    pub fn read_back(&mut self, path: &str, text: &str) {
        self.context.written.tell(path, text);
    }

    /// Remembers what an action that ran has written, and what became of it, for the classifier's
    /// view of the task.
    pub fn done(&mut self, action: &Action, outcome: &str) {
        // A judge that broke down over it was no allow, and knows nothing of what it wrote.
        if let Ok(facts) = catch_unwind(AssertUnwindSafe(|| ActionFacts::of(action, &self.context)))
        {
            self.context.written.note(&facts);
        }
        let Some(weighing) = &mut self.classifier else { return };
        // What was fetched, or answered by another program, may steer the agent from now on; and
        // where the sandbox reaches the network, any command may have brought something in.
        let new = match action {
            Action::Fetch { .. } | Action::Tool { .. } => true,
            Action::Exec(_) | Action::Python { .. } => !self.context.hosts.is_empty(),
            Action::Read { .. } | Action::Write { .. } | Action::Edit { .. } | Action::Raise(_) => {
                false
            }
        };
        if new {
            weighing.known.clear();
        }
        let deed = Deed::new(action.tool(), action.subject(), outcome);
        Arc::make_mut(&mut weighing.dossier).deeds.push(deed);
    }

    /// Judges the action by rules alone. `grants`: digests approved for the whole task.
    #[must_use]
    pub fn review(
        &mut self,
        action: Action,
        bound: Vec<BoundFile>,
        grants: &[ActionDigest],
    ) -> Review {
        let (digest, judged) =
            self.by_rules(&action, &bound, grants, self.basis().auto_off, |_| ());
        let judged = self.attended(judged);
        self.counted(Review::new(action, digest, bound, judged))
    }

    /// Judges the action, or says what the classifier must be asked first.
    #[must_use]
    pub fn look(
        &mut self,
        action: Action,
        bound: Vec<BoundFile>,
        grants: &[ActionDigest],
    ) -> Looked {
        let basis = self.basis();
        let Some(weighing) = self.classifier.as_ref().filter(|_| !basis.auto_off) else {
            return Looked::Judged(Box::new(self.review(action, bound, grants)));
        };
        // Whether somebody is there matters only after the classifier has had its say.
        let mut left = None;
        let (digest, judged) = self.by_rules(&action, &bound, grants, false, |facts| {
            left = Some(facts);
        });
        let left = left.filter(|_| judged.rule != BOUNDARY);
        let left = left.filter(|facts| {
            judged.rule == suspicion::RULE && judged.verdict == Verdict::Escalate
                || left_open(&judged, &action, facts, &self.context, &self.policy)
        });
        let Some(facts) = left else {
            let judged = self.attended(judged);
            return Looked::Judged(Box::new(
                self.counted(Review::new(action, digest, bound, judged)),
            ));
        };
        let known = weighing.known.get(&digest);
        let known = known.filter(|known| known.facts == weighing.dossier.facts).cloned();
        let question = Question {
            prose: Arc::clone(&weighing.prose),
            dossier: Arc::clone(&weighing.dossier),
            action: action.clone(),
            facts,
            left_open: judged.reason.clone(),
        };
        let open = Open { review: Review::new(action, digest, bound, judged), question, basis };
        match known {
            Some(known) => Looked::Judged(Box::new(self.weigh(open, Ok(known.opinion)))),
            None => Looked::Open(Box::new(open)),
        }
    }

    /// Takes the classifier's word on what was left open, or that it has none. A word that was
    /// formed before somebody spoke or before auto mode was turned off is worth nothing: the action
    /// is looked at anew.
    #[must_use]
    pub fn settle(
        &mut self,
        open: Open,
        word: Result<Opinion, NoVerdict>,
        grants: &[ActionDigest],
    ) -> Looked {
        if open.basis == self.basis() {
            return Looked::Judged(Box::new(self.weigh(open, word)));
        }
        let (action, bound) = open.review.into_parts();
        self.look(action, bound, grants)
    }

    fn basis(&self) -> Basis {
        Basis { told: self.told, auto_off: self.switch.is_off() }
    }

    fn weigh(&mut self, open: Open, word: Result<Opinion, NoVerdict>) -> Review {
        let Open { review, question, basis: _ } = open;
        let judged = match word {
            Ok(opinion) => {
                // Something was done meanwhile: the opinion is used once and not kept.
                if let Some(weighing) = &mut self.classifier
                    && Arc::ptr_eq(&weighing.dossier, &question.dossier)
                    && opinion.ruling != Ruling::Escalate
                {
                    let facts = question.dossier.facts.clone();
                    let known = Known { opinion: opinion.clone(), facts };
                    weighing.known.insert(review.digest().clone(), known);
                }
                weighed(review.judgement().clone(), opinion)
            }
            Err(none) => unanswered(review.judgement().clone(), &none),
        };
        let judged = self.attended(judged);
        self.counted(review.judged(judged))
    }

    /// What the rules say, not asking whether somebody is there; what they found goes to `found`.
    fn by_rules(
        &self,
        action: &Action,
        bound: &[BoundFile],
        grants: &[ActionDigest],
        auto_off: bool,
        found: impl FnOnce(ActionFacts),
    ) -> (ActionDigest, Judgement) {
        let digest = action.digest(bound);
        let mode = match self.mode {
            Mode::Auto | Mode::Unattended if auto_off => Mode::AcceptEdits,
            Mode::Auto | Mode::Unattended => Mode::Auto,
            Mode::Bypass if self.bypass.is_allowed() => Mode::Bypass,
            Mode::Bypass if auto_off => Mode::AcceptEdits,
            Mode::Bypass => Mode::Auto,
            Mode::Plan | Mode::Manual | Mode::AcceptEdits => self.mode,
        };
        let mut judged = answered(|| {
            let facts = ActionFacts::of(action, &self.context);
            let judged = evaluate_facts(action, &facts, &self.context, &self.policy, mode);
            let judged = self.suspicion.weigh(judged, action, &facts, bound);
            let judged = match bounds::crossed(&self.boundaries, action, &facts) {
                Some(boundary) => bounded(judged, boundary),
                None => judged,
            };
            found(facts);
            judged
        });
        if mode != self.mode && auto_off && judged.stage == Stage::Mode {
            AUTO_OFF.clone_into(&mut judged.rule);
            judged.reason =
                format!("auto mode is turned off by whoever runs this machine: {}", judged.reason);
        }
        if grants.contains(&digest) {
            granted(&mut judged);
        }
        (digest, judged)
    }

    /// Whether a person may be asked at all.
    #[must_use]
    pub fn asks_people(&self) -> bool {
        match self.mode {
            Mode::Unattended => {
                self.classifier.as_ref().is_some_and(|w| w.nobody_there == NobodyThere::Ask)
            }
            Mode::Plan | Mode::Manual | Mode::AcceptEdits | Mode::Auto | Mode::Bypass => true,
        }
    }

    fn attended(&self, judged: Judgement) -> Judgement {
        if self.asks_people() { judged } else { unattended(judged) }
    }

    fn counted(&mut self, review: Review) -> Review {
        let mut judged = review.judgement().clone();
        self.breaker.count(&mut judged);
        if judged.verdict == Verdict::Allow && !self.suspicion.is_raised() {
            let facts = ActionFacts::of(review.action(), &self.context);
            self.suspicion.cleared(review.action(), &facts, review.bound());
        }
        review.judged(judged)
    }
}

/// The rules that count in a mode. What a mode without a person lets run is decided by what it does,
/// and not by a rule that allows anything; that holds where such a mode is turned off, too.
fn in_mode(policy: Arc<Policy>, mode: Mode) -> Arc<Policy> {
    match mode {
        Mode::Auto | Mode::Unattended | Mode::Bypass => policy.narrowed(),
        Mode::Plan | Mode::Manual | Mode::AcceptEdits => policy,
    }
}

/// A person forbade it in words, so they are asked, whatever else would let it run.
fn bounded(before: Judgement, boundary: &Boundary) -> Judgement {
    match before.verdict {
        Verdict::Deny => before,
        Verdict::Allow | Verdict::Escalate | Verdict::NoVerdict => {
            let does = boundary.effect.map_or("crosses it", Effect::does);
            let effect = if before.effect.is_empty() {
                format!("If it runs, it {does}.")
            } else {
                before.effect
            };
            let mut evidence = before.evidence;
            let fact = format!("{} forbade it, and it {does}", boundary.by);
            evidence.insert(0, Evidence { span: boundary.words.clone(), fact });
            Judgement {
                verdict: Verdict::Escalate,
                clearance: Clearance::Person,
                stage: Stage::AskRule,
                rule: BOUNDARY.to_owned(),
                reason: format!("it {does}, and {} said: “{}”", boundary.by, boundary.words),
                effect,
                evidence,
            }
        }
    }
}

/// The classifier's opinion in the place of what the rules left open. What the rules found stays
/// as evidence.
fn weighed(before: Judgement, opinion: Opinion) -> Judgement {
    let (verdict, clearance) = match opinion.ruling {
        Ruling::Allow => (Verdict::Allow, Clearance::NotNeeded),
        Ruling::Escalate => (Verdict::Escalate, Clearance::Person),
        Ruling::Deny => (Verdict::Deny, Clearance::Person),
        Ruling::HardDeny => (Verdict::Deny, Clearance::Nobody),
    };
    let mut evidence = before.evidence;
    evidence.push(Evidence {
        span: String::new(),
        fact: format!(
            "the rules left it open ({}: {}); the classifier calls the risk {} and the \
             authorisation {}",
            before.rule,
            before.reason,
            opinion.risk.as_str(),
            opinion.authorisation.as_str()
        ),
    });
    let rule = if opinion.rule == "none" { "classifier".to_owned() } else { opinion.rule };
    let (stage, reason, effect) = (Stage::Classifier, opinion.reason, before.effect);
    Judgement { verdict, clearance, stage, rule, reason, effect, evidence }
}

/// No verdict: a person is asked, and told that nothing speaks against it but silence.
fn unanswered(before: Judgement, none: &NoVerdict) -> Judgement {
    let reason = format!("{none}, so a person is asked; the rules left it open: {}", before.reason);
    Judgement { verdict: Verdict::NoVerdict, stage: Stage::Classifier, reason, ..before }
}

/// What a judge says, or that it could not: a judge that breaks down never allows and never
/// denies. It is shown to a person as what it is.
fn answered(judge: impl FnOnce() -> Judgement) -> Judgement {
    catch_unwind(AssertUnwindSafe(judge)).unwrap_or_else(|_| Judgement {
        verdict: Verdict::NoVerdict,
        clearance: Clearance::Person,
        stage: Stage::NotUnderstood,
        rule: "judge-failed".to_owned(),
        reason: "Gatepost's own judge broke down over it, which is a fault of Gatepost".to_owned(),
        effect: "What it would do is not known; read it yourself before you let it run.".to_owned(),
        evidence: Vec::new(),
    })
}

/// A person gave a lasting permission for exactly this digest, so it clears all that a person
/// can clear: rules that ask too, since the person answered that very rule. Hard boundaries and
/// what a mode refuses outright have no clearance and stay.
fn granted(judgement: &mut Judgement) {
    match judgement.clearance {
        Clearance::NotNeeded | Clearance::Nobody => {}
        Clearance::Person => {
            judgement.verdict = Verdict::Allow;
            judgement.clearance = Clearance::NotNeeded;
            judgement.stage = Stage::Grant;
            judgement.reason =
                format!("a person approved exactly this (without that: {})", judgement.reason);
        }
    }
}

#[cfg(test)]
mod tests;
