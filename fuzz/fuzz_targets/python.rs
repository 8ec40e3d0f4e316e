//! Any text as Python: it is judged, and soon.
#![no_main]

use gatepost_domain::action::Action;
use gatepost_policy::ActionFacts;
use gatepost_policy::Context;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|command: String| {
    let context = Context::new("/workspace", "/home/user", "/workspace");
    let _ = ActionFacts::of(&Action::Python { command }, &context);
});
