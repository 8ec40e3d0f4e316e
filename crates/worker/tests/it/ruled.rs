//! Rules that change while a task runs.

use std::sync::Arc;

use gatepost_agents::Answer;
use gatepost_agents::Executor;
use gatepost_domain::Decision;
use gatepost_domain::approval::Settlement;
use gatepost_gate::Policy;
use gatepost_gate::RuleSet;
use gatepost_gate::Tier;
use tokio::sync::watch;

use crate::Test;
use crate::agents;
use crate::world::Minds;
use crate::world::World;
use crate::world::owner;
use crate::world::run;

pub(crate) const TESTS: &[Test] =
    &[("rules_that_change_hold_for_a_running_task", rules_that_change_hold_for_a_running_task)];

fn policy(verdict: &str) -> Arc<Policy> {
    let text = format!("[[rule]]\nrule = 'Bash(echo *)'\nverdict = '{verdict}'\nreason = 'x'\n");
    Arc::new(Policy::new(vec![RuleSet::load(Tier::User, &text, "x").unwrap()]).unwrap())
}

fn rules_that_change_hold_for_a_running_task() {
    run(async {
        let (change, rules) = watch::channel(policy("allow"));
        let mut strings = None;
        let agents = |root: &std::path::Path| {
            let (roster, held) = agents::puppet(root);
            strings = Some(held);
            roster
        };
        let minds = |_: &std::path::Path| Minds { policy: Some(rules), ..Minds::default() };
        let world = World::start_prepared(minds, agents, |_| {}).await;
        let mut agent = strings.unwrap();
        agent.propose(1, Executor::Agent, "echo one").await;
        assert_eq!(agent.answer().await, (1, Answer::Cleared { input: None }));
        agent.finish(1, 0).await;
        change.send_replace(policy("ask"));
        agent.propose(2, Executor::Agent, "echo two").await;
        let approval = world.asked("echo two").await;
        change.send_replace(policy("deny"));
        let yes = Settlement::Person { who: owner(), decision: Decision::Approve, reason: None };
        world.settle(approval, yes).await;
        // What a person let run, they let run.
        assert_eq!(agent.answer().await, (2, Answer::Cleared { input: None }));
        agent.finish(2, 0).await;
        agent.propose(3, Executor::Agent, "echo three").await;
        let (id, answer) = agent.answer().await;
        assert!(id == 3 && matches!(answer, Answer::Refused { .. }), "{answer:?}");
        agent.done().await;
        world.end().await;
        world.stop().await;
    });
}
