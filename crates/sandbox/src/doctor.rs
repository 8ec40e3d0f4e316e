//! What works here, found out by doing it.
//!
//! A real sandbox is started on a project of its own, a program is run in it, and everything that
//! must fail inside is tried there. Settings are only read to say what mends what did not work.

use crate::attempts;
use crate::capture::Capture;
use crate::error::SandboxError;
use crate::lockdown::landlock::SCOPES;
use crate::process::{Exec, ExitStatus};
use crate::profile::Profile;
use crate::supervisor::{Sandbox, Tier};
use crate::workspace::WorkspaceForm;
use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How well one thing works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As designed.
    Full,
    /// With a limit.
    Reduced,
    /// Not at all.
    Missing,
}

/// One line of the report.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Probe {
    /// What was tried.
    pub name: String,
    /// How it went.
    pub level: Level,
    /// What was seen.
    pub detail: String,
    /// What mends it.
    pub mend: Option<String>,
}

/// What was found.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Doctor {
    /// How much of the design can be had here.
    pub tier: Tier,
    /// One line for each thing tried.
    pub probes: Vec<Probe>,
}

impl Doctor {
    /// Whether a task could run here.
    #[must_use]
    pub fn can_run(&self) -> bool {
        self.tier != Tier::None
    }

    fn say(&mut self, name: &str, level: Level, detail: impl Into<String>, mend: Option<&str>) {
        self.probes.push(Probe {
            name: name.to_owned(),
            level,
            detail: detail.into(),
            mend: mend.map(str::to_owned),
        });
    }
}

/// How many commands are timed.
const TIMED: usize = 20;
/// A generous ceiling for one of them.
const WALL: Duration = Duration::from_secs(10);

/// Tries everything, with the running program as launcher and init.
pub async fn run() -> Doctor {
    run_with(Path::new("/proc/self/exe")).await
}

/// The same with another program, which must call [`crate::run_if_init`].
pub async fn run_with(program: &Path) -> Doctor {
    let mut doctor = Doctor { tier: Tier::None, probes: Vec::new() };
    let place = match Place::new() {
        Ok(place) => place,
        Err(error) => {
            let mend = "make the directory for temporary files writable, or set TMPDIR";
            doctor.say("storage", Level::Missing, error.to_string(), Some(mend));
            return doctor;
        }
    };
    match Sandbox::start_with(place.profile(), program).await {
        Ok(sandbox) => {
            doctor.tier = sandbox.tier();
            inside(&mut doctor, &sandbox, &place).await;
            sandbox.stop().await;
        }
        Err(error) => refused(&mut doctor, &error),
    }
    machine(&mut doctor);
    doctor
}

/// A project and a storage for the time of the examination.
struct Place {
    root: PathBuf,
}

impl Place {
    fn new() -> std::io::Result<Self> {
        let mut random = [0_u8; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let name = format!("gatepost-doctor-{:016x}", u64::from_ne_bytes(random));
        let root = std::env::temp_dir().canonicalize()?.join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&root)?;
        let place = Self { root };
        std::fs::create_dir(place.project())?;
        std::fs::write(place.project().join("file"), "as it was\n")?;
        Ok(place)
    }

    fn project(&self) -> PathBuf {
        self.root.join("project")
    }

    fn profile(&self) -> Profile {
        Profile::new(self.project(), self.root.join("storage"))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = crate::deliver::discard(&self.root) {
            tracing::warn!(%error, "the examination left something behind");
        }
    }
}

fn refused(doctor: &mut Doctor, error: &SandboxError) {
    let mend = match error {
        SandboxError::Refused { mend, .. } => Some(mend.as_str()),
        SandboxError::NotTight(_) => Some("report this as a fault, with the output of `uname -a`"),
        SandboxError::Project { .. }
        | SandboxError::Storage { .. }
        | SandboxError::Launcher(_)
        | SandboxError::Gone
        | SandboxError::Over(_)
        | SandboxError::Start { .. }
        | SandboxError::TooLarge
        | SandboxError::Io(_)
        | SandboxError::Ports { .. }
        | SandboxError::File { .. } => Some("mend what it says and run `gatepost doctor` again"),
    };
    doctor.say("sandbox", Level::Missing, error.to_string(), mend);
}

