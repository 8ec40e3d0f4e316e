//! Managed settings: what whoever runs the machine decides over the heads of its users.
//!
//! They lie in `managed.toml` and in `managed.d/*.toml` below `/etc/gatepost`, in files of root that
//! nobody else may write. No flag and no variable moves them: what can be pointed elsewhere binds
//! nobody.

use std::fs::File;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use gatepost_gate::AutoSwitch;
use gatepost_gate::BypassSwitch;
use gatepost_gate::classifier::Lists;
use gatepost_policy::RuleSet;
use gatepost_policy::Tier;
use serde::Deserialize;

use crate::failure::Failure;

/// Where they lie.
pub(crate) const PLACE: &str = "/etc/gatepost";

/// Whose they must be.
const ROOT: u32 = 0;

/// How often a running Gatepost looks whether auto mode was turned off. A few small files are read.
const LOOK: Duration = Duration::from_secs(1);

/// A file of settings is a page or two.
const LARGEST: u64 = 1 << 20;

/// What is said where the mode `bypass` may not be used, and what to do.
pub(crate) const NO_BYPASS: (&str, &str) = (
    "the mode `bypass` is not allowed on this machine",
    "use `auto`; whoever runs the machine can set `allow_bypass = true` in \
     `/etc/gatepost/managed.toml`, where nothing there sets `disable_bypass`",
);

/// What whoever runs the machine has decided, of all files together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Managed {
    /// The files that were read, in order.
    pub(crate) files: Vec<PathBuf>,
    /// Auto mode is turned off.
    pub(crate) disable_auto: bool,
    /// The mode that asks next to nobody is allowed.
    pub(crate) allow_bypass: bool,
    /// It is not, whatever another file allows.
    pub(crate) disable_bypass: bool,
    /// The user's own rules do not count.
    pub(crate) only_managed_rules: bool,
    /// Rules that outrank those of the user.
    pub(crate) rules: Vec<RuleSet>,
    /// Policy in words that outranks that of the user.
    pub(crate) prose: Lists,
    /// Each decision as it is written, and its file.
    pub(crate) decided: Vec<(String, PathBuf)>,
}

/// One file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Written {
    disable_auto: bool,
    allow_bypass: bool,
    disable_bypass: bool,
    only_managed_rules: bool,
    /// Read by [`RuleSet::part`].
    rule: Vec<serde::de::IgnoredAny>,
    auto_mode: Words,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Words {
    environment: Vec<String>,
    allow: Vec<String>,
    soft_deny: Vec<String>,
    hard_deny: Vec<String>,
}

impl Managed {
    /// What is decided on this machine.
    ///
    /// # Errors
    /// A file cannot be read or understood, or is not root's alone to write.
    pub(crate) fn read() -> Result<Self, Failure> {
        Self::below(Path::new(PLACE), ROOT)
    }

    /// The same for the files of this owner below another directory.
    fn below(place: &Path, owner: u32) -> Result<Self, Failure> {
        let mut managed = Self { prose: none(), ..Self::default() };
        for path in files(place, owner)? {
            let text = text(&path, owner)?;
            managed.take(&text, &path)?;
            managed.files.push(path);
        }
        if !managed.files.is_empty() {
            // Whoever may write the directory may take the file away.
            check(place, &metadata(place)?, owner)?;
        }
        Ok(managed)
    }

    /// Whether the mode `bypass` may be used.
    pub(crate) fn allows_bypass(&self) -> bool {
        self.allow_bypass && !self.disable_bypass
    }

    fn take(&mut self, text: &str, path: &Path) -> Result<(), Failure> {
        let origin = &path.display().to_string();
        let written: Written = toml::from_str(text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            let at = 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
            Failure::new(format!("{origin}:{at}: {}", error.message().replace('\n', ", "))).hint(
                "managed settings are `disable_auto`, `allow_bypass`, `disable_bypass`, \
                 `only_managed_rules`, `[[rule]]` and the lists of `[auto_mode]`",
            )
        })?;
        for (name, set) in [
            ("disable_auto", written.disable_auto),
            ("allow_bypass", written.allow_bypass),
            ("disable_bypass", written.disable_bypass),
            ("only_managed_rules", written.only_managed_rules),
        ] {
            self.decided.extend(set.then(|| (format!("{name} = true"), path.to_owned())));
        }
        self.disable_auto |= written.disable_auto;
        self.allow_bypass |= written.allow_bypass;
        self.disable_bypass |= written.disable_bypass;
        self.only_managed_rules |= written.only_managed_rules;
        if !written.rule.is_empty() {
            let rules = RuleSet::part(Tier::Managed, text, origin).map_err(|error| {
                Failure::new(error.to_string()).hint("mend the rule, or take it out")
            })?;
            let said = rules.said().map(|rule| (rule, path.to_owned()));
            self.decided.extend(said);
            self.rules.push(rules);
        }
        let Words { environment, allow, soft_deny, hard_deny } = written.auto_mode;
        for (name, list) in [
            ("environment", &environment),
            ("allow", &allow),
            ("soft_deny", &soft_deny),
            ("hard_deny", &hard_deny),
        ] {
            let entries = list.iter().map(|entry| format!("auto_mode.{name}: {entry}"));
            self.decided.extend(entries.map(|entry| (entry, path.to_owned())));
        }
        self.prose.environment.extend(environment);
        self.prose.allow.extend(allow);
        self.prose.soft_deny.extend(soft_deny);
        self.prose.hard_deny.extend(hard_deny);
        Ok(())
    }

    /// One line on what is decided; none where nothing is.
    pub(crate) fn words(&self) -> Option<String> {
        let files: Vec<String> = self.files.iter().map(|path| path.display().to_string()).collect();
        if files.is_empty() {
            return None;
        }
        let rules: usize = self.rules.iter().map(RuleSet::len).sum();
        let prose = &self.prose;
        let words = prose.environment.len()
            + prose.allow.len()
            + prose.soft_deny.len()
            + prose.hard_deny.len();
        let mut said = Vec::new();
        for (is, what) in [
            (self.disable_auto, "auto mode is off"),
            (self.allows_bypass(), "bypass is allowed"),
            (self.disable_bypass, "bypass is off"),
            (self.only_managed_rules, "rules of users do not count"),
        ] {
            said.extend(is.then(|| what.to_owned()));
        }
        said.extend((rules > 0).then(|| format!("{rules} rules")));
        said.extend((words > 0).then(|| format!("{words} entries of policy in words")));
        if said.is_empty() {
            said.push("nothing is decided".to_owned());
        }
        Some(format!("managed by {}: {}", files.join(", "), said.join(", ")))
    }
}

