//! `gatepost policy`: what the gate thinks of a command, and whether rules hold.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::Read;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use gatepost_domain::Judgement;
use gatepost_domain::Mode;
use gatepost_domain::Verdict;
use gatepost_domain::action::Action;
use gatepost_domain::action::Exec;
use gatepost_domain::verdict::Clearance;
use gatepost_gate::AutoSwitch;
use gatepost_gate::BypassSwitch;
use gatepost_gate::Context;
use gatepost_gate::Gate;
use gatepost_gate::Policy;
use gatepost_policy::RuleSet;
use gatepost_policy::Tier;

use crate::cli::Place;
use crate::cli::PolicyCommand;
use crate::client::Client;
use crate::config;
use crate::config::Loaded;
use crate::data;
use crate::failure::Failure;
use crate::out;

mod import;

/// Something was found to be wrong, or would not run.
const FOUND: u8 = 1;

/// Runs the command.
pub(crate) fn policy(place: &Place, command: PolicyCommand) -> Result<ExitCode> {
    let loaded = config::load(&place.overrides())?;
    match command {
        PolicyCommand::Explain { command, mode, workspace } => {
            let mode = mode.unwrap_or(loaded.file.defaults.mode);
            let mut gate = gate(place, &loaded, mode, workspace)?;
            out::print(&explained(&command, mode, &judge(&mut gate, &command)?));
            Ok(ExitCode::SUCCESS)
        }
        PolicyCommand::Check { files } => check(&loaded, files),
        PolicyCommand::Import { file, from } => import::import(&file, from),
        PolicyCommand::Reload => reload(place, &loaded),
        PolicyCommand::Test { file, mode, workspace } => {
            let mode = mode.unwrap_or(loaded.file.defaults.mode);
            test(&gate(place, &loaded, mode, workspace)?, &file)
        }
    }
}

/// The rules in force: those of whoever runs the machine, the user's, where some are configured, and
/// Gatepost's own.
pub(crate) fn rules(loaded: &Loaded) -> Result<Policy> {
    let mut sets = loaded.managed.rules.clone();
    if let Some(path) = loaded.rules() {
        let users = read(&path)?;
        if !loaded.managed.only_managed_rules {
            sets.push(users);
        }
    }
    Policy::new(sets).map_err(|error| Failure::new(error.to_string()).into())
}

/// Where an action is judged from on this machine.
pub(crate) fn context(
    place: &Place,
    loaded: &Loaded,
    workspace: &str,
    home: Option<&str>,
) -> Context {
    let own_home = || directories::BaseDirs::new().map(|dirs| text_of(dirs.home_dir()));
    let home = home.map(str::to_owned).or_else(own_home).unwrap_or_else(|| "/root".to_owned());
    let mut context = Context::new(workspace, &home, workspace);
    let data = loaded.data(&place.overrides()).ok();
    let own = data.into_iter().chain(loaded.origin.clone()).chain(loaded.rules());
    context.gate_paths = own.map(|path| text_of(&path)).collect();
    // What cannot be read allows nothing here; `config check` says what is wrong with it.
    context.hosts = crate::config::hosts(&loaded.file.egress).unwrap_or_default().words();
    context
}

fn gate(place: &Place, loaded: &Loaded, mode: Mode, workspace: Option<PathBuf>) -> Result<Gate> {
    let workspace = match workspace {
        Some(given) => std::path::absolute(given)?,
        None => std::env::current_dir()?,
    };
    let context = context(place, loaded, &text_of(&workspace), None);
    let gate = Gate::new(std::sync::Arc::new(rules(loaded)?), mode, context);
    Ok(gate.with_switch(switch(loaded)).with_bypass(bypass(loaded)))
}

/// Whether the mode `bypass` may be used, as the managed settings say it now.
pub(crate) fn bypass(loaded: &Loaded) -> BypassSwitch {
    let switch = BypassSwitch::default();
    switch.allow(loaded.managed.allows_bypass());
    switch
}

