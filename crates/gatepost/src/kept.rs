//! What is kept of tasks that are over, and for how long: the files that came with them, looked
//! over at each start, and the homes of agents' programs, looked over at each start and every day.

use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use gatepost_domain::ChatNote;
use gatepost_domain::TaskId;
use gatepost_domain::lifecycle::Phase;
use gatepost_domain::lifecycle::Task;
use gatepost_domain::message::is_sha256;
use gatepost_domain::principal::Platform;
use gatepost_hub::HubHandle;
use gatepost_worker::Files;
use jiff::SignedDuration;
use jiff::Timestamp;

/// How long the files of a task that is over, and the home of its agent's program, are kept: long
/// enough to run it again after a holiday.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How often homes are looked over.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Removes the files that nothing needs any more. Where that cannot be told, everything stays.
pub(crate) async fn sweep(hub: &HubHandle, files: &Files) {
    let tasks = match hub.tasks().await {
        Ok(tasks) => tasks,
        Err(error) => {
            tracing::warn!(%error, "kept files are not looked over");
            return;
        }
    };
    let notes = match hub.notes(Platform::Telegram).await {
        Ok(notes) => notes,
        Err(error) => {
            tracing::warn!(%error, "kept files are not looked over");
            return;
        }
    };
    let mut named = needed(&tasks, Timestamp::now());
    named.extend(waiting(&notes));
    let files = files.clone();
    match tokio::task::spawn_blocking(move || files.sweep(&named)).await {
        Ok(Ok(0)) => {}
        Ok(Ok(gone)) => tracing::info!(gone, "kept files that nothing needs were removed"),
        Ok(Err(error)) => tracing::warn!(%error, "kept files could not be removed"),
        Err(error) => tracing::warn!(%error, "kept files could not be looked over"),
    }
}

/// Removes the homes of tasks that ended long ago, now and every day, for as long as it is polled.
pub(crate) async fn sweep_homes(hub: HubHandle, runs: PathBuf) {
    let mut days = tokio::time::interval(DAY);
    loop {
        days.tick().await;
        let tasks = match hub.tasks().await {
            Ok(tasks) => tasks,
            Err(error) => {
                tracing::warn!(%error, "the homes of old tasks are not looked over");
                continue;
            }
        };
        let old = over(&tasks, Timestamp::now());
        let runs = runs.clone();
        let swept = tokio::task::spawn_blocking(move || remove_homes(&runs, &old)).await;
        match swept {
            Ok(0) => {}
            Ok(gone) => tracing::info!(gone, "homes of tasks that ended long ago were removed"),
            Err(error) => tracing::warn!(%error, "the homes of old tasks are not looked over"),
        }
    }
}

/// Removes these tasks' homes; how many there were.
fn remove_homes(runs: &Path, tasks: &[TaskId]) -> usize {
    let mut gone = 0;
    for task in tasks {
        match gatepost_worker::remove_home(runs, task) {
            Ok(true) => gone += 1,
            Ok(false) => {}
            Err(error) => tracing::warn!(%task, %error, "the home of a task stays behind"),
        }
    }
    gone
}

/// The files of tasks that live, or that ended not too long ago.
fn needed(tasks: &[Task], now: Timestamp) -> BTreeSet<String> {
    let needed = tasks.iter().filter(|task| !is_old(task, now));
    needed.flat_map(Task::files).map(str::to_owned).collect()
}

/// The tasks that ended too long ago.
fn over(tasks: &[Task], now: Timestamp) -> Vec<TaskId> {
    tasks.iter().filter(|task| is_old(task, now)).map(|task| task.id().clone()).collect()
}

fn is_old(task: &Task, now: Timestamp) -> bool {
    match task.phase() {
        Phase::Finished { at, .. } => {
            SignedDuration::try_from(KEPT).is_ok_and(|kept| now.duration_since(*at) > kept)
        }
        Phase::Received
        | Phase::Queued
        | Phase::Preparing { .. }
        | Phase::Running { .. }
        | Phase::Suspended { .. }
        | Phase::Cancelling { .. }
        | Phase::Finishing { .. } => false,
    }
}

