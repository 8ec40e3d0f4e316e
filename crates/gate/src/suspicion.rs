//! What a run does that it did not do before it read something that may steer its agent.
//!
//! What the agent was at before goes on: it was no idea of the text. Everything else that would run
//! only because the sandbox contains it, or that reaches a host, is judged like what the rules leave
//! open.

use std::collections::BTreeSet;

use gatepost_domain::action::Action;
use gatepost_domain::action::BoundFile;
use gatepost_domain::verdict::Judgement;
use gatepost_domain::verdict::Stage;
use gatepost_domain::verdict::Verdict;
use gatepost_policy::ActionFacts;

/// The rule of a judgement that a suspicion made one.
pub(crate) const RULE: &str = "suspicion";

/// What is known of a run, and whether it is suspect.
#[derive(Debug, Clone, Default)]
pub(crate) struct Suspicion {
    raised: bool,
    /// What it had done before.
    usual: BTreeSet<String>,
}

impl Suspicion {
    pub(crate) fn raise(&mut self) {
        self.raised = true;
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.raised
    }

    /// An action was cleared. Nothing becomes usual any more once there is a suspicion.
    pub(crate) fn cleared(&mut self, action: &Action, facts: &ActionFacts, bound: &[BoundFile]) {
        if !self.raised {
            self.usual.extend(parts(action, facts, bound));
        }
    }

    /// The judgement of an action that is let run, where the suspicion makes a question of it.
    pub(crate) fn weigh(
        &self,
        judged: Judgement,
        action: &Action,
        facts: &ActionFacts,
        bound: &[BoundFile],
    ) -> Judgement {
        let contained = match judged.stage {
            Stage::Contained => true,
            Stage::ReadOnly => !facts.hosts.is_empty(),
            _ => false,
        };
        let odd = || parts(action, facts, bound).iter().any(|part| !self.usual.contains(part));
        if !self.raised || judged.verdict != Verdict::Allow || !contained || !odd() {
            return judged;
        }
        let reason = format!(
            "{}, which the sandbox contains; but the agent has read something that may be there to \
             steer it, and had not done this before",
            judged.reason
        );
        let effect = match judged.evidence.first() {
            Some(evidence) => format!("If it runs, it {}.", evidence.fact),
            None => "If it runs, the sandbox contains it.".to_owned(),
        };
        Judgement {
            verdict: Verdict::Escalate,
            clearance: gatepost_domain::verdict::Clearance::Person,
            stage: Stage::Open,
            rule: RULE.to_owned(),
            reason,
            effect,
            evidence: judged.evidence,
        }
    }
}

/// What an action is made of: each program with what it is told to do, the files whose bytes it
/// runs, the hosts it talks to. Where all of it is known, the action is.
fn parts(action: &Action, facts: &ActionFacts, bound: &[BoundFile]) -> Vec<String> {
    let programs = facts.programs.iter().map(|program| {
        let name = program.argv.first().map(String::as_str).unwrap_or_default();
        let told = program.argv.iter().skip(1).find(|word| !word.starts_with('-'));
        format!("program {name} {}", told.map(String::as_str).unwrap_or_default())
    });
    let files = bound.iter().map(|file| format!("file {} {}", file.path, file.sha256));
    let hosts = facts.hosts.iter().map(|host| format!("host {host}"));
    let itself = match action {
        Action::Exec(_) => None,
        // Source text is the whole of what it does.
        Action::Python { command } => Some(format!("python {command}")),
        other => Some(format!("{} {}", other.tool(), other.subject())),
    };
    programs.chain(files).chain(hosts).chain(itself).collect()
}
