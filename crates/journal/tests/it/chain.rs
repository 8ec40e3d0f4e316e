//! Appending, reading back, and noticing every kind of damage.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use gatepost_domain::Event;
use gatepost_domain::Record;
use gatepost_journal::Damage;
use gatepost_journal::Journal;
use gatepost_journal::JournalError;
use gatepost_journal::Torn;
use gatepost_journal::read;
use gatepost_journal::verify;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::samples;
use crate::samples::at;
use crate::samples::task;
use crate::samples::written;

struct Setup {
    dir: TempDir,
    records: Vec<Record>,
    bytes: Vec<u8>,
}

impl Setup {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let records = written(dir.path());
        let bytes = fs::read(dir.path().join("journal.jsonl")).unwrap();
        Self { dir, records, bytes }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("journal.jsonl")
    }

    fn head(&self) -> PathBuf {
        self.dir.path().join("journal.head")
    }

    /// Where each line begins, and where the file ends.
    fn starts(&self) -> Vec<usize> {
        let ends = self.bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect()
    }
}

fn open_error(dir: &Path) -> JournalError {
    let before = fs::read(dir.join("journal.jsonl")).unwrap();
    let error = Journal::open(dir).map(|_| ()).unwrap_err();
    let after = fs::read(dir.join("journal.jsonl")).unwrap();
    assert!(before == after, "a refused journal is left as it is: {error}");
    error
}

fn damage(error: &JournalError) -> &Damage {
    match error {
        JournalError::Damaged { damage, .. } => damage,
        other => panic!("not damage: {other}"),
    }
}

#[test]
fn every_kind_of_event_comes_back_as_it_was() {
    let setup = Setup::new();
    let kinds: BTreeSet<_> = setup.records.iter().map(|record| record.event.kind()).collect();
    assert_eq!(kinds, BTreeSet::from(samples::KINDS));
    for record in &setup.records {
        assert!(samples::kind_is_listed(&record.event), "{record:?}");
    }
    let back: Vec<_> = read(&setup.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(back, setup.records);
    let verified = verify(&setup.path()).unwrap();
    assert_eq!(verified.records, u64::try_from(back.len()).unwrap());
    assert_eq!(verified.torn, None);
    let (journal, opened) = Journal::open(setup.dir.path()).unwrap();
    assert_eq!(opened.records, verified.records);
    assert_eq!(journal.seq(), verified.records);
}

#[test]
fn a_line_has_the_form_that_scripts_read() {
    use sha2::Digest;
    let setup = Setup::new();
    let text = String::from_utf8(setup.bytes.clone()).unwrap();
    let mut prev = "0".repeat(64);
    for (number, line) in text.lines().enumerate() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["v"], 1);
        assert_eq!(value["seq"], number + 1);
        assert_eq!(value["prev"], prev.as_str());
        let at = value["at"].as_str().unwrap();
        assert!(at.ends_with("Z") && at.parse::<jiff::Timestamp>().is_ok(), "{at}");
        assert!(line.starts_with("{\"v\":1,\"seq\":"), "{line}");
        prev = format!("{:x}", sha2::Sha256::digest(line));
    }
    assert_eq!(verify(&setup.path()).unwrap().last_hash.to_string(), prev);
}

#[test]
fn files_are_for_their_owner_alone() {
    let setup = Setup::new();
    for path in [setup.path(), setup.head()] {
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    fs::set_permissions(setup.path(), fs::Permissions::from_mode(0o644)).unwrap();
    drop(Journal::open(setup.dir.path()).unwrap());
    assert_eq!(fs::metadata(setup.path()).unwrap().permissions().mode() & 0o777, 0o600);
    let made = setup.dir.path().join("deep").join("data");
    drop(Journal::open(&made).unwrap());
    assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = Journal::open(dir.path()).unwrap();
    let refused = Journal::open(dir.path()).map(|_| ()).unwrap_err();
    assert!(matches!(refused, JournalError::Locked { .. }), "{refused}");
    assert!(refused.to_string().contains("stop that one"), "{refused}");
    drop(first);
    assert!(Journal::open(dir.path()).is_ok());
}

#[test]
fn what_was_not_committed_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    let started = || Event::HubStarted { version: "1".into() };
    assert_eq!(journal.append(at(1), None, started()).unwrap().seq, 1);
    journal.commit().unwrap();
    assert_eq!(journal.append(at(2), None, started()).unwrap().seq, 2);
    assert_eq!(journal.seq(), 1);
    journal.discard();
    assert_eq!(journal.append(at(3), None, started()).unwrap().seq, 2);
    drop(journal);
    let (_, opened) = Journal::open(dir.path()).unwrap();
    assert_eq!((opened.records, opened.torn), (1, None));
}

