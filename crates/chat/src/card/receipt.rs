//! Receipts: what became of a message, in words that are exactly true.

use gatepost_domain::request::Heard;

/// What became of a further message to a task.
#[must_use]
pub fn heard(heard: Heard) -> String {
    match heard {
        Heard::Told { open: 0 } => "delivered to the running agent".into(),
        Heard::Told { open: 1 } => {
            "delivered to the running agent; its question still waits for a button".into()
        }
        Heard::Told { open } => {
            format!("delivered to the running agent; its {open} questions still wait for buttons")
        }
        Heard::Starting => "kept for the agent, which is about to start".into(),
        Heard::Queued { ahead: 0 } => "kept for when the task starts, which is next".into(),
        Heard::Queued { ahead } => {
            format!("kept for when the task starts; it is {}", queued(ahead))
        }
        Heard::TakenUp { ahead: 0 } => "the task goes on with it".into(),
        Heard::TakenUp { ahead } => {
            format!("the task goes on with it; it is queued {}", ordinal(ahead + 1))
        }
        Heard::Suspended => {
            "kept; the task goes on with it once its question is answered by a button".into()
        }
        Heard::Before => "taken before; it is not handed over twice".into(),
    }
}

/// A place in a queue with so many before it: `queued 2nd`.
#[must_use]
pub fn queued(ahead: usize) -> String {
    format!("queued {}", ordinal(ahead.saturating_add(1)))
}

/// `1st`, `2nd`, `3rd`, `11th`.
fn ordinal(n: usize) -> String {
    let ending = match (n % 100, n % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_a_queue_are_counted_as_people_count() {
        let words: Vec<_> = [1, 2, 3, 4, 11, 12, 13, 21, 112].into_iter().map(ordinal).collect();
        assert_eq!(words, ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th"]);
        assert_eq!(queued(1), "queued 2nd");
    }

    #[test]
    fn a_message_is_delivered_only_when_an_agent_was_told() {
        let cases = [
            (Heard::Told { open: 0 }, true),
            (Heard::Told { open: 3 }, true),
            (Heard::Starting, false),
            (Heard::Queued { ahead: 0 }, false),
            (Heard::Queued { ahead: 1 }, false),
            (Heard::TakenUp { ahead: 0 }, false),
            (Heard::TakenUp { ahead: 2 }, false),
            (Heard::Suspended, false),
            (Heard::Before, false),
        ];
        for (given, delivered) in cases {
            assert_eq!(heard(given).contains("delivered"), delivered, "{given:?}");
        }
        assert!(heard(Heard::Queued { ahead: 1 }).ends_with("it is queued 2nd"));
    }
}
