//! Any text as JavaScript: it is judged, and soon.
#![no_main]

use std::collections::BTreeMap;

use gatepost_domain::action::Action;
use gatepost_domain::action::Exec;
use gatepost_policy::ActionFacts;
use gatepost_policy::Context;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: {
    // The shell's parser breaks down over a few broken texts, which is caught where it is called. The
    // fuzzer's own hook would end at those; what nobody catches ends it still.
    std::panic::set_hook(Box::new(|_| {}));
}, |code: String| {
    let context = Context::new("/workspace", "/home/user", "/workspace");
    let command = format!("node <<'GATEPOST_END'\n{code}\nGATEPOST_END\n");
    let action = Action::Exec(Exec { command, cwd: "/workspace".into(), env: BTreeMap::new() });
    let _ = ActionFacts::of(&action, &context);
});
