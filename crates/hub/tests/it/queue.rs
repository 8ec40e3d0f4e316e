//! Who runs when: one writer at a time in a project, so many runs at once, in the order they came.

use gatepost_domain::Principal;
use gatepost_domain::lifecycle::State;
use gatepost_domain::request::NewTask;
use gatepost_domain::request::RequestErrorKind;

use crate::world::World;
use crate::world::new_task;

fn of(project: &str) -> NewTask {
    NewTask { project: Some(project.into()), ..new_task("$ x") }
}

#[tokio::test(start_paused = true)]
async fn tasks_of_a_project_run_one_after_another_in_order() {
    let world = World::new();
    let mut up = world.up();
    let mut ids = Vec::new();
    for ahead in 0..4 {
        let receipt = up.hub.submit(Principal::console(), of("demo")).await.unwrap();
        assert_eq!(receipt.ahead, ahead);
        ids.push(receipt.id);
    }
    for id in ids {
        let run = up.worker.started().await;
        assert_eq!(run.task, id);
        run.ready().await;
        run.ended().await;
        up.worker.nothing().await;
        run.changed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn so_many_projects_run_at_once_and_no_more() {
    let world = World::new();
    let mut up = world.up();
    let demo = up.submit_to("demo", "$ x").await;
    let also_demo = up.submit_to("demo", "$ x").await;
    let other = up.submit_to("other", "$ x").await;
    let third = up.submit_to("third", "$ x").await;
    let (one, two) = (up.worker.started().await, up.worker.started().await);
    assert_eq!([&one.task, &two.task], [&demo, &other]);
    up.worker.nothing().await;
    assert_eq!(up.state(&third).await, State::Queued);
    two.ready().await;
    two.end().await;
    assert_eq!(up.worker.started().await.task, third, "the other project is held");
    one.ready().await;
    one.end().await;
    assert_eq!(up.worker.started().await.task, also_demo);
}

#[tokio::test(start_paused = true)]
async fn two_names_of_one_directory_are_one_project() {
    let mut world = World::new();
    world.config.projects.insert("alias".into(), "/srv/demo".into());
    let mut up = world.up();
    up.submit_to("demo", "$ x").await;
    let receipt = up.hub.submit(Principal::console(), of("alias")).await.unwrap();
    assert_eq!(receipt.ahead, 1);
    up.worker.started().await;
    up.worker.nothing().await;
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_a_free_project_does_not_need_it() {
    let mut world = World::new();
    world.config.max_queued = 2;
    let mut up = world.up();
    let submit = |project: &str| up.hub.submit(Principal::console(), of(project));
    for _ in 0..3 {
        submit("demo").await.unwrap();
    }
    let error = submit("demo").await.unwrap_err();
    assert_eq!(error.kind, RequestErrorKind::Full);
    assert!(error.message.contains("2 tasks wait") && !error.hint.is_empty(), "{error:?}");
    submit("other").await.unwrap();
    assert_eq!(submit("third").await.unwrap_err().kind, RequestErrorKind::Full, "no room to run");
    let run = up.worker.started().await;
    run.ready().await;
    run.end().await;
    up.submit("$ fits again").await;
}

#[tokio::test(start_paused = true)]
async fn a_burst_is_taken_whole_and_in_order() {
    let mut world = World::new();
    world.config.max_queued = 500;
    let mut up = world.up();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..400 {
        all.spawn(up.hub.submit(Principal::console(), of("demo")));
    }
    let mut receipts = Vec::new();
    for receipt in all.join_all().await {
        receipts.push(receipt.unwrap());
    }
    receipts.sort_by_key(|receipt| receipt.ahead);
    let ahead: Vec<_> = receipts.iter().map(|receipt| receipt.ahead).collect();
    assert_eq!(ahead, (0..400).collect::<Vec<_>>(), "everybody has a place of their own");
    for receipt in receipts.iter().take(3) {
        let run = up.worker.started().await;
        assert_eq!(run.task, receipt.id);
        run.ready().await;
        run.end().await;
    }
}
