//! Where a path lies, told from its text alone.

use crate::facts::Context;

/// Stands in a word for text that is not known before it runs.
pub(crate) const UNKNOWN: char = '\u{1}';
/// Stands for unknown text that holds no `/` and does not begin with a dash: a number, a date.
pub(crate) const ATOM: char = '\u{2}';
/// Stands in the value of an array between its elements.
pub(crate) const SEPARATOR: char = '\u{3}';

/// What a path is, from the most ordinary to the most delicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathClass {
    /// `/dev/null` and the standard streams.
    Stream,
    /// The task's own copy of the project.
    Workspace,
    /// Temporary space of the sandbox.
    Temp,
    /// Programs, libraries and harmless facts of the system.
    System,
    /// A file in the workspace that makes something run later.
    Protected,
    /// Not told by the text.
    Unknown,
    /// Elsewhere.
    Outside,
    /// A device.
    Device,
    /// Keys, passwords and tokens.
    Secret,
    /// Gatepost's own files.
    Gate,
}

impl PathClass {
    /// As a word for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Workspace => "workspace",
            Self::Temp => "temporary",
            Self::System => "system",
            Self::Protected => "protected",
            Self::Unknown => "unknown",
            Self::Outside => "outside the workspace",
            Self::Device => "device",
            Self::Secret => "secret",
            Self::Gate => "gatepost's own",
        }
    }
}

