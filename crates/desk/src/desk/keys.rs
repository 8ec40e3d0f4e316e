//! The buttons under a task's messages, as the task is now.

use std::collections::BTreeSet;

use gatepost_chat::card::ApprovalCard;
use gatepost_chat::card::Entry;
use gatepost_chat::card::OpenLine;
use gatepost_chat::card::Press;
use gatepost_chat::card::TaskCard;
use gatepost_chat::token::Meaning;
use gatepost_chat::token::Mint;
use gatepost_domain::approval::Approval;
use gatepost_domain::event::Event;
use gatepost_domain::id::ApprovalId;
use gatepost_domain::id::TaskId;
use gatepost_domain::lifecycle::State;
use gatepost_domain::request::TaskDetail;

use super::question_key;
use crate::surface::Form;
use crate::surface::Key;
use crate::surface::Look;
use crate::surface::Row;
use crate::surface::Under;

/// The number of the record that brought about what can be done with a task now. A button made for
/// another state no longer means anything.
pub(super) fn state(detail: &TaskDetail) -> u64 {
    let last = detail.records.iter().rev().find(|record| changes(&record.event));
    last.map_or(0, |record| record.seq)
}

/// Whether what can be done with a task is another thing after this.
fn changes(event: &Event) -> bool {
    matches!(
        event,
        Event::TaskReceived { .. }
            | Event::TaskFinished { .. }
            | Event::DeliveryRequested { .. }
            | Event::DeliveryFinished { .. }
    )
}

/// What can be pressed under a result.
const UNDER_A_RESULT: [Press; 6] =
    [Press::Apply, Press::Branch, Press::Discard, Press::Continue, Press::Resume, Press::RunAgain];

/// An action of so many characters can be read whole on a button.
const ON_A_BUTTON: usize = 48;

/// So many denials have a button under a card.
const DENIALS: usize = 2;

/// Under the live card: Stop, while there is something to stop; and for the latest denials that a
/// person may clear, the button that does it, where the whole action stands on it.
pub(super) fn card(mint: &mut Mint, detail: &TaskDetail, card: &TaskCard) -> Under {
    let live = match detail.task.state() {
        State::Received
        | State::Queued
        | State::Preparing
        | State::Running
        | State::AwaitingApproval
        | State::AwaitingWords => true,
        State::Cancelling | State::Finishing | State::Finished => false,
    };
    if live {
        let denied = card.entries.iter().rev().filter_map(|entry| match entry {
            Entry::Step { action, denial: Some(denial), .. } => Some((action, denial)),
            _ => None,
        });
        let whole = denied.take(DENIALS).filter(|(action, _)| {
            action.text.chars().count() <= ON_A_BUTTON
                && !action.text.contains('\n')
                && action.masked == 0
                && action.notes.is_empty()
        });
        let mut rows: Vec<Row> = whole
            .map(|(action, denial)| {
                let label = format!("{}: {}", denial.button.label, action.text);
                let key = answer(mint, detail.task.id(), &denial.id, denial.button.press);
                Row::Keys(vec![Key { label, ..key }])
            })
            .collect();
        rows.push(Row::Keys(vec![task(mint, detail, Press::Stop)]));
        Under::Rows(rows)
    } else {
        Under::Nothing
    }
}

/// Under an open question: every answer, or only the refusals where the action cannot be read.
pub(super) fn question(
    mint: &mut Mint,
    detail: &TaskDetail,
    id: &ApprovalId,
    readable: bool,
) -> Under {
    let Some(open) = detail.task.open().get(id) else { return Under::Nothing };
    let name = detail.task.id();
    let mut rows = Vec::new();
    let mut refusals = Vec::new();
    // The answers and their words are the card's: they differ by what is asked.
    let card = ApprovalCard::open(name, open);
    for button in &card.buttons {
        let key = Key { label: button.label.to_owned(), ..answer(mint, name, id, button.press) };
        match button.press {
            Press::Deny | Press::DenyWithReason => refusals.push(key),
            Press::Edit => {
                let form = card.editable.clone().map(|text| Form {
                    title: "Change the action".into(),
                    field: "What runs instead".into(),
                    text,
                });
                rows.push(Row::Keys(vec![Key { form, ..key }]));
            }
            _ if readable => rows.push(Row::Keys(vec![key])),
            _ => {}
        }
    }
    rows.push(Row::Keys(refusals));
    rows.push(Row::Keys(vec![task(mint, detail, Press::Stop)]));
    Under::Rows(rows)
}

/// Under what somebody would have run instead.
pub(super) fn edited(mint: &mut Mint, task: &TaskId, id: &ApprovalId, text: &str) -> Under {
    let meaning =
        Meaning::Edited { task: task.clone(), approval: id.clone(), text: text.to_owned() };
    let data = mint.token(meaning).as_str().to_owned();
    let approve = Key { label: "Approve this".into(), ..key(Press::ApproveOnce, data) };
    Under::Rows(vec![
        Row::Keys(vec![approve]),
        Row::Keys(vec![answer(mint, task, id, Press::Deny)]),
    ])
}

