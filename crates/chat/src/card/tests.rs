//! Tests of the cards: the words that people read.

use std::collections::BTreeMap;

use gatepost_domain::action::Action;
use gatepost_domain::action::BoundFile;
use gatepost_domain::action::Exec;
use gatepost_domain::approval::Approval;
use gatepost_domain::approval::Decision;
use gatepost_domain::approval::Form;
use gatepost_domain::approval::Settlement;
use gatepost_domain::budget::Limit;
use gatepost_domain::budget::Purse;
use gatepost_domain::budget::Raise;
use gatepost_domain::event::Record;
use gatepost_domain::id::ActionId;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::RunNumber;
use gatepost_domain::lifecycle;
use gatepost_domain::lifecycle::Command;
use gatepost_domain::lifecycle::Delivery;
use gatepost_domain::principal::Principal;
use gatepost_domain::request::Answered;
use gatepost_domain::request::Consequence;
use gatepost_domain::summary::Used;
use gatepost_domain::task::TaskSpec;
use gatepost_domain::usage::Cost;
use gatepost_domain::usage::Metered;
use gatepost_domain::usage::Usage;
use gatepost_domain::verdict::Clearance;
use gatepost_domain::verdict::Evidence;
use gatepost_domain::verdict::Judgement;
use gatepost_domain::verdict::Stage;
use gatepost_domain::verdict::Verdict;
use insta::assert_snapshot;
use jiff::SignedDuration;
use jiff::tz::Offset;

use super::*;
use crate::report;
use crate::report::Reader;

