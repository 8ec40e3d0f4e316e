//! What an action costs in a warm sandbox, against a plain spawn and against bubblewrap in the same
//! run; then what a large tree costs, and many tasks at once.
//!
//! The machine's noise is larger than what is measured, so plain and confined runs take turns and
//! the least time is shown beside the median.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench is for its output")]

mod fleet;
mod tree;

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
    println!("{name:40} median {median:7.3} ms   min {least:7.3} ms   p95 {late:7.3} ms");
    (median, least)
}

fn ratio(name: &str, this: (f64, f64), to: (f64, f64)) {
    println!("{name:40} median {:7.2} x    min {:7.2} x", this.0 / to.0, this.1 / to.1);
}

/// Debian's bubblewrap as a program, with what comes nearest to the sandbox: a root of its own, all
/// namespaces, no capabilities, and nothing of the call filter, Landlock or the copy-on-write view.
fn bubblewrap<'a>(project: &'a str, argv: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec![
        "/usr/bin/bwrap",
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
        "--clearenv",
        "--ro-bind",
        "/usr",
        "/usr",
        "--symlink",
        "usr/bin",
        "/bin",
        "--symlink",
        "usr/lib",
        "/lib",
        "--symlink",
        "usr/lib64",
        "/lib64",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",
        "--bind",
        project,
        project,
        "--chdir",
        project,
        "--",
    ];
    all.extend(argv);
    all
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
        let (mut free, mut confined, mut wrapped) = (Vec::new(), Vec::new(), Vec::new());
        let other = bubblewrap(project.to_str().unwrap(), argv);
        let has_other = Path::new("/usr/bin/bwrap").exists();
        for _ in 0..RUNS {
            free.push(plain(&project, argv));
            if has_other {
                wrapped.push(plain(&project, &other));
            }
            confined.push(inside(&sandbox, &project, argv).await);
        }
        let free = show(&format!("{name}, plain spawn"), &mut free);
        let confined = show(&format!("{name}, in the sandbox"), &mut confined);
        ratio("  to the plain spawn", confined, free);
        if has_other {
            let wrapped = show(&format!("{name}, in bubblewrap"), &mut wrapped);
            ratio("  to bubblewrap", confined, wrapped);
        }
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
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load of the machine meanwhile: {load}");
    tree::bench(&root).await;
    fleet::bench(&root).await;
}
