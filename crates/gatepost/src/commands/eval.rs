//! `gatepost eval`: scores the gate on a file of labelled actions. The labels never reach the gate.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use anyhow::Result;
use gatepost_domain::Mode;
use gatepost_domain::Verdict;
use gatepost_gate::Gate;
use gatepost_gate::Policy;
use serde::Deserialize;
use serde_json::json;

use crate::cli::By;
use crate::cli::EvalArgs;
use crate::cli::Place;
use crate::commands::policy;
use crate::commands::review::Row;
use crate::config;
use crate::failure::Failure;
use crate::out;

mod answers;
mod classified;
mod score;
mod stages;

use classified::Bench;
use score::Label;
use score::Scores;
use stages::Stages;

/// The home that `~` means in the corpus: nobody's, so that the scores are the same everywhere.
const HOME: &str = "/home/user";

/// What a row says of itself beside the action.
#[derive(Debug, Deserialize)]
struct Labels {
    id: String,
    label: Label,
    #[serde(default)]
    category: String,
    #[serde(default)]
    source: String,
    #[serde(default)]
    tool: String,
    #[serde(default)]
    task: Option<String>,
    #[serde(default)]
    injected_result: serde_json::Value,
}

/// Runs the command.
pub(crate) fn eval(place: &Place, args: &EvalArgs) -> Result<ExitCode> {
    let loaded = config::load(&place.overrides())?;
    let rules = Arc::new(policy::rules(&loaded)?);
    let shown = args.file.display();
    let text = std::fs::read_to_string(&args.file).map_err(|error| {
        Failure::new(format!("cannot read `{shown}`: {error}"))
            .hint("name a file with one JSON object a line")
    })?;
    let mut predictions = match &args.predictions {
        Some(path) => Some(Predictions::create(path)?),
        None => None,
    };
    let base = policy::context(place, &loaded, "/workspace", Some(HOME));
    let mut bench = if args.classifier { Some(Bench::open(&loaded, args)?) } else { None };
    let mut rows = Vec::new();
    let mut times = Vec::new();
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |why: &str| {
            Failure::new(format!("{shown}:{}: {why}", i + 1))
                .hint("each line needs `id`, `label` (benign, risky or ambiguous) and an action")
        };
        let labels: Labels = serde_json::from_str(line).map_err(|e| wrong(&e.to_string()))?;
        let row = Row::parse(line.as_bytes()).map_err(|unread| wrong(unread.reason()))?;
        if let Some(bench) = &mut bench {
            let task = labels.task.as_deref().unwrap_or_default();
            bench.take(rows.len(), row.clone(), &rules, row.context(&base, None), task);
        }
        let (verdict, took) = judged(row, &rules, &base);
        times.push(took);
        rows.push((labels, verdict));
    }
    let stages = bench.map(|bench| staged(bench, &rows, args)).transpose()?;
    let mut scores = Scores::default();
    for (i, (labels, by_rules)) in rows.iter().enumerate() {
        let verdict = stages.as_ref().and_then(|stages| stages.verdict(i)).unwrap_or(*by_rules);
        let verdict = policy::word(verdict);
        if let Some(predictions) = &mut predictions {
            predictions.write(&labels.id, verdict)?;
        }
        let by = match args.by.unwrap_or(By::Category) {
            By::Category => labels.category.as_str(),
            By::Tool => labels.tool.as_str(),
            // `repository:path` counts as its repository.
            By::Source => labels.source.split(':').next().unwrap_or_default(),
        };
        let injected = match &labels.injected_result {
            serde_json::Value::Null => false,
            serde_json::Value::String(text) => !text.is_empty(),
            _ => true,
        };
        scores.add(labels.label, by, injected, verdict);
    }
    if let Some(predictions) = predictions {
        predictions.finish()?;
    }
    report(args, &scores, stages.as_ref(), &mut times)?;
    Ok(ExitCode::SUCCESS)
}

/// Has the classifier judge what the rules leave open.
fn staged(mut bench: Bench, rows: &[(Labels, Verdict)], args: &EvalArgs) -> Result<Stages> {
    let open = bench.open_rows();
    let outcomes = super::wait(async { Ok(bench.judged().await?) })?;
    let rules: Vec<_> = rows.iter().map(|(labels, verdict)| (labels.label, *verdict)).collect();
    Ok(Stages::new(&rules, open, bench, outcomes, args))
}

fn judged(row: Row, rules: &Arc<Policy>, base: &gatepost_gate::Context) -> (Verdict, Duration) {
    let context = row.context(base, None);
    let mut gate = Gate::new(Arc::clone(rules), Mode::Auto, context);
    let started = Instant::now();
    let review = gate.review(row.action, Vec::new(), &[]);
    (review.judgement().verdict, started.elapsed())
}

fn report(
    args: &EvalArgs,
    scores: &Scores,
    stages: Option<&Stages>,
    times: &mut [Duration],
) -> Result<()> {
    times.sort_unstable();
    let at = |share: usize| {
        let index = (times.len() * share / 100).min(times.len().saturating_sub(1));
        times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    let (middle, slow, slowest) = (at(50), at(99), at(100));
    let by = args.by.map(|by| match by {
        By::Category => "category",
        By::Source => "source",
        By::Tool => "tool",
    });
    if args.json {
        let mut all = scores.json(by);
        if let serde_json::Value::Object(fields) = &mut all {
            let latency = json!({ "p50": middle, "p99": slow, "max": slowest });
            fields.insert("latency_us".to_owned(), latency);
            fields.insert("rows".to_owned(), times.len().into());
            if let Some(stages) = stages {
                fields.insert("classifier".to_owned(), stages.json());
            }
        }
        out::line(&serde_json::to_string(&all)?);
    } else {
        out::print(&scores.table(by));
        out::line(&format!(
            "\n{} rows; a decision took {middle:.0} µs in the middle, {slow:.0} µs at the 99th \
             percentile, {slowest:.0} µs at most",
            times.len()
        ));
        if let Some(stages) = stages {
            out::print(&stages.table());
        }
    }
    Ok(())
}

/// The file of verdicts.
struct Predictions {
    file: std::io::BufWriter<std::fs::File>,
    shown: String,
}

impl Predictions {
    fn create(path: &Path) -> Result<Self, Failure> {
        let shown = path.display().to_string();
        let file = std::fs::File::create(path)
            .map_err(|error| Failure::new(format!("cannot write `{shown}`: {error}")))?;
        Ok(Self { file: std::io::BufWriter::new(file), shown })
    }

    fn write(&mut self, id: &str, verdict: &str) -> Result<(), Failure> {
        let line = json!({ "id": id, "verdict": verdict });
        writeln!(self.file, "{line}").map_err(|error| self.wrong(&error))
    }

    fn finish(mut self) -> Result<(), Failure> {
        self.file.flush().map_err(|error| self.wrong(&error))
    }

    fn wrong(&self, error: &std::io::Error) -> Failure {
        Failure::new(format!("cannot write `{}`: {error}", self.shown))
    }
}
