//! The policy from outside: whole actions in, verdicts out.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test that cannot go on fails; clippy takes helpers of tests for production code"
)]

mod bypasses;
mod commands;
mod corpus;
mod everyday;
mod facts;
mod hosts;
mod javascript;
mod known;
mod properties;
mod redteam;
mod steps;
mod written;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use gatepost_domain::action::Action;
use gatepost_domain::action::Exec;
use gatepost_domain::mode::Mode;
use gatepost_domain::verdict::Judgement;
use gatepost_domain::verdict::Verdict;
use gatepost_policy::Context;
use gatepost_policy::Policy;
use gatepost_policy::evaluate;

fn policy() -> &'static Policy {
    static POLICY: OnceLock<Policy> = OnceLock::new();
    POLICY.get_or_init(|| Policy::built_in().unwrap())
}

fn context() -> Context {
    let mut context = Context::new("/workspace", "/home/user", "/workspace");
    context.gate_paths = vec!["/var/lib/gatepost".to_owned()];
    context
}

fn exec(command: &str) -> Action {
    Action::Exec(Exec {
        command: command.to_owned(),
        cwd: "/workspace".to_owned(),
        env: BTreeMap::new(),
    })
}

fn judge(action: &Action, mode: Mode) -> Judgement {
    evaluate(action, &context(), policy(), mode)
}

/// The judgement on a shell command in `auto`.
fn shell(command: &str) -> Judgement {
    judge(&exec(command), Mode::Auto)
}

fn allowed(command: &str) -> bool {
    shell(command).verdict == Verdict::Allow
}

/// Fails with all commands whose being allowed is not as expected.
fn check(commands: &[&str], expect: bool) {
    let wrong: Vec<String> = commands
        .iter()
        .filter(|command| allowed(command) != expect)
        .map(|command| {
            let judged = shell(command);
            format!("{command:?}: {} ({}), {}", judged.verdict, judged.rule, judged.reason)
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
