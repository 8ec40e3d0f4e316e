//! What is said to an agent over the protocol, and what is made of what it says. The messages have
//! the form of OpenCode 1.18.33, seen on 2026-11-25.

use std::time::Duration;

use gatepost_domain::Action;
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

const SESSION: &str = "ses_dec978afeffevz0mkKVjIqanVn";

/// The program's side.
struct Other {
    said: Lines<BufReader<DuplexStream>>,
    out: DuplexStream,
    _err: DuplexStream,
    _end: tokio::sync::oneshot::Sender<String>,
}

fn start(lock: &'static Lock, resume: Option<&str>) -> (Driver, Other) {
    let brief = Brief {
        run: "k7m2qd/1".into(),
        asked: "do it".into(),
        messages: vec![],
        workspace: "/srv/demo".into(),
        resume: resume.map(|key| Resume { key: key.to_owned(), left: Left::Waiting }),
    };
    let (stdin, said) = tokio::io::duplex(1 << 20);
    let (out, stdout) = tokio::io::duplex(1 << 20);
    let (err, stderr) = tokio::io::duplex(1 << 10);
    let (end, ended) = tokio::sync::oneshot::channel::<String>();
    let pipes = Pipes {
        stdin: Box::new(stdin),
        stdout: Box::new(stdout),
        stderr: Box::new(stderr),
        ended: Box::pin(async { ended.await.unwrap_or_else(|_| "lost".into()) }),
    };
    let bounds = Bounds { silence: Duration::from_secs(50), secrets: vec!["t0ken".into()] };
    let thread = Thread::of(&brief).unwrap();
    let driver = Driver::new(Program::new(pipes, bounds), lock, thread);
    (driver, Other { said: BufReader::new(said).lines(), out, _err: err, _end: end })
}

