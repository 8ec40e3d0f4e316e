//! A task that was cut at any point: what is on record as ended is not begun again.

use gatepost_domain::Decision;
use gatepost_domain::Outcome;
use gatepost_domain::approval::Settlement;

use crate::Test;
use crate::agents;
use crate::world::Minds;
use crate::world::World;
use crate::world::owner;
use crate::world::run;

pub(crate) const TESTS: &[Test] = &[
    ("cut::what_has_ended_is_not_begun_again", what_has_ended_is_not_begun_again),
    ("cut::what_has_failed_is_not_begun_again", what_has_failed_is_not_begun_again),
];

/// A task asks, does what shows how often it was done, and is cut when that is on record; then it
/// goes on with a message.
fn is_done_once(task: &'static str, ending: &str) {
    let command = task.strip_prefix("$ ").unwrap();
    run(async {
        let world = World::start(|_| agents::runbook(task)).await;
        let asked = world.asked(command).await;
        world.ends_with("action-finished");
        let approve =
            Settlement::Person { who: owner(), decision: Decision::Approve, reason: None };
        world.settle(asked, approve).await;
        let end = world.wait(|_| world.story(command).get(4).cloned()).await;
        assert!(end.starts_with(ending), "{end}");
        let world = world.crash(|_| agents::runbook(task), Minds::default()).await;
        assert_eq!(world.end().await.0, Outcome::Interrupted);
        world.message("$ echo two >> log.txt").await;
        world.start_again().await;
        assert_eq!(world.end_of_run(2).await, Outcome::Succeeded);
        assert_eq!(world.in_workspace("log.txt"), "one\ntwo\n");
        assert_eq!(world.story(command).len(), 5, "{:?}", world.story(command));
        world.stop().await;
    });
}

fn what_has_ended_is_not_begun_again() {
    is_done_once("$ echo one >> log.txt; git push || true", "exit 0");
}

fn what_has_failed_is_not_begun_again() {
    is_done_once("$ echo one >> log.txt; git push", "exit 1");
}
