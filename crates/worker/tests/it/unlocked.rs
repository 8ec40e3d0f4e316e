//! A program that nobody knows, over the Agent Client Protocol and held by the sandbox alone: it is
//! driven, its questions are put to people, and everybody is told that it may act without asking.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use gatepost_agents::acp::Settings;
use gatepost_agents::acp::UNLOCKED;
use gatepost_agents::install::Search;
use gatepost_domain::Decision;
use gatepost_domain::agent::AgentEvent;
use gatepost_domain::agent::Gating;
use gatepost_domain::event::Event;

use crate::Test;
use crate::agents;
use crate::claude::person;
use crate::claude::succeeds;
use crate::world::World;
use crate::world::run;

pub(crate) const TESTS: &[Test] = &[(
    "unlocked::what_it_does_unasked_is_told_and_contained",
    what_it_does_unasked_is_told_and_contained,
)];

/// Asks about one command and does what it is told, does another without asking, and speaks the
/// protocol no further than that.
const PROGRAM: &str = r#"#!/bin/bash
say() { printf '{"jsonrpc":"2.0",%s}\n' "$1"; }
update() { say '"method":"session/update","params":{"sessionId":"s1","update":{'"$1"'}}'; }
read -r line
say '"id":0,"result":{"protocolVersion":1,"agentInfo":{"name":"goose","version":"9"}}'
read -r line
say '"id":1,"result":{"sessionId":"s1"}'
read -r line
touch unasked /etc/unasked
update '"sessionUpdate":"tool_call","toolCallId":"a","title":"touch unasked","kind":"execute","status":"completed"'
say '"id":7,"method":"session/request_permission","params":{"sessionId":"s1","toolCall":{"toolCallId":"b","title":"Shell","kind":"execute","rawInput":{"command":"git push"}},"options":[{"optionId":"y","kind":"allow_once","name":"Yes"},{"optionId":"n","kind":"reject_once","name":"No"}]}'
read -r line
case $line in *'"optionId":"y"'*) touch asked;; esac
update '"sessionUpdate":"tool_call_update","toolCallId":"b","status":"completed"'
update '"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"'"$WHO"' is done"}'
say '"id":2,"result":{"stopReason":"end_turn"}'
read -r line
"#;

fn what_it_does_unasked_is_told_and_contained() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        // Its directory is shown to the task's user, and a temporary one is closed to others.
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let program = dir.path().canonicalize().unwrap().join("goose");
        std::fs::write(&program, PROGRAM).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let settings = Settings {
            lock: &UNLOCKED,
            installed: Search::here().find(&program).unwrap(),
            arguments: vec!["acp".into()],
            environment: BTreeMap::from([("WHO".into(), "goose".into())]),
            model: None,
            silence: Duration::from_secs(50),
        };
        let world = World::start(|_| agents::acp(settings)).await;
        let push = world.asked("git push").await;
        let asked = world.approval(&push);
        let fact = &asked.judgement.evidence.last().unwrap().fact;
        assert!(fact.contains("may act without asking"), "{fact}");
        world.settle(push, person(Decision::Approve, None)).await;
        succeeds(&world).await;
        assert!(world.workspace_has("asked") && world.workspace_has("unasked"));
        let events = world.events();
        let gating = events.iter().find_map(|event| match event {
            Event::RunReady { sandbox, .. } => Some(sandbox.gating),
            _ => None,
        });
        assert_eq!(gating, Some(Gating::SandboxOnly));
        let reported = events.iter().filter_map(|event| match event {
            Event::AgentReported { event, .. } => Some(event.clone()),
            _ => None,
        });
        let wanted = [
            AgentEvent::Unasked { what: "touch unasked".into() },
            AgentEvent::Text { text: "goose is done".into() },
        ];
        assert_eq!(reported.collect::<Vec<_>>(), wanted);
        let story = world.story("git push");
        assert_eq!(story.last().unwrap(), "ended; the agent does not tell how");
        world.stop().await;
    });
}
