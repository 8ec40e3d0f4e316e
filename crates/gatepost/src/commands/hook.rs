//! `gatepost hook`: the gate as a `PreToolUse` hook of a coding agent in a terminal. Claude Code and
//! Codex write one use of a tool to standard input and read what to do with it from standard output.
//!
//! INVARIANT (closed): these hosts let the tool run when the hook exits with 1, is killed, is late,
//! or says what they do not understand. So the process they start only waits: another one judges,
//! and whatever becomes of that one, the first answers, with a refusal where there is no verdict.
//! Where it cannot even write, it exits with 2, which both hosts take as a refusal.
//!
//! Nothing holds what an agent in a terminal does: what Gatepost's own tasks may do because the
//! sandbox contains it is left to the host's own questions here, unless `--contained` says that
//! something does.

use std::io::Read;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use gatepost_domain::Judgement;
use gatepost_domain::Mode;
use gatepost_domain::Verdict;
use gatepost_domain::action::Action;
use gatepost_domain::verdict::Stage;
use gatepost_gate::Context;
use gatepost_gate::Gate;
use serde_json::Value;
use tokio::io::AsyncReadExt;

use crate::cli::HookArgs;
use crate::cli::Place;
use crate::commands::policy;
use crate::config;
use crate::failure;
use crate::failure::Failure;
use crate::out;

mod wire;

use wire::Event;
use wire::Host;
use wire::Word;

/// How long a judge may take. Both hosts wait longer by default (Claude Code 60 s, Codex 600 s), and
/// let the tool run when they have waited long enough.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest event that is read; a written file comes whole in it.
const LARGEST: u64 = 16 << 20;

/// The largest answer of a judge: a reason is a few sentences.
const LARGEST_ANSWER: u64 = 1 << 20;

/// Both hosts take this exit status as a refusal.
const REFUSED: u8 = 2;

/// Tools that act through nothing but tools which come by here themselves, or only speak with the
/// person and keep the agent's own lists. The host decides about them as it always does.
const HARMLESS: [&str; 16] = [
    "Agent",
    "AskUserQuestion",
    "BashOutput",
    "EnterPlanMode",
    "ExitPlanMode",
    "KillShell",
    "Task",
    "TaskCreate",
    "TaskGet",
    "TaskList",
    "TaskOutput",
    "TaskStop",
    "TaskUpdate",
    "TodoWrite",
    "ToolSearch",
    "update_plan",
];

/// Runs the command. It answers whatever happens.
pub(crate) fn hook(place: &Place, args: &HookArgs) -> ExitCode {
    let answer = if args.unguarded {
        judged(place, args, &mut std::io::stdin().lock())
    } else {
        // A panic would end this process with a status that lets the tool run.
        std::panic::catch_unwind(guarded)
            .unwrap_or_else(|_| refusal("its own guard broke down, which is a fault of Gatepost"))
    };
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{answer}").and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::note(&format!("gatepost: cannot answer, so it is refused: {error}\n"));
            ExitCode::from(REFUSED)
        }
    }
}

fn refusal(why: &str) -> Value {
    wire::denied(&format!("Gatepost could not judge this, so it is refused: {why}"))
}

/// The answer of another process like this one, or a refusal.
fn guarded() -> Value {
    match wait() {
        Ok(answer) => answer,
        Err(error) => refusal(&error.to_string()),
    }
}

fn wait() -> Result<Value> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // This very program, also where another one was installed at its path meanwhile.
        let mut child = tokio::process::Command::new("/proc/self/exe")
            .args(std::env::args_os().skip(1))
            .arg("--unguarded")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let out = child.stdout.take();
        let answered = async {
            let mut answer = Vec::new();
            if let Some(out) = out {
                out.take(LARGEST_ANSWER).read_to_end(&mut answer).await?;
            }
            Ok::<_, std::io::Error>((child.wait().await?, answer))
        };
        let (status, answer) = tokio::time::timeout(PATIENCE, answered).await.map_err(|_| {
            anyhow::anyhow!(
                "there was no verdict after {} seconds; try it again, and look at how busy this \
                 machine is",
                PATIENCE.as_secs()
            )
        })??;
        match serde_json::from_slice::<Value>(&answer) {
            Ok(answer) if status.success() && answer.is_object() => Ok(answer),
            _ => Err(anyhow::anyhow!("the judge ended with {status} and without a verdict")),
        }
    })
}

/// The answer to the event on `input`.
fn judged(place: &Place, args: &HookArgs, input: &mut impl Read) -> Value {
    let mut text = Vec::new();
    let event = match input.take(LARGEST).read_to_end(&mut text) {
        Ok(read) if read as u64 == LARGEST => Err("the event is too large".to_owned()),
        Ok(_) => Event::parse(&text),
        Err(error) => Err(format!("standard input cannot be read: {error}")),
    };
    let event = match event {
        Ok(event) => event,
        Err(why) => return refusal(&why),
    };
    let word = Judge::new(place, args, &event).map_err(|error| {
        let words = failure::render(&error);
        words.trim().trim_start_matches("gatepost: ").replace("\n  try: ", "; ")
    });
    match word.and_then(|judge| judge.word(&event)) {
        Ok(word) => event.host.answer(&word),
        Err(why) => refusal(&why),
    }
}

/// What judges one event.
struct Judge {
    gate: Gate,
    /// The same from where the links on the way to the workspace lead.
    settled: Gate,
    contained: bool,
}

