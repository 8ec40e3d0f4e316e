//! A program as it is installed: what is started, and which directories it is made of.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// How long a program may take to say its version. The largest are started in a second from a
/// cold disk.
const VERSION: Duration = Duration::from_secs(20);

/// Directories that every sandbox shows already.
const SHOWN: [&str; 5] = ["/usr", "/bin", "/sbin", "/lib", "/lib64"];

/// Directories that hold far more than one program; none of them is shown whole.
const SHARED: [&str; 9] = ["/", "/etc", "/home", "/media", "/mnt", "/opt", "/root", "/srv", "/var"];

/// A program that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// What is started: the program, or what interprets it and then the program. Absolute, with
    /// every link followed.
    pub argv: Vec<OsString>,
    /// What a sandbox must show for that, besides the system.
    pub read_only: Vec<PathBuf>,
}

/// Why there is no such program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// It is nowhere.
    #[error("there is no program `{0}`; install it, or write its place as `program`")]
    NotFound(String),
    /// It is there and is none.
    #[error("`{path}` cannot be run: {why}")]
    NotRunnable {
        /// Where.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Its directory holds more than a program.
    #[error("`{0}` would be shown to every task; install the program in a directory of its own")]
    Shared(PathBuf),
    /// It does not say which version it is.
    #[error("`{program} --version` {why}")]
    NoVersion {
        /// The program.
        program: String,
        /// What happened.
        why: String,
    },
}

/// Where programs are looked for.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// `PATH`.
    pub path: Option<OsString>,
    /// The home of whoever runs Gatepost, which is never shown.
    pub home: Option<PathBuf>,
}

impl Search {
    /// That of this process.
    #[must_use]
    pub fn here() -> Self {
        Self { path: std::env::var_os("PATH"), home: std::env::var_os("HOME").map(PathBuf::from) }
    }

    /// Finds a program by its path, or by its name along `PATH`.
    ///
    /// # Errors
    /// [`InstallError`] says what is wrong with it.
    pub fn find(&self, program: &Path) -> Result<Installed, InstallError> {
        let real = self.real(program)?;
        let refused = |why: &str| InstallError::NotRunnable { path: real.clone(), why: why.into() };
        let mut start = Vec::new();
        fs::File::open(&real)
            .and_then(|file| file.take(512).read_to_end(&mut start))
            .map_err(|error| refused(&error.to_string()))?;
        let (argv, own) = match start.strip_prefix(b"#!") {
            None => (vec![real.clone().into()], vec![own_directory(&real)]),
            Some(rest) => {
                let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
                let mut words = line
                    .split(u8::is_ascii_whitespace)
                    .filter(|word| !word.is_empty())
                    .map(OsStr::from_bytes);
                let mut interpreter =
                    words.next().ok_or_else(|| refused("it names no one to run it"))?;
                if Path::new(interpreter).file_name() == Some(OsStr::new("env")) {
                    let named = words.find(|word| !word.as_bytes().starts_with(b"-"));
                    interpreter = named.ok_or_else(|| refused("it names no one to run it"))?;
                }
                let interpreter = self.real(Path::new(interpreter))?;
                let own = vec![own_directory(&interpreter), own_directory(&real)];
                (vec![interpreter.into(), real.clone().into()], own)
            }
        };
        let mut read_only: Vec<PathBuf> = Vec::new();
        for directory in own {
            if SHOWN.iter().any(|shown| directory.starts_with(shown)) {
                continue;
            }
            let shared = SHARED.iter().any(|shared| directory == Path::new(shared));
            if shared || self.home.as_ref() == Some(&directory) {
                return Err(InstallError::Shared(directory));
            }
            if !read_only.contains(&directory) {
                read_only.push(directory);
            }
        }
        Ok(Installed { argv, read_only })
    }

    fn real(&self, program: &Path) -> Result<PathBuf, InstallError> {
        let absent = || InstallError::NotFound(program.display().to_string());
        let found = if program.components().count() > 1 || program.is_absolute() {
            program.to_owned()
        } else {
            let path = self.path.clone().unwrap_or_default();
            std::env::split_paths(&path)
                .map(|directory| directory.join(program))
                .find(|place| is_program(place))
                .ok_or_else(absent)?
        };
        let real = found.canonicalize().map_err(|_| absent())?;
        if is_program(&real) {
            Ok(real)
        } else {
            let why = "it is no file that may be executed".to_owned();
            Err(InstallError::NotRunnable { path: real, why })
        }
    }
}

