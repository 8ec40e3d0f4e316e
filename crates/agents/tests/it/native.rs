//! The native agent with every API it speaks: whole tasks, and everything a provider can do wrong.

use std::time::Duration;

use gatepost_agents::Agent;
use gatepost_domain::Outcome;
use gatepost_domain::Usage;
use gatepost_domain::outcome::Reason;
use gatepost_e2e::models::Play;
use gatepost_e2e::models::call;
use gatepost_e2e::models::text;
use gatepost_models::Api;
use gatepost_models::Patience;
use serde_json::Value;
use serde_json::json;

use crate::provider::APIS;
use crate::provider::KEY;
use crate::provider::Provider;
use crate::provider::drive;
use crate::provider::hasty;
use crate::provider::ran;
use crate::provider::refused;

fn exec(command: &str) -> Value {
    call("exec", json!({ "command": command }))
}

fn done() -> Play {
    Play::Turn(vec![text("It is blue.")])
}

const SUCCESS: Option<(Outcome, Reason)> = Some((Outcome::Succeeded, Reason::Completed));

#[tokio::test]
async fn a_whole_task_runs_through_every_api_and_is_counted() {
    for api in APIS {
        let first = vec![text("I look."), exec("ls"), call("read", json!({ "path": "a" }))];
        let plays = vec![Play::Turn(first), Play::Turn(vec![exec("make blue")]), done()];
        let provider = Provider::start(api, plays).await;
        let mut agent = provider.agent(hasty(), None);
        let told = drive(&mut agent, vec![ran("a b c"), ran("it is \"red\""), ran("")]).await;
        assert_eq!(told.end, SUCCESS, "{api}");
        assert_eq!(told.proposed, ["ls", "/w/a", "make blue"], "{api}");
        let cache_write = if api == Api::Anthropic { 5 } else { 0 };
        let usage = Usage { input: 100, output: 10, cache_read: 50, cache_write };
        let used: Vec<_> = told.metered.iter().map(|metered| metered.usage).collect();
        assert_eq!(used, [usage; 3], "{api}");
        let seen = provider.seen();
        assert_eq!(seen.len(), 3, "{api}");
        let second = seen[1].to_string();
        assert!(second.contains("a b c") && second.contains("paint it blue"), "{api}: {second}");
        assert!(!seen.iter().any(|request| request.to_string().contains(KEY)), "{api}");
        assert!(!format!("{agent:?} {}", agent.resume_key()).contains(KEY), "{api}");
    }
}

/// A request without its marks for the cache.
fn unmarked(values: &[Value]) -> Vec<Value> {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("cache_control");
                fields.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut values = values.to_vec();
    values.iter_mut().for_each(strip);
    values
}

#[tokio::test]
async fn every_request_begins_as_the_one_before_so_that_it_is_cached() {
    for api in APIS {
        let turns = ["a", "b"].map(|command| Play::Turn(vec![exec(command), exec(command)]));
        let plays = turns.into_iter().chain([done()]).collect();
        let provider = Provider::start(api, plays).await;
        let mut agent = provider.agent(hasty(), None);
        drive(&mut agent, vec![ran("1"), ran("2"), ran("3"), ran("4")]).await;
        let seen = provider.seen();
        for pair in seen.windows(2) {
            let before = unmarked(provider.conversation(&pair[0]));
            let after = unmarked(provider.conversation(&pair[1]));
            assert_eq!(before, after[..before.len()], "{api}");
            for fixed in ["system", "systemInstruction", "instructions", "tools"] {
                assert_eq!(pair[0].get(fixed), pair[1].get(fixed), "{api}");
            }
        }
        if api == Api::Anthropic {
            let mark = json!({ "type": "ephemeral" });
            for request in &seen {
                assert_eq!(request["system"][0]["cache_control"], mark);
                let last = provider.conversation(request).last().unwrap()["content"].as_array();
                assert_eq!(last.unwrap().last().unwrap()["cache_control"], mark);
            }
        }
    }
}

#[tokio::test]
async fn the_calls_of_one_turn_are_judged_one_by_one_and_survive_a_crash() {
    for api in APIS {
        let turn = Play::Turn(vec![exec("one"), exec("two"), exec("three")]);
        let provider = Provider::start(api, vec![turn, done()]).await;
        let mut agent = provider.agent(hasty(), None);
        let before = drive(&mut agent, vec![ran("said by one")]).await;
        assert_eq!(before.proposed, ["one", "two"], "{api}: each waits for the one before");
        let key = agent.resume_key();
        drop(agent);
        let mut agent = provider.agent(hasty(), Some(key));
        let after = drive(&mut agent, vec![refused("not on a Friday"), ran("said by three")]).await;
        assert_eq!(after.proposed, ["two", "three"], "{api}: what was answered is not run again");
        assert_eq!(after.end, SUCCESS, "{api}");
        let seen = provider.seen();
        assert_eq!(seen.len(), 2, "{api}: the model is asked once the whole turn is answered");
        let told = seen[1].to_string();
        let places = ["said by one", "not on a Friday", "said by three"].map(|words| {
            assert_eq!(told.matches(words).count(), 1, "{api}: {told}");
            told.find(words)
        });
        assert!(places.is_sorted(), "{api}: in the order of the calls");
    }
}

