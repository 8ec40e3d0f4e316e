//! Answers are found again for the very same question, and for no other.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use gatepost_domain::Price;
use gatepost_domain::Usage;

use super::*;

/// A model that says how often it was asked.
#[derive(Default)]
struct Counting {
    asked: AtomicU32,
    fails: Option<NoVerdict>,
}

impl Model for Counting {
    fn name(&self) -> &str {
        "judge"
    }

    fn ask(&self, _: Arc<Prompt>, _: Step) -> Answering {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let used = Metered {
            model: "judge".into(),
            usage: Usage { input: 7, ..Usage::default() },
            cost: None,
        };
        let took = Duration::from_millis(20);
        let said = match &self.fails {
            Some(none) => Err(none.clone()),
            None => Ok(Said { text: format!("answer {number}"), used, took }),
        };
        Box::pin(async move { said })
    }

    fn room(&self) -> usize {
        1000
    }

    fn price(&self) -> Option<Price> {
        None
    }
}

fn prompt(system: &str, case: &str) -> Arc<Prompt> {
    Arc::new(Prompt { system: system.into(), case: case.into(), left_out: 0 })
}

async fn ask(
    answers: Answers,
    inner: &Arc<Counting>,
    model: &str,
    questions: &[(&str, &str, Step)],
) -> Vec<Result<Said, NoVerdict>> {
    let answers = Arc::new(answers);
    let models = answers.of(vec![(Arc::clone(inner) as Arc<dyn Model>, model.to_owned())]);
    let mut said = Vec::new();
    for (system, case, step) in questions {
        said.push(models[0].ask(prompt(system, case), *step).await);
    }
    answers.kept().unwrap();
    said
}

const ALL: [(&str, &str, Step); 3] =
    [("policy", "a", Step::Filter), ("policy", "a", Step::Reason), ("policy", "b", Step::Filter)];

#[tokio::test]
async fn a_recorded_answer_is_given_again_and_only_to_the_same_question() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("answers.jsonl");
    let model = Arc::new(Counting::default());
    let said = ask(Answers::record(&file).unwrap(), &model, "m-1", &ALL).await;
    assert_eq!(model.asked.load(Ordering::Relaxed), 3);
    let nobody = Arc::new(Counting::default());
    let again = ask(Answers::replay(&file).unwrap(), &nobody, "m-1", &ALL).await;
    assert_eq!(again, said, "words, tokens and time are those of the record");
    for (model, question) in [
        ("m-1", ("policy", "c", Step::Filter)),
        ("m-1", ("another policy", "a", Step::Filter)),
        ("m-1", ("policya", "", Step::Filter)),
        ("m-1", ("policy", "b", Step::Reason)),
        ("m-2", ("policy", "a", Step::Filter)),
    ] {
        let said = ask(Answers::replay(&file).unwrap(), &nobody, model, &[question]).await;
        assert!(matches!(&said[..], [Err(none)] if is_missing(none)), "{question:?}: {said:?}");
    }
    assert_eq!(nobody.asked.load(Ordering::Relaxed), 0, "nobody is asked in their place");
}

#[tokio::test]
async fn recording_goes_on_where_it_broke_off() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("answers.jsonl");
    let model = Arc::new(Counting::default());
    let first = ask(Answers::record(&file).unwrap(), &model, "m-1", &ALL[..2]).await;
    // The process was killed while it wrote.
    let half = "{\"key\": \"00";
    let mut options = std::fs::File::options();
    options.append(true).open(&file).unwrap().write_all(half.as_bytes()).unwrap();
    let answers = Answers::record(&file).unwrap();
    assert_eq!(answers.count(), 2);
    let busy = Answers::record(&file).unwrap_err();
    assert!(busy.to_string().contains("another `gatepost eval`"), "{busy}");
    let all = ask(answers, &model, "m-1", &ALL).await;
    assert_eq!(all[..2], first[..]);
    assert_eq!(model.asked.load(Ordering::Relaxed), 3, "only what was not known was asked");
    assert_eq!(Answers::replay(&file).unwrap().count(), 3);
}

#[tokio::test]
async fn what_may_be_otherwise_the_next_time_is_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    for (none, kept) in [
        (NoVerdict::Down("529".into()), 0),
        (NoVerdict::TimedOut, 0),
        (NoVerdict::Refused("policy".into()), 1),
        (NoVerdict::TooLong, 1),
    ] {
        let file = directory.path().join("answers.jsonl");
        let model = Arc::new(Counting { fails: Some(none.clone()), ..Counting::default() });
        let question = [("p", &*none.to_string(), Step::Filter)];
        let said = ask(Answers::record(&file).unwrap(), &model, "m", &question).await;
        assert_eq!(said, [Err(none.clone())]);
        assert_eq!(Answers::replay(&file).unwrap().count(), kept, "{none}");
        std::fs::remove_file(&file).unwrap();
    }
}

#[test]
fn a_file_that_is_no_record_is_refused_with_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("answers.jsonl");
    let line = |text: &str| {
        let came = Came::Refused(text.into());
        let (key, model, step) = ("00".into(), "m".into(), "filter".into());
        serde_json::to_string(&Line { key, model, step, came }).unwrap()
    };
    for (text, why) in [
        ("{}\n".to_owned(), ":1: missing field"),
        (format!("{}\nnot JSON\n", line("a")), ":2: expected"),
        (format!("{}\n{}\n", line("a"), line("b")), ":2: the same question has another answer"),
    ] {
        std::fs::write(&file, text).unwrap();
        let failure = Answers::replay(&file).unwrap_err();
        assert!(failure.to_string().contains(why), "{failure}");
    }
    assert!(Answers::replay(&directory.path().join("none")).is_err());
}
