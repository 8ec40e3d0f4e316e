//! `gatepost run`: hand over a task, follow it, answer its questions, deliver its changes.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::io::Read;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use gatepost_chat::card::ApprovalCard;
use gatepost_chat::card::DiffSign;
use gatepost_chat::card::TaskCard;
use gatepost_chat::card::delivery_words;
use gatepost_chat::report;
use gatepost_domain::Approval;
use gatepost_domain::ApprovalId;
use gatepost_domain::Decision;
use gatepost_domain::Outcome;
use gatepost_domain::Record;
use gatepost_domain::TaskId;
use gatepost_domain::changes::DeliveryKind;
use gatepost_domain::changes::DeliveryResult;
use gatepost_domain::event::Event;
use gatepost_domain::lifecycle;
use gatepost_domain::request::TaskDetail;
use gatepost_domain::summary::Summary;
use reqwest::StatusCode;
use serde_json::json;

use super::host::Host;
use super::host::Wanted;
use super::keyboard::Keyboard;
use crate::cli::Answer;
use crate::cli::Deliver;
use crate::cli::DeliverArgs;
use crate::cli::Place;
use crate::cli::RunArgs;
use crate::client::CallError;
use crate::client::Client;
use crate::client::NewTask;
use crate::failure::Failure;
use crate::out;
use crate::progress::Progress;

/// How long a gatepost that stopped answering is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest text read from standard input; the hub refuses far smaller ones with a reason.
const MAX_STDIN: u64 = 4 * 1024 * 1024;

/// Runs the command.
pub(crate) async fn run(place: &Place, args: RunArgs) -> Result<ExitCode> {
    let text = text_of(&args.text)?;
    if text.trim().is_empty() {
        return Err(Failure::new("the task is empty")
            .hint("say what to do, such as gatepost run '$ ls -l'")
            .into());
    }
    let wanted = args.project.as_deref().map_or(Wanted::Default, Wanted::Project);
    let (host, project) = Host::find_or_start(place, wanted).await?;
    let ended = follow(&host, project.as_deref(), &text, &args).await;
    host.end().await;
    ended
}

/// `gatepost deliver`.
pub(crate) async fn deliver(place: &Place, args: DeliverArgs) -> Result<ExitCode> {
    let (host, _) = Host::find_or_start(place, Wanted::Default).await?;
    let delivered = hand_out(host.client(), &args.task, args.how.into()).await;
    host.end().await;
    delivered
}

async fn follow(
    host: &Host,
    project: Option<&str>,
    text: &str,
    args: &RunArgs,
) -> Result<ExitCode> {
    let client = host.client();
    let mut events = Some(client.events().await?);
    let task = NewTask { text, project, agent: args.agent.as_deref(), mode: args.mode };
    let id = client.submit(&task).await?;
    let mut followed = Followed::new(client, id.clone(), args);
    let mut keyboard = Keyboard::new();
    let mut stops = 0;
    while followed.outcome.is_none() {
        followed.ask(&mut keyboard).await?;
        tokio::select! {
            record = next(&mut events) => match record {
                Some(record) => followed.take(record).await?,
                // The stream broke: what was missed is read from the task itself.
                None => {
                    followed.catch_up().await?;
                    events = client.events().await.ok();
                }
            },
            line = keyboard.line(), if followed.asking.is_some() => {
                followed.reply(line.as_deref()).await?;
            }
            _ = tokio::signal::ctrl_c() => {
                stops += 1;
                if stops > 1 {
                    out::note("left; the task is in the journal\n");
                    return Ok(ExitCode::FAILURE);
                }
                out::note("\nstopping the task; once more to leave at once\n");
                // Only a task that is over cannot be stopped, and that is what is wanted.
                if let Err(CallError::Gone(error)) = client.cancel(&id).await {
                    return Err(error);
                }
            }
        }
    }
    let code = followed.conclude(&mut keyboard).await?;
    if !host.is_own() && !args.json {
        out::note(&format!("task {id} is in the console too\n"));
    }
    Ok(code)
}

/// The next record, or none where the stream is broken.
async fn next(events: &mut Option<crate::client::Events>) -> Option<Record> {
    match events {
        Some(stream) => match stream.next().await {
            Ok(Some(record)) => Some(record),
            Ok(None) | Err(_) => {
                *events = None;
                None
            }
        },
        None => {
            tokio::time::sleep(Duration::from_millis(200)).await;
            None
        }
    }
}

/// A task as the terminal follows it.
struct Followed<'a> {
    client: &'a Client,
    id: TaskId,
    args: &'a RunArgs,
    /// Whether a person sits at this terminal.
    attended: bool,
    records: Vec<Record>,
    progress: Progress,
    open: BTreeMap<ApprovalId, Approval>,
    /// The question that is on the screen.
    asking: Option<Asking>,
    outcome: Option<Outcome>,
}

/// Where the conversation about a question is.
enum Asking {
    /// Its answer is awaited.
    Answer(ApprovalId),
    /// The reason for a denial is awaited.
    Reason(ApprovalId),
}

