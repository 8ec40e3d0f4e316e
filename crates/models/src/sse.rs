//! Server-sent events out of bytes as they come, each bounded.

use crate::error::ModelError;

/// The longest event that is taken, in bytes. A tool's whole input, such as a file, is one event
/// with some servers.
const LONGEST: usize = 8 << 20;

/// Splits bytes into events. Only the data counts: every API here says in it what it is.
#[derive(Debug, Default)]
pub(crate) struct Events {
    line: Vec<u8>,
    data: String,
}

impl Events {
    /// The data of the events that are complete with these bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<String>, ModelError> {
        let mut events = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                if self.line.len() + self.data.len() > LONGEST {
                    return Err(unparseable("one event is longer than 8 MiB"));
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = std::str::from_utf8(&line).map_err(|_| unparseable("it is no text"))?;
            let line = line.trim_end_matches('\r');
            if line.is_empty() {
                if !self.data.is_empty() {
                    events.push(std::mem::take(&mut self.data));
                }
            } else if let Some(data) = line.strip_prefix("data:") {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            }
        }
        Ok(events)
    }
}

fn unparseable(detail: &str) -> ModelError {
    ModelError::Unparseable { detail: detail.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn comments_names_and_returns_are_no_data() {
        let text =
            ": ping\r\nevent: x\r\ndata: {\"a\":1}\r\n\r\ndata:one\ndata: two\n\ndata: open\n";
        let events = Events::default().feed(text.as_bytes()).unwrap();
        assert_eq!(events, ["{\"a\":1}", "one\ntwo"], "what has no end is no event");
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_does_not_matter(
            texts in prop::collection::vec("[^\r\n]{1,20}", 1..5), cut in 1usize..7,
        ) {
            let whole: String = texts.iter().map(|text| format!("data: {text}\n\n")).collect();
            let mut events = Events::default();
            let mut found = Vec::new();
            for piece in whole.as_bytes().chunks(cut) {
                found.extend(events.feed(piece).unwrap());
            }
            prop_assert_eq!(found, texts);
        }
    }
}
