//! Tasks that live through every kind of event, and journals made of them.

use std::collections::BTreeMap;
use std::path::Path;

use gatepost_domain::Action;
use gatepost_domain::ActionDigest;
use gatepost_domain::ActionId;
use gatepost_domain::Approval;
use gatepost_domain::ApprovalId;
use gatepost_domain::ChangeSet;
use gatepost_domain::Decision;
use gatepost_domain::Event;
use gatepost_domain::Judgement;
use gatepost_domain::Mode;
use gatepost_domain::Outcome;
use gatepost_domain::Principal;
use gatepost_domain::Record;
use gatepost_domain::RunNumber;
use gatepost_domain::TaskId;
use gatepost_domain::TaskSpec;
use gatepost_domain::Verdict;
use gatepost_domain::action::BoundFile;
use gatepost_domain::action::Exec;
use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::AgentEvent;
use gatepost_domain::agent::Ending;
use gatepost_domain::approval::Form;
use gatepost_domain::approval::Settlement;
use gatepost_domain::changes::Base;
use gatepost_domain::changes::Change;
use gatepost_domain::changes::ChangeKind;
use gatepost_domain::changes::DeliveryKind;
use gatepost_domain::changes::DeliveryRefusal;
use gatepost_domain::changes::DeliveryResult;
use gatepost_domain::event::SandboxReport;
use gatepost_domain::outcome::Reason;
use gatepost_domain::verdict::Clearance;
use gatepost_domain::verdict::Evidence;
use gatepost_domain::verdict::Stage;
use gatepost_journal::Journal;
use jiff::Timestamp;

/// Every tag of an event. The match makes a new event fail to compile until it is lived through.
pub(crate) const KINDS: [&str; 20] = [
    "hub-started",
    "task-received",
    "task-queued",
    "run-started",
    "run-ready",
    "agent-reported",
    "message-received",
    "verdict",
    "approval-requested",
    "approval-decided",
    "action-started",
    "action-finished",
    "action-refused",
    "cancel-requested",
    "run-suspended",
    "run-ended",
    "changes-collected",
    "task-finished",
    "delivery-requested",
    "delivery-finished",
];

pub(crate) fn kind_is_listed(event: &Event) -> bool {
    let listed = match event {
        Event::HubStarted { .. } => 0,
        Event::TaskReceived { .. } => 1,
        Event::TaskQueued {} => 2,
        Event::RunStarted { .. } => 3,
        Event::RunReady { .. } => 4,
        Event::AgentReported { .. } => 5,
        Event::MessageReceived { .. } => 6,
        Event::Verdict { .. } => 7,
        Event::ApprovalRequested { .. } => 8,
        Event::ApprovalDecided { .. } => 9,
        Event::ActionStarted { .. } => 10,
        Event::ActionFinished { .. } => 11,
        Event::ActionRefused { .. } => 12,
        Event::CancelRequested { .. } => 13,
        Event::RunSuspended { .. } => 14,
        Event::RunEnded { .. } => 15,
        Event::ChangesCollected { .. } => 16,
        Event::TaskFinished { .. } => 17,
        Event::DeliveryRequested { .. } => 18,
        Event::DeliveryFinished { .. } => 19,
        // Added after version 1, so the kept journal has none.
        Event::BoundarySet { .. } => return event.kind() == "boundary-set",
        Event::BoundaryLifted { .. } => return event.kind() == "boundary-lifted",
        Event::ModelUsed { .. } => return event.kind() == "model-used",
        Event::ChatNoted { .. } => return event.kind() == "chat-noted",
        Event::Egress { .. } => return event.kind() == "egress",
        Event::BudgetRaised { .. } => return event.kind() == "budget-raised",
        Event::ResultFlagged { .. } => return event.kind() == "result-flagged",
        Event::DenialCleared { .. } => return event.kind() == "denial-cleared",
        Event::WordsAwaited { .. } => return event.kind() == "words-awaited",
        Event::ResumeRequested { .. } => return event.kind() == "resume-requested",
    };
    KINDS[listed] == event.kind()
}

pub(crate) fn task(number: u32) -> TaskId {
    TaskId::from_entropy(u128::from(number))
}

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::new(1_780_000_000 + second, 123_456_789).unwrap()
}

pub(crate) fn spec(text: &str) -> TaskSpec {
    TaskSpec {
        text: text.into(),
        project: "demo".into(),
        project_path: "/srv/demo".into(),
        agent: "runbook".into(),
        mode: Mode::Auto,
        requester: Principal::console(),
        retry_of: None,
        origin: None,
        quoted: Vec::new(),
        attachments: Vec::new(),
    }
}

