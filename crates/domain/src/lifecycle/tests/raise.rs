//! A spent budget in the life of a task.

use super::*;
use crate::budget::Limit;
use crate::budget::Purse;

fn raise() -> Raise {
    let limit = |tokens| Limit { cost: None, tokens: Some(tokens) };
    Raise { of: Purse::Task, from: limit(5), to: limit(10) }
}

impl Life {
    pub(super) fn ask_for_more(&mut self) -> Result<Vec<Event>, Refusal> {
        let action = Action::Raise(raise());
        let spent = Judgement { reason: "spent".into(), ..judgement(Verdict::Escalate) };
        self.report(Report::Ask {
            action_id: self.task.next_action(),
            digest: action.digest(&[]),
            action,
            bound: vec![],
            diff: None,
            form: Form::Fixed,
            judgement: spent,
            resume: "there".into(),
        })
    }

    /// A task whose run is gone while it waits for a larger budget, after it has done something.
    fn suspended() -> Self {
        let mut life = Self::running();
        life.review(1, Verdict::Allow).unwrap();
        life.start(1, 1).unwrap();
        life.finish(1, 1).unwrap();
        life.ask_for_more().unwrap();
        life.give(Command::Recover).unwrap();
        assert_eq!(life.task.state(), State::AwaitingApproval);
        life
    }
}

fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Event::kind).collect()
}

#[test]
fn a_budget_is_raised_by_a_person_before_the_run_hears_of_it() {
    for decision in [Decision::Approve, Decision::ApproveForTask] {
        let mut life = Life::running();
        life.ask_for_more().unwrap();
        assert!(life.start(1, 1).is_err(), "it is no action that could start");
        let events = life.settle_first(person(decision)).unwrap();
        assert_eq!(kinds(&events), ["budget-raised", "approval-decided"]);
        let told: Vec<_> = events.iter().filter_map(|event| effect(&life.task, event)).collect();
        let [ToWorker::Raise { raise: told, .. }, ToWorker::Settled { .. }] = told.as_slice()
        else {
            panic!("{told:?}")
        };
        assert_eq!(*told, raise());
        assert!(life.task.grants().is_empty() && life.task.unacted().is_empty());
        // The number is taken.
        life.review(1, Verdict::Allow).unwrap();
        assert_eq!(life.task.next_action(), ActionId(3));
    }
    for settlement in [person(Decision::Deny), Settlement::Expired] {
        let mut life = Life::running();
        life.ask_for_more().unwrap();
        let events = life.settle_first(settlement).unwrap();
        assert_eq!(kinds(&events), ["approval-decided"], "the run ends by itself");
    }
}

#[test]
fn a_raise_after_a_crash_goes_on_where_it_stood_until_something_runs() {
    let mut life = Life::suspended();
    let events = life.settle_first(person(Decision::Approve)).unwrap();
    assert_eq!(kinds(&events), ["budget-raised", "approval-decided", "task-queued"]);
    let started = life.give(Command::Start).unwrap();
    let Some(ToWorker::Start { assignment }) = effect(&life.task, &started[0]) else { panic!() };
    assert_eq!(assignment.resume.as_deref(), Some("there"));
    assert!(assignment.answers.is_empty());
    life.ready();
    let mut later = Life { events: Vec::new(), task: life.task.clone(), ..life };
    let events = later.give(Command::Recover).unwrap();
    assert_eq!(kinds(&events), ["run-suspended", "task-queued"], "nothing has run since");
    later.give(Command::Start).unwrap();
    later.ready();
    later.review(2, Verdict::Allow).unwrap();
    later.start(3, 2).unwrap();
    later.finish(3, 2).unwrap();
    let events = later.give(Command::Recover).unwrap();
    assert_eq!(kinds(&events), ["run-ended"], "going on from there would run it twice");
}

#[test]
fn a_no_after_a_crash_ends_the_task_without_another_run() {
    let mut life = Life::suspended();
    let events = life.settle_first(person(Decision::Deny)).unwrap();
    assert_eq!(kinds(&events), ["approval-decided", "run-ended"]);
    assert!(matches!(unfinished_business(&life.task), Some(ToWorker::Collect { .. })));
    life.report(Report::Changes { changes: one_change(), outbox: Vec::new() }).unwrap();
    let limit = "spent, and console:owner did not raise it".to_owned();
    let ended = (Outcome::Failed, &Reason::LimitReached { limit });
    assert_eq!(life.task.outcome(), Some(ended));
}
