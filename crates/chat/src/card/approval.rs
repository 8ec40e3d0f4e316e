//! The card of a question: the whole action, why it is asked, and what really came of an answer.

use gatepost_domain::action::Action;
use gatepost_domain::approval::Approval;
use gatepost_domain::approval::Decision;
use gatepost_domain::approval::Form;
use gatepost_domain::approval::Settlement;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::TaskId;
use gatepost_domain::request::Answered;
use gatepost_domain::request::Consequence;
use gatepost_domain::verdict::Stage;
use gatepost_domain::verdict::Verdict;
use jiff::Timestamp;
use serde::Serialize;

use super::Button;
use super::DiffLine;
use super::Fact;
use super::Press;
use super::Tone;
use super::result::diff_lines;
use crate::visible::Shown;
use crate::visible::masked;
use crate::visible::prose;
use crate::visible::shown;

/// A question, open or settled. A settled one stays readable and has no buttons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovalCard {
    /// The question's id.
    pub id: ApprovalId,
    /// The task that asks.
    pub task: TaskId,
    /// What the agent wants, in a few words.
    pub title: &'static str,
    /// The action, whole.
    pub action: Shown,
    /// The text that a person may change and then approve; none where that is not possible.
    pub editable: Option<String>,
    /// What a proposed file would change; empty where there is nothing to compare.
    pub diff: Vec<DiffLine>,
    /// Where and on what it acts, and the files its digest binds.
    pub facts: Vec<Fact>,
    /// Why a person is asked.
    pub reason: String,
    /// Which rule asks, with its place in the gate's order.
    pub rule: String,
    /// What will happen, to what; empty when the gate has no words for it.
    pub effect: String,
    /// What the reason rests on.
    pub evidence: Vec<Fact>,
    /// When it was asked.
    pub asked_at: Timestamp,
    /// When it is denied by itself.
    pub expires_at: Timestamp,
    /// How it was settled, if it was.
    pub settled: Option<Settled>,
    /// The answers that can be given.
    pub buttons: Vec<Button>,
}

/// How a question was settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// In words.
    pub words: String,
    /// How it feels.
    pub tone: Tone,
    /// When.
    pub at: Timestamp,
}

impl ApprovalCard {
    /// The card of an open question.
    #[must_use]
    pub fn open(task: &TaskId, approval: &Approval) -> Self {
        let judgement = &approval.judgement;
        let (action, mut facts) = action_in_full(&approval.action);
        for file in &approval.bound {
            let state = match file.sha256.get(..12) {
                Some(hash) => format!("{} (sha256 {hash}…)", shown(&file.path).text),
                None => format!("{} (not there yet)", shown(&file.path).text),
            };
            facts.push(Fact::new("Holds only while unchanged", state));
        }
        let reason = match judgement.verdict {
            // Never shown as a denial, and never as the gate's own opinion either.
            Verdict::NoVerdict => format!("no judge could answer: {}", prose(&judgement.reason)),
            Verdict::Allow | Verdict::Escalate | Verdict::Deny => prose(&judgement.reason),
        };
        let evidence = judgement
            .evidence
            .iter()
            .map(|evidence| Fact::new(shown(&evidence.span).text, prose(&evidence.fact)))
            .collect();
        let editable = editable(approval);
        Self {
            id: approval.id.clone(),
            task: task.clone(),
            title: title(&approval.action),
            action,
            buttons: buttons(approval, editable.is_some()),
            editable,
            diff: approval.diff.as_deref().map(proposed_lines).unwrap_or_default(),
            facts,
            reason,
            rule: format!("{} ({})", prose(&judgement.rule), judgement.stage),
            effect: prose(&judgement.effect),
            evidence,
            asked_at: approval.asked_at,
            expires_at: approval.expires_at,
            settled: None,
        }
    }

    /// The card of what a person would make of an open question's action, before they approve it;
    /// none where that is not possible, or cannot be shown as it is.
    #[must_use]
    pub fn edited(task: &TaskId, approval: &Approval, text: &str) -> Option<Self> {
        editable(approval)?;
        let action = approval.action.with_text(text).filter(|other| *other != approval.action)?;
        if text.trim().is_empty() || shown(text).text != text {
            return None;
        }
        let made = Approval { action, bound: Vec::new(), diff: None, ..approval.clone() };
        let card = Self::open(task, &made);
        Some(Self {
            title: "Approve this in the place of what was asked?",
            reason: "you changed it; with your approval it is reviewed by itself and run"
                .to_owned(),
            // What the gate said was said of the other form.
            rule: "none yet".to_owned(),
            effect: String::new(),
            evidence: Vec::new(),
            editable: None,
            ..card
        })
    }

    pub(super) fn settle(&mut self, settlement: &Settlement, at: Timestamp) {
        let tone = if settlement.consents() { Tone::Good } else { Tone::Bad };
        self.settled = Some(Settled { words: prose(&settlement.words()), tone, at });
        self.buttons.clear();
        self.editable = None;
    }
}

