//! Processes: of others none is seen or touched, and of one's own none is left.

use crate::support::{Lack, WALL, World, has_scopes};
use gatepost_sandbox::{Capture, Exec, ExitStatus, Stdin};
use std::path::Path;
use std::time::Duration;

fn exec(world: &World, script: &str) -> Exec {
    let argv = ["sh", "-c", script].iter().map(Into::into).collect();
    Exec { argv, cwd: world.project.clone(), ..Exec::default() }
}

/// The processes outside whose command line holds a word.
fn outside(word: &str) -> Vec<i32> {
    let own = std::process::id();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| pid.unsigned_abs() != own)
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).replace('\0', " ").contains(word))
        })
        .collect()
}

/// Waits until it is so; a generous ceiling, no measure.
async fn until(mut done: impl FnMut() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not come to be in ten seconds");
}

#[tokio::test]
async fn only_the_tasks_own_processes_are_seen() {
    let world = World::new();
    let sandbox = world.start().await;
    let (_, said) = world.sh(&sandbox, "ls /proc | grep -c '^[0-9]*$'; echo $PPID").await;
    let lines: Vec<_> = said.lines().collect();
    // init, sh, ls, grep.
    assert!(lines[0].parse::<u32>().unwrap() <= 4, "{said}");
    assert_eq!(lines[1], "1");
    let pid = std::process::id();
    let (_, said) =
        world.sh(&sandbox, &format!("kill -9 {pid}; kill -9 1; kill -9 -1; echo no")).await;
    assert!(said.contains("No such process") || said.contains("no such process"), "{said}");
    assert!(world.sh(&sandbox, "true").await.0.success(), "init must be alive");
    sandbox.stop().await;
}

#[tokio::test]
async fn what_an_action_left_behind_ends_with_it() {
    let world = World::new();
    let sandbox = world.start().await;
    let word = format!("7{}", std::process::id());
    let script = format!(
        "(trap '' TERM HUP INT; setsid sh -c 'trap \"\" TERM HUP; setsid sleep {word} & sleep {word}' \
         </dev/null >/dev/null 2>&1 &) ; \
         until pgrep -x sleep >/dev/null || [ -n \"$(cat /proc/[0-9]*/comm | grep sleep)\" ]; do :; done"
    );
    assert_eq!(world.sh(&sandbox, &script).await.0, ExitStatus::Code(0));
    assert_eq!(outside(&format!("sleep {word}")), []);
    sandbox.stop().await;
}

/// A process may call itself what it likes and close itself to others; it is swept all the same.
#[tokio::test]
async fn a_process_that_passes_itself_off_as_init_ends_with_its_action() {
    let world = World::new();
    let sandbox = world.start().await;
    let word = format!("4{}", std::process::id());
    let script = format!(
        "import ctypes, os, time\nlibc = ctypes.CDLL(None)\n\
         r, w = os.pipe()\n\
         if os.fork() == 0:\n\
         \x20   os.setsid()\n\
         \x20   assert libc.prctl(15, b'gatepost-sandbox-init') == 0\n\
         \x20   assert libc.prctl(4, 0) == 0 and libc.prctl(1, 0) == 0\n\
         \x20   assert libc.prctl(36, 1) == 0\n\
         \x20   os.write(w, b'x')\n\
         \x20   for n in range(3): os.close(n)\n\
         \x20   time.sleep({word})\n\
         os.read(r, 1)\nprint('hidden')"
    );
    let argv = ["/usr/bin/python3", "-c", &script];
    assert_eq!(world.run(&sandbox, &argv).await.1, "hidden\n");
    assert_eq!(outside(&format!("time.sleep({word})")), []);
    // init, sh, ls, grep.
    let (_, said) = world.sh(&sandbox, "ls /proc | grep -c '^[0-9]*$'").await;
    assert!(said.trim().parse::<u32>().unwrap() <= 4, "{said}");
    sandbox.stop().await;
}

