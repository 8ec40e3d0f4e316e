//! Resource limits of one action.

use crate::control::Rlimits;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sets the limits on the calling process; never raises one above what it was given.
///
/// Set in the child and not on init: the kernel counts processes for the whole namespace but
/// compares with the caller's own limit, so init can still fork while an action is at its cap.
pub(crate) fn apply(limits: Rlimits) -> Result<(), Errno> {
    let table = [
        (Resource::Nproc, limits.processes),
        (Resource::Nofile, limits.open_files),
        (Resource::Fsize, limits.file_size),
        (Resource::Data, limits.data),
        (Resource::Core, 0),
        (Resource::Memlock, 64 * 1024),
        (Resource::Msgqueue, 0),
    ];
    for (resource, wanted) in table {
        let value = getrlimit(resource).maximum.map_or(wanted, |most| most.min(wanted));
        setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?;
    }
    Ok(())
}
