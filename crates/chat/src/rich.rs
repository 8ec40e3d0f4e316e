//! Text with styled spans: what every platform's renderer takes.
//!
//! Styles are ranges beside the text and never marks inside it, so hostile text cannot open or
//! close one. Lengths are counted in UTF-16 units, as Telegram and Discord count them
//! (<https://core.telegram.org/bots/api#messageentity>).

/// How a span looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Bold.
    Bold,
    /// Italic.
    Italic,
    /// Fixed width, inside a line.
    Code,
    /// Fixed width, lines of its own.
    Pre,
    /// A quotation that can be unfolded.
    Folded,
}

/// A styled range, in bytes of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub from: usize,
    /// Where it ends.
    pub to: usize,
    /// How it looks.
    pub style: Style,
}

/// Text with styled spans. Spans lie on character borders, in order, and do not overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rich {
    text: String,
    spans: Vec<Span>,
}

impl Rich {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends text as it is.
    #[must_use]
    pub fn plain(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Appends styled text; nothing for text that is only blanks, which platforms drop.
    #[must_use]
    pub fn styled(mut self, style: Style, text: &str) -> Self {
        let from = self.text.len();
        self.text.push_str(text);
        if !text.trim().is_empty() {
            self.spans.push(Span { from, to: self.text.len(), style });
        }
        self
    }

    /// Appends another.
    #[must_use]
    pub fn then(mut self, other: &Self) -> Self {
        let by = self.text.len();
        self.text.push_str(&other.text);
        self.spans.extend(other.spans.iter().map(|span| Span {
            from: span.from + by,
            to: span.to + by,
            ..*span
        }));
        self
    }

    /// Appends a line break.
    #[must_use]
    pub fn line(self) -> Self {
        self.plain("\n")
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The spans.
    #[must_use]
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Its length in UTF-16 units.
    #[must_use]
    pub fn units(&self) -> usize {
        units(&self.text)
    }

    /// Without blanks at both ends: platforms cut those off, and would then count the spans from
    /// another place.
    #[must_use]
    pub fn trimmed(&self) -> Self {
        let from = self.text.len() - self.text.trim_start().len();
        self.part(from, self.text.trim_end().len().max(from))
    }

    /// In pieces of at most `limit` units, on borders a reader would choose: before a block of code,
    /// a blank line, a line, a word, and only then a character. No piece is empty.
    #[must_use]
    pub fn split(&self, limit: usize) -> Vec<Self> {
        let mut pieces = Vec::new();
        let mut from = 0;
        while from < self.text.len() {
            let to = self.border(from, limit);
            let piece = self.part(from, to).trimmed();
            if !piece.text.is_empty() {
                pieces.push(piece);
            }
            from = to;
        }
        pieces
    }

    /// The first `limit` units, with `…` where something was left out.
    #[must_use]
    pub fn cut(&self, limit: usize) -> Self {
        if self.units() <= limit {
            return self.clone();
        }
        let to = self.border(0, limit.saturating_sub(2));
        self.part(0, to).trimmed().plain("\n…")
    }

    fn border(&self, from: usize, limit: usize) -> usize {
        let rest = self.text.get(from..).unwrap_or_default();
        let mut used = 0;
        let mut end = 0;
        for (at, c) in rest.char_indices() {
            used += c.len_utf16();
            // One character at least, or a caller would never come to an end.
            if used > limit && at > 0 {
                break;
            }
            end = at + c.len_utf8();
        }
        if end == rest.len() {
            return self.text.len();
        }
        let window = rest.get(..end).unwrap_or_default();
        // A block that would be torn goes to the next piece as a whole, when that leaves enough.
        let torn = self.spans.iter().find(|span| {
            matches!(span.style, Style::Pre | Style::Folded | Style::Code)
                && span.from < from + end
                && span.to > from + end
        });
        if let Some(block) = torn
            && block.from > from + end / 2
        {
            return block.from;
        }
        let good = |at: &usize| *at > end / 2;
        let border = window
            .rfind("\n\n")
            .map(|at| at + 2)
            .filter(good)
            .or_else(|| window.rfind('\n').map(|at| at + 1).filter(good))
            .or_else(|| window.rfind(' ').map(|at| at + 1).filter(good))
            .unwrap_or(end);
        from + border
    }

    fn part(&self, from: usize, to: usize) -> Self {
        let spans = self.spans.iter().filter_map(|span| {
            let (start, end) = (span.from.max(from), span.to.min(to));
            let inner = self.text.get(start..end)?;
            (!inner.trim().is_empty()).then(|| Span {
                from: start - from,
                to: end - from,
                style: span.style,
            })
        });
        Self {
            text: self.text.get(from..to).unwrap_or_default().to_owned(),
            spans: spans.collect(),
        }
    }
}

/// The length of a text in UTF-16 units.
#[must_use]
pub fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(rich: &Rich) {
        let mut last = 0;
        for span in rich.spans() {
            assert!(span.from >= last && span.from < span.to, "{rich:?}");
            assert!(rich.text().get(span.from..span.to).is_some(), "on borders: {rich:?}");
            last = span.to;
        }
    }

    #[test]
    fn pieces_end_where_a_reader_would_end_them() {
        let rich = Rich::new().styled(Style::Bold, "one two").plain("\n\nthree four five");
        let pieces = rich.split(12);
        let texts: Vec<_> = pieces.iter().map(Rich::text).collect();
        assert_eq!(texts, ["one two", "three four", "five"]);
        assert_eq!(pieces[0].spans(), [Span { from: 0, to: 7, style: Style::Bold }]);
        assert!(pieces[1].spans().is_empty());
    }

    #[test]
    fn a_block_of_code_stays_whole_where_it_fits_into_the_next_piece() {
        let rich = Rich::new()
            .plain("some words before\n\nand the block:\n")
            .styled(Style::Pre, "line one\n\nline two");
        let pieces = rich.split(45);
        let texts: Vec<_> = pieces.iter().map(Rich::text).collect();
        assert_eq!(texts, ["some words before\n\nand the block:", "line one\n\nline two"]);
        assert_eq!(pieces[1].spans(), [Span { from: 0, to: 18, style: Style::Pre }]);
    }

    #[test]
    fn a_pair_of_units_is_never_torn() {
        let rich = Rich::new().styled(Style::Pre, &"😀".repeat(10));
        let pieces = rich.split(5);
        assert!(pieces.iter().all(|piece| piece.units() == 4), "{pieces:?}");
        assert_eq!(pieces.len(), 5);
    }

    proptest! {
        #[test]
        fn split_loses_nothing_but_blanks_and_keeps_every_limit(
            parts in prop::collection::vec((any::<bool>(), "\\PC{0,40}|[ \n\u{1f600}\u{202e}]{0,30}"), 0..12),
            limit in 2usize..60,
        ) {
            let rich = parts.iter().fold(Rich::new(), |rich, (styled, text)| {
                if *styled { rich.styled(Style::Pre, text) } else { rich.plain(text) }
            });
            whole(&rich);
            let pieces = rich.split(limit);
            for piece in &pieces {
                whole(piece);
                prop_assert!(!piece.text().is_empty());
                prop_assert!(piece.units() <= limit, "{} units", piece.units());
                prop_assert_eq!(piece.text().trim(), piece.text());
            }
            let solid = |text: &str| text.split_whitespace().collect::<String>();
            let joined: String = pieces.iter().map(Rich::text).collect();
            prop_assert_eq!(solid(&joined), solid(rich.text()));
            let cut = rich.cut(limit);
            whole(&cut);
            prop_assert!(cut.units() <= limit.max(4));
        }
    }
}
