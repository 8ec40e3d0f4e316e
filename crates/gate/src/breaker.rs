//! The circuit breaker: an agent that is refused again and again gets a person instead of the next
//! refusal.

use std::collections::VecDeque;

use gatepost_domain::verdict::Clearance;
use gatepost_domain::verdict::Judgement;
use gatepost_domain::verdict::Stage;
use gatepost_domain::verdict::Verdict;

/// So many refusals without an allowed action between them, and the next question goes to a
/// person: an agent that is refused three times running is stuck, not looking for another way.
pub const MAX_DENIALS_IN_A_ROW: u32 = 3;

/// So many refusals in one run, and the next question goes to a person: an agent that is refused
/// this often is probing for a gap, however harmless it looks in between.
pub const MAX_DENIALS_IN_A_TASK: u32 = 20;

/// So many refusals among the last [`WINDOW`] actions, and the next question goes to a person:
/// harmless actions in between do not make the refused ones fewer.
pub const MAX_DENIALS_IN_WINDOW: usize = 10;

/// How many of the last actions are looked at for [`MAX_DENIALS_IN_WINDOW`].
pub const WINDOW: usize = 50;

/// The counters of one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Breaker {
    in_a_row: u32,
    in_the_task: u32,
    /// Of the last actions, oldest first, which ones were refused.
    last: VecDeque<bool>,
}

impl Breaker {
    /// Counts refusals that a person could lift, and turns the one that reaches a limit into a
    /// question.
    pub(crate) fn count(&mut self, judgement: &mut Judgement) {
        let refused = match (judgement.verdict, judgement.clearance) {
            (Verdict::Allow, _) => {
                self.in_a_row = 0;
                false
            }
            // A question brings a person in, who sees for themselves; it neither counts nor mends.
            (Verdict::Escalate | Verdict::NoVerdict, _) => return,
            (Verdict::Deny, Clearance::Nobody | Clearance::NotNeeded) => return,
            (Verdict::Deny, Clearance::Person) => true,
        };
        self.last.push_back(refused);
        if self.last.len() > WINDOW {
            self.last.pop_front();
        }
        if !refused {
            return;
        }
        self.in_a_row += 1;
        self.in_the_task += 1;
        let why = if self.in_a_row >= MAX_DENIALS_IN_A_ROW {
            format!("the agent was refused {MAX_DENIALS_IN_A_ROW} times in a row")
        } else if self.in_the_task >= MAX_DENIALS_IN_A_TASK {
            self.in_the_task = 0;
            format!("the agent was refused {MAX_DENIALS_IN_A_TASK} times in this task")
        } else if self.last.iter().filter(|refused| **refused).count() >= MAX_DENIALS_IN_WINDOW {
            format!(
                "{MAX_DENIALS_IN_WINDOW} of the agent's last {} actions were refused",
                self.last.len()
            )
        } else {
            return;
        };
        // The person who is asked now has seen it all; counting begins anew.
        self.in_a_row = 0;
        self.last.clear();
        judgement.verdict = Verdict::Escalate;
        judgement.stage = Stage::Breaker;
        judgement.reason = format!(
            "it keeps trying: {why}, this time because {}. Stop it, let it ask, or allow this one",
            judgement.reason
        );
    }
}