impl<'a> Followed<'a> {
    fn new(client: &'a Client, id: TaskId, args: &'a RunArgs) -> Self {
        Self {
            client,
            id,
            args,
            attended: std::io::stdin().is_terminal(),
            records: Vec::new(),
            progress: Progress::default(),
            open: BTreeMap::new(),
            asking: None,
            outcome: None,
        }
    }

    async fn take(&mut self, record: Record) -> Result<()> {
        let seen = self.records.last().is_some_and(|last| last.seq >= record.seq);
        if record.task.as_ref() != Some(&self.id) || seen {
            return Ok(());
        }
        if self.args.json {
            out::line(&serde_json::to_string(&record)?);
        } else {
            out::note(&self.progress.lines(&record));
        }
        if let Event::ApprovalRequested { approval, .. } = &record.event {
            self.open.insert(approval.id.clone(), (**approval).clone());
        }
        if let Event::ApprovalDecided { approval, .. } = &record.event {
            self.open.remove(approval);
            let asked = match &self.asking {
                Some(Asking::Answer(id) | Asking::Reason(id)) => Some(id),
                None => None,
            };
            if asked == Some(approval) {
                self.asking = None;
            }
        }
        if let Event::TaskFinished { outcome, .. } = &record.event {
            self.outcome = Some(*outcome);
        }
        self.records.push(record);
        Ok(())
    }

