//! A project, a storage and a sandbox on them, and what tests do with these.

use gatepost_domain::changes::{Change, ChangeSet, DeliveryResult};
use gatepost_sandbox::deliver::{self, Collected, Options};
use gatepost_sandbox::{Capture, Exec, ExitStatus, Profile, Sandbox, WorkspaceForm};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The program that stands in for `gatepost`.
const PROGRAM: &str = env!("CARGO_BIN_EXE_gatepost-sbx-probe");

/// The same, or the copy of it another user can reach.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("GATEPOST_TEST_PROBE").map_or_else(|| PROGRAM.into(), PathBuf::from)
}

/// A generous ceiling for anything run inside.
pub(crate) const WALL: Duration = Duration::from_secs(60);

/// A project with a few files, and room for a task.
pub(crate) struct World {
    dir: tempfile::TempDir,
    pub(crate) project: PathBuf,
    pub(crate) storage: PathBuf,
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let project = root.join("project");
        std::fs::create_dir(&project).unwrap();
        std::fs::write(project.join("README"), "one\ntwo\nthree\n").unwrap();
        std::fs::create_dir(project.join("src")).unwrap();
        std::fs::write(project.join("src/main.c"), "int main(void) { return 0; }\n").unwrap();
        Self { storage: root.join("storage"), project, dir }
    }

    /// A place outside the project.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    /// Writes a file of the project.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.project.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The tier that this machine must come to.
    pub(crate) fn tier(&self) -> &'static str {
        if Lack::Group.is_known_to_be_there() { "full" } else { "reduced" }
    }

    /// The probe's path, outside and inside.
    pub(crate) fn probe(&self) -> String {
        program().to_str().unwrap().to_owned()
    }

    pub(crate) fn profile(&self) -> Profile {
        let mut profile = Profile::new(&self.project, &self.storage);
        // Where the probe lies, so that it can be run inside.
        profile.read_only = vec![program().parent().unwrap().to_owned()];
        profile
    }

    pub(crate) async fn start(&self) -> Sandbox {
        self.start_with(self.profile()).await
    }

    pub(crate) async fn start_with(&self, profile: Profile) -> Sandbox {
        Sandbox::start_with(profile, &program()).await.unwrap()
    }

    pub(crate) async fn run(&self, sandbox: &Sandbox, argv: &[&str]) -> (ExitStatus, String) {
        self.run_at(sandbox, &self.project, argv).await
    }

    pub(crate) async fn run_at(
        &self,
        sandbox: &Sandbox,
        cwd: &Path,
        argv: &[&str],
    ) -> (ExitStatus, String) {
        let argv = argv.iter().map(OsString::from).collect();
        let exec = Exec { argv, cwd: cwd.to_owned(), ..Exec::default() };
        let capture = Capture { max_bytes: 1 << 20, wall: Some(WALL) };
        let finished = sandbox.run(exec, capture, |_| {}).await.unwrap();
        assert!(!finished.timed_out, "took longer than anything here should");
        let text = [finished.output.head, finished.output.tail].concat();
        (finished.exit, String::from_utf8_lossy(&text).into_owned())
    }

    pub(crate) async fn sh(&self, sandbox: &Sandbox, script: &str) -> (ExitStatus, String) {
        self.run(sandbox, &["sh", "-c", script]).await
    }

    pub(crate) async fn sh_at(
        &self,
        sandbox: &Sandbox,
        cwd: &Path,
        script: &str,
    ) -> (ExitStatus, String) {
        self.run_at(sandbox, cwd, &["sh", "-c", script]).await
    }

    /// Runs a script in a sandbox of its own and looks at what it changed.
    pub(crate) async fn task(&self, script: &str) -> (WorkspaceForm, Collected) {
        let sandbox = self.start().await;
        let (status, said) = self.sh(&sandbox, &format!("set -e; umask 022; {script}")).await;
        assert_eq!(status, ExitStatus::Code(0), "{said}");
        sandbox.stop().await;
        self.collect()
    }

    pub(crate) fn collect(&self) -> (WorkspaceForm, Collected) {
        let form = WorkspaceForm::in_storage(&self.project, &self.storage).unwrap();
        let collected = deliver::collect(&form, &Options::default()).unwrap();
        (form, collected)
    }

    pub(crate) fn apply(&self, form: &WorkspaceForm, changes: &ChangeSet) -> DeliveryResult {
        let result = deliver::apply(form, &self.project, changes);
        let left: Vec<_> = std::fs::read_dir(&self.project)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .filter(|name| name.to_string_lossy().starts_with(".gatepost-"))
            .collect();
        assert!(left.is_empty(), "{left:?} was left in the project");
        result
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.project.join(name)).unwrap()
    }

    /// Everything in the project, as one text: names, kinds, modes, content.
    pub(crate) fn snapshot(&self) -> String {
        fn walk(dir: &Path, text: &mut String) {
            use std::os::unix::fs::MetadataExt;
            let mut entries: Vec<_> =
                std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
            entries.sort();
            for path in entries {
                let meta = std::fs::symlink_metadata(&path).unwrap();
                let content = if meta.is_file() {
                    format!("{:?}", std::fs::read(&path).unwrap())
                } else if meta.is_symlink() {
                    format!("{:?}", std::fs::read_link(&path).unwrap())
                } else {
                    String::new()
                };
                text.push_str(&format!("{path:?} {:o} {} {content}\n", meta.mode(), meta.uid()));
                if meta.is_dir() {
                    walk(&path, text);
                }
            }
        }
        let mut text = String::new();
        walk(&self.project, &mut text);
        text
    }
}

