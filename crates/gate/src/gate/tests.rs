//! Clearing, grants and the circuit breaker.

use std::collections::BTreeMap;

use gatepost_domain::action::Exec;
use gatepost_domain::approval::Decision;
use gatepost_domain::approval::Settlement;
use gatepost_domain::principal::Principal;
use gatepost_policy::RuleSet;
use gatepost_policy::Tier;

use super::*;
use crate::breaker::MAX_DENIALS_IN_A_TASK;
use crate::breaker::MAX_DENIALS_IN_WINDOW;
use crate::classifier::Authorisation;
use crate::classifier::Lists;
use crate::classifier::Risk;
use crate::classifier::Standing;

fn exec(command: &str) -> Action {
    Action::Exec(Exec {
        command: command.to_owned(),
        cwd: "/work".to_owned(),
        env: BTreeMap::new(),
    })
}

fn gate(mode: Mode) -> Gate {
    let rules = "[[rule]]\nrule = 'Bash(forbidden:*)'\nverdict = 'deny'\nreason = 'no'\n";
    let own = RuleSet::load(Tier::User, rules, "test").unwrap();
    let policy = Policy::new(vec![own]).unwrap();
    Gate::new(Arc::new(policy), mode, crate::context("/work", "/home/me", "/var/lib/gatepost"))
}

fn person(decision: Decision) -> Settlement {
    let who = Principal::console();
    Settlement::Person { who, decision, reason: None }
}

#[test]
fn only_an_allow_clears_by_itself() {
    let mut gate = gate(Mode::Auto);
    let cleared = gate.review(exec("echo hello"), Vec::new(), &[]).clear().unwrap();
    assert_eq!(cleared.get(), &exec("echo hello"));
    assert_eq!(cleared.digest(), &exec("echo hello").digest(&[]));
    for command in ["git push", "forbidden", "rm -rf /", "echo 'unfinished"] {
        let review = gate.review(exec(command), Vec::new(), &[]);
        let back = review.clone().clear().unwrap_err();
        assert_eq!(*back, review, "{command}");
    }
}

#[test]
fn a_person_clears_exactly_what_they_were_shown() {
    let mut gate = gate(Mode::Auto);
    let review = gate.review(exec("git push"), Vec::new(), &[]);
    assert_eq!(review.judgement().verdict, Verdict::Escalate);
    let digest = review.digest().clone();
    let other = exec("git push -f").digest(&[]);
    let approve = person(Decision::Approve);
    assert!(review.clone().clear_by(&other, &approve).is_err());
    assert!(review.clone().clear_by(&digest, &person(Decision::Deny)).is_err());
    assert!(review.clone().clear_by(&digest, &Settlement::Expired).is_err());
    assert!(review.clone().clear_by(&digest, &Settlement::Withdrawn).is_err());
    assert_eq!(review.clear_by(&digest, &approve).unwrap().into_inner(), exec("git push"));
}

#[test]
fn other_bytes_are_another_action() {
    let mut gate = gate(Mode::Auto);
    let bound = |sha: &str| vec![BoundFile { path: "/work/x".into(), sha256: sha.into() }];
    let seen = gate.review(exec("git push"), bound("00"), &[]).digest().clone();
    let now = gate.review(exec("git push"), bound("11"), &[]);
    assert!(now.clear_by(&seen, &person(Decision::Approve)).is_err());
}

#[test]
fn nobody_clears_a_hard_boundary() {
    let mut gate = gate(Mode::Auto);
    for command in ["rm -rf /", "cat /var/lib/gatepost/key", "mkfs.ext4 /dev/sda1"] {
        let digest = exec(command).digest(&[]);
        let review = gate.review(exec(command), Vec::new(), std::slice::from_ref(&digest));
        assert_eq!(review.judgement().verdict, Verdict::Deny, "{command}");
        assert_eq!(review.judgement().clearance, Clearance::Nobody, "{command}");
        assert!(review.clear_by(&digest, &person(Decision::Approve)).is_err(), "{command}");
    }
}

