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
    use super::*;

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
