//! What a process gives up: capabilities, paths, system calls, resources.

pub(crate) mod caps;
pub(crate) mod landlock;
pub(crate) mod limits;
pub(crate) mod seccomp;
