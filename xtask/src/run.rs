//! Running cargo and the built binary.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

/// Prints a line for whoever watches.
pub(crate) fn say(text: &str) {
    // Nobody watches: no reason to stop.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Runs a program to its end, shown; anything but success is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let words = words(command);
    say(&format!("+ {words}"));
    let status = command.status().with_context(|| format!("cannot run `{words}`"))?;
    if status.success() { Ok(()) } else { bail!("`{words}` failed: {status}") }
}

/// Runs a program to its end and gives what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let words = words(command);
    let out = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run `{words}`"))?;
    if !out.status.success() {
        bail!("`{words}` failed: {}", out.status);
    }
    String::from_utf8(out.stdout).with_context(|| format!("`{words}` printed no text"))
}

/// The cargo that runs this.
pub(crate) fn cargo(root: &Path, args: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(args).current_dir(root);
    command
}

/// Builds the binary under test, then runs every test of the workspace; `programs` are variables
/// that say where real agents are.
pub(crate) fn tests(root: &Path, filter: Option<&str>, programs: &[(&str, PathBuf)]) -> Result<()> {
    let binary = build(root, "dev")?;
    let mut args = vec!["test", "--workspace", "--locked", "--no-fail-fast"];
    args.extend(filter);
    let programs = programs.iter().map(|(variable, place)| (variable, place));
    // Most tests of the whole binary wait for something; three for each core keep it busy.
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = std::env::var("RUST_TEST_THREADS").unwrap_or((cores * 3).to_string());
    let mut tests = cargo(root, &args);
    run(tests.env("GATEPOST_BIN", binary).env("RUST_TEST_THREADS", threads).envs(programs))
}

/// The benches, and the figures of the release binary.
pub(crate) fn bench(root: &Path) -> Result<()> {
    run(&mut cargo(root, &["bench", "--workspace", "--locked"]))?;
    let binary = build(root, "release")?;
    let size = std::fs::metadata(&binary)?.len();
    say(&format!("size of the release binary: {:.1} MiB", mebibytes(size)));
    let mut starts = Vec::new();
    let mut memory = 0;
    for round in 0..5 {
        let home = std::env::temp_dir().join(format!("gatepost-bench-{}", std::process::id()));
        let begun = Instant::now();
        let mut child = Command::new(&binary)
            .args(["up", "--listen", "127.0.0.1:0", "--data"])
            .arg(&home)
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start gatepost")?;
        let served = match child.stdout.take() {
            Some(stdout) => BufReader::new(stdout)
                .lines()
                .map_while(Result::ok)
                .any(|line| line.starts_with("console: ")),
            None => false,
        };
        starts.push(begun.elapsed());
        // Long enough for what start-up leaves behind to settle.
        std::thread::sleep(std::time::Duration::from_secs(1));
        memory = resident(child.id())?;
        child.kill()?;
        child.wait()?;
        std::fs::remove_dir_all(&home)?;
        if !served {
            bail!("gatepost did not serve in round {round}");
        }
    }
    starts.sort();
    let median = starts.get(starts.len() / 2).copied().unwrap_or_default();
    say(&format!("from `up` to serving, median of {}: {median:.1?}", starts.len()));
    say(&format!("idle resident memory: {:.1} MiB", mebibytes(memory)));
    Ok(())
}

fn build(root: &Path, profile: &str) -> Result<PathBuf> {
    let args = ["build", "--package", "gatepost", "--locked", "--profile", profile];
    let mut command = cargo(root, &args);
    run(&mut command)?;
    let text = output(&mut cargo(root, &["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&text)?;
    let target = metadata.get("target_directory").and_then(serde_json::Value::as_str);
    let folder = if profile == "dev" { "debug" } else { profile };
    Ok(Path::new(target.context("cargo names no target directory")?).join(folder).join("gatepost"))
}

/// The resident memory of a process, in bytes.
fn resident(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix("kB")).map(str::trim);
    let kibibytes: u64 = number.context("the kernel does not say")?.parse()?;
    Ok(kibibytes * 1024)
}

#[expect(clippy::cast_precision_loss, reason = "a figure with one digit after the point")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / (1024.0 * 1024.0)
}

fn words(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned());
    std::iter::once(name).chain(args).collect::<Vec<_>>().join(" ")
}
