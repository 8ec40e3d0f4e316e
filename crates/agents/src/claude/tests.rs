//! What is said to Claude Code, and what is made of what it says. The messages have the form of
//! version 2.1.330, seen on 2026-11-25.

use std::path::Path;
use std::time::Duration;

use gatepost_domain::Action;
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
use crate::telling::KEPT_TEXT;
use crate::telling::MOST_UNKNOWN;

/// The program's side.
struct Other {
    said: Lines<BufReader<DuplexStream>>,
    out: DuplexStream,
    _err: DuplexStream,
    end: Option<tokio::sync::oneshot::Sender<String>>,
}

fn brief() -> Brief {
    Brief {
        run: "k7m2qd/1".into(),
        asked: "do it".into(),
        messages: vec![],
        workspace: "/srv/demo".into(),
        resume: None,
    }
}

fn start(brief: &Brief) -> (Driver, Other) {
    let session = Session::of(brief, Path::new("/nonexistent")).unwrap();
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
    let driver = Driver::new(Program::new(pipes, bounds), session);
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

    async fn init(&mut self, session: &str) {
        self.print(json!({
            "type": "system", "subtype": "init", "cwd": "/srv/demo", "session_id": session,
            "tools": ["Task", "Bash", "Read"], "mcp_servers": [], "permissionMode": "default",
        }))
        .await;
    }

    async fn heard(&mut self, id: &Value) {
        self.print(json!({
            "type": "user", "message": {"role": "user", "content": "…"}, "uuid": id,
            "isReplay": true, "parent_tool_use_id": null,
        }))
        .await;
    }

    async fn hook(&mut self, name: &str, tool: &str, input: &Value) {
        self.print(json!({
            "type": "control_request", "request_id": format!("hook-{name}"),
            "request": {"subtype": "hook_callback", "callback_id": "pre", "tool_use_id": name,
                "input": {"cwd": "/srv/demo", "hook_event_name": "PreToolUse", "tool_name": tool,
                    "tool_input": input, "tool_use_id": name}},
        }))
        .await;
    }

    async fn ask(&mut self, name: &str, tool: &str, input: &Value) {
        self.print(json!({
            "type": "control_request", "request_id": format!("ask-{name}"),
            "request": {"subtype": "can_use_tool", "tool_name": tool, "input": input,
                "tool_use_id": name},
        }))
        .await;
    }

    async fn result(&mut self, name: &str, text: &str, is_error: bool) {
        self.print(json!({
            "type": "user", "parent_tool_use_id": null, "message": {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": name, "content": text,
                    "is_error": is_error}]},
        }))
        .await;
    }

    async fn turned(&mut self) {
        self.print(json!({
            "type": "result", "subtype": "success", "is_error": false, "result": "done",
            "modelUsage": {"a": {"inputTokens": 5, "outputTokens": 2, "cacheReadInputTokens": 1,
                "cacheCreationInputTokens": 1}, "b": {"inputTokens": 10, "outputTokens": 3}},
        }))
        .await;
    }

    async fn state(&mut self, state: &str) {
        self.print(json!({"type": "system", "subtype": "session_state_changed", "state": state}))
            .await;
    }

    /// Reads what is said first; the id of the first message.
    async fn greeted(&mut self, driver: &mut Driver) -> Value {
        let session = driver.session.id().to_owned();
        self.init(&session).await;
        let hears = async {
            let init = self.told().await;
            assert_eq!(init["request"]["subtype"], "initialize");
            assert!(init["request"]["hooks"]["PreToolUse"].is_array());
            let first = self.told().await;
            assert_eq!(first["type"], "user");
            first["uuid"].clone()
        };
        alongside(driver, hears).await
    }
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
    runtime.block_on(async { tokio::time::timeout(ceiling, test).await.unwrap() });
}

async fn reported(driver: &mut Driver) -> AgentEvent {
    match driver.next().await.unwrap() {
        Next::Report { event } => event,
        other => panic!("{other:?}"),
    }
}

async fn proposed(driver: &mut Driver) -> (ProposalId, Action) {
    match driver.next().await.unwrap() {
        Next::Propose { id, action, by: Executor::Agent } => (id, action),
        other => panic!("no proposal: {other:?}"),
    }
}

/// The next thing but usage and other reports.
async fn next(driver: &mut Driver) -> Next {
    loop {
        match driver.next().await.unwrap() {
            Next::Report { .. } => {}
            other => return other,
        }
    }
}

fn refused(words: &str) -> Answer {
    let reason = Reason::RefusedByGate { reason: words.into() };
    Answer::Refused { words: words.into(), reason }
}

