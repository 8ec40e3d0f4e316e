//! Every open question in one list, and what came of denying all of it.

use gatepost_domain::approval::Approval;
use gatepost_domain::approval::Settlement;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::TaskId;
use gatepost_domain::request::Answered;
use gatepost_domain::request::Consequence;
use jiff::Timestamp;
use serde::Serialize;

use super::approval::title;
use super::receipt;
use super::result::count;
use crate::visible::one_line;
use crate::visible::prose;

/// How much of an action a line shows, in characters; its own card has all of it.
const ACTION: usize = 90;

/// A question in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenLine {
    /// The question.
    pub id: ApprovalId,
    /// The task that asks.
    pub task: TaskId,
    /// What the agent wants, in a few words.
    pub title: &'static str,
    /// The beginning of the action; none where the action is not for everybody who reads along.
    pub action: Option<String>,
    /// When it is denied by itself.
    pub expires_at: Timestamp,
    /// How it was settled since, if it was.
    pub settled: Option<String>,
}

impl OpenLine {
    /// A question's line.
    #[must_use]
    pub fn of(task: &TaskId, approval: &Approval, settled: Option<&Settlement>) -> Self {
        Self {
            id: approval.id.clone(),
            task: task.clone(),
            title: title(&approval.action),
            action: Some(one_line(approval.action.subject(), ACTION)),
            expires_at: approval.expires_at,
            settled: settled.map(|settlement| prose(&settlement.words())),
        }
    }

    /// The same, where others read along who need not know what is asked.
    #[must_use]
    pub fn without_action(self) -> Self {
        Self { action: None, ..self }
    }
}

/// What really came of denying several questions at once.
#[must_use]
pub fn denied_all(answers: &[Answered]) -> String {
    let (late, denied): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answered| answered.consequence == Consequence::TooLate);
    let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let ended = denied.iter().any(|answered| answered.consequence == Consequence::Ends);
    let mut words = match denied.len() {
        0 => "nothing was left to deny".to_owned(),
        n if ended => format!(
            "{} denied; a task that cannot go on without it ends",
            count(number(n), "question", "questions")
        ),
        1 => "1 question denied, and its agent was told".to_owned(),
        n => format!("{n} questions denied, and their agents were told"),
    };
    match late.as_slice() {
        [] => {}
        [one] => words.push_str(&format!("; 1 was settled before: {}", receipt(one))),
        [first, ..] => {
            let all = count(number(late.len()), "was", "were");
            // One sentence for all where all went the same way, as after a second press.
            if late.iter().all(|other| receipt(other) == receipt(first)) {
                words.push_str(&format!("; {all} settled before: {}", receipt(first)));
            } else {
                words.push_str(&format!("; {all} settled before"));
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use gatepost_domain::approval::Decision;
    use gatepost_domain::principal::Platform;
    use gatepost_domain::principal::Principal;

    use super::*;

    fn answered(consequence: Consequence, by: &str) -> Answered {
        let who = Principal { platform: Platform::Telegram, id: by.into() };
        let settlement = Settlement::Person { who, decision: Decision::Deny, reason: None };
        Answered { task: TaskId::from_entropy(1), settlement, consequence }
    }

    #[test]
    fn it_says_how_many_were_denied_and_which_were_settled_before() {
        let (told, late) = (Consequence::Told, Consequence::TooLate);
        let cases: [(&[(Consequence, &str)], &str); 6] = [
            (&[(told, "1")], "1 question denied, and its agent was told"),
            (
                &[(told, "1"), (Consequence::Requeued, "1")],
                "2 questions denied, and their agents were told",
            ),
            (
                &[(told, "1"), (late, "2")],
                "1 question denied, and its agent was told; 1 was settled before: already denied \
                 by telegram:2",
            ),
            (
                &[(late, "1"), (late, "1")],
                "nothing was left to deny; 2 were settled before: already denied by telegram:1",
            ),
            (
                &[(Consequence::Ends, "1"), (told, "1")],
                "2 questions denied; a task that cannot go on without it ends",
            ),
            (&[(late, "1"), (late, "2")], "nothing was left to deny; 2 were settled before"),
        ];
        for (given, expect) in cases {
            let answers: Vec<_> = given.iter().map(|(how, by)| answered(*how, by)).collect();
            assert_eq!(denied_all(&answers), expect);
        }
    }
}
