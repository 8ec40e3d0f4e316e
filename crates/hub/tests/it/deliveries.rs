//! Deliveries write the project, so they take their turn; a wish for one is never lost.

use std::time::Duration;

use gatepost_domain::Principal;
use gatepost_domain::RunNumber;
use gatepost_domain::TaskId;
use gatepost_domain::changes::DeliveryKind;
use gatepost_domain::changes::DeliveryResult;
use gatepost_domain::dispatch::Report;
use gatepost_domain::dispatch::ToWorker;
use gatepost_domain::lifecycle::Delivery;
use gatepost_domain::request::DeliveryReceipt;
use gatepost_domain::request::RequestErrorKind;

use crate::world::Up;
use crate::world::Worker;
use crate::world::World;

const APPLIED: DeliveryResult = DeliveryResult::Applied { paths: 1, refused: 0 };

async fn deliver(up: &Up, id: &TaskId, how: DeliveryKind) -> DeliveryReceipt {
    let made = up.hub.deliver(Principal::console(), id.clone(), how);
    tokio::time::timeout(Duration::from_secs(20), made).await.expect("it waits").unwrap()
}

async fn delivery(worker: &mut Worker) -> TaskId {
    match worker.next().await {
        ToWorker::Deliver { task, .. } => task,
        other => panic!("not a delivery: {other:?}"),
    }
}

async fn delivered(up: &Up, id: &TaskId, result: DeliveryResult) {
    up.hub.report(id.clone(), RunNumber(1), Report::Delivered { result }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_told_and_may_be_tried_again() {
    let world = World::new();
    let mut up = world.up();
    let id = up.finished("$ x").await;
    for result in [DeliveryResult::Conflict { path: "a".into() }, APPLIED] {
        let (receipt, ()) = tokio::join!(
            up.hub.deliver(Principal::console(), id.clone(), DeliveryKind::Apply),
            async {
                assert_eq!(delivery(&mut up.worker).await, id);
                let report = Report::Delivered { result: result.clone() };
                up.hub.report(id.clone(), RunNumber(1), report).await.unwrap();
            }
        );
        assert_eq!(receipt.unwrap(), DeliveryReceipt::Done(result));
    }
    let by = Principal::console();
    let again = up.hub.deliver(by, id, DeliveryKind::Apply).await.unwrap_err();
    assert_eq!(again.kind, RequestErrorKind::Conflict);
    assert!(again.message.contains("applied already"), "{again}");
}

#[tokio::test(start_paused = true)]
async fn a_delivery_waits_for_the_run_and_goes_before_new_tasks() {
    let world = World::new();
    let mut up = world.up();
    let first = up.finished("$ first").await;
    let second = up.finished("$ second").await;
    let run = up.running("$ third").await;
    let fourth = up.submit("$ fourth").await;
    assert_eq!(deliver(&up, &second, DeliveryKind::Apply).await, DeliveryReceipt::Queued);
    assert_eq!(deliver(&up, &first, DeliveryKind::Branch).await, DeliveryReceipt::Queued);
    let by = Principal::console();
    let twice = up.hub.deliver(by, first.clone(), DeliveryKind::Apply).await.unwrap_err();
    assert_eq!(twice.kind, RequestErrorKind::Conflict);
    up.worker.nothing().await;
    run.end().await;
    assert_eq!(delivery(&mut up.worker).await, second, "in the order they were asked for");
    up.worker.nothing().await;
    delivered(&up, &second, APPLIED).await;
    assert_eq!(delivery(&mut up.worker).await, first);
    up.worker.nothing().await;
    delivered(&up, &first, DeliveryResult::Failed { reason: "no".into() }).await;
    assert_eq!(up.worker.started().await.task, fourth);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_in_another_project_waits_for_nobody() {
    let mut world = World::new();
    world.config.max_running = 1;
    let mut up = world.up();
    let id = up.finished("$ x").await;
    up.submit_to("other", "$ y").await;
    up.worker.started().await;
    let (receipt, ()) = tokio::join!(
        up.hub.deliver(Principal::console(), id.clone(), DeliveryKind::Apply),
        async {
            assert_eq!(delivery(&mut up.worker).await, id);
            let report = Report::Delivered { result: APPLIED };
            up.hub.report(id.clone(), RunNumber(1), report).await.unwrap();
        }
    );
    assert_eq!(receipt.unwrap(), DeliveryReceipt::Done(APPLIED));
}

#[tokio::test(start_paused = true)]
async fn discarding_needs_no_project() {
    let world = World::new();
    let mut up = world.up();
    let id = up.finished("$ x").await;
    let _run = up.running("$ y").await;
    let (receipt, ()) = tokio::join!(
        up.hub.deliver(Principal::console(), id.clone(), DeliveryKind::Discard),
        async {
            assert_eq!(delivery(&mut up.worker).await, id);
            let report = Report::Delivered { result: DeliveryResult::Discarded };
            up.hub.report(id.clone(), RunNumber(1), report).await.unwrap();
        }
    );
    assert_eq!(receipt.unwrap(), DeliveryReceipt::Done(DeliveryResult::Discarded));
}

#[tokio::test(start_paused = true)]
async fn wishes_outlive_a_restart_and_are_made_one_after_another_in_order() {
    let world = World::new();
    let mut up = world.up();
    let first = up.finished("$ first").await;
    let second = up.finished("$ second").await;
    let mut run = up.running("$ third").await;
    run.step("act").await;
    assert_eq!(deliver(&up, &second, DeliveryKind::Apply).await, DeliveryReceipt::Queued);
    assert_eq!(deliver(&up, &first, DeliveryKind::Apply).await, DeliveryReceipt::Queued);
    up.down().await;

    let mut up = world.up();
    assert!(matches!(up.worker.next().await, ToWorker::Collect { task, .. } if task == run.task));
    up.worker.nothing().await;
    let run = crate::world::Run { hub: up.hub.clone(), ..run };
    run.changed().await;
    assert_eq!(delivery(&mut up.worker).await, second);
    up.down().await;

    let mut up = world.up();
    assert_eq!(delivery(&mut up.worker).await, second, "it may not have been made");
    up.worker.nothing().await;
    delivered(&up, &second, APPLIED).await;
    assert_eq!(delivery(&mut up.worker).await, first);
    delivered(&up, &first, APPLIED).await;
    let task = up.hub.task(first).await.unwrap().task;
    assert_eq!(task.delivery(), &Delivery::Done { result: APPLIED });
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_taken_up_again_goes_before_a_delivery() {
    let world = World::new();
    let mut up = world.up();
    let done = up.finished("$ first").await;
    let (run, question) = up.asking("risky").await;
    assert_eq!(deliver(&up, &done, DeliveryKind::Apply).await, DeliveryReceipt::Queued);
    up.down().await;
    let mut up = world.up();
    up.worker.nothing().await;
    let by = Principal::console();
    up.hub.answer(by, question, gatepost_domain::Decision::Approve, None).await.unwrap();
    let taken_up = up.worker.started().await;
    assert_eq!(taken_up.task, run.task, "the project is not changed under its workspace");
    up.worker.nothing().await;
    taken_up.ready().await;
    taken_up.end().await;
    assert_eq!(delivery(&mut up.worker).await, done);
}
