//! Shell text to a syntax tree, within limits.
//!
//! The parser is brush-parser. It was compared with tree-sitter-bash on 3156 real commands against
//! `bash -n`: of those bash accepts it refused 3 (tree-sitter 17), of those bash refuses it
//! accepted none (tree-sitter 4); it is pure Rust and a third faster. Its one weakness is that
//! it recurses on the input, so nesting is bounded here before it sees a byte.

use std::panic::catch_unwind;

use brush_parser::ParseError;
use brush_parser::ParserOptions;
use brush_parser::TokenizerError;

use brush_parser::ast::Program;

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
    if odd_document(text) {
        // At the end of its input the tokenizer never returns while a here-document that has no
        // word is still to come (`$(<< $(`), and takes memory all the while. With one more command
        // behind it, it says that the document is not ended; so that is asked first.
        read(&format!("{text}\n:"))?;
    }
    read(text)
}

/// Whether a `<<` is followed by anything but a plain word, at once. In quotes and here-documents
/// too, where it costs a second look and nothing else.
fn odd_document(text: &str) -> bool {
    text.match_indices("<<").any(|(at, _)| {
        let rest = text.get(at + 2..).unwrap_or_default();
        let rest = rest.strip_prefix('-').unwrap_or(rest);
        let quote = rest.chars().next().filter(|c| ['\'', '"'].contains(c));
        let word = quote.map_or(rest, |quote| rest.strip_prefix(quote).unwrap_or(rest));
        let end = word.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let closed = quote.map_or(Some(end), |quote| end.strip_prefix(quote));
        end.len() == word.len()
            || !closed.is_some_and(|end| {
                end.is_empty() || end.starts_with(['\n', ' ', '\t', ';', '|', '&', '>', ')'])
            })
    })
}

/// The parser itself. It breaks down over a few broken texts; that is one more way of not
/// understanding them.
fn read(text: &str) -> Result<Program, NotUnderstood> {
    let parsed = catch_unwind(|| {
        let cursor = std::io::Cursor::new(text.as_bytes());
        brush_parser::Parser::new(cursor, &options()).parse_program()
    });
    match parsed {
        Ok(Ok(program)) => Ok(program),
        Ok(Err(error)) => Err(NotUnderstood::Syntax(plainly(&error, text))),
        Err(_) => Err(NotUnderstood::Construct("the parser broke down over it".to_owned())),
    }
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

/// What is wrong, as one plain sentence with its line.
fn plainly(error: &ParseError, text: &str) -> String {
    let last = text.lines().count().max(1);
    match error {
        ParseError::ParsingNear(at) => format!("line {}: a shell does not read on here", at.line),
        ParseError::ParsingAtEndOfInput => format!("line {last}: the command is not finished"),
        ParseError::Tokenizing { inner, position } => {
            let near = position.as_ref().map_or(last, |at| at.line);
            match inner {
                TokenizerError::UnterminatedSingleQuote(at)
                | TokenizerError::UnterminatedAnsiCQuote(at) => {
                    format!("line {}: a single quote is never closed", at.line)
                }
                TokenizerError::UnterminatedDoubleQuote(at) => {
                    format!("line {}: a double quote is never closed", at.line)
                }
                TokenizerError::UnterminatedBackquote(at) => {
                    format!("line {}: a backquote is never closed", at.line)
                }
                TokenizerError::UnterminatedExtendedGlob(at) => {
                    format!("line {}: a pattern is never closed", at.line)
                }
                TokenizerError::UnterminatedHereDocuments(tags, at) => {
                    let line = at.trim_start_matches('[').split(',').next().unwrap_or_default();
                    format!("line {line}: a here-document is never ended by its word {tags}")
                }
                TokenizerError::UnterminatedEscapeSequence => {
                    format!("line {last}: a backslash ends the text and joins nothing to it")
                }
                TokenizerError::UnterminatedCommandSubstitution
                | TokenizerError::UnterminatedExpansion
                | TokenizerError::UnterminatedVariable => {
                    format!("line {near}: an expansion that begins with `$` is never closed")
                }
                other => format!("line {near}: {}", first_line(&other.to_string())),
            }
        }
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
