//! Lines from standard input, without holding anything else up.

use std::io::BufRead;
use std::thread;

use tokio::sync::mpsc;

/// The keyboard. Reading begins only when somebody is asked something, so that a program that
/// shares the terminal keeps its input until then.
pub(crate) struct Keyboard {
    lines: Option<mpsc::Receiver<String>>,
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
