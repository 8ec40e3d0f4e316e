//! A running `gatepost up`, started with a clean environment and ended without mercy.

use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc;

use crate::PATIENCE;
use crate::api::Api;
use crate::gatepost_binary;

/// Where managed settings lie.
const MANAGED: &str = "/etc/gatepost";

/// How to start one.
#[derive(Debug, Clone)]
pub struct Setup {
    binary: PathBuf,
    home: PathBuf,
    data: PathBuf,
    config: Option<PathBuf>,
    listen: String,
    user: Option<u32>,
    managed: Option<PathBuf>,
    more: Vec<(String, String)>,
}

/// A running `gatepost up`; killed when dropped.
#[derive(Debug)]
pub struct Gatepost {
    child: Child,
    link: String,
    log: Arc<Mutex<String>>,
}

/// What a `gatepost` command that ended left behind.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Setup {
    /// Under `root`: a home and a data directory of its own, a free port, no configuration.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        let home = root.join("home");
        std::fs::create_dir_all(&home).unwrap();
        Self {
            binary: gatepost_binary(),
            data: root.join("data"),
            home,
            config: None,
            listen: "127.0.0.1:0".into(),
            user: None,
            managed: None,
            more: Vec::new(),
        }
    }

    /// With this configuration text.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        let path = self.home.join("gatepost.toml");
        std::fs::write(&path, text).unwrap();
        self.config = Some(path);
        self
    }

    /// With one project named `demo`.
    #[must_use]
    pub fn project(self, path: &Path) -> Self {
        let text = format!("[projects.demo]\npath = {path:?}\n");
        self.config(&text)
    }

    /// At this address.
    #[must_use]
    pub fn listen(mut self, listen: &str) -> Self {
        self.listen = listen.into();
        self
    }

    /// With this data directory.
    #[must_use]
    pub fn data(mut self, data: &Path) -> Self {
        self.data = data.to_owned();
        self
    }

    /// With this variable in its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.more.push((name.into(), value.into()));
        self
    }

    /// As this user and the group of the same number, with this copy of the binary.
    #[must_use]
    pub fn user(mut self, id: u32, binary: PathBuf) -> Self {
        self.user = Some(id);
        self.binary = binary;
        self
    }

    /// On a machine that is managed by what lies in this directory. Nothing but a mount moves the
    /// place of managed settings, so it gets one, in a mount namespace of its own. Needs root.
    #[must_use]
    pub fn managed(mut self, dir: &Path) -> Self {
        self.managed = Some(dir.to_owned());
        self
    }

    /// Its data directory.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data
    }

    /// A `gatepost` command with this set-up's environment and nothing else.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = match &self.managed {
            None => Command::new(&self.binary),
            Some(dir) => {
                std::fs::create_dir_all(MANAGED).unwrap();
                let script = format!("mount --bind \"$0\" {MANAGED} && exec \"$@\"");
                let mut command = Command::new("unshare");
                command.args(["--mount", "--propagation", "private", "sh", "-c", &script]);
                command.arg(dir).arg(&self.binary);
                command
            }
        };
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", &self.home)
            .env("GATEPOST_DATA", &self.data)
            .env("GATEPOST_LISTEN", &self.listen)
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in &self.more {
            command.env(name, value);
        }
        if let Some(config) = &self.config {
            command.env("GATEPOST_CONFIG", config);
        }
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    /// Runs a `gatepost` command to its end.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Ended {
        let out = self.command(args).output().unwrap();
        Ended {
            code: out.status.code(),
            stdout: String::from_utf8_lossy(&out.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
        }
    }

    /// Starts `gatepost up` and waits until it serves.
    ///
    /// # Panics
    /// When it ends or does not print its link in time; what it said is in the message.
    #[must_use]
    pub fn up(&self) -> Gatepost {
        let mut child = self.command(&["up"]).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let (found, link) = mpsc::channel();
        collect(child.stdout.take().unwrap(), &log, Some(found));
        collect(child.stderr.take().unwrap(), &log, None);
        let Ok(link) = link.recv_timeout(PATIENCE) else {
            let _already_gone = child.kill();
            let _reaped = child.wait();
            panic!("gatepost did not print its link:\n{}", log.lock().unwrap());
        };
        Gatepost { child, link, log }
    }
}

impl Gatepost {
    /// The link it printed, with its key.
    #[must_use]
    pub fn link(&self) -> &str {
        &self.link
    }

    /// A client with its key.
    #[must_use]
    pub fn api(&self) -> Api {
        let (base, key) = self.link.split_once("/?key=").expect("the link carries the key");
        Api::new(base, key)
    }

    /// What it has printed so far, both streams.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills it with SIGKILL, as a crash would.
    pub fn kill_9(mut self) {
        self.child.kill().unwrap();
        let _reaped = self.child.wait();
    }

    /// Asks it to end with SIGTERM and gives its exit status.
    #[must_use]
    pub fn terminate(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
        assert!(status.success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Gatepost {
    fn drop(&mut self) {
        let _already_gone = self.child.kill();
        let _reaped = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- gatepost said ---\n{}", self.log());
        }
    }
}

fn collect(
    stream: impl Read + Send + 'static,
    log: &Arc<Mutex<String>>,
    found: Option<mpsc::Sender<String>>,
) {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if let (Some(found), Some(link)) = (&found, line.strip_prefix("console: ")) {
                let _nobody_waits = found.send(link.to_owned());
            }
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
}
