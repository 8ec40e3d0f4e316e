//! Everything that holds without running the program.

use std::path::Path;

use anyhow::Result;

use crate::arrows;
use crate::promises;
use crate::run;
use crate::run::cargo;
use crate::tidy;

/// Runs every check; the cheap ones first.
pub(crate) fn check(root: &Path) -> Result<()> {
    tidy::tidy(root)?;
    promises::check(root)?;
    arrows::check(root)?;
    run::run(&mut cargo(root, &["fmt", "--all", "--check"]))?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    run::run(&mut cargo(root, &clippy))
}
