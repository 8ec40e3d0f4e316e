//! Claude Code itself in a real sandbox, with a model on a script: what it tries, and what becomes
//! of that. Every test says whether a try is gated (the gate hears of it first) or contained (the
//! sandbox or its settings leave it nothing to do).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gatepost_agents::Roster;
use gatepost_agents::claude::Settings;
use gatepost_agents::install::Search;
use gatepost_domain::Decision;
use gatepost_domain::Outcome;
use gatepost_domain::agent::AgentEvent;
use gatepost_domain::approval::Settlement;
use gatepost_domain::event::Event;
use gatepost_models::Endpoint;
use serde_json::Value;
use serde_json::json;

use crate::Test;
use crate::agents;
use crate::found::Real;
use crate::model::Fake;
use crate::model::Say;
use crate::model::Seen;
use crate::world::Minds;
use crate::world::World;
use crate::world::owner;
use crate::world::run;

pub(crate) const TESTS: &[Test] = &[
    ("claude::a_denial_reaches_the_model_word_for_word", a_denial_reaches_the_model),
    ("claude::an_approval_after_a_wait_runs_once", an_approval_after_a_wait_runs_once),
    ("claude::a_stop_during_a_question_ends_it", a_stop_during_a_question_ends_it),
    (
        "claude::after_a_crash_the_session_goes_on_and_nothing_runs_twice",
        after_a_crash_the_session_goes_on,
    ),
    ("claude::a_message_steers_it_while_it_works", a_message_steers_it),
    ("claude::only_the_task_token_is_inside", only_the_task_token_is_inside),
];

const PUSH: &str = "git push";

const CLAUDE: Real = Real {
    variable: "GATEPOST_TEST_CLAUDE",
    title: "Claude Code",
    x64: "anthropic-ai-claude-code-2.1.330/node_modules/@anthropic-ai/claude-code-linux-x64/claude",
    arm64: "anthropic-ai-claude-code-2.1.330/node_modules/@anthropic-ai/claude-code-linux-arm64/\
        claude",
};

fn claude(program: &Path) -> impl FnOnce(&Path) -> Arc<dyn Roster> + use<> {
    let settings = Settings {
        installed: Search::here().find(program).unwrap(),
        model: Some("fake".into()),
        // A model on a script answers at once; a machine under load does not.
        silence: Duration::from_secs(45),
    };
    move |_| agents::claude(settings)
}

/// Runs a test with the program, where it is, and a model.
pub(crate) fn with<F: Future<Output = ()>>(
    script: impl Fn(&Seen) -> Vec<Say> + Send + Sync + 'static,
    prepare: impl FnOnce(&Path),
    test: impl FnOnce(World, Arc<Fake>) -> F,
) {
    let Some(program) = CLAUDE.place() else { return };
    run(async {
        let fake = Fake::new(script);
        let models = fake.serve().await;
        let world = World::start_prepared(|_| minds(models), claude(&program), prepare).await;
        test(world, fake).await;
    });
}

pub(crate) fn minds(models: BTreeMap<String, Endpoint>) -> Minds {
    Minds { models, ..Minds::default() }
}

pub(crate) fn person(decision: Decision, reason: Option<&str>) -> Settlement {
    Settlement::Person { who: owner(), decision, reason: reason.map(str::to_owned) }
}

/// The script's turns, one a request; then it is done.
pub(crate) fn turn(seen: &Seen, turns: Vec<Vec<Say>>) -> Vec<Say> {
    turns.into_iter().nth(seen.turns()).unwrap_or_else(|| vec![Say::Text("That is all.")])
}

pub(crate) fn bash(command: &str) -> Say {
    Say::Tool("Bash", json!({"command": command, "description": "a step"}))
}

/// What was judged, in order, each by its tool and subject.
pub(crate) fn judged(world: &World) -> Vec<(&'static str, String)> {
    let verdict = |event: Event| match event {
        Event::Verdict { action, .. } => Some((action.tool(), action.subject().to_owned())),
        _ => None,
    };
    world.events().into_iter().filter_map(verdict).collect()
}

pub(crate) async fn succeeds(world: &World) {
    let (outcome, reason) = world.end().await;
    assert_eq!(outcome, Outcome::Succeeded, "{reason}\n{:#?}", world.events());
}

fn a_denial_reaches_the_model() {
    let script = |seen: &Seen| turn(seen, vec![vec![bash(PUSH)]]);
    with(
        script,
        |_| {},
        async |world, fake| {
            let push = world.asked(PUSH).await;
            world.settle(push, person(Decision::Deny, Some("use \"staging\" first"))).await;
            succeeds(&world).await;
            let requests = fake.requests();
            let last = Seen(requests.last().unwrap().clone()).last();
            let content: Value = serde_json::from_str(&last).unwrap();
            let blocks = content.as_array().unwrap().iter();
            let mut results = blocks.filter(|block| block["type"] == "tool_result");
            let words = results.next().unwrap()["content"].to_string();
            assert!(words.contains("use \\\"staging\\\" first"), "{words}");
            world.stop().await;
        },
    );
}

