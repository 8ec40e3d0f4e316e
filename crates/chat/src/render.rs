//! Cards as rich text, one rendering for every platform that shows messages.

use gatepost_domain::lifecycle::State;
use gatepost_domain::mode::Mode;
use gatepost_domain::principal::Role;

use crate::card::ApprovalCard;
use crate::card::DiffLine;
use crate::card::DiffSign;
use crate::card::Entry;
use crate::card::OpenLine;
use crate::card::ResultCard;
use crate::card::Speaker;
use crate::card::TaskCard;
use crate::card::TaskLine;
use crate::card::Tone;
use crate::card::queued;
use crate::quiet::Quiet;
use crate::report;
use crate::report::Reader;
use crate::rich::Rich;
use crate::rich::Style;
use crate::rich::units;
use crate::time::clock;
use crate::time::relative;
use crate::visible::one_line;

/// How many of its last steps a live card shows; the rest is in `/log`.
const STEPS: usize = 6;

/// How many characters of a step a live card shows.
const STEP: usize = 120;

/// How many lines an action may have before it is folded.
const LINES: usize = 12;

/// How many people a card names.
const NAMED: usize = 8;

/// What an action that does not fit shows of its head and of its tail, in units.
const ENDS: usize = 700;

/// A question as a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The message.
    pub text: Rich,
    /// The whole of it as a file, when the message could not hold it. Nobody may be offered to
    /// approve before the file has arrived.
    pub file: Option<String>,
}

/// What a live card says beside what its task did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many tasks went before it when it was taken.
    pub ahead: usize,
    /// Who is asked elsewhere, where the task's own chat does not show its questions.
    pub asked: Option<Asked>,
}

/// Who is asked in a chat of their own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Whose chat has the question, or will have it.
    pub reached: Vec<String>,
    /// Who could not be written to.
    pub unreached: Vec<String>,
}

/// A task's live card.
#[must_use]
pub fn task(card: &TaskCard, standing: &Standing, limit: usize) -> Rich {
    let line = &card.line;
    let words = match line.state {
        State::Queued if standing.ahead > 0 => {
            format!("{} when it came", queued(standing.ahead))
        }
        State::Received
        | State::Queued
        | State::Preparing
        | State::Running
        | State::AwaitingApproval
        | State::AwaitingWords
        | State::Cancelling
        | State::Finishing
        | State::Finished => line.words.clone(),
    };
    let mut rich = Rich::new()
        .styled(Style::Bold, &format!("{} {} · {words}", sign(line.tone), line.id))
        .line()
        .plain(&line.title)
        .line()
        .plain(&format!("project {}", line.project));
    let steps: Vec<_> = card.entries.iter().filter_map(step).collect();
    let left_out = steps.len().saturating_sub(STEPS);
    if !steps.is_empty() {
        rich = rich.line();
    }
    if left_out > 0 {
        rich = rich.line().plain(&format!("… {left_out} earlier, in /log {}", line.id));
    }
    for step in steps.iter().skip(left_out) {
        rich = rich.line().then(step);
    }
    let open = card.entries.iter().filter(|entry| is_open_question(entry)).count();
    if open > 0 {
        rich = waits(rich.line().line(), open, standing.asked.as_ref());
    }
    if let (State::AwaitingWords, Some(asks)) = (line.state, &card.asks) {
        rich = rich.line().line().styled(Style::Bold, asks);
        rich = rich.line().plain("The task waits for your answer: reply to this message.");
    }
    if let Some(result) = &card.result {
        rich = rich.line().line().plain(&result.short.join(" · "));
    }
    rich.cut(limit)
}

/// The first form of a live task's card. It stays true whatever happens to the task, because a
/// card whose sending was not confirmed can never be changed.
#[must_use]
pub fn receipt(card: &TaskCard, ahead: usize) -> Rich {
    let line = &card.line;
    let rich = Rich::new()
        .styled(Style::Bold, &format!("📥 {} · taken", line.id))
        .line()
        .plain(&line.title)
        .line()
        .plain(&format!("project {}", line.project));
    match ahead {
        0 => rich,
        n => rich.line().plain(&format!("{} for this project", queued(n))),
    }
}

