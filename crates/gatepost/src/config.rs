//! The configuration: found, read, checked. Reading it never acts: nothing is made or changed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use gatepost_domain::Mode;
use gatepost_models::Endpoint;
use gatepost_models::budget::Budget;
use gatepost_models::budget::Limit;
use gatepost_sandbox::Limits;
use gatepost_sandbox::Tier;
use gatepost_sandbox::egress::AllowList;
use toml::de::DeTable;

use crate::failure::Failure;

pub(crate) mod agents;
pub(crate) mod auto_mode;
pub(crate) mod defaults;
pub(crate) mod managed;
pub(crate) mod schema;
mod unknown;

use agents::AgentSettings;
use managed::Managed;
use schema::File;

/// Where values come from that outrank the file: flags, and environment variables below them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Overrides {
    /// The configuration file to read; it must be there.
    pub(crate) config: Option<PathBuf>,
    /// The data directory.
    pub(crate) data: Option<PathBuf>,
    /// The console's address.
    pub(crate) listen: Option<String>,
}

/// A file as it was read, or the embedded defaults.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// Where it lies; none when there is no file.
    pub(crate) origin: Option<PathBuf>,
    /// What it says, defaults filled in.
    pub(crate) file: File,
    /// Its text.
    pub(crate) text: String,
    /// What whoever runs the machine has decided.
    pub(crate) managed: Managed,
}

/// The configuration, checked, with everything that outranks the file.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The console's address; always loopback.
    pub(crate) listen: SocketAddr,
    /// The data directory, absolute; it may not exist yet.
    pub(crate) data: PathBuf,
    /// Projects by name: absolute, canonical directories.
    pub(crate) projects: BTreeMap<String, PathBuf>,
    /// The default project; none when no project is configured.
    pub(crate) default_project: Option<String>,
    /// The default agent.
    pub(crate) agent: String,
    /// The agents that are set up, by name.
    pub(crate) agents: BTreeMap<String, AgentSettings>,
    /// The default mode.
    pub(crate) mode: Mode,
    /// How long a question waits.
    pub(crate) approval_timeout: Duration,
    /// How many tasks run at once.
    pub(crate) max_running: usize,
    /// How many tasks may wait.
    pub(crate) max_queued: usize,
    /// Directories every sandbox shows read-only.
    pub(crate) read_only: Vec<PathBuf>,
    /// The least tier a task runs at.
    pub(crate) minimum: Tier,
    /// What a task may use up.
    pub(crate) limits: Limits,
    /// The hosts tasks may reach.
    pub(crate) egress: AllowList,
    /// The user's rules.
    pub(crate) rules: Option<PathBuf>,
    /// Language models by name. Their keys are read when they are used.
    pub(crate) models: BTreeMap<String, Endpoint>,
    /// What may be spent on them.
    pub(crate) budget: Budget,
}

/// Finds and reads the file; without one, the defaults.
pub(crate) fn load(overrides: &Overrides) -> Result<Loaded, Failure> {
    if let Some(path) = &overrides.config {
        return read(path);
    }
    match directories().map(|found| found.config_dir().join("config.toml")) {
        Some(path) if path.exists() => read(&path),
        Some(_) | None => Ok(Loaded {
            origin: None,
            file: File::default(),
            text: String::new(),
            managed: Managed::read()?,
        }),
    }
}

/// Reads a file's text; every key must be one that is known.
pub(crate) fn parse(text: &str, origin: &str) -> Result<File, Failure> {
    let line = |offset: usize| 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    let wrong = |error: &toml::de::Error| {
        let at = error.span().map_or(1, |span| line(span.start));
        let message = error.message().replace('\n', ", ");
        Failure::new(format!("{origin}:{at}: {message}"))
            .hint("`gatepost config default` shows every setting with its form")
    };
    let table = DeTable::parse(text).map_err(|error| wrong(&error))?;
    let unknown = unknown::find(table.get_ref(), &schemars::schema_for!(File));
    if let Some(first) = unknown.first() {
        let more = match unknown.len() {
            1 => String::new(),
            count => format!(", and {} more", count - 1),
        };
        let at = line(first.offset);
        return Err(Failure::new(format!("{origin}:{at}: unknown key `{}`{more}", first.path))
            .hint(first.advice.clone()));
    }
    toml::from_str(text).map_err(|error| wrong(&error))
}

