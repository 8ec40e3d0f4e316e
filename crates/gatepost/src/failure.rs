//! A refusal as people read it: what is wrong, what to do, and the exit status.

use std::fmt;

/// Why a command did not do what was asked: usage or set-up, so its exit status is 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
}

impl Failure {
    /// What is wrong: lower case, no full stop.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// With what to do about it.
    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// What to do about it.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The error as lines for standard error: each cause once, even where an error's own words hold it.
pub(crate) fn render(error: &anyhow::Error) -> String {
    let mut words = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !words.contains(&cause) {
            words.push_str(&format!(": {cause}"));
        }
    }
    let mut text = format!("gatepost: {words}\n");
    let hint = error.chain().find_map(|cause| cause.downcast_ref::<Failure>()?.advice());
    if let Some(hint) = hint {
        text.push_str(&format!("  try: {hint}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn the_hint_survives_being_wrapped() {
        let error = Err::<(), _>(Failure::new("no such thing").hint("another"))
            .context("while looking")
            .unwrap_err();
        assert_eq!(render(&error), "gatepost: while looking: no such thing\n  try: another\n");
    }

    #[test]
    fn a_cause_that_was_said_is_not_said_again() {
        let cause = std::io::Error::other("no room");
        let error = anyhow::Error::new(cause).context("cannot write: no room; free some");
        assert_eq!(render(&error), "gatepost: cannot write: no room; free some\n");
    }
}
