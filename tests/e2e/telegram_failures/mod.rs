//! Failures that a bot must survive, by number, each with the real binary against a strict server.
//!
//! The list is that of 47 failures that other bots were seen to have; 13 to 15 and 37 to 39 are
//! Discord's, in `discord_failures`. A test whose name begins with `failure_NN_` shows that number;
//! [`ELSEWHERE`] names the tests of other files that do, some of them of the part itself. A number
//! with neither fails [`every_number_has_a_test_or_a_reason`].
//!
//! | number | what goes wrong |
//! |---|---|
//! | 1–4 | a conflict after a restart, two pollers, a dead poll, health that lies |
//! | 5–8 | messages while down, redelivery, renumbered updates, more than a day down |
//! | 9–12 | a busy agent, a full queue, albums, edits of what was sent |
//! | 16–20 | migrated groups, dead topics, presses in forums, mixed-up chats, privacy mode |
//! | 21–27 | wrong person, old button, free text, two presses, late press, restart, dead run |
//! | 28–31 | long commands, hostile characters, changed scripts, grants too wide |
//! | 32–36 | several questions, twins, writing meanwhile, noise, queries too old |
//! | 40–43 | pauses, unchanged and unparsed messages, long texts, drafts |
//! | 44–47 | noise, secrets, orphaned cards, large files |

use std::collections::BTreeSet;
use std::path::Path;

mod approvals;
mod inbound;
mod outbound;

/// How many failures the list has.
const FAILURES: u32 = 47;

/// Tests of other files that show a failure, in the order of the numbers.
const ELSEWHERE: [(u32, &str); 16] = [
    (4, "a_poll_that_goes_silent_is_noticed_and_made_anew"),
    (4, "the_doctor_tells_how_the_bot_goes_running_or_not"),
    (5, "the_gap_is_told_once_and_what_is_too_old_waits_for_a_word"),
    (8, "after_more_than_a_day_it_is_said_that_something_may_be_lost"),
    (11, "n11_an_album_is_one_task_in_order_with_one_card"),
    (11, "n11_a_crash_in_the_middle_of_an_album_neither_splits_nor_loses_it"),
    (17, "n17_a_deleted_topic_is_survived_and_the_rest_is_said_in_the_chat"),
    // The fake leaves `is_forum` out of a press, as Telegram does.
    (18, "a_task_of_a_forum_lives_in_a_topic_that_shows_how_it_stands_and_is_closed_at_its_end"),
    (19, "a_restart_knows_the_topic_of_each_task"),
    (20, "the_doctor_says_what_is_missing_in_each_group"),
    (26, "a_press_that_meets_kill_9_counts_once"),
    (27, "an_approval_after_kill_9_says_that_the_run_was_gone_and_the_task_goes_on"),
    (30, "bytes_that_changed_during_the_wait_are_reviewed_anew"),
    (32, "open_questions_are_listed_brought_anew_and_denied_with_one_press"),
    (44, "quiet_hours_are_each_person_s_own_and_survive_a_restart"),
    (47, "n47_what_is_too_large_is_refused_aloud_before_it_is_fetched"),
];

#[test]
fn every_number_has_a_test_or_a_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut names = BTreeSet::new();
    collect(&root.join("tests/e2e"), &mut names);
    collect(&root.join("crates"), &mut names);
    let mut shown = BTreeSet::new();
    for name in &names {
        let numbers = name.strip_prefix("failures_").or_else(|| name.strip_prefix("failure_"));
        let numbers = numbers.into_iter().flat_map(|rest| rest.split('_'));
        shown.extend(numbers.map_while(|number| number.parse::<u32>().ok()));
    }
    for (number, name) in ELSEWHERE {
        assert!(names.contains(name), "{number} names a test that is not there: {name}");
        shown.insert(number);
    }
    let missing: Vec<_> = (1..=FAILURES).filter(|number| !shown.contains(number)).collect();
    assert!(missing.is_empty(), "no test shows {missing:?}");
}

/// The names of the functions in every file below a folder.
fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let lines = text.lines().filter_map(|line| line.split_once("fn ")?.1.split('(').next());
            names.extend(lines.map(str::to_owned));
        }
    }
}
