//! Several proposals at once: who waits for whom, and what is on record when it ends.

use gatepost_agents::Answer;
use gatepost_agents::Executor;
use gatepost_agents::Next;
use gatepost_agents::ProposalId;
use gatepost_domain::Action;
use gatepost_domain::ApprovalId;
use gatepost_domain::Decision;
use gatepost_domain::Outcome;
use gatepost_domain::approval::Form;
use gatepost_domain::approval::Settlement;

use crate::Test;
use crate::agents;
use crate::agents::Strings;
use crate::world::World;
use crate::world::owner;
use crate::world::run;

pub(crate) const TESTS: &[Test] = &[
    ("open::what_the_agent_carries_out_is_on_record", what_the_agent_carries_out_is_on_record),
    ("open::a_question_holds_nothing_else_up", a_question_holds_nothing_else_up),
    ("open::a_withdrawn_question_is_settled_as_such", a_withdrawn_question_is_settled_as_such),
    (
        "open::bytes_that_changed_during_the_wait_are_reviewed_anew",
        bytes_that_changed_during_the_wait_are_reviewed_anew,
    ),
    (
        "open::what_a_person_makes_of_a_proposal_runs_in_its_place",
        what_a_person_makes_of_a_proposal_runs_in_its_place,
    ),
    (
        "open::what_a_person_makes_of_a_proposal_is_held_to_the_boundaries_too",
        what_a_person_makes_of_a_proposal_is_held_to_the_boundaries_too,
    ),
    (
        "open::a_question_about_a_file_shows_what_would_change",
        a_question_about_a_file_shows_what_would_change,
    ),
    ("open::equal_questions_have_an_answer_each", equal_questions_have_an_answer_each),
    (
        "open::what_is_under_way_when_the_agent_ends_is_not_known",
        what_is_under_way_when_the_agent_ends_is_not_known,
    ),
    ("open::a_stop_ends_what_is_asked_and_what_runs", a_stop_ends_what_is_asked_and_what_runs),
    ("open::an_end_without_a_beginning_is_ignored", an_end_without_a_beginning_is_ignored),
];

const PUSH: &str = "git push";
/// A question that names a file of the workspace.
const DEPLOY: &str = "bash deploy.sh && git push";

async fn world() -> (World, Strings) {
    let mut strings = None;
    let world = World::start(|root| {
        let (roster, held) = agents::puppet(root);
        strings = Some(held);
        roster
    })
    .await;
    (world, strings.unwrap())
}

fn person(decision: Decision) -> Settlement {
    Settlement::Person { who: owner(), decision, reason: None }
}

fn what_the_agent_carries_out_is_on_record() {
    run(async {
        let (world, mut agent) = world().await;
        agent.propose(1, Executor::Agent, "ls").await;
        assert_eq!(agent.answer().await, (1, Answer::Cleared { input: None }));
        assert_eq!(world.story("ls"), ["verdict", "started"], "it starts only once that is so");
        agent.finish(1, 3).await;
        agent.done().await;
        assert_eq!(world.end().await.0, Outcome::Succeeded);
        assert_eq!(world.story("ls"), ["verdict", "started", "exit 3"]);
        world.stop().await;
    });
}

fn a_question_holds_nothing_else_up() {
    run(async {
        let (world, mut agent) = world().await;
        agent.propose(1, Executor::Agent, PUSH).await;
        let approval = world.asked(PUSH).await;
        agent.propose(2, Executor::Agent, "ls").await;
        assert_eq!(agent.answer().await, (2, Answer::Cleared { input: None }));
        agent.finish(2, 0).await;
        agent.propose(3, Executor::Worker, "echo from the worker").await;
        let (id, answer) = agent.answer().await;
        assert!(id == 3 && matches!(answer, Answer::Ran { .. }), "{id} {answer:?}");
        world.settle(approval, person(Decision::Deny)).await;
        let (id, answer) = agent.answer().await;
        assert!(id == 1 && matches!(answer, Answer::Refused { .. }), "{id} {answer:?}");
        agent.done().await;
        world.end().await;
        world.stop().await;
    });
}