/// The shortest legal beginning of a task.
pub(crate) fn received(text: &str) -> Event {
    Event::TaskReceived { spec: spec(text) }
}

fn exec(command: &str) -> Action {
    let env = BTreeMap::from([("LANG".to_owned(), "de_DE.UTF-8".to_owned())]);
    Action::Exec(Exec { command: command.into(), cwd: "/srv/demo".into(), env })
}

fn judgement(verdict: Verdict, stage: Stage) -> Judgement {
    Judgement {
        verdict,
        clearance: Clearance::Person,
        stage,
        rule: "git-push".into(),
        reason: "`git push` sends the project away".into(),
        effect: "the work leaves this machine".into(),
        evidence: vec![Evidence { span: "push".into(), fact: "a git subcommand".into() }],
    }
}

fn reviewed(run: u32, id: u32, action: Action, verdict: Verdict, stage: Stage) -> Event {
    let digest = action.digest(&[]);
    let judgement = judgement(verdict, stage);
    let (run, action_id) = (RunNumber(run), ActionId(id));
    Event::Verdict { run, action_id, action, digest, judgement, weighed: None }
}

fn started(run: u32, id: u32, digest: &ActionDigest) -> Event {
    Event::ActionStarted { run: RunNumber(run), action_id: ActionId(id), digest: digest.clone() }
}

fn finished(run: u32, id: u32, digest: &ActionDigest, ending: Ending) -> Event {
    let result = ActionResult {
        ending,
        duration_ms: 12,
        head: "first\n\u{1b}[31mred\u{1b}[0m".into(),
        tail: "last\u{0}".into(),
        dropped: 3,
    };
    Event::ActionFinished {
        run: RunNumber(run),
        action_id: ActionId(id),
        digest: digest.clone(),
        result,
    }
}

fn asked(run: u32, id: u32, approval: u128, action: &Action) -> Event {
    let bound = vec![BoundFile { path: "/srv/demo/x.sh".into(), sha256: "ab".repeat(32) }];
    let digest = action.digest(&[]);
    Event::ApprovalRequested {
        digest: digest.clone(),
        approval: Box::new(Approval {
            id: ApprovalId::from_entropy(approval),
            run: RunNumber(run),
            action_id: ActionId(id),
            digest,
            action: action.clone(),
            bound,
            judgement: judgement(Verdict::Escalate, Stage::AskRule),
            asked_at: at(20),
            expires_at: at(1820),
            diff: None,
            form: Form::Fixed,
            resume: "step 3".into(),
        }),
    }
}

fn decided(id: u32, approval: u128, action: &Action, settlement: Settlement) -> Event {
    Event::ApprovalDecided {
        approval: ApprovalId::from_entropy(approval),
        action_id: ActionId(id),
        digest: action.digest(&[]),
        settlement,
    }
}

fn person(decision: Decision, reason: Option<&str>) -> Settlement {
    Settlement::Person { who: Principal::console(), decision, reason: reason.map(str::to_owned) }
}

fn ready(run: u32) -> Event {
    let sandbox = SandboxReport {
        tier: "reduced".into(),
        workspace: "overlay".into(),
        notes: vec!["no landlock in this kernel".into()],
        hosts: vec![],
        gating: gatepost_domain::agent::Gating::EveryAction,
    };
    Event::RunReady { run: RunNumber(run), sandbox }
}

fn said(event: AgentEvent) -> Event {
    Event::AgentReported { run: RunNumber(1), event }
}

fn changed() -> ChangeSet {
    let change = |path: &str, kind, base, refusal| Change {
        path: path.into(),
        kind,
        base,
        mode: 0o644,
        size: 5,
        sha256: "cd".repeat(32),
        lines_added: 2,
        lines_removed: 1,
        binary: false,
        refusal,
    };
    let was = Base::File { sha256: "ef".repeat(32), mode: 0o600 };
    let link = ChangeKind::Symlink { target: "/etc/passwd".into() };
    ChangeSet {
        changes: vec![
            change("a ‹ü›\n.txt", ChangeKind::Added, Base::Absent, None),
            change("b", ChangeKind::Modified, was, None),
            change("c", link, Base::Directory, Some(DeliveryRefusal::LinkLeavesTree)),
        ],
        git_internals: 1,
        truncated: false,
    }
}

