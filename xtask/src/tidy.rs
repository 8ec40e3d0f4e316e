//! Habits that no compiler holds: a first line that says what a file is for, a ceiling on its
//! length, no test left out.

use std::path::Path;
use std::path::PathBuf;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::run::say;

/// The most lines a source file may have.
const CEILING: usize = 1000;

/// What no source file may contain, and why. Split, so that this file does not contain them.
const FORBIDDEN: [(&str, &str, &str); 6] = [
    ("#[igno", "re", "a test that does not run proves nothing; say why it cannot run and skip it"),
    ("#[should_pa", "nic", "a panic is no answer; test the error"),
    ("todo", "!(", "no stubs"),
    ("unimplemented", "!(", "no stubs"),
    ("dbg", "!(", "log with fields instead"),
    ("#[all", "ow(", "use `expect` with a reason"),
];

/// Looks through every source file.
pub(crate) fn tidy(root: &Path) -> Result<()> {
    let files = all_sources(root)?;
    let mut wrong = Vec::new();
    for path in &files {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.strip_prefix(root).unwrap_or(path).display();
        wrong.extend(faults(&text).into_iter().map(|fault| format!("{name}: {fault}")));
        if path.file_name().is_some_and(|file| file == "main.rs")
            && let Some(folder) = path.parent()
            && is_test_root(folder)
        {
            let left_out = left_out(folder, &text)?;
            wrong.extend(
                left_out.into_iter().map(|file| format!("{name}: `mod {file};` is missing")),
            );
        }
    }
    if wrong.is_empty() {
        say(&format!("tidy: {} files", files.len()));
        return Ok(());
    }
    bail!("not tidy:\n  {}", wrong.join("\n  "))
}

/// Every source file of the workspace, sorted.
pub(crate) fn all_sources(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for folder in ["crates", "tests", "xtask"] {
        sources(&root.join(folder), &mut files)?;
    }
    files.sort();
    Ok(files)
}

fn faults(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    if !text.starts_with("//! ") {
        faults.push("the first line must be `//!` and say what the file is for".to_owned());
    }
    let lines = text.lines().count();
    if lines > CEILING {
        faults.push(format!("{lines} lines; at most {CEILING}, better 400: split it"));
    }
    for (number, line) in text.lines().enumerate() {
        for (head, tail, why) in FORBIDDEN {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains(&format!("{head}{tail}")) {
                faults.push(format!("line {}: `{head}{tail}`: {why}", number + 1));
            }
        }
    }
    faults
}

/// The roots of integration tests: `tests/it` of a crate, and `tests/e2e`.
fn is_test_root(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str());
    let parent = folder.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    parent == Some("tests") && matches!(name, Some("it" | "e2e"))
}

/// Files beside the root that it does not include: their tests would never run.
fn left_out(folder: &Path, root: &str) -> Result<Vec<String>> {
    let mut missing = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let is_module = path.extension().is_some_and(|end| end == "rs") && stem != "main";
        let included = root.lines().any(|line| line.trim() == format!("mod {stem};"));
        if is_module && !included {
            missing.push(stem);
        }
    }
    missing.sort();
    Ok(missing)
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            sources(&path, files)?;
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_found() {
        assert_eq!(faults("//! Fine.\n\nfn main() {}\n"), Vec::<String>::new());
        assert_eq!(faults("fn main() {}\n").len(), 1);
        assert_eq!(faults(&format!("//! Long.\n{}", "x();\n".repeat(CEILING))).len(), 1);
        for (head, tail, _) in FORBIDDEN {
            assert_eq!(faults(&format!("//! X.\n    {head}{tail}\n")).len(), 1, "{head}{tail}");
            assert_eq!(faults(&format!("//! X.\n    // {head}{tail}\n")).len(), 0, "in a comment");
        }
    }

    #[test]
    fn only_test_roots_are_asked_for_their_modules() {
        assert!(is_test_root(Path::new("crates/hub/tests/it")));
        assert!(is_test_root(Path::new("tests/e2e")));
        assert!(!is_test_root(Path::new("crates/hub/src")));
    }
}
