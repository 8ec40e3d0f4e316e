//! Serves the page with tasks in every state and no worker, for whoever works on its looks.

use std::time::Duration;

use gatepost_console::ConsoleKey;
use gatepost_domain::changes::Base;
use gatepost_domain::changes::Change;
use gatepost_domain::changes::ChangeKind;
use gatepost_domain::changes::ChangeSet;
use gatepost_domain::dispatch::Report;
use gatepost_domain::id::TaskId;
use gatepost_domain::outcome::Outcome;
use gatepost_domain::outcome::Reason;
use tokio_util::sync::CancellationToken;

#[path = "../tests/it/fake.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod fake;

const DIFF: &str = "diff --git a/log.txt b/log.txt\nnew file mode 100644\n--- /dev/null\n\
    +++ b/log.txt\n@@ -0,0 +1,2 @@\n+one\n+two\ndiff --git a/src/main.rs b/src/main.rs\n\
    --- a/src/main.rs\n+++ b/src/main.rs\n@@ -1,3 +1,3 @@\n fn main() {\n-    println!(\"hi\");\n\
    +    println!(\"a rather longer greeting that does not fit on one line of a phone\");\n }\n";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen = std::env::args().nth(2).unwrap_or_else(|| "127.0.0.1:0".into());
    let listener = tokio::net::TcpListener::bind(listen).await?;
    let key = ConsoleKey::from_entropy([7; 32]);
    std::fs::write(
        std::env::args().nth(1).ok_or("name a file for the link")?,
        key.link(listener.local_addr()?),
    )?;
    let hub = fake::FakeHub::new();
    let done = hub.running("$ cargo build --workspace\n$ echo two >> log.txt");
    hub.step(&done, "cargo build --workspace", 0, "   Compiling demo v0.1.0\n    Finished\n");
    hub.step(&done, "echo two >> log.txt", 0, "");
    finish(&hub, &done, Outcome::Succeeded, Reason::Completed);
    let failed = hub.running("Make the tests green again, and say what was wrong");
    hub.step(&failed, "cargo test", 101, "test result: FAILED. 3 passed; 1 failed\n");
    let reason = Reason::StepFailed { command: "cargo test".into(), how: "exit 101".into() };
    finish(&hub, &failed, Outcome::Failed, reason);
    let asks = hub.running("$ echo one > log.txt\n$ install -m 755 hook .git/hooks/pre-commit");
    hub.step(&asks, "echo one > log.txt", 0, "");
    hub.ask(
        &asks,
        "install -m 755 hook .git/hooks/pre-commit && \\\n  echo \u{202e}gnihtemos && \
         GITHUB_TOKEN=ghp_0123456789abcdef0123456789abcdef0123 git push --force origin main",
    );
    let runs = hub.running("Tidy up the README ❤️");
    hub.step(&runs, "cat README.md", 0, "# Demo\n");
    tokio::select! {
        served = gatepost_console::serve(listener, hub, key, CancellationToken::new()) => served?,
        () = tokio::time::sleep(Duration::from_secs(3600)) => {}
    }
    Ok(())
}

fn finish(hub: &fake::FakeHub, id: &TaskId, outcome: Outcome, reason: Reason) {
    hub.report(id, Report::Ended { outcome, reason, resume: None });
    let change = |path: &str, kind, added, removed| Change {
        path: path.into(),
        kind,
        base: Base::Absent,
        mode: 0o644,
        size: 8,
        sha256: String::new(),
        lines_added: added,
        lines_removed: removed,
        binary: false,
        refusal: None,
    };
    let changes = ChangeSet {
        changes: vec![
            change("log.txt", ChangeKind::Added, 2, 0),
            change("src/main.rs", ChangeKind::Modified, 1, 1),
        ],
        ..ChangeSet::default()
    };
    hub.report(id, Report::Changes { changes, outbox: Vec::new() });
    hub.set_diff(id, DIFF);
}
