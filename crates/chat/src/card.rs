//! Cards: what a task, a question and a result look like in every chat. All words are here.

use gatepost_domain::approval::Decision;
use gatepost_domain::approval::Settlement;
use gatepost_domain::mode::Mode;
use gatepost_domain::request::Answered;
use gatepost_domain::request::Consequence;

/// What really happened after somebody answered a question.
#[must_use]
pub fn receipt(answered: &Answered) -> String {
    let settled = answered.settlement.words();
    match answered.consequence {
        Consequence::TooLate => match &answered.settlement {
            Settlement::Person { .. } => format!("already {settled}"),
            Settlement::Expired | Settlement::Withdrawn => settled,
        },
        Consequence::Told => match &answered.settlement {
            Settlement::Person { decision: Decision::Approve, .. } => {
                "approved once, and the agent goes on".into()
            }
            Settlement::Person { decision: Decision::ApproveForTask, .. } => {
                "approved for this task, and the agent goes on".into()
            }
            Settlement::Person { decision: Decision::Deny, .. } => {
                "denied, and the agent was told".into()
            }
            Settlement::Expired | Settlement::Withdrawn => settled,
        },
        Consequence::Requeued => match &answered.settlement {
            Settlement::Person { decision: Decision::Deny, .. } => {
                "denied; the run was gone, so the task goes on with a new one".into()
            }
            Settlement::Person { .. } => {
                "approved, but the run was gone; the task goes on from there with a new one".into()
            }
            Settlement::Expired | Settlement::Withdrawn => settled,
        },
    }
}

/// What a mode means, for whoever chooses one.
#[must_use]
pub fn mode_in_words(mode: Mode) -> &'static str {
    match mode {
        Mode::Plan => "look only, change nothing",
        Mode::Manual => "ask before everything but reads",
        Mode::AcceptEdits => "edit files freely, ask before commands",
        Mode::Auto => "run what is contained, ask before what is risky",
        Mode::Unattended => "as auto, but refuse instead of asking",
    }
}
