//! Views: equal to a replay, rebuilt when they are older, missing, another's or damaged.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

use gatepost_domain::Event;
use gatepost_domain::Record;
use gatepost_domain::TaskId;
use gatepost_domain::lifecycle::Task;
use gatepost_domain::lifecycle::replay;
use gatepost_journal::Journal;
use gatepost_journal::JournalError;
use gatepost_journal::Rebuild;
use gatepost_journal::Views;
use gatepost_journal::ViewsNote;
use proptest::prelude::*;

use crate::samples;
use crate::samples::at;
use crate::samples::task;

fn replayed(records: &[Record]) -> BTreeMap<TaskId, Task> {
    let mut by_task: BTreeMap<TaskId, Vec<_>> = BTreeMap::new();
    for record in records {
        if let Some(task) = &record.task {
            by_task.entry(task.clone()).or_default().push((&record.event, record.at));
        }
    }
    let live = |(id, events): (TaskId, Vec<_>)| {
        let task = replay(&id, events).unwrap().unwrap();
        (id, task)
    };
    by_task.into_iter().map(live).collect()
}

/// The views must say exactly what a replay of the records says.
fn agree(views: &Views, records: &[Record]) {
    let expected = replayed(records);
    let tasks: BTreeMap<_, _> =
        views.tasks().unwrap().into_iter().map(|task| (task.id().clone(), task)).collect();
    assert_eq!(tasks, expected);
    for (id, task) in &expected {
        assert_eq!(views.task(id).unwrap().as_ref(), Some(task));
        let of: Vec<_> = records.iter().filter(|r| r.task.as_ref() == Some(id)).cloned().collect();
        assert_eq!(views.records_of(id).unwrap(), of);
    }
    assert_eq!(views.task(&task(999)).unwrap(), None);
    assert_eq!(views.records_of(&task(999)).unwrap(), []);
}

fn open(dir: &Path) -> (Journal, Views, ViewsNote) {
    let (journal, _) = Journal::open(dir).unwrap();
    let (views, note) = Views::open(dir, &journal).unwrap();
    (journal, views, note)
}

fn aside(dir: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.to_string_lossy().contains("views.damaged-")).collect()
}

/// A directory with a journal and closed, current views.
fn settled() -> (tempfile::TempDir, Vec<Record>) {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, mut views, note) = open(dir.path());
    assert_eq!(note, ViewsNote::Rebuilt { why: Rebuild::Missing, records: 0 });
    let records = samples::append(&mut journal, &samples::lives(), 7);
    views.apply(&records).unwrap();
    agree(&views, &records);
    views.flush().unwrap();
    (dir, records)
}

#[test]
fn applied_live_they_equal_a_replay_at_every_step() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, mut views, _) = open(dir.path());
    let mut all = Vec::new();
    for (task, event) in samples::lives() {
        all.push(journal.append(at(5), task.as_ref(), event).unwrap());
        journal.commit().unwrap();
        views.apply(&all[all.len() - 1..]).unwrap();
        agree(&views, &all);
        assert_eq!(views.seq(), journal.seq());
    }
}

#[test]
fn current_views_are_taken_as_they_are() {
    let (dir, records) = settled();
    let (_journal, views, note) = open(dir.path());
    assert_eq!(note, ViewsNote::Current);
    agree(&views, &records);
}

#[test]
fn missing_views_are_made_anew() {
    let (dir, records) = settled();
    fs::remove_dir_all(dir.path().join("views")).unwrap();
    let (_journal, views, note) = open(dir.path());
    let count = u64::try_from(records.len()).unwrap();
    assert_eq!(note, ViewsNote::Rebuilt { why: Rebuild::Missing, records: count });
    agree(&views, &records);
}

#[test]
fn older_views_catch_up() {
    let dir = tempfile::tempdir().unwrap();
    let events = samples::lives();
    let (mut journal, mut views, _) = open(dir.path());
    let mut records = samples::append(&mut journal, &events[..20], 4);
    views.apply(&records).unwrap();
    drop(views);
    records.extend(samples::append(&mut journal, &events[20..], 4));
    let (views, note) = Views::open(dir.path(), &journal).unwrap();
    let behind = u64::try_from(events.len() - 20).unwrap();
    assert_eq!(note, ViewsNote::CaughtUp { records: behind });
    let stored: Vec<_> =
        gatepost_journal::read(journal.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(stored.len(), records.len());
    agree(&views, &stored);
}

#[test]
fn records_left_out_are_read_from_the_journal_and_doubled_ones_are_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, mut views, _) = open(dir.path());
    let records = samples::append(&mut journal, &samples::lives(), 4);
    views.apply(&records[..3]).unwrap();
    views.apply(&records[9..12]).unwrap();
    agree(&views, &records[..12]);
    views.apply(&records[..12]).unwrap();
    agree(&views, &records[..12]);
    views.apply(&records).unwrap();
    agree(&views, &records);
}

