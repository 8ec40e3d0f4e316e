//! `gatepost policy import`: the rules people have for other agents, as rules of Gatepost's.
//!
//! INVARIANT (nothing is dropped in silence): every entry of the file becomes a rule that loads, or
//! stands in the list of what was not taken over, with the reason.

use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use gatepost_policy::RuleSet;
use gatepost_policy::Tier;
use serde::Serialize;

use super::visible;
use crate::cli::RulesOf;
use crate::failure::Failure;
use crate::out;

mod claude;
mod codex;
mod gemini;
mod starlark;

/// What came of a file.
#[derive(Debug, Default)]
struct Import {
    rules: Vec<Imported>,
    left: Vec<Left>,
}

/// A rule as a file of Gatepost's holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Imported {
    rule: String,
    verdict: &'static str,
    reason: String,
    #[serde(rename = "match", skip_serializing_if = "Vec::is_empty")]
    matches: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_match: Vec<String>,
}

/// What was not taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Left {
    /// The entry, as it can be found in the file.
    what: String,
    /// Why, and what to do instead.
    why: String,
}

#[derive(Serialize)]
struct File<'a> {
    rule: &'a [Imported],
}

/// Runs the command.
pub(super) fn import(path: &Path, from: Option<RulesOf>) -> Result<ExitCode> {
    let text = super::text(path)?;
    let shown = path.display().to_string();
    let from = from.or_else(|| by_name(path)).ok_or_else(|| {
        Failure::new(format!("whose rules `{shown}` holds cannot be told from its name"))
            .hint("say so with `--from claude`, `--from codex` or `--from gemini`")
    })?;
    let wrong = |why: String| {
        Failure::new(format!("{shown}: {why}"))
            .hint("name the file of rules itself; `--from` says whose it is")
    };
    let import = match from {
        RulesOf::Claude => claude::read(&text, path),
        RulesOf::Codex => codex::read(&text),
        RulesOf::Gemini => gemini::read(&text),
    }
    .map_err(wrong)?;
    out::print(&import.toml(&shown)?);
    for Left { what, why } in &import.left {
        out::note(&format!("not taken over: {}: {}\n", visible(what), visible(why)));
    }
    out::note(&format!(
        "{} rules, {} entries not taken over; put them into the file that `[policy] rules` names\n",
        import.rules.len(),
        import.left.len()
    ));
    Ok(ExitCode::SUCCESS)
}

fn by_name(path: &Path) -> Option<RulesOf> {
    Some(match path.extension()?.to_str()? {
        "json" => RulesOf::Claude,
        "rules" | "codexpolicy" => RulesOf::Codex,
        "toml" => RulesOf::Gemini,
        _ => return None,
    })
}

impl Import {
    /// Takes a rule over if it loads as it is. Examples that Gatepost sees otherwise are left.
    fn take(&mut self, what: &str, rule: Imported) {
        let bare = Imported { matches: Vec::new(), not_match: Vec::new(), ..rule.clone() };
        match (loads(&rule), loads(&bare)) {
            (Ok(()), _) => self.add(rule),
            (Err(why), Ok(())) => {
                self.leave(&format!("the examples of {what}"), &why);
                self.add(bare);
            }
            (Err(_), Err(why)) => self.leave(what, &why),
        }
    }

    fn add(&mut self, rule: Imported) {
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
        }
    }

    fn leave(&mut self, what: &str, why: &str) {
        self.left.push(Left { what: what.to_owned(), why: why.to_owned() });
    }

    /// A file of rules, with what was not taken over as comments.
    fn toml(&self, origin: &str) -> Result<String> {
        let mut text = format!("# Rules taken over from {}.\n", comment(origin));
        for Left { what, why } in &self.left {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "# not taken over: {}: {}", comment(what), comment(why));
        }
        if !self.rules.is_empty() {
            text.push('\n');
            text.push_str(&toml::to_string(&File { rule: &self.rules })?);
        }
        Ok(text)
    }
}

/// Whether a rule is one for Gatepost; if not, why.
fn loads(rule: &Imported) -> Result<(), String> {
    let text = toml::to_string(&File { rule: std::slice::from_ref(rule) })
        .map_err(|error| error.to_string())?;
    RuleSet::load(Tier::User, &text, "imported").map(drop).map_err(|error| error.problem)
}

/// Text that stays one comment.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