/// What two processes inside hand each other is their own; of the host's nothing can be had.
#[tokio::test]
async fn descriptors_can_be_handed_on_inside_and_none_is_the_hosts() {
    let world = World::new();
    let bait = world.outside("bait");
    std::fs::write(&bait, "outside").unwrap();
    let held = std::fs::File::open(&bait).unwrap();
    rustix::io::fcntl_setfd(&held, rustix::io::FdFlags::empty()).unwrap();
    let sandbox = world.start().await;
    let script = "import os, socket\n\
                  a, b = socket.socketpair()\n\
                  socket.send_fds(a, [b'x'], [os.open('README', os.O_RDONLY)])\n\
                  _, fds, _, _ = socket.recv_fds(b, 1, 1)\n\
                  print(os.readlink('/proc/self/fd/%d' % fds[0]))\n\
                  for pid in filter(str.isdigit, os.listdir('/proc')):\n\
                  \x20   try:\n\
                  \x20       for fd in os.listdir('/proc/%s/fd' % pid):\n\
                  \x20           print(pid == '1', os.path.realpath('/proc/%s/fd/%s' % (pid, fd)))\n\
                  \x20   except (PermissionError, FileNotFoundError): pass";
    let (_, said) = world.run(&sandbox, &["/usr/bin/python3", "-c", script]).await;
    assert!(said.starts_with(&format!("{}\n", world.project.join("README").display())), "{said}");
    assert!(!said.contains("bait") && !said.contains("True"), "{said}");
    sandbox.stop().await;
}

#[tokio::test]
async fn an_action_cannot_reach_into_another() {
    let world = World::new();
    let sandbox = world.start().await;
    let mut first =
        sandbox.spawn(Exec { stdin: Stdin::Pipe, ..exec(&world, "echo $$; cat") }).await.unwrap();
    let mut line = [0_u8; 16];
    let read =
        tokio::io::AsyncReadExt::read(first.stdout.as_mut().unwrap(), &mut line).await.unwrap();
    let pid = String::from_utf8_lossy(&line[..read]).trim().to_owned();
    let signal = if has_scopes() {
        format!("kill -9 {pid} && echo killed")
    } else {
        Lack::Scopes.pass_over("the signal to another action");
        "true".to_owned()
    };
    let script = format!(
        "{signal}; cat /proc/{pid}/fd/0 & \
         dd if=/proc/{pid}/mem bs=1 count=1 2>&1; echo x >/proc/{pid}/fd/1; cat /proc/{pid}/environ; \
         kill %1 2>/dev/null; ls -l /proc/{pid}/fd; echo end"
    );
    let (_, said) = world.sh(&sandbox, &script).await;
    assert!(!said.contains("killed") && !said.contains("pipe:"), "{said}");
    assert!(!said.contains("HOME=") && said.contains("end"), "{said}");
    // It lives, and is still itself.
    drop(first.stdin.take());
    assert_eq!(first.wait().await.unwrap(), ExitStatus::Code(0));
    sandbox.stop().await;
}

#[tokio::test]
async fn everything_ends_when_the_supervisor_is_killed() {
    let word = format!("8{}", std::process::id());
    let world = World::new();
    let mut supervisor = std::process::Command::new(world.probe())
        .args(["hold", world.project.to_str().unwrap(), world.storage.to_str().unwrap(), &word])
        .spawn()
        .unwrap();
    let command = format!("sleep {word}");
    until(|| outside(&command).len() > 1).await;
    supervisor.kill().unwrap();
    supervisor.wait().unwrap();
    until(|| outside(&command).is_empty()).await;
}

#[tokio::test]
async fn a_program_that_never_ends_meets_the_wall() {
    let world = World::new();
    let sandbox = world.start().await;
    for script in
        ["sleep 1000", "kill -STOP $$; echo woken", "trap '' TERM INT; while :; do :; done", "cat"]
    {
        let stdin = if script == "cat" { Stdin::Pipe } else { Stdin::Null };
        let mut exec = exec(&world, script);
        // Held open by another program inside, `cat` would wait for ever.
        exec.stdin = stdin;
        let wall = if script == "cat" { WALL } else { Duration::from_millis(300) };
        let capture = Capture { max_bytes: 1000, wall: Some(wall) };
        let finished = sandbox.run(exec, capture, |_| {}).await.unwrap();
        if script == "cat" {
            // Nobody can write to it, so it sees the end at once.
            assert_eq!(finished.exit, ExitStatus::Code(0));
        } else {
            assert!(finished.timed_out, "{script}");
            assert_eq!(finished.exit, ExitStatus::Signal(9), "{script}");
        }
    }
    assert!(world.sh(&sandbox, "true").await.0.success());
    sandbox.stop().await;
}