/// The files of messages that are noted and are no part of a task yet. What an adapter notes is its
/// own form, so everything in there that may name a file counts as one.
fn waiting(notes: &[ChatNote]) -> BTreeSet<String> {
    let taken: BTreeSet<_> = notes
        .iter()
        .filter_map(|note| match note {
            ChatNote::AlbumTaken { chat, album, .. } => Some((chat, album)),
            _ => None,
        })
        .collect();
    let settled: BTreeSet<_> = notes
        .iter()
        .filter_map(|note| match note {
            ChatNote::HeldSettled { chat, message, .. } => Some((chat, message)),
            _ => None,
        })
        .collect();
    let contents = notes.iter().filter_map(|note| match note {
        ChatNote::Held { chat, message, content, .. } if !settled.contains(&(chat, message)) => {
            Some(content)
        }
        ChatNote::AlbumPart { chat, album, content, .. } if !taken.contains(&(chat, album)) => {
            Some(content)
        }
        _ => None,
    });
    let words = contents.flat_map(|content| content.split(|c: char| !c.is_ascii_alphanumeric()));
    words.filter(|word| is_sha256(word)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use gatepost_domain::Attachment;
    use gatepost_domain::Event;
    use gatepost_domain::Mode;
    use gatepost_domain::Outcome;
    use gatepost_domain::Principal;
    use gatepost_domain::TaskId;
    use gatepost_domain::TaskSpec;
    use gatepost_domain::outcome::Reason;

    use super::*;

    fn task(number: u128, digest: &str, ended: Option<Timestamp>) -> Task {
        let spec = TaskSpec {
            text: "$ x".into(),
            project: "demo".into(),
            project_path: "/srv/demo".into(),
            agent: "runbook".into(),
            mode: Mode::Auto,
            requester: Principal::console(),
            retry_of: None,
            origin: None,
            quoted: Vec::new(),
            attachments: vec![Attachment::new("a", 1, digest.repeat(64), None)],
        };
        let mut task = Task::received(TaskId::from_entropy(number), spec, Timestamp::UNIX_EPOCH);
        if let Some(at) = ended {
            let (outcome, reason) = (Outcome::Cancelled, Reason::Completed);
            task.apply(&Event::TaskFinished { outcome, reason }, at).unwrap();
        }
        task
    }

    #[test]
    fn files_of_live_and_recent_tasks_stay() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let ago = |days: i64| now - SignedDuration::from_hours(24 * days);
        let tasks = [task(1, "a", None), task(2, "b", Some(ago(29))), task(3, "c", Some(ago(31)))];
        assert_eq!(needed(&tasks, now), ["a", "b"].map(|digest| digest.repeat(64)).into());
    }

    #[test]
    fn homes_of_tasks_that_ended_long_ago_are_removed_and_no_others() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let ago = |days: i64| now - SignedDuration::from_hours(24 * days);
        let tasks = [task(1, "a", None), task(2, "b", Some(ago(29))), task(3, "c", Some(ago(31)))];
        let runs = tempfile::tempdir().unwrap();
        let home = |task: &Task| runs.path().join(task.id().as_str()).join("workspace/home");
        for task in &tasks {
            std::fs::create_dir_all(home(task).join(".codex/sessions")).unwrap();
        }
        let old = over(&tasks, now);
        assert_eq!(remove_homes(runs.path(), &old), 1);
        assert_eq!(tasks.each_ref().map(|task| home(task).exists()), [true, true, false]);
        assert_eq!(remove_homes(runs.path(), &old), 0, "once");
    }

    #[test]
    fn files_of_an_album_that_is_not_whole_stay() {
        let part = |album: &str, digest: &str| ChatNote::AlbumPart {
            chat: "1001".into(),
            album: album.into(),
            message: "7".into(),
            content: format!(r#"{{"attachments":[{{"sha256":"{}"}}]}}"#, digest.repeat(64)),
        };
        let (chat, album, message) = ("1001".into(), "2".into(), "7".into());
        let notes = [part("1", "a"), part("2", "b"), ChatNote::AlbumTaken { chat, album, message }];
        assert_eq!(waiting(&notes), ["a".repeat(64)].into());
    }
}
