//! Random lives over random ends and starts: whatever happens and whenever it is cut off, the
//! promises hold.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::time::Duration;

use gatepost_domain::ActionId;
use gatepost_domain::ApprovalId;
use gatepost_domain::Decision;
use gatepost_domain::Event;
use gatepost_domain::Outcome;
use gatepost_domain::Principal;
use gatepost_domain::Record;
use gatepost_domain::RunNumber;
use gatepost_domain::TaskId;
use gatepost_domain::Verdict;
use gatepost_domain::approval::Settlement;
use gatepost_domain::changes::DeliveryKind;
use gatepost_domain::changes::DeliveryResult;
use gatepost_domain::dispatch::Report;
use gatepost_domain::dispatch::ToWorker;
use gatepost_domain::event::SandboxReport;
use gatepost_domain::lifecycle;
use gatepost_domain::lifecycle::Phase;
use gatepost_domain::lifecycle::Task;
use gatepost_domain::outcome::Reason;
use gatepost_domain::request::Consequence;
use gatepost_domain::request::NewTask;
use gatepost_hub::HubHandle;
use proptest::prelude::*;
use tokio::time::Instant;

use crate::world::Up;
use crate::world::World;
use crate::world::digest;
use crate::world::exec;
use crate::world::exited;
use crate::world::judgement;
use crate::world::new_task;
use crate::world::one_change;
use crate::world::question;

const PROJECTS: [&str; 3] = ["demo", "other", "third"];

/// One of however many there are.
#[derive(Debug, Clone, Copy)]
struct Pick(u16);

#[derive(Debug, Clone)]
enum Step {
    Submit(usize),
    Answer(Pick, Decision),
    Cancel(Pick),
    Message(Pick),
    Retry(Pick),
    Deliver(Pick, DeliveryKind),
    Work(Pick, Work),
    Wait(u8),
    /// So many of the next steps are begun and not waited for; after so many turns of the runtime
    /// everything is killed.
    Kill {
        begun: u8,
        turns: u8,
    },
    Close,
}

/// What a worker does for one of its runs, in order or not.
#[derive(Debug, Clone)]
enum Work {
    /// What comes next in a run that goes well; the verdict is for a new action.
    Next(Verdict),
    Ready,
    Review(Verdict),
    Ask(u32),
    Start(u32),
    Finish(u32),
    Refuse(u32),
    End(Outcome),
    Changes,
    Delivered(bool),
}

/// What the worker has in hand; it forgets all of it when everything is killed.
#[derive(Default)]
struct Hands {
    runs: BTreeMap<TaskId, RunNumber>,
    collecting: BTreeSet<TaskId>,
    delivering: BTreeMap<TaskId, DeliveryKind>,
    projects: BTreeMap<TaskId, String>,
}

/// What was acknowledged, over all starts.
#[derive(Default)]
struct Known {
    tasks: Vec<TaskId>,
    answers: BTreeMap<ApprovalId, Settlement>,
    performed: BTreeSet<(TaskId, ActionId)>,
    begun: BTreeSet<(TaskId, RunNumber)>,
}

impl Pick {
    fn get<T>(self, from: &[T]) -> &T {
        &from[usize::from(self.0) % from.len()]
    }
}

impl Hands {
    /// Takes what the worker is told, and checks that nothing meets another in its project.
    fn take(&mut self, told: ToWorker, known: &mut Known) {
        match told {
            ToWorker::Start { assignment } => {
                let (task, project) = (assignment.task, assignment.spec.project);
                self.alone(&task, &project);
                assert!(known.begun.insert((task.clone(), assignment.run)), "a run began twice");
                self.projects.insert(task.clone(), project);
                self.runs.insert(task, assignment.run);
            }
            ToWorker::Collect { task, run, spec } => {
                self.alone(&task, &spec.project);
                self.projects.insert(task.clone(), spec.project);
                self.runs.insert(task.clone(), run);
                self.collecting.insert(task);
            }
            ToWorker::Deliver { task, spec, how, .. } => {
                if how != DeliveryKind::Discard {
                    self.alone(&task, &spec.project);
                }
                self.projects.insert(task.clone(), spec.project);
                assert!(self.delivering.insert(task, how).is_none(), "delivered twice at once");
            }
            ToWorker::Settled { .. }
            | ToWorker::Raise { .. }
            | ToWorker::Cleared { .. }
            | ToWorker::Message { .. }
            | ToWorker::Cancel { .. } => {}
        }
    }