/// A question, whole or with its file. `approvers` are the ids of those who may answer it.
#[must_use]
pub fn question(
    card: &ApprovalCard,
    approvers: &[String],
    reader: Reader,
    limit: usize,
) -> Question {
    // Of a file that is there already, what changes is all that there is to decide on; the file
    // that comes along where this is too long has the whole of both.
    let changes = diff(&card.diff);
    let shown = changes.as_deref().map_or(card.action.text.as_str(), str::trim_end);
    let lines = shown.lines().count();
    let style = if lines > LINES { Style::Folded } else { Style::Pre };
    let action = Rich::new().styled(style, shown);
    let whole = framed(card, approvers, reader, action, usize::MAX);
    if whole.units() <= limit {
        return Question { text: whole, file: None };
    }
    let ends = head_and_tail(shown);
    let text = framed(card, approvers, reader, ends, 200).cut(limit);
    Question { text, file: Some(report::approval(card, reader)) }
}

/// A question whose action cannot be shown: what is left of it for whoever may still deny it.
#[must_use]
pub fn unshown(question: &Question, limit: usize) -> Rich {
    let why = "The whole action could not be shown here, so it cannot be approved here. Deny it, \
               or approve it in the console.";
    let room = limit.saturating_sub(units(why) + 4);
    question.text.cut(room).line().line().styled(Style::Bold, why)
}

/// What a finished task came to.
#[must_use]
pub fn result(card: &TaskCard, reader: Reader, limit: usize) -> Rich {
    let Some(result) = &card.result else { return task(card, &Standing::default(), limit) };
    let mut rich = headline(card, result);
    let mut folded = String::new();
    for section in &result.sections {
        if !folded.is_empty() {
            folded.push('\n');
        }
        folded.push_str(section.title);
        for row in &section.rows {
            let at = row.at.map(|at| format!(" at {}", clock(at, reader.now, reader.offset)));
            let text = one_line(&row.text, 300);
            folded.push_str(&format!("\n• {text} ({}{})", row.note, at.unwrap_or_default()));
        }
        folded.push('\n');
    }
    let delivery = result.delivery.as_ref().map(|(words, _)| words.as_str());
    let tail = delivery.map_or(0, |words| units(words) + 2);
    let room = limit.saturating_sub(rich.units() + tail + 60);
    let folded = folded.trim_end();
    if !folded.is_empty() && room > 200 {
        let shown = Rich::new().plain(folded).cut(room);
        rich = rich.line().line().styled(Style::Folded, shown.text());
        if units(folded) > room {
            rich = rich.line().plain(&format!("more in /log {}", card.line.id));
        }
    }
    if let Some(words) = delivery {
        rich = rich.line().line().styled(Style::Bold, words);
    }
    rich.cut(limit)
}

/// Every open question in one list. `left_out` says how many the list does not show.
#[must_use]
pub fn open_questions(lines: &[OpenLine], left_out: u64, reader: Reader, limit: usize) -> Rich {
    let open = lines.iter().map(|line| u64::from(line.settled.is_none())).sum::<u64>() + left_out;
    let title = match open {
        0 => "No question is open.".to_owned(),
        1 => "1 question is open.".to_owned(),
        n => format!("{n} questions are open."),
    };
    let mut rich = Rich::new().styled(Style::Bold, &title);
    for (number, line) in (1..).zip(lines) {
        rich = rich.line().plain(&format!("{number}. ")).styled(Style::Code, line.task.as_str());
        rich = match &line.action {
            Some(action) => rich.plain(&format!(" {}: ", line.title)).styled(Style::Code, action),
            None => rich.plain(" waits for an approver"),
        };
        let when = match &line.settled {
            Some(settled) => format!(" · {settled}"),
            None => {
                let until = clock(line.expires_at, reader.now, reader.offset);
                format!(" · until {until} ({})", relative(line.expires_at, reader.now))
            }
        };
        rich = rich.plain(&when);
    }
    if left_out > 0 {
        rich = rich.line().plain(&format!("and {left_out} more, once these are settled"));
    }
    rich.cut(limit)
}

/// A line of a list of tasks.
#[must_use]
pub fn task_line(line: &TaskLine) -> Rich {
    Rich::new()
        .plain(sign(line.tone))
        .plain(" ")
        .styled(Style::Code, line.id.as_str())
        .plain(&format!(" {} · {}", line.words, one_line(&line.title, 80)))
}

