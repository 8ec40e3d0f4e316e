//! No capability, now or ever: all five sets empty, the way back locked.

use crate::sys;
use rustix::io::Errno;
use rustix::thread::CapabilitiesSecureBits;

/// Gives everything up. The order matters: the bounding set and the secure bits can only be
/// changed while CAP_SETPCAP is still held.
pub(crate) fn drop_all() -> Result<(), Errno> {
    for capability in 0..64 {
        if !sys::drop_bounding(capability)? {
            break;
        }
    }
    rustix::thread::set_capabilities_secure_bits(
        CapabilitiesSecureBits::NO_ROOT
            | CapabilitiesSecureBits::NO_ROOT_LOCKED
            | CapabilitiesSecureBits::NO_SETUID_FIXUP
            | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
            | CapabilitiesSecureBits::KEEP_CAPS_LOCKED
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED,
    )?;
    rustix::thread::clear_ambient_capability_set()?;
    sys::drop_capabilities()?;
    rustix::thread::set_no_new_privs(true)
}
