//! What is said to Codex, and what is made of what it says. The messages have the form of version
//! 0.169.0, seen on 2026-11-25.

use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::Ending;
use gatepost_domain::dispatch::Left;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::io::DuplexStream;
use tokio::io::Lines;

use super::*;
use crate::agent::Brief;
use crate::agent::Executor;
use crate::agent::Resume;
use crate::program::Bounds;
use crate::program::Pipes;
use crate::telling::MOST_UNKNOWN;

const THREAD: &str = "01a2129e-b903-73c0-ac26-b49076312758";

/// The program's side.
struct Other {
    said: Lines<BufReader<DuplexStream>>,
    out: DuplexStream,
    _err: DuplexStream,
    end: Option<tokio::sync::oneshot::Sender<String>>,
}

fn brief(resume: Option<&str>, messages: &[&str]) -> Brief {
    Brief {
        run: "k7m2qd/1".into(),
        asked: "do it".into(),
        messages: messages.iter().map(|text| Words::from(*text)).collect(),
        workspace: "/srv/demo".into(),
        resume: resume.map(|key| Resume { key: key.to_owned(), left: Left::Waiting }),
    }
}

fn start(brief: &Brief) -> (Driver, Other) {
    let (stdin, said) = tokio::io::duplex(1 << 20);
    let (out, stdout) = tokio::io::duplex(1 << 20);
    let (err, stderr) = tokio::io::duplex(1 << 10);
    let (end, ended) = tokio::sync::oneshot::channel();
    let pipes = Pipes {
        stdin: Box::new(stdin),
        stdout: Box::new(stdout),
        stderr: Box::new(stderr),
        ended: Box::pin(async { ended.await.unwrap_or_else(|_| "lost".into()) }),
    };
    let bounds = Bounds { silence: Duration::from_secs(50), secrets: vec!["t0ken".into()] };
    let driver = Driver::new(Program::new(pipes, bounds), Thread::of(brief).unwrap());
    let said = BufReader::new(said).lines();
    (driver, Other { said, out, _err: err, end: Some(end) })
}

