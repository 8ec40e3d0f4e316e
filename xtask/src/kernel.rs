//! `cargo xtask kernel`: the sandbox's tests on a kernel that has what most build machines lack.
//!
//! A Debian kernel with the x32 ABI, AppArmor, an old Landlock and a whole cgroup v2 tree is started
//! in QEMU over this machine's own files, read-only. It is emulated, because build machines are virtual
//! themselves and seldom offer more; that takes some minutes.

use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::programs::cache;
use crate::run::cargo;
use crate::run::output;
use crate::run::run;
use crate::run::say;
use crate::setup::need;

const INIT: &str = include_str!("kernel/init.sh");
const RUN: &str = include_str!("kernel/run.sh");

/// What the first process of the machine loads; what these need comes along.
const MODULES: [&str; 7] =
    ["virtio_pci", "virtio_blk", "9pnet_virtio", "9p", "ext4", "overlay", "crc32c_generic"];

/// The Debian package whose dependency is the newest kernel of this release.
const PACKAGE: &str = "linux-image-amd64";

/// Builds the tests, starts the machine, and fails where a test of it did.
pub(crate) fn kernel(root: &Path) -> Result<()> {
    if std::env::consts::ARCH != "x86_64" {
        bail!("the machine that is started is an x86-64; run this on one");
    }
    need(&[
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("busybox", "busybox-static"),
        ("mkfs.ext4", "e2fsprogs"),
        ("dpkg-deb", "dpkg"),
        ("setpriv", "util-linux"),
    ])?;
    let place = cache()?.join("kernel");
    let (share, initial) = (place.join("share"), place.join("initial"));
    for folder in [&share, &initial] {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
    }
    let package = fetch(&place)?;
    for (file, from) in built(root)? {
        std::fs::copy(&from, share.join(file))
            .with_context(|| format!("`{}` was not built", from.display()))?;
    }
    std::fs::write(share.join("run.sh"), RUN)?;
    lay_out(&package, &initial)?;
    let (archive, disk) = (place.join("initial.cpio"), place.join("disk.img"));
    let words = r#"cd "$0" && find . | busybox cpio -o -H newc >"$1""#;
    run(Command::new("sh").args(["-c", words]).args([&initial, &archive]))?;
    std::fs::File::create(&disk)?.set_len(4 << 30)?;
    run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&disk))?;
    start(&package, &archive, &disk, &share)
}

/// The unpacked kernel package, fetched once for each version.
fn fetch(place: &Path) -> Result<PathBuf> {
    let depends = output(Command::new("apt-cache").args(["depends", PACKAGE]))?;
    let name = depends.lines().find_map(|line| {
        let name = line.trim().strip_prefix("Depends: ")?;
        name.starts_with("linux-image-").then(|| name.to_owned())
    });
    let name = name.context("apt knows no kernel; run `apt-get update` first")?;
    let unpacked = place.join(&name);
    if !unpacked.join("boot").is_dir() {
        run(Command::new("apt-get").args(["download", "--quiet", &name]).current_dir(place))?;
        let file = entry(place, |file| file.starts_with(&name) && file.ends_with(".deb"))?;
        let partial = place.join("partial");
        run(Command::new("dpkg-deb").arg("-x").args([&file, &partial]))?;
        std::fs::remove_file(file)?;
        std::fs::rename(partial, &unpacked)?;
    }
    Ok(unpacked)
}

fn entry(place: &Path, is_it: impl Fn(&str) -> bool) -> Result<PathBuf> {
    for entry in std::fs::read_dir(place)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(&is_it) {
            return Ok(entry.path());
        }
    }
    bail!("`{}` does not hold what it should", place.display())
}

