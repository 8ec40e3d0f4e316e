//! Texts with `*` in them.

use std::collections::BTreeSet;

/// The longest patterns that are laid over each other; longer ones are taken to overlap.
const LONGEST: usize = 4096;

/// Whether a text is one that a pattern stands for; `*` is any text, also none.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut of) = (0, 0);
    // Where the last star stands, and how much of the text it stands for.
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(at) {
        match pattern.get(of) {
            Some(b'*') => {
                star = Some((of, at));
                of += 1;
            }
            Some(wanted) if wanted == byte => {
                at += 1;
                of += 1;
            }
            Some(_) | None => {
                let Some((before, taken)) = star else { return false };
                star = Some((before, taken + 1));
                (of, at) = (before + 1, taken + 1);
            }
        }
    }
    pattern.get(of..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Plain(char),
    /// One character that is no `/`.
    One,
    /// The same, and no dot: a shell's pattern does not find hidden files.
    Shown,
    /// Any of them, also none.
    Many,
    /// The same over directories.
    Deep,
}

/// Whether a file may be meant by a rule's pattern of paths and by a shell's, in any case.
pub(super) fn overlap(rule: &str, shell: &str) -> bool {
    let (rule, shell) = (of_rule(rule), of_shell(shell));
    if rule.len() > LONGEST || shell.len() > LONGEST {
        return true;
    }
    let mut seen = BTreeSet::new();
    let mut open = vec![(0, 0)];
    while let Some((i, j)) = open.pop() {
        if !seen.insert((i, j)) {
            continue;
        }
        let (a, b) = (rule.get(i), shell.get(j));
        if a.is_none() && b.is_none() {
            return true;
        }
        let many = |token: Option<&Token>| matches!(token, Some(Token::Many | Token::Deep));
        if many(a) {
            open.push((i + 1, j));
        }
        if many(b) {
            open.push((i, j + 1));
        }
        if let (Some(x), Some(y)) = (a, b)
            && meet(*x, *y)
        {
            open.push((i + usize::from(!many(a)), j + usize::from(!many(b))));
        }
    }
    false
}

fn meet(a: Token, b: Token) -> bool {
    let takes = |token: Token, c: char| match token {
        Token::Plain(own) => own == c,
        Token::One | Token::Many => c != '/',
        Token::Shown => c != '/' && c != '.',
        Token::Deep => true,
    };
    match (a, b) {
        (Token::Plain(c), other) | (other, Token::Plain(c)) => takes(other, c),
        _ => true,
    }
}

fn of_rule(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.peek() == Some(&'*') => {
                chars.next();
                // `**/x` is also `x`.
                if chars.peek() == Some(&'/') {
                    chars.next();
                }
                tokens.push(Token::Deep);
            }
            '*' => tokens.push(Token::Many),
            '?' => tokens.push(Token::One),
            '[' | '{' => {
                let end = if c == '[' { ']' } else { '}' };
                for c in chars.by_ref() {
                    if c == end {
                        break;
                    }
                }
                tokens.push(if c == '[' { Token::One } else { Token::Deep });
            }
            c => tokens.extend(c.to_lowercase().map(Token::Plain)),
        }
    }
    tokens
}

fn of_shell(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.chars();
    let mut begins = true;
    while let Some(c) = chars.next() {
        let one = if begins { Token::Shown } else { Token::One };
        match c {
            '*' if begins => tokens.extend([Token::Shown, Token::Many]),
            '*' => tokens.push(Token::Many),
            '?' => tokens.push(one),
            '[' => {
                for c in chars.by_ref() {
                    if c == ']' {
                        break;
                    }
                }
                tokens.push(one);
            }
            c => tokens.extend(c.to_lowercase().map(Token::Plain)),
        }
        begins = c == '/';
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expect) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "a", true),
            ("git * main", "git push origin main", true),
            ("git * main", "git push main --force", false),
            ("*ab*c", "xabyabzc", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("[x]{y}?", "[x]{y}?", true),
            ("[x]", "x", false),
        ] {
            assert_eq!(matches(pattern, text), expect, "{pattern} {text}");
        }
        let slow = "a*".repeat(2000);
        assert!(!matches(&slow, &"a".repeat(1999)));
    }

    #[test]
    fn patterns_overlap_where_one_file_is_in_both() {
        for (rule, shell, expect) in [
            ("secrets/**", "s*/a", true),
            ("secrets/**", "s*", false),
            ("secrets", "s*", true),
            ("secrets", "[rst]ecrets", true),
            ("secrets", "t*", false),
            (".env", "*", false),
            (".env", ".e*", true),
            (".env", ".?nv", true),
            ("**/*.pem", "keys/a.p*", true),
            ("**/*.pem", "a.p?m", true),
            ("**/*.pem", "*.txt", false),
            ("a/b", "*", false),
            ("A/b", "a/[B]", true),
            ("{a,b}/x", "b*/x", true),
        ] {
            assert_eq!(overlap(rule, shell), expect, "{rule} {shell}");
        }
    }
}
