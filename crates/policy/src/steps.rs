//! A script to its steps: each one complete command, as a shell at a terminal would read it.

use crate::shell::NotUnderstood;
use crate::shell::parse;

/// How much text may be read again and again to find where commands end. A command of a few
/// thousand lines stays below it; a script that goes beyond is data, not steps.
const MAX_REREAD: usize = 24 << 20;

/// Splits a script into complete shell commands, each with its source text kept as it was, but for
/// carriage returns at the ends of lines.
///
/// It reads on line by line until what it has is complete, which is what a shell at a terminal
/// does. So here-documents and continued lines stay with their command, a loop over several lines
/// is one step, and so is `a; b` on one line. Comments and blank lines between steps are dropped.
///
/// # Errors
/// [`NotUnderstood`] with the line, when the text as a whole is not complete shell text.
pub fn split_steps(text: &str) -> Result<Vec<String>, NotUnderstood> {
    let text = text.replace("\r\n", "\n");
    // The whole comes first: its error names the right line, and what it accepts ends in steps.
    parse(&text)?;
    let lines: Vec<&str> = text.split('\n').collect();
    let mut steps = Vec::new();
    let mut step = String::new();
    let mut read = 0;
    for (i, line) in lines.iter().enumerate() {
        if step.is_empty() && is_filler(line) {
            continue;
        }
        if !step.is_empty() {
            step.push('\n');
        }
        step.push_str(line);
        let last = i + 1 == lines.len();
        if !last && goes_on(&step) {
            continue;
        }
        read += step.len();
        if read > MAX_REREAD {
            return Err(NotUnderstood::TooLong);
        }
        if parse(&step).is_ok() {
            steps.push(trimmed(&step).to_owned());
            step.clear();
        }
    }
    if is_filler(&step) {
        return Ok(steps);
    }
    // The whole is complete and its rest is not: the two readings differ, so neither is trusted.
    Err(NotUnderstood::Construct(format!(
        "it ends in a command that is complete only with the lines before it: `{}`",
        step.lines().next().unwrap_or_default().chars().take(80).collect::<String>()
    )))
}

/// A blank line or a comment.
fn is_filler(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// Whether the last line ends in a backslash that joins the next line to it.
fn goes_on(step: &str) -> bool {
    if !ends_in_backslash(step) {
        return false;
    }
    // In a comment a backslash joins nothing. There a quote opens nothing either, so that the text
    // stays complete with one; elsewhere the quote is never closed.
    let before = step.strip_suffix('\\').unwrap_or(step);
    parse(&format!("{before}'")).is_err()
}

/// An odd number of backslashes: the last one escapes what follows.
fn ends_in_backslash(text: &str) -> bool {
    text.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1
}

/// Without blanks around it; a blank that a backslash escapes is a part of the command.
fn trimmed(step: &str) -> &str {
    let start = step.trim_start();
    let end = start.trim_end();
    if end.len() < start.len() && ends_in_backslash(end) {
        let blank = start.get(end.len()..).and_then(|rest| rest.chars().next());
        let kept = end.len() + blank.map_or(0, char::len_utf8);
        return start.get(..kept).unwrap_or(start);
    }
    end
}
