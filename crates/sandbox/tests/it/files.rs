//! What is seen and written of files: the workspace, and nothing of the host's.

use crate::support::{World, is_root};
use gatepost_sandbox::{Exec, ExitStatus, Sandbox, SandboxError, check_project};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

fn errno(error: &SandboxError) -> Option<i32> {
    match error {
        SandboxError::File { errno, .. } => errno.raw_os_error(),
        _ => None,
    }
}

#[tokio::test]
async fn secrets_of_the_home_directory_and_of_root_are_not_there() {
    let world = World::new();
    let bait = world.outside("home/.ssh/id_ed25519");
    std::fs::create_dir_all(bait.parent().unwrap()).unwrap();
    std::fs::write(&bait, "secret").unwrap();
    let sandbox = world.start().await;
    let bait = bait.display();
    let script = format!(
        "for f in {bait} /root /etc/shadow /etc/gshadow /etc/ssh /sys /boot /srv /var/log \
         $HOME/.ssh $HOME/.aws $HOME/.netrc $HOME/.config/gh /run/docker.sock; do \
         if [ -e $f ]; then echo $f; fi; done; cat {bait}; \
         cat /proc/1/root{bait}; cat /proc/1/environ; cat /proc/1/cmdline | tr '\\0' ' '"
    );
    let (_, said) = world.sh(&sandbox, &script).await;
    assert!(!said.contains("secret"), "{said}");
    assert!(said.contains(&format!("cat: {bait}: No such file or directory")), "{said}");
    for closed in [format!("/proc/1/root{bait}"), "/proc/1/environ".to_owned()] {
        assert!(said.contains(&format!("cat: {closed}: Permission denied")), "{said}");
    }
    // Nothing of the list exists; the only other word is init's name.
    assert!(!said.lines().any(|line| line.starts_with('/')), "{said}");
    assert!(said.ends_with("gatepost-sandbox-init "), "{said}");
    sandbox.stop().await;
}

#[tokio::test]
async fn the_system_is_read_only_and_the_home_directory_is_not_the_hosts() {
    let world = World::new();
    let sandbox = world.start().await;
    for place in ["/etc", "/usr", "/usr/bin", "/bin", "/lib", "/", "/dev", "/run", "/home", "/proc"]
    {
        let (status, said) =
            world.sh(&sandbox, &format!("echo x > {place}/gatepost-was-here")).await;
        assert_ne!(status, ExitStatus::Code(0), "{place}: {said}");
        assert!(!Path::new(place).join("gatepost-was-here").exists(), "{place}");
    }
    let (status, said) =
        world.sh(&sandbox, "echo x >$HOME/x && echo y >/tmp/gatepost-y && cat $HOME/x").await;
    assert_eq!((status, said.as_str()), (ExitStatus::Code(0), "x\n"));
    assert!(!Path::new("/home/task/x").exists() && !Path::new("/tmp/gatepost-y").exists());
    sandbox.stop().await;
}

#[tokio::test]
async fn links_lead_nowhere() {
    let world = World::new();
    let bait = world.outside("bait");
    std::fs::write(&bait, "outside").unwrap();
    symlink(&bait, world.project.join("to-bait")).unwrap();
    let sandbox = world.start().await;
    let script = "cat to-bait; echo x >to-bait; ln -s /etc/passwd l; echo x >l; \
                  ln /etc/passwd hard; cat ../bait; cat /proc/self/cwd/../bait; \
                  cd ../../../../../../.. && pwd && ls";
    let (_, said) = world.sh(&sandbox, script).await;
    assert!(!said.contains("outside"), "{said}");
    assert!(said.contains("cross-device link"), "{said}");
    assert_eq!(std::fs::read_to_string(&bait).unwrap(), "outside");
    // The top is the sandbox's own, which knows no `root`, `boot` or `sys`.
    assert!(said.contains("\n/\n") && !said.contains("\nboot\n"), "{said}");
    sandbox.stop().await;
}