#[test]
fn records_the_journal_does_not_hold_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, mut views, _) = open(dir.path());
    let record = journal.append(at(1), Some(&task(1)), samples::received("x")).unwrap();
    let refused = views.apply(std::slice::from_ref(&record)).unwrap_err();
    assert!(matches!(refused, JournalError::NotCommitted { seq: 1 }), "{refused}");
    journal.commit().unwrap();
    views.apply(std::slice::from_ref(&record)).unwrap();
    agree(&views, &[record]);
}

#[test]
fn views_of_another_journal_are_made_anew() {
    let (dir, _) = settled();
    let other = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(other.path()).unwrap();
    let mut events = vec![(None, Event::HubStarted { version: "other".into() }); 3];
    events.push((Some(task(5)), samples::received("only here")));
    let few = samples::append(&mut journal, &events, 9);
    fs::rename(dir.path().join("views"), other.path().join("views")).unwrap();
    // Shorter than what the views saw.
    let (views, note) = Views::open(other.path(), &journal).unwrap();
    assert_eq!(note, ViewsNote::Rebuilt { why: Rebuild::OtherJournal, records: 4 });
    agree(&views, &few);
    drop(views);
    // As long as what the views saw, with other lines.
    let third = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(third.path()).unwrap();
    events[0] = (None, Event::HubStarted { version: "thirds".into() });
    let same = samples::append(&mut journal, &events, 9);
    fs::rename(other.path().join("views"), third.path().join("views")).unwrap();
    let (views, note) = Views::open(third.path(), &journal).unwrap();
    assert_eq!(note, ViewsNote::Rebuilt { why: Rebuild::OtherJournal, records: 4 });
    agree(&views, &same);
}

#[test]
fn a_journal_that_breaks_the_life_of_a_task_is_refused_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    let events = [
        (Some(task(1)), samples::received("x")),
        (Some(task(1)), Event::TaskQueued {}),
        (Some(task(1)), Event::TaskQueued {}),
    ];
    samples::append(&mut journal, &events, 3);
    let refused = Views::open(dir.path(), &journal).map(|_| ()).unwrap_err();
    assert_eq!(refused.line(), Some(3), "{refused}");
}

#[test]
fn every_file_of_the_views_may_be_garbage() {
    let (kept, records) = settled();
    let garbage: [&[u8]; 4] = [b"", b"garbage, not a database", &[0xff; 70_000], &[0; 600_000]];
    let files: Vec<_> = files(&kept.path().join("views"));
    assert!(files.len() >= 2, "{files:?}");
    let mut damaged = 0;
    for bytes in garbage {
        for chosen in files.iter().map(std::slice::from_ref).chain([&files[..]]) {
            let dir = copied(kept.path());
            for file in chosen {
                fs::write(dir.path().join("views").join(file), bytes).unwrap();
            }
            let (_journal, views, note) = open(dir.path());
            agree(&views, &records);
            if let ViewsNote::Rebuilt { why: Rebuild::Damaged { moved_to, .. }, .. } = &note {
                assert_eq!(aside(dir.path()), std::slice::from_ref(moved_to));
                damaged += 1;
            }
            drop(views);
        }
    }
    assert!(damaged > 0, "no garbage was ever noticed as damage");
    // A file where the directory should be.
    let dir = copied(kept.path());
    fs::remove_dir_all(dir.path().join("views")).unwrap();
    fs::write(dir.path().join("views"), b"x").unwrap();
    let (_journal, views, note) = open(dir.path());
    assert!(matches!(note, ViewsNote::Rebuilt { why: Rebuild::Damaged { .. }, .. }), "{note}");
    agree(&views, &records);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

    /// Whatever becomes of sled's bytes, what is shown afterwards is what the journal says.
    #[test]
    fn changed_bytes_in_the_views_never_change_what_is_shown(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        static KEPT: std::sync::OnceLock<(tempfile::TempDir, Vec<Record>)> =
            std::sync::OnceLock::new();
        let (kept, records) = KEPT.get_or_init(settled);
        let dir = copied(kept.path());
        let db = dir.path().join("views/db");
        let mut bytes = fs::read(&db).unwrap();
        // sled keeps much room; only what is written matters.
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        for (place, byte) in places {
            bytes[place.index(used)] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(used));
        }
        fs::write(&db, bytes).unwrap();
        let (_journal, views, _) = open(dir.path());
        agree(&views, records);
    }
}

fn copied(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for name in files(from) {
        let path = to.path().join(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(from.join(&name), path).unwrap();
    }
    to
}

/// All files under a directory, by their path in it.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    found
}
