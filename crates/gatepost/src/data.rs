//! The data directory: made for its owner alone, with the console's key and the note that says
//! where a running gatepost serves.

use std::collections::BTreeMap;
use std::fs;
use std::fs::DirBuilder;
use std::fs::OpenOptions;
use std::fs::Permissions;
use std::io;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;

use gatepost_chat::pairing::Code;
use gatepost_console::ConsoleKey;
use serde::Deserialize;
use serde::Serialize;

use crate::failure::Failure;

/// The scratch project's directory, for whoever has configured none.
pub(crate) const SCRATCH: &str = "scratch";

/// Where the tasks' workspaces are kept.
const RUNS: &str = "runs";

/// Where files are kept that people sent and that tasks left for them.
const FILES: &str = "files";

/// What lies in the directory and is no task's business: all but the scratch project.
const OWN: [&str; 13] = [
    "journal.jsonl",
    "journal.head",
    "views",
    RUNS,
    FILES,
    KEY,
    NOTE,
    Chat::Telegram.token(),
    Chat::Telegram.code(),
    PULSE,
    Chat::Discord.token(),
    Chat::Discord.code(),
    MEMORY,
];

const KEY: &str = "console.key";
const NOTE: &str = "console.json";

/// How the Telegram bot goes, written while it is served.
pub(crate) const PULSE: &str = "telegram.json";

/// How far the Discord bot has read, and how it goes.
pub(crate) const MEMORY: &str = "discord.json";

/// A chat with a bot of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chat {
    /// Telegram.
    Telegram,
    /// Discord.
    Discord,
}

impl Chat {
    /// The file of its token, below the data directory.
    pub(crate) const fn token(self) -> &'static str {
        match self {
            Self::Telegram => "telegram.token",
            Self::Discord => "discord.token",
        }
    }

    /// The file of the code that set-up showed, until there is an admin.
    const fn code(self) -> &'static str {
        match self {
            Self::Telegram => "telegram.code",
            Self::Discord => "discord.code",
        }
    }
}

/// A data directory that is this user's own and can be written.
#[derive(Debug, Clone)]
pub(crate) struct DataDir {
    path: PathBuf,
}

/// Where a running gatepost serves; in a file that is there only while it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Serving {
    /// Its address.
    pub(crate) address: SocketAddr,
    /// Its process.
    pub(crate) pid: u32,
    /// The projects it was started with.
    pub(crate) projects: BTreeMap<String, PathBuf>,
}

impl DataDir {
    /// Opens the directory, and makes it if it is missing.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let elsewhere = "choose another directory with `--data` or `GATEPOST_DATA`";
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| {
            Failure::new(format!("cannot make the data directory `{shown}`: {error}"))
                .hint(elsewhere)
        })?;
        let path = path.canonicalize().map_err(|error| {
            Failure::new(format!("cannot open the data directory `{shown}`: {error}"))
                .hint(elsewhere)
        })?;
        let meta = fs::metadata(&path).map_err(|error| {
            Failure::new(format!("cannot read the data directory `{shown}`: {error}"))
                .hint(elsewhere)
        })?;
        let me = rustix::process::geteuid().as_raw();
        if meta.uid() != me {
            return Err(Failure::new(format!(
                "the data directory `{shown}` belongs to user {}, and this is user {me}",
                meta.uid()
            ))
            .hint(elsewhere));
        }
        let not_writable = |error: io::Error| {
            let room = error.kind() == io::ErrorKind::StorageFull;
            let hint = if room { "free some space on its disk" } else { elsewhere };
            Failure::new(format!("the data directory `{shown}` cannot be written: {error}"))
                .hint(hint)
        };
        if meta.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(&path, Permissions::from_mode(0o700)).map_err(not_writable)?;
            tracing::info!(path = %shown, "the data directory was open to others and is now closed");
        }
        let data = Self { path };
        // What can be asked (mode bits, mount flags) does not tell; only writing does.
        let probe = data.path.join(format!(".probe-{}", std::process::id()));
        private(&probe).map_err(not_writable)?;
        fs::remove_file(&probe).map_err(not_writable)?;
        Ok(data)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the tasks' workspaces are kept.
    pub(crate) fn runs(&self) -> PathBuf {
        self.path.join(RUNS)
    }

    /// Where files are kept that people sent and that tasks left for them.
    pub(crate) fn files(&self) -> PathBuf {
        self.path.join(FILES)
    }

    /// What no action may touch.
    pub(crate) fn own(&self) -> impl Iterator<Item = PathBuf> {
        OWN.iter().map(|name| self.path.join(name))
    }

    /// The console's key: the one made before, so that links stay valid, or a new one.
    pub(crate) fn key(&self) -> Result<ConsoleKey, Failure> {
        let path = self.path.join(KEY);
        if let Some(key) = read_key(&path)? {
            return Ok(key);
        }
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| {
            Failure::new(format!("the system gives no random numbers: {error}"))
        })?;
        let key = ConsoleKey::from_entropy(bytes);
        // Written whole under another name first: a crash must not leave half a key behind.
        let new = self.path.join(format!("{KEY}.new"));
        let written = private(&new)
            .and_then(|mut file| {
                file.write_all(key.reveal().as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&new, &path));
        written.map_err(|error| {
            Failure::new(format!("cannot keep the console's key in `{}`: {error}", path.display()))
                .hint("check the disk and the data directory")
        })?;
        Ok(key)
    }

    /// Keeps a bot's token, for this user alone.
    pub(crate) fn keep_token(&self, chat: Chat, token: &str) -> Result<PathBuf, Failure> {
        let name = chat.token();
        let path = self.path.join(name);
        let new = self.path.join(format!("{name}.new"));
        let written = private(&new)
            .and_then(|mut file| {
                file.write_all(token.as_bytes())?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&new, &path));
        written.map_err(|error| {
            Failure::new(format!("cannot keep the token in `{}`: {error}", path.display()))
                .hint("check the disk and the data directory")
        })?;
        Ok(path)
    }

    /// Keeps the code that makes whoever sends it the bot's first admin.
    pub(crate) fn keep_code(&self, chat: Chat, code: &Code) -> Result<(), Failure> {
        let path = self.path.join(chat.code());
        self.write(chat.code(), code.reveal().as_bytes()).map_err(|error| {
            Failure::new(format!("cannot keep the code in `{}`: {error}", path.display()))
                .hint("check the disk and the data directory")
        })
    }

    /// The code that set-up showed, if it did.
    pub(crate) fn code(&self, chat: Chat) -> Option<Code> {
        Code::parse(&fs::read_to_string(self.path.join(chat.code())).ok()?)
    }

    /// Forgets that code: somebody is admin.
    pub(crate) fn forget_code(&self, chat: Chat) {
        match fs::remove_file(self.path.join(chat.code())) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // Nothing takes it any more, because there is an admin.
            Err(error) => tracing::warn!(%error, "the used code stays behind"),
        }
    }

    /// Writes a file whole, for this user alone.
    pub(crate) fn write(&self, name: &str, text: &[u8]) -> io::Result<()> {
        let new = self.path.join(format!("{name}.new"));
        private(&new)
            .and_then(|mut file| file.write_all(text))
            .and_then(|()| fs::rename(&new, self.path.join(name)))
    }

    /// The scratch project, made if it is missing.
    pub(crate) fn scratch(&self) -> Result<PathBuf, Failure> {
        let path = self.path.join(SCRATCH);
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(|error| {
            Failure::new(format!("cannot make the scratch project `{}`: {error}", path.display()))
                .hint("configure a project: `gatepost config default` shows how")
        })?;
        Ok(path)
    }

    /// Says where this process serves.
    pub(crate) fn announce(&self, serving: &Serving) -> Result<(), Failure> {
        let path = self.path.join(NOTE);
        let new = self.path.join(format!("{NOTE}.new"));
        let written = serde_json::to_vec(serving)
            .map_err(io::Error::other)
            .and_then(|text| private(&new).and_then(|mut file| file.write_all(&text)))
            .and_then(|()| fs::rename(&new, &path));
        written.map_err(|error| {
            Failure::new(format!("cannot write `{}`: {error}", path.display()))
                .hint("check the disk and the data directory")
        })
    }

    /// Takes that back.
    pub(crate) fn withdraw(&self) {
        match fs::remove_file(self.path.join(NOTE)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // Whoever reads it later asks the address and finds nobody there.
            Err(error) => tracing::warn!(%error, "the note of the console's address stays behind"),
        }
    }
}

