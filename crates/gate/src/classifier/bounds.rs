//! How much of an action a model is shown: what it costs and how well it is read both have bounds,
//! and nobody may hide the dangerous half of a command behind a long harmless one.

use serde_json::Value;
use serde_json::json;

/// So many characters of an action are shown, over all of its texts, and as many of what was found
/// in it. The longest of some four thousand real actions that were looked at has 9,000.
pub(super) const SHOWN: usize = 16_000;

/// Of a text that is cut, this share of what is shown is its head; the rest is its tail.
const HEAD: (usize, usize) = (3, 4);

/// So many entries of a list or a table are shown.
const ENTRIES: usize = 200;

/// The value with its texts cut to `room` characters, and how many characters were left out.
pub(crate) fn bounded(value: Value, room: usize) -> (Value, usize) {
    let (mut room, mut left_out) = (room, 0);
    let value = cut(value, &mut room, &mut left_out);
    (value, left_out)
}

fn cut(value: Value, room: &mut usize, left_out: &mut usize) -> Value {
    match value {
        Value::String(text) => {
            let length = text.chars().count();
            if length <= *room {
                *room -= length;
                return Value::String(text);
            }
            let shown = std::mem::take(room);
            let missing = length - shown;
            *left_out += missing;
            let head = shown * HEAD.0 / HEAD.1;
            let tail = length - (shown - head);
            json!({
                "head": text.chars().take(head).collect::<String>(),
                "characters_left_out": missing,
                "tail": text.chars().skip(tail).collect::<String>(),
            })
        }
        Value::Array(values) => {
            let mut shown = Vec::new();
            for (i, value) in values.into_iter().enumerate() {
                if i < ENTRIES {
                    shown.push(cut(value, room, left_out));
                } else {
                    *left_out += value.to_string().chars().count();
                }
            }
            Value::Array(shown)
        }
        Value::Object(fields) => {
            let mut shown = serde_json::Map::new();
            for (i, (name, value)) in fields.into_iter().enumerate() {
                let length = name.chars().count();
                if i < ENTRIES && length <= *room {
                    *room -= length;
                    shown.insert(name, cut(value, room, left_out));
                } else {
                    *left_out += length + value.to_string().chars().count();
                }
            }
            Value::Object(shown)
        }
        value @ (Value::Null | Value::Bool(_) | Value::Number(_)) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_whole_and_what_does_not_keeps_head_and_tail() {
        let whole = json!({ "command": "ls", "env": { "A": "b" }, "n": [1, null, true] });
        assert_eq!(bounded(whole.clone(), SHOWN), (whole, 0));
        let text = format!("first{}last", "x".repeat(SHOWN));
        let (value, left_out) = bounded(json!([text]), SHOWN);
        assert_eq!(left_out, 9);
        assert!(value[0]["head"].as_str().unwrap().starts_with("first"), "{value}");
        assert!(value[0]["tail"].as_str().unwrap().ends_with("last"), "{value}");
        assert_eq!(value[0]["characters_left_out"], 9);
        let shown = |name: &str| value[0][name].as_str().unwrap().chars().count();
        assert_eq!(shown("head") + shown("tail"), SHOWN);
    }

    #[test]
    fn many_short_texts_have_the_same_bound_as_one_long_one() {
        let many: Vec<String> = (0..ENTRIES + 5).map(|_| "y".repeat(SHOWN / 100)).collect();
        let (value, left_out) = bounded(json!(many), SHOWN);
        assert!(value.to_string().len() < SHOWN + ENTRIES * 60, "{}", value.to_string().len());
        assert!(left_out >= SHOWN);
        let names: serde_json::Map<String, Value> =
            (0..1000).map(|i| (format!("V{i}"), Value::Null)).collect();
        assert!(bounded(Value::Object(names), SHOWN).1 > 0, "names that are left out count");
    }
}