/// Under a result: what can still be done with the changes, and going on.
pub(super) fn result(mint: &mut Mint, detail: &TaskDetail) -> Under {
    if !detail.task.is_finished() {
        return Under::Nothing;
    }
    let card = TaskCard::of(detail);
    let (first, second): (Vec<Press>, Vec<Press>) = card
        .buttons
        .iter()
        .map(|button| button.press)
        .partition(|press| matches!(press, Press::Apply | Press::Branch | Press::Discard));
    let mut rows = Vec::new();
    if !first.is_empty() {
        rows.push(Row::Keys(first.into_iter().map(|press| task(mint, detail, press)).collect()));
    }
    let mut last = vec![task(mint, detail, Press::Continue)];
    last.extend(second.into_iter().map(|press| task(mint, detail, press)));
    rows.push(Row::Keys(last));
    Under::Rows(rows)
}

/// Under a nudge: the message that may not have arrived.
pub(super) fn show(mint: &mut Mint, id: &TaskId, key: &str) -> Under {
    Under::Rows(vec![Row::Keys(vec![bring(mint, id, key, Press::Show.label().to_owned())])])
}

/// Under a list of open questions: one to bring each that may be seen here, and one that denies
/// `all` of them.
pub(super) fn open(
    mint: &mut Mint,
    lines: &[OpenLine],
    seen: &[ApprovalId],
    all: Option<BTreeSet<ApprovalId>>,
) -> Under {
    let shown: Vec<_> = (1..)
        .zip(lines)
        .filter(|(_, line)| seen.contains(&line.id))
        .map(|(number, line): (usize, _)| {
            let label = format!("{} · {number}", Press::Show.label());
            bring(mint, &line.task, &question_key(&line.id), label)
        })
        .collect();
    let mut rows = Vec::new();
    if !shown.is_empty() {
        rows.push(Row::Pick { hint: "Show a question", keys: shown });
    }
    rows.extend(all.map(|all| Row::Keys(vec![deny_all(mint, all)])));
    if rows.is_empty() { Under::Nothing } else { Under::Rows(rows) }
}

/// The button that denies these questions and no others.
pub(super) fn deny_all(mint: &mut Mint, questions: BTreeSet<ApprovalId>) -> Key {
    let data = mint.token(Meaning::DenyAll { questions }).as_str().to_owned();
    key(Press::DenyAll, data)
}

/// A question of a task, open or settled.
pub(super) fn asked<'d>(detail: &'d TaskDetail, id: &ApprovalId) -> Option<&'d Approval> {
    detail.records.iter().find_map(|record| match &record.event {
        Event::ApprovalRequested { approval, .. } if approval.id == *id => Some(&**approval),
        _ => None,
    })
}

/// Makes every token a task's messages may carry now, so that a button from before a restart is
/// known before its message is drawn again.
pub(super) fn remember(mint: &mut Mint, detail: &TaskDetail) {
    let _made = card(mint, detail, &TaskCard::of(detail));
    let _made = result(mint, detail);
    // The result of a part that is over may still stand with its buttons somewhere, unknown.
    if detail.task.went_on() > 0 {
        for state in detail.records.iter().filter(|record| changes(&record.event)) {
            for press in UNDER_A_RESULT {
                let _made = task_at(mint, detail, press, state.seq);
            }
        }
    }
    for id in detail.task.open().keys() {
        let _made = question(mint, detail, id, true);
    }
    // Settled questions still say how they were settled when somebody presses an old button.
    for record in &detail.records {
        if let Event::ApprovalRequested { approval, .. } = &record.event {
            for press in [
                Press::ApproveOnce,
                Press::ApproveForTask,
                Press::Edit,
                Press::Deny,
                Press::DenyWithReason,
            ] {
                let _made = answer(mint, detail.task.id(), &approval.id, press);
            }
        }
    }
}

fn bring(mint: &mut Mint, id: &TaskId, key: &str, label: String) -> Key {
    let meaning = Meaning::Show { task: id.clone(), key: key.to_owned() };
    Key { label, ..Key::plain("", mint.token(meaning).as_str().to_owned()) }
}

fn answer(mint: &mut Mint, task: &TaskId, approval: &ApprovalId, press: Press) -> Key {
    let meaning = Meaning::Answer { task: task.clone(), approval: approval.clone(), press };
    key(press, mint.token(meaning).as_str().to_owned())
}

fn task(mint: &mut Mint, detail: &TaskDetail, press: Press) -> Key {
    // A stop means the same however far the task is.
    let state = if press == Press::Stop { 0 } else { state(detail) };
    task_at(mint, detail, press, state)
}

fn task_at(mint: &mut Mint, detail: &TaskDetail, press: Press, state: u64) -> Key {
    let meaning = Meaning::Task { task: detail.task.id().clone(), press, state };
    key(press, mint.token(meaning).as_str().to_owned())
}

fn key(press: Press, data: String) -> Key {
    let look = match press {
        Press::ApproveOnce | Press::ApproveForTask | Press::Apply => Look::Good,
        Press::Deny | Press::DenyWithReason | Press::DenyAll | Press::Stop | Press::Discard => {
            Look::Bad
        }
        Press::Edit
        | Press::Show
        | Press::Branch
        | Press::Continue
        | Press::Resume
        | Press::RunAgain => Look::Plain,
    };
    let asks = |title: &str, field: &str| Form {
        title: title.to_owned(),
        field: field.to_owned(),
        text: String::new(),
    };
    let form = match press {
        Press::DenyWithReason => Some(asks("Deny with a reason", "What the agent is told")),
        Press::Continue => Some(asks("Continue", "What should happen next")),
        _ => None,
    };
    Key { label: press.label().to_owned(), data, look, form }
}
