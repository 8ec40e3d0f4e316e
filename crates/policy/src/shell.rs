//! Shell text to a syntax tree, within limits, and a script to its steps.
//!
//! The parser is brush-parser. It was compared with tree-sitter-bash on 3156 real commands against
//! `bash -n`: of those bash accepts it refused 3 (tree-sitter 17), of those bash refuses it
//! accepted none (tree-sitter 4); it is pure Rust and a third faster. Its one weakness is that
//! it recurses on the input, so nesting is bounded here before it sees a byte.

use brush_parser::ParserOptions;

use brush_parser::ast::Program;
use brush_parser::ast::SourceLocation;

/// The longest text that is looked at.
pub const MAX_BYTES: usize = 256 * 1024;

/// The deepest nesting of brackets or block words that is handed to the parser.
pub const MAX_NESTING: usize = 60;

/// Why a shell text was not understood. Such a text is never allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotUnderstood {
    /// Too long to judge.
    #[error("it is longer than {} kB; put it into a file and run that", MAX_BYTES / 1024)]
    TooLong,
    /// Nested too deeply to judge.
    #[error("it is nested more than {MAX_NESTING} levels deep; split it into steps")]
    TooDeep,
    /// A NUL byte, which no shell takes.
    #[error("it contains a NUL byte; take it out")]
    Nul,
    /// Not bash as the parser reads it.
    #[error("it is not complete shell text: {0}")]
    Syntax(String),
    /// A construct whose effect cannot be told from the text.
    #[error("{0}")]
    Construct(String),
}

/// Splits a script into complete shell commands, each with its source text kept as it was.
///
/// Here-documents and continued lines stay with their command, a loop over several lines is one
/// step, and so is `a; b` on one line. Comments and blank lines between steps are dropped.
///
/// # Errors
/// [`NotUnderstood`] when the text as a whole is not complete shell text.
pub fn split_steps(text: &str) -> Result<Vec<String>, NotUnderstood> {
    let program = parse(text)?;
    let mut starts = Vec::new();
    for command in &program.complete_commands {
        let span = command
            .location()
            .ok_or_else(|| NotUnderstood::Syntax("a command without a place".to_owned()))?;
        starts.push(span.start.index);
    }
    let offsets: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let byte = |chars: usize| offsets.get(chars).copied().unwrap_or(text.len());
    let mut steps: Vec<String> = Vec::new();
    let mut line_of_last = None;
    for (i, start) in starts.iter().enumerate() {
        let from = byte(*start);
        let to = starts.get(i + 1).map_or(text.len(), |next| byte(*next));
        let Some(piece) = text.get(from..to) else {
            return Err(NotUnderstood::Syntax("commands out of order".to_owned()));
        };
        // The tree may hold `a; b` as two commands; one line is one step.
        let line = text.get(..from).map_or(0, |before| before.matches('\n').count());
        let joined = line_of_last == Some(line);
        line_of_last = Some(line + piece.trim_end().matches('\n').count());
        match steps.last_mut() {
            Some(last) if joined => last.push_str(piece),
            Some(_) | None => steps.push(piece.to_owned()),
        }
    }
    for step in &mut steps {
        *step = without_trailing_comments(step)?;
    }
    Ok(steps)
}

/// Parses one shell text.
///
/// # Errors
/// [`NotUnderstood`] when it is beyond the limits or not complete shell text.
pub fn parse(text: &str) -> Result<Program, NotUnderstood> {
    if text.len() > MAX_BYTES {
        return Err(NotUnderstood::TooLong);
    }
    if text.contains('\0') {
        return Err(NotUnderstood::Nul);
    }
    if nesting(text) > MAX_NESTING {
        return Err(NotUnderstood::TooDeep);
    }
    let mut parser = brush_parser::Parser::new(std::io::Cursor::new(text.as_bytes()), &options());
    let program = parser
        .parse_program()
        .map_err(|error| NotUnderstood::Syntax(first_line(&error.to_string())))?;
    Ok(program)
}

/// The one set of options every text and word is read with.
pub(crate) fn options() -> ParserOptions {
    ParserOptions::default()
}

/// An upper bound of the nesting: brackets and block words, wherever they stand. Quoted ones
/// count too, which refuses a few odd texts and never lets a deep one through.
fn nesting(text: &str) -> usize {
    let (mut brackets, mut blocks, mut deepest) = (0usize, 0usize, 0usize);
    let mut bangs = 0usize;
    for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && !"(){}!".contains(c))
    {
        match word {
            "if" | "while" | "until" | "for" | "case" | "select" => blocks += 1,
            "fi" | "done" | "esac" => blocks = blocks.saturating_sub(1),
            _ => {}
        }
        for c in word.chars() {
            match c {
                '(' | '{' => brackets += 1,
                ')' | '}' => brackets = brackets.saturating_sub(1),
                '!' => bangs += 1,
                _ => {}
            }
            deepest = deepest.max(brackets + blocks);
        }
    }
    // A long row of `!` recurses too; a text with thousands of them is data, not a command.
    if bangs > 20_000 { usize::MAX } else { deepest }
}

fn without_trailing_comments(step: &str) -> Result<String, NotUnderstood> {
    let mut lines: Vec<&str> = step.trim_end().lines().collect();
    let before = lines.len();
    while lines.len() > 1
        && lines.last().is_some_and(|l| l.trim().is_empty() || l.trim_start().starts_with('#'))
    {
        lines.pop();
    }
    let whole = step.trim_end();
    if lines.len() == before {
        return Ok(whole.to_owned());
    }
    let shorter = lines.join("\n");
    // A here-document may end in a line that looks like a comment; then nothing is cut.
    let same = parse(&shorter)
        .is_ok_and(|short| parse(whole).is_ok_and(|long| short.to_string() == long.to_string()));
    Ok(if same { shorter } else { whole.to_owned() })
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_splits_into_complete_commands() {
        let steps = split_steps("# hello\nls -l\n\ncat <<E\na $x\n# in\nE\n# out\nfor i in 1 2\ndo\n echo $i\ndone\na; b\nx \\\n  y # why\n").unwrap();
        assert_eq!(
            steps,
            [
                "ls -l",
                "cat <<E\na $x\n# in\nE",
                "for i in 1 2\ndo\n echo $i\ndone",
                "a; b",
                "x \\\n  y # why"
            ]
        );
        assert_eq!(split_steps("  # only\n\n").unwrap(), Vec::<String>::new());
        assert_eq!(split_steps("echo ä; ls\necho ö").unwrap(), ["echo ä; ls", "echo ö"]);
        assert!(split_steps("echo 'x").is_err());
        assert!(split_steps("if x; then").is_err());
    }

    #[test]
    fn limits_hold() {
        assert_eq!(parse(&"a".repeat(MAX_BYTES + 1)).unwrap_err(), NotUnderstood::TooLong);
        assert_eq!(parse("a\0b").unwrap_err(), NotUnderstood::Nul);
        assert_eq!(parse(&"{ ".repeat(5000)).unwrap_err(), NotUnderstood::TooDeep);
        assert_eq!(parse(&"if x; then ".repeat(5000)).unwrap_err(), NotUnderstood::TooDeep);
        let deep = format!("{}x;{}", "{ ".repeat(MAX_NESTING), " }".repeat(MAX_NESTING));
        assert!(parse(&deep).is_ok());
    }
}