#[test]
fn an_event_longer_than_a_line_is_refused_and_nothing_else_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    let id = task(1);
    journal.append(at(1), Some(&id), samples::received("small")).unwrap();
    let huge = samples::received(&"x".repeat(65 << 20));
    let refused = journal.append(at(2), Some(&id), huge).unwrap_err();
    assert!(matches!(refused, JournalError::TooLong { .. }), "{refused}");
    assert_eq!(journal.append(at(3), Some(&id), Event::TaskQueued {}).unwrap().seq, 2);
    journal.commit().unwrap();
    assert_eq!(verify(journal.path()).unwrap().records, 2);
}

#[test]
fn a_torn_last_line_is_cut_off_wherever_it_tore() {
    let setup = Setup::new();
    // A crash tears what was never committed, so the head names the line before.
    let lines = setup.starts();
    let last = lines[lines.len() - 2];
    let whole = setup.records.len() - 1;
    for end in last..setup.bytes.len() {
        fs::write(setup.path(), &setup.bytes[..end]).unwrap();
        fs::remove_file(setup.head()).unwrap_or_default();
        let torn = (end > last).then(|| Torn {
            line: u64::try_from(whole + 1).unwrap(),
            bytes: u64::try_from(end - last).unwrap(),
            committed: false,
        });
        assert_eq!(verify(&setup.path()).unwrap().torn, torn);
        let (mut journal, opened) = Journal::open(setup.dir.path()).unwrap();
        assert_eq!(opened.torn, torn);
        assert_eq!(opened.records, u64::try_from(whole).unwrap());
        journal.append(at(99), None, Event::HubStarted { version: "2".into() }).unwrap();
        journal.commit().unwrap();
        drop(journal);
        let after: Vec<_> = read(&setup.path()).unwrap().map(Result::unwrap).collect();
        assert_eq!(after[..whole], setup.records[..whole]);
        assert_eq!(after.len(), whole + 1);
    }
}

#[test]
fn an_unfinished_last_line_that_ends_in_a_newline_is_torn_too() {
    let setup = Setup::new();
    let mut bytes = setup.bytes.clone();
    bytes.extend_from_slice(b"{\"v\":1,\"seq\":99\n");
    fs::write(setup.path(), bytes).unwrap();
    let (_, opened) = Journal::open(setup.dir.path()).unwrap();
    let line = u64::try_from(setup.records.len() + 1).unwrap();
    assert_eq!(opened.torn, Some(Torn { line, bytes: 16, committed: false }));
    assert_eq!(fs::read(setup.path()).unwrap(), setup.bytes);
}

#[test]
fn lines_that_are_missing_doubled_or_swapped_are_named() {
    let setup = Setup::new();
    let lines: Vec<&[u8]> = setup.bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let check = |changed: Vec<&[u8]>, line: u64, found: u64| {
        fs::write(setup.path(), changed.concat()).unwrap();
        let error = open_error(setup.dir.path());
        assert_eq!(error.line(), Some(line), "{error}");
        assert_eq!(*damage(&error), Damage::WrongNumber { expected: line, found });
        assert_eq!(verify(&setup.path()).unwrap_err().line(), Some(line));
    };
    check([&lines[..4], &lines[5..]].concat(), 5, 6);
    check([&lines[..5], &lines[4..]].concat(), 6, 5);
    check([&lines[..4], &lines[5..6], &lines[4..5], &lines[6..]].concat(), 5, 6);
    check(lines[1..].to_vec(), 1, 2);
}

#[test]
fn a_journal_cut_behind_a_whole_line_is_named_by_the_head() {
    let setup = Setup::new();
    let starts = setup.starts();
    let count = u64::try_from(setup.records.len()).unwrap();
    for keep in [0, 1, setup.records.len() - 1] {
        fs::write(setup.path(), &setup.bytes[..starts[keep]]).unwrap();
        let error = open_error(setup.dir.path());
        assert_eq!(*damage(&error), Damage::Gone { committed: count });
        assert_eq!(error.line(), Some(u64::try_from(keep + 1).unwrap()));
    }
}

