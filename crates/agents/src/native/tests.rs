//! The conversation and the calls, without a model.

use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::Ending;
use gatepost_domain::dispatch::Left;
use gatepost_models::Message;
use gatepost_models::Said;
use gatepost_models::ToolCall;
use proptest::prelude::*;
use serde_json::Value;
use serde_json::json;

use super::conversation::Conversation;
use super::tools::Wish;
use super::tools::wish;
use super::*;
use crate::agent::ShellState;

fn call(id: &str, name: &str, input: Value) -> ToolCall {
    ToolCall { id: id.into(), name: name.into(), input: Some(input) }
}

fn wished(name: &str, input: Value) -> Result<Wish, String> {
    let shell = ShellState { cwd: "/w/sub".into(), ..ShellState::default() };
    wish(&call("a", name, input), "/w", shell)
}

#[test]
fn each_tool_is_an_action() {
    let act = |name, input| match wished(name, input) {
        Ok(Wish::Act(action)) => action,
        other => panic!("{other:?}"),
    };
    let Action::Exec(exec) = act("exec", json!({"command": "ls"})) else { panic!("no command") };
    assert_eq!((exec.command.as_str(), exec.cwd.as_str()), ("ls", "/w/sub"));
    assert_eq!(act("read", json!({"path": "./a"})), Action::Read { path: "/w/a".into() });
    assert_eq!(act("read", json!({"path": "/etc/passwd"})).subject(), "/etc/passwd");
    let edit = act("edit", json!({"path": "a", "old": "x", "new": "y"}));
    assert_eq!(
        edit,
        Action::Edit { path: "/w/a".into(), content: "y".into(), replaces: Some("x".into()) }
    );
    let Action::Exec(found) = act("search", json!({"pattern": "it's; rm -rf /", "glob": "*.rs"}))
    else {
        panic!("no command")
    };
    assert!(found.command.contains("-e 'it'\\''s; rm -rf /' -- '/w' |"), "{}", found.command);
}

#[test]
fn a_call_that_fits_no_tool_is_answered_with_why() {
    for (name, input, why) in [
        ("sudo", json!({}), "no tool"),
        ("exec", json!({"cmd": "ls"}), "does not fit"),
        ("exec", json!({"command": "ls", "approved": true}), "does not fit"),
        ("read", json!({"path": " "}), "empty"),
        ("edit", json!({"path": "a", "old": "", "new": "y"}), "`write`"),
    ] {
        let error = wished(name, input).unwrap_err();
        assert!(error.contains(why), "{name}: {error}");
    }
    let cut = ToolCall { id: "a".into(), name: "exec".into(), input: None };
    assert!(wish(&cut, "/w", ShellState::default()).unwrap_err().contains("cut off"));
}

#[test]
fn the_model_reads_how_a_command_ended() {
    let result = |code, head: &str, dropped| ActionResult {
        ending: Ending::Exited { code },
        duration_ms: 1,
        head: head.into(),
        tail: String::new(),
        dropped,
    };
    assert_eq!(tools::words(&result(0, "", 0)), "done, without output");
    assert_eq!(tools::words(&result(2, "no\n", 0)), "no\n\n[exit 2]");
    assert!(tools::words(&result(0, "a", 9)).contains("9 bytes are left out"));
}

/// What every API asks of a conversation: it begins with the person, calls are answered at once,
/// in order, each once, and nobody speaks twice in a row.
fn check(messages: &[Message]) {
    assert!(matches!(messages.first(), Some(Message::Person { .. })), "{messages:?}");
    let mut owed: Vec<String> = Vec::new();
    let mut last = None;
    for message in messages {
        let kind = std::mem::discriminant(message);
        assert_ne!(last, Some(kind), "twice in a row: {messages:?}");
        last = Some(kind);
        match message {
            Message::Person { .. } => assert!(owed.is_empty(), "unanswered: {messages:?}"),
            Message::Model { said } => {
                assert!(owed.is_empty(), "unanswered: {messages:?}");
                owed = said
                    .iter()
                    .filter_map(|said| match said {
                        Said::Call(call) => Some(call.id.clone()),
                        Said::Text { .. } | Said::Sealed { .. } => None,
                    })
                    .collect();
            }
            Message::Results { results } => {
                let ids: Vec<_> = results.iter().map(|result| result.id.clone()).collect();
                assert_eq!(ids, std::mem::take(&mut owed), "{messages:?}");
            }
        }
    }
    assert!(owed.is_empty(), "unanswered at the end");
}