#[test]
fn a_grant_clears_its_digest_and_no_other() {
    let mut gate = gate(Mode::Auto);
    let grant = [exec("git push").digest(&[])];
    let review = gate.review(exec("git push"), Vec::new(), &grant);
    assert_eq!(review.judgement().stage, Stage::Grant);
    assert!(review.clear().is_ok());
    assert!(gate.review(exec("git push -f"), Vec::new(), &grant).clear().is_err());
}

#[test]
fn unattended_asks_nobody() {
    let mut gate = gate(Mode::Unattended);
    let review = gate.review(exec("git push"), Vec::new(), &[]);
    assert_eq!(review.judgement().verdict, Verdict::Deny);
    let digest = review.digest().clone();
    assert!(review.clear_by(&digest, &person(Decision::Approve)).is_err());
    assert!(gate.review(exec("cargo test"), Vec::new(), &[]).clear().is_ok());
    // The breaker has nobody to turn to either.
    for _ in 0..30 {
        let review = gate.review(exec("forbidden"), Vec::new(), &[]);
        assert_eq!(review.judgement().verdict, Verdict::Deny);
    }
}

#[test]
fn the_third_refusal_in_a_row_becomes_a_question() {
    let mut gate = gate(Mode::Auto);
    let mut verdict =
        |command: &str| gate.review(exec(command), Vec::new(), &[]).judgement().verdict;
    assert_eq!(verdict("forbidden"), Verdict::Deny);
    assert_eq!(verdict("forbidden a"), Verdict::Deny);
    assert_eq!(verdict("echo between"), Verdict::Allow);
    assert_eq!(verdict("forbidden"), Verdict::Deny);
    assert_eq!(verdict("forbidden"), Verdict::Deny);
    // A hard boundary and a question are no soft refusals.
    assert_eq!(verdict("rm -rf /"), Verdict::Deny);
    assert_eq!(verdict("git push"), Verdict::Escalate);
    assert_eq!(verdict("forbidden"), Verdict::Escalate);
    assert_eq!(verdict("forbidden"), Verdict::Deny);
}

#[test]
fn the_twentieth_refusal_in_a_task_becomes_a_question() {
    let mut gate = gate(Mode::Auto);
    let mut verdict =
        |command: &str| gate.review(exec(command), Vec::new(), &[]).judgement().clone();
    for i in 1..MAX_DENIALS_IN_A_TASK {
        assert_eq!(verdict("forbidden").verdict, Verdict::Deny, "{i}");
        // So much in between that the last fifty hold fewer than ten refusals.
        for _ in 0..6 {
            verdict("true");
        }
    }
    let asked = verdict("forbidden");
    assert_eq!((asked.verdict, asked.clearance), (Verdict::Escalate, Clearance::Person));
    assert!(asked.reason.contains("20 times"), "{}", asked.reason);
}

#[test]
fn harmless_actions_in_between_do_not_hide_refusals() {
    let mut gate = gate(Mode::Auto);
    let mut verdict =
        |command: &str| gate.review(exec(command), Vec::new(), &[]).judgement().clone();
    for i in 1..MAX_DENIALS_IN_WINDOW {
        assert_eq!(verdict("forbidden").verdict, Verdict::Deny, "{i}");
        verdict("true");
    }
    let asked = verdict("forbidden");
    assert_eq!(asked.verdict, Verdict::Escalate);
    assert!(asked.reason.contains("10 of the agent's last 19 actions"), "{}", asked.reason);
    assert_eq!(verdict("forbidden").verdict, Verdict::Deny, "counting begins anew");
}

fn classified(mode: Mode, nobody_there: NobodyThere) -> Gate {
    let prose = Prose::new(&Lists::default()).unwrap();
    gate(mode).with_classifier(Arc::new(prose), Dossier::default(), nobody_there)
}

fn opinion(ruling: Ruling) -> Opinion {
    Opinion {
        ruling,
        rule: "push".into(),
        reason: "so it is".into(),
        risk: Risk::Medium,
        authorisation: Authorisation::None,
    }
}

fn said(words: &str) -> Saying {
    Saying {
        standing: Standing::Person,
        who: "console:owner".into(),
        at: None,
        chat: None,
        words: words.into(),
    }
}

