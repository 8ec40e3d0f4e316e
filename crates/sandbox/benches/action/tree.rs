//! What copy-on-write and confinement cost where many files are read: the same commands on the same
//! tree outside and inside, in turns.

use crate::{PROGRAM, inside, plain, ratio, show};
use gatepost_sandbox::{Profile, Sandbox, deliver};
use std::path::Path;

/// Files of the tree, in directories of a hundred.
const FILES: usize = 20_000;
/// C files of the build.
const SOURCES: usize = 40;
/// Runs of each kind after the first, which pays for caches and git's index on both sides.
const RUNS: usize = 9;

fn make(project: &Path) {
    for n in 0..FILES {
        let dir = project.join(format!("d{}", n / 100));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join(format!("f{n}")), format!("line {n}\n").repeat(20)).unwrap();
    }
    let mut rules = "all: $(patsubst %.c,%.o,$(wildcard c/*.c))\n".to_owned();
    rules.push_str("c/%.o: c/%.c\n\tcc -O1 -c -o $@ $<\n");
    std::fs::write(project.join("Makefile"), rules).unwrap();
    std::fs::create_dir(project.join("c")).unwrap();
    for n in 0..SOURCES {
        let text = format!("#include <stdio.h>\nint f{n}(int x) {{ return printf(\"%d\", x); }}\n");
        std::fs::write(project.join(format!("c/s{n}.c")), text).unwrap();
    }
    std::fs::write(project.join(".gitignore"), "*.o\n").unwrap();
    for args in ["init -q", "add -A", "-c user.name=t -c user.email=t@t commit -qm first"] {
        let mut argv = vec!["git"];
        argv.extend(args.split(' '));
        plain(project, &argv);
    }
}

pub(crate) async fn bench(root: &Path) {
    let project = root.join("tree");
    std::fs::create_dir(&project).unwrap();
    make(&project);
    let storage = root.join("tree-storage");
    let profile = Profile::new(&project, &storage);
    let sandbox = Sandbox::start_with(profile, Path::new(PROGRAM)).await.unwrap();
    let cases: [(&str, &[&str]); 3] = [
        ("git status", &["git", "status", "--short"]),
        ("grep -r", &["grep", "-rc", "line 19999", "--include=f1999*", "."]),
        ("make -B -j2", &["make", "-s", "-B", "-j2"]),
    ];
    for (name, argv) in cases {
        plain(&project, argv);
        inside(&sandbox, &project, argv).await;
        let (mut free, mut confined) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            free.push(plain(&project, argv));
            confined.push(inside(&sandbox, &project, argv).await);
        }
        let free = show(&format!("{name} of {FILES} files, outside"), &mut free);
        let confined = show(&format!("{name} of {FILES} files, inside"), &mut confined);
        ratio("  to outside", confined, free);
    }
    sandbox.stop().await;
    deliver::discard(&storage).unwrap();
}
