//! Texts, entities and keys, as Telegram checks them.

use serde_json::Map;
use serde_json::Value;

use super::state::Answer;
use super::state::State;
use super::state::refused;

/// Kinds that may hold no other (<https://core.telegram.org/bots/api#formatting-options>).
const SOLID: [&str; 2] = ["pre", "code"];

/// Kinds that may not lie within each other.
const QUOTES: [&str; 2] = ["blockquote", "expandable_blockquote"];

/// What a button may look like.
const STYLES: [&str; 3] = ["danger", "success", "primary"];

impl State {
    /// The keys of a message; data must be 1 to 64 bytes.
    ///
    /// # Errors
    /// Telegram's answer to what is wrong with them.
    pub(super) fn keys(
        &mut self,
        given: &Map<String, Value>,
    ) -> Result<Vec<(String, String)>, Answer> {
        let none = Vec::new();
        let rows = given
            .get("reply_markup")
            .and_then(|markup| markup["inline_keyboard"].as_array())
            .unwrap_or(&none);
        let mut keys = Vec::new();
        for key in rows.iter().flat_map(|row| row.as_array().into_iter().flatten()) {
            let (label, data) = (key["text"].as_str(), key["callback_data"].as_str());
            let (label, data) = (label.unwrap_or_default(), data.unwrap_or_default());
            if label.is_empty() {
                return Err(refused(400, "Bad Request: inline keyboard button text is empty"));
            }
            if !(1..=64).contains(&data.len()) {
                self.violations.push(format!("a button carries {} bytes: {label}", data.len()));
                return Err(refused(400, "Bad Request: BUTTON_DATA_INVALID"));
            }
            if key.get("style").is_some_and(|style| !STYLES.iter().any(|name| style == name)) {
                return Err(refused(400, "Bad Request: invalid button style specified"));
            }
            keys.push((label.to_owned(), data.to_owned()));
        }
        if keys.len() > 100 {
            self.violations.push(format!("{} buttons under one message", keys.len()));
        }
        Ok(keys)
    }

    /// A text of 1 to `limit` units.
    ///
    /// # Errors
    /// Telegram's answer to what is wrong with it.
    pub(super) fn check_text(
        &mut self,
        text: &str,
        given: &Map<String, Value>,
    ) -> Result<(), Answer> {
        if text.trim().is_empty() {
            self.violations.push("a text is empty".into());
            return Err(refused(400, "Bad Request: message text is empty"));
        }
        let units = text.encode_utf16().count();
        if units > 4096 {
            self.violations.push(format!("a text has {units} units"));
            return Err(refused(400, "Bad Request: message is too long"));
        }
        self.check_marks(text, given, "entities")
    }

    /// A caption of at most 1024 units.
    ///
    /// # Errors
    /// Telegram's answer to what is wrong with it.
    pub(super) fn check_caption(
        &mut self,
        text: &str,
        given: &Map<String, Value>,
    ) -> Result<(), Answer> {
        let units = text.encode_utf16().count();
        if units > 1024 {
            self.violations.push(format!("a caption has {units} units"));
            return Err(refused(400, "Bad Request: message caption is too long"));
        }
        self.check_marks(text, given, "caption_entities")
    }

    fn check_marks(
        &mut self,
        text: &str,
        given: &Map<String, Value>,
        field: &str,
    ) -> Result<(), Answer> {
        if text.trim() != text {
            self.violations
                .push("blanks at an end are cut off, and entities then lie elsewhere".into());
        }
        if given.contains_key("parse_mode") {
            self.violations.push("entities are sent, not a parse mode".into());
        }
        let none = Vec::new();
        let entities = given.get(field).and_then(Value::as_array).unwrap_or(&none);
        match wrong_entity(text, entities) {
            None => Ok(()),
            Some(wrong) => {
                self.violations.push(format!("an entity lies wrong: {wrong}"));
                Err(refused(400, &format!("Bad Request: {wrong}")))
            }
        }
    }
}

/// What is wrong with the entities of a text, in Telegram's words.
fn wrong_entity(text: &str, entities: &[Value]) -> Option<String> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let torn = |at: usize| units.get(at).is_some_and(|unit| (0xdc00..0xe000).contains(unit));
    let mut open: Vec<(usize, usize, &str)> = Vec::new();
    let mut before = 0;
    for entity in entities {
        let number = |name: &str| usize::try_from(entity[name].as_u64().unwrap_or(0)).unwrap();
        let (from, length) = (number("offset"), number("length"));
        let end = from + length;
        let kind = entity["type"].as_str().unwrap_or_default();
        if length == 0 {
            return Some(format!("entity at UTF-16 offset {from} is empty"));
        }
        if end > units.len() {
            return Some(format!(
                "entity beginning at UTF-16 offset {from} ends after the end of the text at UTF-16 \
                 offset {end}"
            ));
        }
        if torn(from) {
            return Some(format!("entity begins in a middle of a UTF-16 symbol at offset {from}"));
        }
        if torn(end) {
            return Some(format!(
                "entity beginning at UTF-16 offset {from} ends in a middle of a UTF-16 symbol at \
                 UTF-16 offset {end}"
            ));
        }
        if from < before {
            return Some(format!("entities are not in order at UTF-16 offset {from}"));
        }
        before = from;
        open.retain(|(_, until, _)| *until > from);
        for (_, until, around) in &open {
            let quotes = QUOTES.contains(around) && QUOTES.contains(&kind);
            if end > *until || SOLID.contains(around) || quotes {
                return Some(format!("ENTITY_BOUNDS_INVALID: {kind} at {from} within {around}"));
            }
        }
        open.push((from, end, kind));
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entity(kind: &str, offset: u64, length: u64) -> Value {
        json!({ "type": kind, "offset": offset, "length": length })
    }

    #[test]
    fn entities_that_lie_wrong_are_named() {
        // The smiley takes two units.
        let text = "a😀bcdef";
        let good = [entity("bold", 0, 3), entity("italic", 1, 2), entity("pre", 4, 4)];
        assert_eq!(wrong_entity(text, &good), None);
        for (bad, why) in [
            (vec![entity("bold", 0, 0)], "is empty"),
            (vec![entity("bold", 5, 4)], "ends after the end"),
            (vec![entity("bold", 2, 2)], "begins in a middle"),
            (vec![entity("bold", 0, 2)], "ends in a middle"),
            (vec![entity("bold", 3, 1), entity("bold", 0, 1)], "not in order"),
            (vec![entity("bold", 0, 4), entity("italic", 3, 3)], "ENTITY_BOUNDS_INVALID"),
            (vec![entity("code", 0, 4), entity("bold", 0, 1)], "ENTITY_BOUNDS_INVALID"),
            (
                vec![entity("expandable_blockquote", 0, 4), entity("blockquote", 0, 1)],
                "ENTITY_BOUNDS_INVALID",
            ),
        ] {
            let found = wrong_entity(text, &bad);
            assert!(found.as_ref().is_some_and(|found| found.contains(why)), "{found:?} {why}");
        }
    }
}