/// Everything a task did, as text.
#[must_use]
pub fn log(card: &TaskCard, reader: Reader) -> String {
    let mut text = format!("{}: {}\n", card.line.id, card.line.words);
    for fact in &card.facts {
        text.push_str(&format!("{}: {}\n", fact.label, fact.text));
    }
    for entry in &card.entries {
        text.push('\n');
        match entry {
            Entry::Note { at, speaker, text: words, .. } => {
                let who = match speaker {
                    Speaker::Person => "you",
                    Speaker::Agent => "agent",
                    Speaker::Gatepost => "gatepost",
                };
                let at = clock(*at, reader.now, reader.offset);
                text.push_str(&format!("{at} {who}: {words}\n"));
            }
            Entry::Step { at, tool, action, verdict, words, output, .. } => {
                let at = clock(*at, reader.now, reader.offset);
                text.push_str(&format!("{at} {tool}: {}\n  {verdict}\n  {words}\n", action.text));
                for line in output.iter().flat_map(|output| output.lines()) {
                    text.push_str(&format!("  | {line}\n"));
                }
            }
            Entry::Approval { card, .. } => text.push_str(&report::approval(card, reader)),
        }
    }
    text
}

/// What a task changed, as a unified diff; none when there is none.
#[must_use]
pub fn diff(lines: &[DiffLine]) -> Option<String> {
    if lines.is_empty() {
        return None;
    }
    let lines = lines.iter().map(|line| {
        let sign = match line.sign {
            DiffSign::Added => "+",
            DiffSign::Removed => "-",
            DiffSign::Same => " ",
            DiffSign::File | DiffSign::Place => "",
        };
        format!("{sign}{}\n", line.text)
    });
    Some(lines.collect())
}

/// What can be written here.
#[must_use]
pub fn help(projects: &[String], mode: Option<Mode>) -> Rich {
    let mut rich = Rich::new()
        .styled(Style::Bold, "A message is a task.")
        .plain(
            " A reply to a task's message goes to that task. What is risky comes back as a \
             question with buttons; only the buttons decide, never what you write.\n",
        )
        .plain(
            "\nOnly questions and results ring. In /quiet hours neither does, unless you set them \
             with the word questions.\n",
        )
        .plain("\nAt the start, #project and @agent choose for this task.\n");
    for (name, what) in crate::command::MENU {
        rich = rich.line().plain(&format!("/{name} – {what}"));
    }
    let projects = projects.join(", ");
    let mode = mode.map_or("as configured".to_owned(), |mode| mode.to_string());
    rich.line().line().plain(&format!("Projects: {projects}. Mode here: {mode}."))
}

/// A person's quiet hours in words.
#[must_use]
pub fn quiet(quiet: Option<Quiet>, reader: Reader) -> String {
    let now = clock(reader.now, reader.now, reader.offset);
    let how = "Write /quiet 22-7, /quiet 22-7 questions or /quiet off.";
    let Some(quiet) = quiet else {
        return format!(
            "You have no quiet hours: questions and results ring. It is {now} here. {how}"
        );
    };
    let (_, _, questions_ring) = quiet.parts();
    let hours = quiet.to_string();
    let hours = hours.split(' ').next().unwrap_or_default();
    let what = if questions_ring {
        "nothing but questions rings in our private chat"
    } else {
        "nothing rings in our private chat, questions neither"
    };
    format!("From {hours}, {what}; all of it still comes. It is {now} here. {how}")
}

/// A person's roles in words.
#[must_use]
pub fn roles(roles: &[Role]) -> String {
    let words: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
    words.join(", ")
}

/// How many questions wait, and for whom.
fn waits(rich: Rich, open: usize, asked: Option<&Asked>) -> Rich {
    let what = if open == 1 { "question waits" } else { "questions wait" };
    let list = if open > 1 { "; /approvals lists them" } else { "" };
    let Some(asked) = asked else {
        return rich.styled(Style::Bold, &format!("{open} {what} for an answer{list}"));
    };
    let mut rich = rich.styled(Style::Bold, &format!("{open} {what} for an approver{list}"));
    if !asked.reached.is_empty() {
        rich = rich.line().plain(&format!("asked in private: {}", named(&asked.reached)));
    }
    if !asked.unreached.is_empty() {
        let (who, begin) = (named(&asked.unreached), "they must open a chat with this bot first");
        rich = rich.line().plain(&format!("could not be asked in private: {who}; {begin}"));
    }
    if asked.reached.is_empty() && asked.unreached.is_empty() {
        rich = rich.line().plain("nobody here is an approver; it can be answered in the console");
    }
    rich
}