/// Everything that passes is waited out, whenever it happens, and nothing is run twice for it.
#[tokio::test]
async fn what_passes_is_waited_out_with_every_api() {
    for api in APIS {
        let plays = vec![
            Play::Fail(500, None),
            Play::Cut,
            Play::Fail(429, Some(0)),
            Play::Turn(vec![exec("once")]),
            Play::Cut,
            Play::Fail(529, None),
            Play::Fail(503, Some(0)),
            done(),
        ];
        let provider = Provider::start(api, plays).await;
        let told = drive(&mut provider.agent(hasty(), None), vec![ran("")]).await;
        assert_eq!((told.end, told.proposed.len()), (SUCCESS, 1), "{api}");
        assert_eq!(provider.seen().len(), 8, "{api}");
        assert_eq!(told.metered.len(), 2, "{api}: what broke off is not counted");
    }
}

/// What is played after a command ran, how often it is asked, and the words of the end.
#[tokio::test]
async fn what_does_not_pass_ends_the_task_in_words_with_every_api() {
    let brief = Patience { idle: Duration::from_millis(200), tries: 2, ..hasty() };
    for (play, patience, asked, words) in [
        (Play::Fail(401, None), hasty(), 1, "check the key"),
        (Play::Fail(403, None), hasty(), 1, "check the key"),
        (Play::Fail(404, None), hasty(), 1, "check `api`, `base_url` and `model`"),
        (Play::Fail(429, None), hasty(), 4, "limits how often it is asked"),
        (Play::Fail(429, Some(86_400)), hasty(), 1, "limits how often it is asked"),
        (Play::Fail(500, None), hasty(), 4, "failed (500"),
        (Play::Fail(529, None), hasty(), 4, "is overloaded (529"),
        (Play::Fail(503, Some(86_400)), hasty(), 1, "is overloaded (503"),
        (Play::Cut, hasty(), 4, "broke off"),
        (Play::Stall, brief, 2, "did not go on"),
        (Play::Garbage, hasty(), 1, "cannot be understood"),
    ] {
        for api in APIS {
            let mut plays = vec![Play::Turn(vec![exec("once")])];
            plays.extend(vec![play.clone(); asked]);
            let provider = Provider::start(api, plays).await;
            let told = drive(&mut provider.agent(patience, None), vec![ran("")]).await;
            let Some((Outcome::Failed, Reason::AgentFailed { detail })) = told.end else {
                panic!("{api}, {play:?}: {:?}", told.end)
            };
            assert!(detail.contains(words), "{api}, {play:?}: {detail}");
            assert!(!detail.contains(KEY), "{api}, {play:?}: {detail}");
            assert_eq!(provider.seen().len(), 1 + asked, "{api}, {play:?}");
            assert_eq!(told.proposed.len(), 1, "{api}, {play:?}");
        }
    }
}

#[tokio::test]
async fn a_conversation_that_the_provider_calls_too_long_is_summed_up_once() {
    for api in APIS {
        let turn = || Play::Turn(vec![exec("cat all")]);
        let summary = || Play::Turn(vec![text("SUMMARY: all is read")]);
        let plays = vec![turn(), Play::TooLong, summary(), turn(), done()];
        let provider = Provider::start(api, plays).await;
        let output = "long ".repeat(100);
        let told = drive(&mut provider.agent(hasty(), None), vec![ran(&output), ran("")]).await;
        assert_eq!(told.end, SUCCESS, "{api}");
        let seen = provider.seen();
        assert!(!seen[2].to_string().contains(&output), "{api}: the summary itself must fit");
        let after = seen[3].to_string();
        assert!(after.contains("SUMMARY: all is read") && after.contains("paint it blue"), "{api}");
        assert_eq!(provider.conversation(&seen[4]).len(), provider.conversation(&seen[1]).len());

        for (plays, asked) in [
            (vec![turn(), Play::TooLong, summary(), Play::TooLong], 4),
            // Not even the summary fits, and nor does what is left without one.
            (vec![turn(), Play::TooLong, Play::TooLong, Play::TooLong], 4),
        ] {
            let provider = Provider::start(api, plays).await;
            let told = drive(&mut provider.agent(hasty(), None), vec![ran("")]).await;
            let end = format!("{:?}", told.end);
            assert!(end.contains("too long for the model"), "{api}: {end}");
            assert_eq!(provider.seen().len(), asked, "{api}");
        }
        let provider = Provider::start(api, vec![Play::TooLong]).await;
        let told = drive(&mut provider.agent(hasty(), None), vec![]).await;
        let end = format!("{:?}", told.end);
        assert!(end.contains("Failed") && end.contains("larger `context`"), "{api}: {end}");
    }
}

#[tokio::test]
async fn a_model_that_goes_on_for_ever_is_stopped() {
    let plays = vec![Play::Turn(vec![exec("again")]); 250];
    let provider = Provider::start(Api::OpenAi, plays).await;
    let told = drive(&mut provider.agent(hasty(), None), vec![ran(""); 250]).await;
    let limit = "the model had 250 turns".to_owned();
    assert_eq!(told.end, Some((Outcome::Failed, Reason::LimitReached { limit })));
    assert_eq!(provider.seen().len(), 250);
}
