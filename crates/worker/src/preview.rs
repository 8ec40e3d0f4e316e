//! What a proposed file would change, as a diff: whoever is asked then sees the change and not a
//! whole file to be compared by eye.
//!
//! It is made when the question is asked, from the file as the task sees it then, and kept with
//! the question. What is written if it is approved is the action's own content, which the digest
//! names; the diff is only how it is shown.

use std::io;
use std::path::Path;
use std::time::Duration;

use gatepost_domain::Action;
use gatepost_sandbox::Sandbox;
use gatepost_sandbox::SandboxError;
use similar::TextDiff;

/// The largest file that is compared, on either side. Longer ones are shown as they would be.
const LARGEST: usize = 256 * 1024;

/// The longest diff that is kept; a longer one is harder to read than the file.
const LONGEST: usize = 64 * 1024;

/// How long lines are compared. Comparing is quadratic in the worst case, and the content is
/// written by whoever wants it to be.
const TIME: Duration = Duration::from_millis(500);

/// The diff of a proposed file against the file as it is now; none where there is no file, no text
/// or too much of it, and none for actions that propose no whole file.
///
/// # Errors
/// The sandbox is gone.
pub(crate) async fn diff(
    sandbox: &Sandbox,
    workspace: &str,
    action: &Action,
) -> Result<Option<String>, SandboxError> {
    let Action::Write { path, content } = action else { return Ok(None) };
    // A relative path is joined, an absolute one stays as it is.
    let file = Path::new(workspace).join(path);
    let now = match sandbox.read_file(&file, LARGEST as u64).await {
        Ok(bytes) => bytes,
        Err(SandboxError::File { errno, .. }) if errno.kind() == io::ErrorKind::NotFound => {
            Vec::new()
        }
        // Too large, a directory, a link out: the content itself is shown, whole.
        Err(SandboxError::File { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(std::str::from_utf8(&now).ok().and_then(|now| unified(path, now, content)))
}

/// A unified diff of two texts; none when they are the same, are no text, or are too long.
fn unified(path: &str, now: &str, then: &str) -> Option<String> {
    let texts = [now, then];
    if texts.iter().any(|text| text.len() > LARGEST || text.contains('\0')) || now == then {
        return None;
    }
    // The name comes from the agent, and a line break in it would forge a line of the diff.
    let path = path.replace(|c: char| c.is_control(), "?");
    let old = if now.is_empty() { "/dev/null".to_owned() } else { format!("a/{path}") };
    let diff = TextDiff::configure().timeout(TIME).diff_lines(now, then);
    let text = diff.unified_diff().context_radius(3).header(&old, &format!("b/{path}")).to_string();
    (text.len() <= LONGEST).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_shows_its_lines_and_a_new_file_all_of_them() {
        let diff = unified("src/a.rs", "one\ntwo\nthree\n", "one\n2\nthree\n").unwrap();
        assert_eq!(
            diff,
            "--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
        );
        let new = unified("new", "", "x\n").unwrap();
        assert_eq!(new, "--- /dev/null\n+++ b/new\n@@ -0,0 +1 @@\n+x\n");
        let forged = unified("a\n+++ b/harmless", "", "x\n").unwrap();
        assert!(forged.contains("b/a?+++ b/harmless\n"), "{forged}");
    }

    #[test]
    fn what_cannot_be_compared_has_no_diff() {
        let long = "y\n".repeat(LARGEST);
        for (now, then) in [("same", "same"), ("a\0", "b"), ("a", &long), ("", &long)] {
            assert_eq!(unified("f", now, then), None);
        }
        let wide = "0123456789abcdef\n".repeat(LONGEST / 16);
        assert_eq!(unified("f", "", &wide), None, "a diff that long is harder to read");
    }
}
