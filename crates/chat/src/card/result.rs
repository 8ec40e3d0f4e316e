//! What a task came to: the short of it first, then what changed, ran, was refused and approved.

use gatepost_domain::changes::ChangeSet;
use gatepost_domain::changes::DeliveryKind;
use gatepost_domain::changes::DeliveryResult;
use gatepost_domain::lifecycle::Delivery;
use gatepost_domain::summary::Summary;
use gatepost_domain::summary::Used;
use gatepost_domain::summary::Weighed;
use gatepost_domain::usage::Usage;
use serde::Serialize;

use super::Press;
use super::Tone;
use super::outcome_tone;
use super::weight;
use crate::time::span;
use crate::visible::one_line;
use crate::visible::prose;
use crate::visible::shown;
use crate::visible::visible;

/// What a task came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResultCard {
    /// The outcome's word; `unfinished` while it lives.
    pub outcome: &'static str,
    /// How that feels.
    pub tone: Tone,
    /// Why, in a sentence.
    pub reason: String,
    /// The short of it: changes, refusals, approvals, time.
    pub short: Vec<String>,
    /// The long of it.
    pub sections: Vec<Section>,
    /// What became of the changes, with how that feels.
    pub delivery: Option<(String, Tone)>,
}

/// A part of the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// What it is about.
    pub title: &'static str,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// A row of the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// A command, a path or an address.
    pub text: String,
    /// What there is to say of it; the time it speaks of is `at`.
    pub note: String,
    /// How it feels.
    pub tone: Tone,
    /// When, where that matters.
    pub at: Option<jiff::Timestamp>,
}

/// A line of a diff, safe to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiffLine {
    /// What the line is; its own sign is not in the text.
    pub sign: DiffSign,
    /// The line.
    pub text: String,
}

/// The kinds of line in a diff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiffSign {
    /// A file begins, or git says something about it.
    File,
    /// Where in the file.
    Place,
    /// Added.
    Added,
    /// Removed.
    Removed,
    /// Unchanged.
    Same,
}

impl ResultCard {
    /// The card of a summary. `delivery` is asked beside it, because a summary knows only of ended
    /// deliveries.
    #[must_use]
    pub fn of(summary: &Summary, delivery: &Delivery) -> Self {
        let (outcome, tone) = match summary.outcome {
            Some(outcome) => (outcome.as_str(), outcome_tone(outcome)),
            None => ("unfinished", Tone::Busy),
        };
        let delivery = match delivery {
            Delivery::NotAsked => None,
            Delivery::Underway { how } => Some((underway(*how).to_owned(), Tone::Busy)),
            Delivery::Done { result } => Some(delivery_words(result)),
        };
        Self {
            outcome,
            tone,
            reason: summary.reason.as_deref().map(prose).unwrap_or_default(),
            short: short(summary),
            sections: sections(summary),
            delivery,
        }
    }
}

/// What became of a delivery, in words.
#[must_use]
pub fn delivery_words(result: &DeliveryResult) -> (String, Tone) {
    let left_out = |refused: &u64| match refused {
        0 => String::new(),
        n => format!("; {n} left out, as the list says"),
    };
    match result {
        DeliveryResult::Applied { paths, refused } => {
            let what = count(*paths, "path", "paths");
            (format!("applied to the project: {what}{}", left_out(refused)), Tone::Good)
        }
        DeliveryResult::Branched { branch, commit, refused } => {
            let commit = commit.get(..12).unwrap_or(commit);
            let words = format!("on branch {} ({commit}){}", visible(branch), left_out(refused));
            (words, Tone::Good)
        }
        DeliveryResult::Discarded => ("discarded; the project is as it was".into(), Tone::Quiet),
        DeliveryResult::Conflict { path } => {
            let path = visible(path);
            (format!("nothing written: `{path}` changed in the project meanwhile"), Tone::Bad)
        }
        DeliveryResult::Failed { reason } => {
            (format!("not delivered: {}", prose(reason)), Tone::Bad)
        }
    }
}

/// What can be done with the changes of a finished task.
pub(super) fn delivery_buttons(changes: Option<&ChangeSet>, delivery: &Delivery) -> Vec<Press> {
    let Some(changes) = changes.filter(|changes| !changes.is_empty()) else { return Vec::new() };
    let over = match delivery {
        Delivery::NotAsked => false,
        Delivery::Underway { .. } => true,
        Delivery::Done { result } => match result {
            DeliveryResult::Applied { .. } | DeliveryResult::Discarded => true,
            DeliveryResult::Branched { .. }
            | DeliveryResult::Conflict { .. }
            | DeliveryResult::Failed { .. } => false,
        },
    };
    if over {
        Vec::new()
    } else if changes.truncated {
        vec![Press::Discard]
    } else {
        vec![Press::Apply, Press::Branch, Press::Discard]
    }
}

