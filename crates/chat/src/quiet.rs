//! Quiet hours: when a person's chat does not ring, and what still does.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use gatepost_domain::chat::ChatNote;
use gatepost_domain::principal::Principal;
use jiff::Timestamp;
use jiff::tz::Offset;
use serde::Deserialize;
use serde::Serialize;

/// Minutes in a day.
const DAY: u16 = 24 * 60;

/// Hours of the day, where the reader is, in which nothing rings; over midnight when they end
/// before they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quiet {
    /// When they begin, in minutes since midnight.
    from: u16,
    /// When they end; this minute is outside.
    until: u16,
    /// Whether questions ring nevertheless.
    questions_ring: bool,
}

/// What a message is, for whoever sleeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matter {
    /// Somebody is waited for.
    Question,
    /// Something is over, or was answered.
    Other,
}

/// Text that names no quiet hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no quiet hours; write `22-7`, `22:30-07:00`, `22-7 questions` or `off`")]
pub struct QuietError(String);

/// Everybody's quiet hours: as configured, and as they said themselves since.
#[derive(Debug, Clone, Default)]
pub struct Hours {
    of: BTreeMap<Principal, Option<Quiet>>,
}

impl Quiet {
    /// Hours from their parts, as a note has them; nothing when they are none.
    #[must_use]
    pub fn from_minutes(from: u16, until: u16, questions_ring: bool) -> Option<Self> {
        (from < DAY && until < DAY && from != until).then_some(Self { from, until, questions_ring })
    }

    /// When they begin and end, in minutes since midnight, and whether questions ring.
    #[must_use]
    pub fn parts(self) -> (u16, u16, bool) {
        (self.from, self.until, self.questions_ring)
    }

    /// Whether a message comes without a sound at this time.
    #[must_use]
    pub fn hushes(self, matter: Matter, now: Timestamp, offset: Offset) -> bool {
        if matter == Matter::Question && self.questions_ring {
            return false;
        }
        let here = offset.to_datetime(now);
        let minute = u16::try_from(i32::from(here.hour()) * 60 + i32::from(here.minute()));
        let minute = minute.unwrap_or(0);
        if self.from < self.until {
            (self.from..self.until).contains(&minute)
        } else {
            minute >= self.from || minute < self.until
        }
    }
}

impl Hours {
    /// What the configuration says of somebody.
    pub fn configure(&mut self, who: Principal, quiet: Quiet) {
        self.of.insert(who, Some(quiet));
    }

    /// Takes over what somebody said in an earlier life.
    pub fn recall(&mut self, note: &ChatNote) {
        if let ChatNote::Quiet { who, from, until, questions_ring } = note {
            self.of.insert(who.clone(), Quiet::from_minutes(*from, *until, *questions_ring));
        }
    }

    /// Somebody's quiet hours, if they have any.
    #[must_use]
    pub fn of(&self, who: &Principal) -> Option<Quiet> {
        self.of.get(who).copied().flatten()
    }
}

/// What [`ChatNote::Quiet`] keeps for a choice.
#[must_use]
pub fn note(who: Principal, chosen: Option<Quiet>) -> ChatNote {
    let (from, until, questions_ring) = chosen.map_or((0, 0, false), Quiet::parts);
    ChatNote::Quiet { who, from, until, questions_ring }
}

/// `22-7`, `22:30-07:00`, with ` questions` behind when questions ring nevertheless.
impl FromStr for Quiet {
    type Err = QuietError;

    fn from_str(text: &str) -> Result<Self, QuietError> {
        let wrong = || QuietError(text.chars().take(60).collect());
        let mut words = text.split_whitespace().collect::<Vec<_>>();
        let questions_ring =
            words.last().is_some_and(|last| last.eq_ignore_ascii_case("questions"));
        if questions_ring {
            words.pop();
        }
        let hours = words.concat();
        let (from, until) = hours.split_once(['-', '–']).ok_or_else(wrong)?;
        let (from, until) = (minutes(from).ok_or_else(wrong)?, minutes(until).ok_or_else(wrong)?);
        Self::from_minutes(from, until, questions_ring).ok_or_else(wrong)
    }
}

impl TryFrom<String> for Quiet {
    type Error = QuietError;

    fn try_from(text: String) -> Result<Self, QuietError> {
        text.parse()
    }
}

impl From<Quiet> for String {
    fn from(quiet: Quiet) -> Self {
        quiet.to_string()
    }
}

/// `22:30-07:00`, and what rings.
impl fmt::Display for Quiet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
        write!(f, "{}-{}", clock(self.from), clock(self.until))?;
        if self.questions_ring { f.write_str(" questions") } else { Ok(()) }
    }
}

/// Minutes since midnight of `7`, `07` or `7:30`; `24` is midnight.
fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
    match (hour, minute) {
        (24, 0) => Some(0),
        (0..=23, 0..=59) => Some(hour * 60 + minute),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hushed(quiet: &str, at: &str, matter: Matter) -> bool {
        let now = format!("2026-11-25T{at}:00Z").parse().unwrap();
        quiet.parse::<Quiet>().unwrap().hushes(matter, now, Offset::constant(1))
    }

    #[test]
    fn hours_are_the_reader_s_and_go_over_midnight() {
        let cases = [
            ("22-7", "20:59", false),
            ("22-7", "21:00", true),
            ("22-7", "05:59", true),
            ("22-7", "06:00", false),
            ("12:30-13:15", "11:30", true),
            ("12:30-13:15", "12:15", false),
        ];
        for (quiet, utc, expect) in cases {
            assert_eq!(hushed(quiet, utc, Matter::Other), expect, "{quiet} at {utc}");
            assert_eq!(hushed(quiet, utc, Matter::Question), expect, "{quiet} at {utc}");
        }
        assert!(!hushed("22-7 questions", "23:00", Matter::Question));
        assert!(hushed("22-7 questions", "23:00", Matter::Other));
    }

    #[test]
    fn what_is_no_time_is_refused_with_what_to_write() {
        for text in [
            "",
            "22",
            "22-25",
            "22-7:60",
            "a-b",
            "-",
            "22--7",
            "7-7",
            "0-24",
            "22-7 please",
            "+1-2",
        ] {
            let error = text.parse::<Quiet>().unwrap_err();
            assert!(error.to_string().contains("22-7 questions"), "{error}");
        }
        for text in ["22-7", "22:00-07:00", "22 - 7", "22–7", "9-24 questions"] {
            let quiet: Quiet = text.parse().unwrap();
            assert_eq!(quiet.to_string().parse(), Ok(quiet), "{text}");
        }
    }

    #[test]
    fn what_somebody_said_comes_before_what_is_configured() {
        let who = |id: &str| Principal {
            platform: gatepost_domain::principal::Platform::Telegram,
            id: id.into(),
        };
        let mut hours = Hours::default();
        hours.configure(who("1"), "22-7".parse().unwrap());
        hours.configure(who("2"), "22-7".parse().unwrap());
        hours.recall(&note(who("1"), None));
        hours.recall(&note(who("3"), Some("1-2 questions".parse().unwrap())));
        assert_eq!(hours.of(&who("1")), None);
        assert_eq!(hours.of(&who("2")).unwrap().to_string(), "22:00-07:00");
        assert_eq!(hours.of(&who("3")).unwrap().to_string(), "01:00-02:00 questions");
    }
}
