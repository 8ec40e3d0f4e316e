//! Landlock: what the mounts already say, said a second time by another part of the kernel.

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::io::Errno;
use std::path::Path;

/// The oldest Landlock that is taken: the first with file-system rules. What later ones add is
/// used where present and reported.
const FLOOR: ABI = ABI::V1;
/// The newest this code knows.
const KNOWN: ABI = ABI::V6;

/// The version that can tell renames and links between directories apart; before, none is let.
const REFER: u32 = 2;
/// The version from which an action can be kept from signalling another.
pub(crate) const SCOPES: u32 = 6;

/// Confines init and all it starts: everything shown may be read and run, only the named
/// places written.
pub(crate) fn confine(writable: &[&Path]) -> Result<(), Errno> {
    let all = AccessFs::from_all(KNOWN);
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(FLOOR))
        .map_err(|_| Errno::NOSYS)?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(all)
        .map_err(|_| Errno::NOSYS)?
        .scope(Scope::from_all(KNOWN))
        .map_err(|_| Errno::NOSYS)?
        .create()
        .map_err(|_| Errno::NOSYS)?;
    let read = AccessFs::from_read(KNOWN);
    let device = read | AccessFs::WriteFile | AccessFs::IoctlDev;
    ruleset = rule(ruleset, Path::new("/"), read)?;
    ruleset = rule(ruleset, Path::new("/dev/pts"), device)?;
    for name in ["null", "zero", "full", "random", "urandom", "tty"] {
        let file = device & AccessFs::from_file(KNOWN);
        ruleset = rule(ruleset, &Path::new("/dev").join(name), file)?;
    }
    for path in writable {
        ruleset = rule(ruleset, path, all & !AccessFs::IoctlDev)?;
    }
    let status = ruleset.restrict_self().map_err(|_| Errno::NOSYS)?;
    match status.ruleset {
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err(Errno::NOSYS),
    }
}

fn rule(
    ruleset: landlock::RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<landlock::RulesetCreated, Errno> {
    let fd = PathFd::new(path).map_err(|_| Errno::NOENT)?;
    ruleset.add_rule(PathBeneath::new(fd, access)).map_err(|_| Errno::INVAL)
}

/// A layer of its own for one action: it cannot signal init nor what another action runs, nor look
/// into either through `/proc`.
///
/// A Landlock that knows no scopes keeps from the latter alone, which any layer of an action's own
/// does; `doctor` and the run's report say so.
pub(crate) fn own_scope(abi: u32) -> Result<(), Errno> {
    let own = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let layer = match abi {
        // Something must be taken away for it to be a layer; nobody may make these anyway.
        0..REFER => own.handle_access(AccessFs::MakeBlock),
        REFER..SCOPES => own.handle_access(AccessFs::Refer),
        SCOPES.. => {
            own.handle_access(AccessFs::Refer).and_then(|own| own.scope(Scope::from_all(KNOWN)))
        }
    };
    let mut layer = layer.and_then(|own| own.create()).map_err(|_| Errno::NOSYS)?;
    if abi >= REFER {
        // The one right that every layer takes away unless it gives it back: without it nothing is
        // renamed or linked from one directory to another, and builds break. What may be written
        // where is the outer layer's.
        layer = rule(layer, Path::new("/"), AccessFs::Refer.into())?;
    }
    layer.restrict_self().map(|_| ()).map_err(|_| Errno::NOSYS)
}

/// The version of Landlock this kernel speaks; 0 when it has none.
pub(crate) fn abi() -> u32 {
    crate::sys::landlock_abi()
}