/// Makes a path absolute and takes out `.` and `..`. `None` when its place is not known.
#[must_use]
pub fn resolve(path: &str, cwd: Option<&str>, home: &str) -> Option<String> {
    let joined = if path == "~" {
        home.to_owned()
    } else if let Some(rest) = path.strip_prefix("~/") {
        format!("{home}/{rest}")
    } else if path.starts_with('/') {
        path.to_owned()
    } else if path.starts_with(UNKNOWN) {
        return None;
    } else {
        format!("{}/{path}", cwd?)
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

/// Whether `path` is `root` or lies below it. `/work-evil` does not lie below `/work`.
#[must_use]
pub fn below(path: &str, root: &str) -> bool {
    let root = root.trim_end_matches('/');
    path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'))
}

/// Classes an absolute path as [`resolve`] makes it.
#[must_use]
pub fn class(path: &str, context: &Context) -> PathClass {
    let lower = path.to_lowercase();
    if context.gate_paths.iter().any(|gate| below(path, gate)) {
        return PathClass::Gate;
    }
    if [
        "/dev/null",
        "/dev/stdout",
        "/dev/stderr",
        "/dev/stdin",
        "/dev/tty",
        "/dev/zero",
        "/dev/urandom",
        "/dev/random",
    ]
    .contains(&path)
        || below(path, "/dev/fd")
    {
        return PathClass::Stream;
    }
    let temporary = TEMPORARY.iter().any(|root| below(path, root));
    if below(path, "/dev") && !temporary {
        return PathClass::Device;
    }
    if below(path, &context.workspace) {
        let inner = lower.get(context.workspace.len()..).unwrap_or(&lower);
        if is_secret_name(inner) {
            return PathClass::Secret;
        }
        return if is_protected(inner) { PathClass::Protected } else { PathClass::Workspace };
    }
    if is_secret(&lower, context) {
        return PathClass::Secret;
    }
    // A home may lie in temporary space, and is no less a home for it.
    if temporary && !TEMPORARY.contains(&context.home.as_str()) && reaches(path, &context.home) {
        return PathClass::Outside;
    }
    if temporary {
        return if is_protected(&lower) { PathClass::Protected } else { PathClass::Temp };
    }
    if SYSTEM.iter().any(|root| below(path, root)) {
        return PathClass::System;
    }
    PathClass::Outside
}

/// Whether a path lies below a root, or a pattern in it may.
pub(crate) fn reaches(path: &str, root: &str) -> bool {
    let mut parts = path.split('/');
    root.split('/').all(|name| parts.next().is_some_and(|part| matches_part(part, name)))
}

/// Whether a path holds a place, or a pattern in it may.
pub(crate) fn holds(path: &str, place: &str) -> bool {
    let mut names = place.split('/');
    path.split('/').all(|part| names.next().is_some_and(|name| matches_part(part, name)))
}

fn matches_part(part: &str, name: &str) -> bool {
    match part.split_once(['*', '?', '[']) {
        None => part == name,
        Some((before, after)) => {
            let end = after.rsplit(['*', '?', ']']).next().unwrap_or_default();
            name.starts_with(before) && (part.contains('[') || name.ends_with(end))
        }
    }
}

/// Whether a path below the workspace makes something run later: `inner` is lower case.
#[must_use]
pub fn is_protected(inner: &str) -> bool {
    let parts: Vec<&str> = inner.split('/').filter(|p| !p.is_empty()).collect();
    let Some(name) = parts.last() else { return false };
    parts.iter().any(|part| PROTECTED_DIRS.contains(part))
        || inner.contains("/.config/git")
        || inner.contains("/.github/workflows")
        || inner.contains("/.github/actions")
        || inner.contains("/.circleci/")
        || PROTECTED_FILES.contains(name)
        || name.starts_with(".bash")
        || name.starts_with(".zsh") && *name != ".zsh_history"
}

fn is_secret(lower: &str, context: &Context) -> bool {
    let home = context.home.to_lowercase();
    let in_home = below(lower, &home)
        || below(lower, "/root")
        || below(lower, "/home")
        || below(lower, "/users");
    in_home && SECRET_HOME.iter().any(|name| lower.split('/').any(|part| part == *name))
        || SECRET_SYSTEM.iter().any(|path| below(lower, path))
        || lower.starts_with("/proc/") && (lower.ends_with("/environ") || lower.ends_with("/mem"))
        || is_secret_name(lower)
}

/// Names of files that hold keys wherever they lie.
fn is_secret_name(lower: &str) -> bool {
    let name = lower.rsplit('/').next().unwrap_or_default();
    lower.split('/').any(|part| [".ssh", ".gnupg", ".aws"].contains(&part))
        || SECRET_NAMES.contains(&name)
        || is_env_file(name)
}

/// `.env` and its kin hold the keys of a deployment; the samples that are committed do not.
fn is_env_file(name: &str) -> bool {
    let sample = ["example", "sample", "template", "dist", "test", "defaults", "schema"];
    match name.strip_prefix(".env") {
        Some("") => true,
        Some(rest) => rest.starts_with('.') && !rest.split('.').any(|part| sample.contains(&part)),
        None => false,
    }
}

const SECRET_NAMES: &[&str] = &[
    "id_rsa",
    "id_ed25519",
    "id_ecdsa",
    "id_dsa",
    ".netrc",
    ".pgpass",
    ".git-credentials",
    ".vault-token",
];

const TEMPORARY: &[&str] = &["/tmp", "/var/tmp", "/dev/shm"];

const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/opt",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/version",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/filesystems",
    "/etc/os-release",
    "/etc/debian_version",
    "/etc/alternatives",
    "/etc/issue",
    "/etc/lsb-release",
    "/etc/timezone",
    "/etc/localtime",
    "/etc/mime.types",
    "/sys/fs/cgroup",
    "/etc/ssl/certs",
    "/etc/ld.so.conf",
];

const SECRET_HOME: &[&str] = &[
    ".ssh",
    ".aws",
    ".gnupg",
    ".azure",
    ".kube",
    ".docker",
    ".netrc",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    "gcloud",
    "gh",
    "keychains",
    "keyrings",
    ".mozilla",
    "google-chrome",
    "chromium",
    "firefox",
    ".password-store",
    ".bash_history",
    ".zsh_history",
    ".vault-token",
    ".pgpass",
    ".my.cnf",
    "cookies",
    ".terraform.d",
    ".config",
];

const SECRET_SYSTEM: &[&str] = &[
    "/etc/shadow",
    "/etc/gshadow",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/ssh",
    "/etc/ssl/private",
    "/var/run/secrets",
    "/run/secrets",
    "/etc/kubernetes",
    "/etc/krb5.keytab",
];

const PROTECTED_DIRS: &[&str] = &[
    ".git",
    ".vscode",
    ".idea",
    ".husky",
    ".cargo",
    ".devcontainer",
    ".yarn",
    ".mvn",
    ".claude",
    ".cursor",
    ".codex",
    ".gemini",
    ".gatepost",
    ".githooks",
];

const PROTECTED_FILES: &[&str] = &[
    ".gitconfig",
    ".gitmodules",
    ".gitattributes",
    ".profile",
    ".envrc",
    ".npmrc",
    ".yarnrc",
    ".yarnrc.yml",
    ".pnp.cjs",
    ".pnp.loader.mjs",
    ".pnpmfile.cjs",
    "bunfig.toml",
    ".bunfig.toml",
    ".bazelrc",
    ".bazelversion",
    ".bazeliskrc",
    ".pre-commit-config.yaml",
    "lefthook.yml",
    "lefthook.yaml",
    "gradle-wrapper.properties",
    "maven-wrapper.properties",
    ".devcontainer.json",
    ".ripgreprc",
    "pyrightconfig.json",
    ".mcp.json",
    ".claude.json",
    ".gitlab-ci.yml",
    "jenkinsfile",
    ".travis.yml",
    "azure-pipelines.yml",
    "bitbucket-pipelines.yml",
    "pip.conf",
    ".pypirc",
    ".condarc",
    "sitecustomize.py",
    "usercustomize.py",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_fall_into_their_class() {
        let context = Context::new("/work", "/home/me", "/work/sub");
        for (path, expect) in [
            ("x.txt", PathClass::Workspace),
            ("../x", PathClass::Workspace),
            ("../../etc/passwd", PathClass::Outside),
            ("/work-evil/x", PathClass::Outside),
            ("/work/.git/hooks/pre-commit", PathClass::Protected),
            ("/work/.GIT/hooks/pre-commit", PathClass::Protected),
            ("~/.ssh/id_rsa", PathClass::Secret),
            ("/tmp/a", PathClass::Temp),
            ("/tmp/../etc/shadow", PathClass::Secret),
            ("/dev/null", PathClass::Stream),
            ("/dev/sda", PathClass::Device),
            ("/usr/lib/x", PathClass::System),
            ("~/notes", PathClass::Outside),
        ] {
            let full = resolve(path, Some(&context.cwd), &context.home).unwrap();
            assert_eq!(class(&full, &context), expect, "{path}");
        }
    }

    #[test]
    fn a_home_in_temporary_space_stays_a_home() {
        let context = Context::new("/tmp/w", "/tmp/hh", "/tmp/w");
        for (path, expect) in [
            ("~", PathClass::Outside),
            ("~/.bashrc", PathClass::Outside),
            ("~/notes", PathClass::Outside),
            ("/tmp/hh/.git/hooks/x", PathClass::Outside),
            ("/tmp/h*/notes", PathClass::Outside),
            ("/tmp/*/notes", PathClass::Outside),
            ("~/.ssh/id_rsa", PathClass::Secret),
            ("/tmp/other/.git/hooks/x", PathClass::Protected),
            ("/tmp/x", PathClass::Temp),
            ("/tmp/*.log", PathClass::Temp),
            ("x", PathClass::Workspace),
            ("/tmp/w/src", PathClass::Workspace),
        ] {
            let full = resolve(path, Some(&context.cwd), &context.home).unwrap();
            assert_eq!(class(&full, &context), expect, "{path}");
        }
    }
}