    fn alone(&self, task: &TaskId, project: &str) {
        let writers = self.runs.keys().chain(
            self.delivering
                .iter()
                .filter(|(_, how)| **how != DeliveryKind::Discard)
                .map(|(t, _)| t),
        );
        for other in writers {
            let meets = self.projects[other] == project && other != task;
            assert!(!meets, "{task} meets {other} in {project}");
        }
    }
}

fn report(work: &Work) -> Report {
    let command = |n: &u32| format!("step {n}");
    match work {
        Work::Next(_) | Work::Ready => Report::Ready {
            sandbox: SandboxReport {
                tier: "full".into(),
                workspace: "overlay".into(),
                notes: vec![],
                hosts: vec![],
                gating: gatepost_domain::agent::Gating::EveryAction,
            },
        },
        // The number of the action is put in by whoever knows it.
        Work::Review(verdict) => Report::Verdict {
            action_id: ActionId(0),
            action: exec("step 0"),
            digest: digest("step 0"),
            judgement: judgement(*verdict),
            weighed: None,
        },
        Work::Ask(n) => question(ActionId(*n), &command(n)),
        Work::Start(n) => {
            Report::ActionStarted { action_id: ActionId(*n), digest: digest(&command(n)) }
        }
        Work::Finish(n) => Report::ActionFinished {
            action_id: ActionId(*n),
            digest: digest(&command(n)),
            result: exited(0),
        },
        Work::Refuse(n) => Report::ActionRefused {
            action_id: ActionId(*n),
            digest: digest(&command(n)),
            reason: "no".into(),
        },
        Work::End(outcome) => {
            Report::Ended { outcome: *outcome, reason: Reason::Completed, resume: None }
        }
        Work::Changes => Report::Changes { changes: one_change(), outbox: Vec::new() },
        Work::Delivered(true) => {
            Report::Delivered { result: DeliveryResult::Applied { paths: 1, refused: 0 } }
        }
        Work::Delivered(false) => {
            Report::Delivered { result: DeliveryResult::Conflict { path: "a".into() } }
        }
    }
}

/// One step, whole: what it is answered, whatever that is.
async fn take(hub: HubHandle, step: Step, known: &mut Known, hands: &mut Hands) {
    let by = Principal::console();
    let pick = |index: &Pick| (!known.tasks.is_empty()).then(|| index.get(&known.tasks).clone());
    match step {
        Step::Submit(project) => {
            let task = NewTask { project: Some(PROJECTS[project].into()), ..new_task("$ x") };
            if let Ok(receipt) = hub.submit(by, task).await {
                known.tasks.push(receipt.id);
            }
        }
        Step::Retry(index) => {
            let Some(task) = pick(&index) else { return };
            if let Ok(receipt) = hub.retry(by, task).await {
                known.tasks.push(receipt.id);
            }
        }
        Step::Answer(index, decision) => {
            let open = hub.approvals().await.unwrap();
            if open.is_empty() {
                return;
            }
            let id = index.get(&open).approval.id.clone();
            let (one, two) = tokio::join!(
                hub.answer(by.clone(), id.clone(), decision, None),
                hub.answer(by, id.clone(), Decision::Deny, None)
            );
            let (one, two) = (one.unwrap(), two.unwrap());
            assert_eq!(one.settlement, two.settlement);
            let won = [one.consequence, two.consequence].iter().filter(|c| !too_late(**c)).count();
            assert!(won <= 1, "both won");
            known.answers.insert(id, one.settlement);
        }
        Step::Cancel(index) => {
            let Some(task) = pick(&index) else { return };
            let _may_be_over = hub.cancel(by, task).await;
        }
        Step::Message(index) => {
            let Some(task) = pick(&index) else { return };
            let _may_be_over = hub.message(by, task, "more".into()).await;
        }
        Step::Deliver(index, how) => {
            let Some(task) = pick(&index) else { return };
            // The answer may come only after the worker's, which is a later step.
            let _may_be_refused =
                tokio::time::timeout(Duration::from_millis(1), hub.deliver(by, task, how)).await;
        }
        Step::Work(index, work) => work_on(hub, index, work, known, hands).await,
        Step::Wait(minutes) => {
            tokio::time::sleep(Duration::from_mins(u64::from(minutes))).await;
        }
        Step::Kill { .. } | Step::Close => {}
    }
}

