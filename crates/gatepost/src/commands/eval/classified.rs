//! What the classifier makes of the rows that the rules leave open.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use gatepost_domain::Cost;
use gatepost_domain::Mode;
use gatepost_domain::Usage;
use gatepost_domain::Verdict;
use gatepost_gate::Context;
use gatepost_gate::Gate;
use gatepost_gate::Looked;
use gatepost_gate::NobodyThere;
use gatepost_gate::Open;
use gatepost_gate::Policy;
use gatepost_gate::classifier;
use gatepost_gate::classifier::Call;
use gatepost_gate::classifier::Dossier;
use gatepost_gate::classifier::Filtered;
use gatepost_gate::classifier::Model;
use gatepost_gate::classifier::NoVerdict;
use gatepost_gate::classifier::Prose;
use gatepost_gate::classifier::Saying;
use gatepost_gate::classifier::Standing;
use gatepost_worker::Classifier;

use super::answers;
use super::answers::Answers;
use crate::cli::EvalArgs;
use crate::commands::review::Row;
use crate::config::Loaded;
use crate::failure::Failure;
use crate::judge;
use crate::models;
use crate::out;

/// So many questions running that nobody answers, and the run ends: figures of an outage are none.
const MOST_DOWN: usize = 10;

/// The classifier as a run of the corpus uses it.
pub(super) struct Bench {
    pub(super) judge: Judge,
    prose: Arc<Prose>,
    task_words: bool,
    waiting: Vec<Waiting>,
}

/// Who judges.
pub(super) enum Judge {
    /// Nobody, and why.
    Nobody(String),
    /// These models.
    Models(Models),
}

/// The models, by way of the answers that are known.
pub(super) struct Models {
    models: Vec<Arc<dyn Model>>,
    /// Their names at their providers.
    pub(super) names: Vec<String>,
    answers: Arc<Answers>,
    /// A model may be asked.
    asks: bool,
    at_once: usize,
}

struct Waiting {
    row: usize,
    gate: Gate,
    open: Box<Open>,
}

/// What came of one row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    /// What the first step alone makes of it; what it flags would be a question.
    pub(super) filter: Verdict,
    /// What both make of it.
    pub(super) both: Verdict,
}

/// What came of all of them.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    /// By the number of the row.
    pub(super) rows: BTreeMap<usize, Outcome>,
    /// How many have no verdict, by why.
    pub(super) none: BTreeMap<&'static str, u64>,
    pub(super) usage: Usage,
    /// None where a model has no price.
    pub(super) cost: Option<Cost>,
    pub(super) calls: u64,
    /// How long each verdict took.
    pub(super) took: Vec<Duration>,
}

impl Bench {
    /// The classifier that is configured.
    ///
    /// # Errors
    /// The configuration or a file of answers cannot be used.
    pub(super) fn open(loaded: &Loaded, args: &EvalArgs) -> Result<Self, Failure> {
        let endpoints = models::endpoints(loaded)?;
        let prose = Arc::new(crate::commands::auto_mode::prose(loaded)?);
        let judge = match judge::classifier(loaded, &endpoints)? {
            None => Judge::Nobody(
                "no model is set: name one of `[models]` as `model` below `[auto_mode]`".to_owned(),
            ),
            Some(Classifier { models, .. }) => {
                let names: Vec<String> = models
                    .iter()
                    .filter_map(|model| endpoints.get(model.name()))
                    .map(|endpoint| format!("{} ({})", endpoint.model, endpoint.api))
                    .collect();
                let answers = Arc::new(match (&args.answers, &args.record) {
                    (Some(path), _) => Answers::replay(path)?,
                    (None, Some(path)) => Answers::record(path)?,
                    (None, None) => Answers::live(),
                });
                let models = answers.of(models.into_iter().zip(names.clone()).collect());
                let (asks, at_once) = (args.answers.is_none(), usize::from(args.at_once));
                Judge::Models(Models { models, names, answers, asks, at_once })
            }
        };
        Ok(Self { judge, prose, task_words: args.task_words, waiting: Vec::new() })
    }

