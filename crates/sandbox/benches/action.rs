//! What an action costs in a warm sandbox, against a plain spawn in the same run.
//!
//! The machine's noise is larger than what is measured, so plain and confined runs take turns and
//! the least time is shown beside the median.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench is for its output")]

use gatepost_sandbox::{Capture, Exec, Profile, Sandbox, deliver};
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_gatepost-sbx-probe");
/// Runs of each kind. Enough for a steady median on a busy machine, and over in seconds.
const RUNS: usize = 300;
/// Starts of a whole sandbox.
const STARTS: usize = 20;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(bench());
}

fn show(name: &str, times: &mut [Duration]) -> (f64, f64) {
    times.sort_unstable();
    let ms = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1e3);
    let (least, median) = (ms(times.first()), ms(times.get(times.len() / 2)));
    let late = ms(times.get(times.len() * 95 / 100));
    println!("{name:32} median {median:7.3} ms   min {least:7.3} ms   p95 {late:7.3} ms");
    (median, least)
}

async fn inside(sandbox: &Sandbox, project: &Path, argv: &[&str]) -> Duration {
    let begin = Instant::now();
    let argv = argv.iter().map(OsString::from).collect();
    let exec = Exec { argv, cwd: project.to_owned(), ..Exec::default() };
    let capture = Capture { max_bytes: 1024, wall: Some(Duration::from_secs(10)) };
    let finished = sandbox.run(exec, capture, |_| {}).await.unwrap();
    assert!(finished.exit.success());
    begin.elapsed()
}

fn plain(project: &Path, argv: &[&str]) -> Duration {
    let begin = Instant::now();
    let (program, args) = argv.split_first().unwrap();
    let output = Command::new(program)
        .args(args)
        .current_dir(project)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert!(output.status.success());
    begin.elapsed()
}

async fn bench() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let project = root.join("project");
    std::fs::create_dir(&project).unwrap();
    let storage = root.join("storage");
    let start = || Sandbox::start_with(Profile::new(&project, &storage), Path::new(PROGRAM));

    let sandbox = start().await.unwrap();
    let cases: [(&str, &[&str]); 2] =
        [("/bin/true", &["/bin/true"]), ("sh -c true", &["/bin/sh", "-c", "true"])];
    for (name, argv) in cases {
        let (mut free, mut confined) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            free.push(plain(&project, argv));
            confined.push(inside(&sandbox, &project, argv).await);
        }
        let free = show(&format!("{name}, plain spawn"), &mut free);
        let confined = show(&format!("{name}, in the sandbox"), &mut confined);
        println!(
            "{:32} median {:6.2} x    min {:6.2} x    (+{:.3} ms, +{:.3} ms)",
            "  ratio",
            confined.0 / free.0,
            confined.1 / free.1,
            confined.0 - free.0,
            confined.1 - free.1
        );
    }
    sandbox.stop().await;

    let (mut starts, mut firsts) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        let begin = Instant::now();
        let sandbox = start().await.unwrap();
        starts.push(begin.elapsed());
        inside(&sandbox, &project, &["/bin/true"]).await;
        firsts.push(begin.elapsed());
        sandbox.stop().await;
    }
    show("start", &mut starts);
    show("start and first action", &mut firsts);
    deliver::discard(&storage).unwrap();
}