fn too_late(consequence: Consequence) -> bool {
    match consequence {
        Consequence::TooLate => true,
        Consequence::Told | Consequence::Requeued | Consequence::Ends => false,
    }
}

async fn work_on(hub: HubHandle, index: Pick, work: Work, known: &mut Known, hands: &mut Hands) {
    if let Work::Delivered(_) = work {
        let waiting: Vec<_> = hands.delivering.keys().cloned().collect();
        if waiting.is_empty() {
            return;
        }
        let task = index.get(&waiting).clone();
        hub.report(task.clone(), RunNumber(1), report(&work)).await.unwrap();
        hands.delivering.remove(&task);
        return;
    }
    let runs: Vec<_> = hands.runs.iter().map(|(task, run)| (task.clone(), *run)).collect();
    if runs.is_empty() {
        return;
    }
    let (task, run) = index.get(&runs).clone();
    let work = match work {
        Work::Next(verdict) => {
            let task = hub.task(task.clone()).await.unwrap().task;
            let records = hub.task(task.id().clone()).await.unwrap().records;
            next(&task, &records, verdict)
        }
        other => other,
    };
    let mut said = report(&work);
    if let Report::Verdict { action_id, action, digest: named, .. } = &mut said {
        *action_id = hub.task(task.clone()).await.unwrap().task.next_action();
        let command = format!("step {action_id}");
        (*action, *named) = (exec(&command), digest(&command));
    }
    let done = hub.report(task.clone(), run, said).await;
    match (work, done) {
        (Work::Start(n), Ok(())) => {
            assert!(known.performed.insert((task, ActionId(n))), "performed twice");
        }
        (Work::Changes, Ok(())) => {
            hands.runs.remove(&task);
            hands.collecting.remove(&task);
        }
        _ => {}
    }
}

/// What an orderly worker does where the task stands.
fn next(task: &Task, records: &[Record], verdict: Verdict) -> Work {
    match task.phase() {
        Phase::Preparing { .. } => return Work::Ready,
        Phase::Finishing { .. } => return Work::Changes,
        Phase::Cancelling { .. } => return Work::End(Outcome::Succeeded),
        _ => {}
    }
    // The latest that happened to an action of this run says what comes next.
    let own = |record: &Record| match &record.event {
        Event::RunStarted { .. } => Some(Work::Review(verdict)),
        Event::Verdict { action_id, judgement, .. } => Some(match judgement.verdict {
            Verdict::Allow => Work::Start(action_id.0),
            Verdict::Deny => Work::Refuse(action_id.0),
            _ if task.grants().contains(&digest(&format!("step {action_id}"))) => {
                Work::Start(action_id.0)
            }
            _ => Work::Ask(action_id.0),
        }),
        // Still open: the worker waits, and meanwhile does something else.
        Event::ApprovalRequested { .. } => Some(Work::Review(Verdict::Allow)),
        Event::ApprovalDecided { action_id, settlement, .. } => Some(match settlement.approves() {
            true => Work::Start(action_id.0),
            false => Work::Refuse(action_id.0),
        }),
        Event::ActionStarted { action_id, .. } => Some(Work::Finish(action_id.0)),
        Event::ActionFinished { .. } | Event::ActionRefused { .. } => {
            Some(match task.next_action() {
                ActionId(0..=4) => Work::Review(verdict),
                _ => Work::End(Outcome::Succeeded),
            })
        }
        _ => None,
    };
    records.iter().rev().find_map(own).unwrap_or(Work::Ready)
}

/// Lives through the steps, over as many starts as they say.
fn live(steps: Vec<Step>) {
    let mut world = World::new();
    world.config.max_queued = 6;
    let mut known = Known::default();
    let mut steps = steps.into_iter();
    let mut over = false;
    while !over {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        let passed = runtime.block_on(async {
            let since = Instant::now();
            let mut up = world.up();
            let mut hands = Hands::default();
            loop {
                drain(&mut up, &mut hands, &mut known).await;
                match steps.next() {
                    Some(Step::Kill { begun, turns }) => {
                        kill(&up, steps.by_ref().take(begun.into()).collect(), turns).await;
                        break;
                    }
                    Some(Step::Close) => {
                        up.token.cancel();
                        up.hub.close().await.unwrap();
                        break;
                    }
                    Some(step) => take(up.hub.clone(), step, &mut known, &mut hands).await,
                    None => {
                        over = true;
                        break;
                    }
                }
            }
            since.elapsed()
        });
        drop(runtime);
        world.sleep(passed);
        check(&world, &known);
    }
    come_to_an_end(&world, &mut known);
    let records = world.records();
    let mut over = BTreeMap::new();
    for record in &records {
        let Some(task) = record.task.clone() else { continue };
        match record.event {
            Event::TaskReceived { .. } => assert_eq!(over.insert(task, false), None),
            // For the first time, after a cut, or because it goes on after its end.
            Event::TaskQueued {} => *over.entry(task).or_default() = false,
            Event::TaskFinished { .. } => {
                assert_eq!(over.insert(task, true), Some(false), "it ends once a time");
            }
            _ => {}
        }
    }
    assert!(over.values().all(|over| *over), "every task ends");
    check(&world, &known);
}