#[tokio::test]
async fn dropping_a_run_kills_it() {
    let world = World::new();
    let sandbox = world.start().await;
    let word = format!("9{}", std::process::id());
    let capture = Capture { max_bytes: 1000, wall: None };
    let command = format!("sleep {word}");
    let run = sandbox.run(exec(&world, &format!("exec sleep {word}")), capture, |_| {});
    let stopped = tokio::time::timeout(Duration::from_millis(300), run).await;
    assert!(stopped.is_err());
    until(|| outside(&command).is_empty()).await;
    sandbox.stop().await;
}

#[tokio::test]
async fn how_a_program_ends_is_told_as_it_was() {
    let world = World::new();
    let sandbox = world.start().await;
    assert_eq!(world.sh(&sandbox, "exit 3").await.0, ExitStatus::Code(3));
    assert_eq!(world.sh(&sandbox, "kill -TERM $$").await.0, ExitStatus::Signal(15));
    for (argv, word) in
        [(vec!["no-such-program"], "could not be run"), (vec!["/etc/passwd"], "could not be run")]
    {
        let argv: Vec<_> = argv.into_iter().map(Into::into).collect();
        let exec = Exec { argv, cwd: world.project.clone(), ..Exec::default() };
        let error = sandbox.spawn(exec).await.unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let exec = Exec { cwd: "/no/such/place".into(), ..exec(&world, "true") };
    let error = sandbox.spawn(exec).await.unwrap_err().to_string();
    assert!(error.contains("working directory"), "{error}");
    sandbox.stop().await;
}

#[tokio::test]
async fn many_actions_at_once_do_not_mix() {
    let world = World::new();
    let sandbox = world.start().await;
    let script = "read x; sleep 0.0$x; echo $x";
    let runs: Vec<_> = (0..20)
        .map(|n| {
            let stdin = Stdin::Bytes(format!("{n}\n").into_bytes());
            let exec = Exec { stdin, ..exec(&world, script) };
            sandbox.run(exec, Capture { max_bytes: 100, wall: None }, |_| {})
        })
        .collect();
    for (n, run) in runs.into_iter().enumerate() {
        let finished = run.await.unwrap();
        assert_eq!(String::from_utf8(finished.output.head).unwrap().trim(), n.to_string());
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn a_request_too_large_is_refused_and_the_sandbox_lives() {
    let world = World::new();
    let sandbox = world.start().await;
    let long = "x".repeat(5 << 20);
    let exec = Exec {
        argv: vec!["true".into(), long.into()],
        cwd: world.project.clone(),
        ..Exec::default()
    };
    let error = sandbox.spawn(exec).await.unwrap_err();
    assert!(error.to_string().contains("too large"), "{error}");
    // Larger than one message, smaller than the bound: it goes another way.
    let long = "y".repeat(100_000);
    let (_, said) = world.run(&sandbox, &["printf", "%s", &long]).await;
    assert_eq!(said, long);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_program_that_is_no_launcher_is_found_out() {
    let world = World::new();
    for program in ["/bin/true", "/bin/cat", "/no/such/program"] {
        let started =
            gatepost_sandbox::Sandbox::start_with(world.profile(), Path::new(program)).await;
        assert!(started.is_err(), "{program}");
    }
}

/// Whether an error was logged while it is held. The test is the only thread that runs then.
#[derive(Clone, Default)]
struct Errors(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl tracing::Subscriber for Errors {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::ERROR
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_program_that_cannot_start_is_told_apart_and_is_no_fault_of_init() {
    let errors = Errors::default();
    let _held = tracing::subscriber::set_default(errors.clone());
    let world = World::new();
    world.file("plain", "#!/bin/sh\n");
    for _ in 0..20 {
        let sandbox = world.start().await;
        for (program, expected) in [
            ("./plain", std::io::ErrorKind::PermissionDenied),
            ("none", std::io::ErrorKind::NotFound),
        ] {
            let exec =
                Exec { argv: vec![program.into()], cwd: world.project.clone(), ..Exec::default() };
            match sandbox.spawn(exec).await {
                Err(gatepost_sandbox::SandboxError::Start { errno, .. }) => {
                    assert_eq!(errno.kind(), expected, "{program}");
                }
                other => panic!("{program}: {other:?}"),
            }
        }
        // Ended while the word to kill what never began is still under way.
        sandbox.stop().await;
    }
    assert!(!errors.0.load(std::sync::atomic::Ordering::Relaxed), "an error was logged");
}