impl Other {
    async fn print(&mut self, message: Value) {
        self.out.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    /// What it is told next.
    async fn told(&mut self) -> Value {
        serde_json::from_str(&self.said.next_line().await.unwrap().unwrap()).unwrap()
    }

    async fn note(&mut self, method: &str, mut params: Value) {
        params["threadId"] = json!(THREAD);
        params["turnId"] = json!("turn1");
        self.print(json!({"method": method, "params": params})).await;
    }

    async fn opened(&mut self, id: &Value, policy: &str, cwd: &str) {
        self.print(json!({"id": id, "result": {
            "thread": {"id": THREAD}, "approvalPolicy": policy, "cwd": cwd,
        }}))
        .await;
    }

    async fn turn_started(&mut self, id: &Value) {
        self.print(json!({"id": id, "result": {"turn": {"id": "turn1", "status": "inProgress"}}}))
            .await;
        self.note("turn/started", json!({"turn": {"id": "turn1"}})).await;
    }

    async fn turned(&mut self, status: &str, error: Value) {
        self.note(
            "turn/completed",
            json!({"turn": {"id": "turn1", "status": status,
            "error": error}}),
        )
        .await;
    }

    async fn started(&mut self, item: Value) {
        self.note("item/started", json!({"item": item})).await;
    }

    async fn completed(&mut self, item: Value) {
        self.note("item/completed", json!({"item": item})).await;
    }

    async fn ask_command(&mut self, id: u64, item: &str, command: &str) {
        let of = command_item(item, command, "inProgress", json!(null));
        self.started(of).await;
        self.print(json!({"method": "item/commandExecution/requestApproval", "id": id, "params": {
            "kind": "command", "threadId": THREAD, "turnId": "turn1", "itemId": item,
            "command": wrapped(command), "cwd": "/srv/demo",
            "availableDecisions": ["accept", "cancel"],
        }}))
        .await;
    }

    async fn ask_change(&mut self, id: u64, item: &str, changes: &Value) {
        self.started(json!({"type": "fileChange", "id": item, "changes": changes,
            "status": "inProgress"}))
            .await;
        self.print(json!({"method": "item/fileChange/requestApproval", "id": id, "params": {
            "threadId": THREAD, "turnId": "turn1", "itemId": item, "reason": null,
        }}))
        .await;
    }

    /// Begins a conversation and its first turn; what is said in that.
    async fn greeted(&mut self) -> Value {
        assert_eq!(self.told().await["method"], "initialize");
        assert_eq!(self.told().await["method"], "initialized");
        let open = self.told().await;
        self.opened(&open["id"], "untrusted", "/srv/demo").await;
        let turn = self.told().await;
        assert_eq!(turn["method"], "turn/start");
        self.turn_started(&turn["id"]).await;
        turn["params"]["input"].clone()
    }
}

fn wrapped(command: &str) -> String {
    shlex::try_join(["/bin/bash", "-lc", command]).unwrap()
}

fn command_item(id: &str, command: &str, status: &str, code: Value) -> Value {
    json!({"type": "commandExecution", "id": id, "command": wrapped(command),
        "cwd": "/srv/demo", "status": status, "exitCode": code, "processId": null,
        "aggregatedOutput": if code.is_null() { json!(null) } else { json!("out\n") }})
}

/// Lets the driver work, which says nothing meanwhile, until `test` is through.
async fn alongside<T>(driver: &mut Driver, test: impl Future<Output = T>) -> T {
    tokio::select! {
        biased;
        value = test => value,
        next = driver.next() => panic!("too early: {next:?}"),
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ceiling = Duration::from_secs(60);
    runtime.block_on(async { tokio::time::timeout(ceiling, test).await.expect("in time") });
}

async fn proposed(driver: &mut Driver) -> (ProposalId, Action) {
    match driver.next().await.unwrap() {
        Next::Propose { id, action, by: Executor::Agent } => (id, action),
        other => panic!("{other:?}"),
    }
}

async fn reported(driver: &mut Driver) -> AgentEvent {
    match driver.next().await.unwrap() {
        Next::Report { event } => event,
        other => panic!("{other:?}"),
    }
}

async fn finished(driver: &mut Driver) -> (ProposalId, ActionResult) {
    match driver.next().await.unwrap() {
        Next::Finished { id, result } => (id, result),
        other => panic!("{other:?}"),
    }
}

fn refused(words: &str) -> Answer {
    Answer::Refused { words: words.into(), reason: Reason::RefusedByGate { reason: words.into() } }
}

const CLEARED: Answer = Answer::Cleared { input: None };

#[test]
fn a_command_is_asked_about_let_run_and_its_end_told() {
    run(async {
        let (mut driver, mut other) = start(&brief(None, &[]));
        let said = alongside(&mut driver, other.greeted()).await;
        assert_eq!(said[0]["text"], "do it");
        other.ask_command(0, "call_1", "ls -la").await;
        let (id, action) = proposed(&mut driver).await;
        assert_eq!(action.subject(), "ls -la");
        driver.answer(id, CLEARED);
        let answer = alongside(&mut driver, other.told()).await;
        assert_eq!(answer, json!({"id": 0, "result": {"decision": "accept"}}));
        other.print(json!({"method": "serverRequest/resolved", "params": {"requestId": 0}})).await;
        other.completed(command_item("call_1", "ls -la", "failed", json!(3))).await;
        let (of, result) = finished(&mut driver).await;
        assert_eq!((of, result.ending), (id, Ending::Exited { code: 3 }));
        assert_eq!(result.head, "out\n");
        other.turned("completed", json!(null)).await;
        let done = driver.next().await.unwrap();
        assert_eq!(done, Next::Done { outcome: Outcome::Succeeded, reason: Reason::Completed });
    });
}

#[test]
fn the_reason_of_a_denial_is_said_right_before_it() {
    run(async {
        let (mut driver, mut other) = start(&brief(None, &[]));
        alongside(&mut driver, other.greeted()).await;
        other.ask_command(7, "call_1", "rm x").await;
        let (id, _) = proposed(&mut driver).await;
        driver.answer(id, refused("the person denied it: use git"));
        let (steer, answer) =
            alongside(&mut driver, async { (other.told().await, other.told().await) }).await;
        assert_eq!(steer["method"], "turn/steer");
        assert_eq!(steer["params"]["expectedTurnId"], "turn1");
        let text = steer["params"]["input"][0]["text"].as_str().unwrap();
        assert!(text.contains("the person denied it: use git"), "{text}");
        assert_eq!(answer, json!({"id": 7, "result": {"decision": "decline"}}));
        other.print(json!({"id": steer["id"], "result": {"turnId": "turn1"}})).await;
        // A refused command that ends as such did nothing.
        other.completed(command_item("call_1", "rm x", "declined", json!(null))).await;
        other.turned("completed", json!(null)).await;
        assert!(matches!(driver.next().await.unwrap(), Next::Done { .. }));
    });
}

#[test]
fn a_change_of_files_is_let_run_when_every_file_was_cleared() {
    run(async {
        let (mut driver, mut other) = start(&brief(None, &[]));
        alongside(&mut driver, other.greeted()).await;
        let changes = json!([
            {"path": "/srv/demo/a", "kind": {"type": "add"}, "diff": "x\n"},
            {"path": "/srv/demo/b", "kind": {"type": "update"}, "diff": "@@\n-y\n+z\n"},
        ]);
        other.ask_change(1, "call_1", &changes).await;
        let (first, action) = proposed(&mut driver).await;
        assert_eq!(action, Action::Write { path: "/srv/demo/a".into(), content: "x\n".into() });
        let (second, action) = proposed(&mut driver).await;
        assert_eq!(action.tool(), "edit");
        driver.answer(second, CLEARED);
        // One of two: nothing is answered yet, and the program waits.
        other.note("account/rateLimits/updated", json!({})).await;
        driver.answer(first, CLEARED);
        let answer = alongside(&mut driver, other.told()).await;
        assert_eq!(answer, json!({"id": 1, "result": {"decision": "accept"}}));
        let done = json!({"type": "fileChange", "id": "call_1", "changes": changes,
            "status": "completed"});
        other.completed(done).await;
        let mut ends = [finished(&mut driver).await, finished(&mut driver).await];
        ends.sort_by_key(|(id, _)| *id);
        assert_eq!(ends.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [first, second]);
        assert!(ends.iter().all(|(_, result)| result.ending.is_success()));
    });
}

#[test]
fn a_change_is_refused_whole_when_one_file_is() {
    run(async {
        let (mut driver, mut other) = start(&brief(None, &[]));
        alongside(&mut driver, other.greeted()).await;
        let file = |name: &str| json!({"path": name, "kind": {"type": "add"}, "diff": "x\n"});
        let changes = json!([file("/srv/demo/a"), file("/srv/demo/.git/hooks/x"), file("/srv/c")]);
        other.ask_change(1, "call_1", &changes).await;
        let (first, _) = proposed(&mut driver).await;
        let (second, _) = proposed(&mut driver).await;
        let (third, _) = proposed(&mut driver).await;
        driver.answer(first, CLEARED);
        driver.answer(second, refused("not the hooks"));
        assert_eq!(driver.next().await.unwrap(), Next::Withdraw { id: third });
        let (of, result) = finished(&mut driver).await;
        assert_eq!(of, first);
        assert!(matches!(result.ending, Ending::Broken { .. }), "{result:?}");
        let answers = alongside(&mut driver, async { [other.told().await, other.told().await] });
        let [steer, answer] = answers.await;
        assert_eq!(steer["method"], "turn/steer");
        assert_eq!(answer["result"]["decision"], "decline");
        // The answer to the third was on its way already: it did not happen either.
        driver.answer(third, CLEARED);
        let (of, result) = finished(&mut driver).await;
        assert!(of == third && matches!(result.ending, Ending::Broken { .. }), "{result:?}");
    });
}

#[test]
fn what_ran_unasked_is_told() {
    run(async {
        let (mut driver, mut other) = start(&brief(None, &[]));
        alongside(&mut driver, other.greeted()).await;
        other.completed(command_item("c1", "ls", "completed", json!(0))).await;
        let what = |what: &str| AgentEvent::Unasked { what: what.into() };
        assert_eq!(reported(&mut driver).await, what("ls"));
        let change = json!([{"path": "/srv/demo/a", "kind": {"type": "add"}, "diff": ""}]);
        other
            .completed(json!({"type": "fileChange", "id": "c2", "changes": change,
                "status": "completed"}))
            .await;
        assert_eq!(reported(&mut driver).await, what("change of /srv/demo/a"));
        other.completed(json!({"type": "imageView", "id": "c3", "path": "/etc/x.png"})).await;
        assert_eq!(reported(&mut driver).await, what("look at /etc/x.png"));
        let typed = json!({"itemId": "c1", "processId": "1", "stdin": "rm x\n"});
        other.note("item/commandExecution/terminalInteraction", typed).await;
        assert_eq!(reported(&mut driver).await, what("typed into a running command: rm x\n"));
        // It only looks whether there is more.
        let polled = json!({"itemId": "c1", "processId": "1", "stdin": ""});
        other.note("item/commandExecution/terminalInteraction", polled).await;
        // What failed before it began did nothing.
        other.completed(command_item("c4", "id", "failed", json!(null))).await;
        // What was refused and ran all the same.
        other.ask_command(1, "c5", "rm t0ken").await;
        let (id, _) = proposed(&mut driver).await;
        driver.answer(id, refused("no"));
        alongside(&mut driver, async { (other.told().await, other.told().await) }).await;
        other.completed(command_item("c5", "rm t0ken", "completed", json!(0))).await;
        let told = reported(&mut driver).await;
        assert_eq!(told, what("although it was refused: rm [taken out]"));
    });
}

#[test]
fn a_program_that_does_not_ask_about_everything_does_not_work() {
    for (policy, cwd) in [("never", "/srv/demo"), ("on-request", "/srv/demo"), ("untrusted", "/")] {
        run(async {
            let (mut driver, mut other) = start(&brief(None, &[]));
            other.opened(&json!(1), policy, cwd).await;
            let error = driver.next().await.unwrap_err().to_string();
            assert!(error.contains("it asks by") || error.contains("another directory"), "{error}");
        });
    }
    for (method, params) in [
        ("mcpServer/startupStatus/updated", json!({"name": "evil", "status": "starting"})),
        ("hook/started", json!({})),
    ] {
        run(async {
            let (mut driver, mut other) = start(&brief(None, &[]));
            alongside(&mut driver, other.greeted()).await;
            other.note(method, params).await;
            let error = driver.next().await.unwrap_err().to_string();
            assert!(error.contains("nobody set up"), "{error}");
        });
    }
}

#[test]
fn a_question_that_is_given_up_is_withdrawn() {
    run(async {
        let (mut driver, mut other) = start(&brief(None, &[]));
        alongside(&mut driver, other.greeted()).await;
        other.ask_command(4, "c1", "a").await;
        let (id, _) = proposed(&mut driver).await;
        other.print(json!({"method": "serverRequest/resolved", "params": {"requestId": 4}})).await;
        assert_eq!(driver.next().await.unwrap(), Next::Withdraw { id });
        // One that its turn's end takes along.
        other.ask_command(5, "c2", "b").await;
        let (id, _) = proposed(&mut driver).await;
        other.turned("interrupted", json!(null)).await;
        assert_eq!(driver.next().await.unwrap(), Next::Withdraw { id });
        let done = driver.next().await.unwrap();
        assert!(matches!(done, Next::Done { outcome: Outcome::Failed, .. }), "{done:?}");
    });
}

#[test]
fn questions_of_other_kinds_get_nothing() {
    run(async {
        let (mut driver, mut other) = start(&brief(None, &[]));
        alongside(&mut driver, other.greeted()).await;
        let params = json!({"threadId": THREAD, "itemId": "c", "questions": [
            {"id": "q1", "header": "h", "question": "Which one?", "options": [
                {"label": "A", "description": "a"}]}]});
        for (id, method) in [
            (1, "item/permissions/requestApproval"),
            (2, "mcpServer/elicitation/request"),
            (3, "item/tool/requestUserInput"),
            (4, "item/tool/call"),
            (5, "execCommandApproval"),
        ] {
            other.print(json!({"method": method, "id": id, "params": params})).await;
        }
        let text = |event| match event {
            AgentEvent::Text { text } => text,
            other => panic!("{other:?}"),
        };
        assert!(text(reported(&mut driver).await).contains("given none"));
        assert!(text(reported(&mut driver).await).contains("refused"));
        assert_eq!(text(reported(&mut driver).await), "Which one?\n- A");
        assert!(matches!(reported(&mut driver).await, AgentEvent::Other { .. }));
        let mut told = Vec::new();
        for _ in 0..5 {
            told.push(alongside(&mut driver, other.told()).await);
        }
        assert_eq!(told[0]["result"]["permissions"], json!({}));
        assert_eq!(told[1]["result"]["action"], "decline");
        let words = told[2]["result"]["answers"]["q1"]["answers"][0].as_str().unwrap();
        assert!(words.contains("end your turn"), "{words}");
        assert_eq!(told[3]["result"]["success"], false);
        assert!(told[4]["error"]["message"].is_string());
    });
}

#[test]
fn a_message_steers_the_turn_and_begins_one_when_it_came_too_late() {
    run(async {
        let (mut driver, mut other) = start(&brief(None, &["and this"]));
        let said = alongside(&mut driver, other.greeted()).await;
        assert_eq!(said[1]["text"], "and this");
        driver.message("faster".into());
        let steer = alongside(&mut driver, other.told()).await;
        assert_eq!(steer["params"]["input"][0]["text"], "faster");
        other.turned("completed", json!(null)).await;
        let error = json!({"code": -32600, "message": "no active turn to steer"});
        other.print(json!({"id": steer["id"], "error": error})).await;
        let turn = alongside(&mut driver, other.told()).await;
        assert_eq!(turn["method"], "turn/start");
        assert_eq!(turn["params"]["input"][0]["text"], "faster");
        assert!(driver.resume_key().contains("\"heard\":2"), "{}", driver.resume_key());
        other.turn_started(&turn["id"]).await;
        other.turned("completed", json!(null)).await;
        assert!(matches!(driver.next().await.unwrap(), Next::Done { .. }));
    });
}

#[test]
fn a_conversation_is_taken_up_or_begins_anew() {
    let key = format!(r#"{{"thread":"{THREAD}","heard":0}}"#);
    run(async {
        let (mut driver, mut other) = start(&brief(Some(&key), &["more"]));
        let said = alongside(&mut driver, other.greeted()).await;
        assert!(said[0]["text"].as_str().unwrap().contains("cut off"), "{said}");
        assert_eq!(said[1]["text"], "more");
    });
    run(async {
        let (mut driver, mut other) = start(&brief(Some(&key), &[]));
        let resume = alongside(&mut driver, async {
            other.told().await;
            other.told().await;
            other.told().await
        });
        let resume = resume.await;
        assert_eq!(resume["method"], "thread/resume");
        assert_eq!(resume["params"]["threadId"], THREAD);
        assert_eq!(resume["params"]["approvalPolicy"], "untrusted");
        let error = json!({"code": -32600, "message": "no rollout found"});
        other.print(json!({"id": resume["id"], "error": error})).await;
        let AgentEvent::Text { text } = reported(&mut driver).await else { panic!() };
        assert!(text.contains("anew"), "{text}");
        let open = alongside(&mut driver, other.told()).await;
        assert_eq!(open["method"], "thread/start");
        other.opened(&open["id"], "untrusted", "/srv/demo").await;
        let turn = alongside(&mut driver, other.told()).await;
        assert_eq!(turn["params"]["input"][0]["text"], "do it");
    });
}

#[test]
fn an_edited_form_is_asked_for_and_nothing_runs() {
    run(async {
        let (mut driver, mut other) = start(&brief(None, &[]));
        alongside(&mut driver, other.greeted()).await;
        other.ask_command(1, "c1", "rm -r x").await;
        let (id, _) = proposed(&mut driver).await;
        driver.answer(id, Answer::Cleared { input: Some("{\"command\":\"rm x/a\"}".into()) });
        let (of, result) = finished(&mut driver).await;
        assert!(of == id && matches!(result.ending, Ending::Broken { .. }), "{result:?}");
        let (steer, answer) =
            alongside(&mut driver, async { (other.told().await, other.told().await) }).await;
        assert!(steer["params"]["input"][0]["text"].as_str().unwrap().contains("rm x/a"));
        assert_eq!(answer["result"]["decision"], "decline");
    });
}

#[test]
fn what_it_says_becomes_reports_and_the_unknown_is_kept_bounded() {
    run(async {
        let (mut driver, mut other) = start(&brief(None, &[]));
        alongside(&mut driver, other.greeted()).await;
        other.completed(json!({"type": "agentMessage", "id": "m", "text": "my t0ken"})).await;
        let text = AgentEvent::Text { text: "my [taken out]".into() };
        assert_eq!(reported(&mut driver).await, text);
        let plan = json!({"plan": [{"step": "one", "status": "pending"}], "explanation": null});
        other.note("turn/plan/updated", plan).await;
        assert_eq!(reported(&mut driver).await, AgentEvent::Plan { entries: vec!["one".into()] });
        let usage = json!({"tokenUsage": {"total": {"inputTokens": 100, "outputTokens": 20}}});
        for _ in 0..3 {
            other.note("thread/tokenUsage/updated", usage.clone()).await;
        }
        let used = AgentEvent::Usage { input_tokens: 100, output_tokens: 20 };
        assert_eq!(reported(&mut driver).await, used);
        // The model proxy tells that, and knows why.
        other.note("error", json!({"error": {"message": "429"}, "willRetry": true})).await;
        for _ in 0..MOST_UNKNOWN + 50 {
            other.note("unheard/of", json!({"a": 1})).await;
        }
        for _ in 0..MOST_UNKNOWN {
            assert!(matches!(reported(&mut driver).await, AgentEvent::Other { .. }));
        }
        let error = json!({"message": "unexpected status 401", "additionalDetails": "t0ken"});
        other.turned("failed", error).await;
        let Next::Done { outcome: Outcome::Failed, reason } = driver.next().await.unwrap() else {
            panic!("it failed");
        };
        assert!(reason.to_string().contains("401; [taken out]"), "{reason}");
    });
}

#[test]
fn a_version_that_was_not_tried_is_told() {
    let tested = format!("gatepost/{} (Debian 12; x86_64)", TESTED[0]);
    for (agent, told) in [(tested.as_str(), false), ("", false), ("gatepost/9.8 (x)", true)] {
        run(async {
            let (mut driver, mut other) = start(&brief(None, &[]));
            other.print(json!({"id": 0, "result": {"userAgent": agent}})).await;
            other.print(json!({"method": "unheard/of", "params": {}})).await;
            let mut event = reported(&mut driver).await;
            if told {
                let AgentEvent::Text { text } = event else { panic!("{event:?}") };
                assert!(text.contains("9.8") && text.contains("not tested"), "{text}");
                event = reported(&mut driver).await;
            }
            assert!(matches!(event, AgentEvent::Other { .. }), "{agent}: {event:?}");
        });
    }
}

#[test]
fn garbage_ends_the_run_and_so_does_an_end_in_the_middle() {
    for line in ["no json", "[]", "{}", "3"] {
        run(async {
            let (mut driver, mut other) = start(&brief(None, &[]));
            other.out.write_all(format!("{line}\n").as_bytes()).await.unwrap();
            let error = driver.next().await.unwrap_err();
            let garbage = matches!(error, AgentError::Program(ProgramError::Garbage(_)));
            assert!(garbage, "{line}: {error}");
        });
    }
    run(async {
        let (mut driver, mut other) = start(&brief(None, &[]));
        alongside(&mut driver, other.greeted()).await;
        let Other { said, out, _err, end } = other;
        drop((said, out, _err));
        end.unwrap().send("exit 101".into()).unwrap();
        let error = driver.next().await.unwrap_err().to_string();
        assert!(error.contains("in the middle of its work (exit 101"), "{error}");
    });
}

#[test]
fn an_interrupt_is_said_to_the_turn() {
    run(async {
        let (mut driver, mut other) = start(&brief(None, &[]));
        alongside(&mut driver, other.greeted()).await;
        driver.message("x".into());
        alongside(&mut driver, other.told()).await;
        driver.interrupt();
        let done = driver.next().await.unwrap();
        assert!(matches!(done, Next::Done { outcome: Outcome::Cancelled, .. }), "{done:?}");
        let told = alongside_quiet(&mut driver, &mut other).await;
        assert_eq!(told["method"], "turn/interrupt");
        assert_eq!(told["params"], json!({"threadId": THREAD, "turnId": "turn1"}));
    });
}

/// What is said after the end was told.
async fn alongside_quiet(driver: &mut Driver, other: &mut Other) -> Value {
    tokio::select! {
        biased;
        told = other.told() => told,
        next = driver.next() => panic!("{next:?}"),
    }
}

#[test]
fn a_question_waits_for_hours_and_silence_counts_again_after_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut driver, mut other) = start(&brief(None, &[]));
        alongside(&mut driver, other.greeted()).await;
        other.ask_command(1, "c1", "git push").await;
        let (id, _) = proposed(&mut driver).await;
        tokio::time::pause();
        let half_a_day = Duration::from_secs(12 * 3600);
        let waited = tokio::time::timeout(half_a_day, driver.next()).await;
        assert!(waited.is_err(), "{waited:?}");
        driver.answer(id, Answer::Cleared { input: None });
        let answer = alongside(&mut driver, other.told()).await;
        assert_eq!(answer["result"]["decision"], "accept");
        let hung = driver.next().await.unwrap_err().to_string();
        assert!(hung.contains("said nothing for 50 seconds"), "{hung}");
    });
}
