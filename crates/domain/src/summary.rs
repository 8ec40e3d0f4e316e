//! What a task came to, built from its records and never from the agent's own words.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use crate::action::ActionDigest;
use crate::agent::AgentEvent;
use crate::agent::Ending;
use crate::approval::Decision;
use crate::approval::Settlement;
use crate::boundary::Boundary;
use crate::boundary::Effect;
use crate::budget::Raise;
use crate::changes::ChangeKind;
use crate::changes::ChangeSet;
use crate::changes::DeliveryResult;
use crate::egress::EgressEvent;
use crate::event::Event;
use crate::event::Record;
use crate::event::SandboxReport;
use crate::id::ActionId;
use crate::id::RunNumber;
use crate::injection::Injection;
use crate::message::OutboxFile;
use crate::outcome::Outcome;
use crate::outcome::Reason;
use crate::usage::Metered;
use crate::usage::VerdictCost;
use crate::verdict::Source;
use crate::verdict::Verdict;

/// What a task came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How it ended; none while it lives.
    pub outcome: Option<Outcome>,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// From hand-over to end, in milliseconds; of a task that went on, the sum over its parts.
    pub duration_ms: Option<u64>,
    /// What changed.
    pub files: Vec<FileLine>,
    /// There are more changes than `files` lists; they can only be discarded.
    pub truncated: bool,
    /// Lines added over all text files.
    pub lines_added: u64,
    /// Lines removed over all text files.
    pub lines_removed: u64,
    /// What ran, in order.
    pub ran: Vec<RanLine>,
    /// What was refused, in order.
    pub refused: Vec<RefusedLine>,
    /// What a person approved, in order.
    pub approved: Vec<ApprovedLine>,
    /// Budgets that a person raised, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub raised: Vec<RaisedLine>,
    /// What people forbade in words, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub boundaries: Vec<BoundaryLine>,
    /// What its agents did without asking, by their own word, in order. The sandbox held it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<String>,
    /// What results held that may have been there to steer the agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flagged: Vec<Injection>,
    /// How many results a model was to read and did not read whole; the journal says why of each.
    #[serde(default)]
    pub unread: u64,
    /// What its agents say they used, over all its runs; none when they said nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<Used>,
    /// How many actions each source settled.
    pub settled_by: BTreeMap<Source, Counts>,
    /// What each model used, as Gatepost counted it, in the order of their names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<Metered>,
    /// What the classifier took for all of its verdicts; part of what `models` lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classifier: Option<Weighed>,
    /// The boundary it ran in.
    pub sandbox: Option<SandboxReport>,
    /// What passed over the network, by the egress proxy's word.
    pub network: Network,
    /// What became of the changes.
    pub delivery: Option<DeliveryResult>,
    /// What it left in its outbox for the chat.
    pub outbox: Vec<OutboxFile>,
}

/// What the classifier's verdicts took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Weighed {
    /// How many there were, no-verdicts included.
    pub verdicts: u64,
    /// What they took together.
    #[serde(flatten)]
    pub cost: VerdictCost,
}

/// A boundary that a person set in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BoundaryLine {
    /// Their words.
    pub words: String,
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Whether it was lifted.
    pub lifted: bool,
    #[serde(skip)]
    effects: Vec<Option<Effect>>,
}

/// What passed over the network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Network {
    /// The hosts that were connected to, as `host:port`, in order.
    pub reached: Vec<String>,
    /// What was refused, cut or not reached, in order.
    pub refused: Vec<NetworkLine>,
    /// Bytes that left, over all runs.
    pub sent_bytes: u64,
    /// Bytes that came in, over all runs.
    pub received_bytes: u64,
}

/// One host that was not reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkLine {
    /// The host as `host:port`, or what was written instead of one.
    pub host: String,
    /// Why.
    pub reason: String,
}

