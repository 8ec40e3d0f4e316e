//! What durability costs: records a second with a commit each, with group commits, and bare.
//!
//! `cargo bench -p gatepost-journal` prints a table; the last column is the ratio to a plain append
//! of the same bytes with the same fdatasync rhythm, so figures of different machines compare.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::time::Duration;
use std::time::Instant;

use gatepost_domain::Event;
use gatepost_domain::Mode;
use gatepost_domain::Principal;
use gatepost_domain::TaskId;
use gatepost_domain::TaskSpec;
use gatepost_journal::Journal;
use gatepost_journal::Views;
use gatepost_journal::verify;
use jiff::Timestamp;

const RECORDS: u32 = 10_000;

fn main() -> Result<(), Box<dyn Error>> {
    println!("{:<34}{:>10}{:>12}{:>8}", "10,000 records", "ms", "a second", "ratio");
    for batch in [1, 64] {
        let dir = tempfile::tempdir_in(".")?;
        let (mut journal, _) = Journal::open(dir.path())?;
        let began = Instant::now();
        for number in 0..RECORDS {
            journal.append(Timestamp::UNIX_EPOCH, Some(&id(number)), event())?;
            if number % batch == batch - 1 || number == RECORDS - 1 {
                journal.commit()?;
            }
        }
        let ours = began.elapsed();
        let bare = bare(&std::fs::read(journal.path())?, batch)?;
        row(&format!("bare append, fdatasync every {batch}"), bare, bare);
        row(&format!("journal, commit every {batch}"), ours, bare);
    }

    let dir = tempfile::tempdir_in(".")?;
    let (mut journal, _) = Journal::open(dir.path())?;
    let began = Instant::now();
    let mut records = Vec::new();
    for number in 0..RECORDS {
        records.push(journal.append(Timestamp::UNIX_EPOCH, Some(&id(number)), event())?);
    }
    journal.commit()?;
    let once = began.elapsed();
    row("journal, one commit", once, once);
    let began = Instant::now();
    verify(journal.path())?;
    row("verify", began.elapsed(), once);
    let (mut views, _) = Views::open(dir.path(), &journal)?;
    drop(views);
    std::fs::remove_dir_all(dir.path().join("views"))?;
    let began = Instant::now();
    (views, _) = Views::open(dir.path(), &journal)?;
    row("views made anew", began.elapsed(), once);
    drop(views);
    let began = Instant::now();
    let (views, _) = Views::open(dir.path(), &journal)?;
    row("current views opened", began.elapsed(), once);
    drop(views);
    std::fs::remove_dir_all(dir.path().join("views"))?;
    drop(journal);

    let dir = tempfile::tempdir_in(".")?;
    let (mut journal, _) = Journal::open(dir.path())?;
    let (mut views, _) = Views::open(dir.path(), &journal)?;
    let mut applying = Duration::ZERO;
    for number in 0..RECORDS {
        let record = journal.append(Timestamp::UNIX_EPOCH, Some(&id(number)), event())?;
        if number % 4 == 3 {
            journal.commit()?;
            let began = Instant::now();
            views.apply(&[record])?;
            applying += began.elapsed();
        }
    }
    row("views applied, 4 records each", applying, once);
    println!("resident: {}", resident()?);
    Ok(())
}

fn id(number: u32) -> TaskId {
    TaskId::from_entropy(u128::from(number))
}

/// About as long as the events of a run are.
fn event() -> Event {
    let spec = TaskSpec {
        text: "$ cargo test --workspace\n".repeat(8),
        project: "demo".into(),
        project_path: "/srv/demo".into(),
        agent: "runbook".into(),
        mode: Mode::Auto,
        requester: Principal::console(),
        retry_of: None,
        origin: None,
        quoted: Vec::new(),
        attachments: Vec::new(),
    };
    Event::TaskReceived { spec }
}

fn bare(bytes: &[u8], batch: u32) -> Result<Duration, Box<dyn Error>> {
    let dir = tempfile::tempdir_in(".")?;
    let mut file = File::create(dir.path().join("bare"))?;
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let began = Instant::now();
    for chunk in lines.chunks(usize::try_from(batch)?) {
        file.write_all(&chunk.concat())?;
        file.sync_data()?;
    }
    Ok(began.elapsed())
}

fn row(what: &str, took: Duration, base: Duration) {
    let seconds = took.as_secs_f64();
    println!(
        "{what:<34}{:>10.1}{:>12.0}{:>8.2}",
        seconds * 1000.0,
        f64::from(RECORDS) / seconds,
        seconds / base.as_secs_f64()
    );
}

fn resident() -> Result<String, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line.unwrap_or("not known").trim().to_owned())
}