#[test]
fn a_tool_is_asked_about_once_and_told_about_once() {
    run(async {
        let (mut driver, mut other) = start(&brief());
        let first = other.greeted(&mut driver).await;
        other.heard(&first).await;
        let input = json!({"command": "ls", "description": "looks"});
        other.hook("t1", "Bash", &input).await;
        let told = alongside(&mut driver, other.told()).await;
        assert_eq!(told["response"]["subtype"], "success");
        let hook = &told["response"]["response"]["hookSpecificOutput"];
        assert_eq!(hook["permissionDecision"], "ask", "the gate decides, not a setting");
        other.ask("t1", "Bash", &input).await;
        let (id, action) = proposed(&mut driver).await;
        assert!(matches!(&action, Action::Exec(exec) if exec.command == "ls"), "{action:?}");
        driver.answer(id, Answer::Cleared { input: None });
        let told = alongside(&mut driver, other.told()).await;
        assert_eq!(told["response"]["request_id"], "ask-t1");
        let answer = &told["response"]["response"];
        assert_eq!(*answer, json!({"behavior": "allow", "updatedInput": input}));
        other.result("t1", "Exit code 2\nno such file", true).await;
        let Next::Finished { id: of, result } = next(&mut driver).await else { panic!("no end") };
        assert_eq!(of, id);
        assert_eq!(result.ending, Ending::Exited { code: 2 });
        other.turned().await;
        let usage = driver.next().await.unwrap();
        let event = AgentEvent::Usage { input_tokens: 17, output_tokens: 5 };
        assert_eq!(usage, Next::Report { event }, "subagents' models count too");
        let end = Next::Done { outcome: Outcome::Succeeded, reason: Reason::Completed };
        assert_eq!(next(&mut driver).await, end);
    });
}

#[test]
fn a_denial_reaches_the_model_word_for_word() {
    run(async {
        let (mut driver, mut other) = start(&brief());
        other.greeted(&mut driver).await;
        let input = json!({"file_path": "/etc/shadow"});
        other.hook("t1", "Read", &input).await;
        alongside(&mut driver, other.told()).await;
        other.ask("t1", "Read", &input).await;
        let (id, _) = proposed(&mut driver).await;
        driver.answer(id, refused("no, because \"this\""));
        let told = alongside(&mut driver, other.told()).await;
        let answer = &told["response"]["response"];
        let wanted =
            json!({"behavior": "deny", "message": "no, because \"this\"", "interrupt": false});
        assert_eq!(*answer, wanted);
        // Its result is the denial, and no end of anything.
        other.result("t1", "no, because", true).await;
        other.hook("t2", "Read", &input).await;
        alongside(&mut driver, other.told()).await;
    });
}

#[test]
fn an_edited_form_replaces_the_input() {
    run(async {
        let (mut driver, mut other) = start(&brief());
        other.greeted(&mut driver).await;
        let input = json!({"command": "rm -r x"});
        other.hook("t1", "Bash", &input).await;
        alongside(&mut driver, other.told()).await;
        other.ask("t1", "Bash", &input).await;
        let (id, _) = proposed(&mut driver).await;
        let edited = json!({"command": "rm -ri x"});
        driver.answer(id, Answer::Cleared { input: Some(edited.to_string()) });
        let told = alongside(&mut driver, other.told()).await;
        assert_eq!(told["response"]["response"]["updatedInput"], edited);
    });
}

#[test]
fn what_was_not_announced_or_changed_since_is_denied() {
    run(async {
        let (mut driver, mut other) = start(&brief());
        other.greeted(&mut driver).await;
        let input = json!({"command": "ls"});
        other.ask("t1", "Bash", &input).await;
        let told = alongside(&mut driver, other.told()).await;
        assert_eq!(told["response"]["response"]["behavior"], "deny", "{told}");
        other.hook("t2", "Bash", &input).await;
        alongside(&mut driver, other.told()).await;
        other.ask("t2", "Bash", &json!({"command": "rm -r ."})).await;
        let told = alongside(&mut driver, other.told()).await;
        assert_eq!(told["response"]["response"]["behavior"], "deny", "{told}");
        // And a name that is in use cannot be announced a second time.
        other.hook("t3", "Bash", &input).await;
        alongside(&mut driver, other.told()).await;
        other.ask("t3", "Bash", &input).await;
        proposed(&mut driver).await;
        other.hook("t3", "Bash", &input).await;
        let told = alongside(&mut driver, other.told()).await;
        let hook = &told["response"]["response"]["hookSpecificOutput"];
        assert_eq!(hook["permissionDecision"], "deny");
        // Nothing is ever answered with an error: to a hook that would be a yes.
        other
            .print(json!({"type": "control_request", "request_id": "u",
                "request": {"subtype": "unheard_of"}}))
            .await;
        assert!(matches!(driver.next().await, Ok(Next::Report { .. })));
        let told = alongside(&mut driver, other.told()).await;
        assert_eq!(told["response"]["subtype"], "success");
        assert_eq!(told["response"]["response"]["behavior"], "deny");
    });
}