fn still_open(looked: Looked) -> Open {
    match looked {
        Looked::Open(open) => *open,
        Looked::Judged(review) => panic!("it was judged: {:?}", review.judgement()),
    }
}

fn judged(looked: Looked) -> Review {
    match looked {
        Looked::Judged(review) => *review,
        Looked::Open(open) => panic!("it is open: {:?}", open.digest()),
    }
}

fn open(gate: &mut Gate, command: &str) -> Open {
    still_open(gate.look(exec(command), Vec::new(), &[]))
}

fn settle(gate: &mut Gate, open: Open, word: Result<Opinion, NoVerdict>) -> Review {
    judged(gate.settle(open, word, &[]))
}

#[test]
fn only_what_the_rules_leave_open_reaches_the_classifier() {
    let rules = "[[rule]]\nrule = 'Bash(git push:*)'\nverdict = 'ask'\nreason = 'mine'\n";
    let own = RuleSet::load(Tier::User, rules, "test").unwrap();
    let policy = Arc::new(Policy::new(vec![own]).unwrap());
    let context = crate::context("/work", "/home/me", "/var/lib/gatepost");
    let prose = Arc::new(Prose::new(&Lists::default()).unwrap());
    let with = |mode, policy| {
        let gate = Gate::new(policy, mode, context.clone());
        gate.with_classifier(Arc::clone(&prose), Dossier::default(), NobodyThere::Deny)
    };
    let mut asks = with(Mode::Auto, policy);
    for command in ["git push", "true", "cargo test", "rm -rf /", "echo 'unfinished"] {
        let looked = asks.look(exec(command), Vec::new(), &[]);
        assert!(matches!(looked, Looked::Judged(_)), "{command}: {looked:?}");
    }
    for mode in [Mode::Plan, Mode::Manual, Mode::AcceptEdits] {
        let mut gate = with(mode, Arc::new(Policy::built_in().unwrap()));
        let looked = gate.look(exec("git push"), Vec::new(), &[]);
        assert!(matches!(looked, Looked::Judged(_)), "{mode}: {looked:?}");
    }
    let mut gate = classified(Mode::Auto, NobodyThere::Deny);
    let asked = open(&mut gate, "git push");
    assert!(asked.question().left_open.contains("sends commits"), "{}", asked.question().left_open);
}

#[test]
fn a_classifiers_word_becomes_the_judgement_with_what_the_rules_found() {
    for (ruling, verdict, clearance) in [
        (Ruling::Allow, Verdict::Allow, Clearance::NotNeeded),
        (Ruling::Escalate, Verdict::Escalate, Clearance::Person),
        (Ruling::Deny, Verdict::Deny, Clearance::Person),
        (Ruling::HardDeny, Verdict::Deny, Clearance::Nobody),
    ] {
        let mut gate = classified(Mode::Auto, NobodyThere::Deny);
        let asked = open(&mut gate, "git push");
        let review = settle(&mut gate, asked, Ok(opinion(ruling)));
        let judged = review.judgement();
        assert_eq!((judged.verdict, judged.clearance), (verdict, clearance));
        assert_eq!((judged.stage, judged.rule.as_str()), (Stage::Classifier, "push"));
        let said = "the classifier calls the risk medium and the authorisation none";
        assert!(judged.evidence.iter().any(|e| e.fact.contains("the rules left it open")));
        assert!(judged.evidence.iter().any(|e| e.fact.contains(said)), "{:?}", judged.evidence);
        assert_eq!(review.clear().is_ok(), ruling == Ruling::Allow);
    }
}

#[test]
fn no_verdict_asks_a_person_and_is_no_denial() {
    let mut gate = classified(Mode::Auto, NobodyThere::Deny);
    for _ in 0..30 {
        let asked = open(&mut gate, "git push");
        let review = settle(&mut gate, asked, Err(NoVerdict::TimedOut));
        let judged = review.judgement();
        assert_eq!((judged.verdict, judged.clearance), (Verdict::NoVerdict, Clearance::Person));
        assert!(judged.reason.contains("did not answer in time"), "{}", judged.reason);
    }
    // Two soft denials do not trip the breaker, whatever went unanswered before.
    let asked = open(&mut gate, "git push");
    assert_eq!(
        settle(&mut gate, asked, Ok(opinion(Ruling::Deny))).judgement().verdict,
        Verdict::Deny
    );
}

