//! Standard output and standard error. A reader that went away is no reason to fail: the work goes
//! on, and what nobody reads is not printed.

use std::io;
use std::io::Write;

/// Prints to standard output.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    ignore(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Prints a line to standard output.
pub(crate) fn line(text: &str) {
    let mut out = io::stdout().lock();
    ignore(writeln!(out, "{text}").and_then(|()| out.flush()));
}

/// Prints to standard error.
pub(crate) fn note(text: &str) {
    let mut out = io::stderr().lock();
    ignore(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

fn ignore(printed: io::Result<()>) {
    // There is nobody left to tell.
    let _ = printed;
}