impl Other {
    async fn print(&mut self, message: Value) {
        self.out.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    /// What it is told next.
    async fn told(&mut self) -> Value {
        serde_json::from_str(&self.said.next_line().await.unwrap().unwrap()).unwrap()
    }

    async fn update(&mut self, update: Value) {
        let params = json!({"sessionId": SESSION, "update": update});
        self.print(json!({"jsonrpc": "2.0", "method": "session/update", "params": params})).await;
    }

    async fn announce(&mut self, id: &str, tool: &str, kind: &str) {
        self.update(json!({"sessionUpdate": "tool_call", "toolCallId": id, "title": tool,
            "kind": kind, "status": "pending", "rawInput": {}}))
            .await;
    }

    async fn begin(&mut self, id: &str, kind: &str, title: &str, input: Value) {
        self.update(json!({"sessionUpdate": "tool_call_update", "toolCallId": id, "title": title,
            "kind": kind, "status": "in_progress", "rawInput": input}))
            .await;
    }

    async fn end(&mut self, id: &str, status: &str, output: &str) {
        self.update(json!({"sessionUpdate": "tool_call_update", "toolCallId": id,
            "status": status, "title": "x", "rawOutput": {"output": output}}))
            .await;
    }

    async fn ask(&mut self, number: u64, id: &str, options: Value) {
        let call = json!({"toolCallId": id, "title": "x", "kind": "execute", "status": "pending",
            "rawInput": {}});
        let params = json!({"sessionId": SESSION, "toolCall": call, "options": options});
        let method = "session/request_permission";
        self.print(json!({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))
            .await;
    }

    /// Everything a command needs before it may run.
    async fn ask_bash(&mut self, number: u64, id: &str, command: &str) {
        self.announce(id, "bash", "execute").await;
        self.begin(id, "execute", command, json!({"command": command})).await;
        self.ask(number, id, options()).await;
    }

    async fn stops(&mut self, prompt: &Value, why: &str) {
        self.print(json!({"jsonrpc": "2.0", "id": prompt["id"], "result": {"stopReason": why}}))
            .await;
    }

    /// One of Claude Code's adapter: its question holds the whole input.
    async fn ask_whole(&mut self, number: u64, id: &str, tool: &str, input: Value) {
        let call = json!({"toolCallId": id, "name": tool, "title": "x", "kind": "execute",
            "status": "pending", "rawInput": input});
        let params = json!({"sessionId": SESSION, "toolCall": call, "options": options()});
        let method = "session/request_permission";
        self.print(json!({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))
            .await;
    }

    /// Introduces itself by a name, and answers what it is asked next.
    async fn introduces_as(&mut self, name: &str, result: Value) -> Value {
        let initialize = self.told().await;
        self.print(json!({"jsonrpc": "2.0", "id": initialize["id"], "result": {
            "protocolVersion": 1, "agentInfo": {"name": name},
            "agentCapabilities": {"loadSession": true},
        }}))
        .await;
        let opens = self.told().await;
        self.print(json!({"jsonrpc": "2.0", "id": opens["id"], "result": result})).await;
        opens
    }

    async fn introduces(&mut self) {
        let initialize = self.told().await;
        assert_eq!(initialize["method"], "initialize");
        let offers = &initialize["params"]["clientCapabilities"];
        assert_eq!(offers["terminal"], false);
        assert_eq!(offers["fs"], json!({"readTextFile": false, "writeTextFile": false}));
        self.print(json!({"jsonrpc": "2.0", "id": initialize["id"], "result": {
            "protocolVersion": 1, "agentInfo": {"name": "OpenCode"},
            "agentCapabilities": {"loadSession": true},
        }}))
        .await;
    }

    /// Begins a conversation and its first turn; that is returned.
    async fn greeted(&mut self) -> Value {
        self.introduces().await;
        let new = self.told().await;
        assert_eq!(new["method"], "session/new");
        assert_eq!(new["params"], json!({"cwd": "/srv/demo", "mcpServers": []}));
        self.print(json!({"jsonrpc": "2.0", "id": new["id"], "result": {"sessionId": SESSION}}))
            .await;
        let prompt = self.told().await;
        assert_eq!(prompt["method"], "session/prompt");
        prompt
    }
}

/// The lasting one comes first, and none has the id that one would guess.
fn options() -> Value {
    json!([
        {"optionId": "a", "kind": "allow_always", "name": "Always"},
        {"optionId": "b", "kind": "reject_once", "name": "No"},
        {"optionId": "c", "kind": "allow_once", "name": "Yes"},
    ])
}

fn selected(number: u64, option: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": number,
        "result": {"outcome": {"outcome": "selected", "optionId": option}}})
}

/// Runs both sides, each to its end.
fn play<F: Future<Output = ()>>(
    resume: Option<&str>,
    agent: impl AsyncFnOnce(&mut Driver),
    other: impl FnOnce(Other) -> F,
) {
    play_as(&OPENCODE, resume, agent, other);
}

/// The same with another agent.
fn play_as<F: Future<Output = ()>>(
    lock: &'static Lock,
    resume: Option<&str>,
    agent: impl AsyncFnOnce(&mut Driver),
    other: impl FnOnce(Other) -> F,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut driver, side) = start(lock, resume);
        tokio::select! { () = agent(&mut driver) => {}, () = other(side) => unreachable!() }
    });
}

async fn proposed(driver: &mut Driver) -> (ProposalId, Action) {
    match driver.next().await.unwrap() {
        Next::Propose { id, action, by: Executor::Agent } => (id, action),
        other => panic!("{other:?}"),
    }
}

async fn finished(driver: &mut Driver) -> ActionResult {
    match driver.next().await.unwrap() {
        Next::Finished { result, .. } => result,
        other => panic!("{other:?}"),
    }
}

fn refused(words: &str) -> Answer {
    let reason = Reason::AgentFailed { detail: "x".into() };
    Answer::Refused { words: words.into(), reason }
}

async fn succeeds(driver: &mut Driver) {
    let next = driver.next().await.unwrap();
    assert_eq!(next, Next::Done { outcome: Outcome::Succeeded, reason: Reason::Completed });
}

