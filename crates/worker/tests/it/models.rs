//! A program in the sandbox that calls its model: past the proxy, counted, and within the budget.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;

use gatepost_domain::Decision;
use gatepost_domain::Outcome;
use gatepost_domain::approval::Settlement;
use gatepost_domain::event::Event;
use gatepost_domain::outcome::Reason;
use gatepost_models::Api;
use gatepost_models::CONTEXT;
use gatepost_models::Endpoint;
use gatepost_models::KeySource;
use gatepost_models::MAX_OUTPUT;
use gatepost_models::budget::Budget;
use gatepost_models::budget::Limit;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::Test;
use crate::programs::script_with;
use crate::world::World;
use crate::world::owner;
use crate::world::run;

pub(crate) const TESTS: &[Test] = &[
    (
        "models::a_program_reaches_its_model_and_never_sees_the_key",
        a_program_reaches_its_model_and_never_sees_the_key,
    ),
    (
        "models::a_call_without_room_waits_for_a_person_and_is_then_made",
        a_call_without_room_waits_for_a_person_and_is_then_made,
    ),
    (
        "models::a_spent_budget_ends_the_task_with_the_reason",
        a_spent_budget_ends_the_task_with_the_reason,
    ),
];

const KEY: &str = "sk-of-the-host-0123456789";

/// Asks its model, and looks for the key wherever it can look.
const ASKS: &str = r#"
ask() { curl -sS -H "x-api-key: $TOKEN" -d '{"max_tokens": 1000}' "$URL/v1/messages"; }
ask >answer; grep -q '"output_tokens"' answer || { echo "no answer"; exit; }
wrong=$(curl -s -o /dev/null -w '%{http_code}' -H "x-api-key: guess" -d '{}' "$URL/v1/messages")
[ "$wrong" = 401 ] || { echo "let in with $wrong"; exit; }
{ env; cat /proc/*/environ /proc/*/cmdline; grep -r . "$HOME" /tmp; } 2>/dev/null >seen
grep -q "sk-of[-]the-host" seen && { echo "the key is there"; exit; }
echo bye
"#;

/// Asks for ever.
const INSISTS: &str = r#"
while :; do
  curl -sS -o /dev/null -H "x-api-key: $TOKEN" -d '{"max_tokens": 1000}' "$URL/v1/messages"
  sleep 0.1
done
"#;

/// A provider: its address, the keys it was shown, and what keeps it going.
type Provider = (String, Arc<Mutex<Vec<String>>>, JoinSet<()>);

async fn provider() -> Provider {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let keys: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = Arc::clone(&keys);
    let app = axum::Router::new().fallback(move |headers: axum::http::HeaderMap| {
        let key = headers.get("x-api-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
        kept.lock().unwrap().push(key.to_owned());
        std::future::ready(r#"{"usage": {"input_tokens": 100, "output_tokens": 900}}"#.to_owned())
    });
    let mut serving = JoinSet::new();
    serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
    (url, keys, serving)
}

fn models(root: &Path, base_url: String) -> BTreeMap<String, Endpoint> {
    let file = root.join("key");
    std::fs::write(&file, KEY).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let endpoint = Endpoint {
        name: "main".into(),
        api: Api::Anthropic,
        base_url,
        key: KeySource::File(file),
        model: "the-model".into(),
        price: None,
        context: CONTEXT,
        max_output: MAX_OUTPUT,
    };
    [("main".to_owned(), endpoint)].into()
}

fn used(world: &World) -> Vec<u64> {
    let events = world.events();
    let counts = events.iter().filter_map(|event| match event {
        Event::ModelUsed { metered, .. } => Some(metered.usage.total()),
        _ => None,
    });
    counts.collect()
}

fn a_program_reaches_its_model_and_never_sees_the_key() {
    run(async {
        let (url, keys, _serving) = provider().await;
        let world = World::start_whole(
            None,
            |root| script_with(root, ASKS, Some("main")),
            |root| models(root, url),
            Budget::default(),
        )
        .await;
        assert_eq!(world.end().await, (Outcome::Succeeded, Reason::Completed));
        assert_eq!(*keys.lock().unwrap(), [KEY], "the guess did not get this far");
        assert_eq!(used(&world), [1000]);
    });
}

/// Two calls at the same time lack room, and a third one has none later.
const MORE: &str = r#"
ask() { curl -sS -H "x-api-key: $TOKEN" -d '{"max_tokens": 1000}' "$URL/v1/messages" >"$1"; }
ask a
ask b & ask c & wait
grep -q '"output_tokens"' b && grep -q '"output_tokens"' c && echo bye
"#;

fn a_call_without_room_waits_for_a_person_and_is_then_made() {
    run(async {
        let (url, keys, _serving) = provider().await;
        let task = Limit { cost: None, tokens: Some(1_500) };
        let world = World::start_whole(
            None,
            |root| script_with(root, MORE, Some("main")),
            |root| models(root, url),
            Budget { task, day: Limit::default() },
        )
        .await;
        let asked = world.asked("the budget of the task").await;
        let approval = world.approval(&asked);
        let raise = *approval.action.raise().unwrap();
        assert_eq!((raise.from, raise.to.tokens), (task, Some(3_000)));
        assert!(approval.judgement.reason.contains("1000 of 1500 tokens"), "{approval:?}");
        assert_eq!(keys.lock().unwrap().len(), 1);
        let approve =
            || Settlement::Person { who: owner(), decision: Decision::Approve, reason: None };
        world.settle(asked.clone(), approve()).await;
        // One call fits now. The other one waits for it, and then for people again.
        let next = world
            .wait(|_| world.open("the budget of the task").filter(|open| *open != asked))
            .await;
        assert_eq!(keys.lock().unwrap().len(), 2);
        assert_eq!(world.approval(&next).action.raise().unwrap().from.tokens, Some(3_000));
        world.settle(next, approve()).await;
        assert_eq!(world.end().await, (Outcome::Succeeded, Reason::Completed));
        assert_eq!(used(&world), [1000; 3]);
        let raised = world.events().into_iter().filter(|e| matches!(e, Event::BudgetRaised { .. }));
        assert_eq!(raised.count(), 2);
        world.stop().await;
    });
}

fn a_spent_budget_ends_the_task_with_the_reason() {
    run(async {
        let (url, keys, _serving) = provider().await;
        let task = Limit { cost: None, tokens: Some(3_500) };
        let world = World::start_whole(
            None,
            |root| script_with(root, INSISTS, Some("main")),
            |root| models(root, url),
            Budget { task, day: Limit::default() },
        )
        .await;
        let asked = world.asked("the budget of the task").await;
        let deny = Settlement::Person {
            who: owner(),
            decision: Decision::Deny,
            reason: Some("too dear".into()),
        };
        world.settle(asked, deny).await;
        let (outcome, reason) = world.end().await;
        assert_eq!(outcome, Outcome::Failed);
        let Reason::LimitReached { limit } = reason else { panic!("{reason:?}") };
        assert!(limit.contains("3000 of 3500 tokens"), "{limit}");
        assert!(limit.ends_with("console:owner did not raise it: too dear"), "{limit}");
        assert_eq!(keys.lock().unwrap().len(), 3);
        assert_eq!(used(&world), [1000; 3]);
    });
}
