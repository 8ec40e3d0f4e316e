//! The text and list functions of languages, on values that are known.

use super::library::Given;
use super::value::Value;
use crate::paths::ATOM;
use crate::paths::UNKNOWN;

/// The directory that holds a path.
pub(super) fn parent(path: &str) -> String {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", _)) => "/".to_owned(),
        Some((head, _)) => head.to_owned(),
        None if path.contains(UNKNOWN) => UNKNOWN.to_string(),
        None => ".".to_owned(),
    }
}

/// The last part of a path.
pub(super) fn last(path: &str) -> String {
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    // The last part of what is not known is a bare name all the same.
    name.replace(UNKNOWN, &ATOM.to_string())
}

/// The text of numbers that are characters.
pub(super) fn characters(numbers: &[Value]) -> Value {
    let text: Option<String> = numbers
        .iter()
        .map(|one| match one {
            Value::Number(number) => u32::try_from(*number).ok().and_then(char::from_u32),
            _ => None,
        })
        .collect();
    text.map_or(Value::Hidden, Value::Text)
}

/// A text decoded; one that cannot be is hidden, and data stays data.
pub(super) fn decoded(value: &Value, how: impl Fn(&str) -> Option<Vec<u8>>) -> Value {
    match value {
        Value::Text(text) if text.contains([UNKNOWN, ATOM]) => Value::Unknown,
        Value::Text(text) => {
            let bytes = how(text).and_then(|bytes| String::from_utf8(bytes).ok());
            bytes.map_or(Value::Hidden, Value::Text)
        }
        Value::Unknown | Value::Content(_) | Value::Plain => Value::Unknown,
        _ => Value::Hidden,
    }
}

/// Base64, of either alphabet.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut bits, mut count) = (0u32, 0);
    for c in text.bytes().filter(|c| !c.is_ascii_whitespace() && *c != b'=') {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    Some(out)
}

/// Hexadecimal digits.
pub(crate) fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != ':')
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()?;
    digits
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(high * 16 + low).ok(),
            _ => None,
        })
        .collect()
}

/// A method of a text, a list or a map.
pub(super) fn method(object: &Value, method: &str, given: &Given) -> Value {
    match object {
        Value::Text(text) => text_method(text, method, given),
        Value::Map(entries) => match method {
            "get" | "pop" | "setdefault" => {
                let found = given.placed.first().map(|key| object.element(key));
                let other = given.placed.get(1).cloned();
                match (found, other) {
                    (Some(found), Some(other)) => found.or(other),
                    (Some(found), None) => found,
                    (None, _) => Value::Unknown,
                }
            }
            "keys" => Value::List(entries.keys().cloned().map(Value::Text).collect()),
            "values" => Value::List(entries.values().cloned().collect()),
            "items" | "entries" => Value::List(
                entries
                    .iter()
                    .map(|(key, value)| Value::List(vec![Value::Text(key.clone()), value.clone()]))
                    .collect(),
            ),
            "copy" => object.clone(),
            _ => Value::Unknown,
        },
        Value::List(all) => match method {
            "join" => {
                let between = given.placed.first().cloned();
                let between = between.unwrap_or(Value::Text(",".to_owned()));
                joined(all, &between)
            }
            "reverse" | "toReversed" => object.reversed(),
            "copy" | "filter" | "sort" | "flat" => object.clone(),
            "concat" => match given.placed.as_slice() {
                [Value::List(more)] => Value::List(all.iter().chain(more).cloned().collect()),
                _ => Value::Unknown,
            },
            "pop" | "shift" | "find" | "at" => {
                all.iter().cloned().reduce(Value::or).unwrap_or(Value::Unknown)
            }
            _ => Value::Unknown,
        },
        Value::Many(one) => match method {
            "pop" | "shift" | "find" | "at" => (**one).clone(),
            "copy" | "filter" | "sort" | "reverse" | "slice" => object.clone(),
            "join" => many_joined(one),
            _ => Value::Unknown,
        },
        _ => Value::Unknown,
    }
}

/// Texts with another between them.
fn joined(all: &[Value], between: &Value) -> Value {
    let mut parts = Vec::new();
    for (at, one) in all.iter().enumerate() {
        if at > 0 {
            parts.push(between.clone());
        }
        parts.push(one.clone());
    }
    Value::glued(&parts)
}

/// The longest text that is made by filling up or repeating another.
const MOST_FILLED: usize = 1000;

/// A text filled up to a width, or repeated.
fn padded(text: &str, method: &str, width: i64, fill: &str) -> Value {
    let Ok(width) = usize::try_from(width) else { return Value::Hidden };
    if width > MOST_FILLED || method == "repeat" && width * text.len() > MOST_FILLED {
        return Value::Hidden;
    }
    let missing = width.saturating_sub(text.chars().count());
    let filling: String = fill.chars().cycle().take(missing).collect();
    Value::Text(match method {
        "repeat" => text.repeat(width),
        "padEnd" | "ljust" => format!("{text}{filling}"),
        _ => format!("{filling}{text}"),
    })
}

/// Any number of texts one after another. Of data that is data; of texts that stand in the code it
/// is one that the code does not show.
fn many_joined(one: &Value) -> Value {
    let shown = one.choices().iter().any(|one| one.known().is_some());
    if shown || one.is_hidden() { Value::Hidden } else { Value::Unknown }
}

