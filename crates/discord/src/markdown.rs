//! Rich text as Discord takes it: Markdown in which nothing but our own marks means anything.
//!
//! Discord has no way to style text but marks inside it, so everything that could be one is escaped,
//! or stands in a block of code that it cannot close. What a reader sees is what was given: no name
//! stands for a number, no link says one thing and means another, nothing pings.

use gatepost_chat::rich::Rich;
use gatepost_chat::rich::Style;
use gatepost_chat::rich::units;

/// The longest text of a message, in characters
/// (<https://discord.com/developers/docs/resources/message#create-message-jsonform-params>).
const CONTENT: usize = 2000;

/// The longest text of an embed; all embeds of a message have 6000 together, and there is one
/// (<https://discord.com/developers/docs/resources/message#embed-object-embed-limits>).
const EMBED: usize = 4096;

/// The longest text that is taken. Escaped it has twice as many units at most, and then an embed
/// holds it with the marks that style it.
pub(crate) const LIMIT: usize = 1900;

/// What stands where an embed says it all; embeds can be turned off.
const BELOW: &str = "The text is in the box below. If there is none, turn on embeds in Discord's \
                     settings for chats: nothing should be answered unread.";

/// A text as a message shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) content: String,
    pub(crate) embed: Option<String>,
}

/// The text of a message: as its content where that has room, else in an embed.
pub(crate) fn shown(rich: &Rich) -> Shown {
    let rich = rich.trimmed();
    let text = marked(&rich);
    if units(&text) <= CONTENT {
        return Shown { content: text, embed: None };
    }
    // Text of our limit fits without its marks, whatever is in it.
    let text = if units(&text) <= EMBED { text } else { escaped(rich.text()) };
    Shown { content: BELOW.to_owned(), embed: Some(text) }
}

/// With Discord's marks.
fn marked(rich: &Rich) -> String {
    let (text, mut out, mut from) = (rich.text(), String::new(), 0);
    for span in rich.spans() {
        plain(&mut out, text.get(from..span.from).unwrap_or_default());
        styled(&mut out, span.style, text.get(span.from..span.to).unwrap_or_default());
        from = span.to;
    }
    plain(&mut out, text.get(from..).unwrap_or_default());
    out
}

fn plain(out: &mut String, text: &str) {
    // A block ends its line by itself.
    let text = if out.ends_with("\n```") { text.strip_prefix('\n').unwrap_or(text) } else { text };
    if out.ends_with("\n```") && !text.is_empty() {
        out.push('\n');
    }
    escape(out, text);
}

fn styled(out: &mut String, style: Style, text: &str) {
    match style {
        Style::Bold => wrapped(out, "**", text),
        Style::Italic => wrapped(out, "*", text),
        Style::Code => code(out, text),
        Style::Pre => block(out, text),
        Style::Folded => {
            fresh_line(out);
            let lines: Vec<_> = text.lines().map(|line| format!("> {}", escaped(line))).collect();
            out.push_str(&lines.join("\n"));
        }
    }
}

/// Marks hold only next to something that is no blank.
fn wrapped(out: &mut String, mark: &str, text: &str) {
    let inner = text.trim();
    let before = text.len() - text.trim_start().len();
    out.push_str(text.get(..before).unwrap_or_default());
    // In front of a mark of another span this one would be read with it.
    if out.ends_with('*') {
        out.push('\u{2060}');
    }
    out.push_str(mark);
    escape(out, inner);
    out.push_str(mark);
    out.push_str(text.get(before + inner.len()..).unwrap_or_default());
}

fn code(out: &mut String, text: &str) {
    let fits = !text.contains("``")
        && !text.starts_with(['`', ' '])
        && !text.ends_with(['`', ' '])
        && !text.contains('\n');
    if !fits || out.ends_with('`') {
        escape(out, text);
        return;
    }
    let mark = if text.contains('`') { "``" } else { "`" };
    out.push_str(mark);
    out.push_str(text);
    out.push_str(mark);
}

fn block(out: &mut String, text: &str) {
    // Nothing can be escaped in a block, so a text that would close it stands outside of one.
    if text.contains("```") || text.trim_matches('\n').is_empty() {
        escape(out, text);
        return;
    }
    fresh_line(out);
    out.push_str("```\n");
    out.push_str(text);
    out.push_str("\n```");
}

fn fresh_line(out: &mut String) {
    if !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
}

/// A text in which nothing is a mark.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::new();
    escape(&mut out, text);
    out
}

