//! The end: nothing new is taken, what winds down is still recorded, the journal is given back.

use gatepost_domain::Outcome;
use gatepost_domain::Principal;
use gatepost_domain::lifecycle::State;
use gatepost_domain::request::RequestErrorKind;
use gatepost_hub::ConfigError;
use gatepost_hub::HubError;
use gatepost_hub::ReportError;
use gatepost_journal::Journal;
use gatepost_journal::Views;
use gatepost_journal::ViewsNote;

use crate::world::World;
use crate::world::new_task;

#[tokio::test(start_paused = true)]
async fn a_stop_takes_no_request_but_records_what_winds_down() {
    let world = World::new();
    let mut up = world.up();
    let run = up.running("$ x").await;
    let queued = up.submit("$ queued").await;
    up.token.cancel();
    let by = Principal::console();
    let error = up.hub.submit(by.clone(), new_task("$ y")).await.unwrap_err();
    assert_eq!(error.kind, RequestErrorKind::Unavailable);
    assert_eq!(error.message, "gatepost is stopping");
    assert!(up.hub.cancel(by.clone(), queued.clone()).await.is_err());
    assert!(up.hub.tasks().await.is_err());
    run.end().await;
    let mut watch = up.hub.watch();
    up.hub.close().await.unwrap();
    assert!(watch.next().await.is_none());
    assert!(up.hub.watch().next().await.is_none());
    assert_eq!(run.report(crate::world::question(run.next, "x")).await, Err(ReportError::Stopping));
    up.hub.close().await.unwrap();
    assert!(up.worker.told.try_recv().is_err(), "no run begins any more");

    let (journal, _) = Journal::open(&world.dir).unwrap();
    let (views, note) = Views::open(&world.dir, &journal).unwrap();
    assert_eq!(note, ViewsNote::Current, "the views were written");
    drop((journal, views));
    let mut up = world.up();
    assert_eq!(up.outcome(&run.task).await, Outcome::Succeeded);
    assert_eq!(up.worker.started().await.task, queued);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_the_end_is_still_taken() {
    let world = World::new();
    let up = world.up();
    let submits: Vec<_> =
        (0..20).map(|_| up.hub.submit(Principal::console(), new_task("$ x"))).collect();
    let all = async {
        let mut taken = 0;
        for submit in submits {
            taken += usize::from(submit.await.is_ok());
        }
        taken
    };
    let (taken, closed) = tokio::join!(all, up.hub.close());
    closed.unwrap();
    let received =
        world.records().iter().filter(|record| record.event.kind() == "task-received").count();
    assert_eq!(taken, received, "what was acknowledged is there, and nothing else");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_reads_nothing_holds_up_nobody() {
    let mut world = World::new();
    world.room = 1;
    let mut up = world.up();
    let mut run = up.running("$ x").await;
    for n in 0..50 {
        let by = Principal::console();
        up.hub.message(by, run.task.clone(), format!("message {n}")).await.unwrap();
    }
    let step = tokio::time::timeout(std::time::Duration::from_secs(1), run.step("still")).await;
    step.expect("a report is taken though the worker is not reading");
    let mut texts = Vec::new();
    for _ in 0..50 {
        match up.worker.next().await {
            gatepost_domain::dispatch::ToWorker::Message { message, .. } => {
                texts.push(message.text)
            }
            other => panic!("not a message: {other:?}"),
        }
    }
    assert_eq!(texts.first().unwrap(), "message 0");
    assert_eq!(texts.last().unwrap(), "message 49");
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_is_gone_does_not_take_the_hub_with_it() {
    let world = World::new();
    let mut up = world.up();
    up.worker.told.close();
    let id = up.submit("$ x").await;
    assert_eq!(up.state(&id).await, State::Preparing);
    up.down().await;
    let mut up = world.up();
    assert_eq!(up.worker.started().await.task, id, "the next start takes it up");
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_cannot_work_is_refused_at_the_start() {
    let refused = |change: fn(&mut World)| {
        let mut world = World::new();
        change(&mut world);
        match world.try_up() {
            Err(HubError::Config(error)) => error,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("it started"),
        }
    };
    assert_eq!(refused(|world| world.config.projects.clear()), ConfigError::NoProject);
    let error = refused(|world| world.config.default_project = Some("nope".into()));
    assert!(error.to_string().contains("`nope`"), "{error}");
    let error = refused(|world| world.config.default_agent = "nobody".into());
    assert!(error.to_string().contains("`nobody`"), "{error}");
    let error = refused(|world| {
        world.config.projects.insert("rel".into(), "srv/rel".into());
    });
    assert!(error.to_string().contains("`srv/rel`"), "{error}");
    assert_eq!(refused(|world| world.config.max_running = 0), ConfigError::NoRoom);
}
