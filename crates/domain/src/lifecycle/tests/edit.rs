//! A person who changes an action and lets that run.

use super::*;

pub(super) fn edited(n: u32) -> Settlement {
    Settlement::Edited { who: Principal::console(), action: Box::new(action(n)) }
}

/// A task that asks about action 1.
fn asking() -> Life {
    let mut life = Life::running();
    life.review(1, Verdict::Escalate).unwrap();
    life.ask(1, 1).unwrap();
    life
}

#[test]
fn what_a_person_made_of_an_action_runs_once_and_what_was_asked_about_does_not() {
    for refused_first in [true, false] {
        let mut life = asking();
        life.settle_first(edited(9)).unwrap();
        assert!(life.start(1, 1).is_err(), "nobody approved it as it was");
        if refused_first {
            life.refuse(1, 1).unwrap();
        }
        assert!(life.start(2, 9).is_err(), "not reviewed");
        life.review(9, Verdict::Escalate).unwrap();
        life.start(2, 9).unwrap();
        life.finish(2, 9).unwrap();
        if !refused_first {
            life.refuse(1, 1).unwrap();
        }
        life.review(9, Verdict::Escalate).unwrap();
        assert!(life.start(3, 9).is_err(), "it was good once");
        assert!(life.task.grants().is_empty() && life.task.unacted().is_empty());
    }
}

#[test]
fn what_nobody_may_clear_uses_the_answer_up() {
    let mut life = asking();
    life.settle_first(edited(9)).unwrap();
    life.refuse(1, 1).unwrap();
    life.review(9, Verdict::Deny).unwrap();
    life.refuse(2, 9).unwrap();
    life.review(9, Verdict::Escalate).unwrap();
    assert!(life.start(3, 9).is_err());
}

#[test]
fn only_the_text_of_an_action_can_be_changed_and_only_where_it_can_be_handed_over() {
    let make = |change: &dyn Fn(&mut Exec)| {
        let Action::Exec(mut exec) = action(9) else { panic!() };
        change(&mut exec);
        let action = Box::new(Action::Exec(exec));
        Settlement::Edited { who: Principal::console(), action }
    };
    let elsewhere = make(&|exec| exec.cwd = "/".into());
    let with_more = make(&|exec| drop(exec.env.insert("PATH".into(), "/evil".into())));
    let nothing = make(&|exec| exec.command = "  ".into());
    let other = Settlement::Edited {
        who: Principal::console(),
        action: Box::new(Action::Write { path: "a".into(), content: "x".into() }),
    };
    for wrong in [elsewhere, with_more, nothing, other, edited(1)] {
        let mut life = asking();
        let refused = life.settle_first(wrong.clone());
        assert!(matches!(refused, Err(Refusal::NotEditable(_))), "{wrong:?}: {refused:?}");
        assert_eq!(life.task.open().len(), 1, "the question is still open");
    }
    let mut life = Life::running();
    life.review(1, Verdict::Escalate).unwrap();
    life.ask_as(1, 1, Form::Fixed).unwrap();
    assert!(matches!(life.settle_first(edited(9)), Err(Refusal::NotEditable(_))));
    let mut life = Life::running();
    life.ask_for_more().unwrap();
    assert!(matches!(life.settle_first(edited(9)), Err(Refusal::NotEditable(_))));
    let mut life = asking();
    life.second += EXPIRY_SECONDS;
    life.settle_first(edited(9)).unwrap();
    let id = ApprovalId::from_entropy(u128::from(life.asked));
    assert_eq!(life.task.settlement(&id), Some(&Settlement::Expired), "too late is no answer");
}

#[test]
fn a_change_survives_a_crash_at_any_moment_before_it_runs() {
    for reviewed_before in [0, 1, 2] {
        let mut life = asking();
        life.settle_first(edited(9)).unwrap();
        if reviewed_before > 0 {
            life.refuse(1, 1).unwrap();
        }
        if reviewed_before > 1 {
            life.review(9, Verdict::Escalate).unwrap();
        }
        let events = life.give(Command::Recover).unwrap();
        let kinds: Vec<_> = events.iter().map(Event::kind).collect();
        assert_eq!(kinds, ["run-suspended", "task-queued"]);
        let started = life.give(Command::Start).unwrap();
        let Some(ToWorker::Start { assignment }) = effect(&life.task, &started[0]) else {
            panic!()
        };
        assert_eq!(assignment.answers.len(), 1);
        assert_eq!(
            (&assignment.answers[0].digest, &assignment.answers[0].settlement),
            (&digest(1), &edited(9))
        );
        life.ready();
        let id = life.task.next_action().0;
        life.review(1, Verdict::Escalate).unwrap();
        life.refuse(id, 1).unwrap();
        life.review(9, Verdict::Escalate).unwrap();
        life.start(id + 1, 9).unwrap();
        life.finish(id + 1, 9).unwrap();
        assert!(life.task.unacted().is_empty());
    }
}
