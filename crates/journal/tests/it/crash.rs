//! A writer that is killed: everything it acknowledged is there, and nothing it did not write.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::process::Stdio;

use gatepost_domain::TaskId;
use gatepost_domain::event::Event;
use gatepost_journal::Journal;
use gatepost_journal::Views;

use crate::samples;
use crate::samples::at;

const CHILD: &str = "GATEPOST_TEST_WRITER_DIR";

#[test]
fn a_killed_writer_loses_nothing_it_acknowledged() {
    if let Some(dir) = std::env::var_os(CHILD) {
        write_until_killed(Path::new(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..12 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::a_killed_writer_loses_nothing_it_acknowledged"])
            .args(["--nocapture", "--test-threads=1"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        // Killed while it writes, at another moment each time.
        while seen < 3 + round * 7 {
            let line = lines.next().expect("the writer ended by itself").unwrap();
            if let Some(seq) = line.strip_prefix("durable ") {
                acknowledged = seq.parse::<u64>().unwrap();
                seen += 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            if let Some(seq) = line.strip_prefix("durable ") {
                acknowledged = seq.parse().unwrap_or(acknowledged);
            }
        }
        let (journal, opened) = Journal::open(dir.path()).unwrap();
        assert!(opened.records >= acknowledged, "{opened:?} after {acknowledged}");
        let (views, _) = Views::open(dir.path(), &journal).unwrap();
        let shown: usize = views
            .tasks()
            .unwrap()
            .iter()
            .map(|task| views.records_of(task.id()).unwrap().len())
            .sum();
        assert_eq!(u64::try_from(shown).unwrap(), opened.records);
    }
    assert!(acknowledged > 100, "{acknowledged}");
}

fn write_until_killed(dir: &Path) -> ! {
    let (mut journal, _) = Journal::open(dir).unwrap();
    let (mut views, _) = Views::open(dir, &journal).unwrap();
    let mut out = std::io::stdout().lock();
    loop {
        let mut records = Vec::new();
        for _ in 0..journal.seq() % 5 + 1 {
            let id = TaskId::from_entropy(u128::from(journal.seq() * 8) + records.len() as u128);
            for event in [samples::received("some words"), Event::TaskQueued {}] {
                records.push(journal.append(at(1), Some(&id), event).unwrap());
            }
        }
        journal.commit().unwrap();
        writeln!(out, "durable {}", journal.seq()).unwrap();
        out.flush().unwrap();
        views.apply(&records).unwrap();
    }
}