#[test]
fn unattended_a_question_is_refused_unless_the_configuration_says_to_wait() {
    for (nobody_there, verdict, clearance) in [
        (NobodyThere::Deny, Verdict::Deny, Clearance::Nobody),
        (NobodyThere::Ask, Verdict::NoVerdict, Clearance::Person),
    ] {
        let mut gate = classified(Mode::Unattended, nobody_there);
        let asked = open(&mut gate, "git push");
        let review = settle(&mut gate, asked, Err(NoVerdict::TimedOut));
        let judged = review.judgement();
        assert_eq!((judged.verdict, judged.clearance), (verdict, clearance));
        let asked = open(&mut gate, "git push origin x");
        assert!(settle(&mut gate, asked, Ok(opinion(Ruling::Allow))).clear().is_ok());
    }
}

#[test]
fn an_opinion_is_kept_until_somebody_speaks_or_something_new_is_read() {
    let mut gate = classified(Mode::Auto, NobodyThere::Deny);
    let asked = open(&mut gate, "git push");
    let _review = settle(&mut gate, asked, Ok(opinion(Ruling::Allow)));
    let looked = gate.look(exec("git push"), Vec::new(), &[]);
    assert!(matches!(looked, Looked::Judged(ref r) if r.judgement().verdict == Verdict::Allow));
    let bytes = vec![BoundFile { path: "/work/x".into(), sha256: "00".into() }];
    assert!(matches!(gate.look(exec("git push"), bytes, &[]), Looked::Open(_)), "other bytes");
    gate.heard(said("do not push"));
    let asked = open(&mut gate, "git push");
    assert!(asked.question().dossier.sayings.iter().any(|s| s.words == "do not push"));
    // What a person says while the model thinks voids what it thought.
    gate.heard(said("really, do not"));
    let asked = still_open(gate.settle(asked, Ok(opinion(Ruling::Allow)), &[]));
    assert!(asked.question().dossier.sayings.iter().any(|s| s.words == "really, do not"));
    let _review = settle(&mut gate, asked, Ok(opinion(Ruling::Allow)));
    gate.done(&Action::Fetch { url: "https://x.example".into() }, "ran");
    let asked = open(&mut gate, "git push");
    let _review = settle(&mut gate, asked, Ok(opinion(Ruling::Allow)));
    // Without a network a command brings nothing in that was not there.
    gate.done(&exec("cargo build"), "ran, exit 0");
    let looked = gate.look(exec("git push"), Vec::new(), &[]);
    assert!(matches!(looked, Looked::Judged(_)));
    gate.context.hosts = vec!["crates.io".into()];
    gate.done(&exec("cargo build"), "ran, exit 0");
    let asked = open(&mut gate, "git push");
    let _review = settle(&mut gate, asked, Ok(opinion(Ruling::Allow)));
    let weighing = gate.classifier.as_mut().unwrap();
    let facts = vec![("remotes".to_owned(), "origin https://elsewhere.example".to_owned())];
    Arc::make_mut(&mut weighing.dossier).facts = facts;
    let asked = open(&mut gate, "git push");
    let _review = settle(&mut gate, asked, Ok(opinion(Ruling::Allow)));
    assert!(matches!(gate.look(exec("git push"), Vec::new(), &[]), Looked::Judged(_)));
    gate.rule_by(Arc::new(Policy::built_in().unwrap()));
    let asked = open(&mut gate, "git push");
    // And so is one that was under way when the rules changed.
    gate.rule_by(Arc::new(Policy::built_in().unwrap()));
    still_open(gate.settle(asked, Ok(opinion(Ruling::Allow)), &[]));
}

