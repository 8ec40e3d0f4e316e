//! Stands in for the `gatepost` program in tests and benches: launcher and init under their
//! names; with a word, something that is tried inside.

use std::io::Write;

fn main() {
    gatepost_sandbox::run_if_init();
    let mut args = std::env::args().skip(1);
    let case = args.next().unwrap_or_default();
    let said = match case.as_str() {
        "attempts" => attempts(args.next().and_then(|pid| pid.parse().ok()).unwrap_or(i32::MAX)),
        "attempts-outside" => attempts_outside(),
        "hold" => hold(&args.collect::<Vec<_>>()),
        "doctor" => doctor(),
        _ => String::new(),
    };
    // Whoever reads no more has read enough.
    let _written = std::io::stdout().write_all(said.as_bytes());
}

/// Everything that must fail: a line each with the error number and what was tried.
fn attempts(host_pid: i32) -> String {
    gatepost_sandbox::attempts::all()
        .iter()
        .map(|attempt| format!("{} {}\n", attempt.make(host_pid), attempt.name))
        .collect()
}

/// The same without those that would do something where nothing stops them.
fn attempts_outside() -> String {
    gatepost_sandbox::attempts::all()
        .iter()
        .filter(|attempt| attempt.is_harmless())
        .map(|attempt| format!("{} {}\n", attempt.make(0), attempt.name))
        .collect()
}

/// A supervisor with a running program, until somebody kills it: project, storage, and how long.
fn hold(args: &[String]) -> String {
    let [project, storage, seconds] = args else { return "three words\n".to_owned() };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return "no runtime\n".to_owned();
    };
    runtime.block_on(async {
        let profile = gatepost_sandbox::Profile::new(project, storage);
        let sandbox = match gatepost_sandbox::Sandbox::start(profile).await {
            Ok(sandbox) => sandbox,
            Err(error) => return format!("{error}\n"),
        };
        let script = format!("trap '' TERM HUP; setsid sleep {seconds} & sleep {seconds}");
        let argv = ["sh", "-c", &script].iter().map(std::ffi::OsString::from).collect();
        let exec = gatepost_sandbox::Exec { argv, cwd: project.into(), ..Default::default() };
        match sandbox.spawn(exec).await {
            Ok(mut process) => format!("{:?}\n", process.wait().await),
            Err(error) => format!("{error}\n"),
        }
    })
}

/// A line each with the level, what was tried and what was seen.
fn doctor() -> String {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return "no runtime\n".to_owned();
    };
    let report = runtime.block_on(gatepost_sandbox::doctor::run());
    let lines = report.probes.iter().map(|probe| {
        let mend = probe.mend.as_deref().unwrap_or_default();
        format!("{:?}\t{}\t{}\t{mend}\n", probe.level, probe.name, probe.detail)
    });
    format!("tier\t{}\n{}", report.tier.as_str(), lines.collect::<String>())
}