fn read(path: &Path) -> Result<Loaded, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::new(format!("cannot read the configuration `{}`: {error}", path.display()))
            .hint("name another file with `--config`, or leave it out for the defaults")
    })?;
    let file = parse(&text, &path.display().to_string())?;
    let origin = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Ok(Loaded { origin: Some(origin), file, text, managed: Managed::read()? })
}

impl Loaded {
    /// The user's rules, as a path.
    pub(crate) fn rules(&self) -> Option<PathBuf> {
        self.file.policy.rules.as_ref().map(|path| self.resolve(path))
    }

    /// The files that models' keys are kept in.
    pub(crate) fn key_files(&self) -> impl Iterator<Item = PathBuf> {
        let named = self.file.models.values().filter_map(|model| model.key_file.as_ref());
        named.map(|path| self.resolve(path))
    }

    /// The data directory, by flag, environment, file or platform.
    pub(crate) fn data(&self, overrides: &Overrides) -> Result<PathBuf, Failure> {
        if let Some(given) = &overrides.data {
            return std::path::absolute(given).map_err(|error| {
                Failure::new(format!("cannot use `{}` as data directory: {error}", given.display()))
                    .hint("name a directory with `--data`")
            });
        }
        if let Some(given) = &self.file.data {
            return Ok(self.resolve(given));
        }
        directories().map(|found| found.data_dir().to_owned()).ok_or_else(|| {
            Failure::new("there is no home directory to keep data in")
                .hint("name a directory with `--data` or `GATEPOST_DATA`")
        })
    }

    /// Checks everything and lets flags and environment outrank the file.
    pub(crate) fn settings(&self, overrides: &Overrides) -> Result<Settings, Failure> {
        let file = &self.file;
        let data = self.data(overrides)?;
        let listen = overrides.listen.as_deref().unwrap_or(&file.listen);
        let mut projects = BTreeMap::new();
        for (name, project) in &file.projects {
            check_name(name)?;
            let path = directory(&self.resolve(&project.path), &format!("project `{name}`"))?;
            check_apart(&format!("project `{name}`"), &path, &data)?;
            projects.insert(name.clone(), path);
        }
        self.check_outside(&projects)?;
        let models = crate::models::endpoints(self)?;
        let mut read_only = Vec::new();
        for path in &file.sandbox.read_only {
            let path = directory(&self.resolve(path), "`sandbox.read_only`")?;
            check_apart("`sandbox.read_only`", &path, &data)?;
            read_only.push(path);
        }
        Ok(Settings {
            listen: listen_address(listen)?,
            default_project: default_project(file.defaults.project.as_deref(), &projects)?,
            data,
            projects,
            agent: file.defaults.agent.clone(),
            agents: agents::settings(self)?,
            mode: self.mode()?,
            approval_timeout: positive("approvals.timeout", file.approvals.timeout.0)?,
            max_running: count("hub.max_running", file.hub.max_running, 64)?,
            max_queued: count("hub.max_queued", file.hub.max_queued, 10_000)?,
            read_only,
            minimum: match file.sandbox.minimum {
                schema::Minimum::Reduced => Tier::Reduced,
                schema::Minimum::Full => Tier::Full,
            },
            limits: limits(&file.sandbox)?,
            egress: hosts(&file.egress)?,
            rules: self.rules(),
            budget: budget(&file.budget, &models)?,
            models,
        })
    }

    /// The default mode.
    fn mode(&self) -> Result<Mode, Failure> {
        match self.file.defaults.mode {
            Mode::Bypass if !self.managed.allows_bypass() => {
                let (what, mend) = managed::NO_BYPASS;
                Err(Failure::new(format!("`defaults.mode`: {what}")).hint(mend))
            }
            mode => Ok(mode),
        }
    }

    /// What decides must not lie where agents work, or a delivered change could loosen it.
    fn check_outside(&self, projects: &BTreeMap<String, PathBuf>) -> Result<(), Failure> {
        let mut deciding =
            vec![("the configuration", self.origin.clone()), ("the rules", self.rules())];
        deciding.extend(self.key_files().map(|path| ("the key file", Some(path))));
        for (what, path) in deciding {
            let Some(path) = path.map(|path| settled(&path)) else { continue };
            if let Some((name, _)) = projects.iter().find(|(_, project)| path.starts_with(project))
            {
                let shown = path.display();
                return Err(Failure::new(format!("{what} `{shown}` lies inside project `{name}`"))
                    .hint("move it out: nothing that decides is read from where agents work"));
            }
        }
        Ok(())
    }

