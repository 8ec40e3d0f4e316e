//! Whose turn it is, over made-up boards.

use gatepost_domain::ChangeSet;
use gatepost_domain::Event;
use gatepost_domain::Mode;
use gatepost_domain::Outcome;
use gatepost_domain::Principal;
use gatepost_domain::TaskSpec;
use gatepost_domain::lifecycle::Task;
use gatepost_domain::outcome::Reason;
use jiff::Timestamp;

use super::*;

#[derive(Clone, Copy)]
enum Life {
    New,
    Running,
    /// Its run is gone and it was queued again.
    TakenUp,
    /// It is over and its changes are asked for.
    Asked(DeliveryKind),
}

fn task(number: u128, project: &str, life: Life) -> Task {
    let spec = TaskSpec {
        text: "$ x".into(),
        project: project.into(),
        project_path: format!("/srv/{project}"),
        agent: "runbook".into(),
        mode: Mode::Auto,
        requester: Principal::console(),
        retry_of: None,
        origin: None,
        quoted: Vec::new(),
        attachments: Vec::new(),
    };
    let run = RunNumber(1);
    let mut events = vec![Event::TaskQueued {}];
    let started = Event::RunStarted { run };
    match life {
        Life::New => {}
        Life::Running => events.push(started),
        Life::TakenUp => {
            events.extend([started, Event::RunSuspended { run }, Event::TaskQueued {}]);
        }
        Life::Asked(how) => {
            let (outcome, reason) = (Outcome::Succeeded, Reason::Completed);
            events.extend([
                started,
                Event::RunEnded { run, outcome, reason: reason.clone(), resume: None },
                Event::ChangesCollected { run, changes: ChangeSet::default(), outbox: Vec::new() },
                Event::TaskFinished { outcome, reason },
                Event::DeliveryRequested { how, by: Principal::console() },
            ]);
        }
    }
    let mut task = Task::received(TaskId::from_entropy(number), spec, Timestamp::UNIX_EPOCH);
    for event in events {
        task.apply(&event, Timestamp::UNIX_EPOCH).unwrap();
    }
    task
}

/// Tasks get the numbers 1, 2, … and their places in the order they are given.
fn board(tasks: &[(&str, Life)]) -> Board {
    let mut board = Board::default();
    for (number, (project, life)) in (1..).zip(tasks) {
        let asked = matches!(life, Life::Asked(_)).then_some(number);
        board.restore(task(number.into(), project, *life), number, asked);
    }
    board
}

fn start(number: u128) -> Option<Step> {
    Some(Step::Start(TaskId::from_entropy(number)))
}

fn deliver(number: u128) -> Option<Step> {
    Some(Step::Deliver(TaskId::from_entropy(number)))
}

#[test]
fn the_first_in_line_of_a_free_project_goes_next() {
    use DeliveryKind::Apply;
    use DeliveryKind::Discard;
    let check = |tasks: &[(&str, Life)], max_running: usize, wanted: Option<Step>| {
        assert_eq!(next(&board(tasks), max_running), wanted);
    };
    check(&[], 1, None);
    check(&[("a", Life::New), ("a", Life::New)], 1, start(1));
    check(&[("a", Life::Running), ("a", Life::New)], 9, None);
    check(&[("a", Life::Running), ("b", Life::New)], 1, None);
    check(&[("a", Life::Running), ("b", Life::New)], 2, start(2));
    check(&[("a", Life::New), ("a", Life::TakenUp)], 1, start(2));
    check(&[("b", Life::New), ("a", Life::TakenUp)], 1, start(2));
    check(&[("a", Life::New), ("a", Life::Asked(Apply))], 1, deliver(2));
    check(&[("a", Life::Asked(Apply)), ("a", Life::TakenUp)], 1, start(2));
    check(&[("a", Life::Asked(Apply)), ("a", Life::TakenUp), ("b", Life::Running)], 1, None);
    check(&[("a", Life::Running), ("b", Life::Asked(Apply))], 1, deliver(2));
    check(&[("a", Life::Running), ("a", Life::Asked(Apply))], 9, None);
    check(&[("a", Life::Running), ("a", Life::Asked(Discard))], 1, deliver(2));
    check(&[("a", Life::Asked(Apply)), ("a", Life::Asked(Apply))], 1, deliver(1));
}

#[test]
fn a_delivery_that_was_sent_holds_its_project_and_a_discard_does_not() {
    use DeliveryKind::Branch;
    use DeliveryKind::Discard;
    for (how, wanted) in [(Branch, None), (Discard, start(2))] {
        let mut board = board(&[("a", Life::Asked(how)), ("a", Life::New)]);
        board.send_delivery(&TaskId::from_entropy(1));
        assert_eq!(next(&board, 1), wanted);
    }
}

#[test]
fn ahead_counts_the_tasks_of_the_project_that_go_before() {
    let board = board(&[
        ("a", Life::Running),
        ("b", Life::New),
        ("a", Life::New),
        ("a", Life::Asked(DeliveryKind::Apply)),
        ("a", Life::New),
        ("a", Life::TakenUp),
    ]);
    let ahead = |number| ahead(&board, &TaskId::from_entropy(number));
    assert_eq!([ahead(2), ahead(3), ahead(5), ahead(6)], [0, 2, 3, 1]);
    assert_eq!(waiting(&board), 4);
    assert!(!is_free(&board, "/srv/a", 9) && !is_free(&board, "/srv/b", 9));
    assert!(is_free(&board, "/srv/c", 9) && !is_free(&board, "/srv/c", 1));
}