async fn inside(doctor: &mut Doctor, sandbox: &Sandbox, place: &Place) {
    doctor.say(
        "sandbox",
        Level::Full,
        "user, mount, pid, network, ipc, uts and cgroup namespaces; no capabilities; the call \
         filter is on",
        None,
    );
    workspace(doctor, sandbox, place).await;
    let abi = sandbox.landlock();
    if abi >= SCOPES {
        doctor.say("landlock", Level::Full, format!("version {abi}"), None);
    } else {
        doctor.say(
            "landlock",
            Level::Reduced,
            format!("version {abi}: an action can signal another of the same task, and init"),
            Some("boot a kernel of 6.12 or newer"),
        );
    }
    match sandbox.no_group() {
        None => {
            let detail = "each task has its own, with memory, processes and processor share";
            doctor.say("control group", Level::Full, detail, None);
        }
        Some(why) => doctor.say(
            "control group",
            Level::Reduced,
            format!(
                "none ({why}): the memory of a whole task is looked at ten times a second and not \
                 held by the kernel, and processor time is not bounded"
            ),
            Some(why.mend()),
        ),
    }
    environment(doctor, sandbox, place).await;
    denials(doctor, sandbox).await;
    timing(doctor, sandbox, place).await;
}

async fn command(
    sandbox: &Sandbox,
    place: &Place,
    argv: &[&str],
) -> Result<(ExitStatus, String), SandboxError> {
    let argv = argv.iter().map(std::ffi::OsString::from).collect();
    let exec = Exec { argv, cwd: place.project(), ..Exec::default() };
    let capture = Capture { max_bytes: 64 * 1024, wall: Some(WALL) };
    let finished = sandbox.run(exec, capture, |_| {}).await?;
    Ok((finished.exit, String::from_utf8_lossy(&finished.output.head).into_owned()))
}

async fn workspace(doctor: &mut Doctor, sandbox: &Sandbox, place: &Place) {
    let script = "echo changed >file && cat file";
    let ran = command(sandbox, place, &["sh", "-c", script]).await;
    let outside = std::fs::read_to_string(place.project().join("file")).unwrap_or_default();
    let written = matches!(&ran, Ok((ExitStatus::Code(0), said)) if said == "changed\n");
    if !written || outside != "as it was\n" {
        doctor.tier = Tier::None;
        let detail = match ran {
            Ok((exit, said)) => format!("{exit:?}: {said:?}; outside it is {outside:?}"),
            Err(error) => error.to_string(),
        };
        let mend = "run on a file system overlayfs can use, such as ext4, xfs or btrfs";
        doctor.say("workspace", Level::Missing, detail, Some(mend));
        return;
    }
    match sandbox.workspace() {
        WorkspaceForm::Overlay { .. } => {
            doctor.say("workspace", Level::Full, "copy-on-write; the project is untouched", None);
        }
        WorkspaceForm::Copy { .. } => {
            let notes: Vec<String> = sandbox.notices().iter().map(|n| n.sentence()).collect();
            let mend = "keep the data directory on ext4, xfs or btrfs, and use a kernel of 5.11 \
                        or newer with overlayfs";
            doctor.say("workspace", Level::Reduced, notes.join("; "), Some(mend));
        }
    }
}

/// Nothing of our own environment may be there.
async fn environment(doctor: &mut Doctor, sandbox: &Sandbox, place: &Place) {
    let known: BTreeSet<&str> =
        sandbox.env().keys().map(String::as_str).chain(["PWD", "OLDPWD", "SHLVL", "_"]).collect();
    match command(sandbox, place, &["env"]).await {
        Ok((ExitStatus::Code(0), said)) => {
            let names = said.lines().filter_map(|line| line.split_once('=').map(|(name, _)| name));
            let strange: Vec<&str> = names.filter(|name| !known.contains(name)).collect();
            if strange.is_empty() {
                doctor.say("environment", Level::Full, "nothing of the host's is seen", None);
            } else {
                doctor.tier = Tier::None;
                let detail = format!("inside are also {}", strange.join(", "));
                doctor.say("environment", Level::Missing, detail, Some("report this as a fault"));
            }
        }
        Ok((exit, said)) => {
            doctor.tier = Tier::None;
            let detail = format!("`env` ended with {exit:?}: {said}");
            let mend = "install the ordinary programs (coreutils) under /usr";
            doctor.say("environment", Level::Missing, detail, Some(mend));
        }
        Err(error) => {
            doctor.tier = Tier::None;
            let mend = "install the ordinary programs (coreutils) under /usr";
            doctor.say("environment", Level::Missing, error.to_string(), Some(mend));
        }
    }
}

