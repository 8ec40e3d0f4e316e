//! The same job in a terminal: `gatepost run`.

use gatepost_e2e::Project;
use gatepost_e2e::Setup;

fn set_up() -> (tempfile::TempDir, Project, Setup) {
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let setup = Setup::new(root.path());
    (root, project, setup)
}

fn run(setup: &Setup, project: &Project, args: &[&str]) -> gatepost_e2e::process::Ended {
    let path = project.path().to_str().unwrap();
    let mut all = vec!["run", "--project", path];
    all.extend_from_slice(args);
    setup.run(&all)
}

#[test]
fn a_routine_task_succeeds_with_status_0() {
    let (_root, project, setup) = set_up();
    let ended = run(&setup, &project, &["$ echo hello > new.txt\n$ cat new.txt"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("new.txt") && said.contains("succeeded"), "{said}");
    assert_eq!(project.text("new.txt"), None, "nothing is applied unasked");
}

#[test]
fn a_failed_or_denied_task_ends_with_status_1() {
    let (_root, project, setup) = set_up();
    assert_eq!(run(&setup, &project, &["$ false"]).code, Some(1));
    let denied = run(&setup, &project, &["--answer", "deny", "$ touch .git/hooks/a"]);
    assert_eq!(denied.code, Some(1), "{}{}", denied.stdout, denied.stderr);
    let unattended = run(&setup, &project, &["$ touch .git/hooks/a"]);
    assert_eq!(unattended.code, Some(1), "nobody is there to answer: {}", unattended.stdout);
}

#[test]
fn approve_answers_every_card() {
    let (_root, project, setup) = set_up();
    let ended = run(&setup, &project, &["--answer", "approve", "$ touch .git/hooks/a"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
}

#[test]
fn wrong_use_ends_with_status_2_and_says_what_to_do() {
    let (_root, project, setup) = set_up();
    for args in [
        &[""][..],
        &["  "],
        &["--mode", "reckless", "$ true"],
        &["--agent", "nobody", "$ true"],
        &["--answer", "maybe", "$ true"],
    ] {
        let ended = run(&setup, &project, args);
        assert_eq!(ended.code, Some(2), "{args:?}: {}{}", ended.stdout, ended.stderr);
        assert!(!ended.stderr.trim().is_empty(), "{args:?} says nothing");
    }
    let gone = setup.run(&["run", "--project", "/does/not/exist", "$ true"]);
    assert_eq!(gone.code, Some(2), "{}", gone.stderr);
}

#[test]
fn json_prints_json_lines_and_nothing_else() {
    let (_root, project, setup) = set_up();
    let ended = run(&setup, &project, &["--json", "$ echo hello > new.txt"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let lines: Vec<serde_json::Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > 3);
    assert!(ended.stdout.contains("echo hello > new.txt"), "each step's command is in it");
}

#[test]
fn plan_mode_reads_and_does_not_write() {
    let (_root, project, setup) = set_up();
    assert_eq!(run(&setup, &project, &["--mode", "plan", "$ cat README"]).code, Some(0));
    let write = run(&setup, &project, &["--mode", "plan", "$ echo x > README"]);
    assert_eq!(write.code, Some(1), "{}{}", write.stdout, write.stderr);
}

#[test]
fn manual_mode_asks_for_a_write() {
    let (_root, project, setup) = set_up();
    let args = ["--mode", "manual", "--answer", "deny", "$ echo x > README"];
    assert_eq!(run(&setup, &project, &args).code, Some(1));
    let args = ["--mode", "manual", "--answer", "approve", "$ echo x > README"];
    assert_eq!(run(&setup, &project, &args).code, Some(0));
}

#[test]
fn a_running_gatepost_takes_the_task() {
    let (_root, project, setup) = set_up();
    let setup = setup.project(project.path());
    let gatepost = setup.up();
    let ended = setup.run(&["run", "$ echo hello > new.txt"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    drop(gatepost);
}