/// The lines of a unified diff.
pub(super) fn diff_lines(diff: &str) -> Vec<DiffLine> {
    let mut in_hunk = false;
    diff.lines()
        .map(|line| {
            let rest = line.get(1..).unwrap_or_default();
            let (sign, text) = match line.chars().next() {
                _ if line.starts_with("@@") => (DiffSign::Place, line),
                // Inside a hunk a line that begins with `---` is a removed line like any other.
                Some('+') if in_hunk => (DiffSign::Added, rest),
                Some('-') if in_hunk => (DiffSign::Removed, rest),
                Some(' ') if in_hunk => (DiffSign::Same, rest),
                Some('\\') if in_hunk => (DiffSign::Place, line),
                None if in_hunk => (DiffSign::Same, line),
                _ => (DiffSign::File, line),
            };
            in_hunk = sign != DiffSign::File;
            DiffLine { sign, text: visible(text) }
        })
        .collect()
}

pub(crate) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// What models used, as Gatepost counted it, and what that cost where every model has a price: a
/// part of a sum would pass for the whole.
fn metered(summary: &Summary) -> String {
    let usage = summary.models.iter().fold(Usage::default(), |sum, model| sum + model.usage);
    let cost = summary
        .models
        .iter()
        .map(|model| model.cost)
        .reduce(|sum, cost| sum.zip(cost).map(|(sum, cost)| sum + cost));
    let tokens =
        format!("{} tokens read and {} written", thousands(usage.read()), thousands(usage.output));
    match cost.flatten() {
        Some(cost) => format!("{tokens}, {cost}"),
        None => tokens,
    }
}

/// `12,345`.
fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn underway(how: DeliveryKind) -> &'static str {
    match how {
        DeliveryKind::Apply => "being applied to the project",
        DeliveryKind::Branch => "being put on a branch",
        DeliveryKind::Discard => "being discarded",
    }
}

fn short(summary: &Summary) -> Vec<String> {
    let len = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let mut short = Vec::new();
    let gating = summary.sandbox.as_ref().map(|sandbox| sandbox.gating).unwrap_or_default();
    short.extend(gating.warning().map(str::to_owned));
    match summary.files.len() {
        0 if summary.truncated => {}
        0 => short.push("nothing changed".to_owned()),
        n => short.push(format!(
            "{} changed (+{} −{})",
            count(len(n), "file", "files"),
            summary.lines_added,
            summary.lines_removed
        )),
    }
    if summary.truncated {
        short.push("there are more changes than are listed; they can only be discarded".to_owned());
    }
    short.push(format!("{} ran", count(len(summary.ran.len()), "action", "actions")));
    if !summary.refused.is_empty() {
        short.push(format!("{} refused", summary.refused.len()));
    }
    if !summary.unasked.is_empty() {
        short.push(format!("{} done without asking", summary.unasked.len()));
    }
    if !summary.flagged.is_empty() {
        short.push("a result tried to steer the agent".to_owned());
    }
    if summary.unread > 0 {
        short.push(format!("{} not read by the model", count(summary.unread, "result", "results")));
    }
    match summary.network.refused.as_slice() {
        [] => {}
        [one] => short.push(format!("network refused: {}", prose(&one.host))),
        [first, rest @ ..] => {
            short.push(format!("network refused: {} and {} more", prose(&first.host), rest.len()))
        }
    }
    if !summary.approved.is_empty() {
        short.push(format!("{} approved by people", summary.approved.len()));
    }
    if let Some(last) = summary.raised.last() {
        short.push(format!("budget raised to {}", last.raise.to));
    }
    let unsent = summary.outbox.iter().filter(|file| file.refusal.is_some()).count();
    if unsent > 0 {
        short.push(format!("{} not sent", count(len(unsent), "file", "files")));
    }
    if !summary.models.is_empty() {
        short.push(metered(summary));
        if let Some(Weighed { verdicts, cost }) = summary.classifier {
            let money = cost.cost.map_or(String::new(), |cost| format!(", {cost}"));
            short.push(format!(
                "of it {} tokens{money} for {} of the classifier, which took {}",
                thousands(cost.usage.total()),
                count(verdicts, "verdict", "verdicts"),
                span(cost.took_ms)
            ));
        }
    } else if let Some(used) = summary.used.filter(|used| *used != Used::default()) {
        short.push(format!(
            "{} tokens read and {} written, as the agent counts",
            thousands(used.input_tokens),
            thousands(used.output_tokens)
        ));
    }
    if let Some(ms) = summary.duration_ms {
        short.push(format!("took {}", span(ms)));
    }
    short
}