proptest! {
    #[test]
    fn whatever_happens_the_conversation_stays_one(
        steps in prop::collection::vec((0usize..4, 0usize..4, any::<bool>()), 0..30),
    ) {
        let mut talk = Conversation::begin(&Words::from("do it"), "/w");
        let mut said_by_person = vec!["do it".to_owned()];
        for (number, (kind, calls, restart)) in steps.into_iter().enumerate() {
            match kind {
                0 => {
                    let words = format!("word {number}");
                    talk.hear(&Words::from(words.as_str()));
                    said_by_person.push(words);
                }
                1 => {
                    let _fits = talk.shorten(1);
                }
                2 => talk.condense("summary"),
                _ => {
                    // The model answers only what a person or a result came before.
                    if matches!(talk.messages().last(), Some(Message::Model { .. })) {
                        continue;
                    }
                    let mut said = vec![Said::Text { text: "well".into() }];
                    said.extend((0..calls).map(|at| {
                        Said::Call(call(&format!("{number}-{at}"), "exec", json!({})))
                    }));
                    talk.said(said);
                    while let Some(open) = talk.open_call() {
                        if restart {
                            talk = Conversation::from_key(&talk.to_key()).unwrap();
                        }
                        prop_assert_eq!(talk.open_call(), Some(open.clone()));
                        talk.answer(&open.id, "x".repeat(200), false);
                    }
                }
            }
            check(talk.messages());
            let whole = format!("{:?}", talk.messages());
            for words in &said_by_person {
                prop_assert!(whole.contains(words.as_str()), "the person's words are never lost");
            }
        }
    }
}

#[test]
fn a_key_of_another_agent_is_refused() {
    for key in ["", "{}", r#"{"step":1,"cwd":"/","env":{}}"#] {
        assert!(matches!(Conversation::from_key(key), Err(AgentError::Resume(_))), "{key}");
    }
}

#[test]
fn old_outputs_go_before_anything_else_does() {
    let mut talk = Conversation::begin(&Words::from("do it"), "/w");
    for number in 0..10 {
        talk.said(vec![Said::Call(call(&number.to_string(), "exec", json!({})))]);
        talk.answer(&number.to_string(), "o".repeat(3_000), false);
    }
    assert!(talk.shorten(100_000), "it fits");
    assert!(format!("{:?}", talk.messages()).matches("left out").count() == 0);
    assert!(talk.shorten(9_000), "it fits without the old ones");
    let kept = talk.messages().iter().filter(|message| match message {
        Message::Results { results } => results[0].content.starts_with('o'),
        Message::Person { .. } | Message::Model { .. } => false,
    });
    assert_eq!(kept.count(), 4, "the latest are whole");
    assert!(!talk.shorten(3_000), "a summary is needed");
}

#[test]
fn what_was_open_at_the_end_is_answered_and_not_proposed_again() {
    let open = |left| {
        let mut conversation = Conversation::begin(&"do it".into(), "/w");
        let calls = ["a", "b"].map(|id| Said::Call(call(id, "exec", json!({"command": id}))));
        conversation.said(calls.to_vec());
        conversation.answer("a", "done".into(), false);
        conversation.take_up(left);
        conversation
    };
    assert_eq!(open(Left::Waiting).open_call().map(|call| call.id), Some("b".into()));
    for (left, words) in [(Left::Ended, "not carried out"), (Left::Cut, "is not known")] {
        let conversation = open(left);
        assert_eq!(conversation.open_call(), None);
        let Some(Message::Results { results }) = conversation.messages().last() else {
            panic!("{conversation:?}")
        };
        assert!(results[1].is_error && results[1].content.contains(words), "{results:?}");
        assert_eq!(conversation.turns(), 0);
    }
}
