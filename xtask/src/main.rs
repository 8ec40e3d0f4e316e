//! Set-up, checks and tests of the workspace: `cargo xtask check`, `test`, `kernel`, `bench`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use clap::Subcommand;

mod arrows;
mod check;
mod kernel;
mod programs;
mod promises;
mod run;
mod setup;
mod tidy;

/// Set-up, checks and tests of the workspace.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Format, lints, arrows between crates, tidiness
    Check,
    /// Set up what the tests need, then check and run all of them
    Test {
        /// Only tests whose name contains this
        filter: Option<String>,
    },
    /// Run the sandbox's tests on a kernel with control groups and the x32 ABI, in QEMU
    Kernel,
    /// Measure: the benches, start-up, idle memory, size of the release binary
    Bench,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let done = match cli.command {
        Command::Check => check::check(root),
        Command::Test { filter } => test(root, filter.as_deref()),
        Command::Kernel => kernel::kernel(root),
        Command::Bench => run::bench(root),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            run::say(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn test(root: &Path, filter: Option<&str>) -> Result<()> {
    setup::set_up()?;
    let programs = programs::set_up()?;
    // A filter is for whoever works on one test; the whole run checks everything.
    if filter.is_none() {
        check::check(root)?;
    }
    run::tests(root, filter, &programs)
}