/// Who may answer a question, in words for the beginning of a sentence.
fn may_answer(approvers: &[String]) -> String {
    match approvers {
        [] => "Nobody here is an approver; whoever has the console".to_owned(),
        [one] => format!("The approver {one}"),
        all => format!("The approvers {}", named(all)),
    }
}

/// Ids in a sentence; of many, the first.
fn named(ids: &[String]) -> String {
    let first = ids.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match ids.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn headline(card: &TaskCard, result: &ResultCard) -> Rich {
    let title = format!("{} {} · {}", sign(result.tone), card.line.id, result.outcome);
    let mut rich =
        Rich::new().styled(Style::Bold, &title).line().plain(&card.line.title).line().line();
    if !result.reason.is_empty() {
        rich = rich.plain(&one_line(&result.reason, 600)).line();
    }
    rich.plain(&result.short.join(" · "))
}

fn framed(
    card: &ApprovalCard,
    approvers: &[String],
    reader: Reader,
    action: Rich,
    most: usize,
) -> Rich {
    let part = |text: &str| {
        if text.chars().count() > most { one_line(text, most) } else { text.to_owned() }
    };
    let mut rich = Rich::new()
        .styled(Style::Bold, &format!("❓ {} · task {}", card.title, card.task))
        .line()
        .line()
        .then(&action)
        .line();
    for note in &card.action.notes {
        rich = rich.line().styled(Style::Bold, &format!("Note: {}", part(note)));
    }
    if !card.effect.is_empty() {
        rich = rich.line().plain(&format!("What happens: {}", part(&card.effect)));
    }
    rich = rich
        .line()
        .plain(&format!("Why you are asked: {}", part(&card.reason)))
        .line()
        .plain(&format!("Rule: {}", part(&card.rule)));
    for fact in &card.facts {
        rich = rich.line().plain(&format!("{}: {}", part(&fact.label), part(&fact.text)));
    }
    for fact in &card.evidence {
        rich = rich.line().plain(&format!("{}: {}", part(&fact.label), part(&fact.text)));
    }
    match &card.settled {
        Some(settled) => {
            let words = format!("{} {}", sign(settled.tone), part(&settled.words));
            rich.line().line().styled(Style::Bold, &words)
        }
        None => {
            let until = clock(card.expires_at, reader.now, reader.offset);
            let distance = relative(card.expires_at, reader.now);
            let who = may_answer(approvers);
            rich.line().line().plain(&format!(
                "{who} may answer until {until} ({distance}); then it is denied by itself."
            ))
        }
    }
}

/// The two ends of an action, because a harmless head can have a dangerous tail.
fn head_and_tail(text: &str) -> Rich {
    let count = text.chars().count();
    let head: String = text.chars().take(ENDS).collect();
    let tail: String = text.chars().skip(count.saturating_sub(ENDS).max(ENDS)).collect();
    let left_out = count.saturating_sub(head.chars().count() + tail.chars().count());
    let mut rich = Rich::new().styled(Style::Pre, &head);
    if left_out > 0 {
        let note = format!("‹{left_out} characters left out here; the file above has them›");
        rich = rich.line().styled(Style::Bold, &note).line();
    }
    if tail.is_empty() { rich } else { rich.styled(Style::Pre, &tail) }
}

fn step(entry: &Entry) -> Option<Rich> {
    match entry {
        Entry::Step { action, words, tone, .. } => Some(
            Rich::new()
                .plain(sign(*tone))
                .plain(" ")
                .styled(Style::Code, &one_line(&action.text, STEP))
                .plain(&format!(" {}", one_line(words, STEP))),
        ),
        Entry::Note { speaker: Speaker::Agent, text, .. } => {
            Some(Rich::new().plain("· ").styled(Style::Italic, &one_line(text, STEP)))
        }
        Entry::Note { .. } | Entry::Approval { .. } => None,
    }
}

fn is_open_question(entry: &Entry) -> bool {
    match entry {
        Entry::Approval { card, .. } => card.settled.is_none(),
        Entry::Note { .. } | Entry::Step { .. } => false,
    }
}

/// A sign for a tone; the words beside it say the same.
fn sign(tone: Tone) -> &'static str {
    match tone {
        Tone::Quiet => "▫️",
        Tone::Busy => "⏳",
        Tone::Ask => "❓",
        Tone::Good => "✅",
        Tone::Bad => "❌",
    }
}

#[cfg(test)]
mod tests;
