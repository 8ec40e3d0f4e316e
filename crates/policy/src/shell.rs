//! Shell text to a syntax tree, within limits.
//!
//! The parser is brush-parser. It was compared with tree-sitter-bash on 3156 real commands against
//! `bash -n`: of those bash accepts it refused 3 (tree-sitter 17), of those bash refuses it
//! accepted none (tree-sitter 4); it is pure Rust and a third faster. Its one weakness is that
//! it recurses on the input, so nesting is bounded here before it sees a byte.

use std::panic::catch_unwind;

use brush_parser::ParseError;
use brush_parser::ParserOptions;
use brush_parser::Token;
use brush_parser::TokenizerError;
use brush_parser::parse_tokens;
use brush_parser::uncached_tokenize_str;

use brush_parser::ast::Program;

use crate::inside::Inside;

/// The longest text that is looked at.
pub const MAX_BYTES: usize = 256 * 1024;

/// The deepest nesting of brackets or block words that is handed to the parser.
pub const MAX_NESTING: usize = 60;

/// The most parentheses that may stand inside each other outside quotes.
const MAX_PARENTHESES: usize = 8;

/// The most words and operators one text may hold outside quotes and here-documents. The parser and
/// what follows take about a microsecond and a half for each, and no decision is to take longer than
/// 20 ms.
pub const MAX_TOKENS: usize = 6000;

/// How many bytes in double quotes take as long as one of them.
const QUOTED_PER_TOKEN: usize = 16;

/// Why a shell text was not understood. Such a text is never allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotUnderstood {
    /// Too long to judge.
    #[error("it is longer than {} kB; put it into a file and run that", MAX_BYTES / 1024)]
    TooLong,
    /// Nested too deeply to judge.
    #[error("it is nested more than {MAX_NESTING} levels deep; split it into steps")]
    TooDeep,
    /// More words than can be judged in time.
    #[error("it holds more than {MAX_TOKENS} words; put it into files and run those")]
    TooMany,
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
    within_limits(text).and_then(|()| parsed(text)).map_err(|refusal| match refusal {
        Refusal::Limit(limit) => limit,
        Refusal::Parser(error) => NotUnderstood::Syntax(plainly(&error, text)),
    })
}

/// Whether more than nine digits stand before `<` or `>`: the parser breaks down over them.
fn has_long_descriptor(text: &str) -> bool {
    let mut digits = 0;
    text.bytes().any(|byte| match byte {
        b'0'..=b'9' => {
            digits += 1;
            false
        }
        b'<' | b'>' => std::mem::take(&mut digits) > 9,
        _ => {
            digits = 0;
            false
        }
    })
}

/// Why a text was refused, with the parser's own words.
enum Refusal {
    Limit(NotUnderstood),
    Parser(ParseError),
}

fn within_limits(text: &str) -> Result<(), Refusal> {
    let limit = if text.len() > MAX_BYTES {
        NotUnderstood::TooLong
    } else if text.contains('\0') {
        NotUnderstood::Nul
    } else if has_long_descriptor(text) {
        NotUnderstood::Construct("it names a file descriptor that no shell has".to_owned())
    } else if nesting(text) > MAX_NESTING
        || text.contains("[$") && Inside::of(text).is_too_much_for_indexes()
    {
        NotUnderstood::TooDeep
    } else if text.len() > MAX_TOKENS && tokens(text) > MAX_TOKENS {
        NotUnderstood::TooMany
    } else {
        return Ok(());
    };
    Err(Refusal::Limit(limit))
}

fn parsed(text: &str) -> Result<Program, Refusal> {
    if odd_document(text) {
        // At the end of its input the tokenizer never returns while a here-document that has no
        // word is still to come (`$(<< $(`), and takes memory all the while. With one more command
        // behind it, it says that the document is not ended; so that is asked first.
        read(&format!("{text}\n:"))?;
    }
    read(text)
}

/// What a text still lacks, as far as that tells which line can bring it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lacking {
    /// Nothing; it is complete.
    Nothing,
    /// A line that is one of these words.
    Line(Vec<String>),
    /// This character.
    Char(char),
    /// Something; any line may bring it.
    Something,
}

