//! What is given up and what the kernel refuses: rights, calls, namespaces, devices.

use crate::support::{Lack, World, has_scopes, program};
use gatepost_sandbox::{ExitStatus, attempts};
use std::collections::BTreeMap;

/// Every attempt, by its own program inside: the error numbers must be the right ones.
#[tokio::test]
async fn everything_that_must_fail_fails_as_it_should() {
    let world = World::new();
    let sandbox = world.start().await;
    let pid = std::process::id().to_string();
    let (status, said) = world.run(&sandbox, &[&world.probe(), "attempts", &pid]).await;
    assert_eq!(status, ExitStatus::Code(0), "{said}");
    let found: BTreeMap<&str, i32> = said
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(errno, name)| (name, errno.parse().unwrap()))
        .collect();
    let all = attempts::all();
    assert!(all.len() > 60 && found.len() == all.len(), "{said}");
    for attempt in &all {
        let errno = found[attempt.name];
        if attempt.name == "kill init" && !has_scopes() {
            Lack::Scopes.pass_over("the signal to init, which is ignored instead of refused");
            continue;
        }
        assert!(attempt.expected.contains(&errno), "{}: {errno}", attempt.name);
    }
    // It was no use.
    assert!(world.sh(&sandbox, "true").await.0.success());
    sandbox.stop().await;
}

/// The same calls outside answer otherwise, so it is the sandbox that refuses them inside.
#[test]
fn without_the_sandbox_the_kernel_answers_otherwise() {
    let output = std::process::Command::new(program()).arg("attempts-outside").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let found: BTreeMap<&str, i32> = said
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(errno, name)| (name, errno.parse().unwrap()))
        .collect();
    let x32 = "x32: ask for the own number";
    if found[x32] == 0 {
        // This kernel would have done it.
        assert_eq!(found["x32: unix socket"], 0, "{said}");
    } else {
        Lack::X32.pass_over("the control of the x32 numbers");
    }
    // Those an ordinary process may make: null pointers and bad descriptors are what is wrong.
    for name in [
        "read another's memory",
        "use the kernel's keyring",
        "make a user namespace",
        "io_uring_setup",
        "clone3",
        "take another's descriptor",
        "push into a terminal",
        "unix socket",
        "netlink socket",
        "change how memory is mapped",
        "enter a namespace",
        "make a call as a 32-bit program",
    ] {
        let attempt = attempts::all().into_iter().find(|attempt| attempt.name == name).unwrap();
        assert!(!attempt.expected.contains(&found[name]), "{name}: {}", found[name]);
    }
}

#[tokio::test]
async fn no_capability_is_left_and_none_can_be_had() {
    let world = World::new();
    let sandbox = world.start().await;
    let (_, said) =
        world.sh(&sandbox, "grep -E '^(Cap|NoNew|Seccomp:|Groups|NSpid)' /proc/self/status").await;
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert!(said.contains(&format!("{set}:\t0000000000000000")), "{said}");
    }
    assert!(said.contains("NoNewPrivs:\t1") && said.contains("Seccomp:\t2"), "{said}");
    // Setuid programs give nothing; a setuid file of the task's own neither.
    let script = "for p in su sudo mount newgrp passwd; do \
                  p=$(command -v $p) && [ -u $p ] && $p --version </dev/null >/dev/null 2>&1; done; \
                  cp /usr/bin/id ./id && chmod 4755 ./id && ./id -u && id -u";
    let (_, said) = world.sh(&sandbox, script).await;
    let ids: Vec<_> = said.lines().collect();
    assert!(ids.len() == 2 && ids[0] == ids[1] && ids[0] != "0", "{said}");
    sandbox.stop().await;
}

#[tokio::test]
async fn namespaces_cannot_be_made_entered_or_widened() {
    let world = World::new();
    let sandbox = world.start().await;
    let (_, said) =
        world.sh(&sandbox, "unshare -U true; unshare -m true; unshare -r id; echo end").await;
    assert_eq!(said.matches("Operation not permitted").count(), 3, "{said}");
    let script = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n\
                  for n in os.listdir('/proc/self/ns'):\n\
                  \x20   fd = os.open('/proc/self/ns/' + n, os.O_RDONLY)\n\
                  \x20   assert libc.setns(fd, 0) == -1 and ctypes.get_errno() == 1, n\n\
                  print('done')";
    let (_, said) = world.run(&sandbox, &["/usr/bin/python3", "-c", script]).await;
    assert_eq!(said, "done\n");
    sandbox.stop().await;
}

#[tokio::test]
async fn devices_are_the_harmless_ones() {
    let world = World::new();
    let sandbox = world.start().await;
    let (_, said) = world.sh(&sandbox, "ls /dev | tr '\\n' ' '; find /dev -type b | wc -l").await;
    assert_eq!(said, "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero 0\n");
    let script = "mknod c c 1 3; mknod b b 8 0; mknod w c 0 0; mkfifo p && echo fifo; ls";
    let (_, said) = world.sh(&sandbox, script).await;
    assert_eq!(said.matches("Operation not permitted").count(), 3, "{said}");
    assert!(said.contains("fifo\n"), "{said}");
    sandbox.stop().await;
}

#[tokio::test]
async fn the_kernels_settings_are_closed() {
    let world = World::new();
    let sandbox = world.start().await;
    for place in [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/vm/drop_caches",
        "/proc/sysrq-trigger",
        "/proc/sys/kernel/hostname",
        "/proc/1/oom_score_adj",
        "/proc/self/uid_map",
    ] {
        let (status, said) = world.sh(&sandbox, &format!("echo 1 >{place}")).await;
        // `sysrq-trigger` is a null device here.
        let covered = place.ends_with("trigger") && said.is_empty();
        assert!(covered || status != ExitStatus::Code(0), "{place}: {said}");
    }
    let (_, said) =
        world.sh(&sandbox, "cat /proc/keys /proc/kcore /proc/kmsg; ls /sys /sys/fs/cgroup").await;
    assert!(said.matches("No such file").count() >= 2, "{said}");
    sandbox.stop().await;
}

/// With a real terminal, which the task makes itself.
#[tokio::test]
async fn input_cannot_be_pushed_into_a_terminal() {
    let world = World::new();
    let sandbox = world.start().await;
    let script = "import os, pty, fcntl, termios\n\
                  master, slave = pty.openpty()\n\
                  assert os.isatty(slave)\n\
                  try:\n\
                  \x20   fcntl.ioctl(slave, termios.TIOCSTI, b'x')\n\
                  \x20   print('pushed')\n\
                  except OSError as e:\n\
                  \x20   print(e.errno)";
    let (_, said) = world.run(&sandbox, &["/usr/bin/python3", "-c", script]).await;
    assert_eq!(said, "1\n");
    sandbox.stop().await;
}

#[tokio::test]
async fn whiteouts_cannot_be_forged() {
    let world = World::new();
    let sandbox = world.start().await;
    let script = "import os\n\
                  os.mkdir('d')\n\
                  for name in ('user.overlay.opaque', 'trusted.overlay.opaque', 'user.overlay.redirect'):\n\
                  \x20   try: os.setxattr('src', name, b'y')\n\
                  \x20   except OSError: pass\n\
                  print(sorted(os.listdir('src')))";
    let (_, said) = world.run(&sandbox, &["/usr/bin/python3", "-c", script]).await;
    assert_eq!(said, "['main.c']\n");
    sandbox.stop().await;
    // What was tried did not make the project's files look deleted.
    let (_, collected) = world.collect();
    assert!(!collected.changes.changes.iter().any(|change| change.path.starts_with("src/")));
}