/// What is said of allow rules that do not count where no person decides; none where there is none.
pub(crate) fn set_aside(policy: &Policy) -> Option<String> {
    let broad: Vec<String> = policy.broad().map(|rule| format!("`{rule}`")).collect();
    (!broad.is_empty()).then(|| {
        format!(
            "set aside in `auto`, `unattended` and `bypass`, because they let anything run: {}",
            broad.join(", ")
        )
    })
}

/// Has the gatepost that serves read its rules again.
fn reload(place: &Place, loaded: &Loaded) -> Result<ExitCode> {
    let dir = loaded.data(&place.overrides())?;
    let nobody = || {
        Failure::new(format!("no gatepost serves `{}`", dir.display()))
            .hint("the rules are read at every start; `gatepost policy check` tries them now")
    };
    let (serving, key) = data::serving(&dir).ok_or_else(nobody)?;
    let client = Client::new(serving.address, key)?;
    if !super::wait(async { Ok(client.answers().await) })? {
        return Err(nobody().into());
    }
    let pid = i32::try_from(serving.pid).ok().and_then(rustix::process::Pid::from_raw);
    let pid = pid.ok_or_else(nobody)?;
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).map_err(|error| {
        Failure::new(format!("process {} cannot be told: {error}", serving.pid))
            .hint("run this as the user that gatepost runs as")
    })?;
    // It was told in any case, so that its admins hear of it too.
    let rules = rules(loaded)?;
    out::line(&format!("process {} was told; {} rules hold", serving.pid, rules.len()));
    out::print(&set_aside(&rules).map(|said| said + "\n").unwrap_or_default());
    Ok(ExitCode::SUCCESS)
}

/// Whether auto mode may be used, as the managed settings say it now.
pub(crate) fn switch(loaded: &Loaded) -> AutoSwitch {
    let switch = AutoSwitch::default();
    switch.turn_off(loaded.managed.disable_auto);
    switch
}

fn judge(gate: &mut Gate, command: &str) -> Result<Judgement, Failure> {
    if command.trim().is_empty() {
        return Err(Failure::new("there is no command").hint("policy explain 'git push'"));
    }
    // `Gate` puts the workspace in for a relative directory.
    let cwd = ".".to_owned();
    let action = Action::Exec(Exec { command: command.to_owned(), cwd, env: BTreeMap::new() });
    Ok(gate.review(action, Vec::new(), &[]).judgement().clone())
}

/// The judgement in plain words.
fn explained(command: &str, mode: Mode, judged: &Judgement) -> String {
    let what = match (judged.verdict, judged.clearance) {
        (Verdict::Allow, _) => "It runs without asking anyone.",
        (Verdict::Escalate, _) => "A person is asked first.",
        (Verdict::NoVerdict, _) => "The gate could not judge it; a person is asked first.",
        (Verdict::Deny, Clearance::Nobody) => "It is refused, and nobody can allow it.",
        (Verdict::Deny, Clearance::Person | Clearance::NotNeeded) => {
            "It is refused, and the agent is told why; if it keeps trying, a person is asked."
        }
    };
    let mut text = format!("{}\n\n{what}\n", visible(command));
    let mut row = |name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<8} {}", visible(value));
    };
    row("why", &judged.reason);
    if !judged.effect.is_empty() {
        row("effect", &judged.effect);
    }
    row("rule", &judged.rule);
    row("stage", judged.stage.as_str());
    row("mode", mode.as_str());
    for (i, evidence) in judged.evidence.iter().enumerate() {
        let name = if i == 0 { "found" } else { "" };
        row(name, &format!("`{}` {}", evidence.span.trim(), evidence.fact));
    }
    text
}