#[test]
fn auto_mode_that_is_turned_off_decides_no_more_by_itself() {
    let switch = AutoSwitch::default();
    let mut gate = classified(Mode::Auto, NobodyThere::Deny).with_switch(switch.clone());
    let mut nobody = classified(Mode::Unattended, NobodyThere::Deny).with_switch(switch.clone());
    assert!(gate.review(exec("cargo test"), Vec::new(), &[]).clear().is_ok());
    let asked = open(&mut gate, "git push");
    assert!(switch.turn_off(true) && !switch.turn_off(true), "it tells of a change alone");
    // The verdict that was in flight is worth nothing.
    let review = judged(gate.settle(asked, Ok(opinion(Ruling::Allow)), &[]));
    assert_eq!(review.judgement().verdict, Verdict::Escalate);
    assert_ne!(review.judgement().stage, Stage::Classifier);
    let review = judged(gate.look(exec("cargo test"), Vec::new(), &[]));
    assert_eq!(review.judgement().verdict, Verdict::Escalate);
    assert_eq!(review.judgement().rule, "disable-auto");
    assert!(review.judgement().reason.contains("whoever runs this machine"));
    assert!(gate.review(exec("ls"), Vec::new(), &[]).clear().is_ok(), "reads still run");
    let refused = judged(nobody.look(exec("cargo test"), Vec::new(), &[]));
    assert_eq!(refused.judgement().verdict, Verdict::Deny, "nobody is there to be asked");
    // A person's own lasting approval still holds, and so does the switch back.
    let grant = [exec("cargo test").digest(&[])];
    assert!(gate.review(exec("cargo test"), Vec::new(), &grant).clear().is_ok());
    switch.turn_off(false);
    assert!(gate.review(exec("cargo test"), Vec::new(), &[]).clear().is_ok());
}

fn forbade(words: &str) -> Vec<Boundary> {
    gatepost_domain::boundary::spoken(words, &Principal::console(), &[]).set
}

#[test]
fn what_a_person_forbade_in_words_asks_until_it_is_lifted() {
    let users = "[[rule]]\nrule = 'Bash(git push:*)'\nverdict = 'allow'\nreason = 'mine'\n";
    let users = RuleSet::load(Tier::User, users, "test").unwrap();
    let policy = Arc::new(Policy::new(vec![users]).unwrap());
    let context = crate::context("/work", "/home/me", "/var/lib/gatepost");
    let mut gate = Gate::new(policy, Mode::Auto, context);
    let push = || exec("git push");
    assert!(gate.review(push(), Vec::new(), &[]).clear().is_ok());
    let before = gate.restrictions();
    gate.bind(forbade("Please don't push or delete anything"));
    assert_ne!(gate.restrictions(), before);
    for command in ["git push", "cargo test && sh -c 'git push'", "rm target/a.o"] {
        let review = gate.review(exec(command), Vec::new(), &[]);
        let judged = review.judgement();
        assert_eq!((judged.verdict, judged.rule.as_str()), (Verdict::Escalate, "boundary"));
        assert!(judged.reason.contains("said: “Please don't push or delete"), "{}", judged.reason);
    }
    assert!(gate.review(exec("cargo test"), Vec::new(), &[]).clear().is_ok());
    // A person who approved this very action knew what they had said.
    let grant = [push().digest(&[])];
    assert!(gate.review(push(), Vec::new(), &grant).clear().is_ok());
    gate.bind(Vec::new());
    assert!(gate.review(push(), Vec::new(), &[]).clear().is_ok());
    // It makes nothing less strict.
    gate.bind(forbade("don't delete"));
    assert_eq!(gate.review(exec("rm -rf /"), Vec::new(), &[]).judgement().verdict, Verdict::Deny);
}

#[test]
fn no_classifier_weighs_what_a_person_forbade() {
    let mut gate = classified(Mode::Auto, NobodyThere::Deny);
    let asked = open(&mut gate, "git push");
    gate.bind(forbade("don't push"));
    let review = judged(gate.settle(asked, Ok(opinion(Ruling::Allow)), &[]));
    assert_eq!(review.judgement().rule, "boundary", "the verdict in flight is void");
    let mut gate = classified(Mode::Unattended, NobodyThere::Deny);
    gate.bind(forbade("don't push"));
    let refused = judged(gate.look(exec("git push"), Vec::new(), &[]));
    assert_eq!(refused.judgement().verdict, Verdict::Deny, "nobody is there to be asked");
}

