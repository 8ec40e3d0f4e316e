//! Cards as plain text, for the terminal.

use gatepost_domain::lifecycle::Delivery;
use gatepost_domain::summary::Summary;
use jiff::Timestamp;
use jiff::tz::Offset;

use crate::card::ApprovalCard;
use crate::card::ResultCard;
use crate::card::Row;
use crate::time::clock;
use crate::time::relative;

/// Where and when the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader {
    /// Their time.
    pub now: Timestamp,
    /// Their distance from UTC.
    pub offset: Offset,
}

/// A summary as text: the short of it first, then everything.
#[must_use]
pub fn summary(summary: &Summary, delivery: &Delivery, reader: Reader) -> String {
    let card = ResultCard::of(summary, delivery);
    // `denied by …` says the outcome by itself.
    let mut text = if card.reason.starts_with(card.outcome) {
        format!("{}\n", card.reason)
    } else {
        format!("{}: {}\n", card.outcome, card.reason)
    };
    text.push_str(&card.short.join(" · "));
    text.push('\n');
    for section in &card.sections {
        text.push_str(&format!("\n{}\n", section.title));
        for row in &section.rows {
            push_row(&mut text, row, reader);
        }
    }
    if let Some((words, _)) = &card.delivery {
        text.push_str(&format!("\n{words}\n"));
    }
    text
}

/// A question as text, whole, without the ways to answer it.
#[must_use]
pub fn approval(card: &ApprovalCard, reader: Reader) -> String {
    let mut text = format!("{}\n\n", card.title);
    for line in card.action.text.split('\n') {
        text.push_str(&format!("    {line}\n"));
    }
    if let Some(diff) = crate::render::diff(&card.diff) {
        text.push_str("\n  What it changes:\n\n");
        for line in diff.lines() {
            text.push_str(&format!("    {line}\n"));
        }
    }
    text.push('\n');
    for note in &card.action.notes {
        text.push_str(&format!("  note: {note}\n"));
    }
    let mut row = |label: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("  {label}: {value}\n"));
        }
    };
    row("Why", &card.reason);
    row("What happens", &card.effect);
    row("Rule", &card.rule);
    for fact in &card.facts {
        row(&fact.label, &fact.text);
    }
    for evidence in &card.evidence {
        row(&format!("`{}`", evidence.label), &evidence.text);
    }
    match &card.settled {
        Some(settled) => row("Settled", &settled.words),
        None => {
            let until = clock(card.expires_at, reader.now, reader.offset);
            let distance = relative(card.expires_at, reader.now);
            row("Denied by itself", &format!("at {until} ({distance})"));
        }
    }
    text
}

fn push_row(text: &mut String, row: &Row, reader: Reader) {
    let mut lines = row.text.split('\n');
    text.push_str(&format!("  {}", lines.next().unwrap_or_default()));
    for line in lines {
        text.push_str(&format!("\n    {line}"));
    }
    let at = match row.at {
        Some(at) => format!(" at {}", clock(at, reader.now, reader.offset)),
        None => String::new(),
    };
    text.push_str(&format!("  ({}{at})\n", row.note));
}