/// Keeps the switches at what the files say for as long as Gatepost runs. While they cannot be read,
/// auto mode is off, and bypass too: nobody knows what they would say.
pub(crate) async fn watch(auto: AutoSwitch, bypass: BypassSwitch) {
    let mut broken = None;
    loop {
        let (off, may_bypass, wrong) = match tokio::task::spawn_blocking(Managed::read).await {
            Ok(Ok(managed)) => (managed.disable_auto, managed.allows_bypass(), None),
            Ok(Err(failure)) => (true, false, Some(failure.to_string())),
            Err(error) => (true, false, Some(error.to_string())),
        };
        if let Some(why) = wrong.as_ref().filter(|_| wrong != broken) {
            tracing::error!(%why, "managed settings cannot be read, so auto mode is off");
        }
        broken = wrong;
        if auto.turn_off(off) {
            tracing::warn!(off, "auto mode was turned off or on by the managed settings");
        }
        if bypass.allow(may_bypass) {
            tracing::warn!(may_bypass, "bypass was allowed or turned off by the managed settings");
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn none() -> Lists {
    Lists {
        environment: Vec::new(),
        allow: Vec::new(),
        soft_deny: Vec::new(),
        hard_deny: Vec::new(),
    }
}

/// `managed.toml` and what lies in `managed.d`, by name.
fn files(place: &Path, owner: u32) -> Result<Vec<PathBuf>, Failure> {
    let first = place.join("managed.toml");
    let mut files = Vec::new();
    match first.symlink_metadata() {
        Ok(_) => files.push(first),
        Err(error) if is_missing(&error) => {}
        Err(error) => return Err(unreadable(&first, &error)),
    }
    let more = place.join("managed.d");
    let entries = match std::fs::read_dir(&more) {
        Ok(entries) => entries,
        Err(error) if is_missing(&error) => return Ok(files),
        Err(error) => return Err(unreadable(&more, &error)),
    };
    check(&more, &metadata(&more)?, owner)?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(&more, &error))?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            found.push(path);
        }
    }
    found.sort();
    files.extend(found);
    Ok(files)
}

fn text(path: &Path, owner: u32) -> Result<String, Failure> {
    // What was checked is what is read: the same open file, and no link to another.
    let flags = i32::try_from(
        (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC)
            .bits(),
    )
    .unwrap_or_default();
    let file: File = File::options()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .map_err(|error| unreadable(path, &error))?;
    let known = file.metadata().map_err(|error| unreadable(path, &error))?;
    if !known.is_file() {
        return Err(Failure::new(format!("`{}` is no plain file", path.display()))
            .hint("put a plain file there, or take it away"));
    }
    check(path, &known, owner)?;
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(|error| unreadable(path, &error))?;
    Ok(text)
}

fn check(path: &Path, known: &Metadata, owner: u32) -> Result<(), Failure> {
    if known.uid() == owner && known.mode() & 0o022 == 0 {
        return Ok(());
    }
    let shown = path.display();
    Err(Failure::new(format!(
        "`{shown}` decides for this machine and others than root may write it"
    ))
    .hint(format!("as root: chown root:root {shown} && chmod go-w {shown}")))
}

fn metadata(path: &Path) -> Result<Metadata, Failure> {
    path.metadata().map_err(|error| unreadable(path, &error))
}

fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let shown = path.display();
    Failure::new(format!("the managed settings `{shown}` cannot be read: {error}")).hint(format!(
        "as root: make it a plain file that everybody may read (chmod 644 {shown}), or take it away"
    ))
}

#[cfg(test)]
mod tests;