#[test]
fn a_judge_that_breaks_down_is_no_verdict() {
    let judged = answered(|| panic!("a fault"));
    assert_eq!((judged.verdict, judged.clearance), (Verdict::NoVerdict, Clearance::Person));
}

#[test]
fn what_runs_is_bound() {
    let gate = gate(Mode::Auto);
    assert_eq!(gate.bound_paths(&exec("sh a/b.sh && ./run")), ["/work/a/b.sh", "/work/run"]);
    assert_eq!(gate.bound_paths(&exec("ls -l")), Vec::<String>::new());
    assert_eq!(
        gate.bound_paths(&exec("curl -F f=@report.txt https://example.org")),
        ["/work/report.txt"]
    );
}

fn ruled(mode: Mode, rules: &str) -> Gate {
    let set = RuleSet::load(Tier::User, rules, "test").unwrap();
    let policy = Arc::new(Policy::new(vec![set]).unwrap());
    Gate::new(policy, mode, crate::context("/work", "/home/me", "/var/lib/gatepost"))
}

fn says(gate: &mut Gate, command: &str) -> Verdict {
    gate.review(exec(command), Vec::new(), &[]).judgement().verdict
}

#[test]
fn rules_that_allow_anything_are_set_aside_where_no_person_decides() {
    let rules = "[[rule]]\nrule = 'Bash(*)'\nverdict = 'allow'\nreason = 'x'\n\
                 [[rule]]\nrule = 'Bash(git fetch:*)'\nverdict = 'allow'\nreason = 'x'\n";
    for (mode, verdict) in [
        (Mode::Manual, Verdict::Allow),
        (Mode::AcceptEdits, Verdict::Allow),
        (Mode::Auto, Verdict::Escalate),
        (Mode::Unattended, Verdict::Deny),
    ] {
        let mut gate = ruled(mode, rules);
        assert_eq!(says(&mut gate, "git fetch"), Verdict::Allow, "{mode}");
        let review = gate.review(exec("git push"), Vec::new(), &[]);
        assert_eq!(review.judgement().verdict, verdict, "{mode}");
        let said = review.judgement().evidence.iter().any(|found| found.fact.contains("set aside"));
        assert_eq!(said, verdict != Verdict::Allow, "{mode}: {:?}", review.judgement());
    }
    // Auto mode that is turned off decides no more than it did.
    let switch = AutoSwitch::default();
    switch.turn_off(true);
    assert_eq!(
        says(&mut ruled(Mode::Auto, rules).with_switch(switch), "git push"),
        Verdict::Escalate
    );
}

#[test]
fn bypass_runs_all_but_what_is_forbidden_while_it_is_allowed() {
    let rules = "[[rule]]\nrule = 'Bash(forbidden:*)'\nverdict = 'deny'\nreason = 'no'\n\
                 [[rule]]\nrule = 'Bash(asked:*)'\nverdict = 'ask'\nreason = 'x'\n";
    let bypass = BypassSwitch::default();
    let gate = ruled(Mode::Bypass, rules).with_bypass(bypass.clone());
    let commands =
        ["echo x", "git push", "touch .git/hooks/a", "forbidden", "asked", "echo 'x", "rm -rf /"];
    let all = |gate: &Gate| commands.map(|command| says(&mut gate.clone(), command));
    let (allow, ask, deny) = (Verdict::Allow, Verdict::Escalate, Verdict::Deny);
    // Nobody allowed it, so it is `auto`.
    let auto = [allow, ask, ask, deny, ask, ask, deny];
    assert_eq!(all(&gate), auto);
    let before = gate.restrictions();
    assert!(bypass.allow(true));
    assert_eq!(all(&gate), [allow, allow, allow, deny, ask, ask, deny]);
    assert!(gate.restrictions() != before);
    let switch = AutoSwitch::default();
    switch.turn_off(true);
    bypass.allow(false);
    assert_eq!(all(&gate), auto);
    let mut off = gate.clone().with_switch(switch);
    assert_eq!(says(&mut off, "sh a.txt"), ask, "no more than what is left of `auto`");
}

