//! Journals that released versions wrote must open, for ever.
//!
//! `tests/data/v1/journal.jsonl` was written by 0.1.0 and is never written again. A version that
//! writes another form adds a directory; `GATEPOST_WRITE_FIXTURE=1` fills one that is still empty.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use gatepost_journal::Journal;
use gatepost_journal::Views;
use gatepost_journal::verify;

use crate::samples;

#[test]
fn the_journal_of_version_1_opens_and_means_the_same() {
    let kept = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/v1/journal.jsonl");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.jsonl");
    if !kept.exists() && std::env::var_os("GATEPOST_WRITE_FIXTURE").is_some() {
        samples::written(dir.path());
        fs::create_dir_all(kept.parent().unwrap()).unwrap();
        fs::copy(&path, &kept).unwrap();
        fs::remove_file(dir.path().join("journal.head")).unwrap();
    }
    fs::copy(&kept, &path).unwrap();
    let (journal, opened) = Journal::open(dir.path()).unwrap();
    assert_eq!(opened.torn, None);
    assert_eq!(
        verify(&path).unwrap().last_hash.to_string(),
        "d772a157f00ce55a3c3a71ad5fc8972464e78b5c32685d66bb7e241ee636c7c8",
        "the kept file was changed"
    );
    let records: Vec<_> = gatepost_journal::read(&path).unwrap().map(Result::unwrap).collect();
    let kinds: BTreeSet<_> = records.iter().map(|record| record.event.kind()).collect();
    assert_eq!(kinds, BTreeSet::from(samples::KINDS));
    let meant: Vec<_> = samples::lives();
    let found: Vec<_> = records.into_iter().map(|record| (record.task, record.event)).collect();
    assert_eq!(found, meant);
    let (views, _) = Views::open(dir.path(), &journal).unwrap();
    assert_eq!(views.tasks().unwrap().len(), 2);
    assert!(views.tasks().unwrap().iter().all(gatepost_domain::lifecycle::Task::is_finished));
}
