//! What touching a path, talking to a host or setting a variable means.

use crate::facts::Access;
use crate::facts::Kind;
use crate::paths;
use crate::paths::PathClass;
use crate::paths::UNKNOWN;
use crate::walk::Walker;
use crate::walk::shown;

/// Judges one use of a path that has been made absolute and classed.
pub(crate) fn path(
    walker: &mut Walker<'_>,
    path: &str,
    access: Access,
    class: PathClass,
    span: &str,
) {
    let name = shown(path);
    match access {
        Access::Read => match class {
            PathClass::Stream
            | PathClass::Workspace
            | PathClass::Temp
            | PathClass::System
            | PathClass::Protected => {
                walker.add(Kind::Read, "read", span, &format!("reads `{name}`"));
            }
            PathClass::Unknown => walker.add(
                Kind::Open,
                "read-unknown",
                span,
                "reads a path that is not known before it runs",
            ),
            PathClass::Outside => walker.add(
                Kind::Ask,
                "read-outside",
                span,
                &format!("reads `{name}`, which lies outside the workspace"),
            ),
            PathClass::Device => {
                walker.add(Kind::Ask, "read-device", span, &format!("reads the device `{name}`"))
            }
            PathClass::Secret => walker.add(
                Kind::Ask,
                "read-secret",
                span,
                &format!("reads `{name}`, where keys and passwords are kept"),
            ),
            PathClass::Gate => gate(walker, &name, span),
        },
        Access::Write => match class {
            PathClass::Stream => walker.add(Kind::Read, "read", span, "writes to a stream"),
            PathClass::Workspace | PathClass::Temp => {
                if hidden_glob(path) {
                    walker.add(
                        Kind::Protected,
                        "protected-path",
                        span,
                        &format!("writes `{name}`, which may match a protected file"),
                    );
                } else {
                    walker.add(Kind::Edit, "workspace-edit", span, &format!("writes `{name}`"));
                }
            }
            PathClass::Protected => {
                walker.add(
                    Kind::Protected,
                    "protected-path",
                    span,
                    &format!("writes `{name}`, which makes something run later"),
                );
            }
            PathClass::Unknown => walker.add(
                Kind::Open,
                "write-unknown",
                span,
                "writes a path that is not known before it runs",
            ),
            PathClass::System | PathClass::Outside => {
                walker.add(
                    Kind::Ask,
                    "write-outside",
                    span,
                    &format!("writes `{name}`, which lies outside the workspace"),
                );
            }
            // The task's own copy: writing keys there gives nothing away.
            PathClass::Secret if paths::below(path, &walker.context.workspace) => {
                walker.add(Kind::Edit, "workspace-edit", span, &format!("writes `{name}`"));
            }
            PathClass::Secret => walker.add(
                Kind::Ask,
                "write-secret",
                span,
                &format!("writes `{name}`, where keys are kept"),
            ),
            PathClass::Device if is_disk(path) => {
                walker.add(Kind::Hard, "disk", span, &format!("overwrites the disk `{name}`"))
            }
            PathClass::Device => {
                walker.add(Kind::Ask, "write-device", span, &format!("writes the device `{name}`"))
            }
            PathClass::Gate => gate(walker, &name, span),
        },
        Access::Delete => delete(walker, path, class, span),
        Access::Run => match class {
            PathClass::Protected if among_settings(path) => walker.add(
                Kind::Ask,
                "run-settings",
                span,
                &format!(
                    "runs `{name}`, which lies among the settings of tools and not in the \
                     project's own code"
                ),
            ),
            PathClass::Secret if paths::below(path, &walker.context.workspace) => walker.add(
                Kind::Contained,
                "workspace-program",
                span,
                &format!("hands `{name}` to a program of the sandbox"),
            ),
            PathClass::Workspace | PathClass::Protected => {
                walker.add(
                    Kind::Contained,
                    "workspace-program",
                    span,
                    &format!("runs `{name}` of the workspace"),
                );
            }
            PathClass::System => walker.add(
                Kind::Open,
                "program-unknown",
                span,
                &format!("runs `{name}`, whose effect is not known"),
            ),
            PathClass::Unknown => walker.add(
                Kind::NotUnderstood,
                "not-understood",
                span,
                "runs a file that is not known before it runs",
            ),
            PathClass::Stream => {
                walker.add(Kind::Ask, "run-stream", span, "runs text that another program hands it")
            }
            PathClass::Temp | PathClass::Outside | PathClass::Device | PathClass::Secret => {
                walker.add(
                    Kind::Ask,
                    "run-outside",
                    span,
                    &format!("runs `{name}`, which lies outside the workspace"),
                );
            }
            PathClass::Gate => gate(walker, &name, span),
        },
    }
}