/// Where a gatepost on this data directory says it serves, with its key. It may have crashed since.
pub(crate) fn serving(dir: &Path) -> Option<(Serving, ConsoleKey)> {
    let note = fs::read(dir.join(NOTE)).ok()?;
    let serving: Serving = serde_json::from_slice(&note).ok()?;
    let key = read_key(&dir.join(KEY)).ok()??;
    // Only loopback is believed: the key is sent there.
    serving.address.ip().is_loopback().then_some((serving, key))
}

fn read_key(path: &Path) -> Result<Option<ConsoleKey>, Failure> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::new(format!("cannot read `{}`: {error}", path.display()))
                .hint("make it readable for this user"));
        }
    };
    ConsoleKey::parse(text.trim()).map(Some).map_err(|error| {
        Failure::new(format!("`{}` holds no key: {error}", path.display()))
            .hint("remove it; the next start makes a new one, and old links end")
    })
}

fn private(path: &Path) -> io::Result<fs::File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_and_the_key_are_closed_to_others_and_the_key_stays() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("a/b");
        let data = DataDir::open(&path).unwrap();
        let key = data.key().unwrap();
        for (path, mode) in [(path.clone(), 0o700), (path.join(KEY), 0o600)] {
            let found = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode, "{}", path.display());
        }
        assert_eq!(DataDir::open(&path).unwrap().key().unwrap().reveal(), key.reveal());
    }

    #[test]
    fn a_directory_that_was_open_is_closed() {
        let base = tempfile::tempdir().unwrap();
        fs::set_permissions(base.path(), Permissions::from_mode(0o755)).unwrap();
        DataDir::open(base.path()).unwrap();
        assert_eq!(fs::metadata(base.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn what_is_no_directory_or_no_key_is_named() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(DataDir::open(&file).unwrap_err().to_string().contains("file"));
        let data = DataDir::open(&base.path().join("data")).unwrap();
        fs::write(data.path().join(KEY), "short").unwrap();
        let failure = data.key().unwrap_err();
        assert!(failure.to_string().contains(KEY), "{failure}");
        assert!(failure.advice().unwrap().contains("remove it"));
    }

    #[test]
    fn the_note_is_believed_only_with_a_key_and_on_loopback() {
        let base = tempfile::tempdir().unwrap();
        let data = DataDir::open(base.path()).unwrap();
        let mut note = Serving {
            address: "127.0.0.1:8642".parse().unwrap(),
            pid: 1,
            projects: BTreeMap::new(),
        };
        data.announce(&note).unwrap();
        assert!(serving(base.path()).is_none(), "there is no key yet");
        data.key().unwrap();
        assert_eq!(serving(base.path()).unwrap().0, note);
        note.address = "192.0.2.1:80".parse().unwrap();
        data.announce(&note).unwrap();
        assert!(serving(base.path()).is_none(), "the key is never sent elsewhere");
        data.withdraw();
        assert!(serving(base.path()).is_none());
    }
}
