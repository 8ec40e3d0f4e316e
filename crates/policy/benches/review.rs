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

/// Inputs that are as long as is looked at, or as tangled; none is to take more than 20 ms.
fn worst(c: &mut Criterion) {
    let Ok(policy) = Policy::built_in() else { return };
    let context = Context::new("/workspace", "/home/user", "/workspace");
    // A little less than the longest text, and than the longest code.
    let (text, code) = (250_000, 63_000);
    let long = |piece: &str| piece.repeat(text / piece.len());
    let document = |program: &str, piece: &str, length: usize| {
        format!("{program} <<'E'\n{}E\n", piece.repeat(length / piece.len()))
    };
    let expanded = format!("cat <<E\n{}E\n", long("$a ${b} $(ls)\n"));
    let calls = |line: fn(usize) -> String| (1..40).map(line).collect::<String>();
    let functions = calls(|i| format!("def f{i}(x):\n f{0}(x)\n f{0}(x)\n", i - 1));
    let targets: String = (0..8000).map(|i| format!("t{i}: t{}\n\techo x\n", i + 1)).collect();
    let inputs: Vec<(&str, String)> = vec![
        ("commands", long("a;")),
        ("lines", long("ls\n")),
        ("pipes", long("a|")),
        ("brackets", long("(")),
        ("arguments", format!("rm {}", (0..5900).map(|i| format!("f{i} ")).collect::<String>())),
        ("redirections", long(">b ")),
        ("variables", long("a=b; echo $a; ")),
        ("substitutions", long("echo $(ls); ")),
        ("escapes", long("\\a")),
        ("empty quotes", long("''")),
        ("double quotes", format!("echo \"{}\"", "x ".repeat(text / 2))),
        ("document", document("cat > a.txt", "a line of text that is data\n", text)),
        ("expanded document", expanded),
        ("makefile", format!("cat > Makefile <<'E'\n{targets}E\nmake t0")),
        ("python lines", document("python3", "x = open('a.txt').read()\n", code)),
        ("python errors", document("python3", "def = 1 ) \n", code)),
        ("python brackets", document("python3", "(", code)),
        ("python growing", format!("python3 <<'E'\nx = 'a'\n{}E\n", "x = x + x\n".repeat(6000))),
        ("python calls", format!("python3 <<'E'\ndef f0(x): pass\n{functions}f39(1)\nE\n")),
        ("python shells", document("python3", "import os; os.system('ls')\n", code)),
        ("javascript lines", document("node", "fs.readFileSync('a.txt');\n", code)),
        ("javascript functions", document("node", "(x => x)(1);\n", code)),
        ("javascript blocks", document("node", "{ let a = 'x'; if (a) { a = 'y' } }\n", code)),
        ("javascript classes", document("node", "class A { b(c) { this.d = c } }\n", code)),
        ("javascript broken", document("node", "a b c ]\n", code)),
        ("perl", format!("perl -e '{}'", "print 1;".repeat(code / 8))),
        ("awk", format!("awk '{}'", long("{print $1}"))),
    ];
    let mut group = c.benchmark_group("worst");
    group.sample_size(10);
    for (name, command) in inputs {
        let action =
            Action::Exec(Exec { command, cwd: "/workspace".to_owned(), env: BTreeMap::new() });
        group.bench_function(name, |b| {
            b.iter(|| evaluate(black_box(&action), &context, &policy, Mode::Auto));
        });
    }
    group.finish();
}

criterion_group!(benches, reviews, worst);
criterion_main!(benches);
