//! Which crate may use which. This table is the one place where it is written down for machines;
//! ARCHITECTURE.md says the same to people.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;
use serde_json::Value;

use crate::run::cargo;
use crate::run::output;
use crate::run::say;

/// Each crate with the crates of the workspace it may use.
const ALLOWED: [(&str, &[&str]); 17] = [
    ("gatepost-domain", &[]),
    ("gatepost-policy", &["gatepost-domain"]),
    ("gatepost-gate", &["gatepost-domain", "gatepost-policy", "gatepost-models"]),
    ("gatepost-sandbox", &["gatepost-domain"]),
    ("gatepost-models", &["gatepost-domain"]),
    ("gatepost-agents", &["gatepost-domain", "gatepost-models"]),
    (
        "gatepost-worker",
        &[
            "gatepost-domain",
            "gatepost-gate",
            "gatepost-sandbox",
            "gatepost-agents",
            "gatepost-models",
        ],
    ),
    ("gatepost-journal", &["gatepost-domain"]),
    ("gatepost-hub", &["gatepost-domain", "gatepost-journal"]),
    ("gatepost-chat", &["gatepost-domain"]),
    ("gatepost-desk", &["gatepost-domain", "gatepost-chat"]),
    ("gatepost-console", &["gatepost-domain", "gatepost-chat"]),
    ("gatepost-discord", &["gatepost-domain", "gatepost-chat", "gatepost-desk"]),
    ("gatepost-telegram", &["gatepost-domain", "gatepost-chat", "gatepost-desk"]),
    (
        "gatepost",
        &[
            "gatepost-domain",
            "gatepost-policy",
            "gatepost-gate",
            "gatepost-sandbox",
            "gatepost-agents",
            "gatepost-models",
            "gatepost-worker",
            "gatepost-journal",
            "gatepost-hub",
            "gatepost-chat",
            "gatepost-console",
            "gatepost-desk",
            "gatepost-discord",
            "gatepost-telegram",
        ],
    ),
    ("gatepost-e2e", &[]),
    ("xtask", &[]),
];

/// Crates that only one crate may name, and why.
const ONLY: [(&str, &str, &str); 5] = [
    ("teloxide", "gatepost-telegram", "a platform's library stays at the edge"),
    ("serenity", "gatepost-discord", "a platform's library stays at the edge"),
    ("tokio-tungstenite", "gatepost-discord", "a platform's connection stays at the edge"),
    ("sled", "gatepost-journal", "the views can be replaced as long as nobody else knows them"),
    ("brush-parser", "gatepost-policy", "there is one reading of shell text, not two"),
];

/// Crates that bring a clock, randomness, files or sockets; the pure crates use none of them.
const IMPURE: [&str; 6] = ["tokio", "getrandom", "rand", "rustix", "libc", "reqwest"];
const PURE: [&str; 3] = ["gatepost-domain", "gatepost-policy", "gatepost-chat"];

/// Reads `cargo metadata` and refuses every other arrow.
pub(crate) fn check(root: &Path) -> Result<()> {
    let text =
        output(&mut cargo(root, &["metadata", "--format-version", "1", "--no-deps", "--locked"]))?;
    let wrong = wrong(&serde_json::from_str(&text)?)?;
    if wrong.is_empty() {
        say("arrows between crates: right");
        return Ok(());
    }
    bail!("arrows between crates:\n  {}", wrong.join("\n  "))
}

fn wrong(metadata: &Value) -> Result<Vec<String>> {
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ALLOWED.into_iter().map(|(name, uses)| (name, uses.iter().copied().collect())).collect();
    let packages = metadata.get("packages").and_then(Value::as_array);
    let packages = packages.context("cargo lists no packages")?;
    let ours: BTreeSet<&str> = packages.iter().filter_map(name).collect();
    let mut wrong = Vec::new();
    for package in packages {
        let Some(name) = name(package) else { continue };
        let Some(may) = allowed.get(name) else {
            wrong.push(format!("`{name}` is not in the table; add it in xtask/src/arrows.rs"));
            continue;
        };
        for used in dependencies(package) {
            if ours.contains(used) && !may.contains(used) {
                wrong.push(format!("`{name}` may not use `{used}`"));
            }
            if PURE.contains(&name) && IMPURE.contains(&used) {
                wrong.push(format!("`{name}` is pure and may not use `{used}`"));
            }
            for (only, by, why) in ONLY {
                if used == only && name != by {
                    wrong.push(format!("`{name}` may not use `{only}`; only `{by}` may: {why}"));
                }
            }
        }
    }
    Ok(wrong)
}

fn name(package: &Value) -> Option<&str> {
    package.get("name")?.as_str()
}

/// What a package uses when it runs; what its tests use is no arrow.
fn dependencies(package: &Value) -> impl Iterator<Item = &str> {
    package
        .get("dependencies")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|dependency| dependency.get("kind").is_some_and(Value::is_null))
        .filter_map(name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata(name: &str, uses: &str) -> Value {
        json!({ "packages": [
            { "name": name, "dependencies": [{ "name": uses, "kind": null }] },
            { "name": "gatepost-hub", "dependencies": [] },
        ]})
    }

    #[test]
    fn a_wrong_arrow_is_found() {
        for (name, uses) in [
            ("gatepost-domain", "gatepost-hub"),
            ("gatepost-console", "gatepost-hub"),
            ("gatepost-hub", "sled"),
            ("gatepost-chat", "tokio"),
            ("newcomer", "serde"),
        ] {
            assert_eq!(wrong(&metadata(name, uses)).unwrap().len(), 1, "{name} → {uses}");
        }
        assert_eq!(wrong(&metadata("gatepost", "gatepost-hub")).unwrap().len(), 0);
        assert_eq!(wrong(&metadata("gatepost-journal", "sled")).unwrap().len(), 0);
    }
}