#[test]
fn a_tool_that_ran_unasked_ends_the_run() {
    run(async {
        let (mut driver, mut other) = start(&brief());
        other.greeted(&mut driver).await;
        other.result("t9", "made it", false).await;
        let error = driver.next().await.unwrap_err().to_string();
        assert!(error.contains("without having been told"), "{error}");
    });
}

#[test]
fn foreign_settings_end_the_run() {
    let good = json!({
        "type": "system", "subtype": "init", "tools": ["Bash", "Agent"], "mcp_servers": [],
        "permissionMode": "default",
    });
    let cases = [
        ("permissionMode", json!("bypassPermissions"), "mode"),
        ("mcp_servers", json!([{"name": "evil", "status": "connected"}]), "evil"),
        ("tools", json!(["Bash", "Monitor"]), "Monitor"),
        ("session_id", json!("another"), "another"),
    ];
    for (name, value, words) in cases {
        run(async {
            let (mut driver, mut other) = start(&brief());
            let mut init = good.clone();
            init["session_id"] = json!(driver.session.id());
            init[name] = value;
            other.print(init).await;
            let error = driver.next().await.unwrap_err().to_string();
            assert!(error.contains(words), "{name}: {error}");
        });
    }
}

#[test]
fn a_version_that_was_not_tried_is_told_once() {
    for (version, told) in [(json!(TESTED[0]), false), (json!(null), false), (json!("9.8"), true)] {
        run(async {
            let (mut driver, mut other) = start(&brief());
            let init = json!({
                "type": "system", "subtype": "init", "tools": ["Bash"], "mcp_servers": [],
                "permissionMode": "default", "session_id": driver.session.id(),
                "claude_code_version": version,
            });
            other.print(init.clone()).await;
            other.print(init).await;
            other.print(json!({"type": "unheard"})).await;
            let mut event = reported(&mut driver).await;
            if told {
                let AgentEvent::Text { text } = event else { panic!("{event:?}") };
                assert!(text.contains("9.8") && text.contains("not tested"), "{text}");
                event = reported(&mut driver).await;
            }
            assert!(matches!(event, AgentEvent::Other { .. }), "{version}: {event:?}");
        });
    }
}

#[test]
fn a_question_that_is_given_up_is_withdrawn() {
    run(async {
        let (mut driver, mut other) = start(&brief());
        other.greeted(&mut driver).await;
        let input = json!({"command": "git push"});
        other.hook("t1", "Bash", &input).await;
        alongside(&mut driver, other.told()).await;
        other.ask("t1", "Bash", &input).await;
        let (id, _) = proposed(&mut driver).await;
        other.print(json!({"type": "control_cancel_request", "request_id": "ask-t1"})).await;
        assert_eq!(driver.next().await, Ok(Next::Withdraw { id }));
        // An answer that comes too late is for nobody.
        driver.answer(id, Answer::Cleared { input: None });
        other.hook("t2", "Bash", &input).await;
        let told = alongside(&mut driver, other.told()).await;
        assert_eq!(told["response"]["request_id"], "hook-t2", "{told}");
    });
}

