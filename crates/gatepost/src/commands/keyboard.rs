//! Lines from standard input, without holding anything else up.

use std::io::BufRead;
use std::thread;

use rustix::termios::LocalModes;
use rustix::termios::OptionalActions;
use rustix::termios::Termios;
use rustix::termios::tcgetattr;
use rustix::termios::tcsetattr;
use tokio::sync::mpsc;

/// The keyboard. Reading begins only when somebody is asked something, so that a program that
/// shares the terminal keeps its input until then.
pub(crate) struct Keyboard {
    lines: Option<mpsc::Receiver<String>>,
}

/// While it lives, the terminal does not show what is typed.
pub(crate) struct Hidden {
    before: Termios,
}

impl Hidden {
    /// None where standard input is no terminal.
    pub(crate) fn new() -> Option<Self> {
        let before = tcgetattr(std::io::stdin()).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet).ok()?;
        Some(Self { before })
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before) {
            tracing::warn!(%error, "the terminal stays without echo; `stty echo` mends it");
        }
    }
}

impl Keyboard {
    pub(crate) fn new() -> Self {
        Self { lines: None }
    }

    /// Begins to read.
    pub(crate) fn listen(&mut self) {
        if self.lines.is_some() {
            return;
        }
        // One line in advance; the thread waits for its reader, and ends with the process.
        let (typed, lines) = mpsc::channel(1);
        let reader = thread::Builder::new().name("keyboard".into()).spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else { return };
                if typed.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        if let Err(error) = reader {
            // The closed channel reads as the end of the input, which denies.
            tracing::warn!(%error, "the keyboard cannot be read");
        }
        self.lines = Some(lines);
    }

    /// The next line; none at the end of the input.
    pub(crate) async fn line(&mut self) -> Option<String> {
        match &mut self.lines {
            Some(lines) => lines.recv().await,
            None => None,
        }
    }
}
