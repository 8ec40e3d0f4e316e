//! What scripts and people get to read, also while the journal is open elsewhere.

use std::fs;

use gatepost_journal::Journal;
use gatepost_journal::JournalError;
use gatepost_journal::audit;
use serde_json::Value;

use crate::samples;
use crate::samples::task;

#[test]
fn it_reads_while_another_has_the_journal_open_and_needs_no_views() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(dir.path()).unwrap();
    let records = samples::append(&mut journal, &samples::lives(), 3);
    let count = u64::try_from(records.len()).unwrap();
    assert_eq!(audit::verify(dir.path()).unwrap().records, count);
    let mut out = Vec::new();
    assert_eq!(audit::export(dir.path(), &mut out).unwrap(), count);
    assert_eq!(out, fs::read(journal.path()).unwrap());
    assert!(!dir.path().join("views").exists());
    drop(journal);
    // Not even the right to write is needed.
    let shown = audit::show(dir.path(), &task(1)).unwrap();
    let of_task: Vec<_> =
        records.into_iter().filter(|record| record.task == Some(task(1))).collect();
    assert_eq!(shown.iter().map(|entry| entry.record.clone()).collect::<Vec<_>>(), of_task);
}

#[test]
fn lines_have_the_fields_that_scripts_read_at_the_top() {
    let dir = tempfile::tempdir().unwrap();
    samples::written(dir.path());
    let mut out = Vec::new();
    audit::export(dir.path(), &mut out).unwrap();
    let lines: Vec<Value> = String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |kind: &str| {
        let found: Vec<_> = lines.iter().filter(|line| line["kind"] == kind).collect();
        assert!(!found.is_empty(), "{kind}");
        found
    };
    for verdict in of("verdict") {
        for field in ["verdict", "stage", "rule", "reason", "digest"] {
            assert!(verdict[field].is_string(), "{field}: {verdict}");
        }
        let action = &verdict["action"];
        assert!(action["command"].is_string() || action["path"].is_string(), "{verdict}");
        assert!(verdict["task"].is_string());
    }
    let denied = of("verdict").into_iter().find(|line| line["verdict"] == "deny").unwrap();
    assert_eq!(denied["stage"], "hard-boundary");
    assert!(denied["action"]["command"].as_str().unwrap().starts_with("rm -rf /"));
    for kind in [
        "action-started",
        "action-finished",
        "action-refused",
        "approval-requested",
        "approval-decided",
    ] {
        for line in of(kind) {
            assert_eq!(line["digest"].as_str().unwrap().len(), 64, "{line}");
        }
    }
}

#[test]
fn people_get_one_harmless_line_a_record() {
    let dir = tempfile::tempdir().unwrap();
    samples::written(dir.path());
    for number in [1, 2] {
        for entry in audit::show(dir.path(), &task(number)).unwrap() {
            let words = entry.words();
            assert!(words.contains(entry.record.event.kind()), "{words}");
            assert!(!words.chars().any(|c| c.is_control() || c == '\u{202e}'), "{words:?}");
            let json: Value = serde_json::from_str(&entry.json).unwrap();
            assert_eq!(json["seq"], entry.record.seq);
        }
    }
    let all: String =
        audit::show(dir.path(), &task(1)).unwrap().iter().map(|e| e.words() + "\n").collect();
    for part in
        ["deny by hard-boundary (git-push): bash `rm -rf /", "approved for this task", "+6 −3"]
    {
        assert!(all.contains(part), "{part}:\n{all}");
    }
}

#[test]
fn what_is_not_there_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let missing = audit::verify(dir.path()).unwrap_err();
    assert!(matches!(missing, JournalError::Missing { .. }), "{missing}");
    samples::written(dir.path());
    let unknown = audit::show(dir.path(), &task(77)).unwrap_err();
    assert!(matches!(unknown, JournalError::UnknownTask { .. }), "{unknown}");
    let path = dir.path().join("journal.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("be quick", "be quIck", 1)).unwrap();
    let mut out = Vec::new();
    let damaged = audit::export(dir.path(), &mut out).unwrap_err();
    let line = damaged.line().unwrap();
    assert!(text.lines().nth(usize::try_from(line).unwrap() - 1).unwrap().contains("be quick"));
    assert!(audit::show(dir.path(), &task(2)).is_err());
}
