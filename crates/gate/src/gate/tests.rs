//! Clearing, grants and the circuit breaker.

use std::collections::BTreeMap;

use gatepost_domain::action::Exec;
use gatepost_domain::approval::Decision;
use gatepost_domain::approval::Settlement;
use gatepost_domain::principal::Principal;
use gatepost_policy::RuleSet;
use gatepost_policy::Tier;

use super::*;

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
        verdict("true");
    }
    let asked = verdict("forbidden");
    assert_eq!((asked.verdict, asked.clearance), (Verdict::Escalate, Clearance::Person));
    assert!(asked.reason.contains("20 times"), "{}", asked.reason);
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