    /// A path of the file: its `~/` is the home, and relative ones start where the file lies.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        if let Ok(below_home) = path.strip_prefix("~")
            && let Some(home) = directories::BaseDirs::new()
        {
            return home.home_dir().join(below_home);
        }
        let base = self.origin.as_deref().and_then(Path::parent);
        base.map_or_else(|| path.to_owned(), |base| base.join(path))
    }
}

impl Settings {
    /// Adds a directory that is no configured project, under its own name.
    pub(crate) fn adopt(&mut self, path: &Path) -> Result<String, Failure> {
        let path = directory(path, "the project")?;
        check_apart("the project", &path, &self.data)?;
        if let Some(name) = self.project_at(&path) {
            return Ok(name);
        }
        let last = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let plain: String = last
            .unwrap_or_default()
            .chars()
            .map(|c| if is_name_char(c) { c } else { '-' })
            .take(60)
            .collect();
        let plain = if plain.is_empty() { "project".to_owned() } else { plain };
        let free = (1..)
            .map(|round| if round == 1 { plain.clone() } else { format!("{plain}-{round}") })
            .find(|name| !self.projects.contains_key(name))
            .unwrap_or(plain);
        self.projects.insert(free.clone(), path);
        Ok(free)
    }

    /// The name of the project at this directory.
    pub(crate) fn project_at(&self, path: &Path) -> Option<String> {
        self.projects.iter().find(|(_, project)| *project == path).map(|(name, _)| name.clone())
    }
}

/// An existing directory as an absolute path without links.
pub(crate) fn directory(path: &Path, what: &str) -> Result<PathBuf, Failure> {
    let shown = path.display();
    let wrong = |why: String| {
        Failure::new(format!("{what}: `{shown}` {why}")).hint("name a directory that is there")
    };
    let found = path.canonicalize().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => wrong("does not exist".into()),
        _ => wrong(format!("cannot be used: {error}")),
    })?;
    if found.is_dir() { Ok(found) } else { Err(wrong("is not a directory".into())) }
}

/// The path with its links followed as far as it exists.
pub(crate) fn settled(path: &Path) -> PathBuf {
    let mut missing: Vec<OsString> = Vec::new();
    let mut existing = path;
    loop {
        if let Ok(found) = existing.canonicalize() {
            return missing.iter().rev().fold(found, |path, part| path.join(part));
        }
        match (existing.components().next_back(), existing.parent()) {
            (Some(Component::Normal(last)), Some(parent)) => {
                missing.push(last.to_owned());
                existing = parent;
            }
            _ => return path.to_owned(),
        }
    }
}

fn directories() -> Option<directories::ProjectDirs> {
    directories::ProjectDirs::from("", "", "gatepost")
}

/// The data directory holds the console's key and every other task's work.
fn check_apart(what: &str, path: &Path, data: &Path) -> Result<(), Failure> {
    let data = settled(data);
    let shown = path.display();
    if data.starts_with(path) {
        return Err(Failure::new(format!(
            "{what}: `{shown}` holds gatepost's own data directory `{}`, which no task may see",
            data.display()
        ))
        .hint("keep the data elsewhere, with `--data` or `GATEPOST_DATA`"));
    }
    if path.starts_with(&data) && path != data.join(crate::data::SCRATCH) {
        return Err(Failure::new(format!("{what}: `{shown}` lies in gatepost's data directory"))
            .hint("use a directory outside of it"));
    }
    Ok(())
}

fn listen_address(text: &str) -> Result<SocketAddr, Failure> {
    let wrong = |why: &str| {
        Failure::new(format!("cannot listen on `{text}`: {why}")).hint(
            "use `--listen 127.0.0.1:PORT`; from elsewhere, come through a tunnel such as ssh",
        )
    };
    let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
    let address = match local {
        Some(port) => SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        None => text.parse().map_err(|_| wrong("it is not an address and a port"))?,
    };
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(wrong("the console serves on loopback only, because it is not encrypted"))
    }
}

