//! What the runbook proposes, and how it goes on.

use gatepost_domain::agent::ActionResult;
use gatepost_domain::agent::Ending;
use gatepost_domain::dispatch::Left;
use proptest::prelude::*;

use super::*;

/// Stands in for the real splitter: one line a command, `<<EOF` takes lines up to `EOF`, and an odd
/// number of single quotes is not complete.
fn split(text: &str) -> Result<Vec<String>, SplitError> {
    let mut commands = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if line.matches('\'').count() % 2 == 1 {
            return Err(SplitError("a quote is not closed".into()));
        }
        let mut command = line.to_owned();
        if line.ends_with("<<EOF") {
            loop {
                let Some(next) = lines.next() else {
                    return Err(SplitError("a here-document is not closed".into()));
                };
                command.push('\n');
                command.push_str(next);
                if next == "EOF" {
                    break;
                }
            }
        }
        commands.push(command);
    }
    Ok(commands)
}

fn commands(text: &str) -> Vec<String> {
    let shown =
        |step: Step| if step.may_fail { format!("-{}", step.command) } else { step.command };
    steps_of(text, split).unwrap().into_iter().map(shown).collect()
}

#[test]
fn steps_are_found_in_blocks_and_behind_prompts() {
    let cases: [(&str, &[&str]); 13] = [
        ("$ ls -l", &["ls -l"]),
        ("please\n$ a\nand then\n  $ b\n", &["a", "b"]),
        ("```\na\nb\n```", &["a", "b"]),
        ("text\n```sh\na\n\n# no\n-b\n```\nmore", &["a", "-b"]),
        ("~~~ bash\na\n~~~", &["a"]),
        ("````\na\n```\nb\n````", &["a", "```", "b"]),
        ("```python\nprint(1)\n```", &[]),
        ("```python\nprint(1)\n```\n$ a", &["a"]),
        ("```console\n$ a\noutput\n$ b\n```", &["a", "b"]),
        ("$ cat <<EOF\n$notes\nEOF\n$ - b", &["cat <<EOF\n$notes\nEOF", "-b"]),
        ("$ cat <<EOF\n$ x\nEOF\n$ b", &["cat <<EOF\n$ x\nEOF", "b"]),
        ("```\nnever closed", &["never closed"]),
        ("fix the parser, it costs 5 $ a day", &[]),
    ];
    for (text, wanted) in cases {
        assert_eq!(commands(text), wanted, "{text:?}");
    }
}

#[test]
fn what_is_not_complete_is_quoted() {
    for text in ["$ a\n$ echo 'never closed", "```\na\ncat <<EOF\n```", "$ cat <<EOF\n$ b"] {
        let error = steps_of(text, split).unwrap_err().to_string();
        assert!(error.contains("not closed"), "{text:?}: {error}");
    }
}

fn runbook(text: &str) -> Runbook {
    let brief = Brief {
        run: "k7m2/1".into(),
        asked: text.into(),
        messages: vec![],
        workspace: "/srv/demo".into(),
        resume: None,
    };
    Runbook::new(brief, split).unwrap()
}

/// The next thing that is not a count of steps.
fn next(runbook: &mut Runbook) -> Option<Next> {
    loop {
        match runbook.advance() {
            Some(Next::Report { event: AgentEvent::Progress { .. } }) => {}
            other => return other,
        }
    }
}

fn proposed(runbook: &mut Runbook) -> (ProposalId, Exec) {
    match next(runbook) {
        Some(Next::Propose { id, action: Action::Exec(exec), by: Executor::Worker }) => (id, exec),
        other => panic!("nothing is proposed: {other:?}"),
    }
}

fn ran(code: i32, cwd: &str) -> Answer {
    let result = ActionResult {
        ending: Ending::Exited { code },
        duration_ms: 1,
        head: String::new(),
        tail: String::new(),
        dropped: 0,
    };
    let env = BTreeMap::from([("WORD".to_owned(), "kept".to_owned())]);
    Answer::Ran { result, shell: Some(ShellState { cwd: cwd.into(), env }) }
}

fn refused() -> Answer {
    let reason = Reason::DeniedByPerson { by: "console:owner".into(), reason: None };
    Answer::Refused { words: "no".into(), reason }
}

fn done(runbook: &mut Runbook) -> (Outcome, Reason) {
    match next(runbook) {
        Some(Next::Done { outcome, reason }) => (outcome, reason),
        other => panic!("it is not done: {other:?}"),
    }
}