fn a_withdrawn_question_is_settled_as_such() {
    run(async {
        let (world, mut agent) = world().await;
        agent.propose(1, Executor::Agent, PUSH).await;
        world.asked(PUSH).await;
        agent.then(Next::Withdraw { id: ProposalId(1) }).await;
        agent.propose(2, Executor::Agent, "ls").await;
        assert_eq!(agent.answer().await.0, 2, "a question that is withdrawn is not answered");
        let story = world.story(PUSH);
        let wanted = ["verdict", "asked", "withdrawn, not run"];
        assert_eq!(story.get(..3).unwrap(), wanted, "{story:?}");
        assert!(world.open(PUSH).is_none());
        agent.done().await;
        world.end().await;
        world.stop().await;
    });
}

/// The answer that makes `text` of what the question is about.
fn edited(world: &World, approval: &ApprovalId, text: &str) -> Settlement {
    let asked = world.approval(approval);
    assert_eq!(asked.form, Form::Editable);
    Settlement::Edited { who: owner(), action: Box::new(asked.action.with_text(text).unwrap()) }
}

fn what_a_person_makes_of_a_proposal_runs_in_its_place() {
    run(async {
        let (world, mut agent) = world().await;
        agent.propose(1, Executor::Worker, PUSH).await;
        let asked = world.asked(PUSH).await;
        let made = "echo rather this >made; echo out";
        world.settle(asked.clone(), edited(&world, &asked, made)).await;
        let (id, answer) = agent.answer().await;
        let Answer::Ran { result, .. } = answer else { panic!("{answer:?}") };
        assert!(
            id == 1 && result.head.contains(made) && result.head.ends_with("out\n"),
            "{result:?}"
        );
        assert_eq!(world.in_workspace("made"), "rather this\n");
        assert_eq!(world.story_of(made, 3).await, ["verdict", "started", "exit 0"]);
        let story = world.story(PUSH);
        assert_eq!(story[2], "approved, edited by console:owner", "{story:?}");
        assert!(story[3].starts_with("refused: ") && story.len() == 4, "{story:?}");

        // One that still needs a person has one: whoever wrote it. And the agent is handed it.
        agent.propose(2, Executor::Agent, PUSH).await;
        let asked = world.asked(PUSH).await;
        world.settle(asked.clone(), edited(&world, &asked, "git push origin main")).await;
        let input = Some("input: git push origin main".to_owned());
        assert_eq!(agent.answer().await, (2, Answer::Cleared { input }));
        agent.finish(2, 0).await;
        agent.done().await;
        world.end().await;
        assert_eq!(world.story("git push origin main"), ["verdict", "started", "exit 0"]);
        world.stop().await;
    });
}

fn what_a_person_makes_of_a_proposal_is_held_to_the_boundaries_too() {
    run(async {
        let (world, mut agent) = world().await;
        agent.propose(1, Executor::Worker, PUSH).await;
        let asked = world.asked(PUSH).await;
        let made = "rm -rf /";
        world.settle(asked.clone(), edited(&world, &asked, made)).await;
        let (id, answer) = agent.answer().await;
        assert!(id == 1 && matches!(answer, Answer::Refused { .. }), "{answer:?}");
        let story = world.story(made);
        assert!(story[0] == "verdict" && story[1].starts_with("refused: "), "{story:?}");
        agent.done().await;
        world.end().await;
        world.stop().await;
    });
}

fn bytes_that_changed_during_the_wait_are_reviewed_anew() {
    run(async {
        let (world, mut agent) = world().await;
        agent.propose(1, Executor::Agent, DEPLOY).await;
        let first = world.asked(DEPLOY).await;
        agent.propose(2, Executor::Worker, "echo echo second >deploy.sh").await;
        assert_eq!(agent.answer().await.0, 2);
        world.settle(first.clone(), person(Decision::Approve)).await;
        let second = world.wait(|_| world.open(DEPLOY).filter(|open| *open != first)).await;
        assert!(agent.unanswered(), "what was approved is not what would run");
        world.settle(second, person(Decision::Approve)).await;
        assert_eq!(agent.answer().await, (1, Answer::Cleared { input: None }));
        agent.finish(1, 0).await;
        agent.done().await;
        world.end().await;
        let story = world.story(DEPLOY);
        let kinds: Vec<&str> = story.iter().map(|line| line.split(' ').next().unwrap()).collect();
        let wanted = [
            "verdict", "asked", "approved", "refused:", "verdict", "asked", "approved", "started",
            "exit",
        ];
        assert_eq!(kinds, wanted, "{story:?}");
        world.stop().await;
    });
}