/// Builds put files in place by a link or a rename from another directory.
#[tokio::test]
async fn files_are_renamed_and_linked_between_directories() {
    let world = World::new();
    let sandbox = world.start().await;
    let script = "import os\n\
                  os.makedirs('a'); os.makedirs('b'); open('a/f', 'w').write('x')\n\
                  os.link('a/f', 'b/linked'); os.rename('a/f', 'b/renamed')\n\
                  os.rename('README', 'b/README'); os.rename('b', 'a/b')\n\
                  print(sorted(os.listdir('a/b')))\n\
                  for place in ('/etc/x', '/usr/x', '/tmp/x'):\n\
                  \x20   try: os.rename('a/b/linked', place)\n\
                  \x20   except OSError as e: print(e.errno in (13, 18, 30))";
    let (_, said) = world.run(&sandbox, &["/usr/bin/python3", "-c", script]).await;
    assert_eq!(said, "['README', 'linked', 'renamed']\nTrue\nTrue\nTrue\n");
    sandbox.stop().await;
}

#[tokio::test]
async fn nothing_of_the_supervisors_environment_and_descriptors_comes_along() {
    let world = World::new();
    let secret = std::fs::File::open("/etc/hostname").unwrap();
    let dir = std::fs::File::open("/").unwrap();
    // Inheritable on purpose, low and high.
    let _low = rustix::io::dup(&secret).unwrap();
    let high = rustix::io::fcntl_dupfd_cloexec(&dir, 200).unwrap();
    rustix::io::fcntl_setfd(&high, rustix::io::FdFlags::empty()).unwrap();
    assert!(high.as_raw_fd() >= 200);
    let sandbox = world.start().await;
    let (_, said) = world.sh(&sandbox, "ls /proc/self/fd | tr '\\n' ' '").await;
    // The fourth is what `ls` reads from.
    assert_eq!(said, "0 1 2 3 ");
    let (_, said) = world.sh(&sandbox, "env; tr '\\0' '\\n' </proc/self/environ").await;
    // Cargo sets these for the tests; none is known inside.
    assert!(std::env::vars().any(|(name, _)| !sandbox.env().contains_key(&name)));
    for line in said.lines() {
        let name = line.split('=').next().unwrap();
        assert!(
            sandbox.env().contains_key(name) || ["PWD", "_", "OLDPWD"].contains(&name),
            "{line}"
        );
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn the_project_keeps_its_place_and_is_never_written() {
    let world = World::new();
    let before = world.snapshot();
    let sandbox = world.start().await;
    let (status, said) = world
        .sh(&sandbox, "pwd; rm -rf ./* && echo x >x && mkdir -p .git/hooks && ls -A | tr '\\n' ' '")
        .await;
    assert_eq!(status, ExitStatus::Code(0), "{said}");
    assert_eq!(said, format!("{}\n.git x ", world.project.display()));
    sandbox.stop().await;
    assert_eq!(world.snapshot(), before);
    // A second start goes on where the first ended.
    let sandbox = world.start().await;
    assert_eq!(world.sh(&sandbox, "cat x; ls").await.1, "x\nx\n");
    sandbox.stop().await;
    assert_eq!(world.snapshot(), before);
}

#[tokio::test]
async fn a_project_that_only_root_reaches_works_too() {
    if !is_root() {
        return;
    }
    let world = World::new();
    let closed = world.outside("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
    let project = closed.join("project");
    std::fs::create_dir(&project).unwrap();
    std::fs::write(project.join("mine"), "root's\n").unwrap();
    std::fs::set_permissions(project.join("mine"), PermissionsExt::from_mode(0o600)).unwrap();
    let mut profile = world.profile();
    profile.project = project.clone();
    let sandbox = world.start_with(profile).await;
    let script = "cat mine && echo x >>mine && cat mine && id -u && stat -c %u mine";
    let (status, said) = world.sh_at(&sandbox, &project, script).await;
    assert_eq!(status, ExitStatus::Code(0), "{said}");
    assert!(said.starts_with("root's\nroot's\nx\n"), "{said}");
    let ids: Vec<_> = said.lines().skip(3).collect();
    assert_ne!(ids[0], "0");
    assert_eq!(ids[0], ids[1], "the task must own what it works on");
    sandbox.stop().await;
    assert_eq!(std::fs::read_to_string(project.join("mine")).unwrap(), "root's\n");
}

#[tokio::test]
async fn tools_read_and_write_without_following_links_out() {
    let world = World::new();
    let bait = world.outside("bait");
    std::fs::write(&bait, "outside").unwrap();
    symlink(&bait, world.project.join("abs")).unwrap();
    symlink("../bait", world.project.join("rel")).unwrap();
    let sandbox = world.start().await;
    let at = |name: &str| world.project.join(name);
    assert_eq!(sandbox.read_file(&at("README"), 100).await.unwrap(), b"one\ntwo\nthree\n");
    let large = sandbox.read_file(&at("README"), 3).await.unwrap_err();
    assert_eq!(errno(&large), Some(libc_errno::FBIG));
    sandbox.write_file(&at("new/deep/file"), b"text", Some(0o755)).await.unwrap();
    assert_eq!(sandbox.read_file(&at("new/deep/file"), 100).await.unwrap(), b"text");
    let (_, said) = world.sh(&sandbox, "stat -c %a new/deep/file; mkfifo pipe").await;
    assert_eq!(said, "755\n");
    for name in ["abs", "rel", "../bait", "pipe", "src"] {
        let read = sandbox.read_file(&at(name), 100).await;
        assert!(read.is_err(), "{name} was read");
        let written = sandbox.write_file(&at(name), b"x", None).await;
        assert!(written.is_err(), "{name} was written");
    }
    for place in ["/etc/passwd", "/usr/x", "/proc/self/mem"] {
        assert!(sandbox.write_file(Path::new(place), b"x", None).await.is_err(), "{place}");
    }
    assert_eq!(std::fs::read_to_string(&bait).unwrap(), "outside");
    assert!(!at("new").exists());
    sandbox.stop().await;
}

mod libc_errno {
    /// File too large, as Linux numbers it.
    pub(crate) const FBIG: i32 = 27;
}

/// A directory is exchanged with a link to the outside as fast as can be, while tools write
/// through it: every write ends inside or in an error.
#[tokio::test]
async fn a_directory_exchanged_with_a_link_meanwhile_is_not_followed() {
    let world = World::new();
    let sandbox = world.start().await;
    let race = "mkdir d; ln -s /tmp/out l; mkdir /tmp/out; \
                while :; do mv -T d e; mv -T l d; mv -T d l; mv -T e d; done";
    let mut racer = spawn(&world, &sandbox, race).await;
    let mut ended = 0;
    for _ in 0..200 {
        // Whether this one write succeeds depends on the race; where it ends does not.
        ended += usize::from(
            sandbox.write_file(&world.project.join("d/file"), b"x", None).await.is_ok(),
        );
    }
    racer.kill();
    racer.wait().await.unwrap();
    let (_, said) = world.sh(&sandbox, "ls /tmp/out").await;
    assert_eq!(said, "", "{ended} of 200 were written");
    sandbox.stop().await;
}

async fn spawn(world: &World, sandbox: &Sandbox, script: &str) -> gatepost_sandbox::Process {
    let argv = ["sh", "-c", script].iter().map(Into::into).collect();
    sandbox.spawn(Exec { argv, cwd: world.project.clone(), ..Exec::default() }).await.unwrap()
}

#[tokio::test]
async fn two_tasks_see_nothing_of_each_other() {
    let world = World::new();
    let one = world.start().await;
    let mut profile = world.profile();
    profile.storage = world.outside("storage-2");
    let two = world.start_with(profile).await;
    let (_, first) = world
        .sh(&one, "echo secret >mine; echo secret >/tmp/mine; echo secret >/dev/shm/mine; readlink /proc/self/ns/*")
        .await;
    let (_, second) =
        world.sh(&two, "cat mine /tmp/mine /dev/shm/mine; readlink /proc/self/ns/*").await;
    assert!(!second.contains("secret"), "{second}");
    for space in first.lines().filter(|line| !line.starts_with("time")) {
        assert!(!second.contains(space), "both are in {space}");
    }
    let running = spawn(&world, &one, "sleep 1000").await;
    let (_, said) = world.sh(&two, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '").await;
    assert!(!said.contains("sleep"), "{said}");
    drop(running);
    one.stop().await;
    two.stop().await;
    gatepost_sandbox::deliver::discard(&world.outside("storage-2")).unwrap();
}

#[tokio::test]
async fn places_that_cannot_be_a_project_are_refused() {
    let world = World::new();
    symlink(&world.project, world.outside("link")).unwrap();
    let dotted = world.project.join(".");
    for place in [
        Path::new("/"),
        Path::new("/etc"),
        Path::new("/tmp"),
        Path::new("/usr"),
        Path::new("/proc/self"),
        Path::new("/dev/shm"),
        Path::new("relative"),
        &dotted,
        &world.outside("link"),
        &world.outside("none"),
    ] {
        let mut profile = world.profile();
        profile.project = place.to_owned();
        let started = Sandbox::start_with(profile, &crate::support::program()).await;
        assert!(matches!(started, Err(SandboxError::Project { .. })), "{}", place.display());
        assert!(matches!(check_project(place), Err(SandboxError::Project { .. })));
    }
    let said = |place: &str| check_project(Path::new(place)).unwrap_err().to_string();
    for place in ["/usr", "/", "/tmp"] {
        assert_eq!(
            said(place),
            format!(
                "`{place}` cannot be the project: it is a directory of the system; name a \
                 directory inside it"
            )
        );
    }
    for place in ["/etc", "/proc/self", "/dev/shm", "/usr/bin"] {
        assert_eq!(
            said(place),
            format!(
                "`{place}` cannot be the project: it is a directory of the system, or lies in \
                 one; a project is kept elsewhere"
            )
        );
    }
    check_project(&world.project).unwrap();
    assert!(!world.storage.exists(), "nothing is made for the question alone");
    let mut profile = world.profile();
    profile.storage = world.project.join("inside");
    assert!(Sandbox::start_with(profile, &crate::support::program()).await.is_err());
}

#[tokio::test]
async fn a_repository_that_lies_elsewhere_is_told() {
    let world = World::new();
    let git = |at: &Path, args: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@t", "-C"]).arg(at).args(args);
        let done = command.env("HOME", "/nonexistent").output().unwrap();
        assert!(done.status.success(), "{done:?}");
    };
    git(&world.project, &["init", "-q"]);
    git(&world.project, &["add", "-A"]);
    git(&world.project, &["commit", "-qm", "first"]);
    let told = |sandbox: &Sandbox| {
        let notes = sandbox.report().notes;
        notes.iter().any(|note| note.contains("git does not work inside"))
    };
    let sandbox = world.start().await;
    assert!(!told(&sandbox));
    sandbox.stop().await;
    let linked = world.outside("linked");
    git(&world.project, &["worktree", "add", "-q", linked.to_str().unwrap()]);
    let mut profile = world.profile();
    (profile.project, profile.storage) = (linked, world.outside("storage-of-linked"));
    let storage = profile.storage.clone();
    let sandbox = world.start_with(profile).await;
    assert!(told(&sandbox));
    sandbox.stop().await;
    gatepost_sandbox::deliver::discard(&storage).unwrap();
}