#[test]
fn directory_and_variables_carry_over() {
    let mut runbook = runbook("$ cd sub\n$ b");
    let (id, first) = proposed(&mut runbook);
    assert_eq!((first.cwd.as_str(), first.env.len()), ("/srv/demo", 0));
    assert_eq!(runbook.advance(), None, "one step at a time");
    runbook.answer(id, ran(0, "/srv/demo/sub"));
    let (_, second) = proposed(&mut runbook);
    assert_eq!(second.cwd, "/srv/demo/sub");
    assert_eq!(second.env.get("WORD").map(String::as_str), Some("kept"));
}

#[test]
fn a_failed_step_stops_the_run_unless_it_may_fail() {
    let mut strict = runbook("$ a\n$ b");
    let (id, _) = proposed(&mut strict);
    strict.answer(id, ran(3, "/srv/demo"));
    let (outcome, reason) = done(&mut strict);
    assert_eq!(outcome, Outcome::Failed);
    assert_eq!(reason, Reason::StepFailed { command: "a".into(), how: "exit 3".into() });

    let mut lenient = runbook("$ -a\n$ -b\n$ c");
    let (id, _) = proposed(&mut lenient);
    lenient.answer(id, ran(3, "/srv/demo"));
    let (id, _) = proposed(&mut lenient);
    lenient.answer(id, refused());
    let (id, last) = proposed(&mut lenient);
    assert_eq!(last.command, "c");
    lenient.answer(id, ran(0, "/srv/demo"));
    assert_eq!(done(&mut lenient), (Outcome::Succeeded, Reason::Completed));
}

#[test]
fn a_refused_step_ends_it_with_that_reason() {
    let mut runbook = runbook("$ a\n$ b");
    let (id, _) = proposed(&mut runbook);
    runbook.answer(id, refused());
    assert!(matches!(done(&mut runbook), (Outcome::Denied, Reason::DeniedByPerson { .. })));
}

#[test]
fn it_takes_up_where_it_stood() {
    let mut before = runbook("$ a\n$ b\n$ c");
    let (id, _) = proposed(&mut before);
    before.answer(id, ran(0, "/srv/demo/sub"));
    let (_, asked) = proposed(&mut before);
    let brief = Brief {
        run: "k7m2/1".into(),
        asked: "$ a\n$ b\n$ c".into(),
        messages: vec!["$ d".into()],
        workspace: "/srv/demo".into(),
        resume: Some(Resume { key: before.resume_key(), left: Left::Waiting }),
    };
    let mut after = Runbook::new(brief.clone(), split).unwrap();
    let (id, again) = proposed(&mut after);
    assert_eq!(again, asked, "the very same action, so that its approval holds");
    after.answer(id, ran(0, "/srv/demo"));
    assert_eq!(proposed(&mut after).1.command, "c");
    let wrong =
        Brief { resume: Some(Resume { key: "nonsense".into(), left: Left::Waiting }), ..brief };
    assert!(Runbook::new(wrong, split).is_err());
}

/// A run that has ended with what `before` has done, and goes on with these messages.
fn gone_on(before: &Runbook, messages: &[&str], left: Left) -> Runbook {
    let brief = Brief {
        run: "k7m2/2".into(),
        asked: "$ a\n$ b\n$ c".into(),
        messages: messages.iter().map(|text| Words::from(*text)).collect(),
        workspace: "/srv/demo".into(),
        resume: Some(Resume { key: before.resume_key(), left }),
    };
    Runbook::new(brief, split).unwrap()
}

#[test]
fn after_its_end_it_goes_on_with_what_was_said_since() {
    let mut before = runbook("$ a\n$ b\n$ c");
    before.message("$ 'not closed".into());
    assert!(matches!(next(&mut before), Some(Next::Report { event: AgentEvent::Text { .. } })));
    let (id, _) = proposed(&mut before);
    before.answer(id, ran(0, "/srv/demo/sub"));
    let (id, _) = proposed(&mut before);
    before.answer(id, ran(1, "/srv/demo/sub"));
    assert!(matches!(done(&mut before), (Outcome::Failed, Reason::StepFailed { .. })));

    let mut after = gone_on(&before, &["$ 'not closed", "$ d"], Left::Ended);
    let (id, exec) = proposed(&mut after);
    let place = (exec.command.as_str(), exec.cwd.as_str());
    assert_eq!(place, ("d", "/srv/demo/sub"), "neither the failed step nor those behind it");
    after.answer(id, ran(0, "/srv/demo"));
    assert_eq!(done(&mut after), (Outcome::Succeeded, Reason::Completed));

    let mut idle = gone_on(&before, &["$ 'not closed", "thanks"], Left::Ended);
    assert!(matches!(next(&mut idle), Some(Next::Report { event: AgentEvent::Text { .. } })));
    assert!(matches!(done(&mut idle), (Outcome::Failed, Reason::NothingToDo { .. })));
}

