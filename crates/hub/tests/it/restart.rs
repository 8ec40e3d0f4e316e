//! Gatepost ends at a bad moment and starts again: nothing is lost and nothing runs twice.

use std::time::Duration;

use gatepost_domain::Decision;
use gatepost_domain::Outcome;
use gatepost_domain::Principal;
use gatepost_domain::Verdict;
use gatepost_domain::approval::Settlement;
use gatepost_domain::dispatch::Report;
use gatepost_domain::dispatch::ToWorker;
use gatepost_domain::lifecycle::State;
use gatepost_domain::outcome::Reason;
use gatepost_domain::request::Consequence;
use gatepost_hub::ReportError;

use crate::world::TIMEOUT;
use crate::world::World;
use crate::world::digest;
use crate::world::one_change;

#[tokio::test(start_paused = true)]
async fn a_budget_is_raised_for_all_and_a_no_ends_the_task_over_a_restart() {
    for (decision, consequence) in
        [(Decision::Approve, Consequence::Requeued), (Decision::Deny, Consequence::Ends)]
    {
        let world = World::new();
        let mut up = world.up();
        let mut run = up.running("$ x").await;
        run.step("harmless").await;
        let id = run.ask_for_more().await;
        up.down().await;

        let mut up = world.up();
        let by = Principal::console();
        let answered = up.hub.answer(by.clone(), id.clone(), decision, None).await.unwrap();
        assert_eq!(answered.consequence, consequence);
        match up.worker.next().await {
            ToWorker::Raise { raise, .. } if decision == Decision::Approve => {
                assert_eq!(raise.to.tokens, Some(10));
                assert_eq!(up.worker.assignment().await.resume.as_deref(), Some("at 2"));
            }
            ToWorker::Collect { task, .. } if decision == Decision::Deny => {
                assert_eq!(task, run.task);
                run.hub = up.hub.clone();
                run.changed().await;
                assert_eq!(up.outcome(&run.task).await, Outcome::Failed);
            }
            other => panic!("{decision:?}: {other:?}"),
        }
        let late = up.hub.answer(by, id, Decision::Approve, None).await.unwrap();
        assert_eq!(late.consequence, Consequence::TooLate);
        up.worker.nothing().await;
        up.down().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_open_question_stays_the_same_and_its_answer_makes_the_task_go_on() {
    let world = World::new();
    let mut up = world.up();
    let mut run = up.running("$ x").await;
    run.step("harmless").await;
    let id = run.ask("risky").await;
    let before = up.hub.approvals().await.unwrap();
    up.down().await;

    let mut up = world.up();
    assert_eq!(up.hub.approvals().await.unwrap(), before, "id, digest and expiry are kept");
    assert_eq!(up.state(&run.task).await, State::AwaitingApproval);
    let behind = up.submit("$ behind").await;
    up.worker.nothing().await;
    let by = Principal::console();
    let answered = up.hub.answer(by.clone(), id.clone(), Decision::Approve, None).await.unwrap();
    assert_eq!(answered.consequence, Consequence::Requeued);
    let assignment = up.worker.assignment().await;
    assert_eq!((&assignment.task, assignment.run.0), (&run.task, 2));
    assert_eq!(assignment.resume.as_deref(), Some("at 2"));
    assert_eq!(assignment.next_action.0, 3, "numbers are never used again");
    assert_eq!(assignment.answers.len(), 1);
    assert_eq!(assignment.answers[0].digest, digest("risky"));
    assert!(assignment.answers[0].settlement.approves());
    let again = up.hub.answer(by, id, Decision::Deny, None).await.unwrap();
    assert_eq!(again.consequence, Consequence::TooLate);

    let stale =
        Report::Ended { outcome: Outcome::Succeeded, reason: Reason::Completed, resume: None };
    let stale = up.hub.report(run.task.clone(), run.run, stale).await.unwrap_err();
    assert!(matches!(stale, ReportError::Refused(_)), "the dead run speaks no more: {stale:?}");
    let mut next = crate::world::Run {
        hub: up.hub.clone(),
        run: assignment.run,
        next: assignment.next_action,
        ..run
    };
    next.ready().await;
    let action = next.review("risky", Verdict::Escalate).await;
    next.start_action(action, "risky").await.unwrap();
    next.finish_action(action, "risky").await;
    next.end().await;
    assert_eq!(up.worker.started().await.task, behind);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_no_action_followed_is_handed_to_the_next_run() {
    let world = World::new();
    let mut up = world.up();
    let (_run, id) = up.asking("risky").await;
    let by = Principal::console();
    let reason = Some("not today".to_owned());
    up.hub.answer(by.clone(), id, Decision::Deny, reason.clone()).await.unwrap();
    up.down().await;
    let mut up = world.up();
    let assignment = up.worker.assignment().await;
    let denied = Settlement::Person { who: by, decision: Decision::Deny, reason };
    assert_eq!(assignment.answers[0].settlement, denied);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_died_at_work_is_interrupted_and_its_changes_are_kept() {
    let world = World::new();
    let mut up = world.up();
    let mut run = up.running("$ x").await;
    let action = run.review("sleep 300", Verdict::Allow).await;
    run.start_action(action, "sleep 300").await.unwrap();
    let queued = up.submit("$ later").await;
    up.down().await;

    let mut up = world.up();
    assert!(matches!(up.worker.next().await, ToWorker::Collect { task, .. } if task == run.task));
    up.worker.nothing().await;
    let run = crate::world::Run { hub: up.hub.clone(), ..run };
    assert!(run.start_action(action, "sleep 300").await.is_err(), "it is not started again");
    run.report(Report::Changes { changes: one_change(), outbox: Vec::new() }).await.unwrap();
    let task = up.hub.task(run.task.clone()).await.unwrap().task;
    let during = Some("sleep 300".to_owned());
    assert_eq!(task.outcome(), Some((Outcome::Interrupted, &Reason::GatepostEnded { during })));
    assert_eq!(task.changes(), Some(&one_change()));
    assert_eq!(up.worker.started().await.task, queued, "what waited runs");
    let again = up.hub.retry(Principal::console(), run.task).await.unwrap();
    assert_eq!(again.ahead, 1);
}

#[tokio::test(start_paused = true)]
async fn a_collection_that_was_cut_off_is_asked_for_again() {
    let world = World::new();
    let mut up = world.up();
    let run = up.running("$ x").await;
    run.ended().await;
    for _ in 0..2 {
        up.down().await;
        up = world.up();
        assert!(matches!(up.worker.next().await, ToWorker::Collect { .. }));
    }
    let run = crate::world::Run { hub: up.hub.clone(), ..run };
    run.changed().await;
    assert_eq!(up.outcome(&run.task).await, Outcome::Succeeded);
    up.down().await;
    let mut up = world.up();
    up.worker.nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_question_that_ran_out_while_gatepost_was_down_is_denied_at_once() {
    let mut world = World::new();
    let mut up = world.up();
    let (run, id) = up.asking("risky").await;
    up.down().await;
    world.sleep(TIMEOUT + Duration::from_secs(1));
    let mut up = world.up();
    assert!(up.hub.approvals().await.unwrap().is_empty());
    let assignment = up.worker.assignment().await;
    assert_eq!(assignment.task, run.task, "the agent is told by its next run");
    assert_eq!(assignment.answers[0].settlement, Settlement::Expired);
    let late = up.hub.answer(Principal::console(), id, Decision::Approve, None).await.unwrap();
    assert_eq!(late.settlement, Settlement::Expired);
}

#[tokio::test(start_paused = true)]
async fn a_question_that_runs_out_after_the_restart_still_does() {
    let mut world = World::new();
    let mut up = world.up();
    let (_run, _id) = up.asking("risky").await;
    up.down().await;
    world.sleep(TIMEOUT / 2);
    let mut up = world.up();
    up.worker.nothing().await;
    tokio::time::sleep(TIMEOUT / 2 + Duration::from_secs(2)).await;
    assert_eq!(up.worker.assignment().await.answers[0].settlement, Settlement::Expired);
}

#[tokio::test(start_paused = true)]
async fn the_queue_keeps_its_order_even_within_one_moment() {
    let world = World::new();
    let mut up = world.up();
    let run = up.running("$ x").await;
    let mut ids = Vec::new();
    for n in 0..12 {
        // The clock stands still: nothing but the journal's order tells them apart.
        ids.push(up.submit(&format!("$ {n}")).await);
    }
    up.down().await;
    let mut up = world.up();
    let taken_up = up.worker.started().await;
    assert_eq!(taken_up.task, run.task, "what had begun goes first");
    taken_up.ready().await;
    taken_up.end().await;
    for id in ids {
        let run = up.worker.started().await;
        assert_eq!(run.task, id);
        run.ready().await;
        run.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn missing_views_and_a_project_that_was_removed_do_not_matter() {
    let mut world = World::new();
    let mut up = world.up();
    let done = up.finished("$ done").await;
    let _other = up.submit_to("other", "$ other").await;
    up.worker.started().await;
    let waits = up.submit_to("other", "$ waits").await;
    let detail = up.hub.task(done.clone()).await.unwrap();
    up.down().await;
    std::fs::remove_dir_all(world.dir.join("views")).unwrap();
    world.config.projects.remove("other");
    let mut up = world.up();
    assert_eq!(up.hub.task(done).await.unwrap(), detail);
    let run = up.worker.started().await;
    run.ready().await;
    run.end().await;
    assert_eq!(up.worker.started().await.task, waits, "it was taken, so it runs");
    let error = up.hub.retry(Principal::console(), run.task).await.unwrap_err();
    assert!(error.message.contains("`other`"), "but nothing new begins there: {error}");
}