fn default_project(
    wanted: Option<&str>,
    projects: &BTreeMap<String, PathBuf>,
) -> Result<Option<String>, Failure> {
    let Some(name) = wanted else { return Ok(projects.keys().next().cloned()) };
    if projects.contains_key(name) {
        return Ok(Some(name.to_owned()));
    }
    Err(Failure::new(format!("`defaults.project` names `{name}`, which is no configured project"))
        .hint(format!("add `[projects.{name}]` with its `path`, or name another")))
}

fn check_name(name: &str) -> Result<(), Failure> {
    if is_name(name) {
        return Ok(());
    }
    Err(Failure::new(format!("`{name}` cannot name a project"))
        .hint("use up to 64 letters, digits, `-`, `_` and `.`"))
}

/// Whether a person may name something so in the configuration.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.chars().all(is_name_char)
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// A bound in money holds only where every model's price is known.
fn budget(
    written: &schema::Budget,
    models: &BTreeMap<String, Endpoint>,
) -> Result<Budget, Failure> {
    let limit = |key: &str, text: Option<&String>| match text {
        None => Ok(Limit::default()),
        Some(text) => text.parse().map_err(|error: gatepost_models::budget::LimitError| {
            Failure::new(format!("`budget.{key}`: {error}")).hint("leave it out for no bound")
        }),
    };
    let budget = Budget {
        task: limit("task", written.task.as_ref())?,
        day: limit("day", written.day.as_ref())?,
    };
    let in_money = budget.task.cost.is_some() || budget.day.cost.is_some();
    match models.iter().find(|(_, endpoint)| endpoint.price.is_none()) {
        Some((name, _)) if in_money => {
            Err(Failure::new(format!("`[budget]` counts money and `models.{name}` has no price"))
                .hint(format!(
                    "add `price` to `[models.{name}]`, or count tokens: `2000000 tokens`"
                )))
        }
        Some(_) | None => Ok(budget),
    }
}

/// The most private addresses on this machine's own loopback; each is a listening socket in every
/// sandbox.
const MOST_LOOPBACK: usize = 16;

pub(crate) fn hosts(egress: &schema::Egress) -> Result<AllowList, Failure> {
    let hosts =
        AllowList::new(&egress.presets, &egress.allow, &egress.allow_private).map_err(|error| {
            Failure::new(format!("`egress`: {error}"))
                .hint("`gatepost config default` shows what the entries of `[egress]` look like")
        })?;
    let loopback = hosts.loopback().count();
    if loopback > MOST_LOOPBACK {
        return Err(Failure::new(format!(
            "`egress.allow_private` has {loopback} loopback addresses, and at most {MOST_LOOPBACK} fit"
        ))
        .hint("take out those no task needs"));
    }
    Ok(hosts)
}

pub(crate) fn positive(key: &str, period: Duration) -> Result<Duration, Failure> {
    let year = Duration::from_secs(365 * 24 * 3600);
    if (Duration::from_secs(1)..=year).contains(&period) {
        return Ok(period);
    }
    Err(Failure::new(format!("`{key}` must be between a second and a year"))
        .hint("write a length of time such as `30m`"))
}

/// What a task may use up, each with bounds: too little runs nothing, and a slip of the finger must
/// not open everything.
fn limits(file: &schema::Sandbox) -> Result<Limits, Failure> {
    let within = |key: &str, value: u64, least: u64, most: u64| {
        if (least..=most).contains(&value) {
            return Ok(value);
        }
        let text = format!("`sandbox.{key}` is {value}; it must be between {least} and {most}");
        Err(Failure::new(text).hint("change it in the configuration, or leave it out"))
    };
    let cpu = file.cpu_percent.map(|share| within("cpu_percent", share.into(), 1, 100_000));
    Ok(Limits {
        task_memory_bytes: within("memory_mib", file.memory_mib, 64, 1 << 24)? << 20,
        processes: within("processes", file.processes, 16, 1 << 22)?,
        upper_bytes: within("changes_mib", file.changes_mib, 16, 1 << 30)? << 20,
        cpu_percent: cpu.transpose()?.and_then(|share| u32::try_from(share).ok()),
        ..Limits::default()
    })
}

fn count(key: &str, value: usize, most: usize) -> Result<usize, Failure> {
    if (1..=most).contains(&value) {
        return Ok(value);
    }
    Err(Failure::new(format!("`{key}` is {value}; it must be between 1 and {most}"))
        .hint("change it in the configuration, or leave it out"))
}

#[cfg(test)]
mod tests;