/// What really happened after somebody answered a question.
#[must_use]
pub fn receipt(answered: &Answered) -> String {
    let settled = prose(&answered.settlement.words());
    match answered.consequence {
        Consequence::TooLate => match &answered.settlement {
            Settlement::Person { .. } | Settlement::Edited { .. } => format!("already {settled}"),
            Settlement::Expired | Settlement::Withdrawn => settled,
        },
        Consequence::Told => match &answered.settlement {
            Settlement::Person { decision, .. } => match decision {
                Decision::Approve => "approved once, and the agent goes on".into(),
                Decision::ApproveForTask => "approved for this task, and the agent goes on".into(),
                Decision::Deny => "denied, and the agent was told".into(),
            },
            Settlement::Edited { .. } => "approved as you changed it; that is reviewed and, where \
                                          no boundary forbids it, run"
                .into(),
            Settlement::Expired | Settlement::Withdrawn => settled,
        },
        Consequence::Ends => format!("{settled}; the task ends here, and what it changed is kept"),
        Consequence::Requeued => match &answered.settlement {
            Settlement::Person { decision, .. } => match decision {
                Decision::Approve | Decision::ApproveForTask => {
                    "approved, but the run was gone; the task goes on from there with a new one"
                        .into()
                }
                Decision::Deny => {
                    "denied; the run was gone, so the task goes on with a new one".into()
                }
            },
            Settlement::Edited { .. } => "approved as you changed it, but the run was gone; the \
                                          task goes on from there with a new one"
                .into(),
            Settlement::Expired | Settlement::Withdrawn => settled,
        },
    }
}

/// The lines of a diff that nobody has approved yet: its secrets are masked as the action's are.
fn proposed_lines(diff: &str) -> Vec<DiffLine> {
    diff_lines(&masked(diff))
}

/// What may be changed before it is approved. Where it cannot be shown as it is, with a secret in it
/// or a hidden character, it cannot be changed in front of somebody either.
fn editable(approval: &Approval) -> Option<String> {
    match approval.form {
        Form::Fixed => None,
        Form::Editable => {
            approval.action.text().filter(|text| shown(text).text == **text).map(str::to_owned)
        }
    }
}

/// The answers that a question can be given.
fn buttons(approval: &Approval, editable: bool) -> Vec<Button> {
    if approval.action.raise().is_some() {
        // What is granted is a sum, so there is no once and no always; and nobody hears a reason,
        // since the task ends with the no.
        let raise = Button { press: Press::ApproveOnce, label: "Approve the raise" };
        return vec![raise, Button::from(Press::Deny)];
    }
    if approval.judgement.stage == Stage::Breaker {
        // What it is told with a denial is to ask, and to try no other way.
        return vec![
            Button { press: Press::ApproveOnce, label: "Allow this one" },
            Button { press: Press::Deny, label: "Let it ask" },
            Button::from(Press::DenyWithReason),
        ];
    }
    let edit = editable.then_some(Press::Edit);
    let approve = [Press::ApproveOnce, Press::ApproveForTask].into_iter().chain(edit);
    approve.chain([Press::Deny, Press::DenyWithReason]).map(Button::from).collect()
}

pub(super) fn title(action: &Action) -> &'static str {
    match action {
        Action::Exec(_) => "Wants to run a command",
        Action::Read { .. } => "Wants to read a file",
        Action::Write { .. } => "Wants to write a file",
        Action::Edit { .. } => "Wants to change a file",
        Action::Fetch { .. } => "Wants to fetch a web address",
        Action::Python { .. } => "Wants to run Python",
        Action::Tool { .. } => "Wants to call a tool",
        Action::Raise(_) => "Wants a larger budget",
    }
}

/// The action's text, and what it acts on or in beside that.
pub(super) fn action_in_full(action: &Action) -> (Shown, Vec<Fact>) {
    let on = |label, text: &str| Fact::new(label, shown(text).text);
    match action {
        Action::Exec(exec) => {
            let mut facts = vec![on("In", &exec.cwd)];
            for (name, value) in &exec.env {
                facts.push(on("With", &format!("{name}={value}")));
            }
            (shown(&exec.command), facts)
        }
        Action::Read { path } => (shown(path), Vec::new()),
        Action::Edit { path, content, replaces: Some(old) } => {
            let marked = |mark: char, text: &str| {
                text.lines().map(|line| format!("{mark}{line}\n")).collect::<String>()
            };
            let change = format!("{}{}", marked('-', old), marked('+', content));
            (shown(&change), vec![on("File", path)])
        }
        Action::Write { path, content } | Action::Edit { path, content, replaces: None } => {
            let content = if content.is_empty() { "‹nothing: an empty file›" } else { content };
            (shown(content), vec![on("File", path)])
        }
        Action::Fetch { url } => (shown(url), Vec::new()),
        Action::Python { command } => (shown(command), Vec::new()),
        Action::Tool { name, input } => (shown(input), vec![on("Tool", name)]),
        Action::Raise(raise) => (shown(&raise.to_string()), Vec::new()),
    }
}