impl Network {
    fn take(&mut self, event: &EgressEvent) {
        let place = |host: &str, port: u16| match port {
            0 => host.to_owned(),
            port if host.contains(':') => format!("[{host}]:{port}"),
            port => format!("{host}:{port}"),
        };
        match event {
            EgressEvent::Connected { host, port } => {
                let place = place(host, *port);
                // A further run of the task tells of it again.
                if !self.reached.contains(&place) {
                    self.reached.push(place);
                }
            }
            EgressEvent::Refused { host, port, reason }
            | EgressEvent::Failed { host, port, reason } => {
                let line = NetworkLine { host: place(host, *port), reason: reason.clone() };
                if !self.refused.contains(&line) {
                    self.refused.push(line);
                }
            }
            EgressEvent::Total { sent_bytes, received_bytes, .. } => {
                self.sent_bytes += sent_bytes;
                self.received_bytes += received_bytes;
            }
        }
    }
}

/// One changed path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileLine {
    /// Relative to the project.
    pub path: String,
    /// `added`, `modified`, `deleted`, `mode`, `symlink`, `directory` or `special`.
    pub kind: &'static str,
    /// Lines added.
    pub added: u64,
    /// Lines removed.
    pub removed: u64,
    /// Why it is never delivered, if it is not.
    pub refusal: Option<&'static str>,
}

/// One action that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RanLine {
    /// The tool.
    pub tool: &'static str,
    /// The command, path or address.
    pub subject: String,
    /// Its exit status, when it exited.
    pub exit: Option<i32>,
    /// How it ended, in words; `unknown` when Gatepost ended first.
    pub how: String,
    /// Whether it ended and its agent did not tell how.
    #[serde(skip)]
    pub untold: bool,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// One action that did not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedLine {
    /// The tool.
    pub tool: &'static str,
    /// The command, path or address.
    pub subject: String,
    /// Why.
    pub reason: String,
    /// Which rule.
    pub rule: String,
    /// Who or what settled it.
    pub by: Source,
}

/// One action a person approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApprovedLine {
    /// The tool.
    pub tool: &'static str,
    /// The command, path or address.
    pub subject: String,
    /// Who, as `platform:id`.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Whether it holds for the whole task.
    pub for_task: bool,
    /// What they were asked about, where they approved another form of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edited_from: Option<String>,
}

/// One budget that a person raised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RaisedLine {
    /// What may be spent since then, and before.
    pub raise: Raise,
    /// Who, as `platform:id`.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Tokens of language models, as agents count them themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Used {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
}

/// How often a source allowed and refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Actions it let run.
    pub allowed: u64,
    /// Actions it refused.
    pub refused: u64,
}

impl ChangeKind {
    /// The word in summaries.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
            Self::ModeChanged => "mode",
            Self::Symlink { .. } => "symlink",
            Self::Directory => "directory",
            Self::Special => "special",
        }
    }
}

struct Known {
    tool: &'static str,
    subject: String,
    rule: String,
    source: Source,
}

