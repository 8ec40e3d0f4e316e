//! Rich text as Telegram takes it: the text, and entities beside it.
//!
//! Entities and never Markdown: nothing has to be escaped, so nothing that an agent wrote can open
//! or close a format, or make a message unparsable.

use gatepost_chat::rich::Rich;
use gatepost_chat::rich::Style;
use gatepost_chat::rich::units;
use teloxide::types::MessageEntity;
use teloxide::types::MessageEntityKind;

/// The longest text of a message, in UTF-16 units after the entities are taken off
/// (<https://core.telegram.org/bots/api#sendmessage>).
pub(crate) const LIMIT: usize = 4096;

/// The text and its entities, counted in UTF-16 units. Blanks at both ends are gone, because
/// Telegram cuts them off and would then count from another place.
pub(crate) fn rendered(rich: &Rich) -> (String, Vec<MessageEntity>) {
    let rich = rich.trimmed();
    let text = rich.text().to_owned();
    let entities = rich.spans().iter().filter_map(|span| {
        let offset = units(text.get(..span.from)?);
        let length = units(text.get(span.from..span.to)?);
        let kind = match span.style {
            Style::Bold => MessageEntityKind::Bold,
            Style::Italic => MessageEntityKind::Italic,
            Style::Code => MessageEntityKind::Code,
            Style::Pre => MessageEntityKind::Pre { language: None },
            Style::Folded => MessageEntityKind::ExpandableBlockquote,
        };
        Some(MessageEntity { kind, offset, length })
    });
    let entities = entities.collect();
    (text, entities)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn style() -> impl Strategy<Value = Style> {
        prop::sample::select(vec![
            Style::Bold,
            Style::Italic,
            Style::Code,
            Style::Pre,
            Style::Folded,
        ])
    }

    proptest! {
        /// Whatever the text, every piece fits a message and its entities lie on whole characters,
        /// in order and inside the text.
        #[test]
        fn hostile_text_is_always_taken(
            parts in prop::collection::vec(
                (prop::option::of(style()), "[\\PC\u{202e}\u{0}*_`<>\\[\\]() \n\u{1f600}]{0,40}"),
                0..10,
            ),
            limit in 2usize..200,
        ) {
            let rich = parts.iter().fold(Rich::new(), |rich, (style, text)| match style {
                Some(style) => rich.styled(*style, text),
                None => rich.plain(text),
            });
            for piece in rich.split(limit) {
                let (text, entities) = rendered(&piece);
                let all: Vec<u16> = text.encode_utf16().collect();
                prop_assert!(!text.is_empty() && all.len() <= limit && text.trim() == text);
                let mut last = 0;
                for entity in entities {
                    let end = entity.offset + entity.length;
                    prop_assert!(entity.offset >= last && entity.length > 0 && end <= all.len());
                    prop_assert!(String::from_utf16(&all[entity.offset..end]).is_ok());
                    last = end;
                }
            }
        }
    }

    #[test]
    fn entities_count_in_utf16_units_from_the_trimmed_text() {
        let rich = Rich::new().plain("\n 😀é").styled(Style::Pre, "a😀").plain(" x \n");
        let (text, entities) = rendered(&rich);
        assert_eq!(text, "😀éa😀 x");
        assert_eq!(
            entities,
            [MessageEntity {
                kind: MessageEntityKind::Pre { language: None },
                offset: 3,
                length: 3
            }]
        );
        let (_, folded) = rendered(&Rich::new().styled(Style::Folded, "long"));
        assert_eq!(folded[0].kind, MessageEntityKind::ExpandableBlockquote);
    }
}