fn a_question_about_a_file_shows_what_would_change() {
    run(async {
        let mut strings = None;
        let world = World::start(|root| {
            let workflows = root.join("project/.github/workflows");
            std::fs::create_dir_all(&workflows).unwrap();
            std::fs::write(workflows.join("ci.yml"), "all:\n\ttrue\n").unwrap();
            let (roster, held) = agents::puppet(root);
            strings = Some(held);
            roster
        })
        .await;
        let agent = strings.unwrap();
        let wanted = [
            (1, ".github/workflows/ci.yml", "@@ -1,2 +1,2 @@\n all:\n-\ttrue\n+\tfalse\n"),
            (2, ".git/hooks/new", "--- /dev/null\n+++ b/.git/hooks/new\n@@ -0,0 +1,2 @@\n"),
        ];
        for (id, path, expect) in wanted {
            let action = Action::Write { path: path.into(), content: "all:\n\tfalse\n".into() };
            let (id, by) = (ProposalId(id), Executor::Agent);
            agent.then(Next::Propose { id, action, by }).await;
            let asked = world.asked(path).await;
            let diff = world.approval(&asked).diff.unwrap_or_default();
            assert!(diff.contains(expect), "{path}: {diff:?}");
        }
        world.cancel().await;
        assert_eq!(world.end().await.0, Outcome::Cancelled);
        world.stop().await;
    });
}

fn equal_questions_have_an_answer_each() {
    run(async {
        let (world, mut agent) = world().await;
        agent.propose(1, Executor::Agent, PUSH).await;
        let first = world.asked(PUSH).await;
        agent.propose(2, Executor::Agent, PUSH).await;
        let both = |world: &World| {
            let asked = world.story(PUSH).iter().filter(|line| *line == "asked").count();
            (asked == 2).then_some(())
        };
        world.wait(|_| both(&world)).await;
        world.settle(first, person(Decision::Approve)).await;
        let second = world.asked(PUSH).await;
        world.settle(second, person(Decision::Approve)).await;
        for id in [1, 2] {
            assert_eq!(agent.answer().await, (id, Answer::Cleared { input: None }));
            agent.finish(id, 0).await;
        }
        agent.done().await;
        assert_eq!(world.end().await.0, Outcome::Succeeded);
        world.stop().await;
    });
}

fn what_is_under_way_when_the_agent_ends_is_not_known() {
    run(async {
        let (world, mut agent) = world().await;
        agent.propose(1, Executor::Agent, "ls").await;
        assert_eq!(agent.answer().await.0, 1);
        // As when its program is killed.
        drop(agent);
        assert_eq!(world.end().await.0, Outcome::Failed);
        let wanted = ["verdict", "started", "cut off; what it did is not known"];
        assert_eq!(world.story("ls"), wanted);
        world.stop().await;
    });
}

fn a_stop_ends_what_is_asked_and_what_runs() {
    run(async {
        let (world, mut agent) = world().await;
        agent.propose(1, Executor::Agent, PUSH).await;
        world.asked(PUSH).await;
        agent.propose(2, Executor::Agent, "ls").await;
        assert_eq!(agent.answer().await.0, 2);
        agent.propose(3, Executor::Worker, "sleep 1000").await;
        let started = |world: &World| world.story("sleep 1000").len() == 2;
        world.wait(|_| started(&world).then_some(())).await;
        world.cancel().await;
        assert_eq!(world.end().await.0, Outcome::Cancelled);
        assert_eq!(world.story("ls"), ["verdict", "started", "stopped"]);
        assert_eq!(world.story("sleep 1000"), ["verdict", "started", "stopped"]);
        let story = world.story(PUSH);
        assert!(story.contains(&"withdrawn, not run".to_owned()), "{story:?}");
        world.stop().await;
    });
}

fn an_end_without_a_beginning_is_ignored() {
    run(async {
        let (world, mut agent) = world().await;
        agent.propose(1, Executor::Agent, PUSH).await;
        world.asked(PUSH).await;
        agent.finish(1, 0).await;
        agent.propose(2, Executor::Agent, "ls").await;
        assert_eq!(agent.answer().await.0, 2);
        assert_eq!(world.story(PUSH), ["verdict", "asked"], "only a person ends a question");
        agent.finish(2, 0).await;
        agent.done().await;
        world.end().await;
        world.stop().await;
    });
}