fn escape(out: &mut String, text: &str) {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let is_mark = match c {
            '\\' | '*' | '_' | '~' | '`' | '|' | '<' | '[' | '@' => true,
            // Bare addresses become links, in which escapes would show.
            ':' => chars.peek() == Some(&'/'),
            '#' | '-' | '+' | '>' => at_line_start(out, |_| false),
            '.' | ')' => at_line_start(out, |c| c.is_ascii_digit()),
            _ => false,
        };
        if is_mark {
            out.push('\\');
        }
        out.push(c);
    }
}

/// Whether nothing but blanks, and what else is let pass, stands before this in its line.
fn at_line_start(out: &str, passes: impl Fn(char) -> bool) -> bool {
    let line = out.rsplit('\n').next().unwrap_or_default();
    line.chars().all(|c| c == ' ' || c == '\t' || passes(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What Discord shows of text without blocks: escapes are taken off.
    fn seen(text: &str) -> String {
        let mut out = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => out.extend(chars.next()),
                '*' | '_' | '~' | '`' | '|' | '<' | '[' | '@' => panic!("a mark: {text}"),
                c => out.push(c),
            }
        }
        out
    }

    #[test]
    fn styles_have_their_marks() {
        let rich = Rich::new()
            .styled(Style::Bold, "❓ Run · task ")
            .plain("\n\n")
            .styled(Style::Pre, "rm -rf *\n  x")
            .plain("\nWhy: a_b ")
            .styled(Style::Code, "x`y")
            .plain(" ")
            .styled(Style::Folded, "one\n# two");
        assert_eq!(
            marked(&rich),
            "**❓ Run · task** \n\n```\nrm -rf *\n  x\n```\nWhy: a\\_b ``x`y`` \n> one\n> \\# two"
        );
    }

    #[test]
    fn hostile_text_opens_no_format_calls_nobody_and_hides_no_link() {
        for (text, shown) in [
            ("@everyone <@1> <#2> <t:3>", "\\@everyone \\<\\@1> \\<#2> \\<t:3>"),
            ("[safe](https://evil.example)", "\\[safe](https\\://evil.example)"),
            ("# big\n-# small\n> q\n1. x", "\\# big\n\\-# small\n\\> q\n1\\. x"),
            ("||spoiler|| ~~gone~~", "\\|\\|spoiler\\|\\| \\~\\~gone\\~\\~"),
            ("a - b # c > d 1. e", "a - b # c > d 1. e"),
        ] {
            assert_eq!(escaped(text), shown);
        }
        let closing = Rich::new().styled(Style::Pre, "ls\n```\n**approved**");
        assert!(!marked(&closing).contains("**"), "{}", marked(&closing));
        let code = Rich::new().styled(Style::Code, "a``b");
        assert_eq!(marked(&code), "a\\`\\`b");
    }

    #[test]
    fn a_long_text_goes_into_an_embed_with_a_word_for_those_who_see_none() {
        let short = shown(&Rich::new().plain("hello"));
        assert_eq!((short.content.as_str(), short.embed), ("hello", None));
        let long = shown(&Rich::new().plain(&"*".repeat(LIMIT)));
        assert_eq!(long.content, BELOW);
        assert_eq!(long.embed.unwrap().chars().count(), 2 * LIMIT);
    }

    proptest! {
        #[test]
        fn what_is_seen_is_what_was_given(text in "[\\PC*_`~|<>@#\\[\\]():/.\\-+\\\\ \n0-9]{0,300}") {
            let escaped = escaped(&text);
            prop_assert!(units(&escaped) <= 2 * units(&text));
            prop_assert_eq!(seen(&escaped), text);
        }

        #[test]
        fn whatever_the_text_a_message_holds_it(
            parts in prop::collection::vec(
                (0usize..6, "[\\PC*_`~|<>@# \n]{0,120}"), 0..40),
        ) {
            let rich = parts.iter().fold(Rich::new(), |rich, (style, text)| match style {
                0 => rich.styled(Style::Bold, text),
                1 => rich.styled(Style::Italic, text),
                2 => rich.styled(Style::Code, text),
                3 => rich.styled(Style::Pre, text),
                4 => rich.styled(Style::Folded, text),
                _ => rich.plain(text),
            });
            let shown = shown(&rich.cut(LIMIT));
            prop_assert!(units(&shown.content) <= CONTENT);
            prop_assert!(shown.embed.is_none_or(|text| units(&text) <= EMBED));
        }
    }
}