/// Everything that must fail inside is tried there.
async fn denials(doctor: &mut Doctor, sandbox: &Sandbox) {
    let answers = match sandbox.attempt().await {
        Ok(answers) => answers,
        Err(error) => {
            doctor.tier = Tier::None;
            let mend = "report this as a fault";
            doctor.say("denials", Level::Missing, error.to_string(), Some(mend));
            return;
        }
    };
    for (number, attempt) in attempts::all().iter().enumerate() {
        let name = format!("denied: {}", attempt.name);
        let answer = answers.iter().find(|(of, _)| *of == number).map(|(_, errno)| *errno);
        let words = |errno| std::io::Error::from_raw_os_error(errno).to_string();
        match answer {
            Some(errno) if attempt.expected.contains(&errno) => {
                doctor.say(&name, Level::Full, words(errno), None);
            }
            // Without scopes init is protected by being init, and not by an error.
            Some(0) if attempt.name == "kill init" && sandbox.landlock() < SCOPES => {
                doctor.say(&name, Level::Reduced, "the signal is ignored", None);
            }
            Some(0) => {
                doctor.tier = Tier::None;
                let mend = "do not run tasks here; report this as a fault";
                doctor.say(&name, Level::Missing, "nothing stopped it", Some(mend));
            }
            // It failed, if not as it should; that is closed, but somebody should look.
            Some(errno) => doctor.say(&name, Level::Reduced, words(errno), None),
            None => {
                doctor.tier = Tier::None;
                let mend = "report this as a fault";
                doctor.say(&name, Level::Missing, "there was no answer", Some(mend));
            }
        }
    }
}

async fn timing(doctor: &mut Doctor, sandbox: &Sandbox, place: &Place) {
    let mut times = Vec::new();
    for _ in 0..TIMED {
        let begin = Instant::now();
        match command(sandbox, place, &["true"]).await {
            Ok((ExitStatus::Code(0), _)) => times.push(begin.elapsed()),
            Ok(_) | Err(_) => break,
        }
    }
    times.sort_unstable();
    match times.get(times.len() / 2) {
        Some(median) => {
            let detail =
                format!("{:.2} ms, the median of {}", median.as_secs_f64() * 1e3, times.len());
            doctor.say("one command", Level::Full, detail, None);
        }
        None => doctor.say("one command", Level::Missing, "`true` could not be run", None),
    }
}

fn setting(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// Facts that are not needed for a sandbox, or say why there is none.
fn machine(doctor: &mut Doctor) {
    if rustix::process::geteuid().is_root() {
        let named = setting("/etc/passwd").unwrap_or_default();
        let named = named.lines().any(|line| line.starts_with("gatepost-task:"));
        let detail = if named {
            "root; tasks run as `gatepost-task`"
        } else {
            "root; tasks run as a user without a name (65529)"
        };
        let mend = "useradd --system --no-create-home gatepost-task";
        let level = if named { Level::Full } else { Level::Reduced };
        doctor.say("user", level, detail, (!named).then_some(mend));
    } else {
        doctor.say("user", Level::Full, "an ordinary user; tasks run as the same", None);
    }
    match setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").as_deref() {
        Some("1") if doctor.can_run() => {
            doctor.say(
                "apparmor",
                Level::Full,
                "restricted, and this program is let through",
                None,
            );
        }
        Some("1") => doctor.say(
            "apparmor",
            Level::Missing,
            "new user namespaces have no rights here",
            Some(
                "install -m 644 deploy/apparmor/gatepost /etc/apparmor.d/gatepost && \
                 apparmor_parser -r /etc/apparmor.d/gatepost",
            ),
        ),
        Some(_) | None => {
            doctor.say("apparmor", Level::Full, "user namespaces are not restricted by it", None);
        }
    }
    let spaces = setting("/proc/sys/user/max_user_namespaces").unwrap_or_default();
    if spaces == "0" {
        let mend = Some("sysctl -w user.max_user_namespaces=15000");
        doctor.say("user namespaces", Level::Missing, "none may be made", mend);
    } else {
        doctor.say("user namespaces", Level::Full, format!("at most {spaces}"), None);
    }
}
