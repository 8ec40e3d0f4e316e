//! Any text as a file that the task wrote, and as a makefile and a package, when it runs.
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
}, |content: String| {
    let mut context = Context::new("/workspace", "/home/user", "/workspace");
    for path in ["a.sh", "a.py", "a.ts", "Makefile", "package.json"] {
        let action = Action::Write { path: path.into(), content: content.clone() };
        let facts = ActionFacts::of(&action, &context);
        context.written.note(&facts);
    }
    let command = "sh a.sh; python3 a.py; bun run a.ts; make; npm test".to_owned();
    let action = Action::Exec(Exec { command, cwd: "/workspace".into(), env: BTreeMap::new() });
    let _ = ActionFacts::of(&action, &context);
});