impl Judge {
    fn new(place: &Place, args: &HookArgs, event: &Event) -> Result<Self> {
        let loaded = config::load(&place.overrides())?;
        let mode = args.mode.unwrap_or(loaded.file.defaults.mode);
        if mode == Mode::Bypass {
            return Err(Failure::new("the mode is `bypass`, which needs a sandbox of Gatepost's")
                .hint("name another one with `gatepost hook --mode auto`")
                .into());
        }
        let rules = Arc::new(policy::rules(&loaded)?);
        let workspace = workspace(args, event)?;
        let mut base = policy::context(place, &loaded, &workspace, None);
        base.cwd.clone_from(&event.cwd);
        base.gate_paths.extend(own_settings(&base.home));
        for wide in [&base.home, "/"] {
            if gatepost_policy::paths::below(wide, &base.workspace) {
                return Err(Failure::new(format!(
                    "the agent works in `{workspace}`, which holds more than a project"
                ))
                .hint("start it in a project's directory, or name that with `--workspace`")
                .into());
            }
        }
        let gate = |context: Context| {
            Gate::new(Arc::clone(&rules), mode, context).with_switch(policy::switch(&loaded))
        };
        let settled = Context {
            workspace: settled(&base.workspace),
            home: settled(&base.home),
            cwd: settled(&base.cwd),
            ..base.clone()
        };
        Ok(Self { gate: gate(base), settled: gate(settled), contained: args.contained })
    }

    /// The most careful word on everything the event does.
    fn word(mut self, event: &Event) -> Result<Word, String> {
        let mut words = Vec::new();
        for action in event.actions()? {
            if let Some(at) = behind_links(&action) {
                words.push(self.of(&at, true));
            }
            words.push(self.of(&action, false));
        }
        words.into_iter().max().ok_or_else(|| "the event names nothing".to_owned())
    }

    fn of(&mut self, action: &Action, settled: bool) -> Word {
        let gate = if settled { &mut self.settled } else { &mut self.gate };
        let review = gate.review(action.clone(), Vec::new(), &[]);
        said(action, review.judgement(), self.contained)
    }
}

/// A judgement as a word for the host.
fn said(action: &Action, judged: &Judgement, contained: bool) -> Word {
    let held = match judged.stage {
        Stage::Contained => contained,
        // A change of the workspace can be undone where that is a copy. Here only the host's own
        // questions stand before the person's files; it asks about its own tools by itself.
        Stage::WorkspaceEdit => contained || !matches!(action, Action::Exec(_)),
        Stage::HardBoundary
        | Stage::NotUnderstood
        | Stage::Mode
        | Stage::DenyRule
        | Stage::AskRule
        | Stage::Grant
        | Stage::AllowRule
        | Stage::ProtectedPath
        | Stage::ReadOnly
        | Stage::Breaker
        | Stage::Classifier
        | Stage::Budget
        | Stage::Open => true,
    };
    let harmless = judged.stage == Stage::Open
        && matches!(action, Action::Tool { name, .. } if HARMLESS.contains(&name.as_str()));
    match judged.verdict {
        Verdict::Allow if held => Word::Allow(words(judged)),
        Verdict::Allow => Word::Pass,
        Verdict::Escalate | Verdict::NoVerdict if harmless => Word::Pass,
        Verdict::Escalate | Verdict::NoVerdict => Word::Ask(words(judged)),
        Verdict::Deny => Word::Deny(words(judged)),
    }
}

fn words(judged: &Judgement) -> String {
    let effect =
        if judged.effect.is_empty() { String::new() } else { format!(" {}", judged.effect) };
    policy::visible(&format!("{} (rule {}).{effect}", judged.reason, judged.rule))
}

/// The project. Where an agent changed to by itself is no project of the person's.
fn workspace(args: &HookArgs, event: &Event) -> Result<String> {
    if let Some(given) = &args.workspace {
        return Ok(policy::text_of(&std::path::absolute(given)?));
    }
    let started = match event.host {
        Host::Claude => std::env::var("CLAUDE_PROJECT_DIR").ok().filter(|dir| dir.starts_with('/')),
        Host::Codex => None,
    };
    Ok(started.unwrap_or_else(|| event.cwd.clone()))
}

/// The host's settings that say this hook is asked at all.
fn own_settings(home: &str) -> Vec<String> {
    let dir = |variable: &str, usual: &str| {
        let set = std::env::var(variable).ok().filter(|dir| dir.starts_with('/'));
        set.unwrap_or_else(|| format!("{home}/{usual}"))
    };
    let (claude, codex) = (dir("CLAUDE_CONFIG_DIR", ".claude"), dir("CODEX_HOME", ".codex"));
    let files = [
        (&claude, "settings.json"),
        (&claude, "settings.local.json"),
        (&codex, "config.toml"),
        (&codex, "hooks.json"),
        (&codex, "requirements.toml"),
    ];
    files.into_iter().map(|(dir, file)| format!("{dir}/{file}")).collect()
}

fn settled(path: &str) -> String {
    policy::text_of(&config::settled(Path::new(path)))
}

/// The action on the file that its path leads to, where that is another one.
fn behind_links(action: &Action) -> Option<Action> {
    let moved = |path: &str| {
        let to = settled(path);
        (to != path).then_some(to)
    };
    Some(match action {
        Action::Read { path } => Action::Read { path: moved(path)? },
        Action::Write { path, content } => {
            Action::Write { path: moved(path)?, content: content.clone() }
        }
        Action::Edit { path, content, replaces } => Action::Edit {
            path: moved(path)?,
            content: content.clone(),
            replaces: replaces.clone(),
        },
        Action::Exec(_)
        | Action::Fetch { .. }
        | Action::Python { .. }
        | Action::Tool { .. }
        | Action::Raise(_) => return None,
    })
}

#[cfg(test)]
mod tests;
