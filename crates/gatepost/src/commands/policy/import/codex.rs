//! Rules of Codex: calls of `prefix_rule` in a file of Starlark.

use super::Import;
use super::Imported;
use super::starlark;
use super::starlark::Call;
use super::starlark::Value;

/// So many rules may come of one with alternatives.
const MOST: usize = 64;

/// Reads the file.
///
/// # Errors
/// Never; what is not understood is left.
pub(super) fn read(text: &str) -> Result<Import, String> {
    let mut import = Import::default();
    for statement in starlark::statements(text) {
        match statement {
            Ok(call) if call.name == "prefix_rule" => prefix(&mut import, &call),
            Ok(call) => {
                let why = match call.name.as_str() {
                    "host_executable" => {
                        "a program counts here by its name where it lies in the system's own \
                         directories, and by its whole path elsewhere"
                    }
                    "network_rule" => {
                        "hosts are named in `[egress]`, or in a rule `WebFetch(domain:…)`"
                    }
                    _ => "there is no such call here",
                };
                import.leave(&format!("line {}: `{}`", call.line, call.name), why);
            }
            Err(wrong) => import.leave(&format!("line {}", wrong.line), &wrong.why),
        }
    }
    Ok(import)
}

fn prefix(import: &mut Import, call: &Call) {
    let what = format!("line {}: `prefix_rule`", call.line);
    match rules(call) {
        Ok(rules) => {
            for rule in rules {
                import.take(&format!("{what} for `{}`", rule.rule), rule);
            }
        }
        Err(why) => import.leave(&what, &why),
    }
}

fn rules(call: &Call) -> Result<Vec<Imported>, String> {
    let known = ["pattern", "decision", "justification", "match", "not_match"];
    if let Some((name, _)) = call.arguments.iter().find(|(name, _)| !known.contains(&&**name)) {
        return Err(format!("its `{name}` is not known"));
    }
    let text = |name: &str| match call.argument(name) {
        None => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text.as_str())),
        Some(Value::List(_)) => Err(format!("its `{name}` is no text")),
    };
    let verdict = match text("decision")? {
        None | Some("allow") => "allow",
        Some("prompt") => "ask",
        Some("forbidden") => "deny",
        Some(other) => return Err(format!("its decision `{other}` is not known")),
    };
    let reason = text("justification")?.map(str::trim).filter(|reason| !reason.is_empty());
    let reason = reason.unwrap_or("taken over from Codex's rules");
    let Some(Value::List(pattern)) = call.argument("pattern") else {
        return Err("its `pattern` is no list".to_owned());
    };
    let (matches, not_match) = (examples(call, "match")?, examples(call, "not_match")?);
    let choices = spread(pattern)?;
    let of = |example: &str, words: &[String]| {
        begins(example, words) || !choices.iter().any(|other| begins(example, other))
    };
    let rules = choices.iter().map(|words| Imported {
        rule: format!("Bash({}:*)", words.join(" ")),
        verdict,
        reason: reason.to_owned(),
        // Of a rule with alternatives, each example is one of a single choice. One of none is kept
        // with all of them, where it is told not to hold.
        matches: matches.iter().filter(|example| of(example, words)).cloned().collect(),
        not_match: not_match.clone(),
    });
    Ok(rules.collect())
}

/// Every choice of one word for each place.
fn spread(pattern: &[Value]) -> Result<Vec<Vec<String>>, String> {
    let mut choices: Vec<Vec<String>> = vec![Vec::new()];
    for place in pattern {
        let words = match place {
            Value::Text(word) => vec![word],
            Value::List(words) => words
                .iter()
                .map(|word| match word {
                    Value::Text(word) => Ok(word),
                    Value::List(_) => Err("its `pattern` has a list in a list in a list"),
                })
                .collect::<Result<_, _>>()?,
        };
        for word in &words {
            let plain = |c: char| c.is_alphanumeric() || "-_./+=@,%~:".contains(c);
            if word.is_empty() || !word.chars().all(plain) || word.ends_with(':') {
                return Err(format!("the word `{word}` cannot be written in a rule"));
            }
        }
        choices = choices
            .iter()
            .flat_map(|before| {
                words.iter().map(move |word| {
                    before.iter().cloned().chain(std::iter::once((*word).clone())).collect()
                })
            })
            .collect();
        if choices.len() > MOST {
            return Err(format!("it stands for more than {MOST} rules; write them out"));
        }
    }
    match choices.first() {
        Some(first) if !first.is_empty() => Ok(choices),
        Some(_) | None => Err("its `pattern` is empty".to_owned()),
    }
}

/// Examples as commands.
fn examples(call: &Call, name: &str) -> Result<Vec<String>, String> {
    let wrong = || format!("its `{name}` is no list of commands");
    match call.argument(name) {
        None => Ok(Vec::new()),
        Some(Value::Text(_)) => Err(wrong()),
        Some(Value::List(examples)) => examples
            .iter()
            .map(|example| match example {
                Value::Text(command) => Ok(command.clone()),
                Value::List(words) => words
                    .iter()
                    .map(|word| match word {
                        Value::Text(word) => Ok(quoted(word)),
                        Value::List(_) => Err(wrong()),
                    })
                    .collect::<Result<Vec<_>, _>>()
                    .map(|words| words.join(" ")),
            })
            .collect(),
    }
}

/// One word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./+=@,%:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn begins(command: &str, words: &[String]) -> bool {
    let mut at = command.split_whitespace();
    words.iter().all(|word| at.next() == Some(word))
}