impl Summary {
    /// The summary of one task from its records, in order.
    #[must_use]
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut summary = Self::default();
        let mut known: BTreeMap<ActionId, Known> = BTreeMap::new();
        let mut running: BTreeMap<ActionId, usize> = BTreeMap::new();
        let mut used: BTreeMap<RunNumber, Used> = BTreeMap::new();
        // Who answered which action: a run that goes on after a restart proposes it anew, and is told
        // without another question.
        let mut answered: BTreeMap<ActionDigest, Source> = BTreeMap::new();
        // What people made another form of: it did not run, and nobody refused it.
        let mut edited: BTreeSet<ActionDigest> = BTreeSet::new();
        let mut began = None;
        for record in records {
            match &record.event {
                Event::TaskReceived { .. } => began = Some(record.at),
                Event::ModelUsed { metered, .. } => summary.meter(metered),
                Event::RunReady { sandbox, .. } => summary.sandbox = Some(sandbox.clone()),
                Event::Verdict { action_id, action, digest, judgement, weighed, .. } => {
                    if let Some(weighed) = weighed {
                        let sum = summary.classifier.get_or_insert_default();
                        sum.verdicts += 1;
                        sum.cost += *weighed;
                    }
                    let source = judgement.stage.source();
                    match judgement.verdict {
                        Verdict::Allow => summary.count(source, true),
                        Verdict::Deny => summary.count(source, false),
                        // A person or the clock settles these; they are counted then.
                        Verdict::Escalate | Verdict::NoVerdict => {}
                    }
                    let source = match judgement.verdict {
                        Verdict::Allow | Verdict::Deny => source,
                        Verdict::Escalate | Verdict::NoVerdict => {
                            answered.get(digest).copied().unwrap_or(source)
                        }
                    };
                    known.insert(
                        *action_id,
                        Known {
                            tool: action.tool(),
                            subject: action.subject().to_owned(),
                            rule: judgement.rule.clone(),
                            source,
                        },
                    );
                }
                Event::ApprovalDecided { action_id, digest, settlement, .. } => {
                    match settlement {
                        Settlement::Edited { .. } => {
                            edited.insert(digest.clone());
                        }
                        Settlement::Person { .. } => {
                            answered.insert(digest.clone(), Source::Person);
                        }
                        Settlement::Expired => {
                            answered.insert(digest.clone(), Source::Timeout);
                        }
                        Settlement::Withdrawn => {}
                    }
                    summary.settle(known.get_mut(action_id), settlement, record.at);
                }
                Event::ActionStarted { action_id, .. } => {
                    if let Some(known) = known.get(action_id) {
                        running.insert(*action_id, summary.ran.len());
                        summary.ran.push(RanLine {
                            tool: known.tool,
                            subject: known.subject.clone(),
                            exit: None,
                            how: "unknown".into(),
                            untold: false,
                            duration_ms: 0,
                        });
                    }
                }
                Event::ActionFinished { action_id, result, .. } => {
                    let line = running.remove(action_id).and_then(|at| summary.ran.get_mut(at));
                    if let Some(line) = line {
                        line.how = result.ending.words();
                        line.duration_ms = result.duration_ms;
                        line.untold = result.ending == Ending::Untold;
                        if let Ending::Exited { code } = result.ending {
                            line.exit = Some(code);
                        }
                    }
                }
                Event::ApprovalRequested { digest, .. } => {
                    edited.remove(digest);
                }
                Event::ActionRefused { digest, .. } if edited.contains(digest) => {}
                Event::ActionRefused { action_id, reason, .. } => {
                    if let Some(known) = known.get(action_id) {
                        summary.refused.push(RefusedLine {
                            tool: known.tool,
                            subject: known.subject.clone(),
                            reason: reason.clone(),
                            rule: known.rule.clone(),
                            by: known.source,
                        });
                    }
                }
                Event::AgentReported {
                    run,
                    event: AgentEvent::Usage { input_tokens, output_tokens },
                } => {
                    // Each says what its run has used so far.
                    used.insert(
                        *run,
                        Used { input_tokens: *input_tokens, output_tokens: *output_tokens },
                    );
                }
                Event::AgentReported { event: AgentEvent::Unasked { what }, .. } => {
                    summary.unasked.push(what.clone());
                }
                Event::ChangesCollected { changes, outbox, .. } => {
                    summary.take_changes(changes);
                    summary.outbox.extend(outbox.iter().cloned());
                }
                Event::TaskQueued {} => {
                    // One that was over goes on; what people took their time with is not its own.
                    if summary.outcome.take().is_some() {
                        summary.reason = None;
                        summary.delivery = None;
                        began = Some(record.at);
                    }
                }
                Event::TaskFinished { outcome, reason } => {
                    summary.outcome = Some(*outcome);
                    summary.reason = Some(reason.to_string());
                    if let Some(from) = began {
                        let took = record.at.duration_since(from).as_millis();
                        let before = summary.duration_ms.unwrap_or(0);
                        summary.duration_ms =
                            Some(before.saturating_add(u64::try_from(took).unwrap_or(0)));
                    }
                }
                Event::BudgetRaised { raise, by } => summary.raised.push(RaisedLine {
                    raise: *raise,
                    by: by.to_string(),
                    at: record.at,
                }),
                Event::ResultFlagged { found, .. } => {
                    let accused = |found: &&Injection| found.trick.is_suspect();
                    summary.flagged.extend(found.iter().filter(accused).cloned());
                    summary.unread += u64::from(found.iter().any(|found| !accused(&found)));
                }
                Event::DenialCleared { action_id, settlement, .. } => {
                    summary.settle(known.get_mut(action_id), settlement, record.at);
                }
                Event::BoundarySet { boundary } => summary.bound(boundary, record.at),
                Event::BoundaryLifted { boundary, .. } => summary.unbound(boundary),
                Event::Egress { event, .. } => summary.network.take(event),
                Event::DeliveryFinished { result } => summary.delivery = Some(result.clone()),
                Event::HubStarted { .. }
                | Event::RunStarted { .. }
                | Event::AgentReported { .. }
                | Event::MessageReceived { .. }
                | Event::CancelRequested { .. }
                | Event::WordsAwaited { .. }
                | Event::RunSuspended { .. }
                | Event::RunEnded { .. }
                | Event::ResumeRequested { .. }
                | Event::DeliveryRequested { .. }
                | Event::ChatNoted { .. } => {}
            }
        }
        summary.used = used.into_values().reduce(|sum, used| Used {
            input_tokens: sum.input_tokens.saturating_add(used.input_tokens),
            output_tokens: sum.output_tokens.saturating_add(used.output_tokens),
        });
        summary
    }

    /// Whether it ended because nothing could be done, so that the reason is an answer to show.
    #[must_use]
    pub fn answer(reason: &Reason) -> Option<&str> {
        match reason {
            Reason::NothingToDo { answer } => Some(answer),
            _ => None,
        }
    }

    fn settle(&mut self, known: Option<&mut Known>, settlement: &Settlement, at: Timestamp) {
        let Some(known) = known else { return };
        match settlement {
            Settlement::Person { who, decision, .. } => {
                known.source = Source::Person;
                let for_task = match decision {
                    Decision::Deny => return self.count(Source::Person, false),
                    Decision::Approve => false,
                    Decision::ApproveForTask => true,
                };
                self.approved.push(ApprovedLine {
                    tool: known.tool,
                    subject: known.subject.clone(),
                    by: who.to_string(),
                    at,
                    for_task,
                    edited_from: None,
                });
                self.count(Source::Person, true);
            }
            Settlement::Edited { who, action } => {
                self.approved.push(ApprovedLine {
                    tool: action.tool(),
                    subject: action.subject().to_owned(),
                    by: who.to_string(),
                    at,
                    for_task: false,
                    edited_from: Some(known.subject.clone()),
                });
                self.count(Source::Person, true);
            }
            Settlement::Expired => {
                known.source = Source::Timeout;
                self.count(Source::Timeout, false);
            }
            Settlement::Withdrawn => {}
        }
    }

    /// One line for a sentence, however much it forbids.
    fn bound(&mut self, boundary: &Boundary, at: Timestamp) {
        let by = boundary.by.to_string();
        let known = self.boundaries.iter_mut().find(|line| {
            let same = !line.lifted && (&line.words, &line.by) == (&boundary.words, &by);
            same && !line.effects.contains(&boundary.effect)
        });
        match known {
            Some(line) => line.effects.push(boundary.effect),
            None => self.boundaries.push(BoundaryLine {
                words: boundary.words.clone(),
                by,
                at,
                lifted: false,
                effects: vec![boundary.effect],
            }),
        }
    }

    fn unbound(&mut self, boundary: &Boundary) {
        for line in &mut self.boundaries {
            if line.words == boundary.words {
                line.effects.retain(|effect| *effect != boundary.effect);
                line.lifted |= line.effects.is_empty();
            }
        }
    }

    fn take_changes(&mut self, changes: &ChangeSet) {
        self.truncated = changes.truncated;
        self.lines_added = changes.lines_added();
        self.lines_removed = changes.lines_removed();
        self.files = changes
            .changes
            .iter()
            .map(|change| FileLine {
                path: change.path.clone(),
                kind: change.kind.word(),
                added: change.lines_added,
                removed: change.lines_removed,
                refusal: change.refusal.map(crate::changes::DeliveryRefusal::sentence),
            })
            .collect();
    }

    /// Adds a call. One without a price leaves the sum without one: a part is no whole.
    fn meter(&mut self, metered: &Metered) {
        match self.models.binary_search_by(|known| known.model.cmp(&metered.model)) {
            Ok(at) => {
                if let Some(known) = self.models.get_mut(at) {
                    known.usage += metered.usage;
                    known.cost = known.cost.zip(metered.cost).map(|(a, b)| a + b);
                }
            }
            Err(at) => self.models.insert(at, metered.clone()),
        }
    }

    fn count(&mut self, source: Source, allowed: bool) {
        let counts = self.settled_by.entry(source).or_default();
        if allowed {
            counts.allowed += 1;
        } else {
            counts.refused += 1;
        }
    }
}
