//! The real agents that the tests drive: npm packages at exact versions, kept outside of the
//! repository.

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::thread::ScopedJoinHandle;
use std::time::Instant;

use anyhow::Context;
use anyhow::Result;
use anyhow::bail;

use crate::run::run;
use crate::run::say;

/// One program, as npm has it.
struct Program {
    /// The variable that tells the tests where it is.
    variable: &'static str,
    package: &'static str,
    /// Exactly this one: left to itself, npm takes an old release without a word where the newest
    /// wants a newer node.
    version: &'static str,
    /// The program in the package's `node_modules`, for the two machines Gatepost runs on.
    x64: &'static str,
    arm64: &'static str,
}

/// Every program the tests drive. None of them needs the install scripts of its package. The last
/// two are scripts for node.
const PROGRAMS: [Program; 5] = [
    Program {
        variable: "GATEPOST_TEST_CLAUDE",
        package: "@anthropic-ai/claude-code",
        version: "2.1.330",
        x64: "@anthropic-ai/claude-code-linux-x64/claude",
        arm64: "@anthropic-ai/claude-code-linux-arm64/claude",
    },
    Program {
        variable: "GATEPOST_TEST_CODEX",
        package: "@openai/codex",
        version: "0.169.0",
        x64: "@openai/codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex",
        arm64: "@openai/codex-linux-arm64/vendor/aarch64-unknown-linux-musl/bin/codex",
    },
    Program {
        variable: "GATEPOST_TEST_OPENCODE",
        package: "opencode-ai",
        version: "1.18.33",
        x64: "opencode-linux-x64/bin/opencode",
        arm64: "opencode-linux-arm64/bin/opencode",
    },
    Program {
        variable: "GATEPOST_TEST_GEMINI",
        package: "@google/gemini-cli",
        version: "0.61.0",
        x64: "@google/gemini-cli/bundle/gemini.js",
        arm64: "@google/gemini-cli/bundle/gemini.js",
    },
    Program {
        variable: "GATEPOST_TEST_CLAUDE_ACP",
        package: "@agentclientprotocol/claude-agent-acp",
        version: "0.101.0",
        x64: "@agentclientprotocol/claude-agent-acp/dist/index.js",
        arm64: "@agentclientprotocol/claude-agent-acp/dist/index.js",
    },
];

/// Installs what is missing, all at once, as most of it is waiting for the registry; and gives the
/// variables the tests look at.
pub(crate) fn set_up() -> Result<Vec<(&'static str, PathBuf)>> {
    let cache = cache()?;
    let begun = Instant::now();
    let places: Result<Vec<_>> = std::thread::scope(|scope| {
        let installs: Vec<_> =
            PROGRAMS.iter().map(|program| scope.spawn(|| install(program, &cache))).collect();
        let ended = |install: ScopedJoinHandle<'_, Result<PathBuf>>| {
            install.join().unwrap_or_else(|_| bail!("an installation broke off"))
        };
        installs.into_iter().map(ended).collect()
    });
    say(&format!("the real agents are there, after {:.1?}", begun.elapsed()));
    Ok(PROGRAMS.iter().map(|program| program.variable).zip(places?).collect())
}

fn install(program: &Program, cache: &Path) -> Result<PathBuf> {
    let Program { variable, package, version, .. } = program;
    if let Some(given) = std::env::var_os(variable).map(PathBuf::from) {
        if given.is_file() {
            return Ok(given);
        }
        bail!("{variable} names no file: `{}`", given.display());
    }
    let plain: String =
        package.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let place = cache.join(format!("{}-{version}", plain.trim_matches('-')));
    let file = match std::env::consts::ARCH {
        "x86_64" => program.x64,
        "aarch64" => program.arm64,
        other => bail!("{package} is not built for {other}"),
    };
    let installed = place.join("node_modules").join(file);
    if installed.is_file() {
        return Ok(installed);
    }
    say(&format!("missing: {package} {version}, a real agent for the tests"));
    std::fs::create_dir_all(&place)
        .with_context(|| format!("cannot make `{}`", place.display()))?;
    run(Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
        .arg(&place)
        .arg(format!("{package}@{version}")))
    .with_context(|| {
        format!(
            "{package} {version} could not be installed: it takes npm and a way to its registry; or \
             set {variable} to where the program is"
        )
    })?;
    if installed.is_file() {
        Ok(installed)
    } else {
        bail!("{package} {version} was installed, but there is no `{}`", installed.display())
    }
}

/// Where they are kept: the user's cache directory.
pub(crate) fn cache() -> Result<PathBuf> {
    let own = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|at| at.is_absolute());
    let cache = own("XDG_CACHE_HOME").or_else(|| Some(own("HOME")?.join(".cache")));
    let cache = cache.context("neither XDG_CACHE_HOME nor HOME says where caches are kept")?;
    Ok(cache.join("gatepost").join("test-programs"))
}