#[test]
fn a_question_is_allowed_once_by_the_kind_of_its_option() {
    play(
        None,
        async |driver| {
            let (id, action) = proposed(driver).await;
            assert_eq!(action.subject(), "ls");
            driver.answer(id, Answer::Cleared { input: None });
            let result = finished(driver).await;
            assert_eq!(result.head, "the [taken out]", "no token is repeated");
            assert_eq!(result.ending, Ending::Exited { code: 0 });
            succeeds(driver).await;
        },
        async |mut other| {
            let prompt = other.greeted().await;
            assert_eq!(prompt["params"]["prompt"], json!([{"type": "text", "text": "do it"}]));
            other.ask_bash(7, "t1", "ls").await;
            assert_eq!(other.told().await, selected(7, "c"));
            other.end("t1", "completed", "the t0ken").await;
            other.stops(&prompt, "end_turn").await;
            std::future::pending::<()>().await;
        },
    );
}

#[test]
fn nothing_is_proposed_before_the_whole_input_is_known() {
    play(
        None,
        async |driver| {
            let (_, action) = proposed(driver).await;
            match action {
                Action::Exec(exec) => assert_eq!(exec.cwd, "/etc"),
                other => panic!("{other:?}"),
            }
        },
        async |mut other| {
            other.greeted().await;
            other.announce("t1", "bash", "execute").await;
            other.ask(7, "t1", options()).await;
            other.begin("t1", "execute", "x", json!({"command": "x", "workdir": "/etc"})).await;
            std::future::pending::<()>().await;
        },
    );
}

#[test]
fn a_refusal_gives_up_the_turn_and_its_reason_is_said_next() {
    play(
        None,
        async |driver| {
            let (first, _) = proposed(driver).await;
            let (second, _) = proposed(driver).await;
            driver.answer(first, refused("use \"staging\""));
            assert_eq!(driver.next().await.unwrap(), Next::Withdraw { id: second });
            driver.message(Words::from("hurry"));
            let told = driver.next().await.unwrap();
            let told = matches!(&told, Next::Report { event: AgentEvent::Text { text } }
                if text.contains("told when its turn is over"));
            assert!(told, "people know when their message is read");
            // The yes to the second came too late, and that is what is recorded.
            driver.answer(second, Answer::Cleared { input: None });
            let ending = finished(driver).await.ending;
            assert!(matches!(ending, Ending::Broken { .. }), "{ending:?}");
            succeeds(driver).await;
            assert_eq!(
                serde_json::from_str::<Value>(&driver.resume_key()).unwrap(),
                json!({"thread": SESSION, "heard": 1})
            );
        },
        async |mut other| {
            let prompt = other.greeted().await;
            other.ask_bash(7, "t1", "git push").await;
            other.ask_bash(8, "t2", "ls").await;
            assert_eq!(other.told().await, selected(7, "b"));
            assert_eq!(other.told().await, selected(8, "b"));
            // What it still asks in that turn has no one to ask.
            other.ask_bash(9, "t3", "pwd").await;
            assert_eq!(other.told().await, selected(9, "b"));
            other.stops(&prompt, "end_turn").await;
            let next = other.told().await;
            let said = next["params"]["prompt"].to_string();
            assert!(said.contains("staging"), "{said}");
            assert_eq!(next["params"]["prompt"][1]["text"], "hurry");
            other.stops(&next, "end_turn").await;
            std::future::pending::<()>().await;
        },
    );
}

/// Plays this and gives how the run ended.
fn fails(other: impl AsyncFnOnce(&mut Other)) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut driver, mut side) = start(&OPENCODE, None);
        let hears = async {
            loop {
                match driver.next().await {
                    Ok(Next::Propose { .. } | Next::Report { .. }) => {}
                    Ok(other) => panic!("{other:?}"),
                    Err(error) => return error.to_string(),
                }
            }
        };
        let says = async {
            other(&mut side).await;
            std::future::pending::<()>().await;
        };
        tokio::select! { error = hears => error, () = says => unreachable!() }
    })
}