fn text_method(text: &str, method: &str, given: &Given) -> Value {
    let known = !text.contains([UNKNOWN, ATOM]);
    let argument = |at: usize| given.placed.get(at).and_then(Value::known);
    let whole = Value::Text(text.to_owned());
    match method {
        // These leave unknown parts where they are.
        "toString" => match (given.placed.first(), argument(0)) {
            (None, _) | (_, Some("utf8" | "utf-8" | "ascii")) => whole,
            _ => Value::Hidden,
        },
        "encode" | "decode" | "valueOf" => match argument(0) {
            Some("hex") if method == "decode" => decoded(&whole, hex),
            Some("rot13" | "rot_13") => Value::Hidden,
            _ => whole,
        },
        "strip" | "trim" if given.placed.is_empty() => Value::Text(text.trim().to_owned()),
        "rstrip" | "trimEnd" => {
            let ends: Vec<char> = argument(0).unwrap_or(" \n\t").chars().collect();
            Value::Text(text.trim_end_matches(ends.as_slice()).to_owned())
        }
        "lstrip" | "trimStart" => {
            let ends: Vec<char> = argument(0).unwrap_or(" \n\t").chars().collect();
            Value::Text(text.trim_start_matches(ends.as_slice()).to_owned())
        }
        "lower" | "toLowerCase" | "casefold" => Value::Text(text.to_lowercase()),
        "upper" | "toUpperCase" => Value::Text(text.to_uppercase()),
        "concat" => {
            let mut parts = vec![whole];
            parts.extend(given.placed.iter().cloned());
            Value::glued(&parts)
        }
        "join" => match given.placed.first() {
            Some(Value::List(all)) => joined(all, &whole),
            Some(Value::Hidden) => Value::Hidden,
            Some(Value::Text(one)) if text.is_empty() => Value::Text(one.clone()),
            Some(Value::Many(one)) => many_joined(one),
            _ => Value::Unknown,
        },
        "format" => formatted(text, given),
        "replace" | "replaceAll" if known => match (argument(0), argument(1)) {
            (Some(from), Some(to)) if !from.is_empty() => Value::Text(text.replace(from, to)),
            _ => Value::Unknown,
        },
        "removeprefix" if known => match argument(0) {
            Some(start) => Value::Text(text.strip_prefix(start).unwrap_or(text).to_owned()),
            None => Value::Unknown,
        },
        "removesuffix" if known => match argument(0) {
            Some(end) => Value::Text(text.strip_suffix(end).unwrap_or(text).to_owned()),
            None => Value::Unknown,
        },
        "split" if known => match (argument(0), given.placed.is_empty()) {
            (Some(""), _) => {
                Value::List(text.chars().map(|c| Value::Text(c.to_string())).collect())
            }
            (Some(by), _) => list(text.split(by)),
            (None, true) => list(text.split_whitespace()),
            (None, false) => Value::Unknown,
        },
        "splitlines" if known => list(text.lines()),
        "repeat" | "padStart" | "padEnd" | "zfill" | "ljust" | "rjust" if known => {
            let fill = if method == "zfill" { Some("0") } else { argument(1).or(Some(" ")) };
            match (given.placed.first(), fill) {
                (Some(Value::Number(width)), Some(fill)) => padded(text, method, *width, fill),
                _ => Value::Hidden,
            }
        }
        "center" if known => Value::Hidden,
        "translate" => Value::Hidden,
        "slice" | "substring" | "substr" | "charAt" | "at" if known => {
            let number = |at: usize| match given.placed.get(at) {
                Some(Value::Number(number)) => Ok(Some(*number)),
                None => Ok(None),
                Some(_) => Err(()),
            };
            match (method, number(0), number(1)) {
                ("charAt" | "at", Ok(Some(at)), _) => whole.element(&Value::Number(at)),
                ("substr", Ok(Some(from)), Ok(count)) => {
                    whole.slice(Some(from), count.map(|count| from + count))
                }
                (_, Ok(from), Ok(to)) => whole.slice(from, to),
                _ => Value::Unknown,
            }
        }
        "startswith" | "endswith" | "startsWith" | "endsWith" | "includes" | "find" | "index"
        | "indexOf" | "count" | "isdigit" | "isalpha" | "charCodeAt" | "localeCompare" => {
            Value::Plain
        }
        _ => Value::Unknown,
    }
}

/// `'{}/{}'.format(a, b)`, with what stands in the braces by place or by name.
fn formatted(text: &str, given: &Given) -> Value {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut next = 0;
    while let Some((before, after)) = rest.split_once('{') {
        parts.push(Value::Text(before.to_owned()));
        if let Some(plain) = after.strip_prefix('{') {
            parts.push(Value::Text("{".to_owned()));
            rest = plain;
            continue;
        }
        let Some((field, tail)) = after.split_once('}') else { return Value::Unknown };
        let value = if field.is_empty() {
            next += 1;
            given.placed.get(next - 1).cloned()
        } else if let Ok(at) = field.parse::<usize>() {
            given.placed.get(at).cloned()
        } else {
            given.named.iter().find(|(name, _)| name == field).map(|(_, value)| value.clone())
        };
        parts.push(value.unwrap_or(Value::Unknown));
        rest = tail;
    }
    parts.push(Value::Text(rest.to_owned()));
    Value::glued(&parts)
}

fn list<'a>(parts: impl Iterator<Item = &'a str>) -> Value {
    Value::List(parts.map(|part| Value::Text(part.to_owned())).collect())
}
