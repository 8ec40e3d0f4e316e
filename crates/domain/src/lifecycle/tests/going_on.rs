//! A task that is over goes on.

use super::*;

#[test]
fn a_task_that_is_over_goes_on_with_a_message() {
    let mut life = Life::running();
    life.say("never push").unwrap();
    life.end(Outcome::Succeeded, Some("the end"));
    life.give(Command::Deliver { how: DeliveryKind::Apply, by: Principal::console() }).unwrap();
    let early = life.say("and the docs").unwrap_err();
    assert!(early.to_string().contains("being delivered"), "{early}");
    let result = DeliveryResult::Applied { paths: 1, refused: 0 };
    life.report(Report::Delivered { result }).unwrap();
    life.say("and the docs").unwrap();
    assert_eq!((life.task.state(), life.task.outcome()), (State::Queued, None));
    life.give(Command::Cancel { by: Principal::console() }).unwrap();
    let again = Command::Deliver { how: DeliveryKind::Apply, by: Principal::console() };
    let refused = life.give(again).unwrap_err();
    assert!(refused.to_string().contains("applied already"), "nothing ran since: {refused}");
    life.say("do go on").unwrap();
    let assignment = life.begin();
    assert_eq!((assignment.run, assignment.left), (RunNumber(2), Left::Ended));
    assert_eq!(assignment.resume.as_deref(), Some("the end"));
    let said: Vec<_> = assignment.messages.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(said, ["never push", "and the docs", "do go on"]);
    assert_eq!(assignment.boundaries.len(), 1, "a boundary holds until it is lifted");
    // Cut before it did anything, it begins again at the same place.
    life.give(Command::Recover).unwrap();
    let again = life.begin();
    assert_eq!((again.resume.as_deref(), again.left), (Some("the end"), Left::Ended));
    take(&mut life, Step::Ready).unwrap();
    life.end(Outcome::Failed, Some("the second end"));
    life.give(Command::Deliver { how: DeliveryKind::Apply, by: Principal::console() }).unwrap();
}

#[test]
fn only_an_interrupted_task_is_resumed_where_it_was_cut() {
    let mut life = Life::running();
    life.review(1, Verdict::Allow).unwrap();
    life.start(1, 1).unwrap();
    life.give(Command::Recover).unwrap();
    life.report(Report::Changes { changes: one_change(), outbox: vec![] }).unwrap();
    assert_eq!(life.task.outcome().map(|(outcome, _)| outcome), Some(Outcome::Interrupted));
    life.give(Command::Resume { by: Principal::console() }).unwrap();
    assert!(life.give(Command::Resume { by: Principal::console() }).is_err(), "once");
    assert_eq!(life.begin().left, Left::Cut);
    take(&mut life, Step::Ready).unwrap();
    assert!(life.start(1, 1).is_err(), "what started once does not start again");
    life.end(Outcome::Succeeded, None);
    let refused = life.give(Command::Resume { by: Principal::console() }).unwrap_err();
    assert!(refused.to_string().contains("send it a message"), "{refused}");
    life.say("go on").unwrap();
}