impl Drop for World {
    fn drop(&mut self) {
        deliver::discard(&self.storage).unwrap();
    }
}

/// The change at a path.
pub(crate) fn change<'c>(changes: &'c ChangeSet, path: &str) -> &'c Change {
    let all: Vec<_> = changes.changes.iter().map(|change| &change.path).collect();
    changes
        .changes
        .iter()
        .find(|change| change.path == path)
        .unwrap_or_else(|| panic!("no change at {path}, only {all:?}"))
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Says why a test is not run; where everything must be there, that is a failure.
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "cannot be tested here: {why}");
    eprintln!("not tested: {why}");
}

/// What some machines cannot do. These tests alone may be passed over under CI too, each with its
/// reason; `GATEPOST_TEST_HAVE` names what a machine is known to have (`group`, `x32`, `apparmor`, `scopes`),
/// and there they must run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lack {
    /// No part of a cgroup v2 tree with the memory controller was delegated to the tests: most
    /// containers and build machines have none to give.
    Group,
    /// The kernel has no x32 ABI: most are built or started without it.
    X32,
    /// The parser of AppArmor before 4.0, which is Debian 12's, knows no user namespaces, and many
    /// machines have none at all.
    AppArmor,
    /// Landlock before version 6, so before Linux 6.12, cannot keep a process from signalling
    /// another of its user in the same pid namespace, and nothing else can.
    Scopes,
}

impl Lack {
    fn is_known_to_be_there(self) -> bool {
        let name = match self {
            Self::Group => "group",
            Self::X32 => "x32",
            Self::AppArmor => "apparmor",
            Self::Scopes => "scopes",
        };
        let have = std::env::var("GATEPOST_TEST_HAVE").unwrap_or_default();
        have.split(',').any(|one| one == name)
    }

    /// Says by name what is not tested, and fails where it must be.
    pub(crate) fn pass_over(self, test: &str) {
        assert!(!self.is_known_to_be_there(), "{test} fails, and {self:?} is there");
        eprintln!("not tested: {test}, because of a lack: {self:?}");
    }
}

/// Whether Landlock keeps actions from signalling each other here.
pub(crate) fn has_scopes() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map(|part| part.trim().parse::<u32>().unwrap_or(0));
    (numbers.next(), numbers.next()) >= (Some(6), Some(12))
}