/// Says what a text lacks to be complete.
pub(crate) fn lacking(text: &str) -> Lacking {
    let Err(error) = within_limits(text).and_then(|()| parsed(text)).map(|_| ()) else {
        return Lacking::Nothing;
    };
    let Refusal::Parser(ParseError::Tokenizing { inner, .. }) = error else {
        return Lacking::Something;
    };
    match inner {
        TokenizerError::UnterminatedHereDocuments(tags, _) => {
            let words = tags.split(", ").map(|tag| tag.replace(['\'', '"', '\\'], ""));
            let words: Vec<String> = words.filter(|word| !word.is_empty()).collect();
            // The word is not read yet where its line is the last one.
            if words.is_empty() { Lacking::Something } else { Lacking::Line(words) }
        }
        TokenizerError::UnterminatedSingleQuote(_) | TokenizerError::UnterminatedAnsiCQuote(_) => {
            Lacking::Char('\'')
        }
        TokenizerError::UnterminatedDoubleQuote(_) => Lacking::Char('"'),
        _ => Lacking::Something,
    }
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
fn read(text: &str) -> Result<Program, Refusal> {
    let parsed = catch_unwind(|| {
        let tokens = uncached_tokenize_str(text, &options().tokenizer_options());
        if let Ok(tokens) = tokens {
            if parentheses(&tokens) > MAX_PARENTHESES {
                return Ok(None);
            }
            return parse_tokens(&tokens, &options()).map(Some);
        }
        // Once more, for where in the text it breaks off.
        let cursor = std::io::Cursor::new(text.as_bytes());
        brush_parser::Parser::new(cursor, &options()).parse_program().map(Some)
    });
    match parsed {
        Ok(Ok(Some(program))) => Ok(program),
        Ok(Ok(None)) => Err(Refusal::Limit(NotUnderstood::TooDeep)),
        Ok(Err(error)) => Err(Refusal::Parser(error)),
        Err(_) => {
            let why = "the parser broke down over it".to_owned();
            Err(Refusal::Limit(NotUnderstood::Construct(why)))
        }
    }
}

/// How many parentheses stand inside each other as the shell sees them. For each the parser tries two
/// readings, so that it takes twice as long with every one more.
fn parentheses(tokens: &[Token]) -> usize {
    let (mut open, mut most) = (0usize, 0usize);
    for token in tokens {
        match token {
            Token::Operator(text, _) if text == "(" => open += 1,
            Token::Operator(text, _) if text == ")" => open = open.saturating_sub(1),
            Token::Operator(..) | Token::Word(..) => continue,
        }
        most = most.max(open);
    }
    most
}

/// The one set of options every text and word is read with.
pub(crate) fn options() -> ParserOptions {
    ParserOptions::default()
}

/// An upper bound of the nesting: brackets and block words, wherever they stand. Quoted ones
/// count too, which refuses a few odd texts and never lets a deep one through.
fn nesting(text: &str) -> usize {
    let (mut brackets, mut blocks, mut deepest, mut bangs) = (0usize, 0usize, 0usize, 0usize);
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if !is_word(first) {
            match first {
                b'(' | b'{' => brackets += 1,
                b')' | b'}' => brackets = brackets.saturating_sub(1),
                b'!' => bangs += 1,
                _ => {}
            }
            deepest = deepest.max(brackets + blocks);
            rest = after;
            continue;
        }
        let end = rest.iter().position(|byte| !is_word(byte)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        match word {
            b"if" | b"while" | b"until" | b"for" | b"case" | b"select" => blocks += 1,
            b"fi" | b"done" | b"esac" => blocks = blocks.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(brackets + blocks);
        rest = after;
    }
    // A long row of `!` recurses too; a text with thousands of them is data, not a command.
    if bangs > 20_000 { usize::MAX } else { deepest }
}

/// About how many words and operators stand outside quotes and here-documents, and what double quotes
/// take. Only time hangs on it:
/// what is not counted is parsed and judged all the same.
fn tokens(text: &str) -> usize {
    let (mut count, mut quoted) = (0, 0);
    let mut in_word = false;
    let mut quote: Option<char> = None;
    let mut documents: Vec<&str> = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (None | Some('"'), '\\') => {
                chars.next();
                count += usize::from(!in_word);
                in_word = true;
            }
            (Some('"'), _) => quoted += 1,
            (Some(_), _) => {}
            (None, '\'' | '"') => {
                quote = Some(c);
                count += usize::from(!in_word);
                in_word = true;
            }
            (None, '\n') if !documents.is_empty() => {
                let mut rest = text.get(at + 1..).unwrap_or_default();
                for word in std::mem::take(&mut documents) {
                    while let Some((line, after)) = rest.split_once('\n') {
                        rest = after;
                        if line.trim_start_matches('\t') == word {
                            break;
                        }
                    }
                }
                let from = text.len() - rest.len();
                while chars.clone().next().is_some_and(|(next, _)| next < from) {
                    chars.next();
                }
                count += 1;
                in_word = false;
            }
            (None, '<') => {
                let rest = text.get(at..).unwrap_or_default();
                let word = rest.strip_prefix("<<").filter(|rest| !rest.starts_with('<'));
                if let Some(word) = word {
                    let rest = word.trim_start_matches(['-', ' ', '\t', '\'', '"', '\\']);
                    let ends = |c: char| !(c.is_alphanumeric() || c == '_');
                    documents.extend(rest.split(ends).next().filter(|word| !word.is_empty()));
                }
                if rest.starts_with("<<<") {
                    chars.nth(1);
                }
                count += 1;
                in_word = false;
            }
            (None, ' ' | '\t') => in_word = false,
            (None, '\n' | ';' | '|' | '&' | '(' | ')' | '>' | '`' | '$' | '{' | '}') => {
                count += 1;
                in_word = false;
            }
            (None, _) => {
                count += usize::from(!in_word);
                in_word = true;
            }
        }
    }
    count + quoted / QUOTED_PER_TOKEN
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
        assert_eq!(parse(&"a;".repeat(MAX_TOKENS)).unwrap_err(), NotUnderstood::TooMany);
        let words = "a ".repeat(2 * MAX_TOKENS);
        assert!(parse(&format!("cat <<'E' > a\n{words}\nE\ncat <<< x")).is_ok());
        assert!(parse(&format!("echo '{words}' \"{words}\"")).is_ok());
        assert_eq!(parse(&format!("cat <<< x\n{words}")).unwrap_err(), NotUnderstood::TooMany);
        assert_eq!(parse(&format!("{} a", "( ".repeat(9))).unwrap_err(), NotUnderstood::TooDeep);
        assert!(parse(&format!("{}a{}", "( ".repeat(8), " )".repeat(8))).is_ok());
        assert!(matches!(parse("2222222222>a"), Err(NotUnderstood::Construct(_))));
        assert!(parse("22>a").is_ok());
        let deep = format!("{}x;{}", "{ ".repeat(MAX_NESTING), " }".repeat(MAX_NESTING));
        assert!(parse(&deep).is_ok());
    }
}