#[test]
fn what_runs_on_in_the_background_ends_when_that_is_told() {
    run(async {
        let (mut driver, mut other) = start(&brief());
        let first = other.greeted(&mut driver).await;
        other.heard(&first).await;
        other.state("running").await;
        let input = json!({"command": "make", "run_in_background": true});
        other.hook("t1", "Bash", &input).await;
        alongside(&mut driver, other.told()).await;
        other.ask("t1", "Bash", &input).await;
        let (id, _) = proposed(&mut driver).await;
        driver.answer(id, Answer::Cleared { input: None });
        alongside(&mut driver, other.told()).await;
        let tasks = |tasks: Value| json!({"type": "system", "subtype": "background_tasks_changed", "tasks": tasks});
        other.print(tasks(json!([{"task_id": "b1", "task_type": "local_bash"}]))).await;
        other
            .print(json!({
                "type": "user", "tool_use_result": {"backgroundTaskId": "b1"},
                "message": {"role": "user", "content": [{"type": "tool_result",
                    "tool_use_id": "t1", "content": "Command running in background",
                    "is_error": false}]},
            }))
            .await;
        other.turned().await;
        other.state("idle").await;
        // Done with its turn, and its command is not.
        let waits = tokio::time::timeout(Duration::from_millis(200), next(&mut driver)).await;
        assert!(waits.is_err(), "{waits:?}");
        other
            .print(json!({
                "type": "system", "subtype": "task_notification", "task_id": "b1",
                "tool_use_id": "t1", "status": "completed",
                "summary": "Background command \"make\" completed (exit code 0)",
            }))
            .await;
        other.print(tasks(json!([]))).await;
        let Next::Finished { id: of, result } = next(&mut driver).await else { panic!("no end") };
        assert_eq!((of, result.ending), (id, Ending::Exited { code: 0 }));
        // It hears of that in one more turn.
        other.state("running").await;
        other.turned().await;
        other.state("idle").await;
        let end = Next::Done { outcome: Outcome::Succeeded, reason: Reason::Completed };
        assert_eq!(next(&mut driver).await, end);
    });
}

#[test]
fn an_end_that_is_told_before_the_result_is_one_end() {
    // A subagent that it waits for, and a command that was over before it was said to be there.
    for (tool, background, wanted) in
        [("Agent", Value::Null, "whole"), ("Bash", json!("b1"), "early")]
    {
        run(async {
            let (mut driver, mut other) = start(&brief());
            let first = other.greeted(&mut driver).await;
            other.heard(&first).await;
            let input = json!({"command": "make", "prompt": "x"});
            other.hook("t1", tool, &input).await;
            alongside(&mut driver, other.told()).await;
            other.ask("t1", tool, &input).await;
            let (id, _) = proposed(&mut driver).await;
            driver.answer(id, Answer::Cleared { input: None });
            alongside(&mut driver, other.told()).await;
            other
                .print(json!({"type": "system", "subtype": "task_notification", "task_id": "b1",
                    "tool_use_id": "t1", "status": "completed", "summary": "early"}))
                .await;
            let mut result = json!({"type": "user", "message": {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "whole"}]}});
            if !background.is_null() {
                result["tool_use_result"] = json!({"backgroundTaskId": background});
            }
            other.print(result).await;
            let Next::Finished { id: of, result } = next(&mut driver).await else {
                panic!("no end")
            };
            assert_eq!((of, result.head.as_str()), (id, wanted));
        });
    }
}

#[test]
fn a_message_that_it_has_not_taken_up_keeps_it_going() {
    run(async {
        let (mut driver, mut other) = start(&brief());
        let first = other.greeted(&mut driver).await;
        other.heard(&first).await;
        let before = driver.resume_key();
        driver.message("and also this".into());
        assert_ne!(driver.resume_key(), before, "a later run does not say it again");
        let second = alongside(&mut driver, other.told()).await;
        assert_eq!(second["message"]["content"], "and also this");
        other.turned().await;
        let waits = tokio::time::timeout(Duration::from_millis(200), next(&mut driver)).await;
        assert!(waits.is_err(), "{waits:?}");
        other.heard(&second["uuid"]).await;
        other.turned().await;
        let end = Next::Done { outcome: Outcome::Succeeded, reason: Reason::Completed };
        assert_eq!(next(&mut driver).await, end);
    });
}

#[test]
fn a_turn_that_failed_says_why_without_secrets() {
    run(async {
        let (mut driver, mut other) = start(&brief());
        let first = other.greeted(&mut driver).await;
        other.heard(&first).await;
        other
            .print(json!({
                "type": "result", "subtype": "success", "is_error": true,
                "result": "API Error: 401 {\"error\":\"t0ken is not valid\"}",
            }))
            .await;
        let Next::Done { outcome, reason } = next(&mut driver).await else { panic!("no end") };
        assert_eq!(outcome, Outcome::Failed);
        let words = reason.to_string();
        assert!(words.contains("API Error: 401") && !words.contains("t0ken"), "{words}");
    });
}