impl Installed {
    /// The version it says it is, the first word that begins with a digit.
    ///
    /// # Errors
    /// [`InstallError::NoVersion`] when it says none.
    pub async fn version(&self) -> Result<String, InstallError> {
        let program = self.argv.last().cloned().unwrap_or_default();
        let failed = |why: String| InstallError::NoVersion {
            program: program.to_string_lossy().into_owned(),
            why,
        };
        let (first, rest) = self.argv.split_first().ok_or_else(|| failed("is empty".into()))?;
        // Some make their directories before they say it, and fail where they cannot.
        let home = tempfile::tempdir()
            .map_err(|error| failed(format!("has no temporary directory to run in ({error})")))?;
        let run = Command::new(first)
            .args(rest)
            .arg("--version")
            // It needs no secret to say its version, and so it gets none.
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", home.path())
            .current_dir("/")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(VERSION, run)
            .await
            .map_err(|_| failed("does not end".into()))?
            .map_err(|error| failed(format!("cannot be run ({error})")))?;
        let said = String::from_utf8_lossy(&output.stdout);
        said.split_whitespace()
            .map(|word| word.trim_start_matches('v'))
            .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.len() < 60)
            .map(str::to_owned)
            .ok_or_else(|| failed("says no version".into()))
    }
}

fn is_program(place: &Path) -> bool {
    fs::metadata(place).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// The directory a program needs. One that npm installed needs the packages beside its own, so
/// for a script that is the outermost `node_modules`; a native program needs what lies beside it;
/// an interpreter in a `bin` may have its library beside that.
fn own_directory(real: &Path) -> PathBuf {
    let parent = real.parent().unwrap_or(Path::new("/"));
    let is_script = real.extension().is_some();
    if is_script
        && let Some(outermost) = parent
            .ancestors()
            .filter(|place| place.file_name() == Some(OsStr::new("node_modules")))
            .last()
    {
        return outermost.to_owned();
    }
    let is_node = real.file_name() == Some(OsStr::new("node"));
    match parent.parent() {
        Some(prefix) if is_node && parent.file_name() == Some(OsStr::new("bin")) => {
            prefix.to_owned()
        }
        _ => parent.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn put(root: &Path, path: &str, content: &str) -> PathBuf {
        let place = root.join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(&place, content).unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
        place
    }

    #[test]
    fn a_program_is_found_behind_its_links_with_all_it_needs() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let native = put(&root, "a/node_modules/@x/x-linux/x", "\x7fELF");
        fs::create_dir(root.join("bin")).unwrap();
        symlink("../a/node_modules/@x/x-linux/x", root.join("bin/x")).unwrap();
        let node = put(&root, "node/bin/node", "\x7fELF");
        let script = put(&root, "b/node_modules/y/dist/y.js", "#!/usr/bin/env -S node --x\n");
        symlink("../b/node_modules/y/dist/y.js", root.join("bin/y")).unwrap();
        let path = std::env::join_paths([root.join("bin"), root.join("node/bin")]).unwrap();
        let search = Search { path: Some(path), home: None };

        let found = search.find(Path::new("x")).unwrap();
        assert_eq!(found.argv, [native.clone().into_os_string()]);
        assert_eq!(found.read_only, [root.join("a/node_modules/@x/x-linux")]);
        assert_eq!(search.find(&root.join("bin/x")).unwrap(), found);

        let found = search.find(Path::new("y")).unwrap();
        assert_eq!(found.argv, [node.into_os_string(), script.into_os_string()]);
        assert_eq!(found.read_only, [root.join("node"), root.join("b/node_modules")]);

        // What the sandbox shows anyway is not shown again.
        let shell = search.find(Path::new("/bin/sh")).unwrap();
        assert_eq!(shell.read_only, Vec::<PathBuf>::new());
    }

    #[test]
    fn what_is_no_program_is_told_by_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        put(&root, "mine/x", "\x7fELF");
        fs::write(root.join("plain"), "no").unwrap();
        let search = Search { path: Some(root.clone().into()), home: Some(root.join("mine")) };
        let told = |program: PathBuf| search.find(&program).unwrap_err().to_string();
        for (program, words) in [
            (PathBuf::from("absent"), "there is no program `absent`"),
            (root.join("absent"), "install it"),
            (root.join("plain"), "may be executed"),
            (root.clone(), "may be executed"),
            (root.join("mine/x"), "a directory of its own"),
        ] {
            let said = told(program);
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn a_version_is_read_and_its_absence_told() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let run = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let version = |name: &str, script: &str| {
            let place = put(&root, name, script);
            let found = Search::default().find(&place).unwrap();
            run.block_on(found.version())
        };
        let said = version("a", "#!/bin/sh\necho \"codex-cli v1.2.3 (x) $SECRET\"\n");
        assert_eq!(said, Ok("1.2.3".to_owned()));
        let busy = version("c", "#!/bin/sh\nmkdir \"$HOME/.c\" && echo 1.0.0\n");
        assert_eq!(busy, Ok("1.0.0".to_owned()));
        let none = version("b", "#!/bin/sh\necho usage >&2; exit 2\n").unwrap_err();
        assert!(none.to_string().contains("says no version"), "{none}");
    }
}
