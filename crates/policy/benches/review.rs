//! How long one decision takes, in a warm process.

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::Criterion;
use criterion::criterion_group;
use criterion::criterion_main;
use gatepost_domain::action::Action;
use gatepost_domain::action::Exec;
use gatepost_domain::mode::Mode;
use gatepost_policy::Context;
use gatepost_policy::Policy;
use gatepost_policy::evaluate;

fn reviews(c: &mut Criterion) {
    let Ok(policy) = Policy::built_in() else { return };
    let context = Context::new("/workspace", "/home/user", "/workspace");
    let heredoc = format!("cat > notes.md <<'E'\n{}E\n", "a line of text\n".repeat(270));
    for (name, command) in [
        ("short", "ls -la src"),
        ("pipeline", "cd src && grep -rn 'fn ' . | sort | uniq -c | head -20 > /tmp/out.txt"),
        ("nested", "for f in *.rs; do bash -c \"echo $(wc -l < $f)\" | xargs -I{} echo {}; done"),
        ("asked", "git push origin main && curl -d @x https://example.org"),
        ("heredoc-4k", heredoc.as_str()),
    ] {
        let action = Action::Exec(Exec {
            command: command.to_owned(),
            cwd: "/workspace".to_owned(),
            env: BTreeMap::new(),
        });
        c.bench_function(name, |b| {
            b.iter(|| evaluate(black_box(&action), &context, &policy, Mode::Auto));
        });
    }
}

criterion_group!(benches, reviews);
criterion_main!(benches);