fn at(seconds: i64) -> Timestamp {
    "2026-11-24T12:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

fn reader() -> Reader {
    Reader { now: at(10), offset: Offset::constant(1) }
}

fn exec(command: &str) -> Action {
    let env = BTreeMap::from([("LANG".into(), "C".into())]);
    Action::Exec(Exec { command: command.into(), cwd: "/srv/demo".into(), env })
}

fn judged(verdict: Verdict) -> Judgement {
    let (clearance, stage, rule, reason) = match verdict {
        Verdict::Allow => {
            (Clearance::NotNeeded, Stage::Contained, "sandbox", "the sandbox contains it")
        }
        Verdict::Escalate | Verdict::NoVerdict => (
            Clearance::Person,
            Stage::ProtectedPath,
            "git-hooks",
            "a git hook runs by itself later",
        ),
        Verdict::Deny => (Clearance::Nobody, Stage::DenyRule, "no-sudo", "sudo leaves the sandbox"),
    };
    Judgement {
        verdict,
        clearance,
        stage,
        rule: rule.into(),
        reason: reason.into(),
        effect: "the file becomes a program that git starts".into(),
        evidence: vec![Evidence { span: ".git/hooks/a".into(), fact: "is a git hook".into() }],
    }
}

fn question(action: Action) -> Approval {
    let bound = vec![
        BoundFile { path: "/srv/demo/hook.sh".into(), sha256: "ab".repeat(32) },
        BoundFile { path: "/srv/demo/new".into(), sha256: String::new() },
    ];
    Approval {
        id: ApprovalId::from_entropy(7),
        run: RunNumber(1),
        action_id: ActionId(1),
        digest: action.digest(&bound),
        action,
        bound,
        judgement: judged(Verdict::Escalate),
        asked_at: at(0),
        expires_at: at(1800),
        diff: None,
        form: Form::Editable,
        resume: String::new(),
    }
}

fn task_id() -> TaskId {
    TaskId::from_entropy(9)
}

/// A task whose life is played through `lifecycle`, one second an event.
struct Played {
    task: Task,
    records: Vec<Record>,
}

impl Played {
    fn new(text: &str) -> Self {
        Self::held_by(text, "every-action")
    }

    /// The same with another word for what holds the agent.
    fn held_by(text: &str, gating: &str) -> Self {
        let spec = TaskSpec {
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
        };
        let task = Task::received(task_id(), spec.clone(), at(0));
        let mut played = Self { task, records: Vec::new() };
        let mut events = lifecycle::submit(spec);
        let received = events.remove(0);
        played.push(received);
        played.take(events);
        played.command(Command::Start);
        played.report(serde_json::json!({"type": "ready", "sandbox":
            {"tier": "full", "workspace": "overlay", "gating": gating}}));
        played
    }

    fn push(&mut self, event: gatepost_domain::event::Event) {
        let seq = u64::try_from(self.records.len()).unwrap() + 1;
        let at = at(i64::try_from(seq).unwrap());
        self.records.push(Record { seq, at, task: Some(task_id()), event });
    }

    fn take(&mut self, events: Vec<gatepost_domain::event::Event>) {
        for event in events {
            self.task.apply(&event, at(0)).unwrap();
            self.push(event);
        }
    }

    fn command(&mut self, command: Command) {
        let events = lifecycle::decide(&self.task, command, at(0)).unwrap();
        self.take(events);
    }

    /// Reports are given as JSON, as they are on the wire.
    fn report(&mut self, report: serde_json::Value) {
        let report = serde_json::from_value(report).unwrap();
        let number = 7 + u128::try_from(self.task.open().len()).unwrap();
        let asking = (ApprovalId::from_entropy(number), at(1800));
        self.command(Command::Report { run: RunNumber(1), report, asking });
    }

    fn review(&mut self, id: u32, command: &str, verdict: Verdict) -> serde_json::Value {
        let action = exec(command);
        let report = serde_json::json!({"type": "verdict", "action_id": id, "action": action,
            "digest": action.digest(&[]), "judgement": judged(verdict)});
        self.report(report);
        serde_json::json!({"action_id": id, "digest": action.digest(&[])})
    }

    fn run(&mut self, id: u32, command: &str, code: i32, head: &str) {
        let digest = exec(command).digest(&[]);
        self.report(serde_json::json!(
            {"type": "action-started", "action_id": id, "digest": digest}));
        self.report(serde_json::json!({"type": "action-finished", "action_id": id,
            "digest": digest, "result": {"ending": {"type": "exited", "code": code},
            "duration_ms": 1234, "head": head, "tail": "end\n", "dropped": 5}}));
    }

    fn ask(&mut self, id: u32, command: &str) {
        self.review(id, command, Verdict::Escalate);
        let action = exec(command);
        self.report(serde_json::json!({"type": "ask", "action_id": id, "action": action,
            "digest": action.digest(&[]), "bound": [], "judgement": judged(Verdict::Escalate),
            "resume": "1"}));
    }

    fn settle(&mut self, decision: Decision, reason: Option<&str>) {
        let settlement = Settlement::Person {
            who: Principal::console(),
            decision,
            reason: reason.map(str::to_owned),
        };
        let approval = ApprovalId::from_entropy(7);
        self.command(Command::Settle { approval, settlement });
    }

    /// The short of the result, were it over now.
    fn card_when_over(&self) -> String {
        let summary = Summary::of(&self.records);
        ResultCard::of(&summary, &Delivery::NotAsked).short.join(" · ")
    }

    fn card(&self) -> TaskCard {
        let (task, records) = (self.task.clone(), self.records.clone());
        TaskCard::of(&TaskDetail { task, records, diff: None })
    }
}

/// The entries as a person reads them, one line each.
fn told(card: &TaskCard) -> String {
    let lines = card.entries.iter().map(|entry| match entry {
        Entry::Note { speaker, text, .. } => format!("{speaker:?}: {text}"),
        Entry::Step { action, words, output, .. } => {
            format!("step: {} → {words}; printed {output:?}", action.text)
        }
        Entry::Approval { card, .. } => {
            let settled = card.settled.as_ref().map(|settled| settled.words.as_str());
            let labels: Vec<_> = card.buttons.iter().map(|button| button.label).collect();
            format!("question: {} → {settled:?} {labels:?}", card.action.text)
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_question_shows_the_action_whole_and_all_it_rests_on() {
    let action =
        exec("install hook.sh .git/hooks/a &&\n  echo \u{202e}x && TOKEN=abcdef1 git push");
    let card = ApprovalCard::open(&task_id(), &question(action));
    assert_snapshot!(report::approval(&card, reader()), @r##"
    Wants to run a command

        install hook.sh .git/hooks/a &&
          echo ‹U+202E›x && TOKEN=‹secret, 7 characters› git push

      note: 1 secret is masked here; it runs as written
      note: 1 hidden character is shown as ‹U+…›
      Why: a git hook runs by itself later
      What happens: the file becomes a program that git starts
      Rule: git-hooks (protected-path)
      In: /srv/demo
      With: LANG=C
      Holds only while unchanged: /srv/demo/hook.sh (sha256 abababababab…)
      Holds only while unchanged: /srv/demo/new (not there yet)
      `.git/hooks/a`: is a git hook
      Denied by itself: at 13:30 (in 29 min 50 s)
    "##);
}

#[test]
fn a_long_action_is_shown_from_head_to_tail() {
    let command = format!("head {} tail", "x ".repeat(50_000));
    let card = ApprovalCard::open(&task_id(), &question(exec(&command)));
    assert_eq!(card.action.text, command);
    let content = format!("first\n{}last", "line\n".repeat(5_000));
    let write = Action::Write { path: "a\u{200b}b".into(), content: content.clone() };
    let card = ApprovalCard::open(&task_id(), &question(write));
    assert_eq!(card.action.text, content);
    assert_eq!(card.facts[0], Fact::new("File", "a‹U+200B›b"));
}

#[test]
fn a_judge_without_an_answer_is_not_shown_as_a_denial() {
    let mut asked = question(exec("ls"));
    asked.judgement.verdict = Verdict::NoVerdict;
    let card = ApprovalCard::open(&task_id(), &asked);
    assert!(card.reason.starts_with("no judge could answer"), "{}", card.reason);
}

#[test]
fn a_task_tells_what_happened_in_order() {
    let mut played = Played::new("$ make\n$ touch .git/hooks/a");
    played.review(1, "make", Verdict::Allow);
    played.run(1, "make", 0, "\u{1b}[32mok\u{1b}[0m\n");
    played.ask(2, "touch .git/hooks/a");
    assert_snapshot!(told(&played.card()), @r##"
    Person: $ make
    $ touch .git/hooks/a
    Gatepost: queued
    Gatepost: run 1 begins
    Gatepost: sandbox ready: full, workspace by overlay
    step: make → exit 0 · 1.2 s; printed Some("ok\n\n‹5 bytes left out›\nend")
    question: touch .git/hooks/a → None ["Approve once", "Approve for this task", "Deny", "Deny with reason"]
    "##);
    played.settle(Decision::Approve, None);
    played.run(2, "touch .git/hooks/a", 1, "");
    let refused = played.review(3, "sudo ls", Verdict::Deny);
    played.report(serde_json::json!({"type": "action-refused", "action_id": refused["action_id"],
        "digest": refused["digest"], "reason": "sudo leaves the sandbox"}));
    let card = played.card();
    assert_snapshot!(told(&card), @r##"
    Person: $ make
    $ touch .git/hooks/a
    Gatepost: queued
    Gatepost: run 1 begins
    Gatepost: sandbox ready: full, workspace by overlay
    step: make → exit 0 · 1.2 s; printed Some("ok\n\n‹5 bytes left out›\nend")
    question: touch .git/hooks/a → Some("approved by console:owner") []
    step: touch .git/hooks/a → exit 1 · 1.2 s; printed Some("\n‹5 bytes left out›\nend")
    step: sudo ls → refused: sudo leaves the sandbox; printed None
    "##);
    assert_eq!(card.buttons, [Button::from(Press::Stop)]);
}

#[test]
fn what_was_cut_off_is_not_said_to_have_ended() {
    let mut played = Played::new("$ make");
    played.review(1, "make", Verdict::Allow);
    let digest = exec("make").digest(&[]);
    played.report(serde_json::json!({"type": "action-started", "action_id": 1, "digest": digest}));
    played.command(Command::Recover);
    let told = told(&played.card());
    assert!(told.contains("make → cut off; what it did is not known"), "{told}");
}

#[test]
fn what_ran_out_before_a_restart_was_refused_by_the_clock_and_not_by_a_rule() {
    let mut played = Played::new("$ touch .git/hooks/a");
    played.ask(1, "touch .git/hooks/a");
    let approval = ApprovalId::from_entropy(7);
    played.command(Command::Settle { approval, settlement: Settlement::Expired });
    // The run that goes on proposes it anew, and is told what became of it.
    let mut refused = played.review(2, "touch .git/hooks/a", Verdict::Escalate);
    refused["type"] = "action-refused".into();
    refused["reason"] = "nobody answered in time".into();
    played.report(refused);
    let summary = Summary::of(&played.records);
    let by: Vec<_> = summary.refused.iter().map(|refused| refused.by.as_str()).collect();
    assert_eq!(by, ["timeout"]);
}

#[test]
fn a_result_begins_with_the_short_of_it() {
    let mut played = Played::new("$ make");
    played.review(1, "make", Verdict::Allow);
    played.run(1, "make", 0, "");
    played.ask(2, "touch .git/hooks/a");
    played.settle(Decision::Deny, Some("not my hooks"));
    let digest = exec("touch .git/hooks/a").digest(&[]);
    played.report(serde_json::json!({"type": "action-refused", "action_id": 2, "digest": digest,
        "reason": "denied by console:owner: not my hooks"}));
    played.report(serde_json::json!({"type": "ended", "outcome": "denied", "reason":
        {"type": "denied-by-person", "by": "console:owner", "reason": "not my hooks"}}));
    played.report(serde_json::json!({"type": "changes", "changes": {"changes": [
        {"path": "a.txt", "kind": {"type": "added"}, "base": {"type": "absent"}, "mode": 420,
         "size": 4, "lines_added": 2},
        {"path": ".git/hooks/b", "kind": {"type": "modified"}, "base": {"type": "absent"},
         "mode": 420, "size": 4, "lines_removed": 1, "refusal": "git-internals"}]}}));
    let summary = Summary::of(&played.records);
    assert_snapshot!(report::summary(&summary, &Delivery::NotAsked, reader()), @r##"
    denied by console:owner: not my hooks
    2 files changed (+2 −1) · 1 action ran · 1 refused · took 13 s

    What changed
      a.txt  (added +2 −0)
      .git/hooks/b  (modified +0 −1; git's own files are never delivered)

    What ran
      make  (exit 0, 1.2 s)

    What was refused
      touch .git/hooks/a  (denied by console:owner: not my hooks · git-hooks, by person)

    Who settled how many
      sandbox  (1 allowed, 0 refused)
      person  (0 allowed, 1 refused)

    Sandbox
      full  (workspace by overlay)
    "##);
    let labels: Vec<_> = played.card().buttons.iter().map(|button| button.label).collect();
    assert_eq!(labels, ["Apply", "Branch", "Discard", "Run again"]);
}

#[test]
fn changes_that_are_not_all_listed_are_said_to_be_and_can_only_be_discarded() {
    let listed = serde_json::json!({"path": "a.txt", "kind": {"type": "added"},
        "base": {"type": "absent"}, "mode": 420, "size": 4, "lines_added": 2});
    let most = "there are more changes than are listed; they can only be discarded";
    for (changes, first) in [(vec![], most), (vec![listed], "1 file changed (+2 −0)")] {
        let mut played = Played::new("$ make");
        played.report(serde_json::json!({"type": "ended", "outcome": "succeeded",
            "reason": {"type": "completed"}}));
        played.report(serde_json::json!({"type": "changes",
            "changes": {"changes": changes, "truncated": true}}));
        let card = played.card();
        let short = card.result.as_ref().map(|result| result.short.clone()).unwrap_or_default();
        assert_eq!(short.first().map(String::as_str), Some(first));
        assert!(short.iter().any(|line| line == most), "{short:?}");
        let labels: Vec<_> = card.buttons.iter().map(|button| button.label).collect();
        assert_eq!(labels, ["Discard", "Run again"]);
    }
}

#[test]
fn a_spent_budget_asks_for_a_sum_and_says_what_a_no_does() {
    let limit = |tokens| Limit { cost: None, tokens: Some(tokens) };
    let raise = Raise { of: Purse::Task, from: limit(5), to: limit(10) };
    let card = ApprovalCard::open(&task_id(), &question(Action::Raise(raise)));
    assert_eq!(card.title, "Wants a larger budget");
    assert_eq!(card.action.text, "raise the budget of the task from 5 tokens to 10 tokens");
    let labels: Vec<_> = card.buttons.iter().map(|button| button.label).collect();
    assert_eq!(labels, ["Approve the raise", "Deny"]);
}

#[test]
fn what_is_shown_as_it_is_can_be_changed_where_somebody_can_be_handed_it() {
    let card = |command: &str, form| {
        let approval = Approval { form, ..question(exec(command)) };
        let card = ApprovalCard::open(&task_id(), &approval);
        let edit = card.buttons.contains(&Button::from(Press::Edit));
        assert_eq!(edit, card.editable.is_some());
        card.editable
    };
    assert_eq!(card("git push", Form::Editable).as_deref(), Some("git push"));
    assert_eq!(card("git push", Form::Fixed), None);
    assert_eq!(card("TOKEN=abcdef1 git push", Form::Editable), None, "it would show the secret");
    assert_eq!(card("git push \u{202e}x", Form::Editable), None);
}

#[test]
fn a_receipt_says_what_really_happened() {
    let person =
        |decision| Settlement::Person { who: Principal::console(), decision, reason: None };
    let cases = [
        (person(Decision::Approve), Consequence::Told, "approved once, and the agent goes on"),
        (
            person(Decision::Approve),
            Consequence::Requeued,
            "approved, but the run was gone; the task goes on from there with a new one",
        ),
        (person(Decision::Deny), Consequence::Told, "denied, and the agent was told"),
        (person(Decision::Deny), Consequence::TooLate, "already denied by console:owner"),
        (Settlement::Expired, Consequence::TooLate, "expired, not run"),
        (Settlement::Withdrawn, Consequence::TooLate, "withdrawn, not run"),
        (
            Settlement::Edited { who: Principal::console(), action: Box::new(exec("ls")) },
            Consequence::TooLate,
            "already approved, edited by console:owner",
        ),
        (
            person(Decision::Deny),
            Consequence::Ends,
            "denied by console:owner; the task ends here, and what it changed is kept",
        ),
        // The answer itself came after its time.
        (Settlement::Expired, Consequence::Told, "expired, not run"),
    ];
    for (settlement, consequence, expect) in cases {
        let answered = Answered { task: task_id(), settlement, consequence };
        assert_eq!(receipt(&answered), expect);
    }
}

#[test]
fn a_removed_line_that_looks_like_a_header_is_still_a_removed_line() {
    let diff = "--- a/x\n+++ b/x\n@@ -1,2 +1 @@\n--- a/y\n same\u{202e}\n\\ No newline at end of file\n\
                diff --git a/z b/z\n";
    let lines: Vec<_> = result::diff_lines(diff)
        .into_iter()
        .map(|line| format!("{:?} {}", line.sign, line.text))
        .collect();
    assert_eq!(
        lines,
        [
            "File --- a/x",
            "File +++ b/x",
            "Place @@ -1,2 +1 @@",
            "Removed -- a/y",
            "Same same‹U+202E›",
            "Place \\ No newline at end of file",
            "File diff --git a/z b/z",
        ]
    );
}

#[test]
fn the_labels_are_the_words_that_scripts_rely_on() {
    let begins = ["Approve", "Deny", "Stop", "Apply", "Branch", "Discard", "Continue", "Run again"];
    for press in [
        Press::ApproveOnce,
        Press::ApproveForTask,
        Press::Edit,
        Press::Deny,
        Press::DenyWithReason,
        Press::Stop,
        Press::Apply,
        Press::Branch,
        Press::Discard,
        Press::RunAgain,
    ] {
        assert!(begins.iter().any(|word| press.label().starts_with(word)), "{press:?}");
    }
}

#[test]
fn questions_that_look_the_same_say_what_an_answer_does() {
    let mut story = Played::new("push");
    for id in [1, 2] {
        story.ask(id, "git push");
    }
    let notes = |story: &Played| {
        let entries = story.card().entries.into_iter();
        let facts = entries.flat_map(|entry| match entry {
            Entry::Approval { card, .. } => card.facts,
            Entry::Note { .. } | Entry::Step { .. } => Vec::new(),
        });
        facts.filter(|fact| fact.label == "Asked").map(|fact| fact.text).collect::<Vec<_>>()
    };
    let words = "2 times at once, word for word; Approve once lets one of them run, every other \
                 answer is for all";
    assert_eq!(notes(&story), [words, words]);
    story.settle(Decision::Approve, None);
    assert_eq!(notes(&story), Vec::<String>::new(), "one is left, and looks like no other");
}

#[test]
fn a_result_says_what_was_used_and_nothing_where_nothing_was() {
    let mut story = Played::new("build it");
    assert!(!story.card_when_over().contains("tokens"));
    for (input, output) in [(1_000, 20), (1_234_567, 890)] {
        story.report(serde_json::json!({"type": "agent-reported", "event":
            {"type": "usage", "input_tokens": input, "output_tokens": output}}));
    }
    let short = story.card_when_over();
    let words = "1,234,567 tokens read and 890 written, as the agent counts";
    assert!(short.contains(words), "the last word of a run counts: {short}");
}

#[test]
fn what_gatepost_counted_comes_before_what_the_agent_says_and_a_part_is_no_whole() {
    let model = |name: &str, cost: Option<u64>| Metered {
        model: name.into(),
        usage: Usage { input: 1_000, output: 50, cache_read: 200, cache_write: 0 },
        cost: cost.map(Cost::from_nanodollars),
    };
    let short = |models: Vec<Metered>| {
        let used = Some(Used { input_tokens: 9, output_tokens: 9 });
        let summary = Summary { models, used, ..Summary::default() };
        ResultCard::of(&summary, &Delivery::NotAsked).short.join(" · ")
    };
    let priced = short(vec![model("a", Some(20_000_000)), model("b", Some(10_000_000))]);
    assert!(priced.contains("2,400 tokens read and 100 written, $0.03"), "{priced}");
    let unpriced = short(vec![model("a", Some(20_000_000)), model("b", None)]);
    assert!(unpriced.contains("100 written") && !unpriced.contains('$'), "{unpriced}");
    assert!(!unpriced.contains("as the agent counts"), "{unpriced}");
}

#[test]
fn an_agent_that_the_sandbox_alone_holds_is_told_of_on_every_card() {
    let words = "may act without asking";
    let story = Played::held_by("build it", "sandbox-only");
    let live = format!("{:?}", story.card());
    assert!(live.contains(words), "{live}");
    let over = story.card_when_over();
    assert!(over.contains(words), "{over}");
    let plain = format!("{:?}", Played::new("build it").card());
    assert!(!plain.contains(words), "{plain}");
}

#[test]
fn what_was_done_without_asking_is_counted() {
    let mut story = Played::new("build it");
    for what in ["ls", "touch x"] {
        story.report(serde_json::json!({"type": "agent-reported", "event":
            {"type": "unasked", "what": what}}));
    }
    let live = format!("{:?}", story.card());
    assert!(live.contains("done without asking; the sandbox contained it: touch x"), "{live}");
    let over = story.card_when_over();
    assert!(over.contains("2 done without asking"), "{over}");
}

#[test]
fn a_veiled_card_says_how_a_task_stands_and_nothing_of_what_it_acts_on() {
    let mut played = Played::new("tidy up");
    played.review(1, "cat /etc/tree", Verdict::Allow);
    played.run(1, "cat /etc/tree", 0, "the printed oak");
    played.report(serde_json::json!({"type": "agent-reported", "event":
        {"type": "text", "text": "I looked at the oak"}}));
    played.review(2, "sudo -u oak id", Verdict::Deny);
    played.report(serde_json::json!({"type": "action-refused", "action_id": 2,
        "digest": exec("sudo -u oak id").digest(&[]), "reason": "the oak is refused"}));
    played.ask(3, "touch oak");
    let message = "and keep the oak".into();
    played.command(Command::Message { message, by: Principal::console(), origin: None });
    let open = played.card();
    assert!(told(&open).contains("oak") && told(&open).contains("tree"));
    assert_eq!(open.clone().veiled(true).line.title, "tidy up");
    let veiled = open.veiled(false);
    assert_snapshot!(told(&veiled), @r#"
    step: a command → exit 0 · 1.2 s; printed None
    step: a command → refused; printed None
    question: Wants to run a command → None ["Approve once", "Approve for this task", "Deny", "Deny with reason"]
    "#);
    let whole = format!("{veiled:?}");
    for secret in ["oak", "tree", "hooks", "sudo", "tidy"] {
        assert!(!whole.contains(secret), "{secret} in {whole}");
    }
    let shown = crate::render::task(&veiled, &crate::render::Standing::default(), 4096);
    assert!(shown.text().contains("a command exit 0"), "{}", shown.text());
    assert!(shown.text().contains("1 question waits for an answer"), "{}", shown.text());
}

#[test]
fn what_a_person_forbade_stands_on_the_card_and_in_the_summary() {
    let mut played = Played::new("Fix it. Don't commit or push!");
    let facts = |card: TaskCard| {
        let said = card.facts.into_iter().filter(|fact| fact.label == "You said");
        said.map(|fact| fact.text).collect::<Vec<_>>()
    };
    assert_eq!(facts(played.card()), ["“Don't commit or push”, which holds"]);
    let notes = played.card().entries;
    let shown =
        |entry: &&Entry| matches!(entry, Entry::Note { text, .. } if text.contains("holds"));
    assert_eq!(notes.iter().filter(shown).count(), 1, "once, though it forbids two things");
    let say = |played: &mut Played, text: &str| {
        let by = Principal::console();
        played.command(Command::Message { message: text.into(), by, origin: None });
    };
    say(&mut played, "You may commit.");
    let lines = Summary::of(&played.records).boundaries;
    assert_eq!(lines.len(), 1);
    assert!(lines.iter().all(|line| !line.lifted), "half of it still holds");
    assert_eq!(facts(played.card()).len(), 1);
    say(&mut played, "You can push now.");
    assert!(Summary::of(&played.records).boundaries.iter().all(|line| line.lifted));
    assert_eq!(facts(played.card()), Vec::<String>::new());
}
