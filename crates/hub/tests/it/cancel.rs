//! A stop works wherever a task is.

use gatepost_domain::Decision;
use gatepost_domain::Outcome;
use gatepost_domain::Principal;
use gatepost_domain::TaskId;
use gatepost_domain::approval::Settlement;
use gatepost_domain::dispatch::Report;
use gatepost_domain::dispatch::ToWorker;
use gatepost_domain::lifecycle::State;
use gatepost_domain::request::Consequence;
use gatepost_domain::request::RequestErrorKind;

use crate::world::Up;
use crate::world::World;
use crate::world::one_change;

async fn stop(up: &Up, id: &TaskId) {
    up.hub.cancel(Principal::console(), id.clone()).await.unwrap();
}

async fn refused(up: &Up, id: &TaskId) {
    let error = up.hub.cancel(Principal::console(), id.clone()).await.unwrap_err();
    assert_eq!(error.kind, RequestErrorKind::Conflict, "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn while_it_is_queued() {
    let world = World::new();
    let mut up = world.up();
    let run = up.running("$ first").await;
    let queued = up.submit("$ second").await;
    stop(&up, &queued).await;
    assert_eq!(up.outcome(&queued).await, Outcome::Cancelled);
    refused(&up, &queued).await;
    run.end().await;
    up.worker.nothing().await;
}

#[tokio::test(start_paused = true)]
async fn while_it_is_prepared_or_runs() {
    let world = World::new();
    let mut up = world.up();
    for ready in [false, true] {
        let id = up.submit("$ x").await;
        let run = up.worker.started().await;
        if ready {
            run.ready().await;
        }
        stop(&up, &id).await;
        assert!(matches!(up.worker.next().await, ToWorker::Cancel { task, .. } if task == id));
        assert_eq!(up.state(&id).await, State::Cancelling);
        refused(&up, &id).await;
        let next = up.submit("$ waits").await;
        up.worker.nothing().await;
        run.ended().await;
        run.changed().await;
        assert_eq!(up.outcome(&id).await, Outcome::Cancelled, "whatever the run said of its end");
        assert_eq!(up.worker.started().await.task, next);
        stop(&up, &next).await;
        up.worker.next().await;
        let run = gatepost_domain::RunNumber(1);
        for report in [
            Report::Ended {
                outcome: Outcome::Succeeded,
                reason: gatepost_domain::outcome::Reason::Completed,
                resume: None,
            },
            Report::Changes { changes: one_change(), outbox: Vec::new() },
        ] {
            up.hub.report(next.clone(), run, report).await.unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn while_it_waits_for_an_answer() {
    let world = World::new();
    let mut up = world.up();
    let (run, id) = up.asking("risky").await;
    stop(&up, &run.task).await;
    assert!(up.hub.approvals().await.unwrap().is_empty());
    let told = [up.worker.next().await, up.worker.next().await];
    assert!(told.iter().any(|told| matches!(told, ToWorker::Cancel { .. })), "{told:?}");
    run.end().await;
    let late = up.hub.answer(Principal::console(), id, Decision::Approve, None).await.unwrap();
    assert_eq!(late.consequence, Consequence::TooLate);
    assert_eq!(late.settlement, Settlement::Withdrawn);
}

#[tokio::test(start_paused = true)]
async fn while_its_run_is_gone() {
    let world = World::new();
    let mut up = world.up();
    let (run, _) = up.asking("risky").await;
    up.down().await;
    let mut up = world.up();
    stop(&up, &run.task).await;
    assert!(matches!(up.worker.next().await, ToWorker::Collect { .. }), "its changes are kept");
    assert_eq!(up.state(&run.task).await, State::Finishing);
    let changes = Report::Changes { changes: one_change(), outbox: Vec::new() };
    up.hub.report(run.task.clone(), run.run, changes).await.unwrap();
    assert_eq!(up.outcome(&run.task).await, Outcome::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn while_it_waits_to_be_taken_up_again() {
    let mut world = World::new();
    world.config.max_running = 1;
    let mut up = world.up();
    let run = up.running("$ first").await;
    let other = up.submit_to("other", "$ second").await;
    up.down().await;
    // The run had done nothing, so it is taken up; the only place to run is its own again.
    let mut up = world.up();
    assert_eq!(up.worker.started().await.task, run.task);
    assert_eq!(up.state(&other).await, State::Queued);
    stop(&up, &other).await;
    assert_eq!(up.outcome(&other).await, Outcome::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn not_once_it_is_finishing_or_over() {
    let world = World::new();
    let mut up = world.up();
    let run = up.running("$ x").await;
    run.ended().await;
    refused(&up, &run.task).await;
    run.changed().await;
    refused(&up, &run.task).await;
    assert_eq!(up.outcome(&run.task).await, Outcome::Succeeded);
}
