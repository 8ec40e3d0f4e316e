//! A newcomer's first minute: an empty directory, a clean environment, an ordinary user.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::chown;

use gatepost_e2e::Mount;
use gatepost_e2e::Project;
use gatepost_e2e::Setup;
use gatepost_e2e::api::events_of;
use gatepost_e2e::gatepost_binary;
use gatepost_e2e::is_root;
use gatepost_e2e::skip;
use reqwest::StatusCode;

/// Any number that is not root; it needs no entry in the password file.
const ORDINARY: u32 = 61_234;

fn ordinary_setup(root: &std::path::Path) -> Setup {
    if !is_root() {
        return Setup::new(root);
    }
    // Root's own build directory may be closed to others, so the user gets a copy.
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    let binary = root.join("gatepost");
    fs::copy(gatepost_binary(), &binary).unwrap();
    let base = root.join("user");
    fs::create_dir(&base).unwrap();
    let setup = Setup::new(&base).user(ORDINARY, binary);
    for path in [base.clone(), base.join("home")] {
        chown(&path, Some(ORDINARY), Some(ORDINARY)).unwrap();
    }
    setup
}

#[tokio::test]
async fn an_ordinary_user_does_the_main_job_with_no_configuration() {
    let root = tempfile::tempdir().unwrap();
    let gatepost = ordinary_setup(root.path()).up();
    assert!(gatepost.link().starts_with("http://127.0.0.1:"), "{}", gatepost.link());
    let api = gatepost.api();
    let id = api
        .submit("$ id -u\n$ echo hello > hello.txt\n$ mkdir -p .git/hooks && touch .git/hooks/a")
        .await;
    let approval = api.approval(&id).await;
    assert_eq!(api.answer(&approval, "approve").await.status, StatusCode::OK);
    let task = api.finished(&id).await;
    assert_eq!(task["outcome"], "succeeded", "{task:#}");
    assert!(!task["summary"]["sandbox"]["tier"].as_str().unwrap().is_empty());
    assert_ne!(events_of(&task, "action-finished")[0]["result"]["head"], "0\n", "never as root");
    assert_eq!(api.deliver(&id, "apply").await.status, StatusCode::OK);
    assert_eq!(gatepost.terminate(), Some(0));
}

/// The kernel gives no user namespace to a process in a changed root (user_namespaces(7), EPERM).
#[tokio::test]
async fn where_a_layer_is_missing_nothing_runs_and_the_sentence_says_what_mends_it() {
    if !is_root() {
        return skip("a missing layer", "a changed root needs root");
    }
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let changed = root.path().join("changed");
    fs::create_dir(&changed).unwrap();
    let _system = Mount::bind("/", &changed);
    let _processes = Mount::bind("/proc", &changed.join("proc"));
    let _devices = Mount::bind("/dev", &changed.join("dev"));
    let setup = Setup::new(root.path());
    let inside = |args: &[&str]| {
        let plain = setup.command(args);
        let mut command = std::process::Command::new("/usr/sbin/chroot");
        command.arg(&changed).arg(plain.get_program()).args(plain.get_args()).env_clear();
        for (name, value) in plain.get_envs() {
            command.env(name, value.unwrap());
        }
        let out = command.output().unwrap();
        let said = [out.stdout, out.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (out.status.code(), said.concat())
    };
    let path = project.path().to_str().unwrap();
    let (code, said) = inside(&["sandbox", "--workspace", path, "--", "touch", "ran"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("max_user_namespaces"), "{said}");
    let (code, said) = inside(&["run", "--project", path, "$ touch ran"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("max_user_namespaces") && said.contains("0 actions ran"), "{said}");
    let (code, said) = inside(&["doctor"]);
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(project.text("ran"), None);
}

#[tokio::test]
async fn doctor_runs_the_real_path_and_says_what_works() {
    let root = tempfile::tempdir().unwrap();
    let setup = ordinary_setup(root.path());
    let text = setup.run(&["doctor"]);
    assert!(text.stdout.lines().count() > 5, "{}{}", text.stdout, text.stderr);
    let json = setup.run(&["doctor", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(report.to_string().contains("tier"), "{report:#}");
}

#[tokio::test]
async fn one_command_runs_in_the_sandbox_from_the_shell() {
    let root = tempfile::tempdir().unwrap();
    let setup = ordinary_setup(root.path());
    let shell = |script: &str| setup.run(&["sandbox", "--", "sh", "-c", script]);
    let out = shell("echo out; echo err >&2; exit 7");
    assert_eq!(out.code, Some(7), "{}", out.stderr);
    assert_eq!(out.stdout, "out\n");
    assert!(out.stderr.contains("err"), "{}", out.stderr);
    for (what, script) in [
        ("the host's password hashes", "cat /etc/shadow"),
        ("root's home", "ls /root/"),
        ("a write into /usr", "touch /usr/x"),
        ("the network", "exec 3<>/dev/tcp/1.1.1.1/80"),
        ("a new user namespace", "unshare -U true"),
        ("a mount", "mount -t tmpfs x /tmp"),
    ] {
        let script = format!("bash -c '{script}'");
        let out = shell(&script);
        assert_ne!(out.code, Some(0), "{what} was reached: {}", out.stdout);
    }
}

/// Whether this machine has a control group to give decides which of the two it is.
#[tokio::test]
async fn below_the_least_tier_that_is_configured_no_task_runs() {
    let root = tempfile::tempdir().unwrap();
    let project = Project::git(root.path());
    let path = project.path();
    let config = format!("[projects.demo]\npath = {path:?}\n[sandbox]\nminimum = \"full\"\n");
    let gatepost = Setup::new(root.path()).config(&config).up();
    let api = gatepost.api();
    let task = api.finished(&api.submit("$ echo ran").await).await;
    if task["outcome"] == "succeeded" {
        assert_eq!(task["summary"]["sandbox"]["tier"], "full", "{task:#}");
        return;
    }
    assert_eq!(task["outcome"], "failed", "{task:#}");
    let told = task.to_string();
    assert!(told.contains("`sandbox.minimum` is `full`"), "{task:#}");
    assert!(told.contains("there is no control group"), "{task:#}");
    assert!(events_of(&task, "action-started").is_empty(), "{task:#}");
}
