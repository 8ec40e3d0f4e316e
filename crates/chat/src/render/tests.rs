//! Tests of cards as messages.

use gatepost_domain::action::Action;
use gatepost_domain::approval::Approval;
use gatepost_domain::id::ActionId;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::RunNumber;
use gatepost_domain::id::TaskId;
use gatepost_domain::verdict::Clearance;
use gatepost_domain::verdict::Judgement;
use gatepost_domain::verdict::Stage;
use gatepost_domain::verdict::Verdict;
use jiff::tz::Offset;
use proptest::prelude::*;

use super::*;

const LIMIT: usize = 4096;

fn reader() -> Reader {
    Reader { now: "2026-11-24T12:00:00Z".parse().unwrap(), offset: Offset::constant(1) }
}

fn card(command: &str, reason: &str) -> ApprovalCard {
    let action = Action::Python { command: command.into() };
    let approval = Approval {
        id: ApprovalId::from_entropy(7),
        run: RunNumber(1),
        action_id: ActionId(1),
        digest: action.digest(&[]),
        action,
        bound: vec![],
        judgement: Judgement {
            verdict: Verdict::Escalate,
            clearance: Clearance::Person,
            stage: Stage::AskRule,
            rule: "ask-first".into(),
            reason: reason.into(),
            effect: "the branch is pushed".into(),
            evidence: vec![],
        },
        asked_at: "2026-11-24T12:00:00Z".parse().unwrap(),
        expires_at: "2026-11-24T12:30:00Z".parse().unwrap(),
        resume: String::new(),
    };
    ApprovalCard::open(&TaskId::from_entropy(9), &approval)
}

#[test]
fn a_question_says_everything_in_one_message() {
    let question = question(&card("print(1)", "a rule asks"), reader(), LIMIT);
    assert_eq!(question.file, None);
    insta::assert_snapshot!(question.text.text(), @"
    ❓ Wants to run Python · task 900000

    print(1)

    What happens: the branch is pushed
    Why you are asked: a rule asks
    Rule: ask-first (ask-rule)

    An approver may answer until 13:30 (in 30 min); then it is denied by itself.
    ");
    let styles: Vec<_> = question.text.spans().iter().map(|span| span.style).collect();
    assert_eq!(styles, [Style::Bold, Style::Pre]);
}

#[test]
fn a_long_action_is_folded_and_one_that_does_not_fit_goes_into_a_file() {
    let long = "x = 1\n".repeat(40);
    let folded = question(&card(&long, "why"), reader(), LIMIT);
    assert!(folded.file.is_none() && folded.text.text().contains(long.trim()));
    assert!(folded.text.spans().iter().any(|span| span.style == Style::Folded));

    let huge = format!("print('head')\n{}\nprint('tail')", "y = 2\n".repeat(2000));
    let cut = question(&card(&huge, "why"), reader(), LIMIT);
    let shown = cut.text.text();
    assert!(shown.contains("print('head')") && shown.contains("print('tail')"), "{shown}");
    assert!(shown.contains("characters left out here"), "{shown}");
    assert!(cut.text.units() <= LIMIT);
    assert_eq!(cut.file.as_ref().map(|file| file.matches("y = 2").count()), Some(2000));
    let unshown = unshown(&cut, LIMIT);
    assert!(unshown.text().contains("cannot be approved here") && unshown.units() <= LIMIT);
}

proptest! {
    /// Whatever an agent writes, a question fits its message or has its file, and nothing hidden
    /// is left in it.
    #[test]
    fn hostile_questions_fit_and_hide_nothing(
        command in "[\\PC\u{202e}\u{200b}*_`<>\\[\\]\n\u{1f600}]{1,6000}",
        reason in "\\PC{0,2000}",
    ) {
        let question = question(&card(&command, &reason), reader(), LIMIT);
        prop_assert!(question.text.units() <= LIMIT, "{}", question.text.units());
        let hidden = question.text.text().contains(['\u{202e}', '\u{200b}']);
        prop_assert!(!hidden);
        let action = crate::visible::shown(&command).text;
        let whole = |text: &str| action.lines().all(|line| text.contains(line));
        prop_assert!(whole(question.text.text()) || question.file.as_deref().is_some_and(whole));
    }
}
