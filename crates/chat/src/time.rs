//! Times and spans in words.

use jiff::Timestamp;
use jiff::tz::Offset;

/// A span in words, with as much exactness as a person reads: `12 ms`, `4.2 s`, `3 min 5 s`,
/// `2 h 10 min`.
#[must_use]
pub fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms} ms"),
        1..=9 if ms % 1000 >= 100 => format!("{seconds}.{} s", ms % 1000 / 100),
        1..=59 => format!("{seconds} s"),
        60..=3599 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..=86399 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86400, "d", seconds % 86400 / 3600, "h"),
    }
}

/// When something is or was, as seen from `now`: `in 28 min`, `5 s ago`, `now`.
#[must_use]
pub fn relative(at: Timestamp, now: Timestamp) -> String {
    let ms = at.as_millisecond().saturating_sub(now.as_millisecond());
    let distance = span(ms.unsigned_abs() / 1000 * 1000);
    match ms {
        -999..=999 => "now".into(),
        1000.. => format!("in {distance}"),
        _ => format!("{distance} ago"),
    }
}

/// The time of day where the reader is, with the date when it is another day: `14:30`,
/// `2026-11-23 14:30`.
#[must_use]
pub fn clock(at: Timestamp, now: Timestamp, offset: Offset) -> String {
    let (at, now) = (offset.to_datetime(at), offset.to_datetime(now));
    let time = format!("{:02}:{:02}", at.hour(), at.minute());
    if at.date() == now.date() { time } else { format!("{} {time}", at.date()) }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        format!("{large} {large_unit}")
    } else {
        format!("{large} {large_unit} {small} {small_unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn spans_say_as_much_as_is_read() {
        let cases = [
            (0, "0 ms"),
            (999, "999 ms"),
            (4_270, "4.2 s"),
            (12_900, "12 s"),
            (60_000, "1 min"),
            (185_000, "3 min 5 s"),
            (7_800_000, "2 h 10 min"),
            (86_400_000, "1 d"),
            (u64::MAX, "213503982334 d 14 h"),
        ];
        for (ms, expect) in cases {
            assert_eq!(span(ms), expect);
        }
    }

    #[test]
    fn times_are_told_from_where_the_reader_is() {
        let now = at("2026-11-24T23:30:00Z");
        assert_eq!(relative(at("2026-11-24T23:58:00Z"), now), "in 28 min");
        assert_eq!(relative(at("2026-11-24T23:29:55Z"), now), "5 s ago");
        assert_eq!(relative(now, now), "now");
        assert_eq!(relative(Timestamp::MAX, Timestamp::MIN).get(..3), Some("in "));
        let plus_one = Offset::constant(1);
        assert_eq!(clock(now, now, Offset::UTC), "23:30");
        assert_eq!(clock(now, at("2026-11-24T12:00:00Z"), plus_one), "2026-11-25 00:30");
    }
}