fn check(loaded: &Loaded, mut files: Vec<PathBuf>) -> Result<ExitCode> {
    if files.is_empty() {
        files.extend(loaded.rules());
    }
    let own = Policy::built_in().map_err(|error| Failure::new(error.to_string()))?;
    if files.is_empty() {
        out::line(&format!("{} built-in rules hold; no rules of yours are configured", own.len()));
    }
    let mut wrong = false;
    for path in files {
        let text = text(&path)?;
        match RuleSet::load(Tier::User, &text, &path.display().to_string()) {
            Ok(set) => {
                out::line(&format!("{}: {} rules hold", path.display(), set.len()));
                let policy = Policy::new(vec![set]);
                let policy = policy.map_err(|error| Failure::new(error.to_string()))?;
                out::print(&set_aside(&policy).map(|said| said + "\n").unwrap_or_default());
            }
            Err(error) => {
                wrong = true;
                out::note(&format!("{error}\n"));
            }
        }
    }
    Ok(if wrong { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

/// One expectation a line: `allow|escalate|deny COMMAND`; `#` begins a comment line.
fn test(gate: &Gate, file: &Path) -> Result<ExitCode> {
    let text = text(file)?;
    let (mut held, mut failed) = (0u32, 0u32);
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let at = format!("{}:{}", file.display(), i + 1);
        let (expect, command) = expectation(line).ok_or_else(|| {
            Failure::new(format!("{at}: `{}` is no expectation", visible(line)))
                .hint("write `allow`, `escalate` or `deny`, a space, and the command")
        })?;
        // Each for itself: what was refused before it would count against it.
        let judged = judge(&mut gate.clone(), command)?;
        if word(judged.verdict) == expect {
            held += 1;
        } else {
            failed += 1;
            out::line(&format!(
                "{at}: expected {expect}, got {}: {}\n  {} (rule {})",
                word(judged.verdict),
                visible(command),
                visible(&judged.reason),
                judged.rule
            ));
        }
    }
    out::line(&format!("{held} held, {failed} did not"));
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

fn expectation(line: &str) -> Option<(&'static str, &str)> {
    let (first, command) = line.split_once(char::is_whitespace)?;
    let expect = ["allow", "escalate", "deny"].into_iter().find(|word| *word == first)?;
    let command = command.trim();
    (!command.is_empty()).then_some((expect, command))
}

/// The verdict as scripts see it: what could not be judged is asked about.
pub(crate) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allow",
        Verdict::Escalate | Verdict::NoVerdict => "escalate",
        Verdict::Deny => "deny",
    }
}

fn read(path: &Path) -> Result<RuleSet> {
    let text = text(path)?;
    RuleSet::load(Tier::User, &text, &path.display().to_string()).map_err(|error| {
        Failure::new(error.to_string()).hint("`gatepost policy check` tries every rule").into()
    })
}

fn text(path: &Path) -> Result<String, Failure> {
    let read = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    read.map_err(|error| {
        Failure::new(format!("cannot read `{}`: {error}", path.display()))
            .hint("name a file that can be read, in UTF-8")
    })
}

/// A path as the judge takes it. What is no UTF-8 cannot be named by an action either.
pub(crate) fn text_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Text that cannot move the cursor or hide a part of itself.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\n           "),
            '\t' => out.push(' '),
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' => {
                out.extend(c.escape_unicode());
            }
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(command: &str) -> Judgement {
        let policy = Policy::built_in().unwrap();
        let context = Context::new("/work", "/home/me", "/work");
        let mut gate = Gate::new(std::sync::Arc::new(policy), Mode::Auto, context);
        judge(&mut gate, command).unwrap()
    }

    #[test]
    fn a_command_is_explained_in_plain_words() {
        let text = explained("git push", Mode::Auto, &judged("git push"));
        assert!(text.contains("A person is asked first."), "{text}");
        assert!(text.contains("Bash(git push:*)"), "{text}");
        let text = explained("ls", Mode::Auto, &judged("ls"));
        assert!(text.contains("runs without asking"), "{text}");
        let text = explained("rm -rf /", Mode::Auto, &judged("rm -rf /"));
        assert!(text.contains("nobody can allow it"), "{text}");
    }

    #[test]
    fn hidden_characters_are_shown() {
        let text = explained("ls \u{202e}x\u{1b}[2J", Mode::Auto, &judged("ls"));
        assert!(!text.contains(['\u{202e}', '\u{1b}']), "{text}");
    }

    #[test]
    fn an_expectation_is_a_verdict_and_a_command() {
        assert_eq!(expectation("allow  ls -l"), Some(("allow", "ls -l")));
        assert_eq!(expectation("maybe ls"), None);
        assert_eq!(expectation("deny "), None);
    }
}