#[test]
fn a_committed_last_line_that_was_torn_is_cut_off_and_told_apart() {
    let setup = Setup::new();
    let count = u64::try_from(setup.records.len()).unwrap();
    let start = setup.starts()[setup.records.len() - 1];
    let end = setup.bytes.len() - 1;
    fs::write(setup.path(), &setup.bytes[..end]).unwrap();
    let bytes = u64::try_from(end - start).unwrap();
    let torn = Some(Torn { line: count, bytes, committed: true });
    assert_eq!(verify(&setup.path()).unwrap().torn, torn);
    let (_, opened) = Journal::open(setup.dir.path()).unwrap();
    assert_eq!((opened.torn, opened.records), (torn, count - 1));
    assert_eq!(fs::read(setup.path()).unwrap(), setup.bytes[..start]);
    assert_eq!(verify(&setup.path()).unwrap().torn, None, "the head is renewed");

    // All of it is there and its newline is not: somebody changed it.
    let setup = Setup::new();
    fs::write(setup.path(), [&setup.bytes[..end], b"x"].concat()).unwrap();
    assert_eq!(open_error(setup.dir.path()).line(), Some(count));
}

#[test]
fn a_changed_last_line_is_named_by_the_head() {
    let setup = Setup::new();
    let last = setup.starts()[setup.records.len() - 1];
    let text = String::from_utf8(setup.bytes[last..].to_vec()).unwrap();
    let changed = text.replace("gatepost/t7k2qd", "gatepost/xxxxxx");
    assert_ne!(changed, text);
    fs::write(setup.path(), [&setup.bytes[..last], changed.as_bytes()].concat()).unwrap();
    let error = open_error(setup.dir.path());
    assert_eq!(*damage(&error), Damage::NotTheCommitted);
    assert_eq!(error.line(), Some(u64::try_from(setup.records.len()).unwrap()));
}

#[test]
fn an_older_missing_or_torn_head_is_no_fault_and_is_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let head = dir.path().join("journal.head");
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    samples::append(&mut journal, &samples::lives()[..5], 1);
    let older = fs::read(&head).unwrap();
    samples::append(&mut journal, &samples::lives()[5..], 1);
    drop(journal);
    let newest = fs::read(&head).unwrap();
    assert_ne!(older, newest);
    for content in [Some(older), Some(newest[..40].to_vec()), Some(Vec::new()), None] {
        match content {
            Some(content) => fs::write(&head, content).unwrap(),
            None => fs::remove_file(&head).unwrap(),
        }
        drop(Journal::open(dir.path()).unwrap());
        assert_eq!(fs::read(&head).unwrap(), newest);
    }
}

#[test]
fn a_form_of_the_future_is_refused_with_what_to_do() {
    let setup = Setup::new();
    let text = String::from_utf8(setup.bytes.clone()).unwrap();
    fs::write(setup.path(), text.replacen("{\"v\":1,\"seq\":3,", "{\"v\":2,\"seq\":3,", 1))
        .unwrap();
    let error = open_error(setup.dir.path());
    assert!(matches!(error, JournalError::UnknownVersion { line: 3, version: 2, .. }), "{error}");
    assert!(error.to_string().contains("start the newer gatepost"), "{error}");
}

#[test]
fn an_event_nobody_knows_is_refused_even_when_the_chain_holds() {
    let dir = tempfile::tempdir().unwrap();
    let prev = "0".repeat(64);
    let line = format!(
        "{{\"v\":1,\"seq\":1,\"at\":\"2026-01-01T00:00:00Z\",\"prev\":\"{prev}\",\"kind\":\"new\"}}\n"
    );
    fs::write(dir.path().join("journal.jsonl"), line).unwrap();
    let error = open_error(dir.path());
    assert_eq!(error.line(), Some(1));
    assert!(error.to_string().contains("unknown variant `new`"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_changed_byte_in_any_line_is_refused_with_that_line(
        place in any::<prop::sample::Index>(),
        flip in 1_u8..=255,
        with_head in any::<bool>(),
    ) {
        let setup = shared();
        let starts = setup.starts();
        let last = starts[setup.records.len() - 1];
        // Without a head only the next line vouches for a line, and the last has none.
        let reach = if with_head { setup.bytes.len() } else { last };
        let place = place.index(reach);
        let line = starts.iter().rposition(|start| *start <= place).unwrap() + 1;
        let mut bytes = setup.bytes.clone();
        bytes[place] ^= flip;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.jsonl");
        fs::write(&path, bytes).unwrap();
        if with_head {
            fs::copy(setup.head(), dir.path().join("journal.head")).unwrap();
        }
        let found = verify(&path);
        let line = u64::try_from(line).unwrap();
        prop_assert_eq!(found.as_ref().err().and_then(JournalError::line), Some(line), "{:?}", found);
        prop_assert!(Journal::open(dir.path()).is_err());
    }
}

fn shared() -> &'static Setup {
    static SHARED: std::sync::OnceLock<Setup> = std::sync::OnceLock::new();
    SHARED.get_or_init(Setup::new)
}
