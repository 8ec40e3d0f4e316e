//! One run's gate: policy, then grants, then the circuit breaker.

use std::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;

use gatepost_domain::action::Action;
use gatepost_domain::action::ActionDigest;
use gatepost_domain::action::BoundFile;
use gatepost_domain::mode::Mode;
use gatepost_domain::verdict::Clearance;
use gatepost_domain::verdict::Judgement;
use gatepost_domain::verdict::Stage;
use gatepost_domain::verdict::Verdict;
use gatepost_policy::ActionFacts;
use gatepost_policy::Context;
use gatepost_policy::Policy;
use gatepost_policy::bound_paths;
use gatepost_policy::evaluate;

use crate::review::Review;

/// So many refusals without an allowed action between them, and the next question goes to a
/// person: an agent that is refused three times running is stuck, not looking for another way.
pub const MAX_DENIALS_IN_A_ROW: u32 = 3;

/// So many refusals in one run, and the next question goes to a person: an agent that is refused
/// this often is probing for a gap, however harmless it looks in between.
pub const MAX_DENIALS_IN_A_TASK: u32 = 20;

/// One run's gate: the policy, the mode and the circuit breaker's counters.
#[derive(Debug, Clone)]
pub struct Gate {
    policy: Arc<Policy>,
    mode: Mode,
    context: Context,
    denials_in_a_row: u32,
    denials_in_a_task: u32,
}

impl Gate {
    /// A gate whose breaker has counted nothing yet.
    #[must_use]
    pub fn new(policy: Arc<Policy>, mode: Mode, context: Context) -> Self {
        Self { policy, mode, context, denials_in_a_row: 0, denials_in_a_task: 0 }
    }

    /// Files in the workspace whose bytes the digest must bind (absolute paths).
    #[must_use]
    pub fn bound_paths(&self, action: &Action) -> Vec<String> {
        bound_paths(&ActionFacts::of(action, &self.context), &self.context)
    }

    /// Judges the action. `grants`: digests approved for the whole task.
    #[must_use]
    pub fn review(
        &mut self,
        action: Action,
        bound: Vec<BoundFile>,
        grants: &[ActionDigest],
    ) -> Review {
        let digest = action.digest(&bound);
        let mut judgement = answered(|| evaluate(&action, &self.context, &self.policy, self.mode));
        if grants.contains(&digest) {
            granted(&mut judgement);
        }
        self.count(&mut judgement);
        Review::new(action, digest, bound, judgement)
    }

    /// The circuit breaker: counts refusals that a person could lift, and turns the one that
    /// reaches a limit into a question.
    fn count(&mut self, judgement: &mut Judgement) {
        match (judgement.verdict, judgement.clearance) {
            (Verdict::Allow, _) => self.denials_in_a_row = 0,
            // A question brings a person in, who sees for themselves; it neither counts nor mends.
            (Verdict::Escalate | Verdict::NoVerdict, _) => {}
            (Verdict::Deny, Clearance::Nobody | Clearance::NotNeeded) => {}
            (Verdict::Deny, Clearance::Person) => {
                self.denials_in_a_row += 1;
                self.denials_in_a_task += 1;
                let why = if self.denials_in_a_row >= MAX_DENIALS_IN_A_ROW {
                    self.denials_in_a_row = 0;
                    format!("the agent was refused {MAX_DENIALS_IN_A_ROW} times in a row")
                } else if self.denials_in_a_task >= MAX_DENIALS_IN_A_TASK {
                    self.denials_in_a_task = 0;
                    format!("the agent was refused {MAX_DENIALS_IN_A_TASK} times in this task")
                } else {
                    return;
                };
                judgement.verdict = Verdict::Escalate;
                judgement.reason = format!("{why}; this time because {}", judgement.reason);
            }
        }
    }
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
            judgement.reason = format!(
                "a person approved exactly this for the whole task (without that: {})",
                judgement.reason
            );
        }
    }
}

#[cfg(test)]
mod tests;