#[test]
fn what_it_says_becomes_reports_and_the_unknown_is_kept_bounded() {
    run(async {
        let (mut driver, mut other) = start(&brief());
        other.greeted(&mut driver).await;
        other
            .print(json!({"type": "assistant", "parent_tool_use_id": null, "message": {
                "content": [{"type": "text", "text": "I look."}]}}))
            .await;
        let event = AgentEvent::Text { text: "I look.".into() };
        assert_eq!(driver.next().await, Ok(Next::Report { event }));
        other
            .print(json!({"type": "system", "subtype": "api_retry", "attempt": 1,
                "max_retries": 10, "retry_delay_ms": 1500, "error_status": 429}))
            .await;
        let unheard = json!({"type": "unheard_of", "token": "t0ken", "long": "x".repeat(100_000)});
        for _ in 0..MOST_UNKNOWN {
            other.print(unheard.clone()).await;
            let Ok(Next::Report { event: AgentEvent::Other { raw } }) = driver.next().await else {
                panic!("no report")
            };
            assert!(raw.len() <= KEPT_TEXT + 4 && !raw.contains("t0ken"));
        }
        other.print(unheard).await;
        other.hook("t1", "Bash", &json!({"command": "ls"})).await;
        alongside(&mut driver, other.told()).await;
    });
}

#[test]
fn garbage_ends_the_run_and_so_does_an_end_in_the_middle() {
    run(async {
        for line in ["not json\n", "[]\n", "{\"no\":\"type\"}\n"] {
            let (mut driver, mut other) = start(&brief());
            other.out.write_all(line.as_bytes()).await.unwrap();
            let error = driver.next().await.unwrap_err().to_string();
            assert!(error.contains("should not"), "{error}");
        }
        let (mut driver, mut other) = start(&brief());
        other.greeted(&mut driver).await;
        let end = other.end.take().unwrap();
        drop(other);
        end.send("killed by signal 9".into()).unwrap();
        let error = driver.next().await.unwrap_err().to_string();
        assert!(error.contains("killed by signal 9"), "{error}");
    });
}

#[test]
fn a_session_is_taken_up_where_it_was_kept_and_begins_anew_where_it_was_not() {
    let home = tempfile::tempdir().unwrap();
    let first = Session::of(&brief(), home.path()).unwrap();
    assert_eq!(first.form(), session::Form::New);
    let uuid: Vec<usize> = first.id().split('-').map(str::len).collect();
    assert_eq!(uuid, [8, 4, 4, 4, 12], "{}", first.id());
    let again = Brief {
        run: "k7m2qd/2".into(),
        messages: vec!["one".into(), "two".into()],
        resume: Some(waiting(&format!("{{\"session\":\"{}\",\"heard\":1}}", first.id()))),
        ..brief()
    };
    let mut lost = Session::of(&again, home.path()).unwrap();
    assert_eq!(lost.form(), session::Form::Lost);
    assert_ne!(lost.id(), first.id());
    assert!(lost.note().is_some(), "people are told");
    assert_eq!(lost.first_words(), ["do it", "one", "two"]);

    let project = home.path().join(".claude/projects/-srv-demo");
    std::fs::create_dir_all(&project).unwrap();
    std::fs::write(project.join(format!("{}.jsonl", first.id())), "{}\n").unwrap();
    let mut kept = Session::of(&again, home.path()).unwrap();
    assert_eq!((kept.form(), kept.id()), (session::Form::Resumed, first.id()));
    let words = kept.first_words();
    assert!(words[0].contains("did not run"), "{words:?}");
    assert_eq!(words[1..], ["two".to_owned()], "what it was told is not said again");
    let message = first.clone().next_message();
    assert_ne!(kept.next_message(), message, "a message with a known id would be skipped");

    let wrong = Brief { resume: Some(waiting("{\"step\":3}")), ..brief() };
    assert!(Session::of(&wrong, home.path()).is_err());
    let outside =
        Brief { resume: Some(waiting("{\"session\":\"../../etc\",\"heard\":0}")), ..brief() };
    assert_eq!(Session::of(&outside, home.path()).unwrap().form(), session::Form::Lost);
}

fn waiting(key: &str) -> Resume {
    Resume { key: key.to_owned(), left: Left::Waiting }
}

#[test]
fn a_question_waits_for_hours_and_silence_counts_again_after_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut driver, mut other) = start(&brief());
        other.greeted(&mut driver).await;
        let input = json!({"command": "git push"});
        other.hook("t1", "Bash", &input).await;
        alongside(&mut driver, other.told()).await;
        other.ask("t1", "Bash", &input).await;
        let (id, _) = proposed(&mut driver).await;
        tokio::time::pause();
        let half_a_day = Duration::from_secs(12 * 3600);
        let waited = tokio::time::timeout(half_a_day, driver.next()).await;
        assert!(waited.is_err(), "{waited:?}");
        driver.answer(id, Answer::Cleared { input: None });
        let answer = alongside(&mut driver, other.told()).await;
        assert_eq!(answer["response"]["response"]["behavior"], "allow");
        let hung = driver.next().await.unwrap_err().to_string();
        assert!(hung.contains("said nothing for 50 seconds"), "{hung}");
    });
}
