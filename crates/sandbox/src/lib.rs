//! A profile in, a confined process tree out; workspace copies, their review and delivery.
//!
//! [`Sandbox::start`] makes a task's namespaces once and leaves an init in them; every action is
//! then little more than a fork. Nothing here decides what may run: that is the gate's. This is
//! what holds when the gate was wrong.
//!
//! The program that links this crate must call [`run_if_init`] first thing in `main`, because
//! launcher and init are that same program under other names.

#[doc(hidden)]
pub mod attempts;
mod capture;
mod cgroup;
mod child;
mod control;
pub mod deliver;
pub mod doctor;
pub mod egress;
mod error;
mod files;
mod init;
mod launch;
mod lockdown;
mod manifest;
mod mounts;
mod process;
pub mod profile;
mod supervisor;
mod sys;
mod workspace;

pub use capture::{Capture, Finished, Output, Over};
pub use control::{Stage, Step};
pub use error::SandboxError;
pub use process::{Exec, ExitStatus, Process, Stdin};
pub use profile::{Home, Limits, Profile};
pub use supervisor::{Sandbox, Tier, check_project};
pub use workspace::{Notice, WorkspaceForm};

/// Becomes launcher or init when the program was started as one, and then never returns.
///
/// Must be called before any thread is made and before anything is read or printed.
pub fn run_if_init() {
    let name = std::env::args_os().next();
    let code = match name.as_deref().and_then(std::ffi::OsStr::to_str) {
        Some(launch::LAUNCHER) => launch::main(),
        Some(launch::INIT) => init::main(),
        Some(_) | None => return,
    };
    std::process::exit(code)
}