fn an_approval_after_a_wait_runs_once() {
    let command = "echo ran >>ran.txt && git push";
    let script = move |seen: &Seen| turn(seen, vec![vec![bash(command)]]);
    with(
        script,
        |_| {},
        async move |world, _| {
            let push = world.asked(command).await;
            // Longer than a reply of the program's own takes; hours are the same to it.
            tokio::time::sleep(Duration::from_secs(3)).await;
            world.settle(push, person(Decision::Approve, None)).await;
            succeeds(&world).await;
            let story = world.story(command);
            assert_eq!(story.iter().filter(|line| *line == "started").count(), 1, "{story:?}");
            assert_eq!(world.in_workspace("ran.txt"), "ran\n");
            world.stop().await;
        },
    );
}

fn a_stop_during_a_question_ends_it() {
    let script = |seen: &Seen| turn(seen, vec![vec![bash(PUSH)]]);
    with(
        script,
        |_| {},
        async |world, _| {
            world.asked(PUSH).await;
            world.cancel().await;
            assert_eq!(world.end().await.0, Outcome::Cancelled);
            let story = world.story(PUSH);
            assert!(story.contains(&"withdrawn, not run".to_owned()), "{story:?}");
            assert!(!story.contains(&"started".to_owned()), "{story:?}");
            world.stop().await;
        },
    );
}

fn after_a_crash_the_session_goes_on() {
    let once = "echo once >>once.txt && git push";
    let Some(program) = CLAUDE.place() else { return };
    // Before the crash it asks; taken up again, it makes the same call as it is told to.
    let spoken = AtomicUsize::new(0);
    let script = move |_: &Seen| match spoken.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => vec![bash(once)],
        _ => vec![Say::Text("That is all.")],
    };
    run(async move {
        let fake = Fake::new(script);
        let models = fake.serve().await;
        let world =
            World::start_prepared(|_| minds(models.clone()), claude(&program), |_| {}).await;
        let approval = world.asked(once).await;
        // Until the program has written its session down, as it does in a moment.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let world = world.crash(claude(&program), minds(models)).await;
        world.settle(approval, person(Decision::Approve, None)).await;
        world.start_again().await;
        succeeds(&world).await;
        let story = world.story(once);
        assert_eq!(story.iter().filter(|line| *line == "asked").count(), 1, "{story:?}");
        assert_eq!(story.iter().filter(|line| *line == "started").count(), 1, "{story:?}");
        assert_eq!(world.in_workspace("once.txt"), "once\n");
        let resumed = fake.requests().iter().any(|request| {
            let told = request["messages"].to_string();
            told.contains("do it") && told.contains("did not run")
        });
        assert!(resumed, "the earlier conversation is part of the later one");
        world.stop().await;
    });
}

fn a_message_steers_it() {
    let script = |seen: &Seen| {
        if seen.last().contains("use the other one") {
            return vec![Say::Text("I heard you.")];
        }
        turn(seen, vec![vec![bash(PUSH)]])
    };
    with(
        script,
        |_| {},
        async |world, fake| {
            let push = world.asked(PUSH).await;
            world.message("use the other one").await;
            world.settle(push, person(Decision::Deny, None)).await;
            succeeds(&world).await;
            let told = fake.requests().iter().map(Value::to_string).collect::<String>();
            assert!(told.contains("use the other one"));
            let heard = world.events().into_iter().any(|event| match event {
                Event::AgentReported { event: AgentEvent::Text { text }, .. } => {
                    text == "I heard you."
                }
                _ => false,
            });
            assert!(heard);
            world.stop().await;
        },
    );
}

fn only_the_task_token_is_inside() {
    let script = |seen: &Seen| turn(seen, vec![vec![bash("env | sort")]]);
    with(
        script,
        |_| {},
        async |world, fake| {
            succeeds(&world).await;
            let requests = fake.requests();
            let env = Seen(requests.last().unwrap().clone()).last();
            let mut lines = env.split("\\n");
            let token = lines.find_map(|line| line.strip_prefix("ANTHROPIC_API_KEY=")).unwrap();
            assert!(token.len() > 30 && !env.contains(crate::model::KEY), "{env}");
            assert!(!env.contains("GATEPOST_"), "{env}");
            // And what is recorded of it does not have even that.
            let recorded = format!("{:?}", world.events());
            assert!(recorded.contains("ANTHROPIC_API_KEY"), "{recorded}");
            assert!(!recorded.contains(token), "{recorded}");
            world.stop().await;
        },
    );
}