fn delete(walker: &mut Walker<'_>, path: &str, class: PathClass, span: &str) {
    let name = shown(path);
    let whole = path.trim_end_matches(['*', '/', '.']);
    let workspace = walker.context.workspace.clone();
    if whole.is_empty() && class != PathClass::Unknown {
        walker.add(Kind::Hard, "delete-root", span, "deletes the whole system");
    } else if class == PathClass::Gate
        || walker.context.gate_paths.iter().any(|gate| paths::below(gate, whole))
    {
        gate(walker, &name, span);
    } else if paths::below(&workspace, whole) {
        walker.add(
            Kind::Ask,
            "delete-workspace",
            span,
            &format!("deletes `{name}`, the whole workspace"),
        );
    } else if paths::holds(path, &walker.context.home) || paths::below(&walker.context.home, whole)
    {
        let fact = format!("deletes `{name}`, which holds the home directory");
        walker.add(Kind::Ask, "delete-home", span, &fact);
    } else if class == PathClass::Unknown || path.contains(UNKNOWN) {
        walker.add(
            Kind::Ask,
            "delete-unknown",
            span,
            "deletes a path that is not known before it runs",
        );
    } else {
        match class {
            PathClass::Temp if ["/tmp", "/var/tmp", "/dev/shm"].contains(&whole) => {
                walker.add(
                    Kind::Ask,
                    "delete-temp",
                    span,
                    "deletes everything in the shared temporary directory",
                );
            }
            PathClass::Workspace | PathClass::Temp | PathClass::Stream if hidden_glob(path) => {
                walker.add(
                    Kind::Protected,
                    "protected-path",
                    span,
                    &format!("deletes `{name}`, which may match a protected file"),
                );
            }
            PathClass::Workspace | PathClass::Temp | PathClass::Stream => {
                walker.add(Kind::Edit, "workspace-edit", span, &format!("deletes `{name}`"));
            }
            PathClass::Protected => walker.add(
                Kind::Protected,
                "protected-path",
                span,
                &format!("deletes `{name}`, a protected file"),
            ),
            PathClass::Device if is_disk(path) => {
                walker.add(Kind::Hard, "disk", span, &format!("destroys the disk `{name}`"))
            }
            PathClass::System | PathClass::Outside | PathClass::Device | PathClass::Secret => {
                walker.add(
                    Kind::Ask,
                    "delete-outside",
                    span,
                    &format!("deletes `{name}`, which lies outside the workspace"),
                );
            }
            PathClass::Unknown | PathClass::Gate => {}
        }
    }
}

fn gate(walker: &mut Walker<'_>, name: &str, span: &str) {
    walker.add(
        Kind::Hard,
        "gate-files",
        span,
        &format!("touches `{name}`, which belongs to Gatepost itself"),
    );
}

/// Directories that agents and editors fill from elsewhere: no build or test runs what lies there.
fn among_settings(path: &str) -> bool {
    let places = [".claude", ".cursor", ".codex", ".gemini", ".vscode", ".idea", ".git"];
    path.split('/').any(|part| places.contains(&part.to_lowercase().as_str()))
}

/// A glob that can match a name with a leading dot.
fn hidden_glob(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with('.') && part.contains(['*', '?', '[']))
}

/// A block device or memory, not a terminal or a pipe.
pub(crate) fn is_disk(path: &str) -> bool {
    let name = path.strip_prefix("/dev/").unwrap_or_default();
    [
        "sd", "hd", "vd", "xvd", "nvme", "mmcblk", "disk", "rdisk", "mapper", "dm-", "loop", "mem",
        "kmem", "md",
    ]
    .iter()
    .any(|prefix| name.starts_with(prefix))
}

/// The host of an address, without user, port and path.
pub(crate) fn host(address: &str) -> String {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    if let Some(six) = host.strip_prefix('[') {
        return six.split(']').next().unwrap_or_default().to_lowercase();
    }
    host.split(':').next().unwrap_or_default().to_lowercase()
}

/// Whether an address names another host to one program than to the next.
pub(crate) fn is_misleading(address: &str) -> bool {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.contains(|c: char| c == '\\' || c != UNKNOWN && c != paths::ATOM && c.is_control())
        || address.contains("://") && authority.contains(char::is_whitespace)
}

/// Whether an address, written out in full, leads to one of the hosts that are configured. What is
/// only known when it runs could carry anything away in its path, and is not.
pub(crate) fn is_reachable(address: &str, hosts: &[String]) -> bool {
    if address.contains([UNKNOWN, paths::ATOM, '$', '`']) || is_misleading(address) {
        return false;
    }
    let (scheme, rest) = address.split_once("://").unwrap_or(("http", address));
    let web = match scheme {
        "http" => "80",
        "https" => "443",
        _ => return false,
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default().to_lowercase();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority.as_str(), web),
    };
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    if plain.is_empty()
        || !plain.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'))
    {
        return false;
    }
    hosts.iter().any(|allowed| {
        let (pattern, only) = match allowed.rsplit_once(':') {
            Some((pattern, port)) if !port.ends_with(']') => (pattern, Some(port)),
            _ => (allowed.as_str(), None),
        };
        let named = match pattern.strip_prefix("*.") {
            Some(below) => {
                host.strip_suffix(below).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            None => pattern == host,
        };
        named && only.map_or(["80", "443"].contains(&port), |only| only == port)
    })
}