async fn drain(up: &mut Up, hands: &mut Hands, known: &mut Known) {
    // Twice: what the first found room for is told by the second.
    for _ in 0..2 {
        up.hub.approvals().await.unwrap();
        while let Ok(told) = up.worker.told.try_recv() {
            hands.take(told, known);
            tokio::task::yield_now().await;
        }
    }
}

/// Begins steps that nobody waits for; what becomes of them is not known.
async fn kill(up: &Up, steps: Vec<Step>, turns: u8) {
    let mut begun = tokio::task::JoinSet::new();
    for step in steps {
        let by = Principal::console();
        match step {
            Step::Submit(project) => {
                let task = NewTask { project: Some(PROJECTS[project].into()), ..new_task("$ x") };
                begun.spawn(discard(up.hub.submit(by, task)));
            }
            Step::Answer(index, decision) => {
                let open = up.hub.approvals().await.unwrap();
                if !open.is_empty() {
                    let id = index.get(&open).approval.id.clone();
                    begun.spawn(discard(up.hub.answer(by, id, decision, None)));
                }
            }
            Step::Cancel(index) | Step::Message(index) | Step::Retry(index) => {
                let tasks = up.hub.tasks().await.unwrap();
                if !tasks.is_empty() {
                    let id = index.get(&tasks).id().clone();
                    begun.spawn(discard(up.hub.cancel(by, id)));
                }
            }
            Step::Deliver(index, how) => {
                let tasks = up.hub.tasks().await.unwrap();
                if !tasks.is_empty() {
                    let id = index.get(&tasks).id().clone();
                    begun.spawn(discard(up.hub.deliver(by, id, how)));
                }
            }
            Step::Work(index, work) => {
                let tasks = up.hub.tasks().await.unwrap();
                if !tasks.is_empty() {
                    let task = index.get(&tasks);
                    let said = report(&work);
                    begun.spawn(discard(up.hub.report(task.id().clone(), task.run(), said)));
                }
            }
            Step::Wait(_) | Step::Kill { .. } | Step::Close => {}
        }
    }
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
}

async fn discard<T>(answer: impl Future<Output = T>) {
    answer.await;
}

/// Everything is stopped and every run, collection and delivery answered: all tasks must end.
fn come_to_an_end(world: &World, known: &mut Known) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut up = world.up();
        let mut hands = Hands::default();
        for round in 0.. {
            assert!(round < 300, "it never ends");
            drain(&mut up, &mut hands, known).await;
            let tasks = up.hub.tasks().await.unwrap();
            if tasks.iter().all(Task::is_finished) && hands.delivering.is_empty() {
                break;
            }
            for task in tasks.iter().filter(|task| !task.is_finished()) {
                let _stopped_before = up.hub.cancel(Principal::console(), task.id().clone()).await;
            }
            for (task, run) in std::mem::take(&mut hands.runs) {
                for work in [Work::End(Outcome::Succeeded), Work::Changes] {
                    let _ended_before = up.hub.report(task.clone(), run, report(&work)).await;
                }
            }
            for task in std::mem::take(&mut hands.delivering).into_keys() {
                let said = report(&Work::Delivered(true));
                up.hub.report(task, RunNumber(1), said).await.unwrap();
            }
        }
        up.down().await;
    });
}