    async fn catch_up(&mut self) -> Result<()> {
        let begun = tokio::time::Instant::now();
        loop {
            match self.client.task(&self.id).await {
                Ok(view) => {
                    for record in view.events {
                        self.take(record).await?;
                    }
                    return Ok(());
                }
                Err(CallError::Gone(_)) if begun.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Puts the oldest open question, if none is on the screen.
    async fn ask(&mut self, keyboard: &mut Keyboard) -> Result<()> {
        if self.asking.is_some() {
            return Ok(());
        }
        let oldest = self.open.values().min_by_key(|approval| approval.asked_at).cloned();
        let Some(approval) = oldest else { return Ok(()) };
        match self.args.answer {
            Answer::Approve => self.decide(&approval.id, Decision::Approve, None).await,
            Answer::Deny => {
                self.decide(&approval.id, Decision::Deny, Some("denied by `--answer deny`")).await
            }
            Answer::Ask if self.attended => {
                let card = ApprovalCard::open(&self.id, &approval);
                out::note(&format!("\n{}\n", report::approval(&card, super::reader())));
                out::note(CHOICES);
                keyboard.listen();
                self.asking = Some(Asking::Answer(approval.id));
                Ok(())
            }
            Answer::Ask => {
                out::note(
                    "nobody is at the terminal to answer, so it is denied; `--answer approve` says \
                     yes to everything, and a task handed over in the console waits for you\n",
                );
                let reason = "nobody was at the terminal to answer";
                self.decide(&approval.id, Decision::Deny, Some(reason)).await
            }
        }
    }

    /// Takes what was typed; none is the end of the input.
    async fn reply(&mut self, line: Option<&str>) -> Result<()> {
        let Some(asking) = self.asking.take() else { return Ok(()) };
        let word = line.map(|line| line.trim().to_lowercase());
        match asking {
            Asking::Reason(id) => {
                let reason = line.map(str::trim).filter(|line| !line.is_empty());
                self.decide(&id, Decision::Deny, reason).await
            }
            Asking::Answer(id) => match word.as_deref() {
                Some("a" | "approve" | "y" | "yes") => {
                    self.decide(&id, Decision::Approve, None).await
                }
                Some("t" | "task") => self.decide(&id, Decision::ApproveForTask, None).await,
                // The end of the input: nobody will answer any more.
                Some("d" | "deny" | "n" | "no") | None => {
                    self.decide(&id, Decision::Deny, None).await
                }
                Some("r" | "reason") => {
                    out::note("Reason: ");
                    self.asking = Some(Asking::Reason(id));
                    Ok(())
                }
                Some("s" | "stop") => match self.client.cancel(&self.id).await {
                    Ok(()) | Err(CallError::Refused(_)) => Ok(()),
                    Err(error) => Err(error.into()),
                },
                Some(_) => {
                    out::note(CHOICES);
                    self.asking = Some(Asking::Answer(id));
                    Ok(())
                }
            },
        }
    }

    async fn decide(
        &mut self,
        id: &ApprovalId,
        decision: Decision,
        reason: Option<&str>,
    ) -> Result<()> {
        // Its record follows; until then it must not be asked again.
        self.open.remove(id);
        match self.client.answer(id, decision, reason).await {
            Ok(_) => Ok(()),
            Err(CallError::Refused(refused)) if refused.status == StatusCode::CONFLICT => {
                out::note(&format!("{}\n", refused.failure));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Summary, diff, changes, exit status.
    async fn conclude(&self, keyboard: &mut Keyboard) -> Result<ExitCode> {
        let view = self.client.task(&self.id).await?;
        let events = view.events.iter().map(|record| (&record.event, record.at));
        let Some(task) = lifecycle::replay(&self.id, events)? else {
            return Err(Failure::new(format!("the console has no records of {}", self.id)).into());
        };
        let summary = Summary::of(&view.events);
        let changed = !summary.files.is_empty() || summary.truncated;
        let succeeded = summary.outcome == Some(Outcome::Succeeded);
        if self.args.json {
            let mut line = json!({ "kind": "summary", "task": self.id, "diff": view.diff });
            if let (Some(line), serde_json::Value::Object(summary)) =
                (line.as_object_mut(), serde_json::to_value(&summary)?)
            {
                line.extend(summary);
            }
            out::line(&line.to_string());
        } else {
            out::print("\n");
            out::print(&report::summary(&summary, task.delivery(), super::reader()));
            let detail = TaskDetail { task, records: view.events, diff: view.diff };
            out::print(&diff(&detail));
        }
        let code = if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        if !changed {
            return Ok(code);
        }
        let how = match self.args.deliver {
            Deliver::Apply if succeeded => Some(DeliveryKind::Apply),
            Deliver::Branch if succeeded => Some(DeliveryKind::Branch),
            Deliver::Discard => Some(DeliveryKind::Discard),
            Deliver::Ask if succeeded && self.attended && !self.args.json => {
                ask_delivery(keyboard).await
            }
            Deliver::Apply | Deliver::Branch | Deliver::Ask | Deliver::Keep => None,
        };
        let Some(how) = how else {
            if !self.args.json {
                out::note(&format!(
                    "\nthe changes are kept, and the project is untouched: `gatepost deliver {} \
                     apply`, `branch` or `discard`\n",
                    self.id
                ));
            }
            return Ok(code);
        };
        let delivered = if self.args.json {
            // The delivery is in the journal; standard output stays JSON.
            match self.client.deliver(&self.id, how).await {
                Ok(delivered) => {
                    out::line(
                        &json!({ "kind": "delivery", "result": delivered.result }).to_string(),
                    );
                    ExitCode::SUCCESS
                }
                Err(CallError::Refused(refused)) => {
                    out::note(&crate::failure::render(&refused.failure.into()));
                    ExitCode::FAILURE
                }
                Err(error) => return Err(error.into()),
            }
        } else {
            hand_out(self.client, &self.id, how).await?
        };
        Ok(if succeeded { delivered } else { code })
    }
}

const CHOICES: &str = "Approve once [a], Approve for this task [t], Deny [d], Deny with reason [r], \
                       Stop [s]: ";

async fn ask_delivery(keyboard: &mut Keyboard) -> Option<DeliveryKind> {
    keyboard.listen();
    loop {
        out::note("\nApply [a], Branch [b], Discard [d], keep for later [k]: ");
        match keyboard.line().await.map(|line| line.trim().to_lowercase()).as_deref() {
            Some("a" | "apply") => return Some(DeliveryKind::Apply),
            Some("b" | "branch") => return Some(DeliveryKind::Branch),
            Some("d" | "discard") => return Some(DeliveryKind::Discard),
            Some("k" | "keep" | "") | None => return None,
            Some(_) => {}
        }
    }
}

/// Delivers and says what really became of it.
async fn hand_out(client: &Client, id: &TaskId, how: DeliveryKind) -> Result<ExitCode> {
    match client.deliver(id, how).await {
        Ok(delivered) => {
            let words = match &delivered.result {
                Some(result) => delivery_words(result).0,
                None => "it waits until the project is free".into(),
            };
            out::line(&words);
            Ok(match delivered.result {
                Some(DeliveryResult::Conflict { .. } | DeliveryResult::Failed { .. }) => {
                    ExitCode::FAILURE
                }
                Some(
                    DeliveryResult::Applied { .. }
                    | DeliveryResult::Branched { .. }
                    | DeliveryResult::Discarded,
                )
                | None => ExitCode::SUCCESS,
            })
        }
        // A conflict is an outcome; anything else was asked wrongly.
        Err(CallError::Refused(refused)) if refused.status == StatusCode::CONFLICT => {
            out::note(&crate::failure::render(&refused.failure.into()));
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error.into()),
    }
}

fn diff(detail: &TaskDetail) -> String {
    let lines = TaskCard::of(detail).diff;
    if lines.is_empty() {
        return String::new();
    }
    let lines = lines.iter().map(|line| {
        let sign = match line.sign {
            DiffSign::File | DiffSign::Place => "",
            DiffSign::Added => "+",
            DiffSign::Removed => "-",
            DiffSign::Same => " ",
        };
        format!("{sign}{}\n", line.text)
    });
    std::iter::once("\n".to_owned()).chain(lines).collect()
}

fn text_of(given: &str) -> Result<String, Failure> {
    if given != "-" {
        return Ok(given.to_owned());
    }
    let mut text = String::new();
    std::io::stdin().lock().take(MAX_STDIN).read_to_string(&mut text).map_err(|error| {
        Failure::new(format!("cannot read the task from standard input: {error}"))
            .hint("it must be text in UTF-8")
    })?;
    Ok(text)
}