/// Whether a host is this machine by its very name.
pub(crate) fn is_local(host: &str) -> bool {
    ["localhost", "127.0.0.1", "::1", "0.0.0.0"].contains(&host)
}

/// Judges setting one variable.
pub(crate) fn assignment(walker: &mut Walker<'_>, name: &str, value: &str, span: &str) {
    let elements = || value.split(':').filter(|part| !part.is_empty());
    let inside = |walker: &Walker<'_>, part: &str| {
        paths::resolve(part, walker.cwd.as_deref(), &walker.context.home)
            .map(|full| paths::class(&full, walker.context))
            .is_some_and(|class| matches!(class, PathClass::Workspace | PathClass::System))
    };
    let quiet =
        ["", "cat", "true", ":", "less", "more", "vi", "vim", "nano", "echo", "0", "1", "head"];
    let ask = match name {
        "PATH" => elements().any(|part| {
            let full = paths::resolve(part, walker.cwd.as_deref(), &walker.context.home);
            !full.is_some_and(|full| {
                let home = &walker.context.home;
                matches!(paths::class(&full, walker.context), PathClass::System)
                    || paths::below(&full, home)
                        && ["/bin", "/.local/bin", "/.cargo/bin", "/go/bin", "/.bun/bin"]
                            .iter()
                            .any(|bin| full.strip_prefix(home.as_str()) == Some(bin))
                    || full.ends_with("venv/bin") && paths::below(&full, &walker.context.workspace)
            })
        }),
        "PYTHONPATH" | "NODE_PATH" | "CLASSPATH" | "GOPATH" | "RUBYLIB" | "PERL5LIB" => {
            !value.is_empty()
                && !elements().all(|part| part.starts_with(UNKNOWN) || inside(walker, part))
        }
        "CDPATH" | "MANOPT" => !value.is_empty(),
        "MAKEFLAGS" | "GNUMAKEFLAGS" | "MFLAGS" => {
            !value.is_empty() && !value.starts_with("-j") && !value.starts_with("--no-print")
                || value.contains('$')
        }
        "LD_LIBRARY_PATH" => {
            !elements().all(|part| part.starts_with(UNKNOWN) || inside(walker, part))
        }
        "NODE_OPTIONS" => !value.split_whitespace().all(|part| {
            part.starts_with("--max")
                || part.starts_with("--no-")
                || part == "--experimental-vm-modules"
        }),
        "GIT_PAGER"
        | "PAGER"
        | "MANPAGER"
        | "EDITOR"
        | "VISUAL"
        | "GIT_EDITOR"
        | "GIT_SEQUENCE_EDITOR"
        | "BROWSER" => !quiet.contains(&value.trim()),
        "GIT_TERMINAL_PROMPT" | "GIT_OPTIONAL_LOCKS" | "GIT_MERGE_AUTOEDIT" => false,
        "BASH_ENV"
        | "ENV"
        | "SHELLOPTS"
        | "BASHOPTS"
        | "PROMPT_COMMAND"
        | "PS4"
        | "PYTHONSTARTUP"
        | "PYTHONHOME"
        | "PERL5OPT"
        | "RUBYOPT"
        | "JAVA_TOOL_OPTIONS"
        | "_JAVA_OPTIONS"
        | "LESSOPEN"
        | "LESSCLOSE"
        | "SHELL"
        | "RUSTC_WRAPPER"
        | "RUSTC"
        | "HISTFILE"
        | "HISTSIZE"
        | "HISTFILESIZE"
        | "HISTCONTROL"
        | "HISTIGNORE"
        | "HTTP_PROXY"
        | "HTTPS_PROXY"
        | "ALL_PROXY"
        | "http_proxy"
        | "https_proxy"
        | "SSL_CERT_FILE"
        | "NODE_EXTRA_CA_CERTS"
        | "NODE_TLS_REJECT_UNAUTHORIZED"
        | "PYTHONHTTPSVERIFY"
        | "HOME"
        | "PIP_INDEX_URL"
        | "PIP_EXTRA_INDEX_URL"
        | "NPM_CONFIG_REGISTRY"
        | "npm_config_registry"
        | "CODEX_HOME"
        | "CLAUDE_CONFIG_DIR"
        | "DOCKER_HOST"
        | "KUBECONFIG" => true,
        other => {
            other.starts_with("LD_")
                || other.starts_with("DYLD_")
                || other.starts_with("BASH_FUNC")
                || other.ends_with("_BASE_URL")
                    && !value.contains("localhost")
                    && !value.contains("127.0.0.1")
                || other.starts_with("GIT_")
                    && !other.starts_with("GIT_AUTHOR_")
                    && !other.starts_with("GIT_COMMITTER_")
        }
    };
    if ask {
        walker.add(
            Kind::Ask,
            "environment",
            span,
            &format!("sets `{name}`, which changes what later programs do"),
        );
    }
}