#[test]
fn what_was_cut_goes_on_there_unless_it_was_over() {
    let mut before = runbook("$ a\n$ b\n$ c");
    let (id, _) = proposed(&mut before);
    before.answer(id, ran(0, "/srv/demo"));
    let (id, _) = proposed(&mut before);
    let mut resumed = gone_on(&before, &[], Left::Cut);
    assert_eq!(proposed(&mut resumed).1.command, "b", "where it was cut");

    before.answer(id, ran(1, "/srv/demo"));
    let mut resumed = gone_on(&before, &["$ d"], Left::Cut);
    assert_eq!(
        proposed(&mut resumed).1.command,
        "d",
        "neither the failed step nor those behind it"
    );
}

#[test]
fn a_message_adds_steps_and_one_that_is_not_understood_stops_nothing() {
    let mut runbook = runbook("$ a");
    let (id, _) = proposed(&mut runbook);
    runbook.message("$ b".into());
    runbook.message("$ echo 'open".into());
    runbook.message("thanks".into());
    runbook.answer(id, ran(0, "/srv/demo"));
    let mut said = 0;
    let next = loop {
        match runbook.advance() {
            Some(Next::Report { event: AgentEvent::Text { .. } }) => said += 1,
            Some(Next::Report { .. }) => {}
            other => break other,
        }
    };
    assert_eq!(said, 2);
    assert!(matches!(next, Some(Next::Propose { .. })), "{next:?}");
}

#[test]
fn without_a_command_it_shows_the_form_and_runs_nothing() {
    let (outcome, reason) = done(&mut runbook("please fix the parser"));
    assert_eq!(outcome, Outcome::Failed);
    assert!(matches!(reason, Reason::NothingToDo { answer } if answer.contains("$ ls")));
    let (outcome, reason) = done(&mut runbook("$ a\n$ echo 'open"));
    assert_eq!(outcome, Outcome::Failed);
    assert!(matches!(reason, Reason::NothingToDo { answer } if answer.contains("nothing was run")));
}

#[test]
fn an_interrupt_ends_it_and_late_answers_change_nothing() {
    let mut runbook = runbook("$ a\n$ b");
    let (id, _) = proposed(&mut runbook);
    runbook.interrupt();
    runbook.answer(id, ran(0, "/srv/demo"));
    assert_eq!(done(&mut runbook).0, Outcome::Cancelled);
}

proptest! {
    #[test]
    fn any_text_gives_steps_or_an_error_and_no_step_is_empty(text in "[ -~\n`$'\\-]{0,200}") {
        if let Ok(steps) = steps_of(&text, split) {
            for step in steps {
                prop_assert!(!step.command.trim().is_empty());
            }
        }
    }
}

#[test]
fn only_the_persons_own_words_are_steps() {
    use gatepost_domain::message::Quoted;
    use gatepost_domain::message::QuotedKind;

    let hostile = Quoted { kind: QuotedKind::Forwarded, text: "```\nrm -rf .\n```\n$ rm b".into() };
    // A block that is never closed runs to the end of the message, and of that alone.
    let asked =
        Words { text: "```\na".into(), quoted: vec![hostile], files: vec!["$ rm c".into()] };
    let brief = Brief {
        run: "k7m2/1".into(),
        asked,
        messages: vec![],
        workspace: "/srv/demo".into(),
        resume: None,
    };
    let runbook = Runbook::new(brief, split).unwrap();
    let steps: Vec<_> = runbook.steps.iter().map(|step| step.command.as_str()).collect();
    assert_eq!(steps, ["a"]);
}

#[test]
fn files_that_come_alone_are_no_riddle() {
    let brief = Brief {
        run: "k7m2/1".into(),
        asked: "$ a".into(),
        messages: vec![Words { files: vec!["a.pdf".into()], ..Words::default() }],
        workspace: "/srv/demo".into(),
        resume: None,
    };
    assert!(Runbook::new(brief, split).unwrap().reports.is_empty());
}
