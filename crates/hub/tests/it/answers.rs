//! Questions and their answers: once, in time, and with the truth to whoever comes late.

use std::time::Duration;

use gatepost_domain::ApprovalId;
use gatepost_domain::Decision;
use gatepost_domain::Outcome;
use gatepost_domain::Principal;
use gatepost_domain::Verdict;
use gatepost_domain::approval::Settlement;
use gatepost_domain::dispatch::ToWorker;
use gatepost_domain::lifecycle::State;
use gatepost_domain::request::Consequence;
use gatepost_domain::request::RequestErrorKind;
use gatepost_hub::MAX_REASON;

use crate::world::TIMEOUT;
use crate::world::World;

fn settlement(told: ToWorker) -> Settlement {
    match told {
        ToWorker::Settled { settlement, .. } => settlement,
        other => panic!("not an answer: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_approved_action_starts_and_a_repeated_tap_hears_so() {
    let world = World::new();
    let mut up = world.up();
    let (run, id) = up.asking("risky").await;
    assert_eq!(up.state(&run.task).await, State::AwaitingApproval);
    let by = Principal::console();
    let answered = up.hub.answer(by.clone(), id.clone(), Decision::Approve, None).await.unwrap();
    assert_eq!((answered.task, answered.consequence), (run.task.clone(), Consequence::Told));
    assert!(settlement(up.worker.next().await).approves());
    let action = gatepost_domain::ActionId(1);
    run.start_action(action, "risky").await.unwrap();
    for when_finished in [false, true] {
        if when_finished {
            run.end().await;
        }
        let by = Principal::terminal();
        let late = up.hub.answer(by, id.clone(), Decision::Deny, None).await.unwrap();
        assert_eq!(late.consequence, Consequence::TooLate);
        assert_eq!(late.settlement.words(), "approved by console:owner");
        assert_eq!(late.task, run.task);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_person_makes_of_an_action_is_handed_to_the_run_and_is_good_once() {
    let world = World::new();
    let mut up = world.up();
    let (mut run, id) = up.asking("risky").await;
    let by = Principal::console();
    let edit = |text: &str| up.hub.answer_edited(by.clone(), id.clone(), text.to_owned());
    for (wrong, kind) in [
        ("risky", RequestErrorKind::Conflict),
        (" ", RequestErrorKind::Conflict),
        ("a\0b", RequestErrorKind::Invalid),
    ] {
        assert_eq!(edit(wrong).await.unwrap_err().kind, kind, "{wrong:?}");
    }
    assert_eq!(up.state(&run.task).await, State::AwaitingApproval);
    let answered = edit("harmless").await.unwrap();
    assert_eq!(answered.consequence, Consequence::Told);
    let told = settlement(up.worker.next().await);
    let Settlement::Edited { action, .. } = &told else { panic!("{told:?}") };
    assert_eq!(action.subject(), "harmless");
    let late = edit("another").await.unwrap();
    assert_eq!(late.consequence, Consequence::TooLate);
    assert_eq!(late.settlement.words(), "approved, edited by console:owner");
    let asked = gatepost_domain::ActionId(1);
    assert!(run.start_action(asked, "risky").await.is_err(), "it is not what was approved");
    let made = run.review("harmless", Verdict::Escalate).await;
    run.start_action(made, "harmless").await.unwrap();
    run.finish_action(made, "harmless").await;
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_denial_carries_its_reason_and_blanks_are_none() {
    let world = World::new();
    let mut up = world.up();
    let mut run = up.running("$ x").await;
    let cases = [
        (Some("  no hooks please \n".to_owned()), Some("no hooks please".to_owned())),
        (Some("   ".to_owned()), None),
        (None, None),
    ];
    for (given, wanted) in cases {
        let id = run.ask("risky").await;
        let by = Principal::console();
        up.hub.answer(by.clone(), id, Decision::Deny, given).await.unwrap();
        let told = settlement(up.worker.next().await);
        let wanted = Settlement::Person { who: by, decision: Decision::Deny, reason: wanted };
        assert_eq!(told, wanted);
    }
    let id = run.ask("risky").await;
    let long = Some("x".repeat(MAX_REASON + 1));
    let error = up.hub.answer(Principal::console(), id, Decision::Deny, long).await.unwrap_err();
    assert_eq!(error.kind, RequestErrorKind::Invalid);
    assert_eq!(up.hub.approvals().await.unwrap().len(), 1, "and it is still open");
}

#[tokio::test(start_paused = true)]
async fn of_answers_in_one_batch_exactly_one_wins_and_all_hear_the_truth() {
    let world = World::new();
    let mut up = world.up();
    let mut run = up.running("$ x").await;
    for _ in 0..20 {
        let id = run.ask("risky").await;
        let answer = |decision| up.hub.answer(Principal::console(), id.clone(), decision, None);
        let (one, two, three) = tokio::join!(
            answer(Decision::Approve),
            answer(Decision::Deny),
            answer(Decision::ApproveForTask)
        );
        let all = [one.unwrap(), two.unwrap(), three.unwrap()];
        let won = all.iter().filter(|answered| answered.consequence == Consequence::Told).count();
        assert_eq!(won, 1);
        assert!(all.iter().all(|answered| answered.settlement == all[0].settlement));
        assert_eq!(settlement(up.worker.next().await), all[0].settlement);
    }
    up.worker.nothing().await;
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_question_is_denied_when_its_time_is_up() {
    let world = World::new();
    let mut up = world.up();
    let (mut run, first) = up.asking("risky").await;
    tokio::time::sleep(TIMEOUT / 2).await;
    let second = run.ask("later").await;
    let open = up.hub.approvals().await.unwrap();
    let ids: Vec<_> = open.iter().map(|open| open.approval.id.clone()).collect();
    assert_eq!(ids, [first.clone(), second.clone()], "oldest first");
    tokio::time::sleep(TIMEOUT / 2 - Duration::from_secs(1)).await;
    assert_eq!(up.hub.approvals().await.unwrap().len(), 2);
    let asked = tokio::time::Instant::now();
    assert_eq!(settlement(up.worker.next().await), Settlement::Expired);
    assert!(asked.elapsed() <= Duration::from_secs(2), "{:?}", asked.elapsed());
    let late = up.hub.answer(Principal::console(), first, Decision::Approve, None).await.unwrap();
    assert_eq!(late.consequence, Consequence::TooLate);
    assert_eq!(late.settlement, Settlement::Expired);
    let open = up.hub.approvals().await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].approval.id, second, "the other one has its own time");
    run.end().await;
    assert_eq!(up.outcome(&run.task).await, Outcome::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_never_was_is_not_found() {
    let world = World::new();
    let mut up = world.up();
    up.finished("$ x").await;
    let id = ApprovalId::from_entropy(5);
    let error =
        up.hub.answer(Principal::console(), id.clone(), Decision::Deny, None).await.unwrap_err();
    assert_eq!(error.kind, RequestErrorKind::NotFound);
    assert!(error.message.contains(id.as_str()), "{error}");
}
