//! Tests of what messages come to.

use proptest::prelude::*;

use super::*;

fn task() -> TaskId {
    TaskId::from_entropy(7)
}

fn question() -> ApprovalId {
    ApprovalId::from_entropy(7)
}

fn check(text: &str, target: Option<Target>) -> Intent {
    read(text, target.as_ref(), "gatebot", &["demo".into(), "web".into()])
}

fn plain(text: &str) -> Words {
    Words { text: text.into(), project: None, agent: None }
}

#[test]
fn a_message_is_a_task_and_a_reply_continues_one() {
    assert_eq!(check(" fix it ", None), Intent::Task(plain("fix it")));
    let message = Intent::Message { task: task(), text: "and that".into() };
    assert_eq!(check("and that", Some(Target::Task(task()))), message);
    assert_eq!(check("  ", None), Intent::Nothing);
    assert_eq!(
        check("/usr/bin/env is missing", None),
        Intent::Task(plain("/usr/bin/env is missing"))
    );
}

#[test]
fn shortcuts_stand_at_the_start_alone() {
    let words = Words {
        text: "fix #12 for @ann".into(),
        project: Some("web".into()),
        agent: Some("claude".into()),
    };
    assert_eq!(check("#web @claude fix #12 for @ann", None), Intent::Task(words.clone()));
    assert_eq!(check("@claude #web fix #12 for @ann", None), Intent::Task(words));
    assert_eq!(check("#42 is broken", None), Intent::Task(plain("#42 is broken")));
    assert_eq!(check("@gatebot, tidy up", None), Intent::Task(plain("tidy up")));
}

#[test]
fn commands_are_read_with_their_argument_or_the_task_replied_to() {
    let id = task();
    let cases = [
        ("/tasks", None, Command::Tasks),
        ("/tasks@gatebot", None, Command::Tasks),
        (
            "/run #demo go",
            None,
            Command::Run(Words { project: Some("demo".into()), ..plain("go") }),
        ),
        ("/cancel", None, Command::Cancel(None)),
        ("/cancel", Some(Target::Task(id.clone())), Command::Cancel(Some(id.clone()))),
        ("/mode plan", None, Command::Mode(Some(Mode::Plan))),
        ("/start ABCD2345", None, Command::Start(Some("ABCD2345".into()))),
    ];
    for (text, target, expect) in cases {
        assert_eq!(check(text, target), Intent::Command(expect), "{text}");
    }
    assert_eq!(check(&format!("/diff {id}"), None), Intent::Command(Command::Diff(Some(id))));
    assert_eq!(check("/tasks@another", None), Intent::Nothing);
    assert!(matches!(check("/approve", None), Intent::Wrong(_)), "there is no such command");
    assert!(matches!(check("/status nonsense!", None), Intent::Wrong(_)));
    for (name, _) in MENU {
        let known = !matches!(check(&format!("/{name} x"), None), Intent::Wrong(wrong) if wrong.contains("there is no `/"));
        assert!(known, "/{name} is in the menu");
    }
}

#[test]
fn a_group_speaks_to_the_bot_by_its_whole_name() {
    assert!(addresses("hey @GateBot do", "gatebot"));
    assert!(addresses("/run@gatebot x", "gatebot"));
    assert!(!addresses("@gatebot2 do", "gatebot"));
    assert!(!addresses("do it", "gatebot"));
}

/// Sentences that other programs took for consent, beside random ones.
fn sentence() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "yes",
        "ok",
        "approve",
        "allow",
        "do not allow",
        "go ahead",
        "y",
        "sure",
        "👍",
        "LGTM",
        "approve once",
        "Approve for this task",
        "deny",
        "no",
        "stop",
        "please",
        "it",
        "all",
    ]);
    let spoken = prop::collection::vec(word, 1..8).prop_map(|words| words.join(" "));
    prop_oneof![spoken, "\\PC{1,60}", "/\\PC{0,30}"]
}

proptest! {
    /// Whatever is written, to whatever message but the prompt of a denial, decides nothing: it is
    /// a task, a message, a command that only looks or stops, or nothing.
    #[test]
    fn free_text_never_decides(text in sentence(), reply in any::<bool>()) {
        let target = reply.then(|| Target::Task(task()));
        match check(&text, target) {
            Intent::Deny { .. } | Intent::Edit { .. } => prop_assert!(false, "{text}"),
            Intent::Task(_) => prop_assert!(!reply),
            Intent::Message { task: id, .. } => prop_assert!(reply && id == task()),
            Intent::Command(_) | Intent::Wrong(_) => prop_assert!(text.trim().starts_with('/')),
            Intent::Nothing => {}
        }
    }

    /// Where a change was begun, words are the other form of the action, which is only shown.
    #[test]
    fn a_form_is_a_form_and_no_consent_whatever_it_says(text in sentence()) {
        match check(&text, Some(Target::Edit(task(), question()))) {
            Intent::Edit { approval, .. } => prop_assert_eq!(approval, question()),
            Intent::Command(_) | Intent::Wrong(_) | Intent::Nothing => {}
            other => prop_assert!(false, "{other:?}"),
        }
    }

    /// Even where a denial was begun, no words turn it into anything else.
    #[test]
    fn a_reason_is_the_reason_of_a_denial_whatever_it_says(text in sentence()) {
        match check(&text, Some(Target::Denial(task(), question()))) {
            Intent::Deny { approval, reason, .. } => {
                prop_assert_eq!(approval, question());
                prop_assert!(!reason.is_empty());
            }
            Intent::Command(_) | Intent::Wrong(_) | Intent::Nothing => {}
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
