//! What must go on working: the tools of everyday. A sandbox that breaks them is switched off.

use crate::support::{World, skip};
use gatepost_sandbox::ExitStatus;

#[tokio::test]
async fn git_commits_in_the_workspace() {
    let world = World::new();
    let sandbox = world.start().await;
    let script = "set -e; git init -q -b main .; git config user.name t; git config user.email t@t; \
                  git add -A; git commit -qm first; echo x >>README; git status --short; \
                  git commit -qam second; git log --oneline | wc -l; git stash list; git fsck";
    let (status, said) = world.sh(&sandbox, script).await;
    assert_eq!(status, ExitStatus::Code(0), "{said}");
    assert!(said.starts_with(" M README\n2\n"), "{said}");
    sandbox.stop().await;
    assert!(!world.project.join(".git").exists());
}

#[tokio::test]
async fn git_takes_a_repository_of_the_projects_owner() {
    let world = World::new();
    let git = |args: &[&str]| {
        let status = std::process::Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t@t", "-C"])
            .arg(&world.project)
            .args(args)
            .env("HOME", "/nonexistent")
            .output();
        assert!(status.unwrap().status.success());
    };
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-qm", "first"]);
    let sandbox = world.start().await;
    let (status, said) = world
        .sh(&sandbox, "git status --short && git -c user.name=t -c user.email=t@t commit -q --allow-empty -m x && git log --oneline | wc -l")
        .await;
    assert_eq!((status, said.as_str()), (ExitStatus::Code(0), "2\n"));
    sandbox.stop().await;
    git(&["rev-parse", "--verify", "-q", "HEAD"]);
}

/// A toolchain that lies in somebody's home is shown by name, and then builds; what it keeps for
/// itself goes to the task's own home.
#[tokio::test]
async fn a_toolchain_that_is_shown_builds_a_project() {
    let asked = std::process::Command::new("rustc").args(["--print", "sysroot"]).output();
    let sysroot = asked.map(|said| String::from_utf8(said.stdout).unwrap().trim().to_owned());
    let sysroot = match sysroot {
        Ok(place) if std::path::Path::new(&place).join("bin/cargo").exists() => place,
        // The tests of another user are run by the same machine's root, who has it.
        _ if std::env::var_os("GATEPOST_TEST_PROBE").is_some() => return,
        _ => return skip("no Rust toolchain can be reached"),
    };
    let world = World::new();
    world.file("Cargo.toml", "[package]\nname = \"built\"\nedition = \"2021\"\n[dependencies]\npart = { path = \"part\" }\n");
    world.file("src/main.rs", "fn main() { println!(\"{}\", part::sum(&[1, 2, 3])); }\n");
    world.file("part/Cargo.toml", "[package]\nname = \"part\"\nedition = \"2021\"\n");
    world.file("part/src/lib.rs", "pub fn sum(of: &[u32]) -> u32 { of.iter().sum() }\n#[test]\nfn sums() { assert_eq!(sum(&[2, 2]), 4); }\n");
    let before = world.snapshot();
    let mut profile = world.profile();
    profile.env.insert("PATH".into(), format!("{sysroot}/bin:/usr/bin:/bin"));
    profile.read_only.push(sysroot.into());
    let sandbox = world.start_with(profile).await;
    let script =
        "cargo run -q --offline && cargo test -q --offline -p part 2>&1 | grep -c '1 passed'";
    let (status, said) = world.sh(&sandbox, script).await;
    assert_eq!((status, said.as_str()), (ExitStatus::Code(0), "6\n1\n"), "{said}");
    sandbox.stop().await;
    assert_eq!(world.snapshot(), before);
}

/// The package manager of node, with a package that lies beside: it links, runs scripts and tests.
#[tokio::test]
async fn npm_installs_and_tests() {
    let world = World::new();
    world.file("package.json", r#"{"name":"app","version":"1.0.0","scripts":{"test":"node t.js"},"dependencies":{"part":"file:part"}}"#);
    world.file("part/package.json", r#"{"name":"part","version":"1.0.0","main":"i.js"}"#);
    world.file("part/i.js", "module.exports = x => x * 2;");
    world.file("t.js", "require('assert').equal(require('part')(21), 42); console.log('tested');");
    let sandbox = world.start().await;
    if !world.sh(&sandbox, "command -v npm").await.0.success() {
        sandbox.stop().await;
        return skip("npm is not installed under /usr");
    }
    let script = "npm install --package-lock-only --offline --silent && npm ci --offline --silent && npm test --silent";
    let (status, said) = world.sh(&sandbox, script).await;
    assert_eq!((status, said.as_str()), (ExitStatus::Code(0), "tested\n"), "{said}");
    sandbox.stop().await;
    assert!(!world.project.join("node_modules").exists());
}

#[tokio::test]
async fn languages_and_builds_work() {
    let world = World::new();
    world.file("Makefile", "all: src/main\n\t./src/main && echo built\n");
    let sandbox = world.start().await;
    let python = "import subprocess, threading, tempfile, sqlite3, multiprocessing as m\n\
                  t = threading.Thread(target=lambda: None); t.start(); t.join()\n\
                  assert subprocess.check_output(['echo', 'x']) == b'x\\n'\n\
                  tempfile.TemporaryFile().write(b'x')\n\
                  sqlite3.connect('db').execute('create table t(a)')\n\
                  print(m.get_context('fork').Pool(2).map(abs, [-1, -2]))";
    let java = "printf 'public class T { public static void main(String[] a) { \
                System.out.println(new int[100 << 20].length); } }' >/tmp/T.java && \
                java /tmp/T.java";
    let wasm = "new WebAssembly.Memory({initial: 1}); const a = []; \
                for (let i = 0; i < 100; i++) a.push(Buffer.alloc(1 << 20)); console.log(a.length)";
    let table: [(&str, &[&str], &str); 11] = [
        ("java", &["sh", "-c", java], "104857600\n"),
        ("node", &["node", "-e", wasm], "100\n"),
        ("cc", &["sh", "-c", "cc -O2 -o /tmp/p src/main.c && /tmp/p && echo linked"], "linked\n"),
        ("python3", &["/usr/bin/python3", "-c", python], "[1, 2]\n"),
        ("perl", &["perl", "-e", "print join ',', map { $_ * 2 } 1..3"], "2,4,6"),
        ("make", &["make", "-s", "-j2"], "built\n"),
        ("node", &["node", "-e", "console.log([1, 2].map(x => x * 2).join())"], "2,4\n"),
        ("sh", &["sh", "-c", "printf 'b\\na\\n' | sort | head -1 | tr a-z A-Z"], "A\n"),
        (
            "bash",
            &["bash", "-c", "cat <(echo sub) && echo ${BASH_VERSION%%.*} | wc -l"],
            "sub\n1\n",
        ),
        ("find", &["sh", "-c", "find . -name '*.c' | xargs grep -c main"], "1\n"),
        (
            "tar",
            &["sh", "-c", "tar cf /tmp/t.tar src && tar tf /tmp/t.tar | grep -c main.c"],
            "1\n",
        ),
    ];
    for (name, argv, expected) in table {
        let here = world.sh(&sandbox, &format!("command -v {name}")).await.0;
        if !here.success() {
            skip(&format!("{name} is not installed under /usr"));
            continue;
        }
        let (status, said) = world.run(&sandbox, argv).await;
        assert_eq!((status, said.as_str()), (ExitStatus::Code(0), expected), "{name}");
    }
    sandbox.stop().await;
}