#[test]
fn a_tool_that_was_done_unasked_ends_the_run() {
    // Never asked about.
    let error = fails(async |other| {
        other.greeted().await;
        other.announce("t1", "bash", "execute").await;
        other.begin("t1", "execute", "todowrite", json!({"command": "todowrite"})).await;
        other.end("t1", "completed", "").await;
    });
    assert!(error.contains("without having been told that it may (`todowrite`)"), "{error}");
    // A command that failed has run as well.
    let error = fails(async |other| {
        other.greeted().await;
        other.announce("t1", "bash", "execute").await;
        other.end("t1", "failed", "").await;
    });
    assert!(error.contains("without having been told"), "{error}");
    // Asked about, and done before the answer.
    let error = fails(async |other| {
        other.greeted().await;
        other.ask_bash(7, "t1", "ls").await;
        other.end("t1", "completed", "").await;
    });
    assert!(error.contains("without having been told"), "{error}");
    // Asked about, and changed before the answer.
    let error = fails(async |other| {
        other.greeted().await;
        other.ask_bash(7, "t1", "ls").await;
        other.begin("t1", "execute", "x", json!({"command": "git push"})).await;
    });
    assert!(error.contains("it changed a use of a tool"), "{error}");
}

#[test]
fn what_no_such_agent_says_ends_the_run() {
    for line in [json!("x"), json!({}), json!([1])] {
        let error = fails(async |other| other.print(line).await);
        assert!(error.contains("what it should not"), "{error}");
    }
    let error = fails(async |other| {
        let initialize = other.told().await;
        other
            .print(json!({"id": initialize["id"], "result": {"protocolVersion": 2,
                "agentInfo": {"name": "OpenCode"}}}))
            .await;
    });
    assert!(error.contains("version Some(2) of the protocol"), "{error}");
}

#[test]
fn what_it_may_do_and_what_it_fails_at_needs_no_question() {
    play(
        None,
        async |driver| {
            let plan = Next::Report { event: AgentEvent::Plan { entries: vec!["rest".into()] } };
            assert_eq!(driver.next().await.unwrap(), plan);
            let text = Next::Report { event: AgentEvent::Text { text: "a [taken out]".into() } };
            assert_eq!(driver.next().await.unwrap(), text, "a secret in two pieces too");
            let raw = match driver.next().await.unwrap() {
                Next::Report { event: AgentEvent::Other { raw } } => raw,
                other => panic!("{other:?}"),
            };
            assert!(raw.contains("unheard_of"), "{raw}");
            let used = AgentEvent::Usage { input_tokens: 10, output_tokens: 5 };
            assert_eq!(driver.next().await.unwrap(), Next::Report { event: used });
            let failed = matches!(driver.next().await.unwrap(),
                Next::Done { outcome: Outcome::Failed, reason }
                    if reason.to_string().contains("max_tokens"));
            assert!(failed);
        },
        async |mut other| {
            let prompt = other.greeted().await;
            other.announce("t1", "todowrite", "other").await;
            let todos = json!({"todos": [{"content": "rest"}]});
            other.begin("t1", "other", "todowrite", todos).await;
            other.end("t1", "completed", "").await;
            for part in ["a t0", "ken"] {
                let content = json!({"type": "text", "text": part});
                other
                    .update(json!({"sessionUpdate": "agent_message_chunk", "content": content}))
                    .await;
            }
            other.announce("t2", "read", "read").await;
            other.end("t2", "failed", "no such file").await;
            other.update(json!({"sessionUpdate": "unheard_of"})).await;
            // Files are not offered.
            other.print(json!({"id": 3, "method": "fs/write_text_file", "params": {}})).await;
            assert_eq!(other.told().await["error"]["code"], -32601);
            other
                .print(json!({"id": prompt["id"], "result": {"stopReason": "max_tokens",
                    "usage": {"inputTokens": 10, "outputTokens": 5}}}))
                .await;
            std::future::pending::<()>().await;
        },
    );
}

