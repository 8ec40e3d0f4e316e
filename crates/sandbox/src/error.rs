//! What can go wrong, each with the sentence that mends it where there is one.

use crate::capture::Over;
use crate::control::{Stage, Step};
use rustix::io::Errno;
use std::path::PathBuf;

/// Why a sandbox or an action in it could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The kernel or its set-up lacks a layer; nothing was run.
    #[error("the sandbox cannot be built: {what} failed ({errno}); {mend}", what = stage_name(*stage))]
    Refused {
        /// The layer.
        stage: Stage,
        /// What the kernel said.
        errno: std::io::Error,
        /// What to do about it.
        mend: String,
    },
    /// The project cannot be worked on.
    #[error("`{path}` cannot be the project: {why}", path = path.display())]
    Project {
        /// The path given.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The task's own storage cannot be used.
    #[error("the task's storage `{path}` cannot be used: {source}", path = path.display())]
    Storage {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The launcher program could not be started.
    #[error("the sandbox launcher could not be started: {0}")]
    Launcher(std::io::Error),
    /// The outside view of init is not what it must be; it was killed.
    #[error("the sandbox was built but is not tight: {0}; nothing was run in it")]
    NotTight(String),
    /// A cap was passed by far; nothing more is run for the task.
    #[error("nothing more is run: {0}; discard the task, or raise the limit in `[sandbox]`")]
    Over(Over),
    /// The sandbox ended.
    #[error("the sandbox is gone; start the task again")]
    Gone,
    /// The program could not be started inside.
    #[error("`{program}` could not be started: {what} ({errno})", what = step_name(*step))]
    Start {
        /// The program asked for.
        program: String,
        /// The step that failed.
        step: Step,
        /// What the kernel said.
        errno: std::io::Error,
    },
    /// A request larger than the kernel would take.
    #[error("the command with its environment is too large to be started")]
    TooLarge,
    /// Pipes, descriptors and the like on our own side.
    #[error("talking to the sandbox failed: {0}")]
    Io(std::io::Error),
    /// More loopback ports were asked for than are handed out.
    #[error("more than {most} loopback ports were asked for; take some out of the configuration")]
    Ports {
        /// The most there can be.
        most: usize,
    },
    /// A file inside could not be read or written.
    #[error("`{path}` inside the sandbox: {errno}", path = path.display())]
    File {
        /// The path inside.
        path: PathBuf,
        /// What the kernel said.
        errno: std::io::Error,
    },
}

impl From<Errno> for SandboxError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::TOOBIG => Self::TooLarge,
            Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN => Self::Gone,
            other => Self::Io(other.into()),
        }
    }
}

impl From<std::io::Error> for SandboxError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

/// What a stage does, for people.
pub(crate) fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Plan => "reading the plan",
        Stage::Program => "finding the own program",
        Stage::Identity => "becoming the unprivileged user",
        Stage::Namespaces => "making namespaces",
        Stage::Maps => "mapping the user into its namespace",
        Stage::System => "taking hold of the system directories",
        Stage::ReadOnly => "taking hold of a read-only directory of the profile",
        Stage::Project => "taking hold of the project",
        Stage::IdMap => "showing the project's files as the task's own",
        Stage::Overlay => "mounting the copy-on-write view",
        Stage::Root => "making the new root",
        Stage::Proc => "mounting a fresh /proc",
        Stage::Dev => "making /dev",
        Stage::Pivot => "leaving the old root",
        Stage::Network => "bringing up the loopback device",
        Stage::Capabilities => "giving up capabilities",
        Stage::Init => "starting init",
        Stage::Landlock => "applying Landlock",
        Stage::Seccomp => "installing the system call filter",
    }
}

fn step_name(step: Step) -> &'static str {
    match step {
        Step::Fork => "no process could be made",
        Step::Confine => "its confinement could not be set up",
        Step::Cwd => "its working directory could not be entered",
        Step::Exec => "the program could not be run",
    }
}

/// The sentence that mends a missing layer.
pub(crate) fn mend(stage: Stage, errno: Errno, root: bool) -> String {
    let text = match stage {
        Stage::Namespaces if errno == Errno::NOSPC => {
            "run `sysctl -w user.max_user_namespaces=15000` (and `user.max_net_namespaces`, \
             `user.max_mnt_namespaces` and `user.max_pid_namespaces` where they are 0)"
        }
        Stage::Namespaces | Stage::Maps | Stage::Network | Stage::Root => {
            "allow unprivileged user namespaces: `sysctl -w user.max_user_namespaces=15000`, on \
             older Debian `sysctl -w kernel.unprivileged_userns_clone=1`, on Ubuntu 23.10 and \
             later install the AppArmor profile from `deploy/` or run \
             `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0`; in a container start it \
             with `--security-opt seccomp=unconfined`"
        }
        Stage::System | Stage::ReadOnly | Stage::Project | Stage::IdMap | Stage::Dev if root => {
            "root here may not mount: start as an ordinary user instead, or give this container \
             CAP_SYS_ADMIN; a kernel of 5.12 or newer is needed"
        }
        Stage::System | Stage::ReadOnly | Stage::Project | Stage::IdMap | Stage::Dev => {
            "check that the directories exist and can be read, and that the kernel is 5.12 or \
             newer"
        }
        Stage::Overlay => "use a kernel of 5.11 or newer with overlayfs (`modprobe overlay`)",
        Stage::Proc => {
            "the /proc here is partly hidden, as in most containers: start the container with \
             `--security-opt systempaths=unconfined`, or run outside of it"
        }
        Stage::Identity => "make the user: `useradd --system --no-create-home gatepost-task`",
        Stage::Landlock => "boot a kernel of 5.13 or newer with `landlock` in its `lsm=` list",
        Stage::Seccomp => "use a kernel built with CONFIG_SECCOMP_FILTER",
        Stage::Plan | Stage::Program | Stage::Pivot | Stage::Capabilities | Stage::Init => {
            "run `gatepost doctor` and report what it says"
        }
    };
    text.to_owned()
}
