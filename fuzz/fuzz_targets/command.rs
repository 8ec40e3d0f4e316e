//! Any text as a shell command: it is judged, and what is not understood is not allowed.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use gatepost_domain::action::Action;
use gatepost_domain::action::Exec;
use gatepost_domain::mode::Mode;
use gatepost_domain::verdict::Verdict;
use gatepost_policy::ActionFacts;
use gatepost_policy::Context;
use gatepost_policy::Policy;
use gatepost_policy::evaluate;
use gatepost_policy::facts::Kind;
use libfuzzer_sys::fuzz_target;

static POLICY: LazyLock<Policy> =
    LazyLock::new(|| Policy::built_in().expect("the rules of Gatepost load"));

fuzz_target!(init: {
    // The shell's parser breaks down over a few broken texts, which is caught where it is called. The
    // fuzzer's own hook would end at those; what nobody catches ends it still.
    std::panic::set_hook(Box::new(|_| {}));
}, |command: String| {
    let context = Context::new("/workspace", "/home/user", "/workspace");
    let action = Action::Exec(Exec { command, cwd: "/workspace".into(), env: BTreeMap::new() });
    let judged = evaluate(&action, &context, &POLICY, Mode::Auto);
    let kind = ActionFacts::of(&action, &context).kind();
    assert!(kind < Kind::Open || judged.verdict != Verdict::Allow, "{judged:?}");
});
