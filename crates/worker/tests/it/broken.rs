//! Programs that stand in for the real agents and break off in one way each: whatever they do, the
//! run ends with a reason that a person can use, and what is kept of them is bounded.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatepost_agents::Roster;
use gatepost_agents::acp;
use gatepost_agents::claude;
use gatepost_agents::codex;
use gatepost_agents::install::Search;
use gatepost_domain::Outcome;
use gatepost_models::Api;

use crate::Test;
use crate::agents;
use crate::claude::minds;
use crate::model::Fake;
use crate::world::World;
use crate::world::run;

pub(crate) const TESTS: &[Test] = &[(
    "broken::programs_that_break_off_end_the_run_with_a_reason",
    programs_that_break_off_end_the_run_with_a_reason,
)];

/// A way to break off: what it is, how a shell does it, and a part of the reason.
const WAYS: [(&str, &str, &str); 9] = [
    ("a crash", "echo 'out of memory' >&2; exit 9", "out of memory"),
    ("a signal", "kill -9 $$", "killed by signal 9"),
    ("garbage", "echo 'Segmentation fault'; sleep 100", "Segmentation fault"),
    ("half a line", "printf '{\"type\":\"sys'; exit 0", "its last line was cut off"),
    ("bytes that are no text", "printf '\\377\\376\\n'; sleep 100", "not text"),
    ("a line without an end", "exec cat /dev/zero", "a line of more than 16 MiB"),
    // Lines that each of them takes for a message that tells nothing, and then garbage.
    (
        "a hundred megabytes of lines",
        "line='{\"type\":\"keep_alive\",\"method\":\"warning\",\"pad\":\"'$(head -c 5000 /dev/zero | \
         tr '\\0' x)'\"}'; yes \"$line\" | head -n 20000; echo 'Segmentation fault'; sleep 100",
        "Segmentation fault",
    ),
    (
        "a hundred megabytes of complaints",
        "head -c 100000000 /dev/zero | tr '\\0' e >&2; echo 'the last words' >&2; exit 9",
        "the last words",
    ),
    ("a hang", "sleep 1000", "said nothing for 3 seconds"),
];

/// Ways of programs that speak the Agent Client Protocol.
const OVER_PROTOCOL: [(&str, &str, &str); 2] = [
    (
        "another program",
        "read -r line; echo '{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":1,\
         \"agentInfo\":{\"name\":\"other\"}}}'; sleep 100",
        "it says that it is `other`",
    ),
    (
        "another version of the protocol",
        "read -r line; echo '{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"protocolVersion\":2}}'; \
         sleep 100",
        "of the protocol, not 1",
    ),
];

/// Which of the real programs it stands in for.
#[derive(Debug, Clone, Copy)]
enum Place {
    Claude,
    Codex,
    Gemini,
}

fn roster(place: Place, program: &Path, silence: Duration) -> Arc<dyn Roster> {
    let installed = Search::here().find(program).unwrap();
    let model = Some("fake".to_owned());
    match place {
        Place::Claude => agents::claude(claude::Settings { installed, model, silence }),
        Place::Codex => agents::codex(codex::Settings { installed, model, silence }),
        // All that speak the protocol have one driver.
        Place::Gemini => {
            let settings = agents::over_protocol(&acp::GEMINI, program, Api::Gemini, 0);
            agents::acp(acp::Settings { silence, ..settings })
        }
    }
}

fn breaks_off(place: Place, name: &str, script: &str, words: &str) {
    run(async {
        // What tells nothing has another name in each protocol.
        let script = match place {
            Place::Claude | Place::Codex => script.to_owned(),
            Place::Gemini => script.replace("warning", "session/update"),
        };
        let dir = tempfile::tempdir().unwrap();
        // Its directory is shown to the task's user, and a temporary one is closed to others.
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let program = dir.path().canonicalize().unwrap().join("program");
        std::fs::write(&program, format!("#!/bin/bash\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let silence = Duration::from_secs(if name == "a hang" { 3 } else { 50 });
        let roster = roster(place, &program, silence);
        let models = Fake::new(|_| vec![]).serve().await;
        let world = World::start_prepared(|_| minds(models), |_| roster, |_| {}).await;
        let (outcome, reason) = world.end().await;
        assert_eq!(outcome, Outcome::Failed, "{name} of {place:?}");
        assert!(reason.to_string().contains(words), "{name} of {place:?}: {reason}");
        assert!(reason.to_string().len() < 10_000, "{name} of {place:?}");
        let kept = format!("{:?}", world.events()).len();
        assert!(kept < 100_000, "{name} of {place:?}: {kept} bytes of events");
        world.stop().await;
    });
}

fn programs_that_break_off_end_the_run_with_a_reason() {
    for place in [Place::Claude, Place::Codex, Place::Gemini] {
        let own = match place {
            Place::Claude | Place::Codex => [].as_slice(),
            Place::Gemini => &OVER_PROTOCOL,
        };
        std::thread::scope(|scope| {
            for (name, script, words) in WAYS.iter().chain(own).copied() {
                scope.spawn(move || breaks_off(place, name, script, words));
            }
        });
    }
}