/// The test program and the one it starts, under their names in the machine.
fn built(root: &Path) -> Result<Vec<(&'static str, PathBuf)>> {
    let args = ["test", "-p", "gatepost-sandbox", "--test", "it", "--locked", "--no-run"];
    let told = output(cargo(root, &args).arg("--message-format=json"))?;
    let mut found = Vec::new();
    for line in told.lines() {
        let line: serde_json::Value = serde_json::from_str(line)?;
        let name = line.pointer("/target/name").and_then(serde_json::Value::as_str);
        let file = line.pointer("/executable").and_then(serde_json::Value::as_str);
        match (name, file) {
            (Some("it"), Some(file)) => found.push(("it", file.into())),
            (Some("gatepost-sbx-probe"), Some(file)) => {
                found.push(("gatepost-sbx-probe", file.into()));
            }
            _ => {}
        }
    }
    if found.len() == 2 { Ok(found) } else { bail!("cargo names {} programs", found.len()) }
}

/// What is there before any disk is: busybox, the modules in the order they are loaded, and init.
fn lay_out(package: &Path, initial: &Path) -> Result<()> {
    let modules = entry(&package.join("lib/modules"), |_| true)?;
    let version = modules.file_name().context("a version has a name")?;
    run(Command::new("busybox").arg("depmod").arg("-b").arg(package).arg(version))?;
    let index = std::fs::read_to_string(modules.join("modules.dep"))?;
    let mut order: Vec<&str> = Vec::new();
    for wanted in MODULES {
        // One that is built in is not listed.
        let file = format!("/{}.ko:", wanted.replace('_', "-"));
        let plain = format!("/{wanted}.ko:");
        let is_it = |line: &&str| line.contains(&file) || line.contains(&plain);
        let Some((own, needs)) = index.lines().find(is_it).and_then(|line| line.split_once(':'))
        else {
            continue;
        };
        for module in needs.split_whitespace().rev().chain([own]) {
            if !order.contains(&module) {
                order.push(module);
            }
        }
    }
    for folder in ["bin", "proc", "sys", "dev", "host", "modules"] {
        std::fs::create_dir_all(initial.join(folder))?;
    }
    for (number, module) in order.iter().enumerate() {
        let to = initial.join(format!("modules/{number:02}.ko"));
        std::fs::copy(modules.join(module), to)?;
    }
    let which = output(Command::new("sh").args(["-c", "command -v busybox"]))?;
    std::fs::copy(which.trim(), initial.join("bin/busybox"))?;
    let init = initial.join("init");
    std::fs::write(&init, INIT)?;
    std::fs::set_permissions(init, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(())
}

fn start(package: &Path, archive: &Path, disk: &Path, share: &Path) -> Result<()> {
    let image = entry(&package.join("boot"), |file| file.starts_with("vmlinuz"))?;
    let shared = |path: &str, tag: &str| {
        format!("local,path={path},mount_tag={tag},security_model=none,readonly=on,multidevs=remap")
    };
    let mut machine = Command::new("qemu-system-x86_64");
    machine
        .args(["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"])
        .args(["-m", "3G", "-nographic", "-nodefaults", "-no-reboot", "-serial", "stdio"])
        .arg("-kernel")
        .arg(image)
        .arg("-initrd")
        .arg(archive)
        .args(["-append", "console=ttyS0 quiet loglevel=1 panic=1 syscall.x32=y"])
        .arg("-drive")
        .arg(format!("file={},if=virtio,format=raw,cache=unsafe", disk.display()))
        .args(["-virtfs", &shared("/", "host")])
        .args(["-virtfs", &shared(&share.display().to_string(), "share")]);
    say("+ a Debian kernel in QEMU");
    let mut machine = machine.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let said = machine.stdout.take().context("the machine has no output")?;
    let mut passed = Vec::new();
    for line in BufReader::new(said).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).trim_end().to_owned();
        if let Some(who) = line.strip_prefix("passed: ") {
            passed.push(who.to_owned());
        }
        // A line each for some two hundred that went well says nothing.
        if !line.ends_with("... ok") {
            say(&line);
        }
    }
    machine.wait()?;
    if passed == ["root", "user"] {
        return Ok(());
    }
    bail!("on that kernel the tests passed as {passed:?} and not as root and as a user")
}
