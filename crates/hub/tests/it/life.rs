//! A task from its hand-over to its end, and what is refused at the door.

use gatepost_domain::Outcome;
use gatepost_domain::Principal;
use gatepost_domain::TaskId;
use gatepost_domain::Verdict;
use gatepost_domain::changes::DeliveryKind;
use gatepost_domain::changes::DeliveryResult;
use gatepost_domain::dispatch::Report;
use gatepost_domain::dispatch::ToWorker;
use gatepost_domain::lifecycle::State;
use gatepost_domain::request::DeliveryReceipt;
use gatepost_domain::request::NewTask;
use gatepost_domain::request::RequestError;
use gatepost_domain::request::RequestErrorKind;
use gatepost_hub::ReportError;

use crate::world::World;
use crate::world::new_task;

#[tokio::test(start_paused = true)]
async fn a_whole_life_is_on_the_disk_before_anybody_hears_of_it() {
    let world = World::new();
    let mut up = world.up();
    let mut watch = up.hub.watch();
    let receipt = up.hub.submit(Principal::console(), new_task("$ step")).await.unwrap();
    assert_eq!(receipt.ahead, 0);
    let id = receipt.id;
    let queued = ["task-received", "task-queued", "run-started"];
    assert_eq!(world.kinds(&id), queued, "durable when the receipt is there");
    let mut run = up.worker.started().await;
    assert_eq!(up.state(&id).await, State::Preparing);
    run.ready().await;
    let action = run.review("step", Verdict::Allow).await;
    run.start_action(action, "step").await.unwrap();
    assert_eq!(world.kinds(&id).last(), Some(&"action-started"), "durable before it starts");
    assert_eq!(up.state(&id).await, State::Running);
    run.finish_action(action, "step").await;
    run.ended().await;
    assert_eq!(up.state(&id).await, State::Finishing);
    run.changed().await;
    assert_eq!(up.outcome(&id).await, Outcome::Succeeded);

    let deliver = up.hub.deliver(Principal::console(), id.clone(), DeliveryKind::Apply);
    let made = async {
        let told = up.worker.next().await;
        assert!(matches!(told, ToWorker::Deliver { .. }), "{told:?}");
        assert_eq!(world.kinds(&id).last(), Some(&"delivery-requested"));
        let result = DeliveryResult::Applied { paths: 1, refused: 0 };
        run.report(Report::Delivered { result: result.clone() }).await.unwrap();
        result
    };
    let (receipt, result) = tokio::join!(deliver, made);
    assert_eq!(receipt.unwrap(), DeliveryReceipt::Done(result));

    let detail = up.hub.task(id.clone()).await.unwrap();
    let kinds: Vec<_> = detail.records.iter().map(|record| record.event.kind()).collect();
    assert_eq!(kinds, world.kinds(&id));
    let mut watched = Vec::new();
    while watched.len() < kinds.len() {
        watched.push(watch.next().await.unwrap().event.kind());
    }
    assert_eq!(watched, kinds, "a watcher sees the same, in order");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_taken_is_refused_with_a_hint_and_leaves_nothing() {
    let world = World::new();
    let up = world.up();
    let with = |change: fn(&mut NewTask)| {
        let mut task = new_task("$ true");
        change(&mut task);
        task
    };
    for (task, wanted, hint) in [
        (new_task(""), "empty", "say what"),
        (new_task(" \n\t "), "empty", "say what"),
        (new_task("$ echo \0"), "NUL", "printf"),
        (new_task(&"x".repeat(70_000)), "70000 bytes", "file"),
        (with(|task| task.project = Some("dmeo".into())), "`dmeo`", "did you mean `demo`?"),
        (with(|task| task.project = Some("zzz".into())), "`zzz`", "`demo`, `other`, `third`"),
        (with(|task| task.agent = Some("runbok".into())), "`runbok`", "did you mean `runbook`?"),
    ] {
        let error = up.hub.submit(Principal::console(), task).await.unwrap_err();
        assert_eq!(error.kind, RequestErrorKind::Invalid, "{error:?}");
        assert!(error.message.contains(wanted), "{error:?}");
        assert!(error.hint.contains(hint), "{error:?}");
    }
    assert_eq!(world.records().len(), 1, "only the start is recorded");
    assert!(up.hub.tasks().await.unwrap().is_empty());
    let odd = "```\ncat > out <<'EOF'\n\u{1}\u{fffd}\u{7f}\nEOF\n```";
    up.hub.submit(Principal::console(), new_task(odd)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_finished_task_is_run_again_as_a_task_of_its_own() {
    let world = World::new();
    let mut up = world.up();
    let run = up.running("$ first").await;
    let by = Principal::terminal();
    let error = up.hub.retry(by.clone(), run.task.clone()).await.unwrap_err();
    assert_eq!(error.kind, RequestErrorKind::Conflict);
    assert!(error.message.contains("running"), "{error}");
    run.end().await;
    let again = up.hub.retry(by.clone(), run.task.clone()).await.unwrap();
    assert_ne!(again.id, run.task);
    let assignment = up.worker.assignment().await;
    assert_eq!(assignment.task, again.id);
    assert_eq!(assignment.spec.text, "$ first");
    assert_eq!(assignment.spec.retry_of, Some(run.task));
    assert_eq!(assignment.spec.requester, by);
    let newest: Vec<_> =
        up.hub.tasks().await.unwrap().iter().map(|task| task.id().clone()).collect();
    assert!(newest.contains(&again.id) && newest.len() == 2);
}

#[tokio::test(start_paused = true)]
async fn the_list_is_newest_first() {
    let world = World::new();
    let up = world.up();
    let mut ids = Vec::new();
    for text in ["one", "two", "three"] {
        ids.insert(0, up.submit(text).await);
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let listed: Vec<_> =
        up.hub.tasks().await.unwrap().iter().map(|task| task.id().clone()).collect();
    assert_eq!(listed, ids);
    assert_eq!(up.hub.projects(), ["demo", "other", "third"]);
}

#[tokio::test(start_paused = true)]
async fn messages_reach_the_run_and_the_next_one() {
    let world = World::new();
    let mut up = world.up();
    let run = up.running("$ first").await;
    let by = Principal::console();
    up.hub.message(by.clone(), run.task.clone(), "and more".into()).await.unwrap();
    let told = up.worker.next().await;
    assert!(matches!(told, ToWorker::Message { message, .. } if message.text == "and more"));
    let empty = up.hub.message(by.clone(), run.task.clone(), "  ".into()).await.unwrap_err();
    assert_eq!(empty.kind, RequestErrorKind::Invalid);
    run.ended().await;
    let late = up.hub.message(by.clone(), run.task.clone(), "late".into()).await.unwrap_err();
    assert_eq!(late.kind, RequestErrorKind::Conflict);
    run.changed().await;
    let queued = up.running("$ second").await;
    let waits = up.submit("$ third").await;
    up.hub.message(by, waits.clone(), "before it starts".into()).await.unwrap();
    queued.end().await;
    let assignment = up.worker.assignment().await;
    assert_eq!((assignment.task, assignment.messages), (waits, vec!["before it starts".into()]));
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_not_found() {
    let world = World::new();
    let up = world.up();
    let id = TaskId::from_entropy(99);
    let by = Principal::console();
    let errors: [RequestError; 5] = [
        up.hub.retry(by.clone(), id.clone()).await.unwrap_err(),
        up.hub.message(by.clone(), id.clone(), "x".into()).await.unwrap_err(),
        up.hub.cancel(by.clone(), id.clone()).await.unwrap_err(),
        up.hub.deliver(by, id.clone(), DeliveryKind::Apply).await.unwrap_err(),
        up.hub.task(id.clone()).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind, RequestErrorKind::NotFound, "{error:?}");
        assert!(error.message.contains(id.as_str()), "{error:?}");
    }
    let ended =
        Report::Changes { changes: gatepost_domain::ChangeSet::default(), outbox: Vec::new() };
    let error = up.hub.report(id.clone(), gatepost_domain::RunNumber(1), ended).await.unwrap_err();
    assert_eq!(error, ReportError::UnknownTask { task: id });
}

#[tokio::test(start_paused = true)]
async fn a_report_that_does_not_fit_is_refused_and_not_recorded() {
    let world = World::new();
    let mut up = world.up();
    let mut run = up.running("$ first").await;
    let id = run.review("a", Verdict::Escalate).await;
    let before = world.records().len();
    let error = run.start_action(id, "a").await.unwrap_err();
    assert!(matches!(error, ReportError::Refused(_)), "neither allowed nor answered: {error:?}");
    let id = run.review("b", Verdict::Allow).await;
    run.start_action(id, "b").await.unwrap();
    assert!(run.start_action(id, "b").await.is_err(), "it started before");
    assert_eq!(world.records().len(), before + 2);
    run.end().await;
    let late = run.report(Report::Withdraw { action_id: id }).await.unwrap_err();
    assert!(matches!(late, ReportError::Refused(_)), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_falls_behind_is_cut_off_and_may_watch_anew() {
    let world = World::new();
    let mut up = world.up();
    let mut slow = up.hub.watch();
    let run = up.running("$ first").await;
    for n in 0..1100 {
        let event = gatepost_domain::agent::AgentEvent::Text { text: n.to_string() };
        run.report(Report::AgentReported { event }).await.unwrap();
    }
    assert!(slow.next().await.is_none(), "no gap is hidden");
    assert!(slow.next().await.is_none(), "and it stays so");
    let mut again = up.hub.watch();
    run.end().await;
    assert_eq!(again.next().await.unwrap().event.kind(), "run-ended");
}
