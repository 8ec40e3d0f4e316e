//! Tests of cards as messages.

use gatepost_domain::action::Action;
use gatepost_domain::approval::Approval;
use gatepost_domain::approval::Form;
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
    ApprovalCard::open(&TaskId::from_entropy(9), &approval(command, reason))
}

fn approval(command: &str, reason: &str) -> Approval {
    let action = Action::Python { command: command.into() };
    Approval {
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
        diff: None,
        form: Form::Fixed,
        resume: String::new(),
    }
}

fn ann() -> Vec<String> {
    vec!["1001".into()]
}

#[test]
fn open_questions_are_listed_one_a_line_and_say_how_they_were_settled() {
    let line = |number: u128, command: &str| {
        let card = card(command, "why");
        OpenLine {
            id: ApprovalId::from_entropy(number),
            task: card.task.clone(),
            title: card.title,
            action: Some(one_line(command, 90)),
            expires_at: card.expires_at,
            settled: None,
        }
    };
    let settled = OpenLine { settled: Some("denied by telegram:1".into()), ..line(3, "print(3)") };
    let lines = [line(1, "print(1)"), line(2, "print(2)").without_action(), settled];
    insta::assert_snapshot!(open_questions(&lines, 2, reader(), LIMIT).text(), @"
    4 questions are open.
    1. 900000 Wants to run Python: print(1) · until 13:30 (in 30 min)
    2. 900000 waits for an approver · until 13:30 (in 30 min)
    3. 900000 Wants to run Python: print(3) · denied by telegram:1
    and 2 more, once these are settled
    ");
    assert_eq!(open_questions(&[], 0, reader(), LIMIT).text(), "No question is open.");
}

#[test]
fn a_card_says_who_is_asked_elsewhere_and_who_cannot_be() {
    let asked = |reached: &[&str], unreached: &[&str]| Asked {
        reached: reached.iter().map(|id| (*id).to_owned()).collect(),
        unreached: unreached.iter().map(|id| (*id).to_owned()).collect(),
    };
    let words = |open, asked: Option<Asked>| waits(Rich::new(), open, asked.as_ref());
    assert_eq!(words(1, None).text(), "1 question waits for an answer");
    assert_eq!(words(2, None).text(), "2 questions wait for an answer; /approvals lists them");
    insta::assert_snapshot!(words(1, Some(asked(&["1001"], &["1003", "1004"]))).text(), @"
    1 question waits for an approver
    asked in private: 1001
    could not be asked in private: 1003, 1004; they must open a chat with this bot first
    ");
    insta::assert_snapshot!(words(1, Some(asked(&[], &[]))).text(), @"
    1 question waits for an approver
    nobody here is an approver; it can be answered in the console
    ");
}

#[test]
fn a_question_says_everything_in_one_message() {
    let question = question(&card("print(1)", "a rule asks"), &ann(), reader(), LIMIT);
    assert_eq!(question.file, None);
    insta::assert_snapshot!(question.text.text(), @"
    ❓ Wants to run Python · task 900000

    print(1)

    What happens: the branch is pushed
    Why you are asked: a rule asks
    Rule: ask-first (ask-rule)

    The approver 1001 may answer until 13:30 (in 30 min); then it is denied by itself.
    ");
    let styles: Vec<_> = question.text.spans().iter().map(|span| span.style).collect();
    assert_eq!(styles, [Style::Bold, Style::Pre]);
}

#[test]
fn a_proposed_file_is_shown_as_its_change_with_secrets_masked() {
    let secret = "ghp_0123456789abcdefghijABCDEFGHIJ0123456789";
    let content = format!("one\ntoken = {secret}\n{}", "same\n".repeat(900));
    let approval = Approval {
        action: Action::Write { path: ".git/hooks/x".into(), content },
        diff: Some(format!(
            "--- a/.git/hooks/x\n+++ b/.git/hooks/x\n@@ -1,2 +1,2 @@\n one\n-two\u{202e}\n+token = {secret}\n"
        )),
        ..approval("", "why")
    };
    let card = ApprovalCard::open(&TaskId::from_entropy(9), &approval);
    let shown = question(&card, &ann(), reader(), LIMIT);
    assert_eq!(shown.file, None, "the change fits, however long the file is");
    let text = shown.text.text();
    assert!(text.contains("-two‹U+202E›\n+token = ") && !text.contains(secret), "{text}");
    assert!(text.contains("File: .git/hooks/x"), "{text}");
    let whole = report::approval(&card, reader());
    assert!(whole.matches("same").count() == 900 && !whole.contains(secret), "{whole}");

    let long =
        Approval { diff: Some(format!("@@ -0,0 +1 @@\n{}", "+y\n".repeat(3000))), ..approval };
    let card = ApprovalCard::open(&TaskId::from_entropy(9), &long);
    let cut = question(&card, &ann(), reader(), LIMIT);
    assert!(cut.text.units() <= LIMIT);
    assert_eq!(cut.file.map(|file| file.matches("+y").count()), Some(3000));
}

#[test]
fn a_long_action_is_folded_and_one_that_does_not_fit_goes_into_a_file() {
    let long = "x = 1\n".repeat(40);
    let folded = question(&card(&long, "why"), &ann(), reader(), LIMIT);
    assert!(folded.file.is_none() && folded.text.text().contains(long.trim()));
    assert!(folded.text.spans().iter().any(|span| span.style == Style::Folded));

    let huge = format!("print('head')\n{}\nprint('tail')", "y = 2\n".repeat(2000));
    let cut = question(&card(&huge, "why"), &ann(), reader(), LIMIT);
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
        let question = question(&card(&command, &reason), &ann(), reader(), LIMIT);
        prop_assert!(question.text.units() <= LIMIT, "{}", question.text.units());
        let hidden = question.text.text().contains(['\u{202e}', '\u{200b}']);
        prop_assert!(!hidden);
        let action = crate::visible::shown(&command).text;
        let whole = |text: &str| action.lines().all(|line| text.contains(line));
        prop_assert!(whole(question.text.text()) || question.file.as_deref().is_some_and(whole));
    }

    /// Whatever a file holds and whatever it is called, its change is shown whole, or comes whole as
    /// a file.
    #[test]
    fn hostile_changes_fit_and_hide_nothing(
        path in "[\\PC\u{202e}\n]{1,300}",
        lines in prop::collection::vec("[ +-][\\PC\u{202e}\u{200b}*_`<>\u{1f600}]{0,200}", 1..60),
    ) {
        let diff = format!("--- a/f\n+++ b/f\n@@ -1 +1 @@\n{}\n", lines.join("\n"));
        let approval = Approval {
            action: Action::Write { path, content: "new".into() },
            diff: Some(diff),
            ..approval("", "why")
        };
        let card = ApprovalCard::open(&TaskId::from_entropy(9), &approval);
        let question = question(&card, &ann(), reader(), LIMIT);
        prop_assert!(question.text.units() <= LIMIT, "{}", question.text.units());
        let all = diff_text(&card);
        let hidden = all.contains(['\u{202e}', '\u{200b}']);
        prop_assert!(!hidden);
        let whole = |text: &str| all.lines().all(|line| text.contains(line.trim_end()));
        prop_assert!(whole(question.text.text()) || question.file.as_deref().is_some_and(whole));
    }

    /// However long and hostile the actions, a full list is one message, with every line in it.
    #[test]
    fn a_full_list_of_hostile_questions_is_one_message(
        commands in prop::collection::vec("[\\PC\u{202e}\u{200b}\n\u{1f600}]{1,400}", 12),
    ) {
        let lines: Vec<_> = commands
            .iter()
            .map(|command| OpenLine::of(&TaskId::from_entropy(9), &approval(command, "why"), None))
            .collect();
        let list = open_questions(&lines, 7, reader(), LIMIT);
        prop_assert!(list.units() <= LIMIT);
        prop_assert!(list.text().contains("\n12. ") && list.text().contains("and 7 more"));
    }
}

fn diff_text(card: &ApprovalCard) -> String {
    diff(&card.diff).unwrap_or_default()
}
