//! A disk that is full or cannot be written, as a small tmpfs of its own mount namespace.

use std::fs;
use std::path::Path;
use std::process::Command;

use gatepost_journal::Journal;
use gatepost_journal::JournalError;
use gatepost_journal::Views;
use gatepost_journal::verify;

use crate::samples;
use crate::samples::at;
use crate::samples::task;

const INSIDE: &str = "GATEPOST_TEST_TMPFS";

/// Runs `test` again inside a new mount namespace with a tmpfs of `size`, and there calls `body`.
fn on_small_disk(test: &str, size: &str, body: impl FnOnce(&Path)) {
    if let Some(dir) = std::env::var_os(INSIDE) {
        return body(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size="$1",mode=0700 tmpfs "$2" || exit 77
exec "$3" --exact "$4" --nocapture"#;
    let who = Command::new("id").arg("-u").output().unwrap();
    let map: &[&str] = if who.stdout.trim_ascii() == b"0" { &[] } else { &["--map-root-user"] };
    let ran = Command::new("unshare")
        .args(map)
        .args(["--mount", "--", "sh", "-c", script, "sh", size])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(INSIDE, dir.path())
        .output();
    match ran {
        Ok(ran) if ran.status.success() => {}
        Ok(ran) if matches!(ran.status.code(), Some(1 | 77)) && ran.stdout.is_empty() => {
            skip(&String::from_utf8_lossy(&ran.stderr));
        }
        Ok(ran) => panic!(
            "{}{}",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        ),
        Err(error) => skip(&error.to_string()),
    }
}

fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "no tmpfs can be mounted here: {reason}");
    println!("skipped, no tmpfs can be mounted here: {reason}");
}

/// Leaves `room` bytes free.
fn fill(dir: &Path, room: usize) {
    let ballast = dir.join("ballast");
    let mut bytes = vec![b'x'; 64 << 20];
    while fs::write(&ballast, &bytes).is_err() {
        bytes.truncate(fs::metadata(&ballast).unwrap().len().try_into().unwrap());
    }
    bytes.truncate(bytes.len() - room);
    fs::write(&ballast, &bytes).unwrap();
}

#[test]
fn a_full_disk_refuses_a_commit_and_forgets_it() {
    let name = "disk::a_full_disk_refuses_a_commit_and_forgets_it";
    on_small_disk(name, "8m", |dir| {
        let (mut journal, _) = Journal::open(dir).unwrap();
        let before = samples::append(&mut journal, &samples::lives(), 8);
        fill(dir, 8 << 10);
        let big = || samples::received(&"y".repeat(6 << 10));
        let mut refused = None;
        let mut durable = before.len();
        for number in 100..140 {
            // Two records a batch: neither may be there without the other.
            journal.append(at(1), Some(&task(number)), big()).unwrap();
            journal.append(at(1), Some(&task(number + 100)), big()).unwrap();
            match journal.commit() {
                Ok(()) => durable += 2,
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
        }
        let refused = refused.expect("the disk never filled up");
        assert!(matches!(refused, JournalError::NoRoom { .. }), "{refused}");
        assert!(refused.to_string().contains("free some space"), "{refused}");
        let durable = u64::try_from(durable).unwrap();
        assert_eq!(journal.seq(), durable);
        assert_eq!(verify(journal.path()).unwrap().records, durable);
        assert_eq!(verify(journal.path()).unwrap().torn, None);
        fs::remove_file(dir.join("ballast")).unwrap();
        let record = journal.append(at(2), Some(&task(300)), big()).unwrap();
        assert_eq!(record.seq, durable + 1);
        journal.commit().unwrap();
        drop(journal);
        let (_, opened) = Journal::open(dir).unwrap();
        assert_eq!((opened.records, opened.torn), (durable + 1, None));
    });
}

#[test]
fn views_on_a_full_disk_fail_with_a_sentence_and_catch_up_when_there_is_room() {
    let name = "disk::views_on_a_full_disk_fail_with_a_sentence_and_catch_up_when_there_is_room";
    on_small_disk(name, "16m", |dir| {
        let (mut journal, _) = Journal::open(dir).unwrap();
        let (mut views, _) = Views::open(dir, &journal).unwrap();
        fill(dir, 2 << 20);
        let mut refused = None;
        for number in 0..400 {
            let text = "z".repeat(4 << 10);
            let record =
                journal.append(at(1), Some(&task(number)), samples::received(&text)).unwrap();
            journal.commit().unwrap();
            if let Err(error) = views.apply(&[record]).and_then(|()| views.flush()) {
                refused = Some(error);
                break;
            }
        }
        let refused = refused.expect("the views never ran out of room");
        let text = refused.to_string();
        assert!(text.contains("the journal is whole"), "{text}");
        fs::remove_file(dir.join("ballast")).unwrap();
        let mut last = None;
        for number in 1000..1003 {
            let event = samples::received("after");
            let record = journal.append(at(1), Some(&task(number)), event).unwrap();
            journal.commit().unwrap();
            last = Some(views.apply(&[record]));
        }
        last.unwrap().unwrap();
        assert_eq!(views.seq(), journal.seq());
        let shown = views.tasks().unwrap().len();
        assert_eq!(u64::try_from(shown).unwrap(), journal.seq());
        drop(views);
        let (views, _) = Views::open(dir, &journal).unwrap();
        assert_eq!(views.tasks().unwrap().len(), shown);
    });
}

#[test]
fn a_directory_that_cannot_be_written_is_said() {
    let name = "disk::a_directory_that_cannot_be_written_is_said";
    on_small_disk(name, "16m", |dir| {
        let read_only = |now: &str| {
            let mount = Command::new("mount").args(["-o", now]).arg(dir).status().unwrap();
            assert!(mount.success());
        };
        read_only("remount,ro");
        let empty = Journal::open(dir).map(|_| ()).unwrap_err().to_string();
        read_only("remount,rw");
        samples::written(dir);
        read_only("remount,ro");
        let filled = Journal::open(dir).map(|_| ()).unwrap_err().to_string();
        for text in [empty, filled] {
            assert!(text.contains("make the data directory writable"), "{text}");
            assert!(text.contains("journal.jsonl"), "{text}");
        }
        assert!(gatepost_journal::audit::verify(dir).is_ok(), "reading needs no right to write");
    });
}
