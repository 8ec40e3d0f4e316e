//! A record as one line for people.

use std::fmt::Write;

use gatepost_domain::Attachment;
use gatepost_domain::Event;
use gatepost_domain::Record;
use gatepost_domain::agent::AgentEvent;
use gatepost_domain::approval::Settlement;
use gatepost_domain::changes::DeliveryKind;
use gatepost_domain::changes::DeliveryResult;
use gatepost_domain::egress::EgressEvent;

/// What others wrote is cut here; the JSON form has all of it.
const SHOWN: usize = 300;

pub(super) fn line(record: &Record) -> String {
    let Record { seq, at, task: _, event } = record;
    let mut line = format!("{seq:>6}  {at:.0}  {:<18}  ", event.kind());
    let told = tell(&mut line, event);
    debug_assert!(told.is_ok(), "a string takes everything");
    line.truncate(line.trim_end().len());
    line
}

/// What came along with a person's words.
fn along(out: &mut String, quoted: usize, attachments: &[Attachment]) -> std::fmt::Result {
    if quoted > 0 {
        write!(out, ", quoting {quoted}")?;
    }
    attachments.iter().try_for_each(|file| {
        write!(out, ", with {} of {} bytes, {}", plain(&file.name), file.size, file.sha256)
    })
}

fn tell(out: &mut String, event: &Event) -> std::fmt::Result {
    match event {
        Event::HubStarted { version } => write!(out, "version {}", plain(version)),
        Event::TaskReceived { spec } => {
            write!(
                out,
                "{} for {} with {} in mode {:?}: `{}`",
                plain(&spec.requester.to_string()),
                plain(&spec.project),
                plain(&spec.agent),
                spec.mode,
                plain(&spec.text)
            )?;
            along(out, spec.quoted.len(), &spec.attachments)
        }
        Event::TaskQueued {} => Ok(()),
        Event::RunStarted { run } | Event::RunSuspended { run } => write!(out, "run {run}"),
        Event::WordsAwaited { question, .. } => write!(out, "asks: {}", plain(question)),
        Event::RunReady { run, sandbox } => {
            let (tier, form) = (plain(&sandbox.tier), plain(&sandbox.workspace));
            write!(out, "run {run} in a {tier} sandbox, workspace as {form}")?;
            sandbox.notes.iter().try_for_each(|note| write!(out, "; {}", plain(note)))
        }
        Event::AgentReported { run, event } => {
            write!(out, "run {run}: ")?;
            reported(out, event)
        }
        Event::Egress { run, event } => {
            write!(out, "run {run}, network: {}", plain(&network(event)))
        }
        Event::MessageReceived { text, by, origin: _, quoted, attachments } => {
            write!(out, "{}: `{}`", plain(&by.to_string()), plain(text))?;
            along(out, quoted.len(), attachments)
        }
        Event::BoundarySet { boundary } => {
            write!(out, "{}: `{}`", plain(&boundary.by.to_string()), plain(&boundary.words))
        }
        Event::BoundaryLifted { boundary, words, by } => {
            let by = by.to_string();
            write!(out, "{}: `{}` by `{}`", plain(&by), plain(&boundary.words), plain(words))
        }
        Event::Verdict { run, action_id, action, digest, judgement, weighed } => {
            write!(
                out,
                "run {run} action {action_id} {digest:?}: {} by {} ({}): {} `{}`: {}",
                judgement.verdict,
                judgement.stage,
                plain(&judgement.rule),
                action.tool(),
                plain(action.subject()),
                plain(&judgement.reason)
            )?;
            match weighed {
                Some(weighed) => write!(
                    out,
                    " (the classifier took {} ms and {} tokens in {} calls{})",
                    weighed.took_ms,
                    weighed.usage.total(),
                    weighed.calls,
                    weighed.cost.map_or(String::new(), |cost| format!(", {cost}"))
                ),
                None => Ok(()),
            }
        }
        Event::ApprovalRequested { digest, approval } => write!(
            out,
            "run {} action {} {digest:?}: {} `{}`, until {:.0}: {}",
            approval.run,
            approval.action_id,
            approval.action.tool(),
            plain(approval.action.subject()),
            approval.expires_at,
            plain(&approval.judgement.reason)
        ),
        Event::ApprovalDecided { approval: _, action_id, digest, settlement } => {
            write!(out, "action {action_id} {digest:?}: {}", plain(&settlement.words()))?;
            match settlement {
                Settlement::Edited { action, .. } => {
                    write!(out, ": {} `{}`", action.tool(), plain(action.subject()))
                }
                Settlement::Person { .. } | Settlement::Expired | Settlement::Withdrawn => Ok(()),
            }
        }
        Event::BudgetRaised { raise, by } => {
            write!(out, "{raise}, by {}", plain(&by.to_string()))
        }
        Event::ActionStarted { run, action_id, digest } => {
            write!(out, "run {run} action {action_id} {digest:?}")
        }
        Event::ActionFinished { run, action_id, digest, result } => write!(
            out,
            "run {run} action {action_id} {digest:?}: {} after {} ms",
            plain(&result.ending.words()),
            result.duration_ms
        ),
        Event::ActionRefused { run, action_id, digest, reason, denial: _ } => {
            write!(out, "run {run} action {action_id} {digest:?}: {}", plain(reason))
        }
        Event::ResultFlagged { run, action_id, found, fenced } => {
            let of = action_id.map_or_else(String::new, |id| format!(" action {id}"));
            let found: Vec<String> = found.iter().map(|found| plain(&found.words())).collect();
            let fenced = if *fenced { "in a fence" } else { "as it was" };
            write!(out, "run {run}{of}: the agent reads it {fenced}: {}", found.join("; "))
        }
        Event::DenialCleared { denial: _, action_id, digest, settlement } => {
            write!(out, "action {action_id} {digest:?}: {}", plain(&settlement.words()))
        }
        Event::CancelRequested { by } => write!(out, "by {}", plain(&by.to_string())),
        Event::RunEnded { run, outcome, reason, resume: _ } => {
            write!(out, "run {run} {outcome}: {}", plain(&reason.to_string()))
        }
        Event::ChangesCollected { run, changes, outbox: _ } => write!(
            out,
            "run {run} changed {} files, +{} −{}",
            changes.changes.len(),
            changes.lines_added(),
            changes.lines_removed()
        ),
        Event::TaskFinished { outcome, reason } => {
            write!(out, "{outcome}: {}", plain(&reason.to_string()))
        }
        Event::ResumeRequested { by } => write!(out, "by {}", plain(&by.to_string())),
        Event::DeliveryRequested { how, by } => {
            let how = match how {
                DeliveryKind::Apply => "apply",
                DeliveryKind::Branch => "branch",
                DeliveryKind::Discard => "discard",
            };
            write!(out, "{how}, by {}", plain(&by.to_string()))
        }
        Event::DeliveryFinished { result } => delivered(out, result),
        Event::ModelUsed { metered, .. } => {
            let cost = metered.cost.map_or_else(String::new, |cost| format!(", {cost}"));
            let (read, written) = (metered.usage.read(), metered.usage.output);
            write!(out, "`{}`: {read} tokens in, {written} out{cost}", plain(&metered.model))
        }
        Event::ChatNoted { platform, note } => {
            write!(out, "{platform}: {}", plain(&note.words()))
        }
    }
}

