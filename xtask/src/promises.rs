//! SPECIFICATION.md names the test of each promise; a name without a test is a promise nobody keeps.

use std::path::Path;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::run::say;
use crate::tidy;

const SPECIFICATION: &str = "SPECIFICATION.md";

/// Looks for every test that the specification names.
pub(crate) fn check(root: &Path) -> Result<()> {
    let text = std::fs::read_to_string(root.join(SPECIFICATION))
        .with_context(|| format!("cannot read {SPECIFICATION}"))?;
    let mut code = String::new();
    for path in tidy::all_sources(root)? {
        code.push_str(&std::fs::read_to_string(path)?);
    }
    let named = named(&text);
    let missing: Vec<&str> =
        named.iter().copied().filter(|name| !code.contains(&format!("fn {name}("))).collect();
    if !missing.is_empty() {
        bail!("{SPECIFICATION} names tests that are not there:\n  {}", missing.join("\n  "));
    }
    if named.is_empty() {
        bail!("{SPECIFICATION} names no test");
    }
    say(&format!("promises: {} tests named, all there", named.len()));
    Ok(())
}

/// The tests in the last column of each row; a test's name is a sentence.
fn named(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix('|')?.strip_suffix('|')?.rsplit_once('|'))
        .flat_map(|(_, last)| last.split('`').skip(1).step_by(2))
        .filter(|name| name.matches('_').count() >= 2)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_the_last_column_only() {
        let text = "| a `not_this_one` | `this_one_is`, the type; `and_this_too` |\n\
                    | b | **pending** `Type` |\n`nor_this_one`\n";
        assert_eq!(named(text), ["this_one_is", "and_this_too"]);
    }
}