fn sections(summary: &Summary) -> Vec<Section> {
    let row = |text: String, note: String, tone| Row { text, note, tone, at: None };
    let changed = summary.files.iter().map(|file| {
        let mut note = file.kind.to_owned();
        if file.added + file.removed > 0 {
            note.push_str(&format!(" +{} −{}", file.added, file.removed));
        }
        match file.refusal {
            Some(why) => row(visible(&file.path), format!("{note}; {why}"), Tone::Bad),
            None => row(visible(&file.path), note, Tone::Quiet),
        }
    });
    let ran = summary.ran.iter().map(|ran| {
        let tone = match ran.exit {
            Some(0) => Tone::Good,
            None if ran.untold => Tone::Quiet,
            Some(_) | None => Tone::Bad,
        };
        row(
            shown(&ran.subject).text,
            format!("{}, {}", prose(&ran.how), span(ran.duration_ms)),
            tone,
        )
    });
    let refused = summary.refused.iter().map(|refused| {
        let note = format!(
            "{} · {}, by {}",
            prose(&refused.reason),
            prose(&refused.rule),
            refused.by.as_str()
        );
        row(shown(&refused.subject).text, note, Tone::Bad)
    });
    let left = summary.outbox.iter().map(|file| match file.refusal {
        Some(why) => row(visible(&file.name), format!("not sent: {}", why.sentence()), Tone::Bad),
        None => row(visible(&file.name), weight(file.size), Tone::Quiet),
    });
    let unasked = summary.unasked.iter().map(|what| {
        row(shown(what).text, "not reviewed; the sandbox contained it".to_owned(), Tone::Bad)
    });
    let raised = summary.raised.iter().map(|raised| Row {
        at: Some(raised.at),
        ..row(raised.raise.to_string(), format!("by {}", raised.by), Tone::Quiet)
    });
    let flagged = summary
        .flagged
        .iter()
        .map(|found| row(prose(&found.span), format!("it {}", found.trick.does()), Tone::Bad));
    let unread = (summary.unread > 0).then(|| {
        let why = "the model that is set up for it gave no answer, or not about all of them";
        row(count(summary.unread, "result", "results"), why.to_owned(), Tone::Quiet)
    });
    let approved = summary.approved.iter().map(|approved| Row {
        at: Some(approved.at),
        ..row(
            shown(&approved.subject).text,
            match &approved.edited_from {
                Some(asked) => {
                    format!(
                        "approved, edited by {}; asked was: {}",
                        approved.by,
                        one_line(asked, 200)
                    )
                }
                None if approved.for_task => format!("by {}, for this task", approved.by),
                None => format!("by {}, once", approved.by),
            },
            Tone::Good,
        )
    });
    let bounds = summary.boundaries.iter().map(|bound| Row {
        at: Some(bound.at),
        ..row(
            prose(&bound.words),
            format!("by {}, {}", bound.by, if bound.lifted { "lifted" } else { "held to the end" }),
            Tone::Quiet,
        )
    });
    let settled = summary.settled_by.iter().map(|(source, counts)| {
        let note = format!("{} allowed, {} refused", counts.allowed, counts.refused);
        row(source.as_str().to_owned(), note, Tone::Quiet)
    });
    let sandbox = summary.sandbox.iter().map(|sandbox| {
        let note = format!("workspace by {}", sandbox.workspace);
        row(
            sandbox.tier.clone(),
            [vec![note], sandbox.notes.clone()].concat().join("; "),
            Tone::Quiet,
        )
    });
    let all = [
        ("What changed", changed.collect::<Vec<_>>()),
        ("Left for the chat", left.collect()),
        ("What ran", ran.collect()),
        ("What was refused", refused.collect()),
        ("What was done without asking", unasked.collect()),
        ("What tried to steer the agent", flagged.collect()),
        ("What no model has read", unread.into_iter().collect()),
        ("What you forbade", bounds.collect()),
        ("Who approved what", approved.chain(raised).collect()),
        ("Who settled how many", settled.collect()),
        ("Network", super::network::rows(&summary.network)),
        ("Sandbox", sandbox.collect()),
    ];
    all.into_iter()
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(title, rows)| Section { title, rows })
        .collect()
}