/// What the journal must show at any time.
fn check(world: &World, known: &Known) {
    let records = world.records();
    let mut tasks: BTreeMap<TaskId, Task> = BTreeMap::new();
    let mut started = BTreeSet::new();
    let mut settled = BTreeMap::new();
    for Record { at, task, event, seq } in &records {
        let Some(id) = task else { continue };
        match tasks.get_mut(id) {
            Some(task) => task.apply(event, *at).unwrap(),
            None => {
                let born = lifecycle::replay(id, [(event, *at)]).unwrap().unwrap();
                tasks.insert(id.clone(), born);
            }
        }
        match event {
            Event::ActionStarted { action_id, .. } => {
                assert!(started.insert((id.clone(), *action_id)), "{id} {action_id} twice");
            }
            Event::ApprovalDecided { approval, settlement, .. } => {
                let before = settled.insert(approval.clone(), settlement.clone());
                assert!(before.is_none(), "{approval} settled twice");
            }
            _ => {}
        }
        let mut held = BTreeSet::new();
        let mut running = 0;
        for task in tasks.values() {
            let holds = !task.is_finished() && task.holds_project();
            assert!(!holds || held.insert(&task.spec().project), "two writers after record {seq}");
            running += usize::from(task.live_run().is_some());
        }
        assert!(running <= world.config.max_running, "{running} runs after record {seq}");
    }
    for id in &known.tasks {
        assert!(tasks.contains_key(id), "{id} was acknowledged and is lost");
    }
    for (id, settlement) in &known.answers {
        assert_eq!(settled.get(id), Some(settlement), "an acknowledged answer is lost");
    }
    assert!(known.performed.is_subset(&started), "an action ran that is not in the journal");
}

fn any_step() -> impl Strategy<Value = Step> {
    let index = || any::<u16>().prop_map(Pick);
    let decision =
        prop_oneof![Just(Decision::Approve), Just(Decision::ApproveForTask), Just(Decision::Deny)];
    let how = prop_oneof![
        3 => Just(DeliveryKind::Apply),
        1 => Just(DeliveryKind::Branch),
        1 => Just(DeliveryKind::Discard)
    ];
    prop_oneof![
        6 => (0..PROJECTS.len()).prop_map(Step::Submit),
        5 => (index(), decision).prop_map(|(index, decision)| Step::Answer(index, decision)),
        1 => index().prop_map(Step::Cancel),
        1 => index().prop_map(Step::Message),
        1 => index().prop_map(Step::Retry),
        3 => (index(), how).prop_map(|(index, how)| Step::Deliver(index, how)),
        80 => (index(), any_work()).prop_map(|(index, work)| Step::Work(index, work)),
        1 => (0..40u8).prop_map(Step::Wait),
        1 => (0..6u8, 0..12u8).prop_map(|(begun, turns)| Step::Kill { begun, turns }),
        1 => Just(Step::Close),
    ]
}

fn any_work() -> impl Strategy<Value = Work> {
    let verdict = prop_oneof![Just(Verdict::Allow), Just(Verdict::Escalate), Just(Verdict::Deny)];
    let outcome = prop_oneof![Just(Outcome::Succeeded), Just(Outcome::Failed)];
    prop_oneof![
        60 => verdict.clone().prop_map(Work::Next),
        2 => Just(Work::Ready),
        4 => verdict.prop_map(Work::Review),
        2 => (1..4u32).prop_map(Work::Ask),
        3 => (1..4u32).prop_map(Work::Start),
        2 => (1..4u32).prop_map(Work::Finish),
        1 => (1..4u32).prop_map(Work::Refuse),
        1 => outcome.prop_map(Work::End),
        1 => Just(Work::Changes),
        6 => any::<bool>().prop_map(Work::Delivered),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn the_promises_hold_whatever_happens_and_whenever_it_is_cut_off(
        steps in proptest::collection::vec(any_step(), 0..250),
    ) {
        live(steps);
    }
}

/// The same with a life that is known to meet the edges, so that a change of the generator does
/// not quietly leave them out.
#[test]
fn a_known_life_meets_a_kill_with_a_question_open_and_one_with_an_action_running() {
    let index = || Pick(0);

    live(vec![
        Step::Submit(0),
        Step::Work(index(), Work::Ready),
        Step::Work(index(), Work::Review(Verdict::Escalate)),
        Step::Work(index(), Work::Ask(1)),
        Step::Kill { begun: 0, turns: 0 },
        Step::Answer(index(), Decision::Approve),
        Step::Work(index(), Work::Ready),
        Step::Work(index(), Work::Review(Verdict::Allow)),
        Step::Work(index(), Work::Start(2)),
        Step::Submit(0),
        Step::Kill { begun: 0, turns: 0 },
        Step::Work(index(), Work::Changes),
        Step::Deliver(index(), DeliveryKind::Apply),
        Step::Kill { begun: 0, turns: 3 },
    ]);
}
