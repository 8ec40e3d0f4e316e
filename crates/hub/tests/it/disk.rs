//! A disk that is full: people are told, workers wait, and nothing of it half happened.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gatepost_domain::Decision;
use gatepost_domain::Principal;
use gatepost_domain::Verdict;
use gatepost_domain::dispatch::Report;
use gatepost_domain::lifecycle::State;
use gatepost_domain::request::Consequence;
use gatepost_domain::request::RequestErrorKind;
use gatepost_hub::ReportError;

use crate::world::Run;
use crate::world::Up;
use crate::world::World;
use crate::world::digest;
use crate::world::new_task;
use crate::world::started_actions;

const INSIDE: &str = "GATEPOST_TEST_TMPFS";

/// Runs `test` again inside a new mount namespace with a tmpfs, and there calls `body`.
fn on_small_disk<F: Future<Output = ()>>(test: &str, body: impl FnOnce(std::path::PathBuf) -> F) {
    if let Some(dir) = std::env::var_os(INSIDE) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().start_paused(true).build().unwrap();
        return runtime.block_on(body(dir.into()));
    }
    let dir = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o size=16m,mode=0700 tmpfs "$1" || exit 77
exec "$2" --exact "$3" --nocapture"#;
    let who = Command::new("id").arg("-u").output().unwrap();
    let map: &[&str] = if who.stdout.trim_ascii() == b"0" { &[] } else { &["--map-root-user"] };
    let ran = Command::new("unshare")
        .args(map)
        .args(["--mount", "--", "sh", "-c", script, "sh"])
        .arg(dir.path())
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(INSIDE, dir.path())
        .output();
    match ran {
        Ok(ran) if ran.status.success() => {}
        Ok(ran) if matches!(ran.status.code(), Some(1 | 77)) && ran.stdout.is_empty() => {
            skip(&String::from_utf8_lossy(&ran.stderr));
        }
        Ok(ran) => panic!(
            "{}{}",
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr)
        ),
        Err(error) => skip(&error.to_string()),
    }
}

fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "no tmpfs can be mounted here: {reason}");
    println!("skipped, no tmpfs can be mounted here: {reason}");
}

/// Takes all room but what the journal's last page still has, and that with submissions.
async fn fill(dir: &Path, up: &Up) -> gatepost_domain::request::RequestError {
    let mut bytes = vec![b'x'; 32 << 20];
    let ballast = dir.join("ballast");
    while fs::write(&ballast, &bytes).is_err() {
        bytes.truncate(fs::metadata(&ballast).unwrap().len().try_into().unwrap());
    }
    for _ in 0..20 {
        let task = new_task(&format!("$ echo {}", "y".repeat(20_000)));
        if let Err(error) = up.hub.submit(Principal::console(), task).await {
            // The last bytes go with ever smaller ones.
            for size in [2000, 500, 100, 10, 1, 1, 1, 1, 1, 1, 1, 1] {
                let task = new_task(&"z".repeat(size));
                let _refused = up.hub.submit(Principal::console(), task).await;
            }
            return error;
        }
    }
    panic!("the disk never filled up");
}

fn free(dir: &Path) {
    fs::remove_file(dir.join("ballast")).unwrap();
}

#[test]
fn people_are_told_and_workers_wait_until_there_is_room() {
    on_small_disk("disk::people_are_told_and_workers_wait_until_there_is_room", async |dir| {
        let world = World::at(&dir);
        let mut up = world.up();
        let (mut run, question) = up.asking("risky").await;
        let allowed = run.review("harmless", Verdict::Allow).await;
        let error = fill(&dir, &up).await;
        assert_eq!(error.kind, RequestErrorKind::Unavailable);
        assert!(error.message.contains("disk is full"), "{error:?}");
        assert!(error.hint.contains("free some space"), "{error:?}");

        let before = world.records();
        let by = Principal::console();
        let answer = || up.hub.answer(by.clone(), question.clone(), Decision::Approve, None);
        assert_eq!(answer().await.unwrap_err().kind, RequestErrorKind::Unavailable);
        assert_eq!(up.hub.approvals().await.unwrap().len(), 1, "it is open as before");
        let stop = up.hub.cancel(by.clone(), run.task.clone()).await.unwrap_err();
        assert_eq!(stop.kind, RequestErrorKind::Unavailable);

        let start = run.start_action(allowed, "harmless");
        let mut start = Box::pin(start);
        let early = tokio::time::timeout(Duration::from_secs(60), &mut start).await;
        assert!(early.is_err(), "the action must not start: {early:?}");
        assert_eq!(world.records(), before, "nothing of all that happened");
        up.worker.nothing().await;

        free(&dir);
        tokio::time::timeout(Duration::from_secs(10), start).await.unwrap().unwrap();
        let last = world.records().pop().unwrap();
        assert_eq!(last.event.kind(), "action-started");
        assert_eq!(answer().await.unwrap().consequence, Consequence::Told);
        run.finish_action(allowed, "harmless").await;
        run.end().await;
        up.submit("$ works again").await;
        up.hub.close().await.unwrap();
        let started = started_actions(&world.records());
        assert_eq!(started, [(run.task, allowed)]);
    });
}

#[test]
fn a_stop_on_a_full_disk_ends_the_run_undone() {
    on_small_disk("disk::a_stop_on_a_full_disk_ends_the_run_undone", async |dir| {
        let world = World::at(&dir);
        let mut up = world.up();
        let mut run = up.running("$ x").await;
        let allowed = run.review("harmless", Verdict::Allow).await;
        fill(&dir, &up).await;
        let waits =
            run.report(Report::ActionStarted { action_id: allowed, digest: digest("harmless") });
        let (waited, ()) = tokio::join!(waits, async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            up.token.cancel();
        });
        assert!(matches!(waited, Err(ReportError::NotRecorded(_))), "{waited:?}");
        let _views_may_lag = up.hub.close().await;
        drop(up);
        free(&dir);
        let mut up = world.up();
        assert_eq!(up.worker.started().await.task, run.task, "nothing ran, so it is taken up");
        assert!(started_actions(&world.records()).is_empty());
    });
}

#[test]
fn what_runs_out_on_a_full_disk_is_denied_when_there_is_room() {
    on_small_disk("disk::what_runs_out_on_a_full_disk_is_denied_when_there_is_room", async |dir| {
        let world = World::at(&dir);
        let mut up = world.up();
        let (run, question) = up.asking("risky").await;
        fill(&dir, &up).await;
        tokio::time::sleep(crate::world::TIMEOUT * 2).await;
        let by = Principal::console();
        let late = up.hub.answer(by.clone(), question.clone(), Decision::Approve, None).await;
        assert_eq!(late.unwrap_err().kind, RequestErrorKind::Unavailable);
        free(&dir);
        assert!(matches!(
            up.worker.next().await,
            gatepost_domain::dispatch::ToWorker::Settled {
                settlement: gatepost_domain::approval::Settlement::Expired,
                ..
            }
        ));
        let late = up.hub.answer(by, question, Decision::Approve, None).await.unwrap();
        assert_eq!(late.consequence, Consequence::TooLate);
        let run = Run { hub: up.hub.clone(), ..run };
        run.end().await;
        assert_eq!(up.state(&run.task).await, State::Finished);
    });
}
