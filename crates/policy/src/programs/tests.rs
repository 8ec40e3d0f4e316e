//! The table's examples hold, in `auto` with no rules.

use std::collections::BTreeMap;

use gatepost_domain::action::Action;
use gatepost_domain::action::Exec;

use super::*;
use crate::facts::ActionFacts;
use crate::facts::Context;

fn allowed(command: &str) -> bool {
    let action = Action::Exec(Exec {
        command: command.into(),
        cwd: "/workspace".into(),
        env: BTreeMap::new(),
    });
    let facts = ActionFacts::of(&action, &Context::new("/workspace", "/home/user", "/workspace"));
    facts.kind() <= Kind::Contained
}

#[test]
fn every_example_of_the_table_holds() {
    let mut wrong = Vec::new();
    for (file, text) in TABLES {
        let table: Table = toml::from_str(text).unwrap_or_else(|e| panic!("{file}: {e}"));
        for row in table.program {
            assert!(
                !(row.reason.is_empty() || row.matches.is_empty() && row.not_match.is_empty()),
                "{file}: {:?}",
                row.names
            );
            wrong.extend(
                row.matches
                    .iter()
                    .filter(|c| !allowed(c))
                    .map(|c| format!("should be allowed: {c}")),
            );
            wrong.extend(
                row.not_match.iter().filter(|c| allowed(c)).map(|c| format!("should not be: {c}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