fn reported(out: &mut String, event: &AgentEvent) -> std::fmt::Result {
    match event {
        AgentEvent::Text { text } => write!(out, "`{}`", plain(text)),
        AgentEvent::Plan { entries } => write!(out, "plan `{}`", plain(&entries.join("; "))),
        AgentEvent::Progress { done, total } => write!(out, "{done} of {total}"),
        AgentEvent::Usage { input_tokens, output_tokens } => {
            write!(out, "{input_tokens} tokens in, {output_tokens} out")
        }
        AgentEvent::Unasked { what } => write!(out, "done without asking: `{}`", plain(what)),
        AgentEvent::Other { raw } => write!(out, "not understood: `{}`", plain(raw)),
    }
}

fn delivered(out: &mut String, result: &DeliveryResult) -> std::fmt::Result {
    match result {
        DeliveryResult::Applied { paths, refused } => {
            write!(out, "{paths} files applied, {refused} refused")
        }
        DeliveryResult::Branched { branch, commit, refused } => {
            write!(out, "branch `{}` at {}, {refused} refused", plain(branch), plain(commit))
        }
        DeliveryResult::Discarded => out.write_str("discarded"),
        DeliveryResult::Conflict { path } => {
            write!(out, "stopped: `{}` was changed underneath", plain(path))
        }
        DeliveryResult::Failed { reason } => write!(out, "failed: {}", plain(reason)),
    }
}

/// One line of text that cannot repaint a terminal or turn its words round.
fn network(event: &EgressEvent) -> String {
    match event {
        EgressEvent::Connected { host, port } => format!("connected to `{host}` port {port}"),
        EgressEvent::Refused { host, port, reason } => {
            format!("refused `{host}` port {port}: {reason}")
        }
        EgressEvent::Failed { host, port, reason } => {
            format!("`{host}` port {port} not reached: {reason}")
        }
        EgressEvent::Total { connections, refused, sent_bytes, received_bytes } => format!(
            "{connections} connections, {refused} refused, {sent_bytes} bytes sent, \
             {received_bytes} received"
        ),
    }
}

fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    for c in chars.by_ref().take(SHOWN) {
        match c {
            '\n' | '\t' => out.push(' '),
            c if c.is_control() || is_invisible(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    let rest = chars.count();
    if rest > 0 {
        out.push_str(&format!("… ({rest} characters more)"));
    }
    out
}

/// Direction marks, joiners, tags: characters that change how others look and show nothing.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_stays_on_one_line_and_shows_what_is_hidden() {
        assert_eq!(plain("a\nb\u{1b}[2Jc\u{202e}d"), "a b\\u{1b}[2Jc\\u{202e}d");
        let long = plain(&"x".repeat(SHOWN + 7));
        assert!(long.ends_with("… (7 characters more)"), "{long}");
    }
}