#[test]
fn a_session_is_taken_up_or_begins_anew() {
    let key = format!(r#"{{"thread":"{SESSION}","heard":0}}"#);
    let resumed = async |driver: &mut Driver| succeeds(driver).await;
    play(Some(&key), resumed, async |mut other| {
        other.introduces().await;
        let resume = other.told().await;
        assert_eq!(resume["method"], "session/load");
        assert_eq!(resume["params"]["sessionId"], SESSION);
        // What it repeats of the earlier run counts for nothing.
        other.announce("t0", "bash", "execute").await;
        other.end("t0", "completed", "").await;
        other.print(json!({"id": resume["id"], "result": {}})).await;
        let prompt = other.told().await;
        let said = prompt["params"]["prompt"][0]["text"].as_str().unwrap();
        assert!(said.contains("That call did not run"), "{said}");
        other.stops(&prompt, "end_turn").await;
        std::future::pending::<()>().await;
    });
    let anew = async |driver: &mut Driver| {
        let told = driver.next().await.unwrap();
        assert!(format!("{told:?}").contains("begins the task anew"), "{told:?}");
        succeeds(driver).await;
    };
    play(Some(&key), anew, async |mut other| {
        other.introduces().await;
        let resume = other.told().await;
        other.print(json!({"id": resume["id"], "error": {"code": -32602, "message": "no"}})).await;
        let new = other.told().await;
        assert_eq!(new["method"], "session/new");
        other.print(json!({"id": new["id"], "result": {"sessionId": SESSION}})).await;
        let prompt = other.told().await;
        assert_eq!(prompt["params"]["prompt"][0]["text"], "do it");
        other.stops(&prompt, "end_turn").await;
        std::future::pending::<()>().await;
    });
}

#[test]
fn an_interrupt_cancels_the_turn() {
    play(
        None,
        async |driver| {
            proposed(driver).await;
            driver.interrupt();
            let next = driver.next().await.unwrap();
            assert!(matches!(next, Next::Done { outcome: Outcome::Cancelled, .. }), "{next:?}");
        },
        async |mut other| {
            other.greeted().await;
            other.ask_bash(7, "t1", "ls").await;
            std::future::pending::<()>().await;
        },
    );
}

#[test]
fn a_question_waits_for_hours_and_silence_counts_again_after_it() {
    play(
        None,
        async |driver| {
            let (id, _) = proposed(driver).await;
            tokio::time::pause();
            let half_a_day = Duration::from_secs(12 * 3600);
            let waited = tokio::time::timeout(half_a_day, driver.next()).await;
            assert!(waited.is_err(), "{waited:?}");
            driver.answer(id, Answer::Cleared { input: None });
            let hung = driver.next().await.unwrap_err().to_string();
            assert!(hung.contains("said nothing for 50 seconds"), "{hung}");
        },
        async |mut other| {
            other.greeted().await;
            other.ask_bash(7, "t1", "ls").await;
            assert_eq!(other.told().await, selected(7, "c"));
            std::future::pending::<()>().await;
        },
    );
}

#[test]
fn where_an_error_reaches_the_model_it_tells_the_reason() {
    play_as(
        &CLAUDE,
        None,
        async |driver| {
            let (id, action) = proposed(driver).await;
            assert_eq!(action.subject(), "git push");
            driver.answer(id, refused("not today"));
            succeeds(driver).await;
        },
        async |mut other| {
            let new = json!({"sessionId": SESSION, "modes": {"currentModeId": "auto"}});
            let opens = other.introduces_as("@agentclientprotocol/claude-agent-acp", new).await;
            assert_eq!(opens["method"], "session/new");
            let options = &opens["params"]["_meta"]["claudeCode"]["options"];
            assert_eq!(options["settingSources"], json!([]));
            // It began in a mode that asks about nothing.
            let mode = other.told().await;
            assert_eq!(mode["params"], json!({"sessionId": SESSION, "modeId": "default"}));
            other.print(json!({"jsonrpc": "2.0", "id": mode["id"], "result": {}})).await;
            let prompt = other.told().await;
            other.ask_whole(3, "t1", "Bash", json!({"command": "git push"})).await;
            let answer = other.told().await;
            assert_eq!(answer["id"], 3);
            assert_eq!(answer["result"], Value::Null);
            assert!(answer["error"]["message"].as_str().unwrap().contains("not today"));
            let failed = json!({"sessionUpdate": "tool_call_update", "toolCallId": "t1",
                "status": "failed", "rawOutput": "Tool permission request failed"});
            other.update(failed).await;
            other.stops(&prompt, "end_turn").await;
            std::future::pending::<()>().await;
        },
    );
}

#[test]
fn an_agent_that_goes_over_to_another_mode_ends_the_run() {
    play_as(
        &CLAUDE,
        None,
        async |driver| {
            let error = driver.next().await.unwrap_err().to_string();
            assert!(error.contains("another mode, `bypassPermissions`"), "{error}");
        },
        async |mut other| {
            let new = json!({"sessionId": SESSION, "modes": {"currentModeId": "default"}});
            other.introduces_as("@agentclientprotocol/claude-agent-acp", new).await;
            other.told().await;
            let mode = json!({"sessionUpdate": "current_mode_update",
                "currentModeId": "bypassPermissions"});
            other.update(mode).await;
            std::future::pending::<()>().await;
        },
    );
}

#[test]
fn a_conversation_goes_on_once_it_was_told_again() {
    let key = json!({"thread": SESSION, "heard": 0}).to_string();
    play_as(
        &GEMINI,
        Some(&key),
        async |driver| {
            // Neither its words nor its uses of tools of an earlier run are taken for new ones.
            let next = driver.next().await.unwrap();
            let text = AgentEvent::Text { text: "new".into() };
            assert_eq!(next, Next::Report { event: text });
            succeeds(driver).await;
        },
        async |mut other| {
            let loaded = json!({"modes": {"currentModeId": "default"}});
            let opens = other.introduces_as("gemini-cli", loaded).await;
            assert_eq!(opens["method"], "session/load");
            let say = |words: &str| {
                json!({"sessionUpdate": "agent_message_chunk",
                "content": {"type": "text", "text": words}})
            };
            other.update(say("old")).await;
            let old = json!({"sessionUpdate": "tool_call", "toolCallId": "t0", "title": "ls",
                "kind": "execute", "status": "completed"});
            other.update(old).await;
            other.update(json!({"sessionUpdate": "available_commands_update"})).await;
            let prompt = other.told().await;
            assert!(prompt["params"]["prompt"][0]["text"].as_str().unwrap().contains("cut off"));
            other.update(say("new")).await;
            other.stops(&prompt, "end_turn").await;
            std::future::pending::<()>().await;
        },
    );
}

#[test]
fn a_question_that_was_given_up_is_withdrawn_and_never_answered_with_yes() {
    play(
        None,
        async |driver| {
            let (id, _) = proposed(driver).await;
            assert_eq!(driver.next().await.unwrap(), Next::Withdraw { id });
            // A person's yes crossed with it.
            driver.answer(id, Answer::Cleared { input: None });
            let ending = finished(driver).await.ending;
            assert!(matches!(ending, Ending::Broken { .. }), "{ending:?}");
            succeeds(driver).await;
        },
        async |mut other| {
            let prompt = other.greeted().await;
            other.ask_bash(7, "t1", "git push").await;
            let cancel = json!({"requestId": 7});
            other
                .print(json!({"jsonrpc": "2.0", "method": "$/cancel_request", "params": cancel}))
                .await;
            let answer = other.told().await;
            assert_eq!(
                (answer["id"].as_u64(), answer["error"]["code"].as_i64()),
                (Some(7), Some(-32800))
            );
            other.end("t1", "failed", "given up").await;
            other.stops(&prompt, "end_turn").await;
            std::future::pending::<()>().await;
        },
    );
}