    /// Looks whether the rules leave this row open, and keeps it then. `task`: what the row says
    /// was asked for.
    pub(super) fn take(
        &mut self,
        number: usize,
        row: Row,
        rules: &Arc<Policy>,
        context: Context,
        task: &str,
    ) {
        let mut dossier = Dossier::default();
        if self.task_words && !task.trim().is_empty() {
            let (standing, words) = (Standing::Person, task.to_owned());
            let who = "person:1".into();
            dossier.sayings.push(Saying { standing, who, at: None, chat: None, words });
        }
        let mut gate = Gate::new(Arc::clone(rules), Mode::Auto, context).with_classifier(
            Arc::clone(&self.prose),
            dossier,
            NobodyThere::Ask,
        );
        if let Looked::Open(open) = gate.look(row.action, Vec::new(), &[]) {
            self.waiting.push(Waiting { row: number, gate, open });
        }
    }

    /// How many rows the rules leave open.
    pub(super) fn open_rows(&self) -> usize {
        self.waiting.len()
    }

    /// Has them judged.
    ///
    /// # Errors
    /// The model answers nothing, or its answers could not be kept.
    pub(super) async fn judged(&mut self) -> Result<Outcomes, Failure> {
        let mut outcomes = Outcomes { cost: Some(Cost::default()), ..Outcomes::default() };
        let Judge::Models(judge) = &self.judge else { return Ok(outcomes) };
        let waiting = std::mem::take(&mut self.waiting);
        if judge.asks {
            out::note(&format!(
                "gatepost: {} asked about {} rows; {} answers are known\n",
                if judge.names.len() == 1 { "a model is" } else { "models are" },
                waiting.len(),
                judge.answers.count(),
            ));
        }
        let mut weighed = futures::stream::iter(waiting)
            .map(|waiting| async move {
                let weighed = classifier::weigh(&judge.models, waiting.open.question()).await;
                (waiting, weighed)
            })
            .buffer_unordered(judge.at_once);
        let mut down = 0;
        while let Some((waiting, weighed)) = weighed.next().await {
            down = match &weighed.opinion {
                Err(NoVerdict::Down(_) | NoVerdict::TimedOut) if judge.asks => down + 1,
                Ok(_) | Err(_) => 0,
            };
            if let (Err(none), true) = (&weighed.opinion, down >= MOST_DOWN) {
                return Err(Failure::new(format!(
                    "{MOST_DOWN} questions running had no answer ({none}); no figures are given"
                ))
                .hint("see that the model can be reached, and run the same again"));
            }
            outcomes.add(waiting, weighed);
        }
        judge.answers.kept()?;
        Ok(outcomes)
    }
}

impl Outcomes {
    fn add(&mut self, waiting: Waiting, weighed: classifier::Weighed) {
        let Waiting { row, mut gate, open } = waiting;
        let classifier::Weighed { opinion, filtered, calls } = weighed;
        let filter = match filtered {
            Some(Filtered::Passed) => Verdict::Allow,
            Some(Filtered::Flagged) => Verdict::Escalate,
            None => Verdict::NoVerdict,
        };
        if let Err(none) = &opinion {
            *self.none.entry(word(none)).or_default() += 1;
        }
        if !calls.is_empty() {
            self.took.push(calls.iter().map(|call| call.took).sum());
        }
        for Call { step: _, used, took: _ } in calls {
            self.calls += 1;
            self.usage += used.usage;
            self.cost = self.cost.zip(used.cost).map(|(sum, more)| sum + more);
        }
        let both = match gate.settle(*open, opinion, &[]) {
            Looked::Judged(review) => review.judgement().verdict,
            // Nobody spoke and nothing was turned off meanwhile, so it is not asked anew.
            Looked::Open(_) => Verdict::NoVerdict,
        };
        self.rows.insert(row, Outcome { filter, both });
    }
}

fn word(none: &NoVerdict) -> &'static str {
    match none {
        none if answers::is_missing(none) => "its answer is not in the file",
        NoVerdict::Down(_) => "not reached",
        NoVerdict::Spent { .. } => "not asked",
        NoVerdict::TimedOut => "not in time",
        NoVerdict::Unparseable(_) => "not a verdict",
        NoVerdict::Refused(_) => "refused by the provider",
        NoVerdict::TooLong => "too long",
    }
}