/// Every kind of event, in an order that the life of tasks allows.
pub(crate) fn lives() -> Vec<(Option<TaskId>, Event)> {
    let (one, two) = (task(1), task(2));
    let run = RunNumber(1);
    let (ls, push, rm) = (exec("ls -la"), exec("git push"), exec("rm -rf / # „x“ \u{202e}"));
    let write = Action::Write { path: "a".into(), content: "\r\n\t\u{7f}\u{2028}".into() };
    let completed = || (Outcome::Succeeded, Reason::Completed);
    let mut all = vec![(None, Event::HubStarted { version: "0.1.0".into() })];
    let first = vec![
        received("list, then push\n$ ls -la\n$ git push \"\\ \u{1F980}"),
        Event::TaskQueued {},
        Event::RunStarted { run },
        ready(1),
        said(AgentEvent::Text { text: "I begin".into() }),
        said(AgentEvent::Plan { entries: vec!["ls".into(), "push".into()] }),
        said(AgentEvent::Progress { done: 1, total: 3 }),
        said(AgentEvent::Usage { input_tokens: u64::MAX, output_tokens: 0 }),
        said(AgentEvent::Other { raw: "{\"v\":1}".into() }),
        Event::MessageReceived {
            text: "be quick".into(),
            by: Principal::console(),
            origin: None,
            quoted: Vec::new(),
            attachments: Vec::new(),
        },
        reviewed(1, 1, ls.clone(), Verdict::Allow, Stage::ReadOnly),
        started(1, 1, &ls.digest(&[])),
        finished(1, 1, &ls.digest(&[]), Ending::Exited { code: -1 }),
        reviewed(1, 2, rm.clone(), Verdict::Deny, Stage::HardBoundary),
        Event::ActionRefused {
            run,
            action_id: ActionId(2),
            digest: rm.digest(&[]),
            reason: "nobody may".into(),
            denial: None,
        },
        reviewed(1, 3, push.clone(), Verdict::Escalate, Stage::AskRule),
        asked(1, 3, 7, &push),
        Event::RunSuspended { run },
        decided(3, 7, &push, person(Decision::ApproveForTask, None)),
        Event::TaskQueued {},
        Event::RunStarted { run: RunNumber(2) },
        ready(2),
        reviewed(2, 4, push.clone(), Verdict::Escalate, Stage::AskRule),
        started(2, 4, &push.digest(&[])),
        finished(2, 4, &push.digest(&[]), Ending::Killed { signal: 9 }),
        reviewed(2, 5, write.clone(), Verdict::NoVerdict, Stage::Classifier),
        asked(2, 5, 8, &write),
        decided(5, 8, &write, person(Decision::Deny, Some("not that file"))),
        Event::ActionRefused {
            run: RunNumber(2),
            action_id: ActionId(5),
            digest: write.digest(&[]),
            reason: "denied: not that file".into(),
            denial: None,
        },
        Event::RunEnded {
            run: RunNumber(2),
            outcome: completed().0,
            reason: completed().1,
            resume: None,
        },
        Event::ChangesCollected { run: RunNumber(2), changes: changed(), outbox: Vec::new() },
        Event::TaskFinished { outcome: completed().0, reason: completed().1 },
        Event::DeliveryRequested { how: DeliveryKind::Branch, by: Principal::console() },
        Event::DeliveryFinished {
            result: DeliveryResult::Branched {
                branch: "gatepost/t7k2qd".into(),
                commit: "12".repeat(20),
                refused: 1,
            },
        },
    ];
    let cancelled = || Reason::CancelledBy { by: "console:owner".into() };
    let second = vec![
        received("$ sleep 9"),
        Event::TaskQueued {},
        Event::RunStarted { run },
        Event::CancelRequested { by: Principal::terminal() },
        Event::RunEnded { run, outcome: Outcome::Cancelled, reason: cancelled(), resume: None },
        Event::ChangesCollected { run, changes: ChangeSet::default(), outbox: Vec::new() },
        Event::TaskFinished { outcome: Outcome::Cancelled, reason: cancelled() },
    ];
    // Interleaved, as tasks of two projects are.
    let mut second = second.into_iter();
    for event in first {
        all.push((Some(one.clone()), event));
        if let Some(event) = second.next() {
            all.push((Some(two.clone()), event));
        }
    }
    all
}

/// Appends events and commits them in batches of `batch`.
pub(crate) fn append(
    journal: &mut Journal,
    events: &[(Option<TaskId>, Event)],
    batch: usize,
) -> Vec<Record> {
    let mut records = Vec::new();
    for chunk in events.chunks(batch) {
        for (task, event) in chunk {
            let when = at(i64::try_from(records.len()).unwrap());
            records.push(journal.append(when, task.as_ref(), event.clone()).unwrap());
        }
        journal.commit().unwrap();
    }
    records
}

/// A closed journal in `dir` with [`lives`] in it.
pub(crate) fn written(dir: &Path) -> Vec<Record> {
    let (mut journal, _) = Journal::open(dir).unwrap();
    append(&mut journal, &lives(), 5)
}