#[test]
fn changed_rules_void_what_was_cleared_before() {
    let mut gate = gate(Mode::Auto);
    let before = gate.restrictions();
    assert_eq!(says(&mut gate, "echo x"), Verdict::Allow);
    let rules = "[[rule]]\nrule = 'Bash(echo:*)'\nverdict = 'ask'\nreason = 'x'\n";
    let set = RuleSet::load(Tier::User, rules, "test").unwrap();
    gate.rule_by(Arc::new(Policy::new(vec![set]).unwrap()));
    assert!(gate.restrictions() != before);
    assert_eq!(says(&mut gate, "echo x"), Verdict::Escalate);
}

fn ran(gate: &mut Gate, command: &str) {
    assert_eq!(says(gate, command), Verdict::Allow, "{command}");
    gate.done(&exec(command), "ran, exit 0");
}

#[test]
fn after_a_suspicion_only_what_was_done_before_runs_by_itself() {
    let mut gate = gate(Mode::Auto);
    ran(&mut gate, "cargo test");
    assert_eq!(says(&mut gate, "npm run build"), Verdict::Allow);
    gate.suspect();
    for usual in ["cargo test", "cargo test --workspace", "ls -la", "cat src/main.rs"] {
        assert_eq!(says(&mut gate, usual), Verdict::Allow, "{usual}");
    }
    for odd in ["cargo run", "python3 -c 'print(1)'", "cargo test && sh setup.sh"] {
        let review = gate.review(exec(odd), Vec::new(), &[]);
        assert_eq!(review.judgement().verdict, Verdict::Escalate, "{odd}");
        assert!(review.judgement().reason.contains("may be there to steer it"), "{odd}");
        // A person may still let it run, once or for the task.
        let grants = [review.digest().clone()];
        assert!(gate.review(exec(odd), Vec::new(), &grants).clear().is_ok(), "{odd}");
        // And nothing that ran since makes it usual.
        assert_eq!(says(&mut gate, odd), Verdict::Escalate, "{odd}");
    }
    // A script that was run before is another one with other bytes.
    let mut gate = self::gate(Mode::Auto);
    let bytes = |sha: &str| vec![BoundFile { path: "/work/a.sh".into(), sha256: sha.into() }];
    let verdict = |gate: &mut Gate, sha: &str| {
        gate.review(exec("sh a.sh"), bytes(sha), &[]).judgement().verdict
    };
    assert_eq!(verdict(&mut gate, "00"), Verdict::Allow);
    gate.suspect();
    assert_eq!(verdict(&mut gate, "00"), Verdict::Allow);
    assert_eq!(verdict(&mut gate, "11"), Verdict::Escalate);
}

#[test]
fn what_a_suspicion_makes_a_question_is_weighed_and_refused_where_nobody_is_there() {
    let mut auto = weighing_gate(Mode::Auto);
    auto.suspect();
    assert!(matches!(auto.look(exec("cargo run"), Vec::new(), &[]), Looked::Open(_)));
    let mut unattended = weighing_gate(Mode::Unattended);
    unattended.suspect();
    let Looked::Open(open) = unattended.look(exec("cargo run"), Vec::new(), &[]) else { panic!() };
    let none = unattended.settle(*open, Err(NoVerdict::TimedOut), &[]);
    let Looked::Judged(review) = none else { panic!() };
    assert_eq!(review.judgement().verdict, Verdict::Deny);
    // An opinion that was formed before is worth nothing.
    let mut gate = weighing_gate(Mode::Auto);
    let Looked::Open(open) = gate.look(exec("git push"), Vec::new(), &[]) else { panic!() };
    gate.suspect();
    let allowed = Ok(Opinion {
        ruling: Ruling::Allow,
        rule: "none".into(),
        reason: "fine".into(),
        risk: Risk::Low,
        authorisation: Authorisation::Implied,
    });
    assert!(matches!(gate.settle(*open, allowed, &[]), Looked::Open(_)));
}

fn weighing_gate(mode: Mode) -> Gate {
    let prose = Arc::new(Prose::new(&Lists::default()).unwrap());
    gate(mode).with_classifier(prose, Dossier::default(), NobodyThere::Deny)
}
