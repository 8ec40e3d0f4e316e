//! What the tests need beside Rust: git, a browser and its driver, a few small tools.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use anyhow::bail;

use crate::run::run;
use crate::run::say;

/// A program the tests use, and the Debian package that has it.
struct Need {
    program: &'static str,
    package: &'static str,
    what: &'static str,
}

const NEEDS: [Need; 7] = [
    Need { program: "git", package: "git", what: "branches and projects with a history" },
    Need { program: "bash", package: "bash", what: "the shell that actions run in" },
    Need { program: "python3", package: "python3-minimal", what: "steps written in Python" },
    Need { program: "npm", package: "npm", what: "the real agents, installed from its registry" },
    Need { program: "mount", package: "mount", what: "full and read-only disks" },
    Need { program: "chromium", package: "chromium", what: "the console in a real browser" },
    Need { program: "chromedriver", package: "chromium-driver", what: "driving that browser" },
];

/// Installs what is missing where that can be done, or says what is missing and stops.
pub(crate) fn set_up() -> Result<()> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !is_there(need.program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    for need in &missing {
        say(&format!("missing: {} ({}), for {}", need.program, need.package, need.what));
    }
    if !is_there("apt-get") || !is_root() {
        bail!(
            "install these, then run it again; on Debian and Ubuntu: sudo apt-get install {}",
            packages.join(" ")
        );
    }
    run(apt().arg("update").arg("--quiet"))?;
    run(apt().args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(&packages))?;
    let still: Vec<&str> =
        missing.iter().map(|need| need.program).filter(|program| !is_there(program)).collect();
    if still.is_empty() {
        return Ok(());
    }
    bail!("the packages were installed, but there is still no {}", still.join(", no "))
}

/// Stops where a program is missing, with what brings it.
pub(crate) fn need(programs: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&str> =
        programs.iter().filter(|(name, _)| !is_there(name)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!("install these, then run it again: sudo apt-get install {}", missing.join(" "))
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn is_root() -> bool {
    std::fs::metadata(Path::new("/proc/self"))
        .is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0)
}
